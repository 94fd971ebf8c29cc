/*
 * The client: connections, what they send and when. One epoll loop for each worker process; connection i belongs to worker
 * i % workers. They share memory only for counters, histograms and the phase, which the main process sets.
 */
#ifndef PHXLOAD_CLIENT_H
#define PHXLOAD_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "histogram.h"
#include "link.h"
#include "options.h"

enum state { S_FREE, S_HTTP, S_JOIN, S_LIVE, S_LEAVE, S_CLOSE };

/* All that the client keeps for a connection. */
struct conn {
    int32_t fd;
    uint32_t side;   /* number in the side table, 0 none */
    uint32_t ref;    /* last message ref used */
    uint32_t sent;   /* sequence numbers handed out (publishers, echo) */
    uint32_t next;   /* next sequence number expected */
    uint16_t sample; /* presence: 1 + sample number */
    uint8_t state;
    uint8_t pad;
    uint64_t seen; /* before the join reply: start time; then: bit k says that
                                      number next-1-k has arrived */
};
_Static_assert(sizeof(struct conn) <= 32, "client state must stay small");

enum counter {
    C_OPENED,
    C_JOINED,
    C_FAILED,
    C_LOST,
    C_CLOSED,
    C_CYCLES,
    C_HB_SENT,
    C_HB_OK,
    C_SENT,
    C_GOT,
    C_DUP,
    C_REORDER,
    C_FOREIGN,
    C_WRONG_TOPIC,
    C_CORRUPT,
    C_ERR_REPLY,
    C_ACKS,
    C_OVERRUN,
    C_DIFFS,
    C_OTHER,
    C_COUNT
};

enum phase { PH_IDLE, PH_CONNECT, PH_WARM, PH_MEASURE, PH_DRAIN, PH_LEAVE, PH_STOP };

struct worker {
    struct loop L; /* first, so that the callbacks can cast back */
    pid_t process;
    uint32_t id, n_local, next_open, n_spare, inflight, n_pubs;
    uint32_t *spare; /* join mode: connection slots that are free */
    enum phase phase;
    double tokens;
    uint64_t tokens_at, hold_off, hb_at, pub_at, pub_k, leave_at;
    uint32_t hb_pos, leave_pos;
    _Atomic uint64_t n[C_COUNT], last_join, last_join_sent, last_leave;
    _Atomic int acked; /* the phase that the thread has seen */
    struct hist latency, lag, setup;
    char error[160]; /* the first one */
};

struct sample {
    uint64_t *here, *touched; /* a bit per client; touched: by a diff before the state */
    _Atomic uint32_t count, states;
    _Atomic uint64_t hit; /* when count became the target, 0 if it is not */
};

extern struct conn *conns;
extern struct worker *workers;
extern struct sample *samples;
struct common {
    _Atomic int phase;
    _Atomic uint32_t sample_target;
};
extern struct common *common;
extern char hello_accept[32]; /* Sec-WebSocket-Accept that every answer must carry */
extern char *stamp_text;      /* payload {"t":..,"q":..,"p":".."} with places to fill in */
extern size_t stamp_len;
extern uint64_t run_tag; /* leading digits of every q, tells this run from others */
enum { T_AT = 5, Q_AT = 26, P_AT = 48, STAMP_LEAST = 50 };
#define T_BASE 1000000000000000ull /* keeps t at 16 digits and below 2^53 */
#define Q_STEP 10000000000ull

/* ---------------------------------------------------------------- counters */

void count(struct worker *w, enum counter c);
/* Over all workers. */
uint64_t sum(enum counter c);
/* The first of a worker is reported. */
void note_error(struct worker *w, const char *what, const char *why);

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---------------------------------------------------------------- connections */

void conn_close(struct worker *w, uint32_t i);
void conn_fail(struct worker *w, uint32_t i, const char *what, const char *why);
void conn_send(struct worker *w, uint32_t i, int op, size_t n);
bool own_topic(uint32_t i, struct span topic);
void push_simple(struct worker *w, uint32_t i, const char *event, const char *payload);
void push_stamped(struct worker *w, uint32_t i, const char *event, uint64_t t);
void send_join(struct worker *w, uint32_t i);
void send_close(struct worker *w, uint32_t i);

/* ---------------------------------------------------------------- what comes: incoming.c */

bool cl_inflate(unsigned char **data, size_t *len);
ssize_t cl_http(struct loop *L, uint32_t i, char *p, size_t n);
int cl_message(struct loop *L, uint32_t i, int op, char *p, size_t n);
int cl_control(struct loop *L, uint32_t i, int op, char *p, size_t n);
void conn_event(struct worker *w, uint32_t i, uint32_t events);
/* Whether stamped messages go out now. */
bool sending(const struct worker *w);
const char *traffic_event(void);

/* The life of a worker process. */
void worker_main(struct worker *w);

#endif
