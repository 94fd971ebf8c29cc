/* An endpoint: its process, which keeps what connections need as long as they live. */
#include <anqa/endpoint.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "base/container.h"
#include "channel/host.h"
#include "channel/https.h"
#include "channel/poll.h"
#include "channel/routes.h"
#include "http/conn.h"
#include "http/crypto.h"
#include "http/secret.h"
#include "http/static.h"
#include "http/tls.h"
#include "runtime/sched.h"

#define DEFAULT_PORT 4000u
#define DEFAULT_HTTPS_PORT 4001u
#define DEFAULT_TIMEOUT_MS 60000u
#define DEFAULT_CHANNELS 100u
#define DEFAULT_DRAIN_MS 30000u
#define DEFAULT_WINDOW_MS 10000u
#define DEFAULT_HEARTBEAT_MS 15000u
#define DEFAULT_SESSIONS 10000u
#define CLOSE_RESTART 1012
#define TRANSPORTS 3u /* that a mount has at most */

/* What is served. It outlives its endpoint's process as long as there are connections. */
struct site {
    struct http_service service;
    struct http_mount *mounts;
    struct socket_mount *sockets;
    struct static_mount *statics;
    anqa_plug *plugs;                  /* those of the endpoint, and its router */
    size_t socket_count, static_count; /* open ones */
    char host[HOST_MAX + 1];           /* empty: any */
    anqa_https https;                  /* what service.tls is made of, if there is any */
};

struct endpoint {
    struct site *site;
    uint32_t drain_ms;
    char address[ANQA_ADDRESS_TEXT]; /* empty: it does not listen */
    char https_address[ANQA_ADDRESS_TEXT];
};

/* ---------------------------------------------------------------- the site */

static void site_free(struct site *site)
{
    if (site == NULL)
        return;
    for (size_t i = 0; i < site->socket_count; i++)
        free((void *)(uintptr_t)site->mounts[i].path.ptr);
    for (size_t i = 0; i < site->static_count; i++)
        static_close(&site->statics[i]);
    tls_server_close(site->service.tls);
    free(site->mounts);
    free(site->sockets);
    free(site->statics);
    free(site->plugs);
    free(site);
}

static void site_drop(struct http_service *service)
{
    site_free(ANQA_CONTAINER_OF(service, struct site, service));
}

static anqa_status no_memory(anqa_error *err)
{
    return anqa_fail(err, ANQA_E_NOMEM, "no memory for an endpoint");
}

/* Tokens can be made. */
static bool has_crypto(void)
{
    unsigned char mac[CRYPTO_HMAC_LEN];

    return crypto_hmac((anqa_str){"key", 3}, (anqa_str){"data", 4}, mac);
}

/* A transport of a mount: where it is taken, and who serves it. */
static anqa_status site_add_transport(struct site *site, const struct socket_mount *mount,
    const char *given, const char *otherwise, void (*serve)(anqa_conn *conn, const void *opts),
    anqa_error *err)
{
    size_t i = site->socket_count;
    struct socket_mount *own = &site->sockets[i];
    const char *below = given == NULL ? otherwise : given;
    char *path;

    if (below[0] != '/')
        return anqa_fail(err, ANQA_E_INVALID, "socket '%s': the path '%s' begins with no '/'",
            mount->spec->path, below);
    if (asprintf(
            &path, "%s%s", strcmp(mount->spec->path, "/") == 0 ? "" : mount->spec->path, below) < 0)
        return no_memory(err);
    memcpy(own, mount, sizeof *own); /* it has an atomic */
    own->path = anqa_str_of(path);
    own->plugs[0] = (anqa_plug){serve, own};
    site->mounts[i] = (struct http_mount){.path = own->path, .plugs = own->plugs};
    site->socket_count++;
    return ANQA_OK;
}

static uint32_t or_default(uint32_t given, uint32_t otherwise)
{
    return given == 0 ? otherwise : given;
}

static anqa_status check_mount(
    const anqa_endpoint *spec, const anqa_socket_mount *mount, anqa_error *err)
{
    const unsigned session = ANQA_CONNECT_SESSION | ANQA_CONNECT_SESSION_UNCHECKED;

    if (mount->path[0] != '/' || (mount->user_socket == NULL) == (mount->raw == NULL))
        return anqa_fail(err, ANQA_E_INVALID,
            "socket '%s': its path begins with '/', and .user_socket or .raw says what it is",
            mount->path);
    if (mount->raw != NULL && mount->sse.on)
        return anqa_fail(err, ANQA_E_INVALID, "socket '%s': events are for channels", mount->path);
    if ((mount->connect_info & session) != 0 && spec->session == NULL)
        return anqa_fail(err, ANQA_E_INVALID,
            "socket '%s': it wants the session, and the endpoint has none", mount->path);
    if (mount->longpoll.on && !has_crypto())
        return anqa_fail(err, ANQA_E_UNSUPPORTED,
            "socket '%s': long-poll needs tokens, and this library was built without OpenSSL",
            mount->path);
    return ANQA_OK;
}

static anqa_status site_add_socket(
    struct site *site, const anqa_endpoint *spec, const anqa_socket_mount *mount, anqa_error *err)
{
    struct socket_mount made = {.endpoint = spec,
        .spec = mount,
        .host = site->host[0] == '\0' ? NULL : site->host,
        .service = &site->service,
        .max_channels = or_default(mount->max_channels, DEFAULT_CHANNELS),
        .timeout_s = service_seconds(or_default(mount->timeout_ms, DEFAULT_TIMEOUT_MS))};
    struct socket_mount polled = made;
    anqa_status status = check_mount(spec, mount, err);

    polled.window_ms = or_default(mount->longpoll.window_ms, DEFAULT_WINDOW_MS);
    polled.max_sessions = or_default(mount->longpoll.max_sessions, DEFAULT_SESSIONS);

    if (status == ANQA_OK && !mount->websocket.off)
        status = site_add_transport(
            site, &made, mount->websocket.path, "/websocket", websocket_serve, err);
    if (status == ANQA_OK && mount->longpoll.on)
        status = site_add_transport(
            site, &polled, mount->longpoll.path, "/longpoll", longpoll_serve, err);
    polled.window_ms = or_default(mount->sse.heartbeat_ms, DEFAULT_HEARTBEAT_MS);
    polled.max_sessions = or_default(mount->sse.max_sessions, DEFAULT_SESSIONS);
    if (status == ANQA_OK && mount->sse.on)
        status = site_add_transport(site, &polled, mount->sse.path, "/sse", sse_serve, err);
    return status;
}

static anqa_status site_add_static(
    struct site *site, const anqa_static_files *files, anqa_error *err)
{
    struct static_spec spec = {.prefix = strcmp(files->url, "/") == 0 ? NULL : files->url,
        .folder = files->dir,
        .index = "index.html",
        .cache_control = files->cache_control,
        .cache_control_vsn = files->cache_control_vsn,
        .only = files->only,
        .headers = files->headers,
        .opens_anew = files->opens_anew,
        .gzip = files->gzip,
        .brotli = files->brotli};
    anqa_status status = static_open(&site->statics[site->static_count], &spec, err);

    if (status == ANQA_OK)
        site->static_count++;
    return status;
}

static size_t count_sockets(const anqa_endpoint *spec)
{
    size_t count = 0;

    while (spec->sockets != NULL && spec->sockets[count].path != NULL)
        count++;
    return count;
}

static size_t count_statics(const anqa_endpoint *spec)
{
    size_t count = 0;

    while (spec->statics != NULL && spec->statics[count].url != NULL)
        count++;
    return count;
}

/* The plugs, and the router behind them. NULL: no memory. */
static anqa_plug *copy_plugs(const anqa_endpoint *spec)
{
    size_t count = 0;
    anqa_plug *plugs;

    while (spec->plugs != NULL && spec->plugs[count].call != NULL)
        count++;
    plugs = calloc(count + 2, sizeof *plugs);
    if (plugs == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        plugs[i] = spec->plugs[i];
    plugs[count] = (anqa_plug){anqa_router_call, spec->router};
    return plugs;
}

static anqa_status site_add_router(struct site *site, const anqa_endpoint *spec, anqa_error *err)
{
    anqa_status status;

    if (spec->router == NULL)
        return ANQA_OK;
    status = anqa_router_compile(spec->router, err);
    if (status != ANQA_OK)
        return status;
    site->plugs = copy_plugs(spec);
    if (site->plugs == NULL)
        return no_memory(err);
    site->service.plugs = site->plugs;
    return ANQA_OK;
}

static anqa_status site_fill(struct site *site, const anqa_endpoint *spec, anqa_error *err)
{
    size_t sockets = count_sockets(spec), statics = count_statics(spec);
    anqa_status status = ANQA_OK;

    site->mounts = calloc(sockets * TRANSPORTS + 1, sizeof *site->mounts);
    site->sockets = calloc(sockets * TRANSPORTS + 1, sizeof *site->sockets);
    site->statics = calloc(statics + 1, sizeof *site->statics);
    if (site->mounts == NULL || site->sockets == NULL || site->statics == NULL)
        return no_memory(err);
    for (size_t i = 0; status == ANQA_OK && i < sockets; i++)
        status = site_add_socket(site, spec, &spec->sockets[i], err);
    for (size_t i = 0; status == ANQA_OK && i < statics; i++)
        status = site_add_static(site, &spec->statics[i], err);
    return status == ANQA_OK ? site_add_router(site, spec, err) : status;
}

static void site_drained(struct http_service *service)
{
    poll_drain(service);
}

static bool wants_debug_pages(const anqa_endpoint *spec)
{
    const char *env = getenv("ANQA_ENV"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    if (spec->debug_errors == ANQA_DEBUG_ERRORS_ENV)
        return env != NULL && strcmp(env, "dev") == 0;
    return spec->debug_errors == ANQA_DEBUG_ERRORS_ON;
}

static anqa_status site_add_tls(struct site *site, const anqa_endpoint *spec, anqa_error *err)
{
    bool on;
    anqa_status status = https_find(spec, &on, &site->https, err);

    site->service.handshake_timeout = service_seconds(site->https.handshake_timeout_ms);
    return status == ANQA_OK && on ? tls_server_open(&site->https, &site->service.tls, err)
                                   : status;
}

static anqa_status site_new(const anqa_endpoint *spec, struct site **ret_site, anqa_error *err)
{
    struct site *site = calloc(1, sizeof *site);
    anqa_status status;

    if (site == NULL)
        return no_memory(err);
    site->service.plugs = spec->plugs;
    site->service.pages = (struct error_pages){spec->render_errors, wants_debug_pages(spec)};
    status = host_find(spec->host, site->host, err);
    if (status == ANQA_OK)
        status = site_fill(site, spec, err);
    if (status == ANQA_OK)
        status = site_add_tls(site, spec, err);
    if (status != ANQA_OK) {
        site_free(site);
        return status;
    }
    site->service.mounts = site->mounts;
    site->service.mount_count = site->socket_count;
    site->service.statics = site->statics;
    site->service.static_count = site->static_count;
    site->service.session = spec->session;
    site->service.force_ssl = spec->force_ssl;
    site->service.limits = (struct request_limits){
        .line_bytes = spec->limits.request_line_bytes,
        .head_bytes = spec->limits.header_bytes,
        .headers = spec->limits.headers,
        .body_bytes = spec->limits.body_bytes,
    };
    site->service.head_timeout = service_seconds(spec->limits.request_timeout_ms);
    site->service.idle_timeout = service_seconds(spec->limits.idle_timeout_ms);
    site->service.write_timeout = service_seconds(spec->limits.write_timeout_ms);
    site->service.max_connections = spec->max_connections;
    site->service.max_streams = spec->limits.streams;
    site->service.max_per_address = spec->limits.connections_per_address;
    site->service.output_bytes = spec->max_output_bytes;
    site->service.drain_batch = spec->drain.batch_size;
    site->service.drain_interval_ms = spec->drain.batch_interval_ms;
    site->service.name = spec->name;
    site->service.drop = site_drop;
    site->service.drained = site_drained;
    site->service.refs = 1;
    *ret_site = site;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- the server */

static void site_hook(void *service)
{
    service_unref(service);
}

static bool is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

/* One of the ways in. */
struct door {
    const char *host;
    uint16_t given_port, standard_port;
    const char *port_name; /* in the environment */
};

static struct door plain_door(const anqa_endpoint *spec)
{
    return (struct door){.host = spec->address == NULL ? "127.0.0.1" : spec->address,
        .given_port = spec->port,
        .standard_port = DEFAULT_PORT,
        .port_name = "PORT"};
}

static struct door secure_door(const anqa_endpoint *spec, const anqa_https *https)
{
    return (struct door){.host = https->address != NULL ? https->address : plain_door(spec).host,
        .given_port = https->port,
        .standard_port = DEFAULT_HTTPS_PORT,
        .port_name = HTTPS_PORT_NAME};
}

/* What anqa_listen takes. */
static anqa_status address_of(
    const struct door *door, char address[ANQA_ADDRESS_TEXT], anqa_error *err)
{
    const char *host = door->host;
    bool is_bare_ip6 = host[0] != '[' && strchr(host, ':') != NULL;
    uint16_t port = 0;
    anqa_status status;
    int len;

    if (is_unix(host)) {
        len = snprintf(address, ANQA_ADDRESS_TEXT, "%s", host);
    } else {
        status = port_find(door->given_port, door->port_name, door->standard_port, &port, err);
        if (status != ANQA_OK)
            return status;
        len = snprintf(address, ANQA_ADDRESS_TEXT, is_bare_ip6 ? "[%s]:%u" : "%s:%u", host, port);
    }
    return len < ANQA_ADDRESS_TEXT
               ? ANQA_OK
               : anqa_fail(err, ANQA_E_INVALID, "the address %s is too long", host);
}

/* Says how to have another port, if it is up to the environment. */
static anqa_status in_use(const struct door *door, const char *address, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_IN_USE,
        "cannot listen on %s: Address already in use; %s=... in the environment is another port",
        address, door->port_name);
}

static anqa_status listen_secure(
    struct endpoint *endpoint, const anqa_endpoint *spec, anqa_error *err)
{
    const anqa_https *https = &endpoint->site->https;
    struct door door = secure_door(spec, https);
    char address[ANQA_ADDRESS_TEXT];
    anqa_status status = address_of(&door, address, err);

    if (status != ANQA_OK)
        return status;
    if (is_unix(address) && !spec->no_http && strcmp(address, plain_door(spec).host) == 0)
        return anqa_fail(
            err, ANQA_E_INVALID, "https needs an address of its own: %s is that of http", address);
    status = service_listen_tls(&endpoint->site->service,
        https->name == NULL ? "https" : https->name, address, endpoint->https_address, err);
    return status == ANQA_E_IN_USE && door.given_port == 0 && !is_unix(address)
               ? in_use(&door, address, err)
               : status;
}

static anqa_status listen_plain(
    struct endpoint *endpoint, const anqa_endpoint *spec, anqa_error *err)
{
    struct door door = plain_door(spec);
    char address[ANQA_ADDRESS_TEXT];
    anqa_status status = address_of(&door, address, err);

    if (status != ANQA_OK)
        return status;
    status = service_listen(&endpoint->site->service, address, endpoint->address, err);
    return status == ANQA_E_IN_USE && door.given_port == 0 && !is_unix(address)
               ? in_use(&door, address, err)
               : status;
}

/* https first: of a service manager's sockets http takes all that is left. */
static anqa_status listen_all(struct endpoint *endpoint, const anqa_endpoint *spec, anqa_error *err)
{
    bool secure = endpoint->site->service.tls != NULL;
    anqa_status status = ANQA_OK;

    if (spec->no_http && !secure)
        return anqa_fail(err, ANQA_E_INVALID, "no_http, and no https: it would not listen at all");
    if (secure)
        status = listen_secure(endpoint, spec, err);
    return status == ANQA_OK && !spec->no_http ? listen_plain(endpoint, spec, err) : status;
}

static bool has_longpoll(const anqa_endpoint *spec)
{
    const anqa_socket_mount *mount = spec->sockets;

    while (mount != NULL && mount->path != NULL && !mount->longpoll.on)
        mount++;
    return mount != NULL && mount->path != NULL;
}

static anqa_status open_endpoint(
    struct endpoint *endpoint, const anqa_endpoint *spec, anqa_error *err)
{
    anqa_str secret;
    anqa_status status = secret_find(
        spec->secret_key_base, spec->session != NULL || has_longpoll(spec), &secret, err);

    if (status != ANQA_OK)
        return status;
    anqa_section_begin();
    status = site_new(spec, &endpoint->site, err);
    anqa_section_end();
    if (status != ANQA_OK)
        return status;
    anqa_defer(site_hook, &endpoint->site->service);
    endpoint->site->service.secret = secret;
    if (sched_self->deterministic)
        return ANQA_OK; /* there is no network */
    return listen_all(endpoint, spec, err);
}

static void tell_address(const anqa_endpoint *spec, const char *scheme, const char *address)
{
    if (address[0] == '\0')
        return;
    anqa_log(ANQA_INFO, "endpoint.listening", "address=%s scheme=%s", address, scheme);
    if (spec->quiet)
        return;
    if (is_unix(address))
        dprintf(STDOUT_FILENO, "listening on %s\n", address);
    else
        dprintf(STDOUT_FILENO, "listening on %s://%s\n", scheme, address);
}

static anqa_next endpoint_init(void *state, const void *arg)
{
    struct endpoint *endpoint = state;
    const anqa_endpoint *spec = arg;
    anqa_error err;

    if (spec == NULL)
        return anqa_stop_with(anqa_error_reason("an endpoint needs .arg: use ANQA_ENDPOINT"));
    if (open_endpoint(endpoint, spec, &err) != ANQA_OK)
        return anqa_stop_with(anqa_error_reason("%s", err.text));
    endpoint->drain_ms = spec->drain.shutdown_ms == 0 ? DEFAULT_DRAIN_MS : spec->drain.shutdown_ms;
    tell_address(spec, "http", endpoint->address);
    tell_address(spec, "https", endpoint->https_address);
    return anqa_noreply();
}

/* An acceptor has ended: our supervisor starts us anew. */
static anqa_next endpoint_exit(void *state, anqa_msg *msg)
{
    return anqa_stop_with(anqa_reason_ref(msg->u.reason));
}

static anqa_next endpoint_address(void *state, anqa_msg *msg)
{
    struct endpoint *endpoint = state;

    return anqa_reply_payload(anqa_bytes(endpoint->address, strlen(endpoint->address) + 1));
}

static anqa_next endpoint_https_address(void *state, anqa_msg *msg)
{
    struct endpoint *endpoint = state;

    return anqa_reply_payload(
        anqa_bytes(endpoint->https_address, strlen(endpoint->https_address) + 1));
}

static void endpoint_terminate(void *state, anqa_reason reason)
{
    struct endpoint *endpoint = state;

    if (anqa_reason_is_quiet(reason))
        service_drain(&endpoint->site->service, CLOSE_RESTART, endpoint->drain_ms);
}

const anqa_gen_server anqa_endpoint_server = {
    .state_size = sizeof(struct endpoint),
    .init = endpoint_init,
    .handle_call = (const anqa_handler[]){{"address", endpoint_address},
        {"https_address", endpoint_https_address}, {0}},
    .handle_info = (const anqa_handler[]){{"EXIT", endpoint_exit}, {0}},
    .terminate = endpoint_terminate,
    .label = "endpoint",
    .trap_exit = true,
};

/* Here, as a program that has an endpoint has this file. */
__attribute__((constructor)) static void add_routes_argument(void)
{
    main_argument_add(&routes_argument);
}

static anqa_status ask_address(anqa_pid endpoint, const char *which, char text[ANQA_ADDRESS_TEXT])
{
    const anqa_msg *msg;
    anqa_status status =
        anqa_try_call_payload(endpoint, which, anqa_nothing(), ANQA_CALL_TIMEOUT_MS, &msg, NULL);

    if (status == ANQA_OK)
        snprintf(text, ANQA_ADDRESS_TEXT, "%s", (const char *)msg->body.ptr);
    return status;
}

anqa_status anqa_endpoint_address(anqa_pid endpoint, char text[ANQA_ADDRESS_TEXT])
{
    return ask_address(endpoint, "address", text);
}

anqa_status anqa_endpoint_https_address(anqa_pid endpoint, char text[ANQA_ADDRESS_TEXT])
{
    return ask_address(endpoint, "https_address", text);
}
