/* Applications that need each other. */
#include "apps.h"
#include "otp/application_int.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CHILD(letter)                          \
    (const anqa_child_spec[])                  \
    {                                          \
        {.id = (letter), .server = &part}, {0} \
    }
#define NEEDS(...)            \
    (const anqa_app *const[]) \
    {                         \
        __VA_ARGS__, NULL     \
    }

static const anqa_app d = {.name = "d", .children = CHILD("d")};
static const anqa_app b = {.name = "b", .children = CHILD("b"), .applications = NEEDS(&d)};
static const anqa_app c = {.name = "c", .children = CHILD("c"), .applications = NEEDS(&d)};
static const anqa_app a = {.name = "a", .children = CHILD("a"), .applications = NEEDS(&b, &c)};

static void start(anqa_rt *rt, const anqa_app *app)
{
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_app_start(rt, app, &err), ANQA_OK, "%s", err.text);
}

static bool runs(anqa_rt *rt, const anqa_app *app)
{
    bool it_does;

    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    it_does = !anqa_pid_is_none(anqa_app_supervisor(app));
    anqa_detach();
    return it_does;
}

/* Soon: it is told some moments after its end. It is not asked to stop, which would make its end another one. */
static bool has_stopped(anqa_rt *rt, const anqa_app *app)
{
    struct timespec pause = {.tv_nsec = 1000000};
    bool is_there = true;

    for (int i = 0; i < 10000 && is_there; i++) {
        CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
        is_there =
            !anqa_pid_is_none(anqa_registry_whereis(&application_guards, anqa_str_of(app->name)));
        anqa_detach();
        if (is_there)
            nanosleep(&pause, NULL);
    }
    return !is_there;
}

/* ---------------------------------------------------------------- order */

TEST(what_an_application_needs_starts_first_each_once_and_stops_in_reverse)
{
    anqa_rt *rt = begin_foreign();

    start(rt, &a);
    CHECK_STR(story, "dbca");
    CHECK_STATUS(anqa_app_stop(rt, &a, HARNESS_LONG_MS), ANQA_OK);
    CHECK_STR(story, "dbcaACBD");
    CHECK(nothing_runs(rt));
    anqa_stop(rt);
}

TEST(when_a_later_one_fails_those_before_it_are_stopped_in_reverse)
{
    anqa_rt *rt = begin_foreign();
    anqa_error err;

    part_fails = 'c';
    CHECK_STATUS(anqa_app_start(rt, &a, &err), ANQA_E_STOPPED);
    CHECK_STR(
        err.text, "application 'a': application 'c': child 'c' failed to start: error: a bad day");
    CHECK_STR(story, "dbBD");
    CHECK(nothing_runs(rt));
    part_fails = '\0';
    story_forget();
    start(rt, &a); /* and again */
    CHECK_STR(story, "dbca");
    anqa_stop(rt);
}

TEST(when_the_application_itself_fails_those_it_needs_are_stopped_in_reverse)
{
    anqa_rt *rt = begin_foreign();
    anqa_error err;

    part_fails = 'a';
    CHECK_STATUS(anqa_app_start(rt, &a, &err), ANQA_E_STOPPED);
    CHECK_STR(err.text, "application 'a': child 'a' failed to start: error: a bad day");
    CHECK_STR(story, "dbcCBD");
    anqa_stop(rt);
}

extern const anqa_app ring_1, ring_2, ring_3;
const anqa_app ring_1 = {.name = "one", .applications = NEEDS(&d, &ring_2)};
const anqa_app ring_2 = {.name = "two", .applications = NEEDS(&ring_3)};
const anqa_app ring_3 = {.name = "three", .applications = NEEDS(&ring_2)};
static const anqa_app other_d = {.name = "d"};
static const anqa_app two_ds = {.name = "x", .applications = NEEDS(&d, &other_d)};
static const anqa_app own_name = {.name = "d", .applications = NEEDS(&d)};
static const anqa_app nameless = {.name = NULL};
static const anqa_app needs_nameless = {.name = "x", .applications = NEEDS(&nameless)};

static const struct {
    const anqa_app *app;
    const char *error;
} refused[] = {
    {&ring_1, "application 'one': applications need each other: two -> three -> two"},
    {&ring_2, "application 'two': applications need each other: two -> three -> two"},
    {&two_ds, "application 'x': two applications have the name 'd'"},
    {&own_name, "application 'd': two applications have the name 'd'"},
    {&needs_nameless, "application 'x': an application that 'x' needs has no .name"},
};

TEST(applications_that_need_each_other_or_share_a_name_are_refused)
{
    anqa_rt *rt = begin_foreign();
    anqa_error err;

    for (size_t i = 0; i < ANQA_COUNT(refused); i++) {
        CHECK_STATUS(anqa_app_start(rt, refused[i].app, &err), ANQA_E_INVALID);
        CHECK_STR(err.text, refused[i].error);
    }
    CHECK_STR(story, "");
    anqa_stop(rt);
}

enum { MOST = 256 };

TEST(more_than_256_in_all_are_refused)
{
    static anqa_app apps[MOST + 1];
    static char names[MOST + 1][16];
    static const anqa_app *needs[MOST + 2];
    const anqa_app many = {.name = "many", .applications = needs};
    anqa_rt *rt = begin_foreign();
    anqa_error err;

    for (int i = 0; i <= MOST; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%d", i);
        apps[i].name = names[i];
        needs[i] = &apps[i];
    }
    CHECK_STATUS(anqa_app_start(rt, &many, &err), ANQA_E_LIMIT);
    CHECK_STR(err.text, "application 'many': it needs more than 256 applications");
    needs[MOST] = NULL;
    start(rt, &many);
    CHECK_STATUS(anqa_app_stop(rt, &many, 20000), ANQA_OK);
    CHECK(nothing_runs(rt));
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- start phases */

static anqa_status first_phase(anqa_error *err)
{
    story_add('1');
    return ANQA_OK;
}

static anqa_status second_phase(anqa_error *err)
{
    story_add('2');
    return part_fails == '2' ? anqa_fail(err, ANQA_E_PERMISSION, "the licence has expired")
                             : ANQA_OK;
}

#define PHASES                                                \
    (const anqa_start_phase[])                                \
    {                                                         \
        {"first", first_phase}, {"second", second_phase}, {0} \
    }

static const anqa_app e = {.name = "e", .children = CHILD("e"), .start_phases = PHASES};
static const anqa_app f = {
    .name = "f", .children = CHILD("f"), .start_phases = PHASES, .applications = NEEDS(&e)};

TEST(start_phases_run_in_order_when_all_children_run_and_before_who_needs_them_starts)
{
    anqa_rt *rt = begin_foreign();

    start(rt, &f);
    CHECK_STR(story, "e12f12");
    anqa_stop(rt);
}

TEST(a_start_phase_that_fails_stops_the_children_and_part_fails_the_start)
{
    anqa_rt *rt = begin_foreign();
    anqa_error err;

    part_fails = '2';
    CHECK_STATUS(anqa_app_start(rt, &f, &err), ANQA_E_PERMISSION);
    CHECK_STR(err.text,
        "application 'f': application 'e': start phase 'second': the licence has expired");
    CHECK_STR(story, "e12E");
    CHECK(nothing_runs(rt));
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- shared ones */

TEST(what_two_applications_need_runs_until_both_have_stopped)
{
    anqa_rt *rt = begin_foreign();

    start(rt, &b);
    start(rt, &c);
    CHECK_STR(story, "dbc");
    CHECK_STATUS(anqa_app_stop(rt, &b, HARNESS_LONG_MS), ANQA_OK);
    CHECK_STR(story, "dbcB");
    CHECK(runs(rt, &d));
    CHECK_STATUS(anqa_app_stop(rt, &c, HARNESS_LONG_MS), ANQA_OK);
    CHECK_STR(story, "dbcBCD");
    anqa_stop(rt);
}

TEST(one_that_was_started_for_itself_runs_on_and_cannot_be_stopped_while_it_is_needed)
{
    anqa_rt *rt = begin_foreign();

    start(rt, &d);
    start(rt, &b);
    CHECK_STATUS(anqa_app_stop(rt, &d, 5000), ANQA_E_RUNNING);
    CHECK_STATUS(anqa_app_stop(rt, &b, HARNESS_LONG_MS), ANQA_OK);
    CHECK_STR(story, "dbB");
    CHECK(runs(rt, &d));
    CHECK_STATUS(anqa_app_stop(rt, &d, HARNESS_LONG_MS), ANQA_OK);
    CHECK_STR(story, "dbBD");
    anqa_stop(rt);
}

TEST(another_application_of_a_needed_ones_name_is_not_taken_for_it)
{
    anqa_rt *rt = begin_foreign();
    anqa_error err;

    start(rt, &other_d);
    CHECK_STATUS(anqa_app_start(rt, &b, &err), ANQA_E_EXISTS);
    CHECK_STR(err.text, "application 'b': application 'd': another one of that name runs already");
    CHECK(runs(rt, &other_d));
    anqa_stop(rt);
}

struct starter {
    anqa_rt *rt;
    const anqa_app *app;
};

static void *start_and_stop(void *arg)
{
    const struct starter *starter = arg;

    for (int i = 0; i < 50; i++) {
        CHECK_STATUS(anqa_app_start(starter->rt, starter->app, NULL), ANQA_OK);
        CHECK_STATUS(anqa_app_stop(starter->rt, starter->app, 20000), ANQA_OK);
    }
    return NULL;
}

static const anqa_app quiet = {.name = "quiet"};
static const anqa_app left = {.name = "left", .applications = NEEDS(&quiet)};
static const anqa_app right = {.name = "right", .applications = NEEDS(&quiet)};

TEST(two_that_start_and_stop_at_once_agree_on_what_both_need)
{
    anqa_rt *rt = begin_foreign();
    struct starter starters[] = {{rt, &left}, {rt, &right}};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, start_and_stop, &starters[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(nothing_runs(rt));
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- ends */

static const anqa_app permanent = {.name = "permanent", .children = CHILD("d")};
static const anqa_app transient = {
    .name = "transient", .children = CHILD("d"), .restart = ANQA_TRANSIENT};
static const anqa_app temporary = {
    .name = "temporary", .children = CHILD("d"), .restart = ANQA_TEMPORARY};
static const anqa_app on_permanent = {
    .name = "root", .children = CHILD("a"), .applications = NEEDS(&permanent)};
static const anqa_app on_transient = {
    .name = "root", .children = CHILD("a"), .applications = NEEDS(&transient)};
static const anqa_app on_temporary = {
    .name = "root", .children = CHILD("a"), .applications = NEEDS(&temporary)};

static const struct {
    const anqa_app *root, *need;
    anqa_reason_kind reason; /* of the needed one's top supervisor */
    bool goes_on;
} ends[] = {
    {&on_permanent, &permanent, ANQA_REASON_NORMAL, false},
    {&on_permanent, &permanent, ANQA_REASON_SHUTDOWN, false},
    {&on_transient, &transient, ANQA_REASON_NORMAL, true},
    {&on_transient, &transient, ANQA_REASON_SHUTDOWN, false},
    {&on_temporary, &temporary, ANQA_REASON_NORMAL, true},
    {&on_temporary, &temporary, ANQA_REASON_SHUTDOWN, true},
};

static void end_top(anqa_rt *rt, const anqa_app *app, anqa_reason_kind reason)
{
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    CHECK_STATUS(
        anqa_supervisor_stop(anqa_app_supervisor(app), anqa_reason_of(reason), ANQA_INFINITY),
        ANQA_OK);
    anqa_detach();
}

TEST(the_restart_type_and_the_reason_say_whether_an_end_is_the_end_of_those_that_need_it)
{
    anqa_rt *rt = begin_foreign();

    for (size_t i = 0; i < ANQA_COUNT(ends); i++) {
        story_forget();
        start(rt, ends[i].root);
        CHECK_STR(story, "da");
        end_top(rt, ends[i].need, ends[i].reason);
        CHECK(has_stopped(rt, ends[i].need), "%zu", i);
        if (ends[i].goes_on) {
            CHECK(runs(rt, ends[i].root), "%zu", i);
            CHECK_STATUS(anqa_app_stop(rt, ends[i].root, HARNESS_LONG_MS), ANQA_OK, "%zu", i);
        } else {
            CHECK(has_stopped(rt, ends[i].root), "%zu", i);
        }
        CHECK_STR(story, "daDA");
    }
    CHECK(nothing_runs(rt));
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- late stops */

static const anqa_app stubborn = {.name = "stubborn",
    .children = (const anqa_child_spec[]){
        {.id = "h", .server = &hanging, .shutdown_ms = ANQA_INFINITY}, {0}}};
static const anqa_app on_stubborn = {
    .name = "on_stubborn", .children = CHILD("a"), .applications = NEEDS(&d, &stubborn)};

TEST(a_late_stop_kills_what_hangs_in_an_application_that_is_needed)
{
    anqa_rt *rt = begin_foreign();

    start(rt, &on_stubborn);
    CHECK_STATUS(anqa_app_stop(rt, &on_stubborn, 50), ANQA_E_TIMEOUT);
    CHECK(nothing_runs(rt));
    CHECK_STR(story, "daA");
    anqa_stop(rt);
}

TEST(a_late_stop_leaves_alone_what_others_need)
{
    anqa_rt *rt = begin_foreign();

    start(rt, &b);
    start(rt, &on_stubborn);
    CHECK_STATUS(anqa_app_stop(rt, &on_stubborn, 50), ANQA_E_TIMEOUT);
    CHECK(runs(rt, &d) && runs(rt, &b));
    CHECK_STATUS(anqa_app_stop(rt, &b, 5000), ANQA_OK);
    CHECK(nothing_runs(rt));
    anqa_stop(rt);
}

static const anqa_app unborn = {.name = "unborn",
    .children = (const anqa_child_spec[]){{.id = "n", .server = &never_starting}, {0}}};
static const anqa_app on_unborn = {
    .name = "on_unborn", .children = CHILD("a"), .applications = NEEDS(&d, &unborn)};

TEST(a_stop_while_a_needed_one_hangs_in_its_start_kills_it_at_the_deadline)
{
    anqa_rt *rt = begin_foreign();

    stop_in_start(rt, &on_unborn);
    CHECK(nothing_runs(rt));
    anqa_stop(rt);
}

TEST(a_runtime_that_stops_ends_applications_that_need_each_other)
{
    anqa_rt *rt = begin_foreign();

    start(rt, &a);
    anqa_stop(rt);
    CHECK_EQ(strlen(story), 8);
}

/* ---------------------------------------------------------------- anqa_main */

static void ask_to_stop(void *arg)
{
    anqa_main_stop();
    anqa_sleep(600000);
}

static const anqa_app program = {.name = "program",
    .applications = NEEDS(&b, &c),
    .children = (const anqa_child_spec[]){
        {.id = "a", .server = &part}, {.id = "t", .run = ask_to_stop}, {0}}};

TEST(a_program_starts_what_it_needs_and_stops_it_in_reverse)
{
    CHECK_EQ(run_main(&program, "--log.level=none", NULL), ANQA_EXIT_OK);
    CHECK_STR(story, "dbcaACBD");
}

static const anqa_app on_crashing;

static void crash_when_all_run(void *arg)
{
    while (anqa_pid_is_none(anqa_app_supervisor(&on_crashing)))
        anqa_sleep(1);
    anqa_sleep(1);
    anqa_exit(anqa_error_reason("boom"));
}

#define CRASHING                                                                  \
    (const anqa_child_spec[])                                                     \
    {                                                                             \
        {.id = "e", .server = &part}, {.id = "t", .run = crash_when_all_run}, {0} \
    }

static const anqa_app crashing = {.name = "crashing", .children = CRASHING};
static const anqa_app on_crashing = {
    .name = "program", .children = CHILD("a"), .applications = NEEDS(&d, &crashing)};
static const anqa_app ignored = {
    .name = "ignored", .children = CRASHING, .restart = ANQA_TEMPORARY};
static void stop_when_it_has_ended(void *arg)
{
    while (!anqa_pid_is_none(anqa_app_supervisor(&ignored)))
        anqa_sleep(1);
    anqa_main_stop();
    anqa_sleep(600000);
}

static const anqa_app on_ignored = {.name = "program",
    .applications = NEEDS(&ignored),
    .children = (const anqa_child_spec[]){
        {.id = "a", .server = &part}, {.id = "t", .run = stop_when_it_has_ended}, {0}}};

TEST(the_end_of_a_permanent_application_is_the_end_of_the_program_with_status_70)
{
    CHECK_EQ(run_main(&on_crashing, "--log.level=none", NULL), ANQA_EXIT_FAILED);
    CHECK_STR(story, "deaEAD");
}

TEST(the_end_of_a_temporary_application_is_not_the_end_of_the_program)
{
    CHECK_EQ(run_main(&on_ignored, "--log.level=none", NULL), ANQA_EXIT_OK);
    CHECK(strchr(story, 'a') != NULL && strchr(story, 'E') != NULL);
}

static void end_normally(void *arg);

#define ENDING(type)                                                               \
    {                                                                              \
        .name = "ending", .restart = (type), .children = (const anqa_child_spec[]) \
        {                                                                          \
            {.id = "t", .run = end_normally, .restart = ANQA_TEMPORARY}, {0}       \
        }                                                                          \
    }

static const anqa_app ending_permanent = ENDING(ANQA_PERMANENT);
static const anqa_app ending_transient = ENDING(ANQA_TRANSIENT);

static void stop_supervisor(void *arg)
{
    anqa_pid top = anqa_app_supervisor(&ending_permanent); /* of either: they have one name */

    (void)anqa_supervisor_stop(top, ANQA_NORMAL, ANQA_INFINITY);
}

static void end_normally(void *arg)
{
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = stop_supervisor}, NULL, NULL), ANQA_OK);
}

TEST(a_program_that_ends_normally_has_status_0_if_it_is_transient)
{
    CHECK_EQ(run_main(&ending_transient, "--log.level=none", NULL), ANQA_EXIT_OK);
    CHECK_EQ(run_main(&ending_permanent, "--log.level=none", NULL), ANQA_EXIT_FAILED);
}

static void crash_at_once(void *arg)
{
    anqa_exit(anqa_error_reason("boom"));
}

static const anqa_app giving_up = {.name = "giving_up",
    .applications = NEEDS(&b, &c),
    .children = (const anqa_child_spec[]){{.id = "t", .run = crash_at_once}, {0}}};

/* It ends of itself: an attached thread could not stop it without memory. */
TEST(without_memory_a_start_fails_or_succeeds_and_nobody_is_left_behind)
{
    static const anqa_options options = {.deterministic = true, .seed = 1};
    anqa_rt *rt = NULL;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    EACH_ALLOC_FAILURE {
        anqa_rt_stats stats;
        anqa_status status = anqa_app_start(rt, &giving_up, NULL);
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM || status == ANQA_E_DIED ||
              status == ANQA_E_STOPPED);
        (void)anqa_rt_run(rt, ANQA_INFINITY);
        anqa_rt_get_stats(rt, &stats);
        CHECK_EQ(stats.processes, 0);
        story_forget();
    }
    anqa_stop(rt);
}
