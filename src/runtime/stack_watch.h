/*
 * What sanitizers and Valgrind are told about stacks, at each step of runtime/stack.h's life of a stack. Without them
 * all of this is nothing, save Valgrind's registration when a stack is made.
 *
 * AddressSanitizer must know the bounds of the running stack and keeps copies of frames (the "fake stack") for each;
 * frames that were given up leave their poison behind. LeakSanitizer scans the running stack and what is registered, so
 * that a suspended stack is registered from its saved frame up. It cannot scan a suspended fake stack: with gcc's
 * detect_stack_use_after_return on (it is off by default), what only such frames point to is reported as leaked.
 * ThreadSanitizer keeps a shadow call stack in a fiber, which grows with frames that never return: a fiber lives from
 * the start to the end of a stack.
 */
#ifndef RUNTIME_STACK_WATCH_H
#define RUNTIME_STACK_WATCH_H

#include "runtime/stack.h"

#ifdef STACK_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef STACK_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

/* For functions that begin on one stack and end on another. Their parts are truly inlined: ThreadSanitizer would see a
 * part of its own entered on one fiber and left on the next. */
#ifdef STACK_ASAN
#define STACK_UNWATCHED __attribute__((no_sanitize("address")))
#else
#define STACK_UNWATCHED
#endif
#define STACK_PART STACK_UNWATCHED static inline __attribute__((always_inline))

/* Part of such a function: a call of its own would be entered on one ThreadSanitizer fiber and left on another. */
#define STACK_INLINE STACK_UNWATCHED static inline __attribute__((always_inline))

/* Once, when the stack is carved out of its mapping. */
static inline void stack_watch_make(struct stack *s)
{
#ifdef VALGRIND_STACK_REGISTER
    s->valgrind_id = VALGRIND_STACK_REGISTER(s->low, s->top - 1);
#endif
#ifdef STACK_ASAN
    ASAN_POISON_MEMORY_REGION(s->low, (size_t)(s->top - s->low));
#endif
    (void)s;
}

static inline void stack_watch_unmake(struct stack *s)
{
#ifdef VALGRIND_STACK_DEREGISTER
    VALGRIND_STACK_DEREGISTER(s->valgrind_id);
#endif
#ifdef STACK_ASAN
    ASAN_UNPOISON_MEMORY_REGION(
        s->low, (size_t)(s->top - s->low)); /* whatever is mapped here next */
#endif
    (void)s;
}

static inline void stack_watch_take(struct stack *s)
{
#ifdef STACK_ASAN
    ASAN_UNPOISON_MEMORY_REGION(s->low, (size_t)(s->top - s->low));
#endif
    (void)s;
}

/* A thread's own stack. */
static inline void stack_watch_native(struct stack *s)
{
#ifdef STACK_TSAN
    s->fiber = __tsan_get_current_fiber();
#endif
    (void)s;
}

#ifdef STACK_ASAN
STACK_INLINE void stack_watch_root(struct stack *s)
{
    enum { BELOW = 1024 }; /* the frames from here to the saved context */
    char *at = (char *)__builtin_frame_address(0) - BELOW;

    s->root = at < s->low ? s->low : at;
    s->root_size = (size_t)(s->top - (char *)s->root);
    __lsan_register_root_region(s->root, s->root_size);
}

STACK_PART void stack_watch_unroot(struct stack *s)
{
    if (s->root == NULL)
        return;
    __lsan_unregister_root_region(s->root, s->root_size);
    s->root = NULL;
}

/* A fake stack can only be dropped by leaving it for good. */
STACK_INLINE void stack_watch_drop_fake(struct stack *s)
{
    void *own;
    const void *low;
    size_t size;

    if (s->fake == NULL)
        return;
    __sanitizer_start_switch_fiber(&own, s->low, (size_t)(s->top - s->low));
    __sanitizer_finish_switch_fiber(s->fake, &low, &size);
    __sanitizer_start_switch_fiber(NULL, low, size);
    __sanitizer_finish_switch_fiber(own, NULL, NULL);
    s->fake = NULL;
}
#endif

#ifdef STACK_TSAN
STACK_INLINE void stack_watch_go(struct stack *to)
{
    if (to->fiber == NULL)
        to->fiber = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(to->fiber, 0);
}
#endif

/* The last act on `from`, which will be resumed. */
STACK_INLINE void stack_watch_leave(struct stack *from, struct stack *to)
{
#ifdef STACK_ASAN
    stack_watch_root(from);
    __sanitizer_start_switch_fiber(&from->fake, to->low, (size_t)(to->top - to->low));
#endif
#ifdef STACK_TSAN
    stack_watch_go(to);
#endif
    (void)from;
    (void)to;
}

/* The last act on `from`, which will not be. */
STACK_INLINE void stack_watch_abandon(struct stack *from, struct stack *to)
{
#ifdef STACK_ASAN
    __sanitizer_start_switch_fiber(NULL, to->low, (size_t)(to->top - to->low));
#endif
#ifdef STACK_TSAN
    stack_watch_go(to);
#endif
    (void)from;
    (void)to;
}

/* The first act on `here`. */
STACK_INLINE void stack_watch_arrived(struct stack *here)
{
#ifdef STACK_ASAN
    __sanitizer_finish_switch_fiber(here->fake, NULL, NULL);
    here->fake = NULL;
    stack_watch_unroot(here);
#endif
    (void)here;
}

/* Its frames are given up; somebody else runs. */
static inline void stack_watch_end(struct stack *s)
{
#ifdef STACK_ASAN
    stack_watch_unroot(s);
    stack_watch_drop_fake(s);
    ASAN_POISON_MEMORY_REGION(s->low, (size_t)(s->top - s->low));
#endif
#ifdef STACK_TSAN
    if (s->fiber != NULL)
        __tsan_destroy_fiber(s->fiber);
    s->fiber = NULL;
#endif
    (void)s;
}

#endif
