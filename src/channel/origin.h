/*
 * Which pages may open a socket: the header Origin against a mount's rule. Comparisons are of bytes, as Phoenix's are.
 */
#ifndef CHANNEL_ORIGIN_H
#define CHANNEL_ORIGIN_H

#include <anqa/endpoint.h>

/* host: the endpoint's, may be NULL.   scheme, request_host: of the request; "name" or "name:port". */
bool origin_allowed(const anqa_socket_mount *mount, const char *host, anqa_str origin,
    const char *scheme, anqa_str request_host);

#endif
