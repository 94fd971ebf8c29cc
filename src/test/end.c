/* The life of a test in its own process, and what it may not leave behind. */
#include "test/kit.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_AT_END = 16, MAX_FDS = 4096 };

static void (*at_end[MAX_AT_END])(void);
static size_t at_end_count;

void anqa_test_at_end(void (*check)(void))
{
    if (at_end_count == MAX_AT_END) {
        fputs("anqa_test_at_end: too many checks\n", stderr);
        kit_end_failed();
    }
    at_end[at_end_count++] = check;
}

/* ---------------------------------------------------------------- file descriptors */

static bool fd_was_open[MAX_FDS];

static void each_open_fd(void (*fn)(int fd))
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (dir == NULL) {
        perror("/proc/self/fd");
        kit_end_failed();
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours alone */
    while ((entry = readdir(dir)) != NULL) {
        int fd = entry->d_name[0] == '.' ? -1 : (int)strtol(entry->d_name, NULL, 10);
        if (fd >= 0 && fd != dirfd(dir))
            fn(fd);
    }
    closedir(dir);
}

static void note_open_fd(int fd)
{
    if (fd < MAX_FDS)
        fd_was_open[fd] = true;
}

static bool fd_leaked;

static void report_leaked_fd(int fd)
{
    char path[32], target[PATH_MAX];
    ssize_t n;

    if (fd < MAX_FDS && fd_was_open[fd])
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    n = readlink(path, target, sizeof target - 1);
    target[n < 0 ? 0 : n] = '\0';
    fprintf(stderr, "left open: file descriptor %d, %s\n", fd, target);
    fd_leaked = true;
}

static uint64_t hash_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325;

    while (*name != '\0')
        hash = (hash ^ (unsigned char)*name++) * 0x100000001b3;
    return hash;
}

static void check_children(void)
{
    if (waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD)
        return;
    fputs("left behind: a child process\n", stderr);
    kit_end_failed();
}

void kit_run(const anqa_test_case *test, uint64_t seed)
{
    kit.random = seed ^ hash_name(test->name);
    kit.test = test;
    each_open_fd(note_open_fd);
    if (test->host != NULL)
        test->host(test);
    else
        test->run();
    while (at_end_count > 0)
        at_end[--at_end_count]();
    check_children();
    each_open_fd(report_leaked_fd);
    if (fd_leaked)
        kit_end_failed();
}
