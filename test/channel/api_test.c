/* What a channel may do: pushes, broadcasts, answers, messages of other processes. */
#include "channel/rooms.h"

#include <string.h>

static struct client begin_joined(void)
{
    struct client client;

    server_begin(&rooms_endpoint);
    client = client_open_at("/socket/websocket?vsn=2.0.0&name=ann");
    client_join(client, "1", "room:a");
    return client;
}

TEST(a_broadcast_reaches_everybody_and_comes_before_the_answer)
{
    struct client ann = begin_joined(), ben = client_open();

    client_join(ben, "7", "room:a");
    client_send(ann, "[\"1\",\"2\",\"room:a\",\"shout\",{\"x\":1}]");
    client_expect(ann, "[null,null,\"room:a\",\"msg\",{\"x\":1}]");
    client_expect(ann, "[\"1\",\"2\",\"room:a\"," OK("{}"));
    client_expect(ben, "[null,null,\"room:a\",\"msg\",{\"x\":1}]");
    client_close(ben);
    rooms_end(ann);
}

TEST(broadcast_from_leaves_out_the_calling_channel)
{
    struct client ann = begin_joined(), ben = client_open();

    client_join(ben, "7", "room:a");
    client_send(ann, "[\"1\",\"2\",\"room:a\",\"shout_others\",{\"x\":1}]");
    client_expect(ann, "[\"1\",\"2\",\"room:a\"," OK("{}"));
    client_expect(ben, "[null,null,\"room:a\",\"msg\",{\"x\":1}]");
    client_expect_nothing(ann);
    client_close(ben);
    rooms_end(ann);
}

TEST(a_push_of_another_channel_of_the_client_stays_behind_a_broadcast)
{
    struct client client = begin_joined();
    anqa_pid pid;

    client_join(client, "2", "room:b");
    pid = rooms_channel(client, "2", "room:b");
    for (int i = 0; i < 20; i++) {
        CHECK_STATUS(
            anqa_broadcast(anqa_str_of("room:a"), "msg", anqa_jsonf("{'i': %d}", i)), ANQA_OK);
        CHECK_STATUS(anqa_send(pid, "hello", anqa_text(anqa_jsonf("{'i': %d}", i))), ANQA_OK);
        client_expect(client, "[null,null,\"room:a\",\"msg\",{\"i\":%d}]", i);
        client_expect(client, "[\"2\",null,\"room:b\",\"hello\",{\"i\":%d}]", i);
    }
    rooms_end(client);
}

TEST(an_intercepted_broadcast_goes_to_the_channel)
{
    struct client client = begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"secret\",{\"x\":1}]");
    client_expect(client, "[\"1\",null,\"room:a\",\"secret\",{\"seen\":{\"x\":1}}]");
    rooms_end(client);
}

static void broadcast_secrets(int count)
{
    for (int i = 0; i < count; i++)
        CHECK_STATUS(
            anqa_broadcast(anqa_str_of("room:a"), "secret", anqa_jsonf("{'i': %d}", i)), ANQA_OK);
}

TEST(as_many_intercepted_broadcasts_as_may_wait_are_all_handled)
{
    struct client client = begin_joined();
    anqa_pid pid = rooms_channel_that_waits(client);

    broadcast_secrets(256);
    CHECK_STATUS(anqa_send(pid, "go", anqa_nothing()), ANQA_OK);
    client_expect(client, "[\"1\",\"w\",\"room:a\"," OK("{}"));
    for (int i = 0; i < 256; i++)
        client_expect(client, "[\"1\",null,\"room:a\",\"secret\",{\"seen\":{\"i\":%d}}]", i);
    rooms_end(client);
}

TEST(a_channel_for_which_more_intercepted_broadcasts_wait_is_killed_and_others_go_on)
{
    struct client client = begin_joined(), other = client_open();

    client_join(other, "1", "room:a");
    (void)rooms_channel_that_waits(client);
    broadcast_secrets(257);
    client_expect(client, CRASHED);
    for (int i = 0; i < 257; i++)
        client_expect(other, "[\"1\",null,\"room:a\",\"secret\",{\"seen\":{\"i\":%d}}]", i);
    client_join(client, "2", "room:a");
    client_close(other);
    rooms_end(client);
}

enum { LARGE = 1 << 20 }; /* bytes: four may wait */

static void broadcast_large_secrets(int count)
{
    anqa_json large =
        anqa_jsonf("{'pad': %s}", anqa_tmp_printf("%*d", LARGE - (int)strlen("{\"pad\":\"\"}"), 0));

    for (int i = 0; i < count; i++)
        CHECK_STATUS(anqa_broadcast(anqa_str_of("room:a"), "secret", large), ANQA_OK);
}

TEST(so_is_one_for_which_more_bytes_wait, .timeout_ms = 60000)
{
    struct client client = begin_joined();

    (void)rooms_channel_that_waits(client);
    broadcast_large_secrets(5);
    client_expect(client, CRASHED);
    client_join(client, "2", "room:a");
    rooms_end(client);
}

#define LARGE_SEEN "[\"1\",null,\"room:a\",\"secret\",{\"seen\":{\"len\":%d}}]"

TEST(as_many_bytes_of_broadcasts_as_may_wait_are_all_handled_and_then_as_many_again,
    .timeout_ms = 60000)
{
    struct client client = begin_joined();

    for (int round = 0; round < 3; round++) {
        anqa_pid pid = rooms_channel_that_waits(client);
        broadcast_large_secrets(4);
        CHECK_STATUS(anqa_send(pid, "go", anqa_nothing()), ANQA_OK);
        client_expect(client, "[\"1\",\"w\",\"room:a\"," OK("{}"));
        for (int i = 0; i < 4; i++)
            client_expect(client, LARGE_SEEN, LARGE);
    }
    rooms_end(client);
}

TEST(one_broadcast_is_intercepted_however_long_it_is)
{
    enum { LONGEST = 5 << 20 };
    struct client client = begin_joined();

    CHECK_STATUS(anqa_broadcast(anqa_str_of("room:a"), "secret",
                     anqa_jsonf("{'pad': %s}", anqa_tmp_printf("%*d", LONGEST, 0))),
        ANQA_OK);
    client_expect(client, LARGE_SEEN, LONGEST + (int)strlen("{\"pad\":\"\"}"));
    rooms_end(client);
}

TEST(a_channel_that_broadcasts_more_to_itself_than_may_wait_is_killed)
{
    struct client client = begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"secrets\",{\"count\":300}]");
    client_expect(client, "[\"1\",\"2\",\"room:a\"," OK("{}"));
    client_expect(client, CRASHED);
    rooms_end(client);
}

TEST(an_answer_may_be_given_later_by_any_process)
{
    struct client client = begin_joined();
    int first = 0, second = 0;

    client_send(client, "[\"1\",\"2\",\"room:a\",\"later\",{}]");
    for (int i = 0; i < 4; i++) {
        const char *frame = client_receive(client);
        CHECK(frame != NULL);
        if (strcmp(frame, "[\"1\",\"2\",\"room:a\"," OK("{\"n\":1}")) == 0)
            first++;
        else if (strcmp(frame, "[\"1\",\"2\",\"room:a\",\"phx_reply\",{\"status\":\"done\","
                               "\"response\":{\"n\":2}}]") == 0)
            second++;
    }
    CHECK_EQ(first, 2);
    CHECK_EQ(second, 2);
    rooms_end(client);
}

TEST(a_status_may_be_any_word)
{
    struct client client = begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"odd_status\",{}]");
    client_expect(
        client, "[\"1\",\"2\",\"room:a\",\"phx_reply\",{\"status\":\"maybe\",\"response\":{}}]");
    client_send(client, "[\"1\",null,\"room:a\",\"odd_status\",{}]");
    client_expect(
        client, "[\"1\",null,\"room:a\",\"phx_reply\",{\"status\":\"maybe\",\"response\":{}}]");
    rooms_end(client);
}

TEST(an_event_that_needs_escapes_is_written_with_them)
{
    struct client client = begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"push_odd\",{}]");
    client_expect(client, "[\"1\",null,\"room:a\",\"say \\\"hi\\\"\",{}]");
    CHECK_STATUS(anqa_broadcast(anqa_str_of("room:a"), "a\\b", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    client_expect(client, "[null,null,\"room:a\",\"a\\\\b\",{}]");
    rooms_end(client);
}

TEST(a_noreply_sends_nothing)
{
    struct client client = begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"silent\",{}]");
    client_expect_nothing(client);
    rooms_end(client);
}

TEST(events_that_no_row_has_go_to_handle_any_in)
{
    struct client client = begin_joined();

    client_join(client, "2", "any:thing");
    client_send(client, "[\"2\",\"3\",\"any:thing\",\"wh\\u0061t\",{}]");
    client_expect(client, "[\"2\",\"3\",\"any:thing\"," OK("{\"event\":\"what\"}"));
    rooms_end(client);
}

TEST(assigns_of_connect_are_copied_into_each_channel_and_evolve_apart)
{
    struct client client = begin_joined();

    client_join(client, "2", "room:b");
    for (int i = 1; i < 3; i++) {
        client_send(client, "[\"1\",\"3\",\"room:a\",\"count_up\",{}]");
        client_expect(client,
            "[\"1\",\"3\",\"room:a\"," OK("{\"count\":%d,\"seen\":%d,\"name\":\"ann\"}"), i, i);
    }
    client_send(client, "[\"2\",\"4\",\"room:b\",\"count_up\",{}]");
    client_expect(
        client, "[\"2\",\"4\",\"room:b\"," OK("{\"count\":1,\"seen\":1,\"name\":\"ann\"}"));
    rooms_end(client);
}

TEST(a_channel_gets_messages_calls_and_broadcasts_of_other_topics)
{
    struct client client = begin_joined();
    anqa_pid pid = rooms_channel(client, "1", "room:a");

    CHECK_STR(anqa_json_text(anqa_call(pid, "ask", ANQA_JSON_NULL, HARNESS_LONG_MS)), "\"room:a\"");
    client_send(client, "[\"1\",\"2\",\"room:a\",\"subscribe\",{}]");
    client_expect(client, "[\"1\",\"2\",\"room:a\"," OK("{}"));
    CHECK_STATUS(anqa_broadcast(anqa_str_of("news"), "x", anqa_jsonf("{'n': 1}")), ANQA_OK);
    client_expect(client, "[\"1\",null,\"room:a\",\"news\",{\"n\":1}]");
    CHECK_STATUS(anqa_send(pid, "unexpected", anqa_nothing()), ANQA_OK);
    client_expect_nothing(client);
    anqa_cast(pid, "unexpected", ANQA_JSON_NULL);
    client_expect(client, CRASHED);
    rooms_end(client);
}

TEST(a_channel_cannot_unsubscribe_from_its_own_topic)
{
    struct client client = begin_joined();

    client_send(client, "[\"1\",\"2\",\"room:a\",\"unsubscribe\",{}]");
    client_expect(client, "[\"1\",\"2\",\"room:a\"," OK("{}"));
    client_send(client, "[\"1\",\"3\",\"room:a\",\"shout\",{}]");
    client_expect(client, "[null,null,\"room:a\",\"msg\",{}]");
    client_expect(client, "[\"1\",\"3\",\"room:a\"," OK("{}"));
    rooms_end(client);
}

TEST(a_channel_can_be_stopped_as_a_server)
{
    struct client client = begin_joined();
    anqa_pid pid = rooms_channel(client, "1", "room:a");

    CHECK_STATUS(anqa_gen_server_stop(pid, ANQA_SHUTDOWN, HARNESS_LONG_MS), ANQA_OK);
    client_expect(client, "[\"1\",\"1\",\"room:a\",\"phx_close\",{}]");
    rooms_end(client);
}

TEST(many_clients_and_topics_on_two_schedulers_lose_nothing)
{
    enum { CLIENTS = 20, ROUNDS = 20 };
    struct client clients[CLIENTS];

    server_begin(&rooms_endpoint);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open();
        client_join(clients[i], "1", "room:all");
    }
    for (int round = 0; round < ROUNDS; round++)
        CHECK_STATUS(anqa_broadcast(anqa_str_of("room:all"), "msg", anqa_jsonf("{'i': %d}", round)),
            ANQA_OK);
    for (int i = 0; i < CLIENTS; i++) {
        for (int round = 0; round < ROUNDS; round++)
            client_expect(clients[i], "[null,null,\"room:all\",\"msg\",{\"i\":%d}]", round);
        client_close(clients[i]);
    }
    server_end();
}

/* ---------------------------------------------------------------- specs */

static anqa_next say_arg(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    return anqa_reply_ok(anqa_jsonf("{'arg': %s}", (const char *)anqa_socket_arg(socket)));
}

TEST(channels_with_the_same_callbacks_are_told_apart_by_their_arg)
{
    const anqa_channel red = {.topic = "red:*", .arg = "red", .join = say_arg},
                       blue = {.topic = "blue:*", .arg = "blue", .join = say_arg};
    const anqa_channel *const channels[] = {&red, &blue, NULL};
    const anqa_user_socket user_socket = {.channels = channels};
    const anqa_socket_mount mounts[] = {{.path = "/socket", .user_socket = &user_socket}, {0}};
    const anqa_endpoint endpoint = {.sockets = mounts, .quiet = true};
    struct client client;

    server_begin(&endpoint);
    client = client_open();
    client_send(client, "[\"1\",\"1\",\"blue:a\",\"phx_join\",{}]");
    client_expect(client, "[\"1\",\"1\",\"blue:a\"," OK("{\"arg\":\"blue\"}"));
    client_send(client, "[\"2\",\"2\",\"red:a\",\"phx_join\",{}]");
    client_expect(client, "[\"2\",\"2\",\"red:a\"," OK("{\"arg\":\"red\"}"));
    client_close(client);
    server_end();
}
