/* Who answers a request, and short answers. See serve.h and conn.h. */
#include "http/serve.h"

#include <stdatomic.h>
#include <string.h>

#include "http/error_page.h"
#include "http/h2_stream.h"
#include "http/static.h"

#define HEAD_ROOM 1024u
#define REASON_SIZE 1024u
#define TEXT "text/plain; charset=utf-8"
#define HSTS "strict-transport-security"
#define METHODS "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

/* ---------------------------------------------------------------- heads and ends */

bool conn_write_head(struct conn *conn, anqa_str head, bool follows)
{
    return conn->streamed ? stream_head(conn, head, follows) : conn_write(conn, head);
}

void conn_answer_over(struct conn *conn)
{
    conn->partial = false;
    if (conn->streamed)
        stream_finish(conn);
}

/* ---------------------------------------------------------------- short answers */

/* Head and body. */
static void put(struct conn *conn, anqa_str head, anqa_str body)
{
    size_t head_len = conn->streamed ? 0 : head.len;
    char *room;

    if (conn->streamed && !stream_head(conn, head, body.len > 0))
        return;
    if (head_len + body.len == 0)
        return;
    room = conn_queue_room(conn, head_len + body.len);
    if (room == NULL)
        return;
    memcpy(room, head.ptr, head_len);
    if (body.len > 0)
        memcpy(room + head_len, body.ptr, body.len);
}

static void respond(struct conn *conn, unsigned status, const anqa_header *fields, anqa_str body)
{
    char head[HEAD_ROOM];
    struct response response;
    anqa_str text;

    if (conn->phase != CONN_HTTP || conn->answered)
        return;
    conn->answered = true;
    response_start(&response, head, sizeof head, status);
    for (const anqa_header *field = fields; field->name != NULL; field++)
        response_header(&response, field->name, anqa_str_of(field->value));
    if (status != 204)
        response_header_uint(&response, "content-length", body.len);
    if (!conn->streamed)
        h1_connection_field(conn, &response);
    if (response_finish(&response, &text) != ANQA_OK) {
        conn_kill(conn, true);
        return;
    }
    if (conn->head_only)
        body.len = 0;
    put(conn, text, body);
    conn_answer_over(conn);
}

void conn_respond(struct conn *conn, unsigned status, const char *type, anqa_str body)
{
    const anqa_header fields[] = {{type == NULL ? NULL : "content-type", type}, {NULL, NULL}};

    respond(conn, status, fields, body);
}

void conn_refuse(struct conn *conn, unsigned status, const char *why)
{
    /* Behind 405 there are methods that are not: RFC 9110, 15.5.6 */
    const anqa_header fields[] = {
        {"content-type", TEXT}, {status == 405 ? "allow" : NULL, METHODS}, {NULL, NULL}};

    conn->keep_alive = false;
    respond(conn, status, fields, anqa_str_of(why));
}

/* ---------------------------------------------------------------- who answers */

/* False: it was answered that it can not be. */
static bool begin(struct conn *conn, struct exchange *exchange, const struct exchange_ops *ops,
    struct request *request)
{
    const struct http_service *service = conn->service;

    if (!exchange_init(exchange, ops, request)) {
        conn_refuse(conn, 400, "host or path can not be read\n");
        return false;
    }
    exchange->pages = &service->pages;
    if (service->limits.body_bytes != 0)
        exchange->body_most = service->limits.body_bytes;
    if (service->pages.debug)
        conn_trace_exits(conn);
    exchange->secret = service->secret;
    exchange->session_opts = service->session;
    exchange->plain_port = atomic_load_explicit(&service->plain_port, memory_order_relaxed);
    exchange->secure_port = atomic_load_explicit(&service->secure_port, memory_order_relaxed);
    return true;
}

static bool has_begun(const struct exchange *exchange)
{
    return exchange->ops != NULL;
}

static void run(
    struct conn *conn, struct exchange *exchange, struct request *request, const anqa_plug *plugs)
{
    conn->user = request;
    exchange_run(exchange, plugs);
    if (conn->phase == CONN_HTTP) /* else it is that of another protocol */
        conn->user = NULL;
}

static void serve_plugs(struct conn *conn, struct exchange *exchange,
    const struct exchange_ops *ops, struct request *request, const anqa_plug *plugs)
{
    if (has_begun(exchange) || begin(conn, exchange, ops, request))
        run(conn, exchange, request, plugs);
}

/* Whether the request came over TLS, or need not; else it is sent there. */
static bool is_let_in(struct conn *conn, struct exchange *exchange, const struct exchange_ops *ops,
    struct request *request)
{
    static const anqa_plug none[] = {{0}};

    if (conn->service->force_ssl == NULL || *request->path.ptr == '*')
        return true;
    if (!begin(conn, exchange, ops, request))
        return false;
    anqa_plug_ssl(&exchange->pub, conn->service->force_ssl);
    if (exchange->pub.halted)
        run(conn, exchange, request, none);
    return !exchange->pub.halted;
}

/* What is_let_in has put, for answers that are not the exchange's; with a NUL behind it. Empty: nothing. */
static anqa_str hsts_of(const struct exchange *exchange)
{
    anqa_str value = {NULL, 0};

    if (has_begun(exchange))
        (void)anqa_conn_resp_header(&exchange->pub, HSTS, &value);
    return value;
}

static void say_nothing_here(struct conn *conn, anqa_str hsts)
{
    const anqa_header fields[] = {
        {"content-type", TEXT}, {hsts.len == 0 ? NULL : HSTS, hsts.ptr}, {NULL, NULL}};

    respond(conn, 404, fields, anqa_str_of("there is nothing here\n"));
}

static bool serve_mount(struct conn *conn, struct exchange *exchange,
    const struct exchange_ops *ops, struct request *request)
{
    const struct http_service *service = conn->service;

    for (size_t i = 0; i < service->mount_count; i++) {
        const struct http_mount *mount = &service->mounts[i];
        if (!mount_fits(mount->path, request->path))
            continue;
        if (mount->plugs != NULL)
            serve_plugs(conn, exchange, ops, request, mount->plugs);
        else
            mount->serve(conn, request, mount->arg);
        return true;
    }
    return false;
}

void serve_request(struct conn *conn, struct exchange *exchange, const struct exchange_ops *ops,
    struct request *request)
{
    const struct http_service *service = conn->service;

    if (!is_let_in(conn, exchange, ops, request) || serve_mount(conn, exchange, ops, request))
        return;
    for (size_t i = 0; i < service->static_count; i++)
        if (conn_serve_static(conn, &service->statics[i], request, hsts_of(exchange)))
            return;
    if (*request->path.ptr == '*') /* the server as a whole is asked */
        respond(conn, 204, (const anqa_header[]){{"allow", METHODS}, {NULL, NULL}},
            (anqa_str){NULL, 0});
    else if (service->plugs != NULL)
        serve_plugs(conn, exchange, ops, request, service->plugs);
    else
        say_nothing_here(conn, hsts_of(exchange));
}

void serve_crash_page(struct conn *conn, struct exchange *exchange, const struct exchange_ops *ops,
    const struct request *request, anqa_reason reason)
{
    if (!exchange_init(exchange, ops, request))
        return;
    exchange->pages = &conn->service->pages;
    error_page_crashed(&exchange->pub, reason, conn_exit_trace(conn));
}

anqa_str serve_last_words(struct conn *conn, anqa_arena *arena, anqa_str *ret_content)
{
    anqa_str content = {"", 0}, head;
    char reason[REASON_SIZE], *room;
    struct response response;
    const char *type;

    if (conn->user != NULL) /* else no plugs have seen it */
        content = error_page_last_words(arena, &conn->service->pages, conn->user,
            anqa_reason_format(conn->self->exit_reason, reason, sizeof reason),
            conn_exit_trace(conn), &type);
    room = anqa_arena_alloc(arena, HEAD_ROOM + content.len);
    response_start(&response, room, HEAD_ROOM, 500);
    if (conn->user != NULL)
        response_header(&response, "content-type", anqa_str_of(type));
    response_header_uint(&response, "content-length", content.len);
    if (!conn->streamed)
        response_header(&response, "connection", anqa_str_of("close"));
    ANQA_INVARIANT(response_finish(&response, &head) == ANQA_OK);
    if (conn->head_only)
        content.len = 0;
    memcpy(room + head.len, content.ptr, content.len);
    *ret_content = anqa_str_make(room + head.len, content.len);
    return head;
}

anqa_status serve_upgrade(struct conn *conn, struct exchange *exchange, const struct ws_ops *ops,
    void *user, uint16_t timeout_s, const struct ws_deflate *deflate)
{
    anqa_str head, protocol = {NULL, 0}, hsts = hsts_of(exchange);
    char buffer[HEAD_ROOM];
    struct response response;

    (void)anqa_conn_resp_header(&exchange->pub, "sec-websocket-protocol", &protocol);
    websocket_write_head(&response, buffer, sizeof buffer, exchange->request, protocol, deflate);
    if (hsts.len != 0)
        response_header(&response, HSTS, hsts);
    ANQA_REQUIRE(response_finish(&response, &head) == ANQA_OK);
    conn_upgrade(conn, head, ops, user, timeout_s);
    conn_ws_compress(conn, deflate);
    if (conn->phase == CONN_WS)
        return ANQA_OK;
    return conn->leaving || (conn->streamed && conn_drains(conn)) ? ANQA_E_STOPPED : ANQA_E_CLOSED;
}
