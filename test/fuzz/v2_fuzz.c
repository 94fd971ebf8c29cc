/*
 * Any bytes as a frame of V2, text and binary. What must hold:
 *  - nothing is read outside of the bytes (AddressSanitizer watches);
 *  - the parts of a message lie in the frame, one behind the other;
 *  - a tail gives back the same ref, event and payload;
 *  - an answer to a text message is a message again, with the same refs and topic.
 */
#include "channel/v2.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void parts_in_order(anqa_str frame, const struct v2_message *m)
{
    const anqa_str parts[] = {m->join_ref, m->ref, m->topic, m->event, m->payload};
    const char *at = frame.ptr;

    for (size_t i = 0; i < ANQA_COUNT(parts); i++) {
        require(parts[i].ptr >= at);
        at = parts[i].ptr + parts[i].len;
    }
    require(at <= frame.ptr + frame.len);
}

static void tail_agrees(const struct v2_message *m)
{
    struct v2_places places;
    struct v2_message again;
    anqa_str tail;

    if (v2_tail(m, &tail, &places) != ANQA_OK)
        return;
    require(places.bits >> 61 == 0);
    again = v2_of_tail(tail, places);
    require(anqa_str_eq(again.ref, m->ref) && anqa_str_eq(again.event, m->event) &&
            anqa_str_eq(again.payload, m->payload) && again.binary == m->binary);
}

/* The part behind the WebSocket header. */
static anqa_str content(const struct v2_frame *frame, char *bytes)
{
    size_t head = frame->pieces[0].len;

    v2_write(frame, bytes);
    return anqa_str_make(bytes + head, frame->len - head);
}

static void answer_is_a_message(const struct v2_message *m)
{
    struct v2_frame frame;
    struct v2_message answer;
    char *bytes;

    v2_reply(&frame, m->join_ref, m->ref, (struct v2_topic){.text = m->topic}, anqa_str_of("ok"),
        m->payload);
    bytes = malloc(frame.len); /* room for exactly this */
    require(bytes != NULL);
    if (v2_read_text(content(&frame, bytes), &answer, NULL) == ANQA_OK)
        require(anqa_str_eq(answer.join_ref, m->join_ref) && anqa_str_eq(answer.ref, m->ref) &&
                anqa_str_eq(answer.topic, m->topic) && anqa_str_is(answer.event, "\"phx_reply\""));
    else
        require(m->payload.len > 100); /* too deep or too long, by what was put around it */
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_str frame = anqa_str_make((const char *)data, size);
    anqa_arena arena = {0};
    struct v2_message m;
    anqa_error err = {0};
    anqa_str name;

    if (v2_read_text(frame, &m, &err) == ANQA_OK) {
        parts_in_order(frame, &m);
        tail_agrees(&m);
        answer_is_a_message(&m);
        if (v2_string(&arena, m.topic, &name))
            require(name.len + 2 <= m.topic.len);
        require(v2_join_ref_is(&arena, &m, m.join_ref));
    } else {
        require(err.text[0] != '\0');
    }
    if (size > 0 && v2_read_binary(frame, &m, &err) == ANQA_OK) {
        parts_in_order(frame, &m);
        tail_agrees(&m);
        (void)v2_join_ref_is(&arena, &m, anqa_str_of("\"1\""));
    }
    anqa_arena_done(&arena);
    return 0;
}
