/**
 * base/container.h - from a pointer to a member back to the struct around it.
 */
#ifndef ANQA_BASE_CONTAINER_H
#define ANQA_BASE_CONTAINER_H

#include <stddef.h>

/**
 * The `type` whose `member` lies at `ptr`; NULL stays NULL, so that the result of a pop can be passed straight in.
 * The test costs nothing for a first member and one conditional move otherwise.
 */
#define ANQA_CONTAINER_OF(ptr, type, member)                                                   \
    __extension__({                                                                            \
        const __typeof__(((type *)NULL)->member) *member_ = (ptr);                             \
        (type *)(member_ == NULL ? NULL : (void *)((char *)member_ - offsetof(type, member))); \
    })

#endif
