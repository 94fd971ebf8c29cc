/* What scripts can do beside the language: Beam, timers, promises. */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static anqa_status add(const anqa_js_request *request, anqa_value_writer *result)
{
    int64_t sum = 0;

    for (size_t i = 0; i < anqa_value_count(request->args); i++)
        sum += anqa_value_int(anqa_value_at(request->args, i), 0);
    anqa_value_put_int(result, sum);
    return ANQA_OK;
}

static anqa_status refuse(const anqa_js_request *request, anqa_value_writer *result)
{
    return anqa_fail(request->err, ANQA_E_PERMISSION, "not today");
}

static anqa_status crash(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_exit(anqa_error_reason("broken"));
}

static anqa_status slow(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_sleep(20);
    anqa_value_put_str(result, anqa_str_of("slow"));
    return ANQA_OK;
}

static anqa_status leave(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_exit(ANQA_NORMAL);
}

static anqa_status be_killed(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_exit_signal(anqa_self(), ANQA_KILL);
    anqa_sleep(ANQA_INFINITY);
    return ANQA_OK;
}

static anqa_status fault(const anqa_js_request *request, anqa_value_writer *result)
{
    __builtin_trap();
}

static anqa_status spoil(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_value_array_begin(result); /* and never ends it */
    return ANQA_OK;
}

static anqa_status no_words(const anqa_js_request *request, anqa_value_writer *result)
{
    return ANQA_E_NOT_FOUND;
}

static anqa_status too_much(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_value_array_begin(result);
    for (int i = 0; i < 2000000; i++)
        anqa_value_put_null(result);
    anqa_value_end(result);
    return ANQA_OK;
}

static anqa_status nothing(const anqa_js_request *request, anqa_value_writer *result)
{
    return ANQA_OK;
}

static _Atomic(bool) held, may_go;

/* Whoever calls it at once takes no message meanwhile. */
static anqa_status hold(const anqa_js_request *request, anqa_value_writer *result)
{
    atomic_store(&held, true);
    while (!atomic_load(&may_go))
        anqa_sleep(1);
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"hold", hold}, {"add", add}, {"refuse", refuse},
    {"crash", crash}, {"slow", slow}, {"leave", leave}, {"be_killed", be_killed}, {"fault", fault},
    {"spoil", spoil}, {"no_words", no_words}, {"too_much", too_much}, {"nothing", nothing}, {0}};

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "beam",
    .source =
        "const got = [];\n"
        "let tell;\n"
        "export function init(arg) { Beam.onMessage((v, from) => { got.push(v); if (v && v.reply) "
        "Beam.send(v.reply, [v.text, from]); }); globalThis.arg = arg; }\n"
        "export function received() { return got; }\n"
        "export function sync(...a) { return Beam.callSync(...a); }\n"
        "export function async_(...a) { return Beam.call(...a); }\n"
        "export async function both() { const a = Beam.call('slow'), b = Beam.call('add', 1, 2); "
        "return [await a, await b]; }\n"
        "export async function nap(ms) { await Beam.sleep(ms); return 'rested'; }\n"
        "export function never() { return new Promise(() => {}); }\n"
        "export function watch(pid) { return new Promise((r) => Beam.monitor(pid, (who, why) => "
        "r([String(who), why]))); }\n"
        "export function unwatch(pid) { return Beam.demonitor(Beam.monitor(pid, () => {})); }\n"
        "export function order() { return new Promise((r) => { const o = []; setTimeout(() => "
        "o.push('t2'), 40); setTimeout(() => o.push('t1'), 1);\n"
        "  const id = setInterval(() => { o.push('i'); if (o.length > 6) { clearInterval(id); "
        "r(o.join()); } }, 60); queueMicrotask(() => o.push('m')); o.push('s');\n"
        "  clearTimeout(setTimeout(() => o.push('no'), 1)); }); }\n",
    .handlers = handlers);

TEST(a_handler_answers_at_once_or_by_a_promise)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_call(pid, "sync", "[\"add\", 1, 2, 3]"), "6");
    CHECK_STR(js_call(pid, "async_", "[\"add\", 1, 2, 3]"), "6");
    CHECK_STR(js_call(pid, "both", "[]"), "[\"slow\",3]");
    js_end(rt);
}

TEST(only_what_is_listed_can_be_called)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_call(pid, "sync", "[\"system\"]"),
        "ReferenceError: no handler 'system' is listed for this script");
    CHECK_STR(js_call(pid, "async_", "[\"system\"]"),
        "ReferenceError: no handler 'system' is listed for this script");
    CHECK_STR(js_call(pid, "eval", "[\"1\"]"), "ReferenceError: no function 'eval' is exported");
    CHECK_STR(
        js_eval(pid, "typeof process + typeof require + typeof std + typeof os + typeof host"),
        "\"undefinedundefinedundefinedundefinedundefined\"");
    js_end(rt);
}

TEST(a_handler_that_fails_throws_and_one_that_crashes_rejects)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_call(pid, "sync", "[\"refuse\"]"), "Error: not today");
    CHECK_STR(js_call(pid, "async_", "[\"refuse\"]"), "Error: not today");
    CHECK_STR(js_call(pid, "async_", "[\"crash\"]"), "Error: the handler ended: error: broken");
    CHECK_STR(js_call(pid, "sync", "[\"add\", 1]"), "1");
    js_end(rt);
}

static const struct {
    const char *args, *is;
} ends_of_handlers[] = {
    {"[\"leave\"]", "Error: the handler ended: normal"},
    {"[\"be_killed\"]", "Error: the handler ended: killed"},
    {"[\"spoil\"]", "Error: spoil: not allowed in this context"},
    {"[\"no_words\"]", "Error: no_words: not found"},
    {"[\"too_much\"]", "Error: too_much: limit reached"},
    {"[\"nothing\"]", "null"},
};

TEST(every_end_of_a_handler_settles_its_promise)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_js_info info;

    for (size_t i = 0; i < ANQA_COUNT(ends_of_handlers); i++)
        CHECK_STR(js_call(pid, "async_", ends_of_handlers[i].args), ends_of_handlers[i].is, "%s",
            ends_of_handlers[i].args);
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    CHECK_EQ(info.pending_calls, 0);
    CHECK_EQ(info.waiting_calls, 0);
    js_end(rt);
}

TEST(a_fault_of_a_handler_rejects_and_ends_no_script)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK(strstr(js_call(pid, "async_", "[\"fault\"]"), "Error: the handler ended: fault") != NULL);
    CHECK_STR(js_call(pid, "sync", "[\"add\", 1]"), "1");
    js_end(rt);
}

static anqa_value text_and_pid(const char *text, anqa_pid pid)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_map_begin(&writer);
    anqa_value_key(&writer, anqa_str_of("text"));
    anqa_value_put_str(&writer, anqa_str_of(text));
    anqa_value_key(&writer, anqa_str_of("reply"));
    anqa_value_put_pid(&writer, pid.bits);
    anqa_value_end(&writer);
    CHECK_STATUS(anqa_value_done(&writer, &value), ANQA_OK);
    return value;
}

static bool is_message(const anqa_msg *msg, void *arg)
{
    return anqa_tag_is(msg->tag, ANQA_JS_MESSAGE);
}

TEST(messages_arrive_and_pids_in_them_can_be_answered)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);
    const anqa_msg *msg;
    anqa_value value;

    CHECK_STATUS(anqa_js_send(pid, text_and_pid("hello", anqa_self())), ANQA_OK);
    msg = anqa_receive_if(is_message, NULL, LONG_MS);
    CHECK(msg != NULL);
    CHECK(anqa_pid_eq(msg->from, pid));
    CHECK_STATUS(anqa_value_check(msg->body.ptr, msg->body.len, NULL, &value), ANQA_OK);
    CHECK_STR(js_show(value), "[\"hello\",pid]");
    CHECK_STATUS(
        anqa_send(pid, ANQA_JS_MESSAGE, anqa_bytes("\xff", 1)), ANQA_OK); /* malformed: dropped */
    CHECK_STR(js_eval(pid, "1"), "1");
    js_end(rt);
}

static const char *const sender_topics[] = {"t", NULL};

TEST(a_turn_sends_no_more_bytes_than_its_memory_has)
{
    static const anqa_js_script sender = ANQA_JS_SCRIPT(.name = "sender",
        .source = "export function f() {}", .handlers = handlers, .topics = sender_topics,
        .limits = {.memory = (size_t)16 << 20, .unread = (size_t)100 << 20});
    static const char *const ways[] = {
        "Beam.send(Beam.self(), m)", "Beam.call('nothing', m)", "b.postMessage(m)"};
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&sender);

    CHECK_STR(js_eval(pid, "globalThis.m = 'x'.repeat(1 << 20); globalThis.b = new "
                           "BroadcastChannel('t'); Beam.onMessage(() => {}); 1"),
        "1");
    for (size_t i = 0; i < ANQA_COUNT(ways); i++) {
        for (int again = 0; again < 2; again++) /* each turn anew */
            CHECK_STR(js_eval(pid, anqa_tmp_printf("for (let i = 0; i < 12; i++) %s; 1", ways[i])),
                "1", "%s", ways[i]);
        CHECK_STR(
            js_eval(pid, anqa_tmp_printf("(async () => { for (let i = 0; i < 17; i++) await %s; "
                                         "})()",
                             ways[i])),
            strstr(ways[i], "call") != NULL
                ? "undefined" /* each waits for its answer, in a turn of its own */
                : "RangeError: more than 16777216 bytes sent in one turn",
            "%s", ways[i]);
    }
    CHECK_STR(js_eval(pid, "Promise.all(Array.from({length: 17}, () => Beam.call('nothing', m)))"),
        "RangeError: more than 16777216 bytes sent in one turn");
    js_end(rt);
}

TEST(a_message_costs_more_than_its_bytes)
{
    static const anqa_js_script sender =
        ANQA_JS_SCRIPT(.name = "sender", .source = "export function f() {}",
            .limits = {.memory = (size_t)4 << 20, .turn_ms = 60000});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&sender);

    CHECK_STR(js_eval(pid, "let n = 0; try { for (;;) { Beam.send(Beam.self(), 1); n++; } } catch "
                           "(e) { [e.name, n < 40000] }"),
        "[\"RangeError\",true]");
    js_end(rt);
}

TEST(a_child_has_the_mailbox_limit_of_its_script)
{
    static anqa_js_script limited = ANQA_JS_SCRIPT(.name = "limited",
        .source = "export function f() {}", .limits = {.children = 1});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid;

    limited.server.mailbox_limit = 50;
    pid = js_start(&limited);
    CHECK_STR(js_eval(pid, "const p = Beam.spawn(null); let n = 0; try { for (; n < 1000; n++) "
                           "Beam.send(p, 1); n } catch (e) { [e.message, n >= 50] }"),
        "[\"the mailbox of the receiver is full\",true]"); /* it may take some meanwhile */
    js_end(rt);
}

TEST(replaced_functions_of_maps_and_arrays_see_nothing_of_the_host)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_eval(pid,
            "const seen = [], { apply } = Reflect;\n"
            "let n = 0;\n"
            "for (const of of [Map.prototype, Array.prototype]) for (const key of "
            "Reflect.ownKeys(of)) {\n"
            "  const was = Reflect.getOwnPropertyDescriptor(of, key), fn = was.value ?? was.get;\n"
            "  if (typeof fn !== 'function' || key === 'constructor') continue;\n"
            "  function spy(...args) { n++; seen[n] = String(key); return apply(fn, this, args); "
            "}\n"
            "  Object.defineProperty(of, key, was.get ? {get: spy, configurable: true} : {value: "
            "spy, configurable: true, writable: true});\n"
            "}\n"
            "Object.defineProperty(Array.prototype, 0, {set(v) { n++; seen[n] = 'set 0'; }, "
            "configurable: true});\n"
            "n = 0;\n"
            "const called = Beam.call('add', 1, 2);\n"
            "const gone = setTimeout(() => {}, 5); clearTimeout(gone);\n"
            "const ref = Beam.monitor(Beam.self(), () => {}); Beam.demonitor(ref);\n"
            "const later = new Promise((r) => { setTimeout(r, 1, 4); });\n"
            "called.then((v) => later.then((w) => [v, w, n, seen[1]]))"),
        "[3,4,0,undefined]");
    js_end(rt);
}

TEST(monitors_are_bounded_and_those_that_are_done_do_not_count)
{
    static const anqa_js_script watcher = ANQA_JS_SCRIPT(.name = "watcher",
        .source = "export function init() { Beam.onMessage(() => Beam.exit()); }",
        .limits = {.children = 2});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&watcher);
    const char *fill = "globalThis.child = Beam.spawn(null); globalThis.downs = 0; globalThis.refs "
                       "= []; for (let i = 0; i < 10000; i++) refs.push(Beam.monitor(child, () => "
                       "{ downs++; })); Beam.monitor(child, () => {})";

    CHECK_STR(js_eval(pid, fill), "RangeError: more than 10000 monitors");
    CHECK_STR(js_eval(pid, "Beam.demonitor(refs[0]) && !Beam.demonitor(refs[0]) && "
                           "typeof Beam.monitor(child, () => { downs++; })"),
        "\"object\"");
    CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
    CHECK_STR(js_eval(pid, fill), "RangeError: more than 10000 monitors");
    CHECK_STR(js_eval(pid, "Beam.unlink(child); Beam.send(child, 1); (async () => { while (downs < "
                           "10000) await Beam.sleep(1); return typeof Beam.monitor("
                           "Beam.spawn(null), () => {}); })()"),
        "\"object\"");
    js_end(rt);
}

TEST(init_gets_its_argument_and_a_process_its_name)
{
    anqa_rt *rt = js_begin(1);
    anqa_value arg = text_and_pid("given", anqa_self());
    anqa_start_opts opts = {.name = "lobby"};
    anqa_pid pid;
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_start_link(&script, &arg, &opts, &pid, &err), ANQA_OK, "%s", err.text);
    CHECK_STR(js_eval(pid, "[arg.text, Beam.id()]"), "[\"given\",\"lobby\"]");
    CHECK(anqa_pid_eq(anqa_whereis("lobby"), pid));
    js_end(rt);
}

TEST(a_monitor_tells_who_ended_and_why)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), other;
    anqa_value_writer writer;
    anqa_value args, got;
    char text[ANQA_PID_TEXT];

    anqa_trap_exit(true);
    other = js_start(&script);
    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_pid(&writer, other.bits);
    anqa_value_end(&writer);
    CHECK_STATUS(anqa_value_done(&writer, &args), ANQA_OK);
    CHECK_STATUS(anqa_js_call(pid, "unwatch", &args, LONG_MS, &got, NULL, NULL), ANQA_OK);
    CHECK_STR(js_show(got), "true");
    CHECK_STR(js_eval(other, "setTimeout(() => Beam.exit('enough'), 10); 1"), "1");
    CHECK_STATUS(anqa_js_call(pid, "watch", &args, LONG_MS, &got, NULL, NULL), ANQA_OK);
    CHECK_STR(
        js_show(got), anqa_tmp_printf("[\"%s\",\"error: enough\"]", anqa_pid_text(other, text)));
    js_end(rt);
}

/* ---------------------------------------------------------------- memory of the host */

static anqa_status greedy(const anqa_js_request *request, anqa_value_writer *result)
{
    char bytes[20000];

    memset(bytes, 'x', sizeof bytes);
    anqa_value_put_str(result, anqa_str_make(anqa_tmp_copy(bytes, sizeof bytes), sizeof bytes));
    return ANQA_OK;
}

static const char to_myself[] = "to myself";

static bool is_to_myself(const anqa_msg *msg, void *arg)
{
    return msg->tag == to_myself;
}

static anqa_status hearing(const anqa_js_request *request, anqa_value_writer *result)
{
    char bytes[20000] = {0};

    CHECK_STATUS(anqa_send(anqa_self(), to_myself, anqa_bytes(bytes, sizeof bytes)), ANQA_OK);
    CHECK(anqa_receive_if(is_to_myself, NULL, 0) != NULL);
    return ANQA_OK;
}

static const anqa_js_handler greedy_handlers[] = {{"greedy", greedy}, {"hearing", hearing}, {0}};
static const char *const greedy_topics[] = {"t", NULL};
static const anqa_js_script hog = ANQA_JS_SCRIPT(.name = "hog",
    .source = "globalThis.s = 'x'.repeat(20000); globalThis.big = 2n ** 160000n;\n"
              "globalThis.times = 4000;\n"
              "globalThis.often = (f) => { let n = 0; for (let i = 0; i < times; i++) try { f(); "
              "n++; } catch {} return n > 0; };",
    .handlers = greedy_handlers, .topics = greedy_topics, .limits = {.turn_ms = 60000});

static size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%*u %zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Each loop asks for 80 MB and more of the host, in slow builds for 30, in one turn of a process whose quota is 16 MB. */
TEST(what_a_script_asks_for_in_one_turn_does_not_add_up, .timeout_ms = 120000)
{
    static const char *const loops[] = {
        "often(() => Beam.hash(s))",
        "often(() => Beam.hash({[s]: 1}))",
        "often(() => Beam.hash(big))",
        "often(() => Beam.hash(new Error(s)))",
        "!often(() => Beam.send(Beam.self(), [s, Symbol()]))",
        "often(() => Beam.callSync('greedy'))",
        "often(() => Beam.callSync('hearing'))",
        "const c = new BroadcastChannel('t'); !often(() => c.postMessage(1, s))",
        "Beam.hash({get a() { often(() => Beam.hash(s)); }}) > 0",
    };
    anqa_rt *rt = js_begin_with(&(anqa_options){.schedulers = 1, .heap_quota = (size_t)16 << 20});

    for (size_t i = 0; i < ANQA_COUNT(loops); i++) {
        anqa_pid pid = js_start(&hog);
        size_t before = resident_bytes();
        if (harness_slowness() > 1)
            (void)js_eval(pid, "globalThis.times = 1500");
        CHECK_STR(js_eval(pid, loops[i]), "true", "%s", loops[i]);
        if (harness_slowness() == 1) /* sanitizers keep what was freed */
            CHECK(resident_bytes() < before + ((size_t)48 << 20), "%s: %zu more", loops[i],
                resident_bytes() - before);
        (void)js_kill(pid);
    }
    js_end(rt);
}

TEST(what_goes_through_callSync_counts_as_sent)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&hog);

    CHECK_STR(js_eval(pid, "for (;;) Beam.callSync('greedy')"),
        "RangeError: more than 67108864 bytes sent in one turn");
    CHECK_STR(js_eval(pid, "for (;;) Beam.callSync('hearing', s)"),
        "RangeError: more than 67108864 bytes sent in one turn");
    CHECK_STR(js_eval(pid, "for (let i = 0; i < 4000; i++) try { Beam.send(Beam.self(), [s, "
                           "Symbol()]) } catch {} Beam.send(Beam.self(), 1)"),
        "RangeError: more than 67108864 bytes sent in one turn");
    js_end(rt);
}

TEST(timers_fire_in_order_and_jobs_run_before_them)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_call(pid, "order", "[]"), "\"s,m,t1,t2,i,i,i\"");
    CHECK_STR(js_call(pid, "nap", "[5]"), "\"rested\"");
    CHECK_STR(js_eval(pid, "setTimeout(5, 1)"), "TypeError: a timer needs a function");
    js_end(rt);
}

TEST(a_script_that_queues_jobs_without_end_ends_and_says_why)
{
    static const anqa_js_script busy = ANQA_JS_SCRIPT(.name = "busy",
        .source =
            "let left = 0; const again = () => { if (left-- > 0) Promise.resolve().then(again); "
            "}; export function queue(n) { left = n; again(); }",
        .limits = {.jobs = 1000});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid;
    anqa_ref ref;

    anqa_trap_exit(true);
    pid = js_start(&busy);
    ref = anqa_monitor(pid);
    CHECK_STR(js_call(pid, "queue", "[1000]"), "null");
    CHECK_STR(js_call(pid, "queue", "[1000]"), "null"); /* each turn anew */
    CHECK_STR(js_call(pid, "queue", "[1001]"), "InternalError: more than 1000 jobs in one turn");
    CHECK_STR(js_ended(ref),
        "error: script 'busy' queues jobs without end: more than 1000 jobs in one turn");
    js_end(rt);
}

TEST(timers_of_top_level_code_run_in_every_process)
{
    static const anqa_js_script ticking = ANQA_JS_SCRIPT(.name = "ticking",
        .source = "let n = 0, done; setTimeout(() => { n++; if (done) done(n); }, 30);\n"
                  "export function wait() { return n ? n : new Promise((r) => done = r); }");
    anqa_rt *rt = js_begin(1);
    anqa_pid first = js_start(&ticking), second;

    anqa_sleep(60);
    second = js_start(&ticking);
    CHECK_STR(js_call(second, "wait", "[]"), "1");
    CHECK_STR(js_call(first, "wait", "[]"), "1");
    js_end(rt);
}

TEST(a_call_whose_promise_never_settles_times_out)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_js_info info;

    CHECK_STATUS(anqa_js_call(pid, "never", NULL, 20, NULL, NULL, NULL), ANQA_E_TIMEOUT);
    CHECK_STR(js_call(pid, "sync", "[\"add\", 2]"), "2");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    CHECK_EQ(info.waiting_calls, 0);
    CHECK(info.turns >= 2 && info.memory > 0 && info.memory <= info.memory_limit);
    js_end(rt);
}

static anqa_payload call_never(void *arg)
{
    CHECK(
        anqa_js_call(*(anqa_pid *)arg, "never", NULL, ANQA_INFINITY, NULL, NULL, NULL) != ANQA_OK);
    return anqa_nothing();
}

TEST(calls_that_nobody_waits_for_any_more_hold_no_place)
{
    static const anqa_js_script few = ANQA_JS_SCRIPT(.name = "few",
        .source = "let tell; export function never() { return new Promise(() => {}); }\n"
                  "export async function soon() { return 1; }\n"
                  "export function later() { return new Promise((r) => setTimeout(r, 1, 2)); }",
        .limits = {.calls = 3});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&few);
    anqa_task tasks[3];
    anqa_js_info info = {0};

    for (int i = 0; i < 10; i++)
        CHECK_STATUS(anqa_js_call(pid, "never", NULL, 1, NULL, NULL, NULL), ANQA_E_TIMEOUT);
    CHECK_STR(js_call(pid, "later", "[]"), "2");
    for (size_t i = 0; i < ANQA_COUNT(tasks); i++)
        tasks[i] = anqa_task_async(call_never, &pid, sizeof pid);
    for (uint32_t i = 0; i < LONG_MS && info.waiting_calls < 3; i++) {
        anqa_sleep(1);
        CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    }
    CHECK_STR(js_call(pid, "later", "[]"), "RangeError: as many calls wait for an answer as may");
    CHECK_STR(js_call(pid, "soon", "[]"), "1");
    (void)anqa_task_shutdown(&tasks[1], ANQA_BRUTAL_KILL);
    CHECK_STR(js_call(pid, "later", "[]"), "2");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    CHECK_EQ(info.waiting_calls, 2u);
    (void)anqa_task_shutdown(&tasks[0], ANQA_BRUTAL_KILL);
    (void)anqa_task_shutdown(&tasks[2], ANQA_BRUTAL_KILL);
    js_end(rt);
}

static anqa_payload call_hold(void *arg)
{
    (void)js_call(*(anqa_pid *)arg, "sync", "[\"hold\"]");
    return anqa_nothing();
}

static anqa_payload ask_never(void *arg)
{
    (void)anqa_call(*(anqa_pid *)arg, "never", (anqa_json){NULL, 0}, ANQA_INFINITY);
    return anqa_nothing();
}

static uint32_t waiting_calls(anqa_pid pid)
{
    anqa_js_info info;

    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    return info.waiting_calls;
}

TEST(a_call_that_was_given_up_before_it_was_taken_holds_no_place)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_task holding;

    atomic_store(&held, false);
    atomic_store(&may_go, false);
    holding = anqa_task_async(call_hold, &pid, sizeof pid);
    while (!atomic_load(&held))
        anqa_sleep(1);
    CHECK_STATUS(anqa_js_call(pid, "never", NULL, 20, NULL, NULL, NULL), ANQA_E_TIMEOUT);
    atomic_store(&may_go, true);
    (void)anqa_task_await(&holding, LONG_MS);
    CHECK_EQ(waiting_calls(pid), 0u);
    js_end(rt);
}

TEST(a_gen_server_call_holds_its_place_however_long_it_waits)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_task asking = anqa_task_async(ask_never, &pid, sizeof pid);

    for (uint32_t i = 0; i < LONG_MS && waiting_calls(pid) == 0; i++)
        anqa_sleep(1);
    CHECK_EQ(waiting_calls(pid), 1u);
    CHECK(anqa_task_yield(&asking, 0) == NULL);
    (void)anqa_task_shutdown(&asking, ANQA_BRUTAL_KILL);
    js_end(rt);
}

TEST(a_gen_server_call_reaches_an_exported_function)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(anqa_json_text(anqa_call(pid, "nap", anqa_json_of(anqa_str_of("1")), LONG_MS)),
        "\"rested\"");
    CHECK_STR(anqa_json_text(anqa_call(pid, "nothing", (anqa_json){NULL, 0}, LONG_MS)),
        "{\"error\":{\"name\":\"ReferenceError\",\"message\":\"no function 'nothing' is "
        "exported\"}}");
    js_end(rt);
}

TEST(processes_of_a_script_differ_in_their_random_numbers_and_share_nothing)
{
    static const anqa_js_script random = ANQA_JS_SCRIPT(.name = "random",
        .source = "const first = Math.random(); globalThis.all = []; export function next() { "
                  "all.push(1); return [first, Math.random(), all.length]; }");
    anqa_rt *rt = js_begin(1);
    const char *a = js_call(js_start(&random), "next", "[]"),
               *b = js_call(js_start(&random), "next", "[]");

    CHECK(strcmp(a, b) != 0, "%s", a);
    CHECK(strstr(a, ",1]") != NULL && strstr(b, ",1]") != NULL, "%s %s", a, b);
    js_end(rt);
}

static const struct {
    const char *source, *says;
} broken[] = {
    {"let x = ;", "SyntaxError"},
    {"throw new TypeError('at start')", "TypeError: at start"},
    {"import 'fs'", "fs"},
    {"await new Promise(() => {})", "waits in its top-level code"},
    {"Beam.self()", "Beam cannot be used in top-level code"},
    {"while (true) {}", "interrupted"},
    {"export function init() { throw new RangeError('in init') }", "in init"},
};

TEST(a_script_that_does_not_load_says_why)
{
    anqa_rt *rt = js_begin(1);

    anqa_trap_exit(true);
    for (size_t i = 0; i < ANQA_COUNT(broken); i++) {
        const anqa_js_script bad = ANQA_JS_SCRIPT(.name = "bad.js", .source = broken[i].source,
            .limits = {.turn_ms = 100});
        anqa_error err = {.text = ""};
        anqa_pid pid;
        for (int again = 0; again < 2; again++) {
            anqa_status status = anqa_js_start_link(&bad, NULL, NULL, &pid, &err);
            CHECK(status == ANQA_E_STOPPED || status == ANQA_E_DIED, "%s: %s", broken[i].source,
                err.text);
            CHECK(strstr(err.text, broken[i].says) != NULL, "%s: %s", broken[i].source, err.text);
        }
        anqa_sleep(5);
    }
    js_end(rt);
}

TEST(rooms_are_started_by_key_and_found_again)
{
    static const anqa_js_script room = ANQA_JS_SCRIPT(.name = "room",
        .source = "let n = 0; export function post(m) { n++; return {room: Beam.id(), n, m}; }");
    static const anqa_dynamic_supervisor rooms = {
        .name = "rooms", .child = {.server = &room.server, .restart = ANQA_TEMPORARY}};
    anqa_rt *rt = js_begin(2);
    anqa_pid supervisor;
    anqa_error err;

    CHECK_STATUS(anqa_dynamic_supervisor_start_link(&rooms, &supervisor, &err), ANQA_OK);
    for (int i = 0; i < 3; i++) {
        anqa_str key = anqa_str_of(i == 2 ? "attic" : "cellar");
        CHECK_STATUS(anqa_ensure_child(&rooms, key, NULL), ANQA_OK);
        CHECK_STR(anqa_json_text(anqa_call(anqa_child_pid(&rooms, key), "post",
                      anqa_json_of(anqa_str_of("\"x\"")), LONG_MS)),
            i == 0   ? "{\"room\":\"cellar\",\"n\":1,\"m\":\"x\"}"
            : i == 1 ? "{\"room\":\"cellar\",\"n\":2,\"m\":\"x\"}"
                     : "{\"room\":\"attic\",\"n\":1,\"m\":\"x\"}");
    }
    CHECK_STATUS(anqa_supervisor_stop(supervisor, ANQA_NORMAL, LONG_MS), ANQA_OK);
    js_end(rt);
}

TEST(time_is_the_fake_clock_in_deterministic_mode)
{
    anqa_options options = {.deterministic = true};
    anqa_rt *rt;
    anqa_error err;
    anqa_pid pid;
    uint64_t start;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, &err), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK);
    pid = js_start(&script);
    start = anqa_now_ms();
    CHECK_STR(
        anqa_json_text(anqa_call(pid, "nap", anqa_json_of(anqa_str_of("3600000")), ANQA_INFINITY)),
        "\"rested\"");
    CHECK_EQ(anqa_now_ms() - start, 3600000);
    js_end(rt);
}
