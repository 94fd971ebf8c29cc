/* What a process may get wrong without harm to anybody else: pids that are none, pointers that lead nowhere, drops. */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <anqa/gen_server.h>
#include <anqa/log.h>

#include "rt_fixture.h"
#include "runtime/sched.h"

/* ---------------------------------------------------------------- pids that are none */

static void expect_exit_from(anqa_pid pid)
{
    const anqa_msg *msg = rt_expect("EXIT");

    CHECK_EQ(msg->from.bits, pid.bits);
    CHECK_EQ(anqa_reason_get_kind(msg->u.reason), ANQA_REASON_NOPROC);
    anqa_msg_free(msg);
}

/* Nobody, to all that takes a pid. The calling process traps exits. */
static void check_is_nobody(anqa_pid pid)
{
    anqa_json answer;
    anqa_ref ref;

    CHECK(!anqa_is_alive(pid));
    CHECK_STATUS(anqa_send(pid, "?", anqa_nothing()), ANQA_E_NOPROC);
    CHECK_STATUS(
        anqa_send_alias((anqa_alias){pid, anqa_make_ref()}, "?", anqa_nothing()), ANQA_E_NOPROC);
    CHECK_EQ(rt_wait_for_end(pid), ANQA_REASON_NOPROC);
    ref = anqa_monitor(pid);
    (void)anqa_demonitor(ref, true);
    CHECK_EQ(rt_ended(anqa_request(pid, "?", anqa_nothing())), ANQA_REASON_NOPROC);
    CHECK_STATUS(anqa_try_call(pid, "?", ANQA_JSON_NULL, RT_LONG_MS, &answer, NULL), ANQA_E_NOPROC);
    anqa_cast(pid, "?", ANQA_JSON_NULL);
    anqa_exit_signal(pid, ANQA_KILL);
    anqa_link(pid);
    expect_exit_from(pid);
    anqa_unlink(pid);
}

TEST(a_pid_of_random_bits_is_nobody_to_everything)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid living = rt_puppet(NULL);

    for (unsigned i = 0; i < 1000; i++) {
        uint64_t random = harness_random();
        const uint64_t forms[] = {
            random, random & 0x00ffffffffffffff,       /* of this node */
            (random & 0xf00000000) | (random >> 40),   /* of slots that are in use */
            living.bits & ~(uint64_t)UINT32_MAX,       /* the generation that there never is */
            living.bits ^ ((uint64_t)1 << random % 64) /* one bit away from the living */
        };
        for (size_t f = 0; f < ANQA_COUNT(forms); f++)
            if (!anqa_is_alive((anqa_pid){forms[f]}))
                check_is_nobody((anqa_pid){forms[f]});
        CHECK(anqa_receive(0) == NULL);
    }
    CHECK(rt_have(living, rt_do_nothing, NULL));
    rt_close(rt);
}

TEST(outsiders_reach_nobody_by_random_bits)
{
    anqa_rt *rt;

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &rt, NULL), ANQA_OK);
    for (unsigned i = 0; i < 10000; i++) {
        anqa_pid pid = {harness_random()};
        CHECK(!anqa_rt_is_alive(rt, pid));
        CHECK_STATUS(anqa_rt_send(rt, pid, "?", anqa_nothing()), ANQA_E_NOPROC);
        anqa_rt_exit_signal(rt, pid, ANQA_KILL);
    }
    rt_check_empty(rt);
    anqa_stop(rt);
}

/* References and pids stand in one table: what looks like one of the first must not change it. */
TEST(a_pid_of_the_bits_of_a_reference_leaves_that_alone)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(NULL);
    anqa_ref ref = anqa_monitor(pid);

    check_is_nobody((anqa_pid){ref.bits});
    anqa_exit_signal(pid, ANQA_SHUTDOWN);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_SHUTDOWN);
    rt_close(rt);
}

TEST(a_link_to_nobody_tells_who_traps_and_ends_who_does_not)
{
    static const anqa_pid nobody;
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(NULL);
    anqa_ref ref = anqa_monitor(pid);

    check_is_nobody(nobody);
    rt_tell(pid, rt_link_to, &nobody);
    CHECK_EQ(rt_ended(ref), ANQA_REASON_NOPROC);
    pid = rt_puppet(NULL);
    CHECK(rt_have(pid, rt_unlink_from, &nobody));
    CHECK(rt_have(pid, rt_do_nothing, NULL));
    rt_close(rt);
}

TEST(a_message_without_a_tag_is_refused)
{
    anqa_rt *rt = rt_open(1);

    CHECK_STATUS(anqa_send(anqa_self(), NULL, anqa_nothing()), ANQA_E_INVALID);
    CHECK_STATUS(anqa_rt_send(rt, anqa_self(), NULL, anqa_nothing()), ANQA_E_INVALID);
    CHECK(anqa_receive(0) == NULL);
    rt_close(rt);
}

/* ---------------------------------------------------------------- pointers that lead nowhere */

struct wild {
    anqa_pid to;
    const char *at;
    size_t len;
};

static void send_wild(void *arg)
{
    const struct wild *wild = arg;

    (void)!anqa_send(wild->to, "wild", anqa_bytes(wild->at, wild->len));
}

static void request_wild(void *arg)
{
    const struct wild *wild = arg;

    (void)anqa_request(wild->to, "wild", anqa_bytes(wild->at, wild->len));
}

static void send_later_wild(void *arg)
{
    const struct wild *wild = arg;

    (void)anqa_send_after(wild->to, "wild", anqa_bytes(wild->at, wild->len), 1);
}

static void spawn_wild_argument(void *arg)
{
    const struct wild *wild = arg;

    (void)!anqa_spawn(
        &(anqa_spawn_opts){.run = rt_do_nothing, .arg = wild->at, .arg_size = wild->len}, NULL,
        NULL);
}

static void spawn_wild_label(void *arg)
{
    const struct wild *wild = arg;

    (void)!anqa_spawn(&(anqa_spawn_opts){.run = rt_do_nothing, .label = wild->at}, NULL, NULL);
}

static void (*const wild_acts[])(void *arg) = {
    send_wild, request_wild, send_later_wild, spawn_wild_argument, spawn_wild_label};

TEST(a_wild_pointer_faults_in_who_hands_it_over_and_nothing_is_taken)
{
    enum { ROUNDS = 100, PAGE = 4096 };
    /* So few that a slot which is lost in each round would be missed. */
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 1, .max_processes = 8});
    char *page = mmap(NULL, (size_t)3 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    anqa_pid to = rt_puppet(NULL);
    anqa_rt_stats before, after;

    CHECK(page != MAP_FAILED);
    CHECK_EQ(mprotect(page + PAGE, PAGE, PROT_NONE), 0);
    const struct wild ways[] = {
        {to, page + PAGE, 10},
        {to, page + PAGE - 20, 40}, /* the first byte is there, the last is not */
        {to, page + PAGE - 20,
            PAGE + 40},                /* as long as a buffer, and the last byte is there again */
        {to, (const char *)0x10, 100}, /* near NULL */
    };
    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK(rt_have(to, rt_do_nothing, NULL));
    anqa_rt_get_stats(rt, &before);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const struct wild *way = &ways[i % ANQA_COUNT(ways)];
        size_t act = i / ANQA_COUNT(ways) % ANQA_COUNT(wild_acts);
        anqa_pid pid;
        if (wild_acts[act] == spawn_wild_label && (way == &ways[1] || way == &ways[2]))
            continue; /* a label that ends before its page does */
        while (anqa_spawn(&(anqa_spawn_opts){.run = rt_puppet_run}, &pid, NULL) == ANQA_E_LIMIT)
            rt_pause(); /* the slot of the one before is on its way back */
        anqa_ref ref = anqa_monitor(pid);
        rt_tell(pid, wild_acts[act], way);
        CHECK_EQ(rt_ended(ref), ANQA_REASON_FAULT, "act %zu way %zu", act, i % ANQA_COUNT(ways));
    }
    CHECK(rt_have(to, rt_do_nothing, NULL));
    CHECK_STATUS(anqa_send(to, "sane", anqa_bytes("sane", 4)), ANQA_OK);
    for (uint64_t end = rt_clock_us() + RT_LONG_MS * 1000ull;;) { /* the last is on its way out */
        CHECK(anqa_receive(0) == NULL); /* reads what it said when it ended */
        anqa_rt_get_stats(rt, &after);
        if ((after.processes == before.processes && after.messages == before.messages + 1) ||
            rt_clock_us() >= end)
            break;
        rt_pause();
    }
    CHECK_EQ(after.processes, before.processes);
    CHECK_EQ(after.messages, before.messages + 1);
    munmap(page, (size_t)3 * PAGE);
    rt_close(rt);
}

/* ---------------------------------------------------------------- calls that fail */

static void fail_calls(void *arg)
{
    anqa_rt_stats before, after;
    anqa_json answer;

    anqa_rt_get_stats(anqa_rt_self(), &before);
    for (unsigned i = 0; i < 100; i++)
        CHECK_STATUS(
            anqa_try_call(*(anqa_pid *)arg, "?", ANQA_JSON_NULL, RT_LONG_MS, &answer, NULL),
            ANQA_E_NOPROC);
    anqa_rt_get_stats(anqa_rt_self(), &after);
    CHECK(after.messages <= before.messages + 1, "%" PRIu64 " are held", after.messages);
}

TEST(a_call_that_fails_holds_no_message)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid dead = rt_dead();

    CHECK(rt_have(rt_puppet(NULL), fail_calls, &dead));
    fail_calls(&dead);
    rt_close(rt);
}

/* ---------------------------------------------------------------- drops */

static anqa_rt *dropping_rt;
static unsigned dropped;

static void must_be_free(pthread_mutex_t *lock)
{
    CHECK_EQ(pthread_mutex_trylock(lock), 0);
    pthread_mutex_unlock(lock);
}

static void drop_without_locks(void *object)
{
    must_be_free(&dropping_rt->outside_lock);
    must_be_free(&dropping_rt->slot_lock);
    must_be_free(&dropping_rt->qsbr_lock);
    must_be_free(&dropping_rt->local_lock);
    must_be_free(&dropping_rt->depot.lock);
    dropped++;
    free(object);
}

static const anqa_type cautious = {.name = "cautious", .size = 8, .drop = drop_without_locks};

/* Both ways of sending, to the dead and to nobody. */
TEST(a_message_to_the_dead_drops_its_object_outside_of_all_locks)
{
    anqa_pid to[2] = {{0}};

    dropping_rt = rt_open(1);
    to[1] = rt_dead();
    for (size_t i = 0; i < ANQA_COUNT(to); i++) {
        dropped = 0;
        CHECK_STATUS(anqa_send(to[i], "?", anqa_moved(&cautious, malloc(8))), ANQA_E_NOPROC);
        CHECK_EQ(dropped, 1);
        CHECK_STATUS(
            anqa_rt_send(dropping_rt, to[i], "?", anqa_moved(&cautious, malloc(8))), ANQA_E_NOPROC);
        CHECK_EQ(dropped, 2);
        anqa_cast_payload(to[i], "?", anqa_moved(&cautious, malloc(8)));
        CHECK_EQ(dropped, 3);
    }
    rt_close(dropping_rt);
}

/* ---------------------------------------------------------------- attaching without descriptors */

TEST(attaching_without_a_free_descriptor_is_an_error_that_says_what_to_raise)
{
    struct rlimit limit, none;
    anqa_error err = {0};
    anqa_status status;
    anqa_rt *rt;
    int lowest;

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &rt, NULL), ANQA_OK);
    lowest = dup(STDERR_FILENO);
    CHECK(lowest >= 0);
    close(lowest);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)lowest;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    status = anqa_attach(rt, &err);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_STATUS(status, ANQA_E_LIMIT);
    CHECK(strstr(err.text, "ulimit -n") != NULL, "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text);
    rt_close(rt);
}
