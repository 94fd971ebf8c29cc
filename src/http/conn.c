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
#include "http/response.h"
#include "http/static.h"
#include "runtime/net_int.h"

#define ROUNDS 4 /* reads of one connection before others get a turn */
#define HEAD_ROOM 1024u
#define SOCKET "socket"

#define DEFAULT_CONNECTIONS 65536u
#define DEFAULT_HEAD_S 15u
#define DEFAULT_IDLE_S 60u

/* A peer has left more unread than it may, and is reset. */
ANQA_TELEMETRY_DEFINE(slow_reader, "anqa.http.slow_reader");

static uint16_t or_default(uint16_t value, uint16_t otherwise)
{
    return value == 0 ? otherwise : value;
}

/* ---------------------------------------------------------------- life */

anqa_pid conn_pid(const struct conn *conn)
{
    return proc_pid(sched_self->rt, conn->self);
}

void conn_peer(const struct conn *conn, char text[ANQA_ADDRESS_TEXT])
{
    struct address address = {.len = sizeof address.u};

    text[0] = '\0';
    if (conn->entry != NULL && getpeername(conn->entry->fd, &address.u.any, &address.len) == 0)
        address_format(&address, text);
}

void service_unref(struct http_service *service)
{
    if (atomic_fetch_sub_explicit(&service->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(service->acceptors);
    service->drop(service);
}

static void connection_gone(struct http_service *service)
{
    atomic_fetch_sub_explicit(&service->connections, 1, memory_order_relaxed);
    service_unref(service);
}

/* However it ends. The socket is closed by its own hook. */
static void conn_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct conn *conn = ANQA_CONTAINER_OF(hook, struct conn, hook);

    if (conn->serving)
        conn_answer_crash(conn);
    if (conn->ops != NULL) {
        conn->ops->closed(conn, conn->user);
        websocket_done(&conn->read.ws);
    }
    conn->phase = CONN_DEAD;
    conn_out_free(conn);
    free(conn->in);
    anqa_list_remove(&conn->timed);
    connection_gone(conn->service);
}

void conn_kill(struct conn *conn, bool reset)
{
    if (conn->phase == CONN_DEAD)
        return;
    conn->phase = CONN_DEAD;
    conn_out_free(conn);
    if (reset && conn->entry != NULL)
        net_linger_off(conn->entry->fd);
    if (conn->self->stack !=
        NULL) /* it waits in the middle of a request, where no kick reaches it */
        anqa_exit_signal(conn_pid(conn), ANQA_KILL);
    else
        proc_kick(sched_self, conn->self);
}

void conn_close(struct conn *conn)
{
    if (conn->phase >= CONN_LINGER)
        return;
    if (conn->out != NULL) {
        if (conn->phase != CONN_FLUSH) {
            conn->phase = CONN_FLUSH;
            outlet_time(conn, conn_close_s(conn));
            conn_flush(conn);
        }
        return;
    }
    if (conn->ended || shutdown(conn->entry->fd, SHUT_WR) < 0) {
        conn_kill(conn, false);
        return;
    }
    conn->phase = CONN_LINGER;
    conn->paused = false;
    outlet_time(conn, conn_close_s(conn));
    proc_kick(sched_self, conn->self);
}

void conn_timeout(struct conn *conn)
{
    if (conn->phase == CONN_WS)
        conn_ws_close(conn, 1002, anqa_str_of(""));
    else if (conn->phase == CONN_HTTP && conn_is_idle(conn))
        conn_close(conn);
    else /* in a head, or it does not close its side: nobody to be told */
        conn_kill(conn, conn->phase != CONN_LINGER);
}

void conn_arm(struct conn *conn)
{
    unsigned what = (conn->paused || conn->ended ? 0u : FD_IN) | (conn->blocked ? FD_OUT : 0u);

    if (conn->phase == CONN_DEAD || conn->waiting || what == 0)
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

/* ---------------------------------------------------------------- HTTP */

void conn_respond(struct conn *conn, unsigned status, const char *type, anqa_str body)
{
    char head[HEAD_ROOM];
    struct response response;
    anqa_str text;
    size_t sent;
    char *room;

    if (conn->phase != CONN_HTTP || conn->answered)
        return;
    conn_answer_begin(conn);
    response_start(&response, head, sizeof head, status);
    if (type != NULL)
        response_header(&response, "content-type", anqa_str_of(type));
    response_header_uint(&response, "content-length", body.len);
    if (!conn->keep_alive)
        response_header(&response, "connection", anqa_str_of("close"));
    if (response_finish(&response, &text) != ANQA_OK) {
        conn_kill(conn, true);
        return;
    }
    sent = conn->head_only ? 0 : body.len;
    room = conn_queue_room(conn, text.len + sent);
    if (room == NULL)
        return;
    memcpy(room, text.ptr, text.len);
    if (sent > 0)
        memcpy(room + text.len, body.ptr, sent);
}

void conn_upgrade(
    struct conn *conn, anqa_str head, const struct ws_ops *ops, void *user, uint16_t timeout)
{
    char *room = conn_queue_room(conn, head.len);

    if (room != NULL)
        memcpy(room, head.ptr, head.len);
    if (conn->phase != CONN_HTTP) { /* closed meanwhile, or there was no memory */
        ops->closed(conn, user);
        return;
    }
    conn->ops = ops;
    conn->user = user;
    conn->phase = CONN_WS;
    conn->read.ws = (struct websocket){0};
    outlet_time(
        conn, timeout != 0 ? timeout : or_default(conn->service->idle_timeout, DEFAULT_IDLE_S));
}

static void refuse(struct conn *conn, unsigned status, const char *why)
{
    conn->keep_alive = false;
    conn_respond(conn, status, "text/plain; charset=utf-8", anqa_str_of(why));
}

/* Its parts move with the bytes they lie in. */
static void slice_move(anqa_str *slice, const char *from, const char *to)
{
    if (slice->ptr != NULL)
        slice->ptr = to + (slice->ptr - from);
}

/* The same request in memory of the event: whoever answers may wait, and others read into the buffer meanwhile. */
static struct request *request_own(const struct request *request, const char *bytes)
{
    size_t size =
        offsetof(struct request, headers) + request->header_count * sizeof(struct request_header);
    struct request *own = anqa_arena_alloc(anqa_tmp(), size);
    char *copy = anqa_tmp_copy(bytes, request->head_bytes);

    memcpy(own, request, size);
    slice_move(&own->method_name, bytes, copy);
    slice_move(&own->path, bytes, copy);
    slice_move(&own->query, bytes, copy);
    slice_move(&own->host, bytes, copy);
    for (uint32_t i = 0; i < own->header_count; i++) {
        slice_move(&own->headers[i].name, bytes, copy);
        slice_move(&own->headers[i].value, bytes, copy);
    }
    return own;
}

static void serve(struct conn *conn, const struct request *request)
{
    const struct http_service *service = conn->service;

    for (size_t i = 0; i < service->mount_count; i++)
        if (anqa_str_eq(service->mounts[i].path, request->path)) {
            service->mounts[i].serve(conn, request, service->mounts[i].arg);
            return;
        }
    for (size_t i = 0; i < service->static_count; i++)
        if (conn_serve_static(conn, &service->statics[i], request))
            return;
    refuse(conn, 404, "there is nothing here\n");
}

/* For a request to begin. */
static uint16_t request_wait_s(const struct conn *conn, uint16_t given, uint16_t otherwise)
{
    return conn_drains(conn) ? CONN_DRAIN_S : or_default(given, otherwise);
}

/* After the answer: the next request, or the end. */
static void request_over(struct conn *conn)
{
    if (conn->phase != CONN_HTTP)
        return;
    if (!conn->answered)
        refuse(conn, 500, "no answer was given\n");
    conn->answered = false;
    if (!conn->keep_alive)
        conn_close(conn);
    else if (conn->phase == CONN_HTTP)
        outlet_time(conn, request_wait_s(conn, conn->service->idle_timeout, DEFAULT_IDLE_S));
}

/* One request, if there is a whole one: *ret_request, to be served when the bytes behind it are safe. Returns how many
 * bytes were taken. */
static size_t http_take(
    struct conn *conn, const char *bytes, size_t len, struct request **ret_request)
{
    static _Thread_local struct request parsed; /* 3 KB that no stack need hold */
    bool begins = conn->read.scan.at == 0;

    *ret_request = NULL;
    switch (request_parse(&parsed, &conn->read.scan, bytes, len, NULL)) {
    case REQUEST_MORE:
        if (begins && len > 0) /* its first part: from now on the clock runs */
            outlet_time(conn, or_default(conn->service->head_timeout, DEFAULT_HEAD_S));
        return 0;
    case REQUEST_REFUSED:
        conn->head_only = false;
        refuse(conn, parsed.status, parsed.why);
        request_over(conn);
        return len;
    case REQUEST_DONE: break;
    }
    conn->keep_alive = parsed.keep_alive;
    conn->head_only = parsed.method == REQUEST_HEAD;
    if (parsed.body_bytes > 0 || parsed.chunked) {
        conn->keep_alive = false;
        refuse(conn, 413, "no body is taken here\n");
        request_over(conn);
        return len;
    }
    *ret_request = request_own(&parsed, bytes);
    return parsed.head_bytes;
}

/* ---------------------------------------------------------------- reading */

/* Keeps what was not taken. bytes: the shared buffer, or conn->in's own. */
static void input_keep(struct conn *conn, const char *bytes, size_t len)
{
    struct input *in = conn->in;

    if (len == 0) {
        free(in);
        conn->in = NULL;
        return;
    }
    if (in == NULL) {
        anqa_section_begin();
        in = malloc(sizeof *in + len);
        anqa_section_end();
        if (in == NULL) {
            conn_kill(conn, true);
            return;
        }
        in->cap = (uint32_t)len;
        conn->in = in;
    }
    memmove(in->bytes, bytes, len);
    in->len = (uint32_t)len;
}

/* Takes what can be taken from bytes that have come; the rest is kept. */
static void take(struct conn *conn, char *bytes, size_t len)
{
    while (len > 0 && !conn->paused) {
        struct request *request = NULL;
        size_t taken;

        switch (conn->phase) {
        case CONN_HTTP: taken = http_take(conn, bytes, len, &request); break;
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
        if (conn->phase == CONN_HTTP) /* the head is there: its time is over */
            outlet_time(conn, or_default(conn->service->idle_timeout, DEFAULT_IDLE_S));
        conn->serving = true;
        serve(conn, request);
        conn->serving = false;
        request_over(conn);
        if (conn->in == NULL)
            return;
        bytes = conn->in->bytes;
        len = conn->in->len;
    }
    input_keep(conn, bytes, len);
}

/* Room for more behind what is kept: as much again, so that memory follows what has really come. */
static bool input_grow(struct conn *conn)
{
    struct input *larger, *in = conn->in;
    size_t cap = in->cap < 2048 ? 4096 : (size_t)in->cap * 2;

    if (in->len < in->cap)
        return true;
    anqa_section_begin();
    larger = realloc(in, sizeof *in + cap);
    anqa_section_end();
    if (larger == NULL)
        return false;
    larger->cap = (uint32_t)cap;
    conn->in = larger;
    return true;
}

/* One read. False: there is nothing more for now. */
static bool read_once(struct conn *conn)
{
    struct outlet *outlet = conn->outlet;
    struct input *in;
    char *to = outlet->read;
    size_t room = READ_SIZE;
    ssize_t n;

    if (conn->in != NULL) {
        if (!input_grow(conn)) {
            conn_kill(conn, true);
            return false;
        }
        in = conn->in;
        to = in->bytes + in->len;
        room = in->cap - in->len;
        if (room >
            READ_SIZE) /* what is read is moved to the front each time that a pause leaves a part of it */
            room = READ_SIZE;
    }
    do
        n = recv(conn->entry->fd, to, room, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        fd_drained(conn->entry);
        if (n < 0 && errno == EAGAIN)
            return false;
        conn->ended = true;
        if (n < 0 || conn->out == NULL)
            conn_kill(conn, false);
        else /* it may still read what is queued */
            conn_close(conn);
        return false;
    }
    if ((size_t)n < room && !conn->entry->is_unix)
        fd_drained(conn->entry);
    if (conn->phase == CONN_WS)
        conn->since_s = (uint32_t)(sched_self->now_ms / 1000);
    in = conn->in;
    if (in != NULL) {
        in->len += (uint32_t)n;
        take(conn, in->bytes, in->len);
    } else {
        take(conn, outlet->read, (size_t)n);
    }
    return !fd_is_drained(conn->entry);
}

static void conn_read(struct conn *conn)
{
    if (conn->in != NULL && conn->resumed) {
        conn->resumed = false;
        take(conn, conn->in->bytes, conn->in->len);
    }
    for (unsigned i = 0; conn->phase != CONN_DEAD && !conn->paused && !conn->ended; i++) {
        if (i == ROUNDS) { /* the others, too */
            proc_kick(sched_self, conn->self);
            return;
        }
        if (!read_once(conn))
            return;
    }
}

static void conn_over(struct conn *conn)
{
    if (conn->slow)
        ANQA_EMIT(slow_reader, (anqa_field_uint("bytes", conn->out_bytes)),
            (anqa_field_pid("pid", conn_pid(conn).bits)));
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
    anqa_conn socket;
    anqa_status why;

    if (conn->phase != CONN_NEW || anqa_conn_take(msg, &socket) != ANQA_OK)
        return;
    conn->entry = fd_get(socket.bits, FD_CONN, &why);
    /* Behind the hook that closes the socket, so that this one runs first. */
    exit_hook_remove(&conn->hook);
    exit_hook_add(&conn->hook);
    conn->phase = CONN_HTTP;
    outlet_time(conn, request_wait_s(conn, conn->service->head_timeout, DEFAULT_HEAD_S));
    conn_run(conn);
}

static void conn_init(void *state)
{
    struct conn *conn = state;

    conn->self = sched_self->current;
    conn->outlet = outlet_here();
    outlet_time(conn, DEFAULT_CLOSE_S); /* for its socket to come */
}

static void conn_handle(void *state, const anqa_msg *msg)
{
    if (msg->kind == ANQA_MSG_SYSTEM)
        conn_run(state);
    else if (anqa_tag_is(msg->tag, SOCKET))
        conn_begin(state, msg);
}

static_assert(sizeof(struct conn) <= 208, "budget of an idle client");

static const anqa_behaviour conn_behaviour = {
    .name = "connection", .init = conn_init, .handle = conn_handle};

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

anqa_status conn_start(struct http_service *service, anqa_conn socket)
{
    struct conn conn = {.service = service};
    uint32_t most = service->max_connections == 0 ? DEFAULT_CONNECTIONS : service->max_connections;
    anqa_spawn_opts opts = {
        .behaviour = &conn_behaviour, .arg = &conn, .arg_size = sizeof conn, .pinned = true};
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
        connection_gone(service);
        return status;
    }
    conn_watch(pid);
    status = anqa_conn_move(socket, pid, SOCKET);
    if (status != ANQA_OK)
        anqa_exit_signal(pid, ANQA_KILL);
    return status;
}
