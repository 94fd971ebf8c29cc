/*
 * Where an endpoint takes sockets by one transport: a path, with all defaults filled in. Constant while the endpoint runs,
 * and longer than its connections, but for the counter.
 */
#ifndef CHANNEL_MOUNT_H
#define CHANNEL_MOUNT_H

#include <stdatomic.h>

#include <anqa/endpoint.h>

struct socket_mount {
    const anqa_endpoint *endpoint;
    const anqa_socket_mount *spec;
    const char *host; /* that clients know; NULL: any */
    struct http_service *service;
    anqa_str path; /* the whole of it, with variables */
    anqa_plug plugs[2];
    uint32_t max_channels;
    uint16_t timeout_s;
    uint32_t window_ms;    /* long-poll and events: how long a client waits for something to come */
    uint32_t max_sessions; /* of these at a time */
    _Atomic(uint32_t) sessions; /* shared */
};

/* Bytes that `connect` writes. */
static inline size_t mount_state_size(const struct socket_mount *mount)
{
    return mount->spec->raw != NULL ? mount->spec->raw->state_size
                                    : mount->spec->user_socket->assigns_size;
}

static inline _Atomic(uint32_t) *mount_sessions(const struct socket_mount *mount)
{
    return (_Atomic(uint32_t) *)(uintptr_t)&mount->sessions;
}

#endif
