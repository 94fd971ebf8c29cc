/* What requests are answered with that have no answer of their own. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdio.h>
#include <stdlib.h>

#include "http/site.h"

#define SECRET "Zb3cS0wQ9/7kPqLxR2vNfYhT6uGjMa1dEiO+5nVr8CtXyWzKBlAsHpUeDgFm4oJI"

static void crash(anqa_conn *conn, const void *opts)
{
    anqa_conn_put_resp_header(conn, "content-type", anqa_str_of("image/png"));
    anqa_exit(anqa_error_reason("the <ink> is out"));
}

static void crash_amid(anqa_conn *conn, const void *opts)
{
    anqa_send_chunked(conn, 200);
    anqa_chunk(conn, anqa_str_of("half"));
    anqa_exit(anqa_error_reason("the <ink> is out"));
}

static void say_nothing(anqa_conn *conn, const void *opts)
{
}

static const anqa_router router = {
    .routes = (const anqa_route[]){ANQA_GET("/crash/:what", crash), ANQA_GET("/amid", crash_amid),
        ANQA_GET("/nothing", say_nothing), {0}}};

static const anqa_endpoint plain = {
    .router = &router, .debug_errors = ANQA_DEBUG_ERRORS_OFF, .quiet = true};
static const anqa_endpoint debug = {
    .router = &router, .debug_errors = ANQA_DEBUG_ERRORS_ON, .quiet = true};

static const char *ask_json(const char *target)
{
    char request[256];

    snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
        target);
    return site_ask(request);
}

/* ---------------------------------------------------------------- for all */

TEST(a_crash_is_answered_with_500_in_words_and_no_more)
{
    const char *answer;

    site_begin_endpoint(&plain);
    answer = site_get("/crash/x");
    CHECK_EQ(status_of(answer), 500);
    CHECK_STR(body_of(answer), "Internal Server Error");
    CHECK(has(answer, "content-type: text/plain") && has(answer, "connection: close"));
    CHECK_EQ(status_of(site_get("/nothing")), 500);
    CHECK_EQ(status_of(site_get("/nowhere")), 404);
    CHECK(ends_with(site_ask("HEAD /crash/x HTTP/1.1\r\nHost: a\r\n\r\n"), "\r\n\r\n"));
    site_end();
}

TEST(who_asks_for_json_is_told_in_json)
{
    const char *answer;

    site_begin_endpoint(&debug);
    answer = ask_json("/crash/x");
    CHECK_EQ(status_of(answer), 500);
    CHECK_STR(body_of(answer), "{\"errors\":{\"detail\":\"Internal Server Error\"}}");
    CHECK_STR(body_of(ask_json("/nowhere")), "{\"errors\":{\"detail\":\"Not Found\"}}");
    site_end();
}

TEST(an_answer_that_has_begun_is_cut_off_and_nothing_put_behind_it)
{
    const char *answer;

    site_begin_endpoint(&debug);
    answer = site_get("/amid");
    CHECK(!has(answer, " 500 ") && !has(answer, "ink"), "%s", answer);
    CHECK(!ends_with(answer, "0\r\n\r\n"), "%s", answer); /* its client sees that it is not whole */
    site_end();
}

/* ---------------------------------------------------------------- for people who develop */

TEST(the_debug_page_has_the_reason_and_the_request_all_escaped)
{
    const char *answer;

    site_begin_endpoint(&debug);
    answer = site_ask("GET /crash/%3Cb%3E?q=<script> HTTP/1.1\r\nHost: a\r\n"
                      "X-Evil: <script>alert(1)</script>\r\nConnection: close\r\n\r\n");
    CHECK_EQ(status_of(answer), 500);
    CHECK(has(answer, "content-type: text/html"), "%s", answer);
    CHECK(has(answer, "the &lt;ink&gt; is out"), "%s", answer);
    CHECK(has(answer, "<th>query</th><td>q=&lt;script&gt;</td>"), "%s", answer);
    CHECK(has(answer, "<th>X-Evil</th><td>&lt;script&gt;alert(1)&lt;/script&gt;</td>"));
    CHECK(!has(answer, "<script>"), "%s", answer);
    answer = site_get("/nowhere");
    CHECK_EQ(status_of(answer), 404);
    CHECK(has(answer, "no route matches"), "%s", answer);
    site_end();
}

static const anqa_endpoint by_env = {.router = &router, .quiet = true};

TEST(the_environment_says_whether_there_are_debug_pages)
{
    setenv("ANQA_ENV", "dev", 1);
    setenv("SECRET_KEY_BASE", SECRET, 1); /* else one would be written to this folder */
    site_begin_endpoint(&by_env);
    CHECK(has(site_get("/crash/x"), "is out"));
    site_end();
    setenv("ANQA_ENV", "prod", 1);
    site_begin_endpoint(&by_env);
    CHECK(!has(site_get("/crash/x"), "is out"));
    site_end();
    unsetenv("ANQA_ENV");
    site_begin_endpoint(&by_env);
    CHECK(!has(site_get("/crash/x"), "is out"));
    site_end();
}

/* ---------------------------------------------------------------- pages of one's own */

static void render(anqa_conn *conn, unsigned status)
{
    if (anqa_str_is(conn->query_string, "crash"))
        anqa_exit(anqa_error_reason("and the page too"));
    if (!anqa_str_is(conn->query_string, "silent"))
        anqa_send_html(conn, status, anqa_str_of(anqa_tmp_printf("<h1>sorry: %u</h1>", status)));
}

static const anqa_endpoint own = {.router = &router,
    .render_errors = render,
    .debug_errors = ANQA_DEBUG_ERRORS_OFF,
    .quiet = true};

TEST(an_endpoint_renders_pages_of_its_own)
{
    site_begin_endpoint(&own);
    CHECK_STR(body_of(site_get("/crash/x?y")), "<h1>sorry: 500</h1>");
    CHECK_STR(body_of(site_get("/nothing?y")), "<h1>sorry: 500</h1>");
    CHECK_STR(body_of(site_get("/nowhere?y")), "<h1>sorry: 404</h1>");
    CHECK_EQ(status_of(site_get("/nowhere?y")), 404);
    site_end();
}

TEST(a_page_that_crashes_or_says_nothing_is_500_or_plain)
{
    site_begin_endpoint(&own);
    CHECK_STR(body_of(site_get("/nowhere?silent")), "Not Found");
    CHECK_EQ(status_of(site_get("/nowhere?crash")), 500);
    CHECK_EQ(status_of(site_get("/crash/x?crash")), 500);
    CHECK_EQ(status_of(site_get("/nowhere?silent")), 404);
    site_end();
}
