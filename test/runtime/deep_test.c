/* Calls on a large stack: depth, waiting, and each way out of them. */
#include "rt_fixture.h"

#include <anqa/memory.h>

#include "runtime/deep.h"

static __attribute__((noinline)) unsigned recurse(unsigned depth)
{
    volatile char frame[1000];

    frame[0] = (char)depth;
    return depth == 0 ? 0 : recurse(depth - 1) + 1 + (unsigned)(frame[0] - frame[0]);
}

static void go_deep(void *arg)
{
    unsigned *result = arg;

    *result = recurse(1500); /* six times an ordinary stack */
}

static void call_deep(void *arg)
{
    deep_call(go_deep, arg);
}

TEST(a_deep_call_has_room_for_megabytes_and_returns)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid puppet = rt_puppet(NULL);

    for (int i = 0; i < 100; i++) {
        unsigned result = 0;
        CHECK(rt_have(puppet, call_deep, &result));
        CHECK_EQ(result, 1500);
    }
    rt_end(puppet, ANQA_REASON_NORMAL);
    rt_close(rt);
}

struct wait {
    anqa_pid parent;
    char *text;
    bool same;
};

static void wait_inside(void *arg)
{
    struct wait *wait = arg;
    char *mine = anqa_tmp_printf("%s and more", wait->text);

    (void)rt_send_number(wait->parent, "waiting", 1);
    (void)rt_expect_number("go");
    wait->same = strcmp(mine, "before and more") == 0;
    wait->text = mine;
}

static void wait_deep(void *arg)
{
    struct wait *wait = arg;

    wait->text = anqa_tmp_printf("before");
    deep_call(wait_inside, wait);
    wait->same = wait->same && strcmp(wait->text, "before and more") == 0;
}

TEST(a_deep_call_may_wait_and_temporary_memory_goes_with_it)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid puppet = rt_puppet(NULL), other = rt_puppet(NULL);
    struct wait wait = {.parent = anqa_self()};

    rt_tell(puppet, wait_deep, &wait);
    CHECK_EQ(rt_expect_number("waiting"), 1);
    CHECK(rt_have(other, rt_do_nothing, NULL));
    CHECK_STATUS(rt_send_number(puppet, "go", 1), ANQA_OK);
    CHECK(rt_have(puppet, rt_do_nothing, NULL));
    CHECK(wait.same);
    rt_end(puppet, ANQA_REASON_NORMAL);
    rt_end(other, ANQA_REASON_NORMAL);
    rt_close(rt);
}

TEST(who_is_killed_in_a_deep_call_leaves_no_stack_behind)
{
    anqa_rt *rt = rt_open(1);
    struct wait wait = {.parent = anqa_self()};
    anqa_ref ref;

    for (int i = 0; i < 50; i++) {
        anqa_pid puppet = rt_puppet(NULL);
        rt_tell(puppet, wait_deep, &wait);
        CHECK_EQ(rt_expect_number("waiting"), 1);
        ref = anqa_monitor(puppet);
        anqa_exit_signal(puppet, ANQA_KILL);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_KILLED);
    }
    rt_close(rt); /* looks for stacks that are out */
}

static void exit_inside(void *arg)
{
    (void)recurse(100);
    anqa_exit(anqa_error_reason("from below"));
}

static void exit_deep(void *arg)
{
    deep_call(exit_inside, arg);
}

TEST(an_exit_in_a_deep_call_gives_up_both_stacks)
{
    anqa_rt *rt = rt_open(1);

    for (int i = 0; i < 300; i++) {
        anqa_pid puppet = rt_puppet(NULL);
        anqa_ref ref = anqa_monitor(puppet);
        CHECK(!rt_have(puppet, exit_deep, NULL));
        CHECK_EQ(rt_ended(ref), ANQA_REASON_ERROR);
    }
    rt_close(rt);
}

static void nested(void *arg)
{
    deep_call(go_deep, arg);
}

static void call_nested(void *arg)
{
    deep_call(nested, arg);
}

TEST(a_deep_call_within_one_stays_on_its_stack)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid puppet = rt_puppet(NULL);
    unsigned result = 0;

    CHECK(rt_have(puppet, call_nested, &result));
    CHECK_EQ(result, 1500);
    rt_end(puppet, ANQA_REASON_NORMAL);
    rt_close(rt);
}
