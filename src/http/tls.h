/*
 * TLS over OpenSSL, behind what conn.c, out.c and conn_flow.c do with sockets. Where the library is built without OpenSSL
 * (none/tls.c), no server opens, so that there are no connections of this kind.
 *
 * A connection that speaks TLS is a struct tls_conn, which begins with its struct conn; `conn->secure` says so. A plain one
 * pays for this with that bit.
 *
 * Writing never has to be tried again. OpenSSL writes through a BIO of ours that takes everything: what the kernel does not
 * take at once is put in front of the connection's output, as chunks that are `sealed`. So a write that wants to
 * read, and a read that wants to write, cannot be; nothing that was encrypted waits inside of OpenSSL; and what waits
 * counts for the connection's limit as all output does. Plain output is encrypted when it can be sent, as late as
 * possible, and in records as large as there is output, so that frames of one turn share one.
 *
 * Reading asks the kernel through the same BIO, which follows the rules of the poller (fd_is_drained).
 *
 * OpenSSL takes locks: each call is in a marked section (anqa_section_begin), none waits.
 */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include <sys/types.h>
#include <sys/uio.h>

#include <anqa/tls.h>

struct conn;
struct tls_server;

/* ---------------------------------------------------------------- a server: certificates and keys */

/* Reads the files of `https`, in which everything that the environment says is filled in; it and its texts live as long.
 * Fails: E_INVALID (err names the file), E_NOMEM, E_UNSUPPORTED (built without OpenSSL).   Context: any thread. */
anqa_status tls_server_open(
    const anqa_https *https, struct tls_server **ret_server, anqa_error *err) ANQA_MUST_CHECK;
/* NULL is fine. Connections keep what they need. */
void tls_server_close(struct tls_server *server);
/* Reads the files again.   Fails: as tls_server_open; then everything stays as it was. */
anqa_status tls_server_reload(struct tls_server *server, anqa_error *err) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- protocols over TLS (ALPN, RFC 7301) */

/* What may be spoken over TLS. A client chooses by its list; one that has no list speaks HTTP/1.1. */
struct tls_protocol {
    const char *name; /* as IANA has it: "http/1.1" */
    /* The handshake is over: makes the connection one of this protocol (its phase, its time), whose bytes come next. In the
     * connection's process; must not wait. */
    void (*start)(struct conn *conn);
};

/* In the order of our preference; {0} ends them. */
extern const struct tls_protocol tls_protocols[];

/* ---------------------------------------------------------------- a connection */

/* The state of a process that is to be a connection over TLS: a struct conn with what follows it. */
size_t tls_conn_size(void);
/* Its socket has come.   False: no memory. */
bool tls_begin(struct conn *conn);
/* Goes on with the handshake. True: it is over, and the protocol has started. False: more has to come, or it has failed and
 * the connection ends. */
bool tls_handshake(struct conn *conn);
/* The handshake has failed: will be told (tls_over). why: a literal, or as constant. */
void tls_fail(struct conn *conn, const char *why);

/* As recv: 0 is the end in good order (close_notify), and one without it ECONNRESET. */
ssize_t tls_recv(struct conn *conn, char *buf, size_t size);
/* As sendmsg, but what it takes is sent or queued in front, and it takes all unless something is queued there. Never EAGAIN:
 * -1 is the end of the connection. */
ssize_t tls_send(struct conn *conn, const struct iovec *pieces, size_t count);
/* Says that nothing more will come (close_notify), once; it may be queued. */
void tls_shut(struct conn *conn);
/* The process ends in good order: tells telemetry of a handshake that has failed. */
void tls_over(struct conn *conn);
/* Frees what it has. */
void tls_done(struct conn *conn);

#endif
