/* A connection that speaks HTTP/2: its session with nghttp2, and what that tells. See h2.h. */
#include "http/h2_int.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define PULL_MAX ((uint32_t)64 << 10) /* output of the connection before the kernel takes some */
#define UPDATES_MAX 1024u
#define SETTINGS_COUNT 5

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum h2_preface h2_preface(const char *bytes, size_t len)
{
    size_t whole = sizeof preface - 1;

    if (memcmp(bytes, preface, len < whole ? len : whole) != 0)
        return H2_OTHER;
    return len < whole ? H2_PREFACE_PART : H2_PREFACE;
}

void h2_wake(struct h2 *h2)
{
    if (h2->conn->phase == CONN_H2)
        conn_dirty(h2->conn);
}

/* ---------------------------------------------------------------- memory of the session */

/* nghttp2 gives up a connection when it gets none. */
static bool may_allocate(const struct h2 *h2, size_t size)
{
    return size <= H2_SESSION_BYTES && h2->session_bytes + size <= H2_SESSION_BYTES;
}

static void *counted(struct h2 *h2, void *memory)
{
    h2->session_bytes += malloc_usable_size(memory); /* 0 of NULL */
    return memory;
}

static void *session_malloc(size_t size, void *user)
{
    return may_allocate(user, size) ? counted(user, malloc(size)) : NULL;
}

static void *session_calloc(size_t count, size_t size, void *user)
{
    return may_allocate(user, count * size) ? counted(user, calloc(count, size)) : NULL;
}

static void session_free(void *memory, void *user)
{
    struct h2 *h2 = user;

    h2->session_bytes -= malloc_usable_size(memory);
    free(memory);
}

static void *session_realloc(void *memory, size_t size, void *user)
{
    struct h2 *h2 = user;
    size_t before = malloc_usable_size(memory);
    void *larger;

    if (size > before && !may_allocate(h2, size - before))
        return NULL;
    larger = realloc(memory, size);
    if (larger == NULL)
        return NULL;
    h2->session_bytes -= before;
    return counted(h2, larger);
}

/* ---------------------------------------------------------------- the end */

static void lose_streams(struct h2 *h2)
{
    struct anqa_list_node *node;

    while ((node = anqa_list_pop(&h2->streams)) != NULL) {
        struct h2_stream *stream = ANQA_CONTAINER_OF(node, struct h2_stream, node);
        h2->live--;
        stream_orphan(stream);
    }
}

/* One that ends meanwhile goes out of the list later, by its process. */
static void each_stream(struct h2 *h2, void (*tell)(struct h2_stream *stream))
{
    struct anqa_list_node *node, *next;

    for (node = anqa_list_first(&h2->streams); node != NULL; node = next) {
        next = anqa_list_next(&h2->streams, node);
        tell(ANQA_CONTAINER_OF(node, struct h2_stream, node));
    }
}

/* The client is told why, and nothing more of it is looked at. */
static void fail(struct h2 *h2, uint32_t error)
{
    if (h2->failed)
        return;
    h2->failed = true;
    outlet_time(h2->conn, conn_seconds(h2->conn->service->close_timeout, CONN_CLOSE_S));
    if (nghttp2_session_terminate_session(h2->session, error) != 0)
        conn_kill(h2->conn, true);
    h2_wake(h2);
}

/* What a function of nghttp2 has said. */
static void check(struct h2 *h2, ssize_t result)
{
    if (result >= 0)
        return;
    if (result == NGHTTP2_ERR_NOMEM || h2->failed)
        conn_kill(h2->conn, true);
    else if (result == NGHTTP2_ERR_CALLBACK_FAILURE && h2->error != 0)
        fail(h2, h2->error);
    else if (result == NGHTTP2_ERR_FLOODED)
        fail(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    else
        fail(h2, NGHTTP2_INTERNAL_ERROR);
}

static int callback_fails(struct h2 *h2, uint32_t error)
{
    h2->error = error;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

bool h2_odd(struct h2 *h2)
{
    uint32_t now = outlet_now_s();

    if (now != h2->odd_s) {
        uint64_t grown = h2->odd + (uint64_t)(now - h2->odd_s) * H2_ODD_RATE;
        h2->odd = grown < H2_ODD_BURST ? (uint32_t)grown : H2_ODD_BURST;
        h2->odd_s = now;
    }
    if (h2->odd == 0) {
        (void)callback_fails(h2, NGHTTP2_ENHANCE_YOUR_CALM);
        return false;
    }
    h2->odd--;
    return true;
}

/* ---------------------------------------------------------------- frames that come */

/* An update for each frame of data that we have sent, and a few, are what they are for. */
static bool update_is_odd(struct h2 *h2)
{
    if (h2->free_updates == 0)
        return true;
    h2->free_updates--;
    return false;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
    struct h2 *h2 = user;
    bool odd;

    switch (hd->type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS: odd = false; break; /* see on_frame */
    case NGHTTP2_WINDOW_UPDATE: odd = update_is_odd(h2); break;
    default: odd = true; break;
    }
    return odd && !h2_odd(h2) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static void drop_head(struct h2 *h2)
{
    h2_head_free(h2->head);
    h2->head = NULL;
}

static int on_invalid_frame(
    nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    struct h2 *h2 = user;

    if (h2->head != NULL && h2_head_stream(h2->head) == frame->hd.stream_id)
        drop_head(h2); /* it was malformed: no more of it comes */
    return h2_odd(h2) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static struct h2_stream *find(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = user;
    bool trailers = frame->headers.cat != NGHTTP2_HCAT_REQUEST;

    drop_head(h2);
    /* Some are over for the client, but not for us. */
    if (!trailers && h2->live >= h2_streams(h2))
        return nghttp2_submit_rst_stream(
            session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    h2->head = h2_head_new(frame->hd.stream_id, trailers);
    return h2->head == NULL ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct h2 *h2 = user;

    if (h2->head == NULL || h2_head_stream(h2->head) != frame->hd.stream_id)
        return 0;
    switch (h2_head_add(h2->head, anqa_str_make((const char *)name, name_len),
        anqa_str_make((const char *)value, value_len), &h2->conn->service->limits)) {
    case ANQA_OK: return 0;
    case ANQA_E_LIMIT: return callback_fails(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    default: return callback_fails(h2, NGHTTP2_INTERNAL_ERROR);
    }
}

/* A field that nghttp2 would leave out: the request is malformed. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
    void *user)
{
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int reset(struct h2 *h2, int32_t id, uint32_t error)
{
    return nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, error);
}

/* A request is there: a process for it. */
static int begin_request(struct h2 *h2, int32_t id, bool ended)
{
    static _Thread_local struct request parsed; /* 3 KB that no stack need hold */
    struct request_limits limits = h2->conn->service->limits;
    const char *bytes = NULL;

    limits.body_bytes = REQUEST_BODY_MAX; /* what is too long, who reads it knows */
    if (h2_head_request(h2->head, !ended, &limits, &parsed, &bytes) == H2_HEAD_MALFORMED)
        return h2_odd(h2) ? reset(h2, id, NGHTTP2_PROTOCOL_ERROR) : NGHTTP2_ERR_CALLBACK_FAILURE;
    if (stream_start(h2, id, &parsed, bytes, ended) != ANQA_OK)
        return reset(h2, id, NGHTTP2_REFUSED_STREAM);
    return 0;
}

static void take_trailers(struct h2 *h2, int32_t id, bool ended)
{
    struct h2_stream *stream = find(h2->session, id);

    if (stream == NULL)
        return;
    stream_trailers(stream, h2->head);
    if (ended)
        stream_input_over(stream);
}

static int on_headers(struct h2 *h2, const nghttp2_frame *frame)
{
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    int32_t id = frame->hd.stream_id;
    int result = 0;

    if (h2->head == NULL || h2_head_stream(h2->head) != id)
        return 0;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        result = begin_request(h2, id, ended);
    else
        take_trailers(h2, id, ended);
    drop_head(h2);
    return result;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct h2 *h2 = user;
    struct h2_stream *stream;

    if (frame->hd.type == NGHTTP2_HEADERS)
        return on_headers(h2, frame);
    if (frame->hd.type != NGHTTP2_DATA)
        return 0;
    stream = find(session, frame->hd.stream_id);
    if (ended && stream != NULL)
        stream_input_over(stream);
    if (!ended && frame->hd.length == frame->data.padlen && !h2_odd(h2))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
    size_t len, void *user)
{
    struct h2_stream *stream = find(session, id);

    if (stream == NULL)
        return nghttp2_session_consume(session, id, len);
    stream_data(stream, anqa_str_make((const char *)data, len));
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct h2_stream *stream = find(session, id);
    struct h2 *h2 = user;

    if (h2->head != NULL && h2_head_stream(h2->head) == id)
        drop_head(h2);
    if (stream != NULL)
        stream_gone(stream);
    h2_words_drop(h2, id);
    return 0;
}

/* ---------------------------------------------------------------- frames that go */

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
    size_t length, nghttp2_data_source *source, void *user)
{
    struct h2_stream *stream = find(session, frame->hd.stream_id);

    if (stream == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return stream_move(stream, head, length) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = user;
    struct h2_stream *stream;

    if (frame->hd.type == NGHTTP2_DATA && h2->free_updates < UPDATES_MAX)
        h2->free_updates += 2; /* one for the stream, one for the connection */
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    stream = find(session, frame->hd.stream_id);
    if (stream != NULL)
        stream_output_over(stream);
    else if (nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
        return reset(h2, frame->hd.stream_id, NGHTTP2_NO_ERROR); /* nobody reads the rest */
    return 0;
}

/* A head that can not be sent, or whose stream has ended meanwhile. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    struct h2_stream *stream =
        frame->hd.type == NGHTTP2_HEADERS ? find(session, frame->hd.stream_id) : NULL;

    if (stream != NULL)
        stream_drop(stream);
    return 0;
}

void h2_pull(struct conn *conn)
{
    struct h2 *h2 = conn->user;

    anqa_section_begin();
    while (conn->phase == CONN_H2 && conn->out_bytes < PULL_MAX) {
        const uint8_t *bytes;
        ssize_t n = nghttp2_session_mem_send(h2->session, &bytes);
        char *room;
        check(h2, n);
        if (n <= 0)
            break;
        room = conn_append_room(conn, (size_t)n);
        if (room != NULL)
            memcpy(room, bytes, (size_t)n);
    }
    if (conn->phase == CONN_H2 && !nghttp2_session_want_write(h2->session) &&
        !nghttp2_session_want_read(h2->session)) {
        lose_streams(h2);
        conn->phase = CONN_FLUSH; /* conn_flush closes when all has gone */
        outlet_time(conn, conn_seconds(conn->service->close_timeout, CONN_CLOSE_S));
    }
    if (conn->phase == CONN_H2 && conn->ended) {
        each_stream(h2, stream_last_window);
        h2_words_give_up(h2, true);
    }
    anqa_section_end();
}

/* ---------------------------------------------------------------- the session */

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
}

static int session_new(struct h2 *h2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_mem memory = {.mem_user_data = h2,
        .malloc = session_malloc,
        .free = session_free,
        .calloc = session_calloc,
        .realloc = session_realloc};
    int result = nghttp2_session_callbacks_new(&callbacks);

    if (result == 0)
        result = nghttp2_option_new(&option);
    if (result == 0) {
        set_callbacks(callbacks);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_closed_streams(option, 1);
        result = nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &memory);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return result;
}

static int send_settings(struct h2 *h2)
{
    uint32_t head_bytes = h2->conn->service->limits.head_bytes;
    const nghttp2_settings_entry settings[SETTINGS_COUNT] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h2_streams(h2)},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
            head_bytes != 0 ? head_bytes : request_default_limits.head_bytes},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int result = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, SETTINGS_COUNT);

    return result != 0 ? result
                       : nghttp2_session_set_local_window_size(
                             h2->session, NGHTTP2_FLAG_NONE, 0, (int32_t)H2_WINDOW);
}

void h2_begin(struct conn *conn)
{
    struct h2 *h2;

    anqa_section_begin();
    h2 = calloc(1, sizeof *h2);
    if (h2 == NULL) {
        conn_kill(conn, true);
    } else {
        *h2 = (struct h2){.conn = conn,
            .odd = H2_ODD_BURST,
            .odd_s = outlet_now_s(),
            .free_updates = UPDATES_MAX / 8};
        anqa_list_init(&h2->streams);
        anqa_list_init(&h2->words);
        conn->begun = conn->framed = true;
        conn->user = h2;
        conn->phase = CONN_H2;
        if (session_new(h2) != 0 || send_settings(h2) != 0)
            conn_kill(conn, true);
        conn_dirty(conn);
    }
    anqa_section_end();
}

void h2_gone(struct conn *conn)
{
    struct h2 *h2 = conn->user;

    lose_streams(h2);
    h2_head_free(h2->head);
    nghttp2_session_del(h2->session);
    h2_words_drop(h2, 0);
    free(h2);
}

/* ---------------------------------------------------------------- reading */

/* A head that has begun has a time to come in. */
static void time_head(struct h2 *h2)
{
    struct conn *conn = h2->conn;
    const struct http_service *service = conn->service;

    if (h2->leaving) /* against the time of that */
        h2->timed_head = false;
    if (h2->timed_head == (h2->head != NULL) || h2->leaving)
        return;
    h2->timed_head = h2->head != NULL;
    outlet_time(conn, h2->timed_head ? conn_seconds(service->head_timeout, CONN_HEAD_S)
                                     : conn_seconds(service->idle_timeout, CONN_IDLE_S));
}

void h2_rests(struct h2 *h2)
{
    struct conn *conn = h2->conn;

    if (conn->phase != CONN_H2) /* it ends, and that has its own time */
        return;
    if (h2->leaving)
        conn->since_s = outlet_now_s();
    else if (!h2->timed_head && !h2->failed)
        outlet_time(conn, conn_request_s(conn, conn->service->idle_timeout, CONN_IDLE_S));
}

size_t h2_take(struct conn *conn, const char *bytes, size_t len)
{
    struct h2 *h2 = conn->user;

    anqa_section_begin();
    if (!h2->failed)
        check(h2, nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes, len));
    if (conn->phase == CONN_H2) {
        time_head(h2);
        if (nghttp2_session_want_write(h2->session) || !nghttp2_session_want_read(h2->session))
            conn_dirty(conn);
    }
    anqa_section_end();
    return len;
}

/* ---------------------------------------------------------------- times, and the end in good order */

/* No request after those that are here is taken any more. */
static void leave_now(struct h2 *h2)
{
    if (h2->left)
        return;
    h2->left = h2->leaving = true;
    if (nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
            nghttp2_session_get_last_proc_stream_id(h2->session), NGHTTP2_NO_ERROR, NULL, 0) != 0)
        conn_kill(h2->conn, true);
    h2_wake(h2);
}

void h2_leave(struct conn *conn)
{
    struct h2 *h2 = conn->user;

    anqa_section_begin();
    if (h2->live == 0 && outlet_now_s() - conn->since_s > CONN_DRAIN_S) {
        h2_words_give_up(h2, false);
        leave_now(h2);
    } else if (!h2->leaving) { /* who has just sent a request can not know */
        h2->leaving = true;
        h2->timed_head = false;
        if (nghttp2_submit_shutdown_notice(h2->session) != 0)
            conn_kill(conn, true);
        outlet_time(conn, CONN_DRAIN_S);
        h2_wake(h2);
    }
    anqa_section_end();
}

static void drop_unfinished(struct h2_stream *stream)
{
    if (!stream->conn.ended)
        stream_drop(stream);
}

void h2_input_over(struct conn *conn)
{
    struct h2 *h2 = conn->user;

    anqa_section_begin();
    each_stream(h2, drop_unfinished);
    leave_now(h2);
    h2_wake(h2); /* see h2_pull */
    anqa_section_end();
}

void h2_timeout(struct conn *conn)
{
    struct h2 *h2 = conn->user;

    anqa_section_begin();
    if (h2->failed || (h2->left && h2->live == 0)) {
        conn_kill(conn, true); /* it does not take notice of the end */
    } else if (h2->timed_head) {
        fail(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    } else {
        if (h2->live == 0)
            h2_words_give_up(h2, false);
        if (h2->leaving || h2->live == 0)
            leave_now(h2);
        outlet_time(conn, conn_seconds(conn->service->idle_timeout, CONN_IDLE_S));
    }
    anqa_section_end();
}
