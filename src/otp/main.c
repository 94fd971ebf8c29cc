/* anqa_main: arguments, configuration, a runtime, an application, and signals. Runs on the main thread. */
#include "otp/application.h"
#include "otp/argument.h"

#include <errno.h>
#include <sys/poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <anqa/config.h>
#include <anqa/log.h>

#include "base/clock.h"
#include "otp/notify.h"
#include "otp/report.h"
#include "otp/restart.h"
#include "runtime/fault.h"
#include "runtime/inherit.h"
#include "runtime/sched.h"
#include "telemetry/log.h"

/* What a stop that was cut short still gets: half of it for the application, half for the rest of the runtime. */
#define HURRY_MS 2000u
/* `timeout` signals the process and then its group: what comes so soon is the same wish, not a second one. */
#define SAME_WISH_MS 100u

/* Those of the control socket are none that would clean up for long. */
#define CONTROL_STOP_MS 1000u

#define MAX_PROCESSES_MIN 16u

static const char *const taint_names[] = {"contain", "drain", "abort", NULL};

/* What the runtime's area is read into. */
struct runtime_config {
    anqa_options options;
    const char *control;
};

#define AT(member) ANQA_CONFIG_AT(struct runtime_config, options.member)

static const anqa_config_option runtime_options[] = {
    {.name = "schedulers",
        .type = ANQA_CONFIG_UINT,
        AT(schedulers),
        .standard = "0",
        .min = 0,
        .max = 64,
        .doc = "threads that run processes; 0: one per core"},
    {.name = "workers",
        .type = ANQA_CONFIG_UINT,
        AT(workers),
        .standard = "0",
        .doc = "threads for blocking work; 0: 10"},
    {.name = "worker_queue",
        .type = ANQA_CONFIG_UINT,
        AT(worker_queue),
        .standard = "0",
        .doc = "jobs that may wait for a worker; 0: 10,000"},
    {.name = "max_processes",
        .type = ANQA_CONFIG_UINT,
        AT(max_processes),
        .standard = "0",
        .min = 0,
        .max = 16777215,
        .doc = "from 16; 0: 1,048,576"},
    {.name = "max_waiting",
        .type = ANQA_CONFIG_UINT,
        AT(max_waiting),
        .standard = "0",
        .doc = "processes that wait in the middle of something; 0: what the system allows"},
    {.name = "js_mapped",
        .type = ANQA_CONFIG_UINT,
        AT(js_mapped),
        .standard = "0",
        .min = 0,
        .max = 12000,
        .doc = "JavaScript processes that are mapped at once, others are parked; 0: 10,000"},
    {.name = "stack_size",
        .type = ANQA_CONFIG_SIZE,
        AT(stack_size),
        .standard = "256KB",
        .min = 65536,
        .max = 1 << 30,
        .doc = "of a waiting process"},
    {.name = "heap_quota",
        .type = ANQA_CONFIG_SIZE,
        AT(heap_quota),
        .standard = "0",
        .doc = "of each process, from 16KB; 0: none"},
    {.name = "watchdog",
        .type = ANQA_CONFIG_DURATION,
        AT(watchdog_ms),
        .standard = "100ms",
        .doc = "a callback that runs longer without waiting is reported"},
    {.name = "stop_timeout",
        .type = ANQA_CONFIG_DURATION,
        AT(stop_timeout_ms),
        .standard = "40s",
        .doc = "how long an orderly stop may take in all"},
    {.name = "taint",
        .type = ANQA_CONFIG_ENUM,
        AT(taint),
        .choices = taint_names,
        .doc = "what follows a contained memory fault"},
    {.name = "control",
        .type = ANQA_CONFIG_STR,
        ANQA_CONFIG_AT(struct runtime_config, control),
        .doc = "path of the control socket, or off; nothing: where the anqa command looks"},
    {0},
};

/* Why the main thread wakes. shared: atomics; one anqa_main at a time. */
static _Atomic(int) wake_fd = -1;
static _Atomic(bool) stop_asked, drain_asked;

/* The control socket is an application of its own: it is there while the program's one starts and stops, and what goes wrong
 * with it is not the program's end. */
struct control_app {
    anqa_app app;
    anqa_child_spec children[3];
    anqa_control control;
    bool runs;
};

struct running {
    const anqa_app *app;
    anqa_config *config;
    anqa_rt *rt;
    struct application application;
    bool start_is_over;
    anqa_status start_status;
    anqa_error err;
    bool is_ending;    /* some moments before the guard has ended */
    bool has_failed;   /* it ended unasked, and that is no good end */
    uint64_t asked_ms; /* when the stop began; 0: it has not */
    int notify_fd;     /* the end of the start or the application, or a wish that it may end */
    int signal_fd;
    sigset_t old_mask;
    struct restart restart;
    struct runtime_config runtime;
    struct control_app control;
    struct log_config log;
};

static void wake(void)
{
    int fd = atomic_load_explicit(&wake_fd, memory_order_acquire); /* pairs with signals_begin */

    if (fd >= 0)
        (void)eventfd_write(fd, 1);
}

void anqa_main_stop(void)
{
    atomic_store_explicit(&stop_asked, true, memory_order_release); /* pairs with is_asked */
    wake();
}

void anqa_main_restart(void)
{
    if (atomic_load_explicit(&wake_fd, memory_order_acquire) >= 0) /* pairs with signals_begin */
        kill(getpid(), SIGUSR2);
}

static void drain(anqa_rt *rt)
{
    atomic_store_explicit(&drain_asked, true, memory_order_release); /* pairs with run_to_end */
    anqa_main_stop();
}

/* ---------------------------------------------------------------- arguments */

/* Added before main. */
static struct main_argument *further;

void main_argument_add(struct main_argument *argument)
{
    argument->next = further;
    further = argument;
}

static void print_options(const char *area, const anqa_config_option *option)
{
    for (; option->name != NULL; option++) {
        char name[80];
        snprintf(name, sizeof name, "--%s.%s=", area, option->name);
        printf("  %-28s %s%s%s%s\n", name, option->doc == NULL ? "" : option->doc,
            option->standard == NULL ? "" : " (", option->standard == NULL ? "" : option->standard,
            option->standard == NULL ? "" : ")");
    }
}

static void print_help(const char *program, const anqa_app *app)
{
    printf("%s%s%s\n\nusage: %s [--config=FILE] [--area.option=VALUE ...]\n\n", app->name,
        app->about == NULL ? "" : ": ", app->about == NULL ? "" : app->about, program);
    printf("  %-28s %s\n  %-28s %s\n  %-28s %s\n", "--config=FILE", "reads options from a file",
        "--help", "prints this", "--version", "prints the version");
    for (const struct main_argument *one = further; one != NULL; one = one->next)
        printf("  %-28s %s\n", one->name, one->about);
    print_options("runtime", runtime_options);
    print_options("log", log_config_options);
    print_options("program", restart_config_options);
    printf("\nEach option can also be set by an environment variable, as "
           "ANQA_RUNTIME_SCHEDULERS=2.\n");
}

/* Takes argument `i` out of argv. */
static void argument_drop(int *argc, char **argv, int i)
{
    for (; i + 1 < *argc; i++)
        argv[i] = argv[i + 1];
    argv[--*argc] = NULL;
}

/* Whether it is one of those that were added, alone or with a value. */
static bool further_answers(const char *text, const anqa_app *app, int *ret_status)
{
    const struct main_argument *one = further;
    const char *end = strchrnul(text, '=');
    size_t len = (size_t)(end - text);

    while (one != NULL && (strncmp(one->name, text, len) != 0 || one->name[len] != '\0'))
        one = one->next;
    if (one != NULL)
        *ret_status = one->answer(app, *end == '=' ? end + 1 : NULL);
    return one != NULL;
}

/* True: there is nothing else to do. */
static bool arguments_answer(int argc, char **argv, const anqa_app *app, int *ret_status)
{
    *ret_status = ANQA_EXIT_OK;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(argv[0], app);
            return true;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s %s (anqa %s)\n", app->name,
                app->version == NULL ? "(no version)" : app->version, anqa_version());
            return true;
        }
        if (further_answers(argv[i], app, ret_status))
            return true;
    }
    return false;
}

/* False: it stands there in a way that names no file, and `err` says how to write it. */
static bool config_file(int *argc, char **argv, const char **ret_file, anqa_error *err)
{
    static const char option[] = "--config";
    const size_t len = sizeof option - 1;

    *ret_file = NULL;
    for (int i = 1; i < *argc; i++) {
        if (strncmp(argv[i], option, len) != 0 || (argv[i][len] != '=' && argv[i][len] != '\0'))
            continue;
        if (argv[i][len] == '\0' || argv[i][len + 1] == '\0') {
            (void)anqa_fail(err, ANQA_E_PARSE,
                "--config needs its file in the same argument: --config=%s",
                argv[i][len] == '\0' && i + 1 < *argc ? argv[i + 1] : "FILE");
            return false;
        }
        *ret_file = argv[i] + len + 1;
        argument_drop(argc, argv, i);
        return true;
    }
    return true;
}

/* What 0 stands for in the table does not let its bounds say. */
static bool options_fit(const anqa_options *options, anqa_error *err)
{
    if (options->max_processes == 0 || options->max_processes >= MAX_PROCESSES_MIN)
        return true;
    (void)anqa_fail(err, ANQA_E_RANGE,
        "runtime.max_processes = %u is too low for an application and its supervisors; allowed: 0 "
        "(1,048,576), or %u to 16777215",
        options->max_processes, MAX_PROCESSES_MIN);
    return false;
}

/* ANQA_EXIT_OK: go on. */
static int configure(struct running *run, int argc, char **argv)
{
    const anqa_config_area areas[] = {
        {.name = "runtime", .options = runtime_options, .into = &run->runtime},
        {.name = "log", .options = log_config_options, .into = &run->log},
        {.name = "program", .options = restart_config_options, .into = &run->restart.config},
    };
    anqa_config_sources sources = {
        .areas = areas, .area_count = ANQA_COUNT(areas), .argc = &argc, .argv = argv};
    anqa_error err;

    if (!config_file(&argc, argv, &sources.file, &err)) {
        fprintf(stderr, "%s: %s\n", run->app->name, err.text);
        return ANQA_EXIT_USAGE;
    }
    if (anqa_config_load(&sources, &run->config, &err) != ANQA_OK ||
        !options_fit(&run->runtime.options, &err)) {
        fprintf(stderr, "%s: %s\n", run->app->name, err.text);
        return ANQA_EXIT_START;
    }
    if (argc > 1) {
        fprintf(stderr, "%s: unknown argument '%s'; --help lists those there are\n", run->app->name,
            argv[1]);
        return ANQA_EXIT_USAGE;
    }
    log_configure(&run->log);
    return ANQA_EXIT_OK;
}

/* ---------------------------------------------------------------- signals */

/* Before any other thread is there, so that all inherit the mask and the signals are ours alone. */
static anqa_status signals_begin(struct running *run, anqa_error *err)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &mask, &run->old_mask);
    sigaction(SIGPIPE, &ignore, NULL); /* a peer that hangs up is an error of write, not our end */
    run->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    run->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (run->signal_fd < 0 || run->notify_fd < 0)
        return anqa_fail_errno(err, errno, "cannot wait for signals");
    atomic_store_explicit(&stop_asked, false, memory_order_relaxed);
    atomic_store_explicit(&drain_asked, false, memory_order_relaxed);
    atomic_store_explicit(&wake_fd, run->notify_fd, memory_order_release); /* pairs with wake */
    return ANQA_OK;
}

static void signals_end(struct running *run)
{
    atomic_store_explicit(&wake_fd, -1, memory_order_release);
    if (run->signal_fd >= 0)
        close(run->signal_fd);
    if (run->notify_fd >= 0)
        close(run->notify_fd);
    pthread_sigmask(SIG_SETMASK, &run->old_mask, NULL);
}

/* ---------------------------------------------------------------- waiting */

static bool start_is_over(struct running *run)
{
    if (run->start_is_over)
        return true;
    run->start_is_over = application_started(&run->application, 0, &run->start_status, &run->err);
    if (run->start_is_over)
        anqa_detach();
    return run->start_is_over;
}

static bool has_ended(struct running *run)
{
    return !anqa_rt_is_alive(run->rt, run->application.guard);
}

/* By SIGUSR2. */
static void restart_asked(struct running *run)
{
    if (!run->start_is_over)
        restart_refuse("the program has not started yet");
    else if (run->asked_ms != 0)
        restart_refuse("the program stops");
    else
        restart_begin(&run->restart, &run->old_mask);
}

/* True: it is a wish to stop. */
static bool signal_handle(struct running *run, uint32_t signal)
{
    switch (signal) {
    case SIGUSR1: report_write(run->rt); return false;
    case SIGUSR2: restart_asked(run); return false;
    default: return true;
    }
}

/* Whether somebody has asked for a stop, once more if there is one under way. A successor that is ready is a wish, too. */
static bool is_asked(struct running *run, uint64_t now_ms)
{
    struct signalfd_siginfo info;
    bool asked = atomic_exchange_explicit(
        &stop_asked, false, memory_order_acquire); /* pairs with anqa_main_stop */

    while (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        asked |= signal_handle(run, info.ssi_signo);
    if (restart_is_ready(&run->restart, now_ms))
        return true;
    return asked && (run->asked_ms == 0 || now_ms - run->asked_ms >= SAME_WISH_MS);
}

/* The end, or a failed one; all else the next look at things shows. */
static void notes_read(struct running *run)
{
    eventfd_t count;

    if (eventfd_read(run->notify_fd, &count) != 0)
        return;
    run->is_ending |= count >= APPLICATION_NOTE_END;
    run->has_failed |= count >= APPLICATION_NOTE_FAILED;
}

/* To the earlier of two deadlines, an hour at most. */
static int left_ms(uint64_t now_ms, uint64_t a_ms, uint64_t b_ms)
{
    uint64_t end = a_ms < b_ms ? a_ms : b_ms;

    if (end <= now_ms)
        return 0;
    return end - now_ms < 3600000 ? (int)(end - now_ms) : 3600000;
}

enum woken { WOKEN_SO, WOKEN_ASKED, WOKEN_DEADLINE };

/* Sleeps until it is so, or somebody asks for a stop, or it is `deadline_ms` (UINT64_MAX: no deadline). */
static enum woken wait_until(
    struct running *run, bool (*so)(struct running *run), uint64_t deadline_ms)
{
    struct pollfd fds[] = {{.fd = run->signal_fd, .events = POLLIN},
        {.fd = run->notify_fd, .events = POLLIN}, {.events = POLLIN}};

    for (;;) {
        uint64_t now = clock_mono_ms();
        if (so(run))
            return WOKEN_SO;
        if (is_asked(run, now))
            return WOKEN_ASKED;
        if (now >= deadline_ms)
            return WOKEN_DEADLINE;
        fds[2].fd = run->restart.ready_fd;
        (void)poll(fds, ANQA_COUNT(fds),
            run->is_ending ? 1
                           : left_ms(now, deadline_ms,
                                 restart_deadline_ms(&run->restart))); /* EINTR: round again */
        notes_read(run);
    }
}

/* ---------------------------------------------------------------- running */

static int kill_all(struct running *run)
{
    anqa_log(ANQA_WARN, "application.hurried", "application=%s stage=%s next=kill", run->app->name,
        start_is_over(run) ? "stop" : "start");
    (void)anqa_rt_send(run->rt, run->application.guard, application_kill_tag, anqa_nothing());
    (void)wait_until(run, has_ended, clock_mono_ms() + HURRY_MS / 2);
    /* only anqa_stop reads it, on this thread */
    run->rt->options.stop_timeout_ms = HURRY_MS / 2;
    return ANQA_EXIT_HURRIED;
}

/* Also while the application starts: it stops as soon as it has. */
static int stop_in_order(struct running *run)
{
    uint32_t timeout_ms = run->runtime.options.stop_timeout_ms,
             no_deadline = ANQA_INFINITY; /* the deadline is ours to keep */

    run->asked_ms = clock_mono_ms();
    restart_stopping(&run->restart);
    anqa_log(ANQA_NOTICE, "application.stopping", "application=%s timeout_ms=%u", run->app->name,
        timeout_ms);
    (void)anqa_rt_send(run->rt, run->application.guard, application_stop_tag,
        anqa_bytes(&no_deadline, sizeof no_deadline));
    if (wait_until(run, has_ended,
            timeout_ms == ANQA_INFINITY ? UINT64_MAX : run->asked_ms + timeout_ms) == WOKEN_SO)
        return ANQA_EXIT_OK;
    return kill_all(run);
}

/* While a predecessor still has its own: so there is one at its path at any time. */
static void control_take_place(struct running *run)
{
    anqa_error err = {.text = ""};
    anqa_status status = ANQA_OK;

    if (!run->control.runs || inherit_is_open())
        return;
    status = anqa_attach(run->rt, &err);
    if (status == ANQA_OK) {
        status = anqa_control_take_place(&err);
        anqa_detach();
    }
    if (status != ANQA_OK)
        anqa_log(ANQA_WARN, "control.failed", "error=%s next=none", err.text);
}

/* Serves until something happens. */
static enum woken has_started(struct running *run)
{
    run->start_status = restart_write_pid(&run->restart, &run->err);
    if (run->start_status != ANQA_OK)
        return WOKEN_ASKED;
    control_take_place(run);
    restart_started();
    return wait_until(run, has_ended, UINT64_MAX);
}

static int run_to_end(struct running *run)
{
    int status;
    enum woken woken = wait_until(run, start_is_over, UINT64_MAX);

    if (woken == WOKEN_SO && run->start_status == ANQA_OK)
        woken = has_started(run);
    notes_read(run);
    status = run->has_failed ? ANQA_EXIT_FAILED : ANQA_EXIT_OK;
    if (woken == WOKEN_ASKED)
        status = stop_in_order(run);
    if (status != ANQA_EXIT_HURRIED && start_is_over(run) && run->start_status != ANQA_OK) {
        fprintf(stderr, "%s: %s\n", run->app->name, run->err.text);
        return ANQA_EXIT_START;
    }
    if (status == ANQA_EXIT_OK &&
        atomic_load_explicit(&drain_asked, memory_order_acquire)) /* pairs with drain */
        status = ANQA_EXIT_FAILED;
    return status;
}

static int start_failed(const struct running *run)
{
    fprintf(stderr, "%s: %s\n", run->app->name, run->err.text);
    return ANQA_EXIT_START;
}

/* Attached until the start is over: the news of it come to a process. */
static int run_attached(struct running *run)
{
    anqa_status status = anqa_attach(run->rt, &run->err);
    int exit_status;

    if (status == ANQA_OK && notify_watchdog(run->rt) != ANQA_OK)
        status = anqa_fail(&run->err, ANQA_E_LIMIT, "no process for the watchdog");
    if (status == ANQA_OK)
        status = application_start(run->app, run->notify_fd, &run->application, &run->err);
    exit_status = status == ANQA_OK ? run_to_end(run) : start_failed(run);
    anqa_detach();
    return exit_status;
}

static anqa_status control_begin(struct running *run)
{
    struct control_app *control = &run->control;
    const char *path = run->runtime.control;
    anqa_status status;

    if (strcmp(path, "off") == 0)
        return ANQA_OK;
    *control = (struct control_app){
        .control = {.name = run->app->name,
            .version = run->app->version,
            .path = path,
            .ops = run->app->control,
            .stop = anqa_main_stop,
            .restart = anqa_main_restart},
        .children = {ANQA_CONTROL(&control->control), {0}},
        .app = {.name = "control socket", .children = control->children, .max_restarts = 20},
    };
    status = anqa_app_start(run->rt, &control->app, &run->err);
    control->runs = status == ANQA_OK;
    /* A predecessor still has its path. */
    if (control->runs || (path[0] != '\0' && inherit_is_open()))
        return status;
    anqa_log(ANQA_WARN, "control.failed", "error=%s next=none", run->err.text);
    return ANQA_OK;
}

static void control_end(struct running *run)
{
    if (run->control.runs)
        (void)anqa_app_stop(run->rt, &run->control.app, CONTROL_STOP_MS);
}

static int run_app(struct running *run)
{
    int status;

    if (signals_begin(run, &run->err) != ANQA_OK ||
        anqa_start(&run->runtime.options, &run->rt, &run->err) != ANQA_OK)
        return start_failed(run);
    fault_set_drain_hook(drain);
    status = control_begin(run) == ANQA_OK ? run_attached(run) : start_failed(run);
    restart_stopped(&run->restart);
    control_end(run);
    anqa_stop(run->rt);
    fault_set_drain_hook(NULL);
    return status;
}

/* What a predecessor or a service manager has left us, and we shall leave to a successor. */
static int inherit(struct running *run, int argc, char **argv)
{
    notify_begin();
    if (restart_init(&run->restart, argc, argv, &run->err) == ANQA_OK &&
        inherit_begin(&run->err) == ANQA_OK)
        return ANQA_EXIT_OK;
    fprintf(stderr, "%s: %s\n", run->app->name, run->err.text);
    return ANQA_EXIT_START;
}

int anqa_main(int argc, char **argv, const anqa_app *app)
{
    struct running run = {.app = app, .notify_fd = -1, .signal_fd = -1};
    int status;

    if (arguments_answer(argc, argv, app, &status))
        return status;
    status = inherit(&run, argc, argv);
    if (status == ANQA_EXIT_OK)
        status = configure(&run, argc, argv);
    if (status == ANQA_EXIT_OK) {
        pthread_sigmask(SIG_SETMASK, NULL, &run.old_mask);
        status = run_app(&run);
        signals_end(&run);
    }
    anqa_config_free(run.config);
    restart_done(&run.restart);
    return status;
}
