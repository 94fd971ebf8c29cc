/* Partition supervisors: each rule that is promised, by name. */
#include "support.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- the least that a user writes */

struct counter {
    int64_t count;
};

static anqa_next counter_add(void *state, anqa_msg *msg)
{
    struct counter *counter = state;

    counter->count++;
    return anqa_reply(anqa_jsonf("%" PRId64, counter->count));
}

static const anqa_gen_server counter = {.state_size = sizeof(struct counter),
    .handle_call = (const anqa_handler[]){{"add", counter_add}, {0}}};

static const anqa_partition_supervisor counters = {
    .name = "counters", .child = {.server = &counter}};

static const anqa_supervisor shop = {
    .children = (const anqa_child_spec[]){{.partition_supervisor = &counters}, {0}}};

TEST(a_key_leads_to_the_same_partition_every_time)
{
    anqa_rt *rt = begin();
    anqa_pid sup;

    CHECK_STATUS(anqa_supervisor_start_link(&shop, &sup, NULL), ANQA_OK);
    for (int i = 1; i <= 3; i++) {
        anqa_pid pid = anqa_partition_pid(&counters, anqa_str_of("user:17"));
        CHECK_STR(anqa_json_text(anqa_call(pid, "add", NOTHING, ANQA_CALL_TIMEOUT_MS)),
            anqa_tmp_printf("%d", i));
    }
    end(rt);
}

/* ---------------------------------------------------------------- partitions that tell the test what they do */

struct part {
    int number, answer;
};

static anqa_pid observer;
static _Atomic(int) fails_at = -1, ignores_at = -1; /* inits of that partition */

static void report_id(const char *tag)
{
    anqa_str id = anqa_child_id();

    report(observer, tag, anqa_tmp_printf("%.*s", ANQA_FMT(id)));
}

static anqa_next part_init(void *state, const void *arg)
{
    struct part *part = state;

    *part = *(const struct part *)arg;
    if (part->number == atomic_load(&fails_at))
        return anqa_stop_with(anqa_error_reason("a bad day"));
    if (part->number == atomic_load(&ignores_at))
        return anqa_ignore();
    report_id("start");
    return anqa_noreply();
}

static void part_terminate(void *state, anqa_reason reason)
{
    report_id("stop");
}

static anqa_next part_sum(void *state, anqa_msg *msg)
{
    const struct part *part = state;

    return anqa_reply(anqa_jsonf("%d", part->number + part->answer));
}

static anqa_next part_crash(void *state, anqa_msg *msg)
{
    return anqa_stop_with(anqa_error_reason("boom"));
}

static const anqa_gen_server part_server = {.state_size = sizeof(struct part),
    .arg_size = sizeof(struct part),
    .init = part_init,
    .terminate = part_terminate,
    .trap_exit = true,
    .handle_call = (const anqa_handler[]){{"sum", part_sum}, {0}},
    .handle_cast = (const anqa_handler[]){{"crash", part_crash}, {0}}};

static void number_it(void *arg, uint32_t partition)
{
    ((struct part *)arg)->number = (int)partition;
}

static const struct part forty = {.answer = 40};

#define PARTS .child = {.server = &part_server, .arg = &forty}, .with_argument = number_it

static const anqa_partition_supervisor four = {.name = "four", .partitions = 4, PARTS};
static const anqa_partition_supervisor four_for_all = {
    .name = "four", .partitions = 4, .strategy = ANQA_ONE_FOR_ALL, PARTS};
static const anqa_partition_supervisor one_each = {.name = "one_each", PARTS};

static anqa_rt *begin_here(void)
{
    anqa_rt *rt = begin();

    observer = anqa_self();
    return rt;
}

static anqa_pid start(const anqa_partition_supervisor *spec)
{
    anqa_pid pid = {0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_partition_supervisor_start_link(spec, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

/* The next ones of that tag are these, "0 1 2". */
static void comes(const char *tag, const char *expected)
{
    char text[64] = "";

    for (size_t i = 0; i < strlen(expected); i += 2)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i == 0 ? "" : " ",
            expect_text(tag));
    CHECK_STR(text, expected, "%s", tag);
}

static const char *sum_of(anqa_pid pid)
{
    anqa_json json = anqa_call(pid, "sum", NOTHING, ANQA_CALL_TIMEOUT_MS);

    return anqa_tmp_printf("%.*s", (int)json.len, json.ptr);
}

static size_t active(anqa_pid sup)
{
    anqa_child_counts counts;

    CHECK_STATUS(anqa_supervisor_count_children(sup, &counts), ANQA_OK);
    CHECK_EQ(counts.specs, counts.workers);
    return counts.active;
}

/* The partition runs again, as another process than before. */
struct successor {
    const anqa_partition_supervisor *spec;
    int64_t number;
    anqa_pid before;
};

static bool has_come(void *arg)
{
    const struct successor *successor = arg;
    anqa_pid pid = anqa_partition_pid_int(successor->spec, successor->number);

    return !anqa_pid_is_none(pid) && !anqa_pid_eq(pid, successor->before);
}

/* ---------------------------------------------------------------- starting */

TEST(there_are_as_many_as_schedulers_unless_the_spec_says_how_many)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&one_each);

    comes("start", "0 1");
    CHECK_EQ(anqa_partition_count(&one_each), 2);
    CHECK_EQ(active(sup), 2);
    sup = start(&four);
    comes("start", "0 1 2 3");
    CHECK_EQ(anqa_partition_count(&four), 4);
    CHECK_EQ(active(sup), 4);
    end(rt);
}

TEST(each_partition_gets_the_argument_that_is_made_for_it)
{
    anqa_rt *rt = begin_here();

    (void)start(&four);
    for (int i = 0; i < 4; i++)
        CHECK_STR(sum_of(anqa_partition_pid_int(&four, i)), anqa_tmp_printf("%d", 40 + i));
    CHECK_EQ(forty.number, 0);
    end(rt);
}

TEST(partitions_stop_from_the_last_to_the_first_and_then_there_are_none)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&four);

    CHECK_STATUS(anqa_supervisor_stop(sup, ANQA_NORMAL, ANQA_INFINITY), ANQA_OK);
    comes("stop", "3 2 1 0");
    CHECK_EQ(anqa_partition_count(&four), 0);
    CHECK(anqa_pid_is_none(anqa_partition_pid_int(&four, 1)));
    (void)start(&four); /* and again */
    CHECK_EQ(anqa_partition_count(&four), 4);
    end(rt);
}

TEST(a_partition_that_fails_to_start_stops_those_before_it_and_fails_the_supervisor)
{
    anqa_rt *rt = begin_here();
    anqa_error err;
    anqa_pid sup;

    atomic_store(&fails_at, 2);
    CHECK_STATUS(anqa_partition_supervisor_start_link(&four, &sup, &err), ANQA_E_STOPPED);
    CHECK_STR(err.text, "child '2' failed to start: error: a bad day");
    comes("stop", "1 0");
    CHECK(anqa_pid_is_none(anqa_partition_pid_int(&four, 0)));
    end(rt);
}

TEST(a_second_supervisor_of_that_name_is_refused_and_the_first_goes_on)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&four), second;

    CHECK_STATUS(anqa_partition_supervisor_start_link(&four, &second, NULL), ANQA_E_EXISTS);
    CHECK_EQ(anqa_partition_count(&four), 4);
    CHECK_STR(sum_of(anqa_partition_pid_int(&four, 3)), "43");
    CHECK(anqa_is_alive(sup));
    end(rt);
}

/* ---------------------------------------------------------------- routing */

static const struct {
    int64_t key;
    const char *sum;
} integers[] = {{0, "40"}, {1, "41"}, {3, "43"}, {4, "40"}, {-1, "41"}, {-6, "42"},
    {INT64_MAX, "43"}, {INT64_MIN, "40"}};

TEST(an_integer_leads_to_its_absolute_value_modulo_the_number_of_partitions)
{
    anqa_rt *rt = begin_here();

    (void)start(&four);
    for (size_t i = 0; i < ANQA_COUNT(integers); i++)
        CHECK_STR(sum_of(anqa_partition_pid_int(&four, integers[i].key)), integers[i].sum,
            "%" PRId64, integers[i].key);
    end(rt);
}

TEST(texts_are_spread_over_all_partitions)
{
    anqa_rt *rt = begin_here();
    unsigned seen[4] = {0};

    (void)start(&four);
    for (int i = 0; i < 4000; i++) {
        anqa_pid pid = anqa_partition_pid(&four, anqa_str_of(anqa_tmp_printf("user:%d", i)));
        for (int number = 0; number < 4; number++)
            seen[number] += anqa_pid_eq(pid, anqa_partition_pid_int(&four, number));
    }
    for (int number = 0; number < 4; number++)
        CHECK(seen[number] > 800, "partition %d has %u", number, seen[number]);
    CHECK_EQ(seen[0] + seen[1] + seen[2] + seen[3], 4000);
    end(rt);
}

TEST(before_the_supervisor_runs_a_key_leads_to_nobody)
{
    anqa_rt *rt = begin_here();

    CHECK(anqa_pid_is_none(anqa_partition_pid(&four, anqa_str_of("x"))));
    CHECK(anqa_pid_is_none(anqa_partition_pid_int(&four, 0)));
    CHECK_EQ(anqa_partition_count(&four), 0);
    CHECK_STATUS(anqa_partition_supervisor_resize(&four, 2, NULL), ANQA_E_NOPROC);
    end(rt);
}

/* ---------------------------------------------------------------- restarts */

TEST(a_partition_that_ends_is_started_again_under_its_number)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&four);
    struct successor two = {&four, 2, anqa_partition_pid_int(&four, 2)};

    comes("start", "0 1 2 3");
    anqa_cast(two.before, "crash", NOTHING);
    comes("stop", "2");
    comes("start", "2");
    CHECK(soon(has_come, &two));
    CHECK_STR(sum_of(anqa_partition_pid_int(&four, 2)), "42");
    CHECK_EQ(active(sup), 4);
    CHECK(nothing_came("stop"));
    end(rt);
}

TEST(the_strategy_is_the_specs)
{
    anqa_rt *rt = begin_here();

    (void)start(&four_for_all);
    comes("start", "0 1 2 3");
    anqa_cast(anqa_partition_pid_int(&four_for_all, 1), "crash", NOTHING);
    comes("stop", "1 3 2 0");
    comes("start", "0 1 2 3");
    end(rt);
}

TEST(the_fourth_end_within_five_seconds_is_one_too_many)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&four);
    const anqa_msg *exit;

    comes("start", "0 1 2 3");
    for (int i = 0; i < 3; i++) {
        struct successor one = {&four, 1, anqa_partition_pid_int(&four, 1)};
        anqa_cast(one.before, "crash", NOTHING);
        comes("start", "1");
        CHECK(soon(has_come, &one));
    }
    anqa_cast(anqa_partition_pid_int(&four, 0), "crash", NOTHING);
    exit = expect("EXIT");
    CHECK(anqa_pid_eq(exit->from, sup));
    CHECK_EQ(anqa_reason_get_kind(exit->u.reason), ANQA_REASON_SHUTDOWN);
    CHECK_EQ(anqa_partition_count(&four), 0);
    end(rt);
}

static const anqa_supervisor above = {
    .children = (const anqa_child_spec[]){{.partition_supervisor = &four}, {0}}};

TEST(after_the_supervisor_is_killed_and_started_again_keys_lead_to_the_new_partitions)
{
    anqa_rt *rt = begin_here();
    struct successor three = {&four, 3, {0}};
    anqa_pid top;

    CHECK_STATUS(anqa_supervisor_start_link(&above, &top, NULL), ANQA_OK);
    three.before = anqa_partition_pid_int(&four, 3);
    kill_and_wait(anqa_whereis("four"));
    CHECK(soon(has_come, &three));
    CHECK_STR(sum_of(anqa_partition_pid_int(&four, 3)), "43");
    end(rt);
}

/* ---------------------------------------------------------------- resizing */

TEST(partitions_become_fewer_and_as_many_again_as_there_were_at_the_start)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&four);
    anqa_error err;

    comes("start", "0 1 2 3");
    CHECK_STATUS(anqa_partition_supervisor_resize(&four, 2, &err), ANQA_OK);
    comes("stop", "3 2");
    CHECK_EQ(anqa_partition_count(&four), 2);
    CHECK_EQ(active(sup), 2);
    CHECK_STR(sum_of(anqa_partition_pid_int(&four, 3)), "41");
    CHECK_STATUS(anqa_partition_supervisor_resize(&four, 2, &err), ANQA_OK);
    CHECK_STATUS(anqa_partition_supervisor_resize(&four, 4, &err), ANQA_OK);
    comes("start", "2 3");
    CHECK_STR(sum_of(anqa_partition_pid_int(&four, 3)), "43");
    CHECK(nothing_came("start") && nothing_came("stop"));
    end(rt);
}

TEST(a_size_that_is_zero_or_more_than_at_the_start_is_refused)
{
    anqa_rt *rt = begin_here();
    anqa_error err;

    (void)start(&four);
    CHECK_STATUS(anqa_partition_supervisor_resize(&four, 5, &err), ANQA_E_RANGE);
    CHECK_STR(err.text, "four: 5 partitions, from 1 to 4 are allowed");
    CHECK_STATUS(anqa_partition_supervisor_resize(&four, 0, &err), ANQA_E_RANGE);
    CHECK_EQ(anqa_partition_count(&four), 4);
    end(rt);
}

TEST(a_growth_whose_partition_fails_to_start_leaves_all_as_it_was)
{
    anqa_rt *rt = begin_here();
    anqa_error err;
    anqa_pid sup = start(&four);

    comes("start", "0 1 2 3");
    CHECK_STATUS(anqa_partition_supervisor_resize(&four, 1, &err), ANQA_OK);
    comes("stop", "3 2 1");
    atomic_store(&fails_at, 3);
    CHECK_STATUS(anqa_partition_supervisor_resize(&four, 4, &err), ANQA_E_STOPPED);
    CHECK_STR(err.text, "child '3' failed to start: error: a bad day");
    comes("stop", "2 1");
    CHECK_EQ(anqa_partition_count(&four), 1);
    CHECK_EQ(active(sup), 1);
    CHECK_STR(sum_of(anqa_partition_pid_int(&four, 3)), "40");
    end(rt);
}

/* Names partitions while others change their number. */
static _Atomic(bool) is_over;

static void look_and_look(void *arg)
{
    unsigned found = 0;

    for (int64_t key = 0; !atomic_load(&is_over); key++) {
        found += !anqa_pid_is_none(anqa_partition_pid_int(&four, key));
        CHECK(!anqa_pid_is_none(anqa_partition_pid_int(&four, 0))); /* which always runs */
        if (key % 1000 == 0)
            anqa_yield();
    }
    CHECK(found > 0);
}

TEST(look_ups_go_on_while_the_number_changes)
{
    anqa_rt *rt = begin_here();
    anqa_ref looker;

    (void)start(&four);
    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.run = look_and_look, .monitor = true}, NULL, &looker),
        ANQA_OK);
    for (uint32_t i = 0; i < 200; i++)
        CHECK_STATUS(anqa_partition_supervisor_resize(&four, 1 + i % 4, NULL), ANQA_OK);
    atomic_store(&is_over, true);
    CHECK_EQ(anqa_reason_get_kind(anqa_receive_ref(looker, ANQA_INFINITY)->u.reason),
        ANQA_REASON_NORMAL);
    end(rt);
}

/* ---------------------------------------------------------------- management, specs */

TEST(partitions_are_listed_by_number_and_can_be_terminated_and_restarted)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&four), pid;
    anqa_child_info *children;
    size_t count;

    CHECK_STATUS(anqa_supervisor_which_children(sup, &children, &count), ANQA_OK);
    CHECK_EQ(count, 4);
    CHECK_STR(children[0].id, "3");
    CHECK(anqa_pid_eq(children[0].pid, anqa_partition_pid_int(&four, 3)));
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "3", NULL), ANQA_OK);
    CHECK(anqa_pid_is_none(anqa_partition_pid_int(&four, 3)));
    CHECK_STATUS(anqa_supervisor_restart_child(sup, "3", &pid, NULL), ANQA_OK);
    CHECK(anqa_pid_eq(pid, anqa_partition_pid_int(&four, 3)));
    end(rt);
}

TEST(children_are_neither_added_nor_deleted_one_by_one)
{
    static const anqa_child_spec extra = {.id = "x", .server = &counter};
    anqa_rt *rt = begin_here();
    anqa_pid sup = start(&four), pid;
    anqa_error err;

    CHECK_STATUS(anqa_supervisor_start_child(sup, &extra, &pid, &err), ANQA_E_UNSUPPORTED);
    CHECK_STATUS(anqa_supervisor_terminate_child(sup, "3", NULL), ANQA_OK);
    CHECK_STATUS(anqa_supervisor_delete_child(sup, "3", &err), ANQA_E_UNSUPPORTED);
    CHECK_EQ(active(sup), 3);
    end(rt);
}

TEST(an_ignored_partition_is_nobody_and_the_others_run)
{
    anqa_rt *rt = begin_here();
    anqa_pid sup;

    atomic_store(&ignores_at, 1);
    sup = start(&four);
    CHECK_EQ(active(sup), 3);
    CHECK(anqa_pid_is_none(anqa_partition_pid_int(&four, 1)));
    CHECK_STR(sum_of(anqa_partition_pid_int(&four, 2)), "42");
    end(rt);
}

static const anqa_gen_server named_counter = {.name = "counter"};

static const struct {
    anqa_partition_supervisor spec;
    const char *error;
} contradictions[] = {
    {{.child = {.server = &counter}}, "a partition supervisor needs a .name"},
    {{.name = "p", .partitions = ANQA_PARTITIONS_MAX + 1, .child = {.server = &counter}},
        "partition supervisor 'p': .partitions is 65537, at most 65536 are allowed"},
    {{.name = "p", .child = {.server = &named_counter}},
        "the partitions of partition supervisor 'p' are numbered: leave out the name 'counter'"},
    {{.name = "p", .child = {.server = &counter, .restart = ANQA_TEMPORARY}},
        "a partition of partition supervisor 'p' is temporary: its keys would lead to nobody for "
        "ever"},
    {{.name = "p", .child = {.server = &counter}, .with_argument = number_it},
        "partition supervisor 'p': .with_argument changes a copy, so it goes with an .arg_size"},
    {{.name = "p"}, "child '(partition)' of partition supervisor 'p' starts nothing"},
    {{.name = "p", .child = {.server = &counter}, .strategy = (anqa_strategy)3},
        "supervisor 'p': .strategy or .auto_shutdown is none of those there are"},
};

TEST(a_spec_that_contradicts_itself_is_refused)
{
    anqa_rt *rt = begin_here();
    anqa_error err;
    anqa_pid pid;

    for (size_t i = 0; i < ANQA_COUNT(contradictions); i++) {
        CHECK_STATUS(anqa_partition_supervisor_start_link(&contradictions[i].spec, &pid, &err),
            ANQA_E_INVALID, "%zu", i);
        err.text[strlen(contradictions[i].error)] = '\0';
        CHECK_STR(err.text, contradictions[i].error);
    }
    end(rt);
}

static void run_and_resize(void *arg)
{
    anqa_pid pid;

    anqa_trap_exit(true);
    if (anqa_partition_supervisor_start_link(&four, &pid, NULL) != ANQA_OK)
        return;
    anqa_exit_signal(anqa_partition_pid_int(&four, 1), ANQA_KILL);
    if (anqa_partition_supervisor_resize(&four, 1, NULL) == ANQA_OK &&
        anqa_partition_supervisor_resize(&four, 4, NULL) == ANQA_OK)
        (void)anqa_supervisor_stop(pid, ANQA_NORMAL, ANQA_INFINITY);
}

TEST(without_memory_a_start_or_a_growth_fails_and_nobody_is_left_behind)
{
    live_without_memory(run_and_resize);
}
