/* The common part of servers and supervisors. See child.h. */
#include "otp/child.h"

#include <stdio.h>
#include <string.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "otp/registry.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

const char child_note_tag[] = "$started";
const char child_stop_tag[] = "$stop";

static const char *const anonymous = "no name";

/* ---------------------------------------------------------------- the block */

const void *child_arg(struct child_head *head)
{
    const char *at = (const char *)head + HEAD_SIZE;
    const void *pointer;

    if (head->arg_size > 0)
        return at;
    memcpy(&pointer, at, sizeof pointer);
    return pointer;
}

anqa_str child_id(struct child_head *head)
{
    size_t at = HEAD_SIZE + (head->arg_size == 0 ? sizeof(void *) : head->arg_size);
    const char *id = (const char *)head + at;

    return anqa_str_make(id, head->flags & HEAD_VALUED ? strlen(id) : head->id_len);
}

static anqa_json child_value(struct child_head *head)
{
    anqa_str id = child_id(head);

    if ((head->flags & HEAD_VALUED) == 0)
        return ANQA_JSON_NULL;
    return (anqa_json){id.ptr + id.len + 1, head->id_len - id.len - 1};
}

static void child_run(void *block)
{
    struct child_head *head = block;
    void (*run)(void *arg);

    memcpy(&run, &head->spec, sizeof run);
    run((void *)(uintptr_t)child_arg(head));
}

/* The calling process has a head only if it was started here. */
static struct child_head *head_of_self(void)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    bool ours = p->flags & PROC_FOREIGN ? false
                : p->flags & PROC_RUN   ? proc_run(p) == child_run
                                        : proc_behaviour(p) == &gen_server_behaviour ||
                                            proc_behaviour(p) == &supervisor_behaviour ||
                                            proc_behaviour(p) == &dynamic_behaviour;

    return ours ? p->state : NULL;
}

anqa_str anqa_child_id(void)
{
    struct child_head *head = head_of_self();

    return head == NULL ? (anqa_str){NULL, 0} : child_id(head);
}

/* So that the event of a crash can say which child it was. */
__attribute__((constructor)) static void give_names(void)
{
    proc_set_name_hooks(&(struct name_hooks){.name = registry_own_name, .id = anqa_child_id});
}

size_t child_state_size(enum child_kind kind, const void *spec)
{
    switch (kind) {
    case CHILD_SERVER: return ((const anqa_gen_server *)spec)->state_size;
    case CHILD_SUPERVISOR:
    case CHILD_PARTITIONS: return supervisor_state_size;
    case CHILD_DYNAMIC: return dynamic_state_size;
    case CHILD_RUN: break;
    }
    return 0;
}

/* Bytes of the id, and of a value that stands behind it. */
static size_t id_room(const struct child_start *start)
{
    return start->id.len + (start->value.len > 0 ? start->value.len + 1 : 0);
}

/* Writes head, argument and id to `block`. */
static void block_fill(char *block, const struct child_start *start, anqa_ref ref)
{
    struct child_head head = {.spec = start->spec,
        .t.start_ref = ref,
        .arg_size = (uint32_t)start->arg_size,
        .id_len = (uint16_t)id_room(start),
        .kind = (uint8_t)start->kind};
    char *arg = block + HEAD_SIZE,
         *id = arg + (start->arg_size == 0 ? sizeof(void *) : start->arg_size);

    if (start->kind == CHILD_RUN)
        memcpy(&head.spec, &start->run, sizeof head.spec);
    if (start->named) {
        head.flags |= HEAD_NAMED;
        head.u.registry = start->registry;
    }
    if (start->value.len > 0)
        head.flags |= HEAD_VALUED;
    memcpy(block, &head, sizeof head);
    if (start->arg_size == 0)
        memcpy(arg, &start->arg, sizeof start->arg);
    else if (start->arg != NULL)
        memcpy(arg, start->arg, start->arg_size);
    else
        memset(arg, 0, start->arg_size);
    if (start->id.len > 0)
        memcpy(id, start->id.ptr, start->id.len);
    id[start->id.len] = '\0';
    if (start->value.len > 0) {
        memcpy(id + start->id.len + 1, start->value.ptr, start->value.len);
        id[id_room(start)] = '\0';
    }
}

/* ---------------------------------------------------------------- starting */

struct child_start child_start_of(const anqa_child_spec *child, const void *arg, anqa_str id)
{
    struct child_start start = {.kind = child_spec_kind(child),
        .arg = arg,
        .arg_size = child_spec_arg_size(child),
        .id = id,
        .link = true};

    switch (start.kind) {
    case CHILD_SERVER: start.spec = child->server; break;
    case CHILD_SUPERVISOR: start.spec = child->supervisor; break;
    case CHILD_DYNAMIC: start.spec = child->dynamic_supervisor; break;
    case CHILD_PARTITIONS: start.spec = child->partition_supervisor; break;
    case CHILD_RUN: start.run = child->run; break;
    }
    return start;
}

static void server_opts(anqa_spawn_opts *opts, const anqa_gen_server *server)
{
    opts->behaviour = &gen_server_behaviour;
    opts->label = server->label;
    opts->priority = server->priority;
    opts->trap_exit = server->trap_exit;
    opts->pinned = server->pinned;
    opts->mailbox_limit = server->mailbox_limit;
    opts->overflow = server->overflow;
    opts->heap_quota = server->heap_quota;
}

static void kind_opts(anqa_spawn_opts *opts, const struct child_start *start)
{
    switch (start->kind) {
    case CHILD_SERVER: server_opts(opts, start->spec); return;
    case CHILD_SUPERVISOR:
    case CHILD_PARTITIONS: opts->behaviour = &supervisor_behaviour; break;
    case CHILD_DYNAMIC: opts->behaviour = &dynamic_behaviour; break;
    case CHILD_RUN: opts->run = child_run; return;
    }
    opts->trap_exit = true;
}

anqa_status child_spawn(const struct child_start *start, anqa_ref ref, anqa_pid *ret_pid)
{
    char small[256], *block = small;
    size_t middle = child_middle(start->arg_size, id_room(start));
    anqa_spawn_opts opts = {.link = start->link,
        .monitor = ref.bits != 0,
        .monitor_ref = ref,
        .scheduler = start->scheduler,
        .spec = start->spec};

    if (id_room(start) > UINT16_MAX || start->arg_size > UINT32_MAX)
        return ANQA_E_INVALID;
    if (HEAD_SIZE + middle > sizeof small)
        block = anqa_arena_alloc(anqa_tmp(), HEAD_SIZE + middle);
    block_fill(block, start, ref);
    opts.arg = block;
    opts.arg_size =
        HEAD_SIZE + (start->arg_size == 0 ? sizeof(void *) : start->arg_size) + id_room(start) + 1;
    opts.state_size = HEAD_SIZE + middle + child_state_size(start->kind, start->spec);
    kind_opts(&opts, start);
    return anqa_spawn(&opts, ret_pid, NULL);
}

static bool is_exit_of(const anqa_msg *msg, void *arg)
{
    return msg->kind == ANQA_MSG_EXIT && anqa_pid_eq(msg->from, *(const anqa_pid *)arg);
}

bool child_traps_exits(void)
{
    struct sched *s;

    return (proc_self(&s)->flags & PROC_TRAP) != 0;
}

void child_unlink(anqa_pid pid)
{
    const anqa_msg *msg;

    anqa_unlink(pid);
    msg = child_traps_exits() ? anqa_receive_if(is_exit_of, &pid, 0) : NULL;
    if (msg != NULL)
        anqa_msg_free(msg);
}

/* What died in its start also sent an EXIT over the link: who traps has heard of it by the error already. */
static void forget_exit(const struct child_start *start, anqa_pid pid)
{
    if (start->link && child_traps_exits())
        child_unlink(pid);
}

static anqa_status start_timed_out(
    const struct child_start *start, anqa_pid pid, anqa_ref ref, anqa_error *err)
{
    const anqa_msg *msg;

    if (start->link)
        anqa_unlink(pid);
    anqa_exit_signal(pid, ANQA_KILL);
    /* its note may have come after all */
    do
        msg = anqa_receive_ref(ref, ANQA_INFINITY);
    while (msg != NULL && msg->kind != ANQA_MSG_DOWN);
    forget_exit(start, pid);
    return anqa_fail(
        err, ANQA_E_TIMEOUT, "init took longer than %u ms and was killed", start->timeout_ms);
}

static anqa_status start_crashed(const anqa_msg *down, anqa_error *err)
{
    char text[200];

    return anqa_fail(err, ANQA_E_DIED, "%s", anqa_reason_format(down->u.reason, text, sizeof text));
}

static anqa_status start_wait(
    const struct child_start *start, anqa_pid pid, anqa_ref ref, anqa_error *err)
{
    const anqa_msg *msg =
        anqa_receive_ref(ref, start->timeout_ms == 0 ? ANQA_INFINITY : start->timeout_ms);
    struct child_outcome outcome;

    if (msg == NULL)
        return start_timed_out(start, pid, ref, err);
    if (msg->kind == ANQA_MSG_DOWN) {
        forget_exit(start, pid);
        return start_crashed(msg, err);
    }
    outcome = child_note_read(msg);
    anqa_msg_free(msg);
    if (outcome.status == ANQA_OK) {
        anqa_demonitor(ref, true);
        return ANQA_OK;
    }
    (void)anqa_receive_ref(ref, ANQA_INFINITY); /* DOWN: it is gone */
    forget_exit(start, pid);
    return anqa_fail(err, outcome.status, "%s", outcome.text);
}

anqa_status child_start(const struct child_start *start, anqa_pid *ret_pid, anqa_error *err)
{
    bool waits = start->kind != CHILD_RUN;
    anqa_ref ref = waits ? anqa_make_ref() : (anqa_ref){0};
    anqa_pid pid;
    anqa_status status = child_spawn(start, ref, &pid);

    if (status != ANQA_OK)
        return anqa_fail(err, status, "no process could be started: %s", anqa_status_text(status));
    if (waits)
        status = start_wait(start, pid, ref, err);
    if (status == ANQA_OK && ret_pid != NULL)
        *ret_pid = pid;
    return status;
}

/* ---------------------------------------------------------------- notes */

size_t child_outcome_size(const struct child_outcome *outcome)
{
    return offsetof(struct child_outcome, text) + strlen(outcome->text) + 1;
}

struct child_outcome child_note_read(const anqa_msg *msg)
{
    /* the text is only cleared as far as it must be: this is in the way of every start */
    struct child_outcome outcome;

    outcome.status = ANQA_OK;
    outcome.pid.bits = 0;
    outcome.text[0] = '\0';
    if (msg->body.len > 0)
        memcpy(&outcome, msg->body.ptr,
            msg->body.len < sizeof outcome ? msg->body.len : sizeof outcome);
    return outcome;
}

void child_started(struct child_head *head)
{
    anqa_ref ref = head->t.start_ref;
    anqa_status status;

    head->flags |= HEAD_STARTED;
    head->t.timer.bits = 0;
    head->u.idle.bits = 0;
    /* who waits for a note that cannot come would wait for ever: our end tells it instead */
    status = anqa_send_ref(anqa_parent(), child_note_tag, ref, anqa_nothing());
    if (status != ANQA_OK && status != ANQA_E_NOPROC)
        anqa_exit(anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT,
            "the one who starts it cannot be told that it has started: %s",
            anqa_status_text(status)));
}

void child_failed(struct child_head *head, anqa_status status, const char *text, anqa_reason reason)
{
    struct child_outcome outcome = {.status = status};

    snprintf(outcome.text, sizeof outcome.text, "%s", text);
    (void)anqa_send_ref(anqa_parent(), child_note_tag, head->t.start_ref,
        anqa_bytes(&outcome, child_outcome_size(&outcome)));
    anqa_exit(reason);
}

static ANQA_NORETURN void name_taken(
    struct child_head *head, anqa_status status, const char *name, anqa_pid holder)
{
    char text[200], pid[ANQA_PID_TEXT];

    if (status == ANQA_E_EXISTS)
        snprintf(text, sizeof text, "the name '%.100s' is taken by %s", name,
            anqa_pid_text(holder, pid));
    else
        snprintf(text, sizeof text, "cannot register '%.100s': %s", name, anqa_status_text(status));
    child_failed(head, status, text, anqa_reason_make(ANQA_REASON_SHUTDOWN, "%s", text));
}

void child_take_name(struct child_head *head, const char *name)
{
    const anqa_registry *registry = head->flags & HEAD_NAMED ? head->u.registry : NULL;
    anqa_pid holder = {0};
    anqa_status status;

    if (head->flags & HEAD_NAMED)
        name = child_id(head).ptr;
    if (name == NULL)
        return;
    if (registry != NULL) {
        status = anqa_registry_register(registry, child_id(head), child_value(head), &holder);
    } else {
        status = anqa_register(name);
        holder = anqa_whereis(name);
    }
    if (status != ANQA_OK)
        name_taken(head, status, name, holder);
}

/* ---------------------------------------------------------------- stopping */

anqa_reason child_stop_reason(const anqa_msg *msg)
{
    anqa_reason_kind kind = (anqa_reason_kind)(uint8_t)msg->body.ptr[0];

    if (msg->body.len == 1)
        return anqa_reason_of(kind);
    return anqa_reason_make(kind, "%.*s", (int)msg->body.len - 1, msg->body.ptr + 1);
}

bool child_is_told_to_end(const anqa_msg *msg)
{
    return anqa_pid_is_none(msg->from) || anqa_pid_eq(msg->from, anqa_parent());
}

static void stop_send(anqa_pid pid, anqa_reason reason)
{
    anqa_str text = anqa_reason_get_text(reason);
    char bytes[512];

    bytes[0] = (char)anqa_reason_get_kind(reason);
    if (text.len > sizeof bytes - 1)
        text.len = sizeof bytes - 1;
    if (text.len > 0)
        memcpy(bytes + 1, text.ptr, text.len);
    anqa_cast_payload(pid, child_stop_tag, anqa_bytes(bytes, text.len + 1));
}

anqa_status child_stop(anqa_pid pid, anqa_reason reason, uint32_t timeout_ms)
{
    anqa_ref ref = anqa_monitor(pid);
    anqa_reason_kind wanted = anqa_reason_get_kind(reason);
    const anqa_msg *down;

    stop_send(pid, reason);
    anqa_reason_unref(reason);
    down = anqa_receive_ref(ref, timeout_ms);
    if (down == NULL) {
        anqa_demonitor(ref, true);
        return ANQA_E_TIMEOUT;
    }
    if (anqa_msg_never_started(down))
        return ANQA_E_NOPROC;
    return anqa_reason_get_kind(down->u.reason) == wanted ? ANQA_OK : ANQA_E_DIED;
}

/* ---------------------------------------------------------------- specs */

enum child_kind child_spec_kind(const anqa_child_spec *child)
{
    if (child->server != NULL)
        return CHILD_SERVER;
    if (child->supervisor != NULL)
        return CHILD_SUPERVISOR;
    if (child->dynamic_supervisor != NULL)
        return CHILD_DYNAMIC;
    return child->partition_supervisor != NULL ? CHILD_PARTITIONS : CHILD_RUN;
}

static unsigned kinds_set(const anqa_child_spec *child)
{
    return (unsigned)(child->server != NULL) + (child->supervisor != NULL) +
           (child->dynamic_supervisor != NULL) + (child->partition_supervisor != NULL) +
           (child->run != NULL);
}

bool child_spec_is_end(const anqa_child_spec *child)
{
    return kinds_set(child) == 0 && child->id == NULL;
}

bool child_spec_is_supervisor(const anqa_child_spec *child)
{
    return child->supervisor != NULL || child->dynamic_supervisor != NULL ||
           child->partition_supervisor != NULL;
}

const char *child_spec_id(const anqa_child_spec *child)
{
    if (child->id != NULL)
        return child->id;
    if (child->server != NULL)
        return child->server->name;
    if (child->supervisor != NULL)
        return child->supervisor->name;
    if (child->partition_supervisor != NULL)
        return child->partition_supervisor->name;
    return child->dynamic_supervisor == NULL ? NULL : child->dynamic_supervisor->name;
}

size_t child_spec_arg_size(const anqa_child_spec *child)
{
    if (child->server != NULL)
        return child->server->arg_size;
    return child->run != NULL ? child->arg_size : 0;
}

uint32_t child_spec_shutdown(const anqa_child_spec *child)
{
    if (child->shutdown_ms != 0)
        return child->shutdown_ms;
    return child_spec_is_supervisor(child) ? ANQA_INFINITY : 5000;
}

bool child_spec_restarts(const anqa_child_spec *child, anqa_reason reason)
{
    return child->restart == ANQA_PERMANENT ||
           (child->restart == ANQA_TRANSIENT && !anqa_reason_is_quiet(reason));
}

uint32_t child_spec_wait(const anqa_child_spec *child, uint64_t lived_ms, uint32_t *failures)
{
    uint32_t steady_ms = child->steady_ms;

    if (child->backoff.first_ms == 0)
        return 0;
    if (steady_ms == 0)
        steady_ms = child->backoff.max_ms != 0 ? child->backoff.max_ms : ANQA_BACKOFF_MAX_MS;
    if (lived_ms != CHILD_NEVER_LIVED && lived_ms >= steady_ms)
        *failures = 0;
    if (*failures < UINT32_MAX)
        ++*failures;
    return anqa_backoff_ms(&child->backoff, *failures);
}

void child_log_start(const char *supervisor, anqa_str child, anqa_pid pid)
{
    char text[ANQA_PID_TEXT];

    anqa_log(ANQA_INFO, "supervisor.child_started", "supervisor=%s child=%.*s pid=%s", supervisor,
        ANQA_FMT(child), anqa_pid_text(pid, text));
}

void child_log_end(
    const char *supervisor, anqa_str child, anqa_pid pid, anqa_reason reason, bool restarts)
{
    char text[ANQA_PID_TEXT], why[160];

    if (!restarts && anqa_reason_is_quiet(reason))
        return;
    anqa_log(ANQA_WARN, "supervisor.child_ended",
        "supervisor=%s child=%.*s pid=%s reason=\"%s\" next=%s", supervisor, ANQA_FMT(child),
        anqa_pid_text(pid, text), anqa_reason_format(reason, why, sizeof why),
        restarts ? "restart" : "none");
}

void child_log_wait(const char *supervisor, anqa_str child, uint32_t wait_ms)
{
    if (wait_ms > 0)
        anqa_log(ANQA_NOTICE, "supervisor.child_waits", "supervisor=%s child=%.*s wait_ms=%u",
            supervisor, ANQA_FMT(child), wait_ms);
}

static anqa_status backoff_check(
    const anqa_child_spec *child, const char *id, const char *owner, anqa_error *err)
{
    anqa_error why;

    if (child->backoff.first_ms == 0 && child->steady_ms == 0)
        return ANQA_OK;
    if (child->backoff.first_ms == 0)
        return anqa_fail(err, ANQA_E_INVALID,
            "child '%s' of %s: .steady_ms goes with .backoff; set .backoff.first_ms", id, owner);
    if (child->restart == ANQA_TEMPORARY)
        return anqa_fail(err, ANQA_E_INVALID,
            "child '%s' of %s has a .backoff, but is temporary: it is never started again", id,
            owner);
    if (anqa_backoff_check(&child->backoff, &why) != ANQA_OK)
        return anqa_fail(err, ANQA_E_INVALID, "child '%s' of %s: %s", id, owner, why.text);
    return ANQA_OK;
}

static anqa_status significance_check(const anqa_child_spec *child, const char *id,
    const char *owner, anqa_auto_shutdown mode, anqa_error *err)
{
    if (!child->significant)
        return ANQA_OK;
    if (mode == ANQA_NEVER)
        return anqa_fail(err, ANQA_E_INVALID,
            "child '%s' of %s is significant, but auto_shutdown is never: set .auto_shutdown, or "
            "drop .significant",
            id, owner);
    if (child->restart == ANQA_PERMANENT)
        return anqa_fail(err, ANQA_E_INVALID,
            "child '%s' of %s is significant and permanent: it would never end for good; make it "
            "transient or temporary",
            id, owner);
    return ANQA_OK;
}

anqa_status child_spec_check(const anqa_child_spec *child, const char *owner, size_t index,
    anqa_auto_shutdown mode, anqa_error *err)
{
    const char *id = child_spec_id(child), *shown = id == NULL ? anonymous : id;

    if (kinds_set(child) == 0)
        return anqa_fail(err, ANQA_E_INVALID,
            "child '%s' of %s starts nothing: set one of .server, .supervisor, "
            ".dynamic_supervisor, .partition_supervisor, .run",
            shown, owner);
    if (kinds_set(child) > 1)
        return anqa_fail(err, ANQA_E_INVALID,
            "child '%s' of %s: set only one of .server, .supervisor, .dynamic_supervisor, "
            ".partition_supervisor, .run",
            shown, owner);
    if (id == NULL)
        return anqa_fail(err, ANQA_E_INVALID,
            "child %zu of %s has no id: give it an .id, or what it starts a .name", index + 1,
            owner);
    if (child->restart > ANQA_TEMPORARY)
        return anqa_fail(err, ANQA_E_INVALID,
            "child '%s' of %s: .restart is %d, which is none of the three", id, owner,
            (int)child->restart);
    if (child->arg_size != 0 && child->run == NULL)
        return anqa_fail(err, ANQA_E_INVALID,
            "child '%s' of %s: .arg_size goes with .run; a server says its own in anqa_gen_server",
            id, owner);
    if (backoff_check(child, id, owner, err) != ANQA_OK)
        return ANQA_E_INVALID;
    return significance_check(child, id, owner, mode, err);
}
