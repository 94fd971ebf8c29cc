/* Streams, blobs and forms: what Node does not do, or not as the standards say. What Node does too is in
 * web/streams.cases.mjs and web/blob.cases.mjs. */
#include "support.h"

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "streams",
    .source = "export async function run(code) { return (0, eval)(`(async () => {${code}})()`); }",
    .apis = ANQA_JS_STREAMS | ANQA_JS_BLOB);

#define HELPERS                                                                                \
    "const settle = async () => { for (let i = 0; i < 30; i++) await 0 };"                     \
    "const of = (...a) => new ReadableStream({start(c) { a.forEach((x) => c.enqueue(x)); "     \
    "c.close() }});"                                                                           \
    "const all = async (s) => { const a = []; for await (const x of s) a.push(x); return a };" \
    "const name = (fn) => { try { fn(); return 'ok' } catch (e) { return e.name } };"          \
    "const reading = (names) => { const o = {}, log = []; for (const n of names) "             \
    "  Object.defineProperty(o, n, {get() { log.push(n) }}); return [o, log] };"

static const struct {
    const char *name, *code, *result;
} cases[] = {
    {"members of a source are read in the order of Web IDL",
        "const [o, log] = reading(['type', 'start', 'pull', 'cancel', 'autoAllocateChunkSize']);"
        "new ReadableStream(o); return log.join()",
        "\"autoAllocateChunkSize,cancel,pull,start,type\""},
    {"members of a sink too",
        "const [o, log] = reading(['write', 'type', 'start', 'close', 'abort']);"
        "new WritableStream(o); return log.join()",
        "\"abort,close,start,type,write\""},
    {"members of a transformer too",
        "const [o, log] = reading(['writableType', 'transform', 'start', 'readableType', 'flush', "
        "'cancel']);"
        "new TransformStream(o); return log.join()",
        "\"cancel,flush,readableType,start,transform,writableType\""},
    {"a chunk size is a count",
        "return [-1, NaN, 'x', Infinity, 2 ** 60].map((n) => name(() => "
        "new ReadableStream({type: 'bytes', autoAllocateChunkSize: n}))).join()",
        "\"TypeError,TypeError,TypeError,TypeError,TypeError\""},
    {"a write after close is refused",
        "const w = new WritableStream().getWriter(); w.close(); const n = [];"
        "for (const p of [w.write(1), w.close()]) await p.catch((e) => n.push(e.name));"
        "return n.join()",
        "\"TypeError,TypeError\""},
    {"a listener of the signal may fail the stream that is aborted",
        "let c; const w = new WritableStream({start(k) { c = k; "
        "c.signal.onabort = () => c.error('listener') }}).getWriter(); await settle();"
        "await w.abort('why'); return w.closed.catch((e) => e)",
        "\"listener\""},
    {"next of another object is a rejection",
        "const p = Object.getPrototypeOf(of().values());"
        "return Promise.all([p.next.call({}), p.return.call(5)].map((x) => x.catch((e) => "
        "e.name)))",
        "[\"TypeError\",\"TypeError\"]"},
    {"a transformer may cancel",
        "const log = []; const make = () => new TransformStream({cancel(r) { log.push(r) }});"
        "await make().readable.cancel('reader'); await make().writable.abort('writer');"
        "return log",
        "[\"reader\",\"writer\"]"},
    {"what cancel of a transformer throws is for the other side",
        "const t = new TransformStream({cancel() { throw 'mine' }}), w = t.writable.getWriter();"
        "return [await t.readable.cancel('x').catch((e) => e), await w.closed.catch((e) => e)]",
        "[\"mine\",\"mine\"]"},
    {"a terminated transform can be cancelled",
        "const t = new TransformStream({start(c) { c.enqueue(1); c.terminate() }}, {}, "
        "{highWaterMark: 5});"
        "return [await t.readable.cancel().catch((e) => e.name), (await "
        "t.readable.getReader().read()).done]",
        "[\"TypeError\",true]"},
    {"a text stream takes what has a text",
        "return all(of(Symbol('x')).pipeThrough(new TextEncoderStream())).catch((e) => e.name)",
        "\"TypeError\""},
    {"from takes strings by their characters",
        "return (await all(ReadableStream.from('ab'))).join()", "\"a,b\""},
    {"streams show nothing of themselves",
        "const s = of(1), w = new WritableStream(), t = new TransformStream(); s.getReader();"
        "return [s, w, t, w.getWriter()].map((o) => JSON.stringify(o) + "
        "Reflect.ownKeys(o).length).join()",
        "\"{}0,{}0,{}0,{}0\""},
    {"carriage returns are line ends of a blob",
        "const t = await new Blob(['a\\rb\\r', '\\nc'], {endings: 'native'}).text();"
        "return t.split('\\n').join('|')",
        "\"a|b||c\""},
    {"slices of a blob are clamped",
        "const b = new Blob(['abcde']);"
        "return Promise.all([[NaN], [Infinity], [-Infinity, Infinity], [1.9, 3.9], [null, 2], [-0, "
        "'2']]"
        ".map((r) => b.slice(...r).text()))",
        "[\"abcde\",\"\",\"abcde\",\"bc\",\"ab\",\"ab\"]"},
    {"times of files are whole numbers",
        "return [1.9, Infinity, -1.5, 2 ** 70].map((n) => new File([], 'x', {lastModified: "
        "n}).lastModified)",
        "[1,0,-1,0]"},
    {"a blob gives its bytes",
        "const b = await new Blob(['hi']).bytes(); return [b.constructor.name, ...b].join()",
        "\"Uint8Array,104,105\""},
    {"a file needs something to be made of", "return name(() => new File(undefined, 'x'))",
        "\"TypeError\""},
};

static const char *run(anqa_pid pid, const char *code)
{
    return js_run(pid, anqa_tmp_printf("%s%s", HELPERS, code));
}

TEST(streams_and_blobs_keep_to_their_standards)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    for (size_t i = 0; i < ANQA_COUNT(cases); i++)
        CHECK_STR(run(pid, cases[i].code), cases[i].result, "%s", cases[i].name);
    js_end(rt);
}

/* Everything that our functions could look up while they run is another's, until repair(); but then() and concat(), which the
 * language itself asks for: where a promise becomes another, and in templates. */
static const char broken[] =
    "const bad = () => { throw new Error('replaced') }, was = [], { defineProperty: define } = "
    "Object;"
    "const change = (o, key, to) => { was[was.length] = [o, key, "
    "Object.getOwnPropertyDescriptor(o, key)];"
    "  define(o, key, to) };"
    "const repair = () => { for (let i = 0; i < was.length; i++) define(was[i][0], was[i][1], "
    "was[i][2]) };"
    "{ const protos = [Array.prototype, Promise.prototype, Function.prototype, String.prototype,"
    "    ArrayBuffer.prototype, Object.getPrototypeOf(Uint8Array.prototype), DataView.prototype];"
    "  const globals = ['Promise', 'TextEncoder', 'TextDecoder', 'AbortController', 'Uint8Array',"
    "    'ArrayBuffer', 'DataView', 'Symbol', 'Math', 'Number'];"
    "  const { ownKeys } = Reflect, { getOwnPropertyDescriptor: get } = Object;"
    "  for (let i = 0; i < protos.length; i++) { const keys = ownKeys(protos[i]);"
    "    for (let k = 0; k < keys.length; k++) { const d = get(protos[i], keys[k]);"
    "      if (!d.configurable || keys[k] === 'constructor' || keys[k] === 'then' || keys[k] === "
    "'concat') continue;"
    "      if (typeof d.value === 'function') change(protos[i], keys[k], {...d, value: bad});"
    "      else if (d.get) change(protos[i], keys[k], {...d, get: bad}); } }"
    "  for (let i = 0; i < globals.length; i++)"
    "    change(globalThis, globals[i], {value: bad, configurable: true, writable: true}); }";

TEST(scripts_that_replace_what_the_language_has_break_no_stream)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        run(pid, anqa_tmp_printf(
                     "const log = {}, sym = Symbol.iterator, bytes = new Uint8Array([104, 105]), "
                     "view = new Uint8Array(8);"
                     "%s"
                     "const t = new TransformStream({transform(c, k) { k.enqueue(c + 1) }});"
                     "const w = t.writable.getWriter(), r = t.readable.getReader();"
                     "w.write(1); log.a = (await r.read()).value;"
                     "const s = new ReadableStream({type: 'bytes', pull(c) { c.enqueue(bytes); "
                     "c.close() }});"
                     "log.b = (await s.getReader({mode: 'byob'}).read(view)).done;"
                     "log.c = await new Blob({[sym]() { let n = 0; return {next: () => ({done: n++ "
                     "> 0, value: 'x'})} }}).text();"
                     "const f = new FormData(); f.append('a', 'b'); log.d = f.get('a');"
                     "const p = new ReadableStream({start(c) { c.enqueue('p'); c.close() }});"
                     "await p.pipeTo(new WritableStream({write(c) { log.e = c }}));"
                     "repair(); return log",
                     broken)),
        "{a:2,b:false,c:\"x\",d:\"b\",e:\"p\"}");
    js_end(rt);
}

TEST(a_source_that_never_ends_is_taken_no_faster_than_it_is_read)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        run(pid, "let made = 0; const s = new ReadableStream({pull(c) { made++; c.enqueue(1) }});"
                 "const through = s.pipeThrough(new TransformStream()).pipeThrough(new "
                 "TransformStream());"
                 "const r = through.getReader(); for (let i = 0; i < 50; i++) await r.read();"
                 "await settle(); return made < 60"),
        "true");
    js_end(rt);
}

TEST(sizes_that_no_memory_has_are_errors_of_the_script)
{
    static const anqa_js_script small = ANQA_JS_SCRIPT(.name = "small",
        .source =
            "export async function run(code) { return (0, eval)(`(async () => {${code}})()`); }",
        .apis = ANQA_JS_BLOB, .limits = {.memory = (size_t)16 << 20});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&small);

    CHECK_STR(
        run(pid, "const s = new ReadableStream({type: 'bytes', autoAllocateChunkSize: 2 ** 40});"
                 "return s.getReader().read().catch((e) => e.name)"),
        "\"RangeError\"");
    CHECK_STR(run(pid, "const b = new Blob([new Uint8Array(3 << 20)]); "
                       "return name(() => new Blob([b, b, b, b, b, b])) !== 'ok'"),
        "true");
    CHECK_STR(run(pid, "return (await new Blob(['still here']).text())"), "\"still here\"");
    js_end(rt);
}
