/* Text, bytes and clones: where Node does not do what the standards say, and scripts that mean harm. What Node does too is in
 * web/encoding.cases.mjs. */
#include "support.h"

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "encoding",
    .source = "export const nothing = 0;", .apis = ANQA_JS_ENCODING | ANQA_JS_EVENTS,
    .limits = {.memory = (size_t)32 << 20, .turn_ms = 60000});

static const struct {
    const char *name, *code, *result;
} cases[] = {
    {"windows-1252 has characters of its own from 80 to 9F",
        "new TextDecoder('latin1').decode(Uint8Array.from({length: 32}, (_, i) => 128 + i)) ==="
        "'\\u20ac\\x81\\u201a\\u0192\\u201e\\u2026\\u2020\\u2021\\u02c6\\u2030\\u0160\\u2039\\u0152"
        "\\x8d"
        "\\u017d\\x8f\\x90\\u2018\\u2019\\u201c\\u201d\\u2022\\u2013\\u2014\\u02dc\\u2122\\u0161\\u"
        "203a"
        "\\u0153\\x9d\\u017e\\u0178'",
        "true"},
    {"labels are ASCII", "try { new TextDecoder('\\u212aoi8-r') } catch (e) { e.name }",
        "\"RangeError\""},
    {"what cannot be moved is a DataCloneError",
        "[{}, new Uint8Array(1), new SharedArrayBuffer(1), new EventTarget()].map(v => {"
        "  try { structuredClone(0, {transfer: [v]}) } catch (e) { return e.code } })",
        "[25,25,25,25]"},
    {"what is detached cannot be moved",
        "const b = new ArrayBuffer(1); b.transfer();"
        "try { structuredClone(0, {transfer: [b]}) } catch (e) { e.code }",
        "25"},
    {"what a getter detaches cannot be moved",
        "const b = new ArrayBuffer(1);"
        "try { structuredClone({get a() { b.transfer(); return 1 }}, {transfer: [b]}) }"
        "catch (e) { e.code }",
        "25"},
    {"what is shared cannot be cloned",
        "try { structuredClone(new SharedArrayBuffer(1)) } catch (e) { e.code }", "25"},
    {"an error that is its own cause",
        "const e = new Error('m'); e.cause = e; const c = structuredClone(e); [c.cause === c, c "
        "!== e]",
        "[true,true]"},
    {"a DOMException is cloned",
        "const c = structuredClone(new DOMException('m', 'AbortError'));"
        "[c.name, c.message, c.code, c instanceof DOMException]",
        "[\"AbortError\",\"m\",20,true]"},
    {"pids and references stay what they are",
        "const c = structuredClone([Beam.self()]); String(c[0]) === String(Beam.self())", "true"},
    {"depth has no limit of its own",
        "let o = {}; for (let i = 0; i < 20000; i++) o = {o}; let n = 0;"
        "for (let c = structuredClone(o); c.o; c = c.o) n++; n",
        "20000"},
    {"a port in a clone has been moved",
        "const {port1, port2} = new MessageChannel();"
        "const c = structuredClone({p: port1, again: [port1]}, {transfer: [port1]});"
        "port2.postMessage('hello');"
        "new Promise(done => { c.p.onmessage = e => done([e.data, c.p === c.again[0], c.p !== "
        "port1]) })",
        "[\"hello\",true,true]"},
    {"setters of prototypes hear nothing of a clone",
        "const heard = []; Object.defineProperty(Object.prototype, 'a', {set(v) { heard.push(v) },"
        "  configurable: true}); const c = structuredClone({a: 1}); delete Object.prototype.a;"
        "[heard, c]",
        "[[],{a:1}]"},
    {"what has replaced prototypes is not asked",
        "const wrong = () => { throw 'asked' };"
        "const raw = Uint8Array.of(97, 98, 99).buffer, view = new DataView(raw, 1);"
        "for (const C of [Map, Set, Date, RegExp, ArrayBuffer, Number, String, TextEncoder,"
        "  Object.getPrototypeOf(Uint8Array)])"
        "  for (const k of ['forEach', 'getTime', 'exec', 'slice', 'valueOf', 'subarray', "
        "'toString',"
        "    'toLowerCase', 'charCodeAt'])"
        "    if (k in C.prototype) C.prototype[k] = wrong;"
        "for (const k of ['buffer', 'byteOffset', 'byteLength', 'length'])"
        "  Object.defineProperty(Object.getPrototypeOf(Uint8Array).prototype, k, {get: wrong});"
        "for (const k of ['source', 'flags', 'global'])"
        "  Object.defineProperty(RegExp.prototype, k, {get: wrong});"
        "Reflect.apply = Object.keys = Object.hasOwn = ArrayBuffer.isView = Array.isArray = wrong;"
        "globalThis.Uint8Array = globalThis.Map = globalThis.Error = globalThis.String = wrong;"
        "const c = structuredClone({d: new Date(5), b: new ArrayBuffer(2), n: Object(5), r: /a/g});"
        "const d = new TextDecoder(' UTF-8 '), e = new TextEncoder();"
        "[typeof c, typeof c.d, d.encoding, d.decode(e.encode('abc')), "
        "d.decode(raw),"
        " d.decode(view)]",
        "[\"object\",\"object\",\"utf-8\",\"abc\",\"abc\",\"bc\"]"},
};

TEST(text_bytes_and_clones_are_what_the_standards_say)
{
    anqa_rt *rt = js_begin(1);

    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        anqa_pid pid = js_start(&script);
        CHECK_STR(js_eval(pid, cases[i].code), cases[i].result, "%s", cases[i].name);
    }
    js_end(rt);
}

/* What takes more memory than there is: an error, or the end of the process, and the next one is served. */
TEST(text_and_bytes_beyond_all_memory_harm_their_own_process_only)
{
    static const char *const huge[] = {
        "new TextDecoder('utf-16le').decode(new Uint8Array(20 << 20))",
        "new TextDecoder('latin1').decode(new Uint8Array(20 << 20))",
        "new TextDecoder().decode(new Uint8Array(20 << 20).fill(0xff))",
        "new TextEncoder().encode('\\u20ac'.repeat(9 << 20))",
        "structuredClone(new Uint8Array(20 << 20))",
        "const a = []; for (let i = 0; i < 1e5; i++) a.push([i]); const b = [];"
        "for (;;) b.push(structuredClone(a))",
        "structuredClone(0, {transfer: {*[Symbol.iterator]() { for (;;) yield 1 }}})",
        "atob('A'.repeat(40 << 20))",
        "btoa('a'.repeat(20 << 20))",
    };
    anqa_rt *rt = js_begin(1);

    anqa_trap_exit(true);
    for (size_t i = 0; i < ANQA_COUNT(huge); i++) {
        anqa_pid pid = js_start(&script);
        anqa_status status = anqa_js_eval(pid, anqa_str_of(huge[i]), LONG_MS, NULL, NULL, NULL);
        CHECK(status == ANQA_E_SCRIPT || status == ANQA_E_DIED, "%s: %s", huge[i],
            anqa_status_name(status));
        CHECK_STR(
            js_eval(js_start(&script), "new TextDecoder().decode(Uint8Array.of(97))"), "\"a\"");
    }
    js_end(rt);
}

/* An operation that works for long gives others their turn. */
TEST(long_texts_are_decoded_while_others_run)
{
    static const anqa_js_script large = ANQA_JS_SCRIPT(.name = "large",
        .source = "const bytes = new Uint8Array(16 << 20).fill(0xe9);\n"
                  "export const work = () => {\n"
                  "  const decoder = new TextDecoder('latin1'); let n = 0;\n"
                  "  for (let i = 0; i < 4; i++) n += decoder.decode(bytes).length;\n"
                  "  return n };\n",
        .apis = ANQA_JS_ENCODING, .limits = {.memory = (size_t)256 << 20, .turn_ms = 20000});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&large);
    anqa_js_info info = {0};

    CHECK_STR(js_call(pid, "work", "[]"), "67108864");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    CHECK(info.preemptions > 4, "%llu", (unsigned long long)info.preemptions);
    js_end(rt);
}
