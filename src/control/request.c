/* A request of a control client: the process that an operation runs in, and what it says. */
#include "control/control.h"

#include <ctype.h>
#include <stdio.h>

#include <anqa/memory.h>

#include "base/utf8.h"

/* ---------------------------------------------------------------- lines */

const char *control_code(anqa_status status)
{
    char *code = anqa_tmp_printf("%s", anqa_status_name(status) + strlen("E_"));

    for (char *c = code; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return code;
}

/* A line has one newline, at its end: between the parts of a JSON text a blank does as well, and strings have none. */
static anqa_str line_finish(anqa_json json)
{
    char *line = anqa_tmp_copy(json.ptr, json.len);

    for (size_t i = 0; i < json.len; i++)
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    line[json.len] = '\n'; /* in place of the NUL */
    return anqa_str_make(line, json.len + 1);
}

static void writer_begin(anqa_json_writer *w, const uint64_t *id)
{
    anqa_json_writer_init(w, anqa_tmp(), CONTROL_ANSWER_MAX);
    anqa_json_begin_object(w);
    anqa_json_key(w, "id");
    if (id == NULL)
        anqa_json_put_null(w);
    else
        anqa_json_put_uint(w, *id);
}

/* {0}: more than an answer may have. */
static anqa_str value_line(uint64_t id, const char *key, anqa_json value)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    anqa_json json;

    writer_begin(w, &id);
    anqa_json_key(w, key);
    anqa_json_put_raw(w, value);
    anqa_json_end_object(w);
    if (anqa_json_writer_finish(w, &json) != ANQA_OK)
        return (anqa_str){0};
    return line_finish(json);
}

anqa_str control_utf8(anqa_str text)
{
    char *copy;

    if (utf8_valid(text.ptr, text.len))
        return text;
    copy = anqa_tmp_copy(text.ptr, text.len);
    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_char_len(copy + i, copy + text.len);
        if (n == 0)
            copy[i] = '?';
        i += n == 0 ? 1 : n;
    }
    return anqa_str_make(copy, text.len);
}

anqa_str control_error_line(const uint64_t *id, const char *code, const char *message)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    anqa_str text = control_utf8(anqa_str_of(message));
    anqa_json json;

    writer_begin(w, id);
    anqa_json_key(w, "error");
    anqa_json_format(w, "{'code': %s, 'message': %.*s}", code, ANQA_FMT(text));
    anqa_json_end_object(w);
    ANQA_REQUIRE(anqa_json_writer_finish(w, &json) == ANQA_OK);
    return line_finish(json);
}

anqa_str control_ok_line(uint64_t id, anqa_json answer)
{
    anqa_str line = value_line(id, "ok", answer);

    if (line.len > 0)
        return line;
    return control_error_line(&id, "limit", "the answer is longer than 8 MiB");
}

/* ---------------------------------------------------------------- the process */

/* Its state: the request, then the text of its arguments. */
struct process {
    struct control_request request;
    size_t args_len;
    char args[];
};

static void to_client(const struct control_request *request, const char *tag, anqa_str line)
{
    (void)anqa_call_payload(request->client, tag, anqa_bytes(line.ptr, line.len), ANQA_INFINITY);
}

void control_event(const struct control_request *request, anqa_json event)
{
    to_client(request, control_event_tag, value_line(request->id, "event", event));
}

static anqa_status run_program_op(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_error bad;
    anqa_status status = request->program_op->run(request->args, ret_answer, err);

    if (status != ANQA_OK || ret_answer->len == 0)
        return status;
    status = anqa_json_check(anqa_json_text(*ret_answer), NULL, &bad);
    if (status == ANQA_OK)
        return ANQA_OK;
    return anqa_fail(err, status == ANQA_E_PARSE ? ANQA_E_INVALID : status,
        "the operation's answer is not to be sent: %s", bad.text);
}

static void process_run(void *state)
{
    struct process *process = state;
    struct control_request *request = &process->request;
    anqa_json answer = ANQA_JSON_NULL;
    anqa_error err = {.text = ""};
    anqa_status status;

    request->args = (anqa_json){process->args, process->args_len};
    status = request->op != NULL ? request->op->run(request, &answer, &err)
                                 : run_program_op(request, &answer, &err);
    to_client(request, control_answer_tag,
        status == ANQA_OK ? control_ok_line(request->id, answer)
                          : control_error_line(&request->id, control_code(status),
                                err.text[0] != '\0' ? err.text : anqa_status_text(status)));
}

anqa_status control_request_start(const struct control_request *request, anqa_pid *ret_pid)
{
    size_t size = sizeof(struct process) + request->args.len;
    struct process *process = anqa_arena_calloc(anqa_tmp(), 1, size);
    anqa_spawn_opts opts = {.run = process_run,
        .arg = process,
        .arg_size = size,
        .label = request->op != NULL ? request->op->name : request->program_op->name,
        .link = true,
        .heap_quota = CONTROL_REQUEST_QUOTA};

    process->request = *request;
    process->args_len = request->args.len;
    memcpy(process->args, request->args.ptr, request->args.len);
    return anqa_spawn(&opts, ret_pid, NULL);
}
