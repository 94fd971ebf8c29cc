#include "http/visitor.h"

#include <stdio.h>

#include "http/site.h"

static void keep_cookie(struct visitor *visitor, const char *answer)
{
    const char *at = strstr(answer, "set-cookie: ");

    if (at == NULL)
        return;
    at += strlen("set-cookie: ");
    if (has(at, "; max-age=0;"))
        visitor->cookies[0] = '\0';
    else
        snprintf(visitor->cookies, sizeof visitor->cookies, "%.*s", (int)strcspn(at, ";\r"), at);
}

const char *visit_with(
    struct visitor *visitor, const char *request_line, const char *fields, const char *body)
{
    char request[32768], cookies[sizeof visitor->cookies + 16] = "";
    const char *answer;

    if (visitor->cookies[0] != '\0')
        snprintf(cookies, sizeof cookies, "Cookie: %s\r\n", visitor->cookies);
    snprintf(request, sizeof request,
        "%s HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\nContent-Length: "
        "%zu\r\n%s%s\r\n%s",
        request_line, strlen(body), cookies, fields, body);
    answer = site_ask(request);
    keep_cookie(visitor, answer);
    return answer;
}

const char *visit(struct visitor *visitor, const char *target)
{
    char request_line[4096];

    snprintf(request_line, sizeof request_line, "GET %s", target);
    return visit_with(visitor, request_line, "", "");
}
