/*
 * What a request is answered with that nothing else answers: the endpoint's own page; for people who develop one that says
 * why, with all that came from outside escaped; else the status in words, as Phoenix's JSON of errors where the client
 * asks for that.
 *
 * owner: the process that serves the request. These may wait.
 */
#ifndef HTTP_ERROR_PAGE_H
#define HTTP_ERROR_PAGE_H

#include <anqa/conn.h>
#include <anqa/process.h>

struct error_pages {
    void (*render)(anqa_conn *conn, unsigned status); /* NULL: none of its own */
    bool debug;
};

void error_page_send(anqa_conn *conn, unsigned status);

/* For a conn that was made anew of its request: the process ends for that reason, and what its plugs have made has ended. */
void error_page_crashed(anqa_conn *conn, anqa_reason reason);

#endif
