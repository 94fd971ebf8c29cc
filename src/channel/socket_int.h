/* What the connection's side of a socket (socket.c) shares with the dispatch of its messages (dispatch.c). */
#ifndef CHANNEL_SOCKET_INT_H
#define CHANNEL_SOCKET_INT_H

#include "channel/socket.h" /* IWYU pragma: export */

#define STR(literal) anqa_str_make((literal), sizeof(literal) - 1)

/* Codes of close frames. */
#define CLOSE_GOING_AWAY 1001
#define CLOSE_POLICY 1008
#define CLOSE_TOO_BIG 1009
#define CLOSE_ERROR 1011

/* Answers a message. All but `ok` is JSON text. */
void socket_reply(struct socket *socket, anqa_str join_ref, anqa_str ref, anqa_str topic_json,
    bool ok, anqa_str response);

/* Closes for what the client has sent. */
void socket_refuse(struct socket *socket, uint16_t code, const char *why);

/* The channel that the client can talk to; NULL: none. */
struct chan *socket_find(const struct socket *socket, anqa_str topic);
/* Another channel takes its place: it and the socket do not know each other any more. */
void chan_replaced(struct chan *chan);

/* Copies all. NULL: no memory. */
struct join *join_new(const struct v2_message *m, anqa_str topic, anqa_str topic_json,
    const anqa_channel *spec, anqa_str old_ref);
/* Spawns its channel; the socket is held for it. */
void socket_join(struct socket *socket, struct join *join);

/* Of a channel whose spec limits it. */
struct rate *chan_rate(struct chan *chan);

#endif
