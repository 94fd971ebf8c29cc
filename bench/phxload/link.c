#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE (256u << 10)  /* the shared read buffer of a thread */
#define MAX_MESSAGE (64u << 20) /* longest incoming message accepted */

/* ---------------------------------------------------------------- small helpers */

uint64_t base_ns; /* start of the process; all times count from here */

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec - base_ns;
}

void *grow(void *p, size_t n)
{
    p = realloc(p, n);
    if (!p)
        die(1, "out of memory (%zu bytes)", n);
    return p;
}

void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p)
        die(1, "out of memory (%zu x %zu bytes)", n, size);
    return p;
}

static void buf_reserve(struct buf *b, size_t need)
{
    if (need <= b->cap)
        return;
    size_t cap = b->cap ? b->cap : 256;
    while (cap < need)
        cap *= 2;
    b->p = grow(b->p, cap);
    b->cap = (uint32_t)cap;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (!n)
        return;
    buf_reserve(b, b->len + n);
    memcpy(b->p + b->len, p, n);
    b->len += (uint32_t)n;
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

/* ---------------------------------------------------------------- JSON scanner */

const char *skip_ws(const char *p, const char *e)
{
    while (p < e && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* p at the opening quote; returns the place after the closing one, NULL if there is none. */
static const char *skip_string(const char *p, const char *e)
{
    const char *start = p + 1, *q = start;
    while (q < e && (q = memchr(q, '"', (size_t)(e - q)))) {
        const char *b = q;
        while (b > start && b[-1] == '\\')
            b--;
        if (((q - b) & 1) == 0)
            return q + 1;
        q++;
    }
    return NULL;
}

/* Skips any value; NULL if it is cut off. Brackets are matched by depth only. */
static const char *skip_value(const char *p, const char *e)
{
    int depth = 0;
    while (p < e) {
        switch (*p) {
        case '"':
            if (!(p = skip_string(p, e)))
                return NULL;
            if (depth == 0)
                return p;
            continue;
        case '{':
        case '[': depth++; break;
        case '}':
        case ']':
            if (depth == 0)
                return NULL;
            if (--depth == 0)
                return p + 1;
            break;
        default:
            if (depth == 0) {
                const char *q = p;
                while (q < e && !strchr(",]} \t\r\n", *q))
                    q++;
                return q > p ? q : NULL;
            }
        }
        p++;
    }
    return NULL;
}

bool next_member(const char **pp, const char *e, struct member *m)
{
    const char *p = *pp, *q;
    if (p >= e || (*p != '{' && *p != ','))
        return false;
    p = skip_ws(p + 1, e);
    if (p < e && *p == '}' && **pp == '{')
        *pp = p; /* empty: end where a full one ends */
    if (p >= e || *p != '"' || !(q = skip_string(p, e)))
        return false;
    m->key = (struct span){p + 1, (size_t)(q - p - 2)};
    p = skip_ws(q, e);
    if (p >= e || *p != ':')
        return false;
    p = skip_ws(p + 1, e);
    if (!(q = skip_value(p, e)))
        return false;
    m->val = (struct span){p, (size_t)(q - p)};
    *pp = skip_ws(q, e);
    return true;
}

bool find_member(struct span obj, const char *key, struct span *val)
{
    const char *p = obj.p, *e = obj.p + obj.n;
    struct member m;
    while (next_member(&p, e, &m))
        if (is(m.key, key)) {
            *val = m.val;
            return true;
        }
    return false;
}

bool read_number(struct span s, uint64_t *v)
{
    if (s.n >= 2 && *s.p == '"') {
        s.p++;
        s.n -= 2;
    }
    uint64_t x = 0;
    size_t i = 0;
    while (i < s.n && i < 19 && s.p[i] >= '0' && s.p[i] <= '9')
        x = x * 10 + (uint64_t)(s.p[i++] - '0');
    if (i == 0)
        return false;
    if (i < s.n) {
        char tmp[48], *end;
        if (s.n >= sizeof tmp)
            return false;
        memcpy(tmp, s.p, s.n);
        tmp[s.n] = 0;
        double d = strtod(tmp, &end);
        if (*end || !(d >= 0 && d < 1.8e19))
            return false;
        x = (uint64_t)d;
    }
    *v = x;
    return true;
}

static bool take_field(const char **pp, const char *e, struct span *s)
{
    const char *p = skip_ws(*pp, e), *q;
    if (p >= e || !(q = skip_value(p, e)))
        return false;
    if (*p == '"')
        *s = (struct span){p + 1, (size_t)(q - p - 2)};
    else if (q - p == 4 && !memcmp(p, "null", 4))
        *s = (struct span){NULL, 0};
    else
        *s = (struct span){p, (size_t)(q - p)};
    q = skip_ws(q, e);
    if (q >= e || *q != ',')
        return false;
    *pp = q + 1;
    return true;
}

bool parse_text(const char *p, size_t n, struct message *m)
{
    const char *e = p + n;
    memset(m, 0, sizeof *m);
    p = skip_ws(p, e);
    if (p >= e || *p++ != '[')
        return false;
    if (!take_field(&p, e, &m->join_ref) || !take_field(&p, e, &m->ref) ||
        !take_field(&p, e, &m->topic) || !take_field(&p, e, &m->event))
        return false;
    p = skip_ws(p, e);
    while (e > p && strchr(" \t\r\n", e[-1]))
        e--;
    if (e <= p || *--e != ']')
        return false;
    while (e > p && strchr(" \t\r\n", e[-1]))
        e--;
    if (e <= p)
        return false;
    m->payload = (struct span){p, (size_t)(e - p)};
    return true;
}

bool parse_binary(const unsigned char *p, size_t n, bool from_client, struct message *m)
{
    memset(m, 0, sizeof *m);
    m->binary = true;
    struct span *order[4];
    size_t k = 0;
    if (n < 1)
        return false;
    if (p[0] == 0) {
        order[k++] = &m->join_ref;
        if (from_client)
            order[k++] = &m->ref;
        order[k++] = &m->topic;
        order[k++] = &m->event;
    } else if (p[0] == 1 && !from_client) {
        order[k++] = &m->join_ref;
        order[k++] = &m->ref;
        order[k++] = &m->topic;
        order[k++] = &m->status;
        m->event = (struct span){"phx_reply", 9};
    } else if (p[0] == 2 && !from_client) {
        order[k++] = &m->topic;
        order[k++] = &m->event;
    } else {
        return false;
    }
    size_t at = 1 + k;
    if (n < at)
        return false;
    for (size_t i = 0; i < k; at += p[1 + i], i++) {
        if (n < at + p[1 + i])
            return false;
        *order[i] = (struct span){(const char *)p + at, p[1 + i]};
    }
    m->payload = (struct span){(const char *)p + at, n - at};
    return true;
}

/* ---------------------------------------------------------------- SHA-1, base64, handshake key */

static uint32_t rol(uint32_t v, int s)
{
    return v << s | v >> (32 - s);
}

/* For short inputs (n <= 119), which is all that the handshake needs. */
static void sha1_short(const char *in, size_t n, unsigned char out[20])
{
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char m[128] = {0};
    size_t blocks = (n + 9 + 63) / 64;
    memcpy(m, in, n);
    m[n] = 0x80;
    m[blocks * 64 - 2] = (unsigned char)(n * 8 >> 8);
    m[blocks * 64 - 1] = (unsigned char)(n * 8);
    for (size_t b = 0; b < blocks; b++) {
        uint32_t w[80], a = h[0], c1 = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++) {
            const unsigned char *q = m + b * 64 + i * 4;
            w[i] = (uint32_t)q[0] << 24 | (uint32_t)q[1] << 16 | (uint32_t)q[2] << 8 | q[3];
        }
        for (int i = 16; i < 80; i++)
            w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            uint32_t f, k;
            if (i < 20) {
                f = (c1 & c) | (~c1 & d);
                k = 0x5A827999;
            } else if (i < 40) {
                f = c1 ^ c ^ d;
                k = 0x6ED9EBA1;
            } else if (i < 60) {
                f = (c1 & c) | (c1 & d) | (c & d);
                k = 0x8F1BBCDC;
            } else {
                f = c1 ^ c ^ d;
                k = 0xCA62C1D6;
            }
            uint32_t t = rol(a, 5) + f + e + k + w[i];
            e = d;
            d = c;
            c = rol(c1, 30);
            c1 = a;
            a = t;
        }
        h[0] += a;
        h[1] += c1;
        h[2] += c;
        h[3] += d;
        h[4] += e;
    }
    for (int i = 0; i < 20; i++)
        out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

size_t base64(const unsigned char *in, size_t n, char *out)
{
    static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *o = out;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16;
        if (i + 1 < n)
            v |= (uint32_t)in[i + 1] << 8;
        if (i + 2 < n)
            v |= in[i + 2];
        *o++ = abc[v >> 18];
        *o++ = abc[v >> 12 & 63];
        *o++ = i + 1 < n ? abc[v >> 6 & 63] : '=';
        *o++ = i + 2 < n ? abc[v & 63] : '=';
    }
    *o = 0;
    return (size_t)(o - out);
}

void accept_key(struct span key, char *out)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char in[119];
    unsigned char sum[20];
    size_t n = key.n < 64 ? key.n : 64;
    memcpy(in, key.p, n);
    memcpy(in + n, guid, sizeof guid - 1);
    sha1_short(in, n + sizeof guid - 1, sum);
    base64(sum, 20, out);
}

bool find_header(const char *p, const char *e, const char *name, struct span *val)
{
    size_t n = strlen(name);
    while (p < e) {
        const char *nl = memchr(p, '\n', (size_t)(e - p));
        if (!nl)
            nl = e;
        if ((size_t)(nl - p) > n && p[n] == ':' && !strncasecmp(p, name, n)) {
            const char *a = p + n + 1, *z = nl;
            while (a < z && (*a == ' ' || *a == '\t'))
                a++;
            while (z > a && (z[-1] == ' ' || z[-1] == '\t' || z[-1] == '\r'))
                z--;
            *val = (struct span){a, (size_t)(z - a)};
            return true;
        }
        p = nl + 1;
    }
    return false;
}

/* ---------------------------------------------------------------- WebSocket links, both ends */

void loop_init(struct loop *L, bool server, size_t scratch, uint32_t seed)
{
    L->ep = epoll_create1(EPOLL_CLOEXEC);
    if (L->ep < 0)
        die(1, "epoll_create1: %s", strerror(errno));
    L->server = server;
    L->rbuf = grow(NULL, READ_SIZE);
    L->scratch = grow(NULL, scratch + HEADROOM);
    L->rng = seed * 2654435761u | 1;
}

static struct side *side_need(struct loop *L, uint32_t *ref)
{
    if (*ref)
        return L->sides[*ref - 1];
    if (!L->n_free) {
        if (L->n_sides == L->cap_sides) {
            L->cap_sides = L->cap_sides ? L->cap_sides * 2 : 64;
            L->sides = grow(L->sides, L->cap_sides * sizeof *L->sides);
            L->free_sides = grow(L->free_sides, L->cap_sides * sizeof *L->free_sides);
        }
        L->sides[L->n_sides] = zeroed(1, sizeof **L->sides);
        L->free_sides[L->n_free++] = L->n_sides++;
    }
    *ref = L->free_sides[--L->n_free] + 1;
    return L->sides[*ref - 1];
}

void side_drop(struct loop *L, uint32_t *ref)
{
    if (!*ref)
        return;
    struct side *s = L->sides[*ref - 1];
    buf_free(&s->rx);
    buf_free(&s->frag);
    buf_free(&s->tx);
    s->sent = 0;
    s->frag_op = 0;
    L->free_sides[L->n_free++] = *ref - 1;
    *ref = 0;
}

static void side_trim(struct loop *L, uint32_t *ref)
{
    if (!*ref)
        return;
    struct side *s = L->sides[*ref - 1];
    if (!s->rx.len && !s->tx.len && !s->frag_op)
        side_drop(L, ref);
}

static void link_arm(struct loop *L, int fd, uint32_t id, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.u64 = id};
    epoll_ctl(L->ep, EPOLL_CTL_MOD, fd, &ev);
}

bool link_pending(const struct loop *L, uint32_t side)
{
    return side && L->sides[side - 1]->tx.len;
}

bool link_send(struct loop *L, int fd, uint32_t id, uint32_t *side, const void *p, size_t n)
{
    size_t done = 0;
    if (!link_pending(L, *side)) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (k == (ssize_t)n)
            return true;
        if (k < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        done = k > 0 ? (size_t)k : 0;
        link_arm(L, fd, id, EPOLLIN | EPOLLOUT);
    }
    struct side *s = side_need(L, side);
    if (s->tx.len - s->sent + (n - done) > MAX_PENDING) {
        errno = ENOBUFS;
        return false;
    }
    if (s->sent > s->tx.len / 2) {
        memmove(s->tx.p, s->tx.p + s->sent, s->tx.len - s->sent);
        s->tx.len -= s->sent;
        s->sent = 0;
    }
    buf_add(&s->tx, (const char *)p + done, n - done);
    return true;
}

bool link_flush(struct loop *L, int fd, uint32_t id, uint32_t *side)
{
    if (!link_pending(L, *side))
        return true;
    struct side *s = L->sides[*side - 1];
    ssize_t k = send(fd, s->tx.p + s->sent, s->tx.len - s->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (k < 0)
        return errno == EAGAIN || errno == EINTR;
    s->sent += (uint32_t)k;
    if (s->sent == s->tx.len) {
        buf_free(&s->tx);
        s->sent = 0;
        side_trim(L, side);
        link_arm(L, fd, id, EPOLLIN);
    }
    return true;
}

static void apply_mask(unsigned char *p, size_t n, uint32_t key)
{
    uint64_t k = key | (uint64_t)key << 32, v;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&v, p, 8);
        v ^= k;
        memcpy(p, &v, 8);
    }
    for (; n; n--, k >>= 8)
        *p++ ^= (unsigned char)k;
}

unsigned char *frame_wrap(struct loop *L, int op, unsigned char *p, size_t n, size_t *total)
{
    unsigned char *h = p;
    if (!L->server) {
        L->rng ^= L->rng << 13;
        L->rng ^= L->rng >> 17;
        L->rng ^= L->rng << 5;
        apply_mask(p, n, L->rng);
        h -= 4;
        memcpy(h, &L->rng, 4);
    }
    unsigned char mask = L->server ? 0 : 0x80;
    if (n < 126) {
        *--h = (unsigned char)(mask | n);
    } else if (n < 65536) {
        *--h = (unsigned char)n;
        *--h = (unsigned char)(n >> 8);
        *--h = mask | 126;
    } else {
        for (int i = 0; i < 8; i++)
            *--h = (unsigned char)((uint64_t)n >> (8 * i));
        *--h = mask | 127;
    }
    *--h = (unsigned char)(0x80 | op);
    *total = (size_t)(p - h) + n;
    return h;
}

struct frame {
    int op;
    bool fin, deflated;
    unsigned char *data;
    size_t len, need;
};

/* Bytes used by the first whole frame of p[0..n), 0 if it is cut off (then f->need says how much
 * it takes, if that is known), -1 if it is against the protocol. Unmasks in place. */
static ssize_t frame_take(struct loop *L, unsigned char *p, size_t n, struct frame *f)
{
    f->need = 0;
    if (n < 2)
        return 0;
    uint64_t len = p[1] & 127;
    size_t head = 2;
    f->deflated = (p[0] & 0x70) == 0x40 && L->inflate;
    if (p[0] & 0x70 && !f->deflated) {
        L->bad = "reserved bits are set";
        return -1;
    }
    if (!(p[1] & 0x80) == L->server) {
        L->bad = "masking is wrong for this side";
        return -1;
    }
    if (len == 126) {
        head = 4;
        if (n < head)
            return 0;
        len = (uint64_t)p[2] << 8 | p[3];
    } else if (len == 127) {
        head = 10;
        if (n < head)
            return 0;
        len = 0;
        for (int i = 2; i < 10; i++)
            len = len << 8 | p[i];
    }
    if (len > MAX_MESSAGE) {
        L->bad = "message is too long";
        return -1;
    }
    f->op = p[0] & 15;
    f->fin = p[0] >> 7;
    if (f->op > 10 || (f->op > 2 && f->op < 8)) {
        L->bad = "unknown opcode";
        return -1;
    }
    if (f->op >= 8 && (len > 125 || !f->fin)) {
        L->bad = "bad control frame";
        return -1;
    }
    if (L->server)
        head += 4;
    f->need = head + (size_t)len;
    if (n < f->need)
        return 0;
    f->data = p + head;
    f->len = (size_t)len;
    if (L->server) {
        uint32_t key;
        memcpy(&key, p + head - 4, 4);
        apply_mask(f->data, f->len, key);
    }
    return (ssize_t)f->need;
}

enum link_result link_read(struct loop *L, int fd, uint32_t id, uint32_t *side, bool http)
{
    struct side *s = *side ? L->sides[*side - 1] : NULL;
    bool own = s && s->rx.cap > READ_SIZE;
    unsigned char *p = own ? s->rx.p : L->rbuf;
    size_t have = s ? s->rx.len : 0, room = (own ? s->rx.cap : READ_SIZE) - have;
    size_t used = 0, need = 0;
    if (!own && have)
        memcpy(p, s->rx.p, have);
    ssize_t k = recv(fd, p + have, room, 0);
    if (k == 0)
        return LINK_EOF;
    if (k < 0)
        return errno == EAGAIN || errno == EINTR ? LINK_OK : LINK_ERROR;
    L->now = now_ns();
    have += (size_t)k;
    if (s)
        s->rx.len = own ? (uint32_t)have : 0;
    if (http) {
        ssize_t u = L->on_http(L, id, (char *)p, have);
        if (u < 0)
            return LINK_GONE;
        used = (size_t)u;
    }
    while ((!http || used) && used < have) {
        struct frame f;
        ssize_t u = frame_take(L, p + used, have - used, &f);
        if (u < 0)
            return LINK_BAD;
        if (u == 0) {
            need = f.need;
            break;
        }
        used += (size_t)u;
        if (f.op >= 8) {
            if (L->on_control(L, id, f.op, (char *)f.data, f.len))
                return LINK_GONE;
            continue;
        }
        bool within = *side && L->sides[*side - 1]->frag_op;
        if ((f.op == OP_CONT) != within) {
            L->bad = "bad continuation";
            return LINK_BAD;
        }
        if (f.deflated && (!f.fin || within || !L->inflate(&f.data, &f.len))) {
            L->bad = "a compressed message in parts, or one that can not be inflated";
            return LINK_BAD;
        }
        if (f.fin && !within) {
            if (L->on_message(L, id, f.op, (char *)f.data, f.len))
                return LINK_GONE;
            continue;
        }
        struct side *g = side_need(L, side);
        if (!within)
            g->frag_op = (uint8_t)f.op;
        if (g->frag.len + f.len > MAX_MESSAGE) {
            L->bad = "message is too long";
            return LINK_BAD;
        }
        buf_add(&g->frag, f.data, f.len);
        if (f.fin) {
            struct buf whole = g->frag;
            int op = g->frag_op;
            g->frag = (struct buf){0};
            g->frag_op = 0;
            int gone = L->on_message(L, id, op, (char *)whole.p, whole.len);
            buf_free(&whole);
            if (gone)
                return LINK_GONE;
        }
    }
    size_t left = have - used;
    if (own) {
        if (used)
            memmove(p, p + used, left);
        s->rx.len = (uint32_t)left;
    } else if (left) {
        s = side_need(L, side);
        buf_add(&s->rx, p + used, left);
    }
    if (left) {
        buf_reserve(&s->rx, need);
    } else {
        if (s)
            buf_free(&s->rx);
        side_trim(L, side);
    }
    return LINK_OK;
}
