/**
 * anqa/session.h - what a site remembers of a visitor from one request to the next, and what it tells once.
 *
 *     static const anqa_endpoint endpoint = {.session = &(anqa_session_opts){0}, .plugs = plugs};
 *     ...
 *     anqa_session_renew(conn); // at the login
 *     anqa_session_put_str(conn, "user_id", user_id);
 *     ...
 *     user_id = anqa_session_get_str(conn, "user_id"); // in later requests
 *
 * A session is a map of names to JSON values. It is looked for when it is first asked for, and written, right before
 * the head of the response is sent, only when it was changed.
 *
 * Where it is kept. By default in a cookie: signed, so that its visitor can read but not change it, or encrypted. Nothing is
 * kept on the server, which is why such a session can not be ended from there, and has room for some 3,000 bytes: one
 * whose cookie would be longer than 4,096 ends the process with an error. A *store* keeps the
 * data elsewhere, and the cookie holds what the store says: the memory of this program (anqa_session_in_table), or what a
 * program makes of its own.
 *
 * What is not ours (a cookie that was tampered with, has expired, was made with another secret) is an empty session.
 *
 * The flash is a few texts that the next page shows: "Saved." They are put before a redirect and survive it, once.
 *
 * Threads. Of a conn: its process. To put something when the head has been sent, and to ask for a session where the endpoint has
 * none, ends the process.
 */
#ifndef ANQA_SESSION_H
#define ANQA_SESSION_H

#include <anqa/cookie.h>
#include <anqa/gen_server.h>

ANQA_BEGIN_DECLS

/** Where sessions are kept. All are called in the connection's process, and may wait. What they give lives as long as
 * the request. arg: store_arg of the session's options. */
typedef struct anqa_session_store {
    /* What the cookie `cookie` stands for. ret_id: names it to the other two.   False: it stands for nothing. */
    bool (*get)(
        anqa_conn *conn, const void *arg, anqa_str cookie, anqa_str *ret_id, anqa_json *ret_data);
    /* Keeps an object. id: empty for a new session. One that was dropped while the request was under way is not to come back.
     * Returns the value of the cookie: letters, digits, and a few others; empty: that session is no more, and no cookie is sent. */
    anqa_str (*put)(anqa_conn *conn, const void *arg, anqa_str id, anqa_json data);
    /* Whether it was there still, as far as that can be known. Of one that was not nothing is kept under a new name. */
    bool (*drop)(anqa_conn *conn, const void *arg, anqa_str id);
} anqa_session_store;

/** Zero is a sensible default everywhere. */
typedef struct anqa_session_opts {
    const char *key;                 /* the cookie's name; NULL: "_anqa_session" */
    const char *salt;                /* of the signature or encryption; NULL: "session" */
    const anqa_session_store *store; /* NULL: the cookie itself */
    const void *store_arg;
    /* of its cookie. With .encrypt it can not be read either; .max_age_s ends it, also where somebody keeps the cookie;
     * 0: it ends with the browser */
    anqa_cookie_opts cookie;
} anqa_session_opts;

/** The value of that name; ANQA_JSON_NULL: there is none. */
ANQA_API anqa_json anqa_session_get(anqa_conn *conn, const char *name);
/** The string of that name; empty: there is none. */
ANQA_API anqa_str anqa_session_get_str(anqa_conn *conn, const char *name);
/** All of it, as an object. */
ANQA_API anqa_json anqa_session_all(anqa_conn *conn);

/** Sets a value; it is copied. `value` is JSON, a string is UTF-8. */
ANQA_API void anqa_session_put(anqa_conn *conn, const char *name, anqa_json value);
ANQA_API void anqa_session_put_str(anqa_conn *conn, const char *name, anqa_str value);
ANQA_API void anqa_session_delete(anqa_conn *conn, const char *name);
/** Deletes all values. */
ANQA_API void anqa_session_clear(anqa_conn *conn);

/* What becomes of it at the end of the request, whatever is put: the last one called counts. */

/** It goes on under a new name, and what the old cookie stands for is dropped: at each change of who the visitor is, so that
 * nobody can have laid a session for him. A token of anqa/csrf.h goes with the old one. */
ANQA_API void anqa_session_renew(anqa_conn *conn);
/** It is dropped, and its cookie. */
ANQA_API void anqa_session_drop(anqa_conn *conn);
/** Changes of this request are forgotten. */
ANQA_API void anqa_session_ignore(anqa_conn *conn);

/* ---------------------------------------------------------------- in memory */

/**
 * Sessions in a table of this program, which can be ended from here, and are lost when it ends:
 *
 *     static const anqa_session_table sessions = {.name = "sessions"};
 *     .session = &(anqa_session_opts){.store = &anqa_session_in_table, .store_arg = &sessions},
 *     ...
 *     .children = (const anqa_child_spec[]){ANQA_SESSION_TABLE(&sessions), ANQA_ENDPOINT(&endpoint), {0}},
 *
 * While its server is not there, sessions are empty and to put something ends the process. What a request puts into a session that
 * another one has dropped or renewed meanwhile is forgotten.
 */
typedef struct anqa_session_table {
    const char
        *name; /* of the table (anqa/table.h): ids with 8 bytes for the time and JSON behind them */
    uint32_t
        max_idle_ms; /* a session that nobody has asked for so long ends; 0: 86,400,000 (a day) */
    uint32_t max_sessions; /* 0: 100,000. For one more some other one ends */
} anqa_session_table;

/** store_arg: the anqa_session_table. */
extern ANQA_API const anqa_session_store anqa_session_in_table;

/** The server that has the table; its argument is an anqa_session_table. */
extern ANQA_API const anqa_gen_server anqa_session_table_server;

/** It as a child of a supervisor, in front of the endpoint. */
#define ANQA_SESSION_TABLE(table) \
    {.id = "sessions", .server = &anqa_session_table_server, .arg = (table)}

/* ---------------------------------------------------------------- flash */

/** What the request before this one, or this one, has put under that name; empty: nothing. */
ANQA_API anqa_str anqa_flash_get(anqa_conn *conn, const char *name);
/** Tells the next request, if this one is answered with a redirect, and this one. text: UTF-8. name: "info", "error". */
ANQA_API void anqa_flash_put(anqa_conn *conn, const char *name, anqa_str text);
/** Forgets all, those of this request too. */
ANQA_API void anqa_flash_clear(anqa_conn *conn);
/** A plug: has the flash end with this request although nobody looks at it. Without it, it stays until somebody does. */
ANQA_API void anqa_fetch_flash(anqa_conn *conn, const void *opts);

ANQA_END_DECLS

#endif
