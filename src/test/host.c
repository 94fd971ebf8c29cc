/*
 * The runtime of a test. Three parties: the *driver* is the thread that the runner has made; it lets a deterministic runtime
 * run, and time pass. The *guard* is a process that starts and stops what the test asks for, and judges how it
 * went. The *body* is the test's own code, a process that may end as it likes.
 */
#include "test/kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/siphash.h"
#include "otp/application.h"
#include "runtime/sched.h"

#define LEFT_MS 2000u /* for processes that are linked to the body to end */
#define APP_STOP_MS 5000u

/* owner: the process of the test; written by the driver and the body, which run on one thread if it is deterministic. */
static struct {
    anqa_rt *rt;
    anqa_pid guard, body;
    bool returned;     /* the body has come to its end */
    anqa_pid asker;    /* who waits in pass_time */
    uint64_t until_ms; /* and for when; the asker is nobody: nothing is asked */
} host;

static const char ask_tag[] = "anqa_test.ask", passed_tag[] = "anqa_test.passed";

/* ---------------------------------------------------------------- what the body asks of the guard */

enum ask_kind { ASK_START_CHILD, ASK_STOP_CHILD, ASK_START_APP };

struct ask {
    enum ask_kind kind;
    const void *what; /* a spec, an id, an application */
};

struct outcome {
    anqa_status status;
    anqa_pid pid;
    anqa_error err;
};

/* One thing to be stopped at the end. */
struct started {
    struct application app; /* or: */
    char *id;               /* of a child of the supervisor */
    bool brutal;            /* it is to be killed */
};

/* owner: the guard. */
struct guard {
    anqa_pid supervisor;
    struct started *started;
    size_t count;
};

static const anqa_supervisor test_supervisor = {.max_restarts = 1000000, .max_seconds = 1};

static const char *id_of(const anqa_child_spec *child)
{
    if (child->id != NULL)
        return child->id;
    if (child->server != NULL && child->server->name != NULL)
        return child->server->name;
    if (child->supervisor != NULL && child->supervisor->name != NULL)
        return child->supervisor->name;
    if (child->dynamic_supervisor != NULL && child->dynamic_supervisor->name != NULL)
        return child->dynamic_supervisor->name;
    return "";
}

static void note(struct guard *guard, const struct started *started)
{
    guard->started = anqa_heap_realloc(guard->started, (guard->count + 1) * sizeof *guard->started);
    guard->started[guard->count++] = *started;
}

static anqa_status start_child(
    struct guard *guard, const anqa_child_spec *child, anqa_pid *ret_pid, anqa_error *err)
{
    struct started started = {.brutal = child->shutdown_ms == ANQA_BRUTAL_KILL};
    const char *id = id_of(child);
    anqa_status status = ANQA_OK;

    if (anqa_pid_is_none(guard->supervisor))
        status = anqa_supervisor_start_link(&test_supervisor, &guard->supervisor, err);
    if (status == ANQA_OK)
        status = anqa_supervisor_start_child(guard->supervisor, child, ret_pid, err);
    if (status != ANQA_OK)
        return status;
    started.id = anqa_heap_alloc(strlen(id) + 1);
    memcpy(started.id, id, strlen(id) + 1);
    note(guard, &started);
    return ANQA_OK;
}

static anqa_status start_app(struct guard *guard, const anqa_app *app, anqa_error *err)
{
    struct started started = {0};
    anqa_status status = application_start(app, -1, &started.app, err);

    if (status == ANQA_OK)
        (void)application_started(&started.app, ANQA_INFINITY, &status, err);
    if (status == ANQA_OK)
        note(guard, &started);
    return status;
}

static anqa_pid child_pid(const struct guard *guard, const char *id)
{
    anqa_child_info *children;
    size_t count = 0;

    if (anqa_supervisor_which_children(guard->supervisor, &children, &count) != ANQA_OK)
        return (anqa_pid){0};
    for (size_t i = 0; i < count; i++)
        if (anqa_str_is(children[i].id, id))
            return children[i].pid;
    return (anqa_pid){0};
}

/* A child ends as it was told, or not at all well. */
static anqa_status stop_child(
    const struct guard *guard, const struct started *started, anqa_error *err)
{
    anqa_pid pid = child_pid(guard, started->id);
    anqa_ref ref = anqa_monitor(pid);
    anqa_status status = anqa_supervisor_terminate_child(guard->supervisor, started->id, err);
    const anqa_msg *down;
    char text[200];

    if (status == ANQA_E_NOT_FOUND || anqa_pid_is_none(pid))
        return ANQA_OK; /* it was temporary, or has ended before */
    if (status != ANQA_OK)
        return status;
    (void)anqa_supervisor_delete_child(guard->supervisor, started->id, NULL);
    down = anqa_receive_ref(ref, ANQA_INFINITY);
    if (anqa_reason_is_quiet(down->u.reason) || started->brutal)
        return ANQA_OK;
    return anqa_fail(err, ANQA_E_DIED, "supervised child '%s' did not stop in order: %s",
        started->id, anqa_reason_format(down->u.reason, text, sizeof text));
}

static anqa_status stop_app(const struct application *app, anqa_error *err)
{
    uint32_t timeout_ms = APP_STOP_MS;
    const anqa_msg *down = anqa_receive_ref(app->start_ref, 0);
    bool ended_before = down != NULL;

    if (ended_before)
        return ANQA_OK;
    (void)anqa_send(app->guard, application_stop_tag, anqa_bytes(&timeout_ms, sizeof timeout_ms));
    down = anqa_receive_ref(app->start_ref, ANQA_INFINITY);
    if (anqa_reason_get_kind(down->u.reason) == ANQA_REASON_NORMAL)
        return ANQA_OK;
    return anqa_fail(err, ANQA_E_TIMEOUT, "application '%s' did not stop within %u ms",
        app->app->name, timeout_ms);
}

static anqa_status stop_last(struct guard *guard, anqa_error *err)
{
    const struct started *last = &guard->started[--guard->count];

    return last->id != NULL ? stop_child(guard, last, err) : stop_app(&last->app, err);
}

static anqa_status stop_named(struct guard *guard, const char *id, anqa_error *err)
{
    for (size_t i = guard->count; i-- > 0;) {
        struct started started = guard->started[i];
        if (started.id == NULL || strcmp(started.id, id) != 0)
            continue;
        guard->count--;
        memmove(&guard->started[i], &guard->started[i + 1],
            (guard->count - i) * sizeof *guard->started);
        return stop_child(guard, &started, err);
    }
    return anqa_fail(err, ANQA_E_NOT_FOUND, "no supervised child '%s'", id);
}

/* ---------------------------------------------------------------- the guard */

static void answer(struct guard *guard, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);
    struct outcome outcome = {0};
    struct ask ask;

    memcpy(&ask, msg->body.ptr, sizeof ask);
    switch (ask.kind) {
    case ASK_START_CHILD:
        outcome.status = start_child(guard, ask.what, &outcome.pid, &outcome.err);
        break;
    case ASK_STOP_CHILD: outcome.status = stop_named(guard, ask.what, &outcome.err); break;
    case ASK_START_APP: outcome.status = start_app(guard, ask.what, &outcome.err); break;
    }
    anqa_reply_to(&caller, anqa_bytes(&outcome, sizeof outcome));
}

static void body_run(void *state)
{
    kit.test->run();
    host.returned = true;
    anqa_exit(ANQA_SHUTDOWN);
}

static void judge_body(anqa_reason reason)
{
    char text[3200];

    if (host.returned)
        return;
    fprintf(stderr, "%s:%d: the test's process ended: %s\n", kit.test->file, kit.test->line,
        anqa_reason_format(reason, text, sizeof text));
    kit_end_failed();
}

static void stop_all(struct guard *guard)
{
    anqa_error err;
    bool failed = false;

    while (guard->count > 0) {
        if (stop_last(guard, &err) == ANQA_OK)
            continue;
        fprintf(stderr, "at the end of the test: %s\n", err.text);
        failed = true;
    }
    if (!anqa_pid_is_none(guard->supervisor))
        (void)anqa_supervisor_stop(guard->supervisor, ANQA_SHUTDOWN, ANQA_INFINITY);
    if (failed)
        kit_end_failed();
}

static void guard_run(void *state)
{
    struct guard guard = {0};
    anqa_ref ref = anqa_make_ref();
    const anqa_msg *msg;

    ANQA_REQUIRE(
        anqa_spawn(
            &(anqa_spawn_opts){
                .run = body_run, .label = kit.test->name, .monitor = true, .monitor_ref = ref},
            &host.body, NULL) == ANQA_OK);
    while (
        (msg = anqa_receive(ANQA_INFINITY))->kind != ANQA_MSG_DOWN || !anqa_ref_eq(msg->ref, ref))
        if (msg->tag == ask_tag)
            answer(&guard, msg);
    judge_body(msg->u.reason);
    stop_all(&guard);
}

/* ---------------------------------------------------------------- what is left */

/* What has no parent belongs to the runtime. Acquire: pairs with proc_spawn, which writes the lineage before. */
static bool is_left(const struct proc *p)
{
    uintptr_t in = atomic_load_explicit(&p->in, memory_order_acquire);

    return in != IN_CLOSED && anqa_rt_is_alive(host.rt, proc_pid(host.rt, p)) && p->lineage != NULL;
}

static size_t each_left(void (*fn)(anqa_pid pid))
{
    uint32_t used = atomic_load_explicit(&host.rt->slots_used, memory_order_relaxed);
    size_t count = 0;

    for (uint32_t i = 0; i < used; i++) {
        anqa_pid pid = proc_pid(host.rt, &host.rt->slots[i]);
        if (!is_left(&host.rt->slots[i]))
            continue;
        count++;
        if (fn != NULL)
            fn(pid);
    }
    return count;
}

static void report_left(anqa_pid pid)
{
    char text[ANQA_PID_TEXT], label[LABEL_SIZE];

    (void)proc_label(host.rt, pid, label);
    fprintf(stderr, "left behind: process %s%s%s\n", anqa_pid_text(pid, text),
        label[0] == '\0' ? "" : " ", label);
}

static void check_left(void)
{
    if (each_left(report_left) > 0)
        kit_end_failed();
}

/* ---------------------------------------------------------------- the driver */

static ANQA_NORETURN void stuck(void)
{
    fprintf(stderr,
        "%s:%d: stuck: the test waits for what can not come: nobody can run, and no timer is "
        "armed\n",
        kit.test->file, kit.test->line);
    kit_show_mailbox(NULL, host.rt, host.body);
    kit_end_failed();
}

/* Lets the time pass that the body waits for. */
static void pass(void)
{
    uint64_t next = timers_next(&host.rt->scheds[0]);

    if (!anqa_pid_is_none(host.asker)) {
        anqa_pid asker = host.asker;
        (void)anqa_rt_run(host.rt, host.until_ms);
        host.asker = (anqa_pid){0};
        (void)anqa_rt_send(host.rt, asker, passed_tag, anqa_nothing());
        return;
    }
    if (next == UINT64_MAX)
        stuck();
    (void)anqa_rt_run(host.rt, next);
}

static void drive(void)
{
    for (;;) {
        (void)anqa_rt_run(host.rt, host.rt->fake_now_ms);
        if (!anqa_rt_is_alive(host.rt, host.guard))
            break;
        pass();
    }
    (void)anqa_rt_run(host.rt, host.rt->fake_now_ms + LEFT_MS);
}

/* The same with threads. */
static void wait_for_guard(void)
{
    uint64_t deadline;

    ANQA_ASSERT_STATUS(anqa_attach(host.rt, NULL), ANQA_OK);
    (void)anqa_receive_ref(anqa_monitor(host.guard), ANQA_INFINITY);
    deadline = anqa_now_ms() + LEFT_MS;
    while (each_left(NULL) > 0 && anqa_now_ms() < deadline)
        anqa_sleep(1);
    anqa_detach();
}

void anqa_test_host_(const anqa_test_case *test)
{
    bool deterministic = test->options.schedulers == 0;
    anqa_options options = {.deterministic = deterministic,
        .seed = anqa_test_random(),
        .schedulers = test->options.schedulers,
        .watchdog_ms = ANQA_INFINITY};
    anqa_error err;

    siphash_fix_boot_key((struct siphash_key){anqa_test_random(), anqa_test_random()});
    if (anqa_start(&options, &host.rt, &err) != ANQA_OK)
        ANQA_FAIL("the runtime does not start: %s", err.text);
    ANQA_ASSERT_STATUS(anqa_rt_spawn(host.rt,
                           &(anqa_spawn_opts){.run = guard_run, .trap_exit = true}, &host.guard),
        ANQA_OK);
    if (deterministic)
        drive();
    else
        wait_for_guard();
    check_left();
    anqa_stop(host.rt);
}

/* ---------------------------------------------------------------- for the body */

uint32_t kit_wait_ms(void)
{
    uint32_t ms = kit.test->options.wait_ms != 0 ? kit.test->options.wait_ms : 100;

    return kit.test->options.schedulers == 0 ? ms : ms * anqa_test_slowness();
}

void kit_require_deterministic(const char *what)
{
    if (kit.test->options.schedulers != 0)
        anqa_exit(anqa_reason_make(
            ANQA_REASON_CONTRACT, "%s is for deterministic tests, without .schedulers", what));
}

static bool is_passed(const anqa_msg *msg, void *arg)
{
    return msg->tag == passed_tag;
}

static void pass_time(uint64_t until_ms)
{
    ANQA_REQUIRE(anqa_pid_is_none(host.asker) && "one process at a time lets time pass");
    host.until_ms = until_ms;
    host.asker = anqa_self();
    (void)anqa_receive_if(is_passed, NULL, ANQA_INFINITY);
}

void anqa_test_settle(void)
{
    kit_require_deterministic("anqa_test_settle");
    pass_time(host.rt->fake_now_ms);
}

void anqa_test_advance(uint32_t ms)
{
    kit_require_deterministic("anqa_test_advance");
    pass_time(host.rt->fake_now_ms + ms);
}

static struct outcome ask_guard(enum ask_kind kind, const void *what)
{
    struct ask ask = {kind, what};
    anqa_ref ref = anqa_request(host.guard, ask_tag, anqa_bytes(&ask, sizeof ask));
    const anqa_msg *msg = anqa_receive_ref(ref, ANQA_INFINITY);
    struct outcome outcome;

    ANQA_REQUIRE(msg->kind == ANQA_MSG_REPLY);
    memcpy(&outcome, msg->body.ptr, sizeof outcome);
    return outcome;
}

anqa_status anqa_try_start_supervised(
    const anqa_child_spec *child, anqa_pid *ret_pid, anqa_error *err)
{
    struct outcome outcome = ask_guard(ASK_START_CHILD, child);

    if (outcome.status == ANQA_OK)
        *ret_pid = outcome.pid;
    else if (err != NULL)
        *err = outcome.err;
    return outcome.status;
}

/* What went wrong on the other side, at the place of the call. */
static void require_ok(
    struct anqa_test_place place, const char *what, const struct outcome *outcome)
{
    if (outcome->status != ANQA_OK)
        anqa_test_fail_(place, what, NULL, NULL, ": %s", outcome->err.text);
}

anqa_pid anqa_test_start_supervised_(struct anqa_test_place place, const anqa_child_spec *child)
{
    struct outcome outcome = ask_guard(ASK_START_CHILD, child);

    require_ok(place, "anqa_start_supervised", &outcome);
    return outcome.pid;
}

void anqa_test_stop_supervised_(struct anqa_test_place place, const char *id)
{
    struct outcome outcome = ask_guard(ASK_STOP_CHILD, id);

    require_ok(place, "anqa_stop_supervised", &outcome);
}

void anqa_test_start_app_(struct anqa_test_place place, const anqa_app *app)
{
    struct outcome outcome = ask_guard(ASK_START_APP, app);

    require_ok(place, "anqa_test_start_app", &outcome);
}
