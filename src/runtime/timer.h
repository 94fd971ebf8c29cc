/*
 * A scheduler's timers: a hierarchical wheel of milliseconds, six levels of 64 slots with a bitmap each, which covers
 * 2^36 ms. Arming and cancelling are O(1); a timer is moved to a finer level at most five times in its life.
 *
 * Timers are type-stable and known by (scheduler, index, sequence), so that a handle is a number which can be checked.
 * The owner is the scheduler it was armed on. Another scheduler cancels by winning the timer's state, and returns it
 * through `timer_returns`; the message belongs to whoever won.
 *
 * A timer whose target has died is dropped by a sweep that looks at a few timers with every tick.
 */
#ifndef RUNTIME_TIMER_H
#define RUNTIME_TIMER_H

/* IWYU pragma: begin_exports */
#include <stdatomic.h>

#include "base/list.h"
#include "runtime/proc.h"
/* IWYU pragma: end_exports */

#define TIMER_LEVELS 6
#define TIMER_CHUNK 512u
#define TIMER_CHUNKS (1u << 15) /* 16 million timers a scheduler */

enum { TIMER_FREE, TIMER_ARMED, TIMER_CANCELLED };

struct timer {
    struct anqa_list_node node;
    _Atomic(uint64_t) due_ms;
    _Atomic(uint64_t) state; /* shared: sequence << 2 | TIMER_ */
    anqa_pid to;
    struct msg *msg; /* what is sent; NULL: a SIG_WAKE with `ref`, or a tick made afresh */
    const char *tag; /* of ticks */
    uint64_t ref;
    uint32_t every_ms; /* 0: once */
    uint32_t index;
    struct timer *next; /* free, or returned */
};

struct timer_wheel {
    struct anqa_list slots[TIMER_LEVELS][64];
    uint64_t occupied[TIMER_LEVELS];
    uint64_t now_ms;       /* everything due up to here has fired */
    struct timer **chunks; /* made with the first timer */
    uint32_t used;         /* indices that were ever taken */
    uint32_t sweep_at;
    struct timer *free;
};

void timers_init(struct sched *s);
/* Drops all timers and their messages. */
void timers_done(struct sched *s);
/* Arms on the calling scheduler; takes the message over. NULL: no memory (the message is the caller's again). */
struct timer *timer_arm(
    struct sched *s, anqa_pid to, struct msg *msg, uint64_t ref, uint64_t delay_ms);
/* Sends (TIMEOUT, tag) with `ref` every `every_ms`; the caller sets timer->ref. */
struct timer *timer_arm_ticks(struct sched *s, anqa_pid to, const char *tag, uint32_t every_ms);
anqa_timer timer_handle(struct sched *s, struct timer *timer);
/* Milliseconds left, or -1. */
int64_t timer_cancel(struct sched *s, anqa_timer handle);
/* The same for a wait's timer, which was armed on this scheduler and which nobody else knows. */
void timer_cancel_own(struct sched *s, anqa_timer handle);
/* Fires what is due at s->now_ms. */
void timers_run(struct sched *s);
/* Takes back timers that others have cancelled. */
void timers_collect(struct sched *s);
/* When to look again, in ms of the clock; UINT64_MAX: nothing is armed. */
uint64_t timers_next(const struct sched *s);

#endif
