/**
 * bench/channels/load.h: a server of the Phoenix Channels protocol as a child, and phxload that loads it.
 *
 * The server is examples/bench_app, or with BENCH_SERVER=floor in the environment phxload's floor-server. It runs on
 * the processors of this side with as many schedulers; phxload runs on those that are left, so the machine must have one
 * more. Both are found beside this program; BENCH_APP names another server. Both end with this program, whatever ends it.
 *
 * Failing: whatever is missing, does not answer in time or loses a message ends the side, with the reason on stderr.
 * Threads: the main thread of the side.
 */
#ifndef ANQA_BENCH_CHANNELS_LOAD_H
#define ANQA_BENCH_CHANNELS_LOAD_H

#include "bench_int.h"

#include <anqa/json.h>

struct load {
    struct child server;
    struct child beside;  /* a second phxload, while there is one */
    struct child phxload; /* the one whose figures are read */
    cpu_set_t server_cpus, load_cpus;
    unsigned schedulers, connections;
    char port[8], pid[16]; /* of the server, as arguments */
};

/** Finds programs and processors, and checks that `connections` may be open. False: stderr says what is missing. */
bool load_open(struct load *load, unsigned schedulers, unsigned connections);

/** Ends what runs. */
void load_close(struct load *load);

/** Starts the server and waits until it listens. */
void load_start_server(struct load *load);

void load_stop_server(struct load *load);

/**
 * Runs phxload with these arguments (a mode first, NULL at the end) and waits for its figures, at most a minute.
 * They live until the next run. A result that is not "ok" is a failure.
 */
anqa_json load_run(struct load *load, const char *const args[]);

/** Starts a phxload beside the one that measures, and waits until all its connections have joined. */
void load_start_beside(struct load *load, const char *const args[]);

/** Stops it before its time, which its result says then, and gives its figures; they live until the next start. */
anqa_json load_stop_beside(struct load *load);

/** One figure of a run. A run that does not have it is a failure. */
double load_figure(anqa_json figures, const char *key);

#endif
