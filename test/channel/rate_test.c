/* How much a client may send. */
#include "channel/asker.h"

#include <stdio.h>

#include "channel/rate.h"

/* ---------------------------------------------------------------- buckets */

static unsigned taken(
    struct rate *rate, const anqa_rate_limit *limit, size_t bytes, uint64_t now_ms)
{
    unsigned count = 0;

    while (count < 1000 && rate_take(rate, limit, bytes, now_ms))
        count++;
    return count;
}

TEST(a_bucket_gives_its_burst_and_then_its_rate)
{
    const anqa_rate_limit limit = {.messages_per_s = 4, .messages_burst = 10};
    struct rate rate;

    rate_init(&rate, &limit, 1000);
    CHECK_EQ(taken(&rate, &limit, 1, 1000), 10);
    CHECK_EQ(taken(&rate, &limit, 1, 1249), 0);
    CHECK_EQ(taken(&rate, &limit, 1, 1250), 1);
    CHECK_EQ(taken(&rate, &limit, 1, 2250), 4);
    CHECK_EQ(taken(&rate, &limit, 1, 1000), 0); /* a clock that goes back gives nothing */
    CHECK_EQ(taken(&rate, &limit, 1, UINT64_MAX), 10);
}

TEST(a_rate_below_one_a_millisecond_loses_nothing_when_it_is_asked_often)
{
    const anqa_rate_limit limit = {.messages_per_s = 3};
    unsigned count = 0;
    struct rate rate;

    rate_init(&rate, &limit, 0);
    (void)taken(&rate, &limit, 1, 0);
    for (uint64_t now_ms = 1; now_ms <= 10000; now_ms++)
        count += taken(&rate, &limit, 1, now_ms);
    CHECK_EQ(count, 30);
}

TEST(bytes_are_counted_beside_messages_and_neither_is_spent_on_what_does_not_pass)
{
    const anqa_rate_limit limit = {.messages_per_s = 5, .bytes_per_s = 100, .bytes_burst = 250};
    struct rate rate;

    rate_init(&rate, &limit, 0);
    CHECK(!rate_take(&rate, &limit, 251, 0));
    CHECK_EQ(taken(&rate, &limit, 100, 0), 2);
    CHECK_EQ(taken(&rate, &limit, 50, 0), 1);
    CHECK_EQ(taken(&rate, &limit, 1, 0), 0);
    CHECK_EQ(taken(&rate, &limit, 0, 0), 2); /* of five messages three were spent */
    CHECK(!rate_take(&rate, &limit, SIZE_MAX / 2000, 100000));
}

TEST(no_limit_is_none)
{
    const anqa_rate_limit none = {.messages_burst = 1}, bytes = {.bytes_per_s = 1};

    CHECK(!rate_is_limited(&none));
    CHECK(rate_is_limited(&bytes));
}

/* ---------------------------------------------------------------- clients */

static anqa_next echo(anqa_socket *socket, anqa_json payload)
{
    return anqa_reply_ok(ANQA_JSON_NULL);
}

#define HANDLE_IN                     \
    .handle_in = (const anqa_event[]) \
    {                                 \
        {"echo", echo}, {0}           \
    }

static const anqa_channel slow = {
    .topic = "slow:*", .rate = {.messages_per_s = 1, .messages_burst = 3}, HANDLE_IN};
static const anqa_channel strict = {.topic = "strict",
    .state_size = 100,
    .rate = {.bytes_per_s = 1, .bytes_burst = 50, .over = ANQA_RATE_CLOSE},
    HANDLE_IN};
static const anqa_channel any = {.topic = "any", HANDLE_IN};

static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&slow, &strict, &any, NULL}, .assigns_size = 5};

/* A socket without channels that says what it is told. */
static void repeat(anqa_raw *raw, bool binary, anqa_str data)
{
    (void)anqa_raw_push(raw, binary, data);
}

static const anqa_raw_socket raw_socket = {.handle_in = repeat};

static const anqa_endpoint endpoint = {
    .sockets = (const anqa_socket_mount[]){{.path = "/socket", .user_socket = &user_socket},
        {.path = "/polled", .user_socket = &user_socket, .longpoll = {.on = true}},
        {.path = "/few",
            .user_socket = &user_socket,
            .longpoll = {.on = true, .window_ms = 1000},
            .rate = {.messages_per_s = 1, .messages_burst = 4}},
        {.path = "/strict",
            .user_socket = &user_socket,
            .longpoll = {.on = true},
            .rate = {.messages_per_s = 1, .messages_burst = 4, .over = ANQA_RATE_CLOSE}},
        {.path = "/raw",
            .raw = &raw_socket,
            .longpoll = {.on = true},
            .rate = {.messages_per_s = 1, .messages_burst = 4}},
        {.path = "/raw_bytes", .raw = &raw_socket, .rate = {.bytes_per_s = 1, .bytes_burst = 50}},
        {0}},
    .secret_key_base = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    .quiet = true,
};

#define LIMITED ERROR("{\"reason\":\"rate limit\"}")

/* Five times in one write, so that no time passes in between. */
static void send_five(struct client client, const char *topic)
{
    char text[5][100];
    const char *frames[5];

    for (int i = 0; i < 5; i++) {
        snprintf(text[i], sizeof text[i], "[\"1\",\"e%d\",\"%s\",\"echo\",{}]", i, topic);
        frames[i] = text[i];
    }
    client_send_all(client, frames, 5);
}

TEST(what_a_channel_is_sent_too_fast_is_answered_with_an_error_and_other_channels_go_on)
{
    struct client client;
    bool limited[5] = {false};

    server_begin(&endpoint);
    client = client_open();
    client_join(client, "1", "slow:a");
    client_join(client, "1", "any");
    send_five(client, "slow:a");
    for (int i = 0; i < 5; i++) {
        const char *frame = client_receive(client);
        CHECK(frame != NULL);
        limited[frame[7] - '0'] = strstr(frame, LIMITED) != NULL;
    }
    for (int i = 0; i < 5; i++)
        CHECK_EQ(limited[i], i >= 3, "%d", i);
    client_send(client, "[\"1\",\"2\",\"any\",\"echo\",{}]");
    client_expect(client, "[\"1\",\"2\",\"any\"," OK("{}"));
    client_send(client, "[\"1\",\"3\",\"slow:a\",\"phx_leave\",{}]");
    client_expect(client, "[\"1\",\"3\",\"slow:a\"," OK("{}"));
    client_expect(client, "[\"1\",\"1\",\"slow:a\",\"phx_close\",{}]");
    client_close(client);
    server_end();
}

TEST(a_channel_may_have_its_client_closed_for_what_is_too_much)
{
    struct client client;

    server_begin(&endpoint);
    client = client_open();
    client_join(client, "1", "strict");
    client_send(client, "[\"1\",\"2\",\"strict\",\"echo\",\"%048d\"]", 0);
    client_expect(client, "[\"1\",\"2\",\"strict\"," OK("{}"));
    client_send(client, "[\"1\",\"3\",\"strict\",\"echo\",\"%048d\"]", 0);
    client_expect_close(client, 1008);
    client_close(client);
    server_end();
}

TEST(who_leaves_a_channel_may_whatever_the_limit_of_the_socket_says)
{
    struct client client;

    server_begin(&endpoint);
    client = client_open_at("/few/websocket?vsn=2.0.0");
    client_join(client, "1", "any");
    send_five(client, "none");
    for (int i = 0; i < 3; i++)
        client_expect(client, "[null,\"e%d\",\"none\"," UNMATCHED, i);
    for (int i = 3; i < 5; i++)
        client_expect(client, "[\"1\",\"e%d\",\"none\"," LIMITED, i);
    client_send(client, "[\"1\",\"9\",\"any\",\"phx_leave\",{}]");
    client_expect(client, "[\"1\",\"9\",\"any\"," OK("{}"));
    client_expect(client, "[\"1\",\"1\",\"any\",\"phx_close\",{}]");
    client_send(client, "[\"1\",\"10\",\"any\",\"phx_leave\",{}]");
    client_expect(client, "[\"1\",\"10\",\"any\"," LIMITED); /* of one that is not there */
    client_close(client);
    server_end();
}

TEST(a_socket_counts_all_that_comes)
{
    struct client client;

    server_begin(&endpoint);
    client = client_open_at("/few/websocket?vsn=2.0.0");
    send_five(client, "none");
    for (int i = 0; i < 4; i++)
        client_expect(client, "[null,\"e%d\",\"none\"," UNMATCHED, i);
    client_expect(client, "[\"1\",\"e4\",\"none\"," LIMITED);
    client_close(client);
    client = client_open_at("/strict/websocket?vsn=2.0.0");
    send_five(client, "none");
    for (int i = 0; i < 4; i++)
        client_expect(client, "[null,\"e%d\",\"none\"," UNMATCHED, i);
    client_expect_close(client, 1008);
    client_close(client);
    server_end();
}

#define FIVE(topic)                                                                     \
    "[\"1\",\"e0\",\"" topic "\",\"echo\",{}]\n[\"1\",\"e1\",\"" topic                  \
    "\",\"echo\",{}]\n[\"1\",\"e2\",\"" topic "\",\"echo\",{}]\n[\"1\",\"e3\",\"" topic \
    "\",\"echo\",{}]\n[\"1\",\"e4\",\"" topic "\",\"echo\",{}]\n"
#define UNMATCHED_FOUR                                                      \
    "[null,\"e0\",\"none\"," UNMATCHED, "[null,\"e1\",\"none\"," UNMATCHED, \
        "[null,\"e2\",\"none\"," UNMATCHED, "[null,\"e3\",\"none\"," UNMATCHED

TEST(what_a_client_that_polls_posts_counts_message_by_message)
{
    static const char *const frames[] = {UNMATCHED_FOUR, "[\"1\",\"e4\",\"none\"," LIMITED};
    struct asker asker;

    server_begin(&endpoint);
    asker = asker_open("/few", "vsn=2.0.0");
    CHECK_EQ(asker_post_lines(&asker, FIVE("none")), 200);
    asker_expect(&asker, frames, ANQA_COUNT(frames));
    CHECK_EQ(asker_got(&asker, asker_ask(&asker), NULL), 204); /* it goes on */
    server_end();
}

TEST(so_does_it_for_a_channel_of_such_a_client)
{
    static const char *const frames[] = {"[\"1\",\"e0\",\"slow:a\"," OK("{}"),
        "[\"1\",\"e1\",\"slow:a\"," OK("{}"), "[\"1\",\"e2\",\"slow:a\"," OK("{}"),
        "[\"1\",\"e3\",\"slow:a\"," LIMITED, "[\"1\",\"e4\",\"slow:a\"," LIMITED};
    bool came[ANQA_COUNT(frames)] = {false};
    struct asker asker;

    server_begin(&endpoint);
    asker = asker_open("/polled", "vsn=2.0.0");
    asker_join(&asker, "1", "slow:a");
    CHECK_EQ(asker_post_lines(&asker, FIVE("slow:a")), 200);
    for (size_t count = 0;
        count < ANQA_COUNT(frames);) { /* refusals overtake what a channel says */
        anqa_json messages = ANQA_JSON_EMPTY_ARRAY, frame;
        anqa_json_iter it;
        CHECK_EQ(asker_got(&asker, asker_ask(&asker), &messages), 200);
        it = anqa_json_each(messages);
        while (anqa_json_next(&it)) {
            size_t i = 0;
            frame = it.value;
            while (i < ANQA_COUNT(frames) && !anqa_json_is_str(frame, anqa_str_of(frames[i])))
                i++;
            CHECK(i < ANQA_COUNT(frames) && !came[i], "%.*s", ANQA_FMT(frame));
            came[i] = true;
            count++;
        }
    }
    server_end();
}

TEST(a_client_that_polls_is_closed_for_what_is_too_much_where_that_is_the_rule)
{
    static const char *const frames[] = {UNMATCHED_FOUR};
    struct asker asker;

    server_begin(&endpoint);
    asker = asker_open("/strict", "vsn=2.0.0");
    CHECK_EQ(asker_post_lines(&asker, FIVE("none")), 200);
    asker_expect(&asker, frames, ANQA_COUNT(frames)); /* what was answered is still given out */
    CHECK_EQ(asker_got(&asker, asker_ask(&asker), NULL), 410);
    server_end();
}

TEST(a_raw_socket_is_closed_for_what_is_too_much)
{
    struct client client;
    struct asker asker;

    server_begin(&endpoint);
    client = client_open_at("/raw/websocket?vsn=2.0.0");
    client_send_all(client, (const char *const[]){"1", "2", "3", "4", "5"}, 5);
    for (int i = 1; i <= 4; i++)
        client_expect(client, "%d", i);
    client_expect_close(client, 1008);
    client_close(client);
    client = client_open_at("/raw_bytes/websocket?vsn=2.0.0");
    client_send(client, "%048d", 1);
    client_expect(client, "%048d", 1);
    client_send(client, "%048d", 2);
    client_expect_close(client, 1008);
    client_close(client);
    asker = asker_open("/raw", "vsn=2.0.0");
    CHECK_EQ(asker_post_lines(&asker, "[1\n[2\n[3\n[4\n[5\n"), 200);
    asker_expect(&asker, (const char *const[]){"[1", "[2", "[3", "[4"}, 4);
    CHECK_EQ(asker_got(&asker, asker_ask(&asker), NULL), 410);
    server_end();
}
