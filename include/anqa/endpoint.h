/**
 * anqa/endpoint.h - where a program is reached: a port, the sockets it takes there, and files.
 *
 *     static const anqa_endpoint endpoint = {
 *         .sockets = (const anqa_socket_mount[]){{.path = "/socket", .user_socket = &user_socket}, {0}},
 *         .statics = (const anqa_static_files[]){{.url = "/", .dir = "public"}, {0}},
 *     };
 *     static const anqa_app chat = {
 *         .name = "chat",
 *         .children = (const anqa_child_spec[]){{.dynamic_supervisor = &rooms}, ANQA_ENDPOINT(&endpoint), {0}},
 *     };
 *
 * An endpoint is a server among the children of a supervisor, as a rule the last one: what it serves is there when the
 * first client comes, and it is the first to stop. Its start fails when the port is taken, or a folder is not there. When it
 * stops it drains. A program may have several. In a deterministic runtime, which has no network, it starts and stops as
 * everywhere but does not listen: see anqa/test.h.
 *
 * Draining. Nobody is accepted any more. Requests are answered, and their connections closed behind the answer ("connection:
 * close"); those without a request are closed, after a second in which one may still come. WebSockets are told to come
 * back (close code 1012) batch by batch, so that they do not all reach the successor in one moment; their channels end
 * with the reason shutdown "draining". Who is still there at the end of `shutdown_ms` is reset.
 *
 * Inherited sockets. A program that replaces another (SIGUSR2, anqa/application.h) has the sockets that it listened on,
 * each endpoint those of the one with the same address. From systemd (LISTEN_FDS) an endpoint has those whose
 * FileDescriptorName= is its `name`, one without a name all. An endpoint that crashes finds them again when it is
 * restarted: who comes meanwhile waits. An endpoint with none makes its own.
 *
 * Sockets. A mount with the path "/socket" takes WebSockets at "/socket/websocket", which is where the JavaScript client
 * (`new Socket("/socket")`) goes. Version 2 of the wire format is spoken; a client that asks for another one
 * (`vsn` in the query, absent: 1) is refused with 403.
 *
 * Plugs. A request that is neither a socket's nor for a file goes through the pipeline `plugs` (anqa/conn.h) and then to the
 * `router` (anqa/router.h); without either the answer is 404.
 *
 * Threads. Endpoints are `static const` and outlive the program's runtime.
 */
#ifndef ANQA_ENDPOINT_H
#define ANQA_ENDPOINT_H

#include <anqa/channel.h>
#include <anqa/conn.h>
#include <anqa/net.h>
#include <anqa/router.h>
#include <anqa/session.h>
#include <anqa/supervisor.h>

ANQA_BEGIN_DECLS

/** Pages of which sites may open a socket. Who sends no `Origin` (programs, not browsers) always may. */
typedef enum anqa_check_origin {
    ANQA_ORIGIN_HOST,   /* those of the endpoint's host, whatever scheme and port */
    ANQA_ORIGIN_ANY,    /* all */
    ANQA_ORIGIN_LIST,   /* those in `origins` */
    ANQA_ORIGIN_REQUEST /* those with the scheme, host and port of the request itself */
} anqa_check_origin;

/** One path that takes sockets; {0} ends a list of them. */
typedef struct anqa_socket_mount {
    const char *path; /* "/socket" */
    const anqa_user_socket *user_socket;
    anqa_check_origin check_origin;
    /* "https://example.org", "//example.org:8080" (any scheme), "//example.org" (and any port); a host that begins with
     * "*." is the domain itself and all below it. http and https without a port mean 80 and 443. NULL ends them */
    const char *const *origins;
    uint32_t
        timeout_ms; /* without anything from the client, it is closed; 0: 60,000. Whole seconds count */
    uint32_t max_channels; /* joined at a time by one client; 0: 100 */
} anqa_socket_mount;

/** Files below `dir` are served below `url`; {0} ends a list. */
typedef struct anqa_static_files {
    const char *url; /* "/", or "/assets" */
    const char *dir;
    /* `app.js.gz` and `app.js.br` are sent in place of `app.js` to who takes them (Accept-Encoding), where they lie beside it and are
     * not older. Whoever builds the files makes them: gzip -k9 app.js; brotli -k app.js */
    bool gzip, brotli;
} anqa_static_files;

/** Limits on clients and their requests. Times count in whole seconds. Zero is a sensible default everywhere. */
typedef struct anqa_http_limits {
    uint32_t request_line_bytes; /* 0: 8,192; longer: 414 */
    uint32_t header_bytes;       /* of the whole head; 0: 32,768; more: 431 */
    uint32_t headers;            /* number of fields; 0: 100, which is also the most; more: 431 */
    uint64_t body_bytes; /* 0: 8,000,000; more: 413 where it is read; see anqa_conn_limit_body */
    uint32_t request_timeout_ms; /* for a head to come; 0: 15,000; later: 408 */
    uint32_t idle_timeout_ms;    /* between requests; 0: 60,000 */
    uint32_t
        write_timeout_ms; /* for the client to take more of an answer, or it is reset; 0: 30,000 */
    /* at a time; more are reset. For IPv6 of a network of 64 bits. 0: any number, as behind a proxy, from which all come */
    uint32_t connections_per_address;
} anqa_http_limits;

/** How an endpoint that stops takes leave of its clients. Zero is a sensible default everywhere. */
typedef struct anqa_endpoint_drain {
    uint32_t batch_size;        /* WebSockets that are told at a time; 0: 10,000 */
    uint32_t batch_interval_ms; /* from one batch to the next; 0: 2,000 */
    uint32_t shutdown_ms;       /* for all of it; 0: 30,000 */
} anqa_endpoint_drain;

/** Whether error pages are for people who develop: with the reason, the request, and after a crash all frames and the lines of the sources around
 * those of the application. Lines are found by `addr2line` (binutils) in programs with debug information; without it there are names of
 * functions. */
typedef enum anqa_debug_errors {
    ANQA_DEBUG_ERRORS_ENV, /* if ANQA_ENV in the environment is "dev" */
    ANQA_DEBUG_ERRORS_ON,
    ANQA_DEBUG_ERRORS_OFF
} anqa_debug_errors;

/** Zero is a sensible default everywhere. */
typedef struct anqa_endpoint {
    uint16_t
        port; /* 0: what PORT in the environment says (there 0 is: any that is free), else 4000 */
    /* to listen at: "::1", "*" (all), "unix:/run/app.sock" (a Unix socket, which has no port); NULL: "127.0.0.1" */
    const char *address;
    /* the name that clients know, which pages that open sockets are compared with; NULL: what ANQA_HOST in the environment says; else with
     * ANQA_ENV=prod what HOST says there (elsewhere that is not looked at: some shells put the machine's name into it); else
     * whatever name a request gives */
    const char *host;
    const anqa_socket_mount *sockets;
    const anqa_static_files *statics;
    const anqa_plug *plugs;    /* for all other requests; {0} ends them */
    const anqa_router *router; /* behind the plugs; NULL: none */
    /* Answers a request that has no answer: no route matches (404), its plugs have crashed (500) or given none, or its body is
     * none (4xx). After a crash the conn is as it was before all plugs, and without its body. If it crashes or gives none either, and without it (NULL), the answer is the status in words, as JSON or as a
     * text. In the connection's process; may wait */
    void (*render_errors)(anqa_conn *conn, unsigned status);
    anqa_debug_errors debug_errors;   /* in place of render_errors */
    const anqa_session_opts *session; /* of those requests: &(anqa_session_opts){0}; NULL: none */
    /* at least 64 random bytes that nobody else knows; NULL: what SECRET_KEY_BASE in the environment says, else with ANQA_ENV=dev those in
     * `.anqa/secret_key_base`, which are made at the first start in that folder, else ones that are made when the program starts.
     * With ANQA_ENV=prod none are made, sessions not without, and ones that repeat themselves are refused */
    const char *secret_key_base;
    anqa_http_limits limits;
    /* what a client that reads too slowly may leave unread before it is reset, and so the longest message that can be
     * sent; 0: 1 MiB */
    uint32_t max_output_bytes;
    uint32_t max_connections; /* 0: 65,536; more are reset */
    anqa_endpoint_drain drain;
    const char
        *name;  /* of its sockets in a systemd unit, if there are several endpoints; NULL: any */
    bool quiet; /* "listening on http://..." is not printed to standard output */
} anqa_endpoint;

/** The server of all endpoints; its argument is an anqa_endpoint. */
extern ANQA_API const anqa_gen_server anqa_endpoint_server;

/** An endpoint as a child of a supervisor, which has all the time that `drain` gives. */
#define ANQA_ENDPOINT(endpoint)          \
    {.id = "endpoint",                   \
        .server = &anqa_endpoint_server, \
        .arg = (endpoint),               \
        .shutdown_ms = ANQA_INFINITY}

/**
 * Where a running endpoint listens, as "127.0.0.1:4000"; empty in a deterministic runtime.
 * Fails: E_NOPROC, E_DIED, E_TIMEOUT, as anqa_try_call.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_endpoint_address(
    anqa_pid endpoint, char text[ANQA_ADDRESS_TEXT]) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
