/**
 * anqa/backoff.h - how long to wait before something that failed is tried again.
 *
 *     .backoff = {.first_ms = 100, .max_ms = 10000}
 *
 * The wait grows by `factor` with each failure in a row, up to `max_ms`. Of what comes out, *jitter* takes a random part,
 * so that many who failed at the same moment do not come back at the same moment. Child specs (anqa/supervisor.h) and
 * anqa_retry (anqa/retry.h) have one; zero is "no wait".
 *
 * Threads. A plain value. In deterministic mode (anqa/runtime.h) the jitter follows from the seed.
 */
#ifndef ANQA_BACKOFF_H
#define ANQA_BACKOFF_H

#include <anqa/base.h>

ANQA_BEGIN_DECLS

/** How much of a wait is left to chance, so that many do not come back at once. */
typedef enum anqa_jitter {
    ANQA_JITTER_FULL,  /* anything from 1 ms to the whole wait: spreads best */
    ANQA_JITTER_EQUAL, /* half of the wait, and anything up to the other half */
    ANQA_JITTER_NONE   /* the whole wait */
} anqa_jitter;

/** The longest wait where none is said. */
#define ANQA_BACKOFF_MAX_MS 30000u

/** Waits that grow from failure to failure. Zero: none. */
typedef struct anqa_backoff {
    uint32_t first_ms; /* after the first failure; 0: no wait, ever */
    uint32_t max_ms;   /* 0: ANQA_BACKOFF_MAX_MS */
    uint32_t factor;   /* 0: 2; 1: all are alike */
    anqa_jitter jitter;
} anqa_backoff;

/** Fails: E_INVALID: first_ms is longer than max_ms, or a jitter that is none. Any thread. */
ANQA_API anqa_status anqa_backoff_check(const anqa_backoff *backoff, anqa_error *err);

/** How long to wait after so many failures in a row, from 1; milliseconds. Context: process. */
ANQA_API uint32_t anqa_backoff_ms(const anqa_backoff *backoff, uint32_t failures);

ANQA_END_DECLS

#endif
