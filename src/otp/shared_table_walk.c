/*
 * Shared tables: walks. A walk copies some rows out, closes the table, and hands the copies to the caller's functions, which
 * may therefore do anything. It goes on behind the key, and in a bag the row, at which it stood.
 */
#include <string.h>

#include <anqa/memory.h>

#include "otp/shared_table.h"

#define ROWS_AT_ONCE 64u
#define BYTES_AT_ONCE 16384u

/* A copy: the row's bytes follow, then the key's, each padded to a multiple of 8. */
struct copy {
    anqa_key key; /* str.ptr is not set */
    uint64_t seq;
    uint32_t version, len;
};

struct walk {
    anqa_table table;
    anqa_table_query query;
    anqa_key at; /* where it stands; the bytes of a string are in `key_bytes` */
    uint64_t seq;
    bool started, at_end;
    char *key_bytes;
    char *bytes; /* copies, on the heap: fn may end the process */
    size_t size, used;
    size_t count;
};

/* What is called for each row. False ends the walk. */
typedef bool visit_fn(
    struct walk *walk, const anqa_table_entry *entry, const struct copy *copy, void *arg);

static size_t padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/* ---------------------------------------------------------------- places */

static struct row *row_behind(struct rows *rows, struct rows_at *at)
{
    struct row *row;

    if (!rows->unique)
        at->seq++;
    row = rows_from(rows, at);
    return rows->unique && row != NULL && row_has_key(rows, row, at) ? rows_next(rows, row) : row;
}

static anqa_status first_row(struct rows *rows, const struct walk *walk, struct row **ret_row)
{
    struct rows_at at;
    anqa_status status = ANQA_OK;

    if (walk->query.from == NULL) {
        *ret_row = walk->query.backwards ? rows_before(rows, NULL) : rows_from(rows, NULL);
        return ANQA_OK;
    }
    status = rows_at_key(rows->ordered, *walk->query.from, &at);
    if (status != ANQA_OK)
        return status;
    if (!walk->query.backwards) {
        *ret_row = rows_from(rows, &at);
        return ANQA_OK;
    }
    *ret_row = rows_find(rows, &at);
    if (*ret_row == NULL)
        *ret_row = rows_before(rows, &at);
    return ANQA_OK;
}

static anqa_status next_row(struct rows *rows, const struct walk *walk, struct row **ret_row)
{
    struct rows_at at;
    anqa_status status;

    if (!walk->started)
        return first_row(rows, walk, ret_row);
    status = rows_at_key(rows->ordered, walk->at, &at);
    if (status != ANQA_OK)
        return status;
    at.seq = walk->seq;
    *ret_row = walk->query.backwards ? rows_before(rows, &at) : row_behind(rows, &at);
    return ANQA_OK;
}

static struct row *row_after(struct rows *rows, const struct walk *walk, const struct row *row)
{
    struct rows_at at;

    if (!walk->query.backwards)
        return rows_next(rows, row);
    at = row_at(row);
    return rows_before(rows, &at);
}

/* ---------------------------------------------------------------- copies */

/* Where the next copy goes. */
static char *room_for(struct walk *walk, size_t size)
{
    size_t needed = walk->used + size;

    if (walk->bytes == NULL || needed > walk->size) {
        walk->size = needed < BYTES_AT_ONCE ? BYTES_AT_ONCE : needed * 2;
        walk->bytes = anqa_heap_realloc(walk->bytes, walk->size);
    }
    return walk->bytes + walk->used;
}

static void copy_row(struct walk *walk, const struct row *row)
{
    struct copy copy = {.key = row_key(row), .seq = row->seq, .len = row->len};
    size_t key_len = copy.key.kind == ANQA_KEY_STR ? copy.key.u.str.len : 0;
    size_t size = sizeof copy + padded(row->len) + padded(key_len);
    char *to = room_for(walk, size);

    copy.version = row_read(row, 0, to + sizeof copy, row->len);
    if (key_len > 0)
        memcpy(to + sizeof copy + padded(row->len), copy.key.u.str.ptr, key_len);
    memcpy(to, &copy, sizeof copy);
    walk->used += size;
    walk->count++;
}

/* The copy at `*at`, which moves behind it. */
static anqa_table_entry copy_entry(const struct walk *walk, size_t *at, struct copy *ret_copy)
{
    const char *bytes = walk->bytes + *at;
    anqa_table_entry entry;

    memcpy(ret_copy, bytes, sizeof *ret_copy);
    entry.key = ret_copy->key;
    entry.row = anqa_str_make(bytes + sizeof *ret_copy, ret_copy->len);
    *at += sizeof *ret_copy + padded(ret_copy->len);
    if (entry.key.kind == ANQA_KEY_STR) {
        entry.key.u.str.ptr = walk->bytes + *at;
        *at += padded(entry.key.u.str.len);
    }
    return entry;
}

/* The walk stands there from now on. */
static void stand_at(struct walk *walk, const anqa_table_entry *entry, uint64_t seq)
{
    walk->started = true;
    walk->at = entry->key;
    walk->seq = seq;
    if (entry->key.kind != ANQA_KEY_STR)
        return;
    walk->key_bytes = anqa_heap_realloc(walk->key_bytes, entry->key.u.str.len);
    if (entry->key.u.str.len > 0)
        memcpy(walk->key_bytes, entry->key.u.str.ptr, entry->key.u.str.len);
    walk->at.u.str.ptr = walk->key_bytes;
}

static bool is_beyond(const struct walk *walk, const struct row *row, const struct rows_at *to)
{
    struct rows_at at = row_at(row);

    if (walk->query.to == NULL)
        return false;
    return walk->query.backwards ? rows_at_compare(&at, to) < 0 : rows_at_compare(&at, to) > 0;
}

static anqa_status copy_some(struct walk *walk, struct rows *rows)
{
    struct rows_at to = {0};
    struct row *row = NULL;
    anqa_status status = ANQA_OK;

    walk->used = walk->count = 0;
    if (walk->query.to != NULL)
        status = rows_at_key(rows->ordered, *walk->query.to, &to);
    if (status == ANQA_OK)
        status = next_row(rows, walk, &row);
    while (row != NULL && walk->count < ROWS_AT_ONCE && walk->used < BYTES_AT_ONCE) {
        if (is_beyond(walk, row, &to))
            row = NULL;
        else
            copy_row(walk, row);
        if (row != NULL)
            row = row_after(rows, walk, row);
    }
    walk->at_end = row == NULL;
    return status;
}

static anqa_status walk_on(struct walk *walk)
{
    struct shared *shared;
    uint64_t batch;
    anqa_status status = shared_open(walk->table, SHARED_READ, &shared);

    if (status != ANQA_OK)
        return status;
    if ((walk->query.backwards || walk->query.to != NULL) && !shared_is_ordered(shared)) {
        shared_close(shared);
        return ANQA_E_UNSUPPORTED;
    }
    do {
        batch = shared_batch_begin(shared);
        status = copy_some(walk, shared_rows(shared));
    } while (!shared_batch_end(shared, batch));
    shared_close(shared);
    return status;
}

/* ---------------------------------------------------------------- walks */

static bool matches(const struct walk *walk, const anqa_table_entry *entry)
{
    return walk->query.match == NULL || walk->query.match(entry, walk->query.arg);
}

/* False: it was ended by `visit`. */
static bool visit_copies(struct walk *walk, visit_fn *visit, void *arg)
{
    size_t at = 0;

    for (size_t left = walk->count; left > 0; left--) {
        struct copy copy;
        anqa_table_entry entry = copy_entry(walk, &at, &copy);
        bool go_on = !matches(walk, &entry) || visit(walk, &entry, &copy, arg);
        if (!go_on || left == 1)
            stand_at(walk, &entry, copy.seq);
        if (!go_on) {
            walk->at_end = walk->at_end && left == 1;
            return false;
        }
    }
    return true;
}

static anqa_status walk_all(struct walk *walk, visit_fn *visit, void *arg)
{
    anqa_status status;

    do
        status = walk_on(walk);
    while (status == ANQA_OK && visit_copies(walk, visit, arg) && !walk->at_end);
    return status;
}

static struct walk walk_begin(anqa_table table, const anqa_table_query *query)
{
    struct walk walk = {.table = table};

    if (query != NULL)
        walk.query = *query;
    return walk;
}

static void walk_end(struct walk *walk)
{
    anqa_heap_free(walk->bytes);
    anqa_heap_free(walk->key_bytes);
}

/* Begins, walks and ends. */
static anqa_status walk_through(
    anqa_table table, const anqa_table_query *query, visit_fn *visit, void *arg)
{
    struct walk walk = walk_begin(table, query);
    anqa_status status = walk_all(&walk, visit, arg);

    walk_end(&walk);
    return status;
}

/* ---------------------------------------------------------------- fold, count */

struct fold {
    bool (*fn)(const anqa_table_entry *entry, void *arg);
    void *arg;
};

static bool fold_visit(
    struct walk *walk, const anqa_table_entry *entry, const struct copy *copy, void *arg)
{
    const struct fold *fold = arg;

    return fold->fn(entry, fold->arg);
}

anqa_status anqa_table_fold(anqa_table table, const anqa_table_query *query,
    bool (*fn)(const anqa_table_entry *entry, void *arg), void *arg)
{
    struct fold fold = {fn, arg};

    return walk_through(table, query, fold_visit, &fold);
}

static bool count_visit(
    struct walk *walk, const anqa_table_entry *entry, const struct copy *copy, void *arg)
{
    ++*(size_t *)arg;
    return true;
}

anqa_status anqa_table_select_count(
    anqa_table table, const anqa_table_query *query, size_t *ret_count)
{
    size_t count = 0;
    anqa_status status = walk_through(table, query, count_visit, &count);

    if (status == ANQA_OK)
        *ret_count = count;
    return status;
}

/* ---------------------------------------------------------------- select */

static bool select_visit(
    struct walk *walk, const anqa_table_entry *entry, const struct copy *copy, void *arg)
{
    struct shared_list *list = arg;

    shared_list_add(
        list, (anqa_table_entry){shared_key_copy(entry->key),
                  anqa_str_make(anqa_tmp_copy(entry->row.ptr, entry->row.len), entry->row.len)});
    return walk->query.limit == 0 || list->count < walk->query.limit;
}

static void cursor_read(const anqa_table_cursor *cursor, struct walk *walk)
{
    if (cursor->started)
        stand_at(walk, &(anqa_table_entry){.key = cursor->key}, cursor->seq);
}

static void cursor_write(const struct walk *walk, anqa_table_cursor *cursor)
{
    cursor->started = walk->started;
    cursor->done = walk->at_end;
    cursor->seq = walk->seq;
    cursor->key = shared_key_copy(walk->at);
}

anqa_status anqa_table_select(anqa_table table, const anqa_table_query *query,
    anqa_table_cursor *cursor, anqa_table_entry **ret_entries, size_t *ret_count)
{
    struct walk walk = walk_begin(table, query);
    struct shared_list list = {0};
    anqa_status status = ANQA_OK;

    if (cursor != NULL)
        cursor_read(cursor, &walk);
    if (cursor == NULL || !cursor->done)
        status = walk_all(&walk, select_visit, &list);
    if (status == ANQA_OK && cursor != NULL && !cursor->done)
        cursor_write(&walk, cursor);
    walk_end(&walk);
    if (status != ANQA_OK)
        return status;
    *ret_entries = list.at;
    *ret_count = list.count;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- select_delete */

struct removal {
    size_t count;
    anqa_status status;
};

/* What is left of a row that was to be removed. */
enum removed { REMOVED, GONE, CHANGED };

/* The row that has taken the place of the one in the copy; of bags only that row itself. */
static struct row *row_again(
    struct rows *rows, const anqa_table_entry *entry, const struct copy *copy)
{
    struct rows_at at;
    struct row *row;

    if (rows_at_key(rows->ordered, entry->key, &at) != ANQA_OK)
        return NULL;
    if (!rows->unique)
        at.seq = copy->seq;
    row = rows_from(rows, &at);
    if (row == NULL || !row_has_key(rows, row, &at))
        return NULL;
    return rows->unique || row->seq == copy->seq ? row : NULL;
}

static enum removed remove_as_seen(
    struct shared *shared, const anqa_table_entry *entry, const struct copy *copy)
{
    struct rows *rows = shared_rows(shared);
    struct row *row = row_again(rows, entry, copy);

    if (row == NULL)
        return GONE;
    return shared_remove_seen(shared, rows, row, copy->seq, copy->version) ? REMOVED : CHANGED;
}

/* A new copy of it, alone in a walk of its own. False: it is gone. */
static bool look_again(struct shared *shared, struct walk *walk, const anqa_table_entry *entry,
    const struct copy *copy)
{
    const struct row *row = row_again(shared_rows(shared), entry, copy);

    walk->used = walk->count = 0;
    if (row == NULL)
        return false;
    copy_row(walk, row);
    return true;
}

static enum removed try_remove(struct walk *walk, struct walk *again, const anqa_table_entry *entry,
    const struct copy *copy, anqa_status *ret_status)
{
    struct shared *shared;
    enum removed removed;

    *ret_status = shared_open(walk->table, SHARED_WRITE, &shared);
    if (*ret_status != ANQA_OK)
        return GONE;
    shared_lock(shared);
    removed = remove_as_seen(shared, entry, copy);
    shared_unlock(shared);
    if (removed == CHANGED && !look_again(shared, again, entry, copy))
        removed = GONE;
    shared_close(shared);
    return removed;
}

static bool remove_visit(
    struct walk *walk, const anqa_table_entry *entry, const struct copy *copy, void *arg)
{
    struct removal *removal = arg;
    struct walk again = {.table = walk->table};
    anqa_table_entry seen = *entry;
    struct copy now = *copy;
    enum removed removed;

    while ((removed = try_remove(walk, &again, &seen, &now, &removal->status)) == CHANGED) {
        size_t at = 0;
        seen = copy_entry(&again, &at, &now);
        if (!matches(walk, &seen))
            break;
    }
    removal->count += removed == REMOVED;
    walk_end(&again);
    return removal->status == ANQA_OK;
}

anqa_status anqa_table_select_delete(
    anqa_table table, const anqa_table_query *query, size_t *ret_count)
{
    struct removal removal = {.status = ANQA_OK};
    struct shared *shared;
    anqa_status status = shared_open(table, SHARED_WRITE, &shared);

    if (status != ANQA_OK)
        return status;
    shared_close(shared);
    status = walk_through(table, query, remove_visit, &removal);
    if (status == ANQA_OK)
        status = removal.status;
    if (status == ANQA_OK && ret_count != NULL)
        *ret_count = removal.count;
    return status;
}
