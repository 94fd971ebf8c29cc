/* Supervisors that end because significant children have. */
#include "children.h"

#include <string.h>

#define SIGNIFICANT(name, type) \
    {.id = (name), .server = &worker, .restart = (type), .significant = true}
#define AB_AND_C(type)                                                                      \
    (const anqa_child_spec[])                                                               \
    {                                                                                       \
        SIGNIFICANT("a", type), SIGNIFICANT("b", type), {.id = "c", .server = &worker}, {0} \
    }

static const anqa_supervisor any_transient = {
    .auto_shutdown = ANQA_ANY_SIGNIFICANT, .children = AB_AND_C(ANQA_TRANSIENT)};
static const anqa_supervisor any_temporary = {
    .auto_shutdown = ANQA_ANY_SIGNIFICANT, .children = AB_AND_C(ANQA_TEMPORARY)};
static const anqa_supervisor all_transient = {
    .auto_shutdown = ANQA_ALL_SIGNIFICANT, .children = AB_AND_C(ANQA_TRANSIENT)};
static const anqa_supervisor all_temporary = {
    .auto_shutdown = ANQA_ALL_SIGNIFICANT, .children = AB_AND_C(ANQA_TEMPORARY)};

/* ---------------------------------------------------------------- any */

TEST(any_significant_child_that_ends_normally_takes_the_supervisor_with_it)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&any_transient);

    CHECK_STR(news(3), "+a +b +c");
    crash_is_the_end(sup, "a", "normal", "-a -c -b");
    sup = start(&any_transient);
    CHECK_STR(news(3), "+a +b +c");
    crash_is_the_end(sup, "b", "shutdown", "-b -c -a");
    end(rt);
}

TEST(a_transient_child_that_crashes_is_restarted_and_does_not_count)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&any_transient);

    CHECK_STR(news(3), "+a +b +c");
    crash_is_survived(sup, "a", "boom", "-a +a");
    end(rt);
}

TEST(a_temporary_significant_child_counts_whatever_its_reason)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&any_temporary);

    CHECK_STR(news(3), "+a +b +c");
    crash_is_the_end(sup, "b", "boom", "-b -c -a");
    end(rt);
}

TEST(the_end_of_a_child_that_is_not_significant_does_not_count)
{
    static const anqa_child_spec d = {.id = "d", .server = &worker, .restart = ANQA_TEMPORARY};
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&any_temporary), pid;

    CHECK_STR(news(3), "+a +b +c");
    CHECK_STATUS(anqa_supervisor_start_child(sup, &d, &pid, NULL), ANQA_OK);
    CHECK_STR(news(1), "+d");
    crash_is_survived(sup, "d", "normal", "-d");
    end(rt);
}

/* ---------------------------------------------------------------- all */

TEST(all_significant_children_must_end_when_the_spec_says_all)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&all_temporary);

    CHECK_STR(news(3), "+a +b +c");
    crash_is_survived(sup, "a", "boom", "-a");
    crash_is_the_end(sup, "b", "normal", "-b -c");
    sup = start(&all_transient);
    CHECK_STR(news(3), "+a +b +c");
    crash_is_survived(sup, "b", "normal", "-b");
    crash_is_survived(sup, "a", "boom", "-a +a");
    crash_is_the_end(sup, "a", "normal", "-a -c");
    end(rt);
}

static const anqa_supervisor waiting = {.auto_shutdown = ANQA_ALL_SIGNIFICANT,
    .children = (const anqa_child_spec[]){SIGNIFICANT("a", ANQA_TRANSIENT),
        {.id = "b",
            .server = &worker,
            .restart = ANQA_TRANSIENT,
            .significant = true,
            .backoff = {.first_ms = 60000, .max_ms = 60000}},
        {0}}};

TEST(a_significant_child_that_waits_to_be_restarted_has_not_ended)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&waiting);

    CHECK_STR(news(2), "+a +b");
    crash_is_survived(sup, "b", "boom", "-b");
    crash_is_survived(sup, "a", "normal", "-a");
    CHECK_EQ(info_of(sup, "b").state, ANQA_CHILD_RESTARTING);
    end(rt);
}

/* ---------------------------------------------------------------- what the supervisor does itself */

TEST(a_significant_child_that_is_terminated_does_not_count)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&any_transient);

    CHECK_STR(news(3), "+a +b +c");
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "a", NULL), ANQA_OK);
    CHECK_STR(news(1), "-a");
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "b", NULL), ANQA_OK);
    CHECK_STR(news(1), "-b");
    settle(sup);
    kill_and_wait(sup);
    CHECK_STR(news(1), "-c");
    end(rt);
}

TEST(of_all_significant_children_those_that_were_terminated_are_not_waited_for)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&all_transient);

    CHECK_STR(news(3), "+a +b +c");
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "a", NULL), ANQA_OK);
    CHECK_STR(news(1), "-a");
    crash_is_the_end(sup, "b", "normal", "-b -c");
    end(rt);
}

static const anqa_supervisor along = {.strategy = ANQA_ONE_FOR_ALL,
    .auto_shutdown = ANQA_ANY_SIGNIFICANT,
    .children = (const anqa_child_spec[]){
        SIGNIFICANT("a", ANQA_TEMPORARY), {.id = "b", .server = &worker}, {0}}};

TEST(a_significant_child_that_is_stopped_along_with_another_does_not_count)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&along);

    CHECK_STR(news(2), "+a +b");
    crash_is_survived(sup, "b", "boom", "-b -a +b");
    end(rt);
}

/* ---------------------------------------------------------------- added children, specs, parents */

TEST(a_significant_child_that_is_added_counts)
{
    static const anqa_child_spec d = SIGNIFICANT("d", ANQA_TEMPORARY);
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&any_transient), pid;

    CHECK_STR(news(3), "+a +b +c");
    CHECK_STATUS(anqa_supervisor_start_child(sup, &d, &pid, NULL), ANQA_OK);
    CHECK_STR(news(1), "+d");
    crash_is_the_end(sup, "d", "normal", "-d -c -b -a");
    end(rt);
}

static const anqa_supervisor never = {
    .name = "s", .children = (const anqa_child_spec[]){{.id = "c", .server = &worker}, {0}}};

static const struct {
    anqa_child_spec child;
    const anqa_supervisor *in;
    const char *error;
} refused[] = {
    {SIGNIFICANT("d", ANQA_TEMPORARY), &never,
        "child 'd' of s is significant, but auto_shutdown is never: set .auto_shutdown, or drop "
        ".significant"},
    {SIGNIFICANT("d", ANQA_PERMANENT), &any_transient,
        "child 'd' of the supervisor is significant and permanent: it would never end for good; "
        "make it transient or temporary"},
};

TEST(a_significant_child_is_refused_where_it_could_not_count)
{
    anqa_rt *rt = begin_here();
    anqa_error err;
    anqa_pid pid;

    for (size_t i = 0; i < ANQA_COUNT(refused); i++) {
        anqa_pid sup = start(refused[i].in);
        CHECK_STATUS(
            anqa_supervisor_start_child(sup, &refused[i].child, &pid, &err), ANQA_E_INVALID);
        CHECK_STR(err.text, refused[i].error);
        CHECK(anqa_pid_is_none(child(sup, "d")));
    }
    end(rt);
}

#define BELOW(type)                                                               \
    {                                                                             \
        .children = (const anqa_child_spec[])                                     \
        {                                                                         \
            {.id = "below", .supervisor = &any_transient, .restart = (type)}, {0} \
        }                                                                         \
    }

static const anqa_supervisor above_permanent = BELOW(ANQA_PERMANENT);
static const anqa_supervisor above_transient = BELOW(ANQA_TRANSIENT);

TEST(a_supervisor_that_has_ended_so_is_restarted_only_if_it_is_permanent)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&above_permanent);

    CHECK_STR(news(3), "+a +b +c");
    crash_gives(child(sup, "below"), "a", "normal", "-a -c -b +a +b +c");
    kill_and_wait(sup);
    (void)news(3);
    sup = start(&above_transient);
    CHECK_STR(news(3), "+a +b +c");
    crash_gives(child(sup, "below"), "a", "normal", "-a -c -b");
    while (info_of(sup, "below").state != ANQA_CHILD_ENDED)
        anqa_yield();
    CHECK(no_news());
    end(rt);
}
