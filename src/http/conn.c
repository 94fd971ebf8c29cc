/* The process of a connection: its life, its reading, and HTTP/1.1 on it. See conn.h. */
#include "http/conn_int.h"

#include <errno.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/telemetry.h>

#include "base/container.h"
#include "http/h2.h"
#include "http/h2_stream.h"
#include "http/peers.h"
#include "runtime/net_int.h"

#define ROUNDS 4 /* reads of one connection before others get a turn, */
#define REQUESTS_A_TURN 16
#define TMP_A_TURN (64u << 10) /* and bytes that its requests have taken of the event's memory */
#define SOCKET "socket"
#define CLOSE_RESTART 1012

#define DEFAULT_CONNECTIONS 65536u

/* A peer has left more unread than it may, and is reset. */
ANQA_TELEMETRY_DEFINE(slow_reader, "anqa.http.slow_reader");

/* ---------------------------------------------------------------- life */

anqa_pid conn_pid(const struct conn *conn)
{
    return proc_pid(sched_self->rt, conn->self);
}

void conn_peer(const struct conn *conn, char text[ANQA_ADDRESS_TEXT])
{
    struct address address = {.len = sizeof address.u};

    text[0] = '\0';
    if (conn->streamed)
        stream_peer(conn, text);
    else if (conn->entry != NULL && getpeername(conn->entry->fd, &address.u.any, &address.len) == 0)
        address_format(&address, text);
}

void service_unref(struct http_service *service)
{
    if (atomic_fetch_sub_explicit(&service->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(service->acceptors);
    peers_unref(service->peers);
    service->drop(service);
}

void service_enter(struct http_service *service)
{
    atomic_fetch_add_explicit(&service->connections, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&service->refs, 1, memory_order_relaxed);
}

void service_leave(struct http_service *service)
{
    atomic_fetch_sub_explicit(
        &service->connections, 1, memory_order_release); /* pairs with is_empty: with its holds */
    service_unref(service);
}

void service_hold(struct http_service *service)
{
    atomic_fetch_add_explicit(&service->others, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&service->refs, 1, memory_order_relaxed);
}

void service_let_go(struct http_service *service)
{
    atomic_fetch_sub_explicit(&service->others, 1, memory_order_relaxed);
    service_unref(service);
}

/* However it ends. The socket is closed by its own hook. */
static void conn_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct conn *conn = ANQA_CONTAINER_OF(hook, struct conn, hook);

    if (conn->ops != NULL) {
        conn->ops->closed(conn, conn->user);
        websocket_done(&conn->read.ws);
    } else if (conn->serving && conn->phase == CONN_HTTP) {
        h1_last_words(conn);
    }
    if (conn->framed)
        h2_gone(conn);
    conn->phase = CONN_DEAD;
    if (conn->secure)
        tls_done(conn);
    conn_out_free(conn);
    free(conn->in);
    anqa_list_remove(&conn->timed);
    service_leave(conn->service);
}

void conn_lose(struct conn *conn, bool reset)
{
    if (conn->phase == CONN_DEAD)
        return;
    conn->phase = CONN_DEAD;
    conn_out_free(conn);
    if (conn->streamed)
        stream_lost(conn);
    else if (reset && conn->entry != NULL)
        net_linger_off(conn->entry->fd);
}

void conn_kill(struct conn *conn, bool reset)
{
    conn_lose(conn, reset);
    if (conn->self->stack !=
        NULL) /* it waits in the middle of a request, where no kick reaches it */
        anqa_exit_signal(conn_pid(conn), ANQA_KILL);
    else
        proc_kick(sched_self, conn->self);
}

/* Whether the socket can be closed without waiting for the end of the peer's side: what would come then and be answered with a
 * reset, by which the peer might lose what we have sent. It has promised that nothing comes. */
static bool says_no_more(const struct conn *conn)
{
    return conn->last && conn->in == NULL && !conn->secure && (fd_ready(conn->entry) & FD_IN) == 0;
}

void conn_close(struct conn *conn)
{
    if (conn->phase >= CONN_LINGER)
        return;
    if (conn->streamed) {
        stream_close(conn);
        return;
    }
    if (conn->secure && conn->out == NULL)
        tls_shut(conn);
    if (conn->out != NULL) {
        if (conn->phase != CONN_FLUSH) {
            conn->phase = CONN_FLUSH;
            outlet_time(conn, conn_seconds(conn->service->close_timeout, CONN_CLOSE_S));
            conn_flush(conn);
        }
        return;
    }
    if (conn->ended || says_no_more(conn) || !conn_shut(conn)) {
        conn_kill(conn, false);
        return;
    }
    conn->phase = CONN_LINGER;
    conn->paused = false;
    outlet_time(conn, conn_seconds(conn->service->close_timeout, CONN_CLOSE_S));
    proc_kick(sched_self, conn->self);
}

void conn_timeout(struct conn *conn)
{
    if (conn->streamed && stream_timeout(conn)) {
        return;
    } else if (conn->serving || conn->waiting) {
        outlet_time(conn, conn->timeout_s);
    } else if (conn->phase == CONN_WS) {
        conn_ws_close(conn, 1002, anqa_str_of(""));
    } else if (conn->phase == CONN_H2) {
        h2_timeout(conn);
    } else if (conn->phase == CONN_HTTP) {
        if (conn->in != NULL) /* in the middle of a head */
            conn_refuse(conn, 408, "the request did not come in time\n");
        conn_close(conn);
    } else if (conn->phase == CONN_HANDSHAKE) {
        tls_fail(conn, "the time is over");
        conn_kill(conn, false);
    } else { /* it does not close its side: nobody to be told */
        conn_kill(conn, conn->phase != CONN_LINGER);
    }
}

void conn_arm(struct conn *conn)
{
    unsigned what = (conn->paused || conn->ended ? 0u : FD_IN) | (conn->blocked ? FD_OUT : 0u);

    if (conn->phase == CONN_DEAD || conn->waiting || conn->streamed || what == 0)
        return;
    if (fd_arm(conn->entry, what) != ANQA_OK)
        conn_kill(conn, true); /* the system has no room to watch it */
}

void conn_pause(struct conn *conn)
{
    conn->paused = true;
}

void conn_resume(struct conn *conn)
{
    if (!conn->paused)
        return;
    conn->paused = false;
    conn->resumed = true;
    if (conn->phase != CONN_DEAD)
        proc_kick(sched_self, conn->self);
}

static bool queue_head(struct conn *conn, anqa_str head)
{
    char *room;

    if (conn->streamed)
        return stream_head(conn, head, true);
    room = conn_queue_room(conn, head.len);
    if (room != NULL)
        memcpy(room, head.ptr, head.len);
    return room != NULL;
}

void conn_upgrade(
    struct conn *conn, anqa_str head, const struct ws_ops *ops, void *user, uint16_t timeout)
{
    bool done = false;

    if (conn->leaving || (conn->streamed && conn_drains(conn)))
        conn_respond(conn, 503, NULL, (anqa_str){NULL, 0});
    else
        done = queue_head(conn, head);
    if (!done || conn->phase != CONN_HTTP) { /* closed meanwhile, or there was no memory */
        ops->closed(conn, user);
        return;
    }
    conn->ops = ops;
    conn->user = user;
    conn->phase = CONN_WS;
    conn->read.ws = (struct websocket){0};
    outlet_time(
        conn, timeout != 0 ? timeout : conn_seconds(conn->service->idle_timeout, CONN_IDLE_S));
}

/* ---------------------------------------------------------------- reading */

/* Whether others are to have a turn, and the event's memory its end. */
static bool turn_is_over(struct conn *conn, unsigned requests)
{
    if (requests < REQUESTS_A_TURN && anqa_tmp()->held < TMP_A_TURN)
        return false;
    conn->resumed = true;
    proc_kick(sched_self, conn->self);
    return true;
}

/* Whether bytes at the front of a connection need more behind them to be told from the preface of HTTP/2; if they are that,
 * it is spoken from now on. */
static bool may_be_preface(struct conn *conn, const char *bytes, size_t len)
{
    enum h2_preface preface = h2_preface(bytes, len);

    if (preface == H2_PREFACE)
        h2_begin(conn);
    return preface == H2_PREFACE_PART;
}

void conn_take(struct conn *conn, char *bytes, size_t len)
{
    unsigned requests = 0;

    while (len > 0 && !conn->paused) {
        struct request *request = NULL;
        size_t taken;

        if (!conn->begun && conn->phase == CONN_HTTP && may_be_preface(conn, bytes, len))
            break;
        switch (conn->phase) {
        case CONN_HTTP: taken = h1_take(conn, bytes, len, &request); break;
        case CONN_H2: taken = h2_take(conn, bytes, len); break;
        case CONN_WS:
        case CONN_WS_CLOSING: taken = conn_ws_take(conn, bytes, len); break;
        default: taken = len; break; /* nobody wants it any more */
        }
        bytes += taken;
        len -= taken;
        if (request == NULL) {
            if (taken == 0)
                break;
            continue;
        }
        input_keep(conn, bytes, len); /* others read into the buffer while this one waits */
        h1_serve(conn, request);
        if (conn->in == NULL || turn_is_over(conn, ++requests))
            return;
        bytes = conn->in->bytes + conn->in->at;
        len = conn->in->end - conn->in->at;
    }
    input_keep(conn, bytes, len);
}

/* One read. False: there is nothing more for now. */
static bool read_once(struct conn *conn)
{
    char *to = conn->outlet->read;
    size_t room = READ_SIZE;
    ssize_t n;

    if (conn->phase == CONN_HANDSHAKE)
        return tls_handshake(conn);
    if (conn->in != NULL)
        to = input_room(conn, &room);
    if (to == NULL) {
        conn_kill(conn, true);
        return false;
    }
    if (room >
        READ_SIZE) /* what is read is moved to the front each time that a pause leaves a part of it */
        room = READ_SIZE;
    do
        n = conn_recv(conn, to, room);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        fd_drained(conn->entry);
        if (n < 0 && errno == EAGAIN)
            return false;
        conn->ended = true;
        if (n == 0 && conn->phase == CONN_H2)
            h2_input_over(conn);
        else if (n < 0 || conn->phase == CONN_LINGER || (conn->out == NULL && !conn->secure))
            conn_kill(conn, false);
        else /* it may still read what is queued, and our good-bye */
            conn_close(conn);
        return false;
    }
    if ((size_t)n < room && !conn->entry->is_unix && !conn->secure)
        fd_drained(conn->entry);
    if (conn->phase == CONN_WS)
        conn->since_s = (uint32_t)(sched_self->now_ms / 1000);
    if (conn->in != NULL) {
        conn->in->end += (uint32_t)n;
        conn_take(conn, conn->in->bytes, conn->in->end);
    } else {
        conn_take(conn, to, (size_t)n);
    }
    return conn->secure || !fd_is_drained(conn->entry); /* TLS knows itself what it still has */
}

static void conn_read(struct conn *conn)
{
    bool resumed = conn->resumed;

    conn->resumed = false;
    if (resumed && conn->in != NULL)
        conn_take(conn, conn->in->bytes + conn->in->at, conn->in->end - conn->in->at);
    for (unsigned i = 0;
        conn->phase != CONN_DEAD && !conn->paused && !conn->ended && !conn->resumed; i++) {
        if (i == ROUNDS) { /* the others, too */
            proc_kick(sched_self, conn->self);
            return;
        }
        if (!read_once(conn))
            return;
    }
}

void conn_over(struct conn *conn)
{
    if (conn->slow)
        ANQA_EMIT(slow_reader, (anqa_field_uint("bytes", conn->out_bytes)),
            (anqa_field_pid("pid", conn_pid(conn).bits)));
    if (conn->secure)
        tls_over(conn);
    proc_end(conn->self, ANQA_NORMAL);
}

static void conn_run(struct conn *conn)
{
    if (conn->phase == CONN_NEW)
        return;
    if (conn->phase == CONN_DEAD) {
        conn_over(conn);
        return;
    }
    if (conn->blocked && (fd_ready(conn->entry) & FD_OUT) != 0) {
        conn->blocked = false;
        conn_flush(conn);
    }
    conn_read(conn);
    if (conn->phase == CONN_DEAD)
        conn_over(conn);
    else
        conn_arm(conn);
}

/* ---------------------------------------------------------------- the process */

static void conn_begin(struct conn *conn, const anqa_msg *msg)
{
    anqa_tcp socket;
    anqa_status why;

    if (conn->phase != CONN_NEW || anqa_tcp_take(msg, &socket) != ANQA_OK)
        return;
    conn->entry = fd_get(socket.bits, FD_CONN, &why);
    /* Behind the hook that closes the socket, so that this one runs first. */
    exit_hook_remove(&conn->hook);
    exit_hook_add(&conn->hook);
    if (!conn->secure) {
        conn->phase = CONN_HTTP;
        outlet_time(conn, conn_request_s(conn, conn->service->head_timeout, CONN_HEAD_S));
    } else {
        conn->phase = CONN_HANDSHAKE;
        outlet_time(conn, conn_seconds(conn->service->handshake_timeout, CONN_HANDSHAKE_S));
        if (!tls_begin(conn))
            conn_kill(conn, true);
    }
    conn_run(conn);
}

static void conn_init(void *state)
{
    struct conn *conn = state;

    conn->self = sched_self->current;
    conn->outlet = outlet_here();
    outlet_time(conn, CONN_CLOSE_S); /* for its socket to come */
}

void conn_info(struct conn *conn, const anqa_msg *msg)
{
    if (conn->phase != CONN_WS || conn->ops->info == NULL)
        return;
    conn->ops->info(conn, conn->user, msg);
    if (conn->leaving)
        conn_ws_close(conn, CLOSE_RESTART, anqa_str_of(""));
}

static void conn_handle(void *state, const anqa_msg *msg)
{
    struct conn *conn = state;

    if (msg->kind == ANQA_MSG_SYSTEM)
        conn_run(conn);
    else if (anqa_tag_is(msg->tag, SOCKET))
        conn_begin(conn, msg);
    else
        conn_info(conn, msg);
}

void conn_trace_exits(struct conn *conn)
{
    struct proc_more *more = proc_more(sched_self, conn->self);

    if (more != NULL && more->exit_trace == NULL)
        more->exit_trace = anqa_heap_calloc(1, sizeof *more->exit_trace);
}

const struct backtrace *conn_exit_trace(const struct conn *conn)
{
    return conn->self->more == NULL ? NULL : conn->self->more->exit_trace;
}

/* Its own code has ended it, in the middle of a request. */
static void conn_terminate(void *state, anqa_reason reason)
{
    struct conn *conn = state;

    if (conn->serving && conn->phase == CONN_HTTP)
        h1_crashed(conn, reason);
}

static_assert(sizeof(struct conn) <= 160, "budget of an idle client");

static const anqa_behaviour conn_behaviour = {
    .name = "connection", .init = conn_init, .handle = conn_handle, .terminate = conn_terminate};

/* From here on its end is counted, even if it is killed before it has run. */
static void conn_watch(anqa_pid pid)
{
    struct proc *p = proc_slot(sched_self->rt, pid);
    struct conn *conn = p->state;

    anqa_list_node_init(&conn->timed);
    anqa_list_node_init(&conn->dirty);
    conn->hook.run = conn_exit;
    exit_hook_add_to(p, &conn->hook);
}

anqa_status conn_start(struct http_service *service, bool secure, anqa_tcp socket)
{
    struct conn conn = {.service = service, .secure = secure};
    uint32_t most = service->max_connections == 0 ? DEFAULT_CONNECTIONS : service->max_connections;
    anqa_spawn_opts opts = {.behaviour = &conn_behaviour,
        .arg = &conn,
        .arg_size = sizeof conn,
        .state_size = secure ? tls_conn_size() : 0,
        .pinned = true,
        .priority = secure ? ANQA_PRIORITY_LOW : ANQA_PRIORITY_NORMAL}; /* see tls_handshake */
    anqa_pid pid;
    anqa_status status;

    if (outlet_here() == NULL)
        return ANQA_E_NOMEM;
    if (atomic_fetch_add_explicit(&service->connections, 1, memory_order_relaxed) >= most) {
        atomic_fetch_sub_explicit(&service->connections, 1, memory_order_relaxed);
        return ANQA_E_LIMIT;
    }
    atomic_fetch_add_explicit(&service->refs, 1, memory_order_relaxed);
    status = anqa_spawn(&opts, &pid, NULL);
    if (status != ANQA_OK) {
        service_leave(service);
        return status;
    }
    conn_watch(pid);
    status = anqa_tcp_move(socket, pid, SOCKET);
    if (status != ANQA_OK)
        anqa_exit_signal(pid, ANQA_KILL);
    return status;
}
