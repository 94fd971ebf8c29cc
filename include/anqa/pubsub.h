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
 * Nodes. An *adapter* carries broadcasts to other runtimes, as a rule those of other machines: see below. What arrives from one is
 * handed out as a local broadcast is; a frame for sockets is made once on each node. Without an adapter there is one node.
 *
 * Topics that begin with the byte 0xFF are the library's own; no text of a client can name them.
 *
 * Threads. "Process" throughout; attached threads may broadcast, but not subscribe.
 */
#ifndef ANQA_PUBSUB_H
#define ANQA_PUBSUB_H

#include <anqa/buf.h>
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
    anqa_pid from; /* nobody: it came from another node */
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
 * Sends an event to everybody who has subscribed to the topic, on all nodes, the caller included.
 * payload: JSON; sockets of channels want an object.
 * Fails: E_INVALID (topic or event empty or too long), E_FULL (see above: somebody did not get it), E_NOMEM; with an adapter also
 * E_LIMIT (too long for other nodes), E_INVALID (topic or event is not UTF-8) and as the adapter says: all who could be
 * reached got it. Nobody being subscribed is fine.
 * Context: process; does not wait.
 */
ANQA_API anqa_status anqa_broadcast(anqa_str topic, const char *event, anqa_json payload);

/** The same for everybody but `from`, as a rule anqa_self(). */
ANQA_API anqa_status anqa_broadcast_from(
    anqa_pid from, anqa_str topic, const char *event, anqa_json payload);

/** anqa_broadcast to the subscribers of this node only. */
ANQA_API anqa_status anqa_local_broadcast(anqa_str topic, const char *event, anqa_json payload);
/** anqa_broadcast_from to the subscribers of this node only. */
ANQA_API anqa_status anqa_local_broadcast_from(
    anqa_pid from, anqa_str topic, const char *event, anqa_json payload);
/** anqa_broadcast to the subscribers of one node only, by its name; that may be this one. Fails also with E_NOT_FOUND: there
 * is no such node, as far as is known. */
ANQA_API anqa_status anqa_direct_broadcast(
    anqa_str node, anqa_str topic, const char *event, anqa_json payload);

/** What a message of tag ANQA_BROADCAST holds; false for any other message. */
ANQA_API bool anqa_broadcast_of(const anqa_msg *msg, anqa_broadcast_view *ret_view);

/* ---------------------------------------------------------------- other nodes */

/** Longest name of a node, in bytes. */
#define ANQA_NODE_NAME_MAX 255u

/** Longest message between nodes, in bytes: topic, event and payload with 8 bytes before them. */
#define ANQA_NODE_MESSAGE_MAX ((size_t)8 << 20)

/** The name of this node; "nonode" without an adapter. Lives as long as the current event. Context: process. */
ANQA_API anqa_str anqa_node_name(void);

/**
 * What carries broadcasts to other nodes. `static const`. The functions are called in the process that broadcasts, on any
 * thread, several at a time; they must not wait. A message is bytes for anqa_pubsub_receive on the other side: who keeps it
 * takes a count. The topic is there for who sends to those only that want it. What one process broadcasts must arrive in
 * order; what is lost is lost.
 */
typedef struct anqa_pubsub_adapter {
    /* To all other nodes. */
    anqa_status (*broadcast)(void *arg, anqa_str topic, anqa_buf message);
    /* To the one of that name. E_NOT_FOUND: there is none. */
    anqa_status (*direct_broadcast)(void *arg, anqa_str node, anqa_str topic, anqa_buf message);
    /* Frees `arg`, when nobody is in a function any more; on any thread, as anqa_type's drop. NULL: nothing to free. */
    void (*drop)(void *arg);
} anqa_pubsub_adapter;

/**
 * Joins this runtime to others until the calling process ends: as a rule an adapter's server, an early child of a supervisor.
 * node: the name of this node, unique among all; it is copied.   arg: belongs to the adapter, once this has succeeded.
 * Fails: E_EXISTS (there is an adapter), E_INVALID (a name that is empty, too long or not UTF-8), E_NOMEM.
 * Context: process; does not wait.
 */
ANQA_API anqa_status anqa_pubsub_attach(
    const anqa_pubsub_adapter *adapter, void *arg, anqa_str node) ANQA_MUST_CHECK;

/**
 * Hands out what has come from another node. message: any bytes; they are checked.
 * Fails: E_PARSE (no message), E_LIMIT (too long), and as anqa_local_broadcast; err says why.
 * Context: process; does not wait.
 */
ANQA_API anqa_status anqa_pubsub_receive(anqa_str message, anqa_error *err);

ANQA_END_DECLS

#endif
