/* The short plugs of anqa/plugs.h. */
#include <anqa/plugs.h>

#include <inttypes.h>

#include <anqa/memory.h>
#include <anqa/params.h>
#include <anqa/process.h>
#include <anqa/runtime.h>
#include <anqa/telemetry.h>

#include "base/base64.h"
#include "base/random.h"
#include "http/crypto.h"
#include "http/exchange.h"
#include "http/response.h"

#define REQUEST_ID "x-request-id"
#define REQUEST_ID_MIN 20u
#define REQUEST_ID_MAX 200u
#define REQUEST_ID_BYTES 15 /* 20 characters of base 64 */
#define CREDENTIALS_MAX 1024u

ANQA_SPAN_DEFINE(endpoint_span, "anqa.endpoint");

/* ---------------------------------------------------------------- ids */

static bool is_request_id(anqa_str id)
{
    if (id.len < REQUEST_ID_MIN || id.len > REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~')
            return false;
    return true;
}

static anqa_str new_request_id(void)
{
    unsigned char bytes[REQUEST_ID_BYTES];
    char *text = anqa_arena_alloc(anqa_tmp(), base64_encoded_len(sizeof bytes));

    random_bytes(bytes, sizeof bytes);
    return anqa_str_make(text, base64_encode(bytes, sizeof bytes, BASE64_URL, text));
}

void anqa_plug_request_id(anqa_conn *conn, const void *opts)
{
    anqa_str *id = anqa_arena_alloc(anqa_tmp(), sizeof *id);

    if (!anqa_conn_req_header(conn, REQUEST_ID, id) || !is_request_id(*id))
        *id = new_request_id();
    anqa_conn_put_private(conn, REQUEST_ID, id);
    anqa_conn_put_resp_header(conn, REQUEST_ID, *id);
    anqa_log_metadata("request_id", *id);
    exchange_of(conn)->logs_id = true;
}

anqa_str anqa_conn_request_id(const anqa_conn *conn)
{
    const anqa_str *id = anqa_conn_private(conn, REQUEST_ID);

    return id == NULL ? anqa_str_of(NULL) : *id;
}

/* ---------------------------------------------------------------- the log */

/* A request that will be logged. In its memory. */
struct logged {
    uint64_t began_ns;
    anqa_log_level level;
};

static void log_answer(anqa_conn *conn, void *arg)
{
    const struct logged *logged = arg;
    uint64_t duration_us = (anqa_telemetry_mono_ns() - logged->began_ns) / 1000;

    anqa_log(logged->level, "http.request",
        "method=%.*s path=%.*s status=%u duration_us=%" PRIu64 " bytes=%zu", ANQA_FMT(conn->method),
        ANQA_FMT(conn->request_path), conn->status, duration_us, conn->resp_body.len);
}

void anqa_plug_logger(anqa_conn *conn, const void *opts)
{
    const anqa_logger_opts *logger = opts;
    struct logged *logged = anqa_arena_alloc(anqa_tmp(), sizeof *logged);

    logged->began_ns = anqa_telemetry_mono_ns();
    logged->level = logger == NULL || logger->level == 0 ? ANQA_INFO : logger->level;
    anqa_conn_register_before_send(conn, log_answer, logged);
}

/* ---------------------------------------------------------------- the span */

#define ABOUT(conn) \
    (anqa_field_str("method", (conn)->method), anqa_field_str("path", (conn)->request_path))

static void span_end(anqa_conn *conn, void *arg)
{
    const anqa_span_mark *mark = arg;

    ANQA_SPAN_END(endpoint_span, *mark, (anqa_field_uint("status", conn->status)), ABOUT(conn));
}

void anqa_plug_telemetry(anqa_conn *conn, const void *opts)
{
    anqa_span_mark *mark;

    if (!anqa_span_on(&endpoint_span))
        return;
    mark = anqa_arena_alloc(anqa_tmp(), sizeof *mark);
    ANQA_SPAN_BEGIN(endpoint_span, *mark, ABOUT(conn));
    anqa_conn_register_before_send(conn, span_end, mark);
}

/* ---------------------------------------------------------------- methods, health */

void anqa_plug_head(anqa_conn *conn, const void *opts)
{
    if (anqa_str_is(conn->method, "HEAD"))
        conn->method = anqa_str_of("GET");
}

void anqa_plug_method_override(anqa_conn *conn, const void *opts)
{
    static const char *const methods[] = {"PUT", "PATCH", "DELETE"};
    anqa_str wanted;

    if (!anqa_str_is(conn->method, "POST"))
        return;
    wanted = anqa_json_str(anqa_conn_body_params(conn), "_method");
    for (size_t i = 0; i < ANQA_COUNT(methods); i++)
        if (request_same_word(wanted, anqa_str_of(methods[i])))
            conn->method = anqa_str_of(methods[i]);
}

void anqa_plug_health(anqa_conn *conn, const void *opts)
{
    const char *path = opts == NULL ? "/health" : opts;
    anqa_rt_stats stats;

    if (!anqa_str_is(conn->request_path, path) ||
        (!anqa_str_is(conn->method, "GET") && !anqa_str_is(conn->method, "HEAD")))
        return;
    anqa_rt_get_stats(anqa_rt_self(), &stats);
    (void)anqa_send_json(conn, stats.tainted ? 503 : 200,
        anqa_jsonf("{'status': %s}", stats.tainted ? "tainted" : "ok"));
    anqa_conn_halt(conn);
}

/* ---------------------------------------------------------------- safety */

static void put_headers(anqa_conn *conn, const anqa_header *headers)
{
    for (; headers != NULL && headers->name != NULL; headers++)
        anqa_conn_put_resp_header(conn, headers->name, anqa_str_of(headers->value));
}

void anqa_put_secure_browser_headers(anqa_conn *conn, const void *opts)
{
    static const anqa_header secure[] = {
        {"content-security-policy", "base-uri 'self'; frame-ancestors 'self';"},
        {"referrer-policy", "strict-origin-when-cross-origin"},
        {"x-content-type-options", "nosniff"},
        {"x-permitted-cross-domain-policies", "none"},
        {0},
    };

    put_headers(conn, secure);
    put_headers(conn, opts);
}

/* In a time that depends on what was sent only. */
static bool same_secret(anqa_str given, const char *secret)
{
    size_t len = strlen(secret);

    return given.len == len && crypto_equal(given.ptr, secret, len);
}

static bool credentials_fit(const anqa_basic_auth *auth, anqa_str field)
{
    unsigned char text[CREDENTIALS_MAX + 2];
    const char *colon;
    bool user, password;
    size_t len;

    if (field.len < 6 || !request_same_word(anqa_str_make(field.ptr, 6), anqa_str_of("basic ")))
        return false;
    field = request_trim(anqa_str_make(field.ptr + 6, field.len - 6));
    if (base64_decoded_len(field.len) > sizeof text ||
        base64_decode(field, 0, text, &len) != ANQA_OK)
        return false;
    colon = memchr(text, ':', len);
    if (colon == NULL)
        return false;
    len -= (size_t)(colon - (const char *)text);
    user = same_secret(
        anqa_str_make((const char *)text, (size_t)(colon - (const char *)text)), auth->username);
    password = same_secret(anqa_str_make(colon + 1, len - 1), auth->password);
    return user & password; /* both are compared */
}

void anqa_plug_basic_auth(anqa_conn *conn, const void *opts)
{
    const anqa_basic_auth *auth = opts;
    anqa_str field;

    if (anqa_conn_req_header(conn, "authorization", &field) && credentials_fit(auth, field))
        return;
    anqa_conn_put_resp_header(conn, "www-authenticate",
        anqa_str_of(anqa_tmp_printf(
            "Basic realm=\"%s\"", auth->realm == NULL ? "Application" : auth->realm)));
    (void)anqa_send_text(conn, 401, anqa_str_of(response_phrase(401)));
    anqa_conn_halt(conn);
}
