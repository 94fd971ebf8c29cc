/*
 * Any bytes as compressed messages of a client, and any bytes as a message that is compressed. What must hold:
 *  - what comes out keeps both limits, in memory too, and each slice its own;
 *  - it ends; and its slices together are the message;
 *  - what is compressed here comes out again as it was, also of an inflater that has had other messages before.
 */
#include "http/deflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT ((size_t)2 << 20)

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* A whole message, in memory of just its size. */
static enum inflate_result inflate_all(struct inflater *inflater, const void *bytes, size_t len)
{
    char *copy = malloc(len + 1);
    size_t out = 0, slices = 0;
    enum inflate_result result;
    anqa_str part;

    require(copy != NULL);
    if (len > 0)
        memcpy(copy, bytes, len);
    inflater_begin(inflater, len, LIMIT);
    do {
        result = inflater_run(inflater, copy, &part);
        require(part.len < 2 * INFLATE_SLICE_OUT);
        out += part.len;
        require(++slices < 4 + len + LIMIT / INFLATE_SLICE_OUT);
    } while (result == INFLATE_MORE);
    require(inflater_message(inflater).len == out);
    if (result == INFLATE_DONE)
        require(out <= LIMIT && out <= INFLATE_FREE + len * INFLATE_RATIO);
    free(copy);
    return result;
}

static void there_and_back(struct inflater *inflater, const uint8_t *data, size_t size)
{
    static struct deflater *deflater;
    anqa_str pieces[2] = {{(const char *)data, size / 3}, {(const char *)data + size / 3, 0}};
    anqa_str deflated, back;

    if (deflater == NULL)
        deflater = deflater_new();
    require(deflater != NULL);
    pieces[1].len = size - size / 3;
    deflated = deflater_run(deflater, pieces, 2);
    require(deflated.len < size || deflated.len == 0);
    if (deflated.len == 0 || size > LIMIT)
        return;
    switch (inflate_all(inflater, deflated.ptr, deflated.len)) {
    case INFLATE_DONE:
        back = inflater_message(inflater);
        require(back.len == size && memcmp(back.ptr, data, size) == 0);
        break;
    case INFLATE_TOO_LONG: require(size > INFLATE_FREE); break;
    default: abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned bits = size == 0 ? 15 : 8 + data[0] % 8;
    struct inflater *inflater;

    if (!deflate_available)
        return 0;
    inflater = inflater_new(bits);
    require(inflater != NULL);
    if (inflate_all(inflater, data, size) == INFLATE_DONE && size > 0) {
        inflater_drop(inflater);
        (void)inflate_all(inflater, data + 1, size - 1); /* may refer to the one before */
    }
    inflater_free(inflater);
    inflater = inflater_new(15);
    require(inflater != NULL);
    there_and_back(inflater, data, size);
    inflater_free(inflater);
    return 0;
}
