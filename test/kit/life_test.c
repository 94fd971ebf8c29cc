/* How a test ends, what it may leave behind, and what its seed decides. */
#include "harness.h"

#include "kit/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

TEST(a_test_that_does_not_end_well_says_how)
{
    static const struct {
        const char *fixture, *words;
    } cases[] = {
        {"leaves_a_process", "left behind: process <0."},
        {"leaves_a_process", "a straggler"},
        {"leaves_a_process_with_threads", "a straggler"},
        {"waits_for_nothing", "stuck: the test waits for what can not come"},
        {"spins", "no end within the time limit"},
        {"ends_early", "the test's process ended: error: enough"},
        {"breaks_a_contract", "the test's process ended: contract:"},
        {"faults", "the test's process ended: fault: SIGSEGV"},
        {"dies_by_a_link", "the test's process ended: error: the linked one"},
        {"does_not_stop", "supervised child 'stubborn' did not stop in order: killed"},
        {"does_not_start", "anqa_start_supervised: "},
        {"does_not_start", "not today"},
        {"app_does_not_start", "anqa_test_start_app: application 'shop'"},
        {"fails_in_another_process", "check failed: 1 == 2 in another process"},
        {"stops_what_is_not_there", "no supervised child 'nobody'"},
        {"injects_too_often", "at most 64 injections at a time"},
        {"fake_time_with_threads", "anqa_test_advance is for deterministic tests"},
    };

    for (size_t i = 0; i < ANQA_COUNT(cases); i++)
        fails_with(cases[i].fixture, cases[i].words);
}

/* What the fixture printed before it failed. */
static const char *order_of(const char *seed)
{
    static char orders[3][64];
    static unsigned count;
    struct outcome out = run_fixture("order_depends_on_the_seed", "--seed", seed);
    const char *fails = strstr(out.text, "check failed"), *line = fails;

    CHECK(fails != NULL, "%s", out.text);
    while (line > out.text && *line != '#')
        line--;
    return strncpy(orders[count++ % 3], line, 40);
}

TEST(a_seed_repeats_the_order_of_all_that_runs)
{
    const char *first = order_of("1"), *again = order_of("1"), *other = order_of("2");

    CHECK_STR(first, again);
    CHECK(strcmp(first, other) != 0, "%s and %s", first, other);
}

TEST(runs_try_seeds_until_one_fails_which_is_named)
{
    struct outcome out = run_fixture("fails_at_times", "--runs", "60");
    const char *seed = strstr(out.text, "seed ");
    char text[32] = "";

    CHECK(WIFEXITED(out.status) && WEXITSTATUS(out.status) == 1, "%s", out.text);
    CHECK(seed != NULL && sscanf(seed, "seed %31[0-9]", text) == 1, "%s", out.text);
    out = run_fixture("fails_at_times", "--seed", text);
    CHECK(WIFEXITED(out.status) && WEXITSTATUS(out.status) == 1, "%s", out.text);
    CHECK(strstr(out.text, text) != NULL, "%s", out.text);
}

TEST(zero_runs_are_refused)
{
    struct outcome out = run_fixture("fails_at_times", "--runs", "0");

    CHECK(WIFEXITED(out.status) && WEXITSTATUS(out.status) == 2, "%s", out.text);
}
