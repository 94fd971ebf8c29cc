/**
 * anqa/plugs.h - plugs that most sites have in front.
 *
 *     static const anqa_endpoint endpoint = {
 *         .plugs = (const anqa_plug[]){
 *             {.call = anqa_plug_request_id},
 *             {.call = anqa_plug_telemetry},
 *             {.call = anqa_plug_logger},
 *             {.call = anqa_plug_health},
 *             {0},
 *         },
 *         .router = &router,
 *     };
 *
 * Each is a function for an anqa_plug. Its options are a struct of the name that stands with it, and NULL means the
 * defaults; a member that is zero has its own. Names and semantics are those of the modules of Plug.
 *
 * Threads. Options are `static const`. The plugs are for the process of the connection.
 */
#ifndef ANQA_PLUGS_H
#define ANQA_PLUGS_H

#include <anqa/conn.h>
#include <anqa/log.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- who asks what */

/**
 * Gives each request an id: that of the field x-request-id, if it has 20 to 200 visible characters, else a new one. The
 * answer has it in the same field. All that its process logs until the request is over has it as request_id, the line of anqa_plug_logger
 * and that of a crash too (anqa_log_metadata); after an upgrade until the connection ends. opts: NULL.
 */
ANQA_API void anqa_plug_request_id(anqa_conn *conn, const void *opts);
/** The id; empty without that plug. */
ANQA_API anqa_str anqa_conn_request_id(const anqa_conn *conn);

/** How requests are logged. */
typedef struct anqa_logger_opts {
    anqa_log_level level; /* 0: ANQA_INFO */
} anqa_logger_opts;

/**
 * Logs each answer when it begins: `http.request method=GET path=/x status=200 duration_us=180 bytes=12`,
 * with the id of anqa_plug_request_id behind it, if that stands before.
 * bytes: of an answer that is sent as a whole; of others it is not known yet, and 0. opts: anqa_logger_opts.
 */
ANQA_API void anqa_plug_logger(anqa_conn *conn, const void *opts);

/** The span `anqa.endpoint`, from this plug to the begin of the answer, with the metadata "method" and "path", and "status" as a
 * measurement at its end. opts: NULL. */
ANQA_API void anqa_plug_telemetry(anqa_conn *conn, const void *opts);

/** Makes GET of HEAD, for plugs that look at the method; no body is sent all the same. Routers need it not. opts: NULL. */
ANQA_API void anqa_plug_head(anqa_conn *conn, const void *opts);

/**
 * Lets forms, which know GET and POST only, ask for more: a POST whose parameter "_method" in the body is PUT, PATCH or DELETE, in
 * any case, has that method from here on. It stands behind anqa_parsers and before the router. opts: NULL.
 *
 *     <form method="post" action="/posts/7"><input type="hidden" name="_method" value="delete">
 */
ANQA_API void anqa_plug_method_override(anqa_conn *conn, const void *opts);

/**
 * Answers GET /health, or another path: 200 and {"status":"ok"}, or 503 and {"status":"tainted"} after a memory fault that
 * could not be kept to one process. An endpoint that stops takes no new connections, so that this fails, too.
 * opts: the path, as a string; NULL: "/health".
 */
ANQA_API void anqa_plug_health(anqa_conn *conn, const void *opts);

/* ---------------------------------------------------------------- behind a proxy */

/** What proxies are believed: the field X-Forwarded-For and so on, or the parameter of Forwarded. */
enum {
    ANQA_FORWARDED_FOR = 1,   /* the address of the client */
    ANQA_FORWARDED_PROTO = 2, /* the scheme */
    ANQA_FORWARDED_HOST = 4,  /* the host, with its port if it has one */
    ANQA_FORWARDED_PORT = 8   /* the port; Forwarded has none */
};

/** Whose word is taken for where a request has come from. */
typedef struct anqa_forwarded_opts {
    /* Addresses and networks of proxies: "10.0.0.0/8", "2001:db8::/32", "::1", "unix:"; NULL ends them. What is no address
     * ends the process. */
    const char *const *from;
    bool rfc7239;      /* they send Forwarded, not X-Forwarded-For, -Proto, -Host and -Port */
    unsigned believed; /* ANQA_FORWARDED_..., added; 0: FOR and PROTO */
} anqa_forwarded_opts;

/**
 * Believes proxies who the client is (anqa_conn_remote_ip), and with which scheme, host and port it came. Name only what they set or
 * add themselves: what a proxy passes on as it came is the client's word, and a forged host would be in redirects
 * and links. Of a chain of proxies the client is the last address that is not one of `from`: what stands before it may be
 * forged. A request that comes from elsewhere is left as it is. opts: anqa_forwarded_opts, not NULL.
 */
ANQA_API void anqa_plug_forwarded(anqa_conn *conn, const void *opts);

/** The address of the client without its port, as "192.0.2.1" or "2001:db8::1": what anqa_plug_forwarded has found out, else
 * that of the peer. "unix:" for a Unix socket, empty when it is gone. */
ANQA_API anqa_str anqa_conn_remote_ip(const anqa_conn *conn);

/* ---------------------------------------------------------------- safety */

/**
 * Puts Phoenix's fields for browsers: content-security-policy "base-uri 'self'; frame-ancestors 'self';", referrer-policy,
 * x-content-type-options and x-permitted-cross-domain-policies.
 * opts: an array of anqa_header, which are put over them; {0} ends it.
 */
ANQA_API void anqa_put_secure_browser_headers(anqa_conn *conn, const void *opts);

/** Who is let in. */
typedef struct anqa_basic_auth {
    const char *username, *password;
    const char *realm; /* NULL: "Application" */
} anqa_basic_auth;

/** Asks for a name and a password (RFC 7617), which are compared in constant time; who has others gets 401. opts: anqa_basic_auth,
 * not NULL. */
ANQA_API void anqa_plug_basic_auth(anqa_conn *conn, const void *opts);

/** How requests without TLS are sent to where there is it. */
typedef struct anqa_ssl_opts {
    /* to redirect to, with a port if it is not 443; NULL: that of the request, and the port for https of the endpoint if the
     * request came to the one for http */
    const char *host;
    const char *const *exclude; /* hosts that are let alone, NULL ends them; NULL: "localhost" */
    uint32_t expires_s;         /* of HSTS; 0: a year */
    bool subdomains, preload;   /* of HSTS */
    bool no_hsts;
    /* proxies that end TLS: are believed first, as by anqa_plug_forwarded; NULL: there are none */
    const anqa_forwarded_opts *forwarded;
} anqa_ssl_opts;

/**
 * Sends who comes over plain HTTP to HTTPS: 301 for GET and HEAD, else 307; and who comes over HTTPS the field
 * strict-transport-security. Sockets and static files do not go through plugs: `force_ssl` of an endpoint is for all it has.
 * opts: anqa_ssl_opts.
 */
ANQA_API void anqa_plug_ssl(anqa_conn *conn, const void *opts);

/* ---------------------------------------------------------------- pages of other sites */

/** Which of them may use answers of this one (CORS, of the Fetch standard). */
typedef struct anqa_cors_opts {
    /* "https://app.example.org", "https://" and "*.example.org" for that domain and all below it, "//example.org" for any scheme, as
     * those of anqa_socket_mount; or "*" alone for all. NULL ends them */
    const char *const *origins;
    const char *const *methods; /* NULL: GET, HEAD, POST, PUT, PATCH, DELETE; NULL ends them */
    /* fields that their requests may have; NULL: accept, authorization, content-type, x-csrf-token, x-requested-with; "*" alone: whatever
     * they ask for; NULL ends them */
    const char *const *headers;
    const char *const
        *expose; /* fields of answers that they may read besides the harmless ones; NULL: none */
    bool credentials;   /* with cookies; not for "*", which ends the process */
    uint32_t max_age_s; /* browsers keep this for so long; 0: 7,200, ANQA_INFINITY: not at all */
} anqa_cors_opts;

/**
 * Puts the fields that let pages of other sites use answers, and answers the question that browsers ask before (OPTIONS with
 * access-control-request-method): with 204, or with 403 where the site is none of them. All other requests go on, whoever
 * sent them: a browser keeps the answer from the page, but what the request does is done (anqa/csrf.h is against that).
 * It stands before the router, and before what refuses requests. opts: anqa_cors_opts, not NULL.
 */
ANQA_API void anqa_plug_cors(anqa_conn *conn, const void *opts);

/* ---------------------------------------------------------------- server-sent events */

/** One event. Members that are empty are left out. */
typedef struct anqa_sse_event {
    const char *event; /* NULL: "message" for the client */
    anqa_str data;     /* of any number of lines */
    const char *id;
    uint32_t retry_ms; /* 0: left out */
} anqa_sse_event;

/** Begins an answer of events (text/event-stream). Fails: E_CLOSED. Context: process of the connection; may wait. */
ANQA_API anqa_status anqa_sse_begin(anqa_conn *conn);
/**
 * Sends one. Waits while the client reads more slowly than this writes.
 * event, id: one line; a line break in them ends the process.   Fails: E_CLOSED.
 * Context: process of the connection; may wait.
 */
ANQA_API anqa_status anqa_sse_send(anqa_conn *conn, const anqa_sse_event *event);
/** Sends a comment, as a sign of life that keeps proxies from closing: each 15 to 30 seconds. Fails, context: as anqa_sse_send. */
ANQA_API anqa_status anqa_sse_heartbeat(anqa_conn *conn);

ANQA_END_DECLS

#endif
