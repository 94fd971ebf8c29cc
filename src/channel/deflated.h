/*
 * Frames as they go to one client: plain, or compressed where that was agreed on (transport.h). A compressed frame refers to
 * nothing that went before, so that of a broadcast is made at most once on each scheduler and kept beside the plain one.
 *
 * Owner: the scheduler of the socket. Never waits.
 */
#ifndef CHANNEL_DEFLATED_H
#define CHANNEL_DEFLATED_H

/* IWYU pragma: begin_exports */
#include "channel/serializer.h"
#include "channel/transport.h"
#include "pubsub/pubsub.h"
/* IWYU pragma: end_exports */

/* Writes a frame compressed. False: it is to go as it is. */
bool deflated_write(const struct transport *transport, void *link, const struct v2_frame *frame);

/* A broadcast as this client gets it, made by whoever needs that first; borrowed from the frame. False: it can not be a text
 * frame, or there is no memory for one; that is logged. */
bool deflated_or_text(struct frame *frame, const struct serializer *serializer,
    const struct transport *transport, void *link, anqa_buf *ret_buf);

#endif
