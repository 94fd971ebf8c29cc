/* What harness.h adds to the kit: allocations that fail. */
#include "harness.h"

#include <pthread.h>
#include <stdlib.h>

/* Three allocations; keeps no memory whatever fails. */
static bool allocate_three(void)
{
    char *a = malloc(10), *b = NULL;
    void *c = NULL;
    bool done = false;

    if (a == NULL)
        return false;
    b = strdup("text");
    if (b != NULL && posix_memalign(&c, 64, 64) == 0)
        done = true;
    free(a);
    free(b);
    free(c);
    return done;
}

TEST(each_alloc_failure_fails_every_allocation_once)
{
    int rounds = 0, done = 0;

    EACH_ALLOC_FAILURE {
        rounds++;
        done += allocate_three();
    }
    CHECK_EQ(rounds, 4);
    CHECK_EQ(done, 1);
    CHECK(allocate_three());
}

TEST(leaving_the_loop_ends_the_failing)
{
    EACH_ALLOC_FAILURE {
        break;
    }
    CHECK(allocate_three());
}

static void *allocate_in_thread(void *ret)
{
    *(bool *)ret = allocate_three();
    return NULL;
}

TEST(allocations_of_other_threads_fail_only_when_asked_for)
{
    pthread_t thread;
    int rounds = 0;
    bool done;

    EACH_ALLOC_FAILURE {
        CHECK_EQ(pthread_create(&thread, NULL, allocate_in_thread, &done), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK(done);
        rounds++;
    }
    CHECK_EQ(rounds, 1);
    rounds = 0;
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        CHECK_EQ(pthread_create(&thread, NULL, allocate_in_thread, &done), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        rounds++;
    }
    CHECK_EQ(rounds, 4);
}

static void *allocate(void *ret_piece)
{
    *(void **)ret_piece = malloc(10);
    return NULL;
}

TEST(out_of_memory_every_thread_gets_none_until_it_is_over)
{
    for (unsigned i = 0; i < 2; i++) {
        bool out = i == 0;
        void *here, *there = NULL;
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, allocate, &there), 0);
        pthread_join(thread, NULL);
        CHECK(there != NULL);
        free(there);
        harness_out_of_memory(out);
        CHECK_EQ(pthread_create(&thread, NULL, allocate, &there), 0);
        pthread_join(thread, NULL);
        allocate(&here);
        harness_out_of_memory(false);
        CHECK_EQ(here == NULL, out);
        CHECK_EQ(there == NULL, out);
        free(here);
        free(there);
    }
}
