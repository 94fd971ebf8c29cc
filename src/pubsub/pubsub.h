/*
 * Topics and subscribers as the areas above see them: the fastlane.
 *
 * Every scheduler has a shard: a table of the topics that have subscribers there, and a pinned process which hands out.
 * All of a shard is touched by its own thread only. Which shards know a topic is a bit mask that all read: a broadcast
 * looks it up, hands the frame to its own shard directly and sends it to the process of each other one.
 *
 * A topic keeps the frames that are not yet with everybody, numbered; a subscriber has the number of the first it has not
 * got. Handing out is a walk over the subscribers which gives each one all that it lacks (so that frames which came close
 * together leave together), SLICE of them at a time, so that others are served in between. Nobody has to stand behind a
 * walk: who is about to write something of its own to a subscriber calls sub_catch_up first, which gives it what it
 * lacks and keeps the order, and the walk will find nothing to do there.
 *
 * A frame holds the broadcast once, and each encoded form of it once for all subscribers of the shard.
 *
 * A fault in here would leave lists half linked: what runs inside is a section (anqa_section_begin).
 */
#ifndef PUBSUB_PUBSUB_H
#define PUBSUB_PUBSUB_H

#include <anqa/buf.h>
#include <anqa/pubsub.h>
#include <anqa/runtime.h>

#include "base/list.h"

#define FRAME_FORMS 4 /* encoded forms a frame can have; what each is, is the subscribers' affair */

struct sub;

/* What a subscriber may see of its topic. */
struct topic {
    uint64_t end; /* number of the next frame */
};

struct frame {
    anqa_buf message;            /* counted; read it by frame_view */
    anqa_buf forms[FRAME_FORMS]; /* counted; {NULL, NULL, 0}: not made yet */
    anqa_pid except;             /* who does not get it; nobody: all do */
};

struct sub_ops {
    /* `count` frames in order, none of them excepted for `sub`. Frames are borrowed. Must not wait, exit, subscribe or
     * unsubscribe anybody; runs on the shard's thread, in whatever process. */
    void (*deliver)(struct sub *sub, struct frame *const *frames, size_t count);
};

/* A subscription, inside of what its owner has. owner: shard, from sub_open to sub_close. */
struct sub {
    struct anqa_list_node node; /* of the topic */
    struct topic *topic;        /* NULL: closed */
    const struct sub_ops *ops;
    anqa_pid who;  /* compared with a frame's `except` */
    uint64_t next; /* number of the first frame it has not got */
};

/* Subscribes on the calling scheduler; the calling process is pinned. sub: `ops` and `who` are set.
 * Fails: as anqa_subscribe. */
anqa_status sub_open(struct sub *sub, anqa_str topic) ANQA_MUST_CHECK;
/* On the same scheduler. What it has not got yet, it will not get. Closing twice is fine. */
void sub_close(struct sub *sub);

/* The topic's name; lives as long as the subscription. */
anqa_str sub_topic(const struct sub *sub);

void sub_catch_up_now(struct sub *sub);

/* Delivers what `sub` lacks, before something is written to it that came later. On its scheduler; closed ones are fine. */
static inline void sub_catch_up(struct sub *sub)
{
    if (sub->topic != NULL && __builtin_expect(sub->next != sub->topic->end, 0))
        sub_catch_up_now(sub);
}

anqa_broadcast_view frame_view(const struct frame *frame);

struct buf_meter;

/* Hands a broadcast out on this node. from: nobody, if it came from another one. meter: is charged until the last who gets it
 * has received it; NULL: nobody is. Fails: as anqa_broadcast; E_LIMIT: more than the meter allows. */
anqa_status pubsub_local(anqa_pid from, anqa_pid except, struct buf_meter *meter, anqa_str topic,
    anqa_str event, anqa_json payload);

#define PUBSUB_ALL UINT64_MAX

/* As anqa_local_broadcast, for who tries again until all have got it: nobody gets it twice. rest: PUBSUB_ALL at first; then as
 * the last try has left it, the schedulers whose subscribers did not get it. */
anqa_status pubsub_local_rest(
    anqa_str topic, const char *event, anqa_json payload, uint64_t *rest) ANQA_MUST_CHECK;

/* As anqa_broadcast_from the calling process, on a meter. */
anqa_status pubsub_broadcast_metered(
    struct buf_meter *meter, anqa_str topic, const char *event, anqa_json payload);

/* Where the link to other nodes hangs (nodes.c). NULL: no memory. */
struct node_link;
_Atomic(struct node_link *) *pubsub_link(anqa_rt *rt);

#endif
