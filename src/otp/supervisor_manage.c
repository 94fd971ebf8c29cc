/* What supervisors are asked: to add, stop, restart and forget children, and which there are. */
#include <string.h>

#include <anqa/memory.h>

#include "otp/requests.h"
#include "otp/supervisor_int.h"

static bool runs(const struct row *row)
{
    return !anqa_pid_is_none(row->pid) || row->restarting;
}

static const char *doing(const struct row *row)
{
    if (row->restarting)
        return "waits to be started again: terminate it first";
    return runs(row) ? "runs already: terminate it first"
                     : "is there already, but has ended: restart or delete it";
}

static void *copy(const void *bytes, size_t len, size_t room)
{
    char *made = anqa_heap_calloc(1, room == 0 ? 1 : room);

    if (len > 0)
        memcpy(made, bytes, len);
    return made;
}

static void on_start_child(struct supervisor *sup, const anqa_msg *msg, const anqa_caller *caller)
{
    const char *arg = msg->body.ptr + sizeof(struct request_add);
    struct request_add request;
    struct row *row;
    anqa_str id;
    anqa_error err;
    anqa_status status;

    memcpy(&request, msg->body.ptr, sizeof request);
    id = anqa_str_make(arg + request.arg_size, request.id_len);
    row = sup_row_of_id(sup, id);
    if (row != NULL) {
        request_answer(caller, runs(row) ? ANQA_E_RUNNING : ANQA_E_EXISTS, row->pid,
            "child '%s' %s", row->spec.id, doing(row));
        return;
    }
    status =
        child_spec_check(&request.spec, sup_name(sup), sup->count, sup->spec->auto_shutdown, &err);
    if (status != ANQA_OK) {
        request_answer(caller, status, (anqa_pid){0}, "%s", err.text);
        return;
    }
    row = sup_row_add(sup, &request.spec);
    row->owns_id = true;
    row->spec.id = copy(id.ptr, id.len, id.len + 1);
    row->owns_arg = request.arg_size > 0;
    if (row->owns_arg)
        row->spec.arg = copy(arg, request.arg_size, request.arg_size);
    status = sup_row_start(sup, row, &err);
    if (status != ANQA_OK) {
        sup_row_remove(sup, row);
        request_answer(caller, status, (anqa_pid){0}, "%s", err.text);
        return;
    }
    if (anqa_pid_is_none(row->pid))
        status = ANQA_E_IGNORE;
    request_answer(caller, status, row->pid, "%s", status == ANQA_OK ? "" : "init said ignore");
    if (status == ANQA_E_IGNORE && row->spec.restart == ANQA_TEMPORARY)
        sup_row_remove(sup, row);
}

static struct row *wanted_row(
    struct supervisor *sup, const anqa_msg *msg, const anqa_caller *caller)
{
    anqa_str id = anqa_json_text(msg->body);
    struct row *row = sup_row_of_id(sup, id);

    if (row == NULL)
        request_answer(caller, ANQA_E_NOT_FOUND, (anqa_pid){0}, "supervisor %s has no child '%.*s'",
            sup_name(sup), ANQA_FMT(id));
    return row;
}

static void on_terminate_child(
    struct supervisor *sup, const anqa_msg *msg, const anqa_caller *caller)
{
    struct row *row = wanted_row(sup, msg, caller);

    bool others_wait;

    if (row == NULL)
        return;
    others_wait = row->retry.bits != 0;
    sup_row_stop(row);
    request_done(caller, (anqa_pid){0});
    if (others_wait)
        sup_group_start(sup, row);
    else if (row->spec.restart == ANQA_TEMPORARY)
        sup_row_remove(sup, row);
}

static void on_restart_child(struct supervisor *sup, const anqa_msg *msg, const anqa_caller *caller)
{
    struct row *row = wanted_row(sup, msg, caller);
    anqa_error err;
    anqa_status status;

    if (row == NULL)
        return;
    if (runs(row)) {
        request_answer(caller, ANQA_E_RUNNING, row->pid, "child '%s' %s", row->spec.id, doing(row));
        return;
    }
    status = sup_row_start(sup, row, &err);
    if (status == ANQA_OK && anqa_pid_is_none(row->pid))
        status = anqa_fail(&err, ANQA_E_IGNORE, "init said ignore");
    request_answer(caller, status, row->pid, "%s", status == ANQA_OK ? "" : err.text);
}

static void on_delete_child(struct supervisor *sup, const anqa_msg *msg, const anqa_caller *caller)
{
    struct row *row = wanted_row(sup, msg, caller);

    if (row == NULL)
        return;
    if (runs(row)) {
        request_answer(caller, ANQA_E_RUNNING, row->pid, "child '%s' %s", row->spec.id, doing(row));
        return;
    }
    sup_row_remove(sup, row);
    request_done(caller, (anqa_pid){0});
}

static anqa_child_state state_of(const struct row *row)
{
    if (row->restarting)
        return ANQA_CHILD_RESTARTING;
    return anqa_pid_is_none(row->pid) ? ANQA_CHILD_ENDED : ANQA_CHILD_RUNNING;
}

static void on_which_children(const struct supervisor *sup, const anqa_caller *caller)
{
    struct request_list list = {NULL, 0, 0};

    for (size_t i = sup->count; i-- > 0;) {
        const struct row *row = &sup->rows[i];
        struct request_child child = {.pid = row->pid,
            .id_len = (uint32_t)strlen(row->spec.id),
            .exit_len = (uint32_t)strlen(row->last_exit),
            .restarts = row->restarts,
            .kind =
                child_spec_is_supervisor(&row->spec) ? ANQA_CHILD_SUPERVISOR : ANQA_CHILD_WORKER,
            .state = (uint8_t)state_of(row),
            .restart = (uint8_t)row->spec.restart};
        request_list_add(&list, &child, row->spec.id, row->last_exit);
    }
    anqa_reply_to(caller, anqa_bytes(list.bytes, list.len));
}

static void on_count_children(const struct supervisor *sup, const anqa_caller *caller)
{
    anqa_child_counts counts = {.specs = sup->count};

    for (size_t i = 0; i < sup->count; i++) {
        counts.active += !anqa_pid_is_none(sup->rows[i].pid);
        counts.supervisors += child_spec_is_supervisor(&sup->rows[i].spec);
    }
    counts.workers = counts.specs - counts.supervisors;
    anqa_reply_to(caller, anqa_bytes(&counts, sizeof counts));
}

void sup_answer(struct supervisor *sup, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);

    if (sup->model != NULL && msg->tag == request_resize_tag)
        sup_on_resize(sup, msg, &caller);
    else if (sup->model == NULL && msg->tag == request_add_tag)
        on_start_child(sup, msg, &caller);
    else if (sup->model == NULL && msg->tag == request_delete_tag)
        on_delete_child(sup, msg, &caller);
    else if (msg->tag == request_terminate_tag)
        on_terminate_child(sup, msg, &caller);
    else if (msg->tag == request_restart_tag)
        on_restart_child(sup, msg, &caller);
    else if (msg->tag == request_which_tag)
        on_which_children(sup, &caller);
    else if (msg->tag == request_count_tag)
        on_count_children(sup, &caller);
    else
        request_answer(&caller, ANQA_E_UNSUPPORTED, (anqa_pid){0},
            "a %ssupervisor does not know the call '%s'", sup->model != NULL ? "partition " : "",
            msg->tag);
}
