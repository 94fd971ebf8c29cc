/* sys: asking servers and supervisors about themselves. */
#include "support.h"

#include <anqa/agent.h>
#include <anqa/gen_statem.h>
#include <anqa/introspect.h>
#include <anqa/memory.h>

#include <string.h>

#include "harness.h"

struct till {
    int64_t coins;
    const char *secret;
};

static anqa_next till_put(void *state, anqa_msg *msg)
{
    struct till *till = state;

    till->coins += anqa_json_int(msg->body, "coins", 1);
    return anqa_noreply();
}

static anqa_next till_count(void *state, anqa_msg *msg)
{
    return anqa_reply(anqa_jsonf("%lld", (long long)((struct till *)state)->coins));
}

static anqa_json till_format(void *state)
{
    return anqa_jsonf("{'coins': %lld}", (long long)((struct till *)state)->coins);
}

static anqa_status till_replace(void *state, anqa_json value, anqa_error *err)
{
    int64_t coins = anqa_json_int(value, "coins", -1);

    if (coins < 0)
        return anqa_fail(err, ANQA_E_TYPE, "coins is missing");
    ((struct till *)state)->coins = coins;
    return ANQA_OK;
}

static anqa_next till_late(void *state, anqa_msg *msg)
{
    return anqa_stop_with(anqa_error_reason("timed out"));
}

static anqa_next till_wait(void *state, anqa_msg *msg)
{
    return anqa_then_timeout(anqa_noreply(), 20);
}

static anqa_next till_hang(void *state, anqa_msg *msg)
{
    anqa_sleep(ANQA_INFINITY);
    return anqa_noreply();
}

static const anqa_gen_server till_server = {.name = "till",
    .state_size = sizeof(struct till),
    .handle_call = (const anqa_handler[]){{"count", till_count}, {0}},
    .handle_cast =
        (const anqa_handler[]){{"put", till_put}, {"wait", till_wait}, {"hang", till_hang}, {0}},
    .handle_info = (const anqa_handler[]){{"timeout", till_late}, {0}},
    .format_status = till_format,
    .replace_state = till_replace};
static const anqa_gen_server plain_server = {.name = "plain"};
static const anqa_gen_server agent_server = {.name = "agent", ANQA_AGENT};

static anqa_pid start(const anqa_gen_server *server)
{
    anqa_pid pid;

    CHECK_STATUS(anqa_gen_server_start(server, NULL, NULL, &pid, NULL), ANQA_OK);
    return pid;
}

static anqa_json state_of(anqa_pid pid)
{
    anqa_json state;

    CHECK_STATUS(anqa_sys_get_state(pid, 0, &state, NULL), ANQA_OK);
    return state;
}

static anqa_json status_of(anqa_pid pid)
{
    anqa_json status;

    CHECK_STATUS(anqa_sys_get_status(pid, 0, &status, NULL), ANQA_OK);
    return status;
}

TEST(get_state_gives_what_format_status_shows)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&till_server);
    anqa_error err;
    anqa_json state;

    anqa_cast(pid, "put", anqa_jsonf("{'coins': 7}"));
    CHECK_STR(anqa_json_text(state_of(pid)), "{\"coins\":7}");
    CHECK_STATUS(anqa_sys_get_state(start(&plain_server), 0, &state, &err), ANQA_E_UNSUPPORTED);
    CHECK(strstr(err.text, "format_status") != NULL);
    end(rt);
}

TEST(get_status_tells_who_it_is_and_how_it_does)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&till_server);
    anqa_json status = status_of(pid), state;

    CHECK_STR(anqa_json_str(status, "kind"), "gen_server");
    CHECK_STR(anqa_json_str(status, "spec"), "till");
    CHECK_STR(anqa_json_str(status, "status"), "running");
    CHECK_STATUS(anqa_json_get(status, "state", &state), ANQA_OK);
    CHECK_STR(anqa_json_text(state), "{\"coins\":0}");
    CHECK_STR(anqa_json_str(status_of(start(&plain_server)), "spec"), "plain");
    end(rt);
}

TEST(replace_state_is_the_servers_to_offer_and_to_refuse)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&till_server);
    anqa_error err;

    CHECK_STATUS(anqa_sys_replace_state(pid, anqa_jsonf("{'coins': 40}"), 0, &err), ANQA_OK);
    CHECK_STR(anqa_json_text(state_of(pid)), "{\"coins\":40}");
    CHECK_STATUS(anqa_sys_replace_state(pid, anqa_jsonf("{}"), 0, &err), ANQA_E_TYPE);
    CHECK_STR(err.text, "coins is missing");
    CHECK_STR(anqa_json_text(state_of(pid)), "{\"coins\":40}");
    CHECK_STATUS(anqa_sys_replace_state(start(&plain_server), anqa_jsonf("{}"), 0, &err),
        ANQA_E_UNSUPPORTED);
    end(rt);
}

static bool is_seen(anqa_pid pid, anqa_process_status status)
{
    anqa_process_info info;

    CHECK_STATUS(anqa_process_info_get(pid, &info), ANQA_OK);
    return info.status == status;
}

static void wait_until_seen(anqa_pid pid, anqa_process_status status)
{
    while (!is_seen(pid, status))
        anqa_sleep(1);
}

TEST(who_is_suspended_is_seen_to_be_until_it_is_resumed)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&till_server);
    anqa_process_info info;

    CHECK_STATUS(anqa_sys_suspend(pid, 0, NULL), ANQA_OK);
    wait_until_seen(pid, ANQA_PROCESS_SUSPENDED);
    CHECK_STATUS(anqa_process_info_get(pid, &info), ANQA_OK);
    CHECK(info.handling == NULL);
    (void)state_of(pid);
    wait_until_seen(pid, ANQA_PROCESS_SUSPENDED);
    CHECK_STATUS(anqa_sys_resume(pid, 0, NULL), ANQA_OK);
    wait_until_seen(pid, ANQA_PROCESS_IDLE);
    end(rt);
}

TEST(a_suspended_server_answers_sys_and_queues_everything_else_until_it_is_resumed)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&till_server);
    anqa_process_info info;
    anqa_ref count;

    CHECK_STATUS(anqa_sys_suspend(pid, 0, NULL), ANQA_OK);
    CHECK_STATUS(anqa_sys_suspend(pid, 0, NULL), ANQA_OK);
    for (int i = 0; i < 3; i++)
        anqa_cast(pid, "put", anqa_jsonf("{}"));
    count = anqa_request(pid, "count", anqa_nothing());
    CHECK_STR(anqa_json_str(status_of(pid), "status"), "suspended");
    CHECK_STR(anqa_json_text(state_of(pid)), "{\"coins\":0}");
    CHECK_STATUS(anqa_process_info_get(pid, &info), ANQA_OK);
    CHECK_EQ(info.mailbox, 4);
    CHECK(anqa_receive_ref(count, 0) == NULL);
    CHECK_STATUS(anqa_sys_resume(pid, 0, NULL), ANQA_OK);
    CHECK_STR(anqa_json_text(anqa_receive_ref(count, HARNESS_LONG_MS)->body), "3");
    CHECK_STATUS(anqa_sys_resume(pid, 0, NULL), ANQA_OK);
    CHECK_STR(anqa_json_str(status_of(pid), "status"), "running");
    end(rt);
}

static anqa_step lamp_press(void *data, const anqa_statem_event *event)
{
    return anqa_next_state("on");
}
static const anqa_gen_statem lamp = ANQA_GEN_STATEM(char, .server.name = "lamp", .initial = "off",
    .rows =
        (const anqa_statem_row[]){{.kind = ANQA_ON_CAST, .tag = "press", .run = lamp_press}, {0}});
static const anqa_dynamic_supervisor many = {.name = "many", .child = {.server = &plain_server}};
static const anqa_supervisor family = {.name = "family",
    .children = (const anqa_child_spec[]){
        {.server = &agent_server}, {.server = &lamp.server}, {.dynamic_supervisor = &many}, {0}}};

TEST(state_machines_agents_and_supervisors_are_suspended_and_resumed_too)
{
    static const char *const names[] = {"agent", "lamp", "many", "family"};
    anqa_rt *rt = begin();

    CHECK_STATUS(anqa_supervisor_start_link(&family, NULL, NULL), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(names); i++) {
        anqa_pid pid = anqa_whereis(names[i]);
        anqa_ref call;

        CHECK_STATUS(anqa_sys_suspend(pid, 0, NULL), ANQA_OK, "%s", names[i]);
        CHECK_STR(anqa_json_str(status_of(pid), "status"), "suspended", "%s", names[i]);
        call = anqa_request(pid, "$unknown", anqa_nothing());
        CHECK_STR(anqa_json_str(status_of(pid), "status"), "suspended", "%s", names[i]);
        CHECK(anqa_receive_ref(call, 0) == NULL, "%s", names[i]);
        anqa_request_cancel(call);
        wait_until_seen(pid, ANQA_PROCESS_SUSPENDED);
        CHECK_STATUS(anqa_sys_resume(pid, 0, NULL), ANQA_OK, "%s", names[i]);
        if (i >= 2)
            CHECK(anqa_is_alive(pid));
    }
    end(rt);
}

TEST(the_tree_shows_who_is_suspended)
{
    anqa_rt *rt = begin();
    anqa_pid top, pid;
    anqa_str text;

    CHECK_STATUS(anqa_supervisor_start_link(&family, &top, NULL), ANQA_OK);
    pid = anqa_whereis("lamp");
    CHECK_STATUS(anqa_sys_suspend(pid, 0, NULL), ANQA_OK);
    wait_until_seen(pid, ANQA_PROCESS_SUSPENDED);
    text = anqa_tree_text(top);
    text = anqa_str_make(anqa_tmp_copy(text.ptr, text.len), text.len);
    CHECK(strstr(text.ptr, ">  suspended") != NULL, "%s", text.ptr);
    CHECK_STATUS(anqa_sys_resume(pid, 0, NULL), ANQA_OK);
    end(rt);
}

TEST(supervisors_show_a_summary_and_machines_their_state)
{
    anqa_rt *rt = begin();
    anqa_json state;

    CHECK_STATUS(anqa_supervisor_start_link(&family, NULL, NULL), ANQA_OK);
    state = state_of(anqa_whereis("family"));
    CHECK_STR(anqa_json_str(state, "strategy"), "one_for_one");
    CHECK_EQ(anqa_json_int(state, "children", 0), 3);
    CHECK_EQ(anqa_json_int(state, "max_restarts", 0), 3);
    CHECK_EQ(anqa_json_int(state_of(anqa_whereis("many")), "children", -1), 0);
    CHECK_STR(anqa_json_str(state_of(anqa_whereis("lamp")), "state"), "off");
    end(rt);
}

TEST(a_suspended_server_can_be_stopped_and_killed)
{
    anqa_rt *rt = begin();
    anqa_pid stopped = start(&till_server), killed;

    CHECK_STATUS(anqa_sys_suspend(stopped, 0, NULL), ANQA_OK);
    CHECK_STATUS(anqa_gen_server_stop(stopped, ANQA_NORMAL, HARNESS_LONG_MS), ANQA_OK);
    killed = start(&till_server);
    CHECK_STATUS(anqa_sys_suspend(killed, 0, NULL), ANQA_OK);
    kill_and_wait(killed);
    end(rt);
}

TEST(a_supervisor_stops_a_suspended_child_and_is_stopped_suspended)
{
    anqa_rt *rt = begin();
    anqa_pid top;

    CHECK_STATUS(anqa_supervisor_start_link(&family, &top, NULL), ANQA_OK);
    CHECK_STATUS(anqa_sys_suspend(anqa_whereis("many"), 0, NULL), ANQA_OK);
    CHECK_STATUS(anqa_sys_suspend(top, 0, NULL), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_stop(top, ANQA_NORMAL, HARNESS_LONG_MS), ANQA_OK);
    CHECK(anqa_pid_is_none(anqa_whereis("many")));
    end(rt);
}

TEST(a_question_does_not_cancel_a_servers_time_out)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&till_server);

    anqa_cast(pid, "wait", ANQA_JSON_NULL);
    (void)state_of(pid);
    CHECK_EQ(end_of(pid), ANQA_REASON_ERROR);
    end(rt);
}

TEST(who_does_not_answer_such_questions_is_told_apart)
{
    anqa_rt *rt = begin();
    anqa_pid dead = start(&till_server), hanging = start(&plain_server);
    anqa_error err;
    anqa_json json;

    kill_and_wait(dead);
    CHECK_STATUS(anqa_sys_get_state(dead, 0, &json, &err), ANQA_E_NOPROC);
    CHECK_STATUS(anqa_sys_get_state(anqa_self(), 0, &json, &err), ANQA_E_INVALID);
    CHECK_STATUS(anqa_sys_suspend((anqa_pid){0}, 0, &err), ANQA_E_NOPROC);
    kill_and_wait(hanging);
    hanging = start(&till_server);
    anqa_cast(hanging, "hang", ANQA_JSON_NULL);
    CHECK_STATUS(anqa_sys_get_state(hanging, 10, &json, &err), ANQA_E_TIMEOUT);
    kill_and_wait(hanging);
    end(rt);
}

static void run_idle(void *state)
{
    anqa_sleep(ANQA_INFINITY);
}

TEST(a_process_that_is_no_server_is_not_asked)
{
    anqa_rt *rt = begin();
    anqa_process_info info;
    anqa_json json;
    anqa_pid pid;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = run_idle}, &pid, NULL), ANQA_OK);
    CHECK_STATUS(anqa_sys_get_state(pid, 0, &json, NULL), ANQA_E_UNSUPPORTED);
    CHECK_STATUS(anqa_process_info_get(pid, &info), ANQA_OK);
    CHECK_EQ(info.mailbox, 0);
    end(rt);
}

/* ---------------------------------------------------------------- statistics and log */

TEST(statistics_count_from_when_they_are_switched_on)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&till_server);
    anqa_sys_statistics statistics;

    anqa_cast(pid, "put", ANQA_JSON_NULL);
    CHECK_STATUS(anqa_sys_get_statistics(pid, 0, &statistics, NULL), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_sys_count(pid, true, 0, NULL), ANQA_OK);
    for (int i = 0; i < 5; i++)
        anqa_cast(pid, "put", ANQA_JSON_NULL);
    (void)anqa_call(pid, "count", ANQA_JSON_NULL, ANQA_CALL_TIMEOUT_MS);
    CHECK_STATUS(anqa_sys_get_statistics(pid, 0, &statistics, NULL), ANQA_OK);
    CHECK_EQ(statistics.messages_in, 7); /* the question itself is one */
    CHECK_EQ(statistics.handled, 6);
    CHECK_EQ(statistics.messages_out, 2); /* to the order to count, and to the call */
    CHECK(statistics.busy_ns >= statistics.longest_ns && statistics.longest_ns > 0);
    CHECK_STATUS(anqa_sys_count(pid, false, 0, NULL), ANQA_OK);
    CHECK_STATUS(anqa_sys_get_statistics(pid, 0, &statistics, NULL), ANQA_E_NOT_FOUND);
    end(rt);
}

TEST(the_log_keeps_the_last_events)
{
    anqa_rt *rt = begin();
    anqa_pid pid = start(&till_server);
    anqa_json events, event;
    size_t count = 0;

    CHECK_STATUS(anqa_sys_get_log(pid, 0, &events, NULL), ANQA_E_NOT_FOUND);
    CHECK_STATUS(anqa_sys_log(pid, 4, 0, NULL), ANQA_OK);
    CHECK_STATUS(anqa_sys_log(pid, ANQA_SYS_LOG_MAX + 1, 0, NULL), ANQA_E_RANGE);
    for (int i = 0; i < 100; i++)
        anqa_cast(pid, "put", ANQA_JSON_NULL);
    (void)anqa_call(pid, "count", ANQA_JSON_NULL, ANQA_CALL_TIMEOUT_MS);
    CHECK_STATUS(anqa_sys_get_log(pid, 0, &events, NULL), ANQA_OK);
    while (anqa_json_at(events, count, &event) == ANQA_OK)
        count++;
    CHECK_EQ(count, 4);
    CHECK_STATUS(anqa_json_at(events, 3, &event), ANQA_OK);
    CHECK_STR(anqa_json_str(event, "event"), "receive");
    CHECK_STR(anqa_json_str(event, "tag"), "$sys");
    CHECK_STATUS(anqa_json_at(events, 2, &event), ANQA_OK);
    CHECK_STR(anqa_json_str(event, "event"), "handled");
    CHECK_STR(anqa_json_str(event, "tag"), "count");
    CHECK_STATUS(anqa_sys_log(pid, 0, 0, NULL), ANQA_OK);
    CHECK_STATUS(anqa_sys_get_log(pid, 0, &events, NULL), ANQA_E_NOT_FOUND);
    end(rt);
}

static void ask_without_memory(void *arg)
{
    anqa_status status;
    anqa_pid pid;
    anqa_json json;

    if (anqa_gen_server_start_link(&till_server, NULL, NULL, &pid, NULL) != ANQA_OK)
        return;
    status = anqa_sys_count(pid, true, 0, NULL);
    if (status == ANQA_OK)
        status = anqa_sys_log(pid, 10, 0, NULL);
    if (status == ANQA_OK)
        status = anqa_sys_get_log(pid, 0, &json, NULL);
    if (status == ANQA_OK)
        status = anqa_sys_suspend(pid, 0, NULL);
    if (status == ANQA_OK)
        status = anqa_sys_get_status(pid, 0, &json, NULL);
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM || status == ANQA_E_DIED ||
          status == ANQA_E_NOPROC);
    anqa_exit(ANQA_SHUTDOWN);
}

TEST(without_memory_a_question_fails_and_nothing_is_left)
{
    live_without_memory(ask_without_memory);
}
