/* Who runs when and where: priorities, yielding, stealing, pinning, and reclamation under readers. */
#include <pthread.h>
#include <stdlib.h>

#include "rt_fixture.h"
#include "base/container.h"
#include "runtime/hooks.h"

/* ---------------------------------------------------------------- priorities */

enum { JOBS = 240 };

/* Filled in by the one scheduler there is, in the order in which jobs run. */
static struct {
    anqa_priority order[JOBS];
    size_t count;
} ran;

static void note_priority(void *state)
{
    ran.order[ran.count++] = *(const anqa_priority *)state;
}

/* None of them runs before this returns: there is one scheduler, and we are on it. */
static void spawn_all_priorities(void *arg)
{
    static const anqa_priority kinds[] = {
        ANQA_PRIORITY_LOW, ANQA_PRIORITY_NORMAL, ANQA_PRIORITY_HIGH, ANQA_PRIORITY_MAX};

    for (size_t i = 0; i < JOBS; i++) {
        anqa_priority priority = kinds[i % ANQA_COUNT(kinds)];
        anqa_spawn_opts opts = {.run = note_priority,
            .priority = priority,
            .arg = &priority,
            .arg_size = sizeof priority};
        CHECK_STATUS(anqa_spawn(&opts, NULL, NULL), ANQA_OK);
    }
}

static void run_all_priorities(void)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pid = rt_puppet(NULL);

    CHECK(rt_have(pid, spawn_all_priorities, NULL));
    rt_close(rt);
    CHECK_EQ(ran.count, JOBS);
}

TEST(max_runs_before_high_and_high_strictly_before_normal)
{
    run_all_priorities();
    for (size_t i = 0; i < JOBS / 4; i++)
        CHECK_EQ(ran.order[i], ANQA_PRIORITY_MAX, "job %zu", i);
    for (size_t i = JOBS / 4; i < JOBS / 2; i++)
        CHECK_EQ(ran.order[i], ANQA_PRIORITY_HIGH, "job %zu", i);
}

TEST(low_runs_about_once_for_eight_normal_ones)
{
    size_t low = 0, normal = 0, i;

    run_all_priorities();
    for (i = JOBS / 2; normal < JOBS / 4; i++) {
        low += ran.order[i] == ANQA_PRIORITY_LOW;
        normal += ran.order[i] == ANQA_PRIORITY_NORMAL;
    }
    CHECK(low >= normal / 10 && low <= normal / 5, "%zu low, %zu normal", low, normal);
    for (; i < JOBS; i++) /* alone, they all run */
        CHECK_EQ(ran.order[i], ANQA_PRIORITY_LOW);
}

/* ---------------------------------------------------------------- yielding */

static char turns[64];
static size_t turn_count;

static void take_turns(void *state)
{
    for (unsigned i = 0; i < 8; i++) {
        turns[turn_count++] = *(const char *)state;
        anqa_yield();
    }
}

static void spawn_two(void *arg)
{
    for (char name = 'a'; name <= 'b'; name++) {
        anqa_spawn_opts opts = {.run = take_turns, .arg = &name, .arg_size = 1};
        CHECK_STATUS(anqa_spawn(&opts, NULL, NULL), ANQA_OK);
    }
}

TEST(processes_that_yield_take_turns)
{
    anqa_rt *rt = rt_open(1);

    CHECK(rt_have(rt_puppet(NULL), spawn_two, NULL));
    rt_close(rt);
    CHECK_STR(turns, "abababababababab");
}

static void answer(void *state, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);

    if (msg->kind == ANQA_MSG_CALL)
        anqa_reply_to(&caller, anqa_nothing());
    else
        rt_send_number(msg->from, "handled", 0);
}

static const anqa_behaviour answering = {.name = "answering", .handle = answer};

static anqa_pid spawn_answering(uint16_t scheduler)
{
    anqa_pid pid;

    CHECK_STATUS(
        anqa_spawn(&(anqa_spawn_opts){.behaviour = &answering, .scheduler = scheduler}, &pid, NULL),
        ANQA_OK);
    return pid;
}

/* Fills the mailbox of the first, then asks the second: both live where we live. */
static void flood_and_ask(void *arg)
{
    const anqa_pid *pids = arg;
    size_t handled = 0;

    for (unsigned i = 0; i < 20000; i++)
        CHECK_STATUS(anqa_send(pids[0], "work", anqa_nothing()), ANQA_OK);
    CHECK(anqa_receive_ref(anqa_request(pids[1], "ask", anqa_nothing()), RT_LONG_MS) != NULL);
    while (rt_receive("handled", 0) != NULL)
        handled++;
    CHECK(handled < 2000, "%zu", handled);
}

TEST(a_process_with_a_full_mailbox_does_not_keep_others_waiting)
{
    anqa_rt *rt = rt_open(1);
    anqa_pid pids[] = {spawn_answering(1), spawn_answering(1)};

    CHECK(rt_have(rt_puppet(NULL), flood_and_ask, pids));
    for (size_t i = 0; i < ANQA_COUNT(pids); i++)
        anqa_exit_signal(pids[i], ANQA_SHUTDOWN);
    rt_close(rt);
}

/* ---------------------------------------------------------------- stealing */

enum { WORKERS = 64 };

struct place {
    pthread_t thread;
    bool pinned;
};

static struct place places[WORKERS];

static void work(void *state)
{
    struct place *place = &places[*(size_t *)state];
    uint64_t end = rt_clock_us() + 300;

    place->thread = pthread_self();
    while (rt_clock_us() < end)
        ;
}

static void spawn_workers(void *pinned)
{
    for (size_t i = 0; i < WORKERS; i++) {
        anqa_spawn_opts opts = {
            .run = work, .arg = &i, .arg_size = sizeof i, .pinned = *(bool *)pinned};
        CHECK_STATUS(anqa_spawn(&opts, NULL, NULL), ANQA_OK);
    }
}

static size_t count_elsewhere(void)
{
    size_t elsewhere = 0;

    for (size_t i = 1; i < WORKERS; i++)
        elsewhere += !pthread_equal(places[i].thread, places[0].thread);
    return elsewhere;
}

static uint64_t run_workers(bool pinned)
{
    anqa_rt *rt = rt_open(2);
    anqa_rt_stats stats;

    CHECK(rt_have(
        rt_puppet(&(anqa_spawn_opts){.scheduler = 1, .pinned = true}), spawn_workers, &pinned));
    anqa_detach();
    rt_check_empty(rt);
    anqa_rt_get_stats(rt, &stats);
    anqa_stop(rt);
    return stats.steals;
}

TEST(idle_schedulers_steal_work)
{
    CHECK(run_workers(false) > 0);
    CHECK(count_elsewhere() > 0);
}

TEST(pinned_processes_stay_where_they_were_started)
{
    CHECK_EQ(run_workers(true), 0);
    CHECK_EQ(count_elsewhere(), 0);
}

/* ---------------------------------------------------------------- a callback that holds a scheduler */

static _Atomic(bool) let_go;

static void set_let_go(void *state)
{
    atomic_store_explicit(&let_go, true, memory_order_relaxed);
}

static void hold(void *arg)
{
    while (!atomic_load_explicit(&let_go, memory_order_relaxed))
        ;
}

TEST(a_callback_that_holds_one_scheduler_does_not_stop_the_others)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid holder = rt_puppet(&(anqa_spawn_opts){.scheduler = 1, .pinned = true});
    anqa_pid other = spawn_answering(2);

    rt_tell(holder, hold, NULL);
    for (unsigned i = 0; i < 100; i++) {
        anqa_ref ref = anqa_request(other, "ask", anqa_nothing());
        CHECK(anqa_receive_ref(ref, RT_LONG_MS) != NULL);
    }
    set_let_go(NULL);
    anqa_exit_signal(other, ANQA_SHUTDOWN);
    rt_close(rt);
}

static void start_a_rescuer_and_hold(void *arg)
{
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = set_let_go}, NULL, NULL), ANQA_OK);
    hold(NULL);
}

/* The one process that could end the loop waits behind it, until somebody steals it. */
TEST(even_the_last_process_behind_a_stuck_callback_is_stolen)
{
    anqa_rt *rt = rt_open_with(&(anqa_options){.schedulers = 2, .watchdog_ms = 20});
    anqa_pid holder = rt_puppet(&(anqa_spawn_opts){.scheduler = 1, .pinned = true});

    CHECK(rt_have(holder, start_a_rescuer_and_hold, NULL));
    rt_close(rt);
}

/* ---------------------------------------------------------------- messages between many */

enum { RING = 40, ROUNDS = 200 };

static void pass_on(void *state, const anqa_msg *msg)
{
    anqa_pid *next = state;

    if (anqa_tag_is(msg->tag, "next")) {
        memcpy(next, msg->body.ptr, sizeof *next);
        return;
    }
    CHECK_STATUS(anqa_send(*next, msg->tag, anqa_bytes(msg->body.ptr, msg->body.len)), ANQA_OK);
}

static const anqa_behaviour passing = {.name = "passing", .handle = pass_on};

TEST(tokens_go_round_a_ring_over_both_schedulers_and_none_is_lost)
{
    anqa_rt *rt = rt_open(2);
    anqa_pid ring[RING], self = anqa_self();
    uint64_t sum = 0;

    for (size_t i = 0; i < RING; i++) {
        anqa_spawn_opts opts = {.behaviour = &passing,
            .state_size = sizeof(anqa_pid),
            .scheduler = (uint16_t)(1 + i % 2)};
        CHECK_STATUS(anqa_spawn(&opts, &ring[i], NULL), ANQA_OK);
    }
    for (size_t i = 0; i < RING; i++)
        CHECK_STATUS(anqa_send(ring[i], "next",
                         anqa_bytes(i + 1 < RING ? &ring[i + 1] : &self, sizeof self)),
            ANQA_OK);
    for (uint64_t i = 0; i < ROUNDS; i++)
        CHECK_STATUS(rt_send_number(ring[0], "token", i), ANQA_OK);
    for (uint64_t i = 0; i < ROUNDS; i++)
        sum += rt_expect_number("token");
    CHECK_EQ(sum, ROUNDS * (ROUNDS - 1) / 2);
    for (size_t i = 0; i < RING; i++)
        anqa_exit_signal(ring[i], ANQA_SHUTDOWN);
    rt_close(rt);
}

/* ---------------------------------------------------------------- reclamation */

enum { WRITE_US = 150000, HOLD_US = 1500, WHOLE = 0x600d, GONE = 0xdead };

struct table {
    struct retired retired;
    _Atomic(unsigned) magic;
    uint64_t version;
    struct table *next; /* in the graveyard */
};

static _Atomic(struct table *) current_table;
static _Atomic(struct table *)
    graveyard; /* what was "freed" stays here, so that a late reader sees it */
static _Atomic(uint64_t) tables_retired, tables_freed;
static _Atomic(bool) writer_done;

static struct table *table_new(uint64_t version)
{
    struct table *table = calloc(1, sizeof *table);

    CHECK(table != NULL);
    atomic_store_explicit(&table->magic, WHOLE, memory_order_relaxed);
    table->version = version;
    return table;
}

static bool table_free(struct retired *retired)
{
    struct table *table = ANQA_CONTAINER_OF(retired, struct table, retired);

    atomic_store_explicit(&table->magic, GONE, memory_order_relaxed);
    table->next = atomic_load(&graveyard);
    while (!atomic_compare_exchange_weak(&graveyard, &table->next, table))
        ;
    atomic_fetch_add(&tables_freed, 1);
    return false;
}

static void table_retire(anqa_rt *rt, struct table *table)
{
    table->retired.free_some = table_free;
    qsbr_retire(rt, &table->retired);
}

static void graveyard_clear(void)
{
    struct table *table = atomic_exchange(&graveyard, NULL);

    while (table != NULL) {
        struct table *next = table->next;
        free(table);
        table = next;
    }
}

/* Long enough that the runtime looks for what it may free meanwhile. */
static void read_table(uint64_t *last)
{
    const struct table *table = atomic_load_explicit(&current_table, memory_order_acquire);
    uint64_t end = rt_clock_us() + HOLD_US;

    do
        CHECK_EQ(atomic_load_explicit(&table->magic, memory_order_relaxed), WHOLE);
    while (rt_clock_us() < end);
    CHECK(table->version >= *last);
    *last = table->version;
}

static void read_on(void *state)
{
    uint64_t last = 0;

    while (!atomic_load_explicit(&writer_done, memory_order_relaxed)) {
        read_table(&last);
        anqa_yield();
    }
}

static void write_versions(void *state)
{
    uint64_t end = rt_clock_us() + WRITE_US, version = 0;

    while (rt_clock_us() < end) {
        struct table *table = table_new(++version);
        struct table *old = atomic_exchange_explicit(&current_table, table, memory_order_acq_rel);
        table_retire(anqa_rt_self(), old);
        atomic_fetch_add(&tables_retired, 1);
        anqa_yield();
    }
    atomic_store_explicit(&writer_done, true, memory_order_relaxed);
}

/* A thread that is no scheduler reads between begin and end only; attached or not. */
static void *read_from_outside(void *arg)
{
    anqa_rt *rt = arg;
    uint64_t last = 0;

    while (!atomic_load_explicit(&writer_done, memory_order_relaxed)) {
        qsbr_read_begin(rt);
        read_table(&last);
        qsbr_read_end(rt);
    }
    return NULL;
}

static anqa_ref start_on(uint16_t scheduler, void (*run)(void *state))
{
    anqa_spawn_opts opts = {.run = run, .scheduler = scheduler, .pinned = true, .monitor = true};
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&opts, NULL, &ref), ANQA_OK);
    return ref;
}

static void read_in_a_process(anqa_rt *rt)
{
    CHECK_EQ(rt_ended(start_on(1, read_on)), ANQA_REASON_NORMAL);
}

static void read_attached(anqa_rt *rt)
{
    (void)read_from_outside(rt);
}

static void read_unattached(anqa_rt *rt)
{
    pthread_t outside;

    CHECK_EQ(pthread_create(&outside, NULL, read_from_outside, rt), 0);
    pthread_join(outside, NULL);
}

/* One kind of reader at a time: the slowest one would hide what the others do. */
static void retire_under(void (*read)(anqa_rt *rt))
{
    anqa_rt *rt = rt_open(2);
    anqa_ref writer;
    uint64_t end;

    atomic_store(&current_table, table_new(0));
    writer = start_on(2, write_versions);
    read(rt);
    CHECK_EQ(rt_ended(writer), ANQA_REASON_NORMAL);
    end = rt_clock_us() + RT_LONG_MS * 1000ull;
    while (atomic_load(&tables_freed) < atomic_load(&tables_retired) && rt_clock_us() < end)
        rt_pause(); /* nobody needs to do anything for it */
    CHECK_EQ(atomic_load(&tables_freed), atomic_load(&tables_retired));
    free(atomic_load(&current_table));
    graveyard_clear();
    rt_close(rt);
}

TEST(what_is_retired_is_freed_once_no_process_can_see_it)
{
    retire_under(read_in_a_process);
}

TEST(what_is_retired_is_freed_once_no_attached_thread_can_see_it)
{
    retire_under(read_attached);
}

TEST(what_is_retired_is_freed_once_no_thread_from_outside_can_see_it)
{
    retire_under(read_unattached);
}

TEST(what_is_still_retired_at_the_end_is_freed_by_stop)
{
    anqa_rt *rt = rt_open(1);

    for (unsigned i = 0; i < 10; i++)
        table_retire(rt, table_new(i));
    rt_close(rt);
    CHECK_EQ(atomic_load(&tables_freed), 10);
    graveyard_clear();
}

/* ---------------------------------------------------------------- what is freed in parts */

enum { PARTS = 5 };

struct large {
    struct retired retired;
    unsigned parts;
};

static _Atomic(unsigned) parts_freed;

static bool part_free(struct retired *retired)
{
    struct large *large = ANQA_CONTAINER_OF(retired, struct large, retired);

    atomic_fetch_add(&parts_freed, 1);
    if (--large->parts > 0)
        return true;
    free(large);
    return false;
}

static void retire_large(void *state)
{
    struct large *large = calloc(1, sizeof *large);

    CHECK(large != NULL);
    large->parts = PARTS;
    large->retired.free_some = part_free;
    qsbr_retire(anqa_rt_self(), &large->retired);
}

TEST(what_is_retired_in_parts_is_freed_to_its_last_part)
{
    anqa_rt *rt = rt_open(1);
    uint64_t end = rt_clock_us() + RT_LONG_MS * 1000ull;

    CHECK_EQ(rt_ended(start_on(1, retire_large)), ANQA_REASON_NORMAL);
    while (atomic_load(&parts_freed) < PARTS && rt_clock_us() < end)
        rt_pause();
    CHECK_EQ(atomic_load(&parts_freed), PARTS);
    rt_close(rt);
}

TEST(stop_frees_all_parts_of_what_is_still_retired)
{
    anqa_rt *rt = rt_open_deterministic(harness_random());

    retire_large(NULL);
    anqa_detach();
    anqa_stop(rt);
    CHECK_EQ(atomic_load(&parts_freed), PARTS);
}
