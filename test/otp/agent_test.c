/* Agents: functions over a state that is kept by a process. */
#include "support.h"

#include <stdio.h>
#include <string.h>

struct tally {
    int64_t sum;
    uint32_t count;
    char last[2000];
};

static anqa_next tally_init(void *state, const void *arg)
{
    ((struct tally *)state)->sum = *(const int64_t *)arg;
    return anqa_noreply();
}

static const anqa_gen_server tally_agent = {ANQA_AGENT, .name = "tally",
    .state_size = sizeof(struct tally), .arg_size = sizeof(int64_t), .init = tally_init};

static anqa_payload sum_of(const void *state, const void *arg)
{
    const struct tally *tally = state;

    return anqa_bytes(&tally->sum, sizeof tally->sum);
}

static anqa_payload pid_of(const void *state, const void *arg)
{
    anqa_pid *pid = anqa_arena_alloc(anqa_tmp(), sizeof *pid);

    *pid = anqa_self();
    return anqa_bytes(pid, sizeof *pid);
}

static void add(void *state, const void *arg)
{
    struct tally *tally = state;

    tally->sum += *(const int64_t *)arg;
    tally->count++;
}

static anqa_payload exchange(void *state, const void *arg)
{
    struct tally *tally = state;
    char *old = anqa_tmp_copy(&tally->sum, sizeof tally->sum);

    tally->sum = *(const int64_t *)arg;
    return anqa_bytes(old, sizeof tally->sum);
}

static void crash(void *state, const void *arg)
{
    anqa_exit(anqa_error_reason("no sums today"));
}

static void nap(void *state, const void *arg)
{
    anqa_sleep(60000);
}

static int64_t number(const anqa_msg *answer)
{
    int64_t value;

    CHECK_EQ(answer->body.len, sizeof value);
    memcpy(&value, answer->body.ptr, sizeof value);
    return value;
}

static anqa_pid tally_start(int64_t first)
{
    anqa_error err = {0};
    anqa_pid pid;

    CHECK_STATUS(
        anqa_gen_server_start(&tally_agent, &first, NULL, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

static int64_t sum(anqa_pid agent)
{
    return number(anqa_agent_get(agent, sum_of, NULL, 0, ANQA_CALL_TIMEOUT_MS));
}

TEST(get_update_and_get_and_update_work_on_the_state)
{
    anqa_rt *rt = begin();
    anqa_pid agent = tally_start(40);
    int64_t two = 2, seven = 7;

    CHECK_EQ(sum(agent), 40);
    anqa_agent_update(agent, add, &two, sizeof two, ANQA_CALL_TIMEOUT_MS);
    CHECK_EQ(sum(agent), 42);
    CHECK_EQ(number(anqa_agent_get_and_update(
                 agent, exchange, &seven, sizeof seven, ANQA_CALL_TIMEOUT_MS)),
        42);
    CHECK_EQ(sum(agent), 7);
    CHECK_STATUS(anqa_agent_stop(agent, ANQA_INFINITY), ANQA_OK);
    end(rt);
}

TEST(functions_run_in_the_agents_process)
{
    anqa_rt *rt = begin();
    anqa_pid agent = tally_start(0), seen;
    const anqa_msg *answer = anqa_agent_get(agent, pid_of, NULL, 0, ANQA_CALL_TIMEOUT_MS);

    memcpy(&seen, answer->body.ptr, sizeof seen);
    CHECK_EQ(seen.bits, agent.bits);
    CHECK_STATUS(anqa_agent_stop(agent, ANQA_INFINITY), ANQA_OK);
    end(rt);
}

TEST(a_cast_does_not_wait_and_comes_before_what_is_asked_later)
{
    anqa_rt *rt = begin();
    anqa_pid agent = tally_start(0);

    for (int64_t i = 1; i <= 100; i++)
        anqa_agent_cast(agent, add, &i, sizeof i); /* the argument is copied */
    CHECK_EQ(sum(agent), 5050);
    CHECK_STATUS(anqa_agent_stop(agent, ANQA_INFINITY), ANQA_OK);
    anqa_agent_cast(agent, add, &(int64_t){1}, sizeof(int64_t)); /* fine when nobody is there */
    end(rt);
}

static void keep_last(void *state, const void *arg)
{
    struct tally *tally = state;

    tally->count += (uintptr_t)arg % 16 == 0;
    memcpy(tally->last, arg, sizeof tally->last);
}

static anqa_payload last_of(const void *state, const void *arg)
{
    const struct tally *tally = state;

    return anqa_bytes(tally, sizeof *tally);
}

TEST(long_arguments_are_copied_and_aligned)
{
    anqa_rt *rt = begin();
    anqa_pid agent = tally_start(0);
    struct tally got;
    char text[sizeof got.last];

    memset(text, 'x', sizeof text);
    anqa_agent_update(agent, keep_last, text, sizeof text, ANQA_CALL_TIMEOUT_MS);
    memcpy(
        &got, anqa_agent_get(agent, last_of, NULL, 0, ANQA_CALL_TIMEOUT_MS)->body.ptr, sizeof got);
    CHECK_EQ(got.count, 1);
    CHECK_EQ(memcmp(got.last, text, sizeof text), 0);
    CHECK_STATUS(anqa_agent_stop(agent, ANQA_INFINITY), ANQA_OK);
    end(rt);
}

static void point(void *state, const void *arg)
{
    ((struct tally *)state)->sum = (int64_t)(uintptr_t)arg;
}

TEST(without_a_size_the_pointer_itself_is_handed_on)
{
    anqa_rt *rt = begin();
    anqa_pid agent = tally_start(0);

    anqa_agent_update(agent, point, &tally_agent, 0, ANQA_CALL_TIMEOUT_MS);
    CHECK_EQ(sum(agent), (int64_t)(uintptr_t)&tally_agent);
    CHECK_STATUS(anqa_agent_stop(agent, ANQA_INFINITY), ANQA_OK);
    end(rt);
}

static void ask_crashing(void *arg)
{
    anqa_agent_update(*(anqa_pid *)arg, crash, NULL, 0, ANQA_CALL_TIMEOUT_MS);
}

static void ask_late(void *arg)
{
    anqa_agent_update(*(anqa_pid *)arg, nap, NULL, 0, 20);
}

TEST(who_asks_an_agent_that_crashes_is_late_or_dead_exits)
{
    anqa_rt *rt = begin();
    anqa_pid agent = tally_start(0);
    char text[200];

    CHECK_EQ(outcome_of(ask_crashing, &agent, text, sizeof text), ANQA_REASON_ERROR);
    CHECK(strstr(text, "no sums today") != NULL, "%s", text);
    CHECK_EQ(outcome_of(ask_crashing, &agent, NULL, 0), ANQA_REASON_NOPROC);
    agent = tally_start(0);
    CHECK_EQ(outcome_of(ask_late, &agent, NULL, 0), ANQA_REASON_TIMEOUT);
    kill_and_wait(agent);
    end(rt);
}

static const int64_t three = 3;
static const anqa_supervisor top = {
    .children = (const anqa_child_spec[]){{.server = &tally_agent, .arg = &three}, {0}}};

TEST(an_agent_has_a_name_and_is_supervised_as_any_server)
{
    anqa_rt *rt = begin();
    anqa_pid supervisor, agent;

    CHECK_STATUS(anqa_supervisor_start_link(&top, &supervisor, NULL), ANQA_OK);
    agent = anqa_whereis("tally");
    anqa_agent_update(agent, add, &(int64_t){4}, sizeof(int64_t), ANQA_CALL_TIMEOUT_MS);
    CHECK_EQ(sum(agent), 7);
    anqa_agent_cast(agent, crash, NULL, 0);
    (void)end_of(agent);
    anqa_child_counts counts;
    CHECK_STATUS(anqa_supervisor_count_children(supervisor, &counts), ANQA_OK);
    CHECK_EQ(counts.active, 1);
    CHECK_EQ(sum(anqa_whereis("tally")), 3);
    CHECK_STATUS(anqa_supervisor_stop(supervisor, ANQA_SHUTDOWN, ANQA_INFINITY), ANQA_OK);
    end(rt);
}

static void whole_life(void *arg)
{
    char text[2000] = {0};
    int64_t first = 0;
    anqa_pid agent;

    if (anqa_gen_server_start_link(&tally_agent, &first, NULL, &agent, NULL) != ANQA_OK)
        return;
    anqa_agent_update(agent, keep_last, text, sizeof text, ANQA_CALL_TIMEOUT_MS);
    anqa_agent_cast(agent, keep_last, text, sizeof text);
    (void)anqa_agent_get(agent, sum_of, NULL, 0, ANQA_CALL_TIMEOUT_MS);
    (void)anqa_agent_stop(agent, ANQA_INFINITY);
}

TEST(without_memory_the_agent_or_the_one_who_asks_ends_and_nothing_is_left_behind)
{
    live_without_memory(whole_life);
}
