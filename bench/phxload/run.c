/* The course of a client's run, for each mode. */
#include "run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "kernel.h"
#include "report.h"

static volatile sig_atomic_t interrupted;

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

/* ---------------------------------------------------------------- workers */

/* Zeroed memory that forked workers share; untouched pages cost nothing. */
static void *shared(size_t n)
{
    void *p =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        die(1, "mmap of %zu bytes: %s", n, strerror(errno));
    return p;
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
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n",
            opt.path, strchr(opt.path, '?') ? '&' : '?', host, ntohs(g->addr.sin_port), key,
            opt.deflate ? "Sec-WebSocket-Extensions: permessage-deflate; "
                          "client_max_window_bits\r\n"
                        : "");
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

int run_client(void)
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
        out_json();
    fflush(stdout);
    return failure ? 1 : 0;
}
