/* Dynamic supervisors: children on demand, by pid and by key. */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct order {
    anqa_pid observer;
    int number;
    char how[16]; /* what init does */
};

struct unit {
    struct order order;
};

/* How many inits there were, and how many of the next ones fail. */
static _Atomic(int) inits, failures;

static bool is_go(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, "go");
}

static anqa_next unit_init(void *state, const void *arg)
{
    struct unit *unit = state;
    anqa_str id = anqa_child_id();

    unit->order = *(const struct order *)arg;
    atomic_fetch_add(&inits, 1);
    if (atomic_load(&failures) > 0 && atomic_fetch_sub(&failures, 1) > 0)
        return anqa_stop_with(anqa_error_reason("a bad day"));
    if (strcmp(unit->order.how, "ignore") == 0)
        return anqa_ignore();
    if (strcmp(unit->order.how, "stop") == 0)
        return anqa_stop_with(anqa_error_reason("no such file"));
    if (strcmp(unit->order.how, "crash") == 0)
        ANQA_REQUIRE(unit->order.number == 77);
    if (strcmp(unit->order.how, "slow") == 0)
        anqa_sleep(30);
    if (strcmp(unit->order.how, "held") == 0) {
        report(unit->order.observer, "held", "");
        (void)anqa_receive_if(is_go, NULL, ANQA_INFINITY);
    }
    if (!anqa_pid_is_none(unit->order.observer))
        report(unit->order.observer, "start",
            anqa_tmp_printf("%d%.*s", unit->order.number, ANQA_FMT(id)));
    return anqa_noreply();
}

static anqa_next unit_number(void *state, anqa_msg *msg)
{
    const struct unit *unit = state;

    return anqa_reply_payload(anqa_bytes(&unit->order.number, sizeof unit->order.number));
}

static anqa_next unit_exit(void *state, anqa_msg *msg)
{
    if (anqa_str_is(anqa_json_text(msg->body), "normal"))
        return anqa_stop_with(ANQA_NORMAL);
    return anqa_stop_with(anqa_error_reason("boom"));
}

static anqa_next unit_unlink(void *state, anqa_msg *msg)
{
    anqa_unlink(anqa_parent());
    return anqa_reply(ANQA_JSON_TRUE);
}

static void unit_terminate(void *state, anqa_reason reason)
{
    const struct unit *unit = state;

    report(unit->order.observer, "stop", anqa_tmp_printf("%d", unit->order.number));
    if (strcmp(unit->order.how, "stubborn") == 0)
        anqa_sleep(60000);
}

static const anqa_gen_server unit_server = {
    .state_size = sizeof(struct unit),
    .arg_size = sizeof(struct order),
    .init = unit_init,
    .terminate = unit_terminate,
    .trap_exit = true,
    .handle_call = (const anqa_handler[]){{"number", unit_number}, {"unlink", unit_unlink}, {0}},
    .handle_cast = (const anqa_handler[]){{"exit", unit_exit}, {0}},
};

static const anqa_dynamic_supervisor units = {.name = "units",
    .child = {.server = &unit_server, .restart = ANQA_TRANSIENT, .shutdown_ms = 200}};
static const anqa_dynamic_supervisor few = {
    .name = "few", .max_children = 2, .child = {.server = &unit_server, .restart = ANQA_TEMPORARY}};

static anqa_pid start(const anqa_dynamic_supervisor *spec)
{
    anqa_pid pid = {0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_dynamic_supervisor_start_link(spec, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

static struct order order(int number, const char *how)
{
    struct order made = {.observer = anqa_self(), .number = number};

    snprintf(made.how, sizeof made.how, "%s", how);
    return made;
}

static anqa_pid start_unit(int number)
{
    struct order what = order(number, "");
    anqa_pid pid = {0};

    CHECK_STATUS(anqa_start_child(&units, &what, &pid, NULL), ANQA_OK);
    (void)expect("start");
    return pid;
}

static int number_of(anqa_pid pid)
{
    int number;

    memcpy(&number,
        anqa_call_payload(pid, "number", anqa_nothing(), ANQA_CALL_TIMEOUT_MS)->body.ptr,
        sizeof number);
    return number;
}

static anqa_child_counts counts_of(anqa_pid sup)
{
    anqa_child_counts counts = {0};

    CHECK_STATUS(anqa_supervisor_count_children(sup, &counts), ANQA_OK);
    return counts;
}

static void crash(anqa_pid pid, const char *how)
{
    anqa_cast(pid, "exit", (anqa_json){how, strlen(how)});
}

/* ---------------------------------------------------------------- children by pid */

TEST(it_starts_empty_and_children_are_addressed_by_pid)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), pid;

    CHECK_EQ(counts_of(sup).specs, 0);
    pid = start_unit(5);
    CHECK_EQ(number_of(pid), 5);
    CHECK_EQ(counts_of(sup).active, 1);
    CHECK_STATUS(anqa_dynamic_supervisor_terminate_child(sup, pid), ANQA_OK);
    CHECK(!anqa_is_alive(pid));
    CHECK_STATUS(anqa_dynamic_supervisor_terminate_child(sup, pid), ANQA_E_NOT_FOUND);
    CHECK_EQ(counts_of(sup).specs, 0);
    end(rt);
}

TEST(more_than_max_children_is_refused_with_limit)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&few), pid;
    struct order what = order(1, "");
    anqa_error err;

    CHECK_STATUS(anqa_dynamic_supervisor_start_child(sup, &what, sizeof what, &pid, &err), ANQA_OK);
    CHECK_STATUS(anqa_dynamic_supervisor_start_child(sup, &what, sizeof what, &pid, &err), ANQA_OK);
    CHECK_STATUS(
        anqa_dynamic_supervisor_start_child(sup, &what, sizeof what, &pid, &err), ANQA_E_LIMIT);
    CHECK_STATUS(anqa_dynamic_supervisor_terminate_child(sup, pid), ANQA_OK);
    CHECK_STATUS(anqa_dynamic_supervisor_start_child(sup, &what, sizeof what, &pid, &err), ANQA_OK);
    CHECK_STATUS(anqa_dynamic_supervisor_start_child(sup, &what, 3, &pid, &err), ANQA_E_INVALID);
    end(rt);
}

static const struct {
    const char *how, *text;
    anqa_status status;
} failing[] = {
    {"ignore", "ignore", ANQA_E_IGNORE},
    {"stop", "no such file", ANQA_E_STOPPED},
    {"crash", "number == 77", ANQA_E_DIED},
};

TEST(a_child_that_fails_to_start_is_the_askers_failure_only)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), pid;

    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < ANQA_COUNT(failing); i++) {
            struct order what = order(1, failing[i].how);
            anqa_error err;
            CHECK_STATUS(anqa_start_child(&units, &what, &pid, &err), failing[i].status);
            CHECK(strstr(err.text, failing[i].text) != NULL, "%s", err.text);
        }
    CHECK(anqa_is_alive(sup)); /* nine failures were no restarts */
    end(rt);
}

static void start_held(void *arg)
{
    struct order held = order(1, "held");

    held.observer = *(anqa_pid *)arg;
    ANQA_REQUIRE(anqa_start_child(&units, &held, NULL, NULL) == ANQA_OK);
}

TEST(a_slow_init_holds_up_only_the_one_who_asked)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), self = anqa_self();
    anqa_child_info *children;
    anqa_ref asker;
    size_t count;

    CHECK_STATUS(anqa_spawn(
                     &(anqa_spawn_opts){
                         .run = start_held, .arg = &self, .arg_size = sizeof self, .monitor = true},
                     NULL, &asker),
        ANQA_OK);
    (void)expect("held");
    (void)start_unit(2); /* another one meanwhile */
    CHECK_STATUS(anqa_supervisor_which_children(sup, &children, &count), ANQA_OK);
    CHECK_EQ(count, 2);
    for (size_t i = 0; i < count; i++)
        if (children[i].state == ANQA_CHILD_STARTING)
            (void)anqa_send(children[i].pid, "go", anqa_nothing());
    CHECK_STR(expect_text("start"), "1");
    CHECK_EQ(anqa_reason_get_kind(anqa_receive_ref(asker, HARNESS_LONG_MS)->u.reason),
        ANQA_REASON_NORMAL);
    end(rt);
}

/* ---------------------------------------------------------------- restarts */

TEST(a_child_that_crashes_is_restarted_with_the_same_argument)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), pid = start_unit(5);

    crash(pid, "boom");
    CHECK_STR(expect_text("start"), "5");
    while (counts_of(sup).active != 1) /* its note comes a little after its report */
        anqa_yield();
    end(rt);
}

TEST(a_transient_child_that_ends_normally_is_forgotten)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), pid = start_unit(5);

    crash(pid, "normal");
    (void)end_of(pid);
    (void)expect("stop");
    while (counts_of(sup).specs > 0)
        anqa_yield();
    CHECK(nothing_came("start"));
    end(rt);
}

TEST(a_restart_that_fails_is_tried_again_within_the_intensity)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), pid = start_unit(5);

    atomic_store(&failures, 2);
    crash(pid, "boom");
    CHECK_STR(expect_text("start"), "5");
    CHECK(anqa_is_alive(sup));
    end(rt);
}

TEST(the_fourth_restart_within_five_seconds_ends_it_with_shutdown_and_all_children)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), pid = start_unit(5), other = start_unit(6);
    const anqa_msg *exit;

    atomic_store(&failures, 100);
    crash(pid, "boom");
    exit = expect("EXIT");
    CHECK(anqa_pid_eq(exit->from, sup));
    CHECK_EQ(anqa_reason_get_kind(exit->u.reason), ANQA_REASON_SHUTDOWN);
    CHECK(!anqa_is_alive(other));
    CHECK_EQ(atomic_load(&inits), 2 + 3);
    end(rt);
}

/* ---------------------------------------------------------------- stop */

TEST(all_children_are_told_together_and_killed_when_their_time_is_over)
{
    anqa_rt *rt = begin_deterministic();
    anqa_pid sup = start(&units), pid;
    uint64_t before = anqa_now_ms();

    for (int i = 0; i < 20; i++) {
        struct order what = order(i, "stubborn");
        CHECK_STATUS(anqa_start_child(&units, &what, &pid, NULL), ANQA_OK);
    }
    CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    CHECK_EQ(anqa_now_ms() - before, 200); /* one after the other would take 20 times as long */
    for (int i = 0; i < 20; i++)
        (void)expect("stop");
    CHECK(!anqa_is_alive(pid));
    end(rt);
}

TEST(a_child_that_has_unlinked_itself_does_not_hold_up_the_stop)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), pid = start_unit(1);

    (void)anqa_call(pid, "unlink", NOTHING, ANQA_CALL_TIMEOUT_MS);
    CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, 20000), ANQA_OK);
    CHECK(!anqa_is_alive(pid));
    end(rt);
}

TEST(terminate_child_kills_a_child_that_does_not_end_in_its_time)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), pid;
    struct order what = order(1, "stubborn");

    CHECK_STATUS(anqa_start_child(&units, &what, &pid, NULL), ANQA_OK);
    CHECK_STATUS(anqa_dynamic_supervisor_terminate_child(sup, pid), ANQA_OK);
    CHECK(!anqa_is_alive(pid));
    end(rt);
}

/* ---------------------------------------------------------------- children by key */

TEST(a_child_of_a_key_is_started_once_and_found_without_its_supervisor)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), pid, again;
    struct order what = order(9, "");
    anqa_str key = anqa_str_of("room:lobby");

    CHECK(anqa_pid_is_none(anqa_child_pid(&units, key)));
    CHECK_STATUS(anqa_ensure_child_pid(&units, key, &what, &pid, NULL), ANQA_OK);
    CHECK_STR(expect_text("start"), "9room:lobby");
    CHECK(anqa_pid_eq(anqa_child_pid(&units, key), pid));
    CHECK_STATUS(anqa_ensure_child_pid(&units, key, &what, &again, NULL), ANQA_OK);
    CHECK(anqa_pid_eq(again, pid));
    CHECK_STATUS(anqa_ensure_child(&units, key, NULL), ANQA_OK);
    CHECK_EQ(counts_of(sup).specs, 1);
    CHECK(anqa_pid_is_none(anqa_child_pid(&units, anqa_str_of("room:other"))));
    end(rt);
}

TEST(a_key_leads_to_the_restarted_child_and_to_nobody_after_its_end)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units), pid, second;
    struct order what = order(9, "");
    anqa_str key = anqa_str_of("k");

    CHECK_STATUS(anqa_ensure_child_pid(&units, key, &what, &pid, NULL), ANQA_OK);
    crash(pid, "boom");
    (void)end_of(pid);
    CHECK_STATUS(anqa_ensure_child_pid(&units, key, &what, &second, NULL), ANQA_OK);
    CHECK(!anqa_pid_eq(second, pid));
    CHECK_EQ(atomic_load(&inits), 2); /* the restart was waited for, not doubled */
    CHECK(anqa_pid_eq(anqa_child_pid(&units, key), second));
    CHECK_STATUS(anqa_dynamic_supervisor_terminate_child(sup, second), ANQA_OK);
    CHECK(anqa_pid_is_none(anqa_child_pid(&units, key)));
    CHECK_STATUS(anqa_ensure_child(&units, key, &what), ANQA_OK);
    kill_and_wait(sup);
    CHECK(anqa_pid_is_none(anqa_child_pid(&units, key)));
    CHECK_STATUS(anqa_ensure_child(&units, key, &what), ANQA_E_NOPROC);
    end(rt);
}

TEST(a_key_whose_child_ended_for_good_just_now_is_started_again)
{
    anqa_rt *rt = begin();
    anqa_pid pid;
    struct order what = order(9, "");

    (void)start(&units);
    for (int i = 0; i < 50; i++) {
        CHECK_STATUS(anqa_ensure_child_pid(&units, anqa_str_of("k"), &what, &pid, NULL), ANQA_OK);
        crash(pid, "normal");
        (void)end_of(pid);
    }
    end(rt);
}

static void ensure_slow(void *arg)
{
    struct order what = order(1, "slow");
    anqa_pid pid;

    what.observer = *(anqa_pid *)arg;
    ANQA_REQUIRE(anqa_ensure_child_pid(&units, anqa_str_of("same"), &what, &pid, NULL) == ANQA_OK);
    ANQA_REQUIRE(anqa_pid_eq(pid, anqa_child_pid(&units, anqa_str_of("same"))));
}

TEST(of_many_who_ask_for_a_key_at_once_one_starts_the_child_and_all_get_it)
{
    anqa_rt *rt = begin();
    anqa_pid self = anqa_self();
    anqa_ref refs[20];

    (void)start(&units);
    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_STATUS(
            anqa_spawn(
                &(anqa_spawn_opts){
                    .run = ensure_slow, .arg = &self, .arg_size = sizeof self, .monitor = true},
                NULL, &refs[i]),
            ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(refs); i++)
        CHECK_EQ(anqa_reason_get_kind(anqa_receive_ref(refs[i], HARNESS_LONG_MS)->u.reason),
            ANQA_REASON_NORMAL);
    CHECK_EQ(atomic_load(&inits), 1);
    end(rt);
}

TEST(a_key_whose_child_fails_to_start_is_free_again)
{
    anqa_rt *rt = begin();
    struct order bad = order(1, "stop"), good = order(1, "");
    anqa_error err;
    anqa_pid pid;

    (void)start(&units);
    CHECK_STATUS(anqa_ensure_child_pid(&units, anqa_str_of("k"), &bad, &pid, &err), ANQA_E_STOPPED);
    CHECK(anqa_pid_is_none(anqa_child_pid(&units, anqa_str_of("k"))));
    while (anqa_ensure_child_pid(&units, anqa_str_of("k"), &good, &pid, &err) != ANQA_OK)
        anqa_yield(); /* until the EXIT of the first is through */
    end(rt);
}

static const anqa_dynamic_supervisor anonymous = {.child = {.server = &unit_server}};

TEST(keys_need_a_name_and_a_length)
{
    anqa_rt *rt = begin();
    static char long_key[70000];
    anqa_error err;

    CHECK_STATUS(
        anqa_ensure_child_pid(&anonymous, anqa_str_of("k"), NULL, NULL, &err), ANQA_E_INVALID);
    CHECK(strstr(err.text, ".name") != NULL);
    CHECK_STATUS(anqa_start_child(&anonymous, NULL, NULL, &err), ANQA_E_INVALID);
    (void)start(&units);
    CHECK_STATUS(
        anqa_ensure_child_pid(&units, anqa_str_make("", 0), NULL, NULL, &err), ANQA_E_INVALID);
    CHECK_STATUS(
        anqa_ensure_child_pid(&units, anqa_str_make(long_key, sizeof long_key), NULL, NULL, &err),
        ANQA_E_INVALID);
    end(rt);
}

TEST(which_children_of_a_dynamic_supervisor_shows_keys)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&units);
    struct order what = order(9, "");
    anqa_child_info *children;
    size_t count;

    CHECK_STATUS(anqa_ensure_child(&units, anqa_str_of("anna"), &what), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_which_children(sup, &children, &count), ANQA_OK);
    CHECK_EQ(count, 1);
    CHECK_STR(children[0].id, "anna");
    CHECK_EQ(children[0].state, ANQA_CHILD_RUNNING);
    CHECK(anqa_pid_eq(children[0].pid, anqa_child_pid(&units, anqa_str_of("anna"))));
    end(rt);
}

/* ---------------------------------------------------------------- other kinds of children */

static anqa_next bare_exit(void *state, anqa_msg *msg)
{
    anqa_exit(anqa_error_reason("boom"));
}

static anqa_next bare_init(void *state, const void *arg)
{
    atomic_fetch_add(&inits, 1);
    return anqa_noreply();
}

static const anqa_gen_server bare_server = {
    .init = bare_init, .handle_cast = (const anqa_handler[]){{"exit", bare_exit}, {0}}};
static const anqa_dynamic_supervisor bare = {.name = "bare",
    .max_restarts = 1000,
    .child = {.server = &bare_server, .restart = ANQA_PERMANENT}};

static bool three_inits(void *arg)
{
    return atomic_load(&inits) == 3;
}

TEST(a_child_without_argument_and_key_is_restarted_too)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&bare), pid, second;
    anqa_child_info *children;
    size_t count;

    CHECK_STATUS(anqa_start_child(&bare, NULL, &pid, NULL), ANQA_OK);
    CHECK_STATUS(anqa_start_child(&bare, NULL, &second, NULL), ANQA_OK);
    crash(pid, "boom");
    CHECK(soon(three_inits, NULL));
    CHECK_STATUS(anqa_supervisor_which_children(sup, &children, &count), ANQA_OK);
    CHECK_EQ(count, 2);
    CHECK_STATUS(anqa_dynamic_supervisor_terminate_child(sup, second), ANQA_OK);
    CHECK_EQ(counts_of(sup).specs, 1);
    end(rt);
}

static void run_number(void *arg)
{
    const struct order *what = arg;

    report(what->observer, "ran", anqa_tmp_printf("%d", what->number));
}

static const anqa_dynamic_supervisor runners = {.name = "runners",
    .child = {.run = run_number, .arg_size = sizeof(struct order), .restart = ANQA_TEMPORARY}};
static const anqa_dynamic_supervisor pointers = {
    .name = "pointers", .child = {.run = run_number, .restart = ANQA_TEMPORARY}};

TEST(plain_functions_take_a_copied_argument_or_a_pointer)
{
    anqa_rt *rt = begin();
    struct order what = order(3, "");
    anqa_pid pid;

    (void)start(&runners);
    (void)start(&pointers);
    CHECK_STATUS(anqa_start_child(&runners, &what, &pid, NULL), ANQA_OK);
    CHECK_STR(expect_text("ran"), "3");
    what.number = 4;
    CHECK_STATUS(anqa_start_child(&pointers, &what, &pid, NULL), ANQA_OK);
    CHECK_STR(expect_text("ran"), "4");
    end(rt);
}

TEST(ten_thousand_children_start_crash_and_stop)
{
    anqa_rt *rt = begin();
    anqa_pid sup = start(&bare), pid = {0};
    enum { MANY = 10000 };

    for (int i = 0; i < MANY; i++) {
        CHECK_STATUS(anqa_start_child(&bare, NULL, &pid, NULL), ANQA_OK);
        if (i % 100 == 0)
            crash(pid, "boom");
    }
    while (atomic_load(&inits) < MANY + MANY / 100)
        anqa_yield();
    CHECK_EQ(counts_of(sup).specs, MANY);
    CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    end(rt);
}
