/* Spawning: options, lineage, labels. */
#include "exit_fixture.h"
#include "log_fixture.h"

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
