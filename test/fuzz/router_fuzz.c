/*
 * Any lines: the last one as a path, those before it as the patterns of a router. What must hold:
 *  - a table is refused with a reason, or made; what is made has each pattern once;
 *  - for any path, in this router and in a fixed one, the trie finds what trying all routes in order finds;
 *  - parameters are UTF-8, and globs hold no segment that leads elsewhere.
 */
#include "http/router.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "http/url.h"

#define PATTERNS_MAX 8
#define SEGMENTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct asked {
    anqa_str segments[SEGMENTS_MAX];
    size_t count;
    char bytes[4096];
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void nothing(anqa_conn *conn, const void *opts)
{
}

static const anqa_controller all = {nothing, nothing, nothing, nothing, nothing, nothing, nothing};

static const anqa_router fixed = {
    .routes = (const anqa_route[]){ANQA_GET("/", nothing), ANQA_GET("/a/:x/c", nothing),
        ANQA_GET("/a/b/:y", nothing), ANQA_GET("/a/b-:y/c", nothing), ANQA_GET("/:x/b", nothing),
        ANQA_RESOURCES("/posts", all), ANQA_FORWARD("/f/:x", nothing), ANQA_GET("/*rest", nothing),
        {0}}};

/* False: a server would not take it. */
static bool split(struct asked *asked, anqa_str path)
{
    size_t used = 0;

    while (path.len != 0) {
        const char *slash = memchr(path.ptr, '/', path.len);
        anqa_str raw =
            anqa_str_make(path.ptr, slash == NULL ? path.len : (size_t)(slash - path.ptr));
        if (raw.len != 0) {
            if (asked->count == SEGMENTS_MAX ||
                url_decode(raw, URL_SEGMENT, asked->bytes + used, sizeof asked->bytes - used,
                    &asked->segments[asked->count]) != ANQA_OK)
                return false;
            used += asked->segments[asked->count++].len;
        }
        path = anqa_str_make(
            path.ptr + raw.len + (slash != NULL), path.len - raw.len - (slash != NULL));
    }
    return true;
}

static bool leads_elsewhere(anqa_str segment)
{
    return anqa_str_is(segment, ".") || anqa_str_is(segment, "..") ||
           memchr(segment.ptr, '/', segment.len) != NULL;
}

static bool fits(const struct route *route, const struct asked *asked)
{
    size_t i = 0;

    for (; i < route->segment_count; i++) {
        const struct segment *segment = &route->segments[i];
        if (segment->kind == SEGMENT_GLOB)
            break;
        if (i == asked->count || !anqa_str_starts(asked->segments[i], segment->text) ||
            (asked->segments[i].len == segment->text.len) != (segment->kind == SEGMENT_LITERAL))
            return false;
    }
    if (!route->glob)
        return i == asked->count;
    for (; !route->spec->forward && i < asked->count; i++)
        if (leads_elsewhere(asked->segments[i]))
            return false;
    return true;
}

static void check_params(const struct route *route, const struct asked *asked)
{
    for (size_t i = 0; i < route->segment_count; i++) {
        const struct segment *segment = &route->segments[i];
        if (segment->kind == SEGMENT_PARAM)
            require(utf8_valid(asked->segments[i].ptr + segment->text.len,
                asked->segments[i].len - segment->text.len));
    }
}

static void check_find(const struct router *router, const struct asked *asked)
{
    const struct route *found =
        router_find(router, anqa_str_of("GET"), anqa_str_of("a"), asked->segments, asked->count);
    const struct route *route = router->routes;

    while (route != NULL &&
           ((route->method != NULL && strcmp(route->method, "GET") != 0) || !fits(route, asked)))
        route = route->next;
    require(found == route);
    if (found != NULL)
        check_params(found, asked);
}

/* A line of the input, that ends in NUL where `text` has room for it. */
static bool take_line(anqa_str *rest, char *text, size_t size)
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->ptr, '\n', rest->len);
    size_t len;

    if (end == NULL)
        return false;
    len = (size_t)(end - rest->ptr);
    if (len < size) {
        memcpy(text, rest->ptr, len);
        text[len] = '\0';
    } else {
        text[0] = '\0';
    }
    *rest = anqa_str_make(end + 1, rest->len - len - 1);
    return true;
}

static void check(const anqa_router *spec, const struct asked *asked)
{
    struct router *router;
    anqa_error err = {0};
    anqa_status status = router_make(spec, 0, &router, &err);

    if (status != ANQA_OK) {
        require((status == ANQA_E_INVALID || status == ANQA_E_LIMIT) && err.text[0] != '\0');
        return;
    }
    for (const struct route *route = router->routes; route != NULL; route = route->next)
        require(router_find_pattern(router, route->pattern) != NULL || route->spec->forward);
    check_find(router, asked);
    router_free(router);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_str rest = anqa_str_make((const char *)data, size);
    char patterns[PATTERNS_MAX][256];
    anqa_route rows[PATTERNS_MAX + 1] = {0};
    anqa_router own = {rows};
    struct asked asked = {.count = 0};
    size_t count = 0;

    while (count < PATTERNS_MAX && take_line(&rest, patterns[count], sizeof patterns[count])) {
        rows[count] = (anqa_route)ANQA_ANY(patterns[count], nothing);
        count++;
    }
    if (!split(&asked, rest))
        return 0;
    check(&own, &asked);
    check(&fixed, &asked);
    return 0;
}
