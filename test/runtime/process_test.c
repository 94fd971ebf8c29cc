/* The ends of processes, their clean-ups and their memory; receiving with a match. */
#include <stdlib.h>

#include <anqa/memory.h>

#include "log_fixture.h"
#include "rt_fixture.h"
#include "runtime/hooks.h"

static void *volatile never_true;

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
    /* Whoever finds the order in its mailbox obeys it before it waits for the first time: all are asked twice. */
    for (size_t i = 0; i < TRIED; i++)
        (void)rt_have(pids[i], rt_do_nothing, NULL);
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
