/* HTTP/2: clients that want too much, and how connections end. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/h2_peer.h"
#include "http/site.h"

#define END_BOTH (NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM)
#define BIG 4000000u

/* ---------------------------------------------------------------- the site */

static _Atomic(bool) gate;
static _Atomic(int) waiting, most_waiting, served, closed;

static void wait_for_gate(anqa_conn *conn)
{
    int now = atomic_fetch_add(&waiting, 1) + 1;

    if (now > atomic_load(&most_waiting))
        atomic_store(&most_waiting, now);
    while (!atomic_load(&gate))
        anqa_sleep(2);
    atomic_fetch_sub(&waiting, 1);
    anqa_send_text(conn, 200, anqa_str_of("waited"));
}

static void send_big(anqa_conn *conn)
{
    char *big = anqa_arena_alloc(anqa_tmp(), BIG);

    memset(big, 'b', BIG);
    if (anqa_send_text(conn, 200, anqa_str_make(big, BIG)) == ANQA_E_CLOSED)
        atomic_fetch_add(&closed, 1);
}

static void echo(anqa_conn *conn)
{
    anqa_str body;

    if (anqa_conn_read_body(conn, NULL, &body, NULL) == ANQA_OK)
        anqa_send_text(conn, 200, body);
    else
        anqa_conn_halt(conn); /* what is answered says why */
}

/* Ends before its answer has gone out. */
static void send_and_die(anqa_conn *conn)
{
    wait_for_gate(conn);
    anqa_exit_signal(anqa_self(), ANQA_KILL);
}

static void plug(anqa_conn *conn, const void *opts)
{
    atomic_fetch_add(&served, 1);
    if (anqa_str_is(conn->request_path, "/wait"))
        wait_for_gate(conn);
    else if (anqa_str_is(conn->request_path, "/big"))
        send_big(conn);
    else if (anqa_str_is(conn->request_path, "/die"))
        send_and_die(conn);
    else if (anqa_str_is(conn->request_path, "/echo"))
        echo(conn);
    else if (anqa_str_is(conn->request_path, "/close"))
        anqa_conn_put_close(conn);
    if (conn->state == ANQA_CONN_UNSET && !conn->halted)
        anqa_send_text(conn, 200, anqa_str_of("hello"));
}

static const anqa_plug plugs[] = {{.call = plug}, {0}};

static const anqa_endpoint usual = {.plugs = plugs, .quiet = true};

static const anqa_endpoint strict = {.plugs = plugs,
    .quiet = true,
    .limits = {.request_line_bytes = 100,
        .header_bytes = 1000,
        .headers = 10,
        .body_bytes = 500,
        .request_timeout_ms = 1000,
        .idle_timeout_ms = 1000,
        .write_timeout_ms = 1000,
        .streams = 8}};

static struct h2_peer begin(const anqa_endpoint *endpoint)
{
    struct h2_peer peer;

    site_begin_endpoint(endpoint);
    peer = h2_dial(site_port());
    CHECK(h2_is_alive(&peer)); /* the settings are agreed on */
    return peer;
}

static void end(struct h2_peer *peer)
{
    atomic_store(&gate, true);
    h2_hang_up(peer);
    site_end();
}

/* Also after a hostile client others are served. */
static void end_and_check(struct h2_peer *peer)
{
    struct h2_peer other = h2_dial(site_port());

    h2_get(&other, 1, "/");
    CHECK_STR(h2_read(&other, 1)->body, "hello");
    h2_hang_up(&other);
    end(peer);
}

static void wait_until(_Atomic(int) *number, int wanted)
{
    while (atomic_load(number) != wanted)
        usleep(1000);
}

/* ---------------------------------------------------------------- streams */

TEST(more_streams_than_agreed_end_the_connection)
{
    struct h2_peer peer = begin(&strict);

    for (uint32_t i = 0; i < 8; i++)
        h2_get(&peer, 1 + 2 * i, "/wait");
    wait_until(&waiting, 8);
    h2_get(&peer, 17, "/wait");
    CHECK_EQ(h2_read_end(&peer), NGHTTP2_PROTOCOL_ERROR);
    end_and_check(&peer);
}

TEST(streams_that_were_reset_count_as_long_as_they_are_served)
{
    const struct h2_answer *answer;
    struct h2_peer peer = begin(&strict);

    for (uint32_t i = 0; i < 8; i++)
        h2_get(&peer, 1 + 2 * i, "/wait");
    wait_until(&waiting, 8);
    for (uint32_t i = 0; i < 8; i++)
        h2_reset(&peer, 1 + 2 * i, NGHTTP2_CANCEL);
    h2_get(&peer, 17, "/wait");
    answer = h2_read(&peer, 17);
    CHECK(answer->reset);
    CHECK_EQ(answer->error, NGHTTP2_REFUSED_STREAM);
    atomic_store(&gate, true);
    wait_until(&waiting, 0);
    CHECK_EQ(atomic_load(&most_waiting), 8);
    CHECK(h2_is_alive(&peer));
    for (uint32_t id = 19; h2_get(&peer, id, "/"), h2_read(&peer, id)->reset; id += 2)
        usleep(1000); /* until the first of them have ended */
    end(&peer);
}

TEST(who_asks_and_resets_again_and_again_is_told_to_calm_down)
{
    struct h2_peer peer = begin(&usual);

    for (uint32_t i = 0; i < 2000; i++) {
        h2_get(&peer, 1 + 2 * i, "/wait");
        h2_reset(&peer, 1 + 2 * i, NGHTTP2_CANCEL);
    }
    CHECK_EQ(h2_read_end(&peer), NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK(atomic_load(&most_waiting) <= 100, "%d", atomic_load(&most_waiting));
    end_and_check(&peer);
}

TEST(who_cancels_now_and_then_is_served)
{
    struct h2_peer peer = begin(&usual);
    uint32_t id = 1;

    for (unsigned i = 0; i < 300; i++, id += 2) { /* a page of many pictures that is left */
        h2_get(&peer, id, "/big");
        h2_reset(&peer, id, NGHTTP2_CANCEL);
    }
    for (h2_get(&peer, id, "/"); h2_read(&peer, id)->reset; h2_get(&peer, id, "/"))
        id += 2; /* while those that were reset are still here */
    end(&peer);
}

/* ---------------------------------------------------------------- floods */

static void flood_pings(struct h2_peer *peer)
{
    h2_put(peer, NGHTTP2_PING, 0, 0, "01234567", 8);
}

static void flood_settings(struct h2_peer *peer)
{
    h2_put(peer, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static void flood_priorities(struct h2_peer *peer)
{
    h2_put(peer, NGHTTP2_PRIORITY, 0, 1001, "\0\0\0\0\1", 5);
}

static void flood_empty_data(struct h2_peer *peer)
{
    h2_put(peer, NGHTTP2_DATA, 0, 1, NULL, 0);
}

static void flood_padding(struct h2_peer *peer)
{
    h2_put(peer, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "\3\0\0\0", 4);
}

static void flood_updates(struct h2_peer *peer)
{
    h2_open_window(peer, 1, 1);
}

static void flood_malformed(struct h2_peer *peer)
{
    static uint32_t id = 3;

    h2_put_headers(peer, id, END_BOTH, (const char *const[]){"x", "y", NULL});
    id += 2;
}

static const struct {
    const char *name;
    void (*flood)(struct h2_peer *peer);
} floods[] = {
    {"pings", flood_pings},
    {"settings", flood_settings},
    {"priorities", flood_priorities},
    {"empty data", flood_empty_data},
    {"padding", flood_padding},
    {"window updates", flood_updates},
    {"malformed requests", flood_malformed},
};

TEST(frames_that_cost_the_client_nothing_are_counted)
{
    site_begin_endpoint(&usual);
    for (size_t i = 0; i < ANQA_COUNT(floods); i++) {
        struct h2_peer peer = h2_dial(site_port());
        h2_post(&peer, 1, "/echo");
        for (unsigned j = 0; j < 2000; j++)
            floods[i].flood(&peer);
        CHECK_EQ(h2_read_end(&peer), NGHTTP2_ENHANCE_YOUR_CALM, "%s", floods[i].name);
        h2_hang_up(&peer);
    }
    site_end();
}

TEST(as_many_window_updates_as_data_frames_are_no_flood)
{
    struct h2_peer peer = begin(&usual);

    for (uint32_t i = 0; i < 6; i++) { /* h2_read opens both windows for each frame */
        h2_get(&peer, 1 + 2 * i, "/big");
        CHECK_EQ(h2_read(&peer, 1 + 2 * i)->len, BIG);
    }
    end(&peer);
}

/* ---------------------------------------------------------------- heads */

#define NINE \
    "a", "1", "b", "2", "c", "3", "d", "4", "e", "5", "f", "6", "g", "7", "h", "8", "i", "9"
#define GET_A ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"

TEST(a_head_beyond_its_limits_is_answered_431_or_414)
{
    static char path[102] = "/", value[1001];
    struct h2_peer peer = begin(&strict);

    h2_put_headers(&peer, 1, END_BOTH, (const char *const[]){GET_A, NINE, NULL}); /* and Host */
    CHECK_EQ(h2_read(&peer, 1)->status, 200);
    h2_put_headers(&peer, 3, END_BOTH, (const char *const[]){GET_A, NINE, "j", "10", NULL});
    CHECK_EQ(h2_read(&peer, 3)->status, 431);
    memset(path + 1, 'p', 99);
    h2_get(&peer, 5, path);
    CHECK_EQ(h2_read(&peer, 5)->status, 200);
    path[100] = 'p';
    h2_get(&peer, 7, path);
    CHECK_EQ(h2_read(&peer, 7)->status, 414);
    memset(value, 'v', 800);
    h2_put_headers(&peer, 9, END_BOTH, (const char *const[]){GET_A, "x", value, NULL});
    CHECK_EQ(h2_read(&peer, 9)->status, 200);
    memset(value, 'v', 1000);
    h2_put_headers(&peer, 11, END_BOTH, (const char *const[]){GET_A, "x", value, NULL});
    CHECK_EQ(h2_read(&peer, 11)->status, 431);
    h2_put_headers(&peer, 13, END_BOTH, /* crumbs of one cookie are one field */
        (const char *const[]){GET_A, "a", "1", "b", "2", "c", "3", "d", "4", "cookie", "e=5",
            "cookie", "f=6", "cookie", "g=7", "cookie", "h=8", "cookie", "i=9", "cookie", "j=10",
            NULL});
    CHECK_EQ(h2_read(&peer, 13)->status, 200);
    memset(value, 'v', 450); /* which count as if they had come in one */
    value[450] = '\0';
    h2_put_headers(
        &peer, 15, END_BOTH, (const char *const[]){GET_A, "cookie", value, "cookie", value, NULL});
    CHECK_EQ(h2_read(&peer, 15)->status, 200);
    h2_put_headers(&peer, 17, END_BOTH,
        (const char *const[]){GET_A, "cookie", value, "cookie", value, "cookie", value, NULL});
    CHECK_EQ(h2_read(&peer, 17)->status, 431);
    end(&peer);
}

TEST(fields_that_hpack_makes_of_nothing_are_bounded)
{
    static char value[2901];
    struct h2_peer peer = begin(&usual);
    char refs[H2_PEER_FRAME];

    memset(value, 'v', 2900);
    h2_put_headers(&peer, 1, END_BOTH, (const char *const[]){GET_A, "x", value, NULL});
    CHECK_EQ(h2_read(&peer, 1)->status, 200);
    memset(
        refs, 0x80 | 62, sizeof refs); /* the newest of the dynamic table, 3 KB of it each time */
    h2_put(&peer, NGHTTP2_HEADERS, END_BOTH, 3, refs, sizeof refs);
    CHECK_EQ(h2_read_end(&peer), NGHTTP2_ENHANCE_YOUR_CALM);
    end_and_check(&peer);
}

TEST(continuations_without_end_close_the_connection)
{
    struct h2_peer peer = begin(&usual);

    h2_put(&peer, NGHTTP2_HEADERS, 0, 1, "", 0);
    for (unsigned i = 0; i < 1000; i++)
        h2_put(&peer, NGHTTP2_CONTINUATION, 0, 1, "", 0);
    CHECK(h2_read_end(&peer) > 0);
    end_and_check(&peer);
}

#define CLOCKS 6 /* enough that some are on each scheduler */

/* Dials some that come with a part of a head, or with none, and waits until they are sent away for that. */
static void wait_for_head_time(bool part, int64_t error)
{
    struct h2_peer slow[CLOCKS];

    for (unsigned i = 0; i < CLOCKS; i++) {
        slow[i] = h2_dial(site_port());
        CHECK(h2_is_alive(&slow[i])); /* the settings are agreed on */
        if (part)
            h2_put(&slow[i], NGHTTP2_HEADERS, 0, 1, "\x82", 1);
    }
    for (unsigned i = 0; i < CLOCKS; i++) {
        CHECK_EQ(h2_read_end(&slow[i]), error);
        h2_hang_up(&slow[i]);
    }
}

TEST(a_head_that_does_not_come_in_time_ends_the_connection_and_a_malformed_one_does_not_count)
{
    static const char *const malformed[] = {":method", "GET", ":scheme", "http", ":path", "/",
        ":authority", "a", "connection", "close", NULL};
    struct h2_peer peer = begin(&strict);
    struct h2_got got;

    h2_get(&peer, 1, "/wait");
    wait_until(&waiting, 1);
    h2_put_headers(&peer, 3, NGHTTP2_FLAG_END_STREAM, malformed);
    h2_wait(&peer, NGHTTP2_RST_STREAM, 3, &got);
    wait_for_head_time(true, NGHTTP2_ENHANCE_YOUR_CALM);
    atomic_store(&gate, true);
    CHECK_EQ(h2_read(&peer, 1)->status, 200);
    end(&peer);
}

static const anqa_endpoint quick_head = {.plugs = plugs,
    .quiet = true,
    .limits = {.request_timeout_ms = 1000, .idle_timeout_ms = 600000}};

TEST(an_answer_gives_a_head_that_has_begun_no_more_time)
{
    struct h2_peer peer = begin(&quick_head);
    struct h2_got got;

    h2_get(&peer, 1, "/wait");
    wait_until(&waiting, 1);
    h2_put(&peer, NGHTTP2_HEADERS, 0, 3, "\x82", 1);
    usleep(100000); /* else the answer may have gone before it came: right, and of no use here */
    atomic_store(&gate, true);
    h2_wait(&peer, NGHTTP2_DATA, 1, &got); /* as it is: a frame of ours would break the head */
    CHECK_EQ(got.flags, NGHTTP2_FLAG_END_STREAM);
    CHECK_EQ(h2_read_end(&peer), NGHTTP2_ENHANCE_YOUR_CALM);
    end(&peer);
}

/* ---------------------------------------------------------------- bodies */

TEST(a_body_beyond_its_limit_is_answered_413)
{
    static char part[502];
    struct h2_peer peer = begin(&strict);

    memset(part, 'p', 500);
    h2_post(&peer, 1, "/echo");
    h2_data(&peer, 1, part, true);
    CHECK_EQ(h2_read(&peer, 1)->len, 500);
    part[500] = 'p';
    h2_post(&peer, 3, "/echo");
    h2_data(&peer, 3, part, true);
    CHECK_EQ(h2_read(&peer, 3)->status, 413);
    end(&peer);
}

/* What nobody reads is bounded for all streams together, too. */
TEST(bodies_that_nobody_reads_keep_the_window_of_the_connection_shut)
{
    static char part[H2_PEER_FRAME + 1];
    struct h2_peer peer = begin(&usual);
    size_t room = 1u << 20;
    struct h2_got got;

    memset(part, 'p', H2_PEER_FRAME);
    h2_get(&peer, 1, "/"); /* behind it no update of the beginning is on its way */
    CHECK_EQ(h2_read(&peer, 1)->status, 200);
    for (uint32_t id = 3; room > 0; id += 2) {
        h2_post(&peer, id, "/wait");
        for (unsigned i = 0; i < 8; i++, room -= H2_PEER_FRAME)
            h2_data(&peer, id, part, false);
    }
    h2_post(&peer, 101, "/wait");
    h2_data(&peer, 101, "x", false);
    do
        h2_next(&peer, &got);
    while (!got.over && got.type != NGHTTP2_GOAWAY && got.type != NGHTTP2_WINDOW_UPDATE);
    CHECK_EQ(got.type, NGHTTP2_GOAWAY);
    CHECK_EQ(got.error, NGHTTP2_FLOW_CONTROL_ERROR);
    end_and_check(&peer);
}

/* Sends bytes of a body until all of the answer has come. */
static void send_until_answered(struct h2_peer *peer, uint32_t stream)
{
    struct h2_got got;

    h2_wait(peer, NGHTTP2_HEADERS, stream, &got);
    do {
        h2_data(peer, stream, "x", false);
        usleep(100000);
    } while (recv(peer->fd, &got, 1, MSG_PEEK | MSG_DONTWAIT) < 0 ||
             (h2_next(peer, &got), got.type != NGHTTP2_DATA));
    CHECK_STR(got.text, "hello");
    CHECK((got.flags & NGHTTP2_FLAG_END_STREAM) != 0);
}

TEST(who_sends_its_body_by_bytes_does_not_hold_the_answer_beyond_the_time_of_a_write)
{
    static const char *const fields[] = {":method", "POST", ":scheme", "http", ":path", "/",
        ":authority", "a", "content-length", "500", NULL};
    struct h2_peer peer = begin(&strict);

    h2_put_headers(&peer, 1, NGHTTP2_FLAG_END_HEADERS, fields);
    send_until_answered(&peer, 1);
    end(&peer);
}

static const anqa_endpoint patient = {
    .plugs = plugs, .quiet = true, .limits = {.write_timeout_ms = 600000}};

TEST(a_body_that_does_not_say_how_long_it_is_holds_the_answer_for_a_moment_only)
{
    struct h2_peer peer = begin(&patient);

    h2_post(&peer, 1, "/");
    send_until_answered(&peer, 1);
    end(&peer);
}

/* ---------------------------------------------------------------- slow readers */

TEST(a_client_that_opens_its_window_by_bytes_is_reset)
{
    struct h2_peer peer = begin(&strict);
    const struct h2_answer *answer;

    h2_setting(&peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1);
    h2_get(&peer, 1, "/big");
    for (unsigned i = 0; i < 30 && atomic_load(&closed) == 0; i++) {
        usleep(100000);
        h2_open_window(&peer, 1, 1);
    }
    answer = h2_read(&peer, 1);
    CHECK(answer->reset && answer->len < 100, "%zu", answer->len);
    CHECK_EQ(answer->error, NGHTTP2_CANCEL);
    wait_until(&closed, 1);
    end(&peer);
}

TEST(a_stream_that_waits_for_others_is_not_reset)
{
    struct h2_peer peer = begin(&strict);
    struct h2_got got;

    h2_setting(&peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1u << 20);
    for (uint32_t i = 0; i < 4; i++)
        h2_get(&peer, 1 + 2 * i, "/big");
    for (unsigned i = 0; i < 7;
        i++) { /* less than a stream must take in a second, more than all must */
        usleep(250000);
        h2_open_window(&peer, 0, 1000);
    }
    h2_put(&peer, NGHTTP2_PING, 0, 0, "01234567", 8);
    do {
        h2_next(&peer, &got);
        CHECK(!got.over && got.type != NGHTTP2_RST_STREAM);
    } while (got.type != NGHTTP2_PING);
    end(&peer);
}

TEST(the_rest_of_an_answer_is_not_kept_for_ever)
{
    struct h2_peer peer = begin(&strict);
    struct h2_got got;

    h2_setting(&peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1);
    h2_get(&peer, 1, "/");
    h2_wait(&peer, NGHTTP2_DATA, 1, &got);
    CHECK_STR(got.text, "h");
    h2_wait(&peer, NGHTTP2_RST_STREAM, 1, &got);
    CHECK_EQ(got.error, NGHTTP2_CANCEL);
    end(&peer);
}

TEST(a_client_that_does_not_read_its_socket_is_reset)
{
    struct h2_peer peer = begin(&strict);

    h2_setting(&peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1u << 30);
    h2_open_window(&peer, 0, 1u << 30);
    for (uint32_t i = 0; i < 8; i++)
        h2_get(&peer, 1 + 2 * i, "/big");
    wait_until(&closed, 8);
    end_and_check(&peer);
}

/* ---------------------------------------------------------------- frames that are none */

static const struct {
    const char *name;
    uint8_t type, flags;
    uint32_t stream, len;
    int64_t error;
    const char *payload;
} wrong[] = {
    {"data on stream 0", NGHTTP2_DATA, 0, 0, 1, NGHTTP2_PROTOCOL_ERROR, "x"},
    {"a head on stream 0", NGHTTP2_HEADERS, END_BOTH, 0, 1, NGHTTP2_PROTOCOL_ERROR, "\x82"},
    {"an even stream", NGHTTP2_HEADERS, END_BOTH, 2, 1, NGHTTP2_PROTOCOL_ERROR, "\x82"},
    {"a promise", NGHTTP2_PUSH_PROMISE, END_BOTH, 1, 4, NGHTTP2_PROTOCOL_ERROR, "\0\0\0\2"},
    {"a ping of 7 bytes", NGHTTP2_PING, 0, 0, 7, NGHTTP2_FRAME_SIZE_ERROR, "0123456"},
    {"settings of 5 bytes", NGHTTP2_SETTINGS, 0, 0, 5, NGHTTP2_FRAME_SIZE_ERROR, "01234"},
    {"a continuation of nothing", NGHTTP2_CONTINUATION, 4, 1, 1, NGHTTP2_PROTOCOL_ERROR, "\x82"},
    {"no HPACK", NGHTTP2_HEADERS, END_BOTH, 1, 4, NGHTTP2_COMPRESSION_ERROR, "\xff\xff\xff\xff"},
    {"an increment of 0", NGHTTP2_WINDOW_UPDATE, 0, 0, 4, NGHTTP2_PROTOCOL_ERROR, "\0\0\0\0"},
    {"a window beyond all", NGHTTP2_WINDOW_UPDATE, 0, 0, 4, NGHTTP2_FLOW_CONTROL_ERROR,
        "\x7f\xff\xff\xff"},
    {"more padding than data", NGHTTP2_HEADERS, END_BOTH | NGHTTP2_FLAG_PADDED, 1, 2,
        NGHTTP2_PROTOCOL_ERROR, "\x7f\x82"},
    {"the reset of an idle stream", NGHTTP2_RST_STREAM, 0, 99, 4, NGHTTP2_PROTOCOL_ERROR,
        "\0\0\0\1"},
};

TEST(frames_that_can_not_be_end_the_connection_with_their_error)
{
    site_begin_endpoint(&usual);
    for (size_t i = 0; i < ANQA_COUNT(wrong); i++) {
        struct h2_peer peer = h2_dial(site_port());
        h2_put(
            &peer, wrong[i].type, wrong[i].flags, wrong[i].stream, wrong[i].payload, wrong[i].len);
        CHECK_EQ(h2_read_end(&peer), wrong[i].error, "%s", wrong[i].name);
        h2_hang_up(&peer);
    }
    site_end();
}

TEST(a_frame_longer_than_agreed_ends_the_connection)
{
    static char part[H2_PEER_FRAME + 1];
    struct h2_peer peer = begin(&usual);

    h2_post(&peer, 1, "/echo");
    h2_put(&peer, NGHTTP2_DATA, 0, 1, part, sizeof part);
    CHECK_EQ(h2_read_end(&peer), NGHTTP2_FRAME_SIZE_ERROR);
    end_and_check(&peer);
}

/* ---------------------------------------------------------------- the end */

static const anqa_endpoint quick_idle = {.plugs = plugs,
    .quiet = true,
    .limits = {.request_timeout_ms = 600000, .idle_timeout_ms = 1000}};

static void ask(struct h2_peer *peer, uint32_t stream)
{
    h2_get(peer, stream, "/");
    CHECK_EQ(h2_read(peer, stream)->status, 200);
}

TEST(who_was_answered_has_the_idle_time_for_the_next_request_and_not_that_of_a_head)
{
    struct h2_peer peer = begin(&quick_head);

    ask(&peer, 1);
    wait_for_head_time(false, NGHTTP2_NO_ERROR);
    ask(&peer, 3);
    end(&peer);
}

TEST(who_was_answered_is_closed_when_the_idle_time_is_over_however_long_that_of_a_head_is)
{
    struct h2_peer peer = begin(&quick_idle);

    ask(&peer, 1);
    CHECK_EQ(h2_read_end(&peer), NGHTTP2_NO_ERROR);
    end(&peer);
}

TEST(who_asks_for_the_end_of_the_connection_gets_it_when_all_is_answered)
{
    struct h2_peer peer = begin(&usual);
    const struct h2_answer *answer;

    h2_get(&peer, 1, "/wait");
    h2_get(&peer, 3, "/close");
    CHECK_EQ(h2_read(&peer, 3)->status, 200);
    atomic_store(&gate, true);
    answer = h2_read(&peer, 1);
    CHECK_STR(answer->body, "waited");
    CHECK(h2_read_end(&peer) <= 0);
    end(&peer);
}

/* The server has nothing open for it any more. */
static void wait_until_it_is_forgotten(const struct h2_peer *peer)
{
    while (send(peer->fd, "x", 1, MSG_NOSIGNAL) == 1)
        usleep(10000);
}

TEST(who_leaves_and_does_not_hang_up_is_closed_also_behind_a_process_that_was_killed)
{
    struct h2_peer peer = begin(&quick_head);

    h2_get(&peer, 1, "/die");
    h2_put(&peer, NGHTTP2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    CHECK(h2_is_alive(&peer)); /* it knows */
    atomic_store(&gate, true);
    CHECK_STR(h2_read(&peer, 1)->body, "waited");
    wait_until_it_is_forgotten(&peer); /* long before the idle time is over */
    end(&peer);
}

TEST(a_service_that_is_drained_answers_what_is_under_way_and_what_comes_at_once)
{
    struct h2_peer peer = begin(&usual);
    struct h2_got got;

    h2_get(&peer, 1, "/wait");
    wait_until(&waiting, 1);
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = site_stop}, NULL, NULL), ANQA_OK);
    h2_wait(&peer, NGHTTP2_GOAWAY, 0, &got);
    CHECK_EQ(got.last, INT32_MAX); /* any that is on its way is taken */
    h2_get(&peer, 3, "/");
    CHECK_STR(h2_read(&peer, 3)->body, "hello");
    h2_wait(&peer, NGHTTP2_GOAWAY, 0, &got);
    CHECK_EQ(got.last, 3);
    atomic_store(&gate, true);
    CHECK_STR(h2_read(&peer, 1)->body, "waited");
    CHECK_EQ(h2_read_end(&peer), -1);
    end(&peer);
}

TEST(a_drain_that_takes_too_long_ends_streams_and_connections)
{
    static const anqa_endpoint hasty = {
        .plugs = plugs, .quiet = true, .drain = {.shutdown_ms = 100}};
    struct h2_peer peer = begin(&hasty);

    h2_get(&peer, 1, "/wait");
    wait_until(&waiting, 1);
    site_end();
    CHECK(h2_read(&peer, 1)->status != 200);
    h2_hang_up(&peer);
}

TEST(a_client_that_has_ended_its_side_is_answered)
{
    struct h2_peer peer = begin(&usual);

    h2_get(&peer, 1, "/wait");
    h2_post(&peer, 3, "/echo"); /* and the rest of it will never come */
    wait_until(&served, 2);
    CHECK(shutdown(peer.fd, SHUT_WR) == 0);
    atomic_store(&gate, true);
    CHECK_STR(h2_read(&peer, 1)->body, "waited");
    CHECK(h2_read_end(&peer) <= 0); /* its GOAWAY may have come before the answer */
    end(&peer);
}

TEST(what_a_client_that_has_ended_its_side_left_no_window_for_is_not_waited_for)
{
    struct h2_peer peer = begin(&usual);
    time_t before = time(NULL);
    size_t len = 0;
    struct h2_got got;

    h2_get(&peer, 1, "/big");
    while (len < 65535) {
        h2_next(&peer, &got);
        CHECK(!got.over);
        len += got.type == NGHTTP2_DATA ? got.len : 0;
    }
    CHECK(shutdown(peer.fd, SHUT_WR) == 0);
    CHECK(h2_read_end(&peer) <= 0);
    CHECK(time(NULL) - before < 10); /* of the 30 s that a write may take */
    wait_until(&closed, 1);
    end(&peer);
}
