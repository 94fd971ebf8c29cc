/* Ways to end a process that are no faults, under the same load: nothing may be left behind by them either. */
#include <anqa/memory.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "harness.h"
#include "town.h"

static volatile int zero;
static _Atomic(uint64_t) cleaned, terminated;

static void count(void *arg)
{
    atomic_fetch_add_explicit((_Atomic(uint64_t) *)arg, 1, memory_order_relaxed);
}

static void count_terminate(void)
{
    count(&terminated);
}

static void unref_and_count(void *arg)
{
    anqa_buf *buf = arg;

    anqa_buf_unref(*buf);
    count(&cleaned);
}

/* A file, a buffer with a clean-up, memory of the event and of the process: all held while `then` ends the process. */
static void hold_things(unsigned depth, void (*then)(void))
{
    int fd;
    anqa_buf *buf;

    if (depth > 0) {
        hold_things(depth - 1, then);
        return;
    }
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    anqa_defer_close(fd);
    buf = anqa_heap_alloc(sizeof *buf);
    CHECK_STATUS(anqa_buf_copy("held", 4, buf), ANQA_OK);
    anqa_defer(unref_and_count, buf);
    CHECK_EQ(strlen(anqa_tmp_printf("%5000d", zero)), 5000);
    then();
}

static void give_up(void)
{
    anqa_exit(anqa_error_reason("gave up"));
}

static void exit_at_depth(void)
{
    hold_things(30, give_up);
}

TEST(an_exit_at_depth_gives_back_what_was_held)
{
    uint64_t rounds = town_suffers(&(struct ending){.run = exit_at_depth,
        .terminate = count_terminate,
        .reason = ANQA_REASON_ERROR,
        .text = "gave up"});

    CHECK_EQ(atomic_load(&cleaned), rounds);
    CHECK_EQ(atomic_load(&terminated), rounds);
}

static bool never(const anqa_msg *msg, void *arg)
{
    return false;
}

static void wait_for_ever(void)
{
    (void)anqa_receive_if(never, NULL, ANQA_INFINITY);
}

static void wait_at_depth(void)
{
    hold_things(30, wait_for_ever);
}

TEST(a_kill_while_waiting_at_depth_gives_back_what_was_held)
{
    uint64_t rounds = town_suffers(&(struct ending){.run = wait_at_depth,
        .terminate = count_terminate,
        .reason = ANQA_REASON_KILLED,
        .killed = true});

    CHECK_EQ(atomic_load(&cleaned), rounds);
    CHECK_EQ(atomic_load(&terminated), 0);
}

static void exit_again(void)
{
    anqa_exit(anqa_error_reason("in terminate"));
}

TEST(an_exit_in_terminate_changes_the_reason)
{
    town_suffers(&(struct ending){.run = give_up,
        .terminate = exit_again,
        .reason = ANQA_REASON_ERROR,
        .text = "in terminate"});
}

static void broken_contract(void)
{
    ANQA_REQUIRE(zero != 0);
}

TEST(a_failed_require_is_an_exit_for_broken_contract)
{
    town_suffers(&(struct ending){
        .run = broken_contract, .reason = ANQA_REASON_CONTRACT, .text = "zero != 0"});
}

static void eat_heap(void)
{
    for (;;)
        memset(anqa_heap_alloc(4000), 1, 4000);
}

TEST(a_heap_over_its_quota_is_an_exit)
{
    town_suffers(
        &(struct ending){.run = eat_heap, .reason = ANQA_REASON_QUOTA, .heap_quota = 1 << 20});
}

static void eat_tmp(void)
{
    for (;;)
        CHECK_EQ(strlen(anqa_tmp_printf("%4000d", zero)), 4000);
}

TEST(event_memory_over_the_quota_is_an_exit)
{
    town_suffers(
        &(struct ending){.run = eat_tmp, .reason = ANQA_REASON_QUOTA, .heap_quota = 1 << 20});
}

static void exit_in_clean_up(void *arg)
{
    anqa_exit(anqa_error_reason("not this one"));
}

static void exit_twice(void)
{
    anqa_defer(count, &cleaned);
    anqa_defer(exit_in_clean_up, NULL);
    give_up();
}

TEST(an_exit_in_a_clean_up_ends_the_list_and_keeps_the_reason)
{
    (void)town_suffers(
        &(struct ending){.run = exit_twice, .reason = ANQA_REASON_ERROR, .text = "gave up"});

    CHECK_EQ(atomic_load(&cleaned), 0);
}
