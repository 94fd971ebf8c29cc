/**
 * anqa/net.h - TCP and Unix sockets as a process sees them.
 *
 * Plain blocking calls with a deadline: while a process waits for the network its scheduler runs others. Each call asks
 * the kernel first and waits only when it must.
 *
 * Handles. Connections and listeners are numbers that are checked: one that was closed, moved or never was gives
 * E_INVALID, one of another process E_PERMISSION. It never hits a descriptor that was opened later.
 *
 * Owners. A socket belongs to the process that made it. When that ends, however it ends, the socket is closed; so none
 * leaks, and none needs a deferred clean-up. A process that has owned a socket stays on its scheduler from then on. A
 * connection may be given to another process (anqa_tcp_move); there is no other way to share one.
 *
 * Addresses are text:
 *     "127.0.0.1:4000"  "[::1]:4000"  "[fe80::1%eth0]:4000"  IP; port 0 lets the system choose when listening
 *     "example.org:80"  "localhost:80"                       a name, looked up on a worker thread
 *     "*:4000"                                               listening only: all addresses, IPv4 and IPv6
 *     "unix:/run/app.sock"  "unix:@name"                     a Unix socket in the file system, or in the abstract space
 *
 * Failing. Every wait may end with E_TIMEOUT; nothing is lost by it, the call may be made again. timeout_ms 0 asks the
 * kernel and does not wait, ANQA_INFINITY has no deadline. For a wait E_NOMEM and E_LIMIT mean that the system has no
 * room to watch one more descriptor. A call that need not wait for the network may still let other processes run first.
 *
 * Threads. "Process" includes attached threads (anqa/runtime.h): there a wait blocks the thread. A deterministic
 * runtime has no network: making a socket fails with E_UNSUPPORTED.
 */
#ifndef ANQA_NET_H
#define ANQA_NET_H

#include <anqa/process.h>

ANQA_BEGIN_DECLS

/** A stream to a peer: a TCP connection, or a Unix socket, as with Erlang's gen_tcp. All zero: none. */
typedef struct anqa_tcp {
    uint64_t bits;
} anqa_tcp;

/** Where connections are accepted. All zero: none. */
typedef struct anqa_listener {
    uint64_t bits;
} anqa_listener;

/** Room for the text of any address, with its NUL. */
#define ANQA_ADDRESS_TEXT 128

/* ---------------------------------------------------------------- listening */

/** Zero is a sensible default everywhere but for `address`. */
typedef struct anqa_listen_spec {
    const char *address;
    uint32_t
        backlog; /* connections that wait to be accepted; 0: 4,096, if the system allows that */
    bool shared; /* others may join the port later */
    bool join;   /* be one more listener on a port that is `shared`, of the same user */
    uint32_t unix_mode; /* permissions of a socket file; 0: 0600 */
} anqa_listen_spec;

/**
 * Starts to listen. The kernel spreads the connections of a port over all who listen there. Without `join` a port
 * that has a listener already is an error, even if that one is `shared`. The file of a Unix socket that nobody
 * listens on any more is replaced; any other file in its place is an error. The file is removed when the listener
 * is closed.
 * Fails: E_INVALID (the address, or options that do not go together; err says what is wrong), E_IN_USE, E_EXISTS
 * (another file has that name), E_PERMISSION, E_NOT_FOUND (a name, or the folder of a socket file), E_LIMIT (open
 * files), E_IO (no such address here, ...), E_NOMEM, E_UNSUPPORTED.   Context: process; may wait for a name.
 */
ANQA_API anqa_status anqa_listen(
    const anqa_listen_spec *spec, anqa_listener *ret_listener, anqa_error *err) ANQA_MUST_CHECK;

/**
 * Makes a listening stream socket that comes from elsewhere (inherited, from a service manager) a listener. `fd` belongs
 * to it then, and is closed with it; after a failure it is still the caller's. Several processes may each adopt a
 * duplicate of one socket: whoever is first gets a connection. The file of a Unix socket is not removed.
 * Fails: E_INVALID (no stream socket, or it does not listen), E_LIMIT, E_NOMEM, E_UNSUPPORTED.   Context: process.
 */
ANQA_API anqa_status anqa_listener_adopt(
    int fd, anqa_listener *ret_listener, anqa_error *err) ANQA_MUST_CHECK;

/**
 * Waits for a connection and makes it the calling process's. TCP connections have Nagle's delay switched off.
 * Fails: E_TIMEOUT; E_LIMIT: this program or the system has no descriptor left. The connection that could not be
 * accepted was reset if that was possible at all; if not, the call has waited for up to 100 ms, so that calling again
 * in a loop does not spin. E_NOMEM in the same way. E_INVALID, E_PERMISSION: the handle.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_accept(anqa_listener listener, uint32_t timeout_ms, anqa_tcp *ret_tcp,
    anqa_error *err) ANQA_MUST_CHECK;

/** Connections that wait to be accepted are reset. Fails: E_INVALID, E_PERMISSION.   Context: process. */
ANQA_API anqa_status anqa_listener_close(anqa_listener listener);

/** Writes the address that is listened on, with the real port; it can be connected to and joined.
 * Fails: E_INVALID, E_PERMISSION: the handle; `text` is empty then.   Context: process. */
ANQA_API anqa_status anqa_listener_address(anqa_listener listener, char text[ANQA_ADDRESS_TEXT]);

/* ---------------------------------------------------------------- connecting */

/**
 * Connects. The addresses of a name are tried one after the other, each for its share of the time that is left.
 * timeout_ms: does not bound the look-up of a name, for which the system's resolver has its own limits.
 * Fails: E_INVALID (the address), E_NOT_FOUND (no such name, or no such socket file), E_REFUSED, E_TIMEOUT,
 * E_PERMISSION, E_LIMIT (open files; or the queue of blocking jobs is full), E_IO (no route, ...), E_NOMEM,
 * E_UNSUPPORTED.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_connect(
    const char *address, uint32_t timeout_ms, anqa_tcp *ret_tcp, anqa_error *err) ANQA_MUST_CHECK;

/**
 * Makes a connected stream socket that comes from elsewhere (inherited, socketpair) a connection. `fd` belongs to it
 * then, and is closed with it; after a failure it is still the caller's.
 * Fails: E_INVALID (no stream socket), E_LIMIT, E_NOMEM, E_UNSUPPORTED.   Context: process.
 */
ANQA_API anqa_status anqa_tcp_adopt(int fd, anqa_tcp *ret_tcp, anqa_error *err) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- reading and writing */

/**
 * Reads what is there: from 1 to `size` bytes. Waits while there is nothing. size 0 reads nothing.
 * Fails: E_CLOSED: the peer has ended its side in good order, there will be no more; E_IO: the connection broke (was
 * reset, or the peer can not be reached), what was read may not be all that was sent; E_TIMEOUT; E_INVALID,
 * E_PERMISSION: the handle.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_read(
    anqa_tcp tcp, void *buf, size_t size, uint32_t timeout_ms, size_t *ret_n) ANQA_MUST_CHECK;

/**
 * Reads `size` bytes, no less. timeout_ms: for all of them.
 * got: may be NULL; set also on failure: how many came before it. E_CLOSED with 0: the end was where one may expect it.
 * Fails: as anqa_read.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_read_full(
    anqa_tcp tcp, void *buf, size_t size, uint32_t timeout_ms, size_t *got) ANQA_MUST_CHECK;

/**
 * Writes all, or fails. Written means: given to the kernel; what the peer has received only it can tell.
 * timeout_ms: for all of it.   sent: may be NULL; set also on failure: how many bytes the kernel took before it.
 * Fails: E_CLOSED: the peer is gone or has been reset, or this side was shut down; E_TIMEOUT: the peer does not read;
 * E_IO; E_INVALID, E_PERMISSION: the handle. Never raises SIGPIPE.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_write(
    anqa_tcp tcp, const void *buf, size_t len, uint32_t timeout_ms, size_t *sent) ANQA_MUST_CHECK;

/** As anqa_write, for `count` pieces in order; any count. */
ANQA_API anqa_status anqa_writev(anqa_tcp tcp, const anqa_str *pieces, size_t count,
    uint32_t timeout_ms, size_t *sent) ANQA_MUST_CHECK;

/** What to wait for; they may be added. */
enum { ANQA_READABLE = 1, ANQA_WRITABLE = 2 };

/**
 * Waits until a library that works on anqa_tcp_fd itself can go on.
 * directions: ANQA_READABLE, ANQA_WRITABLE or both; an end or error of the connection counts as both.
 * Fails: E_TIMEOUT; E_INVALID, E_PERMISSION.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_tcp_wait(
    anqa_tcp tcp, unsigned directions, uint32_t timeout_ms) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- ending */

/** Which directions of a connection to end. */
typedef enum anqa_direction { ANQA_SHUT_READ, ANQA_SHUT_WRITE, ANQA_SHUT_BOTH } anqa_direction;

/** Ends one direction: after ANQA_SHUT_WRITE the peer reads the end of the stream, and can still be read from.
 * Fails: E_CLOSED (it is gone already); E_INVALID, E_PERMISSION: the handle.   Context: process. */
ANQA_API anqa_status anqa_shutdown(anqa_tcp tcp, anqa_direction direction);

/** Closes. What was written is still delivered, unless the peer sends something that nobody will read: then the
 * connection is reset. Fails: E_INVALID, E_PERMISSION.   Context: process. */
ANQA_API anqa_status anqa_close(anqa_tcp tcp);

/** Closes at once: what was not delivered yet is dropped, the peer of a TCP connection sees a reset.
 * Fails: as anqa_close.   Context: process. */
ANQA_API anqa_status anqa_tcp_reset(anqa_tcp tcp);

/* ---------------------------------------------------------------- giving away */

/**
 * Gives the connection to process `to`, in a message with `tag` from which the receiver takes it by anqa_tcp_take. The
 * handle is dead from here on. If the message is dropped (the receiver has died, or did not take it) it is closed.
 * tag: a string literal or from anqa_intern.
 * Fails: E_NOPROC: `to` is dead, and the connection closed. E_FULL, E_NOMEM: nothing has happened. E_INVALID,
 * E_PERMISSION: the handle.   Context: process.
 */
ANQA_API anqa_status anqa_tcp_move(anqa_tcp tcp, anqa_pid to, const char *tag) ANQA_MUST_CHECK;

/** Makes the connection in a message of anqa_tcp_move the calling process's. Fails: E_TYPE (there is none in it, or it
 * was taken before).   Context: process. */
ANQA_API anqa_status anqa_tcp_take(const anqa_msg *msg, anqa_tcp *ret_tcp) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- looking at it */

/** Writes the address of this end, or of the peer. Bytes that are not printable become '?'; a Unix socket without a
 * name is "unix:". Fails: E_CLOSED (the peer is gone), E_INVALID, E_PERMISSION; `text` is empty then.
 * Context: process. */
ANQA_API anqa_status anqa_tcp_local(anqa_tcp tcp, char text[ANQA_ADDRESS_TEXT]);
ANQA_API anqa_status anqa_tcp_peer(anqa_tcp tcp, char text[ANQA_ADDRESS_TEXT]);

/** The descriptor, borrowed: do not close it, nor use it after the connection has ended. It is non-blocking.
 * -1: not a connection of the caller's.   Context: process. */
ANQA_API int anqa_tcp_fd(anqa_tcp tcp);

/**
 * anqa_blocking for code that needs the socket itself: `fn` gets a duplicate of the descriptor, because a process that
 * dies meanwhile closes its own, whose number may name another file at once. The duplicate is closed when the job has
 * ended or was dropped. It is non-blocking too: a job waits with poll(2).
 * job, size: as for anqa_blocking. Attached threads run the job themselves.
 * Fails: E_LIMIT (open files, or the queue for workers is full), E_NOMEM, E_INVALID, E_PERMISSION.
 * Context: process; may wait.
 */
ANQA_API anqa_status anqa_tcp_blocking(
    anqa_tcp tcp, void (*fn)(int fd, void *job), void *job, size_t size) ANQA_MUST_CHECK;

/** A second descriptor of the same socket, non-blocking too, which the caller closes.
 * Fails: E_LIMIT (open files), E_INVALID, E_PERMISSION.   Context: process. */
ANQA_API anqa_status anqa_tcp_dup(anqa_tcp tcp, int *ret_fd) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
