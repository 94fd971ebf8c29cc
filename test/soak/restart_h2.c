/* Clients of HTTP/2 for the load of restart_load.h. */
#include "soak/restart_load_int.h"

#ifdef HAVE_LIBNGHTTP2
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>
#ifdef HAVE_OPENSSL
#include <openssl/ssl.h>
#endif

#include "harness.h"
#include "otp/launched.h"

#define STREAMS 4 /* that are asked for at once */

/* A request on its way. */
struct ask {
    int32_t stream; /* 0: none */
    bool fine;      /* answered with 200 */
    size_t len;
    char body[64];
};

/* owner: one thread */
struct client {
    struct restart_load *load;
    int fd;
#ifdef HAVE_OPENSSL
    SSL *ssl; /* NULL: it is spoken in the clear */
#endif
    nghttp2_session *session;
    bool leaves; /* it was told to go elsewhere */
    unsigned open;
    struct ask asks[STREAMS];
};

static struct ask *find(struct client *client, int32_t stream)
{
    for (unsigned i = 0; i < STREAMS; i++)
        if (client->asks[i].stream == stream)
            return &client->asks[i];
    return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
    size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct ask *ask = find(user, frame->hd.stream_id);

    if (ask != NULL && name_len == 7 && memcmp(name, ":status", 7) == 0)
        ask->fine = value_len == 3 && memcmp(value, "200", 3) == 0;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
    size_t len, void *user)
{
    struct ask *ask = find(user, stream);

    if (ask != NULL && len <= sizeof ask->body - ask->len) {
        memcpy(ask->body + ask->len, data, len);
        ask->len += len;
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct client *client = user;

    if (frame->hd.type == NGHTTP2_GOAWAY)
        client->leaves = true;
    return 0;
}

/* Streams that a server has refused, also by its GOAWAY, were not looked at: they may be asked for again. */
static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
    struct client *client = user;
    struct ask *ask = find(client, stream);

    if (ask == NULL)
        return 0;
    if (error == NGHTTP2_NO_ERROR && ask->fine &&
        anqa_str_is(anqa_str_make(ask->body, ask->len), LAUNCHED_HELLO))
        restart_load_count(&client->load->requests);
    else if (error != NGHTTP2_REFUSED_STREAM)
        restart_load_count(&client->load->broken);
    *ask = (struct ask){0};
    client->open--;
    return 0;
}

static void begin(struct client *client)
{
    nghttp2_session_callbacks *callbacks;

    CHECK_EQ(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    CHECK_EQ(nghttp2_session_client_new(&client->session, callbacks, client), 0);
    nghttp2_session_callbacks_del(callbacks);
    CHECK_EQ(nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
}

#define FIELD(name, value)                                                                     \
    {(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value), \
        NGHTTP2_NV_FLAG_NONE}

static void ask_all(struct client *client)
{
    const nghttp2_nv fields[] = {FIELD(":method", "GET"), FIELD(":scheme", "http"),
        FIELD(":authority", "a"), FIELD(":path", "/hello.txt")};

    for (unsigned i = 0; i < STREAMS; i++) {
        client->asks[i] = (struct ask){
            .stream = nghttp2_submit_request(client->session, NULL, fields, 4, NULL, NULL)};
        CHECK(client->asks[i].stream > 0);
        client->open++;
    }
}

static bool put(struct client *client, const uint8_t *bytes, size_t len)
{
#ifdef HAVE_OPENSSL
    if (client->ssl != NULL)
        return SSL_write(client->ssl, bytes, (int)len) == (int)len;
#endif
    return send(client->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static ssize_t get(struct client *client, uint8_t *bytes, size_t size)
{
#ifdef HAVE_OPENSSL
    if (client->ssl != NULL)
        return SSL_read(client->ssl, bytes, (int)size);
#endif
    return recv(client->fd, bytes, size, 0);
}

/* False: the connection has broken. */
static bool pump(struct client *client)
{
    const uint8_t *out;
    uint8_t in[4096];
    ssize_t n;

    while ((n = nghttp2_session_mem_send(client->session, &out)) > 0)
        if (!put(client, out, (size_t)n))
            return false;
    if (client->open == 0)
        return true;
    n = get(client, in, sizeof in);
    return n > 0 && nghttp2_session_mem_recv(client->session, in, (size_t)n) == n;
}

/* One connection, until it is told to go. */
static void ask_on(struct client *client)
{
    begin(client);
    while (!client->leaves && !restart_load_is_over(client->load)) {
        ask_all(client);
        while (client->open > 0 && pump(client))
            ;
        for (unsigned i = 0; i < client->open; i++)
            restart_load_count(&client->load->broken);
        if (client->open > 0)
            break;
        usleep(STREAMS * RESTART_PAUSE_US);
    }
    nghttp2_session_del(client->session);
}

void *restart_h2_run(void *arg)
{
    struct restart_load *load = arg;

    while (!restart_load_is_over(load)) {
        struct client client = {.load = load, .fd = launched_dial(load->options.port)};
        if (client.fd < 0) {
            restart_load_count(&load->refused);
            continue;
        }
        restart_load_count(&load->framed);
        ask_on(&client);
        close(client.fd);
    }
    return NULL;
}

#ifdef HAVE_OPENSSL
static void ask_secure(struct restart_load *load, SSL_CTX *context)
{
    struct client client = {.load = load, .fd = launched_dial(load->options.secure_port)};

    if (client.fd < 0) {
        restart_load_count(&load->refused);
        return;
    }
    client.ssl = SSL_new(context);
    CHECK(client.ssl != NULL && SSL_set_fd(client.ssl, client.fd) == 1);
    if (SSL_connect(client.ssl) == 1) {
        restart_load_count(&load->secure);
        ask_on(&client);
    } else {
        restart_load_count(&load->broken);
    }
    SSL_free(client.ssl);
    close(client.fd);
}

void *restart_h2_secure_run(void *arg)
{
    static const unsigned char protocols[] = "\x02h2";
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    CHECK(
        context != NULL && SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1) == 0);
    while (!restart_load_is_over(arg))
        ask_secure(arg, context);
    SSL_CTX_free(context);
    return NULL;
}
#else
void *restart_h2_secure_run(void *arg)
{
    return NULL;
}
#endif

#else

void *restart_h2_run(void *arg)
{
    return NULL;
}

void *restart_h2_secure_run(void *arg)
{
    return NULL;
}
#endif
