#include "js/ask.h"

#include <anqa/js.h>
#include <anqa/memory.h>

#include "js/snapshot.h"

const char js_call_tag[] = "$js.call", js_eval_tag[] = "$js.eval", js_tool_tag[] = "$js.tool",
           js_info_tag[] = "$js.info", js_memory_tag[] = "$js.memory", js_reset_tag[] = "$js.reset",
           js_snapshot_tag[] = "$js.snapshot";

enum { NAME_MAX_LEN = 255 };

static const char not_ours[] = "what was asked is no JavaScript process";

static anqa_status read_error(anqa_value value, anqa_js_error *ret_error, anqa_error *err)
{
    anqa_js_error error = {.name = anqa_value_str(anqa_value_at(value, 0)),
        .message = anqa_value_str(anqa_value_at(value, 1)),
        .stack = anqa_value_str(anqa_value_at(value, 2))};

    if (ret_error != NULL)
        *ret_error = error;
    return anqa_fail(err, ANQA_E_SCRIPT, "%.*s%s%.*s\n%.*s", ANQA_FMT(error.name),
        error.name.len > 0 ? ": " : "", ANQA_FMT(error.message), ANQA_FMT(error.stack));
}

/* Asks with a payload of ours; the bytes behind the form of the answer. */
static anqa_status ask(anqa_pid to, const char *tag, int form, const char *name, anqa_str args,
    uint32_t timeout_ms, anqa_str *ret_answer, anqa_js_error *ret_error, anqa_error *err)
{
    size_t name_len = strlen(name);
    uint64_t due_ms = timeout_ms == ANQA_INFINITY ? UINT64_MAX : anqa_now_ms() + timeout_ms;
    const anqa_msg *msg = NULL;
    anqa_value value;
    anqa_status status;
    char *bytes;

    if (name_len > NAME_MAX_LEN)
        return anqa_fail(
            err, ANQA_E_INVALID, "the name of a function has more than %d bytes", NAME_MAX_LEN);
    bytes = anqa_arena_alloc(anqa_tmp(), ASK_HEAD + name_len + args.len);
    bytes[0] = (char)form;
    bytes[1] = (char)name_len;
    memcpy(bytes + 2, &due_ms, sizeof due_ms);
    /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): it has a length */
    memcpy(bytes + ASK_HEAD, name, name_len);
    if (args.len > 0)
        memcpy(bytes + ASK_HEAD + name_len, args.ptr, args.len);
    status = anqa_try_call_payload(
        to, tag, anqa_bytes(bytes, ASK_HEAD + name_len + args.len), timeout_ms, &msg, err);
    if (status != ANQA_OK)
        return status;
    if (msg->body.len > 0 && msg->body.ptr[0] == form) {
        *ret_answer = anqa_str_make(msg->body.ptr + 1, msg->body.len - 1);
        return ANQA_OK;
    }
    if (msg->body.len > 0 && msg->body.ptr[0] == FORM_ERROR &&
        anqa_value_check(msg->body.ptr + 1, msg->body.len - 1, NULL, &value) == ANQA_OK)
        return read_error(value, ret_error, err);
    return anqa_fail(err, ANQA_E_PARSE, "%s", not_ours);
}

static anqa_status ask_value(anqa_pid to, const char *tag, const char *name, anqa_str args,
    uint32_t timeout_ms, anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err)
{
    anqa_str answer = {NULL, 0};
    anqa_value value = {NULL, 0};
    anqa_status status = ask(to, tag, FORM_VALUE, name, args, timeout_ms, &answer, ret_error, err);

    if (status == ANQA_OK && anqa_value_check(answer.ptr, answer.len, NULL, &value) != ANQA_OK)
        return anqa_fail(err, ANQA_E_PARSE, "%s", not_ours);
    if (status == ANQA_OK && ret_value != NULL)
        *ret_value = value;
    return status;
}

anqa_status anqa_js_call(anqa_pid to, const char *function, const anqa_value *args,
    uint32_t timeout_ms, anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err)
{
    anqa_str bytes = args == NULL ? (anqa_str){NULL, 0} : anqa_str_make(args->ptr, args->len);

    return ask_value(to, js_call_tag, function, bytes, timeout_ms, ret_value, ret_error, err);
}

anqa_status anqa_js_eval(anqa_pid to, anqa_str source, uint32_t timeout_ms, anqa_value *ret_value,
    anqa_js_error *ret_error, anqa_error *err)
{
    return ask_value(to, js_eval_tag, "", source, timeout_ms, ret_value, ret_error, err);
}

anqa_status anqa_js_call_json(anqa_pid to, const char *function, anqa_json args,
    uint32_t timeout_ms, anqa_json *ret_json, anqa_js_error *ret_error, anqa_error *err)
{
    anqa_str answer = {NULL, 0};
    anqa_status status = ask(to, js_call_tag, FORM_JSON, function, anqa_json_text(args), timeout_ms,
        &answer, ret_error, err);

    if (status == ANQA_OK && ret_json != NULL)
        *ret_json = anqa_json_of(answer);
    return status;
}

anqa_status anqa_js_send(anqa_pid to, anqa_value value)
{
    return anqa_send(to, ANQA_JS_MESSAGE, anqa_bytes(value.ptr, value.len));
}

anqa_status anqa_js_snapshot(
    anqa_pid pid, uint32_t timeout_ms, anqa_str *ret_snapshot, anqa_error *err)
{
    const anqa_msg *msg = NULL;
    anqa_status status =
        anqa_try_call_payload(pid, js_snapshot_tag, anqa_nothing(), timeout_ms, &msg, err);

    if (status != ANQA_OK)
        return status;
    if (msg->body.len > 2 && msg->body.ptr[0] == FORM_REFUSED)
        return anqa_fail(
            err, (anqa_status)msg->body.ptr[1], "%.*s", (int)msg->body.len - 2, msg->body.ptr + 2);
    if (msg->body.len == 0 || msg->body.ptr[0] != SNAPSHOT_FIRST)
        return anqa_fail(err, ANQA_E_PARSE, "%s", not_ours);
    *ret_snapshot = anqa_str_make(msg->body.ptr, msg->body.len);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- tools */

/* Asks for one of boot.js's tools with the arguments that `writer` holds, in an array that is open. */
static anqa_status ask_tool(anqa_pid to, const char *tool, anqa_value_writer *writer,
    uint32_t timeout_ms, anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err)
{
    anqa_value args;
    anqa_status status;

    anqa_value_end(writer);
    status = anqa_value_done(writer, &args);
    if (status != ANQA_OK)
        return anqa_fail(err, status, "arguments: %s", anqa_status_text(status));
    return ask_value(to, js_tool_tag, tool, anqa_str_make(args.ptr, args.len), timeout_ms,
        ret_value, ret_error, err);
}

static anqa_value_writer arguments(void)
{
    anqa_value_writer writer;

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    return writer;
}

anqa_status anqa_js_eval_with(anqa_pid to, anqa_str source, anqa_value vars, uint32_t timeout_ms,
    anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err)
{
    anqa_value_writer writer = arguments();

    if (anqa_value_kind_of(vars) != ANQA_VALUE_MAP)
        return anqa_fail(err, ANQA_E_TYPE, "the variables are no map");
    anqa_value_put_str(&writer, source);
    anqa_value_put(&writer, vars);
    return ask_tool(to, "eval", &writer, timeout_ms, ret_value, ret_error, err);
}

anqa_status anqa_js_globals(
    anqa_pid pid, uint32_t timeout_ms, anqa_value *ret_names, anqa_error *err)
{
    anqa_value_writer writer = arguments();

    return ask_tool(pid, "globals", &writer, timeout_ms, ret_names, NULL, err);
}

anqa_status anqa_js_get_global(anqa_pid pid, anqa_str name, uint32_t timeout_ms,
    anqa_value *ret_value, anqa_js_error *ret_error, anqa_error *err)
{
    anqa_value_writer writer = arguments();

    anqa_value_put_str(&writer, name);
    return ask_tool(pid, "get", &writer, timeout_ms, ret_value, ret_error, err);
}

anqa_status anqa_js_set_global(anqa_pid pid, anqa_str name, anqa_value value, uint32_t timeout_ms,
    anqa_js_error *ret_error, anqa_error *err)
{
    anqa_value_writer writer = arguments();

    anqa_value_put_str(&writer, name);
    anqa_value_put(&writer, value);
    return ask_tool(pid, "set", &writer, timeout_ms, NULL, ret_error, err);
}

/* ---------------------------------------------------------------- structs */

static anqa_status ask_struct(anqa_pid pid, const char *tag, uint32_t timeout_ms, void *ret_struct,
    size_t size, anqa_error *err)
{
    const anqa_msg *msg = NULL;
    anqa_status status = anqa_try_call_payload(pid, tag, anqa_nothing(), timeout_ms, &msg, err);

    if (status != ANQA_OK)
        return status;
    if (msg->body.len != size)
        return anqa_fail(err, ANQA_E_PARSE, "%s", not_ours);
    memcpy(ret_struct, msg->body.ptr, size);
    return ANQA_OK;
}

anqa_status anqa_js_get_info(
    anqa_pid pid, uint32_t timeout_ms, anqa_js_info *ret_info, anqa_error *err)
{
    return ask_struct(pid, js_info_tag, timeout_ms, ret_info, sizeof *ret_info, err);
}

anqa_status anqa_js_get_memory(
    anqa_pid pid, uint32_t timeout_ms, anqa_js_memory *ret_memory, anqa_error *err)
{
    return ask_struct(pid, js_memory_tag, timeout_ms, ret_memory, sizeof *ret_memory, err);
}

anqa_status anqa_js_reset(anqa_pid pid, uint32_t timeout_ms, anqa_error *err)
{
    char done;

    return ask_struct(pid, js_reset_tag, timeout_ms, &done, sizeof done, err);
}
