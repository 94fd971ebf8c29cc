/*
 * Shared tables, as the files that read, write, walk and hand them on see them.
 *
 * A runtime has a directory of tables, found by the place that is part of the handle. Every public function opens a table,
 * which begins a quiescent-state section, and closes it; in between it must neither wait nor run code of the caller's, and
 * touches the caller's memory only without the lock, as that may fault.
 *
 * Writers hold the lock of the table, except for a change of a row in place, for which the row is locked. Where several rows
 * are to change at once for everybody, `batch` is odd meanwhile: who reads or changes a row looks at it before and after.
 */
#ifndef OTP_SHARED_TABLE_H
#define OTP_SHARED_TABLE_H

/* IWYU pragma: begin_exports */
#include <pthread.h>

#include "otp/shared_rows.h"
/* IWYU pragma: end_exports */

#define SHARED_NAME_MAX 255u

/* Rows that were taken out, until nobody can see them. One load at a time is under way. */
enum { LIMBO_IDLE, LIMBO_BUSY, LIMBO_ORPHAN };
struct limbo {
    struct retired retired;
    struct row *rows; /* of whoever frees them */
    _Atomic(int) state;
};

struct shared {
    struct retired retired;
    anqa_rt *rt;
    uint64_t bits; /* the handle */
    anqa_table_type type;
    anqa_table_access access;
    bool named;
    uint32_t row_size;
    uint64_t max_rows, max_bytes;
    _Atomic(uint64_t) owner;     /* written under the lock */
    _Atomic(uint64_t) batch;     /* odd: several rows are being written; under the lock */
    _Atomic(struct rows *) rows; /* replaced under the lock */
    pthread_mutex_t lock;        /* guards writing to rows, and all below */
    struct row *dead;
    size_t dead_count;
    struct limbo *limbo; /* NULL: it has gone its own way */
    bool ended;
    char name[SHARED_NAME_MAX + 1];
    struct table_node *name_node; /* NULL: not named */
    struct exit_hook hook;        /* of the owner, unless there is a keeper */
    anqa_pid keeper; /* ends the table with the owner, who is not the one who made it */
    anqa_pid heir;
    char *heir_data;
    size_t heir_data_len;
};

/* What the caller wants to do with a table. */
enum shared_use { SHARED_LOOK, SHARED_READ, SHARED_WRITE, SHARED_OWN };

/* Fails: E_CLOSED, E_PERMISSION. */
anqa_status shared_open(anqa_table table, enum shared_use use, struct shared **ret_shared);
/* The same, and the place of a key in it. */
anqa_status shared_open_at(anqa_table table, enum shared_use use, anqa_key key,
    struct shared **ret_shared, struct rows_at *ret_at);
void shared_close(struct shared *shared);
/* The same in a runtime that is not the caller's, or when he is not to be asked. NULL: not there. */
struct shared *shared_open_in(anqa_rt *rt, anqa_table table);

void shared_lock(struct shared *shared);
void shared_unlock(struct shared *shared);

static inline bool shared_is_ordered(const struct shared *shared)
{
    return shared->type == ANQA_TABLE_ORDERED_SET;
}

/* One row a key. */
static inline bool shared_is_unique(const struct shared *shared)
{
    return shared->type == ANQA_TABLE_SET || shared->type == ANQA_TABLE_ORDERED_SET;
}

static inline struct rows *shared_rows(struct shared *shared)
{
    return atomic_load_explicit(&shared->rows, memory_order_acquire); /* pairs with their stores */
}

/* Takes the table away from everybody. Not under the lock; once. */
void shared_end(struct shared *shared);
/* The process that `keeper` (nobody: the one who made the table) kept it for is gone. */
void shared_owner_gone(struct shared *shared, anqa_pid owner, anqa_pid keeper);
void shared_hook_run(struct exit_hook *hook, anqa_pid pid);

/* What is read between the two was there at one moment if `end` is true. */
uint64_t shared_batch_begin(struct shared *shared);
bool shared_batch_end(struct shared *shared, uint64_t batch);

/* Under the lock: take a row out, and put one in. */
void shared_remove(struct shared *shared, struct rows *rows, struct row *row);
void shared_put(struct shared *shared, struct rows *rows, struct row *row);

/* Under the lock. Takes a row out if it is as somebody has seen it. */
bool shared_remove_seen(
    struct shared *shared, struct rows *rows, struct row *row, uint64_t seq, uint32_t version);

/* Copies of a row and its key in the memory of the event. Opened. */
anqa_str shared_row_copy(const struct row *row);
anqa_key shared_key_copy(anqa_key key);

/* Entries that are given to the caller, in the memory of the event. */
struct shared_list {
    anqa_table_entry *at;
    size_t count, capacity;
};
void shared_list_add(struct shared_list *list, anqa_table_entry entry);

#endif
