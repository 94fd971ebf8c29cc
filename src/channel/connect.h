/* A request for a socket: all checks in Phoenix's order, the application's `connect`, the handshake. */
#ifndef CHANNEL_CONNECT_H
#define CHANNEL_CONNECT_H

#include "channel/mount.h"      /* IWYU pragma: export */
#include "channel/serializer.h" /* IWYU pragma: export */
#include "http/conn.h"          /* IWYU pragma: export */

/* For struct http_mount; arg: struct socket_mount. */
void connect_serve(struct conn *conn, const struct request *request, const void *arg);

/* What the application made of a client: what `connect` has written, and the socket's id. In anqa_tmp. */
struct admission {
    const void *assigns;
    anqa_str id;
};

/* Asks the application whether it lets a client in, whatever transport it comes by.
 * Fails: E_PERMISSION (it does not), E_LIMIT (the id is too long).   Context: the connection's process; may wait. */
anqa_status connect_admit(const struct socket_mount *mount, anqa_json params,
    struct admission *ret_admission) ANQA_MUST_CHECK;
void connect_log(const struct socket_mount *mount);

/* That of the version that `vsn` among the parameters asks for; V1 if nothing does. NULL: there is none. */
const struct serializer *connect_serializer(anqa_json params);

/* The query as a JSON object of strings; of several values of a name the last. In anqa_tmp.
 * Fails: E_PARSE (cannot be decoded), E_LIMIT (too many pairs). */
anqa_status connect_params(anqa_str query, anqa_json *ret_params) ANQA_MUST_CHECK;

#endif
