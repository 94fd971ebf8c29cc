/* What HTTP/2 does for an exchange: struct exchange_ops, and heads of responses. See h2_int.h. */
#include "http/h2_int.h"

#include <stdlib.h>
#include <string.h>

#include <anqa/memory.h>

#include "http/response.h"
#include "http/serve.h"

#define HEAD_REST 512u /* of a head, without the fields that plugs have put */
#define STATUS_AT 9    /* of "HTTP/1.1 200 OK" */
#define LATE_MAX UINT16_MAX

/* ---------------------------------------------------------------- heads */

/* The line at the front, without its CR LF, which is there. */
static anqa_str take_line(anqa_str *text)
{
    const char *end = memchr(text->ptr, '\r', text->len);
    anqa_str line = anqa_str_make(text->ptr, (size_t)(end - text->ptr));

    *text = anqa_str_make(end + 2, text->len - line.len - 2);
    return line;
}

static nghttp2_nv pair(anqa_str name, anqa_str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
        value.len, NGHTTP2_NV_FLAG_NONE};
}

/* nghttp2 copies them, with their names in lower case. */
size_t h2_fields(anqa_str head, nghttp2_nv *fields)
{
    anqa_str line = take_line(&head);
    size_t count = 1;

    fields[0] = pair(anqa_str_of(":status"), anqa_str_make(line.ptr + STATUS_AT, 3));
    for (line = take_line(&head); line.len != 0; line = take_line(&head)) {
        const char *colon = memchr(line.ptr, ':', line.len);
        size_t name_len = (size_t)(colon - line.ptr);
        fields[count++] = pair(
            anqa_str_make(line.ptr, name_len), anqa_str_make(colon + 2, line.len - name_len - 2));
    }
    return count;
}

static size_t count_lines(anqa_str head)
{
    size_t count = 0;

    for (size_t i = 0; i < head.len; i++)
        count += head.ptr[i] == '\n';
    return count;
}

static ssize_t on_offer(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length,
    uint32_t *data_flags, nghttp2_data_source *source, void *user)
{
    struct h2_stream *stream = nghttp2_session_get_stream_user_data(session, id);

    return stream == NULL ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
                          : stream_offer(stream, length, data_flags);
}

static int submit(struct h2_stream *stream, const nghttp2_nv *fields, size_t count, bool follows)
{
    static const nghttp2_data_provider content = {.read_callback = on_offer};
    nghttp2_session *session = stream->h2->session;

    if (fields[0].value[0] == '1')
        return nghttp2_submit_headers(
            session, NGHTTP2_FLAG_NONE, stream->id, NULL, fields, count, NULL);
    stream->headed = true;
    stream->finished = !follows;
    return nghttp2_submit_response(session, stream->id, fields, count, follows ? &content : NULL);
}

static int submit_head(struct h2_stream *stream, anqa_str head, bool follows)
{
    nghttp2_nv *fields = malloc((1 + count_lines(head)) * sizeof *fields);
    int result = NGHTTP2_ERR_NOMEM;

    if (fields != NULL)
        result = submit(stream, fields, h2_fields(head, fields), follows);
    free(fields);
    return result;
}

/* A head that is all of the answer. False: it can not be held, and goes now. */
static bool hold(struct h2_stream *stream, anqa_str head)
{
    if (head.len > LATE_MAX || !stream_holds(stream))
        return false;
    stream->late = malloc(head.len);
    if (stream->late == NULL)
        return false;
    memcpy(stream->late, head.ptr, head.len);
    stream->late_len = (uint16_t)head.len;
    stream->headed = stream->finished = true;
    return true;
}

bool h2_late_head(struct h2_stream *stream)
{
    int result = submit_head(stream, anqa_str_make(stream->late, stream->late_len), false);

    free(stream->late);
    stream->late = NULL;
    return result == 0;
}

static bool is_informal(anqa_str head)
{
    return head.ptr[STATUS_AT] == '1';
}

bool stream_head(struct conn *conn, anqa_str head, bool follows)
{
    struct h2_stream *stream = stream_of(conn);
    int result = 0;

    if (!stream->open)
        return false;
    if (head.ptr[STATUS_AT] >= '4') /* of what has failed nobody goes on to send the rest */
        stream->patient = false;
    anqa_section_begin();
    if (follows || is_informal(head) || !hold(stream, head))
        result = submit_head(stream, head, follows);
    anqa_section_end();
    if (result != 0)
        conn_kill(conn, true);
    else
        h2_wake(stream->h2);
    return result == 0;
}

/* ---------------------------------------------------------------- the body of the request */

static struct h2_exchange *h2x_of(const struct exchange *exchange)
{
    return ANQA_CONTAINER_OF((struct exchange *)(uintptr_t)exchange, struct h2_exchange, exchange);
}

static struct conn *conn_of(const struct exchange *exchange)
{
    return &h2x_of(exchange)->stream->conn;
}

static anqa_status written(bool done)
{
    return done ? ANQA_OK : ANQA_E_CLOSED;
}

static anqa_status broken(struct exchange *exchange, anqa_status why, unsigned status)
{
    h2x_of(exchange)->broken = why;
    exchange->failure = status;
    return why;
}

static anqa_status send_continue(struct h2_stream *stream)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    bool due = stream->due && !stream->headed;

    stream->due = false;
    return written(!due || stream_head(&stream->conn, anqa_str_make(text, sizeof text - 1), false));
}

static size_t take(struct exchange *exchange, char *buf, size_t size)
{
    struct h2_stream *stream = h2x_of(exchange)->stream;
    size_t n = input_take(&stream->conn, buf, size);

    stream_taken(stream, n);
    exchange->body_done = stream->conn.ended && stream->conn.in == NULL;
    return n;
}

static anqa_status h2_read(
    struct exchange *exchange, char *buf, size_t size, uint64_t deadline_ms, size_t *ret_n)
{
    struct h2_exchange *h2x = h2x_of(exchange);
    struct conn *conn = &h2x->stream->conn;
    anqa_status status = h2x->broken;

    *ret_n = 0;
    if (status == ANQA_OK && conn->in == NULL && !conn->ended)
        status = send_continue(h2x->stream);
    if (status == ANQA_OK)
        status = stream_wait_input(h2x->stream, deadline_ms);
    if (status != ANQA_OK)
        return h2x->broken != ANQA_OK
                   ? status
                   : broken(exchange, status, status == ANQA_E_TIMEOUT ? 408 : 400);
    if (conn->in != NULL)
        *ret_n = take(exchange, buf, size);
    else
        exchange->body_done = true;
    return ANQA_OK;
}

static bool h2_trailer(const struct exchange *exchange, const char *name, anqa_str *ret_value)
{
    const struct h2_stream *stream = h2x_of(exchange)->stream;
    const struct body body = {.trailers = stream->trailers, .trailers_len = stream->trailers_len};

    return exchange->body_done && body_trailer(&body, name, ret_value);
}

/* ---------------------------------------------------------------- the response */

static bool has_content(const struct exchange *exchange)
{
    unsigned status = exchange->pub.status;

    return !conn_of(exchange)->head_only && status != 204 && status != 304;
}

static anqa_status h2_head(struct exchange *exchange, uint64_t length)
{
    struct conn *conn = conn_of(exchange);
    size_t size = exchange_fields_size(exchange) + HEAD_REST;
    unsigned status = exchange->pub.status;
    struct response response;
    anqa_str text;

    response_start(&response, anqa_arena_alloc(anqa_tmp(), size), size, status);
    exchange_write_fields(exchange, &response);
    if (length != EXCHANGE_STREAM && status != 204 && status != 304)
        response_header_uint(&response, "content-length", length);
    ANQA_REQUIRE(response_finish(&response, &text) == ANQA_OK);
    conn->answered = conn->partial = true;
    return written(stream_head(conn, text, length != 0 && has_content(exchange)));
}

static anqa_status h2_data(struct exchange *exchange, anqa_str bytes)
{
    struct conn *conn = conn_of(exchange);

    return written(has_content(exchange) ? conn_write(conn, bytes) : conn->phase == CONN_HTTP);
}

static anqa_status h2_file(struct exchange *exchange, int fd, struct range range)
{
    struct conn *conn = conn_of(exchange);

    return written(
        has_content(exchange) ? conn_write_file(conn, fd, range) : conn->phase == CONN_HTTP);
}

static anqa_status h2_end(struct exchange *exchange)
{
    struct conn *conn = conn_of(exchange);

    if (conn->phase != CONN_HTTP)
        return ANQA_E_CLOSED;
    conn_answer_over(conn);
    return ANQA_OK;
}

static anqa_status h2_inform(struct exchange *exchange, unsigned status, const anqa_header *headers)
{
    return written(stream_head(conn_of(exchange), exchange_informal_head(status, headers), false));
}

static anqa_status h2_upgrade(struct exchange *exchange, const struct ws_ops *ops, void *user,
    uint16_t timeout_s, const struct ws_deflate *deflate, struct conn **ret_conn)
{
    struct conn *conn = conn_of(exchange);

    *ret_conn = conn;
    return serve_upgrade(conn, exchange, ops, user, timeout_s, deflate);
}

static void h2_close(struct exchange *exchange)
{
    struct h2_stream *stream = h2x_of(exchange)->stream;

    if (stream->h2 != NULL)
        h2_leave(stream->h2->conn);
}

static void h2_peer(const struct exchange *exchange, char text[ANQA_ADDRESS_TEXT])
{
    conn_peer(conn_of(exchange), text);
}

#define H2_OPS(over)           \
    {.scheme = (over),         \
        .read = h2_read,       \
        .trailer = h2_trailer, \
        .inform = h2_inform,   \
        .head = h2_head,       \
        .data = h2_data,       \
        .file = h2_file,       \
        .end = h2_end,         \
        .upgrade = h2_upgrade, \
        .close = h2_close,     \
        .peer = h2_peer}

static const struct exchange_ops plain_ops = H2_OPS("http"), secure_ops = H2_OPS("https");

const struct exchange_ops *h2_ops(const struct h2_stream *stream)
{
    return stream->secure ? &secure_ops : &plain_ops;
}
