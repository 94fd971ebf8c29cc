/*
 * The process slot, its parts, and how other files of the runtime touch it.
 *
 * A slot is type-stable memory: it is a process slot for ever, whoever holds a stale pid may read it. One life of a
 * slot is a generation. Slots are taken and released by schedulers; a slot whose generation is used up is retired.
 *
 * The mailbox has two stages. Stage one, `in`, is a stack of messages, with their number, that any thread pushes to with one compare and
 * swap; the owner takes all of it with one exchange and turns it round, which gives the order of arrival. Draining
 * applies signals at once and appends messages to stage two, `head`..`tail`, which only the owner touches.
 *
 * `in` also says who must make the process run. Whoever swaps IN_IDLE for something holds *the token*: he alone must
 * put the process into a run queue, once. The owner gives the token back by leaving IN_IDLE in the exchange of a drain.
 * So a process is in at most one queue, and `run_next` is the only link that it needs. IN_CLOSED means dead, or not spawned
 * yet: the one who finds it answers for the dead. A message carries the generation it was meant for, so one that slips into
 * the next life of a slot is answered by its owner.
 *
 * What others may look at while a process runs (inspect.h) is atomic: relaxed counters that the owner alone writes, and what is
 * written at a spawn, after the generation has moved on: who finds the generation as it was has read of one life only.
 */
#ifndef RUNTIME_PROC_H
#define RUNTIME_PROC_H

/* IWYU pragma: begin_exports */
#include <assert.h>
#include <stdatomic.h>

#include <anqa/introspect.h>
#include <anqa/process.h>
#include <anqa/runtime.h>

#include "base/container.h"
#include "base/list.h"
#include "runtime/hooks.h"
#include "runtime/stack.h"
/* IWYU pragma: end_exports */

struct sched;

/* Ends the program with a text that says what can not go on and what to do: nobody could handle it. */
_Noreturn void rt_fatal(const char *format, ...) ANQA_PRINTF(1, 2);

/* ---------------------------------------------------------------- messages */

/* Kinds below MSG_SIGNALS are anqa_msg_kind and go to stage two; the others are signals, applied by the drain. */
enum {
    MSG_SIGNALS = 16,
    SIG_LINK = MSG_SIGNALS,
    SIG_UNLINK,
    SIG_MONITOR,
    SIG_DEMONITOR,
    SIG_EXIT,
    SIG_TRACE,
    SIG_UNTRACE,
    SIG_WAKE
};

/* Flags of a message. */
enum {
    MSG_BY_LINK = 1,    /* EXIT: came over a link, and counts only while the link is there */
    MSG_BY_ALIAS = 2,   /* ref is an alias of the receiver: dropped when it is not active */
    MSG_ANSWERED = 4,   /* CALL: its answer has gone out */
    MSG_KEPT = 8,       /* taken out of the event by anqa_msg_keep */
    MSG_COUNTED = 16,   /* counts against the bound of the mailbox */
    MSG_NEVER = 32,     /* DOWN: the request was not begun */
    MSG_WEIGHED = 64,   /* held, and counted in the activation's held_bytes */
    MSG_PROMISED = 128, /* PLAIN: no bound of a mailbox holds it up */
    MSG_TO_DESCENDANTS =
        128 /* EXIT: kills who descends from its sender, and means nothing to others */
};

struct msg {
    union {
        struct msg *next;
        struct kept *kept; /* MSG_KEPT */
    };
    anqa_msg pub;
    char bytes[]; /* payload of BYTES and JSON, unless it is too long: then it became a BUF */
};

static_assert(offsetof(struct msg, bytes) == 64, "a 64-byte message is two cache lines");

/* Largest payload that is copied into the message itself, with a NUL behind. */
#define MSG_INLINE_MAX (1024 - 64 - 1)
#define MSG_PAYLOAD_MAX ((size_t)64 << 20)

/* Signals carry one more number: the target (LINK, MONITOR), or the receiver's addition to a link (UNLINK). */
#define MSG_EXTRA(msg) ((msg)->pub.body.len)

#define MSG_OF(public_msg) ANQA_CONTAINER_OF((anqa_msg *)(uintptr_t)(public_msg), struct msg, pub)

/* A message without payload, everything set. NULL: no memory. */
struct msg *msg_new(struct sched *s, unsigned kind, const char *tag, anqa_pid from, anqa_ref ref);
/* The same for what must not be lost, to `to`: never NULL, without memory it is taken out of the reserve of blocks. When
 * that is used up too the program ends. */
struct msg *msg_signal(
    struct sched *s, unsigned kind, const char *tag, anqa_pid from, anqa_pid to, anqa_ref ref);
/* A message with a payload. */
anqa_status msg_make(struct sched *s, unsigned kind, const char *tag, anqa_pid from, anqa_ref ref,
    const anqa_payload *payload, struct msg **ret_msg);
void msg_drop(struct sched *s, struct msg *msg);
/* Wild pointers fault here, before anything is taken that would be lost. */
void msg_probe(const void *bytes, size_t len);
/* Bytes it keeps from being freed; of an object, which is malloc's, only its message. */
size_t msg_size(const struct msg *msg);
/* Of a payload that never became a message's. */
void payload_drop(const anqa_payload *payload);

/* ---------------------------------------------------------------- relations */

/* Links, monitors, aliases and open requests of one process: a hash table by pid (links) or reference (all else).
 * A link is a set of two additions, each known by the reference of the side that made it, so that link and unlink from
 * both sides at once end with both sides agreeing: an unlink removes only the additions it has seen. */
enum { REL_MONITOR = 1, REL_WATCHER, REL_REQUEST, REL_OWED, REL_ALIAS, REL_ALIAS_ONCE };

struct rel {
    uint64_t key; /* pid of a link, or a reference (top bit set); 0: empty */
    uint64_t x;   /* link: our addition's reference, or 0; else: the other's pid */
    uint64_t y;   /* link: theirs, or 0; else: REL_ */
};

struct rels {
    uint32_t count, capacity;
    struct rel entries[];
};

#define REF_BIT ((uint64_t)1 << 63)

struct rel *rels_get(struct rels *rels, uint64_t key);
/* The entry of `key`, a new one is zeroed. NULL: no memory. */
struct rel *rels_put(struct sched *s, struct rels **rels, uint64_t key);
/* Makes the table, when there is none, for more than one entry at once. False: no memory. */
bool rels_expect_few(struct sched *s, struct rels **rels);
void rels_remove(struct sched *s, struct rels **rels, struct rel *rel);
void rels_free(struct sched *s, struct rels *rels);

/* ---------------------------------------------------------------- the slot */

#define IN_CLOSED ((uintptr_t)0) /* as in a table that is all zeroes: nobody has lived there yet */
#define IN_BUSY ((uintptr_t)1)
#define IN_IDLE ((uintptr_t)2)

/* Above IN_IDLE: the newest message's address, of which 44 bits tell, and above them how many there are. */
#define IN_COUNT_SHIFT 44
#define IN_COUNT_MAX ((uintptr_t)0xfffff) /* or more */

/* Stage one with `msg` on top of what it held. */
static inline uintptr_t in_push(uintptr_t in, const struct msg *msg)
{
    uintptr_t count = in >> IN_COUNT_SHIFT;

    return (uintptr_t)msg >> 4 | (count + (count < IN_COUNT_MAX)) << IN_COUNT_SHIFT;
}

/* The newest message; NULL: there is none. */
static inline struct msg *in_newest(uintptr_t in)
{
    return in <= IN_IDLE ? NULL
                         : (struct msg *)(in << (64 - IN_COUNT_SHIFT) >> (60 - IN_COUNT_SHIFT));
}

/* What a process is made of. */
enum proc_shape { PROC_SHAPE_RUN, PROC_SHAPE_BEHAVIOUR, PROC_SHAPE_THREAD };

enum proc_state { PROC_FREE, PROC_ALIVE, PROC_DYING, PROC_ZOMBIE, PROC_DEAD_QUEUED };

/* Flags, owner only. */
enum {
    PROC_NEW = 1 << 0, /* has not run yet */
    PROC_RUN = 1 << 1, /* `code.run`, not a behaviour */
    PROC_TRAP = 1 << 2,
    PROC_PINNED = 1 << 3,
    PROC_FOREIGN = 1 << 4,     /* an attached thread */
    PROC_TERMINATING = 1 << 5, /* `terminate` has been entered */
    PROC_DOOMED = 1 << 6,      /* exit_reason is set; dies at the next chance */
    PROC_WOKEN = 1 << 7,       /* what it waits for has come */
    PROC_OWN_STATE =
        1 << 8, /* state is a block, its class is in the flags from PROC_CLASS_SHIFT on */
    PROC_BIG_STATE = 1 << 9,  /* state is malloc'ed */
    PROC_TOKEN_OUT = 1 << 10, /* dead, and still in some queue */
    PROC_FAULTED = 1 << 11,   /* its state can not be trusted */
    PROC_TOKEN_HERE =
        1 << 12, /* killed when it came out of its queue: the mail was left, the token is ours */
    PROC_KICKED = 1 << 13,    /* `handle` is to see a message of tag PROC_KICK */
    PROC_SIGNALLED = 1 << 14, /* exit_reason came with a signal: it has not crashed itself */
    PROC_REPORTING = 1 << 15, /* its crash is being told: what fails in there changes no reason */
    PROC_REPORTED = 1 << 16,  /* its crash has been told */
    PROC_LINE_GRANTED = 1 << 17, /* the limit of lines has counted that of its crash */
    PROC_RIGGED = 1 << 18,       /* the runtime's `rig` is called at each of its points */
    PROC_PROBED = 1 << 19        /* more->probe notes what happens */
};

/* What a process's `handle` is given when it was kicked: no message of anybody, so that it needs no memory and no room
 * in a mailbox. Kicks that come before it has run are one. */
#define PROC_KICK "$kick"

/* Where a process of a test may be made to fail. */
enum rig_point {
    RIG_MESSAGE, /* it is about to handle a message: its behaviour's, or one of anqa_receive */
    RIG_WAIT     /* it is about to leave its stack */
};

#define LINEAGE_NAME_MAX 40

/* Who spawned whom, shared and counted: OTP's $ancestors without a copy per process. Type-stable, as others look at the
 * pid of a process's parent. */
struct lineage {
    _Atomic(uint32_t) count;
    uint32_t name_len;
    struct lineage *up; /* of a free one: the next */
    _Atomic(uint64_t) pid;
    char name[LINEAGE_NAME_MAX]; /* registered when it became a parent */
};

static inline anqa_pid lineage_pid(const struct lineage *lineage)
{
    return (anqa_pid){atomic_load_explicit(&lineage->pid, memory_order_relaxed)};
}

/* The current process works for these, nearest first, instead of those it inherited. False: no memory. */
bool proc_set_callers(struct sched *s, const anqa_pid *pids, size_t count);

struct defer {
    struct defer *next;
    void (*fn)(void *arg);
    void *arg;
    uint64_t id;
};

/* A process's label, with the NUL that always ends it. */
#define LABEL_SIZE 64

/*
 * What a process calls itself: a table beside the slots, type-stable as they are and touched only where somebody has a
 * label, so that any thread may read it at any time. Who writes clears `generation` first and sets it last.
 */
struct label {
    _Atomic(uint32_t) generation; /* shared: of the life that it belongs to; 0: being written */
    _Atomic(uint64_t) words[LABEL_SIZE / sizeof(uint64_t)]; /* shared */
};

/* A message that anqa_msg_keep took out of its event, so that one among many ends without a walk. owner: process. */
struct kept {
    struct anqa_list_node node;
    struct msg *msg;
    const struct proc *owner;
};

/* What few processes need. owner: process. */
struct proc_more {
    struct defer *defers;
    uint64_t next_defer;
    struct lineage *own; /* our node, for children */
    struct lineage *callers;
    struct heap *heap;
    struct log_metadata *metadata; /* runtime/log_metadata.c; on the heap. NULL: none */
    struct probe *probe;           /* NULL: nobody asked for one */
    uint32_t foreign_work;         /* operations that hold our memory */
    uint64_t heap_quota;
    struct anqa_list kept; /* struct kept */
    struct backtrace
        *exit_trace; /* where it exits or faults; its own memory. NULL: nobody wants to know */
};

/* What the process that runs on a stack is doing; moves into the frame of the wait while the stack is lent. */
struct activation {
    struct msg *held;  /* messages received in this event, freed at its end */
    size_t held_bytes; /* of those that are weighed, where there is a quota */
    struct msg
        *mark; /* everything up to here arrived before mark_ref was made; NULL: nothing is known */
    uint64_t mark_ref;
    struct msg *scan;    /* the wait that is under way has looked at everything up to here */
    uint64_t wait_ref;   /* only a message with this ref wakes; 0: any message */
    uint64_t wait_event; /* only a SIG_WAKE with this ref wakes; 0: messages count */
    uint64_t wait_timer; /* a SIG_WAKE with this ref is the deadline */
    anqa_timer timer;    /* the deadline's */
    bool timed_out, event_came;
    bool matching;       /* the match of a receive runs: the mailbox must stay as it is */
    uint64_t defer_mark; /* defers above it belong to this event's frames */
    uint32_t nowait, section;
};

typedef void (*proc_run_fn)(void *state);

/* owner: scheduler, but for the fields named shared. */
struct proc {
    _Atomic(uintptr_t) in;        /* shared: stage one, or IN_ */
    _Atomic(uint32_t) generation; /* shared */
    _Atomic(uint32_t)
        kill; /* shared: generation that is to be killed without looking at its mail */
    struct msg *head, *tail; /* stage two */
    struct proc *run_next;   /* whoever holds the token */
    union {
        _Atomic(proc_run_fn) run;
        _Atomic(const anqa_behaviour *) behaviour; /* shared */
    } code;
    void *state;
    _Atomic(struct stack *) stack; /* shared: while it waits at depth */
    struct rels *rels;
    struct proc_more *more;
    _Atomic(uint64_t)
        mail; /* shared: MAIL_LENGTH bits: messages in stage two; above: taken out of it in all */
    struct exit_hook *hooks;
    _Atomic(struct lineage *) lineage; /* shared: of the spawner */
    anqa_reason exit_reason;
    _Atomic(uint32_t) waiting; /* shared: counted messages in a bounded mailbox */
    _Atomic(uint32_t) bound;   /* shared: 0 unbounded; top two bits: anqa_overflow */
    uint32_t flags;
    _Atomic(uint8_t)
        sched; /* shared: where it lives, or SCHED_ATTACHED + place; for whoever has just won the token */
    _Atomic(uint8_t) priority; /* shared */
    uint8_t state_kind;        /* enum proc_state */
    _Atomic(uint8_t) shape;    /* shared: enum proc_shape */
};

#define PROC_CLASS_SHIFT 24

#define MAIL_LENGTH 26
#define MAIL_IN ((uint64_t)1)
#define MAIL_OUT (((uint64_t)1 << MAIL_LENGTH) - 1) /* one less is there, one more was taken */

/* Owner only. */
static inline void proc_count_mail(struct proc *p, uint64_t change)
{
    atomic_store_explicit(&p->mail, atomic_load_explicit(&p->mail, memory_order_relaxed) + change,
        memory_order_relaxed);
}

/* Messages of both stages, with signals that have not been applied yet. Any thread. */
static inline uint32_t proc_mailbox_length(const struct proc *p)
{
    uint64_t mail = atomic_load_explicit(&p->mail, memory_order_acquire); /* see proc_reset */
    uintptr_t in = atomic_load_explicit(&p->in, memory_order_relaxed);

    return (uint32_t)(mail & (((uint64_t)1 << MAIL_LENGTH) - 1)) + (uint32_t)(in >> IN_COUNT_SHIFT);
}

static inline const anqa_behaviour *proc_behaviour(const struct proc *p)
{
    return atomic_load_explicit(&p->code.behaviour, memory_order_relaxed);
}

static inline proc_run_fn proc_run(const struct proc *p)
{
    return atomic_load_explicit(&p->code.run, memory_order_relaxed);
}

static inline struct stack *proc_stack(const struct proc *p)
{
    return atomic_load_explicit(&p->stack, memory_order_relaxed);
}

static inline struct lineage *proc_lineage(const struct proc *p)
{
    return atomic_load_explicit(&p->lineage, memory_order_relaxed);
}

static inline uint8_t proc_priority(const struct proc *p)
{
    return atomic_load_explicit(&p->priority, memory_order_relaxed);
}

static inline void proc_set_priority(struct proc *p, anqa_priority priority)
{
    atomic_store_explicit(&p->priority, (uint8_t)priority, memory_order_relaxed);
}

/*
 * What only those who look at a process want to know: a table beside the slots. owner: the process; shared: atomics.
 */
struct face {
    _Atomic(const char *) spec;  /* the name of what it runs; static */
    _Atomic(uint64_t) relations; /* three numbers of FACE_BITS: links, monitors, who monitors it */
};

#define FACE_BITS 21
#define FACE_LINK ((uint64_t)1)
#define FACE_MONITOR ((uint64_t)1 << FACE_BITS)
#define FACE_WATCHER ((uint64_t)1 << 2 * FACE_BITS)

/* Another such table, touched only for those who have a heap or a quota of their own. In units of FACE_UNIT bytes. */
struct face_memory {
    _Atomic(uint32_t) held, quota;
};

#define FACE_UNIT 16

/* What a process that waits at depth was doing: in its own frames, found through its stack. NULL: it is not waiting. */
static inline struct activation *proc_waiting(const struct proc *p)
{
    const struct stack *stack = proc_stack(p);

    return stack == NULL ? NULL : stack->arg;
}

static_assert(sizeof(struct proc) == 128, "idle process budget: two cache lines");

#define BOUND_MASK 0x3fffffffu
#define BOUND_SHIFT 30

/* ---------------------------------------------------------------- pids */

static inline uint32_t pid_slot(anqa_pid pid)
{
    return (uint32_t)(pid.bits >> 32) & 0xffffff;
}

static inline uint32_t pid_generation(anqa_pid pid)
{
    return (uint32_t)pid.bits;
}

/* The word for a reason's kind; static. */
const char *reason_name(anqa_reason reason);

/* proc_pid, proc_slot, proc_self and proc_relate, which need the runtime, are in sched.h. */

/* ---------------------------------------------------------------- life */

anqa_status proc_spawn(struct sched *s, const anqa_spawn_opts *opts, struct proc *parent,
    anqa_pid *ret_pid, anqa_ref *ret_ref);
/* Tells who listens; not under a lock. */
void proc_emit_spawn(anqa_pid pid, anqa_pid parent);
/* exit_hook_add for another process of this scheduler, which is pinned. */
void exit_hook_add_to(struct proc *p, struct exit_hook *hook);
/* The process that the attached thread of `s` is; *slot is its place's. */
anqa_status proc_spawn_foreign(struct sched *s, struct proc **slot);
/* Ends `p`, whose frames nobody will use any more: the caller is not on its stack. Takes over `reason`. */
void proc_die(struct sched *s, struct proc *p, anqa_reason reason);
/* Whether somebody is left whom the calling process, or a descendant of it, has spawned. Exact, a zombie counts. */
bool proc_has_descendants(struct sched *s);
/* Kills them, also those whose parents are dead. Each process of the runtime gets a signal and finds out for itself: this
 * is for stops that are late. Who has been spawned meanwhile is not reached: once more, until there are none. */
void proc_kill_descendants(struct sched *s);
/* Ends a process of this scheduler that does not run now; its frames are abandoned. Takes over `reason`. */
void proc_doom(struct sched *s, struct proc *p, anqa_reason reason);
/* The last part, when foreign work of a zombie has reported back. */
void proc_bury(struct sched *s, struct proc *p);
/* Lets go of the slot of a PROC_DEAD_QUEUED process that has come out of its queue. */
void proc_release(struct sched *s, struct proc *p);
/* `more`, made when it is not there. NULL: no memory. */
struct proc_more *proc_more(struct sched *s, struct proc *p);
/* Takes a message off the list of those that are kept; it is the caller's. */
void proc_end_kept(struct sched *s, struct kept *kept);
/* Shows what the heap has taken from the system, in bytes. */
void proc_show_heap(struct sched *s, const struct proc *p, size_t held);
/* "call", "cast" ...; static. */
const char *msg_kind_name(uint8_t kind);
/* The label of that life; empty: it has none, or the slot has gone on. Returns its length. Any thread, signal handlers. */
size_t proc_label(const anqa_rt *rt, anqa_pid pid, char ret_label[static LABEL_SIZE]);
/* Ends the process that runs on this thread, from its own frames. */
_Noreturn void proc_exit(struct sched *s, anqa_reason reason);
/* The same after a fault: the handler has landed us on s->spare, the stack the process was on is abandoned already
 * (stack_land). terminate is not called. */
_Noreturn void proc_faulted(struct sched *s, anqa_reason reason);
/* Runs and removes defers until `id` is the newest (0: all). */
void proc_run_defers(struct sched *s, struct proc *p, uint64_t down_to);
void proc_drop_defers(struct sched *s, struct proc *p);
void proc_slots_done(struct sched *s);
void proc_lineages_free(anqa_rt *rt);
/* Bytes of anqa_heap and anqa_tmp it may hold; 0: any. */
size_t proc_quota(const struct sched *s, const struct proc *p);

/* ---------------------------------------------------------------- mailbox */

/* Pushes to whoever holds generation `to`; E_NOPROC and E_FULL leave the message to the caller. */
anqa_status mailbox_push(struct sched *s, anqa_pid to, struct msg *msg);
/* Pushes; what can not be delivered is answered as the dead would (DOWN, EXIT noproc) and dropped. */
void mailbox_signal(struct sched *s, anqa_pid to, struct msg *msg);
/* Moves stage one to stage two and applies signals. Leaves IN_IDLE: from here on the process can be queued again. */
void mailbox_drain(struct sched *s, struct proc *p);
/* The same for the process that runs: whoever sent has queued it, and in that queue it stays until it comes out. */
void mailbox_poll(struct sched *s, struct proc *p);
/* Answers a message that its receiver, now dead, has not looked at, and drops it. */
void mailbox_answer_dead(struct sched *s, struct msg *msg, anqa_reason reason);
/* Tells the watcher `to`. `flags`: MSG_NEVER or 0. */
void mailbox_down(
    struct sched *s, anqa_pid to, anqa_ref ref, anqa_pid who, anqa_reason reason, unsigned flags);
void mailbox_exit(struct sched *s, anqa_pid to, anqa_pid who, anqa_reason reason);
/* Notes that a call was taken and will be answered later. */
void mailbox_owe(struct sched *s, struct proc *p, struct msg *msg);
void proc_exit_signal(struct sched *s, anqa_pid from, anqa_pid to, anqa_reason reason);
/* Answers for the undelivered mail of life `life`; `chain` is linked by next. Long chains are dealt with in slices. */
void mailbox_discard(struct sched *s, struct msg *chain, uint32_t life, anqa_reason reason);
/* One slice of such a long chain. */
void trash_run(struct sched *s, unsigned max);
/* Takes `msg` out, which follows `before` (NULL: it is the head). */
void mailbox_unlink(struct sched *s, struct proc *p, struct msg *before, struct msg *msg);
/* As anqa_receive_if, but in the same event a search goes on where the last one with this mark has ended: what `match` did
 * not accept then it must not accept now. mark: zero looks at everything, and is then set. */
const anqa_msg *proc_receive_since(
    anqa_ref *mark, bool (*match)(const anqa_msg *msg, void *arg), void *arg, uint32_t timeout_ms);
/* Whether somebody waits for the calling process to answer: it has not done so, and who has called has neither given up nor
 * ended. Exact for callers whose signals have arrived. */
bool proc_owes(const anqa_caller *caller);
/* Ends an event: frees held messages, answers for those that will be answered later are noted. */
void event_end(struct sched *s, struct proc *p, struct activation *act);

/* Ends a behaviour when the callback that is under way returns, for less than anqa_exit: no frames are abandoned, and
 * terminate does not run. Takes over `reason`. */
void proc_end(struct proc *p, anqa_reason reason);
/* Has `handle` called with PROC_KICK, soon. p: a behaviour of this scheduler, which is pinned. */
void proc_kick(struct sched *s, struct proc *p);

/* Wakes the process that waits for event `ref` (from the scheduler it waits on, or any other). */
void proc_wake(struct sched *s, anqa_pid pid, uint64_t ref);
/* Waits until event `ref` has come: true; false at the deadline (ms of anqa_now_ms, UINT64_MAX: none). what: for people. */
bool proc_wait_event(struct sched *s, uint64_t ref, uint64_t deadline_ms, anqa_process_status what);

#endif
