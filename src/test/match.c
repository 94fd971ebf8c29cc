/*
 * Patterns: JSON formats in which `...` stands for more fields or elements and `_` for any value. Both become strings that
 * no pattern has otherwise, so that the rest is plain JSON.
 */
#include "test/kit.h"

#include <stdio.h>
#include <stdlib.h>

#define STR(literal) anqa_str_make((literal), sizeof(literal) - 1)

/* As the format has them, and as JSON has them. */
#define MORE "\1..."
#define ANY "\1_"
#define MORE_JSON "\"\\u0001...\""
#define ANY_JSON "\"\\u0001_\""

enum { NESTING_MAX = 64, SHOWN_MAX = 80 };

/* ---------------------------------------------------------------- from the format */

struct scan {
    char *out;
    bool quoted;
    unsigned depth;
    bool objects[NESTING_MAX]; /* of each level: it is an object */
};

static void put(struct scan *scan, const char *text)
{
    while (*text != '\0')
        *scan->out++ = *text++;
}

static void nest(struct scan *scan, char c)
{
    if (c == '{' || c == '[') {
        ANQA_REQUIRE(scan->depth < NESTING_MAX && "a pattern that is nested less deeply");
        scan->objects[scan->depth++] = c == '{';
    } else if ((c == '}' || c == ']') && scan->depth > 0) {
        scan->depth--;
    }
}

/* Returns how much of the format it has used. */
static size_t scan_one(struct scan *scan, const char *at)
{
    if (*at == '\'')
        scan->quoted = !scan->quoted;
    if (!scan->quoted && strncmp(at, "...", 3) == 0) {
        put(scan,
            scan->depth > 0 && scan->objects[scan->depth - 1] ? "'" MORE "': null" : "'" MORE "'");
        return 3;
    }
    if (!scan->quoted && *at == '_') {
        put(scan, "'" ANY "'");
        return 1;
    }
    if (!scan->quoted)
        nest(scan, *at);
    *scan->out++ = *at;
    return 1;
}

static char *json_format(const char *format)
{
    struct scan scan = {0};
    char *text = anqa_arena_alloc(anqa_tmp(), 12 * strlen(format) + 1);

    scan.out = text;
    while (*format != '\0')
        format += scan_one(&scan, format);
    *scan.out = '\0';
    return text;
}

anqa_json kit_pattern(const char *format, va_list args)
{
    anqa_json_writer w;
    anqa_json pattern = {NULL, 0};

    if (format[strspn(format, " ")] == '\0')
        return pattern;
    anqa_json_writer_init(&w, anqa_tmp(), 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
    "-Wformat-nonliteral" /* the caller's, in which only words were replaced */
    anqa_json_vformat(&w, json_format(format), args);
#pragma GCC diagnostic pop
    if (anqa_json_writer_finish(&w, &pattern) != ANQA_OK)
        anqa_exit(anqa_reason_make(ANQA_REASON_CONTRACT, "no pattern: %s", format));
    return pattern;
}

anqa_json kit_anything(void)
{
    return ANQA_JSON_LITERAL_(ANY_JSON);
}

/* ---------------------------------------------------------------- back again */

static size_t show_one(const char *at, size_t left, FILE *out)
{
    static const struct {
        const char *json, *text;
    } words[] = {{MORE_JSON ":null", "..."}, {MORE_JSON, "..."}, {ANY_JSON, "_"}};

    for (size_t i = 0; i < ANQA_COUNT(words); i++) {
        size_t len = strlen(words[i].json);
        if (len > left || memcmp(at, words[i].json, len) != 0)
            continue;
        fputs(words[i].text, out);
        return len;
    }
    fputc(*at, out);
    return 1;
}

const char *kit_pattern_text(anqa_json pattern)
{
    char *text = NULL, *copy;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return "?";
    for (size_t i = 0; i < pattern.len;)
        i += show_one(pattern.ptr + i, pattern.len - i, out);
    fclose(out);
    copy = anqa_tmp_copy(text, size);
    free(text);
    return copy;
}

/* ---------------------------------------------------------------- comparing */

static bool fits(anqa_json pattern, anqa_json value, struct mismatch *m);

static bool differs(struct mismatch *m, const char *format, ...) ANQA_PRINTF(2, 3);

static bool differs(struct mismatch *m, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(m->words, sizeof m->words, format, args);
    va_end(args);
    return false;
}

static anqa_str decoded(anqa_json string)
{
    anqa_str text;

    return anqa_json_to_str(anqa_tmp(), string, &text) == ANQA_OK ? text : (anqa_str){NULL, 0};
}

static int shown(anqa_json json)
{
    return (int)(json.len < SHOWN_MAX ? json.len : SHOWN_MAX);
}

/* One step down the path, and back up if it fits. */
static bool fits_below(anqa_json pattern, anqa_json value, const char *step, struct mismatch *m)
{
    size_t len = strlen(m->path);

    snprintf(m->path + len, sizeof m->path - len, "%s", step);
    if (!fits(pattern, value, m))
        return false;
    m->path[len] = '\0';
    return true;
}

static bool has_no_others(anqa_json pattern, anqa_json value, struct mismatch *m)
{
    anqa_json_iter it = anqa_json_each(value);
    anqa_json found;

    while (anqa_json_next(&it))
        if (anqa_json_get_named(pattern, decoded(it.key), &found) != ANQA_OK)
            return differs(m, "has %.*s, which the pattern has not", shown(it.key), it.key.ptr);
    return true;
}

static bool object_fits(anqa_json pattern, anqa_json value, struct mismatch *m)
{
    anqa_json_iter it = anqa_json_each(pattern);
    bool open = false;

    while (anqa_json_next(&it)) {
        anqa_str key = decoded(it.key);
        anqa_json found;
        if (anqa_str_is(key, MORE)) {
            open = true;
            continue;
        }
        if (anqa_json_get_named(value, key, &found) != ANQA_OK)
            return differs(m, "has no %.*s", shown(it.key), it.key.ptr);
        if (!fits_below(it.value, found, anqa_tmp_printf(".%.*s", ANQA_FMT(key)), m))
            return false;
    }
    return open || has_no_others(pattern, value, m);
}

static bool array_fits(anqa_json pattern, anqa_json value, struct mismatch *m)
{
    anqa_json_iter want = anqa_json_each(pattern), got = anqa_json_each(value);

    while (anqa_json_next(&want)) {
        if (anqa_json_is_str(want.value, STR(MORE)))
            return true;
        if (!anqa_json_next(&got))
            return differs(m, "ends before [%zu]", want.index);
        if (!fits_below(want.value, got.value, anqa_tmp_printf("[%zu]", want.index), m))
            return false;
    }
    if (anqa_json_next(&got))
        return differs(m, "goes on at [%zu]", got.index);
    return true;
}

static bool numbers_eq(anqa_json a, anqa_json b)
{
    int64_t i, j;
    double x, y;

    if (anqa_json_to_int(a, &i) == ANQA_OK && anqa_json_to_int(b, &j) == ANQA_OK)
        return i == j;
    return anqa_json_to_double(a, &x) == ANQA_OK && anqa_json_to_double(b, &y) == ANQA_OK && x == y;
}

static bool scalars_eq(anqa_json_type type, anqa_json pattern, anqa_json value)
{
    if (type == ANQA_JSON_IS_NUMBER)
        return numbers_eq(pattern, value);
    if (type == ANQA_JSON_IS_STRING)
        return anqa_json_is_str(value, decoded(pattern));
    return anqa_str_eq(anqa_json_text(pattern), anqa_json_text(value));
}

static bool fits(anqa_json pattern, anqa_json value, struct mismatch *m)
{
    anqa_json_type type = anqa_json_type_of(pattern);

    if (anqa_json_is_str(pattern, STR(ANY)))
        return true;
    if (type == anqa_json_type_of(value)) {
        if (type == ANQA_JSON_IS_OBJECT)
            return object_fits(pattern, value, m);
        if (type == ANQA_JSON_IS_ARRAY)
            return array_fits(pattern, value, m);
        if (scalars_eq(type, pattern, value))
            return true;
    }
    return differs(m, "is %.*s, not %.*s", value.len == 0 ? 7 : shown(value),
        value.len == 0 ? "nothing" : value.ptr, SHOWN_MAX, kit_pattern_text(pattern));
}

bool kit_fits(anqa_json pattern, anqa_json value, struct mismatch *ret_mismatch)
{
    *ret_mismatch = (struct mismatch){0};
    return pattern.len == 0 || fits(pattern, value, ret_mismatch);
}

void kit_assert_fits(
    struct anqa_test_place place, const char *what, anqa_json json, anqa_json wanted)
{
    struct mismatch m;

    if (!kit_fits(wanted, json, &m))
        anqa_test_fail_(place, what, anqa_tmp_printf("%.*s", (int)json.len, json.ptr),
            kit_pattern_text(wanted), " -- %s %s", m.path[0] == '\0' ? "it" : m.path, m.words);
}

void anqa_test_assert_json_(
    struct anqa_test_place place, const char *what, anqa_json json, const char *pattern, ...)
{
    anqa_json wanted;
    va_list args;

    va_start(args, pattern);
    wanted = kit_pattern(pattern, args);
    va_end(args);
    kit_assert_fits(place, what, json, wanted);
}
