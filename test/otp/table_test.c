/* Shared tables: what is put in, changed and found. */
#include "table_support.h"

#include <math.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- the ten-line program */

struct price {
    int64_t cents, asked;
};

static const anqa_table_spec prices = {
    .name = "prices", .named = true, .row_size = sizeof(struct price)};

static void ask_the_price(void *arg)
{
    struct price price;
    anqa_table table = anqa_table_whereis("prices");

    CHECK_STATUS(anqa_table_lookup(table, anqa_key_text("tea"), &price), ANQA_OK);
    CHECK_EQ(price.cents, 250);
}

TEST(what_one_process_puts_in_all_others_find)
{
    anqa_rt *rt = begin();
    anqa_table table;

    CHECK_STATUS(anqa_table_new(&prices, &table), ANQA_OK);
    CHECK_STATUS(
        anqa_table_insert(table, anqa_key_text("tea"), &(struct price){.cents = 250}), ANQA_OK);
    CHECK_EQ(outcome_of(ask_the_price, NULL, NULL, 0), ANQA_REASON_NORMAL);
    end(rt);
}

/* ---------------------------------------------------------------- types */

TEST(a_set_has_one_row_a_key)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, unique_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        put_pair(table, text("k"), 1, 1);
        put_pair(table, text("k"), 2, 3);
        CHECK_EQ(info_of(table).rows, 1);
        CHECK_EQ(pair_at(table, text("k")).b, 3);
    }
    end(rt);
}

/* The rows of a key into which "z", "a" and "z" were put. */
static void check_bag(anqa_table_type type, const char *rows)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(TEXTS(.type = type));

    put_text(table, text("k"), "z");
    put_text(table, text("k"), "a");
    put_text(table, text("k"), "z");
    CHECK_STR(texts_at(table, text("k")), rows);
    end(rt);
}

TEST(a_bag_has_different_rows_a_key_in_the_order_in_which_they_came)
{
    check_bag(ANQA_TABLE_BAG, "z a ");
}

TEST(a_duplicate_bag_has_equal_rows_too)
{
    check_bag(ANQA_TABLE_DUPLICATE_BAG, "z a z ");
}

TEST(an_ordered_set_takes_1_and_1_point_0_for_one_key_and_a_set_does_not)
{
    anqa_rt *rt = begin();
    anqa_table ordered = table_made(PAIRS(.type = ANQA_TABLE_ORDERED_SET));
    anqa_table set = table_made(PAIRS(0));

    put_pair(ordered, number(1), 1, 0);
    put_pair(ordered, anqa_key_double(1.0), 2, 0);
    CHECK_EQ(pair_at(ordered, number(1)).a, 2);
    CHECK_STR(keys_of(ordered, NULL), "1.0 ");
    put_pair(set, number(1), 1, 0);
    put_pair(set, anqa_key_double(1.0), 2, 0);
    CHECK_EQ(pair_at(set, number(1)).a, 1);
    CHECK_EQ(pair_at(set, anqa_key_double(1.0)).a, 2);
    end(rt);
}

TEST(an_ordered_set_has_numbers_by_value_before_strings_byte_by_byte)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(.type = ANQA_TABLE_ORDERED_SET));

    put_pair(table, text("ab"), 0, 0);
    put_pair(table, number(3), 0, 0);
    put_pair(table, text(""), 0, 0);
    put_pair(table, anqa_key_double(2.5), 0, 0);
    put_pair(table, text("abcdefgh2"), 0, 0);
    put_pair(table, number(-7), 0, 0);
    put_pair(table, text("abcdefgh1"), 0, 0);
    put_pair(table, anqa_key_double(-HUGE_VAL), 0, 0);
    put_pair(table, text("Z"), 0, 0);
    CHECK_STR(keys_of(table, NULL), "-inf -7 2.5 3 \"\" \"Z\" \"ab\" \"abcdefgh1\" \"abcdefgh2\" ");
    end(rt);
}

TEST(integers_that_a_double_cannot_hold_are_told_apart_and_ordered)
{
    static const int64_t big = (INT64_C(1) << 53);
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(.type = ANQA_TABLE_ORDERED_SET));

    put_pair(table, number(big + 1), 1, 0);
    put_pair(table, anqa_key_double((double)big), 2, 0);
    put_pair(table, number(INT64_MAX), 3, 0);
    put_pair(table, anqa_key_double(0x1p63), 4, 0);
    put_pair(table, number(INT64_MIN), 5, 0);
    CHECK_STR(keys_of(table, NULL), "-9223372036854775808 9007199254740992.0 9007199254740993 "
                                    "9223372036854775807 9223372036854775808.0 ");
    CHECK_EQ(pair_at(table, number(big)).a, 2);
    CHECK_EQ(pair_at(table, number(big + 1)).a, 1);
    CHECK_EQ(pair_at(table, anqa_key_double(-0x1p63)).a, 5);
    end(rt);
}

TEST(zero_has_no_sign_and_what_is_no_number_is_no_key)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        put_pair(table, anqa_key_double(-0.0), 1, 0);
        CHECK_EQ(pair_at(table, anqa_key_double(0.0)).a, 1);
        CHECK_STATUS(
            anqa_table_insert(table, anqa_key_double(NAN), &(struct pair){0, 0}), ANQA_E_INVALID);
        CHECK(!anqa_table_member(table, anqa_key_double(NAN)));
    }
    end(rt);
}

/* ---------------------------------------------------------------- insert */

TEST(insert_new_leaves_what_is_there)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        CHECK_STATUS(anqa_table_insert_new(table, text("k"), &(struct pair){1, 0}), ANQA_OK);
        CHECK_STATUS(anqa_table_insert_new(table, text("k"), &(struct pair){2, 0}), ANQA_E_EXISTS);
        CHECK_EQ(pair_at(table, text("k")).a, 1);
        CHECK_EQ(info_of(table).rows, 1);
    }
    end(rt);
}

static anqa_table_entry entry(anqa_key key, const char *row)
{
    return (anqa_table_entry){key, anqa_str_of(row)};
}

TEST(insert_all_new_puts_in_all_rows_or_none)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = table_made(TEXTS(.type = *type));
        anqa_table_entry rows[] = {entry(number(1), "one"), entry(number(2), "two")};
        put_text(table, number(2), "old");
        CHECK_STATUS(anqa_table_insert_all_new(table, rows, ANQA_COUNT(rows)), ANQA_E_EXISTS);
        CHECK(!anqa_table_member(table, number(1)));
        CHECK_STR(texts_at(table, number(2)), "old ");
        CHECK_STATUS(anqa_table_delete(table, number(2)), ANQA_OK);
        CHECK_STATUS(anqa_table_insert_all_new(table, rows, ANQA_COUNT(rows)), ANQA_OK);
        CHECK_STR(texts_at(table, number(1)), "one ");
    }
    end(rt);
}

TEST(of_rows_of_a_set_with_the_same_key_insert_all_keeps_the_last)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(TEXTS(0));
    anqa_table_entry rows[] = {entry(number(1), "first"), entry(number(1), "last")};

    CHECK_STATUS(anqa_table_insert_all(table, rows, ANQA_COUNT(rows)), ANQA_OK);
    CHECK_STR(texts_at(table, number(1)), "last ");
    CHECK_STATUS(anqa_table_insert_all(table, rows, 0), ANQA_OK);
    end(rt);
}

TEST(a_list_with_one_bad_row_puts_in_none)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(0));
    struct pair pair = {1, 2};
    anqa_table_entry rows[] = {
        {number(1), {(const char *)&pair, sizeof pair}}, {number(2), {"short", 5}}};

    CHECK_STATUS(anqa_table_insert_all(table, rows, ANQA_COUNT(rows)), ANQA_E_TYPE);
    CHECK_EQ(info_of(table).rows, 0);
    end(rt);
}

TEST(rows_that_are_bytes_have_any_length_and_may_change_it)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, unique_types) {
        anqa_table table = table_made(TEXTS(.type = *type));
        anqa_str row;
        put_text(table, text("k"), "short");
        put_text(table, text("k"), "a good deal longer than it was before");
        put_text(table, text("k"), "");
        CHECK_STATUS(anqa_table_lookup_bytes(table, text("k"), &row), ANQA_OK);
        CHECK_STR(row, "");
        put_text(table, text("k"), "again");
        CHECK_STR(texts_at(table, text("k")), "again ");
        CHECK_EQ(info_of(table).rows, 1);
    }
    end(rt);
}

TEST(a_row_replaces_only_one_that_is_there)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, unique_types) {
        anqa_table table = table_made(TEXTS(.type = *type, .max_rows = 1));
        CHECK_STATUS(
            anqa_table_replace_bytes(table, text("k"), anqa_str_of("x")), ANQA_E_NOT_FOUND);
        CHECK_EQ(info_of(table).rows, 0);
        put_text(table, text("k"), "first");
        CHECK_STATUS(anqa_table_replace_bytes(table, text("k"), anqa_str_of("second")), ANQA_OK);
        CHECK_STATUS(
            anqa_table_replace_bytes(table, text("l"), anqa_str_of("x")), ANQA_E_NOT_FOUND);
        CHECK_STR(texts_at(table, text("k")), "second ");
        CHECK_STATUS(anqa_table_delete(table, text("k")), ANQA_OK);
        CHECK_STATUS(
            anqa_table_replace_bytes(table, text("k"), anqa_str_of("x")), ANQA_E_NOT_FOUND);
    }
    EACH_TYPE (type, bag_types) {
        anqa_table table = table_made(TEXTS(.type = *type));
        put_text(table, text("k"), "x");
        CHECK_STATUS(
            anqa_table_replace_bytes(table, text("k"), anqa_str_of("y")), ANQA_E_UNSUPPORTED);
        CHECK_STR(texts_at(table, text("k")), "x ");
    }
    end(rt);
}

TEST(structs_and_bytes_are_not_mixed_up)
{
    anqa_rt *rt = begin();
    anqa_table pairs = table_made(PAIRS(0)), texts = table_made(TEXTS(0));
    struct pair pair = {1, 2};

    put_text(texts, text("k"), "x");
    CHECK_STATUS(anqa_table_insert(texts, text("k"), &pair), ANQA_E_TYPE);
    CHECK_STATUS(anqa_table_insert_new(texts, text("k"), &pair), ANQA_E_TYPE);
    CHECK_STATUS(anqa_table_lookup(texts, text("k"), &pair), ANQA_E_TYPE);
    CHECK_STATUS(anqa_table_take(texts, text("k"), &pair), ANQA_E_TYPE);
    CHECK_STATUS(anqa_table_insert_bytes(pairs, text("k"), anqa_str_of("x")), ANQA_E_TYPE);
    CHECK_STATUS(anqa_table_replace_bytes(pairs, text("k"), anqa_str_of("x")), ANQA_E_TYPE);
    CHECK_STR(texts_at(texts, text("k")), "x ");
    CHECK_EQ(info_of(pairs).rows, 0);
    end(rt);
}

/* ---------------------------------------------------------------- take out */

TEST(delete_takes_out_all_rows_of_a_key_and_no_others)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = table_made(TEXTS(.type = *type));
        put_text(table, number(1), "a");
        put_text(table, number(2), "b");
        put_text(table, number(2), "c");
        put_text(table, number(3), "d");
        CHECK_STATUS(anqa_table_delete(table, number(2)), ANQA_OK);
        CHECK_STATUS(anqa_table_delete(table, number(2)), ANQA_OK);
        CHECK_EQ(info_of(table).rows, 2);
        CHECK(anqa_table_member(table, number(1)));
        CHECK(!anqa_table_member(table, number(2)));
        CHECK(anqa_table_member(table, number(3)));
    }
    end(rt);
}

TEST(delete_object_takes_out_only_rows_that_are_equal)
{
    anqa_rt *rt = begin();
    anqa_table bag = table_made(TEXTS(.type = ANQA_TABLE_DUPLICATE_BAG));
    anqa_table set = table_made(TEXTS(0));

    put_text(bag, text("k"), "x");
    put_text(bag, text("k"), "y");
    put_text(bag, text("k"), "x");
    CHECK_STATUS(anqa_table_delete_object(bag, text("k"), anqa_str_of("x")), ANQA_OK);
    CHECK_STR(texts_at(bag, text("k")), "y ");
    put_text(set, text("k"), "x");
    CHECK_STATUS(anqa_table_delete_object(set, text("k"), anqa_str_of("xx")), ANQA_OK);
    CHECK_STATUS(anqa_table_delete_object(set, text("k"), anqa_str_of("y")), ANQA_OK);
    CHECK_STR(texts_at(set, text("k")), "x ");
    CHECK_STATUS(anqa_table_delete_object(set, text("k"), anqa_str_of("x")), ANQA_OK);
    CHECK_EQ(info_of(set).rows, 0);
    end(rt);
}

TEST(an_emptied_table_holds_no_more_memory_than_a_new_one)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        uint64_t empty = info_of(table).bytes;
        for (int i = 0; i < 1000; i++)
            put_pair(table, number(i), i, i);
        CHECK(info_of(table).bytes > empty + 1000 * sizeof(struct pair));
        CHECK_STATUS(anqa_table_delete_all_objects(table), ANQA_OK);
        CHECK_EQ(info_of(table).rows, 0);
        CHECK_EQ(info_of(table).bytes, empty);
        put_pair(table, number(7), 7, 7);
        CHECK_EQ(pair_at(table, number(7)).a, 7);
    }
    end(rt);
}

TEST(rows_that_are_taken_out_one_by_one_give_their_memory_back)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        uint64_t empty = info_of(table).bytes, full;
        for (int i = 0; i < 5000; i++)
            put_pair(table, number(i), i, i);
        full = info_of(table).bytes;
        for (int i = 0; i < 5000; i++)
            CHECK_STATUS(anqa_table_delete(table, number(i)), ANQA_OK);
        CHECK_EQ(info_of(table).rows, 0);
        CHECK((info_of(table).bytes - empty) * 50 < full - empty);
    }
    end(rt);
}

TEST(take_gives_a_row_to_the_one_who_takes_it)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, unique_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        struct pair pair;
        put_pair(table, text("k"), 4, 5);
        CHECK_STATUS(anqa_table_take(table, text("k"), &pair), ANQA_OK);
        CHECK_EQ(pair.b, 5);
        CHECK_STATUS(anqa_table_take(table, text("k"), &pair), ANQA_E_NOT_FOUND);
    }
    end(rt);
}

TEST(take_all_gives_all_rows_of_a_key)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, bag_types) {
        anqa_table table = table_made(TEXTS(.type = *type));
        anqa_table_entry *entries;
        size_t count;
        put_text(table, text("k"), "x");
        put_text(table, text("k"), "y");
        put_text(table, text("l"), "z");
        CHECK_STATUS(anqa_table_take_all(table, text("k"), &entries, &count), ANQA_OK);
        CHECK_EQ(count, 2);
        CHECK_STR(entries[0].row, "x");
        CHECK_STR(entries[1].row, "y");
        CHECK_STR(entries[1].key.u.str, "k");
        CHECK_STATUS(anqa_table_take_all(table, text("k"), &entries, &count), ANQA_OK);
        CHECK_EQ(count, 0);
        CHECK_EQ(info_of(table).rows, 1);
    }
    end(rt);
}

/* ---------------------------------------------------------------- elements and counters */

#define A offsetof(struct pair, a)
#define B offsetof(struct pair, b)

TEST(an_element_is_read_and_replaced_alone)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, unique_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        int64_t b = 9;
        put_pair(table, text("k"), 1, 2);
        CHECK_STATUS(anqa_table_update_element(table, text("k"), B, &b, sizeof b), ANQA_OK);
        CHECK_EQ(pair_at(table, text("k")).a, 1);
        CHECK_EQ(pair_at(table, text("k")).b, 9);
        b = 0;
        CHECK_STATUS(anqa_table_lookup_element(table, text("k"), B, &b, sizeof b), ANQA_OK);
        CHECK_EQ(b, 9);
    }
    end(rt);
}

TEST(an_element_lies_at_any_offset)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(TEXTS(0));
    char part[6];

    put_text(table, text("k"), "abcdefghijklmnopqrs");
    CHECK_STATUS(anqa_table_update_element(table, text("k"), 6, "GHIJK", 5), ANQA_OK);
    CHECK_STATUS(anqa_table_update_element(table, text("k"), 18, "S", 1), ANQA_OK);
    CHECK_STR(texts_at(table, text("k")), "abcdefGHIJKlmnopqrS ");
    CHECK_STATUS(anqa_table_lookup_element(table, text("k"), 5, part, sizeof part), ANQA_OK);
    CHECK_STR(anqa_str_make(part, sizeof part), "fGHIJK");
    end(rt);
}

TEST(what_lies_outside_of_a_row_is_refused)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(0));
    int64_t n = 0;

    put_pair(table, text("k"), 1, 2);
    CHECK_STATUS(anqa_table_update_element(table, text("k"), 9, &n, 8), ANQA_E_RANGE);
    CHECK_STATUS(anqa_table_update_element(table, text("k"), SIZE_MAX, &n, 8), ANQA_E_RANGE);
    CHECK_STATUS(anqa_table_lookup_element(table, text("k"), 17, &n, 0), ANQA_E_RANGE);
    CHECK_STATUS(anqa_table_lookup_element(table, text("k"), 9, &n, 8), ANQA_E_RANGE);
    CHECK_STATUS(anqa_table_update_counter(table, text("k"), 16, 1, NULL), ANQA_E_RANGE);
    CHECK_STATUS(anqa_table_update_counter(table, text("k"), 4, 1, NULL), ANQA_E_RANGE);
    CHECK_EQ(pair_at(table, text("k")).b, 2);
    end(rt);
}

TEST(a_counter_gives_its_new_value)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, unique_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        int64_t value;
        put_pair(table, text("k"), 0, 40);
        CHECK_STATUS(anqa_table_update_counter(table, text("k"), B, 2, &value), ANQA_OK);
        CHECK_EQ(value, 42);
        CHECK_STATUS(anqa_table_update_counter(table, text("k"), B, -50, &value), ANQA_OK);
        CHECK_EQ(value, -8);
        CHECK_STATUS(anqa_table_update_counter(table, text("no"), B, 1, &value), ANQA_E_NOT_FOUND);
    }
    end(rt);
}

TEST(a_counter_beyond_its_threshold_is_set)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(0));
    const anqa_table_counter up = {.at = A, .add = 3, .wraps = true, .threshold = 5, .set_to = 1};
    const anqa_table_counter down = {
        .at = B, .add = -3, .wraps = true, .threshold = -5, .set_to = 100};
    int64_t value;

    put_pair(table, text("k"), 2, -2);
    CHECK_STATUS(anqa_table_update_counters(table, text("k"), &up, 1, NULL, &value), ANQA_OK);
    CHECK_EQ(value, 5);
    CHECK_STATUS(anqa_table_update_counters(table, text("k"), &up, 1, NULL, &value), ANQA_OK);
    CHECK_EQ(value, 1);
    CHECK_STATUS(anqa_table_update_counters(table, text("k"), &down, 1, NULL, &value), ANQA_OK);
    CHECK_EQ(value, -5);
    CHECK_STATUS(anqa_table_update_counters(table, text("k"), &down, 1, NULL, &value), ANQA_OK);
    CHECK_EQ(value, 100);
    end(rt);
}

TEST(several_steps_are_done_one_after_the_other_or_none)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(0));
    const anqa_table_counter steps[] = {
        {.at = A, .add = 1}, {.at = B, .add = 10}, {.at = A, .add = 1}};
    const anqa_table_counter last_fails[] = {{.at = A, .add = 1}, {.at = B, .add = INT64_MAX}};
    int64_t values[3];

    put_pair(table, text("k"), 0, 0);
    CHECK_STATUS(anqa_table_update_counters(table, text("k"), steps, 3, NULL, values), ANQA_OK);
    CHECK_EQ(values[0], 1);
    CHECK_EQ(values[1], 10);
    CHECK_EQ(values[2], 2);
    CHECK_EQ(pair_at(table, text("k")).a, 2);
    CHECK_STATUS(
        anqa_table_update_counters(table, text("k"), last_fails, 2, NULL, NULL), ANQA_E_RANGE);
    CHECK_EQ(pair_at(table, text("k")).a, 2);
    CHECK_EQ(pair_at(table, text("k")).b, 10);
    end(rt);
}

TEST(a_counter_that_is_not_there_begins_with_the_initial_row)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, unique_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        const anqa_table_counter step = {.at = A, .add = 1};
        const struct pair initial = {10, 20};
        int64_t value;
        for (int64_t i = 1; i <= 2; i++) {
            CHECK_STATUS(
                anqa_table_update_counters(table, text("k"), &step, 1, &initial, &value), ANQA_OK);
            CHECK_EQ(value, 10 + i);
        }
        CHECK_EQ(pair_at(table, text("k")).b, 20);
    }
    end(rt);
}

TEST(at_most_sixteen_steps_are_done_at_once)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(PAIRS(0));
    anqa_table_counter steps[ANQA_TABLE_COUNTERS_MAX + 1] = {{0}};

    put_pair(table, text("k"), 1, 2);
    CHECK_STATUS(
        anqa_table_update_counters(table, text("k"), steps, ANQA_TABLE_COUNTERS_MAX, NULL, NULL),
        ANQA_OK);
    CHECK_STATUS(anqa_table_update_counters(table, text("k"), steps, ANQA_COUNT(steps), NULL, NULL),
        ANQA_E_LIMIT);
    end(rt);
}

TEST(rows_of_bags_are_not_changed_in_place)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, bag_types) {
        anqa_table table = table_made(PAIRS(.type = *type));
        struct pair pair = {3, 4};
        put_pair(table, text("k"), 1, 2);
        CHECK_STATUS(anqa_table_update_counter(table, text("k"), A, 1, NULL), ANQA_E_UNSUPPORTED);
        CHECK_STATUS(anqa_table_update_element(table, text("k"), A, &pair, 8), ANQA_E_UNSUPPORTED);
        CHECK_STATUS(anqa_table_take(table, text("k"), &pair), ANQA_E_UNSUPPORTED);
        CHECK_EQ(pair_at(table, text("k")).a, 1);
    }
    end(rt);
}

/* ---------------------------------------------------------------- limits */

TEST(a_table_is_not_filled_beyond_its_rows)
{
    anqa_rt *rt = begin();

    EACH_TYPE (type, all_types) {
        anqa_table table = table_made(TEXTS(.type = *type, .max_rows = 2));
        anqa_table_entry rows[] = {entry(number(1), "one"), entry(number(3), "three")};
        put_text(table, number(1), "a");
        CHECK_STATUS(
            anqa_table_insert_all(table, (anqa_table_entry[]){rows[1], entry(number(4), "")}, 2),
            ANQA_E_LIMIT);
        CHECK_EQ(info_of(table).rows, 1);
        put_text(table, number(2), "b");
        CHECK_STATUS(anqa_table_insert_bytes(table, number(3), anqa_str_of("c")), ANQA_E_LIMIT);
        CHECK_STATUS(anqa_table_delete(table, number(1)), ANQA_OK);
        put_text(table, number(3), "c");
    }
    end(rt);
}

TEST(in_a_full_set_rows_are_still_replaced)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(TEXTS(.max_rows = 1));

    put_text(table, number(1), "a");
    put_text(table, number(1), "longer");
    CHECK_STR(texts_at(table, number(1)), "longer ");
    end(rt);
}

TEST(a_table_is_not_filled_beyond_its_bytes)
{
    anqa_rt *rt = begin();
    uint64_t empty = info_of(table_made(TEXTS(0))).bytes;

    EACH_TYPE (type, all_types) {
        anqa_table table = table_made(TEXTS(.type = *type, .max_bytes = empty + 4000));
        anqa_status status = ANQA_OK;
        int64_t n = 0;
        while (status == ANQA_OK)
            status = anqa_table_insert_bytes(table, number(n++), anqa_str_of("a row"));
        CHECK_STATUS(status, ANQA_E_LIMIT);
        CHECK(n > 20);
        CHECK(info_of(table).bytes <= empty + 4000 + 16 * (uint64_t)n);
        CHECK_EQ(info_of(table).rows, n - 1);
    }
    end(rt);
}

TEST(keys_and_rows_that_are_too_long_are_refused)
{
    anqa_rt *rt = begin();
    anqa_table table = table_made(TEXTS(0));
    char *bytes = calloc(1, ANQA_TABLE_ROW_MAX + 1);
    anqa_str row = {bytes, ANQA_TABLE_ROW_MAX}, found;

    CHECK(bytes != NULL);
    memset(bytes, 'x', ANQA_TABLE_ROW_MAX);
    CHECK_STATUS(
        anqa_table_insert_bytes(table, anqa_key_str(anqa_str_make(bytes, ANQA_TABLE_KEY_MAX)), row),
        ANQA_OK);
    CHECK_STATUS(anqa_table_lookup_bytes(
                     table, anqa_key_str(anqa_str_make(bytes, ANQA_TABLE_KEY_MAX)), &found),
        ANQA_OK);
    CHECK(anqa_str_eq(found, row));
    CHECK_STATUS(anqa_table_insert_bytes(
                     table, anqa_key_str(anqa_str_make(bytes, ANQA_TABLE_KEY_MAX + 1)), row),
        ANQA_E_RANGE);
    row.len++;
    CHECK_STATUS(anqa_table_insert_bytes(table, number(1), row), ANQA_E_RANGE);
    CHECK_EQ(info_of(table).rows, 1);
    free(bytes);
    end(rt);
}

TEST(a_table_of_larger_structs_than_there_may_be_is_not_made)
{
    anqa_rt *rt = begin();
    anqa_table_spec spec = {.name = "large", .row_size = ANQA_TABLE_ROW_MAX + 1};
    anqa_table table;

    CHECK_STATUS(anqa_table_new(&spec, &table), ANQA_E_RANGE);
    end(rt);
}

/* ---------------------------------------------------------------- memory */

static const anqa_table_type *life_type;

static void live(void *state)
{
    anqa_table_spec spec = {
        .name = "life", .named = true, .type = *life_type, .row_size = sizeof(struct pair)};
    struct pair pair = {1, 2};
    anqa_table_entry rows[40];
    anqa_table table;
    anqa_status status = anqa_table_new(&spec, &table);
    bool all;

    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
    if (status != ANQA_OK)
        return;
    for (size_t i = 0; i < ANQA_COUNT(rows); i++)
        rows[i] = (anqa_table_entry){number((int64_t)i), {(const char *)&pair, sizeof pair}};
    status = anqa_table_insert_all(table, rows, ANQA_COUNT(rows));
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
    all = status == ANQA_OK;
    CHECK_EQ(info_of(table).rows, all ? ANQA_COUNT(rows) : 0);
    status = anqa_table_insert(table, text("one more"), &pair);
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
    CHECK_EQ(anqa_table_member(table, text("one more")), status == ANQA_OK);
    status = anqa_table_rename(table, "after");
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
    CHECK_EQ(anqa_table_is_none(anqa_table_whereis("after")), status != ANQA_OK);
    status = anqa_table_delete_all_objects(table);
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
    CHECK_EQ(info_of(table).rows == 0, status == ANQA_OK || !all);
}

TEST(without_memory_calls_fail_and_leave_the_table_as_it_was)
{
    EACH_TYPE (type, all_types) {
        life_type = type;
        live_without_memory(live);
    }
}
