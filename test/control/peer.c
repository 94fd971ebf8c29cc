#include "peer.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"
#include "control/path.h"

char folder[64];

static void folder_remove(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_EQ(system(command), 0);
}

void folder_begin(void)
{
    snprintf(folder, sizeof folder, "/tmp/anqa-control-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    setenv("XDG_RUNTIME_DIR", folder, 1);
    harness_at_end(folder_remove);
}

const char *anqa_folder(void)
{
    static char path[sizeof folder + 8];

    snprintf(path, sizeof path, "%s/anqa", folder);
    return path;
}

const char *socket_path(void)
{
    static char path[CONTROL_PATH_MAX];

    CHECK_STATUS(anqa_control_path(path, sizeof path), ANQA_OK);
    return path;
}

int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

struct peer *peer_open_at(const char *path)
{
    struct peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL)
        return NULL;
    peer->fd = connect_to(path);
    if (peer->fd >= 0)
        return peer;
    free(peer);
    return NULL;
}

struct peer *peer_open(void)
{
    struct peer *peer = peer_open_at(socket_path());

    CHECK(peer != NULL);
    return peer;
}

void peer_close(struct peer *peer)
{
    close(peer->fd);
    free(peer);
}

void say_bytes(struct peer *peer, const char *bytes, size_t len)
{
    CHECK_EQ(send(peer->fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

void say(struct peer *peer, const char *text)
{
    say_bytes(peer, text, strlen(text));
}

void peer_end(struct peer *peer)
{
    CHECK_EQ(shutdown(peer->fd, SHUT_WR), 0);
}

bool has_come(const struct peer *peer)
{
    struct pollfd wait = {.fd = peer->fd, .events = POLLIN};

    return peer->len > 0 || poll(&wait, 1, 0) == 1;
}

bool fill(struct peer *peer)
{
    struct pollfd wait = {.fd = peer->fd, .events = POLLIN};
    ssize_t n;

    CHECK_EQ(poll(&wait, 1, 10000 * (int)harness_slowness()), 1, "nothing came");
    n = recv(peer->fd, peer->bytes + peer->len, sizeof peer->bytes - peer->len - 1, 0);
    if (n > 0)
        peer->len += (size_t)n;
    return n > 0;
}

const char *hear(struct peer *peer)
{
    const char *end;
    char *line;

    while ((end = memchr(peer->bytes, '\n', peer->len)) == NULL)
        if (!fill(peer))
            return NULL;
    line = anqa_tmp_copy(peer->bytes, (size_t)(end - peer->bytes));
    peer->len -= (size_t)(end + 1 - peer->bytes);
    memmove(peer->bytes, end + 1, peer->len);
    return line;
}

const char *ask(struct peer *peer, const char *text)
{
    say(peer, text);
    say(peer, "\n");
    return hear(peer);
}

bool no_client_is_left(void *unused)
{
    anqa_child_counts counts;

    CHECK_STATUS(
        anqa_supervisor_count_children(anqa_whereis(anqa_control_clients.name), &counts), ANQA_OK);
    return counts.active == 0;
}
