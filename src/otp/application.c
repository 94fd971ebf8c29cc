/* Applications: the master, and how they are started and stopped from outside. See application_int.h. */
#include "otp/application_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/log.h>

#include "runtime/sched.h"

/* How long killed processes may take, in all; code that does not return can not be ended. */
#define KILL_MS 1000u
/* They may have spawned others before they heard of it: those are killed so much later. */
#define KILL_AGAIN_MS 20u

const char application_stop_tag[] = "$stop_application";
const char application_kill_tag[] = "$kill_application";

const anqa_registry application_guards = {.name = "applications"};

void application_kill_below(const anqa_app *app)
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

/* To the guard. If it cannot be told, our end tells it. */
static void report(anqa_status status, const char *text)
{
    struct child_outcome outcome = {.status = status};

    snprintf(outcome.text, sizeof outcome.text, "%s", text);
    if (anqa_send(anqa_parent(), child_note_tag,
            anqa_bytes(&outcome, child_outcome_size(&outcome))) == ANQA_E_NOMEM)
        anqa_exit(anqa_reason_of(ANQA_REASON_SYSTEM_LIMIT));
}

static ANQA_NORETURN void start_failed(anqa_status status, const char *text)
{
    report(status, text);
    anqa_exit(anqa_reason_make(ANQA_REASON_SHUTDOWN, "%s", text));
}

static void phases_run(const anqa_app *app, anqa_pid top)
{
    char text[sizeof(anqa_error) + 80];

    for (const anqa_start_phase *at = app->start_phases; at != NULL && at->run != NULL; at++) {
        anqa_error err = {.text = "no reason given"};
        anqa_status status = at->run(&err);
        if (status == ANQA_OK)
            continue;
        (void)anqa_supervisor_stop(top, ANQA_SHUTDOWN, ANQA_INFINITY);
        snprintf(text, sizeof text, "start phase '%s': %s", at->name, err.text);
        start_failed(status, text);
    }
}

static anqa_pid master_start(const anqa_app *app)
{
    anqa_error err = {.text = "no reason given"};
    anqa_status status = app->start == NULL ? ANQA_OK : app->start(&err);
    anqa_pid top;

    if (status == ANQA_OK)
        status = top_start(app, &top, &err);
    if (status != ANQA_OK)
        start_failed(status, err.text);
    phases_run(app, top);
    report(ANQA_OK, "");
    return top;
}

static ANQA_NORETURN void master_stop(const anqa_app *app, anqa_pid top, uint32_t timeout_ms)
{
    anqa_status status;

    if (app->prep_stop != NULL)
        app->prep_stop();
    status = anqa_supervisor_stop(top, ANQA_SHUTDOWN, timeout_ms);
    if (status == ANQA_E_TIMEOUT)
        application_kill_below(app);
    if (app->stop != NULL)
        app->stop();
    anqa_exit(status == ANQA_E_TIMEOUT
                  ? anqa_reason_make(ANQA_REASON_SHUTDOWN, "killed after %u ms", timeout_ms)
                  : ANQA_NORMAL);
}

static ANQA_NORETURN void master_lost_top(const anqa_app *app, anqa_reason reason)
{
    bool is_normal = anqa_reason_get_kind(reason) == ANQA_REASON_NORMAL;
    char text[200];

    anqa_log(app->restart == ANQA_PERMANENT ? ANQA_CRITICAL
             : is_normal                    ? ANQA_NOTICE
                                            : ANQA_ERROR,
        "application.ended", "application=%s reason=%s", app->name,
        anqa_reason_format(reason, text, sizeof text));
    if (app->stop != NULL)
        app->stop();
    if (is_normal)
        anqa_exit(ANQA_NORMAL);
    anqa_exit(anqa_error_reason("application %s: its top supervisor ended: %s", app->name, text));
}

void application_master(void *state)
{
    const void *given;
    const anqa_app *app;
    anqa_pid top;

    memcpy(&given, state, sizeof given);
    app = given;
    top = master_start(app);
    for (;;) {
        const anqa_msg *msg = anqa_receive(ANQA_INFINITY);
        uint32_t timeout_ms;
        if (msg->kind == ANQA_MSG_EXIT && anqa_pid_eq(msg->from, top))
            master_lost_top(app, msg->u.reason);
        if (msg->kind == ANQA_MSG_EXIT && child_is_told_to_end(msg)) /* the runtime stops */
            master_stop(app, top, ANQA_INFINITY);
        if (msg->tag != application_stop_tag)
            continue;
        memcpy(&timeout_ms, msg->body.ptr, sizeof timeout_ms);
        master_stop(app, top, timeout_ms);
    }
}

/* ---------------------------------------------------------------- from outside */

anqa_status application_start(
    const anqa_app *app, int notify_fd, struct application *ret_application, anqa_error *err)
{
    struct application made = {.app = app, .start_ref = anqa_make_ref()};
    struct guard_arg guard = {
        .app = app, .start_ref = made.start_ref, .starter = anqa_self(), .notify_fd = notify_fd};
    anqa_spawn_opts opts = {.run = application_guard,
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

/* The guard keeps the deadline. It answers only when it does not stop. */
static anqa_status stop_attached(const anqa_app *app, uint32_t timeout_ms)
{
    anqa_pid guard = anqa_registry_whereis(&application_guards, anqa_str_of(app->name));
    anqa_ref ref =
        anqa_request(guard, application_stop_tag, anqa_bytes(&timeout_ms, sizeof timeout_ms));
    const anqa_msg *msg = anqa_receive_ref(ref, ANQA_INFINITY);

    if (msg->kind == ANQA_MSG_REPLY)
        return ANQA_E_RUNNING;
    if (anqa_reason_get_kind(msg->u.reason) == ANQA_REASON_NOPROC)
        return ANQA_E_NOT_FOUND;
    return anqa_reason_get_kind(msg->u.reason) == ANQA_REASON_NORMAL ? ANQA_OK : ANQA_E_TIMEOUT;
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
    anqa_registry_select(&application_guards, NULL, NULL, ret_entries, ret_count);
    if (*ret_count > 1)
        qsort(*ret_entries, *ret_count, sizeof **ret_entries, by_name);
}
