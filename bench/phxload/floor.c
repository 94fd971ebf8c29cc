/* The bare reference server. */
#include "run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel.h"
#include "link.h"
#include "options.h"

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

int run_floor(void)
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
