/* Tests that fail, one in each way there is; harness_test runs them and reads what the harness says. */
#include "harness.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TEST(check)
{
    CHECK(1 > 2, "round %d", 7);
}

TEST(check_eq)
{
    CHECK_EQ(-1, UINT64_MAX);
}

TEST(check_str)
{
    CHECK_STR("a\n", anqa_str_of("a\"b"));
}

TEST(check_status)
{
    CHECK_STATUS(ANQA_E_TIMEOUT, ANQA_OK);
}

TEST(leaks_fd)
{
    CHECK(open("/dev/zero", O_RDONLY | O_CLOEXEC) >= 0);
}

TEST(leaks_child)
{
    if (fork() == 0) {
        pause();
        _exit(0);
    }
}

static void *volatile leaked;

TEST(leaks_memory)
{
    leaked = malloc(100);
    leaked = NULL;
}

TEST(never_ends, .timeout_ms = 50)
{
    for (;;)
        pause();
}

TEST(dies)
{
    raise(SIGTERM);
}

TEST(does_not_die, .expect_signal = SIGTERM)
{
}

TEST(does_not_print, .expect_stderr = "the words")
{
    fputs("other words\n", stderr);
}

TEST(exits, .expect_exit = 4)
{
    exit(3);
}

static void fail_at_end(void)
{
    CHECK(false, "from the end check");
}

TEST(fails_at_end)
{
    harness_at_end(fail_at_end);
}

TEST(prints_a_random_number)
{
    CHECK(false, "%" PRIu64, harness_random());
}

TEST(skips)
{
    SKIP("reason %d", 3);
}
