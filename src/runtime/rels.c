/* Links, monitors, aliases and open requests of one process: open addressing, backward-shift deletion. */
#include <stdlib.h>
#include <string.h>

#include "runtime/proc.h"
#include "runtime/sched.h"

#define RELS_FIRST 2u
#define RELS_SHRINK 1024u /* smaller tables stay: who watched a hundred will do so again */

/* Keys are pids and counters, made by us and not by a client: a multiplication spreads them well enough. */
static uint32_t rels_home(const struct rels *rels, uint64_t key)
{
    return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (rels->capacity - 1);
}

static size_t rels_size(uint32_t capacity)
{
    return sizeof(struct rels) + capacity * sizeof(struct rel);
}

static struct rels *rels_new(struct sched *s, uint32_t capacity)
{
    size_t size = rels_size(capacity);
    struct rels *rels =
        size <= BLOCK_MAX ? block_take(&s->blocks, block_class(size)) : malloc(size);

    if (rels == NULL)
        return NULL;
    memset(rels, 0, size);
    rels->capacity = capacity;
    return rels;
}

void rels_free(struct sched *s, struct rels *rels)
{
    if (rels == NULL)
        return;
    if (rels_size(rels->capacity) <= BLOCK_MAX)
        block_put(&s->blocks, block_class(rels_size(rels->capacity)), rels);
    else
        free(rels);
}

struct rel *rels_get(struct rels *rels, uint64_t key)
{
    if (rels == NULL || key == 0) /* nobody: 0 marks what is empty */
        return NULL;
    for (uint32_t i = rels_home(rels, key);; i = (i + 1) & (rels->capacity - 1)) {
        if (rels->entries[i].key == key)
            return &rels->entries[i];
        if (rels->entries[i].key == 0)
            return NULL;
    }
}

static struct rel *rels_place(struct rels *rels, uint64_t key)
{
    uint32_t i = rels_home(rels, key);

    while (rels->entries[i].key != 0)
        i = (i + 1) & (rels->capacity - 1);
    rels->count++;
    rels->entries[i] = (struct rel){.key = key};
    return &rels->entries[i];
}

static bool rels_resize(struct sched *s, struct rels **rels, uint32_t capacity)
{
    struct rels *old = *rels, *grown = rels_new(s, capacity);

    if (grown == NULL)
        return false;
    for (uint32_t i = 0; old != NULL && i < old->capacity; i++)
        if (old->entries[i].key != 0)
            *rels_place(grown, old->entries[i].key) = old->entries[i];
    rels_free(s, old);
    *rels = grown;
    return true;
}

/* A table of two has one entry at most, larger ones are at most three quarters full: a search always meets a gap. */
static bool rels_is_full(const struct rels *rels)
{
    return (rels->count + 1) * 4 > rels->capacity * 3 && rels->count + 1 >= rels->capacity / 2 + 1;
}

struct rel *rels_put(struct sched *s, struct rels **rels, uint64_t key)
{
    struct rel *rel = rels_get(*rels, key);

    if (rel != NULL)
        return rel;
    if (*rels == NULL || rels_is_full(*rels))
        if (!rels_resize(s, rels, *rels == NULL ? RELS_FIRST : (*rels)->capacity * 2))
            return NULL;
    return rels_place(*rels, key);
}

void rels_remove(struct sched *s, struct rels **table, struct rel *rel)
{
    struct rels *rels = *table;
    uint32_t mask = rels->capacity - 1, gap = (uint32_t)(rel - rels->entries);

    for (uint32_t i = (gap + 1) & mask; rels->entries[i].key != 0; i = (i + 1) & mask) {
        uint32_t home = rels_home(rels, rels->entries[i].key);
        if (((i - home) & mask) < ((i - gap) & mask))
            continue; /* it would move before its home */
        rels->entries[gap] = rels->entries[i];
        gap = i;
    }
    rels->entries[gap] = (struct rel){0};
    rels->count--;
    /* Shrinks late, so that a table at a border does not swing; a failure to do so harms nobody. */
    if (rels->capacity > RELS_SHRINK && rels->count < rels->capacity / 8)
        (void)rels_resize(s, table, rels->capacity / 4);
}
