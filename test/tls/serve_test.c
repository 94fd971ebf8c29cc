/* What is served over TLS: requests, files, and how it ends. */
#include "tls/town.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/peer.h"

#define MIB ((size_t)1 << 20)

static char file_path[128];
static _Atomic(int) body_status = -1;

/* ---------------------------------------------------------------- the server */

static void stream(anqa_conn *conn, bool crashes)
{
    (void)anqa_send_chunked(conn, 200);
    for (int i = 0; i < 100; i++)
        anqa_chunk(conn, anqa_str_of("0123456789"));
    if (crashes) {
        anqa_sleep(20); /* what was written goes out */
        anqa_exit(anqa_error_reason("on purpose"));
    }
}

static void echo(anqa_conn *conn)
{
    anqa_str body;
    anqa_status status = anqa_conn_read_body(conn, NULL, &body, NULL);

    atomic_store(&body_status, (int)status);
    if (status == ANQA_OK)
        anqa_send_text(conn, 200, body);
}

static void serve(anqa_conn *conn, const void *opts)
{
    anqa_str path = conn->request_path;

    if (anqa_str_is(path, "/echo"))
        echo(conn);
    else if (anqa_str_is(path, "/file"))
        ANQA_REQUIRE(anqa_send_file(conn, 200, file_path, 0, 0) == ANQA_OK);
    else if (anqa_str_is(path, "/stream") || anqa_str_is(path, "/torn"))
        stream(conn, anqa_str_is(path, "/torn"));
    else if (anqa_str_is(path, "/fault"))
        *(volatile int *)(uintptr_t)opts = 1; /* NULL */
    else if (anqa_str_is(path, "/crash"))
        anqa_exit(anqa_error_reason("on purpose"));
    else
        anqa_send_text(conn, 200,
            anqa_str_of(
                anqa_tmp_printf("%s://%.*s:%u", conn->scheme, ANQA_FMT(conn->host), conn->port)));
}

static const anqa_endpoint site = {
    .plugs = (const anqa_plug[]){{serve, NULL}, {0}}, .limits = {.body_bytes = 4u << 20}};

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* ---------------------------------------------------------------- requests */

TEST(requests_on_one_connection_are_answered_in_order)
{
    static const char three[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
                                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                                "GET /b HTTP/1.1\r\nHost: b:99\r\nConnection: close\r\n\r\n";
    const char *answer, *second;

    town_begin(&site);
    answer = caller_ask(three);
    second = strstr(answer, "\r\n\r\nhttps://a:443HTTP/1.1 200");
    CHECK(second != NULL, "%s", answer);
    CHECK(second != NULL && has(second, "\r\n\r\nhelloHTTP/1.1 200"));
    CHECK(second != NULL && has(second, "\r\n\r\nhttps://b:99"));
    town_end();
}

TEST(a_request_may_come_in_records_of_one_byte)
{
    static const char request[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    struct caller caller;
    char buf[1024];

    town_begin(&site);
    CHECK(caller_begin(&caller, NULL));
    for (size_t i = 0; i < sizeof request - 1; i++)
        caller_put(&caller, request + i, 1);
    (void)caller_get(&caller, NULL, buf, sizeof buf);
    CHECK(has(buf, "\r\n\r\nhello"));
    caller_leave(&caller);
    town_end();
}

static char large[3 << 20], back[(3 << 20) + 1024];

static void make_large(void)
{
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)harness_random();
}

/* The body of an answer with a length, in `back`. */
static size_t get_body(struct caller *caller)
{
    char head[2048];
    size_t len = 0, length;

    do
        CHECK(len + 1 < sizeof head && caller_read(caller, head + len++, 1));
    while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0);
    head[len] = '\0';
    CHECK(has(head, "HTTP/1.1 200 ") && has(head, "content-length: "), "%s", head);
    length = strtoul(strstr(head, "content-length: ") + 16, NULL, 10);
    CHECK(length <= sizeof back && caller_read(caller, back, length));
    return length;
}

TEST(a_large_body_comes_back_as_it_went)
{
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct caller caller;
    char head[128];

    make_large();
    town_begin(&site);
    for (size_t i = 0; i < ANQA_COUNT(versions); i++) {
        CHECK(caller_begin(&caller, &(struct call){.version = versions[i]}));
        snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
            sizeof large);
        caller_say(&caller, head);
        caller_put(&caller, large, sizeof large);
        CHECK_EQ(get_body(&caller), sizeof large);
        CHECK(memcmp(large, back, sizeof large) == 0);
        caller_leave(&caller);
    }
    town_end();
}

TEST(a_file_comes_as_it_is_also_to_one_who_reads_late)
{
    struct caller caller;
    int fd;

    make_large();
    town_write("file", "");
    snprintf(file_path, sizeof file_path, "%s", town_file("file"));
    fd = open(file_path, O_WRONLY | O_CLOEXEC);
    CHECK_EQ(write(fd, large, sizeof large), (ssize_t)sizeof large);
    close(fd);
    town_begin(&site);
    CHECK(caller_begin(&caller, NULL));
    for (int i = 0; i < 2; i++) {
        int waiting = 0;
        caller_say(&caller, "GET /file HTTP/1.1\r\nHost: a\r\n\r\n");
        for (int before = -1; waiting > before || waiting == 0;) { /* until the server is stuck */
            before = waiting;
            usleep(20000);
            waiting = (int)recv(caller.fd, back, sizeof back, MSG_PEEK | MSG_DONTWAIT);
        }
        CHECK_EQ(get_body(&caller), sizeof large);
        CHECK(memcmp(large, back, sizeof large) == 0);
    }
    caller_leave(&caller);
    town_end();
}

TEST(keys_may_be_updated_amid_requests)
{
    struct caller caller;
    char buf[1024];

    town_begin(&site);
    CHECK(caller_begin(&caller, &(struct call){.version = TLS1_3_VERSION}));
    for (int i = 0; i < 20; i++) {
        CHECK(SSL_key_update(caller.ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
        caller_say(&caller, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        (void)caller_get(&caller, "https://a:443", buf, sizeof buf);
        CHECK(has(buf, "https://a:443"));
    }
    caller_leave(&caller);
    town_end();
}

/* ---------------------------------------------------------------- https and http */

static void with_ssl_plug(anqa_conn *conn, const void *opts)
{
    anqa_plug_ssl(conn, opts);
    if (conn->halted)
        return;
    anqa_conn_put_resp_cookie(conn, "a", anqa_str_of("1"), NULL);
    anqa_send_text(conn, 200, anqa_str_of("safe"));
}

static const anqa_ssl_opts moved = {.host = "example.org:8443"};
static const anqa_endpoint strict = {.plugs = (const anqa_plug[]){{with_ssl_plug, NULL}, {0}}};
static const anqa_endpoint strict_moved = {
    .plugs = (const anqa_plug[]){{with_ssl_plug, &moved}, {0}}};

static const char *ask_plainly(const char *host, unsigned port)
{
    char request[256];

    snprintf(request, sizeof request,
        "GET /x?y=1 HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n\r\n", host, port);
    return peer_ask(town_plain_port(), request);
}

TEST(who_comes_over_http_is_sent_to_the_port_of_https)
{
    char location[128];

    town_begin(&strict);
    snprintf(location, sizeof location, "\r\nlocation: https://a.org:%u/x?y=1\r\n", town_port());
    CHECK(has(ask_plainly("a.org", town_plain_port()), location));
    /* what a proxy listens at is not ours */
    CHECK(has(ask_plainly("a.org", 80), "\r\nlocation: https://a.org/x?y=1\r\n"));
    town_end();
}

TEST(a_redirect_to_a_given_host_has_its_port)
{
    town_begin(&strict_moved);
    CHECK(has(ask_plainly("a.org", town_plain_port()),
        "\r\nlocation: https://example.org:8443/x?y=1\r\n"));
    town_end();
}

TEST(over_tls_there_is_hsts_and_cookies_are_secure)
{
    const char *answer;

    town_begin(&strict);
    answer = caller_ask("GET / HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n");
    CHECK(has(answer, "\r\n\r\nsafe"), "%s", answer);
    CHECK(has(answer, "\r\nstrict-transport-security: max-age=31536000\r\n"));
    CHECK(has(answer, "set-cookie: a=1;") && has(answer, "secure"), "%s", answer);
    town_end();
}

/* ---------------------------------------------------------------- TLS for all that an endpoint has */

static const anqa_raw_socket no_socket = {.init = NULL};
static anqa_static_files certificates[2]; /* the town's folder */
static const anqa_socket_mount raw_sockets[] = {
    {.path = "/socket", .raw = &no_socket, .longpoll = {.on = true}}, {0}};
static const anqa_endpoint forced = {.force_ssl = &(anqa_ssl_opts){0},
    .sockets = raw_sockets,
    .statics = certificates,
    .plugs = (const anqa_plug[]){{serve, NULL}, {0}}};

static void begin_forced(void)
{
    certificates[0] = (anqa_static_files){.url = "/files", .dir = town_file("")};
    town_begin(&forced);
}

/* port: 0: over TLS. */
static const char *ask(uint16_t port, const char *line, const char *fields)
{
    char request[512];

    snprintf(request, sizeof request, "%s HTTP/1.1\r\nConnection: close\r\n%s\r\n", line, fields);
    return port == 0 ? caller_ask(request) : peer_ask(port, request);
}

#define UPGRADE                                                    \
    "Host: a.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static const struct {
    const char *line, *fields, *to;
    unsigned status;
} plain_requests[] = {
    {"GET /a?b=c", "Host: a.org\r\n", "https://a.org/a?b=c", 301},
    {"POST /a", "Host: a.org\r\nContent-Length: 0\r\n", "https://a.org/a", 307},
    {"GET /files/main.crt", "Host: a.org\r\n", "https://a.org/files/main.crt", 301},
    {"HEAD /files/main.crt", "Host: a.org\r\n", "https://a.org/files/main.crt", 301},
    {"GET /socket/websocket", UPGRADE, "https://a.org/socket/websocket", 301},
    {"GET /socket/longpoll?vsn=2.0.0", "Host: a.org\r\n", "https://a.org/socket/longpoll?vsn=2.0.0",
        301},
    {"GET /files/main.crt", "Host: localhost\r\n", NULL, 200},
    {"OPTIONS *", "Host: a.org\r\n", NULL, 204},
    {"GET /files/main.crt", "Host: a.org:99999\r\n", NULL, 400},
};

TEST(an_endpoint_that_wants_tls_serves_nothing_without_it)
{
    begin_forced();
    for (size_t i = 0; i < ANQA_COUNT(plain_requests); i++) {
        const char *answer =
            ask(town_plain_port(), plain_requests[i].line, plain_requests[i].fields);
        char location[128] = "\r\n";
        CHECK_EQ(strtoul(answer + strlen("HTTP/1.1 "), NULL, 10), plain_requests[i].status,
            "%s: %s", plain_requests[i].line, answer);
        CHECK(!has(answer, "strict-transport-security"), "%s", answer);
        if (plain_requests[i].to != NULL)
            snprintf(location, sizeof location, "\r\nlocation: %s\r\n", plain_requests[i].to);
        CHECK(has(answer, location), "%s: %s", plain_requests[i].line, answer);
    }
    town_end();
}

TEST(all_that_an_endpoint_with_tls_for_all_answers_has_hsts)
{
    static const char *const lines[] = {"GET /a", "GET /files/main.crt", "HEAD /files/main.crt"};
    begin_forced();
    for (size_t i = 0; i < ANQA_COUNT(lines); i++) {
        const char *answer = ask(0, lines[i], "Host: a.org\r\n");
        CHECK(has(answer, "HTTP/1.1 200 OK"), "%s", answer);
        CHECK(has(answer, "\r\nstrict-transport-security: max-age=31536000\r\n"), "%s", answer);
    }
    CHECK(has(ask(0, "GET /a", "Host: a.org\r\n"), "\r\n\r\nhttps://a.org:443"));
    town_end();
}

TEST(a_websocket_of_an_endpoint_with_tls_for_all_has_hsts_in_its_handshake)
{
    struct caller caller;
    char answer[1024];

    begin_forced();
    CHECK(caller_begin(&caller, NULL));
    caller_say(&caller, "GET /socket/websocket HTTP/1.1\r\n" UPGRADE "\r\n");
    (void)caller_get(&caller, "\r\n\r\n", answer, sizeof answer);
    CHECK(has(answer, "HTTP/1.1 101 "), "%s", answer);
    CHECK(has(answer, "\r\nstrict-transport-security: max-age=31536000\r\n"), "%s", answer);
    caller_leave(&caller);
    town_end();
}

static const anqa_endpoint forced_and_empty = {.force_ssl = &(anqa_ssl_opts){0}};

TEST(that_there_is_nothing_is_said_with_hsts_too)
{
    const char *answer;

    town_begin(&forced_and_empty);
    answer = ask(0, "GET /a", "Host: a.org\r\n");
    CHECK(has(answer, "HTTP/1.1 404 "), "%s", answer);
    CHECK(has(answer, "\r\ncontent-type: text/plain; charset=utf-8\r\n"), "%s", answer);
    CHECK(has(answer, "\r\nstrict-transport-security: max-age=31536000\r\n"), "%s", answer);
    CHECK(has(answer, "\r\n\r\nthere is nothing here\n"), "%s", answer);
    town_end();
}

static const anqa_endpoint behind_a_proxy = {
    .force_ssl =
        &(anqa_ssl_opts){
            .forwarded = &(anqa_forwarded_opts){.from = (const char *const[]){"127.0.0.1", NULL}}},
    .plugs = (const anqa_plug[]){{serve, NULL}, {0}}};

TEST(a_proxy_that_ends_tls_is_believed_where_an_endpoint_wants_it)
{
    const char *answer;

    town_begin(&behind_a_proxy);
    answer = ask(town_plain_port(), "GET /a", "Host: a.org\r\nX-Forwarded-Proto: https\r\n");
    CHECK(has(answer, "\r\n\r\nhttps://a.org:443"), "%s", answer);
    CHECK(has(answer, "\r\nstrict-transport-security: max-age=31536000\r\n"), "%s", answer);
    answer = ask(town_plain_port(), "GET /a", "Host: a.org\r\nX-Forwarded-Proto: http\r\n");
    CHECK(has(answer, "\r\nlocation: https://a.org/a\r\n"), "%s", answer);
    town_end();
}

static const anqa_endpoint only = {
    .plugs = (const anqa_plug[]){{serve, NULL}, {0}}, .no_http = true};

TEST(an_endpoint_may_be_for_https_only)
{
    char address[ANQA_ADDRESS_TEXT];
    town_begin(&only);
    CHECK_STATUS(anqa_endpoint_address(town_endpoint(), address), ANQA_OK);
    CHECK_STR(address, "");
    CHECK(has(caller_fetch("/a"), "https://localhost:443"));
    town_end();
}

TEST(http_and_https_are_served_by_one_endpoint)
{
    town_begin(&site);
    CHECK(has(caller_fetch("/a"), "\r\n\r\nhttps://localhost:443"));
    CHECK(has(peer_ask(town_plain_port(),
                  "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        "\r\n\r\nhttp://localhost:80"));
    town_end();
}

/* ---------------------------------------------------------------- how it ends */

/* What becomes of a connection with this request, whose answer ends in `end`. */
static enum ending ending_of(const char *request, const char *end)
{
    struct caller caller;
    enum ending ending;
    char buf[8192];

    CHECK(caller_begin(&caller, NULL));
    caller_say(&caller, request);
    if (end != NULL) {
        (void)caller_get(&caller, end, buf, sizeof buf);
        CHECK(has(buf, end), "%s", buf);
    }
    ending = caller_ending(&caller);
    caller_end(&caller);
    return ending;
}

TEST(a_whole_answer_is_told_from_a_cut_one)
{
    town_begin(&site);
    CHECK_EQ(ending_of("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "https://a"),
        ENDED_WELL);
    /* ends with the connection */
    CHECK_EQ(ending_of("GET /stream HTTP/1.0\r\nHost: a\r\n\r\n", "789"), ENDED_WELL);
    CHECK_EQ(ending_of("GET /torn HTTP/1.0\r\nHost: a\r\n\r\n", "789"), ENDED_SHORT);
    CHECK_EQ(ending_of("GET /torn HTTP/1.1\r\nHost: a\r\n\r\n", "789"), ENDED_SHORT);
    CHECK_EQ(ending_of("GET /crash HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 500 "), ENDED_WELL);
    CHECK_EQ(ending_of("nonsense\r\n\r\n", "HTTP/1.1 400 "), ENDED_WELL);
    town_end();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(after_a_fault_what_was_answered_goes_out_and_an_error_and_a_good_bye)
{
    town_begin(&site);
    CHECK_EQ(ending_of("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /fault HTTP/1.1\r\nHost: a\r\n\r\n",
                 "HTTP/1.1 500 "),
        ENDED_WELL);
    CHECK(has(caller_fetch("/a"), "https://localhost:443"));
    town_end();
}
#endif

TEST(a_client_that_says_good_bye_hears_one)
{
    struct caller caller;
    char buf[1024];

    town_begin(&site);
    CHECK(caller_begin(&caller, NULL));
    caller_say(&caller, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_EQ(SSL_shutdown(caller.ssl), 0);
    (void)caller_get(&caller, "https://a", buf, sizeof buf);
    CHECK(has(buf, "https://a"), "the answer to what came before: %s", buf);
    CHECK_EQ(caller_ending(&caller), ENDED_WELL);
    caller_end(&caller);
    town_end();
}

static void cut_body(bool well)
{
    struct caller caller;

    atomic_store(&body_status, -1);
    CHECK(caller_begin(&caller, NULL));
    caller_say(&caller, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
    if (well)
        caller_leave(&caller);
    else
        caller_end(&caller);
    for (int i = 0; i < 10000 && atomic_load(&body_status) == -1; i++)
        usleep(5000);
    CHECK_EQ(atomic_load(&body_status), ANQA_E_CLOSED);
}

TEST(a_body_that_is_cut_is_no_body)
{
    town_begin(&site);
    cut_body(true);
    cut_body(false);
    town_end();
}

static enum ending ended;

/* Hears the end, and hangs up. */
static void *listen_to_the_end(void *caller)
{
    ended = caller_ending(caller);
    caller_leave(caller);
    return NULL;
}

TEST(draining_says_good_bye)
{
    struct caller caller;
    pthread_t thread;
    char buf[1024];

    town_begin(&site);
    CHECK(caller_begin(&caller, NULL));
    caller_say(&caller, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)caller_get(&caller, "https://a", buf, sizeof buf);
    CHECK_EQ(pthread_create(&thread, NULL, listen_to_the_end, &caller), 0);
    town_end();
    pthread_join(thread, NULL);
    CHECK_EQ(ended, ENDED_WELL);
}

/* Goes on with its handshake when nobody is accepted any more. */
static void *arrive_late(void *arg)
{
    struct caller *caller = arg;
    static char buf[1024];

    while (peer_can_dial(town_port()))
        usleep(5000);
    if (SSL_connect(caller->ssl) == 1) {
        caller_say(caller, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        (void)caller_get(caller, "https://a", buf, sizeof buf);
    }
    (void)caller_ending(caller);
    caller_leave(caller);
    return buf;
}

TEST(who_was_accepted_and_is_amid_a_handshake_is_served_while_it_drains)
{
    struct caller caller;
    pthread_t thread;
    void *buf;

    town_begin(&site);
    caller_dial(&caller, &(struct call){0});
    town_wait_connections(1);
    CHECK_EQ(pthread_create(&thread, NULL, arrive_late, &caller), 0);
    town_end();
    pthread_join(thread, &buf);
    CHECK(has(buf, "https://a:443") && has(buf, "connection: close"), "%s", (char *)buf);
}

TEST(a_drain_waits_for_a_handshake_no_longer_than_that_may_take)
{
    struct caller caller;

    town_begin_https(&site, &(anqa_https){.handshake_timeout_ms = 1000});
    caller_dial(&caller, &(struct call){0});
    town_wait_connections(1);
    town_end();
    CHECK(peer_at_end(caller.fd));
    caller_end(&caller);
}
