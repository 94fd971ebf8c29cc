/* The children of a supervisor: what is known of each, its start and its stop. */
#include <stdio.h>
#include <string.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "otp/supervisor_int.h"

const char *sup_name(const struct supervisor *sup)
{
    return sup->spec->name != NULL ? sup->spec->name : "without a name";
}

/* ---------------------------------------------------------------- rows */

struct row *sup_row_of_id(struct supervisor *sup, anqa_str id)
{
    for (size_t i = 0; i < sup->count; i++)
        if (anqa_str_is(id, sup->rows[i].spec.id))
            return &sup->rows[i];
    return NULL;
}

struct row *sup_row_add(struct supervisor *sup, const anqa_child_spec *spec)
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

void sup_row_remove(struct supervisor *sup, struct row *row)
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

anqa_status sup_row_start(struct supervisor *sup, struct row *row, anqa_error *err)
{
    struct child_start start = child_start_of(&row->spec, row->spec.arg, anqa_str_of(row->spec.id));
    anqa_error why = {.status = ANQA_OK};
    anqa_status status = child_start(&start, &row->pid, &why);

    row->started_ms = anqa_now_ms();
    if (status != ANQA_OK)
        row->pid.bits = 0;
    if (sup->partitions != NULL)
        sup_partition_show(sup, row);
    if (status == ANQA_OK)
        child_log_start(sup_name(sup), start.id, row->pid);
    if (status == ANQA_OK || status == ANQA_E_IGNORE)
        return ANQA_OK;
    return anqa_fail(err, status, "child '%s' failed to start: %s", row->spec.id, why.text);
}

static bool is_exit_of(const anqa_msg *msg, void *arg)
{
    return msg->kind == ANQA_MSG_EXIT && anqa_pid_eq(msg->from, *(const anqa_pid *)arg);
}

/* A monitor and not the link says when it is gone, as it may have unlinked itself. */
void sup_row_stop(struct row *row)
{
    uint32_t shutdown_ms = child_spec_shutdown(&row->spec);
    anqa_pid pid = row->pid;
    anqa_ref ref;
    const anqa_msg *down = NULL, *exit;

    row->restarting = false;
    if (row->retry.bits != 0)
        (void)anqa_timer_cancel(row->retry);
    row->retry.bits = 0;
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

void sup_rows_stop(struct supervisor *sup, size_t from, bool forget_temporary)
{
    for (size_t i = sup->count; i-- > from;) {
        sup_row_stop(&sup->rows[i]);
        if (forget_temporary && sup->rows[i].spec.restart == ANQA_TEMPORARY)
            sup_row_remove(sup, &sup->rows[i]);
    }
}
