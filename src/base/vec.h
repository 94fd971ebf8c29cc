/**
 * base/vec.h - a growing array of any type whose memory comes from an arena.
 *
 *     ANQA_VEC(struct route) routes = {0};
 *     struct route *r = ANQA_VEC_ADD(&routes, arena);
 *
 * Growing copies into a piece twice as large; the old piece stays in the arena until that ends, so the waste is at most
 * what is held. Pointers to elements are valid until the next add.
 */
#ifndef ANQA_BASE_VEC_H
#define ANQA_BASE_VEC_H

#include <anqa/arena.h>

#define ANQA_VEC(T)             \
    struct {                    \
        T *at;                  \
        size_t count, capacity; \
    }

/** A new last element, not cleared; NULL when the arena has no room (the vector is unchanged then). */
#define ANQA_VEC_ADD(vec, arena)                                                     \
    (((vec)->count < (vec)->capacity ||                                              \
         vec_grow((arena), (void *)&(vec)->at, &(vec)->capacity, sizeof *(vec)->at)) \
            ? &(vec)->at[(vec)->count++]                                             \
            : NULL)

static inline bool vec_grow(anqa_arena *arena, void *items, size_t *capacity, size_t item_size)
{
    size_t old = *capacity, wanted = old == 0 ? 8 : old * 2;
    void *bigger, *before;

    if (wanted > SIZE_MAX / 2 / item_size)
        return false;
    bigger = anqa_arena_alloc(arena, wanted * item_size);
    if (bigger == NULL)
        return false;
    memcpy(&before, items, sizeof before); /* `items` is the address of a T *, whatever T is */
    if (old != 0)
        memcpy(bigger, before, old * item_size);
    memcpy(items, &bigger, sizeof bigger);
    *capacity = wanted;
    return true;
}

#endif
