/* What the files of anqa/net.h share. */
#ifndef RUNTIME_NET_INT_H
#define RUNTIME_NET_INT_H

#include <anqa/net.h>

#include "runtime/address.h" /* IWYU pragma: export */
#include "runtime/poller.h"  /* IWYU pragma: export */

/* A time-out that begins with the first wait: a call that need not wait does not look at the clock. */
struct patience {
    uint32_t timeout_ms;
    bool begun;
    uint64_t deadline_ms;
};

static inline struct patience patience_of(uint32_t timeout_ms)
{
    return (struct patience){.timeout_ms = timeout_ms};
}

/* fd_wait within what is left; E_TIMEOUT at once when it is 0 from the start. */
anqa_status patience_wait(
    struct patience *patience, struct fd_entry *entry, unsigned what) ANQA_MUST_CHECK;
/* ANQA_INFINITY, or what is left. */
uint32_t patience_left(struct patience *patience);

/* A socket for an address, or -1 and errno. */
int net_socket(const struct address *address);
/* Makes fd an entry; closes it when that fails. `what` is for people. */
anqa_status net_open(int fd, enum fd_kind kind, bool is_unix, const char *what,
    struct fd_entry **ret_entry, anqa_error *err) ANQA_MUST_CHECK;
/* Makes a socket that comes from elsewhere fit for anqa_listener_adopt. Any thread.   Fails: E_INVALID, E_IO. */
anqa_status listener_check(int fd, int *ret_family, anqa_error *err) ANQA_MUST_CHECK;
/* Ends a listener but for its socket, which goes on listening; the file of a Unix socket stays. The caller closes the
 * descriptor. -1 and errno: none is left, and nothing has happened. */
int listener_take_fd(anqa_listener listener);
/* Gives the file of a Unix socket another name in the same folder, in place of what is there, at once: who connects reaches
 * the one or the other. Process; may wait.   Fails: E_CLOSED, E_INVALID (no Unix socket with a file), E_IN_USE (the folder
 * stays locked), E_NOMEM, else as rename(2). */
anqa_status listener_rename(
    anqa_listener listener, const char *path, anqa_error *err) ANQA_MUST_CHECK;
/* Closing fd will reset the connection. */
void net_linger_off(int fd);

#endif
