/*
 * Which site a page is of: the field Origin of a request (RFC 6454), and lists of sites to compare it with. Comparisons are of
 * bytes, as Phoenix's are.
 *
 * Any thread; never waits; allocates nothing. Strings are slices of what was given.
 */
#ifndef HTTP_ORIGIN_LIST_H
#define HTTP_ORIGIN_LIST_H

#include <anqa/base.h>

/* What a URL says; an empty string: nothing. */
struct origin {
    anqa_str scheme, host, port;
};

/* "https://example.org:8080"; without a host if it is none. The port of http and https is known. */
struct origin origin_parse(anqa_str text);
/* Host and port of "name", "name:port", "[::1]:port". */
void origin_authority(anqa_str text, struct origin *ret_origin);
/* Empty for an unknown scheme. */
anqa_str origin_default_port(anqa_str scheme);

/* Whether it is one of a list as that of anqa_socket_mount.origins, which NULL ends. list: may be NULL. */
bool origin_listed(const char *const *list, const struct origin *origin);

#endif
