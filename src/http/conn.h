/*
 * A connection: one process, one TCP connection, perhaps TLS on it (http/tls.h), HTTP/1.1 and then perhaps a WebSocket.
 * One that speaks HTTP/2 carries streams (http/h2.h), and each of those is a connection in the sense of this file, too.
 *
 * The process is a behaviour without a stack of its own: the poller kicks it (runtime/poller.h, fd_arm) when there is
 * something to read or room to write, and it reads into a buffer that all connections of its scheduler share. Only what
 * does not make up a whole request or frame is kept, in memory of its own, until the rest has come. So an idle connection
 * holds no buffer.
 *
 * Writing. All writers of a connection run on its scheduler: the connection itself, the channels on it, the shard that
 * hands out broadcasts. conn_queue_room adds to the connection's output, which is sent when those who are ready now have had
 * their turn: frames of one turn leave in one system call. conn_send_now writes straight through if nothing waits before
 * it. What the kernel does not take stays in the output, which has a limit: who reads too slowly is reset.
 *
 * The end. However the process ends, its exit hook calls the protocol's `closed`, frees what is queued and takes the
 * connection out of all lists. Who keeps a `struct conn *` lets go of it there. conn_close ends in good order: what is
 * queued is still sent, and the peer has some seconds to close its side.
 *
 * owner: the connection's process; every function here is for its scheduler's thread, none waits.
 */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include <anqa/buf.h>
#include <anqa/plugs.h>
#include <anqa/session.h>
#include <anqa/net.h>
#include <anqa/process.h>

#include "http/error_page.h" /* IWYU pragma: export */
#include "http/extension.h"  /* IWYU pragma: export */
#include "http/request.h"    /* IWYU pragma: export */

struct conn;
struct static_mount; /* http/static.h */
struct peers;        /* http/peers.h */
struct tls_server;   /* http/tls.h */

/* What speaks over a connection once HTTP has handed it over: messages of a WebSocket. */
struct ws_ops {
    /* A whole message, unmasked and checked (UTF-8 for text); borrowed. In the connection's process. */
    void (*message)(struct conn *conn, void *user, bool binary, anqa_str data);
    /* The end, from the exit hook: must not wait, exit or write. `user` is let go of. */
    void (*closed)(struct conn *conn, void *user);
    /* A message of another process, or of its own; may wait. NULL: they are dropped. */
    void (*info)(struct conn *conn, void *user, const anqa_msg *msg);
    /* The service is drained: ends with conn_ws_close and this code. NULL: that is all there is to do. */
    void (*drained)(struct conn *conn, void *user, uint16_t code);
};

/* What answers requests for one path. */
struct http_mount {
    /* e.g. "/socket/websocket"; borrowed as long as the service. A segment ":name" stands for any that is not empty */
    anqa_str path;
    /* Answers (conn_respond) or takes the connection over (conn_upgrade). In the connection's process; may wait. */
    void (*serve)(struct conn *conn, const struct request *request, const void *arg);
    const void *arg;
    const anqa_plug *plugs; /* answer in place of `serve`; NULL: it does */
};

bool mount_fits(anqa_str pattern, anqa_str path);
/* The next segment ":name" of a pattern that fits, and what stands for it in the path, as it came. Both are cut in front; false:
 * there is none. */
bool mount_next_variable(
    anqa_str *pattern, anqa_str *path, anqa_str *ret_name, anqa_str *ret_value);

/* What a listener serves, and within which limits. Constant while anybody serves it, but for the counters; it lives until
 * its maker and all its connections have let go (service_unref). Times in seconds; 0 everywhere: the default. */
struct http_service {
    const struct http_mount *mounts;
    size_t mount_count;
    const struct static_mount *statics;
    size_t static_count;
    const anqa_plug *plugs;           /* for all other requests; NULL: none */
    const anqa_ssl_opts *force_ssl;   /* for all of these; NULL: they may come without TLS */
    struct error_pages pages;         /* for those that plugs give no answer to */
    const anqa_session_opts *session; /* of those; NULL: none */
    anqa_str secret;                  /* may be empty */
    uint32_t max_connections;         /* 65,536; more are reset at once */
    uint32_t max_per_address;         /* as many; more are reset */
    uint32_t max_streams;             /* of one HTTP/2 connection; 100 */
    struct peers *peers;              /* by service_listen, where there is max_per_address; owned */
    struct tls_server *tls;           /* for service_listen_tls; its maker closes it in `drop` */
    uint32_t output_bytes;            /* that a slow reader may leave unread; 1 MiB */
    struct request_limits limits;
    uint16_t
        head_timeout; /* from the first to the last byte of a head, and for the first one; 15 */
    uint16_t handshake_timeout; /* from the accept to the end of a TLS handshake; 5 */
    uint16_t idle_timeout;      /* without a request, or without anything over a WebSocket; 60 */
    uint16_t write_timeout;     /* for the peer of a request to take more of the answer; 30 */
    uint16_t close_timeout;     /* for the peer to close, too; 5 */
    uint32_t drain_batch;       /* clients that service_drain tells at a time; 10,000 */
    uint32_t drain_interval_ms; /* from one batch to the next; 2,000 */
    const char *name;           /* of its sockets in a service manager; NULL: any */
    void (*drop)(struct http_service *service); /* frees it, on any thread */
    /* A batch of a drain begins: for clients without a connection, each of which asks for its turn (service_drain_turn).
     * In service_drain's process. NULL: nobody asks */
    void (*drained)(struct http_service *service);
    anqa_pid
        *acceptors; /* by service_listen, for service_drain; owned, freed with the last count */
    uint16_t acceptor_count;
    _Atomic(uint16_t) plain_port,
        secure_port;               /* shared: where it listens; 0: it does not, or not at a port */
    _Atomic(uint32_t) connections; /* shared */
    _Atomic(uint32_t) others;      /* shared: what else a drain waits for, see service_hold */
    _Atomic(uint32_t) refs;        /* shared; the maker's one is 1 */
    _Atomic(int32_t) drain_left;   /* shared: how many more of this batch */
    _Atomic(bool) draining;        /* shared */
};

static inline uint32_t service_output_bytes(const struct http_service *service)
{
    return service->output_bytes == 0 ? (uint32_t)1 << 20 : service->output_bytes;
}

/* A time as a service takes it. */
static inline uint16_t service_seconds(uint32_t ms)
{
    uint32_t seconds = ms / 1000 + (ms % 1000 != 0);

    return seconds > UINT16_MAX ? UINT16_MAX : (uint16_t)seconds;
}

void service_unref(struct http_service *service);

/* What serves clients of a service and is no connection, or outlives its own: a drain waits for its end, and the service
 * lives as long. Who makes one is served itself until then.   Context: any thread. */
void service_hold(struct http_service *service);
void service_let_go(struct http_service *service);

/* Stops accepting, ends all connections of a service in good order, and waits for that and for all who hold it; connections
 * that have not ended within `timeout_ms` are reset. Requests are answered, and their connections closed behind them;
 * WebSockets are told `code`, batch by batch, so that they do not all come back at the same moment.
 * Context: the process that listens; may wait. */
void service_drain(struct http_service *service, uint16_t code, uint32_t timeout_ms);
/* Whether a client may be told in this batch; else it asks again in the next.   Context: any thread. */
bool service_drain_turn(struct http_service *service);

/* Listens at `address`, or at the sockets that the program was given for that (runtime/inherit.h), and accepts on every
 * scheduler, in processes that are linked to the calling one and end with it.
 * ret_address: where it listens, with the real port.   Fails: as anqa_listen; err says why.   Context: process; may wait. */
anqa_status service_listen(struct http_service *service, const char *address,
    char ret_address[ANQA_ADDRESS_TEXT], anqa_error *err) ANQA_MUST_CHECK;

/* The same for connections over TLS, with service->tls. name: of its sockets in a service manager; NULL: any.  */
anqa_status service_listen_tls(struct http_service *service, const char *name, const char *address,
    char ret_address[ANQA_ADDRESS_TEXT], anqa_error *err) ANQA_MUST_CHECK;

/* Starts the process of a connection on the calling scheduler, and gives it `socket`, which belongs to the calling process.
 * secure: it speaks TLS.
 * Fails: E_LIMIT (too many connections or processes), E_NOMEM; the socket is still the caller's.   Context: process. */
anqa_status conn_start(struct http_service *service, bool secure, anqa_tcp socket) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- output */

/* Room for `size` bytes at the end of the output, for the caller to fill before anything else is called. NULL: the
 * connection is ending, or there is no memory (then it is reset). */
char *conn_queue_room(struct conn *conn, size_t size);
/* Lets `size` more bytes wait than the limit says, of what is added next, until all that waits has been sent; up to
 * CONN_ALLOW_MAX, which streams of HTTP/2 share as they share their connection. False: more than the limit waits already, or
 * the other streams are allowed too much, and no more than before may wait. */
#define CONN_ALLOW_MAX ((size_t)32 << 20)
bool conn_allow(struct conn *conn, size_t size);
/* Adds counted bufs (counts of their own are taken), written straight through if nothing waits before them. */
void conn_send_now(struct conn *conn, const anqa_buf *bufs, size_t count);

/* The pieces as the payload of one compressed message, for whichever peer takes one of that length (conn_ws_deflates). It lies in
 * memory of the scheduler until the next call. Empty: it would not be shorter, or there is no memory. */
anqa_str conn_deflate(const anqa_str *pieces, size_t count);

/* ---------------------------------------------------------------- life */

/* Answers a request in full. type: NULL for no body. The connection stays open if the request wants it to. */
void conn_respond(struct conn *conn, unsigned status, const char *type, anqa_str body);
/* Sends the head of a 101 response as it stands and hands the connection over: `user` belongs to it. timeout: seconds
 * without anything from the peer; 0: the service's. */
void conn_upgrade(
    struct conn *conn, anqa_str head, const struct ws_ops *ops, void *user, uint16_t timeout);
/* What was agreed on about compression, right behind conn_upgrade; after the end nothing. */
void conn_ws_compress(struct conn *conn, const struct ws_deflate *agreed);
/* Whether a message of `len` bytes is to be compressed for this peer (conn_deflate), if that makes it shorter. */
bool conn_ws_deflates(const struct conn *conn, size_t len);
/* Sends a close frame and ends when the peer has closed too, or after some seconds. `reason` may be empty. */
void conn_ws_close(struct conn *conn, uint16_t code, anqa_str reason);
/* Closes it for what the peer has done: nothing that comes is looked at any more. */
void conn_ws_break(struct conn *conn, uint16_t code, const char *why);
/* Ends when what is queued has been sent. */
void conn_close(struct conn *conn);
/* Whether it is past its life: nothing that is written will be sent. */
bool conn_is_closing(const struct conn *conn);

/* Reading stops until conn_resume; they do not nest. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

anqa_pid conn_pid(const struct conn *conn);
/* The address of the peer; empty when it is gone. */
void conn_peer(const struct conn *conn, char text[ANQA_ADDRESS_TEXT]);

#endif
