/* Links, monitors, aliases and open requests of one process: open addressing, backward-shift deletion. */
#include <stdlib.h>
#include <string.h>

#include "runtime/proc.h"
#include "runtime/sched.h"

/* Beyond the first entry, which has a table of its own size: most processes have a parent, and nobody else. */
#define RELS_FEW 4u
#define RELS_SHRINK 1024u /* smaller tables stay: who watched a hundred will do so again */
/* Larger ones grow by half only: after doubling, a supervisor of many would have two free places for each child. */
#define RELS_LARGE 32768u

/* Keys are pids and counters, made by us and not by a client: a multiplication spreads them well enough. What tells one key
 * from another is the low half of both (generation, counter) and for pids the high half too (slot): each half of the
 * factor spreads one of them over the upper bits of the hash, and those choose the place, in a table of any size. */
static uint32_t rels_home(const struct rels *rels, uint64_t key)
{
    uint64_t hash = (key * 0xd1b54a339e3779b9u) >> 32;

    return (uint32_t)((hash * rels->capacity) >> 32);
}

static uint32_t rels_after(const struct rels *rels, uint32_t i)
{
    return i + 1 == rels->capacity ? 0 : i + 1;
}

/* Steps from one place to another, round the end. */
static uint32_t rels_way(const struct rels *rels, uint32_t from, uint32_t to)
{
    return to >= from ? to - from : to + rels->capacity - from;
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

/* The entry of `key`, or the gap where it would go; in a table of one the only entry, whosever it is. */
static inline struct rel *rels_find(struct rels *rels, uint64_t key)
{
    if (rels->capacity == 1)
        return &rels->entries[0];
    for (uint32_t i = rels_home(rels, key);; i = rels_after(rels, i))
        if (rels->entries[i].key == key || rels->entries[i].key == 0)
            return &rels->entries[i];
}

struct rel *rels_get(struct rels *rels, uint64_t key)
{
    struct rel *rel;

    if (rels == NULL || key == 0) /* nobody: 0 marks what is empty */
        return NULL;
    rel = rels_find(rels, key);
    return rel->key == key ? rel : NULL;
}

static bool rels_resize(struct sched *s, struct rels **rels, uint32_t capacity)
{
    struct rels *old = *rels, *grown = rels_new(s, capacity);

    if (grown == NULL)
        return false;
    for (uint32_t i = 0; old != NULL && i < old->capacity; i++)
        if (old->entries[i].key != 0)
            *rels_find(grown, old->entries[i].key) = old->entries[i];
    grown->count = old == NULL ? 0 : old->count;
    rels_free(s, old);
    *rels = grown;
    return true;
}

/* A table of one may be full, larger ones are at most three quarters full: a search always meets a gap. */
static bool rels_is_full(const struct rels *rels)
{
    return rels->capacity == 1 ? rels->count == 1 : (rels->count + 1) * 4 > rels->capacity * 3;
}

static uint32_t rels_more(const struct rels *rels)
{
    if (rels->capacity == 1)
        return RELS_FEW;
    return rels->capacity < RELS_LARGE ? rels->capacity * 2 : rels->capacity + rels->capacity / 2;
}

/* The table of one, which most processes have and no other: without a loop and a memset. */
static struct rel *rels_first(struct sched *s, struct rels **rels, uint64_t key)
{
    struct rels *one = block_take(&s->blocks, block_class(rels_size(1)));

    if (one == NULL)
        return NULL;
    one->count = one->capacity = 1;
    one->entries[0] = (struct rel){.key = key};
    *rels = one;
    return &one->entries[0];
}

struct rel *rels_put(struct sched *s, struct rels **rels, uint64_t key)
{
    struct rel *rel;

    if (*rels == NULL)
        return rels_first(s, rels, key);
    rel = rels_find(*rels, key);
    if (rel->key == key)
        return rel;
    if (rels_is_full(*rels)) {
        if (!rels_resize(s, rels, rels_more(*rels)))
            return NULL;
        rel = rels_find(*rels, key);
    }
    (*rels)->count++;
    *rel = (struct rel){.key = key};
    return rel;
}

bool rels_expect_few(struct sched *s, struct rels **rels)
{
    return *rels != NULL || rels_resize(s, rels, RELS_FEW);
}

void rels_remove(struct sched *s, struct rels **table, struct rel *rel)
{
    struct rels *rels = *table;
    uint32_t gap = (uint32_t)(rel - rels->entries);

    for (uint32_t i = rels_after(rels, gap); rels->entries[i].key != 0 && i != gap;
        i = rels_after(rels, i)) {
        uint32_t home = rels_home(rels, rels->entries[i].key);
        if (rels_way(rels, home, i) < rels_way(rels, gap, i))
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
