/* Values between C and JavaScript. */
#include "support.h"

#include <stdio.h>

static const anqa_js_script same =
    ANQA_JS_SCRIPT(.name = "same", .source = "export function same(...a) { return a; }\n"
                                             "export function type(v) { return typeof v; }\n");

static const struct {
    const char *code, *shown;
} values[] = {
    {"undefined", "undefined"},
    {"null", "null"},
    {"true", "true"},
    {"0", "0"},
    {"-0", "-0"},
    {"2147483648", "2147483648"},
    {"2**53 - 1", "9007199254740991"},
    {"2**53", "9007199254740992"},
    {"1.5", "1.5"},
    {"-1e300", "-1.0000000000000001e+300"},
    {"Infinity", "inf"},
    {"0n", "0x0n"},
    {"5n", "0x05n"},
    {"-(2n ** 64n)", "-0x010000000000000000n"},
    {"2n ** 100n + 1n", "0x10000000000000000000000001n"},
    {"'h\\u00e9llo \\u{1f600}'", "\"h\xc3\xa9llo \xf0\x9f\x98\x80\""},
    {"'a\\0b'.length", "3"},
    {"new Uint8Array([1, 2, 255])", "<0102ff>"},
    {"new Uint8Array([1, 2, 3]).subarray(1)", "<0203>"},
    {"new ArrayBuffer(2)", "<0000>"},
    {"[1, [2, []], {}]", "[1,[2,[]],{}]"},
    {"({a: 1, 'b c': undefined, 3: null})", "{3:null,a:1,b c:undefined}"},
    {"new Date(86400000)", "Date(86400000)"},
    {"Beam.self()", "pid"},
    {"new TypeError('x').message", "\"x\""},
    {"Object.assign(Object.create({hidden: 1}), {own: 2})", "{own:2}"},
};

TEST(a_value_of_javascript_becomes_one_in_C_and_the_same_again)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&same);

    for (size_t i = 0; i < ANQA_COUNT(values); i++) {
        anqa_value value, back;
        anqa_value_writer writer;
        CHECK_STR(js_eval(pid, values[i].code), values[i].shown, "%s", values[i].code);
        CHECK_STATUS(anqa_js_eval(pid, anqa_str_of(anqa_tmp_printf("[%s]", values[i].code)),
                         LONG_MS, &value, NULL, NULL),
            ANQA_OK);
        CHECK_STATUS(anqa_js_call(pid, "same", &value, LONG_MS, &back, NULL, NULL), ANQA_OK);
        CHECK(value.len == back.len && memcmp(value.ptr, back.ptr, value.len) == 0, "%s: %s",
            values[i].code, js_show(back));
        anqa_value_writer_init(&writer, anqa_tmp(), NULL);
        anqa_value_put(&writer, value);
        CHECK_STATUS(anqa_value_done(&writer, &back), ANQA_OK);
    }
    js_end(rt);
}

TEST(integers_beyond_what_a_number_holds_become_big_integers)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&same);
    anqa_value_writer writer;
    anqa_value args, got;

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_int(&writer, INT64_MIN);
    anqa_value_end(&writer);
    CHECK_STATUS(anqa_value_done(&writer, &args), ANQA_OK);
    CHECK_STATUS(anqa_js_call(pid, "type", &args, LONG_MS, &got, NULL, NULL), ANQA_OK);
    CHECK_STR(anqa_value_str(got), "bigint");
    CHECK_STATUS(anqa_js_call(pid, "same", &args, LONG_MS, &got, NULL, NULL), ANQA_OK);
    CHECK_STR(js_show(got), "[-0x8000000000000000n]");
    js_end(rt);
}

TEST(big_integers_are_sent_as_they_are_whatever_a_script_replaces)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&same);
    anqa_value value, back;
    const char *code = "BigInt.prototype.toString = () => '-'; String.prototype.slice = () => '1'; "
                       "globalThis.BigInt "
                       "= () => 5n; [2n ** 70n, -(2n ** 64n), 0n, 10n]";

    CHECK_STATUS(anqa_js_eval(pid, anqa_str_of(code), LONG_MS, &value, NULL, NULL), ANQA_OK);
    CHECK_STR(js_show(value), "[0x400000000000000000n,-0x010000000000000000n,0x0n,0x0an]");
    CHECK_STATUS(anqa_js_call(pid, "same", &value, LONG_MS, &back, NULL, NULL), ANQA_OK);
    CHECK_STR(js_show(back), "[0x400000000000000000n,-0x010000000000000000n,0x0n,0x0an]");
    js_end(rt);
}

static const struct {
    const char *code, *error;
} refused[] = {
    {"() => 1", "TypeError: a function cannot be sent"},
    {"Symbol('x')", "TypeError: a symbol cannot be sent"},
    {"new Map()", "TypeError: a Map or Set cannot be sent"},
    {"[new Set()]", "TypeError: a Map or Set cannot be sent"},
    {"[Promise.resolve()]", "TypeError: a promise cannot be sent"},
    {"new Float64Array(1)", "TypeError: a typed array other than Uint8Array cannot be sent"},
    {"'\\ud800'", "TypeError: a string with half of a surrogate pair cannot be sent"},
    {"({get a() { throw new RangeError('trap') }})", "RangeError: trap"},
    {"let a = []; for (let i = 0; i < 100; i++) a = [a]; a",
        "RangeError: a value has more than 16777216 bytes, 1000000 values or 64 levels"},
    {"Array(2e6)", "RangeError: a value has more than 16777216 bytes, 1000000 values or 64 levels"},
    {"'x'.repeat(2e7)",
        "RangeError: a value has more than 16777216 bytes, 1000000 values or 64 levels"},
};

TEST(what_cannot_be_sent_is_an_error_that_says_what)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&same);

    for (size_t i = 0; i < ANQA_COUNT(refused); i++)
        CHECK_STR(js_eval(pid, refused[i].code), refused[i].error, "%s", refused[i].code);
    CHECK_STR(js_eval(pid, "1"), "1");
    js_end(rt);
}

TEST(a_pid_cannot_be_made_or_changed_by_a_script)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&same);
    char text[ANQA_PID_TEXT];

    CHECK_STR(
        js_eval(pid, "String(Beam.self())"), anqa_tmp_printf("\"%s\"", anqa_pid_text(pid, text)));
    CHECK_STR(js_eval(pid, "Reflect.ownKeys(Beam.self()).length"), "0");
    CHECK_STR(
        js_eval(pid, "new (Beam.self().constructor)()"), "TypeError: pids are not made by scripts");
    CHECK_STR(js_eval(pid, "Beam.send(Object.create(Beam.self()), 1)"), "TypeError: not a pid");
    CHECK_STR(js_eval(pid,
                  "const seen = []; const p = new Proxy(Beam.self(), {get(t, k) { seen.push(k) }, "
                  "getOwnPropertyDescriptor(t, k) { seen.push(k) }}); try { Beam.send(p, 1) } "
                  "catch {} seen.length"),
        "0");
    js_end(rt);
}
