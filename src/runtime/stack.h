/*
 * Stacks that the runtime lends to processes, and how execution moves from one to another.
 *
 * A pool (one per runtime) maps stacks in large chunks; a cache (one per scheduler) holds some of them, so that taking
 * and putting back cost a few nanoseconds and no lock. Below each stack lies a guard that cannot be touched. The
 * records (struct stack) live outside of the stack memory: an overflow cannot destroy them.
 *
 *     chunk: | guard | usable ........... | guard | usable ........... | ...
 *                    ^ low             top ^
 *
 * Life of a stack. stack_take gives a FRESH one. stack_start begins to run on it (RUNNING). stack_start or stack_resume
 * of another leaves it (SUSPENDED) until stack_resume continues it. It goes back in one of three ways, each of which
 * gives up the frames on it for good:
 *   - code that runs on it leaves by stack_abandon_start or stack_abandon_resume. It can not put back what it stands
 *     on, so it does not: these functions do, when they already stand on the other stack and before any code of the
 *     arriving side runs. Nothing is left to the caller, and after the call nobody may name the stack that was left.
 *   - a signal handler leaves it by stack_land. The same holds.
 *   - somebody else puts a FRESH or SUSPENDED one back with stack_put: a process that is killed while it waits.
 * Putting back what runs, starting what is not fresh, resuming what is not suspended: an invariant, checked always.
 *
 * The protocol of a scheduler: its thread's own stack is made a struct stack by stack_native_init, which starts the
 * loop on a stack from the cache. A callback that must wait starts a fresh stack, on which the loop goes on. When it may
 * go on, the loop abandon-resumes it. When the callback has ended, the loop goes on right where it is. At the end the
 * loop abandon-resumes the native stack.
 *
 * Resident memory. Each cache keeps up to `warm` stacks as they are. The others give back all pages but the top
 * STACK_KEEP bytes when they are put back, and those too when they return to the pool. Warm ones are trimmed
 * once in 256 rounds, so that one deep call does not stay resident for ever.
 *
 * Classes. A runtime has two pools: one of ordinary stacks, and one of large ones for code that needs more (deep.h).
 *
 * Temporary memory. `tmp` is the arena of the activation that runs on the stack: it travels with the stack when that is
 * lent, and is reset when the stack is put back.
 *
 * Threads. A stack belongs to the cache (and so to the thread) that took it and may only be run, resumed and put back
 * there. The pool's mutex guards its lists; only filling and emptying a cache takes it.
 *
 * Sanitizers and Valgrind are told about switches, suspended stacks (as roots of leak detection) and abandoned frames.
 * Under AddressSanitizer the memory of a stack that nobody has taken is poisoned.
 */
#ifndef RUNTIME_STACK_H
#define RUNTIME_STACK_H

#include <anqa/arena.h>
#include <anqa/base.h>

#if defined(__SANITIZE_ADDRESS__)
#define STACK_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STACK_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define STACK_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STACK_TSAN 1
#endif
#endif

enum {
    STACK_KEEP = 8192, /* bytes at the top that stay resident in a cache */
    STACK_TRIM_ROUNDS = 256
};

enum stack_state { STACK_FREE, STACK_FRESH, STACK_RUNNING, STACK_SUSPENDED };

struct stack_cache;
struct stack_pool;

/* owner: the cache that it was taken from */
struct stack {
    void *sp;                  /* saved, while SUSPENDED */
    char *low, *top;           /* usable bytes [low, top) */
    char *guard;               /* untouchable bytes [guard, low) */
    struct stack *next;        /* for whoever owns it; not kept by stack_put */
    struct stack_cache *cache; /* NULL: a thread's own stack */
    struct stack *left;        /* who abandoned itself to start this: put back on arrival */
    struct stack
        *under; /* who waits, suspended, for code here to return (deep.h): put back with this */
    void (*entry)(void *); /* what stack_start was given; free for other uses once it runs */
    void *arg;
    /* shared: what the one who waits here is doing, for people (stacks are type-stable): the tag of the message that it
     * handles; anqa_process_status, and above 8 bits whom it has asked, without the node, which is ours */
    _Atomic(const char *) shown_tag;
    _Atomic(uint64_t) shown_wait;
    anqa_arena tmp; /* of the activation that runs here */
    uint8_t state;  /* enum stack_state */
    uint8_t rounds; /* times put back since the last trim */
#ifdef STACK_ASAN
    void *fake; /* AddressSanitizer's copy of the frames, while SUSPENDED */
    void *root; /* what LeakSanitizer scans, while SUSPENDED */
    size_t root_size;
#endif
#ifdef STACK_TSAN
    void *fiber;
#endif
    unsigned valgrind_id;
};

/* Zero is the default everywhere. */
struct stack_pool_options {
    size_t size;      /* usable bytes of a stack; 0: 256 KB */
    size_t guard;     /* bytes of a guard; 0: 64 KB, what compilers assume on aarch64 */
    uint32_t max;     /* stacks of the pool; 0: 200,000, or less where guards use up mappings */
    uint32_t warm;    /* stacks that each cache keeps untrimmed; 0: 64 */
    size_t tmp_limit; /* of each `tmp`; 0: none */
    void (*tmp_on_fail)(anqa_arena *arena, size_t wanted);
    bool plain_guards; /* guards by mprotect even where the kernel has cheaper ones: for tests */
};

/* ---------------------------------------------------------------- pool and cache */

/* Fails: E_NOMEM, E_RANGE (sizes that no mapping can have), E_LIMIT (`max` is more than vm.max_map_count lets be
 * guarded; with max 0 the bound is taken instead). Nothing is mapped before the first take. Any thread. */
anqa_status stack_pool_open(const struct stack_pool_options *options, struct stack_pool **ret_pool,
    anqa_error *err) ANQA_MUST_CHECK;

/* Ends all stacks, suspended ones too. Every cache must be done, nobody may run on one. NULL is fine. */
void stack_pool_close(struct stack_pool *pool);

/* How many stacks there can be at once, for messages about the limit. */
uint32_t stack_pool_limit(const struct stack_pool *pool);
/* How many there are, free or not. Any thread. */
uint32_t stack_pool_made(struct stack_pool *pool);
/* Bytes of address space that those take, without their guards. Any thread. */
uint64_t stack_pool_bytes(struct stack_pool *pool);
/* Whether each guard is a mapping of its own. */
bool stack_pool_plain_guards(const struct stack_pool *pool);

/* owner: one thread */
struct stack_cache {
    struct stack_pool *pool;
    struct stack *warm, *cold;
    uint32_t warm_count, cold_count;
    uint32_t warm_max, cold_max;
};

void stack_cache_init(struct stack_cache *cache, struct stack_pool *pool);
/* Gives the free stacks back to the pool. Those that are out stay out until the pool is closed. */
void stack_cache_done(struct stack_cache *cache);

/* A fresh stack with an empty `tmp`. NULL: the limit is reached, or memory is short. */
struct stack *stack_take(struct stack_cache *cache) ANQA_MUST_CHECK;
/* Puts a fresh or suspended one back; frames on it are given up for good. NULL is fine. */
void stack_put(struct stack_cache *cache, struct stack *stack);

/* ---------------------------------------------------------------- moving */

/* All are called by code that runs on `from`. An `entry` never returns. errno and the addresses of thread-local
 * variables must not be carried across. */

/* Suspends `from` and runs entry(arg) at the top of `fresh`. Returns when `from` is resumed. */
void stack_start(struct stack *from, struct stack *fresh, void (*entry)(void *), void *arg);
/* Suspends `from` and continues `to`. Returns when `from` is resumed. */
void stack_resume(struct stack *from, struct stack *to);
/* The same two; `from` goes back to its cache. `from` is not a thread's own stack. */
ANQA_NORETURN void stack_abandon_start(
    struct stack *from, struct stack *fresh, void (*entry)(void *), void *arg);
ANQA_NORETURN void stack_abandon_resume(struct stack *from, struct stack *to);

/*
 * For a signal handler on an alternate stack: when it returns, the thread runs entry(arg) at the top of `fresh`, and
 * `from`, the stack that was interrupted, is abandoned. `fresh` may not be `from`; a scheduler keeps one in reserve.
 * ucontext: the handler's third argument.   Context: signal handler; only stores memory.
 */
void stack_land(
    void *ucontext, struct stack *from, struct stack *fresh, void (*entry)(void *), void *arg);

/* Whether an address lies in the guard of `stack`. Async-signal-safe. */
bool stack_guard_hit(const struct stack *stack, const void *address);

/* Makes the calling thread's own stack, on which it must be running, a RUNNING struct stack. Fails: E_NOMEM. */
anqa_status stack_native_init(struct stack *stack) ANQA_MUST_CHECK;
/* Context: the same thread, back on it. */
void stack_native_done(struct stack *stack);

#endif
