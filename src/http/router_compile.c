/* From a router's table to its routes. See router.h. */
#include "http/router.h"

#include <stdlib.h>

/* Where the walk over a table stands. */
struct walk {
    struct router *router;
    const struct route_scope *scope;
    const char *path; /* of the scopes around, without a slash at its end */
    const char *host;
    unsigned depth;
    anqa_error *err;
};

static anqa_status walk_rows(const struct walk *walk, const anqa_route *rows);

static anqa_status no_memory(anqa_error *err)
{
    return anqa_fail(err, ANQA_E_NOMEM, "no memory for a router");
}

static const char *verb(const struct route *route)
{
    return route->method == NULL ? "any" : route->method;
}

/* ---------------------------------------------------------------- patterns */

static bool is_name(anqa_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.len != 0;
}

/* Where the name of a parameter or glob begins; NULL: in no place. */
static const char *find_mark(anqa_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == ':' || text.ptr[i] == '*')
            return text.ptr + i;
    return NULL;
}

/* NULL: it is right. */
static const char *parse_segment(anqa_str text, bool last, struct segment *ret_segment)
{
    const char *mark = find_mark(text);
    size_t before;

    *ret_segment = (struct segment){.text = text};
    if (mark == NULL)
        return NULL;
    before = (size_t)(mark - text.ptr);
    ret_segment->text.len = before;
    ret_segment->name = anqa_str_make(mark + 1, text.len - before - 1);
    ret_segment->kind = *mark == ':' ? SEGMENT_PARAM : SEGMENT_GLOB;
    if (!is_name(ret_segment->name))
        return "a name behind ':' or '*' has letters, digits and '_' only";
    if (ret_segment->kind == SEGMENT_GLOB && !last)
        return "a glob is its last segment";
    if (ret_segment->kind == SEGMENT_GLOB && before != 0)
        return "a glob is a whole segment";
    return NULL;
}

static bool has_name(const struct route *route, anqa_str name)
{
    for (uint32_t i = 0; i < route->segment_count; i++)
        if (name.len != 0 && anqa_str_eq(route->segments[i].name, name))
            return true;
    return false;
}

static anqa_status bad_pattern(const struct walk *walk, const struct route *route, const char *why)
{
    return anqa_fail(
        walk->err, ANQA_E_INVALID, "route %s %s: %s", verb(route), route->pattern, why);
}

static anqa_status add_segment(
    const struct walk *walk, struct route *route, anqa_str text, bool last)
{
    struct segment segment;
    const char *why = parse_segment(text, last, &segment);

    if (why == NULL && has_name(route, segment.name))
        why = "two parameters have the same name";
    if (why != NULL)
        return bad_pattern(walk, route, why);
    if (route->segment_count == ROUTER_SEGMENTS_MAX)
        return anqa_fail(walk->err, ANQA_E_LIMIT, "route %s %s: more than %u segments", verb(route),
            route->pattern, ROUTER_SEGMENTS_MAX);
    route->segments[route->segment_count++] = segment;
    route->param_count += segment.kind != SEGMENT_LITERAL;
    route->glob |= segment.kind == SEGMENT_GLOB;
    return ANQA_OK;
}

static anqa_status parse_pattern(const struct walk *walk, struct route *route)
{
    const char *at = route->pattern;

    while (*at == '/') {
        const char *end = strchrnul(at + 1, '/');
        anqa_status status = ANQA_OK;
        if (end != at + 1)
            status = add_segment(
                walk, route, anqa_str_make(at + 1, (size_t)(end - at - 1)), *end == '\0');
        if (status != ANQA_OK)
            return status;
        at = end;
    }
    return ANQA_OK;
}

/* ---------------------------------------------------------------- routes */

static struct route *new_route(const struct walk *walk, const anqa_route *spec, const char *pattern)
{
    anqa_arena *arena = &walk->router->arena;
    struct route *route = anqa_arena_calloc(arena, 1, sizeof *route);

    if (route == NULL)
        return NULL;
    route->segments = anqa_arena_calloc(
        arena, ROUTER_SEGMENTS_MAX + 1, sizeof *route->segments); /* a forward's */
    route->order = walk->router->count++;
    route->pattern = pattern;
    route->host = walk->host;
    route->scope = walk->scope;
    route->spec = spec;
    route->opts = spec->opts;
    return route->segments == NULL ? NULL : route;
}

static anqa_status add_route(const struct walk *walk, struct route *route)
{
    struct router *router = walk->router;
    const struct route *other;
    anqa_status status = parse_pattern(walk, route);

    if (status != ANQA_OK)
        return status;
    if (route->spec->forward) {
        if (route->glob)
            return bad_pattern(
                walk, route, "a forward takes all that is behind it, without a glob");
        route->segments[route->segment_count++].kind = SEGMENT_GLOB;
        route->glob = true;
    }
    status = router_insert(router, route, &other);
    if (status == ANQA_E_EXISTS)
        return anqa_fail(walk->err, ANQA_E_INVALID,
            "route %s %s can not be reached: %s %s comes first", verb(route), route->pattern,
            verb(other), other->pattern);
    if (status != ANQA_OK)
        return no_memory(walk->err);
    *router->routes_end = route;
    router->routes_end = &route->next;
    return ANQA_OK;
}

/* The path of a row below the scopes; "" for the root. NULL: no memory. */
static const char *join(const struct walk *walk, const char *path)
{
    size_t len = strlen(path);

    while (len > 0 && path[len - 1] == '/')
        len--;
    return anqa_arena_printf(&walk->router->arena, "%s%.*s", walk->path, (int)len, path);
}

static const char *or_root(const char *path)
{
    return path[0] == '\0' ? "/" : path;
}

static anqa_status add_plain(const struct walk *walk, const anqa_route *row, const char *path)
{
    struct route *route = new_route(walk, row, or_root(path));

    if (route == NULL)
        return no_memory(walk->err);
    route->method = row->method;
    route->call = row->call;
    route->label = row->label;
    return add_route(walk, route);
}

/* A redirect leads to a pattern that has no parameters of its own. */
static anqa_status check_redirect(const struct walk *walk, const char *path, const char *to)
{
    struct route from = {.pattern = or_root(path)}, target = {.pattern = to};
    struct segment segments[2][ROUTER_SEGMENTS_MAX];
    anqa_status status;

    from.segments = segments[0];
    target.segments = segments[1];
    if (to[0] != '/')
        return bad_pattern(walk, &from, "a redirect leads to a path that begins with '/'");
    status = parse_pattern(walk, &from);
    if (status == ANQA_OK)
        status = parse_pattern(walk, &target);
    for (uint32_t i = 0; status == ANQA_OK && i < target.segment_count; i++)
        if (target.segments[i].name.len != 0 && !has_name(&from, target.segments[i].name))
            status = bad_pattern(walk, &from, "its redirect has a parameter that it has not");
    return status;
}

static anqa_status add_forwarded(const struct walk *walk, const anqa_route *row, const char *path)
{
    const struct router *target;
    anqa_status status = ANQA_OK;

    if (row->call == anqa_router_call)
        status = router_get(row->opts, walk->depth + 1, &target, walk->err);
    return status == ANQA_OK ? add_plain(walk, row, path) : status;
}

/* ---------------------------------------------------------------- resources */

struct action {
    unsigned bit;
    const char *method, *behind, *name;
    bool member; /* its path has the id, unless it is a singleton's */
    size_t offset;
};

#define ACTION(field) offsetof(anqa_controller, field)

/* In Phoenix's order: "new" before ":id". */
static const struct action actions[] = {
    {ANQA_ACTION_INDEX, "GET", "", "index", false, ACTION(index)},
    {ANQA_ACTION_EDIT, "GET", "/edit", "edit", true, ACTION(edit)},
    {ANQA_ACTION_NEW, "GET", "/new", "new", false, ACTION(new_)},
    {ANQA_ACTION_SHOW, "GET", "", "show", true, ACTION(show)},
    {ANQA_ACTION_CREATE, "POST", "", "create", false, ACTION(create)},
    {ANQA_ACTION_UPDATE, "PATCH", "", "update", true, ACTION(update)},
    {ANQA_ACTION_UPDATE, "PUT", "", "update", true, ACTION(update)},
    {ANQA_ACTION_DELETE, "DELETE", "", "delete", true, ACTION(delete_)},
};

/* NULL: the resource has no such route. */
static anqa_action action_of(const anqa_route *row, const struct action *action)
{
    anqa_action call;

    if ((row->only != 0 && (row->only & action->bit) == 0) || (row->except & action->bit) != 0 ||
        (row->singleton && action->bit == ANQA_ACTION_INDEX))
        return NULL;
    memcpy(&call, (const char *)row->controller + action->offset, sizeof call);
    return call;
}

static anqa_status add_action(const struct walk *walk, const anqa_route *row, const char *path,
    const struct action *action, anqa_action call)
{
    anqa_arena *arena = &walk->router->arena;
    const char *param = row->param == NULL ? "id" : row->param;
    bool has_id = action->member && !row->singleton;
    const char *pattern = anqa_arena_printf(
        arena, "%s%s%s%s", path, has_id ? "/:" : "", has_id ? param : "", action->behind);
    struct route *route = pattern == NULL ? NULL : new_route(walk, row, or_root(pattern));

    if (route == NULL)
        return no_memory(walk->err);
    route->method = action->method;
    route->call = call;
    route->label = anqa_arena_printf(
        arena, "%s %s", row->label == NULL ? "resource" : row->label, action->name);
    return route->label == NULL ? no_memory(walk->err) : add_route(walk, route);
}

/* "post" of "/blog/posts" */
static anqa_str singular_of(const anqa_route *row)
{
    anqa_str name = anqa_str_of(row->path);
    const char *slash;

    if (row->singular != NULL)
        return anqa_str_of(row->singular);
    while (name.len > 0 && name.ptr[name.len - 1] == '/')
        name.len--;
    slash = name.len == 0 ? NULL : memrchr(name.ptr, '/', name.len);
    if (slash != NULL)
        name = anqa_str_make(slash + 1, name.len - (size_t)(slash + 1 - name.ptr));
    if (name.len > 1 && name.ptr[name.len - 1] == 's')
        name.len--;
    return name;
}

static anqa_status walk_scope(const struct walk *outer, const anqa_route *row, const char *path)
{
    struct route_scope *scope = anqa_arena_alloc(&outer->router->arena, sizeof *scope);
    struct walk walk = *outer;

    if (scope == NULL || path == NULL)
        return no_memory(outer->err);
    *scope = (struct route_scope){outer->scope, row};
    walk.scope = scope;
    walk.path = path;
    walk.host = row->host == NULL ? outer->host : row->host;
    if (++walk.depth > ROUTER_NESTING_MAX)
        return anqa_fail(outer->err, ANQA_E_LIMIT, "scope %s: more than %u around each other",
            or_root(path), ROUTER_NESTING_MAX);
    return walk_rows(&walk, row->routes);
}

static anqa_status walk_resource(const struct walk *walk, const anqa_route *row, const char *path)
{
    const char *param = row->param == NULL ? "id" : row->param;
    anqa_str singular = singular_of(row);
    const char *below = path;

    for (size_t i = 0; i < ANQA_COUNT(actions); i++) {
        anqa_action call = action_of(row, &actions[i]);
        anqa_status status =
            call == NULL ? ANQA_OK : add_action(walk, row, path, &actions[i], call);
        if (status != ANQA_OK)
            return status;
    }
    if (row->routes == NULL)
        return ANQA_OK;
    if (!row->singleton)
        below =
            anqa_arena_printf(&walk->router->arena, "%s/:%.*s_%s", path, ANQA_FMT(singular), param);
    return walk_scope(walk, row, below);
}

/* ---------------------------------------------------------------- tables */

static anqa_status walk_row(const struct walk *walk, const anqa_route *row)
{
    const char *path = join(walk, row->path);

    if (path == NULL)
        return no_memory(walk->err);
    if (row->path[0] != '/')
        return anqa_fail(
            walk->err, ANQA_E_INVALID, "route %s%s: a path begins with '/'", walk->path, row->path);
    if (row->controller != NULL)
        return walk_resource(walk, row, path);
    if (row->routes != NULL)
        return walk_scope(walk, row, path);
    if (row->redirect_to != NULL) {
        anqa_status status = check_redirect(walk, path, row->redirect_to);
        return status == ANQA_OK ? add_plain(walk, row, path) : status;
    }
    if (row->call == NULL)
        return anqa_fail(walk->err, ANQA_E_INVALID,
            "route %s: it has no plug to call, no routes and no redirect", or_root(path));
    return row->forward ? add_forwarded(walk, row, path) : add_plain(walk, row, path);
}

static anqa_status walk_rows(const struct walk *walk, const anqa_route *rows)
{
    anqa_status status = ANQA_OK;

    for (; status == ANQA_OK && rows->path != NULL; rows++)
        status = walk_row(walk, rows);
    return status;
}

void router_free(struct router *router)
{
    for (struct route_node *node = router->nodes; node != NULL; node = node->next_made)
        map_str_done(&node->literals);
    anqa_arena_done(&router->arena);
    free(router);
}

anqa_status router_make(
    const anqa_router *spec, unsigned depth, struct router **ret_router, anqa_error *err)
{
    struct router *router = calloc(1, sizeof *router);
    struct walk walk = {.router = router, .path = "", .depth = depth, .err = err};
    anqa_status status;

    if (router == NULL)
        return no_memory(err);
    anqa_arena_init(&router->arena, 0);
    router->spec = spec;
    router->routes_end = &router->routes;
    status = depth > ROUTER_NESTING_MAX
                 ? anqa_fail(err, ANQA_E_LIMIT, "routers forward to each other more than %u deep",
                       ROUTER_NESTING_MAX)
                 : walk_rows(&walk, spec->routes);
    if (status == ANQA_OK)
        *ret_router = router;
    else
        router_free(router);
    return status;
}
