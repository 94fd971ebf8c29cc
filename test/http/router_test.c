/* Routers: which plug answers what, and what a table may not be. */
#include <anqa/test.h>

#include <stdlib.h>
#include <unistd.h>

#include "harness.h"

/* ---------------------------------------------------------------- the user's ten lines */

static void home(anqa_conn *conn, const void *opts)
{
    anqa_send_html(conn, 200, anqa_str_of("<h1>home</h1>"));
}

static void show_user(anqa_conn *conn, const void *opts)
{
    anqa_str id = anqa_conn_path_param(conn, "id");

    anqa_send_json(conn, 200, anqa_jsonf("{'id': %.*s}", ANQA_FMT(id)));
}

static const anqa_router small = {.routes = (const anqa_route[]){
                                      ANQA_GET("/", home),
                                      ANQA_GET("/users/:id", show_user),
                                      {0},
                                  }};

static const anqa_endpoint endpoint = {.router = &small, .quiet = true};

ANQA_TEST(a_request_goes_to_the_route_of_its_path)
{
    anqa_conn *conn = anqa_test_conn("GET", "/users/42");

    anqa_test_dispatch(conn, &endpoint);
    ANQA_ASSERT_JSON_RESPONSE(conn, 200, "{'id': '42'}");
    ANQA_ASSERT_STR(anqa_conn_route(conn), "/users/:id");
}

/* ---------------------------------------------------------------- which route */

/* Says where it is, and with which parameters. */
static void show(anqa_conn *conn, const void *opts)
{
    const char *text = opts == NULL ? anqa_conn_route(conn) : opts;
    anqa_str name, value;

    for (size_t at = 0; anqa_conn_each_path_param(conn, &at, &name, &value);)
        text = anqa_tmp_printf("%s %.*s=%.*s", text, ANQA_FMT(name), ANQA_FMT(value));
    anqa_send_text(conn, 200, anqa_str_of(text));
}

static const char *ask_host(
    const anqa_router *router, const char *method, const char *target, const char *host)
{
    anqa_conn *conn = anqa_test_conn(method, target, .host = host);

    anqa_test_run(conn, (const anqa_plug[]){{anqa_router_call, router}, {0}});
    return conn->status == 200 ? anqa_test_resp_body(conn) : anqa_tmp_printf("%u", conn->status);
}

static const char *ask(const anqa_router *router, const char *method, const char *target)
{
    return ask_host(router, method, target, NULL);
}

static const anqa_router patterns = {.routes = (const anqa_route[]){
                                         ANQA_GET("/", show),
                                         ANQA_GET("/users/me", show),
                                         ANQA_GET("/users/:id", show),
                                         ANQA_GET("/users/never", show),
                                         ANQA_GET("/users/:user/posts/:post", show),
                                         ANQA_GET("/v-:version/x", show),
                                         ANQA_GET("/caf\xc3\xa9", show),
                                         ANQA_GET("/files/*path", show),
                                         ANQA_GET("/files/late", show),
                                         ANQA_GET("/a/:x/c", show),
                                         ANQA_GET("/a/b/d", show),
                                         {0},
                                     }};

static const struct {
    const char *target, *shown;
} matches[] = {
    {"/", "/"},
    {"//", "/"},
    {"/?users/me", "/"},
    {"/users/me", "/users/me"},
    {"/users/me/", "/users/me"},
    {"/users//me", "/users/me"},
    {"/users/7", "/users/:id id=7"},
    {"/users/%6de", "/users/me"},
    {"/users/a%2Fb%20c", "/users/:id id=a/b c"},
    {"/users/caf%C3%A9", "/users/:id id=caf\xc3\xa9"},
    {"/users/never", "/users/:id id=never"},
    {"/users", "404"},
    {"/Users/me", "404"},
    {"/users/7/posts", "404"},
    {"/users/7/posts/8", "/users/:user/posts/:post user=7 post=8"},
    {"/v-2/x", "/v-:version/x version=2"},
    {"/v-/x", "404"},
    {"/caf%C3%A9", "/caf\xc3\xa9"},
    {"/files", "/files/*path path="},
    {"/files/a", "/files/*path path=a"},
    {"/files/a/b%20/c", "/files/*path path=a/b /c"},
    {"/files/late", "/files/*path path=late"},
    {"/files/a/../b", "404"},
    {"/files/%2e%2e/b", "404"},
    {"/files/./b", "404"},
    {"/files/..%2Fb", "404"},
    {"/files/a%2Fb", "404"},
    {"/files/...", "/files/*path path=..."},
    {"/a/b/c", "/a/:x/c x=b"},
    {"/a/b/d", "/a/b/d"},
    {"/a/e/d", "404"},
};

ANQA_TEST(the_route_that_was_written_first_is_taken)
{
    for (size_t i = 0; i < ANQA_COUNT(matches); i++)
        ANQA_ASSERT_STR(
            ask(&patterns, "GET", matches[i].target), matches[i].shown, "%s", matches[i].target);
}

static const anqa_router methods = {.routes = (const anqa_route[]){
                                        ANQA_GET("/x", show, .opts = "get"),
                                        ANQA_POST("/x", show, .opts = "post"),
                                        ANQA_PUT("/x", show, .opts = "put"),
                                        ANQA_PATCH("/x", show, .opts = "patch"),
                                        ANQA_DELETE("/x", show, .opts = "delete"),
                                        ANQA_OPTIONS("/x", show, .opts = "options"),
                                        ANQA_ANY("/any", show, .opts = "any"),
                                        ANQA_HEAD("/head", show, .opts = "head"),
                                        ANQA_GET("/head", show, .opts = "get"),
                                        ANQA_POST("/post", show),
                                        {0},
                                    }};

static const struct {
    const char *method, *target, *shown;
} by_method[] = {
    {"GET", "/x", "get"},
    {"POST", "/x", "post"},
    {"PUT", "/x", "put"},
    {"PATCH", "/x", "patch"},
    {"DELETE", "/x", "delete"},
    {"OPTIONS", "/x", "options"},
    {"HEAD", "/x", "get"},
    {"HEAD", "/head", "head"},
    {"GET", "/head", "get"},
    {"DELETE", "/any", "any"},
    {"HEAD", "/any", "any"},
    {"GET", "/post", "404"},
    {"HEAD", "/post", "404"},
};

ANQA_TEST(methods_have_routes_of_their_own_and_head_goes_where_get_goes)
{
    for (size_t i = 0; i < ANQA_COUNT(by_method); i++)
        ANQA_ASSERT_STR(ask(&methods, by_method[i].method, by_method[i].target), by_method[i].shown,
            "%s %s", by_method[i].method, by_method[i].target);
}

ANQA_TEST(what_no_route_matches_is_404_as_text_or_as_json)
{
    anqa_conn *conn = anqa_test_conn("GET", "/nowhere");

    anqa_test_dispatch(conn, &endpoint);
    ANQA_ASSERT_STR(ANQA_ASSERT_RESPONSE(conn, 404), "Not Found");
    ANQA_ASSERT(anqa_conn_route(conn) == NULL);
    conn = anqa_test_conn(
        "GET", "/nowhere", .headers = (const anqa_header[]){{"accept", "application/json"}, {0}});
    anqa_test_dispatch(conn, &endpoint);
    ANQA_ASSERT_JSON_RESPONSE(conn, 404, "{'errors': {'detail': 'Not Found'}}");
}

/* ---------------------------------------------------------------- scopes */

static void note(anqa_conn *conn, const void *what)
{
    const char *before = anqa_conn_assigned(conn, "notes");

    anqa_conn_assign(
        conn, "notes", anqa_tmp_printf("%s%s,", before == NULL ? "" : before, (const char *)what));
}

static void stop(anqa_conn *conn, const void *opts)
{
    anqa_send_text(conn, 403, anqa_str_of("no"));
    anqa_conn_halt(conn);
}

static void show_notes(anqa_conn *conn, const void *opts)
{
    const char *locale = anqa_conn_assigned(conn, "locale");

    note(conn, locale == NULL ? "-" : locale);
    anqa_send_text(conn, 200, anqa_str_of(anqa_conn_assigned(conn, "notes")));
}

static const anqa_plug outer[] = {{note, "outer"}, {0}};
static const anqa_plug first[] = {{note, "first"}, {0}};
static const anqa_plug second[] = {{note, "second"}, {note, "third"}, {0}};
static const anqa_plug closed[] = {{.call = stop}, {0}};

static const anqa_router scoped = {
    .routes = (const anqa_route[]){
        ANQA_SCOPE("/", outer, ANQA_GET("/plain", show_notes),
            {.path = "/in",
                .pipe_through = (const anqa_plug *const[]){first, second, NULL},
                .assigns = (const anqa_route_assign[]){{"locale", "de"}, {0}},
                .routes = (const anqa_route[]){ANQA_GET("/", show_notes),
                    ANQA_GET("/en", show_notes,
                        .assigns = (const anqa_route_assign[]){{"locale", "en"}, {0}}),
                    {0}}}),
        ANQA_SCOPE("/closed/", closed, ANQA_GET("/x", show_notes)),
        {0},
    }};

ANQA_TEST(pipelines_run_from_the_outermost_scope_to_the_innermost)
{
    ANQA_ASSERT_STR(ask(&scoped, "GET", "/plain"), "outer,-,");
    ANQA_ASSERT_STR(ask(&scoped, "GET", "/in"), "outer,first,second,third,de,");
    ANQA_ASSERT_STR(ask(&scoped, "GET", "/in/en"), "outer,first,second,third,en,");
}

ANQA_TEST(a_pipeline_that_halts_is_the_last_thing_that_runs)
{
    ANQA_ASSERT_STR(ask(&scoped, "GET", "/closed/x"), "403");
    ANQA_ASSERT_STR(ask(&scoped, "GET", "/closed/y"), "404");
}

static const anqa_router hosts = {
    .routes = (const anqa_route[]){
        {.path = "/",
            .host = "admin.",
            .routes = (const anqa_route[]){ANQA_GET("/", show, .opts = "admin"), {0}}},
        {.path = "/",
            .host = "example.org",
            .routes = (const anqa_route[]){ANQA_GET("/", show, .opts = "exact"), {0}}},
        ANQA_GET("/", show, .opts = "any"),
        {0},
    }};

ANQA_TEST(scopes_can_be_for_a_host_or_for_all_that_begin_so)
{
    ANQA_ASSERT_STR(ask_host(&hosts, "GET", "/", "admin.example.org:4000"), "admin");
    ANQA_ASSERT_STR(ask_host(&hosts, "GET", "/", "Example.ORG"), "exact");
    ANQA_ASSERT_STR(ask_host(&hosts, "GET", "/", "www.example.org"), "any");
    ANQA_ASSERT_STR(ask_host(&hosts, "GET", "/", "administration.example.org"), "any");
}

/* ---------------------------------------------------------------- resources */

static const anqa_controller posts = {show, show, show, show, show, show, show};
static const anqa_controller read_only = {.index = show, .show = show};

static const anqa_router resources = {
    .routes = (const anqa_route[]){
        ANQA_RESOURCES("/posts", posts,
            .routes = (const anqa_route[]){ANQA_RESOURCES("/comments", read_only), {0}}),
        ANQA_RESOURCES("/few", posts, .only = ANQA_ACTION_INDEX | ANQA_ACTION_NEW),
        ANQA_RESOURCES("/most", posts, .except = ANQA_ACTION_DELETE, .param = "slug"),
        ANQA_RESOURCES("/people", posts, .singular = "person",
            .routes = (const anqa_route[]){ANQA_GET("/photo", show), {0}}),
        ANQA_RESOURCE(
            "/profile", posts, .routes = (const anqa_route[]){ANQA_GET("/photo", show), {0}}),
        {0},
    }};

static const struct {
    const char *method, *target, *shown;
} resource_rows[] = {
    {"GET", "/posts", "/posts"},
    {"GET", "/posts/new", "/posts/new"},
    {"GET", "/posts/7", "/posts/:id id=7"},
    {"GET", "/posts/7/edit", "/posts/:id/edit id=7"},
    {"POST", "/posts", "/posts"},
    {"PATCH", "/posts/7", "/posts/:id id=7"},
    {"PUT", "/posts/7", "/posts/:id id=7"},
    {"DELETE", "/posts/7", "/posts/:id id=7"},
    {"DELETE", "/posts", "404"},
    {"GET", "/posts/7/comments", "/posts/:post_id/comments post_id=7"},
    {"GET", "/posts/7/comments/8", "/posts/:post_id/comments/:id post_id=7 id=8"},
    {"POST", "/posts/7/comments", "404"},
    {"GET", "/few", "/few"},
    {"GET", "/few/new", "/few/new"},
    {"GET", "/few/7", "404"},
    {"POST", "/few", "404"},
    {"GET", "/most/a", "/most/:slug slug=a"},
    {"DELETE", "/most/a", "404"},
    {"GET", "/people/7/photo", "/people/:person_id/photo person_id=7"},
    {"GET", "/profile", "/profile"},
    {"GET", "/profile/new", "/profile/new"},
    {"GET", "/profile/edit", "/profile/edit"},
    {"PUT", "/profile", "/profile"},
    {"DELETE", "/profile", "/profile"},
    {"GET", "/profile/7", "404"},
    {"GET", "/profile/photo", "/profile/photo"},
};

ANQA_TEST(resources_have_phoenixs_eight_routes_less_those_that_are_not_wanted)
{
    for (size_t i = 0; i < ANQA_COUNT(resource_rows); i++)
        ANQA_ASSERT_STR(ask(&resources, resource_rows[i].method, resource_rows[i].target),
            resource_rows[i].shown, "%s %s", resource_rows[i].method, resource_rows[i].target);
}

/* ---------------------------------------------------------------- forwards and redirects */

static void show_rest(anqa_conn *conn, const void *opts)
{
    const char *text = anqa_tmp_printf("%s:", (const char *)opts);

    for (size_t i = 0; i < conn->path_count; i++)
        text = anqa_tmp_printf("%s [%.*s]", text, ANQA_FMT(conn->path_info[i]));
    anqa_send_text(conn, 200, anqa_str_of(text));
}

static const anqa_router inner = {
    .routes = (const anqa_route[]){ANQA_GET("/", show), ANQA_GET("/users/:id", show), {0}}};

static const anqa_router forwarding = {
    .routes = (const anqa_route[]){
        ANQA_FORWARD("/jobs", show_rest, .opts = "jobs"),
        ANQA_FORWARD("/of/:tenant", anqa_router_call, .opts = &inner),
        ANQA_REDIRECT("/old", "/new"),
        ANQA_REDIRECT("/u/:id", "/users/:id", .status = 301),
        {0},
    }};

ANQA_TEST(a_forward_takes_all_below_its_path_and_shows_the_rest)
{
    ANQA_ASSERT_STR(ask(&forwarding, "POST", "/jobs"), "jobs:");
    ANQA_ASSERT_STR(ask(&forwarding, "GET", "/jobs/a/%2e%2e"), "jobs: [a] [..]");
    ANQA_ASSERT_STR(ask(&forwarding, "GET", "/jobsx"), "404");
}

ANQA_TEST(routers_forward_to_routers_and_parameters_of_both_are_there)
{
    ANQA_ASSERT_STR(ask(&forwarding, "GET", "/of/acme"), "/ tenant=acme");
    ANQA_ASSERT_STR(ask(&forwarding, "GET", "/of/acme/users/7"), "/users/:id id=7 tenant=acme");
    ANQA_ASSERT_STR(ask(&forwarding, "GET", "/of/acme/x"), "404");
}

static const char *redirected(const char *target, unsigned status)
{
    anqa_conn *conn = anqa_test_conn("GET", target);
    anqa_str location = {0};

    anqa_router_call(conn, &forwarding);
    (void)ANQA_ASSERT_RESPONSE(conn, status);
    ANQA_ASSERT(anqa_conn_resp_header(conn, "location", &location));
    return anqa_tmp_copy(location.ptr, location.len);
}

static void redirect_away(void *arg)
{
    (void)redirected("/u/%2e%2e", 301);
}

ANQA_TEST(a_redirect_keeps_parameters_and_leads_nowhere_else)
{
    ANQA_ASSERT_STR(redirected("/old", 302), "/new");
    ANQA_ASSERT_STR(redirected("/u/a%2Fb%0D%0Ax%3A", 301), "/users/a%2Fb%0D%0Ax%3A");
    ANQA_ASSERT_STR(redirected("/u/%2F%2Fevil.example", 301), "/users/%2F%2Fevil.example");
    anqa_test_capture_log(ANQA_ERROR);
    (void)ANQA_ASSERT_EXIT(redirect_away, NULL, ANQA_REASON_ERROR);
}

/* ---------------------------------------------------------------- tables that can not be */

#define DEEP "/a/a/a/a/a/a/a/a/a/a/a"

static const struct {
    anqa_route rows[3];
    anqa_status status;
    const char *why;
} bad_tables[] = {
    {{ANQA_GET("users", show)}, ANQA_E_INVALID, "route users: a path begins with '/'"},
    {{ANQA_GET("/:", show)}, ANQA_E_INVALID, "route GET /:: a name behind"},
    {{ANQA_GET("/:a-b", show)}, ANQA_E_INVALID, "letters, digits and '_' only"},
    {{ANQA_GET("/:1", show)}, ANQA_E_INVALID, "letters, digits and '_' only"},
    {{ANQA_GET("/*", show)}, ANQA_E_INVALID, "letters, digits and '_' only"},
    {{ANQA_GET("/*a/b", show)}, ANQA_E_INVALID, "a glob is its last segment"},
    {{ANQA_GET("/x*a", show)}, ANQA_E_INVALID, "a glob is a whole segment"},
    {{ANQA_GET("/:a/:a", show)}, ANQA_E_INVALID, "the same name"},
    {{ANQA_GET("/x", NULL)}, ANQA_E_INVALID, "route /x: it has no plug"},
    {{ANQA_GET("/:a", show), ANQA_GET("/:b", show)}, ANQA_E_INVALID,
        "route GET /:b can not be reached: GET /:a comes first"},
    {{ANQA_ANY("/x", show), ANQA_POST("/x", show)}, ANQA_E_INVALID,
        "route POST /x can not be reached: any /x comes first"},
    {{ANQA_REDIRECT("/x", "http://a/")}, ANQA_E_INVALID, "leads to a path"},
    {{ANQA_REDIRECT("/x/:a", "/y/:b")}, ANQA_E_INVALID, "a parameter that it has not"},
    {{ANQA_FORWARD("/x/*all", show)}, ANQA_E_INVALID, "without a glob"},
    {{ANQA_GET(DEEP DEEP DEEP, show)}, ANQA_E_LIMIT, "more than 32 segments"},
};

TEST(a_table_that_can_not_be_is_refused_and_the_route_named)
{
    for (size_t i = 0; i < ANQA_COUNT(bad_tables); i++) {
        anqa_router *router = malloc(sizeof *router);
        anqa_error err;
        *router = (anqa_router){bad_tables[i].rows};
        CHECK_STATUS(anqa_router_compile(router, &err), bad_tables[i].status, "%zu", i);
        CHECK(strstr(err.text, bad_tables[i].why) != NULL, "%s", err.text);
        free(router);
    }
}

static const anqa_router ouroboros = {
    .routes = (const anqa_route[]){ANQA_FORWARD("/", anqa_router_call, .opts = &ouroboros), {0}}};

TEST(routers_that_forward_in_a_circle_are_refused)
{
    anqa_error err;

    CHECK_STATUS(anqa_router_compile(&ouroboros, &err), ANQA_E_LIMIT);
    CHECK(strstr(err.text, "16 deep") != NULL, "%s", err.text);
}

TEST(scopes_can_be_nested_sixteen_deep)
{
    anqa_route rows[18][2] = {0};
    anqa_router most = {rows[1]}, more = {rows[0]};
    anqa_error err;

    for (size_t i = 0; i < 17; i++)
        rows[i][0] = (anqa_route){.path = "/s", .routes = rows[i + 1]};
    rows[17][0] = (anqa_route)ANQA_GET("/x", show);
    CHECK_STATUS(anqa_router_compile(&most, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_router_compile(&more, &err), ANQA_E_LIMIT);
}

static const anqa_router broken = {.routes = (const anqa_route[]){ANQA_GET("/*a/b", show), {0}}};
static const anqa_endpoint broken_endpoint = {.router = &broken, .quiet = true};

ANQA_TEST(an_endpoint_with_a_broken_router_does_not_start)
{
    anqa_error err;

    anqa_test_capture_log(ANQA_ERROR);
    ANQA_ASSERT_STATUS(
        anqa_gen_server_start(&anqa_endpoint_server, &broken_endpoint, NULL, &(anqa_pid){0}, &err),
        ANQA_E_STOPPED);
    ANQA_ASSERT(strstr(err.text, "route GET /*a/b") != NULL, "%s", err.text);
}

TEST(without_memory_no_router_is_made_and_with_it_one_is)
{
    anqa_status status = ANQA_E_NOMEM;

    EACH_ALLOC_FAILURE {
        if (status != ANQA_OK)
            status = anqa_router_compile(&resources, NULL);
    }
    CHECK_STATUS(anqa_router_compile(&resources, NULL), ANQA_OK);
}

/* ---------------------------------------------------------------- paths */

static const char *text_of(anqa_str s)
{
    return anqa_tmp_copy(s.ptr, s.len);
}

ANQA_TEST(a_path_is_made_of_a_routes_pattern_and_its_values_are_encoded)
{
    ANQA_ASSERT_STR(ANQA_PATH(&patterns, "/"), "/");
    ANQA_ASSERT_STR(
        ANQA_PATH(&patterns, "/users/:id", "a/b ?%\xc3\xa9"), "/users/a%2Fb%20%3F%25%C3%A9");
    ANQA_ASSERT_STR(ANQA_PATH(&patterns, "/users/:user/posts/:post", "7", "8"), "/users/7/posts/8");
    ANQA_ASSERT_STR(ANQA_PATH(&patterns, "/v-:version/x", "."), "/v-./x");
    ANQA_ASSERT_STR(ANQA_PATH(&patterns, "/files/*path", "a/b c.txt"), "/files/a/b%20c.txt");
    ANQA_ASSERT_STR(ANQA_PATH(&patterns, "/caf\xc3\xa9"), "/caf%C3%A9");
    ANQA_ASSERT_STR(anqa_path_query(ANQA_PATH(&patterns, "/"),
                        (const anqa_header[]){{"q", "a&b=c"}, {"page", "2"}, {0}}),
        "/?q=a%26b%3Dc&page=2");
}

static const char *const bad_values[][3] = {
    {"/users/:id", "..", NULL},
    {"/users/:id", ".", NULL},
    {"/users/:id", "", NULL},
    {"/files/*path", "a/../b", NULL},
    {"/files/*path", "/etc", NULL},
    {"/users/:id", NULL, NULL},
    {"/users/me", "7", NULL},
    {"/users/:no_such", "7", NULL},
};

static void make_path(void *arg)
{
    const char *const *row = *(const char *const *const *)arg;

    (void)text_of(anqa_path(&patterns, row[0], row + 1));
}

ANQA_TEST(a_value_that_leads_elsewhere_or_is_one_too_many_ends_the_process)
{
    anqa_test_capture_log(ANQA_ERROR);
    for (size_t i = 0; i < ANQA_COUNT(bad_values); i++) {
        const char *const *row = bad_values[i];
        (void)ANQA_ASSERT_EXIT(make_path, &row, ANQA_REASON_ERROR);
    }
}

TEST(all_paths_of_a_program_are_checked_against_their_routers)
{
    static const struct anqa_path_use good = {&patterns, "/users/:id", "a.c", 1},
                                      bad = {&patterns, "/user/:id", "b.c", 7};
    const struct anqa_path_use *uses[] = {&good, &bad};
    anqa_error err;

    CHECK_STATUS(anqa_router_verify(&err), ANQA_OK, "%s", err.text); /* those of this file */
    CHECK_STATUS(anqa_router_verify_(uses, uses + 1, &err), ANQA_OK);
    CHECK_STATUS(anqa_router_verify_(uses, uses + 2, &err), ANQA_E_NOT_FOUND);
    CHECK_STR(err.text, "b.c:7: the router has no route \"/user/:id\"");
}

/* ---------------------------------------------------------------- printing */

static char *printed(const anqa_router *router, anqa_router_format format)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    CHECK_STATUS(anqa_router_print(router, format, to, NULL), ANQA_OK);
    fclose(to);
    return text;
}

TEST(all_routes_are_printed_in_order_with_those_of_inner_routers)
{
    char *text = printed(&forwarding, ANQA_ROUTER_TEXT);

    CHECK_STR(text, "*        /jobs                                show_rest\n"
                    "GET      /of/:tenant                          show\n"
                    "GET      /of/:tenant/users/:id                show\n"
                    "GET      /old                                 -> /new\n"
                    "GET      /u/:id                               -> /users/:id\n");
    free(text);
    text = printed(&small, ANQA_ROUTER_JSON);
    CHECK_STR(text,
        "[{\"method\":\"GET\",\"path\":\"/\",\"host\":null,\"plug\":\"home\"},\n "
        "{\"method\":\"GET\",\"path\":\"/users/:id\",\"host\":null,\"plug\":\"show_user\"}]\n");
    free(text);
}

static const anqa_supervisor web = {
    .name = "web", .children = (const anqa_child_spec[]){ANQA_ENDPOINT(&endpoint), {0}}};
static const anqa_app program = {
    .name = "program", .children = (const anqa_child_spec[]){{.supervisor = &web}, {0}}};

static int run_program(const char *argument)
{
    char name[] = "program", copy[32];
    char *argv[] = {name, copy, NULL};

    snprintf(copy, sizeof copy, "%s", argument);
    return anqa_main(2, argv, &program);
}

TEST(a_program_that_is_asked_prints_the_routes_of_its_endpoints_and_does_not_start)
{
    char text[512] = "";
    FILE *file = tmpfile();
    int out = dup(STDOUT_FILENO);

    fflush(stdout);
    CHECK(dup2(fileno(file), STDOUT_FILENO) >= 0);
    CHECK_EQ(run_program("--routes"), ANQA_EXIT_OK);
    CHECK_EQ(run_program("--routes=yaml"), ANQA_EXIT_USAGE);
    CHECK_EQ(run_program("--route"), ANQA_EXIT_USAGE);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    CHECK(pread(fileno(file), text, sizeof text - 1, 0) > 0);
    fclose(file);
    CHECK_STR(text, "GET      /                                    home\n"
                    "GET      /users/:id                           show_user\n");
}

/* ---------------------------------------------------------------- telemetry */

static char events[512];

static void write_event(void *ctx, const anqa_telemetry_event *event)
{
    const anqa_field *route = anqa_field_find(event->metadata, event->metadata_count, "route");
    const anqa_field *status =
        anqa_field_find(event->measurements, event->measurement_count, "status");
    const anqa_field *reason = anqa_field_find(event->metadata, event->metadata_count, "reason");
    size_t len = strlen(events);

    snprintf(events + len, sizeof events - len, "%s %.*s %d %.*s\n", event->name,
        ANQA_FMT(route->as.s), status == NULL ? 0 : (int)status->as.u,
        reason == NULL ? 0 : (int)reason->as.s.len, reason == NULL ? "" : reason->as.s.ptr);
}

static void crash(anqa_conn *conn, const void *opts)
{
    anqa_exit(anqa_error_reason("out of ink"));
}

static const anqa_router crashing = {
    .routes = (const anqa_route[]){ANQA_GET("/crash", crash), {0}}};

static void ask_for_a_crash(void *arg)
{
    (void)ask(&crashing, "GET", "/crash");
}

ANQA_TEST(a_dispatch_is_a_span_with_the_routes_pattern_also_when_it_crashes)
{
    const anqa_telemetry_handler handler = {
        .id = "test", .pattern = "anqa.router_dispatch.*", .run = write_event};

    ANQA_ASSERT_STATUS(anqa_telemetry_attach(&handler), ANQA_OK);
    anqa_test_capture_log(ANQA_ERROR);
    (void)ask(&patterns, "GET", "/users/7");
    (void)ANQA_ASSERT_EXIT(ask_for_a_crash, NULL, ANQA_REASON_ERROR);
    (void)anqa_telemetry_detach("test");
    ANQA_ASSERT_STR(events, "anqa.router_dispatch.start /users/:id 0 \n"
                            "anqa.router_dispatch.stop /users/:id 200 \n"
                            "anqa.router_dispatch.start /crash 0 \n"
                            "anqa.router_dispatch.exception /crash 0 error: out of ink\n");
}
