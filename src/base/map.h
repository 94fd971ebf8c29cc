/**
 * base/map.h - two hash tables: from a 64-bit number and from a string to a pointer.
 *
 * Open addressing with linear probing in one array of a power of two, at most three quarters full; removing shifts the
 * entries behind back, so that there are no tombstones and a table that lives for weeks does not slow down. Values are
 * never NULL: NULL marks a free slot, and is what a look-up gives for "not there".
 *
 * Keys of `map_u64` are numbers of our own making (pids, references, ids) and are only mixed. Keys of `map_str` may come
 * from outside: they are hashed with SipHash and the key of this boot. `map_str` borrows the key: the caller keeps the
 * bytes unchanged while the entry is in, as a rule inside the value. Replacing a value replaces the key too.
 *
 * A table grows by doubling and never shrinks by itself. Growing may fail; then the table is as it was.
 *
 * Owner: whoever made it; no locks. A zeroed struct is an empty table.
 */
#ifndef ANQA_BASE_MAP_H
#define ANQA_BASE_MAP_H

#include <anqa/base.h>

struct map_u64_slot;
struct map_str_slot;

struct map_u64 {
    struct map_u64_slot *slots;
    size_t count;
    size_t mask; /* slots - 1; 0: no slots yet */
};

struct map_str {
    struct map_str_slot *slots;
    size_t count;
    size_t mask;
};

/** A walk over all entries, in no order. Starts zeroed. The entry just given may be removed; nothing may be put in. */
struct map_iter {
    size_t at;   /* slot looked at last */
    size_t left; /* slots to look at, plus one; 0: not started */
};

/** An empty table. `expected` entries will fit without growing; 0 takes no memory. Fails: E_NOMEM. */
anqa_status map_u64_init(struct map_u64 *map, size_t expected) ANQA_MUST_CHECK;
anqa_status map_str_init(struct map_str *map, size_t expected) ANQA_MUST_CHECK;

/** Gives the table's memory back, not the values'. It is empty then and may be used again. */
void map_u64_done(struct map_u64 *map);
void map_str_done(struct map_str *map);

/** The value, or NULL. */
void *map_u64_get(const struct map_u64 *map, uint64_t key);
void *map_str_get(const struct map_str *map, anqa_str key);

/**
 * Puts an entry in, or another value (not NULL) in its place.
 * ret_old: may be NULL; the value that was there, or NULL.   Fails: E_NOMEM; E_LIMIT for a key of 4 GB.
 */
anqa_status map_u64_put(
    struct map_u64 *map, uint64_t key, void *value, void **ret_old) ANQA_MUST_CHECK;
anqa_status map_str_put(
    struct map_str *map, anqa_str key, void *value, void **ret_old) ANQA_MUST_CHECK;

/** Takes an entry out and returns its value, or NULL if there was none. Never fails. */
void *map_u64_remove(struct map_u64 *map, uint64_t key);
void *map_str_remove(struct map_str *map, anqa_str key);

/** The next entry of a walk; false at the end. */
bool map_u64_next(
    const struct map_u64 *map, struct map_iter *iter, uint64_t *ret_key, void **ret_value);
bool map_str_next(
    const struct map_str *map, struct map_iter *iter, anqa_str *ret_key, void **ret_value);

#endif
