/* Streams that compress: what Node does not do, limits, bombs, and what becomes of the states outside of the sandbox. */
#include "support.h"

#define SOURCE                                                                                  \
    "export async function run(code) { return (0, eval)(`(async () => {${code}})()`); }"        \
    "export const kept = [];"                                                                   \
    "globalThis.kept = kept;"                                                                   \
    "globalThis.of = (...a) => new ReadableStream("                                             \
    "  {start(c) { a.forEach((x) => c.enqueue(x)); c.close() }});"                              \
    "globalThis.all = async (s) => { const parts = []; for await (const x of s) parts.push(x);" \
    "  return new Uint8Array(await new Blob(parts).arrayBuffer()) };"                           \
    "globalThis.pack = (format, ...a) => all(of(...a).pipeThrough(new "                         \
    "CompressionStream(format)));"                                                              \
    "globalThis.unpack = (format, ...a) =>"                                                     \
    "  all(of(...a).pipeThrough(new DecompressionStream(format)));"                             \
    "globalThis.why = (p) => p.then(() => 'ok', (e) => e.name + ': ' + e.message);"             \
    "globalThis.begin = (made) => { made.readable; const w = made.writable.getWriter();"        \
    "  made.w = w; w.closed.catch(() => 0); w.ready.catch(() => 0); kept.push(made);"           \
    "  return made.readable.getReader().read() };"                                              \
    "globalThis.start = (n, make) => { const p = [];"                                           \
    "  for (let i = 0; i < n; i++) { const made = make(); p.push(begin(made));"                 \
    "    made.write = made.w.write(new Uint8Array([0x1f])); made.write.catch(() => 0); }"       \
    "  return p };"                                                                             \
    "export function startOne() { start(1, () => new DecompressionStream('gzip')) }"            \
    "export function goOn() { return why(kept[0].w.write(new Uint8Array([0x8b]))) }"

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "compression", .source = SOURCE,
    .apis = ANQA_JS_COMPRESSION | ANQA_JS_BLOB, .limits = {.memory = (size_t)32 << 20});

static const struct {
    const char *name, *code, *result;
} cases[] = {
    {"what is no bytes fails",
        "const n = []; for (const x of ['text', 1, null, undefined, {}, [1]]) {"
        "  n.push(await why(pack('gzip', x)), await why(unpack('gzip', x))) }"
        "return new Set(n).size + n[0]",
        "\"1TypeError: a chunk is neither a buffer nor a view of one\""},
    {"buffers are bytes",
        "const small = await pack('deflate', new Uint8Array([104, 105]).buffer);"
        "return (await unpack('deflate', small.buffer)).join()",
        "\"104,105\""},
    {"junk behind the end fails",
        "const n = []; for (const f of ['gzip', 'deflate', 'deflate-raw']) {"
        "  const small = await pack(f, new Uint8Array(5));"
        "  n.push(await why(unpack(f, small, new Uint8Array(1))),"
        "    await why(unpack(f, new Uint8Array([...small, 0])))) }"
        "return [...new Set(n)].join()",
        "\"TypeError: something follows what is to be decompressed\""},
    {"malformed bytes fail with a word", "return why(unpack('deflate', new Uint8Array([1, 2, 3])))",
        "\"TypeError: what is to be decompressed is malformed\""},
    {"an end that is missing fails with a word",
        "return why(unpack('deflate', (await pack('deflate', new Uint8Array(9))).slice(0, -1)))",
        "\"TypeError: what is to be decompressed ends early\""},
    {"a chunk that is changed after it was written is what it was",
        "const bytes = crypt(200000), was = bytes.slice(), c = new CompressionStream('gzip');"
        "const w = c.writable.getWriter(), r = c.readable.getReader(); w.write(bytes);"
        "const parts = [(await r.read()).value]; bytes.fill(0); w.close();"
        "for (;;) { const { value, done } = await r.read(); if (done) break; parts.push(value) }"
        "const got = await unpack('gzip', ...parts);"
        "return [got.length, got.every((b, i) => b === was[i])]",
        "[200000,true]"},
    {"who cancels while the end is waited for is told at once",
        "const c = new CompressionStream('gzip'), w = c.writable.getWriter(), r = "
        "c.readable.getReader();"
        "const p = [w.write(crypt(300000)), w.close()]; p.forEach((x) => x.catch(() => 0));"
        "await r.read(); await r.cancel('enough'); return 'told'",
        "\"told\""},
};

TEST(streams_that_compress_keep_to_the_standard)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    (void)js_run(pid, "globalThis.crypt = (n) => { const b = new Uint8Array(n); let x = 1;"
                      "for (let i = 0; i < n; i++) { x = Math.imul(x, 1103515245) + 12345 >>> 0;"
                      "  b[i] = x >>> 16 } return b }");
    for (size_t i = 0; i < ANQA_COUNT(cases); i++)
        CHECK_STR(js_run(pid, cases[i].code), cases[i].result, "%s", cases[i].name);
    js_end(rt);
}

TEST(a_bomb_is_no_more_than_its_reader_takes)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    /* 64 MiB of zeros in 64 KiB, in a process that may have 32 MiB */
    CHECK_STR(
        js_run(pid, "const part = new Uint8Array(1 << 20), c = new CompressionStream('gzip');"
                    "const w = c.writable.getWriter(), done = all(c.readable);"
                    "for (let i = 0; i < 64; i++) await w.write(part);"
                    "await w.close(); globalThis.bomb = await done; return bomb.length < 70000"),
        "true");
    CHECK_STR(js_run(pid, "let n = 0; const d = of(bomb).pipeThrough(new "
                          "DecompressionStream('gzip')).getReader();"
                          "for (let i = 0; i < 10; i++) n += (await d.read()).value.length;"
                          "await d.cancel(); return n"),
        "655360");
    CHECK_STR(js_run(pid, "let n = 0; for await (const x of of(bomb).pipeThrough(new "
                          "DecompressionStream('gzip')))"
                          "  n += x.length; return n === 64 << 20"),
        "true");
    /* who takes it whole has not the memory for it */
    CHECK_STR(js_run(pid, "return (await why(unpack('gzip', bomb))) !== 'ok'"), "true");
    CHECK_STR(
        js_run(pid, "return (await unpack('gzip', await pack('gzip', new Uint8Array(3)))).length"),
        "3");
    js_end(rt);
}

TEST(a_process_has_a_hundred_of_them_at_once)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_run(pid,
            "start(100, () => new DecompressionStream('gzip')).forEach((p) => p.catch(() => 0));"
            "await Promise.all(kept.map((k) => k.write));"
            "return why(unpack('gzip', new Uint8Array([0x1f])))"),
        "\"RangeError: more than 100 streams compress or decompress\"");
    /* one that ends makes room for another */
    CHECK_STR(js_run(pid,
                  "await kept.pop().w.abort(); return why(unpack('gzip', new Uint8Array([0x1f])))"),
        "\"TypeError: what is to be decompressed ends early\"");
    js_end(rt);
}

TEST(what_they_hold_beside_the_script_is_bounded)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_run(pid, "const made = start(60, () => new CompressionStream('gzip'));"
                          "made.forEach((p) => p.catch(() => 0));"
                          "const all = await Promise.allSettled(kept.map((k) => k.write));"
                          "const good = all.filter((x) => x.status === 'fulfilled').length;"
                          "return [good > 20 && good < 40, all[59].reason.message]"),
        "[true,\"streams that compress and decompress hold more than 8 MiB\"]");
    js_end(rt);
}

TEST(a_stream_that_nobody_holds_gives_its_state_back)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_run(pid, "for (let round = 0; round < 5; round++) {"
                          "  const made = start(50, () => new DecompressionStream('gzip'));"
                          "  made.forEach((p) => p.catch(() => 0));"
                          "  await Promise.all(kept.map((k) => k.write)); kept.length = 0;"
                          "  await new Promise((r) => setTimeout(r, 1));"
                          "} return 'all had a state'"),
        "\"all had a state\"");
    js_end(rt);
}

TEST(a_restored_process_has_lost_the_states_and_says_so)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), again;
    anqa_str snapshot;
    anqa_error err;

    CHECK_STR(js_call(pid, "startOne", "[]"), "null");
    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &snapshot, &err), ANQA_OK, "%s", err.text);
    CHECK_STR(js_call(pid, "goOn", "[]"), "\"ok\"");
    CHECK_STATUS(
        anqa_js_restore_link(&script, snapshot, NULL, NULL, &again, &err), ANQA_OK, "%s", err.text);
    CHECK_STR(js_call(again, "goOn", "[]"),
        "\"TypeError: the state of this stream was lost when its process was restored\"");
    CHECK_STR(js_run(again,
                  "return (await unpack('gzip', await pack('gzip', new Uint8Array(3)))).length"),
        "3");
    js_end(rt);
}

TEST(a_process_that_begins_anew_has_room_for_all_of_them)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_error err;

    for (int round = 0; round < 3; round++) {
        CHECK_STR(js_run(pid, "start(100, () => new DecompressionStream('gzip')).forEach((p) => "
                              "p.catch(() => 0));"
                              "await Promise.all(kept.map((k) => k.write)); return kept.length"),
            "100", "round %d", round);
        CHECK_STATUS(anqa_js_reset(pid, LONG_MS, &err), ANQA_OK, "%s", err.text);
    }
    js_end(rt);
}

TEST(top_level_code_makes_them_but_gives_them_nothing)
{
    static const anqa_js_script early = ANQA_JS_SCRIPT(.name = "early",
        .source = "const c = new CompressionStream('gzip'), w = c.writable.getWriter();\n"
                  "const bad = new CompressionStream('gzip').writable.getWriter().write(new "
                  "Uint8Array(5));\n"
                  "let said; bad.catch((e) => { said = e.message.slice(0, 30) });\n"
                  "const r = c.readable.getReader();\n"
                  "export async function use() { w.write(new Uint8Array([1, 2])); w.close();\n"
                  "  let n = 0; for (;;) { const { value, done } = await r.read(); if (done) "
                  "break; n += value.length }\n"
                  "  return [n > 0, said] }\n",
        .apis = ANQA_JS_COMPRESSION);
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&early);

    CHECK_STR(js_call(pid, "use", "[]"), "[true,null]");
    js_end(rt);
}

TEST(a_process_that_is_killed_takes_its_states_along)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_run(pid,
            "start(50, () => new DecompressionStream('gzip')).forEach((p) => p.catch(() => 0));"
            "await Promise.all(kept.map((k) => k.write)); return kept.length"),
        "50");
    CHECK_STR(js_kill(pid), "killed");
    js_end(rt); /* which looks for what is left */
}
