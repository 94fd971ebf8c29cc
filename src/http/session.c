/* The session of a request: looked for when it is asked for, written before the head of the response. */
#include "http/session_int.h"

#include <anqa/memory.h>

#include "http/exchange.h"

static const char *key_of(const struct session *session)
{
    return session->opts->key == NULL ? "_anqa_session" : session->opts->key;
}

/* What the browser is told of the cookie: what the store gives is sealed already, or says nothing. */
static anqa_cookie_opts cookie_of(const struct session *session)
{
    anqa_cookie_opts cookie = session->opts->cookie;

    cookie.sign = cookie.encrypt = false;
    return cookie;
}

/* False: another request has done so meanwhile. */
static bool forget(anqa_conn *conn, struct session *session)
{
    bool was_there =
        session->id.len == 0 || session->store->drop(conn, session->opts->store_arg, session->id);

    session->id.len = 0;
    return was_there;
}

static void keep(anqa_conn *conn, struct session *session)
{
    anqa_cookie_opts cookie = cookie_of(session);
    anqa_str value = session->store->put(
        conn, session->opts->store_arg, session->id, named_write(&session->values));

    if (value.len != 0)
        anqa_conn_put_resp_cookie(conn, key_of(session), value, &cookie);
}

static void finish(anqa_conn *conn, void *arg)
{
    struct session *session = arg;
    anqa_cookie_opts cookie = cookie_of(session);

    session->closed = true;
    switch (session->end) {
    case SESSION_KEEP:
    case SESSION_IGNORE: break;
    case SESSION_RENEW:
        if (forget(conn, session))
            keep(conn, session);
        break;
    case SESSION_WRITE: keep(conn, session); break;
    case SESSION_DROP:
        (void)forget(conn, session);
        anqa_conn_delete_resp_cookie(conn, key_of(session), &cookie);
        break;
    }
}

static struct session *session_begin(anqa_conn *conn, const anqa_session_opts *opts)
{
    struct session *session = anqa_arena_calloc(anqa_tmp(), 1, sizeof *session);
    anqa_str cookie;
    anqa_json data;

    session->opts = opts;
    session->store = opts->store == NULL ? &session_in_cookie : opts->store;
    session->closed = conn->state != ANQA_CONN_UNSET;
    if (anqa_conn_req_cookie(conn, key_of(session), &cookie) &&
        session->store->get(conn, opts->store_arg, cookie, &session->id, &data))
        named_load(&session->values, data);
    if (!session->closed)
        anqa_conn_register_before_send(conn, finish, session);
    return session;
}

struct session *session_of(anqa_conn *conn)
{
    struct exchange *exchange = exchange_of(conn);

    if (exchange->session_opts == NULL)
        anqa_exit(anqa_error_reason("the endpoint has no sessions: .session says how they are"));
    if (exchange->session == NULL)
        exchange->session = session_begin(conn, exchange->session_opts);
    return exchange->session;
}

/* ---------------------------------------------------------------- values */

anqa_json anqa_session_get(anqa_conn *conn, const char *name)
{
    return named_get(&session_of(conn)->values, anqa_str_of(name));
}

anqa_str anqa_session_get_str(anqa_conn *conn, const char *name)
{
    return named_str(anqa_session_get(conn, name));
}

anqa_json anqa_session_all(anqa_conn *conn)
{
    return named_write(&session_of(conn)->values);
}

struct session *session_open(anqa_conn *conn)
{
    struct session *session = session_of(conn);

    if (session->closed)
        anqa_exit(anqa_error_reason("the session can not be changed: its response has been sent"));
    return session;
}

/* What was said of its end stays. */
static void changed(struct session *session)
{
    if (session->end == SESSION_KEEP)
        session->end = SESSION_WRITE;
}

void anqa_session_put(anqa_conn *conn, const char *name, anqa_json value)
{
    struct session *session = session_open(conn);

    named_put(&session->values, anqa_str_of(name), value);
    changed(session);
}

void anqa_session_put_str(anqa_conn *conn, const char *name, anqa_str value)
{
    anqa_session_put(conn, name, named_text(value));
}

void anqa_session_delete(anqa_conn *conn, const char *name)
{
    struct session *session = session_open(conn);

    if (named_delete(&session->values, anqa_str_of(name)))
        changed(session);
}

void anqa_session_clear(anqa_conn *conn)
{
    struct session *session = session_open(conn);

    if (session->values.first == NULL)
        return;
    session->values.first = NULL;
    changed(session);
}

/* ---------------------------------------------------------------- its end */

void anqa_session_renew(anqa_conn *conn)
{
    struct session *session = session_open(conn);

    (void)named_delete(&session->values, anqa_str_of(SESSION_CSRF));
    session->end = SESSION_RENEW;
}

void anqa_session_drop(anqa_conn *conn)
{
    session_open(conn)->end = SESSION_DROP;
}

void anqa_session_ignore(anqa_conn *conn)
{
    session_open(conn)->end = SESSION_IGNORE;
}
