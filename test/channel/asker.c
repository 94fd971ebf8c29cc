#include "channel/asker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---------------------------------------------------------------- requests */

static void put(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* it was closed: what is read next shows it */
        bytes += n;
        len -= (size_t)n;
    }
}

int request_begin(const char *method, const char *target, const char *fields, anqa_str body)
{
    char head[4096];
    int fd = client_dial();

    CHECK(fd >= 0);
    snprintf(head, sizeof head,
        "%s %s HTTP/1.1\r\nHost: localhost:%u\r\nConnection: close\r\nContent-Length: "
        "%zu\r\n%s\r\n",
        method, target, server_port(), body.len, fields);
    put(fd, head, strlen(head));
    put(fd, body.ptr, body.len);
    return fd;
}

const struct answer *request_end(int fd)
{
    static struct answer answer;
    static char bytes[sizeof answer.body + sizeof answer.head];
    size_t len = 0;
    ssize_t n;
    char *body;

    while ((n = recv(fd, bytes + len, sizeof bytes - 1 - len, 0)) > 0)
        len += (size_t)n;
    CHECK(n == 0, "no whole answer");
    close(fd);
    bytes[len] = '\0';
    body = strstr(bytes, "\r\n\r\n");
    CHECK(body != NULL, "%s", bytes);
    answer.status = (int)strtol(bytes + 9, NULL, 10);
    snprintf(answer.head, sizeof answer.head, "%.*s", (int)(body + 2 - bytes), bytes);
    snprintf(answer.body, sizeof answer.body, "%s", body + 4);
    return &answer;
}

const struct answer *request(
    const char *method, const char *target, const char *fields, const char *body)
{
    return request_end(request_begin(method, target, fields, anqa_str_of(body)));
}

/* ---------------------------------------------------------------- a client */

static void target_of(const struct asker *asker, char target[static 1000])
{
    snprintf(target, 1000, "%s/longpoll?%s&token=%s", asker->path, asker->query, asker->token);
}

int asker_ask(const struct asker *asker)
{
    char target[1000];

    target_of(asker, target);
    return request_begin("GET", target, "", (anqa_str){NULL, 0});
}

int asker_got(struct asker *asker, int fd, anqa_json *ret_messages)
{
    const struct answer *answer = request_end(fd);
    anqa_json body = anqa_json_of(anqa_str_of(answer->body)), messages;
    anqa_str token;

    CHECK_EQ(answer->status, 200, "%s", answer->body);
    token = anqa_json_str(body, "token");
    CHECK(token.len < sizeof asker->token);
    snprintf(asker->token, sizeof asker->token, "%.*s", ANQA_FMT(token));
    if (anqa_json_get(body, "messages", &messages) == ANQA_OK && ret_messages != NULL)
        *ret_messages = messages;
    return (int)anqa_json_int(body, "status", 0);
}

struct asker asker_open(const char *path, const char *query)
{
    struct asker asker = {.path = path};

    snprintf(asker.query, sizeof asker.query, "%s", query);
    CHECK_EQ(asker_got(&asker, asker_ask(&asker), NULL), 410);
    CHECK(asker.token[0] != '\0');
    return asker;
}

static void check_frame(anqa_json value, const char *frame)
{
    static char room[1 << 20];
    anqa_arena arena = {0};
    anqa_str text;

    CHECK_STATUS(anqa_json_to_str(&arena, value, &text), ANQA_OK);
    snprintf(room, sizeof room, "%.*s", ANQA_FMT(text));
    anqa_arena_done(&arena);
    CHECK_STR(room, frame);
}

void asker_expect(struct asker *asker, const char *const *frames, size_t count)
{
    size_t at = 0;

    while (at < count) {
        anqa_json messages = ANQA_JSON_EMPTY_ARRAY;
        anqa_json_iter it;
        int status = asker_got(asker, asker_ask(asker), &messages);
        CHECK(status == 200 || status == 204, "%d", status);
        it = anqa_json_each(messages);
        while (anqa_json_next(&it)) {
            CHECK(at < count);
            check_frame(it.value, frames[at++]);
        }
    }
}

void asker_expect_one(struct asker *asker, const char *frame)
{
    asker_expect(asker, &frame, 1);
}

static int posted(const struct asker *asker, const char *fields, const char *body)
{
    char target[1000];
    const struct answer *answer;

    target_of(asker, target);
    answer = request("POST", target, fields, body);
    if (answer->status != 200)
        return -answer->status;
    return (int)anqa_json_int(anqa_json_of(anqa_str_of(answer->body)), "status", 0);
}

int asker_post(const struct asker *asker, const char *frame)
{
    return posted(asker, "Content-Type: application/json\r\n", frame);
}

int asker_post_lines(const struct asker *asker, const char *lines)
{
    return posted(asker, "Content-Type: application/x-ndjson\r\n", lines);
}

void asker_join(struct asker *asker, const char *ref, const char *topic)
{
    char frame[500];

    snprintf(frame, sizeof frame, "[\"%s\",\"%s\",\"%s\",\"phx_join\",{}]", ref, ref, topic);
    CHECK_EQ(asker_post(asker, frame), 200);
    snprintf(frame, sizeof frame,
        "[\"%s\",\"%s\",\"%s\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]", ref, ref,
        topic);
    asker_expect_one(asker, frame);
}

/* ---------------------------------------------------------------- the server */

const anqa_endpoint polled_endpoint = {
    .sockets = (const anqa_socket_mount[]){{.path = "/socket",
                                               .user_socket = &rooms_socket,
                                               .longpoll = {.on = true, .window_ms = 1000},
                                               .sse = {.on = true, .heartbeat_ms = 1000}},
        {.path = "/quick",
            .user_socket = &rooms_socket,
            .longpoll = {.on = true, .window_ms = 100},
            .sse = {.on = true, .heartbeat_ms = 100}},
        {.path = "/slow", .user_socket = &rooms_socket, .longpoll = {.on = true}},
        {.path = "/few",
            .user_socket = &rooms_socket,
            .longpoll = {.on = true, .max_sessions = 2},
            .sse = {.on = true, .max_sessions = 2}},
        {.path = "/listed",
            .user_socket = &rooms_socket,
            .check_origin = ANQA_ORIGIN_LIST,
            .origins = (const char *const[]){"//*.example.org", NULL},
            .longpoll = {.on = true},
            .sse = {.on = true}},
        {0}},
    .secret_key_base = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    .max_output_bytes = 300000,
    .quiet = true,
};
