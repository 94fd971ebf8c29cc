/* The response's side of anqa/conn.h. See exchange.h. */
#include "http/exchange.h"

#include <anqa/html.h>
#include <anqa/memory.h>

#include "http/gzip.h"
#include "http/response.h"
#include "http/static.h"

#define INFORMAL_REST 64u /* of its head: the status line and the empty line */

/* ---------------------------------------------------------------- fields */

/* Those that the server writes. */
static bool is_reserved(anqa_str name)
{
    static const char *const reserved[] = {
        "content-length", "transfer-encoding", "connection", "date", "keep-alive", "upgrade"};

    for (size_t i = 0; i < ANQA_COUNT(reserved); i++)
        if (request_same_word(name, anqa_str_of(reserved[i])))
            return true;
    return false;
}

static void check_name(const anqa_conn *conn, const char *name)
{
    if (conn->state != ANQA_CONN_UNSET && conn->state != ANQA_CONN_SET)
        anqa_exit(anqa_error_reason("response field %s: the response has been sent", name));
    if (!response_is_name(anqa_str_of(name)) || is_reserved(anqa_str_of(name)))
        anqa_exit(anqa_error_reason("response field \"%s\" can not be put", name));
}

static void check_field(const anqa_conn *conn, const char *name, anqa_str value)
{
    check_name(conn, name);
    if (!response_is_value(value))
        anqa_exit(anqa_error_reason(
            "response field %s: a value must not have CR, LF or NUL in it", name));
}

static struct resp_field *field_find(const struct exchange *exchange, const char *name)
{
    struct resp_field *field = exchange->fields;
    anqa_str wanted = anqa_str_of(name);

    while (field != NULL && !request_same_word(anqa_str_of(field->name), wanted))
        field = field->next;
    return field;
}

void anqa_conn_add_resp_header(anqa_conn *conn, const char *name, anqa_str value)
{
    struct exchange *exchange = exchange_of(conn);
    struct resp_field *field;

    check_field(conn, name, value);
    field = anqa_arena_alloc(anqa_tmp(), sizeof *field);
    *field = (struct resp_field){
        .name = name, .value = {anqa_tmp_copy(value.ptr, value.len), value.len}};
    *exchange->fields_end = field;
    exchange->fields_end = &field->next;
}

void exchange_drop_fields(struct exchange *exchange, const char *name, anqa_str prefix)
{
    struct resp_field **link = &exchange->fields;
    anqa_str unwanted = anqa_str_of(name);

    while (*link != NULL) {
        if (request_same_word(anqa_str_of((*link)->name), unwanted) &&
            anqa_str_starts((*link)->value, prefix))
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
    exchange->fields_end = link;
}

void anqa_conn_delete_resp_header(anqa_conn *conn, const char *name)
{
    check_field(conn, name, anqa_str_of(""));
    exchange_drop_fields(exchange_of(conn), name, anqa_str_of(""));
}

void anqa_conn_put_resp_header(anqa_conn *conn, const char *name, anqa_str value)
{
    anqa_conn_delete_resp_header(conn, name);
    anqa_conn_add_resp_header(conn, name, value);
}

bool anqa_conn_resp_header(const anqa_conn *conn, const char *name, anqa_str *ret_value)
{
    const struct resp_field *field = field_find(exchange_of(conn), name);

    if (field != NULL)
        *ret_value = field->value;
    return field != NULL;
}

static void put_unless_there(anqa_conn *conn, const char *name, anqa_str value)
{
    if (field_find(exchange_of(conn), name) == NULL)
        anqa_conn_add_resp_header(conn, name, value);
}

void anqa_conn_put_close(anqa_conn *conn)
{
    struct exchange *exchange = exchange_of(conn);

    exchange->ops->close(exchange);
}

/* ---------------------------------------------------------------- heads */

size_t exchange_fields_size(const struct exchange *exchange)
{
    size_t size = 0;

    for (const struct resp_field *field = exchange->fields; field != NULL; field = field->next)
        size += strlen(field->name) + field->value.len + strlen(": \r\n");
    return size;
}

void exchange_write_fields(const struct exchange *exchange, struct response *response)
{
    for (const struct resp_field *field = exchange->fields; field != NULL; field = field->next)
        response_header(response, field->name, field->value);
}

anqa_str exchange_informal_head(unsigned status, const anqa_header *headers)
{
    size_t size = INFORMAL_REST;
    struct response response;
    anqa_str text;

    for (const anqa_header *header = headers; header->name != NULL; header++)
        size += strlen(header->name) + strlen(header->value) + strlen(": \r\n");
    response_start(&response, anqa_arena_alloc(anqa_tmp(), size), size, status);
    for (const anqa_header *header = headers; header->name != NULL; header++)
        response_header(&response, header->name, anqa_str_of(header->value));
    ANQA_REQUIRE(response_finish(&response, &text) == ANQA_OK);
    return text;
}

/* ---------------------------------------------------------------- before it is sent */

static void check_status(unsigned status)
{
    if (status < 200 || status > 599)
        anqa_exit(anqa_error_reason("%u is no status of a response", status));
}

void anqa_conn_put_status(anqa_conn *conn, unsigned status)
{
    check_status(status);
    conn->status = status;
}

void anqa_conn_register_before_send(
    anqa_conn *conn, void (*fn)(anqa_conn *conn, void *arg), void *arg)
{
    struct exchange *exchange = exchange_of(conn);
    struct before_send *before = anqa_arena_alloc(anqa_tmp(), sizeof *before);

    *before = (struct before_send){exchange->before_send, fn, arg};
    exchange->before_send = before;
}

static void check_unsent(const anqa_conn *conn)
{
    if (conn->state != ANQA_CONN_UNSET)
        anqa_exit(anqa_error_reason("the response was sent already"));
}

/* From here on this answer is the one. status: 0 for what was put. */
static void answer_begin(anqa_conn *conn, unsigned status)
{
    check_unsent(conn);
    if (status == 0)
        status = conn->status == 0 ? 200 : conn->status;
    anqa_conn_put_status(conn, status);
}

static void run_before_send(struct exchange *exchange, enum answer_state answer)
{
    struct before_send *before = exchange->before_send;

    exchange->answer = answer;
    exchange->pub.state = ANQA_CONN_SET;
    for (; before != NULL; before = before->next)
        before->fn(&exchange->pub, before->arg);
}

void exchange_refuse(struct exchange *exchange, unsigned status, anqa_str words)
{
    /* Of what is not sent. */
    static const char *const fields[] = {"accept-ranges", "content-digest", "content-disposition",
        "content-encoding", "content-language", "content-location", "content-range", "digest",
        "etag", "expires", "last-modified", "repr-digest"};

    for (size_t i = 0; i < ANQA_COUNT(fields); i++)
        exchange_drop_fields(exchange, fields[i], anqa_str_of(""));
    gzip_free(exchange->gzip);
    exchange->gzip = NULL;
    exchange->answer = ANSWER_WHOLE;
    exchange->pub.resp_body = words;
    anqa_conn_put_status(&exchange->pub, status);
    anqa_conn_put_resp_header(&exchange->pub, "cache-control", anqa_str_of("no-store"));
    anqa_conn_put_resp_header(
        &exchange->pub, "content-type", anqa_str_of("text/plain; charset=utf-8"));
}

anqa_status anqa_conn_inform(anqa_conn *conn, unsigned status, const anqa_header *headers)
{
    struct exchange *exchange = exchange_of(conn);

    check_unsent(conn);
    if (status < 102 || status > 199)
        anqa_exit(anqa_error_reason("%u is no status of an informational response", status));
    for (const anqa_header *header = headers; header->name != NULL; header++)
        check_field(conn, header->name, anqa_str_of(header->value));
    return exchange->ops->inform(exchange, status, headers);
}

/* ---------------------------------------------------------------- whole answers */

static anqa_status finish(struct exchange *exchange, anqa_status status)
{
    if (status == ANQA_OK)
        status = exchange->ops->end(exchange);
    exchange->pub.state = ANQA_CONN_SENT;
    return status;
}

/* Behind the callbacks. */
static anqa_status send_whole(struct exchange *exchange)
{
    anqa_str body = exchange->pub.resp_body;
    anqa_status status = exchange->ops->head(exchange, body.len);

    if (status == ANQA_OK && body.len != 0)
        status = exchange->ops->data(exchange, body);
    return finish(exchange, status);
}

anqa_status anqa_send_resp(anqa_conn *conn, unsigned code, anqa_str body)
{
    struct exchange *exchange = exchange_of(conn);

    answer_begin(conn, code);
    conn->resp_body = body;
    run_before_send(exchange, ANSWER_WHOLE);
    return send_whole(exchange);
}

static anqa_status send_as(anqa_conn *conn, const char *type, unsigned status, anqa_str body)
{
    check_unsent(conn);
    put_unless_there(conn, "content-type", anqa_str_of(type));
    return anqa_send_resp(conn, status, body);
}

anqa_status anqa_send_text(anqa_conn *conn, unsigned status, anqa_str text)
{
    return send_as(conn, "text/plain; charset=utf-8", status, text);
}

anqa_status anqa_send_html(anqa_conn *conn, unsigned status, anqa_str html)
{
    return send_as(conn, "text/html; charset=utf-8", status, html);
}

anqa_status anqa_send_json(anqa_conn *conn, unsigned status, anqa_json json)
{
    return send_as(conn, "application/json; charset=utf-8", status, anqa_json_text(json));
}

/* ---------------------------------------------------------------- redirects */

anqa_status anqa_redirect_external(anqa_conn *conn, anqa_str url)
{
    anqa_str shown = anqa_html_escape(url);
    const char *html =
        anqa_tmp_printf("<html><body>You are being <a href=\"%.*s\">redirected</a>.</body></html>",
            ANQA_FMT(shown));

    anqa_conn_put_resp_header(conn, "location", url);
    return anqa_send_html(conn, conn->status == 0 ? 302 : conn->status, anqa_str_of(html));
}

anqa_status anqa_redirect(anqa_conn *conn, anqa_str to)
{
    /* Browsers read a backslash as a slash, and leave tabs out. */
    if (to.len == 0 || to.ptr[0] != '/' || memchr(to.ptr, '\\', to.len) != NULL ||
        memchr(to.ptr, '\t', to.len) != NULL || (to.len > 1 && to.ptr[1] == '/'))
        anqa_exit(anqa_error_reason(
            "a redirect to \"%.*s\", which is no path of this site", ANQA_FMT(to)));
    return anqa_redirect_external(conn, to);
}

/* ---------------------------------------------------------------- files */

static anqa_status file_open(const char *path, struct static_file *ret_file)
{
    switch (static_file_open(path, ret_file)) {
    case STATIC_FOUND: return ANQA_OK;
    case STATIC_BUSY: return ANQA_E_LIMIT;
    case STATIC_DENIED: return ANQA_E_PERMISSION;
    default: return ANQA_E_NOT_FOUND;
    }
}

/* The whole file, or what conditions and ranges of the client make of it. */
static struct range negotiate(
    anqa_conn *conn, const struct static_file *file, struct byteranges *ret_several)
{
    struct static_part part;

    static_select(file, exchange_of(conn)->request, &part, ret_several);
    put_unless_there(conn, "etag", anqa_str_of(file->etag));
    put_unless_there(conn, "last-modified", anqa_str_make(part.modified, sizeof part.modified));
    put_unless_there(conn, "accept-ranges", anqa_str_of("bytes"));
    if (part.content_range[0] != '\0')
        anqa_conn_put_resp_header(conn, "content-range", anqa_str_of(part.content_range));
    anqa_conn_put_status(conn, part.status);
    return part.range;
}

/* The type that the file has becomes that of each part. */
static void put_several(anqa_conn *conn, struct byteranges *parts)
{
    char text[BYTERANGES_TEXT];
    anqa_str type;

    if (anqa_conn_resp_header(conn, "content-type", &type) && type.len < BYTERANGES_TYPE_MAX)
        parts->content_type = anqa_tmp_copy(type.ptr, type.len);
    anqa_conn_put_resp_header(conn, "content-type", byteranges_type(parts, text));
}

static anqa_status send_several(struct exchange *exchange, int fd, const struct byteranges *parts)
{
    char text[BYTERANGES_TEXT];
    anqa_status status = exchange->ops->head(exchange, byteranges_length(parts));

    for (unsigned i = 0; status == ANQA_OK && i < parts->ranges.count; i++) {
        status = exchange->ops->data(exchange, byteranges_head(parts, i, text));
        if (status == ANQA_OK)
            status = exchange->ops->file(exchange, fd, parts->ranges.at[i]);
    }
    if (status == ANQA_OK)
        status = exchange->ops->data(exchange, byteranges_head(parts, parts->ranges.count, text));
    return finish(exchange, status);
}

static anqa_status send_opened(
    anqa_conn *conn, unsigned code, const struct static_file *file, struct range range)
{
    struct exchange *exchange = exchange_of(conn);
    bool whole = range.offset == 0 && range.length == file->size;
    struct byteranges several = {0};
    anqa_status status;

    answer_begin(conn, code);
    put_unless_there(conn, "content-type", anqa_str_of(file->content_type));
    if (whole && conn->status == 200)
        range = negotiate(conn, file, &several);
    run_before_send(exchange, range.length == 0 ? ANSWER_WHOLE : ANSWER_FILE);
    if (exchange->answer == ANSWER_WHOLE)
        return send_whole(exchange);
    if (several.ranges.count != 0) {
        put_several(conn, &several);
        return send_several(exchange, file->fd, &several);
    }
    status = exchange->ops->head(exchange, range.length);
    if (status == ANQA_OK)
        status = exchange->ops->file(exchange, file->fd, range);
    return finish(exchange, status);
}

anqa_status anqa_send_file(
    anqa_conn *conn, unsigned code, const char *path, uint64_t offset, uint64_t length)
{
    anqa_deferred deferred;
    struct static_file file;
    anqa_status status;

    check_unsent(conn);
    status = file_open(path, &file);
    if (status != ANQA_OK)
        return status;
    deferred = anqa_defer_close(file.fd);
    if (offset > file.size || length > file.size - offset) {
        status = ANQA_E_RANGE;
    } else {
        if (length == 0)
            length = file.size - offset;
        status = send_opened(conn, code, &file, (struct range){offset, length});
    }
    anqa_defer_cancel(deferred);
    static_file_close(&file);
    return status;
}

/* ---------------------------------------------------------------- answers in chunks */

anqa_status anqa_send_chunked(anqa_conn *conn, unsigned code)
{
    struct exchange *exchange = exchange_of(conn);

    answer_begin(conn, code);
    run_before_send(exchange, ANSWER_STREAM);
    if (exchange->answer == ANSWER_WHOLE)
        (void)send_whole(exchange);
    conn->state = ANQA_CONN_CHUNKED;
    if (exchange->answer == ANSWER_WHOLE) /* nothing behind it is wanted */
        return ANQA_E_CLOSED;
    return exchange->ops->head(exchange, EXCHANGE_STREAM);
}

static anqa_status send_piece(void *arg, anqa_str piece)
{
    struct exchange *exchange = arg;

    return exchange->ops->data(exchange, piece);
}

anqa_status anqa_chunk(anqa_conn *conn, anqa_str data)
{
    struct exchange *exchange = exchange_of(conn);

    if (conn->state != ANQA_CONN_CHUNKED)
        anqa_exit(anqa_error_reason("a chunk where anqa_send_chunked was not called"));
    if (exchange->answer != ANSWER_STREAM)
        return ANQA_E_CLOSED;
    if (data.len == 0)
        return ANQA_OK;
    if (exchange->gzip != NULL)
        return gzip_write(exchange->gzip, data, GZIP_FLUSH, send_piece, exchange);
    return exchange->ops->data(exchange, data);
}

void exchange_end_stream(struct exchange *exchange)
{
    anqa_status status = ANQA_OK;

    if (exchange->answer != ANSWER_STREAM) { /* it was refused */
        exchange->pub.state = ANQA_CONN_SENT;
        return;
    }
    if (exchange->gzip != NULL) {
        status = gzip_write(exchange->gzip, anqa_str_of(""), GZIP_END, send_piece, exchange);
        gzip_free(exchange->gzip);
        exchange->gzip = NULL;
    }
    (void)finish(exchange, status);
}
