/* Supervisors: children in a row, started from left to right and stopped from right to left. */
#include <anqa/supervisor.h>

#include <stdio.h>
#include <string.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "otp/intensity.h"
#include "otp/requests.h"
#include "otp/sys.h"

/* A message to ourselves: a restart failed, try again once others have had their turn. */
static const char retry_tag[] = "$retry";

struct row {
    anqa_child_spec
        spec;     /* id is set; of children added later, id and a copied arg are on our heap */
    anqa_pid pid; /* nobody unless it runs */
    uint32_t restarts;
    bool owns_id, owns_arg;
    bool restarting; /* its restart failed, a retry is on its way */
    char last_exit[LAST_EXIT_SIZE];
};

/* owner: process. */
struct supervisor {
    const anqa_supervisor *spec;
    struct row *rows; /* in order of start */
    size_t count, size;
    struct intensity intensity;
};

const size_t supervisor_state_size = sizeof(struct supervisor);

static const char *name_of(const struct supervisor *sup)
{
    return sup->spec->name != NULL ? sup->spec->name : "without a name";
}

/* ---------------------------------------------------------------- rows */

static struct row *row_of_id(struct supervisor *sup, anqa_str id)
{
    for (size_t i = 0; i < sup->count; i++)
        if (anqa_str_is(id, sup->rows[i].spec.id))
            return &sup->rows[i];
    return NULL;
}

static struct row *row_of_pid(struct supervisor *sup, anqa_pid pid)
{
    for (size_t i = 0; i < sup->count; i++)
        if (anqa_pid_eq(sup->rows[i].pid, pid))
            return &sup->rows[i];
    return NULL;
}

static struct row *row_add(struct supervisor *sup, const anqa_child_spec *spec)
{
    struct row *row;

    if (sup->count == sup->size) {
        sup->size = sup->size == 0 ? 4 : sup->size * 2;
        sup->rows = anqa_heap_realloc(sup->rows, sup->size * sizeof *sup->rows);
    }
    row = &sup->rows[sup->count++];
    *row = (struct row){.spec = *spec};
    row->spec.id = child_spec_id(spec);
    return row;
}

static void row_remove(struct supervisor *sup, struct row *row)
{
    size_t at = (size_t)(row - sup->rows);

    if (row->owns_id)
        anqa_heap_free((void *)(uintptr_t)row->spec.id);
    if (row->owns_arg)
        anqa_heap_free((void *)(uintptr_t)row->spec.arg);
    memmove(row, row + 1, (sup->count - at - 1) * sizeof *row);
    sup->count--;
}

/* ---------------------------------------------------------------- starting and stopping one */

/* What `ignore` leaves is a row without a process, and no failure. */
static anqa_status row_start(struct row *row, anqa_error *err)
{
    struct child_start start = child_start_of(&row->spec, row->spec.arg, anqa_str_of(row->spec.id));
    anqa_error why = {.status = ANQA_OK};
    anqa_status status = child_start(&start, &row->pid, &why);

    if (status != ANQA_OK)
        row->pid.bits = 0;
    if (status == ANQA_OK || status == ANQA_E_IGNORE)
        return ANQA_OK;
    return anqa_fail(err, status, "child '%s' failed to start: %s", row->spec.id, why.text);
}

static bool is_exit_of(const anqa_msg *msg, void *arg)
{
    return msg->kind == ANQA_MSG_EXIT && anqa_pid_eq(msg->from, *(const anqa_pid *)arg);
}

/* A monitor and not the link says when it is gone, as it may have unlinked itself. */
static void row_stop(struct row *row)
{
    uint32_t shutdown_ms = child_spec_shutdown(&row->spec);
    anqa_pid pid = row->pid;
    anqa_ref ref;
    const anqa_msg *down = NULL, *exit;

    row->restarting = false;
    if (anqa_pid_is_none(pid))
        return;
    row->pid.bits = 0;
    ref = anqa_monitor(pid);
    if (shutdown_ms != ANQA_BRUTAL_KILL) {
        anqa_exit_signal(pid, ANQA_SHUTDOWN);
        down = anqa_receive_ref(ref, shutdown_ms);
        if (down == NULL)
            anqa_log(ANQA_WARN, "supervisor.child_killed", "child=%s after_ms=%u", row->spec.id,
                shutdown_ms);
    }
    if (down == NULL) {
        anqa_exit_signal(pid, ANQA_KILL);
        down = anqa_receive_ref(ref, ANQA_INFINITY);
    }
    anqa_msg_free(down);
    anqa_unlink(pid);
    exit = anqa_receive_if(is_exit_of, &pid, 0);
    if (exit != NULL)
        anqa_msg_free(exit);
}

/* From right to left down to row `from`; temporary children go for good. */
static void rows_stop(struct supervisor *sup, size_t from, bool forget_temporary)
{
    for (size_t i = sup->count; i-- > from;) {
        row_stop(&sup->rows[i]);
        if (forget_temporary && sup->rows[i].spec.restart == ANQA_TEMPORARY)
            row_remove(sup, &sup->rows[i]);
    }
}

/* ---------------------------------------------------------------- restarting */

static ANQA_NORETURN void give_up(struct supervisor *sup, const char *why, const char *id)
{
    anqa_log(ANQA_ERROR, "supervisor.gave_up", "supervisor=%s child=%s reason=\"%s\" next=shutdown",
        name_of(sup), id, why);
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
        if (row_start(row, &err) == ANQA_OK)
            continue;
        anqa_log(ANQA_WARN, "supervisor.restart_failed", "supervisor=%s error=%s next=retry",
            name_of(sup), err.text);
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
        rows_stop(sup, at, true);
        rows_start(sup, at, sup->count);
        return;
    case ANQA_ONE_FOR_ALL:
        rows_stop(sup, 0, true);
        rows_start(sup, 0, sup->count);
        return;
    }
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
    anqa_reason_format(reason, row->last_exit, sizeof row->last_exit);
    if (again) {
        restart(sup, row);
        return;
    }
    last = ends_us(sup, row);
    if (row->spec.restart == ANQA_TEMPORARY)
        row_remove(sup, row);
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
        anqa_log(ANQA_INFO, "supervisor.unknown_exit", "supervisor=%s from=%s", name_of(sup),
            anqa_pid_text(msg->from, pid));
}

static void on_retry(struct supervisor *sup, const anqa_msg *msg)
{
    struct row *row = row_of_id(sup, anqa_json_text(msg->body));

    if (row != NULL && row->restarting)
        restart(sup, row);
}

/* ---------------------------------------------------------------- management */

static bool runs(const struct row *row)
{
    return !anqa_pid_is_none(row->pid) || row->restarting;
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
    row = row_of_id(sup, id);
    if (row != NULL) {
        request_answer(caller, runs(row) ? ANQA_E_RUNNING : ANQA_E_EXISTS, row->pid,
            "child '%.*s' %s", ANQA_FMT(id),
            runs(row) ? "runs already" : "is there already, but has ended: restart or delete it");
        return;
    }
    status =
        child_spec_check(&request.spec, name_of(sup), sup->count, sup->spec->auto_shutdown, &err);
    if (status != ANQA_OK) {
        request_answer(caller, status, (anqa_pid){0}, "%s", err.text);
        return;
    }
    row = row_add(sup, &request.spec);
    row->owns_id = true;
    row->spec.id = copy(id.ptr, id.len, id.len + 1);
    row->owns_arg = request.arg_size > 0;
    if (row->owns_arg)
        row->spec.arg = copy(arg, request.arg_size, request.arg_size);
    status = row_start(row, &err);
    if (status != ANQA_OK) {
        row_remove(sup, row);
        request_answer(caller, status, (anqa_pid){0}, "%s", err.text);
        return;
    }
    if (anqa_pid_is_none(row->pid))
        status = ANQA_E_IGNORE;
    request_answer(caller, status, row->pid, "%s", status == ANQA_OK ? "" : "init said ignore");
    if (status == ANQA_E_IGNORE && row->spec.restart == ANQA_TEMPORARY)
        row_remove(sup, row);
}

static struct row *wanted_row(
    struct supervisor *sup, const anqa_msg *msg, const anqa_caller *caller)
{
    anqa_str id = anqa_json_text(msg->body);
    struct row *row = row_of_id(sup, id);

    if (row == NULL)
        request_answer(caller, ANQA_E_NOT_FOUND, (anqa_pid){0}, "supervisor %s has no child '%.*s'",
            name_of(sup), ANQA_FMT(id));
    return row;
}

static void on_terminate_child(
    struct supervisor *sup, const anqa_msg *msg, const anqa_caller *caller)
{
    struct row *row = wanted_row(sup, msg, caller);

    if (row == NULL)
        return;
    row_stop(row);
    if (row->spec.restart == ANQA_TEMPORARY)
        row_remove(sup, row);
    request_done(caller, (anqa_pid){0});
}

static void on_restart_child(struct supervisor *sup, const anqa_msg *msg, const anqa_caller *caller)
{
    struct row *row = wanted_row(sup, msg, caller);
    anqa_error err;
    anqa_status status;

    if (row == NULL)
        return;
    if (runs(row)) {
        request_answer(caller, ANQA_E_RUNNING, row->pid, "child '%s' runs", row->spec.id);
        return;
    }
    status = row_start(row, &err);
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
        request_answer(
            caller, ANQA_E_RUNNING, row->pid, "child '%s' runs: terminate it first", row->spec.id);
        return;
    }
    row_remove(sup, row);
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

static void on_request(struct supervisor *sup, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);

    if (msg->tag == request_add_tag)
        on_start_child(sup, msg, &caller);
    else if (msg->tag == request_terminate_tag)
        on_terminate_child(sup, msg, &caller);
    else if (msg->tag == request_restart_tag)
        on_restart_child(sup, msg, &caller);
    else if (msg->tag == request_delete_tag)
        on_delete_child(sup, msg, &caller);
    else if (msg->tag == request_which_tag)
        on_which_children(sup, &caller);
    else if (msg->tag == request_count_tag)
        on_count_children(sup, &caller);
    else
        request_answer(&caller, ANQA_E_UNSUPPORTED, (anqa_pid){0},
            "a supervisor does not know the call '%s'", msg->tag);
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
    case ANQA_MSG_CALL: on_request(sup, msg); return;
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
        name_of(sup), msg->tag);
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
    rows_stop(sup, 0, false);
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
        struct row *row = row_add(sup, at);
        if (row_start(row, &err) != ANQA_OK)
            start_failed(sup, head, ANQA_E_STOPPED, &err);
        if (anqa_pid_is_none(row->pid) && at->restart == ANQA_TEMPORARY)
            row_remove(sup, row);
    }
    child_started(head);
}

static void supervisor_terminate(void *block, anqa_reason reason)
{
    struct child_head *head = block;

    if (head->flags & HEAD_STARTED)
        rows_stop(child_state(head), 0, false);
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
