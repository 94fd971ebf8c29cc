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
    struct timeval limit = {.tv_sec = 5 * (time_t)harness_slowness()};
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

size_t peer_get(int fd, const char *end, char *buf, size_t size)
{
    size_t len = 0;

    buf[0] = '\0';
    while (len + 1 < size) {
        ssize_t n = recv(fd, buf + len, size - 1 - len, 0);
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

    return recv(fd, &c, 1, 0) <= 0 && errno != EAGAIN;
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
