/* What is left of a script's process that was killed: nothing, but the work of C that it has asked for, up to its end. */
#include "net_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <anqa/pubsub.h>

static _Atomic(bool) may_go;
static _Atomic(uint32_t) held;

static anqa_status hold(const anqa_js_request *request, anqa_value_writer *result)
{
    atomic_fetch_add(&held, 1);
    while (!atomic_load(&may_go))
        anqa_sleep(1);
    atomic_fetch_sub(&held, 1);
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"hold", hold}, {0}};
static const char *const topics[] = {"news", NULL};
static const char *const hosts[] = {"127.0.0.1:*", NULL};
static const anqa_registry names = {.name = "names of scripts"};

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "leaver",
    .source =
        "const kept = [];\n"
        "const leaf = 'export function init() { setInterval(() => {}, 1) }';\n"
        "export async function settle(url, other) {\n"
        "  for (let i = 0; i < 5; i++) Beam.register('name ' + i);\n"
        "  kept.push(new BroadcastChannel('news'), new Worker('setInterval(() => {}, 1)'));\n"
        "  kept.push(Beam.spawn(leaf), Beam.spawn('export function init(leaf) { Beam.spawn(leaf) "
        "}', leaf));\n"
        "  for (let i = 0; i < 3; i++) kept.push(Beam.call('hold', i));\n"
        "  setInterval(() => {}, 1); setTimeout(() => {}, 1e6);\n"
        "  const c = globalThis.CompressionStream ? new CompressionStream('gzip') : new "
        "TransformStream(); kept.push(c); "
        "c.writable.getWriter().write(new "
        "Uint8Array(10)).catch(() => {});\n"
        "  const s = new WebSocket(url); kept.push(s);\n"
        "  await new Promise((done, fail) => { s.onopen = done; s.onerror = fail; });\n"
        "  return Beam.processInfo().children; }",
    .handlers = handlers, .topics = topics, .registry = &names, .hosts = hosts,
    .apis = ANQA_JS_WORKER | ANQA_JS_WEBSOCKET | ANQA_JS_STREAMS | ANQA_JS_COMPRESSION,
    .limits = {.children = 10});

/* Keeps the connection until the other side leaves. */
static void serve(anqa_tcp tcp)
{
    unsigned first;
    size_t len;

    net_ws_accept(tcp, net_read_head(tcp), "");
    for (;;)
        (void)net_ws_get(tcp, &first, &len);
}

static size_t processes(anqa_rt *rt)
{
    anqa_rt_stats stats;

    anqa_rt_get_stats(rt, &stats);
    return stats.processes;
}

static uint32_t mapped(void)
{
    anqa_js_counts counts;

    anqa_js_get_counts(&counts);
    return counts.mapped + counts.parked;
}

#define WAIT_UNTIL(condition)                                     \
    do                                                            \
        for (uint32_t i_ = 0; i_ < LONG_MS && !(condition); i_++) \
            anqa_sleep(1);                                        \
    while (0)

/* Starts one that has all there is to have. */
static anqa_pid start(uint16_t port)
{
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_call(pid, "settle", anqa_tmp_printf("[\"ws://127.0.0.1:%u/\"]", port)), "4");
    WAIT_UNTIL(atomic_load(&held) == 3);
    CHECK_EQ(atomic_load(&held), 3u);
    return pid;
}

TEST(nothing_is_left_of_a_process_that_was_killed)
{
    anqa_rt *rt = js_begin(2);
    uint16_t port = net_serve(serve);
    unsigned files = 0;
    size_t before;
    anqa_pid pid;

    anqa_trap_exit(true);
    /* What the runtime has from the first use on. */
    CHECK_STATUS(anqa_registry_register(&names, anqa_str_of("c"), ANQA_JSON_NULL, NULL), ANQA_OK);
    CHECK_STATUS(anqa_broadcast(anqa_str_of("news"), "message", ANQA_JSON_NULL), ANQA_OK);
    before = processes(rt);
    for (int i = 0; i < 3; i++) {
        atomic_store(&may_go, false);
        pid = start(port);
        CHECK(!anqa_pid_is_none(anqa_registry_whereis(&names, anqa_str_of("name 4"))));
        CHECK_EQ(net_served_now(), 1u);
        (void)js_kill(pid);
        for (int n = 0; n < 5; n++)
            CHECK(anqa_pid_is_none(
                anqa_registry_whereis(&names, anqa_str_of(anqa_tmp_printf("name %d", n)))));
        CHECK_STATUS(anqa_broadcast(anqa_str_of("news"), "message", ANQA_JSON_NULL), ANQA_OK);
        WAIT_UNTIL(net_served_now() == 0);
        CHECK_EQ(net_served_now(), 0u); /* its connection is closed */
        WAIT_UNTIL(mapped() == 0);
        CHECK_EQ(mapped(), 0u);           /* nor is there memory of it, or of its children */
        CHECK_EQ(atomic_load(&held), 3u); /* what C does for it goes on */
        atomic_store(&may_go, true);
        WAIT_UNTIL(processes(rt) == before);
        CHECK_EQ(processes(rt), before, "round %d", i);
        CHECK_EQ(atomic_load(&held), 0u);
        if (i == 0)
            files = net_open_files();
        else
            CHECK_EQ(net_open_files(), files);
    }
    js_end(rt);
}

/* A store of one snapshot, whose saving takes until the test says. */
static _Atomic(uint32_t) saves;

static anqa_status load(const anqa_js_store *store, const anqa_js_script *of, anqa_str id,
    anqa_buf *ret_snapshot, anqa_error *err)
{
    return ANQA_E_NOT_FOUND;
}

static anqa_status save(const anqa_js_store *store, const anqa_js_script *of, anqa_str id,
    anqa_str snapshot, anqa_error *err)
{
    atomic_fetch_add(&saves, 1);
    while (!atomic_load(&may_go))
        anqa_sleep(1);
    return ANQA_OK;
}

TEST(a_process_that_is_killed_while_it_is_saved_leaves_nothing_either)
{
    static const anqa_js_store slow = {.load = load, .save = save, .every_ms = 1};
    static const anqa_js_script stored = ANQA_JS_SCRIPT(.name = "stored",
        .source = "let n = 0; export function f() { n++; }", .store = &slow);
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = {0};
    size_t before;

    anqa_trap_exit(true);
    atomic_store(&may_go, false);
    CHECK_STATUS(
        anqa_js_start_link(&stored, NULL, &(anqa_start_opts){.name = "kept"}, &pid, NULL), ANQA_OK);
    before = processes(rt) - 1;
    CHECK_STR(js_call(pid, "f", "[]"), "null");
    WAIT_UNTIL(atomic_load(&saves) == 1);
    CHECK_EQ(atomic_load(&saves), 1u);
    (void)js_kill(pid);
    WAIT_UNTIL(mapped() == 0);
    CHECK_EQ(mapped(), 0u);
    atomic_store(&may_go, true);
    WAIT_UNTIL(processes(rt) == before);
    CHECK_EQ(processes(rt), before);
    CHECK_EQ(atomic_load(&saves), 1u);
    js_end(rt);
}
