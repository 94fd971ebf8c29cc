/* The tokens of anqa/csrf.h. */
#include <anqa/csrf.h>

#include <assert.h>

#include <anqa/memory.h>
#include <anqa/token.h>

#include "base/base64.h"
#include "http/exchange.h"
#include "http/media_type.h"
#include "http/request.h"
#include "http/session_int.h"

#define RANDOM 18u
#define PLAIN 24u  /* RANDOM bytes as text: a token as the session has it, and a mask */
#define MASKED 32u /* PLAIN bytes as text */
#define SKIP "anqa_csrf_skip"
#define HOST_SALT "csrf token for a host"

static_assert(MASKED == PLAIN / 3 * 4 && PLAIN == RANDOM / 3 * 4, "no padding");

/* ---------------------------------------------------------------- tokens */

static void mask(const char *text, const char *with, char out[static PLAIN])
{
    for (size_t i = 0; i < PLAIN; i++)
        out[i] = (char)(text[i] ^ with[i]);
}

static anqa_str plain_of(anqa_json session)
{
    anqa_str plain = anqa_json_str(session, SESSION_CSRF);

    return plain.len == PLAIN ? plain : anqa_str_make(NULL, 0);
}

static anqa_str plain_token(anqa_conn *conn)
{
    anqa_str plain = anqa_session_get_str(conn, SESSION_CSRF);

    if (plain.len == PLAIN)
        return plain;
    plain = anqa_random_text(RANDOM);
    anqa_session_put_str(conn, SESSION_CSRF, plain);
    return plain;
}

anqa_str anqa_csrf_token(anqa_conn *conn)
{
    anqa_str plain = plain_token(conn), random = anqa_random_text(RANDOM);
    char mixed[PLAIN], *token = anqa_arena_alloc(anqa_tmp(), MASKED + PLAIN);

    mask(plain.ptr, random.ptr, mixed);
    (void)base64_encode(mixed, sizeof mixed, BASE64_URL, token);
    memcpy(token + MASKED, random.ptr, PLAIN);
    return anqa_str_make(token, MASKED + PLAIN);
}

void anqa_csrf_delete(anqa_conn *conn)
{
    anqa_session_delete(conn, SESSION_CSRF);
}

static bool is_masked(anqa_str token, anqa_str plain)
{
    char mixed[MASKED], found[PLAIN];
    size_t len;

    if (token.len != MASKED + PLAIN ||
        base64_decode(anqa_str_make(token.ptr, MASKED), BASE64_URL, mixed, &len) != ANQA_OK ||
        len != PLAIN)
        return false;
    mask(mixed, token.ptr + MASKED, found);
    return anqa_secure_compare(anqa_str_make(found, sizeof found), plain);
}

bool anqa_csrf_valid(anqa_json session, anqa_str token)
{
    anqa_str plain = plain_of(session);

    return plain.len != 0 && is_masked(token, plain);
}

/* ---------------------------------------------------------------- for other hosts */

/* Up to the first of some characters. */
static anqa_str before(anqa_str text, const char *ends)
{
    size_t len = 0;

    while (len < text.len && strchr(ends, text.ptr[len]) == NULL)
        len++;
    return anqa_str_make(text.ptr, len);
}

/* That of "https://user@example.org:8080/path"; empty: a path. */
static anqa_str host_of(anqa_str url)
{
    const char *at = url.len == 0 ? NULL : memmem(url.ptr, url.len, "//", 2), *user;
    anqa_str host;

    if (at == NULL || (*url.ptr == '/' && at != url.ptr))
        return anqa_str_make(NULL, 0);
    host = before(anqa_str_make(at + 2, url.len - (size_t)(at + 2 - url.ptr)), "/?#\\");
    user = host.len == 0 ? NULL : memrchr(host.ptr, '@', host.len);
    if (user != NULL)
        host = anqa_str_make(user + 1, host.len - (size_t)(user + 1 - host.ptr));
    return host.len != 0 && *host.ptr == '[' ? before(host, "]") : before(host, ":");
}

anqa_str anqa_csrf_token_for(anqa_conn *conn, anqa_str url)
{
    static const anqa_token_opts forever = {.max_age_s = ANQA_INFINITY};
    anqa_str host = host_of(url), plain;

    if (url.len != 0 && memchr(url.ptr, '\\', url.len) != NULL) /* browsers read it as a slash */
        anqa_exit(anqa_error_reason("a token for \"%.*s\", which is no URL", ANQA_FMT(url)));
    if (host.len == 0)
        return anqa_csrf_token(conn);
    plain = plain_token(conn);
    return anqa_token_encrypt(anqa_conn_secret(conn), HOST_SALT,
        anqa_str_of(anqa_tmp_printf("%.*s%.*s", ANQA_FMT(plain), ANQA_FMT(host))), &forever);
}

static bool is_for_host(const anqa_conn *conn, anqa_str token, anqa_str plain)
{
    anqa_str data,
        host = conn->host.len != 0 && *conn->host.ptr == '[' ? before(conn->host, "]") : conn->host;

    return anqa_token_decrypt(anqa_conn_secret(conn), HOST_SALT, token, NULL, &data) == ANQA_OK &&
           data.len > PLAIN && anqa_secure_compare(anqa_str_make(data.ptr, PLAIN), plain) &&
           request_same_word(anqa_str_make(data.ptr + PLAIN, data.len - PLAIN), host);
}

/* ---------------------------------------------------------------- the plug */

static bool is_good(anqa_conn *conn, anqa_str token)
{
    anqa_str plain = anqa_session_get_str(conn, SESSION_CSRF);

    if (token.len == 0 || plain.len != PLAIN)
        return false;
    return token.len == MASKED + PLAIN ? is_masked(token, plain) : is_for_host(conn, token, plain);
}

static bool is_safe(const anqa_conn *conn)
{
    return anqa_str_is(conn->method, "GET") || anqa_str_is(conn->method, "HEAD") ||
           anqa_str_is(conn->method, "OPTIONS");
}

static bool has_token(anqa_conn *conn)
{
    anqa_str field;

    return is_good(conn, anqa_json_str(anqa_conn_body_params(conn), SESSION_CSRF)) ||
           (anqa_conn_req_header(conn, "x-csrf-token", &field) && is_good(conn, field));
}

static bool is_script(const anqa_conn *conn)
{
    static const char *const types[] = {"text/javascript", "application/javascript",
        "application/x-javascript", "text/ecmascript", "application/ecmascript"};
    anqa_str field, type, subtype;

    if (!anqa_conn_resp_header(conn, "content-type", &field) ||
        !media_type_of(field, &type, &subtype))
        return false;
    for (size_t i = 0; i < ANQA_COUNT(types); i++)
        if (media_type_fits(types[i], type, subtype))
            return true;
    return false;
}

static bool is_by_script(const anqa_conn *conn)
{
    anqa_str field;

    return anqa_conn_req_header(conn, "x-requested-with", &field) &&
           anqa_str_is(field, "XMLHttpRequest");
}

static bool is_empty(const anqa_conn *conn)
{
    return conn->status == 304 ||
           (exchange_of(conn)->answer == ANSWER_WHOLE && conn->resp_body.len == 0);
}

/* A page of another site would run the script, and see what it does. */
static void refuse_script(anqa_conn *conn, void *arg)
{
    if (is_script(conn) && !is_by_script(conn) && !is_empty(conn))
        exchange_refuse(
            exchange_of(conn), 403, anqa_str_of("this script is for pages of this site only\n"));
}

void anqa_csrf_skip(anqa_conn *conn)
{
    anqa_conn_put_private(conn, SKIP, conn);
}

void anqa_protect_from_forgery(anqa_conn *conn, const void *given)
{
    const anqa_csrf_opts *opts = given;

    if (anqa_conn_private(conn, SKIP) != NULL)
        return;
    if (anqa_str_is(conn->method, "GET"))
        anqa_conn_register_before_send(conn, refuse_script, NULL);
    if (is_safe(conn) || has_token(conn))
        return;
    if (opts != NULL && opts->clear_session) {
        anqa_session_clear(conn);
        anqa_session_ignore(conn);
        return;
    }
    (void)anqa_send_text(
        conn, 403, anqa_str_of("the token of this form is missing, or of another visit\n"));
    anqa_conn_halt(conn);
}
