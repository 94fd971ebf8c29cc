/*
 * What a transport carries: a socket of channels, or a raw one. The other side of transport.h. All is called in the process
 * that carries it; `user` is what `open` has made.
 */
#ifndef CHANNEL_CARRIED_H
#define CHANNEL_CARRIED_H

/* IWYU pragma: begin_exports */
#include "channel/connect.h"
#include "channel/transport.h"
/* IWYU pragma: end_exports */

struct carried {
    /* link: may be attached later, before anything is written. Fails: E_NOMEM, E_INVALID (the socket's id). */
    anqa_status (*open)(const struct transport *transport, void *link,
        const struct admission *admission, const struct socket_mount *mount, void **ret_user);
    void (*attach)(void *user, void *link);
    /* A whole message, borrowed. Does not wait. */
    void (*message)(void *user, bool binary, anqa_str data);
    /* A message of another process; may wait. NULL: they are dropped. */
    void (*info)(void *user, const anqa_msg *msg);
    /* From the exit hook. */
    void (*closed)(void *user);
    /* The endpoint stops: closes with this code. */
    void (*drain)(void *user, uint16_t code);
    /* The client has not asked for too long; the process ends next. */
    void (*expire)(void *user);
};

extern const struct carried carried_socket, carried_raw;

static inline const struct carried *carried_of(const struct socket_mount *mount)
{
    return mount->spec->raw != NULL ? &carried_raw : &carried_socket;
}

#endif
