#include "http/websocket.h"

#include "base/base64.h"
#include "base/sha1.h"
#include "base/utf8.h"

#include <endian.h>
#include <stdlib.h>

const struct websocket_limits websocket_default_limits = {
    .frame_bytes = 10000000,
    .message_bytes = 8000000,
};

/* Close codes: RFC 6455, 7.4.1. */
enum {
    CODE_NORMAL = 1000,
    CODE_PROTOCOL = 1002,
    CODE_NONE = 1005, /* never on the wire */
    CODE_DATA = 1007,
    CODE_POLICY = 1008,
    CODE_TOO_LONG = 1009,
    CODE_ERROR = 1011
};

/* ---------------------------------------------------------------- handshake */

static const char *version_refusal(const struct request *req)
{
    anqa_str value = {0};

    if (!request_header(req, "sec-websocket-version", &value) || !anqa_str_is(value, "13"))
        return "'sec-websocket-version' header must equal '13'";
    return NULL;
}

const char *websocket_refusal(const struct request *req)
{
    anqa_str value = {0};

    if (req->method != REQUEST_GET)
        return "";
    if (req->minor_version != 1)
        return "HTTP version must be 1.1";
    if (req->body_bytes != 0 || req->chunked) /* it would be read as frames */
        return "a request to upgrade must not have a body";
    if (req->host.len == 0)
        return "'host' header must not be empty";
    if (req->tunnel) /* RFC 8441, 5: it asks for no upgrade and has no key */
        return version_refusal(req);
    if (!request_has_token(req, "connection", "upgrade"))
        return "'connection' header must contain 'upgrade'";
    if (!request_has_token(req, "upgrade", "websocket"))
        return "'upgrade' header must contain 'websocket'";
    if (!request_header(req, "sec-websocket-key", &value) || value.len == 0)
        return "'sec-websocket-key' header must not be empty";
    return version_refusal(req);
}

void websocket_accept_key(anqa_str key, char ret_accept[static WEBSOCKET_ACCEPT_LEN])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA1_LEN];
    struct sha1 sha1;

    sha1_init(&sha1);
    sha1_feed(&sha1, key.ptr, key.len);
    sha1_feed(&sha1, guid, sizeof guid - 1);
    sha1_finish(&sha1, digest);
    base64_encode(digest, sizeof digest, 0, ret_accept);
}

void websocket_write_head(struct response *response, char *buffer, size_t size,
    const struct request *req, anqa_str protocol, const struct ws_deflate *deflate)
{
    char extension[EXTENSION_ANSWER_MAX];
    char accept[WEBSOCKET_ACCEPT_LEN];
    anqa_str key = {0};

    response_start(response, buffer, size, req->tunnel ? 200 : 101);
    if (!req->tunnel) {
        request_header(req, "sec-websocket-key", &key);
        websocket_accept_key(key, accept);
        response_header(response, "upgrade", anqa_str_of("websocket"));
        response_header(response, "connection", anqa_str_of("Upgrade"));
        response_header(response, "sec-websocket-accept", anqa_str_make(accept, sizeof accept));
    }
    if (protocol.len != 0)
        response_header(response, "sec-websocket-protocol", protocol);
    if (deflate != NULL && deflate->on)
        response_header(response, "sec-websocket-extensions", extension_answer(deflate, extension));
}

/* ---------------------------------------------------------------- masks */

void websocket_mask(char *bytes, size_t len, const unsigned char mask[static 4])
{
    uint32_t half;
    uint64_t whole, word;
    size_t i = 0;

    memcpy(&half, mask, sizeof half);
    whole = (uint64_t)half << 32 | half;
    for (; len - i >= 8; i += 8) {
        memcpy(&word, bytes + i, 8);
        word ^= whole;
        memcpy(bytes + i, &word, 8);
    }
    for (; i < len; i++)
        bytes[i] = (char)((unsigned char)bytes[i] ^ mask[i & 3]);
}

/* ---------------------------------------------------------------- messages in several frames, or compressed */

struct websocket_message {
    struct inflater *inflater; /* NULL: nothing was compressed so far */
    enum websocket_opcode opcode;
    struct utf8 utf8;
    bool deflated;
    uint32_t frame; /* while it is inflated: length of the frame in front of the caller's bytes */
    uint32_t head;  /* and of the header of that, if it is the only one; else 0 */
    uint32_t len, capacity;
    char bytes[]; /* what came in several frames */
};

#define MESSAGE_FIRST_CAPACITY 1024

size_t websocket_held(const struct websocket *ws)
{
    return ws->message == NULL ? 0 : sizeof *ws->message + ws->message->capacity;
}

void websocket_done(struct websocket *ws)
{
    if (ws->message != NULL)
        inflater_free(ws->message->inflater);
    free(ws->message);
    ws->message = NULL;
    ws->under_way = ws->inflating = ws->ended = false;
}

/* Keeps only what later messages may refer to. */
static void message_drop(struct websocket *ws)
{
    struct websocket_message *message = ws->message, *smaller;

    if (!ws->deflate.client_context || message == NULL || message->inflater == NULL) {
        websocket_done(ws);
        return;
    }
    ws->under_way = ws->inflating = ws->ended = false;
    inflater_drop(message->inflater);
    *message =
        (struct websocket_message){.inflater = message->inflater, .capacity = message->capacity};
    if (message->capacity == 0)
        return;
    smaller = realloc(message, sizeof *message);
    if (smaller == NULL)
        return;
    ws->message = smaller;
    smaller->capacity = 0;
}

/* Room for `capacity` bytes. */
static bool message_resize(struct websocket *ws, uint32_t capacity)
{
    struct websocket_message *bigger =
        realloc(ws->message, sizeof(struct websocket_message) + capacity);

    if (bigger == NULL)
        return false;
    if (ws->message == NULL)
        *bigger = (struct websocket_message){0};
    bigger->capacity = capacity;
    ws->message = bigger;
    return true;
}

/* Room for `more` bytes. What was asked for before at least doubles, so that many small frames are not copied often. */
static bool message_grow(struct websocket *ws, uint32_t more)
{
    const struct websocket_message *message = ws->message;
    uint32_t held = message == NULL ? 0 : message->capacity;
    uint32_t wanted = (message == NULL ? 0 : message->len) + more, capacity = held * 2;

    if (message != NULL && wanted <= held)
        return true;
    if (capacity < MESSAGE_FIRST_CAPACITY)
        capacity = MESSAGE_FIRST_CAPACITY;
    return message_resize(ws, capacity < wanted ? wanted : capacity);
}

/* ---------------------------------------------------------------- frames in */

struct frame {
    enum websocket_opcode opcode;
    bool fin, deflated;
    uint32_t head; /* length of the header, with the mask */
    uint64_t len;  /* of the payload */
    char *payload;
};

static enum websocket_result broken(
    struct websocket *ws, struct websocket_event *event, uint16_t code, const char *why)
{
    websocket_done(ws);
    ws->code = code;
    event->code = code;
    event->why = why;
    return WEBSOCKET_BROKEN;
}

/* What the first two bytes must not say; NULL if they do not. */
static const char *head_fault(const struct websocket *ws, unsigned char first, unsigned char second)
{
    unsigned opcode = first & 0x0f, reserved = first & 0x70;
    bool begins = opcode == WEBSOCKET_TEXT || opcode == WEBSOCKET_BINARY;

    if (reserved != 0 && (reserved != WEBSOCKET_DEFLATED || !ws->deflate.on || !begins))
        return "reserved bits are set";
    if ((opcode > WEBSOCKET_BINARY && opcode < WEBSOCKET_CLOSE) || opcode > WEBSOCKET_PONG)
        return "unknown opcode";
    if ((second & 0x80) == 0 && !ws->client)
        return "a frame is not masked";
    if ((second & 0x80) != 0 && ws->client)
        return "a frame is masked";
    if (opcode < WEBSOCKET_CLOSE)
        return NULL;
    if ((first & 0x80) == 0)
        return "a control frame is fragmented";
    return (second & 0x7f) > WEBSOCKET_CONTROL_MAX ? "a control frame is too long" : NULL;
}

/* The length in the bytes behind the first two; false if it would have fitted into fewer. */
static bool read_length(const unsigned char *at, unsigned bytes, uint64_t *ret_len)
{
    uint64_t len = 0;

    for (unsigned i = 0; i < bytes; i++)
        len = len << 8 | at[i];
    *ret_len = len;
    return bytes == 2 ? len > WEBSOCKET_CONTROL_MAX : len > 0xffff && len >> 63 == 0;
}

/* What a header tells of a message before its payload is there: nobody waits for ten million bytes that are refused. */
static enum websocket_result check_data(struct websocket *ws, const struct frame *frame,
    uint32_t max_message, struct websocket_event *event)
{
    bool continues = frame->opcode == WEBSOCKET_CONTINUATION;
    uint64_t before = ws->under_way ? ws->message->len : 0;

    if (continues && !ws->under_way)
        return broken(ws, event, CODE_PROTOCOL, "a continuation of nothing");
    if (!continues && ws->under_way)
        return broken(ws, event, CODE_PROTOCOL, "a message begins inside of another");
    if (continues && !frame->fin && frame->len == 0)
        return broken(ws, event, CODE_POLICY, "an empty continuation that ends nothing");
    if ((continues || !frame->fin) && before + frame->len > max_message)
        return broken(ws, event, CODE_TOO_LONG, "a message in several frames is too long");
    return WEBSOCKET_MESSAGE;
}

/*
 *  0               1                2 ...
 *  FIN rsv opcode  MASK len7        0, 2 or 8 bytes of length, 4 bytes of mask, payload
 *
 * WEBSOCKET_MESSAGE: the header is there and good. WEBSOCKET_MORE: event->need is set.
 */
static enum websocket_result read_head(struct websocket *ws, char *bytes, size_t len,
    const struct websocket_limits *limits, struct frame *frame, struct websocket_event *event)
{
    const unsigned char *at = (const unsigned char *)bytes;
    unsigned extended;
    const char *fault;

    event->need = 2;
    if (len < 2)
        return WEBSOCKET_MORE;
    fault = head_fault(ws, at[0], at[1]);
    if (fault != NULL)
        return broken(ws, event, CODE_PROTOCOL, fault);
    frame->fin = (at[0] & 0x80) != 0;
    frame->deflated = (at[0] & WEBSOCKET_DEFLATED) != 0;
    frame->opcode = at[0] & 0x0f;
    frame->len = at[1] & 0x7f;
    extended = frame->len < 126 ? 0 : frame->len == 126 ? 2 : 8;
    frame->head = 2 + extended + (ws->client ? 0 : 4);
    event->need = frame->head;
    if (len < 2 + extended)
        return WEBSOCKET_MORE;
    if (extended != 0 && !read_length(at + 2, extended, &frame->len))
        return broken(ws, event, CODE_PROTOCOL, "a length is not in its shortest form");
    if (frame->len > limits->frame_bytes || frame->head + frame->len > limits->frame_bytes)
        return broken(ws, event, CODE_TOO_LONG, "a frame is too long");
    if (frame->opcode < WEBSOCKET_CLOSE &&
        check_data(ws, frame, limits->message_bytes, event) != WEBSOCKET_MESSAGE)
        return WEBSOCKET_BROKEN;
    event->need = frame->head + (size_t)frame->len;
    return len < event->need ? WEBSOCKET_MORE : WEBSOCKET_MESSAGE;
}

static bool append(struct websocket *ws, const struct frame *frame)
{
    struct websocket_message *message;

    if (!message_grow(ws, (uint32_t)frame->len))
        return false;
    message = ws->message;
    if (frame->opcode != WEBSOCKET_CONTINUATION) {
        message->opcode = frame->opcode;
        message->deflated = frame->deflated;
        ws->under_way = true;
    }
    if (frame->len != 0)
        memcpy(message->bytes + message->len, frame->payload, (size_t)frame->len);
    message->len += (uint32_t)frame->len;
    return true;
}

/* More of a message's text, or all of it. */
static bool text_may_go_on(struct websocket_message *message, anqa_str part, bool last)
{
    return message->opcode != WEBSOCKET_TEXT || (utf8_feed(&message->utf8, part.ptr, part.len) &&
                                                    (!last || utf8_may_end(&message->utf8)));
}

static enum websocket_result give_out(
    struct websocket *ws, anqa_str payload, struct websocket_event *event)
{
    event->opcode = ws->message->opcode;
    event->payload = payload;
    ws->under_way = ws->inflating = false;
    ws->ended = true;
    return WEBSOCKET_MESSAGE;
}

/* A slice of the inflating of a message, whose last frame is in front of `bytes`. */
static enum websocket_result inflate_on(
    struct websocket *ws, const char *bytes, struct websocket_event *event)
{
    struct websocket_message *message = ws->message;
    const char *from = message->head != 0 ? bytes + message->head : message->bytes;
    anqa_str part;
    enum inflate_result result = inflater_run(message->inflater, from, &part);

    switch (result) {
    case INFLATE_TOO_LONG:
        return broken(ws, event, CODE_TOO_LONG, "a compressed message is too long");
    case INFLATE_BAD: return broken(ws, event, CODE_DATA, "a message cannot be inflated");
    case INFLATE_NO_MEMORY: return broken(ws, event, CODE_ERROR, "out of memory");
    default: break;
    }
    if (!text_may_go_on(message, part, result == INFLATE_DONE))
        return broken(ws, event, CODE_DATA, "text is not UTF-8");
    if (result == INFLATE_MORE)
        return WEBSOCKET_BUSY;
    return give_out(ws, inflater_message(message->inflater), event);
}

/* A compressed message is whole. frame: its last, or only one. */
static enum websocket_result inflate_begin(struct websocket *ws, const struct frame *frame,
    uint32_t max_message, struct websocket_event *event)
{
    bool only = frame->opcode != WEBSOCKET_CONTINUATION;
    struct websocket_message *message;

    if (ws->message == NULL && !message_resize(ws, 0))
        return broken(ws, event, CODE_ERROR, "out of memory");
    message = ws->message;
    if (message->inflater == NULL)
        message->inflater =
            inflater_new(ws->deflate.client_context ? ws->deflate.client_bits : DEFLATE_WINDOW_MAX);
    if (message->inflater == NULL)
        return broken(ws, event, CODE_ERROR, "out of memory");
    if (only)
        message->opcode = frame->opcode;
    message->head = only ? frame->head : 0;
    message->frame = frame->head + (uint32_t)frame->len;
    inflater_begin(message->inflater, only ? (size_t)frame->len : message->len, max_message);
    ws->under_way = ws->inflating = true;
    return inflate_on(ws, frame->payload - frame->head, event);
}

static enum websocket_result take_fragment(struct websocket *ws, const struct frame *frame,
    uint32_t max_message, struct websocket_event *event)
{
    struct websocket_message *message;

    if (!append(ws, frame))
        return broken(ws, event, CODE_ERROR, "out of memory");
    message = ws->message;
    if (message->deflated)
        return frame->fin ? inflate_begin(ws, frame, max_message, event) : WEBSOCKET_MORE;
    if (!text_may_go_on(message, anqa_str_make(frame->payload, (size_t)frame->len), frame->fin))
        return broken(ws, event, CODE_DATA, "text is not UTF-8");
    if (!frame->fin)
        return WEBSOCKET_MORE;
    return give_out(ws, anqa_str_make(message->bytes, message->len), event);
}

static enum websocket_result take_data(struct websocket *ws, const struct frame *frame,
    uint32_t max_message, struct websocket_event *event)
{
    if (ws->under_way || !frame->fin)
        return take_fragment(ws, frame, max_message, event);
    if (frame->deflated)
        return inflate_begin(ws, frame, max_message, event);
    if (frame->opcode == WEBSOCKET_TEXT && !utf8_valid(frame->payload, (size_t)frame->len))
        return broken(ws, event, CODE_DATA, "text is not UTF-8");
    event->opcode = frame->opcode;
    event->payload = anqa_str_make(frame->payload, (size_t)frame->len);
    return WEBSOCKET_MESSAGE;
}

/* Codes that a peer may not send. */
static bool is_code_reserved(unsigned code, bool client)
{
    return code < 1000 || (code >= 1004 && code <= 1006) ||
           (code >= (client ? 1015 : 1012) && code <= 2999);
}

static enum websocket_result take_close(
    struct websocket *ws, const struct frame *frame, struct websocket_event *event)
{
    const unsigned char *at = (const unsigned char *)frame->payload;

    if (frame->len == 1)
        return broken(ws, event, CODE_PROTOCOL, "half a close code");
    event->peer_code = frame->len == 0 ? CODE_NONE : (uint16_t)(at[0] << 8 | at[1]);
    if (frame->len != 0) {
        event->payload = anqa_str_make(frame->payload + 2, (size_t)frame->len - 2);
        if (is_code_reserved(event->peer_code, ws->client))
            return broken(ws, event, CODE_PROTOCOL, "a reserved close code");
        if (!utf8_valid(event->payload.ptr, event->payload.len))
            return broken(ws, event, CODE_PROTOCOL, "the reason of a close is not UTF-8");
    }
    websocket_done(ws);
    ws->code = CODE_NORMAL;
    event->opcode = WEBSOCKET_CLOSE;
    event->code = CODE_NORMAL;
    return WEBSOCKET_CLOSED;
}

static enum websocket_result take_frame(struct websocket *ws, const struct frame *frame,
    uint32_t max_message, struct websocket_event *event)
{
    switch (frame->opcode) {
    case WEBSOCKET_CLOSE: return take_close(ws, frame, event);
    case WEBSOCKET_PING:
    case WEBSOCKET_PONG:
        event->opcode = frame->opcode;
        event->payload = anqa_str_make(frame->payload, (size_t)frame->len);
        return WEBSOCKET_CONTROL;
    default: return take_data(ws, frame, max_message, event);
    }
}

static struct websocket_limits limits_of(const struct websocket_limits *given)
{
    struct websocket_limits limits = websocket_default_limits;

    if (given != NULL && given->frame_bytes != 0)
        limits.frame_bytes = given->frame_bytes;
    if (given != NULL && given->message_bytes != 0)
        limits.message_bytes = given->message_bytes;
    return limits;
}

/* One more slice; the frame is taken with the last. */
static enum websocket_result go_on(
    struct websocket *ws, const char *bytes, size_t *ret_taken, struct websocket_event *event)
{
    uint32_t frame = ws->message->frame;
    enum websocket_result result = inflate_on(ws, bytes, event);

    *ret_taken = result == WEBSOCKET_BUSY ? 0 : frame;
    return result;
}

enum websocket_result websocket_read(struct websocket *ws, char *bytes, size_t len,
    const struct websocket_limits *given, size_t *ret_taken, struct websocket_event *ret_event)
{
    struct websocket_limits limits = limits_of(given);
    enum websocket_result result = WEBSOCKET_MORE;
    size_t at = 0;

    if (ws->ended)
        message_drop(ws);
    *ret_taken = len;
    *ret_event = (struct websocket_event){.need = 2};
    if (ws->inflating)
        return go_on(ws, bytes, ret_taken, ret_event);
    while (ws->code == 0 && result == WEBSOCKET_MORE) {
        struct frame frame = {0};
        *ret_event = (struct websocket_event){0};
        *ret_taken = at;
        result = read_head(ws, bytes + at, len - at, &limits, &frame, ret_event);
        if (result != WEBSOCKET_MESSAGE)
            break;
        frame.payload = bytes + at + frame.head;
        if (!ws->client)
            websocket_mask(frame.payload, (size_t)frame.len, (unsigned char *)frame.payload - 4);
        result = take_frame(ws, &frame, limits.message_bytes, ret_event);
        if (result == WEBSOCKET_BUSY)
            break;
        at += frame.head + (size_t)frame.len;
        *ret_taken = at;
    }
    return result;
}

/* ---------------------------------------------------------------- frames out */

size_t websocket_write_frame_head(
    char out[static WEBSOCKET_HEAD_MAX], enum websocket_opcode opcode, uint64_t payload_len)
{
    uint64_t long_len = htobe64(payload_len);
    uint16_t short_len = htobe16((uint16_t)payload_len);

    out[0] = (char)(0x80 | opcode);
    if (payload_len < 126) {
        out[1] = (char)payload_len;
        return 2;
    }
    if (payload_len <= 0xffff) {
        out[1] = 126;
        memcpy(out + 2, &short_len, sizeof short_len);
        return 4;
    }
    out[1] = 127;
    memcpy(out + 2, &long_len, sizeof long_len);
    return 10;
}

size_t websocket_write_close(char out[static WEBSOCKET_CLOSE_MAX], uint16_t code, anqa_str reason)
{
    size_t len = reason.len, room = WEBSOCKET_CONTROL_MAX - 2;

    if (len > room) {
        len = room;
        while (len != 0 && utf8_is_tail((unsigned char)reason.ptr[len]))
            len--;
    }
    out[0] = (char)(0x80 | WEBSOCKET_CLOSE);
    out[1] = (char)(len + 2);
    out[2] = (char)(code >> 8);
    out[3] = (char)code;
    if (len != 0)
        memcpy(out + 4, reason.ptr, len);
    return len + 4;
}
