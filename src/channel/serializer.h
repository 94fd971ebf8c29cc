/* The versions of the wire format behind one interface; v2.h says what the arguments are. */
#ifndef CHANNEL_SERIALIZER_H
#define CHANNEL_SERIALIZER_H

#include "channel/v2.h" /* IWYU pragma: export */

struct serializer {
    unsigned
        form; /* of a broadcast's frame (pubsub.h), which is made once for all sockets of a scheduler */
    bool has_binary;
    /* arena: for what does not lie in the frame. Fails: E_PARSE, E_LIMIT, E_NOMEM. */
    anqa_status (*read)(anqa_arena *arena, bool binary, anqa_str frame,
        struct v2_message *ret_message, anqa_error *err);
    void (*reply)(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, struct v2_topic topic,
        anqa_str status, anqa_str response);
    frame_push_fn *push;
};

extern const struct serializer serializer_v1, serializer_v2;

/* That of a client that asks for this version: "1.0.<number>", "2.0.<number>". NULL: there is none. */
const struct serializer *serializer_of(anqa_str vsn);

#endif
