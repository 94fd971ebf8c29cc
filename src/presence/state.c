/* The CRDT: own operations, other replicas, and the sections that make replicas agree. state.h says how. */
#include "presence/state_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/container.h"

/* A process, by its own elements. */
struct owner {
    struct anqa_list elems;
    uint32_t count;
};

static const struct presence_limits defaults = {.per_topic = 10000,
    .per_owner = 1000,
    .remote = 1000000,
    .remote_bytes = (size_t)256 << 20,
    .part = SECTION_ENTRIES_MAX};

/* ---------------------------------------------------------------- replicas */

bool replica_is(const struct replica *replica, const struct replica_id *id)
{
    return replica->id.started == id->started && replica->id.nonce == id->nonce &&
           anqa_str_eq(replica->id.name, id->name);
}

struct replica *state_replica(const struct presence_state *state, anqa_str name)
{
    return map_str_get(&state->replicas, name);
}

anqa_status state_replica_add(
    struct presence_state *state, const struct replica_id *id, struct replica **ret_replica)
{
    struct replica *replica;

    if (state->replicas.count >= PRESENCE_REPLICAS_MAX)
        return ANQA_E_LIMIT;
    replica = calloc(1, sizeof *replica + id->name.len);
    if (replica == NULL)
        return ANQA_E_NOMEM;
    memcpy(replica->name, id->name.ptr, id->name.len);
    replica->id = *id;
    replica->id.name = anqa_str_make(replica->name, id->name.len);
    replica->up = true;
    anqa_list_init(&replica->elems);
    if (map_str_put(&state->replicas, replica->id.name, replica, NULL) != ANQA_OK) {
        free(replica);
        return ANQA_E_NOMEM;
    }
    *ret_replica = replica;
    return ANQA_OK;
}

static void replica_clear(struct presence_state *state, struct replica *replica)
{
    struct anqa_list_node *node;

    while ((node = anqa_list_first(&replica->elems)) != NULL)
        elem_remove(state, ANQA_CONTAINER_OF(node, struct presence_elem, of_replica));
}

static void replica_free(struct replica *replica)
{
    map_u64_done(&replica->by_tag);
    free(replica->told_by);
    free(replica);
}

/* Elements that are to be mentioned as left point to it no more than to ask whether they were seen, which is over. */
void state_replica_drop(struct presence_state *state, struct replica *replica)
{
    replica_clear(state, replica);
    map_str_remove(&state->replicas, replica->id.name);
    replica_free(replica);
}

/* ---------------------------------------------------------------- life */

static uint32_t or_default(uint32_t wanted, uint32_t otherwise)
{
    return wanted != 0 ? wanted : otherwise;
}

anqa_status state_init(struct presence_state *state, const struct replica_id *self,
    const struct presence_limits *limits)
{
    *state = (struct presence_state){.limits = limits != NULL ? *limits : defaults};
    state->limits.per_topic = or_default(state->limits.per_topic, defaults.per_topic);
    state->limits.per_owner = or_default(state->limits.per_owner, defaults.per_owner);
    state->limits.part = or_default(state->limits.part, defaults.part);
    if (state->limits.remote == 0)
        state->limits.remote = defaults.remote;
    if (state->limits.remote_bytes == 0)
        state->limits.remote_bytes = defaults.remote_bytes;
    anqa_list_init(&state->dirty);
    return state_replica_add(state, self, &state->self);
}

static bool ignore_changes(void *arg, const struct presence_topic *topic)
{
    return true;
}

void state_done(struct presence_state *state)
{
    struct map_iter iter = {0};
    uint64_t pid;
    anqa_str name;
    void *value;

    if (state->self == NULL)
        return;
    while (map_str_next(&state->replicas, &iter, &name, &value))
        replica_clear(state, value);
    state_flush(state, ignore_changes, NULL);
    iter = (struct map_iter){0};
    while (map_str_next(&state->replicas, &iter, &name, &value))
        replica_free(value);
    iter = (struct map_iter){0};
    while (map_u64_next(&state->owners, &iter, &pid, &value))
        free(value);
    map_str_done(&state->replicas);
    map_str_done(&state->topics);
    map_u64_done(&state->owners);
    free(state->removals);
    *state = (struct presence_state){0};
}

/* ---------------------------------------------------------------- removals of our own */

static bool removals_grow(struct presence_state *state)
{
    size_t old = state->removals_capacity, wanted = old == 0 ? 64 : old * 2;
    struct removal *more;

    if (old >= PRESENCE_REMOVALS_MAX)
        return false;
    if (wanted > PRESENCE_REMOVALS_MAX)
        wanted = PRESENCE_REMOVALS_MAX;
    more = malloc(wanted * sizeof *more);
    if (more == NULL)
        return false;
    for (size_t i = 0; i < state->removals_count; i++)
        more[i] = state->removals[(state->removals_at + i) % old];
    free(state->removals);
    state->removals = more;
    state->removals_at = 0;
    state->removals_capacity = wanted;
    return true;
}

/* The oldest makes room. Without any memory at all nothing is remembered, and who asks gets the whole state. */
static void removal_note(struct presence_state *state, uint64_t at, uint64_t tag)
{
    if (state->removals_count == state->removals_capacity && !removals_grow(state)) {
        if (state->removals_count == 0) {
            state->removals_from = at;
            return;
        }
        state->removals_from = state->removals[state->removals_at].at;
        state->removals_at = (state->removals_at + 1) % state->removals_capacity;
        state->removals_count--;
    }
    state->removals[(state->removals_at + state->removals_count++) % state->removals_capacity] =
        (struct removal){at, tag};
}

/* ---------------------------------------------------------------- own elements */

static struct owner *owner_of(struct presence_state *state, uint64_t pid)
{
    struct owner *owner = map_u64_get(&state->owners, pid);

    if (owner != NULL)
        return owner;
    owner = calloc(1, sizeof *owner);
    if (owner == NULL || map_u64_put(&state->owners, pid, owner, NULL) != ANQA_OK) {
        free(owner);
        return NULL;
    }
    anqa_list_init(&owner->elems);
    return owner;
}

static void owner_drop_if_idle(struct presence_state *state, struct owner *owner, uint64_t pid)
{
    if (owner->count > 0)
        return;
    map_u64_remove(&state->owners, pid);
    free(owner);
}

bool state_owns(const struct presence_state *state, uint64_t pid)
{
    return map_u64_get(&state->owners, pid) != NULL;
}

struct presence_elem *state_find(
    const struct presence_state *state, uint64_t pid, anqa_str topic, anqa_str key)
{
    const struct owner *owner = map_u64_get(&state->owners, pid);
    const struct presence_group *group = owner == NULL ? NULL : group_find(state, topic, key);

    if (group == NULL)
        return NULL;
    for (struct anqa_list_node *node = anqa_list_first(&owner->elems); node != NULL;
        node = anqa_list_next(&owner->elems, node)) {
        struct presence_elem *elem = ANQA_CONTAINER_OF(node, struct presence_elem, of_owner);
        if (elem->group == group)
            return elem;
    }
    return NULL;
}

static anqa_status own_add(struct presence_state *state, struct owner *owner, uint64_t pid,
    struct presence_group *group, anqa_str meta)
{
    struct presence_elem *elem =
        elem_add(state, state->self, group, state->self->clock + 1, pid, meta);

    if (elem == NULL)
        return ANQA_E_NOMEM;
    state->self->clock++;
    group->topic->mine++;
    owner->count++;
    anqa_list_push(&owner->elems, &elem->of_owner);
    return ANQA_OK;
}

anqa_status state_join(
    struct presence_state *state, uint64_t pid, anqa_str topic, anqa_str key, anqa_str meta)
{
    struct owner *owner;
    struct presence_group *group;
    anqa_status status = ANQA_E_NOMEM;

    if (state_find(state, pid, topic, key) != NULL)
        return ANQA_E_EXISTS;
    owner = owner_of(state, pid);
    if (owner == NULL)
        return ANQA_E_NOMEM;
    group = group_of(state, topic, key);
    if (group != NULL &&
        (owner->count >= state->limits.per_owner || group->topic->mine >= state->limits.per_topic))
        status = ANQA_E_LIMIT;
    else if (group != NULL)
        status = own_add(state, owner, pid, group, meta);
    if (group != NULL)
        group_drop_if_idle(state, group);
    owner_drop_if_idle(state, owner, pid);
    return status;
}

static void own_remove(
    struct presence_state *state, struct owner *owner, struct presence_elem *elem)
{
    removal_note(state, ++state->self->clock, elem->tag);
    elem->group->topic->mine--;
    owner->count--;
    anqa_list_remove(&elem->of_owner);
    elem_remove(state, elem);
}

/* The new one is there before the old one goes: without memory all is as it was. */
anqa_status state_update(struct presence_state *state, struct presence_elem *elem, anqa_str meta)
{
    struct owner *owner = map_u64_get(&state->owners, elem->pid);
    anqa_status status = own_add(state, owner, elem->pid, elem->group, meta);

    if (status == ANQA_OK)
        own_remove(state, owner, elem);
    return status;
}

void state_leave(struct presence_state *state, struct presence_elem *elem)
{
    uint64_t pid = elem->pid;
    struct owner *owner = map_u64_get(&state->owners, pid);

    own_remove(state, owner, elem);
    owner_drop_if_idle(state, owner, pid);
}

void state_leave_all(struct presence_state *state, uint64_t pid)
{
    struct owner *owner = map_u64_get(&state->owners, pid);
    struct anqa_list_node *node;

    if (owner == NULL)
        return;
    while ((node = anqa_list_first(&owner->elems)) != NULL)
        own_remove(state, owner, ANQA_CONTAINER_OF(node, struct presence_elem, of_owner));
    owner_drop_if_idle(state, owner, pid);
}

/* ---------------------------------------------------------------- making sections */

static bool is_behind(const struct anqa_list_node *node, uint64_t tag)
{
    return ANQA_CONTAINER_OF(node, struct presence_elem, of_replica)->tag > tag;
}

/* The first element behind a tag: the list is by tag, and who asks is as a rule not far behind. */
static struct anqa_list_node *first_behind(const struct replica *replica, uint64_t tag)
{
    struct anqa_list_node *node = anqa_list_last(&replica->elems), *found = NULL;

    while (node != NULL && is_behind(node, tag)) {
        found = node;
        node = anqa_list_prev(&replica->elems, node);
    }
    return found;
}

/* So many operations, and not more, lie between two clocks; `have` is another bound. */
static size_t at_most(uint64_t operations, size_t have)
{
    return operations < have ? (size_t)operations : have;
}

/* The newest first. */
static bool cut_gone(const struct presence_state *state, anqa_arena *arena, struct section *section)
{
    size_t most = at_most(section->clock - section->since, state->removals_count);
    uint64_t *gone = anqa_arena_alloc(arena, (most + 1) * sizeof *gone);

    if (gone == NULL)
        return false;
    section->gone_count = 0;
    for (size_t i = state->removals_count; i-- > 0;) {
        const struct removal *r =
            &state->removals[(state->removals_at + i) % state->removals_capacity];
        if (r->at <= section->since)
            break;
        if (r->tag <= section->since)
            gone[section->gone_count++] = r->tag;
    }
    section->gone = gone;
    return true;
}

static bool cut_here(const struct presence_state *state, const struct replica *replica,
    anqa_arena *arena, struct section *section)
{
    size_t most = at_most(section->clock - section->after, replica->count);
    struct section_entry *here;
    struct anqa_list_node *node = first_behind(replica, section->after);
    size_t count = 0, bytes = 0;

    most = at_most(most, at_most(SECTION_ENTRIES_MAX, state->limits.part));
    here = anqa_arena_alloc(arena, (most + 1) * sizeof *here);
    if (here == NULL)
        return false;
    for (; node != NULL && count < most && bytes < SECTION_BYTES_MAX;
        node = anqa_list_next(&replica->elems, node)) {
        const struct presence_elem *elem =
            ANQA_CONTAINER_OF(node, struct presence_elem, of_replica);
        const struct presence_topic *topic = elem->group->topic;
        if (elem->tag > section->clock)
            break; /* of parts that are not all there yet */
        here[count++] = (struct section_entry){elem->tag, elem->pid,
            anqa_str_make(topic->name, topic->name_len), elem->group->key,
            anqa_str_make(elem->meta, elem->meta_len)};
        bytes += 64 + topic->name_len + elem->group->quoted.len + elem->meta_len;
    }
    section->to =
        node == NULL || is_behind(node, section->clock) ? section->clock : here[count - 1].tag;
    section->here = here;
    section->here_count = count;
    return true;
}

bool state_cut(const struct presence_state *state, const struct replica *replica, uint64_t since,
    anqa_arena *arena, struct section *section, anqa_status *ret_status)
{
    bool whole = replica != state->self || since < state->removals_from || since > replica->clock;

    *ret_status = ANQA_OK;
    if (section->to == replica->clock)
        return false;
    if (section->clock == 0) {
        *section = (struct section){.of = replica->id,
            .since = whole ? 0 : since,
            .clock = replica->clock,
            .after = whole ? 0 : since};
        if (!whole && !cut_gone(state, arena, section))
            *ret_status = ANQA_E_NOMEM;
    } else {
        section->after = section->to;
        section->gone_count = 0;
    }
    if (*ret_status == ANQA_OK && !cut_here(state, replica, arena, section))
        *ret_status = ANQA_E_NOMEM;
    return *ret_status == ANQA_OK;
}

/* ---------------------------------------------------------------- taking sections in */

/* The first part begins at or before what is known; a later one where the one before it ended. */
static bool fits(const struct replica *replica, const struct section *section)
{
    if (section->after == section->since)
        return section->since <= replica->clock;
    return section->clock == replica->part_clock && section->after == replica->part_to;
}

/* Takes out what is not there any more: named, or in the span and not listed. Cannot fail. */
static void apply_removals(
    struct presence_state *state, struct replica *replica, const struct section *section)
{
    struct anqa_list_node *node, *next;
    size_t at = 0;

    for (size_t i = 0; i < section->gone_count; i++) {
        struct presence_elem *elem = map_u64_get(&replica->by_tag, section->gone[i]);
        if (elem != NULL)
            elem_remove(state, elem);
    }
    for (node = first_behind(replica, section->after); node != NULL; node = next) {
        struct presence_elem *elem = ANQA_CONTAINER_OF(node, struct presence_elem, of_replica);
        next = anqa_list_next(&replica->elems, node);
        if (elem->tag > section->to)
            break;
        while (at < section->here_count && section->here[at].tag < elem->tag)
            at++;
        if (at == section->here_count || section->here[at].tag != elem->tag)
            elem_remove(state, elem);
    }
}

/* New elements stand in the list by their tags: there may be younger ones, of a section that did not come to its end. `behind`:
 * the first of these, which moves on as tags of a section ascend. */
static void sort_in(
    struct anqa_list_node **behind, const struct replica *replica, struct presence_elem *elem)
{
    while (*behind != NULL && !is_behind(*behind, elem->tag))
        *behind = anqa_list_next(&replica->elems, *behind);
    if (*behind == NULL)
        return; /* it was put at the end */
    anqa_list_remove(&elem->of_replica);
    anqa_list_insert_before(*behind, &elem->of_replica);
}

static enum applied apply_entry(struct presence_state *state, struct replica *replica,
    const struct section_entry *entry, struct anqa_list_node **behind)
{
    struct presence_group *group;
    struct presence_elem *elem;

    if (entry->tag <= replica->clock || map_u64_get(&replica->by_tag, entry->tag) != NULL)
        return APPLIED_NEWS;
    if (replica->count >= state->limits.remote || replica->bytes >= state->limits.remote_bytes)
        return APPLIED_LIMIT;
    group = group_of(state, entry->topic, entry->key);
    if (group == NULL)
        return APPLIED_NOMEM;
    elem = elem_add(state, replica, group, entry->tag, entry->pid, entry->meta);
    if (elem == NULL) {
        group_drop_if_idle(state, group);
        return APPLIED_NOMEM;
    }
    sort_in(behind, replica, elem);
    return APPLIED_NEWS;
}

enum applied state_apply(struct presence_state *state, const struct section *section)
{
    struct replica *replica = state_replica(state, section->of.name);
    enum applied outcome = APPLIED_NEWS;
    struct anqa_list_node *behind;

    if (replica == NULL || replica == state->self || !replica_is(replica, &section->of))
        return APPLIED_NOBODY;
    if (section->clock <= replica->clock)
        return APPLIED_STALE;
    if (!fits(replica, section))
        return APPLIED_GAP;
    replica->part_clock = replica->part_to = 0;
    apply_removals(state, replica, section);
    behind = first_behind(replica, section->here_count == 0 ? UINT64_MAX : section->here[0].tag);
    for (size_t i = 0; i < section->here_count && outcome == APPLIED_NEWS; i++)
        outcome = apply_entry(state, replica, &section->here[i], &behind);
    if (outcome != APPLIED_NEWS)
        return outcome;
    if (section->to == section->clock) {
        replica->clock = section->clock;
    } else {
        replica->part_clock = section->clock;
        replica->part_to = section->to;
    }
    return APPLIED_NEWS;
}
