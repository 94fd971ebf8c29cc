/* The modules of the web platform together: that nothing of them leads a script to the host's function. */
#include "support.h"

/* Everything that scripts can replace or look at while our functions run, hostile. `leaked` collects what came by. */
static const char spies[] =
    "globalThis.leaked = [];\n"
    "globalThis.fails = (...all) => { for (let i = 0; i < all.length; i++)\n"
    "  try { all[i]() } catch (e) { e.stack } };\n"
    "const apply = Reflect.apply, define = Object.defineProperty, keys = Reflect.ownKeys;\n"
    "const { getPrototypeOf, getOwnPropertyDescriptor } = Object;\n"
    "const note = (v) => { if (typeof v === 'function' || (typeof v === 'object' && v !== null))\n"
    "  leaked[leaked.length] = v };\n"
    "Error.prepareStackTrace = (error, sites) => {\n"
    "  for (let i = 0; i < sites.length; i++)\n"
    "    for (let proto = sites[i]; proto !== Object.prototype; proto = getPrototypeOf(proto)) {\n"
    "      const names = keys(proto);\n"
    "      for (let k = 0; k < names.length; k++) try { note(sites[i][names[k]]()) } catch {} }\n"
    "  note(error);\n"
    "  return 'spied' };\n"
    "const wrap = (object) => { const all = keys(object); for (let i = 0; i < all.length; i++) {\n"
    "  const k = all[i], d = getOwnPropertyDescriptor(object, k), was = d.value;\n"
    "  if (typeof was !== 'function' || k === 'constructor' || !d.configurable) continue;\n"
    "  d.value = function (...args) {\n"
    "    note(this); for (let i = 0; i < args.length; i++) note(args[i]);\n"
    "    return apply(was, this, args) };\n"
    "  define(object, k, d) } };\n"
    "const classes = [Function, Map, Set, WeakMap, WeakSet, Promise, Array, String, Symbol, "
    "RegExp, Date,\n"
    "  Number, FinalizationRegistry, WeakRef, ArrayBuffer, getPrototypeOf(Uint8Array), DataView];\n"
    "for (let i = 0; i < classes.length; i++) wrap(classes[i].prototype);\n";

static const char look[] =
    "(() => { const seen = new Set(), todo = [...leaked, globalThis]; let found = 0;\n"
    "while (todo.length > 0 && seen.size < 20000) { const v = todo.pop();\n"
    "  if (seen.has(v)) continue; seen.add(v);\n"
    "  if (typeof v === 'function' && v.name === 'host') found++;\n"
    "  if (typeof v === 'object' && typeof Object.getOwnPropertyDescriptor(v, 'host')?.value === "
    "'function') found++;\n"
    "  for (const k of Reflect.ownKeys(v)) { const d = Object.getOwnPropertyDescriptor(v, k);\n"
    "    for (const inner of [d.value, d.get, d.set])\n"
    "      if (typeof inner === 'function' || (typeof inner === 'object' && inner !== null)) "
    "todo.push(inner) } }\n"
    "return found === 0 && leaked.length > 0 ? 'nothing' : 'host: ' + found + ' of ' + "
    "leaked.length })()";

/* What uses much of a module, and lets it fail. */
static const struct {
    const char *name, *code;
} used[] = {
    {"Beam",
        "fails(() => Beam.send(5, 5), () => Beam.call('none'), () => Beam.callSync('none'),"
        "  () => Beam.link(5), () => Beam.send(Beam.self(), Symbol()), () => String(Beam.self()),"
        "  () => setTimeout(5), () => console.log({ get a() { throw 1 } }))"},
    {"events",
        "const t = new EventTarget(); t.addEventListener('x', () => { throw new Error('x') });"
        "t.dispatchEvent(new Event('x')); const c = new AbortController();"
        "AbortSignal.any([c.signal, AbortSignal.timeout(10)]).onabort = () => { throw 1 };"
        "c.abort(); const { port1, port2 } = new MessageChannel();"
        "port1.onmessage = (e) => { throw new Error(e.data) }; port2.postMessage('x');"
        "fails(() => new Event(), () => t.addEventListener(), () => t.dispatchEvent(5),"
        "  () => AbortSignal.timeout(NaN), () => new AbortSignal(), () => port1.postMessage(),"
        "  () => AbortSignal.timeout.call(null, Symbol()), () => port1.postMessage(() => 1))"},
    {"encoding",
        "const d = new TextDecoder('utf-8', {fatal: true}), e = new TextEncoder();"
        "structuredClone({a: [1, new Map([[1, new Date()]]), new Set([new Error('x')]), /x/g]});"
        "d.decode(e.encode('abc'), {stream: true}); e.encodeInto('abc', new Uint8Array(2));"
        "fails(() => d.decode(Uint8Array.of(255)), () => new TextDecoder('x'), () => d.decode(5),"
        "  () => e.encode(Symbol()), () => e.encodeInto('x', 5), () => structuredClone(Symbol()),"
        "  () => structuredClone(() => 1), () => structuredClone({get a() { throw new Error }}),"
        "  () => structuredClone(0, {transfer: [{}]}), () => atob('!'), () => btoa('\\u1234'))"},
    {"performance",
        "performance.mark('a'); performance.measure('m', 'a'); performance.getEntries();"
        "performance.clearMarks(); performance.toJSON();"
        "fails(() => performance.mark(), () => performance.measure('m', 'none'), () => new "
        "Performance(),"
        "  () => performance.mark('m', {get startTime() { throw new Error }}),"
        "  () => performance.now.call(5), () => performance.mark('m', {detail: () => 1}))"},
    {"locks", "navigator.locks.request('a', () => { throw new Error('x') }).catch(() => 1);"
              "navigator.locks.request('a', {signal: new AbortController().signal}, () => 1);"
              "navigator.locks.request('a', {steal: true}, () => 1); navigator.locks.query();"
              "fails(() => new Lock(), () => navigator.locks.request().catch(() => 1),"
              "  () => navigator.locks.request.call(5).catch(() => 1))"},
    {"storage",
        "localStorage.a = 1; localStorage.setItem('b', 2); localStorage.key(0); delete "
        "localStorage.a;"
        "Object.keys(localStorage); localStorage.clear();"
        "fails(() => localStorage.setItem(), () => new Storage(), () => "
        "localStorage.setItem(Symbol(), 1),"
        "  () => Object.freeze(localStorage), () => { localStorage.a = 'x'.repeat(6 << 20) })"},
    {"url", "const u = new URL('//u:p@\\u00e4/b?c=d', 'http://h'); u.host = '\\u00e9'; "
            "u.searchParams.sort();"
            "u.searchParams.append('x', 'y'); u.searchParams.delete('c'); "
            "[...u.searchParams.entries()];"
            "fails(() => new URL('a'), () => new URL(Symbol()), () => { u.href = 'a' }, () => "
            "URL.parse(),"
            "  () => new URL({toString() { throw new Error }}), () => new URLSearchParams([1]),"
            "  () => new URLSearchParams({get a() { throw new Error }}), () => "
            "u.searchParams.get(Symbol()))"},
    {"fetch",
        "if (typeof fetch === 'undefined') [1].concat(2); else { fetch('http://127.0.0.1:1/', { "
        "method: 'POST', body: 'x' }).catch(() => 0);"
        "fetch('http://127.0.0.1:1/', { signal: AbortSignal.timeout(1) }).catch(() => 0);"
        "fetch('http://127.0.0.1:1/', { method: 'POST', duplex: 'half', body: new ReadableStream({"
        "  pull(c) { c.enqueue(new Uint8Array(5)) } }) }).catch(() => 0);"
        "fetch().catch(() => 0); fetch(Symbol()).catch(() => 0); }"},
    {"eventsource",
        "if (typeof EventSource === 'undefined') [1].concat(2); else { const s = new "
        "EventSource('http://127.0.0.1:1/'); s.onerror = () => { throw 1 };"
        "s.addEventListener('x', () => 0); new EventSource('http://127.0.0.1:2/').close();"
        "fails(() => new EventSource(), () => new EventSource('x'), () => new "
        "EventSource(Symbol())) }"},
    {"websocket",
        "if (typeof WebSocket === 'undefined') [1].concat(2); else { const s = new "
        "WebSocket('ws://127.0.0.1:1/'); s.onerror = s.onclose = () => { throw 1 };"
        "fails(() => new WebSocket(), () => new WebSocket('x'), () => s.send('x'), () => s.send(),"
        "  () => s.close(5), () => new WebSocket('ws://h/', ['a', 'a']),"
        "  () => new WebSocket('ws://h/', Symbol())); s.close() }"},
    {"streams",
        "const s = new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(5)) }, type: 'bytes' });"
        "const [a, b] = s.tee(), t = new TransformStream(), log = [];"
        "a.getReader({ mode: 'byob' }).read(new Uint8Array(3)).then((r) => log.push(r));"
        "b.pipeThrough(t).pipeTo(new WritableStream({ write() { throw new Error('full') } }))"
        "  .catch(() => 0);"
        "ReadableStream.from([1, 2]).values().next(); new TextDecoderStream().writable.getWriter();"
        "fails(() => a.getReader(), () => new ReadableStream({ type: 'x' }), () => s.pipeTo(5),"
        "  () => new WritableStream({ get write() { throw new Error('x') } }),"
        "  () => new ReadableStream({ start(c) { c.close(); c.enqueue(5) } }),"
        "  () => new ReadableStreamBYOBRequest(), () => new CountQueuingStrategy(5))"},
    {"blob",
        "const b = new Blob(['abc', new Uint8Array(5)], { type: 'a/b', endings: 'native' });"
        "b.text(); b.stream().getReader().read(); b.slice(1, 2).arrayBuffer();"
        "const f = new FormData(); f.append('a', b, 'name'); f.set('b', 'c'); f.set('a', 'x');"
        "for (const [n, v] of f) f.getAll(n); f.forEach(() => 0);"
        "fails(() => new Blob(5), () => new Blob([Symbol()]), () => new File(), () => f.append(),"
        "  () => new FormData({}), () => f.append('a', 'b', 'c'), () => b.slice(Symbol()),"
        "  () => new Blob([{ toString() { throw new Error('x') } }]))"},
    {"compression",
        "if (globalThis.CompressionStream) {" /* not in builds without zlib */
        "const c = new CompressionStream('gzip'), d = new DecompressionStream('deflate');"
        "const w = c.writable.getWriter(), r = c.readable.getReader();"
        "w.write(new Uint8Array(200000)).catch(() => 0); w.close().catch(() => 0);"
        "r.read().then(() => r.read()); const bad = d.writable.getWriter();"
        "bad.write(new Uint8Array([1, 2, 3])).catch(() => 0); "
        "d.readable.getReader().read().catch(() => 0);"
        "bad.write('text').catch(() => 0); bad.closed.catch(() => 0); bad.ready.catch(() => 0);"
        "fails(() => new CompressionStream('x'), () => new DecompressionStream()) }"},
    {"http",
        "const h = new Headers([['a', 'b'], ['set-cookie', 'c']]); h.append('a', 'd'); [...h];"
        "h.forEach(() => 0); h.getSetCookie(); const r = new Response('body', { headers: h });"
        "r.clone().text(); r.blob(); Response.json({ a: 1 }).json(); Response.error();"
        "const q = new Request('http://h/', { method: 'POST', body: new FormData(), signal: "
        "AbortSignal.abort() });"
        "q.clone().formData(); q.signal.aborted; new Request(q).body.getReader().read();"
        "new Response('x').formData().catch(() => 0); new Response(new Blob(['x'])).body.tee();"
        "fails(() => new Headers(5), () => new Headers({ 'a b': 'c' }), () => h.set('a', '\\n'),"
        "  () => new Request('x'), () => new Request('http://h/', { body: 'x' }),"
        "  () => new Response('x', { status: 204 }), () => Response.redirect('x', 1),"
        "  () => new Request('http://h/', { get method() { throw new Error('x') } }))"},
};

TEST(no_script_gets_hold_of_the_hosts_function)
{
    static const anqa_js_script everything = ANQA_JS_SCRIPT(.name = "everything",
        .source = "export const nothing = 0;", .apis = UINT32_MAX);
    anqa_rt *rt = js_begin(1);

    for (size_t i = 0; i < ANQA_COUNT(used); i++) {
        anqa_pid pid = js_start(&everything);
        CHECK_STR(js_eval(pid, anqa_tmp_printf("{%s} 0", spies)), "0", "%s", used[i].name);
        CHECK_STR(js_eval(pid, anqa_tmp_printf("{%s} 0", used[i].code)), "0", "%s", used[i].name);
        CHECK_STR(js_eval(pid, look), "\"nothing\"", "%s", used[i].name);
    }
    js_end(rt);
}
