/* WebSocket messages on a connection. See conn.h. */
#include "http/conn_int.h"

#include <string.h>

void conn_ws_close(struct conn *conn, uint16_t code, anqa_str reason)
{
    char frame[WEBSOCKET_CLOSE_MAX];
    char *room;
    size_t len;

    if (conn->phase != CONN_WS)
        return;
    len = websocket_write_close(frame, code, reason);
    room = conn_queue_room(conn, len);
    if (room == NULL)
        return;
    memcpy(room, frame, len);
    conn->phase = CONN_WS_CLOSING;
    conn->paused = false; /* to see the peer's end */
    conn->resumed = true;
    outlet_time(conn, conn_seconds(conn->service->close_timeout, CONN_CLOSE_S));
    proc_kick(sched_self, conn->self);
}

void conn_ws_compress(struct conn *conn, const struct ws_deflate *agreed)
{
    if (conn->phase == CONN_WS)
        conn->read.ws.deflate = *agreed;
}

bool conn_ws_deflates(const struct conn *conn, size_t len)
{
    return conn->phase == CONN_WS && websocket_deflates(&conn->read.ws, len);
}

static void pong(struct conn *conn, anqa_str payload)
{
    char head[WEBSOCKET_HEAD_MAX];
    size_t len = websocket_write_frame_head(head, WEBSOCKET_PONG, payload.len);
    char *room = conn_queue_room(conn, len + payload.len);

    if (room == NULL)
        return;
    memcpy(room, head, len);
    if (payload.len > 0)
        memcpy(room + len, payload.ptr, payload.len);
}

/* The peer closes, or has to be closed: answers with the code, unless that has gone out before. */
static void close_back(struct conn *conn, uint16_t code, const char *why)
{
    conn_ws_close(conn, code, anqa_str_of(why == NULL ? "" : why));
    conn_close(conn);
}

void conn_ws_break(struct conn *conn, uint16_t code, const char *why)
{
    websocket_done(&conn->read.ws);
    conn->read.ws.code = code; /* what else comes is read over */
    input_keep(conn, NULL, 0);
    close_back(conn, code, why);
}

static void event_handle(
    struct conn *conn, enum websocket_result result, const struct websocket_event *event)
{
    switch (result) {
    case WEBSOCKET_MESSAGE:
        if (conn->phase != CONN_WS)
            break;
        anqa_nowait_begin(); /* the message lies in a buffer of all */
        conn->ops->message(conn, conn->user, event->opcode == WEBSOCKET_BINARY, event->payload);
        anqa_nowait_end();
        break;
    case WEBSOCKET_CONTROL:
        if (event->opcode == WEBSOCKET_PING && conn->phase == CONN_WS)
            pong(conn, event->payload);
        break;
    case WEBSOCKET_CLOSED: close_back(conn, event->code, NULL); break;
    case WEBSOCKET_BROKEN: close_back(conn, event->code, event->why); break;
    case WEBSOCKET_MORE:
    case WEBSOCKET_BUSY: break;
    }
}

size_t conn_ws_take(struct conn *conn, char *bytes, size_t len)
{
    size_t done = 0;

    while (!conn->paused && (conn->phase == CONN_WS || conn->phase == CONN_WS_CLOSING)) {
        struct websocket_event event;
        size_t taken = 0;
        enum websocket_result result =
            websocket_read(&conn->read.ws, bytes + done, len - done, NULL, &taken, &event);
        done += taken;
        if (result == WEBSOCKET_BUSY) { /* what is not taken is kept, and looked at again */
            conn->resumed = true;
            proc_kick(sched_self, conn->self);
        }
        if (result == WEBSOCKET_MORE || result == WEBSOCKET_BUSY)
            break;
        event_handle(conn, result, &event);
    }
    return done;
}
