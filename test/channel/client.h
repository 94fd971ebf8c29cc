/*
 * What the tests of this area share: an endpoint in a runtime of its own, and a small WebSocket client that blocks.
 */
#ifndef TEST_CHANNEL_CLIENT_H
#define TEST_CHANNEL_CLIENT_H

#include <anqa/anqa.h>

#include "harness.h"

/* ---------------------------------------------------------------- the server */

/* A runtime with two schedulers that serves `endpoint` on some free port. This thread is a process of it. */
void server_begin(const anqa_endpoint *endpoint);
/* Stops the endpoint and the runtime. */
void server_end(void);
/* Of what server_begin has started. */
anqa_rt *server_rt(void);
anqa_pid server_endpoint(void);
uint16_t server_port(void);

/* The process of the test, to report to from channels. */
anqa_pid server_test(void);
/* The next message of that tag: its body as text. It must come. */
const char *server_told(const char *tag);
/* From a channel: tells the test. */
void server_tell(const char *tag, const char *text);

/* ---------------------------------------------------------------- a client */

struct client {
    int fd;
};

/* Connects, and no more. -1: it was refused. */
int client_dial(void);
/* Opens /socket/websocket?vsn=2.0.0; the upgrade must succeed. */
struct client client_open(void);
/* The same with another query. */
struct client client_open_at(const char *target);
/* Sends a GET with a full set of upgrade headers and `extra` ones ("Name: value\r\n"); returns the status. client: NULL
 * or where the connection is left. */
int client_request(const char *target, const char *extra, struct client *client);
/* Sends raw bytes as a whole request; returns the status. */
int client_raw_request(const char *text);
void client_close(struct client client);

void client_send(struct client client, const char *format, ...) ANQA_PRINTF(2, 3);
void client_send_bytes(struct client client, const void *bytes, size_t len);
/* Several text frames in one write. */
void client_send_all(struct client client, const char *const *frames, size_t count);

/* The next message: text, in a static buffer. NULL: the connection was closed; client_close_code says how. */
const char *client_receive(struct client client);
/* The next frame as it came: its payload, in a static buffer; its first byte, 0 at the end of the stream. */
const char *client_receive_raw(struct client client, unsigned *ret_first, size_t *ret_len);
/* Sends bytes as a frame of a first byte. */
void client_send_raw(struct client client, unsigned first, const void *bytes, size_t len);
/* The next message must be this. */
void client_expect(struct client client, const char *format, ...) ANQA_PRINTF(2, 3);
void client_expect_bytes(struct client client, const void *bytes, size_t len);
/* The next thing must be the end, with this code. */
void client_expect_close(struct client client, unsigned code);
/* Nothing but the answer to a heartbeat comes. */
void client_expect_nothing(struct client client);
/* Joins with ref and join_ref, which must succeed. */
void client_join(struct client client, const char *ref, const char *topic);

#endif
