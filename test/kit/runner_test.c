/* The runner is tested by itself: most tests here run a program whose tests fail in known ways. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "kit/fixture.h"

TEST(each_kind_of_failure_is_reported_with_its_words)
{
    static const struct {
        const char *fixture, *words;
    } cases[] = {
        {"check", "check failed: 1 > 2 round 7"},
        {"check_eq", "got:  -1"},
        {"check_eq", "want: 18446744073709551615 (0xffffffffffffffff)"},
        {"check_str", "got:  \"a\\x0a\" (2 bytes)"},
        {"check_str", "want: \"a\\\"b\" (3 bytes)"},
        {"check_status", "got:  E_TIMEOUT"},
        {"leaks_fd", "/dev/zero"},
        {"leaks_child", "left behind: a child process"},
        {"never_ends", "no end within the time limit"},
        {"dies", "died of signal 15"},
        {"does_not_die", "expected to die of signal 15"},
        {"does_not_print", "did not print \"the words\""},
        {"exits", "exit status 3, expected 4"},
        {"fails_at_end", "from the end check"},
    };

    for (size_t i = 0; i < ANQA_COUNT(cases); i++)
        fails_with(cases[i].fixture, cases[i].words);
}

#ifdef __SANITIZE_ADDRESS__
TEST(a_leak_of_memory_is_reported)
{
    struct outcome out = run_fixture("leaks_memory", NULL, NULL);

    CHECK(strstr(out.text, "not ok 1 - leaks_memory") != NULL, "%s", out.text);
    CHECK(strstr(out.text, "100 byte(s) leaked") != NULL, "%s", out.text);
}
#endif

TEST(skip_is_a_pass_with_its_reason)
{
    struct outcome out = run_fixture("skips", NULL, NULL);

    CHECK(strstr(out.text, "ok 1 - skips # SKIP reason 3\n") != NULL, "%s", out.text);
    CHECK(WIFEXITED(out.status) && WEXITSTATUS(out.status) == 0);
}

TEST(seed_repeats_a_run)
{
    struct outcome first = run_fixture("prints_a_random", "--seed", "42");
    struct outcome again = run_fixture("prints_a_random", "--seed", "42");
    struct outcome other = run_fixture("prints_a_random", "--seed", "43");
    const char *of_first = strstr(first.text, "check failed"),
               *of_again = strstr(again.text, "check failed"),
               *of_other = strstr(other.text, "check failed");

    CHECK(of_first != NULL && of_again != NULL && of_other != NULL, "%s", first.text);
    CHECK_STR(of_first, of_again);
    CHECK(strcmp(of_first, of_other) != 0);
}

TEST(list_and_unknown_options)
{
    struct outcome out = run_fixture("check_s", "--list", NULL);

    CHECK_STR(out.text, "check_str\ncheck_status\n");
    out = run_fixture("--nonsense", NULL, NULL);
    CHECK(WIFEXITED(out.status) && WEXITSTATUS(out.status) == 2);
}

TEST(no_fork_aborts_at_a_failed_check)
{
    struct outcome out = run_fixture("check_eq", "--no-fork", NULL);

    CHECK(WIFSIGNALED(out.status) && WTERMSIG(out.status) == SIGABRT, "%s", out.text);
}

TEST(values_of_different_types_are_compared_by_value)
{
    uint8_t small = 200;
    int64_t same = 200;

    CHECK_EQ(small, same);
    CHECK_EQ((int8_t)-1, (int64_t)-1);
    CHECK_EQ(true, 1u);
    CHECK_EQ(ANQA_OK, 0);
    CHECK_STR((const char *)NULL, NULL);
    CHECK_STR("x", anqa_str_make("xy", 1));
    CHECK(anqa_test_int_order_(ANQA_TEST_INT_(-1), ANQA_TEST_INT_(UINT32_MAX)) < 0);
    CHECK(!anqa_test_text_eq_(ANQA_TEST_TEXT_(""), ANQA_TEST_TEXT_((const char *)NULL)));
}

TEST(expected_death, .expect_signal = SIGABRT, .expect_stderr = "last words")
{
    fputs("last words\n", stderr);
    abort();
}

TEST(expected_fault, .expect_signal = SIGSEGV)
{
    volatile int *nowhere = (volatile int *)(uintptr_t)4096;
    raise(*nowhere);
}

TEST(expected_exit_status, .expect_exit = 3)
{
    exit(3);
}
