#include "programs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static anqa_status add(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_value_put_int(result, anqa_value_int(anqa_value_at(request->args, 0), 0) +
                                   anqa_value_int(anqa_value_at(request->args, 1), 0));
    return ANQA_OK;
}

const anqa_js_script programs_script = ANQA_JS_SCRIPT(.name = "programs.js",
    .source =
        "globalThis.S = []; globalThis.trace = [];\n"
        "globalThis.say = (...all) => { trace.push(all.map(String).join(' ')); };\n"
        "globalThis.sleep = (ms) => Beam.sleep(ms);\n"
        "export function steps(list) {\n"
        "  for (const [i, k] of list) {\n"
        "    try { say(i, k, S[i % S.length](k)); } catch (e) { say(i, k, 'threw', e.message); }\n"
        "  }\n"
        "}\n"
        "export function report() { return trace.join('\\n'); }\n",
    .handlers = (const anqa_js_handler[]){{"add", add}, {0}},
    .topics = (const char *const[]){"news", NULL},
    .apis = ANQA_JS_EVENTS | ANQA_JS_ENCODING | ANQA_JS_STREAMS | ANQA_JS_BLOB | ANQA_JS_URL |
            ANQA_JS_HTTP | ANQA_JS_LOCKS | ANQA_JS_STORAGE);

/*
 * Each makes one thing and adds a function to S that uses it; what happens by itself is said. $a, $b and $c become
 * numbers, $n the number of the thing. Nothing here depends on the time of day or on Math.random.
 */
static const char *const things[] = {
    /* closures over each other's variables */
    "{ let n = $a; const up = (k) => n = (n * 31 + k) % 100003, down = () => n -= $b;"
    "  S.push((k) => k % 3 ? up(k) : down()); }",
    "{ const all = []; for (let i = 0; i < $a % 7 + 1; i++) all.push(() => i += $b);"
    "  S.push((k) => all[k % all.length]()); }",
    /* generators, stopped anywhere */
    "{ function* g() { let x = $a; for (;;) { try { const y = yield x; x = (x * 7 + y) % 9973;"
    "    if (x % 5 === 0) yield 'five'; } finally { x += $c; } } }"
    "  const it = g(); it.next(); S.push((k) => it.next(k).value); }",
    "{ function* inner(n) { for (let i = 0; i < n; i++) yield i * $a; return n; }"
    "  function* outer() { for (let i = $b % 4;; i++) { const r = yield* inner(i); yield `r${r}`; "
    "} }"
    "  const it = outer(); S.push(() => it.next().value); }",
    /* collections */
    "{ const m = new Map(), keys = []; S.push((k) => { const key = k % 2 ? { k } : k; "
    "keys.push(key);"
    "    m.set(key, (m.get(keys[k % keys.length]) ?? $a) + 1); if (m.size > 9) "
    "m.delete(m.keys().next().value);"
    "    return [...m.values()].join(); }); }",
    "{ const s = new Set([$a, $b, '$c']); S.push((k) => { if (!s.delete(k % 10)) s.add(k % 10);"
    "    return [...s].join(); }); }",
    "{ const w = new WeakMap(), all = Array.from({ length: $a % 5 + 2 }, (_, i) => ({ i }));"
    "  for (const o of all) w.set(o, o.i * $b); S.push((k) => { const o = all[k % all.length];"
    "    w.set(o, w.get(o) + k); return w.get(o); }); }",
    /* classes */
    "{ class A { #x; static made = 0; constructor(x) { this.#x = x; A.made++; } get x() { return "
    "this.#x; }"
    "    set x(v) { this.#x = v % 1009; } *[Symbol.iterator]() { yield this.#x; yield* "
    "this.more(); } more() { return []; } }"
    "  class B extends A { #y = $b; more() { return [this.#y++, super.more().length]; } static "
    "make(k) { return new B(k); } }"
    "  let o = B.make($a); S.push((k) => { if (k % 4 === 0) o = new B(k); o.x += k;"
    "    return [...o, A.made, o instanceof A].join(); }); }",
    /* bytes */
    "{ const buffer = new ArrayBuffer($a % 64 + 16), u = new Uint8Array(buffer), d = new "
    "DataView(buffer),"
    "    f = new Float64Array(buffer, 0, 1), part = u.subarray(3, 9);"
    "  S.push((k) => { part[k % 6] += k; d.setInt16(k % 8, k * $b); f[0] *= 1.5;"
    "    return `${u.reduce((a, b) => (a * 33 + b) % 65521)} ${part.length}`; }); }",
    /* big integers, numbers, strings */
    "{ let n = $an ** 5n + 1n; S.push((k) => { n = (n * BigInt(k + 3) ** 4n + $bn) % (1n << 200n); "
    "return n.toString(36); }); }",
    "{ let x = $a / 7; S.push((k) => x = k % 5 ? Math.sqrt(Math.abs(x * k)) - 1 / (k + 1) : -x); }",
    "{ let s = 'a$a'; S.push((k) => { s += s.slice(k % 5, k % 5 + 4) + '\\u00e9\\u{1f600}$b' + k;"
    "    if (s.length > 400) s = s.slice(-40); return s.length + s.at(-2) + s.codePointAt(k % "
    "s.length); }); }",
    "{ const r = /([a-f])(?<d>\\d+)/g; let s = 'a$ab$bc$c'; S.push((k) => { const m = r.exec(s);"
    "    if (m === null) s += 'abcdef'[k % 6] + k; return m === null ? 'none' : m.groups.d + '@' + "
    "r.lastIndex; }); }",
    /* graphs with cycles */
    "{ let head = { v: $a }; head.next = head; S.push((k) => { const node = { v: k, next: "
    "head.next }; head.next = node;"
    "    if (k % 2) head = node; let sum = 0, at = head, i = 0; do { sum += at.v * ++i; at = "
    "at.next; } while (at !== head && i < 50);"
    "    return sum; }); }",
    "{ const proxied = { n: $a }, seen = []; const p = new Proxy(proxied, { get: (t, key) => { "
    "seen.push(key); return Reflect.get(t, key); },"
    "    has: (t, key) => key === 'k$b' || key in t });"
    "  S.push((k) => { p['k' + k % 4] = p.n++; return Object.keys(proxied).join() + ('k$b' in p) + "
    "seen.length; }); }",
    "{ const a = []; a[$a % 20 + 3] = $b; S.push((k) => { a[k % 30] = k; if (k % 7 === 0) a.length "
    "= k % 11;"
    "    return a.length + ':' + Object.keys(a).join() + a.toSorted((x, y) => y - x).slice(0, "
    "3).join(); }); }",
    "{ const symbols = new Map([[Symbol('s$a'), 1], [Symbol.for('$b'), 2]]), o = {};"
    "  S.push((k) => { for (const s of symbols.keys()) { o[s] = (o[s] ?? 0) + k; symbols.set(s, "
    "symbols.get(s) + 1); }"
    "    return Object.getOwnPropertySymbols(o).map((s) => s.toString() + o[s]).join() + "
    "o[Symbol.for('$b')]; }); }",
    /* what waits for timers */
    "(async () => { let sum = 0; for (let i = 0; i < $a % 9 + 2; i++) { await sleep($b * 7 + i * "
    "$c);"
    "    sum += i; say('$n woke', i, sum); } })(); S.push((k) => { setTimeout(say, k * 3 + $a, '$n "
    "later', k); return 'set'; });",
    "{ let n = 0; const id = setInterval(() => { say('$n every', n++); if (n > $a % 6) "
    "clearInterval(id); }, $b * 11 + 1);"
    "  S.push((k) => { if (k % 13 === 0) clearInterval(id); return n; }); }",
    "{ async function* ticks() { for (let i = 0; ; i++) { await sleep($a + i); try { yield i; } "
    "finally { say('$n left', i); } } }"
    "  (async () => { for await (const t of ticks()) { say('$n tick', t); if (t > $b % 5) break; } "
    "})(); S.push(() => 'ticks'); }",
    /* what waits for promises */
    "{ let go; const next = () => new Promise((r) => { go = r; }); let p = next();"
    "  (async () => { for (let i = 0; i < 40; i++) { const v = await p; say('$n got', v, i); p = "
    "next(); } })();"
    "  S.push((k) => { go(k * $a); return 'gave'; }); }",
    "{ const late = [$a, $b, $c].map((ms, i) => sleep(ms * 5 + 1).then(() => { if (i === 1 && $a % "
    "2) throw new Error('late' + i); return i; }));"
    "  Promise.allSettled(late).then((all) => say('$n all', all.map((r) => r.status[0] + (r.value "
    "?? r.reason.message)).join()));"
    "  Promise.race(late).then((v) => say('$n first', v), (e) => say('$n first failed', "
    "e.message));"
    "  Promise.any(late).finally(() => say('$n any')); S.push(() => late.length); }",
    "{ const queue = []; let running = false; const drain = async () => { running = true; while "
    "(queue.length > 0) {"
    "    const k = queue.shift(); await sleep(k % 17 + 1); say('$n done', k); } running = false; };"
    "  S.push((k) => { queue.push(k, k + $a); if (!running) drain(); return queue.length; }); }",
    "{ const thenable = { then(r) { setTimeout(r, $a + 2, 'thenable $b'); } }; (async () => "
    "say('$n', await thenable))();"
    "  S.push(async (k) => { await null; say('$n then', k); await Promise.resolve(k); say('$n "
    "after', k); }); }",
    "{ const ref = new WeakRef(S), error = new TypeError('kept $a', { cause: $b }); let o = "
    "Object.freeze({ d: new Date($a * 1e9), error });"
    "  S.push((k) => { o = structure(o, k); return o.d.toISOString() + o.error.message + "
    "o.error.cause + (ref.deref() === S); });"
    "  function structure({ d, ...rest }, k) { return { d: new Date(d.getTime() + k * 1000), "
    "...rest }; } }",
    /* the web platform */
    "{ const { port1, port2 } = new MessageChannel(); port1.onmessage = (e) => say('$n heard', "
    "e.data.k);"
    "  S.push((k) => { port2.postMessage({ k, also: [$a] }); return 'posted'; }); }",
    "{ const c = new AbortController(); c.signal.addEventListener('abort', () => say('$n aborted', "
    "c.signal.reason));"
    "  AbortSignal.timeout($a * 9).addEventListener('abort', (e) => say('$n timeout', "
    "e.target.reason.name));"
    "  S.push((k) => { if (k % 20 === 0) c.abort('by ' + k); return c.signal.aborted; }); }",
    "{ let i = 0; const r = new ReadableStream({ async pull(c) { await sleep($a); c.enqueue(i++); "
    "if (i > $b % 7 + 2) c.close(); } });"
    "  (async () => { for await (const x of r) say('$n read', x); say('$n end'); })(); S.push(() "
    "=> r.locked); }",
    "{ const t = new TransformStream({ async transform(x, c) { await sleep(x % 7); c.enqueue(x * "
    "$a); } }), w = t.writable.getWriter();"
    "  t.readable.pipeTo(new WritableStream({ write(x) { say('$n wrote', x); } })); S.push((k) => "
    "{ w.write(k); return w.desiredSize; }); }",
    "{ let o = { m: new Map([[1, new Set([$a])]]), d: new Date($b) }; o.self = o; S.push((k) => { "
    "o = structuredClone(o); o.m.set(k, new Set([k]));"
    "    if (o.m.size > 8) o.m.clear(); return o.m.size + String(o.self === o) + "
    "[...o.m.keys()].join(); }); }",
    "{ const d = new TextDecoder(), bytes = new "
    "TextEncoder().encode('h\\u00e9\\u20ac\\u{1f600}$a'.repeat($c)); let at = 0;"
    "  S.push((k) => { const part = d.decode(bytes.subarray(at, at += k % 3 + 1), { stream: true "
    "}); if (at >= bytes.length) at = 0;"
    "    return part; }); }",
    "{ const blob = new Blob(['$a', new Uint8Array([$b, $c])]); S.push((k) => { blob.slice(k % "
    "2).arrayBuffer().then((b) => say('$n blob',"
    "    new Uint8Array(b).join())); return blob.size; }); }",
    "{ const u = new URL('http://a$a.example:$b/p?x=$c#f'); S.push((k) => { "
    "u.searchParams.append('k' + k % 5, k); if (k % 7 === 0) u.searchParams.delete('k' + k % 5);"
    "    u.pathname += (k % 3 === 0 ? '/../' : '/') + k; if (u.pathname.length > 60) u.pathname = "
    "'/'; u.hash = 'h' + k; return u.href; }); }",
    "{ const h = new Headers([['x-a', '$a']]), f = new FormData(); S.push((k) => { h.append('x-' + "
    "k % 4, k); f.append('n' + k % 3, new Blob([String(k)]));"
    "    if ([...f].length > 9) f.delete('n0'); new Response(f).formData().then((g) => say('$n "
    "form', [...g.keys()].join())); return [...h].join(';'); }); }",
    "{ let n = 0; S.push((k) => { navigator.locks.request('l' + k % 3, { mode: k % 2 ? 'shared' : "
    "'exclusive' }, async (lock) => {"
    "    say('$n has', lock.name, lock.mode); await sleep(k % 23 + $a); say('$n leaves', k, ++n); "
    "}); return n; }); }",
    "S.push((k) => { navigator.locks.request('s', { ifAvailable: k % 2 === 0, steal: k % 7 === 3 "
    "&& k % 2 === 1 }, (lock) => lock && sleep($b + k % 9))"
    "    .then(() => say('$n had it', k), (e) => say('$n lost it', k, e.name)); return 'asked'; "
    "});",
    "S.push((k) => { localStorage.setItem('$n' + k % 6, k * $a); if (k % 5 === 0) "
    "localStorage.removeItem('$n0');"
    "    return localStorage.length + Object.keys(localStorage).sort().join() + "
    "localStorage.getItem('$n' + k % 4); });",
    "{ const a = new BroadcastChannel('news'), b = new BroadcastChannel('news'); b.onmessage = (e) "
    "=> say('$n news', JSON.stringify(e.data), e.event);"
    "  S.push((k) => { a.postMessage(k % 3 ? { k, d: [$a] } : k, k % 2 ? 'odd' : 'even'); if (k % "
    "31 === 0) b.close(); return b.name; }); }",
    /* the host: what is kept of it, whatever it is now, and what a handler answers, by whatever way */
    "{ const me = Beam.self(), ref = Beam.makeRef(), m = new Map([[me, $a], [ref, $b]]);"
    "  S.push((k) => { m.set(me, m.get(me) + k); m.set(ref, k); return [m.get(me), "
    "Beam.deepEquals(me, me), Beam.deepEquals(me, ref), typeof `${me}`].join(); }); }",
    "S.push((k) => { const ref = Beam.monitor(Beam.self(), () => say('$n ended')); return "
    "[Beam.demonitor(ref), Beam.demonitor(ref)].join(); });",
    "{ let last = $a; S.push((k) => last = Beam.callSync('add', last % 1000, k)); }",
    "{ let sum = $a; const ask = async (k) => { for (;;) try { const v = await Beam.call('add', k, "
    "$b); sum += v; return; } catch { /* restored: once more */ } };"
    "  S.push((k) => { ask(k); return 'asked'; }); setTimeout(() => say('$n sum', sum), 15000); }",
    "{ const counts = {}; S.push((k) => { const h = Beam.hash([k % 9, '$a'], 7); counts[h] = "
    "(counts[h] ?? 0) + 1; return Beam.inspect(new Map(Object.entries(counts))); }); }",
};

struct random {
    uint64_t state;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint32_t next(struct random *random, uint32_t below)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32) % below;
}

/* ---------------------------------------------------------------- text */

static void put_thing(FILE *out, const char *thing, uint32_t number, struct random *random)
{
    uint32_t numbers[] = {next(random, 97) + 1, next(random, 31) + 1, next(random, 13) + 1, number};
    static const char letters[] = "abcn";

    for (; *thing != '\0'; thing++) {
        const char *letter = thing[0] == '$' ? strchr(letters, thing[1]) : NULL;
        if (letter == NULL || *letter == '\0') {
            fputc(*thing, out);
            continue;
        }
        fprintf(out, "%" PRIu32, numbers[letter - letters]);
        thing++;
    }
    fputc('\n', out);
}

/* The text that is in memory, as long as the event; `text` is what open_memstream has made. */
static const char *finish(FILE *out, char **text)
{
    const char *copy;

    CHECK(fclose(out) == 0);
    copy = anqa_tmp_printf("%s", *text);
    free(*text);
    return copy;
}

static const char *program_of(struct random *random)
{
    uint32_t count = 1 + next(random, 12);
    size_t len;
    char *text;
    FILE *out = open_memstream(&text, &len);

    CHECK(out != NULL);
    for (uint32_t i = 0; i < count; i++)
        put_thing(out, things[next(random, ANQA_COUNT(things))], i, random);
    fputs("'built'", out);
    return finish(out, &text);
}

static const char *some_steps(struct random *random)
{
    uint32_t count = next(random, 12);
    size_t len;
    char *text;
    FILE *out = open_memstream(&text, &len);

    CHECK(out != NULL);
    fputs("[[", out);
    for (uint32_t i = 0; i < count; i++)
        fprintf(out, "%s[%" PRIu32 ",%" PRIu32 "]", i == 0 ? "" : ",", next(random, 1000),
            next(random, 100));
    fputs("]]", out);
    return finish(out, &text);
}

/* ---------------------------------------------------------------- running */

anqa_rt *programs_begin(uint64_t seed)
{
    const anqa_options options = {.deterministic = true, .seed = seed};
    anqa_rt *rt = NULL;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    return rt;
}

void programs_end(anqa_rt *rt)
{
    js_end(rt);
}

/* Asks some, and lets some time pass. */
static void go_on(anqa_pid pid, struct random *random, uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++) {
        CHECK_STR(js_call(pid, "steps", some_steps(random)), "null");
        anqa_sleep(next(random, 120));
    }
}

anqa_pid programs_build(uint64_t seed)
{
    struct random random = {seed};
    anqa_pid pid = js_start(&programs_script);

    CHECK_STR(js_eval(pid, program_of(&random)), "\"built\"");
    go_on(pid, &random, next(&random, 4));
    return pid;
}

const char *programs_go_on(anqa_pid pid, uint64_t seed)
{
    struct random random = {~seed};

    go_on(pid, &random, 4);
    anqa_sleep(20000);
    return js_call(pid, "report", "[]");
}
