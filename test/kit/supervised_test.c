/* What a test starts, and what it makes fail. */
#include <anqa/test.h>

#include <inttypes.h>
#include <stdio.h>

#include "kit/fixture.h"

/* ---------------------------------------------------------------- a counter */

struct counter {
    int64_t value;
    const char *name;
};

static anqa_next counter_init(void *state, const void *arg)
{
    ((struct counter *)state)->name = arg;
    return anqa_noreply();
}

static anqa_next counter_add(void *state, anqa_msg *msg)
{
    struct counter *counter = state;

    return anqa_reply(anqa_jsonf("%" PRId64, ++counter->value));
}

static anqa_next counter_doze(void *state, anqa_msg *msg)
{
    anqa_sleep(10);
    anqa_sleep(10);
    return anqa_reply(ANQA_JSON_NULL);
}

static anqa_next counter_fill(void *state, anqa_msg *msg)
{
    anqa_heap_free(anqa_heap_alloc(100000));
    return anqa_reply(ANQA_JSON_NULL);
}

static void counter_terminate(void *state, anqa_reason reason)
{
    const struct counter *counter = state;
    char text[100];

    fprintf(stderr, "%s stops: %s\n", counter->name == NULL ? "counter" : counter->name,
        anqa_reason_format(reason, text, sizeof text));
}

static const anqa_gen_server counter_server = {
    .name = "counter",
    .state_size = sizeof(struct counter),
    .init = counter_init,
    .handle_call = (const anqa_handler[]){{"add", counter_add}, {"doze", counter_doze},
        {"fill", counter_fill}, {0}},
    .terminate = counter_terminate,
    .trap_exit = true,
};

/* The same without a name. */
static const anqa_gen_server nameless_server = {
    .state_size = sizeof(struct counter),
    .init = counter_init,
    .terminate = counter_terminate,
    .trap_exit = true,
};

static anqa_pid start_counter(void)
{
    anqa_test_capture_log(ANQA_ERROR);
    return anqa_start_supervised(&(anqa_child_spec){.server = &counter_server});
}

static int64_t add(void)
{
    anqa_json value =
        anqa_call(anqa_whereis("counter"), "add", ANQA_JSON_NULL, ANQA_CALL_TIMEOUT_MS);
    int64_t number = 0;

    ANQA_ASSERT_STATUS(anqa_json_to_int(value, &number), ANQA_OK);
    return number;
}

static anqa_status try_call(const char *tag)
{
    const anqa_msg *msg;

    return anqa_try_call_payload(
        anqa_whereis("counter"), tag, anqa_nothing(), ANQA_CALL_TIMEOUT_MS, &msg, NULL);
}

/* ---------------------------------------------------------------- starting and stopping */

ANQA_TEST(supervised_children_are_stopped_at_the_end_the_last_first,
    .expect_stderr = "second stops: shutdown\nfirst stops: shutdown\n")
{
    static const anqa_child_spec first = {.id = "1", .server = &nameless_server, .arg = "first"};
    static const anqa_child_spec second = {.id = "2", .server = &nameless_server, .arg = "second"};

    ANQA_ASSERT(anqa_is_alive(anqa_start_supervised(&first)));
    ANQA_ASSERT(anqa_is_alive(anqa_start_supervised(&second)));
}

ANQA_TEST(a_supervised_child_is_started_again_as_often_as_need_be)
{
    (void)start_counter();
    for (int i = 0; i < 20; i++) {
        anqa_pid before = anqa_whereis("counter");
        anqa_test_crash(before, anqa_error_reason("round %d", i));
        anqa_test_settle();
        ANQA_ASSERT_NE(anqa_whereis("counter").bits, before.bits);
        ANQA_ASSERT_EQ(add(), 1);
    }
    ANQA_ASSERT_LOGGED("round 19");
}

ANQA_TEST(a_supervised_child_may_be_stopped_before_the_end)
{
    anqa_pid pid = start_counter();

    anqa_stop_supervised("counter");
    ANQA_ASSERT(!anqa_is_alive(pid));
    ANQA_ASSERT(anqa_pid_is_none(anqa_whereis("counter")));
    ANQA_ASSERT(anqa_is_alive(start_counter()));
}

ANQA_TEST(a_start_that_may_fail_says_why)
{
    anqa_error err;
    anqa_pid pid;

    (void)start_counter();
    ANQA_ASSERT_STATUS(
        anqa_try_start_supervised(&(anqa_child_spec){.server = &counter_server}, &pid, &err),
        ANQA_E_RUNNING);
    ANQA_ASSERT(err.text[0] != '\0');
}

static const anqa_app counting = {
    .name = "counting", .children = (const anqa_child_spec[]){{.server = &counter_server}, {0}}};

ANQA_TEST(
    an_application_starts_and_is_stopped_at_the_end, .expect_stderr = "counter stops: shutdown\n")
{
    anqa_test_start_app(&counting);
    ANQA_ASSERT_EQ(add(), 1);
    ANQA_ASSERT(anqa_is_alive(anqa_app_supervisor(&counting)));
}

static void wait_for_ever(void *arg)
{
    (void)anqa_receive(ANQA_INFINITY);
}

ANQA_TEST(processes_that_are_linked_to_the_test_end_with_it)
{
    anqa_pid pid;

    ANQA_ASSERT_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = wait_for_ever, .link = true}, &pid, NULL), ANQA_OK);
    anqa_test_settle();
    ANQA_ASSERT(anqa_is_alive(pid));
}

/* ---------------------------------------------------------------- failing */

ANQA_TEST(a_crash_ends_who_traps_exits_without_terminate)
{
    anqa_pid pid = start_counter();
    anqa_ref ref = anqa_monitor(pid);
    const anqa_msg *down;

    anqa_test_crash(pid, anqa_error_reason("on purpose"));
    down = anqa_receive_ref(ref, 0);
    ANQA_ASSERT(down == NULL);
    down = anqa_receive_ref(ref, 100);
    ANQA_ASSERT(down != NULL);
    ANQA_ASSERT_STR(anqa_reason_get_text(down->u.reason), "on purpose");
}

static void crash_oneself(void *arg)
{
    anqa_test_crash(anqa_self(), anqa_error_reason("enough"));
}

ANQA_TEST(a_crash_of_oneself_is_an_exit)
{
    anqa_test_capture_log(ANQA_LOG_NONE);
    ANQA_ASSERT_STR(ANQA_ASSERT_EXIT(crash_oneself, NULL, ANQA_REASON_ERROR), "enough");
}

ANQA_TEST(the_nth_message_of_a_tag_is_the_last, .expect_stderr = "counter stops: error: injected")
{
    anqa_pid pid = start_counter();
    anqa_test_injection third = {.at = ANQA_TEST_AT_MESSAGE, .nth = 3, .tag = "add"};

    anqa_test_inject(pid, &third);
    (void)anqa_send(pid, "other", anqa_nothing());
    ANQA_ASSERT_EQ(add(), 1);
    ANQA_ASSERT_EQ(add(), 2);
    ANQA_ASSERT_STATUS(try_call("add"), ANQA_E_DIED);
    anqa_test_settle();
    ANQA_ASSERT_EQ(add(), 1);
}

ANQA_TEST(a_process_is_killed_at_its_nth_wait)
{
    for (uint32_t nth = 1; nth <= 2; nth++) {
        uint64_t start = anqa_now_ms();
        anqa_pid pid = start_counter();
        anqa_test_inject(pid,
            &(anqa_test_injection){.at = ANQA_TEST_AT_WAIT, .nth = nth, .how = ANQA_TEST_KILL});
        ANQA_ASSERT_STATUS(try_call("doze"), ANQA_E_DIED, "wait %u", nth);
        ANQA_ASSERT_EQ(anqa_now_ms(), start + 10 * (nth - 1));
        anqa_stop_supervised("counter");
    }
}

ANQA_TEST(a_fault_is_contained_and_its_process_started_again)
{
    anqa_pid pid = start_counter();
    anqa_ref ref = anqa_monitor(pid);

    anqa_test_inject(pid, &(anqa_test_injection){.how = ANQA_TEST_FAULT});
    ANQA_ASSERT_STATUS(try_call("add"), ANQA_E_DIED);
    ANQA_ASSERT_EQ(anqa_reason_get_kind(anqa_receive_ref(ref, 0)->u.reason), ANQA_REASON_FAULT);
    anqa_test_settle();
    ANQA_ASSERT_EQ(add(), 1);
    ANQA_ASSERT_LOGGED("SIGSEGV");
}

ANQA_TEST(a_process_without_memory_ends_with_its_quota)
{
    anqa_pid pid = start_counter();
    anqa_ref ref = anqa_monitor(pid);

    ANQA_ASSERT_STATUS(try_call("fill"), ANQA_OK);
    anqa_test_limit_memory(pid, 200000);
    ANQA_ASSERT_STATUS(try_call("fill"), ANQA_OK);
    anqa_test_limit_memory(pid, 0);
    ANQA_ASSERT_STATUS(try_call("fill"), ANQA_E_DIED);
    ANQA_ASSERT_EQ(anqa_reason_get_kind(anqa_receive_ref(ref, 0)->u.reason), ANQA_REASON_QUOTA);
    anqa_test_settle();
    ANQA_ASSERT_STATUS(try_call("fill"), ANQA_OK);
}

static void echo_run(void *arg)
{
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        (void)anqa_send(msg->from, "echo", anqa_text(msg->body));
    }
}

ANQA_TEST(messages_of_a_plain_loop_count_too)
{
    anqa_pid pid;

    anqa_test_capture_log(ANQA_LOG_NONE);
    ANQA_ASSERT_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = echo_run}, &pid, NULL), ANQA_OK);
    anqa_test_inject(pid, &(anqa_test_injection){.nth = 2});
    for (int i = 1; i <= 2; i++)
        (void)anqa_send(pid, "n", anqa_text(anqa_jsonf("%d", i)));
    ANQA_ASSERT_RECEIVE("echo", 100, "1");
    ANQA_REFUTE_RECEIVE("echo", 100);
    ANQA_ASSERT_DOWN(pid, ANQA_REASON_NOPROC);
}

ANQA_TEST(a_later_injection_takes_the_place_of_an_earlier_one)
{
    anqa_pid pid = start_counter();

    anqa_test_inject(pid, &(anqa_test_injection){.nth = 1});
    anqa_test_inject(pid, &(anqa_test_injection){.nth = 2});
    ANQA_ASSERT_EQ(add(), 1);
    ANQA_ASSERT_STATUS(try_call("add"), ANQA_E_DIED);
}

ANQA_TEST(an_injection_for_a_dead_process_makes_room)
{
    anqa_pid pids[65];

    for (size_t i = 0; i < ANQA_COUNT(pids); i++)
        ANQA_ASSERT_STATUS(
            anqa_spawn(&(anqa_spawn_opts){.run = wait_for_ever, .link = true}, &pids[i], NULL),
            ANQA_OK);
    for (size_t i = 0; i < 64; i++)
        anqa_test_inject(pids[i], &(anqa_test_injection){.nth = 1});
    anqa_unlink(pids[0]);
    anqa_test_crash(pids[0], ANQA_SHUTDOWN);
    anqa_test_settle();
    anqa_test_inject(pids[64], &(anqa_test_injection){.nth = 1}); /* its place is free again */
}
