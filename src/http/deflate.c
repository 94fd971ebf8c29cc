#include "http/deflate.h"

#include <stdlib.h>
#include <string.h>
#include <zconf.h>
#include <zlib.h>

const bool deflate_available = true;

/* The bytes that end each message and are not sent: those of an empty block that is not compressed. */
static const unsigned char tail[4] = {0x00, 0x00, 0xff, 0xff};

/* So that tests can let it fail. */
static voidpf take(voidpf opaque, uInt items, uInt size)
{
    return malloc((size_t)items * size);
}

static void put(voidpf opaque, voidpf memory)
{
    free(memory);
}

/* ---------------------------------------------------------------- out */

/* 4 KB of JSON: 11 us. Level 6 takes twice, of 64 KB five times as long, for a tenth, a fifth less. */
#define LEVEL 1
#define MEMORY_LEVEL \
    6 /* as good as the default of 8, and its table is cleared in half a microsecond less */

struct deflater {
    z_stream z;
    char *out;
    size_t cap;
};

struct deflater *deflater_new(void)
{
    struct deflater *deflater = calloc(1, sizeof *deflater);

    if (deflater == NULL)
        return NULL;
    deflater->z.zalloc = take;
    deflater->z.zfree = put;
    if (deflateInit2(&deflater->z, LEVEL, Z_DEFLATED, -(int)DEFLATE_WINDOW_MAX, MEMORY_LEVEL,
            Z_DEFAULT_STRATEGY) == Z_OK)
        return deflater;
    free(deflater);
    return NULL;
}

void deflater_free(struct deflater *deflater)
{
    if (deflater == NULL)
        return;
    (void)deflateEnd(&deflater->z);
    free(deflater->out);
    free(deflater);
}

static bool out_grow(struct deflater *deflater, size_t size)
{
    char *larger;

    if (deflater->cap >= size)
        return true;
    larger = realloc(deflater->out, size);
    if (larger == NULL)
        return false;
    deflater->out = larger;
    deflater->cap = size;
    return true;
}

anqa_str deflater_run(struct deflater *deflater, const anqa_str *pieces, size_t count)
{
    const anqa_str none = {NULL, 0};
    z_stream *z = &deflater->z;
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        len += pieces[i].len;
    if (len == 0 || len > DEFLATE_MOST || !out_grow(deflater, len + sizeof tail) ||
        deflateReset(z) != Z_OK)
        return none;
    z->next_out = (Bytef *)deflater->out;
    z->avail_out = (uInt)(len + sizeof tail); /* full: it has become no shorter */
    for (size_t i = 0; i < count; i++) {
        z->next_in = (z_const Bytef *)(uintptr_t)pieces[i].ptr;
        z->avail_in = (uInt)pieces[i].len;
        if (z->avail_in > 0 && (deflate(z, Z_NO_FLUSH) != Z_OK || z->avail_out == 0))
            return none;
    }
    if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_out == 0)
        return none;
    return anqa_str_make(deflater->out, (size_t)z->total_out - sizeof tail);
}

/* ---------------------------------------------------------------- in */

#define FIRST_CAPACITY 1024u

struct inflater {
    z_stream z;
    size_t at, in_len; /* bytes of the message that were taken; with the tail */
    char *out;
    size_t len, cap, limit;
};

struct inflater *inflater_new(unsigned window_bits)
{
    struct inflater *inflater = calloc(1, sizeof *inflater);

    if (inflater == NULL)
        return NULL;
    inflater->z.zalloc = take;
    inflater->z.zfree = put;
    if (inflateInit2(&inflater->z, -(int)window_bits) == Z_OK)
        return inflater;
    free(inflater);
    return NULL;
}

void inflater_free(struct inflater *inflater)
{
    if (inflater == NULL)
        return;
    (void)inflateEnd(&inflater->z);
    free(inflater->out);
    free(inflater);
}

void inflater_begin(struct inflater *inflater, size_t len, size_t limit)
{
    size_t by_ratio = INFLATE_FREE + len * INFLATE_RATIO;

    inflater->at = 0;
    inflater->in_len = len + sizeof tail;
    inflater->len = 0;
    inflater->limit = by_ratio < limit ? by_ratio : limit;
}

anqa_str inflater_message(const struct inflater *inflater)
{
    return anqa_str_make(inflater->out == NULL ? "" : inflater->out, inflater->len);
}

void inflater_drop(struct inflater *inflater)
{
    free(inflater->out);
    inflater->out = NULL;
    inflater->len = inflater->cap = 0;
}

/* Room for one byte more than is allowed, so that too much is told from enough. */
static bool in_grow(struct inflater *inflater)
{
    size_t most = inflater->limit + 1, cap = inflater->cap * 2;
    char *larger;

    if (cap < FIRST_CAPACITY)
        cap = FIRST_CAPACITY;
    if (cap < inflater->in_len * 4 && inflater->cap == 0)
        cap = inflater->in_len < INFLATE_SLICE_IN ? inflater->in_len * 4 : INFLATE_SLICE_OUT;
    if (cap > most)
        cap = most;
    larger = realloc(inflater->out, cap);
    if (larger == NULL)
        return false;
    inflater->out = larger;
    inflater->cap = cap;
    return true;
}

/* What is to be read next: the rest of the message, then the tail. */
static void give_input(struct inflater *inflater, const char *bytes)
{
    z_stream *z = &inflater->z;
    size_t len = inflater->in_len - sizeof tail;

    if (inflater->at < len) {
        size_t left = len - inflater->at;
        z->next_in = (z_const Bytef *)(uintptr_t)bytes + inflater->at;
        z->avail_in = left < INFLATE_SLICE_IN ? (uInt)left : INFLATE_SLICE_IN;
    } else {
        z->next_in = (z_const Bytef *)tail + (inflater->at - len);
        z->avail_in = (uInt)(inflater->in_len - inflater->at);
    }
}

/* Bits 0 to 5 are those of the last byte that nobody wanted, bit 7: between two blocks. */
static bool between_blocks(const z_stream *z)
{
    return (z->data_type & 128) != 0 && (z->data_type & 63) == 0;
}

/* One call of zlib. */
static enum inflate_result step(struct inflater *inflater, const char *bytes)
{
    z_stream *z = &inflater->z;
    uInt given, room;
    int result;

    if (inflater->len == inflater->cap && !in_grow(inflater))
        return INFLATE_NO_MEMORY;
    room = (uInt)(inflater->cap - inflater->len);
    if (room > INFLATE_SLICE_OUT)
        room = INFLATE_SLICE_OUT;
    give_input(inflater, bytes);
    given = z->avail_in;
    z->next_out = (Bytef *)inflater->out + inflater->len;
    z->avail_out = room;
    result = inflate(z, Z_NO_FLUSH);
    inflater->at += given - z->avail_in;
    inflater->len += room - z->avail_out;
    if (inflater->len > inflater->limit)
        return INFLATE_TOO_LONG;
    if (result == Z_STREAM_END) { /* a last block (7.2.3.4); more may follow, and refer to it */
        size_t left = inflater->in_len - inflater->at;
        (void)inflateResetKeep(z);
        return left == 0 || left == sizeof tail ? INFLATE_DONE
               : left > sizeof tail             ? INFLATE_MORE
                                                : INFLATE_BAD;
    }
    if (result == Z_MEM_ERROR)
        return INFLATE_NO_MEMORY;
    if (result != Z_OK && result != Z_BUF_ERROR)
        return INFLATE_BAD;
    if (inflater->at < inflater->in_len || z->avail_out == 0)
        return INFLATE_MORE;
    return between_blocks(z) ? INFLATE_DONE : INFLATE_BAD;
}

enum inflate_result inflater_run(struct inflater *inflater, const char *bytes, anqa_str *ret_new)
{
    size_t in_before = inflater->at, out_before = inflater->len;
    enum inflate_result result;

    do
        result = step(inflater, bytes);
    while (result == INFLATE_MORE && inflater->at - in_before < INFLATE_SLICE_IN &&
           inflater->len - out_before < INFLATE_SLICE_OUT);
    *ret_new =
        anqa_str_make(inflater_message(inflater).ptr + out_before, inflater->len - out_before);
    return result;
}
