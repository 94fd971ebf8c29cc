/*
 * Tasks: starting them, and their results. Streams of them are in task_stream.c.
 *
 * A task's result is the answer to a request, so that exactly one of answer and DOWN comes, and nothing after a time-out.
 * The request brings the function and its argument: a task under a supervisor is started by that, which knows neither.
 */
#include <anqa/memory.h>

#include "base/buf_meter.h"
#include "otp/child.h"
#include "otp/job.h"
#include "otp/task.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

/* Told apart by address. */
static const char job_tag[] = "$task";

/* ---------------------------------------------------------------- in the task */

/* bytes: must live as long as the task. */
static anqa_payload job_run(const char *bytes)
{
    struct job job;
    void *arg = job_unpack(bytes, &job, false);
    struct sched *s;

    (void)proc_self(&s);
    if (job.callers > 0 &&
        !proc_set_callers(s, (const anqa_pid *)(const void *)(bytes + sizeof job), job.callers))
        anqa_exit(anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "no memory for a task's callers"));
    return ((anqa_task_fn)job.fn)(arg);
}

static void work(const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);
    bool is_awaited = msg->kind == ANQA_MSG_CALL;
    anqa_payload result;

    anqa_msg_keep(msg); /* the function may end the event */
    result = job_run(msg->body.ptr);
    if (is_awaited)
        anqa_reply_to(&caller, result);
    else
        payload_drop(&result);
}

static void started_run(void *job)
{
    anqa_payload result = job_run(job);

    payload_drop(&result);
}

static bool is_job(const anqa_msg *msg, void *arg)
{
    return msg->tag == job_tag;
}

static void linked_run(void *arg)
{
    work(anqa_receive_if(is_job, NULL, ANQA_INFINITY));
}

static bool is_job_or_end(const anqa_msg *msg, void *owner)
{
    return msg->tag == job_tag ||
           (msg->kind == ANQA_MSG_DOWN && anqa_pid_eq(msg->from, *(const anqa_pid *)owner));
}

void anqa_task_run_(void *arg)
{
    anqa_pid owner = *(const anqa_pid *)arg;
    anqa_ref ref = anqa_monitor(owner);
    const anqa_msg *msg = anqa_receive_if(is_job_or_end, &owner, ANQA_INFINITY);

    if (msg->kind == ANQA_MSG_DOWN)
        return;
    (void)anqa_demonitor(ref, true);
    work(msg);
}

/* ---------------------------------------------------------------- starting */

static anqa_task ask(anqa_pid pid, struct job_bytes *bytes)
{
    anqa_task task = {.pid = pid, .owner = anqa_self()};

    task.ref = anqa_request(pid, job_tag, anqa_bytes(bytes->ptr, bytes->len));
    job_pack_done(bytes);
    return task;
}

anqa_task anqa_task_async(anqa_task_fn run, const void *arg, size_t arg_size)
{
    struct job_bytes bytes;
    anqa_status status;
    anqa_pid pid;

    job_pack(&bytes, (void (*)(void))run, arg, arg_size, false);
    status = anqa_spawn(
        &(anqa_spawn_opts){.run = linked_run, .link = true, .inherit_callers = true}, &pid, NULL);
    if (status != ANQA_OK)
        anqa_exit(anqa_reason_make(
            ANQA_REASON_SYSTEM_LIMIT, "a task cannot be started: %s", anqa_status_text(status)));
    return ask(pid, &bytes);
}

static anqa_status child_of(anqa_pid supervisor, anqa_pid *ret_pid, anqa_error *err)
{
    anqa_pid self = anqa_self();

    return anqa_dynamic_supervisor_start_child(supervisor, &self, sizeof self, ret_pid, err);
}

static anqa_status async_under(anqa_pid supervisor, bool link, anqa_task_fn run, const void *arg,
    size_t arg_size, anqa_task *ret_task, anqa_error *err)
{
    struct job_bytes bytes;
    anqa_pid pid;
    anqa_status status = child_of(supervisor, &pid, err);

    if (status != ANQA_OK)
        return status;
    if (link)
        anqa_link(pid);
    job_pack(&bytes, (void (*)(void))run, arg, arg_size, true);
    *ret_task = ask(pid, &bytes);
    return ANQA_OK;
}

anqa_status anqa_task_async_under(anqa_pid supervisor, anqa_task_fn run, const void *arg,
    size_t arg_size, anqa_task *ret_task, anqa_error *err)
{
    return async_under(supervisor, true, run, arg, arg_size, ret_task, err);
}

anqa_status anqa_task_async_nolink(anqa_pid supervisor, anqa_task_fn run, const void *arg,
    size_t arg_size, anqa_task *ret_task, anqa_error *err)
{
    return async_under(supervisor, false, run, arg, arg_size, ret_task, err);
}

static void drop_buf(void *arg)
{
    anqa_buf_unref(*(anqa_buf *)arg);
}

anqa_status task_open(anqa_task_fn run, const void *arg, size_t arg_size, const char *label,
    struct buf_meter *meter, anqa_task *ret_task)
{
    anqa_pid self = anqa_self(), pid;
    anqa_spawn_opts opts = {.run = anqa_task_run_,
        .arg = &self,
        .arg_size = sizeof self,
        .label = label,
        .inherit_callers = true};
    anqa_deferred mark = anqa_defer_mark();
    anqa_status status;
    anqa_buf *bytes = anqa_heap_alloc(sizeof *bytes); /* a request that fails ends the process */
    char *at;

    status = buf_new_metered(meter, job_size(arg_size), TASK_COST, bytes, &at);
    if (status != ANQA_OK) {
        anqa_heap_free(bytes);
        return status == ANQA_E_LIMIT ? ANQA_E_FULL : status;
    }
    (void)anqa_defer(drop_buf, bytes);
    job_write(at, (void (*)(void))run, arg, arg_size);
    status = anqa_spawn(&opts, &pid, NULL);
    if (status == ANQA_OK)
        *ret_task = (anqa_task){
            .pid = pid, .owner = self, .ref = anqa_request(pid, job_tag, anqa_shared(*bytes))};
    anqa_defer_run_to(mark);
    anqa_heap_free(bytes);
    return status;
}

anqa_status anqa_task_start(anqa_task_fn run, const void *arg, size_t arg_size, anqa_pid *ret_pid)
{
    struct job_bytes bytes;
    anqa_status status;

    job_pack(&bytes, (void (*)(void))run, arg, arg_size, false);
    status = anqa_spawn(
        &(anqa_spawn_opts){
            .run = started_run, .arg = bytes.ptr, .arg_size = bytes.len, .inherit_callers = true},
        ret_pid, NULL);
    job_pack_done(&bytes);
    return status;
}

anqa_status anqa_task_start_child(anqa_pid supervisor, anqa_task_fn run, const void *arg,
    size_t arg_size, anqa_pid *ret_pid, anqa_error *err)
{
    struct job_bytes bytes;
    anqa_pid pid;
    anqa_status status = child_of(supervisor, &pid, err);

    if (status != ANQA_OK)
        return status;
    job_pack(&bytes, (void (*)(void))run, arg, arg_size, true);
    status = anqa_send(pid, job_tag, anqa_bytes(bytes.ptr, bytes.len));
    job_pack_done(&bytes);
    if (status != ANQA_OK && status != ANQA_E_NOPROC) { /* dead already is as good as dead later */
        anqa_exit_signal(pid, ANQA_KILL);
        return anqa_fail(
            err, status, "a task was not told what to do: %s", anqa_status_text(status));
    }
    if (ret_pid != NULL)
        *ret_pid = pid;
    return ANQA_OK;
}

anqa_task anqa_task_completed(anqa_payload result)
{
    anqa_task task = {.owner = anqa_self(), .ref = anqa_make_ref()};
    anqa_status status = anqa_send_ref(task.owner, "reply", task.ref, result);

    if (status != ANQA_OK) {
        payload_drop(&result);
        anqa_exit(anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "the result of a completed task: %s",
            anqa_status_text(status)));
    }
    return task;
}

/* ---------------------------------------------------------------- results */

static void check_owner(const anqa_task *task)
{
    char owner[ANQA_PID_TEXT], pid[ANQA_PID_TEXT];

    if (!anqa_pid_eq(task->owner, anqa_self()))
        anqa_exit(anqa_reason_make(ANQA_REASON_CONTRACT,
            "task %s belongs to %s: only its owner may await, ask or end it",
            anqa_pid_text(task->pid, pid), anqa_pid_text(task->owner, owner)));
}

static ANQA_NORETURN void exit_timed_out(const anqa_task *task, uint32_t timeout_ms)
{
    char pid[ANQA_PID_TEXT];

    anqa_exit(anqa_reason_make(ANQA_REASON_TIMEOUT, "task %s: no result in %u ms",
        anqa_pid_text(task->pid, pid), timeout_ms));
}

/* With the reason of the task; a quiet one would hide that we crash. */
static ANQA_NORETURN void exit_as_task(const anqa_task *task, const anqa_msg *down)
{
    bool quiet = anqa_reason_is_quiet(down->u.reason);
    char pid[ANQA_PID_TEXT], text[400];

    anqa_exit(anqa_reason_make(quiet ? ANQA_REASON_ERROR : anqa_reason_get_kind(down->u.reason),
        "task %s ended: %s", anqa_pid_text(task->pid, pid),
        anqa_reason_format(down->u.reason, text, sizeof text)));
}

const anqa_msg *anqa_task_yield(const anqa_task *task, uint32_t timeout_ms)
{
    check_owner(task);
    return anqa_receive_ref(task->ref, timeout_ms);
}

const anqa_msg *anqa_task_await(const anqa_task *task, uint32_t timeout_ms)
{
    const anqa_msg *result = anqa_task_yield(task, timeout_ms);

    if (result == NULL)
        exit_timed_out(task, timeout_ms);
    if (anqa_task_crashed(result))
        exit_as_task(task, result);
    return result;
}

static uint32_t left_of(uint32_t timeout_ms, uint64_t since)
{
    uint64_t passed;

    if (timeout_ms == ANQA_INFINITY)
        return ANQA_INFINITY;
    passed = anqa_now_ms() - since;
    return passed >= timeout_ms ? 0 : timeout_ms - (uint32_t)passed;
}

/* owner: the stack of who waits. */
struct many {
    const anqa_task *tasks;
    const anqa_msg **results;
    size_t count, first; /* all before `first` have a result */
};

/* count: none of them. Results mostly come in the order in which the tasks were started. */
static size_t many_find(const struct many *many, anqa_ref ref)
{
    size_t i = many->first;

    while (i < many->count && !anqa_ref_eq(many->tasks[i].ref, ref))
        i++;
    return i;
}

static bool is_of_many(const anqa_msg *msg, void *many)
{
    return msg->ref.bits != 0 && many_find(many, msg->ref) < ((struct many *)many)->count;
}

static struct many many_of(const anqa_task *tasks, size_t count, const anqa_msg **results)
{
    for (size_t i = 0; i < count; i++) {
        check_owner(&tasks[i]);
        results[i] = NULL;
    }
    return (struct many){.tasks = tasks, .results = results, .count = count};
}

/* The task that has its result now; count: none, or the time is over. */
static size_t many_next(struct many *many, uint32_t timeout_ms)
{
    const anqa_msg *msg;
    size_t at;

    while (many->first < many->count && many->results[many->first] != NULL)
        many->first++;
    if (many->first == many->count)
        return many->count;
    msg = anqa_receive_if(is_of_many, many, timeout_ms);
    if (msg == NULL)
        return many->count;
    at = many_find(many, msg->ref);
    many->results[at] = msg;
    return at;
}

void anqa_task_await_many(
    const anqa_task *tasks, size_t count, const anqa_msg **ret_results, uint32_t timeout_ms)
{
    struct many many = many_of(tasks, count, ret_results);
    uint64_t since = anqa_now_ms();
    size_t at;

    while ((at = many_next(&many, left_of(timeout_ms, since))) < count)
        if (anqa_task_crashed(ret_results[at]))
            exit_as_task(&tasks[at], ret_results[at]);
    if (many.first < count)
        exit_timed_out(&tasks[many.first], timeout_ms);
}

static const anqa_msg *too_late(const anqa_task *task, anqa_task_late late)
{
    if (late == ANQA_TASK_LATE_NOTHING)
        return NULL;
    return late == ANQA_TASK_LATE_IGNORE ? anqa_task_ignore(task)
                                         : anqa_task_shutdown(task, ANQA_BRUTAL_KILL);
}

size_t anqa_task_yield_many(const anqa_task *tasks, size_t count, const anqa_msg **ret_results,
    uint32_t timeout_ms, anqa_task_late late)
{
    struct many many = many_of(tasks, count, ret_results);
    uint64_t since = anqa_now_ms();
    size_t have = 0;

    while (many_next(&many, left_of(timeout_ms, since)) < count)
        continue;
    for (size_t i = 0; i < count; i++) {
        if (ret_results[i] == NULL)
            ret_results[i] = too_late(&tasks[i], late);
        have += ret_results[i] != NULL;
    }
    return have;
}

/* ---------------------------------------------------------------- ending */

/* Signals and waits; returns its DOWN. */
static const anqa_msg *end(anqa_pid pid, uint32_t timeout_ms, anqa_reason_kind *ret_cause)
{
    anqa_ref ref = anqa_monitor(pid);
    const anqa_msg *down = NULL;

    *ret_cause = ANQA_REASON_SHUTDOWN;
    if (timeout_ms != ANQA_BRUTAL_KILL) {
        anqa_exit_signal(pid, ANQA_SHUTDOWN);
        down = anqa_receive_ref(ref, timeout_ms);
    }
    if (down == NULL) {
        *ret_cause = ANQA_REASON_KILLED;
        anqa_exit_signal(pid, ANQA_KILL);
        down = anqa_receive_ref(ref, ANQA_INFINITY);
    }
    return down;
}

static bool is_our_doing(const anqa_msg *down, anqa_reason_kind cause)
{
    anqa_reason_kind kind = anqa_reason_get_kind(down->u.reason);

    return kind == cause || (kind == ANQA_REASON_SHUTDOWN && cause == ANQA_REASON_KILLED);
}

const anqa_msg *anqa_task_shutdown(const anqa_task *task, uint32_t timeout_ms)
{
    const anqa_msg *down, *result;
    anqa_reason_kind cause;

    check_owner(task);
    if (anqa_pid_is_none(task->pid))
        return anqa_receive_ref(task->ref, 0);
    anqa_unlink(task->pid);
    down = end(task->pid, timeout_ms, &cause);
    result = anqa_receive_ref(task->ref, 0); /* a reply was sent before it ended */
    anqa_request_cancel(task->ref);
    if (result == NULL)
        result = down; /* has been asked for before, or the other DOWN is on its way */
    else
        anqa_msg_free(down);
    if (!anqa_task_crashed(result) || !is_our_doing(result, cause))
        return result;
    anqa_msg_free(result);
    return NULL;
}

const anqa_msg *anqa_task_ignore(const anqa_task *task)
{
    const anqa_msg *result;

    check_owner(task);
    result = anqa_receive_ref(task->ref, 0);
    if (!anqa_pid_is_none(task->pid))
        anqa_unlink(task->pid);
    if (result == NULL)
        anqa_request_cancel(task->ref);
    return result;
}
