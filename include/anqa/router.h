/**
 * anqa/router.h - which plug answers which request.
 *
 *     static const anqa_plug browser[] = {{.call = anqa_put_secure_browser_headers}, {0}};
 *
 *     static const anqa_router router = {
 *         .routes = (const anqa_route[]){
 *             ANQA_SCOPE("/", browser,
 *                 ANQA_GET("/", home),
 *                 ANQA_GET("/users/:id", show_user),
 *                 ANQA_RESOURCES("/posts", posts)),
 *             ANQA_SCOPE("/api", NULL, ANQA_POST("/login", login)),
 *             {0},
 *         },
 *     };
 *     static const anqa_endpoint endpoint = {.router = &router};
 *
 * A router is a table that is made once into a trie, when its endpoint starts; how long a look-up takes depends on the
 * path, not on the number of routes. A table that cannot be right (a pattern that does not parse, a route that another one
 * hides) fails the start, and the error names the route.
 *
 * Patterns. "/users/:id" takes any one segment as the parameter "id", "/posts/v-:id" what stands behind "v-" in one, and
 * "/files/" followed by "*path" all further segments, none or more, as one text with slashes. Segments are compared as they are
 * when decoded; empty ones do not count, so that "/users/" is "/users". A glob takes no segment that is "." or "..", or has a
 * slash in it: its text is a path below whatever folder it is put behind.
 *
 * Order. Of the routes that match, the one that was written first is taken, as in Phoenix; not the most special one.
 *
 * Methods. HEAD goes where GET goes, unless a route for HEAD comes first; its answer is sent without its body. A request that
 * no route matches is answered with 404, also where only the method is wrong, as in Phoenix.
 *
 * Scopes put a path before those of their routes, and a pipeline before their plugs. Pipelines run from the outermost to the
 * innermost, when the route is known and before its plug; none runs for a request that no route matches.
 *
 * Telemetry. The span `anqa.router_dispatch`, with the metadata "method", "route" (the pattern) and "path". When its process
 * ends amid a dispatch, `anqa.router_dispatch.exception`.
 *
 * Threads. Routers are `static const` and outlive the program's runtime. Functions that take an anqa_conn are for its process.
 */
#ifndef ANQA_ROUTER_H
#define ANQA_ROUTER_H

#include <anqa/conn.h>
#include <stdio.h>

ANQA_BEGIN_DECLS

/** What a route calls; a plug as any other. */
typedef void (*anqa_action)(anqa_conn *conn, const void *opts);

/** The actions of a resource, one function for each; NULL: there is no such route. */
typedef struct anqa_controller {
    anqa_action index;   /* GET    /posts */
    anqa_action edit;    /* GET    /posts/:id/edit */
    anqa_action new_;    /* GET    /posts/new */
    anqa_action show;    /* GET    /posts/:id */
    anqa_action create;  /* POST   /posts */
    anqa_action update;  /* PATCH  /posts/:id, and PUT */
    anqa_action delete_; /* DELETE /posts/:id */
} anqa_controller;

/** For .only and .except of a resource. */
enum {
    ANQA_ACTION_INDEX = 1,
    ANQA_ACTION_EDIT = 2,
    ANQA_ACTION_NEW = 4,
    ANQA_ACTION_SHOW = 8,
    ANQA_ACTION_CREATE = 16,
    ANQA_ACTION_UPDATE = 32,
    ANQA_ACTION_DELETE = 64
};

/** A value that a scope or route assigns; {0} ends a list. */
typedef struct anqa_route_assign {
    const char *name;
    const void *value;
} anqa_route_assign;

/** A row of a table; {0} ends one. The macros below write what each kind of row needs. */
typedef struct anqa_route {
    const char *path;
    const char *method; /* NULL: any */
    anqa_action call;
    const void *opts;                 /* what `call` is given */
    const char *label;                /* for anqa_router_print */
    const anqa_route_assign *assigns; /* before pipelines run */

    /* Scopes, and the nested routes of a resource. */
    const struct anqa_route *routes;
    const anqa_plug *const *pipe_through; /* pipelines, NULL ends them */
    const anqa_plug *pipeline;            /* the same where it is only one; before those */
    /* "admin.example.org", or "admin." for all hosts that begin so; NULL: any. The innermost counts */
    const char *host;

    /* Resources. */
    const anqa_controller *controller;
    unsigned only, except; /* ANQA_ACTION_...; 0: all */
    bool singleton;        /* there is one only: no index, and no id in paths */
    const char *param;     /* NULL: "id" */
    /* nested routes have the parameter "post_id"; NULL: the path's last segment without an 's' at its end */
    const char *singular;

    bool forward;            /* `call` sees the path behind this one */
    const char *redirect_to; /* a pattern, with parameters of `path` */
    unsigned status;         /* of a redirect; 0: 302 */
} anqa_route;

/** `static const`. */
typedef struct anqa_router {
    const anqa_route *routes; /* {0} ends them */
} anqa_router;

/* NOLINTBEGIN(bugprone-macro-parentheses): rows of a table, whose designators can follow. */

/** ANQA_GET("/users/:id", show_user), or with more members: ANQA_GET("/", page, .opts = "home.html"). */
#define ANQA_GET(at, fn, ...) ANQA_ROUTE_("GET", at, fn, __VA_ARGS__)
#define ANQA_POST(at, fn, ...) ANQA_ROUTE_("POST", at, fn, __VA_ARGS__)
#define ANQA_PUT(at, fn, ...) ANQA_ROUTE_("PUT", at, fn, __VA_ARGS__)
#define ANQA_PATCH(at, fn, ...) ANQA_ROUTE_("PATCH", at, fn, __VA_ARGS__)
#define ANQA_DELETE(at, fn, ...) ANQA_ROUTE_("DELETE", at, fn, __VA_ARGS__)
#define ANQA_HEAD(at, fn, ...) ANQA_ROUTE_("HEAD", at, fn, __VA_ARGS__)
#define ANQA_OPTIONS(at, fn, ...) ANQA_ROUTE_("OPTIONS", at, fn, __VA_ARGS__)
#define ANQA_ANY(at, fn, ...) ANQA_ROUTE_(NULL, at, fn, __VA_ARGS__)
#define ANQA_ROUTE_(verb, at, fn, ...) \
    {.path = (at), .method = (verb), .call = (fn), .label = #fn, __VA_ARGS__}

/* clang-format off: it takes the braces for a block. */
/** Rows under a path and behind a pipeline, which may be NULL. */
#define ANQA_SCOPE(at, pipe, ...)                                        \
    {                                                                    \
        .path = (at), .pipeline = (pipe), .routes = (const anqa_route[]) \
        {                                                                \
            __VA_ARGS__, {0}                                             \
        }                                                                \
    }
/* clang-format on */

/** The routes of an anqa_controller: ANQA_RESOURCES("/posts", posts, .except = ANQA_ACTION_DELETE). */
#define ANQA_RESOURCES(at, actions, ...) \
    {.path = (at), .controller = &(actions), .label = #actions, __VA_ARGS__}
/** One that there is only one of: "/profile". */
#define ANQA_RESOURCE(at, actions, ...) ANQA_RESOURCES(at, actions, .singleton = true, __VA_ARGS__)

/** All requests below a path go to a plug, which finds the rest of it in path_info. Another router: anqa_router_call with it as
 * .opts. */
#define ANQA_FORWARD(at, fn, ...) \
    {.path = (at), .call = (fn), .label = #fn, .forward = true, __VA_ARGS__}

/** GET of that path is answered with the address of another one: ANQA_REDIRECT("/u/:id", "/users/:id", .status = 301). */
#define ANQA_REDIRECT(at, to, ...) \
    {.path = (at), .method = "GET", .redirect_to = (to), .label = "-> " to, __VA_ARGS__}

/* NOLINTEND(bugprone-macro-parentheses) */

/** The plug that a router is, where it stands in a pipeline, or another router forwards to it. opts: an anqa_router. */
ANQA_API void anqa_router_call(anqa_conn *conn, const void *opts);

/**
 * Makes the trie now, once; otherwise the endpoint does, or the first request.
 * Fails: E_INVALID (err names the route), E_LIMIT (a pattern of more than 32 segments, scopes or forwards nested more than 16
 * deep), E_NOMEM.   Context: any thread.
 */
ANQA_API anqa_status anqa_router_compile(
    const anqa_router *router, anqa_error *err) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- in a plug that was routed to */

/** The parameter of that name in the pattern, decoded: valid UTF-8 without NUL. Empty: there is none. */
ANQA_API anqa_str anqa_conn_path_param(const anqa_conn *conn, const char *name);

/** The parameters one by one, those of outer routers last. at: begins with 0. False: that was the last one. */
ANQA_API bool anqa_conn_each_path_param(
    const anqa_conn *conn, size_t *at, anqa_str *ret_name, anqa_str *ret_value);

/** The pattern of the route that was taken last, as "/users/:id"; NULL: none. */
ANQA_API const char *anqa_conn_route(const anqa_conn *conn);

/* ---------------------------------------------------------------- paths to routes */

/**
 * A path by its pattern: ANQA_PATH(&router, "/users/:id", "7") is "/users/7". Values are `const char *`, one for each parameter
 * in order, and are encoded; slashes of a glob's stay. pattern: a literal; it must be a route's of this very router
 * (not of one that it forwards to), whatever its method, or the process ends; anqa_router_verify finds that before. A value that
 * would lead elsewhere (empty, ".", "..") ends the process, too. Lives as long as the event.   Context: process.
 */
#define ANQA_PATH(router, pattern, ...)                                                           \
    __extension__({                                                                               \
        static const struct anqa_path_use path_use_ = {(router), "" pattern, __FILE__, __LINE__}; \
        static const struct anqa_path_use *const path_used_                                       \
            __attribute__((used, section("anqa_path_uses"))) = &path_use_;                        \
        anqa_path((router), (pattern), (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL});   \
    })

/** The same for patterns that are not literals. values: NULL ends them. */
ANQA_API anqa_str anqa_path(
    const anqa_router *router, const char *pattern, const char *const *values);

/** Adds a query: anqa_path_query(path, (const anqa_header[]){{"page", "2"}, {0}}) ends in "?page=2". Context: process. */
ANQA_API anqa_str anqa_path_query(anqa_str path, const anqa_header *pairs);

/** A place where ANQA_PATH stands. */
struct anqa_path_use {
    const anqa_router *router;
    const char *pattern, *file;
    int line;
};

ANQA_API anqa_status anqa_router_verify_(const struct anqa_path_use *const *uses,
    const struct anqa_path_use *const *end, anqa_error *err) ANQA_MUST_CHECK;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker names them so. */
/** Of the program or library that this is compiled into; NULL where there is no ANQA_PATH. */
extern const struct anqa_path_use *const __start_anqa_path_uses[]
    __attribute__((weak, visibility("hidden")));
extern const struct anqa_path_use *const __stop_anqa_path_uses[]
    __attribute__((weak, visibility("hidden")));
/* NOLINTEND(bugprone-reserved-identifier) */

/**
 * Whether the patterns of all ANQA_PATH in the calling program or library are routes, also of those that did not run yet: for a
 * test, or for `.start` of the application. Compiles their routers.
 * Fails: E_NOT_FOUND (err has pattern, file and line), else as anqa_router_compile.   Context: any thread.
 */
static inline ANQA_MUST_CHECK anqa_status anqa_router_verify(anqa_error *err)
{
    return anqa_router_verify_(__start_anqa_path_uses, __stop_anqa_path_uses, err);
}

/* ---------------------------------------------------------------- looking at a router */

/** How routes are printed. */
typedef enum anqa_router_format {
    ANQA_ROUTER_TEXT, /* method, path and label in columns */
    ANQA_ROUTER_JSON /* [{"method":"GET","path":"/users/:id","host":null,"plug":"show_user"}, ...] */
} anqa_router_format;

/** Prints all routes in their order, those of routers that it forwards to in their place. `program --routes` does so for all
 * endpoints of an application.   Fails: as anqa_router_compile; E_IO.   Context: any thread. */
ANQA_API anqa_status anqa_router_print(const anqa_router *router, anqa_router_format format,
    FILE *to, anqa_error *err) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
