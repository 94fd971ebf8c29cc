/*
 * The rows of a shared table: one linked list in the order of (order, key, seq), which is read without locks.
 *
 * `order` stands for the key. In an ordered table it grows with the key, and towers of pointers (a skip list) find the
 * place of a key. In all others it is the hash with its bits reversed, and buckets find the place: a bucket is a link in the
 * list itself, in front of all rows whose hash ends in its number (a split-ordered list). One bucket more therefore
 * moves no row; a table has as many as rows, and takes on or drops one at a time.
 *
 *     first[0] -> row -> row -> bucket 2 -> row -> bucket 1 -> row -> row -> bucket 3 -> NULL
 *
 * As a place in that list is known by the key, a walk goes on behind a key whether its row is still there or not.
 *
 * Writers hold the table's lock. Readers are in a quiescent-state section (runtime/hooks.h). What a row holds may
 * be changed in place, by whoever has locked the row: its version is odd then, and readers copy again when it has changed.
 * A row that was taken out says so in its version, so that nobody changes it any more; its bytes stay readable.
 */
#ifndef OTP_SHARED_ROWS_H
#define OTP_SHARED_ROWS_H

/* IWYU pragma: begin_exports */
#include <assert.h>
#include <stdatomic.h>

#include <anqa/table.h>

#include "runtime/hooks.h"
/* IWYU pragma: end_exports */

#define ROWS_BUCKETS_FIRST 16u
#define ROWS_SEGMENTS 24u /* beyond the first buckets; segment i has ROWS_BUCKETS_FIRST << i */
#define ROWS_LEVELS 12u
#define ROWS_PER_PART 4096u /* freed in one turn */

struct link {
    _Atomic(struct link *) next; /* shared */
    uint64_t order;              /* a bucket's is even, a row's in a table with buckets odd */
};

#define ROW_BUSY 1u
#define ROW_DEAD 2u
#define ROW_STEP 4u

/*
 * What a look-up reads lies together, so that most rows cost it one cache line or two:
 *
 *     seq, dead | link, version, lengths | tower | key, padded to words | words of the row
 */
struct row {
    uint64_t seq;     /* the order of rows with the same key */
    struct row *dead; /* the next one of those that were taken out */
    struct link link;
    _Atomic(uint32_t) version;
    uint32_t len;
    uint16_t key_len;
    uint8_t key_kind, height;
    _Atomic(struct row *) up[]; /* levels from 1: height - 1 of them */
};

static_assert(sizeof(struct row) == 48, "budget of a row");

/* A place in the list; rows of tables with unique keys are not told apart by seq. */
struct rows_at {
    uint64_t order, seq;
    anqa_key key;
};

struct rows_segment {
    struct retired retired;
    struct link links[];
};

struct rows {
    struct retired retired;
    bool ordered, unique;
    uint64_t seq;                                           /* the last one; under the lock */
    _Atomic(uint64_t) random;                               /* relaxed */
    _Atomic(size_t) count, bytes;                           /* written under the lock */
    _Atomic(size_t) buckets;                                /* in the list */
    _Atomic(struct rows_segment *) segments[ROWS_SEGMENTS]; /* NULL: none of its buckets is */
    _Atomic(struct row *) up[ROWS_LEVELS - 1];
    struct link first[ROWS_BUCKETS_FIRST]; /* first[0] is the head of the list */
};

/* NULL: no memory. */
struct rows *rows_new(bool ordered, bool unique);
/* Frees all rows and buckets, and itself; of what readers may see, in parts. */
void rows_retire(anqa_rt *rt, struct rows *rows);
void rows_free(struct rows *rows);

/* The place in front of the first row of a key. Fails: E_INVALID (NaN), E_RANGE (too long). */
anqa_status rows_at_key(bool ordered, anqa_key key, struct rows_at *ret_at);

/* How two places in an ordered table compare by their keys. */
int rows_at_compare(const struct rows_at *a, const struct rows_at *b);

/* A row that is in no table yet. NULL: no memory. */
struct row *row_new(struct rows *rows, const struct rows_at *at, anqa_str bytes);

size_t row_size(const struct row *row);

/* Where its key lies. */
static inline const char *row_key_bytes(const struct row *row)
{
    return (const char *)row + sizeof *row + ((size_t)row->height - 1) * sizeof row->up[0];
}

/* Where its words lie. */
static inline _Atomic(uint64_t) *row_words(const struct row *row)
{
    size_t key = row->key_kind == ANQA_KEY_STR ? (row->key_len + (size_t)7) / 8 : 1;

    return (_Atomic(uint64_t) *)(void *)(uintptr_t)row_key_bytes(row) + key;
}

static inline anqa_key row_key(const struct row *row)
{
    const char *bytes = row_key_bytes(row);

    if (row->key_kind == ANQA_KEY_STR)
        return anqa_key_str(anqa_str_make(bytes, row->key_len));
    if (row->key_kind == ANQA_KEY_INT)
        return anqa_key_int(*(const int64_t *)(const void *)bytes);
    return anqa_key_double(*(const double *)(const void *)bytes);
}

struct rows_at row_at(const struct row *row);
bool row_has_key(const struct rows *rows, const struct row *row, const struct rows_at *at);

/* The first row of the key, or NULL. */
struct row *rows_find(struct rows *rows, const struct rows_at *at);
/* The first row that does not lie before the place; NULL for it: the first of all. */
struct row *rows_from(struct rows *rows, const struct rows_at *at);
/* The last row that lies before the place; NULL for it: the last of all. Ordered tables. */
struct row *rows_before(struct rows *rows, const struct rows_at *at);
/* The next one in the list. */
struct row *rows_next(struct rows *rows, const struct row *row);
/* The next one with the same key. */
struct row *rows_next_same(struct rows *rows, const struct row *row);

/* Under the lock. Puts a row in; gives the one that it has replaced, if there was one. */
struct row *rows_put(struct rows *rows, struct row *row);
/* Under the lock. */
void rows_remove(anqa_rt *rt, struct rows *rows, struct row *row);

/* Copies `size` bytes from offset `at` on, as they were together at some moment; gives the version of that. */
uint32_t row_read(const struct row *row, size_t at, void *ret_bytes, size_t size);
bool row_equals(const struct row *row, anqa_str bytes);

/* Keeps others from changing the row. False: it was taken out. */
bool row_lock(struct row *row);
void row_unlock(struct row *row);
/* Instead of unlocking. */
void row_bury(struct row *row);
/* Locked. */
void row_write(struct row *row, size_t at, const void *bytes, size_t size);
uint64_t row_word(const struct row *row, size_t index);
void row_set_word(struct row *row, size_t index, uint64_t word);

#endif
