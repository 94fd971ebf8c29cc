#include "base/json_scan.h"
#include "base/utf8.h"

/* ---------------------------------------------------------------- stepping over text */

static bool ends_scalar(char c)
{
    return c == ',' || c == ']' || c == '}' || json_is_blank(c);
}

static inline const char *skip_string(const char *at, const char *end)
{
    bool plain;
    const char *quote = json_string_end(at + 1, end, &plain);

    return quote == NULL ? NULL : quote + 1;
}

static inline const char *skip_scalar(const char *at, const char *end)
{
    const char *from = at;

    while (at < end && !ends_scalar(*at))
        at++;
    return at == from ? NULL : at;
}

static inline const char *skip_value(const char *at, const char *end)
{
    if (at == end)
        return NULL;
    if (*at == '"')
        return skip_string(at, end);
    if (*at == '{' || *at == '[')
        return json_skip_container(at, end);
    return skip_scalar(at, end);
}

const char *json_skip_value(const char *at, const char *end)
{
    return skip_value(at, end);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hexadecimal digits, or -1. */
static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* From behind "\u". Characters beyond U+FFFF come as two escapes, and a half of such a pair is none (see json.h). */
static const char *unicode_escape_end(const char *at, const char *end, uint32_t *ret_point)
{
    int32_t first = hex4(at, end), second;

    if (first < 0 || (first >= 0xdc00 && first <= 0xdfff))
        return NULL;
    at += 4;
    *ret_point = (uint32_t)first;
    if (first < 0xd800 || first > 0xdbff)
        return at;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return NULL;
    second = hex4(at + 2, end);
    if (second < 0xdc00 || second > 0xdfff)
        return NULL;
    *ret_point = 0x10000 + ((uint32_t)(first - 0xd800) << 10) + (uint32_t)(second - 0xdc00);
    return at + 6;
}

const char *json_escape_end(const char *at, const char *end, uint32_t *ret_point)
{
    if (at == end)
        return NULL;
    switch (*at) {
    case '"':
    case '\\':
    case '/': *ret_point = (unsigned char)*at; break;
    case 'b': *ret_point = '\b'; break;
    case 'f': *ret_point = '\f'; break;
    case 'n': *ret_point = '\n'; break;
    case 'r': *ret_point = '\r'; break;
    case 't': *ret_point = '\t'; break;
    case 'u': return unicode_escape_end(at + 1, end, ret_point);
    default: return NULL;
    }
    return at + 1;
}

/* ---------------------------------------------------------------- values */

const char *anqa_json_type_name(anqa_json_type type)
{
    static const char *const names[] = {
        "nothing", "null", "bool", "number", "string", "array", "object"};

    return (size_t)type < ANQA_COUNT(names) ? names[type] : "unknown";
}

anqa_json anqa_json_of(anqa_str text)
{
    const char *end;
    anqa_json json;

    if (text.len == 0)
        return (anqa_json){0};
    end = text.ptr + text.len;
    json.ptr = json_skip_blanks(text.ptr, end);
    while (end > json.ptr && json_is_blank(end[-1]))
        end--;
    json.len = (size_t)(end - json.ptr);
    return json;
}

static inline anqa_json cut_blanks(anqa_json json)
{
    if (json.len != 0 && !json_is_blank(json.ptr[0]) && !json_is_blank(json.ptr[json.len - 1]))
        return json;
    return anqa_json_of(anqa_json_text(json));
}

anqa_json_type anqa_json_type_of(anqa_json json)
{
    json = cut_blanks(json);
    if (json.len == 0)
        return ANQA_JSON_IS_NOTHING;
    switch (json.ptr[0]) {
    case 'n': return ANQA_JSON_IS_NULL;
    case 't':
    case 'f': return ANQA_JSON_IS_BOOL;
    case '"': return ANQA_JSON_IS_STRING;
    case '[': return ANQA_JSON_IS_ARRAY;
    case '{': return ANQA_JSON_IS_OBJECT;
    case '-':
    case '0' ... '9': return ANQA_JSON_IS_NUMBER;
    default: return ANQA_JSON_IS_NOTHING;
    }
}

/* ---------------------------------------------------------------- iteration */

static inline anqa_json_iter each(anqa_json json)
{
    anqa_json_iter it = {.status = ANQA_E_TYPE};

    json = cut_blanks(json);
    if (json.len == 0 || (json.ptr[0] != '{' && json.ptr[0] != '['))
        return it;
    it.status = ANQA_OK;
    it.close = json.ptr[0] == '{' ? '}' : ']';
    it.at = json.ptr + 1;
    it.end = json.ptr + json.len;
    return it;
}

/* `close` is cleared so that later calls find the walk ended. */
static inline bool each_stop(anqa_json_iter *it, anqa_status status)
{
    it->status = status;
    it->close = '\0';
    return false;
}

/* These two are inlined into the look-ups, where the walk then lives in registers. */
static inline __attribute__((always_inline)) bool each_key(anqa_json_iter *it)
{
    const char *from = it->at, *quote;

    if (from == it->end || *from != '"')
        return false;
    it->key_plain = true;
    quote = json_string_end(from + 1, it->end, &it->key_plain);
    if (quote == NULL)
        return false;
    it->key = (anqa_json){from, (size_t)(quote + 1 - from)};
    it->at = json_skip_blanks(quote + 1, it->end);
    if (it->at == it->end || *it->at != ':')
        return false;
    it->at = json_skip_blanks(it->at + 1, it->end);
    return true;
}

static inline __attribute__((always_inline)) bool next(anqa_json_iter *it)
{
    const char *behind;

    if (it->close == '\0')
        return false;
    it->at = json_skip_blanks(it->at, it->end);
    if (it->at == it->end)
        return each_stop(it, ANQA_E_PARSE);
    if (*it->at == it->close)
        return each_stop(it, it->at + 1 == it->end ? ANQA_OK : ANQA_E_PARSE);
    if (it->started) {
        if (*it->at != ',')
            return each_stop(it, ANQA_E_PARSE);
        it->at = json_skip_blanks(it->at + 1, it->end);
        it->index++;
    }
    it->started = true;
    if (it->close == '}' && !each_key(it))
        return each_stop(it, ANQA_E_PARSE);
    behind = skip_value(it->at, it->end);
    if (behind == NULL)
        return each_stop(it, ANQA_E_PARSE);
    it->value = (anqa_json){it->at, (size_t)(behind - it->at)};
    it->at = behind;
    return true;
}

anqa_json_iter anqa_json_each(anqa_json json)
{
    return each(json);
}

bool anqa_json_next(anqa_json_iter *iter)
{
    return next(iter);
}

/* ---------------------------------------------------------------- strings */

/* What lies between the quotes of a string; the status says why it is none. */
static inline anqa_status string_inside(anqa_json json, anqa_str *ret_inside, bool *ret_plain)
{
    const char *end, *quote;

    json = cut_blanks(json);
    if (json.len == 0 || json.ptr[0] != '"')
        return ANQA_E_TYPE;
    end = json.ptr + json.len;
    *ret_plain = true;
    quote = json_string_end(json.ptr + 1, end, ret_plain);
    if (quote == NULL || quote + 1 != end)
        return ANQA_E_PARSE;
    *ret_inside = anqa_str_make(json.ptr + 1, json.len - 2);
    return ANQA_OK;
}

/* Whether text between quotes means `text`, piece by piece: runs without escapes, then one escape. */
static bool decodes_to(anqa_str inside, anqa_str text)
{
    const char *at = inside.ptr, *end = at + inside.len;
    const char *want = text.ptr, *want_end = want + text.len;

    for (;;) {
        const char *stop = json_find_stop(at, end);
        size_t run = (size_t)(stop - at), bytes;
        char utf8[4];
        uint32_t point;

        if (run > (size_t)(want_end - want) || (run != 0 && memcmp(at, want, run) != 0))
            return false;
        want += run;
        if (stop == end)
            return want == want_end;
        at = json_escape_end(stop + 1, end, &point);
        if (at == NULL)
            return false;
        bytes = utf8_encode(point, utf8);
        if (bytes > (size_t)(want_end - want) || memcmp(utf8, want, bytes) != 0)
            return false;
        want += bytes;
    }
}

static inline bool means(anqa_str inside, bool plain, anqa_str text)
{
    if (plain || text.len == 0) /* no escape means nothing */
        return anqa_str_eq(inside, text);
    return decodes_to(inside, text);
}

bool anqa_json_is_str(anqa_json json, anqa_str text)
{
    anqa_str inside;
    bool plain;

    return string_inside(json, &inside, &plain) == ANQA_OK && means(inside, plain, text);
}

/* Into `out`, which holds as many bytes as the text: no escape is shorter than what it stands for. NULL: malformed. */
static char *decode(anqa_str inside, char *out)
{
    const char *at = inside.ptr, *end = at + inside.len;

    for (;;) {
        const char *stop = json_find_stop(at, end);
        uint32_t point;

        memcpy(out, at, (size_t)(stop - at));
        out += stop - at;
        if (stop == end)
            return out;
        at = json_escape_end(stop + 1, end, &point);
        if (at == NULL)
            return NULL;
        out += utf8_encode(point, out);
    }
}

anqa_status anqa_json_to_str(anqa_arena *arena, anqa_json json, anqa_str *ret_str)
{
    anqa_str inside;
    bool plain;
    char *out, *out_end;
    anqa_status s = string_inside(json, &inside, &plain);

    if (s != ANQA_OK)
        return s;
    if (plain) {
        *ret_str = inside;
        return ANQA_OK;
    }
    out = anqa_arena_alloc(arena, inside.len);
    if (out == NULL)
        return ANQA_E_NOMEM;
    out_end = decode(inside, out);
    if (out_end == NULL)
        return ANQA_E_PARSE;
    *ret_str = anqa_str_make(out, (size_t)(out_end - out));
    return ANQA_OK;
}

/* ---------------------------------------------------------------- fields and elements */

anqa_status anqa_json_get_named(anqa_json object, anqa_str key, anqa_json *ret_value)
{
    anqa_json_iter it = each(object);

    if (it.close != '}')
        return ANQA_E_TYPE;
    while (next(&it)) {
        anqa_str name = anqa_str_make(it.key.ptr + 1, it.key.len - 2);
        if (means(name, it.key_plain, key)) {
            *ret_value = it.value;
            return ANQA_OK;
        }
    }
    return it.status == ANQA_OK ? ANQA_E_NOT_FOUND : it.status;
}

anqa_status anqa_json_get(anqa_json object, const char *key, anqa_json *ret_value)
{
    return anqa_json_get_named(object, anqa_str_of(key), ret_value);
}

anqa_status anqa_json_len(anqa_json json, size_t *ret_len)
{
    anqa_json_iter it = each(json);
    size_t len = 0;

    while (anqa_json_next(&it))
        len++;
    if (it.status == ANQA_OK)
        *ret_len = len;
    return it.status;
}

anqa_status anqa_json_at(anqa_json array, size_t index, anqa_json *ret_value)
{
    anqa_json_iter it = each(array);

    if (it.close != ']')
        return ANQA_E_TYPE;
    while (anqa_json_next(&it)) {
        if (it.index == index) {
            *ret_value = it.value;
            return ANQA_OK;
        }
    }
    return it.status == ANQA_OK ? ANQA_E_NOT_FOUND : it.status;
}

anqa_status anqa_json_split(anqa_json array, anqa_json *ret_values, size_t count)
{
    anqa_json_iter it = each(array);
    size_t n = 0;

    if (it.close != ']')
        return ANQA_E_TYPE;
    while (next(&it)) {
        if (n == count)
            return ANQA_E_RANGE;
        ret_values[n++] = it.value;
    }
    if (it.status != ANQA_OK)
        return it.status;
    return n == count ? ANQA_OK : ANQA_E_RANGE;
}

anqa_status anqa_json_to_bool(anqa_json json, bool *ret_value)
{
    anqa_str text;

    if (anqa_json_type_of(json) != ANQA_JSON_IS_BOOL)
        return ANQA_E_TYPE;
    text = anqa_json_text(cut_blanks(json));
    if (!anqa_str_is(text, "true") && !anqa_str_is(text, "false"))
        return ANQA_E_PARSE;
    *ret_value = text.ptr[0] == 't';
    return ANQA_OK;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in parentheses. */

/* The member of a key as a C value: with a status, or with something to take in its place. */
#define MEMBER_GETTERS(name, type)                                                       \
    anqa_status anqa_json_get_##name(anqa_json object, const char *key, type *ret_value) \
    {                                                                                    \
        anqa_json value;                                                                 \
        anqa_status s = anqa_json_get(object, key, &value);                              \
                                                                                         \
        return s == ANQA_OK ? anqa_json_to_##name(value, ret_value) : s;                 \
    }                                                                                    \
                                                                                         \
    type anqa_json_##name(anqa_json object, const char *key, type otherwise)             \
    {                                                                                    \
        type value;                                                                      \
                                                                                         \
        return anqa_json_get_##name(object, key, &value) == ANQA_OK ? value : otherwise; \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

MEMBER_GETTERS(bool, bool)
MEMBER_GETTERS(int, int64_t)
MEMBER_GETTERS(uint, uint64_t)
MEMBER_GETTERS(double, double)

anqa_status anqa_json_get_str(
    anqa_arena *arena, anqa_json object, const char *key, anqa_str *ret_str)
{
    anqa_json value;
    anqa_status s = anqa_json_get(object, key, &value);

    return s == ANQA_OK ? anqa_json_to_str(arena, value, ret_str) : s;
}
