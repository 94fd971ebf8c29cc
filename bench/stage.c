#include "stage.h"

#include <dirent.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SPARE_FILES 512 /* beside the connections: listeners, pollers, the programs' own */

char *stage_setting(const char *name)
{
    return getenv(name); // NOLINT(concurrency-mt-unsafe): a side has one thread
}

bool stage_is(const char *server)
{
    const char *which = stage_setting("BENCH_SERVER");

    return which != NULL && strcmp(which, server) == 0;
}

char *stage_beside(const char *name)
{
    static char path[PATH_MAX + 64];
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (len < 0)
        bench_fail("cannot read /proc/self/exe: %m");
    self[len] = '\0';
    snprintf(path, sizeof(path), "%s/%s", dirname(self), name);
    return path;
}

bool stage_has_program(const char *path, const char *remedy)
{
    if (access(path, X_OK) == 0)
        return true;
    fprintf(stderr, "bench: there is no %s: %s\n", path, remedy);
    return false;
}

bool stage_have_files(unsigned connections)
{
    rlim_t need = connections + SPARE_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return false;
    if (limit.rlim_cur >= need)
        return true;
    if (setrlimit(RLIMIT_NOFILE,
            &(struct rlimit){need, limit.rlim_max > need ? limit.rlim_max : need}) == 0)
        return true;
    fprintf(stderr,
        "bench: %u connections take %llu open files, and the hard limit is %llu: raise it with "
        "'ulimit -Hn %llu'\n",
        connections, (unsigned long long)need, (unsigned long long)limit.rlim_max,
        (unsigned long long)need);
    return false;
}

bool stage_split(cpu_set_t *ret_server, cpu_set_t *ret_load)
{
    cpu_set_t all;

    if (sched_getaffinity(0, sizeof(*ret_server), ret_server) < 0 ||
        sched_getaffinity(getppid(), sizeof(all), &all) < 0)
        return false;
    CPU_ZERO(ret_load);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &all) && !CPU_ISSET(cpu, ret_server))
            CPU_SET(cpu, ret_load);
    }
    if (CPU_COUNT(ret_load) > 0)
        return true;
    fputs("bench: no processor is left for the load: a server on one takes two processors, and "
          "starting this program by the comparison\n",
        stderr);
    return false;
}

bool stage_wait_listening(struct child *server, const char *scheme, char port[static 8])
{
    char words[64];
    uint64_t deadline_ns = bench_now_ns() + STAGE_START_S * UINT64_C(1000000000);

    snprintf(words, sizeof(words), "listening on %s://127.0.0.1:", scheme);
    while (child_line(server, deadline_ns)) {
        const char *found = strstr(server->line, words);

        if (found == NULL)
            continue;
        found += strlen(words);
        snprintf(port, 8, "%.*s", (int)strspn(found, "0123456789"), found);
        return true;
    }
    return false;
}

static double own_cpu_ns(pid_t pid)
{
    struct timespec time;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) < 0)
        bench_fail("the server has ended");
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/** 0: it is no process, or none any more. */
static pid_t parent_of(const char *pid)
{
    char path[64];
    int parent = 0;
    FILE *file;

    if (*pid < '1' || *pid > '9')
        return 0;
    snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d (%*[^)]) %*c %d", &parent) != 1)
        parent = 0;
    fclose(file);
    return parent;
}

size_t stage_family(pid_t pid, pid_t *ret_pids, size_t max)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    size_t count = 1;

    if (dir == NULL)
        bench_fail("cannot read /proc: %m");
    ret_pids[0] = pid;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a side has one thread */
    while (count < max && (entry = readdir(dir)) != NULL)
        if (parent_of(entry->d_name) == pid)
            ret_pids[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
    closedir(dir);
    return count;
}

double stage_cpu_ns(const pid_t *pids, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += own_cpu_ns(pids[i]);
    return sum;
}
