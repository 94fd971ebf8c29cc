/*
 * Streams of server-sent events as transport: a client that only listens. It names topics in the query, which are joined for
 * it, and each frame is the data of an event. What is carried is a session as that of long-poll, which the request asks
 * again and again.
 */
#include "channel/poll.h"

#include <anqa/memory.h>
#include <anqa/plugs.h>

#include "http/exchange.h"

static void empty(anqa_conn *conn, unsigned status)
{
    (void)anqa_send_resp(conn, status, (anqa_str){NULL, 0});
}

/* The topics that a client names, `topic=a`, or `topics[]=a&topics[]=b`, and what they are joined with. */
struct joins {
    anqa_json *topics;
    size_t count;
    anqa_json payload;
};

/* False: there are more than may be joined. */
static bool joins_of(const struct socket_mount *mount, anqa_json params, struct joins *joins)
{
    anqa_json topics = ANQA_JSON_EMPTY_ARRAY, topic;
    anqa_json_iter it;

    joins->topics = anqa_arena_alloc(anqa_tmp(), mount->max_channels * sizeof *joins->topics);
    joins->count = 0;
    if (anqa_json_get(params, "payload", &joins->payload) != ANQA_OK)
        joins->payload = ANQA_JSON_EMPTY_OBJECT;
    if (anqa_json_get(params, "topic", &topic) == ANQA_OK)
        joins->topics[joins->count++] = topic;
    if (anqa_json_get(params, "topics", &topics) != ANQA_OK)
        return true;
    it = anqa_json_each(topics);
    while (anqa_json_next(&it)) {
        if (joins->count == mount->max_channels)
            return false;
        joins->topics[joins->count++] = it.value;
    }
    return true;
}

static anqa_json join_message(
    const struct serializer *serializer, size_t number, const struct joins *joins)
{
    const void *topic = &joins->topics[number - 1], *payload = &joins->payload;

    if (serializer == &serializer_v1)
        return anqa_jsonf("{'topic': %p, 'event': 'phx_join', 'payload': %p, 'ref': '%zu', "
                          "'join_ref': '%zu'}",
            topic, payload, number, number);
    return anqa_jsonf("['%zu', '%zu', %p, 'phx_join', %p]", number, number, topic, payload);
}

/* Nobody waits for the answers: they are events as all others. False: the session has ended. */
static bool join_all(
    const struct poll_name *name, const struct serializer *serializer, const struct joins *joins)
{
    anqa_json *messages = anqa_arena_alloc(anqa_tmp(), (joins->count + 1) * sizeof *messages);
    size_t size = 0;
    char *lines, *at;

    for (size_t i = 0; i < joins->count; i++) {
        messages[i] = join_message(serializer, i + 1, joins);
        size += messages[i].len + 1;
    }
    lines = at = anqa_arena_alloc(anqa_tmp(), size + 1);
    for (size_t i = 0; i < joins->count; i++) {
        memcpy(at, messages[i].ptr, messages[i].len);
        at += messages[i].len;
        *at++ = '\n';
    }
    return size == 0 || poll_post(name, POLL_TEXTS, anqa_str_make(lines, size), 0) < POLL_ENDED;
}

/* False: the client is gone, or there is no memory. */
static bool send_all(anqa_conn *conn, anqa_arena *arena, anqa_json messages)
{
    anqa_json_iter it = anqa_json_each(messages);

    while (anqa_json_next(&it)) {
        anqa_sse_event event = {0};
        if (anqa_json_to_str(arena, it.value, &event.data) != ANQA_OK ||
            anqa_sse_send(conn, &event) != ANQA_OK)
            return false;
        anqa_arena_reset(arena);
    }
    return true;
}

static void arena_drop(void *arena)
{
    anqa_arena_done(arena);
}

/* Of a client that has gone the kernel tells no sooner than at the second heartbeat, but that it has closed its side at once: whoever
 * only listens and does that is gone. */
static bool beat(anqa_conn *conn)
{
    const struct exchange *exchange = exchange_of(conn);

    if (exchange->ops->left != NULL && exchange->ops->left(exchange))
        return false;
    return anqa_sse_heartbeat(conn) == ANQA_OK;
}

/* Until either side ends: one event, which may last for days, so nothing of it may stay in the event's memory. */
static void stream(anqa_conn *conn, const struct poll_name *name)
{
    anqa_arena *arena = anqa_arena_calloc(anqa_tmp(), 1, sizeof *arena);
    bool goes_on;

    (void)anqa_defer(arena_drop, arena);
    do {
        const anqa_msg *msg;
        enum poll_result result = poll_wait(name, &msg);
        goes_on = (result == POLL_MESSAGES && send_all(conn, arena, msg->body)) ||
                  (result == POLL_NOTHING && beat(conn));
        if (msg != NULL)
            anqa_msg_free(msg);
    } while (goes_on);
    poll_close(name);
}

void sse_serve(anqa_conn *conn, const void *opts)
{
    const struct socket_mount *mount = opts;
    struct admission admission;
    struct poll_name name;
    struct joins joins;
    anqa_json params;

    if (!anqa_str_is(conn->method, "GET") || connect_params(conn, mount, &params) != ANQA_OK ||
        !joins_of(mount, params, &joins)) {
        empty(conn, 400);
        return;
    }
    if (!connect_origin_allowed(conn, mount)) {
        empty(conn, 403);
        return;
    }
    anqa_conn_put_resp_header(conn, "access-control-allow-origin", anqa_str_of("*"));
    if (connect_client(conn, mount, params, (anqa_str){NULL, 0}, &admission) != ANQA_OK) {
        if (!connect_refused(conn, mount, &admission))
            empty(conn, 403);
        return;
    }
    if (poll_open(mount, &admission, anqa_self(), &name) != ANQA_OK) {
        empty(conn, 503);
        return;
    }
    connect_log(mount, "sse");
    if (anqa_sse_begin(conn) == ANQA_OK && join_all(&name, admission.serializer, &joins))
        stream(conn, &name);
    else
        poll_close(&name);
}
