#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct conn *conns;
struct worker *workers;
struct sample *samples;
struct common *common;
char hello_accept[32];
char *stamp_text;
size_t stamp_len;
uint64_t run_tag;

/* Exactly 16 decimal digits. */
static void put_16(char *o, uint64_t v)
{
    for (int k = 15; k >= 0; k--, v /= 10)
        o[k] = (char)('0' + v % 10);
}

/* ---------------------------------------------------------------- counters */

static void count_n(struct worker *w, enum counter c, uint64_t by)
{
    uint64_t v = atomic_load_explicit(&w->n[c], memory_order_relaxed);
    atomic_store_explicit(&w->n[c], v + by, memory_order_relaxed);
}
void count(struct worker *w, enum counter c)
{
    count_n(w, c, 1);
}

uint64_t sum(enum counter c)
{
    uint64_t v = 0;
    for (uint32_t i = 0; i < opt.threads; i++)
        v += atomic_load_explicit(&workers[i].n[c], memory_order_relaxed);
    return v;
}

void note_error(struct worker *w, const char *what, const char *why)
{
    if (!w->error[0])
        snprintf(w->error, sizeof w->error, "%s: %s", what, why);
}

/* ---------------------------------------------------------------- client: connections */

void conn_close(struct worker *w, uint32_t i)
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

void conn_fail(struct worker *w, uint32_t i, const char *what, const char *why)
{
    bool setup = conns[i].state == S_HTTP || conns[i].state == S_JOIN || opt.mode == M_JOIN;
    count(w, setup ? C_FAILED : C_LOST);
    note_error(w, what, why);
    conn_close(w, i);
    if (opt.mode == M_JOIN)
        w->hold_off = now_ns() + NS / 100;
}

/* Sends the n bytes that have been built in the scratch buffer as one frame. */
void conn_send(struct worker *w, uint32_t i, int op, size_t n)
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

bool own_topic(uint32_t i, struct span topic)
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

void push_simple(struct worker *w, uint32_t i, const char *event, const char *payload)
{
    char *o = puts_at(puts_at(push_head(w, i, event, false), payload), "]");
    conn_send(w, i, OP_TEXT, (size_t)(o - (char *)w->L.scratch) - HEADROOM);
}

/* A push whose payload carries time t and the connection's next sequence number. */
void push_stamped(struct worker *w, uint32_t i, const char *event, uint64_t t)
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

void send_join(struct worker *w, uint32_t i)
{
    char payload[40] = "{}";
    if (opt.mode == M_PRESENCE)
        snprintf(payload, sizeof payload, "{\"id\":\"c%u\"}", i);
    conns[i].ref = 0;
    conns[i].state = S_JOIN;
    atomic_store(&w->last_join_sent, now_ns());
    push_simple(w, i, "phx_join", payload);
}

void send_close(struct worker *w, uint32_t i)
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

void worker_main(struct worker *w)
{
    struct epoll_event *ev = zeroed(MAX_EVENTS, sizeof *ev);
    int ph;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    signal(SIGINT, SIG_IGN);
    loop_init(&w->L, false, opt.size + 1024, (uint32_t)run_tag + w->id);
    w->L.on_http = cl_http;
    w->L.inflate = opt.deflate ? cl_inflate : NULL;
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
