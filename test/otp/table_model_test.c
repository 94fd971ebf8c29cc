/* Shared tables beside a plain list that follows the same rules, under random operations. */
#include "table_support.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 4000, KEYS = 40, ROWS_MAX = 4096 };

struct model_row {
    anqa_key key;
    struct pair pair;
    int order; /* of coming */
};

struct model {
    anqa_table table;
    anqa_table_type type;
    struct model_row rows[ROWS_MAX];
    size_t count;
    int order;
};

static size_t pick(size_t below)
{
    return (size_t)(harness_random() % below);
}

/* Numbers, some of which are equal as integer and double, and strings with common beginnings. */
static anqa_key random_key(void)
{
    static char strings[KEYS][16];
    size_t n = pick(KEYS);

    switch (pick(3)) {
    case 0: return number((int64_t)n - KEYS / 2);
    case 1: return anqa_key_double((double)n / 2 - KEYS / 4.0);
    default: snprintf(strings[n], sizeof strings[n], "common%zu", n); return text(strings[n]);
    }
}

static struct pair random_pair(void)
{
    return (struct pair){(int64_t)pick(3), 0};
}

/* ---------------------------------------------------------------- the model */

static double value_of(anqa_key key)
{
    return key.kind == ANQA_KEY_INT ? (double)key.u.integer : key.u.real;
}

static int compare(const struct model *model, anqa_key a, anqa_key b)
{
    bool strings = a.kind == ANQA_KEY_STR;

    if (strings != (b.kind == ANQA_KEY_STR))
        return strings ? 1 : -1;
    if (strings) {
        size_t common = a.u.str.len < b.u.str.len ? a.u.str.len : b.u.str.len;
        int difference = memcmp(a.u.str.ptr, b.u.str.ptr, common);
        return difference != 0 ? difference : (int)a.u.str.len - (int)b.u.str.len;
    }
    if (value_of(a) != value_of(b))
        return value_of(a) < value_of(b) ? -1 : 1;
    return model->type == ANQA_TABLE_ORDERED_SET ? 0 : (int)a.kind - (int)b.kind;
}

static bool is_unique(const struct model *model)
{
    return model->type == ANQA_TABLE_SET || model->type == ANQA_TABLE_ORDERED_SET;
}

/* The first row of the key from `from` on; count when there is none. */
static size_t model_find(const struct model *model, anqa_key key, size_t from)
{
    while (from < model->count && compare(model, model->rows[from].key, key) != 0)
        from++;
    return from;
}

static void model_remove(struct model *model, size_t at)
{
    model->count--;
    memmove(&model->rows[at], &model->rows[at + 1], (model->count - at) * sizeof model->rows[0]);
}

static size_t model_delete(struct model *model, anqa_key key)
{
    size_t removed = 0, at;

    while ((at = model_find(model, key, 0)) < model->count) {
        model_remove(model, at);
        removed++;
    }
    return removed;
}

static bool model_has(const struct model *model, anqa_key key, struct pair pair)
{
    size_t at = 0;

    while ((at = model_find(model, key, at)) < model->count) {
        if (memcmp(&model->rows[at].pair, &pair, sizeof pair) == 0)
            return true;
        at++;
    }
    return false;
}

static void model_insert(struct model *model, anqa_key key, struct pair pair)
{
    if (model->type == ANQA_TABLE_BAG && model_has(model, key, pair))
        return;
    if (is_unique(model))
        (void)model_delete(model, key);
    CHECK(model->count < ROWS_MAX);
    model->rows[model->count++] = (struct model_row){key, pair, model->order++};
}

/* ---------------------------------------------------------------- operations on both */

static void do_insert(struct model *model)
{
    anqa_key key = random_key();
    struct pair pair = random_pair();

    CHECK_STATUS(anqa_table_insert(model->table, key, &pair), ANQA_OK);
    model_insert(model, key, pair);
}

static void do_insert_new(struct model *model)
{
    anqa_key key = random_key();
    struct pair pair = random_pair();
    bool is_new = model_find(model, key, 0) == model->count;

    CHECK_STATUS(anqa_table_insert_new(model->table, key, &pair), is_new ? ANQA_OK : ANQA_E_EXISTS);
    if (is_new)
        model_insert(model, key, pair);
}

static void do_insert_all(struct model *model)
{
    anqa_table_entry entries[5];
    struct pair pairs[5];
    size_t count = pick(6);

    for (size_t i = 0; i < count; i++) {
        pairs[i] = random_pair();
        entries[i] = (anqa_table_entry){random_key(), {(const char *)&pairs[i], sizeof pairs[i]}};
    }
    CHECK_STATUS(anqa_table_insert_all(model->table, entries, count), ANQA_OK);
    for (size_t i = 0; i < count; i++)
        model_insert(model, entries[i].key, pairs[i]);
}

static void do_delete(struct model *model)
{
    anqa_key key = random_key();

    CHECK_STATUS(anqa_table_delete(model->table, key), ANQA_OK);
    (void)model_delete(model, key);
}

static void do_delete_object(struct model *model)
{
    anqa_key key = random_key();
    struct pair pair = random_pair();
    size_t at = 0;

    CHECK_STATUS(anqa_table_delete_object(
                     model->table, key, anqa_str_make((const char *)&pair, sizeof pair)),
        ANQA_OK);
    while ((at = model_find(model, key, at)) < model->count)
        if (memcmp(&model->rows[at].pair, &pair, sizeof pair) == 0)
            model_remove(model, at);
        else
            at++;
}

static void do_take_all(struct model *model)
{
    anqa_key key = random_key();
    anqa_table_entry *entries;
    size_t count;

    CHECK_STATUS(anqa_table_take_all(model->table, key, &entries, &count), ANQA_OK);
    CHECK_EQ(count, model_delete(model, key));
}

static void do_count(struct model *model)
{
    anqa_key key = random_key();
    size_t at = model_find(model, key, 0);
    anqa_status want = !is_unique(model)   ? ANQA_E_UNSUPPORTED
                       : at < model->count ? ANQA_OK
                                           : ANQA_E_NOT_FOUND;
    int64_t value;

    CHECK_STATUS(
        anqa_table_update_counter(model->table, key, offsetof(struct pair, b), 5, &value), want);
    if (want != ANQA_OK)
        return;
    model->rows[at].pair.b += 5;
    CHECK_EQ(value, model->rows[at].pair.b);
}

static void do_lookup(struct model *model)
{
    anqa_key key = random_key();
    anqa_table_entry *entries;
    size_t count, at = 0;

    CHECK_STATUS(anqa_table_lookup_all(model->table, key, &entries, &count), ANQA_OK);
    for (size_t i = 0; i < count; i++, at++) {
        at = model_find(model, key, at);
        CHECK(at < model->count);
        CHECK(memcmp(entries[i].row.ptr, &model->rows[at].pair, sizeof(struct pair)) == 0);
    }
    CHECK_EQ(model_find(model, key, at), model->count);
    CHECK_EQ(anqa_table_member(model->table, key), count > 0);
}

static void do_delete_all(struct model *model)
{
    if (pick(50) != 0)
        return;
    CHECK_STATUS(anqa_table_delete_all_objects(model->table), ANQA_OK);
    model->count = 0;
}

/* The nearest key above (direction 1) or below (-1) in the model; count when there is none. */
static size_t model_neighbour(const struct model *model, anqa_key key, int direction)
{
    size_t best = model->count;

    for (size_t i = 0; i < model->count; i++) {
        if (compare(model, model->rows[i].key, key) * direction <= 0)
            continue;
        if (best == model->count ||
            compare(model, model->rows[i].key, model->rows[best].key) * direction < 0)
            best = i;
    }
    return best;
}

static void do_neighbour(struct model *model)
{
    int direction = pick(2) == 0 ? 1 : -1;
    anqa_key key = random_key();
    size_t want = model_neighbour(model, key, direction);
    anqa_table_entry entry;
    anqa_status status;

    if (model->type != ANQA_TABLE_ORDERED_SET)
        return;
    status = direction > 0 ? anqa_table_next(model->table, key, &entry)
                           : anqa_table_prev(model->table, key, &entry);
    CHECK_STATUS(status, want == model->count ? ANQA_E_NOT_FOUND : ANQA_OK);
    if (status == ANQA_OK)
        CHECK_EQ(compare(model, entry.key, model->rows[want].key), 0);
}

/* ---------------------------------------------------------------- both in whole */

static const struct model *sorted_for;

static int compare_rows(const void *a, const void *b)
{
    const struct model_row *x = a, *y = b;
    int difference = compare(sorted_for, x->key, y->key);

    return difference != 0 ? difference : x->order - y->order;
}

static void check_whole(struct model *model)
{
    anqa_table_entry *entries;
    size_t count;

    CHECK_STATUS(anqa_table_select(model->table, NULL, NULL, &entries, &count), ANQA_OK);
    CHECK_EQ(count, model->count);
    CHECK_EQ(info_of(model->table).rows, count);
    for (size_t i = 0; i < count; i++) {
        struct pair pair;
        memcpy(&pair, entries[i].row.ptr, sizeof pair);
        CHECK(model_has(model, entries[i].key, pair));
    }
    if (model->type != ANQA_TABLE_ORDERED_SET)
        return;
    sorted_for = model;
    qsort(model->rows, count, sizeof model->rows[0], compare_rows);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(compare(model, entries[i].key, model->rows[i].key), 0);
}

static void run_beside_model(anqa_table_type type)
{
    static void (*const operations[])(struct model *) = {do_insert, do_insert, do_insert_new,
        do_insert_all, do_delete, do_delete_object, do_take_all, do_count, do_lookup, do_delete_all,
        do_neighbour};
    anqa_rt *rt = begin_deterministic();
    struct model *model = calloc(1, sizeof *model);

    CHECK(model != NULL);
    model->type = type;
    model->table = table_made(PAIRS(.type = type));
    for (int i = 0; i < ROUNDS; i++) {
        operations[pick(ANQA_COUNT(operations))](model);
        if (i % 50 == 0)
            check_whole(model);
    }
    check_whole(model);
    free(model);
    end(rt);
}

TEST(a_set_does_what_its_model_does)
{
    run_beside_model(ANQA_TABLE_SET);
}

TEST(an_ordered_set_does_what_its_model_does)
{
    run_beside_model(ANQA_TABLE_ORDERED_SET);
}

TEST(a_bag_does_what_its_model_does)
{
    run_beside_model(ANQA_TABLE_BAG);
}

TEST(a_duplicate_bag_does_what_its_model_does)
{
    run_beside_model(ANQA_TABLE_DUPLICATE_BAG);
}
