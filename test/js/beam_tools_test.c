/* Beam's tools: what needs no other process. */
#include "support.h"

#include <stdio.h>

static const anqa_js_script script =
    ANQA_JS_SCRIPT(.name = "tools", .source = "export function ping() { return 1; }");

static const struct {
    const char *code, *is;
} equalities[] = {
    {"[1, 1]", "true"},
    {"[0, -0]", "false"},
    {"[NaN, NaN]", "true"},
    {"[1, 1n]", "false"},
    {"['a', 'a']", "true"},
    {"[null, undefined]", "false"},
    {"[{a: 1, b: [2, {c: 3}]}, {b: [2, {c: 3}], a: 1}]", "true"},
    {"[{a: 1}, {a: 1, b: undefined}]", "false"},
    {"[{b: 1}, {a: undefined}]", "false"},
    {"[[1, 2], [1, 2, 3]]", "false"},
    {"[[,], [undefined]]", "false"},
    {"[[], {}]", "false"},
    {"[new Date(5), new Date(5)]", "true"},
    {"[new Date(5), new Date(6)]", "false"},
    {"[/a/g, /a/g]", "true"},
    {"[/a/g, /a/i]", "false"},
    {"[new Error('x'), new Error('x')]", "true"},
    {"[new Error('x'), new TypeError('x')]", "false"},
    {"[new Error('x', {cause: 1}), new Error('x', {cause: 2})]", "false"},
    {"[new Map([[{a: 1}, 2], ['b', 3]]), new Map([['b', 3], [{a: 1}, 2]])]", "true"},
    {"[new Map([['a', 1]]), new Map([['a', 2]])]", "false"},
    {"[new Set([1, {a: 1}]), new Set([{a: 1}, 1])]", "true"},
    {"[new Set([{a: 1}, {a: 1}]), new Set([{a: 1}, {a: 2}])]", "false"},
    {"[new Set([1, 2]), new Set([1, 3])]", "false"},
    {"[new Set([1, {a: 1}]), new Set([{a: 1}, '1'])]", "false"},
    {"[new Set([NaN, null, undefined, 1n]), new Set([undefined, 1n, NaN, null])]", "true"},
    {"[new Set([undefined]), new Set([null])]", "false"},
    {"[new Map([[undefined, undefined]]), new Map([[null, undefined]])]", "false"},
    {"[new Map([[1, undefined]]), new Map([[2, undefined]])]", "false"},
    {"[new Map([['a', {b: [1]}]]), new Map([['a', {b: [1]}]])]", "true"},
    {"[new Uint8Array([1, 2]), new Uint8Array([1, 2])]", "true"},
    {"[new Uint8Array([1, 2]), new Int8Array([1, 2])]", "false"},
    {"[new Uint8Array([1, 2]).buffer, new Uint8Array([1, 3]).buffer]", "false"},
    {"[new DataView(new ArrayBuffer(2)), new DataView(new ArrayBuffer(2))]", "true"},
    {"[Object(1), Object(2)]", "false"},
    {"[Object('a'), Object('a')]", "true"},
    {"[Promise.resolve(1), Promise.resolve(1)]", "false"},
    {"[() => 1, () => 1]", "false"},
    {"[Object.create(null), {}]", "false"},
    {"[Beam.self(), Beam.self()]", "true"},
    {"[Beam.makeRef(), Beam.makeRef()]", "false"},
    {"(() => { const a = {}, b = {}; a.me = a; b.me = b; return [a, b]; })()", "true"},
    {"(() => { const a = {}, b = {me: {}}; a.me = a; b.me.me = b; return [a, b]; })()", "true"},
    {"(() => { const a = {n: 1}, b = {n: 2}; a.me = a; b.me = b; return [a, b]; })()", "false"},
    {"[{[Symbol.for('s')]: 1}, {[Symbol.for('s')]: 2}]", "false"},
};

TEST(what_holds_the_same_is_deeply_equal)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    for (size_t i = 0; i < ANQA_COUNT(equalities); i++)
        CHECK_STR(js_eval(pid, anqa_tmp_printf("{ const [a, b] = %s; Beam.deepEquals(a, b) + ' ' + "
                                               "Beam.deepEquals(b, a) }",
                                   equalities[i].code)),
            anqa_tmp_printf("\"%s %s\"", equalities[i].is, equalities[i].is), "%s",
            equalities[i].code);
    CHECK_STR(js_eval(pid, "let d = []; for (let i = 0; i < 1e5; i++) d = [d]; let e = []; for "
                           "(let i = 0; i < 1e5; i++) e = [e]; Beam.deepEquals(d, e)"),
        "RangeError: Maximum call stack size exceeded");
    js_end(rt);
}

TEST(members_that_are_no_objects_are_looked_up_not_searched)
{
    static const anqa_js_script large = ANQA_JS_SCRIPT(.name = "large",
        .source = "const keys = Array.from({length: 50000}, (_, i) => i);\n"
                  "export const sets = () => Beam.deepEquals(new Set(keys), new "
                  "Set(keys.toReversed()));\n"
                  "export const maps = (v) => Beam.deepEquals(new Map(keys.map((k) => ['k' + k, "
                  "[k]])), new Map(keys.toReversed().map((k) => ['k' + k, [k === 7 ? v : k]])));",
        .limits = {.turn_ms = 20000});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&large);

    CHECK_STR(js_call(pid, "sets", "[]"), "true");
    CHECK_STR(js_call(pid, "maps", "[7]"), "true");
    CHECK_STR(js_call(pid, "maps", "[8]"), "false");
    js_end(rt);
}

/* These numbers must never change: programs divide what they keep by them. */
static const struct {
    const char *code, *is;
} hashes[] = {
    {"Beam.hash('room:1')", "3769578800"},
    {"Beam.hash('room:2', 10)", "0"},
    {"Beam.hash({b: [1, null, true], a: 2.5})", "3964633171"},
    {"Beam.hash({a: 2.5, b: [1, null, true]})", "3964633171"},
    {"Beam.hash(new Uint8Array([1, 2, 3]))", "1955559066"},
    {"Beam.hash(-(2n ** 70n))", "1768685953"},
    {"Beam.hash(new Date(0)) === Beam.hash(0)", "false"},
    {"Beam.hash([]) === Beam.hash({})", "false"},
    {"Beam.hash([undefined]) === Beam.hash([null])", "false"},
    {"Beam.hash(['a', 'b']) === Beam.hash(['b', 'a'])", "false"},
    {"Beam.hash({a: 'b'}) === Beam.hash({b: 'a'})", "false"},
    {"Beam.hash('x', 1)", "0"},
    {"Beam.hash('x', 0)", "RangeError: the range of a hash is a whole number from 1 to 2^32"},
    {"Beam.hash('x', 1.5)", "RangeError: the range of a hash is a whole number from 1 to 2^32"},
    {"Beam.hash('x', 2 ** 32 + 1)",
        "RangeError: the range of a hash is a whole number from 1 to 2^32"},
    {"Beam.hash('x', {})", "RangeError: the range of a hash is a whole number from 1 to 2^32"},
};

TEST(a_hash_is_the_same_in_every_process_and_run)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid a = js_start(&script), b = js_start(&script);

    for (size_t i = 0; i < ANQA_COUNT(hashes); i++) {
        CHECK_STR(js_eval(a, hashes[i].code), hashes[i].is, "%s", hashes[i].code);
        CHECK_STR(js_eval(b, hashes[i].code), hashes[i].is, "%s", hashes[i].code);
    }
    CHECK(strstr(js_eval(a, "Beam.hash(() => 1)"), "Error: ") != NULL);
    js_end(rt);
}

TEST(hashes_spread_over_their_range)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "const n = new Array(16).fill(0); for (let i = 0; i < 8000; i++) "
                           "n[Beam.hash('user:' + i, 16)]++; n.every((c) => c > 400 && c < 600)"),
        "true");
    js_end(rt);
}

TEST(numbers_and_references_are_there_once)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid a = js_start(&script), b = js_start(&script);
    const char *unique = "const n = []; for (let i = 0; i < 200; i++) n.push(Beam.uniqueInteger(), "
                         "String(Beam.makeRef())); [new Set(n).size, typeof n[0]]";

    CHECK_STR(js_eval(a, unique), "[400,\"bigint\"]");
    CHECK(strcmp(js_eval(a, "String(Beam.uniqueInteger())"),
              js_eval(b, "String(Beam.uniqueInteger())")) != 0);
    CHECK_STR(js_eval(a, "Beam.makeRef()"), "ref");
    js_end(rt);
}

TEST(uuids_are_of_version_7_and_in_the_order_in_which_they_were_made)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_eval(pid,
            "globalThis.all = []; for (let i = 0; i < 10000; i++) all.push(Beam.randomUUIDv7());\n"
            "[all.every((u) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
            "[0-9a-f]{12}$/.test(u)), all.every((u, i) => i === 0 || u > all[i - 1]), new "
            "Set(all).size]"),
        "[true,true,10000]");
    CHECK_STR(js_eval(pid, "Math.abs(parseInt(all[0].replace('-', '').slice(0, 12), 16) - "
                           "Date.now()) < 600000"),
        "true");
    js_end(rt);
}

TEST(nanoseconds_go_forward)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "globalThis.t = Beam.nanoseconds(); typeof t"), "\"bigint\"");
    anqa_sleep(3);
    CHECK_STR(js_eval(pid, "const d = Beam.nanoseconds() - t; d >= 2000000n && d % 1000n === 0n"),
        "true");
    js_end(rt);
}

TEST(text_for_html_is_escaped)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "Beam.escapeHTML('<a href=\"x\">it\\'s & \\u00e9\\0\\u{1F600}</a>') === "
                           "'&lt;a href=&quot;x&quot;&gt;it&#x27;s &amp; "
                           "\\u00e9\\0\\u{1F600}&lt;/a&gt;'"),
        "true");
    CHECK_STR(js_eval(pid, "[Beam.escapeHTML(''), Beam.escapeHTML(5), Beam.escapeHTML(null)]"),
        "[\"\",\"5\",\"null\"]");
    CHECK_STR(js_eval(pid, "Beam.escapeHTML('<'.repeat(2e7))"),
        "RangeError: the text is longer than the memory of this process");
    js_end(rt);
}

TEST(a_promise_can_be_looked_at)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "const p = new Promise(() => {}); [Beam.peek(p) === p, "
                           "Beam.peek(Promise.resolve(5)), Beam.peek(7)]"),
        "[true,5,7]");
    CHECK_STR(js_eval(pid, "const r = Promise.reject(new Error('no')); r.catch(() => {}); "
                           "[Beam.peek(r).message, Beam.peek.status(r)]"),
        "[\"no\",\"rejected\"]");
    CHECK_STR(js_eval(pid, "[Beam.peek.status(new Promise(() => {})), "
                           "Beam.peek.status(Promise.resolve()), Beam.peek.status({then() {}})]"),
        "[\"pending\",\"fulfilled\",\"fulfilled\"]");
    js_end(rt);
}

/* More is compared with Node in web/inspect.cases.mjs. */
TEST(values_are_shown_as_the_log_shows_them)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_eval(pid, "Beam.inspect({a: [1, 'x'], b: null})"), "\"{ a: [ 1, 'x' ], b: null }\"");
    CHECK_STR(js_eval(pid, "Beam.inspect('x')"), "\"'x'\"");
    CHECK_STR(js_eval(pid, "Beam.inspect({p: Beam.self()}) === `{ p: ${Beam.self()} }`"), "true");
    CHECK_STR(js_eval(pid, "Beam.inspect(new RangeError('no')).startsWith('RangeError: no\\n    "
                           "at ')"),
        "true");
    js_end(rt);
}

/* Neither the values nor the words for them take more than they should, whatever is given. */
TEST(what_is_shown_is_bounded)
{
    static const anqa_js_script small =
        ANQA_JS_SCRIPT(.name = "small", .source = "export const none = 0;",
            .limits = {.memory = (size_t)32 << 20, .turn_ms = 20000});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&small);

    CHECK_STR(js_eval(pid, "Beam.inspect(new Uint8Array(16 << 20)).endsWith('... 16777116 more "
                           "items ]')"),
        "true");
    CHECK_STR(
        js_eval(pid, "Beam.inspect(new Array(4294967295))"), "\"[ <4294967295 empty items> ]\"");
    CHECK_STR(js_eval(pid, "const wide = (n) => n === 0 ? 'x'.repeat(100) : Array(100).fill(wide(n "
                           "- 1)); Beam.inspect(wide(4), {depth: 10}).length < 200000"),
        "true");
    CHECK_STR(js_eval(pid, "Beam.inspect(Object.fromEntries(Array.from({length: 150}, (_, i) => "
                           "['k' + i, i]))).endsWith('k99: 99, ... 50 more }')"),
        "true");
    CHECK_STR(js_eval(pid, "let d = []; for (let i = 0; i < 1e5; i++) d = [d]; Beam.inspect(d, "
                           "{depth: 1e9})"),
        "RangeError: Maximum call stack size exceeded");
    CHECK_STR(js_eval(pid, "for (let i = 0; i < 2000; i++) { console.count('c' + i); "
                           "console.time('t' + i); console.group() } 1"),
        "1");
    js_end(rt);
}

static char console_lines[16384];

static void keep_text(void *ctx, const anqa_log_event *event)
{
    size_t len = strlen(console_lines);
    anqa_str fields = event->fields;
    const char *text = memmem(fields.ptr, fields.len, "text=", 5);

    if (strcmp(event->id, "js.console") == 0 && text != NULL)
        snprintf(console_lines + len, sizeof console_lines - len, "%d %.*s\n", (int)event->level,
            (int)(fields.ptr + fields.len - text - 5), text + 5);
}

/* What Node writes for the same. */
static const char consoles[] =
    "console.log('%s is %d years and %i, %f, %j %O%c %%', 'Bob', 42.5, 42.9, '1.5', {a: [1]}, {b: "
    "{}}, 'css', 'more', {x: 1});\n"
    "console.log('%s %s %s', {a: {b: 1}}, new Date(0), [1, [2, [3]]]);\n"
    "console.log('%s'); console.log('%%'); console.log('100%', 'x'); console.log('%x', 1);\n"
    "console.log({}, '%s', 'a'); console.log('%d %i %d', 5n, '7.9px', Symbol('a'));\n"
    "console.log('%s', new (class A { toString() { return 'q' } }));\n"
    "console.log('%j', (() => { const a = {}; a.a = a; return a })());\n"
    "console.log('%s', null, undefined, -0); console.log('%s %s', -0, Symbol('x'));\n"
    "console.log('%d', {}); console.log('a%', 'b'); console.log(); console.log('a', 1, ['b']);\n"
    "console.debug('d'); console.info('i'); console.warn('w'); console.error('e');\n"
    "console.assert(true, 'no'); console.assert(false); console.assert(false, '%s failed', 'x');\n"
    "console.count(); console.count('x'); console.count(); console.countReset(); console.count();\n"
    "console.group('G'); console.log('a\\nb'); console.group(); console.log({a: 1}); "
    "console.groupEnd();\n"
    "console.groupEnd(); console.groupEnd(); console.log('out'); console.dir({a: {b: 1}}, {depth: "
    "0});\n"
    "console.timeEnd('none'); console.time('t'); console.time('t'); console.table([{a: 1}]); 1";

TEST(console_says_what_node_says)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    anqa_log_set_level(ANQA_DEBUG);
    anqa_log_set_sink(keep_text, NULL);
    CHECK_STR(js_eval(pid, consoles), "1");
    js_end(rt);
    anqa_log_set_sink(NULL, NULL);
    CHECK_STR(console_lines,
        "6 \"Bob is 42.5 years and 42, 1.5, {\\\"a\\\":[1]} { b: {} } % more { x: 1 }\"\n"
        "6 \"{ a: [Object] } 1970-01-01T00:00:00.000Z [ 1, [Array] ]\"\n"
        "6 %s\n"
        "6 %%\n"
        "6 \"100% x\"\n"
        "6 \"%x 1\"\n"
        "6 \"{} %s a\"\n"
        "6 \"5n 7 NaN\"\n"
        "6 q\n"
        "6 [Circular]\n"
        "6 \"null undefined -0\"\n"
        "6 \"-0 Symbol(x)\"\n"
        "6 NaN\n"
        "6 \"a% b\"\n"
        "6 \"\"\n"
        "6 \"a 1 [ 'b' ]\"\n"
        "7 d\n"
        "6 i\n"
        "4 w\n"
        "3 e\n"
        "4 \"Assertion failed\"\n"
        "4 \"Assertion failed: x failed\"\n"
        "6 \"default: 1\"\n"
        "6 \"x: 1\"\n"
        "6 \"default: 2\"\n"
        "6 \"default: 1\"\n"
        "6 G\n"
        "6 \"  a\\n  b\"\n"
        "6 \"    { a: 1 }\"\n"
        "6 out\n"
        "6 \"{ a: [Object] }\"\n"
        "4 \"No such label 'none' for console.timeEnd()\"\n"
        "4 \"Label 't' already exists for console.time()\"\n"
        "6 \"[ { a: 1 } ]\"\n");
}

TEST(console_tells_where_it_is_and_what_has_passed)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    anqa_log_set_level(ANQA_DEBUG);
    anqa_log_set_sink(keep_text, NULL);
    CHECK_STR(js_eval(pid, "console.trace('here'); console.time('z'); 1"), "1");
    anqa_sleep(3);
    CHECK_STR(js_eval(pid, "console.timeLog('z', 'more'); console.timeEnd('z'); 1"), "1");
    js_end(rt);
    anqa_log_set_sink(NULL, NULL);
    CHECK(strstr(console_lines, "4 \"Trace: here\\n    at <eval> (eval:1:8)\"\n6 \"z: ") ==
              console_lines,
        "%s", console_lines);
    CHECK(strstr(console_lines, "ms more\"\n6 \"z: ") != NULL, "%s", console_lines);
    CHECK(strstr(console_lines, "z: 0ms") == NULL, "%s", console_lines);
}

TEST(a_process_knows_what_it_has_used_and_where_it_runs)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "const i = Beam.processInfo(); [String(i.pid) === String(Beam.self()), "
                           "i.id === Beam.id(), i.memory > 0, i.memoryLimit, i.messageQueue, "
                           "i.pendingCalls, i.names, i.children, i.turns > 0]"),
        "[true,true,true,67108864,0,0,0,0,true]");
    CHECK_STR(js_eval(pid, "const was = Beam.processInfo().turns; Beam.sleep(1).then(() => "
                           "Beam.processInfo().turns > was)"),
        "true");
    CHECK_STR(js_eval(pid, "const s = Beam.systemInfo(); [s.schedulers, s.processes > 1, "
                           "s.uptimeMs >= 0, s.version === Beam.version]"),
        "[2,true,true,true]");
    CHECK_STR(js_eval(pid, "Beam.version"), "\"" ANQA_VERSION_STRING "\"");
    js_end(rt);
}

/* The hash of each level holds its text while the next one is asked for. */
TEST(operations_that_call_each_other_take_no_more_than_a_bounded_memory)
{
    static const anqa_js_script nested = ANQA_JS_SCRIPT(.name = "nested",
        .source = "const s = 'x'.repeat(600000), wide = '<'.repeat(625000);\n"
                  "export function nest() { let depth = 0, said = ''; const f = () => { depth++; "
                  "if (depth > 200) return; if (depth > 50) try { Beam.escapeHTML(wide); } catch "
                  "(e) { said = "
                  "String(e); return; } Beam.hash({s, get next() { f(); return 1; }}); }; f(); "
                  "return said; }",
        .limits = {.memory = (size_t)8 << 20, .turn_ms = 60000, .values = {.bytes = 1 << 20}});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&nested);

    for (int i = 0; i < 2; i++)
        CHECK_STR(
            js_call(pid, "nest", "[]"), "\"RangeError: more memory than this operation may use\"");
    js_end(rt);
}
