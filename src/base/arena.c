#include <anqa/arena.h>

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The blocks hang in one chain, newest first:
 *
 *     arena->block -> [ordinary 16 KB] -> [big] -> [ordinary 8 KB] -> [ordinary 4 KB] -> NULL
 *       at..end = what is free of the first one
 *
 * A big piece gets a block of its own, put behind the current one, whose free bytes so stay in use.
 */
struct anqa_arena_block {
    struct anqa_arena_block *older;
    size_t size; /* with this header; its lowest bit marks a big block: sizes are multiples of 16 */
    alignas(16) char bytes[];
};

#define HEADER sizeof(struct anqa_arena_block)
static_assert(HEADER == 16,
    "pieces start right behind the header and are aligned to 16: anqa_arena_reset knows that");

static void *out_of_memory(anqa_arena *arena, size_t wanted)
{
    if (arena->on_fail != NULL)
        arena->on_fail(arena, wanted);
    return NULL;
}

static bool over_limit(const anqa_arena *arena, size_t more)
{
    return arena->limit != 0 && (arena->held >= arena->limit || more > arena->limit - arena->held);
}

void anqa_arena_init(anqa_arena *arena, size_t limit)
{
    *arena = (anqa_arena){.limit = limit};
}

#ifdef ANQA_ARENA_ASAN_

#include <sanitizer/asan_interface.h>

/* The twin: every piece is a block of its own, of exactly the wanted size, so that a step over its end is seen. The
 * second half of the header is poisoned, so that a step before its start is seen too; the first half, the link, is not,
 * because LeakSanitizer follows no pointer that lies in poisoned memory. The held bytes count the rounded size, as
 * without AddressSanitizer, and a header a piece. */

void *anqa_arena_alloc_slow(anqa_arena *arena, size_t size)
{
    size_t rounded = (size + 15) & ~(size_t)15;
    struct anqa_arena_block *block;

    if (rounded < size || rounded > SIZE_MAX / 2 || over_limit(arena, HEADER + rounded))
        return out_of_memory(arena, size);
    block = malloc(HEADER + size);
    if (block == NULL)
        return out_of_memory(arena, size);
    arena->held += HEADER + rounded;
    block->size = HEADER + rounded;
    block->older = arena->block;
    arena->block = block;
    __asan_poison_memory_region(&block->size, sizeof block->size);
    return block->bytes;
}

void anqa_arena_reset_slow(anqa_arena *arena)
{
    anqa_arena_done(arena);
}

#else

#define BLOCK_MIN ((size_t)4096)
#define BLOCK_MAX ((size_t)65536)
#define BIG_PIECE \
    (BLOCK_MAX / 4) /* from here on the end of a block left unused would be too dear */
#define BIG_BIT ((size_t)1)

static size_t block_size(const struct anqa_arena_block *block)
{
    return block->size & ~BIG_BIT;
}

static bool block_is_big(const struct anqa_arena_block *block)
{
    return (block->size & BIG_BIT) != 0;
}

/* A block of `size` bytes with its header, not yet in the chain but counted. */
static struct anqa_arena_block *block_new(anqa_arena *arena, size_t size, size_t mark)
{
    struct anqa_arena_block *block;

    if (over_limit(arena, size))
        return NULL;
    block = malloc(size);
    if (block == NULL)
        return NULL;
    block->size = size | mark;
    arena->held += size;
    return block;
}

/* Size for a new ordinary block that holds a piece: twice the newest one, from 4 KB to 64 KB. Near the limit what is
 * left of it, if the piece fits in there. */
static size_t next_block_size(const anqa_arena *arena, size_t rounded)
{
    const struct anqa_arena_block *newest = arena->block;
    size_t size = BLOCK_MIN;

    if (newest != NULL && !block_is_big(newest))
        size = block_size(newest) * 2 < BLOCK_MAX ? block_size(newest) * 2 : BLOCK_MAX;
    while (size < HEADER + rounded)
        size *= 2;
    if (over_limit(arena, size) && !over_limit(arena, HEADER + rounded))
        size = (arena->limit - arena->held) & ~(size_t)15;
    return size;
}

static void *alloc_big(anqa_arena *arena, size_t rounded)
{
    struct anqa_arena_block *block = block_new(arena, HEADER + rounded, BIG_BIT);

    if (block == NULL)
        return NULL;
    if (arena->block == NULL) {
        block->older = NULL;
        arena->block = block; /* at == end: nothing is free in it */
    } else {
        block->older = arena->block->older;
        arena->block->older = block;
    }
    return block->bytes;
}

static void *alloc_ordinary(anqa_arena *arena, size_t rounded)
{
    struct anqa_arena_block *block = block_new(arena, next_block_size(arena, rounded), 0);

    if (block == NULL)
        return NULL;
    block->older = arena->block;
    arena->block = block;
    arena->at = block->bytes + rounded;
    arena->end = (char *)block + block_size(block);
    return block->bytes;
}

void *anqa_arena_alloc_slow(anqa_arena *arena, size_t size)
{
    size_t rounded = (size + 15) & ~(size_t)15;
    void *piece = NULL;

    if (rounded < size || rounded > SIZE_MAX / 2)
        return out_of_memory(arena, size);
    piece = rounded >= BIG_PIECE ? alloc_big(arena, rounded) : alloc_ordinary(arena, rounded);
    return piece != NULL ? piece : out_of_memory(arena, size);
}

/* The first ordinary block of the chain is the largest, or at least as large as the older ones. */
void anqa_arena_reset_slow(anqa_arena *arena)
{
    struct anqa_arena_block *block = arena->block, *keep = NULL;

    while (block != NULL) {
        struct anqa_arena_block *older = block->older;
        if (keep == NULL && !block_is_big(block))
            keep = block;
        else
            free(block);
        block = older;
    }
    arena->block = keep;
    arena->held = 0;
    arena->at = arena->end = NULL;
    if (keep == NULL)
        return;
    keep->older = NULL;
    arena->held = block_size(keep);
    arena->at = keep->bytes;
    arena->end = (char *)keep + block_size(keep);
}

#endif

void anqa_arena_done(anqa_arena *arena)
{
    struct anqa_arena_block *block = arena->block;

    while (block != NULL) {
        struct anqa_arena_block *older = block->older;
        free(block);
        block = older;
    }
    arena->block = NULL;
    arena->at = arena->end = NULL;
    arena->held = 0;
}

void *anqa_arena_calloc(anqa_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    void *piece;

    if (__builtin_mul_overflow(count, size, &bytes))
        return out_of_memory(arena, SIZE_MAX);
    piece = anqa_arena_alloc(arena, bytes == 0 ? 1 : bytes); /* NULL must mean failure only */
    if (piece != NULL)
        memset(piece, 0, bytes);
    return piece;
}

char *anqa_arena_copy(anqa_arena *arena, const void *bytes, size_t len)
{
    char *copy;

    if (len == SIZE_MAX)
        return out_of_memory(arena, len);
    copy = anqa_arena_alloc(arena, len + 1);
    if (copy == NULL)
        return NULL;
    if (len != 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

char *anqa_arena_vprintf(anqa_arena *arena, size_t *ret_len, const char *format, va_list args)
{
    va_list again;
    char *text = NULL;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    if (len < 0)
        goto done; /* a conversion that cannot be written; no memory is short, so on_fail is not for it */
    text = anqa_arena_alloc(arena, (size_t)len + 1);
    if (text == NULL)
        goto done;
    vsnprintf(text, (size_t)len + 1, format, again);
    if (ret_len != NULL)
        *ret_len = (size_t)len;
done:
    va_end(again);
    return text;
}

char *anqa_arena_printf(anqa_arena *arena, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = anqa_arena_vprintf(arena, NULL, format, args);
    va_end(args);
    return text;
}
