/* Clients of sockets and channels: what a test sends, and what it is to be sent. */
#include "test/kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/link.h"

#define JOIN_MS 5000u

struct anqa_test_socket {
    anqa_pid pid;
    uint64_t last_ref;
};

struct anqa_test_channel {
    anqa_test_socket *socket;
    anqa_pid pid;
    uint64_t join_ref;
    char topic[ANQA_TOPIC_MAX + 1];
};

static anqa_json object_of(anqa_json json)
{
    anqa_json_type type = anqa_json_type_of(json);

    return type == ANQA_JSON_IS_NOTHING || type == ANQA_JSON_IS_NULL ? ANQA_JSON_EMPTY_OBJECT
                                                                     : json;
}

/* ---------------------------------------------------------------- frames */

/* The places of a frame. */
enum { FRAME_JOIN_REF, FRAME_REF, FRAME_TOPIC, FRAME_EVENT, FRAME_PAYLOAD, FRAME_PLACES };

static bool frame_of(const anqa_msg *msg, anqa_json ret_places[static FRAME_PLACES])
{
    return msg->tag == link_out_tag &&
           anqa_json_split(msg->body, ret_places, FRAME_PLACES) == ANQA_OK;
}

static anqa_json payload_of(const anqa_msg *msg)
{
    anqa_json places[FRAME_PLACES];

    ANQA_REQUIRE(frame_of(msg, places));
    return places[FRAME_PAYLOAD];
}

static anqa_test_ref send_frame(anqa_test_socket *socket, uint64_t join_ref, const char *topic,
    const char *event, anqa_json payload)
{
    anqa_test_ref ref = {socket->pid, ++socket->last_ref};
    anqa_json object = object_of(payload);
    anqa_json frame = anqa_jsonf("['%" PRIu64 "', '%" PRIu64 "', %s, %s, %p]",
        join_ref == 0 ? ref.number : join_ref, ref.number, topic, event, (const void *)&object);

    anqa_test_send_frame(socket, frame);
    return ref;
}

/* ---------------------------------------------------------------- sockets */

static anqa_status connect_to(const struct link_what *what, anqa_json params,
    const anqa_connect_info *info, anqa_test_socket **ret_socket)
{
    anqa_test_socket made = {0};
    anqa_status status = link_open(what, object_of(params), info, &made.pid);

    if (status != ANQA_OK)
        return status;
    *ret_socket = anqa_heap_alloc(sizeof made);
    **ret_socket = made;
    return ANQA_OK;
}

anqa_status anqa_test_try_connect_with(const anqa_user_socket *user_socket, anqa_json params,
    const anqa_connect_info *info, anqa_test_socket **ret_socket)
{
    return connect_to(&(struct link_what){.user_socket = user_socket}, params, info, ret_socket);
}

anqa_status anqa_test_try_connect(
    const anqa_user_socket *user_socket, anqa_json params, anqa_test_socket **ret_socket)
{
    return anqa_test_try_connect_with(user_socket, params, NULL, ret_socket);
}

anqa_test_socket *anqa_test_connect_(
    struct anqa_test_place place, const anqa_user_socket *user_socket, anqa_json params)
{
    anqa_test_socket *socket = NULL;
    anqa_status status = anqa_test_try_connect(user_socket, params, &socket);

    if (status != ANQA_OK)
        anqa_test_fail_(
            place, "anqa_test_connect", anqa_status_name(status), anqa_status_name(ANQA_OK), " ");
    return socket;
}

void anqa_test_send_frame(anqa_test_socket *socket, anqa_json frame)
{
    (void)anqa_send(socket->pid, link_in_tag, anqa_text(frame));
}

void anqa_test_close(anqa_test_socket *socket)
{
    anqa_ref ref = anqa_monitor(socket->pid);

    (void)anqa_send(socket->pid, link_close_tag, anqa_nothing());
    (void)anqa_receive_ref(ref, ANQA_INFINITY);
}

anqa_pid anqa_test_socket_pid(const anqa_test_socket *socket)
{
    return socket->pid;
}

/* ---------------------------------------------------------------- raw sockets */

anqa_status anqa_test_try_connect_raw(const anqa_raw_socket *raw, anqa_json params,
    const anqa_connect_info *info, anqa_test_socket **ret_socket)
{
    return connect_to(&(struct link_what){.raw = raw}, params, info, ret_socket);
}

void anqa_test_send_raw(anqa_test_socket *socket, bool binary, anqa_str data)
{
    (void)anqa_send(
        socket->pid, binary ? link_in_binary_tag : link_in_tag, anqa_bytes(data.ptr, data.len));
}

static bool is_raw(const struct wanted *wanted, const anqa_msg *msg, anqa_json *ret_value)
{
    *ret_value = ANQA_JSON_NULL;
    return (msg->tag == link_out_tag || msg->tag == link_binary_tag) &&
           anqa_pid_eq(msg->from, wanted->from);
}

anqa_str anqa_test_receive_raw_(
    struct anqa_test_place place, anqa_test_socket *socket, bool *ret_binary)
{
    struct wanted wanted = {.is = is_raw, .what = "message", .name = "raw", .from = socket->pid};
    const anqa_msg *msg = kit_assert(place, &wanted, kit_wait_ms());

    if (ret_binary != NULL)
        *ret_binary = msg->tag == link_binary_tag;
    return anqa_json_text(msg->body);
}

/* ---------------------------------------------------------------- replies */

/* The value is the whole answer: {"status", "response"}. */
static bool is_reply(const struct wanted *wanted, const anqa_msg *msg, anqa_json *ret_value)
{
    anqa_json places[FRAME_PLACES];
    char number[32];

    if (!frame_of(msg, places) || !anqa_pid_eq(msg->from, wanted->from))
        return false;
    snprintf(number, sizeof number, "%" PRIu64, wanted->number);
    *ret_value = places[FRAME_PAYLOAD];
    return anqa_json_is_str(places[FRAME_EVENT], anqa_str_of("phx_reply")) &&
           anqa_json_is_str(places[FRAME_REF], anqa_str_of(number));
}

static struct wanted reply_to(anqa_test_ref ref, const char *name, anqa_json pattern)
{
    return (struct wanted){.is = is_reply,
        .what = "reply",
        .name = name,
        .pattern = pattern,
        .from = ref.socket,
        .number = ref.number};
}

static anqa_json response_of(const anqa_msg *msg)
{
    anqa_json response = {NULL, 0};

    ANQA_REQUIRE(anqa_json_get(payload_of(msg), "response", &response) == ANQA_OK);
    return response;
}

static anqa_json assert_reply(struct anqa_test_place place, anqa_test_ref ref, const char *status,
    anqa_json response, uint32_t timeout_ms)
{
    anqa_json any = response.len > 0 ? response : kit_anything();
    anqa_json pattern = anqa_jsonf("{'status': %s, 'response': %p}", status, (const void *)&any);
    struct wanted wanted = reply_to(ref, status, pattern);

    return response_of(kit_assert(place, &wanted, timeout_ms));
}

anqa_json anqa_test_assert_reply_(
    struct anqa_test_place place, anqa_test_ref ref, const char *status, const char *pattern, ...)
{
    anqa_json response;
    va_list args;

    va_start(args, pattern);
    response = kit_pattern(pattern, args);
    va_end(args);
    return assert_reply(place, ref, status, response, kit_wait_ms());
}

void anqa_test_refute_reply_(
    struct anqa_test_place place, anqa_test_ref ref, const char *pattern, ...)
{
    struct wanted wanted;
    va_list args;

    va_start(args, pattern);
    wanted = reply_to(ref, "any", kit_pattern(pattern, args));
    va_end(args);
    kit_refute(place, &wanted, kit_wait_ms());
}

/* ---------------------------------------------------------------- channels */

/* Who has been subscribed to what; never given back. */
struct subscription {
    struct subscription *next;
    anqa_pid who;
    char topic[ANQA_TOPIC_MAX + 1];
};

static void subscribe_once(const char *topic)
{
    static struct subscription *all;
    struct subscription *made;

    for (const struct subscription *at = all; at != NULL; at = at->next)
        if (anqa_pid_eq(at->who, anqa_self()) && strcmp(at->topic, topic) == 0)
            return;
    made = calloc(1, sizeof *made);
    ANQA_REQUIRE(made != NULL && anqa_subscribe(anqa_str_of(topic)) == ANQA_OK);
    snprintf(made->topic, sizeof made->topic, "%s", topic);
    made->who = anqa_self();
    made->next = all;
    all = made;
}

anqa_test_channel *anqa_test_join_(struct anqa_test_place place, bool subscribe,
    anqa_test_socket *socket, const char *topic, anqa_json payload, anqa_json *ret_reply)
{
    anqa_test_channel *channel = anqa_heap_calloc(1, sizeof *channel);
    anqa_json response;
    anqa_test_ref ref;

    if (subscribe)
        subscribe_once(topic);
    ref = send_frame(socket, 0, topic, "phx_join", payload);
    response = assert_reply(place, ref, "ok", (anqa_json){NULL, 0}, JOIN_MS);
    if (ret_reply != NULL)
        *ret_reply = response;
    channel->socket = socket;
    channel->join_ref = ref.number;
    channel->pid = link_channel(socket->pid, topic);
    snprintf(channel->topic, sizeof channel->topic, "%s", topic);
    return channel;
}

anqa_json anqa_test_join_error_(struct anqa_test_place place, anqa_test_socket *socket,
    const char *topic, anqa_json payload, const char *pattern, ...)
{
    anqa_json response;
    va_list args;

    va_start(args, pattern);
    response = kit_pattern(pattern, args);
    va_end(args);
    return assert_reply(
        place, send_frame(socket, 0, topic, "phx_join", payload), "error", response, JOIN_MS);
}

anqa_test_ref anqa_test_push(anqa_test_channel *channel, const char *event, anqa_json payload)
{
    return send_frame(channel->socket, channel->join_ref, channel->topic, event, payload);
}

anqa_test_ref anqa_test_leave(anqa_test_channel *channel)
{
    return anqa_test_push(channel, "phx_leave", ANQA_JSON_NULL);
}

void anqa_test_broadcast(anqa_test_channel *channel, const char *event, anqa_json payload)
{
    ANQA_REQUIRE(anqa_broadcast(anqa_str_of(channel->topic), event, object_of(payload)) == ANQA_OK);
}

void anqa_test_broadcast_from(anqa_test_channel *channel, const char *event, anqa_json payload)
{
    ANQA_REQUIRE(anqa_broadcast_from(channel->pid, anqa_str_of(channel->topic), event,
                     object_of(payload)) == ANQA_OK);
}

anqa_pid anqa_test_channel_pid(const anqa_test_channel *channel)
{
    return channel->pid;
}

/* ---------------------------------------------------------------- pushes */

static bool is_push(const struct wanted *wanted, const anqa_msg *msg, anqa_json *ret_value)
{
    anqa_json places[FRAME_PLACES];

    if (!frame_of(msg, places))
        return false;
    if (wanted->topic != NULL &&
        (!anqa_pid_eq(msg->from, wanted->from) ||
            !anqa_json_is_str(places[FRAME_TOPIC], anqa_str_of(wanted->topic))))
        return false;
    *ret_value = places[FRAME_PAYLOAD];
    return anqa_json_is_str(places[FRAME_EVENT], anqa_str_of(wanted->name));
}

static struct wanted push_to(const anqa_test_channel *channel, const char *event,
    const char *pattern, va_list args) ANQA_PRINTF(3, 0);

static struct wanted push_to(
    const anqa_test_channel *channel, const char *event, const char *pattern, va_list args)
{
    struct wanted wanted = {
        .is = is_push, .what = "push", .name = event, .pattern = kit_pattern(pattern, args)};

    if (channel != NULL) {
        wanted.topic = channel->topic;
        wanted.from = channel->socket->pid;
    }
    return wanted;
}

anqa_json anqa_test_assert_push_(struct anqa_test_place place, const anqa_test_channel *channel,
    const char *event, const char *pattern, ...)
{
    struct wanted wanted;
    va_list args;

    va_start(args, pattern);
    wanted = push_to(channel, event, pattern, args);
    va_end(args);
    return payload_of(kit_assert(place, &wanted, kit_wait_ms()));
}

void anqa_test_refute_push_(struct anqa_test_place place, const anqa_test_channel *channel,
    const char *event, const char *pattern, ...)
{
    struct wanted wanted;
    va_list args;

    va_start(args, pattern);
    wanted = push_to(channel, event, pattern, args);
    va_end(args);
    kit_refute(place, &wanted, kit_wait_ms());
}

/* ---------------------------------------------------------------- broadcasts */

static bool is_broadcast(const struct wanted *wanted, const anqa_msg *msg, anqa_json *ret_value)
{
    anqa_broadcast_view view;

    if (!anqa_broadcast_of(msg, &view))
        return false;
    *ret_value = view.payload;
    return anqa_str_is(view.event, wanted->name);
}

anqa_json anqa_test_assert_broadcast_(
    struct anqa_test_place place, const char *event, const char *pattern, ...)
{
    struct wanted wanted = {.is = is_broadcast, .what = "broadcast", .name = event};
    anqa_broadcast_view view = {0};
    va_list args;

    va_start(args, pattern);
    wanted.pattern = kit_pattern(pattern, args);
    va_end(args);
    ANQA_REQUIRE(anqa_broadcast_of(kit_assert(place, &wanted, kit_wait_ms()), &view));
    return view.payload;
}

void anqa_test_refute_broadcast_(
    struct anqa_test_place place, const char *event, const char *pattern, ...)
{
    struct wanted wanted = {.is = is_broadcast, .what = "broadcast", .name = event};
    va_list args;

    va_start(args, pattern);
    wanted.pattern = kit_pattern(pattern, args);
    va_end(args);
    kit_refute(place, &wanted, kit_wait_ms());
}
