/*
 * The first 8 bytes are the size of a file, the rest is the field Range. What must hold: ranges are not empty, lie within the file, have no byte in
 * common and are not more than may be; written one by one they are read as the same; the length of the answer is that of its pieces.
 */
#include "http/byteranges.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_range(const struct ranges *ranges, unsigned i, uint64_t size)
{
    const struct range *range = &ranges->at[i];

    require(range->length != 0 && range->offset < size && range->length <= size - range->offset);
    for (unsigned k = 0; k < i; k++)
        require(ranges->at[k].offset + ranges->at[k].length <= range->offset ||
                range->offset + range->length <= ranges->at[k].offset);
}

static void check_again(const struct ranges *ranges, uint64_t size)
{
    char text[RANGES_MAX * 44 + 8] = "bytes=";
    struct ranges again;

    for (unsigned i = 0; i < ranges->count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%" PRIu64 "-%" PRIu64,
            i == 0 ? "" : ",", ranges->at[i].offset,
            ranges->at[i].offset + ranges->at[i].length - 1);
    require(ranges_parse(anqa_str_of(text), size, &again) == RANGE_PART);
    require(again.count == ranges->count &&
            memcmp(again.at, ranges->at, ranges->count * sizeof *again.at) == 0);
}

static void check_answer(const struct ranges *ranges, uint64_t size)
{
    char text[BYTERANGES_TEXT];
    struct byteranges parts;
    uint64_t length = 0;

    byteranges_init(&parts, ranges, size, "text/plain");
    for (unsigned i = 0; i <= ranges->count; i++) {
        anqa_str head = byteranges_head(&parts, i, text);
        require(head.len < sizeof text && strlen(text) == head.len);
        length += head.len + (i < ranges->count ? ranges->at[i].length : 0);
    }
    require(length == byteranges_length(&parts));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ranges ranges = {0};
    uint64_t size;

    if (len < sizeof size)
        return 0;
    memcpy(&size, data, sizeof size);
    size &= INT64_MAX; /* as files are */
    if (ranges_parse(anqa_str_make((const char *)data + sizeof size, len - sizeof size), size,
            &ranges) != RANGE_PART)
        return 0;
    require(ranges.count >= 1 && ranges.count <= RANGES_MAX);
    for (unsigned i = 0; i < ranges.count; i++)
        check_range(&ranges, i, size);
    check_again(&ranges, size);
    check_answer(&ranges, size);
    return 0;
}
