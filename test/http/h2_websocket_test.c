/* WebSockets, and channels, over streams of HTTP/2 (RFC 8441). */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel/large.h"
#include "http/conn.h"
#include "http/h2_peer.h"
#include "http/site.h"

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

#define LONG 1000000u
#define STATE 4000000u /* ten times what all streams of a `narrow` connection may leave unread */

/* ---------------------------------------------------------------- the site */

static _Atomic(int) open_now, pushed, failed, stated, stated_short;

static void closed(void *arg)
{
    atomic_fetch_sub(&open_now, 1);
}

static void talk_init(anqa_websocket *ws, const void *arg)
{
    atomic_fetch_add(&open_now, 1);
    anqa_defer(closed, NULL);
}

/* 16 KB at a time, until the client has let too much lie, or ends. */
static void flood(anqa_websocket *ws)
{
    static const char block[16384];

    while (anqa_websocket_push(ws, true, anqa_str_make(block, sizeof block)) == ANQA_OK)
        atomic_fetch_add(&pushed, 1);
    atomic_fetch_add(&failed, 1);
}

static void talk_in(anqa_websocket *ws, bool binary, anqa_str data)
{
    if (anqa_str_is(data, "flood"))
        flood(ws);
    else if (anqa_str_is(data, "crash"))
        anqa_exit(anqa_error_reason("as told"));
    else if (anqa_str_is(data, "bye"))
        anqa_websocket_close(ws, 4001, anqa_str_of("bye"));
    else if (data.len == LONG)
        anqa_websocket_push(ws, false, anqa_str_of("long"));
    else
        anqa_websocket_push(ws, binary, data);
}

static const anqa_websocket_handler talk = {
    .init = talk_init, .handle_in = talk_in, .timeout_ms = 60000};
static const anqa_websocket_handler hasty_talk = {
    .init = talk_init, .handle_in = talk_in, .timeout_ms = 1000};

static void plug(anqa_conn *conn, const void *opts)
{
    if (anqa_str_is(conn->request_path, "/hello"))
        anqa_send_text(conn, 200, anqa_str_of("hello"));
    else if (anqa_conn_upgrade_websocket(conn,
                 anqa_str_is(conn->request_path, "/hasty") ? &hasty_talk : &talk,
                 NULL) == ANQA_E_STOPPED)
        atomic_fetch_add(&failed, 1);
}

static anqa_next room_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next room_shout(anqa_socket *socket, anqa_json payload)
{
    ANQA_REQUIRE(anqa_socket_broadcast(socket, "heard", payload) == ANQA_OK);
    return anqa_noreply();
}

/* To whoever has joined, in frames of 4 KB. */
static anqa_next room_flood(anqa_socket *socket, anqa_json payload)
{
    static char text[4096];

    memset(text, 'x', sizeof text - 1);
    for (int64_t i = anqa_json_int(payload, "count", 0); i > 0; i--)
        anqa_socket_push(socket, "flood", anqa_jsonf("{'x': %s}", text));
    return anqa_reply_ok(ANQA_JSON_NULL);
}

/* As a presence pushes its state. */
static anqa_next room_state(anqa_socket *socket, anqa_json payload)
{
    size_t length = (size_t)anqa_json_int(payload, "length", STATE);
    char *text = anqa_heap_alloc(length + 1);

    memset(text, 's', length);
    text[length] = '\0';
    chan_push_large(socket, "state", anqa_jsonf("{'s': %s}", text));
    atomic_fetch_add(length == STATE ? &stated : &stated_short, 1);
    anqa_heap_free(text);
    return anqa_noreply();
}

static const anqa_channel chat_room = {.topic = "room:*",
    .join = room_join,
    .handle_in = (const anqa_event[]){
        {"shout", room_shout}, {"flood", room_flood}, {"state", room_state}, {0}}};

static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&chat_room, NULL}, .log = ANQA_LOG_NONE};

static const anqa_plug plugs[] = {{.call = plug}, {0}};
static const anqa_socket_mount sockets[] = {{.path = "/socket", .user_socket = &user_socket}, {0}};

static const anqa_endpoint usual = {.plugs = plugs, .sockets = sockets, .quiet = true};
static const anqa_endpoint tight = {.plugs = plugs,
    .sockets = sockets,
    .quiet = true,
    .max_output_bytes = 100000,
    .limits = {.write_timeout_ms = 1000}};
static const anqa_endpoint narrow = {.sockets = sockets, .quiet = true, .max_output_bytes = 100000};

/* ---------------------------------------------------------------- the client */

static void put_connect(struct h2_peer *peer, uint32_t stream, const char *path)
{
    h2_put_headers(peer, stream, NGHTTP2_FLAG_END_HEADERS,
        (const char *const[]){":method", "CONNECT", ":protocol", "websocket", ":scheme", "http",
            ":path", path, ":authority", "a", "sec-websocket-version", "13", NULL});
}

static void open_socket(struct h2_peer *peer, uint32_t stream, const char *path)
{
    struct h2_got got;

    put_connect(peer, stream, path);
    h2_wait(peer, NGHTTP2_HEADERS, stream, &got);
    CHECK(strncmp(got.text, ":status: 200\n", 13) == 0, "%s", got.text);
    CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) == 0);
    CHECK(!has(got.text, "accept") && !has(got.text, "upgrade"), "%s", got.text);
}

static struct h2_peer begin(const anqa_endpoint *endpoint)
{
    struct h2_peer peer;

    site_begin_endpoint(endpoint);
    peer = h2_dial(site_port());
    CHECK(h2_is_alive(&peer));
    return peer;
}

static void end(struct h2_peer *peer)
{
    h2_hang_up(peer);
    site_end();
}

/* A frame with a mask that changes nothing. */
static size_t make_frame(char *to, unsigned opcode, const char *text, size_t len)
{
    CHECK(len < 126);
    to[0] = (char)(0x80 | opcode);
    to[1] = (char)(0x80 | len);
    memset(to + 2, 0, 4);
    memcpy(to + 6, text, len);
    return 6 + len;
}

static void say_as(struct h2_peer *peer, uint32_t stream, unsigned opcode, const char *text)
{
    char frame[256];
    size_t len = make_frame(frame, opcode, text, strlen(text));

    h2_put(peer, NGHTTP2_DATA, 0, stream, frame, len);
}

static void say(struct h2_peer *peer, uint32_t stream, const char *text)
{
    say_as(peer, stream, TEXT, text);
}

/* The next DATA of that stream is one short frame. */
static void hear_as(struct h2_peer *peer, uint32_t stream, unsigned opcode, const char *text)
{
    struct h2_got got;

    h2_wait(peer, NGHTTP2_DATA, stream, &got);
    CHECK_EQ((unsigned char)got.text[0], 0x80 | opcode);
    if (got.text[1] == 126) /* two bytes of length */
        CHECK_STR(got.text + 4, text);
    else
        CHECK_STR(got.text + 2, text);
}

static void hear(struct h2_peer *peer, uint32_t stream, const char *text)
{
    hear_as(peer, stream, TEXT, text);
}

static void wait_until(_Atomic(int) *number, int wanted)
{
    while (atomic_load(number) != wanted)
        usleep(1000);
}

/* ---------------------------------------------------------------- WebSockets */

TEST(a_websocket_is_a_stream_beside_others)
{
    struct h2_peer peer = begin(&usual);
    char frame[256];
    size_t len;

    open_socket(&peer, 1, "/talk");
    open_socket(&peer, 3, "/talk");
    say(&peer, 1, "one");
    hear(&peer, 1, "one");
    len = make_frame(frame, TEXT, "in pieces", 9);
    for (size_t i = 0; i < len; i++) /* frames of both have nothing to do with each other */
        h2_put(&peer, NGHTTP2_DATA, 0, 3, frame + i, 1);
    hear(&peer, 3, "in pieces");
    say_as(&peer, 1, PING, "still there?");
    hear_as(&peer, 1, PONG, "still there?");
    h2_get(&peer, 5, "/hello");
    CHECK_STR(h2_read(&peer, 5)->body, "hello");
    end(&peer);
    wait_until(&open_now, 0);
}

TEST(both_sides_close_a_websocket_and_its_stream)
{
    struct h2_peer peer = begin(&usual);
    struct h2_got got;

    open_socket(&peer, 1, "/talk");
    say_as(&peer, 1, CLOSE, "\x03\xe8");
    h2_wait(&peer, NGHTTP2_DATA, 1, &got);
    CHECK_STR(got.text, "\x88\x02\x03\xe8");
    CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) != 0);
    h2_put(&peer, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, NULL, 0);
    wait_until(&open_now, 0);
    open_socket(&peer, 3, "/talk");
    say(&peer, 3, "bye");
    hear_as(&peer, 3, CLOSE,
        "\x0f\xa1"
        "bye");
    say_as(&peer, 3, CLOSE, "\x0f\xa1");
    h2_put(&peer, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, NULL, 0);
    wait_until(&open_now, 0);
    CHECK(h2_is_alive(&peer));
    end(&peer);
}

TEST(the_end_of_a_stream_in_whatever_way_ends_its_websocket)
{
    struct h2_peer peer = begin(&usual);

    open_socket(&peer, 1, "/talk");
    open_socket(&peer, 3, "/talk");
    open_socket(&peer, 5, "/talk");
    open_socket(&peer, 7, "/talk");
    say(&peer, 7, "hello"); /* its `init` has run by then, and those of the others */
    hear(&peer, 7, "hello");
    CHECK_EQ(atomic_load(&open_now), 4);
    h2_reset(&peer, 1, NGHTTP2_CANCEL);
    wait_until(&open_now, 3);
    h2_put(&peer, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, NULL, 0);
    wait_until(&open_now, 2);
    say(&peer, 5, "crash");
    CHECK(h2_read(&peer, 5)->reset);
    wait_until(&open_now, 1);
    say(&peer, 7, "still here");
    hear(&peer, 7, "still here");
    h2_hang_up(&peer);
    wait_until(&open_now, 0);
    site_end();
}

TEST(a_message_longer_than_the_window_comes_through)
{
    static const char head[] = "\x81\xff\0\0\0\0\0\x0f\x42\x40\0\0\0\0"; /* LONG, and the mask */
    static char part[10001];
    struct h2_peer peer = begin(&usual);
    struct h2_got got;
    size_t room = 250000;

    memset(part, 'p', 10000);
    open_socket(&peer, 1, "/talk");
    h2_put(&peer, NGHTTP2_DATA, 0, 1, head, sizeof head - 1);
    for (size_t sent = 0; sent < LONG; sent += 10000, room -= 10000) {
        h2_put(&peer, NGHTTP2_DATA, 0, 1, part, 10000);
        while (room <= 20000) {
            h2_next(&peer, &got);
            CHECK(!got.over);
            room += got.stream == 1 ? got.increment : 0;
        }
    }
    hear(&peer, 1, "long");
    end(&peer);
}

/* Sends the beginning of a frame of 9.9 MB, without its last byte. False: the server has closed the socket. */
static bool send_most_of_a_frame(struct h2_peer *peer, uint32_t stream)
{
    static const char head[] =
        "\x81\xff\0\0\0\0\0\x97\x0f\xe0\0\0\0\0"; /* 9,900,000, and the mask */
    static char part[9999];
    struct h2_got got = {.type = NGHTTP2_SETTINGS};
    size_t room = 250000;

    h2_put(peer, NGHTTP2_DATA, 0, stream, head, sizeof head - 1);
    for (unsigned i = 0; i < 990; i++, room -= sizeof part) {
        h2_put(peer, NGHTTP2_DATA, 0, stream, part, sizeof part);
        while (room <= 20000) {
            h2_next(peer, &got);
            CHECK(!got.over);
            if (got.type == NGHTTP2_DATA && got.stream == stream) {
                CHECK_EQ((unsigned char)got.text[0], 0x80 | CLOSE);
                CHECK_EQ((unsigned char)got.text[2] << 8 | (unsigned char)got.text[3], 1009);
                return false;
            }
            room += got.stream == stream ? got.increment : 0;
        }
    }
    return true;
}

TEST(unfinished_frames_of_all_websockets_of_a_connection_have_a_bound)
{
    struct h2_peer peer = begin(&usual);
    unsigned whole = 0;

    open_socket(&peer, 1, "/talk");
    for (uint32_t i = 1; i <= 8; i++)
        open_socket(&peer, 1 + 2 * i, "/talk");
    while (whole < 8 && send_most_of_a_frame(&peer, 3 + 2 * whole))
        whole++;
    CHECK(whole >= 1 && whole < 4, "%u", whole);
    say(&peer, 1, "still here");
    hear(&peer, 1, "still here");
    end(&peer);
}

TEST(a_websocket_that_is_silent_for_too_long_is_closed)
{
    struct h2_peer peer = begin(&usual);

    open_socket(&peer, 1, "/hasty");
    hear_as(&peer, 1, CLOSE, "\x03\xea"); /* 1002 */
    end(&peer);
}

static const struct {
    const char *name;
    const char *fields[14];
    unsigned status;
} refused[] = {
    {"no version",
        {":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/talk",
            ":authority", "a"},
        400},
    {"another protocol",
        {":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "http", ":path", "/talk",
            ":authority", "a"},
        501},
    {"a GET that asks for none",
        {":method", "GET", ":scheme", "http", ":path", "/talk", ":authority", "a"}, 400},
};

TEST(who_does_not_ask_as_rfc_8441_says_gets_none)
{
    struct h2_peer peer = begin(&usual);

    for (uint32_t i = 0; i < ANQA_COUNT(refused); i++) {
        h2_put_headers(&peer, 1 + 2 * i, NGHTTP2_FLAG_END_HEADERS, refused[i].fields);
        CHECK_EQ(h2_read(&peer, 1 + 2 * i)->status, refused[i].status, "%s", refused[i].name);
    }
    end(&peer);
}

/* ---------------------------------------------------------------- channels */

#define SOCKET "/socket/websocket?vsn=2.0.0"

static void join(struct h2_peer *peer, uint32_t stream)
{
    open_socket(peer, stream, SOCKET);
    say(peer, stream, "[\"1\",\"1\",\"room:a\",\"phx_join\",{}]");
    hear(
        peer, stream, "[\"1\",\"1\",\"room:a\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]");
}

TEST(channels_of_several_sockets_share_a_connection)
{
    struct h2_peer peer = begin(&usual);

    join(&peer, 1);
    join(&peer, 3);
    say(&peer, 1, "[\"1\",\"2\",\"room:a\",\"shout\",{\"n\":1}]");
    for (unsigned i = 0; i < 2; i++) {
        struct h2_got got;
        do
            h2_next(&peer, &got);
        while (got.type != NGHTTP2_DATA);
        CHECK(has(got.text, "[null,null,\"room:a\",\"heard\",{\"n\":1}]"), "%s", got.text + 2);
    }
    end(&peer);
}

TEST(a_drain_tells_sockets_over_streams_to_come_back)
{
    struct h2_peer peer = begin(&usual);
    struct h2_got got;

    join(&peer, 1);
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = site_stop}, NULL, NULL), ANQA_OK);
    do
        h2_wait(&peer, NGHTTP2_DATA, 1, &got);
    while ((got.text[0] & 15) != CLOSE);
    CHECK_STR(got.text + 2, "\x03\xf4"); /* 1012 */
    say_as(&peer, 1, CLOSE, "\x03\xf4");
    h2_put(&peer, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, NULL, 0);
    (void)h2_read_end(&peer);
    end(&peer);
}

/* ---------------------------------------------------------------- slow readers */

TEST(what_a_websocket_writes_waits_for_the_window_or_is_given_up)
{
    struct h2_peer peer = begin(&tight);

    h2_open_window(&peer, 0, 1u << 20);
    open_socket(&peer, 1, "/talk");
    open_socket(&peer, 3, "/talk");
    say(&peer, 1, "flood"); /* waits, as all that are asked to send: the window is 64 KiB */
    wait_until(&failed, 1);
    CHECK(atomic_load(&pushed) < 10, "%d", atomic_load(&pushed));
    say(&peer, 3, "still here");
    hear(&peer, 3, "still here");
    end(&peer);
}

TEST(a_socket_whose_client_reads_too_slowly_is_reset_and_its_neighbours_are_not)
{
    const struct h2_answer *answer;
    struct h2_peer peer = begin(&tight);

    h2_setting(&peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1000);
    join(&peer, 1);
    join(&peer, 3);
    say(&peer, 1, "[\"1\",\"2\",\"room:a\",\"flood\",{\"count\":50}]");
    do {
        answer = h2_read(&peer, 1);
    } while (!answer->reset && !answer->over);
    CHECK(answer->reset);
    CHECK_EQ(answer->error, NGHTTP2_CANCEL);
    say(&peer, 3, "[\"1\",\"2\",\"room:a\",\"flood\",{\"count\":0}]");
    hear(&peer, 3, "[\"1\",\"2\",\"room:a\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]");
    end(&peer);
}

#define FLOODED 16u

/* Streams 1, 3, ... */
static struct h2_peer begin_joined(const anqa_endpoint *endpoint, uint32_t count)
{
    struct h2_peer peer = begin(endpoint);

    for (uint32_t i = 0; i < count; i++)
        join(&peer, 1 + 2 * i);
    return peer;
}

static void set_windows(struct h2_peer *peer, uint32_t size)
{
    h2_setting(peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, size);
    CHECK(h2_is_alive(peer));
}

/* 90 KB to each of FLOODED streams from that one on, less than one alone may leave unread: some of them are reset, and no other. */
static void flood_all(struct h2_peer *peer, uint32_t first)
{
    unsigned resets = 0;
    struct h2_got got;

    for (uint32_t i = 0; i < FLOODED; i++)
        say(peer, first + 2 * i, "[\"1\",\"2\",\"room:a\",\"flood\",{\"count\":22}]");
    do {
        h2_next(peer, &got);
        CHECK(!got.over);
        if (got.type == NGHTTP2_RST_STREAM) {
            CHECK(got.stream >= first, "%u", got.stream);
            resets++;
        }
    } while (resets < 2);
}

TEST(all_streams_together_may_leave_only_so_much_unread)
{
    struct h2_peer peer = begin_joined(&tight, FLOODED);

    set_windows(&peer, 0);
    flood_all(&peer, 1);
    h2_hang_up(&peer);
    site_end();
}

/* ---------------------------------------------------------------- states longer than that */

static void ask_state(struct h2_peer *peer, uint32_t stream)
{
    int before = atomic_load(&stated);

    say(peer, stream, "[\"1\",\"2\",\"room:a\",\"state\",{}]");
    wait_until(&stated, before + 1);
}

/* One message, whole; frames of other streams are read over. */
static void read_state(struct h2_peer *peer, uint32_t stream)
{
    static const char head[] = "[\"1\",null,\"room:a\",\"state\",{\"s\":\"ssss";
    size_t wanted = 10 + sizeof head - 1 - 4 + STATE + 3, len = 0;
    struct h2_got got = {0};

    while (len < wanted) {
        h2_wait(peer, NGHTTP2_DATA, stream, &got);
        if (len == 0) {
            CHECK(memcmp(got.text, "\x81\x7f\0\0\0\0", 6) == 0);
            CHECK(strncmp(got.text + 10, head, sizeof head - 1) == 0, "%.40s", got.text + 10);
        } else if (got.len > 3) {
            CHECK(got.text[0] == 's', "%.40s at %zu", got.text, len);
        }
        len += got.len;
        h2_open_window(peer, 0, got.len);
        h2_open_window(peer, stream, got.len);
    }
    CHECK_EQ(len, wanted);
}

TEST(a_state_longer_than_all_streams_may_leave_unread_reaches_a_socket_over_a_stream)
{
    struct h2_peer peer = begin_joined(&narrow, 2);

    for (unsigned i = 0; i < 2; i++) {
        ask_state(&peer, 1);
        read_state(&peer, 1);
        say(&peer, 3, "[\"1\",\"3\",\"room:a\",\"flood\",{\"count\":0}]");
        hear(
            &peer, 3, "[\"1\",\"3\",\"room:a\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]");
    }
    end(&peer);
}

TEST(a_state_that_waits_is_its_streams_alone_and_comes_when_others_were_reset)
{
    struct h2_peer peer = begin_joined(&narrow, 1 + FLOODED);

    set_windows(&peer, 0);
    ask_state(&peer, 1);
    flood_all(&peer, 3);
    h2_setting(&peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535);
    h2_open_window(
        &peer, 0, 16u << 20); /* for what others were sent, too, that is not opened again */
    read_state(&peer, 1);
    end(&peer);
}

TEST(when_a_state_has_gone_streams_may_leave_as_much_unread_as_before)
{
    struct h2_peer peer = begin_joined(&narrow, 1 + FLOODED);

    ask_state(&peer, 1);
    read_state(&peer, 1);
    set_windows(&peer, 0);
    flood_all(&peer, 3);
    end(&peer);
}

TEST(when_a_client_has_given_up_a_state_streams_may_leave_as_much_unread_as_before)
{
    struct h2_peer peer = begin_joined(&narrow, 1 + FLOODED);

    set_windows(&peer, 0);
    ask_state(&peer, 1);
    h2_reset(&peer, 1, NGHTTP2_CANCEL);
    CHECK(h2_is_alive(&peer));
    flood_all(&peer, 3);
    end(&peer);
}

#define GRANTED (CONN_ALLOW_MAX / (STATE + (64u << 10)))

/* Each stream alone may have one of STATE wait. */
TEST(states_that_wait_for_all_streams_of_a_connection_have_a_bound)
{
    struct h2_peer peer = begin_joined(&narrow, GRANTED + 2);
    uint32_t beyond = 1 + 2 * GRANTED;

    set_windows(&peer, 0);
    for (uint32_t i = 0; i < GRANTED; i++)
        ask_state(&peer, 1 + 2 * i);
    say(&peer, beyond, "[\"1\",\"2\",\"room:a\",\"state\",{}]");
    for (int i = 1; i <= 10; i++) { /* a short one has its place beside them */
        say(&peer, beyond + 2, "[\"1\",\"2\",\"room:a\",\"state\",{\"length\":1}]");
        wait_until(&stated_short, i);
        usleep(10000);
    }
    CHECK_EQ(atomic_load(&stated), (int)GRANTED);
    h2_open_window(&peer, 0, 16u << 20);
    h2_open_window(&peer, 1, 65535);
    read_state(&peer, 1);
    wait_until(&stated, GRANTED + 1);
    h2_open_window(&peer, beyond, 65535);
    read_state(&peer, beyond);
    end(&peer);
}
