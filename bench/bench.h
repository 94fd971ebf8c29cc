/**
 * bench/bench.h - what a bench program is made of.
 *
 * A program `bench/<area>_bench.c` defines one thing, `bench_area`, a table of cases; bench.c brings main. A case is a
 * cost: nanoseconds for one operation, bytes for one process. It may have a peer (a program of another platform that
 * does the same, see below) or be measured against another case of the same program; and it may have a budget.
 *
 *     static void run_exchange(struct bench *b, uint64_t ops) { for (...) ... }
 *
 *     const struct bench_area bench_area = {
 *         .name = "floor",
 *         .cases = (const struct bench_case[]){
 *             {.name = "atomic_exchange", .unit = "ns", .run = run_exchange},
 *             {0},
 *         },
 *     };
 *
 * One program, three uses:
 *  - `--list` names the cases.
 *  - `--case NAME --schedulers N --rounds R [--quick]` is one *side*: it sets the case up, finds out how many operations
 *    a sample takes, warms up, prints "ready", then answers each line "go" on stdin with one figure on a line, and ends
 *    after R of them or at the end of the input. A peer program is anything that does the same.
 *  - otherwise it *compares*: for each case it starts both sides, pinned to the same processors, asks them in turn
 *    (ours, peer, peer, ours, ...), and reports. Of the two only the one asked is awake. Start and warm-up never count.
 *
 * Threads. `setup`, `run`, `measure` and `teardown` are called on the main thread of the side, one after the other. They
 * may use other threads, and bench_pause and bench_resume may be called on those while the main thread waits for them.
 *
 * Failing. A case that cannot go on calls bench_fail: the side ends, and the report says that there is no figure.
 */
#ifndef ANQA_BENCH_BENCH_H
#define ANQA_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats.h" // IWYU pragma: export

/** Bits for bench_case.schedulers. */
#define BENCH_ON_1 1u
#define BENCH_ON_2 2u

struct bench_case;

/** A case that is being run. Owner: the side. */
struct bench {
    const struct bench_case *spec;
    void *state;         /* the case's own: set by setup, given up by teardown */
    unsigned schedulers; /* threads to use; the process is pinned to as many processors */
    bool quick;
    uint64_t timed_ns;   /* the rest is bench.c's */
    uint64_t resumed_ns; /* 0: paused */
};

struct bench_case {
    const char *name; /* letters, digits, underscores */
    const char *unit; /* "ns", "bytes" */
    struct bench_budget budget;
    const char *peer;    /* the peer program's name for it; NULL: not compared with the peer */
    const char *against; /* or: a case of this program that serves as baseline */
    unsigned schedulers; /* BENCH_ON_1 | BENCH_ON_2; 0: a matter of one thread, measured once */
    bool fresh;          /* every figure from a new program: for memory, which is not given back */
    uint64_t max_ops;    /* most operations in one sample; 0: no limit */
    const char
        *note; /* why the budget is missed, as far as it was measured: for the docs; may be NULL */

    bool (*setup)(struct bench *b); /* may be NULL; false: cannot run here */
    void (*run)(
        struct bench *b, uint64_t ops); /* timed from call to return, but for what is paused */
    double (*measure)(struct bench *b); /* instead of run: gives the figure itself */
    void (*teardown)(struct bench *b);  /* may be NULL */
};

struct bench_area {
    const char *name;
    const char *about;              /* what the figures are, for the docs; may be NULL */
    const struct bench_case *cases; /* ends with a case without a name */
    unsigned limit_s;               /* what a whole comparison may take; 0: 360 */
};

extern const struct bench_area bench_area;

/** Stops the clock of a `run`, for preparing and tidying up in its midst; does nothing when it stands. */
void bench_pause(struct bench *b);

/** Lets the clock go on; does nothing when it runs. */
void bench_resume(struct bench *b);

/** Monotonic time. Context: any thread. */
uint64_t bench_now_ns(void);

/** Resident memory of this process. Context: any thread. */
double bench_resident_bytes(void);

/** Says why on stderr and ends the side. Context: any thread. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/** Makes the compiler believe that `value` is used, so that what computed it stays. */
static inline void bench_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

#endif
