/**
 * anqa/raw_socket.h - sockets without channels: an own protocol over the transports of a mount.
 *
 *     static void echo_in(anqa_raw *raw, bool binary, anqa_str data)
 *     {
 *         (void)anqa_raw_push(raw, binary, data);
 *     }
 *     static const anqa_raw_socket echo = {.handle_in = echo_in};
 *     ...
 *     .sockets = (const anqa_socket_mount[]){{.path = "/echo", .raw = &echo, .longpoll = {.on = true}}, {0}},
 *
 * A mount (anqa/endpoint.h) with `.raw` in place of `.user_socket` checks origins, parameters, tokens and subprotocols as any other, asks
 * `connect`, and hands over what comes, message by message. These are the callbacks of Phoenix.Socket.Transport. A WebSocket that a plug
 * makes of its request is anqa/websocket.h.
 *
 * The process. Handlers run in the process that carries the client: a WebSocket's connection, or a long-poll session. They may
 * wait; the next message is not read before. What other processes send it comes to handle_info; anqa_self() in `init` is its
 * pid. A handler that crashes ends the process and the connection with it. An endpoint that stops closes it with the code 1012.
 *
 * Limits. A message that the client leaves unread beyond max_output_bytes of the endpoint ends it. What is over the mount's `.rate` closes it with the
 * code 1008, whatever `.over` says: there is no answer that its client would understand.
 *
 * Threads. An anqa_raw belongs to its process.
 */
#ifndef ANQA_RAW_SOCKET_H
#define ANQA_RAW_SOCKET_H

#include <anqa/channel.h>

ANQA_BEGIN_DECLS

/** What a callback has in hand. */
typedef struct anqa_raw {
    void *state; /* state_size bytes: what `connect` has written */
} anqa_raw;

/** What is called; all may be NULL. */
typedef struct anqa_raw_socket {
    size_t state_size;
    /**
     * Lets a client in, as that of anqa_user_socket. raw->state is born zeroed, and its bytes are copied.
     * In the process of the request; may wait. Nothing can be sent yet.
     */
    anqa_status (*connect)(anqa_raw *raw, anqa_json params, const anqa_connect_info *info);
    void (*init)(anqa_raw *raw); /* before anything is read; may wait */
    /* a whole message; data: lives as long as the event; may wait */
    void (*handle_in)(anqa_raw *raw, bool binary, anqa_str data);
    void (*handle_info)(anqa_raw *raw, const anqa_msg *msg); /* of another process; may wait */
    /* The end, if `init` has begun. why: "closed", "draining", "inactive" (a client that does not poll any more), or
     * "crashed". As a deferred clean-up: must not wait; what is sent arrives nowhere. */
    void (*terminate)(anqa_raw *raw, const char *why);
    anqa_log_level log; /* of connects; 0: ANQA_INFO; ANQA_LOG_NONE: not logged */
} anqa_raw_socket;

/**
 * Sends a message. data: UTF-8 unless `binary`.
 * Fails: E_CLOSED; E_UNSUPPORTED (binary, and the client polls); E_INVALID (a text that is no UTF-8).
 * Context: its process, from `init` on; does not wait.
 */
ANQA_API anqa_status anqa_raw_push(anqa_raw *raw, bool binary, anqa_str data);

/** Closes, with the close code of a WebSocket (1000: all is well). Nothing more is handled; what was sent before still
 * arrives.   Context: its process, from `init` on; does not wait. */
ANQA_API void anqa_raw_close(anqa_raw *raw, uint16_t code);

ANQA_END_DECLS

#endif
