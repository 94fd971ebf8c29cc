/* Sockets without channels, by WebSocket and by long-poll. */
#include "channel/asker.h"

#include <stdio.h>
#include <string.h>

struct talk {
    int64_t count;
    char name[16];
};

static anqa_status talk_connect(anqa_raw *raw, anqa_json params, const anqa_connect_info *info)
{
    struct talk *talk = raw->state;
    anqa_str name = anqa_json_str(params, "name");

    ANQA_REQUIRE(!anqa_str_is(name, "crash"));
    snprintf(talk->name, sizeof talk->name, "%.*s", ANQA_FMT(name));
    return anqa_str_is(name, "mallory") ? ANQA_E_PERMISSION : ANQA_OK;
}

static void talk_init(anqa_raw *raw)
{
    const struct talk *talk = raw->state;
    anqa_pid self = anqa_self();

    if (strcmp(talk->name, "early") == 0)
        (void)anqa_raw_push(raw, false, anqa_str_of("welcome"));
    (void)anqa_send(server_test(), "pid", anqa_bytes(&self, sizeof self));
}

static void talk_in(anqa_raw *raw, bool binary, anqa_str data)
{
    struct talk *talk = raw->state;

    talk->count++;
    if (anqa_str_is(data, "close")) {
        CHECK_STATUS(anqa_raw_push(raw, false, anqa_str_of("bye")), ANQA_OK);
        anqa_raw_close(raw, 4001);
        CHECK_STATUS(anqa_raw_push(raw, false, anqa_str_of("late")), ANQA_E_CLOSED);
        return;
    }
    ANQA_REQUIRE(!anqa_str_is(data, "crash"));
    if (anqa_str_is(data, "wait"))
        anqa_sleep(30);
    if (anqa_str_is(data, "mail"))
        (void)anqa_raw_push(
            raw, false, anqa_str_of(anqa_tmp_printf("%zu wait", anqa_mailbox_length())));
    else if (anqa_str_is(data, "bytes"))
        (void)anqa_raw_push(raw, false,
            anqa_str_of(anqa_status_name(anqa_raw_push(raw, true, anqa_str_of("\1\2")))));
    else if (anqa_str_is(data, "bad"))
        (void)anqa_raw_push(raw, false,
            anqa_str_of(anqa_status_name(anqa_raw_push(raw, false, anqa_str_of("\xff")))));
    else
        (void)anqa_raw_push(raw, false,
            anqa_str_of(anqa_tmp_printf("%s %d %s: %.*s", talk->name, (int)talk->count,
                binary ? "bytes" : "text", ANQA_FMT(data))));
}

static void talk_info(anqa_raw *raw, const anqa_msg *msg)
{
    (void)anqa_raw_push(raw, false, anqa_str_of(anqa_tmp_printf("info %s", msg->tag)));
}

static void talk_terminate(anqa_raw *raw, const char *why)
{
    server_tell("ended", why);
}

static const anqa_raw_socket talk = {.state_size = sizeof(struct talk),
    .connect = talk_connect,
    .init = talk_init,
    .handle_in = talk_in,
    .handle_info = talk_info,
    .terminate = talk_terminate};

static const anqa_raw_socket nothing = {0};

static const anqa_endpoint endpoint = {
    .sockets =
        (const anqa_socket_mount[]){{.path = "/talk", .raw = &talk, .longpoll = {.on = true}},
            {.path = "/quick", .raw = &talk, .longpoll = {.on = true, .window_ms = 100}},
            {.path = "/nothing", .raw = &nothing, .longpoll = {.on = true}}, {0}},
    .secret_key_base = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    .quiet = true,
};

static anqa_pid told_pid(void)
{
    anqa_pid pid;

    memcpy(&pid, server_told("pid"), sizeof pid);
    return pid;
}

TEST(messages_are_handled_one_at_a_time_and_in_order)
{
    struct client client;

    server_begin(&endpoint);
    client = client_open_at("/talk/websocket?name=early");
    (void)told_pid();
    client_send_all(client, (const char *const[]){"wait", "b", "bytes", "bad"}, 4);
    client_send_bytes(client, "\1", 1);
    client_expect(client, "welcome");
    client_expect(client, "early 1 text: wait");
    client_expect(client, "early 2 text: b");
    client_expect_bytes(client, "\1\2", 2);
    client_expect(client, "OK");
    client_expect(client, "E_INVALID");
    client_expect(client, "early 5 bytes: \1");
    client_close(client);
    CHECK_STR(server_told("ended"), "closed");
    server_end();
}

TEST(a_message_is_not_read_before_the_one_before_it_was_handled)
{
    struct client client;

    server_begin(&endpoint);
    client = client_open_at("/talk/websocket?name=ann");
    client_send_all(client, (const char *const[]){"mail", "mail", "mail", "mail"}, 4);
    for (int i = 0; i < 4; i++)
        client_expect(client, "0 wait");
    client_close(client);
    server_end();
}

TEST(messages_of_other_processes_are_handled)
{
    struct client client;

    server_begin(&endpoint);
    client = client_open_at("/talk/websocket?name=ann");
    CHECK_STATUS(anqa_send(told_pid(), "hello", anqa_nothing()), ANQA_OK);
    client_expect(client, "info hello");
    client_close(client);
    server_end();
}

TEST(a_raw_socket_that_closes_says_what_it_said_before)
{
    struct client client;

    server_begin(&endpoint);
    client = client_open_at("/talk/websocket?name=ann");
    client_send(client, "close");
    client_expect(client, "bye");
    client_expect_close(client, 4001);
    client_close(client);
    CHECK_STR(server_told("ended"), "closed");
    server_end();
}

TEST(a_handler_that_crashes_ends_its_connection_only)
{
    struct client client, other;

    server_begin(&endpoint);
    client = client_open_at("/talk/websocket?name=ann");
    other = client_open_at("/talk/websocket?name=ben");
    client_send(client, "crash");
    CHECK(client_receive(client) == NULL);
    CHECK_STR(server_told("ended"), "crashed");
    client_send(other, "a");
    client_expect(other, "ben 1 text: a");
    client_close(client);
    client_close(other);
    server_end();
}

TEST(connect_of_a_raw_socket_refuses_and_crashes_as_others)
{
    server_begin(&endpoint);
    CHECK_EQ(client_request("/talk/websocket?name=mallory", "", NULL), 403);
    CHECK_EQ(client_request("/talk/websocket?name=crash", "", NULL), 500);
    CHECK_EQ(client_request("/talk/websocket", "Origin: http://other.org\r\n", NULL), 403);
    CHECK_EQ(client_request("/nothing/websocket", "", NULL), 101);
    server_end();
}

TEST(an_endpoint_that_stops_closes_raw_sockets_with_1012)
{
    struct client client;

    server_begin(&endpoint);
    client = client_open_at("/talk/websocket?name=ann");
    (void)told_pid();
    anqa_exit_signal(server_endpoint(), ANQA_SHUTDOWN);
    client_expect_close(client, 1012);
    client_close(client);
    CHECK_STR(server_told("ended"), "draining");
    server_end();
}

/* ---------------------------------------------------------------- long-poll */

TEST(a_raw_socket_is_carried_by_long_poll_too)
{
    struct asker asker;
    anqa_pid pid;

    server_begin(&endpoint);
    asker = asker_open("/talk", "name=early");
    asker_expect_one(&asker, "welcome");
    pid = told_pid();
    CHECK_EQ(asker_post(&asker, "hello"), 200);
    asker_expect_one(&asker, "early 1 text: hello");
    CHECK_EQ(asker_post_lines(&asker, "AQ==\n[1]"), 200);
    asker_expect(&asker, (const char *const[]){"early 2 bytes: \1", "early 3 text: [1]"}, 2);
    CHECK_EQ(asker_post(&asker, "bytes"), 200);
    asker_expect_one(&asker, "E_UNSUPPORTED");
    CHECK_STATUS(anqa_send(pid, "hello", anqa_nothing()), ANQA_OK);
    asker_expect_one(&asker, "info hello");
    CHECK_EQ(asker_post(&asker, "close"), 200);
    asker_expect_one(&asker, "bye");
    CHECK_STR(server_told("ended"), "closed");
    CHECK_EQ(asker_got(&asker, asker_ask(&asker), NULL), 410);
    server_end();
}

TEST(a_raw_socket_whose_client_does_not_poll_ends_as_inactive)
{
    server_begin(&endpoint);
    (void)asker_open("/quick", "name=ann");
    CHECK_STR(server_told("ended"), "inactive");
    server_end();
}

TEST(a_crash_in_a_session_ends_it)
{
    struct asker asker;

    server_begin(&endpoint);
    asker = asker_open("/talk", "name=ann");
    (void)told_pid();
    CHECK_EQ(asker_post(&asker, "crash"), 200); /* it was taken, before it was handled */
    CHECK_STR(server_told("ended"), "crashed");
    CHECK_EQ(asker_post(&asker, "a"), 410);
    server_end();
}
