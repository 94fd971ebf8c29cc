/*
 * Looking at processes and schedulers of a runtime from any of its threads, without asking them: all that is read is
 * atomic, in memory that stays what it is (see proc.h).
 */
#ifndef RUNTIME_INSPECT_H
#define RUNTIME_INSPECT_H

/* IWYU pragma: begin_exports */
#include <anqa/introspect.h>
#include <anqa/runtime.h>
/* IWYU pragma: end_exports */

/* What the runtime knows of a process; the rest of `info` is made by those who know more. */
struct look {
    anqa_process_info info;          /* without names; `kind` is the behaviour's name */
    const anqa_behaviour *behaviour; /* NULL: it has none */
    const void *spec;                /* of anqa_spawn_opts; what it is, the behaviour says */
};

/* False: no such process, or it has ended meanwhile. */
bool proc_look(const anqa_rt *rt, anqa_pid pid, struct look *ret_look);

/* The process that lives in a slot now; nobody: none does. slot: below look_slots. */
anqa_pid look_at_slot(const anqa_rt *rt, uint32_t slot);
/* How many slots have ever been used. */
uint32_t look_slots(const anqa_rt *rt);

/* All but names and tables. */
void look_at_system(anqa_rt *rt, anqa_system_info *ret_info);

#endif
