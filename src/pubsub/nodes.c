/*
 * Broadcasts between nodes: the adapter of a runtime, and how a broadcast lies in the bytes that travel.
 *
 *     version (1)  length of topic (1)  of event (1)  zero (1)  of payload (4, little endian)  topic  event  payload
 *
 * Who does not get it is left out: pids mean something on their own node only, and so does where it is from.
 *
 * The adapter is read without a lock. It is taken out by the exit hook of its process, and freed when nobody can be inside
 * any more (QSBR), which holds because its functions do not wait.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/memory.h>

#include "base/container.h"
#include "base/utf8.h"
#include "pubsub/pubsub.h"
#include "runtime/hooks.h"

#define VERSION 1
#define HEAD 8u
#define OWN_TOPIC '\xff'

struct node_link {
    const anqa_pubsub_adapter *adapter;
    void *arg;
    anqa_rt *rt;
    struct exit_hook hook;
    struct retired retired;
    size_t name_len;
    char name[];
};

/* ---------------------------------------------------------------- messages */

static bool is_topic(anqa_str topic)
{
    if (topic.len > 0 && topic.ptr[0] == OWN_TOPIC)
        topic = anqa_str_make(topic.ptr + 1, topic.len - 1);
    return utf8_valid(topic.ptr, topic.len);
}

static anqa_status message_write(
    anqa_str topic, anqa_str event, anqa_json payload, anqa_buf *ret_message)
{
    size_t size = HEAD + topic.len + event.len + payload.len;
    anqa_status status;
    char *at;

    if (!is_topic(topic) || !utf8_valid(event.ptr, event.len))
        return ANQA_E_INVALID;
    if (size > ANQA_NODE_MESSAGE_MAX)
        return ANQA_E_LIMIT;
    status = anqa_buf_new(size, ret_message, &at);
    if (status != ANQA_OK)
        return status;
    at[0] = VERSION;
    at[1] = (char)topic.len;
    at[2] = (char)event.len;
    at[3] = 0;
    for (unsigned i = 0; i < 4; i++)
        at[4 + i] = (char)(payload.len >> (8 * i));
    at += HEAD;
    memcpy(at, topic.ptr, topic.len);
    memcpy(at + topic.len, event.ptr, event.len);
    memcpy(at + topic.len + event.len, payload.ptr, payload.len);
    return ANQA_OK;
}

static anqa_status message_read(anqa_str bytes, anqa_str *ret_topic, anqa_str *ret_event,
    anqa_json *ret_payload, anqa_error *err)
{
    static const anqa_json_limits limits = {
        .max_bytes = ANQA_NODE_MESSAGE_MAX, .max_depth = ANQA_JSON_MAX_DEPTH};
    const unsigned char *head = (const unsigned char *)bytes.ptr;
    size_t payload_len = 0;

    if (bytes.len > ANQA_NODE_MESSAGE_MAX)
        return anqa_fail(err, ANQA_E_LIMIT, "a message of %zu bytes from another node", bytes.len);
    if (bytes.len < HEAD || head[0] != VERSION || head[3] != 0)
        return anqa_fail(err, ANQA_E_PARSE, "no message of another node");
    for (unsigned i = 0; i < 4; i++)
        payload_len |= (size_t)head[4 + i] << (8 * i);
    *ret_topic = anqa_str_make(bytes.ptr + HEAD, head[1]);
    *ret_event = anqa_str_make(bytes.ptr + HEAD + head[1], head[2]);
    if (head[1] == 0 || head[2] == 0 || HEAD + head[1] + head[2] + payload_len != bytes.len)
        return anqa_fail(err, ANQA_E_PARSE, "a message of another node whose lengths are wrong");
    if (!is_topic(*ret_topic) || !utf8_valid(ret_event->ptr, ret_event->len))
        return anqa_fail(err, ANQA_E_PARSE, "topic or event of another node is not UTF-8");
    return anqa_json_parse(
        anqa_str_make(ret_event->ptr + head[2], payload_len), &limits, ret_payload, err);
}

/* ---------------------------------------------------------------- the adapter */

static bool link_free(struct retired *retired)
{
    struct node_link *link = ANQA_CONTAINER_OF(retired, struct node_link, retired);

    if (link->adapter->drop != NULL)
        link->adapter->drop(link->arg);
    free(link);
    return false;
}

static void link_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct node_link *link = ANQA_CONTAINER_OF(hook, struct node_link, hook);

    atomic_store_explicit(
        pubsub_link(link->rt), NULL, memory_order_release); /* pairs with link_read */
    link->retired.free_some = link_free;
    qsbr_retire(link->rt, &link->retired);
}

anqa_status anqa_pubsub_attach(const anqa_pubsub_adapter *adapter, void *arg, anqa_str node)
{
    anqa_rt *rt = anqa_rt_self();
    _Atomic(struct node_link *) *slot = pubsub_link(rt);
    struct node_link *link, *none = NULL;

    if (node.len == 0 || node.len > ANQA_NODE_NAME_MAX || !utf8_valid(node.ptr, node.len))
        return ANQA_E_INVALID;
    anqa_section_begin();
    link = calloc(1, sizeof *link + node.len);
    anqa_section_end();
    if (slot == NULL || link == NULL) {
        free(link);
        return ANQA_E_NOMEM;
    }
    link->adapter = adapter;
    link->arg = arg;
    link->rt = rt;
    link->hook.run = link_exit;
    link->name_len = node.len;
    memcpy(link->name, node.ptr, node.len);
    /* release: pairs with link_read */
    if (!atomic_compare_exchange_strong_explicit(
            slot, &none, link, memory_order_release, memory_order_relaxed)) {
        free(link);
        return ANQA_E_EXISTS;
    }
    exit_hook_add(&link->hook);
    return ANQA_OK;
}

/* Between qsbr_read_begin and qsbr_read_end. NULL: there is no other node. */
static struct node_link *link_read(anqa_rt *rt)
{
    _Atomic(struct node_link *) *slot = pubsub_link(rt);

    return slot == NULL ? NULL : atomic_load_explicit(slot, memory_order_acquire);
}

anqa_str anqa_node_name(void)
{
    anqa_rt *rt = anqa_rt_self();
    char name[ANQA_NODE_NAME_MAX] = "nonode";
    size_t len = strlen(name);
    const struct node_link *link;

    qsbr_read_begin(rt);
    link = link_read(rt);
    if (link != NULL) {
        len = link->name_len;
        memcpy(name, link->name, len);
    }
    qsbr_read_end(rt);
    return anqa_str_make(anqa_tmp_copy(name, len), len);
}

static bool is_here(const struct node_link *link, anqa_str node)
{
    return link == NULL ? anqa_str_is(node, "nonode")
                        : anqa_str_eq(node, anqa_str_make(link->name, link->name_len));
}

/* node: NULL for all others. */
static anqa_status link_send(const struct node_link *link, const anqa_str *node, anqa_str topic,
    anqa_str event, anqa_json payload)
{
    anqa_buf message;
    anqa_status status = message_write(topic, event, payload, &message);

    if (status != ANQA_OK)
        return status;
    status = node == NULL ? link->adapter->broadcast(link->arg, topic, message)
                          : link->adapter->direct_broadcast(link->arg, *node, topic, message);
    anqa_buf_unref(message);
    return status;
}

/* ---------------------------------------------------------------- broadcasting */

static anqa_status broadcast(anqa_pid except, struct buf_meter *meter, anqa_str topic,
    const char *event_text, anqa_json payload)
{
    anqa_rt *rt = anqa_rt_self();
    anqa_str event = anqa_str_of(event_text);
    anqa_status local = pubsub_local(anqa_self(), except, meter, topic, event, payload),
                far = ANQA_OK;
    const struct node_link *link;

    if (local == ANQA_E_INVALID || local == ANQA_E_LIMIT /* of the meter */)
        return local;
    qsbr_read_begin(rt);
    link = link_read(rt);
    if (link != NULL)
        far = link_send(link, NULL, topic, event, payload);
    qsbr_read_end(rt);
    return local != ANQA_OK ? local : far;
}

anqa_status anqa_broadcast(anqa_str topic, const char *event, anqa_json payload)
{
    return broadcast((anqa_pid){0}, NULL, topic, event, payload);
}

anqa_status anqa_broadcast_from(anqa_pid from, anqa_str topic, const char *event, anqa_json payload)
{
    return broadcast(from, NULL, topic, event, payload);
}

anqa_status pubsub_broadcast_metered(
    struct buf_meter *meter, anqa_str topic, const char *event, anqa_json payload)
{
    return broadcast(anqa_self(), meter, topic, event, payload);
}

anqa_status anqa_local_broadcast(anqa_str topic, const char *event, anqa_json payload)
{
    return pubsub_local(anqa_self(), (anqa_pid){0}, NULL, topic, anqa_str_of(event), payload);
}

anqa_status anqa_local_broadcast_from(
    anqa_pid from, anqa_str topic, const char *event, anqa_json payload)
{
    return pubsub_local(anqa_self(), from, NULL, topic, anqa_str_of(event), payload);
}

anqa_status anqa_direct_broadcast(
    anqa_str node, anqa_str topic, const char *event_text, anqa_json payload)
{
    anqa_rt *rt = anqa_rt_self();
    anqa_str event = anqa_str_of(event_text);
    anqa_status status = ANQA_E_NOT_FOUND;
    const struct node_link *link;
    bool here;

    if (topic.len == 0 || topic.len > ANQA_TOPIC_MAX || event.len == 0 ||
        event.len > ANQA_TOPIC_MAX)
        return ANQA_E_INVALID;
    qsbr_read_begin(rt);
    link = link_read(rt);
    here = is_here(link, node);
    if (!here && link != NULL)
        status = link_send(link, &node, topic, event, payload);
    qsbr_read_end(rt);
    return here ? pubsub_local(anqa_self(), (anqa_pid){0}, NULL, topic, event, payload) : status;
}

anqa_status anqa_pubsub_receive(anqa_str message, anqa_error *err)
{
    anqa_json payload = ANQA_JSON_NULL;
    anqa_str topic = {NULL, 0}, event = {NULL, 0};
    anqa_status status = message_read(message, &topic, &event, &payload, err);

    if (status != ANQA_OK)
        return status;
    status = pubsub_local((anqa_pid){0}, (anqa_pid){0}, NULL, topic, event, payload);
    return status == ANQA_OK ? status
                             : anqa_fail(err, status, "a broadcast of another node on '%.*s': %s",
                                   ANQA_FMT(topic), anqa_status_text(status));
}
