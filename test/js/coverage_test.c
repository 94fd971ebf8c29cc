/* Bundles that count what of them runs. */
#include "support.h"

#include <stdio.h>

#include <anqa/js_debug.h>

#include "counted.script.h"

static const anqa_js_script counted = ANQA_JS_SCRIPT(.name = counted_script_name,
    .source = counted_script, .source_map = counted_script_map, .limits = {.turn_ms = 600000});

static const char *key_of(const anqa_json_iter *it)
{
    anqa_str key = {NULL, 0};

    CHECK_STATUS(anqa_json_to_str(anqa_tmp(), it->key, &key), ANQA_OK);
    return anqa_tmp_printf("%.*s", ANQA_FMT(key));
}

/* The member `map` of the coverage of the file whose name ends so, and its `counts`. */
static void find_file(
    const char *end, const char *map, const char *counts, anqa_json *ret_map, anqa_json *ret_counts)
{
    anqa_json all = {NULL, 0}, files;
    anqa_json_iter script, file;

    CHECK_STATUS(anqa_js_coverage(&all, NULL), ANQA_OK);
    script = anqa_json_each(all);
    CHECK(anqa_json_next(&script), "nothing is counted");
    CHECK(anqa_json_is_str(
        anqa_json_of(anqa_str_of("\"counted.js\"")), anqa_json_str(script.value, "script")));
    CHECK_STATUS(anqa_json_get(script.value, "coverage", &files), ANQA_OK);
    file = anqa_json_each(files);
    while (anqa_json_next(&file)) {
        const char *at = strstr(key_of(&file), end);
        if (at == NULL || strlen(at) != strlen(end))
            continue;
        CHECK_STATUS(anqa_json_get(file.value, map, ret_map), ANQA_OK);
        CHECK_STATUS(anqa_json_get(file.value, counts, ret_counts), ANQA_OK);
        return;
    }
    CHECK(false, "%s is not there: %.*s", end, ANQA_FMT(all));
}

/* How often the statements that begin on a line have run: the largest number; -1: there is none. */
static int64_t line_count(const char *file, int64_t line)
{
    anqa_json map, counts, start;
    anqa_json_iter it;
    int64_t most = -1;

    find_file(file, "statementMap", "s", &map, &counts);
    it = anqa_json_each(map);
    while (anqa_json_next(&it)) {
        const char *key = key_of(&it);
        CHECK_STATUS(anqa_json_get(it.value, "start", &start), ANQA_OK);
        if (anqa_json_int(start, "line", 0) == line && anqa_json_int(counts, key, -1) > most)
            most = anqa_json_int(counts, key, -1);
    }
    return most;
}

static int64_t function_count(const char *file, const char *name)
{
    anqa_json map, counts;
    anqa_json_iter it;

    find_file(file, "fnMap", "f", &map, &counts);
    it = anqa_json_each(map);
    while (anqa_json_next(&it))
        if (anqa_str_is(anqa_json_str(it.value, "name"), name))
            return anqa_json_int(counts, key_of(&it), -1);
    return -1;
}

/* The answer to a call comes before its turn is over; that to the next one after that. */
static void settle(anqa_pid pid)
{
    CHECK_STR(js_eval(pid, "1"), "1");
}

TEST(statements_and_functions_are_counted_over_all_processes)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid first, second;

    anqa_trap_exit(true);
    first = js_start(&counted);
    second = js_start(&counted);
    CHECK_EQ(line_count("counted.ts", 4), 1); /* top-level code runs once for all */
    CHECK_EQ(line_count("counted.ts", 10), 0);
    CHECK_EQ(line_count("words.ts", 7), 0);
    CHECK_STR(js_call(first, "add", "[5]"), "5");
    CHECK_STR(js_call(second, "add", "[-1]"), "-1");
    CHECK_STR(js_call(second, "add", "[1000]"), "100");
    CHECK_STR(js_call(second, "both", "[4]"), "{\"n\":8}");
    CHECK_STR(js_call(second, "hello", "[\"Ada\"]"), "\"Hello, Ada\"");
    settle(first);
    settle(second);
    (void)js_kill(first);
    CHECK_EQ(function_count("counted.ts", "add"), 3);
    CHECK_EQ(line_count("counted.ts", 7), 3);
    CHECK_EQ(line_count("counted.ts", 8), 2);
    CHECK_EQ(line_count("counted.ts", 9), 5); /* the body of the loop */
    CHECK_EQ(line_count("counted.ts", 10), 2);
    CHECK_EQ(line_count("counted.ts", 13), 1);
    CHECK_EQ(function_count("counted.ts", "twice"), 1);
    CHECK_EQ(function_count("counted.ts", "both"), 1);
    CHECK_EQ(function_count("counted.ts", "never"), 0);
    CHECK_EQ(line_count("counted.ts", 22), 0);
    CHECK_EQ(line_count("words.ts", 7), 1);
    CHECK_EQ(function_count("words.ts", "greeting"), 1);
    CHECK_EQ(line_count("counted.ts", 11), -1); /* an empty line */
    js_end(rt);
}

TEST(what_counts_does_the_same_as_what_does_not)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&counted);
    anqa_js_error error = {0};

    CHECK_STR(js_call(pid, "all", "[]"), "[0,1,2]");
    CHECK_STATUS(anqa_js_call(pid, "hello", NULL, LONG_MS, NULL, &error, NULL), ANQA_E_SCRIPT);
    CHECK(memmem(error.stack.ptr, error.stack.len, "words.ts:6:", 11) != NULL, "%.*s",
        ANQA_FMT(error.stack));
    CHECK(memmem(error.stack.ptr, error.stack.len, "counted.ts:39:", 14) != NULL, "%.*s",
        ANQA_FMT(error.stack));
    CHECK_STR(js_call(pid, "anqa:counters", "[]"),
        "ReferenceError: no function 'anqa:counters' is exported");
    settle(pid);
    CHECK_EQ(function_count("counted.ts", "steps"), 1);
    CHECK_EQ(line_count("counted.ts", 29), 3);
    js_end(rt);
}

/* Of the youngest process. */
static uint64_t computed_ms(void)
{
    anqa_js_process *all = NULL;
    size_t count = 0;

    CHECK_STATUS(anqa_js_processes(1, &all, &count), ANQA_OK);
    CHECK_EQ(count, 1);
    return all[0].time_ms;
}

TEST(a_turn_that_is_killed_was_counted)
{
    anqa_rt *rt = js_begin(1);
    uint64_t end = anqa_now_ms() + LONG_MS, before;
    anqa_pid pid;

    anqa_trap_exit(true);
    pid = js_start(&counted);
    before = computed_ms(); /* the image has been made */
    anqa_cast(pid, "spin", (anqa_json){NULL, 0});
    while (computed_ms() < before + 50 && anqa_now_ms() < end)
        anqa_sleep(1);
    (void)js_kill(pid);
    CHECK(line_count("counted.ts", 42) > 100);
    js_end(rt);
}

TEST(of_scripts_that_do_not_count_nothing_is_told)
{
    static const anqa_js_script plain = ANQA_JS_SCRIPT(.name = "plain", .source = "export {}");
    anqa_rt *rt = js_begin(1);
    anqa_json all = {NULL, 0};

    (void)js_start(&plain);
    CHECK_STATUS(anqa_js_coverage(&all, NULL), ANQA_OK);
    CHECK_STR(anqa_tmp_printf("%.*s", ANQA_FMT(all)), "[]");
    js_end(rt);
}

TEST(exports_that_only_look_like_coverage_are_passed_over)
{
    static const anqa_js_script scripts[] = {
        ANQA_JS_SCRIPT(.name = "no_array",
            .source =
                "const c = 7, m = '{}'; export { c as 'anqa:counters', m as 'anqa:coverage' };"),
        ANQA_JS_SCRIPT(.name = "no_json",
            .source = "const c = new Uint8Array(8), m = '{'; export { c as 'anqa:counters', m as "
                      "'anqa:coverage' };"),
        ANQA_JS_SCRIPT(.name = "no_text",
            .source = "const c = new Uint8Array(8), m = {toString() { throw 1; }}; export { c as "
                      "'anqa:counters', m as 'anqa:coverage' };"),
        ANQA_JS_SCRIPT(.name = "too_many", /* 2^20 counters are the most */
            .source =
                "const c = new Uint8Array(4 * 1024 * 1024 + 4).fill(1), m = '{\"a\": {\"s\": 0, "
                "\"statementMap\": {\"0\":{}}}}'; export { c as 'anqa:counters', m as "
                "'anqa:coverage' };"),
        ANQA_JS_SCRIPT(.name = "beyond",
            .source = "const c = new Uint8Array(8).fill(1), m = '{\"a\": {\"s\": 4294967300, "
                      "\"statementMap\": {\"0\":{}}, \"f\": 1, \"fnMap\": {\"0\":{},\"1\":"
                      "{}}}, \"b\": 3}'; "
                      "export { c as 'anqa:counters', m as 'anqa:coverage' };"),
    };
    static const char *const told[] = {"[{\"script\":\"no_array\",\"coverage\":{}}]", "[]", "[]",
        "[{\"script\":\"too_many\",\"coverage\":{\"a\":{\"s\":{\"0\":0},\"statementMap\":{\"0\":{}}"
        "}}}]",
        "[{\"script\":\"beyond\",\"coverage\":{\"a\":{\"s\":{\"0\":0},\"statementMap\":{\"0\":{}},"
        "\"f\":{\"0\":16843009,\"1\":0},\"fnMap\":{\"0\":{},\"1\":{}}},\"b\":{}}}]"};

    for (size_t i = 0; i < ANQA_COUNT(scripts); i++) {
        anqa_rt *rt = js_begin(1);
        anqa_json all = {NULL, 0};
        anqa_pid pid = js_start(&scripts[i]);
        CHECK_STR(js_eval(pid, "1"), "1");
        CHECK_STATUS(anqa_js_coverage(&all, NULL), ANQA_OK);
        CHECK_STR(anqa_tmp_printf("%.*s", ANQA_FMT(all)), told[i], "%s", scripts[i].name);
        js_end(rt);
    }
}
