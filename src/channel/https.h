/* How an endpoint is reached over TLS, as it and the environment say. */
#ifndef CHANNEL_HTTPS_H
#define CHANNEL_HTTPS_H

#include <anqa/endpoint.h>

/* The port that is given, or the environment's under that name, or the standard one.   Fails: E_INVALID. */
anqa_status port_find(uint16_t given, const char *name, uint16_t standard, uint16_t *ret_port,
    anqa_error *err) ANQA_MUST_CHECK;

/* Whether the endpoint has TLS; *ret_https with everything that the environment says, but for the port.
 * Fails: E_INVALID (no certificate). */
anqa_status https_find(const anqa_endpoint *spec, bool *ret_on, anqa_https *ret_https,
    anqa_error *err) ANQA_MUST_CHECK;

#define HTTPS_PORT_NAME "HTTPS_PORT"

#endif
