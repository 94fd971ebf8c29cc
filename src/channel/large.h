/*
 * A push that may be longer than all that may wait for a client (max_output_bytes of its endpoint): one that tells a client
 * the state of things, of which it can not do without a part. One at a time may wait for each client, so what a slow
 * reader can make us hold is that limit and one such message. Those of all WebSockets over one HTTP/2 connection may be as
 * many as CONN_ALLOW_MAX (http/conn.h) has room for: one that is not read does not hold up the others.
 */
#ifndef CHANNEL_LARGE_H
#define CHANNEL_LARGE_H

/* IWYU pragma: begin_exports */
#include <anqa/channel.h>
/* IWYU pragma: end_exports */

#define CHAN_LARGE_MAX ((size_t)16 << 20)

/* As anqa_socket_push, for a payload of up to CHAN_LARGE_MAX. Waits while an earlier one has not gone, or there is no
 * room beside those of other streams, or until the connection has ended. */
void chan_push_large(anqa_socket *socket, const char *event, anqa_json payload);

#endif
