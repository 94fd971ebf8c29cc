/**
 * anqa/retry.h - what to do about a service that fails: try again, and stop asking for a while.
 *
 *     static const anqa_breaker prices_breaker = {.name = "prices"};
 *
 *     static anqa_status ask(void *arg, anqa_error *err)
 *     {
 *         return anqa_breaker_call(&prices_breaker, prices_fetch, arg, err);
 *     }
 *     status = anqa_retry(&(anqa_retry_opts){.attempts = 5, .deadline_ms = 10000}, ask, &request, &err);
 *
 * An *attempt* is a function that returns a status. anqa_retry calls it until it succeeds, waiting between the attempts, in
 * the process that asks. Only what may pass is tried again; an invalid argument stays one.
 *
 * A *circuit breaker* counts the failures of all processes that go through it. It is *closed* as long as there are few. At so many
 * within its window it is *open*: calls fail at once, without being made. After a time it is *half-open*: one call at a
 * time is let through as a probe, and others fail. When enough probes have succeeded it is closed, when one fails it is
 * open again. A process that ends inside of a call, however it does, has failed. What a call that began before the
 * breaker opened comes to no longer counts.
 *
 * Threads. Options and specs are shared and constant; a breaker's state belongs to the runtime, found by the spec's
 * address. Context: process; may wait as the attempt does.
 */
#ifndef ANQA_RETRY_H
#define ANQA_RETRY_H

#include <anqa/backoff.h>

ANQA_BEGIN_DECLS

/** Returns ANQA_OK, or what went wrong with `err` filled. */
typedef anqa_status (*anqa_attempt)(void *arg, anqa_error *err);

/* ---------------------------------------------------------------- trying again */

/** Zero is a sensible default everywhere. */
typedef struct anqa_retry_opts {
    uint32_t attempts;    /* in all; 0: 3 */
    anqa_backoff backoff; /* first_ms 0: 100 */
    uint32_t
        deadline_ms; /* no wait ends later than so long after the first attempt began; 0: none */
    /* What is tried again; ANQA_OK ends them. NULL: what may pass: E_NOMEM, E_NOPROC, E_TIMEOUT, E_LIMIT, E_FULL, E_IO,
     * E_CLOSED, E_REFUSED, E_IN_USE, E_DIED, E_STOPPED. */
    const anqa_status *on;
} anqa_retry_opts;

/**
 * Calls attempt(arg, err) until it succeeds, fails with what is not tried again, or there is no attempt or time left.
 * Returns what the last attempt returned. Event: anqa.retry.again (attempt, wait_ms; status).   opts: NULL for the defaults.
 */
ANQA_API anqa_status anqa_retry(
    const anqa_retry_opts *opts, anqa_attempt attempt, void *arg, anqa_error *err) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- circuit breakers */

/** For `failures`: not more than so many. */
#define ANQA_BREAKER_FAILURES_MAX 1000u

/** `static const`. Zero is a sensible default everywhere but for the name. */
typedef struct anqa_breaker {
    const char *name;   /* for errors and events */
    uint32_t failures;  /* so many within the window open it; 0: 5 */
    uint32_t window_ms; /* 0: 10,000 */
    uint32_t open_ms;   /* until it is half-open; 0: 5,000 */
    uint32_t probes;    /* so many in a row must succeed; 0: 1 */
    const anqa_status
        *on; /* what counts as a failure, as in anqa_retry_opts; all else is an answer */
} anqa_breaker;

/** Whether calls are let through. */
typedef enum anqa_breaker_state {
    ANQA_BREAKER_CLOSED,
    ANQA_BREAKER_OPEN,
    ANQA_BREAKER_HALF_OPEN
} anqa_breaker_state;

/**
 * Calls attempt(arg, err), unless the breaker says no.
 * Fails: E_REFUSED (it is open, or half-open with a probe under way: err says so), E_NOMEM (for its state), else as the attempt.
 * Events: anqa.breaker.state (failures; name, state) when its state changes, anqa.breaker.refused (name).
 */
ANQA_API anqa_status anqa_breaker_call(
    const anqa_breaker *breaker, anqa_attempt attempt, void *arg, anqa_error *err) ANQA_MUST_CHECK;

/** What a call would meet now. */
ANQA_API anqa_breaker_state anqa_breaker_get_state(const anqa_breaker *breaker);

/** "closed", "open", "half_open"; static. Any thread. */
ANQA_API const char *anqa_breaker_state_name(anqa_breaker_state state);

ANQA_END_DECLS

#endif
