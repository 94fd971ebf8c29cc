/*
 * Where an endpoint takes sockets: one of its paths, with all defaults filled in. Constant while the endpoint runs, and
 * longer than its connections.
 */
#ifndef CHANNEL_MOUNT_H
#define CHANNEL_MOUNT_H

#include <anqa/endpoint.h>

struct socket_mount {
    const anqa_endpoint *endpoint;
    const anqa_socket_mount *spec;
    const char *host; /* that clients know; NULL: any */
    uint32_t max_channels;
    uint16_t timeout_s;
};

#endif
