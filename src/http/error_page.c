#include "http/error_page.h"

#include <anqa/memory.h>

#include "http/response.h"

/* Browsers ask for HTML before anything else, clients of an API name JSON alone. */
static bool wants_json(const anqa_conn *conn)
{
    anqa_str accept;

    return anqa_conn_req_header(conn, "accept", &accept) &&
           memmem(accept.ptr, accept.len, "json", 4) != NULL &&
           memmem(accept.ptr, accept.len, "text/html", 9) == NULL;
}

void error_page_send(anqa_conn *conn, unsigned status)
{
    const char *phrase = response_phrase(status);

    if (wants_json(conn))
        (void)anqa_send_json(conn, status, anqa_jsonf("{'errors': {'detail': %s}}", phrase));
    else
        (void)anqa_send_text(conn, status, anqa_str_of(phrase));
}
