#include "channel/poll_int.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/token.h>

#include "base/container.h"
#include "channel/carried.h"
#include "channel/poll_lines.h"
#include "channel/v2.h"
#include "http/conn.h"
#include "pubsub/pubsub.h"
#include "runtime/hooks.h"
#include "runtime/sched.h"

#define QUOTA \
    ((size_t)128 << 20) /* of an event's memory: posts have 8 MB, escapes make answers longer */
#define CLOSE_RESTART 1012

const char poll_wait_tag[] = "$poll", poll_post_tag[] = "$post", poll_close_tag[] = "$poll_close";
static const char window_tag[] = "$window", idle_tag[] = "$idle";

/* A frame for the client, header included. */
struct out {
    struct out *next;
    anqa_buf buf; /* counted; ptr NULL: the bytes are own ones */
    size_t len;
    char bytes[];
};

/* A body that is being taken. */
struct post {
    struct post *next;
    const anqa_msg *msg; /* kept */
    anqa_caller caller;
    anqa_str rest; /* of the body */
    unsigned taken;
    enum poll_body kind;
};

/* owner: its process, as its state; `paused`, `closing`, `lost`, `drained` and the frames are touched by others on its
 * scheduler. */
struct poll {
    struct exit_hook hook;
    struct sub drain;
    const struct socket_mount *mount;
    const struct serializer *serializer;
    struct proc *self;
    const struct carried *carried;
    void *user; /* what is carried; NULL: not made yet */
    struct out *out, **out_end;
    size_t out_bytes, allowed; /* what waits; how much more of it may be than else (poll_allow) */
    struct post *posts, **posts_end;
    unsigned post_count;
    size_t post_bytes;
    anqa_caller waiting; /* who asks for frames; pid nobody: none */
    anqa_ref watched;    /* the monitor of that one */
    anqa_timer window;
    uint64_t heard_ms; /* when somebody asked last */
    anqa_pid owner;
    uint64_t secret[2];
    bool paused;
    bool closing; /* what was written is still given out */
    bool broken;  /* by what the client has sent: it is not answered */
    bool lost;    /* too much waits */
    bool drained;
    uint8_t id_len;
    char texts[]; /* assigns, id */
};

/* ---------------------------------------------------------------- the transport */

static void out_add(struct poll *poll, struct out *out)
{
    out->next = NULL;
    *poll->out_end = out;
    poll->out_end = &out->next;
    poll->out_bytes += out->len + sizeof *out;
    proc_kick(sched_self, poll->self);
}

static size_t output_limit(const struct poll *poll)
{
    return service_output_bytes(poll->mount->service);
}

/* For `size` bytes, of which `own` are written to it. NULL: too much waits, or there is no memory: a frame that is left out
 * would never be missed, so the session ends. */
static struct out *out_new(struct poll *poll, size_t size, size_t own)
{
    struct out *out = NULL;

    if (poll->closing || poll->lost)
        return NULL;
    if (poll->out_bytes + size + sizeof *out <= output_limit(poll) + poll->allowed)
        out = malloc(sizeof *out + own);
    if (out == NULL) {
        poll->lost = true;
        proc_kick(sched_self, poll->self);
        return NULL;
    }
    out->buf = (anqa_buf){NULL, NULL, 0};
    out->len = size;
    return out;
}

static char *poll_room(void *link, size_t size)
{
    struct poll *poll = link;
    struct out *out = out_new(poll, size, size);

    if (out == NULL)
        return NULL;
    out_add(poll, out);
    return out->bytes;
}

static bool poll_allow(void *link, size_t size)
{
    struct poll *poll = link;

    if (poll->out_bytes > output_limit(poll))
        return false;
    poll->allowed = size + sizeof(struct out);
    return true;
}

static void poll_send_now(void *link, const anqa_buf *frames, size_t count)
{
    struct poll *poll = link;

    for (size_t i = 0; i < count; i++) {
        struct out *out = out_new(poll, frames[i].len, 0);
        if (out == NULL)
            return;
        out->buf = anqa_buf_ref(frames[i]);
        out_add(poll, out);
    }
}

static void poll_end(void *link, uint16_t code)
{
    struct poll *poll = link;

    poll->closing = true;
    poll->broken = code == 1009 || code == 1011;
    proc_kick(sched_self, poll->self);
}

static void poll_pause(void *link)
{
    struct poll *poll = link;

    poll->paused = true;
}

static void poll_resume(void *link)
{
    struct poll *poll = link;

    poll->paused = false;
    proc_kick(sched_self, poll->self);
}

static const struct transport poll_transport = {.room = poll_room,
    .allow = poll_allow,
    .send_now = poll_send_now,
    .close = poll_end,
    .pause = poll_pause,
    .resume = poll_resume,
    .text_only = true};

/* ---------------------------------------------------------------- what waits for the client */

static void out_pop(struct poll *poll)
{
    struct out *out = poll->out;

    poll->out = out->next;
    if (poll->out == NULL) {
        poll->out_end = &poll->out;
        poll->allowed = 0;
    }
    poll->out_bytes -= out->len + sizeof *out;
    anqa_buf_unref(out->buf);
    free(out);
}

/* Ends the waiting of who waits. */
static anqa_caller not_waiting(struct poll *poll)
{
    anqa_caller caller = poll->waiting;

    poll->waiting = (anqa_caller){0};
    poll->heard_ms = anqa_now_ms();
    (void)anqa_timer_cancel(poll->window);
    (void)anqa_demonitor(poll->watched, true);
    return caller;
}

static void answer_nothing(struct poll *poll)
{
    anqa_caller caller;

    if (anqa_pid_is_none(poll->waiting.pid))
        return;
    caller = not_waiting(poll);
    anqa_reply_to(&caller, anqa_nothing());
}

static void give_out(struct poll *poll)
{
    anqa_json messages = ANQA_JSON_EMPTY_ARRAY;
    anqa_json_writer w;
    anqa_caller caller;

    if (anqa_pid_is_none(poll->waiting.pid) || poll->out == NULL)
        return;
    anqa_json_writer_init(&w, anqa_tmp(), 0);
    anqa_json_begin_array(&w);
    for (const struct out *out = poll->out; out != NULL; out = out->next) {
        bool binary;
        const char *bytes = out->buf.ptr != NULL ? out->buf.ptr : out->bytes;
        anqa_json_put_str(&w, v2_unframe(anqa_str_make(bytes, out->len), &binary));
    }
    anqa_json_end_array(&w);
    ANQA_REQUIRE(anqa_json_writer_finish(&w, &messages) == ANQA_OK);
    while (poll->out != NULL)
        out_pop(poll);
    caller = not_waiting(poll);
    anqa_reply_to(&caller, anqa_text(messages));
}

static void on_wait(struct poll *poll, const anqa_msg *msg)
{
    answer_nothing(poll); /* a client asks once at a time: that one has given up */
    poll->waiting = anqa_msg_caller(msg);
    poll->watched = anqa_monitor(poll->waiting.pid);
    poll->window = anqa_send_after(anqa_self(), window_tag, anqa_nothing(), poll->mount->window_ms);
}

/* ---------------------------------------------------------------- what the client sends */

static void take(struct poll *poll, bool binary, anqa_str data)
{
    anqa_nowait_begin(); /* as for a WebSocket */
    poll->carried->message(poll->user, binary, data);
    anqa_nowait_end();
}

static void take_line(struct poll *poll, anqa_str line)
{
    bool binary;
    anqa_str frame;

    if (poll_line_frame(anqa_tmp(), line, &binary, &frame) == ANQA_OK)
        take(poll, binary, frame);
}

static bool post_is_done(const struct post *post)
{
    anqa_str rest = post->rest, line;

    if (post->kind == POLL_FRAME)
        return post->taken == 1;
    if (post->kind == POLL_LINES && post->taken == POLL_LINES_MAX)
        return true;
    return !poll_next_line(&rest, &line);
}

static void post_take(struct poll *poll, struct post *post)
{
    anqa_str line = post->rest;

    post->taken++;
    if (post->kind != POLL_FRAME && !poll_next_line(&post->rest, &line))
        return;
    if (post->kind == POLL_LINES)
        take_line(poll, line);
    else
        take(poll, false, line);
}

static void post_pop(struct poll *poll)
{
    struct post *post = poll->posts;

    poll->posts = post->next;
    if (poll->posts == NULL)
        poll->posts_end = &poll->posts;
    poll->post_count--;
    poll->post_bytes -= post->msg->body.len;
    anqa_msg_free(post->msg);
    anqa_heap_free(post);
}

/* Takes all that is there, up to a frame that holds the socket. Behind the end of the socket nothing is looked at. */
static void take_posts(struct poll *poll)
{
    while (poll->posts != NULL) {
        struct post *post = poll->posts;
        if (!poll->closing && !post_is_done(post)) {
            if (poll->paused)
                return;
            post_take(poll, post);
            continue;
        }
        anqa_reply_to(
            &post->caller, poll->broken ? anqa_nothing() : anqa_text(ANQA_JSON_EMPTY_ARRAY));
        post_pop(poll);
    }
}

static void on_post(struct poll *poll, const anqa_msg *msg, const struct poll_head *head)
{
    struct post *post;
    anqa_caller caller = anqa_msg_caller(msg);

    if (poll->post_count == POLL_POSTS_MAX ||
        (poll->post_count > 0 && poll->post_bytes + msg->body.len > POLL_POST_BYTES_MAX)) {
        anqa_reply_to(&caller, anqa_nothing());
        return;
    }
    post = anqa_heap_alloc(sizeof *post);
    anqa_msg_keep(msg);
    *post = (struct post){.msg = msg,
        .caller = caller,
        .rest = {msg->body.ptr + sizeof *head, msg->body.len - sizeof *head},
        .kind = head->kind};
    *poll->posts_end = post;
    poll->posts_end = &post->next;
    poll->post_count++;
    poll->post_bytes += msg->body.len;
}

/* ---------------------------------------------------------------- life */

static uint32_t idle_ms(const struct poll *poll)
{
    return poll->mount->window_ms + poll->mount->window_ms / 2;
}

static void on_idle(struct poll *poll)
{
    uint64_t quiet_ms = anqa_now_ms() - poll->heard_ms;

    if (!anqa_pid_is_none(poll->waiting.pid))
        quiet_ms = 0;
    if (quiet_ms >= idle_ms(poll)) {
        poll->carried->expire(poll->user);
        anqa_exit(ANQA_NORMAL);
    }
    (void)anqa_send_after(
        anqa_self(), idle_tag, anqa_nothing(), idle_ms(poll) - (uint32_t)quiet_ms);
}

static bool is_draining(const struct socket_mount *mount)
{
    return atomic_load_explicit(&mount->service->draining, memory_order_relaxed);
}

static void drain_deliver(struct sub *sub, struct frame *const *frames, size_t count)
{
    struct poll *poll = ANQA_CONTAINER_OF(sub, struct poll, drain);

    if (poll->drained || !is_draining(poll->mount) || /* somebody else's words */
        !service_drain_turn(poll->mount->service))
        return;
    poll->drained = true;
    proc_kick(sched_self, poll->self);
}

static const struct sub_ops drain_ops = {drain_deliver};

/* Where sessions of a service hear of its end. */
static anqa_str drain_topic(const struct http_service *service, char room[static 64])
{
    return anqa_str_make(room, (size_t)snprintf(room, 64,
                                   "\xff"
                                   "anqa.sessions.%" PRIxPTR,
                                   (uintptr_t)service));
}

void poll_drain(const struct http_service *service)
{
    char room[64];

    (void)anqa_local_broadcast(drain_topic(service, room), "drain", ANQA_JSON_EMPTY_OBJECT);
}

static void poll_init(void *state)
{
    struct poll *poll = state;
    size_t assigns_size = mount_state_size(poll->mount);
    struct admission admission = {.serializer = poll->serializer,
        .assigns = poll->texts,
        .id = {poll->texts + assigns_size, poll->id_len}};
    char room[64];

    poll->carried = carried_of(poll->mount);
    poll->drain.ops = &drain_ops;
    poll->drain.who = anqa_self();
    if (!anqa_pid_is_none(poll->owner))
        (void)anqa_monitor(poll->owner);
    if (sub_open(&poll->drain, drain_topic(poll->mount->service, room)) != ANQA_OK ||
        poll->carried->open(&poll_transport, poll, &admission, poll->mount, &poll->user) != ANQA_OK)
        anqa_exit(anqa_reason_of(ANQA_REASON_SYSTEM_LIMIT));
    poll->heard_ms = anqa_now_ms();
    on_idle(poll);
}

/* However it ends. */
static void poll_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct poll *poll = ANQA_CONTAINER_OF(hook, struct poll, hook);

    sub_close(&poll->drain);
    if (poll->user != NULL)
        poll->carried->closed(poll->user);
    while (poll->out != NULL)
        out_pop(poll);
    atomic_fetch_sub_explicit(mount_sessions(poll->mount), 1, memory_order_relaxed);
    service_let_go(poll->mount->service);
}

/* After everything that happens. */
static void look(struct poll *poll)
{
    if (poll->drained && !poll->closing)
        poll->carried->drain(poll->user, CLOSE_RESTART);
    take_posts(poll);
    if (poll->lost) {
        anqa_log(ANQA_NOTICE, "socket.refused", "error=\"too much waits for its client\" bytes=%zu",
            poll->out_bytes);
        anqa_exit(ANQA_NORMAL);
    }
    give_out(poll);
    if (poll->closing && (poll->out == NULL || poll->drained))
        anqa_exit(ANQA_NORMAL);
}

/* False: it is not about what we watch. */
static bool on_down(struct poll *poll, const anqa_msg *msg)
{
    if (!anqa_pid_is_none(poll->owner) && anqa_pid_eq(msg->from, poll->owner))
        anqa_exit(ANQA_NORMAL);
    if (msg->ref.bits == 0 || !anqa_ref_eq(msg->ref, poll->watched))
        return false;
    if (anqa_pid_eq(msg->from, poll->waiting.pid))
        (void)not_waiting(poll);
    return true;
}

static void on_request(struct poll *poll, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);
    struct poll_head head;

    ANQA_REQUIRE(msg->body.len >= sizeof head);
    memcpy(&head, msg->body.ptr, sizeof head);
    if (!anqa_secure_compare(anqa_str_make((const char *)head.secret, sizeof head.secret),
            anqa_str_make((const char *)poll->secret, sizeof poll->secret)))
        anqa_reply_to(&caller, anqa_bytes("x", 1));
    else if (msg->tag == poll_wait_tag)
        on_wait(poll, msg);
    else if (msg->tag == poll_post_tag)
        on_post(poll, msg, &head);
    else
        anqa_exit(ANQA_NORMAL);
}

static void poll_handle(void *state, const anqa_msg *msg)
{
    struct poll *poll = state;

    if (msg->tag == poll_wait_tag || msg->tag == poll_post_tag || msg->tag == poll_close_tag)
        on_request(poll, msg);
    else if (msg->tag == idle_tag)
        on_idle(poll);
    else if (msg->tag == window_tag && msg->ref.bits == poll->window.bits)
        answer_nothing(poll);
    else if (msg->kind != ANQA_MSG_SYSTEM && msg->tag != window_tag &&
             !(msg->kind == ANQA_MSG_DOWN && on_down(poll, msg)) && poll->carried->info != NULL)
        poll->carried->info(poll->user, msg);
    look(poll);
}

const anqa_behaviour poll_behaviour = {
    .name = "long-poll", .init = poll_init, .handle = poll_handle};

/* ---------------------------------------------------------------- beginning one */

static anqa_status start(struct poll *poll, size_t size, anqa_pid *ret_pid)
{
    anqa_spawn_opts opts = {.behaviour = &poll_behaviour,
        .arg = poll,
        .arg_size = size,
        .label = "long-poll",
        .heap_quota = QUOTA,
        .pinned = true};
    anqa_status status = anqa_spawn(&opts, ret_pid, NULL);
    struct proc *p;

    if (status != ANQA_OK)
        return status;
    /* It is on this scheduler and has not run yet: from here on its end is counted, even if it is killed before. */
    p = proc_slot(sched_self->rt, *ret_pid);
    poll = p->state;
    poll->self = p;
    poll->out_end = &poll->out;
    poll->posts_end = &poll->posts;
    poll->hook.run = poll_exit;
    exit_hook_add_to(p, &poll->hook);
    return ANQA_OK;
}

static anqa_status reserve(const struct socket_mount *mount)
{
    if (is_draining(mount))
        return ANQA_E_STOPPED;
    if (atomic_fetch_add_explicit(mount_sessions(mount), 1, memory_order_relaxed) <
        mount->max_sessions)
        return ANQA_OK;
    atomic_fetch_sub_explicit(mount_sessions(mount), 1, memory_order_relaxed);
    anqa_log(ANQA_WARN, "socket.sessions.full", "path=%s sessions=%u next=503", mount->spec->path,
        mount->max_sessions);
    return ANQA_E_LIMIT;
}

anqa_status poll_open(const struct socket_mount *mount, const struct admission *admission,
    anqa_pid owner, struct poll_name *ret_name)
{
    size_t assigns_size = mount_state_size(mount);
    size_t size = sizeof(struct poll) + assigns_size + admission->id.len;
    struct poll *poll = anqa_arena_calloc(anqa_tmp(), 1, size);
    anqa_status status = reserve(mount);

    if (status != ANQA_OK)
        return status;
    poll->mount = mount;
    poll->serializer = admission->serializer;
    poll->owner = owner;
    poll->id_len = (uint8_t)admission->id.len;
    memcpy(poll->texts, admission->assigns, assigns_size);
    if (admission->id.len > 0)
        memcpy(poll->texts + assigns_size, admission->id.ptr, admission->id.len);
    ANQA_REQUIRE(getrandom(poll->secret, sizeof poll->secret, 0) == sizeof poll->secret);
    memcpy(ret_name->secret, poll->secret, sizeof poll->secret);
    service_hold(mount->service);
    status = start(poll, size, &ret_name->pid);
    if (status != ANQA_OK) {
        atomic_fetch_sub_explicit(mount_sessions(mount), 1, memory_order_relaxed);
        service_let_go(mount->service);
    }
    return status;
}
