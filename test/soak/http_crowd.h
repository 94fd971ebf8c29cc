/*
 * Clients of a site (fixture/http_server.c) that mean no good: slow ones, idle ones, liars, and those that come and go. Each kind
 * is a share of the crowd; who is thrown out comes back.
 *
 * Threads: the caller's; nothing happens but in crowd_turn.
 */
#ifndef TEST_SOAK_HTTP_CROWD_H
#define TEST_SOAK_HTTP_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#define CROWD_KIND_MAP(X)                                                \
    X(HEAD_DRIP, "send a head byte by byte")                             \
    X(BODY_DRIP, "send a body byte by byte")                             \
    X(FORM_DRIP, "send a form in parts byte by byte")                    \
    X(SLOW_READER, "read nothing of a long answer, or next to nothing")  \
    X(IDLE, "say nothing, or nothing more")                              \
    X(GARBAGE, "send what is no request")                                \
    X(VANISHING, "go amid a request: half, with a reset, or in silence") \
    X(CHURN, "come, ask and go")                                         \
    X(FLOOD, "send requests without end and read no answer")

enum crowd_kind {
#define X(name, text) CROWD_##name,
    CROWD_KIND_MAP(X)
#undef X
        CROWD_KINDS
};

struct crowd;

struct crowd_result {
    struct {
        uint64_t came, thrown_out; /* connections; those that the server has ended */
    } kinds[CROWD_KINDS];
    uint64_t
        statuses[600]; /* answers by status, of those that were read: one for each connection */
    uint64_t refused;  /* connections that could not be made */
    uint32_t there;    /* connections now */
};

struct crowd *crowd_begin(uint16_t port, uint32_t connections);

/* What is due, for some milliseconds. */
void crowd_turn(struct crowd *crowd);

/* Whether all have come once. */
bool crowd_is_there(const struct crowd *crowd);

/* So far. */
struct crowd_result crowd_now(const struct crowd *crowd);

/* All go. */
void crowd_end(struct crowd *crowd);

#endif
