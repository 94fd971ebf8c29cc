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

#endif
