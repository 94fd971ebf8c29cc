/**
 * bench/stage.h: what areas share that load a server from outside: a server on some processors, its load on the others.
 *
 * Threads: the main thread of the side.
 */
#ifndef ANQA_BENCH_STAGE_H
#define ANQA_BENCH_STAGE_H

#include "bench_int.h"

#define STAGE_START_S 10 /* for a server to listen */

/** BENCH_SERVER in the environment, by which a peer of ours says which server it is: is it that one? */
bool stage_is(const char *server);

/** What the environment says, NULL: nothing. */
char *stage_setting(const char *name);

/** A file beside this program; lives until the next call. */
char *stage_beside(const char *name);

/** Whether that can be run; else `remedy` is on stderr. */
bool stage_has_program(const char *path, const char *remedy);

/** Raises the limit on open files as far as so many connections take; children inherit it. False: stderr tells. */
bool stage_have_files(unsigned connections);

/** Ours for the server; for its load those of the comparison, which is our parent, that are not ours. False: stderr tells. */
bool stage_split(cpu_set_t *ret_server, cpu_set_t *ret_load);

/** Reads up to the line that names the port for that scheme. */
bool stage_wait_listening(struct child *server, const char *scheme, char port[static 8]);

/** A program and its children; at least one, at most `max` are written. */
size_t stage_family(pid_t pid, pid_t *ret_pids, size_t max);

/** Their CPU time, user and system. One that has ended is a failure. */
double stage_cpu_ns(const pid_t *pids, size_t count);

#endif
