#include "http/h2_peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "http/peer.h"

#define FIELDS_MAX 256
#define END_BOTH (NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM)

/* ---------------------------------------------------------------- life */

struct h2_peer h2_dial_mute(uint16_t port)
{
    struct h2_peer peer = {.fd = peer_dial(port)};
    int on = 1;

    CHECK(setsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    CHECK(nghttp2_hd_deflate_new(&peer.deflater, 4096) == 0);
    CHECK(nghttp2_hd_inflate_new(&peer.inflater) == 0);
    return peer;
}

struct h2_peer h2_dial(uint16_t port)
{
    struct h2_peer peer = h2_dial_mute(port);

    peer_say(peer.fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    h2_put(&peer, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    return peer;
}

void h2_hang_up(struct h2_peer *peer)
{
    nghttp2_hd_deflate_del(peer->deflater);
    nghttp2_hd_inflate_del(peer->inflater);
    close(peer->fd);
}

/* ---------------------------------------------------------------- frames out */

static void put32(unsigned char *to, uint32_t value)
{
    value = htonl(value);
    memcpy(to, &value, 4);
}

void h2_put(struct h2_peer *peer, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
    size_t len)
{
    unsigned char frame[9 + 2 * H2_PEER_FRAME];

    CHECK(len <= sizeof frame - 9);
    put32(frame, (uint32_t)len << 8);
    frame[3] = type;
    frame[4] = flags;
    put32(frame + 5, stream);
    if (len > 0)
        memcpy(frame + 9, payload, len);
    peer_put(peer->fd, (const char *)frame, 9 + len);
}

void h2_put_headers(struct h2_peer *peer, uint32_t stream, uint8_t flags, const char *const *fields)
{
    nghttp2_nv list[FIELDS_MAX];
    uint8_t block[2 * H2_PEER_FRAME];
    size_t count = 0;
    ssize_t len;

    for (; *fields != NULL; fields += 2) {
        CHECK(count < FIELDS_MAX);
        list[count++] =
            (nghttp2_nv){(uint8_t *)(uintptr_t)fields[0], (uint8_t *)(uintptr_t)fields[1],
                strlen(fields[0]), strlen(fields[1]), NGHTTP2_NV_FLAG_NONE};
    }
    len = nghttp2_hd_deflate_hd(peer->deflater, block, sizeof block, list, count);
    CHECK(len >= 0);
    if ((size_t)len <= H2_PEER_FRAME) {
        h2_put(peer, NGHTTP2_HEADERS, flags, stream, block, (size_t)len);
        return;
    }
    h2_put(peer, NGHTTP2_HEADERS, flags & ~NGHTTP2_FLAG_END_HEADERS, stream, block, H2_PEER_FRAME);
    h2_put(peer, NGHTTP2_CONTINUATION, flags & NGHTTP2_FLAG_END_HEADERS, stream,
        block + H2_PEER_FRAME, (size_t)len - H2_PEER_FRAME);
}

void h2_get(struct h2_peer *peer, uint32_t stream, const char *path)
{
    h2_put_headers(peer, stream, END_BOTH,
        (const char *const[]){
            ":method", "GET", ":scheme", "http", ":path", path, ":authority", "example.org", NULL});
}

void h2_post(struct h2_peer *peer, uint32_t stream, const char *path)
{
    h2_put_headers(peer, stream, NGHTTP2_FLAG_END_HEADERS,
        (const char *const[]){":method", "POST", ":scheme", "http", ":path", path, ":authority",
            "example.org", NULL});
}

void h2_data(struct h2_peer *peer, uint32_t stream, const char *text, bool last)
{
    h2_put(peer, NGHTTP2_DATA, last ? NGHTTP2_FLAG_END_STREAM : 0, stream, text, strlen(text));
}

static void put_number(struct h2_peer *peer, uint8_t type, uint32_t stream, uint32_t number)
{
    unsigned char payload[4];

    put32(payload, number);
    h2_put(peer, type, 0, stream, payload, sizeof payload);
}

void h2_reset(struct h2_peer *peer, uint32_t stream, uint32_t error)
{
    put_number(peer, NGHTTP2_RST_STREAM, stream, error);
}

void h2_open_window(struct h2_peer *peer, uint32_t stream, uint32_t increment)
{
    put_number(peer, NGHTTP2_WINDOW_UPDATE, stream, increment);
}

void h2_setting(struct h2_peer *peer, uint16_t id, uint32_t value)
{
    unsigned char payload[6] = {(unsigned char)(id >> 8), (unsigned char)id};

    put32(payload + 2, value);
    h2_put(peer, NGHTTP2_SETTINGS, 0, 0, payload, sizeof payload);
}

/* ---------------------------------------------------------------- frames in */

static bool read_all(int fd, unsigned char *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, buf, len, 0);
        if (n <= 0)
            return false;
        buf += n;
        len -= (size_t)n;
    }
    return true;
}

static uint32_t get32(const unsigned char *from)
{
    uint32_t value;

    memcpy(&value, from, 4);
    return ntohl(value);
}

static void append(char *text, size_t size, const void *bytes, size_t len)
{
    size_t at = strlen(text);

    if (len > size - 1 - at)
        len = size - 1 - at;
    memcpy(text + at, bytes, len);
    text[at + len] = '\0';
}

static void inflate(
    struct h2_peer *peer, struct h2_got *got, const unsigned char *block, size_t len)
{
    for (;;) {
        nghttp2_nv field;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(peer->inflater, &field, &flags, block, len, 1);
        CHECK(n >= 0);
        block += n;
        len -= (size_t)n;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            append(got->text, sizeof got->text, field.name, field.namelen);
            append(got->text, sizeof got->text, ": ", 2);
            append(got->text, sizeof got->text, field.value, field.valuelen);
            append(got->text, sizeof got->text, "\n", 1);
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            nghttp2_hd_inflate_end_headers(peer->inflater);
            return;
        }
    }
}

void h2_next(struct h2_peer *peer, struct h2_got *got)
{
    static unsigned char payload[H2_PEER_FRAME];
    unsigned char head[9];

    *got = (struct h2_got){.over = true};
    if (!read_all(peer->fd, head, sizeof head))
        return;
    got->len = get32(head) >> 8;
    got->type = head[3];
    got->flags = head[4];
    got->stream = get32(head + 5);
    CHECK(got->len <= H2_PEER_FRAME, "%u", got->len);
    if (!read_all(peer->fd, payload, got->len))
        return;
    got->over = false;
    if (got->type == NGHTTP2_SETTINGS && (got->flags & NGHTTP2_FLAG_ACK) == 0)
        h2_put(peer, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
    switch (got->type) {
    case NGHTTP2_HEADERS: inflate(peer, got, payload, got->len); break;
    case NGHTTP2_DATA: append(got->text, sizeof got->text, payload, got->len); break;
    case NGHTTP2_WINDOW_UPDATE: got->increment = get32(payload); break;
    case NGHTTP2_RST_STREAM: got->error = get32(payload); break;
    case NGHTTP2_GOAWAY:
        got->last = get32(payload);
        got->error = get32(payload + 4);
        break;
    default: break;
    }
}

void h2_wait(struct h2_peer *peer, uint8_t type, uint32_t stream, struct h2_got *got)
{
    do
        h2_next(peer, got);
    while (!got->over && (got->type != type || got->stream != stream));
    CHECK(!got->over, "no frame of type %u for stream %u", type, stream);
}

static void take(struct h2_peer *peer, struct h2_answer *answer, const struct h2_got *got)
{
    switch (got->type) {
    case NGHTTP2_HEADERS:
        if (strncmp(got->text, ":status: ", 9) == 0)
            answer->status = (unsigned)strtoul(got->text + 9, NULL, 10);
        append(answer->head, sizeof answer->head, got->text, strlen(got->text));
        break;
    case NGHTTP2_DATA:
        answer->len += got->len;
        append(answer->body, sizeof answer->body, got->text, strlen(got->text));
        if (got->len == 0)
            break;
        h2_open_window(peer, 0, got->len);
        if ((got->flags & NGHTTP2_FLAG_END_STREAM) == 0)
            h2_open_window(peer, got->stream, got->len);
        break;
    default: break;
    }
}

const struct h2_answer *h2_read(struct h2_peer *peer, uint32_t stream)
{
    static struct h2_answer answer;
    struct h2_got got;

    memset(&answer, 0, sizeof answer);
    for (;;) {
        h2_next(peer, &got);
        answer.over = got.over;
        if (got.type == NGHTTP2_GOAWAY)
            answer.error = got.error;
        if (got.over)
            return &answer;
        if (got.stream != stream) {
            if (got.type == NGHTTP2_DATA &&
                got.len > 0) /* of one that was given up: the window is everybody's */
                h2_open_window(peer, 0, got.len);
            continue;
        }
        take(peer, &answer, &got);
        answer.reset = got.type == NGHTTP2_RST_STREAM;
        if (answer.reset)
            answer.error = got.error;
        if (answer.reset || ((got.type == NGHTTP2_DATA || got.type == NGHTTP2_HEADERS) &&
                                (got.flags & NGHTTP2_FLAG_END_STREAM) != 0))
            return &answer;
    }
}

int64_t h2_read_end(struct h2_peer *peer)
{
    int64_t error = -1;
    struct h2_got got;

    for (;;) {
        h2_next(peer, &got);
        if (got.over)
            return error;
        if (got.type == NGHTTP2_GOAWAY)
            error = got.error;
    }
}

bool h2_is_alive(struct h2_peer *peer)
{
    struct h2_got got;

    h2_put(peer, NGHTTP2_PING, 0, 0, "01234567", 8);
    do
        h2_next(peer, &got);
    while (!got.over && (got.type != NGHTTP2_PING || (got.flags & NGHTTP2_FLAG_ACK) == 0));
    return !got.over;
}
