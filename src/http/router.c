/* Routers as plugs: from a request to the plug that answers it. See router.h. */
#include "http/router.h"

#include <stdatomic.h>

#include <anqa/memory.h>
#include <anqa/telemetry.h>

#include "http/error_page.h"
#include "runtime/sched.h"

#define ROUTE_KEY "anqa.route"

ANQA_SPAN_DEFINE(router_dispatch, "anqa.router_dispatch");

/* ---------------------------------------------------------------- made once */

/* shared: only added to. Constant as it is, a table has no room for what was made of it. */
static _Atomic(struct router *) routers;

static const struct router *router_made(const anqa_router *spec)
{
    /* acquire: pairs with router_keep */
    const struct router *router = atomic_load_explicit(&routers, memory_order_acquire);

    while (router != NULL && router->spec != spec)
        router = router->next;
    return router;
}

/* If two threads have made the same one, both are kept, and the newer is found: they are equal. */
static void router_keep(struct router *router)
{
    struct router *first = atomic_load_explicit(&routers, memory_order_relaxed);

    do
        router->next = first;
    while (!atomic_compare_exchange_weak_explicit(
        &routers, &first, router, memory_order_release, memory_order_relaxed));
}

anqa_status router_get(
    const anqa_router *spec, unsigned depth, const struct router **ret_router, anqa_error *err)
{
    struct router *made;
    anqa_status status;

    *ret_router = router_made(spec);
    if (*ret_router != NULL)
        return ANQA_OK;
    status = router_make(spec, depth, &made, err);
    if (status != ANQA_OK)
        return status;
    router_keep(made);
    *ret_router = made;
    return ANQA_OK;
}

anqa_status anqa_router_compile(const anqa_router *router, anqa_error *err)
{
    const struct router *made;
    anqa_status status;

    anqa_section_begin();
    status = router_get(router, 0, &made, err);
    anqa_section_end();
    return status;
}

/* ---------------------------------------------------------------- what was matched */

/* What a route has made of a path. In the event's memory. */
struct routed {
    const struct routed *outer;
    const struct route *route;
    anqa_str values[]; /* of its parameters, in order */
};

static anqa_str join_rest(const anqa_conn *conn, size_t at)
{
    size_t size = 0, len = 0;
    char *text;

    for (size_t i = at; i < conn->path_count; i++)
        size += conn->path_info[i].len + 1;
    text = anqa_arena_alloc(anqa_tmp(), size);
    for (size_t i = at; i < conn->path_count; i++) {
        if (i != at)
            text[len++] = '/';
        memcpy(text + len, conn->path_info[i].ptr, conn->path_info[i].len);
        len += conn->path_info[i].len;
    }
    return anqa_str_make(text, len);
}

static const struct routed *bind(anqa_conn *conn, const struct route *route)
{
    struct routed *routed = anqa_arena_alloc(
        anqa_tmp(), sizeof *routed + route->param_count * sizeof routed->values[0]);
    size_t count = 0;

    routed->outer = anqa_conn_private(conn, ROUTE_KEY);
    routed->route = route;
    for (uint32_t i = 0; i < route->segment_count; i++) {
        const struct segment *segment = &route->segments[i];
        if (segment->name.len == 0)
            continue;
        if (segment->kind == SEGMENT_GLOB)
            routed->values[count++] = join_rest(conn, i);
        else
            routed->values[count++] = anqa_str_make(conn->path_info[i].ptr + segment->text.len,
                conn->path_info[i].len - segment->text.len);
    }
    anqa_conn_put_private(conn, ROUTE_KEY, routed);
    return routed;
}

bool anqa_conn_each_path_param(
    const anqa_conn *conn, size_t *at, anqa_str *ret_name, anqa_str *ret_value)
{
    const struct routed *routed = anqa_conn_private(conn, ROUTE_KEY);
    size_t skip = *at, count = 0;

    while (routed != NULL && skip >= routed->route->param_count) {
        skip -= routed->route->param_count;
        routed = routed->outer;
    }
    if (routed == NULL)
        return false;
    for (const struct segment *segment = routed->route->segments;; segment++)
        if (segment->name.len != 0 && count++ == skip) {
            *ret_name = segment->name;
            break;
        }
    *ret_value = routed->values[skip];
    ++*at;
    return true;
}

anqa_str anqa_conn_path_param(const anqa_conn *conn, const char *name)
{
    anqa_str found, value;

    for (size_t at = 0; anqa_conn_each_path_param(conn, &at, &found, &value);)
        if (anqa_str_is(found, name))
            return value;
    return anqa_str_of(NULL);
}

const char *anqa_conn_route(const anqa_conn *conn)
{
    const struct routed *routed = anqa_conn_private(conn, ROUTE_KEY);

    return routed == NULL ? NULL : routed->route->pattern;
}

/* ---------------------------------------------------------------- the span */

/* A dispatch that somebody listens to. On the heap: it is looked at when the request's memory has ended. */
struct watched {
    anqa_span_mark mark;
    const struct route *route;
    anqa_str method, path;
    anqa_deferred deferred;
    char bytes[];
};

#define ABOUT(watched)                                       \
    (anqa_field_str("method", (watched)->method),            \
        anqa_field_text("route", (watched)->route->pattern), \
        anqa_field_str("path", (watched)->path))

static void watched_failed(void *arg)
{
    struct watched *watched = arg;
    char reason[256];

    anqa_reason_format(sched_self->current->exit_reason, reason, sizeof reason);
    ANQA_SPAN_FAIL(router_dispatch, watched->mark, reason, ABOUT(watched));
    anqa_heap_free(watched);
}

/* NULL: nobody listens. */
static struct watched *watch_begin(const anqa_conn *conn, const struct route *route)
{
    struct watched *watched;

    if (!anqa_span_on(&router_dispatch))
        return NULL;
    watched = anqa_heap_alloc(sizeof *watched + conn->method.len + conn->request_path.len);
    memcpy(watched->bytes, conn->method.ptr, conn->method.len);
    memcpy(watched->bytes + conn->method.len, conn->request_path.ptr, conn->request_path.len);
    watched->route = route;
    watched->method = anqa_str_make(watched->bytes, conn->method.len);
    watched->path = anqa_str_make(watched->bytes + conn->method.len, conn->request_path.len);
    ANQA_SPAN_BEGIN(router_dispatch, watched->mark, ABOUT(watched));
    watched->deferred = anqa_defer(watched_failed, watched);
    return watched;
}

static void watch_end(struct watched *watched, const anqa_conn *conn)
{
    if (watched == NULL)
        return;
    anqa_defer_cancel(watched->deferred);
    ANQA_SPAN_END(
        router_dispatch, watched->mark, (anqa_field_uint("status", conn->status)), ABOUT(watched));
    anqa_heap_free(watched);
}

/* ---------------------------------------------------------------- dispatch */

static void put_assigns(anqa_conn *conn, const anqa_route_assign *assign)
{
    for (; assign != NULL && assign->name != NULL; assign++)
        anqa_conn_assign(conn, assign->name, assign->value);
}

/* The outermost first. NOLINTNEXTLINE(misc-no-recursion): scopes are at most ROUTER_NESTING_MAX */
static void scope_assigns(anqa_conn *conn, const struct route_scope *scope)
{
    if (scope == NULL)
        return;
    scope_assigns(conn, scope->parent);
    put_assigns(conn, scope->spec->assigns);
}

/* As above. NOLINTNEXTLINE(misc-no-recursion) */
static void scope_pipelines(anqa_conn *conn, const struct route_scope *scope)
{
    if (scope == NULL)
        return;
    scope_pipelines(conn, scope->parent);
    if (scope->spec->pipeline != NULL)
        anqa_conn_run(conn, scope->spec->pipeline);
    for (const anqa_plug *const *pipe = scope->spec->pipe_through; pipe != NULL && *pipe != NULL;
        pipe++)
        anqa_conn_run(conn, *pipe);
}

static void redirect(anqa_conn *conn, const struct routed *routed)
{
    const anqa_route *spec = routed->route->spec;
    const char *to = path_of_params(routed->route, routed->values, spec->redirect_to);

    anqa_conn_put_status(conn, spec->status == 0 ? 302 : spec->status);
    (void)anqa_redirect(conn, anqa_str_of(to));
}

static void forward(anqa_conn *conn, const struct route *route)
{
    const anqa_str *path_info = conn->path_info;
    size_t path_count = conn->path_count, taken = route->segment_count - 1;

    conn->path_info += taken;
    conn->path_count -= taken;
    route->call(conn, route->opts);
    conn->path_info = path_info;
    conn->path_count = path_count;
}

static void dispatch(anqa_conn *conn, const struct route *route)
{
    const struct routed *routed = bind(conn, route);

    scope_assigns(conn, route->scope);
    put_assigns(conn, route->spec->assigns);
    scope_pipelines(conn, route->scope);
    if (conn->halted)
        return;
    if (route->spec->redirect_to != NULL)
        redirect(conn, routed);
    else if (route->spec->forward)
        forward(conn, route);
    else
        route->call(conn, route->opts);
}

static const struct router *router_need(const anqa_router *spec)
{
    const struct router *router = router_made(spec);
    anqa_error err;

    if (router != NULL)
        return router;
    if (anqa_router_compile(spec, &err) != ANQA_OK)
        anqa_exit(anqa_error_reason("%s", err.text));
    return router_made(spec);
}

void anqa_router_call(anqa_conn *conn, const void *opts)
{
    const struct router *router = router_need(opts);
    const struct route *route =
        router_find(router, conn->method, conn->host, conn->path_info, conn->path_count);
    struct watched *watched;

    if (route == NULL) {
        error_page_send(conn, 404);
        anqa_conn_halt(conn);
        return;
    }
    watched = watch_begin(conn, route);
    dispatch(conn, route);
    watch_end(watched, conn);
}

/* ---------------------------------------------------------------- paths */

anqa_str anqa_path(const anqa_router *router, const char *pattern, const char *const *values)
{
    const struct route *route = router_find_pattern(router_need(router), pattern);
    const char *path;

    if (route == NULL)
        anqa_exit(anqa_error_reason("the router has no route \"%s\"", pattern));
    path = route_path(route, values);
    if (path == NULL)
        anqa_exit(anqa_error_reason(
            "the route \"%s\" has %u parameters, not another number", pattern, route->param_count));
    return anqa_str_of(path);
}

anqa_status anqa_router_verify_(const struct anqa_path_use *const *uses,
    const struct anqa_path_use *const *end, anqa_error *err)
{
    for (; uses < end; uses++) {
        const struct anqa_path_use *use = *uses;
        anqa_status status = anqa_router_compile(use->router, err);
        if (status != ANQA_OK)
            return status;
        if (router_find_pattern(router_made(use->router), use->pattern) == NULL)
            return anqa_fail(err, ANQA_E_NOT_FOUND, "%s:%d: the router has no route \"%s\"",
                use->file, use->line, use->pattern);
    }
    return ANQA_OK;
}
