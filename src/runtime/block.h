/*
 * Small blocks of memory (messages, process states, relation tables, timers): one size class each 16 bytes up to 256,
 * then four more. Every scheduler has a cache of free blocks and works without locks; caches trade whole magazines of
 * blocks with the runtime's depot, so that a block may be freed on another scheduler than the one that took it, at the
 * price of one lock for BLOCK_MAGAZINE blocks.
 *
 * Memory goes back to the system when the depot is closed, not before: the high-water mark of each class stays.
 * Under AddressSanitizer every block is a malloc of its own.
 *
 * The depot keeps a reserve of blocks of one class, for what must not fail when there is no memory. It is filled again,
 * before anybody else gets something, by new memory and by the blocks that come back to the depot.
 */
#ifndef RUNTIME_BLOCK_H
#define RUNTIME_BLOCK_H

/* IWYU pragma: begin_exports */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* IWYU pragma: end_exports */

#define BLOCK_CLASSES 20
#define BLOCK_MAX 1024
#define BLOCK_MAGAZINE 64
#define BLOCK_RESERVE_SIZE 64 /* bytes of a block of the reserve */

#if defined(__SANITIZE_ADDRESS__)
#define BLOCK_MALLOC 1
#define BLOCK_RESERVE 64u /* blocks in the reserve: each is an allocation here */
#else
#define BLOCK_RESERVE 2048u
#endif

struct block {
    struct block *next;      /* in a magazine */
    struct block *next_full; /* first block of a magazine: the next magazine in the depot */
};

struct block_magazine {
    struct block *first;
    uint32_t count;
};

/* owner: the runtime. */
struct block_depot {
    pthread_mutex_t lock; /* guards all below */
    struct block *full[BLOCK_CLASSES];
    void *chunks;            /* linked through their first word */
    char *at, *end;          /* rest of the newest chunk */
    _Atomic(uint64_t) bytes; /* of all chunks; also read without the lock */
    struct block *reserve;
    _Atomic(uint32_t) reserved; /* how many; also read without the lock */
};

/* owner: one scheduler, or whoever holds the lock of the pseudo scheduler it belongs to. Two magazines a class: one in
 * use, one spare, so that a user who stands at a border does not trade with the depot on every step. */
struct block_cache {
    struct block_magazine now[BLOCK_CLASSES], spare[BLOCK_CLASSES];
    struct block_depot *depot;
};

/* False: no memory for the reserve; block_depot_done is due all the same. */
bool block_depot_init(struct block_depot *depot);
void block_depot_done(struct block_depot *depot);
/* What was taken from the system; where blocks are mallocs: 0. Any thread. */
uint64_t block_depot_bytes(struct block_depot *depot);
void block_cache_init(struct block_cache *cache, struct block_depot *depot);
/* Gives everything to the depot. */
void block_cache_done(struct block_cache *cache);

/* Class of a size from 1 to BLOCK_MAX; a larger size has none and must not be asked for. */
static inline unsigned block_class(size_t size)
{
    if (size <= 256)
        return (unsigned)((size + 15) / 16) - 1;
    return size <= 384 ? 16 : size <= 512 ? 17 : size <= 768 ? 18 : 19;
}

static inline size_t block_class_size(unsigned class)
{
    static const uint16_t large[] = {384, 512, 768, 1024};

    return class < 16 ? ((size_t)class + 1) * 16 : large[class - 16];
}

void *block_take_slow(struct block_cache *cache, unsigned class);
void block_put_slow(struct block_cache *cache, unsigned class, void *memory);

/* A block of BLOCK_RESERVE_SIZE bytes out of the reserve, given back by block_put. NULL: the reserve is used up. */
void *block_take_reserved(struct block_cache *cache);

/* NULL: no memory. Not cleared. */
static inline void *block_take(struct block_cache *cache, unsigned class)
{
#ifndef BLOCK_MALLOC
    struct block_magazine *now = &cache->now[class];
    struct block *block = now->first;

    if (block != NULL) {
        now->first = block->next;
        now->count--;
        return block;
    }
#endif
    return block_take_slow(cache, class);
}

static inline void block_put(struct block_cache *cache, unsigned class, void *memory)
{
#ifndef BLOCK_MALLOC
    struct block_magazine *now = &cache->now[class];
    struct block *block = memory;

    if (now->count < BLOCK_MAGAZINE) {
        block->next = now->first;
        now->first = block;
        now->count++;
        return;
    }
#endif
    block_put_slow(cache, class, memory);
}

#endif
