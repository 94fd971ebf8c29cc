#include "http/error_page.h"

#include <anqa/html.h>
#include <anqa/memory.h>

#include "http/exchange.h"
#include "http/response.h"

#define REASON_SIZE 1024

/* Browsers ask for HTML before anything else, clients of an API name JSON alone. */
static bool wants_json(const anqa_conn *conn)
{
    anqa_str accept;

    return anqa_conn_req_header(conn, "accept", &accept) &&
           memmem(accept.ptr, accept.len, "json", 4) != NULL &&
           memmem(accept.ptr, accept.len, "text/html", 9) == NULL;
}

static void send_plain(anqa_conn *conn, unsigned status)
{
    const char *phrase = response_phrase(status);

    anqa_conn_delete_resp_header(conn, "content-type"); /* of the answer that was not given */
    if (wants_json(conn))
        (void)anqa_send_json(conn, status, anqa_jsonf("{'errors': {'detail': %s}}", phrase));
    else
        (void)anqa_send_text(conn, status, anqa_str_of(phrase));
}

/* ---------------------------------------------------------------- for people who develop */

static const char *row(const char *rows, anqa_str name, anqa_str value)
{
    anqa_str shown_name = anqa_html_escape(name), shown_value = anqa_html_escape(value);

    return anqa_tmp_printf("%s<tr><th>%.*s</th><td>%.*s</td></tr>\n", rows, ANQA_FMT(shown_name),
        ANQA_FMT(shown_value));
}

static const char *request_rows(const anqa_conn *conn)
{
    const char *rows = row("", anqa_str_of("query"), conn->query_string);
    anqa_str name, value;

    for (size_t at = 0; anqa_conn_each_req_header(conn, &at, &name, &value);)
        rows = row(rows, name, value);
    return rows;
}

static void send_debug(anqa_conn *conn, unsigned status, const char *why)
{
    anqa_str method = anqa_html_escape(conn->method), path = anqa_html_escape(conn->request_path);
    anqa_str reason = anqa_html_escape(anqa_str_of(why));
    const char *html = anqa_tmp_printf(
        "<!doctype html><meta charset=utf-8><title>%u %s</title>\n"
        "<style>body{font:16px sans-serif;margin:2em}pre{background:#eee;padding:1em;"
        "white-space:pre-wrap}th{text-align:left;padding-right:1em}</style>\n"
        "<h1>%u %s</h1><p>%.*s %.*s</p><pre>%.*s</pre>\n<table>\n%s</table>\n",
        status, response_phrase(status), status, response_phrase(status), ANQA_FMT(method),
        ANQA_FMT(path), ANQA_FMT(reason), request_rows(conn));

    anqa_conn_delete_resp_header(conn, "content-type");
    (void)anqa_send_html(conn, status, anqa_str_of(html));
}

/* ---------------------------------------------------------------- which page */

static void answer(anqa_conn *conn, unsigned status, const char *why)
{
    const struct error_pages *pages = exchange_of(conn)->pages;

    if (pages != NULL && pages->debug && !wants_json(conn)) {
        send_debug(conn, status, why);
        return;
    }
    if (pages != NULL && pages->render != NULL)
        pages->render(conn, status);
    if (conn->state == ANQA_CONN_UNSET)
        send_plain(conn, status);
}

void error_page_send(anqa_conn *conn, unsigned status)
{
    const char *why = response_phrase(status);

    if (status == 404)
        why = "no route matches this method and path";
    else if (status == 500)
        why = "its plugs have given no answer";
    answer(conn, status, why);
}

void error_page_crashed(anqa_conn *conn, anqa_reason reason)
{
    char text[REASON_SIZE];

    answer(conn, 500, anqa_reason_format(reason, text, sizeof text));
}
