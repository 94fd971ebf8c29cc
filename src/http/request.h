/*
 * The head of an HTTP/1.1 request, out of bytes that somebody else holds.
 *
 * A head that arrives whole in one read is neither copied nor does it allocate: every slice of a struct request points
 * into the caller's bytes, and is good as long as those are. A part of a head is kept by the caller, who calls again with the
 * same bytes and more behind them, wherever they now lie. What was looked at is remembered in a struct request_scan, so
 * each byte is scanned once however slowly they come, and fields are looked for once the empty line was seen.
 *
 * The scan checks the shape of lines itself: they end in CR LF, hold no control character but tabs, and are not folded. llhttp,
 * in strict mode, then finds the parts. What two servers could read in two ways is refused: a second Host or
 * Content-Length, Content-Length beside Transfer-Encoding, a coding other than "chunked", blanks where none belong. An
 * error is an HTTP status and words for the log; the connection is answered and closed, for where the next request begins is unknown.
 *
 * Parsing knows no connection: one struct request for each thread will do.
 * Any thread; never waits.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <anqa/base.h>

#define REQUEST_HEADERS_MAX 100
#define REQUEST_BODY_MAX (UINT64_C(1) << 60) /* one more digit behind it fits into 64 bits */

enum request_method {
    REQUEST_OTHER, /* a registered method that has no name here: see method_name */
    REQUEST_GET,
    REQUEST_HEAD,
    REQUEST_POST,
    REQUEST_PUT,
    REQUEST_PATCH,
    REQUEST_DELETE,
    REQUEST_OPTIONS
};

/* In bytes; 0 is the default. */
struct request_limits {
    uint32_t line_bytes; /* of the request line; 8 KiB */
    uint32_t head_bytes; /* of the whole head; 32 KiB */
    uint32_t headers;    /* number of fields; 100, which is also the most */
    uint64_t body_bytes; /* announced by Content-Length; 8,000,000; at most REQUEST_BODY_MAX */
};

extern const struct request_limits request_default_limits;

/* How far the bytes of a head were looked at. Zeroed before the first byte of each request; request_parse does so itself when
 * it returned REQUEST_DONE. */
struct request_scan {
    uint32_t at;    /* bytes looked at */
    uint32_t line;  /* where the line begins in which that is */
    uint32_t lines; /* whole lines so far */
};

struct request_header {
    anqa_str name, value; /* the value without blanks around it */
};

enum request_result { REQUEST_MORE, REQUEST_DONE, REQUEST_REFUSED };

/* All slices point into the bytes that were parsed. */
struct request {
    anqa_str method_name;
    anqa_str path;     /* as it came, begins with '/'; "*" for OPTIONS * */
    anqa_str query;    /* as it came, behind the '?' */
    anqa_str host;     /* with the port, from an absolute target or the field Host; may be empty */
    size_t head_bytes; /* length of the head: what follows is the body, or the next request */
    uint64_t body_bytes; /* Content-Length; 0 when chunked */
    enum request_method method;
    uint8_t minor_version; /* HTTP/1.x: 0 or 1, for those beyond, too */
    bool keep_alive;
    bool upgrade; /* Connection: upgrade, and there is an Upgrade */
    bool
        tunnel; /* it asked for a WebSocket as RFC 8441 says, and is shown as the GET of RFC 6455 */
    bool chunked;
    bool expects_continue; /* the client waits for "100 Continue" before it sends the body */
    uint16_t status;       /* REQUEST_REFUSED: what to answer */
    const char *why;       /* REQUEST_REFUSED: static words */
    uint32_t header_count;
    struct request_header headers[REQUEST_HEADERS_MAX]; /* in the order of the request */
};

/*
 * Parses the head at the front of `bytes`.
 * scan: zeroed for a new request; else as the call before left it, with the same bytes as then in front.   limits: NULL for the defaults.
 * REQUEST_MORE: *req is not written. REQUEST_DONE: *req holds the head. REQUEST_REFUSED: only status and why count:
 * 400, 405 (CONNECT, TRACE), 413, 414, 417, 431, 501 (unknown method or transfer coding), 505.
 */
enum request_result request_parse(struct request *req, struct request_scan *scan, const char *bytes,
    size_t len, const struct request_limits *limits);

/*
 * The same for a head that another protocol has taken apart: *req has method_name and header fields, among them Host, and
 * the rest is filled in. target: a path with its query, or "*".   has_body: something comes behind the head, whose length
 * may be unknown (then it counts as chunked).   Never REQUEST_MORE.
 */
enum request_result request_of_parts(
    struct request *req, anqa_str target, bool has_body, const struct request_limits *limits);

/* A copy whose slices point into memory of its own. bytes: what was parsed, head_bytes of it.   room: request_copy_size bytes, as aligned
 * as malloc's. */
size_t request_copy_size(const struct request *request);
struct request *request_copy(const struct request *request, const char *bytes, void *room);

/* The value of the first field of that name, whatever its case. */
bool request_header(const struct request *req, const char *name, anqa_str *ret_value);

/* Whether the comma-separated lists of all fields `name` hold `token`; case does not matter. */
bool request_has_token(const struct request *req, const char *name, const char *token);

/* Takes the next element, without blanks, from a comma-separated list; empty ones are skipped. False at the end. */
bool request_next_token(anqa_str *list, anqa_str *ret_token);

/* Without the blanks around it. */
anqa_str request_trim(anqa_str s);

/* Of names of fields and the like: RFC 9110, 5.6.2 */
bool request_is_token_char(char c);

/* Equality of ASCII text without regard to case. */
bool request_same_word(anqa_str a, anqa_str b);

#endif
