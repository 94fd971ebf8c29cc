/* Exit signals, as OTP has them. */
#include "exit_fixture.h"

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
