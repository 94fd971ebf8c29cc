/* The name that clients know an endpoint by; see anqa_endpoint.host. */
#ifndef CHANNEL_HOST_H
#define CHANNEL_HOST_H

#include <anqa/base.h>

#define HOST_MAX 253 /* characters of a name (RFC 1035) */

/* given: the endpoint's own, may be NULL.   ret_host: empty: whatever name a request gives.
 * Fails: E_INVALID: what the environment says is no name; err says which variable. */
anqa_status host_find(
    const char *given, char ret_host[static HOST_MAX + 1], anqa_error *err) ANQA_MUST_CHECK;

#endif
