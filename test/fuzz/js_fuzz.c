/*
 * The boundary between C and JavaScript: the first byte chooses one of Beam's functions, the rest is a value whose
 * elements it is called with. Properties: whatever comes of it is an answer or an error; values come back as they were;
 * the process goes on.
 */
#include <anqa/anqa.h>

#include <stdlib.h>

static anqa_status echo(const anqa_js_request *request, anqa_value_writer *result)
{
    anqa_value_put(result, request->args);
    return ANQA_OK;
}

static const anqa_js_handler handlers[] = {{"echo", echo}, {0}};

/* What exits or waits is left out. */
static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "fuzzed",
    .source = "const names = ['call', 'callSync', 'send', 'onMessage', 'self', 'id', 'monitor', "
              "'demonitor', 'link', 'unlink'];\n"
              "export function poke(which, args) {\n"
              "  try { const r = Beam[names[which % names.length]](...(Array.isArray(args) ? args "
              ": [args]));\n"
              "    if (r instanceof Promise) r.catch(() => {}); } catch {}\n"
              "  Beam.onMessage(() => {}); return Beam.callSync('echo', args)[0]; }\n"
              "export function text(args) { console.log(args); return "
              "String(Object.keys(Object(args)).length); }\n",
    .handlers = handlers);

/* The harness that runs the corpus looks for what is left at the end; libFuzzer does not. */
__attribute__((weak)) void anqa_test_at_end(void (*check)(void));

static anqa_rt *rt;

static void stop(void)
{
    anqa_detach();
    anqa_stop(rt);
}

static anqa_pid fuzzed(void)
{
    static anqa_pid pid;
    static const anqa_options options = {.schedulers = 1};
    anqa_error err;

    if (rt == NULL) {
        anqa_log_set_level(ANQA_LOG_NONE);
        if (anqa_start(&options, &rt, &err) != ANQA_OK || anqa_attach(rt, &err) != ANQA_OK)
            abort();
        (void)anqa_trap_exit(true);
        if (anqa_test_at_end != NULL)
            anqa_test_at_end(stop);
    }
    if (!anqa_is_alive(pid) && anqa_js_start_link(&script, NULL, NULL, &pid, &err) != ANQA_OK)
        abort();
    return pid;
}

/* Numbers may come back as another kind of the same, a pid of nobody ends whoever links to it. */
static bool is_exact(anqa_value value)
{
    anqa_value_each each = anqa_value_begin(value);
    anqa_value element;

    switch (anqa_value_kind_of(value)) {
    case ANQA_VALUE_INT:
    case ANQA_VALUE_DOUBLE:
    case ANQA_VALUE_DATE:
    case ANQA_VALUE_MAP: return false;
    case ANQA_VALUE_ARRAY:
        while (anqa_value_next(&each, NULL, &element))
            if (!is_exact(element))
                return false;
        return true;
    default: return true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const anqa_value_limits limits = {.bytes = 4096, .nodes = 200};
    anqa_value_writer writer;
    anqa_value value, args, back;
    anqa_status status;
    anqa_pid pid;

    if (size < 2 || anqa_value_check(data + 1, size - 1, &limits, &value) != ANQA_OK)
        return 0;
    pid = fuzzed();
    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_int(&writer, data[0]);
    anqa_value_put(&writer, value);
    anqa_value_end(&writer);
    if (anqa_value_done(&writer, &args) != ANQA_OK) {
        (void)anqa_receive(0); /* too deep with one level more */
        return 0;
    }
    status = anqa_js_call(pid, "poke", &args, 10000, &back, NULL, NULL);
    if (status != ANQA_OK && status != ANQA_E_SCRIPT && status != ANQA_E_DIED &&
        status != ANQA_E_NOPROC)
        abort();
    if (status == ANQA_OK && is_exact(value) &&
        (back.len != value.len || memcmp(back.ptr, value.ptr, value.len) != 0))
        abort();
    while (anqa_receive(0) != NULL)
        ;
    return 0;
}
