/* The cookies of anqa/cookie.h. */
#include <anqa/cookie.h>

#include <anqa/memory.h>
#include <anqa/token.h>

#include "http/cookie_read.h"
#include "http/exchange.h"
#include "http/response.h"

#define DROPPED "; max-age=0; expires=Thu, 01 Jan 1970 00:00:00 GMT"

static const anqa_cookie_opts defaults = {0};

/* ---------------------------------------------------------------- those of the request */

static bool find_in(anqa_str field, anqa_str wanted, anqa_str *ret_value)
{
    anqa_str name, value;

    while (cookie_next(&field, &name, &value)) {
        if (anqa_str_eq(name, wanted)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

bool anqa_conn_req_cookie(const anqa_conn *conn, const char *name, anqa_str *ret_value)
{
    anqa_str field_name, field;
    size_t at = 0;

    while (anqa_conn_each_req_header(conn, &at, &field_name, &field)) {
        if (request_same_word(field_name, anqa_str_of("cookie")) &&
            find_in(field, anqa_str_of(name), ret_value))
            return true;
    }
    return false;
}

static const char *salt_of(const char *name)
{
    return anqa_tmp_printf("%s_cookie", name);
}

bool anqa_conn_signed_cookie(const anqa_conn *conn, const char *name, anqa_str *ret_value)
{
    anqa_str token;

    return anqa_conn_req_cookie(conn, name, &token) &&
           anqa_token_verify(anqa_conn_secret(conn), salt_of(name), token, NULL, ret_value) ==
               ANQA_OK;
}

bool anqa_conn_encrypted_cookie(const anqa_conn *conn, const char *name, anqa_str *ret_value)
{
    anqa_str token;

    return anqa_conn_req_cookie(conn, name, &token) &&
           anqa_token_decrypt(anqa_conn_secret(conn), salt_of(name), token, NULL, ret_value) ==
               ANQA_OK;
}

/* ---------------------------------------------------------------- those of the response */

static void check_attribute(const char *name, const char *value, const char *unfit)
{
    for (const char *at = value; at != NULL && *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f || strchr(unfit, *at) != NULL)
            anqa_exit(anqa_error_reason("cookie %s: \"%s\" can not be an attribute", name, value));
}

static void check_cookie(const anqa_conn *conn, const char *name, const anqa_cookie_opts *opts)
{
    if (!response_is_name(anqa_str_of(name)))
        anqa_exit(anqa_error_reason("\"%s\" can not be the name of a cookie", name));
    check_attribute(name, opts->path, ";");
    check_attribute(name, opts->domain, ";, ");
    check_attribute(name, opts->extra, "");
    if (opts->same_site == ANQA_SAME_SITE_NONE && !opts->secure &&
        strcmp(conn->scheme, "https") != 0)
        anqa_exit(anqa_error_reason("cookie %s: SameSite=None is for secure cookies only", name));
}

/* A name, a value, and "" or an attribute in front of what is always there. */
static void put_field(anqa_conn *conn, const char *name, anqa_str value, const char *age,
    const anqa_cookie_opts *opts)
{
    static const char *const same_site[] = {"Lax", "Strict", "None"};
    bool secure = opts->secure || strcmp(conn->scheme, "https") == 0;
    anqa_str field = anqa_str_of(anqa_tmp_printf("%s=%.*s; path=%s%s%s%s%s%s; SameSite=%s%s%s",
        name, ANQA_FMT(value), opts->path == NULL ? "/" : opts->path,
        opts->domain == NULL ? "" : "; domain=", opts->domain == NULL ? "" : opts->domain, age,
        secure ? "; secure" : "", opts->script_access ? "" : "; HttpOnly",
        same_site[opts->same_site], opts->extra == NULL ? "" : "; ",
        opts->extra == NULL ? "" : opts->extra));

    if (field.len > ANQA_COOKIE_MAX)
        anqa_exit(
            anqa_error_reason("cookie %s has %zu bytes, with its attributes; browsers take %zu",
                name, field.len, ANQA_COOKIE_MAX));
    exchange_drop_fields(
        exchange_of(conn), "set-cookie", anqa_str_of(anqa_tmp_printf("%s=", name)));
    anqa_conn_add_resp_header(conn, "set-cookie", field);
}

static anqa_str seal(
    const anqa_conn *conn, const char *name, anqa_str value, const anqa_cookie_opts *opts)
{
    anqa_token_opts token = {.max_age_s = opts->max_age_s};

    ANQA_REQUIRE(!opts->sign || !opts->encrypt);
    if (!opts->sign && !opts->encrypt)
        return value;
    if (value.len > ANQA_COOKIE_MAX)
        anqa_exit(anqa_error_reason("cookie %s: a value of %zu bytes", name, value.len));
    return opts->sign ? anqa_token_sign(anqa_conn_secret(conn), salt_of(name), value, &token)
                      : anqa_token_encrypt(anqa_conn_secret(conn), salt_of(name), value, &token);
}

void anqa_conn_put_resp_cookie(
    anqa_conn *conn, const char *name, anqa_str value, const anqa_cookie_opts *opts)
{
    const char *age = "";

    if (opts == NULL)
        opts = &defaults;
    check_cookie(conn, name, opts);
    value = seal(conn, name, value, opts);
    if (!cookie_is_value(value))
        anqa_exit(anqa_error_reason("cookie %s: its value has characters that can not be", name));
    if (opts->max_age_s != 0)
        age = anqa_tmp_printf("; max-age=%u", opts->max_age_s);
    put_field(conn, name, value, age, opts);
}

void anqa_conn_delete_resp_cookie(anqa_conn *conn, const char *name, const anqa_cookie_opts *opts)
{
    if (opts == NULL)
        opts = &defaults;
    check_cookie(conn, name, opts);
    put_field(conn, name, anqa_str_of(""), DROPPED, opts);
}
