/* Requests, tested without a network. */
#include <anqa/test.h>

#include <stdlib.h>
#include <unistd.h>

static void echo(anqa_conn *conn, const void *opts)
{
    anqa_str body, type = {0};

    if (anqa_conn_read_body(conn, opts, &body, NULL) != ANQA_OK)
        return;
    (void)anqa_conn_req_header(conn, "content-type", &type);
    anqa_send_json(conn, 201,
        anqa_jsonf("{'method': %.*s, 'path': %.*s, 'query': %.*s, 'type': %.*s, 'body': %.*s}",
            ANQA_FMT(conn->method), ANQA_FMT(conn->request_path), ANQA_FMT(conn->query_string),
            ANQA_FMT(type), ANQA_FMT(body)));
}

ANQA_TEST(a_plug_sees_the_request_as_a_client_would_send_it)
{
    anqa_conn *conn = anqa_test_conn("POST", "/a%20b?c=d", .body = anqa_str_of("hello"),
        .headers = (const anqa_header[]){{"content-type", "text/plain"}, {0}});

    echo(conn, NULL);
    ANQA_ASSERT_JSON_RESPONSE(conn, 201,
        "{'method': 'POST', 'path': '/a%%20b', 'query': 'c=d', 'type': 'text/plain', "
        "'body': 'hello'}");
}

ANQA_TEST(a_body_that_is_too_long_is_413_as_it_would_be_in_a_server)
{
    static const anqa_body_opts four = {.length = 4};
    anqa_conn *conn = anqa_test_conn("POST", "/", .body = anqa_str_of("hello"));

    anqa_test_run(conn, (const anqa_plug[]){{echo, &four}, {0}});
    (void)ANQA_ASSERT_RESPONSE(conn, 413);
}

static void say_nothing(anqa_conn *conn, const void *opts)
{
}

ANQA_TEST(a_request_that_nobody_answers_gets_500)
{
    anqa_conn *conn = anqa_test_conn("GET", "/");

    anqa_test_capture_log(ANQA_ERROR);
    anqa_test_run(conn, (const anqa_plug[]){{.call = say_nothing}, {0}});
    (void)ANQA_ASSERT_RESPONSE(conn, 500);
    ANQA_ASSERT_LOGGED("http.request.unanswered");
}

static void in_parts(anqa_conn *conn, const void *opts)
{
    anqa_send_chunked(conn, 200);
    anqa_chunk(conn, anqa_str_of("one "));
    anqa_chunk(conn, anqa_str_of("two"));
}

static const anqa_router router = {
    .routes = (const anqa_route[]){ANQA_GET("/parts", in_parts), {0}}};
static const anqa_endpoint endpoint = {
    .plugs = (const anqa_plug[]){{.call = anqa_plug_request_id}, {.call = anqa_plug_health}, {0}},
    .router = &router};

ANQA_TEST(an_endpoint_is_its_plugs_and_its_router)
{
    anqa_conn *conn = anqa_test_conn("GET", "/parts");
    anqa_str id;

    anqa_test_dispatch(conn, &endpoint);
    ANQA_ASSERT_STR(ANQA_ASSERT_RESPONSE(conn, 200), "one two");
    ANQA_ASSERT_EQ(conn->state, ANQA_CONN_SENT);
    ANQA_ASSERT(anqa_conn_resp_header(conn, "x-request-id", &id));
    conn = anqa_test_conn("GET", "/health");
    anqa_test_dispatch(conn, &endpoint);
    ANQA_ASSERT(conn->halted);
    ANQA_ASSERT_JSON_RESPONSE(conn, 200, "{'status': 'ok'}");
}

/* ---------------------------------------------------------------- one client, several requests */

static void count_visits(anqa_conn *conn, const void *opts)
{
    int64_t visits = anqa_json_int(anqa_session_all(conn), "visits", 0);
    anqa_str theme = {0};

    if (visits == 2)
        anqa_session_drop(conn);
    else
        anqa_session_put(conn, "visits", anqa_jsonf("%d", (int)visits + 1));
    if (!anqa_conn_req_cookie(conn, "theme", &theme))
        anqa_conn_put_resp_cookie(conn, "theme", anqa_str_of("dark"), NULL);
    anqa_send_json(
        conn, 200, anqa_jsonf("{'visits': %d, 'theme': %.*s}", (int)visits, ANQA_FMT(theme)));
}

static void teapot(anqa_conn *conn, unsigned status)
{
    anqa_send_text(conn, 418, anqa_htmlf("%u", status));
}

static const anqa_endpoint counted = {
    .plugs = (const anqa_plug[]){{.call = anqa_plug_health}, {0}},
    .router =
        &(const anqa_router){.routes = (const anqa_route[]){ANQA_GET("/", count_visits), {0}}},
    .session = &(anqa_session_opts){0},
    .render_errors = teapot,
};

static anqa_conn *visit_after(const anqa_conn *before)
{
    anqa_conn *conn = anqa_test_conn("GET", "/", .after = before);

    anqa_test_dispatch(conn, &counted);
    return conn;
}

ANQA_TEST(a_client_sends_the_cookies_that_it_was_given_before)
{
    anqa_conn *first = visit_after(NULL), *second = visit_after(first),
              *third = visit_after(second);

    ANQA_ASSERT_JSON_RESPONSE(first, 200, "{'visits': 0, 'theme': ''}");
    ANQA_ASSERT_JSON_RESPONSE(second, 200, "{'visits': 1, 'theme': 'dark'}");
    ANQA_ASSERT_JSON_RESPONSE(third, 200, "{'visits': 2, 'theme': 'dark'}");
    ANQA_ASSERT_JSON_RESPONSE(visit_after(third), 200, "{'visits': 0, 'theme': 'dark'}");
    ANQA_ASSERT_JSON_RESPONSE(visit_after(first), 200, "{'visits': 1, 'theme': 'dark'}");
}

ANQA_TEST(an_endpoint_answers_with_its_own_error_pages)
{
    anqa_conn *conn = anqa_test_conn("GET", "/nowhere");

    anqa_test_dispatch(conn, &counted);
    ANQA_ASSERT_STR(ANQA_ASSERT_RESPONSE(conn, 418), "404");
}

static void send_this(anqa_conn *conn, const void *path)
{
    ANQA_ASSERT_STATUS(anqa_send_file(conn, 200, path, 1, 3), ANQA_OK);
}

ANQA_TEST(a_part_of_a_file_is_a_body_too)
{
    char path[] = "/tmp/anqa-kit-XXXXXX";
    int fd = mkstemp(path);
    anqa_conn *conn = anqa_test_conn("GET", "/");

    ANQA_ASSERT_EQ(write(fd, "abcdef", 6), 6);
    close(fd);
    send_this(conn, path);
    unlink(path);
    ANQA_ASSERT_STR(ANQA_ASSERT_RESPONSE(conn, 200), "bcd");
}

static void go(anqa_conn *conn, const void *opts)
{
    anqa_redirect(conn, anqa_str_of("/there"));
}

ANQA_TEST(a_redirect_has_a_place_it_leads_to)
{
    anqa_conn *conn = anqa_test_conn("GET", "/", .https = true, .host = "example.org:444");

    ANQA_ASSERT_STR(conn->scheme, "https");
    ANQA_ASSERT_EQ(conn->port, 444);
    go(conn, NULL);
    ANQA_ASSERT_REDIRECTED_TO(conn, "/there");
    ANQA_ASSERT_RESP_HEADER(conn, "x-none", NULL);
}

/* ---------------------------------------------------------------- what fails */

ANQA_TEST(a_request_that_no_server_would_take_fails_the_test, .expect_exit = 1,
    .expect_stderr = "anqa_test_conn it is refused")
{
    (void)anqa_test_conn("GET", "no path");
}

ANQA_TEST(another_status_fails_the_test_and_both_are_shown, .expect_exit = 1,
    .expect_stderr = "got:  302\n  want: 200")
{
    anqa_conn *conn = anqa_test_conn("GET", "/");

    go(conn, NULL);
    (void)ANQA_ASSERT_RESPONSE(conn, 200);
}

ANQA_TEST(no_answer_fails_the_test, .expect_exit = 1, .expect_stderr = "it was not")
{
    (void)ANQA_ASSERT_RESPONSE(anqa_test_conn("GET", "/"), 200);
}

ANQA_TEST(a_field_that_differs_fails_the_test, .expect_exit = 1,
    .expect_stderr = "the response's field location")
{
    anqa_conn *conn = anqa_test_conn("GET", "/");

    go(conn, NULL);
    ANQA_ASSERT_REDIRECTED_TO(conn, "/elsewhere");
}

ANQA_TEST(json_that_does_not_fit_fails_the_test, .expect_exit = 1,
    .expect_stderr = "check failed: the body of the response")
{
    anqa_conn *conn = anqa_test_conn("POST", "/", .body = anqa_str_of("x"));

    echo(conn, NULL);
    ANQA_ASSERT_JSON_RESPONSE(conn, 201, "{'body': 'y', ...}");
}
