/*
 * Schedulers: one OS thread each, with run queues, a timer wheel, a poller, free stacks and free blocks.
 *
 * The loop keeps nothing in its own frames that it needs after a callback: when a process waits inside one, the stack
 * under it, loop frames and all, is left to that process and a fresh loop starts on another stack (see stack.h). When
 * the process goes on and its callback returns, it returns into the old loop frames, and that stack is the loop's again.
 *
 * Run queues. Each scheduler has private lists by priority. With more than one scheduler, processes that may move
 * (normal priority, no stack, not pinned) wait in a ring instead, from which idle schedulers steal half: the owner
 * pushes with a release store and pops with a compare and swap, thieves take with the same compare and swap. They are
 * called, and let in, when a queue has lasted some 20 us: to move the few processes of a short burst to another core and
 * their answers back costs ten times what running them here does (measured: 100 processes spawned at once, 900 ns each
 * when half of them are stolen, 100 ns when not).
 * From elsewhere a process arrives through `inbound`.
 */
#ifndef RUNTIME_SCHED_H
#define RUNTIME_SCHED_H

/* IWYU pragma: begin_exports */
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/list.h"
#include "runtime/block.h"
#include "runtime/crash.h"
#include "runtime/proc.h"
#include "runtime/stack.h"
#include "runtime/timer.h"
/* IWYU pragma: end_exports */

#define SCHED_MAX 64
#define RING_SIZE 256u
#define JS_MAPPED_MAX 12000u /* what addresses and mappings there are for, see js/window.h */
#define ATTACHED_MAX 62
#define SCHED_ATTACHED 128 /* proc.sched of the attached thread at place 0 */

struct run_queue {
    struct proc *head, *tail;
    _Atomic(uint32_t) count; /* shared */
};

static inline uint32_t queue_count(const struct run_queue *queue)
{
    return atomic_load_explicit(&queue->count, memory_order_relaxed);
}

/* Something another thread asks a scheduler to do. Owner: who made it, until `run` is called on the scheduler. */
struct task {
    struct task *next;
    void (*run)(struct sched *s, struct task *task);
};

/* The dead's mail that is still to be answered. owner: scheduler. */
struct trash {
    struct trash *next;
    struct msg *chain;
    anqa_reason reason;
    uint32_t life;
};

struct poller;
struct fault; /* fault.h */

/* Counters: written by the owner only, read by any thread. */
struct sched_counters {
    _Atomic(uint64_t) spawned, exited, zombies, contained, stacks, messages, heap_bytes, timers,
        steals;
};

struct sched {
    /* owner only */
    anqa_rt *rt;
    struct proc *current;               /* who runs now; NULL: the scheduler itself */
    struct stack *stack;                /* the one we are on */
    _Atomic(const char *) activity_tag; /* shared: of the message that is handled */
    struct activation act;              /* of current */
    struct run_queue queues[4];         /* by anqa_priority */
    uint64_t now_ms;
    uint64_t now_ticks; /* of the processor's counter, when now_ms was read */
    uint64_t next_ref;
    uint64_t asked_ref; /* of the last request, and whose answer it wants, as shown_wait has it */
    uint64_t asked;
    uint64_t queue_since; /* ticks; 0: nobody has had to wait */
    uint32_t picks;
    uint32_t turns;
    uint16_t index;   /* 0..n-1; pseudo schedulers: SCHED_MAX */
    bool foreign;     /* a pseudo scheduler: an attached thread, or the one of outsiders */
    uint8_t dropping; /* `drop` functions of moved objects that are under way */
    bool in_defer;    /* a defer of current runs: its exit or fault ends the list of defers */
    struct block_cache blocks;
    struct stack_cache stacks;
    struct stack_cache deep_stacks; /* large ones */
    struct stack *spare;            /* for exits and faults: there is always one */
    struct stack native;            /* the thread's own */
    struct timer_wheel timers;
    struct poller *poller;
    struct proc *free_slots; /* linked by run_next */
    uint32_t free_count;
    struct lineage *free_lineages;
    uint32_t free_lineage_count;
    struct proc *new_slots, *new_slots_end; /* never used: not touched before they are */
    struct trash *trash;
    struct fault *fault;    /* what the fault handler left for the landing */
    uint64_t random;        /* state of sched_random */
    uint64_t until_ms;      /* deterministic mode: how far the fake clock may go, */
    uint64_t ran;           /* activations, */
    struct proc *pause_for; /* the attached thread that runs us while it waits, */
    bool pausing;           /* and whether to go back to it */
    bool deterministic;     /* of the options */
    bool started;           /* the thread is there */
    uint8_t place;          /* of an attached thread */
    pid_t tid;              /* the system's number of an attached thread */
    pthread_t thread;
    struct sched_counters counters;

    alignas(64) _Atomic(struct proc *) inbound; /* shared: processes to be queued here */
    _Atomic(struct task *) tasks;               /* shared */
    _Atomic(struct timer *) timer_returns;      /* shared: cancelled from elsewhere */
    _Atomic(uint32_t) sleeping;                 /* shared: 1 while in the poller */
    int wake_fd;

    alignas(64) _Atomic(uint32_t) ring_head; /* shared */
    _Atomic(uint32_t) ring_tail;             /* owner writes */
    _Atomic(uint32_t)
        overloaded; /* shared: there has been a queue for a while; half of it may be stolen */
    _Atomic(uint32_t) rob;           /* shared: stuck; the last one in the ring may be stolen too */
    _Atomic(uint64_t) activity;      /* shared: grows with every activation; odd while one runs */
    _Atomic(uint32_t) activity_slot; /* shared: whose, for the watchdog */
    _Atomic(uint64_t) idle_ticks;    /* shared: spent with nothing to do, up to the last time */
    _Atomic(uint64_t) idle_since;    /* shared: ticks; 0: it works */
    _Atomic(uint64_t)
        quiescent; /* shared: epoch of the last quiescent state; UINT64_MAX: none needed */
    _Atomic(struct proc *) ring[RING_SIZE]; /* shared */
};

/* A place for an attached thread. A sender that has just won the token of its process may still look here when the thread
 * is long gone, so the slot and the futex stay the place's own for good. */
struct attached {
    struct sched *thread;       /* NULL: free */
    struct proc *slot;          /* made for the first who comes */
    uint64_t refs;              /* where the references of the next who comes go on */
    _Atomic(uint32_t) sleeping; /* shared: futex */
};

struct worker_pool;
struct watchdog;

struct anqa_rt {
    anqa_options options;
    uint8_t node;
    uint16_t sched_count;
    struct sched *scheds; /* sched_count of them */

    struct proc *slots;           /* one reserved mapping, touched as used */
    struct label *labels;         /* one a slot, likewise */
    struct face *faces;           /* likewise */
    struct face_memory *memories; /* likewise */
    pthread_mutex_t slot_lock;    /* guards those below */
    struct proc *free_slots;
    struct lineage *free_lineages;
    struct lineage_chunk *lineage_chunks;
    _Atomic(uint32_t) slots_used; /* slots that were ever taken */

    struct block_depot depot;
    struct stack_pool *stacks, *deep_stacks;

    pthread_mutex_t outside_lock; /* guards `outside`: threads that are not attached borrow it */
    struct sched *outside;

    _Atomic(uint32_t) sleepers;     /* schedulers asleep */
    _Atomic(uint32_t) searching;    /* schedulers looking for something to steal */
    _Atomic(bool) stopping;         /* no new processes from outside */
    _Atomic(bool) stopping_threads; /* the schedulers leave their loops */
    _Atomic(bool) tainted;
    _Atomic(uint64_t) epoch;
    pthread_mutex_t qsbr_lock; /* guards retired and attached */
    struct retired *retired;
    _Atomic(uint32_t) retired_count;
    struct attached attached[ATTACHED_MAX]; /* their `thread` and `refs` */
    struct sched_counters detached;         /* what threads that are gone have counted */
    pthread_mutex_t local_lock;             /* guards locals */
    struct {
        _Atomic(void *) object;
        void (*drop)(void *object);
    } locals[RT_LOCAL_COUNT];
    struct worker_pool *workers;
    struct watchdog *watchdog;
    struct crash_limit crashes;
    bool faults, logging; /* fault handlers are installed, the log's thread started, for us */
    uint64_t fake_now_ms; /* deterministic mode */
    /* For processes with PROC_RIGGED; runs as the process, which it may end. tag: of the message, if it is one. */
    void (*rig)(struct sched *s, struct proc *p, enum rig_point point, const char *tag);
    uint64_t started_ns, started_ticks;
};

/* The scheduler of this thread; NULL on foreign threads that are not attached. Never keep its address across a wait. */
extern _Thread_local struct sched *sched_self __attribute__((tls_model("initial-exec")));

/* Queues a process whose token we hold. */
void sched_ready(struct sched *s, struct proc *p);
/* Asks `to` to run a task soon. Any thread. */
void sched_post(struct sched *to, struct task *task);
void sched_notify(struct sched *to);
/* One activation of the loop, without end: the entry of a fresh stack. */
void sched_loop(void *sched);

/* Shows what the current process is doing: a static or interned text, or NULL. */
static inline void sched_handles(struct sched *s, const char *tag)
{
    atomic_store_explicit(&s->activity_tag, tag, memory_order_relaxed);
}

/* The activation of the current process is over. */
void sched_activity_end(struct sched *s);
uint64_t sched_new_ref(struct sched *s);
/* Random enough to spread things, no secret. Deterministic mode: from the seed. */
uint64_t sched_random(struct sched *s);
void sched_init(struct sched *s, anqa_rt *rt, uint16_t index);
/* Deterministic mode: runs the one scheduler on this thread, for the attached `waiter` (NULL: for anqa_rt_run). */
uint64_t sched_run_deterministic(anqa_rt *rt, struct sched *waiter, uint64_t until_ms);
/* Frees what nobody can see any more. Cheap when there is nothing. */
void qsbr_reclaim(anqa_rt *rt);

static inline anqa_pid proc_pid(const anqa_rt *rt, const struct proc *p)
{
    uint64_t slot = (uint64_t)(p - rt->slots);

    return (anqa_pid){(uint64_t)rt->node << 56 | slot << 32 |
                      atomic_load_explicit(&p->generation, memory_order_relaxed)};
}

/* The slot a pid names, of whatever generation; NULL when there is no such slot, or the pid is of another node. */
static inline struct proc *proc_slot(const anqa_rt *rt, anqa_pid pid)
{
    uint64_t slot =
        (pid.bits >> 32) - ((uint64_t)rt->node << 24); /* far out of range for another node */

    return slot < rt->options.max_processes && pid_generation(pid) != 0 ? &rt->slots[slot] : NULL;
}

/* The calling process; a broken contract outside of one. */
static inline struct proc *proc_self(struct sched **ret_sched)
{
    struct sched *s = sched_self;

    if (__builtin_expect(s == NULL || s->current == NULL, 0))
        anqa_invariant_failed(
            "a function for processes was called outside of one", __FILE__, __LINE__);
    *ret_sched = s;
    return s->current;
}

/* One link, monitor or watcher more (FACE_), or, negated, less. */
static inline void proc_relate(struct sched *s, const struct proc *p, uint64_t change)
{
    struct face *face = &s->rt->faces[p - s->rt->slots];

    atomic_store_explicit(&face->relations,
        atomic_load_explicit(&face->relations, memory_order_relaxed) + change,
        memory_order_relaxed);
}

/* The processor's own counter: a few ns, where the clock costs twenty. */
static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    uint64_t now;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
    return now;
#endif
}

#if defined(__x86_64__)
#define TICKS_FRESH 500000u /* half a millisecond at 1 GHz, less on any faster counter */
#else
#define TICKS_FRESH 12000u /* the architecture's counters run at 24 MHz and more */
#endif

#define TICKS_QUEUE (TICKS_FRESH / 8)

#define CLOCK_TURNS 16 /* activations between two looks at the clock; a power of two */

/* The loop looks at the clock, and so at the poller, before the next process runs: for one whose turn was a long one. */
static inline void sched_look_soon(struct sched *s)
{
    s->turns |= CLOCK_TURNS - 1;
}

void sched_read_clock(struct sched *s);

/* The time for a deadline: a callback may have run for long since the loop has read the clock. */
static inline uint64_t sched_now(struct sched *s)
{
    if (s->foreign || ticks() - s->now_ticks > TICKS_FRESH)
        sched_read_clock(s);
    return s->now_ms;
}

/* Release, and acquire where they are summed: who sees one count sees those made before it. */
#define COUNT_ADD(s, name, n)                                                            \
    atomic_store_explicit(&(s)->counters.name,                                           \
        atomic_load_explicit(&(s)->counters.name, memory_order_relaxed) + (uint64_t)(n), \
        memory_order_release)

#endif
