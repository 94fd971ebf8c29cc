/* The functions that ask a presence; the server is in shard.c. */
#include "presence/wire.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <anqa/memory.h>
#include <anqa/registry.h>

#include "base/utf8.h"
#include "channel/large.h"

/* ---------------------------------------------------------------- shards */

uint32_t shard_count(const anqa_presence *presence)
{
    return presence->shards == 0 ? 1 : presence->shards;
}

const char *shard_name(const anqa_presence *presence, uint32_t shard, char name[SHARD_NAME_MAX])
{
    if (shard == 0)
        return presence->name;
    snprintf(name, SHARD_NAME_MAX, "%s:%u", presence->name, shard);
    return name;
}

/* Who chooses topics to crowd one shard slows that one down, no more. */
static uint32_t shard_of(const anqa_presence *presence, anqa_str topic)
{
    return wire_hash(topic) % shard_count(presence);
}

static anqa_status ask(const anqa_presence *presence, uint32_t shard, const char *tag,
    anqa_payload payload, const anqa_msg **ret_answer)
{
    char name[SHARD_NAME_MAX];

    return anqa_try_call_payload(anqa_whereis(shard_name(presence, shard, name)), tag, payload,
        ANQA_CALL_TIMEOUT_MS, ret_answer, NULL);
}

/* ---------------------------------------------------------------- tracking */

static bool is_text(anqa_str text, size_t min, size_t max)
{
    return text.len >= min && text.len <= max && utf8_valid(text.ptr, text.len);
}

/* Fails: E_INVALID, E_LIMIT. */
static anqa_status check_meta(anqa_json *meta)
{
    static const anqa_json_limits limits = {
        .max_bytes = ANQA_PRESENCE_META_MAX, .max_depth = ANQA_PRESENCE_META_DEPTH_MAX};
    anqa_status status;

    if (meta->len == 0 || anqa_json_type_of(*meta) == ANQA_JSON_IS_NULL)
        *meta = ANQA_JSON_EMPTY_OBJECT;
    status = anqa_json_parse(anqa_json_text(*meta), &limits, meta, NULL);
    if (status == ANQA_E_LIMIT)
        return status;
    return status == ANQA_OK && anqa_json_type_of(*meta) == ANQA_JSON_IS_OBJECT ? ANQA_OK
                                                                                : ANQA_E_INVALID;
}

static anqa_payload ask_payload(struct wire_ask *head, anqa_str topic, anqa_str key, anqa_json meta)
{
    size_t size = sizeof *head + topic.len + key.len + meta.len;
    char *bytes = anqa_arena_alloc(anqa_tmp(), size), *at = bytes;

    head->topic_len = (uint16_t)topic.len;
    head->key_len = (uint16_t)key.len;
    head->meta_len = (uint32_t)meta.len;
    memcpy(at, head, sizeof *head);
    at += sizeof *head;
    memcpy(at, topic.ptr, topic.len);
    if (key.len > 0)
        memcpy(at + topic.len, key.ptr, key.len);
    if (meta.len > 0)
        memcpy(at + topic.len + key.len, meta.ptr, meta.len);
    return anqa_bytes(bytes, size);
}

/* ret_rest: what stands behind the answer; may be NULL. */
static anqa_status change(const anqa_presence *presence, const char *tag, struct wire_ask *head,
    anqa_str topic, anqa_str key, anqa_json meta, char *ret_ref, anqa_json *ret_rest)
{
    struct wire_answer answer;
    const anqa_msg *msg;
    anqa_status status;

    if (!is_text(topic, 1, ANQA_TOPIC_MAX) || !is_text(key, 0, ANQA_PRESENCE_KEY_MAX))
        return ANQA_E_INVALID;
    status =
        ask(presence, shard_of(presence, topic), tag, ask_payload(head, topic, key, meta), &msg);
    if (status != ANQA_OK)
        return status;
    if (msg->payload != ANQA_PAYLOAD_BYTES || msg->body.len < sizeof answer)
        return ANQA_E_TYPE;
    memcpy(&answer, msg->body.ptr, sizeof answer);
    if (answer.status == ANQA_OK && ret_ref != NULL)
        memcpy(ret_ref, answer.ref, sizeof answer.ref);
    if (ret_rest != NULL)
        *ret_rest = (anqa_json){msg->body.ptr + sizeof answer, msg->body.len - sizeof answer};
    return answer.status;
}

anqa_status anqa_presence_track_pid(const anqa_presence *presence, anqa_pid pid, anqa_str topic,
    anqa_str key, anqa_json meta, char ret_ref[ANQA_PRESENCE_REF])
{
    struct wire_ask head = {.pid = pid};
    anqa_status status = check_meta(&meta);

    if (anqa_pid_is_none(pid) || pid.bits >> 56 != anqa_self().bits >> 56)
        return ANQA_E_INVALID;
    return status != ANQA_OK ? status
                             : change(presence, "track", &head, topic, key, meta, ret_ref, NULL);
}

anqa_status anqa_presence_update_pid(const anqa_presence *presence, anqa_pid pid, anqa_str topic,
    anqa_str key, anqa_json meta, char ret_ref[ANQA_PRESENCE_REF])
{
    struct wire_ask head = {.pid = pid};
    anqa_status status = check_meta(&meta);

    return status != ANQA_OK ? status
                             : change(presence, "update", &head, topic, key, meta, ret_ref, NULL);
}

anqa_status anqa_presence_update_with(const anqa_presence *presence, anqa_pid pid, anqa_str topic,
    anqa_str key, anqa_json (*fn)(anqa_json meta, void *arg), void *arg,
    char ret_ref[ANQA_PRESENCE_REF])
{
    struct wire_ask head = {.pid = pid};
    anqa_json meta;
    anqa_status status;

    do {
        head.expected[0] = '\0';
        status =
            change(presence, "meta", &head, topic, key, (anqa_json){NULL, 0}, head.expected, &meta);
        if (status != ANQA_OK)
            return status;
        meta = fn(meta, arg);
        status = check_meta(&meta);
        if (status == ANQA_OK)
            status = change(presence, "update", &head, topic, key, meta, ret_ref, NULL);
    } while (status == ANQA_E_EXPIRED);
    return status;
}

anqa_status anqa_presence_untrack_pid(
    const anqa_presence *presence, anqa_pid pid, anqa_str topic, anqa_str key)
{
    struct wire_ask head = {.pid = pid};

    return change(presence, "untrack", &head, topic, key, (anqa_json){NULL, 0}, NULL, NULL);
}

anqa_status anqa_presence_untrack_all(const anqa_presence *presence, anqa_pid pid)
{
    const struct wire_ask head = {.pid = pid};
    anqa_status status = ANQA_OK, one;
    const anqa_msg *msg;

    for (uint32_t shard = 0; shard < shard_count(presence); shard++) {
        one = ask(presence, shard, "untrack_all", anqa_bytes(&head, sizeof head), &msg);
        status = one == ANQA_OK ? status : one;
    }
    return status;
}

anqa_status anqa_presence_track(
    const anqa_presence *presence, anqa_socket *socket, anqa_str key, anqa_json meta)
{
    return anqa_presence_track_pid(presence, anqa_self(), socket->topic, key, meta, NULL);
}

anqa_status anqa_presence_update(
    const anqa_presence *presence, anqa_socket *socket, anqa_str key, anqa_json meta)
{
    return anqa_presence_update_pid(presence, anqa_self(), socket->topic, key, meta, NULL);
}

anqa_status anqa_presence_untrack(const anqa_presence *presence, anqa_socket *socket, anqa_str key)
{
    return anqa_presence_untrack_pid(presence, anqa_self(), socket->topic, key);
}

/* ---------------------------------------------------------------- looking */

static anqa_status listed(const anqa_msg *msg, anqa_json *ret_presences)
{
    struct wire_answer answer;

    if (msg->payload == ANQA_PAYLOAD_BUF) {
        *ret_presences = msg->body;
        return ANQA_OK;
    }
    if (msg->payload != ANQA_PAYLOAD_BYTES || msg->body.len < sizeof answer)
        return ANQA_E_TYPE;
    memcpy(&answer, msg->body.ptr, sizeof answer);
    return answer.status == ANQA_OK ? ANQA_E_TYPE : answer.status;
}

anqa_status anqa_presence_list(
    const anqa_presence *presence, anqa_str topic, anqa_json *ret_presences)
{
    const anqa_msg *msg;
    anqa_status status =
        ask(presence, shard_of(presence, topic), "list", anqa_bytes(topic.ptr, topic.len), &msg);

    if (status == ANQA_OK)
        status = listed(msg, ret_presences);
    if (status == ANQA_OK && presence->fetch != NULL)
        *ret_presences = presence->fetch(topic, *ret_presences);
    return status;
}

anqa_status anqa_presence_get_by_key(
    const anqa_presence *presence, anqa_str topic, anqa_str key, anqa_json *ret_presence)
{
    struct wire_ask head = {.pid = {0}};
    const anqa_msg *msg;
    anqa_status status;

    if (!is_text(topic, 1, ANQA_TOPIC_MAX) || !is_text(key, 0, ANQA_PRESENCE_KEY_MAX))
        return ANQA_E_INVALID;
    status = ask(presence, shard_of(presence, topic), "get",
        ask_payload(&head, topic, key, (anqa_json){NULL, 0}), &msg);
    if (status == ANQA_OK)
        status = listed(msg, ret_presence);
    if (status == ANQA_OK && presence->fetch != NULL)
        status = anqa_json_get_named(
            presence->fetch(topic, anqa_jsonf("{%.*s: %p}", ANQA_FMT(key), ret_presence)), key,
            ret_presence);
    return status;
}

/* ---------------------------------------------------------------- pushing */

static_assert(ANQA_PRESENCE_STATE_MAX <= CHAN_LARGE_MAX, "it can be pushed");

/* In one message, however long: a client takes what a state does not name for gone, and what a diff says of somebody it has
 * not heard of yet for nothing. */
anqa_status anqa_presence_push_state(const anqa_presence *presence, anqa_socket *socket)
{
    anqa_json presences = ANQA_JSON_EMPTY_OBJECT;
    anqa_status status = anqa_presence_list(presence, socket->topic, &presences);

    if (status != ANQA_OK)
        return status;
    if (presences.len > ANQA_PRESENCE_STATE_MAX)
        return ANQA_E_LIMIT;
    chan_push_large(socket, "presence_state", presences);
    return ANQA_OK;
}
