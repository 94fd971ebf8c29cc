/* What looking costs: calls and messages while everything is read once a second, beside the same without a reader; and how
 * long others on a scheduler wait for their turn meanwhile. */
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <anqa/introspect.h>
#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/metrics.h>
#include <anqa/registry.h>
#include <anqa/runtime.h>
#include <anqa/supervisor.h>

#include "bench.h"

#define SERVERS 10000u
#define PAGE 1000u
#define SAMPLE_NS 1000000000u
#define QUICK_NS 250000000u
#define BATCH 1000u

/* owner: the main thread; what the processes of a case share is atomic. */
static struct {
    anqa_rt *rt;
    anqa_pid caller, reader;
    bool reads;
    _Atomic(bool) stop;
    _Atomic(uint64_t) gap_ns;
} world;

static anqa_next idle_ask(void *state, anqa_msg *msg)
{
    return anqa_reply_payload(anqa_nothing());
}

static const anqa_gen_server idle = {
    .label = "idle", .handle_call = (const anqa_handler[]){{"ask", idle_ask}, {0}}};
/* Stays with its caller, so that a call costs the same each time. */
static const anqa_gen_server partner = {
    .pinned = true, .handle_call = (const anqa_handler[]){{"ask", idle_ask}, {0}}};
static const anqa_dynamic_supervisor crowd = {.name = "crowd", .child = {.server = &idle}};
static const anqa_supervisor town = {
    .name = "town", .children = (const anqa_child_spec[]){{.dynamic_supervisor = &crowd}, {0}}};

static void check(anqa_status status, const char *what)
{
    if (status != ANQA_OK)
        bench_fail("%s: %s", what, anqa_status_text(status));
}

/* What this scheduler has worked, so that other programs on the machine do not count. */
static uint64_t worked_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        bench_fail("no clock for threads");
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---------------------------------------------------------------- the reader */

static void read_processes(void)
{
    anqa_process_list_opts opts = {.limit = PAGE};
    anqa_process_info *infos;
    size_t count;

    do {
        check(anqa_process_list(&opts, &infos, &count), "list");
        if (count > 0)
            opts.after = infos[count - 1].pid;
        (void)anqa_receive(0); /* ends the event: a page is let go of before the next one */
    } while (count == PAGE);
    opts = (anqa_process_list_opts){.sort = ANQA_SORT_MAILBOX};
    check(anqa_process_list(&opts, &infos, &count), "list by mailbox");
}

static void read_all(void)
{
    anqa_json tree;

    read_processes();
    check(anqa_tree_json(anqa_whereis("town"), NULL, &tree), "tree");
    bench_keep(tree.len + anqa_metrics_text().len + anqa_system_text().len);
}

/* Tells how long that has kept its scheduler busy. */
static void run_reader(void *state)
{
    for (;;) {
        anqa_pid from = anqa_receive(ANQA_INFINITY)->from;
        uint64_t start = worked_ns(), spent;

        read_all();
        spent = worked_ns() - start;
        check(anqa_send(from, "read", anqa_bytes(&spent, sizeof spent)), "answer");
    }
}

/* ---------------------------------------------------------------- work beside it */

static uint64_t sample_ns(const struct bench *b)
{
    return b->quick ? QUICK_NS : SAMPLE_NS;
}

/* Calls for so long that its scheduler has worked; the answer is how many there were. */
static void run_caller(void *state)
{
    anqa_pid server;

    check(anqa_gen_server_start_link(&partner, NULL, NULL, &server, NULL), "start");
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        anqa_pid from = msg->from;
        uint64_t end, calls = 0;

        memcpy(&end, msg->body.ptr, sizeof end);
        for (end += worked_ns(); worked_ns() < end; calls += BATCH)
            for (unsigned i = 0; i < BATCH; i++)
                anqa_msg_free(
                    anqa_call_payload(server, "ask", anqa_nothing(), ANQA_CALL_TIMEOUT_MS));
        check(anqa_send(from, "called", anqa_bytes(&calls, sizeof calls)), "answer");
    }
}

/* Notes the longest time between two turns. */
static void run_turns(void *state)
{
    uint64_t before = worked_ns(), longest = 0, now, known;

    while (!atomic_load_explicit(&world.stop, memory_order_relaxed)) {
        anqa_yield();
        now = worked_ns();
        longest = now - before > longest ? now - before : longest;
        before = now;
    }
    known = atomic_load_explicit(&world.gap_ns, memory_order_relaxed);
    while (longest > known && !atomic_compare_exchange_weak_explicit(&world.gap_ns, &known, longest,
                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

/* ---------------------------------------------------------------- cases */

static anqa_pid spawn(const anqa_spawn_opts *opts)
{
    anqa_pid pid;

    check(anqa_spawn(opts, &pid, NULL), "spawn");
    return pid;
}

static bool setup(struct bench *b, bool reads)
{
    const anqa_options options = {.schedulers = (uint16_t)b->schedulers};

    anqa_log_set_level(ANQA_LOG_NONE);
    check(anqa_start(&options, &world.rt, NULL), "runtime");
    check(anqa_attach(world.rt, NULL), "attach");
    check(anqa_supervisor_start_link(&town, NULL, NULL), "supervisor");
    for (unsigned i = 0; i < SERVERS; i++)
        check(anqa_start_child(&crowd, NULL, NULL, NULL), "child");
    world.caller = spawn(&(anqa_spawn_opts){.run = run_caller, .scheduler = 1, .pinned = true});
    world.reader = spawn(&(anqa_spawn_opts){
        .run = run_reader, .scheduler = (uint16_t)b->schedulers, .pinned = true});
    world.reads = reads;
    return true;
}

static bool setup_alone(struct bench *b)
{
    return setup(b, false);
}

static bool setup_read(struct bench *b)
{
    return setup(b, true);
}

static void teardown(struct bench *b)
{
    anqa_detach();
    anqa_stop(world.rt);
}

static bool has_tag(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, arg);
}

static const anqa_msg *await(const char *tag)
{
    const anqa_msg *msg = anqa_receive_if(has_tag, (void *)(uintptr_t)tag, 60000);

    if (msg == NULL)
        bench_fail("no message '%s'", tag);
    return msg;
}

/* Nanoseconds for one call, over a second in which all is read once, or not. */
static double measure_calls(struct bench *b)
{
    uint64_t ns = sample_ns(b), calls;

    check(anqa_send(world.caller, "call", anqa_bytes(&ns, sizeof ns)), "go");
    if (world.reads) {
        check(anqa_send(world.reader, "read", anqa_nothing()), "read");
        (void)await("read");
    }
    memcpy(&calls, await("called")->body.ptr, sizeof calls);
    (void)anqa_receive(0); /* ends the event */
    return (double)ns / (double)calls;
}

static double measure_gap(struct bench *b)
{
    anqa_ref refs[2] = {0};

    atomic_store_explicit(&world.stop, false, memory_order_relaxed);
    atomic_store_explicit(&world.gap_ns, 0, memory_order_relaxed);
    for (unsigned i = 0; i < b->schedulers; i++)
        refs[i] = anqa_monitor(spawn(
            &(anqa_spawn_opts){.run = run_turns, .scheduler = (uint16_t)(i + 1), .pinned = true}));
    if (world.reads) {
        check(anqa_send(world.reader, "read", anqa_nothing()), "read");
        (void)await("read");
    } else {
        anqa_sleep(50);
    }
    atomic_store_explicit(&world.stop, true, memory_order_relaxed);
    for (unsigned i = 0; i < b->schedulers; i++)
        anqa_msg_free(anqa_receive_ref(refs[i], 60000));
    return (double)atomic_load_explicit(&world.gap_ns, memory_order_relaxed) / 1000;
}

static double measure_read(struct bench *b)
{
    uint64_t spent;

    check(anqa_send(world.reader, "read", anqa_nothing()), "read");
    memcpy(&spent, await("read")->body.ptr, sizeof spent);
    (void)anqa_receive(0); /* ends the event */
    return (double)spent / 1000;
}

#define ON_BOTH (BENCH_ON_1 | BENCH_ON_2)

const struct bench_area bench_area = {
    .name = "introspection",
    .cases =
        (const struct bench_case[]){
            {.name = "calls",
                .unit = "ns",
                .schedulers = ON_BOTH,
                .setup = setup_alone,
                .measure = measure_calls,
                .teardown = teardown},
            {.name = "calls_while_read",
                .unit = "ns",
                .budget = {BENCH_TIMES_COST, 1.01},
                .against = "calls",
                .schedulers = ON_BOTH,
                .setup = setup_read,
                .measure = measure_calls,
                .teardown = teardown},
            {.name = "longest_gap",
                .unit = "us",
                .schedulers = ON_BOTH,
                .setup = setup_alone,
                .measure = measure_gap,
                .teardown = teardown},
            {.name = "longest_gap_while_read",
                .unit = "us",
                .against = "longest_gap",
                .schedulers = ON_BOTH,
                .setup = setup_read,
                .measure = measure_gap,
                .teardown = teardown},
            {.name = "read_everything",
                .unit = "us",
                .schedulers = ON_BOTH,
                .setup = setup_read,
                .measure = measure_read,
                .teardown = teardown},
            {0},
        },
};
