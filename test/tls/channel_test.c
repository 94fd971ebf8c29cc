/* WebSockets and channels over TLS: broadcasts, echoes, and readers that are slow. */
#include "tls/town.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/peer.h"

/* ---------------------------------------------------------------- the server */

static anqa_next room_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next room_echo(anqa_socket *socket, anqa_json payload)
{
    return anqa_reply_ok(payload);
}

static const anqa_channel room = {.topic = "room:*",
    .join = room_join,
    .handle_in = (const anqa_event[]){{"echo", room_echo}, {0}}};
static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&room, NULL}};
static const anqa_socket_mount sockets[] = {
    {.path = "/socket", .user_socket = &user_socket, .check_origin = ANQA_ORIGIN_REQUEST}, {0}};
static const anqa_endpoint rooms = {.sockets = sockets};
static const anqa_endpoint patient_rooms = {.sockets = sockets, .max_output_bytes = 64u << 20};

/* ---------------------------------------------------------------- the client */

static int upgrade(struct caller *caller, const char *origin)
{
    char text[512], buf[1024];

    snprintf(text, sizeof text,
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nOrigin: %s\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        origin);
    CHECK(caller_begin(caller, NULL));
    caller_say(caller, text);
    (void)caller_get(caller, "\r\n\r\n", buf, sizeof buf);
    CHECK(strncmp(buf, "HTTP/1.1 ", 9) == 0, "%s", buf);
    return atoi(buf + 9);
}

static void put_frame(struct caller *caller, unsigned opcode, const char *text)
{
    static char frame[1 << 17];
    size_t len = strlen(text), at = 0;

    frame[at++] = (char)(0x80 | opcode);
    if (len < 126) {
        frame[at++] = (char)(0x80 | len);
    } else {
        CHECK(len < 65536);
        frame[at++] = (char)(0x80 | 126);
        frame[at++] = (char)(len >> 8);
        frame[at++] = (char)len;
    }
    memset(frame + at, 0, 4); /* a mask that changes nothing */
    memcpy(frame + at + 4, text, len);
    caller_put(caller, frame, at + 4 + len);
}

static char frame[1 << 17];

/* The next one's payload; its opcode, or -1. */
static int get_frame(struct caller *caller, size_t *ret_len)
{
    unsigned char head[8];
    size_t len;

    if (!caller_read(caller, (char *)head, 2))
        return -1;
    len = head[1];
    if (len == 126) {
        if (!caller_read(caller, (char *)head + 2, 2))
            return -1;
        len = (size_t)head[2] << 8 | head[3];
    }
    CHECK(len < sizeof frame && head[1] != 127);
    if (!caller_read(caller, frame, len))
        return -1;
    frame[len] = '\0';
    *ret_len = len;
    return head[0] & 0x0f;
}

static struct caller join(void)
{
    struct caller caller;
    size_t len;

    CHECK_EQ(upgrade(&caller, "https://localhost"), 101);
    put_frame(&caller, 1, "[\"1\",\"1\",\"room:a\",\"phx_join\",{}]");
    CHECK_EQ(get_frame(&caller, &len), 1);
    CHECK_STR(frame, "[\"1\",\"1\",\"room:a\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]");
    return caller;
}

/* ---------------------------------------------------------------- */

TEST(a_page_of_the_same_site_over_tls_may_open_a_socket)
{
    struct caller caller;

    town_begin(&rooms);
    CHECK_EQ(upgrade(&caller, "https://localhost"), 101);
    caller_end(&caller);
    CHECK_EQ(upgrade(&caller, "http://localhost"), 403);
    caller_end(&caller);
    town_end();
}

static void broadcast(unsigned number, size_t size)
{
    static char text[1 << 16];

    memset(text, 'a' + (int)(number % 26), size);
    text[size] = '\0';
    CHECK_STATUS(anqa_broadcast(anqa_str_of("room:a"), "news",
                     anqa_jsonf("{'n': %u, 'text': %s}", number, text)),
        ANQA_OK);
    (void)anqa_receive(0); /* the end of this event, and of its memory */
}

/* That the frame which came last is broadcast `number`. */
static void check_news(unsigned number, size_t len, size_t size)
{
    char begin[64];

    snprintf(begin, sizeof begin, "[null,null,\"room:a\",\"news\",{\"n\":%u,\"text\":\"", number);
    CHECK(strncmp(frame, begin, strlen(begin)) == 0, "%u: %.100s", number, frame);
    CHECK_EQ(len, strlen(begin) + size + strlen("\"}]"));
    CHECK_EQ(frame[strlen(begin) + size - 1], 'a' + (int)(number % 26));
}

static void check_broadcast(struct caller *caller, unsigned number, size_t size)
{
    size_t len;

    CHECK_EQ(get_frame(caller, &len), 1);
    check_news(number, len, size);
}

TEST(who_is_joined_over_tls_gets_all_broadcasts_in_order)
{
    struct caller callers[8];

    town_begin(&rooms);
    for (size_t i = 0; i < ANQA_COUNT(callers); i++)
        callers[i] = join();
    for (unsigned n = 0; n < 100; n++)
        broadcast(n, 1 + n * 37 % 3000);
    for (size_t i = 0; i < ANQA_COUNT(callers); i++) {
        for (unsigned n = 0; n < 100; n++)
            check_broadcast(&callers[i], n, 1 + n * 37 % 3000);
        caller_leave(&callers[i]);
    }
    town_end();
}

/* What waits for a reader consists of records that are cut anywhere, and of frames that are none yet. */
TEST(who_reads_late_gets_all_in_order_and_its_echoes_among_them)
{
    static const char echoed[] =
        "[\"1\",\"2\",\"room:a\",\"phx_reply\",{\"status\":\"ok\",\"response\":{\"late\":1}}]";
    struct caller caller;
    size_t len, size = 60000;
    unsigned count = 200, echoes = 0;

    town_begin(&patient_rooms);
    caller = join();
    for (unsigned n = 0; n < count; n++)
        broadcast(n, size);
    put_frame(&caller, 1, "[\"1\",\"2\",\"room:a\",\"echo\",{\"late\":1}]");
    for (unsigned n = 0; n < count;) {
        CHECK_EQ(get_frame(&caller, &len), 1);
        if (strcmp(frame, echoed) == 0)
            echoes++;
        else
            check_news(n++, len, size);
    }
    if (echoes == 0) {
        CHECK_EQ(get_frame(&caller, &len), 1);
        CHECK_STR(frame, echoed);
    }
    CHECK(echoes <= 1);
    caller_leave(&caller);
    town_end();
}

static _Atomic(unsigned) slow_count;

static void note_slow(void *ctx, const anqa_telemetry_event *event)
{
    atomic_fetch_add(&slow_count, 1);
}

TEST(who_does_not_read_is_reset_and_the_others_go_on)
{
    struct caller slow, good;
    unsigned n = 0;

    CHECK_STATUS(anqa_telemetry_attach(&(anqa_telemetry_handler){
                     .id = "slow", .pattern = "anqa.http.slow_reader", .run = note_slow}),
        ANQA_OK);
    town_begin(&rooms);
    slow = join();
    good = join();
    for (; n < 2000 && atomic_load(&slow_count) == 0; n++) {
        broadcast(n, 60000);
        check_broadcast(&good, n, 60000);
    }
    CHECK_EQ(atomic_load(&slow_count), 1);
    broadcast(n, 10);
    check_broadcast(&good, n, 10);
    CHECK_EQ(caller_ending(&slow), ENDED_SHORT);
    caller_end(&slow);
    caller_leave(&good);
    town_end();
    (void)anqa_telemetry_detach("slow");
}

TEST(a_close_frame_is_answered_and_followed_by_a_good_bye)
{
    struct caller caller;
    size_t len;

    town_begin(&rooms);
    caller = join();
    put_frame(&caller, 8, "\x03\xe8");
    CHECK_EQ(get_frame(&caller, &len), 8);
    CHECK_EQ(caller_ending(&caller), ENDED_WELL);
    caller_leave(&caller);
    town_end();
}

TEST(who_sends_nothing_but_new_keys_is_ended)
{
    struct caller caller;
    unsigned times = 0;

    town_begin_https(&rooms, &(anqa_https){.min_version = ANQA_TLS_1_3});
    caller = join();
    while (times < 100000 && SSL_key_update(caller.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
           SSL_do_handshake(caller.ssl) == 1)
        times++;
    CHECK(times < 100000);
    CHECK_EQ(caller_ending(&caller), ENDED_SHORT);
    caller_end(&caller);
    town_end();
}
