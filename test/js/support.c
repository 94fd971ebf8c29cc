#include "support.h"

#include <inttypes.h>
#include <stdio.h>

anqa_rt *js_begin(uint16_t schedulers)
{
    return js_begin_with(&(anqa_options){.schedulers = schedulers, .watchdog_ms = ANQA_INFINITY});
}

anqa_rt *js_begin_with(const anqa_options *options)
{
    anqa_rt *rt = NULL;
    anqa_error err;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(options, &rt, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK, "%s", err.text);
    return rt;
}

void js_end(anqa_rt *rt)
{
    anqa_detach();
    anqa_stop(rt);
}

anqa_pid js_start(const anqa_js_script *script)
{
    anqa_pid pid = {0};
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_js_start_link(script, NULL, NULL, &pid, &err), ANQA_OK, "%s", err.text);
    return pid;
}

static const char *outcome(
    anqa_status status, const anqa_js_error *error, const anqa_error *err, const char *ok)
{
    if (status == ANQA_OK)
        return ok;
    if (status != ANQA_E_SCRIPT)
        return anqa_tmp_printf("%s: %s", anqa_status_name(status), err->text);
    return anqa_tmp_printf("%.*s: %.*s", ANQA_FMT(error->name), ANQA_FMT(error->message));
}

const char *js_eval(anqa_pid pid, const char *source)
{
    anqa_value value = {NULL, 0};
    anqa_js_error error = {0};
    anqa_error err = {.text = ""};
    anqa_status status = anqa_js_eval(pid, anqa_str_of(source), LONG_MS, &value, &error, &err);

    return outcome(status, &error, &err, status == ANQA_OK ? js_show(value) : NULL);
}

const char *js_call(anqa_pid pid, const char *function, const char *args)
{
    anqa_json json = {NULL, 0};
    anqa_js_error error = {0};
    anqa_error err = {.text = ""};
    anqa_status status = anqa_js_call_json(
        pid, function, anqa_json_of(anqa_str_of(args)), LONG_MS, &json, &error, &err);

    return outcome(status, &error, &err, anqa_tmp_printf("%.*s", ANQA_FMT(json)));
}

const char *js_run(anqa_pid pid, const char *code)
{
    anqa_value args, value = {NULL, 0};
    anqa_value_writer writer;
    anqa_js_error error = {0};
    anqa_error err = {.text = ""};

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_str(&writer, anqa_str_of(code));
    anqa_value_end(&writer);
    CHECK_STATUS(anqa_value_done(&writer, &args), ANQA_OK);
    if (anqa_js_call(pid, "run", &args, LONG_MS, &value, &error, &err) != ANQA_OK)
        return anqa_tmp_printf("%s", err.text);
    return js_show(value);
}

static const char *show_container(anqa_value value, bool map)
{
    anqa_value_each each = anqa_value_begin(value);
    const char *text = "", *comma = "";
    anqa_value element;
    anqa_str key = {NULL, 0};

    while (anqa_value_next(&each, &key, &element)) {
        text = map ? anqa_tmp_printf("%s%s%.*s:%s", text, comma, ANQA_FMT(key), js_show(element))
                   : anqa_tmp_printf("%s%s%s", text, comma, js_show(element));
        comma = ",";
    }
    return anqa_tmp_printf(map ? "{%s}" : "[%s]", text);
}

static const char *show_hex(anqa_str bytes, bool back)
{
    const char *text = "";

    for (size_t i = 0; i < bytes.len; i++)
        text = anqa_tmp_printf("%s%02x", text, (uint8_t)bytes.ptr[back ? bytes.len - 1 - i : i]);
    return text;
}

const char *js_show(anqa_value value)
{
    bool b = false;
    int64_t n = 0;
    double d = 0;
    uint64_t bits = 0;
    anqa_str s = anqa_value_str(value);

    switch (anqa_value_kind_of(value)) {
    case ANQA_VALUE_UNDEFINED: return "undefined";
    case ANQA_VALUE_NULL: return "null";
    case ANQA_VALUE_BOOL:
        CHECK_STATUS(anqa_value_get_bool(value, &b), ANQA_OK);
        return b ? "true" : "false";
    case ANQA_VALUE_INT:
        CHECK_STATUS(anqa_value_get_int(value, &n), ANQA_OK);
        return anqa_tmp_printf("%" PRId64, n);
    case ANQA_VALUE_DOUBLE:
        CHECK_STATUS(anqa_value_get_double(value, &d), ANQA_OK);
        return anqa_tmp_printf("%.17g", d);
    case ANQA_VALUE_BIGINT:
        CHECK_STATUS(anqa_value_get_bigint(value, &b, &s), ANQA_OK);
        return anqa_tmp_printf("%s0x%sn", b ? "-" : "", s.len == 0 ? "0" : show_hex(s, true));
    case ANQA_VALUE_STRING: return anqa_tmp_printf("\"%.*s\"", ANQA_FMT(s));
    case ANQA_VALUE_BYTES: return anqa_tmp_printf("<%s>", show_hex(s, false));
    case ANQA_VALUE_ARRAY: return show_container(value, false);
    case ANQA_VALUE_MAP: return show_container(value, true);
    case ANQA_VALUE_DATE:
        CHECK_STATUS(anqa_value_get_date(value, &d), ANQA_OK);
        return anqa_tmp_printf("Date(%.17g)", d);
    case ANQA_VALUE_PID: return "pid";
    case ANQA_VALUE_REF: CHECK_STATUS(anqa_value_get_bits(value, &bits), ANQA_OK); return "ref";
    }
    return "?";
}

const char *js_kill(anqa_pid pid)
{
    anqa_ref ref = anqa_monitor(pid);

    anqa_exit_signal(pid, ANQA_KILL);
    return js_ended(ref);
}

const char *js_ended(anqa_ref ref)
{
    const anqa_msg *down = anqa_receive_ref(ref, LONG_MS);
    char text[500];

    CHECK(down != NULL, "a process does not end");
    return anqa_tmp_printf("%s", anqa_reason_format(down->u.reason, text, sizeof text));
}
