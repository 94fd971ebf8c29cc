/*
 * The one event for a crash: "process.crashed" in the log, "anqa.process.crash" for programs.
 *
 * A crash is an end of a process's own making that is not quiet: an exit with a reason other than normal and shutdown, a
 * broken contract, a fault. Who is ended by a signal has not crashed. The event is written before `terminate` runs, while
 * the message and the state are there; a crash of `terminate` is another crash.
 *
 * The behaviour is asked how its state and message look to people, see anqa_behaviour. A hook that fails is given up and
 * changes nothing else: the flag PROC_REPORTING, set meanwhile, tells the way out of there that the reason stays.
 *
 * At most CRASH_LIMIT lines a second are written by a runtime; what is left out is counted, and the next line says how
 * many. Lines of faults wait for the watchdog, which knows the names of functions.
 *
 * Threads: crash_report on the process's scheduler; the others any.
 */
#ifndef RUNTIME_CRASH_H
#define RUNTIME_CRASH_H

#include <stdatomic.h>

#include <anqa/runtime.h>

#include "runtime/hooks.h"
#include "telemetry/log.h"

struct proc;
struct sched;
struct fault_record;

enum {
    CRASH_LIMIT = 100, /* lines a second */
    CRASH_LINE = 640   /* bytes of a fault's line before names are added */
};

/* Part of a runtime. shared: all */
struct crash_limit {
    _Atomic(uint64_t) window; /* the second, above 32 bits, and how many were written in it */
    _Atomic(uint64_t) dropped;
};

/* Fields in logfmt. */
struct crash_line {
    size_t len;
    char text[CRASH_LINE];
    size_t metadata_len;
    char metadata[LOG_METADATA_MAX];
};

/* Tells of the crash that the current process is ending of, if it is one and has not been told. ask: the behaviour may be
 * asked, as nothing has been taken apart yet. */
void crash_report(struct sched *s, struct proc *p, bool ask);
/* One that has no line. */
void crash_drop(anqa_rt *rt, uint64_t count);
/* Writes the line of a fault, with names and what was dropped. Slow, as the files of symbols are read. */
void crash_write_fault(
    anqa_rt *rt, const struct fault_record *record, const struct crash_line *line);
/* At the end of a runtime: what no line could tell any more. */
void crash_write_dropped(anqa_rt *rt);

/* The registered name of the process whose hooks these are; empty: none. */
anqa_str crash_name(const struct exit_hook *hooks);

#endif
