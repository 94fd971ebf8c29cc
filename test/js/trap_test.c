/* What the sandbox is for: an engine that has gone wrong ends its process, and nothing else. */
#include "support.h"

#include "js/js.h"
#include "js/preempt.h"
#include "otp/child.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

void trap_abort(struct engine *engine) __asm__("Z_quickjsZ_abort");

/* The engine of the calling process: handlers of Beam.callSync run in the script's own. */
static struct js *own(void)
{
    struct sched *s;

    return child_state(proc_self(&s)->state);
}

static anqa_status out_of_bounds(const anqa_js_request *request, anqa_value_writer *result)
{
    struct js *js = own();

    (void)q_JS_GetGlobalObject(&js->engine, 0xfffffff0u);
    return ANQA_OK;
}

/* Without its limit JavaScript's stack runs out of its memory at the lower end. */
static anqa_status no_limit(const anqa_js_request *request, anqa_value_writer *result)
{
    struct js *js = own();

    q_JS_SetMaxStackSize(&js->engine, js->image->rt, 0);
    return ANQA_OK;
}

static anqa_status give_up(const anqa_js_request *request, anqa_value_writer *result)
{
    trap_abort(&own()->engine);
    return ANQA_OK;
}

/* As a script that has taken over its engine might: what imports are given leads out of the memory. */
static anqa_status hostile_import(const anqa_js_request *request, anqa_value_writer *result)
{
    (void)js_at(own(), 0xfffffff0u, 64);
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"out_of_bounds", out_of_bounds}, {"no_limit", no_limit},
    {"give_up", give_up}, {"hostile_import", hostile_import}, {0}};

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "broken",
    .source = "export function call(name) { return Beam.callSync(name); }\n"
              "export function recurse() { Beam.callSync('no_limit'); return (function f() { "
              "return f() + 1; })(); }\n",
    .handlers = handlers);

static const struct {
    const char *function, *args, *reason;
} traps[] = {
    {"call", "[\"out_of_bounds\"]", "fault: sandbox: JavaScript: memory access out of bounds"},
    {"call", "[\"give_up\"]", "fault: sandbox: JavaScript: the engine has aborted"},
    {"call", "[\"hostile_import\"]",
        "fault: sandbox: JavaScript: an address out of bounds was given to the host"},
    {"recurse", "[]", "fault: sandbox: "},
};

TEST(a_trap_ends_its_process_with_its_name_and_taints_nothing)
{
    anqa_rt *rt = js_begin(2);
    anqa_rt_stats stats;
    anqa_pid other;

    anqa_trap_exit(true);
    other = js_start(&script);
    for (size_t i = 0; i < ANQA_COUNT(traps); i++) {
        anqa_pid pid = js_start(&script);
        anqa_ref ref = anqa_monitor(pid);
        const char *text = js_call(pid, traps[i].function, traps[i].args);
        const anqa_msg *down = anqa_receive_ref(ref, LONG_MS);
        char reason[300];
        CHECK(strncmp(text, "E_DIED", 6) == 0, "%s", text);
        CHECK(down != NULL);
        anqa_reason_format(down->u.reason, reason, sizeof reason);
        CHECK(strncmp(reason, traps[i].reason, strlen(traps[i].reason)) == 0, "%s: %s",
            traps[i].args, reason);
        CHECK_STR(js_eval(other, "1 + 1"), "2");
    }
    anqa_rt_get_stats(rt, &stats);
    CHECK(!stats.tainted);
    js_end(rt);
}

TEST(memory_of_one_process_is_never_seen_by_the_next_in_its_window)
{
    static const anqa_js_script keeper = ANQA_JS_SCRIPT(.name = "keeper",
        .source = "globalThis.kept = []; export function fill(t) { for (let i = 0; i < 1000; i++) "
                  "kept.push(t + i); return new Uint8Array(1 << 22).fill(7).length; }\n"
                  "export function look() { const a = new Uint8Array(1 << 22); return "
                  "[kept.length, a.every((x) => x === 0)]; }\n");
    anqa_rt *rt = js_begin(1);

    anqa_trap_exit(true);
    for (int i = 0; i < 20; i++) {
        anqa_pid pid = js_start(&keeper);
        CHECK_STR(js_call(pid, "look", "[]"), "[0,true]");
        CHECK_STR(js_call(pid, "fill", "[\"secret\"]"), "4194304");
        CHECK_STR(js_kill(pid), "killed");
    }
    js_end(rt);
}

TEST(there_are_more_processes_than_the_system_has_windows_for, .timeout_ms = 120000)
{
    static const anqa_js_script small = ANQA_JS_SCRIPT(.name = "small",
        .source = "let n = 0; export const one = 1; export function add() { return ++n; }");
    enum { COUNT = JS_MAPPED_MAX + 500 };
    static anqa_pid pids[COUNT];
    anqa_rt *rt = js_begin_with(
        &(anqa_options){.schedulers = 1, .js_mapped = JS_MAPPED_MAX, .watchdog_ms = ANQA_INFINITY});
    anqa_js_counts counts;

    for (uint32_t i = 0; i < COUNT; i++) {
        pids[i] = js_start(&small);
        if (i % 50 == 0)
            CHECK_STR(js_call(pids[i], "add", "[]"), "1");
    }
    anqa_js_get_counts(&counts);
    CHECK(counts.mapped <= counts.mapped_limit);
    CHECK_EQ(counts.mapped + counts.parked, COUNT);
    CHECK(counts.parked >= 500);
    for (uint32_t i = 0; i < COUNT; i += 50)
        CHECK_STR(js_call(pids[i], "add", "[]"), "2");
    js_end(rt);
}

TEST(a_process_that_rests_keeps_its_state_and_gives_pages_back)
{
    static const anqa_js_script resting = ANQA_JS_SCRIPT_RESTING(1, .name = "resting",
        .source = "const all = []; export function post(m) { all.push({m, at: Date.now()}); "
                  "return all.length; }");
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&resting);

    for (int i = 1; i <= 5; i++) {
        CHECK_STR(js_call(pid, "post", "[\"x\"]"), anqa_tmp_printf("%d", i));
        anqa_sleep(10);
    }
    js_end(rt);
}
