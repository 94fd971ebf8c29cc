/* The parameters of a request: what parsers.c and upload.c share. owner: the process that serves the request. */
#ifndef HTTP_PARSERS_H
#define HTTP_PARSERS_H

#include <anqa/params.h>

/* A file that came; the newest first. Its descriptor is closed with the request. */
struct upload {
    anqa_upload pub;
    struct upload *next;
};

/* Objects; without text as long as they are not known. */
struct params {
    anqa_json query, body, all;
    const char *all_route; /* what `all` was made for: a router may come later */
    anqa_status query_status;
    struct upload *uploads;
};

struct params *params_of(anqa_conn *conn);
void params_put_body(anqa_conn *conn, anqa_json body);

/* How long a body may be: what an option says, else as much as the endpoint takes of what is usual. */
size_t parsers_length(const anqa_conn *conn, size_t given, size_t standard);

/* Answers and halts. */
void parsers_refuse(anqa_conn *conn, unsigned status, const char *why);
/* The same for a body that could not be read. */
void parsers_refuse_unread(anqa_conn *conn, anqa_status status);

/* Reads a body of type multipart/form-data. */
void multipart_read(anqa_conn *conn, const anqa_parsers_opts *opts, anqa_str content_type);

#endif
