/*
 * An answer of several ranges, of type multipart/byteranges (RFC 9110, 14.6): for each a head, and the bytes of the file behind it.
 *
 * The boundary between them is random, so that no file can have it in it. The length of the whole is known before. What is
 * written here is text alone; the bytes of the file are sent by who answers.
 *
 * Any thread; never waits; allocates nothing.
 */
#ifndef HTTP_BYTERANGES_H
#define HTTP_BYTERANGES_H

#include "http/range.h" /* IWYU pragma: export */

#define BYTERANGES_BOUNDARY 32  /* characters */
#define BYTERANGES_TYPE_MAX 192 /* bytes of the type of a part, at most */
#define BYTERANGES_TEXT 384     /* room for a head, or for the type, with its NUL */

struct byteranges {
    struct ranges ranges;     /* count 0: it is no such answer */
    uint64_t size;            /* of the file */
    const char *content_type; /* of each part; borrowed */
    char boundary[BYTERANGES_BOUNDARY + 1];
};

/* content_type: borrowed, shorter than BYTERANGES_TYPE_MAX. */
void byteranges_init(
    struct byteranges *parts, const struct ranges *ranges, uint64_t size, const char *content_type);

/* The content-type of the answer; lies in `text`. */
anqa_str byteranges_type(const struct byteranges *parts, char text[static BYTERANGES_TEXT]);

/* What comes before range `i`; for i == ranges.count what comes behind the last one. Lies in `text`. */
anqa_str byteranges_head(
    const struct byteranges *parts, unsigned i, char text[static BYTERANGES_TEXT]);

/* Bytes of the whole answer. */
uint64_t byteranges_length(const struct byteranges *parts);

#endif
