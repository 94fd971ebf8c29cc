#include "soak/http_polite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "soak/look.h"

#define EVERY_NS UINT64_C(100000000)
#define ECHO_EACH 10 /* every so many requests have a body */
#define ECHO_BYTES 1000
#define TIMES_MAX (1u << 20)
#define LAST_NS UINT64_C(10000000000) /* for what was asked for last */

struct client {
    int fd; /* -1: it has lost its connection */
    bool asked;
    uint64_t due_ns;
    uint32_t number;
    char text[2048];
    size_t len;
};

/* The lock guards the result, the times, and `over`; the clients are the thread's. */
struct polite {
    pthread_t thread;
    pthread_mutex_t lock;
    struct polite_result result;
    uint32_t *times_us;
    uint32_t time_count;
    bool over;
    int epoll;
    uint16_t port;
    uint32_t count;
    struct client clients[];
};

static void fail(struct polite *polite, struct client *client, const char *format, ...)
    ANQA_PRINTF(3, 4);

static void fail(struct polite *polite, struct client *client, const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&polite->lock);
    if (polite->result.failed++ == 0) {
        va_start(args, format);
        vsnprintf(polite->result.first, sizeof polite->result.first, format, args);
        va_end(args);
    }
    pthread_mutex_unlock(&polite->lock);
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

static void dial(struct polite *polite, struct client *client)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
        .sin_port = htons(polite->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        epoll_ctl(polite->epoll, EPOLL_CTL_ADD, client->fd, &event) < 0)
        fail(polite, client, "connecting: %s", strerror(errno));
}

/* ---------------------------------------------------------------- asking */

static bool has_body(const struct client *client)
{
    return client->number % ECHO_EACH == 0;
}

static int write_body(const struct client *client, char *out)
{
    return snprintf(out, ECHO_BYTES + 1, "%0*u", ECHO_BYTES, client->number);
}

static void ask(struct polite *polite, struct client *client)
{
    char request[ECHO_BYTES + 128];
    int len;

    client->number++;
    client->asked = true;
    client->len = 0;
    if (has_body(client)) {
        len = snprintf(request, sizeof request,
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", ECHO_BYTES);
        len += write_body(client, request + len);
    } else {
        len = snprintf(
            request, sizeof request, "GET /number/%u HTTP/1.1\r\nHost: a\r\n\r\n", client->number);
    }
    if (send(client->fd, request, (size_t)len, MSG_NOSIGNAL) != len)
        fail(polite, client, "sending: %s", strerror(errno));
}

/* ---------------------------------------------------------------- being answered */

static void answered(struct polite *polite, struct client *client)
{
    uint64_t took_us = (look_now_ns() - client->due_ns) / 1000;

    client->asked = false;
    client->due_ns += EVERY_NS;
    pthread_mutex_lock(&polite->lock);
    polite->result.requests++;
    if (polite->time_count < TIMES_MAX)
        polite->times_us[polite->time_count++] = (uint32_t)took_us;
    pthread_mutex_unlock(&polite->lock);
}

/* The body of an answer that is whole; NULL: it is not. */
static const char *whole_body(struct client *client, size_t *ret_len)
{
    const char *end, *field;

    client->text[client->len] = '\0';
    end = strstr(client->text, "\r\n\r\n");
    field = strstr(client->text, "\r\ncontent-length: ");
    if (end == NULL || field == NULL || sscanf(field, " content-length: %zu", ret_len) != 1)
        return NULL;
    end += 4;
    return (size_t)(end - client->text) + *ret_len <= client->len ? end : NULL;
}

static void look_at_answer(struct polite *polite, struct client *client)
{
    char wanted[ECHO_BYTES + 1];
    int wanted_len = has_body(client) ? write_body(client, wanted)
                                      : snprintf(wanted, sizeof wanted, "%u", client->number);
    size_t len;
    const char *body = whole_body(client, &len);

    if (body == NULL)
        return;
    if (memcmp(client->text, "HTTP/1.1 200 ", 13) != 0 || len != (size_t)wanted_len ||
        memcmp(body, wanted, len) != 0 || body + len != client->text + client->len)
        fail(polite, client, "request %u was answered: %.150s", client->number, client->text);
    else
        answered(polite, client);
}

static void readable(struct polite *polite, struct client *client)
{
    size_t room = sizeof client->text - 1 - client->len;
    ssize_t n;

    if (client->fd < 0)
        return;
    n = recv(client->fd, client->text + client->len, room, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !client->asked) {
        fail(polite, client, "%s", n < 0 ? strerror(errno) : n == 0 ? "closed" : "not asked for");
        return;
    }
    client->len += (size_t)n;
    look_at_answer(polite, client);
}

/* ---------------------------------------------------------------- the thread */

static bool is_over(struct polite *polite)
{
    bool over;

    pthread_mutex_lock(&polite->lock);
    over = polite->over;
    pthread_mutex_unlock(&polite->lock);
    return over;
}

/* Asks where it is time, unless it is over. Returns how many wait for an answer. */
static uint32_t ask_all(struct polite *polite, bool over)
{
    uint64_t now = look_now_ns();
    uint32_t waiting = 0;

    for (uint32_t i = 0; i < polite->count; i++) {
        struct client *client = &polite->clients[i];
        if (client->fd >= 0 && !client->asked && !over && client->due_ns <= now)
            ask(polite, client);
        waiting += client->fd >= 0 && client->asked;
    }
    return waiting;
}

static void *polite_run(void *arg)
{
    struct polite *polite = arg;
    struct epoll_event events[128];
    uint64_t end = UINT64_MAX;
    bool over = false;

    while (ask_all(polite, over) > 0 || !over) {
        int n = epoll_wait(polite->epoll, events, ANQA_COUNT(events), 1);
        for (int i = 0; i < n; i++)
            readable(polite, events[i].data.ptr);
        if (!over && is_over(polite)) {
            over = true;
            end = look_now_ns() + LAST_NS;
        }
        if (look_now_ns() > end)
            break;
    }
    for (uint32_t i = 0; i < polite->count; i++) {
        if (polite->clients[i].fd >= 0 && polite->clients[i].asked)
            fail(polite, &polite->clients[i], "request %u was not answered",
                polite->clients[i].number);
        else if (polite->clients[i].fd >= 0)
            close(polite->clients[i].fd);
    }
    return NULL;
}

struct polite *polite_begin(uint16_t port, uint32_t clients)
{
    struct polite *polite = calloc(1, sizeof *polite + clients * sizeof polite->clients[0]);
    uint64_t now = look_now_ns();

    CHECK(polite != NULL);
    polite->times_us = calloc(TIMES_MAX, sizeof *polite->times_us);
    CHECK(polite->times_us != NULL);
    CHECK_EQ(pthread_mutex_init(&polite->lock, NULL), 0);
    polite->epoll = epoll_create1(EPOLL_CLOEXEC);
    polite->port = port;
    polite->count = clients;
    for (uint32_t i = 0; i < clients; i++) {
        polite->clients[i].due_ns = now + EVERY_NS * i / clients;
        dial(polite, &polite->clients[i]);
    }
    CHECK_EQ(pthread_create(&polite->thread, NULL, polite_run, polite), 0);
    return polite;
}

void polite_forget(struct polite *polite)
{
    pthread_mutex_lock(&polite->lock);
    polite->time_count = 0;
    pthread_mutex_unlock(&polite->lock);
}

static int time_order(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

struct polite_result polite_now(struct polite *polite)
{
    struct polite_result result;
    uint32_t count;

    pthread_mutex_lock(&polite->lock);
    count = polite->time_count;
    qsort(polite->times_us, count, sizeof *polite->times_us, time_order);
    if (count > 0) {
        polite->result.p50_us = polite->times_us[count / 2];
        polite->result.p99_us = polite->times_us[(size_t)count * 99 / 100];
        polite->result.worst_us = polite->times_us[count - 1];
    }
    result = polite->result;
    pthread_mutex_unlock(&polite->lock);
    return result;
}

struct polite_result polite_end(struct polite *polite)
{
    struct polite_result result;

    pthread_mutex_lock(&polite->lock);
    polite->over = true;
    pthread_mutex_unlock(&polite->lock);
    CHECK_EQ(pthread_join(polite->thread, NULL), 0);
    result = polite_now(polite);
    close(polite->epoll);
    pthread_mutex_destroy(&polite->lock);
    free(polite->times_us);
    free(polite);
    return result;
}
