/* Tasks as the areas above see them. */
#ifndef OTP_TASK_H
#define OTP_TASK_H

#include <anqa/task.h> // IWYU pragma: export

struct buf_meter;

/* As anqa_task_async, but not linked, so that a crash is a result, and without a supervisor. label: for people, static.
 * meter: is charged for the argument, and TASK_COST, until the task has ended; NULL: nobody is.
 * Fails: E_LIMIT, E_NOMEM; E_FULL: more than the meter allows.   Context: process. */
anqa_status task_open(anqa_task_fn run, const void *arg, size_t arg_size, const char *label,
    struct buf_meter *meter, anqa_task *ret_task) ANQA_MUST_CHECK;

#define TASK_COST 2048u /* what a process holds beside its argument, about */

#endif
