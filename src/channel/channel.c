/* The channel's side: its process, callbacks, and what these may call. */
#include <anqa/channel.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "channel/deflated.h"
#include "channel/large.h"
#include "channel/socket.h"
#include "otp/child.h"
#include "runtime/sched.h"

#define STR(literal) anqa_str_make((literal), sizeof(literal) - 1)

/* ---------------------------------------------------------------- writing to the client */

/* A wild pointer faults here, and not when a frame has been begun. */
static void probe(anqa_str bytes)
{
    if (bytes.len > 0)
        (void)(*(const volatile char *)bytes.ptr +
               *(const volatile char *)(bytes.ptr + bytes.len - 1));
}

static void chan_write(struct chan *chan, const struct v2_frame *frame)
{
    if (chan->socket == NULL)
        return;
    anqa_section_begin();
    socket_write(chan->socket, frame);
    anqa_section_end();
}

static bool is_object(anqa_json json)
{
    return anqa_json_type_of(json) == ANQA_JSON_IS_OBJECT;
}

/* What may stand between quotes, for any text. */
static anqa_str between_quotes(anqa_str text)
{
    anqa_json json;

    if (v2_is_plain(text))
        return text;
    json = anqa_jsonf("%.*s", ANQA_FMT(text));
    return anqa_str_make(json.ptr + 1, json.len - 2);
}

/* A JSON scalar as a binary frame has it. */
static anqa_str as_bytes(anqa_str json)
{
    anqa_str text;

    if (anqa_str_is(json, "null"))
        return (anqa_str){NULL, 0};
    return v2_string(anqa_tmp(), json, &text) ? text : json;
}

static void write_reply(struct chan *chan, anqa_str ref, anqa_str status, anqa_json response)
{
    struct v2_frame frame;

    probe(anqa_json_text(response));
    if (chan->socket == NULL)
        return;
    chan->socket->serializer->reply(
        &frame, chan_ref(chan), ref, chan_topic(chan), status, anqa_json_text(response));
    chan_write(chan, &frame);
}

/* Whether the client can be sent a binary frame. */
static bool takes_binary(const struct chan *chan)
{
    const struct socket *socket = chan->socket;

    return socket == NULL || (socket->serializer->has_binary && !socket->transport->text_only);
}

static void write_binary_reply(
    struct chan *chan, anqa_str ref, anqa_str status, const anqa_payload *payload)
{
    anqa_str data = anqa_str_make(payload->ptr, payload->len);
    struct v2_frame frame;

    probe(data);
    if (!takes_binary(chan)) {
        write_reply(chan, ref, STR("error"), anqa_jsonf("{'reason': 'no binary frames'}"));
        return;
    }
    ANQA_REQUIRE(v2_binary_reply(&frame, as_bytes(chan_ref(chan)), as_bytes(ref), chan->pub.topic,
                     status, data) &&
                 "strings of at most 255 bytes in a binary answer");
    chan_write(chan, &frame);
}

/* phx_close. The channel ends, but `terminate` may still push. */
static void write_close(struct chan *chan)
{
    struct v2_frame frame;

    if (chan->socket != NULL) {
        chan->socket->serializer->push(&frame, chan_end_ref(chan), chan_end_ref(chan),
            chan_topic(chan), STR("phx_close"), STR("{}"));
        chan_write(chan, &frame);
    }
    anqa_section_begin();
    chan_gone(chan);
    anqa_section_end();
}

/* ---------------------------------------------------------------- broadcasts */

static const anqa_event *find_text(const anqa_event *table, anqa_str event)
{
    for (; table != NULL && table->event != NULL; table++)
        if (anqa_str_is(event, table->event))
            return table;
    return NULL;
}

/* Too much was broadcast, or there is no memory. Whoever is not the channel itself kills it; the channel finds out when its
 * join is through: it may be here from its own exit hook. */
static void give_up(const struct chan *chan, struct join *join)
{
    if (join->overrun)
        return;
    join->overrun = true;
    anqa_log(ANQA_WARN, "channel.join.overrun",
        "topic=%.*s frames=%u bytes=%zu next=\"join fails\"", ANQA_FMT(join->topic),
        join->held_count, join->held_bytes);
    if (!anqa_pid_eq(chan->sub.who, anqa_self()))
        anqa_exit_signal(chan->sub.who, ANQA_KILL);
}

static bool held_grow(struct join *join)
{
    uint32_t capacity = join->held_capacity == 0 ? 8 : 2 * join->held_capacity;
    anqa_buf *larger;

    if (join->held_count < join->held_capacity)
        return true;
    larger = realloc(join->held, capacity * sizeof *larger);
    if (larger == NULL)
        return false;
    join->held = larger;
    join->held_capacity = capacity;
    return true;
}

/* Keeps a frame until the join is through. */
static void hold(struct chan *chan, anqa_buf frame)
{
    struct join *join = chan->join;

    if (join->overrun ||
        join->held_bytes + frame.len + HELD_FRAME_BYTES > socket_output_bytes(chan->socket) ||
        !held_grow(join)) {
        give_up(chan, join);
        return;
    }
    join->held[join->held_count++] = anqa_buf_ref(frame);
    join->held_bytes += frame.len + HELD_FRAME_BYTES;
}

static void send_now(const struct socket *socket, const anqa_buf *frames, size_t count)
{
    socket->transport->send_now(socket->link, frames, count);
}

#define RUN_MAX 32 /* frames that are written at once */

/* What a broadcast counts among those that wait for handle_out. */
static uint16_t intercepted_size(size_t len)
{
    static_assert(MSG_PAYLOAD_MAX / CHAN_INTERCEPTED_UNIT + CHAN_INTERCEPTED_SIZE_MAX < UINT16_MAX,
        "one, behind as many as may wait, can be counted");
    return (uint16_t)(len / CHAN_INTERCEPTED_UNIT);
}

/* One may be as long as it likes. */
static bool may_wait(const struct chan *chan, uint16_t size)
{
    return chan->intercepted == 0 ||
           (chan->intercepted < CHAN_INTERCEPTED_MAX &&
               chan->intercepted_size + size <= CHAN_INTERCEPTED_SIZE_MAX);
}

/* A broadcast that the channel wants to handle. It is killed when it does not keep up, or there is no memory: the client is
 * told so and joins anew. We may be in the channel's own process, at any depth: the signal is seen when that can be. */
static void intercept(struct chan *chan, const struct frame *frame)
{
    uint16_t size = intercepted_size(frame->message.len);
    anqa_status status = ANQA_E_LIMIT;

    if (chan->flags & CHAN_SLOW)
        return;
    if (may_wait(chan, size))
        status = anqa_send(chan->sub.who, chan_out_tag, anqa_shared(frame->message));
    if (status == ANQA_OK) {
        chan->intercepted++;
        chan->intercepted_size = (uint16_t)(chan->intercepted_size + size);
    }
    if (status == ANQA_OK || status == ANQA_E_NOPROC)
        return;
    chan->flags |= CHAN_SLOW;
    anqa_log(ANQA_WARN, "channel.handle_out.overrun",
        "topic=%.*s waiting=%u error=\"%s\" next=\"killed\"", ANQA_FMT(chan->pub.topic),
        chan->intercepted, anqa_status_text(status));
    proc_exit_signal(sched_self, anqa_self(), chan->sub.who, ANQA_KILL);
}

static void chan_deliver(struct sub *sub, struct frame *const *frames, size_t count)
{
    struct chan *chan = ANQA_CONTAINER_OF(sub, struct chan, sub);
    anqa_buf run[RUN_MAX];
    size_t length = 0;

    if (chan->socket == NULL || chan->socket->ended || (chan->flags & CHAN_GONE))
        return;
    for (size_t i = 0; i < count; i++) {
        if (chan->spec->handle_out != NULL &&
            find_text(chan->spec->handle_out, frame_view(frames[i]).event) != NULL) {
            intercept(chan, frames[i]);
            continue;
        }
        if (!deflated_or_text(frames[i], chan->socket->serializer, chan->socket->transport,
                chan->socket->link, &run[length]))
            continue;
        if ((chan->flags & CHAN_JOINED) == 0)
            hold(chan, run[length]);
        else if (++length == RUN_MAX) {
            send_now(chan->socket, run, length);
            length = 0;
        }
    }
    if (length > 0)
        send_now(chan->socket, run, length);
}

const struct sub_ops chan_sub_ops = {chan_deliver};

/* ---------------------------------------------------------------- what a callback has returned */

static ANQA_NORETURN void bad_return(const char *what)
{
    anqa_exit(anqa_reason_make(ANQA_REASON_BAD_RETURN, "of %s", what));
}

/* The object that is answered; {} stands for none. */
static anqa_json object_of(const anqa_payload *payload, const char *what)
{
    anqa_json json = {payload->ptr, payload->len};
    bool none =
        payload->kind == ANQA_PAYLOAD_NONE ||
        (payload->kind == ANQA_PAYLOAD_JSON && anqa_json_type_of(json) == ANQA_JSON_IS_NULL);

    if (none)
        return ANQA_JSON_EMPTY_OBJECT;
    if (payload->kind != ANQA_PAYLOAD_JSON || !is_object(json))
        bad_return(what);
    return json;
}

static anqa_json error_of(const anqa_payload *payload, const char *what)
{
    if (payload->kind == ANQA_PAYLOAD_BYTES)
        return anqa_jsonf("{'reason': %.*s}", (int)payload->len, (const char *)payload->ptr);
    return object_of(payload, what);
}

static void answer(struct chan *chan, const anqa_next *next, const char *what)
{
    bool error = next->kind == ANQA_NEXT_REPLY_ERROR;
    bool bytes = next->answer.kind == ANQA_PAYLOAD_BYTES || next->answer.kind == ANQA_PAYLOAD_BUF;

    if (chan->turn == NULL)
        bad_return(what); /* there is nobody to answer to */
    if (error)
        write_reply(chan, chan->turn->ref, STR("error"), error_of(&next->answer, what));
    else if (bytes)
        write_binary_reply(chan, chan->turn->ref, STR("ok"), &next->answer);
    else
        write_reply(chan, chan->turn->ref, STR("ok"), object_of(&next->answer, what));
}

static ANQA_NORETURN void stop(struct chan *chan, anqa_reason reason)
{
    if (anqa_reason_is_quiet(reason))
        write_close(chan);
    anqa_exit(reason);
}

static void check_actions(const anqa_next *next, const char *what)
{
    if (next->then != NULL || next->has_timeout || next->hibernate)
        bad_return(what);
}

static void apply(struct chan *chan, const anqa_next *next, const char *what)
{
    check_actions(next, what);
    switch (next->kind) {
    case ANQA_NEXT_NOREPLY: return;
    case ANQA_NEXT_REPLY:
    case ANQA_NEXT_REPLY_ERROR: answer(chan, next, what); return;
    case ANQA_NEXT_STOP: stop(chan, next->reason);
    case ANQA_NEXT_STOP_REPLY: answer(chan, next, what); stop(chan, next->reason);
    default: bad_return(what);
    }
}

/* ---------------------------------------------------------------- logging */

/* level: as a spec has it. */
static bool logs(anqa_log_level level, anqa_log_level otherwise, anqa_log_level *ret_level)
{
    *ret_level = level == 0 ? otherwise : level;
    return *ret_level != ANQA_LOG_NONE && anqa_log_enabled(*ret_level);
}

static void log_join(const struct chan *chan, const char *status)
{
    anqa_log_level level;

    if (logs(chan->spec->log_join, ANQA_INFO, &level) &&
        !anqa_str_starts(chan->pub.topic, STR("phoenix")))
        anqa_log(level, "channel.join", "topic=%.*s status=%s", ANQA_FMT(chan->pub.topic), status);
}

static void log_in(const struct chan *chan, anqa_str event)
{
    anqa_log_level level;

    if (__builtin_expect(logs(chan->spec->log_handle_in, ANQA_DEBUG, &level), 0) &&
        !anqa_str_starts(chan->pub.topic, STR("phoenix")))
        anqa_log(level, "channel.handle_in", "topic=%.*s event=%.*s", ANQA_FMT(chan->pub.topic),
            ANQA_FMT(event));
}

/* ---------------------------------------------------------------- joining */

static void join_through(struct chan *chan, bool joined, anqa_json response)
{
    struct join *join = chan->join;

    probe(anqa_json_text(response));
    anqa_section_begin();
    sub_catch_up(&chan->sub);
    anqa_section_end();
    if (join->overrun)
        anqa_exit(anqa_error_reason("too much was broadcast during the join"));
    log_join(chan, joined ? "ok" : "error");
    anqa_section_begin();
    join_end(chan->socket, join, joined, anqa_json_text(response));
    chan->join = NULL;
    if (joined)
        chan->flags |= CHAN_JOINED;
    else if (chan->socket != NULL)
        chan_gone(chan);
    anqa_section_end();
}

static ANQA_NORETURN void refuse(struct chan *chan, anqa_json response)
{
    join_through(chan, false, response);
    if (chan->spec->terminate != NULL)
        chan->spec->terminate(&chan->pub, ANQA_SHUTDOWN);
    anqa_exit(ANQA_SHUTDOWN);
}

static anqa_next run_join(struct chan *chan)
{
    const anqa_channel *spec = chan->spec;
    const struct join *join = chan->join;
    anqa_json params = {join->payload.ptr, join->payload.len};

    if (spec->join == NULL && spec->join_binary == NULL)
        return anqa_noreply();
    if (join->binary && spec->join_binary == NULL)
        anqa_exit(anqa_error_reason("a join with a binary payload"));
    if (join->binary)
        return spec->join_binary(&chan->pub, chan->pub.topic, join->payload);
    return spec->join == NULL ? anqa_noreply() : spec->join(&chan->pub, chan->pub.topic, params);
}

static void chan_init(void *state)
{
    struct chan *chan = state;
    const struct join *join = chan->join;
    anqa_next next;
    anqa_status status = sub_open(&chan->sub, join->topic);

    if (status != ANQA_OK)
        anqa_exit(anqa_reason_make(
            ANQA_REASON_SYSTEM_LIMIT, "cannot subscribe: %s", anqa_status_text(status)));
    chan->pub.topic = sub_topic(&chan->sub);
    next = run_join(chan);
    check_actions(&next, "join");
    switch (next.kind) {
    case ANQA_NEXT_NOREPLY:
    case ANQA_NEXT_REPLY: join_through(chan, true, object_of(&next.answer, "join")); return;
    case ANQA_NEXT_REPLY_ERROR: refuse(chan, error_of(&next.answer, "join"));
    case ANQA_NEXT_STOP: anqa_exit(next.reason);
    default: bad_return("join");
    }
}

/* ---------------------------------------------------------------- messages of the client */

static void uncount(struct chan *chan, size_t bytes)
{
    chan->pending--;
    chan->pending_bytes -= (uint32_t)bytes;
    if (__builtin_expect((chan->flags & CHAN_HOLDS) == 0, 1))
        return;
    if (chan->pending > CHAN_PENDING_MAX / 2 || chan->pending_bytes > CHAN_PENDING_BYTES_MAX / 2)
        return;
    chan->flags &= (uint8_t)~CHAN_HOLDS;
    if (chan->socket != NULL)
        socket_release(chan->socket);
}

/* The name of an event that came as text; false: it is no string. */
static bool event_name(const struct v2_message *m, anqa_str *ret_event)
{
    *ret_event = m->event;
    return m->binary || v2_string(anqa_tmp(), m->event, ret_event);
}

static ANQA_NORETURN void no_handler(anqa_str event)
{
    anqa_exit(anqa_error_reason("no handler for the event '%.*s'", ANQA_FMT(event)));
}

static anqa_next run_binary(struct chan *chan, anqa_str event, anqa_str data)
{
    const anqa_binary_event *row = chan->spec->handle_in_binary;

    while (row != NULL && row->event != NULL && !anqa_str_is(event, row->event))
        row++;
    if (row == NULL || row->event == NULL)
        no_handler(event);
    return row->run(&chan->pub, data);
}

static anqa_next run_in(struct chan *chan, const struct v2_message *m)
{
    const anqa_channel *spec = chan->spec;
    anqa_json payload = {m->payload.ptr, m->payload.len};
    const anqa_event *row;
    anqa_str event;

    if (!event_name(m, &event))
        anqa_exit(anqa_error_reason("an event that is no string: %.*s", ANQA_FMT(m->event)));
    log_in(chan, event);
    if (m->binary)
        return run_binary(chan, event, m->payload);
    row = find_text(spec->handle_in, event);
    if (row != NULL)
        return row->run(&chan->pub, payload);
    if (spec->handle_any_in == NULL)
        no_handler(event);
    return spec->handle_any_in(&chan->pub, event, payload);
}

static struct v2_message unpack(const anqa_msg *msg)
{
    return v2_of_tail(anqa_json_text(msg->body), (struct v2_places){msg->ref.bits});
}

/* As JSON text. A ref that is no UTF-8 can not be, and is a crash. */
static anqa_str ref_text(const struct v2_message *m)
{
    return m->binary ? anqa_json_text(anqa_jsonf("%.*s", ANQA_FMT(m->ref))) : m->ref;
}

static void on_in(struct chan *chan, const anqa_msg *msg)
{
    struct v2_message m = unpack(msg);
    struct turn turn = {.ref = ref_text(&m)};
    anqa_next next;

    uncount(chan, msg->body.len);
    chan->turn = &turn;
    next = run_in(chan, &m);
    apply(chan, &next, "handle_in");
    chan->turn = NULL;
}

static ANQA_NORETURN void on_leave(struct chan *chan, const anqa_msg *msg)
{
    struct v2_message m = unpack(msg);

    write_reply(chan, ref_text(&m), STR("ok"), ANQA_JSON_EMPTY_OBJECT);
    write_close(chan);
    anqa_exit(anqa_reason_make(ANQA_REASON_SHUTDOWN, "left"));
}

/* ---------------------------------------------------------------- other messages */

static void on_out(struct chan *chan, const anqa_msg *msg)
{
    struct frame frame = {.message = {NULL, msg->body.ptr, msg->body.len}};
    anqa_broadcast_view view = frame_view(&frame);
    const anqa_event *row = find_text(chan->spec->handle_out, view.event);
    anqa_next next;

    chan->intercepted--;
    chan->intercepted_size = (uint16_t)(chan->intercepted_size - intercepted_size(msg->body.len));
    next = row->run(&chan->pub, view.payload);
    apply(chan, &next, "handle_out");
}

static const anqa_info *find_info(const anqa_info *table, const char *tag)
{
    for (; table != NULL && table->tag != NULL; table++)
        if (anqa_tag_is(tag, table->tag))
            return table;
    return NULL;
}

static void unexpected(const struct chan *chan, const anqa_msg *msg)
{
    char from[ANQA_PID_TEXT];

    if (msg->kind == ANQA_MSG_CALL || msg->kind == ANQA_MSG_CAST)
        anqa_exit(anqa_error_reason(
            "no handler for the %s '%s'", msg->kind == ANQA_MSG_CALL ? "call" : "cast", msg->tag));
    anqa_log(ANQA_ERROR, "channel.unexpected_message", "topic=%.*s tag=%s from=%s next=dropped",
        ANQA_FMT(chan->pub.topic), msg->tag, anqa_pid_text(msg->from, from));
}

/* A call is answered by what its handler returns. */
static void apply_info(struct chan *chan, anqa_next *next, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);

    if (msg->kind == ANQA_MSG_CALL &&
        (next->kind == ANQA_NEXT_REPLY || next->kind == ANQA_NEXT_STOP_REPLY)) {
        anqa_reply_to(&caller, next->answer);
        next->kind = next->kind == ANQA_NEXT_REPLY ? ANQA_NEXT_NOREPLY : ANQA_NEXT_STOP;
    }
    apply(chan, next, "handle_info");
}

static void on_info(struct chan *chan, anqa_msg *msg)
{
    const anqa_info *row = find_info(chan->spec->handle_info, msg->tag);
    anqa_next (*run)(anqa_socket *, anqa_msg *) =
        row != NULL ? row->run : chan->spec->handle_any_info;
    anqa_next next;

    if (msg->kind == ANQA_MSG_EXIT && child_is_told_to_end(msg))
        anqa_exit(anqa_reason_ref(msg->u.reason));
    if (msg->tag == child_stop_tag)
        stop(chan, child_stop_reason(msg));
    if (run == NULL) {
        unexpected(chan, msg);
        return;
    }
    next = run(&chan->pub, msg);
    apply_info(chan, &next, msg);
}

/* An answer that another process has made. Its strings and the ref follow each other. */
struct reply_head {
    uint8_t status_len, ref_len;
};

static void on_reply(struct chan *chan, const anqa_msg *msg)
{
    struct reply_head head;
    const char *at = msg->body.ptr + sizeof head;
    anqa_str status, ref;

    memcpy(&head, msg->body.ptr, sizeof head);
    status = anqa_str_make(at, head.status_len);
    ref = anqa_str_make(at + head.status_len, head.ref_len);
    at = ref.ptr + ref.len;
    write_reply(chan, ref, between_quotes(status),
        (anqa_json){at, (size_t)(msg->body.ptr + msg->body.len - at)});
}

static void chan_handle(void *state, const anqa_msg *received)
{
    struct chan *chan = state;
    anqa_msg *msg = (anqa_msg *)(uintptr_t)received;

    if (__builtin_expect(msg->tag == chan_in_tag, 1))
        on_in(chan, msg);
    else if (msg->tag == chan_out_tag)
        on_out(chan, msg);
    else if (msg->tag == chan_reply_tag)
        on_reply(chan, msg);
    else if (msg->tag == chan_leave_tag)
        on_leave(chan, msg);
    else if (msg->tag == chan_closed_tag)
        anqa_exit(anqa_reason_make(ANQA_REASON_SHUTDOWN, "%.*s", ANQA_FMT(msg->body)));
    else if (msg->kind != ANQA_MSG_SYSTEM)
        on_info(chan, msg);
}

static void chan_terminate(void *state, anqa_reason reason)
{
    struct chan *chan = state;

    chan->turn = NULL; /* its frames are gone */
    if ((chan->flags & CHAN_JOINED) && chan->spec->terminate != NULL)
        chan->spec->terminate(&chan->pub, reason);
}

const anqa_behaviour chan_behaviour = {
    .name = "channel", .init = chan_init, .handle = chan_handle, .terminate = chan_terminate};

/* ---------------------------------------------------------------- for callbacks */

static struct chan *chan_of(const anqa_socket *socket)
{
    struct chan *chan = ANQA_CONTAINER_OF((anqa_socket *)(uintptr_t)socket, struct chan, pub);

    ANQA_REQUIRE(socket->topic.len > 0 && "a socket that has joined");
    ANQA_REQUIRE(anqa_pid_eq(chan->sub.who, anqa_self()) && "used by the channel's own process");
    ANQA_REQUIRE((chan->flags & CHAN_JOINED) && "used after join has returned");
    return chan;
}

const void *anqa_socket_arg(const anqa_socket *socket)
{
    ANQA_REQUIRE(socket->topic.len > 0 && "a socket of a channel");
    return ANQA_CONTAINER_OF((anqa_socket *)(uintptr_t)socket, struct chan, pub)->spec->arg;
}

void anqa_socket_push(anqa_socket *socket, const char *event, anqa_json payload)
{
    struct chan *chan = chan_of(socket);
    struct v2_frame frame;

    ANQA_REQUIRE(is_object(payload) && "the payload of a push is an object");
    probe(anqa_json_text(payload));
    if (chan->socket == NULL)
        return;
    chan->socket->serializer->push(&frame, chan_ref(chan), STR("null"), chan_topic(chan),
        between_quotes(anqa_str_of(event)), anqa_json_text(payload));
    chan_write(chan, &frame);
}

/* Room for the frame around a payload: refs, topic and event, at their longest and all in escapes. */
#define AROUND_MAX 4096u
#define LARGE_LOOK_MS 20u

static bool may_push(const struct chan *chan, size_t size)
{
    const struct socket *socket = chan->socket;
    bool may;

    if (socket == NULL || socket->ended || socket->transport->allow == NULL)
        return true;
    anqa_section_begin();
    may = socket->transport->allow(socket->link, size);
    anqa_section_end();
    return may;
}

void chan_push_large(anqa_socket *socket, const char *event, anqa_json payload)
{
    struct chan *chan = chan_of(socket);

    while (!may_push(chan, payload.len + AROUND_MAX))
        anqa_sleep(LARGE_LOOK_MS);
    anqa_socket_push(socket, event, payload);
}

void anqa_socket_push_binary(anqa_socket *socket, const char *event, anqa_str data)
{
    struct chan *chan = chan_of(socket);
    struct v2_frame frame;

    probe(data);
    if (!takes_binary(chan)) {
        anqa_log(ANQA_WARN, "channel.push.dropped",
            "topic=%.*s event=%s error=\"no binary frames\"", ANQA_FMT(socket->topic), event);
        return;
    }
    ANQA_REQUIRE(v2_binary_push(
                     &frame, as_bytes(chan_ref(chan)), chan->pub.topic, anqa_str_of(event), data) &&
                 "strings of at most 255 bytes in a binary push");
    chan_write(chan, &frame);
}

anqa_status anqa_socket_broadcast(anqa_socket *socket, const char *event, anqa_json payload)
{
    struct chan *chan = chan_of(socket);

    ANQA_REQUIRE(is_object(payload) && "the payload of a broadcast is an object");
    return anqa_broadcast(chan->pub.topic, event, payload);
}

anqa_status anqa_socket_broadcast_from(anqa_socket *socket, const char *event, anqa_json payload)
{
    struct chan *chan = chan_of(socket);

    ANQA_REQUIRE(is_object(payload) && "the payload of a broadcast is an object");
    return anqa_broadcast_from(chan->sub.who, chan->pub.topic, event, payload);
}

/* ---------------------------------------------------------------- answers */

anqa_next anqa_reply_status(anqa_socket *socket, const char *status, anqa_json response)
{
    struct chan *chan = chan_of(socket);

    ANQA_REQUIRE(chan->turn != NULL && "in a handler of handle_in");
    ANQA_REQUIRE(status[0] != '\0' && is_object(response) && "a status and an object");
    write_reply(chan, chan->turn->ref, between_quotes(anqa_str_of(status)), response);
    return anqa_noreply();
}

anqa_socket_ref anqa_socket_ref_of(anqa_socket *socket)
{
    struct chan *chan = chan_of(socket);
    anqa_socket_ref ref = {.channel = chan->sub.who};

    ANQA_REQUIRE(chan->turn != NULL && "in a handler of handle_in");
    ANQA_REQUIRE(!anqa_str_is(chan->turn->ref, "null") && "a message with a ref");
    ref.len = (uint8_t)chan->turn->ref.len;
    memcpy(ref.text, chan->turn->ref.ptr, chan->turn->ref.len);
    return ref;
}

/* The calling process's channel, if that is what `pid` is. */
static struct chan *own_chan(anqa_pid pid)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    bool is_channel =
        (p->flags & (PROC_RUN | PROC_FOREIGN)) == 0 && proc_behaviour(p) == &chan_behaviour;

    return is_channel && anqa_pid_eq(pid, proc_pid(s->rt, p)) ? p->state : NULL;
}

static anqa_status reply_from_elsewhere(
    const anqa_socket_ref *ref, anqa_str status, anqa_json response)
{
    struct reply_head head = {.status_len = (uint8_t)status.len, .ref_len = ref->len};
    size_t size = sizeof head + status.len + ref->len + response.len;
    char *bytes, *at;
    anqa_status sent;

    if (size > MSG_PAYLOAD_MAX)
        return ANQA_E_LIMIT;
    bytes = at = anqa_arena_alloc(anqa_tmp(), size);
    memcpy(at, &head, sizeof head);
    at += sizeof head;
    memcpy(at, status.ptr, status.len);
    at += status.len;
    memcpy(at, ref->text, ref->len);
    at += ref->len;
    memcpy(at, response.ptr, response.len);
    sent = anqa_send(ref->channel, chan_reply_tag, anqa_bytes(bytes, size));
    return sent == ANQA_E_NOPROC ? ANQA_OK : sent;
}

anqa_status anqa_socket_reply(const anqa_socket_ref *ref, const char *status, anqa_json response)
{
    anqa_str word = anqa_str_of(status);
    struct chan *chan = own_chan(ref->channel);

    if (word.len == 0 || word.len > UINT8_MAX || !is_object(response))
        return ANQA_E_INVALID;
    if (chan == NULL)
        return reply_from_elsewhere(ref, word, response);
    write_reply(chan, anqa_str_make(ref->text, ref->len), between_quotes(word), response);
    return ANQA_OK;
}
