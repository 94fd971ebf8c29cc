/*
 * Partition supervisors: supervisors whose rows are made after one model, and an array of pids that callers read.
 *
 * The array is the `extra` of a table that is otherwise empty: so it is found by the address of the spec, and is freed
 * when nobody can read it any more. The pids in it are not cleared at an end: the dead are known as such.
 */
#include <anqa/partition_supervisor.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/memory.h>

#include "base/container.h"
#include "base/siphash.h"
#include "otp/requests.h"
#include "otp/supervisor_int.h"
#include "otp/table.h"
#include "runtime/sched.h"

struct partitions {
    struct retired retired;
    anqa_pid supervisor;
    uint32_t size;            /* as many as there were at the start */
    _Atomic(uint32_t) count;  /* shared: keys lead to these */
    _Atomic(uint64_t) pids[]; /* shared */
};

/* ---------------------------------------------------------------- the supervisor's side */

static uint32_t size_of(const anqa_partition_supervisor *spec)
{
    struct sched *s;

    (void)proc_self(&s);
    return spec->partitions != 0 ? spec->partitions : s->rt->sched_count;
}

anqa_status sup_partitions_check(const anqa_partition_supervisor *spec, anqa_error *err)
{
    anqa_child_spec model = spec->child;
    char owner[80];

    snprintf(owner, sizeof owner, "partition supervisor '%s'",
        spec->name != NULL ? spec->name : "(no name)");
    if (spec->name == NULL)
        return anqa_fail(err, ANQA_E_INVALID, "a partition supervisor needs a .name");
    if (spec->partitions > ANQA_PARTITIONS_MAX)
        return anqa_fail(err, ANQA_E_INVALID, "%s: .partitions is %u, at most %u are allowed",
            owner, spec->partitions, ANQA_PARTITIONS_MAX);
    if (child_spec_id(&model) != NULL)
        return anqa_fail(err, ANQA_E_INVALID,
            "the partitions of %s are numbered: leave out the name '%s'", owner,
            child_spec_id(&model));
    if (model.restart == ANQA_TEMPORARY)
        return anqa_fail(err, ANQA_E_INVALID,
            "a partition of %s is temporary: its keys would lead to nobody for ever", owner);
    if (spec->with_argument != NULL && child_spec_arg_size(&model) == 0)
        return anqa_fail(err, ANQA_E_INVALID,
            "%s: .with_argument changes a copy, so it goes with an .arg_size", owner);
    model.id = "(partition)";
    return child_spec_check(&model, owner, 0, ANQA_NEVER, err);
}

static bool partitions_free(struct retired *note)
{
    free(ANQA_CONTAINER_OF(note, struct partitions, retired));
    return false;
}

/* NULL: no memory. */
static struct partitions *partitions_new(const anqa_partition_supervisor *spec)
{
    struct table *table = table_of(anqa_rt_self(), spec, false);
    uint32_t size = size_of(spec);
    struct partitions *made = NULL, *before;

    if (table != NULL)
        made = calloc(1, sizeof *made + size * sizeof made->pids[0]);
    if (made == NULL)
        return NULL;
    made->supervisor = anqa_self();
    made->size = size;
    table_lock(table);
    before = table_set_extra(table, made, free);
    table_unlock(table);
    if (before != NULL)
        table_retire_noted(table, &before->retired, partitions_free);
    return made;
}

void sup_partition_show(struct supervisor *sup, const struct row *row)
{
    /* pairs with look */
    atomic_store_explicit(
        &sup->partitions->pids[row - sup->rows], row->pid.bits, memory_order_release);
}

static void count_show(struct supervisor *sup, uint32_t count)
{
    /* pairs with look */
    atomic_store_explicit(&sup->partitions->count, count, memory_order_release);
}

static void row_add(struct supervisor *sup)
{
    anqa_child_spec child = sup->model->child;
    size_t arg_size = child_spec_arg_size(&child);
    char id[16];
    size_t id_len = (size_t)snprintf(id, sizeof id, "%zu", sup->count);
    uint32_t number = (uint32_t)sup->count;
    void *arg = NULL;
    struct row *row;

    if (arg_size > 0)
        arg = anqa_heap_calloc(1, arg_size);
    if (arg_size > 0 && child.arg != NULL)
        memcpy(arg, child.arg, arg_size);
    if (arg != NULL)
        child.arg = arg;
    child.id = memcpy(anqa_heap_alloc(id_len + 1), id, id_len + 1);
    row = sup_row_add(sup, &child);
    row->owns_id = true;
    row->owns_arg = arg != NULL;
    if (sup->model->with_argument != NULL)
        sup->model->with_argument(arg, number);
}

/* The last ones go, until so many are left. */
static void shrink(struct supervisor *sup, uint32_t count)
{
    sup_rows_stop(sup, count, false);
    while (sup->count > count)
        sup_row_remove(sup, &sup->rows[sup->count - 1]);
}

static anqa_status grow(struct supervisor *sup, uint32_t count, anqa_error *err)
{
    uint32_t before = (uint32_t)sup->count;

    while (sup->count < count) {
        row_add(sup);
        if (sup_row_start(sup, &sup->rows[sup->count - 1], err) == ANQA_OK)
            continue;
        shrink(sup, before);
        return ANQA_E_STOPPED;
    }
    count_show(sup, count);
    return ANQA_OK;
}

anqa_status sup_partitions_start(struct supervisor *sup, anqa_error *err)
{
    sup->partitions = partitions_new(sup->model);
    if (sup->partitions == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "no memory for its partitions");
    return grow(sup, sup->partitions->size, err);
}

void sup_on_resize(struct supervisor *sup, const anqa_msg *msg, const anqa_caller *caller)
{
    uint32_t count;
    anqa_error err = {.text = ""};
    anqa_status status = ANQA_OK;

    memcpy(&count, msg->body.ptr, sizeof count);
    if (count == 0 || count > sup->partitions->size)
        status = anqa_fail(&err, ANQA_E_RANGE, "%s: %u partitions, from 1 to %u are allowed",
            sup_name(sup), count, sup->partitions->size);
    else if (count > sup->count)
        status = grow(sup, count, &err);
    else {
        count_show(sup, count);
        shrink(sup, count);
    }
    request_answer(caller, status, (anqa_pid){0}, "%s", err.text);
}

/* ---------------------------------------------------------------- for callers */

anqa_status anqa_partition_supervisor_start_link(
    const anqa_partition_supervisor *supervisor, anqa_pid *ret_pid, anqa_error *err)
{
    struct child_start start = {.kind = CHILD_PARTITIONS,
        .spec = supervisor,
        .id = anqa_str_of(supervisor->name),
        .link = true};

    return child_start(&start, ret_pid, err);
}

/* What the supervisor shows, zeroed when it never ran: how many there are, and the pid of `number` modulo that. */
struct shown {
    anqa_pid supervisor, pid;
    uint32_t count;
};

static struct shown look(const anqa_partition_supervisor *supervisor, uint64_t number)
{
    anqa_rt *rt = anqa_rt_self();
    struct table *table = rt == NULL ? NULL : table_find(rt, supervisor);
    struct shown shown = {0};
    struct partitions *partitions;

    if (table == NULL)
        return shown;
    table_read_begin(table);
    partitions = table_extra(table);
    if (partitions != NULL) {
        shown.supervisor = partitions->supervisor;
        shown.count = atomic_load_explicit(&partitions->count, memory_order_acquire);
    }
    if (shown.count > 0)
        shown.pid.bits =
            atomic_load_explicit(&partitions->pids[number % shown.count], memory_order_acquire);
    table_read_end(table);
    return shown;
}

static anqa_pid partition_at(const anqa_partition_supervisor *supervisor, uint64_t number)
{
    struct shown shown = look(supervisor, number);

    return anqa_is_alive(shown.pid) ? shown.pid : (anqa_pid){0};
}

anqa_pid anqa_partition_pid(const anqa_partition_supervisor *supervisor, anqa_str key)
{
    return partition_at(supervisor, siphash(key.ptr, key.len, siphash_boot_key()));
}

anqa_pid anqa_partition_pid_int(const anqa_partition_supervisor *supervisor, int64_t key)
{
    return partition_at(supervisor, key < 0 ? 0 - (uint64_t)key : (uint64_t)key);
}

uint32_t anqa_partition_count(const anqa_partition_supervisor *supervisor)
{
    struct shown shown = look(supervisor, 0);

    return anqa_is_alive(shown.supervisor) ? shown.count : 0;
}

anqa_status anqa_partition_supervisor_resize(
    const anqa_partition_supervisor *supervisor, uint32_t partitions, anqa_error *err)
{
    return request_ask(anqa_whereis(supervisor->name), request_resize_tag,
        anqa_bytes(&partitions, sizeof partitions), NULL, err);
}
