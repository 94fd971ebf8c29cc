/* Operations of the control socket that ask a process, or have it tell. */
#include "control/ops.h"

#include <anqa/introspect.h>
#include <anqa/memory.h>

#define TRACE_BODY 64u

/* ---------------------------------------------------------------- asking */

anqa_status control_state(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    char text[ANQA_PID_TEXT];
    anqa_json state;
    anqa_pid pid = {0};
    anqa_status status = control_find(request, &pid, err);

    if (status == ANQA_OK)
        status = anqa_sys_get_state(pid, CONTROL_ASK_MS, &state, err);
    if (status == ANQA_OK)
        *ret_answer = anqa_jsonf("{'pid': %s, 'state': %p}", anqa_pid_text(pid, text), &state);
    return status;
}

/* Without these nobody could have it go on again. */
static bool is_needed_to_resume(const struct control_request *request, anqa_pid pid)
{
    anqa_process_info info;

    if (anqa_pid_eq(pid, request->client))
        return true;
    return anqa_process_info_get(pid, &info) == ANQA_OK && info.spec != NULL &&
           (info.spec == anqa_control_server.name || info.spec == anqa_control_clients.name);
}

anqa_status control_suspend(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_pid pid = {0};

    if (control_find(request, &pid, err) == ANQA_OK && is_needed_to_resume(request, pid))
        return anqa_fail(err, ANQA_E_INVALID,
            "that is a part of the control socket: nobody could have it go on again");
    return control_act(request, ret_answer, err, anqa_sys_suspend);
}

anqa_status control_resume(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    return control_act(request, ret_answer, err, anqa_sys_resume);
}

/* ---------------------------------------------------------------- tracing */

/* True: it was the last. */
static bool pass_on(const struct control_request *request, const anqa_trace_event *event)
{
    anqa_json_writer *w = control_writer();
    anqa_json json;

    anqa_trace_event_put(w, event);
    if (anqa_json_writer_finish(w, &json) == ANQA_OK)
        control_event(request, json);
    return event->kind == ANQA_TRACE_ENDED;
}

/* Ends with the process, or by a cancel, which kills us and so ends the trace. */
anqa_status control_trace(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_trace_opts opts = {0};
    anqa_ref trace;
    anqa_pid pid = {0};
    anqa_status status = control_find(request, &pid, err);
    bool ended = false;

    if (status == ANQA_OK)
        status = control_number(request, "body", ANQA_TRACE_BODY_MAX, TRACE_BODY, &opts.body, err);

    if (status == ANQA_OK)
        status = anqa_trace(pid, &opts, &trace);
    if (status != ANQA_OK)
        return status;
    while (!ended) {
        const anqa_trace_event *event = anqa_trace_event_of(anqa_receive(ANQA_INFINITY));
        ended = event != NULL && pass_on(request, event);
    }
    *ret_answer = ANQA_JSON_LITERAL_("{\"ended\":true}");
    return ANQA_OK;
}
