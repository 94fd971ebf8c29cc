/* Faults in calls of shared tables: who hands in a wild pointer ends, and the table is in order. */
#include <anqa/process.h>
#include <anqa/runtime.h>
#include <anqa/table.h>

#include "harness.h"

/* The compiler must not know it. */
static volatile uintptr_t wild = 16;
static anqa_table table;

static void insert_wild(void *state)
{
    CHECK_STATUS(anqa_table_insert(table, anqa_key_int(1), (const void *)wild), ANQA_OK);
}

static void insert_wild_key(void *state)
{
    int64_t row = 2;

    CHECK_STATUS(anqa_table_insert(table, anqa_key_str(anqa_str_make((const char *)wild, 8)), &row),
        ANQA_OK);
}

static void insert_wild_in_a_list(void *state)
{
    int64_t row = 2;
    const anqa_table_entry entries[] = {{anqa_key_int(1), {(const char *)&row, sizeof row}},
        {anqa_key_int(2), {(const char *)wild, sizeof row}}};

    CHECK_STATUS(anqa_table_insert_all(table, entries, ANQA_COUNT(entries)), ANQA_OK);
}

static void update_wild(void *state)
{
    CHECK_STATUS(
        anqa_table_update_element(table, anqa_key_int(1), 0, (const void *)wild, 8), ANQA_OK);
}

static void look_up_into_the_wild(void *state)
{
    CHECK_STATUS(anqa_table_lookup(table, anqa_key_int(1), (void *)wild), ANQA_OK);
}

static bool match_wild(const anqa_table_entry *entry, void *arg)
{
    return *(const volatile bool *)wild;
}

static void delete_wild(void *state)
{
    CHECK_STATUS(
        anqa_table_select_delete(table, &(anqa_table_query){.match = match_wild}, NULL), ANQA_OK);
}

static anqa_reason_kind end_of(void (*run)(void *state))
{
    const anqa_msg *down;
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = run, .monitor = true}, NULL, &ref), ANQA_OK);
    down = anqa_receive_ref(ref, HARNESS_LONG_MS);
    CHECK(down != NULL);
    return anqa_reason_get_kind(down->u.reason);
}

TEST(who_hands_a_wild_pointer_to_a_table_ends_and_the_table_is_in_order)
{
    static void (*const lives[])(void *state) = {insert_wild, insert_wild_key,
        insert_wild_in_a_list, update_wild, look_up_into_the_wild, delete_wild};
    anqa_rt *rt;
    anqa_error err;

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 2}, &rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_table_new(
                     &(anqa_table_spec){
                         .name = "table", .access = ANQA_TABLE_PUBLIC, .row_size = sizeof(int64_t)},
                     &table),
        ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(lives); i++) {
        int64_t row = 1;
        CHECK_STATUS(anqa_table_insert(table, anqa_key_int(1), &row), ANQA_OK);
        CHECK_EQ(end_of(lives[i]), ANQA_REASON_FAULT, "%zu", i);
        CHECK_STATUS(anqa_table_take(table, anqa_key_int(1), &row), ANQA_OK, "%zu", i);
        CHECK_EQ(row, 1);
        CHECK(!anqa_table_member(table, anqa_key_int(2)));
    }
    anqa_detach();
    anqa_stop(rt);
}
