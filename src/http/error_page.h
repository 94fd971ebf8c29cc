/*
 * What a request is answered with that nothing else answers: the endpoint's own page; for people who develop one that says
 * why and where (http/debug_page.h); else the status in words, as Phoenix's JSON of errors where the client
 * asks for that.
 *
 * owner: the process that serves the request. These may wait.
 */
#ifndef HTTP_ERROR_PAGE_H
#define HTTP_ERROR_PAGE_H

#include <anqa/arena.h>
#include <anqa/conn.h>
#include <anqa/process.h>

struct backtrace; /* runtime/backtrace.h */
struct request;

struct error_pages {
    void (*render)(anqa_conn *conn, unsigned status); /* NULL: none of its own */
    bool debug;
};

void error_page_send(anqa_conn *conn, unsigned status);

/* For a conn that was made anew of its request: the process ends for that reason, and what its plugs have made has ended. */
void error_page_crashed(anqa_conn *conn, anqa_reason reason, const struct backtrace *trace);

/* The same where nothing may wait and the process's memory can not be used: what is sent with status 500. For people who develop it holds
 * its thread up for as long as it takes to find lines in the sources. trace: may be NULL.   Lies in `arena`, or is static. */
anqa_str error_page_last_words(anqa_arena *arena, const struct error_pages *pages,
    const struct request *request, const char *why, const struct backtrace *trace,
    const char **ret_type);

/* Whether errors are to be told in JSON. */
bool error_page_wants_json(const struct request *request);

#endif
