/*
 * What load generators talk to: a channel that echoes and broadcasts, and a few pages. PORT says where it listens (0: any
 * free port), BENCH_FILES a folder whose files are served below /files, and below /anew by opening them for each request.
 *
 *     bench:*   echo                answers with the payload
 *               broadcast           sends it to all on the topic as "msg", and answers
 *               broadcast_noreply   does so without an answer
 *     presence:*   who joins with {"id": ...} is tracked under that id
 *
 *     /text, /json                  a text, and JSON that is made for each request
 */
#include <anqa/anqa.h>

#include <stdlib.h>

static anqa_next echo(anqa_socket *socket, anqa_json payload)
{
    return anqa_reply_ok(payload);
}

static anqa_next broadcast_noreply(anqa_socket *socket, anqa_json payload)
{
    anqa_socket_broadcast(socket, "msg", payload);
    return anqa_noreply();
}

static anqa_next broadcast(anqa_socket *socket, anqa_json payload)
{
    anqa_socket_broadcast(socket, "msg", payload);
    return anqa_reply_ok(ANQA_JSON_EMPTY_OBJECT);
}

static anqa_next echo_binary(anqa_socket *socket, anqa_str data)
{
    return anqa_reply_payload(anqa_bytes(data.ptr, data.len));
}

static const anqa_channel bench_channel = {
    .topic = "bench:*",
    .handle_in_binary = (const anqa_binary_event[]){{"echo", echo_binary}, {0}},
    .handle_in = (const anqa_event[]){{"echo", echo}, {"broadcast", broadcast},
        {"broadcast_noreply", broadcast_noreply}, {0}},
};

static const anqa_presence presence = {.name = "presence", .max_per_topic = 100000};

struct visitor {
    char id[64];
};

static anqa_next presence_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    struct visitor *visitor = socket->state;
    anqa_str id = anqa_json_str(params, "id");

    if (id.len == 0 || id.len >= sizeof visitor->id)
        return anqa_reply_error("id");
    memcpy(visitor->id, id.ptr, id.len);
    anqa_send(anqa_self(), "after_join", anqa_nothing());
    return anqa_reply_ok(ANQA_JSON_NULL);
}

static anqa_next presence_after_join(anqa_socket *socket, anqa_msg *msg)
{
    const struct visitor *visitor = socket->state;

    ANQA_REQUIRE(anqa_presence_track(&presence, socket, anqa_str_of(visitor->id), ANQA_JSON_NULL) ==
                 ANQA_OK);
    ANQA_REQUIRE(anqa_presence_push_state(&presence, socket) == ANQA_OK);
    return anqa_noreply();
}

static const anqa_channel presence_channel = {
    .topic = "presence:*",
    .state_size = sizeof(struct visitor),
    .join = presence_join,
    .handle_info = (const anqa_info[]){{"after_join", presence_after_join}, {0}},
};

static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&bench_channel, &presence_channel, NULL},
};

static void text(anqa_conn *conn, const void *opts)
{
    anqa_send_text(conn, 200, anqa_str_of("hello"));
}

static void json(anqa_conn *conn, const void *opts)
{
    anqa_send_json(
        conn, 200, anqa_jsonf("{'message': 'hello', 'path': %.*s}", ANQA_FMT(conn->request_path)));
}

static const anqa_router router = {
    .routes = (const anqa_route[]){ANQA_GET("/text", text), ANQA_GET("/json", json), {0}},
};

static anqa_static_files files[] = {{0}, {0}, {0}};

static const anqa_endpoint endpoint = {
    .sockets = (const anqa_socket_mount[]){{.path = "/socket", .user_socket = &user_socket},
        {.path = "/compressed", .user_socket = &user_socket, .compress = true},
        {.path = "/context", .user_socket = &user_socket, .compress = true, .client_context = true},
        {0}},
    .statics = files,
    .router = &router,
    .max_connections = 2000000,
};

static const anqa_app app = {
    .name = "bench_app",
    .version = "1.0",
    .about = "a channel that echoes and broadcasts, and a few pages, for load generators",
    .children = (const anqa_child_spec[]){ANQA_PRESENCE(&presence), ANQA_ENDPOINT(&endpoint), {0}},
};

int main(int argc, char **argv)
{
    const char *folder = getenv("BENCH_FILES"); /* before there is another thread */

    if (folder != NULL) {
        files[0] = (anqa_static_files){.url = "/files", .dir = folder};
        files[1] = (anqa_static_files){.url = "/anew", .dir = folder, .opens_anew = true};
    }
    return anqa_main(argc, argv, &app);
}
