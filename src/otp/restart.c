#include "otp/restart.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <anqa/log.h>

#include "base/clock.h"
#include "otp/notify.h"
#include "runtime/inherit.h"

#define PATH_ROOM 1024

extern char **environ;

#define AT(member) ANQA_CONFIG_AT(struct restart_config, member)

const anqa_config_option restart_config_options[] = {
    {.name = "pid_file",
        .type = ANQA_CONFIG_STR,
        AT(pid_file),
        .doc = "is written when the program has started, and removed when it stops"},
    {.name = "restart_timeout",
        .type = ANQA_CONFIG_DURATION,
        AT(timeout_ms),
        .standard = "30s",
        .doc = "how long the start of a successor (SIGUSR2) may take"},
    {0},
};

/* ---------------------------------------------------------------- what we were started as */

static char *absolute(const char *path)
{
    char *folder, *whole = NULL;

    if (path[0] == '/' || strchr(path, '/') == NULL)
        return strdup(path);
    folder = get_current_dir_name();
    if (folder != NULL && asprintf(&whole, "%s/%s", folder, path) < 0)
        whole = NULL;
    free(folder);
    return whole;
}

static char *own_file(void)
{
    char path[PATH_ROOM];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path);

    return strndup(path, len < 0 ? 0 : (size_t)len);
}

anqa_status restart_init(struct restart *restart, int argc, char **argv, anqa_error *err)
{
    *restart = (struct restart){.ready_fd = -1};
    restart->program = absolute(argc > 0 ? argv[0] : "");
    restart->exe = own_file();
    restart->argv = calloc((size_t)argc + 1, sizeof *restart->argv);
    if (restart->program == NULL || restart->exe == NULL || restart->argv == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "no memory to keep the arguments");
    memcpy(restart->argv, argv, (size_t)argc * sizeof *argv);
    return ANQA_OK;
}

void restart_done(struct restart *restart)
{
    free(restart->program);
    free(restart->exe);
    free(restart->argv);
}

/* ---------------------------------------------------------------- the file with our process id */

static anqa_status file_write(const char *path, anqa_error *err)
{
    char beside[PATH_ROOM];
    FILE *file;
    bool written;

    if (snprintf(beside, sizeof beside, "%s.%d", path, (int)getpid()) >= (int)sizeof beside)
        return anqa_fail(err, ANQA_E_INVALID, "program.pid_file is too long");
    file = fopen(beside, "we");
    if (file == NULL)
        return anqa_fail_errno(err, errno, "cannot write %s", beside);
    written = fprintf(file, "%d\n", (int)getpid()) > 0;
    if (fclose(file) == 0 && written && rename(beside, path) == 0)
        return ANQA_OK;
    (void)anqa_fail_errno(err, errno, "cannot write %s", path);
    unlink(beside);
    return ANQA_E_IO;
}

void restart_stopped(const struct restart *restart)
{
    const char *path = restart->config.pid_file;
    FILE *file = path == NULL || path[0] == '\0' ? NULL : fopen(path, "re");
    char line[32] = "";

    if (file == NULL)
        return;
    if (fgets(line, sizeof line, file) != NULL && strtol(line, NULL, 10) == (long)getpid())
        unlink(path);
    (void)fclose(file);
}

anqa_status restart_write_pid(const struct restart *restart, anqa_error *err)
{
    const char *path = restart->config.pid_file;

    return path[0] == '\0' ? ANQA_OK : file_write(path, err);
}

void restart_started(void)
{
    inherit_open();
    notify_send("READY=1\nMAINPID=%d", (int)getpid());
}

/* ---------------------------------------------------------------- starting a successor */

/* What a successor is made of; undone by one function. */
struct launch {
    struct inherit_socket *sockets;
    size_t count;
    int pipe[2];
    int ready; /* the successor's end of the pipe, above all numbers that it will have there */
    char *variable, **environment;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
};

static void launch_undo(struct launch *launch)
{
    inherit_list_free(launch->sockets, launch->count);
    for (int i = 0; i < 2; i++)
        if (launch->pipe[i] >= 0)
            close(launch->pipe[i]);
    if (launch->ready >= 0)
        close(launch->ready);
    free(launch->variable);
    free(launch->environment);
    posix_spawn_file_actions_destroy(&launch->actions);
    posix_spawnattr_destroy(&launch->attributes);
}

static bool variable_is(const char *variable, const char *name)
{
    size_t len = strlen(name);

    return strncmp(variable, name, len) == 0 && variable[len] == '=';
}

/* Ours, with the line of each socket; but for what is meant for our process id. */
static bool environment_make(struct launch *launch)
{
    size_t size = sizeof INHERIT_VARIABLE + 1 + launch->count * (INHERIT_KEY + 1), at, n = 0;

    while (environ[n] != NULL)
        n++;
    launch->environment = calloc(n + 2, sizeof *launch->environment);
    launch->variable = malloc(size);
    if (launch->environment == NULL || launch->variable == NULL)
        return false;
    at = (size_t)snprintf(launch->variable, size, INHERIT_VARIABLE "=");
    for (size_t i = 0; i < launch->count; i++)
        at += (size_t)snprintf(launch->variable + at, size - at, "%s\n", launch->sockets[i].key);
    launch->environment[0] = launch->variable;
    n = 1;
    for (char **each = environ; *each != NULL; each++)
        if (!variable_is(*each, "WATCHDOG_PID") && !variable_is(*each, INHERIT_VARIABLE))
            launch->environment[n++] = *each;
    return true;
}

/* Sources lie above all targets, so that no dup2 hits one that is still to be copied. */
static bool descriptors_make(struct launch *launch)
{
    int first_free = INHERIT_FIRST_FD + 1 + (int)launch->count;

    if (pipe2(launch->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return false;
    launch->ready = fcntl(launch->pipe[1], F_DUPFD_CLOEXEC, first_free);
    if (launch->ready < 0)
        return false;
    errno = posix_spawn_file_actions_adddup2(&launch->actions, launch->ready, INHERIT_FIRST_FD);
    for (size_t i = 0; errno == 0 && i < launch->count; i++)
        errno = posix_spawn_file_actions_adddup2(
            &launch->actions, launch->sockets[i].fd, INHERIT_FIRST_FD + 1 + (int)i);
    if (errno == 0)
        errno = posix_spawn_file_actions_addclosefrom_np(&launch->actions, first_free);
    return errno == 0;
}

static void signals_make(struct launch *launch, const sigset_t *mask)
{
    sigset_t standard;

    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE);
    posix_spawnattr_setsigdefault(&launch->attributes, &standard);
    posix_spawnattr_setsigmask(&launch->attributes, mask);
    posix_spawnattr_setflags(&launch->attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

/* Returns errno. */
static int spawn(struct restart *restart, const struct launch *launch)
{
    const posix_spawn_file_actions_t *actions = &launch->actions;
    const posix_spawnattr_t *attributes = &launch->attributes;
    int errnum = posix_spawnp(&restart->successor, restart->program, actions, attributes,
        restart->argv, launch->environment);

    if (errnum == ENOENT)
        errnum = posix_spawn(&restart->successor, restart->exe, actions, attributes, restart->argv,
            launch->environment);
    return errnum;
}

static anqa_status launch_run(
    struct restart *restart, struct launch *launch, const sigset_t *mask, anqa_error *err)
{
    anqa_status status = inherit_list(&launch->sockets, &launch->count);
    int errnum;

    if (status != ANQA_OK)
        return anqa_fail(err, status, "its sockets: %s", anqa_status_text(status));
    if (!environment_make(launch))
        return anqa_fail(err, ANQA_E_NOMEM, "no memory for its environment");
    if (!descriptors_make(launch))
        return anqa_fail_errno(err, errno, "its descriptors");
    signals_make(launch, mask);
    errnum = spawn(restart, launch);
    if (errnum != 0)
        return anqa_fail_errno(err, errnum, "cannot start %s", restart->program);
    restart->ready_fd = launch->pipe[0];
    launch->pipe[0] = -1; /* handed over */
    return ANQA_OK;
}

static void failed(const char *why)
{
    anqa_log(ANQA_ERROR, "restart.failed", "error=%s next=\"this one goes on\"", why);
    notify_send("READY=1");
}

void restart_refuse(const char *why)
{
    anqa_log(ANQA_WARN, "restart.refused", "error=%s next=none", why);
}

void restart_begin(struct restart *restart, const sigset_t *mask)
{
    struct launch launch = {.pipe = {-1, -1}, .ready = -1};
    anqa_error err;
    anqa_status status;

    if (restart->successor != 0) {
        restart_refuse("a successor is starting already");
        return;
    }
    if (getpid() == 1) {
        restart_refuse("process 1 of a container is its end: have it restarted from outside");
        return;
    }
    notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_mono_ns() / 1000);
    posix_spawn_file_actions_init(&launch.actions);
    posix_spawnattr_init(&launch.attributes);
    status = launch_run(restart, &launch, mask, &err);
    launch_undo(&launch);
    if (status != ANQA_OK) {
        restart->successor = 0;
        failed(err.text);
        return;
    }
    restart->deadline_ms = restart->config.timeout_ms == ANQA_INFINITY
                               ? UINT64_MAX
                               : clock_mono_ms() + restart->config.timeout_ms;
    anqa_log(ANQA_NOTICE, "restart.begun", "successor=%d timeout_ms=%u", (int)restart->successor,
        restart->config.timeout_ms);
}

/* ---------------------------------------------------------------- waiting for it */

static void forget(struct restart *restart)
{
    close(restart->ready_fd);
    restart->ready_fd = -1;
    restart->successor = 0;
}

/* How a child has ended, in words. */
static void describe_end(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "the successor ended by signal %d", WTERMSIG(status));
    else
        snprintf(text, size, "the successor ended with status %d", WEXITSTATUS(status));
}

/* late: it runs, but for too long. */
static void give_up(struct restart *restart, bool late)
{
    char text[80];
    int status = 0;

    if (late)
        snprintf(text, sizeof text, "the successor was not ready within %u ms",
            restart->config.timeout_ms);
    kill(restart->successor, SIGKILL); /* it may have closed the pipe, and live */
    (void)waitpid(restart->successor, &status, 0);
    if (!late)
        describe_end(status, text, sizeof text);
    forget(restart);
    failed(text);
}

bool restart_is_ready(struct restart *restart, uint64_t now_ms)
{
    char byte;
    ssize_t n;

    if (restart->ready_fd < 0)
        return false;
    n = read(restart->ready_fd, &byte, 1);
    if (n < 0 && now_ms < restart->deadline_ms)
        return false;
    if (n <= 0) {
        give_up(restart, n < 0);
        return false;
    }
    anqa_log(ANQA_NOTICE, "restart.ready", "successor=%d next=\"this one stops\"",
        (int)restart->successor);
    restart->done = true;
    inherit_handed_on();
    notify_send("MAINPID=%d\nREADY=1", (int)restart->successor);
    forget(restart);
    return true;
}

uint64_t restart_deadline_ms(const struct restart *restart)
{
    return restart->ready_fd < 0 ? UINT64_MAX : restart->deadline_ms;
}

void restart_stopping(struct restart *restart)
{
    if (restart->done)
        return;
    if (restart->successor != 0) {
        kill(restart->successor, SIGKILL);
        (void)waitpid(restart->successor, NULL, 0);
        forget(restart);
    }
    notify_send("STOPPING=1");
}
