/* Exit signals, links, monitors, spawning and ending, as OTP has them. */
#include <stdlib.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "rt_fixture.h"
#include "runtime/hooks.h"

/* ---------------------------------------------------------------- the exit signal table */

enum outcome { LIVES, DIES, IS_TOLD };

struct signal_row {
    anqa_reason_kind sent;
    bool by_link, traps;
    enum outcome outcome;
    anqa_reason_kind reason; /* of its death, or in the message */
};

static const struct signal_row signals[] = {
    {ANQA_REASON_NORMAL, false, false, LIVES, 0},
    {ANQA_REASON_NORMAL, false, true, IS_TOLD, ANQA_REASON_NORMAL},
    {ANQA_REASON_SHUTDOWN, false, false, DIES, ANQA_REASON_SHUTDOWN},
    {ANQA_REASON_SHUTDOWN, false, true, IS_TOLD, ANQA_REASON_SHUTDOWN},
    {ANQA_REASON_ERROR, false, false, DIES, ANQA_REASON_ERROR},
    {ANQA_REASON_ERROR, false, true, IS_TOLD, ANQA_REASON_ERROR},
    {ANQA_REASON_KILLED, false, false, DIES, ANQA_REASON_KILLED},
    {ANQA_REASON_KILLED, false, true, IS_TOLD, ANQA_REASON_KILLED},
    {ANQA_REASON_KILL, false, false, DIES, ANQA_REASON_KILLED},
    {ANQA_REASON_KILL, false, true, DIES, ANQA_REASON_KILLED},
    {ANQA_REASON_NORMAL, true, false, LIVES, 0},
    {ANQA_REASON_NORMAL, true, true, IS_TOLD, ANQA_REASON_NORMAL},
    {ANQA_REASON_SHUTDOWN, true, false, DIES, ANQA_REASON_SHUTDOWN},
    {ANQA_REASON_SHUTDOWN, true, true, IS_TOLD, ANQA_REASON_SHUTDOWN},
    {ANQA_REASON_ERROR, true, false, DIES, ANQA_REASON_ERROR},
    {ANQA_REASON_ERROR, true, true, IS_TOLD, ANQA_REASON_ERROR},
    {ANQA_REASON_NOPROC, true, false, DIES, ANQA_REASON_NOPROC},
    {ANQA_REASON_KILLED, true, false, DIES, ANQA_REASON_KILLED},
    {ANQA_REASON_KILLED, true, true, IS_TOLD, ANQA_REASON_KILLED},
    {ANQA_REASON_KILL, true, false, DIES, ANQA_REASON_KILL},
    {ANQA_REASON_KILL, true, true, IS_TOLD, ANQA_REASON_KILL},
};

/* The other process sends the signal, or ends while it is linked to the target. */
struct signal_to {
    anqa_pid target;
    anqa_reason_kind kind;
};

static void send_exit_signal(void *arg)
{
    const struct signal_to *to = arg;

    anqa_exit_signal(to->target, anqa_reason_of(to->kind));
}

struct told {
    size_t count;
    anqa_pid from;
    anqa_reason_kind kind;
};

/* How many EXIT messages wait here, and what the first says. */
static void look_for_exit(void *arg)
{
    struct told *told = arg;
    const anqa_msg *msg;

    *told = (struct told){0};
    while ((msg = rt_receive("EXIT", 0)) != NULL) {
        CHECK_EQ(msg->kind, ANQA_MSG_EXIT);
        if (told->count++ == 0) {
            told->from = msg->from;
            told->kind = anqa_reason_get_kind(msg->u.reason);
        }
        anqa_msg_free(msg);
    }
}

/* The sender is told to go on only when the target would have had the signal. */
static void let_it_come(const struct signal_row *row, anqa_pid sender, anqa_pid target)
{
    struct signal_to to = {target, row->sent};
    anqa_ref ended = anqa_monitor(sender);

    if (!row->by_link) {
        CHECK(rt_have(sender, send_exit_signal, &to));
        anqa_demonitor(ended, true);
        return;
    }
    CHECK(rt_have(sender, rt_link_to, &target));
    rt_end(sender, row->sent);
    CHECK_EQ(rt_ended(ended), row->sent);
}

static void check_signal_row(const struct signal_row *row, size_t i)
{
    anqa_pid target = rt_puppet(&(anqa_spawn_opts){.trap_exit = row->traps});
    anqa_pid sender = rt_puppet(NULL);
    anqa_ref ref = anqa_monitor(target);
    struct told told = {0};

    let_it_come(row, sender, target);
    if (row->outcome == DIES) {
        CHECK_EQ(rt_ended(ref), row->reason, "row %zu", i);
        return;
    }
    /* Over a link the signal may still be under way when our DOWN has come. */
    do {
        CHECK(rt_have(target, look_for_exit, &told), "row %zu: it died", i);
    } while (row->outcome == IS_TOLD && told.count == 0);
    CHECK_EQ(told.count, row->outcome == IS_TOLD, "row %zu", i);
    if (row->outcome == IS_TOLD) {
        CHECK_EQ(told.kind, row->reason, "row %zu", i);
        CHECK_EQ(told.from.bits, sender.bits, "row %zu", i);
    }
    rt_end(target, ANQA_REASON_NORMAL);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL);
}

TEST(an_exit_signal_is_ignored_or_kills_or_becomes_a_message_by_the_table)
{
    anqa_rt *rt = rt_open(2);

    for (size_t i = 0; i < ANQA_COUNT(signals); i++)
        check_signal_row(&signals[i], i);
    rt_close(rt);
}

/* ---------------------------------------------------------------- signals to oneself, and kill */

static void exit_signal_to_self(void *arg)
{
    anqa_exit_signal(anqa_self(), anqa_reason_of(*(anqa_reason_kind *)arg));
}

TEST(a_signal_normal_to_oneself_ends_the_process)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(NULL);
    anqa_ref ref = anqa_monitor(pid);
    anqa_reason_kind kind = ANQA_REASON_NORMAL;

    CHECK(!rt_have(pid, exit_signal_to_self, &kind));
    CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL);
    rt_close(rt);
}

TEST(a_signal_normal_to_oneself_is_a_message_when_trapping)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.trap_exit = true});
    anqa_reason_kind kind = ANQA_REASON_NORMAL;
    struct told told;

    CHECK(rt_have(pid, exit_signal_to_self, &kind));
    CHECK(rt_have(pid, look_for_exit, &told));
    CHECK_EQ(told.count, 1);
    CHECK_EQ(told.from.bits, pid.bits);
    rt_close(rt);
}

TEST(kill_to_oneself_can_not_be_trapped)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.trap_exit = true});
    anqa_ref ref = anqa_monitor(pid);
    anqa_reason_kind kind = ANQA_REASON_KILL;

    CHECK(!rt_have(pid, exit_signal_to_self, &kind));
    CHECK_EQ(rt_ended(ref), ANQA_REASON_KILLED);
    rt_close(rt);
}

/* a -> b -> c are linked, nobody traps. */
static anqa_reason_kind reason_at_the_end_of_a_chain(void (*end)(anqa_pid first))
{
    anqa_pid a = rt_puppet(NULL), b = rt_puppet(NULL), c = rt_puppet(NULL);
    anqa_ref ref = anqa_monitor(c);

    CHECK(rt_have(a, rt_link_to, &b));
    CHECK(rt_have(b, rt_link_to, &c));
    CHECK(rt_have(c, rt_do_nothing, NULL));
    end(a);
    return rt_ended(ref);
}

static void kill_it(anqa_pid pid)
{
    anqa_exit_signal(pid, ANQA_KILL);
}

static void have_it_exit_with_kill(anqa_pid pid)
{
    rt_end(pid, ANQA_REASON_KILL);
}

TEST(a_process_that_exits_with_kill_passes_plain_kill_over_its_links)
{
    anqa_rt *rt = rt_open(2);

    CHECK_EQ(reason_at_the_end_of_a_chain(have_it_exit_with_kill), ANQA_REASON_KILL);
    rt_close(rt);
}

TEST(a_process_killed_by_a_signal_passes_killed_over_its_links)
{
    anqa_rt *rt = rt_open(2);

    CHECK_EQ(reason_at_the_end_of_a_chain(kill_it), ANQA_REASON_KILLED);
    rt_close(rt);
}

static void *volatile never_true;

static void spin_with_yields(void *arg)
{
    while (never_true == NULL)
        anqa_yield();
}

static void wait_in_a_selective_receive(void *arg)
{
    (void)rt_receive("never sent", ANQA_INFINITY);
}

TEST(kill_reaches_a_process_that_waits_or_yields_or_has_not_begun)
{
    anqa_rt *rt = rt_open(2);
    void (*const states[])(void *) = {spin_with_yields, wait_in_a_selective_receive, rt_do_nothing};

    for (size_t i = 0; i < ANQA_COUNT(states); i++) {
        anqa_pid pid = rt_puppet(NULL);
        anqa_ref ref = anqa_monitor(pid);
        rt_tell(pid, states[i], NULL);
        anqa_exit_signal(pid, ANQA_KILL);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_KILLED, "state %zu", i);
    }
    rt_close(rt);
}

TEST(a_signal_to_the_dead_or_to_nobody_does_nothing)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_dead();

    anqa_exit_signal(pid, ANQA_KILL);
    anqa_exit_signal((anqa_pid){0}, anqa_error_reason("to nobody"));
    anqa_exit_signal((anqa_pid){UINT64_MAX}, anqa_error_reason("to a pid of no node"));
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

static void exit_with_text(void *text)
{
    anqa_exit(anqa_error_reason("%s", (const char *)text));
}

TEST(the_text_of_a_reason_reaches_links_and_monitors)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.link = true});
    anqa_ref ref = anqa_monitor(pid);
    const anqa_msg *msg;
    char text[64];

    rt_tell(pid, exit_with_text, "the disk is full");
    msg = anqa_receive_ref(ref, RT_LONG_MS);
    CHECK(msg != NULL);
    CHECK_STR(anqa_reason_get_text(msg->u.reason), "the disk is full");
    msg = rt_expect("EXIT");
    CHECK_STR(anqa_reason_format(msg->u.reason, text, sizeof text), "error: the disk is full");
    rt_close(rt);
}

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

/* ---------------------------------------------------------------- spawn options */

static void report_priority(void *arg)
{
    anqa_priority *priority = arg;

    *priority = anqa_set_priority(ANQA_PRIORITY_LOW);
}

TEST(a_process_starts_with_priority_normal_and_traps_nothing)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(NULL);
    anqa_priority priority = ANQA_PRIORITY_MAX;
    anqa_ref ref = anqa_monitor(pid);

    CHECK(rt_have(pid, report_priority, &priority));
    CHECK_EQ(priority, ANQA_PRIORITY_NORMAL);
    CHECK(rt_have(pid, report_priority, &priority));
    CHECK_EQ(priority, ANQA_PRIORITY_LOW);
    anqa_exit_signal(pid, ANQA_SHUTDOWN);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_SHUTDOWN);
    rt_close(rt);
}

TEST(spawn_with_link_links_before_the_new_process_runs)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.link = true});
    const anqa_msg *msg;

    rt_end(pid, ANQA_REASON_ERROR);
    msg = rt_expect("EXIT");
    CHECK_EQ(msg->from.bits, pid.bits);
    rt_close(rt);
}

static void end_at_once(void *state)
{
}

TEST(spawn_with_monitor_tells_even_of_a_process_that_ends_at_once)
{
    anqa_rt *rt = rt_open(2);

    for (unsigned i = 0; i < 500; i++) {
        anqa_ref ref;
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = end_at_once, .monitor = true}, NULL, &ref),
            ANQA_OK);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL);
    }
    rt_close(rt);
}

TEST(spawn_with_monitor_takes_a_reference_made_before)
{
    anqa_rt *rt = rt_open(2);
    anqa_ref made = anqa_make_ref(), got;
    const anqa_spawn_opts opts = {.run = end_at_once, .monitor = true, .monitor_ref = made};

    CHECK_STATUS(anqa_spawn(&opts, NULL, &got), ANQA_OK);
    CHECK(anqa_ref_eq(made, got));
    CHECK_EQ(rt_ended(made), ANQA_REASON_NORMAL);
    rt_close(rt);
}

struct given {
    anqa_pid tell;
    char text[24];
};

static void tell_if_the_rest_is_zero(void *state)
{
    const struct given *given = state;
    const unsigned char *rest = (const unsigned char *)(given + 1);
    unsigned sum = 0;

    for (size_t i = 0; i < 3000 - sizeof *given; i++)
        sum |= rest[i];
    anqa_send(
        given->tell, sum == 0 ? "clean" : "dirty", anqa_bytes(given->text, strlen(given->text)));
}

TEST(the_state_of_a_new_process_is_a_copy_of_its_argument_and_zero_beyond)
{
    anqa_rt *rt = rt_open(2);
    struct given given = {anqa_self(), "as given"};
    const anqa_msg *msg;
    const anqa_spawn_opts opts = {.run = tell_if_the_rest_is_zero,
        .arg = &given,
        .arg_size = sizeof given,
        .state_size = 3000};

    CHECK_STATUS(anqa_spawn(&opts, NULL, NULL), ANQA_OK);
    memset(&given, 'x', sizeof given); /* it has its own */
    msg = rt_expect("clean");
    CHECK_STR(anqa_str_make(msg->body.ptr, msg->body.len), "as given");
    rt_close(rt);
}

static void set_flag(void *state)
{
    atomic_store_explicit((_Atomic(int) *)state, 1, memory_order_release);
}

TEST(without_a_size_the_state_is_the_argument_itself)
{
    anqa_rt *rt = rt_open(2);
    static _Atomic(int) flag;
    anqa_ref ref;
    const anqa_spawn_opts opts = {.run = set_flag, .arg = (void *)&flag, .monitor = true};

    CHECK_STATUS(anqa_spawn(&opts, NULL, &ref), ANQA_OK);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL);
    CHECK_EQ(atomic_load_explicit(&flag, memory_order_acquire), 1);
    rt_close(rt);
}

static void ignore_message(void *state, const anqa_msg *msg)
{
}

TEST(spawn_refuses_options_that_make_no_sense)
{
    static const anqa_behaviour idle = {.name = "idle", .handle = ignore_message}, empty = {0};
    const anqa_spawn_opts wrong[] = {
        {0},
        {.run = end_at_once, .behaviour = &idle},
        {.behaviour = &empty},
        {.run = end_at_once, .scheduler = 3},
        {.run = end_at_once, .priority = (anqa_priority)9},
        {.run = end_at_once, .mailbox_limit = UINT32_MAX},
        {.run = end_at_once, .arg_size = 8},
    };
    anqa_rt *rt = rt_open(2);

    for (size_t i = 0; i < ANQA_COUNT(wrong); i++)
        CHECK_STATUS(anqa_spawn(&wrong[i], NULL, NULL), ANQA_E_INVALID, "row %zu", i);
    rt_close(rt);
}

TEST(more_processes_than_allowed_are_refused_until_one_ends)
{
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 1, .max_processes = 4});
    const anqa_spawn_opts opts = {.run = rt_puppet_run};
    anqa_pid pids[3], more;

    for (size_t i = 0; i < ANQA_COUNT(pids); i++)
        pids[i] = rt_puppet(NULL);
    CHECK_STATUS(anqa_spawn(&opts, &more, NULL), ANQA_E_LIMIT);
    rt_end(pids[1], ANQA_REASON_NORMAL);
    while (anqa_spawn(&opts, &more, NULL) == ANQA_E_LIMIT) /* its slot is on the way back */
        CHECK(rt_have(pids[0], rt_do_nothing, NULL));
    CHECK(rt_have(more, rt_do_nothing, NULL));
    rt_close(rt);
}

/* ---------------------------------------------------------------- lineage, labels */

struct family {
    size_t depth;
    anqa_pid tell;
    anqa_pid expected[4]; /* nearest first */
    bool inherit;
};

static void check_family(void *state)
{
    struct family *family = state, child = *family;
    anqa_pid ancestors[8], callers[8];
    size_t count = anqa_ancestors(ancestors, 8);

    CHECK_EQ(count, family->depth);
    CHECK_EQ(anqa_callers(callers, 8), family->inherit ? family->depth : 0);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(ancestors[i].bits, family->expected[i].bits, "%zu", i);
        if (family->inherit)
            CHECK_EQ(callers[i].bits, family->expected[i].bits, "%zu", i);
    }
    CHECK_EQ(anqa_parent().bits, family->expected[0].bits);
    CHECK_EQ(anqa_ancestors(ancestors, 1), count);
    if (family->depth == ANQA_COUNT(family->expected)) {
        anqa_send(family->tell, "checked", anqa_nothing());
        return;
    }
    memmove(&child.expected[1], &child.expected[0], family->depth * sizeof child.expected[0]);
    child.expected[0] = anqa_self();
    child.depth++;
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = check_family,
                                .arg = &child,
                                .arg_size = sizeof child,
                                .inherit_callers = family->inherit},
                     NULL, NULL),
        ANQA_OK);
}

static void check_ancestors(bool inherit)
{
    anqa_rt *rt = rt_open(2);
    struct family first = {
        .depth = 1, .tell = anqa_self(), .expected = {anqa_self()}, .inherit = inherit};

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = check_family,
                                .arg = &first,
                                .arg_size = sizeof first,
                                .inherit_callers = inherit},
                     NULL, NULL),
        ANQA_OK);
    rt_expect("checked");
    rt_close(rt);
}

TEST(a_process_knows_its_ancestors_nearest_first_even_dead_ones)
{
    check_ancestors(false);
}

TEST(callers_are_inherited_where_spawn_asks_for_it)
{
    check_ancestors(true);
}

static char log_lines[4096];
static size_t log_length; /* one thread at a time calls a sink */

static void keep_line(void *ctx, const anqa_log_event *event)
{
    log_length += anqa_log_format_line(
        ANQA_LOG_TEXT, event, log_lines + log_length, sizeof log_lines - log_length);
}

static void set_label(void *label)
{
    anqa_set_label(label);
}

TEST(the_label_stands_in_the_log_line_of_a_crash)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid born = rt_puppet(&(anqa_spawn_opts){.label = "room:lobby"}), renamed = rt_puppet(NULL);
    anqa_ref refs[] = {anqa_monitor(born), anqa_monitor(renamed)};

    anqa_log_set_sink(keep_line, NULL);
    rt_tell(born, exit_with_text, "no more chairs");
    CHECK_EQ(rt_ended(refs[0]), ANQA_REASON_ERROR);
    CHECK(rt_have(renamed, set_label, "room:attic"));
    rt_tell(renamed, exit_with_text, "too dark");
    CHECK_EQ(rt_ended(refs[1]), ANQA_REASON_ERROR);
    rt_close(rt);
    CHECK(strstr(log_lines, "room:lobby") != NULL, "%s", log_lines);
    CHECK(strstr(log_lines, "no more chairs") != NULL, "%s", log_lines);
    CHECK(strstr(log_lines, "room:attic") != NULL, "%s", log_lines);
}

TEST(quiet_reasons_are_not_logged)
{
    static const anqa_reason_kind quiet[] = {ANQA_REASON_NORMAL, ANQA_REASON_SHUTDOWN};
    anqa_rt *rt = rt_open(1);

    anqa_log_set_sink(keep_line, NULL);
    for (size_t i = 0; i < ANQA_COUNT(quiet); i++)
        rt_end(rt_puppet(NULL), quiet[i]);
    rt_close(rt);
    CHECK(strstr(log_lines, "crashed") == NULL, "%s", log_lines);
}

/* ---------------------------------------------------------------- ending */

struct watch {
    anqa_pid tell;
    void (*end)(void);
};

static void watch_handle(void *state, const anqa_msg *msg)
{
    struct watch *watch = state;

    watch->end();
}

static void watch_terminate(void *state, anqa_reason reason)
{
    struct watch *watch = state;

    rt_send_number(watch->tell, "terminate", anqa_reason_get_kind(reason));
}

static const anqa_behaviour watched_behaviour = {
    .name = "watched", .handle = watch_handle, .terminate = watch_terminate};

static void end_by_exit(void)
{
    anqa_exit(anqa_error_reason("on purpose"));
}

static void end_by_contract(void)
{
    ANQA_REQUIRE(never_true != NULL);
}

static void end_by_kill(void)
{
    anqa_exit_signal(anqa_self(), ANQA_KILL);
}

static void end_by_waiting_where_it_must_not(void)
{
    anqa_nowait_begin();
    anqa_sleep(1);
    anqa_nowait_end();
}

static void end_by_link_to_the_dead(void)
{
    anqa_link((anqa_pid){0});
}

static const struct {
    void (*end)(void);
    bool terminates;
    anqa_reason_kind kind;
} endings[] = {
    {end_by_exit, true, ANQA_REASON_ERROR},
    {end_by_contract, true, ANQA_REASON_CONTRACT},
    {end_by_waiting_where_it_must_not, true, ANQA_REASON_CONTRACT},
    {end_by_kill, false, ANQA_REASON_KILLED},
    {end_by_link_to_the_dead, false, ANQA_REASON_NOPROC},
};

TEST(terminate_is_called_for_the_process_that_ends_by_its_own_code_only)
{
    anqa_rt *rt = rt_open(2);

    for (size_t i = 0; i < ANQA_COUNT(endings); i++) {
        struct watch watch = {anqa_self(), endings[i].end};
        anqa_spawn_opts opts = {.behaviour = &watched_behaviour,
            .arg = &watch,
            .arg_size = sizeof watch,
            .monitor = true};
        const anqa_msg *msg;
        anqa_pid pid;
        anqa_ref ref;
        CHECK_STATUS(anqa_spawn(&opts, &pid, &ref), ANQA_OK);
        CHECK_STATUS(anqa_send(pid, "end", anqa_nothing()), ANQA_OK);
        CHECK_EQ(rt_ended(ref), endings[i].kind, "row %zu", i);
        msg = rt_receive("terminate", 0);
        CHECK_EQ(msg != NULL, endings[i].terminates, "row %zu", i);
    }
    rt_close(rt);
}

TEST(an_untrapped_exit_signal_ends_a_behaviour_without_terminate)
{
    anqa_rt *rt = rt_open(2);
    struct watch watch = {anqa_self(), end_by_exit};
    anqa_pid pid;
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.behaviour = &watched_behaviour,
                                .arg = &watch,
                                .arg_size = sizeof watch,
                                .monitor = true},
                     &pid, &ref),
        ANQA_OK);
    anqa_exit_signal(pid, ANQA_SHUTDOWN);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_SHUTDOWN);
    CHECK(rt_receive("terminate", 0) == NULL);
    rt_close(rt);
}

static void terminate_badly(void *state, anqa_reason reason)
{
    anqa_exit(anqa_reason_of(ANQA_REASON_BAD_RETURN));
}

TEST(an_exit_inside_terminate_ends_the_process_with_the_new_reason)
{
    static const anqa_behaviour bad = {
        .name = "bad", .handle = watch_handle, .terminate = terminate_badly};
    anqa_rt *rt = rt_open(2);
    struct watch watch = {anqa_self(), end_by_exit};
    anqa_pid pid;
    anqa_ref ref;

    CHECK_STATUS(
        anqa_spawn(
            &(anqa_spawn_opts){
                .behaviour = &bad, .arg = &watch, .arg_size = sizeof watch, .monitor = true},
            &pid, &ref),
        ANQA_OK);
    CHECK_STATUS(anqa_send(pid, "end", anqa_nothing()), ANQA_OK);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_BAD_RETURN);
    rt_close(rt);
}

struct cleanup {
    anqa_pid tell;
    uint64_t number;
};

static void send_cleanup(void *arg)
{
    const struct cleanup *c = arg;

    rt_send_number(c->tell, "cleanup", c->number);
}

static void defer_three(void *arg)
{
    struct cleanup *c = anqa_heap_calloc(3, sizeof *c);

    for (size_t i = 0; i < 3; i++) {
        c[i] = (struct cleanup){*(anqa_pid *)arg, i};
        anqa_defer(send_cleanup, &c[i]);
    }
}

static void defer_three_and_exit(void *arg)
{
    defer_three(arg);
    anqa_exit(ANQA_SHUTDOWN);
}

static void defer_three_and_wait(void *arg)
{
    defer_three(arg);
    anqa_sleep(ANQA_INFINITY);
}

static void defer_three_and_return(void *arg)
{
    defer_three(arg);
    anqa_exit_signal(anqa_self(), ANQA_KILL);
}

TEST(deferred_cleanups_run_newest_first_before_the_down_however_it_ends)
{
    void (*const ways[])(void *) = {
        defer_three_and_exit, defer_three_and_wait, defer_three_and_return};
    anqa_rt *rt = rt_open(2);
    anqa_pid self = anqa_self();

    for (size_t i = 0; i < ANQA_COUNT(ways); i++) {
        anqa_pid pid = rt_puppet(NULL);
        anqa_ref ref = anqa_monitor(pid);
        rt_tell(pid, ways[i], &self);
        if (ways[i] == defer_three_and_wait) {
            rt_pause(); /* nearly always it waits by then; the result is the same when it does not */
            anqa_exit_signal(pid, anqa_reason_of(ANQA_REASON_ERROR));
        }
        (void)rt_ended(ref);
        for (uint64_t n = 3; n-- > 0;) {
            const anqa_msg *msg = rt_receive("cleanup", 0);
            if (msg == NULL && ways[i] == defer_three_and_wait && n == 2)
                break; /* it had not begun */
            CHECK(msg != NULL, "way %zu", i);
            CHECK_EQ(*(const uint64_t *)(const void *)msg->body.ptr, n, "way %zu", i);
        }
    }
    rt_close(rt);
}

struct hook {
    struct exit_hook hook;
    anqa_pid pid;
    _Atomic(unsigned) runs;
};

static void hook_run(struct exit_hook *hook, anqa_pid pid)
{
    struct hook *h = (struct hook *)(void *)hook;

    h->pid = pid;
    atomic_fetch_add_explicit(&h->runs, 1, memory_order_release);
}

static void add_hook(void *hook)
{
    exit_hook_add(&((struct hook *)hook)->hook);
}

static void remove_hook(void *hook)
{
    exit_hook_remove(&((struct hook *)hook)->hook);
}

TEST(exit_hooks_run_once_before_the_down_and_removed_ones_never)
{
    anqa_rt *rt = rt_open(2);
    static struct hook hooks[3];
    anqa_pid pid = rt_puppet(NULL);
    anqa_ref ref = anqa_monitor(pid);

    for (size_t i = 0; i < 3; i++) {
        hooks[i].hook.run = hook_run;
        CHECK(rt_have(pid, add_hook, &hooks[i]));
    }
    CHECK(rt_have(pid, remove_hook, &hooks[1]));
    anqa_exit_signal(pid, ANQA_KILL);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_KILLED);
    CHECK_EQ(atomic_load_explicit(&hooks[0].runs, memory_order_acquire), 1);
    CHECK_EQ(atomic_load_explicit(&hooks[1].runs, memory_order_acquire), 0);
    CHECK_EQ(atomic_load_explicit(&hooks[2].runs, memory_order_acquire), 1);
    CHECK_EQ(hooks[0].pid.bits, pid.bits);
    rt_close(rt);
}

static void take_from_the_heap(void *size)
{
    memset(anqa_heap_alloc(*(size_t *)size), 1, *(size_t *)size);
}

static void take_tmp(void *size)
{
    memset(anqa_arena_alloc(anqa_tmp(), *(size_t *)size), 1, *(size_t *)size);
}

TEST(a_process_over_its_heap_limit_ends_with_quota)
{
    void (*const takers[])(void *) = {take_from_the_heap, take_tmp};
    anqa_rt *rt = rt_open(2);
    size_t small = 100000, large = 2000000;

    for (size_t i = 0; i < ANQA_COUNT(takers); i++) {
        anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.heap_quota = 1000000});
        anqa_ref ref = anqa_monitor(pid);
        CHECK(rt_have(pid, takers[i], &small));
        CHECK(!rt_have(pid, takers[i], &large));
        CHECK_EQ(rt_ended(ref), ANQA_REASON_QUOTA);
    }
    rt_close(rt);
}

TEST(the_end_of_a_process_over_its_heap_limit_is_logged)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(&(anqa_spawn_opts){.label = "glutton", .heap_quota = 1000000});
    size_t large = 2000000;

    anqa_log_set_sink(keep_line, NULL);
    CHECK(!rt_have(pid, take_from_the_heap, &large));
    rt_close(rt);
    CHECK(strstr(log_lines, "process.crashed") != NULL, "%s", log_lines);
    CHECK(strstr(log_lines, "glutton") != NULL, "%s", log_lines);
    CHECK(strstr(log_lines, "quota") != NULL, "%s", log_lines);
}

TEST(without_a_heap_limit_memory_is_not_bounded)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(NULL);
    size_t size = 20000000;

    CHECK(rt_have(pid, take_from_the_heap, &size));
    rt_close(rt);
}

static void use_tmp_and_return(void *state)
{
    size_t size = 600000;

    take_tmp(&size);
}

TEST(temporary_memory_of_a_process_that_returned_does_not_count_for_the_next)
{
    anqa_rt *rt = rt_open(1);

    for (unsigned i = 0; i < 4; i++) {
        anqa_spawn_opts opts = {.run = use_tmp_and_return, .heap_quota = 1000000, .monitor = true};
        anqa_ref ref;
        CHECK_STATUS(anqa_spawn(&opts, NULL, &ref), ANQA_OK);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL, "process %u", i);
    }
    rt_close(rt);
}

static void return_from_a_nowait_region(void *state)
{
    anqa_nowait_begin();
}

static void sleep_a_moment(void *state)
{
    anqa_sleep(1);
}

/* ---------------------------------------------------------------- in the match of a receive */

static bool match_and_sleep(const anqa_msg *msg, void *arg)
{
    anqa_sleep(1);
    return true;
}

static bool match_and_yield(const anqa_msg *msg, void *arg)
{
    anqa_yield();
    return true;
}

static bool match_and_receive(const anqa_msg *msg, void *arg)
{
    return anqa_receive(0) != NULL;
}

static bool match_and_receive_another(const anqa_msg *msg, void *arg)
{
    return rt_receive("another", 0) != NULL;
}

static bool match_and_call(const anqa_msg *msg, void *arg)
{
    return anqa_receive_ref(anqa_request(anqa_parent(), "?", anqa_nothing()), 1) != NULL;
}

static bool match_and_demonitor(const anqa_msg *msg, void *arg)
{
    return anqa_demonitor(msg->ref, true);
}

static bool match_and_count(const anqa_msg *msg, void *arg)
{
    return anqa_mailbox_length() > 0;
}

typedef bool (*matcher)(const anqa_msg *msg, void *arg);

static void receive_with(void *arg)
{
    CHECK_STATUS(anqa_send(anqa_self(), "first", anqa_nothing()), ANQA_OK);
    CHECK_STATUS(anqa_send(anqa_self(), "another", anqa_nothing()), ANQA_OK);
    (void)anqa_receive_if(*(matcher *)arg, NULL, 1);
}

TEST(a_match_that_waits_or_uses_the_mailbox_breaks_the_contract)
{
    static const matcher bad[] = {match_and_sleep, match_and_yield, match_and_receive,
        match_and_receive_another, match_and_call, match_and_demonitor, match_and_count};
    anqa_rt *rt = rt_open(1);

    for (size_t i = 0; i < ANQA_COUNT(bad); i++) {
        anqa_pid pid = rt_puppet(NULL);
        anqa_ref ref = anqa_monitor(pid);
        rt_tell(pid, receive_with, &bad[i]);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_CONTRACT, "match %zu", i);
    }
    rt_close(rt);
}

static bool match_and_exit(const anqa_msg *msg, void *arg)
{
    anqa_exit(anqa_error_reason("seen enough"));
}

static void receive_and_sleep_in_terminate(void *state, anqa_reason reason)
{
    CHECK_STATUS(anqa_send(anqa_self(), "last", anqa_nothing()), ANQA_OK);
    CHECK(rt_receive("last", RT_LONG_MS) != NULL);
    anqa_sleep(1);
    CHECK_STATUS(anqa_send(anqa_parent(), "has slept", anqa_nothing()), ANQA_OK);
}

static void receive_and_exit(void *state, const anqa_msg *msg)
{
    receive_with(&(matcher){match_and_exit});
}

TEST(a_match_may_exit_and_what_follows_may_wait)
{
    static const anqa_behaviour exiting = {
        .name = "exiting", .handle = receive_and_exit, .terminate = receive_and_sleep_in_terminate};
    anqa_rt *rt = rt_open(1);
    anqa_pid pid;
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.behaviour = &exiting, .monitor = true}, &pid, &ref),
        ANQA_OK);
    CHECK_STATUS(anqa_send(pid, "go", anqa_nothing()), ANQA_OK);
    anqa_msg_free(rt_expect("has slept"));
    CHECK_EQ(rt_ended(ref), ANQA_REASON_ERROR);
    rt_close(rt);
}

TEST(a_process_that_returns_from_a_nowait_region_does_not_forbid_the_next_to_wait)
{
    void (*const runs[])(void *) = {return_from_a_nowait_region, sleep_a_moment, sleep_a_moment};
    anqa_rt *rt = rt_open(1);

    for (size_t i = 0; i < ANQA_COUNT(runs); i++) {
        anqa_ref ref;
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = runs[i], .monitor = true}, NULL, &ref), ANQA_OK);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL, "process %zu", i);
    }
    rt_close(rt);
}

TEST(waiting_processes_beyond_the_number_of_stacks_end_with_system_limit)
{
    enum { TRIED = 64 };
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 1, .max_waiting = 16});
    anqa_ref refs[TRIED];
    anqa_pid pids[TRIED];
    unsigned refused = 0;

    for (size_t i = 0; i < TRIED; i++)
        CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = rt_puppet_run, .monitor = true}, &pids[i],
                         &refs[i]),
            ANQA_OK);
    for (size_t i = 0; i < TRIED; i++)
        if (!rt_have(pids[i], rt_do_nothing, NULL)) {
            CHECK_EQ(rt_ended(refs[i]), ANQA_REASON_SYSTEM_LIMIT);
            refused++;
        }
    CHECK(refused >= TRIED - 16 && refused < TRIED, "%u", refused);
    rt_close(rt);
}

TEST(a_reason_has_the_text_it_was_given_cut_at_3000_bytes)
{
    static char long_text[4000];
    static const struct {
        const char *format, *wanted;
        size_t len;
    } rows[] = {
        {"", "", 0}, {"crash", "crash", 5}, {"100 %%", "100 %", 5}, {long_text, long_text, 3000}};

    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t i = 0; i < ANQA_COUNT(rows); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
        anqa_reason reason = anqa_reason_make(ANQA_REASON_ERROR, rows[i].format);
#pragma GCC diagnostic pop
        anqa_str text = anqa_reason_get_text(reason);
        CHECK_EQ(anqa_reason_get_kind(reason), ANQA_REASON_ERROR, "row %zu", i);
        CHECK_EQ(text.len, rows[i].len, "row %zu", i);
        CHECK(memcmp(text.ptr, rows[i].wanted, text.len) == 0, "row %zu", i);
        anqa_reason_unref(reason);
    }
}
