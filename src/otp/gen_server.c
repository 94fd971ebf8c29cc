/* Servers: the behaviour, and calls and casts to it. */
#include <anqa/gen_server.h>

#include <stdio.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "otp/requests.h"
#include "otp/sys.h"
#include "runtime/probe.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

/* Of the timers below. Told apart by address: a user's own timer may have the same text. */
static const char timeout_tag[] = "timeout";
static const char idle_tag[] = "$idle";

/* ---------------------------------------------------------------- crashes of the server's own making */

static ANQA_NORETURN void no_handler(const char *what, const char *tag)
{
    anqa_exit(anqa_error_reason("no handler for the %s '%s'", what, tag));
}

/* Also where handle_any_call would take it: the caller would read its answer as a supervisor's. */
static ANQA_NORETURN void not_a_supervisor(const anqa_msg *msg)
{
    char caller[ANQA_PID_TEXT];

    anqa_exit(anqa_error_reason(
        "the call '%s' is for supervisors, and this is a gen_server: %s has called the wrong pid",
        msg->tag, anqa_pid_text(msg->from, caller)));
}

static ANQA_NORETURN void bad_return(const char *what, const char *tag)
{
    anqa_exit(anqa_reason_make(ANQA_REASON_BAD_RETURN, "of the handler of %s '%s'", what, tag));
}

/* ---------------------------------------------------------------- what a handler has returned */

static const anqa_handler *find(const anqa_handler *handler, const char *tag)
{
    if (handler == NULL)
        return NULL;
    for (const anqa_handler *at = handler; at->tag != NULL; at++)
        if (at->tag == tag)
            return at;
    for (; handler->tag != NULL; handler++)
        if (anqa_tag_is(tag, handler->tag))
            return handler;
    return NULL;
}

static void answer_error(const anqa_caller *caller, const anqa_payload *error)
{
    anqa_json object = {error->ptr, error->len};

    anqa_reply_to(caller,
        anqa_text(error->kind == ANQA_PAYLOAD_JSON
                      ? anqa_jsonf("{'error': %p}", (const void *)&object)
                      : anqa_jsonf("{'error': %.*s}", (int)error->len, (const char *)error->ptr)));
}

static void answer(const anqa_msg *call, const anqa_next *next)
{
    anqa_caller caller = anqa_msg_caller(call);

    if (next->kind == ANQA_NEXT_REPLY_ERROR)
        answer_error(&caller, &next->answer);
    else
        anqa_reply_to(&caller, next->answer);
}

/* msg: NULL for init and continue, which nobody waits for. */
static void apply(const anqa_next *next, const anqa_msg *msg, const char *what, const char *tag)
{
    bool is_call = msg != NULL && msg->kind == ANQA_MSG_CALL;

    switch (next->kind) {
    case ANQA_NEXT_NOREPLY: return;
    case ANQA_NEXT_STOP: anqa_exit(next->reason);
    case ANQA_NEXT_REPLY:
    case ANQA_NEXT_REPLY_ERROR:
        if (!is_call)
            bad_return(what, tag);
        answer(msg, next);
        return;
    case ANQA_NEXT_STOP_REPLY:
        if (!is_call)
            bad_return(what, tag);
        answer(msg, next);
        anqa_exit(next->reason);
    default: bad_return(what, tag);
    }
}

static anqa_next run_continue(struct child_head *head, const char *tag)
{
    const anqa_gen_server *spec = head->spec;
    const anqa_handler *handler = find(spec->handle_continue, tag);
    anqa_msg msg = {.tag = tag, .from = anqa_self()};
    anqa_next next;

    if (handler == NULL)
        no_handler("continue", tag);
    next = handler->run(child_state(head), &msg);
    apply(&next, NULL, "the continue", tag);
    return next;
}

static void arm(anqa_timer *timer, const char *tag, uint32_t ms)
{
    *timer = anqa_send_after(anqa_self(), tag, anqa_nothing(), ms);
}

/* The actions that came with a return value; those of the last handler count, which is left in `next`. */
static void act(struct child_head *head, anqa_next *next)
{
    const anqa_gen_server *spec = head->spec;

    while (__builtin_expect(next->then != NULL, 0))
        *next = run_continue(head, next->then);
    if (next->has_timeout)
        arm(&head->t.timer, timeout_tag, next->timeout_ms);
    if (next->hibernate && spec->hibernate != NULL)
        spec->hibernate(child_state(head));
    else if (spec->hibernate_after_ms != 0 && spec->hibernate != NULL)
        arm(&head->u.idle, idle_tag, spec->hibernate_after_ms);
}

/* ---------------------------------------------------------------- messages */

static void on_call(struct child_head *head, anqa_msg *msg)
{
    const anqa_gen_server *spec = head->spec;
    const anqa_handler *handler = find(spec->handle_call, msg->tag);
    anqa_next (*run)(void *state, anqa_msg *msg) =
        handler == NULL ? spec->handle_any_call : handler->run;
    anqa_next next;

    if (handler == NULL && request_is_ours(msg->tag))
        not_a_supervisor(msg);
    if (run == NULL)
        no_handler("call", msg->tag);
    next = run(child_state(head), msg);
    apply(&next, msg, "the call", msg->tag);
    act(head, &next);
}

static void on_cast(struct child_head *head, anqa_msg *msg)
{
    const anqa_gen_server *spec = head->spec;
    const anqa_handler *handler;
    anqa_next (*run)(void *state, anqa_msg *msg);
    anqa_next next;

    if (msg->tag == child_stop_tag)
        anqa_exit(child_stop_reason(msg));
    handler = find(spec->handle_cast, msg->tag);
    run = handler == NULL ? spec->handle_any_cast : handler->run;
    if (run == NULL)
        no_handler("cast", msg->tag);
    next = run(child_state(head), msg);
    apply(&next, msg, "the cast", msg->tag);
    act(head, &next);
}

static void on_info(struct child_head *head, anqa_msg *msg)
{
    const anqa_gen_server *spec = head->spec;
    const anqa_handler *handler = find(spec->handle_info, msg->tag);
    anqa_next (*run)(void *state, anqa_msg *msg) =
        handler == NULL ? spec->handle_any_info : handler->run;
    char from[ANQA_PID_TEXT];
    anqa_next next;

    if (run == NULL) {
        anqa_log(ANQA_ERROR, "gen_server.unexpected_message", "tag=%s from=%s next=dropped",
            msg->tag, anqa_pid_text(msg->from, from));
        next = anqa_noreply();
        act(head, &next);
        return;
    }
    next = run(child_state(head), msg);
    apply(&next, msg, "the message", msg->tag);
    act(head, &next);
}

static void disarm(anqa_timer *timer)
{
    if (timer->bits == 0)
        return;
    (void)anqa_timer_cancel(*timer);
    timer->bits = 0;
}

/* True: the message is one of our own timers, and there is nothing more to do with it. A timer that fired when it was
 * just to be cancelled is known by its reference, and dropped. */
static bool on_own_timer(struct child_head *head, const anqa_msg *msg)
{
    const anqa_gen_server *spec = head->spec;

    if (msg->tag == timeout_tag) {
        if (msg->ref.bits != head->t.timer.bits)
            return true;
        head->t.timer.bits = 0;
        return false;
    }
    if (msg->tag != idle_tag)
        return false;
    if (msg->ref.bits == head->u.idle.bits) {
        head->u.idle.bits = 0;
        spec->hibernate(child_state(head));
    }
    return true;
}

static void server_handle(void *block, const anqa_msg *received)
{
    struct child_head *head = block;
    anqa_msg *msg = (anqa_msg *)(uintptr_t)received;

    if (__builtin_expect(msg->tag == sys_tag, 0)) { /* which cancels no timer */
        sys_handle(head, msg);
        return;
    }
    if (msg->kind == ANQA_MSG_TIMEOUT && on_own_timer(head, msg))
        return;
    disarm(&head->t.timer);
    disarm(&head->u.idle);
    switch (msg->kind) {
    case ANQA_MSG_CALL: on_call(head, msg); return;
    case ANQA_MSG_CAST: on_cast(head, msg); return;
    case ANQA_MSG_SYSTEM: return;
    case ANQA_MSG_EXIT:
        if (child_is_told_to_end(msg))
            anqa_exit(anqa_reason_ref(msg->u.reason));
        break;
    default: break;
    }
    on_info(head, msg);
}

/* ---------------------------------------------------------------- begin and end */

static void init_stopped(struct child_head *head, anqa_reason reason)
{
    char text[200];

    anqa_reason_format(reason, text, sizeof text);
    child_failed(head, ANQA_E_STOPPED, text, reason);
}

static void server_init(void *block)
{
    struct child_head *head = block;
    const anqa_gen_server *spec = head->spec;
    anqa_next next = anqa_noreply();

    child_take_name(head, spec->name);
    if (spec->init != NULL)
        next = spec->init(child_state(head), child_arg(head));
    switch (next.kind) {
    case ANQA_NEXT_NOREPLY: break;
    case ANQA_NEXT_IGNORE: child_failed(head, ANQA_E_IGNORE, "init said ignore", ANQA_NORMAL);
    case ANQA_NEXT_STOP: init_stopped(head, next.reason); break;
    default: bad_return("init", "init");
    }
    child_started(head);
    act(head, &next);
}

static anqa_json server_format_status(void *block)
{
    struct child_head *head = block;
    const anqa_gen_server *spec = head->spec;

    return spec->format_status == NULL ? (anqa_json){NULL, 0}
                                       : spec->format_status(child_state(head));
}

static anqa_json server_format_message(void *block, const anqa_msg *msg)
{
    struct child_head *head = block;
    const anqa_gen_server *spec = head->spec;

    return spec->format_message == NULL ? (anqa_json){NULL, 0}
                                        : spec->format_message(child_state(head), msg);
}

static void server_terminate(void *block, anqa_reason reason)
{
    struct child_head *head = block;
    const anqa_gen_server *spec = head->spec;

    if ((head->flags & HEAD_STARTED) == 0)
        return;
    if (spec->terminate != NULL)
        spec->terminate(child_state(head), reason);
}

const anqa_behaviour gen_server_behaviour = {.name = "gen_server",
    .init = server_init,
    .handle = server_handle,
    .terminate = server_terminate,
    .format_status = server_format_status,
    .format_message = server_format_message};

/* ---------------------------------------------------------------- starting and stopping */

static anqa_status start(const anqa_gen_server *server, const void *arg,
    const anqa_start_opts *opts, bool link, anqa_pid *ret_pid, anqa_error *err)
{
    static const anqa_start_opts standard = {0};
    struct child_start what = {.kind = CHILD_SERVER,
        .spec = server,
        .arg = arg,
        .arg_size = server->arg_size,
        .link = link};
    const char *name;

    if (opts == NULL)
        opts = &standard;
    if (opts->registry != NULL && opts->name == NULL)
        return anqa_fail(err, ANQA_E_INVALID, "a start in registry '%s' needs .name, the key",
            opts->registry->name);
    if (opts->registry == NULL && opts->value.len > 0)
        return anqa_fail(err, ANQA_E_INVALID, "a start with .value needs .registry to keep it in");
    name = opts->name != NULL ? opts->name : server->name;
    what.id = anqa_str_of(name);
    what.named = opts->name != NULL;
    what.registry = opts->registry;
    what.value = opts->value;
    what.scheduler = opts->scheduler;
    what.timeout_ms = opts->timeout_ms;
    return child_start(&what, ret_pid, err);
}

anqa_status anqa_gen_server_start(const anqa_gen_server *server, const void *arg,
    const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    return start(server, arg, opts, false, ret_pid, err);
}

anqa_status anqa_gen_server_start_link(const anqa_gen_server *server, const void *arg,
    const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    return start(server, arg, opts, true, ret_pid, err);
}

anqa_status anqa_gen_server_stop(anqa_pid server, anqa_reason reason, uint32_t timeout_ms)
{
    return child_stop(server, reason, timeout_ms);
}

/* ---------------------------------------------------------------- calls */

/* A wait's returns are mispredicted one by one (see runtime/process.c): the functions around it are made one. */
#define ONE_LEVEL static inline __attribute__((always_inline))

/* The answer, or the DOWN instead of it, or NULL: too late. */
ONE_LEVEL const anqa_msg *ask(anqa_pid to, const char *tag, anqa_payload arg, uint32_t timeout_ms)
{
    anqa_ref ref = anqa_request(to, tag, arg);
    const anqa_msg *msg = anqa_receive_ref(ref, timeout_ms);

    if (msg == NULL)
        anqa_request_cancel(ref);
    return msg;
}

static ANQA_NORETURN void exit_timed_out(anqa_pid to, const char *tag, uint32_t timeout_ms)
{
    char pid[ANQA_PID_TEXT];

    anqa_exit(anqa_reason_make(ANQA_REASON_TIMEOUT, "call '%s' to %s: no answer in %u ms", tag,
        anqa_pid_text(to, pid), timeout_ms));
}

/* With the reason of the server; a quiet one would hide that we crash. */
static ANQA_NORETURN void exit_as_server(anqa_pid to, const char *tag, const anqa_msg *down)
{
    anqa_reason_kind kind = anqa_reason_get_kind(down->u.reason);
    char pid[ANQA_PID_TEXT], text[400];

    if (anqa_msg_never_started(down) && kind == ANQA_REASON_NOPROC)
        anqa_exit(
            anqa_reason_make(ANQA_REASON_NOPROC, "call '%s' to %s", tag, anqa_pid_text(to, pid)));
    anqa_exit(anqa_reason_make(anqa_reason_is_quiet(down->u.reason) ? ANQA_REASON_ERROR : kind,
        "call '%s' to %s, which ended: %s", tag, anqa_pid_text(to, pid),
        anqa_reason_format(down->u.reason, text, sizeof text)));
}

ONE_LEVEL const anqa_msg *call(anqa_pid to, const char *tag, anqa_payload arg, uint32_t timeout_ms)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    const anqa_msg *msg;

    /* a call to oneself would wait for ever */
    ANQA_REQUIRE(!anqa_pid_eq(to, proc_pid(s->rt, p)));
    msg = ask(to, tag, arg, timeout_ms);
    if (msg == NULL)
        exit_timed_out(to, tag, timeout_ms);
    if (msg->kind != ANQA_MSG_REPLY)
        exit_as_server(to, tag, msg);
    return msg;
}

const anqa_msg *anqa_call_parts_(anqa_pid to, const char *tag, anqa_payload_kind kind,
    const void *ptr, size_t len, struct anqa_buf_block *shared, uint32_t timeout_ms)
{
    anqa_payload arg = {.kind = kind, .ptr = ptr, .len = len, .u.block = shared};

    return call(to, tag, arg, timeout_ms);
}

anqa_json anqa_call(anqa_pid to, const char *tag, anqa_json arg, uint32_t timeout_ms)
{
    return call(to, tag, anqa_text(arg), timeout_ms)->body;
}

/* The others have their turn: who tries again and again must not keep its supervisor from starting another server. */
static anqa_status call_failed(anqa_pid to, const char *tag, const anqa_msg *down, anqa_error *err)
{
    bool never_started = anqa_msg_never_started(down);
    char pid[ANQA_PID_TEXT], text[160];

    anqa_pid_text(to, pid);
    anqa_reason_format(down->u.reason, text, sizeof text);
    anqa_msg_free(down);
    anqa_yield();
    if (never_started)
        return anqa_fail(
            err, ANQA_E_NOPROC, "call '%s' to %s was not delivered: %s", tag, pid, text);
    return anqa_fail(
        err, ANQA_E_DIED, "call '%s' to %s, which ended before it answered: %s", tag, pid, text);
}

anqa_status anqa_try_call_payload(anqa_pid to, const char *tag, anqa_payload arg,
    uint32_t timeout_ms, const anqa_msg **ret_answer, anqa_error *err)
{
    const anqa_msg *msg;
    char pid[ANQA_PID_TEXT];

    ANQA_REQUIRE(!anqa_pid_eq(to, anqa_self()));
    msg = ask(to, tag, arg, timeout_ms);
    if (msg == NULL)
        return anqa_fail(err, ANQA_E_TIMEOUT, "call '%s' to %s: no answer in %u ms", tag,
            anqa_pid_text(to, pid), timeout_ms);
    if (msg->kind != ANQA_MSG_REPLY)
        return call_failed(to, tag, msg, err);
    if (ret_answer != NULL)
        *ret_answer = msg;
    return ANQA_OK;
}

anqa_status anqa_try_call(anqa_pid to, const char *tag, anqa_json arg, uint32_t timeout_ms,
    anqa_json *ret_answer, anqa_error *err)
{
    const anqa_msg *msg = NULL;
    anqa_status status = anqa_try_call_payload(to, tag, anqa_text(arg), timeout_ms, &msg, err);

    if (msg != NULL && ret_answer != NULL)
        *ret_answer = msg->body;
    return status;
}

/* ---------------------------------------------------------------- casts */

void anqa_cast_parts_(anqa_pid to, const char *tag, anqa_payload_kind kind, const void *ptr,
    size_t len, struct anqa_buf_block *shared)
{
    anqa_payload arg = {.kind = kind, .ptr = ptr, .len = len, .u.block = shared};
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct msg *msg;

    if (msg_make(s, ANQA_MSG_CAST, tag, proc_pid(s->rt, p), (anqa_ref){0}, &arg, &msg) != ANQA_OK)
        anqa_exit(anqa_reason_make(
            ANQA_REASON_SYSTEM_LIMIT, "no memory for the cast '%s', or too long", tag));
    if (__builtin_expect((p->flags & PROC_PROBED) != 0, 0))
        probe_sent(s, p, to, msg);
    if (mailbox_push(s, to, msg) != ANQA_OK)
        msg_drop(s, msg);
}
