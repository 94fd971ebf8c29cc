/*
 * A hash table from strings to processes that is read without locks: what registries and the keys of dynamic
 * supervisors are made of.
 *
 * Open addressing over an array of atomic pointers. Readers probe from the hash until they meet NULL; a removed node
 * leaves a tombstone, so that probes of others are not cut, unless the next slot is free anyway. Writers hold the
 * table's lock. A table that fills up is replaced by a larger copy; arrays and nodes that were taken out are freed when
 * no reader can be inside (QSBR, runtime/hooks.h). So a reader may use a node between table_read_begin and
 * table_read_end, and must not wait there.
 *
 * Nodes with the same key form a chain, in tables of duplicate keys: only the youngest is in the array.
 *
 * A runtime has one table per owner, which is an address that tells: that of a registry, of a dynamic supervisor. It is
 * made by the first who asks and lives as long as the runtime.
 */
#ifndef OTP_TABLE_H
#define OTP_TABLE_H

/* IWYU pragma: begin_exports */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include <anqa/process.h>

#include "runtime/hooks.h"
/* IWYU pragma: end_exports */

#define TABLE_KEY_MAX UINT16_MAX

/* The common part of what a table holds; the key's bytes lie in the same block. shared: atomics, the rest constant. */
struct table_node {
    _Atomic(uint64_t) pid; /* 0: nobody for the moment */
    uint32_t hash;
    uint16_t key_len;
    uint16_t key_at; /* offset of the key from here */
};

static_assert(sizeof(struct table_node) == 16, "budget of a supervised, registered process");

/* A node that can be one of many of a key. */
struct table_twin {
    struct table_node node;
    _Atomic(struct table_twin *) older; /* the next one of the same key */
    struct table_twin *younger;         /* writers only */
};

struct siphash_key;

struct table_array {
    struct retired retired;
    size_t mask;
    size_t used; /* nodes and tombstones; under the lock */
    _Atomic(struct table_node *) slots[];
};

struct table {
    anqa_rt *rt;
    const void *owner;
    const struct siphash_key *hash_key;
    bool twins; /* nodes are table_twin, keys may repeat */
    /* guards all writing to this table: array, slots, chains, counts, and what its users say */
    pthread_mutex_t lock;
    _Atomic(struct table_array *) array;
    _Atomic(size_t) count;
    _Atomic(void *) extra; /* of the owner; dropped with the table by free_extra */
    void (*free_extra)(void *extra);
};

/* The table of an owner, made when there is none. NULL: no memory. Any thread. */
struct table *table_of(anqa_rt *rt, const void *owner, bool twins);
/* The same, but NULL when there is none yet. */
struct table *table_find(anqa_rt *rt, const void *owner);

/* How many tables there are. */
size_t table_count(anqa_rt *rt);

/* Hash of a key, as nodes of any table hold it. */
uint32_t table_hash(anqa_str key);

static inline anqa_str table_key(const struct table_node *node)
{
    return anqa_str_make((const char *)node + node->key_at, node->key_len);
}

static inline anqa_pid table_pid(const struct table_node *node)
{
    /* acquire: what the process wrote before it was entered. Pairs with table_node_init and the supervisors' stores. */
    anqa_pid pid = {
        atomic_load_explicit(&((struct table_node *)(uintptr_t)node)->pid, memory_order_acquire)};
    return pid;
}

/* Fills a node whose block has the key's bytes at `key_at`. */
void table_node_init(struct table_node *node, anqa_pid pid, anqa_str key, size_t key_at);

static inline void table_read_begin(struct table *table)
{
    qsbr_read_begin(table->rt);
}

static inline void table_read_end(struct table *table)
{
    qsbr_read_end(table->rt);
}

/* The node of a key (of twins the youngest), or NULL. Between read_begin and read_end, or under the lock. */
struct table_node *table_get(struct table *table, anqa_str key);

/* The process of a key (of twins the youngest's), or nobody: not there, or dead. `table` may be NULL. Process. */
anqa_pid table_whereis(struct table *table, anqa_str key);

/* What the owner has put there; NULL: nothing. Between read_begin and read_end, or under the lock. */
static inline void *table_extra(const struct table *table)
{
    /* pairs with table_set_extra */
    return atomic_load_explicit(&((struct table *)(uintptr_t)table)->extra, memory_order_acquire);
}

/* Under the lock. Returns what was there before: the caller's, who retires it. */
void *table_set_extra(struct table *table, void *extra, void (*free_extra)(void *extra));
/* The pid of a key (of twins the youngest's) in the table of an owner, or nobody. It may have died just now: this is for
 * entries that an exit hook of their process removes, so that a look before that finds the same. Any thread. */
anqa_pid table_pid_of(anqa_rt *rt, const void *owner, anqa_str key);

void table_lock(struct table *table);
void table_unlock(struct table *table);
/* All below: under the lock. Puts a node in; the caller has seen that a unique key is free. Fails: E_NOMEM. */
anqa_status table_put(struct table *table, struct table_node *node);
/* Takes a node out. Its block is the caller's, who retires it. */
void table_remove(struct table *table, struct table_node *node);
/* Ends a block when no reader can see it any more: `free_block` is given the note, which lies in the block where no reader
 * looks, and returns false. Needs no memory and waits for nobody. Also without the lock. */
static inline void table_retire_noted(
    struct table *table, struct retired *note, bool (*free_block)(struct retired *note))
{
    note->free_some = free_block;
    qsbr_retire(table->rt, note);
}

/* A walk over all nodes, twins included. Between read_begin and read_end. Starts zeroed. */
struct table_walk {
    struct table_array *array;
    size_t at;
    struct table_twin *twin;
};
struct table_node *table_next(struct table *table, struct table_walk *walk);

/*
 * A walk in pages, between which the table may change and grow. Nodes are visited by the slot their hash leads to, and the
 * slots in the order of their numbers with the bits reversed: however often the table doubles, what a slot held is in
 * slots that are all before the cursor, or all behind it. Within a slot nodes are visited by address, the largest first:
 * a node keeps its address. So a node that stays is seen at least once, and twice only if the table is resized meanwhile.
 */
struct table_page {
    uint64_t bucket; /* cursor: the slot */
    uint64_t after;  /* cursor: address of the last node seen in it; 0: none */
    bool at_end;
    size_t max; /* nodes of a page */
    struct table_node **nodes;
    size_t count;
};
/* The next page: at most `max` nodes, and not many more slots. Fewer or none do not mean the end. As table_next. */
void table_page(struct table *table, struct table_page *page);

#endif
