/*
 * Streams of server-sent events as transport: a client that only listens. It names topics in the query, which are joined for
 * it, and each frame is the data of an event. What is carried is a session as that of long-poll, which the request asks
 * again and again.
 */
#include "channel/poll.h"

#include <anqa/memory.h>
#include <anqa/plugs.h>

static void empty(anqa_conn *conn, unsigned status)
{
    (void)anqa_send_resp(conn, status, (anqa_str){NULL, 0});
}

/* The messages of a client that joins a topic. */
static anqa_str join_message(
    const struct serializer *serializer, unsigned number, anqa_json topic, anqa_json payload)
{
    anqa_json json;

    if (serializer == &serializer_v1)
        json = anqa_jsonf("{'topic': %p, 'event': 'phx_join', 'payload': %p, 'ref': '%u', "
                          "'join_ref': '%u'}",
            (const void *)&topic, (const void *)&payload, number, number);
    else
        json = anqa_jsonf("['%u', '%u', %p, 'phx_join', %p]", number, number, (const void *)&topic,
            (const void *)&payload);
    return anqa_json_text(json);
}

/* False: the session has ended. */
static bool join(const struct socket_mount *mount, const struct poll_name *name,
    const struct serializer *serializer, unsigned number, anqa_json topic, anqa_json params)
{
    anqa_json payload;

    if (anqa_json_get(params, "payload", &payload) != ANQA_OK)
        payload = ANQA_JSON_EMPTY_OBJECT;
    /* a join that takes longer goes on, and its answer is an event as all others */
    return poll_post(name, false, join_message(serializer, number, topic, payload),
               mount->window_ms) < POLL_ENDED;
}

/* `topic=a`, or `topics[]=a&topics[]=b`. */
static bool join_all(const struct socket_mount *mount, const struct poll_name *name,
    const struct serializer *serializer, anqa_json params)
{
    anqa_json topics, topic;
    anqa_json_iter it;
    unsigned number = 0;

    if (anqa_json_get(params, "topic", &topic) == ANQA_OK &&
        !join(mount, name, serializer, ++number, topic, params))
        return false;
    if (anqa_json_get(params, "topics", &topics) != ANQA_OK)
        return true;
    it = anqa_json_each(topics);
    while (anqa_json_next(&it))
        if (!join(mount, name, serializer, ++number, it.value, params))
            return false;
    return true;
}

/* False: the client is gone. */
static bool send_all(anqa_conn *conn, anqa_json messages)
{
    anqa_json_iter it = anqa_json_each(messages);

    while (anqa_json_next(&it)) {
        anqa_sse_event event = {0};
        if (anqa_json_to_str(anqa_tmp(), it.value, &event.data) == ANQA_OK &&
            anqa_sse_send(conn, &event) != ANQA_OK)
            return false;
    }
    return true;
}

/* Until either side ends. */
static void stream(anqa_conn *conn, const struct poll_name *name)
{
    for (;;) {
        anqa_json messages;
        enum poll_result result = poll_wait(name, &messages);
        if (result == POLL_MESSAGES && send_all(conn, messages))
            continue;
        if (result == POLL_NOTHING && anqa_sse_heartbeat(conn) == ANQA_OK)
            continue;
        poll_close(name);
        return;
    }
}

void sse_serve(anqa_conn *conn, const void *opts)
{
    const struct socket_mount *mount = opts;
    struct admission admission;
    struct poll_name name;
    anqa_json params;

    if (!anqa_str_is(conn->method, "GET") || connect_params(conn, mount, &params) != ANQA_OK) {
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
    if (anqa_sse_begin(conn) == ANQA_OK && join_all(mount, &name, admission.serializer, params))
        stream(conn, &name);
    else
        poll_close(&name);
}
