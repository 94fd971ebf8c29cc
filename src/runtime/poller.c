#include "runtime/poller.h"

#include <errno.h>
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/container.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

#define EVENTS_MAX 256
#define STREAK_MAX 64
#define CHUNK_ENTRIES 1024u
#define SEQ_MASK (((uint64_t)1 << FD_SEQ_BITS) - 1)

static_assert(FD_MAX == 1u << (64 - FD_SEQ_BITS), "a handle is filled by descriptor and sequence");

struct poller {
    int epoll;
    struct epoll_event events[EVENTS_MAX];
};

/* Shared by all threads; a chunk is put in once and stays. */
static _Atomic(struct fd_entry *) chunks[FD_MAX / CHUNK_ENTRIES];

anqa_status fd_fail(anqa_error *err, int errnum, const char *what)
{
    struct rlimit limit = {0};

    if (errnum == EMFILE && getrlimit(RLIMIT_NOFILE, &limit) == 0)
        return anqa_fail_errno(err, errnum,
            "%s: this program may have %llu files open; raise its limit (ulimit -n, RLIMIT_NOFILE)",
            what, (unsigned long long)limit.rlim_cur);
    if (errnum == ENFILE)
        return anqa_fail_errno(err, errnum,
            "%s: the system may have no more files open; raise its limit (fs.file-max)", what);
    return anqa_fail_errno(err, errnum, "%s", what);
}

/* ---------------------------------------------------------------- the table */

static struct fd_entry *entry_find(uint32_t fd)
{
    struct fd_entry *chunk;

    if (fd >= FD_MAX)
        return NULL;
    /* acquire: pairs with the exchange in entry_make */
    chunk = atomic_load_explicit(&chunks[fd / CHUNK_ENTRIES], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[fd % CHUNK_ENTRIES];
}

static struct fd_entry *entry_make(uint32_t fd)
{
    struct fd_entry *entry = entry_find(fd), *chunk, *none = NULL;

    if (entry != NULL || fd >= FD_MAX)
        return entry;
    chunk = aligned_alloc(alignof(struct fd_entry), CHUNK_ENTRIES * sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    memset(chunk, 0, CHUNK_ENTRIES * sizeof *chunk);
    if (!atomic_compare_exchange_strong_explicit(
            &chunks[fd / CHUNK_ENTRIES], &none, chunk, memory_order_acq_rel, memory_order_acquire))
        free(chunk); /* another thread was first */
    return entry_find(fd);
}

static uint64_t handle_make(int fd, uint64_t seq)
{
    return (uint64_t)fd << FD_SEQ_BITS | (seq & SEQ_MASK);
}

uint64_t fd_handle(const struct fd_entry *entry)
{
    return handle_make(entry->fd, atomic_load_explicit(&entry->seq, memory_order_relaxed));
}

/* The entry of a handle or an event, when that life of it goes on. */
static struct fd_entry *entry_of(uint64_t handle)
{
    struct fd_entry *entry = entry_find((uint32_t)(handle >> FD_SEQ_BITS));
    uint64_t seq = handle & SEQ_MASK;

    /* Only odd ones are lives. acquire: pairs with seq_next */
    if (entry == NULL || (seq & 1) == 0 ||
        (atomic_load_explicit(&entry->seq, memory_order_acquire) & SEQ_MASK) != seq)
        return NULL;
    return entry;
}

/* release: pairs with the next life's fd_open, which may be on another thread, and with entry_of */
static void seq_next(struct fd_entry *entry, int64_t step)
{
    atomic_store_explicit(&entry->seq,
        atomic_load_explicit(&entry->seq, memory_order_relaxed) + (uint64_t)step,
        memory_order_release);
}

static void hook_run(struct exit_hook *hook, anqa_pid pid)
{
    struct fd_entry *entry = ANQA_CONTAINER_OF(hook, struct fd_entry, hook);

    entry->hook.run = NULL; /* it is out of the list already */
    fd_close(entry);
}

void fd_attach(struct fd_entry *entry)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    p->flags |= PROC_PINNED;
    entry->hook.run = hook_run;
    exit_hook_add(&entry->hook);
    /* relaxed: only a process that finds itself here goes on to use the entry */
    atomic_store_explicit(&entry->owner, p, memory_order_relaxed);
}

anqa_status fd_open(int fd, enum fd_kind kind, struct fd_entry **ret_entry)
{
    struct sched *s;
    struct fd_entry *entry;

    proc_self(&s);
    if (s->rt->options.deterministic)
        return ANQA_E_UNSUPPORTED;
    if (fd < 0 || (uint32_t)fd >= FD_MAX)
        return ANQA_E_LIMIT;
    anqa_section_begin();
    entry = entry_make((uint32_t)fd);
    anqa_section_end();
    if (entry == NULL)
        return ANQA_E_NOMEM;
    /* acquire: pairs with the seq_next that ended the last life of this number */
    ANQA_INVARIANT((atomic_load_explicit(&entry->seq, memory_order_acquire) & 1) == 0);
    entry->fd = fd;
    entry->kind = (uint8_t)kind & 3u;
    entry->is_unix = 0;
    entry->interest = entry->wait = 0;
    entry->ready = FD_IN | FD_OUT;
    entry->streak = 0;
    entry->wait_ref = 0;
    entry->extra = NULL;
    fd_attach(entry);
    seq_next(entry, 1);
    *ret_entry = entry;
    return ANQA_OK;
}

struct fd_entry *fd_get(uint64_t handle, enum fd_kind kind, anqa_status *ret_why)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct fd_entry *entry = entry_of(handle);

    *ret_why = ANQA_E_INVALID;
    if (entry == NULL)
        return NULL;
    if (atomic_load_explicit(&entry->owner, memory_order_relaxed) != p) {
        *ret_why = ANQA_E_PERMISSION;
        return NULL;
    }
    return entry->kind == kind ? entry : NULL;
}

/* Out of the poller and out of the list of the process; the caller is the owner, or it has none. */
static void leave(struct fd_entry *entry)
{
    if (entry->interest != 0 && sched_self->poller != NULL)
        /* Closing alone would not do: a duplicate of the descriptor keeps the registration alive. */
        (void)epoll_ctl(sched_self->poller->epoll, EPOLL_CTL_DEL, entry->fd, NULL);
    entry->interest = entry->wait = 0;
    entry->ready = FD_IN | FD_OUT;
    entry->wait_ref = 0;
    if (entry->hook.run != NULL)
        exit_hook_remove(&entry->hook);
    entry->hook.run = NULL;
    atomic_store_explicit(&entry->owner, NULL, memory_order_relaxed);
}

void fd_detach(struct fd_entry *entry)
{
    leave(entry);
    seq_next(entry, 2);
}

void fd_reclaim(struct fd_entry *entry)
{
    seq_next(entry, -2);
    fd_attach(entry);
}

void fd_close(struct fd_entry *entry)
{
    int fd = entry->fd;

    leave(entry);
    if (entry->extra != NULL)
        entry->extra->drop(entry->extra, fd);
    entry->extra = NULL;
    seq_next(entry, 1);
    close(fd); /* from here on another thread may open the same entry */
}

/* ---------------------------------------------------------------- waiting */

static uint32_t epoll_bits(unsigned interest)
{
    return EPOLLET | (interest & FD_IN ? EPOLLIN | EPOLLRDHUP | EPOLLPRI : 0u) |
           (interest & FD_OUT ? (uint32_t)EPOLLOUT : 0u);
}

/* What is watched only grows. TCP reports room for writing only to those who have run out of it, so both directions are
 * watched from the start; a Unix socket would report it each time the peer reads. */
static anqa_status watch(struct sched *s, struct fd_entry *entry, unsigned what)
{
    unsigned interest = entry->interest | what |
                        (entry->is_unix || entry->kind == FD_LISTENER ? 0u : FD_IN | FD_OUT);
    struct epoll_event event = {.events = epoll_bits(interest), .data.u64 = fd_handle(entry)};

    if ((entry->interest & what) == what)
        return ANQA_OK;
    if (epoll_ctl(s->poller->epoll, entry->interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, entry->fd,
            &event) < 0)
        return anqa_status_from_errno(errno);
    entry->interest = interest & 7u;
    return ANQA_OK;
}

anqa_status fd_poll(const struct fd_entry *entry, unsigned what, int ms)
{
    struct pollfd fd = {entry->fd,
        (short)((what & FD_IN ? POLLIN | POLLRDHUP : 0) | (what & FD_OUT ? POLLOUT : 0)), 0};
    int n = poll(&fd, 1, ms);

    if (n > 0)
        return ANQA_OK;
    return n == 0 || errno == EINTR ? ANQA_E_TIMEOUT : ANQA_E_IO;
}

/* An attached thread has no poller, and nobody else to run meanwhile. */
static anqa_status wait_foreign(struct fd_entry *entry, unsigned what, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now = anqa_now_ms(), left = deadline_ms > now ? deadline_ms - now : 0;
        anqa_status status = fd_poll(entry, what,
            deadline_ms == UINT64_MAX ? -1
            : left > INT32_MAX        ? INT32_MAX
                                      : (int)left);
        if (status != ANQA_E_TIMEOUT || left == 0)
            return status;
    }
}

anqa_status fd_wait(struct fd_entry *entry, unsigned what, uint64_t deadline_ms)
{
    struct sched *s;
    anqa_status status;
    bool came;

    proc_self(&s);
    entry->streak = 0;
    if (s->foreign)
        return wait_foreign(entry, what, deadline_ms);
    status = watch(s, entry, what);
    if (status != ANQA_OK)
        return status;
    entry->wait = what & 7u;
    entry->wait_ref = sched_new_ref(s);
    came = proc_wait_event(s, entry->wait_ref, deadline_ms, ANQA_PROCESS_IO);
    entry->wait = 0;
    entry->wait_ref = 0;
    return came ? ANQA_OK : ANQA_E_TIMEOUT;
}

anqa_status fd_arm(struct fd_entry *entry, unsigned what)
{
    struct sched *s = sched_self;
    anqa_status status = watch(s, entry, what);

    if (status != ANQA_OK)
        return status;
    entry->wait_ref = 0;
    entry->wait = what & 7u;
    if ((entry->ready & what) != 0) { /* it came before we asked */
        entry->wait = 0;
        proc_kick(s, atomic_load_explicit(&entry->owner, memory_order_relaxed));
    }
    return ANQA_OK;
}

void fd_pace(struct fd_entry *entry)
{
    if (++entry->streak < STREAK_MAX)
        return;
    entry->streak = 0;
    anqa_yield();
}

/* ---------------------------------------------------------------- the poller */

anqa_status poller_open(struct sched *s, anqa_error *err)
{
    struct poller *poller = calloc(1, sizeof *poller);
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLET, .data.u64 = 0}; /* 0 is no life of any entry */
    int wake = -1;

    if (poller == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "a poller");
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll >= 0)
        wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Edge-triggered: each write is an edge, so nobody has to read the counter, and 2^64 is far away. */
    if (wake >= 0 && epoll_ctl(poller->epoll, EPOLL_CTL_ADD, wake, &event) == 0) {
        s->poller = poller;
        s->wake_fd = wake;
        return ANQA_OK;
    }
    int errnum = errno;
    char what[96];
    snprintf(what, sizeof what,
        "cannot make the poller of scheduler %u (each takes two files, option schedulers)",
        s->index + 1u);
    anqa_status status = fd_fail(err, errnum, what);
    if (wake >= 0)
        close(wake);
    if (poller->epoll >= 0)
        close(poller->epoll);
    free(poller);
    return status;
}

void poller_close(struct sched *s)
{
    if (s->poller == NULL)
        return;
    close(s->wake_fd);
    close(s->poller->epoll);
    free(s->poller);
    s->wake_fd = -1;
    s->poller = NULL;
}

static unsigned seen_bits(uint32_t events)
{
    unsigned seen = (events & EPOLLIN ? FD_IN : 0u) | (events & EPOLLOUT ? FD_OUT : 0u);

    if (events & (EPOLLHUP | EPOLLERR))
        return FD_IN | FD_OUT | FD_ODD; /* whoever waits shall find out from the kernel */
    if (events & (EPOLLRDHUP | EPOLLPRI))
        return seen | FD_IN | FD_ODD;
    return seen;
}

static void event_deliver(struct sched *s, const struct epoll_event *event)
{
    struct fd_entry *entry = entry_of(event->data.u64);
    unsigned seen = seen_bits(event->events);
    struct proc *owner;
    uint64_t ref;

    if (entry == NULL) /* the eventfd, or a life that is over */
        return;
    entry->ready |= seen & 7u;
    if ((entry->wait & seen) == 0)
        return;
    ref = entry->wait_ref;
    owner = atomic_load_explicit(&entry->owner, memory_order_relaxed);
    entry->wait = 0;
    if (ref == 0)
        proc_kick(s, owner);
    else
        proc_wake(s, proc_pid(s->rt, owner), ref);
}

void poller_wait(struct sched *s, int timeout_ms)
{
    struct poller *poller = s->poller;
    int n = epoll_wait(poller->epoll, poller->events, EVENTS_MAX, timeout_ms);

    ANQA_INVARIANT(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++)
        event_deliver(s, &poller->events[i]);
}
