#include <anqa/net.h>

#include <errno.h>
#include <netinet/tcp.h>

#include "runtime/net_int.h"

#define TRIES_MAX 8
#define RETRY_MS 50u

/* One try to reach one address. The socket is an entry from the start: who is killed while it waits leaves
 * none behind. NULL: *ret_why says why. */
static struct fd_entry *try_start(
    const struct address *address, anqa_status *ret_why, anqa_error *err)
{
    bool is_unix = address->u.any.sa_family == AF_UNIX;
    struct fd_entry *entry = NULL;
    int fd = net_socket(address), on = 1;

    if (fd < 0) {
        *ret_why = fd_fail(err, errno, "cannot make a socket to connect");
        return NULL;
    }
    if (!is_unix)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *ret_why = net_open(fd, FD_CONN, is_unix, "cannot connect", &entry, err);
    return entry;
}

/* 0, or why it failed; EAGAIN: the queue of a Unix listener is full, which nothing can be waited for with. */
static int try_connect(
    struct fd_entry *entry, const struct address *address, struct patience *patience)
{
    int errnum = 0;
    socklen_t size = sizeof errnum;

    if (connect(entry->fd, &address->u.any, address->len) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EINTR)
        return errno;
    switch (patience_wait(patience, entry, FD_OUT)) {
    case ANQA_OK: break;
    case ANQA_E_TIMEOUT: return ETIMEDOUT;
    case ANQA_E_NOMEM: return ENOMEM;
    default: return ENOSPC; /* of watches */
    }
    return getsockopt(entry->fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0 ? errno : errnum;
}

static anqa_status connect_to(const struct address *address, const char *text, uint32_t timeout_ms,
    struct fd_entry **ret_entry, anqa_error *err)
{
    struct patience patience = patience_of(timeout_ms);

    for (;;) {
        anqa_status status;
        struct fd_entry *entry = try_start(address, &status, err);
        int errnum;
        uint32_t left;

        if (entry == NULL)
            return status;
        errnum = try_connect(entry, address, &patience);
        if (errnum == 0) {
            *ret_entry = entry;
            return ANQA_OK;
        }
        fd_close(entry);
        left = patience_left(&patience);
        if (errnum == EAGAIN && left == 0)
            errnum = ETIMEDOUT;
        if (errnum != EAGAIN)
            return anqa_fail_errno(err, errnum, "cannot connect to %.100s", text);
        anqa_sleep(left < RETRY_MS ? left : RETRY_MS);
    }
}

anqa_status anqa_connect(
    const char *address, uint32_t timeout_ms, anqa_tcp *ret_tcp, anqa_error *err)
{
    struct patience patience = patience_of(timeout_ms);
    struct address_text parsed;
    struct address addresses[TRIES_MAX];
    struct fd_entry *entry = NULL;
    size_t count = 0;
    anqa_status status = address_parse(address, &parsed, err);

    if (status == ANQA_OK && parsed.kind == ADDRESS_ANY)
        status = anqa_fail(
            err, ANQA_E_INVALID, "address \"%.100s\": \"*\" can only be listened on", address);
    if (status == ANQA_OK)
        status = address_resolve(&parsed, addresses, TRIES_MAX, &count, err);
    if (status != ANQA_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        uint32_t left = patience_left(&patience);
        uint32_t share = left == ANQA_INFINITY ? left : left / (uint32_t)(count - i);
        status = connect_to(&addresses[i], address, share, &entry, err);
        if (status == ANQA_OK) {
            ret_tcp->bits = fd_handle(entry);
            return ANQA_OK;
        }
    }
    return status;
}
