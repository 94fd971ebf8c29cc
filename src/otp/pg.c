/*
 * Process groups. The server alone writes: who joined what, by process (`members`), and the table that everybody reads.
 * A membership is one node in that table and in the list of its process, however it came to be: who adds members of
 * other nodes has to make and remove the same, and to tell the watchers.
 *
 * The server's maps are malloc's, and what is in the table is freed when no reader can see it: a deferred clean-up gives
 * both back, however the server ends.
 */
#include <anqa/pg.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/memory.h>
#include <anqa/registry.h>

#include "base/container.h"
#include "base/list.h"
#include "base/map.h"
#include "otp/table.h"
#include "runtime/proc.h"

#define SNAPSHOT_MAX ((size_t)32 << 20)

static const char join_tag[] = "join";
static const char leave_tag[] = "leave";

/* One joining; its block holds the group's name and is readable until all readers have left. */
struct membership {
    struct table_twin twin;
    union {
        struct anqa_list_node node; /* of its process */
        struct retired retired;     /* in the end; readers look at neither */
    };
    char group[];
};

struct member {
    anqa_pid pid;
    anqa_ref ref; /* our monitor */
    struct anqa_list joined;
};

/* Who is told. Its reference is that of our monitor of it. */
struct watcher {
    struct anqa_list_node node;
    anqa_pid pid;
    anqa_ref ref;
    bool all; /* of the scope */
    size_t group_len;
    char group[];
};

struct scope {
    const anqa_pg *spec;
    struct table *table;
    struct map_u64 members;  /* by pid */
    struct map_u64 watchers; /* by reference */
    struct anqa_list watching;
};

/* What a call asks, before a group's name; what a change and a line of a snapshot say, likewise. */
struct wire {
    anqa_pid pid;
    anqa_ref ref;
    uint32_t group_len;
};

/* ---------------------------------------------------------------- telling */

static char *wire_put(char *to, const struct wire *wire, const char *group)
{
    memcpy(to, wire, sizeof *wire);
    if (wire->group_len > 0)
        memcpy(to + sizeof *wire, group, wire->group_len);
    return to + sizeof *wire + wire->group_len;
}

/* False: those bytes are none. */
static bool wire_read(anqa_json bytes, struct wire *ret_wire, anqa_str *ret_group)
{
    if (bytes.len < sizeof *ret_wire)
        return false;
    memcpy(ret_wire, bytes.ptr, sizeof *ret_wire);
    *ret_group = anqa_str_make(bytes.ptr + sizeof *ret_wire, ret_wire->group_len);
    return ret_wire->group_len <= bytes.len - sizeof *ret_wire;
}

static bool watches(const struct watcher *watcher, anqa_str group)
{
    return watcher->all || anqa_str_eq(anqa_str_make(watcher->group, watcher->group_len), group);
}

static void tell(struct scope *scope, const char *tag, anqa_str group, anqa_pid pid)
{
    struct wire wire = {.pid = pid, .group_len = (uint32_t)group.len};
    char *bytes;

    if (anqa_list_empty(&scope->watching))
        return;
    bytes = anqa_arena_alloc(anqa_tmp(), sizeof wire + group.len);
    (void)wire_put(bytes, &wire, group.ptr);
    for (struct anqa_list_node *node = anqa_list_first(&scope->watching); node != NULL;
        node = anqa_list_next(&scope->watching, node)) {
        const struct watcher *watcher = ANQA_CONTAINER_OF(node, struct watcher, node);
        if (watches(watcher, group))
            (void)anqa_send_ref(
                watcher->pid, tag, watcher->ref, anqa_bytes(bytes, sizeof wire + group.len));
    }
}

/* ---------------------------------------------------------------- joining and leaving */

static struct member *member_of(struct scope *scope, anqa_pid pid)
{
    struct member *member = map_u64_get(&scope->members, pid.bits);
    anqa_ref ref;

    if (member != NULL)
        return member;
    ref = anqa_monitor(pid); /* first, as it may end us */
    member = calloc(1, sizeof *member);
    if (member == NULL || map_u64_put(&scope->members, pid.bits, member, NULL) != ANQA_OK) {
        (void)anqa_demonitor(ref, true);
        free(member);
        return NULL;
    }
    member->pid = pid;
    member->ref = ref;
    anqa_list_init(&member->joined);
    return member;
}

static void member_free(struct scope *scope, struct member *member)
{
    (void)map_u64_remove(&scope->members, member->pid.bits);
    free(member);
}

static void drop_if_idle(struct scope *scope, struct member *member)
{
    if (!anqa_list_empty(&member->joined))
        return;
    (void)anqa_demonitor(member->ref, true);
    member_free(scope, member);
}

static anqa_status membership_add(struct scope *scope, struct member *member, anqa_str group)
{
    struct membership *membership = calloc(1, sizeof *membership + group.len);
    anqa_status status;

    if (membership == NULL)
        return ANQA_E_NOMEM;
    table_node_init(&membership->twin.node, member->pid, group, offsetof(struct membership, group));
    table_lock(scope->table);
    status = table_put(scope->table, &membership->twin.node);
    table_unlock(scope->table);
    if (status != ANQA_OK) {
        free(membership);
        return status;
    }
    anqa_list_push(&member->joined, &membership->node);
    return ANQA_OK;
}

static bool membership_free(struct retired *note)
{
    free(ANQA_CONTAINER_OF(note, struct membership, retired));
    return false;
}

static void membership_remove(struct scope *scope, struct membership *membership)
{
    anqa_list_remove(&membership->node);
    table_lock(scope->table);
    table_remove(scope->table, &membership->twin.node);
    table_unlock(scope->table);
    table_retire_noted(scope->table, &membership->retired, membership_free);
}

static anqa_status join(struct scope *scope, anqa_str group, anqa_pid pid)
{
    struct member *member;
    anqa_status status;

    member = member_of(scope, pid);
    if (member == NULL)
        return ANQA_E_NOMEM;
    status = membership_add(scope, member, group);
    if (status == ANQA_OK)
        tell(scope, join_tag, group, pid);
    else
        drop_if_idle(scope, member);
    return status;
}

static struct membership *membership_in(const struct member *member, anqa_str group)
{
    for (struct anqa_list_node *node = anqa_list_first(&member->joined); node != NULL;
        node = anqa_list_next(&member->joined, node)) {
        struct membership *membership = ANQA_CONTAINER_OF(node, struct membership, node);
        if (anqa_str_eq(table_key(&membership->twin.node), group))
            return membership;
    }
    return NULL;
}

static anqa_status leave(struct scope *scope, anqa_str group, anqa_pid pid)
{
    struct member *member = map_u64_get(&scope->members, pid.bits);
    struct membership *membership = member == NULL ? NULL : membership_in(member, group);

    if (membership == NULL)
        return ANQA_E_NOT_FOUND;
    membership_remove(scope, membership);
    drop_if_idle(scope, member);
    tell(scope, leave_tag, group, pid);
    return ANQA_OK;
}

/* It is dead. */
static void leave_all(struct scope *scope, struct member *member)
{
    struct anqa_list_node *node;

    while ((node = anqa_list_first(&member->joined)) != NULL) {
        struct membership *membership = ANQA_CONTAINER_OF(node, struct membership, node);
        tell(scope, leave_tag, table_key(&membership->twin.node), member->pid);
        membership_remove(scope, membership);
    }
    member_free(scope, member);
}

/* ---------------------------------------------------------------- watchers */

static struct watcher *watcher_add(struct scope *scope, const anqa_str *group, anqa_pid pid)
{
    size_t len = group == NULL ? 0 : group->len;
    anqa_ref ref = anqa_monitor(pid);
    struct watcher *watcher = calloc(1, sizeof *watcher + len);

    if (watcher == NULL || map_u64_put(&scope->watchers, ref.bits, watcher, NULL) != ANQA_OK) {
        (void)anqa_demonitor(ref, true);
        free(watcher);
        return NULL;
    }
    watcher->all = group == NULL;
    watcher->pid = pid;
    watcher->ref = ref;
    watcher->group_len = len;
    if (len > 0)
        memcpy(watcher->group, group->ptr, len);
    anqa_list_push(&scope->watching, &watcher->node);
    return watcher;
}

static void watcher_remove(struct scope *scope, struct watcher *watcher)
{
    (void)map_u64_remove(&scope->watchers, watcher->ref.bits);
    anqa_list_remove(&watcher->node);
    free(watcher);
}

/* Writes what a member has joined and `watcher` is to know to *to, unless that is NULL; returns the bytes it takes. */
static size_t list_member(const struct member *member, const struct watcher *watcher, char **to)
{
    size_t size = 0;

    for (struct anqa_list_node *node = anqa_list_first(&member->joined); node != NULL;
        node = anqa_list_next(&member->joined, node)) {
        struct membership *membership = ANQA_CONTAINER_OF(node, struct membership, node);
        anqa_str group = table_key(&membership->twin.node);
        struct wire wire = {.pid = member->pid, .group_len = (uint32_t)group.len};
        if (!watches(watcher, group))
            continue;
        size += sizeof wire + group.len;
        if (*to != NULL)
            *to = wire_put(*to, &wire, group.ptr);
    }
    return size;
}

static size_t snapshot(const struct scope *scope, const struct watcher *watcher, char *to)
{
    struct map_iter iter = {0};
    size_t size = 0;
    uint64_t key;
    void *member;

    while (map_u64_next(&scope->members, &iter, &key, &member))
        size += list_member(member, watcher, &to);
    return size;
}

/* ---------------------------------------------------------------- the server */

static anqa_next answer(anqa_status status)
{
    return anqa_reply_payload(anqa_bytes(anqa_tmp_copy(&status, sizeof status), sizeof status));
}

static anqa_next on_join(void *state, anqa_msg *msg)
{
    struct wire wire;
    anqa_str group;

    return answer(
        wire_read(msg->body, &wire, &group) ? join(state, group, wire.pid) : ANQA_E_INVALID);
}

static anqa_next on_leave(void *state, anqa_msg *msg)
{
    struct wire wire;
    anqa_str group;

    return answer(
        wire_read(msg->body, &wire, &group) ? leave(state, group, wire.pid) : ANQA_E_INVALID);
}

/* The answer: a status, the reference, the snapshot. */
static anqa_next watch(struct scope *scope, const anqa_str *group, anqa_pid pid)
{
    struct watcher *watcher = watcher_add(scope, group, pid);
    anqa_status status = ANQA_OK;
    size_t size;
    char *bytes;

    if (watcher == NULL)
        return answer(ANQA_E_NOMEM);
    size = snapshot(scope, watcher, NULL);
    if (size > SNAPSHOT_MAX) {
        (void)anqa_demonitor(watcher->ref, true);
        watcher_remove(scope, watcher);
        return answer(ANQA_E_LIMIT);
    }
    bytes = anqa_arena_alloc(anqa_tmp(), sizeof status + sizeof watcher->ref + size);
    memcpy(bytes, &status, sizeof status);
    memcpy(bytes + sizeof status, &watcher->ref, sizeof watcher->ref);
    (void)snapshot(scope, watcher, bytes + sizeof status + sizeof watcher->ref);
    return anqa_reply_payload(anqa_bytes(bytes, sizeof status + sizeof watcher->ref + size));
}

static anqa_next on_monitor(void *state, anqa_msg *msg)
{
    anqa_str group = anqa_json_text(msg->body);

    return watch(state, &group, msg->from);
}

static anqa_next on_monitor_scope(void *state, anqa_msg *msg)
{
    return watch(state, NULL, msg->from);
}

static anqa_next on_demonitor(void *state, anqa_msg *msg)
{
    struct scope *scope = state;
    struct watcher *watcher;
    struct wire wire;
    anqa_str group;

    if (!wire_read(msg->body, &wire, &group))
        return answer(ANQA_E_INVALID);
    watcher = map_u64_get(&scope->watchers, wire.ref.bits);
    if (watcher == NULL || !anqa_pid_eq(watcher->pid, msg->from))
        return answer(ANQA_E_NOT_FOUND);
    (void)anqa_demonitor(watcher->ref, true);
    watcher_remove(scope, watcher);
    return answer(ANQA_OK);
}

static anqa_next on_down(void *state, anqa_msg *msg)
{
    struct scope *scope = state;
    struct watcher *watcher = map_u64_get(&scope->watchers, msg->ref.bits);
    struct member *member = map_u64_get(&scope->members, msg->from.bits);

    if (watcher != NULL)
        watcher_remove(scope, watcher);
    else if (member != NULL && anqa_ref_eq(member->ref, msg->ref))
        leave_all(scope, member);
    return anqa_noreply();
}

/* Deferred: however the server ends. */
static void scope_clear(void *state)
{
    struct scope *scope = state;
    struct map_iter iter = {0};
    struct anqa_list_node *node;
    uint64_t key;
    void *value;

    while (map_u64_next(&scope->members, &iter, &key, &value)) {
        struct member *member = value;
        while ((node = anqa_list_first(&member->joined)) != NULL)
            membership_remove(scope, ANQA_CONTAINER_OF(node, struct membership, node));
        free(member);
    }
    iter = (struct map_iter){0};
    while (map_u64_next(&scope->watchers, &iter, &key, &value))
        free(value);
    map_u64_done(&scope->members);
    map_u64_done(&scope->watchers);
}

static anqa_next scope_init(void *state, const void *arg)
{
    struct scope *scope = state;
    const anqa_pg *spec = arg;
    anqa_status status;

    if (spec == NULL || spec->name == NULL)
        return anqa_stop_with(anqa_error_reason("a scope needs .arg: use ANQA_PG"));
    status = anqa_register(spec->name);
    if (status != ANQA_OK)
        return anqa_stop_with(
            anqa_error_reason("the name '%s': %s", spec->name, anqa_status_text(status)));
    scope->spec = spec;
    scope->table = table_of(anqa_rt_self(), spec, true);
    if (scope->table == NULL)
        return anqa_stop_with(anqa_reason_of(ANQA_REASON_SYSTEM_LIMIT));
    anqa_list_init(&scope->watching);
    (void)anqa_defer(scope_clear, scope);
    return anqa_noreply();
}

const anqa_gen_server anqa_pg_server = {.label = "pg",
    .state_size = sizeof(struct scope),
    .init = scope_init,
    .handle_call =
        (const anqa_handler[]){{"join", on_join}, {"leave", on_leave}, {"monitor", on_monitor},
            {"monitor_scope", on_monitor_scope}, {"demonitor", on_demonitor}, {0}},
    .handle_info = (const anqa_handler[]){{"DOWN", on_down}, {0}}};

anqa_status anqa_pg_start_link(const anqa_pg *scope, anqa_pid *ret_pid, anqa_error *err)
{
    return anqa_gen_server_start_link(&anqa_pg_server, scope, NULL, ret_pid, err);
}

/* ---------------------------------------------------------------- asking the server */

static anqa_status ask(const anqa_pg *scope, const char *tag, const void *bytes, size_t size,
    const anqa_msg **ret_answer)
{
    const anqa_msg *msg;
    anqa_status status = anqa_try_call_payload(
        anqa_whereis(scope->name), tag, anqa_bytes(bytes, size), ANQA_INFINITY, &msg, NULL);

    if (status != ANQA_OK)
        return status;
    if (msg->payload == ANQA_PAYLOAD_OBJECT || msg->body.len < sizeof status)
        return ANQA_E_TYPE;
    memcpy(&status, msg->body.ptr, sizeof status);
    if (ret_answer != NULL)
        *ret_answer = msg;
    return status;
}

static anqa_status change(const anqa_pg *scope, const char *tag, anqa_str group, anqa_pid pid)
{
    struct wire wire = {.pid = pid, .group_len = (uint32_t)group.len};
    char *bytes;

    if (group.len > TABLE_KEY_MAX || anqa_pid_is_none(pid) ||
        pid.bits >> 56 != anqa_self().bits >> 56)
        return ANQA_E_INVALID;
    bytes = anqa_arena_alloc(anqa_tmp(), sizeof wire + group.len);
    (void)wire_put(bytes, &wire, group.ptr);
    return ask(scope, tag, bytes, sizeof wire + group.len, NULL);
}

anqa_status anqa_pg_join(const anqa_pg *scope, anqa_str group, anqa_pid pid)
{
    return change(scope, "join", group, pid);
}

anqa_status anqa_pg_leave(const anqa_pg *scope, anqa_str group, anqa_pid pid)
{
    return change(scope, "leave", group, pid);
}

static void snapshot_read(anqa_json bytes, anqa_pg_change **ret_members, size_t *ret_count)
{
    anqa_pg_change *members =
        anqa_arena_calloc(anqa_tmp(), bytes.len / sizeof(struct wire) + 1, sizeof *members);
    size_t count = 0;
    struct wire wire;
    anqa_str group;

    while (wire_read(bytes, &wire, &group)) {
        members[count++] = (anqa_pg_change){group, wire.pid};
        bytes =
            (anqa_json){bytes.ptr + sizeof wire + group.len, bytes.len - sizeof wire - group.len};
    }
    if (ret_members != NULL)
        *ret_members = members;
    if (ret_count != NULL)
        *ret_count = count;
}

static anqa_status monitor(const anqa_pg *scope, const char *tag, anqa_str group, anqa_ref *ret_ref,
    anqa_pg_change **ret_members, size_t *ret_count)
{
    const anqa_msg *msg;
    anqa_status status = ask(scope, tag, group.ptr, group.len, &msg);
    size_t head = sizeof status + sizeof *ret_ref;

    if (status != ANQA_OK)
        return status;
    if (msg->body.len < head)
        return ANQA_E_TYPE;
    memcpy(ret_ref, msg->body.ptr + sizeof status, sizeof *ret_ref);
    snapshot_read((anqa_json){msg->body.ptr + head, msg->body.len - head}, ret_members, ret_count);
    return ANQA_OK;
}

anqa_status anqa_pg_monitor(const anqa_pg *scope, anqa_str group, anqa_ref *ret_ref,
    anqa_pg_change **ret_members, size_t *ret_count)
{
    if (group.len > TABLE_KEY_MAX)
        return ANQA_E_INVALID;
    return monitor(scope, "monitor", group, ret_ref, ret_members, ret_count);
}

anqa_status anqa_pg_monitor_scope(
    const anqa_pg *scope, anqa_ref *ret_ref, anqa_pg_change **ret_members, size_t *ret_count)
{
    return monitor(scope, "monitor_scope", (anqa_str){NULL, 0}, ret_ref, ret_members, ret_count);
}

anqa_status anqa_pg_demonitor(const anqa_pg *scope, anqa_ref ref)
{
    struct wire wire = {.ref = ref};
    anqa_status status = ask(scope, "demonitor", &wire, sizeof wire, NULL);
    const anqa_msg *msg;

    while ((msg = anqa_receive_ref(ref, 0)) != NULL)
        anqa_msg_free(msg);
    return status;
}

anqa_status anqa_pg_read(const anqa_msg *msg, anqa_pg_change *ret_change)
{
    struct wire wire;
    anqa_str group;

    if (msg->payload != ANQA_PAYLOAD_BYTES ||
        (!anqa_tag_is(msg->tag, join_tag) && !anqa_tag_is(msg->tag, leave_tag)) ||
        !wire_read(msg->body, &wire, &group))
        return ANQA_E_TYPE;
    *ret_change = (anqa_pg_change){group, wire.pid};
    return ANQA_OK;
}

/* ---------------------------------------------------------------- reading the table */

static struct table *table_to_read(const anqa_pg *scope)
{
    anqa_rt *rt = anqa_rt_self();

    return rt == NULL ? NULL : table_find(rt, scope);
}

static struct table_node *older_than(struct table_node *node)
{
    /* acquire: pairs with table_put and table_remove */
    struct table_twin *older =
        atomic_load_explicit(&((struct table_twin *)(void *)node)->older, memory_order_acquire);

    return older == NULL ? NULL : &older->node;
}

/* The room is for as many as were counted: who comes meanwhile is a younger node, which the second look does not see. */
static void members(
    const anqa_pg *scope, anqa_str group, bool local, anqa_pid **ret_pids, size_t *ret_count)
{
    struct table *table = table_to_read(scope);
    struct table_node *first = NULL;
    size_t size = 0, count = 0;
    anqa_pid *pids = NULL;

    if (table != NULL) {
        table_read_begin(table);
        first = table_get(table, group);
        for (struct table_node *node = first; node != NULL; node = older_than(node))
            size++;
        pids = anqa_arena_calloc(anqa_tmp(), size + 1, sizeof *pids);
        for (struct table_node *node = first; node != NULL && count < size; node = older_than(node))
            if (!local || table_pid(node).bits >> 56 == anqa_self().bits >> 56)
                pids[count++] = table_pid(node);
        table_read_end(table);
    }
    *ret_pids = pids;
    *ret_count = count;
}

void anqa_pg_members(const anqa_pg *scope, anqa_str group, anqa_pid **ret_pids, size_t *ret_count)
{
    members(scope, group, false, ret_pids, ret_count);
}

void anqa_pg_local_members(
    const anqa_pg *scope, anqa_str group, anqa_pid **ret_pids, size_t *ret_count)
{
    members(scope, group, true, ret_pids, ret_count);
}

/* Nodes of a group come one after the other. */
static bool next_group(struct table *table, struct table_walk *walk, anqa_str *group)
{
    struct table_node *node;

    while ((node = table_next(table, walk)) != NULL) {
        if (group->ptr != NULL && anqa_str_eq(table_key(node), *group))
            continue;
        *group = table_key(node);
        return true;
    }
    return false;
}

void anqa_pg_which_groups(const anqa_pg *scope, anqa_str **ret_groups, size_t *ret_count)
{
    struct table *table = table_to_read(scope);
    struct table_walk walk = {0};
    anqa_str group = {NULL, 0}, *groups = NULL;
    size_t count = 0, size = 0;

    if (table != NULL) {
        table_read_begin(table);
        while (next_group(table, &walk, &group)) {
            if (count == size) {
                anqa_str *more =
                    anqa_arena_calloc(anqa_tmp(), size == 0 ? 8 : size * 2, sizeof *more);
                if (count > 0)
                    memcpy(more, groups, count * sizeof *more);
                groups = more;
                size = size == 0 ? 8 : size * 2;
            }
            groups[count++] =
                anqa_str_make(anqa_arena_copy(anqa_tmp(), group.ptr, group.len), group.len);
        }
        table_read_end(table);
    }
    *ret_groups = groups;
    *ret_count = count;
}
