#include <anqa/json.h>

#include "base/json_walk.h"
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void write_sample(anqa_json_writer *w)
{
    anqa_json_begin_object(w);
    anqa_json_key(w, "null");
    anqa_json_put_null(w);
    anqa_json_key(w, "list");
    anqa_json_begin_array(w);
    anqa_json_put_bool(w, true);
    anqa_json_put_bool(w, false);
    anqa_json_put_int(w, INT64_MIN);
    anqa_json_put_uint(w, UINT64_MAX);
    anqa_json_put_double(w, 0.5);
    anqa_json_begin_array(w);
    anqa_json_end_array(w);
    anqa_json_end_array(w);
    anqa_json_key_str(w, anqa_str_of("say \"hi\""));
    anqa_json_put_str(w, anqa_str_of("a\tb"));
    anqa_json_key(w, "raw");
    anqa_json_put_raw(w, ANQA_JSON_LITERAL_("{\"x\": 1}"));
    anqa_json_key(w, "none");
    anqa_json_put_raw(w, (anqa_json){0});
    anqa_json_end_object(w);
}

static const char sample[] =
    "{\"null\":null,\"list\":[true,false,-9223372036854775808,18446744073709551615,0.5,[]],"
    "\"say \\\"hi\\\"\":\"a\\tb\",\"raw\":{\"x\": 1},\"none\":null}";

TEST(json_writer_writes_into_each_kind_of_memory)
{
    anqa_arena arena = {0};
    anqa_json_writer w;
    anqa_json json = {0};
    char bytes[256];

    anqa_json_writer_init(&w, &arena, 0);
    write_sample(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_OK);
    CHECK_STR(anqa_json_text(json), sample);
    anqa_json_writer_done(&w);

    anqa_json_writer_init_heap(&w, 0);
    write_sample(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_OK);
    CHECK_STR(anqa_json_text(json), sample);
    anqa_json_writer_reset(&w);
    write_sample(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_OK);
    CHECK_STR(anqa_json_text(json), sample);
    anqa_json_writer_done(&w);
    anqa_json_writer_done(NULL);

    anqa_json_writer_init_fixed(&w, bytes, sizeof bytes);
    write_sample(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_OK);
    CHECK_STR(anqa_json_text(json), sample);
    CHECK(json.ptr == bytes);
    anqa_arena_done(&arena);
}

TEST(json_writer_leaves_earlier_values_in_its_arena)
{
    anqa_arena arena = {0};
    anqa_json_writer w;
    anqa_json first = {0}, second = {0};
    char *between;

    anqa_json_writer_init(&w, &arena, 0);
    write_sample(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &first), ANQA_OK);
    between = anqa_arena_copy(&arena, "between", 7);
    anqa_json_writer_reset(&w);
    write_sample(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &second), ANQA_OK);
    CHECK_STR(anqa_json_text(first), sample);
    CHECK_STR(anqa_json_text(second), sample);
    CHECK_STR(between, "between");
    anqa_arena_done(&arena);
}

TEST(json_writer_grows_beside_others_in_an_arena)
{
    anqa_arena arena = {0};
    anqa_json_writer w;
    anqa_json json = {0};
    size_t len = 0;
    char *marks[200];

    anqa_json_writer_init(&w, &arena, 0);
    anqa_json_begin_array(&w);
    for (size_t i = 0; i < ANQA_COUNT(marks); i++) {
        for (size_t k = 0; k < 40; k++)
            anqa_json_put_uint(&w, i);
        if (i % 7 == 0) /* else the writer's piece stays the newest and grows in place */
            marks[i] = anqa_arena_printf(&arena, "mark %zu", i);
    }
    anqa_json_end_array(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_OK);
    CHECK_STATUS(anqa_json_check(anqa_json_text(json), NULL, NULL), ANQA_OK);
    CHECK_STATUS(anqa_json_len(json, &len), ANQA_OK);
    CHECK_EQ(len, 40 * ANQA_COUNT(marks));
    for (size_t i = 0; i < ANQA_COUNT(marks); i += 7) {
        anqa_json value;
        char text[32];

        snprintf(text, sizeof text, "mark %zu", i);
        CHECK_STR(marks[i], text);
        CHECK_STATUS(anqa_json_at(json, 40 * i, &value), ANQA_OK);
        snprintf(text, sizeof text, "%zu", i);
        CHECK_STR(anqa_json_text(value), text);
    }
    anqa_arena_done(&arena);
}

TEST(json_writer_stops_at_its_limit)
{
    char *bytes;

    for (size_t limit = 1; limit <= sizeof sample; limit++) {
        anqa_status want = limit < sizeof sample - 1 ? ANQA_E_LIMIT : ANQA_OK;
        anqa_json_writer w;
        anqa_json json;

        anqa_json_writer_init_heap(&w, limit);
        write_sample(&w);
        CHECK_STATUS(anqa_json_writer_finish(&w, &json), want, "limit %zu", limit);
        CHECK(w.len <= limit);
        anqa_json_writer_done(&w);
        bytes = malloc(limit); /* of this size, so that ASan sees a step over the end */
        CHECK(bytes != NULL);
        anqa_json_writer_init_fixed(&w, bytes, limit);
        write_sample(&w);
        CHECK_STATUS(anqa_json_writer_finish(&w, &json), want, "limit %zu", limit);
        free(bytes);
    }
}

TEST(json_writer_stops_at_its_depth)
{
    anqa_json_writer w;
    anqa_json json;

    anqa_json_writer_init_heap(&w, 0);
    for (size_t i = 0; i < ANQA_JSON_MAX_DEPTH; i++)
        anqa_json_begin_array(&w);
    for (size_t i = 0; i < ANQA_JSON_MAX_DEPTH; i++)
        anqa_json_end_array(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_OK);
    CHECK_EQ(json.len, 2 * ANQA_JSON_MAX_DEPTH);
    anqa_json_writer_reset(&w);
    for (size_t i = 0; i <= ANQA_JSON_MAX_DEPTH; i++)
        anqa_json_begin_array(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_E_LIMIT);
    anqa_json_writer_done(&w);
}

/* Calls as letters: { } [ ] containers, k a key, 1 a value. */
static const struct {
    const char *calls;
    anqa_status status;
} orders[] = {
    {"1", ANQA_OK},
    {"{}", ANQA_OK},
    {"[]", ANQA_OK},
    {"{k1}", ANQA_OK},
    {"{k1k1}", ANQA_OK},
    {"[1[1]{k[]}1]", ANQA_OK},
    {"", ANQA_E_INVALID},
    {"11", ANQA_E_INVALID},
    {"{}1", ANQA_E_INVALID},
    {"[]{}", ANQA_E_INVALID},
    {"{1}", ANQA_E_INVALID},
    {"{k}", ANQA_E_INVALID},
    {"{kk1}", ANQA_E_INVALID},
    {"{k11}", ANQA_E_INVALID},
    {"[k1]", ANQA_E_INVALID},
    {"k1", ANQA_E_INVALID},
    {"{", ANQA_E_INVALID},
    {"[", ANQA_E_INVALID},
    {"{k[", ANQA_E_INVALID},
    {"}", ANQA_E_INVALID},
    {"]", ANQA_E_INVALID},
    {"[}", ANQA_E_INVALID},
    {"{]", ANQA_E_INVALID},
    {"[]]", ANQA_E_INVALID},
    {"{k1", ANQA_E_INVALID},
    {"{[]}", ANQA_E_INVALID},
    {"{{}}", ANQA_E_INVALID},
    {"{k1}k1", ANQA_E_INVALID},
    {"[1]1", ANQA_E_INVALID},
};

TEST(json_writer_remembers_misuse)
{
    for (size_t i = 0; i < ANQA_COUNT(orders); i++) {
        anqa_json_writer w;
        anqa_json json = {0};

        anqa_json_writer_init_heap(&w, 0);
        for (const char *c = orders[i].calls; *c != '\0'; c++) {
            switch (*c) {
            case '{': anqa_json_begin_object(&w); break;
            case '}': anqa_json_end_object(&w); break;
            case '[': anqa_json_begin_array(&w); break;
            case ']': anqa_json_end_array(&w); break;
            case 'k': anqa_json_key(&w, "k"); break;
            case '1': anqa_json_put_int(&w, 1); break;
            }
        }
        CHECK_STATUS(anqa_json_writer_finish(&w, &json), orders[i].status, "%s", orders[i].calls);
        if (orders[i].status == ANQA_OK)
            CHECK_STATUS(
                anqa_json_check(anqa_json_text(json), NULL, NULL), ANQA_OK, "%s", orders[i].calls);
        anqa_json_writer_done(&w);
    }
}

static void put_str_for_test(
    anqa_json_writer *w, anqa_str str, anqa_status want_status, const char *want)
{
    anqa_json json = {0};

    anqa_json_put_str(w, str);
    CHECK_STATUS(anqa_json_writer_finish(w, &json), want_status, "%s", want);
    if (want_status == ANQA_OK)
        CHECK_STR(anqa_json_text(json), want);
    anqa_json_writer_reset(w);
}

TEST(json_writer_escapes_what_must_be)
{
    anqa_json_writer w;

    anqa_json_writer_init_heap(&w, 0);
    put_str_for_test(&w, anqa_str_make(NULL, 0), ANQA_OK, "\"\"");
    put_str_for_test(&w, anqa_str_make("a\0b", 3), ANQA_OK, "\"a\\u0000b\"");
    put_str_for_test(&w, anqa_str_of("\"\\/\b\f\n\r\t\x01\x1f\x7f"), ANQA_OK,
        "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    put_str_for_test(&w, anqa_str_of("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), ANQA_OK,
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    put_str_for_test(
        &w, anqa_str_of("</script>&\xe2\x80\xa8"), ANQA_OK, "\"</script>&\xe2\x80\xa8\"");
    put_str_for_test(&w, anqa_str_of("a\xff"), ANQA_E_INVALID, "");
    put_str_for_test(&w, anqa_str_of("a\xc3"), ANQA_E_INVALID, "");
    put_str_for_test(&w, anqa_str_of("\xed\xa0\x80"), ANQA_E_INVALID, "");
    anqa_json_writer_done(&w);
}

TEST(json_writer_can_write_for_a_script_element)
{
    anqa_json_writer w;

    anqa_json_writer_init_heap(&w, 0);
    anqa_json_writer_html(&w);
    put_str_for_test(&w, anqa_str_of("</script><!-- &amp; \"\n"), ANQA_OK,
        "\"\\u003c/script\\u003e\\u003c!-- \\u0026amp; \\\"\\n\"");
    put_str_for_test(&w, anqa_str_of("\xe2\x80\xa8-\xe2\x80\xa9-\xe2\x80\xaa"), ANQA_OK,
        "\"\\u2028-\\u2029-\xe2\x80\xaa\"");
    put_str_for_test(&w, anqa_str_of("\xe2\x80"), ANQA_E_INVALID, "");
    put_str_for_test(&w, anqa_str_of("\xe2<"), ANQA_E_INVALID, "");
    anqa_json_writer_done(&w);
}

TEST(json_writer_refuses_what_json_cannot_say)
{
    static const double values[] = {INFINITY, -INFINITY, NAN};
    anqa_json json;

    for (size_t i = 0; i < ANQA_COUNT(values); i++) {
        anqa_json_writer w;

        anqa_json_writer_init_heap(&w, 0);
        anqa_json_put_double(&w, values[i]);
        CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_E_INVALID);
        anqa_json_writer_done(&w);
    }
}

TEST(json_writer_checks_raw_json_in_debug_builds)
{
    anqa_json_writer w;
    anqa_json json;

#ifdef NDEBUG
    SKIP("a build with NDEBUG trusts its callers");
#endif
    anqa_json_writer_init_heap(&w, 0);
    anqa_json_put_raw(&w, ANQA_JSON_LITERAL_("{\"a\":1"));
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_E_INVALID);
    anqa_json_writer_done(&w);
}

TEST(json_writer_reports_every_failed_allocation)
{
    EACH_ALLOC_FAILURE {
        anqa_json_writer w;
        anqa_json json;
        anqa_status s;

        anqa_json_writer_init_heap(&w, 0);
        for (int i = 0; i < 20; i++) {
            if (i == 0)
                anqa_json_begin_array(&w);
            write_sample(&w);
        }
        anqa_json_end_array(&w);
        s = anqa_json_writer_finish(&w, &json);
        CHECK(s == ANQA_OK || s == ANQA_E_NOMEM, "%s", anqa_status_name(s));
        if (s == ANQA_OK)
            CHECK_STATUS(anqa_json_check(anqa_json_text(json), NULL, NULL), ANQA_OK);
        anqa_json_writer_done(&w);
    }
    EACH_ALLOC_FAILURE {
        anqa_arena arena = {0};
        anqa_json_writer w;
        anqa_json json;
        anqa_status s;

        anqa_json_writer_init(&w, &arena, 0);
        anqa_json_begin_array(&w);
        for (int i = 0; i < 200; i++)
            write_sample(&w);
        anqa_json_end_array(&w);
        s = anqa_json_writer_finish(&w, &json);
        CHECK(s == ANQA_OK || s == ANQA_E_NOMEM, "%s", anqa_status_name(s));
        anqa_arena_done(&arena);
    }
}

TEST(json_writer_reports_a_full_arena)
{
    anqa_arena arena;
    anqa_json_writer w;
    anqa_json json;

    anqa_arena_init(&arena, 8192);
    anqa_json_writer_init(&w, &arena, 0);
    anqa_json_begin_array(&w);
    for (int i = 0; i < 200; i++)
        write_sample(&w);
    anqa_json_end_array(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_E_NOMEM);
    anqa_arena_done(&arena);
}
