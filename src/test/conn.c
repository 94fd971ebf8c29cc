/* Requests without a network: an exchange (http/exchange.h) whose protocol keeps what is sent. */
#include "test/kit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/container.h"
#include "http/cookie_read.h"
#include "http/error_page.h"
#include "http/exchange.h"
#include "http/secret.h"

#define PART 4096u

/* Lies in the body's memory. */
struct test_conn {
    struct exchange exchange;
    struct request request;
    const anqa_test_request *spec;
    anqa_str unread;
    char *sent; /* ends in NUL */
    size_t sent_len, sent_size;
};

static struct test_conn *test_conn_of(const struct exchange *exchange)
{
    return ANQA_CONTAINER_OF((struct exchange *)(uintptr_t)exchange, struct test_conn, exchange);
}

/* ---------------------------------------------------------------- the protocol */

static anqa_status test_read(
    struct exchange *exchange, char *buf, size_t size, uint64_t deadline_ms, size_t *ret_n)
{
    struct test_conn *conn = test_conn_of(exchange);
    size_t n = conn->unread.len < size ? conn->unread.len : size;

    if (n != 0)
        memcpy(buf, conn->unread.ptr, n);
    conn->unread = anqa_str_make(conn->unread.ptr + n, conn->unread.len - n);
    exchange->body_done = conn->unread.len == 0;
    *ret_n = n;
    return ANQA_OK;
}

static bool test_trailer(const struct exchange *exchange, const char *name, anqa_str *ret_value)
{
    return false;
}

static anqa_status test_inform(
    struct exchange *exchange, unsigned status, const anqa_header *headers)
{
    return ANQA_OK;
}

static anqa_status test_head(struct exchange *exchange, uint64_t length)
{
    return ANQA_OK;
}

static anqa_status test_data(struct exchange *exchange, anqa_str bytes)
{
    struct test_conn *conn = test_conn_of(exchange);
    size_t needed = conn->sent_len + bytes.len + 1;

    if (needed > conn->sent_size) {
        char *larger = anqa_arena_alloc(anqa_tmp(), needed * 2);
        memcpy(larger, conn->sent, conn->sent_len);
        conn->sent = larger;
        conn->sent_size = needed * 2;
    }
    memcpy(conn->sent + conn->sent_len, bytes.ptr, bytes.len);
    conn->sent_len += bytes.len;
    conn->sent[conn->sent_len] = '\0';
    return ANQA_OK;
}

static anqa_status test_file(struct exchange *exchange, int fd, struct range range)
{
    char part[PART];
    uint64_t end = range.offset + range.length;

    for (uint64_t at = range.offset; at < end;) {
        size_t size = end - at < sizeof part ? (size_t)(end - at) : sizeof part;
        ssize_t n = pread(fd, part, size, (off_t)at);
        if (n <= 0)
            return ANQA_E_CLOSED;
        (void)test_data(exchange, anqa_str_make(part, (size_t)n));
        at += (uint64_t)n;
    }
    return ANQA_OK;
}

static anqa_status test_end(struct exchange *exchange)
{
    return ANQA_OK;
}

static anqa_status test_upgrade(struct exchange *exchange, const struct ws_ops *ops, void *user,
    uint16_t timeout_s, const struct ws_deflate *deflate, struct conn **ret_conn)
{
    return ANQA_E_STOPPED; /* nothing to speak over */
}

static void test_close(struct exchange *exchange)
{
}

static void test_peer(const struct exchange *exchange, char text[ANQA_ADDRESS_TEXT])
{
    const char *peer = test_conn_of(exchange)->spec->peer;

    snprintf(text, ANQA_ADDRESS_TEXT, "%s", peer == NULL ? "127.0.0.1:51234" : peer);
}

#define TEST_OPS(over)           \
    {.scheme = (over),           \
        .read = test_read,       \
        .trailer = test_trailer, \
        .inform = test_inform,   \
        .head = test_head,       \
        .data = test_data,       \
        .file = test_file,       \
        .end = test_end,         \
        .upgrade = test_upgrade, \
        .close = test_close,     \
        .peer = test_peer}

static const struct exchange_ops http_ops = TEST_OPS("http"), https_ops = TEST_OPS("https");

/* ---------------------------------------------------------------- requests */

static const char *or_default(const char *text, const char *standard)
{
    return text == NULL ? standard : text;
}

/* One cookie that a client has; a newer one of the name stands before it. */
struct kept {
    struct kept *next;
    anqa_str name, value;
};

static struct kept *keep(struct kept *list, anqa_str name, anqa_str value)
{
    struct kept *kept = anqa_arena_alloc(anqa_tmp(), sizeof *kept);

    *kept = (struct kept){list, name, value};
    return kept;
}

/* Those that it has sent, then those that it was given. */
static struct kept *cookies_of(const anqa_conn *conn)
{
    const struct exchange *exchange = exchange_of(conn);
    struct kept *list = NULL;
    anqa_str name, value;

    for (size_t at = 0; anqa_conn_each_req_header(conn, &at, &name, &value);) {
        anqa_str pair_name, pair_value;
        while (request_same_word(name, anqa_str_of("cookie")) &&
               cookie_next(&value, &pair_name, &pair_value))
            list = keep(list, pair_name, pair_value);
    }
    for (const struct resp_field *field = exchange->fields; field != NULL; field = field->next) {
        anqa_str rest = field->value;
        if (!request_same_word(anqa_str_of(field->name), anqa_str_of("set-cookie")) ||
            !cookie_next(&rest, &name, &value))
            continue;
        if (memmem(rest.ptr, rest.len, "max-age=0;", 10) != NULL) /* it is to be dropped */
            value = anqa_str_of("");
        list = keep(list, name, value);
    }
    return list;
}

static bool is_older(const struct kept *list, const struct kept *kept)
{
    while (list != kept && !anqa_str_eq(list->name, kept->name))
        list = list->next;
    return list != kept;
}

static const char *cookie_line(const anqa_conn *after)
{
    const struct kept *list = cookies_of(after);
    const char *line = "";

    for (const struct kept *kept = list; kept != NULL; kept = kept->next)
        if (kept->value.len != 0 && !is_older(list, kept))
            line = anqa_tmp_printf("%s%s%.*s=%.*s", line, *line == '\0' ? "Cookie: " : "; ",
                ANQA_FMT(kept->name), ANQA_FMT(kept->value));
    return *line == '\0' ? "" : anqa_tmp_printf("%s\r\n", line);
}

/* As it would come. In the body's memory. */
static const char *head_text(const anqa_test_request *request)
{
    const char *text =
        anqa_tmp_printf("%s %s HTTP/1.1\r\nHost: %s\r\n", or_default(request->method, "GET"),
            or_default(request->target, "/"), or_default(request->host, "www.example.com"));

    if (request->after != NULL)
        text = anqa_tmp_printf("%s%s", text, cookie_line(request->after));
    for (const anqa_header *header = request->headers; header != NULL && header->name != NULL;
        header++)
        text = anqa_tmp_printf("%s%s: %s\r\n", text, header->name, header->value);
    return anqa_tmp_printf("%s%s\r\n", text,
        request->body.len == 0 ? ""
                               : anqa_tmp_printf("Content-Length: %zu\r\n", request->body.len));
}

anqa_conn *anqa_test_conn_(struct anqa_test_place place, const anqa_test_request *request)
{
    static const struct request_limits any_body = {.body_bytes = REQUEST_BODY_MAX};
    struct test_conn *conn = anqa_arena_calloc(anqa_tmp(), 1, sizeof *conn);
    const char *head = head_text(request);
    struct request_scan scan = {0};
    enum request_result result =
        request_parse(&conn->request, &scan, head, strlen(head), &any_body);

    conn->spec = (const anqa_test_request *)(const void *)anqa_tmp_copy(request, sizeof *request);
    conn->unread = request->body;
    conn->sent = anqa_tmp_copy("", 0);
    conn->sent_size = 1;
    if (result != REQUEST_DONE || scan.at != 0)
        anqa_test_fail_(place, "anqa_test_conn", NULL, NULL, " it is refused: %s",
            result == REQUEST_REFUSED ? conn->request.why : "its fields are no fields");
    if (!exchange_init(&conn->exchange, request->https ? &https_ops : &http_ops, &conn->request))
        anqa_test_fail_(place, "anqa_test_conn", NULL, NULL, " host or path can not be read");
    conn->exchange.body_done = request->body.len == 0;
    return &conn->exchange.pub;
}

void anqa_test_run(anqa_conn *conn, const anqa_plug *plugs)
{
    exchange_run(exchange_of(conn), plugs);
}

static void endpoint_run(anqa_conn *conn, const void *opts)
{
    const anqa_endpoint *endpoint = opts;

    if (endpoint->force_ssl != NULL)
        anqa_plug_ssl(conn, endpoint->force_ssl);
    if (endpoint->plugs != NULL && !conn->halted)
        anqa_conn_run(conn, endpoint->plugs);
    if (endpoint->router != NULL && !conn->halted)
        anqa_router_call(conn, endpoint->router);
}

void anqa_test_dispatch(anqa_conn *conn, const anqa_endpoint *endpoint)
{
    struct exchange *exchange = exchange_of(conn);
    struct error_pages pages = {
        endpoint->render_errors, endpoint->debug_errors == ANQA_DEBUG_ERRORS_ON};
    anqa_error err;

    exchange->pages = (const struct error_pages *)(const void *)anqa_tmp_copy(&pages, sizeof pages);
    exchange->session_opts = endpoint->session;
    if (secret_find(endpoint->secret_key_base, endpoint->session != NULL, &exchange->secret,
            &err) != ANQA_OK)
        anqa_exit(anqa_error_reason("%s", err.text));
    anqa_test_run(conn, (const anqa_plug[]){{endpoint_run, endpoint}, {0}});
}

/* ---------------------------------------------------------------- answers */

const char *anqa_test_resp_body(const anqa_conn *conn)
{
    return test_conn_of(exchange_of(conn))->sent;
}

const char *anqa_test_assert_response_(
    struct anqa_test_place place, const anqa_conn *conn, unsigned status)
{
    const char *body = anqa_test_resp_body(conn);

    if (conn->state == ANQA_CONN_UNSET)
        anqa_test_fail_(place, "the request was answered", NULL, NULL, " it was not");
    if (conn->status != status)
        anqa_test_fail_(place, "the status of the response", anqa_tmp_printf("%u", conn->status),
            anqa_tmp_printf("%u", status), " body: %s", body);
    return body;
}

anqa_json anqa_test_assert_json_response_(
    struct anqa_test_place place, const anqa_conn *conn, unsigned status, const char *pattern, ...)
{
    anqa_str body = anqa_str_of(anqa_test_assert_response_(place, conn, status)), type = {0};
    anqa_json wanted, json;
    anqa_error err;
    va_list args;

    if (!anqa_conn_resp_header(conn, "content-type", &type) ||
        !anqa_str_starts(type, anqa_str_of("application/json")))
        anqa_test_fail_(place, "the content-type of the response",
            anqa_tmp_printf("%.*s", ANQA_FMT(type)), "application/json", " body: %s", body.ptr);
    if (anqa_json_parse(body, NULL, &json, &err) != ANQA_OK)
        anqa_test_fail_(place, "the body is JSON", NULL, NULL, " %s: %s", err.text, body.ptr);
    va_start(args, pattern);
    wanted = kit_pattern(pattern, args);
    va_end(args);
    kit_assert_fits(place, "the body of the response", json, wanted);
    return json;
}

void anqa_test_assert_header_(
    struct anqa_test_place place, const anqa_conn *conn, const char *name, const char *value)
{
    anqa_str found = {0};
    const char *got =
        anqa_conn_resp_header(conn, name, &found) ? anqa_tmp_copy(found.ptr, found.len) : NULL;

    if (got == NULL ? value != NULL : value == NULL || strcmp(got, value) != 0)
        anqa_test_fail_(place, anqa_tmp_printf("the response's field %s", name),
            or_default(got, "(none)"), or_default(value, "(none)"), "%s", "");
}

void anqa_test_assert_redirect_(struct anqa_test_place place, const anqa_conn *conn, const char *to)
{
    if (conn->status < 300 || conn->status > 399)
        (void)anqa_test_assert_response_(place, conn, 302);
    anqa_test_assert_header_(place, conn, "location", to);
}
