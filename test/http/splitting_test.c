/* Whoever chooses a value writes no field, and no response, of his own: through nothing that writes a head. */
#include "harness.h"

#include <anqa/anqa.h>

#include <stdio.h>
#include <stdlib.h>

#include "http/site.h"

static const char *const payloads[] = {
    "a\r\nx-evil: 1",
    "a\nx-evil: 1",
    "a\rx-evil: 1",
    "\r\nx-evil: 1",
    "\r\n\r\nx-evil: 1",
    "a\r\n\r\nHTTP/1.1 200 OK\r\nx-evil: 1\r\n\r\n",
    "/\r\nx-evil: 1",
    "/\nx-evil: 1\n",
    "https://a\r\nx-evil: 1",
};

static void put(anqa_conn *conn, const char *payload)
{
    anqa_conn_put_resp_header(conn, "x-a", anqa_str_of(payload));
}

static void add(anqa_conn *conn, const char *payload)
{
    anqa_conn_add_resp_header(conn, "x-a", anqa_str_of(payload));
}

static void put_name(anqa_conn *conn, const char *payload)
{
    anqa_conn_put_resp_header(conn, payload, anqa_str_of("1"));
}

static void put_type(anqa_conn *conn, const char *payload)
{
    anqa_conn_put_resp_header(conn, "content-type", anqa_str_of(payload));
}

static void inform(anqa_conn *conn, const char *payload)
{
    anqa_conn_inform(conn, 103, (const anqa_header[]){{"link", payload}, {0}});
}

static void inform_name(anqa_conn *conn, const char *payload)
{
    anqa_conn_inform(conn, 103, (const anqa_header[]){{payload, "x"}, {0}});
}

static void redirect(anqa_conn *conn, const char *payload)
{
    anqa_redirect(conn, anqa_str_of(payload));
}

static void redirect_external(anqa_conn *conn, const char *payload)
{
    anqa_redirect_external(conn, anqa_str_of(payload));
}

static void cookie_value(anqa_conn *conn, const char *payload)
{
    anqa_conn_put_resp_cookie(conn, "c", anqa_str_of(payload), NULL);
}

static void cookie_name(anqa_conn *conn, const char *payload)
{
    anqa_conn_put_resp_cookie(conn, payload, anqa_str_of("1"), NULL);
}

static void cookie_path(anqa_conn *conn, const char *payload)
{
    anqa_conn_put_resp_cookie(conn, "c", anqa_str_of("1"), &(anqa_cookie_opts){.path = payload});
}

static void cookie_domain(anqa_conn *conn, const char *payload)
{
    anqa_conn_put_resp_cookie(conn, "c", anqa_str_of("1"), &(anqa_cookie_opts){.domain = payload});
}

static void cookie_extra(anqa_conn *conn, const char *payload)
{
    anqa_conn_put_resp_cookie(conn, "c", anqa_str_of("1"), &(anqa_cookie_opts){.extra = payload});
}

static void cookie_deleted(anqa_conn *conn, const char *payload)
{
    anqa_conn_delete_resp_cookie(conn, payload, NULL);
}

static void secure_headers(anqa_conn *conn, const char *payload)
{
    anqa_put_secure_browser_headers(
        conn, (const anqa_header[]){{"content-security-policy", payload}, {0}});
}

static void realm(anqa_conn *conn, const char *payload)
{
    anqa_plug_basic_auth(
        conn, &(anqa_basic_auth){.username = "a", .password = "b", .realm = payload});
}

static void ssl_host(anqa_conn *conn, const char *payload)
{
    static const char *const none[] = {NULL};

    anqa_plug_ssl(conn, &(anqa_ssl_opts){.host = payload, .exclude = none});
}

static void cors_expose(anqa_conn *conn, const char *payload)
{
    const char *const all[] = {"*", NULL}, *const expose[] = {payload, NULL};

    anqa_plug_cors(conn, &(anqa_cors_opts){.origins = all, .expose = expose});
}

static void event_name(anqa_conn *conn, const char *payload)
{
    (void)anqa_sse_begin(conn);
    (void)anqa_sse_send(conn, &(anqa_sse_event){.event = payload});
}

/* Behind callbacks, which run when the head is about to be written. */
static void put_late(anqa_conn *conn, void *payload)
{
    anqa_conn_put_resp_header(conn, "x-a", anqa_str_of(payload));
}

static void late(anqa_conn *conn, const char *payload)
{
    anqa_conn_register_before_send(conn, put_late, (void *)(uintptr_t)payload);
}

static const struct {
    const char *name;
    void (*call)(anqa_conn *conn, const char *payload);
} writers[] = {
    {"put_resp_header", put},
    {"add_resp_header", add},
    {"the name of a field", put_name},
    {"content-type", put_type},
    {"inform", inform},
    {"the name of an informational field", inform_name},
    {"redirect", redirect},
    {"redirect_external", redirect_external},
    {"a cookie's value", cookie_value},
    {"a cookie's name", cookie_name},
    {"a cookie's path", cookie_path},
    {"a cookie's domain", cookie_domain},
    {"a cookie's further attributes", cookie_extra},
    {"a deleted cookie's name", cookie_deleted},
    {"put_secure_browser_headers", secure_headers},
    {"the realm of basic_auth", realm},
    {"the host of plug_ssl", ssl_host},
    {"the fields of plug_cors", cors_expose},
    {"the name of an event", event_name},
    {"a callback before the head", late},
};

static void write_head(anqa_conn *conn, const void *opts)
{
    unsigned long which = strtoul(conn->query_string.ptr, NULL, 10);

    writers[which / 100].call(conn, payloads[which % 100]);
    if (conn->state == ANQA_CONN_UNSET)
        anqa_send_text(conn, 200, anqa_str_of("it was written"));
}

TEST(no_value_writes_a_field_or_a_response_of_its_own)
{
    char request[256];

    site_begin(write_head);
    for (size_t i = 0; i < ANQA_COUNT(writers); i++)
        for (size_t k = 0; k < ANQA_COUNT(payloads); k++) {
            const char *answer;
            if (writers[i].call == redirect && payloads[k][0] != '/')
                continue; /* refused for that already */
            snprintf(request, sizeof request,
                "GET /?%zu HTTP/1.1\r\nHost: a\r\nOrigin: https://b\r\nConnection: close\r\n\r\n",
                i * 100 + k);
            answer = site_ask(request);
            CHECK(!has(answer, "\nx-evil") && !has(answer, "\rx-evil"), "%s, payload %zu: %s",
                writers[i].name, k, answer);
            if (writers[i].call == event_name) /* its head was sent before: it is cut off */
                continue;
            CHECK_EQ(
                count(answer, "HTTP/1.1 "), 1, "%s, payload %zu: %s", writers[i].name, k, answer);
            CHECK(status_of(answer) == 500 || status_of(answer) == 400, "%s, payload %zu: %s",
                writers[i].name, k, answer);
        }
    site_end();
}

/* ---------------------------------------------------------------- what comes back of a request */

static void echo_fields(anqa_conn *conn, const void *opts)
{
    anqa_str name, value;

    anqa_plug_request_id(conn, NULL);
    anqa_plug_cors(conn, &(anqa_cors_opts){.origins = (const char *const[]){"*", NULL},
                             .headers = (const char *const[]){"*", NULL}});
    for (size_t at = 0; !conn->halted && anqa_conn_each_req_header(conn, &at, &name, &value);)
        anqa_conn_add_resp_header(conn, "x-echo", value);
    if (!conn->halted)
        anqa_send_text(conn, 200, anqa_str_of("ok"));
}

static const char *const fields[] = {
    "X-Request-Id: 12345678901234567890\rx-evil: 1",
    "X-Request-Id: 12345678901234567890\nx-evil: 1",
    "X-Request-Id: 12345678901234567890\r\n x-evil: 1",
    "Origin: https://a\rx-evil: 1",
    "Access-Control-Request-Headers: a\nx-evil: 1",
    "X-Any: a\r\n\tx-evil: 1",
    "X-Any: a\x0bx-evil: 1",
};

TEST(a_line_break_in_a_field_of_the_request_never_comes_back)
{
    char request[512];

    site_begin(echo_fields);
    for (size_t i = 0; i < ANQA_COUNT(fields); i++) {
        snprintf(request, sizeof request,
            "OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n\r\n", fields[i]);
        CHECK_EQ(status_of(site_ask(request)), 400, "%s", fields[i]);
    }
    site_end();
}
