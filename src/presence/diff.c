#include "presence/diff.h"

#include <stdlib.h>
#include <string.h>

#include <anqa/memory.h>

/* Text that grows in the event's memory. */
struct text {
    char *at;
    size_t len, size;
};

static void put(struct text *text, const char *bytes, size_t len)
{
    char *larger;

    if (text->size - text->len < len) {
        text->size = 2 * (text->len + len) + 256;
        larger = anqa_arena_alloc(anqa_tmp(), text->size);
        if (text->len > 0)
            memcpy(larger, text->at, text->len);
        text->at = larger;
    }
    memcpy(text->at + text->len, bytes, len);
    text->len += len;
}

#define PUT(text, literal) put((text), (literal), sizeof(literal) - 1)

/* One side of a diff: an object of keys, of which the last may be open. */
struct side {
    struct text text;
    const struct presence_group *open;
};

static void side_close(struct side *side)
{
    if (side->open != NULL)
        PUT(&side->text, "]}");
    side->open = NULL;
}

static void side_put(struct side *side, const struct presence_elem *elem)
{
    const struct presence_group *group = elem->group;

    if (side->open == group) {
        PUT(&side->text, ",");
    } else {
        side_close(side);
        if (side->text.len == 0)
            PUT(&side->text, "{");
        else
            PUT(&side->text, ",");
        put(&side->text, group->quoted.ptr, group->quoted.len);
        PUT(&side->text, ":{\"metas\":[");
        side->open = group;
    }
    put(&side->text, elem->meta, elem->meta_len);
}

static anqa_json side_end(struct side *side)
{
    anqa_json json = ANQA_JSON_EMPTY_OBJECT;

    side_close(side);
    if (side->text.len > 0) {
        PUT(&side->text, "}");
        json = (anqa_json){side->text.at, side->text.len};
    }
    *side = (struct side){.open = NULL};
    return json;
}

anqa_json diff_of(anqa_json joins, anqa_json leaves)
{
    struct text text = {.len = 0};

    PUT(&text, "{\"joins\":");
    put(&text, joins.ptr, joins.len);
    PUT(&text, ",\"leaves\":");
    put(&text, leaves.ptr, leaves.len);
    PUT(&text, "}");
    return (anqa_json){text.at, text.len};
}

/* ---------------------------------------------------------------- pieces */

/* The elements of a list, those of one key behind each other. */
struct sorted {
    const struct presence_elem **at;
    size_t count, next;
};

struct place {
    const struct presence_elem *elem;
    size_t order;
};

static int by_group(const void *a, const void *b)
{
    const struct place *one = a, *other = b;
    uintptr_t x = (uintptr_t)one->elem->group, y = (uintptr_t)other->elem->group;

    if (x != y)
        return x < y ? -1 : 1;
    return one->order < other->order ? -1 : 1;
}

/* node_at: where in an element the node of that list is. */
static const struct presence_elem *elem_at(const struct anqa_list_node *node, size_t node_at)
{
    return (const struct presence_elem *)(const void *)((const char *)node - node_at);
}

static struct sorted sort(const struct anqa_list *list, size_t node_at)
{
    struct sorted sorted = {.count = 0};
    struct place *places;
    size_t count = 0;

    for (struct anqa_list_node *node = anqa_list_first(list); node != NULL;
        node = anqa_list_next(list, node))
        sorted.count++;
    places = anqa_arena_alloc(anqa_tmp(), (sorted.count + 1) * sizeof *places);
    sorted.at = anqa_arena_alloc(anqa_tmp(), (sorted.count + 1) * sizeof *sorted.at);
    for (struct anqa_list_node *node = anqa_list_first(list); node != NULL;
        node = anqa_list_next(list, node), count++)
        places[count] = (struct place){elem_at(node, node_at), count};
    if (count > 1)
        qsort(places, count, sizeof *places, by_group);
    for (size_t i = 0; i < count; i++)
        sorted.at[i] = places[i].elem;
    return sorted;
}

static const struct presence_group *group_at(const struct sorted *sorted)
{
    return sorted->next < sorted->count ? sorted->at[sorted->next]->group : NULL;
}

/* Bytes of what is next, if it is of that group. */
static size_t size_of_group(const struct sorted *sorted, const struct presence_group *group)
{
    size_t size = 0;

    for (size_t i = sorted->next; i < sorted->count && sorted->at[i]->group == group; i++)
        size += sorted->at[i]->meta_len + 1;
    return size;
}

struct pieces {
    struct side joins, leaves;
    void (*fn)(void *arg, anqa_json diff);
    void *arg;
};

static size_t held(const struct pieces *pieces)
{
    return pieces->joins.text.len + pieces->leaves.text.len;
}

static void piece_end(struct pieces *pieces)
{
    anqa_json joins, leaves;

    if (held(pieces) == 0)
        return;
    joins = side_end(&pieces->joins);
    leaves = side_end(&pieces->leaves);
    pieces->fn(pieces->arg, diff_of(joins, leaves));
}

static void put_group(struct pieces *pieces, struct side *side, struct sorted *sorted,
    const struct presence_group *group)
{
    while (group_at(sorted) == group) {
        if (held(pieces) > DIFF_BYTES_MAX)
            piece_end(pieces);
        side_put(side, sorted->at[sorted->next++]);
    }
}

void diff_each(const struct presence_topic *topic, void (*fn)(void *arg, anqa_json diff), void *arg)
{
    struct sorted joined = sort(&topic->joined, offsetof(struct presence_elem, joining));
    struct sorted left = sort(&topic->left, offsetof(struct presence_elem, leaving));
    struct pieces pieces = {.fn = fn, .arg = arg};

    for (;;) {
        const struct presence_group *j = group_at(&joined), *l = group_at(&left);
        const struct presence_group *group = j == NULL || (l != NULL && l < j) ? l : j;
        if (group == NULL)
            break;
        if (held(&pieces) + size_of_group(&joined, group) + size_of_group(&left, group) >
            DIFF_BYTES_MAX)
            piece_end(&pieces);
        put_group(&pieces, &pieces.joins, &joined, group);
        put_group(&pieces, &pieces.leaves, &left, group);
    }
    piece_end(&pieces);
}
