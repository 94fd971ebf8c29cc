/*
 * Dynamic supervisors: any number of children after one model, known by pid and perhaps by key.
 *
 * The supervisor never waits for a child. A start spawns the process and notes who asked; the child's own note, or its
 * EXIT before that, brings the outcome. So a slow init holds up only those who asked for that child, and a restart after
 * a crash is one message.
 *
 * Children are in a hash by pid. One that runs and needs nothing to be started again (no argument, no key) has no record
 * there, only `plain`. Records of children with keys are nodes of a table as well, which callers read without asking us
 * (table.h); such a node shows a pid only while its child runs. Those records are malloc'ed, since readers may outlast us,
 * and given back by a deferred clean-up, however we end; the others lie on our heap.
 */
#include <anqa/supervisor.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "base/container.h"
#include "base/map.h"
#include "otp/intensity.h"
#include "otp/requests.h"
#include "otp/sys.h"
#include "otp/table.h"

static const char retry_tag[] = "$retry";
static const char kill_tag[] = "$kill";

enum record_state {
    RECORD_STARTING,   /* its first start: a failure is the asker's, not ours */
    RECORD_RESTARTING, /* spawned again, its init is under way; or it waits for that */
    RECORD_FAILED,     /* its note said no: the EXIT is on its way */
    RECORD_RUNNING,
    RECORD_STOPPING /* terminate_child */
};

struct waiter {
    struct waiter *next;
    anqa_caller caller;
};

struct record {
    struct table_node node; /* children with keys; else unused */
    union {
        struct {
            anqa_pid pid;           /* what it is known by in `children`: of its last process */
            struct waiter *waiters; /* on our heap: who is to be told what became of it */
            uint64_t started_ms;    /* 0: not known */
        };
        struct retired
            retired; /* in the end; those who look a key up read `node` and `bytes` only */
    };
    uint32_t failures; /* in a row, where there is a back-off */
    char *last_exit;   /* malloc'ed; NULL: it has not ended, or nothing is known */
    uint32_t arg_size;
    uint16_t key_len;
    uint8_t state;
    bool was_running : 1;    /* RECORD_FAILED: of a restart */
    bool arg_is_pointer : 1; /* the argument's bytes are those of a pointer */
    char bytes[];            /* key, argument */
};

/* owner: process. */
struct dynamic {
    const anqa_dynamic_supervisor *spec;
    struct map_u64 children; /* pid -> struct record, or `plain`; given back by records_drop */
    struct table *keys;      /* NULL until a key is used */
    struct intensity intensity;
};

const size_t dynamic_state_size = sizeof(struct dynamic);

/* Stands for a running child without argument and key. */
static struct record plain = {.state = RECORD_RUNNING};

static const char *name_of(const struct dynamic *dyn)
{
    return dyn->spec->name != NULL ? dyn->spec->name : "without a name";
}

/* ---------------------------------------------------------------- records */

static anqa_str key_of(const struct record *record)
{
    return anqa_str_make(record->bytes, record->key_len);
}

static struct record *record_new(const void *arg, size_t arg_size, anqa_str key)
{
    size_t size = sizeof(struct record) + key.len + arg_size;
    struct record *record = key.len > 0 ? calloc(1, size) : anqa_heap_calloc(1, size);

    if (record == NULL)
        return NULL;
    record->arg_size = (uint32_t)arg_size;
    record->key_len = (uint16_t)key.len;
    if (key.len > 0)
        table_node_init(&record->node, (anqa_pid){0}, key, offsetof(struct record, bytes));
    if (arg_size > 0)
        memcpy(record->bytes + key.len, arg, arg_size);
    return record;
}

static bool record_free_block(struct retired *note)
{
    free(ANQA_CONTAINER_OF(note, struct record, retired));
    return false;
}

/* Takes it out of the keys' table and frees it. */
static void record_free(struct dynamic *dyn, struct record *record)
{
    if (record == &plain)
        return;
    free(record->last_exit);
    if (record->key_len == 0) {
        anqa_heap_free(record);
        return;
    }
    table_lock(dyn->keys);
    table_remove(dyn->keys, &record->node);
    table_unlock(dyn->keys);
    table_retire_noted(dyn->keys, &record->retired, record_free_block);
}

static void record_show(struct record *record, anqa_pid pid)
{
    if (record != &plain && record->key_len > 0) /* pairs with table_pid */
        atomic_store_explicit(&record->node.pid, pid.bits, memory_order_release);
}

static bool record_put(struct dynamic *dyn, struct record *record, anqa_pid pid)
{
    record->pid = pid;
    return map_u64_put(&dyn->children, pid.bits, record, NULL) == ANQA_OK;
}

/* The record in place of `plain`, for a child that needs one now. */
static struct record *record_real(struct dynamic *dyn, struct record *record, anqa_pid pid)
{
    struct record *made;

    if (record != &plain)
        return record;
    made = record_new(NULL, 0, (anqa_str){NULL, 0});
    if (made == NULL || !record_put(dyn, made, pid))
        anqa_exit(anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "no memory for a child's record"));
    made->state = RECORD_RUNNING;
    return made;
}

/* A running child that could be started again from the spec alone needs no record. */
static void record_thin(struct dynamic *dyn, struct record *record)
{
    if (record->arg_size > 0 || record->key_len > 0 || record->waiters != NULL ||
        record->failures > 0 || record->last_exit != NULL)
        return;
    if (map_u64_put(&dyn->children, record->pid.bits, &plain, NULL) == ANQA_OK)
        anqa_heap_free(record);
}

static void record_forget(struct dynamic *dyn, struct record *record, anqa_pid pid)
{
    map_u64_remove(&dyn->children, pid.bits);
    record_free(dyn, record);
}

/* ---------------------------------------------------------------- those who wait */

static void wait_for(struct record *record, const anqa_caller *caller)
{
    struct waiter *waiter = anqa_heap_alloc(sizeof *waiter);

    *waiter = (struct waiter){.next = record->waiters, .caller = *caller};
    record->waiters = waiter;
}

static void tell(struct record *record, anqa_status status, anqa_pid pid, const char *text)
{
    struct waiter *waiter = record->waiters;

    record->waiters = NULL;
    while (waiter != NULL) {
        struct waiter *next = waiter->next;
        if (status == ANQA_OK)
            request_done(&waiter->caller, pid);
        else
            request_answer(&waiter->caller, status, pid, "%s", text);
        anqa_heap_free(waiter);
        waiter = next;
    }
}

/* ---------------------------------------------------------------- starting */

static anqa_status spawn(struct dynamic *dyn, struct record *record, anqa_pid *ret_pid)
{
    const char *arg = record->bytes + record->key_len;
    struct child_start start =
        child_start_of(&dyn->spec->child, record->arg_size > 0 ? arg : NULL, key_of(record));

    if (record->arg_is_pointer)
        memcpy(&start.arg, arg, sizeof start.arg);
    else if (record->arg_size == 0 && start.arg_size == 0)
        start.arg = dyn->spec->child.arg;
    return child_spawn(&start, (anqa_ref){0}, ret_pid);
}

/* It has started, as far as we must wait for that. */
static void record_started(struct dynamic *dyn, struct record *record)
{
    record->state = RECORD_RUNNING;
    child_log_start(name_of(dyn), key_of(record), record->pid);
    record->started_ms = anqa_now_ms();
    record_show(record, record->pid);
    tell(record, ANQA_OK, record->pid, "");
    record_thin(dyn, record);
}

/* A plain function has started when its process has; others will send a note. */
static void record_spawned(struct dynamic *dyn, struct record *record)
{
    if (dyn->spec->child.run != NULL)
        record_started(dyn, record);
}

static anqa_status key_enter(struct dynamic *dyn, struct record *record)
{
    anqa_status status;

    if (record->key_len == 0)
        return ANQA_OK;
    table_lock(dyn->keys);
    status = table_put(dyn->keys, &record->node);
    table_unlock(dyn->keys);
    return status;
}

static anqa_status first_start(struct dynamic *dyn, struct record *record)
{
    anqa_status status = key_enter(dyn, record);
    anqa_pid pid;

    if (status != ANQA_OK) {
        free(record); /* it has a key: others need no room in the table */
        return status;
    }
    status = spawn(dyn, record, &pid);
    if (status != ANQA_OK) {
        record_free(dyn, record);
        return status;
    }
    if (record_put(dyn, record, pid))
        return ANQA_OK;
    anqa_exit_signal(pid, ANQA_KILL); /* its EXIT will be one of nobody we know */
    record_free(dyn, record);
    return ANQA_E_NOMEM;
}

static struct record *record_of_key(struct dynamic *dyn, anqa_str key)
{
    anqa_rt *rt = anqa_rt_self();

    if (dyn->keys == NULL)
        dyn->keys = table_of(rt, dyn->spec, false);
    if (dyn->keys == NULL)
        anqa_exit(anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "no memory for a table of keys"));
    return (struct record *)(void *)table_get(dyn->keys, key); /* we alone write to it */
}

static void ask_existing(struct record *record, const anqa_caller *caller)
{
    anqa_str key = key_of(record);

    if (record->state == RECORD_RUNNING && anqa_is_alive(record->pid))
        request_done(caller, record->pid);
    else if (record->state == RECORD_STOPPING || record->state == RECORD_FAILED)
        request_answer(
            caller, ANQA_E_STOPPED, (anqa_pid){0}, "child '%.*s' is being stopped", ANQA_FMT(key));
    else
        wait_for(record, caller);
}

static void on_start_child(struct dynamic *dyn, const anqa_msg *msg, const anqa_caller *caller)
{
    const char *bytes = msg->body.ptr + sizeof(struct request_start);
    struct request_start request;
    struct record *record;
    anqa_status status;
    anqa_str key;

    memcpy(&request, msg->body.ptr, sizeof request);
    key = anqa_str_make(bytes + request.arg_size, request.id_len);
    if (!request.arg_is_pointer && request.arg_size != 0 &&
        request.arg_size != child_spec_arg_size(&dyn->spec->child)) {
        request_answer(caller, ANQA_E_INVALID, (anqa_pid){0},
            "%s: an argument of %u bytes, its children take %zu", name_of(dyn), request.arg_size,
            child_spec_arg_size(&dyn->spec->child));
        return;
    }
    record = key.len > 0 ? record_of_key(dyn, key) : NULL;
    if (record != NULL) {
        ask_existing(record, caller);
        return;
    }
    if (dyn->spec->max_children != 0 && dyn->children.count >= dyn->spec->max_children) {
        request_answer(caller, ANQA_E_LIMIT, (anqa_pid){0},
            "%s has %u children, as many as max_children allows", name_of(dyn),
            dyn->spec->max_children);
        return;
    }
    record = record_new(bytes, request.arg_size, key);
    if (record != NULL)
        record->arg_is_pointer = request.arg_is_pointer;
    status = record == NULL ? ANQA_E_NOMEM : first_start(dyn, record);
    if (status != ANQA_OK) {
        request_answer(caller, status, (anqa_pid){0}, "no process could be started: %s",
            anqa_status_text(status));
        return;
    }
    wait_for(record, caller);
    record_spawned(dyn, record);
}

/* ---------------------------------------------------------------- restarting */

static ANQA_NORETURN void give_up(struct dynamic *dyn, struct record *record)
{
    anqa_str key = key_of(record);

    anqa_log(ANQA_ERROR, "supervisor.gave_up",
        "supervisor=%s child=%.*s reason=\"too many restarts\" next=shutdown", name_of(dyn),
        ANQA_FMT(key));
    map_u64_remove(&dyn->children, record->pid.bits);
    tell(record, ANQA_E_STOPPED, (anqa_pid){0}, "the supervisor gave up: too many restarts");
    record_free(dyn, record);
    anqa_exit(ANQA_SHUTDOWN);
}

static void spawn_again(struct dynamic *dyn, struct record *record);

/* It ended too early, or an attempt to start it again failed. */
static void restart(struct dynamic *dyn, struct record *record, uint64_t lived_ms)
{
    uint32_t wait_ms = child_spec_wait(&dyn->spec->child, lived_ms, &record->failures);

    if (!intensity_add(&dyn->intensity))
        give_up(dyn, record);
    child_log_wait(name_of(dyn), key_of(record), wait_ms);
    record->state = RECORD_RESTARTING;
    if (wait_ms == 0 && lived_ms != CHILD_NEVER_LIVED)
        spawn_again(dyn, record);
    else /* others have their turn */
        (void)anqa_send_after(
            anqa_self(), retry_tag, anqa_bytes(&record->pid, sizeof record->pid), wait_ms);
}

static void spawn_again(struct dynamic *dyn, struct record *record)
{
    anqa_pid old = record->pid, pid;

    if (spawn(dyn, record, &pid) != ANQA_OK) {
        restart(dyn, record, CHILD_NEVER_LIVED);
        return;
    }
    map_u64_remove(&dyn->children, old.bits); /* so that the put below finds room */
    (void)record_put(dyn, record, pid);
    record_spawned(dyn, record);
}

static void on_retry(struct dynamic *dyn, const anqa_msg *msg)
{
    anqa_pid pid;
    struct record *record;

    memcpy(&pid, msg->body.ptr, sizeof pid);
    record = map_u64_get(&dyn->children, pid.bits);
    if (record != NULL && record->state == RECORD_RESTARTING)
        spawn_again(dyn, record);
}

/* ---------------------------------------------------------------- what children tell */

static void on_note(struct dynamic *dyn, const anqa_msg *msg)
{
    struct record *record = map_u64_get(&dyn->children, msg->from.bits);
    struct child_outcome outcome;

    if (record == NULL || (record->state != RECORD_STARTING && record->state != RECORD_RESTARTING))
        return;
    outcome = child_note_read(msg);
    if (outcome.status == ANQA_OK) {
        record_started(dyn, record);
        return;
    }
    /* A restart that says ignore has ended for good. */
    record->was_running = record->state == RECORD_RESTARTING && outcome.status != ANQA_E_IGNORE;
    record->state = RECORD_FAILED;
    if (!record->was_running)
        tell(record, outcome.status, (anqa_pid){0}, outcome.text);
}

static void start_crashed(struct dynamic *dyn, struct record *record, anqa_reason reason)
{
    char text[200];

    tell(record, ANQA_E_DIED, (anqa_pid){0}, anqa_reason_format(reason, text, sizeof text));
    record_forget(dyn, record, record->pid);
}

/* It ended for good, but somebody has asked for it since: a start like the first. */
static void start_again(struct dynamic *dyn, struct record *record)
{
    anqa_pid old = record->pid, pid;
    anqa_status status = spawn(dyn, record, &pid);

    if (status != ANQA_OK) {
        tell(record, status, (anqa_pid){0}, "no process could be started");
        record_forget(dyn, record, old);
        return;
    }
    map_u64_remove(&dyn->children, old.bits); /* so that the put below finds room */
    (void)record_put(dyn, record, pid);
    record->state = RECORD_STARTING;
    record_spawned(dyn, record);
}

/* For people: without memory there is nothing to show. */
static void record_ended(struct record *record, anqa_reason reason)
{
    char text[LAST_EXIT_SIZE];

    free(record->last_exit);
    record->last_exit = strdup(anqa_reason_format(reason, text, sizeof text));
}

static void child_ended(
    struct dynamic *dyn, struct record *record, anqa_pid pid, anqa_reason reason)
{
    bool again;

    record_show(record, (anqa_pid){0});
    switch ((enum record_state)record->state) {
    case RECORD_STARTING: start_crashed(dyn, record, reason); return;
    case RECORD_RESTARTING: restart(dyn, record, CHILD_NEVER_LIVED); return;
    case RECORD_FAILED:
        if (record->was_running)
            restart(dyn, record, CHILD_NEVER_LIVED);
        else
            record_forget(dyn, record, pid);
        return;
    case RECORD_RUNNING:
        again = child_spec_restarts(&dyn->spec->child, reason);
        child_log_end(name_of(dyn), key_of(record), pid, reason, again);
        if (again) {
            uint64_t lived_ms = anqa_now_ms() - record->started_ms;
            record = record_real(dyn, record, pid);
            record_ended(record, reason);
            restart(dyn, record, lived_ms);
        } else if (record->waiters != NULL)
            start_again(dyn, record);
        else
            record_forget(dyn, record, pid);
        return;
    case RECORD_STOPPING:
        tell(record, ANQA_OK, pid, "");
        record_forget(dyn, record, pid);
        return;
    }
}

static void on_exit_message(struct dynamic *dyn, const anqa_msg *msg)
{
    struct record *record;

    if (child_is_told_to_end(msg))
        anqa_exit(anqa_reason_ref(msg->u.reason));
    record = map_u64_get(&dyn->children, msg->from.bits);
    if (record != NULL)
        child_ended(dyn, record, msg->from, msg->u.reason);
}

/* ---------------------------------------------------------------- management */

/* Fails quietly when the child is gone by now: a pid is never used twice. */
static void on_kill(struct dynamic *dyn, const anqa_msg *msg)
{
    anqa_pid pid;

    memcpy(&pid, msg->body.ptr, sizeof pid);
    if (map_u64_get(&dyn->children, pid.bits) != NULL)
        anqa_exit_signal(pid, ANQA_KILL);
}

static void on_terminate_child(struct dynamic *dyn, const anqa_msg *msg, const anqa_caller *caller)
{
    uint32_t shutdown_ms = child_spec_shutdown(&dyn->spec->child);
    struct record *record = NULL;
    anqa_pid pid = {0};

    if (msg->body.len == sizeof pid) {
        memcpy(&pid, msg->body.ptr, sizeof pid);
        record = map_u64_get(&dyn->children, pid.bits);
    }
    if (record == NULL) {
        request_answer(
            caller, ANQA_E_NOT_FOUND, (anqa_pid){0}, "%s has no such child", name_of(dyn));
        return;
    }
    record = record_real(dyn, record, pid);
    if (record->state != RECORD_STOPPING)
        tell(record, ANQA_E_STOPPED, (anqa_pid){0}, "it was terminated");
    wait_for(record, caller);
    if (!anqa_is_alive(pid) && record->state == RECORD_RESTARTING) {
        tell(record, ANQA_OK, pid, "");
        record_forget(dyn, record, pid);
        return;
    }
    record->state = RECORD_STOPPING;
    record_show(record, (anqa_pid){0});
    anqa_exit_signal(pid, shutdown_ms == ANQA_BRUTAL_KILL ? ANQA_KILL : ANQA_SHUTDOWN);
    if (shutdown_ms < ANQA_BRUTAL_KILL)
        (void)anqa_send_after(anqa_self(), kill_tag, anqa_bytes(&pid, sizeof pid), shutdown_ms);
}

static anqa_child_state state_of(const struct record *record)
{
    switch ((enum record_state)record->state) {
    case RECORD_STARTING: return ANQA_CHILD_STARTING;
    case RECORD_RESTARTING: return ANQA_CHILD_RESTARTING;
    case RECORD_FAILED: return ANQA_CHILD_ENDED;
    case RECORD_RUNNING:
    case RECORD_STOPPING: break;
    }
    return ANQA_CHILD_RUNNING;
}

static void on_which_children(struct dynamic *dyn, const anqa_caller *caller)
{
    struct request_list list = {NULL, 0, 0};
    struct map_iter iter = {0};
    uint64_t pid;
    void *value;

    while (map_u64_next(&dyn->children, &iter, &pid, &value)) {
        const struct record *record = value;
        anqa_child_state state = state_of(record);
        struct request_child child = {.id_len = record->key_len,
            .exit_len = record->last_exit == NULL ? 0 : (uint32_t)strlen(record->last_exit),
            .kind = child_spec_is_supervisor(&dyn->spec->child) ? ANQA_CHILD_SUPERVISOR
                                                                : ANQA_CHILD_WORKER,
            .state = (uint8_t)state,
            .restart = (uint8_t)dyn->spec->child.restart};
        if (state == ANQA_CHILD_RUNNING || state == ANQA_CHILD_STARTING)
            child.pid.bits = pid;
        request_list_add(&list, &child, record->bytes, record->last_exit);
    }
    anqa_reply_to(caller, anqa_bytes(list.bytes, list.len));
}

static void on_count_children(struct dynamic *dyn, const anqa_caller *caller)
{
    anqa_child_counts counts = {.specs = dyn->children.count};
    struct map_iter iter = {0};
    uint64_t pid;
    void *value;

    while (map_u64_next(&dyn->children, &iter, &pid, &value))
        counts.active += ((const struct record *)value)->state == RECORD_RUNNING;
    if (child_spec_is_supervisor(&dyn->spec->child))
        counts.supervisors = counts.specs;
    else
        counts.workers = counts.specs;
    anqa_reply_to(caller, anqa_bytes(&counts, sizeof counts));
}

static void on_request(struct dynamic *dyn, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);

    if (msg->tag == request_start_tag)
        on_start_child(dyn, msg, &caller);
    else if (msg->tag == request_terminate_tag)
        on_terminate_child(dyn, msg, &caller);
    else if (msg->tag == request_which_tag)
        on_which_children(dyn, &caller);
    else if (msg->tag == request_count_tag)
        on_count_children(dyn, &caller);
    else
        request_answer(&caller, ANQA_E_UNSUPPORTED, (anqa_pid){0},
            "a dynamic supervisor does not know the call '%s'", msg->tag);
}

anqa_json dynamic_state(struct child_head *head)
{
    const struct dynamic *dyn = child_state(head);

    return anqa_jsonf("{'name': %s, 'max_restarts': %u, 'max_seconds': %u, 'max_children': %u, "
                      "'children': %zu}",
        dyn->spec->name, dyn->intensity.max, dyn->intensity.period_ms / 1000,
        dyn->spec->max_children, dyn->children.count);
}

static void dynamic_handle(void *block, const anqa_msg *msg)
{
    struct dynamic *dyn = child_state(block);

    if (msg->tag == sys_tag)
        sys_handle(block, msg);
    else if (msg->kind == ANQA_MSG_CALL)
        on_request(dyn, msg);
    else if (msg->kind == ANQA_MSG_EXIT)
        on_exit_message(dyn, msg);
    else if (msg->tag == child_note_tag)
        on_note(dyn, msg);
    else if (msg->tag == retry_tag)
        on_retry(dyn, msg);
    else if (msg->tag == kill_tag)
        on_kill(dyn, msg);
    else if (msg->tag == child_stop_tag)
        anqa_exit(child_stop_reason(msg));
    else if (msg->kind != ANQA_MSG_SYSTEM)
        anqa_log(ANQA_ERROR, "supervisor.unexpected_message", "supervisor=%s tag=%s next=dropped",
            name_of(dyn), msg->tag);
}

/* ---------------------------------------------------------------- begin and end */

static void records_drop(void *block)
{
    struct dynamic *dyn = child_state(block);
    struct map_iter iter = {0};
    uint64_t pid;
    void *value;

    while (map_u64_next(&dyn->children, &iter, &pid, &value))
        record_free(dyn, value);
    map_u64_done(&dyn->children);
}

static void dynamic_init(void *block)
{
    struct child_head *head = block;
    struct dynamic *dyn = child_state(head);
    anqa_child_spec model;
    anqa_error err;
    char owner[80];
    anqa_status status;

    dyn->spec = head->spec;
    intensity_init(&dyn->intensity, dyn->spec->max_restarts, dyn->spec->max_seconds);
    snprintf(owner, sizeof owner, "dynamic supervisor '%s'",
        dyn->spec->name != NULL ? dyn->spec->name : "(no name)");
    model = dyn->spec->child;
    model.id = "(model)";
    status = child_spec_check(&model, owner, 0, ANQA_NEVER, &err);
    if (status != ANQA_OK)
        child_failed(
            head, status, err.text, anqa_reason_make(ANQA_REASON_SHUTDOWN, "%s", err.text));
    child_take_name(head, dyn->spec->name);
    (void)anqa_defer(records_drop, head);
    child_started(head);
}

static void signal_all(struct dynamic *dyn, anqa_reason reason)
{
    struct map_iter iter = {0};
    uint64_t pid;
    void *value;

    while (map_u64_next(&dyn->children, &iter, &pid, &value))
        anqa_exit_signal((anqa_pid){pid}, anqa_reason_ref(reason));
}

/* Those that ended without our hearing of it, having unlinked themselves, or between two lives. */
static void forget_dead(struct dynamic *dyn)
{
    struct map_iter iter = {0};
    uint64_t pid;
    void *value;

    while (map_u64_next(&dyn->children, &iter, &pid, &value))
        if (!anqa_is_alive((anqa_pid){pid}))
            record_forget(dyn, value, (anqa_pid){pid});
}

static bool is_exit(const anqa_msg *msg, void *arg)
{
    return msg->kind == ANQA_MSG_EXIT;
}

/* Hears of ends until none is left (true) or the time is over. */
static bool all_end(struct dynamic *dyn, uint32_t ms)
{
    uint64_t start = anqa_now_ms(), passed = 0;

    forget_dead(dyn);
    while (dyn->children.count > 0) {
        uint32_t left = ms == ANQA_INFINITY ? 1000 : (uint32_t)(passed < ms ? ms - passed : 0);
        const anqa_msg *exit = anqa_receive_if(is_exit, NULL, left < 1000 ? left : 1000);
        struct record *record = exit == NULL ? NULL : map_u64_get(&dyn->children, exit->from.bits);

        if (record != NULL)
            record_forget(dyn, record, exit->from);
        if (exit != NULL)
            anqa_msg_free(exit);
        else
            forget_dead(dyn);
        passed = anqa_now_ms() - start;
        if (ms != ANQA_INFINITY && passed >= ms && exit == NULL)
            break;
    }
    return dyn->children.count == 0;
}

/* All are told together, and have the same time. */
static void dynamic_terminate(void *block, anqa_reason reason)
{
    struct child_head *head = block;
    struct dynamic *dyn = child_state(head);
    uint32_t shutdown_ms;

    if ((head->flags & HEAD_STARTED) == 0)
        return;
    shutdown_ms = child_spec_shutdown(&dyn->spec->child);
    if (shutdown_ms != ANQA_BRUTAL_KILL) {
        signal_all(dyn, ANQA_SHUTDOWN);
        if (all_end(dyn, shutdown_ms))
            return;
        anqa_log(ANQA_WARN, "supervisor.children_killed", "supervisor=%s count=%zu after_ms=%u",
            name_of(dyn), dyn->children.count, shutdown_ms);
    }
    signal_all(dyn, ANQA_KILL);
    (void)all_end(dyn, ANQA_INFINITY);
}

const anqa_behaviour dynamic_behaviour = {.name = "dynamic_supervisor",
    .init = dynamic_init,
    .handle = dynamic_handle,
    .terminate = dynamic_terminate};
