#include "otp/launched.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define LIMIT_MS 60000u
#define SAID_MAX (1u << 20)
#define FIRST_FD 3
#define LISTENING "listening on http://127.0.0.1:"

/* ---------------------------------------------------------------- starting */

static void place_sockets(const struct launch *launch)
{
    char text[32];
    int high[16];

    if (launch->socket_count == 0)
        return;
    for (size_t i = 0; i < launch->socket_count; i++)
        high[i] = fcntl(launch->sockets[i], F_DUPFD, 100);
    for (size_t i = 0; i < launch->socket_count; i++)
        dup2(high[i], FIRST_FD + (int)i);
    close_range(FIRST_FD + (unsigned)launch->socket_count, ~0u, 0);
    snprintf(text, sizeof text, "%zu", launch->socket_count);
    setenv("LISTEN_FDS", text, 1);
    snprintf(text, sizeof text, "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
    if (launch->socket_names != NULL)
        setenv("LISTEN_FDNAMES", launch->socket_names, 1);
}

static void become(const struct launch *launch, const struct launched *server)
{
    const char *arguments[16] = {launch->program, "--program.pid_file=pid"};
    size_t count = 2;
    int out;

    if (fchdir(server->folder) < 0)
        _exit(99);
    out = open("out", O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    setenv("PORT", "0", 1);
    for (size_t i = 0; launch->variables != NULL && launch->variables[i] != NULL; i++)
        putenv((char *)(uintptr_t)launch->variables[i]);
    for (size_t i = 0; launch->arguments != NULL && launch->arguments[i] != NULL; i++)
        arguments[count++] = launch->arguments[i];
    place_sockets(launch);
    execv(launch->program, (char **)(uintptr_t)arguments);
    _exit(98);
}

struct launched launched_begin(const struct launch *launch)
{
    struct launched server = {.path = "/tmp/anqa-restart-XXXXXX"};

    CHECK(mkdtemp(server.path) != NULL);
    server.folder = open(server.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(server.folder >= 0);
    launched_put(&server, "hello.txt", LAUNCHED_HELLO);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    server.pid = fork();
    if (server.pid == 0)
        become(launch, &server);
    CHECK(server.pid > 0);
    launched_await_successor(&server, 0);
    if (launch->socket_count == 0)
        server.port = launched_port(&server, 0);
    return server;
}

/* ---------------------------------------------------------------- its files */

void launched_put(const struct launched *server, const char *name, const char *content)
{
    int fd = openat(server->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
}

/* The content of a file, in a static buffer; "": there is none. */
static const char *content(const struct launched *server, const char *name)
{
    static char text[SAID_MAX];
    int fd = openat(server->folder, name, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n = 1;

    for (; fd >= 0 && n > 0 && len < sizeof text - 1; len += n > 0 ? (size_t)n : 0)
        n = read(fd, text + len, sizeof text - 1 - len);
    text[len] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static unsigned occurrences(const char *text, const char *part)
{
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        count++;
    return count;
}

void launched_await(const struct launched *server, const char *text, unsigned count)
{
    for (unsigned ms = 0; occurrences(content(server, "out"), text) < count; ms += 5) {
        CHECK(ms < LIMIT_MS, "'%s' was not said %u times: %s", text, count, content(server, "out"));
        usleep(5000);
    }
}

uint16_t launched_port(const struct launched *server, unsigned back)
{
    const char *said = content(server, "out"), *found[64];
    size_t count = 0;

    for (const char *at = said; (at = strstr(at, LISTENING)) != NULL && count < ANQA_COUNT(found);)
        found[count++] = at += strlen(LISTENING);
    CHECK(count > back, "%s", said);
    return (uint16_t)strtol(found[count - 1 - back], NULL, 10);
}

uint16_t launched_secure_port(const struct launched *server)
{
    static const char listening[] = "listening on https://127.0.0.1:";
    const char *said = content(server, "out"), *at = strstr(said, listening);

    CHECK(at != NULL, "%s", said);
    return (uint16_t)strtol(at + sizeof listening - 1, NULL, 10);
}

/* ---------------------------------------------------------------- its life */

void launched_signal(const struct launched *server, int signal)
{
    CHECK(kill(server->pid, signal) == 0);
}

int launched_wait(pid_t pid)
{
    int status = 0;

    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

void launched_await_successor(struct launched *server, pid_t before)
{
    pid_t pid = before;

    for (unsigned ms = 0; pid == before || pid == 0; ms += 5) {
        CHECK(ms < LIMIT_MS, "it has not started: %s", content(server, "out"));
        usleep(5000);
        pid = (pid_t)strtol(content(server, "pid"), NULL, 10);
    }
    server->pid = pid;
}

void launched_restart(struct launched *server)
{
    pid_t before = server->pid;
    int status;

    launched_signal(server, SIGUSR2);
    launched_await_successor(server, before);
    status = launched_wait(before);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x: %s", (unsigned)status,
        content(server, "out"));
}

void launched_end(struct launched *server)
{
    static const char *const files[] = {
        "out", "hello.txt", "mode", "go", "server", "server.conf", "notify"};
    int status;

    launched_signal(server, SIGTERM);
    status = launched_wait(server->pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x: %s", (unsigned)status,
        content(server, "out"));
    CHECK(faccessat(server->folder, "pid", F_OK, 0) < 0, "its pid file is removed");
    CHECK(strstr(content(server, "out"), "control.failed") == NULL, "%s", content(server, "out"));
    for (size_t i = 0; i < ANQA_COUNT(files); i++)
        unlinkat(server->folder, files[i], 0);
    close(server->folder);
    (void)rmdir(server->path);
}

/* ---------------------------------------------------------------- a client */

int launched_dial(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = LIMIT_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Reads one answer. NULL: the connection broke. */
static const char *answer(int fd, char *text, size_t size)
{
    size_t len = 0;

    for (;;) {
        ssize_t n = recv(fd, text + len, size - 1 - len, 0);
        char *body;
        if (n <= 0)
            return NULL;
        len += (size_t)n;
        text[len] = '\0';
        body = strstr(text, "\r\n\r\n");
        if (body != NULL && strlen(body + 4) >= strlen(LAUNCHED_HELLO))
            return body + 4;
    }
}

int launched_get(int fd, bool keep_alive, bool *ret_close)
{
    static const char head[] = "GET /hello.txt HTTP/1.1\r\nHost: a\r\n";
    char text[2048];
    const char *end = keep_alive ? "\r\n" : "Connection: close\r\n\r\n", *body;

    snprintf(text, sizeof text, "%s%s", head, end);
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
        return -1;
    body = answer(fd, text, sizeof text);
    if (body == NULL)
        return -1;
    CHECK_STR(body, LAUNCHED_HELLO);
    *ret_close = strcasestr(text, "\r\nconnection: close") != NULL;
    return (int)strtol(text + strlen("HTTP/1.1 "), NULL, 10);
}

int launched_get_once(uint16_t port)
{
    int fd = launched_dial(port), status = -1;
    bool closes;

    if (fd < 0)
        return -1;
    status = launched_get(fd, false, &closes);
    close(fd);
    return status;
}
