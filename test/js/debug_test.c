/* A debugger's view of processes that run: who there is, variables, stacks, pausing, profiles. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include <anqa/introspect.h>
#include <anqa/js_debug.h>

#include "greeter.script.h"

static const anqa_js_script room = ANQA_JS_SCRIPT(.name = "room.js",
    .source =
        "let posts = [], limit = 3, later;\n"
        "const users = new Map([['ada', {age: 36, get secret() { posts.push('read'); }}]]);\n"
        "class Room { constructor(name) { this.name = name; } }\n"
        "let here = new Room('lobby');\n"
        "export function post(text) { posts.push(text); return posts.length; }\n"
        "export function spin() {\n"
        "  inner(1);\n"
        "}\n"
        "function inner(n) {\n"
        "  for (;;) { Math.sqrt(n); }\n"
        "}\n"
        "export function share(value) { globalThis.shared = value; }\n"
        "export function trap() { globalThis.trapped = new Proxy({}, {ownKeys() { for (;;); }}); "
        "}\n"
        "export function wait() { setTimeout(() => {}, 1e6); return new Promise(() => {}); }\n"
        "/* text: let\n"
        "let me go; function in; var if, me;\n"
        "*/\n",
    .limits = {.turn_ms = 600000});

static const char *json_text(anqa_json json)
{
    return anqa_tmp_printf("%.*s", ANQA_FMT(json));
}

static const char *variables(anqa_pid pid)
{
    anqa_json json = {NULL, 0};
    anqa_error err = {.text = ""};

    if (anqa_js_variables(pid, LONG_MS, &json, &err) != ANQA_OK)
        return anqa_tmp_printf("%s", err.text);
    return json_text(json);
}

/* The member `key` of the variable of that name. */
static const char *variable(anqa_pid pid, const char *name, const char *key)
{
    anqa_json all = {NULL, 0};
    anqa_json_iter it;
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_variables(pid, LONG_MS, &all, &err), ANQA_OK, "%s", err.text);
    it = anqa_json_each(all);
    while (anqa_json_next(&it)) {
        anqa_str found = anqa_json_str(it.value, "name");
        if (anqa_str_is(found, name)) {
            found = anqa_json_str(it.value, key);
            return anqa_tmp_printf("%.*s", ANQA_FMT(found));
        }
    }
    return "not there";
}

static const char *stack(anqa_pid pid)
{
    anqa_json json = {NULL, 0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_stack(pid, LONG_MS, &json, &err), ANQA_OK, "%s", err.text);
    return json_text(json);
}

static anqa_js_process find(anqa_pid pid)
{
    anqa_js_process *all;
    size_t count;

    CHECK_STATUS(anqa_js_processes(0, &all, &count), ANQA_OK);
    for (size_t i = 0; i < count; i++)
        if (anqa_pid_eq(all[i].pid, pid))
            return all[i];
    return (anqa_js_process){.script = "nobody"};
}

static void await_status(anqa_pid pid, anqa_js_status status)
{
    for (int i = 0; i < 10000 && find(pid).status != status; i++)
        anqa_sleep(1);
    CHECK_STR(anqa_js_status_text(find(pid).status), anqa_js_status_text(status));
}

TEST(processes_of_scripts_are_listed_with_what_they_have_used)
{
    anqa_rt *rt = js_begin(1);
    anqa_js_process *all, seen;
    anqa_pid gone;
    uint64_t turns;
    size_t count;

    anqa_trap_exit(true);
    (void)js_start(&room);
    gone = js_start(&room);
    turns = find(gone).turns;
    CHECK_STR(js_call(gone, "post", "[\"a\"]"), "1");
    await_status(gone, ANQA_JS_IDLE); /* the answer comes before the end of the turn */
    seen = find(gone);
    CHECK_STR(seen.script, "room.js");
    CHECK_EQ(seen.turns, turns + 1);
    CHECK_EQ(seen.memory_limit, (size_t)64 << 20);
    CHECK(seen.memory > 65536 && seen.memory < seen.memory_limit);
    CHECK_STATUS(anqa_js_processes(1, &all, &count), ANQA_OK);
    CHECK_EQ(count, 1);
    CHECK(anqa_pid_eq(all[0].pid, gone)); /* the youngest */
    (void)js_kill(gone);
    CHECK_STR(find(gone).script, "nobody");
    CHECK_STATUS(anqa_js_processes(ANQA_JS_PROCESSES_MAX + 1, &all, &count), ANQA_E_RANGE);
    js_end(rt);
}

TEST(variables_of_the_module_and_new_globals_are_shown_without_calling_getters)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&room);

    CHECK_STR(js_call(pid, "post", "[\"hello\"]"), "1");
    CHECK_STR(js_call(pid, "share", "[{\"a\": [1, null, true]}]"), "null");
    CHECK_STR(variable(pid, "posts", "text"), "[\"hello\"]");
    CHECK_STR(variable(pid, "posts", "kind"), "array");
    CHECK_STR(variable(pid, "posts", "scope"), "module");
    CHECK_STR(variable(pid, "limit", "text"), "3");
    CHECK_STR(variable(pid, "limit", "kind"), "number");
    CHECK_STR(variable(pid, "later", "kind"), "undefined");
    CHECK_STR(variable(pid, "users", "text"), "Map(1) {\"ada\" => {age: 36, secret: [getter]}}");
    CHECK_STR(variable(pid, "here", "text"), "Room {name: \"lobby\"}");
    CHECK_STR(variable(pid, "here", "kind"), "Room");
    CHECK_STR(variable(pid, "Room", "kind"), "class");
    CHECK_STR(variable(pid, "post", "kind"), "function");
    CHECK_STR(variable(pid, "shared", "text"), "{a: [1, null, true]}");
    CHECK_STR(variable(pid, "shared", "scope"), "global");
    CHECK_STR(variable(pid, "me", "text"), "not there"); /* words of a comment */
    CHECK_STR(variable(pid, "Array", "text"), "not there");
    CHECK_STR(variable(pid, "$anqa_reader", "text"), "not there");
    CHECK_STR(
        js_call(pid, "anqa:reader", "[]"), "ReferenceError: no function 'anqa:reader' is exported");
    js_end(rt);
}

TEST(of_very_many_variables_a_thousand_are_shown)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "many",
        .source = "export function fill() { for (let i = 0; i < 2000; i++) globalThis['g' + i] = "
                  "'x'.repeat(1e4); return 1 }");
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_json all = {NULL, 0};
    size_t count = 0;
    anqa_json_iter it;

    CHECK_STR(js_call(pid, "fill", "[]"), "1");
    CHECK_STATUS(anqa_js_variables(pid, LONG_MS, &all, NULL), ANQA_OK);
    CHECK(all.len < 400000, "%zu", all.len);
    it = anqa_json_each(all);
    while (anqa_json_next(&it))
        count++;
    CHECK_EQ(count, 1000);
    js_end(rt);
}

TEST(of_a_module_with_very_many_variables_a_thousand_are_read)
{
    static char text[1100 * 32];
    anqa_js_script script = ANQA_JS_SCRIPT(.name = "wide", .source = text);
    anqa_rt *rt = js_begin(1);
    anqa_json all = {NULL, 0};
    size_t len = 0, count = 0;
    anqa_json_iter it;

    for (int i = 0; i < 1100; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "let v%d = %d;\n", i, i);
    CHECK_STATUS(anqa_js_variables(js_start(&script), LONG_MS, &all, NULL), ANQA_OK);
    it = anqa_json_each(all);
    while (anqa_json_next(&it))
        count++;
    CHECK_EQ(count, 1000);
    js_end(rt);
}

TEST(a_script_with_more_declarations_on_a_line_is_read_as_far_as_it_goes)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "lines",
        .source = "let a = {x: [1, ','], y: '\\','}, b = (1, 2), c\n"
                  "var d = `,${1}`, e = /x,/, f = 6; let g = 7;\n"
                  "export const h = 8, [i] = [9];\n"
                  "export default class J {}\n"
                  "async function k() {}\n  let l = 1;\n"
                  "let h\u00e9 = 10;\n");
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(variable(pid, "a", "text"), "{x: [1, \",\"], y: \"',\"}");
    CHECK_STR(variable(pid, "b", "text"), "2");
    CHECK_STR(variable(pid, "c", "text"), "undefined");
    CHECK_STR(variable(pid, "d", "text"), "\",1\"");
    CHECK_STR(variable(pid, "f", "text"), "6");
    CHECK_STR(variable(pid, "h", "text"), "8");
    CHECK_STR(variable(pid, "J", "kind"), "class");
    CHECK_STR(variable(pid, "k", "kind"), "function");
    CHECK_STR(variable(pid, "l", "text"), "not there");
    CHECK_STR(variable(pid, "h\u00e9", "text"), "10");
    js_end(rt);
}

TEST(a_stack_has_at_most_64_functions)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "deep",
        .source = "export function down(n) { if (n > 0) return down(n - 1) + 1; for (;;); }",
        .limits = {.turn_ms = 600000});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_json frames = {NULL, 0};
    anqa_json_iter it;
    size_t count = 0;

    anqa_cast(pid, "down", anqa_json_of(anqa_str_of("200")));
    await_status(pid, ANQA_JS_RUNNING);
    CHECK_STATUS(anqa_js_stack(pid, LONG_MS, &frames, NULL), ANQA_OK);
    it = anqa_json_each(frames);
    while (anqa_json_next(&it))
        count++;
    CHECK(count >= 60 && count <= 64, "%zu", count);
    js_end(rt);
}

TEST(a_proxy_that_never_answers_is_given_up)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&room);

    CHECK_STR(js_call(pid, "trap", "[]"), "null");
    CHECK_STR(variables(pid), "its variables take too long to be shown, or memory");
    CHECK_STR(js_call(pid, "post", "[1]"), "1");
    js_end(rt);
}

TEST(a_script_that_spoils_built_ins_is_seen_all_the_same)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "spoilt",
        .source =
            "let kept = new Map([[1, [2]]]);\n"
            "export function spoil() {\n"
            "  const no = () => { throw 1; };\n"
            "  for (const of of [Array, Map, Set, String, Object, Function, Error, Symbol, Date])\n"
            "    for (const name of Object.getOwnPropertyNames(of.prototype))\n"
            "      try { if (name !== 'constructor') Object.defineProperty(of.prototype, name, "
            "{get: no, set: no}); } catch {}\n"
            "  Error.prepareStackTrace = no; Error.stackTraceLimit = 1; Error = no;\n"
            "  for (const name of ['Map', 'Set', 'JSON', 'String', 'Object', 'Reflect', 'Array']) "
            "globalThis[name] = no;\n"
            "  for (;;);\n"
            "}\n",
        .limits = {.turn_ms = 600000});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    const char *text;

    anqa_cast(pid, "spoil", (anqa_json){NULL, 0});
    await_status(pid, ANQA_JS_RUNNING);
    anqa_sleep(20);
    text = stack(pid);
    CHECK(strstr(text, "\"spoil\",\"file\":\"spoilt\"") != NULL, "%s", text);
    text = variables(pid);
    CHECK(strstr(text, "\"name\":\"kept\"") != NULL, "%s", text);
    js_end(rt);
}

TEST(the_stack_of_a_turn_that_goes_on_is_told)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&room);
    const char *text;

    CHECK_STR(stack(pid), "[]");
    anqa_cast(pid, "spin", (anqa_json){NULL, 0});
    await_status(pid, ANQA_JS_RUNNING);
    text = stack(pid);
    CHECK(strstr(text, "[{\"function\":\"inner\",\"file\":\"room.js\",\"line\":10,") == text, "%s",
        text);
    CHECK(strstr(text, "{\"function\":\"spin\",\"file\":\"room.js\",\"line\":7,") != NULL, "%s",
        text);
    CHECK_STR(variable(pid, "limit", "text"), "3");
    CHECK(find(pid).status == ANQA_JS_RUNNING);
    js_end(rt);
}

TEST(a_stack_names_the_lines_of_the_sources)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = greeter_script_name,
        .source = greeter_script, .source_map = greeter_script_map);
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_js_profile_opts opts = {.pid = pid, .time_ms = 50};
    anqa_js_profile_result result = {.samples = 0};
    const char *text;

    anqa_cast(pid, "wait", (anqa_json){NULL, 0});
    await_status(pid, ANQA_JS_RUNNING);
    text = stack(pid);
    CHECK(strstr(text, "words.ts\",\"line\":11,") != NULL, "%s", text);
    CHECK(strstr(text, "greeter.ts\",\"line\":16,") != NULL, "%s", text);
    CHECK_STR(variable(pid, "greeted", "text"), "0");
    CHECK_STATUS(anqa_js_profile(&opts, &result, NULL), ANQA_OK);
    text = anqa_tmp_printf("%.*s", ANQA_FMT(result.folded));
    CHECK(strstr(text, "scripts/greeter.ts:15);pass (") != NULL &&
              strstr(text, "scripts/words.ts:10) ") != NULL,
        "%s", text);
    js_end(rt);
}

TEST(a_turn_is_paused_and_goes_on_where_it_was)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "counter",
        .source = "let n = 0;\nexport function count() { while (n < 3e7) n++; return n; }",
        .limits = {.turn_ms = 600000});
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);
    anqa_json result = {NULL, 0};
    const char *first;

    anqa_cast(pid, "count", (anqa_json){NULL, 0});
    await_status(pid, ANQA_JS_RUNNING);
    CHECK_STATUS(anqa_js_pause(pid, LONG_MS, NULL), ANQA_OK);
    CHECK_STATUS(anqa_js_pause(pid, LONG_MS, NULL), ANQA_OK);
    CHECK(find(pid).status == ANQA_JS_PAUSED);
    first = variable(pid, "n", "text");
    anqa_sleep(20);
    CHECK_STR(variable(pid, "n", "text"), first);
    CHECK(strstr(stack(pid), "\"count\"") != NULL);
    CHECK_STATUS(anqa_js_resume(pid, LONG_MS, NULL), ANQA_OK);
    CHECK_STATUS(anqa_js_resume(pid, LONG_MS, NULL), ANQA_OK);
    CHECK_STATUS(anqa_js_call_json(
                     pid, "count", anqa_json_of(anqa_str_of("[]")), LONG_MS, &result, NULL, NULL),
        ANQA_OK);
    CHECK_STR(json_text(result), "30000000");
    js_end(rt);
}

TEST(a_paused_process_takes_no_turns_and_its_messages_wait)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&room);
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_pause(pid, LONG_MS, NULL), ANQA_OK);
    anqa_cast(pid, "post", anqa_json_of(anqa_str_of("\"a\"")));
    anqa_cast(pid, "post", anqa_json_of(anqa_str_of("\"b\"")));
    CHECK_STATUS(
        anqa_js_call(pid, "post", NULL, 20, NULL, NULL, &err), ANQA_E_TIMEOUT, "%s", err.text);
    CHECK_STR(variable(pid, "posts", "text"), "[]");
    CHECK(find(pid).status == ANQA_JS_PAUSED);
    CHECK_STR(stack(pid), "[]");
    CHECK_STATUS(anqa_js_resume(pid, LONG_MS, NULL), ANQA_OK);
    CHECK_STR(js_call(pid, "post", "[\"c\"]"), "4");
    CHECK_STR(variable(pid, "posts", "text"), "[\"a\", \"b\", undefined, \"c\"]");
    js_end(rt);
}

TEST(a_paused_process_can_be_stopped_suspended_and_killed)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid idle, busy;
    anqa_ref ref;

    anqa_trap_exit(true);
    idle = js_start(&room);
    busy = js_start(&room);
    anqa_cast(busy, "spin", (anqa_json){NULL, 0});
    await_status(busy, ANQA_JS_RUNNING);
    CHECK_STATUS(anqa_js_pause(busy, LONG_MS, NULL), ANQA_OK);
    CHECK_STATUS(anqa_js_pause(idle, LONG_MS, NULL), ANQA_OK);
    CHECK_STATUS(anqa_sys_suspend(idle, LONG_MS, NULL), ANQA_OK);
    CHECK_STATUS(anqa_sys_resume(idle, LONG_MS, NULL), ANQA_OK);
    CHECK(find(idle).status == ANQA_JS_PAUSED);
    ref = anqa_monitor(idle);
    CHECK_STATUS(anqa_gen_server_stop(idle, ANQA_NORMAL, LONG_MS), ANQA_OK);
    CHECK_STR(js_ended(ref), "normal");
    CHECK_STR(js_kill(busy), "killed");
    js_end(rt);
}

TEST(a_report_counts_memory_timers_and_calls)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&room);
    anqa_json report = {NULL, 0}, memory;

    CHECK_STATUS(anqa_js_call(pid, "wait", NULL, 20, NULL, NULL, NULL), ANQA_E_TIMEOUT);
    CHECK_STATUS(anqa_js_report(pid, LONG_MS, &report, NULL), ANQA_OK);
    CHECK_EQ(anqa_json_int(report, "timers", -1), 1);
    CHECK_EQ(anqa_json_int(report, "waiting_calls", -1), 1);
    CHECK_EQ(anqa_json_int(report, "pending_calls", -1), 0);
    CHECK_STATUS(anqa_json_get(report, "memory", &memory), ANQA_OK);
    CHECK(anqa_json_int(memory, "objects", 0) > 200, "%s", json_text(report));
    CHECK(anqa_json_int(memory, "functions", 0) > 20, "%s", json_text(report));
    CHECK(anqa_json_int(memory, "used_bytes", 0) > 50000 &&
              anqa_json_int(memory, "used_bytes", 0) < anqa_json_int(memory, "size", 0),
        "%s", json_text(report));
    js_end(rt);
}

TEST(who_is_no_javascript_process_is_not_asked)
{
    anqa_rt *rt = js_begin(1);
    anqa_error err = {.text = ""};
    anqa_pid gone;

    anqa_trap_exit(true);
    gone = js_start(&room);
    (void)js_kill(gone);
    CHECK_STATUS(anqa_js_pause(gone, LONG_MS, &err), ANQA_E_NOPROC);
    CHECK(strstr(err.text, "is no process, or has ended") != NULL, "%s", err.text);
    CHECK_STATUS(anqa_js_pause(anqa_self(), LONG_MS, &err), ANQA_E_UNSUPPORTED);
    CHECK(strstr(err.text, "is no JavaScript process") != NULL, "%s", err.text);
    js_end(rt);
}

/* ---------------------------------------------------------------- profiles */

static const anqa_js_script busy = ANQA_JS_SCRIPT(.name = "busy.js",
    .source = "function hot(n) { let s = 0; for (let i = 0; i < n; i++) s += i % 7; return s; }\n"
              "function cold(n) { return hot(n / 10); }\n"
              "export function run() {\n"
              "  for (;;) { warm(); cold(10000); }\n"
              "}\n"
              "function warm() { return hot(10000); }\n",
    .limits = {.turn_ms = 600000});

/* Again, for longer, until there are so many of each: on a busy machine few ticks find a script at work. */
static anqa_js_profile_result profile(anqa_js_profile_opts opts, uint64_t samples, uint64_t lost)
{
    anqa_js_profile_result result = {.samples = 0};

    for (int i = 0; i < 6; i++, opts.time_ms *= 2) {
        CHECK_STATUS(anqa_js_profile(&opts, &result, NULL), ANQA_OK);
        if (result.samples >= samples && result.lost >= lost)
            return result;
    }
    ANQA_FAIL("%llu samples, %llu lost", (unsigned long long)result.samples,
        (unsigned long long)result.lost);
    return result;
}

TEST(a_profile_counts_the_stacks_that_compute)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&busy);
    anqa_js_profile_result result = {.samples = 0};
    anqa_js_profile_opts opts = {.pid = pid, .time_ms = 300};
    unsigned long warm = 0, cold = 0;
    const char *at;

    CHECK_STATUS(anqa_js_profile(&opts, &result, NULL), ANQA_OK);
    CHECK_EQ(result.samples, 0); /* idle */
    anqa_cast(pid, "run", (anqa_json){NULL, 0});
    result = profile(opts, 31, 0);
    CHECK_EQ(result.lost, 0);
    at = anqa_tmp_printf("%.*s", ANQA_FMT(result.folded));
    if (strstr(at, "run (busy.js:3);warm (busy.js:6);hot (busy.js:1) ") != NULL)
        warm = strtoul(strstr(at, "warm (busy.js:6);hot (busy.js:1) ") + 33, NULL, 10);
    if (strstr(at, "run (busy.js:3);cold (busy.js:2);hot (busy.js:1) ") != NULL)
        cold = strtoul(strstr(at, "cold (busy.js:2);hot (busy.js:1) ") + 33, NULL, 10);
    CHECK(warm > 2 * cold && warm > result.samples / 2, "%s", at);
    js_end(rt);
}

TEST(a_profile_is_about_whom_it_was_asked_for)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid other = js_start(&room), pid = js_start(&busy);
    anqa_js_profile_result result = {.samples = 0};

    anqa_cast(pid, "run", (anqa_json){NULL, 0});
    CHECK_STATUS(
        anqa_js_profile(&(anqa_js_profile_opts){.script = "room.js", .time_ms = 50}, &result, NULL),
        ANQA_OK);
    CHECK_EQ(result.samples, 0);
    CHECK_STATUS(
        anqa_js_profile(&(anqa_js_profile_opts){.pid = other, .time_ms = 50}, &result, NULL),
        ANQA_OK);
    CHECK_EQ(result.samples, 0);
    (void)profile((anqa_js_profile_opts){.script = "busy.js", .time_ms = 100}, 6, 0);
    (void)profile((anqa_js_profile_opts){.time_ms = 100}, 6, 0);
    js_end(rt);
}

TEST(a_profile_tells_frames_of_two_scripts_apart_that_look_the_same)
{
    static const anqa_js_script twin = ANQA_JS_SCRIPT(.name = "busy.js",
        .source = "export function run() { for (;;) ; }", .limits = {.turn_ms = 600000});
    static const anqa_js_script other = ANQA_JS_SCRIPT(.name = "busy.js",
        .source = "export function run() { for (;;) ; }\n", .limits = {.turn_ms = 600000});
    anqa_rt *rt = js_begin(2);
    anqa_pid pids[] = {js_start(&twin), js_start(&other)};
    anqa_js_profile_result result;
    const char *at, *line = "run (busy.js:1) ";
    int lines = 0;

    for (size_t i = 0; i < ANQA_COUNT(pids); i++)
        anqa_cast(pids[i], "run", (anqa_json){NULL, 0});
    (void)profile((anqa_js_profile_opts){.time_ms = 300, .stacks = 1}, 1, 1); /* they are two */
    for (int i = 0; i < 20 && lines != 2; i++) {
        lines = 0;
        result = profile((anqa_js_profile_opts){.time_ms = 300}, 2, 0);
        at = anqa_tmp_printf("%.*s", ANQA_FMT(result.folded));
        for (const char *found = at; (found = strstr(found, line)) != NULL; found += strlen(line))
            lines++;
    }
    CHECK_EQ(lines, 2);
    js_end(rt);
}

static void await_sleep(anqa_pid pid)
{
    anqa_process_info info;

    do {
        anqa_sleep(1);
        CHECK_STATUS(anqa_process_info_get(pid, &info), ANQA_OK);
    } while (info.status != ANQA_PROCESS_SLEEP);
}

static void take_profile(void *state)
{
    anqa_js_profile_result result;

    CHECK_STATUS(
        anqa_js_profile(&(anqa_js_profile_opts){.time_ms = 60000}, &result, NULL), ANQA_OK);
}

TEST(one_profile_is_taken_at_a_time_and_ends_with_who_asked)
{
    anqa_rt *rt = js_begin(1);
    anqa_js_profile_result result;
    anqa_error err = {.text = ""};
    anqa_pid first;
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = take_profile}, &first, NULL), ANQA_OK);
    await_sleep(first);
    CHECK_STATUS(
        anqa_js_profile(&(anqa_js_profile_opts){.time_ms = 1}, &result, &err), ANQA_E_IN_USE);
    CHECK_STR(err.text, "another profile is being taken");
    ref = anqa_monitor(first);
    anqa_exit_signal(first, ANQA_KILL);
    CHECK_STR(js_ended(ref), "killed");
    CHECK_STATUS(anqa_js_profile(&(anqa_js_profile_opts){.time_ms = 1}, &result, &err), ANQA_OK);
    CHECK_STATUS(anqa_js_profile(
                     &(anqa_js_profile_opts){.time_ms = ANQA_JS_PROFILE_MS_MAX + 1}, &result, &err),
        ANQA_E_RANGE);
    js_end(rt);
}

TEST(a_profile_has_room_for_so_many_stacks)
{
    /* each depth is a stack of its own */
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "depths",
        .source = "function down(n) { return n === 0 ? work() : down(n - 1); }\n"
                  "function work() { const until = Date.now() + 2; while (Date.now() < until); }\n"
                  "export function run() { for (let n = 0; ; n = (n + 1) % 50) down(n); }\n",
        .limits = {.turn_ms = 600000});
    anqa_rt *rt = js_begin(1);
    anqa_js_profile_result result = {.samples = 0};
    anqa_js_profile_opts opts = {.time_ms = 200, .stacks = 3};
    anqa_pid pid = js_start(&script);
    anqa_str lines;
    int count = 0;

    anqa_cast(pid, "run", (anqa_json){NULL, 0});
    result = profile(opts, 3, 1);
    lines = result.folded;
    for (size_t i = 0; i < lines.len; i++)
        count += lines.ptr[i] == '\n';
    CHECK_EQ(count, 3);
    opts.stacks = ANQA_JS_PROFILE_STACKS_MAX + 1;
    CHECK_STATUS(anqa_js_profile(&opts, &result, NULL), ANQA_E_RANGE);
    js_end(rt);
}

struct watcher {
    anqa_pid pid;
};

static void watch(void *state)
{
    const struct watcher *watcher = state;
    anqa_json json;

    for (;;) {
        CHECK_STATUS(anqa_js_stack(watcher->pid, LONG_MS, &json, NULL), ANQA_OK);
        CHECK_STATUS(anqa_js_variables(watcher->pid, LONG_MS, &json, NULL), ANQA_OK);
        (void)anqa_receive(0); /* ends the event, and its memory */
        anqa_sleep(1);
    }
}

TEST(who_looks_changes_nothing_of_what_is_computed, .timeout_ms = 120000)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "mixed",
        .source = "let kept;\n"
                  "function* numbers(n) { for (let i = 0; i < n; i++) yield (i * 7919) % 10007; }\n"
                  "async function sum(list) { let s = 0; for (const x of list) s += await x; "
                  "return s; }\n"
                  "export async function run(n) {\n"
                  "  const out = [];\n"
                  "  for (let i = 0; i < n; i++) {\n"
                  "    kept = [...numbers(2000)].sort((a, b) => a - b);\n"
                  "    out.push(kept[i], await sum(kept.slice(0, 200)));\n"
                  "    out.push(kept.join().replace(/(\\d)(\\d)/g, (all, a, b) => b + a).length);\n"
                  "    out.push(JSON.stringify({toJSON() { return kept.map(String); }}).length);\n"
                  "    out.push(String(kept.reduce((s, x) => s + BigInt(x) ** 3n, 0n)));\n"
                  "    out.push(/(a|b|ab)*c/.test('ab'.repeat(12)));\n"
                  "    try { (function down(d) { return d > 300 ? kept.gone.x : down(d + 1); "
                  "})(0); } catch (e) { "
                  "out.push(e.message, e.stack.length); }\n"
                  "  }\n"
                  "  return out.join();\n"
                  "}\n",
        .limits = {.turn_ms = 600000});
    anqa_rt *rt = js_begin(2);
    anqa_js_profile_result result = {.samples = 0};
    const char *right;
    anqa_pid pid, watching, profiling;

    anqa_trap_exit(true);
    right = anqa_tmp_printf("%s", js_call(js_start(&script), "run", "[20]"));
    pid = js_start(&script);
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = watch,
                                .arg = &(struct watcher){pid},
                                .arg_size = sizeof(struct watcher)},
                     &watching, NULL),
        ANQA_OK);
    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = take_profile}, &profiling, NULL), ANQA_OK);
    CHECK_STR(js_call(pid, "run", "[20]"), right);
    anqa_exit_signal(watching, ANQA_KILL);
    (void)js_kill(profiling);
    CHECK_STATUS(anqa_js_profile(&(anqa_js_profile_opts){.time_ms = 1}, &result, NULL), ANQA_OK);
    js_end(rt);
}
