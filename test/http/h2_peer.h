/*
 * What the tests of HTTP/2 share: a client that writes frames one by one, right or wrong, and reads what comes. Only HPACK
 * is nghttp2's.
 */
#ifndef TEST_HTTP_H2_PEER_H
#define TEST_HTTP_H2_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h> /* IWYU pragma: export */

#define H2_PEER_FRAME 16384u

/* A connection. */
struct h2_peer {
    int fd;
    nghttp2_hd_deflater *deflater;
    nghttp2_hd_inflater *inflater;
};

/* A frame that has come. */
struct h2_got {
    bool over; /* it is none: the connection has ended, or nothing came in time */
    uint8_t type, flags;
    uint32_t stream, len;
    uint32_t error;     /* RST_STREAM, GOAWAY */
    uint32_t last;      /* GOAWAY: the last stream */
    uint32_t increment; /* WINDOW_UPDATE */
    char text[4096];    /* HEADERS: "name: value\n" for each; DATA: its beginning, ended by a NUL */
};

/* What a stream was answered with. */
struct h2_answer {
    unsigned status; /* 0: none has come */
    bool reset, over;
    uint32_t error; /* of the reset, or of a GOAWAY */
    size_t len;     /* of the body, which is cut to: */
    char head[4096], body[8192];
};

/* With preface and SETTINGS. */
struct h2_peer h2_dial(uint16_t port);
/* A connection on which nothing was said. */
struct h2_peer h2_dial_mute(uint16_t port);
void h2_hang_up(struct h2_peer *peer);

void h2_put(struct h2_peer *peer, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
    size_t len);
/* Fields as name, value, name, ..., NULL. */
void h2_put_headers(
    struct h2_peer *peer, uint32_t stream, uint8_t flags, const char *const *fields);
/* A request without a body. */
void h2_get(struct h2_peer *peer, uint32_t stream, const char *path);
/* The head of a POST; its body follows. */
void h2_post(struct h2_peer *peer, uint32_t stream, const char *path);
void h2_data(struct h2_peer *peer, uint32_t stream, const char *text, bool last);
void h2_reset(struct h2_peer *peer, uint32_t stream, uint32_t error);
void h2_open_window(struct h2_peer *peer, uint32_t stream, uint32_t increment);
void h2_setting(struct h2_peer *peer, uint16_t id, uint32_t value);

void h2_next(struct h2_peer *peer, struct h2_got *ret_got);
/* Reads on to a frame of that type and stream. */
void h2_wait(struct h2_peer *peer, uint8_t type, uint32_t stream, struct h2_got *ret_got);
/* Reads on to the end of that stream. Opens the windows for what comes. */
const struct h2_answer *h2_read(struct h2_peer *peer, uint32_t stream);
/* Reads on to the end of the connection: the error of its GOAWAY; -1: there was none. */
int64_t h2_read_end(struct h2_peer *peer);
/* Whether the server takes notice of a PING; frames before its answer are read over. */
bool h2_is_alive(struct h2_peer *peer);

#endif
