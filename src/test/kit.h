/*
 * What the files of the kit share. The kit is a library of its own, anqa_test, which tests are linked with and programs
 * are not; it needs the static library, as it looks into the runtime.
 */
#ifndef TEST_KIT_H
#define TEST_KIT_H

/* IWYU pragma: begin_exports */
#include <anqa/test.h>
/* IWYU pragma: end_exports */

/* What the runner's arguments say, and the test that this process runs. */
struct kit {
    bool no_fork, verbose, list;
    const char *filter; /* part of a name, or NULL */
    uint64_t seed;
    uint32_t runs;
    uint64_t random; /* state of anqa_test_random */
    const anqa_test_case *test;
    char *skip_reason; /* shared with the child */
};

extern struct kit kit;

enum { KIT_EXIT_FAILED = 1, KIT_EXIT_SKIPPED = 77, KIT_SKIP_REASON_SIZE = 512 };

/* Ends the process of a test that has failed and said why. */
ANQA_NORETURN void kit_end_failed(void);
/* The whole life of a test, in the process that runs it. seed: of this run. */
void kit_run(const anqa_test_case *test, uint64_t seed);

#endif
