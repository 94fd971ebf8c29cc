/* WebSockets that plugs have made of their requests. See anqa/websocket.h. */
#include <anqa/websocket.h>

#include <anqa/memory.h>

#include "http/conn_int.h"
#include "http/exchange.h"

/* Messages of the connection to itself, told apart by address: so its handlers run as events, and may wait. */
static const char init_tag[] = "websocket_init";
static const char text_tag[] = "websocket_text";
static const char binary_tag[] = "websocket_binary";

/* owner: the connection's process, on its heap */
struct upgraded {
    anqa_websocket pub;
    struct conn *conn;
    const anqa_websocket_handler *handler;
    const void *arg;
};

/* Nothing is read before what is sent was handled. */
static void send_self(struct conn *conn, const char *tag, anqa_str data)
{
    conn_pause(conn);
    if (anqa_send(conn_pid(conn), tag, anqa_bytes(data.ptr, data.len)) != ANQA_OK)
        conn_kill(conn, true);
}

static void upgraded_message(struct conn *conn, void *user, bool binary, anqa_str data)
{
    send_self(conn, binary ? binary_tag : text_tag, data);
}

/* The heap of the process ends with it. */
static void upgraded_closed(struct conn *conn, void *user)
{
}

static void handle_in(struct upgraded *ws, const anqa_msg *msg)
{
    if (ws->handler->handle_in != NULL)
        ws->handler->handle_in(&ws->pub, msg->tag == binary_tag, anqa_json_text(msg->body));
    conn_resume(ws->conn);
}

static void upgraded_info(struct conn *conn, void *user, const anqa_msg *msg)
{
    struct upgraded *ws = user;

    if (msg->tag == text_tag || msg->tag == binary_tag) {
        handle_in(ws, msg);
    } else if (msg->tag == init_tag) {
        if (ws->handler->init != NULL)
            ws->handler->init(&ws->pub, ws->arg);
        conn_resume(conn);
    } else if (ws->handler->handle_info != NULL) {
        ws->handler->handle_info(&ws->pub, msg);
    }
}

static const struct ws_ops upgraded_ops = {
    .message = upgraded_message, .closed = upgraded_closed, .info = upgraded_info};

anqa_status anqa_conn_upgrade_websocket(
    anqa_conn *conn, const anqa_websocket_handler *handler, const void *arg)
{
    struct exchange *exchange = exchange_of(conn);
    const char *problem = websocket_refusal(exchange->request);
    struct ws_deflate deflate = {0};
    struct upgraded *ws;
    anqa_status status;

    if (problem == NULL && handler->compress &&
        !extension_choose(exchange->request, handler->client_context, &deflate))
        problem = EXTENSION_REFUSAL;
    if (problem != NULL) {
        anqa_send_text(conn, 400, anqa_str_of(problem));
        return ANQA_E_INVALID;
    }
    ANQA_REQUIRE(conn->state == ANQA_CONN_UNSET);
    ws = anqa_heap_calloc(1, sizeof *ws);
    ws->handler = handler;
    ws->arg = arg;
    ws->pub.state = anqa_heap_calloc(1, handler->state_size);
    status = exchange->ops->upgrade(
        exchange, &upgraded_ops, ws, service_seconds(handler->timeout_ms), &deflate, &ws->conn);
    conn->state = status == ANQA_OK ? ANQA_CONN_UPGRADED : ANQA_CONN_SENT;
    if (status == ANQA_OK)
        send_self(ws->conn, init_tag, (anqa_str){NULL, 0});
    return status;
}

anqa_status anqa_websocket_push(anqa_websocket *ws, bool binary, anqa_str data)
{
    struct conn *conn = ((struct upgraded *)ws)->conn;
    anqa_str deflated = {NULL, 0};
    char head[WEBSOCKET_HEAD_MAX];
    size_t len;

    if (conn_ws_deflates(conn, data.len))
        deflated = conn_deflate(&data, 1);
    if (deflated.len > 0) /* what is the scheduler's does not outlive a wait */
        data = anqa_str_make(anqa_arena_copy(anqa_tmp(), deflated.ptr, deflated.len), deflated.len);
    len = websocket_write_frame_head(head, binary ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, data.len);
    if (deflated.len > 0)
        head[0] = (char)(head[0] | WEBSOCKET_DEFLATED);
    return conn_write(conn, anqa_str_make(head, len)) && conn_write(conn, data) ? ANQA_OK
                                                                                : ANQA_E_CLOSED;
}

void anqa_websocket_close(anqa_websocket *ws, uint16_t code, anqa_str reason)
{
    conn_ws_close(((struct upgraded *)ws)->conn, code, reason);
}
