/* Elements, their groups and topics; what is to be mentioned of them; what there is to list. */
#include "presence/state_int.h"

#include <stdlib.h>
#include <string.h>

#include "base/container.h"

#define LIST_MAX ((size_t)64 << 20)

/* ---------------------------------------------------------------- topics and groups */

static struct presence_topic *topic_find(const struct presence_state *state, anqa_str name)
{
    return map_str_get(&state->topics, name);
}

static struct presence_topic *topic_new(struct presence_state *state, anqa_str name)
{
    struct presence_topic *topic = calloc(1, sizeof *topic + name.len);

    if (topic == NULL)
        return NULL;
    memcpy(topic->name, name.ptr, name.len);
    topic->name_len = (uint8_t)name.len;
    anqa_list_init(&topic->groups);
    anqa_list_init(&topic->joined);
    anqa_list_init(&topic->left);
    anqa_list_node_init(&topic->dirty);
    if (map_str_put(&state->topics, anqa_str_make(topic->name, name.len), topic, NULL) == ANQA_OK)
        return topic;
    free(topic);
    return NULL;
}

static void topic_drop_if_idle(struct presence_state *state, struct presence_topic *topic)
{
    if (topic->groups_count > 0 || anqa_list_linked(&topic->dirty))
        return;
    map_str_remove(&state->topics, anqa_str_make(topic->name, topic->name_len));
    map_str_done(&topic->keys);
    anqa_buf_unref(topic->listed);
    free(topic);
}

static void topic_changed(struct presence_topic *topic)
{
    anqa_buf_unref(topic->listed);
    topic->listed = (anqa_buf){NULL, NULL, 0};
}

/* Room for the JSON text of the longest key: each byte may become an escape of six. */
#define QUOTED_MAX (2 + 6 * PRESENCE_KEY_MAX)

static struct presence_group *group_new(struct presence_topic *topic, anqa_str key)
{
    char room[QUOTED_MAX];
    struct presence_group *group;
    anqa_json_writer w;
    anqa_json quoted;

    anqa_json_writer_init_fixed(&w, room, sizeof room);
    anqa_json_put_str(&w, key);
    if (anqa_json_writer_finish(&w, &quoted) != ANQA_OK)
        return NULL;
    group = calloc(1, sizeof *group + quoted.len + key.len);
    if (group == NULL)
        return NULL;
    memcpy(group->text, quoted.ptr, quoted.len);
    if (key.len > 0)
        memcpy(group->text + quoted.len, key.ptr, key.len);
    group->quoted = anqa_str_make(group->text, quoted.len);
    group->key = anqa_str_make(group->text + quoted.len, key.len);
    group->topic = topic;
    anqa_list_init(&group->elems);
    if (map_str_put(&topic->keys, group->key, group, NULL) != ANQA_OK) {
        free(group);
        return NULL;
    }
    anqa_list_push(&topic->groups, &group->of_topic);
    topic->groups_count++;
    return group;
}

struct presence_group *group_find(const struct presence_state *state, anqa_str topic, anqa_str key)
{
    const struct presence_topic *found = topic_find(state, topic);

    return found == NULL ? NULL : map_str_get(&found->keys, key);
}

struct presence_group *group_of(struct presence_state *state, anqa_str name, anqa_str key)
{
    struct presence_topic *topic = topic_find(state, name);
    struct presence_group *group;

    if (topic == NULL)
        topic = topic_new(state, name);
    if (topic == NULL)
        return NULL;
    group = map_str_get(&topic->keys, key);
    if (group == NULL)
        group = group_new(topic, key);
    if (group == NULL)
        topic_drop_if_idle(state, topic);
    return group;
}

void group_drop_if_idle(struct presence_state *state, struct presence_group *group)
{
    struct presence_topic *topic = group->topic;

    if (group->refs > 0)
        return;
    map_str_remove(&topic->keys, group->key);
    anqa_list_remove(&group->of_topic);
    topic->groups_count--;
    free(group);
    topic_drop_if_idle(state, topic);
}

/* ---------------------------------------------------------------- mentions */

static void mention(struct presence_state *state, struct presence_topic *topic,
    struct anqa_list *list, struct anqa_list_node *node)
{
    if (!anqa_list_linked(node))
        anqa_list_push(list, node);
    if (!anqa_list_linked(&topic->dirty))
        anqa_list_push(&state->dirty, &topic->dirty);
    topic_changed(topic);
}

static bool is_mentioned(const struct presence_elem *elem)
{
    return anqa_list_linked(&elem->joining) || anqa_list_linked(&elem->leaving);
}

/* It is seen now. That it went a moment ago is not mentioned any more: leaves are told behind joins. */
static void appear(struct presence_state *state, struct presence_elem *elem)
{
    struct presence_topic *topic = elem->group->topic;

    anqa_list_remove(&elem->leaving);
    mention(state, topic, &topic->joined, &elem->joining);
}

/* Of one that nobody has heard of there is nothing to say. */
static void disappear(struct presence_state *state, struct presence_elem *elem)
{
    struct presence_topic *topic = elem->group->topic;

    if (!elem->shown) {
        anqa_list_remove(&elem->joining);
        topic_changed(topic);
        return;
    }
    mention(state, topic, &topic->left, &elem->leaving);
}

/* ---------------------------------------------------------------- elements */

static size_t elem_cost(const struct presence_elem *elem)
{
    return sizeof *elem + elem->meta_len;
}

struct presence_elem *elem_add(struct presence_state *state, struct replica *replica,
    struct presence_group *group, uint64_t tag, uint64_t pid, anqa_str meta)
{
    struct presence_elem *elem = malloc(sizeof *elem + meta.len);

    if (elem == NULL)
        return NULL;
    *elem = (struct presence_elem){
        .group = group, .replica = replica, .pid = pid, .tag = tag, .meta_len = (uint32_t)meta.len};
    memcpy(elem->meta, meta.ptr, meta.len);
    anqa_list_node_init(&elem->of_owner);
    anqa_list_node_init(&elem->joining);
    anqa_list_node_init(&elem->leaving);
    if (replica != state->self && map_u64_put(&replica->by_tag, tag, elem, NULL) != ANQA_OK) {
        free(elem);
        return NULL;
    }
    group->refs++;
    anqa_list_push(&group->elems, &elem->of_group);
    anqa_list_push(&replica->elems, &elem->of_replica);
    replica->count++;
    replica->bytes += elem_cost(elem);
    if (elem_is_seen(elem))
        appear(state, elem);
    return elem;
}

/* A detached one. */
static void elem_free(struct presence_state *state, struct presence_elem *elem)
{
    struct presence_group *group = elem->group;

    state->untold -= elem_cost(elem);
    group->refs--;
    free(elem);
    group_drop_if_idle(state, group);
}

void elem_remove(struct presence_state *state, struct presence_elem *elem)
{
    struct replica *replica = elem->replica;

    if (replica != state->self)
        map_u64_remove(&replica->by_tag, elem->tag);
    anqa_list_remove(&elem->of_group);
    anqa_list_remove(&elem->of_replica);
    replica->count--;
    replica->bytes -= elem_cost(elem);
    if (elem_is_seen(elem))
        disappear(state, elem);
    elem->detached = true;
    state->untold += elem_cost(elem);
    if (!is_mentioned(elem))
        elem_free(state, elem);
}

void state_replica_set_up(struct presence_state *state, struct replica *replica, bool up)
{
    if (replica->up == up)
        return;
    replica->up = up;
    for (struct anqa_list_node *node = anqa_list_first(&replica->elems); node != NULL;
        node = anqa_list_next(&replica->elems, node)) {
        struct presence_elem *elem = ANQA_CONTAINER_OF(node, struct presence_elem, of_replica);
        if (up)
            appear(state, elem);
        else
            disappear(state, elem);
    }
}

/* ---------------------------------------------------------------- giving out what has changed */

/* What has left for good is freed with its last mention; the topic itself stays while it is dirty. */
static void forget(struct presence_state *state, struct presence_elem *elem)
{
    if (elem->detached && !is_mentioned(elem))
        elem_free(state, elem);
}

static void forget_all(struct presence_state *state, struct presence_topic *topic)
{
    struct anqa_list_node *node;

    while ((node = anqa_list_pop(&topic->joined)) != NULL) {
        struct presence_elem *elem = ANQA_CONTAINER_OF(node, struct presence_elem, joining);
        elem->shown = true;
        forget(state, elem);
    }
    while ((node = anqa_list_pop(&topic->left)) != NULL) {
        struct presence_elem *elem = ANQA_CONTAINER_OF(node, struct presence_elem, leaving);
        elem->shown = false; /* if it is hidden only, it will join again */
        forget(state, elem);
    }
}

void state_flush(struct presence_state *state,
    bool (*fn)(void *arg, const struct presence_topic *topic), void *arg)
{
    struct anqa_list_node *node;
    bool more = true;

    while (more && (node = anqa_list_first(&state->dirty)) != NULL) {
        struct presence_topic *topic = ANQA_CONTAINER_OF(node, struct presence_topic, dirty);
        more = fn(arg, topic);
        forget_all(state, topic);
        anqa_list_remove(&topic->dirty);
        topic_drop_if_idle(state, topic);
    }
}

/* ---------------------------------------------------------------- listing */

static const char metas_open[] = "{\"metas\":[", metas_close[] = "]}";

/* Without room (NULL) only the size is told; 0: nobody is seen there. */
static size_t put_metas(const struct presence_group *group, char *room)
{
    size_t size = sizeof metas_open - 1;
    bool any = false;

    if (room != NULL)
        memcpy(room, metas_open, size);
    for (struct anqa_list_node *node = anqa_list_first(&group->elems); node != NULL;
        node = anqa_list_next(&group->elems, node)) {
        const struct presence_elem *elem = ANQA_CONTAINER_OF(node, struct presence_elem, of_group);
        if (!elem_is_seen(elem))
            continue;
        if (room != NULL) {
            if (any)
                room[size] = ',';
            memcpy(room + size + any, elem->meta, elem->meta_len);
        }
        size += elem->meta_len + any;
        any = true;
    }
    if (room != NULL)
        memcpy(room + size, metas_close, sizeof metas_close - 1);
    return any ? size + sizeof metas_close - 1 : 0;
}

static size_t put_all(const struct presence_topic *topic, char *room)
{
    size_t size = 1, metas;

    if (room != NULL)
        room[0] = '{';
    for (struct anqa_list_node *node = anqa_list_first(&topic->groups); node != NULL;
        node = anqa_list_next(&topic->groups, node)) {
        const struct presence_group *group =
            ANQA_CONTAINER_OF(node, struct presence_group, of_topic);
        metas = put_metas(group, NULL);
        if (metas == 0)
            continue;
        if (room != NULL) {
            if (size > 1)
                room[size] = ',';
            memcpy(room + size + (size > 1), group->quoted.ptr, group->quoted.len);
            room[size + (size > 1) + group->quoted.len] = ':';
            (void)put_metas(group, room + size + (size > 1) + group->quoted.len + 1);
        }
        size += (size > 1) + group->quoted.len + 1 + metas;
    }
    if (room != NULL)
        room[size] = '}';
    return size + 1;
}

/* Of those that have joined somebody hears before they are mentioned. */
static void all_are_shown(struct presence_topic *topic)
{
    for (struct anqa_list_node *node = anqa_list_first(&topic->joined); node != NULL;
        node = anqa_list_next(&topic->joined, node))
        ANQA_CONTAINER_OF(node, struct presence_elem, joining)->shown = true;
}

anqa_status state_list(struct presence_state *state, anqa_str name, anqa_buf *ret_text)
{
    struct presence_topic *topic = topic_find(state, name);
    size_t size;
    anqa_status status;
    char *room;

    *ret_text = anqa_buf_static("{}", 2);
    if (topic == NULL)
        return ANQA_OK;
    if (topic->listed.ptr == NULL) {
        size = put_all(topic, NULL);
        if (size > LIST_MAX)
            return ANQA_E_LIMIT;
        status = anqa_buf_new(size, &topic->listed, &room);
        if (status != ANQA_OK)
            return status;
        (void)put_all(topic, room);
        all_are_shown(topic);
    }
    *ret_text = anqa_buf_ref(topic->listed);
    return ANQA_OK;
}

anqa_status state_list_key(
    const struct presence_state *state, anqa_str topic, anqa_str key, anqa_buf *ret_text)
{
    const struct presence_group *group = group_find(state, topic, key);
    size_t size = group == NULL ? 0 : put_metas(group, NULL);
    anqa_status status;
    char *room;

    if (size == 0)
        return ANQA_E_NOT_FOUND;
    if (size > LIST_MAX)
        return ANQA_E_LIMIT;
    status = anqa_buf_new(size, ret_text, &room);
    if (status != ANQA_OK)
        return status;
    (void)put_metas(group, room);
    for (struct anqa_list_node *node = anqa_list_first(&group->elems); node != NULL;
        node = anqa_list_next(&group->elems, node)) {
        struct presence_elem *elem = ANQA_CONTAINER_OF(node, struct presence_elem, of_group);
        elem->shown = elem->shown || elem_is_seen(elem);
    }
    return ANQA_OK;
}
