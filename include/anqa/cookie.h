/**
 * anqa/cookie.h - cookies of a request, and those that a response sets.
 *
 *     anqa_str theme;
 *     if (!anqa_conn_req_cookie(conn, "theme", &theme))
 *         anqa_conn_put_resp_cookie(conn, "theme", anqa_str_of("dark"), NULL);
 *
 * What a client sends is whatever it likes. A *signed* cookie can be read by the client but not changed, an *encrypted* one
 * not even read; both are tokens (anqa/token.h) made with the endpoint's secret and the salt "<name>_cookie", as those
 * of Plug. One that was tampered with, has expired, or was made with another secret is read as absent.
 *
 * A cookie that is set is readable by no script (HttpOnly), is not sent along with requests of other sites but for links
 * (SameSite=Lax), counts for the whole site (path "/"), and over https is sent back over https only.
 *
 * Mistakes of the program end the process: a name that is no token, a value with blanks, control characters, quotes,
 * commas, semicolons or backslashes in it, a cookie of more than 4,096 bytes (browsers drop those in silence), a signed one without a secret.
 *
 * Threads. Of a conn: its process. Values live as long as the request.
 */
#ifndef ANQA_COOKIE_H
#define ANQA_COOKIE_H

#include <anqa/conn.h>

ANQA_BEGIN_DECLS

/** Bytes that a cookie may have, with its name and attributes. */
#define ANQA_COOKIE_MAX ((size_t)4096)

/** With which requests that begin on other sites a cookie is sent. */
typedef enum anqa_same_site {
    ANQA_SAME_SITE_LAX,    /* links */
    ANQA_SAME_SITE_STRICT, /* none */
    ANQA_SAME_SITE_NONE    /* all; the cookie has to be secure */
} anqa_same_site;

/** How a cookie is set. Zero is a sensible default everywhere; NULL stands for all zero. */
typedef struct anqa_cookie_opts {
    const char *path;   /* NULL: "/" */
    const char *domain; /* NULL: the host of the request and no other */
    const char *extra;  /* further attributes as they stand: "Partitioned"; NULL: none */
    uint32_t max_age_s; /* 0: until the browser is closed */
    anqa_same_site same_site;
    bool secure;        /* sent back over https only; where the connection is https, always */
    bool script_access; /* scripts of the page can read it: without HttpOnly */
    bool sign, encrypt; /* at most one. Without max_age_s such a cookie is good for a day */
} anqa_cookie_opts;

/** The cookie of that name, as it came; false: there is none. Of several of one name it is the first: browsers send the one with
 * the longest path first. */
ANQA_API bool anqa_conn_req_cookie(const anqa_conn *conn, const char *name, anqa_str *ret_value);

/** The value of a cookie that was set with .sign, or with .encrypt; false: there is none that we have made. */
ANQA_API bool anqa_conn_signed_cookie(const anqa_conn *conn, const char *name, anqa_str *ret_value);
ANQA_API bool anqa_conn_encrypted_cookie(
    const anqa_conn *conn, const char *name, anqa_str *ret_value);

/** Sets a cookie, in place of one of that name that this response sets so far. opts: NULL for the defaults. */
ANQA_API void anqa_conn_put_resp_cookie(
    anqa_conn *conn, const char *name, anqa_str value, const anqa_cookie_opts *opts);

/** Has the browser drop a cookie. opts: path, domain and attributes are those it was set with. */
ANQA_API void anqa_conn_delete_resp_cookie(
    anqa_conn *conn, const char *name, const anqa_cookie_opts *opts);

ANQA_END_DECLS

#endif
