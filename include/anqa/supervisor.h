/**
 * anqa/supervisor.h - processes that start others, and start them again when they end.
 *
 *     static const anqa_supervisor shop = {
 *         .name = "shop", .strategy = ANQA_REST_FOR_ONE,
 *         .children = (const anqa_child_spec[]){{.server = &stock}, {.id = "till", .server = &till}, {0}},
 *     };
 *
 * A *supervisor* starts its children from left to right, each when the one before has started, and stops them from right
 * to left. When a child ends, its restart type says whether it is to run again, and the strategy which others go with
 * it. More than `max_restarts` restarts (failed attempts count) within `max_seconds` end the supervisor itself, with
 * SHUTDOWN, so that its own supervisor may try. The defaults are Elixir's: 3 in 5 seconds, so the fourth crash ends it.
 *
 * A child with a *back-off* waits before it is started again, longer with each failure in a row (its end, or an attempt that
 * fails), until it has lived for `steady_ms`. The supervisor does not wait: it answers, and sees to its other children.
 * Those that go along with the child, by the strategy, are stopped at once and started after the wait; meanwhile all of them are
 * ANQA_CHILD_RESTARTING. A child that is terminated in its wait ends it, and the others are started without it. Each
 * failure counts as a restart when it happens, before the wait: so a limit that is to be reached needs a `max_seconds`
 * which has room for the waits, and where it has not, the child is tried for ever.
 *
 * A *dynamic supervisor* begins without children, all made after one model, as many as are asked for, known by their
 * pids. One that has a name may also address them by key, a string: anqa_ensure_child, anqa_child_pid. Such a look-up
 * runs in the caller and does not ask the supervisor. It never waits for a child: a slow init holds up nobody but the
 * one who asked for that child.
 *
 * Specs are `static const`; zero is a sensible default everywhere. A spec that contradicts itself is E_INVALID, and the
 * error names the supervisor, the child, and what to do.
 *
 * Children are linked to their supervisor. What they have in common: a child is ended by an exit signal SHUTDOWN, has
 * `shutdown_ms` to end, and is killed then. Memory that a restart needs is the supervisor's: a child's argument is copied.
 *
 * Threads. Specs are shared and constant. "Context: process" throughout. What takes the pid of a supervisor asks that
 * process: it may wait, without a deadline if none is named, for as long as the supervisor starts or stops children, and
 * may fail with E_NOPROC (no such process), E_DIED (it ended meanwhile; outcome unknown) or E_TYPE (it answered, but is no
 * supervisor).
 */
#ifndef ANQA_SUPERVISOR_H
#define ANQA_SUPERVISOR_H

#include <anqa/backoff.h>
#include <anqa/gen_server.h>
#include <anqa/process.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- children */

/** When a child that has ended is started again. */
typedef enum anqa_restart {
    ANQA_PERMANENT, /* always */
    ANQA_TRANSIENT, /* unless it ended with normal, shutdown or {shutdown, text} */
    ANQA_TEMPORARY  /* never; its spec goes with it */
} anqa_restart;

/** For shutdown_ms: no signal SHUTDOWN, killed at once. */
#define ANQA_BRUTAL_KILL (UINT32_MAX - 1)

struct anqa_supervisor;
struct anqa_dynamic_supervisor;
struct anqa_partition_supervisor;

/** A child: an id and exactly one of server, supervisor, dynamic_supervisor, partition_supervisor, run. {0} ends a list
 * of them. */
typedef struct anqa_child_spec {
    /* unique in its supervisor; NULL: the name of the server or supervisor. Dynamic children need none */
    const char *id;
    const anqa_gen_server *server;
    const struct anqa_supervisor *supervisor;
    const struct anqa_dynamic_supervisor *dynamic_supervisor;
    const struct anqa_partition_supervisor *partition_supervisor;
    void (*run)(void *arg); /* a plain function; it has started when its process has */
    /* for init or run. A server's arg_size says what is copied; for run: arg_size here */
    const void *arg;
    size_t arg_size;
    anqa_restart restart;
    /* 0: 5,000, for supervisors ANQA_INFINITY. Or ANQA_BRUTAL_KILL, ANQA_INFINITY */
    uint32_t shutdown_ms;
    bool significant; /* counts for auto_shutdown */
    /* the wait before it is started again; zero: none, as OTP. See above */
    anqa_backoff backoff;
    uint32_t
        steady_ms; /* one that has lived so long has not failed in a row; 0: the longest wait */
} anqa_child_spec;

/** Inside a child: its id, or the key it was started for; empty otherwise. Lives as long as the process. */
ANQA_API anqa_str anqa_child_id(void);

/* ---------------------------------------------------------------- supervisors */

/** Who is restarted when a child has ended. */
typedef enum anqa_strategy {
    ANQA_ONE_FOR_ONE,  /* only the one that ended */
    ANQA_REST_FOR_ONE, /* it and all that were started later */
    ANQA_ONE_FOR_ALL   /* all */
} anqa_strategy;

/** When a supervisor ends itself, with SHUTDOWN, because significant children have ended. */
typedef enum anqa_auto_shutdown {
    ANQA_NEVER,
    ANQA_ANY_SIGNIFICANT,
    ANQA_ALL_SIGNIFICANT
} anqa_auto_shutdown;

/** For max_restarts: not even one. */
#define ANQA_NO_RESTARTS UINT32_MAX

/** What a supervisor is. `static const`; zero is a sensible default everywhere. */
typedef struct anqa_supervisor {
    const char *name; /* registered; NULL: none */
    anqa_strategy strategy;
    uint32_t max_restarts; /* 0: 3 */
    uint32_t max_seconds;  /* 0: 5 */
    anqa_auto_shutdown auto_shutdown;
    const anqa_child_spec *children; /* {0} ends them; NULL: none */
} anqa_supervisor;

/**
 * Starts a supervisor, linked to the caller, and its children; returns when all have started.
 * Fails: E_INVALID (a spec), E_EXISTS (its name), E_STOPPED (a child failed to start: those before it were stopped again);
 * err says which child and why. As for a gen_server, a caller that does not trap exits gets the exit signal as well.
 * Context: process; may wait.
 */
ANQA_API anqa_status anqa_supervisor_start_link(
    const anqa_supervisor *supervisor, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

/** Stops children from right to left, then the supervisor. As anqa_gen_server_stop. Any kind of supervisor. */
ANQA_API anqa_status anqa_supervisor_stop(
    anqa_pid supervisor, anqa_reason reason, uint32_t timeout_ms);

/**
 * Adds a child behind the others and starts it. The spec, its id and arg_size bytes of its argument are copied.
 * Fails: E_RUNNING (that id runs), E_EXISTS (that id is there, but ended), E_IGNORE (kept, without a process), else as a
 * start; then the spec is not kept.
 */
ANQA_API anqa_status anqa_supervisor_start_child(anqa_pid supervisor, const anqa_child_spec *child,
    anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

/** Stops a child. Its spec stays, unless it is temporary. Fails: E_NOT_FOUND. Fine when it has ended already. */
ANQA_API anqa_status anqa_supervisor_terminate_child(
    anqa_pid supervisor, const char *id, anqa_error *err);
/** Starts a child that was stopped or ended. Fails: E_NOT_FOUND, E_RUNNING, else as a start. */
ANQA_API anqa_status anqa_supervisor_restart_child(
    anqa_pid supervisor, const char *id, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;
/** Forgets a child that was stopped or ended. Fails: E_NOT_FOUND, E_RUNNING. */
ANQA_API anqa_status anqa_supervisor_delete_child(
    anqa_pid supervisor, const char *id, anqa_error *err);

/* ---------------------------------------------------------------- looking at children */

/** What a child is, and how it is. */
typedef enum anqa_child_kind { ANQA_CHILD_WORKER, ANQA_CHILD_SUPERVISOR } anqa_child_kind;
typedef enum anqa_child_state {
    ANQA_CHILD_ENDED,
    ANQA_CHILD_RUNNING,
    ANQA_CHILD_STARTING,
    ANQA_CHILD_RESTARTING
} anqa_child_state;

/** One child, as anqa_supervisor_which_children gives it out. */
typedef struct anqa_child_info {
    anqa_str id;  /* or key; empty: it has none */
    anqa_pid pid; /* nobody unless running or starting */
    anqa_child_kind kind;
    anqa_child_state state;
    anqa_restart restart;
    uint32_t restarts; /* of this child; dynamic supervisors do not count them */
    anqa_str
        last_exit; /* why it ended before it was started again; cut to 95 bytes; empty: it has not */
} anqa_child_info;

/** How many children have a spec, run, are supervisors, are workers. */
typedef struct anqa_child_counts {
    size_t specs, active, supervisors, workers;
} anqa_child_counts;

/**
 * The children of any supervisor, newest first (dynamic ones: in no order). They live as long as the current event.
 * Fails: E_NOPROC, E_DIED (also a gen_server that this is asked of: its reason says so), E_TIMEOUT (5,000 ms), E_TYPE
 * (what answered is no supervisor).   Context: process; may wait.
 */
ANQA_API anqa_status anqa_supervisor_which_children(
    anqa_pid supervisor, anqa_child_info **ret_children, size_t *ret_count) ANQA_MUST_CHECK;
ANQA_API anqa_status anqa_supervisor_count_children(
    anqa_pid supervisor, anqa_child_counts *ret_counts) ANQA_MUST_CHECK;

/** The tree below a supervisor as text, drawn with lines; lives as long as the current event. Context: process; may wait. */
ANQA_API anqa_str anqa_tree_text(anqa_pid supervisor);
/** The same of all applications of the runtime, one tree under the other. Context: process; may wait. */
ANQA_API anqa_str anqa_tree_text_all(void);

/** How much of a tree is wanted; zero: 16 levels, 1,000 children of each supervisor. */
typedef struct anqa_tree_opts {
    uint32_t depth; /* levels of supervisors; at most 64 */
    uint32_t limit; /* children of each of them that are listed */
} anqa_tree_opts;

/**
 * Writes the tree of a supervisor as an object: what anqa_process_info_put writes of its process, and "children", an array
 * of {"id", "type": "worker" or "supervisor", "state": "running" or as anqa_child_state has it, "restart", "restarts",
 * "last_exit", "process": what is seen of it, "children"}, in the order of their start. "more": how many are not listed.
 * A supervisor that does not answer has "error" in place of "children". With nobody as supervisor: {"applications": an
 * array of the trees of all applications, by name}.
 * opts: NULL stands for all zero.   Fails: E_NOPROC, E_RANGE (depth).   Context: process; may wait.
 */
ANQA_API anqa_status anqa_tree_put(
    anqa_json_writer *w, anqa_pid supervisor, const anqa_tree_opts *opts) ANQA_MUST_CHECK;
/** The same, living as long as the current event. */
ANQA_API anqa_status anqa_tree_json(
    anqa_pid supervisor, const anqa_tree_opts *opts, anqa_json *ret_tree) ANQA_MUST_CHECK;

/** Writes the text to standard output, with colours if it is a terminal. Context: process; may wait. */
ANQA_API void anqa_tree_print(anqa_pid supervisor);

/* ---------------------------------------------------------------- dynamic supervisors */

/** What a dynamic supervisor is. `static const`; zero is a sensible default but for the child. */
typedef struct anqa_dynamic_supervisor {
    const char *name;      /* registered; NULL: none, then children cannot have keys */
    uint32_t max_restarts; /* 0: 3 */
    uint32_t max_seconds;  /* 0: 5 */
    uint32_t max_children; /* 0: no limit */
    anqa_child_spec child; /* what all children are; `arg` is given for each */
} anqa_dynamic_supervisor;

/** As anqa_supervisor_start_link. */
ANQA_API anqa_status anqa_dynamic_supervisor_start_link(
    const anqa_dynamic_supervisor *supervisor, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

/**
 * Starts one more child of a supervisor that has a name.   arg: for init or run, copied as the model's arg_size says.
 * Fails: E_LIMIT (max_children), E_IGNORE, E_NOPROC (no supervisor), else as a start; err may be NULL.
 * Context: process; may wait.
 */
ANQA_API anqa_status anqa_start_child(const anqa_dynamic_supervisor *supervisor, const void *arg,
    anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;
/** The same by pid. arg_size: as the model says, 0 for a pointer that is handed on. Fails: E_INVALID for another size. */
ANQA_API anqa_status anqa_dynamic_supervisor_start_child(anqa_pid supervisor, const void *arg,
    size_t arg_size, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;
/** Stops a child; one that waits to be started again is known by the pid it had. Fails: E_NOT_FOUND.
 * Context: process; may wait. */
ANQA_API anqa_status anqa_dynamic_supervisor_terminate_child(anqa_pid supervisor, anqa_pid child);

/** The child of a key, found without asking the supervisor; nobody if there is none. Context: process. */
ANQA_API anqa_pid anqa_child_pid(const anqa_dynamic_supervisor *supervisor, anqa_str key);

/**
 * Makes sure that there is a child of that key: finds it, or has it started. Of many who ask at once one starts it and
 * all get the outcome; a child that waits to be started again is waited for.   arg: for a child that must be started.
 * Fails: as anqa_dynamic_supervisor_start_child; E_INVALID (no name, key too long).   Context: process; may wait.
 */
ANQA_API anqa_status anqa_ensure_child(
    const anqa_dynamic_supervisor *supervisor, anqa_str key, const void *arg) ANQA_MUST_CHECK;
/** The same, with its pid and the error in words. */
ANQA_API anqa_status anqa_ensure_child_pid(const anqa_dynamic_supervisor *supervisor, anqa_str key,
    const void *arg, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
