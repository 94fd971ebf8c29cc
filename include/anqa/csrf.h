/**
 * anqa/csrf.h - forms are taken from pages of this site only.
 *
 * A browser sends cookies along with whatever another site has it send. So forms that change something have a token in
 * them that other sites can not read, and requests without it are refused. As Plug.CSRFProtection:
 *
 *     .session = &(anqa_session_opts){0},
 *     .plugs = (const anqa_plug[]){{.call = anqa_parsers}, {.call = anqa_protect_from_forgery}, {.call = pages}, {0}},
 *
 *     <input type="hidden" name="_csrf_token" value="..."> // anqa_csrf_token(conn); or the field x-csrf-token of a request
 *
 * The token is random and in the session. What pages show is masked anew each time, so that its bytes can not be
 * guessed from how well pages compress.
 *
 * Threads. Of a conn: its process. Tokens live as long as the request.
 */
#ifndef ANQA_CSRF_H
#define ANQA_CSRF_H

#include <anqa/params.h>
#include <anqa/session.h>

ANQA_BEGIN_DECLS

/** Zero is a sensible default everywhere. */
typedef struct anqa_csrf_opts {
    /* a request without its token goes on, with a session that is empty and whose changes are forgotten; else it is
     * answered with 403 */
    bool clear_session;
} anqa_csrf_opts;

/**
 * The plug that refuses. GET, HEAD and OPTIONS need no token, so they must not change anything. Neither does a page of another
 * site get our scripts, in which there might be something of this visitor: an answer to a GET whose content-type is
 * JavaScript, whether whole, a file or in chunks, becomes 403 unless "x-requested-with: XMLHttpRequest" was sent. (To who
 * sends in chunks the client is gone: E_CLOSED.)
 * opts: an anqa_csrf_opts, or NULL.   Context: process of the connection; may wait.
 */
ANQA_API void anqa_protect_from_forgery(anqa_conn *conn, const void *opts);

/** For plugs in front of it: this request needs no token. */
ANQA_API void anqa_csrf_skip(anqa_conn *conn);

/** A token for a form of this site; 56 characters. The first one of a session is put into that. */
ANQA_API anqa_str anqa_csrf_token(anqa_conn *conn);

/** A token for a form that goes to `url`. A path of this site: as anqa_csrf_token. A whole URL: one that is good at its host
 * only, since another site gets to see it; both sites need the same secret and session. */
ANQA_API anqa_str anqa_csrf_token_for(anqa_conn *conn, anqa_str url);

/** The next token is a new one: at the login, when anqa_session_renew is not called, which does this too. */
ANQA_API void anqa_csrf_delete(anqa_conn *conn);

/** Whether `token`, as it came from a client, belongs to the session whose data `session` is: for sockets, which are
 * opened with a session and a `_csrf_token`.   Context: process. */
ANQA_API bool anqa_csrf_valid(anqa_json session, anqa_str token);

ANQA_END_DECLS

#endif
