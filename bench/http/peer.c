/* Servers that cannot say which port they have: they are given one that was free, and asked until they answer. */
#include "servers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TRIES 3 /* somebody else may take the port that was free a moment ago */

/** A port that is free at this moment. */
static bool free_port(char port[static 8])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool found = fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 &&
                 getsockname(fd, (struct sockaddr *)&address, &len) == 0;

    if (fd >= 0)
        close(fd);
    if (found)
        snprintf(port, 8, "%u", (unsigned)ntohs(address.sin_port));
    return found;
}

static bool answers(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

    if (fd >= 0)
        close(fd);
    return connected;
}

/** False: it has ended, or takes too long. */
static bool wait_answer(const struct server *server)
{
    uint64_t deadline_ns = bench_now_ns() + STAGE_START_S * UINT64_C(1000000000);
    struct pollfd ended = {.fd = server->child.pidfd, .events = POLLIN};

    while (bench_now_ns() < deadline_ns) {
        if (poll(&ended, 1, 10) != 0)
            return false;
        if (answers(server->port))
            return true;
    }
    return false;
}

bool peer_start(
    struct server *server, char *const argv[], bool (*configure)(const struct server *server))
{
    for (unsigned i = 0; i < TRIES; i++) {
        if (!free_port(server->port) || (configure != NULL && !configure(server)))
            return false;
        if (child_launch(&server->child, argv, &server->cpus) && wait_answer(server))
            return true;
        child_end(&server->child);
    }
    return false;
}
