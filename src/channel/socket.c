/* The connection's side: joins, channels, the end. */
#include "channel/socket_int.h"

#include <stdlib.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "channel/connect.h"
#include "channel/deflated.h"
#include "channel/mount.h"
#include "http/conn.h"
#include "runtime/sched.h"

const char chan_in_tag[] = "$in";
const char chan_leave_tag[] = "$leave";
const char chan_closed_tag[] = "$closed";
const char chan_out_tag[] = "$out";
const char chan_reply_tag[] = "$reply";

static const char closed_text[] = "closed", disconnected_text[] = "disconnected",
                  draining_text[] = "draining", inactive_text[] = "inactive";

/* ---------------------------------------------------------------- memory of sockets */

static void *take(size_t size)
{
    return size <= BLOCK_MAX ? block_take(&sched_self->blocks, block_class(size)) : malloc(size);
}

static void put(void *memory, size_t size)
{
    if (size <= BLOCK_MAX)
        block_put(&sched_self->blocks, block_class(size), memory);
    else
        free(memory);
}

static size_t round_up(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

/* ---------------------------------------------------------------- holding, writing */

void socket_hold(struct socket *socket)
{
    if (socket->holds++ == 0)
        socket->transport->pause(socket->link);
}

void socket_release(struct socket *socket)
{
    if (--socket->holds == 0)
        socket->transport->resume(socket->link);
}

static void catch_up(struct socket *socket)
{
    for (struct chan *chan = socket->channels; chan != NULL; chan = chan->next)
        sub_catch_up(&chan->sub);
}

void socket_write(struct socket *socket, const struct v2_frame *frame)
{
    char *room;

    catch_up(socket);
    if (socket->ended || deflated_write(socket->transport, socket->link, frame))
        return;
    room = socket->transport->room(socket->link, frame->len);
    if (room != NULL)
        v2_write(frame, room);
}

size_t socket_output_bytes(const struct socket *socket)
{
    const struct http_service *service = socket->mount->service;

    return service == NULL ? SIZE_MAX : service_output_bytes(service); /* there is no wire */
}

void socket_reply(struct socket *socket, anqa_str join_ref, anqa_str ref, anqa_str topic_json,
    bool ok, anqa_str response)
{
    struct v2_frame frame;

    socket->serializer->reply(&frame, join_ref, ref, (struct v2_topic){.text = topic_json},
        ok ? STR("ok") : STR("error"), response);
    socket_write(socket, &frame);
}

/* ---------------------------------------------------------------- the end */

static void tell_closed(struct chan *chan, const char *why)
{
    if (chan->flags & CHAN_GONE)
        return; /* it ends already */
    if (anqa_send(chan->sub.who, chan_closed_tag, anqa_bytes(why, strlen(why))) == ANQA_E_NOMEM)
        anqa_exit_signal(chan->sub.who, ANQA_SHUTDOWN);
}

/* From here on nothing is read or written; channels hear why. */
static void socket_end(struct socket *socket, const char *why)
{
    if (socket->ended)
        return;
    socket->ended = true;
    for (struct chan *chan = socket->channels; chan != NULL; chan = chan->next)
        tell_closed(chan, why);
}

void socket_refuse(struct socket *socket, uint16_t code, const char *why)
{
    anqa_log(ANQA_NOTICE, "socket.refused", "code=%d error=%s next=closed", code, why);
    socket_end(socket, closed_text);
    socket->transport->close(socket->link, code);
}

void socket_drain(struct socket *socket, uint16_t code)
{
    if (socket->ended)
        return;
    anqa_log(ANQA_DEBUG, "socket.drained", "path=%s code=%d", socket->mount->spec->path, code);
    socket_end(socket, draining_text);
    socket->transport->close(socket->link, code);
}

void socket_expire(struct socket *socket)
{
    socket_end(socket, inactive_text);
}

static void join_free(struct join *join)
{
    if (join == NULL)
        return;
    for (uint32_t i = 0; i < join->held_count; i++)
        anqa_buf_unref(join->held[i]);
    free(join->held);
    free(join);
}

static void socket_free(struct socket *socket)
{
    if (socket->id != NULL) {
        sub_close(&socket->id->sub);
        put(socket->id, sizeof *socket->id);
    }
    put(socket, socket->size);
}

/* What a channel still does is part of what its client has asked for. */
static void chan_leave(struct chan *chan, const struct socket *socket)
{
    chan->socket = NULL;
    chan->service = socket->mount->service;
    if (chan->service != NULL)
        service_hold(chan->service);
}

void socket_closed(struct socket *socket)
{
    struct chan *next;

    socket_end(socket, closed_text);
    for (struct chan *chan = socket->channels; chan != NULL; chan = next) {
        next = chan->next;
        chan_leave(chan, socket);
        if (chan->flags & CHAN_JOINED) {
            join_free(chan->join);
            chan->join = NULL;
        }
    }
    socket_free(socket);
}

/* ---------------------------------------------------------------- the id */

static void id_deliver(struct sub *sub, struct frame *const *frames, size_t count)
{
    struct socket *socket = ((const struct socket_id *)(const void *)sub)->socket;

    for (size_t i = 0; i < count; i++) {
        if (socket->ended || !anqa_str_is(frame_view(frames[i]).event, "disconnect"))
            continue;
        socket_end(socket, disconnected_text);
        socket->transport->close(socket->link, CLOSE_GOING_AWAY);
    }
}

static const struct sub_ops id_ops = {id_deliver};

static anqa_status id_open(struct socket *socket, anqa_str id)
{
    anqa_status status;

    if (id.len == 0)
        return ANQA_OK;
    socket->id = take(sizeof *socket->id);
    if (socket->id == NULL)
        return ANQA_E_NOMEM;
    memset(socket->id, 0, sizeof *socket->id);
    socket->id->socket = socket;
    socket->id->sub.ops = &id_ops;
    socket->id->sub.who = anqa_self();
    status = sub_open(&socket->id->sub, id);
    if (status != ANQA_OK)
        socket->id->sub.topic = NULL;
    return status;
}

/* ---------------------------------------------------------------- life of a socket */

anqa_status socket_new(const struct transport *transport, void *link,
    const struct admission *admission, const struct socket_mount *mount, struct socket **ret_socket)
{
    size_t assigns_size = mount->spec->user_socket->assigns_size;
    const anqa_rate_limit *limit = &mount->spec->rate;
    size_t rate_at = round_up(sizeof(struct socket)) + round_up(assigns_size);
    size_t size = rate_at + (rate_is_limited(limit) ? sizeof(struct rate) : 0);
    struct socket *socket;
    anqa_status status;

    anqa_section_begin();
    socket = size > UINT32_MAX ? NULL : take(size);
    if (socket == NULL) {
        anqa_section_end();
        return ANQA_E_NOMEM;
    }
    *socket = (struct socket){.transport = transport,
        .serializer = admission->serializer,
        .link = link,
        .mount = mount,
        .assigns = (char *)socket + round_up(sizeof *socket),
        .size = (uint32_t)size};
    if (rate_is_limited(limit)) {
        socket->rate = (struct rate *)(void *)((char *)socket + rate_at);
        rate_init(socket->rate, limit, sched_self->now_ms);
    }
    if (assigns_size > 0)
        memcpy(socket->assigns, admission->assigns, assigns_size);
    status = id_open(socket, admission->id);
    if (status != ANQA_OK)
        socket_free(socket);
    else
        *ret_socket = socket;
    anqa_section_end();
    return status;
}

/* ---------------------------------------------------------------- joins */

static anqa_str keep(char **at, anqa_str text)
{
    anqa_str kept = anqa_str_make(*at, text.len);

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return kept;
}

struct join *join_new(const struct v2_message *m, anqa_str topic, anqa_str topic_json,
    const anqa_channel *spec, anqa_str old_ref)
{
    size_t size =
        m->join_ref.len + m->ref.len + topic.len + topic_json.len + old_ref.len + m->payload.len;
    struct join *join = malloc(sizeof *join + size);
    char *at;

    if (join == NULL)
        return NULL;
    at = join->text;
    *join = (struct join){.binary = m->binary, .spec = spec};
    join->join_ref = keep(&at, m->join_ref);
    join->ref = keep(&at, m->ref);
    join->topic = keep(&at, topic);
    join->topic_json = keep(&at, topic_json);
    join->old_ref = keep(&at, old_ref);
    join->payload = keep(&at, m->payload);
    return join;
}

static void send_held(struct socket *socket, const struct join *join)
{
    const struct transport *transport = socket->transport;

    if (transport->allow != NULL)
        (void)transport->allow(socket->link, join->held_bytes);
    transport->send_now(socket->link, join->held, join->held_count);
}

void join_end(struct socket *socket, struct join *join, bool joined, anqa_str response)
{
    struct v2_frame frame;

    if (socket != NULL) {
        socket_reply(socket, join->join_ref, join->ref, join->topic_json, joined, response);
        if (join->old_ref.len > 0) {
            socket->serializer->push(&frame, join->old_ref, join->old_ref,
                (struct v2_topic){.text = join->topic_json}, STR("phx_close"), STR("{}"));
            socket_write(socket, &frame);
        }
        if (joined && join->held_count > 0 && !socket->ended)
            send_held(socket, join);
        socket_release(socket);
    }
    join_free(join);
}

static bool join_ref_is_null(const struct join *join)
{
    return anqa_str_is(join->join_ref, "null");
}

static bool has_escapes(anqa_str json)
{
    return memchr(json.ptr, '\\', json.len) != NULL;
}

/* Puts a channel into the zeroed state of its process, which has not run yet. */
size_t chan_rate_at(const struct socket *socket, const anqa_channel *spec)
{
    return sizeof(struct chan) + round_up(socket->mount->spec->user_socket->assigns_size) +
           round_up(spec->state_size);
}

struct rate *chan_rate(struct chan *chan)
{
    return (struct rate *)(void *)((char *)chan + chan_rate_at(chan->socket, chan->spec));
}

static struct chan *chan_make(
    struct socket *socket, struct join *join, struct proc *p, anqa_pid pid, size_t texts)
{
    struct chan *chan = p->state;
    size_t assigns_size = socket->mount->spec->user_socket->assigns_size;
    anqa_str ref = join_ref_is_null(join) ? join->ref : join->join_ref;
    char *at = (char *)chan + texts;

    chan->pub.assigns = (char *)chan + sizeof *chan;
    chan->pub.state = (char *)chan + sizeof *chan + round_up(assigns_size);
    if (assigns_size > 0)
        memcpy(chan->pub.assigns, socket->assigns, assigns_size);
    chan->sub.ops = &chan_sub_ops;
    chan->sub.who = pid;
    chan->hook.run = chan_exit;
    exit_hook_add_to(p, &chan->hook);
    chan->socket = socket;
    chan->spec = join->spec;
    chan->join = join;
    if (rate_is_limited(&join->spec->rate))
        rate_init(chan_rate(chan), &join->spec->rate, sched_self->now_ms);
    chan->texts = (uint32_t)texts;
    chan->ref_len = (uint8_t)keep(&at, ref).len;
    if (join_ref_is_null(join))
        chan->flags |= CHAN_NULL_JOIN_REF;
    if (has_escapes(join->topic_json)) {
        uint16_t len = (uint16_t)join->topic_json.len;
        chan->flags |= CHAN_TOPIC_JSON;
        (void)keep(&at, anqa_str_make((const char *)&len, sizeof len));
        (void)keep(&at, join->topic_json);
    }
    return chan;
}

/* Bytes that a channel keeps behind its state: mostly three. */
static size_t texts_size(const struct join *join)
{
    return (join_ref_is_null(join) ? join->ref.len : join->join_ref.len) +
           (has_escapes(join->topic_json) ? sizeof(uint16_t) + join->topic_json.len : 0);
}

anqa_str chan_topic_json(const struct chan *chan)
{
    const char *at = (const char *)chan + chan->texts + chan->ref_len;
    uint16_t len;

    memcpy(&len, at, sizeof len);
    return anqa_str_make(at + sizeof len, len);
}

/* Spawns the channel of a join, for which the socket is held. It is nobody's child: a node for the family of each
 * connection would cost it a hundred bytes. */
void socket_join(struct socket *socket, struct join *join)
{
    struct sched *s = sched_self;
    size_t texts = chan_rate_at(socket, join->spec) +
                   (rate_is_limited(&join->spec->rate) ? sizeof(struct rate) : 0);
    anqa_spawn_opts opts = {
        .behaviour = &chan_behaviour, .state_size = texts + texts_size(join), .pinned = true};
    struct chan *chan;
    anqa_status status;
    anqa_pid pid;

    if (socket->ended) { /* its channels have been told so: one more would never hear of it */
        join_end(socket, join, false, STR("{}"));
        return;
    }
    status = proc_spawn(s, &opts, NULL, &pid, NULL);
    if (status != ANQA_OK) {
        anqa_log(ANQA_ERROR, "channel.join.failed", "topic=%.*s error=%s", ANQA_FMT(join->topic),
            anqa_status_text(status));
        join_end(socket, join, false, STR("{\"reason\":\"join crashed\"}"));
        return;
    }
    chan = chan_make(socket, join, proc_slot(s->rt, pid), pid, texts);
    chan->next = socket->channels;
    socket->channels = chan;
    socket->count++;
    proc_emit_spawn(pid, (anqa_pid){0}); /* last: a handler that fails ends us */
}

/* ---------------------------------------------------------------- channels of a socket */

struct chan *socket_find(const struct socket *socket, anqa_str topic)
{
    for (struct chan *chan = socket->channels; chan != NULL; chan = chan->next)
        if ((chan->flags & CHAN_GONE) == 0 && anqa_str_eq(chan->pub.topic, topic))
            return chan;
    return NULL;
}

anqa_pid socket_channel(const struct socket *socket, anqa_str topic)
{
    const struct chan *chan = socket_find(socket, topic);

    return chan == NULL ? (anqa_pid){0} : chan->sub.who;
}

static void chan_unlink(struct chan *chan)
{
    struct chan **link = &chan->socket->channels;

    while (*link != chan)
        link = &(*link)->next;
    *link = chan->next;
}

void chan_replaced(struct chan *chan)
{
    const struct socket *socket = chan->socket;

    chan_gone(chan);
    chan_unlink(chan);
    chan_leave(chan, socket);
}

void chan_gone(struct chan *chan)
{
    struct join *waiting = chan->flags & CHAN_JOINED ? chan->join : NULL;

    if ((chan->flags & CHAN_GONE) || chan->socket == NULL)
        return;
    if (chan->flags & CHAN_HOLDS) /* nobody handles those messages any more */
        socket_release(chan->socket);
    chan->flags = (uint8_t)((chan->flags & ~CHAN_HOLDS) | CHAN_GONE);
    chan->socket->count--;
    if (waiting == NULL)
        return;
    chan->join = NULL;
    socket_join(chan->socket, waiting);
}

void chan_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct chan *chan = ANQA_CONTAINER_OF(hook, struct chan, hook);
    struct socket *socket = chan->socket;
    struct v2_frame frame;

    chan->turn = NULL;
    if ((chan->flags & CHAN_JOINED) == 0 && chan->join != NULL) {
        join_end(socket, chan->join, false, STR("{\"reason\":\"join crashed\"}"));
        chan->join = NULL;
    } else if ((chan->flags & CHAN_GONE) == 0 && socket != NULL) {
        socket->serializer->push(&frame, chan_end_ref(chan), chan_end_ref(chan), chan_topic(chan),
            STR("phx_error"), STR("{\"reason\":\"channel_crash\"}"));
        socket_write(socket, &frame);
    }
    if (socket != NULL) {
        chan_gone(chan);
        chan_unlink(chan);
    } else if (chan->service != NULL) {
        service_let_go(chan->service);
    }
    sub_close(&chan->sub);
}
