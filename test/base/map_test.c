#include "harness.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

/* The model: key i has the value model[i], or none. */
#define KEYS 3000

static char values[KEYS]; /* values[i] is an address to point to */
static void *model[KEYS];
static char names[KEYS][24];

/* Few distinct low bits in some, as ids have that were shifted into place. */
static uint64_t number(size_t i)
{
    return i % 3 == 0 ? (uint64_t)i << 40 : i % 3 == 1 ? (uint64_t)i << 12 : i;
}

static void name_all(void)
{
    for (size_t i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "%s%zu", i % 2 ? "room:" : "", i);
}

TEST(a_map_of_numbers_agrees_with_a_simple_model)
{
    struct map_u64 map = {0};
    size_t count = 0;

    for (int step = 0; step < 200000; step++) {
        size_t i = harness_random() % KEYS;
        void *value = &values[harness_random() % KEYS], *old = &map;
        /* Phases of growing and shrinking, so that all fill levels are met. */
        if (harness_random() % 100 < (step / 20000 % 2 ? 30u : 60u)) {
            CHECK_STATUS(map_u64_put(&map, number(i), value, &old), ANQA_OK);
            CHECK_EQ(old, model[i], "put %zu in step %d", i, step);
            count += model[i] == NULL;
            model[i] = value;
        } else {
            CHECK_EQ(map_u64_remove(&map, number(i)), model[i], "remove %zu in step %d", i, step);
            count -= model[i] != NULL;
            model[i] = NULL;
        }
        CHECK_EQ(map.count, count);
        i = harness_random() % KEYS;
        CHECK_EQ(map_u64_get(&map, number(i)), model[i], "get %zu in step %d", i, step);
    }
    for (size_t i = 0; i < KEYS; i++)
        CHECK_EQ(map_u64_get(&map, number(i)), model[i], "get %zu in the end", i);
    map_u64_done(&map);
}

TEST(a_map_of_strings_agrees_with_a_simple_model)
{
    struct map_str map = {0};
    size_t count = 0;

    name_all();
    for (int step = 0; step < 200000; step++) {
        size_t i = harness_random() % KEYS;
        void *value = &values[harness_random() % KEYS], *old = &map;
        if (harness_random() % 100 < (step / 20000 % 2 ? 30u : 60u)) {
            CHECK_STATUS(map_str_put(&map, anqa_str_of(names[i]), value, &old), ANQA_OK);
            CHECK_EQ(old, model[i], "put %zu in step %d", i, step);
            count += model[i] == NULL;
            model[i] = value;
        } else {
            CHECK_EQ(map_str_remove(&map, anqa_str_of(names[i])), model[i], "remove %zu in step %d",
                i, step);
            count -= model[i] != NULL;
            model[i] = NULL;
        }
        CHECK_EQ(map.count, count);
        i = harness_random() % KEYS;
        CHECK_EQ(map_str_get(&map, anqa_str_of(names[i])), model[i], "get %zu in step %d", i, step);
    }
    map_str_done(&map);
}

TEST(a_walk_sees_each_entry_once_though_some_are_removed_on_the_way)
{
    for (size_t entries = 0; entries < 400; entries += 7) {
        struct map_u64 map = {0};
        struct map_iter iter = {0};
        unsigned seen[400] = {0};
        size_t left = entries;
        uint64_t key;
        void *value;
        for (size_t i = 0; i < entries; i++)
            CHECK_STATUS(map_u64_put(&map, i, &values[i], NULL), ANQA_OK);
        while (map_u64_next(&map, &iter, &key, &value)) {
            CHECK_EQ((char *)value - values, key);
            seen[key]++;
            if (harness_random() % 2 == 0) {
                CHECK_EQ(map_u64_remove(&map, key), value);
                left--;
            }
        }
        CHECK(!map_u64_next(&map, &iter, &key, &value));
        for (size_t i = 0; i < entries; i++)
            CHECK_EQ(seen[i], 1, "key %zu of %zu", i, entries);
        CHECK_EQ(map.count, left);
        map_u64_done(&map);
    }
}

TEST(a_walk_over_strings_removes_them_all)
{
    struct map_str map = {0};
    struct map_iter iter = {0};
    size_t seen = 0;
    anqa_str key;
    void *value;

    name_all();
    CHECK(!map_str_next(&map, &iter, &key, &value));
    for (size_t i = 0; i < 1000; i++)
        CHECK_STATUS(map_str_put(&map, anqa_str_of(names[i]), names[i], NULL), ANQA_OK);
    for (iter = (struct map_iter){0}; map_str_next(&map, &iter, &key, &value); seen++) {
        CHECK_STR(key, (const char *)value);
        CHECK_EQ(map_str_remove(&map, key), value);
    }
    CHECK_EQ(seen, 1000);
    CHECK_EQ(map.count, 0);
    map_str_done(&map);
}

TEST(keys_may_be_empty_or_hold_any_byte)
{
    struct map_str map;

    CHECK_STATUS(map_str_init(&map, 0), ANQA_OK);
    CHECK(map_str_get(&map, anqa_str_of("")) == NULL);
    CHECK(map_str_remove(&map, anqa_str_of("")) == NULL);
    CHECK_STATUS(map_str_put(&map, (anqa_str){0}, &values[0], NULL), ANQA_OK);
    CHECK_STATUS(map_str_put(&map, anqa_str_make("a\0b", 3), &values[1], NULL), ANQA_OK);
    CHECK_STATUS(map_str_put(&map, anqa_str_make("a\0c", 3), &values[2], NULL), ANQA_OK);
    CHECK_EQ(map_str_get(&map, anqa_str_of("")), &values[0]);
    CHECK_EQ(map_str_get(&map, anqa_str_make("a\0b", 3)), &values[1]);
    CHECK_EQ(map_str_get(&map, anqa_str_make("a\0c", 3)), &values[2]);
    CHECK(map_str_get(&map, anqa_str_of("a")) == NULL);
    map_str_done(&map);
}

TEST(null_is_no_value_and_a_key_of_4_gb_is_refused)
{
    struct map_u64 numbers = {0};
    struct map_str strings = {0};

    CHECK_STATUS(map_u64_put(&numbers, 1, NULL, NULL), ANQA_E_INVALID);
    CHECK_STATUS(map_str_put(&strings, anqa_str_of("a"), NULL, NULL), ANQA_E_INVALID);
    CHECK_STATUS(map_str_put(&strings, anqa_str_make("a", (size_t)UINT32_MAX + 1), values, NULL),
        ANQA_E_LIMIT);
    CHECK_EQ(numbers.count + strings.count, 0);
    CHECK(map_u64_remove(&numbers, 1) == NULL);
}

TEST(expected_entries_go_in_without_growing)
{
    for (size_t expected = 1; expected < 500; expected += 3) {
        struct map_u64 map;
        size_t mask;
        CHECK_STATUS(map_u64_init(&map, expected), ANQA_OK);
        mask = map.mask;
        for (size_t i = 0; i < expected; i++)
            CHECK_STATUS(map_u64_put(&map, i, values, NULL), ANQA_OK);
        CHECK_EQ(map.mask, mask, "%zu entries", expected);
        map_u64_done(&map);
    }
    CHECK_STATUS(map_u64_init(&(struct map_u64){0}, SIZE_MAX), ANQA_E_NOMEM);
    CHECK_STATUS(map_str_init(&(struct map_str){0}, SIZE_MAX), ANQA_E_NOMEM);
}

TEST(a_map_that_cannot_grow_stays_as_it_was)
{
    name_all();
    EACH_ALLOC_FAILURE {
        struct map_u64 numbers = {0};
        struct map_str strings = {0};
        size_t in_numbers = 0, in_strings = 0;
        while (in_numbers < 100 &&
               map_u64_put(&numbers, in_numbers, &values[in_numbers], NULL) == ANQA_OK)
            in_numbers++;
        while (in_strings < 100 && map_str_put(&strings, anqa_str_of(names[in_strings]),
                                       names[in_strings], NULL) == ANQA_OK)
            in_strings++;
        CHECK_EQ(numbers.count, in_numbers);
        CHECK_EQ(strings.count, in_strings);
        for (size_t i = 0; i < in_numbers; i++)
            CHECK_EQ(map_u64_get(&numbers, i), &values[i]);
        for (size_t i = 0; i < in_strings; i++)
            CHECK_EQ(map_str_get(&strings, anqa_str_of(names[i])), names[i]);
        map_u64_done(&numbers);
        map_str_done(&strings);
    }
}
