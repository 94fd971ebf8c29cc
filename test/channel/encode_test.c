/* A broadcast is encoded once for each version of the wire format that somebody listens in, whatever carries them. */
#include "channel/connect.h"
#include "channel/socket.h"

#include <string.h>

#include "harness.h"

enum { LISTENERS = 6, V1_LISTENERS = 3 };

/* Stands for a connection: keeps the answer to the join, and sees which bytes it is given. */
struct listener {
    struct socket *socket;
    char answer[1000];
    bool joined;
    const char *given; /* of the last broadcast */
    unsigned count;
};

static char *room(void *link, size_t size)
{
    struct listener *listener = link;

    CHECK(size <= sizeof listener->answer);
    listener->joined = true;
    return listener->answer;
}

static void send_now(void *link, const anqa_buf *frames, size_t count)
{
    struct listener *listener = link;

    listener->given = frames[count - 1].ptr;
    listener->count += (unsigned)count;
}

static void nothing(void *link)
{
}

static void never(void *link, uint16_t code)
{
    CHECK(false, "closed with %u", code);
}

static const struct transport transport = {
    .room = room, .send_now = send_now, .close = never, .pause = nothing, .resume = nothing};

static const anqa_channel channel = {.topic = "room:*", .log_join = ANQA_LOG_NONE};
static const anqa_user_socket user_socket = {
    .channels = (const anqa_channel *const[]){&channel, NULL}};
static const anqa_socket_mount spec = {.path = "/socket", .user_socket = &user_socket};

static void join(struct listener *listener, const struct socket_mount *mount, bool is_v1)
{
    const char *message =
        is_v1 ? "{\"topic\":\"room:a\",\"event\":\"phx_join\",\"payload\":{},\"ref\":\"1\"}"
              : "[\"1\",\"1\",\"room:a\",\"phx_join\",{}]";
    struct admission admission = {.serializer = is_v1 ? &serializer_v1 : &serializer_v2};

    CHECK_STATUS(socket_new(&transport, listener, &admission, mount, &listener->socket), ANQA_OK);
    socket_message(listener->socket, false, anqa_str_of(message));
    while (!listener->joined)
        anqa_sleep(1);
}

static void listen_all(void *arg)
{
    static struct listener listeners[LISTENERS];
    struct socket_mount mount = {.spec = &spec, .max_channels = 1};

    for (int i = 0; i < LISTENERS; i++)
        join(&listeners[i], &mount, i < V1_LISTENERS);
    CHECK_STATUS(anqa_broadcast(anqa_str_of("room:a"), "msg", ANQA_JSON_EMPTY_OBJECT), ANQA_OK);
    for (int i = 0; i < LISTENERS; i++)
        while (listeners[i].count == 0)
            anqa_sleep(1);
    for (int i = 0; i < LISTENERS; i++) {
        const struct listener *first = &listeners[i < V1_LISTENERS ? 0 : V1_LISTENERS];
        CHECK_EQ(listeners[i].count, 1);
        CHECK(listeners[i].given == first->given, "%d", i); /* the very same bytes */
    }
    CHECK(listeners[0].given != listeners[V1_LISTENERS].given);
    for (int i = 0; i < LISTENERS; i++)
        socket_closed(listeners[i].socket);
}

TEST(a_broadcast_is_encoded_once_for_each_version_that_somebody_listens_in)
{
    anqa_spawn_opts opts = {.run = listen_all, .monitor = true, .pinned = true, .scheduler = 1};
    anqa_error err;
    anqa_rt *rt;
    anqa_ref ended;
    anqa_pid pid;

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &rt, &err), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, &err), ANQA_OK);
    CHECK_STATUS(anqa_spawn(&opts, &pid, &ended), ANQA_OK);
    CHECK(anqa_receive_ref(ended, HARNESS_LONG_MS) != NULL);
    anqa_detach();
    anqa_stop(rt);
}
