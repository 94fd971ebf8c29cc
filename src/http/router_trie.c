/* The trie of a router: routes go in by their segments, and are found by those of a path. See router.h. */
#include "http/router.h"

#include "http/request.h"

/* ---------------------------------------------------------------- putting in */

static struct route_node *new_node(struct router *router)
{
    struct route_node *node = anqa_arena_calloc(&router->arena, 1, sizeof *node);

    if (node == NULL)
        return NULL;
    node->first = UINT32_MAX;
    node->next_made = router->nodes;
    router->nodes = node;
    return node;
}

static struct route_node *literal_below(
    struct router *router, struct route_node *node, anqa_str text)
{
    struct route_node *below = map_str_get(&node->literals, text);

    if (below != NULL)
        return below;
    below = new_node(router);
    if (below == NULL || map_str_put(&node->literals, text, below, NULL) != ANQA_OK)
        return NULL;
    return below;
}

static struct route_node *param_below(
    struct router *router, struct route_node *node, anqa_str prefix)
{
    struct route_branch *branch = node->params;

    while (branch != NULL && !anqa_str_eq(branch->prefix, prefix))
        branch = branch->next;
    if (branch != NULL)
        return branch->node;
    branch = anqa_arena_alloc(&router->arena, sizeof *branch);
    if (branch == NULL)
        return NULL;
    *branch = (struct route_branch){node->params, prefix, new_node(router)};
    node->params = branch;
    return branch->node;
}

static bool same_or_any(const char *a, const char *b)
{
    return a == NULL || (b != NULL && strcmp(a, b) == 0);
}

/* Adds a route behind those of a node, unless one of them hides it. */
static anqa_status node_add(
    struct route **link, struct route *route, const struct route **ret_other)
{
    for (; *link != NULL; link = &(*link)->next_at) {
        if (!same_or_any((*link)->method, route->method) ||
            !same_or_any((*link)->host, route->host))
            continue;
        *ret_other = *link;
        return ANQA_E_EXISTS;
    }
    *link = route;
    return ANQA_OK;
}

anqa_status router_insert(
    struct router *router, struct route *route, const struct route **ret_other)
{
    struct route_node *node = router->root;
    uint32_t count = route->segment_count - route->glob;

    if (node == NULL)
        node = router->root = new_node(router);
    for (uint32_t i = 0; node != NULL; i++) {
        const struct segment *segment = &route->segments[i];
        if (node->first > route->order)
            node->first = route->order;
        if (i == count)
            return node_add(route->glob ? &node->globs : &node->ends, route, ret_other);
        node = segment->kind == SEGMENT_LITERAL ? literal_below(router, node, segment->text)
                                                : param_below(router, node, segment->text);
    }
    return ANQA_E_NOMEM;
}

/* ---------------------------------------------------------------- finding */

struct search {
    anqa_str method, host;
    const anqa_str *segments;
    size_t count;
    const struct route *found;
    uint32_t limit; /* what is found must come before it */
};

static bool method_fits(const char *method, anqa_str asked)
{
    return method == NULL || anqa_str_is(asked, method) ||
           (anqa_str_is(asked, "HEAD") && strcmp(method, "GET") == 0);
}

static bool host_fits(const char *host, anqa_str asked)
{
    size_t len;

    if (host == NULL)
        return true;
    len = strlen(host);
    if (len > 0 && host[len - 1] == '.' && asked.len > len)
        asked.len = len;
    return request_same_word(asked, anqa_str_make(host, len));
}

/* What can stand in a path below a folder without leading out of it. */
static bool is_plain_name(anqa_str segment)
{
    return !anqa_str_is(segment, ".") && !anqa_str_is(segment, "..") &&
           memchr(segment.ptr, '/', segment.len) == NULL;
}

static bool rest_is_plain(const struct search *search, size_t at)
{
    for (; at < search->count; at++)
        if (!is_plain_name(search->segments[at]))
            return false;
    return true;
}

static void take(struct search *search, const struct route *routes, size_t at)
{
    for (; routes != NULL && routes->order < search->limit; routes = routes->next_at) {
        if (!method_fits(routes->method, search->method) || !host_fits(routes->host, search->host))
            continue;
        if (routes->glob && !routes->spec->forward && !rest_is_plain(search, at))
            continue;
        search->found = routes;
        search->limit = routes->order;
    }
}

static void search_from(struct search *search, const struct route_node *node, size_t at);

static void search_params(struct search *search, const struct route_node *node, size_t at)
{
    anqa_str segment = search->segments[at];

    for (const struct route_branch *branch = node->params; branch != NULL; branch = branch->next)
        if (segment.len > branch->prefix.len && anqa_str_starts(segment, branch->prefix))
            search_from(search, branch->node, at + 1);
}

/* As deep as the longest pattern. NOLINTNEXTLINE(misc-no-recursion) */
static void search_from(struct search *search, const struct route_node *node, size_t at)
{
    const struct route_node *below;

    if (node == NULL || node->first >= search->limit)
        return;
    take(search, node->globs, at);
    if (at == search->count) {
        take(search, node->ends, at);
        return;
    }
    below = map_str_get(&node->literals, search->segments[at]);
    search_from(search, below, at + 1);
    search_params(search, node, at);
}

const struct route *router_find(const struct router *router, anqa_str method, anqa_str host,
    const anqa_str *segments, size_t count)
{
    struct search search = {
        .method = method, .host = host, .segments = segments, .count = count, .limit = UINT32_MAX};

    search_from(&search, router->root, 0);
    return search.found;
}

const struct route *router_find_pattern(const struct router *router, const char *pattern)
{
    const struct route *route = router->routes;

    while (route != NULL && (route->spec->forward || strcmp(route->pattern, pattern) != 0))
        route = route->next;
    return route;
}
