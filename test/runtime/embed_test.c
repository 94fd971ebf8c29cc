/* A runtime inside other programs: several at once, threads that attach, wrong options, stopping, deterministic mode. */
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "rt_fixture.h"

#include "runtime/sched.h"

/* ---------------------------------------------------------------- starting */

TEST(headers_of_another_version_are_refused_with_both_versions_named)
{
    anqa_error err;
    anqa_rt *rt = NULL;

    CHECK_STATUS(anqa_start_versioned(NULL, "0.0.7", &rt, &err), ANQA_E_VERSION);
    CHECK(strstr(err.text, "0.0.7") != NULL, "%s", err.text);
    CHECK(strstr(err.text, anqa_version()) != NULL, "%s", err.text);
    CHECK_STATUS(anqa_start_versioned(NULL, NULL, &rt, NULL), ANQA_E_VERSION);
    CHECK(rt == NULL);
}

static const struct {
    anqa_options options;
    const char *named;
} bad_options[] = {
    {{.schedulers = 65}, "schedulers"},
    {{.max_processes = 16777216}, "max_processes"},
    {{.js_mapped = 12001}, "js_mapped"},
    {{.stack_size = 65535}, "stack_size is 65535 bytes, from 65536 (64KB) to 1073741824 (1GB)"},
    {{.stack_size = (size_t)100 << 30}, "stack_size is 107374182400 bytes, from 65536 (64KB) to"},
    {{.heap_quota = 1}, "heap_quota is 1 bytes, 0 (no quota) or at least 16384 are possible"},
    {{.schedulers = 2, .deterministic = true}, "deterministic"},
};

TEST(an_option_out_of_range_is_refused_by_its_name)
{
    for (size_t i = 0; i < ANQA_COUNT(bad_options); i++) {
        anqa_error err;
        anqa_rt *rt = NULL;
        CHECK(anqa_start(&bad_options[i].options, &rt, &err) != ANQA_OK, "row %zu", i);
        CHECK(strstr(err.text, bad_options[i].named) != NULL, "%s", err.text);
        CHECK(rt == NULL);
    }
}

TEST(too_few_files_for_the_pollers_is_an_error_that_names_both_limits)
{
    struct rlimit limit, low;
    anqa_error err;
    anqa_rt *rt = NULL;
    anqa_status status;
    int lowest = dup(STDERR_FILENO);

    CHECK(lowest >= 0);
    close(lowest);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)lowest + 3; /* one poller, and half of the second */
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    status = anqa_start(&(anqa_options){.schedulers = 4}, &rt, &err);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK(status != ANQA_OK && rt == NULL);
    CHECK(strstr(err.text, "poller of scheduler 2 (each takes two files") != NULL, "%s", err.text);
    CHECK(strstr(err.text, "option schedulers") != NULL, "%s", err.text);
    CHECK(strstr(err.text, "ulimit -n") != NULL, "%s", err.text);
}

TEST(without_options_there_is_a_scheduler_and_processes_run)
{
    anqa_error err;
    anqa_rt *rt;
    anqa_ref ref;

    CHECK_STATUS(anqa_start(NULL, &rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK);
    CHECK(anqa_rt_self() == rt);
    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = rt_do_nothing, .monitor = true}, NULL, &ref), ANQA_OK);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL);
    rt_close(rt);
}

TEST(the_defaults_are_those_that_the_header_names)
{
    anqa_rt *rt = rt_open(0);

    CHECK_EQ(rt->options.workers, 10);
    CHECK_EQ(rt->options.worker_queue, 10000);
    CHECK_EQ(rt->options.max_processes, 1048576);
    CHECK_EQ(rt->options.heap_quota, 0);
    CHECK_EQ(rt->options.watchdog_ms, 100);
    CHECK_EQ(rt->options.stop_timeout_ms, 30000);
    CHECK_EQ(rt->options.taint, ANQA_TAINT_CONTAIN);
    rt_close(rt);
}

TEST(stopping_nothing_is_fine)
{
    anqa_stop(NULL);
    anqa_detach();
}

TEST(a_runtime_can_be_started_and_stopped_again_and_again)
{
    for (unsigned i = 0; i < 20; i++) {
        anqa_rt *rt = rt_open((uint16_t)(1 + i % 3));
        CHECK(rt_have(rt_puppet(NULL), rt_do_nothing, NULL));
        rt_close(rt);
    }
}

/* ---------------------------------------------------------------- several runtimes */

static void answer_with_runtime(void *state, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);
    anqa_rt *rt = anqa_rt_self();

    anqa_reply_to(&caller, anqa_bytes(&rt, sizeof rt));
}

static const anqa_behaviour telling = {.name = "telling", .handle = answer_with_runtime};

static void check_own_runtime(anqa_rt *rt)
{
    anqa_pid pid;
    const anqa_msg *msg;

    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.behaviour = &telling}, &pid, NULL), ANQA_OK);
    msg = anqa_receive_ref(anqa_request(pid, "whose?", anqa_nothing()), RT_LONG_MS);
    CHECK(msg != NULL);
    CHECK_EQ(memcmp(msg->body.ptr, &rt, sizeof rt), 0);
    anqa_exit_signal(pid, ANQA_SHUTDOWN);
    anqa_detach();
}

TEST(two_runtimes_in_one_program_know_nothing_of_each_other)
{
    anqa_rt *a, *b;
    anqa_rt_stats stats;

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 2}, &a, NULL), ANQA_OK);
    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &b, NULL), ANQA_OK);
    for (unsigned i = 0; i < 5; i++) {
        check_own_runtime(a);
        check_own_runtime(b);
    }
    anqa_rt_get_stats(b, &stats);
    CHECK_EQ(stats.spawned, 10); /* five times a thread and a process */
    rt_check_empty(a);
    anqa_stop(a);
    check_own_runtime(b);
    rt_check_empty(b);
    anqa_stop(b);
}

/* ---------------------------------------------------------------- attached threads */

TEST(a_thread_attaches_once)
{
    anqa_rt *rt = rt_open(1);
    anqa_error err;

    CHECK_STATUS(anqa_attach(rt, &err), ANQA_E_EXISTS);
    rt_close(rt);
    CHECK(anqa_pid_is_none(anqa_self()));
}

struct attaching {
    anqa_rt *rt;
    anqa_pid server;
    pthread_barrier_t *all_attached;
};

/* Attaches, calls, is monitored, detaches; again and again. */
static void *attach_and_call(void *arg)
{
    const struct attaching *a = arg;

    for (unsigned i = 0; i < 50; i++) {
        anqa_ref ref;
        CHECK_STATUS(anqa_attach(a->rt, NULL), ANQA_OK);
        CHECK(!anqa_pid_is_none(anqa_self()));
        for (unsigned j = 0; j < 20; j++) {
            const anqa_msg *msg =
                anqa_receive_ref(anqa_request(a->server, "?", anqa_nothing()), RT_LONG_MS);
            CHECK(msg != NULL && msg->kind == ANQA_MSG_REPLY);
        }
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = rt_do_nothing, .monitor = true}, NULL, &ref),
            ANQA_OK);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL);
        anqa_detach();
    }
    return NULL;
}

TEST(several_threads_attach_and_detach_at_once)
{
    anqa_rt *rt = rt_open(2);
    struct attaching a = {.rt = rt};
    pthread_t threads[6];

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.behaviour = &telling}, &a.server, NULL), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, attach_and_call, &a), 0);
    for (size_t i = 0; i < ANQA_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    anqa_exit_signal(a.server, ANQA_SHUTDOWN);
    rt_close(rt);
}

static void *attach_and_wait(void *arg)
{
    const struct attaching *a = arg;

    CHECK_STATUS(anqa_attach(a->rt, NULL), ANQA_OK);
    pthread_barrier_wait(a->all_attached);
    pthread_barrier_wait(a->all_attached);
    anqa_detach();
    return NULL;
}

TEST(more_attached_threads_than_there_are_places_for_are_refused)
{
    enum { PLACES = 62 };
    anqa_rt *rt;
    pthread_barrier_t all_attached;
    struct attaching a = {.all_attached = &all_attached};
    pthread_t threads[PLACES];
    anqa_error err;

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &rt, NULL), ANQA_OK);
    a.rt = rt;
    pthread_barrier_init(&all_attached, NULL, PLACES + 1);
    for (size_t i = 0; i < PLACES; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, attach_and_wait, &a), 0);
    pthread_barrier_wait(&all_attached);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_E_LIMIT);
    CHECK(strstr(err.text, "62") != NULL, "%s", err.text);
    pthread_barrier_wait(&all_attached);
    for (size_t i = 0; i < PLACES; i++)
        pthread_join(threads[i], NULL);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK);
    rt_close(rt);
    pthread_barrier_destroy(&all_attached);
}

static void *attach_link_and_detach(void *arg)
{
    const struct attaching *a = arg;

    CHECK_STATUS(anqa_attach(a->rt, NULL), ANQA_OK);
    anqa_link(a->server);
    CHECK(rt_have(a->server, rt_do_nothing, NULL)); /* it has heard of the link */
    anqa_detach();
    return NULL;
}

TEST(detaching_ends_the_threads_process_with_normal)
{
    anqa_rt *rt = rt_open(2);
    struct attaching a = {.rt = rt, .server = rt_puppet(NULL)};
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, attach_link_and_detach, &a), 0);
    pthread_join(thread, NULL);
    CHECK(rt_have(a.server, rt_do_nothing, NULL)); /* normal over a link is ignored */
    rt_close(rt);
}

TEST(an_attached_thread_traps_exits_and_does_not_exit, .expect_signal = SIGABRT,
    .expect_stderr = "an attached thread does not exit: error: no way")
{
    (void)rt_open(1);
    anqa_exit(anqa_error_reason("no way"));
}

static void send_back(void *state, const anqa_msg *msg)
{
    _Atomic(unsigned) *count = *(_Atomic(unsigned) **)state;

    CHECK(anqa_pid_is_none(msg->from));
    atomic_fetch_add(count, 1);
}

static const anqa_behaviour counting = {.name = "counting", .handle = send_back};

struct outsider {
    anqa_rt *rt;
    anqa_pid pid;
};

static void *send_from_outside(void *arg)
{
    const struct outsider *o = arg;

    for (unsigned i = 0; i < 1000; i++)
        CHECK_STATUS(anqa_rt_send(o->rt, o->pid, "from outside", anqa_bytes("x", 1)), ANQA_OK);
    return NULL;
}

TEST(threads_that_are_not_attached_spawn_send_and_signal)
{
    static _Atomic(unsigned) count;
    _Atomic(unsigned) *where = &count;
    struct outsider o;
    pthread_t threads[4];

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 2}, &o.rt, NULL), ANQA_OK);
    CHECK_STATUS(
        anqa_rt_spawn(o.rt,
            &(anqa_spawn_opts){.behaviour = &counting, .arg = &where, .arg_size = sizeof where},
            &o.pid),
        ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, send_from_outside, &o), 0);
    for (size_t i = 0; i < ANQA_COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    for (uint64_t end = rt_clock_us() + RT_LONG_MS * 1000ull;
        atomic_load(&count) < 4000 && rt_clock_us() < end;)
        rt_pause();
    CHECK_EQ(atomic_load(&count), 4000);
    CHECK(anqa_rt_is_alive(o.rt, o.pid));
    anqa_rt_exit_signal(o.rt, o.pid, ANQA_KILL);
    rt_check_empty(o.rt);
    CHECK(!anqa_rt_is_alive(o.rt, o.pid));
    CHECK_STATUS(anqa_rt_send(o.rt, o.pid, "late", anqa_nothing()), ANQA_E_NOPROC);
    anqa_stop(o.rt);
}

/* ---------------------------------------------------------------- stopping */

static _Atomic(unsigned) orderly_ends;

static void end_when_told(void *state)
{
    while (rt_receive("EXIT", ANQA_INFINITY) == NULL)
        ;
    atomic_fetch_add(&orderly_ends, 1);
}

static void ignore_everything(void *state)
{
    for (;;)
        (void)anqa_receive(ANQA_INFINITY);
}

static void respawn(void *state, anqa_pid pid);

static void die_and_respawn(void *state)
{
    (void)rt_receive("EXIT", ANQA_INFINITY);
    respawn(NULL, anqa_self());
}

static void respawn(void *state, anqa_pid pid)
{
    (void)!anqa_spawn(&(anqa_spawn_opts){.run = die_and_respawn, .trap_exit = true}, NULL, NULL);
}

static void run_forever_with_yields(void *state)
{
    for (;;)
        anqa_yield();
}

/* How long it took. Beyond its time a stop aborts. */
static uint64_t stop_with(void (*run)(void *state), bool trap_exit, uint32_t stop_timeout_ms)
{
    const anqa_options options = {.schedulers = 2, .stop_timeout_ms = stop_timeout_ms};
    anqa_rt *rt;
    uint64_t begin;

    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    for (unsigned i = 0; i < 50; i++)
        CHECK_STATUS(
            anqa_rt_spawn(rt, &(anqa_spawn_opts){.run = run, .trap_exit = trap_exit}, NULL),
            ANQA_OK);
    begin = rt_clock_us();
    anqa_stop(rt);
    return (rt_clock_us() - begin) / 1000;
}

/* Before half of the time is over nobody is killed. */
static void stops_in_order(void (*run)(void *state), bool trap_exit)
{
    CHECK(stop_with(run, trap_exit, HARNESS_LONG_MS) < HARNESS_LONG_MS / 2);
}

static void stops_by_killing(void (*run)(void *state))
{
    const uint32_t timeout_ms = 3000;

    CHECK(stop_with(run, true, timeout_ms) >= timeout_ms / 2);
}

TEST(stop_ends_processes_that_trap_in_order)
{
    stops_in_order(end_when_told, true);
    CHECK_EQ(atomic_load(&orderly_ends), 50);
}

TEST(stop_ends_processes_that_wait_or_run)
{
    stops_in_order(ignore_everything, false);
    stops_in_order(run_forever_with_yields, false);
}

TEST(stop_kills_processes_that_ignore_it_after_half_of_the_deadline)
{
    stops_by_killing(ignore_everything);
}

TEST(stop_kills_processes_that_start_others_when_they_end)
{
    stops_by_killing(die_and_respawn);
}

static void hold_on(void *state)
{
    for (;;)
        atomic_store_explicit((_Atomic(bool) *)state, true, memory_order_relaxed);
}

TEST(a_callback_that_never_returns_ends_the_program_at_the_deadline, .expect_signal = SIGABRT,
    .expect_stderr = "the stop's deadline is over")
{
    anqa_rt *rt;
    static _Atomic(bool) running;

    CHECK_STATUS(
        anqa_start(&(anqa_options){.schedulers = 1, .stop_timeout_ms = 100}, &rt, NULL), ANQA_OK);
    CHECK_STATUS(
        anqa_rt_spawn(rt, &(anqa_spawn_opts){.run = hold_on, .arg = (void *)&running}, NULL),
        ANQA_OK);
    while (!atomic_load_explicit(&running, memory_order_relaxed))
        rt_pause();
    anqa_stop(rt);
}

TEST(stopping_from_an_attached_thread_says_that_it_must_detach_first, .expect_signal = SIGABRT,
    .expect_stderr = "anqa_stop while threads are attached: ")
{
    anqa_rt *rt = rt_open(1);

    anqa_stop(rt);
}

TEST(a_thread_left_attached_is_named_at_the_stop, .expect_signal = SIGABRT,
    .expect_stderr = "anqa_stop while threads are attached: left behind (")
{
    pthread_barrier_t all_attached;
    struct attaching a = {.all_attached = &all_attached};
    pthread_t thread;

    CHECK_STATUS(
        anqa_start(&(anqa_options){.schedulers = 1, .stop_timeout_ms = 100}, &a.rt, NULL), ANQA_OK);
    pthread_barrier_init(&all_attached, NULL, 2);
    CHECK_EQ(pthread_create(&thread, NULL, attach_and_wait, &a), 0);
    CHECK_EQ(pthread_setname_np(thread, "left behind"), 0);
    pthread_barrier_wait(&all_attached);
    anqa_stop(a.rt);
}

static void stop_own_runtime(void *state)
{
    anqa_stop(anqa_rt_self());
}

TEST(a_process_that_stops_its_own_runtime_is_told_who_may, .expect_signal = SIGABRT,
    .expect_stderr = "anqa_stop was called by a process of the runtime it is to stop")
{
    (void)rt_open(1);
    (void)rt_have(rt_puppet(NULL), stop_own_runtime, NULL);
}

static void *detach_when_told(void *arg)
{
    const struct attaching *a = arg;

    CHECK_STATUS(anqa_attach(a->rt, NULL), ANQA_OK);
    pthread_barrier_wait(a->all_attached);
    CHECK_EQ(anqa_reason_get_kind(rt_expect("EXIT")->u.reason), ANQA_REASON_SHUTDOWN);
    anqa_detach();
    return NULL;
}

TEST(a_thread_that_detaches_when_it_hears_of_the_stop_is_waited_for)
{
    pthread_barrier_t all_attached;
    struct attaching a = {.all_attached = &all_attached};
    pthread_t thread;

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &a.rt, NULL), ANQA_OK);
    pthread_barrier_init(&all_attached, NULL, 2);
    CHECK_EQ(pthread_create(&thread, NULL, detach_when_told, &a), 0);
    pthread_barrier_wait(&all_attached);
    anqa_stop(a.rt);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&all_attached);
}

/* ---------------------------------------------------------------- deterministic mode */

enum { TRACE = 400, ACTORS = 8 };

struct trace {
    uint64_t steps[TRACE];
    size_t count;
};

struct actor {
    struct trace *trace;
    uint64_t id;
};

static void act(void *state)
{
    const struct actor *actor = state;

    for (unsigned i = 0; i < 10; i++) {
        struct trace *trace = actor->trace;
        trace->steps[trace->count++ % TRACE] = anqa_now_ms() << 8 | actor->id;
        if (i % 3 == 0)
            anqa_sleep((uint32_t)(1 + actor->id % 3));
        else
            anqa_yield();
    }
}

static void run_trace(uint64_t seed, struct trace *trace)
{
    anqa_rt *rt = rt_open_deterministic(seed);

    *trace = (struct trace){.count = 0};
    for (uint64_t id = 0; id < ACTORS; id++) {
        struct actor actor = {trace, id};
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = act, .arg = &actor, .arg_size = sizeof actor},
                NULL, NULL),
            ANQA_OK);
    }
    (void)anqa_rt_run(rt, ANQA_INFINITY);
    CHECK_EQ(trace->count, ACTORS * 10);
    rt_close(rt);
}

TEST(the_same_seed_gives_the_same_run)
{
    static struct trace first, again;

    for (unsigned i = 0; i < 10; i++) {
        uint64_t seed = harness_random();
        run_trace(seed, &first);
        run_trace(seed, &again);
        CHECK_EQ(memcmp(&first, &again, sizeof first), 0, "seed %" PRIu64, seed);
    }
}

TEST(other_seeds_give_other_runs)
{
    static struct trace first, other;
    unsigned differ = 0;

    run_trace(1, &first);
    for (uint64_t seed = 2; seed < 12; seed++) {
        run_trace(seed, &other);
        differ += memcmp(&first, &other, sizeof first) != 0;
    }
    CHECK(differ >= 9, "%u", differ);
}

static void sleep_an_hour(void *state)
{
    anqa_sleep(3600000);
}

TEST(the_fake_clock_jumps_over_what_nobody_waits_for)
{
    anqa_rt *rt = rt_open_deterministic(7);
    uint64_t begin = rt_clock_us(), fake = anqa_now_ms();
    anqa_ref ref;

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = sleep_an_hour, .monitor = true}, NULL, &ref), ANQA_OK);
    (void)anqa_rt_run(rt, fake + 1000);
    CHECK_EQ(anqa_now_ms(), fake + 1000);
    CHECK(anqa_receive(0) == NULL);
    (void)anqa_rt_run(rt, ANQA_INFINITY);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_NORMAL);
    CHECK_EQ(anqa_now_ms(), fake + 3600000);
    CHECK(rt_clock_us() - begin < RT_LONG_MS * 1000ull);
    rt_close(rt);
}

TEST(run_returns_how_many_activations_there_were)
{
    anqa_rt *rt = rt_open_deterministic(7);

    CHECK_EQ(anqa_rt_run(rt, 0), 0);
    for (unsigned i = 0; i < 5; i++)
        CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = rt_do_nothing}, NULL, NULL), ANQA_OK);
    CHECK_EQ(anqa_rt_run(rt, 0), 5);
    CHECK_EQ(anqa_rt_run(rt, 0), 0);
    rt_close(rt);
}

TEST(waiting_in_deterministic_mode_for_what_can_not_come_is_told, .expect_signal = SIGABRT,
    .expect_stderr = "waits for what can not come")
{
    (void)rt_open_deterministic(1);
    (void)anqa_receive(ANQA_INFINITY);
}
