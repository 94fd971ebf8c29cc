#include "channel/v2.h"

#include "base/json_scan.h"

#define STR(literal) anqa_str_make((literal), sizeof(literal) - 1)

#define BINARY_PUSH 0
#define BINARY_REPLY 1
#define BINARY_STRING_MAX 255u

/* ---------------------------------------------------------------- reading text */

anqa_status v2_read_text(anqa_str frame, struct v2_message *ret_message, anqa_error *err)
{
    anqa_str parts[5];
    size_t found;
    anqa_status status = json_check_elements(frame, parts, ANQA_COUNT(parts), &found, err);

    if (status == ANQA_E_TYPE)
        return anqa_fail(err, ANQA_E_PARSE, "a message is an array of five");
    if (status != ANQA_OK)
        return status;
    if (found < ANQA_COUNT(parts))
        return anqa_fail(err, ANQA_E_PARSE, "a message is an array of five, this has %zu", found);
    *ret_message = (struct v2_message){parts[0], parts[1], parts[2], parts[3], parts[4], false};
    return ANQA_OK;
}

/* ---------------------------------------------------------------- reading binary */

anqa_status v2_read_binary(anqa_str frame, struct v2_message *ret_message, anqa_error *err)
{
    anqa_str *parts[] = {
        &ret_message->join_ref, &ret_message->ref, &ret_message->topic, &ret_message->event};
    const unsigned char *sizes = (const unsigned char *)frame.ptr + 1;
    const char *at, *end = frame.ptr + frame.len;

    if (frame.len < 1 + ANQA_COUNT(parts) || frame.ptr[0] != BINARY_PUSH)
        return anqa_fail(err, ANQA_E_PARSE, "no binary push");
    at = frame.ptr + 1 + ANQA_COUNT(parts);
    for (size_t i = 0; i < ANQA_COUNT(parts); i++) {
        if (sizes[i] > end - at)
            return anqa_fail(err, ANQA_E_PARSE, "a binary push that is cut off");
        *parts[i] = anqa_str_make(at, sizes[i]);
        at += sizes[i];
    }
    ret_message->payload = anqa_str_make(at, (size_t)(end - at));
    ret_message->binary = true;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- tails */

/* ref_len 8, event_at 20, event_len 12, payload_at 20, binary 1. The top bits stay 0: the number travels as a message's
 * reference, and those that somebody can wait for have the top bit. */
anqa_status v2_tail(
    const struct v2_message *message, anqa_str *ret_tail, struct v2_places *ret_places)
{
    const char *base = message->ref.ptr;
    uint64_t event_at = (uint64_t)(message->event.ptr - base);
    uint64_t payload_at = (uint64_t)(message->payload.ptr - base);

    if (message->ref.len > UINT8_MAX || message->event.len > V2_EVENT_MAX ||
        payload_at > V2_TAIL_HEAD_MAX)
        return ANQA_E_LIMIT;
    *ret_tail = anqa_str_make(base, payload_at + message->payload.len);
    ret_places->bits = message->ref.len | event_at << 8 | (uint64_t)message->event.len << 28 |
                       payload_at << 40 | (uint64_t)message->binary << 60;
    return ANQA_OK;
}

struct v2_message v2_of_tail(anqa_str tail, struct v2_places places)
{
    size_t event_at = places.bits >> 8 & V2_TAIL_HEAD_MAX;
    size_t payload_at = places.bits >> 40 & V2_TAIL_HEAD_MAX;

    return (struct v2_message){
        .ref = anqa_str_make(tail.ptr, places.bits & UINT8_MAX),
        .event = anqa_str_make(tail.ptr + event_at, places.bits >> 28 & V2_EVENT_MAX),
        .payload = anqa_str_make(tail.ptr + payload_at, tail.len - payload_at),
        .binary = (places.bits >> 60 & 1) != 0,
    };
}

/* ---------------------------------------------------------------- strings */

bool v2_string(anqa_arena *arena, anqa_str json, anqa_str *ret_string)
{
    return anqa_json_to_str(arena, (anqa_json){json.ptr, json.len}, ret_string) == ANQA_OK;
}

bool v2_no_join_ref(const struct v2_message *message)
{
    return !message->binary && anqa_str_is(message->join_ref, "null");
}

bool v2_join_ref_is(anqa_arena *arena, const struct v2_message *message, anqa_str ours)
{
    anqa_json json = {ours.ptr, ours.len};
    anqa_str theirs = message->join_ref, text;

    if (message->binary)
        return anqa_json_is_str(json, theirs);
    if (anqa_str_eq(theirs, ours))
        return true;
    if (memchr(theirs.ptr, '\\', theirs.len) == NULL && memchr(ours.ptr, '\\', ours.len) == NULL)
        return false;
    return v2_string(arena, theirs, &text) && anqa_json_is_str(json, text);
}

bool v2_is_plain(anqa_str text)
{
    return json_find_strict_stop(text.ptr, text.ptr + text.len) == text.ptr + text.len;
}

/* ---------------------------------------------------------------- writing */

void frame_begin(struct v2_frame *frame)
{
    frame->count = 1; /* the header comes last */
    frame->len = 0;
}

/* sizes: of a binary frame, behind the header. */
static void finish(struct v2_frame *frame, enum websocket_opcode opcode, anqa_str sizes)
{
    size_t len = websocket_write_frame_head(frame->head, opcode, frame->len + sizes.len);

    if (sizes.len > 0)
        memcpy(frame->head + len, sizes.ptr, sizes.len);
    frame->pieces[0] = anqa_str_make(frame->head, len + sizes.len);
    frame->len += len + sizes.len;
}

static const anqa_str quote = {"\"", 1};

void frame_finish_text(struct v2_frame *frame)
{
    finish(frame, WEBSOCKET_TEXT, (anqa_str){NULL, 0});
}

void frame_add_topic(struct v2_frame *frame, struct v2_topic topic)
{
    if (topic.bare)
        frame_add(frame, quote);
    frame_add(frame, topic.text);
    if (topic.bare)
        frame_add(frame, quote);
}

/* [join_ref,ref,"topic","event", */
static void add_address(
    struct v2_frame *frame, anqa_str join_ref, anqa_str ref, struct v2_topic topic)
{
    frame_add(frame, STR("["));
    frame_add(frame, join_ref);
    frame_add(frame, STR(","));
    frame_add(frame, ref);
    frame_add(frame, STR(","));
    frame_add_topic(frame, topic);
}

/* A text frame: an address and what is behind it. */
static void write_text(struct v2_frame *frame, anqa_str join_ref, anqa_str ref,
    struct v2_topic topic, const anqa_str *pieces, size_t count)
{
    frame_begin(frame);
    add_address(frame, join_ref, ref, topic);
    for (size_t i = 0; i < count; i++)
        frame_add(frame, pieces[i]);
    frame_finish_text(frame);
}

void v2_reply(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, struct v2_topic topic,
    anqa_str status, anqa_str response)
{
    const anqa_str pieces[] = {
        STR(",\"phx_reply\",{\"status\":\""), status, STR("\",\"response\":"), response, STR("}]")};

    write_text(frame, join_ref, ref, topic, pieces, ANQA_COUNT(pieces));
}

void v2_push(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, struct v2_topic topic,
    anqa_str event, anqa_str payload)
{
    const anqa_str pieces[] = {STR(",\""), event, STR("\","), payload, STR("]")};

    write_text(frame, join_ref, ref, topic, pieces, ANQA_COUNT(pieces));
}

static bool binary(
    struct v2_frame *frame, char kind, const anqa_str *strings, size_t count, anqa_str data)
{
    char sizes[5] = {kind};

    frame_begin(frame);
    for (size_t i = 0; i < count; i++) {
        if (strings[i].len > BINARY_STRING_MAX)
            return false;
        sizes[i + 1] = (char)strings[i].len;
        frame_add(frame, strings[i]);
    }
    frame_add(frame, data);
    finish(frame, WEBSOCKET_BINARY, anqa_str_make(sizes, count + 1));
    return true;
}

bool v2_binary_reply(struct v2_frame *frame, anqa_str join_ref, anqa_str ref, anqa_str topic,
    anqa_str status, anqa_str data)
{
    const anqa_str strings[] = {join_ref, ref, topic, status};

    return binary(frame, BINARY_REPLY, strings, ANQA_COUNT(strings), data);
}

bool v2_binary_push(
    struct v2_frame *frame, anqa_str join_ref, anqa_str topic, anqa_str event, anqa_str data)
{
    const anqa_str strings[] = {join_ref, topic, event};

    return binary(frame, BINARY_PUSH, strings, ANQA_COUNT(strings), data);
}

void v2_write(const struct v2_frame *frame, char *room)
{
    for (unsigned i = 0; i < frame->count; i++) {
        if (frame->pieces[i].len > 0)
            memcpy(room, frame->pieces[i].ptr, frame->pieces[i].len);
        room += frame->pieces[i].len;
    }
}

static anqa_status frame_buf(const struct v2_frame *frame, anqa_buf *ret_buf)
{
    char *room;
    anqa_status status = anqa_buf_new(frame->len, ret_buf, &room);

    if (status == ANQA_OK)
        v2_write(frame, room);
    return status;
}

/* With escapes: both strings are written by who knows how, and their quotes cut off again. */
static anqa_status broadcast_escaped(
    frame_push_fn *push, anqa_str topic, anqa_str event, anqa_str payload, anqa_buf *ret_buf)
{
    struct v2_frame frame;
    anqa_json_writer w;
    anqa_json both;
    size_t topic_len;
    anqa_status status;

    anqa_json_writer_init_heap(&w, 0);
    anqa_json_begin_array(&w);
    anqa_json_put_str(&w, topic);
    topic_len = w.len - 1;
    anqa_json_put_str(&w, event);
    anqa_json_end_array(&w);
    status = anqa_json_writer_finish(&w, &both);
    if (status == ANQA_OK) {
        const char *event_at = both.ptr + 1 + topic_len + 2; /* [topic," */
        anqa_str event_text = anqa_str_make(event_at, (size_t)(both.ptr + both.len - event_at) - 2);
        push(&frame, STR("null"), STR("null"),
            (struct v2_topic){.text = anqa_str_make(both.ptr + 1, topic_len)}, event_text, payload);
        status = frame_buf(&frame, ret_buf);
    }
    anqa_json_writer_done(&w);
    return status;
}

anqa_str v2_unframe(anqa_str frame, bool *ret_binary)
{
    size_t head = websocket_frame_head_len(frame.ptr);

    *ret_binary = (frame.ptr[0] & 0x0f) == WEBSOCKET_BINARY;
    return anqa_str_make(frame.ptr + head, frame.len - head);
}

anqa_status frame_broadcast(
    frame_push_fn *push, anqa_str topic, anqa_str event, anqa_str payload, anqa_buf *ret_buf)
{
    struct v2_frame frame;

    if (!v2_is_plain(topic) || !v2_is_plain(event))
        return broadcast_escaped(push, topic, event, payload, ret_buf);
    push(&frame, STR("null"), STR("null"), (struct v2_topic){topic, true}, event, payload);
    return frame_buf(&frame, ret_buf);
}
