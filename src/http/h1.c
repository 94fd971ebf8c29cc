/* HTTP/1.1 on a connection: requests one after the other, and who answers them. See conn.h. */
#include "http/h1.h"

#include <string.h>
#include <sys/socket.h>

#include <anqa/memory.h>

#include "http/serve.h"
#include "runtime/memory.h"
#include "runtime/net_int.h"

#define UNREAD_MAX \
    (64u << 10) /* answers of earlier requests that wait, before another one is served */

void h1_connection_field(struct conn *conn, struct response *response)
{
    if (conn_drains(conn))
        conn->keep_alive = false;
    if (!conn->keep_alive)
        response_header(response, "connection", anqa_str_of("close"));
    else if (conn->old)
        response_header(response, "connection", anqa_str_of("keep-alive"));
}

/* ---------------------------------------------------------------- one request */

/* After the answer: the next request, or the end. */
static void request_over(struct conn *conn)
{
    if (conn->phase == CONN_HTTP && !conn->answered)
        conn_refuse(conn, 500, "no answer was given\n");
    conn->serving = conn->answered = conn->partial = false;
    if (conn->phase != CONN_HTTP)
        return;
    if (!conn->keep_alive)
        conn_close(conn);
    else
        outlet_time(conn, conn_request_s(conn, conn->service->idle_timeout, CONN_IDLE_S));
}

void h1_serve(struct conn *conn, struct request *request)
{
    struct h1 *h1 = anqa_arena_calloc(anqa_tmp(), 1, sizeof *h1);
    anqa_deferred mark = anqa_defer_mark();

    conn->serving = true;
    outlet_time(conn, CONN_BUSY_S); /* the head is there: its time is over */
    h1->conn = conn;
    h1->due = request->expects_continue;
    h1->keeps = conn->keep_alive;
    body_init(&h1->body, request, REQUEST_BODY_MAX);
    h1->in_chunks = request->chunked;
    if (request->chunked)
        h1->body.trailers = anqa_arena_alloc(anqa_tmp(), BODY_TRAILERS_ROOM);
    if (h1->due || h1_body_is_long(h1)) /* unless it is read */
        conn->keep_alive = false;
    if (conn->out_bytes <= UNREAD_MAX || conn_drain_output(conn))
        serve_request(conn, &h1->exchange, h1_ops(conn), request);
    if (conn->phase != CONN_WS) /* else they belong to what the connection is now */
        anqa_defer_run_to(mark);
    if (conn->phase == CONN_HTTP && conn->keep_alive && !h1_skip_body(h1))
        conn->keep_alive = false;
    anqa_heap_free(request);
    proc_heap_rest(sched_self, conn->self);
    request_over(conn);
}

/* ---------------------------------------------------------------- heads */

/* In memory of its own: whoever answers may wait, and others read into the buffer meanwhile. On the heap, so that it is
 * still there in `terminate`. */
static struct request *request_own(const struct request *request, const char *bytes)
{
    return request_copy(request, bytes, anqa_heap_alloc(request_copy_size(request)));
}

size_t h1_take(struct conn *conn, const char *bytes, size_t len, struct request **ret_request)
{
    static _Thread_local struct request parsed; /* 3 KB that no stack need hold */
    struct request_limits limits = conn->service->limits;
    bool begins = conn->read.scan.at == 0;

    limits.body_bytes = REQUEST_BODY_MAX; /* what is too long, who reads it knows */
    switch (request_parse(&parsed, &conn->read.scan, bytes, len, &limits)) {
    case REQUEST_MORE:
        if (begins && len > 0) /* its first part: from now on the clock runs */
            outlet_time(conn, conn_seconds(conn->service->head_timeout, CONN_HEAD_S));
        return 0;
    case REQUEST_REFUSED:
        conn->begun = true;
        conn->head_only = conn->old = conn->last = false;
        conn_refuse(conn, parsed.status, parsed.why);
        request_over(conn);
        return len;
    case REQUEST_DONE: break;
    }
    conn->begun = true;
    conn->keep_alive = parsed.keep_alive;
    conn->head_only = parsed.method == REQUEST_HEAD;
    conn->old = parsed.minor_version == 0;
    conn->last = !parsed.keep_alive && !parsed.chunked && parsed.body_bytes == 0;
    *ret_request = request_own(&parsed, bytes);
    return parsed.head_bytes;
}

/* ---------------------------------------------------------------- when the process ends */

static void send_page(struct conn *conn, const struct request *request, anqa_reason reason)
{
    struct h1 *h1 = anqa_arena_calloc(anqa_tmp(), 1, sizeof *h1);

    h1->conn = conn;
    h1->broken = ANQA_E_CLOSED;
    serve_crash_page(conn, &h1->exchange, h1_ops(conn), request, reason);
}

void h1_crashed(struct conn *conn, anqa_reason reason)
{
    uint64_t deadline_ms = conn_deadline(conn->service->close_timeout, CONN_CLOSE_S);
    size_t n;

    conn->waiting = false;
    if (conn->partial) /* the hook of the exit cuts it off */
        return;
    conn->keep_alive = false;
    if (conn->user != NULL && !conn->answered)
        send_page(conn, conn->user, reason);
    conn_refuse(conn, 500, "");
    if (!conn_drain_output(conn) || !conn_shut(conn))
        return;
    /* What the client still sends is read: else it would see a reset, and perhaps not the answer. */
    while (conn_read_some(conn, conn->outlet->read, READ_SIZE, deadline_ms, &n) == ANQA_OK)
        ;
}

static bool send_all(int fd, const char *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

/* What is said to who still waits for an answer. Lies in `arena`. */
static anqa_str last_answer(struct conn *conn, anqa_arena *arena)
{
    anqa_str content, head = serve_last_words(conn, arena, &content);

    return anqa_str_make(head.ptr, head.len + content.len);
}

/* The same over TLS, whose output may hold sealed bytes already. */
static void last_words_sealed(struct conn *conn, anqa_str answer)
{
    struct iovec piece = {(char *)(uintptr_t)answer.ptr, answer.len};

    conn->waiting = true; /* the poller is not to be asked for anything */
    conn_flush(conn);
    if (conn->out != NULL || conn->phase == CONN_DEAD)
        return;
    if (conn->answered || tls_send(conn, &piece, 1) == (ssize_t)answer.len)
        (void)conn_shut(conn);
}

static void last_words(struct conn *conn, anqa_str answer)
{
    int fd = conn->entry->fd;

    for (struct chunk *chunk = conn->out; chunk != NULL; chunk = chunk->next)
        if (!send_all(fd, chunk->bytes + chunk->at, chunk->len - chunk->at))
            return;
    if (!conn->answered && !send_all(fd, answer.ptr, answer.len))
        return;
    (void)shutdown(fd, SHUT_WR);
    for (unsigned i = 0; i < 16 && recv(fd, conn->outlet->read, READ_SIZE, MSG_DONTWAIT) > 0; i++)
        ;
}

void h1_last_words(struct conn *conn)
{
    int room = 512 << 10, fd = conn->entry->fd; /* a page goes out at once, or not at all */
    anqa_str answer = {"", 0};
    anqa_arena arena;

    if (conn->partial) {
        net_linger_off(fd); /* what was sent must not look whole */
        return;
    }
    anqa_arena_init(&arena, 0);
    if (!conn->answered) {
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        answer = last_answer(conn, &arena);
    }
    if (conn->secure)
        last_words_sealed(conn, answer);
    else
        last_words(conn, answer);
    anqa_arena_done(&arena);
}
