/*
 * Who owns a shared table: it ends with him, goes to an heir, or is given away.
 *
 * Who makes a table has an exit hook of it. Nobody can hang a hook into another process, so who gets one later is watched by
 * a keeper, a process that ends with him and has the hook. A table with a keeper has no other hook; a keeper that the table does not
 * name any more is of no consequence.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/memory.h>

#include "base/container.h"
#include "otp/shared_table.h"
#include "runtime/proc.h"

#define TRANSFER "ETS-TRANSFER"

/* What a transfer carries in front of its data. */
struct transfer {
    anqa_table table;
    anqa_pid from;
};

/* ---------------------------------------------------------------- the keeper */

struct keeper {
    struct exit_hook hook;
    anqa_rt *rt;
    anqa_table table;
    anqa_pid owner;
};

static void keeper_gone(struct exit_hook *hook, anqa_pid pid)
{
    const struct keeper *keeper = ANQA_CONTAINER_OF(hook, struct keeper, hook);
    struct shared *shared = shared_open_in(keeper->rt, keeper->table);

    if (shared == NULL)
        return;
    shared_owner_gone(shared, keeper->owner, pid);
    shared_close(shared);
}

static void keeper_init(void *state)
{
    struct keeper *keeper = state;

    keeper->hook.run = keeper_gone;
    exit_hook_add(&keeper->hook);
    (void)anqa_monitor(keeper->owner);
}

static void keeper_handle(void *state, const anqa_msg *msg)
{
    if (msg->kind == ANQA_MSG_DOWN)
        anqa_exit(ANQA_NORMAL);
}

static const anqa_behaviour keeper_behaviour = {
    .name = "table_keeper", .init = keeper_init, .handle = keeper_handle};

static anqa_status keeper_start(const struct shared *shared, anqa_pid owner, anqa_pid *ret_pid)
{
    struct keeper keeper = {.rt = shared->rt, .table = {shared->bits}, .owner = owner};

    return anqa_rt_spawn(shared->rt,
        &(anqa_spawn_opts){.behaviour = &keeper_behaviour,
            .arg = &keeper,
            .arg_size = sizeof keeper,
            .label = "table keeper"},
        ret_pid);
}

/* One that is not needed, or not any more. */
static void keeper_stop(const struct shared *shared, anqa_pid keeper)
{
    if (!anqa_pid_is_none(keeper))
        anqa_rt_exit_signal(shared->rt, keeper, ANQA_SHUTDOWN);
}

/* ---------------------------------------------------------------- handing on */

static anqa_status tell(struct shared *shared, anqa_pid from, anqa_pid to, anqa_str data)
{
    struct transfer transfer = {{shared->bits}, from};
    char *bytes = malloc(sizeof transfer + data.len);
    anqa_status status;

    if (bytes == NULL)
        return ANQA_E_NOMEM;
    memcpy(bytes, &transfer, sizeof transfer);
    if (data.len > 0)
        memcpy(bytes + sizeof transfer, data.ptr, data.len);
    status = anqa_send(to, TRANSFER, anqa_bytes(bytes, sizeof transfer + data.len));
    free(bytes);
    return status;
}

static void owner_set(struct shared *shared, anqa_pid owner)
{
    atomic_store_explicit(&shared->owner, owner.bits, memory_order_release); /* owner_of */
}

/* Under the lock, so that the new owner cannot hand it on before all is said. */
static anqa_status hand_over(
    struct shared *shared, anqa_pid from, anqa_pid to, anqa_pid keeper, anqa_str data)
{
    anqa_status status;

    if (shared->ended)
        return ANQA_E_CLOSED;
    owner_set(shared, to);
    status = tell(shared, from, to, data);
    if (status != ANQA_OK)
        owner_set(shared, from);
    else
        shared->keeper = keeper;
    return status;
}

static anqa_status give(struct shared *shared, anqa_pid to, anqa_str data)
{
    anqa_pid self = anqa_self(), old = shared->keeper, keeper;
    anqa_status status = keeper_start(shared, to, &keeper);

    if (status != ANQA_OK)
        return status;
    shared_lock(shared);
    status = hand_over(shared, self, to, keeper, data);
    shared_unlock(shared);
    if (status == ANQA_OK && anqa_pid_is_none(old))
        exit_hook_remove(&shared->hook);
    keeper_stop(shared, status == ANQA_OK ? old : keeper);
    return status;
}

/* For what has data that goes along. */
static anqa_status open_own(anqa_table table, anqa_str data, struct shared **ret_shared)
{
    if (data.len > ANQA_TABLE_ROW_MAX)
        return ANQA_E_LIMIT;
    msg_probe(data.ptr, data.len);
    return shared_open(table, SHARED_OWN, ret_shared);
}

anqa_status anqa_table_give_away(anqa_table table, anqa_pid to, anqa_str data)
{
    struct shared *shared;
    anqa_status status = open_own(table, data, &shared);

    if (status != ANQA_OK)
        return status;
    status = anqa_pid_eq(to, anqa_self()) ? ANQA_E_INVALID : give(shared, to, data);
    shared_close(shared);
    return status;
}

anqa_status anqa_table_set_heir(anqa_table table, anqa_pid heir, anqa_str data)
{
    struct shared *shared;
    anqa_status status = open_own(table, data, &shared);
    char *copy, *old;

    if (status != ANQA_OK)
        return status;
    copy = malloc(data.len + 1);
    if (copy == NULL) {
        shared_close(shared);
        return ANQA_E_NOMEM;
    }
    if (data.len > 0)
        memcpy(copy, data.ptr, data.len);
    shared_lock(shared);
    old = shared->heir_data;
    shared->heir = heir;
    shared->heir_data = copy;
    shared->heir_data_len = data.len;
    shared_unlock(shared);
    free(old);
    shared_close(shared);
    return ANQA_OK;
}

bool anqa_table_transfer(const anqa_msg *msg, anqa_table_gift *ret_gift)
{
    struct transfer transfer;

    if (!anqa_tag_is(msg->tag, TRANSFER) || msg->body.len < sizeof transfer)
        return false;
    memcpy(&transfer, msg->body.ptr, sizeof transfer);
    *ret_gift = (anqa_table_gift){.table = transfer.table,
        .from = transfer.from,
        .data = {msg->body.ptr + sizeof transfer, msg->body.len - sizeof transfer}};
    return true;
}

/* ---------------------------------------------------------------- the end of an owner */

/* Under the lock. */
static bool inherit(struct shared *shared, anqa_pid owner, anqa_pid keeper)
{
    const anqa_str data = {shared->heir_data, shared->heir_data_len};

    return hand_over(shared, owner, shared->heir, keeper, data) == ANQA_OK;
}

void shared_owner_gone(struct shared *shared, anqa_pid owner, anqa_pid keeper)
{
    anqa_pid heir, next = {0};
    bool ours, inherited = false;

    shared_lock(shared);
    ours = anqa_pid_eq(shared->keeper, keeper);
    heir = shared->heir;
    shared_unlock(shared);
    if (!ours)
        return;
    if (!anqa_pid_is_none(heir) && keeper_start(shared, heir, &next) == ANQA_OK) {
        shared_lock(shared);
        inherited = inherit(shared, owner, next);
        shared_unlock(shared);
    }
    if (inherited)
        return;
    keeper_stop(shared, next);
    shared_end(shared);
}

void shared_hook_run(struct exit_hook *hook, anqa_pid pid)
{
    struct shared *shared = ANQA_CONTAINER_OF(hook, struct shared, hook);
    anqa_rt *rt = shared->rt;

    qsbr_read_begin(rt); /* a thread that is attached */
    shared_owner_gone(shared, pid, (anqa_pid){0});
    qsbr_read_end(rt);
}

anqa_status anqa_table_free(anqa_table table)
{
    struct shared *shared;
    anqa_status status = shared_open(table, SHARED_OWN, &shared);
    anqa_pid keeper;

    if (status != ANQA_OK)
        return status;
    shared_lock(shared);
    keeper = shared->keeper;
    shared_unlock(shared);
    if (anqa_pid_is_none(keeper))
        exit_hook_remove(&shared->hook);
    shared_end(shared);
    keeper_stop(shared, keeper);
    shared_close(shared);
    return ANQA_OK;
}
