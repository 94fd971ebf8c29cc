/*
 * A server for tests of what asks: each connection is given to a function, in a process of its own.
 */
#ifndef TEST_JS_NET_SERVER_H
#define TEST_JS_NET_SERVER_H

#include "support.h" // IWYU pragma: export

/* Listens on some port of 127.0.0.1; `serve` may exit, wait and return, which closes the connection. */
uint16_t net_serve(void (*serve)(anqa_tcp tcp));
/* Connections that were accepted since the test began, and those whose process has not ended. */
unsigned net_accepted(void);
unsigned net_served_now(void);

/* For `serve`. Reads the head of a request, into temporary memory; ends the process when there is none. */
const char *net_read_head(anqa_tcp tcp);
/* Whether the head's first line begins so: "GET /x ". */
bool net_asks(const char *head, const char *start);
/* The value of a field of a head, given by its name in lower case and ": "; NULL: it is not there. */
const char *net_field(const char *head, const char *name);
void net_say(anqa_tcp tcp, const char *text);
void net_put(anqa_tcp tcp, const void *bytes, size_t len);
/* Exactly so many bytes. */
void net_get(anqa_tcp tcp, void *bytes, size_t len);
/* A whole answer of status 200, which leaves the connection open. */
void net_answer(anqa_tcp tcp, const char *fields, const char *body);

/* Accepts a WebSocket. */
void net_ws_accept(anqa_tcp tcp, const char *head, const char *fields);
/* A frame that is a whole message, with a byte for FIN and opcode, not masked. */
void net_ws_put(anqa_tcp tcp, unsigned first, const void *bytes, size_t len);
/* The payload of a frame, unmasked, with a NUL behind; *ret_first: FIN and opcode. The process ends when it is not masked. */
char *net_ws_get(anqa_tcp tcp, unsigned *ret_first, size_t *ret_len);

/* Open files of this program. */
unsigned net_open_files(void);

#endif
