/**
 * anqa/memory.h - the memory of a process, and what is cleaned up when it ends.
 *
 * Choose a lifetime first. `anqa_tmp` memory dies with the event or request, without being freed piece by piece.
 * `anqa_heap_*` memory dies with the process; pieces can be freed and resized before, for state that lives long. Both
 * count to the process's quota.
 *
 * Failing. Neither gives NULL to process code. When the quota is reached or the system has no memory, the process exits
 * (reason QUOTA), links and monitors are told, and all of this memory is given back.
 *
 * Clean-ups. Exit at any depth abandons the stack, so neither `goto done` nor a cleanup attribute runs. What must be
 * undone (a file to close, a lock file to remove) is handed to the list of deferred clean-ups on the line that acquires
 * it. Deferred clean-ups run newest first when the process ends, or earlier by anqa_defer_run_to; each runs once. They
 * must not wait. One that exits or faults ends the list: those behind it do not run.
 *
 * Threads. Memory belongs to the process that took it: another process may neither use nor free it. What crosses
 * processes is a message (anqa/process.h) or an anqa_buf. The heap takes no locks.
 */
#ifndef ANQA_MEMORY_H
#define ANQA_MEMORY_H

#include <anqa/arena.h>
#include <anqa/base.h>
#include <anqa/json.h>

ANQA_BEGIN_DECLS

/** Never NULL: who can not be given memory exits. */
#define ANQA_RETURNS_NEW __attribute__((returns_nonnull, warn_unused_result))

/* ---------------------------------------------------------------- heap: as long as the process */

/** `size` bytes, aligned to 16, not cleared. size: 0 gives a piece too. Context: process. */
ANQA_API void *anqa_heap_alloc(size_t size) __attribute__((malloc, alloc_size(1))) ANQA_RETURNS_NEW;

/** `count` times `size` bytes, cleared; a product that overflows is over any quota. Context: process. */
ANQA_API void *anqa_heap_calloc(size_t count, size_t size)
    __attribute__((malloc, alloc_size(1, 2))) ANQA_RETURNS_NEW;

/**
 * Resizes a piece and returns where it now is; the old address may not be used any more.
 * piece: NULL makes a new one.   size: 0 keeps a piece, it does not free.
 * Context: process.
 */
ANQA_API void *anqa_heap_realloc(void *piece, size_t size)
    __attribute__((alloc_size(2))) ANQA_RETURNS_NEW;

/**
 * Frees a piece; NULL is fine. A piece that is free already, was written past its end, or is not of this process's
 * heap is a broken contract as far as it can be seen: the process exits.   Context: process, also inside defers.
 */
ANQA_API void anqa_heap_free(void *piece);

/* ---------------------------------------------------------------- tmp: as long as the event */

/**
 * The arena of the current event, for the functions of anqa/arena.h; they do not return NULL with it.
 * It stays with the process while that waits, and ends with the event: keep no pointer into it in the process's state.
 * Context: process.
 */
ANQA_API anqa_arena *anqa_tmp(void) ANQA_RETURNS_NEW;

/** printf into anqa_tmp. Context: process. */
ANQA_API char *anqa_tmp_printf(const char *format, ...) ANQA_PRINTF(1, 2) ANQA_RETURNS_NEW;

/** A copy of bytes in anqa_tmp, with a NUL behind it. Context: process. */
ANQA_API char *anqa_tmp_copy(const void *bytes, size_t len) ANQA_RETURNS_NEW;

/* ---------------------------------------------------------------- JSON in the event's memory */

/**
 * The string under `key`; empty when there is none (anqa_json_get_str tells the difference). A slice of the object's
 * text, or decoded into anqa_tmp if it has escapes.   Context: process.
 */
ANQA_API anqa_str anqa_json_str(anqa_json object, const char *key);

/**
 * JSON made from a format as anqa_json_format documents it: {'id': %d, 'name': %s}. Lives as long as the event.
 * A format that is no JSON, a NaN, a string that is not UTF-8: a broken contract, the process exits.   Context: process.
 */
ANQA_API anqa_json anqa_jsonf(const char *format, ...) ANQA_PRINTF(1, 2);

/* ---------------------------------------------------------------- deferred clean-ups */

/** Names one clean-up, or a place in the list of them; all zero: before the first. Never used twice by a process. */
typedef struct anqa_deferred {
    uint64_t bits;
} anqa_deferred;

/**
 * Has fn(arg) called when the process ends. The result is needed only to cancel or as a mark.
 * When there is no memory to remember it, fn(arg) is called at once and the process exits.
 * arg: must live until then: on the heap, or in the process's state; not in anqa_tmp memory, and on the
 * stack only up to an anqa_defer_run_to within that frame: after a fault the stack is gone.   Context: process.
 */
ANQA_API anqa_deferred anqa_defer(void (*fn)(void *arg), void *arg);

/** Has a file descriptor closed when the process ends, as anqa_defer. fd: below 0 does nothing. Context: process. */
ANQA_API anqa_deferred anqa_defer_close(int fd);

/** Takes a clean-up off the list without running it. Returns whether it was still there. Context: process. */
ANQA_API bool anqa_defer_cancel(anqa_deferred deferred);

/** The newest clean-up so far, to come back to. Context: process. */
ANQA_API anqa_deferred anqa_defer_mark(void) ANQA_MUST_CHECK;

/** Runs all clean-ups that were added after `mark`, newest first. Context: process; they must not wait. */
ANQA_API void anqa_defer_run_to(anqa_deferred mark);

ANQA_END_DECLS

#endif
