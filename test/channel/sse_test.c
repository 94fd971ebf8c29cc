/* Streams of events: a client that only listens. */
#include "channel/asker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLIED(number, topic)                      \
    "data: [\"" number "\",\"" number "\",\"" topic \
    "\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]\n\n"

/* A stream, and what has come of it. */
struct stream {
    int fd;
    size_t len;
    char text[1 << 16];
};

static void await(struct stream *stream, const char *part)
{
    while (strstr(stream->text, part) == NULL) {
        ssize_t n =
            recv(stream->fd, stream->text + stream->len, sizeof stream->text - 1 - stream->len, 0);
        CHECK(n > 0, "it ended, or nothing came; wanted: %s; came: %s", part, stream->text);
        stream->len += (size_t)n;
        stream->text[stream->len] = '\0';
    }
}

static void await_end(struct stream *stream)
{
    char rest[1000];
    ssize_t n;

    while ((n = recv(stream->fd, rest, sizeof rest, 0)) > 0)
        ;
    CHECK_EQ(n, 0);
    close(stream->fd);
}

static struct stream open_stream(const char *target)
{
    struct stream stream = {.fd = request_begin("GET", target, "", (anqa_str){NULL, 0})};

    await(&stream, "\r\n\r\n");
    CHECK(strncmp(stream.text, "HTTP/1.1 200 ", 13) == 0, "%s", stream.text);
    CHECK(strstr(stream.text, "content-type: text/event-stream\r\n") != NULL, "%s", stream.text);
    return stream;
}

TEST(topics_of_the_query_are_joined_and_their_messages_are_events)
{
    struct stream stream;

    server_begin(&polled_endpoint);
    stream = open_stream("/socket/sse?vsn=2.0.0&topics[]=room:a&topics[]=room:b&topics[]=none");
    await(&stream, REPLIED("1", "room:a"));
    await(&stream, REPLIED("2", "room:b"));
    await(&stream, "data: [null,\"3\",\"none\"," UNMATCHED "\n\n");
    CHECK_STATUS(
        anqa_broadcast(anqa_str_of("room:b"), "msg", anqa_json_of(anqa_str_of("{\"a\":1}"))),
        ANQA_OK);
    await(&stream, "data: [null,null,\"room:b\",\"msg\",{\"a\":1}]\n\n");
    close(stream.fd);
    server_end();
}

TEST(a_payload_of_the_query_is_that_of_the_joins)
{
    struct stream stream;

    server_begin(&polled_endpoint);
    stream = open_stream("/socket/sse?topic=room:a&payload[reply][name]=Ada");
    await(&stream, "data: {\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":"
                   "{\"name\":\"Ada\"}},\"ref\":\"1\",\"topic\":\"room:a\"}\n\n");
    close(stream.fd);
    server_end();
}

TEST(a_stream_in_which_nothing_happens_is_kept_alive_by_comments)
{
    struct stream stream;

    server_begin(&polled_endpoint);
    stream = open_stream("/quick/sse?vsn=2.0.0&topic=room:a");
    await(&stream, "\n:\n\n");
    stream.len = 0;
    stream.text[0] = '\0';
    await(&stream, ":\n\n");
    CHECK_STATUS(anqa_broadcast(anqa_str_of("room:a"), "msg", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    await(&stream, "\"msg\"");
    close(stream.fd);
    server_end();
}

TEST(a_client_that_goes_away_ends_its_channels)
{
    struct stream stream;

    server_begin(&polled_endpoint);
    stream = open_stream("/quick/sse?vsn=2.0.0&topic=room:a");
    await(&stream, REPLIED("1", "room:a"));
    close(stream.fd);
    CHECK_STR(server_told("terminated"), "shutdown: closed");
    server_end();
}

/* It could still read: a write would tell nothing. */
TEST(a_client_that_has_closed_its_side_is_noticed_when_nothing_comes)
{
    struct stream stream;

    server_begin(&polled_endpoint);
    stream = open_stream("/quick/sse?vsn=2.0.0&topic=room:a");
    await(&stream, REPLIED("1", "room:a"));
    CHECK(shutdown(stream.fd, SHUT_WR) == 0);
    CHECK_STR(server_told("terminated"), "shutdown: closed");
    await_end(&stream);
    server_end();
}

TEST(a_stream_whose_request_is_killed_ends_its_channels)
{
    struct stream stream = {0};
    anqa_pid serving;

    server_begin(&polled_endpoint);
    stream.fd =
        request_begin("GET", "/quick/sse?vsn=2.0.0&topic=room:a&wait=go", "", anqa_str_of(""));
    memcpy(&serving, server_told("pid"), sizeof serving);
    CHECK_STATUS(anqa_send(serving, "go", anqa_nothing()), ANQA_OK);
    await(&stream, "phx_reply");
    anqa_exit_signal(serving, ANQA_KILL);
    CHECK_STR(server_told("terminated"), "shutdown: closed");
    close(stream.fd);
    server_end();
}

TEST(disconnect_on_the_id_ends_the_stream_behind_what_was_sent)
{
    struct stream stream;

    server_begin(&polled_endpoint);
    stream = open_stream("/socket/sse?vsn=2.0.0&topic=room:a&name=ann");
    await(&stream, REPLIED("1", "room:a"));
    CHECK_STATUS(anqa_broadcast(anqa_str_of("room:a"), "last", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    await(&stream, "\"last\"");
    CHECK_STATUS(
        anqa_broadcast(anqa_str_of("users:ann"), "disconnect", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    CHECK_STR(server_told("terminated"), "shutdown: disconnected");
    await_end(&stream);
    server_end();
}

static void stop_endpoint(void *arg)
{
    (void)anqa_gen_server_stop(server_endpoint(), ANQA_SHUTDOWN, ANQA_INFINITY);
    server_tell("stopped", "");
}

TEST(an_endpoint_that_stops_ends_its_streams)
{
    struct stream stream;

    server_begin(&polled_endpoint);
    stream = open_stream("/socket/sse?vsn=2.0.0&topic=room:a");
    await(&stream, REPLIED("1", "room:a"));
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = stop_endpoint}, NULL, NULL), ANQA_OK);
    await_end(&stream);
    CHECK_STR(server_told("terminated"), "shutdown: draining");
    CHECK_STR(server_told("stopped"), "");
    server_end();
}

static const struct {
    const char *method, *target, *fields;
    int status;
} refused[] = {{"GET", "/socket/sse?name=mallory", "", 403}, {"GET", "/socket/sse?vsn=3", "", 403},
    {"GET", "/listed/sse", "Origin: http://other.org\r\n", 403}, {"POST", "/socket/sse", "", 400},
    {"GET", "/socket/sse?a=%zz", "", 400}, {"GET", "/slow/sse", "", 404},
    {"GET", "/socket/sse?name=crash", "", 500}};

TEST(who_may_not_listen_is_told_by_a_status)
{
    server_begin(&polled_endpoint);
    for (size_t i = 0; i < ANQA_COUNT(refused); i++)
        CHECK_EQ(request(refused[i].method, refused[i].target, refused[i].fields, "")->status,
            refused[i].status, "%s", refused[i].target);
    server_end();
}

TEST(as_many_topics_as_may_be_joined_are_and_one_more_is_400)
{
    char target[2000] = "/socket/sse?vsn=2.0.0";
    struct stream stream;
    size_t len = strlen(target);

    server_begin(&polled_endpoint);
    for (int i = 1; i <= 100; i++)
        len += (size_t)snprintf(target + len, sizeof target - len, "&topics[]=any:%d", i);
    stream = open_stream(target);
    await(&stream, REPLIED("1", "any:1"));
    await(&stream, REPLIED("100", "any:100"));
    close(stream.fd);
    snprintf(target + len, sizeof target - len, "&topics[]=any:0");
    CHECK_EQ(request("GET", target, "", "")->status, 400);
    server_end();
}

TEST(a_slow_join_does_not_keep_the_answers_to_earlier_ones_back)
{
    struct stream stream = {0};
    anqa_pid joining;

    server_begin(&polled_endpoint);
    stream = open_stream(
        "/listed/sse?vsn=2.0.0&topics[]=exact&topics[]=room:a&topics[]=any:z&payload[wait]=go");
    await(&stream, REPLIED("1", "exact"));
    memcpy(&joining, server_told("pid"), sizeof joining);
    CHECK_STATUS(anqa_send(joining, "go", anqa_nothing()), ANQA_OK);
    await(&stream, REPLIED("2", "room:a"));
    await(&stream, REPLIED("3", "any:z"));
    close(stream.fd);
    server_end();
}

TEST(more_streams_than_a_mount_allows_are_503)
{
    struct stream first, second;

    server_begin(&polled_endpoint);
    first = open_stream("/few/sse?vsn=2.0.0&topic=room:a");
    second = open_stream("/few/sse?vsn=2.0.0&topic=room:a");
    CHECK_EQ(request("GET", "/few/sse?vsn=2.0.0", "", "")->status, 503);
    close(first.fd);
    close(second.fd);
    server_end();
}
