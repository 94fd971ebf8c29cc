/* What is spoken over TLS. See tls.h. */
#include "http/conn_int.h"
#include "http/h2.h"

static void http1_start(struct conn *conn)
{
    conn->phase = CONN_HTTP;
    conn->begun = true; /* who wants HTTP/2 has to say so */
    outlet_time(conn, conn_request_s(conn, conn->service->head_timeout, CONN_HEAD_S));
}

#ifdef ANQA_HTTP2
static void http2_start(struct conn *conn)
{
    outlet_time(conn, conn_request_s(conn, conn->service->head_timeout, CONN_HEAD_S));
    h2_begin(conn);
}
#endif

const struct tls_protocol tls_protocols[] = {
#ifdef ANQA_HTTP2
    {"h2", http2_start},
#endif
    {"http/1.1", http1_start},
    {0},
};
