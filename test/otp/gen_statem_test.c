/* gen_statem: each rule of OTP's that is promised, by name. */
#include "support.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Most machines here append to a text what happens to them, which the call "log" reads and clears. */
struct diary {
    char text[400];
    size_t len;
    anqa_pid observer;
};

static void note(struct diary *log, const char *format, ...) ANQA_PRINTF(2, 3);

static void note(struct diary *log, const char *format, ...)
{
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(log->text + log->len, sizeof log->text - log->len, format, args);
    va_end(args);
    log->len += (size_t)len;
    ANQA_REQUIRE(log->len < sizeof log->text);
}

static anqa_step log_read(void *data, const anqa_statem_event *event)
{
    struct diary *log = data;
    anqa_step step = anqa_and_reply(anqa_keep_state(), anqa_jsonf("%s", log->text));

    log->len = 0;
    log->text[0] = '\0';
    return step;
}

/* Writes down what it is, and keeps the state. */
static anqa_step log_event(void *data, const anqa_statem_event *event)
{
    note(data, "%s:%s ", event->state, event->tag);
    return anqa_keep_state();
}

static anqa_step log_body(void *data, const anqa_statem_event *event)
{
    note(data, "%s:%s=%.*s ", event->state, event->tag, (int)event->body.len, event->body.ptr);
    return anqa_keep_state();
}

static anqa_step log_enter(void *data, const anqa_statem_event *event)
{
    note(data, "%s>%s ", event->previous, event->state);
    return anqa_keep_state();
}

static anqa_step go(void *data, const anqa_statem_event *event)
{
    return anqa_next_state(anqa_intern(anqa_json_str(event->body, "to")));
}

static anqa_step keep(void *data, const anqa_statem_event *event)
{
    return anqa_keep_state();
}

static anqa_step repeat(void *data, const anqa_statem_event *event)
{
    return anqa_repeat_state();
}

static anqa_step later(void *data, const anqa_statem_event *event)
{
    note(data, "%s:later ", event->state);
    return anqa_and_postpone(anqa_keep_state());
}

static anqa_step die(void *data, const anqa_statem_event *event)
{
    anqa_exit(anqa_error_reason("boom"));
}

static anqa_pid start(const anqa_gen_statem *machine)
{
    anqa_pid pid = {0};
    anqa_error err;
    anqa_status status = anqa_gen_statem_start(machine, NULL, NULL, &pid, &err);

    CHECK_STATUS(status, ANQA_OK, "%s", err.text);
    return pid;
}

static const char *text_of(anqa_json json)
{
    anqa_str text;

    CHECK(anqa_json_to_str(anqa_tmp(), json, &text) == ANQA_OK);
    return anqa_tmp_copy(text.ptr, text.len);
}

static const char *log_of(anqa_pid pid)
{
    return text_of(anqa_call(pid, "log", NOTHING, ANQA_CALL_TIMEOUT_MS));
}

static void tell_go(anqa_pid pid, const char *to)
{
    anqa_cast(pid, "go", anqa_jsonf("{'to': %s}", to));
}

/* What every machine with a log has. */
#define LOG_ROWS                           \
    {NULL, ANQA_ON_CALL, "log", log_read}, \
    {                                      \
        NULL, ANQA_ON_CAST, "go", go       \
    }

/* ---------------------------------------------------------------- the table */

static anqa_step push_coin(void *data, const anqa_statem_event *event)
{
    return anqa_and_reply(anqa_next_state("open"), ANQA_JSON_TRUE);
}

static anqa_step push_refuse(void *data, const anqa_statem_event *event)
{
    return anqa_and_reply(anqa_keep_state(), ANQA_JSON_FALSE);
}

static const anqa_gen_statem turnstile = ANQA_GEN_STATEM(struct diary, .initial = "locked",
    .rows = (const anqa_statem_row[]){{"locked", ANQA_ON_CALL, "coin", push_coin},
        {"locked", ANQA_ON_CALL, NULL, push_refuse}, {"open", ANQA_ON_CALL, "coin", push_refuse},
        {"open", ANQA_ON_CAST, "push", log_event}, {"open", ANQA_ON_CAST, NULL, keep},
        {NULL, ANQA_ON_CALL, "log", log_read}, {0}});

TEST(an_event_goes_to_the_first_row_of_its_state_kind_and_tag)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&turnstile);

    CHECK_STR(anqa_json_text(anqa_call(pid, "log", NOTHING, ANQA_INFINITY)), "false");
    CHECK_STR(anqa_json_text(anqa_call(pid, "coin", NOTHING, ANQA_INFINITY)), "true");
    CHECK_STR(anqa_json_text(anqa_call(pid, "coin", NOTHING, ANQA_INFINITY)), "false");
    anqa_cast(pid, "pull", NOTHING);
    anqa_cast(pid, "push", NOTHING);
    CHECK_STR(log_of(pid), "open:push ");
    end(rt);
}

static anqa_step locked(void *data, const anqa_statem_event *event)
{
    note(data, "locked(%s) ", event->tag);
    return event->kind == ANQA_ON_CAST ? anqa_next_state("open") : anqa_keep_state();
}

static anqa_step opened(void *data, const anqa_statem_event *event)
{
    note(data, "open(%s) ", event->tag);
    return event->kind == ANQA_ON_CALL ? log_read(data, event) : anqa_keep_state();
}

static const anqa_gen_statem by_state = ANQA_GEN_STATEM(struct diary, .initial = "locked",
    .rows = (const anqa_statem_row[]){{"locked", .run = locked}, {"open", .run = opened}, {0}});

TEST(a_row_of_a_state_alone_is_one_function_for_it)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&by_state);

    report(pid, "hello", "");
    anqa_cast(pid, "coin", NOTHING);
    anqa_cast(pid, "coin", NOTHING);
    CHECK_STR(log_of(pid), "locked(hello) locked(coin) open(coin) open(log) ");
    end(rt);
}

/* As OTP's handle_event_function: it looks at the event itself. */
static anqa_step everything(void *data, const anqa_statem_event *event)
{
    note(data, "%s/%d/%s ", event->state, (int)event->kind, event->tag);
    if (event->kind == ANQA_ON_CALL)
        return log_read(data, event);
    return anqa_next_state(strcmp(event->state, "a") == 0 ? "b" : "a");
}

static const anqa_gen_statem by_one = ANQA_GEN_STATEM(
    struct diary, .initial = "a", .rows = (const anqa_statem_row[]){{.run = everything}, {0}});

TEST(a_row_of_nothing_but_a_handler_takes_everything_but_enter_calls)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&by_one);

    anqa_cast(pid, "x", NOTHING);
    report(pid, "y", "");
    CHECK_STR(log_of(pid), "a/2/x b/3/y a/1/log ");
    end(rt);
}

TEST(a_call_or_cast_that_no_row_takes_is_a_crash_and_another_message_is_dropped)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&turnstile);
    anqa_error err;

    report(pid, "nonsense", "");
    CHECK_STR(anqa_json_text(anqa_call(pid, "coin", NOTHING, ANQA_INFINITY)), "true");
    CHECK_STATUS(anqa_try_call(pid, "sing", NOTHING, 1000, NULL, &err), ANQA_E_DIED);
    CHECK(strstr(err.text, "no row for the call 'sing' in state 'open'") != NULL, "%s", err.text);
    pid = start(&turnstile);
    anqa_cast(pid, "push", NOTHING);
    CHECK_EQ(end_of(pid), ANQA_REASON_ERROR);
    end(rt);
}

/* ---------------------------------------------------------------- enter calls */

static const anqa_gen_statem entering = ANQA_GEN_STATEM(struct diary, .initial = "a",
    .rows = (const anqa_statem_row[]){LOG_ROWS, {NULL, ANQA_ON_CAST, "repeat", repeat},
        {"c", ANQA_ON_ENTER, NULL, die}, {NULL, ANQA_ON_ENTER, NULL, log_enter}, {0}});

TEST(an_enter_call_runs_at_the_start_on_a_change_and_on_a_repeat)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&entering);

    CHECK_STR(log_of(pid), "a>a ");
    tell_go(pid, "b");
    CHECK_STR(log_of(pid), "a>b ");
    tell_go(pid, "b"); /* no change */
    CHECK_STR(log_of(pid), "");
    anqa_cast(pid, "repeat", NOTHING);
    CHECK_STR(log_of(pid), "b>b ");
    tell_go(pid, "c");
    CHECK_EQ(end_of(pid), ANQA_REASON_ERROR);
    end(rt);
}

static anqa_step enter_badly(void *data, const anqa_statem_event *event)
{
    switch (event->state[0]) {
    case 'p': return anqa_and_postpone(anqa_keep_state());
    case 'i': return anqa_and_event(anqa_keep_state(), "more", NOTHING);
    case 'n': return anqa_next_state("elsewhere");
    case 'r': return anqa_and_reply(anqa_keep_state(), ANQA_JSON_TRUE);
    case 's': return anqa_stop_machine(ANQA_SHUTDOWN);
    default: return anqa_keep_state();
    }
}

static const anqa_gen_statem badly_entering = ANQA_GEN_STATEM(char, .initial = "a",
    .rows = (const anqa_statem_row[]){
        {NULL, ANQA_ON_CAST, "go", go}, {NULL, ANQA_ON_ENTER, NULL, enter_badly}, {0}});

TEST(an_enter_call_keeps_its_state_or_stops_and_anything_else_is_a_bad_return)
{
    static const struct {
        const char *state;
        anqa_reason_kind end;
    } ways[] = {{"postpones", ANQA_REASON_BAD_RETURN}, {"inserts", ANQA_REASON_BAD_RETURN},
        {"next", ANQA_REASON_BAD_RETURN}, {"replies", ANQA_REASON_BAD_RETURN},
        {"stops", ANQA_REASON_SHUTDOWN}};
    anqa_rt *rt = begin_deterministic();

    for (size_t i = 0; i < ANQA_COUNT(ways); i++) {
        anqa_pid pid = start(&badly_entering);

        tell_go(pid, ways[i].state);
        CHECK_EQ(end_of(pid), ways[i].end, "%s", ways[i].state);
    }
    end(rt);
}

/* ---------------------------------------------------------------- order and postponing */

static anqa_step insert_and_go(void *data, const anqa_statem_event *event)
{
    anqa_step step = anqa_next_state("b");

    anqa_cast(anqa_self(), "mail", NOTHING);
    step = anqa_and_named_timeout(step, "zero", 0, NOTHING);
    step = anqa_and_event(step, "first", ANQA_JSON_LITERAL_("1"));
    return anqa_and_event(step, "second", ANQA_JSON_LITERAL_("2"));
}

static const anqa_gen_statem ordering = ANQA_GEN_STATEM(struct diary, .initial = "a",
    .rows = (const anqa_statem_row[]){LOG_ROWS, {NULL, ANQA_ON_CAST, "keep", keep},
        {NULL, ANQA_ON_CAST, "repeat", repeat}, {NULL, ANQA_ON_CAST, "insert", insert_and_go},
        {"a", ANQA_ON_CAST, NULL, later}, {"a", ANQA_ON_INFO, NULL, later},
        {"a", ANQA_ON_CALL, NULL, later}, {"b", ANQA_ON_CALL, "coin", push_coin},
        {"b", ANQA_ON_ENTER, NULL, log_enter}, {"b", ANQA_ON_INTERNAL, NULL, log_body},
        {"b", .run = log_event}, {0}});

TEST(the_enter_call_comes_first_then_inserted_then_postponed_then_zero_timeouts_then_the_mailbox)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&ordering);

    anqa_cast(pid, "one", NOTHING);
    report(pid, "two", "");
    anqa_cast(pid, "insert", NOTHING);
    CHECK_STR(log_of(pid), "a:later a:later a>b b:first=1 b:second=2 b:one b:two b:zero ");
    CHECK_STR(log_of(pid), "b:mail ");
    end(rt);
}

TEST(a_postponed_event_is_tried_again_only_after_a_change_of_state)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&ordering);

    anqa_cast(pid, "one", NOTHING);
    anqa_cast(pid, "keep", NOTHING);
    anqa_cast(pid, "repeat", NOTHING);
    tell_go(pid, "a"); /* the state it is in */
    CHECK_STR(log_of(pid), "a:later ");
    tell_go(pid, "b");
    CHECK_STR(log_of(pid), "a>b b:one ");
    end(rt);
}

TEST(a_postponed_call_is_answered_in_the_state_that_takes_it)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&ordering);
    anqa_ref ref = anqa_request(pid, "coin", anqa_nothing());
    const anqa_msg *answer;

    CHECK_STR(log_of(pid), "a:later ");
    CHECK(anqa_receive_ref(ref, 100) == NULL);
    tell_go(pid, "b");
    answer = anqa_receive_ref(ref, 100);
    CHECK(answer != NULL && answer->kind == ANQA_MSG_REPLY);
    CHECK_STR(anqa_json_text(answer->body), "true");
    end(rt);
}

TEST(a_machine_that_dies_gives_the_caller_of_a_postponed_call_a_down)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&ordering);
    anqa_ref ref = anqa_request(pid, "coin", anqa_nothing());
    const anqa_msg *down;

    CHECK_STR(log_of(pid), "a:later ");
    kill_and_wait(pid);
    down = anqa_receive_ref(ref, 100);
    CHECK(down != NULL && down->kind == ANQA_MSG_DOWN && !anqa_msg_never_started(down));
    end(rt);
}

static anqa_step later_and_go(void *data, const anqa_statem_event *event)
{
    note(data, "%s:%s ", event->state, event->tag);
    if (strcmp(event->state, "a") == 0)
        return anqa_and_postpone(anqa_next_state("b"));
    return strcmp(event->state, "b") == 0 ? anqa_and_postpone(anqa_next_state("c"))
                                          : anqa_keep_state();
}

static const anqa_gen_statem postponing = ANQA_GEN_STATEM(struct diary, .initial = "a",
    .rows = (const anqa_statem_row[]){LOG_ROWS, {.run = later_and_go}, {0}});

TEST(an_event_may_be_postponed_again_and_by_the_step_that_changes_the_state)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&postponing);

    anqa_cast(pid, "x", NOTHING);
    CHECK_STR(log_of(pid), "a:x b:x c:x ");
    end(rt);
}

enum { COUNTED = 2000 };

static void have_a_turn(void *arg)
{
    **(bool **)arg = true;
}

/* Starts another process at the first event, and looks at the last whether it has run. */
static anqa_step count_down(void *data, const anqa_statem_event *event)
{
    static bool had_a_turn;
    bool *turn = &had_a_turn;
    int left = (int)anqa_json_int(event->body, "left", COUNTED);

    if (left == COUNTED) {
        had_a_turn = false;
        ANQA_REQUIRE(
            anqa_spawn(
                &(anqa_spawn_opts){.run = have_a_turn, .arg = &turn, .arg_size = sizeof turn}, NULL,
                NULL) == ANQA_OK);
    }
    if (left > 0)
        return anqa_and_event(anqa_keep_state(), "count", anqa_jsonf("{'left': %d}", left - 1));
    note(data, had_a_turn ? "others ran" : "alone");
    return anqa_keep_state();
}

static const anqa_gen_statem counting = ANQA_GEN_STATEM(struct diary, .initial = "a",
    .rows = (const anqa_statem_row[]){LOG_ROWS, {NULL, ANQA_ON_ANY, "count", count_down}, {0}});

TEST(a_machine_that_feeds_itself_events_leaves_others_their_turn)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&counting);

    anqa_cast(pid, "count", NOTHING);
    CHECK_STR(log_of(pid), "others ran");
    end(rt);
}

enum { MANY = 100000 };

struct crowd {
    uint32_t taken;
};

static anqa_step wait_for_open(void *data, const anqa_statem_event *event)
{
    return anqa_and_postpone(anqa_keep_state());
}

static anqa_step open_up(void *data, const anqa_statem_event *event)
{
    return anqa_next_state("open");
}

static anqa_step take_one(void *data, const anqa_statem_event *event)
{
    struct crowd *crowd = data;

    crowd->taken++;
    return anqa_keep_state();
}

static anqa_step say_taken(void *data, const anqa_statem_event *event)
{
    return anqa_and_reply(anqa_keep_state(), anqa_jsonf("%d", (int)((struct crowd *)data)->taken));
}

static const anqa_gen_statem gate = ANQA_GEN_STATEM(struct crowd, .initial = "shut",
    .rows = (const anqa_statem_row[]){{"shut", ANQA_ON_CAST, "come", wait_for_open},
        {"shut", ANQA_ON_CAST, "open", open_up}, {"open", ANQA_ON_CAST, "come", take_one},
        {NULL, ANQA_ON_CALL, "taken", say_taken}, {0}});

/* A walk over all that are kept, for each that ends, took nine seconds. */
TEST(a_hundred_thousand_postponed_events_are_taken_at_once, .timeout_ms = 3000)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&gate);

    for (int i = 0; i < MANY; i++)
        anqa_cast(pid, "come", NOTHING);
    anqa_cast(pid, "open", NOTHING);
    CHECK_STR(anqa_json_text(anqa_call(pid, "taken", NOTHING, ANQA_INFINITY)), "100000");
    end(rt);
}

/* ---------------------------------------------------------------- time-outs */

/* Arms what the cast says: {"kind": "event", "ms": 10, "body": ...}, going to "to" if that is there. */
static anqa_step arm(void *data, const anqa_statem_event *event)
{
    anqa_str kind = anqa_json_str(event->body, "kind"), to = anqa_json_str(event->body, "to");
    uint32_t ms = (uint32_t)anqa_json_int(event->body, "ms", ANQA_INFINITY);
    anqa_step step = to.len > 0 ? anqa_next_state(anqa_intern(to)) : anqa_keep_state();

    if (anqa_json_int(event->body, "insert", 0) == 1)
        step = anqa_and_event(step, "inserted", NOTHING);
    if (anqa_str_eq(kind, anqa_str_of("event")))
        return anqa_and_timeout(step, ms);
    if (anqa_str_eq(kind, anqa_str_of("state")))
        return anqa_and_state_timeout(step, ms);
    return anqa_and_named_timeout(
        step, anqa_intern(kind), ms, anqa_jsonf("%d", (int)anqa_json_int(event->body, "body", 0)));
}

static anqa_step update_one(void *data, const anqa_statem_event *event)
{
    return anqa_and_update_timeout(anqa_keep_state(), "one", ANQA_JSON_LITERAL_("\"new\""));
}

static anqa_step cancel_one(void *data, const anqa_statem_event *event)
{
    return anqa_and_cancel_timeout(anqa_keep_state(), "one");
}

static anqa_step nap(void *data, const anqa_statem_event *event)
{
    anqa_sleep(50);
    return anqa_keep_state();
}

#define TIMER_ROWS                                                                          \
    LOG_ROWS, {NULL, ANQA_ON_CAST, "arm", arm}, {NULL, ANQA_ON_CAST, "keep", keep},         \
        {NULL, ANQA_ON_CAST, "repeat", repeat}, {NULL, ANQA_ON_CAST, "update", update_one}, \
        {NULL, ANQA_ON_CAST, "cancel", cancel_one},                                         \
    {                                                                                       \
        NULL, ANQA_ON_CAST, "nap", nap                                                      \
    }

static const anqa_gen_statem timed = ANQA_GEN_STATEM(struct diary, .initial = "a",
    .rows = (const anqa_statem_row[]){
        TIMER_ROWS, {NULL, ANQA_ON_NAMED_TIMEOUT, NULL, log_body}, {.run = log_event}, {0}});

static void tell_arm(anqa_pid pid, const char *json)
{
    anqa_cast(pid, "arm", anqa_json_of(anqa_str_of(json)));
}

TEST(an_event_timeout_arrives_when_nothing_else_does)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&timed);

    tell_arm(pid, "{\"kind\":\"event\",\"ms\":10}");
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "a:timeout ");
    anqa_sleep(20);
    CHECK_STR(log_of(pid), ""); /* once */
    end(rt);
}

TEST(any_event_cancels_the_event_timeout_also_inserted_ones_and_other_timeouts)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&timed);

    tell_arm(pid, "{\"kind\":\"event\",\"ms\":10}");
    anqa_cast(pid, "keep", NOTHING);
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "");
    tell_arm(pid, "{\"kind\":\"event\",\"ms\":10,\"insert\":1}");
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "a:inserted ");
    tell_arm(pid, "{\"kind\":\"one\",\"ms\":5}");
    tell_arm(pid, "{\"kind\":\"event\",\"ms\":10}");
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "a:one=0 ");
    end(rt);
}

TEST(a_state_timeout_is_cancelled_by_a_change_and_survives_keep_and_repeat)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&timed);

    tell_arm(pid, "{\"kind\":\"state\",\"ms\":10}");
    anqa_cast(pid, "keep", NOTHING);
    anqa_cast(pid, "repeat", NOTHING);
    tell_go(pid, "a");
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "a:state_timeout ");
    tell_arm(pid, "{\"kind\":\"state\",\"ms\":10}");
    tell_go(pid, "b");
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "");
    end(rt);
}

TEST(a_state_timeout_that_comes_with_a_change_is_the_new_states)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&timed);

    tell_arm(pid, "{\"kind\":\"state\",\"ms\":5}");
    tell_arm(pid, "{\"kind\":\"state\",\"ms\":10,\"to\":\"b\"}");
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "b:state_timeout ");
    end(rt);
}

TEST(named_timeouts_survive_changes_of_state_and_are_as_many_as_there_are_names)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&timed);

    tell_arm(pid, "{\"kind\":\"two\",\"ms\":15,\"body\":2}");
    tell_arm(pid, "{\"kind\":\"one\",\"ms\":10,\"body\":1}");
    tell_go(pid, "b");
    anqa_sleep(30);
    CHECK_STR(log_of(pid), "b:one=1 b:two=2 ");
    end(rt);
}

TEST(a_named_timeout_may_be_armed_anew_updated_and_cancelled)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&timed);

    tell_arm(pid, "{\"kind\":\"one\",\"ms\":10,\"body\":1}");
    tell_arm(pid, "{\"kind\":\"one\",\"ms\":30,\"body\":2}");
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "");
    anqa_cast(pid, "update", NOTHING); /* leaves the time */
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "a:one=\"new\" ");
    tell_arm(pid, "{\"kind\":\"one\",\"ms\":10}");
    anqa_cast(pid, "cancel", NOTHING);
    tell_arm(pid, "{\"kind\":\"two\",\"ms\":10}");
    tell_arm(pid, "{\"kind\":\"two\"}"); /* infinity */
    anqa_cast(pid, "cancel", NOTHING);   /* of none: fine */
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "");
    end(rt);
}

TEST(an_update_of_a_timeout_that_is_not_armed_arrives_at_once)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&timed);

    anqa_cast(pid, "update", NOTHING);
    CHECK_STR(log_of(pid), "a:one=\"new\" ");
    end(rt);
}

TEST(a_timeout_that_fired_just_before_it_was_cancelled_never_arrives)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&timed);

    /* Both fire during the nap, behind what cancels them. */
    tell_arm(pid, "{\"kind\":\"one\",\"ms\":10}");
    tell_arm(pid, "{\"kind\":\"state\",\"ms\":10}");
    anqa_cast(pid, "nap", NOTHING);
    anqa_cast(pid, "cancel", NOTHING);
    tell_go(pid, "b");
    anqa_sleep(100);
    CHECK_STR(log_of(pid), "");
    end(rt);
}

TEST(a_zero_event_timeout_arrives_at_once_unless_something_waits)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&timed);

    tell_arm(pid, "{\"kind\":\"event\",\"ms\":0}");
    CHECK_STR(log_of(pid), "a:timeout ");
    tell_arm(pid, "{\"kind\":\"event\",\"ms\":0,\"insert\":1}");
    CHECK_STR(log_of(pid), "a:inserted ");
    end(rt);
}

/* A change by the inserted event cancels it, though its time had come. */
static const anqa_gen_statem changing = ANQA_GEN_STATEM(struct diary, .initial = "a",
    .rows = (const anqa_statem_row[]){
        TIMER_ROWS, {"a", ANQA_ON_INTERNAL, NULL, later_and_go}, {.run = log_event}, {0}});

TEST(a_zero_state_timeout_comes_behind_inserted_events_and_a_change_cancels_it)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&timed);

    tell_arm(pid, "{\"kind\":\"state\",\"ms\":0,\"insert\":1}");
    CHECK_STR(log_of(pid), "a:inserted a:state_timeout ");
    pid = start(&changing);
    tell_arm(pid, "{\"kind\":\"state\",\"ms\":0,\"insert\":1}");
    CHECK_STR(log_of(pid), "a:inserted b:inserted ");
    end(rt);
}

static anqa_step arm_own(void *data, const anqa_statem_event *event)
{
    (void)anqa_send_after(anqa_self(), "timeout", anqa_nothing(), 10);
    return anqa_keep_state();
}

static const anqa_gen_statem own_timer = ANQA_GEN_STATEM(struct diary, .initial = "a",
    .rows = (const anqa_statem_row[]){LOG_ROWS, {NULL, ANQA_ON_CAST, "arm", arm_own},
        {NULL, ANQA_ON_INFO, NULL, log_event}, {0}});

TEST(a_timer_of_ones_own_is_another_message_whatever_its_tag)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&own_timer);

    anqa_cast(pid, "arm", NOTHING);
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "a:timeout ");
    end(rt);
}

/* ---------------------------------------------------------------- init, results and the end */

struct way {
    const char *init;
    anqa_pid observer;
};

static anqa_step init_way(void *data, const void *arg)
{
    const struct way *way = arg;
    struct diary *log = data;

    log->observer = way->observer;
    switch (way->init[0]) {
    case 'b': return anqa_next_state("b");
    case 'e': return anqa_and_event(anqa_and_timeout(anqa_keep_state(), 10), "first", NOTHING);
    case 'h': return anqa_and_hibernate(anqa_keep_state());
    case 'i': return anqa_ignore_machine();
    case 'p': return anqa_and_postpone(anqa_keep_state());
    case 'r': return anqa_repeat_state();
    case 's': return anqa_stop_machine(anqa_error_reason("no such file"));
    default: return anqa_keep_state();
    }
}

static anqa_step stop_quietly(void *data, const anqa_statem_event *event)
{
    return anqa_stop_machine(ANQA_SHUTDOWN);
}

static anqa_step stop_and_reply(void *data, const anqa_statem_event *event)
{
    return anqa_and_reply(anqa_stop_machine(ANQA_NORMAL), ANQA_JSON_TRUE);
}

static anqa_step say_nothing(void *data, const anqa_statem_event *event)
{
    anqa_step step;

    memset(&step, 0, sizeof step);
    return step;
}

static anqa_step reply_always(void *data, const anqa_statem_event *event)
{
    return anqa_and_reply(anqa_keep_state(), ANQA_JSON_TRUE);
}

static anqa_step nap_hibernating(void *data, const anqa_statem_event *event)
{
    return anqa_and_hibernate(anqa_keep_state());
}

static void tell_end(void *data, const char *state, anqa_reason reason)
{
    struct diary *log = data;
    char text[100];

    report(log->observer, "terminate",
        anqa_tmp_printf("%s %s", state, anqa_reason_format(reason, text, sizeof text)));
}

static void tell_hibernate(void *data)
{
    report(((struct diary *)data)->observer, "hibernate", "");
}

static anqa_json tell_status(void *data, const char *state)
{
    return anqa_jsonf("{'in': %s}", state);
}

#define ENDING_PARTS                                                                             \
    .server.arg_size = sizeof(struct way), .init = init_way, .terminate = tell_end,              \
    .hibernate = tell_hibernate, .format_status = tell_status, .rows = (const anqa_statem_row[]) \
    {                                                                                            \
        LOG_ROWS, {NULL, ANQA_ON_CALL, "stop", stop_quietly},                                    \
            {NULL, ANQA_ON_CALL, "stop_and_reply", stop_and_reply},                              \
            {NULL, ANQA_ON_CAST, "die", die}, {NULL, ANQA_ON_CAST, "nothing", say_nothing},      \
            {NULL, ANQA_ON_CAST, "reply", reply_always},                                         \
            {NULL, ANQA_ON_CAST, "hibernate", nap_hibernating},                                  \
            {NULL, ANQA_ON_ENTER, NULL, log_enter}, {.run = log_event}, {0}                      \
    }

static const anqa_gen_statem ending = ANQA_GEN_STATEM(struct diary, .initial = "a", ENDING_PARTS);
static const anqa_gen_statem homeless = ANQA_GEN_STATEM(struct diary, ENDING_PARTS);
static const anqa_gen_statem named = ANQA_GEN_STATEM(struct diary, .server.name = "the_machine",
    .server.trap_exit = true, .initial = "a", ENDING_PARTS);

static anqa_status start_way(const anqa_gen_statem *machine, const char *init,
    const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    struct way way = {init, anqa_self()};

    return anqa_gen_statem_start_link(machine, &way, opts, ret_pid, err);
}

static anqa_pid start_ending(const char *init)
{
    anqa_pid pid = {0};

    CHECK_STATUS(start_way(&ending, init, NULL, &pid, NULL), ANQA_OK);
    return pid;
}

TEST(init_may_name_the_first_state_insert_events_and_arm_timeouts)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start_ending("b");

    CHECK_STR(log_of(pid), "b>b ");
    pid = start_ending("events");
    anqa_sleep(20);
    CHECK_STR(log_of(pid), "a>a a:first "); /* which cancelled the time-out */
    (void)start_ending("hibernate");
    (void)expect("hibernate");
    end(rt);
}

TEST(an_init_that_ignores_stops_or_returns_nonsense_fails_the_start_and_runs_no_terminate)
{
    static const struct {
        const anqa_gen_statem *machine;
        const char *init;
        anqa_status status;
        const char *text;
    } ways[] = {{&ending, "ignore", ANQA_E_IGNORE, "ignore"},
        {&ending, "stop", ANQA_E_STOPPED, "no such file"},
        {&ending, "postpone", ANQA_E_DIED, "of the handler of 'init'"},
        {&ending, "repeat", ANQA_E_DIED, "of the handler of 'init'"},
        {&homeless, "keep", ANQA_E_DIED, "set .initial"}};
    anqa_rt *rt = begin_deterministic();
    anqa_error err;

    for (size_t i = 0; i < ANQA_COUNT(ways); i++) {
        CHECK_STATUS(start_way(ways[i].machine, ways[i].init, NULL, NULL, &err), ways[i].status,
            "%s", ways[i].init);
        CHECK(strstr(err.text, ways[i].text) != NULL, "%s", err.text);
        CHECK_EQ(anqa_mailbox_length(), 0);
    }
    end(rt);
}

TEST(a_step_may_stop_the_machine_with_or_without_an_answer)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start_ending("b");

    CHECK_STR(anqa_json_text(anqa_call(pid, "stop_and_reply", NOTHING, ANQA_INFINITY)), "true");
    CHECK_STR(expect_text("terminate"), "b normal");
    CHECK_STATUS(anqa_try_call(start_ending("a"), "stop", NOTHING, 5000, NULL, NULL), ANQA_E_DIED);
    CHECK_STR(expect_text("terminate"), "a shutdown");
    end(rt);
}

TEST(a_step_that_is_none_and_an_answer_to_no_call_are_bad_returns)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start_ending("a");

    anqa_cast(pid, "nothing", NOTHING);
    CHECK_STR(expect_text("terminate"),
        "a bad_return_value: of the handler of 'nothing' in state 'a': it says nothing that a "
        "machine can do");
    pid = start_ending("a");
    anqa_cast(pid, "reply", NOTHING);
    CHECK_STR(expect_text("terminate"),
        "a bad_return_value: of the handler of 'reply' in state 'a': it replies, but that is no "
        "call");
    end(rt);
}

TEST(hibernate_runs_when_a_step_says_so_and_not_again_at_the_next)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start_ending("a");

    anqa_cast(pid, "hibernate", NOTHING);
    CHECK_STR(log_of(pid), "a>a ");
    (void)expect("hibernate");
    CHECK(nothing_came("hibernate"));
    end(rt);
}

static const anqa_gen_statem idle =
    ANQA_GEN_STATEM(struct diary, .server.hibernate_after_ms = 5, .initial = "a", ENDING_PARTS);

TEST(hibernate_runs_after_so_long_without_an_event)
{
    anqa_rt *rt = begin_deterministic();
    uint64_t begun = anqa_now_ms();

    CHECK_STATUS(start_way(&idle, "a", NULL, NULL, NULL), ANQA_OK);
    (void)expect("hibernate");
    CHECK_EQ(anqa_now_ms() - begun, 5);
    end(rt);
}

TEST(terminate_is_told_the_state_when_it_is_stopped_crashes_or_its_parent_ends_it)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start_ending("b");

    CHECK_STATUS(anqa_gen_statem_stop(pid, ANQA_SHUTDOWN, ANQA_INFINITY), ANQA_OK);
    CHECK_STR(expect_text("terminate"), "b shutdown");
    anqa_cast(start_ending("a"), "die", NOTHING);
    CHECK_STR(expect_text("terminate"), "a error: boom");
    CHECK_STATUS(start_way(&named, "b", NULL, &pid, NULL), ANQA_OK);
    anqa_exit_signal(pid, ANQA_SHUTDOWN);
    CHECK_STR(expect_text("terminate"), "b shutdown");
    end(rt);
}

static const anqa_registry keyed = {.name = "machines"};

TEST(a_machine_is_registered_by_its_own_name_by_another_or_in_a_registry)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid, other;
    anqa_error err;

    CHECK_STATUS(start_way(&named, "a", NULL, &pid, NULL), ANQA_OK);
    CHECK(anqa_pid_eq(anqa_whereis("the_machine"), pid));
    CHECK_STATUS(start_way(&named, "a", NULL, NULL, &err), ANQA_E_EXISTS);
    CHECK_STATUS(start_way(&named, "a", &(anqa_start_opts){.name = "x"}, &other, NULL), ANQA_OK);
    CHECK(anqa_pid_eq(anqa_whereis("x"), other));
    CHECK_STATUS(
        start_way(&ending, "a", &(anqa_start_opts){.name = "k", .registry = &keyed}, &pid, NULL),
        ANQA_OK);
    CHECK(anqa_pid_eq(anqa_registry_whereis(&keyed, anqa_str_of("k")), pid));
    end(rt);
}

static const anqa_gen_statem supervised =
    ANQA_GEN_STATEM(struct diary, .server.name = "supervised", .initial = "a",
        .rows = (const anqa_statem_row[]){LOG_ROWS, {"c", ANQA_ON_ENTER, NULL, die},
            {NULL, ANQA_ON_ENTER, NULL, log_enter}, {0}});
static const anqa_supervisor supervisor = {
    .children = (const anqa_child_spec[]){{.server = &supervised.server}, {0}}};

TEST(a_supervisor_starts_a_machine_again_in_its_first_state)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid top, pid;

    CHECK_STATUS(anqa_supervisor_start_link(&supervisor, &top, NULL), ANQA_OK);
    pid = anqa_whereis("supervised");
    tell_go(pid, "b");
    CHECK_STR(log_of(pid), "a>a a>b ");
    tell_go(pid, "c");
    CHECK_EQ(end_of(pid), ANQA_REASON_ERROR);
    anqa_sleep(10);
    CHECK(!anqa_pid_eq(anqa_whereis("supervised"), pid));
    CHECK_STR(log_of(anqa_whereis("supervised")), "a>a ");
    CHECK_STATUS(anqa_supervisor_stop(top, ANQA_SHUTDOWN, ANQA_INFINITY), ANQA_OK);
    end(rt);
}

struct seen {
    _Atomic(int) count;
    char fields[1024];
};

static void see(void *ctx, const anqa_log_event *event)
{
    struct seen *seen = ctx;

    if (strcmp(event->id, "process.crashed") != 0)
        return;
    snprintf(seen->fields, sizeof seen->fields, "%.*s", ANQA_FMT(event->fields));
    atomic_fetch_add(&seen->count, 1);
}

static bool was_seen(void *arg)
{
    return atomic_load(&((struct seen *)arg)->count) > 0;
}

TEST(a_crash_log_shows_the_state_and_what_format_status_says)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start_ending("b");
    struct seen seen = {.count = 0};

    anqa_log_set_sink(see, &seen);
    anqa_log_set_level(ANQA_ERROR);
    anqa_cast(pid, "die", NOTHING);
    CHECK(soon(was_seen, &seen));
    CHECK(strstr(seen.fields, "boom") != NULL, "%s", seen.fields);
    CHECK(strstr(seen.fields, "{\\\"state\\\":\\\"b\\\",\\\"data\\\":{\\\"in\\\":\\\"b\\\"}}") !=
              NULL,
        "%s", seen.fields);
    anqa_log_set_sink(NULL, NULL);
    end(rt);
}

/* ---------------------------------------------------------------- without memory */

/* Whatever fails on the way ends a process; the machine is linked, so it goes too. */
static void live_a_life(void *arg)
{
    anqa_pid pid;

    if (anqa_gen_statem_start_link(&timed, NULL, NULL, &pid, NULL) != ANQA_OK)
        anqa_exit(anqa_error_reason("no start"));
    tell_arm(pid, "{\"kind\":\"one\",\"ms\":5,\"body\":1,\"insert\":1}");
    tell_arm(pid, "{\"kind\":\"two\",\"ms\":100}");
    anqa_cast(pid, "update", NOTHING);
    anqa_sleep(10);
    ANQA_REQUIRE(strcmp(log_of(pid), "a:inserted a:one=\"new\" ") == 0);
    if (anqa_gen_statem_start_link(&ordering, NULL, NULL, &pid, NULL) != ANQA_OK)
        anqa_exit(anqa_error_reason("no start"));
    for (int i = 0; i < 20; i++)
        anqa_cast(pid, "postponed", anqa_jsonf("%s", "a body of its own"));
    (void)anqa_call(pid, "log", NOTHING, ANQA_CALL_TIMEOUT_MS);
    tell_go(pid, "b");
    (void)anqa_call(pid, "log", NOTHING, ANQA_CALL_TIMEOUT_MS);
    anqa_exit(ANQA_SHUTDOWN);
}

static bool alone(void *arg)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(arg, &stats);
    return stats.processes == 1;
}

TEST(a_machine_that_has_no_memory_ends_and_leaves_nothing_behind)
{
    unsigned failures = 0;

    EACH_ALLOC_FAILURE {
        anqa_rt *rt = NULL;
        anqa_ref ref;

        if (anqa_start(&(anqa_options){.deterministic = true}, &rt, NULL) != ANQA_OK ||
            anqa_attach(rt, NULL) != ANQA_OK) {
            failures++;
        } else {
            if (anqa_spawn(&(anqa_spawn_opts){.run = live_a_life, .monitor = true, .state_size = 1},
                    NULL, &ref) != ANQA_OK ||
                anqa_reason_get_kind(anqa_receive_ref(ref, ANQA_INFINITY)->u.reason) !=
                    ANQA_REASON_SHUTDOWN)
                failures++;
            CHECK(soon(alone, rt));
            anqa_detach();
        }
        anqa_stop(rt);
    }
    CHECK(failures > 5);
}
