/*
 * Applications. Each has two processes of its own. The master runs the callbacks, is the parent of the top supervisor,
 * and ends with it. Its guard, above it, never runs code of the user's: whatever hangs below, it answers, and can end it.
 */
#include "otp/application.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "otp/child.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

/* What a late stop gives the master beyond its deadline, for its last callback. */
#define GRACE_MS 1000u
/* How long killed processes may take, in all; code that does not return can not be ended. */
#define KILL_MS 1000u
/* They may have spawned others before they heard of it: those are killed so much later. */
#define KILL_AGAIN_MS 20u

const char application_stop_tag[] = "$stop_application";
const char application_kill_tag[] = "$kill_application";

/* Guards by the name of their application. */
static const anqa_registry guards = {.name = "applications"};

/* What both processes know. owner: each has a copy. */
struct member {
    const anqa_app *app;
    anqa_ref start_ref;
    anqa_pid starter;
    int notify_fd;
};

static void notify(const struct member *member, uint64_t what)
{
    if (member->notify_fd >= 0)
        (void)eventfd_write(member->notify_fd, what); /* fails only when the reader has gone */
}

static void report(const struct member *member, anqa_status status, const char *text)
{
    struct child_outcome outcome = {.status = status};

    snprintf(outcome.text, sizeof outcome.text, "%s", text);
    (void)anqa_send_ref(member->starter, child_note_tag, member->start_ref,
        anqa_bytes(&outcome, child_outcome_size(&outcome)));
    notify(member, 1);
}

static ANQA_NORETURN void start_failed(
    const struct member *member, anqa_status status, const char *text)
{
    report(member, status, text);
    anqa_exit(anqa_reason_make(ANQA_REASON_SHUTDOWN, "%s", text));
}

/* Ends all that the calling process and its descendants have spawned. */
static void kill_all_below(const anqa_app *app)
{
    struct sched *s;
    uint32_t waited_ms = 0;

    (void)proc_self(&s);
    for (; proc_has_descendants(s) && waited_ms < KILL_MS; waited_ms++) {
        if (waited_ms % KILL_AGAIN_MS == 0)
            proc_kill_descendants(s);
        anqa_sleep(1);
    }
    if (proc_has_descendants(s))
        anqa_log(ANQA_ERROR, "application.unkillable", "application=%s ms=%u next=%s", app->name,
            waited_ms, "none: a callback does not return");
}

/* ---------------------------------------------------------------- the master */

/* The spec is handed over by value: it is ours, and the supervisor must be able to outlive us. */
static anqa_status top_start(const anqa_app *app, anqa_pid *ret_pid, anqa_error *err)
{
    anqa_supervisor spec = {.name = app->name,
        .strategy = app->strategy,
        .max_restarts = app->max_restarts,
        .max_seconds = app->max_seconds,
        .children = app->children};
    struct child_start start = {.kind = CHILD_SUPERVISOR,
        .arg = &spec,
        .arg_size = sizeof spec,
        .id = anqa_str_of(app->name),
        .link = true};

    return child_start(&start, ret_pid, err);
}

static anqa_pid master_start(const struct member *master)
{
    const anqa_app *app = master->app;
    anqa_error err = {.text = "no reason given"};
    anqa_status status = app->start == NULL ? ANQA_OK : app->start(&err);
    anqa_pid top;

    if (status == ANQA_OK)
        status = top_start(app, &top, &err);
    if (status != ANQA_OK)
        start_failed(master, status, err.text);
    report(master, ANQA_OK, "");
    return top;
}

static ANQA_NORETURN void master_stop(const anqa_app *app, anqa_pid top, uint32_t timeout_ms)
{
    anqa_status status;

    if (app->prep_stop != NULL)
        app->prep_stop();
    status = anqa_supervisor_stop(top, ANQA_SHUTDOWN, timeout_ms);
    if (status == ANQA_E_TIMEOUT)
        kill_all_below(app);
    if (app->stop != NULL)
        app->stop();
    anqa_exit(status == ANQA_E_TIMEOUT
                  ? anqa_reason_make(ANQA_REASON_SHUTDOWN, "killed after %u ms", timeout_ms)
                  : ANQA_NORMAL);
}

static ANQA_NORETURN void master_lost_top(const anqa_app *app, anqa_reason reason)
{
    char text[200];

    anqa_log(ANQA_CRITICAL, "application.ended", "application=%s reason=%s", app->name,
        anqa_reason_format(reason, text, sizeof text));
    if (app->stop != NULL)
        app->stop();
    anqa_exit(anqa_error_reason("application %s: its top supervisor ended: %s", app->name, text));
}

static void master_run(void *state)
{
    const struct member *master = state;
    anqa_pid top = master_start(master);

    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        uint32_t timeout_ms;
        if (msg->kind == ANQA_MSG_EXIT && anqa_pid_eq(msg->from, top))
            master_lost_top(master->app, msg->u.reason);
        if (msg->kind == ANQA_MSG_EXIT && child_is_told_to_end(msg)) /* the runtime stops */
            master_stop(master->app, top, ANQA_INFINITY);
        if (msg->tag != application_stop_tag)
            continue;
        memcpy(&timeout_ms, msg->body.ptr, sizeof timeout_ms);
        master_stop(master->app, top, timeout_ms);
    }
}

/* ---------------------------------------------------------------- the guard */

static void notify_of_end(void *arg)
{
    notify(arg, APPLICATION_NOTE_END);
}

static anqa_pid guard_start(struct member *guard)
{
    const anqa_app *app = guard->app;
    anqa_spawn_opts opts = {.run = master_run,
        .arg = guard,
        .arg_size = sizeof *guard,
        .trap_exit = true,
        .label = app->name,
        .link = true};
    anqa_status status;
    anqa_pid master;

    (void)anqa_defer(notify_of_end, guard);
    if (anqa_registry_register(&guards, anqa_str_of(app->name), ANQA_JSON_NULL, NULL) != ANQA_OK)
        start_failed(guard, ANQA_E_EXISTS, "it runs already");
    status = anqa_spawn(&opts, &master, NULL);
    if (status != ANQA_OK)
        start_failed(guard, status, anqa_status_text(status));
    return master;
}

/* A crash has been logged once, and counts for the starter only if it still waits. */
static ANQA_NORETURN void guard_end(const struct member *guard, anqa_reason reason)
{
    char text[160], line[200];

    if (anqa_reason_is_quiet(reason))
        anqa_exit(anqa_reason_ref(reason));
    snprintf(
        line, sizeof line, "its start crashed: %s", anqa_reason_format(reason, text, sizeof text));
    report(guard, ANQA_E_DIED, line);
    anqa_exit(anqa_reason_make(ANQA_REASON_SHUTDOWN, "%s", text));
}

static ANQA_NORETURN void guard_kill(const struct member *guard)
{
    kill_all_below(guard->app);
    anqa_exit(anqa_reason_make(ANQA_REASON_SHUTDOWN, "killed"));
}

/* Tells the master, which hears of it once the start is through. Returns when all must be over: the earliest of those
 * asked for. */
static uint64_t guard_stop(anqa_pid master, const anqa_msg *msg, uint64_t deadline_ms)
{
    uint64_t now = anqa_now_ms();
    uint32_t timeout_ms;

    memcpy(&timeout_ms, msg->body.ptr, sizeof timeout_ms);
    (void)anqa_send(master, application_stop_tag, anqa_bytes(&timeout_ms, sizeof timeout_ms));
    if (timeout_ms == ANQA_INFINITY || deadline_ms <= now + timeout_ms + GRACE_MS)
        return deadline_ms;
    return now + timeout_ms + GRACE_MS;
}

static uint32_t left_ms(uint64_t deadline_ms)
{
    uint64_t now = anqa_now_ms();

    if (deadline_ms == UINT64_MAX)
        return ANQA_INFINITY;
    if (deadline_ms <= now)
        return 0;
    return deadline_ms - now < ANQA_INFINITY ? (uint32_t)(deadline_ms - now) : ANQA_INFINITY - 1;
}

static void guard_run(void *state)
{
    struct member *guard = state;
    anqa_pid master = guard_start(guard);
    uint64_t deadline_ms = UINT64_MAX;

    for (;;) {
        const anqa_msg *msg = anqa_receive(left_ms(deadline_ms));
        if (msg == NULL && anqa_now_ms() < deadline_ms)
            continue;
        if (msg == NULL || msg->tag == application_kill_tag)
            guard_kill(guard);
        if (msg->kind == ANQA_MSG_EXIT && anqa_pid_eq(msg->from, master))
            guard_end(guard, msg->u.reason);
        if (msg->tag == application_stop_tag)
            deadline_ms = guard_stop(master, msg, deadline_ms);
    }
}

/* ---------------------------------------------------------------- from outside */

anqa_status application_start(
    const anqa_app *app, int notify_fd, struct application *ret_application, anqa_error *err)
{
    struct application made = {.app = app, .start_ref = anqa_make_ref()};
    struct member guard = {
        .app = app, .start_ref = made.start_ref, .starter = anqa_self(), .notify_fd = notify_fd};
    anqa_spawn_opts opts = {.run = guard_run,
        .arg = &guard,
        .arg_size = sizeof guard,
        .trap_exit = true,
        .label = app->name,
        .monitor = true,
        .monitor_ref = made.start_ref};
    anqa_status status;

    if (app->name == NULL || app->name[0] == '\0')
        return anqa_fail(err, ANQA_E_INVALID, "an application needs a .name");
    status = anqa_spawn(&opts, &made.guard, NULL);
    if (status == ANQA_E_LIMIT)
        return anqa_fail(err, status,
            "application '%s': no process left for it; raise option max_processes", app->name);
    if (status != ANQA_OK)
        return anqa_fail(err, status, "application '%s': %s", app->name, anqa_status_text(status));
    *ret_application = made;
    return ANQA_OK;
}

bool application_started(const struct application *application, uint32_t timeout_ms,
    anqa_status *ret_status, anqa_error *err)
{
    const char *name = application->app->name;
    const anqa_msg *msg = anqa_receive_ref(application->start_ref, timeout_ms);
    struct child_outcome outcome;
    char text[160];

    if (msg == NULL)
        return false;
    if (msg->kind == ANQA_MSG_DOWN) {
        *ret_status = anqa_fail(err, ANQA_E_DIED, "application '%s': its start ended: %s", name,
            anqa_reason_format(msg->u.reason, text, sizeof text));
        return true;
    }
    outcome = child_note_read(msg);
    *ret_status = outcome.status;
    if (outcome.status == ANQA_OK)
        return true;
    (void)anqa_receive_ref(application->start_ref, ANQA_INFINITY); /* DOWN: its name is free */
    (void)anqa_fail(err, outcome.status, "application '%s': %s", name, outcome.text);
    return true;
}

anqa_status anqa_app_start(anqa_rt *rt, const anqa_app *app, anqa_error *err)
{
    struct application application = {.app = app};
    anqa_status status = anqa_attach(rt, err);

    if (status != ANQA_OK)
        return status;
    status = application_start(app, -1, &application, err);
    if (status == ANQA_OK)
        (void)application_started(&application, ANQA_INFINITY, &status, err);
    anqa_detach();
    return status;
}

static anqa_status stop_attached(const anqa_app *app, uint32_t timeout_ms)
{
    anqa_pid guard = anqa_registry_whereis(&guards, anqa_str_of(app->name));
    anqa_ref ref = anqa_monitor(guard);
    const anqa_msg *down;

    if (anqa_pid_is_none(guard))
        return ANQA_E_NOT_FOUND;
    (void)anqa_send(guard, application_stop_tag, anqa_bytes(&timeout_ms, sizeof timeout_ms));
    down = anqa_receive_ref(ref, ANQA_INFINITY); /* the guard keeps the deadline */
    return anqa_reason_get_kind(down->u.reason) == ANQA_REASON_NORMAL ? ANQA_OK : ANQA_E_TIMEOUT;
}

anqa_status anqa_app_stop(anqa_rt *rt, const anqa_app *app, uint32_t timeout_ms)
{
    anqa_status status = anqa_attach(rt, NULL);

    if (status != ANQA_OK)
        return status;
    status = stop_attached(app, timeout_ms);
    anqa_detach();
    return status;
}

anqa_pid anqa_app_supervisor(const anqa_app *app)
{
    return anqa_whereis(app->name);
}

static int by_name(const void *a, const void *b)
{
    const anqa_registry_entry *x = a, *y = b;
    size_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
    int order = memcmp(x->key.ptr, y->key.ptr, len);

    return order != 0 ? order : x->key.len < y->key.len ? -1 : x->key.len > y->key.len;
}

void application_list(anqa_registry_entry **ret_entries, size_t *ret_count)
{
    anqa_registry_select(&guards, NULL, NULL, ret_entries, ret_count);
    if (*ret_count > 1)
        qsort(*ret_entries, *ret_count, sizeof **ret_entries, by_name);
}
