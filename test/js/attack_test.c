/*
 * Scripts that mean harm, or might as well: each must come to a catchable error, to the failure of its turn, or to the
 * death of its process only, in bounded time, while another process is served.
 */
#include "support.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static anqa_status echo(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_value_put(result, request->args);
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"echo", echo}, {0}};
static const char *const topics[] = {"news", NULL};
static const anqa_registry names = {.name = "victims"};

/* What another process may wait for its answer, which on a machine of its own is a millisecond or two. */
#define WORST_MS 2000u

static anqa_js_script victim = ANQA_JS_SCRIPT(.name = "victim",
    .source = "export function ping() { return 1; }", .handlers = handlers, .registry = &names,
    .topics = topics, .apis = ANQA_JS_WORKER,
    .limits = {
        .memory = (size_t)32 << 20, .turn_ms = 500, .jobs = 20000, .timers = 1000, .children = 3});

/* What may come of each: */
enum {
    FINE = 1,  /* a value */
    ERROR = 2, /* an error that the caller hears of */
    DEATH = 4, /* the end of the process */
    NEVER = 8  /* no answer: what should settle a promise was cut off with its turn */
};

static const struct attack {
    const char *name, *code;
    int may;
} attacks[] = {
    {"endless loop", "while (true) {}", ERROR},
    {"endless loop that catches", "for (;;) { try { for (;;) {} } catch {} finally { continue } }",
        ERROR},
    {"search that never ends", "'a'.repeat(4e6).indexOf('a'.repeat(2e6) + 'b')", DEATH},
    {"last search", "'a'.repeat(4e6).lastIndexOf('b' + 'a'.repeat(2e6))", FINE},
    {"split and join", "'ab'.repeat(4e6).split('a').join('ccccccccccc')", ERROR},
    {"repeat beyond all memory", "'x'.repeat(1 << 29) + 'y'.repeat(1 << 29)", ERROR},
    {"sort with a comparator that lies",
        "Array.from({length: 3e5}, Math.random).sort(() => Math.random() - 0.5).length",
        FINE | ERROR},
    {"sort that sorts again", "const f = () => [3, 2, 1].sort(f); f()", ERROR},
    {"sort of a huge typed array", "new Float64Array(3e6).map(Math.random).sort()[0] < 1", ERROR},
    {"regular expression that backtracks", "/^(a+)+$/.test('a'.repeat(40) + 'b')", ERROR},
    {"regular expression that nests", "new RegExp('('.repeat(100000) + ')'.repeat(100000))", ERROR},
    {"regular expression with huge counts", "/((a{1,30000}){1,30000}){1,30000}/.test('aaaa')",
        FINE},
    {"power of big integers", "(3n ** 20000000n) & 1n", ERROR | DEATH},
    {"big integer of all memory", "let x = 1n; for (;;) x = (x << 65536n) * x; x", ERROR | DEATH},
    {"text of a big integer", "(2n ** 3000000n).toString().length", ERROR | DEATH},
    {"JSON that nests", "JSON.parse('['.repeat(1e6))", ERROR},
    {"JSON of all memory", "JSON.parse('[' + '1,'.repeat(3e6) + '1]').length",
        FINE | ERROR | DEATH}, /* a built-in that may take longer than its turn */
    {"JSON text of a deep object",
        "let o = {}; for (let i = 0; i < 2e5; i++) o = {o}; JSON.stringify(o)", ERROR | DEATH},
    {"JSON with a toJSON that never ends", "JSON.stringify({toJSON() { for (;;); }})", ERROR},
    {"recursion", "function f() { return f() + 1 } f()", ERROR},
    {"recursion through a getter", "const o = {get a() { return this.a }}; o.a", ERROR},
    {"recursion through a proxy", "const p = new Proxy({}, {get: (t, k, r) => r[k]}); p.x", ERROR},
    {"proxy for its own prototype", "const p = new Proxy({}, {}); Object.setPrototypeOf(p, p); p.x",
        ERROR},
    {"recursion through toString", "const o = {toString() { return '' + o }}; '' + o", ERROR},
    {"recursion through apply", "function f(...a) { return f.apply(this, a) } f(1, 2, 3)", ERROR},
    {"recursion through replace", "const f = () => 'a'.replace(/a/, f); f()", ERROR},
    {"recursion through array methods", "const f = () => [1].map(f); f()", ERROR},
    {"nested source", "eval('('.repeat(200000))", ERROR},
    {"nested blocks", "eval('{'.repeat(200000))", ERROR},
    {"nested functions", "eval('function f(){'.repeat(20000))", ERROR},
    {"nested array literals", "eval('['.repeat(200000))", ERROR},
    {"nested templates", "eval('`${'.repeat(100000))", ERROR},
    {"expression without end", "eval('1' + '+1'.repeat(2e6))", ERROR},
    {"promise flood", "const f = () => Promise.resolve().then(f); f(); 1", ERROR},
    {"promise tree",
        "const f = () => { Promise.resolve().then(f); Promise.resolve().then(f) }; f(); 1", ERROR},
    {"async recursion", "(async function f() { await f() })()", ERROR},
    {"timer flood", "for (;;) setTimeout(() => {}, 1e6)", ERROR},
    {"interval that does not wait", "setInterval(() => { for (;;); }, 0); 1", FINE},
    {"array of all memory", "const a = []; for (;;) a.push(new Array(1000).fill(1))", ERROR},
    {"array of all lengths", "const a = []; a.length = 4294967295; a.fill(1)", ERROR | DEATH},
    {"typed array out of memory", "new Uint8Array(2 ** 31)", ERROR},
    {"many typed arrays", "const a = []; for (;;) a.push(new Uint8Array(1 << 20))", ERROR},
    {"string that doubles", "let s = 'x'; for (;;) s += s", ERROR},
    {"rope that is flattened",
        "let s = ''; for (let i = 0; i < 2e6; i++) s = 'x' + s; s.charCodeAt(5)", FINE | ERROR},
    {"map of all memory", "const m = new Map(); for (let i = 0; ; i++) m.set(i, {})", ERROR},
    {"Atomics.wait", "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)", ERROR},
    {"getter that never ends, in an answer", "({get a() { for (;;); }})", ERROR},
    {"array that grows while it is sent", "const a = [{get x() { a.push(this); return 1 }}]; a",
        FINE},
    {"cycle in an answer", "const a = []; a.push(a); a", ERROR},
    {"proxy in an answer", "new Proxy([], {get() { throw 1 }})", FINE},
    {"host call that comes back",
        "Beam.callSync('echo', {get a() { return Beam.callSync('echo', 1) }})", FINE},
    {"host calls without end", "for (;;) Beam.callSync('echo', 1)", ERROR},
    {"Beam.call flood", "for (;;) Beam.call('echo', 1)", ERROR},
    {"console flood", "for (;;) console.log('x'.repeat(100000))", ERROR},
    {"error whose texts are traps",
        "const e = new Error; Object.defineProperty(e, 'stack', {get() { for (;;); }}); throw e",
        ERROR},
    {"throwing what cannot be shown", "throw {toString() { throw this }}", ERROR},
    {"throwing a symbol", "throw Symbol('x')", ERROR},
    {"spoilt prototypes",
        "Object.prototype.toString = Array.prototype.push = Promise.prototype.then = () => { throw "
        "1 }; 1",
        FINE},
    {"import", "import('fs')", ERROR},
    {"generators without end", "function* g() { yield* g() } [...g()]", ERROR},
    {"date of no time", "new Date(NaN).toISOString()", ERROR},
    {"spawn bomb",
        "const s = 'export function init(s) { for (;;) Beam.spawn(s, s) }'; "
        "Beam.spawn(s, s); 1",
        ERROR},
    {"children that start themselves",
        "const s = 'export function init(s) { try { Beam.spawn(s, s) } catch {} }'; Beam.spawn(s, "
        "s); 1",
        FINE},
    {"spawn flood of one text", "for (;;) Beam.spawn('1')", ERROR},
    {"spawn flood of many texts", "for (let i = 0; ; i++) Beam.spawn('//' + i)", ERROR},
    {"children that end at once",
        "for (let i = 0; i < 200; i++) try { Beam.spawn('export function init() { throw ' + (i % "
        "30) "
        "+ ' }') } catch {} 1",
        FINE | ERROR},
    {"child that never starts", "Beam.spawn('for (;;);')", ERROR},
    {"child whose init never ends", "Beam.spawn('export function init() { for (;;); }')", ERROR},
    {"child that is orphaned", "Beam.spawn('export function init() {}'); Beam.exit()", DEATH},
    {"child that leaves its parent",
        "Beam.spawn('export function init(p) { Beam.unlink(p); for "
        "(;;) Beam.callSync(\"echo\") }', Beam.self())",
        ERROR},
    {"text that is no text", "Beam.spawn({toString() { return Beam.spawn(this) }})", ERROR},
    {"argument that spawns",
        "const o = {get a() { return Beam.spawn('1', o) }}; Beam.spawn('1', o)", ERROR},
    {"worker bomb",
        "const s = 'const s = ' + JSON.stringify('for (;;) new Worker(\"for (;;);\")') + '; for "
        "(;;) "
        "new Worker(s)'; for (;;) new Worker(s)",
        ERROR},
    {"worker that is posted to without end",
        "const w = new Worker('for (;;);'); for (;;) w.postMessage('x'.repeat(1 << 20))", ERROR},
    {"worker that posts without end",
        "new Worker('setInterval(() => { for (;;) postMessage(1) }, 1)'); Beam.sleep(300)",
        FINE | ERROR},
    {"workers that come and go",
        "for (let i = 0; i < 100; i++) { try { new Worker('1').terminate() } catch {} } 1",
        FINE | ERROR},
    {"messages to itself without end", "for (;;) Beam.send(Beam.self(), 'x'.repeat(1 << 20))",
        ERROR},
    {"names without end", "for (let i = 0; ; i++) Beam.register('n' + i)", ERROR},
    {"names taken and given back",
        "for (let i = 0; i < 20000; i++) { Beam.register('m' + i); "
        "Beam.unregister('m' + i) } 1",
        FINE | ERROR},
    {"name of all memory", "Beam.register('x'.repeat(1 << 24))", ERROR},
    {"search for names without end", "for (let i = 0; ; i++) Beam.whereis('n' + i)", ERROR},
    {"hash of a cycle", "const c = []; c.push(c); Beam.hash(c)", ERROR},
    {"equality of what never ends",
        "const p = new Proxy({}, {ownKeys: () => [Math.random() + ''], getOwnPropertyDescriptor: "
        "() => ({configurable: true, enumerable: true}), get: (t, k, r) => new Proxy({}, {})}); "
        "Beam.deepEquals(p, new Proxy({}, {ownKeys() { for (;;); }}))",
        ERROR},
    {"escape that grows", "let h = '<'; for (;;) h = Beam.escapeHTML(h + h)", ERROR},
    {"system seen without end", "for (;;) Beam.systemInfo()", ERROR},
    {"labels and finally", "for (;;) { try { throw 1 } finally { continue } }", ERROR},
    {"then that settles first and throws",
        "const p = Beam.sleep(1); p.then = (ok, no) => { ok(1); no(2); throw 3 }; p", FINE},
    {"then of all promises",
        "Promise.prototype.then = function (ok, no) { ok(1); no(2); throw 3 }; Beam.sleep(1)",
        FINE},
    {"constructor of a promise that throws",
        "const p = Beam.sleep(1); Object.defineProperty(p, 'constructor', {get() { "
        "Beam.processInfo(); throw 1 }}); p",
        ERROR},
    {"species that takes what it is given",
        "class P extends Promise { static get [Symbol.species]() { return function (f) { f((v) => "
        "{ throw v }, () => { throw 1 }) } } } new P((ok) => setTimeout(ok, 1))",
        FINE},
    {"built-in functions that do something else",
        "const all = [Array, Map, Set, Promise].flatMap((c) => "
        "Reflect.ownKeys(c.prototype).map((k) "
        "=> [c.prototype, k])).filter((p) => !['constructor', 'length', 'size'].includes(p[1])); "
        "for (let i = 0; i < all.length; i++) all[i][0][all[i][1]] = () => { throw 1 }; "
        "Object.defineProperty(Array.prototype, 0, {get() { throw 1 }, set() { throw 1 }}); "
        "Beam.sleep(1)",
        FINE},
};

/* By the web platform, in a process that has all of it. */
static const struct attack web_attacks[] = {
    {"stream that is never full",
        "new ReadableStream({pull(c) { c.enqueue(new Uint8Array(1 << 16)) }}, {highWaterMark: "
        "Infinity}); 1",
        FINE},
    {"stream that is filled without end",
        "new ReadableStream({start(c) { for (;;) c.enqueue(1) }})", ERROR},
    {"tee of a tee", "let s = new ReadableStream(); for (;;) s = s.tee()[0]", ERROR},
    {"transforms that double",
        "let s = new ReadableStream({start(c) { c.enqueue(1); c.close() }}); for (let i = 0; i < "
        "40; "
        "i++) s = s.pipeThrough(new TransformStream({transform(v, c) { c.enqueue(v); c.enqueue(v) "
        "}})); (async () => { for await (const v of s); })()",
        ERROR},
    {"pipe of what never ends",
        "ReadableStream.from((function* () { for (;;) yield 1 })()).pipeTo(new WritableStream())",
        ERROR},
    {"URL of all memory", "new URL('http://a/' + 'x'.repeat(1 << 24)).href.length", ERROR},
    {"host of many labels", "new URL('http://' + 'a.'.repeat(1e6) + 'b').host.length", ERROR},
    {"host that is normalized", "new URL('http://' + '\\u0344'.repeat(1e6))", ERROR},
    {"path that goes up and down", "new URL('http://a/' + 'a/../'.repeat(1e6)).href", ERROR},
    {"parameters without end", "const p = new URLSearchParams(); for (;;) p.append('a', 'b')",
        ERROR},
    {"decoding of all memory",
        "new TextDecoder().decode(new Uint8Array(16 << 20).fill(255)).length", ERROR},
    {"encoding of all memory", "new TextEncoder().encode('\\u20ac'.repeat(7 << 20)).length", ERROR},
    {"decoding without end",
        "const d = new TextDecoder('utf-16le'), b = new Uint8Array(1 << 20); for (;;) d.decode(b, "
        "{stream: true})",
        ERROR},
    {"base64 of all memory", "let t = 'x'.repeat(1 << 20); for (;;) t = btoa(t)", ERROR},
    {"clone that clones itself", "structuredClone({get a() { return structuredClone(this) }})",
        ERROR},
    {"clone of a deep object",
        "let o = {}; for (let i = 0; i < 1e5; i++) o = {o}; structuredClone(o); 1", FINE | ERROR},
    {"clones of all memory",
        "const a = new Uint8Array(1 << 20), all = []; for (;;) all.push(structuredClone(a))",
        ERROR},
    {"blob that doubles", "let b = new Blob(['x']); for (;;) b = new Blob([b, b])", ERROR},
    {"blob that is read without end",
        "const b = new Blob(['x'.repeat(1 << 20)]), all = []; for (;;) all.push(b.arrayBuffer())",
        ERROR},
    {"form without end", "const f = new FormData(); for (;;) f.append('a', 'b')", ERROR},
    {"form of many parts",
        "new Response('--x\\r\\ncontent-disposition: form-data; "
        "name=a\\r\\n\\r\\n\\r\\n'.repeat(20000) "
        "+ '--x--', {headers: {'content-type': 'multipart/form-data; boundary=x'}}).formData()",
        ERROR | NEVER},
    {"headers without end",
        "const h = new Headers(); for (let i = 0; ; i++) h.append('n' + i, 'v')", ERROR},
    {"bodies that are cloned without end",
        "const r = new Response('x'.repeat(1 << 20)), all = []; "
        "for (;;) all.push(r.clone().arrayBuffer())",
        ERROR},
    {"compression bomb that is kept",
        "(async () => { const c = new CompressionStream('gzip'), w = c.writable.getWriter(), z = "
        "new "
        "Uint8Array(1 << 20), all = []; (async () => { for (let i = 0; i < 64; i++) await "
        "w.write(z); })().catch(() => {}); for await (const part of c.readable.pipeThrough(new "
        "DecompressionStream('gzip'))) all.push(part) })()",
        ERROR | NEVER},
    {"compression without end",
        "for (;;) new CompressionStream('gzip').writable.getWriter().write(new "
        "Uint8Array(1 << 16))",
        ERROR},
    {"random bytes without end", "for (;;) crypto.getRandomValues(new Uint8Array(65536))", ERROR},
    {"digests without end", "for (;;) crypto.subtle.digest('SHA-256', new Uint8Array(65536))",
        ERROR},
    {"long digests without end",
        "for (;;) crypto.subtle.digest('SHA-256', new Uint8Array(4 << 20))", ERROR},
    {"keys that take long",
        "for (let i = 0; i < 20; i++) crypto.subtle.generateKey({name: 'RSA-PSS', modulusLength: "
        "3072, "
        "publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256'}, true, ['sign', 'verify']); 1",
        FINE},
    {"passwords that take long",
        "for (let i = 0; i < 20; i++) Beam.password.hash('x', {rounds: 1e7}); 1", FINE},
    {"locks without end",
        "for (let i = 0; ; i++) navigator.locks.request('n' + i, () => new Promise(() => {}))",
        ERROR},
    {"locks that wait for each other",
        "navigator.locks.request('a', () => navigator.locks.request('a', () => 1)); 1", FINE},
    {"locks that are stolen without end",
        "const f = () => navigator.locks.request('a', {steal: true}, f).catch(() => {}); f(); 1",
        ERROR},
    {"storage of all memory",
        "for (let i = 0; ; i++) localStorage.setItem('k' + i, 'x'.repeat(1 << 16))", ERROR},
    {"channels without end", "const all = []; for (;;) all.push(new BroadcastChannel('news'))",
        ERROR},
    {"news without end",
        "const c = new BroadcastChannel('news'); for (;;) c.postMessage('x'.repeat(1 << 16))",
        ERROR},
    {"channels that answer each other",
        "const a = new BroadcastChannel('news'), b = new BroadcastChannel('news'); a.onmessage = "
        "() "
        "=> a.postMessage(1); b.onmessage = () => b.postMessage(1); a.postMessage(1); 1",
        ERROR},
    {"ports that answer each other",
        "const {port1, port2} = new MessageChannel(); port1.onmessage = () => "
        "port1.postMessage(1); "
        "port2.onmessage = () => port2.postMessage(1); port1.postMessage(1); Beam.sleep(300)",
        FINE},
    {"listener that asks for itself",
        "const t = new EventTarget(); t.onx = 1; t.addEventListener('x', () => t.dispatchEvent(new "
        "Event('x'))); t.dispatchEvent(new Event('x'))",
        FINE},
    {"signals of signals",
        "let s = new AbortController().signal; for (;;) s = AbortSignal.any([s, s])", ERROR},
    {"marks without end", "for (let i = 0; ; i++) performance.mark('m' + i)", ERROR},
    {"requests without end", "for (;;) fetch('http://127.0.0.1/').catch(() => {})", ERROR | DEATH},
    {"sockets without end", "for (;;) new WebSocket('ws://127.0.0.1/')", ERROR | DEATH},
    {"event sources without end", "for (;;) new EventSource('http://127.0.0.1/')", ERROR | DEATH},
    {"data URL of all memory", "fetch('data:;base64,' + 'A'.repeat(12 << 20))", ERROR},
    {"text of members that never end",
        "Beam.inspect(new Proxy({}, {ownKeys: () => Array.from({length: 1e6}, (_, i) => 'k' + "
        "i)}))",
        ERROR},
    {"text of prototypes that never end",
        "const p = () => new Proxy({}, {getPrototypeOf: p}); Beam.inspect(p())", ERROR},
    {"text of what is wide and deep",
        "let o = 1; for (let i = 0; i < 50; i++) o = Array(100).fill(o); Beam.inspect(o, {depth: "
        "50}).length < 200000",
        FINE},
    {"groups, counts and times without end",
        "for (let i = 0; ; i++) { console.group(); console.count(i); console.time(i) }", ERROR},
};

static const char *words(int outcome)
{
    return outcome == FINE    ? "a value"
           : outcome == ERROR ? "an error"
           : outcome == DEATH ? "death"
                              : "nothing";
}

/* ---------------------------------------------------------------- who is served meanwhile */

static struct {
    anqa_pid pid; /* who is asked, again and again */
    atomic_bool over;
    atomic_ullong worst_ms; /* of all answers since it was last taken */
    atomic_uint answers;
} served;

static void ask_on(void *unused)
{
    while (!atomic_load(&served.over)) {
        uint64_t start = anqa_now_ms(), took;
        CHECK_STR(js_call(served.pid, "ping", "[]"), "1");
        took = anqa_now_ms() - start;
        if (took > atomic_load(&served.worst_ms))
            atomic_store(&served.worst_ms, took);
        atomic_fetch_add(&served.answers, 1);
        anqa_sleep(1);
    }
}

/* Adds to `wrong` when it comes to something else than it may, or when others wait for it. */
static const char *attack(const struct attack *attack, const char *wrong)
{
    anqa_pid pid = js_start(&victim);
    anqa_js_error error = {0};
    anqa_error err = {.text = ""};
    uint32_t patience = (attack->may & NEVER) != 0 ? 2000 * harness_slowness() : LONG_MS;
    unsigned answers = atomic_load(&served.answers);
    anqa_status status = anqa_js_eval(pid, anqa_str_of(attack->code), patience, NULL, &error, &err);
    int outcome = status == ANQA_OK         ? FINE
                  : status == ANQA_E_SCRIPT ? ERROR
                  : status == ANQA_E_DIED   ? DEATH
                                            : NEVER;
    unsigned long long worst;

    if ((outcome & attack->may) == 0)
        wrong = anqa_tmp_printf("%s\n%s came to %s: %.*s %s", wrong, attack->name, words(outcome),
            ANQA_FMT(error.message), err.text);
    /* one of them began when the attack had */
    for (unsigned k = 0; k < LONG_MS && atomic_load(&served.answers) < answers + 2; k++)
        anqa_sleep(1);
    worst = atomic_exchange(&served.worst_ms, 0);
    if (worst > WORST_MS * harness_slowness())
        wrong =
            anqa_tmp_printf("%s\n%s kept another waiting for %llu ms", wrong, attack->name, worst);
    (void)js_kill(pid);
    return wrong;
}

static void attack_with(const struct attack *all, size_t count, uint32_t apis)
{
    anqa_rt *rt = js_begin(1);
    const char *wrong = "";
    anqa_pid asker;

    anqa_trap_exit(true);
    if (harness_slowness() > 1) /* what stands between two looks at the time is slower, too */
        victim.limits.turn_ms *= 4;
    victim.apis = apis;
    served.pid = js_start(&victim);
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = ask_on}, &asker, NULL), ANQA_OK);
    for (size_t i = 0; i < count; i++)
        wrong = attack(&all[i], wrong);
    CHECK(anqa_is_alive(asker));
    atomic_store(&served.over, true);
    CHECK_STR(wrong, "");
    js_end(rt);
}

TEST(an_attack_harms_its_own_process_only, .timeout_ms = 240000)
{
    attack_with(attacks, ANQA_COUNT(attacks), ANQA_JS_WORKER);
}

TEST(an_attack_by_the_web_platform_harms_its_own_process_only, .timeout_ms = 240000)
{
    attack_with(web_attacks, ANQA_COUNT(web_attacks), UINT32_MAX); /* all that this build has */
}

/* ---------------------------------------------------------------- places in stacks, which scripts write themselves */

enum { MAP_SEGMENTS = 300000 };

/* A map with so many segments in its first line; nobody frees it. */
static const char *large_map(void)
{
    static const char head[] = "{\"version\":3,\"sources\":[\"a.ts\"],\"mappings\":\"AAAA";
    size_t len = strlen(head);
    char *text = malloc(len + (size_t)MAP_SEGMENTS * 5 + 10);

    CHECK(text != NULL);
    memcpy(text, head, len);
    for (size_t i = 0; i < MAP_SEGMENTS; i++, len += 5)
        memcpy(text + len, ",CAAC", 5);
    memcpy(text + len, "\"}", 3);
    return text;
}

static anqa_js_script mapped = ANQA_JS_SCRIPT(.name = "mapped", .source = "export function f() {}");

TEST(errors_with_many_places_hold_nobody_up)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid, other;

    mapped.source_map = large_map();
    pid = js_start(&mapped);
    other = js_start(&victim);
    CHECK_STR(js_eval(pid, "1"), "1");
    CHECK_STR(js_eval(pid, "for (let i = 0; i < 100; i++) setTimeout(() => { const e = new "
                           "Error('x'); e.stack = 'mapped:99999999:1\\n'.repeat(400); throw e; }, "
                           "1); 1"),
        "1");
    for (int i = 0; i < 100; i++) {
        CHECK_STR(js_call(other, "ping", "[]"), "1");
        anqa_sleep(1);
    }
    CHECK_STR(js_eval(pid, "1"), "1");
    js_end(rt);
}

static size_t count_in(anqa_str text, const char *what)
{
    const char *at = text.ptr, *end = at + text.len;
    size_t count = 0, len = strlen(what);

    while ((at = memmem(at, (size_t)(end - at), what, len)) != NULL) {
        at += len;
        count++;
    }
    return count;
}

/* How many places of the stack of what the code throws are `left` as they were, and how many were found in the map. */
static void check_places(const char *map, const char *code, const char *place, unsigned left,
    const char *found_place, unsigned found)
{
    anqa_rt *rt = js_begin(1);
    anqa_js_error error = {0};

    mapped.source_map = map;
    CHECK_STATUS(anqa_js_eval(js_start(&mapped), anqa_str_of(code), LONG_MS, NULL, &error, NULL),
        ANQA_E_SCRIPT);
    CHECK_EQ(count_in(error.stack, place), left);
    CHECK_EQ(count_in(error.stack, found_place), found);
    js_end(rt);
}

TEST(of_a_stack_sixty_four_places_are_looked_up)
{
    check_places(large_map(),
        "const e = new Error('x'); e.stack = 'mapped:1:3\\n'.repeat(100); throw e", "mapped:1:3",
        36, "a.ts:1:3", 64);
}

TEST(places_that_the_map_does_not_know_count_among_those_that_are_looked_up)
{
    check_places("{\"version\":3,\"sources\":[\"a.ts\"],\"mappings\":\";AAAA\"}",
        "const e = new Error('x'); e.stack = 'mapped:1:1\\n'.repeat(60) + "
        "'mapped:2:1\\n'.repeat(10); throw e",
        "mapped:1:1", 60, "a.ts:1:1", 4);
}

TEST(a_malformed_source_map_changes_nothing)
{
    static const char *const maps[] = {"", "{", "{\"sources\":[\"a.ts\"],\"mappings\":\"!\"}",
        "{\"sources\":[\"a.ts\"],\"mappings\":\"DDDD\"}", "{\"sources\":[],\"mappings\":\"AAAA\"}",
        "{\"mappings\":\"AAAA\"}"};
    anqa_rt *rt = js_begin(1);
    anqa_js_script scripts[ANQA_COUNT(maps)];

    for (size_t i = 0; i < ANQA_COUNT(maps); i++) {
        anqa_js_error error = {0};
        scripts[i] = mapped;
        scripts[i].source_map = maps[i];
        CHECK_STATUS(anqa_js_eval(js_start(&scripts[i]),
                         anqa_str_of("const e = new Error('x'); e.stack = 'mapped:1:1'; throw e"),
                         LONG_MS, NULL, &error, NULL),
            ANQA_E_SCRIPT);
        CHECK_STR(error.stack, "mapped:1:1", "%s", maps[i]);
    }
    js_end(rt);
}

/* ---------------------------------------------------------------- promises of scripts, which are answers */

static anqa_js_script promising = ANQA_JS_SCRIPT(.name = "promising",
    .source = "const waiting = [];\n"
              "export function wait() { return new Promise((ok) => waiting.push(ok)); }\n"
              "export function release() { for (const ok of waiting) ok(1); }\n"
              "export function own() {\n"
              "  const p = Beam.sleep(1);\n"
              "  p.then = (ok) => { ok(7); throw 1; };\n"
              "  return p; }\n"
              "export function slow() {\n"
              "  const p = new Promise(() => {});\n"
              "  Object.defineProperty(p, 'constructor', {get() {\n"
              "    for (const end = Date.now() + 50; Date.now() < end;);\n"
              "    Beam.processInfo();\n"
              "    throw new Error('slow'); }});\n"
              "  return p; }\n",
    .limits = {.calls = 100});

static anqa_payload call_wait(void *arg)
{
    return anqa_text(anqa_json_of(anqa_str_of(js_call(*(anqa_pid *)arg, "wait", "[]"))));
}

static uint32_t waiting_calls(anqa_pid pid)
{
    anqa_js_info info;

    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    return info.waiting_calls;
}

static void wait_for_calls(anqa_pid pid, uint32_t count)
{
    for (uint32_t i = 0; i < LONG_MS && waiting_calls(pid) != count; i++)
        anqa_sleep(1);
    CHECK_EQ(waiting_calls(pid), count);
}

TEST(a_call_whose_promise_has_a_then_of_its_own_is_answered_once)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&promising);
    anqa_task tasks[9];
    const char *answers[ANQA_COUNT(tasks)];

    for (uint32_t i = 0; i < ANQA_COUNT(tasks); i++) {
        tasks[i] = anqa_task_async(call_wait, &pid, sizeof pid);
        if (i < 3 || i == 4)
            wait_for_calls(pid, i + 1);
        answers[i] = i == 2 || i > 4 ? js_call(pid, "own", "[]") : "null";
    }
    wait_for_calls(pid, ANQA_COUNT(tasks));
    CHECK_STR(js_call(pid, "release", "[]"), "null");
    for (size_t i = 0; i < ANQA_COUNT(tasks); i++) {
        anqa_json answer = anqa_task_await(&tasks[i], LONG_MS)->body;
        CHECK_STR(answers[i], "null");
        CHECK_STR(anqa_tmp_printf("%.*s", ANQA_FMT(answer)), "1");
    }
    CHECK_EQ(waiting_calls(pid), 0u);
    js_end(rt);
}

TEST(a_call_that_was_given_up_while_its_promise_was_looked_at_holds_no_place)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&promising);

    for (int i = 0; i < 3; i++)
        CHECK_STATUS(anqa_js_call(pid, "slow", NULL, 1, NULL, NULL, NULL), ANQA_E_TIMEOUT);
    CHECK_STR(js_call(pid, "slow", "[]"), "Error: slow");
    CHECK_EQ(waiting_calls(pid), 0u);
    CHECK_STR(js_call(pid, "own", "[]"), "null");
    js_end(rt);
}

/* What is told of the first handles them all, itself among them. */
TEST(a_rejection_that_is_handled_while_it_is_logged_is_forgotten_once)
{
    static const char code[] =
        "{ const all = []; for (let i = 0; i < 4; i++) { const e = new Error('x'); "
        "Object.defineProperty(e, 'message', {get() { told++; for (const p of all.splice(0)) "
        "p.catch(() => {}); return 'x' }}); all.push(Promise.reject(e)) } keep.push(...all) } 1";
    static const char endless[] =
        "{ const e = new Error('x'); Object.defineProperty(e, 'message', {get() { told++; "
        "Promise.reject(e); return 'x' }}); Promise.reject(e) } 1";
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&promising);

    CHECK_STR(js_eval(pid, "globalThis.keep = []; globalThis.told = 0; 1"), "1");
    for (int i = 0; i < 50; i++)
        CHECK_STR(js_eval(pid, code), "1");
    CHECK_STR(js_eval(pid, "[keep.filter((p) => p instanceof Promise).length, told]"), "[200,50]");
    CHECK_STR(js_eval(pid, endless), "1");
    CHECK_STR(js_eval(pid, "told"), "54");
    js_end(rt);
}
