#include "pubsub/pubsub.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf_meter.h"
#include "base/container.h"
#include "base/map.h"
#include "otp/table.h"
#include "runtime/sched.h"

#define SLICE 64            /* subscribers that are served before others run: half a millisecond */
#define FRAME_OVERHEAD 128u /* what a frame costs beside its bytes, roughly */

/* How a broadcast lies in its buf, followed by topic, event and payload. */
struct head {
    uint64_t from, except;
    uint32_t payload_len;
    uint8_t topic_len, event_len;
};

/* Which shards know a topic. shared: `mask`; in the table while that is not 0. */
struct known {
    struct table_node node;
    struct retired retired;
    _Atomic(uint64_t) mask; /* a bit for each scheduler; written under the table's lock */
    char name[];
};

/* owner: shard. Lives while it has subscribers. */
struct local_topic {
    struct topic shown;
    uint64_t first;        /* number of frames[0]; there are shown.end - first */
    uint64_t walk_end;     /* with the end of the walk everybody has what is below */
    struct frame **frames; /* owned */
    size_t capacity;
    struct anqa_list subs;
    struct anqa_list_node active;  /* in the shard's list while there are frames */
    struct anqa_list_node *cursor; /* who is served next; the list's head: the walk is at its end */
    uint8_t name_len;
    char name[];
};

/* One scheduler's part. Touched by its thread only, but for what is named shared. */
struct shard {
    struct hub *hub;
    anqa_pid pid; /* of the process that hands out; constant */
    struct map_str topics;
    struct anqa_list active;
    alignas(64) _Atomic(size_t) pending; /* shared: bytes of broadcasts not handed out */
};

/* owner: runtime. */
struct hub {
    anqa_rt *rt;
    _Atomic(struct table *)
        known; /* name -> struct known; the runtime's; NULL until somebody asks */
    _Atomic(struct node_link *) link; /* to other nodes; NULL: none. Readers: QSBR */
    uint16_t count;
    struct shard shards[];
};

/* ---------------------------------------------------------------- frames */

anqa_broadcast_view frame_view(const struct frame *frame)
{
    struct head head;
    const char *text = frame->message.ptr + sizeof head;

    memcpy(&head, frame->message.ptr, sizeof head);
    return (anqa_broadcast_view){
        .topic = anqa_str_make(text, head.topic_len),
        .event = anqa_str_make(text + head.topic_len, head.event_len),
        .payload = {text + head.topic_len + head.event_len, head.payload_len},
        .from = {head.from},
    };
}

static struct frame *frame_new(anqa_buf message)
{
    struct frame *frame = calloc(1, sizeof *frame);
    struct head head;

    if (frame == NULL)
        return NULL;
    memcpy(&head, message.ptr, sizeof head);
    frame->message = anqa_buf_ref(message);
    frame->except.bits = head.except;
    return frame;
}

static size_t message_cost(anqa_buf message)
{
    return message.len + FRAME_OVERHEAD;
}

static void frame_free(struct shard *shard, struct frame *frame)
{
    atomic_fetch_sub_explicit(&shard->pending, message_cost(frame->message), memory_order_relaxed);
    anqa_buf_unref(frame->message);
    for (unsigned i = 0; i < FRAME_FORMS; i++)
        anqa_buf_unref(frame->forms[i]);
    free(frame);
}

/* ---------------------------------------------------------------- handing out */

static struct local_topic *topic_of(struct topic *topic)
{
    return ANQA_CONTAINER_OF(topic, struct local_topic, shown);
}

/* All that `sub` lacks, in runs that leave out what it is not to get. */
void sub_catch_up_now(struct sub *sub)
{
    struct local_topic *topic = topic_of(sub->topic);
    size_t at = (size_t)(sub->next - topic->first);
    size_t end = (size_t)(topic->shown.end - topic->first), from = at;

    sub->next = topic->shown.end; /* first: delivering may come back here */
    for (; at < end; at++) {
        if (!anqa_pid_eq(topic->frames[at]->except, sub->who) ||
            anqa_pid_is_none(topic->frames[at]->except))
            continue;
        if (at > from)
            sub->ops->deliver(sub, topic->frames + from, at - from);
        from = at + 1;
    }
    if (at > from)
        sub->ops->deliver(sub, topic->frames + from, at - from);
}

static void walk_begin(struct local_topic *topic)
{
    topic->cursor = topic->subs.head.next;
    topic->walk_end = topic->shown.end;
}

/* Frees frames that everybody has: those numbered below `end`. */
static void frames_drop(struct shard *shard, struct local_topic *topic, uint64_t end)
{
    size_t count = (size_t)(end - topic->first), left = (size_t)(topic->shown.end - end);

    for (size_t i = 0; i < count; i++)
        frame_free(shard, topic->frames[i]);
    if (left > 0)
        memmove(topic->frames, topic->frames + count, left * sizeof *topic->frames);
    topic->first = end;
    if (left == 0) {
        free(topic->frames);
        topic->frames = NULL;
        topic->capacity = 0;
    }
}

/* Serves up to *budget subscribers. False: everybody has everything. */
static bool topic_walk(struct shard *shard, struct local_topic *topic, unsigned *budget)
{
    while (topic->cursor != &topic->subs.head) {
        struct sub *sub = ANQA_CONTAINER_OF(topic->cursor, struct sub, node);
        if (*budget == 0)
            return true;
        topic->cursor = topic->cursor->next;
        if (sub->next == topic->shown.end)
            continue;
        --*budget;
        sub_catch_up_now(sub);
    }
    frames_drop(shard, topic, topic->walk_end);
    if (topic->first == topic->shown.end)
        return false;
    walk_begin(topic);
    return true;
}

/*
 * One topic after the other, in turns: a large one does not keep a small one waiting. A walk that takes more than one
 * turn goes on with low priority: an answer to somebody else takes three or four activations (connection, channel,
 * output), and must not stand behind a slice at each of them.
 */
static void shard_walk(struct shard *shard, struct sched *s)
{
    struct anqa_list_node *node = anqa_list_pop(&shard->active);
    unsigned budget = SLICE;

    while (node != NULL && budget > 0) {
        struct local_topic *topic = ANQA_CONTAINER_OF(node, struct local_topic, active);
        if (topic_walk(shard, topic, &budget))
            anqa_list_push(&shard->active, node);
        node = budget > 0 ? anqa_list_pop(&shard->active) : NULL;
    }
    proc_set_priority(s->current, ANQA_PRIORITY_NORMAL);
    if (anqa_list_empty(&shard->active))
        return;
    proc_set_priority(s->current, ANQA_PRIORITY_LOW);
    proc_kick(s, s->current);
    sched_look_soon(s);
}

static struct proc *shard_proc(const struct shard *shard)
{
    return proc_slot(shard->hub->rt, shard->pid);
}

static bool frames_grow(struct local_topic *topic)
{
    size_t count = (size_t)(topic->shown.end - topic->first);
    struct frame **larger;

    if (count < topic->capacity)
        return true;
    larger = realloc(topic->frames, (count < 4 ? 4 : count * 2) * sizeof(struct frame *));
    if (larger == NULL)
        return false;
    topic->frames = larger;
    topic->capacity = count < 4 ? 4 : count * 2;
    return true;
}

/* On the shard's thread. message: counted in `pending` already. Fails: E_NOMEM. */
static anqa_status shard_take(struct sched *s, struct shard *shard, anqa_buf message)
{
    struct head head;
    anqa_str name = {message.ptr + sizeof head, 0};
    struct local_topic *topic;
    struct frame *frame = NULL;

    memcpy(&head, message.ptr, sizeof head);
    name.len = head.topic_len;
    topic = map_str_get(&shard->topics, name);
    if (topic != NULL && frames_grow(topic))
        frame = frame_new(message);
    if (frame == NULL) {
        atomic_fetch_sub_explicit(&shard->pending, message_cost(message), memory_order_relaxed);
        return topic == NULL ? ANQA_OK : ANQA_E_NOMEM;
    }
    topic->frames[topic->shown.end++ - topic->first] = frame;
    if (anqa_list_linked(&topic->active))
        return ANQA_OK;
    walk_begin(topic);
    anqa_list_push(&shard->active, &topic->active);
    proc_kick(s, shard_proc(shard));
    return ANQA_OK;
}

static void shard_handle(void *state, const anqa_msg *msg)
{
    struct shard *shard = state;
    struct sched *s = sched_self;

    anqa_section_begin();
    if (msg->kind == ANQA_MSG_SYSTEM) {
        shard_walk(shard, s);
    } else if (msg->payload == ANQA_PAYLOAD_BUF) {
        anqa_buf message = {msg->u.block, msg->body.ptr, msg->body.len};
        (void)shard_take(s, shard, message); /* without memory it is lost, as the header says */
    }
    anqa_section_end();
}

static const anqa_behaviour shard_behaviour = {.name = "pubsub", .handle = shard_handle};

/* ---------------------------------------------------------------- the hub */

static void hub_drop(void *object)
{
    struct hub *hub = object;

    for (uint16_t i = 0; i < hub->count; i++)
        map_str_done(&hub->shards[i].topics); /* subscribers have ended before, so it is empty */
    free(hub);
}

/* The processes of the shards. They are nobody's children, and end with the runtime. */
static bool hub_spawn(struct hub *hub)
{
    for (uint16_t i = 0; i < hub->count; i++) {
        anqa_spawn_opts opts = {
            .behaviour = &shard_behaviour,
            .arg = &hub->shards[i],
            .label = "pubsub",
            .pinned = true,
            .scheduler = (uint16_t)(i + 1),
        };
        if (anqa_rt_spawn(hub->rt, &opts, &hub->shards[i].pid) != ANQA_OK) {
            for (uint16_t j = 0; j < i; j++)
                anqa_rt_exit_signal(hub->rt, hub->shards[j].pid, ANQA_KILL);
            return false;
        }
    }
    return true;
}

static void *hub_make(anqa_rt *rt)
{
    size_t size = sizeof(struct hub) + rt->sched_count * sizeof(struct shard);
    struct hub *hub = aligned_alloc(alignof(struct hub), size);

    if (hub == NULL)
        return NULL;
    memset(hub, 0, size);
    hub->rt = rt;
    hub->count = rt->sched_count;
    for (uint16_t i = 0; i < hub->count; i++) {
        hub->shards[i].hub = hub;
        anqa_list_init(&hub->shards[i].active);
    }
    if (!hub_spawn(hub)) {
        free(hub);
        return NULL;
    }
    return hub;
}

static const char table_owner;

/* NULL: no memory. */
static struct hub *hub_of(anqa_rt *rt)
{
    return rt_local(rt, RT_LOCAL_PUBSUB, hub_make, hub_drop);
}

/* All who are first find the same one. NULL: no memory. */
static struct table *known_of(struct hub *hub)
{
    struct table *table = atomic_load_explicit(&hub->known, memory_order_acquire);

    if (table != NULL)
        return table;
    table = table_of(hub->rt, &table_owner, false);
    atomic_store_explicit(&hub->known, table, memory_order_release); /* pairs with the load above */
    return table;
}

/* ---------------------------------------------------------------- topics of a shard */

static struct known *known_new(anqa_str name)
{
    struct known *known = calloc(1, sizeof *known + name.len);

    if (known == NULL)
        return NULL;
    memcpy(known->name, name.ptr, name.len);
    table_node_init(&known->node, (anqa_pid){0}, name, offsetof(struct known, name));
    return known;
}

/* Lets all know that shard `index` has subscribers of the topic. */
static anqa_status known_add(struct hub *hub, uint16_t index, anqa_str name)
{
    struct table *table = known_of(hub);
    anqa_status status = ANQA_OK;
    struct known *known;

    if (table == NULL)
        return ANQA_E_NOMEM;
    table_lock(table);
    known = (struct known *)table_get(table, name);
    if (known == NULL) {
        known = known_new(name);
        status = known == NULL ? ANQA_E_NOMEM : table_put(table, &known->node);
        if (status != ANQA_OK)
            free(known);
    }
    if (status == ANQA_OK)
        atomic_fetch_or_explicit(&known->mask, (uint64_t)1 << index, memory_order_release);
    table_unlock(table);
    return status;
}

static bool known_free(struct retired *note)
{
    free(ANQA_CONTAINER_OF(note, struct known, retired));
    return false;
}

static void known_remove(struct hub *hub, uint16_t index, anqa_str name)
{
    struct table *table = known_of(hub);
    uint64_t bit = (uint64_t)1 << index;
    struct known *known;

    table_lock(table);
    known = (struct known *)table_get(table, name);
    if (atomic_fetch_and_explicit(&known->mask, ~bit, memory_order_relaxed) == bit) {
        table_remove(table, &known->node);
        table_unlock(table);
        table_retire_noted(table, &known->retired, known_free);
        return;
    }
    table_unlock(table);
}

static void topic_free(struct local_topic *topic)
{
    free(topic->frames);
    free(topic);
}

static struct local_topic *topic_new(struct shard *shard, anqa_str name)
{
    struct local_topic *topic = calloc(1, sizeof *topic + name.len);
    anqa_str own;

    if (topic == NULL)
        return NULL;
    memcpy(topic->name, name.ptr, name.len);
    topic->name_len = (uint8_t)name.len;
    anqa_list_init(&topic->subs);
    anqa_list_node_init(&topic->active);
    own = anqa_str_make(topic->name, name.len);
    if (map_str_put(&shard->topics, own, topic, NULL) != ANQA_OK) {
        topic_free(topic);
        return NULL;
    }
    if (known_add(shard->hub, (uint16_t)(shard - shard->hub->shards), own) != ANQA_OK) {
        map_str_remove(&shard->topics, own);
        topic_free(topic);
        return NULL;
    }
    return topic;
}

/* Its last subscriber has gone. */
static void topic_remove(struct shard *shard, struct local_topic *topic)
{
    anqa_str name = anqa_str_make(topic->name, topic->name_len);

    known_remove(shard->hub, (uint16_t)(shard - shard->hub->shards), name);
    map_str_remove(&shard->topics, name);
    anqa_list_remove(&topic->active);
    frames_drop(shard, topic, topic->shown.end);
    topic_free(topic);
}

/* ---------------------------------------------------------------- subscriptions */

static struct shard *shard_here(const struct sched *s)
{
    struct hub *hub = hub_of(s->rt);

    return hub == NULL ? NULL : &hub->shards[s->index];
}

static bool name_ok(size_t len)
{
    return len > 0 && len <= ANQA_TOPIC_MAX;
}

anqa_status sub_open(struct sub *sub, anqa_str name)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct shard *shard;
    struct local_topic *topic;

    sub->topic = NULL;
    if (!name_ok(name.len))
        return ANQA_E_INVALID;
    if (s->foreign)
        return ANQA_E_UNSUPPORTED;
    anqa_section_begin();
    shard = shard_here(s);
    topic = shard == NULL ? NULL : map_str_get(&shard->topics, name);
    if (topic == NULL && shard != NULL)
        topic = topic_new(shard, name);
    if (topic != NULL) {
        p->flags |= PROC_PINNED;
        sub->topic = &topic->shown;
        sub->next = topic->shown.end;
        /* In front, where a walk that is under way has been. */
        anqa_list_push_front(&topic->subs, &sub->node);
    }
    anqa_section_end();
    return topic == NULL ? ANQA_E_NOMEM : ANQA_OK;
}

void sub_close(struct sub *sub)
{
    struct local_topic *topic;

    if (sub->topic == NULL)
        return;
    topic = topic_of(sub->topic);
    anqa_section_begin();
    if (topic->cursor == &sub->node)
        topic->cursor = sub->node.next;
    anqa_list_remove(&sub->node);
    sub->topic = NULL;
    if (anqa_list_empty(&topic->subs))
        topic_remove(shard_here(sched_self), topic);
    anqa_section_end();
}

anqa_str sub_topic(const struct sub *sub)
{
    const struct local_topic *topic = topic_of(sub->topic);

    return anqa_str_make(topic->name, topic->name_len);
}

/* ---------------------------------------------------------------- processes that subscribe */

/* owner: the process, by its exit hook. */
struct listener {
    struct sub sub;
    struct exit_hook hook;
};

static void listener_deliver(struct sub *sub, struct frame *const *frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)anqa_send(sub->who, ANQA_BROADCAST, anqa_shared(frames[i]->message));
}

static const struct sub_ops listener_ops = {listener_deliver};

static void listener_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct listener *listener = ANQA_CONTAINER_OF(hook, struct listener, hook);

    sub_close(&listener->sub);
    free(listener);
}

anqa_status anqa_subscribe(anqa_str topic)
{
    struct listener *listener;
    anqa_status status;

    anqa_section_begin();
    listener = calloc(1, sizeof *listener);
    anqa_section_end();
    if (listener == NULL)
        return ANQA_E_NOMEM;
    listener->sub.ops = &listener_ops;
    listener->sub.who = anqa_self();
    status = sub_open(&listener->sub, topic);
    if (status != ANQA_OK) {
        free(listener);
        return status;
    }
    listener->hook.run = listener_exit;
    exit_hook_add(&listener->hook);
    return ANQA_OK;
}

static struct listener *listener_find(struct local_topic *topic, anqa_pid who)
{
    for (struct anqa_list_node *node = anqa_list_first(&topic->subs); node != NULL;
        node = anqa_list_next(&topic->subs, node)) {
        struct sub *sub = ANQA_CONTAINER_OF(node, struct sub, node);
        if (sub->ops == &listener_ops && anqa_pid_eq(sub->who, who))
            return ANQA_CONTAINER_OF(sub, struct listener, sub);
    }
    return NULL;
}

void anqa_unsubscribe(anqa_str name)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    anqa_pid self = proc_pid(s->rt, p);
    struct shard *shard = s->foreign ? NULL : shard_here(s);

    while (shard != NULL) {
        struct local_topic *topic = map_str_get(&shard->topics, name);
        struct listener *listener = topic == NULL ? NULL : listener_find(topic, self);
        if (listener == NULL)
            return;
        exit_hook_remove(&listener->hook);
        listener_exit(&listener->hook, self);
    }
}

/* ---------------------------------------------------------------- broadcasting */

static uint64_t shards_of(struct hub *hub, anqa_str topic)
{
    struct table *table = known_of(hub);
    struct known *known;
    uint64_t mask = 0;

    if (table == NULL)
        return 0;
    table_read_begin(table);
    known = (struct known *)table_get(table, topic);
    if (known != NULL)
        mask = atomic_load_explicit(&known->mask, memory_order_acquire);
    table_read_end(table);
    return mask;
}

static anqa_status message_make(struct head *head, struct buf_meter *meter, anqa_str topic,
    anqa_str event, anqa_json payload, anqa_buf *ret_message)
{
    char *at;
    anqa_status status;

    head->topic_len = (uint8_t)topic.len;
    head->event_len = (uint8_t)event.len;
    head->payload_len = (uint32_t)payload.len;
    status = buf_new_metered(meter, sizeof *head + topic.len + event.len + payload.len,
        FRAME_OVERHEAD, ret_message, &at);
    if (status != ANQA_OK)
        return status;
    memcpy(at, head, sizeof *head);
    at += sizeof *head;
    memcpy(at, topic.ptr, topic.len);
    memcpy(at + topic.len, event.ptr, event.len);
    memcpy(at + topic.len + event.len, payload.ptr, payload.len);
    return ANQA_OK;
}

static anqa_status shard_give(struct sched *s, struct shard *shard, anqa_buf message)
{
    size_t cost = message_cost(message);
    anqa_status status;

    if (atomic_fetch_add_explicit(&shard->pending, cost, memory_order_relaxed) + cost >
        ANQA_BROADCAST_PENDING_MAX) {
        atomic_fetch_sub_explicit(&shard->pending, cost, memory_order_relaxed);
        return ANQA_E_FULL;
    }
    if (!s->foreign && s->index == shard - shard->hub->shards)
        return shard_take(s, shard, message);
    status = anqa_send(shard->pid, ANQA_BROADCAST, anqa_shared(message));
    if (status == ANQA_OK)
        return ANQA_OK;
    atomic_fetch_sub_explicit(&shard->pending, cost, memory_order_relaxed);
    return status == ANQA_E_NOPROC ? ANQA_OK : status; /* the runtime stops */
}

/* To the subscribers of this node, on the schedulers of `rest`; those that took it are struck out. */
static anqa_status hand_out(struct hub *hub, struct sched *s, struct buf_meter *meter,
    anqa_pid except, const anqa_broadcast_view *what, uint64_t *rest)
{
    struct head head = {.from = what->from.bits, .except = except.bits};
    anqa_status status, one;
    anqa_buf message;

    *rest &= shards_of(hub, what->topic);
    if (*rest == 0)
        return ANQA_OK;
    status = message_make(&head, meter, what->topic, what->event, what->payload, &message);
    if (status != ANQA_OK)
        return status;
    for (uint64_t left = *rest; left != 0; left &= left - 1) {
        one = shard_give(s, &hub->shards[__builtin_ctzll(left)], message);
        if (one == ANQA_OK)
            *rest &= ~(left & -left);
        else
            status = one;
    }
    anqa_buf_unref(message);
    return status;
}

static anqa_status local(
    struct buf_meter *meter, anqa_pid except, const anqa_broadcast_view *what, uint64_t *rest)
{
    struct sched *s;
    struct hub *hub;
    anqa_status status = ANQA_E_NOMEM;

    (void)proc_self(&s);
    if (!name_ok(what->topic.len) || !name_ok(what->event.len) || what->payload.len > UINT32_MAX)
        return ANQA_E_INVALID;
    anqa_section_begin();
    hub = hub_of(s->rt);
    if (hub != NULL)
        status = hand_out(hub, s, meter, except, what, rest);
    anqa_section_end();
    return status;
}

anqa_status pubsub_local(anqa_pid from, anqa_pid except, struct buf_meter *meter, anqa_str topic,
    anqa_str event, anqa_json payload)
{
    uint64_t rest = PUBSUB_ALL;

    return local(meter, except, &(anqa_broadcast_view){topic, event, payload, from}, &rest);
}

anqa_status pubsub_local_rest(anqa_str topic, const char *event, anqa_json payload, uint64_t *rest)
{
    anqa_broadcast_view what = {topic, anqa_str_of(event), payload, anqa_self()};

    return local(NULL, (anqa_pid){0}, &what, rest);
}

_Atomic(struct node_link *) *pubsub_link(anqa_rt *rt)
{
    struct hub *hub = hub_of(rt);

    return hub == NULL ? NULL : &hub->link;
}

bool anqa_broadcast_of(const anqa_msg *msg, anqa_broadcast_view *ret_view)
{
    struct frame frame = {.message = {NULL, msg->body.ptr, msg->body.len}};

    /* Anybody may send a message of that tag: what it says of its own lengths is checked. */
    if (msg->payload != ANQA_PAYLOAD_BUF || !anqa_tag_is(msg->tag, ANQA_BROADCAST) ||
        msg->body.len < sizeof(struct head))
        return false;
    *ret_view = frame_view(&frame);
    return sizeof(struct head) + ret_view->topic.len + ret_view->event.len +
               ret_view->payload.len ==
           msg->body.len;
}
