/* Operations of the control socket that look into JavaScript processes. */
#include "control/ops.h"

#include <anqa/introspect.h>
#include <anqa/js_debug.h>
#include <anqa/memory.h>

#define PROFILE_MS 5000u

/* ---------------------------------------------------------------- who there is */

static void put_process(anqa_json_writer *w, const anqa_js_process *process)
{
    char pid[ANQA_PID_TEXT];

    anqa_json_format(w,
        "{'pid': %s, 'script': %s, 'status': %s, 'memory': %zu, 'memory_limit': %zu, 'turns': "
        "%llu, 'preemptions': %llu, 'time_ms': %llu}",
        anqa_pid_text(process->pid, pid), process->script, anqa_js_status_text(process->status),
        process->memory, process->memory_limit, (unsigned long long)process->turns,
        (unsigned long long)process->preemptions, (unsigned long long)process->time_ms);
}

anqa_status control_js_processes(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_json_writer *w = control_writer();
    anqa_js_process *processes = NULL;
    size_t count = 0;
    uint32_t limit = 0;
    anqa_status status = control_number(request, "limit", ANQA_JS_PROCESSES_MAX, 0, &limit, err);

    if (status == ANQA_OK)
        status = anqa_js_processes(limit, &processes, &count);
    if (status != ANQA_OK)
        return status;
    anqa_json_begin_object(w);
    anqa_json_key(w, "processes");
    anqa_json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        put_process(w, &processes[i]);
    anqa_json_end_array(w);
    anqa_json_end_object(w);
    return anqa_json_writer_finish(w, ret_answer);
}

/* ---------------------------------------------------------------- asking one */

/* {"pid": ..., key: what it answers} */
static anqa_status ask(const struct control_request *request, const char *key,
    anqa_status (*question)(
        anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_json, anqa_error *err),
    anqa_json *ret_answer, anqa_error *err)
{
    anqa_json_writer *w = control_writer();
    char text[ANQA_PID_TEXT];
    anqa_json json;
    anqa_pid pid = {0};
    anqa_status status = control_find(request, &pid, err);

    if (status == ANQA_OK)
        status = question(pid, CONTROL_ASK_MS, &json, err);
    if (status != ANQA_OK)
        return status;
    anqa_json_begin_object(w);
    anqa_json_key(w, "pid");
    anqa_json_put_str(w, anqa_str_of(anqa_pid_text(pid, text)));
    anqa_json_key(w, key);
    anqa_json_put_raw(w, json);
    anqa_json_end_object(w);
    return anqa_json_writer_finish(w, ret_answer);
}

anqa_status control_js_variables(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    return ask(request, "variables", anqa_js_variables, ret_answer, err);
}

anqa_status control_js_stack(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    return ask(request, "stack", anqa_js_stack, ret_answer, err);
}

anqa_status control_js_report(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    return ask(request, "report", anqa_js_report, ret_answer, err);
}

anqa_status control_js_pause(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    return control_act(request, ret_answer, err, anqa_js_pause);
}

anqa_status control_js_resume(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    return control_act(request, ret_answer, err, anqa_js_resume);
}

/* ---------------------------------------------------------------- profiles */

anqa_status control_js_profile(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_str script = anqa_json_str(request->args, "script"), folded;
    anqa_js_profile_opts opts = {.pid = {0}};
    anqa_js_profile_result result = {.samples = 0};
    anqa_status status =
        control_number(request, "time_ms", ANQA_JS_PROFILE_MS_MAX, PROFILE_MS, &opts.time_ms, err);

    if (status == ANQA_OK && anqa_json_str(request->args, "process").len > 0)
        status = control_find(request, &opts.pid, err);
    if (script.len > 0)
        opts.script = anqa_tmp_copy(script.ptr, script.len);
    if (status == ANQA_OK)
        status = anqa_js_profile(&opts, &result, err);
    if (status != ANQA_OK)
        return status;
    folded = control_utf8(result.folded);
    *ret_answer = anqa_jsonf("{'folded': %.*s, 'samples': %llu, 'lost': %llu}", ANQA_FMT(folded),
        (unsigned long long)result.samples, (unsigned long long)result.lost);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- coverage */

anqa_status control_js_coverage(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_json coverage;
    anqa_status status = anqa_js_coverage(&coverage, err);

    if (status == ANQA_OK)
        *ret_answer = anqa_jsonf("{'scripts': %p}", &coverage);
    return status;
}
