/* Kicks: how the poller and the outlets have a behaviour called without a message. */
#include "rt_fixture.h"

#include "runtime/sched.h"

static const char park_tag[] = "park", go_tag[] = "go", count_tag[] = "count";

/* Counts its kicks, and waits at depth when it is told to. */
struct counter {
    uint64_t kicks;
};

static void counter_handle(void *state, const anqa_msg *msg)
{
    struct counter *counter = state;
    anqa_caller caller = anqa_msg_caller(msg);

    if (msg->kind == ANQA_MSG_SYSTEM) {
        counter->kicks++;
        anqa_send(anqa_parent(), "kicked", anqa_bytes(&counter->kicks, sizeof counter->kicks));
    } else if (anqa_tag_is(msg->tag, park_tag)) {
        anqa_reply_to(&caller, anqa_nothing());
        anqa_msg_free(rt_expect(go_tag));
    } else if (anqa_tag_is(msg->tag, count_tag)) {
        anqa_reply_to(&caller, anqa_bytes(&counter->kicks, sizeof counter->kicks));
    }
}

static const anqa_behaviour counter_behaviour = {.name = "counter", .handle = counter_handle};

static anqa_pid counter_new(void)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.behaviour = &counter_behaviour,
                                .arg_size = sizeof(struct counter),
                                .arg = &(struct counter){0},
                                .pinned = true},
                     &pid, NULL),
        ANQA_OK);
    return pid;
}

/* Its answer, in which it has handled all that came before. */
static uint64_t ask(anqa_pid counter, const char *tag)
{
    const anqa_msg *msg = anqa_receive_ref(anqa_request(counter, tag, anqa_nothing()), RT_LONG_MS);
    uint64_t kicks = 0;

    CHECK(msg != NULL && msg->kind == ANQA_MSG_REPLY);
    if (msg->body.len == sizeof kicks)
        memcpy(&kicks, msg->body.ptr, sizeof kicks);
    anqa_msg_free(msg);
    return kicks;
}

/* In a process of the same scheduler, as who kicks must be. */
static void kick(void *pid)
{
    proc_kick(sched_self, proc_slot(sched_self->rt, *(anqa_pid *)pid));
}

static void kick_three_times(void *pid)
{
    for (int i = 0; i < 3; i++)
        kick(pid);
}

TEST(a_kick_is_a_call_of_handle_without_a_message)
{
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_pid counter = counter_new(), puppet = rt_puppet(NULL);

    for (uint64_t i = 1; i <= 3; i++) {
        CHECK(rt_have(puppet, kick, &counter));
        CHECK_EQ(rt_expect_number("kicked"), i);
    }
    rt_kill(counter);
    rt_close(rt);
}

TEST(a_kick_of_who_waits_at_depth_is_seen_when_its_event_is_over)
{
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_pid counter = counter_new(), puppet = rt_puppet(NULL);

    (void)ask(counter, park_tag);
    CHECK(rt_have(puppet, kick, &counter));
    CHECK(rt_receive("kicked", 1000) == NULL, "not in the middle of an event");
    CHECK_STATUS(anqa_send(counter, go_tag, anqa_nothing()), ANQA_OK);
    CHECK_EQ(rt_expect_number("kicked"), 1); /* no other message calls it */
    rt_kill(counter);
    rt_close(rt);
}

TEST(kicks_before_it_has_run_are_one)
{
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_pid counter = counter_new(), puppet = rt_puppet(NULL);

    CHECK(rt_have(puppet, kick_three_times, &counter));
    CHECK_EQ(rt_expect_number("kicked"), 1);
    CHECK_EQ(ask(counter, count_tag), 1);
    (void)ask(counter, park_tag);
    CHECK(rt_have(puppet, kick_three_times, &counter));
    CHECK(rt_have(puppet, kick, &counter));
    CHECK_STATUS(anqa_send(counter, go_tag, anqa_nothing()), ANQA_OK);
    CHECK_EQ(rt_expect_number("kicked"), 2);
    CHECK_EQ(ask(counter, count_tag), 2);
    rt_kill(counter);
    rt_close(rt);
}

/* On the scheduler of the dead: its slot is the first to be used again. */
static void renew(void *pid)
{
    *(anqa_pid *)pid = counter_new();
}

TEST(the_dead_are_not_kicked_nor_who_comes_after_them)
{
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_pid puppet = rt_puppet(NULL), counter = counter_new();
    const struct proc *slot = proc_slot(rt, counter);

    rt_kill(counter);
    CHECK(rt_have(puppet, kick, &counter));
    CHECK(rt_have(puppet, renew, &counter));
    CHECK(proc_slot(rt, counter) == slot);
    CHECK_EQ(ask(counter, count_tag), 0);
    CHECK(rt_have(puppet, kick, &counter));
    CHECK_EQ(ask(counter, count_tag), 1);
    rt_kill(counter);
    rt_close(rt);
}
