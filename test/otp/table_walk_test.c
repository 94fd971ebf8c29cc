/* Shared tables: neighbours, walks and queries. */
#include "table_support.h"

enum { MANY = 1000 };

static anqa_table numbers(anqa_table_spec spec, int64_t count, int64_t step)
{
    anqa_table table = table_made(spec);

    for (int64_t i = 0; i < count; i++)
        put_pair(table, number(i * step), i * step, 0);
    return table;
}

/* ---------------------------------------------------------------- neighbours */

TEST(first_and_next_come_to_each_key_once)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = numbers(PAIRS(.type = *type), MANY, 1);
        bool seen[MANY] = {false};
        anqa_table_entry entry;
        size_t count = 0;
        put_pair(table, number(7), 7, 1); /* of a bag one more row */
        for (anqa_status s = anqa_table_first(table, &entry); s == ANQA_OK;
            s = anqa_table_next(table, entry.key, &entry)) {
            CHECK(!seen[entry.key.u.integer]);
            seen[entry.key.u.integer] = true;
            CHECK_EQ(entry.row.len, sizeof(struct pair));
            count++;
        }
        CHECK_EQ(count, MANY);
    }
    end(rt);
}

TEST(next_and_prev_of_a_key_that_is_not_there_are_its_neighbours)
{
    anqa_rt *rt = begin();
    anqa_table table = numbers(PAIRS(.type = ANQA_TABLE_ORDERED_SET), 5, 10);
    anqa_table_entry entry;

    CHECK_STATUS(anqa_table_next(table, number(15), &entry), ANQA_OK);
    CHECK_EQ(entry.key.u.integer, 20);
    CHECK_STATUS(anqa_table_prev(table, number(15), &entry), ANQA_OK);
    CHECK_EQ(entry.key.u.integer, 10);
    CHECK_STATUS(anqa_table_prev(table, number(10), &entry), ANQA_OK);
    CHECK_EQ(entry.key.u.integer, 0);
    CHECK_STATUS(anqa_table_prev(table, number(0), &entry), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_table_next(table, number(40), &entry), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_table_next(table, anqa_key_double(9.5), &entry), ANQA_OK);
    CHECK_EQ(entry.key.u.integer, 10);
    CHECK_STATUS(anqa_table_last(table, &entry), ANQA_OK);
    CHECK_EQ(entry.key.u.integer, 40);
    CHECK_STATUS(anqa_table_prev(table, text("a string"), &entry), ANQA_OK);
    CHECK_EQ(entry.key.u.integer, 40);
    end(rt);
}

TEST(only_an_ordered_set_goes_backwards)
{
    anqa_rt *rt = begin();
    anqa_table table = numbers(PAIRS(0), 5, 1);
    const anqa_key to = number(1);
    anqa_table_entry entry;
    size_t count;

    CHECK_STATUS(anqa_table_last(table, &entry), ANQA_E_UNSUPPORTED);
    CHECK_STATUS(anqa_table_prev(table, number(2), &entry), ANQA_E_UNSUPPORTED);
    CHECK_STATUS(anqa_table_select_count(table, &(anqa_table_query){.backwards = true}, &count),
        ANQA_E_UNSUPPORTED);
    CHECK_STATUS(
        anqa_table_select_count(table, &(anqa_table_query){.to = &to}, &count), ANQA_E_UNSUPPORTED);
    end(rt);
}

TEST(an_empty_table_has_no_first_row)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        anqa_table_entry entry;
        CHECK_STATUS(anqa_table_first(table, &entry), ANQA_E_NOT_FOUND);
        CHECK_STR(keys_of(table, NULL), "");
    }
    end(rt);
}

/* ---------------------------------------------------------------- ranges */

TEST(an_ordered_set_gives_a_range_in_both_directions)
{
    anqa_rt *rt = begin();
    anqa_table table = numbers(PAIRS(.type = ANQA_TABLE_ORDERED_SET), 10, 10);
    const anqa_key from = number(20), to = number(55), high = text("z"), low = number(-1);

    CHECK_STR(keys_of(table, &(anqa_table_query){.from = &from, .to = &to}), "20 30 40 50 ");
    CHECK_STR(keys_of(table, &(anqa_table_query){.from = &to, .to = &from, .backwards = true}),
        "50 40 30 20 ");
    CHECK_STR(keys_of(table, &(anqa_table_query){.from = &to}), "60 70 80 90 ");
    CHECK_STR(keys_of(table, &(anqa_table_query){.to = &from}), "0 10 20 ");
    CHECK_STR(keys_of(table, &(anqa_table_query){.to = &to, .backwards = true}), "90 80 70 60 ");
    CHECK_STR(keys_of(table, &(anqa_table_query){.from = &from, .backwards = true}), "20 10 0 ");
    CHECK_STR(keys_of(table, &(anqa_table_query){.from = &high}), "");
    CHECK_STR(keys_of(table, &(anqa_table_query){.from = &low, .backwards = true}), "");
    end(rt);
}

/* ---------------------------------------------------------------- select */

static bool is_divisible(const anqa_table_entry *entry, void *arg)
{
    return entry->key.u.integer % *(int64_t *)arg == 0;
}

TEST(select_gives_the_rows_that_match)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = numbers(PAIRS(.type = *type), MANY, 1);
        int64_t by = 7;
        anqa_table_query query = {.match = is_divisible, .arg = &by};
        anqa_table_entry *entries;
        size_t count, selected;
        CHECK_STATUS(anqa_table_select(table, &query, NULL, &entries, &selected), ANQA_OK);
        CHECK_EQ(selected, (MANY + 6) / 7);
        for (size_t i = 0; i < selected; i++) {
            struct pair pair;
            memcpy(&pair, entries[i].row.ptr, sizeof pair);
            CHECK_EQ(pair.a, entries[i].key.u.integer);
            CHECK_EQ(pair.a % 7, 0);
        }
        CHECK_STATUS(anqa_table_select_count(table, &query, &count), ANQA_OK);
        CHECK_EQ(count, selected);
        CHECK_STATUS(anqa_table_select_delete(table, &query, &count), ANQA_OK);
        CHECK_EQ(count, selected);
        CHECK_EQ(info_of(table).rows, MANY - selected);
        CHECK_STATUS(anqa_table_select_count(table, &query, &count), ANQA_OK);
        CHECK_EQ(count, 0);
        CHECK_STATUS(anqa_table_select_delete(table, NULL, NULL), ANQA_OK);
        CHECK_EQ(info_of(table).rows, 0);
    }
    end(rt);
}

TEST(a_select_with_a_limit_goes_on_where_it_ended)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = numbers(PAIRS(.type = *type), MANY, 1);
        anqa_table_cursor cursor = {.done = false};
        anqa_table_entry *entries;
        bool seen[MANY] = {false};
        size_t count, total = 0;
        while (!cursor.done) {
            CHECK_STATUS(anqa_table_select(
                             table, &(anqa_table_query){.limit = 90}, &cursor, &entries, &count),
                ANQA_OK);
            CHECK(count == 90 || cursor.done);
            for (size_t i = 0; i < count; i++) {
                CHECK(!seen[entries[i].key.u.integer]);
                seen[entries[i].key.u.integer] = true;
            }
            total += count;
        }
        CHECK_EQ(total, MANY);
        CHECK_STATUS(anqa_table_select(table, NULL, &cursor, &entries, &count), ANQA_OK);
        CHECK_EQ(count, 0);
    }
    end(rt);
}

TEST(a_select_goes_on_between_rows_of_the_same_key)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(TEXTS(.type = ANQA_TABLE_DUPLICATE_BAG));
    anqa_table_cursor cursor = {.done = false};
    const char *rows = "";

    for (int i = 0; i < 5; i++)
        put_text(table, text("a key"), anqa_tmp_printf("%d", i));
    while (!cursor.done) {
        anqa_table_entry *entries;
        size_t count;
        CHECK_STATUS(
            anqa_table_select(table, &(anqa_table_query){.limit = 2}, &cursor, &entries, &count),
            ANQA_OK);
        for (size_t i = 0; i < count; i++)
            rows = anqa_tmp_printf("%s%.*s", rows, ANQA_FMT(entries[i].row));
        rows = anqa_tmp_printf("%s|", rows);
    }
    CHECK_STR(rows, "01|23|4|");
    end(rt);
}

/* ---------------------------------------------------------------- fold */

struct sum {
    anqa_table table;
    int64_t sum, last, count;
    int64_t stop_at;
};

static bool add(const anqa_table_entry *entry, void *arg)
{
    struct sum *sum = arg;

    sum->sum += entry->key.u.integer;
    sum->last = entry->key.u.integer;
    sum->count++;
    return sum->count != sum->stop_at;
}

TEST(a_fold_sees_all_rows_in_order_and_ends_when_it_is_told)
{
    anqa_rt *rt = begin();
    anqa_table table = numbers(PAIRS(.type = ANQA_TABLE_ORDERED_SET), MANY, 1);
    struct sum up = {0}, down = {0}, some = {.stop_at = 100};

    CHECK_STATUS(anqa_table_fold(table, NULL, add, &up), ANQA_OK);
    CHECK_EQ(up.sum, MANY * (MANY - 1) / 2);
    CHECK_EQ(up.last, MANY - 1);
    CHECK_STATUS(
        anqa_table_fold(table, &(anqa_table_query){.backwards = true}, add, &down), ANQA_OK);
    CHECK_EQ(down.count, MANY);
    CHECK_EQ(down.last, 0);
    CHECK_STATUS(anqa_table_fold(table, NULL, add, &some), ANQA_OK);
    CHECK_EQ(some.count, 100);
    CHECK_EQ(some.last, 99);
    end(rt);
}

static bool count_long(const anqa_table_entry *entry, void *arg)
{
    size_t *total = arg;

    CHECK_EQ(entry->row.len, 5000);
    CHECK_EQ(entry->row.ptr[4999], entry->key.u.str.ptr[0]);
    *total += entry->key.u.str.len;
    return true;
}

TEST(a_fold_sees_long_rows_and_keys_whole)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = table_made(TEXTS(.type = *type));
        char bytes[5000];
        size_t total = 0;
        for (int i = 0; i < 26; i++) {
            memset(bytes, 'a' + i, sizeof bytes);
            CHECK_STATUS(anqa_table_insert_bytes(table, anqa_key_str(anqa_str_make(bytes, 3000)),
                             anqa_str_make(bytes, sizeof bytes)),
                ANQA_OK);
        }
        CHECK_STATUS(anqa_table_fold(table, NULL, count_long, &total), ANQA_OK);
        CHECK_EQ(total, 26 * 3000);
    }
    end(rt);
}

static bool wait_and_write(const anqa_table_entry *entry, void *arg)
{
    struct sum *sum = arg;
    int64_t key = entry->key.u.integer;

    if (sum->count % 50 == 0)
        anqa_yield();
    sum->count++;
    CHECK_STATUS(anqa_table_delete(sum->table, entry->key), ANQA_OK);
    put_pair(sum->table, number(MANY + key), 0, 0); /* before or behind where we stand */
    return key < MANY || sum->count < 3 * MANY;
}

TEST(the_function_of_a_fold_may_wait_and_write_to_the_table)
{
    anqa_rt *rt = begin();
    anqa_table table = numbers(PAIRS(0), MANY, 1);
    struct sum sum = {.table = table};

    CHECK_STATUS(anqa_table_fold(table, NULL, wait_and_write, &sum), ANQA_OK);
    CHECK(sum.count >= MANY);
    CHECK_EQ(info_of(table).rows, MANY);
    end(rt);
}

static bool free_it(const anqa_table_entry *entry, void *arg)
{
    return anqa_table_free(*(anqa_table *)arg) == ANQA_OK;
}

TEST(a_fold_whose_table_ends_says_so)
{
    anqa_rt *rt = begin();
    anqa_table table = numbers(PAIRS(0), MANY, 1);

    CHECK_STATUS(anqa_table_fold(table, NULL, free_it, &table), ANQA_OK); /* stopped by free_it */
    table = numbers(PAIRS(0), MANY, 1);
    CHECK_STATUS(anqa_table_fold(table, &(anqa_table_query){.match = free_it, .arg = &table}, add,
                     &(struct sum){0}),
        ANQA_E_CLOSED);
    end(rt);
}

/* ---------------------------------------------------------------- walks while others write */

struct churn {
    anqa_table table;
    int seen[MANY];
    uint64_t random;
};

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

/* Even numbers below MANY stay; all others come and go. */
static void disturb(struct churn *churn)
{
    int64_t key = (int64_t)(next_random(&churn->random) % (4 * MANY)) | 1;

    if (next_random(&churn->random) % 2 == 0)
        put_pair(churn->table, number(key), key, 0);
    else
        CHECK_STATUS(anqa_table_delete(churn->table, number(key)), ANQA_OK);
}

static bool note(const anqa_table_entry *entry, void *arg)
{
    struct churn *churn = arg;
    int64_t key = entry->key.u.integer;

    for (int i = 0; i < 20; i++)
        disturb(churn);
    if (key < MANY)
        churn->seen[key]++;
    return true;
}

static void check_seen(const struct churn *churn)
{
    for (int i = 0; i < MANY; i++)
        CHECK(i % 2 == 0 ? churn->seen[i] == 1 : churn->seen[i] <= 1, "%d: %d times", i,
            churn->seen[i]);
}

TEST(a_walk_sees_what_stays_once_and_nothing_twice_however_the_table_grows_and_shrinks)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, unique_types) {
        struct churn churn = {.random = harness_random() | 1};
        churn.table = numbers(PAIRS(.type = *type), MANY / 2, 2);
        CHECK_STATUS(anqa_table_fold(churn.table, NULL, note, &churn), ANQA_OK);
        check_seen(&churn);
    }
    end(rt);
}

TEST(a_walk_goes_on_although_the_table_shrinks_to_a_few_rows)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = numbers(PAIRS(.type = *type), 20 * MANY, 1);
        anqa_table_entry entry;
        CHECK_STATUS(anqa_table_first(table, &entry), ANQA_OK);
        for (int64_t i = 0; i < 20 * MANY; i++)
            if (i != entry.key.u.integer)
                CHECK_STATUS(anqa_table_delete(table, number(i)), ANQA_OK);
        CHECK_STATUS(anqa_table_delete(table, entry.key), ANQA_OK);
        CHECK_STATUS(anqa_table_next(table, entry.key, &entry), ANQA_E_NOT_FOUND);
        put_pair(table, number(5), 5, 5);
        CHECK_STR(keys_of(table, NULL), "5 ");
    }
    end(rt);
}

struct changing {
    anqa_table table;
    int matched;
};

/* What it has seen is no longer so when the row is to be taken out; seen again, it is to stay. */
static bool change_once(const anqa_table_entry *entry, void *arg)
{
    struct changing *changing = arg;
    struct pair pair;

    memcpy(&pair, entry->row.ptr, sizeof pair);
    changing->matched++;
    if (pair.b != 0)
        return false;
    put_pair(changing->table, entry->key, pair.a, 1);
    return true;
}

TEST(select_delete_takes_out_no_row_that_has_changed_since_it_matched)
{
    anqa_rt *rt = begin();
    struct changing changing = {.table = numbers(PAIRS(0), 1, 1)};
    size_t count;

    CHECK_STATUS(anqa_table_select_delete(changing.table,
                     &(anqa_table_query){.match = change_once, .arg = &changing}, &count),
        ANQA_OK);
    CHECK_EQ(count, 0);
    CHECK_EQ(changing.matched, 2);
    CHECK_EQ(pair_at(changing.table, number(0)).b, 1);
    end(rt);
}

static void walk_without_memory(void *state)
{
    anqa_table_spec spec = TEXTS(.type = ANQA_TABLE_ORDERED_SET);
    anqa_table_cursor cursor = {.done = false};
    anqa_table_entry *entries;
    anqa_table table;
    size_t count, total = 0;

    if (anqa_table_new(&spec, &table) != ANQA_OK)
        return;
    for (int i = 0; i < 200; i++)
        if (anqa_table_insert_bytes(table, number(i), anqa_str_of("row")) != ANQA_OK)
            return;
    while (!cursor.done) { /* without memory for copies the process ends */
        CHECK_STATUS(
            anqa_table_select(table, &(anqa_table_query){.limit = 70}, &cursor, &entries, &count),
            ANQA_OK);
        total += count;
    }
    CHECK_EQ(total, 200);
    CHECK_STATUS(anqa_table_select_delete(table, NULL, &count), ANQA_OK);
    CHECK_EQ(count, 200);
}

TEST(a_walk_that_finds_no_memory_ends_its_process_and_loses_none)
{
    live_without_memory(walk_without_memory);
}
