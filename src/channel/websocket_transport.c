/* A WebSocket as transport: its handshake, and what it does for a socket. */
#include "channel/carried.h"

#include <anqa/memory.h>

#include "base/base64.h"
#include "http/conn.h"
#include "http/websocket.h"

#define BEARER "base64url.bearer.phx."
#define PROTOCOL "phoenix"

/* ---------------------------------------------------------------- what it does */

static char *ws_room(void *conn, size_t size)
{
    return conn_queue_room(conn, size);
}

static bool ws_allow(void *conn, size_t size)
{
    return conn_allow(conn, size);
}

static void ws_send_now(void *conn, const anqa_buf *frames, size_t count)
{
    conn_send_now(conn, frames, count);
}

static bool ws_deflates(void *conn, size_t len)
{
    return conn_ws_deflates(conn, len);
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
    .allow = ws_allow,
    .send_now = ws_send_now,
    .deflates = ws_deflates,
    .close = ws_close,
    .pause = ws_pause,
    .resume = ws_resume};

/* Of a socket of channels. */
static void ws_message(struct conn *conn, void *user, bool binary, anqa_str data)
{
    carried_socket.message(user, binary, data);
}

static void ws_closed(struct conn *conn, void *user)
{
    carried_socket.closed(user);
}

static void ws_drained(struct conn *conn, void *user, uint16_t code)
{
    carried_socket.drain(user, code);
}

static const struct ws_ops socket_ops = {
    .message = ws_message, .closed = ws_closed, .drained = ws_drained};

/* Of a raw one. */
static void raw_message(struct conn *conn, void *user, bool binary, anqa_str data)
{
    carried_raw.message(user, binary, data);
}

static void raw_info(struct conn *conn, void *user, const anqa_msg *msg)
{
    carried_raw.info(user, msg);
}

static void raw_closed(struct conn *conn, void *user)
{
    carried_raw.closed(user);
}

static void raw_drained(struct conn *conn, void *user, uint16_t code)
{
    carried_raw.drain(user, code);
}

static const struct ws_ops raw_ops = {
    .message = raw_message, .closed = raw_closed, .info = raw_info, .drained = raw_drained};

/* ---------------------------------------------------------------- subprotocols */

/* What a client offers. */
struct offer {
    unsigned others;    /* how many are no token */
    unsigned tokens;    /* how many are */
    anqa_str token;     /* decoded; ptr NULL: none, or more than one */
    const char *chosen; /* of those we speak; NULL: none */
};

static const char *spoken(const struct socket_mount *mount, anqa_str protocol)
{
    const char *const *at = mount->spec->websocket.subprotocols;

    if (mount->spec->auth_token && anqa_str_is(protocol, PROTOCOL))
        return PROTOCOL;
    for (; at != NULL && *at != NULL; at++)
        if (anqa_str_is(protocol, *at))
            return *at;
    return NULL;
}

/* The client writes the standard alphabet, whatever the name says. */
static anqa_status take_token(struct offer *offer, anqa_str text)
{
    char *bytes = anqa_arena_alloc(anqa_tmp(), base64_decoded_len(text.len));
    size_t len;

    if (base64_decode(text, BASE64_NO_PAD, bytes, &len) != ANQA_OK)
        return ANQA_E_PARSE;
    offer->token = ++offer->tokens == 1 ? anqa_str_make(bytes, len) : (anqa_str){NULL, 0};
    return ANQA_OK;
}

static anqa_status take_element(
    const struct socket_mount *mount, struct offer *offer, anqa_str element)
{
    const size_t prefix = sizeof BEARER - 1;

    if (mount->spec->auth_token && anqa_str_starts(element, anqa_str_make(BEARER, prefix)))
        return take_token(offer, anqa_str_make(element.ptr + prefix, element.len - prefix));
    offer->others++;
    if (offer->chosen == NULL)
        offer->chosen = spoken(mount, element);
    return ANQA_OK;
}

/* Fails: E_PARSE (a token that cannot be decoded), E_PERMISSION (we speak none of what is offered). */
static anqa_status negotiate(
    const anqa_conn *conn, const struct socket_mount *mount, struct offer *offer)
{
    anqa_str name, list, element;
    anqa_status status = ANQA_OK;
    size_t at = 0;

    if (!mount->spec->auth_token && mount->spec->websocket.subprotocols == NULL)
        return ANQA_OK;
    while (anqa_conn_each_req_header(conn, &at, &name, &list))
        if (request_same_word(name, anqa_str_of("sec-websocket-protocol")))
            while (status == ANQA_OK && request_next_token(&list, &element))
                status = take_element(mount, offer, element);
    if (status == ANQA_OK && offer->others > 0 && offer->chosen == NULL)
        return ANQA_E_PERMISSION;
    return status;
}

/* ---------------------------------------------------------------- the handshake */

static void empty(anqa_conn *conn, unsigned status)
{
    (void)anqa_send_resp(conn, status, (anqa_str){NULL, 0});
}

static void upgrade(
    anqa_conn *conn, const struct socket_mount *mount, const struct admission *admission)
{
    struct exchange *exchange = exchange_of(conn);
    const char *problem = websocket_refusal(exchange->request);
    const struct carried *carried = carried_of(mount);
    const struct ws_ops *ops = carried == &carried_raw ? &raw_ops : &socket_ops;
    struct ws_deflate deflate = {0};
    struct conn *link;
    void *user;
    anqa_status status;

    if (problem == NULL && mount->spec->compress &&
        !extension_choose(exchange->request, mount->spec->client_context, &deflate))
        problem = EXTENSION_REFUSAL;
    if (problem != NULL) {
        (void)anqa_send_text(conn, 400, anqa_str_of(problem));
        return;
    }
    if (carried->open(&websocket_transport, NULL, admission, mount, &user) != ANQA_OK) {
        empty(conn, 503);
        return;
    }
    status = exchange->ops->upgrade(exchange, ops, user, mount->timeout_s, &deflate, &link);
    conn->state = status == ANQA_OK ? ANQA_CONN_UPGRADED : ANQA_CONN_SENT;
    if (status != ANQA_OK)
        return; /* it was closed */
    carried->attach(user, link);
    connect_log(mount, "websocket");
}

void websocket_serve(anqa_conn *conn, const void *opts)
{
    const struct socket_mount *mount = opts;
    struct admission admission;
    struct offer offer = {0};
    anqa_json params;

    if (!anqa_str_is(conn->method, "GET") || connect_params(conn, mount, &params) != ANQA_OK) {
        empty(conn, 400);
        return;
    }
    if (!connect_origin_allowed(conn, mount) || negotiate(conn, mount, &offer) != ANQA_OK) {
        empty(conn, 403);
        return;
    }
    if (offer.chosen != NULL)
        anqa_conn_put_resp_header(conn, "sec-websocket-protocol", anqa_str_of(offer.chosen));
    if (connect_client(conn, mount, params, offer.token, &admission) == ANQA_OK)
        upgrade(conn, mount, &admission);
    else if (!connect_refused(conn, mount, &admission))
        empty(conn, 403);
}
