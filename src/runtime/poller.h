/*
 * How processes wait for file descriptors: one epoll instance per scheduler, and an eventfd by which others wake it.
 *
 * Entries. A descriptor that a process owns has a struct fd_entry, found by the number of the descriptor in a table
 * which all runtimes of the program share, as they share the numbers. Entries are type-stable: one is made with the
 * first descriptor of its number and stays. A life of an entry is a sequence number, odd while it is open. A handle and
 * the data of an epoll event are (descriptor, sequence), so that neither can hit the next owner of the same number: a
 * stale handle is an error, an event for a life that is over is ignored.
 *
 * Who may touch an entry: its owner, which is pinned to its scheduler, and that scheduler's poller; so nothing but
 * `seq` and `owner`, which strangers compare, is shared. An entry that travels between processes has no owner and is in
 * no poller. The table is memory that stays: 64 bytes for each
 * number up to the highest that was ever in use.
 *
 * Edge-triggered. A descriptor enters the poller when its owner waits for the first time, and stays until it is closed:
 * one epoll_ctl for the life of a connection. EPOLLONESHOT would cost one for each wait. In return an edge must not be
 * lost: the owner waits only after the kernel has said EAGAIN, on the same thread that collects edges.
 * One step further: when a read on TCP took less than was asked for, nothing is left, and the next read waits for the
 * edge without asking the kernel first (see fd_drained). A request and its answer so cost three system
 * calls: epoll_wait, recv, send.
 *
 * Only the waits below know about epoll; io_uring can take its place behind fd_wait, fd_close and poller_wait.
 */
#ifndef RUNTIME_POLLER_H
#define RUNTIME_POLLER_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>

#include <anqa/base.h>

#include "runtime/hooks.h" /* IWYU pragma: export */

struct proc;
struct sched;

/* ---------------------------------------------------------------- a scheduler's poller */

/* Sets s->poller and s->wake_fd. A scheduler is woken by writing 1 to wake_fd; it never needs to be read. */
anqa_status poller_open(struct sched *s, anqa_error *err) ANQA_MUST_CHECK;
/* NULL poller is fine. Nobody may wait any more. */
void poller_close(struct sched *s);
/* Waits up to timeout_ms (0: only looks, -1: for ever) for fds and for a wake-up, and wakes the processes concerned. */
void poller_wait(struct sched *s, int timeout_ms);

/* ---------------------------------------------------------------- entries */

enum fd_kind { FD_CONN = 1, FD_LISTENER };

/* What is waited for, and what the poller has seen. */
enum {
    FD_IN = 1,
    FD_OUT = 2,
    FD_ODD = 4 /* hang-up, error or urgent data was seen: from now on a short read proves nothing */
};

#define FD_SEQ_BITS 40
#define FD_MAX (1u << 24) /* descriptor numbers that a handle can hold */

/* What an entry owns besides the descriptor. */
struct fd_extra {
    void (*drop)(struct fd_extra *extra, int fd); /* frees it; `fd` is still open */
};

/* owner: process, but for the fields named shared. */
struct fd_entry {
    alignas(64) _Atomic(uint64_t) seq; /* shared: odd while open; only 40 bits count */
    _Atomic(struct proc *) owner;      /* shared: NULL while it travels */
    struct exit_hook hook;             /* closes it when the owner exits */
    uint64_t wait_ref;                 /* event the owner waits for; 0: it does not wait */
    struct fd_extra *extra;            /* may be NULL */
    int fd;
    uint8_t kind : 2;
    uint8_t is_unix : 1;
    uint8_t interest : 3; /* FD_, as told to epoll */
    uint8_t ready : 3;    /* FD_, not known to be exhausted */
    uint8_t wait : 3;     /* FD_, what the owner waits for */
    uint8_t streak;       /* operations that went through without a wait */
};

static_assert(sizeof(struct fd_entry) == 64, "one cache line for each descriptor");

/* Makes `fd` the calling process's, and pins that to its scheduler. On failure `fd` is still the caller's.
 * Fails: E_NOMEM, E_LIMIT (a number above FD_MAX), E_UNSUPPORTED (deterministic mode: it has no poller). */
anqa_status fd_open(int fd, enum fd_kind kind, struct fd_entry **ret_entry) ANQA_MUST_CHECK;

/* The open entry that a handle of the calling process names. NULL: *ret_why is E_INVALID (closed, or never was, or of
 * another kind) or E_PERMISSION (of another process). */
struct fd_entry *fd_get(uint64_t handle, enum fd_kind kind, anqa_status *ret_why);

uint64_t fd_handle(const struct fd_entry *entry);

/* A failure to get a descriptor, in words: names the limit that is reached, and what raises it. */
anqa_status fd_fail(anqa_error *err, int errnum, const char *what);

/* Takes the entry out of the poller, ends its life and closes the descriptor. */
void fd_close(struct fd_entry *entry);

/* Takes the entry from the calling process, for fd_attach elsewhere or fd_close on any thread; old handles are dead. */
void fd_detach(struct fd_entry *entry);
/* Makes a detached entry the calling process's. */
void fd_attach(struct fd_entry *entry);
/* Undoes fd_detach by the same process; nobody has seen the new handle, the old one is good again. */
void fd_reclaim(struct fd_entry *entry);

/* Waits until `entry` is ready for `what` (FD_IN, FD_OUT), or until `deadline_ms` of anqa_now_ms (UINT64_MAX: none).
 * The kernel must have said EAGAIN since the last time. Attached threads block in poll(2).
 * Fails: E_TIMEOUT, E_NOMEM, E_LIMIT (as many watches as the system allows a user). */
anqa_status fd_wait(struct fd_entry *entry, unsigned what, uint64_t deadline_ms) ANQA_MUST_CHECK;

/* Has the owner, a behaviour, kicked (proc_kick) once when `entry` is ready for any of `what`: how a process that has no
 * stack waits. It then reads or writes until EAGAIN (see fd_ready) and arms again; a wait in between disarms.
 * On the owner's scheduler, in whatever process. Fails: E_NOMEM, E_LIMIT. */
anqa_status fd_arm(struct fd_entry *entry, unsigned what) ANQA_MUST_CHECK;

/* What the kernel may have for us, FD_ bits: not known to be exhausted. */
static inline unsigned fd_ready(const struct fd_entry *entry)
{
    return entry->ready;
}

/* Notes that the kernel takes no more for now. */
static inline void fd_filled(struct fd_entry *entry)
{
    entry->ready &= FD_IN | FD_ODD;
}

/* Asks the kernel, for up to `ms` (-1: for ever), and blocks the thread meanwhile. Fails: E_TIMEOUT, E_IO. */
anqa_status fd_poll(const struct fd_entry *entry, unsigned what, int ms) ANQA_MUST_CHECK;

/* Notes that the kernel has nothing more to read for now. */
static inline void fd_drained(struct fd_entry *entry)
{
    entry->ready &= FD_OUT | FD_ODD;
}

/* Whether a read would find nothing, as far as edges tell. */
static inline bool fd_is_drained(const struct fd_entry *entry)
{
    return (entry->interest & FD_IN) != 0 && (entry->ready & (FD_IN | FD_ODD)) == 0;
}

/* Counts an operation that did not wait. Now and then it yields, so that one busy connection does not keep the others
 * of its scheduler from running. */
void fd_pace(struct fd_entry *entry);

#endif
