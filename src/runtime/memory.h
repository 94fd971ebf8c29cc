/* The memory of a process, as the rest of the runtime sees it. */
#ifndef RUNTIME_MEMORY_H
#define RUNTIME_MEMORY_H

/* IWYU pragma: begin_exports */
#include "runtime/proc.h"
#include "telemetry/log.h"
/* IWYU pragma: end_exports */

/* Copies the fields that are put behind those of the process's events (anqa_log_metadata). Returns how many bytes. */
size_t proc_log_metadata(const struct proc *p, char ret_text[static LOG_METADATA_MAX]);

/* Drops the heap of a process that has ended. */
void proc_heap_drop(struct sched *s, struct proc *p);
/* Gives back a heap in which nothing is left, whose first chunk is kept otherwise: for the many that rest. The calling process's. */
void proc_heap_rest(struct sched *s, struct proc *p);

#endif
