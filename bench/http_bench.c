/*
 * HTTP: what a request costs, beside nginx. The figure is the server's CPU time for a request, user and system, while wrk or h2load
 * keeps it busy; on the loopback it contains the kernel's work for sending and, because send() runs the receiver's TCP input,
 * for receiving. 10,000 ns are 100,000 requests in a second of CPU.
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
    struct load_options load;
    bool tls, nghttpd;
} traffics[] = {
    {.name = "text", .load = {.path = "/text"}},
    {.name = "json", .load = {.path = "/json"}},
    {.name = "file_16k", .load = {.path = "/files/16k"}},
    {.name = "file_16k_anew", .load = {.path = "/anew/16k"}},
    {.name = "text_pipelined", .load = {.path = "/text", .pipeline = DEEP}},
    {.name = "json_pipelined", .load = {.path = "/json", .pipeline = DEEP}},
    {.name = "connection", .load = {.path = "/text", .close = true}},
    {.name = "tls_json", .load = {.path = "/json"}, .tls = true},
    {.name = "tls_file_16k", .load = {.path = "/files/16k"}, .tls = true},
    {.name = "tls_handshake", .load = {.path = "/text", .close = true}, .tls = true},
    {.name = "h2_json", .load = {.path = "/json", .connections = 8, .streams = 32}, .tls = true},
    {.name = "h2_file_16k",
        .load = {.path = "/files/16k", .connections = 8, .streams = 32},
        .tls = true},
    {.name = "h2c_text",
        .load = {.path = "/text", .connections = 8, .streams = 32},
        .nghttpd = true},
    {.name = "h2c_file_16k",
        .load = {.path = "/files/16k", .connections = 8, .streams = 32},
        .nghttpd = true},
};

static const struct traffic *find_traffic(const char *name)
{
    for (size_t i = 0; i < ANQA_COUNT(traffics); i++) {
        if (strcmp(traffics[i].name, name) == 0)
            return &traffics[i];
    }
    bench_fail("%s is no traffic", name);
}

static double measure(struct bench *b)
{
    const struct traffic *traffic = find_traffic(b->spec->name);
    struct load_options options = traffic->load;
    struct load_result result;

    if (options.connections == 0)
        options.connections = CONNECTIONS;
    options.seconds = b->quick ? 1 : 2;
    if (traffic->tls)
        options.seconds++; /* handshakes take their part of it */
    result = load_run(b->state, &options);
    return result.server_ns / result.requests;
}

static bool start(struct bench *b)
{
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL)
        return false;
    b->state = server;
    if (server_open(server, b->schedulers, find_traffic(b->spec->name)->tls,
            find_traffic(b->spec->name)->nghttpd)) {
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
    .about =
        "CPU time of the server for a request, user and system. wrk asks over 64 connections that "
        "stay, `pipelined` 16 requests at a time, `connection` and `tls_handshake` over a new one "
        "each time (TLS 1.3, a full handshake with ECDSA P-256); `h2` is h2load over 8 connections "
        "of TLS with 32 streams each; `h2c` the same without TLS, beside nghttp2's own server "
        "(nghttpd). nginx makes no JSON: its case is `return 200` with a "
        "variable "
        "in the text. nghttpd has files only, /text is one of 5 bytes. Both keep open files "
        "(open_file_cache), but for `file_16k_anew`.",
    .limit_s = 900,
    .cases =
        (const struct bench_case[]){
            TRAFFIC("text"),
            TRAFFIC("json"),
            TRAFFIC("file_16k",
                .note = "both keep the file open; here each request asks whether it is still the "
                        "same (fstat), nginx looks again after a minute. The row file_16k_anew has "
                        "the two side by side where they open it for each request."),
            TRAFFIC("file_16k_anew"),
            TRAFFIC("text_pipelined"),
            TRAFFIC("json_pipelined"),
            TRAFFIC("connection"),
            TRAFFIC("tls_json"),
            TRAFFIC("tls_file_16k"),
            TRAFFIC("tls_handshake",
                .note =
                    "two session tickets: without any, of either, it is 1.01x to 1.04x; with those "
                    "that "
                    "OpenSSL seals with keys that never change, 0.93x to 0.99x. Ours change, so "
                    "OpenSSL asks for them by a callback. One ticket less is 5 to 9 %."),
            TRAFFIC("h2_json"),
            TRAFFIC("h2_file_16k",
                .note =
                    "the file is copied on its way through the queue of its stream, 7 % (perf)."),
            TRAFFIC("h2c_text", .note = "each request is a process, goes through a router and gets "
                                        "a date and an id, of which nghttpd does "
                                        "nothing; no function takes more than 4 % (perf)."),
            TRAFFIC("h2c_file_16k",
                .note = "the file is copied on its way through the queue of its stream, 7 % "
                        "(perf), and as h2c_text."),
            {0},
        },
};
