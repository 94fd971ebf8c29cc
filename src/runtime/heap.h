/*
 * The heap of one process: pieces that are allocated, resized and freed, and all dropped at once at its end.
 *
 * A heap exists from its first allocation on; before, it is a NULL pointer in the process. Pieces lie in chunks that grow
 * from 512 bytes to 64 KB, so that a process with little state stays small; the first chunk holds the heap's own record.
 * A piece is rounded up to one of 16 sizes (each 16 bytes up to 128, then half and whole powers of two up to 2 KB) and
 * has a word before it. Larger ones come from malloc, one by one, and are linked.
 *
 *     chunk: | next, length | (first: struct heap) | word, piece | word, piece | ... not yet given out |
 *
 * Freed pieces are reused for their size. Chunks go back to malloc with the last piece of all (but the first chunk,
 * kept) or when the heap is dropped.
 *
 * The quota bounds what the heap takes from the system, not only what is in use: that is what the machine feels. A
 * heap that may not grow gives out larger free pieces instead before it refuses.
 *
 * Under AddressSanitizer every piece is a malloc of its own, so that overruns and uses after free are seen.
 *
 * Threads. owner: the process; one thread at a time.
 */
#ifndef RUNTIME_HEAP_H
#define RUNTIME_HEAP_H

#include <anqa/base.h>

struct heap;

/* `size` bytes, aligned to 16, not cleared; makes *heap when that is NULL. quota: bytes, 0 for none; may change from
 * call to call. NULL: over the quota, or no memory; the heap is as it was. */
void *heap_alloc(struct heap **heap, size_t size, size_t quota) ANQA_MUST_CHECK;

/* NULL: as heap_alloc, never when it shrinks; or *ret_foreign is set (else cleared): heap_free would refuse `piece`
 * too. All is as it was then. piece: NULL makes a new one. */
void *heap_realloc(
    struct heap **heap, void *piece, size_t size, size_t quota, bool *ret_foreign) ANQA_MUST_CHECK;

/* False: not a piece of this heap, free already, or the word before it was overwritten; nothing was done. Sure for what
 * is of this heap, likely for what is not. piece: not NULL. */
bool heap_free(struct heap *heap, void *piece) ANQA_MUST_CHECK;

/* Ends all pieces in O(chunks + large pieces); *heap becomes NULL. NULL in *heap is fine. */
void heap_drop(struct heap **heap);

/* Bytes in use, as rounded; 0 again when every piece is free. NULL is fine. */
size_t heap_used(const struct heap *heap);
/* Bytes taken from the system: what the quota bounds. NULL is fine. */
size_t heap_held(const struct heap *heap);

#endif
