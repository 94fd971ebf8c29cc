/*
 * The server of a shard: the tracker's state, its clock and its transport, which is a topic of PubSub that no client can name.
 * The first shard is the child of the application's supervisor and starts the others, linked: they end together.
 */
#include "presence/wire.h"

#include <stdio.h>
#include <string.h>

#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/registry.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/random.h"
#include "presence/diff.h"
#include "presence/presenter.h"
#include "presence/replication.h"

#define DIFF_PERIOD_MS 20u
#define UNTOLD_MAX ((size_t)4 << 20) /* bytes of who is gone and was not told yet */

static const char tick_tag[] = "presence.tick";
static const char tell_tag[] = "presence.tell";

struct shard {
    const anqa_presence *spec;
    uint32_t index;
    bool misnamed;         /* said so already */
    bool tells_soon;       /* a timer is armed */
    uint64_t tell_from_ms; /* a period after the last time that changes were told */
    struct presence_state state;
    struct replication replication;
    struct presenter presenter;
    /* references: bytes of this life, and how many there were */
    unsigned char life[8];
    uint32_t refs;
    anqa_pid others[ANQA_PRESENCE_SHARDS_MAX]; /* of the first shard */
    size_t topic_len;
    char topic[ANQA_TOPIC_MAX]; /* of the shards of that number on all nodes */
};

/* ---------------------------------------------------------------- metas */

/* 12 bytes that were never used before, as 16 characters. */
static void new_ref(struct shard *shard, char ref[ANQA_PRESENCE_REF])
{
    unsigned char bytes[12];

    if (shard->refs == 0)
        random_bytes(shard->life, sizeof shard->life);
    shard->refs++;
    memcpy(bytes, shard->life, 8);
    memcpy(bytes + 8, &shard->refs, 4);
    ref[base64_encode(bytes, sizeof bytes, BASE64_URL, ref)] = '\0';
}

/* The application's fields and ours; those of ours that it has sent are left out. */
static anqa_str meta_with(anqa_json meta, const char *ref, anqa_str before)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    anqa_json_iter it;
    anqa_json whole;
    anqa_str key;

    anqa_json_writer_init(w, anqa_tmp(), 0);
    anqa_json_begin_object(w);
    for (it = anqa_json_each(meta); anqa_json_next(&it);) {
        if (anqa_json_is_str(it.key, anqa_str_of("phx_ref")) ||
            anqa_json_is_str(it.key, anqa_str_of("phx_ref_prev")))
            continue;
        ANQA_REQUIRE(anqa_json_to_str(anqa_tmp(), it.key, &key) == ANQA_OK);
        anqa_json_key_str(w, key);
        anqa_json_put_raw(w, it.value);
    }
    anqa_json_key(w, "phx_ref");
    anqa_json_put_str(w, anqa_str_of(ref));
    if (before.len > 0) {
        anqa_json_key(w, "phx_ref_prev");
        anqa_json_put_str(w, before);
    }
    anqa_json_end_object(w);
    ANQA_REQUIRE(anqa_json_writer_finish(w, &whole) == ANQA_OK);
    return anqa_json_text(whole);
}

static anqa_json meta_of(const struct presence_elem *elem)
{
    return (anqa_json){elem->meta, elem->meta_len};
}

/* ---------------------------------------------------------------- telling */

struct telling {
    struct shard *shard;
    anqa_str topic;
};

static void tell_piece(void *arg, anqa_json diff)
{
    const struct telling *telling = arg;

    presenter_tell(&telling->shard->presenter, telling->topic, diff);
}

static bool tell_topic(void *arg, const struct presence_topic *topic)
{
    struct telling telling = {arg, anqa_str_make(topic->name, topic->name_len)};

    diff_each(topic, tell_piece, &telling);
    return !telling.shard->presenter.stuck;
}

static void tell_after(struct shard *shard, uint32_t ms)
{
    if (shard->tells_soon)
        return;
    shard->tells_soon = true;
    (void)anqa_send_after(anqa_self(), tell_tag, anqa_nothing(), ms);
}

static void tell_now(struct shard *shard)
{
    uint32_t period =
        shard->spec->diff_period_ms == 0 ? DIFF_PERIOD_MS : shard->spec->diff_period_ms;

    if (!presenter_is_stuck(&shard->presenter) && !anqa_list_empty(&shard->state.dirty)) {
        shard->tell_from_ms = anqa_now_ms() + period;
        state_flush(&shard->state, tell_topic, shard);
    }
    if (shard->presenter.stuck)
        tell_after(shard, PRESENTER_RETRY_MS);
}

/* For what this node does. After a quiet time at once; then all that changes within a period goes into one diff of its
 * topic, for in a rush of n clients each diff has n readers. */
static void tell_changes(struct shard *shard)
{
    uint64_t now_ms = anqa_now_ms();

    if (shard->tells_soon || anqa_list_empty(&shard->state.dirty))
        return;
    if (now_ms >= shard->tell_from_ms) {
        tell_now(shard);
        return;
    }
    tell_after(shard, (uint32_t)(shard->tell_from_ms - now_ms));
}

/* Whether another one may be tracked: not while so much is kept that cannot be told. */
static bool has_room(struct shard *shard)
{
    if (shard->state.untold > UNTOLD_MAX)
        tell_now(shard);
    return shard->state.untold <= UNTOLD_MAX;
}

static anqa_next on_tell(void *state, anqa_msg *msg)
{
    struct shard *shard = state;

    shard->tells_soon = false;
    tell_now(shard);
    return anqa_noreply();
}

static anqa_json list_text(void *arg, anqa_str topic)
{
    struct shard *shard = arg;
    anqa_buf text;
    char *copy;

    if (state_list(&shard->state, topic, &text) != ANQA_OK)
        return ANQA_JSON_EMPTY_OBJECT;
    copy = anqa_tmp_copy(text.ptr, text.len);
    anqa_buf_unref(text);
    return (anqa_json){copy, text.len};
}

/* ---------------------------------------------------------------- calls */

struct asked {
    struct wire_ask head;
    anqa_str topic, key;
    anqa_json meta;
};

/* Requests are those of presence.c, which has checked them; others of that tag are a broken contract of their sender. */
static bool read_ask(const anqa_msg *msg, struct asked *asked)
{
    const char *at = msg->body.ptr + sizeof asked->head;

    if (msg->payload != ANQA_PAYLOAD_BYTES || msg->body.len < sizeof asked->head)
        return false;
    memcpy(&asked->head, msg->body.ptr, sizeof asked->head);
    asked->head.expected[ANQA_PRESENCE_REF - 1] = '\0';
    asked->topic = anqa_str_make(at, asked->head.topic_len);
    asked->key = anqa_str_make(at + asked->topic.len, asked->head.key_len);
    asked->meta = (anqa_json){asked->key.ptr + asked->key.len, asked->head.meta_len};
    return msg->body.len - sizeof asked->head ==
               asked->topic.len + asked->key.len + asked->meta.len &&
           asked->topic.len <= PRESENCE_TOPIC_MAX && asked->key.len <= PRESENCE_KEY_MAX &&
           asked->meta.len <= ANQA_PRESENCE_META_MAX;
}

static anqa_next answer_with(anqa_status status, const char *ref, anqa_json rest)
{
    struct wire_answer answer = {.status = status};
    char *bytes = anqa_arena_alloc(anqa_tmp(), sizeof answer + rest.len);

    if (ref != NULL)
        memcpy(answer.ref, ref, ANQA_PRESENCE_REF);
    memcpy(bytes, &answer, sizeof answer);
    if (rest.len > 0)
        memcpy(bytes + sizeof answer, rest.ptr, rest.len);
    return anqa_reply_payload(anqa_bytes(bytes, sizeof answer + rest.len));
}

static anqa_next answer(anqa_status status, const char *ref)
{
    return answer_with(status, ref, (anqa_json){NULL, 0});
}

/* The answer goes out before the diff: who is tracked goes on while others are told. */
static anqa_next answer_and_tell(
    struct shard *shard, const anqa_msg *msg, anqa_status status, const char *ref)
{
    anqa_next next = answer(status, ref);
    anqa_caller caller = anqa_msg_caller(msg);

    anqa_reply_to(&caller, next.answer);
    tell_changes(shard);
    return anqa_noreply();
}

static anqa_next on_track(void *state, anqa_msg *msg)
{
    struct shard *shard = state;
    char ref[ANQA_PRESENCE_REF];
    anqa_status status;
    struct asked asked;
    bool known;

    if (!read_ask(msg, &asked))
        return answer(ANQA_E_INVALID, NULL);
    if (!anqa_is_alive(asked.head.pid))
        return answer(ANQA_E_NOPROC, NULL);
    if (!has_room(shard))
        return answer(ANQA_E_FULL, NULL);
    new_ref(shard, ref);
    known = state_owns(&shard->state, asked.head.pid.bits);
    status = state_join(&shard->state, asked.head.pid.bits, asked.topic, asked.key,
        meta_with(asked.meta, ref, (anqa_str){NULL, 0}));
    if (status == ANQA_OK && !known)
        (void)anqa_link(asked.head.pid); /* if it has ended meanwhile, that comes as its EXIT */
    return answer_and_tell(shard, msg, status, ref);
}

static anqa_next on_update(void *state, anqa_msg *msg)
{
    struct shard *shard = state;
    struct presence_elem *elem;
    char ref[ANQA_PRESENCE_REF];
    struct asked asked;
    anqa_str before;

    if (!read_ask(msg, &asked))
        return answer(ANQA_E_INVALID, NULL);
    elem = state_find(&shard->state, asked.head.pid.bits, asked.topic, asked.key);
    if (elem == NULL)
        return answer(ANQA_E_NOT_FOUND, NULL);
    before = anqa_json_str(meta_of(elem), "phx_ref");
    if (asked.head.expected[0] != '\0' && !anqa_str_is(before, asked.head.expected))
        return answer(ANQA_E_EXPIRED, NULL);
    if (!has_room(shard))
        return answer(ANQA_E_FULL, NULL);
    new_ref(shard, ref);
    return answer_and_tell(
        shard, msg, state_update(&shard->state, elem, meta_with(asked.meta, ref, before)), ref);
}

static anqa_next on_meta(void *state, anqa_msg *msg)
{
    struct shard *shard = state;
    const struct presence_elem *elem;
    struct asked asked;
    anqa_str ref;

    if (!read_ask(msg, &asked))
        return answer(ANQA_E_INVALID, NULL);
    elem = state_find(&shard->state, asked.head.pid.bits, asked.topic, asked.key);
    if (elem == NULL)
        return answer(ANQA_E_NOT_FOUND, NULL);
    ref = anqa_json_str(meta_of(elem), "phx_ref");
    ANQA_REQUIRE(ref.len == ANQA_PRESENCE_REF - 1);
    return answer_with(ANQA_OK, anqa_tmp_copy(ref.ptr, ref.len), meta_of(elem));
}

/* One that has nothing any more is no affair of ours. */
static void let_go(struct shard *shard, anqa_pid pid)
{
    if (!state_owns(&shard->state, pid.bits))
        anqa_unlink(pid);
}

static anqa_next on_untrack(void *state, anqa_msg *msg)
{
    struct shard *shard = state;
    struct presence_elem *elem;
    struct asked asked;

    if (!read_ask(msg, &asked))
        return answer(ANQA_E_INVALID, NULL);
    elem = state_find(&shard->state, asked.head.pid.bits, asked.topic, asked.key);
    if (elem == NULL)
        return answer(ANQA_OK, NULL);
    state_leave(&shard->state, elem);
    let_go(shard, asked.head.pid);
    return answer_and_tell(shard, msg, ANQA_OK, NULL);
}

static anqa_next on_untrack_all(void *state, anqa_msg *msg)
{
    struct shard *shard = state;
    struct asked asked;

    if (!read_ask(msg, &asked))
        return answer(ANQA_E_INVALID, NULL);
    if (!state_owns(&shard->state, asked.head.pid.bits))
        return answer(ANQA_OK, NULL);
    state_leave_all(&shard->state, asked.head.pid.bits);
    let_go(shard, asked.head.pid);
    return answer_and_tell(shard, msg, ANQA_OK, NULL);
}

/* Takes over a count; the answer has one of its own. */
static anqa_next answer_text(const anqa_msg *msg, anqa_buf text)
{
    anqa_caller caller = anqa_msg_caller(msg);

    anqa_reply_to(&caller, anqa_shared(text));
    anqa_buf_unref(text);
    return anqa_noreply();
}

static anqa_next on_list(void *state, anqa_msg *msg)
{
    struct shard *shard = state;
    anqa_buf text;
    anqa_status status = state_list(&shard->state, anqa_json_text(msg->body), &text);

    return status == ANQA_OK ? answer_text(msg, text) : answer(status, NULL);
}

static anqa_next on_get(void *state, anqa_msg *msg)
{
    struct shard *shard = state;
    struct asked asked;
    anqa_status status;
    anqa_buf text;

    if (!read_ask(msg, &asked))
        return answer(ANQA_E_INVALID, NULL);
    status = state_list_key(&shard->state, asked.topic, asked.key, &text);
    return status == ANQA_OK ? answer_text(msg, text) : answer(status, NULL);
}

/* ---------------------------------------------------------------- other nodes */

static anqa_str shared_topic(const struct shard *shard)
{
    return anqa_str_make(shard->topic, shard->topic_len);
}

static void send_message(void *arg, const anqa_str *to, enum message_kind kind, anqa_json message)
{
    const struct shard *shard = arg;
    const char *event = message_kind_names[kind];
    anqa_status status = to == NULL
                             ? anqa_broadcast_from(anqa_self(), shared_topic(shard), event, message)
                             : anqa_direct_broadcast(*to, shared_topic(shard), event, message);

    if (status != ANQA_OK && status != ANQA_E_NOT_FOUND)
        anqa_log(ANQA_WARN, "presence.not_sent", "presence=%s kind=%s error=%s next=retried",
            shard->spec->name, event, anqa_status_text(status));
}

/* What other nodes said before has to be told before they say more (state.h), be it by their silence. */
static bool is_deaf(struct shard *shard)
{
    if (shard->presenter.stuck)
        tell_now(shard);
    if (shard->presenter.stuck)
        shard->replication.deaf = true;
    return shard->presenter.stuck;
}

static anqa_next on_broadcast(void *state, anqa_msg *msg)
{
    struct shard *shard = state;
    anqa_broadcast_view view;
    enum message_kind kind;
    anqa_error err;

    if (!anqa_broadcast_of(msg, &view) || !anqa_pid_is_none(view.from) ||
        !message_kind_of(view.event, &kind))
        return anqa_noreply(); /* not of another node's tracker */
    if (is_deaf(shard))
        return anqa_noreply(); /* they say it again */
    if (replication_receive(&shard->replication, anqa_now_ms(), kind, view.payload, &err) !=
        ANQA_OK)
        anqa_log(ANQA_WARN, "presence.message_refused", "presence=%s kind=%s error=\"%s\"",
            shard->spec->name, message_kind_names[kind], err.text);
    tell_now(shard);
    return anqa_noreply();
}

/* Under another name than its own the others could not answer. */
static bool may_speak(struct shard *shard)
{
    anqa_str own = shard->state.self->id.name, now = anqa_node_name();

    if (anqa_str_is(now, "nonode"))
        return false;
    if (anqa_str_eq(own, now))
        return true;
    if (!shard->misnamed)
        anqa_log(ANQA_ERROR, "presence.node_name", "presence=%s began_as=%.*s now=%.*s next=alone",
            shard->spec->name, ANQA_FMT(own), ANQA_FMT(now));
    shard->misnamed = true;
    return false;
}

static anqa_next on_tick(void *state, anqa_msg *msg)
{
    struct shard *shard = state;
    anqa_status status = ANQA_OK;

    (void)anqa_send_after(
        anqa_self(), tick_tag, anqa_nothing(), shard->replication.times.period_ms);
    (void)is_deaf(shard);
    if (may_speak(shard))
        status = replication_tick(&shard->replication, anqa_now_ms());
    if (status != ANQA_OK)
        anqa_log(ANQA_WARN, "presence.tick", "presence=%s error=%s next=retried", shard->spec->name,
            anqa_status_text(status));
    tell_now(shard);
    return anqa_noreply();
}

/* ---------------------------------------------------------------- life */

static bool is_shard(const struct shard *shard, anqa_pid pid)
{
    for (uint32_t i = 1; i < shard_count(shard->spec); i++)
        if (anqa_pid_eq(shard->others[i], pid))
            return true;
    return false;
}

static anqa_next on_end_of_another(void *state, anqa_msg *msg)
{
    struct shard *shard = state;

    if (presenter_takes(&shard->presenter, msg)) {
        if (shard->presenter.stuck)
            tell_after(shard, PRESENTER_RETRY_MS);
        return anqa_noreply();
    }
    if (msg->kind != ANQA_MSG_EXIT)
        return anqa_noreply();
    if (is_shard(shard, msg->from))
        return anqa_stop_with(anqa_reason_ref(msg->u.reason));
    state_leave_all(&shard->state, msg->from.bits); /* nothing, if it was let go just now */
    tell_changes(shard);
    return anqa_noreply();
}

static void shard_clear(void *arg)
{
    struct shard *shard = arg;

    presenter_done(&shard->presenter);
    state_done(&shard->state);
}

static anqa_status shard_open(struct shard *shard, anqa_error *err)
{
    const anqa_presence *spec = shard->spec;
    struct replica_id self = {.name = anqa_node_name(), .started = clock_wall_ms()};
    struct presence_limits limits = {
        .per_topic = spec->max_per_topic, .per_owner = spec->max_per_process};
    struct replication_times times = {spec->broadcast_period_ms, spec->max_silent_periods,
        spec->down_period_ms, spec->permdown_period_ms};
    anqa_status status;

    random_bytes(&self.nonce, sizeof self.nonce);
    status = state_init(&shard->state, &self, &limits);
    if (status != ANQA_OK)
        return anqa_fail(err, status, "no memory");
    (void)anqa_defer(shard_clear, shard);
    status = replication_init(&shard->replication, &shard->state, &times, err);
    if (status != ANQA_OK)
        return status;
    shard->replication.send = send_message;
    shard->replication.arg = shard;
    shard->topic_len = (size_t)snprintf(
        shard->topic, sizeof shard->topic, "\xffpresence:%s:%u", spec->name, shard->index);
    status = anqa_subscribe(shared_topic(shard));
    return status == ANQA_OK ? status : anqa_fail(err, status, "its topic");
}

/* Within a quarter of a period, by the name of the node, so that nodes which start together do not speak together. */
static void first_tick(const struct shard *shard)
{
    uint32_t quarter = shard->replication.times.period_ms / 4 + 1;

    (void)anqa_send_after(
        anqa_self(), tick_tag, anqa_nothing(), wire_hash(shard->state.self->id.name) % quarter);
}

/* A shard of an earlier life, whose first one has ended, is about to end too. */
static anqa_status take_name(const char *name, uint32_t index)
{
    anqa_status status = anqa_register(name);
    anqa_ref ref;

    if (status != ANQA_E_EXISTS || index == 0)
        return status;
    ref = anqa_monitor(anqa_whereis(name));
    if (anqa_receive_ref(ref, 5000) == NULL)
        return status;
    return anqa_register(name);
}

static anqa_next shard_begin(struct shard *shard, const anqa_presence *spec, uint32_t index)
{
    char room[SHARD_NAME_MAX];
    const char *name = shard_name(spec, index, room);
    anqa_error err;

    shard->spec = spec;
    shard->index = index;
    presenter_init(&shard->presenter, spec, list_text, shard);
    if (take_name(name, index) != ANQA_OK)
        return anqa_stop_with(anqa_error_reason("the name '%s' is taken", name));
    if (shard_open(shard, &err) != ANQA_OK)
        return anqa_stop_with(anqa_error_reason("presence '%s': %s", spec->name, err.text));
    first_tick(shard);
    return anqa_noreply();
}

struct shard_arg {
    const anqa_presence *spec;
    uint32_t index;
};

static anqa_next begin_other(void *state, const void *arg)
{
    const struct shard_arg *of = arg;

    return shard_begin(state, of->spec, of->index);
}

static void end(void *state, anqa_reason reason)
{
    struct shard *shard = state;

    if (shard->spec->permdown_on_shutdown && may_speak(shard))
        replication_bye(&shard->replication);
}

static anqa_json status_of(void *state)
{
    const struct shard *shard = state;

    return anqa_jsonf("{'shard': %u, 'topics': %zu, 'tracked': %zu, 'replicas': %zu}", shard->index,
        shard->state.topics.count, shard->state.self == NULL ? (size_t)0 : shard->state.self->count,
        shard->state.replicas.count);
}

static const anqa_handler calls[] = {{"track", on_track}, {"update", on_update}, {"meta", on_meta},
    {"untrack", on_untrack}, {"untrack_all", on_untrack_all}, {"list", on_list}, {"get", on_get},
    {0}};
static const anqa_handler infos[] = {{ANQA_BROADCAST, on_broadcast}, {tick_tag, on_tick},
    {tell_tag, on_tell}, {"EXIT", on_end_of_another}, {"DOWN", on_end_of_another},
    {"reply", on_end_of_another}, {0}};

static const anqa_gen_server other_shard = {.label = "presence shard",
    .state_size = sizeof(struct shard),
    .arg_size = sizeof(struct shard_arg),
    .init = begin_other,
    .handle_call = calls,
    .handle_info = infos,
    .terminate = end,
    .format_status = status_of,
    .trap_exit = true};

static anqa_next begin_first(void *state, const void *arg)
{
    const anqa_presence *spec = arg;
    struct shard *shard = state;
    anqa_next next;
    anqa_error err;

    if (spec == NULL || spec->name == NULL || strlen(spec->name) > 200 ||
        spec->shards > ANQA_PRESENCE_SHARDS_MAX)
        return anqa_stop_with(
            anqa_error_reason("a presence has a name of at most 200 bytes and at most %u shards",
                ANQA_PRESENCE_SHARDS_MAX));
    next = shard_begin(state, spec, 0);
    for (uint32_t i = 1; i < shard_count(spec) && next.kind == ANQA_NEXT_NOREPLY; i++)
        if (anqa_gen_server_start_link(&other_shard, &(struct shard_arg){spec, i}, NULL,
                &shard->others[i], &err) != ANQA_OK)
            return anqa_stop_with(anqa_error_reason("shard %u: %s", i, err.text));
    return next;
}

const anqa_gen_server anqa_presence_server = {.label = "presence",
    .state_size = sizeof(struct shard),
    .init = begin_first,
    .handle_call = calls,
    .handle_info = infos,
    .terminate = end,
    .format_status = status_of,
    .trap_exit = true};
