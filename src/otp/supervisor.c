/* Supervisors: children in a row, started from left to right and stopped from right to left. */
#include <anqa/supervisor.h>

#include <stdio.h>
#include <string.h>

#include <anqa/log.h>

#include "otp/supervisor_int.h"
#include "otp/requests.h"
#include "otp/sys.h"

/* A timer of ours: the wait before a restart is over. */
static const char retry_tag[] = "$retry";

const size_t supervisor_state_size = sizeof(struct supervisor);

/* ---------------------------------------------------------------- restarting */

static ANQA_NORETURN void give_up(struct supervisor *sup, const char *why, const char *id)
{
    anqa_log(ANQA_ERROR, "supervisor.gave_up", "supervisor=%s child=%s reason=\"%s\" next=shutdown",
        sup_name(sup), id, why);
    anqa_exit(ANQA_SHUTDOWN);
}

/* The rows that the restart of one takes along are those from here on: itself, or it and all to its right, or all. */
static size_t group_begin(const struct supervisor *sup, const struct row *row)
{
    return sup->spec->strategy == ANQA_ONE_FOR_ALL ? 0 : (size_t)(row - sup->rows);
}

static size_t group_end(const struct supervisor *sup, const struct row *row)
{
    return sup->spec->strategy == ANQA_ONE_FOR_ONE ? (size_t)(row - sup->rows) + 1 : sup->count;
}

/* Stops them, and notes that they are to be started. Returns where the row is now, as temporary children go. */
static struct row *group_stop(struct supervisor *sup, struct row *row)
{
    const char *id = row->spec.id;

    if (sup->spec->strategy != ANQA_ONE_FOR_ONE) {
        sup_rows_stop(sup, group_begin(sup, row), true);
        row = sup_row_of_id(sup, anqa_str_of(id));
    }
    for (size_t i = group_begin(sup, row); i < group_end(sup, row); i++)
        sup->rows[i].restarting = true;
    return row;
}

/* Those that depend on it are stopped at once, and wait with it. */
static void restart(struct supervisor *sup, struct row *row, uint64_t lived_ms)
{
    uint32_t wait_ms = child_spec_wait(&row->spec, lived_ms, &row->failures);

    if (!intensity_add(&sup->intensity))
        give_up(sup, "too many restarts", row->spec.id);
    child_log_wait(sup_name(sup), anqa_str_of(row->spec.id), wait_ms);
    row = group_stop(sup, row);
    if (wait_ms == 0 && lived_ms != CHILD_NEVER_LIVED)
        sup_group_start(sup, row);
    else /* others have their turn */
        row->retry = anqa_send_after(anqa_self(), retry_tag, anqa_nothing(), wait_ms);
}

/* The first that fails is tried again later, and those behind it with it. */
void sup_group_start(struct supervisor *sup, struct row *row)
{
    size_t end = group_end(sup, row);
    anqa_error err;

    for (size_t i = group_begin(sup, row); i < end; i++) {
        row = &sup->rows[i];
        if (row->retry.bits != 0) /* it waits on its own account, and those behind it for it */
            return;
        if (!row->restarting)
            continue;
        row->restarts++;
        row->restarting = false;
        if (sup_row_start(sup, row, &err) == ANQA_OK)
            continue;
        anqa_log(ANQA_WARN, "supervisor.restart_failed", "supervisor=%s error=%s next=retry",
            sup_name(sup), err.text);
        restart(sup, row, CHILD_NEVER_LIVED);
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
    bool again = child_spec_restarts(&row->spec, reason), last;

    child_log_end(sup_name(sup), anqa_str_of(row->spec.id), row->pid, reason, again);
    row->pid.bits = 0;
    anqa_reason_format(reason, row->last_exit, sizeof row->last_exit);
    if (again) {
        restart(sup, row, anqa_now_ms() - row->started_ms);
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

/* A timer that fired when its row had just been stopped is nobody's. */
static void on_retry(struct supervisor *sup, anqa_ref timer)
{
    for (size_t i = 0; i < sup->count; i++) {
        struct row *row = &sup->rows[i];
        if (row->retry.bits == timer.bits) {
            row->retry.bits = 0;
            sup_group_start(sup, row);
            return;
        }
    }
}

anqa_json supervisor_state(struct child_head *head)
{
    static const char *const strategies[] = {[ANQA_ONE_FOR_ONE] = "one_for_one",
        [ANQA_REST_FOR_ONE] = "rest_for_one",
        [ANQA_ONE_FOR_ALL] = "one_for_all"};
    const struct supervisor *sup = child_state(head);

    return anqa_jsonf("{'name': %s, 'strategy': %s, 'max_restarts': %u, 'max_seconds': %u, "
                      "'children': %zu}",
        sup->spec->name, strategies[sup->spec->strategy], sup->intensity.max,
        sup->intensity.period_ms / 1000, sup->count);
}

/* ---------------------------------------------------------------- the process */

static void supervisor_handle(void *block, const anqa_msg *msg)
{
    struct supervisor *sup = child_state(block);

    if (msg->tag == sys_tag) {
        sys_handle(block, msg);
        return;
    }
    switch (msg->kind) {
    case ANQA_MSG_CALL: sup_answer(sup, msg); return;
    case ANQA_MSG_EXIT: on_exit_message(sup, msg); return;
    case ANQA_MSG_CAST:
        if (msg->tag == child_stop_tag)
            anqa_exit(child_stop_reason(msg));
        break;
    case ANQA_MSG_TIMEOUT:
        if (msg->tag == retry_tag) {
            on_retry(sup, msg->ref);
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

/* An application's spec is made for it, and that of a partition supervisor is none of ours. */
static anqa_status spec_take(struct supervisor *sup, struct child_head *head, anqa_error *err)
{
    anqa_status status = ANQA_OK;

    if (head->kind == CHILD_PARTITIONS) {
        sup->model = head->spec;
        sup->own = (anqa_supervisor){.name = sup->model->name,
            .strategy = sup->model->strategy,
            .max_restarts = sup->model->max_restarts,
            .max_seconds = sup->model->max_seconds};
        sup->spec = &sup->own;
        status = sup_partitions_check(sup->model, err);
    } else {
        sup->spec = head->spec != NULL ? head->spec : child_arg(head);
    }
    return status == ANQA_OK ? spec_check(sup->spec, err) : status;
}

static anqa_status children_start(struct supervisor *sup, anqa_error *err)
{
    for (const anqa_child_spec *at = sup->spec->children; at != NULL && !child_spec_is_end(at);
        at++) {
        struct row *row = sup_row_add(sup, at);
        if (sup_row_start(sup, row, err) != ANQA_OK)
            return ANQA_E_STOPPED;
        if (anqa_pid_is_none(row->pid) && at->restart == ANQA_TEMPORARY)
            sup_row_remove(sup, row);
    }
    return ANQA_OK;
}

static void supervisor_init(void *block)
{
    struct child_head *head = block;
    struct supervisor *sup = child_state(head);
    anqa_error err;
    anqa_status status = spec_take(sup, head, &err);

    if (status != ANQA_OK)
        start_failed(sup, head, status, &err);
    intensity_init(&sup->intensity, sup->spec->max_restarts, sup->spec->max_seconds);
    child_take_name(head, sup->spec->name);
    status = sup->model != NULL ? sup_partitions_start(sup, &err) : children_start(sup, &err);
    if (status != ANQA_OK)
        start_failed(sup, head, status, &err);
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
