#include <anqa/json.h>

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

static anqa_json of(const char *text)
{
    return anqa_json_of(anqa_str_of(text));
}

static const struct {
    const char *text;
    anqa_json_type type;
    const char *name;
} types[] = {
    {"null", ANQA_JSON_IS_NULL, "null"},
    {"true", ANQA_JSON_IS_BOOL, "bool"},
    {"false", ANQA_JSON_IS_BOOL, "bool"},
    {"0", ANQA_JSON_IS_NUMBER, "number"},
    {"-1", ANQA_JSON_IS_NUMBER, "number"},
    {"\"\"", ANQA_JSON_IS_STRING, "string"},
    {"[]", ANQA_JSON_IS_ARRAY, "array"},
    {"{}", ANQA_JSON_IS_OBJECT, "object"},
    {"", ANQA_JSON_IS_NOTHING, "nothing"},
    {"  ", ANQA_JSON_IS_NOTHING, "nothing"},
    {"x", ANQA_JSON_IS_NOTHING, "nothing"},
    {" \n[ ]", ANQA_JSON_IS_ARRAY, "array"},
};

TEST(json_type_is_told_by_the_first_character)
{
    for (size_t i = 0; i < ANQA_COUNT(types); i++) {
        CHECK_EQ(anqa_json_type_of((anqa_json){types[i].text, strlen(types[i].text)}),
            types[i].type, "%s", types[i].text);
        CHECK_STR(anqa_json_type_name(types[i].type), types[i].name);
    }
    CHECK_EQ(anqa_json_type_of((anqa_json){0}), ANQA_JSON_IS_NOTHING);
    CHECK_STR(anqa_json_type_name((anqa_json_type)99), "unknown");
    CHECK_STR(anqa_json_text(ANQA_JSON_NULL), "null");
    CHECK_STR(anqa_json_text(ANQA_JSON_FALSE), "false");
    CHECK_STR(anqa_json_text(ANQA_JSON_EMPTY_OBJECT), "{}");
    CHECK_STR(anqa_json_text(ANQA_JSON_EMPTY_ARRAY), "[]");
}

static const struct {
    const char *object, *key;
    anqa_status status;
    const char *value;
} fields[] = {
    {"{\"a\":1}", "a", ANQA_OK, "1"},
    {" { \"a\" : [ 1 , 2 ] , \"b\":2} ", "a", ANQA_OK, "[ 1 , 2 ]"},
    {"{\"x\":{\"a\":1},\"a\":2}", "a", ANQA_OK, "2"},
    {"{\"x\":[\"a\",{\"a\":\"}\"}],\"a\":\"b\"}", "a", ANQA_OK, "\"b\""},
    {"{\"x\":\"\\\"\",\"a\":true}", "a", ANQA_OK, "true"},
    {"{\"x\":\"\\\\\",\"a\":null}", "a", ANQA_OK, "null"},
    {"{\"a\":1,\"a\":2}", "a", ANQA_OK, "1"},
    {"{\"\":1}", "", ANQA_OK, "1"},
    {"{\"\\u0061\":1}", "a", ANQA_OK, "1"},
    {"{\"a\\u0062c\":1}", "abc", ANQA_OK, "1"},
    {"{\"\\ud83d\\ude00\":1}", "\xf0\x9f\x98\x80", ANQA_OK, "1"},
    {"{\"a\\nb\":1,\"a\\\\nb\":2}", "a\\nb", ANQA_OK, "2"},
    {"{\"a\\nb\":1}", "a\nb", ANQA_OK, "1"},
    {"{\"a\\\"b\":1}", "a\"b", ANQA_OK, "1"},
    {"{\"a\\/b\":1}", "a/b", ANQA_OK, "1"},
    {"{\"abc\":1}", "ab", ANQA_E_NOT_FOUND, NULL},
    {"{\"ab\":1}", "abc", ANQA_E_NOT_FOUND, NULL},
    {"{\"\\u0061b\":1}", "a", ANQA_E_NOT_FOUND, NULL},
    {"{\"\\u0061\":1}", "ab", ANQA_E_NOT_FOUND, NULL},
    {"{}", "a", ANQA_E_NOT_FOUND, NULL},
    {"{ }", "a", ANQA_E_NOT_FOUND, NULL},
    {"[1]", "a", ANQA_E_TYPE, NULL},
    {"\"a\"", "a", ANQA_E_TYPE, NULL},
    {"null", "a", ANQA_E_TYPE, NULL},
    {"", "a", ANQA_E_TYPE, NULL},
    {"{", "a", ANQA_E_PARSE, NULL},
    {"{\"b\"", "a", ANQA_E_PARSE, NULL},
    {"{\"b\":", "a", ANQA_E_PARSE, NULL},
    {"{\"b\":1", "a", ANQA_E_PARSE, NULL},
    {"{\"b\":1,", "a", ANQA_E_PARSE, NULL},
    {"{\"b\":1,}", "a", ANQA_E_PARSE, NULL},
    {"{\"b\":1 \"a\":2}", "a", ANQA_E_PARSE, NULL},
    {"{\"b\" 1}", "a", ANQA_E_PARSE, NULL},
    {"{\"b\":[1}", "a", ANQA_E_PARSE, NULL},
    {"{\"b\":\"1}", "a", ANQA_E_PARSE, NULL},
    {"{\"b\":\"1\\", "a", ANQA_E_PARSE, NULL},
    {"{b:1}", "a", ANQA_E_PARSE, NULL},
    {"{\"b\":1}}", "a", ANQA_E_PARSE, NULL},
};

TEST(json_get_finds_fields_by_what_their_names_mean)
{
    for (size_t i = 0; i < ANQA_COUNT(fields); i++) {
        anqa_json value = ANQA_JSON_TRUE;

        CHECK_STATUS(anqa_json_get(of(fields[i].object), fields[i].key, &value), fields[i].status,
            "%s", fields[i].object);
        CHECK_STR(anqa_json_text(value), fields[i].status == ANQA_OK ? fields[i].value : "true",
            "%s", fields[i].object);
    }
}

TEST(json_names_may_hold_nul)
{
    anqa_json object = of("{\"a\\u0000b\":1,\"a\":2}"), value;

    CHECK_STATUS(anqa_json_get_named(object, anqa_str_make("a\0b", 3), &value), ANQA_OK);
    CHECK_STR(anqa_json_text(value), "1");
    CHECK_STATUS(anqa_json_get(object, "a", &value), ANQA_OK);
    CHECK_STR(anqa_json_text(value), "2");
}

TEST(json_iteration_shows_all_in_order)
{
    anqa_json_iter it = anqa_json_each(of("{\"a\":1, \"b\\n\" : [2,3] ,\"a\":\"x\"}"));

    CHECK(anqa_json_next(&it));
    CHECK_STR(anqa_json_text(it.key), "\"a\"");
    CHECK_STR(anqa_json_text(it.value), "1");
    CHECK_EQ(it.index, 0);
    CHECK(anqa_json_next(&it));
    CHECK_STR(anqa_json_text(it.key), "\"b\\n\"");
    CHECK_STR(anqa_json_text(it.value), "[2,3]");
    CHECK_EQ(it.index, 1);
    CHECK(anqa_json_next(&it));
    CHECK_STR(anqa_json_text(it.value), "\"x\"");
    CHECK(!anqa_json_next(&it));
    CHECK_STATUS(it.status, ANQA_OK);
    CHECK(!anqa_json_next(&it));
    CHECK_STATUS(it.status, ANQA_OK);
}

TEST(json_iteration_tells_why_it_ended)
{
    anqa_json_iter it = anqa_json_each(of("3"));

    CHECK(!anqa_json_next(&it));
    CHECK_STATUS(it.status, ANQA_E_TYPE);
    it = anqa_json_each(of("[1,2"));
    CHECK(anqa_json_next(&it));
    CHECK(anqa_json_next(&it));
    CHECK(!anqa_json_next(&it));
    CHECK_STATUS(it.status, ANQA_E_PARSE);
    it = anqa_json_each(of("[]"));
    CHECK(!anqa_json_next(&it));
    CHECK_STATUS(it.status, ANQA_OK);
}

TEST(json_arrays_have_lengths_and_elements)
{
    anqa_json array = of("[ 10 , \"a,]\" , [1,[2]] , {\"a\":[]} ]"), value = ANQA_JSON_NULL,
              four[4], five[5];
    size_t len = 99;

    CHECK_STATUS(anqa_json_len(array, &len), ANQA_OK);
    CHECK_EQ(len, 4);
    CHECK_STATUS(anqa_json_at(array, 0, &value), ANQA_OK);
    CHECK_STR(anqa_json_text(value), "10");
    CHECK_STATUS(anqa_json_at(array, 3, &value), ANQA_OK);
    CHECK_STR(anqa_json_text(value), "{\"a\":[]}");
    CHECK_STATUS(anqa_json_at(array, 4, &value), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_json_at(of("{}"), 0, &value), ANQA_E_TYPE);
    CHECK_STATUS(anqa_json_at(of("[1 2]"), 1, &value), ANQA_E_PARSE);
    CHECK_STATUS(anqa_json_split(array, four, 4), ANQA_OK);
    CHECK_STR(anqa_json_text(four[1]), "\"a,]\"");
    CHECK_STR(anqa_json_text(four[2]), "[1,[2]]");
    CHECK_STATUS(anqa_json_split(array, four, 3), ANQA_E_RANGE);
    CHECK_STATUS(anqa_json_split(array, five, 5), ANQA_E_RANGE);
    CHECK_STATUS(anqa_json_split(of("{}"), five, 0), ANQA_E_TYPE);
    CHECK_STATUS(anqa_json_split(of("[1,"), five, 1), ANQA_E_PARSE);
    CHECK_STATUS(anqa_json_len(of("{\"a\":1,\"b\":2}"), &len), ANQA_OK);
    CHECK_EQ(len, 2);
    CHECK_STATUS(anqa_json_len(of("1"), &len), ANQA_E_TYPE);
    CHECK_STATUS(anqa_json_len(of("[1,2"), &len), ANQA_E_PARSE);
    CHECK_EQ(len, 2);
}

/* The document of RFC 6901, section 5, and what it says each pointer means; then its errors. */
static const char pointed[] = "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/"
                              "b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,\"k\\\"l\":6,"
                              "\" \":7,\"m~n\":8,\"~1\":9,\"d\":[[1,2],{\"x\":[3]}]}";
static const struct {
    const char *pointer;
    anqa_status status;
    const char *value;
} pointers[] = {
    {"", ANQA_OK, pointed},
    {"/foo", ANQA_OK, "[\"bar\",\"baz\"]"},
    {"/foo/0", ANQA_OK, "\"bar\""},
    {"/", ANQA_OK, "0"},
    {"/a~1b", ANQA_OK, "1"},
    {"/c%d", ANQA_OK, "2"},
    {"/e^f", ANQA_OK, "3"},
    {"/g|h", ANQA_OK, "4"},
    {"/i\\j", ANQA_OK, "5"},
    {"/k\"l", ANQA_OK, "6"},
    {"/ ", ANQA_OK, "7"},
    {"/m~0n", ANQA_OK, "8"},
    {"/~01", ANQA_OK, "9"},
    {"/d/1/x/0", ANQA_OK, "3"},
    {"/d/0/1", ANQA_OK, "2"},
    {"foo", ANQA_E_INVALID, NULL},
    {"/m~n", ANQA_E_INVALID, NULL},
    {"/m~", ANQA_E_INVALID, NULL},
    {"/foo/2", ANQA_E_NOT_FOUND, NULL},
    {"/foo/-", ANQA_E_NOT_FOUND, NULL},
    {"/foo/01", ANQA_E_NOT_FOUND, NULL},
    {"/foo/", ANQA_E_NOT_FOUND, NULL},
    {"/foo/x", ANQA_E_NOT_FOUND, NULL},
    {"/foo/-1", ANQA_E_NOT_FOUND, NULL},
    {"/foo/99999999999999999999999", ANQA_E_NOT_FOUND, NULL},
    {"/bar", ANQA_E_NOT_FOUND, NULL},
    {"/foo/0/a", ANQA_E_TYPE, NULL},
    {"/foo/1e0", ANQA_E_NOT_FOUND, NULL},
};

TEST(json_find_follows_pointers)
{
    char longest[400] = "/~0";

    for (size_t i = 0; i < ANQA_COUNT(pointers); i++) {
        anqa_json value = ANQA_JSON_NULL;

        CHECK_STATUS(anqa_json_find(of(pointed), pointers[i].pointer, &value), pointers[i].status,
            "%s", pointers[i].pointer);
        CHECK_STR(anqa_json_text(value), pointers[i].status == ANQA_OK ? pointers[i].value : "null",
            "%s", pointers[i].pointer);
    }
    memset(longest + 3, 'a', 300);
    CHECK_STATUS(anqa_json_find(of(pointed), longest, &(anqa_json){0}), ANQA_E_LIMIT);
}

static const struct {
    const char *text;
    anqa_status status;
    anqa_str value;
    bool slice;
} strings[] = {
#define S(literal) {literal, sizeof(literal) - 1}
    {"\"\"", ANQA_OK, S(""), true},
    {"\"abc\"", ANQA_OK, S("abc"), true},
    {" \"abc\"\n", ANQA_OK, S("abc"), true},
    {"\"\xc3\xa9\"", ANQA_OK, S("\xc3\xa9"), true},
    {"\"\\u0000\"", ANQA_OK, S("\0"), false},
    {"\"a\\nb\"", ANQA_OK, S("a\nb"), false},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", ANQA_OK, S("\"\\/\b\f\n\r\t"), false},
    {"\"\\u0041\\u00E9\\u20ac\\uD83D\\ude00\\uffff\"", ANQA_OK,
        S("A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf"), false},
    {"\"long enough for eight bytes at a time \\t and behind it again\"", ANQA_OK,
        S("long enough for eight bytes at a time \t and behind it again"), false},
    {"1", ANQA_E_TYPE, S(""), false},
    {"[\"a\"]", ANQA_E_TYPE, S(""), false},
    {"\"", ANQA_E_PARSE, S(""), false},
    {"\"a\"b", ANQA_E_PARSE, S(""), false},
    {"\"\\q\"", ANQA_E_PARSE, S(""), false},
    {"\"\\u12\"", ANQA_E_PARSE, S(""), false},
    {"\"\\ud800\"", ANQA_E_PARSE, S(""), false},
#undef S
};

TEST(json_strings_are_slices_or_decoded)
{
    anqa_arena arena = {0};

    for (size_t i = 0; i < ANQA_COUNT(strings); i++) {
        anqa_json json = {strings[i].text, strlen(strings[i].text)};
        anqa_str value = {NULL, 0};

        CHECK_STATUS(
            anqa_json_to_str(&arena, json, &value), strings[i].status, "%s", strings[i].text);
        CHECK_STR(value, strings[i].value, "%s", strings[i].text);
        CHECK_EQ(value.ptr > json.ptr && value.ptr <= json.ptr + json.len, strings[i].slice, "%s",
            strings[i].text);
        CHECK_EQ(anqa_json_is_str(json, strings[i].value), strings[i].status == ANQA_OK, "%s",
            strings[i].text);
        CHECK(!anqa_json_is_str(json, anqa_str_of("abcd")));
        CHECK_EQ(anqa_json_is_str(json, (anqa_str){0}),
            strings[i].status == ANQA_OK && strings[i].value.len == 0);
    }
    anqa_arena_done(&arena);
}

TEST(json_fields_come_as_c_values)
{
    anqa_json object = of("{\"i\":-5,\"u\":18446744073709551615,\"d\":1.5,\"t\":true,\"f\":false,"
                          "\"s\":\"a\\tb\",\"n\":null}");
    anqa_arena arena = {0};
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    bool b = false;
    anqa_str s = {0};

    CHECK_STATUS(anqa_json_get_int(object, "i", &i), ANQA_OK);
    CHECK_EQ(i, -5);
    CHECK_STATUS(anqa_json_get_int(object, "u", &i), ANQA_E_RANGE);
    CHECK_STATUS(anqa_json_get_int(object, "d", &i), ANQA_E_TYPE);
    CHECK_STATUS(anqa_json_get_int(object, "s", &i), ANQA_E_TYPE);
    CHECK_STATUS(anqa_json_get_int(object, "x", &i), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_json_get_uint(object, "u", &u), ANQA_OK);
    CHECK_EQ(u, UINT64_MAX);
    CHECK_STATUS(anqa_json_get_uint(object, "i", &u), ANQA_E_RANGE);
    CHECK_STATUS(anqa_json_get_double(object, "d", &d), ANQA_OK);
    CHECK(d == 1.5);
    CHECK_STATUS(anqa_json_get_double(object, "n", &d), ANQA_E_TYPE);
    CHECK_STATUS(anqa_json_get_bool(object, "t", &b), ANQA_OK);
    CHECK(b);
    CHECK_STATUS(anqa_json_get_bool(object, "f", &b), ANQA_OK);
    CHECK(!b);
    CHECK_STATUS(anqa_json_get_bool(object, "i", &b), ANQA_E_TYPE);
    CHECK_STATUS(anqa_json_to_bool(of("truely"), &b), ANQA_E_PARSE);
    CHECK_STATUS(anqa_json_get_str(&arena, object, "s", &s), ANQA_OK);
    CHECK_STR(s, "a\tb");
    CHECK_STATUS(anqa_json_get_str(&arena, object, "i", &s), ANQA_E_TYPE);
    anqa_arena_done(&arena);
}

TEST(json_fields_have_a_value_for_otherwise)
{
    anqa_json object = of("{\"i\":-5,\"u\":5,\"d\":1.5,\"t\":true,\"n\":null}");

    CHECK_EQ(anqa_json_int(object, "i", 7), -5);
    CHECK_EQ(anqa_json_int(object, "x", 7), 7);
    CHECK_EQ(anqa_json_int(object, "d", 7), 7);
    CHECK_EQ(anqa_json_uint(object, "u", 7), 5);
    CHECK_EQ(anqa_json_uint(object, "i", 7), 7);
    CHECK(anqa_json_double(object, "d", 2) == 1.5);
    CHECK(anqa_json_double(object, "u", 2) == 5);
    CHECK(anqa_json_double(object, "n", 2) == 2);
    CHECK(anqa_json_bool(object, "t", false));
    CHECK(anqa_json_bool(object, "n", true));
    CHECK_EQ(anqa_json_int(ANQA_JSON_NULL, "i", 7), 7);
    CHECK_EQ(anqa_json_int((anqa_json){0}, "i", 7), 7);
}

/* Containers are skipped in blocks: the end, quotes, escapes and brackets must be seen wherever they fall in one. */
static const char *const inners[] = {
    "", "1", "\"}]\"", "\"\\\"}\"", "\"\\\\\"", "{\"]\":[{}]}", "\"\\\\\\\"[{\",[[]]"};

static void check_end_of(size_t padding, const char *inner, bool in_string)
{
    char text[400];
    anqa_json two[2];
    int len = in_string
                  ? snprintf(text, sizeof text, "[[\"%*s\",[%s]],{}]", (int)padding, "", inner)
                  : snprintf(text, sizeof text, "[[%*s[%s]],{}]", (int)padding, "", inner);
    char *exact = malloc((size_t)len);

    CHECK(exact != NULL);
    memcpy(exact, text, (size_t)len);
    CHECK_STATUS(
        anqa_json_check(anqa_str_make(exact, (size_t)len), NULL, NULL), ANQA_OK, "%s", text);
    CHECK_STATUS(anqa_json_split((anqa_json){exact, (size_t)len}, two, 2), ANQA_OK, "%s", text);
    CHECK(two[0].ptr == exact + 1 && two[0].len == (size_t)len - 5, "%s", text);
    CHECK_STR(anqa_json_text(two[1]), "{}", "%s", text);
    for (int cut = 1; cut < len; cut++) { /* malloc'ed anew so that ASan sees a step over the end */
        char *part = malloc((size_t)cut);
        CHECK(part != NULL);
        memcpy(part, text, (size_t)cut);
        CHECK_STATUS(anqa_json_split((anqa_json){part, (size_t)cut}, two, 2), ANQA_E_PARSE, "%.*s",
            cut, text);
        free(part);
    }
    free(exact);
}

TEST(json_containers_end_where_they_do_at_every_offset)
{
    for (size_t i = 0; i < ANQA_COUNT(inners); i++) {
        for (size_t padding = 0; padding < 140; padding++) {
            check_end_of(padding, inners[i], false);
            check_end_of(padding, inners[i], true);
        }
    }
}

/* Asks everything of a value that may be anything. What is asserted here are bounds: ASan watches the rest. */
static void ask_everything(anqa_json json, const char *from, const char *end)
{
    anqa_arena arena = {0};
    anqa_json_iter it = anqa_json_each(json);
    const anqa_json_index *index;
    anqa_json value;
    anqa_str str;
    int64_t i;
    uint64_t u;
    double d;
    bool b;
    size_t len;

    while (anqa_json_next(&it))
        CHECK(it.value.len != 0 && it.value.ptr >= from && it.value.ptr + it.value.len <= end);
    if (anqa_json_get(json, "a", &value) == ANQA_OK)
        CHECK(value.ptr >= from && value.ptr + value.len <= end);
    if (anqa_json_to_str(&arena, json, &str) == ANQA_OK)
        CHECK(str.len + 2 <= json.len);
    if (anqa_json_index_new(&arena, json, &index) == ANQA_OK)
        CHECK(anqa_json_index_count(index) <= json.len);
    if (anqa_json_len(json, &len) == ANQA_OK)
        CHECK(len <= json.len / 2);
    if (anqa_json_number_text(json, &str) == ANQA_OK)
        CHECK(str.len <= json.len);
    if (anqa_json_to_int(json, &i) == ANQA_OK && i >= 0)
        CHECK_STATUS(anqa_json_to_uint(json, &u), ANQA_OK);
    if (anqa_json_to_double(json, &d) == ANQA_OK)
        CHECK(d - d == 0);
    if (anqa_json_to_bool(json, &b) == ANQA_OK)
        CHECK_EQ(anqa_json_type_of(json), ANQA_JSON_IS_BOOL);
    anqa_arena_done(&arena);
}

TEST(json_readers_stay_inside_of_any_bytes)
{
    static const char alphabet[] = "{}[]\"\\,: \nau0019-+.eEtfn\xc3\xff";

    for (int round = 0; round < 50000; round++) {
        size_t len = harness_random() % 24;
        char *text = malloc(len + 1);

        CHECK(text != NULL);
        for (size_t i = 0; i < len; i++)
            text[i] = alphabet[harness_random() % (sizeof alphabet - 1)];
        text = realloc(text, len == 0 ? 1 : len);
        ask_everything((anqa_json){text, len}, text, text + len);
        free(text);
    }
}

TEST(json_strings_report_a_full_arena)
{
    anqa_arena arena;
    anqa_str str = {NULL, 0};

    anqa_arena_init(&arena, 1);
    CHECK_STATUS(anqa_json_to_str(&arena, of("\"a\\n\""), &str), ANQA_E_NOMEM);
    CHECK_STATUS(anqa_json_to_str(&arena, of("\"a\""), &str), ANQA_OK);
    anqa_arena_done(&arena);
    EACH_ALLOC_FAILURE {
        anqa_arena fresh = {0};
        anqa_status s = anqa_json_to_str(&fresh, of("\"a\\n\""), &str);

        CHECK(s == ANQA_OK || s == ANQA_E_NOMEM);
        anqa_arena_done(&fresh);
    }
}
