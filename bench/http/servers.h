/**
 * bench/http/servers.h: a web server as a child, and wrk or h2load that loads it.
 *
 * The server is examples/bench_app, or with BENCH_SERVER=nginx in the environment nginx with a configuration and folders of
 * its own, or for some loads nghttp2's own server. It runs on the processors of this side, with as many schedulers or workers; its load on those that are left. Both
 * serve the same: /text, /json, /files/16k and /anew/16k, which is that file where nginx keeps none open, in plain or over TLS. All ends with this program.
 *
 * Failing: whatever is missing, does not answer in time or answers with an error ends the side, with the reason on stderr.
 * Threads: the main thread of the side.
 */
#ifndef ANQA_BENCH_HTTP_SERVERS_H
#define ANQA_BENCH_HTTP_SERVERS_H

#include "stage.h" // IWYU pragma: export

#define SERVERS_FILE_BYTES 16384 /* of /files/16k */
#define SERVERS_FAMILY 8         /* most processes of a server */

struct server {
    struct child child;
    char folder[64]; /* temporary; holds files/16k, and what nginx writes. Empty: none */
    char port[8];
    unsigned threads;
    bool nghttpd; /* is the peer, in the place of nginx */
    bool tls;     /* TLS 1.3 with a key for ECDSA (P-256) that was made for this run */
    cpu_set_t cpus, load_cpus;
    pid_t pids[SERVERS_FAMILY];
    size_t pid_count;
};

/** Finds programs and processors, makes the folder, starts the server and waits until it answers. False: stderr tells. */
bool server_open(struct server *server, unsigned threads, bool tls, bool nghttpd);

/** Ends it and deletes the folder. */
void server_close(struct server *server);

/* What a load generator has said when it ended: how many requests were answered well; others end the side. */
struct load_result {
    double requests, server_ns;
};

struct load_options {
    const char *path;
    unsigned connections;
    unsigned seconds;
    unsigned pipeline; /* wrk: requests that are sent at once; 0: one */
    bool close;        /* wrk: each request on a connection of its own */
    unsigned streams;  /* not 0: HTTP/2, by h2load; so many requests at a time on each connection */
};

/** Loads the server by wrk or h2load, and takes its CPU time meanwhile. */
struct load_result load_run(const struct server *server, const struct load_options *options);

/* nginx.c: starts it, and writes the port; false: it does not answer. */
bool nginx_start(struct server *server);
extern const char nginx_program[];

/* nghttpd.c: the same. */
bool nghttpd_start(struct server *server);
extern const char nghttpd_program[];

/** peer.c: starts a program that has server->port, a free one, among its arguments; `configure` (may be NULL) is called when
 * that is known. False: it does not answer. */
bool peer_start(
    struct server *server, char *const argv[], bool (*configure)(const struct server *server));

#endif
