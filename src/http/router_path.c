/* Paths of routes: patterns with values in them, encoded (RFC 3986, 3.3). See router.h. */
#include "http/router.h"

#include <anqa/memory.h>
#include <anqa/process.h>

/* A text in the making, with room for all that comes. */
struct path {
    char *text;
    size_t len;
};

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("-._~", c) != NULL);
}

/* as_is: further characters that stay. */
static void put_encoded(struct path *path, anqa_str text, const char *as_is)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved(c) || (c != 0 && strchr(as_is, c) != NULL)) {
            path->text[path->len++] = (char)c;
            continue;
        }
        path->text[path->len++] = '%';
        path->text[path->len++] = digits[c >> 4];
        path->text[path->len++] = digits[c & 15];
    }
}

/* A browser takes "." and ".." for steps, even encoded, and an empty segment away: all of them lead elsewhere. */
static bool is_segment(anqa_str text)
{
    return text.len != 0 && !anqa_str_is(text, ".") && !anqa_str_is(text, "..");
}

static bool are_segments(anqa_str text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;

    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t len = (size_t)((slash == NULL ? end : slash) - at);
        if (!is_segment(anqa_str_make(at, len)))
            return false;
        at += len + 1;
    }
    return true;
}

/* What stands for a ':' or '*' and the name behind it; `prefix` before it is a part of the segment. */
static void put_value(struct path *path, bool glob, bool has_prefix, anqa_str value)
{
    if (glob ? !are_segments(value) : !has_prefix && !is_segment(value))
        anqa_exit(anqa_error_reason(
            "\"%.*s\" can be no part of a path: it would lead elsewhere", ANQA_FMT(value)));
    put_encoded(path, value, glob ? "/" : "");
}

static void put_literal(struct path *path, anqa_str text)
{
    put_encoded(path, text, "!$&'()+,;=@/");
}

/* Room for a pattern with `count` values, the longest that encoding makes of them. */
static struct path path_begin(const char *pattern, const anqa_str *values, size_t count)
{
    size_t size = strlen(pattern);

    for (size_t i = 0; i < count; i++)
        size += values[i].len;
    return (struct path){anqa_arena_alloc(anqa_tmp(), size * 3 + 1), 0};
}

static size_t name_len(const char *name)
{
    return (size_t)(strchrnul(name, '/') - name);
}

static anqa_str value_of(const struct route *route, const anqa_str *values, anqa_str name)
{
    size_t count = 0;

    for (uint32_t i = 0; i < route->segment_count; i++) {
        if (route->segments[i].name.len == 0)
            continue;
        if (anqa_str_eq(route->segments[i].name, name))
            return values[count];
        count++;
    }
    return (anqa_str){NULL, 0}; /* the table was checked: not reached for a redirect */
}

const char *path_of_params(const struct route *route, const anqa_str *values, const char *pattern)
{
    struct path path = path_begin(pattern, values, route->param_count);

    for (const char *at = pattern; *at != '\0';) {
        size_t literal = strcspn(at, ":*"), name = 0;
        put_literal(&path, anqa_str_make(at, literal));
        if (at[literal] != '\0') {
            const char *mark = at + literal;
            name = name_len(mark + 1) + 1;
            put_value(&path, *mark == '*', mark > pattern && mark[-1] != '/',
                value_of(route, values, anqa_str_make(mark + 1, name - 1)));
        }
        at += literal + name;
    }
    path.text[path.len] = '\0';
    return path.text;
}

const char *route_path(const struct route *route, const char *const *values)
{
    anqa_str *texts = anqa_arena_alloc(anqa_tmp(), (route->param_count + 1) * sizeof *texts);
    uint32_t count = 0;

    for (; values[count] != NULL; count++) {
        if (count == route->param_count)
            return NULL;
        texts[count] = anqa_str_of(values[count]);
    }
    return count == route->param_count ? path_of_params(route, texts, route->pattern) : NULL;
}

anqa_str anqa_path_query(anqa_str path, const anqa_header *pairs)
{
    size_t size = path.len;
    struct path made;

    for (const anqa_header *pair = pairs; pair->name != NULL; pair++)
        size += 3 * (strlen(pair->name) + strlen(pair->value)) + 2;
    made.text = anqa_arena_alloc(anqa_tmp(), size);
    made.len = path.len;
    if (path.len != 0)
        memcpy(made.text, path.ptr, path.len);
    for (const anqa_header *pair = pairs; pair->name != NULL; pair++) {
        made.text[made.len++] = pair == pairs ? '?' : '&';
        put_encoded(&made, anqa_str_of(pair->name), "");
        made.text[made.len++] = '=';
        put_encoded(&made, anqa_str_of(pair->value), "");
    }
    return anqa_str_make(made.text, made.len);
}
