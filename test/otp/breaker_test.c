/* Circuit breakers, mostly on a clock that stands still unless everybody waits. */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static unsigned calls;

static anqa_status answer(void *arg, anqa_error *err)
{
    anqa_status status = *(const anqa_status *)arg;

    calls++;
    return status == ANQA_OK ? ANQA_OK : anqa_fail(err, status, "so it is");
}

static anqa_status call(const anqa_breaker *breaker, anqa_status status)
{
    return anqa_breaker_call(breaker, answer, &status, NULL);
}

static void fail_times(const anqa_breaker *breaker, int count)
{
    for (int i = 0; i < count; i++)
        CHECK_STATUS(call(breaker, ANQA_E_TIMEOUT), ANQA_E_TIMEOUT, "%d", i);
}

static const anqa_breaker usual = {.name = "usual"};
static const anqa_breaker quick = {
    .name = "quick", .failures = 2, .window_ms = 1000, .open_ms = 100};
static const anqa_breaker careful = {.name = "careful", .failures = 1, .open_ms = 100, .probes = 3};

/* ---------------------------------------------------------------- closed, open */

TEST(five_failures_within_ten_seconds_open_it_for_five)
{
    anqa_rt *rt = begin_deterministic();
    anqa_status ok = ANQA_OK;
    anqa_error err;

    fail_times(&usual, 4);
    anqa_sleep(9999);
    CHECK_EQ(anqa_breaker_get_state(&usual), ANQA_BREAKER_CLOSED);
    fail_times(&usual, 1);
    CHECK_EQ(anqa_breaker_get_state(&usual), ANQA_BREAKER_OPEN);
    CHECK_STATUS(anqa_breaker_call(&usual, answer, &ok, &err), ANQA_E_REFUSED);
    CHECK_STR(err.text, "circuit breaker 'usual' is open: not asked");
    CHECK_EQ(calls, 5);
    anqa_sleep(4999);
    CHECK_STATUS(call(&usual, ANQA_OK), ANQA_E_REFUSED);
    anqa_sleep(1);
    CHECK_STATUS(call(&usual, ANQA_OK), ANQA_OK);
    CHECK_EQ(anqa_breaker_get_state(&usual), ANQA_BREAKER_CLOSED);
    end(rt);
}

TEST(failures_longer_ago_than_the_window_do_not_count)
{
    anqa_rt *rt = begin_deterministic();

    for (int i = 0; i < 20; i++) {
        fail_times(&quick, 1);
        anqa_sleep(1001);
    }
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_CLOSED);
    fail_times(&quick, 1);
    anqa_sleep(1000);
    fail_times(&quick, 1);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_OPEN);
    end(rt);
}

TEST(successes_between_failures_do_not_make_them_fewer)
{
    anqa_rt *rt = begin_deterministic();

    fail_times(&quick, 1);
    for (int i = 0; i < 100; i++)
        CHECK_STATUS(call(&quick, ANQA_OK), ANQA_OK);
    fail_times(&quick, 1);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_OPEN);
    end(rt);
}

static const anqa_breaker picky = {
    .name = "picky", .failures = 1, .on = (const anqa_status[]){ANQA_E_PARSE, ANQA_OK}};

TEST(an_error_that_is_an_answer_does_not_count_and_the_spec_may_say_which_does)
{
    anqa_rt *rt = begin_deterministic();

    for (int i = 0; i < 10; i++)
        CHECK_STATUS(call(&quick, ANQA_E_NOT_FOUND), ANQA_E_NOT_FOUND);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_CLOSED);
    CHECK_STATUS(call(&picky, ANQA_E_TIMEOUT), ANQA_E_TIMEOUT);
    CHECK_EQ(anqa_breaker_get_state(&picky), ANQA_BREAKER_CLOSED);
    CHECK_STATUS(call(&picky, ANQA_E_PARSE), ANQA_E_PARSE);
    CHECK_EQ(anqa_breaker_get_state(&picky), ANQA_BREAKER_OPEN);
    end(rt);
}

/* ---------------------------------------------------------------- half-open */

TEST(a_probe_that_fails_opens_it_again_for_as_long)
{
    anqa_rt *rt = begin_deterministic();

    fail_times(&quick, 2);
    for (int i = 0; i < 3; i++) {
        anqa_sleep(100);
        CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_HALF_OPEN);
        CHECK_STATUS(call(&quick, ANQA_E_TIMEOUT), ANQA_E_TIMEOUT);
        CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_OPEN);
        anqa_sleep(99);
        CHECK_STATUS(call(&quick, ANQA_OK), ANQA_E_REFUSED);
        anqa_sleep(1);
        CHECK_STATUS(call(&quick, ANQA_E_TIMEOUT), ANQA_E_TIMEOUT);
    }
    end(rt);
}

TEST(as_many_probes_in_a_row_must_succeed_as_the_spec_says)
{
    anqa_rt *rt = begin_deterministic();

    fail_times(&careful, 1);
    anqa_sleep(100);
    CHECK_STATUS(call(&careful, ANQA_OK), ANQA_OK);
    CHECK_STATUS(call(&careful, ANQA_OK), ANQA_OK);
    CHECK_EQ(anqa_breaker_get_state(&careful), ANQA_BREAKER_HALF_OPEN);
    fail_times(&careful, 1);
    CHECK_EQ(anqa_breaker_get_state(&careful), ANQA_BREAKER_OPEN);
    anqa_sleep(100);
    for (int i = 0; i < 3; i++)
        CHECK_STATUS(call(&careful, ANQA_OK), ANQA_OK);
    CHECK_EQ(anqa_breaker_get_state(&careful), ANQA_BREAKER_CLOSED);
    end(rt);
}

TEST(when_it_closes_earlier_failures_are_forgotten)
{
    anqa_rt *rt = begin_deterministic();

    fail_times(&quick, 2);
    anqa_sleep(100);
    CHECK_STATUS(call(&quick, ANQA_OK), ANQA_OK);
    fail_times(&quick, 1);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_CLOSED);
    fail_times(&quick, 1);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_OPEN);
    end(rt);
}

/* ---------------------------------------------------------------- several callers */

struct long_call {
    const anqa_breaker *breaker;
    anqa_status status; /* what it returns after `ms` */
    uint32_t ms;
    bool crashes;
};

static anqa_status take_time(void *arg, anqa_error *err)
{
    const struct long_call *what = arg;

    anqa_sleep(what->ms);
    if (what->crashes)
        anqa_exit(anqa_error_reason("boom"));
    return what->status;
}

static void call_long(void *state)
{
    struct long_call *what = state;
    anqa_status status = anqa_breaker_call(what->breaker, take_time, what, NULL);

    anqa_exit(status == ANQA_E_REFUSED ? ANQA_SHUTDOWN : ANQA_NORMAL);
}

/* Returns when it is under way. */
static anqa_pid begin_call(
    const anqa_breaker *breaker, anqa_status status, uint32_t ms, bool crashes)
{
    struct long_call what = {breaker, status, ms, crashes};
    anqa_pid pid = {0};

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = call_long, .arg = &what, .arg_size = sizeof what},
            &pid, NULL),
        ANQA_OK);
    anqa_sleep(1);
    return pid;
}

TEST(one_probe_at_a_time_is_let_through)
{
    anqa_rt *rt = begin_deterministic();
    anqa_status ok = ANQA_OK;
    anqa_pid probe;
    anqa_error err;

    fail_times(&quick, 2);
    anqa_sleep(100);
    probe = begin_call(&quick, ANQA_OK, 50, false);
    CHECK_STATUS(anqa_breaker_call(&quick, answer, &ok, &err), ANQA_E_REFUSED);
    CHECK_STR(err.text, "circuit breaker 'quick' is half_open: not asked");
    CHECK_EQ(end_of(probe), ANQA_REASON_NORMAL);
    CHECK_STATUS(call(&quick, ANQA_OK), ANQA_OK);
    end(rt);
}

TEST(a_process_that_crashes_inside_has_failed)
{
    anqa_rt *rt = begin_deterministic();

    CHECK_EQ(end_of(begin_call(&quick, ANQA_OK, 10, true)), ANQA_REASON_ERROR);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_CLOSED);
    CHECK_EQ(end_of(begin_call(&quick, ANQA_OK, 10, true)), ANQA_REASON_ERROR);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_OPEN);
    end(rt);
}

TEST(a_probe_that_is_killed_has_failed_and_the_next_one_may_come)
{
    anqa_rt *rt = begin_deterministic();

    fail_times(&quick, 2);
    anqa_sleep(100);
    kill_and_wait(begin_call(&quick, ANQA_OK, 60000, false));
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_OPEN);
    anqa_sleep(100);
    CHECK_STATUS(call(&quick, ANQA_OK), ANQA_OK);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_CLOSED);
    end(rt);
}

TEST(what_began_before_it_opened_no_longer_counts)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid early[4];

    for (size_t i = 0; i < ANQA_COUNT(early); i++)
        early[i] = begin_call(&quick, ANQA_E_TIMEOUT, 150, false);
    fail_times(&quick, 2);
    anqa_sleep(100);
    CHECK_STATUS(call(&quick, ANQA_OK), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(early); i++)
        (void)end_of(early[i]);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_CLOSED);
    fail_times(&quick, 1);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_CLOSED);
    end(rt);
}

TEST(breakers_and_runtimes_do_not_meet)
{
    anqa_rt *rt = begin_deterministic();

    fail_times(&quick, 2);
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_OPEN);
    CHECK_EQ(anqa_breaker_get_state(&careful), ANQA_BREAKER_CLOSED);
    end(rt);
    rt = begin_deterministic();
    CHECK_EQ(anqa_breaker_get_state(&quick), ANQA_BREAKER_CLOSED);
    CHECK_STATUS(call(&quick, ANQA_OK), ANQA_OK);
    end(rt);
}

/* Many processes on two schedulers; of what is asked one call in three fails. */
static _Atomic(unsigned) asked, ended;

static anqa_status fail_sometimes(void *arg, anqa_error *err)
{
    if (atomic_fetch_add(&asked, 1) % 16 == 0)
        anqa_yield();
    return atomic_load(&asked) % 3 == 0 ? ANQA_E_IO : ANQA_OK;
}

static const anqa_breaker busy = {.name = "busy", .failures = 10, .open_ms = 1};

static void call_often(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        anqa_status status = anqa_breaker_call(&busy, fail_sometimes, NULL, NULL);
        ANQA_REQUIRE(status == ANQA_OK || status == ANQA_E_IO || status == ANQA_E_REFUSED);
        if (status == ANQA_E_REFUSED)
            anqa_sleep(1);
    }
    atomic_fetch_add(&ended, 1);
}

static _Atomic(unsigned) opened, half_opened, closed;

static void count_change(void *ctx, const anqa_telemetry_event *event)
{
    const anqa_field *state = anqa_field_find(event->metadata, event->metadata_count, "state");

    if (anqa_str_is(state->as.s, "open"))
        atomic_fetch_add(&opened, 1);
    else if (anqa_str_is(state->as.s, "half_open"))
        atomic_fetch_add(&half_opened, 1);
    else
        atomic_fetch_add(&closed, 1);
}

TEST(many_callers_at_once_leave_it_in_a_state_that_goes_on_and_each_change_is_one_event)
{
    static const anqa_telemetry_handler handler = {
        .id = "changes", .pattern = "anqa.breaker.state", .run = count_change};
    anqa_rt *rt = begin();
    anqa_pid pids[8];

    CHECK_STATUS(anqa_telemetry_attach(&handler), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(pids); i++)
        CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = call_often}, &pids[i], NULL), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(pids); i++)
        while (anqa_is_alive(pids[i]))
            anqa_sleep(1);
    CHECK_EQ(atomic_load(&ended), ANQA_COUNT(pids));
    while (call(&busy, ANQA_OK) != ANQA_OK)
        anqa_sleep(1);
    CHECK_EQ(anqa_breaker_get_state(&busy), ANQA_BREAKER_CLOSED);
    /* it was half-open once behind each time that it opened, and then opened again, or closed */
    CHECK_EQ(atomic_load(&half_opened), atomic_load(&opened));
    CHECK(atomic_load(&closed) > 0 && atomic_load(&closed) <= atomic_load(&opened));
    CHECK_STATUS(anqa_telemetry_detach("changes"), ANQA_OK);
    end(rt);
}

/* ---------------------------------------------------------------- events, limits, memory */

static char story[200];

static void write_down(void *ctx, const anqa_telemetry_event *event)
{
    const anqa_field *state = anqa_field_find(event->metadata, event->metadata_count, "state"),
                     *name = anqa_field_find(event->metadata, event->metadata_count, "name");

    CHECK_STR(name->as.s, "quick");
    (void)snprintf(story + strlen(story), sizeof story - strlen(story), "%.*s ",
        state == NULL ? 7 : (int)state->as.s.len, state == NULL ? "refused" : state->as.s.ptr);
}

TEST(changes_of_state_and_refused_calls_are_events)
{
    static const anqa_telemetry_handler handler = {
        .id = "story", .pattern = "anqa.breaker.*", .run = write_down};
    anqa_rt *rt = begin_deterministic();

    CHECK_STATUS(anqa_telemetry_attach(&handler), ANQA_OK);
    fail_times(&quick, 2);
    CHECK_STATUS(call(&quick, ANQA_OK), ANQA_E_REFUSED);
    anqa_sleep(100);
    CHECK_STATUS(call(&quick, ANQA_E_TIMEOUT), ANQA_E_TIMEOUT);
    anqa_sleep(100);
    CHECK_STATUS(call(&quick, ANQA_OK), ANQA_OK);
    CHECK_STR(story, "open refused half_open open half_open closed ");
    CHECK_STATUS(anqa_telemetry_detach("story"), ANQA_OK);
    end(rt);
}

static const anqa_breaker most = {.name = "most", .failures = ANQA_BREAKER_FAILURES_MAX};
static const anqa_breaker too_many = {
    .name = "too_many", .failures = ANQA_BREAKER_FAILURES_MAX + 1};

static void call_too_many(void *arg)
{
    (void)call(&too_many, ANQA_OK);
}

TEST(more_than_a_thousand_failures_is_a_broken_contract)
{
    anqa_rt *rt = begin_deterministic();

    fail_times(&most, ANQA_BREAKER_FAILURES_MAX);
    CHECK_EQ(anqa_breaker_get_state(&most), ANQA_BREAKER_OPEN);
    CHECK_EQ(outcome_of(call_too_many, NULL, NULL, 0), ANQA_REASON_CONTRACT);
    end(rt);
}

static void call_and_crash(void *arg)
{
    struct long_call what = {&careful, ANQA_OK, 1, true};

    if (call(&careful, ANQA_OK) == ANQA_OK)
        (void)call(&careful, ANQA_E_TIMEOUT);
    anqa_sleep(100);
    if (anqa_breaker_call(&careful, take_time, &what, NULL) == ANQA_OK)
        anqa_exit(anqa_error_reason("it does not crash"));
}

TEST(without_memory_a_call_fails_or_its_process_ends_and_the_breaker_goes_on)
{
    live_without_memory(call_and_crash);
}

static anqa_status ask_quick(void *arg, anqa_error *err)
{
    return anqa_breaker_call(&quick, answer, arg, err);
}

TEST(a_retry_around_a_breaker_gets_through_when_it_lets_a_probe_pass)
{
    static const anqa_retry_opts patient = {
        .attempts = 10, .backoff = {.first_ms = 30, .factor = 1, .jitter = ANQA_JITTER_NONE}};
    anqa_rt *rt = begin_deterministic();
    uint64_t begin_ms = anqa_now_ms();
    anqa_status ok = ANQA_OK;

    fail_times(&quick, 2);
    CHECK_STATUS(anqa_retry(&patient, ask_quick, &ok, NULL), ANQA_OK);
    CHECK_EQ(anqa_now_ms() - begin_ms, 120); /* refused at 0, 30, 60, 90 */
    CHECK_EQ(calls, 3);
    end(rt);
}
