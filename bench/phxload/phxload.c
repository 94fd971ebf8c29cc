/*
 * phxload: load generator for servers that speak the Phoenix Channels V2 protocol over
 * WebSocket, with a bare reference server ("floor-server") in the same binary.
 *
 * Client: one epoll loop per worker. Workers are forked processes, so that each has its own table
 * of open files (no sharing cost, and a per-process limit does not bound the sum); connection i
 * belongs to worker i % workers. They share memory only for counters, histograms and the phase,
 * which the main process sets.
 * Only loopback addresses are ever used. See README.md.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "link.h"
#include "options.h"
#include "run.h"

void die(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("phxload: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(code);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* who reads along sees each figure when it is there */
    base_ns = now_ns();
    parse_options(argc, argv);
    return opt.mode == M_FLOOR ? run_floor() : run_client();
}
