#include "runtime/block.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <anqa/base.h>

#define CHUNK_SIZE ((size_t)256 << 10)

#ifdef BLOCK_MALLOC

static struct block *block_new(struct block_depot *depot, size_t size)
{
    return malloc(size);
}

static void reserve_free(struct block_depot *depot)
{
    while (depot->reserve != NULL) {
        struct block *block = depot->reserve;
        depot->reserve = block->next;
        free(block);
    }
}

#else

/* Carved from the newest chunk; from its end: a list that is built so goes upwards. */
static struct block *block_new(struct block_depot *depot, size_t size)
{
    if ((size_t)(depot->end - depot->at) < size) {
        char *chunk = aligned_alloc(64, CHUNK_SIZE);
        if (chunk == NULL)
            return NULL;
        *(void **)(void *)chunk = depot->chunks;
        depot->chunks = chunk;
        depot->at = chunk + 64;
        depot->end = chunk + CHUNK_SIZE;
        atomic_fetch_add_explicit(&depot->bytes, CHUNK_SIZE, memory_order_relaxed);
    }
    depot->end -= size;
    return (struct block *)(void *)depot->end;
}

/* They lie in chunks. */
static void reserve_free(struct block_depot *depot)
{
}

#endif

/* ---------------------------------------------------------------- the reserve; under the lock */

static uint32_t reserve_count(struct block_depot *depot)
{
    return atomic_load_explicit(&depot->reserved, memory_order_relaxed);
}

static void reserve_count_set(struct block_depot *depot, uint32_t count)
{
    atomic_store_explicit(&depot->reserved, count, memory_order_relaxed);
}

static void reserve_put(struct block_depot *depot, struct block *block)
{
    block->next = depot->reserve;
    depot->reserve = block;
    reserve_count_set(depot, reserve_count(depot) + 1);
}

/* Up to its full size, or as far as the memory goes. */
static bool reserve_fill(struct block_depot *depot)
{
    while (reserve_count(depot) < BLOCK_RESERVE) {
        struct block *block = block_new(depot, BLOCK_RESERVE_SIZE);
        if (block == NULL)
            return false;
        reserve_put(depot, block);
    }
    return true;
}

void *block_take_reserved(struct block_cache *cache)
{
    struct block_depot *depot = cache->depot;
    struct block *block;

    pthread_mutex_lock(&depot->lock);
    block = depot->reserve;
    if (block != NULL) {
        depot->reserve = block->next;
        reserve_count_set(depot, reserve_count(depot) - 1);
    }
    pthread_mutex_unlock(&depot->lock);
    return block;
}

/* ---------------------------------------------------------------- depot and caches */

bool block_depot_init(struct block_depot *depot)
{
    *depot = (struct block_depot){0};
    pthread_mutex_init(&depot->lock, NULL);
    return reserve_fill(depot);
}

void block_depot_done(struct block_depot *depot)
{
    void *chunk = depot->chunks;

    reserve_free(depot);
    while (chunk != NULL) {
        void *next = *(void **)chunk;
        free(chunk);
        chunk = next;
    }
    pthread_mutex_destroy(&depot->lock);
}

uint64_t block_depot_bytes(struct block_depot *depot)
{
    return atomic_load_explicit(&depot->bytes, memory_order_relaxed);
}

void block_cache_init(struct block_cache *cache, struct block_depot *depot)
{
    *cache = (struct block_cache){.depot = depot};
}

static void depot_give(struct block_depot *depot, unsigned class, struct block_magazine *magazine)
{
    while (class == block_class(BLOCK_RESERVE_SIZE) && magazine->first != NULL &&
           reserve_count(depot) < BLOCK_RESERVE) {
        struct block *block = magazine->first;
        magazine->first = block->next;
        reserve_put(depot, block);
    }
    if (magazine->first == NULL) {
        *magazine = (struct block_magazine){0};
        return;
    }
    magazine->first->next_full = depot->full[class];
    depot->full[class] = magazine->first;
    *magazine = (struct block_magazine){0};
}

void block_cache_done(struct block_cache *cache)
{
    pthread_mutex_lock(&cache->depot->lock);
    for (unsigned class = 0; class < BLOCK_CLASSES; class ++) {
        depot_give(cache->depot, class, &cache->now[class]);
        depot_give(cache->depot, class, &cache->spare[class]);
    }
    pthread_mutex_unlock(&cache->depot->lock);
}

#ifdef BLOCK_MALLOC

void *block_take_slow(struct block_cache *cache, unsigned class)
{
    struct block_depot *depot = cache->depot;

    if (reserve_count(depot) < BLOCK_RESERVE) {
        pthread_mutex_lock(&depot->lock);
        (void)reserve_fill(depot);
        pthread_mutex_unlock(&depot->lock);
    }
    return malloc(block_class_size(class));
}

void block_put_slow(struct block_cache *cache, unsigned class, void *memory)
{
    free(memory);
}

#else

/* New blocks for one magazine, of one chunk; fewer when that has no room for more. */
static void depot_carve(struct block_depot *depot, unsigned class, struct block_magazine *magazine)
{
    size_t size = block_class_size(class);

    do {
        struct block *block = block_new(depot, size);
        if (block == NULL)
            return;
        block->next = magazine->first;
        magazine->first = block;
        magazine->count++;
    } while (magazine->count < BLOCK_MAGAZINE && (size_t)(depot->end - depot->at) >= size);
}

static void depot_get(struct block_depot *depot, unsigned class, struct block_magazine *magazine)
{
    pthread_mutex_lock(&depot->lock);
    (void)reserve_fill(depot);
    magazine->first = depot->full[class];
    if (magazine->first != NULL) {
        depot->full[class] = magazine->first->next_full;
        magazine->count = BLOCK_MAGAZINE; /* or less: then it is traded in a little early */
    } else {
        depot_carve(depot, class, magazine);
    }
    pthread_mutex_unlock(&depot->lock);
}

void *block_take_slow(struct block_cache *cache, unsigned class)
{
    struct block_magazine *now = &cache->now[class];

    if (cache->spare[class].first != NULL) {
        *now = cache->spare[class];
        cache->spare[class] = (struct block_magazine){0};
    } else {
        depot_get(cache->depot, class, now);
    }
    if (now->first == NULL)
        return NULL;
    return block_take(cache, class);
}

void block_put_slow(struct block_cache *cache, unsigned class, void *memory)
{
    struct block_magazine *now = &cache->now[class], *spare = &cache->spare[class];

    if (spare->first != NULL) {
        pthread_mutex_lock(&cache->depot->lock);
        depot_give(cache->depot, class, spare);
        pthread_mutex_unlock(&cache->depot->lock);
    }
    *spare = *now;
    *now = (struct block_magazine){0};
    block_put(cache, class, memory);
}

#endif
