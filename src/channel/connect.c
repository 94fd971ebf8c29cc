#include "channel/connect.h"

#include <anqa/log.h>
#include <anqa/memory.h>

#include "channel/origin.h"
#include "channel/socket.h"
#include "http/response.h"
#include "http/url.h"
#include "http/websocket.h"

#define PARAMS_MAX 100u /* pairs in the query; each is compared with all */

/* ---------------------------------------------------------------- the query */

struct pair {
    anqa_str key, value;
};

static anqa_status decode(anqa_str raw, anqa_str *ret_text)
{
    char *room = anqa_arena_alloc(anqa_tmp(), raw.len);

    return url_decode(raw, URL_PLUS, room, raw.len, ret_text);
}

static bool comes_again(const struct pair *pairs, size_t count, size_t i)
{
    for (size_t j = i + 1; j < count; j++)
        if (anqa_str_eq(pairs[i].key, pairs[j].key))
            return true;
    return false;
}

static anqa_json pairs_json(const struct pair *pairs, size_t count)
{
    anqa_json_writer w;
    anqa_json json = ANQA_JSON_EMPTY_OBJECT;

    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_json_begin_object(&w);
    for (size_t i = 0; i < count; i++) {
        if (comes_again(pairs, count, i))
            continue;
        anqa_json_key_str(&w, pairs[i].key);
        anqa_json_put_str(&w, pairs[i].value);
    }
    anqa_json_end_object(&w);
    ANQA_REQUIRE(anqa_json_writer_finish(&w, &json) == ANQA_OK);
    return json;
}

anqa_status connect_params(anqa_str query, anqa_json *ret_params)
{
    struct pair *pairs = anqa_arena_alloc(anqa_tmp(), PARAMS_MAX * sizeof *pairs);
    struct query_iter it = query_each(query);
    struct query_pair raw;
    size_t count = 0;

    while (query_next(&it, &raw)) {
        anqa_status status;
        if (count == PARAMS_MAX)
            return ANQA_E_LIMIT;
        status = decode(raw.key, &pairs[count].key);
        if (status == ANQA_OK)
            status = decode(raw.value, &pairs[count].value);
        if (status != ANQA_OK)
            return status;
        count++;
    }
    *ret_params = pairs_json(pairs, count);
    return ANQA_OK;
}

bool connect_is_v2(anqa_str vsn)
{
    if (vsn.len < 5 || memcmp(vsn.ptr, "2.0.", 4) != 0)
        return false;
    for (size_t i = 4; i < vsn.len; i++)
        if (vsn.ptr[i] < '0' || vsn.ptr[i] > '9')
            return false;
    return true;
}

/* ---------------------------------------------------------------- who may come in */

static void refuse(struct conn *conn, const struct socket_mount *mount, const char *why)
{
    anqa_log(ANQA_INFO, "socket.connect.refused", "path=%s error=%s", mount->spec->path, why);
    conn_respond(conn, 403, NULL, (anqa_str){NULL, 0});
}

/* NULL: it may go on. */
static const char *refusal(
    const struct socket_mount *mount, const struct request *request, anqa_json params)
{
    anqa_str origin;

    if (request_header(request, "origin", &origin) &&
        !origin_allowed(mount->spec, mount->host, origin, request->host))
        return "origin";
    if (!connect_is_v2(anqa_json_str(params, "vsn")))
        return "vsn";
    return NULL;
}

anqa_status connect_admit(
    const struct socket_mount *mount, anqa_json params, struct admission *ret_admission)
{
    const anqa_user_socket *spec = mount->spec->user_socket;
    anqa_socket user = {.assigns = anqa_arena_calloc(anqa_tmp(), 1, spec->assigns_size + 1)};
    anqa_str id = {NULL, 0};

    if (spec->connect != NULL && spec->connect(&user, params) != ANQA_OK)
        return ANQA_E_PERMISSION;
    if (spec->id != NULL)
        id = spec->id(&user);
    if (id.len > ANQA_TOPIC_MAX)
        return ANQA_E_LIMIT;
    *ret_admission = (struct admission){user.assigns, id};
    return ANQA_OK;
}

void connect_log(const struct socket_mount *mount)
{
    anqa_log_level level = mount->spec->user_socket->log;

    if (level == 0)
        level = ANQA_INFO;
    if (level != ANQA_LOG_NONE)
        anqa_log(level, "socket.connected", "path=%s", mount->spec->path);
}

/* ---------------------------------------------------------------- a WebSocket as transport */

static char *ws_room(void *conn, size_t size)
{
    return conn_queue_room(conn, size);
}

static void ws_send_now(void *conn, const anqa_buf *frames, size_t count)
{
    conn_send_now(conn, frames, count);
}

static void ws_close(void *conn, uint16_t code)
{
    conn_ws_close(conn, code, (anqa_str){NULL, 0});
}

static void ws_pause(void *conn)
{
    conn_pause(conn);
}

static void ws_resume(void *conn)
{
    conn_resume(conn);
}

static const struct transport websocket_transport = {.room = ws_room,
    .send_now = ws_send_now,
    .close = ws_close,
    .pause = ws_pause,
    .resume = ws_resume};

static void ws_message(struct conn *conn, void *user, bool binary, anqa_str data)
{
    socket_message(user, binary, data);
}

static void ws_closed(struct conn *conn, void *user)
{
    socket_closed(user);
}

static void ws_drained(struct conn *conn, void *user, uint16_t code)
{
    socket_drain(user, code);
}

static const struct ws_ops ws_ops = {
    .message = ws_message, .closed = ws_closed, .drained = ws_drained};

/* ---------------------------------------------------------------- the handshake */

static void upgrade(struct conn *conn, const struct socket_mount *mount,
    const struct request *request, const struct admission *admission)
{
    const char *problem = websocket_refusal(request);
    char buffer[RESPONSE_HEAD_SIZE / 4];
    struct response response;
    struct socket *socket;
    anqa_status status;
    anqa_str head;

    if (problem != NULL) {
        conn_respond(conn, 400, "text/plain", anqa_str_of(problem));
        return;
    }
    websocket_write_head(&response, buffer, sizeof buffer, request, (anqa_str){NULL, 0});
    ANQA_INVARIANT(response_finish(&response, &head) == ANQA_OK);
    status =
        socket_new(&websocket_transport, conn, mount, admission->assigns, admission->id, &socket);
    if (status != ANQA_OK) {
        conn_respond(conn, 503, NULL, (anqa_str){NULL, 0});
        return;
    }
    connect_log(mount);
    conn_upgrade(conn, head, &ws_ops, socket, mount->timeout_s);
}

void connect_serve(struct conn *conn, const struct request *request, const void *arg)
{
    const struct socket_mount *mount = arg;
    struct admission admission;
    const char *problem;
    anqa_json params;
    anqa_status status;

    if (request->method != REQUEST_GET || connect_params(request->query, &params) != ANQA_OK) {
        conn_respond(conn, 400, NULL, (anqa_str){NULL, 0});
        return;
    }
    problem = refusal(mount, request, params);
    if (problem != NULL) {
        refuse(conn, mount, problem);
        return;
    }
    status = connect_admit(mount, params, &admission);
    if (status != ANQA_OK)
        refuse(conn, mount, status == ANQA_E_LIMIT ? "the id is too long" : "connect");
    else if (!conn_is_closing(conn))
        upgrade(conn, mount, request, &admission);
}
