/* A script as a process: starting, calling, what comes back. */
#include "support.h"

static const anqa_js_script counter = ANQA_JS_SCRIPT(.name = "counter",
    .source = "let n = 0;\n"
              "export function add(by) { n += by; return n; }\n"
              "export function both(a, b) { return [a, b]; }\n"
              "export function fail() { throw new TypeError('no way'); }\n");

TEST(an_exported_function_is_called_and_keeps_its_state)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&counter);

    CHECK_STR(js_call(pid, "add", "[2]"), "2");
    CHECK_STR(js_call(pid, "add", "[3]"), "5");
    CHECK_STR(js_call(pid, "both", "[\"x\", {\"y\": [1, null]}]"), "[\"x\",{\"y\":[1,null]}]");
    js_end(rt);
}
