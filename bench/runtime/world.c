#include "world.h"

#include <stdatomic.h>

#include <anqa/log.h>

#define ANSWER_MS 50000 /* who is silent for longer will be for ever */

static struct {
    anqa_rt *rt;
    anqa_pid main, driver;
    void (*work)(struct bench *b, uint64_t ops);
    _Atomic(uint64_t) arrived; /* shared */
} world;

struct job {
    struct bench *bench;
    uint64_t ops;
};

struct building {
    void (*build)(void *arg);
    void *arg;
};

/* ---------------------------------------------------------------- life */

void world_open(struct bench *b)
{
    world_open_large(b, 0);
}

void world_open_large(struct bench *b, uint32_t max_processes)
{
    anqa_options options = {.schedulers = (uint16_t)b->schedulers, .max_processes = max_processes};
    anqa_error err;

    anqa_log_set_level(ANQA_LOG_NONE);
    if (anqa_start(&options, &world.rt, &err) != ANQA_OK)
        bench_fail("no runtime: %s", err.text);
    if (anqa_attach(world.rt, &err) != ANQA_OK)
        bench_fail("cannot attach: %s", err.text);
    world.main = anqa_self();
}

void world_close(struct bench *b)
{
    anqa_detach();
    anqa_stop(world.rt);
}

anqa_pid world_spawn(const anqa_spawn_opts *opts)
{
    anqa_pid pid;
    anqa_status status = anqa_spawn(opts, &pid, NULL);

    if (status != ANQA_OK)
        bench_fail("cannot spawn: %s", anqa_status_text(status));
    return pid;
}

/* ---------------------------------------------------------------- samples */

static const anqa_msg *next_message(void)
{
    const anqa_msg *msg = anqa_receive(ANSWER_MS);

    if (msg == NULL)
        bench_fail("no answer in %d ms", ANSWER_MS);
    return msg;
}

static void fail_reason(anqa_reason reason)
{
    char text[400];

    bench_fail("a process ended: %s", anqa_reason_format(reason, text, sizeof text));
}

static void run_building(void *state)
{
    const struct building *building = state;

    building->build(building->arg);
}

void world_build(void (*build)(void *arg), void *arg)
{
    const struct building building = {build, arg};
    const anqa_msg *msg;

    world_spawn(&(anqa_spawn_opts){.run = run_building,
        .arg = &building,
        .arg_size = sizeof building,
        .monitor = true,
        .scheduler = 1});
    msg = next_message();
    if (msg->kind != ANQA_MSG_DOWN)
        bench_fail("a '%s' came early", msg->tag);
    if (anqa_reason_get_kind(msg->u.reason) != ANQA_REASON_NORMAL)
        fail_reason(msg->u.reason);
}

void world_kick(anqa_pid to, uint64_t value)
{
    anqa_send(to, "kick", anqa_bytes(&value, sizeof value));
}

uint64_t world_await(void)
{
    const anqa_msg *msg = next_message();

    if (msg->kind == ANQA_MSG_DOWN)
        fail_reason(msg->u.reason);
    if (!anqa_tag_is(msg->tag, "done"))
        bench_fail("a '%s' came instead of an answer", msg->tag);
    return world_value(msg);
}

void world_report(uint64_t value)
{
    anqa_send(world.main, "done", anqa_bytes(&value, sizeof value));
}

uint64_t world_value(const anqa_msg *msg)
{
    uint64_t value;

    memcpy(&value, msg->body.ptr, sizeof value);
    return value;
}

/* ---------------------------------------------------------------- the driver */

static void drive(void *state)
{
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        struct job job;

        memcpy(&job, msg->body.ptr, sizeof job);
        world.work(job.bench, job.ops);
        world_report(job.ops);
    }
}

void world_open_driver(struct bench *b, void (*work)(struct bench *b, uint64_t ops))
{
    world_open(b);
    world.work = work;
    world.driver = world_spawn(
        &(anqa_spawn_opts){.run = drive, .label = "driver", .monitor = true, .scheduler = 1});
}

void world_drive(struct bench *b, uint64_t ops)
{
    const struct job job = {b, ops};

    anqa_send(world.driver, "job", anqa_bytes(&job, sizeof job));
    if (world_await() != ops)
        bench_fail("the driver did something else");
}

void world_end_event(void)
{
    if (anqa_receive(0) != NULL)
        bench_fail("a message that nobody expects");
}

/* ---------------------------------------------------------------- arrivals */

void world_arrive(void)
{
    atomic_fetch_add_explicit(&world.arrived, 1, memory_order_relaxed);
}

void world_await_arrivals(uint64_t count)
{
    uint64_t until = bench_now_ns() + ANSWER_MS * UINT64_C(1000000);

    while (atomic_load_explicit(&world.arrived, memory_order_relaxed) != count) {
        if (bench_now_ns() > until)
            bench_fail("not all processes have started");
        anqa_sleep(1);
    }
}
