/* The flash of anqa/session.h: texts that end with the request that follows a redirect. */
#include "http/session_int.h"

#define SESSION_FLASH "phoenix_flash"

static bool is_redirect(unsigned status)
{
    return status >= 300 && status <= 308;
}

/* Registered behind the session, so called before that is written. */
static void finish(anqa_conn *conn, void *arg)
{
    struct session *session = arg;

    if (session->flash.first != NULL && is_redirect(conn->status))
        anqa_session_put(conn, SESSION_FLASH, named_write(&session->flash));
    else if (session->flash_came)
        anqa_session_delete(conn, SESSION_FLASH);
}

static struct session *fetch(anqa_conn *conn)
{
    struct session *session = session_of(conn);
    anqa_json came;

    if (session->has_flash)
        return session;
    came = named_get(&session->values, anqa_str_of(SESSION_FLASH));
    session->has_flash = true;
    session->flash_came = anqa_json_type_of(came) == ANQA_JSON_IS_OBJECT;
    named_load(&session->flash, came);
    if (!session->closed)
        anqa_conn_register_before_send(conn, finish, session);
    return session;
}

anqa_str anqa_flash_get(anqa_conn *conn, const char *name)
{
    return named_str(named_get(&fetch(conn)->flash, anqa_str_of(name)));
}

void anqa_flash_put(anqa_conn *conn, const char *name, anqa_str text)
{
    (void)session_open(conn);
    named_put(&fetch(conn)->flash, anqa_str_of(name), named_text(text));
}

void anqa_flash_clear(anqa_conn *conn)
{
    fetch(conn)->flash.first = NULL;
}

void anqa_fetch_flash(anqa_conn *conn, const void *opts)
{
    (void)fetch(conn);
}
