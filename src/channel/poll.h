/*
 * Sessions of clients that hold no connection: long-poll, and streams of events.
 *
 * A session is a process which carries a socket as a WebSocket's connection does. What is to be sent waits in it until the
 * client asks (poll_wait); what the client has sent comes by poll_post. Both are calls from processes of requests, on any
 * scheduler. Who knows pid and secret of a session may use it: that is what a token holds.
 *
 * It ends when nobody has asked for one and a half windows, when the socket ends it (what was written before is still given
 * to who asks next), when too much waits, and when its owner ends, if it has one.
 *
 * Context: process; the calls wait.
 */
#ifndef CHANNEL_POLL_H
#define CHANNEL_POLL_H

#include "channel/connect.h" /* IWYU pragma: export */

#define POLL_POSTS_MAX 4u             /* that wait in one session; more are refused, */
#define POLL_POST_BYTES_MAX 10000000u /* as is one that would make them longer, unless none waits */

/* Names a session. */
struct poll_name {
    anqa_pid pid;
    uint64_t secret[2];
};

/* owner: whose end ends it; nobody: it has none.
 * Fails: E_LIMIT (as many as the mount allows, or processes), E_NOMEM, E_STOPPED (the endpoint stops). */
anqa_status poll_open(const struct socket_mount *mount, const struct admission *admission,
    anqa_pid owner, struct poll_name *ret_name) ANQA_MUST_CHECK;

enum poll_result {
    POLL_MESSAGES,
    POLL_NOTHING, /* within a window, or somebody else has asked meanwhile */
    POLL_ENDED,   /* while this one waited */
    POLL_GONE     /* there is no such session */
};

/* Waits for something to send. ret_msg: what came; its body is an array of strings if there are messages. It lives as long as the
 * event, or until anqa_msg_free: who waits again and again in one event has to. NULL: nothing came. */
enum poll_result poll_wait(const struct poll_name *name, const anqa_msg **ret_msg);

/* How frames lie in what was posted. */
enum poll_body {
    POLL_FRAME, /* it is one, of text */
    POLL_LINES, /* each line is one: poll_lines.h */
    POLL_TEXTS  /* each line is one of text: ours, of which no client decides how many there are */
};

/* What a client has posted. POLL_MESSAGES: it was taken. POLL_NOTHING: not within `wait_ms`, or too much waits already. */
enum poll_result poll_post(
    const struct poll_name *name, enum poll_body kind, anqa_str body, uint32_t wait_ms);

void poll_close(const struct poll_name *name);

/* Tells all sessions of a service that a batch of its drain begins. */
void poll_drain(const struct http_service *service);

#endif
