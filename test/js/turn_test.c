/* What code in a turn rests on. */
#include "support.h"

#include "js/convert.h"
#include "js/turn.h"

/* The only JavaScript process there is; it runs the handler that asks. */
static struct js *the_process(void)
{
    return js_rt_get()->live;
}

/* Calls the script's `count` with an exception among the values; the message of what comes of it. */
static anqa_status call_with_exception(const anqa_js_request *request, anqa_value_writer *result)
{
    struct js *js = the_process();
    struct js_image *image = js->image;
    uint64_t fn, value;
    anqa_js_error error;

    fn = q_JS_GetProperty(
        &js->engine, image->ctx, image->namespace, image_export(image, anqa_str_of("count"))->atom);
    value = turn_call(js, fn,
        (uint64_t[]){convert_string(js, anqa_str_of("taken over")),
            turn_throw(js, "RangeError", "the first that failed"), JS_TRUE},
        3);
    turn_free(js, fn);
    CHECK(turn_is_exception(value));
    error = turn_exception(js);
    anqa_value_put_str(result,
        anqa_str_of(anqa_tmp_printf("%.*s: %.*s", ANQA_FMT(error.name), ANQA_FMT(error.message))));
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"call", call_with_exception}, {0}};
static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "turns",
    .source = "let calls = 0; export function count() { calls++; }\n"
              "export function counted() { return calls; }\n"
              "export function ask() { return Beam.callSync('call'); }",
    .handlers = handlers);

TEST(a_function_is_not_called_with_an_exception_among_its_values)
{
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&script);

    CHECK_STR(js_call(pid, "count", "[]"), "null");
    for (int i = 0; i < 10; i++)
        CHECK_STR(js_call(pid, "ask", "[]"), "\"RangeError: the first that failed\"");
    CHECK_STR(js_call(pid, "counted", "[]"), "1");
    js_end(rt);
}

TEST(a_call_whose_last_job_was_cut_is_answered_with_an_error)
{
    static const anqa_js_script cut = ANQA_JS_SCRIPT(.name = "cut",
        .source = "let calls = 0;\n"
                  "export async function spin() { await null; calls++; for (;;); }\n"
                  "export function counted() { return calls; }\n"
                  "export async function fine() { await null; return calls; }",
        .limits = {.turn_ms = 300});
    static const char expected[] = "InternalError: interrupted: a turn of more than 300 ms";
    anqa_rt *rt = js_begin(1);
    anqa_pid pid = js_start(&cut);

    CHECK_STR(js_call(pid, "spin", "[]"), expected);
    CHECK_STR(js_call(pid, "counted", "[]"), "1"); /* its state stays */
    CHECK_STR(js_call(pid, "fine", "[]"), "1");
    js_end(rt);
}
