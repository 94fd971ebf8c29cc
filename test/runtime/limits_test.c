/* The limits on what is in a runtime or a program at once: each is reached, said, and left again. */
#include <stdio.h>
#include <stdlib.h>

#include <anqa/log.h>

#include "rt_fixture.h"

/* ---------------------------------------------------------------- processes */

static void ignore_mail(void *state, const anqa_msg *msg)
{
}

/* Needs a slot and nothing else. */
static const anqa_behaviour idle = {.name = "idle", .handle = ignore_mail};
static const anqa_spawn_opts idle_opts = {.behaviour = &idle};

/* Spawns until it is refused; returns how many there were. */
static uint32_t fill_with_processes(anqa_pid *pids, uint32_t most)
{
    for (uint32_t count = 0; count <= most; count++) {
        anqa_pid pid;
        anqa_status status = anqa_spawn(&idle_opts, &pid, NULL);
        if (status != ANQA_OK) {
            CHECK_STATUS(status, ANQA_E_LIMIT);
            return count;
        }
        pids[count % most] = pid;
    }
    CHECK(false, "more than %u processes", most);
    return 0;
}

static void spawn_again(anqa_pid *ret_pid)
{
    uint64_t end = rt_clock_us() + RT_LONG_MS * 1000ull;

    while (anqa_spawn(&idle_opts, ret_pid, NULL) == ANQA_E_LIMIT) { /* slots are on the way back */
        CHECK(rt_clock_us() < end);
        rt_pause();
    }
}

/* held_back: slots that schedulers may keep for themselves. */
static void reach_process_limit(uint32_t limit, uint32_t held_back)
{
    anqa_options options = {.schedulers = 2, .max_processes = limit};
    anqa_rt *rt = rt_open_with(&options);
    anqa_pid *pids = calloc(limit, sizeof *pids), again;
    anqa_error err;
    uint32_t count;

    CHECK(pids != NULL);
    count = fill_with_processes(pids, limit);
    CHECK(count <= limit - 1 && count + held_back >= limit - 1, "%u", count); /* one is us */
    CHECK_STATUS(anqa_spawn(&idle_opts, &again, NULL), ANQA_E_LIMIT);
    CHECK_STATUS(anqa_send(pids[count - 1], "?", anqa_nothing()), ANQA_OK); /* all else goes on */
    CHECK_STATUS(anqa_rt_spawn(rt, &idle_opts, &again), ANQA_E_LIMIT);
    anqa_detach();
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text); /* its slot stays its place's */
    for (uint32_t i = 0; i < count; i++)
        anqa_exit_signal(pids[i], ANQA_KILL);
    spawn_again(&again);
    anqa_exit_signal(again, ANQA_KILL);
    free(pids);
    rt_close(rt);
}

TEST(a_small_limit_on_processes_is_reached_to_the_letter)
{
    static const uint32_t limits[] = {2, 3, 100, 5000};

    for (size_t i = 0; i < ANQA_COUNT(limits); i++)
        reach_process_limit(limits[i], 0);
}

#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__) /* a million takes them minutes */
TEST(the_default_limit_on_processes_is_reached)
{
    reach_process_limit(1048576, 3 * 64);
}
#endif

TEST(attaching_to_a_full_runtime_is_an_error_that_names_the_option)
{
    anqa_error err;
    anqa_rt *rt;
    anqa_pid pid;

    CHECK_STATUS(
        anqa_start(&(anqa_options){.schedulers = 1, .max_processes = 1}, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_rt_spawn(rt, &idle_opts, &pid), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_E_LIMIT);
    CHECK(strstr(err.text, "max_processes is 1") != NULL, "%s", err.text);
    anqa_rt_exit_signal(rt, pid, ANQA_KILL);
    rt_check_empty(rt);
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- tags */

static const char *tag_number(unsigned i)
{
    char text[32];

    snprintf(text, sizeof text, "tag %u", i);
    return anqa_intern(anqa_str_of(text));
}

TEST(the_limit_on_interned_tags_is_reached_and_those_there_are_stay)
{
    enum { TAGS = 65536 };
    anqa_rt *rt = rt_open(1);
    const char *first = tag_number(0);

    for (unsigned i = 1; i < TAGS; i++)
        CHECK(tag_number(i) != NULL, "tag %u", i);
    CHECK(tag_number(TAGS) == NULL);
    CHECK(tag_number(TAGS + 1) == NULL);
    CHECK(tag_number(0) == first);
    CHECK_STR(tag_number(TAGS - 1), "tag 65535");
    CHECK_STATUS(anqa_send(anqa_self(), tag_number(TAGS), anqa_nothing()), ANQA_E_INVALID);
    CHECK_STATUS(anqa_send(anqa_self(), tag_number(TAGS - 1), anqa_nothing()), ANQA_OK);
    anqa_msg_free(rt_expect("tag 65535"));
    CHECK_STATUS(anqa_send(anqa_self(), "a literal", anqa_nothing()), ANQA_OK);
    anqa_msg_free(rt_expect("a literal"));
    rt_close(rt);
}
