#include "channel/v1.h"

#include <string.h>

#define STR(literal) anqa_str_make((literal), sizeof(literal) - 1)

/* ---------------------------------------------------------------- reading */

enum { JOIN_REF, REF, TOPIC, EVENT, PAYLOAD, PARTS };

static const char *const names[PARTS] = {"join_ref", "ref", "topic", "event", "payload"};

/* Of two of one name the last, as JSON.parse and Phoenix have it: who looks at frames on their way sees the same. */
static void collect(anqa_json object, anqa_json parts[static PARTS])
{
    anqa_json_iter it = anqa_json_each(object);

    while (anqa_json_next(&it))
        for (size_t i = 0; i < PARTS; i++)
            if (anqa_json_is_str(it.key, anqa_str_of(names[i])))
                parts[i] = it.value;
}

static anqa_str keep(char **at, anqa_json part)
{
    anqa_str kept = anqa_str_make(*at, part.len);

    memcpy(*at, part.ptr, part.len);
    *at += part.len;
    return kept;
}

anqa_status v1_read(
    anqa_arena *arena, anqa_str frame, struct v2_message *ret_message, anqa_error *err)
{
    anqa_json object, parts[PARTS] = {{NULL, 0}};
    anqa_status status = anqa_json_parse(frame, NULL, &object, err);
    size_t size = 0;
    char *at;

    if (status != ANQA_OK)
        return status;
    if (anqa_json_type_of(object) != ANQA_JSON_IS_OBJECT)
        return anqa_fail(err, ANQA_E_PARSE, "a message is an object");
    collect(object, parts);
    if (parts[JOIN_REF].ptr == NULL)
        parts[JOIN_REF] = ANQA_JSON_NULL;
    for (size_t i = 0; i < PARTS; i++) {
        if (parts[i].ptr == NULL)
            return anqa_fail(err, ANQA_E_PARSE, "a message without \"%s\"", names[i]);
        size += parts[i].len;
    }
    at = anqa_arena_alloc(arena, size);
    if (at == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "out of memory");
    ret_message->join_ref = keep(&at, parts[JOIN_REF]);
    ret_message->ref = keep(&at, parts[REF]);
    ret_message->topic = keep(&at, parts[TOPIC]);
    ret_message->event = keep(&at, parts[EVENT]);
    ret_message->payload = keep(&at, parts[PAYLOAD]);
    ret_message->binary = false;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- writing */

/* The names are in the order in which Phoenix writes them. */
static void write_text(struct v2_frame *frame, anqa_str event, const anqa_str *payload,
    size_t count, anqa_str ref, struct v2_topic topic)
{
    frame_begin(frame);
    frame_add(frame, STR("{\"event\":\""));
    frame_add(frame, event);
    frame_add(frame, STR("\",\"payload\":"));
    for (size_t i = 0; i < count; i++)
        frame_add(frame, payload[i]);
    frame_add(frame, STR(",\"ref\":"));
    frame_add(frame, ref);
    frame_add(frame, STR(",\"topic\":"));
    frame_add_topic(frame, topic);
    frame_add(frame, STR("}"));
    frame_finish_text(frame);
}

void v1_reply(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, struct v2_topic topic,
    anqa_str status, anqa_str response)
{
    const anqa_str payload[] = {
        STR("{\"status\":\""), status, STR("\",\"response\":"), response, STR("}")};

    write_text(frame, STR("phx_reply"), payload, ANQA_COUNT(payload), ref, topic);
}

void v1_push(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, struct v2_topic topic,
    anqa_str event, anqa_str payload)
{
    write_text(frame, event, &payload, 1, ref, topic);
}
