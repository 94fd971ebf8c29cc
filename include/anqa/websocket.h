/**
 * anqa/websocket.h - WebSockets without channels: what comes is handled, what is to go is pushed.
 *
 *     static void echo_in(anqa_websocket *ws, bool binary, anqa_str data)
 *     {
 *         anqa_websocket_push(ws, binary, data);
 *     }
 *     static const anqa_websocket_handler echo = {.handle_in = echo_in};
 *
 *     static void open_echo(anqa_conn *conn, const void *opts)
 *     {
 *         anqa_conn_upgrade_websocket(conn, &echo, NULL);
 *     }
 *
 * A plug makes a WebSocket of its request. The connection's process handles from then on, one at a time, messages of the
 * client and those that other processes send it; its handlers may wait. A message of the client is not read before the one before it was
 * handled. Pings are answered, messages in several frames are put together, text is checked to be UTF-8. These are the callbacks
 * of Elixir's WebSock.
 *
 * The end. The process ends with the connection, whoever closes it; what is to be cleaned up is deferred in `init` (anqa_defer).
 * A handler that crashes closes the connection. An endpoint that stops closes it with the code 1012.
 *
 * Pages of other sites can open WebSockets too, and the browser sends them along with your cookies: where that matters the
 * plug checks the field Origin. Channels do that by themselves (anqa/endpoint.h).
 *
 * Threads. An anqa_websocket belongs to the process of its connection.
 */
#ifndef ANQA_WEBSOCKET_H
#define ANQA_WEBSOCKET_H

#include <anqa/conn.h>

ANQA_BEGIN_DECLS

/** What a handler has in hand. */
typedef struct anqa_websocket {
    void *state; /* state_size bytes, born zeroed */
} anqa_websocket;

/** What is called, in the connection's process; all may wait, and all may be NULL. */
typedef struct anqa_websocket_handler {
    size_t state_size;
    void (*init)(anqa_websocket *ws, const void *arg);                 /* before anything is read */
    void (*handle_in)(anqa_websocket *ws, bool binary, anqa_str data); /* a whole message */
    void (*handle_info)(anqa_websocket *ws, const anqa_msg *msg);      /* of another process */
    uint32_t timeout_ms; /* without anything from the client, it is closed; 0: that of requests */
    bool compress; /* messages, where the client offers permessage-deflate; see anqa/endpoint.h */
    bool
        client_context; /* with `compress`: what the client sends may refer to what it sent before */
} anqa_websocket_handler;

/**
 * Answers with 101, or with 400 and a text when the request does not ask for a WebSocket as it must.
 * handler, arg: live as long as the connection.
 * Fails: E_INVALID (answered with 400), E_STOPPED (the endpoint stops: answered with 503), E_CLOSED.
 * Context: process of the connection; may wait.
 */
ANQA_API anqa_status anqa_conn_upgrade_websocket(
    anqa_conn *conn, const anqa_websocket_handler *handler, const void *arg);

/** Sends a message. Waits while the client reads more slowly than this writes.
 * data: UTF-8 unless `binary`.   Fails: E_CLOSED.   Context: process of the connection; may wait. */
ANQA_API anqa_status anqa_websocket_push(anqa_websocket *ws, bool binary, anqa_str data);

/** Closes: the client is told `code` (1000: all is well) and up to 123 bytes of `reason`; nothing more is handled.
 * Context: process of the connection. */
ANQA_API void anqa_websocket_close(anqa_websocket *ws, uint16_t code, anqa_str reason);

ANQA_END_DECLS

#endif
