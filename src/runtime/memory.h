/* The memory of a process, as the rest of the runtime sees it. */
#ifndef RUNTIME_MEMORY_H
#define RUNTIME_MEMORY_H

/* IWYU pragma: begin_exports */
#include "runtime/proc.h"
/* IWYU pragma: end_exports */

/* Drops the heap of a process that has ended. */
void proc_heap_drop(struct sched *s, struct proc *p);

#endif
