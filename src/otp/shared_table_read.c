/* Shared tables: look-ups. See shared_table.h. */
#include <anqa/memory.h>

#include "base/vec.h"
#include "otp/shared_table.h"

/* ---------------------------------------------------------------- copies */

anqa_str shared_row_copy(const struct row *row)
{
    char *bytes = anqa_arena_alloc(anqa_tmp(), row->len + 1);

    (void)row_read(row, 0, bytes, row->len);
    bytes[row->len] = '\0';
    return anqa_str_make(bytes, row->len);
}

anqa_key shared_key_copy(anqa_key key)
{
    if (key.kind == ANQA_KEY_STR)
        key.u.str.ptr = anqa_tmp_copy(key.u.str.ptr, key.u.str.len);
    return key;
}

static anqa_table_entry entry_copy(const struct row *row)
{
    return (anqa_table_entry){shared_key_copy(row_key(row)), shared_row_copy(row)};
}

void shared_list_add(struct shared_list *list, anqa_table_entry entry)
{
    anqa_table_entry *added = ANQA_VEC_ADD(list, anqa_tmp());

    ANQA_INVARIANT(added != NULL); /* without memory the process has ended */
    *added = entry;
}

/* ---------------------------------------------------------------- by key */

/* What is found may be read until the table is closed, though it be taken out. */
static struct row *find(struct shared *shared, const struct rows_at *at)
{
    struct row *row;
    uint64_t batch;

    do {
        batch = shared_batch_begin(shared);
        row = rows_find(shared_rows(shared), at);
    } while (!shared_batch_end(shared, batch));
    return row;
}

/* Opens the table for the row of a key. Fails: E_NOT_FOUND. */
static anqa_status open_row(
    anqa_table table, anqa_key key, struct shared **ret_shared, const struct row **ret_row)
{
    struct rows_at at;
    anqa_status status = shared_open_at(table, SHARED_READ, key, ret_shared, &at);

    if (status != ANQA_OK)
        return status;
    *ret_row = find(*ret_shared, &at);
    if (*ret_row != NULL)
        return ANQA_OK;
    shared_close(*ret_shared);
    return ANQA_E_NOT_FOUND;
}

anqa_status anqa_table_lookup(anqa_table table, anqa_key key, void *ret_row)
{
    struct shared *shared;
    const struct row *row;
    anqa_status status = open_row(table, key, &shared, &row);

    if (status != ANQA_OK)
        return status;
    if (shared->row_size == 0)
        status = ANQA_E_TYPE;
    else
        (void)row_read(row, 0, ret_row, row->len);
    shared_close(shared);
    return status;
}

anqa_status anqa_table_lookup_bytes(anqa_table table, anqa_key key, anqa_str *ret_row)
{
    struct shared *shared;
    const struct row *row;
    anqa_status status = open_row(table, key, &shared, &row);

    if (status != ANQA_OK)
        return status;
    *ret_row = shared_row_copy(row);
    shared_close(shared);
    return ANQA_OK;
}

anqa_status anqa_table_lookup_element(
    anqa_table table, anqa_key key, size_t at, void *ret_bytes, size_t size)
{
    struct shared *shared;
    const struct row *row;
    anqa_status status = open_row(table, key, &shared, &row);

    if (status != ANQA_OK)
        return status;
    if (at > row->len || size > row->len - at)
        status = ANQA_E_RANGE;
    else
        (void)row_read(row, at, ret_bytes, size);
    shared_close(shared);
    return status;
}

bool anqa_table_member(anqa_table table, anqa_key key)
{
    struct shared *shared;
    const struct row *row;

    if (open_row(table, key, &shared, &row) != ANQA_OK)
        return false;
    shared_close(shared);
    return true;
}

static void collect_key(struct shared *shared, const struct rows_at *at, struct shared_list *list)
{
    struct rows *rows = shared_rows(shared);

    list->count = 0;
    for (struct row *row = rows_find(rows, at); row != NULL; row = rows_next_same(rows, row))
        shared_list_add(list, entry_copy(row));
}

anqa_status anqa_table_lookup_all(
    anqa_table table, anqa_key key, anqa_table_entry **ret_entries, size_t *ret_count)
{
    struct shared_list list = {0};
    struct shared *shared;
    struct rows_at at;
    uint64_t batch;
    anqa_status status = shared_open_at(table, SHARED_READ, key, &shared, &at);

    if (status != ANQA_OK)
        return status;
    do {
        batch = shared_batch_begin(shared);
        collect_key(shared, &at, &list);
    } while (!shared_batch_end(shared, batch));
    shared_close(shared);
    *ret_entries = list.at;
    *ret_count = list.count;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- neighbours */

enum neighbour { FIRST, LAST, NEXT, PREV };

static struct row *neighbour_of(struct shared *shared, enum neighbour which, struct rows_at *at)
{
    struct rows *rows = shared_rows(shared);
    struct row *row;

    switch (which) {
    case FIRST: return rows_from(rows, NULL);
    case LAST: return rows_before(rows, NULL);
    case PREV: return rows_before(rows, at);
    case NEXT: break;
    }
    at->seq = UINT64_MAX; /* behind all rows of the key */
    row = rows_from(rows, at);
    return row != NULL && row_has_key(rows, row, at) ? rows_next(rows, row) : row;
}

static anqa_status neighbour_opened(
    struct shared *shared, enum neighbour which, struct rows_at *at, anqa_table_entry *ret_entry)
{
    const struct row *row;
    uint64_t batch;

    if ((which == LAST || which == PREV) && !shared_is_ordered(shared))
        return ANQA_E_UNSUPPORTED;
    do {
        batch = shared_batch_begin(shared);
        row = neighbour_of(shared, which, at);
    } while (!shared_batch_end(shared, batch));
    if (row == NULL)
        return ANQA_E_NOT_FOUND;
    *ret_entry = entry_copy(row);
    return ANQA_OK;
}

static anqa_status neighbour(
    anqa_table table, enum neighbour which, anqa_key key, anqa_table_entry *ret_entry)
{
    struct shared *shared;
    struct rows_at at;
    anqa_status status = shared_open_at(table, SHARED_READ, key, &shared, &at);

    if (status != ANQA_OK)
        return status;
    status = neighbour_opened(shared, which, &at, ret_entry);
    shared_close(shared);
    return status;
}

anqa_status anqa_table_first(anqa_table table, anqa_table_entry *ret_entry)
{
    return neighbour(table, FIRST, anqa_key_int(0), ret_entry);
}

anqa_status anqa_table_last(anqa_table table, anqa_table_entry *ret_entry)
{
    return neighbour(table, LAST, anqa_key_int(0), ret_entry);
}

anqa_status anqa_table_next(anqa_table table, anqa_key key, anqa_table_entry *ret_entry)
{
    return neighbour(table, NEXT, key, ret_entry);
}

anqa_status anqa_table_prev(anqa_table table, anqa_key key, anqa_table_entry *ret_entry)
{
    return neighbour(table, PREV, key, ret_entry);
}
