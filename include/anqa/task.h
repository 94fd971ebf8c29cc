/**
 * anqa/task.h - a function that runs in a process of its own, and whose result somebody waits for.
 *
 *     static anqa_payload fetch(void *arg)
 *     {
 *         const struct query *query = arg;
 *         return anqa_text(anqa_jsonf("%d", look_up(query)));
 *     }
 *     ...
 *     anqa_task task = anqa_task_async(fetch, &query, sizeof query);
 *     ... something else meanwhile ...
 *     anqa_json answer = anqa_task_await(&task, ANQA_TASK_TIMEOUT_MS)->body;
 *
 * The function gets a copy of its argument and is free to wait. What it returns is sent to the *owner*, the process that
 * started the task; nobody else may await it.
 *
 * Failing. A task of anqa_task_async is linked to its owner: if one crashes, so does the other. An owner that wants to
 * live on uses anqa_task_async_nolink, under a task supervisor, and gets the crash as a message.
 *
 * Results. Exactly one message with the task's `ref` comes: the result (of any payload; kind REPLY), or a DOWN with the
 * reason if the task ended before. A gen_server may let it come to its handle_info, as "reply" or "DOWN". There is no
 * monitor to be ended afterwards. Results live as long as the owner's current event, as all messages do.
 *
 * Task supervisors are dynamic supervisors, and children of any supervisor:
 *
 *     static const anqa_dynamic_supervisor tasks = {.name = "tasks", .child = ANQA_TASK_CHILD};
 *
 * Their children are temporary and have 5,000 ms to end; `max_children` bounds how many run.
 *
 * Callers. A task works on behalf of its owner and of those for whom the owner works: anqa_callers.
 *
 * Threads. An anqa_task is a value of its owner. "Context: process" throughout.
 */
#ifndef ANQA_TASK_H
#define ANQA_TASK_H

#include <anqa/process.h>
#include <anqa/supervisor.h>

ANQA_BEGIN_DECLS

/**
 * What a task does. arg: the task's own copy, aligned to 16 (with an arg_size of 0: the pointer that was given).
 * The payload must outlive the function's frame: anqa_tmp, the heap, `arg`, a literal. Of a task that nobody awaits it is
 * dropped.
 */
typedef anqa_payload (*anqa_task_fn)(void *arg);

/** Names a task. A value; only its owner can use it. */
typedef struct anqa_task {
    anqa_pid pid; /* nobody: of anqa_task_completed */
    anqa_pid owner;
    anqa_ref ref; /* of the message that brings its result */
} anqa_task;

/** What await waits as a rule. */
#define ANQA_TASK_TIMEOUT_MS 5000u

/* ---------------------------------------------------------------- starting */

/**
 * Starts a task, linked to the caller, who owns it.
 * arg: arg_size bytes of it are copied (at most 64 MiB); with an arg_size of 0 the pointer itself is handed on.
 * Without memory, or when there are as many processes as there may be, the caller exits (SYSTEM_LIMIT).
 * Context: process.
 */
ANQA_API anqa_task anqa_task_async(
    anqa_task_fn run, const void *arg, size_t arg_size) ANQA_MUST_CHECK;

/**
 * The same under a task supervisor, which ends it when it ends itself. Still linked to the caller as well.
 * Fails: E_LIMIT (max_children, or too many processes), E_NOPROC, E_DIED (no supervisor), E_NOMEM; err may be NULL.
 * Context: process; may wait.
 */
ANQA_API anqa_status anqa_task_async_under(anqa_pid supervisor, anqa_task_fn run, const void *arg,
    size_t arg_size, anqa_task *ret_task, anqa_error *err) ANQA_MUST_CHECK;

/** As anqa_task_async_under, not linked: a crash is a result (DOWN), and the task outlives its owner. */
ANQA_API anqa_status anqa_task_async_nolink(anqa_pid supervisor, anqa_task_fn run, const void *arg,
    size_t arg_size, anqa_task *ret_task, anqa_error *err) ANQA_MUST_CHECK;

/**
 * Starts a task that nobody owns or awaits, not linked. ret_pid may be NULL.
 * Fails: E_LIMIT, E_NOMEM.   Context: process.
 */
ANQA_API anqa_status anqa_task_start(
    anqa_task_fn run, const void *arg, size_t arg_size, anqa_pid *ret_pid) ANQA_MUST_CHECK;

/** As anqa_task_start, under a task supervisor. Fails: as anqa_task_async_under.   Context: process; may wait. */
ANQA_API anqa_status anqa_task_start_child(anqa_pid supervisor, anqa_task_fn run, const void *arg,
    size_t arg_size, anqa_pid *ret_pid, anqa_error *err) ANQA_MUST_CHECK;

/** A task that has its result already, for where a task is wanted and the result is known. Context: process. */
ANQA_API anqa_task anqa_task_completed(anqa_payload result) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- results; each may wait */

/** Whether a result is the end of a task without one; the reason is then msg->u.reason. */
static inline bool anqa_task_crashed(const anqa_msg *result)
{
    return result->kind == ANQA_MSG_DOWN;
}

/**
 * The result of a task; once. There is no failure to handle: if the task crashed, or has no result within `timeout_ms`,
 * the *caller* exits: with the task's reason (ERROR in place of a quiet one), or TIMEOUT. A task of somebody else is a broken
 * contract, here and below.
 */
ANQA_API const anqa_msg *anqa_task_await(const anqa_task *task, uint32_t timeout_ms);

/** The results of all, into ret_results (count of them, in the order of `tasks`), or the caller exits, as anqa_task_await:
 * at the first crash, or when `timeout_ms` are over. */
ANQA_API void anqa_task_await_many(
    const anqa_task *tasks, size_t count, const anqa_msg **ret_results, uint32_t timeout_ms);

/** The result, which may be a crash (anqa_task_crashed), or NULL: not yet. It may be asked for again then. */
ANQA_API const anqa_msg *anqa_task_yield(const anqa_task *task, uint32_t timeout_ms);

/** What becomes of a task that has no result in time. */
typedef enum anqa_task_late {
    ANQA_TASK_LATE_NOTHING, /* it goes on and may be asked again */
    ANQA_TASK_LATE_IGNORE,  /* as anqa_task_ignore */
    ANQA_TASK_LATE_KILL     /* as anqa_task_shutdown with ANQA_BRUTAL_KILL */
} anqa_task_late;

/** Waits until all have a result, at most `timeout_ms` in all. ret_results: count of them in the order of `tasks`, NULL for
 * those that have none. Returns how many have one. */
ANQA_API size_t anqa_task_yield_many(const anqa_task *tasks, size_t count,
    const anqa_msg **ret_results, uint32_t timeout_ms, anqa_task_late late);

/**
 * Unlinks and ends a task, and waits until it is gone.
 * timeout_ms: what it has after the exit signal SHUTDOWN, then it is killed; ANQA_BRUTAL_KILL: killed at once. 5,000 is usual.
 * Returns the result if it came meanwhile, a DOWN if the task ended of another cause, otherwise NULL.
 */
ANQA_API const anqa_msg *anqa_task_shutdown(const anqa_task *task, uint32_t timeout_ms);

/** Unlinks a task and lets it go on: its result will not come. Returns the result if it is there already, or NULL. */
ANQA_API const anqa_msg *anqa_task_ignore(const anqa_task *task);

/* ---------------------------------------------------------------- streams */

/**
 * A task for each of many items, a few at a time. Items are asked for one by one, when there is room to run them and the
 * consumer wants a result: a source without end is fine.
 */
typedef struct anqa_task_stream_opts {
    anqa_task_fn run;
    /* Writes the next item's argument, arg_size bytes (zeroed before); false: there are no more. Runs in the consumer */
    bool (*next)(void *source, void *ret_arg);
    void *source;
    size_t arg_size;          /* from 1 */
    uint32_t max_concurrency; /* tasks at a time; 0: as many as schedulers */
    bool unordered;           /* results as they come; else in the order of the items */
    /* in order: results that may wait for an earlier one; 0: 1,000. Beyond that no task is started */
    uint32_t max_waiting;
    uint32_t timeout_ms; /* for each task; 0: 5,000; ANQA_INFINITY */
    bool
        kill_on_timeout; /* a late task is killed, and its item says so; else the consumer exits with TIMEOUT */
    bool zip_input_on_exit; /* an item that failed shows its argument */
    anqa_pid supervisor;    /* the tasks' supervisor; nobody: none */
    bool nolink;            /* with a supervisor: a task that crashes does not end the consumer */
} anqa_task_stream_opts;

/** One result. What it points to lives until the stream is asked for the next, or closed. */
typedef struct anqa_task_item {
    uint64_t index;         /* of the item, from 0 */
    const anqa_msg *result; /* NULL: it failed */
    anqa_reason reason;     /* of the failure */
    const void *input;      /* with zip_input_on_exit, of a failure: its argument; else NULL */
} anqa_task_item;

/** A stream of results; owned by the process that began it. */
typedef struct anqa_task_stream anqa_task_stream;

/**
 * Begins a stream of the calling process; nothing runs yet. opts: copied. The stream is the process's memory, and its tasks
 * are killed when the process ends, in whatever way.
 * Tasks are linked to the consumer unless `nolink`: a crash ends the consumer, unless it traps exits; then it is an item. The
 * consumer gets no EXIT messages of them. When a task cannot be started, the consumer exits (SYSTEM_LIMIT).
 * Context: process.
 */
ANQA_API anqa_task_stream *anqa_task_stream_open(const anqa_task_stream_opts *opts)
    __attribute__((returns_nonnull)) ANQA_MUST_CHECK;
/** The next result; false: that was all. Context: the process that opened it; may wait. */
ANQA_API bool anqa_task_stream_next(anqa_task_stream *stream, anqa_task_item *ret_item);
/** Kills what still runs and frees the stream. NULL is fine. Context: the process that opened it. */
ANQA_API void anqa_task_stream_close(anqa_task_stream *stream);

/* ---------------------------------------------------------------- task supervisors */

/* What a task supervisor runs; `arg` is the owner's pid. */
ANQA_API void anqa_task_run_(void *arg);

/** The `child` of a dynamic supervisor that supervises tasks. */
#define ANQA_TASK_CHILD \
    {.run = anqa_task_run_, .arg_size = sizeof(anqa_pid), .restart = ANQA_TEMPORARY}

ANQA_END_DECLS

#endif
