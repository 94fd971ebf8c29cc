/* The request's side of anqa/conn.h, assigns, and pipelines. See exchange.h. */
#include "http/exchange.h"

#include <anqa/log.h>
#include <anqa/memory.h>

#include "http/error_page.h"
#include "http/url.h"

#define TIMEOUT_DEFAULT_MS 15000u
#define PART (64u << 10) /* of a body: for each the time begins anew */
#define FIRST 4096u

/* ---------------------------------------------------------------- what is asked for */

/* "example.org:8080", "[::1]" */
static bool split_host(anqa_conn *conn, anqa_str text)
{
    const char *colon = text.len == 0 ? NULL : memrchr(text.ptr, ':', text.len);
    uint32_t port = 0;
    size_t len;

    conn->host = text;
    conn->port = strcmp(conn->scheme, "https") == 0 ? 443 : 80;
    if (colon == NULL || text.ptr[text.len - 1] == ']')
        return true;
    len = (size_t)(colon - text.ptr);
    if (memchr(text.ptr, ':', len) != NULL && colon[-1] != ']')
        return false;
    conn->host.len = len;
    if (len + 1 == text.len) /* RFC 3986, 3.2.3: no port behind the colon */
        return true;
    for (size_t i = len + 1; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(text.ptr[i] - '0');
        if (port > UINT16_MAX)
            return false;
    }
    conn->port = (uint16_t)port;
    return true;
}

static bool decode_segment(anqa_str raw, anqa_str *ret_segment)
{
    char *room = anqa_arena_alloc(anqa_tmp(), raw.len);

    return url_decode(raw, URL_SEGMENT, room, raw.len, ret_segment) == ANQA_OK;
}

static size_t count_char(anqa_str text, char wanted)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == wanted;
    return count;
}

static bool split_path(anqa_conn *conn, anqa_str path)
{
    anqa_str *segments =
        anqa_arena_alloc(anqa_tmp(), (count_char(path, '/') + 1) * sizeof *segments);
    const char *at = path.ptr, *end = path.ptr + path.len;

    conn->path_info = segments;
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t len = (size_t)((slash == NULL ? end : slash) - at);
        if (len != 0 && !decode_segment(anqa_str_make(at, len), &segments[conn->path_count++]))
            return false;
        at += len + 1;
    }
    return true;
}

bool exchange_init(
    struct exchange *exchange, const struct exchange_ops *ops, const struct request *request)
{
    anqa_conn *conn = &exchange->pub;

    *exchange = (struct exchange){.ops = ops,
        .request = request,
        .body_most = request_default_limits.body_bytes,
        .paced_bytes = PART};
    exchange->fields_end = &exchange->fields;
    conn->method = request->method_name;
    conn->scheme = ops->scheme;
    conn->request_path = request->path;
    conn->query_string = request->query;
    anqa_conn_put_resp_header(
        conn, "cache-control", anqa_str_of("max-age=0, private, must-revalidate"));
    return split_host(conn, request->host) && split_path(conn, request->path);
}

bool anqa_conn_req_header(const anqa_conn *conn, const char *name, anqa_str *ret_value)
{
    return request_header(exchange_of(conn)->request, name, ret_value);
}

size_t anqa_conn_req_headers(const anqa_conn *conn, const char *name, anqa_str *values, size_t max)
{
    anqa_str wanted = anqa_str_of(name), found, value;
    size_t count = 0, at = 0;

    while (anqa_conn_each_req_header(conn, &at, &found, &value)) {
        if (!request_same_word(found, wanted))
            continue;
        if (count < max)
            values[count] = value;
        count++;
    }
    return count;
}

bool anqa_conn_each_req_header(
    const anqa_conn *conn, size_t *at, anqa_str *ret_name, anqa_str *ret_value)
{
    const struct request *request = exchange_of(conn)->request;

    if (*at >= request->header_count)
        return false;
    *ret_name = request->headers[*at].name;
    *ret_value = request->headers[*at].value;
    ++*at;
    return true;
}

bool anqa_conn_req_trailer(const anqa_conn *conn, const char *name, anqa_str *ret_value)
{
    const struct exchange *exchange = exchange_of(conn);

    return exchange->ops->trailer(exchange, name, ret_value);
}

void anqa_conn_peer(const anqa_conn *conn, char text[ANQA_ADDRESS_TEXT])
{
    const struct exchange *exchange = exchange_of(conn);

    exchange->ops->peer(exchange, text);
}

/* ---------------------------------------------------------------- the body */

static anqa_status body_too_long(struct exchange *exchange)
{
    exchange->failure = 413;
    return ANQA_E_LIMIT;
}

/* What the reader does between two reads is not the client's time. */
static anqa_status read_in_time(
    struct exchange *exchange, char *buf, size_t size, uint32_t timeout_ms, size_t *ret_n)
{
    uint64_t began_ms = anqa_now_ms(), deadline_ms = UINT64_MAX;
    anqa_status status;

    if (timeout_ms == 0)
        timeout_ms = TIMEOUT_DEFAULT_MS;
    if (timeout_ms != ANQA_INFINITY)
        deadline_ms =
            began_ms + (timeout_ms > exchange->waited_ms ? timeout_ms - exchange->waited_ms : 0);
    status = exchange->ops->read(exchange, buf, size, deadline_ms, ret_n);
    if (status != ANQA_OK)
        return status;
    exchange->body_read += *ret_n;
    exchange->waited_ms += anqa_now_ms() - began_ms;
    if (exchange->body_read >= exchange->paced_bytes) {
        exchange->paced_bytes = exchange->body_read + PART;
        exchange->waited_ms = 0;
    }
    return ANQA_OK;
}

anqa_status exchange_read(
    struct exchange *exchange, char *buf, size_t size, uint32_t timeout_ms, size_t *ret_n)
{
    anqa_status status;

    if (exchange->request->body_bytes > exchange->body_most ||
        exchange->body_read > exchange->body_most)
        return body_too_long(exchange);
    status = read_in_time(exchange, buf, size, timeout_ms, ret_n);
    if (status != ANQA_OK)
        return status;
    return exchange->body_read > exchange->body_most ? body_too_long(exchange) : ANQA_OK;
}

void anqa_conn_limit_body(anqa_conn *conn, uint64_t bytes)
{
    ANQA_REQUIRE(bytes != 0);
    exchange_of(conn)->body_most = bytes;
}

anqa_status anqa_conn_read_part(
    anqa_conn *conn, char *buf, size_t size, uint32_t timeout_ms, size_t *ret_n)
{
    struct exchange *exchange = exchange_of(conn);

    ANQA_REQUIRE(size > 0);
    return exchange_read(exchange, buf, size, timeout_ms, ret_n);
}

/* A body in the making. */
struct gather {
    char *bytes;
    size_t len, cap;
};

static void gather_grow(struct gather *gather, size_t most)
{
    size_t cap = gather->cap == 0 ? FIRST : gather->cap * 2;
    char *larger;

    cap = cap < most ? cap : most;
    larger = anqa_arena_alloc(anqa_tmp(), cap);
    if (gather->len != 0)
        memcpy(larger, gather->bytes, gather->len);
    gather->bytes = larger;
    gather->cap = cap;
}

static anqa_status gather_body(
    struct exchange *exchange, struct gather *gather, size_t most, uint32_t timeout_ms)
{
    while (gather->len < most) {
        anqa_status status;
        size_t n;
        if (gather->len == gather->cap)
            gather_grow(gather, most);
        status = exchange_read(
            exchange, gather->bytes + gather->len, gather->cap - gather->len, timeout_ms, &n);
        if (status != ANQA_OK || n == 0)
            return status;
        gather->len += n;
    }
    return ANQA_OK;
}

/* What may still be read. */
static size_t left_of(const struct exchange *exchange)
{
    uint64_t left = exchange->body_most - exchange->body_read;

    if (exchange->body_read >= exchange->body_most)
        return 0;
    return left < SIZE_MAX ? (size_t)left : SIZE_MAX;
}

anqa_status anqa_conn_read_body(
    anqa_conn *conn, const anqa_body_opts *opts, anqa_str *ret_body, bool *ret_more)
{
    static const anqa_body_opts defaults = {0};
    struct exchange *exchange = exchange_of(conn);
    struct gather gather = {0};
    size_t length, most;
    anqa_status status;

    if (opts == NULL)
        opts = &defaults;
    length = opts->length == 0 ? left_of(exchange) : opts->length;
    if (length > exchange->body_most)
        exchange->body_most = length;
    if (ret_more == NULL && length < SIZE_MAX) /* one more byte tells whether there is more */
        most = length + 1;
    else
        most = length;
    status = gather_body(exchange, &gather, most, opts->read_timeout_ms);
    if (status != ANQA_OK)
        return status;
    if (gather.len > length)
        return body_too_long(exchange);
    if (ret_more != NULL)
        *ret_more = gather.len == length && !exchange->body_done;
    *ret_body = anqa_str_make(gather.bytes, gather.len);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- assigns */

static struct assign *assign_find(struct assign *list, const char *name)
{
    while (list != NULL && strcmp(list->name, name) != 0)
        list = list->next;
    return list;
}

static void assign_put(struct assign **list, const char *name, const void *value, anqa_json json)
{
    struct assign *assign = assign_find(*list, name);

    if (assign == NULL) {
        assign = anqa_arena_alloc(anqa_tmp(), sizeof *assign);
        assign->name = name;
        assign->next = *list;
        *list = assign;
    }
    assign->value = value;
    assign->json = json;
}

void anqa_conn_assign(anqa_conn *conn, const char *name, const void *value)
{
    assign_put(&exchange_of(conn)->assigns, name, value, ANQA_JSON_NULL);
}

const void *anqa_conn_assigned(const anqa_conn *conn, const char *name)
{
    const struct assign *assign = assign_find(exchange_of(conn)->assigns, name);

    return assign == NULL ? NULL : assign->value;
}

void anqa_conn_assign_json(anqa_conn *conn, const char *name, anqa_json value)
{
    anqa_str copy = anqa_str_make(anqa_tmp_copy(value.ptr, value.len), value.len);

    assign_put(&exchange_of(conn)->assigns, name, NULL, anqa_json_of(copy));
}

anqa_json anqa_conn_assigned_json(const anqa_conn *conn, const char *name)
{
    const struct assign *assign = assign_find(exchange_of(conn)->assigns, name);

    return assign == NULL ? ANQA_JSON_NULL : assign->json;
}

void anqa_conn_put_private(anqa_conn *conn, const char *name, const void *value)
{
    assign_put(&exchange_of(conn)->privates, name, value, ANQA_JSON_NULL);
}

const void *anqa_conn_private(const anqa_conn *conn, const char *name)
{
    const struct assign *assign = assign_find(exchange_of(conn)->privates, name);

    return assign == NULL ? NULL : assign->value;
}

/* ---------------------------------------------------------------- pipelines */

void anqa_conn_halt(anqa_conn *conn)
{
    conn->halted = true;
}

void anqa_conn_run(anqa_conn *conn, const anqa_plug *plugs)
{
    for (; plugs->call != NULL && !conn->halted; plugs++)
        plugs->call(conn, plugs->opts);
}

static void answer_for(struct exchange *exchange)
{
    unsigned status = exchange->failure;

    if (status == 0) {
        status = 500;
        anqa_log(ANQA_ERROR, "http.request.unanswered", "method=%.*s path=%.*s",
            ANQA_FMT(exchange->pub.method), ANQA_FMT(exchange->pub.request_path));
    }
    error_page_send(&exchange->pub, status);
}

void exchange_run(struct exchange *exchange, const anqa_plug *plugs)
{
    anqa_conn_run(&exchange->pub, plugs);
    if (exchange->pub.state == ANQA_CONN_UNSET)
        answer_for(exchange);
    if (exchange->pub.state == ANQA_CONN_CHUNKED)
        exchange_end_stream(exchange);
    /* Not by a deferred clean-up: the event of a crash, which comes behind those, is to have it. */
    if (exchange->logs_id && exchange->pub.state != ANQA_CONN_UPGRADED)
        anqa_log_metadata("request_id", anqa_str_of(""));
}
