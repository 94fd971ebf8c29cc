/* The request's side of anqa/conn.h, and pipelines, over a real connection. */
#include "harness.h"

#include <anqa/anqa.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/site.h"

/* ---------------------------------------------------------------- the user's ten lines */

static void require_key(anqa_conn *conn, const void *key)
{
    anqa_str given;

    if (anqa_conn_req_header(conn, "x-key", &given) && anqa_str_is(given, key))
        return;
    anqa_send_text(conn, 401, anqa_str_of("no"));
    anqa_conn_halt(conn);
}

static void hello(anqa_conn *conn, const void *opts)
{
    anqa_send_text(conn, 200, anqa_str_of("hello"));
}

static const anqa_endpoint hello_endpoint = {
    .plugs = (const anqa_plug[]){{require_key, "open"}, {.call = hello}, {0}}, .quiet = true};

TEST(a_pipeline_stops_at_the_plug_that_halts)
{
    site_begin_endpoint(&hello_endpoint);
    CHECK_EQ(status_of(site_get("/")), 401);
    CHECK_STR(
        body_of(site_ask("GET / HTTP/1.1\r\nHost: a\r\nX-Key: open\r\nConnection: close\r\n\r\n")),
        "hello");
    site_end();
}

/* ---------------------------------------------------------------- the request */

static void show(anqa_conn *conn, const void *opts)
{
    char text[512];
    int len = snprintf(text, sizeof text, "%.*s %s %.*s %u %.*s ?%.*s", ANQA_FMT(conn->method),
        conn->scheme, ANQA_FMT(conn->host), conn->port, ANQA_FMT(conn->request_path),
        ANQA_FMT(conn->query_string));

    for (size_t i = 0; i < conn->path_count; i++)
        len += snprintf(
            text + len, sizeof text - (size_t)len, " [%.*s]", ANQA_FMT(conn->path_info[i]));
    anqa_send_text(conn, 200, anqa_str_make(text, (size_t)len));
}

static const struct {
    const char *request_line, *host, *shown; /* NULL: 400 */
} targets[] = {
    {"GET /", "example.org", "GET http example.org 80 / ?"},
    {"GET /a/b?c=d", "example.org:8080", "GET http example.org 8080 /a/b ?c=d [a] [b]"},
    {"PUT //a///b/", "a:", "PUT http a 80 //a///b/ ? [a] [b]"},
    {"GET /caf%C3%A9/a%2Fb", "a", "GET http a 80 /caf%C3%A9/a%2Fb ? [caf\xc3\xa9] [a/b]"},
    {"GET /%2e%2e/x", "a", "GET http a 80 /%2e%2e/x ? [..] [x]"},
    {"GET http://b:1/c?d", "a", "GET http b 1 /c ?d [c]"},
    {"GET http://b", "a", "GET http b 80 / ?"},
    {"GET https://b/c", "a", "GET http b 80 /c ? [c]"},
    {"GET /", "[::1]:4000", "GET http [::1] 4000 / ?"},
    {"GET /", "[::1]", "GET http [::1] 80 / ?"},
    {"GET /%zz", "a", NULL},
    {"GET /%00", "a", NULL},
    {"GET /%ff", "a", NULL},
    {"GET /", "a:65536", NULL},
    {"GET /", "a:1x", NULL},
    {"GET /", "a:1:2", NULL},
};

TEST(method_host_port_and_path_are_those_of_the_request)
{
    site_begin(show);
    for (size_t i = 0; i < ANQA_COUNT(targets); i++) {
        char request[256];
        const char *answer;
        snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
            targets[i].request_line, targets[i].host);
        answer = site_ask(request);
        if (targets[i].shown == NULL)
            CHECK_EQ(status_of(answer), 400);
        else
            CHECK_STR(body_of(answer), targets[i].shown);
    }
    site_end();
}

static void show_fields(anqa_conn *conn, const void *opts)
{
    char text[256], peer[ANQA_ADDRESS_TEXT];
    anqa_str values[2], name, value;
    size_t at = 0, fields = 0, count = anqa_conn_req_headers(conn, "x-many", values, 2);

    while (anqa_conn_each_req_header(conn, &at, &name, &value))
        fields++;
    anqa_conn_peer(conn, peer);
    CHECK(anqa_conn_req_header(conn, "X-MANY", &value));
    CHECK(!anqa_conn_req_header(conn, "x-none", &name));
    snprintf(text, sizeof text, "%zu of %zu: %.*s %.*s, first %.*s, from %s", count, fields,
        ANQA_FMT(values[0]), ANQA_FMT(values[1]), ANQA_FMT(value), peer);
    anqa_send_text(conn, 200, anqa_str_of(text));
}

TEST(fields_are_found_whatever_their_case_one_or_all)
{
    const char *answer;

    site_begin(show_fields);
    answer = site_post("X-Many: a\r\nx-many:  b \r\nX-MANY: c\r\n\r\n");
    CHECK(has(answer, "3 of 5: a b, first a, from 127.0.0.1:"), "%s", answer);
    site_end();
}

/* ---------------------------------------------------------------- bodies */

static void echo(anqa_conn *conn, const void *opts)
{
    anqa_str body, trailer = {0};

    if (anqa_conn_read_body(conn, opts, &body, NULL) != ANQA_OK)
        return;
    (void)anqa_conn_req_trailer(conn, "x-sum", &trailer);
    anqa_conn_put_resp_header(conn, "x-sum", trailer);
    anqa_send_text(conn, 200, body);
}

TEST(a_body_comes_whole_whether_by_length_or_in_chunks)
{
    site_begin(echo);
    CHECK_STR(body_of(site_post("Content-Length: 5\r\n\r\nhello")), "hello");
    CHECK_STR(body_of(site_post("Content-Length: 0\r\n\r\n")), "");
    CHECK_STR(body_of(site_post("\r\n")), "");
    CHECK_STR(
        body_of(site_post("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")),
        "hello!");
    site_end();
}

TEST(trailers_can_be_read_behind_the_body)
{
    const char *answer;

    site_begin(echo);
    answer = site_post(
        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nOther: a\r\nX-Sum:  7 \r\n\r\n");
    CHECK(has(answer, "\r\nx-sum: 7\r\n"), "%s", answer);
    site_end();
}

TEST(a_client_that_expects_it_is_told_to_continue_when_the_body_is_read)
{
    char buf[1024];
    int fd;

    site_begin(echo);
    fd = site_dial();
    peer_say(
        fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    (void)peer_get(fd, "\r\n\r\n", buf, sizeof buf);
    CHECK_STR(buf, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_say(fd, "ok");
    (void)peer_get(fd, "\r\n\r\nok", buf, sizeof buf);
    CHECK_EQ(status_of(buf), 200);
    close(fd);
    site_end();
}

TEST(who_does_not_read_the_body_that_a_client_holds_back_closes_the_connection)
{
    const char *answer;

    site_begin(hello);
    answer = site_ask(
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    CHECK_EQ(status_of(answer), 200);
    CHECK(!has(answer, "100 Continue"));
    site_end();
}

static void count_parts(anqa_conn *conn, const void *opts)
{
    static const anqa_body_opts three = {.length = 3};
    char text[128] = "";
    size_t len = 0;
    bool more = true;

    while (more) {
        anqa_str body;
        ANQA_REQUIRE(anqa_conn_read_body(conn, &three, &body, &more) == ANQA_OK);
        len += (size_t)snprintf(text + len, sizeof text - len, "(%.*s)", ANQA_FMT(body));
    }
    anqa_send_text(conn, 200, anqa_str_of(text));
}

TEST(a_body_can_be_read_in_parts_of_some_length)
{
    site_begin(count_parts);
    CHECK_STR(body_of(site_post("Content-Length: 7\r\n\r\nabcdefg")), "(abc)(def)(g)");
    CHECK_STR(body_of(site_post("Content-Length: 6\r\n\r\nabcdef")), "(abc)(def)");
    CHECK_STR(body_of(site_post("Content-Length: 0\r\n\r\n")), "()");
    CHECK_STR(
        body_of(site_post("Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n")),
        "(abc)(de)");
    site_end();
}

static void swallow(anqa_conn *conn, const void *opts)
{
    char buf[1000], text[32];
    size_t total = 0, n;

    while (anqa_conn_read_part(conn, buf, sizeof buf, 0, &n) == ANQA_OK && n > 0)
        total += n;
    snprintf(text, sizeof text, "%zu", total);
    anqa_send_text(conn, 200, anqa_str_of(text));
}

TEST(a_large_body_can_be_read_as_it_comes)
{
    static char block[100000];
    char buf[1024];
    int fd;

    site_begin(swallow);
    fd = site_dial();
    peer_say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n");
    for (int i = 0; i < 50; i++)
        peer_put(fd, block, sizeof block);
    (void)peer_get(fd, "5000000", buf, sizeof buf);
    CHECK_STR(body_of(buf), "5000000");
    close(fd);
    site_end();
}

static const anqa_body_opts four_bytes = {.length = 4};

static void echo_four(anqa_conn *conn, const void *opts)
{
    echo(conn, &four_bytes);
}

TEST(a_body_that_is_longer_than_its_reader_allows_is_413)
{
    site_begin(echo_four);
    CHECK_STR(body_of(site_post("Content-Length: 4\r\n\r\nabcd")), "abcd");
    CHECK_STR(
        body_of(site_post("Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n")), "abcd");
    CHECK_EQ(status_of(site_post("Content-Length: 5\r\n\r\nabcde")), 413);
    CHECK_EQ(
        status_of(site_post("Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n")), 413);
    site_end();
}

static const anqa_body_opts no_patience = {.read_timeout_ms = 50};

static void echo_soon(anqa_conn *conn, const void *opts)
{
    echo(conn, &no_patience);
}

TEST(a_body_that_does_not_come_in_time_is_408)
{
    site_begin(echo_soon);
    CHECK_EQ(status_of(site_post("Content-Length: 4\r\n\r\nabc")), 408);
    CHECK_EQ(status_of(site_post("Transfer-Encoding: chunked\r\n\r\n4\r\n")), 408);
    site_end();
}

static void read_parts_soon(anqa_conn *conn, const void *opts)
{
    char byte;
    size_t n = 1;

    while (n != 0 && anqa_conn_read_part(conn, &byte, 1, 50, &n) == ANQA_OK)
        ;
}

TEST(a_body_that_trickles_is_408_however_long_it_goes_on)
{
    static void (*const readers[])(anqa_conn *conn, const void *opts) = {
        echo_soon, read_parts_soon};

    for (size_t i = 0; i < ANQA_COUNT(readers); i++) {
        char buf[1024] = "";
        int fd;
        site_begin(readers[i]);
        fd = site_dial();
        peer_say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        while (recv(fd, buf, sizeof buf - 1, MSG_DONTWAIT) <= 0) {
            peer_say(fd, "x");
            usleep(10000);
        }
        CHECK_EQ(status_of(buf), 408);
        close(fd);
        site_end();
    }
}

static _Atomic(int) read_status;

static void read_and_tell(anqa_conn *conn, const void *opts)
{
    anqa_str body;

    atomic_store(&read_status, -1);
    atomic_store(&read_status, (int)anqa_conn_read_body(conn, NULL, &body, NULL));
}

TEST(a_client_that_vanishes_amid_its_body_ends_the_read)
{
    int fd;

    site_begin(read_and_tell);
    fd = site_dial();
    peer_say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    while (atomic_load(&read_status) != -1)
        usleep(1000);
    close(fd);
    while (atomic_load(&read_status) == -1)
        usleep(1000);
    CHECK_EQ(atomic_load(&read_status), (int)ANQA_E_CLOSED);
    site_end();
}

/* ---------------------------------------------------------------- assigns */

static void set_things(anqa_conn *conn, const void *opts)
{
    anqa_conn_assign(conn, "user", "old");
    anqa_conn_assign(conn, "user", "ada");
    anqa_conn_assign_json(conn, "cart", anqa_jsonf("{'n': %d}", 3));
    anqa_conn_put_private(conn, "user", "hidden");
}

static void show_things(anqa_conn *conn, const void *opts)
{
    CHECK(anqa_conn_assigned(conn, "nobody") == NULL);
    CHECK_STR(anqa_conn_private(conn, "user"), "hidden");
    CHECK(anqa_json_type_of(anqa_conn_assigned_json(conn, "nobody")) == ANQA_JSON_IS_NULL);
    anqa_send_json(conn, 201,
        anqa_jsonf("{'user': %s, 'n': %" PRId64 "}", (const char *)anqa_conn_assigned(conn, "user"),
            anqa_json_int(anqa_conn_assigned_json(conn, "cart"), "n", 0)));
}

static void assigning(anqa_conn *conn, const void *opts)
{
    anqa_conn_run(conn, (const anqa_plug[]){{.call = set_things}, {.call = show_things}, {0}});
}

TEST(what_one_plug_assigns_the_next_finds)
{
    const char *answer;

    site_begin(assigning);
    answer = site_get("/");
    CHECK_EQ(status_of(answer), 201);
    CHECK(has(answer, "content-type: application/json; charset=utf-8\r\n"));
    CHECK_STR(body_of(answer), "{\"user\":\"ada\",\"n\":3}");
    site_end();
}

/* ---------------------------------------------------------------- clean-ups */

static _Atomic(int) cleaned;

static void clean(void *arg)
{
    atomic_fetch_add(&cleaned, 1);
}

static void with_clean_up(anqa_conn *conn, const void *opts)
{
    char text[16];

    snprintf(text, sizeof text, "%d", atomic_load(&cleaned));
    anqa_defer(clean, NULL);
    anqa_send_text(conn, 200, anqa_str_of(text));
}

TEST(what_a_plug_defers_runs_when_the_request_is_over)
{
    const char *answer;

    site_begin(with_clean_up);
    answer = site_ask("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n"
                      "Host: a\r\nConnection: close\r\n\r\n");
    CHECK(has(answer, "\r\n\r\n0HTTP/1.1 200 ") && ends_with(answer, "\r\n\r\n1"), "%s", answer);
    CHECK_EQ(atomic_load(&cleaned), 2);
    site_end();
}

TEST(without_memory_a_request_fails_and_the_next_is_served)
{
    site_begin(echo);
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        (void)site_post("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
    }
    CHECK_STR(body_of(site_post("Content-Length: 5\r\n\r\nhello")), "hello");
    site_end();
}
