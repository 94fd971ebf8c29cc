/*
 * The field Range of a request (RFC 9110, 14): which part of a file is asked for.
 *
 * One range is honoured. Several would be an answer of type multipart/byteranges, which a server need not give: then, as with a
 * unit that is not "bytes" and with what is no range at all, the field is as good as not there.
 *
 * Any thread; never waits.
 */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include <anqa/base.h>

enum range_result {
    RANGE_NONE, /* the whole is sent */
    RANGE_PART,
    RANGE_UNSATISFIABLE /* 416 */
};

/* Bytes of a file. */
struct range {
    uint64_t offset, length;
};

/* value: of the field.   size: of the file.   ret_range: written when RANGE_PART, not empty and within the file. */
enum range_result range_parse(anqa_str value, uint64_t size, struct range *ret_range);

/* Room for the value of Content-Range, with its NUL. */
#define RANGE_TEXT 72

/* Writes "bytes 0-99/200"; range: NULL for that of an answer 416, which names the size only. Returns `text`. */
const char *range_write(const struct range *range, uint64_t size, char text[static RANGE_TEXT]);

#endif
