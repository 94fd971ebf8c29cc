#include "runtime/block.h"

#include <stdlib.h>

#include <anqa/base.h>

#define CHUNK_SIZE ((size_t)256 << 10)

void block_depot_init(struct block_depot *depot)
{
    *depot = (struct block_depot){0};
    pthread_mutex_init(&depot->lock, NULL);
}

void block_depot_done(struct block_depot *depot)
{
    void *chunk = depot->chunks;

    while (chunk != NULL) {
        void *next = *(void **)chunk;
        free(chunk);
        chunk = next;
    }
    pthread_mutex_destroy(&depot->lock);
}

void block_cache_init(struct block_cache *cache, struct block_depot *depot)
{
    *cache = (struct block_cache){.depot = depot};
}

static void depot_give(struct block_depot *depot, unsigned class, struct block_magazine *magazine)
{
    if (magazine->first == NULL)
        return;
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
    return malloc(block_class_size(class));
}

void block_put_slow(struct block_cache *cache, unsigned class, void *memory)
{
    free(memory);
}

#else

/* New blocks for one magazine, carved from the newest chunk. */
static void depot_carve(struct block_depot *depot, unsigned class, struct block_magazine *magazine)
{
    size_t size = block_class_size(class);

    if ((size_t)(depot->end - depot->at) < size) {
        char *chunk = aligned_alloc(64, CHUNK_SIZE);
        if (chunk == NULL)
            return;
        *(void **)(void *)chunk = depot->chunks;
        depot->chunks = chunk;
        depot->at = chunk + 64;
        depot->end = chunk + CHUNK_SIZE;
    }
    while (magazine->count < BLOCK_MAGAZINE && (size_t)(depot->end - depot->at) >= size) {
        struct block *block =
            (struct block *)(void *)(depot->end -=
                                     size); /* from the end: the list then goes upwards */
        block->next = magazine->first;
        magazine->first = block;
        magazine->count++;
    }
}

static void depot_get(struct block_depot *depot, unsigned class, struct block_magazine *magazine)
{
    pthread_mutex_lock(&depot->lock);
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
