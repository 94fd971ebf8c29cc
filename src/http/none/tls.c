/* http/tls.h where the library is built without OpenSSL. */
#include "http/tls.h"

#include <errno.h>

anqa_status tls_server_open(
    const anqa_https *https, struct tls_server **ret_server, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_UNSUPPORTED,
        "https needs OpenSSL, without which this library was built (-DANQA_OPENSSL=OFF)");
}

void tls_server_close(struct tls_server *server)
{
}

anqa_status tls_server_reload(struct tls_server *server, anqa_error *err)
{
    return ANQA_OK;
}

anqa_status anqa_tls_reload(anqa_error *err)
{
    return ANQA_OK; /* of none */
}

size_t tls_conn_size(void)
{
    return 0;
}

bool tls_begin(struct conn *conn)
{
    return false;
}

bool tls_handshake(struct conn *conn)
{
    return false;
}

void tls_fail(struct conn *conn, const char *why)
{
}

ssize_t tls_recv(struct conn *conn, char *buf, size_t size)
{
    errno = ECONNRESET;
    return -1;
}

ssize_t tls_send(struct conn *conn, const struct iovec *pieces, size_t count)
{
    errno = ECONNRESET;
    return -1;
}

void tls_shut(struct conn *conn)
{
}

void tls_over(struct conn *conn)
{
}

void tls_done(struct conn *conn)
{
}
