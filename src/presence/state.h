/*
 * Who is present where, as one replica knows it: a delta-CRDT, pure. It does no I/O, knows no time, and sends nothing.
 *
 * A *replica* is one life of one node's tracker; it alone adds and removes elements of its own. Each of its operations has
 * the next number of its *clock*; an element is known by its *tag*, the number of the operation that added it, and is never
 * changed: an update removes it and adds another. So what a replica has is told by its clock, and what we know of it by the
 * clock up to which we know everything.
 *
 * What travels is a *section*: of the tags in (after, to] of a replica exactly those in `here` are live as of `clock`; and
 * of the tags up to `since` those in `gone` were removed since. A section that begins at or before what is known (since <=
 * clock of the receiver) may be applied, any other is a *gap*: causal delta-merging, so that no holes have to be kept. Sections may come twice, late
 * or in any order: what is older than what is known is nothing new. (0, clock] is the whole state and needs no `gone`.
 * A long one is cut into parts, each of which begins where the one before ended; they count only all together, so the
 * receiver notes how far it is, and any other section in between makes it start anew.
 *
 * Removals are remembered for the own replica only, the last PRESENCE_REMOVALS_MAX of them: who is further behind, or asks us
 * about another replica, gets the whole state.
 *
 * Elements of a replica that is *down* are kept, but hidden. What changes for those who look, joins and leaves, is noted
 * with its topic and given out by state_flush, joins before leaves. One that came and went in between is in both if somebody may have seen
 * it in a list, else in neither. One that went and came back is mentioned as a join only, which is no news to those who had it. What other replicas say must be given out before they say more: of
 * one that was forgotten and is learnt anew it would be told that all have left.
 *
 * owner: whoever made it; no locks. Memory is malloc's.
 */
#ifndef PRESENCE_STATE_H
#define PRESENCE_STATE_H

/* IWYU pragma: begin_exports */
#include <anqa/arena.h>
#include <anqa/buf.h>
#include <anqa/json.h>

#include "base/list.h"
#include "base/map.h"
/* IWYU pragma: end_exports */

#define PRESENCE_KEY_MAX 255u
#define PRESENCE_TOPIC_MAX 255u
#define PRESENCE_META_TEXT_MAX (4096u + 256u) /* with the references that we add */
#define PRESENCE_REPLICAS_MAX 256u
#define PRESENCE_REMOVALS_MAX 10000u
#define PRESENCE_CLOCK_MAX ((uint64_t)1 << 62)

/* The bytes of the name are borrowed, but for those of a struct replica. */
struct replica_id {
    anqa_str name;
    uint64_t
        started; /* milliseconds since 1970; says which of two lives is the later one, as a rule */
    uint64_t nonce;
};

struct presence_topic;

/* A key of a topic. */
struct presence_group {
    struct anqa_list_node of_topic;
    struct anqa_list elems; /* in order of arrival */
    struct presence_topic *topic;
    uint32_t refs;   /* elements, also those that are to be mentioned once more */
    anqa_str key;    /* as it is */
    anqa_str quoted; /* as JSON */
    char text[];
};

struct presence_topic {
    struct anqa_list groups;
    struct anqa_list joined, left; /* struct presence_elem by `joining`, by `leaving` */
    struct anqa_list_node dirty;   /* of the state, while one of the two has something */
    struct map_str keys;           /* struct presence_group */
    uint32_t groups_count;
    uint32_t mine;   /* elements of the own replica */
    anqa_buf listed; /* what state_list gave; NULL: it has changed since */
    uint8_t name_len;
    char name[];
};

struct presence_elem {
    struct anqa_list_node of_group, of_replica, of_owner;
    struct anqa_list_node joining, leaving; /* what is to be mentioned of it */
    struct presence_group *group;
    struct replica *replica;
    uint64_t pid, tag;
    uint32_t meta_len;
    bool detached; /* removed: only mentions have it */
    bool shown;    /* its join was given out, and no leave since; or a list has had it */
    char meta[];   /* an object */
};

struct removal {
    uint64_t at, tag;
};

struct replica {
    struct replica_id id; /* the name lies behind this struct */
    bool up;
    uint64_t clock; /* all up to here is known */
    /* a section of which parts have been applied: its clock, and the tag up to which; 0: none */
    uint64_t part_clock, part_to;
    struct anqa_list elems; /* by tag */
    struct map_u64 by_tag;  /* not of the own one */
    size_t count, bytes;
    /* owner of the rest: replication.c */
    uint64_t heard_ms, asked_ms;
    uint64_t told; /* the highest clock that anybody has named, and who */
    char *told_by;
    size_t told_by_len;
    uint32_t asks;
    char name[];
};

/* Zero stands for the default. */
struct presence_limits {
    uint32_t per_topic;  /* own elements; 10,000 */
    uint32_t per_owner;  /* 1,000 */
    size_t remote;       /* elements of another replica; 1,000,000 */
    size_t remote_bytes; /* 256 MiB */
    uint32_t part; /* elements of a part of a section; SECTION_ENTRIES_MAX, which is the most */
};

struct presence_state {
    struct replica *self;
    struct map_str replicas; /* by name, self among them */
    struct map_str topics;
    struct map_u64 owners; /* of own elements, by pid */
    struct anqa_list dirty;
    size_t untold; /* bytes of elements that are gone, and kept to be mentioned */
    struct presence_limits limits;
    struct removal *removals; /* a ring */
    size_t removals_at, removals_count, removals_capacity;
    uint64_t removals_from; /* complete for who knows this clock, or a later one */
};

/* ---------------------------------------------------------------- life */

/* Fails: E_NOMEM; then nothing is to be ended. */
anqa_status state_init(struct presence_state *state, const struct replica_id *self,
    const struct presence_limits *limits) ANQA_MUST_CHECK;
void state_done(struct presence_state *state);

/* ---------------------------------------------------------------- own elements */

/* NULL: it is not tracked there. */
struct presence_elem *state_find(
    const struct presence_state *state, uint64_t pid, anqa_str topic, anqa_str key);
/* meta: the text of an object, checked. Fails: E_EXISTS, E_LIMIT, E_NOMEM. */
anqa_status state_join(struct presence_state *state, uint64_t pid, anqa_str topic, anqa_str key,
    anqa_str meta) ANQA_MUST_CHECK;
/* Replaces the meta of an own element, which is gone then. Fails: E_NOMEM. */
anqa_status state_update(
    struct presence_state *state, struct presence_elem *elem, anqa_str meta) ANQA_MUST_CHECK;
void state_leave(struct presence_state *state, struct presence_elem *elem);
void state_leave_all(struct presence_state *state, uint64_t pid);
/* Whether it has elements. */
bool state_owns(const struct presence_state *state, uint64_t pid);

/* ---------------------------------------------------------------- other replicas */

bool replica_is(const struct replica *replica, const struct replica_id *id);
struct replica *state_replica(const struct presence_state *state, anqa_str name);
/* One that is not known yet: it is up, and nothing of it is known. Fails: E_LIMIT, E_NOMEM. */
anqa_status state_replica_add(struct presence_state *state, const struct replica_id *id,
    struct replica **ret_replica) ANQA_MUST_CHECK;
/* Shows or hides its elements. */
void state_replica_set_up(struct presence_state *state, struct replica *replica, bool up);
/* Forgets it; its elements leave. */
void state_replica_drop(struct presence_state *state, struct replica *replica);

/* ---------------------------------------------------------------- sections */

struct section_entry {
    uint64_t tag, pid;
    anqa_str topic, key, meta;
};

struct section {
    struct replica_id of;
    uint64_t since, clock, after, to;
    const uint64_t *gone;
    size_t gone_count;
    const struct section_entry *here; /* by tag */
    size_t here_count;
};

/* Bounds of one part. */
#define SECTION_ENTRIES_MAX 2048u
#define SECTION_BYTES_MAX ((size_t)256 << 10)

/* The next part of what a replica has changed since a clock; of one other than self `since` counts as 0. section: zeroed
 * for the first part; then as the last call has left it. It borrows from the state. False: there are no more. Fails by
 * *ret_status: E_NOMEM. */
bool state_cut(const struct presence_state *state, const struct replica *replica, uint64_t since,
    anqa_arena *arena, struct section *section, anqa_status *ret_status);

/* What became of a section. */
enum applied {
    APPLIED_NEWS,
    APPLIED_STALE,  /* it was known */
    APPLIED_GAP,    /* something before it is not known */
    APPLIED_NOBODY, /* of a replica that is not known, or the own one */
    APPLIED_LIMIT,  /* it has more elements than it may */
    APPLIED_NOMEM
};
enum applied state_apply(struct presence_state *state, const struct section *section);

/* ---------------------------------------------------------------- looking */

/* The members of a topic as text: {"key":{"metas":[...]},...}. The caller has a count of it. Fails: E_NOMEM, E_LIMIT (64 MiB). */
anqa_status state_list(
    struct presence_state *state, anqa_str topic, anqa_buf *ret_text) ANQA_MUST_CHECK;
/* {"metas":[...]} of one key. Fails: E_NOT_FOUND, E_NOMEM. */
anqa_status state_list_key(const struct presence_state *state, anqa_str topic, anqa_str key,
    anqa_buf *ret_text) ANQA_MUST_CHECK;

/* Calls fn for each topic in which somebody has joined or left since the last time; then that is forgotten. fn: looks at
 * `joined` and `left` only, and must not change the state. False: it takes no further ones now. */
void state_flush(struct presence_state *state,
    bool (*fn)(void *arg, const struct presence_topic *topic), void *arg);

#endif
