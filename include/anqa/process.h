/**
 * anqa/process.h - processes, messages, links, monitors, timers.
 *
 * A process is OTP's: an isolated state, a mailbox, links, monitors and an exit reason. It is not an OS process and not
 * a thread. It runs on one scheduler thread at a time, and its code is written in the plain blocking style: a function
 * marked "may wait" leaves the stack to the process while it waits and lets the scheduler go on with others.
 *
 * Two shapes of process. `run` is a function that lives as long as the process (a loop around anqa_receive). A
 * behaviour's `handle` is called once for each message, and between messages the process owns no stack at all: that is how behaviours such
 * as gen_server are made, and what makes a million idle processes cheap.
 *
 * Events. An *event* is the handling of one message (or one `init`, one `run` between two anqa_receive calls). Received
 * messages and anqa_tmp memory live as long as the current event.
 *
 * Failing. Code in a process lets it crash: anqa_exit at any depth abandons the stack, runs the deferred clean-ups and
 * tells links and monitors. `goto done` and cleanup attributes do not run, see anqa/memory.h for what does.
 *
 * Crashes. An end of a process's own making, with another reason than normal and shutdown, is told once: as the event
 * "process.crashed" of the log (error) and at the event point "anqa.process.crash". Its fields: reason, during (init,
 * terminate), name, id (what its supervisor calls it), mailbox (messages waiting, counted up to 65,536), links, message
 * (kind and tag of the one at hand), from, bytes, ancestors (pids and names, nearest first), and what the hooks of
 * anqa_behaviour show as body and state; of a fault also fault, in and backtrace. Who is ended by an exit signal has not
 * crashed. A runtime writes at most 100 of them a second (of faults 10); the next one says in `dropped` how many it did not.
 *
 * Threads. "Process" means code that a process runs, or a foreign thread between anqa_attach and anqa_detach
 * (anqa/runtime.h), which is a process for as long as it is attached. Semantics and defaults are those of Erlang/OTP 25
 * and later, unless a comment says otherwise.
 */
#ifndef ANQA_PROCESS_H
#define ANQA_PROCESS_H

#include <anqa/base.h>
#include <anqa/buf.h>
#include <anqa/json.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- pids, references, reasons */

/** Names one life of one process: 8 bits node, 24 bits slot, 32 bits generation. All zero: nobody. */
typedef struct anqa_pid {
    uint64_t bits;
} anqa_pid;

/** Unique for the life of the runtime; all zero: none. Made by monitors, calls, timers and anqa_make_ref. */
typedef struct anqa_ref {
    uint64_t bits;
} anqa_ref;

/** An address of a process that can be taken back: messages to a dead alias vanish (OTP 24, erlang:alias). */
typedef struct anqa_alias {
    anqa_pid pid;
    anqa_ref ref;
} anqa_alias;

/** Whether both name the same life of the same process. */
static inline bool anqa_pid_eq(anqa_pid a, anqa_pid b)
{
    return a.bits == b.bits;
}

/** Whether it names nobody. */
static inline bool anqa_pid_is_none(anqa_pid pid)
{
    return pid.bits == 0;
}

/** Whether both are the same reference. */
static inline bool anqa_ref_eq(anqa_ref a, anqa_ref b)
{
    return a.bits == b.bits;
}

/** Room for the text of any pid: "<0.16777215.4294967295>". */
#define ANQA_PID_TEXT 32

/** Writes a pid as <node.slot.generation>; returns `text`. */
ANQA_API const char *anqa_pid_text(anqa_pid pid, char text[ANQA_PID_TEXT]);

/* The kinds of exit reasons. A reason is one of these, with a text where people need more. */
#define ANQA_REASON_MAP(X)                                                                      \
    X(NONE, "none")                                                                             \
    X(NORMAL, "normal")                                                                         \
    X(SHUTDOWN, "shutdown") /* with text: OTP's {shutdown, Text} */                             \
    X(KILL, "kill")                                                                             \
    X(KILLED, "killed")                                                                         \
    X(NOPROC, "noproc")                                                                         \
    X(NOCONNECTION, "noconnection")                                                             \
    X(TIMEOUT, "timeout")                                                                       \
    X(BAD_RETURN, "bad_return_value")                                                           \
    X(QUOTA, "quota")                                                                           \
    X(SYSTEM_LIMIT, "system_limit")                                                             \
    X(CONTRACT, "contract") /* a failed ANQA_REQUIRE, or a wait where waiting is not allowed */ \
    X(FAULT, "fault")       /* a signal: text names it, its address and the backtrace */        \
    X(ERROR, "error")       /* the application's own, see text */

#define ANQA_REASON_X(name, text) ANQA_REASON_##name,
typedef enum anqa_reason_kind {
    ANQA_REASON_MAP(ANQA_REASON_X) ANQA_REASON_COUNT_
} anqa_reason_kind;
#undef ANQA_REASON_X

/**
 * Why a process ended. A value: a bare kind, or a kind with a counted text.
 * Who receives one in a message borrows it for the event; anqa_reason_ref keeps it, anqa_reason_unref lets go.
 * Functions that take a reason to end something (anqa_exit, anqa_exit_signal, anqa_stop_with) take over the caller's count.
 */
typedef struct anqa_reason {
    uintptr_t bits;
} anqa_reason;

/** A reason without text. */
static inline anqa_reason anqa_reason_of(anqa_reason_kind kind)
{
    anqa_reason reason = {(uintptr_t)kind};
    return reason;
}

/** The reasons that programs use most. */
#define ANQA_NORMAL anqa_reason_of(ANQA_REASON_NORMAL)
#define ANQA_SHUTDOWN anqa_reason_of(ANQA_REASON_SHUTDOWN)
#define ANQA_KILL anqa_reason_of(ANQA_REASON_KILL)

/** A reason with text, at most 3,000 bytes of it. Never fails: without memory the text is left out. */
ANQA_API anqa_reason anqa_reason_make(anqa_reason_kind kind, const char *format, ...)
    ANQA_PRINTF(2, 3);

/** ERROR with printf text: what an application exits with when it gives up. */
#define anqa_error_reason(...) anqa_reason_make(ANQA_REASON_ERROR, __VA_ARGS__)

/** ERROR "what: words of errno". */
ANQA_API anqa_reason anqa_reason_errno(int errnum, const char *what);

/** The kind of a reason. */
ANQA_API anqa_reason_kind anqa_reason_get_kind(anqa_reason reason);
/** The text; empty when there is none. Lives as long as the reason. */
ANQA_API anqa_str anqa_reason_get_text(anqa_reason reason);
ANQA_API anqa_reason anqa_reason_ref(anqa_reason reason);
ANQA_API void anqa_reason_unref(anqa_reason reason);
/** normal, shutdown and {shutdown, text}: the reasons that are not logged and not restarted by `transient`. */
ANQA_API bool anqa_reason_is_quiet(anqa_reason reason);
/** "kind: text" into `buf`, cut to size; returns `buf`. */
ANQA_API const char *anqa_reason_format(anqa_reason reason, char *buf, size_t size);

/* ---------------------------------------------------------------- messages */

/** What can be done with a moved object; `encode` and `decode` may be NULL: then it can not leave this node. */
typedef struct anqa_type {
    const char *name;
    size_t size;
    /* Frees what the object owns and the object itself; NULL: free(). Runs on whatever thread has the object last, in the
     * midst of the runtime: it must not send, wait or exit, and a fault in it ends the server. */
    void (*drop)(void *object);
    anqa_status (*encode)(const void *object, anqa_buf *ret_bytes);
    anqa_status (*decode)(anqa_str bytes, void **ret_object);
} anqa_type;

/** What a message is. */
typedef enum anqa_msg_kind {
    ANQA_MSG_PLAIN,   /* anqa_send and friends */
    ANQA_MSG_CALL,    /* wants an answer: anqa_reply_to(&msg->caller, ...) */
    ANQA_MSG_CAST,    /* a gen_server's cast */
    ANQA_MSG_REPLY,   /* the answer to a request of ours; ref says which */
    ANQA_MSG_DOWN,    /* a monitored process ended: ref, from, reason */
    ANQA_MSG_EXIT,    /* an exit signal, because we trap them: from, reason */
    ANQA_MSG_TIMEOUT, /* a timer of ours: tag and ref as given when it was armed */
    ANQA_MSG_SYSTEM /* for behaviours: introspection and control; application code never sees one */
} anqa_msg_kind;

/** What a message carries. */
typedef enum anqa_payload_kind {
    ANQA_PAYLOAD_NONE,
    ANQA_PAYLOAD_BYTES, /* body.ptr, body.len: copied with the message */
    ANQA_PAYLOAD_JSON,  /* body is JSON text */
    ANQA_PAYLOAD_BUF,   /* body shows buf */
    ANQA_PAYLOAD_OBJECT /* object of `type`, moved */
} anqa_payload_kind;

/** A message as its receiver sees it. Lives as long as the current event; anqa_msg_keep takes it out of that. */
typedef struct anqa_msg {
    const char *
        tag; /* a literal or interned: lives for ever; never NULL. "DOWN", "EXIT", "reply" for those kinds */
    anqa_pid from; /* who sent it; for DOWN and EXIT: who ended */
    anqa_ref ref;
    anqa_json body; /* bytes of every payload kind but OBJECT; {NULL, 0} without payload */
    union {
        struct anqa_buf_block *block; /* BUF: counted by the message */
        const anqa_type *type;        /* OBJECT: body.ptr is the object */
        anqa_reason reason;           /* DOWN, EXIT */
    } u;
    uint8_t kind;    /* anqa_msg_kind */
    uint8_t payload; /* anqa_payload_kind */
    uint8_t flags_;
    uint8_t class_;
    uint32_t life_;
} anqa_msg;

/** What to send along. Zero: nothing. Made by the functions below. */
typedef struct anqa_payload {
    anqa_payload_kind kind;
    const void *ptr;
    size_t len;
    union {
        struct anqa_buf_block *block;
        const anqa_type *type;
    } u;
} anqa_payload;

/** Copies `size` bytes into the message. */
static inline anqa_payload anqa_bytes(const void *ptr, size_t size)
{
    anqa_payload p = {ANQA_PAYLOAD_BYTES, ptr, size, {NULL}};
    return p;
}

/** Copies JSON text into the message. */
static inline anqa_payload anqa_text(anqa_json json)
{
    anqa_payload p = {ANQA_PAYLOAD_JSON, json.ptr, json.len, {NULL}};
    return p;
}

/** Shares a buf: the message takes a count of its own. */
static inline anqa_payload anqa_shared(anqa_buf buf)
{
    anqa_payload p = {ANQA_PAYLOAD_BUF, buf.ptr, buf.len, {buf.block}};
    return p;
}

/** Moves an object: it belongs to the message when the send succeeds or the target is dead (then it is dropped). */
static inline anqa_payload anqa_moved(const anqa_type *type, void *object)
{
    anqa_payload p;
    p.kind = ANQA_PAYLOAD_OBJECT;
    p.ptr = object;
    p.len = type->size;
    p.u.type = type;
    return p;
}

/** No payload. */
static inline anqa_payload anqa_nothing(void)
{
    anqa_payload p = {ANQA_PAYLOAD_NONE, NULL, 0, {NULL}};
    return p;
}

/** The one copy of a tag that lives for ever, for tags that are not literals. At most 65,536 of at most 255 bytes: NULL beyond. Any thread. */
ANQA_API const char *anqa_intern(anqa_str tag);

/** Same tag? Tags are compared by address first, by text only when that differs. */
static inline bool anqa_tag_is(const char *tag, const char *wanted)
{
    return tag == wanted || strcmp(tag, wanted) == 0;
}

/* What anqa_send, anqa_request and anqa_reply_to call, with the parts of the payload in registers: a struct that is
 * passed by value is stored in small pieces and read in large ones, which the processor does not forward (25 ns a message). */
ANQA_API anqa_status anqa_send_parts_(anqa_pid to, const char *tag, anqa_payload_kind kind,
    const void *ptr, size_t len, struct anqa_buf_block *shared);

/**
 * Sends a message; never waits. Messages between one ordered pair of processes arrive in order.
 * tag: a string literal or from anqa_intern.
 * Returns OK; E_NOPROC (`to` is dead; the message is dropped, as in OTP that is no error of the sender, so it may be
 * ignored); E_FULL (a bounded mailbox that refuses); E_NOMEM; E_LIMIT (payload above 64 MiB);
 * E_INVALID (tag is NULL: anqa_intern has no room left).
 * Context: process, any state, also inside defers.
 */
static inline anqa_status anqa_send(anqa_pid to, const char *tag, anqa_payload payload)
{
    return anqa_send_parts_(to, tag, payload.kind, payload.ptr, payload.len, payload.u.block);
}

/** As anqa_send, to an alias. A dead alias swallows the message. */
ANQA_API anqa_status anqa_send_alias(anqa_alias to, const char *tag, anqa_payload payload);

/** As anqa_send with a reference that the receiver finds in msg->ref. */
ANQA_API anqa_status anqa_send_ref(
    anqa_pid to, const char *tag, anqa_ref ref, anqa_payload payload);

/**
 * The next message in order of arrival. In a `run` process this ends the event: earlier messages and anqa_tmp memory
 * are gone. timeout_ms: 0 polls, ANQA_INFINITY waits for ever.
 * Returns NULL on time-out.   Context: process; may wait.
 */
ANQA_API const anqa_msg *anqa_receive(uint32_t timeout_ms);

/** Selective receive: the oldest message that `match` accepts; others stay. Does not end the event.
 * `match` only looks at the message: a wait in it, or what uses the mailbox (receive, call, link, unlink, demonitor, ...),
 * is a broken contract and ends the process.   Context: process; may wait. */
ANQA_API const anqa_msg *anqa_receive_if(
    bool (*match)(const anqa_msg *msg, void *arg), void *arg, uint32_t timeout_ms);

/** Selective receive by reference: messages that arrived before the reference was made are not looked at again, so that
 * a call costs the same with 100,000 messages waiting. For bits 0 nothing comes: NULL at once.
 * Context: process; may wait. */
ANQA_API const anqa_msg *anqa_receive_ref(anqa_ref ref, uint32_t timeout_ms);

/** Takes a message out of the current event: it lives until anqa_msg_free or the end of the process. */
ANQA_API void anqa_msg_keep(const anqa_msg *msg);
/** Ends a message now: one that was kept, or one of the current event that is not to wait for its end. A call that was
 * not answered stays owed. */
ANQA_API void anqa_msg_free(const anqa_msg *msg);

/** Moves the object out of a message of PAYLOAD_OBJECT: the caller owns it now. NULL when it is not of `type`. */
ANQA_API void *anqa_msg_take(const anqa_msg *msg, const anqa_type *type);

/* ---------------------------------------------------------------- processes */

/** Who runs first of those that are ready on a scheduler. */
typedef enum anqa_priority {
    ANQA_PRIORITY_NORMAL,
    ANQA_PRIORITY_LOW,
    ANQA_PRIORITY_HIGH,
    ANQA_PRIORITY_MAX
} anqa_priority;

/** What happens to a message for a mailbox that is full. */
typedef enum anqa_overflow {
    ANQA_OVERFLOW_REFUSE, /* the sender is told: E_FULL */
    /* The oldest waiting message is dropped when the owner next looks at its mail. Until then up to twice the limit waits;
     * what comes beyond that is refused. */
    ANQA_OVERFLOW_SHED_OLDEST,
    ANQA_OVERFLOW_KILL /* the owner is killed */
} anqa_overflow;

/** What a process does that owns no stack between messages. `static const`: processes point to it. */
typedef struct anqa_behaviour {
    const char *name;
    void (*init)(void *state);                        /* called first; may wait; may be NULL */
    void (*handle)(void *state, const anqa_msg *msg); /* called once for each message; may wait */
    /* Called once when the process's own code called anqa_exit or failed an ANQA_REQUIRE; may wait, may be NULL. Not
     * called when it was killed, on an exit signal it did not trap, or after a fault: then its state can not be trusted. */
    void (*terminate)(void *state, anqa_reason reason);
    /* What people may see of the state, and of the message at hand, in the event of a crash ("process.crashed"): without
     * secrets; at most 200 bytes are shown. NULL: the state is not shown, and of a message only kind, tag and length. They
     * must not wait. Not called after a fault, nor before init is through. One that fails is given up. */
    anqa_json (*format_status)(void *state);
    anqa_json (*format_message)(void *state, const anqa_msg *msg);
} anqa_behaviour;

/** How a process is started. All zero but one of run/behaviour is a sensible process. Copied. */
typedef struct anqa_spawn_opts {
    void (*run)(void *state); /* lives as long as the process; or: */
    const anqa_behaviour *behaviour;
    const void
        *arg; /* `state` points to a copy of arg_size bytes of it, in a block of state_size */
    size_t arg_size;
    size_t
        state_size; /* zeroed beyond arg_size; at least arg_size; 0 and arg_size 0: state is `arg` itself */
    const char *label; /* for people; copied, at most 63 bytes */
    /* what a behaviour was told to be; static. Only anqa/introspect.h looks at it, for behaviours that it knows */
    const void *spec;
    anqa_priority priority;
    bool link, monitor; /* to the one who spawns */
    anqa_ref
        monitor_ref; /* with monitor: from anqa_make_ref, so that the new one can know it; zero: a new one */
    bool trap_exit;
    bool pinned;            /* never moved to another scheduler */
    bool inherit_callers;   /* the new one's callers: us, then our callers (Elixir's Task) */
    uint16_t scheduler;     /* 1..n: start there; 0: where the spawner runs */
    uint32_t mailbox_limit; /* messages waiting; 0: none */
    anqa_overflow overflow;
    size_t
        heap_quota; /* bytes of each: anqa_heap, anqa_tmp, what one event receives; 0: the runtime's default */
} anqa_spawn_opts;

/**
 * Starts a process. With `monitor`, *ret_ref (may be NULL otherwise) is the monitor's reference.
 * Fails: E_LIMIT (as many processes as allowed), E_NOMEM, E_INVALID (neither or both of run and behaviour).
 * Context: process. Foreign threads: anqa_rt_spawn.
 */
ANQA_API anqa_status anqa_spawn(
    const anqa_spawn_opts *opts, anqa_pid *ret_pid, anqa_ref *ret_ref) ANQA_MUST_CHECK;

/** The calling process. Nobody outside of one. */
ANQA_API anqa_pid anqa_self(void);
/** Who spawned the calling process. */
ANQA_API anqa_pid anqa_parent(void);
/** Parent, its parent, ... nearest first (OTP's $ancestors). Returns how many there are; at most `max` are written. */
ANQA_API size_t anqa_ancestors(anqa_pid *pids, size_t max);
/** The chain of processes on whose behalf we work, nearest first (Elixir's $callers). */
ANQA_API size_t anqa_callers(anqa_pid *pids, size_t max);
/** Alive, as far as one can know; outside of a process: false (anqa_rt_is_alive knows). */
ANQA_API bool anqa_is_alive(anqa_pid pid);
/** Sets the text that people see beside the pid; at most 63 bytes are kept. Quota applies: never fails visibly. */
ANQA_API void anqa_set_label(const char *label);
/** trap_exit: exit signals become EXIT messages. Returns the old setting. */
ANQA_API bool anqa_trap_exit(bool on);
/** Returns the old one. */
ANQA_API anqa_priority anqa_set_priority(anqa_priority priority);
/** Bounds the own mailbox: of messages that are sent from now on, at most `limit` wait. 0: unbounded. */
ANQA_API void anqa_set_mailbox_limit(uint32_t limit, anqa_overflow overflow);
/** Messages waiting in the own mailbox, as far as they were seen. */
ANQA_API size_t anqa_mailbox_length(void);
/** A new reference, for anqa_spawn_opts.monitor_ref or a protocol of one's own. */
ANQA_API anqa_ref anqa_make_ref(void);

/** Lets others run. Context: process; may wait. */
ANQA_API void anqa_yield(void);
/** Context: process; may wait. */
ANQA_API void anqa_sleep(uint32_t ms);

/* ---------------------------------------------------------------- exits, links, monitors */

/**
 * Ends the calling process, at any depth. The stack is abandoned, deferred clean-ups run, links and monitors are told.
 * Takes over the caller's count of `reason`.   Context: process.
 */
ANQA_API ANQA_NORETURN void anqa_exit(anqa_reason reason);

/**
 * Sends an exit signal, as erlang:exit/2. NORMAL is ignored by others unless they trap; any other reason ends a process
 * that does not trap, else becomes an EXIT message; KILL always ends it, its own reason is then KILLED.
 * Takes over the caller's count of `reason`. Never fails: the dead do not mind.   Context: process.
 */
ANQA_API void anqa_exit_signal(anqa_pid to, anqa_reason reason);

/** Links both ways; once per pair. A dead target gives an exit signal NOPROC to the caller (a message when trapping).
 * Without memory a process exits (SYSTEM_LIMIT). An attached thread cannot exit: it gets E_NOMEM, and no link. */
ANQA_API anqa_status anqa_link(anqa_pid to);
/** After it returns no exit signal over that link arrives; one that already became a message stays in the mailbox. */
ANQA_API void anqa_unlink(anqa_pid to);
/** One DOWN message when `to` ends; at once with NOPROC when it is dead. Monitors stack.
 * Without memory a process exits (SYSTEM_LIMIT); an attached thread gets a reference of bits 0, and no monitor. */
ANQA_API anqa_ref anqa_monitor(anqa_pid to);
/** Ends a monitor; with `flush` a DOWN that was already delivered is taken out of the mailbox. Returns whether it was still there. */
ANQA_API bool anqa_demonitor(anqa_ref ref, bool flush);

/** How long an alias lasts. */
typedef enum anqa_alias_mode {
    ANQA_ALIAS_EXPLICIT, /* until anqa_unalias */
    ANQA_ALIAS_ONE_REPLY /* until the first message through it */
} anqa_alias_mode;
/** An address of the caller that others may send to, until it is taken back or used up. */
ANQA_API anqa_alias anqa_alias_make(anqa_alias_mode mode);
/** Takes an alias of the caller back. Returns whether it was still active. */
ANQA_API bool anqa_unalias(anqa_alias alias);

/* ---------------------------------------------------------------- requests */

/** Who waits for an answer. A value that any process may keep and answer from, later. */
typedef struct anqa_caller {
    anqa_pid pid;
    anqa_ref ref;
    anqa_pid server; /* who holds the request: its death answers it */
} anqa_caller;

/** The caller of a CALL message. */
ANQA_API anqa_caller anqa_msg_caller(const anqa_msg *msg);

/* See anqa_send_parts_. */
ANQA_API anqa_ref anqa_request_parts_(anqa_pid to, const char *tag, anqa_payload_kind kind,
    const void *ptr, size_t len, struct anqa_buf_block *shared);
ANQA_API void anqa_reply_to_parts_(const anqa_caller *caller, anqa_payload_kind kind,
    const void *ptr, size_t len, struct anqa_buf_block *shared);

/**
 * Sends a request (kind CALL or, to a gen_server, a call) and returns its reference at once. Exactly one of REPLY or
 * DOWN with that reference comes, unless anqa_request_cancel drops it.   Context: process.
 */
static inline anqa_ref anqa_request(anqa_pid to, const char *tag, anqa_payload payload)
{
    return anqa_request_parts_(to, tag, payload.kind, payload.ptr, payload.len, payload.u.block);
}
/** Drops a request: an answer that comes later vanishes, one that came already is taken out of the mailbox. */
ANQA_API void anqa_request_cancel(anqa_ref ref);
/** Of a DOWN for a request: the server has not begun to handle it (it was dead, or died with the request in its mailbox).
 * Otherwise the outcome is unknown. */
ANQA_API bool anqa_msg_never_started(const anqa_msg *msg);
/** Answers; the second answer to the same call is dropped. Context: any process. */
static inline void anqa_reply_to(const anqa_caller *caller, anqa_payload payload)
{
    anqa_reply_to_parts_(caller, payload.kind, payload.ptr, payload.len, payload.u.block);
}

/* ---------------------------------------------------------------- timers */

/** Names a timer; all zero: none. A number: it may be kept and passed on. */
typedef struct anqa_timer {
    uint64_t bits;
} anqa_timer;

/**
 * Sends (TIMEOUT, tag, payload) to `to` after `delay_ms`; the message's ref has the bits of the timer. To a process that
 * is dead by then nothing is sent.   delay_ms: up to 2^32-1.   Context: process.
 */
ANQA_API anqa_timer anqa_send_after(
    anqa_pid to, const char *tag, anqa_payload payload, uint32_t delay_ms);
/** As anqa_send_after, at a time on the clock of anqa_now_ms, at once when that is past: what is armed anew from the time
 * that was due, and not from now, does not drift.   at_ms: at most 2^32-1 ms ahead. */
ANQA_API anqa_timer anqa_send_at(
    anqa_pid to, const char *tag, anqa_payload payload, uint64_t at_ms);
/** Sends the same again and again, first after `every_ms` (from 1), until cancelled or the target is dead. */
ANQA_API anqa_timer anqa_send_every(anqa_pid to, const char *tag, uint32_t every_ms);
/** Milliseconds that were left, or -1: it had fired, was cancelled, or never was. Context: process. */
ANQA_API int64_t anqa_timer_cancel(anqa_timer timer);
/** Monotonic time of the runtime in milliseconds (the fake clock in deterministic mode), at most half of one old. */
ANQA_API uint64_t anqa_now_ms(void);

/* ---------------------------------------------------------------- contracts */

/** A broken contract in this process's code: the process exits (CONTRACT), its supervisor acts. Stays on in release. */
#define ANQA_REQUIRE(condition) \
    ((condition) ? (void)0 : anqa_require_failed(#condition, __FILE__, __LINE__))
/** The runtime's own state is wrong: report, dump, abort the OS process. Stays on in release. */
#define ANQA_INVARIANT(condition)                 \
    (__builtin_expect(!!(condition), 1) ? (void)0 \
                                        : anqa_invariant_failed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define ANQA_DEBUG(condition) ((void)0)
#else
#define ANQA_DEBUG(condition) ANQA_INVARIANT(condition)
#endif

/** What ANQA_REQUIRE and ANQA_INVARIANT call when what they ask for does not hold. */
ANQA_API ANQA_NORETURN void anqa_require_failed(const char *what, const char *file, int line);
ANQA_API ANQA_NORETURN void anqa_invariant_failed(const char *what, const char *file, int line);

/** Code between the two must not wait (renderers, encoders, defers): waiting there is a broken contract. They nest. */
ANQA_API void anqa_nowait_begin(void);
ANQA_API void anqa_nowait_end(void);
/** Code between the two holds something that a fault must not leave half done: a fault there aborts the server. They nest. */
ANQA_API void anqa_section_begin(void);
ANQA_API void anqa_section_end(void);

/**
 * Runs `fn(job)` on a worker thread and waits for it: for blocking calls and long computations.
 * job, size: copied for the worker and copied back when it is done, so that a process which dies meanwhile leaves
 * nothing behind. size 0: `job` itself is handed over; if this process dies meanwhile, its stack, heap and deferred
 * clean-ups are kept until the worker reports back (a zombie), while links and monitors are told at once.
 * Fails: E_NOMEM, E_LIMIT (the queue for workers is full).   Context: process; may wait.
 */
ANQA_API anqa_status anqa_blocking(void (*fn)(void *job), void *job, size_t size) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
