/*
 * JavaScript processes: what one costs to start, to be called for the first time and later, and in memory; how long a
 * polite one waits beside others that spin; and plain computing.
 *
 * A sample is work of driver processes, one on each scheduler, while the main thread sleeps. Processes are started and
 * ended in batches with the clock stopped for what is not measured.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <anqa/anqa.h>

#include "bench.h"

enum {
    BATCH = 64,
    PLACES = 256,
    SPINNERS = 10,
    POLITE = 100, /* rooms, */
    ASKERS = 10,  /* who ask them */
    ASKED = 100,  /* times each */
    ANSWER_MS = 50000,
    ROOMS = 400
};

#define ROOM_SOURCE                                                              \
    "const posts = [];\n"                                                        \
    "export function post(m) { posts.push({sender: m.sender, text: m.text, at: " \
    "Date.now(), id: posts.length});\n"                                          \
    "  if (posts.length > 100) posts.shift(); return {id: posts.length}; }\n"    \
    "export function add(n) { return n + 1; }\n"                                 \
    "export function spin() { while (true) {} }\n"

static const anqa_js_script room =
    ANQA_JS_SCRIPT(.name = "room", .source = ROOM_SOURCE, .limits = {.turn_ms = 3600000});

static const anqa_js_script programs = ANQA_JS_SCRIPT(.name = "programs",
    .source =
        "export function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }\n"
        "export function objects(n) { const a = []; for (let i = 0; i < n; i++) a.push({id: i, s: "
        "'m' + i}); return JSON.stringify(a).length; }\n"
        "export function strings(n) { let s = ''; for (let i = 0; i < n; i++) s += 'ab' + i; "
        "return s.length; }\n"
        "export function floats(n) { let s = 0; const a = new Float64Array(1000); for (let i = 0; "
        "i < n; i++) { a[i % 1000] += Math.sqrt(i); s += a[(i * 7) % 1000]; } return s; }\n"
        "export function match(n) { let c = 0; for (let i = 0; i < n; i++) c += "
        "/(\\w+)@(\\w+)\\.com/.exec('hello user' + i + '@example.com there') ? 1 : 0; return c; "
        "}\n",
    .limits = {.turn_ms = 3600000});

static anqa_rt *rt;

static bool open_mapped(struct bench *b, uint32_t mapped)
{
    anqa_options options = {
        .schedulers = (uint16_t)b->schedulers, .watchdog_ms = ANQA_INFINITY, .js_mapped = mapped};
    anqa_error err;

    anqa_log_set_level(ANQA_LOG_NONE);
    if (anqa_start(&options, &rt, &err) != ANQA_OK)
        bench_fail("no runtime: %s", err.text);
    if (anqa_attach(rt, &err) != ANQA_OK)
        bench_fail("cannot attach: %s", err.text);
    anqa_trap_exit(true);
    return true;
}

static bool open_world(struct bench *b)
{
    return open_mapped(b, 0);
}

/* Where that many processes are mapped: more than windows are kept warm. */
static bool open_narrow(struct bench *b)
{
    return open_mapped(b, PLACES);
}

static void close_world(struct bench *b)
{
    anqa_detach();
    anqa_stop(rt);
}

/* ---------------------------------------------------------------- drivers */

struct drive {
    struct bench *bench;
    void (*work)(struct bench *b, uint64_t ops, bool first);
    uint64_t ops;
    bool first; /* the one that stops and starts the clock */
};

static void run_drive(void *state)
{
    const struct drive *drive = state;

    anqa_trap_exit(true);
    drive->work(drive->bench, drive->ops, drive->first);
}

/* The same work on each scheduler, until the first is through. */
static void drive(
    struct bench *b, uint64_t ops, void (*work)(struct bench *b, uint64_t ops, bool first))
{
    anqa_ref refs[2];

    for (unsigned i = 0; i < b->schedulers; i++) {
        struct drive what = {b, work, ops, i == 0};
        anqa_spawn_opts opts = {.run = run_drive,
            .arg = &what,
            .arg_size = sizeof what,
            .pinned = true,
            .scheduler = (uint16_t)(i + 1),
            .monitor = true};
        if (anqa_spawn(&opts, NULL, &refs[i]) != ANQA_OK)
            bench_fail("cannot spawn");
    }
    for (unsigned i = 0; i < b->schedulers; i++)
        if (anqa_receive_ref(refs[i], ANSWER_MS) == NULL)
            bench_fail("a driver does not end");
    (void)anqa_receive(0); /* ends the event */
}

static anqa_pid start_room(const anqa_js_script *script)
{
    anqa_pid pid;
    anqa_error err;

    if (anqa_js_start_link(script, NULL, NULL, &pid, &err) != ANQA_OK)
        bench_fail("%s", err.text);
    return pid;
}

static void end_rooms(const anqa_pid *pids, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        anqa_ref ref = anqa_monitor(pids[i]);
        anqa_exit_signal(pids[i], ANQA_KILL);
        if (anqa_receive_ref(ref, ANSWER_MS) == NULL)
            bench_fail("a room does not end");
    }
    while (anqa_receive(0) != NULL) /* their EXITs */
        ;
}

static void pause_if(struct bench *b, bool first, bool on)
{
    if (!first)
        return;
    if (on)
        bench_pause(b);
    else
        bench_resume(b);
}

static void in_batches(struct bench *b, uint64_t ops, bool first,
    void (*measured)(anqa_pid *pids, uint64_t count), bool started)
{
    anqa_pid pids[BATCH];

    pause_if(b, first, true);
    while (ops > 0) {
        uint64_t count = ops < BATCH ? ops : BATCH;
        for (uint64_t i = 0; started && i < count; i++)
            pids[i] = start_room(&room);
        pause_if(b, first, false);
        measured(pids, count);
        pause_if(b, first, true);
        end_rooms(pids, count);
        ops -= count;
    }
    pause_if(b, first, false);
}

static void start_all(anqa_pid *pids, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        pids[i] = start_room(&room);
}

static void post_to(anqa_pid pid)
{
    static const char message[] =
        "{\"sender\":\"ada\",\"text\":\"hello to everyone in this room\"}";

    (void)anqa_call(pid, "post", anqa_json_of(anqa_str_of(message)), ANSWER_MS);
}

static void call_all(anqa_pid *pids, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        post_to(pids[i]);
}

static void work_spawn(struct bench *b, uint64_t ops, bool first)
{
    in_batches(b, ops, first, start_all, false);
}

static void work_first_call(struct bench *b, uint64_t ops, bool first)
{
    in_batches(b, ops, first, call_all, true);
}

static void work_call(struct bench *b, uint64_t ops, bool first)
{
    anqa_pid pid = start_room(&room);

    for (uint64_t i = 0; i < ops; i++) {
        (void)anqa_call(pid, "add", anqa_json_of(anqa_str_of("41")), ANSWER_MS);
        if (i % 64 == 0)
            (void)anqa_receive(0);
    }
    end_rooms(&pid, 1);
}

static void work_post(struct bench *b, uint64_t ops, bool first)
{
    anqa_pid pid = start_room(&room);

    for (uint64_t i = 0; i < ops; i++) {
        post_to(pid);
        if (i % 64 == 0)
            (void)anqa_receive(0);
    }
    end_rooms(&pid, 1);
}

/* While there are places: in windows most of which are not warm. */
static void work_wake_cold(struct bench *b, uint64_t ops, bool first)
{
    anqa_pid pids[2 * PLACES];

    pause_if(b, first, true);
    for (uint64_t left = ops, count; left > 0; left -= count) {
        count = left < PLACES ? left : PLACES;
        start_all(pids, 2 * PLACES);
        call_all(pids, 2 * PLACES);
        end_rooms(pids + PLACES, PLACES);
        pause_if(b, first, false);
        call_all(pids, count);
        pause_if(b, first, true);
        end_rooms(pids, PLACES);
    }
    pause_if(b, first, false);
}

/* A call of one that is parked; for its place another one is. */
static void work_wake(struct bench *b, uint64_t ops, bool first)
{
    anqa_pid pids[2 * PLACES];

    pause_if(b, first, true);
    start_all(pids, 2 * PLACES);
    call_all(pids, 2 * PLACES);
    pause_if(b, first, false);
    for (uint64_t i = 0; i < ops; i++) {
        post_to(pids[i % (2 * PLACES)]);
        if (i % 64 == 0)
            (void)anqa_receive(0);
    }
    pause_if(b, first, true);
    end_rooms(pids, 2 * PLACES);
    pause_if(b, first, false);
}

static void run_wake_cold(struct bench *b, uint64_t ops)
{
    drive(b, ops, work_wake_cold);
}

static void run_wake(struct bench *b, uint64_t ops)
{
    drive(b, ops, work_wake);
}

static void run_spawn(struct bench *b, uint64_t ops)
{
    drive(b, ops, work_spawn);
}

static void run_first_call(struct bench *b, uint64_t ops)
{
    drive(b, ops, work_first_call);
}

static void run_call(struct bench *b, uint64_t ops)
{
    drive(b, ops, work_call);
}

static void run_post(struct bench *b, uint64_t ops)
{
    drive(b, ops, work_post);
}

/* ---------------------------------------------------------------- memory */

/* What is the process's own: pages of the image that were only read are everybody's. */
static double own_bytes(void)
{
    char line[256];
    double kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "re");

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmPTE:", 6) == 0)
            kilobytes += strtod(line + 6, NULL);
        else if (strncmp(line, "RssAnon:", 8) == 0)
            kilobytes += strtod(line + 8, NULL);
    if (file != NULL)
        fclose(file);
    return kilobytes * 1024;
}

/* As `room`, that soon gives back what it does not need. */
static const anqa_js_script idle_room =
    ANQA_JS_SCRIPT_RESTING(1, .name = "idle_room", .source = ROOM_SOURCE);

static void work_rooms(struct bench *b, uint64_t ops, bool first)
{
    anqa_pid *pids = calloc(ROOMS, sizeof *pids);
    double before, *result = b->state;

    for (int i = 0; i < 20; i++) /* what is shared is there */
        post_to(start_room(&idle_room));
    anqa_sleep(50);
    before = own_bytes();
    for (int i = 0; i < ROOMS; i++) {
        pids[i] = start_room(&idle_room);
        post_to(pids[i]);
    }
    anqa_sleep(100);
    *result = (own_bytes() - before) / ROOMS;
    end_rooms(pids, ROOMS);
    free(pids);
}

static double measure_memory(struct bench *b)
{
    double result = 0;

    b->state = &result;
    drive(b, 1, work_rooms);
    return result;
}

/* What a room takes that is parked after so many messages, beside its process. */
enum { PARKED_POSTS = 100, PARKED_ROOMS = 20 };

static void work_parked(struct bench *b, uint64_t ops, bool first)
{
    anqa_pid pids[2 * PARKED_ROOMS];
    anqa_js_counts counts;
    double *result = b->state;

    start_all(pids, PARKED_ROOMS);
    for (int i = 0; i < PARKED_ROOMS; i++)
        for (int n = 0; n < PARKED_POSTS; n++)
            post_to(pids[i]);
    start_all(pids + PARKED_ROOMS, PARKED_ROOMS);
    anqa_js_get_counts(&counts);
    if (counts.parked != PARKED_ROOMS)
        bench_fail("%u rooms are parked", counts.parked);
    *result = (double)counts.parked_bytes / PARKED_ROOMS;
    end_rooms(pids, ANQA_COUNT(pids));
}

static double measure_parked(struct bench *b)
{
    double result = 0;

    b->state = &result;
    drive(b, 1, work_parked);
    return result;
}

static bool open_few(struct bench *b)
{
    return open_mapped(b, PARKED_ROOMS);
}

/* ---------------------------------------------------------------- the web platform */

/* One script for each part: what it does in its first call, and what it comes to beside a script of nothing. */
static const struct api {
    const char *name, *code;
    uint32_t apis;
} apis[] = {
    {"nothing", "1", 0},
    {"events",
        "const t = new EventTarget(); t.addEventListener('x', () => {});"
        "t.dispatchEvent(new Event('x')); new AbortController().abort()",
        ANQA_JS_EVENTS},
    {"encoding",
        "structuredClone({a: [new TextDecoder().decode(new TextEncoder().encode('\u00e4'))]})",
        ANQA_JS_ENCODING},
    {"url", "new URL('/b?c=d', 'http://h/a').searchParams.get('c')", ANQA_JS_URL},
    {"performance", "performance.mark('a'); performance.measure('m', 'a')", ANQA_JS_PERFORMANCE},
    {"locks", "navigator.locks.request('a', () => 1)", ANQA_JS_LOCKS},
    {"storage", "localStorage.a = 1; localStorage.getItem('a')", ANQA_JS_STORAGE},
    {"streams", "new ReadableStream({start(c) { c.enqueue(1); c.close() }}).getReader().read()",
        ANQA_JS_STREAMS},
    {"blob", "new Blob(['a']).text()", ANQA_JS_BLOB},
    {"http", "new Response('a').text()", ANQA_JS_HTTP},
    {"compression", "new CompressionStream('gzip').writable.getWriter().write(new Uint8Array(9))",
        ANQA_JS_COMPRESSION},
    {"crypto", "crypto.randomUUID()", ANQA_JS_CRYPTO},
    {"all", "new URL('http://h/').searchParams; new EventTarget(); new TextEncoder()", UINT32_MAX},
};

struct api_cost {
    double image_bytes; /* of pages that are not empty */
    double make_us;     /* until the first process is there */
    double own_bytes;   /* of a process behind its first call */
};

/* Of the image that was made last. */
static double image_bytes(void)
{
    static const char empty[4096];
    char path[64], name[64], page[4096];
    double bytes = 0;

    for (int fd = 3; fd < 256; fd++) {
        ssize_t len;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        len = readlink(path, name, sizeof name - 1);
        if (len < 0)
            continue;
        name[len] = '\0';
        if (strstr(name, "memfd:anqa-js") == NULL)
            continue;
        bytes = 0;
        for (off_t at = 0; pread(fd, page, sizeof page, at) == sizeof page; at += sizeof page)
            if (memcmp(page, empty, sizeof page) != 0)
                bytes += sizeof page;
    }
    return bytes;
}

static void work_api(struct bench *b, uint64_t ops, bool first)
{
    const struct api *api = &apis[ops];
    struct api_cost *cost = b->state;
    anqa_pid *pids = calloc(ROOMS, sizeof *pids);
    char source[512];
    double before;
    uint64_t start;
    anqa_js_script script = ANQA_JS_SCRIPT_RESTING(
        1, .name = "api", .source = source, .apis = api->apis, .limits = {.turn_ms = 60000});

    snprintf(source, sizeof source, "export function post() { %s; return 1 }", api->code);
    start = bench_now_ns();
    post_to(start_room(&script));
    cost->make_us = (double)(bench_now_ns() - start) / 1000;
    cost->image_bytes = image_bytes();
    for (int i = 0; i < 20; i++)
        post_to(start_room(&script));
    anqa_sleep(50);
    before = own_bytes();
    for (int i = 0; i < ROOMS; i++) {
        pids[i] = start_room(&script);
        post_to(pids[i]);
    }
    anqa_sleep(100);
    cost->own_bytes = (own_bytes() - before) / ROOMS;
    end_rooms(pids, ROOMS);
    free(pids);
}

/* A row for each, on stderr; the figure is what all of them add to the image. */
static double measure_apis(struct bench *b)
{
    double nothing = 0, all = 0;

    for (size_t i = 0; i < ANQA_COUNT(apis); i++) {
        struct api_cost cost = {0};
        if (i > 0)
            open_world(b);
        b->state = &cost;
        drive(b, i, work_api);
        if (i + 1 < ANQA_COUNT(apis))
            close_world(b);
        if (i == 0)
            nothing = cost.image_bytes;
        all = cost.image_bytes - nothing;
        fprintf(stderr, "| %s | %.0f | %.0f | %.0f |\n", apis[i].name,
            (cost.image_bytes - (i == 0 ? 0 : nothing)) / 1024, cost.make_us,
            cost.own_bytes / 1024);
    }
    return all;
}

/* ---------------------------------------------------------------- beside those that spin */

static int order(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* Asks some of the rooms, in turn, with a pause between. */
struct asker {
    const anqa_pid *rooms;
    uint64_t *took;
    anqa_pid tell;
};

static void run_asker(void *state)
{
    const struct asker *asker = state;

    for (int i = 0; i < ASKED; i++) {
        uint64_t start = bench_now_ns();
        post_to(asker->rooms[i % (POLITE / ASKERS)]);
        asker->took[i] = bench_now_ns() - start;
        anqa_sleep(1);
    }
    (void)anqa_send(asker->tell, "asked", anqa_nothing());
}

static void ask_all(const anqa_pid *rooms, uint64_t *took)
{
    for (int i = 0; i < ASKERS; i++) {
        struct asker asker = {
            rooms + (size_t)i * (POLITE / ASKERS), took + (size_t)i * ASKED, anqa_self()};
        if (anqa_spawn(
                &(anqa_spawn_opts){.run = run_asker, .arg = &asker, .arg_size = sizeof asker}, NULL,
                NULL) != ANQA_OK)
            bench_fail("an asker does not start");
    }
    for (int i = 0; i < ASKERS; i++)
        if (anqa_receive(ANSWER_MS) == NULL)
            bench_fail("an asker does not come to its end");
}

static double measure_polite(struct bench *b)
{
    static uint64_t took[ASKERS * ASKED];
    anqa_pid spinning[SPINNERS], polite[POLITE];

    for (int i = 0; i < SPINNERS; i++) {
        spinning[i] = start_room(&room);
        anqa_cast(spinning[i], "spin", (anqa_json){NULL, 0});
    }
    for (int i = 0; i < POLITE; i++)
        polite[i] = start_room(&room);
    ask_all(polite, took);
    end_rooms(spinning, SPINNERS);
    end_rooms(polite, POLITE);
    qsort(took, ANQA_COUNT(took), sizeof took[0], order);
    return (double)took[ANQA_COUNT(took) * 99 / 100] / 1000;
}

/* ---------------------------------------------------------------- computing */

static anqa_pid computer;

static bool setup_programs(struct bench *b)
{
    open_world(b);
    computer = start_room(&programs);
    return true;
}

static double compute(const char *program, const char *n)
{
    uint64_t start = bench_now_ns();

    (void)anqa_call(computer, program, anqa_json_of(anqa_str_of(n)), ANSWER_MS);
    (void)anqa_receive(0);
    return (double)(bench_now_ns() - start) / 1e6;
}

#define PROGRAM(name, n)                          \
    static double measure_##name(struct bench *b) \
    {                                             \
        return compute(#name, n);                 \
    }
PROGRAM(fib, "27")
PROGRAM(objects, "50000")
PROGRAM(strings, "100000")
PROGRAM(floats, "500000")
PROGRAM(match, "10000")

#define COMPUTING(program)            \
    {.name = #program,                \
        .unit = "ms",                 \
        .peer = #program,             \
        .schedulers = BENCH_ON_1,     \
        .setup = setup_programs,      \
        .measure = measure_##program, \
        .teardown = close_world}

const struct bench_area bench_area = {
    .name = "js",
    .cases =
        (const struct bench_case[]){
            {.name = "spawn",
                .unit = "ns",
                .budget = {BENCH_AT_MOST, 5000},
                .schedulers = BENCH_ON_2,
                .max_ops = 2000,
                .setup = open_world,
                .run = run_spawn,
                .teardown = close_world},
            {.name = "first_call",
                .unit = "ns",
                .budget = {BENCH_AT_MOST, 45000},
                .schedulers = BENCH_ON_1,
                .max_ops = 1000,
                .setup = open_world,
                .run = run_first_call,
                .teardown = close_world},
            {.name = "call",
                .unit = "ns",
                .budget = {BENCH_AT_MOST, 2000},
                .schedulers = BENCH_ON_1,
                .setup = open_world,
                .run = run_call,
                .teardown = close_world},
            {.name = "post",
                .unit = "ns",
                .schedulers = BENCH_ON_1,
                .setup = open_world,
                .run = run_post,
                .teardown = close_world},
            {.name = "wake",
                .unit = "ns",
                .budget = {BENCH_AT_MOST, 60000},
                .schedulers = BENCH_ON_1,
                .max_ops = 20000,
                .setup = open_narrow,
                .run = run_wake,
                .teardown = close_world},
            {.name = "wake_cold",
                .unit = "ns",
                .schedulers = BENCH_ON_1,
                .max_ops = 1000,
                .setup = open_narrow,
                .run = run_wake_cold,
                .teardown = close_world},
            {.name = "memory",
                .unit = "bytes",
                .budget = {BENCH_AT_MOST, 102400},
                .note = "some 11 pages of 4 KB: those that one message makes differ from the "
                        "image, and page tables. Each is there for one thing: the engine's state, "
                        "the script's objects, what is new, counts of references in six places.",
                .schedulers = BENCH_ON_1,
                .fresh = true,
                .setup = open_world,
                .measure = measure_memory,
                .teardown = close_world},
            {.name = "parked",
                .unit = "bytes",
                .budget = {BENCH_AT_MOST, 22528},
                .note = "what is kept of a room's memory while it is parked, after 100 messages of "
                        "which it holds 100.",
                .schedulers = BENCH_ON_1,
                .setup = open_few,
                .measure = measure_parked,
                .teardown = close_world},
            {.name = "apis",
                .unit = "bytes",
                .note =
                    "what the whole web platform adds to the image of a script, which its "
                    "processes share. A row for each part goes to stderr: KB of image, us until "
                    "the first answer of its first process, KB of a process's own.",
                .schedulers = BENCH_ON_1,
                .fresh = true,
                .setup = open_world,
                .measure = measure_apis,
                .teardown = close_world},
            {.name = "polite_p99",
                .unit = "us",
                .budget = {BENCH_AT_MOST, 2000},
                .note =
                    "of a hundred rooms that ten ask at a time, beside ten that compute; with "
                    "four rooms and one who asks it was 1.1 ms. What makes the difference has not "
                    "been measured.",
                .schedulers = BENCH_ON_2,
                .setup = open_world,
                .measure = measure_polite,
                .teardown = close_world},
            COMPUTING(fib),
            COMPUTING(objects),
            COMPUTING(strings),
            COMPUTING(floats),
            COMPUTING(match),
            {0},
        },
};
