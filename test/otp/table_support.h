/*
 * What the tests of shared tables have in common: rows that are two numbers, and steps that must succeed.
 */
#ifndef TEST_OTP_TABLE_SUPPORT_H
#define TEST_OTP_TABLE_SUPPORT_H

#include "support.h"

struct pair {
    int64_t a, b;
};

#define PAIRS(...) \
    ((anqa_table_spec){.name = "pairs", .row_size = sizeof(struct pair), __VA_ARGS__})
#define TEXTS(...) ((anqa_table_spec){.name = "texts", __VA_ARGS__})

static const anqa_table_type all_types[] = {
    ANQA_TABLE_SET, ANQA_TABLE_ORDERED_SET, ANQA_TABLE_BAG, ANQA_TABLE_DUPLICATE_BAG};
static const anqa_table_type unique_types[] = {ANQA_TABLE_SET, ANQA_TABLE_ORDERED_SET};
static const anqa_table_type bag_types[] = {ANQA_TABLE_BAG, ANQA_TABLE_DUPLICATE_BAG};

#define EACH_TYPE(type, types) \
    for (const anqa_table_type *type = (types); type < (types) + ANQA_COUNT(types); type++)

static inline anqa_table table_made(anqa_table_spec spec)
{
    anqa_table table;

    CHECK_STATUS(anqa_table_new(&spec, &table), ANQA_OK);
    return table;
}

static inline void put_pair(anqa_table table, anqa_key key, int64_t a, int64_t b)
{
    CHECK_STATUS(anqa_table_insert(table, key, &(struct pair){a, b}), ANQA_OK);
}

static inline void put_text(anqa_table table, anqa_key key, const char *text)
{
    CHECK_STATUS(anqa_table_insert_bytes(table, key, anqa_str_of(text)), ANQA_OK);
}

static inline struct pair pair_at(anqa_table table, anqa_key key)
{
    struct pair pair;

    CHECK_STATUS(anqa_table_lookup(table, key, &pair), ANQA_OK);
    return pair;
}

static inline anqa_table_info info_of(anqa_table table)
{
    anqa_table_info info;

    CHECK_STATUS(anqa_table_get_info(table, &info), ANQA_OK);
    return info;
}

/* The rows of a key, which are texts, with a blank behind each. */
static inline const char *texts_at(anqa_table table, anqa_key key)
{
    const char *texts = "";
    anqa_table_entry *entries;
    size_t count;

    CHECK_STATUS(anqa_table_lookup_all(table, key, &entries, &count), ANQA_OK);
    for (size_t i = 0; i < count; i++)
        texts = anqa_tmp_printf("%s%.*s ", texts, ANQA_FMT(entries[i].row));
    return texts;
}

static inline const char *key_text(anqa_key key)
{
    if (key.kind == ANQA_KEY_STR)
        return anqa_tmp_printf("\"%.*s\"", ANQA_FMT(key.u.str));
    if (key.kind == ANQA_KEY_INT)
        return anqa_tmp_printf("%lld", (long long)key.u.integer);
    return anqa_tmp_printf("%.1f", key.u.real);
}

/* The keys of the rows that a query accepts, with a blank behind each. */
static inline const char *keys_of(anqa_table table, const anqa_table_query *query)
{
    const char *keys = "";
    anqa_table_entry *entries;
    size_t count;

    CHECK_STATUS(anqa_table_select(table, query, NULL, &entries, &count), ANQA_OK);
    for (size_t i = 0; i < count; i++)
        keys = anqa_tmp_printf("%s%s ", keys, key_text(entries[i].key));
    return keys;
}

static inline anqa_key number(int64_t n)
{
    return anqa_key_int(n);
}

static inline anqa_key text(const char *key)
{
    return anqa_key_text(key);
}

#endif
