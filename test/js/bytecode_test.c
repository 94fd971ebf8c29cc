/* Bytecode: runs as its source does, is refused where it does not belong, and when it is damaged harms its process only. */
#include "support.h"

#include <stdlib.h>
#include <unistd.h>

#include <anqa/js_debug.h>

#include "js/bytecode.h"

#include "greeter.bytecode.h"
#include "greeter.script.h"

static const anqa_js_script source = ANQA_JS_SCRIPT(.name = "counter.js",
    .source =
        "let n = 0;\nexport class Box { value = 1n; }\n"
        "export function count(by = 1) { n += by; return [n, `${n}`, new Box().value]; }\n"
        "export function fail() {\n  throw new TypeError('here');\n}\n"
        "export async function* later() { yield /a(b)?/u.exec('ab'); }\n"
        "export async function all() { const a = []; for await (const x of later()) a.push(x[1]); "
        "return a; }\n"
        "export const text = () => String(count);\n");

static anqa_str compile(const anqa_js_script *script)
{
    anqa_str bytes = {NULL, 0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_compile(script, &bytes, NULL, &err), ANQA_OK, "%s", err.text);
    return bytes;
}

TEST(bytecode_runs_as_its_source_does)
{
    anqa_rt *rt = js_begin(1);
    anqa_str bytes = compile(&source);
    anqa_js_script script =
        ANQA_JS_SCRIPT(.name = "counter.js", .bytecode = bytes.ptr, .bytecode_len = bytes.len);
    anqa_js_error error = {0};
    anqa_json variables = {NULL, 0};
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_eval(js_start(&script), "1 + 1"), "2");
    CHECK_STR(js_call(pid, "all", "[]"), "[\"b\"]");
    CHECK_STR(js_eval(pid, "typeof count"), "\"undefined\"");
    CHECK_STATUS(anqa_js_call(pid, "fail", NULL, LONG_MS, NULL, &error, NULL), ANQA_E_SCRIPT);
    CHECK(memmem(error.stack.ptr, error.stack.len, "at fail (counter.js:5:", 22) != NULL, "%.*s",
        ANQA_FMT(error.stack));
    CHECK_STR(js_call(pid, "text", "[]"),
        "\"function count() {\\n    [native code]\\n}\""); /* it has no text any more */
    CHECK_STATUS(anqa_js_variables(pid, LONG_MS, &variables, NULL), ANQA_OK);
    CHECK(memmem(variables.ptr, variables.len, "{\"name\":\"n\",", 12) != NULL, "%.*s",
        ANQA_FMT(variables));
    js_end(rt);
}

TEST(bytecode_that_was_made_at_build_runs_with_the_lines_of_its_sources)
{
    static const anqa_js_script script = ANQA_JS_SCRIPT(.name = greeter_script_name,
        .bytecode = greeter_script_bytecode, .source_map = greeter_script_map);
    anqa_js_error error = {0};
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_call(pid, "greet", "[{\"name\": \"Ada\"}]"), "\"Hello, Ada (1)\"");
    CHECK_STATUS(anqa_js_call(pid, "fail", NULL, LONG_MS, NULL, &error, NULL), ANQA_E_SCRIPT);
    CHECK(memmem(error.stack.ptr, error.stack.len, "greeter.ts:12:", 14) != NULL, "%.*s",
        ANQA_FMT(error.stack));
    js_end(rt);
}

TEST(a_file_is_bundled_and_compiled_with_its_map)
{
    static const anqa_js_script file =
        ANQA_JS_SCRIPT(.name = "greeter", .path = "test/js/scripts/greeter.ts");
    anqa_str bytes = {NULL, 0}, map = {NULL, 0};
    anqa_js_script script = ANQA_JS_SCRIPT(.name = "greeter");
    anqa_rt *rt = js_begin(1);
    anqa_js_error error = {0};
    anqa_error err = {.text = ""};

    CHECK_EQ(chdir(SOURCE_DIR), 0);
    CHECK_STATUS(anqa_js_compile(&file, &bytes, &map, &err), ANQA_OK, "%s", err.text);
    script.bytecode = bytes.ptr;
    script.bytecode_len = bytes.len;
    script.source_map = anqa_tmp_copy(map.ptr, map.len);
    CHECK_STATUS(
        anqa_js_call(js_start(&script), "fail", NULL, LONG_MS, NULL, &error, NULL), ANQA_E_SCRIPT);
    CHECK(memmem(error.stack.ptr, error.stack.len, "at fail (test/js/scripts/greeter.ts:12:", 39) !=
              NULL,
        "%.*s", ANQA_FMT(error.stack));
    CHECK_STATUS(anqa_js_compile(&script, &bytes, &map, &err), ANQA_E_INVALID);
    CHECK_STR(err.text, "script 'greeter' is bytecode already");
    js_end(rt);
}

static const char *refusal(const anqa_js_script *script)
{
    anqa_error err = {.text = ""};
    anqa_pid pid;

    CHECK_STATUS(anqa_js_start_link(script, NULL, NULL, &pid, &err), ANQA_E_STOPPED);
    return anqa_tmp_printf("%s", err.text);
}

TEST(bytecode_that_does_not_belong_here_is_refused_with_words)
{
    anqa_rt *rt = js_begin(1);
    anqa_str bytes = compile(&source);
    char *copy = anqa_tmp_copy(bytes.ptr, bytes.len);
    anqa_js_script script =
        ANQA_JS_SCRIPT(.name = "counter.js", .bytecode = copy, .bytecode_len = bytes.len);
    anqa_js_script other = script, cut = script, empty = script, none = script;

    anqa_trap_exit(true);
    other.name = "other.js";
    CHECK(strstr(refusal(&other), "the bytecode of script 'other.js' is that of 'counter.js'") !=
          NULL);
    cut.bytecode_len = bytes.len - 1;
    CHECK(strstr(refusal(&cut), "the bytecode of script 'counter.js' is not whole") != NULL);
    empty.bytecode_len = BYTECODE_HEAD - 1;
    CHECK(strstr(refusal(&empty), "script 'counter.js': that is no bytecode") != NULL);
    none.bytecode = anqa_tmp_printf("%0200d", 0);
    CHECK(strstr(refusal(&none), "script 'counter.js': that is no bytecode") != NULL);
    copy[bytes.len - 7] ^= 4;
    CHECK(strstr(refusal(&script), "the bytecode of script 'counter.js' is damaged") != NULL);
    copy[bytes.len - 7] ^= 4;
    copy[12] = copy[12] == 'a' ? 'b' : 'a';
    CHECK(strstr(refusal(&script), "the bytecode of script 'counter.js' is of another engine (") !=
          NULL);
    js_end(rt);
}

TEST(what_does_not_compile_is_told_with_its_place)
{
    static const anqa_js_script script =
        ANQA_JS_SCRIPT(.name = "broken.js", .source = "let a = 1;\nlet b = ;\n");
    anqa_rt *rt = js_begin(1);
    anqa_error err = {.text = ""};
    anqa_str bytes;

    CHECK_STATUS(anqa_js_compile(&script, &bytes, NULL, &err), ANQA_E_SCRIPT);
    CHECK(strstr(err.text, "script 'broken.js' does not compile: SyntaxError: ") != NULL &&
              strstr(err.text, "broken.js:2:") != NULL,
        "%s", err.text);
    js_end(rt);
}

/* As code that means harm would be: with digests that are right. */
static void seal(char *bytes, size_t len, size_t name_len)
{
    char *code = bytes + BYTECODE_HEAD + name_len;

    memset(code + 1, 0xff, 4); /* the engine's own sum: not looked at */
    bytecode_seal(bytes, len);
}

TEST(damaged_bytecode_harms_its_own_process_only, .timeout_ms = 120000)
{
    enum { ROUNDS = 300 };
    static const anqa_js_script good =
        ANQA_JS_SCRIPT(.name = "good", .source = "export function ping() { return 1; }");
    static anqa_js_script scripts[ROUNDS]; /* processes and images point to them */
    anqa_rt *rt = js_begin(2);
    anqa_str bytes = compile(&source);
    size_t head = BYTECODE_HEAD + strlen(source.name) + 5, ran = 0;
    uint32_t random = 2463534242u;
    anqa_pid other;

    anqa_trap_exit(true);
    other = js_start(&good);
    for (size_t i = 0; i < ROUNDS; i++) {
        char *copy = anqa_tmp_copy(bytes.ptr, bytes.len);
        anqa_start_opts opts = {.timeout_ms = LONG_MS};
        anqa_pid pid;
        for (unsigned flips = 0; flips <= i % 4; flips++) {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            copy[head + random % (bytes.len - head)] ^= (char)(1u << (random >> 29) & 0x7f);
        }
        seal(copy, bytes.len, strlen(source.name));
        scripts[i] = (anqa_js_script)ANQA_JS_SCRIPT(.name = "counter.js", .bytecode = copy,
            .bytecode_len = bytes.len,
            .limits = {.memory = (size_t)8 << 20, .turn_ms = 50, .jobs = 1000});
        if (anqa_js_start_link(&scripts[i], NULL, &opts, &pid, NULL) == ANQA_OK) {
            ran++;
            (void)js_call(pid, "count", "[]");
            (void)js_call(pid, "all", "[]");
            (void)js_kill(pid);
        }
        CHECK_STR(js_call(other, "ping", "[]"), "1");
    }
    CHECK(ran > 0 && ran < ROUNDS, "%zu", ran);
    js_end(rt);
}
