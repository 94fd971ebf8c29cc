#include "channel/client.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"

#define LONG_S (HARNESS_LONG_MS / 1000)
#define FRAME_MAX (2u << 20)

/* ---------------------------------------------------------------- the server */

static struct test_endpoint server;
static anqa_pid test_pid;

void server_begin(const anqa_endpoint *endpoint)
{
    server = endpoint_begin(endpoint);
    test_pid = anqa_self();
}

void server_end(void)
{
    endpoint_end(&server);
}

anqa_rt *server_rt(void)
{
    return server.rt;
}

anqa_pid server_endpoint(void)
{
    return server.pid;
}

uint16_t server_port(void)
{
    return endpoint_port(&server);
}

anqa_pid server_test(void)
{
    return test_pid;
}

static bool has_tag(const anqa_msg *msg, void *tag)
{
    return anqa_tag_is(msg->tag, tag);
}

const char *server_told(const char *tag)
{
    const anqa_msg *msg = anqa_receive_if(has_tag, (void *)(uintptr_t)tag, 1000 * LONG_S);

    CHECK(msg != NULL, "%s", tag);
    return msg->body.ptr; /* messages end in NUL */
}

void server_tell(const char *tag, const char *text)
{
    (void)anqa_send(test_pid, tag, anqa_bytes(text, strlen(text)));
}

/* ---------------------------------------------------------------- bytes */

int client_dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(server_port())};
    struct timeval limit = {.tv_sec = LONG_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static int dial(void)
{
    int fd = client_dial();

    CHECK(fd >= 0);
    return fd;
}

static void put(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* it was closed: what is read next shows it */
        at += n;
        len -= (size_t)n;
    }
}

static bool get(int fd, void *bytes, size_t len)
{
    char *at = bytes;

    while (len > 0) {
        ssize_t n = recv(fd, at, len, 0);
        CHECK(n >= 0, "nothing came");
        if (n == 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* ---------------------------------------------------------------- HTTP */

static int read_status(int fd)
{
    char head[8192];
    size_t len = 0;

    while (len < sizeof head - 1) {
        if (!get(fd, head + len, 1))
            break;
        head[++len] = '\0';
        if (len >= 4 && memcmp(head + len - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    head[len] = '\0';
    return len < 12 ? 0 : (int)strtol(head + 9, NULL, 10);
}

int client_raw_request(const char *text)
{
    int fd = dial(), status;

    put(fd, text, strlen(text));
    status = read_status(fd);
    close(fd);
    return status;
}

int client_request(const char *target, const char *extra, struct client *client)
{
    char text[4096];
    int fd = dial(), status;

    snprintf(text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: localhost:%u\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
        target, server_port(), extra);
    put(fd, text, strlen(text));
    status = read_status(fd);
    if (client != NULL)
        client->fd = fd;
    else
        close(fd);
    return status;
}

struct client client_open_at(const char *target)
{
    struct client client;

    CHECK_EQ(client_request(target, "", &client), 101);
    return client;
}

struct client client_open(void)
{
    return client_open_at("/socket/websocket?vsn=2.0.0");
}

void client_close(struct client client)
{
    close(client.fd);
}

/* ---------------------------------------------------------------- frames */

/* Masked with zeroes. Returns the length. */
static size_t frame_write(char *out, unsigned first, const void *bytes, size_t len)
{
    size_t at = 2;

    CHECK(len <= UINT32_MAX);
    out[0] = (char)first;
    if (len < 126) {
        out[1] = (char)(0x80 | len);
    } else if (len <= UINT16_MAX) {
        out[1] = (char)(0x80 | 126);
        out[at++] = (char)(len >> 8);
        out[at++] = (char)len;
    } else {
        out[1] = (char)(0x80 | 127);
        memset(out + at, 0, 4);
        at += 4;
        for (int shift = 24; shift >= 0; shift -= 8)
            out[at++] = (char)(len >> shift);
    }
    memset(out + at, 0, 4);
    at += 4;
    memcpy(out + at, bytes, len);
    return at + len;
}

void client_send_raw(struct client client, unsigned first, const void *bytes, size_t len)
{
    char *frame = malloc(len + 14);

    CHECK(frame != NULL);
    put(client.fd, frame, frame_write(frame, first, bytes, len));
    free(frame);
}

void client_send(struct client client, const char *format, ...)
{
    va_list args;
    char *text;
    int len;

    va_start(args, format);
    len = vasprintf(&text, format, args);
    va_end(args);
    CHECK(len >= 0);
    client_send_raw(client, 0x81, text, (size_t)len);
    free(text);
}

void client_send_bytes(struct client client, const void *bytes, size_t len)
{
    client_send_raw(client, 0x82, bytes, len);
}

void client_send_all(struct client client, const char *const *frames, size_t count)
{
    static char all[1 << 16];
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        CHECK(len + strlen(frames[i]) + 14 <= sizeof all);
        len += frame_write(all + len, 0x81, frames[i], strlen(frames[i]));
    }
    put(client.fd, all, len);
}

struct received {
    unsigned first, opcode; /* 0: the end of the stream */
    size_t len;
    char *bytes; /* static, ends in NUL */
};

static struct received receive(struct client client)
{
    static char bytes[FRAME_MAX + 1];
    unsigned char head[10];
    struct received got = {.bytes = bytes};

    bytes[0] = '\0';
    if (!get(client.fd, head, 2))
        return got;
    got.first = head[0];
    got.opcode = head[0] & 15;
    got.len = head[1];
    if (got.len == 126) {
        CHECK(get(client.fd, head, 2));
        got.len = (size_t)head[0] << 8 | head[1];
    } else if (got.len == 127) {
        CHECK(get(client.fd, head, 8));
        got.len = 0;
        for (int i = 0; i < 8; i++)
            got.len = got.len << 8 | head[i];
    }
    CHECK(got.len <= FRAME_MAX);
    CHECK(get(client.fd, bytes, got.len));
    bytes[got.len] = '\0';
    return got;
}

const char *client_receive_raw(struct client client, unsigned *ret_first, size_t *ret_len)
{
    struct received got = receive(client);

    *ret_first = got.first;
    *ret_len = got.len;
    return got.bytes;
}

const char *client_receive(struct client client)
{
    struct received got = receive(client);

    return got.opcode == 1 ? got.bytes : NULL;
}

void client_expect(struct client client, const char *format, ...)
{
    char wanted[8192];
    struct received got = receive(client);
    va_list args;

    va_start(args, format);
    vsnprintf(wanted, sizeof wanted, format, args);
    va_end(args);
    CHECK_STR(got.opcode == 1 ? got.bytes : "(no text)", wanted, "opcode %u", got.opcode);
}

void client_expect_bytes(struct client client, const void *bytes, size_t len)
{
    struct received got = receive(client);

    CHECK_EQ(got.opcode, 2);
    CHECK_STR(anqa_str_make(got.bytes, got.len), anqa_str_make(bytes, len));
}

void client_expect_close(struct client client, unsigned code)
{
    struct received got = receive(client);

    CHECK_EQ(got.opcode, 8, "%s", got.bytes);
    CHECK(got.len >= 2);
    CHECK_EQ((unsigned)(unsigned char)got.bytes[0] << 8 | (unsigned char)got.bytes[1], code);
}

void client_expect_nothing(struct client client)
{
    client_send(client, "[null,\"beat\",\"phoenix\",\"heartbeat\",{}]");
    client_expect(
        client, "[null,\"beat\",\"phoenix\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]");
}

void client_join(struct client client, const char *ref, const char *topic)
{
    client_send(client, "[\"%s\",\"%s\",\"%s\",\"phx_join\",{}]", ref, ref, topic);
    client_expect(client,
        "[\"%s\",\"%s\",\"%s\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]", ref, ref,
        topic);
}
