/* What the files behind bench.h share. */
#ifndef ANQA_BENCH_BENCH_INT_H
#define ANQA_BENCH_BENCH_INT_H

#include <sched.h>
#include <stdio.h>
#include <sys/types.h>

#include "bench.h" // IWYU pragma: export

#define BENCH_PAIRS 10 /* what a judgement takes */
#define BENCH_QUICK_PAIRS 4
#define BENCH_MAX_PAIRS 100
#define BENCH_LIMIT_S 360  /* for a whole comparison */
#define BENCH_QUICK_PART 4 /* a quick one may take so much less */

struct options {
    const char *case_name; /* given: be one side */
    unsigned schedulers;
    unsigned rounds;
    unsigned pairs;
    unsigned limit_s;
    bool quick, json, strict;
    const char *only;      /* cases whose label contains it; NULL: all */
    const char *peer;      /* program; NULL: none */
    const char *peer_name; /* for the report */
    const char *markdown;  /* file to write the table to as well; NULL: none */
};

/* ---------------------------------------------------------------- side.c */

/** Runs one side to its end. Returns the exit status. */
int side_main(const struct bench_case *spec, const struct options *options);

/* ---------------------------------------------------------------- child.c */

/** A program that runs as a child: a side, or what a side needs. It ends with us. Owner: who started it. */
struct child {
    pid_t pid;    /* 0: none */
    int pidfd;    /* readable once it has ended */
    int to, from; /* its stdin and stdout */
    char line[32768];
};

/** Starts argv[0] on these processors. False: it could not be; close it all the same. */
bool child_launch(struct child *child, char *const argv[], const cpu_set_t *processors);

/** Reads its next line into child->line, without the end. False: there is none, or the deadline. */
bool child_line(struct child *child, uint64_t deadline_ns);

/** Starts argv[0] on the first `processors` of ours and waits until it is ready. False: it never was. */
bool child_open(struct child *child, char *const argv[], unsigned processors, uint64_t deadline_ns);

/** Asks for one figure. False: none came. */
bool child_ask(struct child *child, uint64_t deadline_ns, double *ret_value);

/**
 * Ends it, by force if it does not end at the end of its input. Accepts one that is not open. The last line that it wrote
 * stays in child->line.
 */
void child_close(struct child *child);

/** The same for a program that does not look at its input: it is sent SIGTERM first. */
void child_end(struct child *child);

/* ---------------------------------------------------------------- compare.c */

struct row {
    char label[64]; /* "ring/2": on two schedulers */
    const struct bench_case *spec;
    struct stats ours, theirs, ratio;
    bool measured, compared;
    const char *why_not; /* when something is missing; static */
};

/** Measures and reports every case. Returns the exit status. */
int compare_main(const struct options *options);

/* ---------------------------------------------------------------- report.c */

/** True: met or none; false: missed, or could not be judged. */
bool row_ok(const struct row *row);

void report_head(FILE *out, const struct options *options);
void report_row(FILE *out, const struct row *row);
void report_json(FILE *out, const struct row *row);

/** Writes the table as Markdown. False: errno tells. */
bool report_markdown(
    const char *path, const struct options *options, const struct row *rows, size_t count);

#endif
