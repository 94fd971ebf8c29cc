/* Reading and writing in the blocking style, at depth in the connection's process. See conn.h. */
#include "http/conn_int.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <anqa/process.h>

#include "http/h2_stream.h"

#define PART ((size_t)256 << 10)
#define PARTS_A_TURN 4        /* to a peer that reads as fast as we write, before others run */
#define QUEUE_MAX (16u << 10) /* of output that is copied, to go out with what comes next */

static bool over(const struct conn *conn)
{
    return conn->phase != CONN_HTTP && conn->phase != CONN_WS;
}

/* Waits for any of `what`, unless it came when nobody waited for it. The poller is ours meanwhile. */
static anqa_status wait_peer(struct conn *conn, unsigned what, uint64_t deadline_ms)
{
    anqa_status status = ANQA_OK;

    conn->waiting = true;
    if ((fd_ready(conn->entry) & what) == 0)
        status = fd_wait(conn->entry, what, deadline_ms);
    conn->waiting = false;
    return status;
}

/* ---------------------------------------------------------------- writing */

/* Waits until the kernel takes more. */
static bool wait_room(struct conn *conn)
{
    anqa_status status;

    if (conn->streamed)
        return stream_wait_room(conn, 0);
    status = wait_peer(conn, FD_OUT, conn_deadline(conn->service->write_timeout, CONN_WRITE_S));
    conn->blocked = false;
    if (status != ANQA_OK)
        conn_kill(conn, true);
    return !over(conn);
}

bool conn_drain_output(struct conn *conn)
{
    for (;;) {
        if (!conn->blocked)
            conn_flush(conn);
        if (over(conn) || conn->out == NULL)
            return !over(conn);
        if (!wait_room(conn))
            return false;
    }
}

/* What a system call has taken or said. 0: it is worth another try. -1: it is over. */
static ssize_t sent(struct conn *conn, ssize_t n)
{
    if (n > 0)
        return n;
    if (n < 0 && errno == EINTR)
        return 0;
    if (n < 0 && errno == EAGAIN) {
        fd_filled(conn->entry);
        return wait_room(conn) ? 0 : -1;
    }
    conn_kill(conn, true); /* the peer is gone, or a file has become shorter */
    return -1;
}

static bool queue(struct conn *conn, anqa_str bytes)
{
    char *room = conn_queue_room(conn, bytes.len);

    if (room != NULL)
        memcpy(room, bytes.ptr, bytes.len);
    return room != NULL;
}

/* Where nothing is queued, or of TLS what it has not got rid of. As `sent`. */
static ssize_t write_some(struct conn *conn, const char *bytes, size_t len)
{
    struct iovec piece = {(char *)(uintptr_t)bytes, len};

    if (!conn->secure)
        return sent(conn, send(conn->entry->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT));
    return conn_drain_output(conn) ? sent(conn, tls_send(conn, &piece, 1)) : -1;
}

bool conn_write(struct conn *conn, anqa_str bytes)
{
    uint32_t limit = conn->service->output_bytes;
    size_t most = limit != 0 && limit < QUEUE_MAX ? limit : QUEUE_MAX;

    if (over(conn) || bytes.len == 0)
        return !over(conn);
    if (conn->streamed)
        return stream_write(conn, bytes);
    if (conn->out_bytes + bytes.len <= most)
        return queue(conn, bytes);
    if (!conn_drain_output(conn))
        return false;
    if (bytes.len <= most)
        return queue(conn, bytes);
    for (size_t done = 0; done < bytes.len;) {
        ssize_t n = write_some(conn, bytes.ptr + done, bytes.len - done);
        if (n < 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* sendfile without SIGPIPE, which no flag of it turns off, and which a program that we are embedded in need not ignore. */
static ssize_t send_part(int to, int from, off_t *at, size_t size)
{
    static const struct timespec at_once = {0};
    sigset_t pipe, before;
    ssize_t n;
    int error;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    n = sendfile(to, from, at, size);
    error = errno;
    if (n < (ssize_t)size) /* also after a part that went through */
        (void)sigtimedwait(&pipe, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return n;
}

/* Through memory, to be encrypted: nobody waits between the read and its end. As `sent`. */
static ssize_t seal_part(struct conn *conn, int from, off_t *at, size_t size)
{
    struct iovec piece = {.iov_base = conn->outlet->read};
    ssize_t n;

    if (!conn_drain_output(conn))
        return -1;
    n = pread(from, piece.iov_base, size < READ_SIZE ? size : READ_SIZE, *at);
    if (n > 0) {
        piece.iov_len = (size_t)n;
        n = tls_send(conn, &piece, 1);
    }
    n = sent(conn, n);
    if (n > 0)
        *at += n;
    return n;
}

/* What is queued; the kernel keeps the last of it for the packet that the file begins in. */
static bool drain_head(struct conn *conn, uint64_t length)
{
    bool drained;

    conn->more = length != 0;
    drained = conn_drain_output(conn);
    conn->more = false;
    return drained;
}

static bool write_file(struct conn *conn, int fd, struct range range)
{
    off_t at = (off_t)range.offset;
    uint64_t left = range.length;
    unsigned turn = 0;

    if (!drain_head(conn, left))
        return false;
    while (left > 0) {
        size_t part = left < PART ? (size_t)left : PART;
        ssize_t n = conn->secure ? seal_part(conn, fd, &at, part)
                                 : sent(conn, send_part(conn->entry->fd, fd, &at, part));
        if (n < 0)
            return false;
        left -= (uint64_t)n;
        if (++turn % PARTS_A_TURN == 0)
            anqa_yield();
        if (over(conn))
            return false;
    }
    return true;
}

bool conn_write_file(struct conn *conn, int fd, struct range range)
{
    return conn->streamed ? stream_write_file(conn, fd, range) : write_file(conn, fd, range);
}

/* ---------------------------------------------------------------- reading */

/* Waits until something can be read; what is queued goes out meanwhile. */
static anqa_status wait_input(struct conn *conn, uint64_t deadline_ms)
{
    anqa_status status;

    if (!conn->blocked)
        conn_flush(conn);
    if (over(conn))
        return ANQA_E_CLOSED;
    status = wait_peer(conn, conn->blocked ? FD_IN | FD_OUT : FD_IN, deadline_ms);
    if (conn->blocked && (fd_ready(conn->entry) & FD_OUT) != 0)
        conn->blocked = false;
    return over(conn) ? ANQA_E_CLOSED : status;
}

anqa_status conn_read_some(
    struct conn *conn, char *buf, size_t size, uint64_t deadline_ms, size_t *ret_n)
{
    anqa_status status = ANQA_OK;

    if (conn->in != NULL) {
        *ret_n = input_take(conn, buf, size);
        return ANQA_OK;
    }
    fd_pace(conn->entry); /* before the read: who reads into the buffer of all takes it at once */
    while (status == ANQA_OK && !conn->ended && !over(conn)) {
        ssize_t n;
        if (conn->secure || !fd_is_drained(conn->entry)) {
            n = conn_recv(conn, buf, size);
            if (n < (ssize_t)size && (n <= 0 || !conn->entry->is_unix) && !conn->secure)
                fd_drained(conn->entry);
            if (n > 0) {
                *ret_n = (size_t)n;
                return ANQA_OK;
            }
            conn->ended = n == 0 || (errno != EAGAIN && errno != EINTR);
        }
        if (!conn->ended)
            status = wait_input(conn, deadline_ms);
    }
    return status == ANQA_OK ? ANQA_E_CLOSED : status;
}
