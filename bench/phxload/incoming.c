/* What comes to the client's connections. */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

ssize_t cl_http(struct loop *L, uint32_t i, char *p, size_t n)
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

int cl_control(struct loop *L, uint32_t i, int op, char *p, size_t n)
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

bool sending(const struct worker *w)
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

const char *traffic_event(void)
{
    return opt.mode == M_ECHO ? "echo" : publish_event();
}

int cl_message(struct loop *L, uint32_t i, int op, char *p, size_t n)
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

void conn_event(struct worker *w, uint32_t i, uint32_t events)
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
