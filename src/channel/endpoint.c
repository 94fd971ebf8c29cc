/* An endpoint: its process, which keeps what connections need as long as they live. */
#include <anqa/endpoint.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "base/container.h"
#include "channel/connect.h"
#include "channel/host.h"
#include "channel/routes.h"
#include "http/conn.h"
#include "http/secret.h"
#include "http/static.h"
#include "runtime/sched.h"

#define DEFAULT_PORT 4000u
#define DEFAULT_TIMEOUT_MS 60000u
#define DEFAULT_CHANNELS 100u
#define DEFAULT_DRAIN_MS 30000u
#define CLOSE_RESTART 1012

/* What is served. It outlives its endpoint's process as long as there are connections. */
struct site {
    struct http_service service;
    struct http_mount *mounts;
    struct socket_mount *sockets;
    struct static_mount *statics;
    anqa_plug *plugs;                  /* those of the endpoint, and its router */
    size_t socket_count, static_count; /* open ones */
    char host[HOST_MAX + 1];           /* empty: any */
};

struct endpoint {
    struct site *site;
    uint32_t drain_ms;
    char address[ANQA_ADDRESS_TEXT]; /* empty: it does not listen */
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

static anqa_status site_add_socket(
    struct site *site, const anqa_endpoint *spec, const anqa_socket_mount *mount, anqa_error *err)
{
    uint32_t timeout_ms = mount->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : mount->timeout_ms;
    size_t i = site->socket_count;
    char *path;

    if (mount->path[0] != '/' || mount->user_socket == NULL)
        return anqa_fail(err, ANQA_E_INVALID,
            "socket '%s': its path begins with '/', and .user_socket says what it is", mount->path);
    if (asprintf(&path, "%s/websocket", mount->path) < 0)
        return no_memory(err);
    site->sockets[i] = (struct socket_mount){.endpoint = spec,
        .spec = mount,
        .host = site->host[0] == '\0' ? NULL : site->host,
        .max_channels = mount->max_channels == 0 ? DEFAULT_CHANNELS : mount->max_channels,
        .timeout_s = service_seconds(timeout_ms)};
    site->mounts[i] = (struct http_mount){
        .path = anqa_str_of(path), .serve = connect_serve, .arg = &site->sockets[i]};
    site->socket_count++;
    return ANQA_OK;
}

static anqa_status site_add_static(
    struct site *site, const anqa_static_files *files, anqa_error *err)
{
    struct static_spec spec = {.prefix = strcmp(files->url, "/") == 0 ? NULL : files->url,
        .folder = files->dir,
        .index = "index.html",
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

    site->mounts = calloc(sockets + 1, sizeof *site->mounts);
    site->sockets = calloc(sockets + 1, sizeof *site->sockets);
    site->statics = calloc(statics + 1, sizeof *site->statics);
    if (site->mounts == NULL || site->sockets == NULL || site->statics == NULL)
        return no_memory(err);
    for (size_t i = 0; status == ANQA_OK && i < sockets; i++)
        status = site_add_socket(site, spec, &spec->sockets[i], err);
    for (size_t i = 0; status == ANQA_OK && i < statics; i++)
        status = site_add_static(site, &spec->statics[i], err);
    return status == ANQA_OK ? site_add_router(site, spec, err) : status;
}

static bool wants_debug_pages(const anqa_endpoint *spec)
{
    const char *env = getenv("ANQA_ENV"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    if (spec->debug_errors == ANQA_DEBUG_ERRORS_ENV)
        return env != NULL && strcmp(env, "dev") == 0;
    return spec->debug_errors == ANQA_DEBUG_ERRORS_ON;
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
    if (status != ANQA_OK) {
        site_free(site);
        return status;
    }
    site->service.mounts = site->mounts;
    site->service.mount_count = site->socket_count;
    site->service.statics = site->statics;
    site->service.static_count = site->static_count;
    site->service.session = spec->session;
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
    site->service.max_per_address = spec->limits.connections_per_address;
    site->service.output_bytes = spec->max_output_bytes;
    site->service.drain_batch = spec->drain.batch_size;
    site->service.drain_interval_ms = spec->drain.batch_interval_ms;
    site->service.name = spec->name;
    site->service.drop = site_drop;
    site->service.refs = 1;
    *ret_site = site;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- the server */

static anqa_status port_of(const anqa_endpoint *spec, unsigned *ret_port, anqa_error *err)
{
    const char *text = getenv("PORT"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    char *end;
    unsigned long port;

    *ret_port = spec->port != 0 ? spec->port : DEFAULT_PORT;
    if (spec->port != 0 || text == NULL || text[0] == '\0')
        return ANQA_OK;
    port = strtoul(text, &end, 10);
    if (*end != '\0' || text[0] < '0' || text[0] > '9' || port > UINT16_MAX)
        return anqa_fail(err, ANQA_E_INVALID,
            "PORT in the environment is '%s'; it must be a number from 0 to 65535", text);
    *ret_port = (unsigned)port;
    return ANQA_OK;
}

static void site_hook(void *service)
{
    service_unref(service);
}

static bool is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

/* What anqa_listen takes. */
static anqa_status address_of(
    const anqa_endpoint *spec, char address[ANQA_ADDRESS_TEXT], anqa_error *err)
{
    const char *host = spec->address == NULL ? "127.0.0.1" : spec->address;
    bool is_bare_ip6 = host[0] != '[' && strchr(host, ':') != NULL;
    unsigned port = 0;
    anqa_status status;
    int len;

    if (is_unix(host)) {
        len = snprintf(address, ANQA_ADDRESS_TEXT, "%s", host);
    } else {
        status = port_of(spec, &port, err);
        if (status != ANQA_OK)
            return status;
        len = snprintf(address, ANQA_ADDRESS_TEXT, is_bare_ip6 ? "[%s]:%u" : "%s:%u", host, port);
    }
    return len < ANQA_ADDRESS_TEXT
               ? ANQA_OK
               : anqa_fail(err, ANQA_E_INVALID, "the address %s is too long", host);
}

static anqa_status open_endpoint(
    struct endpoint *endpoint, const anqa_endpoint *spec, anqa_error *err)
{
    char address[ANQA_ADDRESS_TEXT];
    anqa_status status = address_of(spec, address, err);
    anqa_str secret;

    if (status == ANQA_OK)
        status = secret_find(spec->secret_key_base, spec->session != NULL, &secret, err);
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
    status = service_listen(&endpoint->site->service, address, endpoint->address, err);
    if (status == ANQA_E_IN_USE && spec->port == 0 && !is_unix(address))
        return anqa_fail(err, status,
            "cannot listen on %s: Address already in use; PORT=... in the environment is another "
            "port",
            address);
    return status;
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
    if (endpoint->address[0] == '\0')
        return anqa_noreply();
    anqa_log(ANQA_INFO, "endpoint.listening", "address=%s", endpoint->address);
    if (!spec->quiet)
        dprintf(STDOUT_FILENO, "listening on %s%s\n", is_unix(endpoint->address) ? "" : "http://",
            endpoint->address);
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

static void endpoint_terminate(void *state, anqa_reason reason)
{
    struct endpoint *endpoint = state;

    if (anqa_reason_is_quiet(reason))
        service_drain(&endpoint->site->service, CLOSE_RESTART, endpoint->drain_ms);
}

const anqa_gen_server anqa_endpoint_server = {
    .state_size = sizeof(struct endpoint),
    .init = endpoint_init,
    .handle_call = (const anqa_handler[]){{"address", endpoint_address}, {0}},
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

anqa_status anqa_endpoint_address(anqa_pid endpoint, char text[ANQA_ADDRESS_TEXT])
{
    const anqa_msg *msg;
    anqa_status status = anqa_try_call_payload(
        endpoint, "address", anqa_nothing(), ANQA_CALL_TIMEOUT_MS, &msg, NULL);

    if (status == ANQA_OK)
        snprintf(text, ANQA_ADDRESS_TEXT, "%s", (const char *)msg->body.ptr);
    return status;
}
