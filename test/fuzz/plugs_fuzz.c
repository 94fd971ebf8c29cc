/*
 * Any bytes as a request, with a body behind its head, which goes through each plug that reads what clients say. What must hold: nobody is
 * let in who has not the password, or the token of a form; who the client is, is an address; a redirect to https goes to a host; a page of
 * another site is answered to by its name; parameters are JSON; what is sent of a file lies in it.
 */
#include <arpa/inet.h>
#include <string.h>

#include "fuzz/process.h"
#include "http/exchange.h"
#include "http/media_type.h"
#include "http/origin_list.h"
#include "http/response.h"
#include "http/static.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_BYTES 1000u

/* ---------------------------------------------------------------- a request, and what is sent back */

struct visit {
    struct exchange exchange;
    anqa_str unread;
};

static anqa_status read_body(
    struct exchange *exchange, char *buf, size_t size, uint64_t deadline_ms, size_t *ret_n)
{
    struct visit *visit = (struct visit *)exchange;
    size_t n = visit->unread.len < size ? visit->unread.len : size;

    if (n != 0)
        memcpy(buf, visit->unread.ptr, n);
    visit->unread = anqa_str_make(visit->unread.ptr + n, visit->unread.len - n);
    exchange->body_done = visit->unread.len == 0;
    *ret_n = n;
    return ANQA_OK;
}

static anqa_status send_head(struct exchange *exchange, uint64_t length)
{
    return ANQA_OK;
}

static anqa_status send_data(struct exchange *exchange, anqa_str bytes)
{
    return ANQA_OK;
}

static anqa_status send_end(struct exchange *exchange)
{
    return ANQA_OK;
}

static void say_peer(const struct exchange *exchange, char text[ANQA_ADDRESS_TEXT])
{
    memcpy(text, "10.0.0.1:5", sizeof "10.0.0.1:5");
}

#define OPS(over)          \
    {.scheme = (over),     \
        .read = read_body, \
        .head = send_head, \
        .data = send_data, \
        .end = send_end,   \
        .peer = say_peer}

static const struct exchange_ops plain_ops = OPS("http"), secure_ops = OPS("https");

static void ok(anqa_conn *conn, const void *opts)
{
    (void)anqa_send_text(conn, 200, anqa_str_of("let in"));
}

/* The request through one plug; NULL: no host, or no path. */
static anqa_conn *through(const struct request *request, anqa_str body,
    const struct exchange_ops *ops, void (*plug)(anqa_conn *conn, const void *opts),
    const void *opts)
{
    static const char secret[] = "0123456789012345678901234567890123456789012345678901234567890123";
    static const anqa_session_opts session = {0};
    struct visit *visit = anqa_arena_calloc(anqa_tmp(), 1, sizeof *visit);
    const anqa_plug plugs[] = {{plug, opts}, {.call = ok}, {0}};

    if (!exchange_init(&visit->exchange, ops, request))
        return NULL;
    visit->unread = body;
    visit->exchange.secret = anqa_str_make(secret, sizeof secret - 1);
    visit->exchange.session_opts = &session;
    visit->exchange.body_done = body.len == 0;
    exchange_run(&visit->exchange, plugs);
    return &visit->exchange.pub;
}

static bool is_let_in(const anqa_conn *conn)
{
    return conn->status == 200;
}

/* ---------------------------------------------------------------- the plugs */

static void check_forwarded(const struct request *request, bool rfc7239, unsigned believed)
{
    const anqa_forwarded_opts opts = {.from = (const char *const[]){"10.0.0.0/8", "::1", NULL},
        .rfc7239 = rfc7239,
        .believed = believed};
    unsigned char address[sizeof(struct in6_addr)];
    struct visit *visit = anqa_arena_calloc(anqa_tmp(), 1, sizeof *visit);
    anqa_conn *conn = &visit->exchange.pub;
    anqa_str host, ip;
    const char *text;

    if (!exchange_init(&visit->exchange, &plain_ops, request))
        return;
    host = conn->host;
    anqa_plug_forwarded(conn, &opts);
    ip = anqa_conn_remote_ip(conn);
    text = anqa_tmp_copy(ip.ptr, ip.len);
    fuzz_require(inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1);
    fuzz_require(strcmp(conn->scheme, "http") == 0 || strcmp(conn->scheme, "https") == 0);
    fuzz_require(believed != 0 || anqa_str_eq(conn->host, host));
}

static const anqa_ssl_opts ssl = {
    .forwarded = &(anqa_forwarded_opts){.from = (const char *const[]){"10.0.0.1", NULL},
        .believed = ANQA_FORWARDED_PROTO | ANQA_FORWARDED_HOST | ANQA_FORWARDED_PORT}};

static void check_ssl(const struct request *request)
{
    static const char host[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~[]:";
    const anqa_conn *conn = through(request, (anqa_str){0}, &plain_ops, anqa_plug_ssl, &ssl);
    const char *text;
    size_t len;
    anqa_str to;

    if (conn == NULL || !anqa_conn_resp_header(conn, "location", &to))
        return;
    text = anqa_tmp_copy(to.ptr, to.len);
    fuzz_require(strncmp(text, "https://", 8) == 0);
    len = strspn(text + 8, host);
    fuzz_require(len != 0 && text[8 + len] == '/');
}

static void check_basic_auth(const struct request *request)
{
    static const anqa_basic_auth nobody = {"ada", "a password that no input has", NULL};
    const anqa_conn *conn =
        through(request, (anqa_str){0}, &secure_ops, anqa_plug_basic_auth, &nobody);

    fuzz_require(conn == NULL || conn->status == 401);
}

static const anqa_cors_opts cors = {
    .origins = (const char *const[]){"https://*.example.org", "//example.com:8080", NULL},
    .credentials = true};

static void check_cors(const struct request *request)
{
    const anqa_conn *conn = through(request, (anqa_str){0}, &secure_ops, anqa_plug_cors, &cors);
    anqa_str allowed, origin;

    if (conn == NULL || !anqa_conn_resp_header(conn, "access-control-allow-origin", &allowed))
        return;
    fuzz_require(request_header(request, "origin", &origin) && anqa_str_eq(allowed, origin));
    fuzz_require(memmem(allowed.ptr, allowed.len, "example.", 8) != NULL);
}

static void check_forgery(const struct request *request, anqa_str body)
{
    const anqa_conn *conn = through(request, body, &secure_ops, anqa_protect_from_forgery, NULL);

    fuzz_require(conn == NULL || !is_let_in(conn) || request->method == REQUEST_GET ||
                 request->method == REQUEST_HEAD || anqa_str_is(conn->method, "OPTIONS"));
}

static void check_token(const struct request *request)
{
    anqa_str token;

    if (!request_header(request, "x-csrf-token", &token))
        return;
    if (anqa_csrf_valid(anqa_jsonf("{'_csrf_token': '012345678901234567890123'}"), token))
        fuzz_require(token.len == 56);
    fuzz_require(!anqa_csrf_valid(anqa_jsonf("{}"), token));
}

static void override(anqa_conn *conn, const void *opts)
{
    anqa_parsers(conn, opts);
    if (!conn->halted)
        anqa_plug_method_override(conn, NULL);
}

static const anqa_parsers_opts parsers = {
    .pass = (const char *const[]){"multipart/*", "text/*", "*+xml", NULL}};

static void check_params(const struct request *request, anqa_str body)
{
    anqa_conn *conn = through(request, body, &secure_ops, override, &parsers);
    anqa_json params;

    if (conn == NULL || !is_let_in(conn))
        return;
    params = anqa_conn_params(conn);
    fuzz_require(anqa_json_type_of(params) == ANQA_JSON_IS_OBJECT);
    fuzz_require(anqa_json_check(anqa_json_text(params), NULL, NULL) == ANQA_OK);
    fuzz_require(anqa_str_eq(conn->method, request->method_name) ||
                 anqa_str_is(request->method_name, "POST"));
}

/* ---------------------------------------------------------------- fields that are read elsewhere */

static void check_origin(const struct request *request)
{
    static const char *const none[] = {"https://example.org", "//*.example.org", NULL};
    struct origin origin;
    anqa_str field, type, subtype;

    if (request_header(request, "origin", &field)) {
        origin = origin_parse(field);
        if (origin_listed(none, &origin))
            fuzz_require(memmem(field.ptr, field.len, "example.org", 11) != NULL);
        origin_authority(field, &origin);
    }
    if (request_header(request, "content-type", &field) && media_type_of(field, &type, &subtype)) {
        fuzz_require(type.len != 0 && subtype.len != 0 && media_type_fits("*/*", type, subtype));
        fuzz_require(type.ptr >= field.ptr && subtype.ptr + subtype.len <= field.ptr + field.len);
    }
}

static const struct static_mount mount = {
    .spec = {.index = "index.html",
        .gzip = true,
        .brotli = true,
        .only = (const char *const[]){"a", "index.html", NULL}}};

static void check_file(const struct request *request)
{
    static const struct static_file file = {.fd = -1,
        .size = FILE_BYTES,
        .modified_s = 1700000000,
        .content_type = "text/plain",
        .etag = "\"0123456789abcdef\"",
        .encoding = ENCODING_IDENTITY};
    char *head = anqa_arena_alloc(anqa_tmp(), RESPONSE_HEAD_SIZE);
    struct byteranges several;
    struct static_part part;
    struct static_wish wish;
    struct response response;
    struct range range;
    anqa_str text;

    if (static_wish_of(&mount, request, &wish) == STATIC_FOUND) {
        fuzz_require(wish.len <= STATIC_PATH_MAX && strlen(wish.name) == wish.len);
        fuzz_require(strncmp(wish.name, "a/", 2) == 0 || strcmp(wish.name, "a") == 0 ||
                     strncmp(wish.name, "index.html", 10) == 0);
        fuzz_require(wish.name[0] != '/' && strstr(wish.name, "..") != wish.name &&
                     strstr(wish.name, "/..") == NULL);
    }
    static_select(&file, request, &part, &several);
    fuzz_require(part.status == 200 || part.status == 206 || part.status == 304 ||
                 (part.status == 416 && part.range.length == 0));
    fuzz_require(
        part.range.offset <= FILE_BYTES && part.range.length <= FILE_BYTES - part.range.offset);
    range =
        static_write_head(&response, head, RESPONSE_HEAD_SIZE, &mount, &file, request, &several);
    fuzz_require(response_finish(&response, &text) == ANQA_OK);
    fuzz_require(range.length == 0 || request->method != REQUEST_HEAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct request request;
    const struct exchange_ops *ops = &plain_ops;
    struct request_scan scan = {0};
    const char *text = (const char *)data;
    anqa_str body;

    if (size > 20000 || size == 0)
        return 0;
    fuzz_begin();
    anqa_log_set_level(ANQA_LOG_NONE);
    if (request_parse(&request, &scan, text, size, &request_default_limits) != REQUEST_DONE)
        return 0;
    body = anqa_str_make(text + request.head_bytes, size - request.head_bytes);
    (void)through(&request, body, ops, anqa_plug_request_id, NULL);
    check_forwarded(&request, false, 0);
    check_forwarded(&request, true, 0);
    check_forwarded(&request, false, 15);
    check_forwarded(&request, true, 15);
    check_ssl(&request);
    check_basic_auth(&request);
    check_cors(&request);
    check_forgery(&request, body);
    check_token(&request);
    check_params(&request, body);
    check_origin(&request);
    check_file(&request);
    fuzz_event_over();
    return 0;
}
