/* Timers: when they fire, in which order, what cancelling tells, and that the dead leave none behind. */
#include <stdlib.h>

#include "rt_fixture.h"

/* ---------------------------------------------------------------- with a fake clock */

/* Milliseconds until the next message with this tag. */
static uint64_t wait_for(const char *tag)
{
    uint64_t begin = anqa_now_ms();
    const anqa_msg *msg = anqa_receive_if(rt_has_tag, (void *)(uintptr_t)tag, ANQA_INFINITY);

    CHECK(msg != NULL);
    CHECK_EQ(msg->kind, ANQA_MSG_TIMEOUT);
    anqa_msg_free(msg);
    return anqa_now_ms() - begin;
}

TEST(a_timer_fires_after_its_delay_on_every_level_of_the_wheel)
{
    static const uint32_t delays[] = {1, 2, 62, 63, 64, 65, 127, 128, 4094, 4095, 4096, 4097,
        262143, 262144, 262145, 16777215, 16777216, 16777217, 1073741823, 1073741824, 4000000000,
        UINT32_MAX - 1, UINT32_MAX};
    anqa_rt *rt = rt_open_deterministic(1);

    for (unsigned shift = 0; shift < 70; shift += 7) {
        anqa_sleep(shift); /* the wheel does not always stand at zero */
        for (size_t i = 0; i < ANQA_COUNT(delays); i++) {
            anqa_send_after(anqa_self(), "due", anqa_nothing(), delays[i]);
            CHECK_EQ(wait_for("due"), delays[i]);
        }
    }
    rt_close(rt);
}

TEST(a_timer_without_delay_fires_at_the_next_turn)
{
    anqa_rt *rt = rt_open_deterministic(1);

    anqa_send_after(anqa_self(), "due", anqa_nothing(), 0);
    CHECK(wait_for("due") <= 1);
    rt_close(rt);
}

TEST(timers_fire_in_the_order_of_their_time)
{
    enum { TIMERS = 3000 };
    anqa_rt *rt = rt_open_deterministic(1);
    uint64_t start = anqa_now_ms(), last = 0;

    for (uint64_t i = 0; i < TIMERS; i++) {
        uint64_t delay = 1 + (harness_random() >> (33 + harness_random() % 31));
        uint64_t due = start + delay;
        anqa_send_after(anqa_self(), "due", anqa_bytes(&due, sizeof due), (uint32_t)delay);
    }
    for (uint64_t i = 0; i < TIMERS; i++) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        uint64_t due;
        CHECK(msg != NULL);
        memcpy(&due, msg->body.ptr, sizeof due);
        CHECK(due >= last, "%" PRIu64 " after %" PRIu64, due, last);
        CHECK_EQ(anqa_now_ms(), due);
        last = due;
    }
    rt_close(rt);
}

TEST(a_timer_carries_its_tag_its_payload_its_sender_and_its_handle)
{
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_timer timer = anqa_send_after(anqa_self(), "due", anqa_bytes("payload", 7), 5);
    const anqa_msg *msg = anqa_receive(ANQA_INFINITY);

    CHECK_EQ(msg->kind, ANQA_MSG_TIMEOUT);
    CHECK_STR(msg->tag, "due");
    CHECK_STR(anqa_str_make(msg->body.ptr, msg->body.len), "payload");
    CHECK_EQ(msg->ref.bits, timer.bits);
    CHECK_EQ(msg->from.bits, anqa_self().bits);
    rt_close(rt);
}

TEST(cancelling_returns_the_milliseconds_that_were_left)
{
    static const uint32_t delays[] = {10, 1000, 100000, UINT32_MAX};
    anqa_rt *rt = rt_open_deterministic(1);

    for (size_t i = 0; i < ANQA_COUNT(delays); i++) {
        anqa_timer timer = anqa_send_after(anqa_self(), "due", anqa_nothing(), delays[i]);
        anqa_sleep(4);
        CHECK_EQ(anqa_timer_cancel(timer), (int64_t)delays[i] - 4);
        CHECK_EQ(anqa_timer_cancel(timer), -1);
    }
    anqa_sleep(200000);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

TEST(cancelling_what_has_fired_or_never_was_returns_minus_one)
{
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_timer timer = anqa_send_after(anqa_self(), "due", anqa_nothing(), 1), other;

    CHECK_EQ(wait_for("due"), 1);
    CHECK_EQ(anqa_timer_cancel(timer), -1);
    other = anqa_send_after(anqa_self(), "due", anqa_nothing(), 1); /* takes the same place */
    CHECK_EQ(anqa_timer_cancel(timer), -1);
    CHECK_EQ(wait_for("due"), 1);
    CHECK_EQ(anqa_timer_cancel((anqa_timer){0}), -1);
    CHECK_EQ(anqa_timer_cancel((anqa_timer){UINT64_MAX}), -1);
    CHECK_EQ(anqa_timer_cancel((anqa_timer){other.bits | (uint64_t)0xffffff << 32}), -1);
    rt_close(rt);
}

static void send_too_late(void *state)
{
    anqa_send_at(anqa_self(), "never", anqa_nothing(), anqa_now_ms() + UINT32_MAX + 1ull);
}

TEST(a_timer_fires_at_the_time_it_is_given_and_at_once_when_that_is_past)
{
    anqa_rt *rt = rt_open_deterministic(1);
    uint64_t start = anqa_now_ms();
    anqa_timer timer;
    anqa_ref ref;

    anqa_sleep(40);
    timer = anqa_send_at(anqa_self(), "due", anqa_nothing(), start + 100);
    CHECK_EQ(wait_for("due"), 60);
    CHECK_EQ(anqa_timer_cancel(timer), -1);
    anqa_send_at(anqa_self(), "due", anqa_nothing(), start);
    anqa_sleep(1);
    CHECK(anqa_receive(0) != NULL);
    timer = anqa_send_at(anqa_self(), "due", anqa_nothing(), anqa_now_ms() + UINT32_MAX);
    CHECK_EQ(anqa_timer_cancel(timer), UINT32_MAX);
    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = send_too_late, .monitor = true}, NULL, &ref), ANQA_OK);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_CONTRACT);
    rt_close(rt);
}

TEST(ticks_come_at_every_interval_until_they_are_cancelled)
{
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_timer timer = anqa_send_every(anqa_self(), "tick", 250);

    for (unsigned i = 0; i < 100; i++)
        CHECK_EQ(wait_for("tick"), 250);
    anqa_sleep(100);
    CHECK_EQ(anqa_timer_cancel(timer), 150);
    anqa_sleep(10000);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

static void sleep_in_turns(void *state)
{
    for (unsigned i = 0; i < 50; i++)
        anqa_sleep(1 + i * 37 % 100);
}

TEST(many_sleepers_all_wake)
{
    anqa_rt *rt = rt_open_deterministic(3);
    anqa_ref refs[200];

    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = sleep_in_turns, .monitor = true}, NULL, &refs[i]),
            ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_EQ(rt_ended(refs[i]), ANQA_REASON_NORMAL);
    rt_close(rt);
}

static uint64_t timers_armed(anqa_rt *rt)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(rt, &stats);
    return stats.timers;
}

/* ---------------------------------------------------------------- with the real clock */

static void work_until(uint64_t end_us)
{
    while (rt_clock_us() < end_us)
        ;
}

static void collect_dues(void *dues)
{
    for (size_t i = 0; i < 30; i++)
        ((uint64_t *)dues)[i] = rt_expect_number("due");
}

/* Armed at different times, so that they lie on different levels of the wheel, and all due within one long turn. */
static void arm_and_block(void *in_time)
{
    uint64_t begin = rt_clock_us(), first = anqa_now_ms();

    for (uint64_t due = first + 80; due < first + 140; due += 4)
        anqa_send_at(anqa_self(), "due", anqa_bytes(&due, 8), due);
    anqa_sleep(60);
    for (uint64_t due = first + 82; due < first + 140; due += 4)
        anqa_send_at(anqa_self(), "due", anqa_bytes(&due, 8), due);
    *(bool *)in_time = anqa_now_ms() < first + 80 && rt_clock_us() < begin + 78000;
    work_until(begin + 145000);
}

TEST(timers_that_come_due_in_one_long_turn_fire_in_their_order)
{
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 1, .watchdog_ms = ANQA_INFINITY});
    anqa_pid pid = rt_puppet(NULL);
    static uint64_t dues[64];
    bool in_time = false;

    for (unsigned i = 0; i < 20 && !in_time; i++) { /* again when the machine was too busy */
        CHECK(rt_have(pid, arm_and_block, &in_time));
        CHECK(rt_have(pid, collect_dues, dues));
    }
    CHECK(in_time);
    for (size_t i = 1; i < 30; i++)
        CHECK(dues[i] >= dues[i - 1], "%zu: %" PRIu64 " after %" PRIu64, i, dues[i], dues[i - 1]);
    rt_close(rt);
}

static void never_early(void *arg)
{
    for (uint32_t ms = 1; ms < 8; ms++) {
        uint64_t begin = rt_clock_us();
        anqa_sleep(ms);
        CHECK(rt_clock_us() - begin >= (ms - 1) * 1000, "%u ms", ms);
    }
}

TEST(a_sleep_is_at_most_one_tick_of_the_clock_shorter_than_asked)
{
    anqa_rt *rt = rt_open(1);

    CHECK(rt_have(rt_puppet(NULL), never_early, NULL));
    never_early(NULL);
    rt_close(rt);
}

/* ---------------------------------------------------------------- the dead */

static _Atomic(unsigned) objects;

static void object_drop(void *object)
{
    atomic_fetch_sub(&objects, 1);
    free(object);
}

static const anqa_type object_type = {.name = "object", .size = 8, .drop = object_drop};

static anqa_payload object_new(void)
{
    atomic_fetch_add(&objects, 1);
    return anqa_moved(&object_type, calloc(1, 8));
}

static void turn_often(void *stop)
{
    while (!atomic_load_explicit((_Atomic(bool) *)stop, memory_order_relaxed))
        anqa_yield();
}

TEST(the_timers_of_a_dead_target_vanish_with_their_memory_long_before_they_are_due)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid target = rt_puppet(NULL), busy = rt_puppet(NULL);
    static _Atomic(bool) stop;
    uint64_t end;

    for (unsigned i = 0; i < 1000; i++)
        anqa_send_after(target, "never", object_new(), UINT32_MAX - i);
    anqa_send_every(target, "never", 3600000);
    CHECK_EQ(timers_armed(rt), 1001);
    CHECK_EQ(atomic_load(&objects), 1000);
    rt_end(target, ANQA_REASON_NORMAL);
    rt_tell(busy, turn_often, (const void *)&stop);
    end = rt_clock_us() + RT_LONG_MS * 1000ull;
    while (timers_armed(rt) > 0 && rt_clock_us() < end)
        rt_pause();
    CHECK_EQ(timers_armed(rt), 0);
    CHECK_EQ(atomic_load(&objects), 0);
    atomic_store(&stop, true);
    rt_close(rt);
}

TEST(a_timer_for_a_process_that_is_dead_when_it_fires_sends_nothing)
{
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_pid target = rt_puppet(NULL);

    anqa_send_after(target, "late", object_new(), 10);
    anqa_send_every(target, "late", 10);
    rt_end(target, ANQA_REASON_NORMAL);
    anqa_sleep(11);
    CHECK_EQ(timers_armed(rt), 0);
    CHECK_EQ(atomic_load(&objects), 0);
    rt_close(rt);
}

TEST(a_wait_that_ends_early_leaves_no_timer)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(NULL);

    rt_tell(pid, sleep_in_turns, NULL);
    anqa_exit_signal(pid, ANQA_KILL);
    (void)rt_wait_for_end(pid);
    CHECK_EQ(timers_armed(rt), 0);
    rt_close(rt);
}

TEST(stopping_with_armed_timers_frees_them)
{
    anqa_rt *rt = rt_open(2);

    anqa_send_every(anqa_self(), "never", UINT32_MAX);
    anqa_send_after(anqa_self(), "never", object_new(), UINT32_MAX);
    anqa_detach();
    anqa_stop(rt);
    CHECK_EQ(atomic_load(&objects), 0);
}

/* ---------------------------------------------------------------- from another scheduler */

enum { STORM = 4000 };

struct storm {
    anqa_timer timers[STORM];
    _Atomic(uint64_t) fired;
    uint64_t cancelled;
};

static void arm_all(void *arg)
{
    struct storm *storm = arg;

    for (size_t i = 0; i < STORM; i++)
        storm->timers[i] =
            i % 8 == 7 ? anqa_send_every(anqa_self(), "storm", 1 + (uint32_t)i % 5)
                       : anqa_send_after(anqa_self(), "storm", anqa_nothing(), (uint32_t)i % 5);
}

static void cancel_all(void *arg)
{
    struct storm *storm = arg;

    for (size_t i = 0; i < STORM; i++)
        if (anqa_timer_cancel(storm->timers[i]) >= 0)
            storm->cancelled++;
}

static void count_fired(void *arg)
{
    struct storm *storm = arg;

    while (rt_receive("storm", 0) != NULL)
        storm->fired++;
}

/* Each timer that fires once is either cancelled or has fired; what ticks is cancelled and has stopped. */
TEST(timers_are_cancelled_from_another_scheduler_while_they_fire)
{
    anqa_rt *rt = rt_open(2);

    for (unsigned round = 0; round < 10; round++) {
        anqa_pid owner = rt_puppet(&(anqa_spawn_opts){.scheduler = 1, .pinned = true});
        anqa_pid other = rt_puppet(&(anqa_spawn_opts){.scheduler = 2, .pinned = true});
        static struct storm storm;
        storm = (struct storm){.cancelled = 0};
        CHECK(rt_have(owner, arm_all, &storm));
        CHECK(rt_have(other, cancel_all, &storm));
        CHECK(rt_have(owner, count_fired, &storm));
        CHECK(storm.cancelled >= STORM / 8);
        CHECK(storm.fired + storm.cancelled >= STORM, "%" PRIu64 " + %" PRIu64, storm.fired,
            storm.cancelled);
        rt_end(owner, ANQA_REASON_NORMAL);
        rt_end(other, ANQA_REASON_NORMAL);
    }
    for (uint64_t end = rt_clock_us() + RT_LONG_MS * 1000ull;
        timers_armed(rt) > 0 && rt_clock_us() < end;)
        rt_pause();
    CHECK_EQ(timers_armed(rt), 0);
    rt_close(rt);
}

TEST(an_attached_thread_arms_and_cancels_timers)
{
    anqa_rt *rt = rt_open(2);
    anqa_timer timer = anqa_send_after(anqa_self(), "later", anqa_nothing(), 100000);
    int64_t left;

    anqa_send_after(anqa_self(), "soon", anqa_nothing(), 1);
    CHECK(rt_expect("soon") != NULL);
    left = anqa_timer_cancel(timer);
    CHECK(left > 0 && left <= 100000, "%" PRId64, left);
    CHECK_EQ(anqa_timer_cancel(timer), -1);
    rt_close(rt);
}

static void wait_once(void *state)
{
    anqa_sleep(2);
}

TEST(a_sleeping_process_of_any_priority_wakes_on_an_idle_scheduler)
{
    static const anqa_priority all[] = {
        ANQA_PRIORITY_NORMAL, ANQA_PRIORITY_LOW, ANQA_PRIORITY_HIGH, ANQA_PRIORITY_MAX};
    anqa_rt *rt = rt_open(2);

    for (size_t i = 0; i < ANQA_COUNT(all) * 4; i++) {
        anqa_spawn_opts opts = {.run = wait_once, .priority = all[i % 4], .monitor = true};
        anqa_ref ref;
        CHECK_STATUS(anqa_spawn(&opts, NULL, &ref), ANQA_OK);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL, "priority %d", (int)all[i % 4]);
    }
    rt_close(rt);
}
