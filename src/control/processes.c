/* Operations of the control socket that look at processes, and act on one. */
#include "control/ops.h"

#include <anqa/introspect.h>
#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/metrics.h>

#define TREE_DEPTH_MAX 64u

anqa_json_writer *control_writer(void)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);

    anqa_json_writer_init(w, anqa_tmp(), CONTROL_ANSWER_MAX);
    return w;
}

/* The process that the arguments name. */
anqa_status control_find(const struct control_request *request, anqa_pid *ret_pid, anqa_error *err)
{
    anqa_str text = anqa_json_str(request->args, "process");

    if (text.len == 0)
        return anqa_fail(err, ANQA_E_INVALID, "\"process\" is needed: a pid or a name");
    if (anqa_process_find(text, ret_pid) != ANQA_OK)
        return anqa_fail(err, ANQA_E_NOT_FOUND, "there is no process '%.*s'",
            (int)(text.len < 100 ? text.len : 100), text.ptr);
    return ANQA_OK;
}

anqa_status control_number(const struct control_request *request, const char *key, uint32_t max,
    uint32_t otherwise, uint32_t *ret_number, anqa_error *err)
{
    uint64_t number = otherwise;
    anqa_json value;

    if (anqa_json_get(request->args, key, &value) == ANQA_OK &&
        (anqa_json_to_uint(value, &number) != ANQA_OK || number > max))
        return anqa_fail(err, ANQA_E_RANGE, "\"%s\" is a number from 0 to %u", key, max);
    *ret_number = (uint32_t)number;
    return ANQA_OK;
}

static anqa_json pid_answer(anqa_pid pid)
{
    char text[ANQA_PID_TEXT];

    return anqa_jsonf("{'pid': %s}", anqa_pid_text(pid, text));
}

/* ---------------------------------------------------------------- looking */

anqa_status control_info(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_json_writer *w = control_writer();
    anqa_process_info info;
    anqa_pid pid = {0};
    anqa_status status = control_find(request, &pid, err);

    if (status == ANQA_OK)
        status = anqa_process_info_get(pid, &info);
    if (status != ANQA_OK)
        return status;
    anqa_process_info_put(w, &info);
    return anqa_json_writer_finish(w, ret_answer);
}

static anqa_status sort_of(anqa_str name, anqa_process_sort *ret_sort, anqa_error *err)
{
    static const char *const sorts[] = {[ANQA_SORT_NONE] = "none",
        [ANQA_SORT_MAILBOX] = "mailbox",
        [ANQA_SORT_MEMORY] = "memory",
        [ANQA_SORT_HANDLED] = "handled"};

    *ret_sort = ANQA_SORT_NONE;
    for (size_t i = 0; i < ANQA_COUNT(sorts); i++) {
        if (anqa_str_is(name, sorts[i]) || name.len == 0) {
            *ret_sort = (anqa_process_sort)i;
            return ANQA_OK;
        }
    }
    return anqa_fail(err, ANQA_E_INVALID,
        "there is no order '%.*s'; there are mailbox, memory, handled, none",
        (int)(name.len < 40 ? name.len : 40), name.ptr);
}

anqa_status control_process_list(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_process_list_opts opts = {0};
    anqa_json_writer *w = control_writer();
    anqa_process_info *infos;
    size_t count;
    anqa_status status = sort_of(anqa_json_str(request->args, "sort"), &opts.sort, err);

    if (status == ANQA_OK)
        status = control_number(request, "limit", ANQA_PROCESS_LIST_MAX, 0, &opts.limit, err);
    if (status != ANQA_OK)
        return status;
    status = anqa_process_list(&opts, &infos, &count);
    if (status != ANQA_OK)
        return status;
    anqa_json_begin_object(w);
    anqa_json_key(w, "processes");
    anqa_json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        anqa_process_info_put(w, &infos[i]);
    anqa_json_end_array(w);
    anqa_json_end_object(w);
    return anqa_json_writer_finish(w, ret_answer);
}

anqa_status control_system(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_system_info *info = anqa_arena_alloc(anqa_tmp(), sizeof *info);
    anqa_json_writer *w = control_writer();

    anqa_system_info_get(info);
    anqa_system_info_put(w, NULL, info);
    return anqa_json_writer_finish(w, ret_answer);
}

anqa_status control_metrics(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_str text = control_utf8(anqa_metrics_text());

    *ret_answer =
        anqa_jsonf("{'type': %s, 'text': %.*s}", ANQA_METRICS_CONTENT_TYPE, ANQA_FMT(text));
    return ANQA_OK;
}

anqa_status control_tree(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    anqa_tree_opts opts = {0};
    anqa_json_writer *w = control_writer();
    anqa_status status = control_number(request, "depth", TREE_DEPTH_MAX, 0, &opts.depth, err);

    if (status == ANQA_OK)
        status = control_number(request, "limit", UINT32_MAX, 0, &opts.limit, err);
    if (status == ANQA_OK)
        status = anqa_tree_put(w, (anqa_pid){0}, &opts);
    return status == ANQA_OK ? anqa_json_writer_finish(w, ret_answer) : status;
}

/* ---------------------------------------------------------------- acting */

anqa_status control_act(const struct control_request *request, anqa_json *ret_answer,
    anqa_error *err, anqa_status (*action)(anqa_pid pid, uint32_t timeout_ms, anqa_error *err))
{
    char text[ANQA_PID_TEXT];
    anqa_pid pid = {0};
    anqa_status status = control_find(request, &pid, err);

    if (status == ANQA_OK)
        status = action(pid, CONTROL_ASK_MS, err);
    if (status != ANQA_OK)
        return status;
    anqa_log(ANQA_NOTICE, "control.acted", "operation=%s process=%s", request->op->name,
        anqa_pid_text(pid, text));
    *ret_answer = pid_answer(pid);
    return ANQA_OK;
}

static anqa_status kill_process(anqa_pid pid, uint32_t timeout_ms, anqa_error *err)
{
    if (!anqa_is_alive(pid))
        return anqa_fail(err, ANQA_E_NOPROC, "it has ended already");
    anqa_exit_signal(pid, ANQA_KILL);
    return ANQA_OK;
}

anqa_status control_kill(
    const struct control_request *request, anqa_json *ret_answer, anqa_error *err)
{
    return control_act(request, ret_answer, err, kill_process);
}
