/**
 * json_walk.h - whole documents: written anew, compared, touched everywhere. For the tests and the fuzz target.
 */
#ifndef TEST_BASE_JSON_WALK_H
#define TEST_BASE_JSON_WALK_H

#include <anqa/json.h>

/** Writes a number by its value: as an integer, else (also -0) as a double, else (1e999) as the text it is. */
static inline void json_rewrite_number(anqa_json_writer *w, anqa_json json)
{
    int64_t i;
    uint64_t u;
    double d;

    if (anqa_json_to_int(json, &i) == ANQA_OK && (i != 0 || json.ptr[0] != '-'))
        anqa_json_put_int(w, i);
    else if (anqa_json_to_uint(json, &u) == ANQA_OK && u != 0)
        anqa_json_put_uint(w, u);
    else if (anqa_json_to_double(json, &d) == ANQA_OK)
        anqa_json_put_double(w, d);
    else
        anqa_json_put_raw(w, json);
}

static inline anqa_status json_rewrite_str(anqa_json_writer *w, anqa_arena *arena, anqa_json json,
    void (*put)(anqa_json_writer *, anqa_str))
{
    anqa_str str;
    anqa_status s = anqa_json_to_str(arena, json, &str);

    if (s == ANQA_OK)
        put(w, str);
    return s;
}

static inline anqa_status json_rewrite(anqa_json_writer *w, anqa_arena *arena, anqa_json json);

static inline anqa_status json_rewrite_inside(
    anqa_json_writer *w, anqa_arena *arena, anqa_json json)
{
    anqa_json_iter it = anqa_json_each(json);

    while (anqa_json_next(&it)) {
        anqa_status s = ANQA_OK;
        if (it.key.len != 0)
            s = json_rewrite_str(w, arena, it.key, anqa_json_key_str);
        if (s == ANQA_OK)
            s = json_rewrite(w, arena, it.value);
        if (s != ANQA_OK)
            return s;
    }
    return it.status;
}

/** Writes a value anew, every part of it read and put. Text must be checked: this goes as deep as it does. */
static inline anqa_status json_rewrite(anqa_json_writer *w, anqa_arena *arena, anqa_json json)
{
    anqa_status s = ANQA_OK;
    bool b;

    switch (anqa_json_type_of(json)) {
    case ANQA_JSON_IS_NOTHING: return ANQA_E_PARSE;
    case ANQA_JSON_IS_NULL: anqa_json_put_null(w); break;
    case ANQA_JSON_IS_BOOL:
        s = anqa_json_to_bool(json, &b);
        if (s == ANQA_OK)
            anqa_json_put_bool(w, b);
        break;
    case ANQA_JSON_IS_NUMBER: json_rewrite_number(w, json); break;
    case ANQA_JSON_IS_STRING: return json_rewrite_str(w, arena, json, anqa_json_put_str);
    case ANQA_JSON_IS_ARRAY:
        anqa_json_begin_array(w);
        s = json_rewrite_inside(w, arena, json);
        anqa_json_end_array(w);
        break;
    case ANQA_JSON_IS_OBJECT:
        anqa_json_begin_object(w);
        s = json_rewrite_inside(w, arena, json);
        anqa_json_end_object(w);
        break;
    }
    return s;
}

/* Integers exactly. A double may have been written as the integer it is, so the rest is compared as doubles. */
static inline bool json_same_number(anqa_json a, anqa_json b)
{
    int64_t i, j;
    uint64_t u, v;
    double d, e;
    anqa_str s, t;

    if (anqa_json_to_int(a, &i) == ANQA_OK && anqa_json_to_int(b, &j) == ANQA_OK)
        return i == j;
    if (anqa_json_to_uint(a, &u) == ANQA_OK && anqa_json_to_uint(b, &v) == ANQA_OK)
        return u == v;
    if (anqa_json_to_double(a, &d) == ANQA_OK && anqa_json_to_double(b, &e) == ANQA_OK)
        return memcmp(&d, &e, sizeof d) == 0;
    return anqa_json_number_text(a, &s) == ANQA_OK && anqa_json_number_text(b, &t) == ANQA_OK &&
           anqa_str_eq(s, t);
}

static inline bool json_same_str(anqa_arena *arena, anqa_json a, anqa_json b)
{
    anqa_str s, t;

    return anqa_json_to_str(arena, a, &s) == ANQA_OK && anqa_json_to_str(arena, b, &t) == ANQA_OK &&
           anqa_str_eq(s, t) && anqa_json_is_str(a, t) && anqa_json_is_str(b, s);
}

/** Whether two checked texts mean the same, fields in the same order. */
static inline bool json_same(anqa_arena *arena, anqa_json a, anqa_json b)
{
    anqa_json_type type = anqa_json_type_of(a);
    anqa_json_iter i = anqa_json_each(a), j = anqa_json_each(b);

    if (type != anqa_json_type_of(b))
        return false;
    if (type == ANQA_JSON_IS_NUMBER)
        return json_same_number(a, b);
    if (type == ANQA_JSON_IS_STRING)
        return json_same_str(arena, a, b);
    if (type != ANQA_JSON_IS_ARRAY && type != ANQA_JSON_IS_OBJECT)
        return a.ptr[0] == b.ptr[0];
    while (anqa_json_next(&i)) {
        if (!anqa_json_next(&j))
            return false;
        if (type == ANQA_JSON_IS_OBJECT && !json_same_str(arena, i.key, j.key))
            return false;
        if (!json_same(arena, i.value, j.value))
            return false;
    }
    return !anqa_json_next(&j) && i.status == ANQA_OK && j.status == ANQA_OK;
}

#endif
