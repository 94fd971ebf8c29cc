/**
 * harness.h - the tests of this tree: the public kit (anqa/test.h) with short names, and allocations that fail.
 *
 *     TEST(a_slice_is_cut_to_what_is_there)
 *     {
 *         anqa_buf buf = anqa_buf_static("hello", 5);
 *         CHECK_EQ(anqa_buf_slice(buf, 3, 100).len, 2);
 *     }
 *
 * A TEST has no runtime but what it starts for itself: most tests here are about runtimes.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <anqa/test.h>

#include <assert.h>
#include <signal.h>

#define TEST ANQA_TEST_PLAIN

#define CHECK ANQA_ASSERT
#define CHECK_EQ ANQA_ASSERT_EQ
#define CHECK_STR ANQA_ASSERT_STR
#define CHECK_STATUS ANQA_ASSERT_STATUS
#define SKIP ANQA_SKIP

#define harness_random anqa_test_random
#define harness_slowness anqa_test_slowness
#define harness_at_end anqa_test_at_end

/* Long enough for what must come, on a machine that is busy too: reaching it is a failure. */
#define HARNESS_LONG_MS (20000u * harness_slowness())

/* ---------------------------------------------------------------- failing allocations */

/**
 * Runs its body again and again: the first allocation of it fails, then the second, and so on, until the body ran
 * without reaching the one that was to fail. Only calls from our code on the body's own thread count.
 *
 *     EACH_ALLOC_FAILURE {
 *         anqa_status s = thing_new(&thing);
 *         CHECK(s == ANQA_OK || s == ANQA_E_NOMEM);
 *         if (s == ANQA_OK)
 *             thing_free(thing);
 *     }
 */
#define EACH_ALLOC_FAILURE HARNESS_EACH_ALLOC_FAILURE(false)

/** As EACH_ALLOC_FAILURE, counting the allocations of all threads. */
#define EACH_ALLOC_FAILURE_IN_ANY_THREAD HARNESS_EACH_ALLOC_FAILURE(true)

/** From now on, until it is called with false or the test ends, every allocation of our code fails, in all threads. */
void harness_out_of_memory(bool on);

struct harness_alloc_failure {
    long round; /* the allocation that fails, from 1 */
};

bool harness_alloc_failure_next(struct harness_alloc_failure *failure, bool any_thread);
void harness_alloc_failure_done(struct harness_alloc_failure *failure);

#define HARNESS_EACH_ALLOC_FAILURE(any)                              \
    for (struct harness_alloc_failure alloc_failure_                 \
         __attribute__((cleanup(harness_alloc_failure_done))) = {0}; \
        harness_alloc_failure_next(&alloc_failure_, any);)

#endif
