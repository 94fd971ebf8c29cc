/*
 * Links: WebSockets that carry the Phoenix Channels V2 protocol, seen from either end, for programs that hold many of
 * them with one epoll loop; and a scanner for the JSON that comes. It shares nothing with the library that it measures.
 */
#ifndef PHXLOAD_LINK_H
#define PHXLOAD_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define NS 1000000000ull
#define MAX_PENDING (8u << 20) /* most unsent bytes kept for one connection */
#define MAX_EVENTS 1024        /* taken from epoll at a time */
#define HEADROOM 14            /* room for a frame header in front of a payload */

/* ---------------------------------------------------------------- small helpers */

/* Ends the program; it is the program's own. */
_Noreturn void die(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

extern uint64_t base_ns; /* start of the process; all times count from here */

uint64_t now_ns(void);

/* Memory; they die without. */
void *grow(void *p, size_t n);
void *zeroed(size_t n, size_t size);

struct span {
    const char *p;
    size_t n;
};

static inline bool is(struct span s, const char *text)
{
    size_t n = strlen(text);
    return s.n == n && memcmp(s.p, text, n) == 0;
}

static inline char *put(char *o, const void *p, size_t n)
{
    memcpy(o, p, n);
    return o + n;
}

static inline char *puts_at(char *o, const char *s)
{
    return put(o, s, strlen(s));
}

static inline char *put_u(char *o, uint64_t v)
{
    char tmp[20];
    int n = 0;
    do
        tmp[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n)
        *o++ = tmp[--n];
    return o;
}

struct buf {
    unsigned char *p;
    uint32_t len, cap;
};

void buf_add(struct buf *b, const void *p, size_t n);
void buf_free(struct buf *b);

/* ---------------------------------------------------------------- JSON scanner */

const char *skip_ws(const char *p, const char *e);

struct member {
    struct span key, val;
};

/* Steps through the members of an object. *pp starts at its '{' and is left at its '}'. */
bool next_member(const char **pp, const char *e, struct member *m);
bool find_member(struct span obj, const char *key, struct span *val);

/* A number written in any JSON way, or a string that holds one. */
bool read_number(struct span s, uint64_t *v);

/* One message, from either the JSON or the binary form. Absent refs have p == NULL. */
struct message {
    struct span join_ref, ref, topic, event, payload, status;
    bool binary;
};

/* [join_ref, ref, topic, event, payload]; the payload is only delimited, not looked into. */
bool parse_text(const char *p, size_t n, struct message *m);

/* Binary form: a kind, the sizes of the strings, the strings, the data.
 * kind 0 push, 1 reply, 2 broadcast; a push from a client also has a ref. */
bool parse_binary(const unsigned char *p, size_t n, bool from_client, struct message *m);

/* ---------------------------------------------------------------- handshake */

/* Writes base64 with padding and a final 0; returns its length. */
size_t base64(const unsigned char *in, size_t n, char *out);

/* The Sec-WebSocket-Accept value for a key; out has room for 29 bytes. */
void accept_key(struct span key, char *out);

/* Value of an HTTP header within the head p..e (case-insensitive), trimmed. */
bool find_header(const char *p, const char *e, const char *name, struct span *val);

/* ---------------------------------------------------------------- links */

enum { OP_CONT = 0, OP_TEXT = 1, OP_BIN = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum link_result { LINK_OK, LINK_GONE, LINK_EOF, LINK_ERROR, LINK_BAD };

/* Rare state of a connection: a part of a frame, fragments of a message, unsent bytes. */
struct side {
    struct buf rx, frag, tx;
    uint32_t sent;
    uint8_t frag_op;
};

/* What one thread needs for its links. A link is known by an id (in epoll's data), its fd
 * and a number in the side table (0: none). */
struct loop {
    int ep;
    bool server; /* frames in are masked, frames out are not */
    unsigned char *rbuf;
    unsigned char *scratch; /* outgoing messages are built here after HEADROOM bytes */
    struct side **sides;
    uint32_t *free_sides, n_sides, n_free, cap_sides;
    uint32_t rng;
    uint64_t now;    /* time of the latest read */
    const char *bad; /* what was wrong after LINK_BAD */
    /* A compressed message, replaced by what it was, until the next one. False: it is none. NULL: none is agreed on. */
    bool (*inflate)(unsigned char **data, size_t *len);
    /* All return nonzero (on_http: < 0) when the link has been closed. */
    ssize_t (*on_http)(struct loop *, uint32_t id, char *p, size_t n);
    int (*on_message)(struct loop *, uint32_t id, int op, char *p, size_t n);
    int (*on_control)(struct loop *, uint32_t id, int op, char *p, size_t n);
};

void loop_init(struct loop *L, bool server, size_t scratch, uint32_t seed);
void side_drop(struct loop *L, uint32_t *ref);
bool link_pending(const struct loop *L, uint32_t side);

/* Sends, or keeps what the socket does not take. False: broken, or too much is pending. */
bool link_send(struct loop *L, int fd, uint32_t id, uint32_t *side, const void *p, size_t n);
bool link_flush(struct loop *L, int fd, uint32_t id, uint32_t *side);

/* Puts the frame header in front of the n payload bytes at p (there are HEADROOM bytes of room),
 * masks if this is the client's side. Returns the start of the frame, its length in *total. */
unsigned char *frame_wrap(struct loop *L, int op, unsigned char *p, size_t n, size_t *total);

/* One read, then every whole frame of it to the callbacks. Works in the shared buffer, with a
 * waiting part of a frame copied to its front, unless the frame is longer than that buffer. */
enum link_result link_read(struct loop *L, int fd, uint32_t id, uint32_t *side, bool http);

#endif
