#include "http/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"

static struct test_endpoint server;

void site_begin_endpoint(const anqa_endpoint *endpoint)
{
    server = endpoint_begin(endpoint);
}

void site_begin(void (*plug)(anqa_conn *conn, const void *opts))
{
    static anqa_plug plugs[2];
    static const anqa_endpoint endpoint = {.plugs = plugs, .quiet = true};

    plugs[0].call = plug;
    site_begin_endpoint(&endpoint);
}

void site_end(void)
{
    endpoint_end(&server);
}

uint16_t site_port(void)
{
    return endpoint_port(&server);
}

void site_stop(void *arg)
{
    (void)anqa_gen_server_stop(server.pid, ANQA_SHUTDOWN, ANQA_INFINITY);
}

const char *site_address(void)
{
    return server.address;
}

int site_dial(void)
{
    return peer_dial(site_port());
}

const char *site_ask(const char *request)
{
    return peer_ask(site_port(), request);
}

const char *site_get(const char *target)
{
    char request[512];

    snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: example.org:4000\r\nConnection: close\r\n\r\n", target);
    return site_ask(request);
}

const char *site_post(const char *fields_and_body)
{
    char request[8192];

    snprintf(request, sizeof request, "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s",
        fields_and_body);
    return site_ask(request);
}

unsigned status_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (unsigned)strtoul(answer + 9, NULL, 10) : 0;
}

const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");

    return end == NULL ? "" : end + 4;
}

unsigned count(const char *text, const char *part)
{
    unsigned n = 0;

    for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part))
        n++;
    return n;
}

bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}
