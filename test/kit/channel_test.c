/* Channels, tested without a network. */
#include <anqa/test.h>

#include "kit/fixture.h"
#include "kit/room.h"

static anqa_test_socket *visitor(const char *name)
{
    return anqa_test_connect(&visitor_socket, anqa_jsonf("{'name': %s}", name));
}

static anqa_test_channel *in_lobby(const char *name)
{
    return anqa_test_subscribe_and_join(visitor(name), "room:lobby", ANQA_JSON_NULL, NULL);
}

ANQA_TEST(a_join_gives_the_reply_of_the_channel)
{
    anqa_json reply;

    (void)anqa_test_subscribe_and_join(visitor("ann"), "room:lobby", ANQA_JSON_NULL, &reply);
    ANQA_ASSERT_JSON(reply, "{'hello': 'ann', 'tags': ['a', ...]}");
}

ANQA_TEST(a_refused_join_gives_its_response)
{
    anqa_json response =
        ANQA_ASSERT_JOIN_ERROR(visitor("ann"), "room:full", ANQA_JSON_NULL, "{'reason': 'full'}");

    ANQA_ASSERT_STR(anqa_json_str(response, "reason"), "full");
    ANQA_ASSERT_JOIN_ERROR(
        visitor("bob"), "street:1", ANQA_JSON_NULL, "{'reason': 'unmatched topic'}");
}

ANQA_TEST(connect_may_refuse_and_may_crash)
{
    anqa_test_socket *socket;

    ANQA_ASSERT_STATUS(
        anqa_test_try_connect(&visitor_socket, anqa_jsonf("{'name': 'mallory'}"), &socket),
        ANQA_E_PERMISSION);
    anqa_test_capture_log(ANQA_ERROR);
    ANQA_ASSERT_STATUS(
        anqa_test_try_connect(&visitor_socket, anqa_jsonf("{'name': 'crash'}"), &socket),
        ANQA_E_DIED);
    ANQA_ASSERT_LOGGED("process.crashed");
}

ANQA_TEST(a_push_is_answered_and_its_broadcast_heard)
{
    anqa_test_channel *room = in_lobby("ann");
    anqa_test_ref ref = anqa_test_push(room, "say", anqa_jsonf("{'body': 'hi', 'n': 1}"));

    ANQA_ASSERT_REPLY(ref, "ok");
    ANQA_ASSERT_PUSH("said", "{'body': 'hi', ...}");
    ANQA_ASSERT_BROADCAST("said", "{'body': %s, 'n': _}", "hi");
    ANQA_REFUTE_PUSH("said");
    ANQA_REFUTE_BROADCAST("said");
}

ANQA_TEST(what_is_pushed_reaches_one_client_only)
{
    anqa_test_channel *ann = in_lobby("ann"), *bob = in_lobby("bob");
    anqa_json payload;

    (void)anqa_test_push(ann, "whisper", anqa_jsonf("{'n': 2}"));
    payload = ANQA_ASSERT_PUSH_TO(ann, "whispered");
    ANQA_ASSERT_EQ(anqa_json_int(payload, "n", 0), 2);
    ANQA_REFUTE_PUSH_TO(bob, "whispered");
}

ANQA_TEST(a_broadcast_reaches_all_clients_or_all_others)
{
    anqa_test_channel *ann = in_lobby("ann"), *bob = in_lobby("bob");

    anqa_test_broadcast(ann, "news", anqa_jsonf("{'n': 1}"));
    ANQA_ASSERT_PUSH_TO(ann, "news", "{'n': 1}");
    ANQA_ASSERT_PUSH_TO(bob, "news", "{'n': 1}");
    anqa_test_broadcast_from(ann, "news", anqa_jsonf("{'n': 2}"));
    ANQA_ASSERT_PUSH_TO(bob, "news", "{'n': 2}");
    ANQA_REFUTE_PUSH_TO(ann, "news");
}

ANQA_TEST(a_late_answer_takes_no_time)
{
    anqa_test_channel *room = in_lobby("ann");
    anqa_test_ref ref = anqa_test_push(room, "ask", ANQA_JSON_NULL);

    anqa_test_settle();
    ANQA_REFUTE_RECEIVED("server");
    ANQA_ASSERT_REPLY(ref, "ok", "{'late': true}");
}

ANQA_TEST(a_test_says_how_long_it_waits_for_answers, .wait_ms = 20)
{
    anqa_test_ref ref = anqa_test_push(in_lobby("ann"), "ask", ANQA_JSON_NULL);

    ANQA_REFUTE_REPLY(ref);
    ANQA_REFUTE_REPLY(ref);
    ANQA_ASSERT_REPLY(ref, "ok");
}

ANQA_TEST(who_leaves_is_answered_and_the_channel_ends)
{
    anqa_test_channel *room = in_lobby("ann");
    anqa_ref ref = anqa_monitor(anqa_test_channel_pid(room));

    ANQA_ASSERT_REPLY(anqa_test_leave(room), "ok", "{}");
    ANQA_ASSERT_PUSH("phx_close");
    ANQA_ASSERT_STR(anqa_reason_get_text(anqa_receive_ref(ref, 100)->u.reason), "left");
}

ANQA_TEST(a_closed_connection_ends_its_channels)
{
    anqa_test_socket *socket = visitor("ann");
    anqa_test_channel *room = anqa_test_join(socket, "room:a", ANQA_JSON_NULL, NULL);
    anqa_ref ref = anqa_monitor(anqa_test_channel_pid(room));

    anqa_test_close(socket);
    ANQA_ASSERT_STR(anqa_reason_get_text(anqa_receive_ref(ref, 100)->u.reason), "closed");
}

ANQA_TEST(disconnect_closes_the_clients_of_that_id)
{
    anqa_test_socket *ann = visitor("ann"), *bob = visitor("bob");

    ANQA_ASSERT_STATUS(
        anqa_broadcast(anqa_str_of("visitors:ann"), "disconnect", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    ANQA_ASSERT_DOWN(anqa_test_socket_pid(ann), ANQA_REASON_NORMAL);
    ANQA_ASSERT(anqa_is_alive(anqa_test_socket_pid(bob)));
}

ANQA_TEST(a_channel_that_crashes_tells_its_client)
{
    anqa_test_channel *room = in_lobby("ann");
    anqa_pid pid = anqa_test_channel_pid(room);

    anqa_test_capture_log(ANQA_ERROR);
    (void)anqa_test_push(room, "fall", ANQA_JSON_NULL);
    ANQA_ASSERT_DOWN(pid, ANQA_REASON_ERROR);
    ANQA_ASSERT_PUSH("phx_error", "{'reason': 'channel_crash'}");
    ANQA_ASSERT_LOGGED("fallen");
}

ANQA_TEST(nothing_is_read_while_a_join_is_under_way)
{
    anqa_test_socket *socket = visitor("ann");
    anqa_test_channel *first = anqa_test_join(socket, "room:a", ANQA_JSON_NULL, NULL);
    anqa_test_ref ref;

    anqa_test_send_frame(socket, anqa_jsonf("['9', '9', 'room:b', 'phx_join', {'wait_ms': 80}]"));
    ref = anqa_test_push(first, "say", ANQA_JSON_NULL);
    anqa_test_advance(79);
    ANQA_REFUTE_RECEIVED("server");
    ANQA_ASSERT_REPLY(ref, "ok");
}

ANQA_TEST(a_client_that_talks_nonsense_is_closed)
{
    anqa_test_socket *socket = visitor("ann");

    anqa_test_capture_log(ANQA_NOTICE);
    anqa_test_send_frame(socket, anqa_jsonf("{'what': 'is this'}"));
    ANQA_ASSERT_DOWN(anqa_test_socket_pid(socket), ANQA_REASON_NORMAL);
    ANQA_ASSERT_LOGGED("socket.refused");
}

ANQA_TEST(binary_frames_come_as_bytes)
{
    anqa_test_channel *room = in_lobby("ann");
    const anqa_msg *msg;

    (void)anqa_test_push(room, "bytes", ANQA_JSON_NULL);
    msg = ANQA_ASSERT_RECEIVE("server.binary", 100);
    ANQA_ASSERT_STR(anqa_str_make(msg->body.ptr + msg->body.len - 4, 4), "data");
}

static const anqa_endpoint endpoint = {
    .sockets =
        (const anqa_socket_mount[]){{.path = "/socket", .user_socket = &visitor_socket}, {0}},
};
static const anqa_app visits = {
    .name = "visits", .children = (const anqa_child_spec[]){ANQA_ENDPOINT(&endpoint), {0}}};

ANQA_TEST(an_application_with_an_endpoint_starts_without_a_network)
{
    char address[ANQA_ADDRESS_TEXT] = "?";
    anqa_child_info *children;
    size_t count = 0;

    anqa_test_start_app(&visits);
    ANQA_ASSERT_STATUS(
        anqa_supervisor_which_children(anqa_app_supervisor(&visits), &children, &count), ANQA_OK);
    ANQA_ASSERT_EQ(count, 1u);
    ANQA_ASSERT_STATUS(anqa_endpoint_address(children[0].pid, address), ANQA_OK);
    ANQA_ASSERT_STR(address, "");
    (void)in_lobby("ann");
}

ANQA_TEST(channels_are_tested_with_threads_too, .schedulers = 2)
{
    anqa_test_channel *ann = in_lobby("ann"), *bob = in_lobby("bob");
    anqa_test_ref ref = anqa_test_push(ann, "say", anqa_jsonf("{'n': 1}"));

    ANQA_ASSERT_REPLY(ref, "ok");
    ANQA_ASSERT_PUSH_TO(bob, "said", "{'n': 1}");
}
