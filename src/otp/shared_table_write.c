/* Shared tables: what puts rows in, changes them and takes them out. See shared_table.h. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/memory.h>

#include "otp/shared_table.h"
#include "runtime/proc.h"

#define IN_PLACE_MAX 4096u /* longer rows are replaced: readers would have to copy them too often */

/* ---------------------------------------------------------------- changing a row in place */

typedef anqa_status row_change(struct row *row, const void *arg);

/* Changes the row of a key, or says that there is none. */
static anqa_status change(
    struct shared *shared, const struct rows_at *at, row_change *fn, const void *arg)
{
    for (;;) {
        uint64_t batch = shared_batch_begin(shared);
        struct row *row = rows_find(shared_rows(shared), at);
        anqa_status status;

        if (row == NULL && shared_batch_end(shared, batch))
            return ANQA_E_NOT_FOUND;
        if (row == NULL || !row_lock(row))
            continue;
        if (!shared_batch_end(shared, batch)) {
            row_unlock(row);
            continue;
        }
        status = fn(row, arg);
        row_unlock(row);
        return status;
    }
}

static anqa_status row_overwrite(struct row *row, const void *arg)
{
    const anqa_table_entry *entry = arg;

    /* In an ordered table 1 and 1.0 are one key, but the row is to have the one it was put in with. */
    if (row->key_kind != entry->key.kind)
        return ANQA_E_UNSUPPORTED;
    row_write(row, 0, entry->row.ptr, entry->row.len);
    return ANQA_OK;
}

/* False: that cannot be done in place. */
static bool overwrite(
    struct shared *shared, const struct rows_at *at, const anqa_table_entry *entry)
{
    if (!shared_is_unique(shared) || entry->row.len > IN_PLACE_MAX)
        return false;
    return change(shared, at, row_overwrite, entry) == ANQA_OK;
}

/* ---------------------------------------------------------------- rows that are to be put in */

struct load {
    struct rows *rows; /* whose shape they have */
    struct row **row;
    size_t count, next; /* those from `next` on are ours to free */
    struct row *one;
};

static void load_free(struct load *load)
{
    for (size_t i = load->next; i < load->count; i++)
        free(load->row[i]);
    if (load->row != &load->one)
        free(load->row);
}

static anqa_status row_make(
    struct shared *shared, struct rows *rows, const anqa_table_entry *entry, struct row **ret_row)
{
    struct rows_at at;
    anqa_status status;

    if (shared->row_size != 0 && entry->row.len != shared->row_size)
        return ANQA_E_TYPE;
    if (entry->row.len > ANQA_TABLE_ROW_MAX)
        return ANQA_E_RANGE;
    status = rows_at_key(rows->ordered, entry->key, &at);
    if (status != ANQA_OK)
        return status;
    *ret_row = row_new(rows, &at, entry->row);
    return *ret_row == NULL ? ANQA_E_NOMEM : ANQA_OK;
}

/* Wild pointers fault here, before there is something that would be lost. */
static void probe(const anqa_table_entry *entries, size_t count)
{
    msg_probe(entries, count * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        msg_probe(entries[i].row.ptr, entries[i].row.len);
        if (entries[i].key.kind == ANQA_KEY_STR)
            msg_probe(entries[i].key.u.str.ptr, entries[i].key.u.str.len);
    }
}

/* The caller's memory is read here, and nowhere later. */
static anqa_status load_make(
    struct shared *shared, const anqa_table_entry *entries, size_t count, struct load *ret_load)
{
    anqa_status status = ANQA_OK;

    probe(entries, count);
    *ret_load = (struct load){.rows = shared_rows(shared), .row = &ret_load->one};
    if (count > 1)
        ret_load->row = calloc(count, sizeof(struct row *));
    if (ret_load->row == NULL)
        return ANQA_E_NOMEM;
    while (status == ANQA_OK && ret_load->count < count) {
        status = row_make(
            shared, ret_load->rows, &entries[ret_load->count], &ret_load->row[ret_load->count]);
        ret_load->count += status == ANQA_OK;
    }
    if (status != ANQA_OK)
        load_free(ret_load);
    return status;
}

static struct row *find_same_key(struct rows *rows, const struct row *row)
{
    struct rows_at at = row_at(row);

    at.seq = 0;
    return rows_find(rows, &at);
}

/* Whether a key that has a row already gets this one, and one that has none. */
enum put_where { PUT_ANYWHERE, PUT_NEW, PUT_IN_PLACE };

/* Under the lock. Whether the table would still be within its limits. */
static anqa_status check_load(
    struct shared *shared, struct rows *rows, const struct load *load, enum put_where where)
{
    uint64_t count = atomic_load_explicit(&rows->count, memory_order_relaxed),
             bytes = sizeof *shared + atomic_load_explicit(&rows->bytes, memory_order_relaxed);

    if (where == PUT_ANYWHERE && shared->max_rows == 0 && shared->max_bytes == 0)
        return ANQA_OK;
    for (size_t i = 0; i < load->count; i++) {
        const struct row *old = find_same_key(rows, load->row[i]);
        if (old != NULL && where == PUT_NEW)
            return ANQA_E_EXISTS;
        if (old == NULL && where == PUT_IN_PLACE)
            return ANQA_E_NOT_FOUND;
        count++;
        bytes += row_size(load->row[i]);
        if (old == NULL || !rows->unique)
            continue;
        count--;
        bytes -= row_size(old);
    }
    if (shared->max_rows != 0 && count > shared->max_rows)
        return ANQA_E_LIMIT;
    return shared->max_bytes != 0 && bytes > shared->max_bytes ? ANQA_E_LIMIT : ANQA_OK;
}

static bool row_is_same(const struct row *a, const struct row *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i * 8 < a->len; i++)
        if (row_word(a, i) != row_word(b, i))
            return false;
    return true;
}

static bool bag_has(struct rows *rows, const struct row *row)
{
    struct row *old = find_same_key(rows, row);

    while (old != NULL && !row_is_same(old, row))
        old = rows_next_same(rows, old);
    return old != NULL;
}

/* Under the lock. */
static void put(struct shared *shared, struct rows *rows, struct row *row)
{
    if (shared->type == ANQA_TABLE_BAG && bag_has(rows, row)) {
        free(row);
        return;
    }
    shared_put(shared, rows, row);
}

/* Under the lock. Readers keep away from an odd one. */
static void batch_step(struct shared *shared)
{
    atomic_fetch_add_explicit(&shared->batch, 1, memory_order_acq_rel); /* shared_batch_begin */
}

/* Under the lock. */
static anqa_status put_load(struct shared *shared, struct load *load, enum put_where where)
{
    struct rows *rows = shared_rows(shared);
    anqa_status status = check_load(shared, rows, load, where);
    bool at_once = load->count > 1;

    if (status != ANQA_OK)
        return status;
    if (at_once)
        batch_step(shared);
    while (load->next < load->count)
        put(shared, rows, load->row[load->next++]);
    if (at_once)
        batch_step(shared);
    return ANQA_OK;
}

static anqa_status insert_opened(
    struct shared *shared, const anqa_table_entry *entries, size_t count, enum put_where where)
{
    struct load load;
    anqa_status status = load_make(shared, entries, count, &load);

    if (status != ANQA_OK)
        return status;
    shared_lock(shared);
    status = put_load(shared, &load, where);
    shared_unlock(shared);
    load_free(&load);
    return status;
}

/* ---------------------------------------------------------------- insert */

static anqa_status insert_all(
    anqa_table table, const anqa_table_entry *entries, size_t count, enum put_where where)
{
    struct shared *shared;
    anqa_status status = shared_open(table, SHARED_WRITE, &shared);

    if (status != ANQA_OK)
        return status;
    status = where == PUT_IN_PLACE && !shared_is_unique(shared)
                 ? ANQA_E_UNSUPPORTED
                 : insert_opened(shared, entries, count, where);
    shared_close(shared);
    return status;
}

anqa_status anqa_table_insert_all(anqa_table table, const anqa_table_entry *entries, size_t count)
{
    return insert_all(table, entries, count, PUT_ANYWHERE);
}

anqa_status anqa_table_insert_all_new(
    anqa_table table, const anqa_table_entry *entries, size_t count)
{
    return insert_all(table, entries, count, PUT_NEW);
}

static anqa_status insert_one(
    struct shared *shared, const anqa_table_entry *entry, enum put_where where)
{
    struct rows_at at;
    anqa_status status = rows_at_key(shared_is_ordered(shared), entry->key, &at);

    if (status != ANQA_OK)
        return status;
    msg_probe(entry->row.ptr, entry->row.len);
    if (where == PUT_ANYWHERE && overwrite(shared, &at, entry))
        return ANQA_OK;
    return insert_opened(shared, entry, 1, where);
}

anqa_status anqa_table_insert_bytes(anqa_table table, anqa_key key, anqa_str row)
{
    return insert_all(table, &(anqa_table_entry){key, row}, 1, PUT_ANYWHERE);
}

anqa_status anqa_table_replace_bytes(anqa_table table, anqa_key key, anqa_str row)
{
    return insert_all(table, &(anqa_table_entry){key, row}, 1, PUT_IN_PLACE);
}

/* The entry of a struct. Fails: E_TYPE. */
static anqa_status entry_of(
    struct shared *shared, anqa_key key, const void *row, anqa_table_entry *ret_entry)
{
    if (shared->row_size == 0)
        return ANQA_E_TYPE;
    *ret_entry = (anqa_table_entry){key, anqa_str_make(row, shared->row_size)};
    return ANQA_OK;
}

static anqa_status insert_struct(
    anqa_table table, anqa_key key, const void *row, enum put_where where)
{
    anqa_table_entry entry;
    struct shared *shared;
    anqa_status status = shared_open(table, SHARED_WRITE, &shared);

    if (status != ANQA_OK)
        return status;
    status = entry_of(shared, key, row, &entry);
    if (status == ANQA_OK)
        status = insert_one(shared, &entry, where);
    shared_close(shared);
    return status;
}

anqa_status anqa_table_insert(anqa_table table, anqa_key key, const void *row)
{
    return insert_struct(table, key, row, PUT_ANYWHERE);
}

anqa_status anqa_table_insert_new(anqa_table table, anqa_key key, const void *row)
{
    return insert_struct(table, key, row, PUT_NEW);
}

/* ---------------------------------------------------------------- delete */

/* Under the lock. Takes out all rows of a key, at once if they are several; with `equal` those that are. */
static void remove_key(struct shared *shared, const struct rows_at *at, const anqa_str *equal)
{
    struct rows *rows = shared_rows(shared);
    struct row *row = rows_find(rows, at);
    bool at_once = row != NULL && rows_next_same(rows, row) != NULL;

    if (at_once)
        batch_step(shared);
    while (row != NULL) {
        struct row *next = rows_next_same(rows, row);
        if (equal == NULL || row_equals(row, *equal))
            shared_remove(shared, rows, row);
        row = next;
    }
    if (at_once)
        batch_step(shared);
}

static anqa_status delete_key(anqa_table table, anqa_key key, const anqa_str *equal)
{
    struct shared *shared;
    struct rows_at at;
    anqa_status status = shared_open_at(table, SHARED_WRITE, key, &shared, &at);

    if (status != ANQA_OK)
        return status;
    shared_lock(shared);
    remove_key(shared, &at, equal);
    shared_unlock(shared);
    shared_close(shared);
    return ANQA_OK;
}

anqa_status anqa_table_delete(anqa_table table, anqa_key key)
{
    return delete_key(table, key, NULL);
}

anqa_status anqa_table_delete_object(anqa_table table, anqa_key key, anqa_str row)
{
    msg_probe(row.ptr, row.len);
    return delete_key(table, key, &row);
}

anqa_status anqa_table_delete_all_objects(anqa_table table)
{
    struct shared *shared;
    struct rows *rows, *old;
    anqa_status status = shared_open(table, SHARED_WRITE, &shared);

    if (status != ANQA_OK)
        return status;
    rows = rows_new(shared_is_ordered(shared), shared_is_unique(shared));
    if (rows == NULL) {
        shared_close(shared);
        return ANQA_E_NOMEM;
    }
    shared_lock(shared);
    old = shared_rows(shared);
    rows->seq = old->seq;                                             /* cursors stay right */
    atomic_store_explicit(&shared->rows, rows, memory_order_release); /* shared_rows */
    shared_unlock(shared);
    rows_retire(shared->rt, old);
    shared_close(shared);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- take */

/* Under the lock. */
static struct row *remove_one(struct shared *shared, const struct rows_at *at)
{
    struct rows *rows = shared_rows(shared);
    struct row *row = rows_find(rows, at);

    if (row != NULL)
        shared_remove(shared, rows, row);
    return row;
}

/* What is taken out stays readable until the table is closed. */
static anqa_status take_opened(struct shared *shared, const struct rows_at *at, void *ret_row)
{
    struct row *row;

    if (!shared_is_unique(shared))
        return ANQA_E_UNSUPPORTED;
    if (shared->row_size == 0)
        return ANQA_E_TYPE;
    shared_lock(shared);
    row = remove_one(shared, at);
    shared_unlock(shared);
    if (row == NULL)
        return ANQA_E_NOT_FOUND;
    (void)row_read(row, 0, ret_row, row->len);
    return ANQA_OK;
}

anqa_status anqa_table_take(anqa_table table, anqa_key key, void *ret_row)
{
    struct shared *shared;
    struct rows_at at;
    anqa_status status = shared_open_at(table, SHARED_WRITE, key, &shared, &at);

    if (status != ANQA_OK)
        return status;
    status = take_opened(shared, &at, ret_row);
    shared_close(shared);
    return status;
}

/* Under the lock: how many rows the key has. */
static size_t count_key(struct rows *rows, const struct rows_at *at)
{
    size_t count = 0;

    for (struct row *row = rows_find(rows, at); row != NULL; row = rows_next_same(rows, row))
        count++;
    return count;
}

/* Under the lock, with room for all of them. */
static void remove_all(struct shared *shared, const struct rows_at *at, struct row **ret_rows)
{
    struct rows *rows = shared_rows(shared);

    for (struct row *row = rows_find(rows, at); row != NULL; row = rows_next_same(rows, row))
        *ret_rows++ = row;
    remove_key(shared, at, NULL);
}

/* Room for the rows is made without the lock, so the rows may have become more meanwhile. */
static struct row **take_rows(struct shared *shared, const struct rows_at *at, size_t *ret_count)
{
    struct row **rows = NULL;
    size_t room = 0, count;

    for (;;) {
        shared_lock(shared);
        count = count_key(shared_rows(shared), at);
        if (count <= room)
            break;
        shared_unlock(shared);
        room = count;
        rows = anqa_arena_calloc(anqa_tmp(), room, sizeof *rows);
    }
    if (count > 0)
        remove_all(shared, at, rows);
    shared_unlock(shared);
    *ret_count = count;
    return rows;
}

anqa_status anqa_table_take_all(
    anqa_table table, anqa_key key, anqa_table_entry **ret_entries, size_t *ret_count)
{
    struct shared *shared;
    struct rows_at at;
    struct row **rows;
    anqa_table_entry *entries;
    size_t count;
    anqa_status status = shared_open_at(table, SHARED_WRITE, key, &shared, &at);

    if (status != ANQA_OK)
        return status;
    rows = take_rows(shared, &at, &count);
    entries = anqa_arena_calloc(anqa_tmp(), count, sizeof *entries);
    for (size_t i = 0; i < count; i++)
        entries[i] =
            (anqa_table_entry){shared_key_copy(row_key(rows[i])), shared_row_copy(rows[i])};
    shared_close(shared);
    *ret_entries = entries;
    *ret_count = count;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- update */

struct element {
    size_t at, size;
    const void *bytes;
};

static anqa_status element_set(struct row *row, const void *arg)
{
    const struct element *element = arg;

    if (element->at > row->len || element->size > row->len - element->at)
        return ANQA_E_RANGE;
    row_write(row, element->at, element->bytes, element->size);
    return ANQA_OK;
}

anqa_status anqa_table_update_element(
    anqa_table table, anqa_key key, size_t at, const void *bytes, size_t size)
{
    const struct element element = {at, size, bytes};
    struct shared *shared;
    struct rows_at place;
    anqa_status status = shared_open_at(table, SHARED_WRITE, key, &shared, &place);

    if (status != ANQA_OK)
        return status;
    msg_probe(bytes, size);
    status = shared_is_unique(shared) ? change(shared, &place, element_set, &element)
                                      : ANQA_E_UNSUPPORTED;
    shared_close(shared);
    return status;
}

/* ---------------------------------------------------------------- counters */

struct steps {
    const anqa_table_counter *counters;
    size_t count;
    int64_t *values; /* of each step, as many */
};

/* What a step starts from: the result of the last one on the same place, or what the row has. */
static int64_t step_base(const struct row *row, const struct steps *steps, size_t i)
{
    for (size_t j = i; j-- > 0;)
        if (steps->counters[j].at == steps->counters[i].at)
            return steps->values[j];
    return (int64_t)row_word(row, steps->counters[i].at / 8);
}

static anqa_status step(const struct row *row, const struct steps *steps, size_t i)
{
    const anqa_table_counter *counter = &steps->counters[i];
    int64_t sum;

    if (counter->at % 8 != 0 || row->len < 8 || counter->at > row->len - 8)
        return ANQA_E_RANGE;
    if (__builtin_add_overflow(step_base(row, steps, i), counter->add, &sum))
        return ANQA_E_RANGE;
    if (counter->wraps && (counter->add < 0 ? sum < counter->threshold : sum > counter->threshold))
        sum = counter->set_to;
    steps->values[i] = sum;
    return ANQA_OK;
}

/* Nothing is written before all of it can be. */
static anqa_status steps_do(struct row *row, const void *arg)
{
    const struct steps *steps = arg;

    for (size_t i = 0; i < steps->count; i++) {
        anqa_status status = step(row, steps, i);
        if (status != ANQA_OK)
            return status;
    }
    for (size_t i = 0; i < steps->count; i++)
        row_set_word(row, steps->counters[i].at / 8, (uint64_t)steps->values[i]);
    return ANQA_OK;
}

/* Puts the initial row in, with the steps done. Fails: E_EXISTS (somebody was quicker). */
static anqa_status insert_counted(
    struct shared *shared, const anqa_table_entry *entry, const struct steps *steps)
{
    struct load load;
    anqa_status status = load_make(shared, entry, 1, &load);

    if (status != ANQA_OK)
        return status;
    status = steps_do(load.row[0], steps);
    if (status == ANQA_OK) {
        shared_lock(shared);
        status = put_load(shared, &load, PUT_NEW);
        shared_unlock(shared);
    }
    load_free(&load);
    return status;
}

static anqa_status count_opened(
    struct shared *shared, const struct rows_at *at, const struct steps *steps, const void *initial)
{
    anqa_table_entry entry;
    anqa_status status;

    if (!shared_is_unique(shared))
        return ANQA_E_UNSUPPORTED;
    for (;;) {
        status = change(shared, at, steps_do, steps);
        if (status != ANQA_E_NOT_FOUND || initial == NULL)
            return status;
        status = entry_of(shared, at->key, initial, &entry);
        if (status == ANQA_OK)
            status = insert_counted(shared, &entry, steps);
        if (status != ANQA_E_EXISTS)
            return status;
    }
}

anqa_status anqa_table_update_counters(anqa_table table, anqa_key key,
    const anqa_table_counter *counters, size_t count, const void *initial, int64_t *ret_values)
{
    int64_t values[ANQA_TABLE_COUNTERS_MAX];
    const struct steps steps = {counters, count, values};
    struct shared *shared;
    struct rows_at at;
    anqa_status status;

    if (count > ANQA_TABLE_COUNTERS_MAX)
        return ANQA_E_LIMIT;
    msg_probe(counters, count * sizeof *counters);
    status = shared_open_at(table, SHARED_WRITE, key, &shared, &at);
    if (status != ANQA_OK)
        return status;
    status = count_opened(shared, &at, &steps, initial);
    shared_close(shared);
    if (status == ANQA_OK && ret_values != NULL)
        memcpy(ret_values, values, count * sizeof *values);
    return status;
}

anqa_status anqa_table_update_counter(
    anqa_table table, anqa_key key, size_t at, int64_t add, int64_t *ret_value)
{
    return anqa_table_update_counters(
        table, key, &(anqa_table_counter){.at = at, .add = add}, 1, NULL, ret_value);
}
