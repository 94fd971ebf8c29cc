/**
 * anqa/arena.h - memory that is given out piece by piece and ends all at once.
 *
 * An arena hands out bytes from blocks; single pieces are never freed. `anqa_arena_reset` ends every piece at once and
 * keeps one block for the next round, so that a steady user stops calling malloc. Pieces are aligned to 16 bytes.
 *
 * Failing. An arena has a limit in bytes. When the limit or the system's memory is used up, `on_fail` is called if set
 * (it must not return: the arena of a process ends that process); otherwise the call returns NULL.
 *
 * Threads. An arena belongs to whoever made it and takes no locks: one thread at a time.
 *
 * Under AddressSanitizer every piece is a malloc of its own, so that overruns and uses after the reset are seen.
 */
#ifndef ANQA_ARENA_H
#define ANQA_ARENA_H

#include <anqa/base.h>

ANQA_BEGIN_DECLS

struct anqa_arena_block;

/** Grows in blocks. Its members are for this header. */
typedef struct anqa_arena {
    char *at, *end;                 /* free bytes of the current block */
    struct anqa_arena_block *block; /* current block, links to older ones */
    size_t held;                    /* bytes of all blocks */
    size_t limit;                   /* on held; 0: none */
    void (*on_fail)(struct anqa_arena *arena, size_t wanted);
} anqa_arena;

/** Makes an empty arena; no memory is taken before the first piece. A zeroed struct is a valid arena too. */
ANQA_API void anqa_arena_init(anqa_arena *arena, size_t limit);

/** Ends all pieces and gives all memory back. The arena may be used again. */
ANQA_API void anqa_arena_done(anqa_arena *arena);

/** The path of anqa_arena_reset that has something to do. */
ANQA_API void anqa_arena_reset_slow(anqa_arena *arena);

/** The path of anqa_arena_alloc that needs a new block. */
ANQA_API void *anqa_arena_alloc_slow(anqa_arena *arena, size_t size);

#if defined(__SANITIZE_ADDRESS__)
#define ANQA_ARENA_ASAN_ 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ANQA_ARENA_ASAN_ 1
#endif
#endif

/** Ends all pieces, keeps at most one block of ordinary size. Nearly free when there are none since the last time, as at the
 * end of most events: then the block is not even looked at. */
static inline void anqa_arena_reset(anqa_arena *arena)
{
#ifndef ANQA_ARENA_ASAN_
    /* all that is held is free, but for the header of the block */
    if (arena->held == (size_t)(arena->end - arena->at) + (arena->block == NULL ? 0 : 16))
        return;
#endif
    anqa_arena_reset_slow(arena);
}

/** `size` bytes, not cleared. NULL when the limit is reached and there is no `on_fail`. */
static inline void *anqa_arena_alloc(anqa_arena *arena, size_t size)
{
#ifndef ANQA_ARENA_ASAN_
    size_t rounded = (size + 15) & ~(size_t)15;

    if (rounded >= size && rounded <= (size_t)(arena->end - arena->at)) {
        void *piece = arena->at;
        arena->at += rounded;
        return piece;
    }
#endif
    return anqa_arena_alloc_slow(arena, size);
}

/** `count` times `size` bytes, cleared; the product is checked for overflow. */
ANQA_API void *anqa_arena_calloc(anqa_arena *arena, size_t count, size_t size);

/** A copy of bytes, with a NUL behind it. */
ANQA_API char *anqa_arena_copy(anqa_arena *arena, const void *bytes, size_t len);

/** printf into the arena. *ret_len may be NULL. */
ANQA_API char *anqa_arena_printf(anqa_arena *arena, const char *format, ...) ANQA_PRINTF(2, 3);
ANQA_API char *anqa_arena_vprintf(
    anqa_arena *arena, size_t *ret_len, const char *format, va_list args) ANQA_PRINTF(3, 0);

ANQA_END_DECLS

#endif
