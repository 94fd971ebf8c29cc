/* Tasks as the areas above see them. */
#ifndef OTP_TASK_H
#define OTP_TASK_H

#include <anqa/task.h> // IWYU pragma: export

/* As anqa_task_async, but not linked, so that a crash is a result, and without a supervisor. label: for people, static.
 * Fails: E_LIMIT, E_NOMEM.   Context: process. */
anqa_status task_open(anqa_task_fn run, const void *arg, size_t arg_size, const char *label,
    anqa_task *ret_task) ANQA_MUST_CHECK;

#endif
