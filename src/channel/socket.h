/*
 * Sockets and their channels.
 *
 * A *socket* is what a connection speaks once it is a WebSocket, or what another transport (transport.h) carries: the
 * connection's process reads frames and finds the channel that each is for. A *channel* is a process on the same scheduler, pinned as the connection is. So both
 * processes, and the shard that hands out broadcasts, run on one thread, and touch the same structs without locks; none of
 * them holds on to anything across a wait but by asking again.
 *
 * A struct chan lies in the state of the channel's process, so that a joined channel is one block, and there is one
 * life to look after. Both ends are told by exit hooks, which run on that thread: the channel's writes phx_error to
 * the connection and takes the channel out of the socket's list; the connection's (socket_closed) clears chan->socket
 * in all of them. Links and monitors would cost memory, and tell too late.
 *
 *     link  <--  socket  -->  chan  -->  chan  -->  ...      owner of all: the thread of their scheduler
 *                   ^----------'-----------'
 *
 * From the connection to the channel messages travel, one copy each (v2_tail). The other way is a function call: a
 * channel writes frames straight into the connection's output. Before, it has all channels of the socket catch up
 * with their broadcasts (sub_catch_up), so that a client gets what one process sent in the order it was sent.
 *
 * A join. The connection spawns the channel, which subscribes and calls `join` in its init; until that is through the
 * connection reads nothing more, and broadcasts of the topic are held (struct join). Then the answer goes out, then
 * what was held, then reading goes on. It is bounded as what a client may leave unread is, and may wait for the client beyond
 * that (transport.allow): who has joined is not reset for what others have said meanwhile.
 *
 * Holds. A socket does not read while somebody holds it (socket_hold): each join that is under way, and each channel
 * that has too many messages before it.
 */
#ifndef CHANNEL_SOCKET_H
#define CHANNEL_SOCKET_H

/* IWYU pragma: begin_exports */
#include <assert.h>

#include <anqa/channel.h>

#include "channel/rate.h"
#include "channel/serializer.h"
#include "channel/transport.h"
#include "pubsub/pubsub.h"
#include "runtime/hooks.h"
/* IWYU pragma: end_exports */

/* Messages to a channel, told apart by address. */
extern const char chan_in_tag[];     /* of the client: v2_tail, places in ref */
extern const char chan_leave_tag[];  /* phx_leave, in the same form */
extern const char chan_closed_tag[]; /* the connection has ended; the text of the reason */
extern const char chan_out_tag[];    /* a broadcast that is intercepted: its message */
extern const char chan_reply_tag[];  /* an answer from elsewhere, see struct reply_head */

#define CHAN_PENDING_MAX 256u             /* messages that wait for a channel, and */
#define CHAN_PENDING_BYTES_MAX (4u << 20) /* their bytes, before its client is not read any more */
#define CHAN_INTERCEPTED_MAX 256u         /* broadcasts that wait for handle_out, and */
#define CHAN_INTERCEPTED_UNIT 2048u /* their bytes, counted in these, those of each rounded down */
#define CHAN_INTERCEPTED_SIZE_MAX (CHAN_PENDING_BYTES_MAX / CHAN_INTERCEPTED_UNIT)
#define HELD_FRAME_BYTES 64u   /* that a broadcast during a join counts beyond its own */
#define REPLACE_AFTER_MS 5000u /* for the end of a channel that was left, when it is joined again */

/* Flags of a chan. */
enum {
    CHAN_NULL_JOIN_REF = 1, /* the client joined without one: `ref` is the ref of the join */
    CHAN_TOPIC_JSON = 2, /* the topic needs escapes: its length and JSON text are kept behind ref */
    CHAN_JOINED = 4,     /* its join is through */
    CHAN_LEAVING = 8,    /* phx_leave was passed on */
    CHAN_GONE = 16,      /* the client knows of its end: nobody finds it any more */
    CHAN_HOLDS = 32,     /* holds the socket because too much waits for it */
    CHAN_SLOW = 64       /* is killed because too many intercepted broadcasts wait for it */
};

struct socket;
struct join;

/* What is handled: in the frames of the handler. */
struct turn {
    anqa_str ref; /* JSON text; empty: nothing of the client's */
};

/* owner: scheduler; in the channel's process, which ends it. */
struct chan {
    anqa_socket pub;
    struct sub sub; /* `who` is the process */
    struct exit_hook hook;
    union {
        struct chan *next;            /* of the socket */
        struct http_service *service; /* once that is gone: held, so that a drain waits for us */
    };
    struct socket *socket; /* NULL: the connection has ended, or another channel has taken over */
    const anqa_channel *spec;
    struct join *join; /* until CHAN_JOINED the own one; then one that waits for our end, or NULL */
    const struct turn *turn;
    uint32_t pending_bytes;
    uint32_t texts;            /* where in this block ref and topic lie */
    uint16_t pending;          /* messages of the client that were not handled yet */
    uint16_t intercepted;      /* broadcasts that wait for handle_out */
    uint16_t intercepted_size; /* in units */
    uint8_t ref_len;
    uint8_t flags;
};

static_assert(sizeof(struct chan) <= 160, "budget of a joined client");

/* A phx_join on its way. owner: scheduler; the chan that has it, or socket_join. */
struct join {
    anqa_str join_ref, ref, topic_json; /* JSON text */
    anqa_str topic;                     /* the name */
    anqa_str payload;
    bool binary;  /* the payload is no JSON */
    bool overrun; /* too much was held: the join fails */
    const anqa_channel *spec;
    anqa_str old_ref; /* of the channel that this one replaces, to be closed; empty: none */
    anqa_buf *held;
    uint32_t held_count, held_capacity;
    size_t held_bytes;
    char text[];
};

/* Subscription to the socket's id. */
struct socket_id {
    struct sub sub; /* first: who has the one has the other */
    struct socket *socket;
};

struct socket_mount; /* mount.h */
struct http_service; /* http/conn.h */

/* owner: scheduler; of the connection, from the upgrade to its end. */
struct socket {
    const struct transport *transport;
    const struct serializer *serializer;
    void *link; /* the transport's */
    const struct socket_mount *mount;
    struct chan *channels; /* newest first */
    struct socket_id *id;  /* NULL: none */
    void *assigns;         /* behind this struct */
    struct rate *rate;     /* likewise; NULL: any number of messages */
    uint32_t size;         /* of the block */
    uint16_t count;        /* channels that are not gone */
    uint16_t holds;
    bool ended; /* closing: nothing is read or written any more */
};

/* ---------------------------------------------------------------- the connection's side */

struct admission; /* connect.h */

/* A socket for a client that was let in; the calling process is its connection. What `admission` points to is copied.
 * link: may be set later, before anything is written.   Fails: E_NOMEM, E_INVALID (the id). */
anqa_status socket_new(const struct transport *transport, void *link,
    const struct admission *admission, const struct socket_mount *mount,
    struct socket **ret_socket) ANQA_MUST_CHECK;

/* A whole message of the client, borrowed. In the connection's process. */
void socket_message(struct socket *socket, bool binary, anqa_str data);
/* The connection's process ends (from its exit hook): channels hear of it, the socket is freed. */
void socket_closed(struct socket *socket);

/* The endpoint stops: the client is told by this code to come back, its channels end with the reason "draining". */
void socket_drain(struct socket *socket, uint16_t code);

/* The client has not been heard of for too long: channels end with the reason "inactive". Its connection is to end. */
void socket_expire(struct socket *socket);

/* The channel that has joined a topic; nobody: none has. */
anqa_pid socket_channel(const struct socket *socket, anqa_str topic);

void socket_hold(struct socket *socket);
void socket_release(struct socket *socket);

/* That may wait for the client. */
size_t socket_output_bytes(const struct socket *socket);

/* Writes a frame behind all broadcasts that were made before. */
void socket_write(struct socket *socket, const struct v2_frame *frame);

/* The end of a join: answers, writes what was held if it went well, frees it and lets go of the socket, which was held
 * for it. socket: NULL when the connection has ended. The chan that has it must forget it afterwards. */
void join_end(struct socket *socket, struct join *join, bool joined, anqa_str response);

/* ---------------------------------------------------------------- the channel's side */

extern const anqa_behaviour chan_behaviour;
extern const struct sub_ops chan_sub_ops;

/* Runs when the process ends. */
void chan_exit(struct exit_hook *hook, anqa_pid pid);

/* The client is told of the end by now: nobody finds the channel any more, and who waits for its topic may join. */
void chan_gone(struct chan *chan);

static inline anqa_str chan_ref(const struct chan *chan)
{
    return anqa_str_make((const char *)chan + chan->texts, chan->ref_len);
}

anqa_str chan_topic_json(const struct chan *chan);

/* As V2 wants it. While it is subscribed. */
static inline struct v2_topic chan_topic(const struct chan *chan)
{
    if (__builtin_expect((chan->flags & CHAN_TOPIC_JSON) != 0, 0))
        return (struct v2_topic){.text = chan_topic_json(chan)};
    return (struct v2_topic){sub_topic(&chan->sub), true};
}

/* Where the rate of a channel's client is kept, if its spec limits it: behind the user's state. */
size_t chan_rate_at(const struct socket *socket, const anqa_channel *spec);

/* How phx_close and phx_error name the channel. */
static inline anqa_str chan_end_ref(const struct chan *chan)
{
    return chan->flags & CHAN_NULL_JOIN_REF ? anqa_str_make("null", 4) : chan_ref(chan);
}

#endif
