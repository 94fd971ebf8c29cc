/*
 * V2 of the wire format: how messages lie in WebSocket frames. Nothing here knows a connection.
 *
 *     text    [join_ref, ref, topic, event, payload]
 *     binary  kind, a size for each string, the strings, data
 *
 * Reading gives slices of the frame. A text frame's are JSON text as it came (a topic with its quotes); a binary
 * frame's are the bytes themselves. From `ref` on they follow each other in one piece, so that one copy of
 * v2_tail keeps all that a channel needs.
 *
 * Writing is gathering: a frame is a short list of pieces, of which none is copied before there is room for all.
 */
#ifndef CHANNEL_V2_H
#define CHANNEL_V2_H

/* IWYU pragma: begin_exports */
#include <anqa/arena.h>
#include <anqa/buf.h>
#include <anqa/json.h>

#include "http/websocket.h"
/* IWYU pragma: end_exports */

/* ---------------------------------------------------------------- reading */

struct v2_message {
    anqa_str join_ref, ref, topic, event, payload;
    bool binary;
};

/* Fails: E_PARSE (no JSON, no array, fewer than five elements), E_LIMIT (too long, too deep). */
anqa_status v2_read_text(
    anqa_str frame, struct v2_message *ret_message, anqa_error *err) ANQA_MUST_CHECK;
/* Fails: E_PARSE (no push, or cut off). */
anqa_status v2_read_binary(
    anqa_str frame, struct v2_message *ret_message, anqa_error *err) ANQA_MUST_CHECK;

/* Where ref, event and payload lie in v2_tail, in 61 bits. */
struct v2_places {
    uint64_t bits;
};

#define V2_TAIL_HEAD_MAX ((1u << 20) - 1) /* bytes of a tail before its payload */
#define V2_EVENT_MAX ((1u << 12) - 1)     /* bytes of an event as JSON text */

/* All from ref on. Fails: E_LIMIT: ref, event, or what stands before the payload is too long. */
anqa_status v2_tail(const struct v2_message *message, anqa_str *ret_tail,
    struct v2_places *ret_places) ANQA_MUST_CHECK;
/* The other way round; join_ref and topic stay empty. */
struct v2_message v2_of_tail(anqa_str tail, struct v2_places places);

/* The string that a JSON text is: a slice, or decoded in the arena. False: it is no string. */
bool v2_string(anqa_arena *arena, anqa_str json, anqa_str *ret_string) ANQA_MUST_CHECK;
/* Whether the message has the same join_ref as JSON text `ours`; the arena is for strings with escapes. */
bool v2_join_ref_is(anqa_arena *arena, const struct v2_message *message, anqa_str ours);
/* Whether the message has none. */
bool v2_no_join_ref(const struct v2_message *message);

/* ---------------------------------------------------------------- writing */

#define V2_PIECES 16
#define V2_HEAD_MAX \
    (WEBSOCKET_HEAD_MAX + 5) /* a WebSocket header, and a binary frame's kind and sizes */

/* What a frame is made of, beginning with its WebSocket header. The pieces are borrowed. */
struct v2_frame {
    anqa_str pieces[V2_PIECES];
    unsigned count;
    size_t len;
    char head[V2_HEAD_MAX];
};

/* A topic: its JSON text, or (`bare`) a name that needs no escapes, without quotes. */
struct v2_topic {
    anqa_str text;
    bool bare;
};

/* join_ref, ref, response: JSON text. status: a word that needs no escapes. */
void v2_reply(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, struct v2_topic topic,
    anqa_str status, anqa_str response);
/* event: as status. */
void v2_push(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, struct v2_topic topic,
    anqa_str event, anqa_str payload);
/* Strings are bare, at most 255 bytes each: false if one is longer. */
bool v2_binary_reply(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, anqa_str topic,
    anqa_str status, anqa_str data) ANQA_MUST_CHECK;
bool v2_binary_push(struct v2_frame *frame, anqa_str join_ref, anqa_str topic, anqa_str event,
    anqa_str data) ANQA_MUST_CHECK;

/* For other formats (v1.c): a text frame is what is added in between. */
void frame_begin(struct v2_frame *frame);
static inline void frame_add(struct v2_frame *frame, anqa_str piece)
{
    frame->pieces[frame->count++] = piece;
    frame->len += piece.len;
}
void frame_add_topic(struct v2_frame *frame, struct v2_topic topic);
void frame_finish_text(struct v2_frame *frame);

/* How an event is written: as v2_push. */
typedef void frame_push_fn(struct v2_frame *frame, anqa_str join_ref, anqa_str ref,
    struct v2_topic topic, anqa_str event, anqa_str payload);

/* Writes frame->len bytes. */
void v2_write(const struct v2_frame *frame, char *room);

/* The message in a frame as it is written here, for transports that are no WebSocket. */
anqa_str v2_unframe(anqa_str frame, bool *ret_binary);

/* A broadcast as a buf. topic, event: any text. Fails: E_NOMEM; E_INVALID: no UTF-8. */
anqa_status frame_broadcast(frame_push_fn *push, anqa_str topic, anqa_str event, anqa_str payload,
    anqa_buf *ret_buf) ANQA_MUST_CHECK;

/* Whether a text can stand between quotes as it is. */
bool v2_is_plain(anqa_str text);

#endif
