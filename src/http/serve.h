/*
 * Who answers a request, whatever protocol it came by: a mount, a file, or the plugs. In the process that serves it; all may
 * wait.
 */
#ifndef HTTP_SERVE_H
#define HTTP_SERVE_H

#include "http/conn_int.h" /* IWYU pragma: export */
#include "http/exchange.h" /* IWYU pragma: export */

/* Answers through `conn`. exchange: the protocol's, zeroed; begun here if plugs see the request. */
void serve_request(struct conn *conn, struct exchange *exchange, const struct exchange_ops *ops,
    struct request *request);

/* struct exchange_ops, upgrade. */
anqa_status serve_upgrade(struct conn *conn, struct exchange *exchange, const struct ws_ops *ops,
    void *user, uint16_t timeout_s, const struct ws_deflate *deflate);

/* Answers for plugs that have crashed. Their memory has ended: the exchange is begun anew, without its body. */
void serve_crash_page(struct conn *conn, struct exchange *exchange, const struct exchange_ops *ops,
    const struct request *request, anqa_reason reason);

#define SERVE_LAST_FIELDS 5 /* most lines of that head */

/* The same where nothing may wait, in the exit hook. Returns the head; *ret_content is behind it in memory, if there is any.
 * Lies in `arena`. */
anqa_str serve_last_words(struct conn *conn, anqa_arena *arena, anqa_str *ret_content);

#endif
