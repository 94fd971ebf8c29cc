/*
 * Memory that runs out anywhere between start and stop: a clear error, never a crash. What is promised to others (DOWN,
 * EXIT, a wake-up) can not be given up: it comes out of the reserve, and only behind that the program ends.
 */
#include <pthread.h>
#include <stdlib.h>

#include "rt_fixture.h"
#include "runtime/sched.h"

static void check_error(anqa_status status, const anqa_error *err)
{
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM || status == ANQA_E_LIMIT, "%s",
        anqa_status_name(status));
    if (status != ANQA_OK)
        CHECK(err->text[0] != '\0');
}

static const anqa_options modes[] = {
    {.schedulers = 2},
    {.schedulers = 1, .no_fault_handlers = true},
    {.deterministic = true},
};

TEST(starting_without_memory_fails_with_an_error_that_says_what_was_wanted)
{
    for (size_t i = 0; i < ANQA_COUNT(modes); i++) {
        EACH_ALLOC_FAILURE {
            anqa_error err = {0};
            anqa_rt *rt = NULL;
            anqa_status status = anqa_start(&modes[i], &rt, &err);
            check_error(status, &err);
            CHECK_EQ(rt != NULL, status == ANQA_OK, "mode %zu", i);
            anqa_stop(rt);
        }
    }
}

TEST(attaching_without_memory_fails_and_the_runtime_goes_on)
{
    anqa_rt *rt;

    CHECK_STATUS(anqa_start(&modes[0], &rt, NULL), ANQA_OK);
    EACH_ALLOC_FAILURE {
        anqa_error err = {0};
        anqa_status status = anqa_attach(rt, &err);
        check_error(status, &err);
        anqa_detach();
    }
    rt_check_empty(rt);
    anqa_stop(rt);
}

static const char long_text[2000];

static void wait_for_mail(void *state)
{
    (void)anqa_receive(ANQA_INFINITY);
}

/* On the way any call may fail; what has begun must be ended all the same. */
static void spawn_send_and_end(void)
{
    anqa_ref ref;
    anqa_pid pid;
    anqa_spawn_opts opts = {.run = wait_for_mail,
        .monitor = true,
        .state_size = 5000,
        .label = "labelled",
        .inherit_callers = true,
        .heap_quota = 100000};
    anqa_status status = anqa_spawn(&opts, &pid, &ref);

    if (status != ANQA_OK) {
        CHECK_STATUS(status, ANQA_E_NOMEM);
        return;
    }
    status = anqa_send(pid, "long", anqa_bytes(long_text, sizeof long_text));
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
    if (status != ANQA_OK)
        anqa_exit_signal(pid, ANQA_SHUTDOWN);
    (void)rt_ended(ref);
}

/* As many as need a larger table of relations. */
static void link_to_and_monitor(anqa_pid other)
{
    anqa_ref refs[40];

    if (anqa_link(other) == ANQA_OK)
        anqa_unlink(other);
    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        refs[i] = anqa_monitor(other);
    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_EQ(anqa_demonitor(refs[i], true), refs[i].bits != 0);
}

TEST(an_attached_thread_links_and_monitors_as_far_as_there_is_memory)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid other = rt_puppet(NULL);

    CHECK(rt_have(other, rt_do_nothing, NULL)); /* it has begun */
    EACH_ALLOC_FAILURE {
        link_to_and_monitor(other);
    }
    rt_close(rt);
}

TEST(spawning_and_sending_without_memory_fails_and_leaves_nothing_behind)
{
    anqa_rt *rt = rt_open(1);

    EACH_ALLOC_FAILURE {
        spawn_send_and_end();
    }
    rt_close(rt);
}

TEST(a_spawn_that_failed_leaves_no_slot_that_seems_alive)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(NULL);
    const uint64_t next_slot = (uint64_t)1 << 32;

    harness_out_of_memory(true);
    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = wait_for_mail, .state_size = 5000}, NULL, NULL),
        ANQA_E_NOMEM);
    harness_out_of_memory(false);
    CHECK(!anqa_is_alive((anqa_pid){pid.bits + next_slot}));
    CHECK_STATUS(
        anqa_send((anqa_pid){pid.bits + next_slot}, "nobody", anqa_nothing()), ANQA_E_NOPROC);
    rt_close(rt);
}

TEST(a_whole_life_without_memory_in_deterministic_mode)
{
    EACH_ALLOC_FAILURE {
        anqa_error err = {0};
        anqa_rt *rt = NULL;
        anqa_status status = anqa_start(&modes[2], &rt, &err);
        check_error(status, &err);
        if (status == ANQA_OK) {
            status = anqa_attach(rt, &err);
            check_error(status, &err);
            if (status == ANQA_OK)
                spawn_send_and_end();
            anqa_detach();
        }
        anqa_stop(rt);
    }
}

enum { RELATIONS = 60 };

/* Tables of relations grow by malloc beyond a kilobyte: a process that gets no memory for a link ends. */
static void link_and_monitor_many(void *state)
{
    const anqa_pid *other = state;

    for (unsigned i = 0; i < RELATIONS; i++) {
        (void)anqa_monitor(*other);
        (void)anqa_alias_make(ANQA_ALIAS_EXPLICIT);
        (void)anqa_request(*other, "never answered", anqa_bytes(long_text, sizeof long_text));
    }
    anqa_link(*other);
    anqa_exit(anqa_error_reason("%s", "with a text"));
}

TEST(a_process_that_gets_no_memory_for_a_relation_ends_and_tells_why)
{
    anqa_rt *rt = rt_open(2);
    unsigned refused = 0;

    for (uint16_t i = 1; i <= 2; i++) /* the threads have begun, with all that they need */
        CHECK(rt_have(rt_puppet(&(anqa_spawn_opts){.scheduler = i}), rt_do_nothing, NULL));
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        anqa_spawn_opts server = {.run = rt_puppet_run, .trap_exit = true};
        anqa_spawn_opts opts = {
            .run = link_and_monitor_many, .arg_size = sizeof(anqa_pid), .monitor = true};
        anqa_pid pid;
        anqa_ref ref;
        if (anqa_spawn(&server, &pid, NULL) == ANQA_OK) {
            opts.arg = &pid;
            if (anqa_spawn(&opts, NULL, &ref) == ANQA_OK) {
                anqa_reason_kind kind = rt_ended(ref);
                CHECK(
                    kind == ANQA_REASON_ERROR || kind == ANQA_REASON_SYSTEM_LIMIT ||
                        kind == ANQA_REASON_NOPROC, /* the other one got no memory and has ended */
                    "%d", (int)kind);
                refused += kind == ANQA_REASON_SYSTEM_LIMIT;
            }
            anqa_exit_signal(pid, ANQA_KILL);
        }
    }
    CHECK(refused > 0);
    rt_close(rt);
}

/* ---------------------------------------------------------------- signals without memory */

enum { WATCHED = BLOCK_RESERVE / 4 }; /* each needs its exit signal, and its DOWN and EXIT */

/* From here on there is none: what the runtime has left lies in a mailbox that nobody empties. */
static void run_out_of_memory(anqa_pid mailbox)
{
    anqa_status status = ANQA_OK;

    CHECK(rt_have(mailbox, rt_do_nothing, NULL)); /* it has begun */
    harness_out_of_memory(true);
    for (unsigned i = 0; i < 1000000 && status == ANQA_OK; i++)
        status = anqa_send(mailbox, "never read", anqa_nothing());
    CHECK_STATUS(status, ANQA_E_NOMEM);
}

TEST(an_attached_thread_that_gets_no_memory_to_link_or_monitor_is_told_and_goes_on)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid mailbox = rt_puppet(NULL), other = rt_puppet(NULL);
    anqa_ref ref;

    CHECK(rt_have(other, rt_do_nothing, NULL)); /* it has begun */
    run_out_of_memory(mailbox);
    CHECK_STATUS(anqa_link(other), ANQA_E_NOMEM);
    ref = anqa_monitor(other);
    CHECK_EQ(ref.bits, 0);
    CHECK(anqa_receive_ref(ref, ANQA_INFINITY) == NULL);
    harness_out_of_memory(false);
    rt_kill(mailbox);
    rt_kill(other);
    CHECK(rt_receive("EXIT", 0) == NULL, "no link was left");
    other = rt_puppet(NULL);
    CHECK_STATUS(anqa_link(other), ANQA_OK);
    rt_end(other, ANQA_REASON_ERROR);
    anqa_msg_free(rt_expect("EXIT"));
    rt_close(rt);
}

TEST(ticks_are_missed_while_there_is_no_memory_and_come_again_afterwards)
{
    anqa_rt *rt = rt_open_deterministic(1);
    anqa_pid mailbox = rt_puppet(NULL);

    anqa_send_every(anqa_self(), "tick", 1);
    run_out_of_memory(mailbox);
    anqa_sleep(1000); /* more than the scheduler has messages in store */
    harness_out_of_memory(false);
    while (rt_receive("tick", 0) != NULL)
        ; /* those for which there was memory */
    CHECK(rt_receive("tick", 10) != NULL);
    rt_kill(mailbox);
    rt_close(rt);
}

static uint32_t reserved(anqa_rt *rt)
{
    return atomic_load_explicit(&rt->depot.reserved, memory_order_relaxed);
}

static void expect_exits(size_t count)
{
    for (size_t i = 0; i < count; i++)
        anqa_msg_free(rt_expect("EXIT"));
}

static void ignore_mail(void *state, const anqa_msg *msg)
{
}

/* Needs no stack, even at its end. */
static const anqa_behaviour idle = {.name = "idle", .handle = ignore_mail};

static void deaths_without_memory(anqa_rt *rt)
{
    static anqa_pid pids[WATCHED];
    static anqa_ref refs[WATCHED];
    anqa_pid mailbox = rt_puppet(NULL);

    for (size_t i = 0; i < WATCHED; i++)
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.behaviour = &idle, .monitor = true, .link = true},
                &pids[i], &refs[i]),
            ANQA_OK);
    run_out_of_memory(mailbox);
    for (size_t i = 0; i < WATCHED; i++)
        anqa_exit_signal(pids[i], ANQA_SHUTDOWN);
    CHECK(reserved(rt) < BLOCK_RESERVE, "there was memory");
    for (size_t i = 0; i < WATCHED; i++)
        CHECK_EQ(rt_ended(refs[i]), ANQA_REASON_SHUTDOWN);
    expect_exits(WATCHED);
    harness_out_of_memory(false);
    anqa_exit_signal(mailbox, ANQA_KILL);
}

TEST(deaths_are_told_without_memory_and_the_reserve_is_filled_when_there_is_some)
{
    anqa_rt *rt = rt_open(2);

    for (unsigned i = 0; i < 3; i++) {
        uint64_t end = rt_clock_us() + RT_LONG_MS * 1000ull;
        deaths_without_memory(rt);
        for (; reserved(rt) < BLOCK_RESERVE && rt_clock_us() < end; rt_pause())
            CHECK_STATUS(anqa_send((anqa_pid){0}, "for its memory", anqa_nothing()), ANQA_E_NOPROC);
        CHECK_EQ(reserved(rt), BLOCK_RESERVE, "round %u", i);
    }
    rt_close(rt);
}

TEST(requests_owed_by_the_dead_are_answered_without_memory)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid server = rt_puppet(NULL), mailbox = rt_puppet(NULL);
    static anqa_ref refs[WATCHED];

    for (size_t i = 0; i < WATCHED; i++)
        refs[i] = anqa_request(server, "nobody looks", anqa_nothing());
    run_out_of_memory(mailbox);
    anqa_exit_signal(server, ANQA_KILL);
    for (size_t i = 0; i < WATCHED; i++)
        CHECK_EQ(rt_ended(refs[i]), ANQA_REASON_KILLED);
    harness_out_of_memory(false);
    rt_close(rt);
}

TEST(behind_the_reserve_the_end_names_what_could_not_be_sent, .expect_signal = SIGABRT,
    .expect_stderr = "out of memory: an exit signal from <")
{
    anqa_pid mailbox;

    (void)rt_open(1);
    mailbox = rt_puppet(&(anqa_spawn_opts){.trap_exit = true});
    run_out_of_memory(mailbox);
    for (unsigned i = 0; i < 100 * BLOCK_RESERVE; i++)
        anqa_exit_signal(mailbox, ANQA_NORMAL);
}
