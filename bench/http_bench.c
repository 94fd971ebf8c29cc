/*
 * HTTP: what a request costs, beside nginx. The figure is the server's CPU time for a request, user and system, while wrk
 * keeps it busy over 64 connections that stay; on the loopback it contains the kernel's work for sending and, because send()
 * runs the receiver's TCP input, for receiving. 10,000 ns are 100,000 requests in a second of CPU.
 */
#include "bench.h"

#include "http/servers.h"

#include <anqa/base.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 64
#define DEEP 16 /* requests at once where they are pipelined */

static const struct traffic {
    const char *name; /* of the case */
    struct wrk_options wrk;
} traffics[] = {
    {"text", {.path = "/text"}},
    {"json", {.path = "/json"}},
    {"file_16k", {.path = "/files/16k"}},
    {"text_pipelined", {.path = "/text", .pipeline = DEEP}},
    {"json_pipelined", {.path = "/json", .pipeline = DEEP}},
};

static const struct wrk_options *find_traffic(const char *name)
{
    for (size_t i = 0; i < ANQA_COUNT(traffics); i++) {
        if (strcmp(traffics[i].name, name) == 0)
            return &traffics[i].wrk;
    }
    bench_fail("%s is no traffic", name);
}

static double measure(struct bench *b)
{
    struct wrk_options options = *find_traffic(b->spec->name);
    struct wrk_result result;

    options.connections = CONNECTIONS;
    options.seconds = b->quick ? 1 : 2;
    result = wrk_run(b->state, &options);
    return result.server_ns / result.requests;
}

static bool start(struct bench *b)
{
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return false;
    b->state = server;
    if (server_open(server, b->schedulers)) {
        (void)measure(b); /* warm */
        return true;
    }
    server_close(server);
    free(server);
    return false;
}

static void stop(struct bench *b)
{
    server_close(b->state);
    free(b->state);
}

#define TRAFFIC(title, ...)                \
    {.name = (title),                      \
        .unit = "ns",                      \
        .peer = (title),                   \
        .budget = {BENCH_TIMES_BETTER, 1}, \
        .schedulers = BENCH_ON_1,          \
        .setup = start,                    \
        .measure = measure,                \
        .teardown = stop,                  \
        __VA_ARGS__}

const struct bench_area bench_area = {
    .name = "http",
    .about = "CPU time of the server for a request, user and system; wrk asks over 64 connections "
             "that stay, `pipelined` 16 requests at a time. nginx makes no JSON: its case is "
             "`return 200` with a variable in the text.",
    .limit_s = 900,
    .cases =
        (const struct bench_case[]){
            TRAFFIC("text"),
            TRAFFIC("json"),
            TRAFFIC("file_16k"),
            TRAFFIC("text_pipelined"),
            TRAFFIC("json_pipelined"),
            {0},
        },
};
