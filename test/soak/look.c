#include "soak/look.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define SAMPLE_NS UINT64_C(1000000000)

bool look_is_full(void)
{
    const char *soak = getenv("ANQA_SOAK");

    return soak != NULL && strcmp(soak, "full") == 0;
}

uint32_t look_figure(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);
    long value = text == NULL ? (long)otherwise : strtol(text, NULL, 10);

    CHECK(value > 0 && value < 1000000, "%s=%s", name, text);
    return (uint32_t)value;
}

bool look_may_open(uint32_t need)
{
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur >= need)
        return true;
    limit.rlim_cur = need;
    if (limit.rlim_max < need)
        limit.rlim_max = need;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

uint64_t look_memory_kb(pid_t pid)
{
    char path[64], line[256];
    unsigned long kb = 0;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    in = fopen(path, "r");
    CHECK(in != NULL, "the server has ended");
    while (fgets(line, sizeof line, in) != NULL && sscanf(line, "Pss: %lu kB", &kb) != 1)
        ;
    fclose(in);
    CHECK(kb > 0, "the server has ended");
    return kb;
}

uint32_t look_open_files(pid_t pid)
{
    char path[64];
    uint32_t count = 0;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    CHECK(dir != NULL, "the server has ended");
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 2; /* . and .. */
}

double look_cpu_seconds(pid_t pid)
{
    unsigned long user = 0, system = 0;
    char path[64];
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    in = fopen(path, "r");
    CHECK(in != NULL, "the server has ended");
    CHECK_EQ(
        fscanf(in, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system),
        2);
    fclose(in);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

uint64_t look_tcp_kb(void)
{
    FILE *in = fopen("/proc/net/sockstat", "r");
    unsigned long pages = 0;
    char line[256];

    CHECK(in != NULL);
    while (fgets(line, sizeof line, in) != NULL &&
           sscanf(line, "TCP: inuse %*u orphan %*u tw %*u alloc %*u mem %lu", &pages) != 1)
        ;
    fclose(in);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

uint64_t look_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void look_sample(struct look_samples *samples, pid_t pid)
{
    uint64_t now = look_now_ns();

    if (now < samples->next_ns || samples->count == LOOK_SAMPLES_MAX)
        return;
    samples->next_ns = now + SAMPLE_NS;
    samples->at_s[samples->count] = (double)now / 1e9;
    samples->kb[samples->count++] = (double)look_memory_kb(pid);
}

struct look_slope look_slope(const struct look_samples *samples)
{
    uint32_t from = samples->count / 3, count = samples->count - from;
    double t = 0, kb = 0, above = 0, below = 0;
    struct look_slope slope = {0};

    CHECK(count >= 3, "%u samples of memory", samples->count);
    for (uint32_t k = from; k < samples->count; k++) {
        t += samples->at_s[k] / count;
        kb += samples->kb[k] / count;
    }
    for (uint32_t k = from; k < samples->count; k++) {
        above += (samples->at_s[k] - t) * (samples->kb[k] - kb);
        below += (samples->at_s[k] - t) * (samples->at_s[k] - t);
    }
    slope.percent_per_minute = 100 * 60 * above / below / kb;
    slope.first_kb = (uint64_t)samples->kb[from];
    slope.last_kb = (uint64_t)samples->kb[samples->count - 1];
    for (uint32_t k = 0; k < samples->count; k++)
        if (samples->kb[k] > (double)slope.peak_kb)
            slope.peak_kb = (uint64_t)samples->kb[k];
    return slope;
}
