/* See harness.h. The linker sends our code's calls to __wrap_x (option --wrap); libc's own calls are not touched. This works
 * the same way under the sanitizers, which define malloc themselves. */
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static struct {
    atomic_bool armed, hit, any_thread, all;
    atomic_long left; /* allocations up to and with the one that fails */
    _Atomic(pthread_t) owner;
} failing;

static bool fails_now(void)
{
    if (!atomic_load_explicit(
            &failing.armed, memory_order_acquire)) /* pairs with harness_alloc_failure_next */
        return false;
    if (atomic_load_explicit(&failing.all, memory_order_relaxed)) {
        errno = ENOMEM;
        return true;
    }
    if (!atomic_load_explicit(&failing.any_thread, memory_order_relaxed) &&
        !pthread_equal(atomic_load_explicit(&failing.owner, memory_order_relaxed), pthread_self()))
        return false;
    if (atomic_fetch_sub_explicit(&failing.left, 1, memory_order_relaxed) != 1)
        return false;
    atomic_store_explicit(&failing.hit, true, memory_order_relaxed);
    errno = ENOMEM;
    return true;
}

bool harness_alloc_failure_next(struct harness_alloc_failure *failure, bool any_thread)
{
    enum { MAX_ROUNDS = 1000000 };

    harness_alloc_failure_done(NULL);
    if (failure->round > 0 && !atomic_load_explicit(&failing.hit, memory_order_relaxed))
        return false;
    if (++failure->round > MAX_ROUNDS)
        ANQA_FAIL("EACH_ALLOC_FAILURE does not end");
    atomic_store_explicit(&failing.owner, pthread_self(), memory_order_relaxed);
    atomic_store_explicit(&failing.all, false, memory_order_relaxed);
    atomic_store_explicit(&failing.hit, false, memory_order_relaxed);
    atomic_store_explicit(&failing.any_thread, any_thread, memory_order_relaxed);
    atomic_store_explicit(&failing.left, failure->round, memory_order_relaxed);
    atomic_store_explicit(&failing.armed, true, memory_order_release); /* pairs with fails_now */
    return true;
}

void harness_alloc_failure_done(struct harness_alloc_failure *failure)
{
    atomic_store_explicit(&failing.armed, false, memory_order_relaxed);
}

void harness_out_of_memory(bool on)
{
    atomic_store_explicit(&failing.all, on, memory_order_relaxed);
    atomic_store_explicit(&failing.armed, on, memory_order_release); /* pairs with fails_now */
}

/* A test that leaves the loop by its end must not fail the end checks' allocations; of all that run then it is the last. */
static void stop_failing(void)
{
    harness_out_of_memory(false);
}

static __attribute__((constructor)) void register_end(void)
{
    anqa_test_at_end(stop_failing);
}

#define WRAP(type, name, fail_value, parameters, arguments)        \
    type __real_##name parameters;                                 \
    type __wrap_##name parameters;                                 \
    type __wrap_##name parameters                                  \
    {                                                              \
        return fails_now() ? fail_value : __real_##name arguments; \
    }

WRAP(void *, malloc, NULL, (size_t size), (size))
WRAP(void *, calloc, NULL, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, NULL, (void *old, size_t size), (old, size))
WRAP(void *, reallocarray, NULL, (void *old, size_t count, size_t size), (old, count, size))
WRAP(void *, aligned_alloc, NULL, (size_t align, size_t size), (align, size))
WRAP(int, posix_memalign, ENOMEM, (void **ret, size_t align, size_t size), (ret, align, size))
WRAP(char *, strdup, NULL, (const char *text), (text))
WRAP(char *, strndup, NULL, (const char *text, size_t len), (text, len))
