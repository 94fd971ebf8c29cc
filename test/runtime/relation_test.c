/* Links, monitors and pids, as OTP has them. */
#include "exit_fixture.h"

/* ---------------------------------------------------------------- links */

TEST(links_are_symmetric)
{
    anqa_rt *rt = rt_open(2);

    for (int from_maker = 0; from_maker < 2; from_maker++) {
        anqa_pid maker = rt_puppet(NULL), other = rt_puppet(NULL);
        anqa_ref ref = anqa_monitor(from_maker ? other : maker);
        CHECK(rt_have(maker, rt_link_to, &other));
        rt_end(from_maker ? maker : other, ANQA_REASON_ERROR);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_ERROR);
    }
    rt_close(rt);
}

TEST(there_is_at_most_one_link_for_a_pair)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid a = rt_puppet(&(anqa_spawn_opts){.trap_exit = true}), b = rt_puppet(NULL);
    struct told told;

    CHECK(rt_have(a, rt_link_to, &b));
    CHECK(rt_have(a, rt_link_to, &b));
    CHECK(rt_have(b, rt_link_to, &a));
    rt_end(b, ANQA_REASON_ERROR);
    CHECK_EQ(rt_wait_for_end(b), ANQA_REASON_NOPROC);
    do
        CHECK(rt_have(a, look_for_exit, &told));
    while (told.count == 0);
    CHECK_EQ(told.count, 1);
    rt_close(rt);
}

TEST(one_unlink_undoes_links_made_from_both_sides)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid a = rt_puppet(NULL), b = rt_puppet(NULL);

    CHECK(rt_have(a, rt_link_to, &b));
    CHECK(rt_have(b, rt_link_to, &a));
    CHECK(rt_have(a, rt_do_nothing, NULL));
    CHECK(rt_have(a, rt_unlink_from, &b));
    CHECK(rt_have(b, rt_do_nothing, NULL)); /* a's signal has come before ours */
    rt_end(a, ANQA_REASON_ERROR);
    CHECK(rt_have(b, rt_do_nothing, NULL));
    rt_close(rt);
}

struct unlink_after_death {
    anqa_pid other;
    size_t told;
};

/* Its EXIT may have become a message before; none may come after the unlink. */
static void unlink_and_listen(void *arg)
{
    struct unlink_after_death *u = arg;
    struct told before, after;

    anqa_unlink(u->other);
    look_for_exit(&before);
    anqa_yield();
    look_for_exit(&after);
    u->told = after.count;
}

TEST(after_unlink_no_exit_signal_of_that_link_arrives)
{
    anqa_rt *rt = rt_open(2);

    for (unsigned i = 0; i < 300; i++) {
        anqa_pid a = rt_puppet(&(anqa_spawn_opts){.trap_exit = true, .scheduler = 1});
        anqa_pid b = rt_puppet(&(anqa_spawn_opts){.scheduler = 2});
        struct unlink_after_death u = {b, 0};
        CHECK(rt_have(a, rt_link_to, &b));
        anqa_exit_signal(b, anqa_reason_of(ANQA_REASON_ERROR)); /* races with the unlink */
        CHECK(rt_have(a, unlink_and_listen, &u));
        CHECK_EQ(u.told, 0, "round %u", i);
        rt_end(a, ANQA_REASON_NORMAL);
    }
    rt_close(rt);
}

TEST(a_link_to_the_dead_ends_a_process_with_noproc)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = rt_puppet(NULL), dead = rt_dead();
    anqa_ref ref = anqa_monitor(pid);

    CHECK(!rt_have(pid, rt_link_to, &dead));
    CHECK_EQ(rt_ended(ref), ANQA_REASON_NOPROC);
    rt_close(rt);
}

TEST(a_link_to_the_dead_is_a_message_noproc_when_trapping)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid dead = rt_dead();
    const anqa_msg *msg;

    anqa_link(dead);
    msg = anqa_receive(RT_LONG_MS);
    CHECK(msg != NULL);
    CHECK_EQ(msg->kind, ANQA_MSG_EXIT);
    CHECK_EQ(anqa_reason_get_kind(msg->u.reason), ANQA_REASON_NOPROC);
    CHECK_EQ(msg->from.bits, dead.bits);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

TEST(a_link_to_oneself_is_no_link)
{
    anqa_rt *rt = rt_open(1);

    anqa_link(anqa_self());
    CHECK(anqa_receive(0) == NULL);
    anqa_unlink(anqa_self());
    rt_close(rt);
}

TEST(unlinking_who_was_never_linked_does_nothing)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(NULL);

    anqa_unlink(pid);
    anqa_unlink((anqa_pid){0});
    CHECK(rt_have(pid, rt_do_nothing, NULL));
    rt_close(rt);
}

TEST(exit_signals_go_round_a_ring_of_links_and_end_all)
{
    enum { RING = 200 };
    anqa_rt *rt = rt_open(2);
    anqa_pid ring[RING];
    anqa_ref refs[RING];

    for (size_t i = 0; i < RING; i++) {
        ring[i] = rt_puppet(NULL);
        refs[i] = anqa_monitor(ring[i]);
    }
    for (size_t i = 0; i < RING; i++)
        CHECK(rt_have(ring[i], rt_link_to, &ring[(i + 1) % RING]));
    rt_end(ring[7], ANQA_REASON_SHUTDOWN);
    for (size_t i = 0; i < RING; i++)
        CHECK_EQ(rt_ended(refs[i]), ANQA_REASON_SHUTDOWN, "%zu", i);
    rt_close(rt);
}

/* ---------------------------------------------------------------- monitors */

static void monitor_it(void *pid)
{
    (void)anqa_monitor(*(anqa_pid *)pid);
}

TEST(a_monitor_is_one_way)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid watcher = rt_puppet(NULL), watched = rt_puppet(NULL);

    CHECK(rt_have(watcher, monitor_it, &watched));
    rt_end(watcher, ANQA_REASON_ERROR);
    CHECK(rt_have(watched, rt_do_nothing, NULL));
    rt_close(rt);
}

TEST(monitors_stack_and_each_gives_one_down)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = rt_puppet(NULL);
    anqa_ref refs[3];

    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        refs[i] = anqa_monitor(pid);
    rt_end(pid, ANQA_REASON_SHUTDOWN);
    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_EQ(rt_ended(refs[i]), ANQA_REASON_SHUTDOWN);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

TEST(a_monitor_of_the_dead_gives_down_noproc_at_once)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid dead = rt_dead();
    anqa_ref ref = anqa_monitor(dead);
    const anqa_msg *msg = anqa_receive(0);

    CHECK(msg != NULL);
    CHECK_EQ(msg->kind, ANQA_MSG_DOWN);
    CHECK_STR(msg->tag, "DOWN");
    CHECK_EQ(msg->ref.bits, ref.bits);
    CHECK_EQ(msg->from.bits, dead.bits);
    CHECK_EQ(anqa_reason_get_kind(msg->u.reason), ANQA_REASON_NOPROC);
    rt_close(rt);
}

TEST(a_monitor_of_nobody_gives_down_noproc)
{
    anqa_rt *rt = rt_open(1);

    CHECK_EQ(rt_wait_for_end((anqa_pid){0}), ANQA_REASON_NOPROC);
    CHECK_EQ(rt_wait_for_end((anqa_pid){(uint64_t)0xfffffe << 32 | 1}), ANQA_REASON_NOPROC);
    rt_close(rt);
}

static bool is_down(const anqa_msg *msg, void *arg)
{
    return msg->kind == ANQA_MSG_DOWN;
}

TEST(demonitor_with_flush_removes_a_delivered_down)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid dead = rt_dead();
    anqa_ref ref = anqa_monitor(dead);

    CHECK(!anqa_demonitor(ref, true));
    CHECK(anqa_receive_if(is_down, NULL, 0) == NULL);
    rt_close(rt);
}

TEST(demonitor_without_flush_leaves_a_delivered_down)
{
    anqa_rt *rt = rt_open(1);
    anqa_ref ref = anqa_monitor(rt_dead());

    CHECK(!anqa_demonitor(ref, false));
    CHECK_EQ(rt_ended(ref), ANQA_REASON_NOPROC);
    rt_close(rt);
}

TEST(after_demonitor_no_down_comes_and_other_monitors_stay)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = rt_puppet(NULL);
    anqa_ref off = anqa_monitor(pid), on = anqa_monitor(pid);

    CHECK(anqa_demonitor(off, false));
    CHECK(!anqa_demonitor(off, false));
    rt_end(pid, ANQA_REASON_NORMAL);
    CHECK_EQ(rt_ended(on), ANQA_REASON_NORMAL);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

TEST(a_thousand_watchers_of_one_process_are_all_told)
{
    enum { WATCHERS = 1000 };
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = rt_puppet(NULL);
    anqa_ref refs[WATCHERS];

    for (size_t i = 0; i < WATCHERS; i++)
        refs[i] = anqa_monitor(pid);
    for (size_t i = 0; i < WATCHERS; i += 3)
        CHECK(anqa_demonitor(refs[i], false));
    anqa_exit_signal(pid, ANQA_KILL);
    for (size_t i = 0; i < WATCHERS; i++)
        if (i % 3 != 0)
            CHECK_EQ(rt_ended(refs[i]), ANQA_REASON_KILLED);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

/* ---------------------------------------------------------------- pids */

TEST(a_stale_pid_never_names_the_next_life_of_its_slot)
{
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 1, .max_processes = 2});
    anqa_pid first = rt_dead(), second;

    while (anqa_spawn(&(anqa_spawn_opts){.run = rt_puppet_run}, &second, NULL) == ANQA_E_LIMIT)
        rt_pause(); /* the slot is on its way back */
    CHECK_EQ(first.bits >> 32, second.bits >> 32);
    CHECK(!anqa_pid_eq(first, second));
    CHECK(anqa_is_alive(second));
    CHECK(!anqa_is_alive(first));
    CHECK_STATUS(anqa_send(first, "to the dead", anqa_nothing()), ANQA_E_NOPROC);
    anqa_exit_signal(first, ANQA_KILL);
    CHECK_EQ(rt_wait_for_end(first), ANQA_REASON_NOPROC);
    CHECK(rt_have(second, rt_do_nothing, NULL));
    rt_close(rt);
}

TEST(a_pid_is_written_as_node_slot_and_generation)
{
    char text[ANQA_PID_TEXT];

    CHECK_STR(anqa_pid_text((anqa_pid){0}, text), "<0.0.0>");
    CHECK_STR(
        anqa_pid_text((anqa_pid){(uint64_t)7 << 56 | (uint64_t)12 << 32 | 34}, text), "<7.12.34>");
    CHECK_STR(anqa_pid_text((anqa_pid){UINT64_MAX}, text), "<255.16777215.4294967295>");
}

TEST(outside_of_a_process_nobody_calls)
{
    CHECK(anqa_pid_is_none(anqa_self()));
    CHECK(anqa_rt_self() == NULL);
    CHECK(!anqa_is_alive((anqa_pid){1}));
}
