#include "js/source_map.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <anqa/json.h>
#include <anqa/memory.h>

enum {
    STACK_PLACES = 64
}; /* of one stack that are looked up: a script writes what it likes there */

/* One that has a place in a source; numbers from 0. */
struct mapping {
    uint32_t column, source, line, source_column;
};

/* What a map says, in the order of the bundle. Constant. */
struct places {
    struct mapping *mappings;
    uint32_t *lines; /* of each line the first mapping, and one more for their end */
    uint32_t line_count, source_count;
    char **sources;
};

struct source_map {
    char *text;
    _Atomic(struct places *) places; /* shared: set once, by who asks first; NULL: nobody has */
};

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

/* ---------------------------------------------------------------- reading */

static void places_free(struct places *places)
{
    if (places == NULL)
        return;
    for (uint32_t i = 0; i < places->source_count; i++)
        free(places->sources[i]);
    free(places->sources);
    free(places->mappings);
    free(places->lines);
    free(places);
}

static uint32_t count_of(anqa_str text, char c)
{
    uint32_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == c;
    return count;
}

static bool is_index(int64_t n)
{
    return n >= 0 && n < UINT32_MAX;
}

/* False: malformed. There is room for as many as commas and semicolons can part. */
static bool read_mappings(struct places *places, anqa_str text)
{
    const char *at = text.ptr, *end = at + text.len;
    struct segment now = {0};
    uint32_t line = 0, count = 0;
    bool mapped;

    while (at < end) {
        if (*at == ';') {
            places->lines[++line] = count;
            now.column = 0;
            at++;
        } else if (*at == ',') {
            at++;
        } else if (!read_segment(&at, end, &now, &mapped)) {
            return false;
        } else if (mapped) {
            if (!is_index(now.column) || !is_index(now.source) || !is_index(now.line) ||
                !is_index(now.source_column))
                return false;
            places->mappings[count++] = (struct mapping){(uint32_t)now.column, (uint32_t)now.source,
                (uint32_t)now.line, (uint32_t)now.source_column};
        }
    }
    places->lines[line + 1] = count;
    return true;
}

static bool read_sources(struct places *places, anqa_json sources, anqa_arena *arena)
{
    anqa_json_iter it = anqa_json_each(sources);
    uint32_t size = 0;
    anqa_str name;

    while (anqa_json_next(&it)) {
        if (places->source_count == size) {
            char **more = realloc(places->sources, (size_t)(size = size * 2 + 8) * sizeof *more);
            if (more == NULL)
                return false;
            places->sources = more;
        }
        if (anqa_json_to_str(arena, it.value, &name) != ANQA_OK)
            name = anqa_str_of("");
        places->sources[places->source_count] = strndup(name.ptr, name.len);
        if (places->sources[places->source_count] == NULL)
            return false;
        places->source_count++;
    }
    return true;
}

static bool read_all(struct places *places, const char *text, anqa_arena *arena)
{
    anqa_str mappings;
    anqa_json json, sources;

    if (anqa_json_parse(anqa_str_of(text), NULL, &json, NULL) != ANQA_OK ||
        anqa_json_get_str(arena, json, "mappings", &mappings) != ANQA_OK ||
        anqa_json_get(json, "sources", &sources) != ANQA_OK || mappings.len >= UINT32_MAX)
        return false;
    places->line_count = count_of(mappings, ';') + 1;
    places->lines = calloc((size_t)places->line_count + 1, sizeof *places->lines);
    places->mappings =
        malloc(((size_t)places->line_count + count_of(mappings, ',')) * sizeof *places->mappings);
    return places->lines != NULL && places->mappings != NULL && read_mappings(places, mappings) &&
           read_sources(places, sources, arena);
}

/* NULL: no memory. What is malformed has no lines. */
static struct places *places_read(const char *text)
{
    struct places *places = calloc(1, sizeof *places);
    anqa_arena arena = {0};

    if (places != NULL && !read_all(places, text, &arena)) {
        places_free(places);
        places = calloc(1, sizeof *places);
    }
    anqa_arena_done(&arena);
    return places;
}

/* ---------------------------------------------------------------- maps */

struct source_map *source_map_new(anqa_str text)
{
    struct source_map *map = calloc(1, sizeof *map);

    if (map == NULL)
        return NULL;
    map->text = strndup(text.ptr, text.len);
    if (map->text != NULL)
        return map;
    free(map);
    return NULL;
}

void source_map_free(struct source_map *map)
{
    if (map == NULL)
        return;
    places_free(atomic_load_explicit(&map->places, memory_order_relaxed));
    free(map->text);
    free(map);
}

/* Several may read it at once; the first to be done counts. NULL: no memory. */
static const struct places *places_of(struct source_map *map)
{
    struct places *places = atomic_load_explicit(&map->places, memory_order_acquire), *read;

    if (places != NULL)
        return places;
    read = places_read(map->text);
    /* release: what was read. Pairs with the acquire above and here. */
    if (read == NULL || atomic_compare_exchange_strong_explicit(&map->places, &places, read,
                            memory_order_acq_rel, memory_order_acquire))
        return read;
    places_free(read);
    return places;
}

/* The last of the line that begins at or before the column, from 0; NULL: there is none. */
static const struct mapping *find(const struct places *places, uint32_t line, uint32_t column)
{
    uint32_t from, first, end;

    if (line >= places->line_count)
        return NULL;
    first = from = places->lines[line];
    end = places->lines[line + 1];
    while (from < end) {
        uint32_t middle = from + (end - from) / 2;
        if (places->mappings[middle].column <= column)
            from = middle + 1;
        else
            end = middle;
    }
    return from == first ? NULL : &places->mappings[from - 1];
}

bool source_map_find(struct source_map *map, uint32_t *line, uint32_t *column, anqa_str *ret_file)
{
    const struct places *places = places_of(map);
    const struct mapping *found;

    if (places == NULL || *line == 0 || *column == 0)
        return false;
    found = find(places, *line - 1, *column - 1);
    if (found == NULL || found->source >= places->source_count)
        return false;
    *ret_file = anqa_str_of(places->sources[found->source]);
    *line = found->line + 1;
    *column = found->source_column + 1;
    return true;
}

anqa_str source_map_apply(struct source_map *map, const char *name, anqa_str stack)
{
    anqa_str out = {"", 0}, file;
    const char *at = stack.ptr, *end = at + stack.len, *copied = at;
    const size_t name_len = strlen(name);
    unsigned places = 0;

    while (name_len > 0 && places < STACK_PLACES &&
           (at = memmem(at, (size_t)(end - at), name, name_len)) != NULL) {
        struct place place;
        const char *behind = NULL;
        if (at + name_len < end && at[name_len] == ':')
            behind = read_place(at + name_len + 1, end, &place);
        places += behind != NULL;
        if (behind == NULL || !source_map_find(map, &place.line, &place.column, &file)) {
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
