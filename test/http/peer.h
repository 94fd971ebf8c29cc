/*
 * What the tests of this area share: a client that writes raw bytes and reads what comes.
 */
#ifndef TEST_HTTP_PEER_H
#define TEST_HTTP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A connection to 127.0.0.1; a read waits for 20 seconds at most, and longer in slow builds. */
int peer_dial(uint16_t port);
/* Whether a connection can be made. */
bool peer_can_dial(uint16_t port);
/* Sends all, or what the other side takes. */
void peer_put(int fd, const char *bytes, size_t len);
void peer_say(int fd, const char *text);
/* Reads until `end` has come (NULL: nothing but the end of the stream), the peer has closed, or the time is over. What came
 * is ended by a NUL. Returns how many bytes. */
size_t peer_get(int fd, const char *end, char *buf, size_t size);
/* Whether the next thing is the end of the stream, in good order or not. */
bool peer_at_end(int fd);
/* Sends a request on a connection of its own and reads to the end of the stream, into a static buffer. */
const char *peer_ask(uint16_t port, const char *request);

/* One frame that is a whole message, with a mask that changes nothing. */
void peer_put_frame(int fd, unsigned opcode, const char *data, size_t len);
/* A whole frame's payload; its opcode, or -1. */
int peer_get_frame(int fd, char *buf, size_t size, size_t *ret_len);

#endif
