/*
 * A connection: one process, one TCP connection, HTTP/1.1 and then perhaps a WebSocket.
 *
 * The process is a behaviour without a stack of its own: the poller kicks it (runtime/poller.h, fd_arm) when there is
 * something to read or room to write, and it reads into a buffer that all connections of its scheduler share. Only what
 * does not make up a whole request or frame is kept, in memory of its own, until the rest has come. So an idle connection
 * holds no buffer.
 *
 * Writing. All writers of a connection run on its scheduler: the connection itself, the channels on it, the shard that
 * hands out broadcasts. conn_queue_* add to the connection's output, which is sent when those who are ready now have had
 * their turn: frames of one turn leave in one system call. conn_send_now writes straight through if nothing waits before
 * it. What the kernel does not take stays in the output, which has a limit (conn_limits): who reads too slowly is reset.
 *
 * The end. However the process ends, its exit hook calls the protocol's `closed`, frees what is queued and takes the
 * connection out of all lists. Who keeps a `struct conn *` lets go of it there. conn_close ends in good order: what is
 * queued is still sent.
 *
 * owner: the connection's process; every function here is for its scheduler's thread, none waits.
 */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include <anqa/buf.h>
#include <anqa/net.h>
#include <anqa/process.h>

#include "base/list.h"
#include "runtime/poller.h"

struct conn;
struct http_service;
struct request; /* http/request.h */

/* What speaks over a connection once HTTP has handed it over: frames of a WebSocket. All run in the connection's
 * process, but for `closed`. */
struct ws_ops {
    /* A whole message, unmasked and checked (UTF-8 for text); borrowed. */
    void (*message)(struct conn *conn, void *user, bool binary, anqa_str data);
    /* The end, from the exit hook: must not wait, exit or write. `user` is let go of. */
    void (*closed)(struct conn *conn, void *user);
};

/* What answers a request for a path; see http_service. Returns true when it has taken the connection
 * (conn_upgrade) or has answered (conn_respond). */
struct http_mount {
    const char *path; /* exact, e.g. "/socket/websocket" */
    void (*serve)(struct conn *conn, const struct request *request, const void *arg);
    const void *arg;
};

/* ---------------------------------------------------------------- output */

/* Room for `size` bytes at the end of the output, for the caller to fill before anything else is called. NULL: the
 * connection is ending, or there is no memory (then it is reset). */
char *conn_queue_room(struct conn *conn, size_t size);
/* Adds a counted buf (its own count is taken). */
void conn_queue_buf(struct conn *conn, anqa_buf buf);
/* The same, written straight through if nothing waits before it. */
void conn_send_now(struct conn *conn, const anqa_buf *bufs, size_t count);

/* ---------------------------------------------------------------- life */

/* Answers a request in full. type: NULL for no body. The connection stays open if the request wants it to. */
void conn_respond(struct conn *conn, unsigned status, const char *type, anqa_str body);
/* Answers 101 with the given head and hands the connection over. */
void conn_upgrade(
    struct conn *conn, anqa_str head, const struct ws_ops *ops, void *user);
/* Sends a close frame and ends when the peer has closed too, or after some seconds. `reason` may be empty. */
void conn_ws_close(struct conn *conn, uint16_t code, anqa_str reason);
/* Ends when what is queued has been sent. */
void conn_close(struct conn *conn);

/* Reading stops until conn_resume; they do not nest. `conn_resume` may be called by anybody on the scheduler. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* The process, to send it something; its messages arrive at ws_ops: none yet. */
anqa_pid conn_pid(const struct conn *conn);

#endif
