/*
 * The field Sec-WebSocket-Extensions (RFC 6455, 9.1), and what a server makes of the offers of permessage-deflate in it
 * (RFC 7692, 7.1): it takes the first that it can. An offer with a parameter that nobody has defined, that comes twice, or
 * whose value cannot be is passed over, as is any other extension.
 *
 * What is agreed on. The server never refers to earlier messages (server_no_context_takeover, said whether it was asked for or
 * not), so one compressed frame is for all clients. A client whose window is smaller than a message gets that one plain.
 */
#ifndef HTTP_EXTENSION_H
#define HTTP_EXTENSION_H

#include "http/request.h" /* IWYU pragma: export */

#define EXTENSION_ANSWER_MAX 160

/* What the two sides have agreed on. Zeroed: nothing. */
struct ws_deflate {
    bool on : 1;
    bool client_context : 1;   /* its messages may refer to those before them */
    bool says_client_bits : 1; /* the answer names client_bits, */
    bool says_server_bits : 1; /* and server_bits */
    unsigned client_bits : 4;  /* of its window, 8 to 15 */
    unsigned server_bits : 4;  /* of ours */
};

/*
 * Chooses from what a request offers.
 * client_context: whether a client may refer to earlier messages, if it wants to.
 * False: the field is malformed, which ends the handshake (400); *ret_agreed is not written.
 */
bool extension_choose(
    const struct request *req, bool client_context, struct ws_deflate *ret_agreed);

/* The text of that answer. */
#define EXTENSION_REFUSAL "'sec-websocket-extensions' header is malformed"

/* The value of the field in the answer; empty when nothing was agreed on. Lies in `out`. */
anqa_str extension_answer(const struct ws_deflate *agreed, char out[static EXTENSION_ANSWER_MAX]);

#endif
