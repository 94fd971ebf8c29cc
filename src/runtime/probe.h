/*
 * What a process notes of itself because somebody asked for it: traces, statistics, a log of its last events. A process
 * with a probe has the flag PROC_PROBED, which is all that others pay for.
 *
 * A trace belongs to two processes. The traced one has it in its probe, and alone uses it but for the counts; it gets it
 * by a signal (SIG_TRACE), and sends an event as a moved object, which gives the trace's room back when it is dropped,
 * wherever that is. The tracer has an exit hook that ends the trace.
 */
#ifndef RUNTIME_PROBE_H
#define RUNTIME_PROBE_H

/* IWYU pragma: begin_exports */
#include <anqa/introspect.h>

#include "runtime/proc.h"
/* IWYU pragma: end_exports */

/* Of a message before it is handled: what is needed afterwards. */
struct probe_mark {
    const char *tag;
    anqa_pid from;
    uint64_t started_ns;
    uint32_t size;
    uint8_t kind, payload;
};

/* `p` has a probe for all of these. */
void probe_received(struct sched *s, struct proc *p, const struct msg *msg);
void probe_sent(struct sched *s, struct proc *p, anqa_pid to, const struct msg *msg);
struct probe_mark probe_begin(const struct msg *msg);
void probe_handled(struct sched *s, struct proc *p, const struct probe_mark *mark);
/* The process ends. */
void probe_end(struct sched *s, struct proc *p, anqa_reason reason);

/* A signal of another process: the trace in MSG_EXTRA begins, the one in `ref` ends. */
void probe_on_trace(struct sched *s, struct proc *p, const struct msg *msg);
void probe_on_untrace(struct sched *s, struct proc *p, const struct msg *msg);
/* The first of them has found nobody. */
void probe_untraced(struct sched *s, const struct msg *msg, anqa_reason reason);

/* Of the current process. Fails: E_NOMEM. */
anqa_status probe_count(bool on) ANQA_MUST_CHECK;
/* False: it does not count. */
bool probe_statistics(anqa_sys_statistics *ret_statistics);
anqa_status probe_log(uint32_t size) ANQA_MUST_CHECK;
uint32_t probe_log_size(void);
/* How many traces there are of it. */
uint32_t probe_traces(void);
/* Calls `visit` for each event that is kept, the oldest first. */
void probe_log_each(void (*visit)(void *ctx, const anqa_trace_event *event), void *ctx);

#endif
