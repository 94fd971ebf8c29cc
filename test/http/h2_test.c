/* HTTP/2: what requests and responses are there. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/h2_peer.h"
#include "http/site.h"

#define END_BOTH (NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM)
#define BIG 1000000u

/* ---------------------------------------------------------------- the site */

static _Atomic(bool) gate;   /* /wait waits for it */
static _Atomic(int) waiting; /* requests that do so */
static _Atomic(int) lost;    /* whose clients went away meanwhile */
static _Atomic(int) peer_len;

static void wait_for_gate(anqa_conn *conn)
{
    atomic_fetch_add(&waiting, 1);
    while (!atomic_load(&gate))
        anqa_sleep(2);
    atomic_fetch_sub(&waiting, 1);
    if (anqa_send_text(conn, 200, anqa_str_of("waited")) == ANQA_E_CLOSED)
        atomic_fetch_add(&lost, 1);
}

static void stream_parts(anqa_conn *conn)
{
    (void)anqa_sse_begin(conn);
    (void)anqa_sse_send(conn, &(anqa_sse_event){.data = anqa_str_of("one")});
    wait_for_gate(conn);
}

static void show_all(anqa_conn *conn)
{
    const char *text =
        anqa_tmp_printf("%.*s %s %.*s %.*s?%.*s\n", ANQA_FMT(conn->method), conn->scheme,
            ANQA_FMT(conn->host), ANQA_FMT(conn->request_path), ANQA_FMT(conn->query_string));
    char peer[ANQA_ADDRESS_TEXT];
    anqa_str name, value;

    for (size_t at = 0; anqa_conn_each_req_header(conn, &at, &name, &value);)
        text = anqa_tmp_printf("%s%.*s=%.*s\n", text, ANQA_FMT(name), ANQA_FMT(value));
    anqa_conn_peer(conn, peer);
    atomic_store(&peer_len, (int)strlen(peer));
    anqa_send_text(conn, 200, anqa_str_of(text));
}

static void echo(anqa_conn *conn)
{
    anqa_str body, trailer = {0};

    if (anqa_conn_read_body(conn, NULL, &body, NULL) != ANQA_OK)
        return;
    if (anqa_conn_req_trailer(conn, "x-sum", &trailer))
        anqa_conn_put_resp_header(conn, "X-Sum", trailer);
    anqa_send_text(conn, 200, body);
}

static void read_soon(anqa_conn *conn)
{
    anqa_str body;

    if (anqa_conn_read_body(conn, &(anqa_body_opts){.read_timeout_ms = 50}, &body, NULL) == ANQA_OK)
        anqa_send_text(conn, 200, body);
}

static void crash_late(anqa_conn *conn)
{
    (void)anqa_send_chunked(conn, 200);
    anqa_chunk(conn, anqa_str_of("begun"));
    anqa_exit(anqa_error_reason("amid an answer"));
}

static void send_big(anqa_conn *conn)
{
    char *big = anqa_arena_alloc(anqa_tmp(), BIG);

    memset(big, 'b', BIG);
    anqa_send_text(conn, 200, anqa_str_make(big, BIG));
}

static void inform(anqa_conn *conn)
{
    anqa_conn_inform(
        conn, 103, (const anqa_header[]){{"link", "</style.css>; rel=preload"}, {NULL, NULL}});
    anqa_send_text(conn, 200, anqa_str_of("informed"));
}

static void plug(anqa_conn *conn, const void *opts)
{
    static const struct {
        const char *path;
        void (*answer)(anqa_conn *conn);
    } pages[] = {{"/wait", wait_for_gate}, {"/events", stream_parts}, {"/show", show_all},
        {"/echo", echo}, {"/soon", read_soon}, {"/late", crash_late}, {"/big", send_big},
        {"/inform", inform}};

    for (size_t i = 0; i < ANQA_COUNT(pages); i++)
        if (anqa_str_is(conn->request_path, pages[i].path)) {
            pages[i].answer(conn);
            return;
        }
    if (anqa_str_is(conn->request_path, "/crash"))
        ANQA_REQUIRE(conn->halted);
    if (anqa_str_is(conn->request_path, "/refused"))
        anqa_send_text(conn, 403, anqa_str_of("refused"));
    else if (anqa_str_is(conn->request_path, "/empty"))
        anqa_send_resp(conn, 204, anqa_str_of(""));
    else if (anqa_str_is(conn->request_path, "/close"))
        anqa_conn_put_close(conn);
    if (conn->state == ANQA_CONN_UNSET)
        anqa_send_text(conn, 200, anqa_str_of("hello"));
}

static void begin(void)
{
    site_begin(plug);
}

static void wait_until(_Atomic(int) *number, int wanted)
{
    while (atomic_load(number) != wanted)
        usleep(1000);
}

/* ---------------------------------------------------------------- how it begins */

TEST(the_preface_begins_http_2_however_it_is_cut)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    begin();
    for (size_t cut = 1; cut < sizeof preface - 1; cut += 3) {
        struct h2_peer peer = h2_dial_mute(site_port());
        peer_put(peer.fd, preface, cut);
        usleep(1000);
        peer_put(peer.fd, preface + cut, sizeof preface - 1 - cut);
        h2_put(&peer, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
        h2_get(&peer, 1, "/");
        CHECK_STR(h2_read(&peer, 1)->body, "hello", "cut at %zu", cut);
        h2_hang_up(&peer);
    }
    site_end();
}

TEST(behind_a_request_of_http_1_the_preface_is_none)
{
    char answer[4096];
    int fd;

    begin();
    fd = site_dial();
    peer_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    (void)peer_get(fd, NULL, answer, sizeof answer);
    CHECK(has(answer, "HTTP/1.1 200 ") && has(answer, "HTTP/1.1 505 "), "%s", answer);
    close(fd);
    site_end();
}

/* ---------------------------------------------------------------- streams */

TEST(requests_of_one_connection_are_served_at_once)
{
    struct h2_peer peer;

    begin();
    peer = h2_dial(site_port());
    h2_get(&peer, 1, "/wait");
    h2_get(&peer, 3, "/wait");
    h2_get(&peer, 5, "/");
    CHECK_STR(h2_read(&peer, 5)->body, "hello");
    wait_until(&waiting, 2);
    atomic_store(&gate, true);
    for (unsigned i = 0; i < 2; i++) {
        struct h2_got got;
        do
            h2_next(&peer, &got);
        while (got.type != NGHTTP2_DATA);
        CHECK_STR(got.text, "waited");
    }
    h2_hang_up(&peer);
    site_end();
}

TEST(a_crash_ends_its_stream_and_no_other)
{
    struct h2_peer peer;
    const struct h2_answer *answer;

    begin();
    peer = h2_dial(site_port());
    h2_get(&peer, 1, "/wait");
    h2_get(&peer, 3, "/crash");
    answer = h2_read(&peer, 3);
    CHECK_EQ(answer->status, 500);
    CHECK_STR(answer->body, "Internal Server Error");
    h2_get(&peer, 5, "/late");
    answer = h2_read(&peer, 5);
    CHECK(answer->reset);
    CHECK_EQ(answer->error, NGHTTP2_INTERNAL_ERROR);
    atomic_store(&gate, true);
    CHECK_STR(h2_read(&peer, 1)->body, "waited");
    h2_hang_up(&peer);
    site_end();
}

TEST(who_is_served_finds_out_that_the_stream_was_reset_or_the_connection_lost)
{
    struct h2_peer peer;

    begin();
    peer = h2_dial(site_port());
    h2_get(&peer, 1, "/wait");
    h2_get(&peer, 3, "/wait");
    wait_until(&waiting, 2);
    h2_reset(&peer, 1, NGHTTP2_CANCEL);
    CHECK(h2_is_alive(&peer));
    h2_hang_up(&peer);
    peer = h2_dial(
        site_port()); /* the end of the other has been seen by the time that this is served */
    h2_get(&peer, 1, "/");
    CHECK_STR(h2_read(&peer, 1)->body, "hello");
    atomic_store(&gate, true);
    while (atomic_load(&lost) < 1)
        usleep(1000);
    wait_until(&waiting, 0);
    h2_hang_up(&peer);
    site_end();
}

/* ---------------------------------------------------------------- windows */

TEST(who_writes_faster_than_the_window_waits)
{
    struct h2_got got;
    struct h2_peer peer;
    size_t len = 0;

    begin();
    peer = h2_dial(site_port());
    h2_get(&peer, 1, "/big");
    while (len < 65535) { /* the window of the stream, and of the connection */
        h2_next(&peer, &got);
        CHECK(!got.over);
        len += got.type == NGHTTP2_DATA ? got.len : 0;
    }
    CHECK_EQ(len, 65535);
    h2_put(&peer, NGHTTP2_PING, 0, 0, "01234567", 8);
    do {
        h2_next(&peer, &got);
        CHECK(!got.over && got.type != NGHTTP2_DATA);
    } while (got.type != NGHTTP2_PING);
    h2_open_window(&peer, 1, 1000);
    h2_open_window(&peer, 0, 1u << 24);
    h2_wait(&peer, NGHTTP2_DATA, 1, &got);
    CHECK_EQ(got.len, 1000);
    h2_open_window(&peer, 1, 1u << 24);
    CHECK_EQ(h2_read(&peer, 1)->len + len + 1000, BIG);
    h2_hang_up(&peer);
    site_end();
}

TEST(a_body_that_nobody_reads_keeps_the_window_shut_and_what_is_read_opens_it)
{
    static char part[H2_PEER_FRAME + 1];
    struct h2_got got;
    struct h2_peer peer;

    memset(part, 'p', H2_PEER_FRAME);
    begin();
    peer = h2_dial(site_port());
    CHECK(h2_is_alive(&peer));  /* the settings are agreed on */
    h2_post(&peer, 1, "/wait"); /* reads none of it */
    for (unsigned i = 0; i < 16; i++)
        h2_data(&peer, 1, part, false); /* 256 KiB: all that it may */
    h2_put(&peer, NGHTTP2_PING, 0, 0, "01234567", 8);
    do {
        h2_next(&peer, &got);
        CHECK(!got.over && (got.type != NGHTTP2_WINDOW_UPDATE || got.stream == 0));
    } while (got.type != NGHTTP2_PING);
    h2_data(&peer, 1, part, false); /* more than the window */
    h2_wait(&peer, NGHTTP2_RST_STREAM, 1, &got);
    CHECK_EQ(got.error, NGHTTP2_FLOW_CONTROL_ERROR);
    atomic_store(&gate, true);
    h2_post(&peer, 3, "/echo");
    for (unsigned i = 0; i < 16; i++)
        h2_data(&peer, 3, part, false);
    h2_wait(&peer, NGHTTP2_WINDOW_UPDATE, 3, &got);
    h2_data(&peer, 3, part, true);
    CHECK_EQ(h2_read(&peer, 3)->len, 17 * H2_PEER_FRAME);
    h2_hang_up(&peer);
    site_end();
}

/* ---------------------------------------------------------------- requests */

static const anqa_endpoint forced = {.force_ssl = &(anqa_ssl_opts){0},
    .statics = (const anqa_static_files[]){{.url = "/", .dir = "/proc/self"}, {0}},
    .quiet = true};

TEST(an_endpoint_that_wants_tls_sends_streams_there_too)
{
    const struct h2_answer *answer;
    struct h2_peer peer;

    site_begin_endpoint(&forced);
    peer = h2_dial(site_port());
    h2_get(&peer, 1, "/status");
    answer = h2_read(&peer, 1);
    CHECK_EQ(answer->status, 301);
    CHECK(has(answer->head, "location: https://example.org/status\n"), "%s", answer->head);
    h2_get(&peer, 3, "/none");
    CHECK_EQ(h2_read(&peer, 3)->status, 301);
    h2_hang_up(&peer);
    site_end();
}

TEST(a_request_looks_as_it_would_in_http_1)
{
    struct h2_peer peer;
    const struct h2_answer *answer;

    begin();
    peer = h2_dial(site_port());
    h2_put_headers(&peer, 1, END_BOTH,
        (const char *const[]){":method", "GET", ":scheme", "https", ":authority",
            "example.org:4000", ":path", "/show?a=b", "cookie", "a=1", "x-empty", "", "cookie",
            "b=2", NULL});
    answer = h2_read(&peer, 1);
    CHECK_EQ(answer->status, 200);
    CHECK_STR(answer->body,
        "GET http example.org /show?a=b\nhost=example.org:4000\ncookie=a=1; b=2\nx-empty=\n");
    CHECK(atomic_load(&peer_len) > 0);
    CHECK(has(answer->head, "\ndate: ") && !has(answer->head, "connection"), "%s", answer->head);
    h2_hang_up(&peer);
    site_end();
}

#define CRUMBS 150

TEST(crumbs_of_a_cookie_are_one_field_however_many_they_are)
{
    static char texts[CRUMBS][8], wanted[CRUMBS * 8] = "host=a\ncookie=";
    static const char *fields[2 * CRUMBS + 12] = {
        ":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/show"};
    struct h2_peer peer;
    const struct h2_answer *answer;
    unsigned at = 8;

    begin();
    peer = h2_dial(site_port());
    for (unsigned i = 0; i < CRUMBS; i++) {
        snprintf(texts[i], sizeof texts[i], "c%u=%u", i, i % 10);
        fields[at++] = "cookie";
        fields[at++] = texts[i];
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s%s",
            i == 0 ? "" : "; ", texts[i]);
        if (i == 0) {
            fields[at++] = "x-behind";
            fields[at++] = "b";
        }
    }
    snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "\nx-behind=b\n");
    h2_put_headers(&peer, 1, END_BOTH, fields);
    answer = h2_read(&peer, 1);
    CHECK_EQ(answer->status, 200);
    CHECK(ends_with(answer->body, wanted), "%s", answer->body);
    h2_hang_up(&peer);
    site_end();
}

TEST(bodies_and_trailers_are_read)
{
    struct h2_peer peer;
    const struct h2_answer *answer;

    begin();
    peer = h2_dial(site_port());
    h2_post(&peer, 1, "/echo");
    h2_data(&peer, 1, "one ", false);
    h2_data(&peer, 1, "two", false);
    h2_put_headers(&peer, 1, END_BOTH, (const char *const[]){"x-sum", "7", "x-more", "8", NULL});
    answer = h2_read(&peer, 1);
    CHECK_STR(answer->body, "one two");
    CHECK(has(answer->head, "\nx-sum: 7\n"), "%s", answer->head);
    h2_post(&peer, 3, "/echo");
    h2_data(&peer, 3, "", true);
    answer = h2_read(&peer, 3);
    CHECK(answer->status == 200 && answer->len == 0);
    h2_hang_up(&peer);
    site_end();
}

TEST(a_body_that_does_not_come_in_time_is_408)
{
    struct h2_peer peer;

    begin();
    peer = h2_dial(site_port());
    h2_post(&peer, 1, "/soon");
    h2_data(&peer, 1, "abc", false);
    CHECK_EQ(h2_read(&peer, 1)->status, 408);
    h2_get(&peer, 3, "/");
    CHECK_STR(h2_read(&peer, 3)->body, "hello");
    h2_hang_up(&peer);
    site_end();
}

TEST(who_expects_to_be_told_to_continue_is_told_when_the_body_is_asked_for)
{
    static const char *const fields[] = {":method", "POST", ":scheme", "http", ":path", "/echo",
        ":authority", "a", "expect", "100-continue", NULL};
    struct h2_got got;
    struct h2_peer peer;

    begin();
    peer = h2_dial(site_port());
    h2_put_headers(&peer, 1, NGHTTP2_FLAG_END_HEADERS, fields);
    h2_wait(&peer, NGHTTP2_HEADERS, 1, &got);
    CHECK_STR(got.text, ":status: 100\n");
    h2_data(&peer, 1, "go on", true);
    CHECK_STR(h2_read(&peer, 1)->body, "go on");
    h2_hang_up(&peer);
    site_end();
}

/* By the time that a ping is answered twice what is not held has come. */
static bool is_held(struct h2_peer *peer, uint8_t type)
{
    struct h2_got got;
    bool came = false;

    for (unsigned pongs = 0; pongs < 2; pongs += got.type == NGHTTP2_PING) {
        if (pongs == 0 || got.type == NGHTTP2_PING)
            h2_put(peer, NGHTTP2_PING, 0, 0, "01234567", 8);
        h2_next(peer, &got);
        CHECK(!got.over);
        came = came || got.type == type;
    }
    return !came;
}

/* Some clients do not read any more what opens their windows when they have all of the answer. */
TEST(an_answer_does_not_end_before_the_body_while_that_comes)
{
    struct h2_got got;
    struct h2_peer peer;

    begin();
    peer = h2_dial(site_port());
    h2_post(&peer, 1, "/");
    h2_data(&peer, 1, "unread", false);
    h2_wait(&peer, NGHTTP2_HEADERS, 1, &got);
    CHECK(is_held(&peer, NGHTTP2_DATA));
    h2_data(&peer, 1, "on its way", true);
    h2_wait(&peer, NGHTTP2_DATA, 1, &got);
    CHECK_STR(got.text, "hello");
    CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    h2_post(&peer, 3, "/empty");
    CHECK(is_held(&peer, NGHTTP2_HEADERS));
    h2_data(&peer, 3, "", true);
    h2_wait(&peer, NGHTTP2_HEADERS, 3, &got);
    CHECK_STR(anqa_str_make(got.text, 13), ":status: 204\n");
    CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    h2_hang_up(&peer);
    site_end();
}

TEST(an_answer_ends_when_no_more_of_the_body_comes)
{
    struct h2_peer peer;

    begin();
    peer = h2_dial(site_port());
    h2_post(&peer, 1, "/");
    h2_post(&peer, 3, "/empty");
    h2_data(&peer, 1, "unread", false);
    CHECK_STR(h2_read(&peer, 1)->body, "hello");
    h2_data(&peer, 1, "on its way", true);
    h2_data(&peer, 3, "at last", true);
    h2_get(&peer, 5, "/");
    CHECK_STR(h2_read(&peer, 5)->body, "hello"); /* the others do not disturb it */
    h2_hang_up(&peer);
    site_end();
}

/* Sends a body by bytes until a frame of that type has come. */
static void dribble(struct h2_peer *peer, uint32_t stream, uint8_t type, struct h2_got *got)
{
    for (unsigned i = 0; i < 500; i++) { /* beyond it: for as long as an answer is held */
        h2_data(peer, stream, "x", false);
        usleep(10000);
        while (recv(peer->fd, got, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
            h2_next(peer, got);
            if (got->type == type)
                return;
        }
    }
    CHECK(false, "no frame of type %u", type);
}

TEST(who_has_failed_is_told_so_while_its_body_comes_and_the_rest_is_read_over)
{
    static const char *const paths[] = {"/refused", "/crash"};
    struct h2_peer peer;

    begin();
    peer = h2_dial(site_port());
    for (uint32_t i = 0; i < 2; i++) {
        struct h2_got got;
        h2_post(&peer, 1 + 2 * i, paths[i]);
        dribble(&peer, 1 + 2 * i, NGHTTP2_DATA, &got);
        CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) != 0);
        h2_data(&peer, 1 + 2 * i, "the rest", true);
        CHECK(is_held(&peer, NGHTTP2_RST_STREAM));
    }
    h2_hang_up(&peer);
    site_end();
}

/* How much of a body of 100 MB is taken before its stream is reset without an error. */
static size_t flood(struct h2_peer *peer, uint32_t stream, const char *path)
{
    const char *const fields[] = {":method", "POST", ":scheme", "http", ":path", path, ":authority",
        "a", "content-length", "100000000", NULL};
    static char part[H2_PEER_FRAME + 1];
    struct h2_got got = {0};
    size_t room = 262144, sent = 0;

    memset(part, 'p', H2_PEER_FRAME);
    h2_put_headers(peer, stream, NGHTTP2_FLAG_END_HEADERS, fields);
    for (; got.type != NGHTTP2_RST_STREAM; sent += H2_PEER_FRAME) {
        while (room < H2_PEER_FRAME && got.type != NGHTTP2_RST_STREAM) {
            h2_next(peer, &got);
            CHECK(!got.over);
            room += got.stream == stream ? got.increment : 0;
        }
        h2_data(peer, stream, part, false);
        room -= H2_PEER_FRAME;
    }
    CHECK_EQ(got.error, NGHTTP2_NO_ERROR);
    return sent;
}

TEST(a_body_that_nobody_reads_is_not_read_over_for_ever)
{
    struct h2_peer peer;
    size_t taken;

    begin();
    peer = h2_dial(site_port());
    CHECK(h2_is_alive(&peer)); /* the settings are agreed on */
    taken = flood(&peer, 1, "/refused");
    CHECK(taken >= 8000000 && taken < 10000000, "%zu", taken);
    taken = flood(&peer, 3, "/");
    CHECK(taken >= 64000000 && taken < 66000000, "%zu", taken);
    CHECK(h2_is_alive(&peer));
    h2_hang_up(&peer);
    site_end();
}

/* Each is the only thing wrong. RFC 9113, 8.1.1 to 8.3.1: a stream error. */
static const struct {
    const char *name;
    const char *fields[14];
    const char *body; /* NULL: none */
} malformed[] = {
    {"no method", {":scheme", "http", ":path", "/", ":authority", "a"}, NULL},
    {"no scheme", {":method", "GET", ":path", "/", ":authority", "a"}, NULL},
    {"no path", {":method", "GET", ":scheme", "http", ":authority", "a"}, NULL},
    {"no host", {":method", "GET", ":scheme", "http", ":path", "/"}, NULL},
    {"an empty path", {":method", "GET", ":scheme", "http", ":path", "", ":authority", "a"}, NULL},
    {"a path that is none", {":method", "GET", ":scheme", "http", ":path", "x", ":authority", "a"},
        NULL},
    {"two methods",
        {":method", "GET", ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"},
        NULL},
    {"two paths",
        {":method", "GET", ":scheme", "http", ":path", "/", ":path", "/b", ":authority", "a"},
        NULL},
    {"an unknown pseudo-header",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", ":x", "y"}, NULL},
    {"a status",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", ":status", "200"},
        NULL},
    {"a pseudo-header behind a field",
        {":method", "GET", ":scheme", "http", "a", "b", ":path", "/", ":authority", "a"}, NULL},
    {"a protocol without CONNECT",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", ":protocol",
            "websocket"},
        NULL},
    {"a name in upper case",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "X-Y", "z"}, NULL},
    {"a name with a space",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "x y", "z"}, NULL},
    {"a value with a line feed",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "x", "y\nz: 1"},
        NULL},
    {"a value with a blank in front",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "x", " y"}, NULL},
    {"connection",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "connection",
            "close"},
        NULL},
    {"transfer-encoding",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "transfer-encoding",
            "chunked"},
        NULL},
    {"upgrade",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "upgrade", "x"},
        NULL},
    {"keep-alive",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "keep-alive", "x"},
        NULL},
    {"te that is not trailers",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "te", "gzip"}, NULL},
    {"another host",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "host", "b"}, NULL},
    {"two hosts", {":method", "GET", ":scheme", "http", ":path", "/", "host", "a", "host", "a"},
        NULL},
    {"two lengths",
        {":method", "POST", ":scheme", "http", ":path", "/echo", ":authority", "a",
            "content-length", "1", "content-length", "1"},
        "x"},
    {"a length that is none",
        {":method", "POST", ":scheme", "http", ":path", "/echo", ":authority", "a",
            "content-length", "x"},
        "x"},
    {"more than the length",
        {":method", "POST", ":scheme", "http", ":path", "/echo", ":authority", "a",
            "content-length", "1"},
        "xy"},
    {"less than the length",
        {":method", "POST", ":scheme", "http", ":path", "/echo", ":authority", "a",
            "content-length", "3"},
        "xy"},
    {"a length without a body",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "content-length",
            "3"},
        NULL},
};

TEST(a_malformed_request_is_a_stream_error_and_the_connection_goes_on)
{
    struct h2_peer peer;
    uint32_t stream = 1;

    begin();
    peer = h2_dial(site_port());
    for (size_t i = 0; i < ANQA_COUNT(malformed); i++, stream += 2) {
        const struct h2_answer *answer;
        h2_put_headers(&peer, stream,
            malformed[i].body == NULL ? END_BOTH : NGHTTP2_FLAG_END_HEADERS, malformed[i].fields);
        if (malformed[i].body != NULL)
            h2_data(&peer, stream, malformed[i].body, true);
        answer = h2_read(&peer, stream);
        CHECK(answer->reset && answer->status == 0, "%s: %s", malformed[i].name, answer->body);
        CHECK_EQ(answer->error, NGHTTP2_PROTOCOL_ERROR, "%s", malformed[i].name);
    }
    h2_get(&peer, stream, "/");
    CHECK_STR(h2_read(&peer, stream)->body, "hello");
    h2_hang_up(&peer);
    site_end();
}

static const struct {
    const char *name;
    const char *fields[14];
    unsigned status;
} refused[] = {
    {"an unknown method",
        {":method", "SMUGGLE", ":scheme", "http", ":path", "/", ":authority", "a"}, 501},
    {"TRACE", {":method", "TRACE", ":scheme", "http", ":path", "/", ":authority", "a"}, 405},
    {"CONNECT", {":method", "CONNECT", ":authority", "a:1"}, 405},
    {"a fragment", {":method", "GET", ":scheme", "http", ":path", "/#x", ":authority", "a"}, 400},
    {"a host that is none",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "me@a"}, 400},
    {"an asterisk that is for OPTIONS",
        {":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority", "a"}, 204},
    {"an unknown expectation",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "expect", "x"}, 417},
    {"a length beyond the limit",
        {":method", "POST", ":scheme", "http", ":path", "/echo", ":authority", "a",
            "content-length", "8000001"},
        413},
    {"te: trailers",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "te", "trailers"},
        200},
    {"the host twice, in agreement",
        {":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", "host", "A"}, 200},
    {"no :authority, but a host", {":method", "GET", ":scheme", "http", ":path", "/", "host", "a"},
        200},
};

TEST(what_http_1_refuses_is_refused_with_the_same_status)
{
    struct h2_peer peer;
    uint32_t stream = 1;

    begin();
    peer = h2_dial(site_port());
    for (size_t i = 0; i < ANQA_COUNT(refused); i++, stream += 2) {
        bool announces = refused[i].status == 413;
        const struct h2_answer *answer;
        h2_put_headers(
            &peer, stream, announces ? NGHTTP2_FLAG_END_HEADERS : END_BOTH, refused[i].fields);
        answer = h2_read(&peer, stream);
        CHECK_EQ(answer->status, refused[i].status, "%s", refused[i].name);
        CHECK_EQ(has(answer->head, "\nallow: GET, HEAD, "),
            refused[i].status == 405 || refused[i].status == 204, "%s", refused[i].name);
    }
    h2_hang_up(&peer);
    site_end();
}

/* ---------------------------------------------------------------- responses */

static void ask(struct h2_peer *peer, uint32_t stream, const char *method, const char *path)
{
    h2_put_headers(peer, stream, END_BOTH,
        (const char *const[]){
            ":method", method, ":scheme", "http", ":path", path, ":authority", "a", NULL});
}

TEST(where_there_is_no_content_the_head_ends_the_stream)
{
    struct h2_got got;
    struct h2_peer peer;

    begin();
    peer = h2_dial(site_port());
    ask(&peer, 1, "HEAD", "/");
    h2_wait(&peer, NGHTTP2_HEADERS, 1, &got);
    CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    CHECK(has(got.text, "content-length: 5\n"), "%s", got.text);
    ask(&peer, 3, "GET", "/empty");
    h2_wait(&peer, NGHTTP2_HEADERS, 3, &got);
    CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    CHECK(!has(got.text, "content-length"), "%s", got.text);
    ask(&peer, 5, "HEAD", "/crash");
    h2_wait(&peer, NGHTTP2_HEADERS, 5, &got);
    CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    h2_hang_up(&peer);
    site_end();
}

TEST(informational_responses_come_before_the_answer)
{
    struct h2_got got;
    struct h2_peer peer;

    begin();
    peer = h2_dial(site_port());
    h2_get(&peer, 1, "/inform");
    h2_wait(&peer, NGHTTP2_HEADERS, 1, &got);
    CHECK_STR(got.text, ":status: 103\nlink: </style.css>; rel=preload\n");
    CHECK_STR(h2_read(&peer, 1)->body, "informed");
    h2_hang_up(&peer);
    site_end();
}

TEST(events_leave_as_they_are_sent)
{
    struct h2_got got;
    struct h2_peer peer;

    begin();
    peer = h2_dial(site_port());
    h2_get(&peer, 1, "/events");
    h2_wait(&peer, NGHTTP2_DATA, 1, &got);
    CHECK_STR(got.text, "data: one\n\n");
    CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) == 0);
    h2_reset(&peer, 1, NGHTTP2_CANCEL);
    atomic_store(&gate, true);
    h2_hang_up(&peer);
    site_end();
}

/* ---------------------------------------------------------------- files */

TEST(files_and_parts_of_them_are_sent)
{
    static char folder[] = "/tmp/anqa-h2-XXXXXX";
    static const anqa_static_files files[] = {{.url = "/", .dir = folder}, {0}};
    static const anqa_endpoint endpoint = {.quiet = true, .statics = files};
    const struct h2_answer *answer;
    struct h2_peer peer;
    char path[64];
    FILE *file;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/numbers.txt", folder);
    file = fopen(path, "we");
    CHECK(file != NULL);
    for (unsigned i = 0; i < 40000; i++)
        fprintf(file, "%07u\n", i);
    fclose(file);
    site_begin_endpoint(&endpoint);
    peer = h2_dial(site_port());
    h2_get(&peer, 1, "/numbers.txt");
    answer = h2_read(&peer, 1);
    CHECK_EQ(answer->len, 320000);
    CHECK(strncmp(answer->body, "0000000\n0000001\n", 16) == 0);
    h2_put_headers(&peer, 3, END_BOTH,
        (const char *const[]){":method", "GET", ":scheme", "http", ":path", "/numbers.txt",
            ":authority", "a", "range", "bytes=-8", NULL});
    answer = h2_read(&peer, 3);
    CHECK_EQ(answer->status, 206);
    CHECK_STR(answer->body, "0039999\n");
    ask(&peer, 5, "HEAD", "/numbers.txt");
    answer = h2_read(&peer, 5);
    CHECK(has(answer->head, "content-length: 320000\n") && answer->len == 0);
    ask(&peer, 7, "GET", "/nothing");
    CHECK_EQ(h2_read(&peer, 7)->status, 404);
    h2_hang_up(&peer);
    site_end();
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
}
