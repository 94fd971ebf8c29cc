/*
 * How much is wanted of a soak test, and what the system says of a server that runs as a program of its own. Each fails the test when that has ended.
 */
#ifndef TEST_SOAK_LOOK_H
#define TEST_SOAK_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Whether the real thing is wanted: ANQA_SOAK=full in the environment. */
bool look_is_full(void);

/* The number of that name in the environment, else `otherwise`. */
uint32_t look_figure(const char *name, uint32_t otherwise);

/* Raises our limit on open files, which children inherit. False: `need` is more than this user may have. */
bool look_may_open(uint32_t need);

/* Proportional: a page that many share counts once. */
uint64_t look_memory_kb(pid_t pid);

/* How many it has open. */
uint32_t look_open_files(pid_t pid);

/* CPU time, user and system. */
double look_cpu_seconds(pid_t pid);

/* What the kernel holds for all TCP of the machine, in its buffers. */
uint64_t look_tcp_kb(void);

/* Monotonic. */
uint64_t look_now_ns(void);

#define LOOK_SAMPLES_MAX 4096

/* Memory over time; zero is none yet. */
struct look_samples {
    double at_s[LOOK_SAMPLES_MAX], kb[LOOK_SAMPLES_MAX];
    uint32_t count;
    uint64_t next_ns;
};

/* Takes a sample, each second: to look takes the system some time. */
void look_sample(struct look_samples *samples, pid_t pid);

struct look_slope {
    uint64_t first_kb, last_kb, peak_kb;
    double percent_per_minute;
};

/* A straight line through the samples after the first third. */
struct look_slope look_slope(const struct look_samples *samples);

#endif
