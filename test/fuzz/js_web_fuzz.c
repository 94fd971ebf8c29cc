/*
 * Bytes that scripts are sent and hand to the web platform: the first chooses what is done with the rest. Properties, which
 * the script checks: any split of bytes decodes to what the whole does; what is encoded decodes to the same; the text of a
 * URL parses to that text, also behind each setter; queries read back what they wrote.
 */
#include <anqa/anqa.h>

#include <stdio.h>
#include <stdlib.h>

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "fuzzed",
    .source =
        "const same = (a, b, what) => { if (a !== b) throw new Error(`${what}: ${a} | ${b}`) };\n"
        "const labels = ['utf-8', 'utf-16le', 'utf-16be', 'latin1'];\n"
        "const members = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port',\n"
        "  'pathname', 'search', 'hash'];\n"
        "const bases = [undefined, 'http://u:p@h:81/a/b?c#d', 'file:///C:/a', 'x:/a/b', 'x:a'];\n"
        "function decode(which, bytes) {\n"
        "  const label = labels[which % 4], whole = new TextDecoder(label).decode(bytes);\n"
        "  const decoder = new TextDecoder(label), step = 1 + (which >> 2) % 7; let text = '';\n"
        "  for (let i = 0; i < bytes.length; i += step)\n"
        "    text += decoder.decode(bytes.subarray(i, i + step), {stream: true});\n"
        "  same(text + decoder.decode(), whole, 'split');\n"
        "  const back = new TextDecoder('utf-8', {ignoreBOM: true}).decode(new "
        "TextEncoder().encode(whole));\n"
        "  same(back, whole, 'encoded');\n"
        "  if (whole.isWellFormed() !== true) throw new Error('a lone surrogate');\n"
        "  const place = new Uint8Array(which), {read, written} = new "
        "TextEncoder().encodeInto(whole, place);\n"
        "  same(new TextDecoder('utf-8', {ignoreBOM: true}).decode(place.subarray(0, written)),\n"
        "    whole.slice(0, read), 'into') }\n"
        "function url(which, text, value) {\n"
        "  let url; try { url = new URL(text, bases[which % 5]) } catch { return }\n"
        "  same(new URL(url.href).href, url.href, 'href');\n"
        "  const member = members[(which >> 3) % 10]; try { url[member] = value } catch { return "
        "}\n"
        "  same(new URL(url.href).href, url.href, member);\n"
        "  url.searchParams.append(value, text);\n"
        "  same(new URL(url.href).href, url.href, 'query') }\n"
        "function query(text) {\n"
        "  const list = new URLSearchParams(text), again = new URLSearchParams(String(list));\n"
        "  same(JSON.stringify([...again]), JSON.stringify([...list]), 'query');\n"
        "  same(String(again), String(list), 'text of a query') }\n"
        "export function poke(which, bytes) {\n"
        "  const text = new TextDecoder().decode(bytes), half = text.length >> 1;\n"
        "  if (which < 85) decode(which, bytes);\n"
        "  else if (which < 220) url(which - 85, text.slice(0, half), text.slice(half));\n"
        "  else query(text);\n"
        "  same(JSON.stringify(structuredClone({text, bytes: [...bytes]})),\n"
        "    JSON.stringify({text, bytes: [...bytes]}), 'clone'); }\n",
    .apis = ANQA_JS_ENCODING | ANQA_JS_URL);

/* The harness that runs the corpus looks for what is left at the end; libFuzzer does not. */
__attribute__((weak)) void anqa_test_at_end(void (*check)(void));

static anqa_rt *rt;

static void stop(void)
{
    anqa_detach();
    anqa_stop(rt);
}

static anqa_pid fuzzed(void)
{
    static anqa_pid pid;
    static const anqa_options options = {.schedulers = 1};
    anqa_error err;

    if (rt == NULL) {
        anqa_log_set_level(ANQA_LOG_NONE);
        if (anqa_start(&options, &rt, &err) != ANQA_OK || anqa_attach(rt, &err) != ANQA_OK ||
            anqa_js_start_link(&script, NULL, NULL, &pid, &err) != ANQA_OK)
            abort();
        if (anqa_test_at_end != NULL)
            anqa_test_at_end(stop);
    }
    return pid;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_value_writer writer;
    anqa_value args;
    anqa_error err;
    anqa_pid pid;

    if (size < 1 || size > 4096)
        return 0;
    pid = fuzzed();
    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_int(&writer, data[0]);
    anqa_value_put_bytes(&writer, anqa_str_make((const char *)data + 1, size - 1));
    anqa_value_end(&writer);
    if (anqa_value_done(&writer, &args) != ANQA_OK ||
        anqa_js_call(pid, "poke", &args, 10000, NULL, NULL, &err) != ANQA_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    (void)anqa_receive(0);
    return 0;
}
