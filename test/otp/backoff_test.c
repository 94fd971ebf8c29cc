/* Waits before restarts, on a clock that stands still unless everybody waits. */
#include "children.h"

#include <string.h>

static uint64_t last_ms; /* when something was last seen to happen */

static anqa_rt *begin_timed(void)
{
    anqa_rt *rt = begin_deterministic();

    observer = anqa_self();
    last_ms = anqa_now_ms();
    return rt;
}

/* These are the next news, the last of them so long after what was seen before. */
static void happens(const char *expected, uint64_t after_ms)
{
    CHECK_STR(news_like(expected), expected);
    CHECK_EQ(anqa_now_ms() - last_ms, after_ms, "%s", expected);
    last_ms = anqa_now_ms();
}

static void nothing_happens_for(uint32_t ms)
{
    anqa_sleep(ms);
    CHECK(no_news());
    last_ms = anqa_now_ms();
}

static void crash_brings(anqa_pid sup, const char *id, const char *expected, uint64_t after_ms)
{
    crash(sup, id, "boom");
    happens(expected, after_ms);
}

static bool is_restarting(anqa_pid sup, const char *id)
{
    return info_of(sup, id).state == ANQA_CHILD_RESTARTING;
}

#define STEPS {.first_ms = 100, .max_ms = 1000, .jitter = ANQA_JITTER_NONE}
#define PATIENT .max_restarts = 100

/* ---------------------------------------------------------------- the waits */

static const struct {
    anqa_backoff backoff;
    uint32_t failures, least_ms, most_ms;
} waits[] = {
    {{0}, 1, 0, 0},
    {{0}, 7, 0, 0},
    {{.first_ms = 100}, 0, 0, 0},
    {STEPS, 1, 100, 100},
    {STEPS, 2, 200, 200},
    {STEPS, 4, 800, 800},
    {STEPS, 5, 1000, 1000},
    {STEPS, UINT32_MAX, 1000, 1000},
    {{.first_ms = 100, .jitter = ANQA_JITTER_NONE}, 100, 30000, 30000},
    {{.first_ms = 5, .factor = 10, .jitter = ANQA_JITTER_NONE}, 3, 500, 500},
    {{.first_ms = 5, .factor = 1, .jitter = ANQA_JITTER_NONE}, UINT32_MAX, 5, 5},
    {{.first_ms = UINT32_MAX, .max_ms = UINT32_MAX, .jitter = ANQA_JITTER_NONE}, 9, UINT32_MAX,
        UINT32_MAX},
    {{.first_ms = 100}, 2, 1, 200},
    {{.first_ms = 100, .jitter = ANQA_JITTER_EQUAL}, 2, 101, 200},
    {{.first_ms = 1}, 1, 1, 1},
    {{.first_ms = 1, .jitter = ANQA_JITTER_EQUAL}, 1, 1, 1},
};

TEST(a_wait_grows_by_its_factor_up_to_its_limit_and_jitter_stays_within)
{
    anqa_rt *rt = begin_timed();

    for (size_t i = 0; i < ANQA_COUNT(waits); i++)
        for (int again = 0; again < 1000; again++) {
            uint32_t ms = anqa_backoff_ms(&waits[i].backoff, waits[i].failures);
            CHECK(ms >= waits[i].least_ms && ms <= waits[i].most_ms, "row %zu: %u", i, ms);
        }
    end(rt);
}

TEST(jitter_takes_all_of_its_range)
{
    static const anqa_backoff eight = {.first_ms = 8};
    anqa_rt *rt = begin_timed();
    unsigned seen = 0;

    for (int i = 0; i < 1000; i++)
        seen |= 1u << anqa_backoff_ms(&eight, 1);
    CHECK_EQ(seen, 0x1fe);
    end(rt);
}

TEST(jitter_follows_from_the_seed_in_deterministic_mode)
{
    static const anqa_options options = {.deterministic = true, .seed = 7};
    static const anqa_backoff minute = {.first_ms = 60000, .max_ms = 60000};
    uint32_t first[10];

    for (int round = 0; round < 2; round++) {
        anqa_rt *rt = NULL;
        CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
        CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
        for (size_t i = 0; i < ANQA_COUNT(first); i++) {
            uint32_t ms = anqa_backoff_ms(&minute, 1);
            CHECK(round == 0 || ms == first[i]);
            first[i] = ms;
        }
        end(rt);
    }
}

/* ---------------------------------------------------------------- supervisors */

#define UNIT(name, ...) {.id = (name), .server = &worker, __VA_ARGS__}
#define ABC_OF(way)                                                                           \
    {                                                                                         \
        .strategy = (way), PATIENT, .children = (const anqa_child_spec[])                     \
        {                                                                                     \
            UNIT("a", .restart = ANQA_PERMANENT), UNIT("b", .backoff = STEPS), UNIT("c"), {0} \
        }                                                                                     \
    }

static const anqa_supervisor one_for_one = ABC_OF(ANQA_ONE_FOR_ONE);
static const anqa_supervisor rest_for_one = ABC_OF(ANQA_REST_FOR_ONE);
static const anqa_supervisor one_for_all = ABC_OF(ANQA_ONE_FOR_ALL);

TEST(a_child_waits_longer_with_each_failure_in_a_row)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&one_for_one);

    happens("+a +b +c", 0);
    crash_brings(sup, "b", "-b +b", 100);
    crash_brings(sup, "b", "-b +b", 200);
    crash_brings(sup, "b", "-b +b", 400);
    crash_brings(sup, "b", "-b +b", 800);
    crash_brings(sup, "b", "-b +b", 1000);
    crash_brings(sup, "b", "-b +b", 1000);
    CHECK_EQ(info_of(sup, "b").restarts, 6);
    end(rt);
}

TEST(an_attempt_that_fails_is_a_failure_like_a_crash)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&one_for_one);

    happens("+a +b +c", 0);
    plans['b' - 'a'] = "ff";
    crash_brings(sup, "b", "-b +b", 100 + 200 + 400);
    end(rt);
}

static const anqa_supervisor steady = {
    PATIENT, .children = (const anqa_child_spec[]){
                 UNIT("a", .backoff = STEPS), UNIT("b", .backoff = STEPS, .steady_ms = 5000), {0}}};

TEST(a_child_that_has_lived_long_enough_begins_again_with_the_first_wait)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&steady);

    happens("+a +b", 0);
    crash_brings(sup, "a", "-a +a", 100);
    crash_brings(sup, "a", "-a +a", 200);
    nothing_happens_for(999);
    crash_brings(sup, "a", "-a +a", 400);
    nothing_happens_for(1000); /* the longest wait, unless the spec says otherwise */
    crash_brings(sup, "a", "-a +a", 100);
    crash_brings(sup, "b", "-b +b", 100);
    nothing_happens_for(4999);
    crash_brings(sup, "b", "-b +b", 200);
    nothing_happens_for(5000);
    crash_brings(sup, "b", "-b +b", 100);
    end(rt);
}

TEST(while_a_child_waits_its_supervisor_answers_and_sees_to_the_others)
{
    static const anqa_child_spec late = UNIT("d");
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&one_for_one), pid;

    happens("+a +b +c", 0);
    crash_brings(sup, "b", "-b", 0);
    CHECK(is_restarting(sup, "b"));
    CHECK(anqa_pid_is_none(info_of(sup, "b").pid));
    crash_brings(sup, "c", "-c +c", 0);
    CHECK_STATUS(anqa_supervisor_start_child(sup, &late, &pid, NULL), ANQA_OK);
    happens("+d", 0);
    CHECK(is_restarting(sup, "b"));
    happens("+b", 100);
    CHECK_EQ(info_of(sup, "b").state, ANQA_CHILD_RUNNING);
    end(rt);
}

TEST(a_child_in_its_wait_can_be_neither_started_nor_deleted_but_terminated)
{
    static const anqa_child_spec again = UNIT("b");
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&one_for_one), pid;
    anqa_error err;

    happens("+a +b +c", 0);
    crash_brings(sup, "b", "-b", 0);
    CHECK_STATUS(anqa_supervisor_restart_child(sup, "b", &pid, &err), ANQA_E_RUNNING);
    CHECK_STR(err.text, "child 'b' waits to be started again: terminate it first");
    CHECK_STATUS(anqa_supervisor_start_child(sup, &again, &pid, &err), ANQA_E_RUNNING);
    CHECK_STATUS(anqa_supervisor_delete_child(sup, "b", &err), ANQA_E_RUNNING);
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "b", &err), ANQA_OK);
    CHECK_EQ(info_of(sup, "b").state, ANQA_CHILD_ENDED);
    nothing_happens_for(5000);
    CHECK_STATUS(anqa_supervisor_restart_child(sup, "b", &pid, &err), ANQA_OK);
    happens("+b", 0);
    crash_brings(sup, "b", "-b", 0);
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "b", &err), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_delete_child(sup, "b", &err), ANQA_OK);
    nothing_happens_for(5000);
    end(rt);
}

TEST(a_supervisor_that_is_stopped_does_not_wait_for_a_child_in_its_wait)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&one_for_one);

    happens("+a +b +c", 0);
    crash_brings(sup, "b", "-b", 0);
    CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    happens("-c -a", 0);
    nothing_happens_for(5000);
    end(rt);
}

TEST(one_for_all_stops_all_at_once_and_starts_all_after_the_wait)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&one_for_all);

    happens("+a +b +c", 0);
    crash_brings(sup, "b", "-b -c -a", 0);
    CHECK(is_restarting(sup, "a") && is_restarting(sup, "b") && is_restarting(sup, "c"));
    plans['a' - 'a'] = "f"; /* it has no wait of its own, but others have their turn first */
    happens("+a +b +c", 101);
    crash_brings(sup, "a", "-a -c -b +a +b +c", 0);
    end(rt);
}

TEST(rest_for_one_stops_those_behind_at_once_and_starts_them_after_the_wait)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&rest_for_one);

    happens("+a +b +c", 0);
    crash_brings(sup, "b", "-b -c", 0);
    CHECK(!is_restarting(sup, "a") && is_restarting(sup, "b") && is_restarting(sup, "c"));
    happens("+b +c", 100);
    end(rt);
}

TEST(a_restart_that_takes_a_waiting_child_along_ends_its_wait)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&rest_for_one);

    happens("+a +b +c", 0);
    crash_brings(sup, "b", "-b -c", 0);
    crash_brings(sup, "a", "-a +a +b +c", 0);
    nothing_happens_for(5000);
    end(rt);
}

TEST(when_a_waiting_child_is_terminated_those_stopped_with_it_start_without_it)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&one_for_all);

    happens("+a +b +c", 0);
    crash_brings(sup, "b", "-b -c -a", 0);
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "b", NULL), ANQA_OK);
    happens("+a +c", 0);
    CHECK_EQ(info_of(sup, "b").state, ANQA_CHILD_ENDED);
    nothing_happens_for(5000);
    end(rt);
}

TEST(a_child_terminated_while_it_waits_for_another_is_not_started_with_it)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&rest_for_one);

    happens("+a +b +c", 0);
    crash_brings(sup, "b", "-b -c", 0);
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "c", NULL), ANQA_OK);
    happens("+b", 100);
    nothing_happens_for(5000);
    end(rt);
}

static const anqa_supervisor waits_first = {.strategy = ANQA_REST_FOR_ONE,
    PATIENT,
    .children = (const anqa_child_spec[]){UNIT("a", .backoff = STEPS), UNIT("b"), {0}}};

TEST(a_child_added_behind_a_waiting_one_waits_on_its_own_account)
{
    static const anqa_child_spec late =
        UNIT("d", .backoff = {.first_ms = 700, .jitter = ANQA_JITTER_NONE});
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&waits_first), pid;

    happens("+a +b", 0);
    crash_brings(sup, "a", "-a -b", 0);
    CHECK_STATUS(anqa_supervisor_start_child(sup, &late, &pid, NULL), ANQA_OK);
    happens("+d", 0);
    crash_brings(sup, "d", "-d", 0);
    happens("+a +b", 100);
    happens("+d", 600);
    end(rt);
}

/* ---------------------------------------------------------------- intensity */

static const anqa_supervisor hasty = {
    .children = (const anqa_child_spec[]){UNIT("b", .backoff = STEPS), {0}}};

TEST(failures_count_when_they_happen_and_the_limit_ends_the_supervisor_without_a_wait)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&hasty);
    const anqa_msg *exit;

    happens("+b", 0);
    crash_brings(sup, "b", "-b +b", 100);
    crash_brings(sup, "b", "-b +b", 200);
    crash_brings(sup, "b", "-b +b", 400);
    crash_brings(sup, "b", "-b", 0);
    exit = expect("EXIT");
    CHECK(anqa_pid_eq(exit->from, sup));
    CHECK_EQ(anqa_reason_get_kind(exit->u.reason), ANQA_REASON_SHUTDOWN);
    CHECK_EQ(anqa_now_ms(), last_ms);
    end(rt);
}

static const anqa_supervisor slow = {
    .children = (const anqa_child_spec[]){
        UNIT("b", .backoff = {.first_ms = 1700, .factor = 1, .jitter = ANQA_JITTER_NONE}), {0}}};

TEST(waits_that_do_not_fit_into_the_period_never_reach_the_limit)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start(&slow);

    happens("+b", 0);
    for (int i = 0; i < 20; i++)
        crash_brings(sup, "b", "-b +b", 1700);
    end(rt);
}

/* ---------------------------------------------------------------- dynamic supervisors */

static const anqa_dynamic_supervisor keyed = {
    .name = "keyed", PATIENT, .child = {.server = &worker, .backoff = STEPS}};

static anqa_pid start_dynamic(const anqa_dynamic_supervisor *spec)
{
    anqa_pid pid = {0};

    CHECK_STATUS(anqa_dynamic_supervisor_start_link(spec, &pid, NULL), ANQA_OK);
    return pid;
}

static anqa_pid ensure(const char *key)
{
    anqa_pid pid = {0};

    CHECK_STATUS(anqa_ensure_child_pid(&keyed, anqa_str_of(key), NULL, &pid, NULL), ANQA_OK);
    return pid;
}

TEST(a_dynamic_child_waits_longer_with_each_failure_in_a_row)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start_dynamic(&keyed);

    (void)ensure("x");
    (void)ensure("y");
    happens("+x +y", 0);
    crash_brings(sup, "x", "-x", 0);
    CHECK(is_restarting(sup, "x"));
    CHECK(anqa_pid_is_none(anqa_child_pid(&keyed, anqa_str_of("x"))));
    nothing_happens_for(10);
    crash_brings(sup, "y", "-y +x", 90);
    happens("+y", 10);
    crash_brings(sup, "x", "-x +x", 200);
    plans['x' - 'a'] = "f";
    crash_brings(sup, "x", "-x +x", 400 + 800);
    nothing_happens_for(1000);
    crash_brings(sup, "x", "-x +x", 100);
    end(rt);
}

TEST(who_asks_for_a_key_whose_child_waits_gets_it_after_the_wait)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start_dynamic(&keyed), pid;

    (void)ensure("x");
    happens("+x", 0);
    crash_brings(sup, "x", "-x", 0);
    pid = ensure("x");
    happens("+x", 100);
    CHECK(anqa_pid_eq(pid, anqa_child_pid(&keyed, anqa_str_of("x"))));
    end(rt);
}

TEST(a_dynamic_child_is_terminated_in_its_wait_by_the_pid_it_had)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start_dynamic(&keyed), pid = ensure("x");
    anqa_child_counts counts;

    happens("+x", 0);
    crash_brings(sup, "x", "-x", 0);
    CHECK_STATUS(anqa_dynamic_supervisor_terminate_child(sup, pid), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_count_children(sup, &counts), ANQA_OK);
    CHECK_EQ(counts.specs, 0);
    nothing_happens_for(5000);
    (void)ensure("x");
    happens("+x", 0);
    end(rt);
}

TEST(a_dynamic_supervisor_that_is_stopped_does_not_wait_for_children_in_their_waits)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start_dynamic(&keyed);

    (void)ensure("x");
    (void)ensure("y");
    happens("+x +y", 0);
    crash_brings(sup, "x", "-x", 0);
    CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    happens("-y", 0);
    nothing_happens_for(5000);
    end(rt);
}

static const anqa_dynamic_supervisor plain = {
    .max_restarts = 2, .child = {.server = &worker, .backoff = STEPS}};

TEST(a_dynamic_child_without_key_and_argument_waits_too_and_the_limit_holds)
{
    anqa_rt *rt = begin_timed();
    anqa_pid sup = start_dynamic(&plain), pid;

    CHECK_STATUS(anqa_dynamic_supervisor_start_child(sup, NULL, 0, &pid, NULL), ANQA_OK);
    happens("+-", 0);
    crash_brings(sup, "", "-- +-", 100);
    crash_brings(sup, "", "-- +-", 200);
    crash_brings(sup, "", "--", 0);
    CHECK(anqa_pid_eq(expect("EXIT")->from, sup));
    CHECK_EQ(anqa_now_ms(), last_ms);
    end(rt);
}

/* ---------------------------------------------------------------- specs, memory */

static const struct {
    anqa_child_spec child;
    const char *error;
} contradictions[] = {
    {UNIT("b", .backoff = {.first_ms = 200, .max_ms = 100}),
        "child 'b' of supervisor '(no name)': .backoff.first_ms is 200, longer than "
        ".backoff.max_ms, which is 100"},
    {UNIT("b", .backoff = {.first_ms = 40000}),
        "child 'b' of supervisor '(no name)': .backoff.first_ms is 40000, longer than "
        ".backoff.max_ms, which is 30000"},
    {UNIT("b", .backoff = {.first_ms = 1, .jitter = (anqa_jitter)3}),
        "child 'b' of supervisor '(no name)': .backoff.jitter is none of the three"},
    {UNIT("b", .backoff = {.first_ms = 1}, .restart = ANQA_TEMPORARY),
        "child 'b' of supervisor '(no name)' has a .backoff, but is temporary: it is never "
        "started again"},
    {UNIT("b", .steady_ms = 1),
        "child 'b' of supervisor '(no name)': .steady_ms goes with .backoff; set "
        ".backoff.first_ms"},
};

TEST(a_back_off_that_contradicts_itself_is_refused)
{
    anqa_rt *rt = begin_timed();
    anqa_error err;
    anqa_pid pid;

    for (size_t i = 0; i < ANQA_COUNT(contradictions); i++) {
        anqa_child_spec children[] = {contradictions[i].child, {0}};
        anqa_supervisor spec = {.children = children};
        CHECK_STATUS(anqa_supervisor_start_link(&spec, &pid, &err), ANQA_E_INVALID);
        CHECK_STR(err.text, contradictions[i].error);
    }
    end(rt);
}

static void fail_soon(void *arg)
{
    anqa_sleep(10);
    anqa_exit(anqa_error_reason("boom"));
}

static const anqa_supervisor failing = {
    .children = (const anqa_child_spec[]){{.id = "a", .run = fail_soon, .backoff = STEPS}, {0}}};
static const anqa_dynamic_supervisor failing_units = {
    .child = {.run = fail_soon, .backoff = STEPS}};

static void live_with_both(void *arg)
{
    anqa_pid pid;

    anqa_trap_exit(true);
    if (anqa_supervisor_start_link(&failing, &pid, NULL) != ANQA_OK ||
        anqa_dynamic_supervisor_start_link(&failing_units, &pid, NULL) != ANQA_OK ||
        anqa_dynamic_supervisor_start_child(pid, NULL, 0, &pid, NULL) != ANQA_OK)
        return;
    anqa_sleep(5000); /* more than both take to give up */
}

TEST(without_memory_a_supervisor_whose_children_wait_ends_and_leaves_nobody_behind)
{
    live_without_memory(live_with_both);
}
