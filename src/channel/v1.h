/*
 * V1 of the wire format, of clients that ask for no version or for 1.0: a message is an object in a text frame,
 *
 *     {"topic": ..., "event": ..., "payload": ..., "ref": ..., "join_ref": ...}
 *
 * of which join_ref may be missing, and is never sent. There are no binary frames. The arguments are those of v2.h.
 */
#ifndef CHANNEL_V1_H
#define CHANNEL_V1_H

#include "channel/v2.h" /* IWYU pragma: export */

/* A copy in the arena, in the order that v2_tail needs.
 * Fails: E_PARSE (no JSON, no object, something is missing), E_LIMIT (too long, too deep), E_NOMEM. */
anqa_status v1_read(anqa_arena *arena, anqa_str frame, struct v2_message *ret_message,
    anqa_error *err) ANQA_MUST_CHECK;

void v1_reply(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, struct v2_topic topic,
    anqa_str status, anqa_str response);
void v1_push(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, struct v2_topic topic,
    anqa_str event, anqa_str payload);

#endif
