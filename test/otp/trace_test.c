/* Traces: one process reports its messages to another. */
#include "support.h"

#include <anqa/introspect.h>
#include <anqa/memory.h>

#include <string.h>

#include "harness.h"

static anqa_next echo_say(void *state, anqa_msg *msg)
{
    (void)anqa_send(msg->from, "echo", anqa_text(msg->body));
    return anqa_noreply();
}

static anqa_next echo_ask(void *state, anqa_msg *msg)
{
    return anqa_reply_payload(anqa_nothing());
}

static const anqa_gen_server echo = {.name = "echo",
    .handle_call = (const anqa_handler[]){{"ask", echo_ask}, {0}},
    .handle_cast = (const anqa_handler[]){{"say", echo_say}, {0}}};

static anqa_pid start(void)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_gen_server_start(&echo, NULL, NULL, &pid, NULL), ANQA_OK);
    return pid;
}

static anqa_ref trace(anqa_pid pid, const anqa_trace_opts *opts)
{
    anqa_ref ref;

    CHECK_STATUS(anqa_trace(pid, opts, &ref), ANQA_OK);
    return ref;
}

/* The next event of a trace, which is of that kind and tag. */
static const anqa_trace_event *next(anqa_ref ref, anqa_trace_kind kind, const char *tag)
{
    const anqa_msg *msg = anqa_receive_ref(ref, HARNESS_LONG_MS);
    const anqa_trace_event *event;

    CHECK(msg != NULL, "no event of '%s'", tag);
    CHECK_STR(msg->tag, "trace");
    event = anqa_trace_event_of(msg);
    CHECK(event != NULL);
    CHECK_EQ(event->kind, kind, "%s", event->tag);
    CHECK_STR(event->tag, tag);
    return event;
}

static void ask(anqa_pid pid)
{
    (void)anqa_call_payload(pid, "ask", anqa_nothing(), ANQA_CALL_TIMEOUT_MS);
}

TEST(a_trace_tells_what_is_received_sent_and_handled_in_order)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start();
    anqa_ref ref = trace(pid, &(anqa_trace_opts){.body = 5});
    const anqa_trace_event *event;

    anqa_cast(pid, "say", anqa_jsonf("{'word': 'hello'}"));
    event = next(ref, ANQA_TRACE_RECEIVE, "say");
    CHECK(anqa_pid_eq(event->pid, pid));
    CHECK(anqa_pid_eq(event->peer, anqa_self()));
    CHECK_EQ(event->msg_kind, ANQA_MSG_CAST);
    CHECK_EQ(event->size, strlen("{\"word\":\"hello\"}"));
    CHECK_STR(event->body, "{\"wor");
    event = next(ref, ANQA_TRACE_SEND, "echo");
    CHECK(anqa_pid_eq(event->peer, anqa_self()));
    event = next(ref, ANQA_TRACE_HANDLED, "say");
    CHECK(event->duration_ns > 0 && event->duration_ns < 10000000000);
    CHECK_EQ(event->dropped, 0);
    ask(pid);
    CHECK_EQ(next(ref, ANQA_TRACE_RECEIVE, "ask")->msg_kind, ANQA_MSG_CALL);
    CHECK_EQ(next(ref, ANQA_TRACE_SEND, "reply")->msg_kind, ANQA_MSG_REPLY);
    (void)next(ref, ANQA_TRACE_HANDLED, "ask");
    end(rt);
}

TEST(a_trace_can_be_of_some_kinds_only)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start();
    anqa_ref ref = trace(pid, &(anqa_trace_opts){.kinds = ANQA_TRACE_HANDLED});

    anqa_cast(pid, "say", anqa_jsonf("1"));
    ask(pid);
    (void)next(ref, ANQA_TRACE_HANDLED, "say");
    (void)next(ref, ANQA_TRACE_HANDLED, "ask");
    CHECK(anqa_receive_ref(ref, 0) == NULL);
    end(rt);
}

TEST(two_traces_of_one_process_do_not_disturb_each_other)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start();
    anqa_ref one = trace(pid, &(anqa_trace_opts){.kinds = ANQA_TRACE_RECEIVE}),
             two = trace(pid, &(anqa_trace_opts){.kinds = ANQA_TRACE_RECEIVE, .limit = 1});

    ask(pid);
    ask(pid);
    CHECK_STATUS(anqa_trace_stop(one), ANQA_OK);
    ask(pid);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(next(one, ANQA_TRACE_RECEIVE, "ask")->dropped, 0);
    CHECK(anqa_receive_ref(one, 0) == NULL);
    (void)next(two, ANQA_TRACE_RECEIVE, "ask");
    CHECK(anqa_receive_ref(two, 0) == NULL);
    CHECK_STATUS(anqa_trace_stop(one), ANQA_E_NOT_FOUND);
    end(rt);
}

TEST(events_beyond_the_limit_are_counted_and_room_comes_back_when_events_are_let_go_of)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start();
    anqa_ref ref = trace(pid, &(anqa_trace_opts){.kinds = ANQA_TRACE_RECEIVE, .limit = 3});
    const anqa_msg *msg;

    for (int i = 0; i < 10; i++)
        ask(pid);
    for (int i = 0; i < 3; i++) {
        msg = anqa_receive_ref(ref, HARNESS_LONG_MS);
        CHECK(msg != NULL);
        CHECK_EQ(anqa_trace_event_of(msg)->dropped, 0);
        anqa_msg_free(msg);
    }
    CHECK(anqa_receive_ref(ref, 0) == NULL);
    ask(pid);
    CHECK_EQ(next(ref, ANQA_TRACE_RECEIVE, "ask")->dropped, 7);
    end(rt);
}

TEST(the_end_of_a_process_ends_its_traces_and_is_never_lost)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start();
    anqa_ref ref = trace(pid, &(anqa_trace_opts){.limit = 1});
    const anqa_msg *first;

    ask(pid);
    ask(pid);
    first = anqa_receive_ref(ref, HARNESS_LONG_MS);
    CHECK(first != NULL);
    kill_and_wait(pid);
    CHECK(next(ref, ANQA_TRACE_ENDED, "killed")->dropped > 0);
    CHECK_STATUS(anqa_trace_stop(ref), ANQA_OK);
    end(rt);
}

TEST(the_end_of_a_traced_process_comes_into_a_full_mailbox_too)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start();
    anqa_ref ref;

    anqa_set_mailbox_limit(1, ANQA_OVERFLOW_REFUSE);
    CHECK_STATUS(anqa_send(anqa_self(), "full", anqa_nothing()), ANQA_OK);
    ref = trace(pid, &(anqa_trace_opts){.kinds = ANQA_TRACE_HANDLED | ANQA_TRACE_ENDED});
    ask(pid);
    kill_and_wait(pid);
    CHECK(next(ref, ANQA_TRACE_ENDED, "killed")->dropped > 0);
    CHECK_STATUS(anqa_trace_stop(ref), ANQA_OK);
    end(rt);
}

TEST(the_dead_oneself_and_nonsense_are_not_traced)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start();
    anqa_ref ref;

    CHECK_STATUS(anqa_trace(anqa_self(), NULL, &ref), ANQA_E_INVALID);
    CHECK_STATUS(anqa_trace(pid, &(anqa_trace_opts){.kinds = 64}, &ref), ANQA_E_INVALID);
    CHECK_STATUS(
        anqa_trace(pid, &(anqa_trace_opts){.limit = ANQA_TRACE_LIMIT_MAX + 1}, &ref), ANQA_E_RANGE);
    CHECK_STATUS(
        anqa_trace(pid, &(anqa_trace_opts){.body = ANQA_TRACE_BODY_MAX + 1}, &ref), ANQA_E_RANGE);
    kill_and_wait(pid);
    CHECK_STATUS(anqa_trace(pid, NULL, &ref), ANQA_E_NOPROC);
    CHECK_STATUS(anqa_trace_stop((anqa_ref){12345}), ANQA_E_NOT_FOUND);
    end(rt);
}

static void run_receive(void *state)
{
    while (anqa_receive(ANQA_INFINITY) != NULL)
        ;
}

TEST(a_function_is_traced_as_well_as_a_server)
{
    anqa_rt *rt = begin();
    anqa_pid pid;
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = run_receive}, &pid, NULL), ANQA_OK);
    ref = trace(pid, NULL);
    CHECK_STATUS(anqa_send(pid, "letter", anqa_nothing()), ANQA_OK);
    (void)next(ref, ANQA_TRACE_RECEIVE, "letter");
    end(rt);
}

/* Traces each other with `state`, a pid, then says so and waits. */
static void run_trace(void *state)
{
    const anqa_pid *parent = state;
    anqa_ref ref;

    CHECK_STATUS(anqa_trace(*parent, NULL, &ref), ANQA_OK);
    (void)anqa_send(*parent, "traced", anqa_nothing());
    run_receive(NULL);
}

TEST(two_who_trace_each_other_come_to_an_end)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self(), pid;
    anqa_ref ref;

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = run_trace, .arg = &self, .arg_size = sizeof self},
            &pid, NULL),
        ANQA_OK);
    (void)expect("traced");
    ref = trace(pid, NULL);
    CHECK_STATUS(anqa_send(pid, "letter", anqa_nothing()), ANQA_OK);
    (void)next(ref, ANQA_TRACE_RECEIVE, "letter");
    CHECK(anqa_receive_ref(ref, 50) == NULL);
    kill_and_wait(pid);
    end(rt);
}

static int64_t traces_of(anqa_pid pid)
{
    anqa_json status;

    CHECK_STATUS(anqa_sys_get_status(pid, 0, &status, NULL), ANQA_OK);
    return anqa_json_int(status, "traces", -1);
}

static bool is_traced(void *arg)
{
    return traces_of(*(anqa_pid *)arg) == 1;
}

TEST(the_end_of_the_tracer_ends_the_trace)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(), tracer;

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = run_trace, .arg = &pid, .arg_size = sizeof pid},
            &tracer, NULL),
        ANQA_OK);
    CHECK(soon(is_traced, &pid));
    kill_and_wait(tracer);
    CHECK_EQ(traces_of(pid), 0);
    end(rt);
}

/* ---------------------------------------------------------------- storms */

static void run_chatter(void *state)
{
    const anqa_pid *pid = state;

    for (;;) {
        ask(*pid);
        anqa_yield();
    }
}

TEST(many_tracers_come_and_go_while_a_server_is_busy)
{
    enum { ROUNDS = 200 };
    anqa_rt *rt = begin();
    anqa_pid pid = start(), chatters[3], tracer;

    for (size_t i = 0; i < ANQA_COUNT(chatters); i++)
        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = run_chatter, .arg = &pid, .arg_size = sizeof pid},
                &chatters[i], NULL),
            ANQA_OK);
    for (int i = 0; i < ROUNDS; i++) {
        anqa_ref ref = trace(pid, &(anqa_trace_opts){.limit = 10});

        CHECK_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = run_trace, .arg = &pid, .arg_size = sizeof pid},
                &tracer, NULL),
            ANQA_OK);
        CHECK(anqa_receive_ref(ref, HARNESS_LONG_MS) != NULL);
        CHECK_STATUS(anqa_trace_stop(ref), ANQA_OK);
        kill_and_wait(tracer);
        while (anqa_receive_ref(ref, 0) != NULL)
            ;
        (void)anqa_receive(0);
    }
    for (size_t i = 0; i < ANQA_COUNT(chatters); i++)
        kill_and_wait(chatters[i]);
    kill_and_wait(pid);
    end(rt);
}

static void trace_without_memory(void *arg)
{
    anqa_status status;
    anqa_pid pid;
    anqa_ref ref;

    status = anqa_spawn(&(anqa_spawn_opts){.run = run_receive, .link = true}, &pid, NULL);
    if (status == ANQA_OK)
        status = anqa_trace(pid, NULL, &ref);
    if (status == ANQA_OK)
        status = anqa_send(pid, "letter", anqa_nothing());
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
    anqa_yield();
    anqa_exit(ANQA_SHUTDOWN);
}

TEST(without_memory_a_trace_loses_events_and_nothing_is_left)
{
    live_without_memory(trace_without_memory);
}
