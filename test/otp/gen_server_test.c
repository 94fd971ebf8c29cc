/* gen_server: each rule of OTP's that is promised, by name. */
#include "support.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A server that does what each call says, and reports to its observer. */
struct probe_arg {
    anqa_pid observer;
    const char *init; /* what init does; NULL: succeeds */
};

struct probe {
    anqa_pid observer;
    int64_t value;
    anqa_caller caller;
};

static anqa_next probe_init(void *state, const void *arg)
{
    const struct probe_arg *given = arg;
    struct probe *probe = state;
    const char *what = given->init == NULL ? "" : given->init;

    probe->observer = given->observer;
    report(probe->observer, "init", what);
    if (strcmp(what, "ignore") == 0)
        return anqa_ignore();
    if (strcmp(what, "stop") == 0)
        return anqa_stop_with(anqa_error_reason("no such file"));
    if (strcmp(what, "crash") == 0)
        ANQA_REQUIRE(probe->value == 1);
    if (strcmp(what, "reply") == 0)
        return anqa_reply(ANQA_JSON_TRUE);
    if (strcmp(what, "slow") == 0)
        anqa_sleep(60000);
    if (strcmp(what, "continue") == 0)
        return anqa_then_continue(anqa_noreply(), "second_phase");
    if (strcmp(what, "timeout") == 0)
        return anqa_then_timeout(anqa_noreply(), 1);
    if (strcmp(what, "hibernate") == 0)
        return anqa_then_hibernate(anqa_noreply());
    return anqa_noreply();
}

static anqa_next probe_add(void *state, anqa_msg *msg)
{
    struct probe *probe = state;

    probe->value += anqa_json_int(msg->body, "by", 1);
    return anqa_reply(anqa_jsonf("%" PRId64, probe->value));
}

static anqa_next probe_nap(void *state, anqa_msg *msg)
{
    struct probe *probe = state;

    anqa_sleep((uint32_t)anqa_json_int(msg->body, "ms", 0));
    probe->value++;
    return anqa_reply(ANQA_JSON_TRUE);
}

static anqa_next probe_exit(void *state, anqa_msg *msg)
{
    anqa_exit(anqa_error_reason("boom"));
}

static anqa_next probe_require(void *state, anqa_msg *msg)
{
    ANQA_REQUIRE(msg->body.len == 77);
    return anqa_noreply();
}

static anqa_next probe_stop(void *state, anqa_msg *msg)
{
    return anqa_stop_with(ANQA_SHUTDOWN);
}

static anqa_next probe_stop_reply(void *state, anqa_msg *msg)
{
    return anqa_stop_reply(ANQA_NORMAL, ANQA_JSON_LITERAL_("\"bye\""));
}

static anqa_next probe_refuse(void *state, anqa_msg *msg)
{
    return anqa_reply_error("not \"today\"");
}

static anqa_next probe_bad(void *state, anqa_msg *msg)
{
    anqa_next next;

    memset(&next, 0, sizeof next);
    return next;
}

static anqa_next probe_reply(void *state, anqa_msg *msg)
{
    return anqa_reply(ANQA_JSON_TRUE);
}

/* Answered by somebody else, later. */
static void answer_later(void *arg)
{
    anqa_caller caller = *(anqa_caller *)arg;

    anqa_yield();
    anqa_reply_to(&caller, anqa_text(ANQA_JSON_LITERAL_("\"from elsewhere\"")));
}

static anqa_next probe_delegate(void *state, anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);

    ANQA_REQUIRE(
        anqa_spawn(
            &(anqa_spawn_opts){.run = answer_later, .arg = &caller, .arg_size = sizeof caller},
            NULL, NULL) == ANQA_OK);
    return anqa_noreply();
}

static anqa_next probe_defer(void *state, anqa_msg *msg)
{
    struct probe *probe = state;

    probe->caller = anqa_msg_caller(msg);
    report(probe->observer, "deferred", "");
    return anqa_noreply();
}

static anqa_next probe_release(void *state, anqa_msg *msg)
{
    struct probe *probe = state;

    anqa_reply_to(&probe->caller, anqa_text(ANQA_JSON_LITERAL_("\"late\"")));
    return anqa_noreply();
}

static anqa_next probe_then_timeout(void *state, anqa_msg *msg)
{
    uint32_t ms = (uint32_t)anqa_json_int(msg->body, "ms", 1);

    return anqa_then_timeout(
        msg->kind == ANQA_MSG_CALL ? anqa_reply(ANQA_JSON_TRUE) : anqa_noreply(), ms);
}

static anqa_next probe_then_continue(void *state, anqa_msg *msg)
{
    return anqa_then_continue(anqa_reply(ANQA_JSON_TRUE), "second_phase");
}

static anqa_next probe_then_hibernate(void *state, anqa_msg *msg)
{
    return anqa_then_hibernate(anqa_reply(ANQA_JSON_TRUE));
}

static anqa_next probe_second_phase(void *state, anqa_msg *msg)
{
    struct probe *probe = state;

    report(probe->observer, "order", "continue");
    return anqa_noreply();
}

static anqa_next probe_note(void *state, anqa_msg *msg)
{
    struct probe *probe = state;

    report(probe->observer, "order", "cast");
    return anqa_noreply();
}

static anqa_next probe_info(void *state, anqa_msg *msg)
{
    struct probe *probe = state;

    report(probe->observer, "info", msg->tag);
    return anqa_noreply();
}

/* A write to the null page: what it returns is never looked at. */
static anqa_next probe_fault(void *state, anqa_msg *msg)
{
    volatile int *nowhere = (volatile int *)(uintptr_t)(msg->body.len & 1);

    *nowhere = 1;
    return anqa_noreply();
}

static void probe_terminate(void *state, anqa_reason reason)
{
    struct probe *probe = state;
    char text[100];

    report(probe->observer, "terminate", anqa_reason_format(reason, text, sizeof text));
}

static void probe_hibernate(void *state)
{
    struct probe *probe = state;

    report(probe->observer, "hibernate", "");
}

#define PROBE_TABLES                                                                              \
    .state_size = sizeof(struct probe), .arg_size = sizeof(struct probe_arg), .init = probe_init, \
    .terminate = probe_terminate, .hibernate = probe_hibernate,                                   \
    .handle_call = (const anqa_handler[]){{"add", probe_add}, {"nap", probe_nap},                 \
        {"exit", probe_exit}, {"require", probe_require}, {"stop", probe_stop},                   \
        {"stop_reply", probe_stop_reply}, {"refuse", probe_refuse}, {"bad", probe_bad},           \
        {"delegate", probe_delegate}, {"defer", probe_defer},                                     \
        {"then_timeout", probe_then_timeout}, {"then_continue", probe_then_continue},             \
        {"then_hibernate", probe_then_hibernate}, {"fault", probe_fault}, {0}},                   \
    .handle_cast = (const anqa_handler[]){{"exit", probe_exit}, {"stop", probe_stop},             \
        {"reply", probe_reply}, {"bad", probe_bad}, {"release", probe_release},                   \
        {"note", probe_note}, {"then_timeout", probe_then_timeout}, {0}},                         \
    .handle_continue = (const anqa_handler[])                                                     \
    {                                                                                             \
        {"second_phase", probe_second_phase}, {0}                                                 \
    }

static const anqa_gen_server probe_server = {PROBE_TABLES,
    .handle_info = (const anqa_handler[]){{"timeout", probe_info}, {"EXIT", probe_info},
        {"hello", probe_info}, {"stop", probe_stop}, {"bad", probe_bad}, {0}}};
static const anqa_gen_server trapping_server = {
    PROBE_TABLES, .trap_exit = true, .handle_any_info = probe_info};
static const anqa_gen_server idle_server = {
    PROBE_TABLES, .hibernate_after_ms = 5, .handle_any_info = probe_info};
static const anqa_gen_server named_server = {PROBE_TABLES, .name = "the_one"};

static anqa_status start_with(const anqa_gen_server *server, const char *init,
    const anqa_start_opts *opts, bool link, anqa_pid *ret_pid, anqa_error *err)
{
    struct probe_arg arg = {anqa_self(), init};

    return link ? anqa_gen_server_start_link(server, &arg, opts, ret_pid, err)
                : anqa_gen_server_start(server, &arg, opts, ret_pid, err);
}

static anqa_pid start(const anqa_gen_server *server)
{
    anqa_pid pid = {0};

    CHECK_STATUS(start_with(server, NULL, NULL, false, &pid, NULL), ANQA_OK);
    return pid;
}

/* ---------------------------------------------------------------- calls and casts */

TEST(a_call_is_answered_by_the_handler_of_its_tag)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    CHECK_STR(anqa_json_text(
                  anqa_call(pid, "add", ANQA_JSON_LITERAL_("{\"by\":5}"), ANQA_CALL_TIMEOUT_MS)),
        "5");
    CHECK_STR(anqa_json_text(anqa_call(pid, "add", NOTHING, ANQA_INFINITY)), "6");
    end(rt);
}

static void call_napping(void *arg)
{
    (void)anqa_call(*(anqa_pid *)arg, "nap", ANQA_JSON_LITERAL_("{\"ms\":40}"), 5);
}

TEST(a_call_that_times_out_ends_the_caller_and_the_request_stays)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    CHECK_EQ(outcome_of(call_napping, &pid, NULL, 0), ANQA_REASON_TIMEOUT);
    /* The nap was finished all the same: it has counted. */
    CHECK_STR(anqa_json_text(anqa_call(pid, "add", NOTHING, ANQA_CALL_TIMEOUT_MS)), "2");
    end(rt);
}

static void call_for_long(void *arg)
{
    (void)anqa_call(
        *(anqa_pid *)arg, "nap", ANQA_JSON_LITERAL_("{\"ms\":60000}"), ANQA_CALL_TIMEOUT_MS);
}

TEST(a_call_waits_five_seconds_as_a_rule)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid pid = start(&probe_server);
    uint64_t begun = anqa_now_ms();

    CHECK_EQ(outcome_of(call_for_long, &pid, NULL, 0), ANQA_REASON_TIMEOUT);
    CHECK_EQ(anqa_now_ms() - begun, 5000);
    kill_and_wait(pid);
    end(rt);
}

static void call_add(void *arg)
{
    (void)anqa_call(*(anqa_pid *)arg, "add", NOTHING, ANQA_CALL_TIMEOUT_MS);
}

static void call_exit(void *arg)
{
    (void)anqa_call(*(anqa_pid *)arg, "exit", NOTHING, ANQA_CALL_TIMEOUT_MS);
}

static void call_stop(void *arg)
{
    (void)anqa_call(*(anqa_pid *)arg, "stop", NOTHING, ANQA_CALL_TIMEOUT_MS);
}

TEST(a_call_to_the_dead_ends_the_caller_with_noproc)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server), nobody = {0};

    kill_and_wait(pid);
    CHECK_EQ(outcome_of(call_add, &pid, NULL, 0), ANQA_REASON_NOPROC);
    CHECK_EQ(outcome_of(call_add, &nobody, NULL, 0), ANQA_REASON_NOPROC);
    end(rt);
}

TEST(a_call_whose_server_dies_ends_the_caller_with_its_reason)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);
    char text[200];

    CHECK_EQ(outcome_of(call_exit, &pid, text, sizeof text), ANQA_REASON_ERROR);
    CHECK(strstr(text, "boom") != NULL, "%s", text);
    pid = start(&probe_server); /* a quiet end of the server is still a failure of the call */
    CHECK_EQ(outcome_of(call_stop, &pid, text, sizeof text), ANQA_REASON_ERROR);
    end(rt);
}

TEST(try_call_tells_never_delivered_from_outcome_unknown)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);
    anqa_json answer;
    anqa_error err;

    CHECK_STATUS(anqa_try_call(pid, "add", NOTHING, 1000, &answer, &err), ANQA_OK);
    CHECK_STR(anqa_json_text(answer), "1");
    CHECK_STATUS(anqa_try_call(pid, "nap", ANQA_JSON_LITERAL_("{\"ms\":50}"), 1, &answer, &err),
        ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_try_call(pid, "exit", NOTHING, 5000, &answer, &err), ANQA_E_DIED);
    CHECK(strstr(err.text, "boom") != NULL, "%s", err.text);
    CHECK_STATUS(anqa_try_call(pid, "add", NOTHING, 5000, &answer, &err), ANQA_E_NOPROC);
    end(rt);
}

TEST(a_request_in_the_mailbox_of_a_server_that_dies_was_never_delivered)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);
    anqa_ref nap = anqa_request(pid, "nap", anqa_text(ANQA_JSON_LITERAL_("{\"ms\":60000}")));
    anqa_ref queued = anqa_request(pid, "add", anqa_nothing());
    const anqa_msg *down;

    kill_and_wait(pid);
    down = anqa_receive_ref(queued, HARNESS_LONG_MS);
    CHECK(down != NULL && down->kind == ANQA_MSG_DOWN && anqa_msg_never_started(down));
    CHECK_EQ(anqa_reason_get_kind(down->u.reason), ANQA_REASON_KILLED);
    CHECK_EQ(anqa_receive_ref(nap, HARNESS_LONG_MS)->kind, ANQA_MSG_DOWN);
    end(rt);
}

TEST(a_late_reply_is_dropped)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    CHECK_STATUS(anqa_try_call(pid, "defer", NOTHING, 20, NULL, NULL), ANQA_E_TIMEOUT);
    anqa_cast(pid, "release", NOTHING);
    CHECK_STR(anqa_json_text(anqa_call(pid, "add", NOTHING, ANQA_CALL_TIMEOUT_MS)),
        "1"); /* the answer to this one */
    (void)expect("init");
    (void)expect("deferred");
    CHECK_EQ(anqa_mailbox_length(), 0);
    end(rt);
}

TEST(a_cast_is_always_fine_also_to_the_dead_and_to_nobody)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    kill_and_wait(pid);
    anqa_cast(pid, "note", NOTHING);
    anqa_cast((anqa_pid){0}, "note", NOTHING);
    pid = start(&probe_server);
    anqa_cast(pid, "note", NOTHING);
    CHECK_STR(expect_text("order"), "cast");
    end(rt);
}

TEST(any_process_may_answer_and_the_server_may_answer_later)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);
    anqa_ref ref;
    const anqa_msg *answer;

    CHECK_STR(anqa_json_text(anqa_call(pid, "delegate", NOTHING, ANQA_CALL_TIMEOUT_MS)),
        "\"from elsewhere\"");
    ref = anqa_request(pid, "defer", anqa_nothing());
    (void)expect("deferred");
    anqa_cast(pid, "release", NOTHING);
    answer = anqa_receive_ref(ref, HARNESS_LONG_MS);
    CHECK(answer != NULL && answer->kind == ANQA_MSG_REPLY);
    CHECK_STR(anqa_json_text(answer->body), "\"late\"");
    end(rt);
}

TEST(a_server_that_dies_owing_an_answer_gives_its_caller_a_down)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);
    anqa_ref ref = anqa_request(pid, "defer", anqa_nothing());
    const anqa_msg *down;

    (void)expect("deferred");
    anqa_cast(pid, "exit", NOTHING);
    down = anqa_receive_ref(ref, HARNESS_LONG_MS);
    CHECK(down != NULL && down->kind == ANQA_MSG_DOWN && !anqa_msg_never_started(down));
    end(rt);
}

TEST(an_error_answer_is_an_object_with_its_text)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    CHECK_STR(anqa_json_text(anqa_call(pid, "refuse", NOTHING, ANQA_CALL_TIMEOUT_MS)),
        "{\"error\":\"not \\\"today\\\"\"}");
    end(rt);
}

/* ---------------------------------------------------------------- start and init */

TEST(start_returns_when_init_has)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    CHECK(!nothing_came("init"));
    CHECK(anqa_is_alive(pid));
    end(rt);
}

TEST(a_start_takes_as_long_as_init_does_unless_told_otherwise)
{
    anqa_rt *rt = begin_deterministic();
    uint64_t begun = anqa_now_ms();
    anqa_pid pid = {0};

    CHECK_STATUS(start_with(&probe_server, "slow", NULL, false, &pid, NULL), ANQA_OK);
    CHECK_EQ(anqa_now_ms() - begun, 60000);
    kill_and_wait(pid);
    end(rt);
}

static bool alone(void *arg)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(arg, &stats);
    return stats.processes == 1;
}

TEST(an_init_that_takes_too_long_is_killed_and_the_start_times_out)
{
    anqa_rt *rt = begin();
    anqa_error err;

    CHECK_STATUS(
        start_with(&probe_server, "slow", &(anqa_start_opts){.timeout_ms = 10}, true, NULL, &err),
        ANQA_E_TIMEOUT);
    CHECK(soon(alone, rt));
    (void)expect("init");
    CHECK_EQ(anqa_mailbox_length(), 0);
    end(rt);
}

static const struct {
    const char *init;
    anqa_status status;
    const char *text;
} failing_inits[] = {
    {"ignore", ANQA_E_IGNORE, "ignore"},
    {"stop", ANQA_E_STOPPED, "no such file"},
    {"crash", ANQA_E_DIED, "probe->value == 1"},
    {"reply", ANQA_E_DIED, "bad_return_value"},
};

TEST(an_init_that_ignores_stops_crashes_or_returns_nonsense_fails_the_start_and_runs_no_terminate)
{
    anqa_rt *rt = begin();
    anqa_error err;

    for (size_t i = 0; i < ANQA_COUNT(failing_inits); i++) {
        CHECK_STATUS(start_with(&probe_server, failing_inits[i].init, NULL, true, NULL, &err),
            failing_inits[i].status, "%s", failing_inits[i].init);
        CHECK(strstr(err.text, failing_inits[i].text) != NULL, "%s", err.text);
        (void)expect("init");
        CHECK_EQ(anqa_mailbox_length(), 0, "%s",
            failing_inits[i].init); /* we trap: no EXIT beside the error */
    }
    end(rt);
}

static void start_with_a_full_mailbox(void *arg)
{
    anqa_error err;

    anqa_set_mailbox_limit(1, ANQA_OVERFLOW_REFUSE);
    report(anqa_self(), "full", "");
    CHECK_STATUS(start_with(&probe_server, NULL, NULL, false, NULL, &err), ANQA_E_DIED);
    CHECK(strstr(err.text, "cannot be told that it has started") != NULL, "%s", err.text);
}

TEST(a_start_whose_success_cannot_be_told_fails_and_the_server_ends)
{
    anqa_rt *rt = begin();

    CHECK_EQ(outcome_of(start_with_a_full_mailbox, NULL, NULL, 0), ANQA_REASON_NORMAL);
    CHECK(soon(alone, rt));
    end(rt);
}

static void start_linked_failing(void *arg)
{
    CHECK_STATUS(start_with(&probe_server, "stop", NULL, true, NULL, NULL), ANQA_E_STOPPED);
    anqa_sleep(5000);
}

TEST(a_failed_linked_start_ends_a_caller_that_does_not_trap_exits)
{
    anqa_rt *rt = begin();
    char text[100];

    CHECK_EQ(outcome_of(start_linked_failing, NULL, text, sizeof text), ANQA_REASON_ERROR);
    CHECK_STR(text, "no such file");
    end(rt);
}

TEST(init_may_add_a_timeout_a_continue_or_hibernate)
{
    anqa_rt *rt = begin();

    CHECK_STATUS(start_with(&probe_server, "timeout", NULL, false, NULL, NULL), ANQA_OK);
    CHECK_STR(expect_text("info"), "timeout");
    CHECK_STATUS(start_with(&probe_server, "continue", NULL, false, NULL, NULL), ANQA_OK);
    CHECK_STR(expect_text("order"), "continue");
    CHECK_STATUS(start_with(&probe_server, "hibernate", NULL, false, NULL, NULL), ANQA_OK);
    (void)expect("hibernate");
    end(rt);
}

/* ---------------------------------------------------------------- what handlers return */

TEST(a_call_may_stop_the_server_with_or_without_an_answer)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    CHECK_STR(
        anqa_json_text(anqa_call(pid, "stop_reply", NOTHING, ANQA_CALL_TIMEOUT_MS)), "\"bye\"");
    CHECK_STR(expect_text("terminate"), "normal");
    pid = start(&probe_server);
    CHECK_STATUS(anqa_try_call(pid, "stop", NOTHING, 5000, NULL, NULL), ANQA_E_DIED);
    CHECK_STR(expect_text("terminate"), "shutdown");
    end(rt);
}

TEST(casts_and_other_messages_may_stop_the_server)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    anqa_cast(pid, "stop", NOTHING);
    CHECK_STR(expect_text("terminate"), "shutdown");
    pid = start(&probe_server);
    report(pid, "stop", "");
    CHECK_STR(expect_text("terminate"), "shutdown");
    end(rt);
}

TEST(a_timeout_arrives_at_handle_info_when_nothing_else_does)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    (void)anqa_call(pid, "then_timeout", ANQA_JSON_LITERAL_("{\"ms\":1}"), ANQA_CALL_TIMEOUT_MS);
    CHECK_STR(expect_text("info"), "timeout");
    (void)anqa_call(pid, "then_timeout", ANQA_JSON_LITERAL_("{\"ms\":0}"), ANQA_CALL_TIMEOUT_MS);
    CHECK_STR(expect_text("info"), "timeout");
    end(rt);
}

TEST(any_message_cancels_the_timeout)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    (void)anqa_call(pid, "then_timeout", ANQA_JSON_LITERAL_("{\"ms\":20}"), ANQA_CALL_TIMEOUT_MS);
    report(pid, "hello", "");
    CHECK_STR(expect_text("info"), "hello");
    anqa_sleep(50);
    CHECK(nothing_came("info"));
    end(rt);
}

TEST(a_timer_that_fired_just_before_it_was_cancelled_is_no_timeout)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    /* The timer fires during the nap, behind a message that waits already: that one cancels it. */
    anqa_cast(pid, "then_timeout", ANQA_JSON_LITERAL_("{\"ms\":1}"));
    (void)anqa_request(pid, "nap", anqa_text(ANQA_JSON_LITERAL_("{\"ms\":20}")));
    (void)anqa_call(pid, "add", NOTHING, ANQA_CALL_TIMEOUT_MS);
    (void)anqa_call(pid, "add", NOTHING, ANQA_CALL_TIMEOUT_MS);
    CHECK(nothing_came("info"));
    end(rt);
}

TEST(a_continue_runs_before_the_mailbox)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    (void)anqa_request(pid, "nap", anqa_text(ANQA_JSON_LITERAL_("{\"ms\":10}")));
    (void)anqa_request(pid, "then_continue", anqa_nothing());
    anqa_cast(pid, "note", NOTHING);
    CHECK_STR(expect_text("order"), "continue");
    CHECK_STR(expect_text("order"), "cast");
    end(rt);
}

TEST(a_return_value_that_is_none_ends_the_server_with_bad_return_value)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    (void)anqa_request(pid, "bad", anqa_nothing());
    CHECK_STR(expect_text("terminate"), "bad_return_value: of the handler of the call 'bad'");
    pid = start(&probe_server);
    anqa_cast(pid, "reply", NOTHING); /* nobody to answer to */
    CHECK_STR(expect_text("terminate"), "bad_return_value: of the handler of the cast 'reply'");
    pid = start(&probe_server);
    report(pid, "bad", "");
    CHECK_STR(expect_text("terminate"), "bad_return_value: of the handler of the message 'bad'");
    end(rt);
}

/* ---------------------------------------------------------------- terminate */

TEST(terminate_runs_on_a_stop_an_exit_a_broken_contract_and_when_asked)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    (void)anqa_request(pid, "stop", anqa_nothing());
    CHECK_STR(expect_text("terminate"), "shutdown");
    pid = start(&probe_server);
    (void)anqa_request(pid, "exit", anqa_nothing());
    CHECK_STR(expect_text("terminate"), "error: boom");
    pid = start(&probe_server);
    (void)anqa_request(pid, "require", anqa_nothing());
    CHECK(strncmp(expect_text("terminate"), "contract", 8) == 0);
    pid = start(&probe_server);
    CHECK_STATUS(anqa_gen_server_stop(pid, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    CHECK_STR(expect_text("terminate"), "normal");
    end(rt);
}

TEST(terminate_runs_when_a_trapping_server_gets_its_parents_exit_whatever_the_reason)
{
    anqa_rt *rt = begin();
    anqa_pid pid = {0};

    CHECK_STATUS(start_with(&trapping_server, NULL, NULL, true, &pid, NULL), ANQA_OK);
    anqa_exit_signal(pid, ANQA_SHUTDOWN);
    CHECK_STR(expect_text("terminate"), "shutdown");
    CHECK_STATUS(start_with(&trapping_server, NULL, NULL, true, &pid, NULL), ANQA_OK);
    anqa_exit_signal(pid, ANQA_NORMAL);
    CHECK_STR(expect_text("terminate"), "normal");
    end(rt);
}

static void send_exit(void *arg)
{
    anqa_exit_signal(*(anqa_pid *)arg, anqa_error_reason("from a stranger"));
}

TEST(a_trapping_server_sees_other_exits_as_messages)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&trapping_server);

    (void)outcome_of(send_exit, &pid, NULL, 0);
    CHECK_STR(expect_text("info"), "EXIT");
    CHECK(anqa_is_alive(pid));
    end(rt);
}

TEST(terminate_does_not_run_when_killed_nor_on_an_exit_signal_that_is_not_trapped)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&trapping_server);

    kill_and_wait(pid);
    pid = start(&probe_server);
    anqa_exit_signal(pid, ANQA_SHUTDOWN);
    (void)end_of(pid);
    CHECK(nothing_came("terminate"));
    end(rt);
}

TEST(stop_says_what_became_of_it)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    CHECK_STATUS(anqa_gen_server_stop(pid, anqa_error_reason("enough"), ANQA_INFINITY), ANQA_OK);
    CHECK_STR(expect_text("terminate"), "error: enough");
    CHECK_STATUS(anqa_gen_server_stop(pid, ANQA_NORMAL, ANQA_INFINITY), ANQA_E_NOPROC);
    pid = start(&probe_server);
    (void)anqa_request(pid, "nap", anqa_text(ANQA_JSON_LITERAL_("{\"ms\":60000}")));
    CHECK_STATUS(anqa_gen_server_stop(pid, ANQA_NORMAL, 5), ANQA_E_TIMEOUT);
    end(rt);
}

/* ---------------------------------------------------------------- names */

TEST(a_name_is_there_when_start_returns_and_a_second_server_is_told_who_has_it)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&named_server), other = {0};
    char holder[ANQA_PID_TEXT];
    anqa_error err;

    CHECK(anqa_pid_eq(anqa_whereis("the_one"), pid));
    CHECK_STATUS(start_with(&named_server, NULL, NULL, false, &other, &err), ANQA_E_EXISTS);
    CHECK(strstr(err.text, anqa_pid_text(pid, holder)) != NULL, "%s", err.text);
    CHECK_STATUS(
        start_with(&named_server, NULL, &(anqa_start_opts){.name = "another"}, false, &other, &err),
        ANQA_OK);
    CHECK(anqa_pid_eq(anqa_whereis("another"), other));
    kill_and_wait(pid);
    CHECK(anqa_pid_is_none(anqa_whereis("the_one")));
    end(rt);
}

static const anqa_registry players = {.name = "players"};

TEST(a_server_can_be_named_through_a_registry)
{
    anqa_rt *rt = begin();
    anqa_pid pid = {0};
    anqa_start_opts opts = {.registry = &players, .name = "ann"};

    CHECK_STATUS(start_with(&probe_server, NULL, &opts, false, &pid, NULL), ANQA_OK);
    CHECK(anqa_pid_eq(anqa_registry_whereis(&players, anqa_str_of("ann")), pid));
    CHECK(anqa_pid_is_none(anqa_whereis("ann")));
    CHECK_STATUS(start_with(&probe_server, NULL, &opts, false, &pid, NULL), ANQA_E_EXISTS);
    CHECK_STATUS(start_with(&probe_server, NULL, &(anqa_start_opts){.registry = &players}, false,
                     &pid, NULL),
        ANQA_E_INVALID);
    end(rt);
}

/* ---------------------------------------------------------------- the rest */

TEST(hibernate_runs_when_a_handler_asks_and_after_the_idle_time)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    (void)anqa_call(pid, "then_hibernate", NOTHING, ANQA_CALL_TIMEOUT_MS);
    (void)expect("hibernate");
    pid = start(&idle_server);
    (void)expect("hibernate");
    (void)anqa_call(pid, "add", NOTHING, ANQA_CALL_TIMEOUT_MS);
    (void)expect("hibernate");
    end(rt);
}

TEST(a_message_without_handler_is_logged_and_dropped)
{
    struct logged logged = {.wanted = "gen_server"};
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    log_watch(&logged, ANQA_ERROR);
    report(pid, "unheard_of", "");
    CHECK_STR(anqa_json_text(anqa_call(pid, "add", NOTHING, ANQA_CALL_TIMEOUT_MS)), "1");
    CHECK(soon(was_logged, &logged));
    CHECK_STR(logged.id, "gen_server.unexpected_message");
    CHECK(strstr(logged.fields, "tag=unheard_of") != NULL, "%s", logged.fields);
    log_unwatch();
    end(rt);
}

TEST(a_call_or_cast_without_handler_is_a_crash)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);

    CHECK_STATUS(anqa_try_call(pid, "unheard_of", NOTHING, 5000, NULL, NULL), ANQA_E_DIED);
    CHECK_STR(expect_text("terminate"), "error: no handler for the call 'unheard_of'");
    pid = start(&probe_server);
    anqa_cast(pid, "unheard_of", NOTHING);
    CHECK_STR(expect_text("terminate"), "error: no handler for the cast 'unheard_of'");
    end(rt);
}

static anqa_json without_secrets(void *state)
{
    return ANQA_JSON_LITERAL_("{\"password\":\"***\"}");
}

static const anqa_gen_server secretive_server = {PROBE_TABLES, .format_status = without_secrets};

TEST(format_status_says_what_a_crash_log_shows_of_the_state)
{
    struct logged logged = {.wanted = "process.crashed"};
    anqa_rt *rt = begin();
    anqa_pid pid = start(&secretive_server);

    log_watch(&logged, ANQA_ERROR);
    anqa_cast(pid, "exit", NOTHING);
    CHECK(soon(was_logged, &logged));
    CHECK(strstr(logged.fields, "***") != NULL && strstr(logged.fields, "boom") != NULL, "%s",
        logged.fields);
    log_unwatch();
    end(rt);
}

TEST(an_end_is_logged_unless_its_reason_is_normal_or_shutdown)
{
    struct logged logged = {.wanted = "process.crashed"};
    anqa_rt *rt = begin();

    log_watch(&logged, ANQA_ERROR);
    CHECK_STATUS(anqa_gen_server_stop(start(&probe_server), ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    CHECK_STATUS(anqa_gen_server_stop(start(&probe_server), ANQA_SHUTDOWN, ANQA_INFINITY), ANQA_OK);
    CHECK_STATUS(anqa_gen_server_stop(start(&probe_server),
                     anqa_reason_make(ANQA_REASON_SHUTDOWN, "with a text"), ANQA_INFINITY),
        ANQA_OK);
    CHECK_STATUS(
        anqa_gen_server_stop(start(&probe_server), anqa_error_reason("enough"), ANQA_INFINITY),
        ANQA_OK);
    CHECK(soon(was_logged, &logged));
    CHECK(strstr(logged.fields, "enough") != NULL, "%s", logged.fields);
    CHECK_EQ(atomic_load(&logged.count), 1);
    log_unwatch();
    end(rt);
}

static anqa_next any_call(void *state, anqa_msg *msg)
{
    return anqa_reply_payload(anqa_bytes(msg->tag, strlen(msg->tag)));
}

static const anqa_gen_server catch_all_server = {.handle_any_call = any_call};

TEST(a_catch_all_takes_what_the_tables_do_not_have)
{
    anqa_rt *rt = begin();
    anqa_pid pid = {0};

    CHECK_STATUS(anqa_gen_server_start(&catch_all_server, NULL, NULL, &pid, NULL), ANQA_OK);
    CHECK_STR(anqa_json_text(
                  anqa_call_payload(pid, "anything", anqa_nothing(), ANQA_CALL_TIMEOUT_MS)->body),
        "anything");
    end(rt);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(a_fault_in_a_handler_ends_the_server_without_terminate)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&probe_server);
    anqa_error err;

    CHECK_STATUS(anqa_try_call(pid, "fault", NOTHING, 5000, NULL, &err), ANQA_E_DIED);
    CHECK(strstr(err.text, "fault") != NULL, "%s", err.text);
    CHECK(nothing_came("terminate"));
    end(rt);
}
#endif

static void start_and_stop(void *arg)
{
    static const anqa_gen_server idle = {.name = "idle"};
    anqa_pid pid;

    if (anqa_gen_server_start_link(&idle, NULL, NULL, &pid, NULL) == ANQA_OK)
        (void)anqa_gen_server_stop(pid, ANQA_NORMAL, ANQA_INFINITY);
}

TEST(a_start_that_has_no_memory_to_say_so_fails_and_leaves_nobody_waiting)
{
    live_without_memory(start_and_stop);
}
