#include "http/byteranges.h"

#include <stdio.h>

#include "base/random.h"

void byteranges_init(
    struct byteranges *parts, const struct ranges *ranges, uint64_t size, const char *content_type)
{
    unsigned char bytes[BYTERANGES_BOUNDARY / 2];

    *parts = (struct byteranges){.ranges = *ranges, .size = size, .content_type = content_type};
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(parts->boundary + 2 * i, 3, "%02x", bytes[i]);
}

anqa_str byteranges_type(const struct byteranges *parts, char text[static BYTERANGES_TEXT])
{
    int len = snprintf(text, BYTERANGES_TEXT, "multipart/byteranges; boundary=%s", parts->boundary);

    return anqa_str_make(text, (size_t)len);
}

anqa_str byteranges_head(
    const struct byteranges *parts, unsigned i, char text[static BYTERANGES_TEXT])
{
    const char *before = i == 0 ? "" : "\r\n";
    char range[RANGE_TEXT];
    int len;

    if (i == parts->ranges.count)
        len = snprintf(text, BYTERANGES_TEXT, "%s--%s--\r\n", before, parts->boundary);
    else
        len = snprintf(text, BYTERANGES_TEXT,
            "%s--%s\r\ncontent-type: %s\r\ncontent-range: %s\r\n\r\n", before, parts->boundary,
            parts->content_type, range_write(&parts->ranges.at[i], parts->size, range));
    return anqa_str_make(text, (size_t)len);
}

uint64_t byteranges_length(const struct byteranges *parts)
{
    char text[BYTERANGES_TEXT];
    uint64_t length = byteranges_head(parts, parts->ranges.count, text).len;

    for (unsigned i = 0; i < parts->ranges.count; i++)
        length += byteranges_head(parts, i, text).len + parts->ranges.at[i].length;
    return length;
}
