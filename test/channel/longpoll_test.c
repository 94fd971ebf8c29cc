/* Clients that poll: one test for each rule of the protocol. */
#include "channel/asker.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel/poll.h"

#define TARGET "/socket/longpoll?vsn=2.0.0"
#define OPENED "[\"1\",\"1\",\"room:a\"," OK("{}")

static struct asker begin(void)
{
    server_begin(&polled_endpoint);
    return asker_open("/socket", "vsn=2.0.0");
}

static struct asker begin_joined(void)
{
    struct asker asker = begin();

    asker_join(&asker, "1", "room:a");
    return asker;
}

/* ---------------------------------------------------------------- opening */

static const struct {
    const char *method, *target, *fields;
    int status;
    const char *body;
} openings[] = {
    {"GET", TARGET "&name=mallory", "", 200, "{\"status\":403}"},
    {"GET", "/socket/longpoll?vsn=9.0.0", "", 200, "{\"status\":403}"},
    {"GET", TARGET "&name=crash", "", 500, NULL},
    {"GET", TARGET "&a=%zz", "", 400, ""},
    {"GET", "/listed/longpoll?vsn=2.0.0", "Origin: http://other.org\r\n", 200, "{\"status\":403}"},
    {"POST", "/listed/longpoll", "Origin: null\r\n", 200, "{\"status\":403}"},
    {"OPTIONS", "/listed/longpoll", "Origin: http://other.org\r\n", 200, "{\"status\":403}"},
    {"OPTIONS", "/listed/longpoll", "Origin: http://a.example.org\r\n", 200, ""},
    {"PUT", TARGET, "", 400, ""},
    {"HEAD", TARGET, "", 400, ""},
    {"POST", TARGET, "", 200, "{\"status\":410}"},
    {"POST", TARGET "&token=SFMyNTY.abc.def", "", 200, "{\"status\":410}"},
    {"GET", "/slow/websocket/longpoll", "", 404, NULL},
};

TEST(requests_that_open_nothing_are_answered_as_phoenix_does)
{
    server_begin(&polled_endpoint);
    for (size_t i = 0; i < ANQA_COUNT(openings); i++) {
        const struct answer *answer =
            request(openings[i].method, openings[i].target, openings[i].fields, "");
        CHECK_EQ(answer->status, openings[i].status, "%zu", i);
        if (openings[i].body != NULL)
            CHECK_STR(answer->body, openings[i].body, "%zu", i);
    }
    server_end();
}

static bool has(const struct answer *answer, const char *field)
{
    return strstr(answer->head, field) != NULL;
}

TEST(a_session_is_opened_with_410_and_a_token)
{
    const struct answer *answer;

    server_begin(&polled_endpoint);
    answer = request("GET", TARGET "&", "", ""); /* as the client writes it without a token */
    CHECK_EQ(answer->status, 200);
    CHECK(
        strncmp(answer->body, "{\"status\":410,\"token\":\"SFMyNTY.", 31) == 0, "%s", answer->body);
    CHECK(strstr(answer->body, "\",\"messages\":[]}") != NULL, "%s", answer->body);
    CHECK(has(answer, "content-type: application/json; charset=utf-8\r\n"), "%s", answer->head);
    CHECK(has(answer, "cache-control: no-store\r\n"), "%s", answer->head);
    CHECK(has(answer, "access-control-allow-origin: *\r\n"), "%s", answer->head);
    server_end();
}

TEST(what_browsers_ask_beforehand_is_allowed)
{
    const struct answer *answer;

    server_begin(&polled_endpoint);
    answer =
        request("OPTIONS", TARGET, "Access-Control-Request-Headers: x-phoenix-authtoken\r\n", "");
    CHECK(has(answer, "access-control-allow-headers: x-phoenix-authtoken\r\n"), "%s", answer->head);
    CHECK(has(answer, "access-control-allow-methods: get, post, options\r\n"), "%s", answer->head);
    CHECK(has(answer, "access-control-max-age: 3600\r\n"), "%s", answer->head);
    server_end();
}

TEST(more_sessions_than_a_mount_allows_are_503_until_one_has_ended)
{
    struct asker first, second;
    int status;

    server_begin(&polled_endpoint);
    first = asker_open("/few", "vsn=2.0.0&name=ann");
    second = asker_open("/few", "vsn=2.0.0&name=ben");
    CHECK_EQ(request("GET", "/few/longpoll?vsn=2.0.0", "", "")->status, 503);
    CHECK_STATUS(
        anqa_broadcast(anqa_str_of("users:ann"), "disconnect", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    do
        status = request("GET", "/few/longpoll?vsn=2.0.0", "", "")->status;
    while (status == 503);
    CHECK_EQ(status, 200);
    CHECK_EQ(asker_post(&first, "[null,\"1\",\"phoenix\",\"heartbeat\",{}]"), 410);
    CHECK_EQ(asker_post(&second, "[null,\"1\",\"phoenix\",\"heartbeat\",{}]"), 200);
    server_end();
}

/* ---------------------------------------------------------------- asking */

TEST(what_waits_is_given_out_at_once_and_together)
{
    struct asker asker = begin_joined();
    const char *const frames[] = {"[\"1\",null,\"room:a\",\"pushed\",{\"a\":\"\\\"\"}]",
        "[null,null,\"room:a\",\"msg\",{}]", "[\"1\",\"3\",\"room:a\"," OK("{}")};

    CHECK_EQ(asker_post_lines(&asker, "[\"1\",\"2\",\"room:a\",\"push\",{\"a\":\"\\\"\"}]\n"
                                      "[\"1\",\"3\",\"room:a\",\"shout\",{}]"),
        200);
    asker_expect(&asker, frames, ANQA_COUNT(frames));
    server_end();
}

TEST(a_request_that_waits_is_answered_as_soon_as_something_comes)
{
    struct asker asker;
    anqa_json messages = ANQA_JSON_EMPTY_ARRAY;
    anqa_pid waiting;
    int fd;

    server_begin(&polled_endpoint);
    asker = asker_open("/slow", "vsn=2.0.0");
    asker_join(&asker, "1", "room:a");
    fd = asker_ask(&asker);
    CHECK_EQ(asker_post(&asker, "[\"1\",\"9\",\"room:a\",\"who_am_i\",{}]"), 200);
    memcpy(&waiting, server_told("pid"), sizeof waiting);
    CHECK_STATUS(anqa_broadcast(anqa_str_of("room:a"), "news", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    CHECK_EQ(asker_got(&asker, fd, &messages), 200);
    CHECK_STR(anqa_json_text(messages), "[\"[null,null,\\\"room:a\\\",\\\"news\\\",{}]\"]");
    server_end();
}

TEST(what_was_held_during_a_join_waits_for_the_client_as_well)
{
    struct asker asker = begin();
    anqa_json messages = ANQA_JSON_EMPTY_ARRAY;
    size_t count;

    CHECK_EQ(
        asker_post(&asker, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"broadcasts\":2700}]"), 200);
    CHECK_EQ(asker_post(&asker, "[null,\"2\",\"phoenix\",\"heartbeat\",{}]"), 200);
    CHECK_EQ(asker_got(&asker, asker_ask(&asker), &messages), 200);
    CHECK_STATUS(anqa_json_len(messages, &count), ANQA_OK);
    CHECK_EQ(count, 2702);
    server_end();
}

TEST(a_window_without_anything_is_204)
{
    struct asker asker = begin();

    CHECK_EQ(asker_got(&asker, asker_ask(&asker), NULL), 204);
    server_end();
}

/* Until a connection waits for what its session says. */
static void await_waiting(void)
{
    anqa_process_info *infos;
    size_t count;

    for (unsigned n = 0; n < HARNESS_LONG_MS; n++) {
        CHECK_STATUS(
            anqa_process_list(&(anqa_process_list_opts){.limit = 1000}, &infos, &count), ANQA_OK);
        for (size_t i = 0; i < count; i++)
            if (strcmp(infos[i].kind, "connection") == 0 && infos[i].status == ANQA_PROCESS_CALL)
                return;
        anqa_sleep(1);
    }
    ANQA_FAIL("no connection waits");
}

TEST(who_asks_again_while_a_request_waits_ends_that_one)
{
    struct asker asker, again;
    int first, second;

    server_begin(&polled_endpoint);
    asker = asker_open("/slow", "vsn=2.0.0");
    again = asker;
    first = asker_ask(&asker);
    await_waiting();
    second = asker_ask(&again);
    CHECK_EQ(asker_got(&asker, first, NULL), 204);
    CHECK_EQ(asker_post(&asker, "[null,\"1\",\"phoenix\",\"heartbeat\",{}]"), 200);
    CHECK_EQ(asker_got(&again, second, NULL), 200);
    server_end();
}

TEST(the_token_may_come_as_a_field_which_counts_more)
{
    struct asker asker = begin_joined();
    char fields[700];

    snprintf(fields, sizeof fields, "X-Phoenix-Longpoll-Token: %s\r\n", asker.token);
    CHECK_STR(request("POST", TARGET "&token=other", fields, "[\"1\",\"2\",\"room:a\",\"fail\",{}]")
                  ->body,
        "{\"status\":200}");
    asker_expect_one(&asker, "[\"1\",\"2\",\"room:a\"," ERROR("{\"reason\":\"because\"}"));
    server_end();
}

/* ---------------------------------------------------------------- tokens of others */

/* A token that is signed as ours, and names a process that has no session, or another secret. */
static void forge(struct asker *asker, uint64_t pid, uint64_t secret)
{
    const anqa_token_opts opts = {.max_age_s = 14 * 24 * 3600};
    char data[60];
    anqa_str token;

    snprintf(data, sizeof data, "%016" PRIx64 ".%016" PRIx64 ".%016" PRIx64, pid, secret, secret);
    token = anqa_token_sign(
        anqa_str_of(polled_endpoint.secret_key_base), "anqa long-poll", anqa_str_of(data), &opts);
    snprintf(asker->token, sizeof asker->token, "%.*s", ANQA_FMT(token));
}

static bool is_call(const anqa_msg *msg, void *arg)
{
    return msg->kind == ANQA_MSG_CALL;
}

TEST(a_token_that_names_no_session_reaches_nobody)
{
    struct asker asker = begin();

    forge(&asker, server_test().bits, 0);
    CHECK_EQ(asker_post(&asker, "[]"), 410);
    CHECK(anqa_receive_if(is_call, NULL, 0) == NULL);
    forge(&asker, UINT64_MAX, 0);
    CHECK_EQ(asker_post(&asker, "[]"), 410);
    server_end();
}

static uint64_t number_at(const char *text, size_t at)
{
    return strtoull(text + at, NULL, 16);
}

TEST(a_token_with_another_secret_is_none)
{
    struct asker asker = begin_joined(), other = asker;
    anqa_str data;

    CHECK_STATUS(anqa_token_verify(anqa_str_of(polled_endpoint.secret_key_base), "anqa long-poll",
                     anqa_str_of(asker.token), NULL, &data),
        ANQA_OK);
    forge(&other, number_at(data.ptr, 0), number_at(data.ptr, 17) ^ 1);
    CHECK_EQ(asker_post(&other, "[\"1\",\"2\",\"room:a\",\"fail\",{}]"), 410);
    CHECK_EQ(asker_got(&other, asker_ask(&other), NULL), 410); /* a session of its own */
    CHECK_EQ(asker_post(&asker, "[\"1\",\"2\",\"room:a\",\"fail\",{}]"), 200);
    asker_expect_one(&asker, "[\"1\",\"2\",\"room:a\"," ERROR("{\"reason\":\"because\"}"));
    server_end();
}

/* ---------------------------------------------------------------- posting */

TEST(lines_are_text_frames_and_binary_ones_in_base64_in_their_order)
{
    struct asker asker = begin_joined();
    const char *const frames[] = {"[\"1\",null,\"room:a\",\"pushed\",{}]",
        "[\"1\",\"2\",\"room:a\"," ERROR("{\"reason\":\"no binary frames\"}"),
        "[\"1\",\"3\",\"room:a\"," ERROR("{\"reason\":\"because\"}")};

    CHECK_EQ(asker_post_lines(&asker, "[\"1\",\"1\",\"room:a\",\"push\",{}]\r\n\n"
                                      "AAEBBgQxMnJvb206YWVjaG8BAmRhdGE=\n"
                                      "[\"1\",\"3\",\"room:a\",\"fail\",{}]\n"),
        200);
    asker_expect(&asker, frames, ANQA_COUNT(frames));
    server_end();
}

TEST(a_line_that_is_neither_is_400_and_nothing_of_it_is_taken)
{
    struct asker asker = begin_joined();

    CHECK_EQ(asker_post_lines(&asker, "[\"1\",\"1\",\"room:a\",\"push\",{}]\n{}"), -400);
    CHECK_EQ(asker_post(&asker, "[\"1\",\"3\",\"room:a\",\"fail\",{}]"), 200);
    asker_expect_one(&asker, "[\"1\",\"3\",\"room:a\"," ERROR("{\"reason\":\"because\"}"));
    server_end();
}

TEST(a_hundred_lines_are_taken_and_what_follows_is_not)
{
    static char lines[20000], room[101][60];
    const char *frames[101];
    struct asker asker = begin_joined();
    size_t len = 0;

    for (int i = 1; i <= 110; i++)
        len += (size_t)snprintf(lines + len, sizeof lines - len,
            "[\"1\",\"%d\",\"room:a\",\"push\",{\"i\":%d}]\n", i, i);
    CHECK_EQ(asker_post_lines(&asker, lines), 200);
    CHECK_EQ(asker_post(&asker, "[\"1\",\"x\",\"room:a\",\"push\",{\"i\":0}]"), 200);
    for (int i = 0; i < 101; i++) {
        snprintf(room[i], sizeof room[i], "[\"1\",null,\"room:a\",\"pushed\",{\"i\":%d}]",
            i == 100 ? 0 : i + 1);
        frames[i] = room[i];
    }
    asker_expect(&asker, frames, 101);
    server_end();
}

TEST(a_frame_that_is_none_ends_the_session_and_is_408)
{
    struct asker asker = begin_joined();

    CHECK_EQ(asker_post(&asker, "[1,2,3]"), 408);
    CHECK_STR(server_told("terminated"), "shutdown: closed");
    CHECK_EQ(asker_post(&asker, "[null,\"1\",\"phoenix\",\"heartbeat\",{}]"), 410);
    CHECK_EQ(asker_got(&asker, asker_ask(&asker), NULL), 410);
    asker_join(&asker, "1", "room:a"); /* that was a new one */
    server_end();
}

TEST(posts_wait_while_a_join_runs_and_four_of_them_at_most)
{
    struct asker asker;
    const struct answer *answer;
    char target[1000];
    struct pollfd watched[5];
    int fds[5], busy = 0, taken = 0;
    anqa_pid joining;

    server_begin(&polled_endpoint);
    asker = asker_open("/slow", "vsn=2.0.0");
    CHECK_EQ(asker_post(&asker, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"wait_go\":true}]"), 200);
    memcpy(&joining, server_told("pid"), sizeof joining);
    snprintf(target, sizeof target, "/slow/longpoll?vsn=2.0.0&token=%s", asker.token);
    for (int i = 0; i < 5; i++) {
        fds[i] = request_begin(
            "POST", target, "", anqa_str_of("[null,\"2\",\"phoenix\",\"heartbeat\",{}]"));
        watched[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    CHECK(poll(watched, 5, (int)HARNESS_LONG_MS) > 0); /* the fifth, so four wait */
    CHECK_STATUS(anqa_send(joining, "go", anqa_nothing()), ANQA_OK);
    for (int i = 0; i < 5; i++) {
        answer = request_end(fds[i]);
        busy += strcmp(answer->body, "{\"status\":408}") == 0;
        taken += strcmp(answer->body, "{\"status\":200}") == 0;
    }
    CHECK_EQ(busy, 1);
    CHECK_EQ(taken, 4);
    server_end();
}

TEST(posts_that_wait_may_have_ten_megabytes_unless_there_is_one_only)
{
    static char body[6000001];
    struct asker asker;
    char target[1000];
    struct pollfd fds[2];
    anqa_pid joining;
    int refused;

    server_begin(&polled_endpoint);
    asker = asker_open("/slow", "vsn=2.0.0");
    CHECK_EQ(asker_post(&asker, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"wait_go\":true}]"), 200);
    memcpy(&joining, server_told("pid"), sizeof joining);
    snprintf(target, sizeof target, "/slow/longpoll?vsn=2.0.0&token=%s", asker.token);
    snprintf(body, sizeof body, "[null,\"2\",\"phoenix\",\"heartbeat\",\"%05999000d\"]", 0);
    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){
            .fd = request_begin("POST", target, "", anqa_str_of(body)), .events = POLLIN};
    CHECK_EQ(poll(fds, 2, 8000), 1); /* the one that came second, long before the window ends */
    refused = fds[0].revents != 0 ? 0 : 1;
    CHECK_STR(request_end(fds[refused].fd)->body, "{\"status\":408}");
    CHECK_STATUS(anqa_send(joining, "go", anqa_nothing()), ANQA_OK);
    CHECK_STR(request_end(fds[1 - refused].fd)->body, "{\"status\":200}");
    server_end();
}

TEST(a_post_that_is_not_taken_within_the_window_is_408)
{
    struct asker asker;
    anqa_pid joining;

    server_begin(&polled_endpoint);
    asker = asker_open("/socket", "vsn=2.0.0");
    CHECK_EQ(asker_post(&asker, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"wait_go\":true}]"), 200);
    memcpy(&joining, server_told("pid"), sizeof joining);
    CHECK_EQ(asker_post(&asker, "[null,\"2\",\"phoenix\",\"heartbeat\",{}]"), 408);
    CHECK_STATUS(anqa_send(joining, "go", anqa_nothing()), ANQA_OK);
    server_end();
}

TEST(a_body_that_is_too_long_is_413)
{
    static char body[8000002];
    struct asker asker = begin();
    char target[1000];

    memset(body, ' ', sizeof body - 1);
    snprintf(target, sizeof target, TARGET "&token=%s", asker.token);
    CHECK_EQ(request("POST", target, "", body)->status, 413);
    server_end();
}

/* ---------------------------------------------------------------- the end */

TEST(a_session_that_nobody_asks_ends_as_inactive_whatever_is_posted)
{
    struct asker asker;
    int status;

    server_begin(&polled_endpoint);
    asker = asker_open("/quick", "vsn=2.0.0");
    CHECK_EQ(asker_post(&asker, "[\"1\",\"1\",\"room:a\",\"phx_join\",{}]"), 200);
    do
        status = asker_post(&asker, "[null,\"2\",\"phoenix\",\"heartbeat\",{}]");
    while (status == 200);
    CHECK(status == 410 || status == 408);
    CHECK_STR(server_told("terminated"), "shutdown: inactive");
    CHECK_EQ(asker_post(&asker, "[null,\"2\",\"phoenix\",\"heartbeat\",{}]"), 410);
    server_end();
}

TEST(a_client_that_asks_is_not_inactive)
{
    struct asker asker = begin_joined();

    for (int i = 0; i < 3; i++)
        CHECK_EQ(asker_got(&asker, asker_ask(&asker), NULL), 204); /* a second each */
    CHECK_EQ(asker_post(&asker, "[\"1\",\"3\",\"room:a\",\"fail\",{}]"), 200);
    asker_expect_one(&asker, "[\"1\",\"3\",\"room:a\"," ERROR("{\"reason\":\"because\"}"));
    server_end();
}

TEST(disconnect_on_the_id_ends_the_session_and_who_waits_is_told_410)
{
    struct asker asker;
    int fd;

    server_begin(&polled_endpoint);
    asker = asker_open("/slow", "vsn=2.0.0&name=ann");
    asker_join(&asker, "1", "room:a");
    fd = asker_ask(&asker);
    await_waiting();
    CHECK_STATUS(
        anqa_broadcast(anqa_str_of("users:ann"), "disconnect", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    CHECK_EQ(asker_got(&asker, fd, NULL), 410);
    CHECK_STR(server_told("terminated"), "shutdown: disconnected");
    server_end();
}

TEST(what_was_sent_before_the_end_is_still_given_out)
{
    struct asker asker;

    server_begin(&polled_endpoint);
    asker = asker_open("/slow", "vsn=2.0.0&name=ann");
    asker_join(&asker, "1", "room:a");
    CHECK_EQ(asker_post(&asker, "[\"1\",\"2\",\"room:a\",\"push\",{}]"), 200);
    CHECK_EQ(asker_post(&asker, "[\"1\",\"9\",\"room:a\",\"who_am_i\",{}]"), 200);
    (void)server_told("pid");
    CHECK_STATUS(
        anqa_broadcast(anqa_str_of("users:ann"), "disconnect", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    CHECK_STR(server_told("terminated"), "shutdown: disconnected");
    asker_expect_one(&asker, "[\"1\",null,\"room:a\",\"pushed\",{}]");
    CHECK_EQ(asker_got(&asker, asker_ask(&asker), NULL), 410);
    server_end();
}

TEST(a_client_that_leaves_too_much_waiting_loses_its_session)
{
    static char frame[100100];
    struct asker asker;

    server_begin(&polled_endpoint);
    asker = asker_open("/slow", "vsn=2.0.0");
    asker_join(&asker, "1", "room:a");
    snprintf(frame, sizeof frame, "[\"1\",\"2\",\"room:a\",\"push\",{\"text\":\"%0100000d\"}]", 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(asker_post(&asker, frame), 200);
    CHECK_EQ(asker_post(&asker, "[\"1\",\"3\",\"room:a\",\"fail\",{}]"), 200);
    (void)asker_post(&asker, frame);
    CHECK_STR(server_told("terminated"), "shutdown: closed");
    CHECK_EQ(asker_post(&asker, frame), 410);
    server_end();
}

static void stop_endpoint(void *arg)
{
    (void)anqa_gen_server_stop(server_endpoint(), ANQA_SHUTDOWN, ANQA_INFINITY);
    server_tell("stopped", "");
}

TEST(an_endpoint_that_stops_tells_who_waits_and_ends_channels_as_draining)
{
    struct asker asker;
    int fd;

    server_begin(&polled_endpoint);
    asker = asker_open("/slow", "vsn=2.0.0");
    asker_join(&asker, "1", "room:a");
    fd = asker_ask(&asker);
    await_waiting();
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = stop_endpoint}, NULL, NULL), ANQA_OK);
    CHECK_EQ(asker_got(&asker, fd, NULL), 410);
    CHECK_STR(server_told("terminated"), "shutdown: draining");
    CHECK_STR(server_told("stopped"), "");
    server_end();
}

/* ---------------------------------------------------------------- beside others */

TEST(a_broadcast_reaches_clients_of_all_transports_and_versions)
{
    struct asker two = begin_joined(), one = asker_open("/socket", "vsn=1.0.0");
    struct client client = client_open();

    CHECK_EQ(asker_post(&one,
                 "{\"topic\":\"room:a\",\"event\":\"phx_join\",\"payload\":{},\"ref\":\"1\"}"),
        200);
    asker_expect_one(&one,
        "{\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":{}},"
        "\"ref\":\"1\",\"topic\":\"room:a\"}");
    client_join(client, "1", "room:a");
    client_send(client, "[\"1\",\"2\",\"room:a\",\"shout\",{\"a\":1}]");
    client_expect(client, "[null,null,\"room:a\",\"msg\",{\"a\":1}]");
    asker_expect_one(&two, "[null,null,\"room:a\",\"msg\",{\"a\":1}]");
    asker_expect_one(
        &one, "{\"event\":\"msg\",\"payload\":{\"a\":1},\"ref\":null,\"topic\":\"room:a\"}");
    client_close(client);
    server_end();
}

TEST(a_channel_of_a_session_lives_as_others_do)
{
    struct asker asker = begin_joined();
    const char *const frames[] = {CRASHED, OPENED, "[\"1\",\"8\",\"room:a\"," OK("{}"),
        "[\"1\",\"1\",\"room:a\",\"phx_close\",{}]"};

    CHECK_EQ(asker_post_lines(&asker, "[\"1\",\"2\",\"room:a\",\"push_bytes\",{}]\n"
                                      "[\"1\",\"2\",\"room:a\",\"crash\",{}]"),
        200);
    asker_expect(&asker, frames, 1);
    CHECK_EQ(asker_post_lines(&asker, "[\"1\",\"1\",\"room:a\",\"phx_join\",{}]\n"
                                      "[\"1\",\"8\",\"room:a\",\"phx_leave\",{}]"),
        200);
    asker_expect(&asker, frames + 1, 3);
    server_end();
}
