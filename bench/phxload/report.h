/* Figures of a run: lines for people, a JSON object for programs; and what they are made of, from /proc. */
#ifndef PHXLOAD_REPORT_H
#define PHXLOAD_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const char *failure; /* the first reason for a nonzero exit */
void fail(const char *why);

/* One figure: a line for people and a member of the JSON object. */
void out(const char *key, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_u(const char *key, uint64_t v);
void out_text(const char *key, const char *text);
/* at: where in struct worker the histogram is. */
void out_hist(const char *name, size_t at);
/* All figures so far, as one line. */
void out_json(void);

/* The number that follows `key` (found after `after`) in a file of /proc. */
bool proc_number(const char *path, const char *after, const char *key, uint64_t *v);

struct memory {
    uint64_t rss, pss, own, tcp, slab, unreclaim, procfs, unused;
};
struct memory read_memory(void);
void out_memory(const char *when, const struct memory *a, const struct memory *b);

struct shot {
    uint64_t t, got, sent, cycles, failed;
    double server, own, host;
};
struct shot take_shot(void);
void out_cpu(const struct shot *a, const struct shot *b, uint64_t units, const char *unit);

#endif
