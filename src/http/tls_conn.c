/* A connection over TLS: its handshake, its records, and its end. See tls.h. */
#include "http/tls_int.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/socket.h>

#include <anqa/log.h>
#include <anqa/telemetry.h>

#include "http/conn_int.h"

#define RECORD SEAL_SIZE
#define CHATTER_MAX \
    32 /* messages that cost us work, with nothing to do for it: new keys, wishes to renegotiate */

/* A client that was accepted, and does not come to speak. */
ANQA_TELEMETRY_DEFINE(handshake_failed, "anqa.http.handshake_failed");

/* owner: the connection's process, as its state */
struct tls_conn {
    struct conn conn; /* first: who has the one has the other */
    SSL *ssl;
    struct tls_set *set; /* counted: certificates are chosen from it */
    const char *failure; /* of the handshake; NULL: none */
    bool broken;         /* OpenSSL is not to be asked for anything any more */
    bool agreed;         /* the handshake is over */
    uint8_t chatter;     /* messages of TLS itself since then, or since the last data */
};

static struct tls_conn *tls_of(struct conn *conn)
{
    return (struct tls_conn *)conn;
}

size_t tls_conn_size(void)
{
    return sizeof(struct tls_conn);
}

/* ---------------------------------------------------------------- what OpenSSL reads and writes */

static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct conn *conn = BIO_get_data(bio);
    ssize_t n = 0;

    if (conn->phase == CONN_DEAD)
        return -1;
    if (!conn->blocked && !conn_has_sealed(conn)) {
        do
            n = send(conn->entry->fd, bytes, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno != EAGAIN)
            return -1;
        n = n < 0 ? 0 : n;
    }
    if (n < len && !conn_queue_sealed(conn, bytes + n, (size_t)len - (size_t)n))
        return -1;
    return len;
}

static int bio_read(BIO *bio, char *buf, int size)
{
    struct conn *conn = BIO_get_data(bio);
    struct fd_entry *entry = conn->entry;
    ssize_t n = -1;

    BIO_clear_retry_flags(bio);
    if (tls_of(conn)->chatter >= CHATTER_MAX)
        return -1;
    errno = EAGAIN;
    if (!fd_is_drained(entry)) {
        do
            n = recv(entry->fd, buf, (size_t)size, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < size && (n <= 0 || !entry->is_unix))
            fd_drained(entry);
    }
    if (n < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method; /* written once, before anybody reads; stays */

static void method_make(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "anqa");
    if (method == NULL)
        return;
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

static BIO *bio_new(struct conn *conn)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio;

    (void)pthread_once(&once, method_make);
    bio = method == NULL ? NULL : BIO_new(method);
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, conn);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---------------------------------------------------------------- life */

/* OpenSSL has read or written a message, and goes on reading as long as something comes. */
static void note_message(
    int writes, int version, int type, const void *bytes, size_t len, SSL *ssl, void *arg)
{
    struct tls_conn *tls = arg;

    if (tls->agreed && (type == SSL3_RT_HANDSHAKE || type == SSL3_RT_ALERT) &&
        tls->chatter < CHATTER_MAX)
        tls->chatter++;
}

static bool begin(struct tls_conn *tls)
{
    BIO *bio;

    tls->set = tls_server_set(tls->conn.service->tls);
    if (tls->set == NULL)
        return false;
    tls->ssl = SSL_new(tls_set_context(tls->set));
    bio = tls->ssl == NULL ? NULL : bio_new(&tls->conn);
    if (bio == NULL)
        return false;
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_accept_state(tls->ssl);
    SSL_set_msg_callback(tls->ssl, note_message);
    SSL_set_msg_callback_arg(tls->ssl, tls);
    return true;
}

bool tls_begin(struct conn *conn)
{
    bool begun;

    anqa_section_begin();
    begun = begin(tls_of(conn));
    ERR_clear_error();
    anqa_section_end();
    return begun;
}

void tls_done(struct conn *conn)
{
    struct tls_conn *tls = tls_of(conn);

    anqa_section_begin();
    SSL_free(tls->ssl);
    tls_set_unref(tls->set);
    tls->ssl = NULL;
    tls->set = NULL;
    anqa_section_end();
}

void tls_fail(struct conn *conn, const char *why)
{
    if (tls_of(conn)->failure == NULL)
        tls_of(conn)->failure = why;
}

void tls_over(struct conn *conn)
{
    const char *failure = tls_of(conn)->failure;
    char peer[ANQA_ADDRESS_TEXT];

    if (failure == NULL)
        return;
    if (anqa_log_get_level() >= ANQA_DEBUG) {
        conn_peer(conn, peer);
        anqa_log(ANQA_DEBUG, "tls.handshake.failed", "peer=%s error=%s", peer, failure);
    }
    ANQA_EMIT(handshake_failed, (anqa_field_uint("count", 1)),
        (anqa_field_str("error", anqa_str_of(failure))));
}

/* ---------------------------------------------------------------- the handshake */

/* What the peer has done, or OpenSSL found wrong. */
static const char *failure_words(SSL *ssl)
{
    unsigned long code = ERR_peek_error();
    const char *words = NULL;

    if (SSL_get_verify_result(ssl) != X509_V_OK)
        return X509_verify_cert_error_string(SSL_get_verify_result(ssl));
    if (code != 0 && !ERR_SYSTEM_ERROR(code))
        words = ERR_reason_error_string(code);
    return words == NULL ? "the peer has closed the connection" : words;
}

/* What the client will understand, if it speaks HTTP as it seems. */
static void answer_plainly(struct conn *conn)
{
#define PLAIN_WORDS "http was spoken to a port of https"
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
        "content-length: 34\r\nconnection: close\r\n\r\n" PLAIN_WORDS;

    static_assert(sizeof PLAIN_WORDS - 1 == 34, "its content-length");
    (void)conn_queue_sealed(conn, answer, sizeof answer - 1);
}

static void handshake_failed_for(struct tls_conn *tls)
{
    unsigned long code = ERR_peek_error();

    tls->broken = true;
    tls_fail(&tls->conn, failure_words(tls->ssl));
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST)
        answer_plainly(&tls->conn);
    conn_close(&tls->conn);
}

/* The protocol that was agreed upon. */
static const struct tls_protocol *protocol_of(SSL *ssl)
{
    const struct tls_protocol *standard = tls_protocols;
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(ssl, &name, &len);
    for (const struct tls_protocol *p = tls_protocols; p->name != NULL; p++) {
        if (strlen(p->name) == len && memcmp(p->name, name, len) == 0)
            return p;
        if (strcmp(p->name, "http/1.1") == 0)
            standard = p;
    }
    return standard;
}

/* A step takes up to a millisecond, of which the private key is the smaller part (RSA of 2,048 bits: a quarter), so that
 * handing it to a worker would gain little. But many may come at once, when a server has restarted: they run with low
 * priority, and after each step the scheduler looks who has come, so that those who are in wait for one step at most. Beside
 * 200 handshakes at a time on one scheduler an answer took 0.7 ms (median; 99 %: 7), without this 47 ms (409). */
bool tls_handshake(struct conn *conn)
{
    struct tls_conn *tls = tls_of(conn);
    const struct tls_protocol *protocol = NULL;
    int done;

    anqa_section_begin();
    ERR_clear_error();
    done = SSL_do_handshake(tls->ssl);
    tls->agreed = done == 1;
    if (tls->agreed)
        protocol = protocol_of(tls->ssl);
    else if (SSL_get_error(tls->ssl, done) != SSL_ERROR_WANT_READ)
        handshake_failed_for(tls);
    ERR_clear_error();
    anqa_section_end();
    sched_look_soon(sched_self); /* for who came meanwhile */
    if (protocol != NULL && conn->phase == CONN_HANDSHAKE) {
        proc_set_priority(conn->self, ANQA_PRIORITY_NORMAL);
        protocol->start(conn);
    }
    return protocol != NULL;
}

/* ---------------------------------------------------------------- records */

/* In place of what a system call would return. */
static ssize_t recv_failed(struct tls_conn *tls, int n)
{
    switch (SSL_get_error(tls->ssl, n)) {
    case SSL_ERROR_WANT_READ: errno = EAGAIN; return -1;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default:
        tls->broken = true;
        errno = ECONNRESET;
        return -1;
    }
}

ssize_t tls_recv(struct conn *conn, char *buf, size_t size)
{
    struct tls_conn *tls = tls_of(conn);
    ssize_t n;

    if (tls->broken) {
        errno = ECONNRESET;
        return -1;
    }
    anqa_section_begin();
    ERR_clear_error();
    n = SSL_read(tls->ssl, buf, size > INT_MAX ? INT_MAX : (int)size);
    if (n > 0) {
        tls->chatter = 0;
    } else {
        n = recv_failed(tls, (int)n);
        ERR_clear_error();
    }
    anqa_section_end();
    return n;
}

/* What is to become one record: a piece where it lies, or a copy of several. Moves *i and *at behind it. */
static anqa_str gather(
    struct conn *conn, const struct iovec *pieces, size_t count, size_t *i, size_t *at)
{
    char *room = conn->outlet->seal;
    size_t len = 0;

    while (*i < count && len < RECORD) {
        const char *from = (const char *)pieces[*i].iov_base + *at;
        size_t left = pieces[*i].iov_len - *at, part = left < RECORD - len ? left : RECORD - len;

        *at += part;
        if (part == left) {
            ++*i;
            *at = 0;
        }
        if (len == 0 && (part == RECORD || *i == count))
            return anqa_str_make(from, part);
        memcpy(room + len, from, part);
        len += part;
    }
    return anqa_str_make(room, len);
}

static bool seal(struct tls_conn *tls, anqa_str bytes)
{
    if (tls->broken)
        return false;
    if (bytes.len == 0)
        return true;
    ERR_clear_error();
    if (SSL_write(tls->ssl, bytes.ptr, (int)bytes.len) == (int)bytes.len)
        return true;
    tls->broken = true;
    ERR_clear_error();
    return false;
}

ssize_t tls_send(struct conn *conn, const struct iovec *pieces, size_t count)
{
    struct tls_conn *tls = tls_of(conn);
    size_t i = 0, at = 0;
    ssize_t sent = 0;
    bool works = true;

    anqa_section_begin();
    while (i < count && works && !conn_has_sealed(conn)) {
        anqa_str record = gather(conn, pieces, count, &i, &at);
        works = seal(tls, record);
        if (works)
            sent += (ssize_t)record.len;
    }
    anqa_section_end();
    if (works)
        return sent;
    errno = ECONNRESET;
    return -1;
}

void tls_shut(struct conn *conn)
{
    struct tls_conn *tls = tls_of(conn);

    if (tls->broken || tls->ssl == NULL || SSL_in_init(tls->ssl) ||
        (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN) != 0)
        return;
    anqa_section_begin();
    ERR_clear_error();
    if (SSL_shutdown(tls->ssl) < 0)
        tls->broken = true;
    ERR_clear_error();
    anqa_section_end();
}
