/*
 * The watchdog: one thread for each runtime that looks at the schedulers from outside.
 *
 * A scheduler cannot see that a callback of its own never returns, so the watchdog samples `activity` every few
 * milliseconds. A callback that holds a scheduler longer than options.watchdog_ms is reported once (scheduler.stuck) and
 * once more after ten times that (scheduler.unkillable: code in C cannot be ended from outside). While it is
 * stuck, idle schedulers are told to take over what waits behind it. When all schedulers sleep it sleeps longer.
 *
 * The same thread puts names to contained faults and logs them, so that a scheduler does not read symbol tables. Lines
 * are limited to a few each second; what was left out counts as in crash.h.
 *
 * Threads: started before and stopped after the scheduler threads, so that these may use rt->watchdog without asking.
 */
#ifndef RUNTIME_WATCHDOG_H
#define RUNTIME_WATCHDOG_H

#include <anqa/runtime.h>

struct crash_line;
struct fault_record;
struct sched;

/* Sets rt->watchdog. Fails: E_NOMEM, E_LIMIT (no thread). */
anqa_status watchdog_start(anqa_rt *rt, anqa_error *err);
/* Logs what is still to be logged. NULL is fine. */
void watchdog_stop(anqa_rt *rt);

/* Hands over a fault to be logged, with what else there is to tell of the crash. Never waits: what does not fit is
 * counted. Context: the thread of `s`. */
void watchdog_post(
    struct sched *s, const struct fault_record *record, const struct crash_line *line);

#endif
