/* From sources to entries, then all entries into the structs of their areas. */
#include "base/config_int.h"

#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME_MAX_LEN 63
#define SHOWN_MAX 64

/* What one loading works on. */
struct loading {
    const anqa_config_sources *sources;
    anqa_config *config;
    anqa_error *err;
};

/* A place in the file. */
struct reader {
    struct loading *loading;
    const char *name; /* of the file, as in messages */
    size_t line;
    const anqa_config_area *area; /* NULL: before the first section */
};

/* ---------------------------------------------------------------- words for people */

/* ASCII only: char is signed on one of our platforms and unsigned on the other. */
static char printable(char c)
{
    if ((unsigned char)c < ' ' || (unsigned char)c >= 0x7f)
        return '?';
    return c;
}

static char capital(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - 'a' + 'A');
    return c;
}

static char small(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

/* A value as a message may show it: one short line of plain characters. */
static const char *shown(anqa_str value, char text[static SHOWN_MAX])
{
    size_t len = value.len < SHOWN_MAX - 4 ? value.len : SHOWN_MAX - 4;

    for (size_t i = 0; i < len; i++)
        text[i] = printable(value.ptr[i]);
    memcpy(text + len, len < value.len ? "..." : "", len < value.len ? 4 : 1);
    return text;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* How many letters must be inserted, removed or replaced to make b of a. */
static size_t distance(anqa_str a, anqa_str b)
{
    size_t row[2 * NAME_MAX_LEN + 3];

    if (a.len >= ANQA_COUNT(row) || b.len >= ANQA_COUNT(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a.ptr[i - 1] != b.ptr[j - 1]));
            diagonal = above;
        }
    }
    return row[b.len];
}

struct nearest {
    anqa_str wanted;
    char best[2 * NAME_MAX_LEN + 2];
    size_t best_distance;
};

static struct nearest nearest_to(anqa_str wanted)
{
    return (struct nearest){.wanted = wanted, .best_distance = wanted.len / 3 + 2};
}

/* One more name that might have been meant; further away than a third of the letters is no help. */
static void nearest_try(struct nearest *nearest, const char *name)
{
    size_t d = distance(nearest->wanted, anqa_str_of(name));

    if (d >= nearest->best_distance)
        return;
    nearest->best_distance = d;
    snprintf(nearest->best, sizeof nearest->best, "%s", name);
}

static void hint(const struct nearest *nearest, char *text, size_t size)
{
    text[0] = '\0';
    if (nearest->best[0] != '\0')
        snprintf(text, size, "; did you mean \"%s\"?", nearest->best);
}

/* ---------------------------------------------------------------- looking up */

static const anqa_config_area *find_area(const anqa_config *config, anqa_str name)
{
    for (size_t i = 0; i < config->area_count; i++)
        if (anqa_str_is(name, config->areas[i].name))
            return &config->areas[i];
    return NULL;
}

static struct config_entry *find_entry(
    const anqa_config *config, const anqa_config_area *area, anqa_str name)
{
    for (size_t i = 0; i < config->count; i++)
        if (config->entries[i].area == area && anqa_str_is(name, config->entries[i].option->name))
            return &config->entries[i];
    return NULL;
}

static anqa_status unknown_area(const struct loading *l, const char *where, anqa_str name)
{
    struct nearest nearest = nearest_to(name);
    char text[SHOWN_MAX], words[sizeof nearest.best + 20];

    for (size_t i = 0; i < l->config->area_count; i++)
        nearest_try(&nearest, l->config->areas[i].name);
    hint(&nearest, words, sizeof words);
    return anqa_fail(
        l->err, ANQA_E_NOT_FOUND, "%s: unknown area \"%s\"%s", where, shown(name, text), words);
}

/* The nearest option of the same area, or else of all: a right option in the wrong section is a common slip. */
static anqa_status unknown_option(
    const struct loading *l, const char *where, const anqa_config_area *area, anqa_str name)
{
    struct nearest nearest = nearest_to(name);
    char text[SHOWN_MAX], words[sizeof nearest.best + 20], full[2 * NAME_MAX_LEN + 2];

    for (const anqa_config_option *o = area->options; o->name != NULL; o++)
        nearest_try(&nearest, o->name);
    for (size_t i = 0; i < l->config->count && nearest.best[0] == '\0'; i++) {
        if (!anqa_str_is(name, l->config->entries[i].option->name))
            continue;
        snprintf(full, sizeof full, "%s.%s", l->config->entries[i].area->name,
            l->config->entries[i].option->name);
        snprintf(nearest.best, sizeof nearest.best, "%s", full);
    }
    hint(&nearest, words, sizeof words);
    return anqa_fail(l->err, ANQA_E_NOT_FOUND, "%s: unknown option \"%s.%s\"%s", where, area->name,
        shown(name, text), words);
}

/* ---------------------------------------------------------------- setting one option */

static anqa_status no_memory(const struct loading *l)
{
    return anqa_fail(l->err, ANQA_E_NOMEM, "configuration: out of memory");
}

/* Places are printed in JSON too, and the name of a file may hold any byte. */
static const char *copy_place(const struct loading *l, const char *where)
{
    size_t len = strlen(where);
    char *copy = anqa_arena_copy(&l->config->arena, where, len);

    if (copy == NULL || utf8_valid(copy, len))
        return copy;
    for (char *c = copy; *c != '\0'; c++)
        *c = printable(*c);
    return copy;
}

static anqa_status set_entry(const struct loading *l, struct config_entry *entry, anqa_str raw,
    anqa_config_from from, const char *where)
{
    struct config_refusal refusal = {0};
    char text[SHOWN_MAX], allowed[96];
    anqa_status s = config_value_parse(entry, raw, &l->config->arena, &refusal);

    if (s == ANQA_E_NOMEM)
        return no_memory(l);
    if (s != ANQA_OK) {
        config_value_allowed(entry->option, allowed, sizeof allowed);
        return anqa_fail(l->err, s, "%s: %s.%s = \"%s\" %s; allowed: %s", where, entry->area->name,
            entry->option->name, entry->option->secret ? "(hidden)" : shown(raw, text), refusal.why,
            allowed);
    }
    entry->from = from;
    entry->where = copy_place(l, where);
    return entry->where == NULL ? no_memory(l) : ANQA_OK;
}

/* "area.name" from the program or an argument. */
static anqa_status set_by_name(const struct loading *l, anqa_str name, const char *value,
    anqa_config_from from, const char *where)
{
    const char *dot = memchr(name.ptr, '.', name.len);
    const anqa_config_area *area;
    struct config_entry *entry;
    anqa_str area_name, option_name;

    if (dot == NULL)
        return unknown_area(l, where, name);
    area_name = anqa_str_make(name.ptr, (size_t)(dot - name.ptr));
    option_name = anqa_str_make(dot + 1, name.len - area_name.len - 1);
    area = find_area(l->config, area_name);
    if (area == NULL)
        return unknown_area(l, where, area_name);
    entry = find_entry(l->config, area, option_name);
    if (entry == NULL)
        return unknown_option(l, where, area, option_name);
    if (value == NULL && entry->option->type != ANQA_CONFIG_BOOL)
        return anqa_fail(l->err, ANQA_E_PARSE, "%s: needs a value: %s=...", where, where);
    return set_entry(l, entry, anqa_str_of(value == NULL ? "true" : value), from, where);
}

/* ---------------------------------------------------------------- tables and defaults */

static bool is_name(const char *name)
{
    size_t len = name == NULL ? 0 : strlen(name);

    if (len == 0 || len > NAME_MAX_LEN || name[0] < 'a' || name[0] > 'z')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static anqa_status check_area(const struct loading *l, size_t index)
{
    const anqa_config_area *area = &l->config->areas[index];

    if (!is_name(area->name) || area->options == NULL || area->into == NULL)
        return anqa_fail(l->err, ANQA_E_INVALID,
            "configuration area %zu: no proper name, table or struct", index);
    if (find_area(l->config, anqa_str_of(area->name)) != area)
        return anqa_fail(
            l->err, ANQA_E_INVALID, "configuration area %s is there twice", area->name);
    for (const anqa_config_option *o = area->options; o->name != NULL; o++) {
        if (!is_name(o->name))
            return anqa_fail(
                l->err, ANQA_E_INVALID, "option %s.%s: not a proper name", area->name, o->name);
        if (!config_value_fits_type(o))
            return anqa_fail(l->err, ANQA_E_INVALID,
                "option %s.%s: its member does not suit its type", area->name, o->name);
        for (const anqa_config_option *before = area->options; before != o; before++)
            if (strcmp(before->name, o->name) == 0)
                return anqa_fail(
                    l->err, ANQA_E_INVALID, "option %s.%s is there twice", area->name, o->name);
    }
    return ANQA_OK;
}

static const char *standard_of(const anqa_config_option *option)
{
    if (option->standard != NULL)
        return option->standard;
    switch (option->type) {
    case ANQA_CONFIG_BOOL: return "false";
    case ANQA_CONFIG_STR: return "";
    case ANQA_CONFIG_ENUM: return option->choices[0];
    default: return "0";
    }
}

/* Without a default of its own an option whose bounds leave 0 or "" out must be set somewhere: it stays unset here. */
static anqa_status set_default(const struct loading *l, struct config_entry *entry)
{
    struct config_refusal refusal;
    anqa_status s = config_value_parse(
        entry, anqa_str_of(standard_of(entry->option)), &l->config->arena, &refusal);

    entry->from = ANQA_CONFIG_FROM_DEFAULT;
    entry->where = "";
    if (s == ANQA_E_NOMEM)
        return no_memory(l);
    if (s == ANQA_OK || entry->option->standard == NULL)
        return ANQA_OK;
    return anqa_fail(l->err, ANQA_E_INVALID, "default of %s.%s: \"%s\" %s", entry->area->name,
        entry->option->name, entry->option->standard, refusal.why);
}

static anqa_status copy_areas(const struct loading *l)
{
    size_t count = l->sources->area_count;
    anqa_config_area *areas = anqa_arena_calloc(&l->config->arena, count, sizeof *areas);

    if (areas == NULL)
        return no_memory(l);
    if (count != 0)
        memcpy(areas, l->sources->areas, count * sizeof *areas);
    l->config->areas = areas;
    l->config->area_count = count;
    return ANQA_OK;
}

static size_t count_options(const anqa_config *config)
{
    size_t count = 0;

    for (size_t i = 0; i < config->area_count; i++)
        for (const anqa_config_option *o = config->areas[i].options; o->name != NULL; o++)
            count++;
    return count;
}

static anqa_status load_area_defaults(const struct loading *l, const anqa_config_area *area)
{
    for (const anqa_config_option *o = area->options; o->name != NULL; o++) {
        struct config_entry *entry = &l->config->entries[l->config->count++];
        anqa_status s;
        *entry = (struct config_entry){.area = area, .option = o};
        s = set_default(l, entry);
        if (s != ANQA_OK)
            return s;
    }
    return ANQA_OK;
}

static anqa_status load_defaults(const struct loading *l)
{
    anqa_config *config = l->config;
    anqa_status s = copy_areas(l);

    for (size_t i = 0; i < config->area_count && s == ANQA_OK; i++)
        s = check_area(l, i);
    if (s != ANQA_OK)
        return s;
    config->entries =
        anqa_arena_calloc(&config->arena, count_options(config), sizeof *config->entries);
    if (config->entries == NULL)
        return no_memory(l);
    for (size_t i = 0; i < config->area_count && s == ANQA_OK; i++)
        s = load_area_defaults(l, &config->areas[i]);
    return s;
}

static anqa_status load_overrides(const struct loading *l)
{
    const anqa_config_override *o = l->sources->overrides;

    for (; o != NULL && o->name != NULL; o++) {
        char where[2 * NAME_MAX_LEN + 20];
        anqa_status s;
        snprintf(where, sizeof where, "program: %s", o->name);
        s = set_by_name(l, anqa_str_of(o->name), o->value, ANQA_CONFIG_FROM_PROGRAM, where);
        if (s != ANQA_OK)
            return s;
    }
    return ANQA_OK;
}

/* ---------------------------------------------------------------- file */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static anqa_str trim(anqa_str s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = anqa_str_make(s.ptr + 1, s.len - 1);
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* Whether nothing but blanks and a comment is left. */
static bool is_over(anqa_str rest)
{
    rest = trim(rest);
    return rest.len == 0 || rest.ptr[0] == '#';
}

static const char *here(const struct reader *r, char *text, size_t size)
{
    snprintf(text, size, "%.150s:%zu", r->name, r->line);
    return text;
}

static anqa_status refuse_line(const struct reader *r, anqa_status status, const char *why)
{
    char where[200];

    return anqa_fail(r->loading->err, status, "%s: %s", here(r, where, sizeof where), why);
}

/* Without quotes a value ends before a comment, and has no quotes in it: that would be a slip more often than meant. */
static anqa_status read_plain_value(const struct reader *r, anqa_str rest, anqa_str *ret_value)
{
    size_t end = 0;

    while (end < rest.len && !(rest.ptr[end] == '#' && (end == 0 || is_blank(rest.ptr[end - 1]))))
        end++;
    *ret_value = trim(anqa_str_make(rest.ptr, end));
    if (memchr(ret_value->ptr, '"', ret_value->len) != NULL)
        return refuse_line(
            r, ANQA_E_PARSE, "a value with a quote in it must stand in double quotes as a whole");
    return ANQA_OK;
}

static char unescape(char c)
{
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case '"':
    case '\\': return c;
    default: return '\0';
    }
}

/* `rest` begins with the quote; `room` has its length. */
static anqa_status read_quoted_value(
    const struct reader *r, anqa_str rest, char *room, anqa_str *ret_value)
{
    size_t len = 0, i = 1;

    for (; i < rest.len && rest.ptr[i] != '"'; i++) {
        char c = rest.ptr[i];
        if (c == '\\') {
            i++;
            c = '\0';
            if (i < rest.len)
                c = unescape(rest.ptr[i]);
            if (c == '\0')
                return refuse_line(r, ANQA_E_PARSE, "after a backslash only \" \\ n t r may stand");
        }
        room[len++] = c;
    }
    if (i >= rest.len)
        return refuse_line(r, ANQA_E_PARSE, "the closing quote is missing");
    if (!is_over(anqa_str_make(rest.ptr + i + 1, rest.len - i - 1)))
        return refuse_line(r, ANQA_E_PARSE, "something stands behind the closing quote");
    *ret_value = anqa_str_make(room, len);
    return ANQA_OK;
}

static anqa_status read_section(struct reader *r, anqa_str line)
{
    const char *close = memchr(line.ptr, ']', line.len);
    char where[200];
    anqa_str name;

    if (close == NULL ||
        !is_over(anqa_str_make(close + 1, line.len - (size_t)(close + 1 - line.ptr))))
        return refuse_line(r, ANQA_E_PARSE, "a section must look like [area]");
    name = trim(anqa_str_make(line.ptr + 1, (size_t)(close - line.ptr) - 1));
    r->area = find_area(r->loading->config, name);
    if (r->area == NULL)
        return unknown_area(r->loading, here(r, where, sizeof where), name);
    return ANQA_OK;
}

static anqa_status set_twice(const struct reader *r, const struct config_entry *entry)
{
    char where[200];

    return anqa_fail(r->loading->err, ANQA_E_EXISTS, "%s: %s.%s was set in line %zu already",
        here(r, where, sizeof where), entry->area->name, entry->option->name, entry->line);
}

static anqa_status read_setting(struct reader *r, anqa_str line)
{
    const char *equals = memchr(line.ptr, '=', line.len);
    char where[200], room[ANQA_CONFIG_LINE_MAX / 2];
    struct config_entry *entry;
    anqa_str name, rest, value = {0};
    anqa_status s;

    if (equals == NULL)
        return refuse_line(r, ANQA_E_PARSE, "expected name = value, [area] or # comment");
    name = trim(anqa_str_make(line.ptr, (size_t)(equals - line.ptr)));
    rest = trim(anqa_str_make(equals + 1, line.len - (size_t)(equals + 1 - line.ptr)));
    if (r->area == NULL)
        return refuse_line(
            r, ANQA_E_PARSE, "an option must stand below a section such as [runtime]");
    here(r, where, sizeof where);
    entry = find_entry(r->loading->config, r->area, name);
    if (entry == NULL)
        return unknown_option(r->loading, where, r->area, name);
    if (entry->line != 0)
        return set_twice(r, entry);
    if (rest.len > sizeof room)
        return refuse_line(r, ANQA_E_LIMIT, "the value is too long");
    s = rest.len > 0 && rest.ptr[0] == '"' ? read_quoted_value(r, rest, room, &value)
                                           : read_plain_value(r, rest, &value);
    if (s == ANQA_OK)
        s = set_entry(r->loading, entry, value, ANQA_CONFIG_FROM_FILE, where);
    entry->line = r->line;
    return s;
}

static anqa_status read_line(struct reader *r, anqa_str line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len > ANQA_CONFIG_LINE_MAX)
        return refuse_line(r, ANQA_E_LIMIT, "the line is too long");
    if (!utf8_valid(line.ptr, line.len))
        return refuse_line(r, ANQA_E_PARSE, "not UTF-8");
    for (size_t i = 0; i < line.len; i++)
        if (((unsigned char)line.ptr[i] < ' ' && line.ptr[i] != '\t') || line.ptr[i] == 0x7f)
            return refuse_line(r, ANQA_E_PARSE, "a control character");
    line = trim(line);
    if (line.len == 0 || line.ptr[0] == '#')
        return ANQA_OK;
    return line.ptr[0] == '[' ? read_section(r, line) : read_setting(r, line);
}

static anqa_status read_text(struct loading *l, const char *name, anqa_str text)
{
    struct reader r = {.loading = l, .name = name == NULL ? "configuration" : name};

    if (text.len > ANQA_CONFIG_FILE_MAX)
        return anqa_fail(
            l->err, ANQA_E_LIMIT, "%s: longer than %zu bytes", r.name, ANQA_CONFIG_FILE_MAX);
    if (anqa_str_starts(
            text, anqa_str_of("\xef\xbb\xbf"))) /* a byte order mark, as some editors leave */
        text = anqa_str_make(text.ptr + 3, text.len - 3);
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.ptr);
        anqa_status s;
        r.line++;
        s = read_line(&r, anqa_str_make(text.ptr, len));
        if (s != ANQA_OK)
            return s;
        len += end != NULL;
        text = anqa_str_make(text.ptr + len, text.len - len);
    }
    return ANQA_OK;
}

/* Up to `size` bytes; -1 and errno when reading fails. */
static ssize_t read_up_to(int fd, char *bytes, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, bytes + len, size - len);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static anqa_status load_file(struct loading *l)
{
    const char *path = l->sources->file;
    size_t size =
        ANQA_CONFIG_FILE_MAX + 1; /* one more, to see that a file is longer than allowed */
    anqa_status s = ANQA_OK;
    char *bytes = NULL;
    ssize_t len;
    int fd;

    if (l->sources->text != NULL)
        return read_text(l, path, anqa_str_make(l->sources->text, l->sources->text_len));
    if (path == NULL)
        return ANQA_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && l->sources->file_may_miss)
        return ANQA_OK;
    if (fd < 0)
        return anqa_fail_errno(l->err, errno, "cannot open configuration file %s", path);
    bytes = malloc(size);
    if (bytes == NULL) {
        s = no_memory(l);
        goto done;
    }
    len = read_up_to(fd, bytes, size);
    if (len < 0) {
        s = anqa_fail_errno(l->err, errno, "cannot read configuration file %s", path);
        goto done;
    }
    s = read_text(l, path, anqa_str_make(bytes, (size_t)len));
done:
    free(bytes);
    close(fd);
    return s;
}

/* ---------------------------------------------------------------- environment */

/* Takes ANQA_<AREA>_ or <NAME> off the front, written in capitals. */
static bool take_capitals(anqa_str *text, const char *name)
{
    size_t len = strlen(name);

    if (text->len < len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text->ptr[i] != capital(name[i]))
            return false;
    }
    *text = anqa_str_make(text->ptr + len, text->len - len);
    return true;
}

/* Whether "AREA_REST" belongs to this area; leaves REST. */
static bool take_area(anqa_str *text, const anqa_config_area *area)
{
    anqa_str rest = *text;

    if (!take_capitals(&rest, area->name) || rest.len == 0 || rest.ptr[0] != '_')
        return false;
    *text = anqa_str_make(rest.ptr + 1, rest.len - 1);
    return true;
}

static struct config_entry *find_variable(const struct loading *l, anqa_str name)
{
    for (size_t i = 0; i < l->config->count; i++) {
        anqa_str rest = name;
        if (take_area(&rest, l->config->entries[i].area) &&
            take_capitals(&rest, l->config->entries[i].option->name) && rest.len == 0)
            return &l->config->entries[i];
    }
    return NULL;
}

/* A variable of a known area must name an option of it; others that begin with ANQA_ are someone else's. */
static anqa_status unknown_variable(const struct loading *l, const char *where, anqa_str name)
{
    for (size_t i = 0; i < l->config->area_count; i++) {
        char option[NAME_MAX_LEN + 1];
        anqa_str rest = name;
        if (!take_area(&rest, &l->config->areas[i]))
            continue;
        snprintf(option, sizeof option, "%.*s",
            (int)(rest.len > NAME_MAX_LEN ? NAME_MAX_LEN : rest.len), rest.ptr);
        for (char *c = option; *c != '\0'; c++)
            *c = small(*c);
        return unknown_option(l, where, &l->config->areas[i], anqa_str_of(option));
    }
    return ANQA_OK;
}

static anqa_status load_variable(const struct loading *l, const char *variable)
{
    const char *equals = strchr(variable, '=');
    struct config_entry *entry;
    char where[3 * NAME_MAX_LEN];
    anqa_str name;

    if (equals == NULL || strncmp(variable, "ANQA_", 5) != 0)
        return ANQA_OK;
    snprintf(where, sizeof where, "%.*s", (int)(equals - variable < 180 ? equals - variable : 180),
        variable);
    name = anqa_str_make(variable + 5, (size_t)(equals - variable) - 5);
    entry = find_variable(l, name);
    if (entry == NULL)
        return unknown_variable(l, where, name);
    return set_entry(l, entry, anqa_str_of(equals + 1), ANQA_CONFIG_FROM_ENVIRONMENT, where);
}

static anqa_status load_environment(const struct loading *l)
{
    const char *const *variables = l->sources->environ_;

    if (l->sources->ignore_environment)
        return ANQA_OK;
    if (variables == NULL)
        variables = (const char *const *)environ;
    for (; variables != NULL && *variables != NULL; variables++) {
        anqa_status s = load_variable(l, *variables);
        if (s != ANQA_OK)
            return s;
    }
    return ANQA_OK;
}

/* ---------------------------------------------------------------- arguments */

/* --area.name or --area.name=value: the dot tells ours from the program's own. */
static bool is_ours(const char *argument)
{
    return strncmp(argument, "--", 2) == 0 && argument[2 + strcspn(argument + 2, ".=")] == '.';
}

static anqa_status load_argument(const struct loading *l, const char *argument)
{
    size_t len = strcspn(argument, "=");
    char where[3 * NAME_MAX_LEN];

    snprintf(where, sizeof where, "%.*s", (int)(len < 180 ? len : 180), argument);
    return set_by_name(l, anqa_str_make(argument + 2, len - 2),
        argument[len] == '=' ? argument + len + 1 : NULL, ANQA_CONFIG_FROM_ARGUMENT, where);
}

static anqa_status load_arguments(const struct loading *l)
{
    for (int i = 1; l->sources->argc != NULL && i < *l->sources->argc; i++) {
        const char *argument = l->sources->argv[i];
        anqa_status s;
        if (strcmp(argument, "--") == 0)
            break;
        if (!is_ours(argument))
            continue;
        s = load_argument(l, argument);
        if (s != ANQA_OK)
            return s;
    }
    return ANQA_OK;
}

/* Takes our arguments out of argv, which stays ended by NULL. */
static void take_arguments(const anqa_config_sources *sources)
{
    bool ended = false;
    int kept = 1;

    if (sources->argc == NULL || *sources->argc < 1)
        return;
    for (int i = 1; i < *sources->argc; i++) {
        ended = ended || strcmp(sources->argv[i], "--") == 0;
        if (ended || !is_ours(sources->argv[i]))
            sources->argv[kept++] = sources->argv[i];
    }
    if (kept != *sources->argc)
        sources->argv[kept] = NULL;
    *sources->argc = kept;
}

/* ---------------------------------------------------------------- all together */

static const char *capitals(const char *name, char text[static NAME_MAX_LEN + 1])
{
    size_t i = 0;

    for (; name[i] != '\0'; i++)
        text[i] = capital(name[i]);
    text[i] = '\0';
    return text;
}

/* An unset one has no text at all, not even an empty one. */
static anqa_status check_required(const struct loading *l)
{
    for (size_t i = 0; i < l->config->count; i++) {
        const struct config_entry *e = &l->config->entries[i];
        const char *area = e->area->name, *name = e->option->name;
        char big_area[NAME_MAX_LEN + 1], big_name[NAME_MAX_LEN + 1];
        if (e->text.ptr != NULL)
            continue;
        return anqa_fail(l->err, ANQA_E_NOT_FOUND,
            "%s.%s must be set: %s below [%s] in the file, ANQA_%s_%s or --%s.%s=", area, name,
            name, area, capitals(area, big_area), capitals(name, big_name), area, name);
    }
    return ANQA_OK;
}

static anqa_status load_all(struct loading *l)
{
    anqa_status s = load_defaults(l);

    if (s == ANQA_OK)
        s = load_overrides(l);
    if (s == ANQA_OK)
        s = load_file(l);
    if (s == ANQA_OK)
        s = load_environment(l);
    if (s == ANQA_OK)
        s = load_arguments(l);
    if (s == ANQA_OK)
        s = check_required(l);
    return s;
}

anqa_status anqa_config_load(
    const anqa_config_sources *sources, anqa_config **ret_config, anqa_error *err)
{
    struct loading l = {.sources = sources, .err = err};
    anqa_status s;

    l.config = calloc(1, sizeof *l.config);
    if (l.config == NULL)
        return no_memory(&l);
    s = load_all(&l);
    if (s != ANQA_OK) {
        anqa_config_free(l.config);
        return s;
    }
    for (size_t i = 0; i < l.config->count; i++)
        config_value_store(&l.config->entries[i]);
    take_arguments(sources);
    *ret_config = l.config;
    return ANQA_OK;
}

void anqa_config_free(anqa_config *config)
{
    if (config == NULL)
        return;
    anqa_arena_done(&config->arena);
    free(config);
}
