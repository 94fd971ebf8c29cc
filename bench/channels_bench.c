/*
 * Channels: what a message, a join and an idle client cost, beside a server that does the least which the protocol
 * allows (phxload's floor-server, the peer of this area). Server CPU is measured by phxload; on the loopback it
 * contains the kernel's work for sending and, because send() runs the receiver's TCP input, for receiving.
 */
#include "bench.h"

#include "channels/load.h"

#include <stdlib.h>
#include <string.h>

#define FEW_CLIENTS "2000"
#define MANY_CLIENTS "18000"
#define MORE_CLIENTS 16000.0 /* the difference */
#define MOST_CLIENTS 18000u
#define CROWD "10000"
#define CROWD_RATE "5"
#define LEAST_CROWD_RATE 4.5 /* published in fact: below that the case measures something else */

#define LONG "1000" /* bytes of a message that is worth compressing */
#define SECONDS "2"
#define QUICK_SECONDS "0.5"

/** One phxload run against a server that stays, and the figure that is asked of it. */
struct traffic {
    const char *name; /* of the case */
    const char *key;
    double scale;         /* from the figure to the case's unit */
    const char *args[12]; /* NULL at the end */
};

static const struct traffic traffics[] = {
    {"fanout", "server_cpu_us_per_delivery", 1000, {"fanout", "--conns", "1000", "--topics", "1"}},
    {"fanout_rate", "server_cpu_us_per_delivery", 1000,
        {"fanout", "--conns", "1000", "--topics", "1", "--rate", "50"}},
    {"burst", "server_cpu_us_per_delivery", 1000,
        {"fanout", "--conns", "1000", "--topics", "1", "--depth", "16"}},
    {"fanout_long", "server_cpu_us_per_delivery", 1000,
        {"fanout", "--conns", "1000", "--topics", "1", "--size", LONG}},
    {"fanout_deflated", "server_cpu_us_per_delivery", 1000,
        {"fanout", "--conns", "1000", "--topics", "1", "--size", LONG, "--deflate", "--path",
            "/compressed/websocket"}},
    {"echo", "server_cpu_us_per_round_trip", 1000, {"echo", "--conns", "64"}},
    {"join_cycle", "server_cpu_us_per_cycle", 1000, {"join", "--conns", "64"}},
    /* as many readers, as often and as long as a diff of presence_diff below */
    {"crowd_told", "server_cpu_us_per_delivery", 1000,
        {"fanout", "--conns", "375", "--topics", "1", "--rate", "40"}},
};

static const struct traffic *find_traffic(const char *name)
{
    for (size_t i = 0; i < ANQA_COUNT(traffics); i++) {
        if (strcmp(traffics[i].name, name) == 0)
            return &traffics[i];
    }
    bench_fail("%s is no traffic", name);
}

static bool open_load(struct bench *b)
{
    struct load *load = calloc(1, sizeof(*load));

    if (load == NULL)
        return false;
    b->state = load;
    if (load_open(load, b->schedulers, MOST_CLIENTS))
        return true;
    free(load);
    return false;
}

static void close_load(struct bench *b)
{
    load_close(b->state);
    free(b->state);
}

static bool start_server(struct bench *b)
{
    if (!open_load(b))
        return false;
    load_start_server(b->state);
    return true;
}

/** The run's arguments with the time that a sample takes. */
static anqa_json run_timed(struct bench *b, const char *const args[], const char *seconds)
{
    const char *timed[16];
    size_t count = 0;

    while (args[count] != NULL && count < 10) {
        timed[count] = args[count];
        count++;
    }
    timed[count++] = "--seconds";
    timed[count++] = seconds;
    timed[count++] = "--warmup";
    timed[count++] = QUICK_SECONDS;
    timed[count] = NULL;
    return load_run(b->state, timed);
}

static double measure_traffic(struct bench *b)
{
    const struct traffic *traffic = find_traffic(b->spec->name);

    const char *seconds = b->quick ? QUICK_SECONDS : SECONDS;

    return load_figure(run_timed(b, traffic->args, seconds), traffic->key) * traffic->scale;
}

/* ---------------------------------------------------------------- memory */

/** Memory of a server that has never had more than these idle clients. */
static double memory_with(struct load *load, const char *clients)
{
    const char *const args[] = {
        "hold", "--conns", clients, "--hold", "0.1", "--heartbeat", "0", NULL};
    double bytes;

    load_start_server(load);
    bytes = load_figure(load_run(load, args), "joined_server_pss_bytes");
    load_stop_server(load);
    return bytes;
}

static double measure_memory(struct bench *b)
{
    double few = memory_with(b->state, FEW_CLIENTS);
    double many = memory_with(b->state, MANY_CLIENTS);

    return (many - few) / MORE_CLIENTS;
}

/* ---------------------------------------------------------------- beside a crowd */

/** Small talk, each push due at its time whatever else happens, while the crowd is told something. */
static double measure_beside_crowd(struct bench *b)
{
    static const char *const crowd[] = {"fanout", "--conns", CROWD, "--topics", "1", "--rate",
        CROWD_RATE, "--warmup", "0", "--seconds", "40", NULL};
    static const char *const talk[] = {
        "echo", "--prefix", "bench:talk", "--conns", "64", "--rate", "20", NULL};
    anqa_json figures;
    double p99_us, published;

    load_start_beside(b->state, crowd);
    figures = run_timed(b, talk, SECONDS);
    if (load_figure(figures, "latency_n") < 1)
        bench_fail(
            "no echo came back within " SECONDS " s: the server, or this machine, is saturated");
    p99_us = load_figure(figures, "latency_us_p99");
    published = load_figure(load_stop_beside(b->state), "published_per_s");
    if (published < LEAST_CROWD_RATE)
        bench_fail("the crowd was told %.1f messages a second, not " CROWD_RATE, published);
    return p99_us / 1000;
}

/* ---------------------------------------------------------------- presence */

/** Of a server of its own: phxload knows clients by their ids, and must not see those of the run before leave. */
static double measure_presence(struct bench *b, const char *const args[], const char *key)
{
    double figure;

    load_start_server(b->state);
    figure = load_figure(load_run(b->state, args), key);
    load_stop_server(b->state);
    return figure;
}

/** From the last of so many joins to the moment when all clients that are looked at see all others. */
static double measure_convergence(struct bench *b)
{
    static const char *const args[] = {
        "presence", "--conns", FEW_CLIENTS, "--rate", "1000", "--leave-rate", "0", NULL};

    return measure_presence(b, args, "converged_ms_after_last_join");
}

/** Half of five hundred clients leave, so slowly that each is a diff: what it costs for each who is told, from 500 down to 250. */
static double measure_diff(struct bench *b)
{
    static const char *const args[] = {
        "presence", "--conns", "500", "--rate", "1000", "--leave-rate", "40", NULL};

    return measure_presence(b, args, "leaving_server_cpu_us_per_leave") * 1000 / 375;
}

#define TRAFFIC(title, most)                  \
    {.name = (title),                         \
        .unit = "ns",                         \
        .peer = (title),                      \
        .budget = {BENCH_TIMES_COST, (most)}, \
        .schedulers = BENCH_ON_1,             \
        .setup = start_server,                \
        .measure = measure_traffic,           \
        .teardown = close_load}

const struct bench_area bench_area = {
    .name = "channels",
    .limit_s = 900,
    .cases =
        (const struct bench_case[]){
            TRAFFIC("fanout", 1.15),
            TRAFFIC("fanout_rate", 1.15),
            TRAFFIC("burst", 0.9),
            TRAFFIC("fanout_long", 1.15),
            TRAFFIC("fanout_deflated", 1.15),
            TRAFFIC("echo", 1.3),
            TRAFFIC("join_cycle", 2),
            {.name = "presence_convergence",
                .unit = "ms",
                .budget = {BENCH_AT_MOST, 100},
                .schedulers = BENCH_ON_1,
                .setup = open_load,
                .measure = measure_convergence,
                .teardown = close_load},
            {.name = "crowd_told",
                .unit = "ns",
                .schedulers = BENCH_ON_1,
                .setup = start_server,
                .measure = measure_traffic,
                .teardown = close_load},
            {.name = "presence_diff",
                .unit = "ns",
                .against = "crowd_told",
                .budget = {BENCH_TIMES_COST, 1.3},
                .schedulers = BENCH_ON_1,
                .setup = open_load,
                .measure = measure_diff,
                .teardown = close_load},
            {.name = "client_memory",
                .unit = "bytes",
                .peer = "client_memory",
                .budget = {BENCH_AT_MOST, 1024},
                .schedulers = BENCH_ON_1,
                .setup = open_load,
                .measure = measure_memory,
                .teardown = close_load},
            {.name = "echo_beside_crowd",
                .unit = "ms",
                .peer = "echo_beside_crowd",
                .budget = {BENCH_AT_MOST, 3},
                .note = "the server looks at its sockets again after every 64 frames of a "
                        "broadcast, half a "
                        "millisecond, and answers within one or two such slices (seen by perf). "
                        "The rest is "
                        "the load's: ten thousand readers share the one processor that is left "
                        "with the "
                        "program that measures.",
                .schedulers = BENCH_ON_1,
                .setup = start_server,
                .measure = measure_beside_crowd,
                .teardown = close_load},
            {0},
        },
};
