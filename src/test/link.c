/* A transport that ends in a mailbox. See link.h. */
#include "test/link.h"

#include <stdlib.h>

#include <anqa/memory.h>

#include "base/container.h"
#include "channel/carried.h"
#include "channel/socket.h"
#include "runtime/sched.h"

#define CHANNELS_MAX 100u /* an endpoint's default */

const char link_in_tag[] = "client", link_in_binary_tag[] = "client.binary",
           link_close_tag[] = "anqa_test.close";
const char link_out_tag[] = "server", link_binary_tag[] = "server.binary";

static const char connect_tag[] = "anqa_test.connect", channel_tag[] = "anqa_test.channel";

/* A frame for the client, header included. */
struct out {
    struct out *next;
    size_t len;
    char bytes[];
};

/* A message of the client that came while nothing is read. */
struct held {
    struct held *next;
    const anqa_msg *msg;
};

/* owner: its process, in whose state it is. */
struct link {
    struct exit_hook hook;
    anqa_socket_mount spec;
    struct socket_mount mount;
    anqa_pid owner;
    const anqa_connect_info *info; /* the owner's, while it connects */
    struct proc *proc;             /* our own */
    const struct carried *carried;
    void *user; /* what is carried; NULL: it was not let in */
    struct out *out, **out_end;
    struct held *held, **held_end;
    bool paused, closing;
};

/* ---------------------------------------------------------------- the transport */

/* Called by channels too: the rest is done when our process runs. */
static char *link_room(void *to, size_t size)
{
    struct link *link = to;
    struct out *out = malloc(sizeof *out + size);

    if (out == NULL || link->closing) {
        free(out);
        return NULL;
    }
    out->next = NULL;
    out->len = size;
    *link->out_end = out;
    link->out_end = &out->next;
    proc_kick(sched_self, link->proc);
    return out->bytes;
}

static void link_send_now(void *to, const anqa_buf *frames, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *room = link_room(to, frames[i].len);
        if (room != NULL)
            memcpy(room, frames[i].ptr, frames[i].len);
    }
}

static void link_close(void *to, uint16_t code)
{
    struct link *link = to;

    link->closing = true;
    proc_kick(sched_self, link->proc);
}

static void link_pause(void *to)
{
    struct link *link = to;

    link->paused = true;
}

static void link_resume(void *to)
{
    struct link *link = to;

    link->paused = false;
    proc_kick(sched_self, link->proc);
}

static const struct transport link_transport = {.room = link_room,
    .send_now = link_send_now,
    .close = link_close,
    .pause = link_pause,
    .resume = link_resume};

/* ---------------------------------------------------------------- frames */

static void deliver(const struct link *link, const struct out *out)
{
    bool binary;
    anqa_str message = v2_unframe(anqa_str_make(out->bytes, out->len), &binary);

    if (binary)
        (void)anqa_send(link->owner, link_binary_tag, anqa_bytes(message.ptr, message.len));
    else
        (void)anqa_send(link->owner, link_out_tag, anqa_text(anqa_json_of(message)));
}

static struct out *out_pop(struct link *link)
{
    struct out *out = link->out;

    if (out == NULL)
        return NULL;
    link->out = out->next;
    if (link->out == NULL)
        link->out_end = &link->out;
    return out;
}

static void deliver_all(struct link *link)
{
    struct out *out;

    while ((out = out_pop(link)) != NULL) {
        deliver(link, out);
        free(out);
    }
}

static void take(struct link *link, const anqa_msg *msg)
{
    anqa_nowait_begin(); /* as for a WebSocket, whose messages lie in a buffer of all */
    link->carried->message(link->user, msg->tag == link_in_binary_tag, anqa_json_text(msg->body));
    anqa_nowait_end();
}

static void hold(struct link *link, const anqa_msg *msg)
{
    struct held *held = anqa_heap_alloc(sizeof *held);

    anqa_msg_keep(msg);
    *held = (struct held){NULL, msg};
    *link->held_end = held;
    link->held_end = &held->next;
}

static void take_held(struct link *link)
{
    while (!link->paused && link->held != NULL) {
        struct held *held = link->held;
        link->held = held->next;
        if (link->held == NULL)
            link->held_end = &link->held;
        take(link, held->msg);
        anqa_msg_free(held->msg);
        anqa_heap_free(held);
    }
}

/* ---------------------------------------------------------------- life */

static void link_ended(struct exit_hook *hook, anqa_pid pid)
{
    struct link *link = ANQA_CONTAINER_OF(hook, struct link, hook);
    struct out *out;

    link->carried->closed(link->user);
    while ((out = out_pop(link)) != NULL)
        free(out);
}

static anqa_status connect_it(struct link *link, anqa_json params)
{
    struct admission admission;
    anqa_status status = connect_admit(&link->mount, link->info, params, &admission);

    admission.serializer = &serializer_v2;
    if (status == ANQA_OK)
        status = link->carried->open(&link_transport, link, &admission, &link->mount, &link->user);
    if (status != ANQA_OK)
        return status;
    link->hook.run = link_ended;
    exit_hook_add(&link->hook);
    connect_log(&link->mount, "test");
    return ANQA_OK;
}

static void on_connect(struct link *link, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);
    anqa_status status = connect_it(link, msg->body);

    anqa_reply_to(&caller, anqa_bytes(&status, sizeof status));
    if (status != ANQA_OK)
        anqa_exit(ANQA_NORMAL);
}

static void on_channel(const struct link *link, const anqa_msg *msg)
{
    anqa_caller caller = anqa_msg_caller(msg);
    anqa_pid pid = socket_channel(link->user, anqa_json_text(msg->body));

    anqa_reply_to(&caller, anqa_bytes(&pid, sizeof pid));
}

static void on_kick(struct link *link)
{
    take_held(link);
    deliver_all(link);
    if (link->closing)
        anqa_exit(ANQA_NORMAL);
}

static void link_init(void *state)
{
    struct link *link = state;
    struct sched *s;

    link->proc = proc_self(&s);
    link->mount.spec = &link->spec;
    link->carried = carried_of(&link->mount);
    link->out_end = &link->out;
    link->held_end = &link->held;
    (void)anqa_monitor(link->owner);
}

static bool is_in(const anqa_msg *msg)
{
    return msg->tag == link_in_tag || msg->tag == link_in_binary_tag;
}

static bool is_owners_end(const struct link *link, const anqa_msg *msg)
{
    return msg->kind == ANQA_MSG_DOWN && anqa_pid_eq(msg->from, link->owner);
}

static void link_handle(void *state, const anqa_msg *msg)
{
    struct link *link = state;

    if (anqa_tag_is(msg->tag, PROC_KICK))
        on_kick(link);
    else if (msg->tag == connect_tag)
        on_connect(link, msg);
    else if (msg->tag == channel_tag)
        on_channel(link, msg);
    else if (is_in(msg) && link->paused)
        hold(link, msg);
    else if (is_in(msg))
        take(link, msg);
    else if (msg->tag == link_close_tag || is_owners_end(link, msg))
        anqa_exit(ANQA_NORMAL);
    else if (link->user != NULL && link->carried->info != NULL)
        link->carried->info(link->user, msg);
}

static const anqa_behaviour link_behaviour = {
    .name = "test client", .init = link_init, .handle = link_handle};

/* ---------------------------------------------------------------- for its owner */

/* False: the link has ended. */
static bool ask(anqa_pid link, const char *tag, anqa_payload payload, void *ret_answer, size_t size)
{
    const anqa_msg *msg = anqa_receive_ref(anqa_request(link, tag, payload), ANQA_INFINITY);

    if (msg->kind != ANQA_MSG_REPLY)
        return false;
    memcpy(ret_answer, msg->body.ptr, size);
    return true;
}

anqa_status link_open(const struct link_what *what, anqa_json params, const anqa_connect_info *info,
    anqa_pid *ret_pid)
{
    static const anqa_connect_info nothing = {0};
    struct link link = {
        .spec = {.path = "/test", .user_socket = what->user_socket, .raw = what->raw},
        .mount = {.max_channels = CHANNELS_MAX},
        .owner = anqa_self(),
        .info = info == NULL ? &nothing : info};
    anqa_spawn_opts opts = {.behaviour = &link_behaviour,
        .arg = &link,
        .arg_size = sizeof link,
        .label = "test client",
        .pinned = true};
    anqa_status status = anqa_spawn(&opts, ret_pid, NULL);

    if (status == ANQA_OK && !ask(*ret_pid, connect_tag, anqa_text(params), &status, sizeof status))
        status = ANQA_E_DIED;
    return status;
}

anqa_pid link_channel(anqa_pid link, const char *topic)
{
    anqa_pid pid = {0};

    (void)ask(link, channel_tag, anqa_bytes(topic, strlen(topic)), &pid, sizeof pid);
    return pid;
}
