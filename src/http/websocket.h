/*
 * WebSocket (RFC 6455) for a server: the handshake, frames in, frames out. Frames in also for a client (`client`): there
 * none is masked, and the codes 1012 to 1014 are a server's to send.
 *
 * Frames are read where they lie. The caller holds bytes that came from the network and calls websocket_read until it says
 * WEBSOCKET_MORE; a whole frame is unmasked in place and given out as a slice, so that a message in one frame, which nearly all
 * are, is neither copied nor allocated for. What is left of a frame that has not arrived whole stays with the caller, who is told how
 * long it will be. Its payload is not touched before it is whole: offering it again and again costs a look at its header.
 *
 * Only a message in several frames takes memory, while it is under way: it is collected in a struct websocket_message. That ends
 * with the next call of websocket_read after the message was given out, or with websocket_done.
 *
 * A peer that breaks the protocol is told so with a close code, and nothing is read from it any more. Which code is what Phoenix's
 * server does: 1002 for the protocol, 1007 for text that is not UTF-8, 1008 for an empty continuation that does not end its message,
 * 1009 for what is too long. Text in several frames is checked as each arrives.
 *
 * Compressed messages (http/extension.h). They are inflated when they are whole: until then only what came is held. One that
 * becomes large is inflated in slices, between which websocket_read says WEBSOCKET_BUSY. An idle WebSocket holds nothing
 * for it, unless its messages may refer to earlier ones. What can not be inflated ends with 1007, as Phoenix's server has it.
 *
 * Owner: the connection; no locks. Never waits.
 */
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include <assert.h>

#include "http/deflate.h"   /* IWYU pragma: export */
#include "http/extension.h" /* IWYU pragma: export */
#include "http/request.h"   /* IWYU pragma: export */
#include "http/response.h"  /* IWYU pragma: export */

/* ---------------------------------------------------------------- handshake */

#define WEBSOCKET_ACCEPT_LEN 28

/*
 * Whether the request asks for an upgrade to WebSocket as it must. NULL: it does. Else the text of the answer, which has the
 * status 400 and names what is wrong; static. Of a method other than GET the answer is 400 and the text empty.
 * The checks of origin, parameters and subprotocol come before this one.
 */
const char *websocket_refusal(const struct request *req);

/* What the server shows to have understood a Sec-WebSocket-Key. Not ended by a NUL. */
void websocket_accept_key(anqa_str key, char ret_accept[static WEBSOCKET_ACCEPT_LEN]);

/*
 * Writes the head of a 101 answer to a request that is not refused, or of a 200 answer to one of HTTP/2.
 * protocol: the subprotocol chosen; empty: none.   deflate: what was agreed on; NULL: nothing.   response: initialised by
 * nobody; finished by response_finish.
 */
void websocket_write_head(struct response *response, char *buffer, size_t size,
    const struct request *req, anqa_str protocol, const struct ws_deflate *deflate);

/* ---------------------------------------------------------------- frames in */

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10
};

enum websocket_result {
    WEBSOCKET_MORE, /* no whole frame is left: event.need says how many bytes the next one takes */
    WEBSOCKET_BUSY, /* a message is being inflated: when others have had a turn, call again with the bytes that were not taken */
    WEBSOCKET_MESSAGE, /* event.opcode is TEXT or BINARY */
    WEBSOCKET_CONTROL, /* event.opcode is PING (answer with a PONG of the same payload) or PONG */
    WEBSOCKET_CLOSED,  /* the peer closes: answer with a close frame of event.code, then close */
    WEBSOCKET_BROKEN   /* send a close frame of event.code, then close; event.why is for the log */
};

/* In bytes; 0 is the default. */
struct websocket_limits {
    uint32_t frame_bytes; /* header included; 10,000,000 */
    uint32_t
        message_bytes; /* of a message in several frames, and of one that was inflated; 8,000,000 */
};

extern const struct websocket_limits websocket_default_limits;

struct websocket_message;

/* Starts zeroed, but for `deflate` and `client`. */
struct websocket {
    struct websocket_message *
        message; /* of several frames or compressed: under way, or given out last; what later ones may refer to; else NULL */
    uint16_t code;      /* of the end; 0: open */
    bool under_way : 1; /* a message has begun, and has not ended */
    bool inflating : 1; /* it is whole: the frame that ended it was unmasked and is not taken yet */
    bool ended : 1;     /* it was given out */
    bool client : 1;    /* we are: what comes is not masked */
    struct ws_deflate deflate;
};

static_assert(sizeof(struct websocket) <= 16, "an idle WebSocket holds next to nothing");

struct websocket_event {
    enum websocket_opcode opcode;
    anqa_str payload;   /* good until the next websocket_read, or until the caller's bytes change */
    uint16_t code;      /* to answer with */
    uint16_t peer_code; /* CLOSED: what the peer gave; 1005 for none */
    size_t
        need; /* MORE: bytes from the front that the next frame takes, as far as is known; at least 2 */
    const char *why; /* BROKEN: static */
};

/*
 * Takes the next frames from the front of `bytes`, up to one that is an event. Payloads are unmasked where they lie.
 * limits: NULL for the defaults.   ret_taken: bytes that were used up; those of event.payload are among them, and
 * stay as they are until the caller overwrites them.
 * After WEBSOCKET_CLOSED and WEBSOCKET_BROKEN all further bytes are taken, and the result is WEBSOCKET_MORE.
 * Running out of memory is WEBSOCKET_BROKEN with code 1011.
 */
enum websocket_result websocket_read(struct websocket *ws, char *bytes, size_t len,
    const struct websocket_limits *limits, size_t *ret_taken, struct websocket_event *ret_event);

/* Bytes of memory that it holds, but for what inflates. */
size_t websocket_held(const struct websocket *ws);

/* Gives back all memory. */
void websocket_done(struct websocket *ws);

/* XORs `len` bytes with the mask, which begins anew. */
void websocket_mask(char *bytes, size_t len, const unsigned char mask[static 4]);

/* Whether a message of `len` bytes is to be compressed. */
static inline bool websocket_deflates(const struct websocket *ws, size_t len)
{
    return ws->deflate.on && len >= DEFLATE_LEAST && len <= DEFLATE_MOST &&
           (ws->deflate.server_bits == DEFLATE_WINDOW_MAX || len >> ws->deflate.server_bits == 0);
}

/* ---------------------------------------------------------------- frames out */

#define WEBSOCKET_HEAD_MAX 10
#define WEBSOCKET_CONTROL_MAX 125 /* payload of a control frame */
#define WEBSOCKET_DEFLATED 0x40   /* of the first byte: the payload is compressed */
#define WEBSOCKET_CLOSE_MAX (2 + WEBSOCKET_CONTROL_MAX)

/* Writes the header of an unmasked whole message, and returns its length. */
size_t websocket_write_frame_head(
    char out[static WEBSOCKET_HEAD_MAX], enum websocket_opcode opcode, uint64_t payload_len);

/* The length of a header that was written so. */
static inline size_t websocket_frame_head_len(const char *frame)
{
    return frame[1] == 127 ? 10 : frame[1] == 126 ? 4 : 2;
}

/* Writes a whole close frame, and returns its length. A reason, UTF-8, of more than 123 bytes is cut between characters. */
size_t websocket_write_close(char out[static WEBSOCKET_CLOSE_MAX], uint16_t code, anqa_str reason);

#endif
