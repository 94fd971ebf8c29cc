/**
 * base/list.h - an intrusive doubly linked list.
 *
 * The node lies inside the element, so that putting in and taking out never allocate and never fail. The list is a ring
 * through its head: no branch for "first" or "last". A node is in one list at most; a node that was removed, or was
 * initialised, points to itself, so that removing it again does nothing.
 *
 * Owner: whoever owns the list; no locks. A list must not be moved in memory while it holds nodes.
 *
 *     struct timer *t = ANQA_CONTAINER_OF(anqa_list_pop(&slot->timers), struct timer, node);
 */
#ifndef ANQA_BASE_LIST_H
#define ANQA_BASE_LIST_H

#include "base/container.h"

#include <stdbool.h>
#include <stddef.h>

struct anqa_list_node {
    struct anqa_list_node *next, *prev;
};

struct anqa_list {
    struct anqa_list_node head;
};

/** For a static list: `static struct anqa_list all = ANQA_LIST_INIT(all);` */
#define ANQA_LIST_INIT(list)           \
    {                                  \
        {                              \
            &(list).head, &(list).head \
        }                              \
    }

static inline void anqa_list_node_init(struct anqa_list_node *node)
{
    node->next = node->prev = node;
}

static inline void anqa_list_init(struct anqa_list *list)
{
    anqa_list_node_init(&list->head);
}

static inline bool anqa_list_empty(const struct anqa_list *list)
{
    return list->head.next == &list->head;
}

/** Whether the node, once initialised, is in some list. */
static inline bool anqa_list_linked(const struct anqa_list_node *node)
{
    return node->next != node;
}

static inline void anqa_list_insert_before(struct anqa_list_node *at, struct anqa_list_node *node)
{
    node->next = at;
    node->prev = at->prev;
    at->prev->next = node;
    at->prev = node;
}

static inline void anqa_list_push(struct anqa_list *list, struct anqa_list_node *node)
{
    anqa_list_insert_before(&list->head, node);
}

static inline void anqa_list_push_front(struct anqa_list *list, struct anqa_list_node *node)
{
    anqa_list_insert_before(list->head.next, node);
}

static inline void anqa_list_remove(struct anqa_list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    anqa_list_node_init(node);
}

/** The first node, left in place; NULL when empty. */
static inline struct anqa_list_node *anqa_list_first(const struct anqa_list *list)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it forgets that a node which was popped is not on the list any more */
    return anqa_list_empty(list) ? NULL : list->head.next;
}

static inline struct anqa_list_node *anqa_list_last(const struct anqa_list *list)
{
    return anqa_list_empty(list) ? NULL : list->head.prev;
}

/** The node behind `node`, NULL at the end. Take it before `node` is removed. */
static inline struct anqa_list_node *anqa_list_next(
    const struct anqa_list *list, const struct anqa_list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

static inline struct anqa_list_node *anqa_list_prev(
    const struct anqa_list *list, const struct anqa_list_node *node)
{
    return node->prev == &list->head ? NULL : node->prev;
}

/** Takes the first node out; NULL when empty. */
static inline struct anqa_list_node *anqa_list_pop(struct anqa_list *list)
{
    struct anqa_list_node *node = anqa_list_first(list);

    if (node != NULL)
        anqa_list_remove(node);
    return node;
}

/** Takes the last node out; NULL when empty. */
static inline struct anqa_list_node *anqa_list_pop_last(struct anqa_list *list)
{
    struct anqa_list_node *node = anqa_list_last(list);

    if (node != NULL)
        anqa_list_remove(node);
    return node;
}

/** Moves every node of `from` behind those of `to`, in order; `from` is empty then. */
static inline void anqa_list_splice(struct anqa_list *to, struct anqa_list *from)
{
    if (anqa_list_empty(from))
        return;
    from->head.next->prev = to->head.prev;
    to->head.prev->next = from->head.next;
    from->head.prev->next = &to->head;
    to->head.prev = from->head.prev;
    anqa_list_init(from);
}

#endif
