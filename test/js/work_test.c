/* How many workers scripts keep busy at once. */
#include "support.h"

#include <stdatomic.h>
#include <time.h>

#include "js/work.h"
#include "runtime/worker.h"

static _Atomic(uint32_t) running, most, ended;
static _Atomic(uint64_t) order; /* families in the order they were served, the last digits */
static _Atomic(bool) may_end;
static _Atomic(uint32_t) light_after; /* so many have been served before family 2 was */

enum { UNTIL_MAY_END = 0 };

struct asked {
    anqa_pid asker, family;
    uint32_t ms;
    bool looks; /* else it works */
};

static void work(void *job)
{
    const struct asked *asked = job;
    uint32_t now = atomic_fetch_add(&running, 1) + 1, before = atomic_load(&most);

    while (before < now && !atomic_compare_exchange_weak(&most, &before, now))
        ;
    if (asked->family.bits == 2)
        atomic_store(&light_after, atomic_load(&ended));
    do
        nanosleep(&(struct timespec){.tv_nsec = (asked->ms + 1) * 1000000L}, NULL);
    while (asked->ms == UNTIL_MAY_END && !atomic_load(&may_end));
    atomic_store(
        &order, atomic_load(&order) * 10 + asked->family.bits); /* read where one works at a time */
    atomic_fetch_sub(&running, 1);
    atomic_fetch_add(&ended, 1);
}

/* The status, in a byte. */
static anqa_payload ask(void *arg)
{
    struct work_gates *gates = &js_rt_get()->gates;
    struct asked *asked = arg;
    char *status = anqa_arena_alloc(anqa_tmp(), 1);

    *status = (char)work_blocking(
        asked->looks ? &gates->looks : &gates->work, asked->asker, asked->family, work, asked);
    return anqa_bytes(status, 1);
}

static anqa_task start(anqa_pid asker, uint32_t ms)
{
    return anqa_task_async(ask, &(struct asked){asker, asker, ms, false}, sizeof(struct asked));
}

static anqa_status status_of(anqa_task task)
{
    return (anqa_status)(signed char)anqa_task_await(&task, LONG_MS)->body.ptr[0];
}

static anqa_rt *begin(uint16_t workers, uint32_t queue)
{
    atomic_store(&running, 0);
    atomic_store(&most, 0);
    atomic_store(&ended, 0);
    atomic_store(&order, 0);
    atomic_store(&may_end, false);
    return js_begin_with(&(anqa_options){
        .schedulers = 2, .workers = workers, .worker_queue = queue, .watchdog_ms = ANQA_INFINITY});
}

static void wait_until_it_runs(void)
{
    while (atomic_load(&running) == 0)
        anqa_sleep(1);
}

TEST(scripts_keep_half_of_the_workers_busy)
{
    anqa_rt *rt = begin(4, 0);
    anqa_task tasks[8];

    for (size_t i = 0; i < ANQA_COUNT(tasks); i++)
        tasks[i] = start(anqa_self(), 20);
    for (size_t i = 0; i < ANQA_COUNT(tasks); i++)
        CHECK_STATUS(status_of(tasks[i]), ANQA_OK);
    CHECK_EQ(atomic_load(&most), 2u);
    CHECK_EQ(atomic_load(&ended), 8u);
    js_end(rt);
}

TEST(the_only_worker_works_for_scripts_too)
{
    anqa_rt *rt = begin(1, 0);

    CHECK_STATUS(status_of(start(anqa_self(), 1)), ANQA_OK);
    js_end(rt);
}

TEST(the_place_of_one_that_is_killed_is_free_when_its_worker_is_done)
{
    anqa_rt *rt = begin(2, 0);
    anqa_task killed = start(anqa_self(), 200);

    wait_until_it_runs();
    (void)anqa_task_shutdown(&killed, ANQA_BRUTAL_KILL);
    CHECK_EQ(atomic_load(&ended), 0u);
    CHECK_STATUS(status_of(start(anqa_self(), 1)), ANQA_OK);
    CHECK_EQ(atomic_load(&most), 1u);
    CHECK_EQ(atomic_load(&ended), 2u);
    js_end(rt);
}

TEST(one_that_is_killed_while_it_waits_waits_no_longer)
{
    anqa_rt *rt = begin(2, 1);
    anqa_task first = start(anqa_self(), 200), killed;

    wait_until_it_runs();
    killed = start(anqa_self(), 1);
    CHECK(anqa_task_yield(&killed, 20) == NULL);
    (void)anqa_task_shutdown(&killed, ANQA_BRUTAL_KILL);
    CHECK_STATUS(status_of(start(anqa_self(), 1)), ANQA_OK); /* which waits where it has waited */
    CHECK_STATUS(status_of(first), ANQA_OK);
    CHECK_EQ(atomic_load(&ended), 2u);
    js_end(rt);
}

TEST(as_many_wait_as_may_for_workers)
{
    anqa_rt *rt = begin(2, 1);
    anqa_task first = start(anqa_self(), 200), second;

    wait_until_it_runs();
    second = start(anqa_self(), 1);
    CHECK(anqa_task_yield(&second, 20) == NULL);
    CHECK_STATUS(status_of(start(anqa_self(), 1)), ANQA_E_LIMIT);
    CHECK_STATUS(status_of(first), ANQA_OK);
    CHECK_STATUS(status_of(second), ANQA_OK);
    js_end(rt);
}

TEST(nothing_is_done_for_one_that_has_ended)
{
    anqa_rt *rt = begin(2, 0);
    anqa_pid gone = {0};

    CHECK_STATUS(status_of(start(gone, 1)), ANQA_E_NOPROC);
    CHECK_EQ(atomic_load(&ended), 0u);
    CHECK_STATUS(status_of(start(anqa_self(), 1)), ANQA_OK);
    js_end(rt);
}

static anqa_task start_of(uint64_t family, uint32_t ms)
{
    return anqa_task_async(
        ask, &(struct asked){anqa_self(), (anqa_pid){family}, ms, false}, sizeof(struct asked));
}

/* Until so many wait for a worker. */
static void wait_until_queued(uint32_t count)
{
    struct js_rt *rt = js_rt_get();
    uint32_t waiting = 0;

    for (uint32_t i = 0; i < LONG_MS && waiting != count; i++) {
        anqa_sleep(1);
        pthread_mutex_lock(&rt->lock);
        waiting = rt->gates.work.waiters + rt->gates.looks.waiters;
        pthread_mutex_unlock(&rt->lock);
    }
    CHECK_EQ(waiting, count);
}

TEST(a_job_waits_for_one_job_of_a_family_that_has_a_hundred)
{
    anqa_rt *rt = begin(2, 300); /* one worker for scripts */
    anqa_task heavy[100], light;
    anqa_task first = start_of(1, UNTIL_MAY_END);

    wait_until_it_runs();
    for (size_t i = 0; i < ANQA_COUNT(heavy); i++)
        heavy[i] = start_of(1, 1);
    wait_until_queued(ANQA_COUNT(heavy));
    light = start_of(2, 1);
    wait_until_queued(ANQA_COUNT(heavy) + 1);
    atomic_store(&may_end, true);
    CHECK_STATUS(status_of(light), ANQA_OK);
    CHECK_EQ(atomic_load(&light_after), 1u);
    CHECK_STATUS(status_of(first), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(heavy); i++)
        CHECK_STATUS(status_of(heavy[i]), ANQA_OK);
    js_end(rt);
}

TEST(families_take_turns_for_workers)
{
    static const uint64_t families[] = {1, 1, 1, 1, 2, 2, 3};
    anqa_rt *rt = begin(2, 300);
    anqa_task tasks[ANQA_COUNT(families)], first = start_of(1, UNTIL_MAY_END);

    wait_until_it_runs();
    for (uint32_t i = 0; i < ANQA_COUNT(families); i++) {
        tasks[i] = start_of(families[i], 1);
        wait_until_queued(i + 1);
    }
    atomic_store(&may_end, true);
    CHECK_STATUS(status_of(first), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(families); i++)
        CHECK_STATUS(status_of(tasks[i]), ANQA_OK);
    CHECK_EQ(atomic_load(&order), 12312111u); /* the first, and these */
    js_end(rt);
}

enum { TIMES = 50 };

/* One job after the other. */
static anqa_payload ask_on(void *arg)
{
    struct asked *asked = arg;

    for (int i = 0; i < TIMES; i++)
        CHECK_STATUS(
            work_blocking(&js_rt_get()->gates.work, asked->asker, asked->family, work, asked),
            ANQA_OK);
    return anqa_nothing();
}

TEST(families_that_ask_again_and_again_pass_nobody_who_waits)
{
    anqa_rt *rt = begin(2, 300); /* one worker for scripts */
    anqa_task first = start_of(2, UNTIL_MAY_END), second, others[2];

    wait_until_it_runs();
    second = start_of(2, 1);
    wait_until_queued(1);
    for (uint32_t i = 0; i < ANQA_COUNT(others); i++) {
        others[i] = anqa_task_async(ask_on,
            &(struct asked){anqa_self(), (anqa_pid){3 + i}, 1, false}, sizeof(struct asked));
        wait_until_queued(2 + i);
    }
    atomic_store(&may_end, true);
    CHECK_STATUS(status_of(first), ANQA_OK);
    CHECK_STATUS(status_of(second), ANQA_OK);
    CHECK_EQ(atomic_load(&light_after), 3u); /* the first, and one of each that was there */
    for (size_t i = 0; i < ANQA_COUNT(others); i++)
        (void)anqa_task_await(&others[i], LONG_MS);
    js_end(rt);
}

TEST(a_family_fills_half_of_the_queue)
{
    anqa_rt *rt = begin(2, 4);
    anqa_task first = start_of(1, UNTIL_MAY_END), waiting[2], other;

    wait_until_it_runs();
    for (size_t i = 0; i < ANQA_COUNT(waiting); i++)
        waiting[i] = start_of(1, 1);
    wait_until_queued(2);
    CHECK_STATUS(status_of(start_of(1, 1)), ANQA_E_LIMIT);
    other = start_of(2, 1);
    wait_until_queued(3);
    atomic_store(&may_end, true);
    CHECK_STATUS(status_of(other), ANQA_OK);
    CHECK_STATUS(status_of(first), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(waiting); i++)
        CHECK_STATUS(status_of(waiting[i]), ANQA_OK);
    js_end(rt);
}

/* ---------------------------------------------------------------- both kinds */

enum { LOOKS = 6, WORKS = 5, KINDS = LOOKS + WORKS };

static anqa_task start_look(uint64_t family, uint32_t ms)
{
    return anqa_task_async(
        ask, &(struct asked){anqa_self(), (anqa_pid){family}, ms, true}, sizeof(struct asked));
}

/* As many of both as may be of each, all of other families. */
static void start_both(anqa_task tasks[KINDS], uint32_t ms)
{
    for (uint32_t i = 0; i < KINDS; i++)
        tasks[i] = i < LOOKS ? start_look(10 + i, ms) : start_of(10 + i, ms);
}

static void end_both(anqa_task tasks[KINDS])
{
    atomic_store(&may_end, true);
    for (uint32_t i = 0; i < KINDS; i++)
        CHECK_STATUS(status_of(tasks[i]), ANQA_OK);
    CHECK_EQ(atomic_load(&ended), (uint32_t)KINDS);
}

static void nothing(void *job)
{
}

/* Of the program, in a process of a scheduler. */
static anqa_payload ask_as_others(void *arg)
{
    char *status = anqa_arena_alloc(anqa_tmp(), 1);

    *status = (char)anqa_blocking(nothing, NULL, 0);
    return anqa_bytes(status, 1);
}

TEST(look_ups_and_work_together_leave_two_workers_to_others)
{
    static const struct {
        uint16_t workers;
        uint32_t most;
    } cases[] = {{1, 1}, {2, 1}, {3, 1}, {4, 2}, {8, 6}, {10, 8}, {20, 11}};

    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        anqa_rt *rt = begin(cases[i].workers, 0);
        anqa_task tasks[KINDS];
        start_both(tasks, UNTIL_MAY_END);
        wait_until_queued(KINDS - cases[i].most);
        for (uint32_t k = 0; k < LONG_MS && atomic_load(&running) < cases[i].most; k++)
            anqa_sleep(1);
        if (cases[i].workers > 1) /* whose worker none of them gives back */
            CHECK_STATUS(status_of(anqa_task_async(ask_as_others, NULL, 0)), ANQA_OK);
        end_both(tasks);
        CHECK_EQ(atomic_load(&most), cases[i].most, "%u workers", cases[i].workers);
        js_end(rt);
    }
}

TEST(the_worker_that_is_free_is_for_the_kind_that_has_fewer)
{
    anqa_rt *rt = begin(3, 0); /* one for scripts */
    anqa_task tasks[4], first = start_look(1, UNTIL_MAY_END);

    wait_until_it_runs();
    for (uint32_t i = 0; i < ANQA_COUNT(tasks); i++) {
        tasks[i] = i < 2 ? start_look(2 + i, 1) : start_of(2 + i, 1);
        wait_until_queued(i + 1);
    }
    atomic_store(&may_end, true);
    CHECK_STATUS(status_of(first), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(tasks); i++)
        CHECK_STATUS(status_of(tasks[i]), ANQA_OK);
    CHECK_EQ(atomic_load(&order), 14253u); /* the first, and these in turns */
    js_end(rt);
}
