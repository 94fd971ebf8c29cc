#include "options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "link.h"

const char *const mode_names[] = {"hold", "fanout", "echo", "join", "presence", "floor-server"};
struct options opt;

static const struct option_row {
    const char *name;
    char kind; /* u uint32, d double, s string, b flag, else special */
    void *at;
    double least, most;
    const char *help;
} option_rows[] = {
    {"targets", 't', 0, 0, 0, "H:P,..   servers, loopback only (default 127.0.0.1:4100)"},
    {"port", 'p', 0, 0, 65535,
        "P           short for --targets 127.0.0.1:P; floor-server: 0 takes a free one"},
    {"path", 's', &opt.path, 0, 512, "PATH        default /socket/websocket"},
    {"conns", 'u', &opt.conns, 1, 50e6, "N          connections; join: cycles at a time"},
    {"topics", 'u', &opt.topics, 1, 50e6, "T         connection i joins topic i % T (default 1)"},
    {"prefix", 's', &opt.prefix, 0, 64, "TEXT      of the topics (default bench: or presence:)"},
    {"rate", 'd', &opt.rate, 0, 1e9,
        "R           hold, presence: connections/s; join: cycles/s; fanout:\n"
        "                     messages/s per topic; echo: pushes/s per connection.\n"
        "                     0: no limit; fanout, echo: closed loop"},
    {"conn-rate", 'd', &opt.conn_rate, 0, 1e9,
        "R      connections/s of the other modes (default 10000)"},
    {"inflight", 'u', &opt.inflight, 1, 1e6,
        "N       most connections being set up at once (default 500)"},
    {"hold", 'd', &opt.hold, 0, 1e6, "S           hold time (default 10)"},
    {"heartbeat", 'd', &opt.heartbeat, 0, 1e6, "S      period per connection, 0 none (default 30)"},
    {"seconds", 'd', &opt.seconds, .001, 1e6, "S        measured time (default 10)"},
    {"warmup", 'd', &opt.warmup, 0, 1e6, "S         not measured time before it (default 1)"},
    {"size", 'u', &opt.size, 1, 1 << 20, "B           payload bytes (default 100, at least 50)"},
    {"depth", 'u', &opt.depth, 1, 1e4,
        "D          outstanding messages of a closed loop (default 1)"},
    {"binary", 'b', &opt.binary, 0, 0, "          fanout, echo: pushes as binary frames"},
    {"with-reply", 'b', &opt.with_reply, 0, 0,
        "      fanout: broadcast instead of broadcast_noreply"},
    {"deflate", 'b', &opt.deflate, 0, 0,
        "         offers permessage-deflate; what comes compressed is inflated"},
    {"samples", 'u', &opt.samples, 1, 60000,
        "K        presence: clients that are checked (default 10)"},
    {"leave-rate", 'd', &opt.leave_rate, 0, 1e9,
        "R     presence: leaves/s (default --rate), 0 all at once"},
    {"src-per-ip", 'u', &opt.src_per_ip, 1, 64000,
        "N     connections per source address and target (10000)"},
    {"src-offset", 'u', &opt.src_offset, 0, 1e6,
        "K     source addresses to skip (several phxload at once)"},
    {"pid", 'i', 0, 0, 0, "PID,..       server processes to measure"},
    {"threads", 'u', &opt.threads, 1, MAX_THREADS,
        "M        epoll loops (default 1; client: processes, more if the limit on\n"
        "                     open files demands it; floor-server: threads)"},
    {"timeout", 'd', &opt.timeout, .1, 1e6,
        "S        limit of each wait: connecting, draining, converging (60)"},
    {"json", 'b', &opt.json, 0, 0, "            a JSON object as the last line"},
    {"verbose", 'b', &opt.verbose, 0, 0, "         progress on stderr"},
};
enum { OPTION_ROWS = sizeof option_rows / sizeof *option_rows };

static void usage(FILE *f)
{
    fputs("usage: phxload MODE [options]\n"
          "modes: hold fanout echo join presence floor-server\n",
        f);
    for (int i = 0; i < OPTION_ROWS; i++)
        fprintf(f, "  --%s %s\n", option_rows[i].name, option_rows[i].help);
    fputs("exit: 0 ok, 1 losses, failed joins or timeouts, 2 usage or a system limit\n", f);
}

/* host:port,...; anything but 127.0.0.0/8 is refused. */
static void parse_targets(const char *text)
{
    char *copy = strdup(text), *save = NULL;
    opt.n_targets = 0;
    for (char *t = strtok_r(copy, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
        if (opt.n_targets == MAX_TARGETS)
            die(2, "at most %d targets", MAX_TARGETS);
        struct target *g = &opt.target[opt.n_targets++];
        char *colon = strrchr(t, ':'), *end;
        if (!colon)
            die(2, "target %s: want host:port", t);
        *colon = 0;
        long port = strtol(colon + 1, &end, 10);
        if (*end || end == colon + 1 || port < 0 || port > 65535)
            die(2, "target %s: bad port", t);
        const char *host = strcmp(t, "localhost") ? t : "127.0.0.1";
        g->addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        if (inet_pton(AF_INET, host, &g->addr.sin_addr) != 1 ||
            ntohl(g->addr.sin_addr.s_addr) >> 24 != 127)
            die(2, "target %s is not a loopback address (127.0.0.0/8): refused", t);
    }
    free(copy);
    if (!opt.n_targets)
        die(2, "no target");
}

static void set_option(const struct option_row *r, const char *a)
{
    char *end, text[32];
    double v = 0;
    if (strchr("udp", r->kind)) {
        v = strtod(a, &end);
        if (*end || end == a || !(v >= r->least && v <= r->most))
            die(2, "--%s %s: want a number from %g to %g", r->name, a, r->least, r->most);
    }
    switch (r->kind) {
    case 'u': *(uint32_t *)r->at = (uint32_t)v; break;
    case 'd': *(double *)r->at = v; break;
    case 'b': *(bool *)r->at = true; break;
    case 't': parse_targets(a); break;
    case 'p':
        snprintf(text, sizeof text, "127.0.0.1:%u", (unsigned)v);
        parse_targets(text);
        break;
    case 's':
        if (strlen(a) > r->most || strpbrk(a, "\"\\ \r\n"))
            die(2, "--%s: bad text", r->name);
        *(const char **)r->at = a;
        break;
    case 'i':
        for (opt.n_pids = 0; *a; a = *end ? end + 1 : end) {
            long pid = strtol(a, &end, 10);
            if (end == a || pid < 1 || (*end && *end != ',') || opt.n_pids == MAX_PIDS)
                die(2, "--pid: want process ids");
            opt.pid[opt.n_pids++] = (int)pid;
        }
        break;
    }
}

void parse_options(int argc, char **argv)
{
    static const uint32_t default_conns[] = {1000, 1000, 64, 64, 1000, 1100000};
    int mode = 0;
    if (argc > 1 && strstr("--help", argv[1])) {
        usage(stdout);
        exit(0);
    }
    while (argc > 1 && mode <= M_FLOOR && strcmp(argv[1], mode_names[mode]))
        mode++;
    if (argc < 2 || mode > M_FLOOR) {
        usage(stderr);
        exit(2);
    }
    opt.mode = (enum mode)mode;
    opt.conns = default_conns[mode];
    opt.topics = opt.depth = opt.threads = 1;
    opt.samples = 10;
    opt.inflight = 500;
    opt.src_per_ip = 10000;
    opt.size = 100;
    opt.rate = opt.leave_rate = -1;
    opt.conn_rate = 10000;
    opt.hold = opt.seconds = 10;
    opt.heartbeat = 30;
    opt.warmup = 1;
    opt.timeout = 60;
    opt.path = "/socket/websocket";
    opt.prefix = mode == M_PRESENCE ? "presence:" : "bench:";
    parse_targets("127.0.0.1:4100");
    for (int i = 2; i < argc; i++) {
        const struct option_row *r = option_rows, *e = r + OPTION_ROWS;
        while (r < e && (strncmp(argv[i], "--", 2) || strcmp(argv[i] + 2, r->name)))
            r++;
        if (r == e) {
            usage(stderr);
            die(2, "unknown option %s", argv[i]);
        }
        if (r->kind != 'b' && ++i == argc)
            die(2, "--%s wants a value", r->name);
        set_option(r, argv[i]);
    }
    if (mode == M_HOLD || mode == M_PRESENCE) {
        if (opt.rate >= 0)
            opt.conn_rate = opt.rate;
        if (opt.leave_rate < 0)
            opt.leave_rate = opt.conn_rate;
    } else if (mode == M_JOIN) {
        opt.conn_rate = opt.rate > 0 ? opt.rate : 0;
        opt.inflight = opt.conns;
    }
    if (opt.rate < 0)
        opt.rate = 0;
    if (opt.size < 50)
        opt.size = 50;
    if (mode == M_PRESENCE) {
        opt.topics = 1;
        if (opt.conns < 2)
            die(2, "presence wants at least 2 connections");
        if (opt.samples > (opt.conns + 1) / 2)
            opt.samples = (opt.conns + 1) / 2;
    }
    if (mode == M_FANOUT && opt.topics > opt.conns)
        die(2, "more topics than connections");
    for (uint32_t t = 0; t < opt.n_targets && mode != M_FLOOR; t++)
        if (!opt.target[t].addr.sin_port)
            die(2, "port 0 is for floor-server");
    if (mode != M_FLOOR && opt.threads > opt.conns)
        opt.threads = opt.conns;
}
