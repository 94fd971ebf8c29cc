/* TypeScript: bundled into the binary at build, or read and bundled at start; errors name the files that people wrote. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "greeter.script.h"

static const anqa_js_script embedded = ANQA_JS_SCRIPT(.name = greeter_script_name,
    .source = greeter_script, .source_map = greeter_script_map);

static void check_greeter(anqa_pid pid)
{
    anqa_js_error error = {0};

    CHECK_STR(js_call(pid, "greet", "[{\"name\": \"Ada\"}]"), "\"Hello, Ada (1)\"");
    CHECK_STATUS(anqa_js_call(pid, "fail", NULL, LONG_MS, NULL, &error, NULL), ANQA_E_SCRIPT);
    CHECK_STR(error.name, "RangeError");
    CHECK(memmem(error.stack.ptr, error.stack.len, "greeter.ts:12:", 14) != NULL, "%.*s",
        ANQA_FMT(error.stack));
    CHECK_STATUS(anqa_js_call(pid, "greet", NULL, LONG_MS, NULL, &error, NULL), ANQA_E_SCRIPT);
    CHECK(memmem(error.stack.ptr, error.stack.len, "words.ts:6:", 11) != NULL, "%.*s",
        ANQA_FMT(error.stack));
}

TEST(an_embedded_typescript_file_runs_and_its_errors_name_its_lines)
{
    anqa_rt *rt = js_begin(1);

    check_greeter(js_start(&embedded));
    js_end(rt);
}

TEST(a_typescript_file_is_bundled_when_its_first_process_starts)
{
    static const anqa_js_script script =
        ANQA_JS_SCRIPT(.name = "greeter", .path = "test/js/scripts/greeter.ts");
    anqa_rt *rt = js_begin(1);

    CHECK_EQ(chdir(SOURCE_DIR), 0);
    check_greeter(js_start(&script));
    js_end(rt);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    CHECK(file != NULL);
    CHECK(fputs(text, file) >= 0);
    CHECK_EQ(fclose(file), 0);
}

TEST(a_file_that_has_changed_is_read_again_by_the_next_process)
{
    char folder[] = "/tmp/anqa-script-XXXXXX", path[64];
    anqa_js_script script = ANQA_JS_SCRIPT(.name = "changing");
    anqa_rt *rt = js_begin(1);
    anqa_pid first, second;

    CHECK(mkdtemp(folder) != NULL);
    CHECK_EQ(chdir(folder), 0); /* no bundler there: plain JavaScript is read as it is */
    snprintf(path, sizeof path, "%s/a.js", folder);
    script.path = path;
    write_file(path, "export function version() { return 1; }");
    first = js_start(&script);
    anqa_sleep(20);
    write_file(path, "export function version() { return 2; }");
    second = js_start(&script);
    CHECK_STR(js_call(first, "version", "[]"), "1");
    CHECK_STR(js_call(second, "version", "[]"), "2");
    CHECK_EQ(unlink(path), 0);
    js_end(rt);
    CHECK_EQ(rmdir(folder), 0);
}

TEST(a_file_that_is_not_there_is_named)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "lost", .path = "/nowhere/lost.js");
    anqa_rt *rt = js_begin(1);
    anqa_error err = {.text = ""};
    anqa_pid pid;

    anqa_trap_exit(true);
    CHECK_STATUS(anqa_js_start_link(&script, NULL, NULL, &pid, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "/nowhere/lost.js") != NULL, "%s", err.text);
    js_end(rt);
}
