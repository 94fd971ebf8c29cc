#include "base/map.h"

#include "base/siphash.h"

#include <stdlib.h>

/*
 * Both tables are the same machine over two kinds of slot:
 *
 *     find         walk from the home slot to the key or the first free slot
 *     close_hole   a hole is filled by the next entry of the cluster whose home does not lie behind the hole
 *
 * What knows a key (hash, comparison) is written out twice rather than hidden in a macro: a debugger can step through it.
 * What only asks whether a slot is free is written once: the value stands first in both kinds.
 */
struct map_u64_slot {
    void *value; /* NULL: free */
    uint64_t key;
};

struct map_str_slot {
    void *value; /* NULL: free */
    const char *key;
    uint32_t len;
    uint32_t
        hash; /* kept: most misses are seen without touching the key, and growing hashes nothing again */
};

#define SLOTS_MIN ((size_t)8)

/* Number of slots for `entries`, at most three quarters full; 0 when it does not fit in memory. */
static size_t slots_for(size_t entries, size_t slot_size)
{
    size_t slots = SLOTS_MIN;

    while (slots - slots / 4 < entries) {
        if (slots > SIZE_MAX / 4 / slot_size)
            return 0;
        slots *= 2;
    }
    return slots;
}

static size_t slot_count(const void *slots, size_t mask)
{
    return slots == NULL ? 0 : mask + 1;
}

/* Of a table that has slots. */
static bool is_full(size_t count, size_t mask)
{
    return count >= mask + 1 - (mask + 1) / 4;
}

/* Whether the entry at `at` may move back into `hole`: only if its home does not lie in (hole, at], seen around the end. */
static bool may_fill(size_t home, size_t hole, size_t at, size_t mask)
{
    return ((at - home) & mask) >= ((at - hole) & mask);
}

static inline bool is_free(const void *slots, size_t i, size_t slot_size)
{
    return *(void *const *)(const void *)((const char *)slots + i * slot_size) == NULL;
}

/* The next entry's slot; NULL: the end. A walk starts behind a free slot and goes down. Removing the entry just given
 * pulls entries down from higher slots of its cluster only, which the walk has seen, and no cluster reaches over the free
 * slot: nothing is missed or seen twice. */
static inline const void *iter_next(
    struct map_iter *iter, const void *slots, size_t mask, size_t slot_size)
{
    if (slots == NULL)
        return NULL;
    if (iter->left == 0) {
        while (!is_free(slots, iter->at, slot_size))
            iter->at++;
        iter->left = mask + 2;
    }
    while (iter->left > 1) {
        iter->at = (iter->at - 1) & mask;
        iter->left--;
        if (!is_free(slots, iter->at, slot_size))
            return (const char *)slots + iter->at * slot_size;
    }
    return NULL;
}

/* ---------------------------------------------------------------- numbers */

/* Ids are dense in their low bits and often differ in few others; the finalizer of murmur3 spreads every bit. */
static inline size_t hash_u64(uint64_t key)
{
    key ^= key >> 33;
    key *= 0xff51afd7ed558ccdu;
    key ^= key >> 33;
    key *= 0xc4ceb9fe1a85ec53u;
    key ^= key >> 33;
    return (size_t)key;
}

/* The slot of the key, or the free one where it would go. The table has slots and one of them is free. */
static inline struct map_u64_slot *find_u64(const struct map_u64 *map, uint64_t key)
{
    size_t i = hash_u64(key) & map->mask;

    while (map->slots[i].value != NULL && map->slots[i].key != key)
        i = (i + 1) & map->mask;
    return &map->slots[i];
}

static anqa_status resize_u64(struct map_u64 *map, size_t slots)
{
    struct map_u64 bigger = {.count = map->count, .mask = slots - 1};

    if (slots == 0)
        return ANQA_E_NOMEM;
    bigger.slots = calloc(slots, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return ANQA_E_NOMEM;
    for (size_t i = 0; i < slot_count(map->slots, map->mask); i++)
        if (map->slots[i].value != NULL)
            *find_u64(&bigger, map->slots[i].key) = map->slots[i];
    free(map->slots);
    *map = bigger;
    return ANQA_OK;
}

anqa_status map_u64_init(struct map_u64 *map, size_t expected)
{
    *map = (struct map_u64){0};
    return expected == 0 ? ANQA_OK : resize_u64(map, slots_for(expected, sizeof *map->slots));
}

void map_u64_done(struct map_u64 *map)
{
    free(map->slots);
    *map = (struct map_u64){0};
}

void *map_u64_get(const struct map_u64 *map, uint64_t key)
{
    return map->slots == NULL ? NULL : find_u64(map, key)->value;
}

anqa_status map_u64_put(struct map_u64 *map, uint64_t key, void *value, void **ret_old)
{
    struct map_u64_slot *slot = NULL;
    void *old = NULL;

    if (value == NULL)
        return ANQA_E_INVALID;
    if (map->slots != NULL) {
        slot = find_u64(map, key);
        old = slot->value;
    }
    if (slot == NULL || (old == NULL && is_full(map->count, map->mask))) {
        anqa_status s = resize_u64(map, slots_for(map->count + 1, sizeof *map->slots));
        if (s != ANQA_OK)
            return s;
        slot = find_u64(map, key);
    }
    map->count += old == NULL;
    *slot = (struct map_u64_slot){value, key};
    if (ret_old != NULL)
        *ret_old = old;
    return ANQA_OK;
}

static void close_hole_u64(struct map_u64 *map, size_t hole)
{
    for (size_t i = (hole + 1) & map->mask; map->slots[i].value != NULL; i = (i + 1) & map->mask) {
        if (!may_fill(hash_u64(map->slots[i].key) & map->mask, hole, i, map->mask))
            continue;
        map->slots[hole] = map->slots[i];
        hole = i;
    }
    map->slots[hole] = (struct map_u64_slot){0};
}

void *map_u64_remove(struct map_u64 *map, uint64_t key)
{
    struct map_u64_slot *slot;
    void *old;

    if (map->slots == NULL)
        return NULL;
    slot = find_u64(map, key);
    old = slot->value;
    if (old == NULL)
        return NULL;
    map->count--;
    close_hole_u64(map, (size_t)(slot - map->slots));
    return old;
}

bool map_u64_next(
    const struct map_u64 *map, struct map_iter *iter, uint64_t *ret_key, void **ret_value)
{
    const struct map_u64_slot *slot = iter_next(iter, map->slots, map->mask, sizeof *slot);

    if (slot == NULL)
        return false;
    *ret_key = slot->key;
    *ret_value = slot->value;
    return true;
}

/* ---------------------------------------------------------------- strings */

static inline uint32_t hash_str(anqa_str key)
{
    return (uint32_t)siphash(key.ptr, key.len, siphash_boot_key());
}

static inline bool same_key(const struct map_str_slot *slot, anqa_str key, uint32_t hash)
{
    return slot->hash == hash && slot->len == key.len && memcmp(slot->key, key.ptr, key.len) == 0;
}

static inline struct map_str_slot *find_str(const struct map_str *map, anqa_str key, uint32_t hash)
{
    size_t i = hash & map->mask;

    while (map->slots[i].value != NULL && !same_key(&map->slots[i], key, hash))
        i = (i + 1) & map->mask;
    return &map->slots[i];
}

/* Where an entry goes that is known not to be there: hashes are compared with nothing. */
static struct map_str_slot *find_free_str(const struct map_str *map, uint32_t hash)
{
    size_t i = hash & map->mask;

    while (map->slots[i].value != NULL)
        i = (i + 1) & map->mask;
    return &map->slots[i];
}

static anqa_status resize_str(struct map_str *map, size_t slots)
{
    struct map_str bigger = {.count = map->count, .mask = slots - 1};

    if (slots == 0 || slots > (size_t)UINT32_MAX + 1) /* the kept hash has 32 bits */
        return ANQA_E_NOMEM;
    bigger.slots = calloc(slots, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return ANQA_E_NOMEM;
    for (size_t i = 0; i < slot_count(map->slots, map->mask); i++)
        if (map->slots[i].value != NULL)
            *find_free_str(&bigger, map->slots[i].hash) = map->slots[i];
    free(map->slots);
    *map = bigger;
    return ANQA_OK;
}

anqa_status map_str_init(struct map_str *map, size_t expected)
{
    *map = (struct map_str){0};
    return expected == 0 ? ANQA_OK : resize_str(map, slots_for(expected, sizeof *map->slots));
}

void map_str_done(struct map_str *map)
{
    free(map->slots);
    *map = (struct map_str){0};
}

/* memcmp must not get NULL, which an empty string may hold. */
static anqa_str never_null(anqa_str key)
{
    return key.ptr == NULL ? anqa_str_make("", 0) : key;
}

void *map_str_get(const struct map_str *map, anqa_str key)
{
    key = never_null(key);
    return map->slots == NULL ? NULL : find_str(map, key, hash_str(key))->value;
}

anqa_status map_str_put(struct map_str *map, anqa_str key, void *value, void **ret_old)
{
    struct map_str_slot *slot = NULL;
    void *old = NULL;
    uint32_t hash;

    if (value == NULL)
        return ANQA_E_INVALID;
    if (key.len > UINT32_MAX)
        return ANQA_E_LIMIT;
    key = never_null(key);
    hash = hash_str(key);
    if (map->slots != NULL) {
        slot = find_str(map, key, hash);
        old = slot->value;
    }
    if (slot == NULL || (old == NULL && is_full(map->count, map->mask))) {
        anqa_status s = resize_str(map, slots_for(map->count + 1, sizeof *map->slots));
        if (s != ANQA_OK)
            return s;
        slot = find_free_str(map, hash);
    }
    map->count += old == NULL;
    *slot = (struct map_str_slot){value, key.ptr, (uint32_t)key.len, hash};
    if (ret_old != NULL)
        *ret_old = old;
    return ANQA_OK;
}

static void close_hole_str(struct map_str *map, size_t hole)
{
    for (size_t i = (hole + 1) & map->mask; map->slots[i].value != NULL; i = (i + 1) & map->mask) {
        if (!may_fill(map->slots[i].hash & map->mask, hole, i, map->mask))
            continue;
        map->slots[hole] = map->slots[i];
        hole = i;
    }
    map->slots[hole] = (struct map_str_slot){0};
}

void *map_str_remove(struct map_str *map, anqa_str key)
{
    struct map_str_slot *slot;
    void *old;

    if (map->slots == NULL)
        return NULL;
    key = never_null(key);
    slot = find_str(map, key, hash_str(key));
    old = slot->value;
    if (old == NULL)
        return NULL;
    map->count--;
    close_hole_str(map, (size_t)(slot - map->slots));
    return old;
}

bool map_str_next(
    const struct map_str *map, struct map_iter *iter, anqa_str *ret_key, void **ret_value)
{
    const struct map_str_slot *slot = iter_next(iter, map->slots, map->mask, sizeof *slot);

    if (slot == NULL)
        return false;
    *ret_key = anqa_str_make(slot->key, slot->len);
    *ret_value = slot->value;
    return true;
}
