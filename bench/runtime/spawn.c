/* Processes: starting and ending them, and what they weigh. */
#include <stdio.h>

#include <anqa/supervisor.h>

#include "cases.h"

/* ---------------------------------------------------------------- a hundred at a time */

static void nothing(void *state)
{
}

/* References are summed on both ways: each DOWN is one of ours, and none comes twice. */
static void spawn_hundred(uint64_t count)
{
    uint64_t started = 0, ended = 0;

    for (uint64_t i = 0; i < count; i++) {
        anqa_pid pid;
        anqa_ref ref;

        if (anqa_spawn(&(anqa_spawn_opts){.run = nothing, .monitor = true}, &pid, &ref) != ANQA_OK)
            bench_fail("cannot spawn");
        started += ref.bits;
    }
    for (uint64_t i = 0; i < count; i++) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);

        if (msg->kind != ANQA_MSG_DOWN)
            bench_fail("a '%s' is no DOWN", msg->tag);
        ended += msg->ref.bits;
    }
    if (started != ended)
        bench_fail("other processes ended than were started");
}

static void spawn_hundreds(struct bench *b, uint64_t ops)
{
    for (uint64_t left = ops; left > 0;) {
        uint64_t count = left < 100 ? left : 100;

        spawn_hundred(count);
        left -= count;
    }
}

bool setup_spawn_exit(struct bench *b)
{
    world_open_driver(b, spawn_hundreds);
    return true;
}

/* ---------------------------------------------------------------- chains */

struct link {
    uint64_t left, started;
};

static void chain(void *state)
{
    const struct link *own = state, next = {own->left - 1, own->started + 1};

    if (own->left <= 1) {
        world_report(next.started);
        return;
    }
    world_spawn(&(anqa_spawn_opts){.run = chain, .arg = &next, .arg_size = sizeof next});
}

bool setup_spawn_exit_chain(struct bench *b)
{
    world_open(b);
    return true;
}

static uint64_t chain_length(const struct bench *b, uint64_t ops)
{
    return ops < b->schedulers ? 1 : ops / b->schedulers;
}

void run_spawn_exit_chain(struct bench *b, uint64_t ops)
{
    const struct link first = {chain_length(b, ops), 0};

    for (unsigned i = 1; i <= b->schedulers; i++)
        world_spawn(&(anqa_spawn_opts){
            .run = chain, .arg = &first, .arg_size = sizeof first, .scheduler = (uint16_t)i});
    for (unsigned i = 1; i <= b->schedulers; i++)
        if (world_await() != first.left)
            bench_fail("a chain had another length");
}

/* ---------------------------------------------------------------- memory of idle processes */

#define IDLE_FIRST 100000u
#define IDLE_MORE 1000000u

static void idle_init(void *state)
{
    world_arrive();
}

static void idle_handle(void *state, const anqa_msg *msg)
{
    anqa_exit(ANQA_NORMAL);
}

static const anqa_behaviour idle = {.name = "idle", .init = idle_init, .handle = idle_handle};

static void spawn_idle(void *arg)
{
    uint32_t count = *(const uint32_t *)arg;

    for (uint32_t i = 0; i < count; i++)
        world_spawn(&(anqa_spawn_opts){.behaviour = &idle});
}

bool setup_memory(struct bench *b)
{
    world_open_large(b, IDLE_FIRST + IDLE_MORE + 1000);
    return true;
}

double measure_memory(struct bench *b)
{
    uint32_t first = IDLE_FIRST, more = IDLE_MORE;
    double before;

    world_build(spawn_idle, &first);
    world_await_arrivals(IDLE_FIRST);
    before = bench_resident_bytes();
    world_build(spawn_idle, &more);
    world_await_arrivals(IDLE_FIRST + IDLE_MORE);
    return (bench_resident_bytes() - before) / IDLE_MORE;
}

/* ---------------------------------------------------------------- memory of servers */

/* Four times as many: tables that double have the same share of free places both times. */
#define SERVERS_FIRST 100000u
#define SERVERS_ALL 400000u

struct room {
    uint64_t posts[8];
};

static anqa_next room_init(void *state, const void *arg)
{
    struct room *room = state;

    memset(room->posts, 1, sizeof room->posts);
    world_arrive();
    return anqa_noreply();
}

static const anqa_gen_server room_server = {.state_size = sizeof(struct room), .init = room_init};
static const anqa_dynamic_supervisor rooms = {
    .name = "rooms", .child = {.server = &room_server, .restart = ANQA_TRANSIENT}};

static void start_rooms(uint32_t from, uint32_t to)
{
    char key[32];
    anqa_error err;
    anqa_pid pid;

    for (uint32_t i = from; i < to; i++) {
        int len = snprintf(key, sizeof key, "room:%u", i);

        if (anqa_ensure_child_pid(&rooms, anqa_str_make(key, (size_t)len), NULL, &pid, &err) !=
            ANQA_OK)
            bench_fail("no room: %s", err.text);
        if (i % 16 == 0)
            world_end_event();
    }
}

static void measure_rooms(struct bench *b, uint64_t ops)
{
    double *slope = b->state, before;
    anqa_error err;
    anqa_pid pid;

    if (anqa_dynamic_supervisor_start_link(&rooms, &pid, &err) != ANQA_OK)
        bench_fail("no supervisor: %s", err.text);
    start_rooms(0, SERVERS_FIRST);
    before = bench_resident_bytes();
    start_rooms(SERVERS_FIRST, SERVERS_ALL);
    *slope = (bench_resident_bytes() - before) / (SERVERS_ALL - SERVERS_FIRST);
}

bool setup_memory_server(struct bench *b)
{
    world_open_driver(b, measure_rooms);
    return true;
}

double measure_memory_server(struct bench *b)
{
    double slope = 0;

    b->state = &slope;
    world_drive(b, SERVERS_ALL);
    world_await_arrivals(SERVERS_ALL);
    b->state = NULL;
    return slope - (double)sizeof(struct room);
}
