/* Sessions that are kept in their cookie, as a token of their JSON. */
#include "http/session_int.h"

#include <anqa/process.h>
#include <anqa/token.h>

#include "http/exchange.h"

#define SALT "session"

static const anqa_session_opts *opts_of(const anqa_conn *conn)
{
    return exchange_of(conn)->session_opts;
}

static const char *salt_of(const anqa_session_opts *opts)
{
    return opts->salt == NULL ? SALT : opts->salt;
}

static bool get(
    anqa_conn *conn, const void *arg, anqa_str cookie, anqa_str *ret_id, anqa_json *ret_data)
{
    const anqa_session_opts *opts = opts_of(conn);
    anqa_str secret = anqa_conn_secret(conn), text;
    anqa_status status = opts->cookie.encrypt
                             ? anqa_token_decrypt(secret, salt_of(opts), cookie, NULL, &text)
                             : anqa_token_verify(secret, salt_of(opts), cookie, NULL, &text);

    if (status != ANQA_OK || anqa_json_parse(text, NULL, ret_data, NULL) != ANQA_OK)
        return false;
    *ret_id = anqa_str_make(NULL, 0);
    return true;
}

static anqa_str put(anqa_conn *conn, const void *arg, anqa_str id, anqa_json data)
{
    const anqa_session_opts *opts = opts_of(conn);
    uint32_t max_age_s = opts->cookie.max_age_s;
    anqa_token_opts token = {.max_age_s = max_age_s == 0 ? ANQA_INFINITY : max_age_s};
    anqa_str secret = anqa_conn_secret(conn);

    if (data.len > ANQA_COOKIE_MAX)
        anqa_exit(anqa_error_reason(
            "a session of %zu bytes, which no cookie of %zu can hold", data.len, ANQA_COOKIE_MAX));
    return opts->cookie.encrypt
               ? anqa_token_encrypt(secret, salt_of(opts), anqa_json_text(data), &token)
               : anqa_token_sign(secret, salt_of(opts), anqa_json_text(data), &token);
}

/* The browser does it: nothing is kept here. */
static bool drop(anqa_conn *conn, const void *arg, anqa_str id)
{
    return true;
}

const anqa_session_store session_in_cookie = {.get = get, .put = put, .drop = drop};
