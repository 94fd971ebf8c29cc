/* Tasks: each rule of Elixir's that is promised, by name. */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const anqa_dynamic_supervisor tasks = {.name = "tasks", .child = ANQA_TASK_CHILD};

/* What a task does: waits so long, then ends as `kind` says, or answers with twice the value. */
struct work {
    int64_t value;
    uint32_t nap_ms;
    anqa_reason_kind kind;
};

static atomic_int running, most_running;

static anqa_payload twice(void *arg)
{
    struct work *work = arg;

    if (work->nap_ms > 0)
        anqa_sleep(work->nap_ms);
    if (work->kind != ANQA_REASON_NONE)
        anqa_exit(anqa_reason_make(work->kind, "as told"));
    work->value *= 2;
    return anqa_bytes(&work->value, sizeof work->value);
}

static int64_t number(const anqa_msg *result)
{
    int64_t value;

    CHECK(result != NULL && !anqa_task_crashed(result));
    CHECK_EQ(result->body.len, sizeof value);
    memcpy(&value, result->body.ptr, sizeof value);
    return value;
}

static anqa_task async(struct work work)
{
    return anqa_task_async(twice, &work, sizeof work);
}

static anqa_pid supervisor_start(void)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_dynamic_supervisor_start_link(&tasks, &pid, NULL), ANQA_OK);
    return pid;
}

static void supervisor_stop(anqa_pid supervisor)
{
    CHECK_STATUS(anqa_supervisor_stop(supervisor, ANQA_SHUTDOWN, ANQA_INFINITY), ANQA_OK);
}

static anqa_task nolink(anqa_pid supervisor, struct work work)
{
    anqa_error err = {0};
    anqa_task task = {0};

    CHECK_STATUS(anqa_task_async_nolink(supervisor, twice, &work, sizeof work, &task, &err),
        ANQA_OK, "%s", err.text);
    return task;
}

/* ---------------------------------------------------------------- async, await */

TEST(await_brings_what_the_function_returned_from_a_copy_of_the_argument)
{
    anqa_rt *rt = begin();
    struct work work = {.value = 21};
    anqa_task task = anqa_task_async(twice, &work, sizeof work);

    work.value = 0;
    CHECK_EQ(number(anqa_task_await(&task, ANQA_TASK_TIMEOUT_MS)), 42);
    (void)end_of(task.pid);
    end(rt);
}

static anqa_payload as_json(void *arg)
{
    return anqa_text(anqa_jsonf("{'answer': %d}", 42));
}

static atomic_int drops;

static void counted_drop(void *object)
{
    atomic_fetch_add_explicit(&drops, 1, memory_order_relaxed);
    free(object);
}

static const anqa_type counted = {.name = "counted", .size = 1, .drop = counted_drop};

static anqa_payload as_object(void *arg)
{
    char *object = malloc(1);

    ANQA_REQUIRE(object != NULL);
    return anqa_moved(&counted, object);
}

TEST(a_result_may_be_json_or_a_moved_object)
{
    anqa_rt *rt = begin();
    anqa_task json = anqa_task_async(as_json, NULL, 0),
              object = anqa_task_async(as_object, NULL, 0);
    void *taken;

    CHECK_EQ(anqa_json_int(anqa_task_await(&json, ANQA_TASK_TIMEOUT_MS)->body, "answer", 0), 42);
    taken = anqa_msg_take(anqa_task_await(&object, ANQA_TASK_TIMEOUT_MS), &counted);
    CHECK(taken != NULL);
    CHECK_EQ(atomic_load(&drops), 0);
    counted_drop(taken);
    end(rt);
}

static anqa_payload is_aligned(void *arg)
{
    (void)anqa_receive(0); /* ends the event that brought the argument */
    ANQA_REQUIRE((uintptr_t)arg % 16 == 0);
    return anqa_bytes(arg, 5000);
}

TEST(a_long_argument_is_aligned_and_lives_as_long_as_the_task)
{
    anqa_rt *rt = begin();
    char bytes[5000];
    anqa_task task;

    memset(bytes, 'x', sizeof bytes);
    task = anqa_task_async(is_aligned, bytes, sizeof bytes);
    CHECK_EQ(
        memcmp(anqa_task_await(&task, ANQA_TASK_TIMEOUT_MS)->body.ptr, bytes, sizeof bytes), 0);
    end(rt);
}

static anqa_payload pointer(void *arg)
{
    return anqa_bytes(&((struct work *)arg)->value, sizeof(int64_t));
}

TEST(without_a_size_the_pointer_itself_is_handed_on)
{
    static struct work work = {.value = 5};
    anqa_rt *rt = begin();
    anqa_task task = anqa_task_async(pointer, &work, 0);

    CHECK_EQ(number(anqa_task_await(&task, ANQA_TASK_TIMEOUT_MS)), 5);
    end(rt);
}

static void await_late(void *arg)
{
    anqa_task task = async((struct work){.nap_ms = 60000});

    (void)anqa_task_await(&task, 20);
}

static void await_late_with_the_usual_time(void *arg)
{
    anqa_task task = async((struct work){.nap_ms = 60000});

    (void)anqa_task_await(&task, ANQA_TASK_TIMEOUT_MS);
}

TEST(await_exits_the_caller_when_the_time_is_over)
{
    anqa_rt *rt = begin();

    CHECK_EQ(outcome_of(await_late, NULL, NULL, 0), ANQA_REASON_TIMEOUT);
    end(rt);
}

TEST(the_usual_time_is_five_seconds)
{
    anqa_rt *rt = begin_deterministic();
    uint64_t since = anqa_now_ms();

    CHECK_EQ(outcome_of(await_late_with_the_usual_time, NULL, NULL, 0), ANQA_REASON_TIMEOUT);
    CHECK(anqa_now_ms() - since >= 5000 && anqa_now_ms() - since < 5100);
    end(rt);
}

static void await_crashing(void *arg)
{
    anqa_task task;

    anqa_trap_exit(true); /* so that not the link ends us */
    task = async((struct work){.kind = *(anqa_reason_kind *)arg});
    (void)anqa_task_await(&task, ANQA_TASK_TIMEOUT_MS);
}

TEST(await_exits_the_caller_when_the_task_crashes_with_its_reason)
{
    anqa_rt *rt = begin();
    anqa_reason_kind quota = ANQA_REASON_QUOTA, normal = ANQA_REASON_NORMAL;
    char text[300];

    CHECK_EQ(outcome_of(await_crashing, &quota, text, sizeof text), ANQA_REASON_QUOTA);
    CHECK(strstr(text, "as told") != NULL, "%s", text);
    CHECK_EQ(outcome_of(await_crashing, &normal, NULL, 0), ANQA_REASON_ERROR);
    end(rt);
}

static void own_crashing(void *arg)
{
    (void)async((struct work){.kind = ANQA_REASON_QUOTA}).pid;
    anqa_sleep(60000);
}

static void own_and_crash(void *arg)
{
    anqa_task task = async((struct work){.nap_ms = 60000});

    (void)anqa_send(*(anqa_pid *)arg, "task", anqa_bytes(&task.pid, sizeof task.pid));
    anqa_exit(anqa_error_reason("owner"));
}

TEST(a_task_and_its_owner_are_linked)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self(), task;

    CHECK_EQ(outcome_of(own_crashing, NULL, NULL, 0), ANQA_REASON_QUOTA);
    CHECK_EQ(outcome_of(own_and_crash, &self, NULL, 0), ANQA_REASON_ERROR);
    memcpy(&task, expect("task")->body.ptr, sizeof task);
    (void)end_of(task);
    end(rt);
}

static void await_as_stranger(void *arg)
{
    (void)anqa_task_await(arg, 10);
}

static void yield_many_as_stranger(void *arg)
{
    const anqa_msg *result;

    (void)anqa_task_yield_many(arg, 1, &result, 10, ANQA_TASK_LATE_NOTHING);
}

static void shut_down_as_stranger(void *arg)
{
    (void)anqa_task_shutdown(arg, 10);
}

TEST(only_the_owner_may_await_ask_or_end_a_task)
{
    static void (*const ways[])(void *arg) = {
        await_as_stranger, yield_many_as_stranger, shut_down_as_stranger};
    anqa_rt *rt = begin();
    anqa_task task = async((struct work){.value = 1, .nap_ms = 60000});
    char text[200];

    for (size_t i = 0; i < ANQA_COUNT(ways); i++) {
        CHECK_EQ(outcome_of(ways[i], &task, text, sizeof text), ANQA_REASON_CONTRACT, "%zu", i);
        CHECK(strstr(text, "only its owner") != NULL, "%s", text);
    }
    CHECK(anqa_is_alive(task.pid));
    CHECK(anqa_task_shutdown(&task, ANQA_BRUTAL_KILL) == NULL);
    end(rt);
}

/* ---------------------------------------------------------------- yield, shutdown, ignore, completed */

TEST(yield_gives_nothing_when_not_ready_and_may_be_asked_again)
{
    anqa_rt *rt = begin_deterministic();
    anqa_task task = async((struct work){.value = 3, .nap_ms = 100});

    CHECK(anqa_task_yield(&task, 0) == NULL);
    CHECK(anqa_task_yield(&task, 50) == NULL);
    CHECK_EQ(number(anqa_task_yield(&task, 100)), 6);
    end(rt);
}

TEST(shutdown_gives_nothing_when_it_ended_the_task)
{
    anqa_rt *rt = begin();
    anqa_task task = async((struct work){.nap_ms = 60000});

    CHECK(anqa_task_shutdown(&task, HARNESS_LONG_MS) == NULL);
    CHECK(!anqa_is_alive(task.pid));
    CHECK(nothing_came("EXIT"));
    end(rt);
}

static anqa_payload stubborn(void *arg)
{
    anqa_trap_exit(true);
    report(*(anqa_pid *)arg, "stubborn", "");
    anqa_sleep(ANQA_INFINITY - 1);
    return anqa_nothing();
}

TEST(shutdown_kills_a_task_that_does_not_end_in_time)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self();
    anqa_task task = anqa_task_async(stubborn, &self, sizeof self);

    (void)expect("stubborn");
    CHECK(anqa_task_shutdown(&task, 20) == NULL);
    CHECK(!anqa_is_alive(task.pid));
    end(rt);
}

TEST(a_brutal_kill_does_not_wait)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self();
    anqa_task task = anqa_task_async(stubborn, &self, sizeof self);

    (void)expect("stubborn");
    CHECK(anqa_task_shutdown(&task, ANQA_BRUTAL_KILL) == NULL);
    CHECK(!anqa_is_alive(task.pid));
    end(rt);
}

TEST(shutdown_gives_the_reply_that_came_meanwhile)
{
    anqa_rt *rt = begin_deterministic();
    anqa_task task = async((struct work){.value = 4});

    anqa_sleep(10);
    CHECK_EQ(number(anqa_task_shutdown(&task, ANQA_BRUTAL_KILL)), 8);
    end(rt);
}

TEST(shutdown_gives_the_reason_of_a_task_that_crashed_before)
{
    anqa_rt *rt = begin_deterministic();
    anqa_task task = async((struct work){.kind = ANQA_REASON_QUOTA});
    const anqa_msg *result;

    anqa_sleep(10);
    result = anqa_task_shutdown(&task, HARNESS_LONG_MS);
    CHECK(result != NULL && anqa_task_crashed(result));
    CHECK_EQ(anqa_reason_get_kind(result->u.reason), ANQA_REASON_QUOTA);
    end(rt);
}

TEST(an_ignored_task_goes_on_and_its_result_does_not_come)
{
    anqa_rt *rt = begin_deterministic();
    anqa_task task = async((struct work){.value = 1, .nap_ms = 100, .kind = ANQA_REASON_ERROR});
    anqa_task done = async((struct work){.value = 5});

    anqa_sleep(10);
    CHECK(anqa_task_ignore(&task) == NULL);
    CHECK(anqa_is_alive(task.pid));
    anqa_sleep(200);
    CHECK(!anqa_is_alive(task.pid));
    CHECK(anqa_task_yield(&task, 0) == NULL);
    CHECK(nothing_came("DOWN"));
    CHECK_EQ(number(anqa_task_ignore(&done)), 10);
    end(rt);
}

TEST(a_completed_task_has_its_result)
{
    anqa_rt *rt = begin();
    int64_t values[] = {7, 8, 9};
    anqa_task made[3];

    for (size_t i = 0; i < 3; i++)
        made[i] = anqa_task_completed(anqa_bytes(&values[i], sizeof values[i]));
    CHECK_EQ(number(anqa_task_await(&made[0], 0)), 7);
    CHECK_EQ(number(anqa_task_shutdown(&made[1], 0)), 8);
    CHECK_EQ(number(anqa_task_ignore(&made[2])), 9);
    CHECK(anqa_task_yield(&made[0], 0) == NULL);
    end(rt);
}

/* ---------------------------------------------------------------- many */

TEST(await_many_gives_results_in_the_order_of_the_tasks)
{
    enum { COUNT = 20 };
    anqa_rt *rt = begin();
    anqa_task many[COUNT];
    const anqa_msg *results[COUNT];

    for (int64_t i = 0; i < COUNT; i++)
        many[i] = async((struct work){.value = i, .nap_ms = (uint32_t)(COUNT - i)});
    anqa_task_await_many(many, COUNT, results, ANQA_TASK_TIMEOUT_MS);
    for (int64_t i = 0; i < COUNT; i++)
        CHECK_EQ(number(results[i]), 2 * i);
    end(rt);
}

static void await_many(struct work second, uint32_t timeout_ms)
{
    const anqa_msg *results[2];
    anqa_task many[2];

    anqa_trap_exit(true);
    many[0] = async((struct work){.nap_ms = 60000});
    many[1] = async(second);
    anqa_task_await_many(many, 2, results, timeout_ms);
}

static void await_many_crashing(void *arg)
{
    await_many((struct work){.kind = ANQA_REASON_QUOTA}, 50000);
}

static void await_many_late(void *arg)
{
    await_many((struct work){.value = 1}, 50);
}

TEST(await_many_exits_at_the_first_crash_or_when_the_time_is_over)
{
    anqa_rt *rt = begin_deterministic();
    uint64_t since = anqa_now_ms();

    CHECK_EQ(outcome_of(await_many_crashing, NULL, NULL, 0), ANQA_REASON_QUOTA);
    CHECK(anqa_now_ms() - since < 1000);
    CHECK_EQ(outcome_of(await_many_late, NULL, NULL, 0), ANQA_REASON_TIMEOUT);
    end(rt);
}

TEST(yield_many_waits_once_for_all_and_does_with_late_ones_as_told)
{
    static const anqa_task_late lates[] = {
        ANQA_TASK_LATE_NOTHING, ANQA_TASK_LATE_IGNORE, ANQA_TASK_LATE_KILL};
    anqa_rt *rt = begin_deterministic();

    for (size_t i = 0; i < ANQA_COUNT(lates); i++) {
        anqa_task many[] = {async((struct work){.nap_ms = 2000, .value = 9}),
            async((struct work){.value = 1}), async((struct work){.kind = ANQA_REASON_QUOTA})};
        const anqa_msg *results[3];
        uint64_t since = anqa_now_ms();
        CHECK_EQ(anqa_task_yield_many(many, 3, results, 500, lates[i]), 2);
        CHECK(anqa_now_ms() - since >= 500 && anqa_now_ms() - since < 600);
        CHECK(results[0] == NULL);
        CHECK_EQ(number(results[1]), 2);
        CHECK(anqa_task_crashed(results[2]));
        CHECK_EQ(anqa_is_alive(many[0].pid), lates[i] != ANQA_TASK_LATE_KILL);
        const anqa_msg *later = anqa_task_yield(&many[0], 3000);
        if (lates[i] == ANQA_TASK_LATE_NOTHING)
            CHECK_EQ(number(later), 18);
        else
            CHECK(later == NULL);
    }
    end(rt);
}

/* ---------------------------------------------------------------- without a result, supervised */

static anqa_payload tell(void *arg)
{
    report(*(anqa_pid *)arg, "ran", "");
    return as_object(NULL);
}

TEST(a_started_task_has_no_reply_and_its_result_is_dropped)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self(), pid, supervisor = supervisor_start();

    CHECK_STATUS(anqa_task_start(tell, &self, sizeof self, &pid), ANQA_OK);
    (void)expect("ran");
    (void)end_of(pid);
    CHECK_EQ(atomic_load(&drops), 1);
    CHECK_STATUS(anqa_task_start_child(supervisor, tell, &self, sizeof self, &pid, NULL), ANQA_OK);
    (void)expect("ran");
    (void)end_of(pid);
    CHECK_EQ(atomic_load(&drops), 2);
    CHECK(nothing_came("reply"));
    supervisor_stop(supervisor);
    end(rt);
}

TEST(the_crash_of_a_nolink_task_is_a_message_and_its_success_a_reply_once)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid supervisor = supervisor_start();
    anqa_task good = nolink(supervisor, (struct work){.value = 1}),
              bad = nolink(supervisor, (struct work){.kind = ANQA_REASON_QUOTA});
    const anqa_msg *msg;

    anqa_sleep(10);
    msg = expect("reply");
    CHECK_EQ(msg->ref.bits, good.ref.bits);
    CHECK_EQ(number(msg), 2);
    msg = expect("DOWN");
    CHECK_EQ(msg->ref.bits, bad.ref.bits);
    CHECK_EQ(anqa_reason_get_kind(msg->u.reason), ANQA_REASON_QUOTA);
    CHECK(nothing_came("DOWN"));
    CHECK(nothing_came("EXIT"));
    supervisor_stop(supervisor);
    end(rt);
}

static void own_nolink_and_end(void *arg)
{
    anqa_task task = nolink(anqa_whereis("tasks"), (struct work){.nap_ms = 200});

    (void)anqa_send(*(anqa_pid *)arg, "task", anqa_bytes(&task.pid, sizeof task.pid));
    anqa_exit(anqa_error_reason("owner"));
}

TEST(a_nolink_task_outlives_its_owner)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid self = anqa_self(), supervisor = supervisor_start(), task;

    (void)outcome_of(own_nolink_and_end, &self, NULL, 0);
    memcpy(&task, expect("task")->body.ptr, sizeof task);
    anqa_sleep(10);
    CHECK(anqa_is_alive(task));
    CHECK_EQ(end_of(task), ANQA_REASON_NORMAL);
    supervisor_stop(supervisor);
    end(rt);
}

static void own_under(void *arg)
{
    struct work work = {.kind = ANQA_REASON_QUOTA};
    anqa_task task;

    ANQA_REQUIRE(anqa_task_async_under(
                     anqa_whereis("tasks"), twice, &work, sizeof work, &task, NULL) == ANQA_OK);
    anqa_sleep(60000);
}

TEST(a_task_under_a_supervisor_may_be_linked_to_its_owner)
{
    anqa_rt *rt = begin();
    anqa_pid supervisor = supervisor_start();

    CHECK_EQ(outcome_of(own_under, NULL, NULL, 0), ANQA_REASON_QUOTA);
    supervisor_stop(supervisor);
    end(rt);
}

static const anqa_supervisor top = {
    .children = (const anqa_child_spec[]){{.dynamic_supervisor = &tasks}, {0}}};

TEST(a_task_supervisor_is_a_child_as_any_and_its_tasks_are_temporary_and_end_with_it)
{
    anqa_rt *rt = begin();
    anqa_child_counts counts;
    anqa_pid pid;
    anqa_task crashing, sleeping;

    CHECK_STATUS(anqa_supervisor_start_link(&top, &pid, NULL), ANQA_OK);
    crashing = nolink(anqa_whereis("tasks"), (struct work){.kind = ANQA_REASON_ERROR});
    sleeping = nolink(anqa_whereis("tasks"), (struct work){.nap_ms = 60000});
    CHECK(anqa_task_crashed(anqa_task_yield(&crashing, HARNESS_LONG_MS)));
    (void)end_of(crashing.pid);
    CHECK_STATUS(anqa_supervisor_count_children(anqa_whereis("tasks"), &counts), ANQA_OK);
    CHECK_EQ(counts.specs, 1);
    CHECK_STATUS(anqa_supervisor_stop(pid, ANQA_SHUTDOWN, ANQA_INFINITY), ANQA_OK);
    CHECK_EQ(anqa_reason_get_kind(anqa_task_yield(&sleeping, HARNESS_LONG_MS)->u.reason),
        ANQA_REASON_SHUTDOWN);
    end(rt);
}

TEST(max_children_bounds_the_tasks_of_a_supervisor)
{
    static const anqa_dynamic_supervisor one = {
        .name = "one", .max_children = 1, .child = ANQA_TASK_CHILD};
    anqa_rt *rt = begin();
    struct work work = {.nap_ms = 60000};
    anqa_pid supervisor;
    anqa_task task;
    anqa_error err;

    CHECK_STATUS(anqa_dynamic_supervisor_start_link(&one, &supervisor, NULL), ANQA_OK);
    (void)nolink(supervisor, work);
    CHECK_STATUS(
        anqa_task_async_nolink(supervisor, twice, &work, sizeof work, &task, &err), ANQA_E_LIMIT);
    CHECK(strstr(err.text, "max_children") != NULL, "%s", err.text);
    CHECK_STATUS(
        anqa_task_start_child(supervisor, twice, &work, sizeof work, NULL, &err), ANQA_E_LIMIT);
    supervisor_stop(supervisor);
    CHECK_STATUS(
        anqa_task_start_child(supervisor, twice, &work, sizeof work, NULL, &err), ANQA_E_NOPROC);
    end(rt);
}

/* ---------------------------------------------------------------- callers */

static anqa_payload callers(void *arg)
{
    anqa_pid *pids = anqa_arena_alloc(anqa_tmp(), 8 * sizeof *pids);
    size_t count = anqa_callers(pids, 8);

    return anqa_bytes(pids, count * sizeof *pids);
}

/* Its own pid, and then its task's callers. */
static anqa_payload callers_of_inner(void *arg)
{
    anqa_pid *pids = anqa_arena_alloc(anqa_tmp(), 9 * sizeof *pids);
    const anqa_msg *result;
    anqa_task inner;

    if (*(bool *)arg)
        ANQA_REQUIRE(anqa_task_async_nolink(
                         anqa_whereis("tasks"), callers, NULL, 0, &inner, NULL) == ANQA_OK);
    else
        inner = anqa_task_async(callers, NULL, 0);
    result = anqa_task_await(&inner, ANQA_TASK_TIMEOUT_MS);
    pids[0] = anqa_self();
    memcpy(pids + 1, result->body.ptr, result->body.len);
    return anqa_bytes(pids, sizeof *pids + result->body.len);
}

TEST(tasks_inherit_the_chain_of_callers_also_under_a_supervisor)
{
    anqa_rt *rt = begin();
    anqa_pid supervisor = supervisor_start(), pids[3];

    for (int i = 0; i < 4; i++) {
        bool inner = i & 1;
        anqa_task task;
        const anqa_msg *result;
        if (i & 2)
            CHECK_STATUS(anqa_task_async_nolink(
                             supervisor, callers_of_inner, &inner, sizeof inner, &task, NULL),
                ANQA_OK);
        else
            task = anqa_task_async(callers_of_inner, &inner, sizeof inner);
        result = anqa_task_await(&task, ANQA_TASK_TIMEOUT_MS);
        CHECK_EQ(result->body.len, sizeof pids, "%d", i);
        memcpy(pids, result->body.ptr, sizeof pids);
        CHECK_EQ(pids[0].bits, task.pid.bits);
        CHECK_EQ(pids[1].bits, task.pid.bits);
        CHECK_EQ(pids[2].bits, anqa_self().bits);
    }
    supervisor_stop(supervisor);
    end(rt);
}

/* ---------------------------------------------------------------- streams */

/* Items 0 to count-1; counts those that were asked for. */
struct source {
    int64_t at, count;
    struct work (*item)(int64_t i);
};

static bool source_next(void *arg, void *ret_item)
{
    struct source *source = arg;
    struct work work = {.value = source->at};

    if (source->at == source->count)
        return false;
    if (source->item != NULL)
        work = source->item(source->at);
    memcpy(ret_item, &work, sizeof work);
    source->at++;
    return true;
}

static anqa_payload twice_counted(void *arg)
{
    int now = atomic_fetch_add(&running, 1) + 1, most = atomic_load(&most_running);
    anqa_payload result;

    while (now > most && !atomic_compare_exchange_weak(&most_running, &most, now))
        continue;
    anqa_yield();
    result = twice(arg);
    atomic_fetch_sub(&running, 1);
    return result;
}

static anqa_task_stream_opts over(struct source *source)
{
    return (anqa_task_stream_opts){
        .run = twice, .next = source_next, .source = source, .arg_size = sizeof(struct work)};
}

static struct work later_is_faster(int64_t i)
{
    return (struct work){.value = i, .nap_ms = (uint32_t)(100 - i * 10)};
}

TEST(a_stream_is_in_the_order_of_the_items_unless_told_otherwise)
{
    anqa_rt *rt = begin_deterministic();

    for (int unordered = 0; unordered < 2; unordered++) {
        struct source source = {.count = 8, .item = later_is_faster};
        anqa_task_stream_opts opts = over(&source);
        anqa_task_stream *stream;
        anqa_task_item item;
        uint64_t expected = unordered ? 7 : 0;
        opts.max_concurrency = 8;
        opts.unordered = unordered;
        stream = anqa_task_stream_open(&opts);
        for (int i = 0; i < 8; i++, expected += unordered ? (uint64_t)-1 : 1) {
            CHECK(anqa_task_stream_next(stream, &item));
            CHECK_EQ(item.index, expected);
            CHECK_EQ(number(item.result), 2 * (int64_t)expected);
        }
        CHECK(!anqa_task_stream_next(stream, &item));
        CHECK(!anqa_task_stream_next(stream, &item));
        anqa_task_stream_close(stream);
    }
    end(rt);
}

TEST(a_stream_runs_as_many_tasks_as_schedulers_and_asks_for_items_only_when_it_has_room)
{
    anqa_rt *rt = begin();
    struct source source = {.count = INT64_MAX};
    anqa_task_stream_opts opts = over(&source);
    anqa_task_stream *stream;
    anqa_task_item item;

    opts.run = twice_counted;
    opts.unordered = true;
    stream = anqa_task_stream_open(&opts);
    CHECK_EQ(source.at, 0);
    for (int i = 0; i < 200; i++) {
        CHECK(anqa_task_stream_next(stream, &item));
        CHECK_EQ(source.at, i + 2); /* delivered before, and what ran when it was asked for */
    }
    CHECK(atomic_load(&most_running) <= 2);
    anqa_task_stream_close(stream);
    end(rt);
}

TEST(very_many_items_hold_only_a_few_tasks_and_results)
{
    enum { MOST = 8 };
    const int64_t all = 100000 / harness_slowness();
    anqa_rt *rt = begin();
    anqa_rt_stats before, now;
    struct source source = {.count = all};
    anqa_task_stream_opts opts = over(&source);
    anqa_task_stream *stream;
    anqa_task_item item;
    int64_t sum = 0, count = 0;

    opts.run = twice_counted;
    opts.max_concurrency = MOST;
    opts.max_waiting = MOST;
    anqa_rt_get_stats(rt, &before);
    stream = anqa_task_stream_open(&opts);
    while (anqa_task_stream_next(stream, &item)) {
        CHECK_EQ(item.index, count);
        sum += number(item.result);
        CHECK(source.at <= ++count + 2 * MOST);
        if (count % 1000 != 0)
            continue;
        anqa_rt_get_stats(rt, &now);
        CHECK(now.processes <= before.processes + 4 * MOST, "%lld", (long long)now.processes);
        CHECK(now.messages <= before.messages + 1000, "%lld", (long long)now.messages);
        CHECK(now.heap_bytes <= before.heap_bytes + (1 << 20), "%lld", (long long)now.heap_bytes);
    }
    anqa_task_stream_close(stream);
    CHECK_EQ(count, all);
    CHECK_EQ(sum, all * (all - 1));
    CHECK(atomic_load(&most_running) <= MOST);
    end(rt);
}

static struct work first_is_slow(int64_t i)
{
    return (struct work){.value = i, .nap_ms = i == 0 ? 1000 : 0};
}

TEST(results_that_wait_for_an_earlier_one_are_bounded)
{
    anqa_rt *rt = begin_deterministic();
    struct source source = {.count = 1000, .item = first_is_slow};
    anqa_task_stream_opts opts = over(&source);
    anqa_task_stream *stream;
    anqa_task_item item;
    int64_t count = 0;

    opts.max_concurrency = 2;
    opts.max_waiting = 10;
    stream = anqa_task_stream_open(&opts);
    CHECK(anqa_task_stream_next(stream, &item));
    CHECK_EQ(source.at, 12);
    do
        CHECK_EQ(number(item.result), 2 * count++);
    while (anqa_task_stream_next(stream, &item));
    CHECK_EQ(count, 1000);
    anqa_task_stream_close(stream);
    end(rt);
}

static struct work third_is_late(int64_t i)
{
    return (struct work){.value = i, .nap_ms = i == 2 ? 60000 : 0};
}

static void consume_late(void *arg)
{
    struct source source = {.count = 4, .item = third_is_late};
    anqa_task_stream_opts opts = over(&source);
    anqa_task_stream *stream = anqa_task_stream_open(&opts);
    anqa_task_item item;

    while (anqa_task_stream_next(stream, &item))
        continue;
}

TEST(a_late_task_of_a_stream_exits_the_consumer_after_five_seconds)
{
    anqa_rt *rt = begin_deterministic();
    uint64_t since = anqa_now_ms();

    CHECK_EQ(outcome_of(consume_late, NULL, NULL, 0), ANQA_REASON_TIMEOUT);
    CHECK(anqa_now_ms() - since >= 5000 && anqa_now_ms() - since < 5100);
    end(rt);
}

TEST(a_late_task_that_is_killed_is_an_item_which_may_show_its_input)
{
    anqa_rt *rt = begin_deterministic();

    for (int zip = 0; zip < 2; zip++) {
        struct source source = {.count = 4, .item = third_is_late};
        anqa_task_stream_opts opts = over(&source);
        anqa_task_stream *stream;
        anqa_task_item item;
        opts.kill_on_timeout = true;
        opts.timeout_ms = 100;
        opts.zip_input_on_exit = zip;
        stream = anqa_task_stream_open(&opts);
        for (int64_t i = 0; i < 4; i++) {
            CHECK(anqa_task_stream_next(stream, &item));
            CHECK_EQ(item.result == NULL, i == 2);
            CHECK_EQ(item.input != NULL, i == 2 && zip);
            if (i != 2)
                CHECK_EQ(number(item.result), 2 * i);
            else
                CHECK_EQ(anqa_reason_get_kind(item.reason), ANQA_REASON_TIMEOUT);
            if (item.input != NULL)
                CHECK_EQ(((const struct work *)item.input)->value, 2);
        }
        CHECK(!anqa_task_stream_next(stream, &item));
        anqa_task_stream_close(stream);
    }
    CHECK(nothing_came("EXIT"));
    end(rt);
}

static struct work second_crashes(int64_t i)
{
    return (struct work){.value = i, .kind = i == 1 ? ANQA_REASON_QUOTA : ANQA_REASON_NONE};
}

/* Whether an item that fails is shown; the consumer lives on, or not. */
static void consume_crashing(void *arg)
{
    bool is_nolink = *(bool *)arg;
    struct source source = {.count = 3, .item = second_crashes};
    anqa_task_stream_opts opts = over(&source);
    anqa_task_stream *stream;
    anqa_task_item item;
    int64_t failed = 0;

    opts.supervisor = is_nolink ? anqa_whereis("tasks") : (anqa_pid){0};
    opts.nolink = is_nolink;
    stream = anqa_task_stream_open(&opts);
    while (anqa_task_stream_next(stream, &item))
        if (item.result == NULL) {
            failed++;
            ANQA_REQUIRE(anqa_reason_get_kind(item.reason) == ANQA_REASON_QUOTA);
        }
    ANQA_REQUIRE(failed == 1 && source.at == 3);
}

static void consume_crashing_trapping(void *arg)
{
    anqa_trap_exit(true);
    consume_crashing(arg);
    ANQA_REQUIRE(anqa_receive(0) == NULL);
}

TEST(a_crash_ends_the_consumer_unless_the_stream_is_nolink_or_it_traps_exits)
{
    anqa_rt *rt = begin();
    anqa_pid supervisor = supervisor_start();
    bool is_nolink = false;

    CHECK_EQ(outcome_of(consume_crashing, &is_nolink, NULL, 0), ANQA_REASON_QUOTA);
    CHECK_EQ(outcome_of(consume_crashing_trapping, &is_nolink, NULL, 0), ANQA_REASON_NORMAL);
    is_nolink = true;
    CHECK_EQ(outcome_of(consume_crashing, &is_nolink, NULL, 0), ANQA_REASON_NORMAL);
    supervisor_stop(supervisor);
    end(rt);
}

static struct work all_sleep(int64_t i)
{
    return (struct work){.nap_ms = i == 0 ? 0 : 60000};
}

/* Ends normally, in the middle of its stream. */
static void consume_one(void *arg)
{
    struct source source = {.count = 4, .item = all_sleep};
    anqa_task_stream_opts opts = over(&source);
    anqa_task_stream *stream;
    anqa_task_item item;

    opts.max_concurrency = 4;
    opts.timeout_ms = ANQA_INFINITY;
    stream = anqa_task_stream_open(&opts);
    ANQA_REQUIRE(anqa_task_stream_next(stream, &item));
    if (*(bool *)arg)
        anqa_task_stream_close(stream);
}

static bool nobody_else(void *arg)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(anqa_rt_self(), &stats);
    return stats.processes == *(uint64_t *)arg;
}

TEST(what_still_runs_is_killed_when_the_stream_is_closed_or_its_consumer_ends)
{
    anqa_rt *rt = begin();
    anqa_rt_stats before;

    anqa_rt_get_stats(rt, &before);
    for (int closed = 0; closed < 2; closed++) {
        bool arg = closed;
        CHECK_EQ(outcome_of(consume_one, &arg, NULL, 0), ANQA_REASON_NORMAL);
        CHECK(soon(nobody_else, &before.processes), "closed %d", closed);
    }
    end(rt);
}

/* ---------------------------------------------------------------- memory */

static void whole_life(void *arg)
{
    struct source source = {.count = 5};
    anqa_task_stream_opts opts = over(&source);
    anqa_task_stream *stream;
    anqa_task_item item;
    anqa_task task, under;
    struct work work = {.value = 1};
    anqa_pid supervisor;

    if (anqa_dynamic_supervisor_start_link(&tasks, &supervisor, NULL) != ANQA_OK)
        return;
    if (anqa_task_async_nolink(supervisor, twice, &work, sizeof work, &under, NULL) == ANQA_OK)
        (void)anqa_task_shutdown(&under, 1000);
    task = async(work);
    (void)anqa_task_yield(&task, 1000);
    opts.supervisor = supervisor;
    opts.nolink = true;
    opts.zip_input_on_exit = true;
    stream = anqa_task_stream_open(&opts);
    while (anqa_task_stream_next(stream, &item))
        continue;
    anqa_task_stream_close(stream);
    if (anqa_task_start_child(supervisor, twice, &work, sizeof work, NULL, NULL) != ANQA_OK)
        return;
}

TEST(without_memory_a_task_or_its_owner_ends_and_nothing_is_left_behind)
{
    live_without_memory(whole_life);
}
