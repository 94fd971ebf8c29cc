/*
 * A stream of HTTP/2 as a connection: what the files of http/conn.h ask of one with `streamed`.
 *
 * It is a struct conn without a socket, in a process of its own: its phases, its output with its limit, its time-outs and
 * what speaks WebSocket over it are those of any connection. Its request is served in the process's first event; the process
 * ends when the response has been sent.
 *
 * owner: the stream's process; on its scheduler's thread. None waits where it is not said.
 */
#ifndef HTTP_H2_STREAM_H
#define HTTP_H2_STREAM_H

#include <anqa/net.h>

#include "http/range.h" /* IWYU pragma: export */

struct conn;

/* Sends the fields of a head that was written for HTTP/1.1 (response.h). follows: content, or frames of a WebSocket. Of a status
 * below 200 it is one of several. False: it is over. */
bool stream_head(struct conn *conn, anqa_str head, bool follows);
/* Nothing is behind what is queued. */
void stream_finish(struct conn *conn);

/* There is something to send. */
void stream_flush(struct conn *conn);
/* Waits until at most `below` bytes are left of the output. False: it is over, for the client is gone or has not taken enough
 * in time. May wait. */
bool stream_wait_room(struct conn *conn, uint32_t below);
/* As conn_write and conn_write_file. May wait. */
bool stream_write(struct conn *conn, anqa_str bytes);
bool stream_write_file(struct conn *conn, int fd, struct range range);

/* Its output has grown by so much. */
void stream_count(struct conn *conn, int64_t bytes);
/* It may hold so much more beyond the limit. False: all streams of the connection together would be allowed more than a
 * connection is (CONN_ALLOW_MAX); never where `bytes` is below 0. */
bool stream_allow(struct conn *conn, int64_t bytes);
/* Whether all streams of the connection may hold `size` bytes more. limit: of one. */
bool stream_may_hold(const struct conn *conn, size_t size, size_t limit);

/* Ends it behind its output. */
void stream_close(struct conn *conn);
/* Its time is over. False: as it is for any connection. */
bool stream_timeout(struct conn *conn);
/* It was lost (conn_lose): the client is told by RST_STREAM. */
void stream_lost(struct conn *conn);
void stream_peer(const struct conn *conn, char text[ANQA_ADDRESS_TEXT]);

#endif
