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
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

#define MAX_EVENTS 1024
#define MAX_TARGETS 256
#define MAX_THREADS 1024
#define MAX_PIDS 256

/* ---------------------------------------------------------------- small helpers */

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

/* Zeroed memory that forked workers share; untouched pages cost nothing. */
static void *shared(size_t n)
{
    void *p =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        die(1, "mmap of %zu bytes: %s", n, strerror(errno));
    return p;
}

/* Exactly 16 decimal digits. */
static void put_16(char *o, uint64_t v)
{
    for (int k = 15; k >= 0; k--, v /= 10)
        o[k] = (char)('0' + v % 10);
}

/* ---------------------------------------------------------------- histogram */

/* Logarithmic buckets with 128 linear steps per power of two: error below 0.8 %. */
#define HIST_BITS 7
#define HIST_SLOTS ((64 - HIST_BITS + 1) << HIST_BITS)

struct hist {
    uint64_t n, max, slot[HIST_SLOTS];
};

static void hist_add(struct hist *h, uint64_t v)
{
    unsigned at = (unsigned)v;
    if (v >> HIST_BITS) {
        unsigned shift = 63u - (unsigned)__builtin_clzll(v) - HIST_BITS;
        at = ((shift + 1) << HIST_BITS) + (unsigned)((v >> shift) & ((1u << HIST_BITS) - 1));
    }
    h->slot[at]++;
    h->n++;
    if (v > h->max)
        h->max = v;
}

static void hist_merge(struct hist *to, const struct hist *from)
{
    for (int i = 0; i < HIST_SLOTS; i++)
        to->slot[i] += from->slot[i];
    to->n += from->n;
    if (from->max > to->max)
        to->max = from->max;
}

/* The highest value of the slot in which quantile q lies. */
static uint64_t hist_at(const struct hist *h, double q)
{
    uint64_t want = (uint64_t)(q * (double)h->n + 0.999999), sum = 0;
    if (want < 1)
        want = 1;
    for (unsigned i = 0; i < HIST_SLOTS; i++) {
        sum += h->slot[i];
        if (sum < want)
            continue;
        uint64_t v = i;
        if (i >> (HIST_BITS + 1)) {
            unsigned shift = (i >> HIST_BITS) - 1;
            v = (((uint64_t)(1u << HIST_BITS) + (i & ((1u << HIST_BITS) - 1))) << shift) +
                (1ull << shift) - 1;
        }
        return v < h->max ? v : h->max;
    }
    return h->max;
}

/* ---------------------------------------------------------------- options */

enum mode { M_HOLD, M_FANOUT, M_ECHO, M_JOIN, M_PRESENCE, M_FLOOR };
static const char *const mode_names[] = {
    "hold", "fanout", "echo", "join", "presence", "floor-server"};

struct target {
    struct sockaddr_in addr;
    char *hello;
    size_t hello_len;
};

static struct {
    enum mode mode;
    uint32_t conns, topics, depth, samples, inflight, threads, src_per_ip, src_offset, size;
    double rate, conn_rate, leave_rate, hold, heartbeat, seconds, warmup, timeout;
    const char *path, *prefix;
    bool json, verbose, binary, with_reply;
    struct target target[MAX_TARGETS];
    uint32_t n_targets;
    int pid[MAX_PIDS], n_pids;
} opt;

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

static void parse_options(int argc, char **argv)
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

/* ---------------------------------------------------------------- client: state */

enum state { S_FREE, S_HTTP, S_JOIN, S_LIVE, S_LEAVE, S_CLOSE };

/* All that the client keeps for a connection. */
struct conn {
    int32_t fd;
    uint32_t side;   /* number in the side table, 0 none */
    uint32_t ref;    /* last message ref used */
    uint32_t sent;   /* sequence numbers handed out (publishers, echo) */
    uint32_t next;   /* next sequence number expected */
    uint16_t sample; /* presence: 1 + sample number */
    uint8_t state;
    uint8_t pad;
    uint64_t seen; /* before the join reply: start time; then: bit k says that
                                      number next-1-k has arrived */
};
_Static_assert(sizeof(struct conn) <= 32, "client state must stay small");

enum counter {
    C_OPENED,
    C_JOINED,
    C_FAILED,
    C_LOST,
    C_CLOSED,
    C_CYCLES,
    C_HB_SENT,
    C_HB_OK,
    C_SENT,
    C_GOT,
    C_DUP,
    C_REORDER,
    C_FOREIGN,
    C_WRONG_TOPIC,
    C_CORRUPT,
    C_ERR_REPLY,
    C_ACKS,
    C_OVERRUN,
    C_DIFFS,
    C_OTHER,
    C_COUNT
};

enum phase { PH_IDLE, PH_CONNECT, PH_WARM, PH_MEASURE, PH_DRAIN, PH_LEAVE, PH_STOP };

struct worker {
    struct loop L; /* first, so that the callbacks can cast back */
    pid_t process;
    uint32_t id, n_local, next_open, n_spare, inflight, n_pubs;
    uint32_t *spare; /* join mode: connection slots that are free */
    enum phase phase;
    double tokens;
    uint64_t tokens_at, hold_off, hb_at, pub_at, pub_k, leave_at;
    uint32_t hb_pos, leave_pos;
    _Atomic uint64_t n[C_COUNT], last_join, last_join_sent, last_leave;
    _Atomic int acked; /* the phase that the thread has seen */
    struct hist latency, lag, setup;
    char error[160]; /* the first one */
};

struct sample {
    uint64_t *here, *touched; /* a bit per client; touched: by a diff before the state */
    _Atomic uint32_t count, states;
    _Atomic uint64_t hit; /* when count became the target, 0 if it is not */
};

static struct conn *conns;
static struct worker *workers;
static struct sample *samples;
static struct {
    _Atomic int phase;
    _Atomic uint32_t sample_target;
} *common;
static volatile sig_atomic_t interrupted;
static char hello_accept[32]; /* Sec-WebSocket-Accept that every answer must carry */
static char *stamp_text;      /* payload {"t":..,"q":..,"p":".."} with places to fill in */
static size_t stamp_len;
static uint64_t run_tag; /* leading digits of every q, tells this run from others */
enum { T_AT = 5, Q_AT = 26, P_AT = 48, STAMP_LEAST = 50 };
#define T_BASE 1000000000000000ull /* keeps t at 16 digits and below 2^53 */
#define Q_STEP 10000000000ull

static void count_n(struct worker *w, enum counter c, uint64_t by)
{
    uint64_t v = atomic_load_explicit(&w->n[c], memory_order_relaxed);
    atomic_store_explicit(&w->n[c], v + by, memory_order_relaxed);
}
static void count(struct worker *w, enum counter c)
{
    count_n(w, c, 1);
}

static uint64_t sum(enum counter c)
{
    uint64_t v = 0;
    for (uint32_t i = 0; i < opt.threads; i++)
        v += atomic_load_explicit(&workers[i].n[c], memory_order_relaxed);
    return v;
}

static void note_error(struct worker *w, const char *what, const char *why)
{
    if (!w->error[0])
        snprintf(w->error, sizeof w->error, "%s: %s", what, why);
}

/* ---------------------------------------------------------------- client: connections */

static void conn_close(struct worker *w, uint32_t i)
{
    struct conn *c = &conns[i];
    if (c->fd < 0)
        return;
    if (c->state == S_HTTP || c->state == S_JOIN)
        w->inflight--;
    close(c->fd);
    side_drop(&w->L, &c->side);
    c->fd = -1;
    c->state = S_FREE;
    if (opt.mode == M_JOIN)
        w->spare[w->n_spare++] = i;
}

static void conn_fail(struct worker *w, uint32_t i, const char *what, const char *why)
{
    bool setup = conns[i].state == S_HTTP || conns[i].state == S_JOIN || opt.mode == M_JOIN;
    count(w, setup ? C_FAILED : C_LOST);
    note_error(w, what, why);
    conn_close(w, i);
    if (opt.mode == M_JOIN)
        w->hold_off = now_ns() + NS / 100;
}

/* Sends the n bytes that have been built in the scratch buffer as one frame. */
static void conn_send(struct worker *w, uint32_t i, int op, size_t n)
{
    struct conn *c = &conns[i];
    size_t total;
    unsigned char *p = frame_wrap(&w->L, op, w->L.scratch + HEADROOM, n, &total);
    if (!link_send(&w->L, c->fd, i, &c->side, p, total))
        conn_fail(w, i, "send", strerror(errno));
}

static size_t topic_name(uint32_t i, char *o)
{
    return (size_t)(put_u(puts_at(o, opt.prefix), i % opt.topics) - o);
}

static bool own_topic(uint32_t i, struct span topic)
{
    char name[96];
    size_t n = topic_name(i, name);
    return topic.n == n && !memcmp(topic.p, name, n);
}

/* Starts a push in the scratch buffer up to where the payload goes. */
static char *push_head(struct worker *w, uint32_t i, const char *event, bool binary)
{
    char *start = (char *)w->L.scratch + HEADROOM, *o = start, topic[96], ref[16];
    size_t topic_n = topic_name(i, topic);
    size_t ref_n = (size_t)(put_u(ref, ++conns[i].ref) - ref);
    if (binary) {
        *o++ = 0;
        *o++ = 1;
        *o++ = (char)ref_n;
        *o++ = (char)topic_n;
        *o++ = (char)strlen(event);
        *o++ = '1';
        o = put(put(o, ref, ref_n), topic, topic_n);
        return puts_at(o, event);
    }
    o = puts_at(o, "[\"1\",\"");
    o = put(o, ref, ref_n);
    o = puts_at(o, "\",\"");
    o = put(o, topic, topic_n);
    o = puts_at(o, "\",\"");
    o = puts_at(o, event);
    return puts_at(o, "\",");
}

static void push_simple(struct worker *w, uint32_t i, const char *event, const char *payload)
{
    char *o = puts_at(puts_at(push_head(w, i, event, false), payload), "]");
    conn_send(w, i, OP_TEXT, (size_t)(o - (char *)w->L.scratch) - HEADROOM);
}

/* A push whose payload carries time t and the connection's next sequence number. */
static void push_stamped(struct worker *w, uint32_t i, const char *event, uint64_t t)
{
    char *o = push_head(w, i, event, opt.binary);
    memcpy(o, stamp_text, stamp_len);
    put_16(o + T_AT, T_BASE + t);
    put_16(o + Q_AT, run_tag * Q_STEP + conns[i].sent);
    o += stamp_len;
    if (!opt.binary)
        *o++ = ']';
    conns[i].sent++;
    count(w, C_SENT);
    conn_send(w, i, opt.binary ? OP_BIN : OP_TEXT, (size_t)(o - (char *)w->L.scratch) - HEADROOM);
}

static void send_heartbeat(struct worker *w, uint32_t i)
{
    char *start = (char *)w->L.scratch + HEADROOM, *o = puts_at(start, "[null,\"");
    o = puts_at(put_u(o, ++conns[i].ref), "\",\"phoenix\",\"heartbeat\",{}]");
    count(w, C_HB_SENT);
    conn_send(w, i, OP_TEXT, (size_t)(o - start));
}

static void send_join(struct worker *w, uint32_t i)
{
    char payload[40] = "{}";
    if (opt.mode == M_PRESENCE)
        snprintf(payload, sizeof payload, "{\"id\":\"c%u\"}", i);
    conns[i].ref = 0;
    conns[i].state = S_JOIN;
    atomic_store(&w->last_join_sent, now_ns());
    push_simple(w, i, "phx_join", payload);
}

static void send_close(struct worker *w, uint32_t i)
{
    memcpy(w->L.scratch + HEADROOM, "\x03\xe8", 2);
    conns[i].state = S_CLOSE;
    conn_send(w, i, OP_CLOSE, 2);
}

/* Source addresses 127.1.0.1 and on, 250 to a /24. */
static struct sockaddr_in source_address(uint64_t serial)
{
    uint64_t k = serial / opt.n_targets / opt.src_per_ip + opt.src_offset;
    uint32_t a = 127u << 24 | (uint32_t)(1 + k / 62500 % 254) << 16 |
                 (uint32_t)(k / 250 % 250) << 8 | (uint32_t)(1 + k % 250);
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(a)};
}

static void conn_open(struct worker *w, uint32_t i)
{
    struct conn *c = &conns[i];
    const int one = 1;
    /* Cycles that follow each other walk on through the source addresses. */
    uint64_t serial =
        opt.mode == M_JOIN ? (w->n[C_OPENED] * opt.threads + w->id) % (opt.src_per_ip * 200ull) : i;
    const struct target *g = &opt.target[serial % opt.n_targets];
    struct sockaddr_in from = source_address(serial);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = i};
    *c = (struct conn){.fd = -1, .state = S_HTTP, .seen = now_ns(), .sample = c->sample};
    count(w, C_OPENED);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        conn_fail(w, i, "socket", strerror(errno));
        if (opt.mode == M_JOIN)
            w->spare[w->n_spare++] = i;
        return;
    }
    c->fd = fd;
    w->inflight++;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from))
        conn_fail(w, i, "bind", strerror(errno));
    else if (connect(fd, (const struct sockaddr *)&g->addr, sizeof g->addr) && errno != EINPROGRESS)
        conn_fail(w, i, "connect", strerror(errno));
    else if (epoll_ctl(w->L.ep, EPOLL_CTL_ADD, fd, &ev))
        conn_fail(w, i, "epoll_ctl", strerror(errno));
    else if (!link_send(&w->L, fd, i, &c->side, g->hello, g->hello_len))
        conn_fail(w, i, "handshake", strerror(errno));
}

/* ---------------------------------------------------------------- client: incoming */

static ssize_t cl_http(struct loop *L, uint32_t i, char *p, size_t n)
{
    struct worker *w = (struct worker *)L;
    char *end = memmem(p, n, "\r\n\r\n", 4);
    struct span v;
    if (!end) {
        if (n < 16384)
            return 0;
        conn_fail(w, i, "handshake", "no end of the answer's head");
    } else if (n < 12 || memcmp(p, "HTTP/1.1 101", 12)) {
        char line[60];
        snprintf(line, sizeof line, "%.*s", (int)strcspn(p, "\r"), p);
        conn_fail(w, i, "handshake", line);
    } else if (!find_header(p, end, "Sec-WebSocket-Accept", &v) || !is(v, hello_accept)) {
        conn_fail(w, i, "handshake", "Sec-WebSocket-Accept is missing or wrong");
    } else {
        send_join(w, i);
    }
    return conns[i].fd < 0 ? -1 : end + 4 - p;
}

static int cl_control(struct loop *L, uint32_t i, int op, char *p, size_t n)
{
    struct worker *w = (struct worker *)L;
    struct conn *c = &conns[i];
    if (op == OP_PING) {
        memcpy(L->scratch + HEADROOM, p, n);
        conn_send(w, i, OP_PONG, n);
    } else if (op == OP_CLOSE && c->state != S_CLOSE) {
        char why[40] = "no code";
        if (n >= 2)
            snprintf(why, sizeof why, "code %u", (unsigned char)p[0] << 8 | (unsigned char)p[1]);
        conn_fail(w, i, "closed by the server", why);
    }
    return c->fd < 0;
}

struct stamp {
    uint64_t t, q;
};

/* Reads t and q of a payload and checks that the padding is the one sent. */
static bool read_stamp(struct span obj, struct stamp *s)
{
    const char *p = obj.p, *e = obj.p + obj.n;
    struct member m;
    int got = 0;
    size_t pad = stamp_len - STAMP_LEAST;
    while (next_member(&p, e, &m)) {
        if (m.key.n != 1)
            continue;
        if (*m.key.p == 't' && read_number(m.val, &s->t))
            got |= 1;
        if (*m.key.p == 'q' && read_number(m.val, &s->q))
            got |= 2;
        if (*m.key.p == 'p' && m.val.n == pad + 2 && !memcmp(m.val.p + 1, stamp_text + P_AT, pad))
            got |= 4;
    }
    return got == 7 && s->t >= T_BASE && p < e && *p == '}';
}

/* Accounts for a sequence number: each counts once, in any order within a window of 64. */
static bool take_sequence(struct worker *w, struct conn *c, uint64_t q)
{
    if (q / Q_STEP != run_tag) {
        count(w, C_FOREIGN);
        return false;
    }
    uint32_t s = (uint32_t)(q % Q_STEP);
    if (s >= c->next) {
        uint32_t shift = s - c->next + 1;
        c->seen = shift < 64 ? c->seen << shift | 1 : 1;
        c->next = s + 1;
    } else {
        uint32_t back = c->next - 1 - s;
        if (back >= 64 || c->seen >> back & 1) {
            count(w, C_DUP);
            return false;
        }
        c->seen |= 1ull << back;
        count(w, C_REORDER);
    }
    count(w, C_GOT);
    return true;
}

static bool sending(const struct worker *w)
{
    return w->phase == PH_WARM || w->phase == PH_MEASURE;
}

/* A stamped payload came back: count it, take its latency. */
static bool take_stamped(struct worker *w, uint32_t i, struct span payload)
{
    struct stamp s;
    if (!read_stamp(payload, &s)) {
        count(w, C_CORRUPT);
        return false;
    }
    if (!take_sequence(w, &conns[i], s.q))
        return false;
    if (w->phase == PH_MEASURE) {
        uint64_t t = s.t - T_BASE;
        hist_add(&w->latency, w->L.now > t ? w->L.now - t : 0);
    }
    return true;
}

static bool client_of(struct span key, uint32_t *id)
{
    uint64_t v;
    if (key.n < 2 || *key.p != 'c' || !read_number((struct span){key.p + 1, key.n - 1}, &v) ||
        v >= opt.conns)
        return false;
    *id = (uint32_t)v;
    return true;
}

static void set_here(struct sample *s, uint32_t id, bool on)
{
    uint64_t bit = 1ull << (id & 63), *word = &s->here[id >> 6];
    if (!(*word & bit) == !on)
        return;
    *word ^= bit;
    atomic_store_explicit(&s->count, s->count + (on ? 1u : -1u), memory_order_relaxed);
}

static void each_client(struct worker *w, struct sample *s, struct span obj, int what)
{
    const char *p = obj.p, *e = obj.p + obj.n;
    struct member m;
    uint32_t id;
    while (next_member(&p, e, &m)) {
        if (!client_of(m.key, &id)) {
            count(w, C_FOREIGN);
            continue;
        }
        uint64_t bit = 1ull << (id & 63);
        if (what == 's') { /* diffs that came before the state win over it */
            if (!(s->touched[id >> 6] & bit))
                set_here(s, id, true);
        } else {
            if (!s->states)
                s->touched[id >> 6] |= bit;
            set_here(s, id, what == 'j');
        }
    }
    if (p >= e || *p != '}')
        count(w, C_CORRUPT);
}

static void take_presence(struct worker *w, struct conn *c, struct message *m, bool state)
{
    if (!c->sample)
        return;
    struct sample *s = &samples[c->sample - 1];
    struct span part;
    if (state) {
        if (s->states) { /* a later state replaces everything */
            memset(s->here, 0, (opt.conns + 63) / 64 * 8);
            memset(s->touched, 0, (opt.conns + 63) / 64 * 8);
            s->count = 0;
        }
        each_client(w, s, m->payload, 's');
        s->states++;
    } else {
        if (find_member(m->payload, "joins", &part))
            each_client(w, s, part, 'j');
        if (find_member(m->payload, "leaves", &part))
            each_client(w, s, part, 'l');
    }
    if (s->count != common->sample_target || !s->states)
        s->hit = 0;
    else if (!s->hit)
        s->hit = w->L.now;
}

static bool ref_is(struct span ref, uint32_t want)
{
    char text[16];
    return ref.n == (size_t)(put_u(text, want) - text) && !memcmp(ref.p, text, ref.n);
}

static void cl_reply(struct worker *w, uint32_t i, struct message *m)
{
    struct conn *c = &conns[i];
    struct span status = m->status, body = m->payload;
    if (!m->binary) {
        if (!find_member(m->payload, "status", &status) || status.n < 2) {
            count(w, C_CORRUPT);
            return;
        }
        status = (struct span){status.p + 1, status.n - 2};
    }
    bool ok = is(status, "ok");
    if (is(m->topic, "phoenix")) {
        count(w, ok ? C_HB_OK : C_ERR_REPLY);
    } else if (!own_topic(i, m->topic)) {
        count(w, C_WRONG_TOPIC);
    } else if (c->state == S_JOIN && ref_is(m->ref, 1)) {
        if (!ok) {
            char why[100];
            snprintf(why, sizeof why, "%.*s", (int)m->payload.n, m->payload.p);
            conn_fail(w, i, "join refused", why);
            return;
        }
        w->inflight--;
        hist_add(&w->setup, w->L.now - c->seen);
        atomic_store(&w->last_join, w->L.now);
        count(w, C_JOINED);
        c->state = S_LIVE;
        if (opt.mode == M_JOIN) {
            c->state = S_LEAVE;
            push_simple(w, i, "phx_leave", "{}");
        } else {
            c->seen = 0;
        }
    } else if (c->state == S_LEAVE && ref_is(m->ref, c->ref)) {
        if (ok)
            send_close(w, i);
        else
            conn_fail(w, i, "leave", "refused");
    } else if (!ok) {
        count(w, C_ERR_REPLY);
    } else if (opt.mode == M_ECHO) {
        if (!m->binary && !find_member(m->payload, "response", &body))
            count(w, C_CORRUPT);
        else if (take_stamped(w, i, body) && opt.rate == 0 && sending(w))
            push_stamped(w, i, "echo", now_ns());
    } else if (opt.mode == M_FANOUT && opt.with_reply) {
        count(w, C_ACKS);
    } else {
        count(w, C_OTHER);
    }
}

static const char *publish_event(void)
{
    return opt.with_reply ? "broadcast" : "broadcast_noreply";
}

static const char *traffic_event(void)
{
    return opt.mode == M_ECHO ? "echo" : publish_event();
}

static int cl_message(struct loop *L, uint32_t i, int op, char *p, size_t n)
{
    struct worker *w = (struct worker *)L;
    struct conn *c = &conns[i];
    struct message m;
    bool fine =
        op == OP_BIN ? parse_binary((unsigned char *)p, n, false, &m) : parse_text(p, n, &m);
    if (!fine) {
        count(w, C_CORRUPT);
        note_error(w, "cannot read a message", op == OP_BIN ? "binary" : "text");
    } else if (is(m.event, "msg")) {
        if (!own_topic(i, m.topic))
            count(w, C_WRONG_TOPIC);
        else if (take_stamped(w, i, m.payload) && i < opt.topics && opt.mode == M_FANOUT &&
                 opt.rate == 0 && sending(w))
            push_stamped(w, i, publish_event(), now_ns());
    } else if (is(m.event, "phx_reply")) {
        cl_reply(w, i, &m);
    } else if (is(m.event, "presence_diff") || is(m.event, "presence_state")) {
        count(w, C_DIFFS);
        take_presence(w, c, &m, m.event.n == 14);
    } else if (is(m.event, "phx_error") || (is(m.event, "phx_close") && c->state < S_LEAVE)) {
        conn_fail(
            w, i, "ended by the server", is(m.event, "phx_error") ? "phx_error" : "phx_close");
    } else if (!is(m.event, "phx_close")) {
        count(w, C_OTHER);
    }
    return c->fd < 0;
}

static void conn_event(struct worker *w, uint32_t i, uint32_t events)
{
    struct conn *c = &conns[i];
    if (c->fd < 0)
        return;
    if ((events & EPOLLOUT) && !link_flush(&w->L, c->fd, i, &c->side)) {
        conn_fail(w, i, c->state == S_HTTP ? "connect" : "send", strerror(errno));
        return;
    }
    if (!(events & ~(uint32_t)EPOLLOUT))
        return;
    enum link_result r = link_read(&w->L, c->fd, i, &c->side, c->state == S_HTTP);
    if (r == LINK_OK || r == LINK_GONE)
        return;
    if (c->state == S_CLOSE && r != LINK_BAD) {
        count(w, opt.mode == M_JOIN ? C_CYCLES : C_CLOSED);
        if (opt.mode == M_JOIN && w->phase == PH_MEASURE)
            hist_add(&w->latency, now_ns() - c->seen);
        conn_close(w, i);
    } else if (r == LINK_EOF) {
        conn_fail(w, i, "connection", "closed by the server");
    } else if (r == LINK_ERROR) {
        conn_fail(w, i, c->state == S_HTTP ? "connect" : "recv", strerror(errno));
    } else {
        conn_fail(w, i, "WebSocket", w->L.bad);
    }
}

/* ---------------------------------------------------------------- client: timed work */

/* Each of these does what is due and returns when it wants to run again. */

static uint64_t open_due(struct worker *w, uint64_t now)
{
    bool churn = opt.mode == M_JOIN;
    bool on = churn ? sending(w) : w->phase == PH_CONNECT;
    if (!on || now < w->hold_off)
        return now + NS / 100;
    double rate = opt.conn_rate / opt.threads;
    uint32_t most = (opt.inflight + opt.threads - 1) / opt.threads;
    w->tokens += (double)(now - w->tokens_at) * rate / 1e9;
    if (w->tokens > 1 + rate / 50)
        w->tokens = 1 + rate / 50;
    w->tokens_at = now;
    for (int burst = 0; burst < 64; burst++) {
        if (churn ? !w->n_spare : w->next_open == w->n_local || w->inflight >= most)
            return now + NS / 100; /* an event comes first, or nothing is left */
        if (rate > 0 && w->tokens < 1)
            return now + (uint64_t)((1 - w->tokens) / rate * 1e9) + 1;
        w->tokens -= 1;
        conn_open(w, churn ? w->spare[--w->n_spare] : w->id + opt.threads * w->next_open++);
    }
    return now;
}

/* The period is divided among the connections: one heartbeat every period / n. */
static uint64_t heartbeat_due(struct worker *w, uint64_t now)
{
    if (!opt.heartbeat || opt.mode == M_JOIN || w->phase == PH_DRAIN || w->phase < PH_CONNECT)
        return now + NS;
    uint64_t step = (uint64_t)(opt.heartbeat * 1e9 / w->n_local);
    for (int burst = 0; burst < 256 && w->hb_at <= now; burst++, w->hb_at += step) {
        uint32_t i = w->id + opt.threads * w->hb_pos;
        if (++w->hb_pos == w->n_local)
            w->hb_pos = 0;
        if (conns[i].state == S_LIVE)
            send_heartbeat(w, i);
    }
    return w->hb_at;
}

/* Open loop: those who push take turns, latency counts from when a message was due. */
static uint64_t publish_due(struct worker *w, uint64_t now)
{
    if (opt.rate == 0 || !sending(w) || !w->n_pubs)
        return now + NS;
    double step = 1e9 / opt.rate / w->n_pubs;
    for (int burst = 0; burst < 256; burst++) {
        uint64_t due = w->pub_at + (uint64_t)(step * (double)w->pub_k);
        if (due > now)
            return due;
        uint32_t i = w->id + opt.threads * (uint32_t)(w->pub_k++ % w->n_pubs);
        struct conn *c = &conns[i];
        if (c->state != S_LIVE ||
            (link_pending(&w->L, c->side) && w->L.sides[c->side - 1]->tx.len > MAX_PENDING / 2)) {
            count(w, C_OVERRUN);
            continue;
        }
        if (w->phase == PH_MEASURE)
            hist_add(&w->lag, now_ns() - due);
        push_stamped(w, i, traffic_event(), due);
    }
    return now;
}

/* Presence: every second client leaves with a close frame. */
static uint64_t leave_due(struct worker *w, uint64_t now)
{
    if (w->phase != PH_LEAVE)
        return now + NS;
    uint64_t step = opt.leave_rate ? (uint64_t)(1e9 * opt.threads / opt.leave_rate) : 0;
    for (int burst = 0; burst < 256 && w->leave_at <= now; burst++, w->leave_at += step) {
        uint32_t i;
        do {
            if (w->leave_pos == w->n_local)
                return now + NS;
            i = w->id + opt.threads * w->leave_pos++;
        } while (!(i & 1) || conns[i].state != S_LIVE);
        send_close(w, i);
        atomic_store(&w->last_leave, now_ns());
    }
    return w->leave_at;
}

static void enter_phase(struct worker *w, enum phase to, uint64_t now)
{
    w->phase = to;
    w->tokens_at = to == PH_CONNECT || to == PH_WARM ? now : w->tokens_at;
    if (to == PH_CONNECT)
        w->hb_at = now;
    if (to == PH_LEAVE)
        w->leave_at = now;
    if (to == PH_WARM) {
        w->pub_at = now;
        for (uint32_t j = 0; j < w->n_pubs && opt.rate == 0; j++)
            for (uint32_t d = 0; d < opt.depth; d++) {
                uint32_t i = w->id + opt.threads * j;
                if (conns[i].state != S_LIVE)
                    break;
                push_stamped(w, i, traffic_event(), now_ns());
            }
    }
    atomic_store(&w->acked, (int)to);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The life of a worker process. */
static void worker_main(struct worker *w)
{
    struct epoll_event *ev = zeroed(MAX_EVENTS, sizeof *ev);
    int ph;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    signal(SIGINT, SIG_IGN);
    loop_init(&w->L, false, opt.size + 1024, (uint32_t)run_tag + w->id);
    w->L.on_http = cl_http;
    w->L.on_message = cl_message;
    w->L.on_control = cl_control;
    if (opt.mode == M_JOIN) {
        w->spare = zeroed(w->n_local, sizeof *w->spare);
        for (uint32_t i = w->id; i < opt.conns; i += opt.threads)
            w->spare[w->n_spare++] = i;
    }
    while ((ph = atomic_load(&common->phase)) != PH_STOP) {
        uint64_t now = now_ns(), next = now + NS / 100;
        if (ph != (int)w->phase)
            enter_phase(w, (enum phase)ph, now);
        next = least(next, open_due(w, now));
        next = least(next, heartbeat_due(w, now));
        next = least(next, publish_due(w, now));
        next = least(next, leave_due(w, now));
        now = now_ns();
        struct timespec ts = {0, next > now ? (long)(next - now) : 0};
        int n = epoll_pwait2(w->L.ep, ev, MAX_EVENTS, &ts, NULL);
        for (int k = 0; k < n; k++)
            conn_event(w, (uint32_t)ev[k].data.u64, ev[k].events);
    }
    /* A reset leaves no TIME_WAIT socket, which would count in the next run's memory. */
    const struct linger reset = {1, 0};
    for (uint32_t i = w->id; i < opt.conns && opt.mode == M_HOLD; i += opt.threads)
        if (conns[i].fd >= 0)
            setsockopt(conns[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

/* ---------------------------------------------------------------- measuring and reporting */

static char json[16384];
static size_t json_n;
static const char *failure; /* the first reason for a nonzero exit */

static void fail(const char *why)
{
    if (!failure)
        failure = why;
}

/* One figure: a line for people and a member of the JSON object. */
static void out(const char *key, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    printf("  %-38s %s\n", key, text);
    int n =
        snprintf(json + json_n, sizeof json - json_n, "%s\"%s\":%s", json_n ? "," : "", key, text);
    if (n > 0 && json_n + (size_t)n < sizeof json)
        json_n += (size_t)n;
}

static void out_u(const char *key, uint64_t v)
{
    out(key, "%llu", (unsigned long long)v);
}

static void out_text(const char *key, const char *text)
{
    char clean[200];
    size_t n = 0;
    for (; *text && n < sizeof clean - 1; text++)
        clean[n++] = *text == '"' || *text == '\\' || (unsigned char)*text < 32 ? '\'' : *text;
    clean[n] = 0;
    out(key, "\"%s\"", clean);
}

static void out_hist(const char *name, size_t at)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}, {"max", 1}};
    struct hist *h = zeroed(1, sizeof *h);
    char key[64];
    for (uint32_t i = 0; i < opt.threads; i++)
        hist_merge(h, (const struct hist *)((const char *)&workers[i] + at));
    for (int i = 0; i < 5 && h->n; i++) {
        snprintf(key, sizeof key, "%s_us_%s", name, quantiles[i].name);
        out(key, "%.1f", (double)hist_at(h, quantiles[i].q) / 1e3);
    }
    snprintf(key, sizeof key, "%s_n", name);
    out_u(key, h->n);
    free(h);
}

/* The number that follows `key` (found after `after`) in a file of /proc. */
static bool proc_number(const char *path, const char *after, const char *key, uint64_t *v)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    char *p = strstr(text, after);
    if (!p || !(p = strstr(p, key)))
        return false;
    *v = strtoull(p + strlen(key), NULL, 10);
    return true;
}

struct memory {
    uint64_t rss, pss, own, tcp, slab, unreclaim, procfs, unused;
};

static uint64_t kib(const char *path, const char *key)
{
    uint64_t v = 0;
    proc_number(path, "", key, &v);
    return v * 1024;
}

/* Slab bytes of /proc inodes. Whoever lists /proc/PID/fd meanwhile leaves one for every socket
 * (and a dentry and a security label, 224 bytes): dirt in the figures. Needs root; 0 without. */
static uint64_t procfs_slab(void)
{
    char line[512];
    unsigned long long objects, size, per_slab, pages, v = 0;
    FILE *f = fopen("/proc/slabinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "proc_inode_cache %*u %llu %llu %llu %llu", &objects, &size, &per_slab,
                &pages) == 4)
            v = objects / per_slab * pages * (unsigned long long)sysconf(_SC_PAGESIZE) +
                objects * 224;
    if (f)
        fclose(f);
    return v;
}

static struct memory read_memory(void)
{
    struct memory m = {0};
    char path[64];
    for (int i = 0; i < opt.n_pids; i++) {
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", opt.pid[i]);
        uint64_t rss = kib(path, "\nRss:");
        if (!rss)
            fail("cannot read the memory of a server process");
        m.rss += rss;
        m.pss += kib(path, "\nPss:");
    }
    m.own = kib("/proc/self/smaps_rollup", "\nPss:");
    for (uint32_t i = 0; i < opt.threads; i++) {
        snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)workers[i].process);
        m.own += kib(path, "\nPss:");
    }
    proc_number("/proc/net/sockstat", "TCP:", " mem ", &m.tcp);
    m.tcp *= (uint64_t)sysconf(_SC_PAGESIZE);
    m.slab = kib("/proc/meminfo", "\nSlab:");
    m.unreclaim = kib("/proc/meminfo", "\nSUnreclaim:");
    m.procfs = procfs_slab();
    m.unused = kib("/proc/meminfo", "\nMemFree:") + kib("/proc/meminfo", "\nBuffers:") +
               kib("/proc/meminfo", "\nCached:");
    return m;
}

/* CPU seconds of one process, all threads, to the nanosecond. False: it is gone. */
static bool process_cpu(pid_t pid, double *seconds)
{
    clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
    struct timespec t;
    if ((pid && clock_getcpuclockid(pid, &clock)) || clock_gettime(clock, &t))
        return false;
    *seconds = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    return true;
}

static double server_cpu(void)
{
    double sum_s = 0, one = 0;
    for (int i = 0; i < opt.n_pids; i++) {
        if (process_cpu(opt.pid[i], &one))
            sum_s += one;
        else
            fail("cannot read the CPU time of a server process");
    }
    return sum_s;
}

/* CPU seconds of this process and its workers. */
static double own_cpu(void)
{
    double sum_s = 0, one = 0;
    for (uint32_t i = 0; i <= opt.threads; i++)
        if (process_cpu(i < opt.threads ? workers[i].process : 0, &one))
            sum_s += one;
    return sum_s;
}

/* CPU seconds of the whole machine that were not idle, softirq included. */
static double host_cpu(void)
{
    unsigned long long v[8] = {0};
    FILE *f = fopen("/proc/stat", "r");
    if (!f)
        return 0;
    int n = fscanf(
        f, "cpu %llu %llu %llu %llu %llu %llu %llu", v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6);
    fclose(f);
    return n < 7 ? 0 : (double)(v[0] + v[1] + v[2] + v[5] + v[6]) / (double)sysconf(_SC_CLK_TCK);
}

struct shot {
    uint64_t t, got, sent, cycles, failed;
    double server, own, host;
};

static struct shot take_shot(void)
{
    return (struct shot){.t = now_ns(),
        .got = sum(C_GOT),
        .sent = sum(C_SENT),
        .cycles = sum(C_CYCLES),
        .failed = sum(C_FAILED),
        .server = server_cpu(),
        .own = own_cpu(),
        .host = host_cpu()};
}

static void out_cpu(const struct shot *a, const struct shot *b, uint64_t units, const char *unit)
{
    char key[64];
    double us[2] = {(b->server - a->server) * 1e6, (b->own - a->own) * 1e6};
    for (int i = opt.n_pids ? 0 : 1; i < 2; i++) {
        const char *who = i ? "client" : "server";
        snprintf(key, sizeof key, "%s_cpu_s", who);
        out(key, "%.2f", us[i] / 1e6);
        snprintf(key, sizeof key, "%s_cpu_us_per_%s", who, unit);
        if (units)
            out(key, "%.3f", us[i] / (double)units);
    }
    out("host_cpu_s", "%.2f", b->host - a->host);
    out("client_busy", "%.3f", (b->own - a->own) * 1e9 / (double)(b->t - a->t) / opt.threads);
}

static void out_per_conn(const char *key, uint64_t before, uint64_t after)
{
    out(key, "%.1f", ((double)after - (double)before) / opt.conns);
}

static void out_memory(const char *when, const struct memory *a, const struct memory *b)
{
    printf(" memory %s, bytes per connection (kernel: both ends):\n", when);
    char k[64];
#define KEY(name) (snprintf(k, sizeof k, "%s_%s", when, name), k)
    if (opt.n_pids) {
        out_u(KEY("server_rss_bytes"), b->rss);
        out_u(KEY("server_pss_bytes"), b->pss);
        out_per_conn(KEY("server_rss_per_conn"), a->rss, b->rss);
        out_per_conn(KEY("server_pss_per_conn"), a->pss, b->pss);
    }
    out_u(KEY("client_pss_bytes"), b->own);
    out_per_conn(KEY("kernel_slab_per_conn"), a->slab, b->slab);
    out_per_conn(KEY("kernel_slab_less_procfs_per_conn"), a->slab - a->procfs, b->slab - b->procfs);
    out_per_conn(KEY("kernel_sunreclaim_per_conn"), a->unreclaim, b->unreclaim);
    out_per_conn(KEY("kernel_tcp_mem_per_conn"), a->tcp, b->tcp);
    out_per_conn(KEY("machine_used_per_conn"), b->unused, a->unused);
#undef KEY
}

/* ---------------------------------------------------------------- control of a run */

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

static void progress(void)
{
    static uint64_t last;
    uint64_t now = now_ns();
    if (!opt.verbose || now - last < NS)
        return;
    last = now;
    fprintf(stderr, "%6.1f s: joined %llu failed %llu lost %llu sent %llu received %llu\n",
        (double)now / 1e9, (unsigned long long)sum(C_JOINED), (unsigned long long)sum(C_FAILED),
        (unsigned long long)sum(C_LOST), (unsigned long long)sum(C_SENT),
        (unsigned long long)sum(C_GOT));
}

/* Waits until done() (NULL: never), at most so long. */
static bool wait_for(bool (*done)(void), double seconds)
{
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9), now;
    while (!interrupted && (now = now_ns()) < end) {
        if (done && done())
            return true;
        uint64_t nap = least(end - now, 5000000);
        nanosleep(&(struct timespec){0, (long)nap}, NULL);
        progress();
        if (waitpid(-1, NULL, WNOHANG) > 0) {
            fail("a worker process died");
            interrupted = 1;
        }
    }
    return done && done();
}

static bool all_acked(void)
{
    for (uint32_t i = 0; i < opt.threads; i++)
        if (atomic_load(&workers[i].acked) != atomic_load(&common->phase))
            return false;
    return true;
}

static void set_phase(enum phase to)
{
    atomic_store(&common->phase, (int)to);
    wait_for(all_acked, 10);
}

static uint64_t limit_file(const char *path)
{
    uint64_t v = UINT64_MAX;
    proc_number(path, "", "", &v);
    return v;
}

/* Raises the limit on open files to `need` if it can; says what is missing if not. Returns it. */
static uint64_t raise_files(uint64_t need)
{
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    if (r.rlim_cur >= need)
        return r.rlim_cur;
    struct rlimit want = {need, r.rlim_max > need ? r.rlim_max : need};
    if (setrlimit(RLIMIT_NOFILE, &want) == 0)
        return need;
    uint64_t top = limit_file("/proc/sys/fs/nr_open");
    fprintf(stderr,
        "phxload: note: %llu open files wanted, the hard limit is %llu: ", (unsigned long long)need,
        (unsigned long long)r.rlim_max);
    if (need > top)
        fprintf(stderr, "sysctl -w fs.nr_open=%llu (now %llu)\n", (unsigned long long)need,
            (unsigned long long)top);
    else
        fprintf(stderr, "raise ulimit -Hn (takes CAP_SYS_RESOURCE)\n");
    want = (struct rlimit){r.rlim_max, r.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &want) == 0)
        r.rlim_cur = r.rlim_max;
    return r.rlim_cur;
}

/* Checks what the kernel allows before any connection is made. */
static void check_limits(void)
{
    unsigned long long lo = 0, hi = 65535, files = 2ull * opt.conns + 4096, v;
    uint64_t per_process = raise_files((opt.conns + opt.threads - 1) / opt.threads + 64ull) - 64;
    if ((uint64_t)opt.threads * per_process < opt.conns) {
        opt.threads = (uint32_t)((opt.conns + per_process - 1) / per_process);
        fprintf(stderr, "phxload: note: %u worker processes because of that limit\n", opt.threads);
        if (opt.threads > MAX_THREADS)
            die(2, "that is too many");
    }
    if ((v = limit_file("/proc/sys/fs/file-max")) < files)
        fprintf(stderr,
            "phxload: note: both ends take %llu files: sysctl -w fs.file-max=%llu (now %llu; "
            "root may go beyond)\n",
            files, files, v);
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    if (f && fscanf(f, "%llu %llu", &lo, &hi) != 2)
        lo = 0, hi = 65535;
    if (f)
        fclose(f);
    if (opt.src_per_ip > hi - lo + 1)
        die(2,
            "--src-per-ip %u is more than the local ports: sysctl -w "
            "net.ipv4.ip_local_port_range=\"1024 65535\" (now %llu %llu)",
            opt.src_per_ip, lo, hi);
    uint64_t max = limit_file("/proc/sys/net/netfilter/nf_conntrack_max"), now = 0;
    if (max != UINT64_MAX && (now = limit_file("/proc/sys/net/netfilter/nf_conntrack_count")) &&
        now != UINT64_MAX && max - now < opt.conns)
        fprintf(stderr,
            "phxload: note: connection tracking is on and has room for %llu only: "
            "sysctl -w net.netfilter.nf_conntrack_max\n",
            (unsigned long long)(max - now));
}

/* After a run with failures or a lot of memory: what may be missing. */
static void hint_limits(void)
{
    uint64_t used = 0, low = limit_file("/proc/sys/net/ipv4/tcp_mem");
    proc_number("/proc/net/sockstat", "TCP:", " mem ", &used);
    if (used > low)
        fprintf(stderr,
            "phxload: note: TCP memory is %llu pages, above the first number of "
            "net.ipv4.tcp_mem (%llu): raise tcp_mem\n",
            (unsigned long long)used, (unsigned long long)low);
    for (uint32_t i = 0; i < opt.threads; i++) {
        const char *e = workers[i].error;
        if (strstr(e, "Cannot assign requested address"))
            fprintf(stderr, "phxload: hint: local ports ran out: lower --src-per-ip or widen "
                            "net.ipv4.ip_local_port_range\n");
        if (strstr(e, "Too many open files"))
            fprintf(stderr, "phxload: hint: raise fs.nr_open, fs.file-max\n");
    }
}

static void make_hello(void)
{
    unsigned char raw[16];
    char key[32], host[INET_ADDRSTRLEN], text[1024];
    uint64_t x = now_ns() ^ (uint64_t)getpid() << 32 ^ base_ns;
    for (int i = 0; i < 16; i++, x = x * 6364136223846793005ull + 1442695040888963407ull)
        raw[i] = (unsigned char)(x >> 56);
    run_tag = 100000 + (x >> 20) % 800000;
    accept_key((struct span){key, base64(raw, 16, key)}, hello_accept);
    for (uint32_t t = 0; t < opt.n_targets; t++) {
        struct target *g = &opt.target[t];
        inet_ntop(AF_INET, &g->addr.sin_addr, host, sizeof host);
        g->hello_len = (size_t)snprintf(text, sizeof text,
            "GET %s%cvsn=2.0.0 HTTP/1.1\r\nHost: %s:%u\r\nConnection: Upgrade\r\nUpgrade: "
            "websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
            opt.path, strchr(opt.path, '?') ? '&' : '?', host, ntohs(g->addr.sin_port), key);
        g->hello = strdup(text);
    }
    stamp_len = opt.size;
    stamp_text = grow(NULL, stamp_len + 1);
    char *o = puts_at(stamp_text, "{\"t\":0000000000000000,\"q\":0000000000000000,\"p\":\"");
    for (uint32_t i = 0; i < opt.size - STAMP_LEAST; i++)
        *o++ = (char)('a' + i % 26);
    puts_at(o, "\"}");
}

static void start_workers(void)
{
    check_limits();
    make_hello();
    common = shared(sizeof *common);
    conns = shared(opt.conns * sizeof *conns);
    workers = shared(opt.threads * sizeof *workers);
    for (uint32_t i = 0; i < opt.conns; i++)
        conns[i].fd = -1;
    if (opt.mode == M_PRESENCE) {
        size_t words = (opt.conns + 63) / 64;
        uint64_t *bits = shared(opt.samples * words * 2 * sizeof *bits);
        samples = shared(opt.samples * sizeof *samples);
        common->sample_target = opt.conns;
        for (uint32_t k = 0; k < opt.samples; k++) { /* even clients, who do not leave */
            samples[k].here = bits + k * 2 * words;
            samples[k].touched = samples[k].here + words;
            conns[(uint64_t)k * ((opt.conns + 1) / 2) / opt.samples * 2].sample = (uint16_t)(k + 1);
        }
    }
    fflush(stdout);
    for (uint32_t id = 0; id < opt.threads; id++) {
        struct worker *w = &workers[id];
        w->id = id;
        w->n_local = (opt.conns - id + opt.threads - 1) / opt.threads;
        uint32_t pubs = opt.mode == M_ECHO ? opt.conns : opt.mode == M_FANOUT ? opt.topics : 0;
        for (uint32_t i = id; i < pubs; i += opt.threads)
            w->n_pubs++;
        pid_t child = fork();
        if (child < 0)
            die(1, "fork: %s", strerror(errno));
        if (child == 0) {
            worker_main(w);
            _exit(0);
        }
        w->process = child; /* set here only: the child shares this memory */
    }
}

static void stop_workers(void)
{
    atomic_store(&common->phase, PH_STOP);
    while (wait(NULL) > 0) {
    }
}

static bool all_joined(void)
{
    return sum(C_JOINED) + sum(C_FAILED) >= opt.conns;
}

/* Connects and joins all; false if not all could. */
static bool connect_all(void)
{
    uint64_t start = now_ns(), end = 0;
    set_phase(PH_CONNECT);
    bool done = wait_for(all_joined, opt.timeout);
    for (uint32_t i = 0; i < opt.threads; i++)
        if (workers[i].last_join > end)
            end = workers[i].last_join;
    double s = end > start ? (double)(end - start) / 1e9 : 0;
    out("connect_s", "%.3f", s);
    out("joins_per_s", "%.1f", s > 0 ? (double)sum(C_JOINED) / s : 0);
    out_u("joined", sum(C_JOINED));
    if (!done)
        fail("timeout while connecting");
    if (sum(C_FAILED))
        fail("failed joins");
    return done && sum(C_JOINED) == opt.conns;
}

/* ---------------------------------------------------------------- modes */

static bool hb_answered(void)
{
    return sum(C_HB_OK) + sum(C_LOST) >= sum(C_HB_SENT);
}

static void run_hold(void)
{
    struct memory before = read_memory(), joined, after;
    struct shot a = take_shot(), b, c;
    bool good = connect_all();
    b = take_shot();
    wait_for(NULL, 1);
    joined = read_memory();
    out_cpu(&a, &b, sum(C_JOINED), "join");
    out_memory("joined", &before, &joined);
    if (!good)
        return;
    b = take_shot();
    wait_for(NULL, opt.hold);
    c = take_shot();
    after = read_memory();
    out_memory("held", &before, &after);
    printf(" hold of %.0f s:\n", opt.hold);
    if (opt.n_pids)
        out("hold_server_cpu_s", "%.2f", c.server - b.server);
    out("hold_client_cpu_s", "%.2f", c.own - b.own);
    set_phase(PH_DRAIN);
    if (!wait_for(hb_answered, opt.timeout))
        fail("heartbeats without an answer");
    out_u("heartbeats_sent", sum(C_HB_SENT));
    out_u("heartbeats_answered", sum(C_HB_OK));
}

static uint64_t expected_deliveries(void)
{
    uint64_t n = 0;
    for (uint32_t t = 0; t < opt.topics; t++)
        n += (uint64_t)conns[t].sent * ((opt.conns - t + opt.topics - 1) / opt.topics);
    return n;
}

static bool drained(void)
{
    if (opt.mode == M_FANOUT)
        return sum(C_GOT) >= expected_deliveries() &&
               (!opt.with_reply || sum(C_ACKS) >= sum(C_SENT));
    if (opt.mode == M_ECHO)
        return sum(C_GOT) >= sum(C_SENT);
    return sum(C_CYCLES) + sum(C_FAILED) >= sum(C_OPENED);
}

/* Warm-up, measured time, then the rest is drained so that every loss shows. */
static void timed_run(struct shot *a, struct shot *b)
{
    set_phase(PH_WARM);
    wait_for(NULL, opt.warmup);
    atomic_store(&common->phase, PH_MEASURE);
    *a = take_shot();
    wait_for(NULL, opt.seconds);
    *b = take_shot();
    set_phase(PH_DRAIN);
    uint64_t t = now_ns();
    if (!wait_for(drained, opt.timeout))
        fail("timeout while draining");
    out("seconds", "%.3f", (double)(b->t - a->t) / 1e9);
    out("drain_s", "%.3f", (double)(now_ns() - t) / 1e9);
    wait_for(NULL, 0.2); /* duplicates would come now */
}

static void out_account(uint64_t expected)
{
    uint64_t got = sum(C_GOT);
    out_u("expected", expected);
    out_u("received", got);
    out_u("missing", expected > got ? expected - got : 0);
    if (got != expected)
        fail("losses");
}

static void run_traffic(void)
{
    struct shot a, b;
    bool fan = opt.mode == M_FANOUT;
    if (!connect_all())
        return;
    timed_run(&a, &b);
    double s = (double)(b.t - a.t) / 1e9;
    out_u("payload_bytes", opt.size);
    if (fan)
        out("published_per_s", "%.1f", (double)(b.sent - a.sent) / s);
    out(fan ? "delivered_per_s" : "round_trips_per_s", "%.1f", (double)(b.got - a.got) / s);
    out_hist("latency", offsetof(struct worker, latency));
    if (opt.rate > 0)
        out_hist("send_lag", offsetof(struct worker, lag));
    out_cpu(&a, &b, b.got - a.got, fan ? "delivery" : "round_trip");
    out_account(fan ? expected_deliveries() : sum(C_SENT));
    if (opt.with_reply && sum(C_ACKS) != sum(C_SENT))
        fail("missing replies");
}

static void run_join(void)
{
    struct shot a, b;
    timed_run(&a, &b);
    out("cycles_per_s", "%.1f", (double)(b.cycles - a.cycles) / ((double)(b.t - a.t) / 1e9));
    out_hist("cycle", offsetof(struct worker, latency));
    out_cpu(&a, &b, b.cycles - a.cycles, "cycle");
    out_u("started", sum(C_OPENED));
    out_u("completed", sum(C_CYCLES));
    if (sum(C_CYCLES) != sum(C_OPENED))
        fail("failed cycles");
}

static bool converged(void)
{
    for (uint32_t k = 0; k < opt.samples; k++)
        if (!atomic_load(&samples[k].hit))
            return false;
    return true;
}

static bool left_and_converged(void)
{
    return sum(C_CLOSED) >= opt.conns / 2 && converged();
}

/* Waits for the samples; reports the time from the last event sent by any thread. */
static void out_converged(const char *what, bool (*done)(void), bool leaving)
{
    char key[64];
    bool good = wait_for(done, opt.timeout);
    if (good)
        wait_for(NULL, 0.3); /* and it must stay so */
    uint64_t last = 0, hit = 0, n = 0;
    for (uint32_t i = 0; i < opt.threads; i++) {
        uint64_t t = leaving ? workers[i].last_leave : workers[i].last_join_sent;
        if (t > last)
            last = t;
    }
    for (uint32_t k = 0; k < opt.samples; k++) {
        if (samples[k].hit > hit)
            hit = samples[k].hit;
        n += samples[k].hit != 0;
    }
    snprintf(key, sizeof key, "samples_exact_after_%s", what);
    out_u(key, n);
    if (n < opt.samples) {
        fail("presence did not converge");
        return;
    }
    snprintf(key, sizeof key, "converged_ms_after_last_%s", what);
    out(key, "%.3f", hit > last ? (double)(hit - last) / 1e6 : 0);
}

static void run_presence(void)
{
    struct shot a = take_shot(), b, c;
    if (!connect_all())
        return;
    out_u("samples", opt.samples);
    out_converged("join", converged, false);
    b = take_shot();
    out_cpu(&a, &b, opt.conns, "join");
    out_u("presence_messages_joining", sum(C_DIFFS));
    if (failure)
        return;
    common->sample_target = opt.conns - opt.conns / 2;
    for (uint32_t k = 0; k < opt.samples; k++)
        samples[k].hit = 0;
    a = take_shot();
    set_phase(PH_LEAVE);
    out_converged("leave", left_and_converged, true);
    c = take_shot();
    if (opt.n_pids)
        out("leaving_server_cpu_us_per_leave", "%.3f",
            (c.server - a.server) * 1e6 / (opt.conns / 2));
    out_u("left", sum(C_CLOSED));
    out_u("presence_messages", sum(C_DIFFS));
    for (uint32_t k = 0; k < opt.samples; k++) /* exactly the even ones are left */
        for (uint32_t i = 0; i < opt.conns; i++)
            if ((samples[k].here[i >> 6] >> (i & 63) & 1) == (i & 1)) {
                fail("wrong clients left");
                return;
            }
}

static int run_client(void)
{
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    start_workers();
    printf("phxload %s: %u connections, %u topics, %u workers\n", mode_names[opt.mode], opt.conns,
        opt.topics, opt.threads);
    out_text("mode", mode_names[opt.mode]);
    out_u("conns", opt.conns);
    out_u("topics", opt.topics);
    out_u("depth", opt.depth);
    if (opt.mode == M_HOLD)
        run_hold();
    else if (opt.mode == M_JOIN)
        run_join();
    else if (opt.mode == M_PRESENCE)
        run_presence();
    else
        run_traffic();
    stop_workers();
    if (interrupted)
        fail("interrupted");
    out_hist("setup", offsetof(struct worker, setup));
    static const struct {
        const char *name;
        enum counter c;
        bool bad;
    } rest[] = {{"failed", C_FAILED, 1}, {"disconnected", C_LOST, 1}, {"duplicates", C_DUP, 1},
        {"wrong_topic", C_WRONG_TOPIC, 1}, {"corrupt", C_CORRUPT, 1},
        {"error_replies", C_ERR_REPLY, 1}, {"not_sent_in_time", C_OVERRUN, 1},
        {"foreign", C_FOREIGN, 0}, {"reordered", C_REORDER, 0}, {"other_messages", C_OTHER, 0}};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        out_u(rest[i].name, sum(rest[i].c));
        if (rest[i].bad && sum(rest[i].c))
            fail(rest[i].name);
    }
    for (uint32_t i = 0; i < opt.threads; i++)
        if (workers[i].error[0]) {
            out_text("first_error", workers[i].error);
            break;
        }
    hint_limits();
    out_u("workers", opt.threads);
    out_text("result", failure ? failure : "ok");
    if (opt.json)
        printf("{%s}\n", json);
    fflush(stdout);
    return failure ? 1 : 0;
}

/* ---------------------------------------------------------------- floor-server */

/* The least a server can do: no features, no safety but bounds. One topic per connection. */
struct fs_conn {
    uint32_t topic, pos, side;
    uint8_t upgraded, broken;
}; /* topic: 1 + index */
struct fs_topic {
    char *name;
    uint32_t name_n, n, cap, next;
    int *fds;
};
struct fs_note {
    struct fs_note *next;
    uint32_t topic_n, frame_n;
    char data[];
};

struct fs_thread {
    struct loop L;
    pthread_t thread;
    int wake;
    struct buf out; /* replies of the read in progress */
    struct fs_topic *topics;
    uint32_t n_topics, heads[4096];
    pthread_mutex_t lock; /* for the inbox of broadcasts from other threads */
    struct fs_note *first, **last;
};

enum { FS_MESSAGE = 2u << 20 };
#define FS_LISTEN (1ull << 40)
#define FS_WAKE (1ull << 41)
static struct fs_conn *fs_conns; /* by fd */
static struct fs_thread *fs_threads;

static struct fs_topic *fs_topic(struct fs_thread *f, struct span name, bool make)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.n; i++)
        hash = (hash ^ (unsigned char)name.p[i]) * 16777619u;
    uint32_t *head = &f->heads[(hash ^ hash >> 16) % 4096];
    for (uint32_t k = *head; k; k = f->topics[k - 1].next)
        if (f->topics[k - 1].name_n == name.n && !memcmp(f->topics[k - 1].name, name.p, name.n))
            return &f->topics[k - 1];
    if (!make)
        return NULL;
    if (!(f->n_topics & (f->n_topics - 1)))
        f->topics = grow(f->topics, (f->n_topics ? f->n_topics * 2 : 1) * sizeof *f->topics);
    struct fs_topic *t = &f->topics[f->n_topics++];
    *t = (struct fs_topic){
        .name = grow(NULL, name.n + 1), .name_n = (uint32_t)name.n, .next = *head};
    memcpy(t->name, name.p, name.n);
    *head = f->n_topics;
    return t;
}

static void fs_leave(struct fs_thread *f, int fd)
{
    struct fs_conn *c = &fs_conns[fd];
    if (!c->topic)
        return;
    struct fs_topic *t = &f->topics[c->topic - 1];
    t->fds[c->pos] = t->fds[--t->n];
    fs_conns[t->fds[c->pos]].pos = c->pos;
    c->topic = 0;
}

static void fs_join(struct fs_thread *f, int fd, struct span name)
{
    fs_leave(f, fd);
    struct fs_topic *t = fs_topic(f, name, true);
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 4;
        t->fds = grow(t->fds, t->cap * sizeof *t->fds);
    }
    fs_conns[fd].topic = (uint32_t)(t - f->topics) + 1;
    fs_conns[fd].pos = t->n;
    t->fds[t->n++] = fd;
}

static void fs_close(struct fs_thread *f, int fd)
{
    fs_leave(f, fd);
    side_drop(&f->L, &fs_conns[fd].side);
    fs_conns[fd] = (struct fs_conn){0};
    close(fd);
}

/* Sends what has been gathered; a broken or too slow connection is cut off. */
static void fs_send(struct fs_thread *f, int fd, const void *p, size_t n)
{
    struct fs_conn *c = &fs_conns[fd];
    if (c->broken || link_send(&f->L, fd, (uint32_t)fd, &c->side, p, n))
        return;
    c->broken = 1;
    shutdown(fd, SHUT_RDWR);
}

static void fs_flush(struct fs_thread *f, int fd)
{
    if (f->out.len)
        fs_send(f, fd, f->out.p, f->out.len);
    f->out.len = 0;
}

static char *fs_text(char *o, struct span s)
{
    if (!s.p)
        return puts_at(o, "null");
    *o++ = '"';
    o = put(o, s.p, s.n);
    *o++ = '"';
    return o;
}

static char *fs_head(
    char *o, struct span join_ref, struct span ref, struct span topic, const char *event)
{
    *o++ = '[';
    o = fs_text(o, join_ref);
    *o++ = ',';
    o = fs_text(o, ref);
    *o++ = ',';
    o = fs_text(o, topic);
    return puts_at(puts_at(puts_at(o, ",\""), event), "\",");
}

static char *fs_scratch(struct fs_thread *f)
{
    return (char *)f->L.scratch + HEADROOM;
}

static void fs_queue(struct fs_thread *f, int op, const char *end)
{
    size_t total;
    unsigned char *p =
        frame_wrap(&f->L, op, f->L.scratch + HEADROOM, (size_t)(end - fs_scratch(f)), &total);
    buf_add(&f->out, p, total);
}

static void fs_reply(
    struct fs_thread *f, const struct message *m, const char *status, struct span body)
{
    char *o = fs_scratch(f);
    if (m->binary) {
        *o++ = 1;
        *o++ = (char)m->join_ref.n;
        *o++ = (char)m->ref.n;
        *o++ = (char)m->topic.n;
        *o++ = (char)strlen(status);
        o = put(
            put(put(o, m->join_ref.p, m->join_ref.n), m->ref.p, m->ref.n), m->topic.p, m->topic.n);
        o = put(puts_at(o, status), body.p, body.n);
    } else {
        o = fs_head(o, m->join_ref, m->ref, m->topic, "phx_reply");
        o = put(puts_at(o, "{\"response\":"), body.p, body.n);
        o = puts_at(puts_at(puts_at(o, ",\"status\":\""), status), "\"}]");
    }
    fs_queue(f, m->binary ? OP_BIN : OP_TEXT, o);
}

static void fs_deliver(struct fs_thread *f, struct span topic, const void *frame, size_t n)
{
    struct fs_topic *t = fs_topic(f, topic, false);
    for (uint32_t k = 0; t && k < t->n; k++)
        fs_send(f, t->fds[k], frame, n);
}

/* Encodes once, sends to everybody here, hands a copy to the other threads. */
static void fs_broadcast(struct fs_thread *f, const struct message *m)
{
    static const struct span none;
    char *o = fs_scratch(f);
    size_t total;
    if (m->binary) {
        *o++ = 2;
        *o++ = (char)m->topic.n;
        *o++ = 3;
        o = put(puts_at(put(o, m->topic.p, m->topic.n), "msg"), m->payload.p, m->payload.n);
    } else {
        o = put(fs_head(o, none, none, m->topic, "msg"), m->payload.p, m->payload.n);
        *o++ = ']';
    }
    unsigned char *p = frame_wrap(&f->L, m->binary ? OP_BIN : OP_TEXT, f->L.scratch + HEADROOM,
        (size_t)(o - fs_scratch(f)), &total);
    for (uint32_t i = 0; i < opt.threads; i++) {
        struct fs_thread *g = &fs_threads[i];
        if (g == f)
            continue;
        struct fs_note *note = grow(NULL, sizeof *note + m->topic.n + total);
        *note = (struct fs_note){NULL, (uint32_t)m->topic.n, (uint32_t)total};
        memcpy(note->data, m->topic.p, m->topic.n);
        memcpy(note->data + m->topic.n, p, total);
        pthread_mutex_lock(&g->lock);
        bool was_empty = !g->first;
        *g->last = note;
        g->last = &note->next;
        pthread_mutex_unlock(&g->lock);
        if (was_empty && write(g->wake, &(uint64_t){1}, 8) != 8)
            die(1, "eventfd");
    }
    fs_deliver(f, m->topic, p, total);
}

static void fs_inbox(struct fs_thread *f)
{
    uint64_t v;
    if (read(f->wake, &v, 8) != 8)
        return;
    pthread_mutex_lock(&f->lock);
    struct fs_note *note = f->first, *next;
    f->first = NULL;
    f->last = &f->first;
    pthread_mutex_unlock(&f->lock);
    for (; note; note = next) {
        next = note->next;
        fs_deliver(
            f, (struct span){note->data, note->topic_n}, note->data + note->topic_n, note->frame_n);
        free(note);
    }
}

static int fs_message(struct loop *L, uint32_t fd, int op, char *p, size_t n)
{
    struct fs_thread *f = (struct fs_thread *)L;
    static const struct span empty = {"{}", 2};
    struct message m;
    bool fine = op == OP_BIN ? parse_binary((unsigned char *)p, n, true, &m) : parse_text(p, n, &m);
    if (!fine || n > FS_MESSAGE / 2) {
        fs_close(f, (int)fd);
        return 1;
    }
    if (f->out.len > 1u << 16)
        fs_flush(f, (int)fd);
    if (is(m.event, "broadcast_noreply") || is(m.event, "broadcast")) {
        fs_flush(f, (int)fd);
        fs_broadcast(f, &m);
        if (m.event.n == 9)
            fs_reply(f, &m, "ok", m.binary ? (struct span){"", 0} : empty);
    } else if (is(m.event, "echo")) {
        fs_reply(f, &m, "ok", m.payload);
    } else if (is(m.event, "heartbeat")) {
        fs_reply(f, &m, "ok", empty);
    } else if (is(m.event, "phx_join")) {
        fs_join(f, (int)fd, m.topic);
        fs_reply(f, &m, "ok", empty);
    } else if (is(m.event, "phx_leave")) {
        fs_leave(f, (int)fd);
        fs_reply(f, &m, "ok", empty);
        fs_queue(f, OP_TEXT,
            puts_at(fs_head(fs_scratch(f), m.join_ref, m.join_ref, m.topic, "phx_close"), "{}]"));
    } else {
        fs_reply(f, &m, "error", empty);
    }
    return 0;
}

static int fs_control(struct loop *L, uint32_t fd, int op, char *p, size_t n)
{
    struct fs_thread *f = (struct fs_thread *)L;
    if (op == OP_PONG)
        return 0;
    fs_queue(f, op == OP_PING ? OP_PONG : OP_CLOSE, put(fs_scratch(f), p, n));
    if (op == OP_PING)
        return 0;
    fs_flush(f, (int)fd);
    fs_close(f, (int)fd);
    return 1;
}

static ssize_t fs_http(struct loop *L, uint32_t fd, char *p, size_t n)
{
    struct fs_thread *f = (struct fs_thread *)L;
    char *end = memmem(p, n, "\r\n\r\n", 4), value[32];
    struct span key;
    if (!end && n < 8192)
        return 0;
    if (!end || n < 4 || memcmp(p, "GET ", 4) || !find_header(p, end, "Sec-WebSocket-Key", &key)) {
        static const char no[] =
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        fs_send(f, (int)fd, no, sizeof no - 1);
        fs_close(f, (int)fd);
        return -1;
    }
    accept_key(key, value);
    char *o = puts_at(fs_scratch(f), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                     "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    o = puts_at(puts_at(o, value), "\r\n\r\n");
    fs_conns[fd].upgraded = 1;
    buf_add(&f->out, fs_scratch(f), (size_t)(o - fs_scratch(f)));
    return end + 4 - p;
}

static void fs_accept(struct fs_thread *f, int lfd)
{
    const int one = 1;
    for (int burst = 0; burst < 64; burst++) {
        int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uint64_t)fd};
        if ((uint32_t)fd >= opt.conns + 32) {
            close(fd);
            continue;
        } /* before EMFILE */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fs_conns[fd] = (struct fs_conn){0};
        if (epoll_ctl(f->L.ep, EPOLL_CTL_ADD, fd, &ev))
            close(fd);
    }
}

static void *fs_main(void *arg)
{
    struct fs_thread *f = arg;
    struct epoll_event *ev = zeroed(MAX_EVENTS, sizeof *ev);
    for (;;) {
        int n = epoll_wait(f->L.ep, ev, MAX_EVENTS, -1);
        for (int k = 0; k < n; k++) {
            uint64_t id = ev[k].data.u64;
            int fd = (int)(uint32_t)id;
            struct fs_conn *c = &fs_conns[fd];
            if (id & FS_WAKE) {
                fs_inbox(f);
                continue;
            }
            if (id & FS_LISTEN) {
                fs_accept(f, fd);
                continue;
            }
            if ((ev[k].events & EPOLLOUT) && !link_flush(&f->L, fd, (uint32_t)fd, &c->side)) {
                fs_close(f, fd);
                continue;
            }
            if (!(ev[k].events & ~(uint32_t)EPOLLOUT))
                continue;
            enum link_result r = link_read(&f->L, fd, (uint32_t)fd, &c->side, !c->upgraded);
            if (r == LINK_OK)
                fs_flush(f, fd);
            else if (r != LINK_GONE)
                fs_close(f, fd);
            f->out.len = 0;
        }
    }
    return NULL;
}

static void out_listening(const struct sockaddr_in *at)
{
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &at->sin_addr, host, sizeof host);
    printf("listening on http://%s:%u\n", host, ntohs(at->sin_port));
}

static int run_floor(void)
{
    const int one = 1;
    uint64_t files = raise_files((uint64_t)opt.conns + 64);
    if (files < (uint64_t)opt.conns + 64)
        opt.conns = (uint32_t)files - 64;
    signal(SIGPIPE, SIG_IGN);
    fs_conns = mmap(NULL, (opt.conns + 64ull) * sizeof *fs_conns, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fs_conns == MAP_FAILED)
        die(1, "mmap: %s", strerror(errno));
    fs_threads = zeroed(opt.threads, sizeof *fs_threads);
    for (uint32_t i = 0; i < opt.threads; i++) {
        struct fs_thread *f = &fs_threads[i];
        loop_init(&f->L, true, FS_MESSAGE, i);
        f->L.on_http = fs_http;
        f->L.on_message = fs_message;
        f->L.on_control = fs_control;
        pthread_mutex_init(&f->lock, NULL);
        f->last = &f->first;
        f->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        struct epoll_event ev = {.events = EPOLLIN, .data.u64 = FS_WAKE | (uint32_t)f->wake};
        epoll_ctl(f->L.ep, EPOLL_CTL_ADD, f->wake, &ev);
        for (uint32_t t = 0; t < opt.n_targets; t++) {
            int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
            if (opt.threads > 1)
                setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
            struct sockaddr *addr = (struct sockaddr *)&opt.target[t].addr;
            socklen_t addr_len = sizeof opt.target[t].addr;
            if (bind(fd, addr, addr_len) || listen(fd, 65535) || getsockname(fd, addr, &addr_len))
                die(1, "listen: %s", strerror(errno));
            ev.data.u64 = FS_LISTEN | (uint32_t)fd;
            epoll_ctl(f->L.ep, EPOLL_CTL_ADD, fd, &ev);
        }
    }
    printf("floor-server: pid %d, %u threads, up to %u connections\n", (int)getpid(), opt.threads,
        opt.conns);
    for (uint32_t t = 0; t < opt.n_targets; t++)
        out_listening(&opt.target[t].addr);
    fflush(stdout);
    for (uint32_t i = 1; i < opt.threads; i++)
        if (pthread_create(&fs_threads[i].thread, NULL, fs_main, &fs_threads[i]))
            die(1, "cannot start a thread");
    fs_main(&fs_threads[0]);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* who reads along sees each figure when it is there */
    base_ns = now_ns();
    parse_options(argc, argv);
    return opt.mode == M_FLOOR ? run_floor() : run_client();
}
