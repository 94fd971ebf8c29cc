#include "runtime/stack.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <anqa/process.h>

#include "runtime/context.h"
#include "runtime/stack_watch.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

enum {
    DEFAULT_SIZE = 256 << 10,
    DEFAULT_GUARD = 64 << 10,
    DEFAULT_MAX = 200000,
    DEFAULT_WARM = 64,
    COLD_MAX = 1024,  /* 8 MB a cache */
    GRAB = 32,        /* stacks that move between pool and cache at once */
    CHUNK_FIRST = 64, /* stacks of the first chunk; later ones double */
    CHUNK_LAST = 1024
};

/* A mapping that is cut into stacks, front to back. */
struct chunk {
    struct chunk *next;
    char *base;
    size_t length;
    uint32_t count, made;
    struct stack stacks[];
};

struct stack_pool {
    size_t size, guard, page;
    size_t tmp_limit;
    void (*tmp_on_fail)(anqa_arena *arena, size_t wanted);
    uint32_t max, warm_max, cold_max;
    bool plain_guards;
    pthread_mutex_t lock; /* guards all below */
    struct chunk *chunks; /* only the first can have stacks yet to be made */
    struct stack *free;
    uint32_t made;
};

/* ---------------------------------------------------------------- pool */

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/* The bound that every mapping of the program shares; the kernel's default where it does not say. */
static size_t max_mappings(void)
{
    char text[32] = "";
    int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        ssize_t got = read(fd, text, sizeof text - 1);
        text[got > 0 ? got : 0] = '\0';
        close(fd);
    }
    size_t count = strtoul(text, NULL, 10);
    return count > 0 ? count : 65530;
}

/* Some emulators accept any advice and do nothing, so a refusal of nonsense is asked for first. */
static bool kernel_has_guards(size_t page)
{
    enum { NONSENSE = 0x5eed };
    char *probe = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (probe == MAP_FAILED)
        return false;
    bool has = madvise(probe, page, NONSENSE) != 0 && madvise(probe, page, MADV_GUARD_INSTALL) == 0;
    munmap(probe, page);
    return has;
}

/* With plain guards a stack is two mappings; an eighth of them is left to everything else. */
static anqa_status choose_limit(struct stack_pool *pool, uint32_t wanted, anqa_error *err)
{
    pool->max = wanted == 0 ? DEFAULT_MAX : wanted;
    if (!pool->plain_guards)
        return ANQA_OK;

    size_t mappings = max_mappings();
    size_t bound = mappings / 2 - mappings / 16;
    if (pool->max <= bound)
        return ANQA_OK;
    if (wanted != 0)
        return anqa_fail(err, ANQA_E_LIMIT,
            "%u stacks need %zu mappings, vm.max_map_count is %zu; raise it, or use Linux 6.13 or "
            "newer",
            wanted, (size_t)wanted * 2, mappings);
    pool->max = (uint32_t)bound;
    return ANQA_OK;
}

static anqa_status choose_sizes(
    struct stack_pool *pool, const struct stack_pool_options *options, anqa_error *err)
{
    size_t size = options->size == 0 ? DEFAULT_SIZE : options->size;
    size_t guard = options->guard == 0 ? DEFAULT_GUARD : options->guard;

    pool->page = (size_t)sysconf(_SC_PAGESIZE);
    if (size > UINT32_MAX || guard > UINT32_MAX || size < 4 * pool->page)
        return anqa_fail(err, ANQA_E_RANGE, "stack of %zu bytes with a guard of %zu", size, guard);
    pool->size = round_up(size, pool->page);
    pool->guard = round_up(guard, pool->page);
    return ANQA_OK;
}

anqa_status stack_pool_open(
    const struct stack_pool_options *options, struct stack_pool **ret_pool, anqa_error *err)
{
    struct stack_pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "pool of stacks");
    anqa_status s = choose_sizes(pool, options, err);
    if (s == ANQA_OK) {
        pool->plain_guards = options->plain_guards || !kernel_has_guards(pool->page);
        s = choose_limit(pool, options->max, err);
    }
    if (s != ANQA_OK) {
        free(pool);
        return s;
    }
    /* What lies free in the caches of others cannot be taken: with a small limit they may hold but little. */
    uint32_t share = pool->max / 64 + 1;
    uint32_t warm = options->warm == 0 ? DEFAULT_WARM : options->warm;
    pool->warm_max = warm < share ? warm : share;
    pool->cold_max = share < COLD_MAX ? share : COLD_MAX;
    pool->tmp_limit = options->tmp_limit;
    pool->tmp_on_fail = options->tmp_on_fail;
    pthread_mutex_init(&pool->lock, NULL);
    *ret_pool = pool;
    return ANQA_OK;
}

static void chunk_free(struct chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->made; i++) {
        struct stack *s = &chunk->stacks[i];
        stack_watch_end(s);
        stack_watch_unmake(s);
        anqa_arena_done(&s->tmp);
    }
    munmap(chunk->base, chunk->length);
    free(chunk);
}

void stack_pool_close(struct stack_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->chunks != NULL) {
        struct chunk *chunk = pool->chunks;
        pool->chunks = chunk->next;
        chunk_free(chunk);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

uint32_t stack_pool_limit(const struct stack_pool *pool)
{
    return pool->max;
}

uint32_t stack_pool_made(struct stack_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    uint32_t made = pool->made;
    pthread_mutex_unlock(&pool->lock);
    return made;
}

uint64_t stack_pool_bytes(struct stack_pool *pool)
{
    return (uint64_t)stack_pool_made(pool) * pool->size;
}

bool stack_pool_plain_guards(const struct stack_pool *pool)
{
    return pool->plain_guards;
}

/* ---------------------------------------------------------------- making stacks */

static struct chunk *chunk_map(uint32_t count, size_t slot)
{
    struct chunk *chunk = calloc(1, sizeof *chunk + count * sizeof chunk->stacks[0]);

    if (chunk == NULL)
        return NULL;
    chunk->count = count;
    chunk->length = count * slot;
    chunk->base = mmap(NULL, chunk->length, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (chunk->base == MAP_FAILED) {
        free(chunk);
        return NULL;
    }
    /* MAP_STACK means this too, but only since Linux 6.7. A refusal (no huge pages in this kernel) is fine. */
    (void)madvise(chunk->base, chunk->length, MADV_NOHUGEPAGE);
    return chunk;
}

/* Where address space is short, a smaller chunk may still fit. */
static bool pool_grow(struct stack_pool *pool)
{
    uint32_t last = pool->chunks == NULL ? CHUNK_FIRST / 2 : pool->chunks->count;
    uint32_t count = last < CHUNK_LAST ? last * 2 : CHUNK_LAST;
    struct chunk *chunk = NULL;

    if (count > pool->max - pool->made)
        count = pool->max - pool->made;
    while (count > 0 && chunk == NULL) {
        chunk = chunk_map(count, pool->guard + pool->size);
        count /= 2;
    }
    if (chunk == NULL)
        return false;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    return true;
}

/* The kernel refuses its cheap guards in locked memory, for one. */
static bool install_guard(const struct stack_pool *pool, char *at)
{
    if (!pool->plain_guards && madvise(at, pool->guard, MADV_GUARD_INSTALL) == 0)
        return true;
    return mprotect(at, pool->guard, PROT_NONE) == 0;
}

static struct stack *make_stack(struct stack_pool *pool)
{
    struct chunk *chunk = pool->chunks;

    if (pool->made == pool->max)
        return NULL;
    if (chunk == NULL || chunk->made == chunk->count) {
        if (!pool_grow(pool))
            return NULL;
        chunk = pool->chunks;
    }
    struct stack *s = &chunk->stacks[chunk->made];
    char *at = chunk->base + chunk->made * (pool->guard + pool->size);
    if (!install_guard(pool, at))
        return NULL;
    s->guard = at;
    s->low = at + pool->guard;
    /* Tops at unlike distances, for the sake of the L1 cache's sets, were tried: no difference over 1,000 stacks. */
    s->top = s->low + pool->size;
    anqa_arena_init(&s->tmp, pool->tmp_limit);
    s->tmp.on_fail = pool->tmp_on_fail;
    stack_watch_make(s);
    chunk->made++;
    pool->made++;
    return s;
}

/* ---------------------------------------------------------------- caches */

static size_t kept_bytes(const struct stack_pool *pool)
{
    return STACK_KEEP < pool->page ? pool->page : STACK_KEEP;
}

/* Gives pages back to the system, all but `keep` bytes at the top. Where that fails they stay, and nothing is lost. */
static void trim(const struct stack_pool *pool, struct stack *s, size_t keep)
{
    (void)madvise(s->low, pool->size - keep, MADV_DONTNEED);
    s->rounds = 0;
}

static void push(struct stack **list, uint32_t *count, struct stack *s)
{
    s->next = *list;
    *list = s;
    ++*count;
}

static struct stack *pop(struct stack **list, uint32_t *count)
{
    struct stack *s = *list;

    *list = s->next;
    s->next = NULL;
    --*count;
    return s;
}

void stack_cache_init(struct stack_cache *cache, struct stack_pool *pool)
{
    *cache =
        (struct stack_cache){.pool = pool, .warm_max = pool->warm_max, .cold_max = pool->cold_max};
}

/* Gives up to `count` free stacks to the pool, without any memory. */
static void cache_shed(
    struct stack_cache *cache, struct stack **list, uint32_t *length, uint32_t count)
{
    struct stack *first = NULL, *last = NULL;

    for (uint32_t i = 0; i < count && *list != NULL; i++) {
        struct stack *s = pop(list, length);
        trim(cache->pool, s, 0);
        anqa_arena_done(&s->tmp);
        s->cache = NULL;
        s->next = first;
        first = s;
        if (last == NULL)
            last = s;
    }
    if (first == NULL)
        return;
    pthread_mutex_lock(&cache->pool->lock);
    last->next = cache->pool->free;
    cache->pool->free = first;
    pthread_mutex_unlock(&cache->pool->lock);
}

void stack_cache_done(struct stack_cache *cache)
{
    cache_shed(cache, &cache->warm, &cache->warm_count, UINT32_MAX);
    cache_shed(cache, &cache->cold, &cache->cold_count, UINT32_MAX);
}

/* Many that others gave back, or one that is new. */
static void cache_refill(struct stack_cache *cache)
{
    struct stack_pool *pool = cache->pool;
    uint32_t want = cache->cold_max < GRAB ? cache->cold_max : GRAB;

    pthread_mutex_lock(&pool->lock);
    if (pool->free == NULL)
        pool->free = make_stack(pool);
    while (pool->free != NULL && cache->cold_count < want) {
        struct stack *s = pool->free;
        pool->free = s->next;
        s->cache = cache;
        push(&cache->cold, &cache->cold_count, s);
    }
    pthread_mutex_unlock(&pool->lock);
}

struct stack *stack_take(struct stack_cache *cache)
{
    struct stack *s;

    if (cache->warm != NULL) {
        s = pop(&cache->warm, &cache->warm_count);
    } else {
        if (cache->cold == NULL)
            cache_refill(cache);
        if (cache->cold == NULL)
            return NULL;
        s = pop(&cache->cold, &cache->cold_count);
    }
    s->state = STACK_FRESH;
    stack_watch_take(s);
    return s;
}

static void put_cold(struct stack_cache *cache, struct stack *s)
{
    trim(cache->pool, s, kept_bytes(cache->pool));
    anqa_arena_done(&s->tmp);
    push(&cache->cold, &cache->cold_count, s);
    if (cache->cold_count > cache->cold_max)
        cache_shed(cache, &cache->cold, &cache->cold_count, GRAB);
}

static void put_one(struct stack_cache *cache, struct stack *s)
{
    stack_watch_end(s);
    s->state = STACK_FREE;
    if (cache->warm_count >= cache->warm_max) {
        put_cold(cache, s);
        return;
    }
    if (++s->rounds == STACK_TRIM_ROUNDS - 1)
        trim(cache->pool, s, kept_bytes(cache->pool));
    if (s->tmp.block != NULL)
        anqa_arena_reset(&s->tmp);
    push(&cache->warm, &cache->warm_count, s);
}

static void put(struct stack_cache *cache, struct stack *s)
{
    struct stack *under = s->under;

    s->under = NULL;
    put_one(cache, s);
    if (__builtin_expect(under != NULL, 0))
        put_one(under->cache, under);
}

void stack_put(struct stack_cache *cache, struct stack *stack)
{
    if (stack == NULL)
        return;
    ANQA_INVARIANT(stack->cache == cache);
    ANQA_INVARIANT(stack->state == STACK_FRESH || stack->state == STACK_SUSPENDED);
    put(cache, stack);
}

/* ---------------------------------------------------------------- moving */

/*
 * Nothing may follow a switch in stack_start and stack_resume, so that compilers make it their last jump: a return here
 * is never where the processor expects it, which costs more than the switch itself (21 ns a round trip against 6). So
 * who leaves also does what the arriving side would: it marks `to` as running, and puts an abandoned stack back when it
 * already stands on the other one. Only sanitizers have something to be told on arrival.
 */

STACK_PART void prepare(struct stack *fresh, void (*entry)(void *), void *arg)
{
    ANQA_INVARIANT(fresh->state == STACK_FRESH);
    fresh->entry = entry;
    fresh->arg = arg;
}

STACK_PART void put_left(struct stack *left)
{
    put(left->cache, left);
}

STACK_UNWATCHED static void first_frame(void *stack)
{
    struct stack *here = stack, *left = here->left;

    stack_watch_arrived(here);
    here->state = STACK_RUNNING;
    here->left = NULL;
    if (left != NULL)
        put_left(left);
    here->entry(here->arg);
    anqa_invariant_failed("the entry function of a stack returned", __FILE__, __LINE__);
}

STACK_UNWATCHED void stack_start(
    struct stack *from, struct stack *fresh, void (*entry)(void *), void *arg)
{
    ANQA_INVARIANT(from->state == STACK_RUNNING);
    prepare(fresh, entry, arg);
    from->state = STACK_SUSPENDED;
    stack_watch_leave(from, fresh);
    context_start(&from->sp, fresh->top, first_frame, fresh);
    stack_watch_arrived(from);
}

STACK_UNWATCHED void stack_resume(struct stack *from, struct stack *to)
{
    ANQA_INVARIANT(from->state == STACK_RUNNING);
    ANQA_INVARIANT(to->state == STACK_SUSPENDED);
    from->state = STACK_SUSPENDED;
    to->state = STACK_RUNNING;
    stack_watch_leave(from, to);
    context_switch(&from->sp, to->sp);
    stack_watch_arrived(from);
}

STACK_UNWATCHED void stack_abandon_start(
    struct stack *from, struct stack *fresh, void (*entry)(void *), void *arg)
{
    ANQA_INVARIANT(from->state == STACK_RUNNING);
    ANQA_INVARIANT(from->cache != NULL);
    prepare(fresh, entry, arg);
    fresh->left = from;
    stack_watch_abandon(from, fresh);
    context_leave_start(fresh->top, first_frame, fresh);
    __builtin_trap();
}

/* Runs on the stack that goes on next, which the sanitizers are told of when it does. */
STACK_UNWATCHED static void after_leaving(void *left)
{
    put_left(left);
}

STACK_UNWATCHED void stack_abandon_resume(struct stack *from, struct stack *to)
{
    ANQA_INVARIANT(from->state == STACK_RUNNING);
    ANQA_INVARIANT(from->cache != NULL);
    ANQA_INVARIANT(to->state == STACK_SUSPENDED);
    to->state = STACK_RUNNING;
    stack_watch_abandon(from, to);
    context_leave(to->sp, after_leaving, from);
    __builtin_trap();
}

/* Runs where the handler's return has led, so that the sanitizers are told outside of it. */
STACK_UNWATCHED static void landed(void *stack)
{
    struct stack *here = stack;

    stack_watch_abandon(here->left, here);
    first_frame(here);
}

STACK_UNWATCHED void stack_land(
    void *ucontext, struct stack *from, struct stack *fresh, void (*entry)(void *), void *arg)
{
    /* `from` may be suspended already: its guard can be hit while it is being left. */
    ANQA_INVARIANT(from->state == STACK_RUNNING || from->state == STACK_SUSPENDED);
    ANQA_INVARIANT(from->cache != NULL);
    prepare(fresh, entry, arg);
    fresh->left = from;
    context_divert(ucontext, fresh->top, landed, fresh);
}

bool stack_guard_hit(const struct stack *stack, const void *address)
{
    return (const char *)address >= stack->guard && (const char *)address < stack->low;
}

anqa_status stack_native_init(struct stack *stack)
{
    pthread_attr_t attr;
    void *low;
    size_t size, guard;

    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return ANQA_E_NOMEM;
    pthread_attr_getstack(&attr, &low, &size);
    pthread_attr_getguardsize(&attr, &guard);
    pthread_attr_destroy(&attr);
    *stack = (struct stack){.low = low,
        .top = (char *)low + size,
        .guard = (char *)low - guard,
        .state = STACK_RUNNING};
    stack_watch_native(stack);
    return ANQA_OK;
}

void stack_native_done(struct stack *stack)
{
    ANQA_INVARIANT(stack->state == STACK_RUNNING);
    stack->state = STACK_FREE;
    anqa_arena_done(&stack->tmp);
}
