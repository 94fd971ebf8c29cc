/* HTTP/1.1's side of an exchange: what the files h1*.c share. owner: the process of the connection. */
#ifndef HTTP_H1_H
#define HTTP_H1_H

/* IWYU pragma: begin_exports */
#include "base/container.h"
#include "http/body.h"
#include "http/conn_int.h"
#include "http/exchange.h"
/* IWYU pragma: end_exports */

/* A request that is served. Lies in the event's memory. */
struct h1 {
    struct exchange exchange; /* begun only where plugs see the request */
    struct conn *conn;
    struct body body;
    anqa_status broken;         /* why the body can not be read any more; ANQA_OK */
    bool in_chunks, out_chunks; /* request and response */
    bool due;                   /* the client waits for "100 Continue" */
    bool keeps;                 /* the connection stays open once the body has been read */
};

/* What carries an exchange over this connection. */
const struct exchange_ops *h1_ops(const struct conn *conn);

static inline struct h1 *h1_of(const struct exchange *exchange)
{
    return ANQA_CONTAINER_OF((struct exchange *)(uintptr_t)exchange, struct h1, exchange);
}

/* Whether of the body more is left than is read over. */
bool h1_body_is_long(const struct h1 *h1);
/* Reads over what is left of the body. False: where the next request begins is unknown. May wait. */
bool h1_skip_body(struct h1 *h1);

#endif
