/* What `--routes` prints. See router.h. */
#include "http/router.h"

#include <anqa/json.h>

/* What is printed, and where one router forwards to another. */
struct listing {
    FILE *to;
    anqa_arena *arena;
    anqa_router_format format;
    bool begun;
};

static void list_router(struct listing *listing, const struct router *router, const char *prefix);

static const char *or_all(const char *text, const char *otherwise)
{
    return text == NULL ? otherwise : text;
}

static void put_json_text(anqa_json_writer *w, const char *key, const char *text)
{
    anqa_json_key(w, key);
    if (text == NULL)
        anqa_json_put_null(w);
    else
        anqa_json_put_str(w, anqa_str_of(text));
}

static void list_as_json(struct listing *listing, const struct route *route, const char *path)
{
    anqa_json_writer w;
    anqa_json json;

    anqa_json_writer_init(&w, listing->arena, 0);
    anqa_json_begin_object(&w);
    put_json_text(&w, "method", route->method);
    put_json_text(&w, "path", path);
    put_json_text(&w, "host", route->host);
    put_json_text(&w, "plug", route->label);
    anqa_json_end_object(&w);
    if (anqa_json_writer_finish(&w, &json) == ANQA_OK)
        fprintf(listing->to, "%s%.*s", listing->begun ? ",\n " : "", ANQA_FMT(json));
    listing->begun = true;
}

static void list_as_text(struct listing *listing, const struct route *route, const char *path)
{
    fprintf(listing->to, "%-8s %s%-36s %s\n", or_all(route->method, "*"), or_all(route->host, ""),
        path, or_all(route->label, ""));
}

/* As deep as routers forward. NOLINTNEXTLINE(misc-no-recursion) */
static void list_route(struct listing *listing, const struct route *route, const char *prefix)
{
    bool root = strcmp(route->pattern, "/") == 0;
    const char *path = anqa_arena_printf(
        listing->arena, "%s%s", prefix, root && prefix[0] != '\0' ? "" : route->pattern);
    const struct router *target;

    if (path == NULL)
        return;
    if (route->spec->forward && route->call == anqa_router_call &&
        router_get(route->opts, 0, &target, NULL) == ANQA_OK)
        list_router(listing, target, strcmp(path, "/") == 0 ? "" : path);
    else if (listing->format == ANQA_ROUTER_JSON)
        list_as_json(listing, route, path);
    else
        list_as_text(listing, route, path);
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static void list_router(struct listing *listing, const struct router *router, const char *prefix)
{
    for (const struct route *route = router->routes; route != NULL; route = route->next)
        list_route(listing, route, prefix);
}

anqa_status anqa_router_print(
    const anqa_router *router, anqa_router_format format, FILE *to, anqa_error *err)
{
    anqa_arena arena = {0};
    struct listing listing = {.to = to, .arena = &arena, .format = format};
    const struct router *made;
    anqa_status status = router_get(router, 0, &made, err);

    if (status != ANQA_OK)
        return status;
    if (format == ANQA_ROUTER_JSON)
        fputc('[', to);
    list_router(&listing, made, "");
    if (format == ANQA_ROUTER_JSON)
        fputs("]\n", to);
    anqa_arena_done(&arena);
    return ferror(to) ? anqa_fail(err, ANQA_E_IO, "cannot print routes") : ANQA_OK;
}
