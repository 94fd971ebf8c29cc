#include "js/source_map.h"

#include <stdlib.h>

#include <anqa/json.h>
#include <anqa/memory.h>

struct place {
    uint32_t line, column; /* from 1 */
};

/* What a walk through the mappings has come to. */
struct segment {
    int64_t column, source, line, source_column;
};

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* A number in the map's base 64; false: there is none. */
static bool read_number(const char **at, const char *end, int64_t *ret)
{
    uint64_t n = 0;

    for (unsigned shift = 0; shift < 40 && *at < end; shift += 5) {
        int digit = digit_of(**at);
        if (digit < 0)
            return false;
        ++*at;
        n |= (uint64_t)(digit & 31) << shift;
        if ((digit & 32) == 0) {
            *ret = n & 1 ? -(int64_t)(n >> 1) : (int64_t)(n >> 1);
            return true;
        }
    }
    return false;
}

/* Adds the fields of one segment. False: malformed. */
static bool read_segment(const char **at, const char *end, struct segment *s, bool *ret_mapped)
{
    int64_t *const fields[] = {&s->column, &s->source, &s->line, &s->source_column};
    int64_t delta;
    unsigned count = 0;

    while (*at < end && **at != ',' && **at != ';') {
        if (!read_number(at, end, &delta))
            return false;
        if (count < ANQA_COUNT(fields))
            *fields[count] += delta;
        count++;
    }
    *ret_mapped = count >= ANQA_COUNT(fields);
    return true;
}

/* The last segment that begins at or before the place. */
static bool find(anqa_str mappings, struct place place, struct segment *ret)
{
    const char *at = mappings.ptr, *end = at + mappings.len;
    struct segment now = {0};
    bool found = false, mapped;
    uint32_t line = 1;

    while (at < end && line <= place.line) {
        if (*at == ';') {
            line++;
            now.column = 0;
            at++;
            continue;
        }
        if (*at == ',') {
            at++;
            continue;
        }
        if (!read_segment(&at, end, &now, &mapped))
            return false;
        if (line == place.line && now.column + 1 > (int64_t)place.column)
            return found;
        if (line == place.line && mapped) {
            *ret = now;
            found = true;
        }
    }
    return found;
}

/* "12:5" at `at`; the place behind, NULL: it is none. */
static const char *read_place(const char *at, const char *end, struct place *ret)
{
    uint32_t *const parts[] = {&ret->line, &ret->column};

    for (unsigned i = 0; i < 2; i++) {
        const char *from = at;
        uint64_t n = 0;
        while (at < end && *at >= '0' && *at <= '9' && n < 100000000)
            n = n * 10 + (uint64_t)(*at++ - '0');
        if (at == from || (i == 0 && (at == end || *at != ':')))
            return NULL;
        at += i == 0; /* the colon */
        *parts[i] = (uint32_t)n;
    }
    return at;
}

/* ---------------------------------------------------------------- maps */

bool source_map_read(const char *text, struct source_map *ret)
{
    anqa_json json;

    return text != NULL && anqa_json_parse(anqa_str_of(text), NULL, &json, NULL) == ANQA_OK &&
           anqa_json_get_str(anqa_tmp(), json, "mappings", &ret->mappings) == ANQA_OK &&
           anqa_json_get(json, "sources", &ret->sources) == ANQA_OK;
}

bool source_map_find(const struct source_map *map, uint32_t *line, uint32_t *column, anqa_str *file)
{
    struct segment s;
    anqa_json source;

    if (!find(map->mappings, (struct place){*line, *column}, &s) || s.source < 0 || s.line < 0 ||
        s.source_column < 0 || anqa_json_at(map->sources, (size_t)s.source, &source) != ANQA_OK ||
        anqa_json_to_str(anqa_tmp(), source, file) != ANQA_OK)
        return false;
    *line = (uint32_t)s.line + 1;
    *column = (uint32_t)s.source_column + 1;
    return true;
}

anqa_str source_map_apply(const char *text, const char *name, anqa_str stack)
{
    anqa_str out = {"", 0}, file;
    struct source_map map;
    const char *at = stack.ptr, *end = at + stack.len, *copied = at;
    const size_t name_len = strlen(name);

    if (!source_map_read(text, &map))
        return stack;
    while (name_len > 0 && (at = memmem(at, (size_t)(end - at), name, name_len)) != NULL) {
        struct place place;
        const char *behind = NULL;
        if (at + name_len < end && at[name_len] == ':')
            behind = read_place(at + name_len + 1, end, &place);
        if (behind == NULL || !source_map_find(&map, &place.line, &place.column, &file)) {
            at += name_len;
            continue;
        }
        out = anqa_str_of(anqa_tmp_printf("%.*s%.*s%.*s:%u:%u", ANQA_FMT(out), (int)(at - copied),
            copied, ANQA_FMT(file), place.line, place.column));
        at = copied = behind;
    }
    if (copied == stack.ptr)
        return stack;
    return anqa_str_of(anqa_tmp_printf("%.*s%.*s", ANQA_FMT(out), (int)(end - copied), copied));
}
