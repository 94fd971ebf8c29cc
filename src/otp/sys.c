#include "otp/sys.h"

#include <string.h>

#include <anqa/introspect.h>
#include <anqa/memory.h>

#include "otp/introspect.h"
#include "runtime/probe.h"

const char sys_tag[] = "$sys";

enum sys_op {
    SYS_STATE,
    SYS_STATUS,
    SYS_REPLACE,
    SYS_SUSPEND,
    SYS_RESUME,
    SYS_COUNT,
    SYS_STATISTICS,
    SYS_LOG,
    SYS_GET_LOG
};

struct sys_request {
    uint32_t op;
    uint32_t number;
};

/* The answer is this, with the JSON or the error's text behind it. */
struct sys_answer {
    anqa_status status;
    anqa_sys_statistics statistics;
    size_t len;
};

/* ---------------------------------------------------------------- in the process */

static void answer(const anqa_msg *call, struct sys_answer head, anqa_str text)
{
    anqa_caller caller = anqa_msg_caller(call);
    char *bytes = anqa_arena_alloc(anqa_tmp(), sizeof head + text.len);

    head.len = text.len;
    memcpy(bytes, &head, sizeof head);
    if (text.len > 0)
        memcpy(bytes + sizeof head, text.ptr, text.len);
    anqa_reply_to(&caller, anqa_bytes(bytes, sizeof head + text.len));
}

static void answer_status(const anqa_msg *call, anqa_status status, const char *text)
{
    answer(call, (struct sys_answer){.status = status}, anqa_str_of(text));
}

static void answer_json(const anqa_msg *call, anqa_json json)
{
    answer(call, (struct sys_answer){.status = ANQA_OK}, anqa_json_text(json));
}

/* A zeroed one: there is none to show. */
static anqa_json state_of(struct child_head *head)
{
    const anqa_gen_server *server = head->spec;

    if (head->kind == CHILD_SUPERVISOR || head->kind == CHILD_PARTITIONS)
        return supervisor_state(head);
    if (head->kind == CHILD_DYNAMIC)
        return dynamic_state(head);
    return server->format_status == NULL ? (anqa_json){NULL, 0}
                                         : server->format_status(child_state(head));
}

static void on_state(struct child_head *head, const anqa_msg *call)
{
    anqa_json state = state_of(head);

    if (state.len == 0)
        answer_status(
            call, ANQA_E_UNSUPPORTED, "it has no format_status, so its state is not shown");
    else
        answer_json(call, state);
}

static anqa_json statistics_json(void)
{
    anqa_sys_statistics statistics;

    if (!probe_statistics(&statistics))
        return anqa_jsonf("null");
    return anqa_jsonf("{'since_ms': %llu, 'messages_in': %llu, 'messages_out': %llu, 'handled': "
                      "%llu, 'busy_ns': %llu, 'longest_ns': %llu}",
        (unsigned long long)statistics.since_ms, (unsigned long long)statistics.messages_in,
        (unsigned long long)statistics.messages_out, (unsigned long long)statistics.handled,
        (unsigned long long)statistics.busy_ns, (unsigned long long)statistics.longest_ns);
}

static void on_status(struct child_head *head, const anqa_msg *call, bool suspended)
{
    anqa_json statistics = statistics_json(), state = state_of(head), json;
    anqa_process_info info;
    anqa_json_writer w;

    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_json_begin_object(&w);
    introspect_put_pid(&w, "pid", anqa_self());
    introspect_put_pid(&w, "parent", anqa_parent());
    if (introspect_glance(anqa_self(), &info)) {
        introspect_put_text(&w, "kind", info.kind);
        introspect_put_text(&w, "spec", info.spec);
    }
    introspect_put_text(&w, "status", suspended ? "suspended" : "running");
    anqa_json_key(&w, "statistics");
    anqa_json_put_raw(&w, statistics);
    introspect_put_number(&w, "log_size", probe_log_size());
    introspect_put_number(&w, "traces", probe_traces());
    anqa_json_key(&w, "state");
    if (state.len == 0)
        anqa_json_put_null(&w);
    else
        anqa_json_put_raw(&w, state);
    anqa_json_end_object(&w);
    if (anqa_json_writer_finish(&w, &json) == ANQA_OK)
        answer_json(call, json);
    else
        answer_status(call, ANQA_E_INVALID, "what its format_status gives is no JSON");
}

static void on_replace(struct child_head *head, const anqa_msg *call)
{
    const anqa_gen_server *server = head->spec;
    anqa_json state = {
        call->body.ptr + sizeof(struct sys_request), call->body.len - sizeof(struct sys_request)};
    anqa_error err = {.text = ""};
    anqa_status status;

    if (head->kind != CHILD_SERVER || server->replace_state == NULL) {
        answer_status(
            call, ANQA_E_UNSUPPORTED, "it has no replace_state, so its state stays what it is");
        return;
    }
    status = server->replace_state(child_state(head), state, &err);
    answer_status(call, status, status == ANQA_OK ? "" : err.text);
}

static void on_statistics(const anqa_msg *call)
{
    struct sys_answer head = {.status = ANQA_OK};

    if (probe_statistics(&head.statistics))
        answer(call, head, (anqa_str){NULL, 0});
    else
        answer_status(call, ANQA_E_NOT_FOUND, "its statistics are not switched on");
}

static void put_event(void *ctx, const anqa_trace_event *event)
{
    anqa_trace_event_put(ctx, event);
}

static void on_get_log(const anqa_msg *call)
{
    anqa_json_writer w;
    anqa_json json;

    if (probe_log_size() == 0) {
        answer_status(call, ANQA_E_NOT_FOUND, "it keeps no log");
        return;
    }
    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_json_begin_array(&w);
    probe_log_each(put_event, &w);
    anqa_json_end_array(&w);
    if (anqa_json_writer_finish(&w, &json) == ANQA_OK)
        answer_json(call, json);
    else
        answer_status(call, ANQA_E_NOMEM, "its log");
}

/* True: the call was to suspend (suspended: to resume). */
static bool handle(struct child_head *head, const anqa_msg *call, bool suspended)
{
    struct sys_request request;

    memcpy(&request, call->body.ptr, sizeof request);
    switch ((enum sys_op)request.op) {
    case SYS_STATE: on_state(head, call); break;
    case SYS_STATUS: on_status(head, call, suspended); break;
    case SYS_REPLACE: on_replace(head, call); break;
    case SYS_SUSPEND: answer_status(call, ANQA_OK, ""); return !suspended;
    case SYS_RESUME: answer_status(call, ANQA_OK, ""); return suspended;
    case SYS_COUNT: answer_status(call, probe_count(request.number != 0), "statistics"); break;
    case SYS_STATISTICS: on_statistics(call); break;
    case SYS_LOG: answer_status(call, probe_log(request.number), "a log"); break;
    case SYS_GET_LOG: on_get_log(call); break;
    }
    return false;
}

static bool is_for_suspended(const anqa_msg *msg, void *arg)
{
    return msg->tag == sys_tag || msg->tag == child_stop_tag ||
           (msg->kind == ANQA_MSG_EXIT && child_is_told_to_end(msg));
}

/* The end comes as it would without us: terminate runs. */
static void suspend(struct child_head *head)
{
    for (;;) {
        const anqa_msg *msg = anqa_receive_if(is_for_suspended, NULL, ANQA_INFINITY);
        bool resumed;

        if (msg->tag == child_stop_tag)
            anqa_exit(child_stop_reason(msg));
        if (msg->kind == ANQA_MSG_EXIT)
            anqa_exit(anqa_reason_ref(msg->u.reason));
        resumed = handle(head, msg, true);
        anqa_msg_free(msg);
        if (resumed)
            return;
        anqa_arena_reset(
            anqa_tmp()); /* all of it is our answers': this event has done nothing else */
    }
}

void sys_handle(struct child_head *head, const anqa_msg *call)
{
    if (handle(head, call, false))
        suspend(head);
}

/* ---------------------------------------------------------------- asking */

static anqa_status check(anqa_pid pid, anqa_error *err)
{
    char text[ANQA_PID_TEXT];
    bool alive;

    anqa_pid_text(pid, text);
    if (anqa_pid_eq(pid, anqa_self()))
        return anqa_fail(err, ANQA_E_INVALID, "%s asks itself, and would wait for ever", text);
    if (introspect_is_child(pid, &alive))
        return ANQA_OK;
    if (!alive)
        return anqa_fail(err, ANQA_E_NOPROC, "%s is no process, or has ended", text);
    return anqa_fail(err, ANQA_E_UNSUPPORTED,
        "%s is neither a server nor a supervisor: it answers no such questions", text);
}

static anqa_status read_answer(
    const anqa_msg *msg, struct sys_answer *ret_head, anqa_json *ret_json, anqa_error *err)
{
    if (msg->body.len < sizeof *ret_head)
        return anqa_fail(err, ANQA_E_TYPE, "what answered is neither a server nor a supervisor");
    memcpy(ret_head, msg->body.ptr, sizeof *ret_head);
    *ret_json = (anqa_json){msg->body.ptr + sizeof *ret_head, ret_head->len};
    if (ret_head->status != ANQA_OK)
        return anqa_fail(err, ret_head->status, "%.*s", (int)ret_json->len, ret_json->ptr);
    return ANQA_OK;
}

static anqa_status ask_with(anqa_pid pid, enum sys_op op, uint32_t number, anqa_str more,
    uint32_t timeout_ms, struct sys_answer *ret_head, anqa_json *ret_json, anqa_error *err)
{
    struct sys_request request = {.op = op, .number = number};
    anqa_status status = check(pid, err);
    const anqa_msg *msg;
    char *bytes;

    if (status != ANQA_OK)
        return status;
    bytes = anqa_arena_alloc(anqa_tmp(), sizeof request + more.len);
    memcpy(bytes, &request, sizeof request);
    if (more.len > 0)
        memcpy(bytes + sizeof request, more.ptr, more.len);
    status = anqa_try_call_payload(pid, sys_tag, anqa_bytes(bytes, sizeof request + more.len),
        timeout_ms == 0 ? ANQA_CALL_TIMEOUT_MS : timeout_ms, &msg, err);
    return status == ANQA_OK ? read_answer(msg, ret_head, ret_json, err) : status;
}

static anqa_status ask_for_json(
    anqa_pid pid, enum sys_op op, uint32_t timeout_ms, anqa_json *ret_json, anqa_error *err)
{
    struct sys_answer head;
    anqa_json json;
    anqa_status status = ask_with(pid, op, 0, (anqa_str){NULL, 0}, timeout_ms, &head, &json, err);

    if (status == ANQA_OK)
        *ret_json = json;
    return status;
}

static anqa_status tell(
    anqa_pid pid, enum sys_op op, uint32_t number, uint32_t timeout_ms, anqa_error *err)
{
    struct sys_answer head;
    anqa_json json;

    return ask_with(pid, op, number, (anqa_str){NULL, 0}, timeout_ms, &head, &json, err);
}

anqa_status anqa_sys_get_state(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_state, anqa_error *err)
{
    return ask_for_json(pid, SYS_STATE, timeout_ms, ret_state, err);
}

anqa_status anqa_sys_get_status(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_status, anqa_error *err)
{
    return ask_for_json(pid, SYS_STATUS, timeout_ms, ret_status, err);
}

anqa_status anqa_sys_replace_state(
    anqa_pid pid, anqa_json state, uint32_t timeout_ms, anqa_error *err)
{
    struct sys_answer head;
    anqa_json json;

    return ask_with(pid, SYS_REPLACE, 0, anqa_json_text(state), timeout_ms, &head, &json, err);
}

anqa_status anqa_sys_suspend(anqa_pid pid, uint32_t timeout_ms, anqa_error *err)
{
    return tell(pid, SYS_SUSPEND, 0, timeout_ms, err);
}

anqa_status anqa_sys_resume(anqa_pid pid, uint32_t timeout_ms, anqa_error *err)
{
    return tell(pid, SYS_RESUME, 0, timeout_ms, err);
}

anqa_status anqa_sys_count(anqa_pid pid, bool on, uint32_t timeout_ms, anqa_error *err)
{
    return tell(pid, SYS_COUNT, on, timeout_ms, err);
}

anqa_status anqa_sys_get_statistics(
    anqa_pid pid, uint32_t timeout_ms, anqa_sys_statistics *ret_statistics, anqa_error *err)
{
    struct sys_answer head;
    anqa_json json;
    anqa_status status =
        ask_with(pid, SYS_STATISTICS, 0, (anqa_str){NULL, 0}, timeout_ms, &head, &json, err);

    if (status == ANQA_OK)
        *ret_statistics = head.statistics;
    return status;
}

anqa_status anqa_sys_log(anqa_pid pid, uint32_t size, uint32_t timeout_ms, anqa_error *err)
{
    if (size > ANQA_SYS_LOG_MAX)
        return anqa_fail(
            err, ANQA_E_RANGE, "a log of %u events; at most %u are kept", size, ANQA_SYS_LOG_MAX);
    return tell(pid, SYS_LOG, size, timeout_ms, err);
}

anqa_status anqa_sys_get_log(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_events, anqa_error *err)
{
    return ask_for_json(pid, SYS_GET_LOG, timeout_ms, ret_events, err);
}
