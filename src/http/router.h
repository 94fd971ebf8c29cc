/*
 * What a router's table is made into: its routes in order, and a trie of their segments.
 *
 * A node's place in the trie is a list of segments; below it are literal segments by their text, parameters by what
 * stands before them, and at it the routes that end here or go on with a glob. A search goes down all branches that match and
 * keeps the route that was written first. It visits a node at most once, and none below which all routes come later than
 * what it has found.
 *
 * All of it lives in one arena for as long as the program. Constant once made: any thread.
 */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include <anqa/arena.h>
#include <anqa/router.h>

#include "base/map.h" /* IWYU pragma: export */

#define ROUTER_SEGMENTS_MAX 32u
#define ROUTER_NESTING_MAX 16u

enum segment_kind { SEGMENT_LITERAL, SEGMENT_PARAM, SEGMENT_GLOB };

struct segment {
    anqa_str text; /* a literal, or what stands before a parameter */
    anqa_str name; /* of a parameter or glob; empty for that of a forward */
    enum segment_kind kind;
};

/* A scope around routes; the outermost has no parent. */
struct route_scope {
    const struct route_scope *parent;
    const anqa_route *spec;
};

struct route {
    struct route *next;    /* in order */
    struct route *next_at; /* at the same node, in order */
    uint32_t order;
    const char *method, *host; /* NULL: any */
    const char *pattern;       /* the whole of it */
    const char *label;
    struct segment *segments;
    uint32_t segment_count, param_count;
    const struct route_scope *scope;
    const anqa_route *spec;
    anqa_action call;
    const void *opts;
    bool glob;
};

struct route_node;

/* A parameter below a node. */
struct route_branch {
    struct route_branch *next;
    anqa_str prefix;
    struct route_node *node;
};

struct route_node {
    struct route_node *next_made; /* of all nodes of a router */
    struct map_str literals;      /* of struct route_node */
    struct route_branch *params;
    struct route *ends, *globs; /* in order */
    uint32_t first;             /* the least order here and below */
};

struct router {
    struct router *next; /* of all routers */
    const anqa_router *spec;
    anqa_arena arena;
    struct route_node *nodes; /* all, the newest first */
    struct route_node *root;
    struct route *routes, **routes_end;
    uint32_t count;
};

/* Makes one. Fails: as anqa_router_compile. */
anqa_status router_make(const anqa_router *spec, unsigned depth, struct router **ret_router,
    anqa_error *err) ANQA_MUST_CHECK;
void router_free(struct router *router);

/* The one that was made of `spec`, or is made now.   Fails: as anqa_router_compile. */
anqa_status router_get(const anqa_router *spec, unsigned depth, const struct router **ret_router,
    anqa_error *err) ANQA_MUST_CHECK;

/* Puts a route into the trie. Fails: E_NOMEM, E_EXISTS (*ret_other takes all that it would). */
anqa_status router_insert(
    struct router *router, struct route *route, const struct route **ret_other) ANQA_MUST_CHECK;

/* The first route that matches; NULL: none. */
const struct route *router_find(const struct router *router, anqa_str method, anqa_str host,
    const anqa_str *segments, size_t count);

/* The route with that pattern, whatever its method; NULL: none. */
const struct route *router_find_pattern(const struct router *router, const char *pattern);

/* The path that another pattern makes with the parameters of a route, in the event's memory. A value that would lead elsewhere
 * (empty, "." or "..") ends the process. */
const char *path_of_params(const struct route *route, const anqa_str *values, const char *pattern);

/* The path that a route makes with these values, in the event's memory. NULL: a value is missing or too many. */
const char *route_path(const struct route *route, const char *const *values);

#endif
