/*
 * A script that fetches, and a site that answers it by path: as servers must, and as they must not.
 */
#ifndef TEST_JS_SITE_H
#define TEST_JS_SITE_H

#include <stdatomic.h>

#include "net_server.h" // IWYU pragma: export

/* Its exported functions take a URL first. */
extern const char site_source[];
/* It may ask 127.0.0.1. */
extern const anqa_js_script site_member;

const char *site_at(uint16_t port, const char *path);
/* Calls a function with a URL and what else is given, in JSON behind ", ". */
const char *site_ask(
    anqa_pid pid, const char *function, uint16_t port, const char *path, const char *more);
/* The status and the text of an answer. */
const char *site_get(anqa_pid pid, uint16_t port, const char *path);

/* For net_serve. */
void site_serve(anqa_tcp tcp);

enum { SITE_BIG = 64 << 20 }; /* bytes of /big */

extern _Atomic(size_t) site_written; /* of /big, so far */
extern _Atomic(size_t) site_read;    /* of bodies */
extern _Atomic(bool) site_go_on;     /* the body of POST /hold is read from then on */

#endif
