/* Snapshots: a process as bytes, and back. */
#include "support.h"

#include <stdio.h>

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "counter.js",
    .source = "let count = 0; const random = Math.random(), at = Date.now(), now = new Date();\n"
              "export function add(by) { return count += by; }\n"
              "export function born() { return [random, at]; }\n");

static anqa_str take(anqa_pid pid)
{
    anqa_str bytes = {NULL, 0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &bytes, &err), ANQA_OK, "%s", err.text);
    return bytes;
}

static anqa_pid restore(const anqa_js_script *of, anqa_str bytes)
{
    anqa_pid pid = {0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_restore_link(of, bytes, NULL, NULL, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

TEST(a_process_goes_on_from_its_snapshot)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);
    anqa_str bytes;

    CHECK_STR(js_call(pid, "add", "[3]"), "3");
    bytes = take(pid);
    CHECK_STR(js_call(pid, "add", "[1]"), "4");
    fprintf(stderr, "%zu bytes\n", bytes.len);
    for (int i = 80; i < 112; i++) fprintf(stderr, "%02x", (uint8_t)bytes.ptr[i]);
    pid = restore(&script, bytes);
    CHECK_STR(js_call(pid, "add", "[1]"), "4");
    fprintf(stderr, "%s\n", js_call(pid, "born", "[]"));
    js_end(rt);
}
