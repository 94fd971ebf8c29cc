/* From HTTP to HTTPS. See anqa/plugs.h. */
#include <anqa/memory.h>
#include <anqa/plugs.h>

#include "http/exchange.h"

#define YEAR_S 31536000u
#define HTTPS_PORT 443u

static const char *const local_only[] = {"localhost", NULL};

static bool is_excluded(const anqa_conn *conn, const anqa_ssl_opts *ssl)
{
    const char *const *host = ssl->exclude == NULL ? local_only : ssl->exclude;

    while (*host != NULL && !request_same_word(conn->host, anqa_str_of(*host)))
        host++;
    return *host != NULL;
}

static void put_hsts(anqa_conn *conn, const anqa_ssl_opts *ssl)
{
    const char *value =
        anqa_tmp_printf("max-age=%u%s%s", ssl->expires_s == 0 ? YEAR_S : ssl->expires_s,
            ssl->preload ? "; preload" : "", ssl->subdomains ? "; includeSubDomains" : "");

    anqa_conn_put_resp_header(conn, "strict-transport-security", anqa_str_of(value));
}

/* Whether the text can stand as a host in a Location without changing what is behind it. */
static bool is_host(anqa_str host)
{
    static const char others[] = "-._~[]:";

    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr(others, c) == NULL))
            return false;
    }
    return host.len != 0;
}

/* Where a client that reached us at our own port for http finds https: another one would be that of a proxy, of which we
 * know nothing. Empty: at the usual port. */
static const char *port_suffix(const anqa_conn *conn)
{
    const struct exchange *exchange = exchange_of(conn);

    if (exchange->secure_port == 0 || exchange->secure_port == HTTPS_PORT ||
        conn->port != exchange->plain_port)
        return "";
    return anqa_tmp_printf(":%u", exchange->secure_port);
}

static void redirect(anqa_conn *conn, const anqa_ssl_opts *ssl)
{
    anqa_str host = ssl->host == NULL ? conn->host : anqa_str_of(ssl->host);
    bool safe = anqa_str_is(conn->method, "GET") || anqa_str_is(conn->method, "HEAD");
    const char *url;

    if (is_host(host)) {
        url = anqa_tmp_printf("https://%.*s%s%.*s%s%.*s", ANQA_FMT(host),
            ssl->host == NULL ? port_suffix(conn) : "", ANQA_FMT(conn->request_path),
            conn->query_string.len == 0 ? "" : "?", ANQA_FMT(conn->query_string));
        anqa_conn_put_status(conn, safe ? 301 : 307);
        (void)anqa_redirect_external(conn, anqa_str_of(url));
    } else {
        (void)anqa_send_text(conn, 400, anqa_str_of("Bad Request"));
    }
    anqa_conn_halt(conn);
}

void anqa_plug_ssl(anqa_conn *conn, const void *opts)
{
    static const anqa_ssl_opts defaults = {0};
    const anqa_ssl_opts *ssl = opts == NULL ? &defaults : opts;

    if (ssl->forwarded != NULL)
        anqa_plug_forwarded(conn, ssl->forwarded);
    if (is_excluded(conn, ssl))
        return;
    if (strcmp(conn->scheme, "https") != 0)
        redirect(conn, ssl);
    else if (!ssl->no_hsts)
        put_hsts(conn, ssl);
}
