/**
 * base/clock.h - the two clocks of the system.
 *
 * Monotonic time never goes back and stands for durations and deadlines; wall time is for people and may jump.
 * Both are read in user space (vDSO), about 20 ns a call. Any thread; safe in signal handlers.
 */
#ifndef ANQA_BASE_CLOCK_H
#define ANQA_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(
        id, &now); /* cannot fail: the id is a constant the kernel knows, the address is valid */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_mono_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

static inline uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/** The same clock as of the kernel's last tick, up to 10 ms ago: for a quarter of the price. */
static inline uint64_t clock_mono_coarse_ms(void)
{
    return clock_read_ns(CLOCK_MONOTONIC_COARSE) / 1000000;
}

/** Nanoseconds since 1970-01-01 UTC. */
static inline uint64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

static inline uint64_t clock_wall_ms(void)
{
    return clock_wall_ns() / 1000000;
}

#endif
