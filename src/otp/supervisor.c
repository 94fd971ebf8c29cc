/* Supervisors: children in a row, started from left to right and stopped from right to left. */
#include <anqa/supervisor.h>

#include <stdio.h>
#include <string.h>

#include <anqa/log.h>

#include "otp/supervisor_int.h"

/* A message to ourselves: a restart failed, try again once others have had their turn. */
static const char retry_tag[] = "$retry";

const size_t supervisor_state_size = sizeof(struct supervisor);

/* ---------------------------------------------------------------- restarting */

static ANQA_NORETURN void give_up(struct supervisor *sup, const char *why, const char *id)
{
    anqa_log(ANQA_ERROR, "supervisor.gave_up", "supervisor=%s child=%s reason=\"%s\" next=shutdown",
        sup_name(sup), id, why);
    anqa_exit(ANQA_SHUTDOWN);
}

/* A row is addressed by its id: indices change. */
static void retry_later(struct row *row)
{
    row->restarting = true;
    (void)anqa_send(anqa_self(), retry_tag, anqa_bytes(row->spec.id, strlen(row->spec.id)));
}

/* Starts rows from left to right; the first that fails is tried again later, and those behind it with it. */
static void rows_start(struct supervisor *sup, size_t from, size_t until)
{
    anqa_error err;

    for (size_t i = from; i < until; i++) {
        struct row *row = &sup->rows[i];
        row->restarts++;
        row->restarting = false;
        if (sup_row_start(row, &err) == ANQA_OK)
            continue;
        anqa_log(ANQA_WARN, "supervisor.restart_failed", "supervisor=%s error=%s next=retry",
            sup_name(sup), err.text);
        retry_later(row);
        return;
    }
}

static void restart(struct supervisor *sup, struct row *row)
{
    size_t at = (size_t)(row - sup->rows);

    if (!intensity_add(&sup->intensity))
        give_up(sup, "too many restarts", row->spec.id);
    switch (sup->spec->strategy) {
    case ANQA_ONE_FOR_ONE: rows_start(sup, at, at + 1); return;
    case ANQA_REST_FOR_ONE:
        sup_rows_stop(sup, at, true);
        rows_start(sup, at, sup->count);
        return;
    case ANQA_ONE_FOR_ALL:
        sup_rows_stop(sup, 0, true);
        rows_start(sup, 0, sup->count);
        return;
    }
}

static struct row *row_of_pid(struct supervisor *sup, anqa_pid pid)
{
    for (size_t i = 0; i < sup->count; i++)
        if (anqa_pid_eq(sup->rows[i].pid, pid))
            return &sup->rows[i];
    return NULL;
}

static bool other_significant_runs(const struct supervisor *sup, const struct row *row)
{
    for (size_t i = 0; i < sup->count; i++)
        if (&sup->rows[i] != row && sup->rows[i].spec.significant &&
            (!anqa_pid_is_none(sup->rows[i].pid) || sup->rows[i].restarting))
            return true;
    return false;
}

static bool ends_us(const struct supervisor *sup, const struct row *row)
{
    if (!row->spec.significant || sup->spec->auto_shutdown == ANQA_NEVER)
        return false;
    return sup->spec->auto_shutdown == ANQA_ANY_SIGNIFICANT || !other_significant_runs(sup, row);
}

static void child_ended(struct supervisor *sup, struct row *row, anqa_reason reason)
{
    bool again = row->spec.restart == ANQA_PERMANENT ||
                 (row->spec.restart == ANQA_TRANSIENT && !anqa_reason_is_quiet(reason));
    bool last;

    row->pid.bits = 0;
    if (again) {
        restart(sup, row);
        return;
    }
    last = ends_us(sup, row);
    if (row->spec.restart == ANQA_TEMPORARY)
        sup_row_remove(sup, row);
    if (last)
        anqa_exit(ANQA_SHUTDOWN);
}

static void on_exit_message(struct supervisor *sup, const anqa_msg *msg)
{
    struct row *row = row_of_pid(sup, msg->from);
    char pid[ANQA_PID_TEXT];

    if (child_is_told_to_end(msg))
        anqa_exit(anqa_reason_ref(msg->u.reason));
    if (row != NULL)
        child_ended(sup, row, msg->u.reason);
    else
        anqa_log(ANQA_INFO, "supervisor.unknown_exit", "supervisor=%s from=%s", sup_name(sup),
            anqa_pid_text(msg->from, pid));
}

static void on_retry(struct supervisor *sup, const anqa_msg *msg)
{
    struct row *row = sup_row_of_id(sup, anqa_json_text(msg->body));

    if (row != NULL && row->restarting)
        restart(sup, row);
}

/* ---------------------------------------------------------------- the process */

static void supervisor_handle(void *block, const anqa_msg *msg)
{
    struct supervisor *sup = child_state(block);

    switch (msg->kind) {
    case ANQA_MSG_CALL: sup_answer(sup, msg); return;
    case ANQA_MSG_EXIT: on_exit_message(sup, msg); return;
    case ANQA_MSG_CAST:
        if (msg->tag == child_stop_tag)
            anqa_exit(child_stop_reason(msg));
        break;
    case ANQA_MSG_PLAIN:
        if (msg->tag == retry_tag) {
            on_retry(sup, msg);
            return;
        }
        break;
    case ANQA_MSG_SYSTEM: return;
    default: break;
    }
    anqa_log(ANQA_ERROR, "supervisor.unexpected_message", "supervisor=%s tag=%s next=dropped",
        sup_name(sup), msg->tag);
}

static anqa_status spec_check(const anqa_supervisor *spec, anqa_error *err)
{
    char owner[80];

    snprintf(owner, sizeof owner, "supervisor '%s'", spec->name != NULL ? spec->name : "(no name)");
    if (spec->strategy > ANQA_ONE_FOR_ALL || spec->auto_shutdown > ANQA_ALL_SIGNIFICANT)
        return anqa_fail(err, ANQA_E_INVALID,
            "%s: .strategy or .auto_shutdown is none of those there are", owner);
    for (const anqa_child_spec *at = spec->children; at != NULL && !child_spec_is_end(at); at++) {
        anqa_status status =
            child_spec_check(at, owner, (size_t)(at - spec->children), spec->auto_shutdown, err);
        if (status != ANQA_OK)
            return status;
        for (const anqa_child_spec *before = spec->children; before < at; before++)
            if (strcmp(child_spec_id(before), child_spec_id(at)) == 0)
                return anqa_fail(err, ANQA_E_INVALID,
                    "%s has two children with the id '%s': give one of them another .id", owner,
                    child_spec_id(at));
    }
    return ANQA_OK;
}

static ANQA_NORETURN void start_failed(
    struct supervisor *sup, struct child_head *head, anqa_status status, const anqa_error *err)
{
    sup_rows_stop(sup, 0, false);
    child_failed(head, status, err->text, anqa_reason_make(ANQA_REASON_SHUTDOWN, "%s", err->text));
}

static void supervisor_init(void *block)
{
    struct child_head *head = block;
    struct supervisor *sup = child_state(head);
    anqa_error err;
    anqa_status status;

    sup->spec =
        head->spec != NULL ? head->spec : child_arg(head); /* an application's is made for it */
    intensity_init(&sup->intensity, sup->spec->max_restarts, sup->spec->max_seconds);
    status = spec_check(sup->spec, &err);
    if (status != ANQA_OK)
        start_failed(sup, head, status, &err);
    child_take_name(head, sup->spec->name);
    for (const anqa_child_spec *at = sup->spec->children; at != NULL && !child_spec_is_end(at);
        at++) {
        struct row *row = sup_row_add(sup, at);
        if (sup_row_start(row, &err) != ANQA_OK)
            start_failed(sup, head, ANQA_E_STOPPED, &err);
        if (anqa_pid_is_none(row->pid) && at->restart == ANQA_TEMPORARY)
            sup_row_remove(sup, row);
    }
    child_started(head);
}

static void supervisor_terminate(void *block, anqa_reason reason)
{
    struct child_head *head = block;

    if (head->flags & HEAD_STARTED)
        sup_rows_stop(child_state(head), 0, false);
}

const anqa_behaviour supervisor_behaviour = {.name = "supervisor",
    .init = supervisor_init,
    .handle = supervisor_handle,
    .terminate = supervisor_terminate};

anqa_status anqa_supervisor_start_link(
    const anqa_supervisor *supervisor, anqa_pid *ret_pid, anqa_error *err)
{
    struct child_start start = {.kind = CHILD_SUPERVISOR,
        .spec = supervisor,
        .id = anqa_str_of(supervisor->name),
        .link = true};

    return child_start(&start, ret_pid, err);
}
