/* anqa/websocket.h: WebSockets that plugs make of their requests. */
#include "harness.h"

#include <anqa/anqa.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/site.h"

enum { TEXT = 1, BINARY = 2, CLOSE = 8 };

static _Atomic(int) cleaned, init_ran;
static anqa_pid connection;

struct talk {
    unsigned count;
};

static void clean(void *arg)
{
    atomic_fetch_add(&cleaned, 1);
}

static void talk_init(anqa_websocket *ws, const void *arg)
{
    anqa_defer(clean, NULL);
    connection = anqa_self();
    atomic_store(&init_ran, 1);
    anqa_websocket_push(ws, false, anqa_str_of(arg)); /* fails where there is no memory */
}

static void flood(anqa_websocket *ws)
{
    static const char block[100000];

    while (anqa_websocket_push(ws, true, anqa_str_make(block, sizeof block)) == ANQA_OK)
        ;
    atomic_fetch_add(&cleaned, 10);
}

static void talk_in(anqa_websocket *ws, bool binary, anqa_str data)
{
    struct talk *talk = ws->state;
    char text[64];

    if (anqa_str_is(data, "crash"))
        anqa_exit(anqa_error_reason("as told"));
    if (anqa_str_is(data, "bye")) {
        anqa_websocket_close(ws, 4001, anqa_str_of("bye"));
        return;
    }
    if (anqa_str_is(data, "flood")) {
        flood(ws);
        return;
    }
    if (anqa_str_is(data, "wait"))
        anqa_sleep(20);
    snprintf(text, sizeof text, "%u: %.*s", ++talk->count, ANQA_FMT(data));
    CHECK_STATUS(anqa_websocket_push(ws, binary, anqa_str_of(text)), ANQA_OK);
}

static void talk_info(anqa_websocket *ws, const anqa_msg *msg)
{
    CHECK_STATUS(anqa_websocket_push(ws, false, anqa_str_of(msg->tag)), ANQA_OK);
}

static const anqa_websocket_handler talk_handler = {
    .state_size = sizeof(struct talk),
    .init = talk_init,
    .handle_in = talk_in,
    .handle_info = talk_info,
};

static void plug(anqa_conn *conn, const void *opts)
{
    anqa_conn_upgrade_websocket(conn, &talk_handler, "welcome");
}

static const anqa_endpoint endpoint = {
    .plugs = (const anqa_plug[]){{.call = plug}, {0}}, .quiet = true};

static const char upgrade[] =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static int open_socket(void)
{
    char buf[512] = "";
    int fd = site_dial();

    peer_say(fd, upgrade);
    while (strstr(buf, "\r\n\r\n") == NULL) { /* no byte of the frame behind it */
        size_t len = strlen(buf);
        CHECK_EQ(read(fd, buf + len, 1), 1);
        buf[len + 1] = '\0';
    }
    CHECK(strncmp(buf, "HTTP/1.1 101 ", 13) == 0, "%s", buf);
    return fd;
}

static void say(int fd, const char *text)
{
    peer_put_frame(fd, TEXT, text, strlen(text));
}

static void expect(int fd, int opcode, const char *text)
{
    char got[256];
    size_t len = 0;

    CHECK_EQ(peer_get_frame(fd, got, sizeof got, &len), opcode);
    CHECK_STR(anqa_str_make(got, len), text);
}

TEST(messages_are_handled_in_order_also_by_a_handler_that_waits)
{
    int fd;

    site_begin_endpoint(&endpoint);
    fd = open_socket();
    expect(fd, TEXT, "welcome");
    say(fd, "wait");
    say(fd, "two");
    peer_put_frame(fd, BINARY, "", 0);
    expect(fd, TEXT, "1: wait");
    expect(fd, TEXT, "2: two");
    expect(fd, BINARY, "3: ");
    close(fd);
    site_end();
}

TEST(messages_of_other_processes_are_handled_between_those_of_the_client)
{
    int fd;

    site_begin_endpoint(&endpoint);
    fd = open_socket();
    expect(fd, TEXT, "welcome");
    CHECK_STATUS(anqa_send(connection, "news", anqa_nothing()), ANQA_OK);
    expect(fd, TEXT, "news");
    say(fd, "x");
    expect(fd, TEXT, "1: x");
    close(fd);
    site_end();
}

TEST(a_handler_may_close_with_a_code)
{
    int fd;

    site_begin_endpoint(&endpoint);
    fd = open_socket();
    expect(fd, TEXT, "welcome");
    say(fd, "bye");
    expect(fd, CLOSE,
        "\x0f\xa1"
        "bye");
    close(fd);
    site_end();
}

TEST(a_crash_closes_the_connection_and_runs_what_was_deferred)
{
    int fd;

    site_begin_endpoint(&endpoint);
    fd = open_socket();
    expect(fd, TEXT, "welcome");
    say(fd, "crash");
    CHECK(peer_at_end(fd));
    while (atomic_load(&cleaned) == 0)
        usleep(1000);
    CHECK_EQ(atomic_load(&cleaned), 1);
    close(fd);
    site_end();
}

TEST(a_push_waits_for_a_slow_reader_and_fails_when_it_is_gone)
{
    static char got[200000];
    size_t len = 0;
    int fd;

    site_begin_endpoint(&endpoint);
    fd = open_socket();
    expect(fd, TEXT, "welcome");
    say(fd, "flood");
    for (int i = 0; i < 200; i++) { /* more than all buffers hold */
        CHECK_EQ(peer_get_frame(fd, got, sizeof got, &len), BINARY);
        CHECK_EQ(len, 100000);
    }
    close(fd);
    while (atomic_load(&cleaned) < 11)
        usleep(1000);
    site_end();
}

static void *expect_the_end(void *fd)
{
    expect(*(int *)fd, CLOSE, "\x03\xf4");
    peer_put_frame(*(int *)fd, CLOSE, "\x03\xf4", 2);
    close(*(int *)fd);
    return NULL;
}

TEST(an_endpoint_that_stops_says_so)
{
    pthread_t client;
    int fd;

    site_begin_endpoint(&endpoint);
    fd = open_socket();
    expect(fd, TEXT, "welcome");
    CHECK_EQ(pthread_create(&client, NULL, expect_the_end, &fd), 0);
    site_end();
    CHECK_EQ(pthread_join(client, NULL), 0);
    CHECK_EQ(atomic_load(&cleaned), 1);
}

TEST(what_does_not_ask_for_a_websocket_as_it_must_is_told_what_is_wrong)
{
    const char *answer;

    site_begin_endpoint(&endpoint);
    answer = peer_ask(site_port(), "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(strncmp(answer, "HTTP/1.1 400 ", 13) == 0, "%s", answer);
    CHECK(strstr(answer, "'connection' header must contain 'upgrade'") != NULL);
    answer = site_ask(
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Content-Length: 4\r\n\r\nbody");
    CHECK(strncmp(answer, "HTTP/1.1 400 ", 13) == 0, "%s", answer);
    CHECK(strstr(answer, "must not have a body") != NULL);
    CHECK_EQ(atomic_load(&init_ran), 0);
    site_end();
}

TEST(without_memory_an_upgrade_fails_and_the_next_succeeds)
{
    char got[512];
    int fd;

    site_begin_endpoint(&endpoint);
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        fd = site_dial();
        peer_say(fd, upgrade);
        (void)peer_get(fd, "welcome", got, sizeof got); /* or the end */
        close(fd);
    }
    fd = open_socket();
    expect(fd, TEXT, "welcome");
    close(fd);
    site_end();
}
