#include "http/error_page.h"

#include <anqa/memory.h>

#include "http/debug_page.h"
#include "http/exchange.h"
#include "http/response.h"

#define REASON_SIZE 1024

/* Browsers ask for HTML before anything else, clients of an API name JSON alone. */
bool error_page_wants_json(const struct request *request)
{
    anqa_str accept;

    return request_header(request, "accept", &accept) &&
           memmem(accept.ptr, accept.len, "json", 4) != NULL &&
           memmem(accept.ptr, accept.len, "text/html", 9) == NULL;
}

static void send_plain(anqa_conn *conn, unsigned status)
{
    const char *phrase = response_phrase(status);

    anqa_conn_delete_resp_header(conn, "content-type"); /* of the answer that was not given */
    if (error_page_wants_json(exchange_of(conn)->request))
        (void)anqa_send_json(conn, status, anqa_jsonf("{'errors': {'detail': %s}}", phrase));
    else
        (void)anqa_send_text(conn, status, anqa_str_of(phrase));
}

static void send_debug(
    anqa_conn *conn, unsigned status, const char *why, const struct source_lines *lines)
{
    struct debug_page page = {status, why, exchange_of(conn)->request, lines};

    anqa_conn_delete_resp_header(conn, "content-type");
    (void)anqa_send_html(conn, status, debug_page_html(anqa_tmp(), &page));
}

/* ---------------------------------------------------------------- which page */

static bool is_for_developers(const anqa_conn *conn)
{
    const struct error_pages *pages = exchange_of(conn)->pages;

    return pages != NULL && pages->debug && !error_page_wants_json(exchange_of(conn)->request);
}

static void answer(anqa_conn *conn, unsigned status)
{
    const struct error_pages *pages = exchange_of(conn)->pages;

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
    if (is_for_developers(conn))
        send_debug(conn, status, why, NULL);
    else
        answer(conn, status);
}

static void find_lines(void *job)
{
    source_lines_find(job);
}

void error_page_crashed(anqa_conn *conn, anqa_reason reason, const struct backtrace *trace)
{
    struct source_lines *lines;
    char text[REASON_SIZE];

    if (!is_for_developers(conn)) {
        answer(conn, 500);
        return;
    }
    lines = anqa_heap_calloc(1, sizeof *lines);
    if (trace != NULL)
        lines->trace = *trace;
    if (anqa_blocking(find_lines, lines, 0) != ANQA_OK)
        lines->trace.count = 0;
    send_debug(conn, 500, anqa_reason_format(reason, text, sizeof text), lines);
}

anqa_str error_page_last_words(anqa_arena *arena, const struct error_pages *pages,
    const struct request *request, const char *why, const struct backtrace *trace,
    const char **ret_type)
{
    struct debug_page page = {500, why, request, NULL};
    struct source_lines *lines;

    if (error_page_wants_json(request)) {
        *ret_type = "application/json; charset=utf-8";
        return anqa_str_of("{\"errors\":{\"detail\":\"Internal Server Error\"}}");
    }
    *ret_type = "text/plain; charset=utf-8";
    if (!pages->debug)
        return anqa_str_of(response_phrase(500));
    *ret_type = "text/html; charset=utf-8";
    lines = anqa_arena_calloc(arena, 1, sizeof *lines);
    if (trace != NULL)
        lines->trace = *trace;
    source_lines_find(lines);
    page.lines = lines;
    return debug_page_html(arena, &page);
}
