/* The session of a request: what session.c and flash.c share. owner: the process that serves the request. */
#ifndef HTTP_SESSION_INT_H
#define HTTP_SESSION_INT_H

#include <anqa/session.h>

#include "http/named.h" /* IWYU pragma: export */

/* The name of the value that anqa/csrf.h keeps. */
#define SESSION_CSRF "_csrf_token"

/* What becomes of it at the end of the request. */
enum session_end { SESSION_KEEP, SESSION_WRITE, SESSION_RENEW, SESSION_DROP, SESSION_IGNORE };

struct session {
    const anqa_session_opts *opts;
    const anqa_session_store *store;
    anqa_str id; /* as the store names it; empty: a new one */
    struct named values;
    enum session_end end;
    bool closed; /* it was written */
    bool has_flash;
    bool flash_came; /* the request before has left one */
    struct named flash;
};

/* Looked for at the first call. Where the endpoint has no sessions the process ends. */
struct session *session_of(anqa_conn *conn);

/* Likewise, to change it: when the head has been sent the process ends. */
struct session *session_open(anqa_conn *conn);

/* In the cookie itself. */
extern const anqa_session_store session_in_cookie;

#endif
