/* Supervisors: each rule of OTP's that is promised, by name. */
#include "children.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stubborn_terminate(void *state, anqa_reason reason)
{
    tell("stop");
    anqa_sleep(60000);
}

static const anqa_gen_server stubborn = {
    .init = worker_init, .terminate = stubborn_terminate, .trap_exit = true};

/* Gives the others time to go ahead of it, if they were let. */
static anqa_next slow_init(void *state, const void *arg)
{
    anqa_sleep(20);
    return worker_init(state, arg);
}

static void slow_terminate(void *state, anqa_reason reason)
{
    anqa_sleep(20);
    tell("stop");
}

static const anqa_gen_server slow = {
    .init = slow_init, .terminate = slow_terminate, .trap_exit = true};

static const anqa_supervisor one_for_one = {.children = ABC(.restart = ANQA_PERMANENT)};
static const anqa_supervisor rest_for_one = {
    .strategy = ANQA_REST_FOR_ONE, .children = ABC(.restart = ANQA_PERMANENT)};
static const anqa_supervisor one_for_all = {
    .strategy = ANQA_ONE_FOR_ALL, .children = ABC(.restart = ANQA_PERMANENT)};

/* ---------------------------------------------------------------- strategies */

TEST(children_start_from_left_to_right_and_stop_from_right_to_left)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_for_one);

    CHECK_STR(news(3), "+a +b +c");
    CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    CHECK_STR(news(3), "-c -b -a");
    end(rt);
}

static const anqa_supervisor slow_first_and_last = {
    .children = (const anqa_child_spec[]){{.id = "a", .server = &slow},
        {.id = "b", .server = &worker}, {.id = "c", .server = &slow}, {0}}};

TEST(each_child_waits_for_the_one_before_it_to_start_or_to_end)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&slow_first_and_last);

    CHECK_STR(news(3), "+a +b +c");
    CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    CHECK_STR(news(3), "-c -b -a");
    end(rt);
}

TEST(one_for_one_restarts_only_the_one_that_failed)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_for_one), before;

    (void)news(3);
    before = child(sup, "b");
    crash_is_survived(sup, "b", "boom", "-b +b");
    CHECK(!anqa_pid_eq(child(sup, "b"), before));
    CHECK_EQ(info_of(sup, "b").restarts, 1);
    CHECK(no_news());
    end(rt);
}

TEST(rest_for_one_restarts_the_one_that_failed_and_those_started_later)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&rest_for_one);

    (void)news(3);
    crash_is_survived(sup, "b", "boom", "-b -c +b +c");
    CHECK(no_news());
    end(rt);
}

TEST(one_for_all_stops_the_others_in_reverse_order_and_starts_all_in_order)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_for_all);

    (void)news(3);
    crash_is_survived(sup, "b", "boom", "-b -c -a +a +b +c");
    CHECK(no_news());
    end(rt);
}

/* ---------------------------------------------------------------- start */

TEST(a_child_that_fails_to_start_stops_those_before_it_and_fails_the_supervisor)
{
    anqa_rt *rt = begin_here();
    anqa_error err;
    anqa_pid sup;

    plans['c' - 'a'] = "f";
    CHECK_STATUS(anqa_supervisor_start_link(&one_for_one, &sup, &err), ANQA_E_STOPPED);
    CHECK_STR(err.text, "child 'c' failed to start: error: c has a bad day");
    CHECK_STR(news(4), "+a +b -b -a");
    end(rt);
}

static void start_failing(void *arg)
{
    anqa_error err;

    CHECK_STATUS(anqa_supervisor_start_link(&one_for_one, NULL, &err), ANQA_E_STOPPED);
    anqa_sleep(5000);
}

TEST(a_failed_start_is_wrapped_in_shutdown)
{
    anqa_rt *rt = begin_here();
    char text[200];

    plans['a' - 'a'] = "f";
    CHECK_EQ(outcome_of(start_failing, NULL, text, sizeof text), ANQA_REASON_SHUTDOWN);
    CHECK_STR(text, "child 'a' failed to start: error: a has a bad day");
    end(rt);
}

TEST(a_child_that_ignores_keeps_its_spec_without_a_process)
{
    anqa_rt *rt = begin_here();
    anqa_child_counts counts;
    anqa_pid sup, pid;

    plans['b' - 'a'] = "i";
    sup = start(&one_for_one);
    CHECK_STR(news(2), "+a +c");
    CHECK(anqa_pid_is_none(child(sup, "b")));
    CHECK_EQ(info_of(sup, "b").state, ANQA_CHILD_ENDED);
    CHECK_STATUS(anqa_supervisor_count_children(sup, &counts), ANQA_OK);
    CHECK_EQ(counts.specs, 3);
    CHECK_EQ(counts.active, 2);
    CHECK_STATUS(anqa_supervisor_restart_child(sup, "b", &pid, NULL), ANQA_OK);
    CHECK_STR(news(1), "+b");
    end(rt);
}

/* ---------------------------------------------------------------- intensity */

TEST(fourth_crash_within_five_seconds_ends_the_supervisor_with_shutdown)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_for_one);

    (void)news(3);
    for (int i = 0; i < 3; i++)
        crash_is_survived(sup, "a", "boom", "-a +a");
    crash_is_the_end(sup, "a", "boom", "-a -c -b");
    end(rt);
}

static const anqa_supervisor otps_default = {
    .max_restarts = 1, .max_seconds = 5, .children = ABC(.restart = ANQA_PERMANENT)};
static const anqa_supervisor no_restarts = {
    .max_restarts = ANQA_NO_RESTARTS, .children = ABC(.restart = ANQA_PERMANENT)};

TEST(the_intensity_is_the_specs)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&otps_default);

    (void)news(3);
    crash_is_survived(sup, "a", "boom", "-a +a");
    crash_is_the_end(sup, "a", "boom", "-a -c -b");
    sup = start(&no_restarts);
    (void)news(3);
    crash_is_the_end(sup, "c", "boom", "-c -b -a");
    end(rt);
}

static const anqa_supervisor short_memory = {
    .max_restarts = 1, .max_seconds = 1, .children = ABC(.restart = ANQA_PERMANENT)};

TEST(restarts_longer_ago_than_the_period_do_not_count)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&short_memory);

    (void)news(3);
    crash_gives(sup, "a", "boom", "-a +a");
    anqa_sleep(1100); /* the period itself: there is no event to wait for */
    crash_gives(sup, "a", "boom", "-a +a");
    CHECK(anqa_is_alive(sup));
    end(rt);
}

TEST(a_failed_restart_attempt_counts_as_a_restart)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_for_one);

    (void)news(3);
    plans['b' - 'a'] = "fff"; /* three attempts, then the limit is reached */
    crash_is_the_end(sup, "b", "boom", "-b -c -a");
    end(rt);
}

TEST(a_restart_that_fails_is_tried_again)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&rest_for_one);

    (void)news(3);
    plans['b' - 'a'] = "ff";
    crash_gives(sup, "b", "boom", "-b -c +b +c");
    end(rt);
}

/* ---------------------------------------------------------------- restart types */

static const struct {
    anqa_restart restart;
    const char *reason;
    bool again;
} restarts[] = {
    {ANQA_PERMANENT, "boom", true},
    {ANQA_PERMANENT, "normal", true},
    {ANQA_PERMANENT, "shutdown", true},
    {ANQA_PERMANENT, "shutdown, text", true},
    {ANQA_TRANSIENT, "boom", true},
    {ANQA_TRANSIENT, "normal", false},
    {ANQA_TRANSIENT, "shutdown", false},
    {ANQA_TRANSIENT, "shutdown, text", false},
    {ANQA_TEMPORARY, "boom", false},
    {ANQA_TEMPORARY, "normal", false},
    {ANQA_TEMPORARY, "shutdown", false},
};

static const anqa_supervisor by_type[] = {
    {.children = ABC(.restart = ANQA_PERMANENT)},
    {.children = ABC(.restart = ANQA_TRANSIENT)},
    {.children = ABC(.restart = ANQA_TEMPORARY)},
};

TEST(the_restart_type_and_the_reason_say_whether_a_child_runs_again)
{
    anqa_rt *rt = begin_here();

    for (size_t i = 0; i < ANQA_COUNT(restarts); i++) {
        anqa_pid sup = start(&by_type[restarts[i].restart]);
        anqa_child_counts counts;
        (void)news(3);
        crash_is_survived(sup, "a", restarts[i].reason, restarts[i].again ? "-a +a" : "-a");
        while (anqa_is_alive(child(sup, "a")) != restarts[i].again)
            anqa_yield();
        CHECK_STATUS(anqa_supervisor_count_children(sup, &counts), ANQA_OK);
        CHECK_EQ(counts.specs, restarts[i].restart == ANQA_TEMPORARY ? 2 : 3, "%zu", i);
        CHECK_EQ(counts.active, restarts[i].again ? 3 : 2, "%zu", i);
        kill_and_wait(sup);
        (void)news(counts.active);
    }
    end(rt);
}

/* ---------------------------------------------------------------- shutdown */

#define ONE_A(...)                            \
    {                                         \
        .children = (const anqa_child_spec[]) \
        {                                     \
            {.id = "a", __VA_ARGS__}, {0}     \
        }                                     \
    }

static const anqa_supervisor impatient = ONE_A(.server = &stubborn, .shutdown_ms = 20);
static const anqa_supervisor brutal = ONE_A(.server = &worker, .shutdown_ms = ANQA_BRUTAL_KILL);

/* Starts and stops it; returns why its child "a" has ended. */
static anqa_reason_kind stopped(const anqa_supervisor *spec)
{
    anqa_pid sup = start(spec);
    anqa_ref ref = anqa_monitor(child(sup, "a"));

    CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    return anqa_reason_get_kind(anqa_receive_ref(ref, ANQA_INFINITY)->u.reason);
}

TEST(a_child_that_does_not_end_in_its_time_is_killed)
{
    anqa_rt *rt = begin_here();

    CHECK_EQ(stopped(&impatient), ANQA_REASON_KILLED);
    CHECK_STR(news(2), "+a -a");
    end(rt);
}

TEST(brutal_kill_kills_at_once)
{
    anqa_rt *rt = begin_here();

    CHECK_EQ(stopped(&brutal), ANQA_REASON_KILLED);
    CHECK_STR(news(1), "+a");
    CHECK(no_news());
    end(rt);
}

static void thorough_terminate(void *state, anqa_reason reason)
{
    anqa_sleep(3600000);
    tell("stop");
}

static const anqa_gen_server thorough = {
    .init = worker_init, .terminate = thorough_terminate, .trap_exit = true};

static const anqa_supervisor thorough_in_its_time = ONE_A(.server = &thorough);
static const anqa_supervisor thorough_for_ever =
    ONE_A(.server = &thorough, .shutdown_ms = ANQA_INFINITY);
static const anqa_supervisor around_for_ever = ONE_A(.supervisor = &thorough_for_ever);
static const anqa_supervisor around_a_while =
    ONE_A(.supervisor = &thorough_for_ever, .shutdown_ms = 7);

/* With a clock that jumps: an hour takes no time. */
static const struct {
    const anqa_supervisor *spec;
    const char *news;
    uint64_t ms;
} shutdowns[] = {
    {&thorough_in_its_time, "+a", 5000},    /* the standard of a worker: killed */
    {&thorough_for_ever, "+a -a", 3600000}, /* infinity for a worker */
    {&around_for_ever, "+a -a", 3600000},   /* the standard of a supervisor */
    {&around_a_while, "+a", 7},
};

/* Its end waits for nobody: who takes an hour in real time is killed. */
static anqa_rt *begin_with_fake_clock(void)
{
    const anqa_options options = {.deterministic = true, .stop_timeout_ms = 100};
    anqa_rt *rt = NULL;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    observer = anqa_self();
    return rt;
}

TEST(a_worker_has_five_seconds_to_end_and_a_supervisor_all_the_time_unless_the_spec_says_otherwise)
{
    for (size_t i = 0; i < ANQA_COUNT(shutdowns); i++) {
        anqa_rt *rt = begin_with_fake_clock();
        anqa_pid sup = start(shutdowns[i].spec);
        uint64_t begun_ms = anqa_now_ms();
        CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
        CHECK_EQ(anqa_now_ms() - begun_ms, shutdowns[i].ms, "%zu", i);
        CHECK_STR(news_like(shutdowns[i].news), shutdowns[i].news, "%zu", i);
        CHECK(no_news(), "%zu", i);
        end(rt);
    }
}

TEST(shutdown_infinity_waits_for_a_worker_as_long_as_it_takes)
{
    anqa_rt *rt = begin_with_fake_clock();

    CHECK_EQ(stopped(&thorough_for_ever), ANQA_REASON_SHUTDOWN); /* and not killed */
    CHECK_STR(news(2), "+a -a");
    end(rt);
}

static const anqa_supervisor inner = {.name = "inner", .children = ABC(.restart = ANQA_PERMANENT)};
static const anqa_supervisor outer = {
    .children =
        (const anqa_child_spec[]){{.id = "x", .server = &worker}, {.supervisor = &inner}, {0}}};

TEST(supervisors_nest_and_escalate)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&outer), first = anqa_whereis("inner");

    CHECK_STR(news(4), "+x +a +b +c");
    CHECK_EQ(info_of(sup, "inner").kind, ANQA_CHILD_SUPERVISOR);
    for (int i = 0; i < 4; i++) {
        crash(first, "a", "boom");
        if (i == 3)
            break;
        (void)news(2);
        settle(first);
    }
    CHECK_STR(news(6), "-a -c -b +a +b +c");
    CHECK(!anqa_pid_eq(anqa_whereis("inner"), first));
    CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    CHECK_STR(news(4), "-c -b -a -x");
    end(rt);
}

TEST(children_end_when_their_supervisor_is_killed)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_for_one);

    (void)news(3);
    kill_and_wait(sup);
    (void)news(3);
    end(rt);
}

/* ---------------------------------------------------------------- bad specs */

#define SIGNIFICANT_AB(type)                                                        \
    (const anqa_child_spec[])                                                       \
    {                                                                               \
        {.id = "a", .server = &worker, .restart = (type), .significant = true},     \
            {.id = "b", .server = &worker, .restart = (type), .significant = true}, \
            {.id = "c", .server = &worker}, {0}                                     \
    }

static void plain_run(void *arg)
{
}

static const struct {
    anqa_supervisor spec;
    const char *text;
} bad_specs[] = {
    {{.name = "s", .children = SIGNIFICANT_AB(ANQA_TRANSIENT)},
        "child 'a' of supervisor 's' is significant, but auto_shutdown is never"},
    {{.name = "s",
         .auto_shutdown = ANQA_ANY_SIGNIFICANT,
         .children = SIGNIFICANT_AB(ANQA_PERMANENT)},
        "significant and permanent"},
    {{.name = "s",
         .children = (const anqa_child_spec[]){{.id = "a", .server = &worker},
             {.id = "a", .server = &worker}, {0}}},
        "supervisor 's' has two children with the id 'a': give one of them another .id"},
    {{.name = "s", .children = (const anqa_child_spec[]){{.server = &worker}, {0}}},
        "child 1 of supervisor 's' has no id"},
    {{.name = "s", .children = (const anqa_child_spec[]){{.id = "a"}, {0}}},
        "child 'a' of supervisor 's' starts nothing"},
    {{.name = "s",
         .children =
             (const anqa_child_spec[]){{.id = "a", .server = &worker, .run = plain_run}, {0}}},
        "set only one of"},
    {{.name = "s",
         .children =
             (const anqa_child_spec[]){
                 {.id = "a", .server = &worker, .restart = (anqa_restart)9}, {0}}},
        ".restart is 9"},
    {{.name = "s",
         .children = (const anqa_child_spec[]){{.id = "a", .server = &worker, .arg_size = 8}, {0}}},
        ".arg_size goes with .run"},
    {{.name = "s", .strategy = (anqa_strategy)7}, ".strategy"},
};

TEST(a_spec_that_contradicts_itself_is_refused_and_the_error_names_the_thing)
{
    anqa_rt *rt = begin_here();

    for (size_t i = 0; i < ANQA_COUNT(bad_specs); i++) {
        anqa_error err;
        anqa_pid sup;
        CHECK_STATUS(
            anqa_supervisor_start_link(&bad_specs[i].spec, &sup, &err), ANQA_E_INVALID, "%zu", i);
        CHECK(strstr(err.text, bad_specs[i].text) != NULL, "%s", err.text);
    }
    CHECK(no_news());
    end(rt);
}

/* ---------------------------------------------------------------- what is logged */

static const anqa_supervisor logging = {.name = "logging",
    .children = (const anqa_child_spec[]){
        {.id = "a", .server = &worker, .backoff = {.first_ms = 1, .jitter = ANQA_JITTER_NONE}},
        {.id = "b", .server = &worker, .restart = ANQA_TRANSIENT}, {0}}};

static const struct {
    const char *id, *fields, *child, *how;
} events[] = {
    {"supervisor.child_started", "supervisor=logging child=a pid=", "a", "boom"},
    {"supervisor.child_ended", "reason=\"error: boom\" next=restart", "a", "boom"},
    {"supervisor.child_ended", "reason=\"normal\" next=restart", "a", "normal"},
    {"supervisor.child_waits", "supervisor=logging child=a wait_ms=1", "a", "boom"},
};

TEST(the_starts_ends_and_waits_of_children_are_logged)
{
    anqa_rt *rt = begin_here();

    for (size_t i = 0; i < ANQA_COUNT(events); i++) {
        struct logged logged = {.wanted = events[i].id};
        anqa_pid sup = start(&logging);
        (void)news(2);
        log_watch(&logged, ANQA_INFO);
        crash_is_survived(sup, events[i].child, events[i].how, "-a +a");
        CHECK(soon(was_logged, &logged), "%s", events[i].id);
        CHECK(strstr(logged.fields, events[i].fields) != NULL, "%s", logged.fields);
        log_unwatch();
        kill_and_wait(sup);
        (void)news(2);
    }
    end(rt);
}

TEST(a_quiet_end_that_is_no_failure_is_not_logged)
{
    struct logged logged = {.wanted = "supervisor.child_ended"};
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&logging);

    (void)news(2);
    log_watch(&logged, ANQA_INFO);
    crash_is_survived(sup, "b", "normal", "-b");
    crash_is_survived(sup, "a", "boom", "-a +a"); /* which is, and comes behind it */
    CHECK(soon(was_logged, &logged));
    CHECK(strstr(logged.fields, "child=a") != NULL, "%s", logged.fields);
    CHECK_EQ(atomic_load(&logged.count), 1);
    log_unwatch();
    end(rt);
}

/* ---------------------------------------------------------------- management */

TEST(children_can_be_added_terminated_restarted_and_deleted)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_for_one), pid;
    anqa_child_spec more = {.id = "d", .server = &worker};
    anqa_error err;

    (void)news(3);
    CHECK_STATUS(anqa_supervisor_start_child(sup, &more, &pid, &err), ANQA_OK);
    CHECK_STR(news(1), "+d");
    CHECK_STATUS(anqa_supervisor_start_child(sup, &more, &pid, &err), ANQA_E_RUNNING);
    CHECK_STATUS(anqa_supervisor_delete_child(sup, "d", &err), ANQA_E_RUNNING);
    CHECK_STATUS(anqa_supervisor_restart_child(sup, "d", &pid, &err), ANQA_E_RUNNING);
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "d", &err), ANQA_OK);
    CHECK_STR(news(1), "-d");
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "d", &err), ANQA_OK); /* fine: it has ended */
    CHECK_EQ(info_of(sup, "d").state, ANQA_CHILD_ENDED);                    /* its spec is kept */
    CHECK_STATUS(anqa_supervisor_start_child(sup, &more, &pid, &err), ANQA_E_EXISTS);
    CHECK_STATUS(anqa_supervisor_restart_child(sup, "d", &pid, &err), ANQA_OK);
    CHECK_STR(news(1), "+d");
    CHECK(anqa_pid_eq(child(sup, "d"), pid));
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "d", &err), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_delete_child(sup, "d", &err), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_delete_child(sup, "d", &err), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "d", &err), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_supervisor_restart_child(sup, "d", &pid, &err), ANQA_E_NOT_FOUND);
    end(rt);
}

TEST(an_added_child_that_fails_to_start_is_not_kept)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_for_one), pid;
    anqa_error err;

    (void)news(3);
    plans['d' - 'a'] = "f";
    CHECK_STATUS(anqa_supervisor_start_child(
                     sup, &(anqa_child_spec){.id = "d", .server = &worker}, &pid, &err),
        ANQA_E_STOPPED);
    CHECK_STR(err.text, "child 'd' failed to start: error: d has a bad day");
    CHECK_STATUS(anqa_supervisor_delete_child(sup, "d", &err), ANQA_E_NOT_FOUND);
    end(rt);
}

TEST(an_added_child_that_ignores_is_kept_without_a_process_unless_it_is_temporary)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_for_one), pid;
    anqa_child_spec more = {.id = "d", .server = &worker, .restart = ANQA_TRANSIENT};

    (void)news(3);
    plans['d' - 'a'] = "ii";
    CHECK_STATUS(anqa_supervisor_start_child(sup, &more, &pid, NULL), ANQA_E_IGNORE);
    CHECK_EQ(info_of(sup, "d").state, ANQA_CHILD_ENDED);
    CHECK_STATUS(anqa_supervisor_delete_child(sup, "d", NULL), ANQA_OK);
    more.restart = ANQA_TEMPORARY;
    CHECK_STATUS(anqa_supervisor_start_child(sup, &more, &pid, NULL), ANQA_E_IGNORE);
    CHECK_STATUS(anqa_supervisor_delete_child(sup, "d", NULL), ANQA_E_NOT_FOUND);
    end(rt);
}

TEST(a_terminated_temporary_child_loses_its_spec)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&by_type[ANQA_TEMPORARY]);
    anqa_error err;

    (void)news(3);
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "b", &err), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_delete_child(sup, "b", &err), ANQA_E_NOT_FOUND);
    end(rt);
}

TEST(which_children_lists_the_newest_first_and_count_children_counts)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&outer);
    anqa_child_info *children;
    anqa_child_counts counts;
    size_t count;

    CHECK_STATUS(anqa_supervisor_which_children(sup, &children, &count), ANQA_OK);
    CHECK_EQ(count, 2);
    CHECK_STR(children[0].id, "inner");
    CHECK_STR(children[1].id, "x");
    CHECK_EQ(children[1].kind, ANQA_CHILD_WORKER);
    CHECK_STATUS(anqa_supervisor_count_children(sup, &counts), ANQA_OK);
    CHECK_EQ(counts.specs, 2);
    CHECK_EQ(counts.active, 2);
    CHECK_EQ(counts.supervisors, 1);
    CHECK_EQ(counts.workers, 1);
    end(rt);
}

static anqa_next answer_yes(void *state, anqa_msg *msg)
{
    return anqa_reply(ANQA_JSON_TRUE);
}

static const anqa_gen_server answers_all = {.handle_any_call = answer_yes};

static anqa_pid lone(const anqa_gen_server *server)
{
    anqa_pid pid;

    CHECK_STATUS(
        anqa_gen_server_start(server, NULL, &(anqa_start_opts){.name = "x"}, &pid, NULL), ANQA_OK);
    return pid;
}

TEST(a_management_call_to_a_gen_server_ends_it_with_a_reason_that_says_so)
{
    anqa_rt *rt = begin_here();
    static const anqa_gen_server *const servers[] = {&worker, &answers_all};
    anqa_child_info *children;
    size_t count;
    anqa_error err;

    for (size_t i = 0; i < ANQA_COUNT(servers); i++) {
        anqa_pid pid = lone(servers[i]);
        CHECK_STATUS(anqa_supervisor_terminate_child(pid, "x", &err), ANQA_E_DIED);
        CHECK(strstr(err.text,
                  "the call '$terminate_child' is for supervisors, and this is a gen_server: ") !=
                  NULL,
            "%s", err.text);
        CHECK(strstr(err.text, " has called the wrong pid") != NULL, "%s", err.text);
        CHECK_STATUS(
            anqa_supervisor_which_children(lone(servers[i]), &children, &count), ANQA_E_DIED);
    }
    end(rt);
}

static void answer_anything(void *state)
{
    for (;;) {
        anqa_caller caller = anqa_msg_caller(anqa_receive(ANQA_INFINITY));
        anqa_reply_to(&caller, anqa_bytes("yes", 3));
    }
}

TEST(an_answer_that_no_supervisor_gives_is_refused)
{
    anqa_rt *rt = begin_here();
    anqa_child_info *children;
    anqa_child_counts counts;
    size_t count;
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = answer_anything}, &pid, NULL), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_which_children(pid, &children, &count), ANQA_E_TYPE);
    CHECK_STATUS(anqa_supervisor_count_children(pid, &counts), ANQA_E_TYPE);
    end(rt);
}

struct errand {
    anqa_pid to;
    int number;
};

static void errand_run(void *arg)
{
    const struct errand *errand = arg;
    anqa_str id = anqa_child_id();

    report(errand->to, "errand", anqa_tmp_printf("%d of %.*s", errand->number, ANQA_FMT(id)));
}

TEST(a_plain_function_can_be_a_child_and_its_argument_is_copied)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_for_one), pid;

    {
        struct errand errand = {observer, 7};
        anqa_child_spec spec = {.id = "e",
            .run = errand_run,
            .arg = &errand,
            .arg_size = sizeof errand,
            .restart = ANQA_TRANSIENT};
        CHECK_STATUS(anqa_supervisor_start_child(sup, &spec, &pid, NULL), ANQA_OK);
        memset(&errand, 0, sizeof errand);
    }
    CHECK_STR(expect_text("errand"), "7 of e");
    (void)end_of(pid);
    settle(sup);
    CHECK_STATUS(anqa_supervisor_restart_child(sup, "e", &pid, NULL), ANQA_OK);
    CHECK_STR(expect_text("errand"), "7 of e");
    end(rt);
}

TEST(the_tree_shows_what_runs_below_a_supervisor)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&outer);
    anqa_str text = anqa_tree_text(sup);
    const char *copy = anqa_tmp_printf("%.*s", ANQA_FMT(text));

    CHECK(strstr(copy, "├─ x") != NULL, "%s", copy);
    CHECK(strstr(copy, "└─ inner") != NULL, "%s", copy);
    CHECK(strstr(copy, "   └─ c") != NULL, "%s", copy);
    end(rt);
}
