/* TypeScript: bundled into the binary at build, or read and bundled at start; errors name the files that people wrote. */
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "card.script.h"
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

static bool stack_has(const anqa_js_error *error, const char *place)
{
    return memmem(error->stack.ptr, error->stack.len, place, strlen(place)) != NULL;
}

static void check_card(anqa_pid pid)
{
    anqa_js_error error = {0};

    CHECK_STR(js_call(pid, "card", "[1]"), "\"<p class=\\\"card\\\"><b>Grace</b>may enter</p>\"");
    CHECK_STATUS(anqa_js_call(pid, "card", NULL, LONG_MS, NULL, &error, NULL), ANQA_E_SCRIPT);
    CHECK(stack_has(&error, "card.tsx:14:"), "%.*s", ANQA_FMT(error.stack));
}

TEST(jsx_json_and_texts_are_part_of_an_embedded_script)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = card_script_name,
        .source = card_script, .source_map = card_script_map);
    anqa_rt *rt = js_begin(1);

    check_card(js_start(&script));
    js_end(rt);
}

TEST(a_package_of_npm_runs_and_its_errors_name_its_files)
{
    static const anqa_js_script script =
        ANQA_JS_SCRIPT(.name = "wire", .path = "test/js/scripts/wire.ts");
    anqa_js_error error = {0};
    anqa_rt *rt = js_begin(1);
    anqa_pid pid;

    CHECK_EQ(chdir(SOURCE_DIR), 0);
    pid = js_start(&script);
    CHECK_STR(js_call(pid, "encode", "[\"room:1\"]"),
        "\"[\\\"1\\\",\\\"2\\\",\\\"room:1\\\",\\\"phx_join\\\",{}]\"");
    CHECK_STATUS(anqa_js_call(pid, "decode", NULL, LONG_MS, NULL, &error, NULL), ANQA_E_SCRIPT);
    CHECK_STR(error.name, "SyntaxError");
    CHECK(stack_has(&error, "node_modules/phoenix/"), "%.*s", ANQA_FMT(error.stack));
    CHECK(stack_has(&error, "scripts/wire.ts:11:"), "%.*s", ANQA_FMT(error.stack));
    js_end(rt);
}

/* ---------------------------------------------------------------- files that come and change */

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

/* Memory files of images: descriptors, and mappings. */
static int count_images(void)
{
    char path[300], target[64];
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    int count = 0;

    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL) { /* NOLINT(concurrency-mt-unsafe): ours alone */
        ssize_t len;
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        len = readlink(path, target, sizeof target);
        count += len > 14 && memcmp(target, "/memfd:anqa-js", 14) == 0;
    }
    closedir(folder);
    return count;
}

static int count_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "re");
    char line[512];
    int count = 0;

    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        count += strstr(line, "/memfd:anqa-js") != NULL;
    CHECK_EQ(fclose(file), 0);
    return count;
}

static anqa_pid start_edited(const anqa_js_script *script, int version)
{
    const char *expected = anqa_tmp_printf("%d", version);
    anqa_pid pid;

    write_file(script->path, anqa_tmp_printf("export function version() { return %d; }", version));
    pid = js_start(script);
    CHECK_STR(js_call(pid, "version", "[]"), expected);
    return pid;
}

TEST(images_of_versions_of_a_file_that_no_process_runs_are_given_back)
{
    enum { EDITS = 30, WARM_UP = 5 };
    char folder[] = "/tmp/anqa-script-XXXXXX";
    anqa_js_script script = ANQA_JS_SCRIPT(.name = "edited", .path = "edited.js");
    anqa_rt *rt = js_begin_with(&(anqa_options){.schedulers = 1, .js_mapped = 1});
    anqa_pid parked, last;
    int mappings = 0;

    CHECK(mkdtemp(folder) != NULL);
    CHECK_EQ(chdir(folder), 0);
    parked = start_edited(&script, 1);
    last = start_edited(&script, 2);
    for (int version = 3; version <= EDITS; version++) {
        js_kill(last);
        last = start_edited(&script, version);
        CHECK_EQ(count_images(), 2);
        if (version == WARM_UP)
            mappings = count_mappings();
    }
    CHECK(mappings > 0 && count_mappings() <= mappings, "%d %d", mappings, count_mappings());
    CHECK_STR(
        js_call(parked, "version", "[]"), "1"); /* its own image is what its memory is made of */
    js_kill(parked);
    CHECK_EQ(count_images(), 1);
    CHECK_STR(js_call(last, "version", "[]"), anqa_tmp_printf("%d", EDITS));
    CHECK_EQ(unlink(script.path), 0);
    js_end(rt);
    CHECK_EQ(chdir("/"), 0);
    CHECK_EQ(rmdir(folder), 0);
}

static anqa_payload start_and_end(void *arg)
{
    const anqa_js_script *const *script = arg;

    for (int i = 0; i < 10; i++) {
        anqa_pid pid = js_start(*script);
        CHECK(strchr("123456789", js_call(pid, "version", "[]")[0]) != NULL);
        anqa_unlink(pid);
        (void)js_kill(pid);
    }
    return anqa_nothing();
}

TEST(processes_start_and_end_on_all_schedulers_while_their_file_is_edited)
{
    char folder[] = "/tmp/anqa-script-XXXXXX";
    anqa_js_script script = ANQA_JS_SCRIPT(.name = "edited", .path = "edited.js");
    const anqa_js_script *given = &script;
    anqa_rt *rt = js_begin(4);
    anqa_task tasks[4];

    CHECK(mkdtemp(folder) != NULL);
    CHECK_EQ(chdir(folder), 0);
    (void)js_kill(start_edited(&script, 1));
    for (size_t i = 0; i < ANQA_COUNT(tasks); i++)
        tasks[i] = anqa_task_async(start_and_end, &given, sizeof given);
    for (int version = 2; version < 20; version++) {
        write_file("next.js", anqa_tmp_printf("export function version() { return %d; }", version));
        CHECK_EQ(rename("next.js", script.path), 0); /* nobody reads half of it */
        anqa_sleep(2);
    }
    for (size_t i = 0; i < ANQA_COUNT(tasks); i++)
        (void)anqa_task_await(&tasks[i], LONG_MS);
    (void)start_edited(&script, 100);
    CHECK_EQ(count_images(), 1);
    CHECK_EQ(unlink(script.path), 0);
    js_end(rt);
    CHECK_EQ(chdir("/"), 0);
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

/* A folder with a bundler, to stand in. */
static void project_begin(char folder[])
{
    CHECK(mkdtemp(folder) != NULL);
    CHECK_EQ(chdir(folder), 0);
    CHECK_EQ(mkdir("node_modules", 0700), 0);
    CHECK_EQ(mkdir("node_modules/.bin", 0700), 0);
    CHECK_EQ(symlink(SOURCE_DIR "/node_modules/.bin/esbuild", "node_modules/.bin/esbuild"), 0);
    CHECK_EQ(symlink(SOURCE_DIR "/node_modules/@esbuild", "node_modules/@esbuild"), 0);
}

static void project_end(const char *folder)
{
    CHECK_EQ(chdir("/"), 0);
    CHECK_EQ(system(anqa_tmp_printf("rm -r %s", folder)),
        0); /* NOLINT(concurrency-mt-unsafe): of this test */
}

TEST(a_change_of_what_a_file_imports_is_seen_by_the_next_process)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "shop", .path = "shop.ts");
    char folder[] = "/tmp/anqa-script-XXXXXX";
    anqa_rt *rt = js_begin(1);
    anqa_pid first;

    project_begin(folder);
    write_file("shop.ts", "import { price } from './price'; import t from './t.txt'; import j from "
                          "'./j.json';\n"
                          "export const total = () => price + t.trim() + j.n;");
    write_file("price.ts", "export const price: number = 1;");
    write_file("t.txt", "a");
    write_file("j.json", "{\"n\": 1}");
    first = js_start(&script);
    CHECK_STR(js_call(js_start(&script), "total", "[]"), "\"1a1\"");
    write_file("price.ts", "export const price: number = 22;");
    CHECK_STR(js_call(js_start(&script), "total", "[]"), "\"22a1\"");
    write_file("t.txt", "bb");
    CHECK_STR(js_call(js_start(&script), "total", "[]"), "\"22bb1\"");
    write_file("j.json", "{\"n\": 22}");
    CHECK_STR(js_call(js_start(&script), "total", "[]"), "\"22bb22\"");
    CHECK_STR(js_call(first, "total", "[]"), "\"1a1\"");
    project_end(folder);
    js_end(rt);
}

TEST(a_script_whose_files_stay_the_same_is_bundled_once)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "once", .path = "once.ts");
    char folder[] = "/tmp/anqa-script-XXXXXX";
    anqa_rt *rt = js_begin(1);

    project_begin(folder);
    write_file("other.ts", "export const made = Math.random();");
    write_file("once.ts", "import { made } from './other'; export const when = () => made;");
    anqa_sleep(30); /* what changes while it is read is read again */
    CHECK_STR(anqa_tmp_printf("%s", js_call(js_start(&script), "when", "[]")),
        js_call(js_start(&script), "when", "[]"));
    project_end(folder);
    js_end(rt);
}

TEST(the_jsx_runtime_is_what_tsconfig_says)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "page", .path = "page.tsx");
    char folder[] = "/tmp/anqa-script-XXXXXX";
    anqa_rt *rt = js_begin(1);

    project_begin(folder);
    CHECK_EQ(mkdir("node_modules/tiny", 0700), 0);
    write_file("node_modules/tiny/jsx-runtime.js",
        "exports.jsx = (tag, props) => [tag, props]; exports.jsxs = exports.jsx;");
    write_file("node_modules/tiny/package.json", "{\"name\": \"tiny\"}");
    write_file("tsconfig.json",
        "{\"compilerOptions\": {\"jsx\": \"react-jsx\", \"jsxImportSource\": \"tiny\"}}");
    write_file("page.tsx", "export const page = () => <p id=\"a\">hello</p>;");
    CHECK_STR(
        js_call(js_start(&script), "page", "[]"), "[\"p\",{\"id\":\"a\",\"children\":\"hello\"}]");
    project_end(folder);
    js_end(rt);
}

TEST(what_esbuild_finds_wrong_is_told_with_its_place)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "broken", .path = "broken.ts");
    char folder[] = "/tmp/anqa-script-XXXXXX";
    anqa_rt *rt = js_begin(1);
    anqa_error err = {.text = ""};
    anqa_pid pid;

    anqa_trap_exit(true);
    project_begin(folder);
    write_file("broken.ts", "import 'nowhere';\nlet a = 1;\nimport './neither';\n");
    CHECK_STATUS(anqa_js_start_link(&script, NULL, NULL, &pid, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "script 'broken' does not compile: broken.ts:1:7: Could not resolve "
                           "\"nowhere\" (the first of 2 errors)") != NULL,
        "%s", err.text);
    write_file("broken.ts", "export const mended = () => 1;");
    CHECK_STR(js_call(js_start(&script), "mended", "[]"), "1");
    project_end(folder);
    js_end(rt);
}

TEST(of_very_many_imported_files_the_first_are_looked_at)
{
    enum { FILES = 300 };
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "many", .path = "many.ts");
    char folder[] = "/tmp/anqa-script-XXXXXX";
    anqa_rt *rt = js_begin(1);
    const char *all = "export const sum = () => 0";
    const char *imports = "";

    project_begin(folder);
    for (int i = 0; i < FILES; i++) {
        write_file(anqa_tmp_printf("f%d.ts", i), "export default 1;");
        imports = anqa_tmp_printf("%simport f%d from './f%d';\n", imports, i, i);
        all = anqa_tmp_printf("%s + f%d", all, i);
    }
    write_file("many.ts", anqa_tmp_printf("%s%s;\n", imports, all));
    anqa_sleep(30);
    CHECK_STR(js_call(js_start(&script), "sum", "[]"), "300");
    write_file("f299.ts", "export default 1000;");
    CHECK_STR(js_call(js_start(&script), "sum", "[]"), "300");
    write_file("f0.ts", "export default 10;");
    CHECK_STR(js_call(js_start(&script), "sum", "[]"), "1308");
    project_end(folder);
    js_end(rt);
}

TEST(errors_and_warnings_of_esbuild_are_logged_one_by_one_up_to_twenty)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "many", .path = "wrong.ts");
    char folder[] = "/tmp/anqa-script-XXXXXX";
    anqa_rt *rt = js_begin(1);
    anqa_error err = {.text = ""};
    const char *text = "if (Math.PI === NaN) throw 1;\n", *log;
    size_t count = 0;
    anqa_pid pid;

    anqa_trap_exit(true);
    project_begin(folder);
    for (int i = 0; i < 30; i++)
        text = anqa_tmp_printf("%simport './lost%d';\n", text, i);
    write_file("wrong.ts", text);
    anqa_log_set_level(ANQA_WARN);
    anqa_test_capture_log(ANQA_WARN);
    CHECK_STATUS(anqa_js_start_link(&script, NULL, NULL, &pid, &err), ANQA_E_STOPPED);
    CHECK(strstr(err.text, "(the first of 30 errors)") != NULL, "%s", err.text);
    log = anqa_test_captured_log();
    CHECK(strstr(log, "js.bundle_warning") != NULL && strstr(log, "place=wrong.ts:1:12") != NULL,
        "%s", log);
    CHECK(strstr(log, "place=wrong.ts:2:7") != NULL, "%s", log);
    for (const char *at = log; (at = strstr(at, "js.bundle_")) != NULL; at++)
        count++;
    CHECK_EQ(count, 20);
    project_end(folder);
    js_end(rt);
}
