#include <anqa/json.h>

#include "base/json_walk.h"
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef HAVE_JANSSON
#include <jansson.h>
#endif

/* ---------------------------------------------------------------- random documents */

struct text {
    char ptr[8192];
    size_t len;
};

static size_t pick(size_t count)
{
    return harness_random() % count;
}

static void add(struct text *t, const char *part)
{
    size_t len = strlen(part);

    CHECK(len <= sizeof t->ptr - t->len);
    memcpy(t->ptr + t->len, part, len);
    t->len += len;
}

static void add_blanks(struct text *t)
{
    static const char *const blanks[] = {"", "", "", "", " ", "\n", "\t ", " \r\n"};

    add(t, blanks[pick(ANQA_COUNT(blanks))]);
}

static void add_string(struct text *t)
{
    static const char *const parts[] = {"a", "key", " ", "\\n", "\\\"", "\\\\", "\\/", "\\u0041",
        "\\u00e9", "\\ud83d\\ude00", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "eight by",
        "{[\\\"]}", ",:", "a longer run of plain text", "\\u20AC", "\\b\\f\\r\\t"};

    add(t, "\"");
    for (size_t n = pick(6); n > 0; n--)
        add(t, parts[pick(ANQA_COUNT(parts))]);
    add(t, "\"");
}

static void add_digits(struct text *t, size_t count)
{
    for (; count > 0; count--)
        add(t, (const char[]){(char)('0' + pick(10)), '\0'});
}

static void add_number(struct text *t)
{
    if (pick(3) == 0)
        add(t, "-");
    if (pick(4) == 0) {
        add(t, "0");
    } else {
        add(t, (const char[]){(char)('1' + pick(9)), '\0'});
        add_digits(t, pick(4) == 0 ? pick(25) : pick(5));
    }
    if (pick(3) == 0) {
        add(t, ".");
        add_digits(t, 1 + pick(pick(4) == 0 ? 25 : 4));
    }
    if (pick(4) == 0) {
        static const char *const signs[] = {"e", "E", "e+", "E-", "e-"};
        add(t, signs[pick(ANQA_COUNT(signs))]);
        add_digits(t, 1 + pick(2));
    }
}

static void add_value(struct text *t, size_t depth);

static void add_container(struct text *t, size_t depth, bool object)
{
    add(t, object ? "{" : "[");
    add_blanks(t);
    for (size_t n = pick(5), i = 0; i < n; i++) {
        if (i != 0)
            add(t, ",");
        add_blanks(t);
        if (object) {
            add_string(t);
            add_blanks(t);
            add(t, ":");
            add_blanks(t);
        }
        add_value(t, depth + 1);
        add_blanks(t);
    }
    add(t, object ? "}" : "]");
}

static void add_value(struct text *t, size_t depth)
{
    static const char *const literals[] = {"null", "true", "false"};
    size_t kind = depth >= 5 || t->len > sizeof t->ptr / 2 ? 2 + pick(6) : pick(8);

    switch (kind) {
    case 0: add_container(t, depth, true); break;
    case 1: add_container(t, depth, false); break;
    case 2:
    case 3: add_number(t); break;
    case 4: add(t, literals[pick(3)]); break;
    default: add_string(t); break;
    }
}

static struct text *random_document(void)
{
    static struct text text;

    text.len = 0;
    add_blanks(&text);
    add_container(&text, 0, pick(2) == 0);
    add_blanks(&text);
    return &text;
}

/* ---------------------------------------------------------------- properties */

TEST(json_what_is_written_anew_means_the_same)
{
    for (int round = 0; round < 20000; round++) {
        struct text *t = random_document();
        anqa_arena arena = {0};
        anqa_json_writer w;
        anqa_json json, again;
        anqa_error err = {0};

        CHECK_STATUS(anqa_json_parse(anqa_str_make(t->ptr, t->len), NULL, &json, &err), ANQA_OK,
            "%s in %.*s", err.text, (int)t->len, t->ptr);
        anqa_json_writer_init(&w, &arena, 0);
        CHECK_STATUS(json_rewrite(&w, &arena, json), ANQA_OK, "%.*s", (int)t->len, t->ptr);
        CHECK_STATUS(anqa_json_writer_finish(&w, &again), ANQA_OK, "%.*s", (int)t->len, t->ptr);
        CHECK_STATUS(anqa_json_check(anqa_json_text(again), NULL, NULL), ANQA_OK);
        CHECK(json_same(&arena, json, again), "%.*s\nbecame\n%.*s", (int)t->len, t->ptr,
            (int)again.len, again.ptr);
        anqa_arena_done(&arena);
    }
}

/* An own second opinion: RFC 8259 again, by recursive descent, as slow and as plain as can be. NULL: not accepted. */
static const char *plain_value(const char *p, const char *end);

static const char *plain_blanks(const char *p, const char *end)
{
    while (p < end && memchr(" \t\r\n", *p, 4) != NULL)
        p++;
    return p;
}

static const char *plain_digits(const char *p, const char *end)
{
    const char *from = p;

    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p == from ? NULL : p;
}

static const char *plain_number(const char *p, const char *end)
{
    if (p < end && *p == '-')
        p++;
    p = p < end && *p == '0' ? p + 1 : plain_digits(p, end);
    if (p != NULL && p < end && *p == '.')
        p = plain_digits(p + 1, end);
    if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p = plain_digits(p < end && (*p == '+' || *p == '-') ? p + 1 : p, end);
    }
    return p;
}

static const char *plain_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"';
        p++) { /* documents here are made of whole characters and whole pairs */
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p != '\\')
            continue;
        if (++p == end || memchr("\"\\/bfnrtu", *p, 9) == NULL)
            return NULL;
        for (int i = 0; *p == 'u' && i < 4; i++)
            if (p + 1 + i >= end || strchr("0123456789abcdefABCDEF", p[1 + i]) == NULL ||
                p[1 + i] == '\0')
                return NULL;
    }
    return p < end ? p + 1 : NULL;
}

static const char *plain_list(const char *p, const char *end, bool object)
{
    char close = object ? '}' : ']';

    p = plain_blanks(p + 1, end);
    if (p < end && *p == close)
        return p + 1;
    for (;;) {
        p = plain_blanks(p, end);
        if (object) {
            p = p < end && *p == '"' ? plain_string(p, end) : NULL;
            p = p != NULL ? plain_blanks(p, end) : NULL;
            if (p == NULL || p == end || *p++ != ':')
                return NULL;
        }
        p = plain_value(p, end);
        if (p == NULL || p == end)
            return NULL;
        if (*p == close)
            return p + 1;
        if (*p++ != ',')
            return NULL;
    }
}

static const char *plain_value(const char *p, const char *end)
{
    static const char *const literals[] = {"null", "true", "false"};

    p = plain_blanks(p, end);
    if (p == end)
        return NULL;
    if (*p == '{' || *p == '[')
        p = plain_list(p, end, *p == '{');
    else if (*p == '"')
        p = plain_string(p, end);
    else if (*p == '-' || (*p >= '0' && *p <= '9'))
        p = plain_number(p, end);
    else {
        size_t i = 0;
        while (i < 3 && ((size_t)(end - p) < strlen(literals[i]) ||
                            memcmp(p, literals[i], strlen(literals[i])) != 0))
            i++;
        p = i < 3 ? p + strlen(literals[i]) : NULL;
    }
    return p != NULL ? plain_blanks(p, end) : NULL;
}

/* Changes that keep the text UTF-8 and its surrogate escapes whole: only ASCII outside of \u escapes is touched. */
static void damage(struct text *t)
{
    static const char alphabet[] = "{}[]\",:0-1e.+ tn";

    for (size_t n = 1 + pick(3); n > 0; n--) {
        size_t at = pick(t->len), from = at < 12 ? 0 : at - 12,
               to = at + 1 < t->len ? at + 1 : t->len;
        if (memchr(t->ptr + from, '\\', to - from) != NULL || (signed char)t->ptr[at] < 0)
            continue;
        t->ptr[at] = alphabet[pick(sizeof alphabet - 1)];
    }
}

TEST(json_check_agrees_with_a_plain_parser_on_damaged_documents)
{
    int accepted = 0, rounds = 100000;

    for (int round = 0; round < rounds; round++) {
        struct text *t = random_document();
        bool plain, ours;

        damage(t);
        plain = plain_value(t->ptr, t->ptr + t->len) == t->ptr + t->len;
        ours = anqa_json_check(anqa_str_make(t->ptr, t->len), NULL, NULL) == ANQA_OK;
        CHECK_EQ(ours, plain, "%.*s", (int)t->len, t->ptr);
        accepted += ours;
    }
    CHECK(accepted > rounds / 20 && accepted < rounds * 19 / 20, "%d of %d", accepted, rounds);
}

TEST(json_damaged_documents_are_read_without_a_step_outside)
{
    for (int round = 0; round < 20000; round++) {
        struct text *t = random_document();
        anqa_arena arena = {0};
        const anqa_json_index *index;
        anqa_json_iter it;
        char *copy;

        damage(t);
        copy = malloc(t->len);
        CHECK(copy != NULL);
        memcpy(copy, t->ptr, t->len);
        it = anqa_json_each((anqa_json){copy, t->len});
        while (anqa_json_next(&it)) {
            anqa_str str;
            CHECK(it.value.ptr > copy && it.value.ptr + it.value.len <= copy + t->len);
            if (it.key.len != 0 && anqa_json_to_str(&arena, it.key, &str) == ANQA_OK)
                CHECK(anqa_json_is_str(it.key, str));
        }
        if (anqa_json_index_new(&arena, (anqa_json){copy, t->len}, &index) == ANQA_OK)
            CHECK(anqa_json_index_count(index) <= it.index + 1);
        free(copy);
        anqa_arena_done(&arena);
    }
}

TEST(json_index_agrees_with_asking_the_object)
{
    for (int round = 0; round < 5000; round++) {
        struct text *t = random_document();
        anqa_arena arena = {0};
        anqa_json json = anqa_json_of(anqa_str_make(t->ptr, t->len));
        const anqa_json_index *index;
        anqa_json_iter it = anqa_json_each(json);

        if (anqa_json_index_new(&arena, json, &index) != ANQA_OK) {
            CHECK_EQ(anqa_json_type_of(json), ANQA_JSON_IS_ARRAY);
            continue;
        }
        while (anqa_json_next(&it)) {
            anqa_str key;
            anqa_json walked, indexed;

            CHECK_STATUS(anqa_json_to_str(&arena, it.key, &key), ANQA_OK);
            CHECK_STATUS(anqa_json_get_named(json, key, &walked), ANQA_OK);
            CHECK_STATUS(anqa_json_index_get(index, key, &indexed), ANQA_OK);
            CHECK(walked.ptr == indexed.ptr && walked.len == indexed.len);
        }
        anqa_arena_done(&arena);
    }
}

/* ---------------------------------------------------------------- jansson's opinion */

#ifdef HAVE_JANSSON

static void agree(anqa_arena *arena, anqa_json json, const json_t *theirs);

static void agree_object(anqa_arena *arena, anqa_json json, const json_t *theirs)
{
    anqa_json_iter it = anqa_json_each(json);
    size_t count = 0;

    while (anqa_json_next(&it)) {
        anqa_str key;
        char *name;

        CHECK_STATUS(anqa_json_to_str(arena, it.key, &key), ANQA_OK);
        name = anqa_arena_copy(arena, key.ptr, key.len);
        agree(arena, it.value, json_object_get(theirs, name));
        count++;
    }
    CHECK_STATUS(it.status, ANQA_OK);
    CHECK_EQ(json_object_size(theirs), count);
}

static void agree_array(anqa_arena *arena, anqa_json json, const json_t *theirs)
{
    anqa_json_iter it = anqa_json_each(json);
    size_t count = 0;

    while (anqa_json_next(&it))
        agree(arena, it.value, json_array_get(theirs, count++));
    CHECK_STATUS(it.status, ANQA_OK);
    CHECK_EQ(json_array_size(theirs), count);
}

static void agree(anqa_arena *arena, anqa_json json, const json_t *theirs)
{
    anqa_str str;
    int64_t i;
    double d;
    bool b;

    CHECK(theirs != NULL, "%.*s", (int)json.len, json.ptr);
    switch (json_typeof(theirs)) {
    case JSON_NULL: CHECK_STR(anqa_json_text(json), "null"); break;
    case JSON_TRUE:
    case JSON_FALSE:
        CHECK(anqa_json_to_bool(json, &b) == ANQA_OK && b == json_is_true(theirs));
        break;
    case JSON_INTEGER:
        CHECK(anqa_json_to_int(json, &i) == ANQA_OK && i == json_integer_value(theirs));
        break;
    case JSON_REAL:
        CHECK(anqa_json_to_double(json, &d) == ANQA_OK && d == json_real_value(theirs), "%.*s",
            (int)json.len, json.ptr);
        break;
    case JSON_STRING:
        CHECK_STATUS(anqa_json_to_str(arena, json, &str), ANQA_OK);
        CHECK_STR(str, anqa_str_make(json_string_value(theirs), json_string_length(theirs)));
        break;
    case JSON_ARRAY: agree_array(arena, json, theirs); break;
    case JSON_OBJECT: agree_object(arena, json, theirs); break;
    }
}

/* Where the two are meant to differ: names that are there twice, where jansson keeps the last, are left out by asking it
 * to refuse them; integers beyond 64 bits are an error to jansson and a number to us. */
TEST(json_reader_agrees_with_jansson)
{
    int compared = 0;

    for (int round = 0; round < 20000; round++) {
        struct text *t = random_document();
        anqa_arena arena = {0};
        json_error_t error;
        json_t *theirs;
        anqa_json json;

        if (round % 2 == 1)
            damage(t);
        theirs = json_loadb(t->ptr, t->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
        if (theirs == NULL) {
            enum json_error_code code = json_error_code(&error);
            anqa_status s = anqa_json_check(anqa_str_make(t->ptr, t->len), NULL, NULL);
            CHECK(s == ANQA_E_PARSE || code == json_error_duplicate_key ||
                      code == json_error_numeric_overflow,
                "%s: %.*s", error.text, (int)t->len, t->ptr);
            continue;
        }
        CHECK_STATUS(anqa_json_parse(anqa_str_make(t->ptr, t->len), NULL, &json, NULL), ANQA_OK,
            "%.*s", (int)t->len, t->ptr);
        agree(&arena, json, theirs);
        compared++;
        json_decref(theirs);
        anqa_arena_done(&arena);
    }
    CHECK(compared > 2000, "%d", compared);
}

#else

TEST(json_reader_agrees_with_jansson)
{
    SKIP("libjansson-dev is not installed");
}

#endif
