/*
 * A site (fixture/http_server.c) under a crowd that means no good, beside clients that behave: those lose nothing and hardly
 * wait, memory is bounded and flat, and when the crowd has gone no file stays open.
 *
 * By default a small crowd for a few seconds. ANQA_SOAK=full in the environment is the real one: 19,000 hostile clients
 * for two and a half minutes, of whom some 15,000 are there at any time. ANQA_SOAK_CLIENTS and _SECONDS change single figures. --verbose prints what came of it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "otp/launched.h"
#include "soak/http_crowd.h"
#include "soak/http_polite.h"
#include "soak/look.h"

#ifndef HTTP_SERVER
#define HTTP_SERVER NULL
#endif

enum {
    LIMIT_MS = 300000,
    POLITE = 100,
    FILE_BYTES = 900000,
    ALONE_S = 2,
    COMING_S = 60,
    GONE_S = 30,
    SPARE_FILES = 400,
    KB_EACH = 24, /* what one hostile connection may have us hold */
    KB_BASE = 16384,
    KERNEL_KB_EACH = 256, /* and the kernel, for both ends of it */
};

struct plan {
    uint32_t connections, seconds, p99_us;
    uint32_t patience_s;     /* more than the server has */
    const char *variable;    /* that tells the server so */
    uint32_t growth_percent; /* of memory, in the last two thirds of the time */
};

/* How long polite clients may wait on a machine with nothing else to do is seen with the real crowd only. */
static struct plan plan(void)
{
    bool full = look_is_full();

    return (struct plan){.connections = look_figure("ANQA_SOAK_CLIENTS", full ? 19000 : 1900),
        .seconds = look_figure("ANQA_SOAK_SECONDS", full ? 150 : 12),
        .p99_us = full ? 20000 : 300000,
        .patience_s = full ? 14 : 8,
        .variable = full ? "PATIENCE_MS=12000" : NULL,
        .growth_percent = full ? 5 : 10};
}

static void put_big_file(const struct launched *server)
{
    char *text = malloc(FILE_BYTES + 1);

    CHECK(text != NULL);
    memset(text, 'x', FILE_BYTES);
    text[FILE_BYTES] = '\0';
    launched_put(server, "big", text);
    free(text);
}

/* The most that the kernel held meanwhile. */
static uint64_t turn_for(
    struct crowd *crowd, uint32_t seconds, struct look_samples *samples, pid_t pid)
{
    uint64_t end = look_now_ns() + seconds * UINT64_C(1000000000), most = 0;

    while (look_now_ns() < end) {
        uint32_t before = samples->count;
        crowd_turn(crowd);
        look_sample(samples, pid);
        if (samples->count != before && look_tcp_kb() > most)
            most = look_tcp_kb();
    }
    return most;
}

/* All have come, and the first of them have been thrown out. */
static void let_crowd_in(struct crowd *crowd, uint32_t patience_s)
{
    uint64_t now = look_now_ns(), end = now + COMING_S * UINT64_C(1000000000);

    for (; !crowd_is_there(crowd); crowd_turn(crowd))
        CHECK(look_now_ns() < end, "not all could come");
    end = look_now_ns() + patience_s * UINT64_C(1000000000);
    while (look_now_ns() < end)
        crowd_turn(crowd);
}

static uint32_t files_when_gone(pid_t pid, uint32_t wanted)
{
    uint64_t end = look_now_ns() + GONE_S * UINT64_C(1000000000);
    uint32_t files = look_open_files(pid);

    while (files > wanted && look_now_ns() < end)
        files = look_open_files(pid);
    return files;
}

static void print_crowd(const struct crowd_result *r)
{
    static const char *const texts[] = {
#define X(name, text) text,
        CROWD_KIND_MAP(X)
#undef X
    };

    for (int kind = 0; kind < CROWD_KINDS; kind++)
        printf("%8" PRIu64 " came, %8" PRIu64 " were thrown out: %s\n", r->kinds[kind].came,
            r->kinds[kind].thrown_out, texts[kind]);
    for (unsigned status = 100; status < 600; status++)
        if (r->statuses[status] > 0)
            printf("%8" PRIu64 " answers %u\n", r->statuses[status], status);
}

static void check_crowd(const struct crowd_result *r)
{
    for (int kind = 0; kind < CROWD_KINDS; kind++)
        CHECK(kind == CROWD_CHURN || r->kinds[kind].thrown_out > 0, "kind %d", kind);
    CHECK(r->statuses[200] > 0 && r->statuses[400] > 0 && r->statuses[408] > 0);
    CHECK_EQ(r->statuses[500] + r->statuses[503], 0);
    CHECK_EQ(r->refused, 0);
}

TEST(a_hostile_crowd_costs_polite_clients_nothing_and_the_server_little, .timeout_ms = LIMIT_MS)
{
    static struct look_samples samples;
    struct plan p = plan();
    struct launched server;
    struct polite *polite;
    struct crowd *crowd;
    struct polite_result alone, beside;
    struct crowd_result hostile;
    struct look_slope memory;
    uint64_t kb_before, kernel_kb_before, kernel_kb;
    uint32_t files_before, files_with_all, files_after;
    double cpu_s;

    if (!look_may_open(p.connections + SPARE_FILES))
        SKIP("needs %u open files: raise the hard limit (ulimit -Hn)", p.connections + SPARE_FILES);
    server = launched_begin(&(struct launch){
        .program = HTTP_SERVER, .variables = (const char *const[]){p.variable, NULL}});
    put_big_file(&server);
    files_before = look_open_files(server.pid);
    polite = polite_begin(server.port, POLITE);
    crowd = crowd_begin(server.port, p.connections);
    sleep(ALONE_S);
    alone = polite_now(polite);
    kb_before = look_memory_kb(server.pid);
    kernel_kb_before = look_tcp_kb();
    let_crowd_in(crowd, p.patience_s);
    files_with_all = look_open_files(server.pid);
    polite_forget(polite);
    cpu_s = -look_cpu_seconds(server.pid);
    kernel_kb = turn_for(crowd, p.seconds, &samples, server.pid);
    cpu_s += look_cpu_seconds(server.pid);
    beside = polite_now(polite);
    hostile = crowd_now(crowd);
    crowd_end(crowd);
    (void)polite_end(polite);
    files_after = files_when_gone(server.pid, files_before);
    memory = look_slope(&samples);

    print_crowd(&hostile);
    printf("%u of %u hostile connections at the end, %u s; the server used %.1f s of CPU\n",
        hostile.there, p.connections, p.seconds, cpu_s);
    printf("polite clients: %" PRIu64 " requests, %" PRIu64 " failed; p50 %u, p99 %u, worst %u us; "
           "without the crowd p50 %u, p99 %u us\n",
        beside.requests, beside.failed, beside.p50_us, beside.p99_us, beside.worst_us, alone.p50_us,
        alone.p99_us);
    printf("memory %" PRIu64 " kB, with the crowd %" PRIu64 " to %" PRIu64 ", at most %" PRIu64
           " kB: %+.2f %%/min\n",
        kb_before, memory.first_kb, memory.last_kb, memory.peak_kb, memory.percent_per_minute);
    printf("the kernel held %" PRIu64 " kB for TCP, then at most %" PRIu64 " kB\n",
        kernel_kb_before, kernel_kb);
    printf("open files %u, %u, %u\n", files_before, files_with_all, files_after);

    CHECK_EQ(beside.failed, 0, "%s", beside.first);
    CHECK(beside.requests > (uint64_t)p.seconds * POLITE);
    CHECK(beside.p99_us < p.p99_us, "%u us", beside.p99_us);
    check_crowd(&hostile);
    CHECK(hostile.there > p.connections / 10 * 6, "%u", hostile.there);
    CHECK(memory.peak_kb < kb_before + KB_BASE + (uint64_t)KB_EACH * p.connections);
    CHECK(memory.last_kb < memory.first_kb + memory.first_kb * p.growth_percent / 100);
    CHECK(kernel_kb < kernel_kb_before + (uint64_t)KERNEL_KB_EACH * p.connections);
    CHECK(files_with_all > files_before + p.connections / 2);
    CHECK(files_after <= files_before, "%u, then %u", files_before, files_after);
    launched_end(&server);
}
