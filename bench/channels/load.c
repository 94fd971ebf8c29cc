#include "load.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

#define SECOND_NS UINT64_C(1000000000)
#define RUN_S 60 /* for a run, whose parts have shorter limits of their own */
#define MAX_ARGS 32

enum program { PROGRAM_APP, PROGRAM_PHXLOAD };

static const char *const programs[] = {
    [PROGRAM_APP] = "../examples/example_bench_app",
    [PROGRAM_PHXLOAD] = "phxload",
};

static bool is_floor(void)
{
    return stage_is("floor");
}

/** Where a program is; lives until the next call. */
static char *program_path(enum program program)
{
    char *named = program == PROGRAM_APP ? stage_setting("BENCH_APP") : NULL;

    return named != NULL ? named : stage_beside(programs[program]);
}

static bool has_program(enum program program, const char *remedy)
{
    return stage_has_program(program_path(program), remedy);
}

bool load_open(struct load *load, unsigned schedulers, unsigned connections)
{
    static const struct child none = {.pidfd = -1, .to = -1, .from = -1};

    load->schedulers = schedulers;
    load->connections = connections;
    load->server = load->beside = load->phxload = none;
    return has_program(PROGRAM_PHXLOAD, "build it with the benchmarks") &&
           (is_floor() ||
               has_program(PROGRAM_APP, "it is examples/bench_app; BENCH_APP can name another")) &&
           stage_have_files(connections) && stage_split(&load->server_cpus, &load->load_cpus);
}

void load_close(struct load *load)
{
    child_end(&load->phxload);
    child_end(&load->beside);
    child_end(&load->server);
}

/* ---------------------------------------------------------------- server */

void load_start_server(struct load *load)
{
    char threads[16], clients[16];
    char *argv[] = {program_path(is_floor() ? PROGRAM_PHXLOAD : PROGRAM_APP),
        (char *)"floor-server", (char *)"--port", (char *)"0", (char *)"--threads", threads,
        (char *)"--conns", clients, NULL};

    snprintf(threads, sizeof(threads), "%u", load->schedulers);
    snprintf(clients, sizeof(clients), "%u", load->connections);
    if (!is_floor())
        argv[1] = NULL; /* told by the environment */
    /* NOLINTBEGIN(concurrency-mt-unsafe): a side has one thread */
    setenv("PORT", "0", 1);
    setenv("ANQA_RUNTIME_SCHEDULERS", threads, 1);
    /* NOLINTEND(concurrency-mt-unsafe) */
    if (!child_launch(&load->server, argv, &load->server_cpus) ||
        !stage_wait_listening(&load->server, "http", load->port))
        bench_fail("%s did not say 'listening on http://127.0.0.1:PORT' within %d s", argv[0],
            STAGE_START_S);
    snprintf(load->pid, sizeof(load->pid), "%d", (int)load->server.pid);
}

void load_stop_server(struct load *load)
{
    child_end(&load->server);
}

/* ---------------------------------------------------------------- phxload */

/** Starts it with these arguments and those that every run has. */
static void start_phxload(struct load *load, struct child *child, const char *const args[])
{
    const char *const common[] = {
        "--port", load->port, "--pid", load->pid, "--timeout", "15", "--json"};
    const char *argv[MAX_ARGS] = {program_path(PROGRAM_PHXLOAD)};
    size_t count = 1;

    for (size_t i = 0; args[i] != NULL && count + ANQA_COUNT(common) + 1 < MAX_ARGS; i++)
        argv[count++] = args[i];
    for (size_t i = 0; i < ANQA_COUNT(common); i++)
        argv[count++] = common[i];
    if (!child_launch(child, (char *const *)argv, &load->load_cpus))
        bench_fail("phxload %s could not be started", args[0]);
}

/** Reads up to a line that begins so. */
static bool wait_line(struct child *child, const char *start)
{
    uint64_t deadline_ns = bench_now_ns() + RUN_S * SECOND_NS;

    while (child_line(child, deadline_ns)) {
        if (strncmp(child->line, start, strlen(start)) == 0)
            return true;
    }
    return false;
}

/** The figures are the last line, in JSON. */
static anqa_json read_figures(struct child *child)
{
    if (!wait_line(child, "{"))
        bench_fail("phxload gave no figures within %d s", RUN_S);
    return anqa_json_of(anqa_str_of(child->line));
}

static void check_result(anqa_json figures, const char *mode)
{
    anqa_json result;

    if (anqa_json_get(figures, "result", &result) != ANQA_OK)
        bench_fail("phxload %s gave no result", mode);
    if (!anqa_json_is_str(result, anqa_str_of("ok")))
        bench_fail("phxload %s: %.*s", mode, (int)result.len, result.ptr);
}

anqa_json load_run(struct load *load, const char *const args[])
{
    anqa_json figures;

    start_phxload(load, &load->phxload, args);
    figures = read_figures(&load->phxload);
    child_close(&load->phxload);
    check_result(figures, args[0]);
    return figures;
}

void load_start_beside(struct load *load, const char *const args[])
{
    start_phxload(load, &load->beside, args);
    /* It shares a processor with the one that measures, which must not have to wait until a crowd's frames are read. */
    (void)sched_setscheduler(load->beside.pid, SCHED_IDLE, &(struct sched_param){0});
    if (!wait_line(&load->beside, "  joined "))
        bench_fail("phxload %s did not join within %d s", args[0], RUN_S);
}

anqa_json load_stop_beside(struct load *load)
{
    anqa_json figures;

    kill(load->beside.pid, SIGTERM);
    figures = read_figures(&load->beside);
    child_close(&load->beside);
    return figures;
}

double load_figure(anqa_json figures, const char *key)
{
    double value;

    if (anqa_json_get_double(figures, key, &value) != ANQA_OK)
        bench_fail("phxload gave no figure '%s'", key);
    return value;
}
