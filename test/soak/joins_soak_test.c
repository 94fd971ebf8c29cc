/*
 * Many joins that take their time, in a storm of broadcasts on the very topics that are joined: every join is answered, and who has
 * joined gets every broadcast from then on, in order, without a gap.
 *
 * Each client joins all topics at once, and its socket takes one after the other; a join notes how far its topic is and
 * sleeps 50 ms, in which some 25 broadcasts come that are held for it. By default 1,000 joins; ANQA_SOAK=full in the environment is 10,000. --verbose prints what came of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include "endpoint.h"

enum {
    LIMIT_MS = 300000,
    TOPICS_MAX = 100,
    CLIENTS_MAX = 100,
    JOIN_MS = 50,
    ROUND_MS = 2, /* between two broadcasts on a topic */
    LISTEN_MS = 50,
    BUFFER = 1 << 18
};

/* ---------------------------------------------------------------- the server */

static _Atomic(uint32_t)
    told[TOPICS_MAX];          /* the number of the last broadcast, or of one that is just made */
static _Atomic(uint64_t) held; /* broadcasts during joins */
static _Atomic(bool) over;

static anqa_next slow_join(anqa_socket *socket, anqa_str topic, anqa_json params)
{
    uint32_t i = (uint32_t)strtoul(anqa_tmp_copy(topic.ptr, topic.len) + 2, NULL, 10);
    uint32_t from = atomic_load_explicit(&told[i], memory_order_relaxed);

    anqa_sleep(JOIN_MS);
    atomic_fetch_add_explicit(
        &held, atomic_load_explicit(&told[i], memory_order_relaxed) - from, memory_order_relaxed);
    return anqa_reply_ok(anqa_jsonf("{'from': %u}", from));
}

static const anqa_channel channel = {.topic = "t:*", .join = slow_join, .log_join = ANQA_LOG_NONE};
static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&channel, NULL}, .log = ANQA_LOG_NONE};
static const anqa_endpoint endpoint = {
    .sockets = (const anqa_socket_mount[]){{.path = "/socket", .user_socket = &user_socket}, {0}},
    .max_output_bytes = 64u << 20, /* the test reads when the machine lets it */
    .quiet = true,
};

static void tell(uint32_t topic)
{
    const char *name = anqa_tmp_printf("t:%u", topic);
    uint32_t number = atomic_load_explicit(&told[topic], memory_order_relaxed) + 1;

    atomic_store_explicit(&told[topic], number, memory_order_relaxed);
    (void)anqa_broadcast(anqa_str_of(name), "tick", anqa_jsonf("{'n': %u}", number));
}

struct storm {
    uint32_t topics;
};

static void storm(void *state)
{
    const struct storm *storm = state;

    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        for (uint32_t i = 0; i < storm->topics; i++)
            tell(i);
        (void)anqa_receive(ROUND_MS); /* ends the event, and its memory */
    }
}

/* ---------------------------------------------------------------- clients */

struct seat {
    bool joined;
    uint32_t from, last; /* as the join has said; the last that came, 0: none */
};

struct client {
    int fd;
    size_t len;
    struct seat seats[TOPICS_MAX];
    char bytes[BUFFER];
};

struct crowd {
    uint32_t clients, topics;
    uint64_t joined, ticks, wrong;
    struct client *client;
};

static void put(int fd, const void *bytes, size_t len)
{
    CHECK_EQ(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void dial(struct client *client, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    static const char request[] =
        "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: "
        "websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    char head[1000];
    size_t len = 0;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(client->fd, (struct sockaddr *)&to, sizeof to) == 0, "%s", strerror(errno));
    put(client->fd, request, sizeof request - 1);
    while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0)
        CHECK(len < sizeof head && recv(client->fd, head + len++, 1, 0) == 1);
    CHECK(memcmp(head, "HTTP/1.1 101", 12) == 0, "%.*s", (int)len, head);
}

static void join_all(struct client *client, uint32_t topics)
{
    static char frames[TOPICS_MAX * 80];
    size_t len = 0;

    for (uint32_t i = 0; i < topics; i++) {
        char text[80];
        int n = snprintf(text, sizeof text, "[\"%u\",\"%u\",\"t:%u\",\"phx_join\",{}]", i, i, i);
        const unsigned char head[] = {0x81, (unsigned char)(0x80 | n), 0, 0, 0, 0};
        CHECK(n < 126);
        memcpy(frames + len, head, sizeof head);
        memcpy(frames + len + sizeof head, text, (size_t)n);
        len += sizeof head + (size_t)n;
    }
    put(client->fd, frames, len);
    CHECK(fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0);
}

/* The topic is subscribed before the join looks how far it is: what is on its way then comes too. */
static void on_tick(struct crowd *crowd, struct seat *seat, uint32_t number)
{
    bool right = seat->last == 0 ? number <= seat->from + 1 : number == seat->last + 1;

    crowd->ticks++;
    if (!seat->joined || !right) {
        if (crowd->wrong++ < 5)
            fprintf(stderr, "# number %u came after %u, joined at %u\n", number, seat->last,
                seat->from);
    }
    seat->last = number;
}

static void on_frame(struct crowd *crowd, struct client *client, const char *text)
{
    unsigned topic, number;

    if (sscanf(text, "[null,null,\"t:%u\",\"tick\",{\"n\":%u}]", &topic, &number) == 2 &&
        topic < crowd->topics) {
        on_tick(crowd, &client->seats[topic], number);
    } else if (sscanf(text,
                   "[\"%*u\",\"%*u\",\"t:%u\",\"phx_reply\",{\"status\":\"ok\",\"response\":{"
                   "\"from\":%u}}]",
                   &topic, &number) == 2 &&
               topic < crowd->topics && !client->seats[topic].joined) {
        client->seats[topic] = (struct seat){true, number, 0};
        crowd->joined++;
    } else if (crowd->wrong++ < 5) {
        fprintf(stderr, "# unexpected: %s\n", text);
    }
}

/* Takes whole frames off the front; ours are shorter than 126 bytes. */
static void on_bytes(struct crowd *crowd, struct client *client)
{
    const char *at = client->bytes, *end = client->bytes + client->len;
    char text[128];

    while (end - at >= 2 && end - at >= 2 + at[1]) {
        CHECK((unsigned char)at[0] == 0x81 && at[1] >= 0 && at[1] < 126, "%02x %02x", at[0], at[1]);
        memcpy(text, at + 2, (size_t)at[1]);
        text[(size_t)at[1]] = '\0';
        on_frame(crowd, client, text);
        at += 2 + at[1];
    }
    client->len = (size_t)(end - at);
    memmove(client->bytes, at, client->len);
}

/* Reads whatever comes within some milliseconds. */
static void listen_for(struct crowd *crowd, int ms)
{
    struct pollfd fds[CLIENTS_MAX];

    for (uint32_t i = 0; i < crowd->clients; i++)
        fds[i] = (struct pollfd){.fd = crowd->client[i].fd, .events = POLLIN};
    CHECK(poll(fds, crowd->clients, ms) >= 0);
    for (uint32_t i = 0; i < crowd->clients; i++) {
        struct client *client = &crowd->client[i];
        ssize_t n;
        if (fds[i].revents == 0)
            continue;
        n = recv(client->fd, client->bytes + client->len, BUFFER - client->len, 0);
        CHECK(n > 0 || (n < 0 && errno == EAGAIN), "client %u lost its connection", i);
        if (n > 0)
            client->len += (size_t)n;
        on_bytes(crowd, client);
    }
}

/* Whether everybody has what was told last. */
static bool all_heard(const struct crowd *crowd)
{
    for (uint32_t i = 0; i < crowd->clients; i++)
        for (uint32_t j = 0; j < crowd->topics; j++)
            if (crowd->client[i].seats[j].last !=
                atomic_load_explicit(&told[j], memory_order_relaxed))
                return false;
    return true;
}

static bool is_full(void)
{
    const char *soak = getenv("ANQA_SOAK");

    return soak != NULL && strcmp(soak, "full") == 0;
}

TEST(slow_joins_in_a_storm_of_broadcasts_are_all_answered_and_nobody_misses_one,
    .timeout_ms = LIMIT_MS)
{
    struct crowd crowd = {.clients = is_full() ? 100 : 20, .topics = is_full() ? 100 : 50};
    struct test_endpoint server = endpoint_begin(&endpoint);
    struct storm weather = {crowd.topics};
    anqa_spawn_opts opts = {.run = storm, .arg = &weather, .arg_size = sizeof weather};
    uint64_t joins = (uint64_t)crowd.clients * crowd.topics, begin = anqa_now_ms(), joined_ms;
    anqa_ref ended;
    anqa_pid pid;

    crowd.client = calloc(crowd.clients, sizeof *crowd.client);
    CHECK(crowd.client != NULL);
    opts.monitor = true;
    CHECK_STATUS(anqa_spawn(&opts, &pid, &ended), ANQA_OK);
    for (uint32_t i = 0; i < crowd.clients; i++)
        dial(&crowd.client[i], endpoint_port(&server));
    for (uint32_t i = 0; i < crowd.clients; i++)
        join_all(&crowd.client[i], crowd.topics);
    while (crowd.joined < joins)
        listen_for(&crowd, 1000);
    joined_ms = anqa_now_ms() - begin;
    for (int i = 0; i < 20; i++) /* a little of the storm with all there */
        listen_for(&crowd, LISTEN_MS);
    atomic_store_explicit(&over, true, memory_order_relaxed);
    while (anqa_receive_ref(ended, 0) == NULL)
        listen_for(&crowd, LISTEN_MS);
    while (!all_heard(&crowd))
        listen_for(&crowd, 1000);
    CHECK_EQ(crowd.wrong, 0);
    CHECK(crowd.ticks > joins);
    CHECK(held > joins, "%" PRIu64 " were held", held);
    printf("# %" PRIu64 " joins of %d ms in %" PRIu64 " ms, %" PRIu64 " broadcasts held, %" PRIu64
           " delivered\n",
        joins, JOIN_MS, joined_ms, held, crowd.ticks);
    for (uint32_t i = 0; i < crowd.clients; i++)
        close(crowd.client[i].fd);
    free(crowd.client);
    endpoint_end(&server);
}
