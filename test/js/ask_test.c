/* Tools around eval: variables, globals, memory, beginning anew. */
#include <stdlib.h>

#include "support.h"

static anqa_status slow(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_sleep(30);
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"slow", slow}, {0}};
static const anqa_registry names = {.name = "asked"};
static const char *const topics[] = {"news:*", NULL};

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "asked",
    .source = "globalThis.list = []; let n = 0;\n"
              "export function init(arg) { n++; globalThis.arg = arg; }\n"
              "export function count() { return ++n; }\n"
              "export function never() { return new Promise(() => {}); }\n",
    .handlers = handlers, .registry = &names, .topics = topics,
    .limits = {.children = 2, .values = {.depth = 8}});

/* {a: 5, "b": "x"}, or with one other key. */
static anqa_value vars(const char *other)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_map_begin(&writer);
    anqa_value_key(&writer, anqa_str_of("a"));
    anqa_value_put_int(&writer, 5);
    anqa_value_key(&writer, anqa_str_of(other == NULL ? "b" : other));
    anqa_value_put_str(&writer, anqa_str_of("x"));
    anqa_value_end(&writer);
    CHECK_STATUS(anqa_value_done(&writer, &value), ANQA_OK);
    return value;
}

static const char *shown(
    anqa_status status, anqa_value value, const anqa_js_error *error, const anqa_error *err)
{
    if (status == ANQA_OK)
        return js_show(value);
    if (status != ANQA_E_SCRIPT)
        return anqa_tmp_printf("%s: %s", anqa_status_name(status), err->text);
    return anqa_tmp_printf("%.*s: %.*s", ANQA_FMT(error->name), ANQA_FMT(error->message));
}

static const char *with(anqa_pid pid, const char *source, anqa_value variables)
{
    anqa_value value = {NULL, 0};
    anqa_js_error error = {0};
    anqa_error err = {.text = ""};
    anqa_status status =
        anqa_js_eval_with(pid, anqa_str_of(source), variables, LONG_MS, &value, &error, &err);

    return shown(status, value, &error, &err);
}

static const char *get(anqa_pid pid, const char *name)
{
    anqa_value value = {NULL, 0};
    anqa_js_error error = {0};
    anqa_error err = {.text = ""};
    anqa_status status = anqa_js_get_global(pid, anqa_str_of(name), LONG_MS, &value, &error, &err);

    return shown(status, value, &error, &err);
}

static const char *globals(anqa_pid pid)
{
    anqa_value value = {NULL, 0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_globals(pid, LONG_MS, &value, &err), ANQA_OK, "%s", err.text);
    return js_show(value);
}

TEST(a_source_sees_its_variables_and_leaves_none)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(with(pid, "a + b", vars(NULL)), "\"5x\"");
    CHECK_STR(with(pid, "a = 7; var c = 8; function d() {} [a, c, typeof d, b]", vars(NULL)),
        "[7,8,\"function\",\"x\"]");
    CHECK_STR(js_eval(pid, "[typeof a, typeof b, typeof c, typeof d]"),
        "[\"undefined\",\"undefined\",\"undefined\",\"undefined\"]");
    CHECK_STR(with(pid, "globalThis.kept = () => a; 1", vars(NULL)), "1");
    CHECK_STR(js_eval(pid, "kept()"), "5");
    js_end(rt);
}

TEST(variables_are_there_behind_a_wait_too)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(with(pid, "(async () => { await Beam.sleep(5); return a; })()", vars(NULL)), "5");
    CHECK_STR(js_eval(pid, "typeof a"), "\"undefined\"");
    js_end(rt);
}

TEST(names_of_variables_are_checked)
{
    static const char *const bad[] = {
        "a-b", "1a", "", "a) { throw 1 } (function (b", "eval", "arguments", "a,b", "\xc3\xa9"};
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_value_writer writer;
    anqa_value number;

    for (size_t i = 0; i < ANQA_COUNT(bad); i++)
        CHECK_STR(with(pid, "1", vars(bad[i])),
            anqa_tmp_printf("TypeError: '%s' is no name of a variable", bad[i]));
    CHECK(strncmp(with(pid, "1", vars("class")), "SyntaxError: ", 13) == 0);
    CHECK_STR(with(pid, "throw new RangeError('mine')", vars(NULL)), "RangeError: mine");
    CHECK(strncmp(with(pid, "let let", vars(NULL)), "SyntaxError: ", 13) == 0);
    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_put_int(&writer, 1);
    CHECK_STATUS(anqa_value_done(&writer, &number), ANQA_OK);
    CHECK_STR(with(pid, "1", number), "E_TYPE: the variables are no map");
    js_end(rt);
}

TEST(only_what_the_script_has_added_is_listed_as_global)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(globals(pid), "[\"list\",\"arg\"]");
    CHECK_STR(js_eval(pid, "var x = 1; function y() {} globalThis.z = 3; delete globalThis.list"),
        "true");
    CHECK_STR(globals(pid), "[\"arg\",\"x\",\"y\",\"z\"]");
    js_end(rt);
}

TEST(a_global_can_be_read_and_written)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_js_error error = {0};

    CHECK_STATUS(
        anqa_js_set_global(pid, anqa_str_of("list"), vars(NULL), LONG_MS, NULL, NULL), ANQA_OK);
    CHECK_STR(get(pid, "list"), "{a:5,b:\"x\"}");
    CHECK_STR(js_eval(pid, "list.a"), "5");
    CHECK_STR(get(pid, "nothing"), "undefined");
    CHECK_STR(js_eval(pid, "Object.defineProperty(globalThis, 'broken', {get() { throw new "
                           "TypeError('no') }, set() { throw new TypeError('never') }}); 1"),
        "1");
    CHECK_STR(get(pid, "broken"), "TypeError: no");
    CHECK_STATUS(anqa_js_set_global(pid, anqa_str_of("broken"), vars(NULL), LONG_MS, &error, NULL),
        ANQA_E_SCRIPT);
    CHECK_STR(anqa_tmp_printf("%.*s", ANQA_FMT(error.message)), "never");
    js_end(rt);
}

TEST(what_is_beyond_the_limits_of_values_is_an_error_and_never_cut)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(pid, "globalThis.deep = [[[[[[[[1]]]]]]]]; 1"), "1");
    CHECK_STR(get(pid, "deep"), "[[[[[[[[1]]]]]]]]");
    CHECK_STR(js_eval(pid, "deep = [deep]; 1"), "1");
    CHECK(strncmp(get(pid, "deep"), "RangeError: ", 12) == 0, "%s", get(pid, "deep"));
    CHECK_STR(js_eval(pid, "deep = () => 1; 1"), "1");
    CHECK(strncmp(get(pid, "deep"), "TypeError: ", 11) == 0, "%s", get(pid, "deep"));
    js_end(rt);
}

TEST(a_report_of_memory_follows_what_the_script_holds)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_js_memory before, after;

    CHECK_STATUS(anqa_js_get_memory(pid, LONG_MS, &before, NULL), ANQA_OK);
    CHECK_STR(js_eval(pid, "for (let i = 0; i < 1000; i++) list.push({i}); globalThis.b = new "
                           "ArrayBuffer(1 << 20); 1"),
        "1");
    CHECK_STATUS(anqa_js_get_memory(pid, LONG_MS, &after, NULL), ANQA_OK);
    CHECK(after.objects >= before.objects + 1000 && after.objects < before.objects + 1200);
    CHECK(after.used > before.used + (1 << 20));
    CHECK(after.total <= after.limit && after.used <= after.total);
    CHECK(after.functions > 0 && after.code > 0 && after.strings + after.atoms > 0);
    js_end(rt);
}

/* ---------------------------------------------------------------- beginning anew */

TEST(a_reset_process_is_as_after_its_start)
{
    anqa_rt *rt = js_begin(2);
    anqa_value arg = vars(NULL);
    anqa_pid pid;
    anqa_js_info info;

    CHECK_STATUS(anqa_js_start_link(&script, &arg, NULL, &pid, NULL), ANQA_OK);
    for (int i = 0; i < 5; i++) {
        CHECK_STR(js_call(pid, "count", "[]"), "2");
        CHECK_STR(js_eval(pid, "globalThis.left = 1; Array.prototype.push = null; list = "
                               "new Array(1e5).fill({}); JSON.stringify([arg, Beam.id()])"),
            "\"[{\"a\":5,\"b\":\"x\"},\"\"]\"");
        CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
        CHECK_STR(js_eval(pid, "[typeof left, typeof [].push, list.length, arg.a]"),
            "[\"undefined\",\"function\",0,5]");
    }
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    CHECK_EQ(info.waiting_calls, 0);
    CHECK(anqa_is_alive(pid));
    js_end(rt);
}

TEST(a_parked_process_is_reset_as_any_other)
{
    anqa_options options = {.schedulers = 1, .watchdog_ms = ANQA_INFINITY, .js_mapped = 1};
    anqa_rt *rt;
    anqa_pid pid, other;
    anqa_js_info info;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    pid = js_start(&script);
    CHECK_STR(js_eval(pid, "globalThis.left = new Array(1e5).fill(1); 1"), "1");
    other = js_start(&script);
    CHECK_STR(js_eval(other, "1"), "1");
    CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
    CHECK(info.parked);
    CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
    CHECK_STR(js_eval(pid, "typeof left"), "\"undefined\"");
    CHECK_STR(js_eval(other, "2"), "2");
    CHECK_STR(js_eval(pid, "typeof left"), "\"undefined\"");
    js_end(rt);
}

TEST(what_was_restored_is_reset_to_its_start)
{
    anqa_rt *rt = js_begin(1);
    anqa_value arg = vars(NULL);
    anqa_pid pid = js_start(&script), copy;
    anqa_str snapshot = {NULL, 0};
    anqa_error err = {.text = ""};

    CHECK_STR(js_call(pid, "count", "[]"), "2");
    CHECK_STATUS(anqa_js_snapshot(pid, LONG_MS, &snapshot, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(
        anqa_js_restore_link(&script, snapshot, &arg, NULL, &copy, &err), ANQA_OK, "%s", err.text);
    CHECK_STR(js_call(copy, "count", "[]"), "3");
    CHECK_STATUS(anqa_js_reset(copy, LONG_MS, NULL), ANQA_OK);
    CHECK_STR(js_call(copy, "count", "[]"), "2");
    CHECK_STR(js_eval(copy, "arg.a"), "5");
    js_end(rt);
}

TEST(a_reset_gives_back_what_compression_holds)
{
    static const anqa_js_script zip = ANQA_JS_SCRIPT(.name = "zip",
        .source = "export function f() {}", .apis = ANQA_JS_COMPRESSION);
    static const char open[] =
        "(async () => { globalThis.all = []; for (let i = 0; i < %d; i++) { const s = new "
        "CompressionStream('gzip'); all.push(s); s.readable.getReader().read().catch(() => {}); "
        "await "
        "s.writable.getWriter().write(new Uint8Array(1)); } })()";
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&zip);

    if (strcmp(js_eval(pid, "typeof CompressionStream"), "\"function\"") != 0)
        SKIP("a build without zlib");
    for (int i = 0; i < 5; i++) { /* of about thirty there may be */
        CHECK_STR(js_eval(pid, anqa_tmp_printf(open, 20)), "undefined");
        CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
    }
    CHECK(strncmp(js_eval(pid, anqa_tmp_printf(open, 40)), "RangeError: ", 12) == 0);
    js_end(rt);
}

TEST(random_numbers_differ_after_each_reset)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    const char *first = js_eval(pid, "Math.random()");

    CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
    CHECK(strcmp(js_eval(pid, "Math.random()"), first) != 0);
    js_end(rt);
}

static anqa_payload ask_never(void *arg)
{
    anqa_js_error error = {0};
    anqa_status status = anqa_js_call(*(anqa_pid *)arg, "never", NULL, LONG_MS, NULL, &error, NULL);

    return anqa_text(anqa_jsonf(
        "{'status': %s, 'message': %.*s}", anqa_status_name(status), ANQA_FMT(error.message)));
}

TEST(who_waits_hears_of_a_reset_and_handlers_of_before_are_not_heard)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script);
    anqa_task task = anqa_task_async(ask_never, &pid, sizeof pid);
    anqa_js_info info = {0};

    while (info.waiting_calls == 0) {
        CHECK_STATUS(anqa_js_get_info(pid, LONG_MS, &info, NULL), ANQA_OK);
        anqa_sleep(1);
    }
    CHECK_STR(js_eval(pid, "Beam.call('slow'); Beam.processInfo().pendingCalls"), "1");
    CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
    CHECK_STR(anqa_json_text(anqa_task_await(&task, LONG_MS)->body),
        "{\"status\":\"E_SCRIPT\",\"message\":\"the process was reset before it had answered\"}");
    CHECK_STR(js_eval(pid, "let r; Beam.call('slow').then(() => { globalThis.mine = 1; }); "
                           "[Beam.processInfo().pendingCalls, typeof mine]"),
        "[1,\"undefined\"]");
    CHECK_STR(js_eval(pid, "Beam.sleep(100).then(() => mine)"), "1");
    js_end(rt);
}

TEST(a_reset_ends_timers_topics_names_monitors_and_children)
{
    anqa_rt *rt = js_begin(2);
    anqa_pid pid = js_start(&script), other = js_start(&script);
    anqa_error err = {.text = ""};

    CHECK_STR(js_eval(other, "Beam.register('other'); 1"), "1");
    CHECK_STR(
        js_eval(pid,
            "setInterval(() => { globalThis.ticked = 1; }, 1); Beam.register('me');\n"
            "for (let i = 0; i < 100; i++) new BroadcastChannel('news:' + i).onmessage = () => "
            "{ globalThis.heard = 1; };\n"
            "Beam.monitor(Beam.whereis('other'), () => { globalThis.down = 1; });\n"
            "Beam.spawn(null); Beam.spawn('1'); Beam.processInfo().children"),
        "2");
    CHECK_STATUS(anqa_js_reset(pid, LONG_MS, &err), ANQA_OK, "%s", err.text);
    CHECK_STR(js_eval(pid, "const i = Beam.processInfo(); [i.children, i.names, "
                           "Beam.whereis('me')]"),
        "[0,0,null]");
    CHECK_STR(js_eval(pid, "Beam.spawn(null); Beam.spawn('1'); for (let i = 100; i < 200; i++) new "
                           "BroadcastChannel('news:' + i); 1"),
        "1");
    CHECK_STATUS(
        anqa_broadcast(anqa_str_of("news:1"), "message", anqa_json_of(anqa_str_of("{}"))), ANQA_OK);
    (void)anqa_trap_exit(true);
    (void)js_kill(other);
    CHECK_STR(js_eval(pid, "Beam.sleep(20).then(() => [typeof ticked, typeof heard, typeof down])"),
        "[\"undefined\",\"undefined\",\"undefined\"]");
    js_end(rt);
}

TEST(the_clock_of_performance_begins_anew_with_a_reset)
{
    static const anqa_js_script clocked = ANQA_JS_SCRIPT(.name = "clocked",
        .source = "export function f() {}", .apis = ANQA_JS_PERFORMANCE);
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&clocked);
    double before = strtod(js_eval(pid, "performance.timeOrigin"), NULL);

    anqa_sleep(20);
    CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
    CHECK(strtod(js_eval(pid, "performance.timeOrigin"), NULL) > before + 10);
    js_end(rt);
}

TEST(links_stay_over_a_reset)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid;
    anqa_ref ref;

    anqa_trap_exit(true);
    pid = js_start(&script);
    CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK);
    ref = anqa_monitor(pid);
    CHECK_STR(js_eval(pid, "setTimeout(() => Beam.exit('later'), 1); 1"), "1");
    CHECK_STR(js_ended(ref), "error: later");
    CHECK(anqa_receive(LONG_MS)->kind == ANQA_MSG_EXIT);
    js_end(rt);
}

TEST(an_init_that_throws_at_a_reset_ends_the_process)
{
    static const anqa_js_script once = ANQA_JS_SCRIPT(.name = "once",
        .source = "export function init() { Beam.register('once'); }", .registry = &names);
    anqa_rt *rt = js_begin(1);
    anqa_pid pid;
    anqa_ref ref;

    anqa_trap_exit(true);
    pid = js_start(&once);
    ref = anqa_monitor(pid);
    CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_OK); /* its name was taken back */
    CHECK_STR(js_eval(pid, "Beam.unregister('once')"), "true");
    CHECK_STATUS(
        anqa_registry_register(&names, anqa_str_of("once"), ANQA_JSON_NULL, NULL), ANQA_OK);
    CHECK_STATUS(anqa_js_reset(pid, LONG_MS, NULL), ANQA_E_DIED);
    CHECK(strstr(js_ended(ref), "the name 'once' is taken") != NULL);
    js_end(rt);
}

TEST(a_child_of_another_text_is_reset_to_that_text)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script), kid;

    CHECK_STR(js_eval(pid, "Beam.spawn('export function init(arg) { Beam.register(\"kid\"); "
                           "globalThis.me = arg; }', 'kid'); 1"),
        "1");
    kid = anqa_registry_whereis(&names, anqa_str_of("kid"));
    CHECK_STR(js_eval(kid, "globalThis.more = 1; me"), "\"kid\"");
    CHECK_STATUS(anqa_js_reset(kid, LONG_MS, NULL), ANQA_OK);
    CHECK_STR(js_eval(kid, "[me, typeof more]"), "[\"kid\",\"undefined\"]");
    js_end(rt);
}
