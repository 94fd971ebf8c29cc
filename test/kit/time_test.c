/* A test's process, its clock, and messages. */
#include <anqa/test.h>

#include <stdio.h>

#include "kit/fixture.h"

static void tell_later(void *arg)
{
    anqa_pid *to = arg;

    anqa_sleep(3600000);
    (void)anqa_send(*to, "late", anqa_text(anqa_jsonf("{'n': 1}")));
}

static anqa_pid spawn_late(void)
{
    anqa_pid self = anqa_self(), pid;
    anqa_spawn_opts opts = {.run = tell_later, .arg = &self, .arg_size = sizeof self, .link = true};

    ANQA_ASSERT_STATUS(anqa_spawn(&opts, &pid, NULL), ANQA_OK);
    return pid;
}

ANQA_TEST(time_stands_still_while_others_run)
{
    uint64_t start = anqa_now_ms();

    (void)spawn_late();
    anqa_test_settle();
    ANQA_ASSERT_EQ(anqa_now_ms(), start);
    ANQA_REFUTE_RECEIVED("late");
}

ANQA_TEST(an_hour_passes_at_once)
{
    uint64_t start = anqa_now_ms();

    (void)spawn_late();
    anqa_test_advance(3599999);
    ANQA_REFUTE_RECEIVED("late");
    anqa_test_advance(1);
    ANQA_ASSERT_RECEIVED("late", "{'n': 1}");
    ANQA_ASSERT_EQ(anqa_now_ms(), start + 3600000);
}

ANQA_TEST(a_receive_lets_time_pass_until_what_it_waits_for)
{
    uint64_t start = anqa_now_ms();

    (void)spawn_late();
    ANQA_REFUTE_RECEIVE("late", 1000);
    ANQA_ASSERT_EQ(anqa_now_ms(), start + 1000);
    ANQA_ASSERT_RECEIVE("late", 4000000, "{'n': %d}", 1);
    ANQA_ASSERT_EQ(anqa_now_ms(), start + 3600000);
}

ANQA_TEST(with_schedulers_the_clock_is_real, .schedulers = 2)
{
    uint64_t start = anqa_now_ms();

    anqa_sleep(20);
    ANQA_ASSERT_GE(anqa_now_ms(), start + 20);
}
