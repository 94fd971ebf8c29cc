/*
 * Who may come in: all that a request for a socket is asked, whatever transport it comes by, in Phoenix's order. Transports
 * answer; nothing here does.
 *
 * Context: the connection's process; what is found lies in the event's memory.
 */
#ifndef CHANNEL_CONNECT_H
#define CHANNEL_CONNECT_H

/* IWYU pragma: begin_exports */
#include "channel/mount.h"
#include "channel/serializer.h"
#include "http/exchange.h"
/* IWYU pragma: end_exports */

/* ---------------------------------------------------------------- a request */

/* Whether a page of that origin may. A refusal is logged. */
bool connect_origin_allowed(const anqa_conn *conn, const struct socket_mount *mount);

/* The query, and variables of the path, which count more. Fails: E_PARSE (cannot be decoded), E_LIMIT (too many pairs). */
anqa_status connect_params(
    const anqa_conn *conn, const struct socket_mount *mount, anqa_json *ret_params) ANQA_MUST_CHECK;

/* That of the version that `vsn` among the parameters asks for; V1 if nothing does. NULL: there is none. */
const struct serializer *connect_serializer(anqa_json params);

/* What the mount shows of a request. auth_token: ptr NULL: none was sent. May wait. */
const anqa_connect_info *connect_info(
    anqa_conn *conn, const struct socket_mount *mount, anqa_json params, anqa_str auth_token);

/* What a client has got through: its wire format, what `connect` has written, the socket's id. */
struct admission {
    const struct serializer *serializer;
    const void *assigns;
    anqa_str id;
    anqa_status refusal; /* E_PERMISSION: what `connect` has said */
};

/* The version, `connect` and `id`. A refusal is logged. May wait.
 * Fails: E_PERMISSION, E_LIMIT (the id is too long), E_VERSION. */
anqa_status connect_client(anqa_conn *conn, const struct socket_mount *mount, anqa_json params,
    anqa_str auth_token, struct admission *ret_admission) ANQA_MUST_CHECK;

/* The mount's answer to who was refused, if it has one. False: it has none. */
bool connect_refused(
    anqa_conn *conn, const struct socket_mount *mount, const struct admission *admission);

/* ---------------------------------------------------------------- without a request */

/* Asks the application. Fails: as connect_client. May wait. */
anqa_status connect_admit(const struct socket_mount *mount, const anqa_connect_info *info,
    anqa_json params, struct admission *ret_admission) ANQA_MUST_CHECK;
void connect_log(const struct socket_mount *mount, const char *transport);

/* ---------------------------------------------------------------- transports, as plugs; opts: struct socket_mount */

void websocket_serve(anqa_conn *conn, const void *opts);
void longpoll_serve(anqa_conn *conn, const void *opts);
void sse_serve(anqa_conn *conn, const void *opts);

#endif
