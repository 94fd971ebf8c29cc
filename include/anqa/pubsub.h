/**
 * anqa/pubsub.h - topics, who subscribed to them, and broadcasts to all of those.
 *
 *     anqa_subscribe(anqa_str_of("prices"));
 *     ...
 *     anqa_broadcast(anqa_str_of("prices"), "changed", anqa_jsonf("{'cents': %d}", cents));
 *
 * A topic is any string of at most 255 bytes; it exists while somebody is subscribed. A subscriber gets each broadcast as
 * a message of tag ANQA_BROADCAST, which anqa_broadcast_of reads. Sockets of channels are subscribers of another kind: a
 * frame that is made once is written straight to all of them, and no process is asked.
 *
 * Subscribers are kept by the scheduler they run on, without locks; so a process that has subscribed stays on its
 * scheduler from then on. A broadcast costs one look-up, and one message for every other scheduler that has subscribers.
 *
 * Order. What one process broadcasts reaches each subscriber in that order. Broadcasts of several processes come in some
 * order, not necessarily the same one at all subscribers. Nothing is stored, nothing is acknowledged.
 *
 * Limits. Broadcasts that wait to be handed out take memory: beyond ANQA_BROADCAST_PENDING_MAX bytes on a
 * scheduler more of them are refused there, with E_FULL.
 *
 * Threads. "Process" throughout; attached threads may broadcast, but not subscribe.
 */
#ifndef ANQA_PUBSUB_H
#define ANQA_PUBSUB_H

#include <anqa/process.h>

ANQA_BEGIN_DECLS

/** Longest topic and longest event, in bytes. */
#define ANQA_TOPIC_MAX 255u

/** Bytes of broadcasts that may wait on one scheduler. */
#define ANQA_BROADCAST_PENDING_MAX ((size_t)64 << 20)

/** Tag of the messages that subscribers get. */
#define ANQA_BROADCAST "broadcast"

/** A broadcast as its subscriber sees it; borrowed from the message. */
typedef struct anqa_broadcast_view {
    anqa_str topic, event;
    anqa_json payload;
    anqa_pid from;
} anqa_broadcast_view;

/**
 * Subscribes the calling process; each subscription gets each broadcast, so subscribing twice gets it twice. It ends with
 * the process.
 * Fails: E_INVALID (an empty topic, or one that is too long), E_UNSUPPORTED (an attached thread), E_NOMEM.
 * Context: process; does not wait.
 */
ANQA_API anqa_status anqa_subscribe(anqa_str topic) ANQA_MUST_CHECK;

/** Ends all subscriptions of the calling process to that topic; what has been broadcast may still arrive. */
ANQA_API void anqa_unsubscribe(anqa_str topic);

/**
 * Sends an event to everybody who has subscribed to the topic, the caller included.
 * payload: JSON; sockets of channels want an object.
 * Fails: E_INVALID (topic or event empty or too long), E_FULL (see above: somebody did not get it), E_NOMEM. Nobody being
 * subscribed is fine.
 * Context: process; does not wait.
 */
ANQA_API anqa_status anqa_broadcast(anqa_str topic, const char *event, anqa_json payload);

/** The same for everybody but `from`, as a rule anqa_self(). */
ANQA_API anqa_status anqa_broadcast_from(
    anqa_pid from, anqa_str topic, const char *event, anqa_json payload);

/** What a message of tag ANQA_BROADCAST holds; false for any other message. */
ANQA_API bool anqa_broadcast_of(const anqa_msg *msg, anqa_broadcast_view *ret_view);

ANQA_END_DECLS

#endif
