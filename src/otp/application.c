/*
 * Applications. Each has a process of its own, its master, which runs the callbacks, is the parent of the top
 * supervisor, and ends with it.
 */
#include "otp/application.h"

#include <stdio.h>
#include <sys/eventfd.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "otp/child.h"

const char application_stop_tag[] = "$stop_application";

/* Masters by the name of their application. */
static const anqa_registry masters = {.name = "applications"};

/* owner: the master. */
struct master {
    const anqa_app *app;
    anqa_ref start_ref;
    anqa_pid starter;
    int notify_fd;
};

/* ---------------------------------------------------------------- the master */

static void notify(void *arg)
{
    const struct master *master = arg;

    (void)eventfd_write(master->notify_fd, 1); /* fails only when the reader has gone */
}

static void report(const struct master *master, anqa_status status, const char *text)
{
    struct child_outcome outcome = {.status = status, .pid = anqa_self()};

    snprintf(outcome.text, sizeof outcome.text, "%s", text);
    (void)anqa_send_ref(master->starter, child_note_tag, master->start_ref,
        anqa_bytes(&outcome, child_outcome_size(&outcome)));
}

static ANQA_NORETURN void start_failed(
    const struct master *master, anqa_status status, const char *text)
{
    report(master, status, text);
    anqa_exit(anqa_reason_make(ANQA_REASON_SHUTDOWN, "%s", text));
}

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

static anqa_pid master_start(struct master *master)
{
    const anqa_app *app = master->app;
    anqa_error err = {.text = "no reason given"};
    anqa_status status;
    anqa_pid top;

    if (anqa_registry_register(&masters, anqa_str_of(app->name), ANQA_JSON_NULL, NULL) != ANQA_OK)
        start_failed(master, ANQA_E_EXISTS, "it runs already");
    status = app->start == NULL ? ANQA_OK : app->start(&err);
    if (status == ANQA_OK)
        status = top_start(app, &top, &err);
    if (status != ANQA_OK)
        start_failed(master, status, err.text);
    return top;
}

static ANQA_NORETURN void master_stop(const anqa_app *app, anqa_pid top, uint32_t timeout_ms)
{
    anqa_status status;

    if (app->prep_stop != NULL)
        app->prep_stop();
    status = anqa_supervisor_stop(top, ANQA_SHUTDOWN, timeout_ms);
    if (status == ANQA_E_TIMEOUT) {
        anqa_ref ref = anqa_monitor(top);
        anqa_exit_signal(top, ANQA_KILL);
        (void)anqa_receive_ref(ref, ANQA_INFINITY);
    }
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
    struct master *master = state;
    const anqa_msg *msg;
    anqa_pid top;

    if (master->notify_fd >= 0)
        (void)anqa_defer(notify, master);
    top = master_start(master);
    report(master, ANQA_OK, "");
    for (;;) {
        uint32_t timeout_ms;
        msg = anqa_receive(ANQA_INFINITY);
        if (msg->kind == ANQA_MSG_EXIT && anqa_pid_eq(msg->from, top))
            master_lost_top(master->app, msg->u.reason);
        if (msg->kind == ANQA_MSG_EXIT && anqa_pid_is_none(msg->from))
            master_stop(master->app, top, ANQA_INFINITY); /* the runtime stops */
        if (msg->tag != application_stop_tag)
            continue;
        memcpy(&timeout_ms, msg->body.ptr, sizeof timeout_ms);
        master_stop(master->app, top, timeout_ms);
    }
}

/* ---------------------------------------------------------------- from outside */

static anqa_status start_attached(
    const anqa_app *app, int notify_fd, anqa_pid *ret_master, anqa_error *err)
{
    struct master master = {
        .app = app, .start_ref = anqa_make_ref(), .starter = anqa_self(), .notify_fd = notify_fd};
    anqa_spawn_opts opts = {.run = master_run,
        .arg = &master,
        .arg_size = sizeof master,
        .trap_exit = true,
        .label = app->name,
        .monitor = true,
        .monitor_ref = master.start_ref};
    anqa_status status = anqa_spawn(&opts, NULL, NULL);
    struct child_outcome outcome;
    const anqa_msg *msg;
    char text[160];

    if (status == ANQA_E_LIMIT)
        return anqa_fail(err, status,
            "application '%s': no process left for it; raise option max_processes", app->name);
    if (status != ANQA_OK)
        return anqa_fail(err, status, "application '%s': %s", app->name, anqa_status_text(status));
    msg = anqa_receive_ref(master.start_ref, ANQA_INFINITY);
    if (msg->kind == ANQA_MSG_DOWN)
        return anqa_fail(err, ANQA_E_DIED, "application '%s': its start crashed: %s", app->name,
            anqa_reason_format(msg->u.reason, text, sizeof text));
    outcome = child_note_read(msg);
    if (outcome.status != ANQA_OK) {
        (void)anqa_receive_ref(master.start_ref, ANQA_INFINITY); /* DOWN */
        return anqa_fail(err, outcome.status, "application '%s': %s", app->name, outcome.text);
    }
    if (ret_master != NULL)
        *ret_master = outcome.pid;
    return ANQA_OK;
}

anqa_status application_start(
    anqa_rt *rt, const anqa_app *app, int notify_fd, anqa_pid *ret_master, anqa_error *err)
{
    anqa_status status;

    if (app->name == NULL || app->name[0] == '\0')
        return anqa_fail(err, ANQA_E_INVALID, "an application needs a .name");
    status = anqa_attach(rt, err);
    if (status != ANQA_OK)
        return status;
    status = start_attached(app, notify_fd, ret_master, err);
    anqa_detach();
    return status;
}

anqa_status anqa_app_start(anqa_rt *rt, const anqa_app *app, anqa_error *err)
{
    return application_start(rt, app, -1, NULL, err);
}

static anqa_status stop_attached(const anqa_app *app, uint32_t timeout_ms)
{
    anqa_pid master = anqa_registry_whereis(&masters, anqa_str_of(app->name));
    anqa_ref ref = anqa_monitor(master);
    const anqa_msg *down;

    if (anqa_pid_is_none(master))
        return ANQA_E_NOT_FOUND;
    (void)anqa_send(master, application_stop_tag, anqa_bytes(&timeout_ms, sizeof timeout_ms));
    /* A little more than the supervisor is given; what then still holds up the master is a callback of the user's. */
    down = anqa_receive_ref(
        ref, timeout_ms >= ANQA_INFINITY - 1000 ? ANQA_INFINITY : timeout_ms + 1000);
    if (down == NULL) {
        anqa_exit_signal(master, ANQA_KILL);
        (void)anqa_receive_ref(ref, ANQA_INFINITY);
        return ANQA_E_TIMEOUT;
    }
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
