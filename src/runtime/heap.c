#include "runtime/heap.h"

#include <assert.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_ASAN 1
#endif
#endif

enum {
    SMALL_MAX = 2048, /* of a slot: the word and the piece */
    CLASSES = 16,
    LARGE = 0xff, /* class of what lies in no chunk */
    CHUNK_FIRST = 512,
    CHUNK_LAST = 64 << 10
};

/* Says which class a piece has and, in its other bits, that it is in use and whose it is. */
typedef uint64_t word;
static_assert(sizeof(word) == 8, "pieces are aligned to 16: chunks begin to cut at 8");

struct chunk {
    struct chunk *next;
    size_t length;
};

/* Lies before a large piece; its word is the last thing before the piece. */
struct large {
    struct large *next, **link;
    size_t slot; /* all of it, to the end of the piece */
    word mark;
};
static_assert(sizeof(struct large) % 16 == 0, "a large piece is aligned to 16");

/* Lies in a freed piece. */
struct freed {
    struct freed *next;
};

struct heap {
    struct chunk *chunks; /* newest first; the last is the one that holds this record */
    char *at, *end;       /* what the newest chunk has not given out yet */
    struct large *large;
    size_t used, held;
    struct freed *free[CLASSES];
};
static_assert(sizeof(struct chunk) + sizeof(struct heap) <= 208,
    "small heaps have 300 bytes left of their first chunk");

/* ---------------------------------------------------------------- sizes and marks */

static const uint16_t slot_sizes[CLASSES] = {
    16, 32, 48, 64, 80, 96, 112, 128, 192, 256, 384, 512, 768, 1024, 1536, SMALL_MAX};

static size_t slot_size(unsigned class)
{
    return slot_sizes[class];
}

/* The smallest class that holds `slot` bytes; slot is at least 1 and at most SMALL_MAX. */
static unsigned class_up(size_t slot)
{
    if (slot <= 128)
        return (unsigned)(slot - 1) / 16;
    size_t last = slot - 1;
    unsigned log = 63 - (unsigned)__builtin_clzl(last);
    return 8 + (log - 7) * 2 + (unsigned)(last >> (log - 1) & 1);
}

static word *word_of(void *piece)
{
    return (word *)piece - 1;
}

static word mark_of(const struct heap *heap, const void *piece, unsigned class)
{
    word mixed = ((word)(uintptr_t)heap + class) * 0x9e3779b97f4a7c15u ^ (word)(uintptr_t)piece;

    return (mixed * 0xd1342543de82ef95u & ~(word)0xff) | class;
}

/* Whether it is a piece of this heap and in use. */
static bool is_ours(const struct heap *heap, void *piece)
{
    if (heap == NULL || ((uintptr_t)piece & 15) != 0)
        return false;
    word mark = *word_of(piece);
    return mark == mark_of(heap, piece, mark & 0xff);
}

static unsigned class_of(void *piece)
{
    return *word_of(piece) & 0xff;
}

static struct large *large_of(void *piece)
{
    return (struct large *)piece - 1;
}

static size_t slot_of(void *piece)
{
    unsigned class = class_of(piece);

    return class == LARGE ? large_of(piece)->slot : slot_size(class);
}

static bool over_quota(const struct heap *heap, size_t more, size_t quota)
{
    size_t held = heap == NULL ? 0 : heap->held;

    return quota != 0 && (held >= quota || more > quota - held);
}

/* ---------------------------------------------------------------- chunks */

static struct chunk *chunk_get(size_t length)
{
    struct chunk *chunk = malloc(length);

    if (chunk != NULL)
        *chunk = (struct chunk){.length = length};
    return chunk;
}

static struct heap *heap_make(size_t quota)
{
    if (over_quota(NULL, CHUNK_FIRST, quota))
        return NULL;
    struct chunk *chunk = chunk_get(CHUNK_FIRST);
    if (chunk == NULL)
        return NULL;
    struct heap *heap = (struct heap *)(chunk + 1);
    *heap = (struct heap){.chunks = chunk, .held = CHUNK_FIRST};
    heap->at = (char *)(heap + 1) + sizeof(word);
    heap->end = (char *)chunk + CHUNK_FIRST;
    return heap;
}

#ifndef HEAP_ASAN

static void push_free(struct heap *heap, void *piece, unsigned class)
{
    struct freed *freed = piece;

    *word_of(piece) = 0;
    freed->next = heap->free[class];
    heap->free[class] = freed;
}

static void *pop_free(struct heap *heap, unsigned class)
{
    struct freed *freed = heap->free[class];

    heap->free[class] = freed->next;
    *word_of(freed) = mark_of(heap, freed, class);
    heap->used += slot_size(class);
    return freed;
}

/* The largest class that fits into `slot` bytes, at least 16. */
static unsigned class_down(size_t slot)
{
    if (slot >= SMALL_MAX)
        return CLASSES - 1;
    unsigned class = class_up(slot);
    return slot_size(class) <= slot ? class : class - 1;
}

/* Cuts what is left of the newest chunk into free pieces. */
static void use_up(struct heap *heap)
{
    while ((size_t)(heap->end - heap->at) >= slot_size(0)) {
        unsigned class = class_down((size_t)(heap->end - heap->at));
        push_free(heap, heap->at + sizeof(word), class);
        heap->at += slot_size(class);
    }
}

/* The next size, or under a tight quota the smallest that will do. */
static bool heap_grow(struct heap *heap, size_t slot, size_t quota)
{
    size_t least = sizeof(struct chunk) + sizeof(word) + slot, length = heap->chunks->length;

    length = length < CHUNK_LAST ? length * 2 : CHUNK_LAST;
    while (length < least)
        length *= 2;
    if (over_quota(heap, length, quota))
        length = (least + 15) & ~(size_t)15;
    if (over_quota(heap, length, quota))
        return false;
    struct chunk *chunk = chunk_get(length);
    if (chunk == NULL)
        return false;
    use_up(heap);
    chunk->next = heap->chunks;
    heap->chunks = chunk;
    heap->held += length;
    heap->at = (char *)(chunk + 1) + sizeof(word);
    heap->end = (char *)chunk + length;
    return true;
}

/* A heap lies in its first chunk, right behind the chunk's record. */
static struct chunk *own_chunk(struct heap *heap)
{
    return (struct chunk *)heap - 1;
}

/* Nothing is in use: back to the first chunk, all of it not given out. */
static void heap_shrink(struct heap *heap)
{
    struct chunk *first = own_chunk(heap);

    while (heap->chunks != first) {
        struct chunk *chunk = heap->chunks;
        heap->chunks = chunk->next;
        heap->held -= chunk->length;
        free(chunk);
    }
    for (unsigned i = 0; i < CLASSES; i++)
        heap->free[i] = NULL;
    heap->at = (char *)(heap + 1) + sizeof(word);
    heap->end = (char *)first + first->length;
}

static void *alloc_small(struct heap *heap, size_t slot, size_t quota)
{
    unsigned class = class_up(slot);

    if (heap->free[class] != NULL)
        return pop_free(heap, class);
    slot = slot_size(class);
    if ((size_t)(heap->end - heap->at) < slot && !heap_grow(heap, slot, quota)) {
        while (++class < CLASSES)
            if (heap->free[class] != NULL)
                return pop_free(heap, class);
        return NULL;
    }
    char *piece = heap->at + sizeof(word);
    heap->at += slot;
    *word_of(piece) = mark_of(heap, piece, class);
    heap->used += slot;
    return piece;
}

#endif

/* ---------------------------------------------------------------- large pieces */

static void large_link(struct heap *heap, struct large *large)
{
    large->mark = mark_of(heap, large + 1, LARGE);
    large->next = heap->large;
    large->link = &heap->large;
    if (large->next != NULL)
        large->next->link = &large->next;
    heap->large = large;
}

static void large_unlink(struct large *large)
{
    *large->link = large->next;
    if (large->next != NULL)
        large->next->link = large->link;
    large->mark = 0;
}

static void *alloc_large(struct heap *heap, size_t size, size_t quota)
{
    size_t slot = sizeof(struct large) + size;

    if (slot < size || over_quota(heap, slot, quota))
        return NULL;
    struct large *large = malloc(slot);
    if (large == NULL)
        return NULL;
    large->slot = slot;
    large_link(heap, large);
    heap->held += slot;
    heap->used += slot;
    return large + 1;
}

static void free_large(struct heap *heap, void *piece)
{
    struct large *large = large_of(piece);

    heap->held -= large->slot;
    large_unlink(large);
    free(large);
}

/* The system can often resize without copying. Counts are of the larger until it has. */
static void *realloc_large(struct heap *heap, void *piece, size_t size, size_t quota)
{
    struct large *large = large_of(piece);
    size_t slot = sizeof(struct large) + size, before = large->slot;

    if (slot < size || (slot > before && over_quota(heap, slot - before, quota)))
        return NULL;
    large_unlink(large);
    struct large *moved = realloc(large, slot);
    if (moved == NULL) {
        large_link(heap, large);
        return NULL;
    }
    moved->slot = slot;
    large_link(heap, moved);
    heap->held += slot - before;
    heap->used += slot - before;
    return moved + 1;
}

/* ---------------------------------------------------------------- the heap */

static bool is_small(size_t size)
{
#ifdef HEAP_ASAN
    return false; /* every piece is seen by AddressSanitizer's malloc */
#else
    return size <= SMALL_MAX - sizeof(word);
#endif
}

static void *alloc_piece(struct heap *heap, size_t size, size_t quota)
{
#ifndef HEAP_ASAN
    if (is_small(size))
        return alloc_small(heap, sizeof(word) + size, quota);
#endif
    return alloc_large(heap, size, quota);
}

void *heap_alloc(struct heap **heap, size_t size, size_t quota)
{
    struct heap *made = NULL;

    if (*heap == NULL) {
        made = *heap = heap_make(quota);
        if (made == NULL)
            return NULL;
    }
    void *piece = alloc_piece(*heap, size, quota);
    if (piece == NULL && made != NULL)
        heap_drop(heap);
    return piece;
}

static void free_piece(struct heap *heap, void *piece)
{
    heap->used -= slot_of(piece);
    if (class_of(piece) == LARGE)
        free_large(heap, piece);
#ifndef HEAP_ASAN
    else
        push_free(heap, piece, class_of(piece));
    if (heap->used == 0 && heap->chunks->next != NULL)
        heap_shrink(heap);
#endif
}

bool heap_free(struct heap *heap, void *piece)
{
    if (!is_ours(heap, piece))
        return false;
    free_piece(heap, piece);
    return true;
}

static size_t capacity(void *piece)
{
    return class_of(piece) == LARGE ? large_of(piece)->slot - sizeof(struct large)
                                    : slot_size(class_of(piece)) - sizeof(word);
}

static bool same_class(void *piece, size_t size)
{
    return is_small(size) && class_of(piece) == class_up(sizeof(word) + size);
}

static void *move_piece(struct heap **heap, void *piece, size_t size, size_t quota)
{
    void *moved = heap_alloc(heap, size, quota);

    if (moved == NULL)
        return NULL;
    size_t old = capacity(piece);
    memcpy(moved, piece, old < size ? old : size);
    free_piece(*heap, piece);
    return moved;
}

void *heap_realloc(struct heap **heap, void *piece, size_t size, size_t quota, bool *ret_foreign)
{
    void *moved;

    *ret_foreign = false;
    if (piece == NULL)
        return heap_alloc(heap, size, quota);
    if (!is_ours(*heap, piece)) {
        *ret_foreign = true;
        return NULL;
    }
    if (same_class(piece, size))
        return piece;
    if (class_of(piece) == LARGE && !is_small(size))
        moved = realloc_large(*heap, piece, size, quota);
    else
        moved = move_piece(heap, piece, size, quota);
    return moved == NULL && size <= capacity(piece) ? piece : moved; /* shrinking never fails */
}

void heap_drop(struct heap **heap)
{
    struct heap *h = *heap;

    if (h == NULL)
        return;
    *heap = NULL;
    for (struct large *next, *large = h->large; large != NULL; large = next) {
        next = large->next;
        free(large);
    }
    for (struct chunk *next, *chunk = h->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk); /* the last holds the heap itself */
    }
}

size_t heap_used(const struct heap *heap)
{
    return heap == NULL ? 0 : heap->used;
}

size_t heap_held(const struct heap *heap)
{
    return heap == NULL ? 0 : heap->held;
}
