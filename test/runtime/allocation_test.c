/*
 * Memory that runs out anywhere between start and stop: a clear error, never a crash. What is promised to others (DOWN,
 * EXIT, a wake-up) can not be given up, so that there the runtime aborts by an ANQA_INVARIANT; such messages come from
 * blocks that are carved 64 at a time out of 256 KB, which is why a single failed allocation does not lead there.
 */
#include <pthread.h>
#include <stdlib.h>

#include "rt_fixture.h"

static void check_error(anqa_status status, const anqa_error *err)
{
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM || status == ANQA_E_LIMIT, "%s",
        anqa_status_name(status));
    if (status != ANQA_OK)
        CHECK(err->text[0] != '\0');
}

static const anqa_options modes[] = {
    {.schedulers = 2},
    {.schedulers = 1, .no_fault_handlers = true},
    {.deterministic = true},
};

TEST(starting_without_memory_fails_with_an_error_that_says_what_was_wanted)
{
    for (size_t i = 0; i < ANQA_COUNT(modes); i++) {
        EACH_ALLOC_FAILURE {
            anqa_error err = {0};
            anqa_rt *rt = NULL;
            anqa_status status = anqa_start(&modes[i], &rt, &err);
            check_error(status, &err);
            CHECK_EQ(rt != NULL, status == ANQA_OK, "mode %zu", i);
            anqa_stop(rt);
        }
    }
}

TEST(attaching_without_memory_fails_and_the_runtime_goes_on)
{
    anqa_rt *rt;

    CHECK_STATUS(anqa_start(&modes[0], &rt, NULL), ANQA_OK);
    EACH_ALLOC_FAILURE {
        anqa_error err = {0};
        anqa_status status = anqa_attach(rt, &err);
        check_error(status, &err);
        anqa_detach();
    }
    rt_check_empty(rt);
    anqa_stop(rt);
}

static const char long_text[2000];

static void wait_for_mail(void *state)
{
    (void)anqa_receive(ANQA_INFINITY);
}

/* On the way any call may fail; what has begun must be ended all the same. */
static void spawn_send_and_end(void)
{
    anqa_ref ref;
    anqa_pid pid;
    anqa_spawn_opts opts = {.run = wait_for_mail,
        .monitor = true,
        .state_size = 5000,
        .label = "labelled",
        .inherit_callers = true,
        .heap_quota = 100000};
    anqa_status status = anqa_spawn(&opts, &pid, &ref);

    if (status != ANQA_OK) {
        CHECK_STATUS(status, ANQA_E_NOMEM);
        return;
    }
    status = anqa_send(pid, "long", anqa_bytes(long_text, sizeof long_text));
    CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
    if (status != ANQA_OK)
        anqa_exit_signal(pid, ANQA_SHUTDOWN);
    (void)rt_ended(ref);
}

TEST(spawning_and_sending_without_memory_fails_and_leaves_nothing_behind)
{
    anqa_rt *rt = rt_open(1);

    EACH_ALLOC_FAILURE {
        spawn_send_and_end();
    }
    rt_close(rt);
}

#if !defined( \
    __SANITIZE_ADDRESS__) /* there every block is a malloc of its own: what must not fail would fail */

TEST(a_whole_life_without_memory_in_deterministic_mode)
{
    EACH_ALLOC_FAILURE {
        anqa_error err = {0};
        anqa_rt *rt = NULL;
        anqa_status status = anqa_start(&modes[2], &rt, &err);
        check_error(status, &err);
        if (status == ANQA_OK) {
            status = anqa_attach(rt, &err);
            check_error(status, &err);
            if (status == ANQA_OK)
                spawn_send_and_end();
            anqa_detach();
        }
        anqa_stop(rt);
    }
}

enum { RELATIONS = 60 };

/* Tables of relations grow by malloc beyond a kilobyte: a process that gets no memory for a link ends. */
static void link_and_monitor_many(void *state)
{
    const anqa_pid *other = state;

    for (unsigned i = 0; i < RELATIONS; i++) {
        (void)anqa_monitor(*other);
        (void)anqa_alias_make(ANQA_ALIAS_EXPLICIT);
        (void)anqa_request(*other, "never answered", anqa_bytes(long_text, sizeof long_text));
    }
    anqa_link(*other);
    anqa_exit(anqa_error_reason("%s", "with a text"));
}

TEST(a_process_that_gets_no_memory_for_a_relation_ends_and_tells_why)
{
    anqa_rt *rt = rt_open(2);
    unsigned refused = 0;

    for (uint16_t i = 1; i <= 2; i++) /* the threads have begun, with all that they need */
        CHECK(rt_have(rt_puppet(&(anqa_spawn_opts){.scheduler = i}), rt_do_nothing, NULL));
    EACH_ALLOC_FAILURE_IN_ANY_THREAD {
        anqa_spawn_opts server = {.run = rt_puppet_run, .trap_exit = true};
        anqa_spawn_opts opts = {
            .run = link_and_monitor_many, .arg_size = sizeof(anqa_pid), .monitor = true};
        anqa_pid pid;
        anqa_ref ref;
        if (anqa_spawn(&server, &pid, NULL) == ANQA_OK) {
            opts.arg = &pid;
            if (anqa_spawn(&opts, NULL, &ref) == ANQA_OK) {
                anqa_reason_kind kind = rt_ended(ref);
                CHECK(
                    kind == ANQA_REASON_ERROR || kind == ANQA_REASON_SYSTEM_LIMIT, "%d", (int)kind);
                refused += kind == ANQA_REASON_SYSTEM_LIMIT;
            }
            anqa_exit_signal(pid, ANQA_KILL);
        }
    }
    CHECK(refused > 0);
    rt_close(rt);
}

#endif
