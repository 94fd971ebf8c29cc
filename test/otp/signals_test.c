/* Exit signals, links and monitors, as OTP's rules have it: what behaviours and supervisors stand on. */
#include "support.h"

#include <string.h>

/* A process that waits, trapping exits or not, and reports each EXIT that it gets as a message. */
struct target {
    anqa_pid observer;
    anqa_pid link_to;
    bool traps;
};

static void target_run(void *state)
{
    const struct target *target = state;

    anqa_trap_exit(target->traps);
    if (!anqa_pid_is_none(target->link_to))
        anqa_link(target->link_to);
    report(target->observer, "ready", "");
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        char text[100];
        if (msg->kind == ANQA_MSG_EXIT)
            report(target->observer, "exit", anqa_reason_format(msg->u.reason, text, sizeof text));
        else if (anqa_tag_is(msg->tag, "exit_with_kill"))
            anqa_exit(ANQA_KILL);
        else if (anqa_tag_is(msg->tag, "signal_self_normal"))
            anqa_exit_signal(anqa_self(), ANQA_NORMAL);
        else if (anqa_tag_is(msg->tag, "ping"))
            report(target->observer, "pong", "");
    }
}

static anqa_pid target_linked(bool traps, anqa_pid link_to)
{
    struct target target = {anqa_self(), link_to, traps};
    anqa_pid pid = {0};

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = target_run, .arg = &target, .arg_size = sizeof target},
            &pid, NULL),
        ANQA_OK);
    (void)expect("ready");
    return pid;
}

static anqa_pid target(bool traps)
{
    return target_linked(traps, (anqa_pid){0});
}

static anqa_reason_kind reason_of(anqa_ref ref)
{
    const anqa_msg *down = anqa_receive_ref(ref, 5000 * harness_slowness());

    CHECK(down != NULL && down->kind == ANQA_MSG_DOWN);
    return anqa_reason_get_kind(down->u.reason);
}

static void lives_on(anqa_pid pid)
{
    (void)anqa_send(pid, "ping", anqa_nothing());
    (void)expect("pong");
}

/* ---------------------------------------------------------------- exit signals */

static const struct {
    anqa_reason_kind signal;
    bool traps;
    const char *message;     /* NULL: none */
    anqa_reason_kind reason; /* NONE: lives on */
} exit_table[] = {
    {ANQA_REASON_NORMAL, false, NULL, ANQA_REASON_NONE},
    {ANQA_REASON_NORMAL, true, "normal", ANQA_REASON_NONE},
    {ANQA_REASON_SHUTDOWN, false, NULL, ANQA_REASON_SHUTDOWN},
    {ANQA_REASON_SHUTDOWN, true, "shutdown", ANQA_REASON_NONE},
    {ANQA_REASON_ERROR, false, NULL, ANQA_REASON_ERROR},
    {ANQA_REASON_ERROR, true, "error", ANQA_REASON_NONE},
    {ANQA_REASON_KILLED, true, "killed", ANQA_REASON_NONE},
    {ANQA_REASON_KILL, false, NULL, ANQA_REASON_KILLED},
    {ANQA_REASON_KILL, true, NULL, ANQA_REASON_KILLED},
};

TEST(the_exit_signal_table)
{
    anqa_rt *rt = begin();

    for (size_t i = 0; i < ANQA_COUNT(exit_table); i++) {
        anqa_pid pid = target(exit_table[i].traps);
        anqa_ref ref = anqa_monitor(pid);
        anqa_exit_signal(pid, anqa_reason_of(exit_table[i].signal));
        if (exit_table[i].message != NULL)
            CHECK_STR(expect_text("exit"), exit_table[i].message, "%zu", i);
        if (exit_table[i].reason == ANQA_REASON_NONE) {
            lives_on(pid);
            kill_and_wait(pid);
        } else {
            CHECK_EQ(reason_of(ref), exit_table[i].reason, "%zu", i);
        }
        CHECK(nothing_came("exit"), "%zu", i);
    }
    end(rt);
}

TEST(kill_passes_over_links_as_kill_which_can_be_trapped_and_a_killed_process_passes_killed)
{
    anqa_rt *rt = begin();
    anqa_pid first = target(false), trapping = target_linked(true, first);
    anqa_ref ref;

    (void)anqa_send(first, "exit_with_kill", anqa_nothing());
    CHECK_STR(expect_text("exit"), "kill");
    lives_on(trapping);
    first = target(false);
    trapping = target_linked(true, first);
    ref = anqa_monitor(target_linked(false, first));
    anqa_exit_signal(first, ANQA_KILL);
    CHECK_STR(expect_text("exit"), "killed");
    CHECK_EQ(reason_of(ref), ANQA_REASON_KILLED);
    lives_on(trapping);
    end(rt);
}

TEST(a_signal_normal_to_oneself_ends_the_process)
{
    anqa_rt *rt = begin();
    anqa_pid pid = target(false);
    anqa_ref ref = anqa_monitor(pid);

    (void)anqa_send(pid, "signal_self_normal", anqa_nothing());
    CHECK_EQ(reason_of(ref), ANQA_REASON_NORMAL);
    end(rt);
}

/* ---------------------------------------------------------------- links */

TEST(a_link_works_both_ways_and_is_one_per_pair)
{
    anqa_rt *rt = begin();
    anqa_pid pid = target(false), other = target_linked(true, pid);

    anqa_link(pid);
    anqa_link(pid);
    anqa_exit_signal(pid, anqa_error_reason("boom"));
    CHECK_STR(expect_text("exit"), "error: boom");
    CHECK(anqa_pid_eq(expect("EXIT")->from, pid)); /* this thread traps exits */
    lives_on(other);
    CHECK(nothing_came("EXIT"));
    end(rt);
}

TEST(after_unlink_no_exit_comes)
{
    anqa_rt *rt = begin();
    anqa_pid pid = target(false);

    anqa_link(pid);
    anqa_unlink(pid);
    kill_and_wait(pid);
    CHECK(nothing_came("EXIT"));
    end(rt);
}

static void link_to(void *arg)
{
    anqa_link(*(anqa_pid *)arg);
    anqa_sleep(5000);
}

TEST(linking_to_the_dead_is_an_exit_noproc)
{
    anqa_rt *rt = begin();
    anqa_pid pid = target(false);

    kill_and_wait(pid);
    anqa_link(pid);
    CHECK_EQ(anqa_reason_get_kind(expect("EXIT")->u.reason), ANQA_REASON_NOPROC);
    /* without trapping: its end */
    CHECK_EQ(outcome_of(link_to, &pid, NULL, 0), ANQA_REASON_NOPROC);
    end(rt);
}

/* ---------------------------------------------------------------- monitors */

TEST(monitors_stack_and_each_gives_one_down)
{
    anqa_rt *rt = begin();
    anqa_pid pid = target(false);
    anqa_ref first = anqa_monitor(pid), second = anqa_monitor(pid);

    anqa_exit_signal(pid, ANQA_SHUTDOWN);
    CHECK_EQ(reason_of(second), ANQA_REASON_SHUTDOWN);
    CHECK_EQ(reason_of(first), ANQA_REASON_SHUTDOWN);
    CHECK_EQ(anqa_mailbox_length(), 0);
    CHECK_EQ(reason_of(anqa_monitor(pid)), ANQA_REASON_NOPROC);
    end(rt);
}

TEST(demonitor_with_flush_takes_a_down_out_of_the_mailbox)
{
    anqa_rt *rt = begin();
    anqa_pid pid = target(false);
    anqa_ref flushed = anqa_monitor(pid), kept = anqa_monitor(pid);

    CHECK(anqa_demonitor(anqa_monitor(pid), false));
    anqa_exit_signal(pid, ANQA_SHUTDOWN);
    CHECK_EQ(reason_of(kept), ANQA_REASON_SHUTDOWN);
    while (anqa_mailbox_length() < 1)
        anqa_yield(); /* the other one is on its way */
    CHECK(!anqa_demonitor(flushed, true));
    CHECK_EQ(anqa_mailbox_length(), 0);
    end(rt);
}
