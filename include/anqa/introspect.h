/**
 * anqa/introspect.h - looking into a runtime while it runs.
 *
 *     anqa_process_info *infos;
 *     size_t count;
 *
 *     s = anqa_process_list(&(anqa_process_list_opts){.sort = ANQA_SORT_MAILBOX, .limit = 10}, &infos, &count);
 *     for (size_t i = 0; i < count; i++)
 *         printf("%s %u %s\n", infos[i].label, infos[i].mailbox, anqa_process_status_text(infos[i].status));
 *
 * Three ways to look, which differ in what they cost the one who is looked at.
 *
 * *Looking from outside*: anqa_process_info, anqa_process_list, anqa_system_info. The target is not asked, not stopped, and
 * need not be able to answer: a process that hangs shows where. The figures are read one after the other while the process
 * goes on, so they are each right at some moment, and need not fit together to the last message.
 *
 * *Asking* (OTP's sys): anqa_sys_get_state and its like send a server or supervisor a message, which it answers between
 * two others. Works for gen_servers, state machines, agents, supervisors of both kinds; for other processes it is
 * E_UNSUPPORTED. A suspended process answers such questions and nothing else: what is sent to it waits in its mailbox.
 *
 * *Tracing*: anqa_trace has a process report each message that it receives, sends and has handled to the caller. Any
 * number of tools may trace a process; each sees its own trace only, and one that reads slowly loses events, which are
 * counted, but never holds up the process.
 *
 * Threads. "Context: process" throughout.
 */
#ifndef ANQA_INTROSPECT_H
#define ANQA_INTROSPECT_H

#include <anqa/process.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- processes, from outside */

#define ANQA_PROCESS_STATUS_MAP(X)                                          \
    X(IDLE, "idle")         /* between two messages: it owns no stack */    \
    X(RUNNABLE, "runnable") /* waits for its turn */                        \
    X(RUNNING, "running")                                                   \
    X(RECEIVE, "receive") /* waits for a message */                         \
    X(CALL, "call")       /* waits for an answer, or a DOWN: `waits_for` */ \
    X(SLEEP, "sleep")                                                       \
    X(BLOCKING, "blocking")   /* a worker does something for it */          \
    X(IO, "io")               /* waits for a socket */                      \
    X(SUSPENDED, "suspended") /* until it is resumed, see anqa_sys_suspend */

#define ANQA_PROCESS_STATUS_X(name, text) ANQA_PROCESS_##name,
typedef enum anqa_process_status {
    ANQA_PROCESS_STATUS_MAP(ANQA_PROCESS_STATUS_X) ANQA_PROCESS_STATUS_COUNT_
} anqa_process_status;
#undef ANQA_PROCESS_STATUS_X

/** The word for a status; static. */
ANQA_API const char *anqa_process_status_text(anqa_process_status status);

/** Room for any label. */
#define ANQA_LABEL_SIZE 64 /* bytes of the longest label, with its NUL */

/** What can be seen of a process. Strings are static, part of the struct, or live as long as the current event. */
typedef struct anqa_process_info {
    anqa_pid pid;
    anqa_pid parent;             /* who spawned it, dead or alive; nobody: it came from outside */
    char label[ANQA_LABEL_SIZE]; /* empty: none */
    const anqa_str *names;       /* registered ones, see anqa_register */
    size_t name_count;
    const char
        *kind; /* "gen_server", "supervisor", ...; "run": a function; "thread": an attached one */
    const char *spec; /* the name of what it was started from; NULL: none */
    anqa_process_status status;
    const char *
        handling; /* tag of the message that is being handled, "init" or "terminate"; NULL: nothing is */
    anqa_pid waits_for; /* CALL: who was asked; nobody: it waits for something else, as a start */
    uint32_t mailbox;   /* messages waiting, among them signals that it has not seen yet */
    uint64_t handled;   /* messages it has taken out of the mailbox; modulo 2^38 */
    uint64_t memory;    /* bytes that its heap has taken from the system */
    uint64_t quota;     /* bytes that it may take; 0: any */
    uint32_t links, monitors;
    uint32_t monitored_by;
    uint16_t scheduler; /* 1..n: where it lives; 0: on a thread of its own */
    anqa_priority priority;
} anqa_process_info;

/** Looks at one process. Fails: E_NOPROC (dead, or never was).   Context: process. */
ANQA_API anqa_status anqa_process_info_get(
    anqa_pid pid, anqa_process_info *ret_info) ANQA_MUST_CHECK;

/** By what a list is sorted. */
typedef enum anqa_process_sort {
    ANQA_SORT_NONE, /* in the order of slots, which is about that of age */
    ANQA_SORT_MAILBOX,
    ANQA_SORT_MEMORY,
    ANQA_SORT_HANDLED
} anqa_process_sort;

/** How many processes one list can have. */
#define ANQA_PROCESS_LIST_MAX 10000u

/** Zero: the first 100 of all. */
typedef struct anqa_process_list_opts {
    anqa_process_sort sort; /* the largest first */
    uint32_t limit;         /* 0: 100; at most ANQA_PROCESS_LIST_MAX */
    anqa_pid after;         /* unsorted lists: go on behind this one, dead or alive */
    const char *kind;       /* only those; NULL: all */
} anqa_process_list_opts;

/**
 * Looks at all processes, and keeps `limit` of them. It does so in slices, between which others run; processes that begin
 * or end meanwhile are listed or not.   opts: NULL stands for all zero.   ret_infos: live as long as the current event.
 * Fails: E_INVALID (an unknown order, `after` with an order), E_RANGE (limit).   Context: process; may wait.
 */
ANQA_API anqa_status anqa_process_list(const anqa_process_list_opts *opts,
    anqa_process_info **ret_infos, size_t *ret_count) ANQA_MUST_CHECK;

/** Writes what was seen as an object, with the names of the struct's members; pids as text, what is not there left out. */
ANQA_API void anqa_process_info_put(anqa_json_writer *w, const anqa_process_info *info);

/** Who people mean: a pid's text ("<0.12.1>" or "0.12.1"), or a registered name. Fails: E_NOT_FOUND (nobody has the
 * name). A pid's text is not asked whether it lives.   Context: process. */
ANQA_API anqa_status anqa_process_find(anqa_str text, anqa_pid *ret_pid) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- the system */

/** One scheduler. */
typedef struct anqa_scheduler_info {
    uint32_t run_queue; /* processes that wait for their turn */
    bool asleep;
    anqa_pid current;     /* who runs; nobody: none does */
    const char *handling; /* tag of the message that runs */
    uint64_t idle_ns;     /* how long it has had nothing to do, since the start */
    uint64_t activations; /* how often it let a process run */
    uint64_t steals;
} anqa_scheduler_info;

/** How many schedulers a runtime can have. */
#define ANQA_SCHEDULERS_MAX 64

/** The whole runtime. */
typedef struct anqa_system_info {
    uint64_t uptime_ns;
    uint16_t scheduler_count;
    anqa_scheduler_info schedulers[ANQA_SCHEDULERS_MAX];
    uint64_t processes, process_limit;
    uint64_t spawned, exited, zombies; /* see anqa_rt_stats */
    uint64_t waiting;                  /* processes that own a stack */
    uint64_t faults;                   /* contained ones */
    bool tainted;
    uint64_t names;  /* registered ones */
    uint64_t tables; /* of names, registries, keys */
    uint64_t timers;
    uint64_t messages;
    /* bytes */
    uint64_t heap_bytes; /* of all processes' heaps */
    uint64_t
        block_bytes; /* of messages, small states, tables of relations: taken from the system, in use or not */
    uint64_t stack_bytes;    /* of address space of all stacks; few pages of it are there */
    uint64_t resident_bytes; /* of the whole program, as the system counts */
} anqa_system_info;

/** Context: process. */
ANQA_API void anqa_system_info_get(anqa_system_info *ret_info);

/** The share of its time, 0 to 1, that a scheduler (0..n-1) has worked between two looks. Each tool keeps its own `before`;
 * NULL: since the start. */
ANQA_API double anqa_system_busy(
    const anqa_system_info *before, const anqa_system_info *now, uint16_t scheduler);

/** As anqa_process_info_put. before: as for anqa_system_busy. */
ANQA_API void anqa_system_info_put(
    anqa_json_writer *w, const anqa_system_info *before, const anqa_system_info *now);

/** All of it in one line of key=value; lives as long as the current event. Context: process. */
ANQA_API anqa_str anqa_system_text(void);

/* ---------------------------------------------------------------- sys: asking servers and supervisors */

/*
 * What all of these have in common. timeout_ms: 0 stands for 5,000.   err: says who and why; may be NULL.
 * Fails: E_NOPROC (dead before it was asked), E_DIED (it ended meanwhile), E_TIMEOUT (it handles something else still; what was
 * asked for may happen later), E_UNSUPPORTED (a process of another kind, or it does not offer that), E_INVALID (oneself).
 * JSON that is given out lives as long as the current event.   Context: process; may wait.
 */

/** The state as people may see it: what `format_status` gives; of a supervisor a summary. E_UNSUPPORTED without a
 * format_status. */
ANQA_API anqa_status anqa_sys_get_state(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_state, anqa_error *err) ANQA_MUST_CHECK;

/** {"pid", "kind", "spec", "parent", "status": "running" or "suspended", "traces": how many there are of it, "statistics": null
 * or as below, "log_size",
 * "state": null or as above}. */
ANQA_API anqa_status anqa_sys_get_status(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_status, anqa_error *err) ANQA_MUST_CHECK;

/** Has the server's `replace_state` take a new state. What that fails with comes back. */
ANQA_API anqa_status anqa_sys_replace_state(
    anqa_pid pid, anqa_json state, uint32_t timeout_ms, anqa_error *err) ANQA_MUST_CHECK;

/** From the answer on the process handles nothing but these questions, and the order to end: calls and casts wait. Fine
 * when it is suspended already. */
ANQA_API anqa_status anqa_sys_suspend(
    anqa_pid pid, uint32_t timeout_ms, anqa_error *err) ANQA_MUST_CHECK;
/** Goes on. Fine when it is not suspended. */
ANQA_API anqa_status anqa_sys_resume(
    anqa_pid pid, uint32_t timeout_ms, anqa_error *err) ANQA_MUST_CHECK;

/** What a process has done since its statistics were switched on. */
typedef struct anqa_sys_statistics {
    uint64_t since_ms; /* how long ago that was */
    uint64_t messages_in, messages_out;
    uint64_t handled;
    uint64_t busy_ns;    /* in handlers, what they have waited for included */
    uint64_t longest_ns; /* the longest of them */
} anqa_sys_statistics;

/** Begins to count, from zero, or ends it. */
ANQA_API anqa_status anqa_sys_count(
    anqa_pid pid, bool on, uint32_t timeout_ms, anqa_error *err) ANQA_MUST_CHECK;
/** E_NOT_FOUND: they are not switched on. */
ANQA_API anqa_status anqa_sys_get_statistics(anqa_pid pid, uint32_t timeout_ms,
    anqa_sys_statistics *ret_statistics, anqa_error *err) ANQA_MUST_CHECK;

/** How many events a process can keep. */
#define ANQA_SYS_LOG_MAX 1000u

/** Keeps the last `size` events in the process; 0: none any more. Fails also: E_RANGE (above ANQA_SYS_LOG_MAX), E_NOMEM. */
ANQA_API anqa_status anqa_sys_log(
    anqa_pid pid, uint32_t size, uint32_t timeout_ms, anqa_error *err) ANQA_MUST_CHECK;
/** The events that were kept, the oldest first: an array of what anqa_trace_event_put writes. E_NOT_FOUND: none are kept. */
ANQA_API anqa_status anqa_sys_get_log(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_events, anqa_error *err) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- tracing */

/** What happened; as wishes they may be added. */
typedef enum anqa_trace_kind {
    ANQA_TRACE_RECEIVE = 1, /* a message has come into the mailbox, and was seen there */
    ANQA_TRACE_SEND = 2,
    ANQA_TRACE_HANDLED = 4, /* a behaviour's callback has returned */
    ANQA_TRACE_ENDED = 8    /* the process has ended, and the trace with it; never lost */
} anqa_trace_kind;

/** One thing that a traced process did. */
typedef struct anqa_trace_event {
    anqa_ref trace;
    anqa_trace_kind kind;
    anqa_pid pid;         /* who is traced */
    anqa_pid peer;        /* RECEIVE, HANDLED: the sender; SEND: the receiver */
    const char *tag;      /* of the message; ENDED: the word for the reason; static or interned */
    uint8_t msg_kind;     /* anqa_msg_kind */
    uint8_t payload;      /* anqa_payload_kind */
    uint32_t size;        /* bytes of the payload */
    uint64_t time_ns;     /* monotonic */
    uint64_t duration_ns; /* HANDLED */
    uint64_t dropped;     /* events of this trace that were lost before this one, in all */
    anqa_str body;        /* the payload's first bytes, see anqa_trace_opts.body */
} anqa_trace_event;

/** Events that may wait for their reader, and bytes of a body that one shows. */
#define ANQA_TRACE_LIMIT_MAX 100000u
#define ANQA_TRACE_BODY_MAX 1024u

/** Zero: everything, without bodies. */
typedef struct anqa_trace_opts {
    uint32_t kinds; /* anqa_trace_kind, added up; 0: all */
    uint32_t
        limit; /* events that the tracer has not let go of; what comes beyond is lost. 0: 1,000; at most
                     * ANQA_TRACE_LIMIT_MAX */
    uint32_t body; /* bytes of each payload that are shown; at most ANQA_TRACE_BODY_MAX */
} anqa_trace_opts;

/**
 * Traces `pid` for the calling process: from when the target next looks at its mail, each event is a message "trace" to
 * the caller, see anqa_trace_event_of. The trace ends with either of the two, or by anqa_trace_stop.
 * Fails: E_NOPROC, E_INVALID (oneself, unknown kinds), E_RANGE (limit, body), E_NOMEM.   Context: process.
 */
ANQA_API anqa_status anqa_trace(
    anqa_pid pid, const anqa_trace_opts *opts, anqa_ref *ret_trace) ANQA_MUST_CHECK;
/** Ends a trace of the caller's. Events that are in the mailbox already stay there. Fails: E_NOT_FOUND. Context: process. */
ANQA_API anqa_status anqa_trace_stop(anqa_ref trace);
/** The event in a message; NULL: it has none. It lives as long as the message. */
ANQA_API const anqa_trace_event *anqa_trace_event_of(const anqa_msg *msg);
/** As anqa_process_info_put. */
ANQA_API void anqa_trace_event_put(anqa_json_writer *w, const anqa_trace_event *event);

ANQA_END_DECLS

#endif
