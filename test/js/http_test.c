/* Headers, Request, Response and forms: what Node does not do, or not as the Fetch Standard says; what is bounded. What
 * Node does too is in web/http.cases.mjs. */
#include "http_network.script.h"
#include "support.h"

#define SOURCE                                                                                    \
    "export async function run(code) { return (0, eval)(`(async () => {${code}})()`); }"          \
    "globalThis.B = 'limit';"                                                                     \
    "globalThis.part = (head, body) => '--' + B + '\\r\\n' + head + '\\r\\n\\r\\n' + body + "     \
    "'\\r\\n';"                                                                                   \
    "globalThis.field = (name, body) => part('Content-Disposition: form-data; name=\"' + name + " \
    "'\"', body);"                                                                                \
    "globalThis.form = (text, type = 'multipart/form-data; boundary=' + B) =>"                    \
    "  new Response(text, {headers: {'content-type': type}}).formData();"                         \
    "globalThis.why = (p) => p.then((v) => v, (e) => e.name + ': ' + e.message);"                 \
    "globalThis.name = (fn) => { try { fn(); return 'ok' } catch (e) { return e.name } };"

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "http", .source = SOURCE,
    .apis = ANQA_JS_HTTP, .limits = {.turn_ms = 60000});

static const struct {
    const char *name, *code, *result;
} cases[] = {
    {"keys of a record that are gone are left out",
        "return [...new Headers({get a() { delete this.b; return '1' }, b: '2'})].join()",
        "\"a,1\""},
    {"keys of a record that are hidden are left out",
        "return [...new Headers(Object.create(null, {a: {value: '1', enumerable: true}, b: {value: "
        "'2'}}))].join()",
        "\"a,1\""},
    {"a body gives its bytes",
        "const b = await new Response('hi').bytes(); return [b.constructor.name, ...b].join()",
        "\"Uint8Array,104,105\""},
    {"chunks of a clone are copies",
        "const r = new Response(new ReadableStream({start(c) { c.enqueue(new Uint8Array([1])); "
        "c.close() }}));"
        "const c = r.clone(), a = await r.body.getReader().read(), b = await "
        "c.body.getReader().read();"
        "a.value[0] = 9; return [a.value.buffer === b.value.buffer, b.value[0]]",
        "[false,1]"},
    {"a request has neither user nor password", "return name(() => new Request('http://a:b@h/'))",
        "\"TypeError\""},
    {"bodies show nothing of themselves",
        "const r = new Response('x'), q = new Request('http://h/');"
        "return [r, q, r.headers].map((o) => JSON.stringify(o) + Reflect.ownKeys(o).length).join()",
        "\"{}0,{}0,{}0\""},
    {"a stream that is not read holds its source back",
        "let n = 0; const s = new ReadableStream({pull(c) { n++; c.enqueue(new Uint8Array(1)) }}, "
        "{highWaterMark: 0});"
        "const q = new Request('http://h/', {method: 'POST', body: s, duplex: 'half'});"
        "const again = new Request(q); for (let i = 0; i < 50; i++) await 0;"
        "return [n < 3, q.bodyUsed, again.bodyUsed]",
        "[true,true,false]"},
    {"a request of a request leaves the signals of both alone",
        "const c = new AbortController(), a = new Request('http://h/', {signal: c.signal}), b = "
        "new Request(a);"
        "c.abort('x'); return [a.signal.reason, b.signal.reason, a.signal === b.signal]",
        "[\"x\",\"x\",false]"},
    {"a part may come before another without a line end in front",
        "return [...await form('\\r\\n' + field('a', 'b') + '--' + B + '--')].join()", "\"a,b\""},
    {"a name in a form may be a token",
        "return [...await form(part('Content-Disposition: form-data; name=a', 'b') + '--' + B + "
        "'--')].join()",
        "\"a,b\""},
    {"a part of a form is of text unless it says otherwise",
        "const f = await form(part('Content-Disposition: form-data; name=\"a\"; filename=\"\"', "
        "'b') + '--' + B + '--');"
        "const file = f.get('a'); return [file.name, file.type, await file.text()]",
        "[\"\",\"text/plain\",\"b\"]"},
    {"a boundary in quotes",
        "return [...await form(field('a', 'b') + '--' + B + '--', 'multipart/form-data; "
        "boundary=\"limit\"')].join()",
        "\"a,b\""},
    {"a form without a boundary", "return why(form(field('a', 'b'), 'multipart/form-data'))",
        "\"TypeError: the body is no form: its boundary is no good\""},
    {"a part that is none of a form",
        "return why(form(part('Content-Disposition: attachment; name=\"a\"', 'b') + '--' + B + "
        "'--'))",
        "\"TypeError: the body is no form: a part is no form-data\""},
    {"a quote that does not end",
        "return why(form(part('Content-Disposition: form-data; name=\"a', 'b') + '--' + B + '--'))",
        "\"TypeError: the body is no form: a quote is not closed\""},
    {"a field without a name", "return why(form(part('no colon', 'b') + '--' + B + '--'))",
        "\"TypeError: the body is no form: a field has no name\""},
    {"a boundary amid a line", "return why(form('--' + B + 'x'))",
        "\"TypeError: the body is no form: a boundary is not at the end of its line\""},
    {"a form has up to 10,000 parts",
        "const many = (n) => why(form(field('a', 'b').repeat(n) + '--' + B + '--'));"
        "return [[...await many(10000)].length, await many(10001)]",
        "[10000,\"TypeError: the body is no form: more than 10000 parts\"]"},
    {"the head of a part has up to 16 KiB",
        "const head = (n) => why(form(part('X: ' + 'x'.repeat(n) + '\\r\\nContent-Disposition: "
        "form-data; name=a', 'b')"
        "  + '--' + B + '--'));"
        "return [[...await head(16300)].join(), await head(16400)]",
        "[\"a,b\",\"TypeError: the body is no form: the head of a part does not end\"]"},
};

TEST(http_keeps_to_the_fetch_standard)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    for (size_t i = 0; i < ANQA_COUNT(cases); i++)
        CHECK_STR(js_run(pid, cases[i].code), cases[i].result, "%s", cases[i].name);
    js_end(rt);
}

/* Bytes that almost are a form, a boundary or a line end at every place. */
TEST(hostile_forms_end_in_errors_or_in_a_form)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_run(pid,
            "let x = 7, done = 0;"
            "const random = (n) => { x = Math.imul(x, 1103515245) + 12345 >>> 0; return (x >>> 8) "
            "% n };"
            "const pieces = ['--', B, '\\r\\n', '\\r', '\\n', '--' + B, '\\r\\n--' + B, ':', '; ', "
            "'name=', '\"', '=',"
            "  'Content-Disposition: form-data; name=\"a\"', '\\r\\n\\r\\n', 'x', '\\0', '%22', "
            "'filename=\"f\"', '\\u00e9'];"
            "for (let i = 0; i < 3000; i++) { let text = random(3) > 0 ? '--' + B : '';"
            "  for (let n = random(20); n > 0; n--) text += pieces[random(pieces.length)];"
            "  try { const f = await form(text); if (!(f instanceof FormData)) return 'no form' }"
            "  catch (e) { if (e.name !== 'TypeError') return e.stack } done++ }"
            "return done"),
        "3000");
    js_end(rt);
}

/* What a form is made of is what it is read as. */
TEST(a_form_there_and_back_is_the_same)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(
        js_run(pid, "let x = 3;"
                    "const random = (n) => { x = Math.imul(x, 1103515245) + 12345 >>> 0; return (x "
                    ">>> 8) % n };"
                    "const chars = ['\\r\\n', '\"', '-', '--', 'a', '%', '\\u20ac', ';', '='];"
                    "const text = () => { let t = ''; for (let n = random(12); n > 0; n--) t += "
                    "chars[random(chars.length)]; return t };"
                    "for (let i = 0; i < 300; i++) { const f = new FormData(), want = [];"
                    "  for (let n = random(5); n > 0; n--) { const name = text(), value = text();"
                    "    if (random(2)) { f.append(name, value); want.push([name, value]) }"
                    "    else { const file = text(); f.append(name, new File([value], file)); "
                    "want.push([name, file, value]) } }"
                    "  const got = []; for (const [n, v] of await new Response(f).formData())"
                    "    got.push(typeof v === 'string' ? [n, v] : [n, v.name, await v.text()]);"
                    "  if (JSON.stringify(got) !== JSON.stringify(want) && want.length > 0)"
                    "    return JSON.stringify([want, got]) }"
                    "return 'same'"),
        "\"same\"");
    js_end(rt);
}

static const struct {
    const char *function, *result;
} network[] = {
    {"asked", "[\"POST\",\"http://h/x\",\"manual\",true,[\"B\",\"1\",\"a\",\"2\",\"content-type\","
              "\"text/plain;charset=UTF-8\"]]"},
    {"states", "[\"object\",\"undefined\",\"undefined\"]"},
    {"bytes", "[[97,98,99],true,\"TypeError\",null]"},
    {"chunks", "[true,[1],true,true]"},
    {"answered",
        "[200,\"OK\",\"http://h/x\",true,\"basic\",[[\"set-cookie\",\"a\"],[\"set-cookie\",\"b\"],"
        "[\"x\",\"y\"]],\"TypeError\",[1,2,3],[1,2,3]]"},
    {"known", "[null,\"\",\"hi\",\"error\"]"},
    {"broken", "\"the connection is gone\""},
    {"unwanted", "\"no more\""},
    {"pulled", "6"},
};

TEST(a_module_for_the_network_takes_requests_and_makes_responses)
{
    static const anqa_js_script module = ANQA_JS_SCRIPT(.name = http_network_script_name,
        .source = http_network_script, .source_map = http_network_script_map, .apis = ANQA_JS_HTTP);
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&module);

    for (size_t i = 0; i < ANQA_COUNT(network); i++)
        CHECK_STR(
            js_call(pid, network[i].function, "[]"), network[i].result, "%s", network[i].function);
    js_end(rt);
}
