/* Sockets without channels. See anqa/raw_socket.h. */
#include <anqa/raw_socket.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "base/utf8.h"
#include "channel/carried.h"
#include "channel/rate.h"
#include "http/websocket.h"
#include "runtime/sched.h"

#define CLOSE_POLICY 1008
#define CLOSE_ERROR 1011

/* Messages of the process to itself, told apart by address: so handlers run as events, and may wait. */
static const char init_tag[] = "raw_init", text_tag[] = "raw_text", binary_tag[] = "raw_binary";

/* owner: the process that carries it, on its heap */
struct raw {
    anqa_raw pub;
    const anqa_raw_socket *spec;
    const struct transport *transport;
    void *link;
    const anqa_rate_limit *limit; /* of the mount */
    struct rate rate;
    const char *why;
    bool begun; /* `init` was called */
    bool busy;  /* a handler runs */
    bool ended; /* nothing is sent or handled any more */
    _Alignas(16) char state[];
};

static struct raw *raw_of(anqa_raw *pub)
{
    return (struct raw *)(void *)pub;
}

/* Nothing is read before what is sent was handled. */
static void send_self(struct raw *raw, const char *tag, anqa_str data)
{
    if (anqa_send(anqa_self(), tag, anqa_bytes(data.ptr, data.len)) != ANQA_OK)
        anqa_raw_close(&raw->pub, CLOSE_ERROR);
}

/* However the process ends. */
static void over(void *arg)
{
    struct raw *raw = arg;

    raw->ended = true;
    if (raw->begun && raw->spec->terminate != NULL)
        raw->spec->terminate(&raw->pub, raw->busy ? "crashed" : raw->why);
}

/* ---------------------------------------------------------------- as it is carried */

static anqa_status open_raw(const struct transport *transport, void *link,
    const struct admission *admission, const struct socket_mount *mount, void **ret_user)
{
    const anqa_raw_socket *spec = mount->spec->raw;
    struct raw *raw = anqa_heap_calloc(1, sizeof *raw + spec->state_size);

    raw->spec = spec;
    raw->transport = transport;
    raw->link = link;
    raw->limit = &mount->spec->rate;
    rate_init(&raw->rate, raw->limit, sched_self->now_ms);
    raw->why = "closed";
    raw->pub.state = raw->state;
    if (spec->state_size > 0)
        memcpy(raw->state, admission->assigns, spec->state_size);
    anqa_defer(over, raw);
    if (link != NULL) {
        transport->pause(link);
        send_self(raw, init_tag, (anqa_str){NULL, 0});
    }
    *ret_user = raw;
    return ANQA_OK;
}

static void attach(void *user, void *link)
{
    struct raw *raw = user;

    raw->link = link;
    raw->transport->pause(link);
    send_self(raw, init_tag, (anqa_str){NULL, 0});
}

static void message(void *user, bool binary, anqa_str data)
{
    struct raw *raw = user;

    if (raw->ended)
        return;
    if (rate_is_limited(raw->limit) &&
        !rate_take(&raw->rate, raw->limit, data.len, sched_self->now_ms)) {
        anqa_log(ANQA_NOTICE, "socket.refused",
            "code=%d error=\"the rate limit of a socket\" next=closed", CLOSE_POLICY);
        anqa_raw_close(&raw->pub, CLOSE_POLICY);
        return;
    }
    raw->transport->pause(raw->link);
    send_self(raw, binary ? binary_tag : text_tag, data);
}

static void handle(struct raw *raw, const anqa_msg *msg)
{
    const anqa_raw_socket *spec = raw->spec;

    if (msg->tag == init_tag) {
        raw->begun = true;
        if (spec->init != NULL)
            spec->init(&raw->pub);
    } else if (msg->tag == text_tag || msg->tag == binary_tag) {
        if (spec->handle_in != NULL)
            spec->handle_in(&raw->pub, msg->tag == binary_tag, anqa_json_text(msg->body));
    } else if (spec->handle_info != NULL) {
        spec->handle_info(&raw->pub, msg);
    }
}

static void info(void *user, const anqa_msg *msg)
{
    struct raw *raw = user;
    bool was_read = msg->tag == init_tag || msg->tag == text_tag || msg->tag == binary_tag;

    if (raw->ended)
        return;
    raw->busy = true;
    handle(raw, msg);
    raw->busy = false;
    if (was_read)
        raw->transport->resume(raw->link);
}

static void closed(void *user)
{
    ((struct raw *)user)->ended = true;
}

static void drain(void *user, uint16_t code)
{
    struct raw *raw = user;

    raw->why = "draining";
    anqa_raw_close(&raw->pub, code);
}

static void expire(void *user)
{
    struct raw *raw = user;

    raw->why = "inactive";
    raw->ended = true;
}

const struct carried carried_raw = {.open = open_raw,
    .attach = attach,
    .message = message,
    .info = info,
    .closed = closed,
    .drain = drain,
    .expire = expire};

/* ---------------------------------------------------------------- for handlers */

anqa_status anqa_raw_push(anqa_raw *pub, bool binary, anqa_str data)
{
    struct raw *raw = raw_of(pub);
    char head[WEBSOCKET_HEAD_MAX];
    size_t len;
    char *room;

    if (binary && raw->transport->text_only)
        return ANQA_E_UNSUPPORTED;
    if (!binary && !utf8_valid(data.ptr, data.len))
        return ANQA_E_INVALID;
    len = websocket_write_frame_head(head, binary ? WEBSOCKET_BINARY : WEBSOCKET_TEXT, data.len);
    room = raw->ended ? NULL : raw->transport->room(raw->link, len + data.len);
    if (room == NULL)
        return ANQA_E_CLOSED;
    memcpy(room, head, len);
    if (data.len > 0)
        memcpy(room + len, data.ptr, data.len);
    return ANQA_OK;
}

void anqa_raw_close(anqa_raw *pub, uint16_t code)
{
    struct raw *raw = raw_of(pub);

    if (raw->ended)
        return;
    raw->ended = true;
    raw->transport->close(raw->link, code);
}
