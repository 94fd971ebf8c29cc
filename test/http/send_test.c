/* The response's side of anqa/conn.h: fields, files, chunks, redirects, and what becomes of crashes. */
#include "harness.h"

#include <anqa/anqa.h>

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/site.h"

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

    site_begin(field_games);
    answer = site_get("/");
    CHECK_EQ(status_of(answer), 418);
    CHECK(has(answer, "\r\nX-A: 2\r\n") && !has(answer, "x-a: 1") && !has(answer, "x-gone"));
    CHECK(has(answer, "\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"), "%s", answer);
    CHECK(has(answer, "\r\nx-last: \r\n"));
    CHECK(has(answer, "\r\ncache-control: max-age=0, private, must-revalidate\r\n"));
    CHECK(has(answer, "\r\ncontent-type: text/html; charset=utf-8\r\n"));
    CHECK(has(answer, "\r\ndate: ") && has(answer, "\r\ncontent-length: 3\r\n"));
    site_end();
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

    site_begin(with_callbacks);
    answer = site_get("/");
    CHECK_EQ(status_of(answer), 202);
    CHECK(has(answer, "x-order: second") && has(answer, "x-first: first"), "%s", answer);
    site_end();
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

    site_begin(hints);
    answer = site_get("/");
    CHECK(strncmp(answer,
              "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 ",
              66) == 0,
        "%s", answer);
    CHECK_EQ(status_of(site_ask("GET / HTTP/1.0\r\n\r\n")), 200);
    site_end();
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

    site_begin(redirect);
    for (size_t i = 0; i < ANQA_COUNT(redirects); i++) {
        snprintf(target, sizeof target, "/?%s", redirects[i].to);
        snprintf(location, sizeof location, "\r\nlocation: %s\r\n", redirects[i].to);
        answer = site_get(target);
        if (redirects[i].local)
            CHECK_EQ(status_of(answer), 302);
        else
            CHECK_EQ(status_of(answer), 500);
        CHECK_EQ(has(answer, location), redirects[i].local, "%s", redirects[i].to);
    }
    answer = site_get("/out");
    CHECK_EQ(status_of(answer), 302);
    CHECK(has(answer, "href=\"https://example.org/?a=1&amp;b=&quot;&lt;\""), "%s", answer);
    site_end();
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
    site_begin(misuse);
    for (char what = 'a'; what <= 'n'; what++) {
        char target[] = {'/', what, '\0'};
        const char *answer = site_get(target);
        CHECK_EQ(status_of(answer), 500);
        CHECK(has(answer, "\r\nconnection: close\r\n") && !has(answer, "x-b"), "%s", answer);
    }
    site_end();
}

static void answers_twice(anqa_conn *conn, const void *opts)
{
    anqa_send_text(conn, 200, anqa_str_of("once"));
    anqa_send_text(conn, 200, anqa_str_of("twice"));
}

TEST(a_second_answer_is_not_sent)
{
    site_begin(answers_twice);
    CHECK(ends_with(site_get("/"), "\r\n\r\nonce"));
    site_end();
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
    site_begin(send_file);
}

static void end_file(void)
{
    site_end();
    unlink(file_path);
}

TEST(a_file_is_sent_whole_or_in_part)
{
    const char *answer;
    char etag[64] = "", request[256];

    begin_file(10);
    answer = site_get("/");
    CHECK(ends_with(answer, "\r\n\r\n0123456789"), "%s", answer);
    CHECK(has(answer, "\r\ncontent-type: text/plain; charset=utf-8\r\n"));
    CHECK(has(answer, "\r\naccept-ranges: bytes\r\n") && has(answer, "\r\nlast-modified: "));
    CHECK_EQ(sscanf(strstr(answer, "etag: "), "etag: %63s", etag), 1);
    CHECK_STR(body_of(site_get("/?2,3")), "234");
    CHECK_STR(body_of(site_get("/?7,0")), "789");
    CHECK_STR(body_of(site_get("/?8,3")), "E_RANGE");
    CHECK_STR(body_of(site_get("/?11,0")), "E_RANGE");
    CHECK_STR(body_of(site_get("/none")), "E_NOT_FOUND");
    answer = site_post("Range: bytes=0-1\r\n\r\n");
    CHECK_EQ(status_of(answer), 200); /* ranges are for GET */
    snprintf(request, sizeof request,
        "GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=3-4\r\nIf-Range: %s\r\nConnection: "
        "close\r\n\r\n",
        etag);
    answer = site_ask(request);
    CHECK_EQ(status_of(answer), 206);
    CHECK(has(answer, "\r\ncontent-range: bytes 3-4/10\r\n") && ends_with(answer, "\r\n\r\n34"));
    snprintf(request, sizeof request,
        "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: %s\r\nConnection: close\r\n\r\n", etag);
    answer = site_ask(request);
    CHECK_EQ(status_of(answer), 304);
    CHECK(!has(answer, "content-length") && ends_with(answer, "\r\n\r\n"), "%s", answer);
    end_file();
}

/* ---------------------------------------------------------------- files that do not go out at once */

static const size_t file_sizes[] = {1, 4000, 65535, 65536, 65537, 300000};
#define FILES 6
#define ROUNDS 4

static char file_byte(size_t at)
{
    return (char)('!' + (at / 7 + at) % 90);
}

/* "/": a text; "/3": so many bytes of the file. */
static void send_text_or_file(anqa_conn *conn, const void *opts)
{
    size_t which = (size_t)(conn->request_path.ptr[1] - '0');

    if (conn->request_path.len == 1)
        anqa_send_text(conn, 200, anqa_str_of("text"));
    else
        CHECK_STATUS(anqa_send_file(conn, 200, file_path, 0, file_sizes[which]), ANQA_OK);
}

static size_t say_requests(int fd)
{
    char text[64];

    for (size_t i = 0; i < (size_t)FILES * ROUNDS; i++) {
        snprintf(text, sizeof text,
            "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /%zu HTTP/1.1\r\nHost: a\r\n\r\n", i % FILES);
        peer_say(fd, text);
    }
    return (size_t)FILES * ROUNDS * 2;
}

/* Reads the next answer; its body in a static buffer. */
static const char *next_answer(int fd, size_t *ret_len)
{
    static char buf[400000];
    const char *field;
    size_t len = 0;

    while (len < 4 || memcmp(buf + len - 4, "\r\n\r\n", 4) != 0)
        CHECK_EQ(recv(fd, buf + len++, 1, 0), 1);
    buf[len] = '\0';
    field = strstr(buf, "\r\ncontent-length: ");
    CHECK(field != NULL && sscanf(field, " content-length: %zu", ret_len) == 1, "%s", buf);
    CHECK(*ret_len <= sizeof buf);
    for (len = 0; len < *ret_len;) {
        size_t left = *ret_len - len;
        ssize_t n = recv(fd, buf + len, left < 1500 ? left : 1500, 0);
        CHECK(n > 0);
        len += (size_t)n;
    }
    return buf;
}

TEST(a_file_of_any_size_goes_out_whole_behind_answers_that_wait)
{
    static char bytes[300000];
    int fd, out, small = 30000;
    size_t answers, len;

    begin_file(1);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = file_byte(i);
    out = open(file_path, O_WRONLY | O_CLOEXEC);
    CHECK_EQ(write(out, bytes, sizeof bytes), (ssize_t)sizeof bytes);
    close(out);
    site_end();
    site_begin(send_text_or_file);
    fd = site_dial();
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    answers = say_requests(fd);
    for (size_t i = 0; i < answers; i++) {
        const char *body = next_answer(fd, &len);
        if (i % 2 == 0)
            CHECK(len == 4 && memcmp(body, "text", 4) == 0, "answer %zu", i);
        else
            CHECK(
                len == file_sizes[i / 2 % FILES] && memcmp(body, bytes, len) == 0, "answer %zu", i);
    }
    close(fd);
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

    site_begin(count_down);
    answer = site_get("/");
    CHECK(has(answer, "\r\ntransfer-encoding: chunked\r\n") && !has(answer, "content-length"));
    CHECK_STR(body_of(answer), "13\r\n3 and a long line, \r\n13\r\n2 and a long line, \r\n"
                               "13\r\n1 and a long line, \r\n0\r\n\r\n");
    answer = site_ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(has(answer, "\r\nconnection: close\r\n") && !has(answer, "transfer-encoding"));
    CHECK_STR(body_of(answer), "3 and a long line, 2 and a long line, 1 and a long line, ");
    answer = site_ask("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK_STR(body_of(answer), "");
    site_end();
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

    site_begin(chunks_for_ever);
    fd = site_dial();
    peer_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    before = stands_still();
    for (int i = 0; atomic_load(&chunks_sent) < before + 100; i++)
        (void)peer_get(fd, NULL, buf, sizeof buf);
    CHECK_EQ(atomic_load(&chunk_failed), 0);
    close(fd);
    while (atomic_load(&chunk_failed) == 0)
        usleep(1000);
    site_end();
}

TEST(the_kernel_keeps_little_for_a_client_that_does_not_read)
{
    int fd, small = 16384;

    site_begin(chunks_for_ever);
    fd = site_dial();
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    peer_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(stands_still() < 60, "%d blocks of 10,000 bytes", stands_still());
    close(fd);
    while (atomic_load(&chunk_failed) == 0)
        usleep(1000);
    site_end();
}

#define LONG ((size_t)10 << 20)

static void send_long(anqa_conn *conn, const void *opts)
{
    char *body = anqa_heap_calloc(1, LONG);

    CHECK_STATUS(anqa_send_resp(conn, 200, anqa_str_make(body, LONG)), ANQA_OK);
    anqa_heap_free(body);
}

TEST(a_long_answer_goes_out_however_slowly_it_is_read)
{
    static char buf[1 << 16];
    size_t total = 0;
    ssize_t n;
    int fd;

    site_begin(send_long);
    fd = site_dial();
    peer_say(fd, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    while ((n = recv(fd, buf, sizeof buf, 0)) > 0) {
        total += (size_t)n;
        if (total < LONG / 4)
            usleep(1000);
    }
    CHECK(total > LONG && total < LONG + 1000, "%zu", total);
    close(fd);
    site_end();
}

static _Atomic(int) begun;

static void answer_late(anqa_conn *conn, const void *opts)
{
    atomic_store(&begun, 1);
    anqa_sleep(200);
    anqa_send_text(conn, 200, anqa_str_of("late"));
}

static char late_answer[1024];

/* As a client does: at the end of the stream it closes too. */
static void *read_late_answer(void *fd)
{
    (void)peer_get(*(int *)fd, NULL, late_answer, sizeof late_answer);
    close(*(int *)fd);
    return NULL;
}

TEST(an_endpoint_that_stops_lets_a_request_under_way_be_answered)
{
    pthread_t client;
    int fd;

    site_begin(answer_late);
    fd = site_dial();
    peer_say(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while (atomic_load(&begun) == 0)
        usleep(1000);
    CHECK_EQ(pthread_create(&client, NULL, read_late_answer, &fd), 0);
    site_end();
    CHECK_EQ(pthread_join(client, NULL), 0);
    CHECK_EQ(status_of(late_answer), 200);
    CHECK_STR(body_of(late_answer), "late");
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
    site_begin(crash);
    for (size_t i = 0; i < ANQA_COUNT(crashes); i++) {
        char request[256];
        const char *answer;
        snprintf(request, sizeof request,
            "GET /fine HTTP/1.1\r\nHost: a\r\n\r\nPOST %s HTTP/1.1\r\nHost: a\r\nContent-Length: "
            "4\r\n\r\nbodyGET /fine HTTP/1.1\r\nHost: a\r\n\r\n",
            crashes[i]);
        answer = site_ask(request);
        CHECK_EQ(status_of(answer), 200);
        CHECK(has(answer, "fineHTTP/1.1 500 Internal Server Error\r\n"), "%s: %s", crashes[i],
            answer);
        CHECK(has(answer, "connection: close\r\n"), "%s: %s", crashes[i], answer);
        CHECK_EQ(count(answer, "HTTP/1.1 "), 2, "%s: %s", crashes[i], answer);
        CHECK_EQ(status_of(site_get("/fine")), 200);
    }
    site_end();
}

static _Atomic(int) crash_lines, other_lines;

static void count_lines(void *ctx, const anqa_log_event *event)
{
    if (strcmp(event->id, "process.crashed") != 0)
        atomic_fetch_add(&other_lines, 1);
    else if (strstr(event->fields.ptr, "enough") != NULL) /* the reason is said */
        atomic_fetch_add(&crash_lines, 1);
}

TEST(a_crash_is_logged_once)
{
    site_begin(crash);
    anqa_log_set_sink(count_lines, NULL);
    anqa_log_set_level(ANQA_WARN);
    CHECK_EQ(status_of(site_get("/exit")), 500);
    site_end();
    anqa_log_set_sink(NULL, NULL);
    CHECK_EQ(atomic_load(&crash_lines), 1);
    CHECK_EQ(atomic_load(&other_lines), 0);
}

TEST(a_crash_amid_the_response_cuts_it_off)
{
    const char *answer;

    site_begin(crash);
    answer = site_get("/chunked");
    CHECK(!has(answer, "500") && !ends_with(answer, "0\r\n\r\n"), "%s", answer);
    site_end();
}
