/* The table that is read without locks. See table.h. */
#include "otp/table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/siphash.h"

#define ARRAY_FIRST 8u
#define DIRECTORY_FIRST 16u

static char tombstone_;
#define TOMBSTONE ((struct table_node *)(void *)&tombstone_)

/* ---------------------------------------------------------------- arrays */

static struct table_array *array_new(size_t slots)
{
    struct table_array *array = calloc(1, sizeof *array + slots * sizeof array->slots[0]);

    if (array != NULL)
        array->mask = slots - 1;
    return array;
}

static bool array_free(struct retired *note)
{
    free(ANQA_CONTAINER_OF(note, struct table_array, retired));
    return false;
}

static struct table_node *slot_load(const struct table_array *array, size_t i)
{
    /* acquire: the node's bytes. Pairs with slot_store. */
    return atomic_load_explicit(
        &((struct table_array *)(uintptr_t)array)->slots[i], memory_order_acquire);
}

static void slot_store(struct table_array *array, size_t i, struct table_node *node)
{
    atomic_store_explicit(&array->slots[i], node, memory_order_release); /* pairs with slot_load */
}

static struct table_array *array_of(struct table *table)
{
    return atomic_load_explicit(&table->array, memory_order_acquire); /* pairs with array_grow */
}

static void array_place(struct table_array *array, struct table_node *node)
{
    size_t i = node->hash & array->mask;

    while (slot_load(array, i) != NULL)
        i = (i + 1) & array->mask;
    slot_store(array, i, node);
    array->used++;
}

/* A copy without tombstones, with room for one more in any case. At most three slots of eight are used: most keys are in
 * their first slot then, and each slot more is a node that is not in the cache. */
static bool array_grow(struct table *table, struct table_array *old)
{
    size_t live = 0, slots = ARRAY_FIRST;
    struct table_array *array;

    for (size_t i = 0; old != NULL && i <= old->mask; i++)
        live += slot_load(old, i) != NULL && slot_load(old, i) != TOMBSTONE;
    while (slots < (live + 1) * 4)
        slots *= 2;
    array = array_new(slots);
    if (array == NULL)
        return false;
    for (size_t i = 0; old != NULL && i <= old->mask; i++)
        if (slot_load(old, i) != NULL && slot_load(old, i) != TOMBSTONE)
            array_place(array, slot_load(old, i));
    atomic_store_explicit(&table->array, array, memory_order_release); /* pairs with array_of */
    if (old != NULL)
        table_retire_noted(table, &old->retired, array_free);
    return true;
}

/* ---------------------------------------------------------------- keys */

uint32_t table_hash(anqa_str key)
{
    return (uint32_t)siphash(key.ptr, key.len, siphash_boot_key());
}

/* The same where a table is at hand, which remembers the key of this run. */
static inline uint32_t hash_in(const struct table *table, anqa_str key)
{
    return (uint32_t)siphash(key.ptr, key.len, table->hash_key);
}

void table_node_init(struct table_node *node, anqa_pid pid, anqa_str key, size_t key_at)
{
    atomic_init(&node->pid, pid.bits);
    node->hash = table_hash(key);
    node->key_len = (uint16_t)key.len;
    node->key_at = (uint16_t)key_at;
    if (key.len > 0)
        memcpy((char *)node + key_at, key.ptr, key.len);
}

/* Most keys are short: two words that may overlap are compared without a call, which costs as much as the hash. */
static inline bool same_bytes(const char *a, const char *b, size_t len)
{
    uint64_t a0, a1, b0, b1;

    if (len < sizeof a0 || len > 2 * sizeof a0)
        return len == 0 || memcmp(a, b, len) == 0;
    memcpy(&a0, a, sizeof a0);
    memcpy(&b0, b, sizeof b0);
    memcpy(&a1, a + len - sizeof a1, sizeof a1);
    memcpy(&b1, b + len - sizeof b1, sizeof b1);
    return ((a0 ^ b0) | (a1 ^ b1)) == 0;
}

static bool node_is(const struct table_node *node, uint32_t hash, anqa_str key)
{
    return node != TOMBSTONE && node->hash == hash && node->key_len == key.len &&
           same_bytes(table_key(node).ptr, key.ptr, key.len);
}

/* Slot of the node with that key in the array; SIZE_MAX: none. */
static size_t slot_of(const struct table_array *array, uint32_t hash, anqa_str key)
{
    struct table_node *node;

    if (array == NULL)
        return SIZE_MAX;
    for (size_t i = hash & array->mask; (node = slot_load(array, i)) != NULL;
        i = (i + 1) & array->mask)
        if (node_is(node, hash, key))
            return i;
    return SIZE_MAX;
}

static inline struct table_node *get(struct table *table, anqa_str key)
{
    const struct table_array *array = array_of(table);
    uint32_t hash = hash_in(table, key);
    struct table_node *node;

    if (array == NULL)
        return NULL;
    for (size_t i = hash & array->mask; (node = slot_load(array, i)) != NULL;
        i = (i + 1) & array->mask)
        if (node_is(node, hash, key))
            return node;
    return NULL;
}

struct table_node *table_get(struct table *table, anqa_str key)
{
    return get(table, key);
}

anqa_pid table_whereis(struct table *table, anqa_str key)
{
    const struct table_node *node;
    anqa_pid pid = {0};

    if (table == NULL)
        return pid;
    table_read_begin(table);
    node = table_get(table, key);
    if (node != NULL)
        pid = table_pid(node);
    table_read_end(table);
    return anqa_is_alive(pid) ? pid : (anqa_pid){0};
}

/* ---------------------------------------------------------------- writing */

/* In a section: a fault while the lock is held must not leave it held. */
void table_lock(struct table *table)
{
    anqa_section_begin();
    pthread_mutex_lock(&table->lock);
}

void table_unlock(struct table *table)
{
    pthread_mutex_unlock(&table->lock);
    anqa_section_end();
}

void *table_set_extra(struct table *table, void *extra, void (*free_extra)(void *extra))
{
    void *before = table_extra(table);

    table->free_extra = free_extra;
    /* pairs with table_extra */
    atomic_store_explicit(&table->extra, extra, memory_order_release);
    return before;
}

static void count_add(struct table *table, size_t n)
{
    size_t count = atomic_load_explicit(&table->count, memory_order_relaxed);

    atomic_store_explicit(&table->count, count + n, memory_order_relaxed);
}

static void twin_put(struct table_array *array, size_t at, struct table_node *node)
{
    struct table_twin *twin = (struct table_twin *)(void *)node,
                      *older = (struct table_twin *)(void *)slot_load(array, at);

    atomic_init(&twin->older, older);
    twin->younger = NULL;
    older->younger = twin;
    slot_store(array, at, node);
}

anqa_status table_put(struct table *table, struct table_node *node)
{
    struct table_array *array = array_of(table);
    size_t at;

    if (table->twins) {
        struct table_twin *twin = (struct table_twin *)(void *)node;
        at = slot_of(array, node->hash, table_key(node));
        count_add(table, 1);
        if (at != SIZE_MAX) {
            twin_put(array, at, node);
            return ANQA_OK;
        }
        atomic_init(&twin->older, NULL);
        twin->younger = NULL;
        count_add(table, (size_t)-1);
    }
    if (array == NULL || (array->used + 1) * 8 > (array->mask + 1) * 3) {
        if (!array_grow(table, array))
            return ANQA_E_NOMEM;
        array = array_of(table);
    }
    array_place(array, node);
    count_add(table, 1);
    return ANQA_OK;
}

/* A tombstone is only needed in front of something; a run of them that ends at a free slot goes with it. */
static void slot_clear(struct table_array *array, size_t at)
{
    if (slot_load(array, (at + 1) & array->mask) != NULL) {
        slot_store(array, at, TOMBSTONE);
        return;
    }
    do {
        slot_store(array, at, NULL);
        array->used--;
        at = (at - 1) & array->mask;
    } while (slot_load(array, at) == TOMBSTONE);
}

static size_t slot_of_node(const struct table_array *array, const struct table_node *node)
{
    size_t i = node->hash & array->mask;

    while (slot_load(array, i) != node)
        i = (i + 1) & array->mask;
    return i;
}

/* True: the array does not know this twin, or knows the next older one instead. */
static bool twin_remove(struct table_array *array, struct table_node *node)
{
    struct table_twin *twin = (struct table_twin *)(void *)node;
    struct table_twin *older = atomic_load_explicit(&twin->older, memory_order_relaxed);

    if (older != NULL)
        older->younger = twin->younger;
    if (twin->younger != NULL)
        /* pairs with table_next */
        atomic_store_explicit(&twin->younger->older, older, memory_order_release);
    else if (older != NULL)
        slot_store(array, slot_of_node(array, node), &older->node);
    else
        return false;
    return true;
}

void table_remove(struct table *table, struct table_node *node)
{
    struct table_array *array = array_of(table);

    count_add(table, (size_t)-1);
    if (table->twins && twin_remove(array, node))
        return;
    slot_clear(array, slot_of_node(array, node));
}

/* ---------------------------------------------------------------- walking */

struct table_node *table_next(struct table *table, struct table_walk *walk)
{
    struct table_node *node;

    if (walk->array == NULL)
        walk->array = array_of(table);
    if (walk->twin !=
        NULL) /* acquire: pairs with twin_put's release of the slot, and twin_remove */
        walk->twin = atomic_load_explicit(&walk->twin->older, memory_order_acquire);
    if (walk->twin != NULL)
        return &walk->twin->node;
    while (walk->array != NULL && walk->at <= walk->array->mask) {
        node = slot_load(walk->array, walk->at++);
        if (node == NULL || node == TOMBSTONE)
            continue;
        walk->twin = table->twins ? (struct table_twin *)(void *)node : NULL;
        return node;
    }
    return NULL;
}

/* ---------------------------------------------------------------- walking in pages */

static uint64_t reversed(uint64_t bits)
{
    uint64_t out = 0;

    for (unsigned i = 0; i < 64; i++, bits >>= 1)
        out = out << 1 | (bits & 1);
    return out;
}

/* The number behind `bucket` with the bits reversed; 0: it was the last. */
static uint64_t next_bucket(uint64_t bucket, size_t mask)
{
    return reversed(reversed(bucket | ~(uint64_t)mask) + 1);
}

/* Keeps the largest addresses, sorted downwards from `first` on. What is largest tends to come first, as the youngest of
 * a key does, so this seldom moves much. True: one has been left out. */
static bool page_keep(struct table_page *page, size_t first, struct table_node *node)
{
    size_t at = page->count;
    bool full = page->count == page->max;

    while (at > first && (uintptr_t)page->nodes[at - 1] < (uintptr_t)node)
        at--;
    if (at == page->max)
        return true;
    memmove(&page->nodes[at + 1], &page->nodes[at],
        (page->count - at - (full ? 1 : 0)) * sizeof(struct table_node *));
    page->nodes[at] = node;
    page->count += full ? 0 : 1;
    return full;
}

/* Nodes of a slot, twins included, that have not been seen. True: there are more than the page has room for. */
static bool page_bucket(
    const struct table *table, const struct table_array *array, struct table_page *page)
{
    size_t home = page->bucket & array->mask, first = page->count;
    bool more = false;
    struct table_node *node;

    for (size_t i = home; (node = slot_load(array, i)) != NULL; i = (i + 1) & array->mask) {
        struct table_twin *twin = (struct table_twin *)(void *)node;
        if (node == TOMBSTONE || (node->hash & array->mask) != home)
            continue;
        do {
            node = table->twins ? &twin->node : node;
            if (page->after == 0 || (uintptr_t)node < page->after)
                more |= page_keep(page, first, node);
            twin = table->twins /* acquire: pairs with twin_put and twin_remove */
                       ? atomic_load_explicit(&twin->older, memory_order_acquire)
                       : NULL;
        } while (twin != NULL);
    }
    return more;
}

void table_page(struct table *table, struct table_page *page)
{
    const struct table_array *array = array_of(table);
    size_t slots = 4 * page->max + 64;

    page->count = 0;
    page->at_end = array == NULL;
    while (!page->at_end && page->count < page->max && slots-- > 0) {
        if (page_bucket(table, array, page)) {
            page->after = (uintptr_t)page->nodes[page->count - 1];
            return;
        }
        page->after = 0;
        page->bucket = next_bucket(page->bucket, array->mask);
        page->at_end = page->bucket == 0;
    }
}

/* ---------------------------------------------------------------- the tables of a runtime */

/* Owners by address, an array of its own kind: never removed from, copied when it grows. */
struct directory_array {
    struct retired retired;
    size_t mask;
    _Atomic(struct table *) slots[];
};

struct directory {
    anqa_rt *rt;
    pthread_mutex_t lock; /* guards adding tables: array, count */
    _Atomic(struct directory_array *) array;
    size_t count;
};

static size_t owner_hash(const void *owner)
{
    return (size_t)(((uintptr_t)owner * 0x9e3779b97f4a7c15u) >> 32);
}

static struct directory_array *directory_array_new(size_t slots)
{
    struct directory_array *array = calloc(1, sizeof *array + slots * sizeof array->slots[0]);

    if (array != NULL)
        array->mask = slots - 1;
    return array;
}

static bool directory_array_free(struct retired *note)
{
    free(ANQA_CONTAINER_OF(note, struct directory_array, retired));
    return false;
}

static void table_free(struct table *table)
{
    if (table_extra(table) != NULL)
        table->free_extra(table_extra(table));
    pthread_mutex_destroy(&table->lock);
    free(atomic_load_explicit(&table->array, memory_order_relaxed));
    free(table);
}

static void *directory_new(anqa_rt *rt)
{
    struct directory *directory = calloc(1, sizeof *directory);

    if (directory == NULL)
        return NULL;
    directory->rt = rt;
    atomic_init(&directory->array, directory_array_new(DIRECTORY_FIRST));
    if (atomic_load_explicit(&directory->array, memory_order_relaxed) == NULL) {
        free(directory);
        return NULL;
    }
    pthread_mutex_init(&directory->lock, NULL);
    return directory;
}

/* Nodes are gone by now: each belongs to a process, and no process is left. */
static void directory_drop(void *object)
{
    struct directory *directory = object;
    struct directory_array *array = atomic_load_explicit(&directory->array, memory_order_relaxed);

    for (size_t i = 0; i <= array->mask; i++) {
        struct table *table = atomic_load_explicit(&array->slots[i], memory_order_relaxed);
        if (table != NULL)
            table_free(table);
    }
    free(array);
    pthread_mutex_destroy(&directory->lock);
    free(directory);
}

static struct directory *directory_of(anqa_rt *rt)
{
    return rt_local(rt, RT_LOCAL_REGISTRY, directory_new, directory_drop);
}

static struct table *directory_find(struct directory_array *array, const void *owner)
{
    struct table *table;

    for (size_t i = owner_hash(owner) & array->mask;; i = (i + 1) & array->mask) {
        /* pairs with directory_place */
        table = atomic_load_explicit(&array->slots[i], memory_order_acquire);
        if (table == NULL || table->owner == owner)
            return table;
    }
}

static void directory_place(struct directory_array *array, struct table *table)
{
    size_t i = owner_hash(table->owner) & array->mask;

    while (atomic_load_explicit(&array->slots[i], memory_order_relaxed) != NULL)
        i = (i + 1) & array->mask;
    /* pairs with directory_find */
    atomic_store_explicit(&array->slots[i], table, memory_order_release);
}

static bool directory_grow(struct directory *directory)
{
    struct directory_array *old = atomic_load_explicit(&directory->array, memory_order_relaxed),
                           *array;

    if ((directory->count + 1) * 2 <= old->mask + 1)
        return true;
    array = directory_array_new((old->mask + 1) * 2);
    if (array == NULL)
        return false;
    for (size_t i = 0; i <= old->mask; i++) {
        struct table *table = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        if (table != NULL)
            directory_place(array, table);
    }
    /* pairs with table_find */
    atomic_store_explicit(&directory->array, array, memory_order_release);
    old->retired.free_some = directory_array_free;
    qsbr_retire(directory->rt, &old->retired);
    return true;
}

static struct table *directory_add(struct directory *directory, const void *owner, bool twins)
{
    struct table *table = calloc(1, sizeof *table);

    if (table == NULL || !directory_grow(directory)) {
        free(table);
        return NULL;
    }
    table->rt = directory->rt;
    table->owner = owner;
    table->twins = twins;
    table->hash_key = siphash_boot_key();
    pthread_mutex_init(&table->lock, NULL);
    directory_place(atomic_load_explicit(&directory->array, memory_order_relaxed), table);
    directory->count++;
    return table;
}

struct table *table_find(anqa_rt *rt, const void *owner)
{
    struct directory *directory = directory_of(rt);
    struct table *table;

    if (directory == NULL)
        return NULL;
    qsbr_read_begin(rt);
    /* directory_grow */
    table = directory_find(atomic_load_explicit(&directory->array, memory_order_acquire), owner);
    qsbr_read_end(rt);
    return table;
}

anqa_pid table_pid_of(anqa_rt *rt, const void *owner, anqa_str key)
{
    struct directory *directory = directory_of(rt);
    const struct table_node *node = NULL;
    anqa_pid pid = {0};
    struct table *table;

    if (directory == NULL)
        return pid;
    qsbr_read_begin(rt);
    /* directory_grow */
    table = directory_find(atomic_load_explicit(&directory->array, memory_order_acquire), owner);
    if (table != NULL)
        node = get(table, key);
    if (node != NULL)
        pid = table_pid(node);
    qsbr_read_end(rt);
    return pid;
}

struct table *table_of(anqa_rt *rt, const void *owner, bool twins)
{
    struct table *table = table_find(rt, owner);
    struct directory *directory = directory_of(rt);

    if (table != NULL || directory == NULL)
        return table;
    pthread_mutex_lock(&directory->lock);
    table = directory_find(atomic_load_explicit(&directory->array, memory_order_relaxed), owner);
    if (table == NULL)
        table = directory_add(directory, owner, twins);
    pthread_mutex_unlock(&directory->lock);
    return table;
}

size_t table_count(anqa_rt *rt)
{
    struct directory *directory = directory_of(rt);
    size_t count;

    if (directory == NULL)
        return 0;
    pthread_mutex_lock(&directory->lock);
    count = directory->count;
    pthread_mutex_unlock(&directory->lock);
    return count;
}
