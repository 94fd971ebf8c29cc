/* What is spoken over TLS. See tls.h. */
#include "http/conn_int.h"

static void http1_start(struct conn *conn)
{
    conn->phase = CONN_HTTP;
    outlet_time(conn, conn_request_s(conn, conn->service->head_timeout, CONN_HEAD_S));
}

const struct tls_protocol tls_protocols[] = {{"http/1.1", http1_start}, {0}};
