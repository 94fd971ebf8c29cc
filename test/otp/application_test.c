/* Applications and anqa_main. */
#include "apps.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static anqa_next bad_init(void *state, const void *arg)
{
    return anqa_stop_with(anqa_error_reason("no such database"));
}

static const anqa_gen_server bad_part = {.name = "db", .init = bad_init};

static anqa_status app_start(anqa_error *err)
{
    story_add('1');
    return ANQA_OK;
}

static void app_prep_stop(void)
{
    story_add('2');
}

static void app_stop(void)
{
    story_add('3');
}

#define CALLBACKS .start = app_start, .prep_stop = app_prep_stop, .stop = app_stop
#define PARTS                                                           \
    (const anqa_child_spec[])                                           \
    {                                                                   \
        {.id = "a", .server = &part}, {.id = "b", .server = &part}, {0} \
    }

static const anqa_app app = {.name = "app", .children = PARTS, CALLBACKS};

/* ---------------------------------------------------------------- start and stop */

TEST(an_application_starts_in_order_and_stops_in_reverse_with_its_callbacks_around)
{
    anqa_rt *rt = begin_foreign();
    anqa_error err;

    CHECK_STATUS(anqa_app_start(rt, &app, &err), ANQA_OK);
    CHECK_STR(story, "1ab");
    CHECK_STATUS(anqa_app_start(rt, &app, &err), ANQA_E_EXISTS);
    CHECK_STATUS(anqa_app_stop(rt, &app, HARNESS_LONG_MS), ANQA_OK);
    CHECK_STR(story, "1ab2BA3");
    CHECK_STATUS(anqa_app_stop(rt, &app, 5000), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_app_start(rt, &app, &err), ANQA_OK); /* and again */
    CHECK_STR(story, "1ab2BA31ab");
    anqa_stop(rt);
}

static const anqa_app bad = {.name = "shop",
    .children = (const anqa_child_spec[]){{.id = "a", .server = &part}, {.server = &bad_part}, {0}},
    CALLBACKS};

TEST(a_failed_start_names_the_child_and_stops_those_before_it)
{
    anqa_rt *rt = begin_foreign();
    anqa_error err;

    CHECK_STATUS(anqa_app_start(rt, &bad, &err), ANQA_E_STOPPED);
    CHECK_STR(err.text, "application 'shop': child 'db' failed to start: error: no such database");
    CHECK_STR(story, "1aA");
    anqa_stop(rt);
}

static anqa_status refuse(anqa_error *err)
{
    return anqa_fail(err, ANQA_E_PERMISSION, "the licence has expired");
}

static const anqa_app refusing = {.name = "shop", .start = refuse, .children = PARTS};

TEST(what_the_start_callback_says_comes_back)
{
    anqa_rt *rt = begin_foreign();
    anqa_error err;

    CHECK_STATUS(anqa_app_start(rt, &refusing, &err), ANQA_E_PERMISSION);
    CHECK_STR(err.text, "application 'shop': the licence has expired");
    CHECK_STR(story, "");
    CHECK_STATUS(anqa_app_start(rt, &(anqa_app){.name = ""}, &err), ANQA_E_INVALID);
    anqa_stop(rt);
}

static const anqa_app patient = {.name = "patient",
    .children = (const anqa_child_spec[]){
        {.id = "h", .server = &hanging, .shutdown_ms = ANQA_INFINITY}, {0}}};

TEST(what_does_not_stop_within_the_overall_deadline_is_killed)
{
    anqa_rt *rt = NULL;
    anqa_options options = {.schedulers = 1, .stop_timeout_ms = 400};

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_app_start(rt, &patient, NULL), ANQA_OK);
    CHECK_STATUS(anqa_app_stop(rt, &patient, 10), ANQA_E_TIMEOUT);
    anqa_stop(rt);
}

static void orphan(void *arg)
{
    anqa_trap_exit(true);
    anqa_sleep(600000);
}

static void spawn_orphan(void *arg)
{
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = orphan}, NULL, NULL), ANQA_OK);
}

static anqa_next init_with_orphan(void *state, const void *arg)
{
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = spawn_orphan}, NULL, NULL), ANQA_OK);
    return anqa_noreply();
}

static const anqa_gen_server with_orphan = {
    .init = init_with_orphan, .terminate = hang, .trap_exit = true};
static const anqa_supervisor inner = {.name = "inner",
    .children = (const anqa_child_spec[]){
        {.id = "h", .server = &with_orphan, .shutdown_ms = ANQA_INFINITY}, {0}}};
static const anqa_app deep = {.name = "deep",
    .children =
        (const anqa_child_spec[]){{.supervisor = &inner}, {.id = "a", .server = &part}, {0}},
    CALLBACKS};

TEST(a_late_stop_kills_what_hangs_in_terminate_below_and_what_lost_its_parents)
{
    anqa_rt *rt = begin_foreign();

    CHECK_STATUS(anqa_app_start(rt, &deep, NULL), ANQA_OK);
    CHECK_STATUS(anqa_app_stop(rt, &deep, 50), ANQA_E_TIMEOUT);
    CHECK(nothing_runs(rt));
    CHECK_STR(story, "1a2A3");
    CHECK_STATUS(anqa_app_stop(rt, &deep, 50), ANQA_E_NOT_FOUND);
    anqa_stop(rt);
}

static _Atomic(bool) hangs_now;

static anqa_next init_once(void *state, const void *arg)
{
    static _Atomic(unsigned) inits;

    if (atomic_fetch_add(&inits, 1) == 0)
        return anqa_noreply();
    atomic_store(&hangs_now, true);
    return init_hangs(state, arg);
}

static const anqa_gen_server once = {.name = "once",
    .init = init_once,
    .trap_exit = true,
    .handle_info = (const anqa_handler[]){{"exit", part_exit}, {0}}};
static const anqa_supervisor restarting = {
    .name = "restarting", .children = (const anqa_child_spec[]){{.server = &once}, {0}}};
static const anqa_app reviving = {
    .name = "reviving", .children = (const anqa_child_spec[]){{.supervisor = &restarting}, {0}}};

TEST(a_late_stop_kills_a_child_in_its_init_and_the_supervisor_that_waits_for_it)
{
    anqa_rt *rt = begin_foreign();

    CHECK_STATUS(anqa_app_start(rt, &reviving, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    (void)anqa_send(anqa_whereis("once"), "exit", anqa_nothing());
    while (!atomic_load(&hangs_now))
        anqa_sleep(1);
    anqa_detach();
    CHECK_STATUS(anqa_app_stop(rt, &reviving, 50), ANQA_E_TIMEOUT);
    CHECK(nothing_runs(rt));
    anqa_stop(rt);
}

static const anqa_app unborn = {.name = "unborn",
    .children = (const anqa_child_spec[]){{.id = "a", .server = &part},
        {.id = "n", .server = &never_starting}, {0}},
    CALLBACKS};

TEST(an_application_whose_start_hangs_can_be_stopped_and_its_start_says_so)
{
    anqa_rt *rt = begin_foreign();

    stop_in_start(rt, &unborn);
    CHECK(nothing_runs(rt));
    anqa_stop(rt);
}

static anqa_status crashing_start(anqa_error *err)
{
    anqa_exit(anqa_error_reason("boom"));
}

static const anqa_app stillborn = {.name = "stillborn", .start = crashing_start, .children = PARTS};

TEST(a_start_callback_that_crashes_fails_the_start)
{
    anqa_rt *rt = begin_foreign();
    anqa_error err;

    CHECK_STATUS(anqa_app_start(rt, &stillborn, &err), ANQA_E_DIED);
    CHECK_STR(err.text, "application 'stillborn': its start crashed: error: boom");
    CHECK(nothing_runs(rt));
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- anqa_main */

static void send_sigterm(void *arg)
{
    kill(getpid(), SIGTERM);
    anqa_sleep(600000);
}

static const anqa_app terminated = {.name = "terminated",
    .children = (const anqa_child_spec[]){{.id = "a", .server = &part},
        {.id = "t", .run = send_sigterm}, {0}},
    CALLBACKS};

TEST(sigterm_stops_everything_in_order_with_status_0)
{
    CHECK_EQ(run_main(&terminated, "--runtime.schedulers=2", "--log.level=none"), ANQA_EXIT_OK);
    CHECK_STR(story, "1a2A3");
}

static void ask_to_stop(void *arg)
{
    anqa_main_stop();
    anqa_sleep(600000);
}

static const anqa_app asking = {
    .name = "asking", .children = (const anqa_child_spec[]){{.id = "t", .run = ask_to_stop}, {0}}};

TEST(a_process_can_ask_anqa_main_to_stop)
{
    CHECK_EQ(run_main(&asking, "--log.level=none", NULL), ANQA_EXIT_OK);
}

static void crash_at_once(void *arg)
{
    anqa_exit(anqa_error_reason("boom"));
}

static const anqa_app crashing = {.name = "crashing",
    .children = (const anqa_child_spec[]){{.id = "t", .run = crash_at_once}, {0}},
    CALLBACKS};

TEST(a_top_supervisor_that_gives_up_ends_the_program_with_status_70)
{
    CHECK_EQ(run_main(&crashing, "--log.level=none", NULL), ANQA_EXIT_FAILED);
    CHECK_STR(story, "13");
}

static void interrupt_twice(void *arg)
{
    kill(getpid(), SIGINT);
    anqa_sleep(300);
    kill(getpid(), SIGINT);
    anqa_sleep(600000);
}

static const anqa_app interrupted = {.name = "interrupted",
    .children =
        (const anqa_child_spec[]){{.id = "t", .run = interrupt_twice, .shutdown_ms = ANQA_INFINITY},
            {.id = "h", .server = &hanging, .shutdown_ms = ANQA_INFINITY}, {0}}};

TEST(a_second_sigint_hurries_the_stop)
{
    CHECK_EQ(run_main(&interrupted, "--log.level=none", NULL), ANQA_EXIT_HURRIED);
}

static void terminate_slowly(void *state, anqa_reason reason)
{
    anqa_sleep(300);
    story_add('S');
}

static const anqa_gen_server leisurely = {.terminate = terminate_slowly, .trap_exit = true};

/* As timeout(1) does it: a moment later, when the first one has been acted on. */
static void signal_again(void)
{
    kill(getpid(), SIGTERM);
}

static const anqa_app stopped_twice = {.name = "stopped_twice",
    .children = (const anqa_child_spec[]){{.id = "l", .server = &leisurely},
        {.id = "t", .run = send_sigterm}, {0}},
    .prep_stop = signal_again};

TEST(a_second_signal_within_a_moment_is_the_same_wish_and_does_not_hurry)
{
    CHECK_EQ(run_main(&stopped_twice, "--log.level=none", NULL), ANQA_EXIT_OK);
    CHECK_STR(story, "S");
}

static const anqa_app hung = {.name = "hung",
    .children = (const anqa_child_spec[]){{.id = "t", .run = send_sigterm},
        {.id = "n", .server = &never_starting}, {.id = "a", .server = &part}, {0}}};

TEST(a_signal_while_a_start_hangs_ends_the_program_at_the_deadline, .expect_exit = 111,
    .expect_stderr = "application=hung stage=start next=kill")
{
    _exit(40 + run_main(&hung, "--runtime.stop_timeout=100ms", NULL));
}

static anqa_next signal_and_take_time(void *state, const void *arg)
{
    kill(getpid(), SIGTERM);
    anqa_sleep(100);
    return part_init(state, arg);
}

static const anqa_gen_server slow_part = {
    .init = signal_and_take_time, .terminate = part_terminate, .trap_exit = true};
static const anqa_app early = {.name = "early",
    .children = (const anqa_child_spec[]){{.id = "s", .server = &slow_part},
        {.id = "a", .server = &part}, {0}},
    CALLBACKS};

TEST(a_signal_during_a_start_lets_it_end_and_then_stops_in_order)
{
    CHECK_EQ(run_main(&early, "--log.level=none", NULL), ANQA_EXIT_OK);
    CHECK_STR(story, "1sa2AS3");
}

static anqa_next signal_and_fail(void *state, const void *arg)
{
    kill(getpid(), SIGTERM);
    anqa_sleep(50);
    return bad_init(state, arg);
}

static const anqa_gen_server failing_part = {.name = "db", .init = signal_and_fail};
static const anqa_app failing = {
    .name = "shop", .children = (const anqa_child_spec[]){{.server = &failing_part}, {0}}};

TEST(a_start_that_fails_after_a_signal_says_why_and_ends_with_status_1, .expect_exit = 41,
    .expect_stderr =
        "shop: application 'shop': child 'db' failed to start: error: no such database")
{
    _exit(40 + run_main(&failing, "--log.level=none", NULL));
}

static void stop_soon(void *arg)
{
    anqa_main_stop();
    anqa_sleep(600000);
}

static const anqa_app slow = {.name = "slow",
    .children =
        (const anqa_child_spec[]){{.id = "h", .server = &hanging, .shutdown_ms = ANQA_INFINITY},
            {.id = "t", .run = stop_soon}, {0}}};

TEST(a_stop_that_takes_too_long_is_cut_short)
{
    CHECK_EQ(run_main(&slow, "--log.level=none", "--runtime.stop_timeout=50ms"), ANQA_EXIT_HURRIED);
}

static const anqa_app broken = {
    .name = "shop", .children = (const anqa_child_spec[]){{.server = &bad_part}, {0}}};

TEST(a_program_that_cannot_start_says_why_and_ends_with_status_1, .expect_exit = 41,
    .expect_stderr =
        "shop: application 'shop': child 'db' failed to start: error: no such database")
{
    _exit(40 + run_main(&broken, "--log.level=none", NULL));
}

static const anqa_app shop = {.name = "shop"};

TEST(an_unknown_argument_is_named_and_ends_with_status_2, .expect_exit = 42,
    .expect_stderr = "shop: unknown argument 'fast'")
{
    _exit(40 + run_main(&shop, "fast", NULL));
}

TEST(a_bad_option_is_named_and_ends_with_status_1, .expect_exit = 41,
    .expect_stderr = "runtime.schedulers")
{
    _exit(40 + run_main(&shop, "--runtime.schedulers=many", NULL));
}

static const struct {
    const char *first, *second, *said;
    int status;
} told_what_to_do[] = {
    {"--runtime.stack_size=100GB", NULL,
        "runtime.stack_size = \"100GB\" is out of bounds; allowed: 64KB to 1GB", ANQA_EXIT_START},
    {"--runtime.stack_size=1KB", NULL, "allowed: 64KB to 1GB", ANQA_EXIT_START},
    {"--runtime.heap_quota=1", NULL, "heap_quota is 1 bytes, 0 (no quota) or at least 16384",
        ANQA_EXIT_START},
    {"--runtime.max_processes=1", NULL,
        "runtime.max_processes = 1 is too low for an application and its supervisors; allowed: 0 "
        "(1,048,576), or 16 to 16777215",
        ANQA_EXIT_START},
    {"--runtime.max_processes=99999999", NULL, "allowed: 0 to 16777215", ANQA_EXIT_START},
    {"--config", "shop.conf", "--config needs its file in the same argument: --config=shop.conf",
        ANQA_EXIT_USAGE},
    {"--config", NULL, "--config=FILE", ANQA_EXIT_USAGE},
    {"--config=", NULL, "--config=FILE", ANQA_EXIT_USAGE},
};

static const anqa_app one_part = {
    .name = "one", .children = (const anqa_child_spec[]){{.id = "t", .run = ask_to_stop}, {0}}};

TEST(what_can_not_be_started_with_says_which_option_what_is_allowed_and_what_to_do)
{
    for (size_t i = 0; i < ANQA_COUNT(told_what_to_do); i++) {
        char said[1000];
        FILE *out = tmpfile();
        int kept = dup(STDERR_FILENO);
        ssize_t len;
        CHECK(out != NULL && kept >= 0);
        CHECK(dup2(fileno(out), STDERR_FILENO) >= 0);
        int status = run_main(&one_part, told_what_to_do[i].first, told_what_to_do[i].second);
        CHECK(dup2(kept, STDERR_FILENO) >= 0);
        close(kept);
        len = pread(fileno(out), said, sizeof said - 1, 0);
        CHECK(len > 0, "%s", told_what_to_do[i].first);
        said[len] = '\0';
        fclose(out);
        CHECK_EQ(status, told_what_to_do[i].status, "%s", told_what_to_do[i].first);
        CHECK(strstr(said, told_what_to_do[i].said) != NULL, "%s", said);
    }
}

TEST(the_least_that_is_allowed_is_enough_for_an_application)
{
    CHECK_EQ(run_main(&one_part, "--runtime.heap_quota=16KB", "--log.level=none"), ANQA_EXIT_OK);
    CHECK_EQ(run_main(&one_part, "--runtime.max_processes=16", "--log.level=none"), ANQA_EXIT_OK);
    CHECK_EQ(run_main(&one_part, "--runtime.stack_size=64KB", "--log.level=none"), ANQA_EXIT_OK);
}

TEST(help_and_version_are_answered_without_starting_anything)
{
    CHECK_EQ(run_main(&terminated, "--help", NULL), ANQA_EXIT_OK);
    CHECK_EQ(run_main(&terminated, "--version", NULL), ANQA_EXIT_OK);
    CHECK_STR(story, "");
}
