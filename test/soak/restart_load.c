#include "soak/restart_load_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "otp/launched.h"

#define LOOK_MS 50 /* for the end of the load, while a WebSocket is silent */
#define CLOSE_RESTART 1012
#define TEXT 0x81
#define CLOSE 0x88

/* ---------------------------------------------------------------- requests */

/* One connection, until it is closed. */
static void request_all(struct restart_load *load, bool keep_alive)
{
    int fd = launched_dial(load->options.port);
    bool closes = false;

    if (fd < 0) {
        restart_load_count(&load->refused);
        return;
    }
    restart_load_count(&load->connections);
    while (!closes && !restart_load_is_over(load)) {
        if (launched_get(fd, keep_alive, &closes) != 200) {
            restart_load_count(&load->broken);
            break;
        }
        restart_load_count(&load->requests);
        usleep(RESTART_PAUSE_US);
    }
    close(fd);
}

static void *keep_run(void *arg)
{
    while (!restart_load_is_over(arg))
        request_all(arg, true);
    return NULL;
}

static void *single_run(void *arg)
{
    while (!restart_load_is_over(arg))
        request_all(arg, false);
    return NULL;
}

/* ---------------------------------------------------------------- WebSockets */

static const char handshake[] = "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\n"
                                "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const char join[] = "[\"1\",\"1\",\"room:a\",\"phx_join\",{}]";

static bool send_all(int fd, const void *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* With a mask of zeros, which changes nothing. */
static bool send_frame(int fd, uint8_t kind, const void *payload, size_t len)
{
    uint8_t frame[6 + 125] = {kind, (uint8_t)(0x80 | len)};

    memcpy(frame + 6, payload, len);
    return send_all(fd, frame, 6 + len);
}

/* False: the connection has ended, or the load is over. */
static bool receive_all(struct restart_load *load, int fd, void *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = recv(fd, (char *)bytes + done, len - done, 0);
        if (n < 0 && errno == EAGAIN && !restart_load_is_over(load))
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* A frame of less than 126 bytes. */
static bool receive_frame(
    struct restart_load *load, int fd, uint8_t *ret_kind, uint8_t payload[126])
{
    uint8_t head[2];

    if (!receive_all(load, fd, head, 2))
        return false;
    CHECK(head[1] < 126);
    *ret_kind = head[0];
    return receive_all(load, fd, payload, head[1]);
}

static bool upgrade(struct restart_load *load, int fd)
{
    char text[1024];
    size_t len = 0;

    if (!send_all(fd, handshake, sizeof handshake - 1))
        return false;
    for (; len < 4 || memcmp(text + len - 4, "\r\n\r\n", 4) != 0; len++)
        if (len == sizeof text || !receive_all(load, fd, text + len, 1))
            return false;
    return memcmp(text, "HTTP/1.1 101 ", 13) == 0;
}

/* Sits in the room until it is told to come back. */
static bool sit(struct restart_load *load, int fd)
{
    uint8_t kind = 0, payload[126];

    if (!upgrade(load, fd) || !send_frame(fd, TEXT, join, sizeof join - 1) ||
        !receive_frame(load, fd, &kind, payload))
        return false;
    if (kind == TEXT)
        restart_load_count(&load->joins);
    while (kind != CLOSE)
        if (!receive_frame(load, fd, &kind, payload))
            return false;
    (void)send_frame(fd, CLOSE, payload, 2);
    return (payload[0] << 8 | payload[1]) == CLOSE_RESTART;
}

static void *websocket_run(void *arg)
{
    struct restart_load *load = arg;
    struct timeval look = {.tv_usec = LOOK_MS * 1000};

    while (!restart_load_is_over(load)) {
        int fd = launched_dial(load->options.port);
        if (fd < 0) {
            restart_load_count(&load->refused);
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof look);
        if (sit(load, fd))
            restart_load_count(&load->told);
        else if (!restart_load_is_over(load))
            restart_load_count(&load->lost);
        close(fd);
    }
    return NULL;
}

/* ---------------------------------------------------------------- all of them */

static void start(struct restart_load *load, unsigned how_many, void *(*run)(void *))
{
    for (unsigned i = 0; i < how_many; i++)
        CHECK_EQ(pthread_create(&load->threads[load->count++], NULL, run, load), 0);
}

struct restart_load *restart_load_begin(const struct restart_load_options *options)
{
    unsigned most = options->keeping + options->single + 2 * options->framed + options->websockets;
    struct restart_load *load = calloc(1, sizeof *load + most * sizeof load->threads[0]);

    CHECK(load != NULL);
    load->options = *options;
    start(load, options->keeping, keep_run);
    start(load, options->single, single_run);
    start(load, options->framed, restart_h2_run);
    if (options->secure_port != 0)
        start(load, options->framed, restart_h2_secure_run);
    start(load, options->websockets, websocket_run);
    return load;
}

struct restart_load_result restart_load_end(struct restart_load *load)
{
    struct restart_load_result result;

    atomic_store(&load->over, true);
    for (unsigned i = 0; i < load->count; i++)
        CHECK_EQ(pthread_join(load->threads[i], NULL), 0);
    result = (struct restart_load_result){.requests = load->requests,
        .connections = load->connections,
        .framed = load->framed,
        .secure = load->secure,
        .joins = load->joins,
        .told = load->told,
        .refused = load->refused,
        .broken = load->broken,
        .lost = load->lost};
    free(load);
    return result;
}
