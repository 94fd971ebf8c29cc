/*
 * Calls that need a large stack. The stack that a callback begins on is small; what recurses deeply on purpose, such as
 * a translated interpreter, is called on one of a second class, of DEEP_STACK_SIZE bytes of addresses.
 *
 * The stack of the caller stays suspended under the large one. Both belong to the process while it waits in such a call;
 * an exit, a fault or a kill in there gives up both.
 */
#ifndef RUNTIME_DEEP_H
#define RUNTIME_DEEP_H

#include <stdbool.h>

#define DEEP_STACK_SIZE ((size_t)4 << 20)
#define DEEP_STACKS_MAX 8192u /* 32 GB of addresses */
#define DEEP_STACKS_WARM 8u

/* Calls fn(arg) on a large stack, or right here if this is one already. The event's temporary memory stays the same.
 * Without a stack the process exits (SYSTEM_LIMIT).   Context: process, not an attached thread; may wait. */
void deep_call(void (*fn)(void *arg), void *arg);

/* Bytes below `address` on the large stack that the calling process runs on. Async-signal-safe. */
size_t deep_left(const void *address);

#endif
