/*
 * Any bytes as JSON. What must hold:
 *  - nothing is read outside of the bytes, checked or not (AddressSanitizer watches);
 *  - text that was checked can be read to its last part, and what the writer makes of it checks and means the same;
 *  - an index finds the same as the object;
 *  - the bytes split in three anywhere are UTF-8 exactly if the whole is.
 */
#include <anqa/json.h>

#include "base/json_walk.h"
#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static bool inside(anqa_json part, anqa_json whole)
{
    return part.len != 0 && part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static void ask_scalar(anqa_arena *arena, anqa_json json)
{
    anqa_str str;
    int64_t i;
    uint64_t u;
    double d;
    bool b;

    if (anqa_json_to_str(arena, json, &str) == ANQA_OK)
        require(str.len + 2 <= json.len);
    if (anqa_json_to_int(json, &i) == ANQA_OK)
        require(anqa_json_to_double(json, &d) == ANQA_OK && d == (double)i);
    if (anqa_json_to_uint(json, &u) == ANQA_OK)
        require(anqa_json_to_double(json, &d) == ANQA_OK && d == (double)u);
    if (anqa_json_to_bool(json, &b) == ANQA_OK)
        require(anqa_json_type_of(json) == ANQA_JSON_IS_BOOL);
    if (anqa_json_is_str(json, anqa_str_of("a\nb")))
        require(anqa_json_to_str(arena, json, &str) == ANQA_OK && anqa_str_is(str, "a\nb"));
}

/* The bytes as they are, checked or not. */
static void ask(anqa_arena *arena, anqa_json json, unsigned depth)
{
    anqa_json_iter it = anqa_json_each(json);
    anqa_json value;

    ask_scalar(arena, json);
    if (anqa_json_get(json, "a", &value) == ANQA_OK)
        require(inside(value, json));
    if (anqa_json_at(json, 1, &value) == ANQA_OK)
        require(inside(value, json));
    if (anqa_json_find(json, "/a/0", &value) == ANQA_OK)
        require(inside(value, json));
    while (anqa_json_next(&it)) {
        require(inside(it.value, json));
        require(it.close != '}' || inside(it.key, json));
        if (depth < 8)
            ask(arena, it.value, depth + 1);
    }
}

static void index_agrees(anqa_arena *arena, anqa_json object)
{
    const anqa_json_index *index;
    anqa_json_iter it = anqa_json_each(object);

    require(anqa_json_index_new(arena, object, &index) == ANQA_OK);
    for (size_t i = 0; i < 16 && anqa_json_next(&it); i++) {
        anqa_str key;
        anqa_json walked, indexed;
        require(anqa_json_to_str(arena, it.key, &key) == ANQA_OK);
        require(anqa_json_get_named(object, key, &walked) == ANQA_OK);
        require(anqa_json_index_get(index, key, &indexed) == ANQA_OK);
        require(walked.ptr == indexed.ptr && walked.len == indexed.len);
    }
}

static void survives_writing(anqa_arena *arena, anqa_json json, bool html)
{
    anqa_json_writer w;
    anqa_json again, third;
    char *fixed;

    anqa_json_writer_init(&w, arena, 0);
    if (html)
        anqa_json_writer_html(&w);
    require(json_rewrite(&w, arena, json) == ANQA_OK);
    require(anqa_json_writer_finish(&w, &again) == ANQA_OK);
    require(anqa_json_check(anqa_json_text(again), &(anqa_json_limits){.max_bytes = SIZE_MAX},
                NULL) == ANQA_OK);
    require(json_same(arena, json, again));
    require(!html || memchr(again.ptr, '<', again.len) == NULL);

    fixed = malloc(again.len); /* room for exactly this */
    require(fixed != NULL);
    anqa_json_writer_init_fixed(&w, fixed, again.len);
    if (html)
        anqa_json_writer_html(&w);
    require(json_rewrite(&w, arena, again) == ANQA_OK);
    require(anqa_json_writer_finish(&w, &third) == ANQA_OK);
    require(anqa_str_eq(anqa_json_text(again), anqa_json_text(third)));
    free(fixed);
}

static void utf8_splits_agree(const char *bytes, size_t len)
{
    bool whole = utf8_valid(bytes, len);

    for (size_t i = 0; i < 8; i++) {
        size_t first = len * i / 8, second = first + (len - first) * (i + 1) / 9;
        struct utf8 u = {0};
        utf8_feed(&u, bytes, first);
        utf8_feed(&u, bytes + first, second - first);
        utf8_feed(&u, bytes + second, len - second);
        require(utf8_may_end(&u) == whole);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_str text = anqa_str_make((const char *)data, size);
    anqa_json json;
    anqa_arena arena = {0};
    anqa_error err = {0};

    utf8_splits_agree(text.ptr, size);
    ask(&arena, anqa_json_of(text), 0);
    if (anqa_json_parse(text, NULL, &json, &err) == ANQA_OK) {
        require(utf8_valid(text.ptr, size));
        survives_writing(&arena, json, false);
        survives_writing(&arena, json, true);
        if (anqa_json_type_of(json) == ANQA_JSON_IS_OBJECT)
            index_agrees(&arena, json);
    } else {
        require(err.text[0] != '\0');
    }
    anqa_arena_done(&arena);
    return 0;
}
