/*
 * What stands for a client's connection: a process that carries a socket as a WebSocket's does, with the owner's mailbox in
 * place of a network. Frames of the client come to it as messages, what it is sent goes to its owner in the same form:
 *
 *     [join_ref, ref, topic, event, payload]
 */
#ifndef TEST_LINK_H
#define TEST_LINK_H

/* IWYU pragma: begin_exports */
#include <anqa/raw_socket.h>
/* IWYU pragma: end_exports */

/* To the link's process: a frame of the client; its end. */
extern const char link_in_tag[], link_in_binary_tag[], link_close_tag[];
/* To its owner: a frame for the client, as JSON; one that is binary, as bytes. */
extern const char link_out_tag[], link_binary_tag[];

/* What it carries: one of the two. */
struct link_what {
    const anqa_user_socket *user_socket;
    const anqa_raw_socket *raw;
};

/* Starts the process and has the socket's `connect` called. It ends with the caller. info: NULL: nothing.
 * Fails: E_PERMISSION, E_LIMIT (the id is too long), E_DIED (`connect` crashed), as anqa_spawn.   Context: process; may wait. */
anqa_status link_open(const struct link_what *what, anqa_json params, const anqa_connect_info *info,
    anqa_pid *ret_pid) ANQA_MUST_CHECK;

/* The channel of a topic; nobody: none is joined.   Context: process; may wait. */
anqa_pid link_channel(anqa_pid link, const char *topic);

#endif
