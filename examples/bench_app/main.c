/*
 * What load generators talk to: a channel that echoes and broadcasts, and a few pages. PORT says where it listens (0: any
 * free port), BENCH_FILES a folder whose files are served below /files.
 *
 *     bench:*   echo                answers with the payload
 *               broadcast           sends it to all on the topic as "msg", and answers
 *               broadcast_noreply   does so without an answer
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

static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&bench_channel, NULL},
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

static anqa_static_files files[] = {{0}, {0}};

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
    .children = (const anqa_child_spec[]){ANQA_ENDPOINT(&endpoint), {0}},
};

int main(int argc, char **argv)
{
    files[0].dir = getenv("BENCH_FILES"); /* before there is another thread */
    if (files[0].dir != NULL)
        files[0].url = "/files";
    return anqa_main(argc, argv, &app);
}
