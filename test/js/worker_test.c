/* Workers: the web's API over children. */
#include "support.h"

static anqa_status echo(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_value_put(result, request->args);
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"echo", echo}, {0}};

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "boss",
    .source =
        "globalThis.once = (target, type) => new Promise((r) => target.addEventListener(type, "
        "r, {once: true}));\n"
        "globalThis.say = (source, ...messages) => { const w = new Worker(source); for (const m "
        "of messages) w.postMessage(m); return once(w, 'message').then((e) => { w.terminate(); "
        "return e.data; }); };\n"
        "export function f() {}",
    .handlers = handlers, .apis = ANQA_JS_WORKER,
    .limits = {
        .memory = (size_t)16 << 20, .turn_ms = 300, .timers = 20, .jobs = 1000, .children = 3});

TEST(a_worker_and_its_parent_post_messages)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "say('onmessage = (e) => postMessage(e.data * 2)', 21)"), "42");
    CHECK_STR(js_eval(pid, "say('let n = 0; self.addEventListener(\"message\", (e) => { n += "
                           "e.data; if (n === 6) self.postMessage(n); })', 1, 2, 3)"),
        "6");
    CHECK_STR(js_eval(pid, "say('postMessage([typeof self, self === globalThis, name])')"),
        "[\"object\",true,\"\"]");
    CHECK_STR(js_eval(pid, "const w = new Worker('postMessage(name)', {name: 'helper'}); new "
                           "Promise((r) => { w.onmessage = (e) => r([e.data, e.target === w, "
                           "e.type, e instanceof MessageEvent]); })"),
        "[\"helper\",true,\"message\",true]");
    js_end(rt);
}

/* Without that, 20 MB of texts in an event that may have 16 MB. */
TEST(of_the_errors_of_a_turn_the_first_hundred_are_told)
{
    anqa_rt *rt = js_begin_with(&(anqa_options){.schedulers = 2, .heap_quota = (size_t)16 << 20});
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_eval(pid, "const w = new Worker('const f = () => { throw new Error(\"x\".repeat(9000)); "
                     "}; for (let i = 0; i < 900; i++) queueMicrotask(f); setTimeout(() => "
                     "postMessage(1), 0)'); const told = []; w.onerror = (e) => { "
                     "told.push(e.message); e.preventDefault(); }; once(w, 'message').then(() => "
                     "[told.length, told[99].slice(0, 8), told.at(-1)])"),
        "[101,\"Error: x\",\"and 800 more errors\"]");
    js_end(rt);
}

#define FILL "globalThis.all = []; try { for (;;) all.push(new Uint8Array(1 << 20)); } catch {}"
#define HEAR "onmessage = () => tell('came'); onmessageerror = () => tell('lost');"

TEST(a_message_that_finds_no_memory_is_a_messageerror)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_eval(pid, "const w = new Worker(`const tell = postMessage; " FILL HEAR " tell('full')`);"
                     "once(w, 'message').then(() => { w.postMessage('x'.repeat(3 << 20));"
                     "return once(w, 'message') }).then((e) => { w.terminate(); return e.data })"),
        "\"lost\"");
    CHECK_STR(
        js_eval(pid, "const v = new Worker(`onmessage = () => postMessage('x'.repeat(3 << 20))`);"
                     "new Promise((tell) => { " FILL
                     "v.onmessage = () => tell('came'); v.onmessageerror = () => tell('lost');"
                     "v.postMessage(1) })"),
        "\"lost\"");
    js_end(rt);
}

TEST(messages_hold_all_that_processes_can_send)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "say('onmessage = (e) => postMessage(e.data)', {a: [1, 2n, null, "
                           "undefined, NaN], b: new Uint8Array([1, 2]), c: new Date(5), d: "
                           "Beam.self()})"),
        "{a:[1,0x02n,null,undefined,nan],b:<0102>,c:Date(5),d:pid}");
    CHECK_STR(js_eval(pid, "const w = new Worker(''); try { w.postMessage(() => 1) } catch (e) { "
                           "[e.name, e instanceof DOMException] }"),
        "[\"DataCloneError\",true]");
    CHECK_STR(js_eval(pid, "say('try { postMessage(() => 1) } catch (e) { postMessage(e.name) }')"),
        "\"DataCloneError\"");
    CHECK_STR(
        js_eval(pid, "new Worker('').postMessage()"), "TypeError: postMessage needs a message");
    js_end(rt);
}

TEST(a_worker_whose_source_cannot_be_told_is_none)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    for (int i = 0; i < 5; i++) /* more than there may be children */
        CHECK_STR(js_eval(pid, "globalThis.n = 0; try { new Worker('\\ud800') } catch (e) { "
                               "[e.name, e.message.includes('children')] }"),
            "[\"TypeError\",false]");
    CHECK_STR(js_eval(pid, "(async () => { while (Beam.processInfo().children > 0) await "
                           "Beam.sleep(1); return 'none'; })()"),
        "\"none\"");
    js_end(rt);
}

TEST(a_source_may_be_a_data_url)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_eval(pid, "say('data:text/javascript,postMessage(%22h%C3%A9%22)')"), "\"h\xc3\xa9\"");
    CHECK_STR(js_eval(pid, "say('data:text/javascript;base64,cG9zdE1lc3NhZ2UoImjDqSIp')"),
        "\"h\xc3\xa9\"");
    CHECK_STR(js_eval(pid, "try { new Worker('data:text/javascript') } catch (e) { e.name }"),
        "\"SyntaxError\"");
    CHECK_STR(js_eval(pid, "try { new Worker('data:;base64,*') } catch (e) { e.name }"),
        "\"SyntaxError\"");
    CHECK_STR(
        js_eval(pid, "try { new Worker('data:,%ff') } catch (e) { e.name }"), "\"SyntaxError\"");
    CHECK_STR(js_eval(pid, "try { new Worker('1', {type: 'module'}) } catch (e) { e.name }"),
        "\"NotSupportedError\"");
    CHECK_STR(js_eval(pid, "new Worker()"), "TypeError: a worker needs its source");
    CHECK_STR(js_eval(pid, "Beam.processInfo().children"), "0");
    js_end(rt);
}

static const struct {
    const char *name, *source, *message;
} failures[] = {
    {"a source that does not compile", "let x = ;",
        "SyntaxError: unexpected token in expression: ';'"},
    {"a source that throws", "throw new TypeError('at once')", "TypeError: at once"},
    {"a listener that throws", "onmessage = () => { throw new RangeError('in it') }",
        "RangeError: in it"},
    {"something that cannot be shown", "throw {toString() { throw 1 }}", "[cannot be shown]"},
    {"an exit of its own", "Beam.exit('broken')", "error: broken"},
    {"jobs without end", "const f = () => Promise.resolve().then(f); f()",
        "InternalError: more than 1000 jobs in one turn"},
    {"a loop without end", "for (;;);", "InternalError: interrupted: a turn of more than 300 ms"},
    {"a timer that throws", "setTimeout(() => { throw new TypeError('late') }, 1)",
        "TypeError: late"},
    {"a promise that nobody handles", "Promise.reject(new TypeError('no'))", "TypeError: no"},
};

TEST(a_worker_that_fails_is_an_error_event_of_its_parent)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);

    for (size_t i = 0; i < ANQA_COUNT(failures); i++) {
        anqa_json source = anqa_jsonf("%s", failures[i].source);
        const char *code = anqa_tmp_printf(
            "globalThis.w = new Worker(%.*s); w.postMessage(1); new Promise((r) => { w.onerror = "
            "(e) "
            "=> { e.preventDefault(); r(e.message); }; }).finally(() => w.terminate())",
            ANQA_FMT(source));
        CHECK_STR(js_eval(pid, code), anqa_tmp_printf("\"%s\"", failures[i].message), "%s",
            failures[i].name);
    }
    CHECK_STR(js_eval(pid, "Beam.sleep(20).then(() => Beam.processInfo().children)"), "0");
    CHECK(anqa_is_alive(pid));
    js_end(rt);
}

TEST(a_worker_goes_on_after_an_error_of_its_own)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "const w = new Worker('onmessage = (e) => { if (e.data) throw 1; "
                           "postMessage(2) }'); w.postMessage(true); w.postMessage(false); "
                           "once(w, 'message').then((e) => e.data)"),
        "2");
    js_end(rt);
}

TEST(terminate_ends_a_worker_whatever_it_does)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_eval(pid, "globalThis.got = []; globalThis.w = new Worker('setInterval(() => "
                     "postMessage(1), 1)'); w.onmessage = (e) => got.push(e.data); w.onerror = "
                     "(e) => got.push(e.message); once(w, 'message').then(() => 1)"),
        "1");
    CHECK_STR(js_eval(pid, "w.terminate(); w.terminate(); w.postMessage(1); globalThis.n = "
                           "got.length; Beam.sleep(50).then(() => [got.length === n, "
                           "Beam.processInfo().children])"),
        "[true,0]");
    CHECK_STR(js_eval(pid, "w = new Worker('for (;;);'); w.terminate(); Beam.sleep(50).then(() => "
                           "Beam.processInfo().children)"),
        "0");
    js_end(rt);
}

TEST(close_ends_a_worker_behind_what_it_does)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "globalThis.got = []; const w = new Worker('onmessage = (e) => { "
                           "postMessage(e.data); close(); postMessage(\"late\"); close(); }'); "
                           "w.onmessage = (e) => got.push(e.data); w.onerror = (e) => "
                           "got.push(e.message); w.postMessage(1); w.postMessage(2); "
                           "Beam.sleep(100).then(() => [got, Beam.processInfo().children])"),
        "[[1,\"late\"],0]");
    js_end(rt);
}

TEST(workers_have_no_more_than_their_parent)
{
    static const anqa_js_script closed = ANQA_JS_SCRIPT(.name = "closed",
        .source = "export function f() {}", .apis = ANQA_JS_WORKER);
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script), none = js_start(&closed);

    CHECK_STR(js_eval(none, "new Worker('1')"),
        "Error: this script may start no others: its limits.children is 0");
    CHECK_STR(js_eval(pid, "say('postMessage(Beam.processInfo().memoryLimit)')"), "16777216");
    CHECK_STR(
        js_eval(pid, "say('try { new Uint8Array(20 << 20) } catch (e) { postMessage(String(e)) "
                     "}')"),
        "\"InternalError: out of memory\"");
    CHECK_STR(js_eval(pid, "say('try { for (;;) setTimeout(() => {}, 1e6) } catch (e) { "
                           "postMessage(String(e)) }')"),
        "\"RangeError: more than 20 timers\"");
    CHECK_STR(js_eval(pid, "say('postMessage(Beam.callSync(\"echo\", 1))')"), "[1]");
    CHECK_STR(js_eval(pid, "say('try { Beam.callSync(\"other\") } catch (e) { "
                           "postMessage(e.name) }')"),
        "\"ReferenceError\"");
    CHECK_STR(js_eval(pid, "for (let i = 0; i < 3; i++) new Worker(''); new Worker('')"),
        "Error: more than 3 children");
    js_end(rt);
}

TEST(the_place_of_a_worker_that_was_terminated_is_free)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "const all = [1, 2, 3].map(() => new Worker('for (;;);')); for (let i = "
                           "0; i < 30; i++) { all[i % 3].terminate(); all[i % 3] = new "
                           "Worker(i % 2 ? '' : 'for (;;);'); } 1"),
        "1");
    js_end(rt);
}

TEST(workers_of_workers_count_with_the_first)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_eval(pid, "say('const f = () => { const w = new Worker(\"(\" + "
                     "\"() => { try { new Worker(\\\\\"\\\\\"); new Worker(\\\\\"\\\\\"); } "
                     "catch (e) { postMessage(e.message) } }\" + \")()\"); w.onmessage = (e) => "
                     "postMessage(e.data) }; f()')"),
        "\"more than 3 children\"");
    js_end(rt);
}

TEST(workers_end_with_their_parent)
{
    anqa_rt *rt = js_begin(2);
    size_t before, after = 0;
    anqa_pid pid;
    anqa_rt_stats stats;

    anqa_trap_exit(true);
    anqa_rt_get_stats(rt, &stats);
    before = stats.processes;
    pid = js_start(&script);
    CHECK_STR(
        js_eval(pid, "for (let i = 0; i < 3; i++) new Worker('setInterval(() => {}, 1)'); 1"), "1");
    (void)js_kill(pid);
    for (int i = 0; i < 10000 && after != before; i++) {
        anqa_sleep(1);
        anqa_rt_get_stats(rt, &stats);
        after = stats.processes;
    }
    CHECK_EQ(after, before);
    js_end(rt);
}

TEST(a_worker_that_c_kills_is_an_error_event)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_value value = {NULL, 0};
    uint64_t bits = 0;

    CHECK_STATUS(anqa_js_eval(pid,
                     anqa_str_of("globalThis.w = new Worker('postMessage(Beam.self())'); "
                                 "globalThis.failed = new Promise((r) => { w.onerror = (e) => "
                                 "r(e.message); }); once(w, 'message').then((e) => e.data)"),
                     LONG_MS, &value, NULL, NULL),
        ANQA_OK);
    CHECK_STATUS(anqa_value_get_bits(value, &bits), ANQA_OK);
    anqa_exit_signal((anqa_pid){bits}, ANQA_KILL);
    CHECK_STR(js_eval(pid, "failed"), "\"killed\"");
    js_end(rt);
}

TEST(a_script_without_the_module_has_no_worker)
{
    static const anqa_js_script plain = ANQA_JS_SCRIPT(.name = "plain",
        .source = "export function f() {}", .limits = {.children = 1});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&plain), boss = js_start(&script);

    CHECK_STR(js_eval(pid, "typeof Worker"), "\"undefined\"");
    CHECK_STR(js_eval(boss, "[typeof postMessage, typeof close, typeof onmessage, typeof "
                            "DedicatedWorkerGlobalScope]"),
        "[\"undefined\",\"undefined\",\"undefined\",\"undefined\"]");
    js_end(rt);
}
