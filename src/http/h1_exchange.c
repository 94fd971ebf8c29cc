/* What HTTP/1.1 does for an exchange: struct exchange_ops. See h1.h. */
#include "http/h1.h"

#include <sys/poll.h>
#include <string.h>

#include <anqa/memory.h>

#include "http/serve.h"

#define SKIP_MAX \
    1000000u           /* of a body that nobody reads; more of it, and the connection is closed */
#define HEAD_REST 512u /* of a head, without the fields that plugs have put */
#define SIZE_LINE 18   /* a chunk's size: 16 digits and CR LF */

/* ---------------------------------------------------------------- the body of the request */

static anqa_status body_broken(struct h1 *h1, anqa_status why, unsigned status)
{
    h1->broken = why;
    h1->exchange.failure = status;
    h1->conn->keep_alive = false;
    return why;
}

static anqa_status body_refused(struct h1 *h1)
{
    return body_broken(h1, h1->body.status == 413 ? ANQA_E_LIMIT : ANQA_E_PARSE, h1->body.status);
}

/* The next request is behind it. */
static void body_done(struct h1 *h1)
{
    h1->exchange.body_done = true;
    if (!h1->conn->answered)
        h1->conn->keep_alive = h1->keeps && !h1->conn->leaving;
}

/* Leaves in `buf`, of the `n` bytes that have come, those of the body; what is behind it is put back. */
static anqa_status decode(struct h1 *h1, char *buf, size_t n, size_t *ret_n)
{
    size_t at = 0, taken;
    anqa_str piece;

    for (;;) {
        enum body_result result = body_read(&h1->body, buf + at, n - at, &taken, &piece);
        at += taken;
        switch (result) {
        case BODY_PIECE:
            memmove(buf + *ret_n, piece.ptr, piece.len);
            *ret_n += piece.len;
            break;
        case BODY_MORE: return ANQA_OK;
        case BODY_REFUSED: return body_refused(h1);
        case BODY_DONE:
            body_done(h1);
            if (at < n)
                input_put_back(h1->conn, buf + at, n - at);
            return ANQA_OK;
        }
    }
}

static anqa_status send_continue(struct h1 *h1)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

    h1->due = false;
    if (h1->conn->answered || h1->conn->in != NULL) /* it does not wait any more */
        return ANQA_OK;
    return conn_write(h1->conn, anqa_str_make(text, sizeof text - 1)) ? ANQA_OK : ANQA_E_CLOSED;
}

/* Of a body of known length nothing that is behind it is read. */
static size_t wanted(const struct h1 *h1, size_t size)
{
    return !h1->in_chunks && h1->body.left < size ? (size_t)h1->body.left : size;
}

static anqa_status h1_read(
    struct exchange *exchange, char *buf, size_t size, uint64_t deadline_ms, size_t *ret_n)
{
    struct h1 *h1 = h1_of(exchange);
    anqa_status status = h1->broken;

    *ret_n = 0;
    if (status == ANQA_OK)
        status = decode(h1, buf, 0, ret_n); /* there may be none */
    if (status == ANQA_OK && h1->due && !exchange->body_done)
        status = send_continue(h1);
    while (status == ANQA_OK && *ret_n == 0 && !exchange->body_done) {
        size_t n;
        status = conn_read_some(h1->conn, buf, wanted(h1, size), deadline_ms, &n);
        if (status == ANQA_OK)
            status = decode(h1, buf, n, ret_n);
        else
            (void)body_broken(h1, status, status == ANQA_E_TIMEOUT ? 408 : 400);
    }
    if (status == ANQA_OK && !exchange->body_done)
        status = decode(h1, buf, 0, &(size_t){0}); /* its end may be known by now */
    return status;
}

bool h1_body_is_long(const struct h1 *h1)
{
    return h1->body.left > SKIP_MAX;
}

bool h1_skip_body(struct h1 *h1)
{
    uint64_t deadline_ms = conn_deadline(h1->conn->service->close_timeout, CONN_CLOSE_S);
    char *buf = h1->conn->outlet->read; /* nobody waits between the read and the end of decoding */
    size_t skipped = 0, n = 0;

    do {
        if (h1_read(&h1->exchange, buf, READ_SIZE, deadline_ms, &n) != ANQA_OK)
            return false;
        skipped += n;
    } while (n != 0 && skipped <= SKIP_MAX);
    return n == 0;
}

static bool h1_trailer(const struct exchange *exchange, const char *name, anqa_str *ret_value)
{
    return exchange->body_done && body_trailer(&h1_of(exchange)->body, name, ret_value);
}

/* ---------------------------------------------------------------- the response */

static anqa_status written(bool done)
{
    return done ? ANQA_OK : ANQA_E_CLOSED;
}

static bool status_has_content(unsigned status)
{
    return status != 204 && status != 304;
}

static void write_framing(struct h1 *h1, struct response *response, uint64_t length)
{
    struct conn *conn = h1->conn;

    h1->out_chunks = length == EXCHANGE_STREAM && !conn->old;
    if (length == EXCHANGE_STREAM && conn->old) /* ends with the connection */
        conn->keep_alive = false;
    if (!status_has_content(h1->exchange.pub.status))
        return;
    if (h1->out_chunks)
        response_header(response, "transfer-encoding", anqa_str_of("chunked"));
    else if (length != EXCHANGE_STREAM)
        response_header_uint(response, "content-length", length);
}

static anqa_status h1_head(struct exchange *exchange, uint64_t length)
{
    struct h1 *h1 = h1_of(exchange);
    size_t size = exchange_fields_size(exchange) + HEAD_REST;
    char *head = anqa_arena_alloc(anqa_tmp(), size);
    struct response response;
    anqa_str text;

    response_start(&response, head, size, exchange->pub.status);
    exchange_write_fields(exchange, &response);
    write_framing(h1, &response, length);
    h1_connection_field(h1->conn, &response);
    ANQA_REQUIRE(response_finish(&response, &text) == ANQA_OK);
    h1->conn->answered = h1->conn->partial = true;
    return written(conn_write(h1->conn, text));
}

static bool has_content(const struct h1 *h1)
{
    return !h1->conn->head_only && status_has_content(h1->exchange.pub.status);
}

static anqa_str size_line(size_t size, char line[static SIZE_LINE])
{
    size_t at = SIZE_LINE;

    line[--at] = '\n';
    line[--at] = '\r';
    for (; size != 0; size >>= 4)
        line[--at] = "0123456789abcdef"[size & 15];
    return anqa_str_make(line + at, SIZE_LINE - at);
}

static anqa_status h1_data(struct exchange *exchange, anqa_str bytes)
{
    struct h1 *h1 = h1_of(exchange);
    struct conn *conn = h1->conn;
    char line[SIZE_LINE];

    if (!has_content(h1))
        return written(conn->phase == CONN_HTTP);
    if (!h1->out_chunks)
        return written(conn_write(conn, bytes));
    return written(conn_write(conn, size_line(bytes.len, line)) && conn_write(conn, bytes) &&
                   conn_write(conn, anqa_str_of("\r\n")));
}

static anqa_status h1_file(struct exchange *exchange, int fd, struct range range)
{
    struct h1 *h1 = h1_of(exchange);

    return written(
        has_content(h1) ? conn_write_file(h1->conn, fd, range) : h1->conn->phase == CONN_HTTP);
}

static anqa_status h1_end(struct exchange *exchange)
{
    struct h1 *h1 = h1_of(exchange);
    bool done = h1->conn->phase == CONN_HTTP;

    if (h1->out_chunks && has_content(h1))
        done = conn_write(h1->conn, anqa_str_of("0\r\n\r\n"));
    if (done)
        h1->conn->partial = false;
    return written(done);
}

static anqa_status h1_inform(struct exchange *exchange, unsigned status, const anqa_header *headers)
{
    struct conn *conn = h1_of(exchange)->conn;

    if (conn->old)
        return written(conn->phase == CONN_HTTP);
    return written(conn_write(conn, exchange_informal_head(status, headers)));
}

static anqa_status h1_upgrade(struct exchange *exchange, const struct ws_ops *ops, void *user,
    uint16_t timeout_s, const struct ws_deflate *deflate, struct conn **ret_conn)
{
    struct conn *conn = h1_of(exchange)->conn;

    *ret_conn = conn;
    return serve_upgrade(conn, exchange, ops, user, timeout_s, deflate);
}

static void h1_close(struct exchange *exchange)
{
    struct h1 *h1 = h1_of(exchange);

    h1->keeps = h1->conn->keep_alive = false;
}

static void h1_peer(const struct exchange *exchange, char text[ANQA_ADDRESS_TEXT])
{
    conn_peer(h1_of(exchange)->conn, text);
}

static bool h1_left(const struct exchange *exchange)
{
    const struct conn *conn = h1_of(exchange)->conn;
    struct pollfd side = {.fd = conn->entry == NULL ? -1 : conn->entry->fd, .events = POLLRDHUP};

    return side.fd < 0 || poll(&side, 1, 0) > 0;
}

#define H1_OPS(over)           \
    {.scheme = (over),         \
        .read = h1_read,       \
        .trailer = h1_trailer, \
        .inform = h1_inform,   \
        .head = h1_head,       \
        .data = h1_data,       \
        .file = h1_file,       \
        .end = h1_end,         \
        .upgrade = h1_upgrade, \
        .close = h1_close,     \
        .peer = h1_peer,       \
        .left = h1_left}

static const struct exchange_ops plain_ops = H1_OPS("http"), secure_ops = H1_OPS("https");

const struct exchange_ops *h1_ops(const struct conn *conn)
{
    return conn->secure ? &secure_ops : &plain_ops;
}
