/* What a request is answered with that nothing else answers. owner: the process that serves it. */
#ifndef HTTP_ERROR_PAGE_H
#define HTTP_ERROR_PAGE_H

#include <anqa/conn.h>

/* Answers with that status and its phrase: as Phoenix's errors in JSON where the client asks for that, else as a plain text. */
void error_page_send(anqa_conn *conn, unsigned status);

#endif
