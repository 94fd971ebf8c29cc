/* How an endpoint that stops takes leave of its clients. */
#include "channel/asker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT .timeout_ms = 60000

static anqa_endpoint endpoint;

static void begin_as(const anqa_endpoint *spec, anqa_endpoint_drain drain)
{
    endpoint = *spec;
    endpoint.drain = drain;
    server_begin(&endpoint);
}

static void begin(anqa_endpoint_drain drain)
{
    begin_as(&rooms_endpoint, drain);
}

static void stop_and_tell(void *arg)
{
    (void)anqa_gen_server_stop(server_endpoint(), ANQA_SHUTDOWN, ANQA_INFINITY);
    server_tell("stopped", "");
}

/* Has the endpoint stop; the test is told "stopped". */
static void begin_stop(void)
{
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = stop_and_tell}, NULL, NULL), ANQA_OK);
}

/* Waits until it has stopped. */
static void end(void)
{
    CHECK_STR(server_told("stopped"), "");
    server_end();
}

static void await_refusal(void)
{
    int fd;

    while ((fd = client_dial()) >= 0) {
        close(fd);
        usleep(1000);
    }
}

static void put(int fd, const char *text)
{
    CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The head of the next answer, and what comes with it. */
static const char *get(int fd)
{
    static char text[4096];
    size_t len = 0;

    do {
        ssize_t n = recv(fd, text + len, sizeof text - 1 - len, 0);
        CHECK(n > 0, "no whole answer");
        len += (size_t)n;
        text[len] = '\0';
    } while (strstr(text, "\r\n\r\n") == NULL);
    return text;
}

static void check_ended(int fd)
{
    char byte;

    CHECK_EQ(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

/* ---------------------------------------------------------------- requests */

/* It is answered, with 403, and its connection kept. */
static const char refused[] = "GET /socket/websocket?vsn=9 HTTP/1.1\r\nHost: a\r\n\r\n";

/* A connection that has had an answer when the endpoint begins to stop. */
static int kept_connection(void)
{
    int fd;

    begin((anqa_endpoint_drain){0});
    fd = client_dial();
    put(fd, refused);
    (void)get(fd);
    begin_stop();
    return fd;
}

TEST(a_request_that_is_being_served_is_answered_and_its_connection_closed_behind_it, LIMIT)
{
    const char *answer;
    anqa_pid serving;
    int fd;

    begin((anqa_endpoint_drain){0});
    fd = client_dial();
    put(fd, "GET /socket/websocket?vsn=2.0.0&name=mallory&wait=go HTTP/1.1\r\nHost: a\r\n\r\n");
    memcpy(&serving, server_told("pid"), sizeof serving);
    begin_stop();
    await_refusal();
    CHECK_STATUS(anqa_send(serving, "go", anqa_nothing()), ANQA_OK);
    answer = get(fd);
    CHECK(strncmp(answer, "HTTP/1.1 403 ", 13) == 0, "%s", answer);
    CHECK(strstr(answer, "connection: close\r\n") != NULL, "%s", answer);
    check_ended(fd);
    end();
}

TEST(requests_that_follow_each_other_are_answered_until_an_answer_says_close, LIMIT)
{
    const char *answer;
    int fd = kept_connection();

    do {
        put(fd, refused);
        answer = get(fd);
        CHECK(strncmp(answer, "HTTP/1.1 403 ", 13) == 0, "%s", answer);
    } while (strstr(answer, "connection: close\r\n") == NULL);
    check_ended(fd);
    end();
}

TEST(a_connection_without_a_request_is_closed, LIMIT)
{
    check_ended(kept_connection());
    end();
}

/* ---------------------------------------------------------------- WebSockets */

#define CLIENTS 6

/* Reads the end of each, as they come; ms: when, from begin_ms on. */
static void read_ends(struct client *clients, uint64_t begin_ms, uint64_t *ms)
{
    struct pollfd fds[CLIENTS];

    for (int i = 0; i < CLIENTS; i++)
        fds[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
    for (int ended = 0; ended < CLIENTS;) {
        CHECK(poll(fds, CLIENTS, 30000) > 0);
        for (int i = 0; i < CLIENTS; i++) {
            if (fds[i].fd < 0 || fds[i].revents == 0)
                continue;
            client_expect_close(clients[i], 1012);
            client_close(clients[i]);
            fds[i].fd = -1;
            ms[ended++] = anqa_now_ms() - begin_ms;
        }
    }
}

TEST(websockets_are_told_to_come_back_batch_by_batch, LIMIT)
{
    struct client clients[CLIENTS];
    uint64_t begin_ms, ms[CLIENTS];

    begin((anqa_endpoint_drain){.batch_size = 2, .batch_interval_ms = 300});
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = client_open();
    begin_ms = anqa_now_ms();
    begin_stop();
    read_ends(clients, begin_ms, ms);
    CHECK(ms[2] >= 280 && ms[4] >= 580, "the third after %u ms, the fifth after %u ms",
        (unsigned)ms[2], (unsigned)ms[4]);
    end();
}

TEST(channels_of_a_client_that_is_told_to_come_back_end_with_shutdown_draining, LIMIT)
{
    struct client client;

    begin((anqa_endpoint_drain){0});
    client = client_open();
    client_join(client, "1", "room:a");
    begin_stop();
    CHECK_STR(server_told("terminated"), "shutdown: draining");
    client_expect_close(client, 1012);
    client_close(client);
    end();
}

TEST(
    a_client_that_does_not_answer_the_close_frame_holds_the_stop_no_longer_than_the_deadline, LIMIT)
{
    uint64_t begin_ms;
    struct client client;

    begin((anqa_endpoint_drain){.shutdown_ms = 200});
    client = client_open();
    begin_ms = anqa_now_ms();
    begin_stop();
    CHECK_STR(server_told("stopped"), "");
    CHECK(anqa_now_ms() - begin_ms < 4000, "it is no more waited for than that");
    client_close(client);
    server_end();
}

TEST(who_is_not_yet_told_at_the_deadline_is_reset, LIMIT)
{
    struct client clients[2];
    struct pollfd fds[2];
    int told;
    char byte;

    begin((anqa_endpoint_drain){.batch_size = 1, .batch_interval_ms = 60000, .shutdown_ms = 200});
    for (int i = 0; i < 2; i++) {
        clients[i] = client_open();
        fds[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
    }
    begin_stop();
    CHECK(poll(fds, 2, 30000) > 0);
    told = fds[0].revents != 0 ? 0 : 1;
    client_expect_close(clients[told], 1012);
    CHECK_STR(server_told("stopped"), "");
    CHECK_EQ(recv(clients[1 - told].fd, &byte, 1, 0), -1);
    CHECK_EQ(errno, ECONNRESET);
    client_close(clients[0]);
    client_close(clients[1]);
    server_end();
}

/* ---------------------------------------------------------------- clients that poll */

TEST(sessions_are_told_to_come_back_batch_by_batch, LIMIT)
{
    struct asker askers[CLIENTS];
    uint64_t begin_ms, ms[CLIENTS];
    char name[20];

    begin_as(&polled_endpoint, (anqa_endpoint_drain){.batch_size = 2, .batch_interval_ms = 300});
    for (int i = 0; i < CLIENTS; i++) {
        snprintf(name, sizeof name, "room:%d", i);
        askers[i] = asker_open("/slow", "vsn=2.0.0");
        asker_join(&askers[i], "1", name);
    }
    begin_ms = anqa_now_ms();
    begin_stop();
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_STR(server_told("terminated"), "shutdown: draining");
        ms[i] = anqa_now_ms() - begin_ms;
    }
    CHECK(ms[2] >= 280 && ms[4] >= 580, "the third after %u ms, the fifth after %u ms",
        (unsigned)ms[2], (unsigned)ms[4]);
    end();
}

TEST(sessions_that_are_not_yet_told_at_the_deadline_end, LIMIT)
{
    struct asker asker;

    begin_as(&polled_endpoint,
        (anqa_endpoint_drain){.batch_size = 1, .batch_interval_ms = 60000, .shutdown_ms = 200});
    for (int i = 0; i < 2; i++) {
        asker = asker_open("/slow", "vsn=2.0.0");
        asker_join(&asker, "1", "room:a");
    }
    begin_stop();
    for (int i = 0; i < 2; i++)
        CHECK_STR(server_told("terminated"), "shutdown: draining");
    end();
}

/* ---------------------------------------------------------------- what channels still do */

/* A server beside the endpoint, which is stopped after it. */
static anqa_pid store;

static anqa_next store_save(void *state, anqa_msg *msg)
{
    return anqa_reply(ANQA_JSON_TRUE);
}

static const anqa_gen_server store_server = {
    .handle_call = (const anqa_handler[]){{"save", store_save}, {0}}};

static void save(void)
{
    anqa_json answer;

    anqa_sleep(300);
    server_tell("saved",
        anqa_status_text(anqa_try_call(store, "save", ANQA_JSON_NULL, 5000, &answer, NULL)));
}

static anqa_next save_in(anqa_socket *socket, anqa_json payload)
{
    server_tell("saving", "");
    save();
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static void save_at_end(anqa_socket *socket, anqa_reason reason)
{
    save();
}

static const anqa_channel saver_at_end = {.topic = "end:*", .terminate = save_at_end},
                          saver = {.topic = "in:*",
                              .handle_in = (const anqa_event[]){{"save", save_in}, {0}}};
static const anqa_user_socket savers = {
    .channels = (const anqa_channel *const[]){&saver_at_end, &saver, NULL}};

static void begin_savers(void)
{
    static const anqa_socket_mount mounts[] = {
        {.path = "/socket", .user_socket = &savers, .longpoll = {.on = true}}, {0}};
    anqa_endpoint spec = polled_endpoint;

    spec.sockets = mounts;
    begin_as(&spec, (anqa_endpoint_drain){0});
    CHECK_STATUS(anqa_gen_server_start(&store_server, NULL, NULL, &store, NULL), ANQA_OK);
}

static void stop_both(void *arg)
{
    (void)anqa_gen_server_stop(server_endpoint(), ANQA_SHUTDOWN, ANQA_INFINITY);
    (void)anqa_gen_server_stop(store, ANQA_SHUTDOWN, ANQA_INFINITY);
    server_tell("stopped", "");
}

/* As their supervisor would: first the one that was started last. */
static void begin_stop_both(void)
{
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = stop_both}, NULL, NULL), ANQA_OK);
}

static void check_saved(void)
{
    CHECK_STR(server_told("saved"), "ok");
    end();
}

TEST(a_channel_that_saves_in_terminate_finds_who_was_started_before_the_endpoint, LIMIT)
{
    struct client client;

    begin_savers();
    client = client_open();
    client_join(client, "1", "end:a");
    begin_stop_both();
    client_expect_close(client, 1012);
    client_close(client);
    check_saved();
}

TEST(so_does_one_that_is_in_the_middle_of_a_message, LIMIT)
{
    struct client client;

    begin_savers();
    client = client_open();
    client_join(client, "1", "in:a");
    client_send(client, "[\"1\",\"2\",\"in:a\",\"save\",{}]");
    CHECK_STR(server_told("saving"), "");
    begin_stop_both();
    client_expect_close(client, 1012);
    client_close(client);
    check_saved();
}

TEST(so_does_one_whose_client_polls_and_is_between_two_requests, LIMIT)
{
    struct asker asker;

    begin_savers();
    asker = asker_open("/socket", "vsn=2.0.0");
    asker_join(&asker, "1", "end:a");
    begin_stop_both();
    check_saved();
}

TEST(so_does_one_whose_client_had_gone_before, LIMIT)
{
    struct client client;

    begin_savers();
    client = client_open();
    client_join(client, "1", "in:a");
    client_send(client, "[\"1\",\"2\",\"in:a\",\"save\",{}]");
    CHECK_STR(server_told("saving"), "");
    client_close(client);
    begin_stop_both();
    check_saved();
}

TEST(a_channel_that_does_not_end_holds_the_stop_no_longer_than_the_deadline, LIMIT)
{
    struct client client;
    uint64_t begin_ms;

    begin((anqa_endpoint_drain){.shutdown_ms = 200});
    client = client_open();
    client_join(client, "1", "room:a");
    (void)rooms_channel_that_waits(client);
    client_close(client);
    begin_ms = anqa_now_ms();
    begin_stop();
    CHECK_STR(server_told("stopped"), "");
    CHECK(anqa_now_ms() - begin_ms >= 200, "it is waited for");
    server_end();
}
