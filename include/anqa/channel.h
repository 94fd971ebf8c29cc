/**
 * anqa/channel.h - channels: conversations on topics with the clients of a socket.
 *
 *     static anqa_next room_join(anqa_socket *socket, anqa_str topic, anqa_json params)
 *     {
 *         return anqa_reply_ok(anqa_jsonf("{'topic': %.*s}", ANQA_FMT(topic)));
 *     }
 *     static anqa_next room_shout(anqa_socket *socket, anqa_json payload)
 *     {
 *         anqa_socket_broadcast(socket, "shout", payload);
 *         return anqa_noreply();
 *     }
 *     static const anqa_channel room_channel = {
 *         .topic = "room:*", .join = room_join,
 *         .handle_in = (const anqa_event[]){{"shout", room_shout}, {0}},
 *     };
 *     static const anqa_user_socket user_socket = {
 *         .channels = (const anqa_channel *const[]){&room_channel, NULL},
 *     };
 *
 * A client opens one socket (a WebSocket, or long-poll, see anqa/endpoint.h) and joins topics over it. Each joined topic is a process,
 * a *channel*, which lives until the client leaves, the socket ends, or the channel ends itself. Its callbacks run in
 * that process, one at a time, and may wait; meanwhile the other channels of the socket go on. The clients are
 * those of Phoenix (npm `phoenix`), the semantics and defaults those of Phoenix.Channel, unless a comment says otherwise.
 *
 * Joining. `join` decides. While it runs the client's socket handles nothing else; so a join should not wait for long. The
 * topic is subscribed before `join` is called, and what is broadcast meanwhile reaches the client right after the answer:
 * who reads the history in `join` loses nothing in between.
 *
 * Payloads are JSON text as it came, checked once; ask it with the functions of anqa/json.h. It lives as long as
 * the event. What is pushed, broadcast or answered must be a JSON object.
 *
 * Answers. A handler of handle_in returns
 *     anqa_reply_ok(json)          status "ok"; ANQA_JSON_NULL stands for {}
 *     anqa_reply_error("reason")   status "error", {"reason": "reason"}; anqa_reply_error_json for another object
 *     anqa_reply_payload(bytes)    status "ok", a binary frame
 *     anqa_reply_status(...)       any other status
 *     anqa_noreply()               nothing, or later by anqa_socket_reply
 *     anqa_stop_with(reason), anqa_stop_reply(reason, json)
 * The actions anqa_then_... are for servers, not for channels: they are a bad return value here.
 *
 * The end. A channel that stops with a quiet reason (normal, shutdown) is *closed*: the client is told so and does not
 * come back. Any other end (a crash, anqa_exit whatever the reason, an event that no handler takes) is an *error*: the
 * client joins again after a while. `terminate` is called with
 *     {shutdown, "left"}          the client left
 *     {shutdown, "closed"}        its connection ended
 *     {shutdown, "disconnected"}  "disconnect" was broadcast to the socket's id
 *     {shutdown, "inactive"}      it has not polled for too long (long-poll)
 *     {shutdown, "draining"}      its endpoint stops
 *     shutdown                    after a join that was refused
 *     the reason of a stop, anqa_exit or a failed ANQA_REQUIRE
 * and not at all after a fault, when the channel is killed, when `join` crashes, or when the client joins the same topic
 * again without having left.
 *
 * Binary frames. Clients that poll or only listen can be sent none, nor those of version 1 of the wire format: a binary push to one of
 * them is dropped with a warning, in place of a binary answer there is the error {"reason": "no binary frames"}.
 *
 * Order. What one process broadcasts and pushes reaches a client in that order. A broadcast that a handler makes comes
 * before its answer.
 *
 * Limits. Refs of the client may have 255 bytes, topics and events too. When 256 messages or 4 MiB wait for one channel
 * nothing more is read from its client until half of them are done. What a client may send in a second can be limited, for a
 * channel (.rate) and for all that comes over a socket (.rate of its mount). A channel for whose handle_out 256 broadcasts or 4 MiB wait is
 * killed, with a warning: others do not wait for it, and its client joins anew. A client that leaves more than 1 MiB of what it is sent
 * unread is reset; so no answer or push can be longer. As much may be broadcast on a topic while a client joins it, each
 * message counted 64 bytes longer than it is: else the join fails as one that crashes, with a warning, and the client tries again.
 * The limit is max_output_bytes of the endpoint.
 *
 * Threads. An anqa_socket belongs to its channel's process; specs are shared and constant.
 */
#ifndef ANQA_CHANNEL_H
#define ANQA_CHANNEL_H

#include <anqa/gen_server.h>
#include <anqa/log.h>
#include <anqa/process.h>
#include <anqa/pubsub.h>

ANQA_BEGIN_DECLS

/* ---------------------------------------------------------------- specs */

/** What a callback has in hand. The fields are to be read; what `assigns` and `state` point to may be changed. */
typedef struct anqa_socket {
    anqa_str topic; /* empty in connect and id */
    /* assigns_size bytes: what connect has written; each channel has a copy of its own from its join on */
    void *assigns;
    void *state; /* state_size bytes, born zeroed; NULL in connect and id */
} anqa_socket;

/** One row of a table of events, which {0} ends. */
typedef struct anqa_event {
    const char *event;
    anqa_next (*run)(anqa_socket *socket, anqa_json payload);
} anqa_event;

/** The same for events that come as binary frames. */
typedef struct anqa_binary_event {
    const char *event;
    anqa_next (*run)(anqa_socket *socket, anqa_str data);
} anqa_binary_event;

/** One row of a table of other messages, which {0} ends. */
typedef struct anqa_info {
    const char *tag;
    anqa_next (*run)(anqa_socket *socket, anqa_msg *msg);
} anqa_info;

/** What becomes of a message over a rate limit. */
typedef enum anqa_over_rate {
    ANQA_RATE_REPLY, /* it is answered with status "error", {"reason": "rate limit"}, and not handled */
    ANQA_RATE_CLOSE /* the client's connection is closed (close code 1008) */
} anqa_over_rate;

/** How much clients may send: so much a second, and at once as much as `burst`. Zero: any number. A message that has more
 * bytes than the burst never passes. */
typedef struct anqa_rate_limit {
    uint32_t messages_per_s, messages_burst; /* burst 0: as much as in a second */
    uint32_t bytes_per_s, bytes_burst;
    anqa_over_rate over;
} anqa_rate_limit;

/** What a channel is. `static const`; zero is a sensible default everywhere but for `topic`. */
typedef struct anqa_channel {
    const char *topic; /* "room:*": all that begin with "room:"; without a * at its end: that one */
    size_t state_size;
    const void *arg; /* for several channels with the same callbacks: anqa_socket_arg */
    /* anqa_reply_ok or anqa_noreply: joined; anqa_reply_error: refused. NULL: everybody may join */
    anqa_next (*join)(anqa_socket *socket, anqa_str topic, anqa_json params);
    /* the same for a join whose parameters are bytes; NULL: it fails as one that crashes, unless everybody may join */
    anqa_next (*join_binary)(anqa_socket *socket, anqa_str topic, anqa_str data);

    const anqa_event *handle_in; /* what the client sends */
    const anqa_binary_event
        *handle_in_binary; /* what it sends as binary; not there: the channel crashes */
    /* what the table does not have; NULL: the channel crashes */
    anqa_next (*handle_any_in)(anqa_socket *socket, anqa_str event, anqa_json payload);
    /* broadcasts of the own topic that are not to be written to the client but given to us */
    const anqa_event *handle_out;
    /* messages of other processes, broadcasts of other topics (ANQA_BROADCAST), calls and casts */
    const anqa_info *handle_info;
    /* what the table does not have; NULL: a call or cast crashes the channel, all else is logged and dropped */
    anqa_next (*handle_any_info)(anqa_socket *socket, anqa_msg *msg);

    void (*terminate)(anqa_socket *socket, anqa_reason reason);

    anqa_rate_limit rate; /* of the messages of one client to one channel, leaving apart */

    anqa_log_level log_join;      /* 0: ANQA_INFO; ANQA_LOG_NONE: not logged */
    anqa_log_level log_handle_in; /* 0: ANQA_DEBUG; the same */
} anqa_channel;

/** What `connect` may see of a request, if the mount wants it (.connect_info in anqa/endpoint.h). Borrowed for the call. */
typedef struct anqa_connect_info {
    anqa_str peer; /* ANQA_CONNECT_PEER: the address of the client, "192.0.2.1:51234" */
    /* ANQA_CONNECT_URI */
    anqa_str scheme, host, path, query;
    uint16_t port;
    anqa_str user_agent; /* ANQA_CONNECT_USER_AGENT; empty: it sent none */
    /* objects of strings; names in lower case, of several fields of one name the values with ", " in between */
    anqa_json x_headers;             /* ANQA_CONNECT_X_HEADERS: fields "x-..." */
    anqa_json trace_context_headers; /* ANQA_CONNECT_TRACE: "traceparent" and "tracestate" */
    anqa_json sec_websocket_headers; /* ANQA_CONNECT_SEC_WEBSOCKET: fields "sec-websocket-..." */
    /* ANQA_CONNECT_SESSION: an object; null where the client has no session, or has not shown the session's token
     * (anqa_csrf_token) in the parameter `_csrf_token`. ANQA_CONNECT_SESSION_UNCHECKED: without the latter */
    anqa_json session;
    bool has_auth_token; /* it has sent one, and the mount wants it (.auth_token) */
    anqa_str auth_token;
} anqa_connect_info;

/** What a socket is. */
typedef struct anqa_user_socket {
    const anqa_channel *const *channels; /* NULL ends them; the first whose topic fits has it */
    size_t assigns_size;
    /**
     * Lets a client in: ANQA_OK. E_PERMISSION refuses it with 403, any other status as the mount
     * says (.refused), or with 403 too; a crash, here or in `id`, with 500. NULL: everybody.
     * params: the query of the URL and the variables of the mount's path, as anqa_conn_params has them.
     */
    anqa_status (*connect)(anqa_socket *socket, anqa_json params);
    /**
     * A topic that names these sockets, as "users:7"; empty: none. "disconnect", broadcast there, closes them all:
     * anqa_broadcast(anqa_str_of("users:7"), "disconnect", ANQA_JSON_EMPTY_OBJECT). It is copied.
     */
    anqa_str (*id)(anqa_socket *socket);
    anqa_log_level log; /* of connects; 0: ANQA_INFO; ANQA_LOG_NONE: not logged */
} anqa_user_socket;

/** What is to be seen of the request, in `connect` and `id`; elsewhere it is a broken contract. What the mount does not want
 * is empty or null.   Context: the callback's process; does not wait. */
ANQA_API const anqa_connect_info *anqa_socket_connect_info(const anqa_socket *socket);

/* ---------------------------------------------------------------- in a channel */

/* Before `join` has returned none of these is allowed; nor is it from another process than the channel: a broken
 * contract, the channel crashes. After the connection has ended they do nothing. */

/** Sends an event to this client only. payload: an object.   Context: the channel's process; does not wait. */
ANQA_API void anqa_socket_push(anqa_socket *socket, const char *event, anqa_json payload);
/** The same as a binary frame. event: at most 255 bytes. */
ANQA_API void anqa_socket_push_binary(anqa_socket *socket, const char *event, anqa_str data);

/** anqa_broadcast on the channel's topic: to all who joined it, this client too. payload: an object.
 * Fails: as anqa_broadcast. */
ANQA_API anqa_status anqa_socket_broadcast(
    anqa_socket *socket, const char *event, anqa_json payload);
/** The same to all but this client. */
ANQA_API anqa_status anqa_socket_broadcast_from(
    anqa_socket *socket, const char *event, anqa_json payload);

/** `arg` of the channel's spec, from `join` on.   Context: the channel's process; does not wait. */
ANQA_API const void *anqa_socket_arg(const anqa_socket *socket);

/* ---------------------------------------------------------------- answers */

/** Answers at once, with any status; to be returned by a handler of handle_in. */
ANQA_API anqa_next anqa_reply_status(
    anqa_socket *socket, const char *status, anqa_json response) ANQA_MUST_CHECK;

/** Longest ref of a client, as JSON text. */
#define ANQA_REF_MAX 255u

/** Names a message of a client, for an answer that is given later. A value: keep it, send it to whom you like. */
typedef struct anqa_socket_ref {
    anqa_pid channel;
    uint8_t len;
    char text[ANQA_REF_MAX];
} anqa_socket_ref;

/** The message that is being handled. Only in a handler of handle_in, and if the client's message has a ref: otherwise
 * it is a broken contract. */
ANQA_API anqa_socket_ref anqa_socket_ref_of(anqa_socket *socket) ANQA_MUST_CHECK;

/**
 * Answers a message; as often as you like. When the channel has ended nothing happens.
 * status: usually "ok" or "error".   response: an object.
 * Fails: E_NOMEM, E_LIMIT (too long); E_INVALID (no object, no status).   Context: any process; does not wait.
 */
ANQA_API anqa_status anqa_socket_reply(
    const anqa_socket_ref *ref, const char *status, anqa_json response);

ANQA_END_DECLS

#endif
