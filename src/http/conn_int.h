/* What the files of http/conn.h share: the connection itself, and the outlet of its scheduler. */
#ifndef HTTP_CONN_INT_H
#define HTTP_CONN_INT_H

/* IWYU pragma: begin_exports */
#include <assert.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/list.h"
#include "http/conn.h"
#include "http/range.h"
#include "http/response.h"
#include "http/tls.h"
#include "http/websocket.h"
#include "runtime/backtrace.h"
#include "runtime/poller.h"
#include "runtime/sched.h"
/* IWYU pragma: end_exports */

#define READ_SIZE 65536u /* one read of one connection */
#define SEAL_SIZE 16384u /* what one record of TLS holds */
#define WHEEL 64u        /* seconds, a power of two */

enum conn_phase {
    CONN_NEW,       /* its socket has not come yet */
    CONN_HANDSHAKE, /* of TLS */
    CONN_HTTP,      /* before and in a head */
    CONN_H2,        /* frames of HTTP/2 (h2.h); its requests are served by processes of their own */
    CONN_WS,
    CONN_WS_CLOSING, /* we have sent a close frame and wait for theirs */
    CONN_FLUSH,      /* ends when the output is empty */
    CONN_LINGER,     /* our side is shut; waits for the peer's end */
    CONN_DEAD        /* ends at once */
};

/* A piece of output: bytes of its own behind it, or a counted buf. owner: connection. */
struct chunk {
    struct chunk *next;
    anqa_buf buf; /* block NULL and ptr NULL: own bytes */
    uint32_t at;  /* sent so far */
    uint32_t len, cap;
    bool sealed; /* bytes of TLS, to be sent as they are; those come before all others */
    char bytes[];
};

/* What has come of something that is not whole yet, or is behind a request that is served. owner: connection. */
struct input {
    uint32_t at, end, cap; /* what is still to be taken lies from `at` to `end`, and is not empty */
    char bytes[];
};

struct outlet;

/* owner: its process, as its state. What is in the outlet's lists is touched by others on the same scheduler. */
struct conn {
    struct fd_entry *entry; /* NULL: none yet, or it is a stream */
    struct proc *self;
    struct outlet *outlet;
    struct http_service *service;
    struct chunk *out, *out_end;
    struct input *in;
    struct exit_hook hook;
    struct anqa_list_node timed; /* in the outlet's wheel */
    struct anqa_list_node dirty; /* in the outlet's list of those that have output */
    const struct ws_ops *ops;    /* from CONN_WS on */
    void *
        user; /* likewise; in CONN_HTTP the struct request whose plugs run, or NULL; `framed`: struct h2 */
    union {
        struct request_scan scan; /* CONN_HTTP */
        struct websocket ws;      /* CONN_WS, CONN_WS_CLOSING */
    } read;
    uint32_t out_bytes;
    uint32_t since_s; /* when what is timed began, or the peer was last heard */
    uint16_t timeout_s;
    uint16_t allowed; /* times ALLOWED_UNIT bytes that may wait beyond the limit (conn_allow) */
    uint8_t phase;
    bool keep_alive : 1; /* of the request that is answered */
    bool head_only : 1;  /* it was HEAD: no body */
    bool old : 1;        /* it was HTTP/1.0 */
    bool last : 1;       /* its client has said that nothing comes behind it, and it had no body */
    bool serving : 1;    /* a request is being answered, perhaps at depth */
    bool answered : 1;   /* it has got its response, or a part of it: */
    bool partial : 1;    /* more of it must follow */
    bool leaving : 1;    /* it ends with the request that is served: the service is drained */
    bool paused : 1;
    bool resumed : 1; /* what is kept was not looked at for its own sake */
    bool waiting : 1; /* the process waits for the peer, at depth: the poller is its own */
    bool more : 1;    /* what is sent now is the head of what follows at once */
    bool blocked : 1; /* the kernel takes no more for now */
    bool ended : 1;   /* the peer has ended its side */
    bool slow : 1;    /* it is dead for leaving too much unread: `out_bytes` */
    bool begun : 1;   /* its first bytes were those of a request, not the preface of HTTP/2 */
    bool framed : 1;  /* it speaks, or spoke, HTTP/2: `user` is a struct h2 */
    bool
        streamed : 1; /* it is a stream of such a connection, a struct h2_stream: it has no `entry` */
    bool secure : 1; /* it speaks TLS: http/tls.h; constant */
};

/* One scheduler's: the buffer that connections read into, those that are to be flushed, and those that are timed. */
struct outlet {
    anqa_pid pid; /* of the process that flushes and watches the clock; constant */
    struct anqa_list dirty;
    struct anqa_list wheel[WHEEL];
    uint32_t tick_s;           /* seconds up to which the wheel was turned */
    anqa_timer ticks;          /* of the clock; bits 0: nobody is timed */
    struct deflater *deflater; /* of all connections; NULL: nobody has needed it */
    struct file_cache *files;  /* likewise */
    char read[READ_SIZE + 64];
    char seal[SEAL_SIZE]; /* where a record is put together; nobody waits meanwhile */
};

/* Which connections service_drain ends, and how. */
struct drain {
    struct http_service *service;
    uint16_t code;
    bool kill;
};

/* How long a connection without a request is kept when its service is drained, for one that may be on its way. */
#define CONN_DRAIN_S 1u

/* Does so with one of the calling scheduler; called again and again. */
void conn_drain(struct conn *conn, const struct drain *drain);
/* Tells the outlets of all schedulers. */
void outlets_drain(const struct drain *drain);

/* One more that is served, and one less. */
void service_enter(struct http_service *service);
void service_leave(struct http_service *service);

/* That of the calling scheduler. NULL: no memory. */
struct outlet *outlet_here(void);
/* Its open files (http/file_cache.h), for a connection of it that is timed. NULL: no memory. */
struct file_cache *outlet_files(void);
/* Puts a connection into the wheel, anew. */
void outlet_time(struct conn *conn, uint16_t timeout_s);
uint32_t outlet_now_s(void);

/* Whether it shall not be kept for another request. */
static inline bool conn_drains(const struct conn *conn)
{
    return atomic_load_explicit(&conn->service->draining, memory_order_relaxed);
}

/* In between requests: nothing has come of the next one. */
static inline bool conn_is_idle(const struct conn *conn)
{
    return !conn->serving && conn->in == NULL && conn->out == NULL;
}

/* Sends what there is, as far as the kernel takes it. */
void conn_flush(struct conn *conn);
void conn_out_free(struct conn *conn);
/* Puts bytes of TLS behind those that wait, and before all that is not encrypted yet. False: there is no memory, or too much
 * waits; the connection is reset. */
bool conn_queue_sealed(struct conn *conn, const char *bytes, size_t len);

static inline bool conn_has_sealed(const struct conn *conn)
{
    return conn->out != NULL && conn->out->sealed;
}

/* As recv, with TLS where it is spoken; once our side is shut, what comes is of no interest. */
static inline ssize_t conn_recv(struct conn *conn, char *buf, size_t size)
{
    if (__builtin_expect(conn->secure && conn->phase < CONN_LINGER, 0))
        return tls_recv(conn, buf, size);
    return recv(conn->entry->fd, buf, size, MSG_DONTWAIT);
}

/* Says the peer, behind all output, that no more will come. False: it is gone. */
static inline bool conn_shut(struct conn *conn)
{
    if (conn->secure)
        tls_shut(conn);
    return shutdown(conn->entry->fd, SHUT_WR) == 0;
}
/* Nobody can be reached any more: nothing more is read or sent. Who serves a request is not disturbed and finds out. reset:
 * the peer is to see it. */
void conn_lose(struct conn *conn, bool reset);
/* The same, and the process ends soon. */
void conn_kill(struct conn *conn, bool reset);
/* Has the place noted where the process exits or faults, for a page that tells it to who develops. */
void conn_trace_exits(struct conn *conn);
/* That place; NULL: nobody asked. */
const struct backtrace *conn_exit_trace(const struct conn *conn);
/* The time of a phase is over; from the outlet. */
void conn_timeout(struct conn *conn);
/* Asks for the events that matter in this phase. */
void conn_arm(struct conn *conn);

/* Takes whole frames from the front of `bytes`; returns how many bytes those were. */
size_t conn_ws_take(struct conn *conn, char *bytes, size_t len);

/* ---------------------------------------------------------------- what has come */

/* Keeps what was not taken. bytes: the buffer of all, or a part of what is kept. */
void input_keep(struct conn *conn, const char *bytes, size_t len);
/* Room for one more read behind what is kept. NULL: no memory. */
char *input_room(struct conn *conn, size_t *ret_size);
/* Takes up to `size` bytes off the front. */
size_t input_take(struct conn *conn, char *buf, size_t size);
/* Adds behind what is kept. False: no memory. */
bool input_add(struct conn *conn, const char *bytes, size_t len);
/* Puts back in front what was taken last. */
void input_put_back(struct conn *conn, const char *bytes, size_t len);

/* ---------------------------------------------------------------- in the blocking style, for who serves a request */

/* These may wait, in the connection's process. False: it is over, nobody can be reached any more. */

/* Has all output sent. */
bool conn_drain_output(struct conn *conn);
/* Sends; a little is queued behind what is queued already. */
bool conn_write(struct conn *conn, anqa_str bytes);
/* The head has gone out: what is promised in it must follow, or the connection ends. */
bool conn_write_file(struct conn *conn, int fd, struct range range);
/* Reads from 1 to `size` bytes: what is kept, else what comes. Fails: E_TIMEOUT, E_CLOSED. */
anqa_status conn_read_some(
    struct conn *conn, char *buf, size_t size, uint64_t deadline_ms, size_t *ret_n);

/* Puts the connection among those that are sent with the others of this turn. */
void conn_dirty(struct conn *conn);
/* Room at the end of the output, whatever its limit and without sending it soon. NULL: no memory, the connection is reset. */
char *conn_append_room(struct conn *conn, size_t size);
/* Copies the first `n` bytes of the output, which has as many. */
void conn_out_copy(const struct conn *conn, char *to, size_t n);
/* Forgets the first `n` bytes of the output: they are gone. */
void conn_out_sent(struct conn *conn, size_t n);
/* Takes what can be taken from bytes that have come, from the shared buffer or the front of what is kept; the rest is kept. */
void conn_take(struct conn *conn, char *bytes, size_t len);
/* Gives a message to who speaks WebSocket here. */
void conn_info(struct conn *conn, const anqa_msg *msg);
/* The process is over: ends it. */
void conn_over(struct conn *conn);

/* ---------------------------------------------------------------- responses, whatever carries them */

/* The head of a response, as response.h has written it. follows: it has content. Of a request that is served; may wait.
 * False: it is over. */
bool conn_write_head(struct conn *conn, anqa_str head, bool follows);
/* The response is whole. */
void conn_answer_over(struct conn *conn);
/* Answers with words, and has the connection closed behind it. */
void conn_refuse(struct conn *conn, unsigned status, const char *why);

/* ---------------------------------------------------------------- HTTP/1.1 */

/* Takes one request off the front of `bytes`, if it is whole: *ret_request, to be served when the bytes behind it are
 * safe. Returns how many bytes were taken. */
size_t h1_take(struct conn *conn, const char *bytes, size_t len, struct request **ret_request);
/* Answers a request, frees it, and makes ready for the next. May wait. */
void h1_serve(struct conn *conn, struct request *request);
/* The fields that say what becomes of the connection, which is decided here. */
void h1_connection_field(struct conn *conn, struct response *response);
/* What a request that is served says to its client when its process ends. In `terminate`; may wait. */
void h1_crashed(struct conn *conn, anqa_reason reason);
/* The same where nothing may wait. */
void h1_last_words(struct conn *conn);

/* Serves a file if the path is below the mount; false: it is not. May wait.
 * hsts: the field strict-transport-security of the answer; empty: none. */
bool conn_serve_static(struct conn *conn, const struct static_mount *mount,
    const struct request *request, anqa_str hsts);

/* ---------------------------------------------------------------- times */

static inline uint16_t conn_seconds(uint16_t given, uint16_t otherwise)
{
    return given == 0 ? otherwise : given;
}

/* The time of anqa_now_ms when that is over. */
static inline uint64_t conn_deadline(uint16_t given, uint16_t otherwise)
{
    return anqa_now_ms() + (uint64_t)conn_seconds(given, otherwise) * 1000;
}

/* For a request to begin. */
static inline uint16_t conn_request_s(const struct conn *conn, uint16_t given, uint16_t otherwise)
{
    return conn_drains(conn) ? CONN_DRAIN_S : conn_seconds(given, otherwise);
}

#define CONN_HEAD_S 15u
#define CONN_HANDSHAKE_S 5u
#define CONN_IDLE_S 60u
#define CONN_CLOSE_S 5u
#define CONN_WRITE_S 30u
#define CONN_BUSY_S UINT16_MAX /* who serves may take as long as it likes */

#endif
