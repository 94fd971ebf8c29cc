/* What targets share whose input is what a client sends: an endpoint at `fuzz_site_address`, and the client. */
#ifndef TEST_FUZZ_SITE_H
#define TEST_FUZZ_SITE_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz/process.h"

static char fuzz_site_address[64];

/* Starts it in the runtime of the caller; `what` tells targets apart that run at the same time. */
static inline anqa_pid fuzz_site_start(const anqa_endpoint *endpoint, const char *what)
{
    anqa_pid pid;

    snprintf(
        fuzz_site_address, sizeof fuzz_site_address, "unix:@anqa-fuzz-%s-%d", what, (int)getpid());
    anqa_log_set_level(ANQA_LOG_NONE);
    fuzz_require(
        anqa_gen_server_start(&anqa_endpoint_server, endpoint, NULL, &pid, NULL) == ANQA_OK);
    return pid;
}

/* The same in a runtime of its own, for one input. */
static inline anqa_pid fuzz_site_begin(
    const anqa_endpoint *endpoint, const char *what, anqa_rt **ret_rt)
{
    fuzz_require(anqa_start(&(anqa_options){.schedulers = 1}, ret_rt, NULL) == ANQA_OK);
    fuzz_require(anqa_attach(*ret_rt, NULL) == ANQA_OK);
    return fuzz_site_start(endpoint, what);
}

static inline void fuzz_site_end(anqa_rt *rt, anqa_pid pid)
{
    fuzz_require(anqa_gen_server_stop(pid, ANQA_SHUTDOWN, 10000) == ANQA_OK);
    anqa_detach();
    anqa_stop(rt);
}

static inline int fuzz_site_dial(void)
{
    const char *name = fuzz_site_address + strlen("unix:@");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t len = strlen(name);

    memcpy(to.sun_path + 1, name, len);
    fuzz_require(
        fd >= 0 && connect(fd, (struct sockaddr *)&to,
                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) == 0);
    fuzz_require(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    return fd;
}

/* All of it in pieces of `step`, as long as the server takes them; then the end of the client's side. */
static inline void fuzz_site_send(int fd, const void *bytes, size_t len, size_t step)
{
    const char *from = bytes;

    for (size_t at = 0; at < len; at += step) {
        size_t part = len - at < step ? len - at : step;
        if (send(fd, from + at, part, MSG_NOSIGNAL) < (ssize_t)part)
            break;
    }
    shutdown(fd, SHUT_WR);
}

/* All that comes back until the connection ends, which it does in time: how much. Closes it. */
static inline size_t fuzz_site_read(int fd, void *answer, size_t size)
{
    size_t got = 0;
    ssize_t n;

    while ((n = recv(fd, (char *)answer + got, size - got, 0)) > 0 || (n < 0 && errno == EINTR))
        got += n > 0 ? (size_t)n : 0;            /* libFuzzer has a timer */
    fuzz_require(n == 0 || errno == ECONNRESET); /* what it has not read makes it a reset */
    close(fd);
    return got;
}

#endif
