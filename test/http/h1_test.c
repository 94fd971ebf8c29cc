/* HTTP/1.1 on the wire: what is answered and how, what is refused, and each limit. */
#include "harness.h"

#include <anqa/anqa.h>

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "http/site.h"

#define LONG_ANSWER 4096

static _Atomic(int) served;

/* Answers with the path, and with the body where the path says so. */
static void answer(anqa_conn *conn, const void *opts)
{
    anqa_str body = conn->request_path;

    atomic_fetch_add(&served, 1);
    if (anqa_str_is(conn->request_path, "/long"))
        body = anqa_str_make(anqa_arena_calloc(anqa_tmp(), LONG_ANSWER, 1), LONG_ANSWER);
    if (anqa_str_is(conn->request_path, "/body") &&
        anqa_conn_read_body(conn, NULL, &body, NULL) != ANQA_OK)
        return;
    anqa_send_text(conn, 200, body);
}

static const anqa_plug plugs[] = {{.call = answer}, {0}};

static const anqa_endpoint with_defaults = {.plugs = plugs, .quiet = true};

static const anqa_endpoint with_limits = {
    .plugs = plugs,
    .quiet = true,
    .limits = {.request_line_bytes = 100,
        .header_bytes = 500,
        .headers = 5,
        .body_bytes = 10,
        .request_timeout_ms = 1000,
        .idle_timeout_ms = 1000,
        .write_timeout_ms = 1000},
};

/* ---------------------------------------------------------------- the life of a connection */

static const struct {
    const char *request; /* without the end of its head */
    bool stays;
    const char *says; /* of the response; NULL: no field Connection */
} lives[] = {
    {"GET / HTTP/1.1\r\nHost: a", true, NULL},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close", false, "connection: close"},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close", false, "connection: close"},
    {"GET / HTTP/1.2\r\nHost: a", true, NULL},
    {"GET / HTTP/1.0", false, "connection: close"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive", true, "connection: keep-alive"},
    {"HEAD / HTTP/1.1\r\nHost: a", true, NULL},
    {"OPTIONS * HTTP/1.1\r\nHost: a", true, NULL},
};

TEST(a_connection_stays_open_as_the_client_and_its_version_want)
{
    site_begin_endpoint(&with_limits); /* idle connections are closed after a second */
    for (size_t i = 0; i < ANQA_COUNT(lives); i++) {
        char buf[2048];
        int fd = site_dial();
        peer_say(fd, lives[i].request);
        peer_say(fd, "\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        (void)peer_get(fd, NULL, buf, sizeof buf);
        CHECK_EQ(
            count(buf, "HTTP/1.1 20"), lives[i].stays ? 2 : 1, "%s: %s", lives[i].request, buf);
        if (lives[i].says != NULL)
            CHECK(has(buf, lives[i].says), "%s", buf);
        else
            CHECK_EQ(count(buf, "connection:"), 1, "%s", buf); /* that of the second */
        close(fd);
    }
    site_end();
}

#define ALLOWED "\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"

TEST(the_server_as_a_whole_is_asked_for_its_methods)
{
    site_begin_endpoint(&with_defaults);
    CHECK(has(site_ask("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), ALLOWED));
    site_end();
}

TEST(who_asks_by_a_method_for_proxies_is_told_those_that_are_allowed)
{
    site_begin_endpoint(&with_defaults);
    CHECK(has(site_ask("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"), ALLOWED));
    CHECK(has(site_ask("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"), ALLOWED));
    CHECK(!has(site_ask("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), "\r\nallow: "));
    site_end();
}

TEST(to_HEAD_the_head_alone_is_sent_with_the_length_of_the_body)
{
    const char *head;

    site_begin_endpoint(&with_defaults);
    head = site_ask("HEAD /four HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(has(head, "\r\ncontent-length: 5\r\n") && ends_with(head, "\r\n\r\n"), "%s", head);
    site_end();
}

static const char *const unread_bodies[] = {
    "Content-Length: 5\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
};

TEST(behind_a_body_that_nobody_has_read_comes_the_next_request)
{
    site_begin_endpoint(&with_defaults);
    for (size_t i = 0; i < ANQA_COUNT(unread_bodies); i++) {
        char request[512];
        const char *both;
        snprintf(request, sizeof request,
            "POST /1 HTTP/1.1\r\nHost: a\r\n%sGET /2 HTTP/1.1\r\nHost: a\r\nConnection: "
            "close\r\n\r\n",
            unread_bodies[i]);
        both = site_ask(request);
        CHECK(has(both, "\r\n\r\n/1HTTP/1.1 200 OK\r\n") && ends_with(both, "\r\n\r\n/2"), "%s",
            both);
    }
    site_end();
}

TEST(of_a_long_body_that_nobody_reads_the_rest_is_not_waited_for)
{
    const char *one;

    site_begin_endpoint(&with_defaults);
    one = site_ask("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000001\r\n\r\nhello");
    CHECK_EQ(status_of(one), 200);
    CHECK(has(one, "\r\nconnection: close\r\n"));
    site_end();
}

TEST(behind_a_long_body_that_was_read_the_connection_stays_open)
{
    static char body[2000000], buf[2100000];
    int fd;

    site_begin_endpoint(&with_defaults);
    fd = site_dial();
    memset(body, 'b', sizeof body);
    peer_say(fd, "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
    peer_put(fd, body, sizeof body);
    peer_say(fd, "GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK_EQ(count(buf, "HTTP/1.1 200 "), 2);
    CHECK(ends_with(buf, "\r\n\r\n/2"));
    close(fd);
    site_end();
}

static void close_behind(anqa_conn *conn, const void *opts)
{
    anqa_str body;

    anqa_conn_put_close(conn);
    CHECK_STATUS(anqa_conn_read_body(conn, NULL, &body, NULL), ANQA_OK);
    anqa_send_text(conn, 200, body);
}

TEST(a_plug_may_have_the_connection_closed)
{
    const char *one;

    site_begin(close_behind);
    one =
        site_ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nokGET / HTTP/1.1\r\nHost: "
                 "a\r\n\r\n");
    CHECK(has(one, "\r\nconnection: close\r\n") && ends_with(one, "\r\n\r\nok"), "%s", one);
    site_end();
}

static char *put_chunks(char *out, size_t count_of)
{
    for (size_t i = 0; i < count_of; i++)
        out += sprintf(out, "%x\r\n%0*d\r\n", 50000, 50000, 0);
    return out;
}

TEST(of_many_chunks_that_nobody_reads_a_megabyte_is_skipped)
{
    static char request[3 << 20], buf[1 << 12];
    static const char next[] = "0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    site_begin_endpoint(&with_defaults);
    for (size_t chunks = 15; chunks <= 30; chunks += 15) {
        char *end = request + sprintf(request, "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                                               "chunked\r\n\r\n");
        int fd = site_dial();
        end = put_chunks(end, chunks);
        memcpy(end, next, sizeof next);
        peer_say(fd, request);
        (void)peer_get(fd, NULL, buf, sizeof buf);
        CHECK_EQ(count(buf, "HTTP/1.1 200 "), chunks == 15 ? 2 : 1, "%s", buf);
        close(fd);
    }
    site_end();
}

/* ---------------------------------------------------------------- pipelining */

#define PIPELINED 10000

static void *write_requests(void *fd)
{
    char request[128];

    for (int i = 0; i < PIPELINED; i++) {
        int len = snprintf(request, sizeof request, "%s /%d HTTP/1.1\r\nHost: a\r\n%s",
            i % 3 == 0 ? "GET" : "POST", i,
            i % 3 == 0   ? "\r\n"
            : i % 3 == 1 ? "Content-Length: 3\r\n\r\nabc"
                         : "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
        peer_put(*(int *)fd, request, (size_t)len);
    }
    shutdown(*(int *)fd, SHUT_WR);
    return NULL;
}

TEST(ten_thousand_requests_at_once_are_answered_in_order)
{
    static char buf[PIPELINED * 300];
    char wanted[32], *at = buf;
    pthread_t writer;
    int fd;

    site_begin_endpoint(&with_defaults);
    fd = site_dial();
    CHECK_EQ(pthread_create(&writer, NULL, write_requests, &fd), 0);
    (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK_EQ(pthread_join(writer, NULL), 0);
    for (int i = 0; i < PIPELINED; i++) {
        snprintf(wanted, sizeof wanted, "\r\n\r\n/%d%s", i, i + 1 < PIPELINED ? "HTTP" : "");
        at = strstr(at, wanted);
        CHECK(at != NULL, "%d", i);
    }
    close(fd);
    site_end();
}

static uint64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#define KERNEL_MAX (32 << 20) /* of answers, that a kernel might keep for who does not read */

TEST(who_pipelines_and_does_not_read_is_not_read_from_and_reset_when_the_time_of_a_write_is_over)
{
    static const char request[] = "GET /long HTTP/1.1\r\nHost: a\r\n\r\n";
    uint64_t began_ms;
    int fd, sent = 0;

    site_begin_endpoint(&with_limits); /* a second for writing */
    fd = site_dial();
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int)) == 0);
    began_ms = clock_ms();
    while (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0)
        sent++;
    CHECK(errno == ECONNRESET || errno == EPIPE, "errno %d", errno);
    CHECK(clock_ms() - began_ms >= 1000);
    CHECK(atomic_load(&served) > 0 && atomic_load(&served) <= KERNEL_MAX / LONG_ANSWER, "%d",
        atomic_load(&served));
    CHECK(atomic_load(&served) < sent, "%d of %d", atomic_load(&served), sent);
    close(fd);
    site_end();
}

/* ---------------------------------------------------------------- what two servers could read in two ways */

#define POST_HEAD "POST /body HTTP/1.1\r\nHost: a\r\n"
#define SMUGGLED "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

static const struct {
    const char *name, *request;
    unsigned status;
} attacks[] = {
    {"length and chunks",
        POST_HEAD "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400},
    {"chunks and length",
        POST_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SMUGGLED, 400},
    {"two lengths", POST_HEAD "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" SMUGGLED, 400},
    {"two equal lengths", POST_HEAD "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" SMUGGLED, 400},
    {"a list of lengths", POST_HEAD "Content-Length: 0, 44\r\n\r\n" SMUGGLED, 400},
    {"a length with a sign", POST_HEAD "Content-Length: +0\r\n\r\n" SMUGGLED, 400},
    {"a negative length", POST_HEAD "Content-Length: -1\r\n\r\n" SMUGGLED, 400},
    {"a hexadecimal length", POST_HEAD "Content-Length: 0x0\r\n\r\n" SMUGGLED, 400},
    {"an empty length", POST_HEAD "Content-Length:\r\n\r\n" SMUGGLED, 400},
    {"a blank in front of the colon", POST_HEAD "Content-Length : 44\r\n\r\n" SMUGGLED, 400},
    {"a folded line", POST_HEAD "X: a\r\n Content-Length: 44\r\n\r\n" SMUGGLED, 400},
    {"a folded coding", POST_HEAD "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400},
    {"two codings",
        POST_HEAD
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" SMUGGLED,
        400},
    {"an unknown coding", POST_HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SMUGGLED, 501},
    {"a list of codings",
        POST_HEAD "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 501},
    {"a coding with a tab", POST_HEAD "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" SMUGGLED,
        400},
    {"chunks in HTTP/1.0",
        "POST /body HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a chunk of no size", POST_HEAD "Transfer-Encoding: chunked\r\n\r\n\r\n" SMUGGLED, 400},
    {"a chunk with a sign",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a chunk of 0x", POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" SMUGGLED, 400},
    {"a size beyond 64 bits",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" SMUGGLED, 400},
    {"a chunk that ends in a bare LF", POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0\n\n" SMUGGLED,
        400},
    {"a chunk that is longer than it says",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a bare LF in an extension",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a blank in front of the colon of a coding",
        POST_HEAD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a coding behind chunked",
        POST_HEAD "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" SMUGGLED, 400},
    {"chunked twice",
        POST_HEAD
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
        400},
    {"a quoted coding", POST_HEAD "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" SMUGGLED, 501},
    {"a coding with a parameter",
        POST_HEAD "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n" SMUGGLED, 501},
    {"an empty coding", POST_HEAD "Transfer-Encoding:\r\n\r\n0\r\n\r\n" SMUGGLED, 501},
    {"an empty coding beside a length",
        POST_HEAD "Transfer-Encoding:\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a line that is folded behind the request line",
        "POST /body HTTP/1.1\r\n Host: a\r\n\r\n" SMUGGLED, 400},
    {"a length beyond 64 bits", POST_HEAD "Content-Length: 18446744073709551617\r\n\r\nx" SMUGGLED,
        400},
    {"a length in other digits", POST_HEAD "Content-Length: \xd9\xa1\r\n\r\nx" SMUGGLED, 400},
    {"a length with an underscore", POST_HEAD "Content-Length: 1_0\r\n\r\nx" SMUGGLED, 400},
    {"a chunk with a blank in front",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n 1\r\nx\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a chunk with a blank behind",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a chunk with an underscore",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1_0\r\nx\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a negative chunk",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a chunk that ends in CR CR LF",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\r\nx\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a trailer that is folded into nothing",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\nY: b\r\n\r\n" SMUGGLED, 400},
    {"a trailer that is the next request",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n" SMUGGLED, 400},
    {"a request line behind a trailer",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n" SMUGGLED, 400},
    {"a trailer without a colon",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nA\r\n\r\n" SMUGGLED, 400},
    {"a trailer without a name",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n: b\r\n\r\n" SMUGGLED, 400},
    {"a blank in front of the colon of a trailer",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nA : b\r\n\r\n" SMUGGLED, 400},
    {"a trailer whose name is none",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nA[]: b\r\n\r\n" SMUGGLED, 400},
    {"a bare CR in an extension",
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1;a\rx\r\ny\r\n0\r\n\r\n" SMUGGLED, 400},
    {"an empty Host beside one", "GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n\r\n" SMUGGLED, 400},
    {"a Host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n" SMUGGLED, 400},
    {"two Hosts in a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" SMUGGLED, 400},
    {"no Host", "GET / HTTP/1.1\r\n\r\n" SMUGGLED, 400},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" SMUGGLED, 400},
    {"a Host that is none", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" SMUGGLED, 400},
    {"a bare LF", "GET / HTTP/1.1\nHost: a\n\n" SMUGGLED, 400},
    {"a bare CR", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n" SMUGGLED, 400},
    {"a second space", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 400},
    {"a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 400},
    {"a request without a version", "GET /\r\nHost: a\r\n\r\n" SMUGGLED, 400},
    {"an empty field name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n" SMUGGLED, 400},
    {"a field without a colon", "GET / HTTP/1.1\r\nHost: a\r\nfoo\r\n\r\n" SMUGGLED, 400},
    {"HTTP/2 in a request line", "GET / HTTP/2.0\r\nHost: a\r\n\r\n" SMUGGLED, 505},
    {"HTTP/1.2 without a Host", "GET / HTTP/1.2\r\n\r\n" SMUGGLED, 400},
    {"HTTP/3.1", "GET / HTTP/3.1\r\nHost: a\r\n\r\n" SMUGGLED, 505},
    {"HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n" SMUGGLED, 505},
    {"an unknown method", "SMUGGLE / HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 501},
    {"CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 405},
    {"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 405},
    {"an unknown expectation", "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n" SMUGGLED, 417},
    {"a fragment", "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 400},
    {"a target that is no path", "GET x HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 400},
    {"an asterisk that is not for OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 400},
};

TEST(what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_served)
{
    site_begin_endpoint(&with_defaults);
    for (size_t i = 0; i < ANQA_COUNT(attacks); i++) {
        const char *refusal = site_ask(attacks[i].request);
        CHECK_EQ(status_of(refusal), attacks[i].status, "%s: %s", attacks[i].name, refusal);
        CHECK_EQ(count(refusal, "HTTP/1.1 "), 1, "%s: %s", attacks[i].name, refusal);
        CHECK(has(refusal, "\r\nconnection: close\r\n"), "%s", attacks[i].name);
        CHECK(!has(refusal, "smuggled"), "%s", attacks[i].name);
    }
    site_end();
}

/* Names that only look like those that frame a message are fields as any other, whatever another server makes of them. */
static const char *const harmless[] = {
    "Content_Length: 44",
    "X-Content-Length: 44",
    "Content-Length-: 44",
    "Transfer_Encoding: chunked",
    "Connection: Content-Length",
    "TE: chunked",
};

TEST(what_only_looks_like_framing_frames_nothing)
{
    char request[512];

    site_begin_endpoint(&with_defaults);
    for (size_t i = 0; i < ANQA_COUNT(harmless); i++) {
        snprintf(request, sizeof request,
            POST_HEAD "%s\r\nContent-Length: 2\r\n\r\nokGET /next HTTP/1.1\r\nHost: "
                      "a\r\nConnection: close\r\n\r\n",
            harmless[i]);
        CHECK_EQ(count(site_ask(request), "HTTP/1.1 200 "), 2, "%s", harmless[i]);
    }
    /* Trailers come too late to say anything. */
    CHECK_EQ(count(site_ask(POST_HEAD
                       "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Length: "
                       "99\r\nTransfer-Encoding: x\r\nHost: b\r\n\r\nGET /next HTTP/1.1\r\n"
                       "Host: a\r\nConnection: close\r\n\r\n"),
                 "HTTP/1.1 200 "),
        2);
    site_end();
}

/* ---------------------------------------------------------------- limits */

#define CLOSING "Host: a\r\nConnection: close\r\n"

static const struct {
    const char *name, *before, *unit, *behind;
    unsigned count_of, status; /* with one unit less: 200 */
} limits[] = {
    /* "GET /" and " HTTP/1.1" are 14 of the 100 bytes */
    {"request line", "GET /", "x", " HTTP/1.1\r\n" CLOSING "\r\n", 87, 414},
    /* what is around the x has 51 of the 500 bytes */
    {"head", "GET / HTTP/1.1\r\n" CLOSING "X: ", "x", "\r\n\r\n", 450, 431},
    {"fields", "GET / HTTP/1.1\r\n" CLOSING, "X: 1\r\n", "\r\n", 4, 431},
};

static unsigned status_with(size_t i, unsigned units)
{
    char request[2048];
    size_t len = strlen(limits[i].before);

    memcpy(request, limits[i].before, len);
    for (; units > 0; units--, len += strlen(limits[i].unit))
        memcpy(request + len, limits[i].unit, strlen(limits[i].unit));
    memcpy(request + len, limits[i].behind, strlen(limits[i].behind) + 1);
    return status_of(site_ask(request));
}

TEST(each_limit_of_a_head_is_reached_and_not_passed)
{
    site_begin_endpoint(&with_limits);
    for (size_t i = 0; i < ANQA_COUNT(limits); i++) {
        CHECK_EQ(status_with(i, limits[i].count_of - 1), 200, "%s", limits[i].name);
        CHECK_EQ(status_with(i, limits[i].count_of), limits[i].status, "%s", limits[i].name);
    }
    site_end();
}

TEST(a_body_above_the_limit_is_413_announced_or_in_chunks)
{
    site_begin_endpoint(&with_limits); /* 10 bytes */
    CHECK(has(site_ask(POST_HEAD "Connection: close\r\nContent-Length: 10\r\n\r\n0123456789"),
        "\r\n\r\n0123456789"));
    CHECK_EQ(status_of(site_ask(POST_HEAD "Content-Length: 11\r\n\r\n0123456789a")), 413);
    CHECK(has(
        site_ask(POST_HEAD
            "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"),
        "\r\n\r\n0123456789"));
    CHECK_EQ(status_of(site_ask(POST_HEAD
                 "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n")),
        413);
    site_end();
}

TEST(bodies_up_to_eight_million_bytes_are_taken_by_default)
{
    char request[128];

    site_begin_endpoint(&with_defaults);
    snprintf(request, sizeof request, POST_HEAD "Content-Length: %u\r\n\r\n", 8000001);
    CHECK_EQ(status_of(site_ask(request)), 413);
    site_end();
}

TEST(chunk_extensions_and_trailers_are_bounded)
{
    static char request[20000];

    site_begin_endpoint(&with_defaults);
    snprintf(request, sizeof request,
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0;%09000d\r\n\r\n", 0);
    CHECK_EQ(status_of(site_ask(request)), 431);
    snprintf(request, sizeof request,
        POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nX: %09000d\r\n\r\n", 0);
    CHECK_EQ(status_of(site_ask(request)), 431);
    site_end();
}

TEST(who_sends_its_head_too_slowly_is_told_408_however_the_bytes_trickle)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ";
    char buf[1024] = "";
    int fd;

    site_begin_endpoint(&with_limits); /* a second for a head */
    fd = site_dial();
    for (size_t i = 0; i < sizeof request - 1; i++) {
        peer_put(fd, request + i, 1);
        usleep(100000);
        if (recv(fd, buf, sizeof buf - 1, MSG_DONTWAIT) > 0)
            break;
    }
    CHECK_EQ(status_of(buf), 408);
    close(fd);
    site_end();
}

TEST(who_asks_for_nothing_is_let_go_without_a_word)
{
    char buf[1024];
    int fd;

    site_begin_endpoint(&with_limits);
    fd = site_dial();
    CHECK_EQ(peer_get(fd, NULL, buf, sizeof buf), 0);
    CHECK(peer_at_end(fd));
    close(fd);
    fd = site_dial();
    peer_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK_EQ(count(buf, "HTTP/1.1 "), 1, "%s", buf);
    close(fd);
    site_end();
}

/* ---------------------------------------------------------------- how many */

/* A connection from 127.0.0.`last`. */
static int dial_from(uint8_t last)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000000u | last)}};
    struct sockaddr_in to = {.sin_family = AF_INET,
        .sin_port = htons(site_port()),
        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&from, sizeof from) == 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static bool is_served(int fd)
{
    char buf[512];

    peer_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return peer_get(fd, "\r\n\r\n/", buf, sizeof buf) > 0;
}

static const anqa_endpoint two_an_address = {
    .plugs = plugs, .quiet = true, .limits = {.connections_per_address = 2}};

TEST(without_memory_to_count_an_address_its_connection_is_refused)
{
    site_begin_endpoint(&two_an_address);
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        int fd = dial_from(2);
        (void)is_served(fd);
        close(fd);
    }
    CHECK_EQ(status_of(site_get("/")), 200);
    site_end();
}

TEST(of_one_address_as_many_connections_are_served_as_allowed_and_of_others_too)
{
    int fds[2], third, other;

    site_begin_endpoint(&two_an_address);
    for (size_t i = 0; i < 2; i++) {
        fds[i] = dial_from(2);
        CHECK(is_served(fds[i]));
    }
    third = dial_from(2);
    CHECK(!is_served(third));
    close(third);
    other = dial_from(3);
    CHECK(is_served(other));
    close(fds[0]);
    do { /* until its end is known */
        third = dial_from(2);
        if (is_served(third))
            break;
        close(third);
    } while (true);
    close(third);
    close(fds[1]);
    close(other);
    site_end();
}

/* ---------------------------------------------------------------- where an endpoint listens */

static const char get_close[] = "GET /here HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

static void check_served(int fd)
{
    char buf[1024];

    peer_put(fd, get_close, sizeof get_close - 1);
    (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK(ends_with(buf, "\r\n\r\n/here"), "%s", buf);
    close(fd);
}

TEST(an_endpoint_listens_on_a_unix_socket)
{
    static char address[64];
    static anqa_endpoint endpoint = {.plugs = plugs, .quiet = true, .address = address};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address, sizeof address, "unix:/tmp/anqa-h1-%d.sock", (int)getpid());
    site_begin_endpoint(&endpoint);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", address + 5);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    check_served(fd);
    site_end();
    CHECK(access(address + 5, F_OK) < 0);
}

TEST(an_endpoint_listens_on_an_IPv6_address_without_brackets)
{
    static const anqa_endpoint endpoint = {.plugs = plugs, .quiet = true, .address = "::1"};
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) < 0)
        SKIP("no IPv6 here");
    close(fd);
    fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    site_begin_endpoint(&endpoint);
    to.sin6_port = htons(site_port());
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    check_served(fd);
    site_end();
}
