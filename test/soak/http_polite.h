/*
 * Clients of a site (fixture/http_server.c) that behave: each asks every tenth of a second, over one connection that stays, and
 * looks at what comes. How long an answer takes is counted from when the request was due, whatever held it up.
 *
 * They run on a thread of their own, which fails no test: what went wrong is counted and told.
 */
#ifndef TEST_SOAK_HTTP_POLITE_H
#define TEST_SOAK_HTTP_POLITE_H

#include <stdint.h>

struct polite;

struct polite_result {
    uint64_t requests;
    uint64_t failed; /* refused, broken, not 200, or with something else in it than was asked for */
    char first[256]; /* the first of those; "": none */
    uint32_t p50_us, p99_us, worst_us;
};

/* Begins: so many clients. */
struct polite *polite_begin(uint16_t port, uint32_t clients);
/* Forgets how long answers took so far. */
void polite_forget(struct polite *polite);
/* What came of it since then; goes on. */
struct polite_result polite_now(struct polite *polite);
/* Has all ask no more, waits for what was asked for, and ends. */
struct polite_result polite_end(struct polite *polite);

#endif
