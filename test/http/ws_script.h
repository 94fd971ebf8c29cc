/*
 * WebSocket cases as rows of text: what a client sends, and all that comes back of a server that echoes each message.
 *
 * Sent, separated by blanks, each frame a letter: capital ones end their message, small ones do not.
 *     T B K C P O      text, binary, continuation, close, ping, pong; N and a hex digit: that opcode
 *     C1000            a close with that code
 *     1 2 3            in front: reserved bits
 *     !                in front: without a mask;  @ with a length of 2 bytes;  & of 8
 *     (bytes)          the payload, to the next ")"; *17: as many "x"; neither: empty
 *     ~                before the payload: compressed;  ^: not only by itself, but referring to those before
 *     /3               behind the payload: its message in three frames of about the same length
 *     =(bytes)         no frame: the bytes as they are
 *     $                ends the client's side, and nothing is sent behind it
 * Unless there is a "$", a close with 1000 is sent at the end.
 *
 * Expected: in the same letters; *17 for more than 40 bytes of "x", [17] for others; 1 in front: it came compressed. A close has its code
 * only. The last is the close; where none is written C1000 is meant, and END is the end of the stream without one.
 */
#ifndef TEST_HTTP_WS_SCRIPT_H
#define TEST_HTTP_WS_SCRIPT_H

#include <stddef.h>

struct ws_case {
    const char *name, *sent, *expected;
};

/* A server that echoes: at "/" without compression, at "/deflate" with it, at "/context" clients may refer to earlier messages. */
void ws_server_begin(void);
void ws_server_end(void);

/* Plays each row, its bytes whole, one by one (if they are few), and cut at random places. offer: as a field of the request
 * with its end of line; empty: none. */
void ws_play(const struct ws_case *cases, size_t count, const char *path, const char *offer);

/* A WebSocket of the server that the test has begun (http/site.h), as for ws_play. */
int ws_open(const char *path, const char *offer);
/* Writes bytes, and reads at the same time until the server ends the stream; what came, to be freed. */
char *ws_exchange(int fd, const char *bytes, size_t len, size_t *ret_len);

/* Asks for an upgrade with these fields besides; the whole head of the answer, in a static buffer. */
const char *ws_handshake(const char *path, const char *fields);

#endif
