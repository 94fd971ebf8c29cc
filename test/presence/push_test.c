/* States that are larger than what may wait for a client, over real connections. */
#include "channel/asker.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEOPLE 400
#define PADDING 3000 /* of each: more than 1 MiB together */

static const anqa_presence presence = {.name = "presence", .max_per_process = PEOPLE};

static anqa_next room_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    anqa_send(anqa_self(), "after_join", anqa_nothing());
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next room_after_join(anqa_socket *socket, anqa_msg *msg)
{
    ANQA_REQUIRE(anqa_presence_push_state(&presence, socket) == ANQA_OK);
    return anqa_noreply();
}

static const anqa_channel room = {
    .topic = "room:*",
    .join = room_join,
    .handle_info = (const anqa_info[]){{"after_join", room_after_join}, {0}},
};
static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&room, NULL}};
static const anqa_socket_mount mounts[] = {{.path = "/socket",
                                               .user_socket = &user_socket,
                                               .longpoll = {.on = true, .window_ms = 1000},
                                               .sse = {.on = true}},
    {0}};
static const anqa_endpoint endpoint = {.sockets = mounts};
static const anqa_endpoint strict = {.sockets = mounts, .max_output_bytes = 64 << 10};

/* ---------------------------------------------------------------- the people */

static unsigned times_in(const char *word, anqa_json json)
{
    unsigned times = 0;

    for (const char *at = json.ptr, *end = json.ptr + json.len;
        (at = memmem(at, (size_t)(end - at), word, strlen(word))) != NULL; at++)
        times++;
    return times;
}

/* Tracks all of them, and goes on when that has been told: nobody hears of them from now on, but by the state. */
static void crowd(void *state)
{
    const char *topic = *(const char **)state;
    char padding[PADDING + 1];
    anqa_broadcast_view view;
    unsigned told = 0;

    ANQA_REQUIRE(anqa_subscribe(anqa_str_of(topic)) == ANQA_OK);
    memset(padding, '.', PADDING);
    padding[PADDING] = '\0';
    for (int i = 0; i < PEOPLE; i++)
        ANQA_REQUIRE(anqa_presence_track_pid(&presence, anqa_self(), anqa_str_of(topic),
                         anqa_str_of(anqa_tmp_printf("k%d", i)), anqa_jsonf("{'p': %s}", padding),
                         NULL) == ANQA_OK);
    while (told < PEOPLE) { /* a diff may come in pieces */
        ANQA_REQUIRE(anqa_broadcast_of(anqa_receive(ANQA_INFINITY), &view));
        told += times_in("\"phx_ref\"", view.payload);
    }
    anqa_unsubscribe(anqa_str_of(topic));
    server_tell("filled", "");
    anqa_sleep(ANQA_INFINITY);
}

static void fill(const char *topic)
{
    CHECK_STATUS(
        anqa_spawn(
            &(anqa_spawn_opts){.run = crowd, .arg = &topic, .arg_size = sizeof topic}, NULL, NULL),
        ANQA_OK);
    (void)server_told("filled");
}

static void begin(const anqa_endpoint *spec)
{
    anqa_error err;
    anqa_pid pid;

    server_begin(spec);
    CHECK_STATUS(anqa_gen_server_start(&anqa_presence_server, &presence, NULL, &pid, &err), ANQA_OK,
        "%s", err.text);
}

/* The next frame that is no diff: another scheduler may hand out the last of them when the crowd has it already. */
static const char *receive_state(struct client client)
{
    const char *frame;

    do
        frame = client_receive(client);
    while (frame != NULL && strstr(frame, "\"presence_diff\"") != NULL);
    return frame;
}

/* How many are in a frame that must be the state of a topic. */
static size_t people_in(const char *frame, const char *topic)
{
    anqa_json message, got, state;
    size_t count;

    CHECK(frame != NULL);
    CHECK(strlen(frame) > 1 << 20, "%zu bytes", strlen(frame));
    CHECK_STATUS(anqa_json_parse(anqa_str_of(frame), NULL, &message, NULL), ANQA_OK);
    CHECK_STATUS(anqa_json_find(message, "/2", &got), ANQA_OK);
    CHECK(anqa_json_is_str(got, anqa_str_of(topic)));
    CHECK_STATUS(anqa_json_find(message, "/3", &got), ANQA_OK);
    CHECK(anqa_json_is_str(got, anqa_str_of("presence_state")), "%.*s", ANQA_FMT(got));
    CHECK_STATUS(anqa_json_find(message, "/4", &state), ANQA_OK);
    CHECK_STATUS(anqa_json_len(state, &count), ANQA_OK);
    return count;
}

/* ---------------------------------------------------------------- WebSockets */

TEST(a_state_beyond_the_output_limit_reaches_a_websocket_as_one_message)
{
    struct client client;

    begin(&endpoint);
    fill("room:1");
    client = client_open();
    for (int i = 1; i <= 3; i++) { /* joins again take its place */
        client_send(client, "[\"%d\",\"%d\",\"room:1\",\"phx_join\",{}]", i, i);
        client_expect(client,
            "[\"%d\",\"%d\",\"room:1\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]", i, i);
        if (i > 1)
            client_expect(client, "[\"%d\",\"%d\",\"room:1\",\"phx_close\",{}]", i - 1, i - 1);
        CHECK_EQ(people_in(receive_state(client), "room:1"), PEOPLE);
        client_expect_nothing(client);
    }
    client_close(client);
    server_end();
}

static void expect_join(struct client client, const char *number)
{
    client_expect(client,
        "[\"%s\",\"%s\",\"room:%s\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]", number,
        number, number);
}

static const char *const names[] = {"room:1", "room:2", "room:3", "room:4", "room:5", "room:6"};

/* The kernel takes a state or so, the rest waits: with so little room for others a second one must not come behind the first. */
TEST(large_states_of_one_connection_wait_for_each_other)
{
    struct client client;
    int small = 256 << 10;
    unsigned states = 0, replies = 0;
    const char *frame;

    begin(&strict);
    for (int i = 1; i <= 6; i++)
        fill(names[i - 1]);
    client = client_open();
    CHECK(setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    for (int i = 1; i <= 6; i++)
        client_send(client, "[\"%d\",\"%d\",\"room:%d\",\"phx_join\",{}]", i, i, i);
    anqa_sleep(500); /* all that can be pushed is pushed: what is left over waits */
    while (states < 6) {
        frame = receive_state(client);
        CHECK(frame != NULL, "after %u", states);
        if (strstr(frame, "\"phx_reply\"") != NULL) {
            replies++;
            continue;
        }
        CHECK_EQ(people_in(frame, anqa_tmp_printf("room:%c", frame[2])), PEOPLE);
        states++;
    }
    CHECK_EQ(replies, 6);
    client_expect_nothing(client);
    client_close(client);
    server_end();
}

TEST(who_waits_to_push_a_state_ends_with_its_connection)
{
    struct client client;
    int small = 256 << 10;

    begin(&strict);
    for (int i = 1; i <= 6; i++)
        fill(names[i - 1]);
    client = client_open();
    CHECK(setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    for (int i = 1; i <= 6; i++)
        client_send(client, "[\"%d\",\"%d\",\"room:%d\",\"phx_join\",{}]", i, i, i);
    expect_join(client, "1");
    client_close(client);
    server_end(); /* which waits for all channels */
}

/* ---------------------------------------------------------------- long-poll, events */

static bool is_state(anqa_json frame, anqa_arena *arena)
{
    anqa_str text;

    CHECK_STATUS(anqa_json_to_str(arena, frame, &text), ANQA_OK);
    if (memmem(text.ptr, text.len, "\"phx_reply\"", 11) != NULL ||
        memmem(text.ptr, text.len, "\"presence_diff\"", 15) != NULL)
        return false;
    CHECK_EQ(people_in(anqa_arena_copy(arena, text.ptr, text.len), "room:1"), PEOPLE);
    return true;
}

TEST(a_state_beyond_the_output_limit_reaches_a_long_poll_client)
{
    struct asker asker;
    anqa_arena arena = {0};
    anqa_json_iter it;
    bool came = false;

    begin(&endpoint);
    fill("room:1");
    asker = asker_open("/socket", "vsn=2.0.0");
    CHECK_EQ(asker_post(&asker, "[\"1\",\"1\",\"room:1\",\"phx_join\",{}]"), 200);
    while (!came) {
        anqa_json messages = ANQA_JSON_EMPTY_ARRAY;
        int status = asker_got(&asker, asker_ask(&asker), &messages);
        CHECK(status == 200 || status == 204, "%d", status);
        for (it = anqa_json_each(messages); anqa_json_next(&it);)
            came = is_state(it.value, &arena) || came;
    }
    CHECK_EQ(asker_post(&asker, "[null,\"9\",\"phoenix\",\"heartbeat\",{}]"), 200);
    asker_expect_one(
        &asker, "[null,\"9\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]");
    anqa_arena_done(&arena);
    server_end();
}

TEST(a_state_beyond_the_output_limit_reaches_a_stream_of_events)
{
    static char text[4 << 20];
    size_t len = 0;
    char *state;
    int fd;

    begin(&endpoint);
    fill("room:1");
    fd = request_begin("GET", "/socket/sse?vsn=2.0.0&topic=room:1", "", (anqa_str){NULL, 0});
    while ((state = strstr(text, "\"presence_state\"")) == NULL || strstr(state, "\n\n") == NULL) {
        ssize_t n = recv(fd, text + len, sizeof text - 1 - len, 0);
        CHECK(n > 0, "after %zu bytes", len);
        len += (size_t)n;
    }
    *strstr(state, "\n\n") = '\0';
    while (state > text && state[-1] != '\n')
        state--;
    state = strchr(state, '[');
    CHECK_EQ(people_in(state, "room:1"), PEOPLE);
    close(fd);
    server_end();
}
