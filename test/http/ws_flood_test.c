/* WebSockets under attack: much of what is small, what is large, and ends in the middle of it. */
#include "http/site.h"
#include "http/ws_script.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_ZLIB
#include <zlib.h>
#endif

enum { TEXT = 0x81, BINARY = 0x82, CLOSE = 0x88, PING = 0x89, PONG = 0x8a, DEFLATED = 0xc2 };

/* ---------------------------------------------------------------- a server that says how long a message was */

static void measure_in(anqa_websocket *ws, bool binary, anqa_str data)
{
    char text[32];

    if (anqa_str_is(data, "bye")) {
        anqa_websocket_close(ws, 4001, anqa_str_of(""));
        return;
    }
    snprintf(text, sizeof text, "%zu", data.len);
    (void)anqa_websocket_push(ws, false, anqa_str_of(text));
}

static void open_measure(anqa_conn *conn, const void *opts)
{
    static const anqa_websocket_handler handler = {.handle_in = measure_in, .compress = true};

    anqa_conn_upgrade_websocket(conn, &handler, NULL);
}

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate\r\n"

static void begin(void)
{
    site_begin(open_measure);
}

/* ---------------------------------------------------------------- frames */

static size_t put_frame(char *to, unsigned first, const void *payload, size_t len)
{
    to[0] = (char)first;
    to[1] = (char)(0x80 | len);
    memset(to + 2, 0, 4);
    memcpy(to + 6, payload, len);
    return 6 + len;
}

static const char close_payload[] = {0x03, (char)0xe8};

/* A message of `count` fragments of one byte, then a close. ping: one behind each fragment. */
static char *fragments(size_t count, bool ping, size_t *ret_len)
{
    char *bytes = malloc(count * 14 + 64);
    size_t at = 0;

    CHECK(bytes != NULL);
    for (size_t i = 0; i < count; i++) {
        at += put_frame(bytes + at, (i == 0 ? 1u : 0u) | (i + 1 == count ? 0x80u : 0u), "x", 1);
        if (ping && i + 1 < count)
            at += put_frame(bytes + at, PING, "p", 1);
    }
    *ret_len = at + put_frame(bytes + at, CLOSE, close_payload, 2);
    return bytes;
}

static uint64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* What it costs both sides, in this process. */
static uint64_t cost_of_fragments(size_t count)
{
    char expected[64], *got;
    size_t len, got_len;
    char *bytes = fragments(count, false, &len);
    int fd = ws_open("/", OFFER), n;
    uint64_t before = cpu_us(), cost;

    got = ws_exchange(fd, bytes, len, &got_len);
    cost = cpu_us() - before;
    n = snprintf(expected, sizeof expected, "%c%c%zu\x88\x02\x03\xe8", TEXT,
        snprintf(NULL, 0, "%zu", count), count);
    CHECK_STR(anqa_str_make(got, got_len), anqa_str_make(expected, (size_t)n));
    free(got);
    free(bytes);
    close(fd);
    return cost;
}

TEST(a_million_fragments_cost_no_more_each_than_a_few)
{
    uint64_t few = 0, many = 1;

    begin();
    (void)cost_of_fragments(1 << 12);
    for (int i = 0; i < 5 && many >= few * 24; i++) { /* again when the machine was busy */
        few = cost_of_fragments(1 << 17);
        many = cost_of_fragments(1 << 20); /* eight times as many; all with all would be 64 times */
    }
    CHECK(many < few * 24, "%llu us, %llu us", (unsigned long long)few, (unsigned long long)many);
    site_end();
}

TEST(a_ping_behind_each_of_many_fragments_is_answered)
{
    enum { COUNT = 20000 };
    size_t len, got_len;
    char *bytes = fragments(COUNT, true, &len), *got;
    int fd;

    begin();
    fd = ws_open("/", OFFER);
    got = ws_exchange(fd, bytes, len, &got_len);
    CHECK_EQ(got_len, 3 * (COUNT - 1) + 7 + 4);
    for (size_t i = 0; i < COUNT - 1; i++)
        CHECK_EQ(memcmp(got + 3 * i, "\x8a\x01p", 3), 0, "%zu", i);
    CHECK_EQ(memcmp(got + 3 * (COUNT - 1),
                 "\x81\x05"
                 "20000\x88\x02\x03\xe8",
                 11),
        0);
    free(got);
    free(bytes);
    close(fd);
    site_end();
}

TEST(who_floods_with_pings_and_reads_no_answers_is_reset)
{
    static char pings[131 * 500];
    int small = 4096, slow, other;
    size_t at = 0, sent = 0, got = 0;
    char payload[125] = "", text[8];
    ssize_t n;

    begin();
    slow = ws_open("/", OFFER);
    other = ws_open("/", OFFER);
    CHECK(setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    while (at + 131 <= sizeof pings)
        at += put_frame(pings + at, PING, payload, sizeof payload);
    while ((n = send(slow, pings, at, MSG_NOSIGNAL)) > 0 && sent < (64u << 20))
        sent += (size_t)n;
    CHECK(n < 0, "all of %zu bytes were taken", sent);
    peer_put_frame(other, 1, "hello", 5);
    CHECK_EQ(peer_get_frame(other, text, sizeof text, &got), 1);
    CHECK_STR(text, "5");
    close(slow);
    close(other);
    site_end();
}

/* ---------------------------------------------------------------- ends */

TEST(when_both_sides_close_at_once_each_says_so_once)
{
    begin();
    for (int i = 0; i < 50; i++) {
        char bytes[64];
        size_t got_len, len = put_frame(bytes, TEXT, "bye", 3);
        int fd = ws_open("/", OFFER);
        char *got;
        len += put_frame(bytes + len, CLOSE, close_payload, 2);
        got = ws_exchange(fd, bytes, len, &got_len);
        CHECK_STR(anqa_str_make(got, got_len), "\x88\x02\x0f\xa1");
        free(got);
        close(fd);
    }
    site_end();
}

#ifdef HAVE_ZLIB

#define LARGE 7900000 /* bytes that it becomes */

/* A frame whose message becomes LARGE; numbers, so that no ratio is reached. */
static char *large_frame(size_t *ret_len)
{
    char *text = malloc(LARGE + 16), *frame = malloc(LARGE + 64);
    z_stream z = {0};
    uint64_t len;

    CHECK(text != NULL && frame != NULL);
    for (size_t at = 0, i = 0; at < LARGE; i++)
        at += (size_t)snprintf(text + at, 16, "%zu,", i * 7919);
    CHECK_EQ(deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)text;
    z.avail_in = LARGE;
    z.next_out = (unsigned char *)frame + 14;
    z.avail_out = LARGE;
    CHECK_EQ(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    len = LARGE - z.avail_out - 4;
    deflateEnd(&z);
    free(text);
    frame[0] = (char)DEFLATED;
    frame[1] = (char)0xff;
    for (int i = 0; i < 8; i++)
        frame[2 + i] = (char)(len >> (56 - 8 * i));
    memset(frame + 10, 0, 4);
    *ret_len = 14 + (size_t)len;
    return frame;
}

TEST(a_close_behind_a_large_compressed_message_waits_for_it)
{
    static const char expected[] = "\x81\x07"
                                   "7900000\x88\x02\x03\xe8";
    size_t len, got_len;
    char *frame = large_frame(&len), *got;
    int fd;

    begin();
    fd = ws_open("/", OFFER);
    len += put_frame(frame + len, CLOSE, close_payload, 2);
    got = ws_exchange(fd, frame, len, &got_len);
    CHECK_STR(anqa_str_make(got, got_len), anqa_str_make(expected, sizeof expected - 1));
    free(got);
    free(frame);
    close(fd);
    site_end();
}

TEST(a_client_that_is_gone_while_its_message_is_inflated_leaves_nothing_behind)
{
    const struct linger at_once = {.l_onoff = 1};
    size_t len;
    char *frame = large_frame(&len);

    begin();
    for (int i = 0; i < 10; i++) {
        int fd = ws_open("/", OFFER);
        peer_put(fd, frame, len);
        if (i % 2 == 0)
            CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        close(fd);
    }
    free(frame);
    site_end(); /* the harness looks for what is left */
}

/* A client that is told to come back, and closes. */
static void *hear_the_end(void *arg)
{
    int fd = *(int *)arg, opcode;
    char got[64];
    size_t got_len = 0;

    opcode = peer_get_frame(fd, got, sizeof got, &got_len);
    if (opcode == 1) /* it was faster */
        opcode = peer_get_frame(fd, got, sizeof got, &got_len);
    CHECK_EQ(opcode, 8);
    CHECK_STR(anqa_str_make(got, got_len), "\x03\xf4");
    close(fd);
    return NULL;
}

TEST(an_endpoint_that_stops_does_not_wait_for_what_is_inflated)
{
    size_t len;
    char *frame = large_frame(&len);

    for (int i = 0; i < 3; i++) {
        pthread_t client;
        int fd;
        begin();
        fd = ws_open("/", OFFER);
        peer_put(fd, frame, len);
        CHECK_EQ(pthread_create(&client, NULL, hear_the_end, &fd), 0);
        site_end();
        CHECK_EQ(pthread_join(client, NULL), 0);
    }
    free(frame);
}

#define OTHERS 6 /* some of which are on the scheduler of the one that inflates */

/* Pings that are answered on each of the others until the large one has its answer. */
static unsigned answered_meanwhile(int large, const int *others)
{
    char answer[64], pong[3];
    unsigned rounds = 0;
    bool over = false;

    CHECK(fcntl(large, F_SETFL, O_NONBLOCK) == 0);
    while (!over) {
        for (int i = 0; i < OTHERS; i++)
            peer_put_frame(others[i], 9, "p", 1);
        for (int i = 0; i < OTHERS; i++)
            CHECK_EQ(recv(others[i], pong, 3, MSG_WAITALL), 3);
        over = recv(large, answer, sizeof answer, 0) > 0;
        rounds += !over;
    }
    return rounds;
}

TEST(others_are_served_while_a_large_message_is_inflated)
{
    unsigned tries = 0, rounds = 0;
    int others[OTHERS];
    size_t len;
    char *frame = large_frame(&len);

    begin();
    for (int i = 0; i < OTHERS; i++)
        others[i] = ws_open("/", OFFER);
    while (rounds < 5 && tries++ < 20) { /* a machine that is busy may not let us ask in time */
        int large = ws_open("/", OFFER);
        peer_put(large, frame, len);
        rounds = answered_meanwhile(large, others);
        close(large);
    }
    CHECK(rounds >= 5, "%u rounds", rounds);
    for (int i = 0; i < OTHERS; i++)
        close(others[i]);
    free(frame);
    site_end();
}

#endif
