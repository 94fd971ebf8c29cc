#include "http/peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

static bool reach(uint16_t port, int fd)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
}

bool peer_can_dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool reached = reach(port, fd);

    close(fd);
    return reached;
}

int peer_dial(uint16_t port)
{
    struct timeval limit = {.tv_sec = 20 * (time_t)harness_slowness()};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && reach(port, fd));
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    return fd;
}

void peer_put(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

void peer_say(int fd, const char *text)
{
    peer_put(fd, text, strlen(text));
}

/* A signal whose handler runs in this thread ends a recv that has a limit, however it was installed: so do ticks, and
 * the ends of the runtime's children. */
static ssize_t receive(int fd, char *buf, size_t size)
{
    ssize_t n;

    do
        n = recv(fd, buf, size, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

static bool receive_all(int fd, char *buf, size_t size)
{
    while (size > 0) {
        ssize_t n = receive(fd, buf, size);
        if (n <= 0)
            return false;
        buf += n;
        size -= (size_t)n;
    }
    return true;
}

size_t peer_get(int fd, const char *end, char *buf, size_t size)
{
    size_t len = 0;

    buf[0] = '\0';
    while (len + 1 < size) {
        ssize_t n = receive(fd, buf + len, size - 1 - len);
        if (n <= 0)
            return len;
        len += (size_t)n;
        buf[len] = '\0';
        if (end != NULL && strstr(buf, end) != NULL)
            return len;
    }
    return len;
}

bool peer_at_end(int fd)
{
    char c;
    ssize_t n = receive(fd, &c, 1);

    return n == 0 || (n < 0 && errno != EAGAIN);
}

const char *peer_ask(uint16_t port, const char *request)
{
    static char answer[1 << 16];
    int fd = peer_dial(port);

    peer_say(fd, request);
    (void)peer_get(fd, NULL, answer, sizeof answer);
    close(fd);
    return answer;
}

/* ---------------------------------------------------------------- WebSocket frames */

void peer_put_frame(int fd, unsigned opcode, const char *data, size_t len)
{
    static char frame[1 << 17];
    size_t at = 0;

    frame[at++] = (char)(0x80 | opcode);
    if (len < 126) {
        frame[at++] = (char)(0x80 | len);
    } else if (len < 65536) {
        frame[at++] = (char)(0x80 | 126);
        frame[at++] = (char)(len >> 8);
        frame[at++] = (char)len;
    } else {
        frame[at++] = (char)(0x80 | 127);
        for (int i = 7; i >= 0; i--)
            frame[at++] = (char)(len >> (8 * i));
    }
    memset(frame + at, 0, 4); /* a mask that changes nothing */
    at += 4;
    memcpy(frame + at, data, len);
    peer_put(fd, frame, at + len);
}

int peer_get_frame(int fd, char *buf, size_t size, size_t *ret_len)
{
    char first[2];
    unsigned char more[8];
    size_t len, bytes;

    if (!receive_all(fd, first, sizeof first))
        return -1;
    len = (unsigned char)first[1] & 0x7f;
    bytes = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (bytes > 0) {
        CHECK(receive_all(fd, (char *)more, bytes));
        len = 0;
    }
    for (size_t i = 0; i < bytes; i++)
        len = len << 8 | more[i];
    CHECK(len < size);
    if (!receive_all(fd, buf, len))
        return -1;
    buf[len] = '\0';
    *ret_len = len;
    return first[0] & 0x0f;
}
