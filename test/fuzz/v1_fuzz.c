/*
 * Any bytes as a frame of V1. What must hold:
 *  - nothing is read outside of the bytes (AddressSanitizer watches);
 *  - the parts of a message lie one behind the other, so that a tail gives back the same;
 *  - an answer to a message is a message again, with the same ref and topic.
 */
#include "channel/v1.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void tail_agrees(const struct v2_message *m)
{
    struct v2_places places;
    struct v2_message again;
    anqa_str tail;

    require(m->event.ptr >= m->ref.ptr + m->ref.len);
    require(m->payload.ptr >= m->event.ptr + m->event.len);
    if (v2_tail(m, &tail, &places) != ANQA_OK)
        return;
    again = v2_of_tail(tail, places);
    require(anqa_str_eq(again.ref, m->ref) && anqa_str_eq(again.event, m->event) &&
            anqa_str_eq(again.payload, m->payload) && !again.binary);
}

static void answer_is_a_message(anqa_arena *arena, const struct v2_message *m)
{
    struct v2_frame frame;
    struct v2_message answer;
    char *bytes;
    size_t head;

    v1_reply(&frame, m->join_ref, m->ref, (struct v2_topic){.text = m->topic}, anqa_str_of("ok"),
        m->payload);
    bytes = malloc(frame.len); /* room for exactly this */
    require(bytes != NULL);
    head = frame.pieces[0].len;
    v2_write(&frame, bytes);
    if (v1_read(arena, anqa_str_make(bytes + head, frame.len - head), &answer, NULL) == ANQA_OK)
        require(anqa_str_is(answer.join_ref, "null") && anqa_str_eq(answer.ref, m->ref) &&
                anqa_str_eq(answer.topic, m->topic) && anqa_str_is(answer.event, "\"phx_reply\""));
    else
        require(m->payload.len > 60); /* too deep or too long, by what was put around it */
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    anqa_arena arena = {0};
    struct v2_message m;
    anqa_error err = {0};

    if (v1_read(&arena, anqa_str_make((const char *)data, size), &m, &err) == ANQA_OK) {
        tail_agrees(&m);
        answer_is_a_message(&arena, &m);
        require(v2_join_ref_is(&arena, &m, m.join_ref));
    } else {
        require(err.text[0] != '\0');
    }
    anqa_arena_done(&arena);
    return 0;
}
