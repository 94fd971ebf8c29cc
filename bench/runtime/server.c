/* Servers and supervisors: calls, starting children, restarting them. */
#include <anqa/log.h>
#include <anqa/supervisor.h>

#include "cases.h"

/* A process that calls does so a few times in an event, whose end gives the answers back. */
#define CALLS_PER_EVENT 16

struct server {
    uint64_t asked;
};

static anqa_next server_ping(void *state, anqa_msg *msg)
{
    struct server *server = state;

    server->asked++;
    return anqa_reply(ANQA_JSON_LITERAL_("\"pong\""));
}

static anqa_next server_asked(void *state, anqa_msg *msg)
{
    const struct server *server = state;

    return anqa_reply_payload(anqa_bytes(&server->asked, sizeof server->asked));
}

static const anqa_gen_server server_spec = {
    .state_size = sizeof(struct server),
    .handle_call = (const anqa_handler[]){{"ping", server_ping}, {"asked", server_asked}, {0}},
};

/* ---------------------------------------------------------------- call */

static anqa_pid called;

static void start_called(void *arg)
{
    anqa_error err;

    if (anqa_gen_server_start(&server_spec, NULL, NULL, &called, &err) != ANQA_OK)
        bench_fail("no server: %s", err.text);
}

static uint64_t times_asked(void)
{
    return world_value(anqa_call_payload(called, "asked", anqa_nothing(), ANQA_CALL_TIMEOUT_MS));
}

static void calls(struct bench *b, uint64_t ops)
{
    uint64_t before;

    bench_pause(b);
    before = times_asked();
    bench_resume(b);
    for (uint64_t i = 0; i < ops; i++) {
        anqa_json answer = anqa_call(called, "ping", ANQA_JSON_NULL, ANQA_CALL_TIMEOUT_MS);

        if (answer.len != 6 || answer.ptr[1] != 'p')
            bench_fail("the answer is '%.*s'", ANQA_FMT(answer));
        if (i % CALLS_PER_EVENT == 0)
            world_end_event();
    }
    bench_pause(b);
    if (times_asked() - before != ops)
        bench_fail("the server was not called %llu times", (unsigned long long)ops);
}

bool setup_call(struct bench *b)
{
    world_open_driver(b, calls);
    world_build(start_called, NULL);
    return true;
}

/* ---------------------------------------------------------------- children */

static const anqa_dynamic_supervisor children_spec = {
    .child = {.server = &server_spec, .restart = ANQA_TEMPORARY}};

static void stop_supervisor(anqa_pid supervisor)
{
    anqa_unlink(supervisor);
    if (anqa_supervisor_stop(supervisor, ANQA_SHUTDOWN, ANQA_INFINITY) != ANQA_OK)
        bench_fail("the supervisor does not stop");
    world_end_event();
}

static void check_children(anqa_pid supervisor, uint64_t wanted)
{
    anqa_child_counts counts;

    if (anqa_supervisor_count_children(supervisor, &counts) != ANQA_OK || counts.active != wanted)
        bench_fail("there are not %llu children", (unsigned long long)wanted);
}

static void start_children(struct bench *b, uint64_t ops)
{
    anqa_pid supervisor, child;
    anqa_error err;

    bench_pause(b);
    if (anqa_dynamic_supervisor_start_link(&children_spec, &supervisor, &err) != ANQA_OK)
        bench_fail("no supervisor: %s", err.text);
    bench_resume(b);
    for (uint64_t i = 0; i < ops; i++) {
        if (anqa_dynamic_supervisor_start_child(supervisor, NULL, 0, &child, &err) != ANQA_OK)
            bench_fail("no child: %s", err.text);
        if (i % CALLS_PER_EVENT == 0)
            world_end_event();
    }
    bench_pause(b);
    check_children(supervisor, ops);
    stop_supervisor(supervisor);
}

bool setup_start_child(struct bench *b)
{
    world_open_driver(b, start_children);
    return true;
}

/* ---------------------------------------------------------------- crashes */

#define RESTARTS_PER_SUPERVISOR 50

struct fragile {
    uint64_t *nowhere;
};

static const char *crash_tag; /* how it is to crash */
static anqa_pid crash_watcher;

static anqa_next fragile_init(void *state, const void *arg)
{
    anqa_pid watcher;

    memcpy(&watcher, arg, sizeof watcher);
    anqa_send(watcher, "up", anqa_nothing());
    return anqa_noreply();
}

static anqa_next fragile_exit(void *state, anqa_msg *msg)
{
    anqa_exit(anqa_error_reason("crash"));
}

static anqa_next fragile_fault(void *state, anqa_msg *msg)
{
    struct fragile *fragile = state;

    *(volatile uint64_t *)fragile->nowhere = 1; /* states are born zeroed: NULL */
    return anqa_noreply();
}

static const anqa_gen_server fragile_spec = {
    .name = "crashing_server",
    .state_size = sizeof(struct fragile),
    .arg_size = sizeof(anqa_pid),
    .init = fragile_init,
    .handle_info = (const anqa_handler[]){{"exit", fragile_exit}, {"fault", fragile_fault}, {0}},
};

static const anqa_supervisor crash_spec = {
    .max_restarts = 1000,
    .max_seconds = 1,
    .children = (const anqa_child_spec[]){{.server = &fragile_spec, .arg = &crash_watcher}, {0}},
};

static anqa_pid await_up(void)
{
    const anqa_msg *msg = anqa_receive(ANQA_CALL_TIMEOUT_MS);

    if (msg == NULL || !anqa_tag_is(msg->tag, "up"))
        bench_fail("the server was not started again");
    return msg->from;
}

static void crash_batch(struct bench *b, uint64_t restarts)
{
    anqa_pid supervisor, server, last;
    anqa_error err;

    if (anqa_supervisor_start_link(&crash_spec, &supervisor, &err) != ANQA_OK)
        bench_fail("no supervisor: %s", err.text);
    server = await_up();
    bench_resume(b);
    for (uint64_t i = 0; i < restarts; i++) {
        last = server;
        anqa_send(server, crash_tag, anqa_nothing());
        server = await_up();
        if (anqa_pid_eq(server, last))
            bench_fail("the server has not crashed");
    }
    bench_pause(b);
    stop_supervisor(supervisor);
}

static void crashes(struct bench *b, uint64_t ops)
{
    bench_pause(b);
    crash_watcher = anqa_self();
    for (uint64_t left = ops; left > 0;) {
        uint64_t restarts = left < RESTARTS_PER_SUPERVISOR ? left : RESTARTS_PER_SUPERVISOR;

        crash_batch(b, restarts);
        left -= restarts;
    }
}

static void drop_event(void *ctx, const anqa_log_event *event)
{
}

static bool setup_crash(struct bench *b, const char *tag)
{
    crash_tag = tag;
    world_open_driver(b, crashes);
    return true;
}

/* As shipped: the default level, and the default limit of 500 lines a second for one event, beyond which lines are counted
 * and not made. What is made, the sink drops. The peer too has its default level and drops what it makes. */
static bool setup_crash_logged(struct bench *b, const char *tag)
{
    anqa_log_level level = anqa_log_get_level();

    anqa_log_set_sink(drop_event, NULL);
    setup_crash(b, tag);
    anqa_log_set_level(level);
    return true;
}

bool setup_crash_exit(struct bench *b)
{
    return setup_crash_logged(b, "exit");
}

bool setup_crash_fault(struct bench *b)
{
    return setup_crash_logged(b, "fault");
}

bool setup_crash_exit_unlogged(struct bench *b)
{
    return setup_crash(b, "exit");
}

bool setup_crash_fault_unlogged(struct bench *b)
{
    return setup_crash(b, "fault");
}
