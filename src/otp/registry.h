/* What this area has of the registry beside anqa/registry.h. */
#ifndef OTP_REGISTRY_H
#define OTP_REGISTRY_H

/* IWYU pragma: begin_exports */
#include <anqa/registry.h>

#include "runtime/hooks.h"
/* IWYU pragma: end_exports */

/* A name of the process, or empty; looks at all names. Lives as long as the current event. */
anqa_str registry_name_of(anqa_pid pid);

/* The same from the hooks of the process that runs, at once. Lives as long as the name. */
anqa_str registry_own_name(const struct exit_hook *hooks);
/* Calls `visit` for some of all names, from *at (0 at first) on, which it moves on. False: those were the last. What comes
 * and goes meanwhile is visited or not, or twice. `visit` must not wait; the name lives until it returns. */
bool registry_some_names(
    size_t *at, void (*visit)(void *ctx, anqa_pid pid, anqa_str name), void *ctx);
size_t registry_name_count(void);

#endif
