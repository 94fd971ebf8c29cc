/* What the files of the state share. */
#ifndef PRESENCE_STATE_INT_H
#define PRESENCE_STATE_INT_H

/* IWYU pragma: begin_exports */
#include "presence/state.h"
/* IWYU pragma: end_exports */

/* The group of a key, made if need be; a new one has no elements and must get one, or group_drop_if_idle. NULL: no memory. */
struct presence_group *group_of(struct presence_state *state, anqa_str topic, anqa_str key);
struct presence_group *group_find(const struct presence_state *state, anqa_str topic, anqa_str key);
void group_drop_if_idle(struct presence_state *state, struct presence_group *group);

/* A new element in its group, at the end of its replica's list; mentioned if that is up. NULL: no memory. */
struct presence_elem *elem_add(struct presence_state *state, struct replica *replica,
    struct presence_group *group, uint64_t tag, uint64_t pid, anqa_str meta);
/* Takes it out everywhere, mentions it if it was seen, and frees it then or now. */
void elem_remove(struct presence_state *state, struct presence_elem *elem);

static inline bool elem_is_seen(const struct presence_elem *elem)
{
    return elem->replica->up;
}

#endif
