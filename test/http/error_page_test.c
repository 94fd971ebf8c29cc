/* What requests are answered with that have no answer of their own. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* ---------------------------------------------------------------- where it was */

static __attribute__((noinline)) void divide_by_what_the_client_says(anqa_conn *conn)
{
    ANQA_REQUIRE(conn->query_string.len == 0); /* the line that is shown */
    anqa_send_text(conn, 200, anqa_str_of("fine"));
}

static void required(anqa_conn *conn, const void *opts)
{
    divide_by_what_the_client_says(conn);
    anqa_conn_put_status(conn, 200); /* so that the call above is no jump */
}

#ifndef __SANITIZE_THREAD__
static __attribute__((noinline)) int read_nothing(const int *volatile nothing)
{
    return *nothing + 1; /* the line of the fault */
}

static void fault(anqa_conn *conn, const void *opts)
{
    if (read_nothing(NULL) == 0)
        anqa_send_text(conn, 200, anqa_str_of("fine"));
}
#endif

static const anqa_router wrong = {.routes = (const anqa_route[]){ANQA_GET("/required", required),
#ifndef __SANITIZE_THREAD__
                                      ANQA_GET("/fault", fault),
#endif
                                      {0}}};

static const anqa_endpoint wrong_debug = {
    .router = &wrong, .debug_errors = ANQA_DEBUG_ERRORS_ON, .quiet = true};
static const anqa_endpoint wrong_plain = {
    .router = &wrong, .debug_errors = ANQA_DEBUG_ERRORS_OFF, .quiet = true};

static void need_addr2line(void)
{
    if (system("command -v addr2line >/dev/null") != 0)
        SKIP("addr2line is not installed");
}

TEST(the_debug_page_shows_the_lines_around_where_the_code_exits)
{
    const char *answer;

    need_addr2line();
    site_begin_endpoint(&wrong_debug);
    answer = site_get("/required?x");
    CHECK_EQ(status_of(answer), 500);
    CHECK(has(answer, "conn-&gt;query_string.len == 0"), "%s", answer);
    CHECK(has(answer, "<code>divide_by_what_the_client_says</code>"), "%s", answer);
    CHECK(has(answer, "error_page_test.c:"), "%s", answer);
    CHECK(has(answer, "the line that is shown */</b>"), "%s", answer);
    CHECK(has(answer, "<li><code><b>required</b></code> "), "%s", answer);
    CHECK(has(answer, "<li class=other><code>exchange_run</code> "), "%s", answer);
    CHECK_STR(body_of(site_get("/required")), "fine");
    site_end();
}

/* Whether the test above holds for a copy of this program that runs in that folder. */
static bool holds_in(const char *folder, const char *copy)
{
    char command[512];

    snprintf(command, sizeof command,
        "cd '%s' && '%s' the_debug_page_shows_the_lines_around >/dev/null 2>&1", folder, copy);
    return system(command) == 0;
}

TEST(sources_that_do_not_lie_above_a_program_are_found_in_the_folder_that_it_runs_in)
{
    char folder[] = "/tmp/anqa-pages-XXXXXX", copy[64], command[128];

    need_addr2line();
    CHECK(mkdtemp(folder) != NULL);
    snprintf(copy, sizeof copy, "%s/copy", folder);
    snprintf(command, sizeof command, "cp /proc/%d/exe %s", (int)getpid(), copy);
    CHECK_EQ(system(command), 0);
    CHECK(holds_in(SOURCE_DIR, copy));
    CHECK(!holds_in(folder, copy));
    unlink(copy);
    rmdir(folder);
}

TEST(only_who_develops_sees_where_it_was)
{
    static const char *const secrets[] = {"divide", "error_page_test", "query_string", "required"};
    const char *answer;

    site_begin_endpoint(&wrong_plain);
    answer = site_get("/required?x");
    CHECK_STR(body_of(answer), "Internal Server Error");
    for (size_t i = 0; i < ANQA_COUNT(secrets); i++)
        CHECK(!has(answer, secrets[i]), "%s", answer);
    CHECK_STR(
        body_of(ask_json("/required?x")), "{\"errors\":{\"detail\":\"Internal Server Error\"}}");
    site_end();
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST(the_debug_page_shows_the_line_of_a_fault)
{
    const char *answer;

    need_addr2line();
    site_begin_endpoint(&wrong_debug);
    answer = site_get("/fault");
    CHECK_EQ(status_of(answer), 500);
    CHECK(has(answer, "SIGSEGV at 0x0"), "%s", answer);
    CHECK(has(answer, "<code>read_nothing</code>"), "%s", answer);
    CHECK(has(answer, "the line of the fault */</b>"), "%s", answer);
    CHECK_STR(body_of(site_get("/required")), "fine");
    site_end();
}

TEST(a_fault_is_answered_in_words_and_in_json_as_an_exit_is)
{
    const char *answer;

    site_begin_endpoint(&wrong_plain);
    answer = site_get("/fault");
    CHECK_EQ(status_of(answer), 500);
    CHECK_STR(body_of(answer), "Internal Server Error");
    CHECK(has(answer, "connection: close"));
    CHECK_STR(body_of(ask_json("/fault")), "{\"errors\":{\"detail\":\"Internal Server Error\"}}");
    answer = site_ask("HEAD /fault HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_EQ(status_of(answer), 500);
    CHECK_STR(body_of(answer), "");
    site_end();
}
#endif
