/* The guard of an application. See application_int.h. */
#include "otp/application_int.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "otp/requests.h"
#include "runtime/sched.h"

/* What a late stop gives the master beyond its deadline, for its last callback. */
#define GRACE_MS 1000u
/* What a guard that is to kill gets, beyond what it takes: it answers, whatever hangs below. */
#define KILL_ANSWER_MS 3000u

/* Calls from guard to guard. `take` has the application's address and is answered when it has started; `release` has
 * milliseconds (0: kill) and is answered when others hold it still, else by its end. */
static const char take_tag[] = "$take_application";
static const char release_tag[] = "$release_application";

enum stage {
    GUARD_TAKING,   /* those that it needs start */
    GUARD_STARTING, /* the master starts */
    GUARD_RUNNING,
    GUARD_STOPPING, /* the master has been told */
    GUARD_RELEASING /* the master has ended, or never was */
};

/* An application that ours needs. */
struct need {
    const anqa_app *app;
    anqa_pid guard;
    anqa_ref monitor;
    bool is_held; /* it has been asked to run for us, and not to stop */
};

/* A guard that needs us. */
struct user {
    anqa_pid pid;
    anqa_ref monitor;
    anqa_caller caller;
    bool waits;
};

/* owner: process. */
struct guard {
    struct guard_arg given;
    enum stage stage;
    bool is_asked_for; /* by a starter, and not to stop since */
    bool is_told;      /* what came of the start */
    bool is_stopping;  /* asked to, perhaps before the start was over */
    bool has_failed;   /* it ends unasked, and that is an end for the program */
    struct child_outcome outcome;
    struct need *needs; /* in order of their start */
    size_t need_count;
    size_t at;     /* taking: the one that is to start; releasing: those up to here are left */
    anqa_ref call; /* to the guard of the one that is taken or released */
    struct user *users;
    size_t user_count;
    anqa_pid master;
    uint32_t stop_ms;     /* what the master is told */
    uint64_t deadline_ms; /* when all must be over; UINT64_MAX: never */
    anqa_reason reason;   /* of our end */
};

static uint32_t left_ms(uint64_t deadline_ms)
{
    uint64_t now = anqa_now_ms();

    if (deadline_ms == UINT64_MAX)
        return ANQA_INFINITY;
    if (deadline_ms <= now)
        return 0;
    return deadline_ms - now < ANQA_INFINITY ? (uint32_t)(deadline_ms - now) : ANQA_INFINITY - 1;
}

/* For a stop that nobody has given a time. */
static uint32_t usual_stop_ms(void)
{
    struct sched *s;

    (void)proc_self(&s);
    return s->rt->options.stop_timeout_ms;
}

/* ---------------------------------------------------------------- telling others */

static void notify(const struct guard *g, uint64_t what)
{
    if (g->given.notify_fd >= 0)
        (void)eventfd_write(g->given.notify_fd, what); /* fails only when the reader has gone */
}

/* Deferred. */
static void guard_gone(void *arg)
{
    const struct guard *g = arg;

    notify(g, APPLICATION_NOTE_END + (g->has_failed ? APPLICATION_NOTE_FAILED : 0));
    anqa_reason_unref(g->reason);
}

static void answer(struct user *user, const struct child_outcome *outcome)
{
    user->waits = false;
    anqa_reply_to(&user->caller, anqa_bytes(outcome, child_outcome_size(outcome)));
}

/* What came of the start, once. */
static void tell(struct guard *g, anqa_status status, const char *text)
{
    if (g->is_told)
        return;
    g->is_told = true;
    g->outcome.status = status;
    snprintf(g->outcome.text, sizeof g->outcome.text, "%s", text);
    if (anqa_send_ref(g->given.starter, child_note_tag, g->given.start_ref,
            anqa_bytes(&g->outcome, child_outcome_size(&g->outcome))) == ANQA_E_NOMEM)
        anqa_exit(anqa_reason_of(ANQA_REASON_SYSTEM_LIMIT)); /* our end tells */
    for (size_t i = 0; i < g->user_count; i++)
        if (g->users[i].waits)
            answer(&g->users[i], &g->outcome);
    notify(g, 1);
}

static void end_with(struct guard *g, anqa_reason reason)
{
    anqa_reason_unref(g->reason);
    g->reason = reason;
}

/* ---------------------------------------------------------------- letting go of those that it needs */

static void release_next(struct guard *g)
{
    uint32_t ms = left_ms(g->deadline_ms);

    while (g->at > 0 && !g->needs[g->at - 1].is_held)
        g->at--;
    if (g->at == 0)
        anqa_exit(anqa_reason_ref(g->reason));
    g->call = anqa_request(g->needs[g->at - 1].guard, release_tag, anqa_bytes(&ms, sizeof ms));
}

/* The master has ended, or is not to start. */
static void release_begin(struct guard *g)
{
    anqa_request_cancel(g->call);
    g->stage = GUARD_RELEASING;
    g->at = g->need_count;
    release_next(g);
}

/* It runs for others, or has ended. */
static void on_released(struct guard *g, const anqa_msg *msg)
{
    struct need *need = &g->needs[g->at - 1];

    if (msg->kind == ANQA_MSG_DOWN && anqa_reason_get_kind(msg->u.reason) != ANQA_REASON_NORMAL &&
        anqa_reason_get_kind(g->reason) == ANQA_REASON_NORMAL)
        end_with(g, anqa_reason_ref(msg->u.reason));
    (void)anqa_demonitor(need->monitor, true);
    need->is_held = false;
    release_next(g);
}

/* Those that it needs are killed too, unless others need them. */
static ANQA_NORETURN void guard_kill(struct guard *g)
{
    static const uint32_t at_once = 0;

    application_kill_below(g->given.app);
    for (size_t i = g->need_count; i-- > 0;)
        if (g->needs[i].is_held)
            (void)anqa_receive_ref(
                anqa_request(g->needs[i].guard, release_tag, anqa_bytes(&at_once, sizeof at_once)),
                KILL_ANSWER_MS);
    anqa_exit(anqa_reason_make(ANQA_REASON_SHUTDOWN, "killed"));
}

/* ---------------------------------------------------------------- stopping */

/* Without memory for a message the signal of its parent does, which has no time with it. */
static void master_tell_to_stop(struct guard *g)
{
    g->stage = GUARD_STOPPING;
    if (anqa_send(g->master, application_stop_tag, anqa_bytes(&g->stop_ms, sizeof g->stop_ms)) ==
        ANQA_E_NOMEM)
        anqa_exit_signal(g->master, ANQA_SHUTDOWN);
}

/* A start comes to its end first. The earliest of the times asked for counts. */
static void guard_stop(struct guard *g, uint32_t timeout_ms)
{
    uint64_t now = anqa_now_ms();

    if (timeout_ms != ANQA_INFINITY && now + timeout_ms + GRACE_MS < g->deadline_ms)
        g->deadline_ms = now + timeout_ms + GRACE_MS;
    g->is_asked_for = false;
    if (!g->is_stopping)
        g->stop_ms = timeout_ms;
    g->is_stopping = true;
    if (g->stage == GUARD_RUNNING)
        master_tell_to_stop(g);
}

static void on_stop(struct guard *g, const anqa_msg *msg)
{
    anqa_caller caller;
    uint32_t timeout_ms;

    memcpy(&timeout_ms, msg->body.ptr, sizeof timeout_ms);
    if (msg->kind == ANQA_MSG_CALL && g->user_count > 0) {
        caller = anqa_msg_caller(msg);
        request_answer(&caller, ANQA_E_RUNNING, (anqa_pid){0}, "another application needs it");
        return;
    }
    guard_stop(g, timeout_ms);
}

/* ---------------------------------------------------------------- taking those that it needs */

static void start_failed(struct guard *g, anqa_status status, const char *text)
{
    tell(g, status, text);
    end_with(g, anqa_reason_make(ANQA_REASON_SHUTDOWN, "%s", text));
    release_begin(g);
}

static void master_start(struct guard *g)
{
    const void *app = g->given.app;
    anqa_spawn_opts opts = {.run = application_master,
        .arg = &app,
        .arg_size = sizeof app,
        .trap_exit = true,
        .label = g->given.app->name,
        .link = true};
    anqa_status status = anqa_spawn(&opts, &g->master, NULL);

    g->stage = GUARD_STARTING;
    if (status != ANQA_OK)
        start_failed(g, status, anqa_status_text(status));
}

/* Not as our descendant: when we are killed it may go on for others. */
static anqa_status need_spawn(struct guard *g, struct need *need)
{
    struct guard_arg arg = {.app = need->app,
        .starter = anqa_self(),
        .start_ref = anqa_make_ref(),
        .is_need = true,
        .notify_fd = -1};
    anqa_spawn_opts opts = {.run = application_guard,
        .arg = &arg,
        .arg_size = sizeof arg,
        .trap_exit = true,
        .label = need->app->name};
    anqa_status status = anqa_rt_spawn(anqa_rt_self(), &opts, &need->guard);

    if (status != ANQA_OK)
        return status;
    g->call = arg.start_ref;
    need->monitor = anqa_monitor(need->guard); /* its note comes before its end */
    return ANQA_OK;
}

static void take_next(struct guard *g)
{
    struct need *need = &g->needs[g->at];
    anqa_status status = ANQA_OK;
    const void *app = need->app;

    if (g->at == g->need_count) {
        master_start(g);
        return;
    }
    need->guard = anqa_registry_whereis(&application_guards, anqa_str_of(need->app->name));
    if (anqa_pid_is_none(need->guard))
        status = need_spawn(g, need);
    else
        g->call = anqa_request(need->guard, take_tag, anqa_bytes(&app, sizeof app));
    need->is_held = status == ANQA_OK;
    if (status != ANQA_OK)
        start_failed(g, status, anqa_status_text(status));
}

/* Somebody was quicker, or the one that was asked is about to end. */
static void take_again(struct guard *g)
{
    struct need *need = &g->needs[g->at];

    (void)anqa_demonitor(need->monitor, true);
    need->is_held = false;
    take_next(g);
}

static void on_taken(struct guard *g, const anqa_msg *msg)
{
    struct need *need = &g->needs[g->at];
    struct child_outcome outcome;
    char text[sizeof outcome.text + 80];

    if (msg->kind == ANQA_MSG_DOWN) {
        take_again(g);
        return;
    }
    outcome = child_note_read(msg);
    if (outcome.status == ANQA_E_EXISTS && msg->kind != ANQA_MSG_REPLY) {
        take_again(g);
        return;
    }
    if (outcome.status != ANQA_OK) {
        snprintf(text, sizeof text, "application '%s': %s", need->app->name, outcome.text);
        start_failed(g, outcome.status, text);
        return;
    }
    if (msg->kind == ANQA_MSG_REPLY)
        need->monitor = anqa_monitor(need->guard);
    g->at++;
    take_next(g);
}

static bool is_fatal(const anqa_app *app, anqa_reason reason)
{
    return app->restart == ANQA_PERMANENT ||
           (app->restart == ANQA_TRANSIENT && anqa_reason_get_kind(reason) != ANQA_REASON_NORMAL);
}

/* One that it holds has ended, of itself. */
static void on_need_ended(struct guard *g, struct need *need, anqa_reason reason)
{
    char why[120], text[200];

    need->is_held = false;
    if (g->stage >= GUARD_STOPPING || !is_fatal(need->app, reason))
        return;
    snprintf(text, sizeof text, "application '%s' ended: %s", need->app->name,
        anqa_reason_format(reason, why, sizeof why));
    g->has_failed = true;
    if (g->stage == GUARD_TAKING) {
        start_failed(g, ANQA_E_DIED, text);
        return;
    }
    anqa_log(ANQA_CRITICAL, "application.lost_need", "application=%s needs=%s next=stop",
        g->given.app->name, need->app->name);
    end_with(g, anqa_reason_make(ANQA_REASON_SHUTDOWN, "%s", text));
    guard_stop(g, usual_stop_ms());
}

/* ---------------------------------------------------------------- those that need us */

static struct user *user_of(struct guard *g, anqa_pid pid)
{
    for (size_t i = 0; i < g->user_count; i++)
        if (anqa_pid_eq(g->users[i].pid, pid))
            return &g->users[i];
    return NULL;
}

static struct user *user_add(struct guard *g, anqa_pid pid)
{
    g->users = anqa_heap_realloc(g->users, (g->user_count + 1) * sizeof *g->users);
    g->users[g->user_count] = (struct user){.pid = pid, .monitor = anqa_monitor(pid)};
    return &g->users[g->user_count++];
}

static void on_take(struct guard *g, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);
    struct user *user = user_of(g, msg->from);
    const void *app;

    memcpy(&app, msg->body.ptr, sizeof app);
    if (app != g->given.app) {
        request_answer(
            &caller, ANQA_E_EXISTS, (anqa_pid){0}, "another one of that name runs already");
        return;
    }
    if (g->stage == GUARD_RELEASING || g->is_stopping)
        return; /* our end answers, and then it is started anew */
    if (user == NULL)
        user = user_add(g, msg->from);
    user->caller = caller;
    user->waits = true;
    if (g->is_told)
        answer(user, &g->outcome);
}

static void user_remove(struct guard *g, struct user *user)
{
    (void)anqa_demonitor(user->monitor, true);
    *user = g->users[--g->user_count];
}

static bool is_needed(const struct guard *g)
{
    return g->user_count > 0 || g->is_asked_for;
}

static void on_release(struct guard *g, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);
    struct user *user = user_of(g, msg->from);
    uint32_t timeout_ms;

    memcpy(&timeout_ms, msg->body.ptr, sizeof timeout_ms);
    if (user != NULL)
        user_remove(g, user);
    if (is_needed(g))
        request_done(&caller, (anqa_pid){0});
    else if (timeout_ms == 0)
        guard_kill(g);
    else
        guard_stop(g, timeout_ms);
}

/* ---------------------------------------------------------------- what the guard hears */

/* What came of the master's start, told by itself. */
static void on_note(struct guard *g, const anqa_msg *msg)
{
    struct child_outcome outcome = child_note_read(msg);

    tell(g, outcome.status, outcome.text);
    if (outcome.status != ANQA_OK)
        return; /* its end follows */
    g->stage = GUARD_RUNNING;
    if (g->is_stopping)
        master_tell_to_stop(g);
}

static void on_master_ended(struct guard *g, anqa_reason reason)
{
    char text[160], line[200];

    snprintf(
        line, sizeof line, "its start crashed: %s", anqa_reason_format(reason, text, sizeof text));
    tell(g, ANQA_E_DIED, line);
    if (!g->is_stopping)
        g->has_failed = is_fatal(g->given.app, reason);
    if (anqa_reason_get_kind(g->reason) == ANQA_REASON_NORMAL)
        end_with(g, anqa_reason_is_quiet(reason)
                        ? anqa_reason_ref(reason)
                        : anqa_reason_make(ANQA_REASON_SHUTDOWN, "%s", text));
    if (g->deadline_ms == UINT64_MAX && !g->is_stopping)
        g->deadline_ms = anqa_now_ms() + usual_stop_ms() + GRACE_MS;
    release_begin(g);
}

static void on_down(struct guard *g, const anqa_msg *msg)
{
    for (size_t i = 0; i < g->need_count; i++)
        if (g->needs[i].is_held && anqa_ref_eq(g->needs[i].monitor, msg->ref)) {
            on_need_ended(g, &g->needs[i], msg->u.reason);
            return;
        }
    for (size_t i = 0; i < g->user_count; i++)
        if (anqa_ref_eq(g->users[i].monitor, msg->ref)) {
            user_remove(g, &g->users[i]);
            if (!is_needed(g))
                guard_stop(g, usual_stop_ms());
            return;
        }
}

static void on_answer(struct guard *g, const anqa_msg *msg)
{
    if (g->stage == GUARD_TAKING)
        on_taken(g, msg);
    else
        on_released(g, msg);
}

/* The runtime stops, and has told all masters too. */
static void on_runtime_stop(struct guard *g)
{
    g->is_asked_for = false;
    g->is_stopping = true;
    if (g->stage == GUARD_RUNNING)
        g->stage = GUARD_STOPPING;
}

static void guard_handle(struct guard *g, const anqa_msg *msg)
{
    if (msg->kind == ANQA_MSG_EXIT && anqa_pid_is_none(msg->from))
        on_runtime_stop(g);
    else if (msg->tag == application_kill_tag)
        guard_kill(g);
    else if (msg->tag == application_stop_tag)
        on_stop(g, msg);
    else if (msg->tag == take_tag)
        on_take(g, msg);
    else if (msg->tag == release_tag)
        on_release(g, msg);
    else if (g->call.bits != 0 && anqa_ref_eq(msg->ref, g->call))
        on_answer(g, msg);
    else if (msg->tag == child_note_tag && anqa_pid_eq(msg->from, g->master))
        on_note(g, msg);
    else if (msg->kind == ANQA_MSG_EXIT && anqa_pid_eq(msg->from, g->master))
        on_master_ended(g, msg->u.reason);
    else if (msg->kind == ANQA_MSG_DOWN)
        on_down(g, msg);
}

/* ---------------------------------------------------------------- its life */

static void guard_begin(struct guard *g)
{
    const anqa_app *order[APPLICATIONS_MAX] = {NULL};
    anqa_error err;
    anqa_status status;

    (void)anqa_defer(guard_gone, g);
    status = anqa_registry_register(
        &application_guards, anqa_str_of(g->given.app->name), ANQA_JSON_NULL, NULL);
    if (status != ANQA_OK) {
        start_failed(
            g, status, status == ANQA_E_EXISTS ? "it runs already" : anqa_status_text(status));
        return;
    }
    if (g->is_asked_for) /* whoever needs us has seen to what we need */
        status = application_order(g->given.app, order, &g->need_count, &err);
    if (status != ANQA_OK) {
        start_failed(g, status, err.text);
        return;
    }
    g->needs = anqa_heap_calloc(g->need_count + 1, sizeof *g->needs);
    for (size_t i = 0; i < g->need_count; i++)
        g->needs[i].app = order[i];
    take_next(g);
}

void application_guard(void *state)
{
    struct guard *g = anqa_heap_calloc(1, sizeof *g);

    memcpy(&g->given, state, sizeof g->given);
    g->is_asked_for = !g->given.is_need;
    g->deadline_ms = UINT64_MAX;
    g->reason = ANQA_NORMAL;
    if (g->given.is_need)
        (void)user_add(g, g->given.starter);
    guard_begin(g);
    for (;;) {
        const anqa_msg *msg = anqa_receive(left_ms(g->deadline_ms));
        if (msg != NULL)
            guard_handle(g, msg);
        else if (anqa_now_ms() >= g->deadline_ms)
            guard_kill(g);
    }
}
