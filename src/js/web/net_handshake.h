/*
 * The opening handshake of a WebSocket, on the client's side (RFC 6455, 4.1): what is asked, and what may be answered.
 * Pure functions of their arguments; any thread.
 */
#ifndef JS_WEB_NET_HANDSHAKE_H
#define JS_WEB_NET_HANDSHAKE_H

#include <anqa/base.h>

#define HANDSHAKE_KEY_LEN 24

struct handshake {
    char key[HANDSHAKE_KEY_LEN]; /* Base64 of 16 random bytes */
    const char *protocols;       /* those offered, as in the header; "": none */
};

/* Fills in a new key. */
void handshake_key(struct handshake *handshake);

enum handshake_result { HANDSHAKE_MORE, HANDSHAKE_DONE, HANDSHAKE_REFUSED };

/*
 * Reads an answer from its beginning. HANDSHAKE_DONE: it is whole and agrees; ret_len: where its head ends, behind which frames
 * begin; ret_protocol: the subprotocol chosen, a slice of the bytes, empty: none. HANDSHAKE_REFUSED: ret_why says why; static.
 */
enum handshake_result handshake_read(const struct handshake *handshake, anqa_str bytes,
    size_t *ret_len, anqa_str *ret_protocol, const char **ret_why);

/* Whether `name` is one of a list that is separated by commas; case counts or not. */
bool handshake_lists(anqa_str list, anqa_str name, bool exact);

#endif
