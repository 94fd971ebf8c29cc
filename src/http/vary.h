/* The field Vary of a response (RFC 9110, 12.5.5): by which fields of the request it was chosen. owner: the process that serves it. */
#ifndef HTTP_VARY_H
#define HTTP_VARY_H

#include <anqa/conn.h>

/* Adds one, unless it is there already, or "*" is. field: static, in lower case. */
void vary_add(anqa_conn *conn, const char *field);

#endif
