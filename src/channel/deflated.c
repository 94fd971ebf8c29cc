#include "channel/deflated.h"

#include <anqa/log.h>

#include "http/conn.h"

/* The forms of a frame: each serializer's, then the same compressed. */
#define SERIALIZERS 2
static_assert(FRAME_FORMS == 2 * SERIALIZERS, "each serializer's frame, plain and compressed");

static bool deflates(const struct transport *transport, void *link, size_t len)
{
    return transport->deflates != NULL && transport->deflates(link, len);
}

static size_t write_head(
    char head[static WEBSOCKET_HEAD_MAX], enum websocket_opcode opcode, size_t len)
{
    size_t head_len = websocket_write_frame_head(head, opcode, len);

    head[0] = (char)(head[0] | WEBSOCKET_DEFLATED);
    return head_len;
}

/* ---------------------------------------------------------------- a frame for one client */

bool deflated_write(const struct transport *transport, void *link, const struct v2_frame *frame)
{
    size_t plain_head = websocket_frame_head_len(frame->head), head_len;
    anqa_str pieces[V2_PIECES], message;
    char head[WEBSOCKET_HEAD_MAX];
    char *room;

    if (!deflates(transport, link, frame->len - plain_head))
        return false;
    memcpy(pieces, frame->pieces, frame->count * sizeof *pieces);
    pieces[0].ptr += plain_head;
    pieces[0].len -= plain_head;
    message = conn_deflate(pieces, frame->count);
    if (message.len == 0)
        return false;
    head_len = write_head(head, frame->head[0] & 0x0f, message.len);
    room = transport->room(link, head_len + message.len);
    if (room != NULL) {
        memcpy(room, head, head_len);
        memcpy(room + head_len, message.ptr, message.len);
    }
    return true;
}

/* ---------------------------------------------------------------- broadcasts */

static bool make_text(
    const struct frame *frame, const struct serializer *serializer, anqa_buf *form)
{
    anqa_broadcast_view view = frame_view(frame);

    if (frame_broadcast(serializer->push, view.topic, view.event, anqa_json_text(view.payload),
            form) == ANQA_OK)
        return true;
    *form = (anqa_buf){NULL, NULL, 0};
    anqa_log(ANQA_ERROR, "channel.broadcast.lost",
        "topic=%.*s event=%.*s error=\"out of memory, or no UTF-8\"", ANQA_FMT(view.topic),
        ANQA_FMT(view.event));
    return false;
}

/* The plain one stands for it where it would be no shorter: nobody tries again. */
static void make_deflated(anqa_buf plain, anqa_buf *form)
{
    size_t plain_head = websocket_frame_head_len(plain.ptr), head_len;
    anqa_str piece = anqa_str_make(plain.ptr + plain_head, plain.len - plain_head);
    anqa_str message = conn_deflate(&piece, 1);
    char head[WEBSOCKET_HEAD_MAX];
    char *room;

    head_len = write_head(head, WEBSOCKET_TEXT, message.len);
    if (message.len == 0 || anqa_buf_new(head_len + message.len, form, &room) != ANQA_OK) {
        *form = anqa_buf_ref(plain);
        return;
    }
    memcpy(room, head, head_len);
    memcpy(room + head_len, message.ptr, message.len);
}

bool deflated_or_text(struct frame *frame, const struct serializer *serializer,
    const struct transport *transport, void *link, anqa_buf *ret_buf)
{
    anqa_buf *plain = &frame->forms[serializer->form];
    anqa_buf *deflated = &frame->forms[SERIALIZERS + serializer->form];

    if (plain->ptr == NULL && !make_text(frame, serializer, plain))
        return false;
    *ret_buf = *plain;
    if (!deflates(transport, link, plain->len - websocket_frame_head_len(plain->ptr)))
        return true;
    if (deflated->ptr == NULL)
        make_deflated(*plain, deflated);
    *ret_buf = *deflated;
    return true;
}
