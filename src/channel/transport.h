/*
 * What carries the frames of a socket to its client: a WebSocket, or whatever stands in its place. The socket does not
 * know which; it is told of messages by socket_message and of the end by socket_closed.
 *
 * Frames are those of a WebSocket, header included, so that a broadcast is one buf for all who get it; a transport that is
 * none takes the message out of them (v2_unframe).
 *
 * All is called on the scheduler of the socket: by its connection's process, its channels, and the shard that hands out
 * broadcasts. None waits.
 */
#ifndef CHANNEL_TRANSPORT_H
#define CHANNEL_TRANSPORT_H

#include <anqa/buf.h>

/* `link` is the transport's own, of one client. */
struct transport {
    /* Room for a frame behind all others, filled before anything else is called. NULL: nothing can be sent any more. */
    char *(*room)(void *link, size_t size);
    /* Lets the next frames, of `size` bytes, wait beyond the bytes that may wait for a client. False: too much waits
     * still. NULL: there is no such bound. */
    bool (*allow)(void *link, size_t size);
    /* Sends several frames now, if nothing waits before them. A count of each is taken if need be. */
    void (*send_now)(void *link, const anqa_buf *frames, size_t count);
    /* Whether a message of `len` bytes is to be compressed: then `room` and `send_now` may get a frame with
     * WEBSOCKET_DEFLATED in place of the plain one. The answer stays the same. NULL: none is. */
    bool (*deflates)(void *link, size_t len);
    /* Ends in good order: what was written is still sent. `code` is that of a WebSocket's close frame. */
    void (*close)(void *link, uint16_t code);
    /* No socket_message until resume. They do not nest. */
    void (*pause)(void *link);
    void (*resume)(void *link);
    bool text_only; /* it can carry no binary frames */
};

#endif
