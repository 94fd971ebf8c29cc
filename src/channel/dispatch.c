/* A client's messages: which channel each is for, and what is answered without one. See socket.h. */
#include "channel/socket_int.h"

#include <anqa/log.h>
#include <anqa/memory.h>

#include "channel/mount.h"
#include "runtime/sched.h"

/* ---------------------------------------------------------------- messages */

struct incoming {
    struct v2_message m;
    anqa_str topic;                     /* the name, if `named`: if it is a string */
    anqa_str join_ref, ref, topic_json; /* JSON text, after incoming_address */
    bool named;
};

/* Bytes of a binary frame as JSON text; what is no UTF-8 can not be. */
static bool as_json(anqa_str bytes, anqa_str *ret_json)
{
    anqa_json_writer w;
    anqa_json json;

    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_json_put_str(&w, bytes);
    if (anqa_json_writer_finish(&w, &json) != ANQA_OK)
        return false;
    *ret_json = anqa_json_text(json);
    return true;
}

/* The name; what is needed for an answer comes by incoming_address. */
static void incoming_name(struct incoming *in)
{
    in->topic = in->m.topic;
    in->named = in->m.binary || v2_string(anqa_tmp(), in->m.topic, &in->topic);
}

static bool incoming_address(struct incoming *in)
{
    const struct v2_message *m = &in->m;

    if (m->binary)
        return as_json(m->join_ref, &in->join_ref) && as_json(m->ref, &in->ref) &&
               as_json(m->topic, &in->topic_json);
    in->join_ref = m->join_ref;
    in->ref = m->ref;
    in->topic_json = m->topic;
    return true;
}

static bool event_is(const struct v2_message *m, anqa_str event)
{
    if (m->binary)
        return anqa_str_eq(m->event, event);
    if (m->event.len == event.len + 2 && m->event.ptr[0] == '"')
        return memcmp(m->event.ptr + 1, event.ptr, event.len) == 0;
    return m->event.len > event.len + 2 &&
           anqa_json_is_str((anqa_json){m->event.ptr, m->event.len}, event);
}

static void reply_unmatched(struct socket *socket, const struct incoming *in)
{
    socket_reply(socket, STR("null"), in->ref, in->topic_json, false,
        STR("{\"reason\":\"unmatched topic\"}"));
}

static bool topic_fits(const char *pattern, anqa_str topic)
{
    size_t len = strlen(pattern);

    if (len > 0 && pattern[len - 1] == '*')
        return topic.len >= len - 1 && memcmp(topic.ptr, pattern, len - 1) == 0;
    return topic.len == len && memcmp(topic.ptr, pattern, len) == 0;
}

static const anqa_channel *route(const struct socket *socket, const struct incoming *in)
{
    const anqa_channel *const *at = socket->mount->spec->user_socket->channels;

    if (!in->named || in->topic.len == 0 || in->topic.len > ANQA_TOPIC_MAX)
        return NULL;
    for (; at != NULL && *at != NULL; at++)
        if (topic_fits((*at)->topic, in->topic))
            return *at;
    return NULL;
}

static struct join *join_of(
    struct socket *socket, const struct incoming *in, const anqa_channel *spec, anqa_str old_ref)
{
    struct v2_message m = in->m;
    struct join *join;

    m.join_ref = in->join_ref;
    m.ref = in->ref;
    if (m.join_ref.len <= ANQA_REF_MAX && m.ref.len <= ANQA_REF_MAX) {
        join = join_new(&m, in->topic, in->topic_json, spec, old_ref);
        if (join != NULL)
            return join;
        socket_refuse(socket, CLOSE_ERROR, "out of memory");
    } else {
        socket_refuse(socket, CLOSE_TOO_BIG, "a ref is too long");
    }
    return NULL;
}

static void join_begin(struct socket *socket, struct join *join)
{
    socket_hold(socket);
    socket_join(socket, join);
}

static void on_join(struct socket *socket, const struct incoming *in)
{
    const anqa_channel *spec = route(socket, in);
    struct join *join;

    if (spec == NULL) {
        reply_unmatched(socket, in);
        return;
    }
    if (socket->count >= socket->mount->max_channels) {
        socket_reply(socket, in->join_ref, in->ref, in->topic_json, false,
            STR("{\"reason\":\"too many channels joined\"}"));
        return;
    }
    join = join_of(socket, in, spec, (anqa_str){NULL, 0});
    if (join != NULL)
        join_begin(socket, join);
}

static void kill_later(void *state)
{
    const anqa_pid *channel = state;

    if (anqa_receive_ref(anqa_monitor(*channel), REPLACE_AFTER_MS) == NULL)
        anqa_exit_signal(*channel, ANQA_KILL);
}

/* The client has left and comes back before the channel has ended: the join waits for that. */
static void join_after(struct socket *socket, const struct incoming *in, struct chan *chan)
{
    anqa_spawn_opts guard = {
        .run = kill_later, .arg = &chan->sub.who, .arg_size = sizeof chan->sub.who};

    chan->join = join_of(socket, in, chan->spec, (anqa_str){NULL, 0});
    if (chan->join == NULL)
        return;
    socket_hold(socket);
    if (anqa_spawn(&guard, NULL, NULL) != ANQA_OK)
        anqa_exit_signal(chan->sub.who, ANQA_KILL);
}

/* The same topic once more: the old channel makes room, unheard. It is queued to die before the new one is spawned. */
static void on_duplicate_join(struct socket *socket, const struct incoming *in, struct chan *chan)
{
    struct join *join;

    if (chan->flags & CHAN_LEAVING) {
        join_after(socket, in, chan);
        return;
    }
    join = join_of(socket, in, chan->spec, chan_end_ref(chan));
    if (join == NULL)
        return;
    anqa_log(ANQA_DEBUG, "channel.duplicate_join", "topic=%.*s", ANQA_FMT(in->topic));
    chan_replaced(chan);
    anqa_exit_signal(chan->sub.who, ANQA_KILL);
    join_begin(socket, join);
}

static void on_not_joined(struct socket *socket, const struct incoming *in)
{
    if (event_is(&in->m, STR("phx_join")))
        on_join(socket, in);
    else if (event_is(&in->m, STR("phx_leave")))
        socket_reply(socket, in->join_ref, in->ref, in->topic_json, true, STR("{}"));
    else
        reply_unmatched(socket, in);
}

static void chan_count(struct chan *chan, size_t bytes)
{
    chan->pending++;
    chan->pending_bytes += (uint32_t)bytes;
    if ((chan->pending < CHAN_PENDING_MAX && chan->pending_bytes < CHAN_PENDING_BYTES_MAX) ||
        (chan->flags & CHAN_HOLDS))
        return;
    chan->flags |= CHAN_HOLDS;
    socket_hold(chan->socket);
}

/* Of a message that is one too many. */
static void over_rate(
    struct socket *socket, struct incoming *in, const anqa_rate_limit *limit, const char *whose)
{
    if (limit->over == ANQA_RATE_CLOSE || !incoming_address(in)) {
        socket_refuse(socket, CLOSE_POLICY, whose);
        return;
    }
    anqa_log(ANQA_DEBUG, "socket.over_rate",
        "topic=%.*s what=\"%s\" next=\"answered with an error\"", ANQA_FMT(in->topic), whose);
    socket_reply(
        socket, in->join_ref, in->ref, in->topic_json, false, STR("{\"reason\":\"rate limit\"}"));
}

/* Whether the client sends no more to this channel than it may. Who leaves always may. */
static bool within_rate(struct chan *chan, const struct v2_message *m)
{
    const anqa_rate_limit *limit = &chan->spec->rate;

    return !rate_is_limited(limit) || event_is(m, STR("phx_leave")) ||
           rate_take(chan_rate(chan), limit, m->payload.len, sched_self->now_ms);
}

static void pass_on(struct socket *socket, const struct v2_message *m, struct chan *chan)
{
    bool leaves = event_is(m, STR("phx_leave"));
    struct v2_places places;
    anqa_str tail;

    if (v2_tail(m, &tail, &places) != ANQA_OK) {
        socket_refuse(socket, CLOSE_TOO_BIG, "ref or event too long");
        return;
    }
    if (anqa_send_ref(chan->sub.who, leaves ? chan_leave_tag : chan_in_tag, (anqa_ref){places.bits},
            anqa_bytes(tail.ptr, tail.len)) == ANQA_E_NOMEM) {
        socket_refuse(socket, CLOSE_ERROR, "out of memory");
        return;
    }
    if (leaves)
        chan->flags |= CHAN_LEAVING;
    else
        chan_count(chan, tail.len);
}

/* A join_ref that is not the channel's: a message to an earlier one, which nobody answers. */
static bool is_stale(const struct v2_message *m, const struct chan *chan)
{
    if (v2_no_join_ref(m))
        return false;
    return (chan->flags & CHAN_NULL_JOIN_REF) != 0 ||
           !v2_join_ref_is(anqa_tmp(), m, chan_ref(chan));
}

/* What is answered here, not by a channel. chan: NULL, the topic is not joined. */
static void answer_here(struct socket *socket, struct incoming *in, struct chan *chan)
{
    if (!incoming_address(in))
        socket_refuse(socket, CLOSE_ERROR, "a binary push whose strings are not UTF-8");
    else if (chan != NULL)
        on_duplicate_join(socket, in, chan);
    else if (anqa_str_is(in->topic, "phoenix") && event_is(&in->m, STR("heartbeat")))
        socket_reply(socket, STR("null"), in->ref, in->topic_json, true, STR("{}"));
    else
        on_not_joined(socket, in);
}

static void dispatch(struct socket *socket, struct incoming *in)
{
    struct chan *chan = in->named ? socket_find(socket, in->topic) : NULL;

    if (chan == NULL || event_is(&in->m, STR("phx_join")))
        answer_here(socket, in, chan);
    else if ((chan->flags & CHAN_LEAVING) || is_stale(&in->m, chan))
        return;
    else if (within_rate(chan, &in->m))
        pass_on(socket, &in->m, chan);
    else
        over_rate(socket, in, &chan->spec->rate, "the rate limit of a channel");
}

/* Who leaves always may: it has forgotten its channel, and does not try again. Once for each join, which is limited. */
static bool leaves_one(const struct socket *socket, const struct incoming *in)
{
    return in->named && event_is(&in->m, STR("phx_leave")) &&
           socket_find(socket, in->topic) != NULL;
}

void socket_message(struct socket *socket, bool binary, anqa_str data)
{
    struct incoming in;
    anqa_error err;
    anqa_status status;

    if (socket->ended)
        return;
    anqa_section_begin(); /* lists are changed; no code of the application runs in here */
    status = socket->serializer->read(anqa_tmp(), binary, data, &in.m, &err);
    if (status != ANQA_OK) {
        socket_refuse(socket, CLOSE_ERROR, err.text);
    } else {
        incoming_name(&in);
        if (socket->rate == NULL || leaves_one(socket, &in) ||
            rate_take(socket->rate, &socket->mount->spec->rate, data.len, sched_self->now_ms))
            dispatch(socket, &in);
        else
            over_rate(socket, &in, &socket->mount->spec->rate, "the rate limit of a socket");
    }
    anqa_section_end();
}
