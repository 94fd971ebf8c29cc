/* What the files of http/conn.h share: the connection itself, and the outlet of its scheduler. */
#ifndef HTTP_CONN_INT_H
#define HTTP_CONN_INT_H

/* IWYU pragma: begin_exports */
#include <assert.h>
#include <stdatomic.h>

#include "base/list.h"
#include "http/conn.h"
#include "http/websocket.h"
#include "runtime/poller.h"
#include "runtime/sched.h"
/* IWYU pragma: end_exports */

#define READ_SIZE 65536u /* one read of one connection */
#define WHEEL 64u        /* seconds, a power of two */
#define DEFAULT_CLOSE_S 5u

enum conn_phase {
    CONN_NEW,  /* its socket has not come yet */
    CONN_HTTP, /* before and in a head */
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
    char bytes[];
};

/* What has come of something that is not whole yet. owner: connection. */
struct input {
    uint32_t len, cap;
    char bytes[];
};

struct outlet;

/* owner: its process, as its state. What is in the outlet's lists is touched by others on the same scheduler. */
struct conn {
    struct fd_entry *entry; /* NULL: none yet */
    struct proc *self;
    struct outlet *outlet;
    struct http_service *service;
    struct chunk *out, *out_end;
    struct input *in;
    struct exit_hook hook;
    struct anqa_list_node timed; /* in the outlet's wheel */
    struct anqa_list_node dirty; /* in the outlet's list of those that have output */
    const struct ws_ops *ops;    /* from CONN_WS on */
    void *user;
    union {
        struct request_scan scan; /* CONN_HTTP */
        struct websocket ws;      /* CONN_WS, CONN_WS_CLOSING */
    } read;
    uint32_t out_bytes;
    uint32_t since_s; /* when what is timed began, or the peer was last heard */
    uint16_t timeout_s;
    uint8_t phase;
    bool keep_alive : 1; /* of the request that is answered */
    bool head_only : 1;  /* it was HEAD: no body */
    bool answered : 1;   /* the request has got its response */
    bool paused : 1;
    bool resumed : 1; /* what is kept was not looked at for its own sake */
    bool serving : 1; /* somebody's `serve` runs */
    bool waiting : 1; /* the process sends a file, at depth: the poller is its own */
    bool blocked : 1; /* the kernel takes no more for now */
    bool ended : 1;   /* the peer has ended its side */
    bool slow : 1;    /* it is dead for leaving too much unread: `out_bytes` */
};

/* One scheduler's: the buffer that connections read into, those that are to be flushed, and those that are timed. */
struct outlet {
    anqa_pid pid; /* of the process that flushes and watches the clock; constant */
    struct anqa_list dirty;
    struct anqa_list wheel[WHEEL];
    uint32_t tick_s;  /* seconds up to which the wheel was turned */
    anqa_timer ticks; /* of the clock; bits 0: nobody is timed */
    char read[READ_SIZE + 64];
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

/* That of the calling scheduler. NULL: no memory. */
struct outlet *outlet_here(void);
/* Puts a connection into the wheel, anew. */
void outlet_time(struct conn *conn, uint16_t timeout_s);
uint32_t outlet_now_s(void);

/* Seconds that the peer has to close, too. */
static inline uint16_t conn_close_s(const struct conn *conn)
{
    uint16_t set = conn->service->close_timeout;

    return set == 0 ? DEFAULT_CLOSE_S : set;
}

/* Whether it shall not be kept for another request. */
static inline bool conn_drains(const struct conn *conn)
{
    return atomic_load_explicit(&conn->service->draining, memory_order_relaxed);
}

/* Before the head of an answer is written. */
static inline void conn_answer_begin(struct conn *conn)
{
    conn->answered = true;
    if (conn_drains(conn))
        conn->keep_alive = false;
}

/* In between requests: nothing has come of the next one. */
static inline bool conn_is_idle(const struct conn *conn)
{
    return !conn->serving && conn->in == NULL && conn->out == NULL;
}

/* Sends what there is, as far as the kernel takes it. */
void conn_flush(struct conn *conn);
void conn_out_free(struct conn *conn);
/* From the exit hook: whoever was to answer the request has crashed. */
void conn_answer_crash(struct conn *conn);
/* It is over: nothing more is read or sent, and the process ends soon. reset: the peer is to see it. */
void conn_kill(struct conn *conn, bool reset);
/* The time of a phase is over; from the outlet. */
void conn_timeout(struct conn *conn);
/* Asks for the events that matter in this phase. */
void conn_arm(struct conn *conn);

/* Takes whole frames from the front of `bytes`; returns how many bytes those were. */
size_t conn_ws_take(struct conn *conn, char *bytes, size_t len);

/* Serves a file if the path is below the mount; false: it is not. May wait. */
bool conn_serve_static(
    struct conn *conn, const struct static_mount *mount, const struct request *request);

#endif
