/* A side as a child of the comparison: started, pinned, asked, and ended for sure. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_int.h"

#define PATIENCE_NS UINT64_C(2000000000) /* for a child whose input has ended */

static int left_ms(uint64_t deadline_ns)
{
    uint64_t now = bench_now_ns();

    if (now >= deadline_ns)
        return 0;
    return (int)((deadline_ns - now) / 1000000 + 1);
}

/** The first so many of those that this process may use. False: there are fewer. */
static bool first_processors(unsigned count, cpu_set_t *ret_set)
{
    cpu_set_t ours;

    if (sched_getaffinity(0, sizeof(ours), &ours) < 0)
        return false;
    CPU_ZERO(ret_set);
    for (int cpu = 0; cpu < CPU_SETSIZE && count > 0; cpu++) {
        if (!CPU_ISSET(cpu, &ours))
            continue;
        CPU_SET(cpu, ret_set);
        count--;
    }
    return count == 0;
}

/** In the child: becomes the program, or ends. */
static void become(char *const argv[], int in, int out, const cpu_set_t *processors, pid_t parent)
{
    signal(SIGPIPE, SIG_DFL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(126); /* nobody would be left to end us */
    if (sched_setaffinity(0, sizeof(*processors), processors) < 0 || dup2(in, STDIN_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0)
        _exit(126);
    execv(argv[0], argv);
    _exit(127);
}

bool child_launch(struct child *child, char *const argv[], const cpu_set_t *processors)
{
    pid_t parent = getpid();
    int in[2], out[2];

    *child = (struct child){.pidfd = -1, .to = -1, .from = -1};
    if (pipe2(in, O_CLOEXEC) < 0)
        return false;
    if (pipe2(out, O_CLOEXEC) < 0) {
        close(in[0]);
        close(in[1]);
        return false;
    }
    child->to = in[1];
    child->from = out[0];
    child->pid = fork();
    if (child->pid == 0)
        become(argv, in[0], out[1], processors, parent);
    close(in[0]);
    close(out[1]);
    if (child->pid < 0)
        child->pid = 0;
    else
        child->pidfd = pidfd_open(child->pid, 0);
    return child->pidfd >= 0;
}

/** Reads one byte. False: the end, or the deadline. */
static bool read_byte(struct child *child, uint64_t deadline_ns, char *ret_byte)
{
    struct pollfd event = {.fd = child->from, .events = POLLIN};
    int ready;

    do
        ready = poll(&event, 1, left_ms(deadline_ns));
    while (ready < 0 && errno == EINTR);
    return ready > 0 && read(child->from, ret_byte, 1) == 1;
}

bool child_line(struct child *child, uint64_t deadline_ns)
{
    for (size_t i = 0; i < sizeof(child->line); i++) {
        if (!read_byte(child, deadline_ns, &child->line[i]))
            return false;
        if (child->line[i] != '\n')
            continue;
        child->line[i] = '\0';
        return true;
    }
    return false;
}

bool child_open(struct child *child, char *const argv[], unsigned processors, uint64_t deadline_ns)
{
    cpu_set_t set;

    if (first_processors(processors, &set) && child_launch(child, argv, &set) &&
        child_line(child, deadline_ns) && strcmp(child->line, "ready") == 0)
        return true;
    child_close(child);
    return false;
}

bool child_ask(struct child *child, uint64_t deadline_ns, double *ret_value)
{
    char *end;
    double value;

    if (write(child->to, "go\n", 3) != 3 || !child_line(child, deadline_ns))
        return false;
    value = strtod(child->line, &end);
    if (end == child->line || *end != '\0')
        return false;
    *ret_value = value;
    return true;
}

static void wait_end(struct child *child, uint64_t deadline_ns)
{
    struct pollfd event = {.fd = child->pidfd, .events = POLLIN};
    int ready;

    do
        ready = poll(&event, 1, left_ms(deadline_ns));
    while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        kill(child->pid, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

void child_close(struct child *child)
{
    if (child->to >= 0)
        close(child->to);
    if (child->from >= 0)
        close(child->from);
    if (child->pid > 0)
        wait_end(child, bench_now_ns() + PATIENCE_NS);
    if (child->pidfd >= 0)
        close(child->pidfd);
    child->pid = 0;
    child->pidfd = child->to = child->from = -1;
}

void child_end(struct child *child)
{
    if (child->pid > 0)
        kill(child->pid, SIGTERM);
    child_close(child);
}
