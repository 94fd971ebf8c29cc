/**
 * telemetry/telemetry.h - what the runtime does for telemetry.
 */
#ifndef TELEMETRY_TELEMETRY_H
#define TELEMETRY_TELEMETRY_H

#include <anqa/telemetry.h>

/** Whether a handler runs on this thread: a process must not wait then. */
bool telemetry_in_handler(void);

/**
 * To be called on the thread that abandons the stack of a process, before it runs anything else: when handlers were
 * running on it their emissions are ended, the innermost handler is detached and `anqa.telemetry.handler_failed` is
 * emitted with the metadata handler, event and reason. False when no handler was running.
 */
bool telemetry_handler_failed(const char *reason);

/**
 * What was detached is freed when no emission that can see it runs any more; that is counted here and needs nobody's
 * help. A runtime may ask to get it then, and free it later still, after its own quiescent states. NULL: free at once.
 */
void telemetry_set_retire_hook(void (*retire)(void (*free_fn)(void *object), void *object));

#endif
