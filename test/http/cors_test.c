/* Pages of other sites. */
#include <anqa/test.h>

#include <string.h>

static void answer(anqa_conn *conn, const void *opts)
{
    (void)anqa_send_text(conn, 200, anqa_str_of("data"));
}

static const char *const sites[] = {
    "https://app.example.org", "https://*.example.com", "http://localhost:3000", NULL};
static const char *const everybody[] = {"*", NULL};
static const char *const exposed[] = {"x-total", "etag", NULL};
static const char *const few[] = {"GET", NULL};

static const anqa_cors_opts listed = {.origins = sites}, open_to_all = {.origins = everybody},
                            with_cookies = {.origins = sites,
                                .credentials = true,
                                .expose = exposed,
                                .methods = few,
                                .headers = everybody,
                                .max_age_s = 60},
                            uncached = {.origins = sites, .max_age_s = ANQA_INFINITY},
                            dangerous = {.origins = everybody, .credentials = true};

static anqa_conn *ask(const char *method, const anqa_cors_opts *opts, const anqa_header *headers)
{
    anqa_conn *conn = anqa_test_conn(method, "/", .headers = headers);

    anqa_test_run(conn, (const anqa_plug[]){{anqa_plug_cors, opts}, {.call = answer}, {0}});
    return conn;
}

static anqa_conn *ask_from(const anqa_cors_opts *opts, const char *origin)
{
    return ask("GET", opts, (const anqa_header[]){{"origin", origin}, {0}});
}

static anqa_conn *ask_before(const anqa_cors_opts *opts, const char *origin, const char *fields)
{
    return ask("OPTIONS", opts,
        (const anqa_header[]){{"origin", origin}, {"access-control-request-method", "PUT"},
            {fields == NULL ? NULL : "access-control-request-headers", fields}, {0}});
}

static const struct {
    const char *origin;
    bool let_in;
} origins[] = {
    {"https://app.example.org", true},
    {"https://app.example.org:443", true},
    {"https://example.com", true},
    {"https://a.example.com", true},
    {"https://a.b.example.com", true},
    {"http://localhost:3000", true},
    {"http://app.example.org", false},
    {"https://app.example.org:8443", false},
    {"https://app.example.org.evil.net", false},
    {"https://evilexample.com", false},
    {"https://example.com.evil.net", false},
    {"https://example.org", false},
    {"http://localhost", false},
    {"http://localhost:30000", false},
    {"null", false},
    {"", false},
    {"*", false},
    {"//app.example.org", false},
    {"https://", false},
    {"https://*.example.com", true}, /* no browser has such a page */
    {"file://", false},
};

ANQA_TEST(pages_of_sites_that_are_listed_may_read_answers)
{
    for (size_t i = 0; i < ANQA_COUNT(origins); i++) {
        anqa_conn *conn = ask_from(&listed, origins[i].origin);
        (void)ANQA_ASSERT_RESPONSE(conn, 200); /* it is for the browser to keep it from the page */
        ANQA_ASSERT_RESP_HEADER(
            conn, "access-control-allow-origin", origins[i].let_in ? origins[i].origin : NULL);
        ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-credentials", NULL);
        ANQA_ASSERT_RESP_HEADER(conn, "vary", "origin");
        conn = ask_before(&listed, origins[i].origin, NULL);
        (void)ANQA_ASSERT_RESPONSE(conn, origins[i].let_in ? 204 : 403);
        ANQA_ASSERT_RESP_HEADER(
            conn, "access-control-allow-origin", origins[i].let_in ? origins[i].origin : NULL);
        ANQA_ASSERT_RESP_HEADER(conn, "vary", "origin");
    }
}

ANQA_TEST(an_answer_without_an_origin_differs_from_one_with_it_to_caches)
{
    anqa_conn *conn = ask("GET", &listed, NULL);

    ANQA_ASSERT_RESP_HEADER(conn, "vary", "origin");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-origin", NULL);
}

ANQA_TEST(what_is_open_to_all_is_the_same_for_all)
{
    anqa_conn *conn = ask_from(&open_to_all, "https://anywhere.net");

    ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-origin", "*");
    ANQA_ASSERT_RESP_HEADER(conn, "vary", NULL);
    conn = ask_from(&open_to_all, "null");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-origin", "*");
}

ANQA_TEST(the_question_before_is_answered_with_what_is_allowed)
{
    anqa_conn *conn = ask_before(&listed, "https://app.example.org", "x-odd");

    (void)ANQA_ASSERT_RESPONSE(conn, 204);
    ANQA_ASSERT_RESP_HEADER(
        conn, "access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-headers",
        "accept, authorization, content-type, x-csrf-token, x-requested-with");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-max-age", "7200");
    conn = ask_before(&uncached, "https://app.example.org", NULL);
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-max-age", "0");
}

ANQA_TEST(options_say_methods_fields_and_cookies)
{
    anqa_conn *conn = ask_before(&with_cookies, "https://app.example.org", "X-Odd, content-type");

    ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-credentials", "true");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-methods", "GET");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-headers", "X-Odd, content-type");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-max-age", "60");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-expose-headers", NULL);
    conn = ask_from(&with_cookies, "https://app.example.org");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-credentials", "true");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-expose-headers", "x-total, etag");
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-methods", NULL);
    conn = ask_before(&with_cookies, "https://app.example.org", "a b, c");
    (void)ANQA_ASSERT_RESPONSE(conn, 204);
    ANQA_ASSERT_RESP_HEADER(conn, "access-control-allow-headers", NULL);
}

ANQA_TEST(options_that_are_no_question_go_on)
{
    static const anqa_header origin[] = {{"origin", "https://app.example.org"}, {0}};
    static const anqa_header method[] = {{"access-control-request-method", "PUT"}, {0}};

    (void)ANQA_ASSERT_RESPONSE(ask("OPTIONS", &listed, origin), 200);
    (void)ANQA_ASSERT_RESPONSE(ask("OPTIONS", &listed, method), 200);
}

static void ask_dangerously(void *arg)
{
    (void)ask_from(&dangerous, "https://evil.net");
}

ANQA_TEST(cookies_for_all_sites_end_the_process)
{
    anqa_test_capture_log(ANQA_ERROR);
    (void)ANQA_ASSERT_EXIT(ask_dangerously, NULL, ANQA_REASON_ERROR);
}
