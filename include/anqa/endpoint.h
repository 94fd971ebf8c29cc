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
 * close"); those without a request are closed, after a second in which one may still come. WebSockets, and clients that
 * poll or listen, are told to come back (close code 1012, status 410) batch by batch, so that they do not all reach the
 * successor in one moment; their channels end with the reason shutdown "draining". The endpoint waits until they have: what
 * a channel still does, in a handler or in `terminate`, may call who was started before the endpoint. Clients that are
 * still there at the end of `shutdown_ms` are reset; channels then are left alone.
 *
 * Inherited sockets. A program that replaces another (SIGUSR2, anqa/application.h) has the sockets that it listened on,
 * each endpoint those of the one with the same address. From systemd (LISTEN_FDS) an endpoint has those whose
 * FileDescriptorName= is its `name`, one without a name all. An endpoint that crashes finds them again when it is
 * restarted: who comes meanwhile waits. An endpoint with none makes its own.
 *
 * TLS. With `https` the endpoint listens at a second port, for https: see anqa/tls.h.
 *
 * Sockets. A mount with the path "/socket" takes WebSockets at "/socket/websocket", which is where the JavaScript client
 * (`new Socket("/socket")`) goes. Versions 1 and 2 of the wire format are spoken; a client that asks for another one
 * (`vsn` in the query, absent: 1) is refused with 403. Segments of a path that begin with ':' stand for any, and are
 * parameters of `connect`: "/socket/:room".
 *
 * Long-poll. With `.longpoll = {.on = true}` a mount also takes clients that cannot hold a WebSocket, at "/socket/longpoll";
 * npm's client falls back to it (option longPollFallbackMs). A session is a process: what is to be sent waits in it until
 * the client asks. It ends when the client has not asked for one and a half windows, when more than max_output_bytes wait,
 * when "disconnect" is broadcast to the socket's id, and when the endpoint stops; the client then opens another one and joins again. Its channels
 * end with the reason shutdown "inactive", "closed", "disconnected" or "draining". Binary messages can be sent by such a client, but not to it (anqa/channel.h). Its token is
 * signed with the endpoint's secret. What clients of Phoenix never send is refused sooner than there: a body of more than 8,000,000
 * bytes with 413; one that is not UTF-8, or has a line that is neither a message nor base64, as a whole with 400, and the session goes on; a
 * token of `authToken` that can not be decoded with 403.
 *
 * Events. With `.sse = {.on = true}` a mount also takes clients that only listen, at "/socket/sse":
 *     new EventSource("/socket/sse?vsn=2.0.0&topics[]=room:a&topics[]=room:b&payload[name]=Ada")
 * joins those topics, all with the payload {"name": "Ada"}. The data of each event is a message of the wire format, beginning with the answers to
 * the joins; more topics than max_channels are answered with 400. The stream ends where a WebSocket would be closed; browsers come back by themselves. A client that is gone is noticed at the next heartbeat. Binary messages are not sent.
 *
 * Compression. With `compress` messages go compressed to clients that offer permessage-deflate (RFC 7692), which browsers
 * do: those from 256 bytes to 256 KiB, if they become shorter. Each is compressed by itself, so that a broadcast is compressed
 * once for all who get it. Clients are told to do the same; so one that is idle costs nothing more. With `client_context`
 * they may refer to what they sent before: that is shorter, but the server keeps about 45 KiB for each client that has
 * sent something compressed. A message of a client that inflates to more than 8,000,000 bytes, or to more than 1 MiB and 25
 * times what came, ends the connection with 1009. Whoever can make others' secrets travel beside words of its own choice in
 * one message learns of them from its length: then do not compress.
 *
 * HTTP/2 is spoken where a client asks for it: over TLS by ALPN, else by its preface ("prior knowledge"). Each of its requests
 * is served in a process of its own, at most `limits.streams` of a connection at a time. A connection that floods (resets, pings,
 * empty frames and the like) is ended with ENHANCE_YOUR_CALM.
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
#include <anqa/plugs.h>
#include <anqa/raw_socket.h>
#include <anqa/router.h>
#include <anqa/session.h>
#include <anqa/supervisor.h>
#include <anqa/tls.h>

ANQA_BEGIN_DECLS

/** Pages of which sites may open a socket. Who sends no `Origin` (programs, not browsers) always may. */
typedef enum anqa_check_origin {
    ANQA_ORIGIN_HOST,    /* those of the endpoint's host, whatever scheme and port */
    ANQA_ORIGIN_ANY,     /* all */
    ANQA_ORIGIN_LIST,    /* those in `origins` */
    ANQA_ORIGIN_REQUEST, /* those with the scheme, host and port of the request itself */
    ANQA_ORIGIN_ASK      /* those that `origin_allowed` says */
} anqa_check_origin;

/** What a socket's `connect` may see of the request (anqa_connect_info); to be added. */
enum {
    ANQA_CONNECT_PEER = 1,
    ANQA_CONNECT_URI = 2,
    ANQA_CONNECT_USER_AGENT = 4,
    ANQA_CONNECT_X_HEADERS = 8,
    ANQA_CONNECT_TRACE = 16,
    ANQA_CONNECT_SEC_WEBSOCKET = 32,
    ANQA_CONNECT_SESSION = 64,
    ANQA_CONNECT_SESSION_UNCHECKED =
        128 /* pages of other sites can use it then: see check_origin */
};

/** How a mount takes WebSockets. */
typedef struct anqa_websocket_opts {
    bool off;         /* it takes none */
    const char *path; /* below that of the mount; NULL: "/websocket" */
    /* that are spoken, of those a client offers (Sec-WebSocket-Protocol); who offers others only is refused with 403.
     * NULL ends them; NULL: what is offered is ignored */
    const char *const *subprotocols;
} anqa_websocket_opts;

/** How a mount takes clients that poll. Zero is a sensible default everywhere but for `on`. */
typedef struct anqa_longpoll_opts {
    bool on;
    const char *path;   /* below that of the mount; NULL: "/longpoll" */
    uint32_t window_ms; /* how long a request waits for something to come; 0: 10,000 */
    /* clients at a time; more are answered with 503. 0: 10,000 */
    uint32_t max_sessions;
} anqa_longpoll_opts;

/** How a mount takes clients that only listen, by server-sent events. Zero is a sensible default everywhere but for `on`. */
typedef struct anqa_sse_opts {
    bool on;
    const char *path;      /* below that of the mount; NULL: "/sse" */
    uint32_t heartbeat_ms; /* a comment is sent when nothing else was for so long; 0: 15,000 */
    uint32_t max_sessions; /* clients at a time; more are answered with 503. 0: 10,000 */
} anqa_sse_opts;

/** One path that takes sockets; {0} ends a list of them. */
typedef struct anqa_socket_mount {
    const char *path; /* "/socket", "/socket/:room" */
    const anqa_user_socket *user_socket;
    const anqa_raw_socket *raw; /* in its place: no channels (anqa/raw_socket.h) */
    anqa_websocket_opts websocket;
    anqa_longpoll_opts longpoll;
    anqa_sse_opts sse;
    unsigned connect_info; /* ANQA_CONNECT_..., added */
    /* clients send a token beside the URL, where no log shows it: option `authToken` of npm's client. A WebSocket's is in
     * the list of subprotocols, of which "phoenix" is one then */
    bool auth_token;
    /* Answers a client whom `connect` has refused with another status than E_PERMISSION; NULL: 403 */
    void (*refused)(anqa_conn *conn, anqa_status status);
    anqa_check_origin check_origin;
    /* "https://example.org", "//example.org:8080" (any scheme), "//example.org" (and any port); a host that begins with
     * "*." is the domain itself and all below it. http and https without a port mean 80 and 443. NULL ends them */
    const char *const *origins;
    /* ANQA_ORIGIN_ASK. Of "https://example.org" the port is "443"; of what is no URL all are empty. In the connection's
     * process; may wait */
    bool (*origin_allowed)(anqa_str scheme, anqa_str host, anqa_str port);
    uint32_t
        timeout_ms; /* without anything from the client, it is closed; 0: 60,000. Whole seconds count */
    anqa_rate_limit rate;  /* of all messages of one client, joins and heartbeats too */
    uint32_t max_channels; /* joined at a time by one client; 0: 100 */
    bool compress;         /* messages, where the client offers it; see Compression above */
    bool client_context;   /* with `compress`: a client's messages may refer to its earlier ones */
} anqa_socket_mount;

/** Files below `dir` are served below `url`; {0} ends a list. */
typedef struct anqa_static_files {
    const char *url; /* "/", or "/assets" */
    const char *dir;
    /* `app.js.gz` and `app.js.br` are sent in place of `app.js` to who takes them (Accept-Encoding), where they lie beside it and are
     * not older. Whoever builds the files makes them: gzip -k9 app.js; brotli -k app.js */
    bool gzip, brotli;
    /* what caches may do; NULL: "public": they ask whether the file is still the same (ETag) when they like to */
    const char *cache_control;
    /* the same for URLs with "?vsn=...", which the site changes with the file; NULL: "public, max-age=31536000, immutable" */
    const char *cache_control_vsn;
    /* the first parts of paths below `url` that are served, as "css" and "favicon.ico"; all others go on to the plugs. NULL ends them; NULL:
     * all are */
    const char *const *only;
    /* more fields of its answers, of 2,048 bytes at most with those above; those that are written for each file can not be put. {0} ends
     * them; NULL: none */
    const anqa_header *headers;
    /* No file is kept open from one request to the next. Else up to 256 of a scheduler are, for a second each: what was written,
     * replaced or deleted is seen at once all the same, what a folder or a link on the way to it stands for now within that second */
    bool opens_anew;
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
    uint32_t streams;     /* requests of one HTTP/2 connection that are served at a time; 0: 100 */
    /* at a time; more are reset. For IPv6 of a network of 64 bits; clients at Unix sockets are not counted. 0: any number, as of a proxy or a
     * NAT all clients come from one; 1,024 where browsers reach the endpoint directly */
    uint32_t connections_per_address;
} anqa_http_limits;

/** How an endpoint that stops takes leave of its clients. Zero is a sensible default everywhere. */
typedef struct anqa_endpoint_drain {
    uint32_t batch_size;        /* clients that are told at a time; 0: 10,000 */
    uint32_t batch_interval_ms; /* from one batch to the next; 0: 2,000 */
    uint32_t shutdown_ms;       /* for all of it; 0: 30,000 */
} anqa_endpoint_drain;

/** Whether error pages are for people who develop: with the reason, the request, and after a crash all frames and the lines of the sources around
 * those of the application. Lines are found by `addr2line` (binutils) in programs with debug information; without it there are names of
 * functions. Sources that are named relative to their project are looked for in the folders above the program and in the one that it runs in. */
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
    /* TLS, at a port of its own (anqa/tls.h); NULL: none, unless `port` is 0 and the environment has HTTPS_PORT */
    const anqa_https *https;
    bool no_http; /* it listens for https only */
    /* Requests without TLS are sent to https, those with it get strict-transport-security, as by anqa_plug_ssl, and before all else: also those
     * for sockets and files. What the server says by itself of faults, of requests that it can not read, of `OPTIONS *` and of files that it
     * can not open for the moment is without that field. Redirects are no lines of anqa_plug_logger. NULL: they are served */
    const anqa_ssl_opts *force_ssl;
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
     * With ANQA_ENV=prod none are made, sessions and long-poll not without, and ones that repeat themselves are refused */
    const char *secret_key_base;
    anqa_http_limits limits;
    /* what a client that reads too slowly may leave unread before it is reset, and so the longest message that can be
     * sent, but for the state of a presence (anqa/presence.h); 0: 1 MiB */
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
 * Where a running endpoint listens for https, as "127.0.0.1:4001"; empty where it does not.
 * Fails: E_NOPROC, E_DIED, E_TIMEOUT, as anqa_try_call.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_endpoint_https_address(
    anqa_pid endpoint, char text[ANQA_ADDRESS_TEXT]) ANQA_MUST_CHECK;

/**
 * Where a running endpoint listens, as "127.0.0.1:4000"; empty with `no_http`, and in a deterministic runtime.
 * Fails: E_NOPROC, E_DIED, E_TIMEOUT, as anqa_try_call.   Context: process; may wait.
 */
ANQA_API anqa_status anqa_endpoint_address(
    anqa_pid endpoint, char text[ANQA_ADDRESS_TEXT]) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
