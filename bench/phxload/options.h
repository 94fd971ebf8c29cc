/* What a run was asked for. */
#ifndef PHXLOAD_OPTIONS_H
#define PHXLOAD_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_TARGETS 256
#define MAX_THREADS 1024
#define MAX_PIDS 256

enum mode { M_HOLD, M_FANOUT, M_ECHO, M_JOIN, M_PRESENCE, M_FLOOR };
extern const char *const mode_names[];

struct target {
    struct sockaddr_in addr;
    char *hello;
    size_t hello_len;
};

struct options {
    enum mode mode;
    uint32_t conns, topics, depth, samples, inflight, threads, src_per_ip, src_offset, size;
    double rate, conn_rate, leave_rate, hold, heartbeat, seconds, warmup, timeout;
    const char *path, *prefix;
    bool json, verbose, binary, with_reply, deflate;
    struct target target[MAX_TARGETS];
    uint32_t n_targets;
    int pid[MAX_PIDS], n_pids;
};
extern struct options opt;

/* Fills `opt`, or ends the program with the usage. */
void parse_options(int argc, char **argv);

#endif
