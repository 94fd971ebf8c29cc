#include <anqa/json.h>

#include "harness.h"

#include <stdio.h>

static anqa_json of(const char *text)
{
    return anqa_json_of(anqa_str_of(text));
}

static void check_field(const anqa_json_index *index, const char *key, const char *want)
{
    anqa_json value = ANQA_JSON_EMPTY_ARRAY;

    CHECK_STATUS(anqa_json_index_get(index, anqa_str_of(key), &value),
        want != NULL ? ANQA_OK : ANQA_E_NOT_FOUND, "%s", key);
    CHECK_STR(anqa_json_text(value), want != NULL ? want : "[]", "%s", key);
}

TEST(json_index_answers_as_the_object_does)
{
    anqa_arena arena = {0};
    const anqa_json_index *index = NULL;

    CHECK_STATUS(anqa_json_index_new(
                     &arena, of("{\"a\":1,\"b\\n\":[2],\"\":{},\"a\":3,\"\\u0062\\n\":4}"), &index),
        ANQA_OK);
    CHECK_EQ(anqa_json_index_count(index), 3);
    check_field(index, "a", "1");
    check_field(index, "b\n", "[2]");
    check_field(index, "", "{}");
    check_field(index, "b", NULL);
    check_field(index, "b\\n", NULL);
    CHECK_STATUS(anqa_json_index_new(&arena, of("{}"), &index), ANQA_OK);
    CHECK_EQ(anqa_json_index_count(index), 0);
    check_field(index, "", NULL);
    anqa_arena_done(&arena);
}

TEST(json_index_is_made_of_objects_only)
{
    anqa_arena arena = {0};
    const anqa_json_index *index = NULL;

    CHECK_STATUS(anqa_json_index_new(&arena, of("[1]"), &index), ANQA_E_TYPE);
    CHECK_STATUS(anqa_json_index_new(&arena, of("{\"a\":1"), &index), ANQA_E_PARSE);
    CHECK_STATUS(anqa_json_index_new(&arena, of("{\"\\q\":1}"), &index), ANQA_E_PARSE);
    CHECK(index == NULL);
    anqa_arena_done(&arena);
}

TEST(json_index_finds_each_of_many_fields)
{
    anqa_arena arena = {0};
    anqa_json_writer w;
    anqa_json object, value;
    const anqa_json_index *index = NULL;
    char key[32];

    anqa_json_writer_init(&w, &arena, 0);
    anqa_json_begin_object(&w);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "field \t%d", i);
        anqa_json_key(&w, key);
        anqa_json_put_int(&w, i);
    }
    anqa_json_end_object(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &object), ANQA_OK);
    CHECK_STATUS(anqa_json_index_new(&arena, object, &index), ANQA_OK);
    CHECK_EQ(anqa_json_index_count(index), 5000);
    for (int i = 0; i < 5001; i++) {
        int64_t n;
        snprintf(key, sizeof key, "field \t%d", i);
        CHECK_STATUS(anqa_json_index_get(index, anqa_str_of(key), &value),
            i < 5000 ? ANQA_OK : ANQA_E_NOT_FOUND);
        if (i < 5000)
            CHECK(anqa_json_to_int(value, &n) == ANQA_OK && n == i);
    }
    anqa_arena_done(&arena);
}

TEST(json_index_reports_every_failed_allocation)
{
    EACH_ALLOC_FAILURE {
        anqa_arena arena = {0};
        const anqa_json_index *index = NULL;
        anqa_status s = anqa_json_index_new(&arena, of("{\"a\\n\":1,\"b\\n\":2}"), &index);

        CHECK(s == ANQA_OK || s == ANQA_E_NOMEM);
        CHECK_EQ(s == ANQA_OK, index != NULL);
        anqa_arena_done(&arena);
    }
}
