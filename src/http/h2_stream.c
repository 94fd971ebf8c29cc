/* The process of a stream: its life, and what goes in and out. See h2_stream.h. */
#include "http/h2_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <anqa/memory.h>

#include "http/serve.h"

#define QUEUE_MAX ((uint32_t)64 << 10) /* of output, before who writes waits */
#define REST_MAX ((uint32_t)16 << 10)  /* of an answer, that goes out while nobody waits */
#define FILE_PART 16384u               /* a frame of data */
#define SKIP_MAX 8000000u              /* of a body, behind the answer */
#define SKIP_HELD_MAX 64000000u        /* before its end */
/* Before an answer is not held any more: without anything of the body, or in all for one that does not say how long it is. */
#define HOLD_S 1u

static bool over(const struct conn *conn)
{
    return conn->phase != CONN_HTTP && conn->phase != CONN_WS;
}

/* ---------------------------------------------------------------- waiting */

/* False: the time is over. */
static bool wait_for(struct h2_stream *stream, enum stream_wait what, uint64_t deadline_ms)
{
    bool came;

    stream->wait = (uint8_t)what;
    stream->wait_ref = sched_new_ref(sched_self);
    stream->conn.waiting = true;
    came = proc_wait_event(sched_self, stream->wait_ref, deadline_ms, ANQA_PROCESS_IO);
    stream->conn.waiting = false;
    stream->wait_ref = 0;
    return came;
}

static void wake(struct h2_stream *stream)
{
    uint64_t ref = stream->wait_ref;

    stream->wait_ref = 0;
    if (ref != 0)
        proc_wake(sched_self, conn_pid(&stream->conn), ref);
}

/* What has come may matter to a process without a stack, too. */
static void rouse(struct h2_stream *stream)
{
    wake(stream);
    if (!stream->conn.serving)
        proc_kick(sched_self, stream->conn.self);
}

/* ---------------------------------------------------------------- the end */

/* No callback finds it any more. */
static void forget(struct h2_stream *stream)
{
    if (stream->open)
        (void)nghttp2_session_set_stream_user_data(stream->h2->session, stream->id, NULL);
    stream->open = false;
}

static void reset(struct h2_stream *stream, uint32_t error)
{
    if (!stream->open)
        return;
    forget(stream);
    (void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, error);
    h2_wake(stream->h2);
}

void stream_lost(struct conn *conn)
{
    struct h2_stream *stream = stream_of(conn);

    anqa_section_begin();
    reset(stream, NGHTTP2_CANCEL);
    anqa_section_end();
    wake(stream);
}

void stream_gone(struct h2_stream *stream)
{
    stream->open = false;
    conn_lose(&stream->conn, false);
    rouse(stream);
}

void stream_drop(struct h2_stream *stream)
{
    conn_lose(&stream->conn, true);
    rouse(stream);
}

void stream_orphan(struct h2_stream *stream)
{
    service_enter(stream->conn.service);     /* it counts for itself from now on, */
    outlet_time(&stream->conn, CONN_BUSY_S); /* and is found by those who drain */
    stream->h2 = NULL;
    stream_gone(stream);
}

/* ---------------------------------------------------------------- the end of an answer */

/* Some clients (curl 7.88) do not read any more when they have all of the answer, while they still send: they would wait for
 * windows for ever. So the end of an answer that comes before the end of the body is held until that has come, for as long as
 * it comes and is not too much of it. One that does not say how long it is may go on until its client has the answer. */
bool stream_holds(struct h2_stream *stream)
{
    struct conn *conn = &stream->conn;

    if (!stream->patient || conn->ended || stream->due)
        return false;
    if (!stream->holds) {
        stream->holds = true;
        stream->holds_s = outlet_now_s();
        outlet_time(conn, HOLD_S);
    }
    return true;
}

static void release(struct h2_stream *stream)
{
    struct conn *conn = &stream->conn;

    stream->patient = false;
    if (!stream->holds)
        return;
    stream->holds = false;
    outlet_time(conn, conn->phase == CONN_HTTP
                          ? CONN_BUSY_S
                          : conn_seconds(conn->service->write_timeout, CONN_WRITE_S));
    if (stream->open && stream->late != NULL && !h2_late_head(stream))
        stream_drop(stream);
    stream_flush(conn);
}

bool stream_timeout(struct conn *conn)
{
    struct h2_stream *stream = stream_of(conn);

    if (!stream->holds)
        return false;
    anqa_section_begin();
    release(stream);
    anqa_section_end();
    return true;
}

/* Some more of the body has come. */
static void hold_on(struct h2_stream *stream)
{
    struct conn *conn = &stream->conn;
    uint32_t now = outlet_now_s();

    if (stream->skipped > SKIP_HELD_MAX ||
        now - stream->holds_s > conn_seconds(conn->service->write_timeout, CONN_WRITE_S))
        release(stream);
    else if (!stream->request->chunked)
        conn->since_s = now;
}

/* What is left of a response that is whole and can go out. */
static void send_rest(struct h2_stream *stream)
{
    if (!stream->finished || stream->sent || stream->conn.phase == CONN_DEAD)
        return;
    release(stream);
    conn_flush(stream->h2->conn);
}

/* A process that has ended amid a request, before it has answered. */
static bool last_words(struct h2_stream *stream)
{
    nghttp2_nv fields[SERVE_LAST_FIELDS];
    anqa_str head, content;
    anqa_arena arena;
    bool said;

    if (!stream->open || stream->headed)
        return false;
    anqa_arena_init(&arena, 0);
    head = serve_last_words(&stream->conn, &arena, &content);
    said = h2_words_say(stream->h2, stream->id, fields, h2_fields(head, fields), content);
    anqa_arena_done(&arena);
    return said;
}

/* Without its process. */
static void leave(struct h2_stream *stream)
{
    struct h2 *h2 = stream->h2;
    bool worded = false;

    if (stream->conn.ops == NULL && stream->conn.serving)
        worded = last_words(stream);
    anqa_list_remove(&stream
            ->node); /* what follows may be the end of the connection, and of all streams that it finds */
    h2->live--;
    h2->held -= stream->held;
    send_rest(stream);
    if (worded || (stream->sent && stream->conn.ended))
        forget(stream);
    else
        reset(stream, stream->sent ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR);
    (void)nghttp2_session_consume_connection(h2->session, stream->unread);
    if (h2->live == 0)
        h2_rests(h2);
    h2_wake(h2);
}

/* However the process ends. */
static void stream_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct conn *conn = ANQA_CONTAINER_OF(hook, struct conn, hook);
    struct h2_stream *stream = stream_of(conn);

    if (conn->ops != NULL) {
        conn->ops->closed(conn, conn->user);
        websocket_done(&conn->read.ws);
    }
    if (stream->h2 != NULL)
        leave(stream);
    else
        service_leave(conn->service);
    conn->phase = CONN_DEAD;
    conn_out_free(conn);
    free(conn->in);
    free(stream->trailers);
    free(stream->late);
    anqa_list_remove(&conn->timed);
}

void stream_peer(const struct conn *conn, char text[ANQA_ADDRESS_TEXT])
{
    const struct h2_stream *stream = stream_of(conn);

    if (stream->h2 != NULL)
        conn_peer(stream->h2->conn, text);
}

/* ---------------------------------------------------------------- output */

void stream_count(struct conn *conn, int64_t bytes)
{
    struct h2 *h2 = stream_of(conn)->h2;

    if (h2 != NULL)
        h2->output_bytes += (uint64_t)bytes;
}

bool stream_allow(struct conn *conn, int64_t bytes)
{
    struct h2 *h2 = stream_of(conn)->h2;

    if (h2 == NULL)
        return true;
    if (bytes > 0 && h2->allowed_bytes + (uint64_t)bytes > CONN_ALLOW_MAX)
        return false;
    h2->allowed_bytes += (uint64_t)bytes;
    return true;
}

bool stream_may_hold(const struct conn *conn, size_t size, size_t limit)
{
    const struct h2 *h2 = stream_of(conn)->h2;

    return conn->out_bytes + size <= QUEUE_MAX || h2 == NULL ||
           h2->output_bytes + size <= (uint64_t)limit * H2_OUTPUT_SHARE + h2->allowed_bytes;
}

void stream_flush(struct conn *conn)
{
    struct h2_stream *stream = stream_of(conn);

    if (!stream->open)
        return;
    if (stream->deferred && (conn->out_bytes != 0 || stream->finished)) {
        stream->deferred = false;
        anqa_section_begin();
        (void)nghttp2_session_resume_data(stream->h2->session, stream->id);
        anqa_section_end();
    }
    h2_wake(stream->h2);
}

ssize_t stream_offer(struct h2_stream *stream, size_t length, uint32_t *data_flags)
{
    uint32_t bytes = stream->conn.out_bytes;

    if (stream->finished ? bytes <= length && stream_holds(stream) : bytes == 0) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (bytes <= length && stream->finished)
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    if (bytes != 0)
        *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return (ssize_t)(bytes < length ? bytes : length);
}

bool stream_move(struct h2_stream *stream, const uint8_t *frame_head, size_t length)
{
    struct conn *conn = &stream->conn;
    char *room = conn_append_room(stream->h2->conn, H2_FRAME_HEAD + length);

    if (room == NULL)
        return false;
    memcpy(room, frame_head, H2_FRAME_HEAD);
    conn_out_copy(conn, room + H2_FRAME_HEAD, length);
    conn_out_sent(conn, length);
    stream->moved += length;
    stream->h2->moved += length;
    if (stream->wait == STREAM_WAIT_ROOM && conn->out_bytes <= stream->wait_below)
        wake(stream);
    return true;
}

/* All has gone out. What the client still sends is read over, up to a bound: RST_STREAM with NO_ERROR is allowed behind the
 * answer (RFC 9113, 8.1), but some clients (curl 7.88) then forget what they have not looked at yet. */
static void settle(struct h2_stream *stream)
{
    struct conn *conn = &stream->conn;

    if (conn->phase != CONN_FLUSH)
        return;
    if (stream->skipped > SKIP_MAX)
        reset(stream,
            NGHTTP2_NO_ERROR); /* right behind it: who has stopped to read must not miss it */
    if (conn->ended || !stream->open) {
        conn->phase = CONN_DEAD;
        return;
    }
    conn->phase = CONN_LINGER;
    outlet_time(conn, conn_seconds(conn->service->close_timeout, CONN_CLOSE_S));
}

static void skip(struct h2_stream *stream, size_t n)
{
    stream->skipped += (uint32_t)n;
    stream_taken(stream, n);
    if (stream->holds)
        hold_on(stream);
    if (stream->skipped <= SKIP_MAX || stream->conn.phase != CONN_LINGER)
        return;
    stream->conn.phase = CONN_DEAD;
    rouse(stream);
}

void stream_output_over(struct h2_stream *stream)
{
    stream->sent = true;
    settle(stream);
    if (stream->wait == STREAM_WAIT_SENT || !stream->conn.serving)
        rouse(stream);
}

void stream_finish(struct conn *conn)
{
    stream_of(conn)->finished = true;
    stream_flush(conn);
}

void stream_close(struct conn *conn)
{
    struct h2_stream *stream = stream_of(conn);
    const struct http_service *service = conn->service;

    if (conn->phase == CONN_FLUSH)
        return;
    if (!stream->headed) {
        conn_kill(conn, true);
        return;
    }
    conn->phase = CONN_FLUSH;
    conn->paused = false;
    input_keep(conn, NULL, 0); /* nobody wants it: who sends all before he reads may go on */
    stream_taken(stream, stream->unread);
    if (!stream->holds)
        outlet_time(conn, conn->ops != NULL ? conn_seconds(service->close_timeout, CONN_CLOSE_S)
                                            : conn_seconds(service->write_timeout, CONN_WRITE_S));
    stream_finish(conn);
    if (stream->sent)
        stream_output_over(stream);
}

/* The client has left its window shut. */
static bool is_shut(const struct h2_stream *stream)
{
    return nghttp2_session_get_stream_remote_window_size(stream->h2->session, stream->id) <= 0;
}

/* Why nothing more of the output has gone: the client does not take it, or it takes what others have sent. */
static bool is_stuck(const struct h2_stream *stream, uint64_t before, uint64_t all_before)
{
    return stream->moved - before < H2_TRICKLE &&
           (is_shut(stream) || stream->h2->moved - all_before < H2_TRICKLE);
}

bool stream_wait_room(struct conn *conn, uint32_t below)
{
    struct h2_stream *stream = stream_of(conn);

    while (!over(conn) && conn->out_bytes > below) {
        uint64_t before = stream->moved, all_before = stream->h2->moved;
        uint64_t deadline_ms = conn_deadline(conn->service->write_timeout, CONN_WRITE_S);
        stream->wait_below = below;
        if (!wait_for(stream, STREAM_WAIT_ROOM, deadline_ms) && !over(conn) &&
            is_stuck(stream, before, all_before))
            conn_kill(conn, true);
    }
    return !over(conn);
}

void stream_last_window(struct h2_stream *stream)
{
    if (stream->open && stream->conn.out_bytes != 0 &&
        (is_shut(stream) || nghttp2_session_get_remote_window_size(stream->h2->session) <= 0))
        stream_drop(stream);
}

/* How much of `wanted` may be queued. 0: it is over. */
static size_t wait_share(struct conn *conn, uint64_t wanted)
{
    uint32_t limit = conn->service->output_bytes;
    uint32_t most = limit != 0 && limit < QUEUE_MAX ? limit : QUEUE_MAX;

    if (conn->out_bytes >= most && !stream_wait_room(conn, most / 4))
        return 0;
    return wanted < most - conn->out_bytes ? (size_t)wanted : most - conn->out_bytes;
}

bool stream_write(struct conn *conn, anqa_str bytes)
{
    while (bytes.len != 0) {
        size_t n = wait_share(conn, bytes.len);
        char *room = n == 0 ? NULL : conn_queue_room(conn, n);
        if (room == NULL)
            return false;
        memcpy(room, bytes.ptr, n);
        bytes = anqa_str_make(bytes.ptr + n, bytes.len - n);
    }
    return true;
}

bool stream_write_file(struct conn *conn, int fd, struct range range)
{
    while (range.length != 0) {
        size_t n = wait_share(conn, range.length < FILE_PART ? range.length : FILE_PART);
        char *room = n == 0 ? NULL : conn_queue_room(conn, n);
        if (room == NULL)
            return false;
        if (pread(fd, room, n, (off_t)range.offset) != (ssize_t)n) {
            conn_kill(conn, true); /* it has become shorter */
            return false;
        }
        range.offset += n;
        range.length -= n;
    }
    return true;
}

/* ---------------------------------------------------------------- input */

void stream_taken(struct h2_stream *stream, size_t n)
{
    stream->unread -= (uint32_t)n;
    if (stream->h2 == NULL || n == 0)
        return;
    anqa_section_begin();
    if (stream->open)
        (void)nghttp2_session_consume(stream->h2->session, stream->id, n);
    else
        (void)nghttp2_session_consume_connection(stream->h2->session, n);
    anqa_section_end();
    h2_wake(stream->h2);
}

/* Who waits for room goes on waiting. */
static void input_came(struct h2_stream *stream)
{
    if (stream->wait_ref == 0 || stream->wait == STREAM_WAIT_INPUT)
        rouse(stream);
}

void stream_data(struct h2_stream *stream, anqa_str data)
{
    struct conn *conn = &stream->conn;

    stream->unread += (uint32_t)data.len;
    if (over(conn) && conn->phase != CONN_WS_CLOSING) { /* nobody wants it */
        skip(stream, data.len);
        return;
    }
    if (!input_add(conn, data.ptr, data.len)) {
        stream_drop(stream);
        return;
    }
    if (conn->phase == CONN_WS)
        conn->since_s = outlet_now_s();
    if (stream->holds)
        hold_on(stream);
    input_came(stream);
}

void stream_trailers(struct h2_stream *stream, const struct h2_head *head)
{
    if (stream->trailers == NULL)
        stream->trailers = h2_head_trailers(head, &stream->trailers_len);
}

void stream_input_over(struct h2_stream *stream)
{
    struct conn *conn = &stream->conn;

    conn->ended = true;
    release(stream);
    if (conn->phase == CONN_LINGER)
        conn->phase = CONN_DEAD;
    input_came(stream);
}

anqa_status stream_wait_input(struct h2_stream *stream, uint64_t deadline_ms)
{
    struct conn *conn = &stream->conn;

    while (conn->in == NULL && !conn->ended && !over(conn))
        if (!wait_for(stream, STREAM_WAIT_INPUT, deadline_ms))
            return ANQA_E_TIMEOUT;
    return over(conn) ? ANQA_E_CLOSED : ANQA_OK;
}

/* Counts what the WebSocket keeps. False: those of its connection keep too much. */
static bool may_keep(struct h2_stream *stream)
{
    const struct conn *conn = &stream->conn;
    size_t held = websocket_held(&conn->read.ws) + (conn->in == NULL ? 0 : conn->in->cap);

    if (stream->h2 == NULL)
        return true;
    stream->h2->held += held - stream->held;
    stream->held = (uint32_t)held;
    return held == 0 || stream->h2->held <= H2_FRAMES_BYTES;
}

/* Frames of a WebSocket. The windows are opened unless reading has been stopped, or a message is being inflated: of a frame
 * that is longer than they are the rest must come. */
static void read_frames(struct h2_stream *stream)
{
    struct conn *conn = &stream->conn;

    conn->resumed = false;
    if (conn->in != NULL && !conn->paused)
        conn_take(conn, conn->in->bytes + conn->in->at, conn->in->end - conn->in->at);
    if (!may_keep(stream)) {
        conn_ws_break(conn, 1009, "too much is under way");
        (void)may_keep(stream);
    }
    if (conn->paused || (conn->resumed && conn->in != NULL))
        return;
    stream_taken(stream, stream->unread);
    if (conn->ended && conn->phase != CONN_DEAD)
        conn_close(conn);
}

/* ---------------------------------------------------------------- the request */

static void answer(struct h2_stream *stream)
{
    struct h2_exchange *h2x = anqa_arena_calloc(anqa_tmp(), 1, sizeof *h2x);
    struct request *request = stream->request;

    h2x->stream = stream;
    if (request->why != NULL)
        conn_refuse(&stream->conn, request->status, request->why);
    else
        serve_request(&stream->conn, &h2x->exchange, h2_ops(stream), request);
}

static void serve(struct h2_stream *stream)
{
    struct conn *conn = &stream->conn;
    anqa_deferred mark = anqa_defer_mark();

    conn->serving = true;
    answer(stream);
    if (conn->phase != CONN_WS) /* else they belong to what the stream is now */
        anqa_defer_run_to(mark);
    if (conn->phase == CONN_HTTP && !conn->answered)
        conn_refuse(conn, 500, "no answer was given\n");
    if (conn->phase == CONN_HTTP && conn->out_bytes > REST_MAX)
        (void)stream_wait_room(conn, REST_MAX);
    conn->serving = false;
    if (conn->phase == CONN_HTTP)
        stream_close(conn);
}

/* ---------------------------------------------------------------- the process */

static void stream_run(struct h2_stream *stream)
{
    struct conn *conn = &stream->conn;

    if (!stream->begun) {
        stream->begun = true;
        if (conn->phase == CONN_HTTP)
            serve(stream);
    }
    if (conn->phase == CONN_WS || conn->phase == CONN_WS_CLOSING)
        read_frames(stream);
    if (conn->phase == CONN_DEAD)
        conn_over(conn);
}

static void stream_init(void *state)
{
    proc_emit_spawn(anqa_self(), (anqa_pid){0});
}

static void stream_handle(void *state, const anqa_msg *msg)
{
    struct h2_stream *stream = state;

    if (msg->kind == ANQA_MSG_SYSTEM)
        stream_run(stream);
    else
        conn_info(&stream->conn, msg);
}

/* Its own code has ended it, in the middle of a request. */
static void stream_terminate(void *state, anqa_reason reason)
{
    struct h2_stream *stream = state;
    struct conn *conn = &stream->conn;
    uint64_t deadline_ms = conn_deadline(conn->service->close_timeout, CONN_CLOSE_S);

    conn->waiting = false;
    stream->wait_ref = 0;
    if (!conn->serving || conn->phase != CONN_HTTP || conn->partial)
        return; /* the hook of the exit cuts it off */
    if (conn->user != NULL && !conn->answered) {
        struct h2_exchange *h2x = anqa_arena_calloc(anqa_tmp(), 1, sizeof *h2x);
        h2x->stream = stream;
        h2x->broken = ANQA_E_CLOSED;
        serve_crash_page(conn, &h2x->exchange, h2_ops(stream), conn->user, reason);
    }
    conn_refuse(conn, 500, "");
    stream_close(conn);
    while (conn->phase == CONN_FLUSH)
        if (!wait_for(stream, STREAM_WAIT_SENT, deadline_ms))
            return;
    while (conn->phase == CONN_LINGER)
        if (!wait_for(stream, STREAM_WAIT_INPUT, deadline_ms))
            return;
}

static const anqa_behaviour stream_behaviour = {
    .name = "stream", .init = stream_init, .handle = stream_handle, .terminate = stream_terminate};

anqa_status stream_start(
    struct h2 *h2, int32_t id, const struct request *request, const char *bytes, bool ended)
{
    size_t head_size = (sizeof(struct h2_stream) + 15) & ~(size_t)15;
    anqa_spawn_opts opts = {.behaviour = &stream_behaviour,
        .state_size = head_size + request_copy_size(request),
        .pinned = true};
    struct sched *s = sched_self;
    struct h2_stream *stream;
    struct proc *p;
    anqa_pid pid;
    anqa_status status = proc_spawn(s, &opts, NULL, &pid, NULL);

    if (status != ANQA_OK)
        return status;
    p = proc_slot(s->rt, pid);
    stream = p->state;
    stream->conn = (struct conn){.self = p,
        .outlet = h2->conn->outlet,
        .service = h2->conn->service,
        .phase = CONN_HTTP,
        .head_only = request->method == REQUEST_HEAD,
        .ended = ended,
        .streamed = true,
        .hook = {.run = stream_exit}};
    anqa_list_node_init(&stream->conn.timed);
    anqa_list_node_init(&stream->conn.dirty);
    stream->request = request_copy(request, bytes, (char *)stream + head_size);
    stream->h2 = h2;
    stream->id = id;
    stream->open = true;
    stream->due = request->expects_continue;
    stream->secure = h2->conn->secure;
    stream->patient = request->chunked || request->body_bytes != 0;
    exit_hook_add_to(p, &stream->conn.hook);
    anqa_list_push(&h2->streams, &stream->node);
    h2->live++;
    (void)nghttp2_session_set_stream_user_data(h2->session, id, stream);
    proc_kick(s, p);
    return ANQA_OK;
}
