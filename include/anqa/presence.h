/**
 * anqa/presence.h - who is there: processes tracked under topics and keys, on all nodes, told to the clients of channels.
 *
 *     static const anqa_presence presence = {.name = "presence"};
 *     ...
 *     .children = (const anqa_child_spec[]){ANQA_PRESENCE(&presence), ANQA_ENDPOINT(&endpoint), {0}}
 *     ...
 *     static anqa_next room_join(anqa_socket *socket, anqa_str topic, anqa_json params)
 *     {
 *         anqa_send(anqa_self(), "after_join", anqa_nothing());
 *         return anqa_reply_ok(ANQA_JSON_NULL);
 *     }
 *     static anqa_next room_after_join(anqa_socket *socket, anqa_msg *msg)
 *     {
 *         struct user *user = socket->assigns;
 *         anqa_presence_track(&presence, socket, anqa_str_of(user->id), anqa_jsonf("{'name': %s}", user->name));
 *         anqa_presence_push_state(&presence, socket);
 *         return anqa_noreply();
 *     }
 *
 * That is Phoenix.Presence; the clients are those of Phoenix (`Presence` of npm `phoenix`). A process is *tracked* under a topic
 * and a key, with a *meta*: a JSON object of the application, to which "phx_ref" is added, a text that names this very meta,
 * and after an update "phx_ref_prev", the one before. One key may have many metas, of several processes (windows, devices), and one process
 * many keys and topics. Who is tracked leaves when he is untracked or ends, for whatever reason.
 *
 * What it looks like:   {"ann": {"metas": [{"name": "Ann", "phx_ref": "..."}]}, ...}
 *
 * Changes are told to the subscribers of the topic by a local broadcast of the event "presence_diff", an object with "joins"
 * and "leaves" of that form, which hold only the metas that changed. An update is one diff with both. After a quiet time a
 * change is told at once; those that follow within diff_period_ms, in one diff: who came and went meanwhile is not in
 * it, unless a list has had him, then on both sides; of several updates the last one is. A diff of more than 64 KiB is told in pieces.
 *
 * Nodes. With an adapter (anqa/pubsub.h), which must have been attached before, all nodes that run a presence of the same name and as many
 * shards agree with each other: what changed is told every broadcast_period_ms, and what was lost is asked for. There is no
 * leader; two nodes may differ for a moment. A node that is not heard for down_period_ms is taken for down: its presences leave, and
 * join again when it is back; after permdown_period_ms it is forgotten. A node that was restarted takes the place of its
 * earlier life at once.
 *
 * Failing. The processes that are tracked are linked to the presence, as in Phoenix: if it crashes they end too, clients join
 * again and are tracked again. What is the application's, `fetch` and `handle_metas`, runs in a process beside it: if that crashes, or lets
 * 256 diffs wait, those that wait are told as they are and it starts afresh. A diff that finds no room (ANQA_BROADCAST_PENDING_MAX)
 * or no memory on its way waits, and is told again to those who lack it until all have it; what changes meanwhile becomes one diff behind
 * it, and is bounded: nobody is tracked or updated then (E_FULL) while 4 MiB of those who are gone are still to be told. Without the memory to
 * make a diff, or to let it wait, the presence crashes, as any process does that gets none.
 *
 * Limits. A meta may have 4,096 bytes and be nested 32 deep, a key 255 bytes; .max_per_topic and .max_per_process count what
 * is tracked on this node.
 *
 * Threads. Specs are shared and constant. Context: process, throughout. What does not fail at once asks the presence and may wait, up to
 * ANQA_CALL_TIMEOUT_MS. It fails besides with E_NOPROC (the presence does not run), E_DIED and E_TIMEOUT (outcome unknown).
 */
#ifndef ANQA_PRESENCE_H
#define ANQA_PRESENCE_H

#include <anqa/channel.h>

ANQA_BEGIN_DECLS

/** Longest meta as text, its deepest nesting, and the longest key. */
#define ANQA_PRESENCE_META_MAX 4096u
#define ANQA_PRESENCE_META_DEPTH_MAX 32u
#define ANQA_PRESENCE_KEY_MAX 255u

/** The longest state that is pushed to a client. */
#define ANQA_PRESENCE_STATE_MAX ((size_t)16 << 20)

/** Room for a reference with its NUL. */
#define ANQA_PRESENCE_REF 17u

/** How many shards there may be. */
#define ANQA_PRESENCE_SHARDS_MAX 64u

/** What a presence is. `static const`; zero is the default of Phoenix everywhere but for the name. */
typedef struct anqa_presence {
    const char *name; /* registered; the same on all nodes. At most 200 bytes */
    /* Topics are spread over so many processes; the same number on all nodes. 0: 1 */
    uint32_t shards;
    uint32_t broadcast_period_ms; /* 0: 1,500 */
    uint32_t max_silent_periods;  /* other nodes hear of us at least so often; 0: 10 */
    uint32_t down_period_ms; /* at least two broadcast periods; 0: period * silent periods * 2 */
    uint32_t permdown_period_ms; /* longer than that; 0: 1,200,000 */
    bool permdown_on_shutdown;   /* an orderly stop says that this node does not come back */
    uint32_t diff_period_ms;     /* 0: 20 */
    uint32_t max_per_topic;      /* 0: 10,000 */
    uint32_t max_per_process;    /* 0: 1,000 */
    /**
     * Adds to what is known of each key: gets {"key": {"metas": [...]}, ...} and returns the same with more fields. For lists,
     * in the caller; for joins and leaves of a diff, once each, in the process of handle_metas. May wait. The answer lives as long as the event.
     */
    anqa_json (*fetch)(anqa_str topic, anqa_json presences);
    /* For handle_metas: its state, born zeroed, and how it begins. */
    size_t state_size;
    void (*init)(void *state);
    /**
     * Called after each diff was told, in order. joins, leaves: as in the diff, without what `fetch` has added. presences: all
     * that are known of the topic by then. May wait.
     */
    void (*handle_metas)(
        void *state, anqa_str topic, anqa_json joins, anqa_json leaves, anqa_json presences);
} anqa_presence;

/** The server of all presences; its argument is an anqa_presence. */
extern ANQA_API const anqa_gen_server anqa_presence_server;

/** A presence as a child of a supervisor, before the endpoint; its id is what stands in the parentheses. */
#define ANQA_PRESENCE(presence) \
    {.id = #presence, .server = &anqa_presence_server, .arg = (presence)}

/* ---------------------------------------------------------------- in a channel */

/**
 * Tracks the calling channel under its topic.
 * key: UTF-8.   meta: an object, or ANQA_JSON_NULL for {}.
 * Fails: E_EXISTS (it is tracked under that key), E_INVALID (key or meta), E_LIMIT (see above), E_FULL (likewise), E_NOMEM.
 */
ANQA_API anqa_status anqa_presence_track(
    const anqa_presence *presence, anqa_socket *socket, anqa_str key, anqa_json meta);
/** Replaces the whole meta. Fails: E_NOT_FOUND (it is not tracked under that key), else as anqa_presence_track. */
ANQA_API anqa_status anqa_presence_update(
    const anqa_presence *presence, anqa_socket *socket, anqa_str key, anqa_json meta);
/** Ends what anqa_presence_track has begun; if there is nothing, that is fine. */
ANQA_API anqa_status anqa_presence_untrack(
    const anqa_presence *presence, anqa_socket *socket, anqa_str key);

/**
 * Pushes "presence_state" with all that are there to the channel's client, which waits for it after each join. Not before
 * `join` has returned. It is one message, and may be longer than max_output_bytes of the endpoint: then it waits until an earlier one
 * of the same socket has been sent, and over HTTP/2 while those of the connection's other sockets fill 32 MiB. Once after each join: to a
 * client that has one already it may bring back who has left a moment ago.
 * Fails: as anqa_presence_list; E_LIMIT (more than ANQA_PRESENCE_STATE_MAX bytes).
 */
ANQA_API anqa_status anqa_presence_push_state(const anqa_presence *presence, anqa_socket *socket);

/* ---------------------------------------------------------------- any process of this node */

/**
 * Tracks a process. topic: UTF-8.   ret_ref: the meta's reference; may be NULL.
 * Fails: as anqa_presence_track; E_INVALID (a process of another node), E_NOPROC also when that process has ended.
 */
ANQA_API anqa_status anqa_presence_track_pid(const anqa_presence *presence, anqa_pid pid,
    anqa_str topic, anqa_str key, anqa_json meta, char ret_ref[ANQA_PRESENCE_REF]);
/** As anqa_presence_update, of a process. */
ANQA_API anqa_status anqa_presence_update_pid(const anqa_presence *presence, anqa_pid pid,
    anqa_str topic, anqa_str key, anqa_json meta, char ret_ref[ANQA_PRESENCE_REF]);
/**
 * The same by a function of the meta that is there. fn: gets it with its phx_ref; runs in the caller, again if somebody else was
 * quicker; what it returns lives as long as the event.
 */
ANQA_API anqa_status anqa_presence_update_with(const anqa_presence *presence, anqa_pid pid,
    anqa_str topic, anqa_str key, anqa_json (*fn)(anqa_json meta, void *arg), void *arg,
    char ret_ref[ANQA_PRESENCE_REF]);
/** As anqa_presence_untrack, of a process. */
ANQA_API anqa_status anqa_presence_untrack_pid(
    const anqa_presence *presence, anqa_pid pid, anqa_str topic, anqa_str key);
/** Ends all that is tracked of a process. */
ANQA_API anqa_status anqa_presence_untrack_all(const anqa_presence *presence, anqa_pid pid);

/* ---------------------------------------------------------------- looking */

/** All that are there, on all nodes that are up, as an object; what `fetch` has added to it. Lives as long as the event.
 * Fails: E_LIMIT (more than 64 MiB). */
ANQA_API anqa_status anqa_presence_list(
    const anqa_presence *presence, anqa_str topic, anqa_json *ret_presences) ANQA_MUST_CHECK;
/** What anqa_presence_list has under a key: {"metas": [...]}. Fails: E_NOT_FOUND (nobody is there). */
ANQA_API anqa_status anqa_presence_get_by_key(const anqa_presence *presence, anqa_str topic,
    anqa_str key, anqa_json *ret_presence) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
