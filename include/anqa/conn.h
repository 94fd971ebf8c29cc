/**
 * anqa/conn.h - a request and its response, and the plugs that make the one out of the other.
 *
 *     static void hello(anqa_conn *conn, const void *opts)
 *     {
 *         anqa_send_text(conn, 200, anqa_str_of("hello"));
 *     }
 *     static const anqa_endpoint endpoint = {
 *         .plugs = (const anqa_plug[]){{.call = require_login}, {.call = hello}, {0}},
 *     };
 *
 * Plugs. A *plug* is a function that looks at a conn and changes it; a *pipeline* is a list of plugs, which are called one
 * after the other until one of them halts. They run in the process of the connection, over HTTP/2 in one of the request's own, in the
 * plain blocking style: whoever waits lets others run. Names, defaults and semantics are those of Plug.Conn, unless a comment says otherwise.
 *
 * One answer. A conn is answered once, by one of anqa_send_... or anqa_redirect. To answer a second time, and
 * to change the response's fields once it is on its way, is an error that ends the process. A pipeline that ends without an
 * answer, or with the process of the connection (a crash, anqa_exit), is answered for with 500 and the connection closed; a
 * response that has begun by then is cut off, so that the client sees that it is not whole. Over HTTP/2 that concerns the stream
 * alone, and a WebSocket's request (CONNECT with ":protocol", RFC 8441) is seen as the GET that it is in HTTP/1.1.
 *
 * The body of the request is read when a plug asks for it, and not before. Of one that nobody has read up to a megabyte is
 * read over; with more behind it the connection is closed.
 *
 * Memory. All slices, assigns and copies live as long as the request (anqa_tmp). Clean-ups that plugs defer
 * (anqa_defer) run when the request is over; after an upgrade, when the connection ends.
 *
 * The client may vanish at any time. Functions that send then fail with E_CLOSED, which may be ignored: what
 * is sent to nobody does no harm.
 *
 * Threads. A conn belongs to the process of its connection.
 */
#ifndef ANQA_CONN_H
#define ANQA_CONN_H

#include <anqa/json.h>
#include <anqa/net.h>

ANQA_BEGIN_DECLS

/** How far the answer is. */
typedef enum anqa_conn_state {
    ANQA_CONN_UNSET,   /* not answered yet */
    ANQA_CONN_SET,     /* being answered: callbacks of anqa_conn_register_before_send run */
    ANQA_CONN_CHUNKED, /* the answer has begun, anqa_chunk adds to it */
    ANQA_CONN_SENT,    /* answered in full */
    ANQA_CONN_UPGRADED /* it speaks another protocol from now on */
} anqa_conn_state;

/** What a plug has in hand. The fields are to be read. */
typedef struct anqa_conn {
    anqa_str method;       /* "GET", as it came */
    const char *scheme;    /* "http" or "https": of the connection, whatever the target says */
    anqa_str host;         /* without the port; empty for a client of HTTP/1.0 that names none */
    uint16_t port;         /* as the client names it, else that of the scheme */
    anqa_str request_path; /* as it came: "/caf%C3%A9/menu" */
    const anqa_str *path_info; /* its segments, decoded; empty ones are left out */
    size_t path_count;
    anqa_str query_string; /* as it came, behind the '?' */
    unsigned status;       /* of the response; 0: none was set */
    anqa_str
        resp_body; /* in callbacks before an answer that is whole: what will be sent, which they may replace */
    anqa_conn_state state;
    bool halted;
} anqa_conn;

/** One step of a pipeline; {0} ends a list of them. */
typedef struct anqa_plug {
    void (*call)(anqa_conn *conn, const void *opts); /* in the connection's process; may wait */
    const void *opts;
} anqa_plug;

/** Calls the plugs of a list up to one that halts.   Context: process of the connection; may wait. */
ANQA_API void anqa_conn_run(anqa_conn *conn, const anqa_plug *plugs);

/** Has no further plug called, in this pipeline and in those around it. */
ANQA_API void anqa_conn_halt(anqa_conn *conn);

/* ---------------------------------------------------------------- the request */

/** The value of the first field of that name, whatever its case; false: there is none. */
ANQA_API bool anqa_conn_req_header(const anqa_conn *conn, const char *name, anqa_str *ret_value);

/** All values of that name, in order. Returns how many there are; at most `max` are written. */
ANQA_API size_t anqa_conn_req_headers(
    const anqa_conn *conn, const char *name, anqa_str *values, size_t max);

/** The fields one by one, with names as they came. at: begins with 0. False: that was the last one. */
ANQA_API bool anqa_conn_each_req_header(
    const anqa_conn *conn, size_t *at, anqa_str *ret_name, anqa_str *ret_value);

/** A field that came behind a chunked body; known when that was read to its end. */
ANQA_API bool anqa_conn_req_trailer(const anqa_conn *conn, const char *name, anqa_str *ret_value);

/** The address of the client, as "192.0.2.1:51234", or "unix:"; empty when it is gone. */
ANQA_API void anqa_conn_peer(const anqa_conn *conn, char text[ANQA_ADDRESS_TEXT]);

/** The secret of the endpoint, for tokens of its own (anqa/token.h). Where there is none the process ends. */
ANQA_API anqa_str anqa_conn_secret(const anqa_conn *conn);

/** How a body is read. Zero is a sensible default everywhere. */
typedef struct anqa_body_opts {
    /* bytes that are read at most; 0: as many as may be (anqa_conn_limit_body). More than that lifts the limit of this request */
    size_t length;
    uint32_t read_timeout_ms; /* for each 64 KiB of it, or what is left; 0: 15,000 */
} anqa_body_opts;

/**
 * Says how long the body of this request may be, in place of `.limits.body_bytes` of the endpoint: for the pipeline of one kind of route that
 * takes more, or less. Who reads more than that fails with E_LIMIT; of a length that is announced nothing is read then, and the client
 * that waits for "100 Continue" is not told to send it.   bytes: from 1.   Context: process of the connection.
 */
ANQA_API void anqa_conn_limit_body(anqa_conn *conn, uint64_t bytes);

/**
 * Reads the body of the request, or what is left of it. A client that waits for "100 Continue" is told so.
 * opts: NULL for the defaults.   ret_more: whether there is more than opts->length; NULL: a longer body is E_LIMIT.
 * Fails: E_LIMIT (too long: 413), E_TIMEOUT (408), E_PARSE (400), E_CLOSED (the client has ended it early: 400). Who then
 * sends no answer of his own has the status in parentheses sent. The connection will be closed.
 * Context: process of the connection; may wait.
 */
ANQA_API anqa_status anqa_conn_read_body(anqa_conn *conn, const anqa_body_opts *opts,
    anqa_str *ret_body, bool *ret_more) ANQA_MUST_CHECK;

/**
 * Reads what comes next of the body, as it comes: for bodies that nobody wants in memory as a whole.
 * buf: `size` bytes of the caller, from 1.   ret_n: 0 at the end of the body.
 * timeout_ms: to wait for each 64 KiB of the body, in however many parts they come; 0: 15,000.   Fails: as anqa_conn_read_body.
 * Context: process of the connection; may wait.
 */
ANQA_API anqa_status anqa_conn_read_part(
    anqa_conn *conn, char *buf, size_t size, uint32_t timeout_ms, size_t *ret_n) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- assigns */

/* Values under names, for the plugs that come later. Those of libraries are kept apart as private ones. Names are borrowed:
 * literals, or memory of the request. A name that is assigned again has the new value. */

/** Puts a value under a name. */
ANQA_API void anqa_conn_assign(anqa_conn *conn, const char *name, const void *value);
/** NULL: none. */
ANQA_API const void *anqa_conn_assigned(const anqa_conn *conn, const char *name);
/** The text of `value` is copied. */
ANQA_API void anqa_conn_assign_json(anqa_conn *conn, const char *name, anqa_json value);
/** ANQA_JSON_NULL: none. */
ANQA_API anqa_json anqa_conn_assigned_json(const anqa_conn *conn, const char *name);
ANQA_API void anqa_conn_put_private(anqa_conn *conn, const char *name, const void *value);
ANQA_API const void *anqa_conn_private(const anqa_conn *conn, const char *name);

/* ---------------------------------------------------------------- the response's head */

/* A response begins with "cache-control: max-age=0, private, must-revalidate". Content-Length, Transfer-Encoding, Date and
 * Connection are written by the server. These names, names that are no token, and values with CR, LF or NUL
 * in them end the process: the last would let whoever chose the value write a response of his own. */

/** status: 200 to 599; for answers that are sent with the status 0. */
ANQA_API void anqa_conn_put_status(anqa_conn *conn, unsigned status);
/** Sets a field, in place of those of that name. The value is copied. name: borrowed. */
ANQA_API void anqa_conn_put_resp_header(anqa_conn *conn, const char *name, anqa_str value);
/** Adds one more field, as for Set-Cookie. */
ANQA_API void anqa_conn_add_resp_header(anqa_conn *conn, const char *name, anqa_str value);
/** Drops all fields of that name. */
ANQA_API void anqa_conn_delete_resp_header(anqa_conn *conn, const char *name);
/** The first field of that name; false: there is none. */
ANQA_API bool anqa_conn_resp_header(const anqa_conn *conn, const char *name, anqa_str *ret_value);
/** Has the connection closed behind this response; over HTTP/2 when all requests that are here have been answered. */
ANQA_API void anqa_conn_put_close(anqa_conn *conn);

/** Has `fn` called right before the head is sent, the last one that was registered first. It may change status and fields. */
ANQA_API void anqa_conn_register_before_send(
    anqa_conn *conn, void (*fn)(anqa_conn *conn, void *arg), void *arg);

/** A field of an informational response; {0} ends a list. */
typedef struct anqa_header {
    const char *name, *value;
} anqa_header;

/** Sends an informational response (103 Early Hints) before the real one. Clients of HTTP/1.0, which know none, are sent
 * nothing.   status: 102 to 199.   Fails: E_CLOSED.   Context: process of the connection; may wait. */
ANQA_API anqa_status anqa_conn_inform(anqa_conn *conn, unsigned status, const anqa_header *headers);

/* ---------------------------------------------------------------- answering */

/*
 * status: 200 to 599; 0: what anqa_conn_put_status has said, else 200.
 * Long answers are given to the kernel before these functions return, short ones may wait for those behind them.
 * To HEAD the head alone is sent, of statuses 204 and 304 too.
 * Fails: E_CLOSED (the client is gone, or has not read for 30 seconds).
 * Context: process of the connection; may wait.
 */

/** Answers with these bytes; a content-type is sent if one was put. */
ANQA_API anqa_status anqa_send_resp(anqa_conn *conn, unsigned status, anqa_str body);
/** "text/plain; charset=utf-8", unless a content-type was put. */
ANQA_API anqa_status anqa_send_text(anqa_conn *conn, unsigned status, anqa_str text);
/** "text/html; charset=utf-8", unless a content-type was put. */
ANQA_API anqa_status anqa_send_html(anqa_conn *conn, unsigned status, anqa_str html);
/** "application/json; charset=utf-8", unless a content-type was put. */
ANQA_API anqa_status anqa_send_json(anqa_conn *conn, unsigned status, anqa_json json);

/** 302, or the status that was put, to a path of this site. to: begins with one '/'; a path that a browser would take for
 * another site ("//", "/\") ends the process. */
ANQA_API anqa_status anqa_redirect(anqa_conn *conn, anqa_str to);
/** The same to any URL: never one that a client has chosen. */
ANQA_API anqa_status anqa_redirect_external(anqa_conn *conn, anqa_str url);

/**
 * Sends a part of a file. Where it is the whole one (offset and length 0, status 200 or 0), the answer has ETag and
 * Last-Modified, and conditions and a range that the client asks for are heard: 206, 304 and 416 may be sent instead.
 * length: 0: up to the end.   A content-type that was not put is that of the path's ending.
 * Fails: E_NOT_FOUND (no regular file is there), E_PERMISSION, E_LIMIT (descriptors), E_RANGE (the file has no such
 * part): nothing was sent, the caller answers; E_CLOSED.   Context: process of the connection; may wait.
 */
ANQA_API anqa_status anqa_send_file(anqa_conn *conn, unsigned status, const char *path,
    uint64_t offset, uint64_t length) ANQA_MUST_CHECK;

/** Begins an answer whose length is not known. It ends with the pipeline. */
ANQA_API anqa_status anqa_send_chunked(anqa_conn *conn, unsigned status);
/** Adds to it; empty data adds nothing. Waits while the client reads more slowly than this writes. */
ANQA_API anqa_status anqa_chunk(anqa_conn *conn, anqa_str data);

ANQA_END_DECLS

#endif
