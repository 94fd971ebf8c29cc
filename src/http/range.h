/*
 * The field Range of a request (RFC 9110, 14): which parts of a file are asked for.
 *
 * Several are an answer of type multipart/byteranges (http/byteranges.h), which a server need not give. They are honoured if they are
 * RANGES_MAX at most and none touches another's bytes, so that nobody is sent more than the file and some heads. Otherwise, as
 * with a unit that is not "bytes" and with what is no range at all, the field is as good as not there. Of several those
 * that lie behind the end of the file are left out.
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

#define RANGES_MAX 16

struct ranges {
    unsigned count;
    struct range at[RANGES_MAX]; /* in the order in which they were asked for */
};

/* value: of the field.   size: of the file.   ret_ranges: written when RANGE_PART: from 1 on, not empty, within the file, without a
 * byte in common. */
enum range_result ranges_parse(anqa_str value, uint64_t size, struct ranges *ret_ranges);

/* Room for the value of Content-Range, with its NUL. */
#define RANGE_TEXT 72

/* Writes "bytes 0-99/200"; range: NULL for that of an answer 416, which names the size only. Returns `text`. */
const char *range_write(const struct range *range, uint64_t size, char text[static RANGE_TEXT]);

#endif
