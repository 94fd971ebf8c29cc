/* anqa/conn.h as its users see it: requests in, responses out, over a real connection. */
#include "harness.h"

#include <anqa/anqa.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "endpoint.h"
#include "http/peer.h"

static struct test_endpoint server;

/* Starts an endpoint with one plug. */
static void begin(void (*plug)(anqa_conn *conn, const void *opts))
{
    static anqa_plug plugs[2];
    static anqa_endpoint endpoint = {.plugs = plugs, .quiet = true};

    plugs[0].call = plug;
    server = endpoint_begin(&endpoint);
}

/* A GET of its own connection; the whole answer. */
static const char *get(const char *target)
{
    char request[512];

    snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: example.org:4000\r\nConnection: close\r\n\r\n", target);
    return peer_ask(endpoint_port(&server), request);
}

static const char *post(const char *fields_and_body)
{
    char request[8192];

    snprintf(request, sizeof request, "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s",
        fields_and_body);
    return peer_ask(endpoint_port(&server), request);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");

    return end == NULL ? "" : end + 4;
}

#define CHECK_STATUS_LINE(answer, code) \
    CHECK(strncmp((answer), "HTTP/1.1 " #code " ", 13) == 0, "%s", (answer))

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
    server = endpoint_begin(&hello_endpoint);
    CHECK_STATUS_LINE(get("/"), 401);
    CHECK_STR(body_of(peer_ask(endpoint_port(&server),
                  "GET / HTTP/1.1\r\nHost: a\r\nX-Key: open\r\nConnection: close\r\n\r\n")),
        "hello");
    endpoint_end(&server);
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
    {"GET https://b/c", "a", "GET https b 443 /c ? [c]"},
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
    begin(show);
    for (size_t i = 0; i < ANQA_COUNT(targets); i++) {
        char request[256];
        const char *answer;
        snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
            targets[i].request_line, targets[i].host);
        answer = peer_ask(endpoint_port(&server), request);
        if (targets[i].shown == NULL)
            CHECK_STATUS_LINE(answer, 400);
        else
            CHECK_STR(body_of(answer), targets[i].shown);
    }
    endpoint_end(&server);
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

    begin(show_fields);
    answer = post("X-Many: a\r\nx-many:  b \r\nX-MANY: c\r\n\r\n");
    CHECK(has(answer, "3 of 5: a b, first a, from 127.0.0.1:"), "%s", answer);
    endpoint_end(&server);
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
    begin(echo);
    CHECK_STR(body_of(post("Content-Length: 5\r\n\r\nhello")), "hello");
    CHECK_STR(body_of(post("Content-Length: 0\r\n\r\n")), "");
    CHECK_STR(body_of(post("\r\n")), "");
    CHECK_STR(body_of(post("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")),
        "hello!");
    endpoint_end(&server);
}

TEST(trailers_can_be_read_behind_the_body)
{
    const char *answer;

    begin(echo);
    answer =
        post("Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nOther: a\r\nX-Sum:  7 \r\n\r\n");
    CHECK(has(answer, "\r\nx-sum: 7\r\n"), "%s", answer);
    endpoint_end(&server);
}

TEST(a_client_that_expects_it_is_told_to_continue_when_the_body_is_read)
{
    char buf[1024];
    int fd;

    begin(echo);
    fd = peer_dial(endpoint_port(&server));
    peer_say(
        fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    (void)peer_get(fd, "\r\n\r\n", buf, sizeof buf);
    CHECK_STR(buf, "HTTP/1.1 100 Continue\r\n\r\n");
    peer_say(fd, "ok");
    (void)peer_get(fd, "\r\n\r\nok", buf, sizeof buf);
    CHECK_STATUS_LINE(buf, 200);
    close(fd);
    endpoint_end(&server);
}

TEST(who_does_not_read_the_body_that_a_client_holds_back_closes_the_connection)
{
    const char *answer;

    begin(hello);
    answer = peer_ask(endpoint_port(&server),
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    CHECK_STATUS_LINE(answer, 200);
    CHECK(!has(answer, "100 Continue"));
    endpoint_end(&server);
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
    begin(count_parts);
    CHECK_STR(body_of(post("Content-Length: 7\r\n\r\nabcdefg")), "(abc)(def)(g)");
    CHECK_STR(body_of(post("Content-Length: 6\r\n\r\nabcdef")), "(abc)(def)");
    CHECK_STR(body_of(post("Content-Length: 0\r\n\r\n")), "()");
    CHECK_STR(body_of(post("Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n1\r\ne\r\n0\r\n\r\n")),
        "(abc)(de)");
    endpoint_end(&server);
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

    begin(swallow);
    fd = peer_dial(endpoint_port(&server));
    peer_say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n");
    for (int i = 0; i < 50; i++)
        peer_put(fd, block, sizeof block);
    (void)peer_get(fd, "5000000", buf, sizeof buf);
    CHECK_STR(body_of(buf), "5000000");
    close(fd);
    endpoint_end(&server);
}

static const anqa_body_opts four_bytes = {.length = 4};

static void echo_four(anqa_conn *conn, const void *opts)
{
    echo(conn, &four_bytes);
}

TEST(a_body_that_is_longer_than_its_reader_allows_is_413)
{
    begin(echo_four);
    CHECK_STR(body_of(post("Content-Length: 4\r\n\r\nabcd")), "abcd");
    CHECK_STR(body_of(post("Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n")), "abcd");
    CHECK_STATUS_LINE(post("Content-Length: 5\r\n\r\nabcde"), 413);
    CHECK_STATUS_LINE(post("Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"), 413);
    endpoint_end(&server);
}

static const anqa_body_opts no_patience = {.read_timeout_ms = 50};

static void echo_soon(anqa_conn *conn, const void *opts)
{
    echo(conn, &no_patience);
}

TEST(a_body_that_does_not_come_in_time_is_408)
{
    begin(echo_soon);
    CHECK_STATUS_LINE(post("Content-Length: 4\r\n\r\nabc"), 408);
    CHECK_STATUS_LINE(post("Transfer-Encoding: chunked\r\n\r\n4\r\n"), 408);
    endpoint_end(&server);
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

    begin(read_and_tell);
    fd = peer_dial(endpoint_port(&server));
    peer_say(fd, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    while (atomic_load(&read_status) != -1)
        usleep(1000);
    close(fd);
    while (atomic_load(&read_status) == -1)
        usleep(1000);
    CHECK_EQ(atomic_load(&read_status), (int)ANQA_E_CLOSED);
    endpoint_end(&server);
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

    begin(assigning);
    answer = get("/");
    CHECK_STATUS_LINE(answer, 201);
    CHECK(has(answer, "content-type: application/json; charset=utf-8\r\n"));
    CHECK_STR(body_of(answer), "{\"user\":\"ada\",\"n\":3}");
    endpoint_end(&server);
}

/* ---------------------------------------------------------------- the response */

static void field_games(anqa_conn *conn, const void *opts)
{
    anqa_str value;

    anqa_conn_put_resp_header(conn, "x-a", anqa_str_of("1"));
    anqa_conn_put_resp_header(conn, "X-A", anqa_str_of("2"));
    anqa_conn_add_resp_header(conn, "set-cookie", anqa_str_of("a=1"));
    anqa_conn_add_resp_header(conn, "set-cookie", anqa_str_of("b=2"));
    anqa_conn_add_resp_header(conn, "x-gone", anqa_str_of("1"));
    anqa_conn_delete_resp_header(conn, "X-Gone");
    anqa_conn_add_resp_header(conn, "x-last", anqa_str_of(""));
    anqa_conn_put_status(conn, 418);
    CHECK(anqa_conn_resp_header(conn, "x-a", &value) && anqa_str_is(value, "2"));
    CHECK(!anqa_conn_resp_header(conn, "x-gone", &value));
    anqa_send_html(conn, 0, anqa_str_of("<p>"));
}

TEST(fields_of_the_response_are_put_added_and_deleted)
{
    const char *answer;

    begin(field_games);
    answer = get("/");
    CHECK_STATUS_LINE(answer, 418);
    CHECK(has(answer, "\r\nX-A: 2\r\n") && !has(answer, "x-a: 1") && !has(answer, "x-gone"));
    CHECK(has(answer, "\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"), "%s", answer);
    CHECK(has(answer, "\r\nx-last: \r\n"));
    CHECK(has(answer, "\r\ncache-control: max-age=0, private, must-revalidate\r\n"));
    CHECK(has(answer, "\r\ncontent-type: text/html; charset=utf-8\r\n"));
    CHECK(has(answer, "\r\ndate: ") && has(answer, "\r\ncontent-length: 3\r\n"));
    endpoint_end(&server);
}

static void before_second(anqa_conn *conn, void *arg)
{
    anqa_conn_put_resp_header(conn, "x-order", anqa_str_of("second"));
    CHECK(anqa_str_is(conn->resp_body, "body") && conn->state == ANQA_CONN_SET);
    anqa_conn_put_status(conn, 202);
}

static void before_first(anqa_conn *conn, void *arg)
{
    anqa_conn_put_resp_header(conn, "x-order", anqa_str_of(arg));
    anqa_conn_put_resp_header(conn, "x-first", anqa_str_of(arg));
}

static void with_callbacks(anqa_conn *conn, const void *opts)
{
    static char first[] = "first";

    anqa_conn_register_before_send(conn, before_second, NULL);
    anqa_conn_register_before_send(conn, before_first, first);
    anqa_send_text(conn, 200, anqa_str_of("body"));
    CHECK_EQ(conn->state, ANQA_CONN_SENT);
}

TEST(callbacks_run_before_the_head_is_sent_the_last_registered_first)
{
    const char *answer;

    begin(with_callbacks);
    answer = get("/");
    CHECK_STATUS_LINE(answer, 202);
    CHECK(has(answer, "x-order: second") && has(answer, "x-first: first"), "%s", answer);
    endpoint_end(&server);
}

static void hints(anqa_conn *conn, const void *opts)
{
    CHECK_STATUS(
        anqa_conn_inform(conn, 103, (const anqa_header[]){{"link", "</a.css>; rel=preload"}, {0}}),
        ANQA_OK);
    anqa_send_text(conn, 200, anqa_str_of("x"));
}

TEST(early_hints_come_before_the_response_but_not_to_clients_of_http_1_0)
{
    const char *answer;

    begin(hints);
    answer = get("/");
    CHECK(strncmp(answer,
              "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 ",
              66) == 0,
        "%s", answer);
    CHECK_STATUS_LINE(peer_ask(endpoint_port(&server), "GET / HTTP/1.0\r\n\r\n"), 200);
    endpoint_end(&server);
}

static void redirect(anqa_conn *conn, const void *opts)
{
    if (anqa_str_is(conn->request_path, "/out"))
        anqa_redirect_external(conn, anqa_str_of("https://example.org/?a=1&b=\"<"));
    else
        anqa_redirect(conn, conn->query_string);
}

static const struct {
    const char *to;
    bool local;
} redirects[] = {
    {"/", true},
    {"/users/1?tab=a", true},
    {"//example.org", false},
    {"/\\example.org", false},
    {"https://example.org", false},
    {"users", false},
    {"", false},
};

TEST(a_redirect_leads_to_a_path_of_this_site_unless_it_is_meant_to_leave)
{
    const char *answer;
    char target[64], location[64];

    begin(redirect);
    for (size_t i = 0; i < ANQA_COUNT(redirects); i++) {
        snprintf(target, sizeof target, "/?%s", redirects[i].to);
        snprintf(location, sizeof location, "\r\nlocation: %s\r\n", redirects[i].to);
        answer = get(target);
        if (redirects[i].local)
            CHECK_STATUS_LINE(answer, 302);
        else
            CHECK_STATUS_LINE(answer, 500);
        CHECK_EQ(has(answer, location), redirects[i].local, "%s", redirects[i].to);
    }
    answer = get("/out");
    CHECK_STATUS_LINE(answer, 302);
    CHECK(has(answer, "href=\"https://example.org/?a=1&amp;b=&quot;&lt;\""), "%s", answer);
    endpoint_end(&server);
}

/* ---------------------------------------------------------------- what is refused */

static void misuse(anqa_conn *conn, const void *opts)
{
    const char *what = (const char *)conn->path_info[0].ptr;

    switch (*what) {
    case 'a': anqa_conn_put_resp_header(conn, "x-a", anqa_str_of("a\r\nx-b: 1")); break;
    case 'b': anqa_conn_add_resp_header(conn, "x-a", anqa_str_of("a\nb")); break;
    case 'c': anqa_conn_put_resp_header(conn, "x-a", anqa_str_make("a\0b", 3)); break;
    case 'd': anqa_conn_put_resp_header(conn, "x a", anqa_str_of("a")); break;
    case 'e': anqa_conn_put_resp_header(conn, "x-a:", anqa_str_of("a")); break;
    case 'f': anqa_conn_put_resp_header(conn, "Content-Length", anqa_str_of("9")); break;
    case 'g': anqa_conn_put_resp_header(conn, "transfer-encoding", anqa_str_of("x")); break;
    case 'h': anqa_redirect_external(conn, anqa_str_of("http://a\r\n\r\n<script>")); break;
    case 'i': anqa_conn_inform(conn, 103, (const anqa_header[]){{"l", "\r\n"}, {0}}); break;
    case 'j': anqa_conn_inform(conn, 101, (const anqa_header[]){{0}}); break;
    case 'k': anqa_send_text(conn, 199, anqa_str_of("x")); break;
    case 'l': anqa_send_text(conn, 1000, anqa_str_of("x")); break;
    case 'm': (void)anqa_chunk(conn, anqa_str_of("x")); break;
    default: break; /* no answer at all */
    }
}

TEST(what_would_break_the_response_is_refused_and_the_client_gets_500)
{
    begin(misuse);
    for (char what = 'a'; what <= 'n'; what++) {
        char target[] = {'/', what, '\0'};
        const char *answer = get(target);
        CHECK_STATUS_LINE(answer, 500);
        CHECK(has(answer, "\r\nconnection: close\r\n") && !has(answer, "x-b"), "%s", answer);
    }
    endpoint_end(&server);
}

static void answers_twice(anqa_conn *conn, const void *opts)
{
    anqa_send_text(conn, 200, anqa_str_of("once"));
    anqa_send_text(conn, 200, anqa_str_of("twice"));
}

TEST(a_second_answer_is_not_sent)
{
    begin(answers_twice);
    CHECK(ends_with(get("/"), "\r\n\r\nonce"));
    endpoint_end(&server);
}

/* ---------------------------------------------------------------- files */

static char file_path[64];

static void send_file(anqa_conn *conn, const void *opts)
{
    uint64_t offset = 0, length = 0;
    anqa_status status;
    char text[64];

    if (conn->query_string.len > 0)
        (void)sscanf(conn->query_string.ptr, "%" SCNu64 ",%" SCNu64, &offset, &length);
    status = anqa_send_file(
        conn, 200, anqa_str_is(conn->request_path, "/none") ? "/tmp" : file_path, offset, length);
    snprintf(text, sizeof text, "%s", anqa_status_name(status));
    if (status != ANQA_OK)
        anqa_send_text(conn, 404, anqa_str_of(text));
}

static void begin_file(size_t size)
{
    int fd;

    snprintf(file_path, sizeof file_path, "/tmp/anqa-conn-XXXXXX.txt");
    fd = mkstemps(file_path, 4);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "0123456789", size), (ssize_t)size);
    close(fd);
    begin(send_file);
}

static void end_file(void)
{
    endpoint_end(&server);
    unlink(file_path);
}

TEST(a_file_is_sent_whole_or_in_part)
{
    const char *answer;
    char etag[64] = "", request[256];

    begin_file(10);
    answer = get("/");
    CHECK(ends_with(answer, "\r\n\r\n0123456789"), "%s", answer);
    CHECK(has(answer, "\r\ncontent-type: text/plain; charset=utf-8\r\n"));
    CHECK(has(answer, "\r\naccept-ranges: bytes\r\n") && has(answer, "\r\nlast-modified: "));
    CHECK_EQ(sscanf(strstr(answer, "etag: "), "etag: %63s", etag), 1);
    CHECK_STR(body_of(get("/?2,3")), "234");
    CHECK_STR(body_of(get("/?7,0")), "789");
    CHECK_STR(body_of(get("/?8,3")), "E_RANGE");
    CHECK_STR(body_of(get("/?11,0")), "E_RANGE");
    CHECK_STR(body_of(get("/none")), "E_NOT_FOUND");
    answer = post("Range: bytes=0-1\r\n\r\n");
    CHECK_STATUS_LINE(answer, 200); /* ranges are for GET */
    snprintf(request, sizeof request,
        "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=3-4\r\nIf-Range: %s\r\nConnection: "
        "close\r\n\r\n",
        etag);
    answer = peer_ask(endpoint_port(&server), request);
    CHECK_STATUS_LINE(answer, 206);
    CHECK(has(answer, "\r\ncontent-range: bytes 3-4/10\r\n") && ends_with(answer, "\r\n\r\n34"));
    snprintf(request, sizeof request,
        "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: %s\r\nConnection: close\r\n\r\n", etag);
    answer = peer_ask(endpoint_port(&server), request);
    CHECK_STATUS_LINE(answer, 304);
    CHECK(!has(answer, "content-length") && ends_with(answer, "\r\n\r\n"), "%s", answer);
    end_file();
}

/* ---------------------------------------------------------------- chunks */

static void count_down(anqa_conn *conn, const void *opts)
{
    anqa_conn_put_resp_header(conn, "content-type", anqa_str_of("text/plain"));
    (void)anqa_send_chunked(conn, 200);
    for (int i = 3; i > 0; i--) {
        char text[32];
        snprintf(text, sizeof text, "%d and a long line, ", i);
        CHECK_STATUS(anqa_chunk(conn, anqa_str_of(text)), ANQA_OK);
        CHECK_STATUS(anqa_chunk(conn, anqa_str_of("")), ANQA_OK);
        anqa_yield();
    }
}

TEST(an_answer_in_chunks_ends_with_the_pipeline)
{
    const char *answer;

    begin(count_down);
    answer = get("/");
    CHECK(has(answer, "\r\ntransfer-encoding: chunked\r\n") && !has(answer, "content-length"));
    CHECK_STR(body_of(answer), "13\r\n3 and a long line, \r\n13\r\n2 and a long line, \r\n"
                               "13\r\n1 and a long line, \r\n0\r\n\r\n");
    answer = peer_ask(endpoint_port(&server), "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(has(answer, "\r\nconnection: close\r\n") && !has(answer, "transfer-encoding"));
    CHECK_STR(body_of(answer), "3 and a long line, 2 and a long line, 1 and a long line, ");
    answer =
        peer_ask(endpoint_port(&server), "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK_STR(body_of(answer), "");
    endpoint_end(&server);
}

static _Atomic(int) chunks_sent;
static _Atomic(int) chunk_failed;

static void chunks_for_ever(anqa_conn *conn, const void *opts)
{
    static const char block[10000] = "x";

    (void)anqa_send_chunked(conn, 200);
    while (anqa_chunk(conn, anqa_str_make(block, sizeof block)) == ANQA_OK)
        atomic_fetch_add(&chunks_sent, 1);
    atomic_store(&chunk_failed, 1);
}

/* Waits until the writer stands still. */
static int stands_still(void)
{
    int before, now = -1;

    do {
        before = now;
        usleep(50000);
        now = atomic_load(&chunks_sent);
    } while (now != before || now == 0);
    return now;
}

TEST(a_writer_waits_for_a_slow_reader_and_hears_that_it_has_gone)
{
    static char buf[1 << 20];
    int fd, before;

    begin(chunks_for_ever);
    fd = peer_dial(endpoint_port(&server));
    peer_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    before = stands_still();
    for (int i = 0; atomic_load(&chunks_sent) < before + 100; i++)
        (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK_EQ(atomic_load(&chunk_failed), 0);
    close(fd);
    while (atomic_load(&chunk_failed) == 0)
        usleep(1000);
    endpoint_end(&server);
}

/* ---------------------------------------------------------------- crashes */

static void crash(anqa_conn *conn, const void *opts)
{
    switch (*conn->path_info[0].ptr) {
    case 'e': anqa_exit(anqa_error_reason("enough")); break;
    case 'r': ANQA_REQUIRE(conn->path_count == 0); break;
    case 's': *(volatile int *)(uintptr_t)opts = 1; break; /* NULL */
    case 'k': anqa_exit_signal(anqa_self(), ANQA_KILL); break;
    case 'c':
        (void)anqa_send_chunked(conn, 200);
        (void)anqa_chunk(conn, anqa_str_of("part"));
        anqa_sleep(1);
        anqa_exit(anqa_error_reason("amid"));
    default: anqa_send_text(conn, 200, anqa_str_of("fine"));
    }
}

static const char *const crashes[] = {
    "/exit",
    "/require",
    "/killed",
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    "/segfault",
#endif
};

TEST(a_crash_is_answered_with_500_and_others_are_served_on)
{
    begin(crash);
    for (size_t i = 0; i < ANQA_COUNT(crashes); i++) {
        char request[256];
        const char *answer;
        snprintf(request, sizeof request,
            "GET /fine HTTP/1.1\r\nHost: a\r\n\r\nPOST %s HTTP/1.1\r\nHost: a\r\nContent-Length: "
            "4\r\n\r\nbodyGET /fine HTTP/1.1\r\nHost: a\r\n\r\n",
            crashes[i]);
        answer = peer_ask(endpoint_port(&server), request);
        CHECK_STATUS_LINE(answer, 200);
        CHECK(has(answer, "fineHTTP/1.1 500 Internal Server Error\r\n"), "%s: %s", crashes[i],
            answer);
        CHECK(ends_with(answer, "connection: close\r\n\r\n"), "%s: %s", crashes[i], answer);
        CHECK_STATUS_LINE(get("/fine"), 200);
    }
    endpoint_end(&server);
}

TEST(a_crash_amid_the_response_cuts_it_off)
{
    const char *answer;

    begin(crash);
    answer = get("/chunked");
    CHECK(!has(answer, "500") && !ends_with(answer, "0\r\n\r\n"), "%s", answer);
    endpoint_end(&server);
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

    begin(with_clean_up);
    answer = peer_ask(endpoint_port(&server), "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n"
                                              "Host: a\r\nConnection: close\r\n\r\n");
    CHECK(has(answer, "\r\n\r\n0HTTP/1.1 200 ") && ends_with(answer, "\r\n\r\n1"), "%s", answer);
    CHECK_EQ(atomic_load(&cleaned), 2);
    endpoint_end(&server);
}

TEST(without_memory_a_request_fails_and_the_next_is_served)
{
    begin(echo);
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        (void)post("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
    }
    CHECK_STR(body_of(post("Content-Length: 5\r\n\r\nhello")), "hello");
    endpoint_end(&server);
}
