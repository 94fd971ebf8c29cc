/*
 * Streams: a task for each of many items, in the consumer's process. Nothing happens but in anqa_task_stream_next: it
 * starts tasks while there is room, and waits for the next message of one of them. A result that must wait for an earlier
 * one is kept in a ring, by the item's index.
 */
#include <anqa/task.h>

#include <string.h>

#include <anqa/memory.h>

#include "otp/child.h"
#include "runtime/sched.h"

#define TIMEOUT_DEFAULT_MS 5000u
#define WAITING_DEFAULT 1000u

struct running {
    anqa_task task;
    uint64_t index;
    uint64_t deadline; /* UINT64_MAX: none */
    void *input;       /* zip_input_on_exit; on the heap */
};

struct done {
    const anqa_msg *msg; /* kept; NULL: killed, as it was late */
    void *input;
    bool is_there;
};

/* owner: process, on its heap. */
struct anqa_task_stream {
    anqa_task_stream_opts opts;
    anqa_deferred killer;
    uint64_t started, delivered; /* items */
    bool at_end;                 /* of the source */
    uint32_t running_count;
    uint32_t room;           /* results in `done` */
    struct running *running; /* opts.max_concurrency of them, in no order */
    struct done *done;       /* ordered: item i at i % room; unordered: one */
    struct done shown;       /* what the consumer looks at */
    void *arg;               /* of the next item */
};

static bool is_linked(const anqa_task_stream *stream)
{
    return anqa_pid_is_none(stream->opts.supervisor) || !stream->opts.nolink;
}

/* ---------------------------------------------------------------- begin and end */

/* However the consumer ends: a normal end would not reach its tasks by their links. */
static void stream_kill(void *arg)
{
    anqa_task_stream *stream = arg;

    for (uint32_t i = 0; i < stream->running_count; i++)
        anqa_exit_signal(stream->running[i].task.pid, ANQA_KILL);
}

anqa_task_stream *anqa_task_stream_open(const anqa_task_stream_opts *opts)
{
    anqa_task_stream *stream = anqa_heap_calloc(1, sizeof *stream);
    uint32_t most;

    ANQA_REQUIRE(opts->run != NULL && opts->next != NULL && opts->arg_size > 0);
    ANQA_REQUIRE(!opts->nolink || !anqa_pid_is_none(opts->supervisor));
    stream->opts = *opts;
    if (opts->max_concurrency == 0)
        stream->opts.max_concurrency = anqa_rt_self()->sched_count;
    if (opts->timeout_ms == 0)
        stream->opts.timeout_ms = TIMEOUT_DEFAULT_MS;
    most = stream->opts.max_concurrency;
    ANQA_REQUIRE(most <= UINT32_MAX / 2 && opts->max_waiting <= UINT32_MAX / 2);
    stream->room =
        opts->unordered ? 1 : most + (opts->max_waiting == 0 ? WAITING_DEFAULT : opts->max_waiting);
    stream->running = anqa_heap_calloc(most, sizeof *stream->running);
    stream->done = anqa_heap_calloc(stream->room, sizeof *stream->done);
    stream->arg = anqa_heap_alloc(opts->arg_size);
    stream->killer = anqa_defer(stream_kill, stream);
    return stream;
}

static void done_free(struct done *done)
{
    if (done->is_there && done->msg != NULL)
        anqa_msg_free(done->msg);
    anqa_heap_free(done->input);
    *done = (struct done){0};
}

/* It has ended or is about to: nothing of it may reach the consumer's mailbox later. */
static void let_go(const anqa_task_stream *stream, const anqa_task *task)
{
    if (is_linked(stream))
        child_unlink(task->pid);
}

void anqa_task_stream_close(anqa_task_stream *stream)
{
    if (stream == NULL)
        return;
    for (uint32_t i = 0; i < stream->running_count; i++) {
        let_go(stream, &stream->running[i].task);
        anqa_request_cancel(stream->running[i].task.ref);
        anqa_heap_free(stream->running[i].input);
    }
    stream_kill(stream);
    (void)anqa_defer_cancel(stream->killer);
    for (uint32_t i = 0; i < stream->room; i++)
        done_free(&stream->done[i]);
    done_free(&stream->shown);
    anqa_heap_free(stream->done);
    anqa_heap_free(stream->running);
    anqa_heap_free(stream->arg);
    anqa_heap_free(stream);
}

/* ---------------------------------------------------------------- starting tasks */

static anqa_task start(const anqa_task_stream *stream)
{
    const anqa_task_stream_opts *opts = &stream->opts;
    anqa_status status;
    anqa_error err;
    anqa_task task;

    if (anqa_pid_is_none(opts->supervisor))
        return anqa_task_async(opts->run, stream->arg, opts->arg_size);
    status = (opts->nolink ? anqa_task_async_nolink : anqa_task_async_under)(
        opts->supervisor, opts->run, stream->arg, opts->arg_size, &task, &err);
    if (status != ANQA_OK)
        anqa_exit(anqa_reason_make(
            ANQA_REASON_SYSTEM_LIMIT, "a stream's task cannot be started: %s", err.text));
    return task;
}

static bool has_room(const anqa_task_stream *stream)
{
    return stream->running_count < stream->opts.max_concurrency &&
           (stream->opts.unordered || stream->started - stream->delivered < stream->room);
}

static void start_more(anqa_task_stream *stream)
{
    const anqa_task_stream_opts *opts = &stream->opts;

    while (!stream->at_end && has_room(stream)) {
        struct running *running = &stream->running[stream->running_count];
        memset(stream->arg, 0, opts->arg_size);
        if (!opts->next(opts->source, stream->arg)) {
            stream->at_end = true;
            return;
        }
        *running = (struct running){.task = start(stream),
            .index = stream->started++,
            .deadline =
                opts->timeout_ms == ANQA_INFINITY ? UINT64_MAX : anqa_now_ms() + opts->timeout_ms};
        stream->running_count++;
        if (opts->zip_input_on_exit)
            running->input = memcpy(anqa_heap_alloc(opts->arg_size), stream->arg, opts->arg_size);
    }
}

/* ---------------------------------------------------------------- results */

static struct done *place_of(anqa_task_stream *stream, uint64_t index)
{
    return &stream->done[stream->opts.unordered ? 0 : index % stream->room];
}

/* msg: NULL if it was killed. Returns the item's index. */
static uint64_t finish(anqa_task_stream *stream, uint32_t at, const anqa_msg *msg)
{
    struct running running = stream->running[at];

    stream->running[at] = stream->running[--stream->running_count];
    if (msg != NULL)
        anqa_msg_keep(msg); /* the event may be long */
    *place_of(stream, running.index) =
        (struct done){.msg = msg, .input = running.input, .is_there = true};
    let_go(stream, &running.task);
    return running.index;
}

static uint32_t find(const anqa_task_stream *stream, anqa_ref ref)
{
    uint32_t i = 0;

    while (i < stream->running_count && !anqa_ref_eq(stream->running[i].task.ref, ref))
        i++;
    return i;
}

static bool is_of_stream(const anqa_msg *msg, void *arg)
{
    const anqa_task_stream *stream = arg;

    return msg->ref.bits != 0 && find(stream, msg->ref) < stream->running_count;
}

/* The one that is to be late first. */
static uint32_t find_oldest(const anqa_task_stream *stream)
{
    uint32_t oldest = 0;

    for (uint32_t i = 1; i < stream->running_count; i++)
        if (stream->running[i].deadline < stream->running[oldest].deadline)
            oldest = i;
    return oldest;
}

static uint64_t too_late(anqa_task_stream *stream, uint32_t at)
{
    anqa_task task = stream->running[at].task;
    char pid[ANQA_PID_TEXT];

    if (!stream->opts.kill_on_timeout)
        anqa_exit(anqa_reason_make(ANQA_REASON_TIMEOUT, "task %s of a stream: no result in %u ms",
            anqa_pid_text(task.pid, pid), stream->opts.timeout_ms));
    return finish(stream, at, anqa_task_shutdown(&task, ANQA_BRUTAL_KILL));
}

/* Waits for one task. */
static uint64_t wait_for_one(anqa_task_stream *stream)
{
    uint32_t oldest = find_oldest(stream), left = ANQA_INFINITY;
    uint64_t deadline = stream->running[oldest].deadline, now = anqa_now_ms();
    const anqa_msg *msg;

    if (deadline != UINT64_MAX)
        left = deadline <= now ? 0 : (uint32_t)(deadline - now);
    msg = anqa_receive_if(is_of_stream, stream, left);
    if (msg == NULL)
        return too_late(stream, oldest);
    /* It would end us by its link a moment later or earlier: always, then. */
    if (anqa_task_crashed(msg) && is_linked(stream) && !child_traps_exits() &&
        anqa_reason_get_kind(msg->u.reason) != ANQA_REASON_NORMAL)
        anqa_exit(anqa_reason_ref(msg->u.reason));
    return finish(stream, find(stream, msg->ref), msg);
}

static void show(anqa_task_stream *stream, uint64_t index, anqa_task_item *ret_item)
{
    struct done *done = place_of(stream, index), *shown = &stream->shown;
    bool is_result = done->msg != NULL && !anqa_task_crashed(done->msg);

    *shown = *done;
    *done = (struct done){0};
    stream->delivered++;
    *ret_item = (anqa_task_item){.index = index,
        .result = is_result ? shown->msg : NULL,
        .reason = is_result            ? (anqa_reason){0}
                  : shown->msg != NULL ? shown->msg->u.reason
                                       : anqa_reason_of(ANQA_REASON_TIMEOUT),
        .input = is_result ? NULL : shown->input};
}

bool anqa_task_stream_next(anqa_task_stream *stream, anqa_task_item *ret_item)
{
    uint64_t index = stream->delivered;

    done_free(&stream->shown);
    start_more(stream);
    while (!place_of(stream, index)->is_there) {
        if (stream->running_count == 0)
            return false;
        if (stream->opts.unordered) {
            index = wait_for_one(stream);
        } else {
            (void)wait_for_one(stream);
            start_more(stream);
        }
    }
    show(stream, index, ret_item);
    return true;
}
