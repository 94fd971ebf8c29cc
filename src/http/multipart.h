/*
 * Bodies in parts: multipart/form-data (RFC 7578, RFC 2046).
 *
 * The reader is given bytes as they come and says of their front what it is. What it does not take is given to it again,
 * with more behind it: at most MULTIPART_ROOM bytes are ever needed at a time. It holds no data; all slices point into the
 * caller's bytes.
 *
 *     --boundary CR LF  head CR LF CR LF  data CR LF  --boundary CR LF  ...  data CR LF  --boundary--
 *
 * Any thread; never waits; allocates nothing.
 */
#ifndef HTTP_MULTIPART_H
#define HTTP_MULTIPART_H

#include <anqa/base.h>

#define MULTIPART_BOUNDARY_MAX 70u /* RFC 2046, 5.1.1 */
#define MULTIPART_HEAD_MAX 8192u   /* of a part */
#define MULTIPART_ROOM (MULTIPART_HEAD_MAX + 4)

enum multipart_event {
    MULTIPART_MORE,    /* more bytes are needed */
    MULTIPART_SKIP,    /* something that does not count */
    MULTIPART_HEAD,    /* a part begins; `piece` is its head */
    MULTIPART_DATA,    /* `piece` is some of its data, not empty */
    MULTIPART_END,     /* the part ends */
    MULTIPART_DONE,    /* the last one has ended; what follows does not count */
    MULTIPART_REFUSED, /* not what it has to be */
    MULTIPART_TOO_LONG /* a head of more than MULTIPART_HEAD_MAX */
};

struct multipart {
    char mark[4 + MULTIPART_BOUNDARY_MAX]; /* CR LF "--" boundary */
    size_t mark_len;
    enum {
        MULTIPART_AT_START,
        MULTIPART_BEFORE,
        MULTIPART_IN_DATA,
        MULTIPART_AT_MARK,
        MULTIPART_IN_HEAD,
        MULTIPART_AT_END
    } state;
};

/* boundary: as the content type says. Fails: E_INVALID (empty, too long, or with characters that none may have). */
anqa_status multipart_init(struct multipart *multipart, anqa_str boundary) ANQA_MUST_CHECK;

/* What stands at the front of `bytes`.   ret_taken: how many of them are done with. */
enum multipart_event multipart_next(
    struct multipart *multipart, anqa_str bytes, size_t *ret_taken, anqa_str *ret_piece);

/* ---------------------------------------------------------------- heads */

/* The value of a parameter of a field, `x; name="value"`, unquoted and unescaped into `out`, room for value.len bytes. False: there is
 * none of that name. */
bool multipart_param(anqa_str field, const char *name, char *out, anqa_str *ret_text);

/* What the head of a part says; without text where it says nothing. Slices of the head. */
struct multipart_head {
    anqa_str disposition, type;
};

/* False: a line is no field. */
bool multipart_head_read(anqa_str head, struct multipart_head *ret_head);

/* The last segment of a path, whichever slashes it has; empty for one that names a folder ("..") or has control
 * characters in it. */
anqa_str multipart_base_name(anqa_str filename);

#endif
