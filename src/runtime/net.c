#include <anqa/net.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "runtime/net_int.h"
#include "runtime/proc.h"
#include "runtime/sched.h"
#include "runtime/worker.h"

#define WINDOW_PIECES 64

/* ---------------------------------------------------------------- shared with listen.c and connect.c */

static void patience_begin(struct patience *patience)
{
    if (patience->begun)
        return;
    patience->begun = true;
    patience->deadline_ms =
        patience->timeout_ms == ANQA_INFINITY ? UINT64_MAX : anqa_now_ms() + patience->timeout_ms;
}

anqa_status patience_wait(struct patience *patience, struct fd_entry *entry, unsigned what)
{
    if (patience->timeout_ms == 0)
        return ANQA_E_TIMEOUT;
    patience_begin(patience);
    return fd_wait(entry, what, patience->deadline_ms);
}

uint32_t patience_left(struct patience *patience)
{
    uint64_t now = anqa_now_ms();

    if (patience->timeout_ms == ANQA_INFINITY)
        return ANQA_INFINITY;
    patience_begin(patience);
    return patience->deadline_ms > now ? (uint32_t)(patience->deadline_ms - now) : 0;
}

int net_socket(const struct address *address)
{
    return socket(address->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

anqa_status net_open(int fd, enum fd_kind kind, bool is_unix, const char *what,
    struct fd_entry **ret_entry, anqa_error *err)
{
    anqa_status status = fd_open(fd, kind, ret_entry);

    if (status == ANQA_OK) {
        (*ret_entry)->is_unix = is_unix;
        return ANQA_OK;
    }
    close(fd);
    if (status == ANQA_E_UNSUPPORTED)
        return anqa_fail(err, status, "%s: a deterministic runtime has no network", what);
    return anqa_fail(err, status, "%s: %s", what, anqa_status_text(status));
}

void net_linger_off(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static struct fd_entry *tcp_get(anqa_tcp tcp, anqa_status *ret_why)
{
    return fd_get(tcp.bits, FD_CONN, ret_why);
}

/* ---------------------------------------------------------------- reading */

/* The kernel's words for a connection that broke; E_TIMEOUT is kept for deadlines of ours. */
static anqa_status read_status(int errnum)
{
    switch (errnum) {
    case ENOMEM:
    case ENOBUFS: return ANQA_E_NOMEM;
    default: return ANQA_E_IO;
    }
}

static anqa_status read_some(
    struct fd_entry *entry, void *buf, size_t size, struct patience *patience, size_t *ret_n)
{
    for (;;) {
        anqa_status status;
        ssize_t n = -1;

        /* Without a wait to come the kernel is asked in any case: edges are collected only between events. */
        if (!fd_is_drained(entry) || patience->timeout_ms == 0) {
            n = recv(entry->fd, buf, size, MSG_DONTWAIT);
            if (n == 0)
                return ANQA_E_CLOSED;
            if (n > 0) {
                /* A Unix socket reads short at other borders too, where descriptors were sent along. */
                if ((size_t)n < size && !entry->is_unix)
                    fd_drained(entry);
                *ret_n = (size_t)n;
                return ANQA_OK;
            }
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                return read_status(errno);
            fd_drained(entry);
        }
        status = patience_wait(patience, entry, FD_IN);
        if (status != ANQA_OK)
            return status;
    }
}

anqa_status anqa_read(anqa_tcp tcp, void *buf, size_t size, uint32_t timeout_ms, size_t *ret_n)
{
    struct patience patience = patience_of(timeout_ms);
    anqa_status why;
    struct fd_entry *entry = tcp_get(tcp, &why);

    if (entry == NULL)
        return why;
    if (size == 0) {
        *ret_n = 0;
        return ANQA_OK;
    }
    if (timeout_ms != 0)
        fd_pace(entry);
    return read_some(entry, buf, size, &patience, ret_n);
}

static anqa_status read_all(
    struct fd_entry *entry, char *buf, size_t size, uint32_t timeout_ms, size_t *done)
{
    struct patience patience = patience_of(timeout_ms);
    size_t n = 0;

    for (; *done < size; *done += n) {
        anqa_status status;
        if (timeout_ms != 0)
            fd_pace(entry);
        status = read_some(entry, buf + *done, size - *done, &patience, &n);
        if (status != ANQA_OK)
            return status;
    }
    return ANQA_OK;
}

anqa_status anqa_read_full(anqa_tcp tcp, void *buf, size_t size, uint32_t timeout_ms, size_t *got)
{
    anqa_status status;
    struct fd_entry *entry = tcp_get(tcp, &status);
    size_t done = 0;

    if (entry != NULL)
        status = read_all(entry, buf, size, timeout_ms, &done);
    if (got != NULL)
        *got = done;
    return status;
}

/* ---------------------------------------------------------------- writing */

static anqa_status write_status(int errnum)
{
    switch (errnum) {
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN: return ANQA_E_CLOSED;
    default: return read_status(errnum);
    }
}

static anqa_status write_some(struct fd_entry *entry, struct iovec *pieces, size_t count,
    struct patience *patience, size_t *ret_n)
{
    struct msghdr header = {.msg_iov = pieces, .msg_iovlen = count};

    for (;;) {
        anqa_status status;
        ssize_t n = sendmsg(entry->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0) {
            *ret_n = (size_t)n;
            return ANQA_OK;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return write_status(errno);
        status = patience_wait(patience, entry, FD_OUT);
        if (status != ANQA_OK)
            return status;
    }
}

/* Where a writer is: in piece `at`, of which `skip` bytes are gone. */
struct progress {
    const anqa_str *pieces;
    size_t count, at, skip;
};

/* The next pieces that are not empty, as the kernel wants them. */
static size_t window_fill(const struct progress *progress, struct iovec window[WINDOW_PIECES])
{
    size_t n = 0, skip = progress->skip;

    for (size_t i = progress->at; i < progress->count && n < WINDOW_PIECES; i++, skip = 0) {
        anqa_str piece = progress->pieces[i];
        if (piece.len == skip)
            continue;
        window[n].iov_base = (char *)(uintptr_t)piece.ptr + skip;
        window[n++].iov_len = piece.len - skip;
    }
    return n;
}

static void progress_by(struct progress *progress, size_t n)
{
    while (n > 0 && progress->at < progress->count) {
        size_t left = progress->pieces[progress->at].len - progress->skip;
        if (n < left) {
            progress->skip += n;
            return;
        }
        n -= left;
        progress->at++;
        progress->skip = 0;
    }
}

static anqa_status write_all(
    struct fd_entry *entry, struct progress *progress, uint32_t timeout_ms, size_t *done)
{
    struct patience patience = patience_of(timeout_ms);
    struct iovec window[WINDOW_PIECES];
    size_t filled, n = 0;

    for (; (filled = window_fill(progress, window)) > 0; *done += n) {
        anqa_status status;
        if (timeout_ms != 0)
            fd_pace(entry);
        status = write_some(entry, window, filled, &patience, &n);
        if (status != ANQA_OK)
            return status;
        progress_by(progress, n);
    }
    return ANQA_OK;
}

anqa_status anqa_writev(
    anqa_tcp tcp, const anqa_str *pieces, size_t count, uint32_t timeout_ms, size_t *sent)
{
    struct progress progress = {.pieces = pieces, .count = count};
    anqa_status status;
    struct fd_entry *entry = tcp_get(tcp, &status);
    size_t done = 0;

    if (entry != NULL)
        status = write_all(entry, &progress, timeout_ms, &done);
    if (sent != NULL)
        *sent = done;
    return status;
}

anqa_status anqa_write(anqa_tcp tcp, const void *buf, size_t len, uint32_t timeout_ms, size_t *sent)
{
    anqa_str piece = anqa_str_make(buf, len);

    return anqa_writev(tcp, &piece, 1, timeout_ms, sent);
}

anqa_status anqa_tcp_wait(anqa_tcp tcp, unsigned directions, uint32_t timeout_ms)
{
    struct patience patience = patience_of(timeout_ms);
    anqa_status status;
    struct fd_entry *entry = tcp_get(tcp, &status);

    if (entry == NULL)
        return status;
    if ((directions & (ANQA_READABLE | ANQA_WRITABLE)) == 0)
        return ANQA_E_INVALID;
    for (;;) {
        /* Edges tell what has changed; whether it is ready now, after reads of others, only the kernel can. */
        switch (fd_poll(entry, directions, 0)) {
        case ANQA_OK: return ANQA_OK;
        case ANQA_E_TIMEOUT: break;
        default: return ANQA_E_IO;
        }
        status = patience_wait(&patience, entry, directions);
        if (status != ANQA_OK)
            return status;
    }
}

static_assert(
    (unsigned)ANQA_READABLE == FD_IN && (unsigned)ANQA_WRITABLE == FD_OUT, "the same bits");

/* ---------------------------------------------------------------- ending */

anqa_status anqa_shutdown(anqa_tcp tcp, anqa_direction direction)
{
    static const int how[] = {
        [ANQA_SHUT_READ] = SHUT_RD, [ANQA_SHUT_WRITE] = SHUT_WR, [ANQA_SHUT_BOTH] = SHUT_RDWR};
    anqa_status why;
    struct fd_entry *entry = tcp_get(tcp, &why);

    if (entry == NULL)
        return why;
    if ((unsigned)direction >= ANQA_COUNT(how))
        return ANQA_E_INVALID;
    entry->ready |= FD_IN | FD_ODD; /* reads shall see the end at once */
    return shutdown(entry->fd, how[direction]) == 0 ? ANQA_OK : ANQA_E_CLOSED;
}

anqa_status anqa_close(anqa_tcp tcp)
{
    anqa_status why;
    struct fd_entry *entry = tcp_get(tcp, &why);

    if (entry == NULL)
        return why;
    fd_close(entry);
    return ANQA_OK;
}

anqa_status anqa_tcp_reset(anqa_tcp tcp)
{
    anqa_status why;
    struct fd_entry *entry = tcp_get(tcp, &why);

    if (entry == NULL)
        return why;
    net_linger_off(entry->fd);
    fd_close(entry);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- giving away */

static void travelling_drop(void *object)
{
    fd_close(object); /* it has no owner and is in no poller: any thread may */
}

static const anqa_type travelling = {
    .name = "anqa_tcp", .size = sizeof(struct fd_entry), .drop = travelling_drop};

anqa_status anqa_tcp_move(anqa_tcp tcp, anqa_pid to, const char *tag)
{
    anqa_status status;
    struct fd_entry *entry = tcp_get(tcp, &status);

    if (entry == NULL)
        return status;
    fd_detach(entry);
    status = anqa_send(to, tag, anqa_moved(&travelling, entry));
    if (status != ANQA_OK && status != ANQA_E_NOPROC)
        fd_reclaim(entry);
    return status;
}

anqa_status anqa_tcp_take(const anqa_msg *msg, anqa_tcp *ret_tcp)
{
    struct fd_entry *entry = anqa_msg_take(msg, &travelling);

    if (entry == NULL)
        return ANQA_E_TYPE;
    fd_attach(entry);
    ret_tcp->bits = fd_handle(entry);
    return ANQA_OK;
}

anqa_status anqa_tcp_adopt(int fd, anqa_tcp *ret_tcp, anqa_error *err)
{
    int type = 0, family = 0, flags;
    socklen_t size = sizeof type;
    struct fd_entry *entry;
    anqa_status status;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM)
        return anqa_fail(err, ANQA_E_INVALID, "descriptor %d is not a stream socket", fd);
    size = sizeof family;
    flags = fcntl(fd, F_GETFL);
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0 || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return anqa_fail_errno(err, errno, "descriptor %d", fd);
    status = fd_open(fd, FD_CONN, &entry);
    if (status != ANQA_OK)
        return anqa_fail(err, status, "descriptor %d can not become a connection", fd);
    entry->is_unix = family == AF_UNIX;
    ret_tcp->bits = fd_handle(entry);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- looking at it */

static anqa_status name_get(
    uint64_t handle, enum fd_kind kind, bool peer, char text[ANQA_ADDRESS_TEXT])
{
    struct address address = {.len = sizeof address.u};
    anqa_status why;
    struct fd_entry *entry = fd_get(handle, kind, &why);

    text[0] = '\0';
    if (entry == NULL)
        return why;
    if ((peer ? getpeername : getsockname)(entry->fd, &address.u.any, &address.len) < 0)
        return ANQA_E_CLOSED;
    if (address.len > sizeof address.u)
        address.len = sizeof address.u;
    address_format(&address, text);
    return ANQA_OK;
}

anqa_status anqa_listener_address(anqa_listener listener, char text[ANQA_ADDRESS_TEXT])
{
    return name_get(listener.bits, FD_LISTENER, false, text);
}

anqa_status anqa_tcp_local(anqa_tcp tcp, char text[ANQA_ADDRESS_TEXT])
{
    return name_get(tcp.bits, FD_CONN, false, text);
}

anqa_status anqa_tcp_peer(anqa_tcp tcp, char text[ANQA_ADDRESS_TEXT])
{
    return name_get(tcp.bits, FD_CONN, true, text);
}

int anqa_tcp_fd(anqa_tcp tcp)
{
    anqa_status why;
    struct fd_entry *entry = tcp_get(tcp, &why);

    return entry == NULL ? -1 : entry->fd;
}

anqa_status anqa_tcp_dup(anqa_tcp tcp, int *ret_fd)
{
    anqa_status why;
    struct fd_entry *entry = tcp_get(tcp, &why);
    int fd;

    if (entry == NULL)
        return why;
    fd = fcntl(entry->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return anqa_status_from_errno(errno);
    *ret_fd = fd;
    return ANQA_OK;
}

anqa_status anqa_tcp_blocking(anqa_tcp tcp, void (*fn)(int fd, void *job), void *job, size_t size)
{
    struct blocking_call call = {.fd_fn = fn};
    struct sched *s;
    anqa_status status;

    proc_self(&s);
    ANQA_REQUIRE(
        s->act.nowait == 0 && s->act.section == 0); /* before there is a duplicate to close */
    status = anqa_tcp_dup(tcp, &call.fd);
    return status != ANQA_OK ? status : worker_blocking(&call, job, size);
}
