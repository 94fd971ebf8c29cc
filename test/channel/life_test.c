/* Life of channels, one test for each rule of the protocol: joins, leaves, ends. */
#include "channel/rooms.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define JOINED "[\"1\",\"1\",\"room:a\"," OK("{}")
#define CLOSED "[\"1\",\"1\",\"room:a\",\"phx_close\",{}]"

static bool is_joining(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, "joining");
}

static anqa_json big_object(void)
{
    static char text[60 << 10];

    memset(text, 'x', sizeof text);
    memcpy(text, "{\"x\":\"", 6);
    memcpy(text + sizeof text - 2, "\"}", 2);
    return (anqa_json){text, sizeof text};
}

/* ---------------------------------------------------------------- joining */

TEST(a_join_is_answered_with_what_join_has_returned)
{
    struct client client = rooms_begin();

    client_send(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"reply\":{\"x\":[1]}}]");
    client_expect(client, "[\"1\",\"1\",\"room:a\"," OK("{\"x\":[1]}"));
    rooms_end(client);
}

TEST(a_join_without_answer_gives_an_empty_object)
{
    struct client client = rooms_begin_joined();

    client_send(client, "[\"2\",\"2\",\"exact\",\"phx_join\",7]");
    client_expect(client, "[\"2\",\"2\",\"exact\"," OK("{}"));
    rooms_end(client);
}

TEST(a_refused_join_is_an_error_and_ends_the_channel_quietly)
{
    struct client client = rooms_begin();

    client_send(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"refuse\":true}]");
    client_expect(client, "[\"1\",\"1\",\"room:a\"," ERROR("{\"reason\":\"not you\"}"));
    CHECK_STR(server_told("terminated"), "shutdown");
    client_expect_nothing(client);
    client_send(client, "[\"2\",\"2\",\"room:a\",\"phx_join\",{\"refuse_with\":{\"code\":7}}]");
    client_expect(client, "[\"2\",\"2\",\"room:a\"," ERROR("{\"code\":7}"));
    client_send(client, "[\"2\",\"3\",\"room:a\",\"echo\",{}]");
    client_expect(client, "[null,\"3\",\"room:a\"," UNMATCHED);
    rooms_end(client);
}

static const char *const crashing[] = {"crash", "garbage", "early", "no_object"};

TEST(a_join_that_crashes_is_an_error_join_crashed)
{
    struct client client = rooms_begin();

    for (size_t i = 0; i < ANQA_COUNT(crashing); i++) {
        client_send(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"%s\":true}]", crashing[i]);
        client_expect(client, "[\"1\",\"1\",\"room:a\"," ERROR("{\"reason\":\"join crashed\"}"));
        client_expect_nothing(client);
    }
    client_join(client, "2", "room:a");
    rooms_end(client);
}

TEST(a_topic_that_matches_no_channel_is_unmatched)
{
    static const char *const topics[] = {"\"rooms:a\"", "\"exactly\"", "\"\"", "7", "null"};
    struct client client = rooms_begin();

    for (size_t i = 0; i < ANQA_COUNT(topics); i++) {
        client_send(client, "[\"1\",\"1\",%s,\"phx_join\",{}]", topics[i]);
        client_expect(client, "[null,\"1\",%s," UNMATCHED, topics[i]);
    }
    rooms_end(client);
}

TEST(more_channels_than_allowed_are_refused)
{
    struct client client = rooms_begin();

    client_join(client, "1", "room:a");
    client_join(client, "2", "room:b");
    client_join(client, "3", "room:c");
    client_send(client, "[\"4\",\"4\",\"room:d\",\"phx_join\",{}]");
    client_expect(
        client, "[\"4\",\"4\",\"room:d\"," ERROR("{\"reason\":\"too many channels joined\"}"));
    client_send(client, "[\"3\",\"5\",\"room:c\",\"phx_leave\",{}]");
    client_expect(client, "[\"3\",\"5\",\"room:c\"," OK("{}"));
    client_expect(client, "[\"3\",\"3\",\"room:c\",\"phx_close\",{}]");
    client_join(client, "6", "room:d");
    rooms_end(client);
}

TEST(while_a_join_runs_nothing_else_is_handled)
{
    static const char *const frames[] = {"[\"1\",\"1\",\"room:a\",\"phx_join\",{\"wait_ms\":50}]",
        "[null,\"2\",\"phoenix\",\"heartbeat\",{}]"};
    struct client client = rooms_begin();

    client_send_all(client, frames, 2);
    client_expect(client, JOINED);
    client_expect(client, "[null,\"2\",\"phoenix\"," OK("{}"));
    rooms_end(client);
}

TEST(broadcasts_during_a_join_come_right_after_its_answer)
{
    struct client client = rooms_begin();

    client_send(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"broadcasts\":3,\"wait_ms\":30}]");
    client_expect(client, JOINED);
    for (int i = 0; i < 3; i++)
        client_expect(client, "[null,null,\"room:a\",\"during\",{\"i\":%d}]", i);
    client_expect_nothing(client);
    rooms_end(client);
}

TEST(a_join_during_which_too_much_is_broadcast_fails)
{
    struct client client = rooms_begin();

    client_send(
        client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"broadcasts\":3500,\"wait_ms\":200}]");
    client_expect(client, "[\"1\",\"1\",\"room:a\"," ERROR("{\"reason\":\"join crashed\"}"));
    client_join(client, "2", "room:a");
    rooms_end(client);
}

/* Each counts 64 bytes more than its frame. */
#define FITTING 2700

TEST(a_join_may_hold_as_many_broadcasts_as_a_client_may_leave_unread)
{
    struct client client = rooms_begin();

    client_send(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"broadcasts\":%d}]", FITTING);
    client_expect(client, JOINED);
    for (int i = 0; i < FITTING; i++)
        client_expect(client, "[null,null,\"room:a\",\"during\",{\"i\":%d}]", i);
    client_expect_nothing(client);
    rooms_end(client);
}

/* Joins with an answer of its own, while so many of 60 KB are broadcast. */
static struct client join_amid(int count, anqa_json answer)
{
    struct client client = rooms_begin();

    client_send(client,
        "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"broadcasts\":%d,\"bytes\":61000,\"reply\":%.*s}]",
        count, ANQA_FMT(answer));
    return client;
}

TEST(as_many_bytes_as_a_client_may_leave_unread_are_held)
{
    struct client client = join_amid(4, ANQA_JSON_EMPTY_OBJECT);

    client_expect(client, JOINED);
    for (int i = 0; i < 4; i++)
        CHECK(strlen(client_receive(client)) > 61000);
    client_expect_nothing(client);
    rooms_end(client);
}

TEST(a_join_during_which_too_many_bytes_are_broadcast_fails)
{
    struct client client = join_amid(5, ANQA_JSON_EMPTY_OBJECT);

    client_expect(client, "[\"1\",\"1\",\"room:a\"," ERROR("{\"reason\":\"join crashed\"}"));
    client_expect_nothing(client);
    rooms_end(client);
}

TEST(what_was_held_and_the_answer_may_be_more_than_a_client_may_leave_unread)
{
    struct client client = join_amid(4, big_object());

    for (int i = 0; i < 5; i++)
        CHECK(strlen(client_receive(client)) > sizeof "{}" + 61000);
    client_expect_nothing(client);
    rooms_end(client);
}

static const char *const overrunning[] = {"", ",\"crash\":true", ",\"refuse\":true"};

TEST(a_join_that_broadcasts_too_much_itself_fails_however_it_ends)
{
    struct client client = rooms_begin();

    for (size_t i = 0; i < ANQA_COUNT(overrunning); i++) {
        client_send(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"broadcasts\":3500%s}]",
            overrunning[i]);
        client_expect(client, "[\"1\",\"1\",\"room:a\"," ERROR("{\"reason\":\"join crashed\"}"));
        client_expect_nothing(client);
    }
    client_join(client, "2", "room:a");
    rooms_end(client);
}

TEST(a_connection_that_ends_during_a_join_ends_the_channel_after_it)
{
    struct client client = rooms_begin();

    client_send(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"tell\":true,\"wait_ms\":100}]");
    CHECK_STR(server_told("joining"), "");
    client_close(client);
    CHECK_STR(server_told("terminated"), "shutdown: closed");
    server_end();
}

/* ---------------------------------------------------------------- joining twice */

TEST(a_second_join_is_answered_before_the_old_channel_is_closed)
{
    struct client client = rooms_begin_joined();
    anqa_ref ref = anqa_monitor(rooms_channel(client, "1", "room:a"));
    const anqa_msg *down;

    client_send(client, "[\"2\",\"2\",\"room:a\",\"phx_join\",{}]");
    client_expect(client, "[\"2\",\"2\",\"room:a\"," OK("{}"));
    client_expect(client, CLOSED);
    down = anqa_receive_ref(ref, HARNESS_LONG_MS);
    CHECK(down != NULL);
    CHECK_EQ(anqa_reason_get_kind(down->u.reason), ANQA_REASON_KILLED);
    client_send(client, "[\"2\",\"3\",\"room:a\",\"push\",{}]");
    client_expect(client, "[\"2\",null,\"room:a\",\"pushed\",{}]");
    rooms_end(client);
}

TEST(a_second_join_that_is_refused_closes_the_old_channel_too)
{
    struct client client = rooms_begin_joined();

    client_send(client, "[\"2\",\"2\",\"room:a\",\"phx_join\",{\"refuse\":true}]");
    client_expect(client, "[\"2\",\"2\",\"room:a\"," ERROR("{\"reason\":\"not you\"}"));
    client_expect(client, CLOSED);
    client_expect_nothing(client);
    rooms_end(client);
}

TEST(a_second_join_replaces_a_channel_that_waits)
{
    struct client client = rooms_begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"wait_here\",{}]");
    CHECK_STR(server_told("waiting"), "");
    client_send(client, "[\"3\",\"3\",\"room:a\",\"phx_join\",{}]");
    client_expect(client, "[\"3\",\"3\",\"room:a\"," OK("{}"));
    client_expect(client, CLOSED);
    client_expect_nothing(client);
    rooms_end(client);
}

/* ---------------------------------------------------------------- leaving */

TEST(a_leave_is_answered_and_closes_the_channel)
{
    struct client client = rooms_begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"phx_leave\",{}]");
    client_expect(client, "[\"1\",\"2\",\"room:a\"," OK("{}"));
    client_expect(client, CLOSED);
    CHECK_STR(server_told("terminated"), "shutdown: left");
    client_send(client, "[\"1\",\"3\",\"room:a\",\"echo\",{}]");
    client_expect(client, "[null,\"3\",\"room:a\"," UNMATCHED);
    rooms_end(client);
}

TEST(what_was_sent_before_a_leave_is_handled_and_what_comes_after_is_not)
{
    static const char *const frames[] = {"[\"1\",\"2\",\"room:a\",\"push\",{}]",
        "[\"1\",\"3\",\"room:a\",\"phx_leave\",{}]", "[\"1\",\"4\",\"room:a\",\"echo\",{}]",
        "[\"1\",\"5\",\"room:a\",\"phx_leave\",{}]"};
    struct client client = rooms_begin_joined();

    client_send_all(client, frames, 4);
    client_expect(client, "[\"1\",null,\"room:a\",\"pushed\",{}]");
    client_expect(client, "[\"1\",\"3\",\"room:a\"," OK("{}"));
    client_expect(client, CLOSED);
    client_expect_nothing(client);
    rooms_end(client);
}

TEST(a_push_in_terminate_comes_after_the_close)
{
    struct client client = rooms_begin();

    client_send(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"push_at_end\":true}]");
    client_expect(client, JOINED);
    client_send(client, "[\"1\",\"2\",\"room:a\",\"phx_leave\",{}]");
    client_expect(client, "[\"1\",\"2\",\"room:a\"," OK("{}"));
    client_expect(client, CLOSED);
    client_expect(client, "[\"1\",null,\"room:a\",\"bye\",{}]");
    rooms_end(client);
}

TEST(a_leave_and_an_immediate_join_are_answered_in_order)
{
    static const char *const frames[] = {"[\"1\",\"2\",\"room:a\",\"phx_leave\",{}]",
        "[\"3\",\"3\",\"room:a\",\"phx_join\",{}]", "[\"3\",\"4\",\"room:a\",\"push\",{}]"};
    struct client client = rooms_begin_joined();

    client_send_all(client, frames, 3);
    client_expect(client, "[\"1\",\"2\",\"room:a\"," OK("{}"));
    client_expect(client, CLOSED);
    client_expect(client, "[\"3\",\"3\",\"room:a\"," OK("{}"));
    client_expect(client, "[\"3\",null,\"room:a\",\"pushed\",{}]");
    CHECK_STR(server_told("terminated"), "shutdown: left");
    rooms_end(client);
}

TEST(a_channel_that_does_not_end_when_it_is_left_is_killed_for_the_next_join)
{
    static const char *const frames[] = {"[\"1\",\"2\",\"room:a\",\"wait_here\",{}]",
        "[\"1\",\"3\",\"room:a\",\"phx_leave\",{}]", "[\"4\",\"4\",\"room:a\",\"phx_join\",{}]"};
    struct client client = rooms_begin_joined();

    client_send_all(client, frames, 3);
    anqa_sleep(5000); /* what it is given */
    client_expect(client, CRASHED);
    client_expect(client, "[\"4\",\"4\",\"room:a\"," OK("{}"));
    client_expect_nothing(client);
    rooms_end(client);
}

TEST(a_connection_that_ends_while_a_join_waits_for_a_leave_leaks_nothing)
{
    static const char *const frames[] = {"[\"1\",\"2\",\"room:a\",\"wait_here\",{}]",
        "[\"1\",\"3\",\"room:a\",\"phx_leave\",{}]", "[\"4\",\"4\",\"room:a\",\"phx_join\",{}]"};
    struct client client = rooms_begin_joined();
    anqa_pid pid = rooms_channel(client, "1", "room:a");

    client_send_all(client, frames, 3);
    CHECK_STR(server_told("waiting"), "");
    client_close(client);
    anqa_sleep(50);
    CHECK_STATUS(anqa_send(pid, "go", anqa_nothing()), ANQA_OK);
    CHECK_STR(server_told("terminated"), "shutdown: left");
    server_end();
}

TEST(a_join_that_waits_for_a_leave_is_given_up_when_the_socket_is_disconnected)
{
    static const char *const frames[] = {"[\"1\",\"2\",\"room:a\",\"wait_here\",{}]",
        "[\"1\",\"3\",\"room:a\",\"phx_leave\",{}]",
        "[\"4\",\"4\",\"room:a\",\"phx_join\",{\"tell\":true}]"};
    struct client client;
    anqa_pid pid;

    server_begin(&rooms_endpoint);
    client = client_open_at("/socket/websocket?vsn=2.0.0&name=ann");
    client_join(client, "1", "room:a");
    pid = rooms_channel(client, "1", "room:a");
    client_send_all(client, frames, 3);
    CHECK_STR(server_told("waiting"), "");
    anqa_sleep(20); /* for the join to wait, too */
    CHECK_STATUS(
        anqa_broadcast(anqa_str_of("users:ann"), "disconnect", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    client_expect_close(client, 1001);
    CHECK_STATUS(anqa_send(pid, "go", anqa_nothing()), ANQA_OK);
    CHECK_STR(server_told("terminated"), "shutdown: left");
    client_close(client);
    CHECK(anqa_receive_if(is_joining, NULL, 50) == NULL);
    server_end();
}

TEST(a_leave_of_a_topic_that_is_not_joined_is_answered_ok)
{
    struct client client = rooms_begin();

    client_send(client, "[null,\"8\",\"lv:\",\"phx_leave\",{}]");
    client_expect(client, "[null,\"8\",\"lv:\"," OK("{}"));
    rooms_end(client);
}

/* ---------------------------------------------------------------- stopping */

TEST(a_quiet_stop_closes_the_channel)
{
    struct client client = rooms_begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"stop_normal\",{}]");
    client_expect(client, CLOSED);
    CHECK_STR(server_told("terminated"), "normal");
    client_send(client, "[\"1\",\"3\",\"room:a\",\"echo\",{}]");
    client_expect(client, "[null,\"3\",\"room:a\"," UNMATCHED);
    rooms_end(client);
}

TEST(a_quiet_stop_with_an_answer_answers_first)
{
    struct client client = rooms_begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"stop_with_reply\",{\"last\":1}]");
    client_expect(client, "[\"1\",\"2\",\"room:a\"," OK("{\"last\":1}"));
    client_expect(client, CLOSED);
    CHECK_STR(server_told("terminated"), "shutdown: done");
    rooms_end(client);
}

TEST(another_stop_is_an_error_after_its_answer)
{
    struct client client = rooms_begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"stop_error\",{\"last\":1}]");
    client_expect(client, "[\"1\",\"2\",\"room:a\"," OK("{\"last\":1}"));
    client_expect(client, CRASHED);
    CHECK_STR(server_told("terminated"), "error: on purpose");
    rooms_end(client);
}

TEST(a_channel_that_is_closed_with_much_before_it_does_not_hold_its_client)
{
    struct client client = rooms_begin();
    const char *frame;
    anqa_pid pid;

    client_send(client, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"wait_at_end\":true}]");
    client_expect(client, JOINED);
    pid = rooms_channel(client, "1", "room:a");
    client_send(client, "[\"1\",\"2\",\"room:a\",\"wait_here\",{}]");
    client_send(client, "[\"1\",\"3\",\"room:a\",\"stop_normal\",{}]");
    for (int i = 0; i < 300; i++)
        client_send(client, "[\"1\",\"4\",\"room:a\",\"silent\",{}]");
    client_send(client, "[null,\"5\",\"phoenix\",\"heartbeat\",{}]");
    CHECK_STR(server_told("waiting"), "");
    anqa_sleep(20); /* for the messages to be before it */
    CHECK_STATUS(anqa_send(pid, "go", anqa_nothing()), ANQA_OK);
    client_expect(client, "[\"1\",\"2\",\"room:a\"," OK("{}"));
    client_expect(client, CLOSED);
    do /* of the messages that were not read before, each is unmatched */
        frame = client_receive(client);
    while (frame != NULL && strstr(frame, "unmatched topic") != NULL);
    CHECK_STR(frame, "[null,\"5\",\"phoenix\"," OK("{}"));
    CHECK_STATUS(anqa_send(pid, "go", anqa_nothing()), ANQA_OK);
    CHECK_STR(server_told("terminated"), "normal");
    rooms_end(client);
}

static const struct {
    const char *event, *terminated;
} ends[] = {{"exit_normal", "normal"}, {"crash", NULL}, {"kill_me", NULL}};

TEST(an_end_that_was_not_announced_is_an_error)
{
    struct client client = rooms_begin();

    for (size_t i = 0; i < ANQA_COUNT(ends); i++) {
        client_join(client, "1", "room:a");
        client_send(client, "[\"1\",\"2\",\"room:a\",\"%s\",{}]", ends[i].event);
        client_expect(client, CRASHED);
        if (ends[i].terminated != NULL)
            CHECK_STR(server_told("terminated"), ends[i].terminated);
        client_send(client, "[\"1\",\"3\",\"room:a\",\"echo\",{}]");
        client_expect(client, "[null,\"3\",\"room:a\"," UNMATCHED);
    }
    rooms_end(client);
}

static const char *const crashing_frames[] = {
    "[\"1\",\"2\",\"room:a\",\"nobody_knows_it\",{}]",
    "[\"1\",\"2\",\"room:a\",7,{}]",
    "[\"1\",\"2\",\"room:a\",null,{}]",
    "[\"1\",\"2\",\"room:a\",\"push\",[]]",
    "[\"1\",\"2\",\"room:a\",\"bad_broadcast\",{}]",
    "[\"1\",\"2\",\"room:a\",\"with_action\",{}]",
    "[\"1\",null,\"room:a\",\"later\",{}]",
};

TEST(what_a_channel_cannot_do_ends_it_with_an_error)
{
    struct client client = rooms_begin();

    for (size_t i = 0; i < ANQA_COUNT(crashing_frames); i++) {
        client_join(client, "1", "room:a");
        client_send(client, "%s", crashing_frames[i]);
        client_expect(client, CRASHED);
    }
    rooms_end(client);
}

TEST(a_crash_leaves_the_other_channels_alone)
{
    struct client client = rooms_begin_joined();

    client_join(client, "2", "room:b");
    client_send(client, "[\"1\",\"3\",\"room:a\",\"crash\",{}]");
    client_expect(client, CRASHED);
    client_send(client, "[\"2\",\"4\",\"room:b\",\"count_up\",{}]");
    client_expect(client, "[\"2\",\"4\",\"room:b\"," OK("{\"count\":1,\"seen\":1,\"name\":\"\"}"));
    rooms_end(client);
}

/* ---------------------------------------------------------------- the connection ends */

TEST(the_end_of_the_connection_ends_its_channels)
{
    struct client client = rooms_begin_joined();

    client_join(client, "2", "room:b");
    client_close(client);
    CHECK_STR(server_told("terminated"), "shutdown: closed");
    CHECK_STR(server_told("terminated"), "shutdown: closed");
    server_end();
}

TEST(disconnect_on_the_id_closes_with_1001_and_without_frames_of_channels)
{
    struct client client, other;

    server_begin(&rooms_endpoint);
    client = client_open_at("/socket/websocket?vsn=2.0.0&name=ann");
    other = client_open_at("/socket/websocket?vsn=2.0.0&name=ben");
    client_join(client, "1", "room:a");
    CHECK_STATUS(
        anqa_broadcast(anqa_str_of("users:ann"), "other", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    client_expect_nothing(client);
    CHECK_STATUS(
        anqa_broadcast(anqa_str_of("users:ann"), "disconnect", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    client_expect_close(client, 1001);
    CHECK_STR(server_told("terminated"), "shutdown: disconnected");
    client_expect_nothing(other);
    client_close(client);
    client_close(other);
    server_end();
}

static void fail_at(void *ctx, const anqa_telemetry_event *event)
{
    anqa_exit(anqa_error_reason("a handler that fails"));
}

TEST(a_telemetry_handler_that_fails_at_a_slow_reader_ends_only_its_connection)
{
    static const anqa_telemetry_handler handler = {
        .id = "failing", .pattern = "anqa.http.slow_reader", .run = fail_at};
    struct client slow = rooms_begin(), others[8];
    int small = 4096;

    CHECK_STATUS(anqa_telemetry_attach(&handler), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(others); i++) {
        others[i] = client_open(); /* on both schedulers */
        client_join(others[i], "1", "room:b");
    }
    client_join(slow, "1", "room:a");
    CHECK(setsockopt(slow.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    for (int i = 0; i < 300; i++)
        CHECK_STATUS(anqa_broadcast(anqa_str_of("room:a"), "big", big_object()), ANQA_OK);
    CHECK_STR(server_told("terminated"), "shutdown: closed");
    CHECK_STATUS(anqa_telemetry_detach("failing"), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_broadcast(anqa_str_of("room:b"), "still", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(others); i++) {
        client_expect(others[i], "[null,null,\"room:b\",\"still\",{}]");
        client_close(others[i]);
    }
    rooms_end(slow);
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(server_port())};
    struct timeval limit = {.tv_sec = 5 * harness_slowness()};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    return fd;
}

static int count_of(const char *text, size_t len, const char *part)
{
    const char *at = text;
    int count = 0;

    while ((at = memmem(at, len - (size_t)(at - text), part, strlen(part))) != NULL) {
        at += strlen(part);
        count++;
    }
    return count;
}

/* Reads until `end` has come so many times or `other` once, or the connection has ended: then it is false. One of all that
 * must be. */
static bool comes_or(int fd, int times, const char *end, const char *other)
{
    static char text[1 << 16];
    size_t len = 0;

    for (;;) {
        ssize_t n = recv(fd, text + len, sizeof text - len, 0);
        CHECK(n >= 0 || errno != EAGAIN, "neither an answer nor the end: %s", end);
        if (n <= 0)
            return false;
        len += (size_t)n;
        if (count_of(text, len, "\x88\x02\x03") > 0) /* a close frame */
            return false;
        if (count_of(text, len, end) >= times || count_of(text, len, other) > 0)
            return true;
    }
}

static bool comes(int fd, const char *end)
{
    return comes_or(fd, 1, end, end);
}

static const char upgrade[] =
    "GET /socket/websocket?vsn=2.0.0&name=ann HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static const char *const whole_life[] = {"[\"1\",\"1\",\"room:a\",\"phx_join\",{\"broadcasts\":2}]",
    "[\"1\",\"2\",\"room:a\",\"shout\",{\"x\":1}]", "[\"1\",\"3\",\"room:a\",\"phx_leave\",{}]",
    "[\"4\",\"4\",\"room:a\",\"phx_join\",{}]", "[\"5\",\"5\",\"room:a\",\"phx_join\",{}]",
    "[null,\"6\",\"phoenix\",\"heartbeat\",{}]"};

static void try_a_life(void)
{
    struct client client = {dial()};

    (void)send(client.fd, upgrade, sizeof upgrade - 1, MSG_NOSIGNAL);
    if (comes(client.fd, "\r\n\r\n")) {
        client_send_all(client, whole_life, ANQA_COUNT(whole_life));
        (void)comes(client.fd, "[null,\"6\",\"phoenix\"");
    }
    client_close(client);
}

TEST(an_allocation_that_fails_costs_at_most_a_connection)
{
    struct client client;

    server_begin(&rooms_endpoint);
    try_a_life();
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        try_a_life();
    }
    client = client_open();
    client_join(client, "1", "room:a");
    CHECK_STATUS(anqa_broadcast(anqa_str_of("room:a"), "x", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    client_expect(client, "[null,null,\"room:a\",\"x\",{}]");
    rooms_end(client);
}

static const char *const secret_life[] = {"[\"1\",\"1\",\"room:a\",\"phx_join\",{}]",
    "[\"1\",\"2\",\"room:a\",\"secrets\",{\"count\":200}]"};

/* All that is handled must come, or that it will not: an error, or the end. */
static void try_a_secret_life(void)
{
    struct client client = {dial()};

    (void)send(client.fd, upgrade, sizeof upgrade - 1, MSG_NOSIGNAL);
    if (comes(client.fd, "\r\n\r\n")) {
        client_send_all(client, secret_life, ANQA_COUNT(secret_life));
        (void)comes_or(client.fd, 200, "\"seen\"", "error");
    }
    client_close(client);
}

TEST(an_intercepted_broadcast_is_not_lost_in_silence_when_memory_is_short)
{
    server_begin(&rooms_endpoint);
    try_a_secret_life();
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        try_a_secret_life();
    }
    server_end();
}

static const char *const anything[] = {"[\"1\",\"1\",\"room:a\",\"phx_join\",{}]",
    "[\"2\",\"2\",\"room:a\",\"phx_join\",{\"broadcasts\":3,\"wait_ms\":1}]",
    "[\"3\",\"3\",\"room:a\",\"phx_join\",{\"broadcasts\":1100,\"crash\":true}]",
    "[\"1\",\"1\",\"room:b\",\"phx_join\",{}]",
    "[\"1\",\"1\",\"room:b\",\"phx_join\",{\"refuse\":true}]",
    "[null,\"1\",\"exact\",\"phx_join\",{}]", "[null,\"2\",\"room:a\",\"phx_leave\",{}]",
    "[null,\"2\",\"room:b\",\"phx_leave\",{}]", "[null,\"3\",\"room:a\",\"shout\",{\"x\":1}]",
    "[null,\"3\",\"room:b\",\"shout_others\",{}]", "[null,\"3\",\"room:a\",\"secret\",{}]",
    "[null,\"4\",\"room:a\",\"later\",{}]", "[null,\"4\",\"room:b\",\"later\",{}]",
    "[null,\"5\",\"room:a\",\"kill_me\",{}]", "[null,\"5\",\"room:b\",\"stop_with_reply\",{}]",
    "[null,\"6\",\"exact\",\"unknown\",{}]", "[null,\"7\",\"phoenix\",\"heartbeat\",{}]", "[1,2]"};

/* One life: some frames in one piece, perhaps an end in the middle of one, perhaps a reset. */
static void any_life(uint64_t random)
{
    const struct linger at_once = {.l_onoff = 1};
    const char *frames[12];
    static char sink[1 << 16];
    struct client client = {dial()};

    for (size_t i = 0; i < ANQA_COUNT(frames); i++, random = random * 6364136223846793005u + 1)
        frames[i] = anything[(random >> 33) % ANQA_COUNT(anything)];
    (void)send(client.fd, upgrade, sizeof upgrade - 1, MSG_NOSIGNAL);
    client_send_all(client, frames, ANQA_COUNT(frames));
    if (random >> 40 & 1)
        (void)send(client.fd, "\x81\xff\0", 3, MSG_NOSIGNAL);
    if (random >> 41 & 1)
        (void)recv(client.fd, sink, sizeof sink, 0);
    if (random >> 42 & 1)
        CHECK_STATUS(anqa_broadcast(anqa_str_of("users:ann"), "disconnect", ANQA_JSON_EMPTY_OBJECT),
            ANQA_OK);
    if (random >> 43 & 1)
        (void)setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (random >> 44 & 1)
        (void)shutdown(client.fd, SHUT_WR);
    client_close(client);
}

static uint64_t processes(void)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(server_rt(), &stats);
    return stats.processes;
}

static bool anybody(const anqa_msg *msg, void *arg)
{
    return true;
}

TEST(whatever_clients_do_and_however_they_go_nothing_is_left)
{
    struct client client;
    uint64_t before;

    server_begin(&rooms_endpoint);
    try_a_life(); /* whatever serves all clients is there now */
    anqa_sleep(100);
    before = processes();
    for (int i = 0; i < 600; i++) {
        any_life(harness_random());
        while (anqa_receive_if(anybody, NULL, 0) != NULL)
            ; /* what channels tell */
    }
    for (int i = 0; i < 10000 && processes() > before; i++)
        anqa_sleep(10);
    CHECK(processes() <= before);
    client = client_open();
    client_join(client, "1", "room:c");
    rooms_end(client);
}

TEST(the_end_of_the_endpoint_tells_clients_to_come_back)
{
    struct client client = rooms_begin_joined();

    anqa_exit_signal(server_endpoint(), ANQA_SHUTDOWN);
    client_expect_close(client, 1012);
    client_close(client);
    CHECK_STR(server_told("terminated"), "shutdown: draining");
    server_end();
}
