/*
 * Stacks: switching, abandoning, guards, limits, memory. The tests run on plain struct stacks, without a scheduler.
 */
#include "runtime/stack.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#include "harness.h"

#ifdef STACK_TSAN
enum { MANY = 500 }; /* a fiber takes most of a megabyte, and its table ends at 8,000 */
#else
enum { MANY = 10000 };
#endif

static struct stack_pool *pool;
static struct stack_cache cache;
static struct stack native;

static void open_with(struct stack_pool_options options)
{
    anqa_error err;

    CHECK_STATUS(stack_pool_open(&options, &pool, &err), ANQA_OK);
    stack_cache_init(&cache, pool);
    CHECK_STATUS(stack_native_init(&native), ANQA_OK);
}

static void close_all(void)
{
    stack_native_done(&native);
    stack_cache_done(&cache);
    stack_pool_close(pool);
}

static struct stack *take(void)
{
    struct stack *s = stack_take(&cache);

    CHECK(s != NULL);
    return s;
}

/* ---------------------------------------------------------------- there and back */

struct counter {
    struct stack *stack;
    unsigned steps;
};

static void count_steps(void *arg)
{
    struct counter *counter = arg;

    for (;;) {
        counter->steps++;
        stack_resume(counter->stack, &native);
    }
}

TEST(a_stack_goes_on_where_it_was_left)
{
    open_with((struct stack_pool_options){0});
    struct counter counter = {.stack = take()};

    stack_start(&native, counter.stack, count_steps, &counter);
    CHECK_EQ(counter.steps, 1);
    CHECK_EQ(counter.stack->state, STACK_SUSPENDED);
    for (unsigned i = 2; i <= 1000; i++) {
        stack_resume(&native, counter.stack);
        CHECK_EQ(counter.steps, i);
    }
    stack_put(&cache, counter.stack);
    close_all();
}

#if defined(__x86_64__)
#define KEPT_INTEGERS(X) X(rbx) X(r12) X(r13) X(r14) X(r15)
#define KEPT_DOUBLES(X)
#else
#define KEPT_INTEGERS(X) X(x19) X(x20) X(x21) X(x22) X(x23) X(x24) X(x25) X(x26) X(x27) X(x28)
#define KEPT_DOUBLES(X) X(d8) X(d9) X(d10) X(d11) X(d12) X(d13) X(d14) X(d15)
#endif

/* The values sit in the very registers that a function must keep when the switch begins. Many more than there are
 * registers would also work, but say less when the test fails. */
static bool registers_survive(struct stack *here, struct stack *there, uint64_t seed)
{
    uint64_t want = seed;
    bool same = true;

#define SET(reg)                                  \
    register uint64_t reg __asm__(#reg) = want++; \
    __asm__ volatile("" : "+r"(reg));
#define SET_DOUBLE(reg)                                 \
    register double reg __asm__(#reg) = (double)want++; \
    __asm__ volatile("" : "+w"(reg));
    KEPT_INTEGERS(SET)
    KEPT_DOUBLES(SET_DOUBLE)
    stack_resume(here, there);
#define USE(reg) __asm__ volatile("" : "+r"(reg));
#define USE_DOUBLE(reg) __asm__ volatile("" : "+w"(reg));
    KEPT_INTEGERS(USE)
    KEPT_DOUBLES(USE_DOUBLE)
    want = seed;
#define COMPARE(reg) same = same && reg == want++;
#define COMPARE_DOUBLE(reg) same = same && reg == (double)want++;
    KEPT_INTEGERS(COMPARE)
    KEPT_DOUBLES(COMPARE_DOUBLE)
    return same;
}

static unsigned kept_by_other;

static void keep_other_values(void *stack)
{
    for (uint64_t seed = 1000000;; seed += 100)
        kept_by_other += registers_survive(stack, &native, seed);
}

TEST(registers_survive_a_switch)
{
    open_with((struct stack_pool_options){0});
    struct stack *other = take();

    stack_start(&native, other, keep_other_values, other);
    for (uint64_t i = 0; i < 100; i++)
        CHECK(registers_survive(&native, other, i * 50), "round %d", (int)i);
    CHECK_EQ(kept_by_other, 100);
    stack_put(&cache, other);
    close_all();
}

struct sleeper {
    struct stack *stack;
    uint64_t seed, sum;
};

/* Half of the numbers are read before, half after the sleep. */
static void sum_around_a_sleep(void *arg)
{
    struct sleeper *sleeper = arg;
    volatile uint64_t numbers[64];
    uint64_t sum = 0;

    for (unsigned i = 0; i < ANQA_COUNT(numbers); i++)
        numbers[i] = sleeper->seed * i;
    stack_resume(sleeper->stack, &native);
    for (unsigned i = 0; i < ANQA_COUNT(numbers); i++)
        sum += numbers[i];
    sleeper->sum = sum;
    stack_abandon_resume(sleeper->stack, &native);
}

TEST(ten_thousand_suspended_stacks_keep_their_frames, .timeout_ms = 60000)
{
    struct sleeper *sleepers = calloc(MANY, sizeof *sleepers);

    open_with((struct stack_pool_options){0});
    for (unsigned i = 0; i < MANY; i++) {
        sleepers[i] = (struct sleeper){.stack = take(), .seed = i};
        stack_start(&native, sleepers[i].stack, sum_around_a_sleep, &sleepers[i]);
    }
    CHECK_EQ(stack_pool_made(pool), MANY);
    for (unsigned i = 0; i < MANY; i++) {
        struct sleeper *next = &sleepers[(i * 7919u + 5) % MANY]; /* a prime step meets each once */
        stack_resume(&native, next->stack);
        CHECK_EQ(next->sum, next->seed * (63 * 64 / 2));
    }
    free(sleepers);
    close_all();
}

/* ---------------------------------------------------------------- abandoning */

static size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%*u %zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Rounds that show growth of a few hundred bytes each against what the tools themselves take. */
#ifdef STACK_TSAN
enum { ABANDONED = 4000, GROWTH = 64 << 20 };
#else
enum { ABANDONED = 100000, GROWTH = 8 << 20 };
#endif

struct chain {
    struct stack *at;
    unsigned left;
};

static void chain_link(void *arg);
static void leave_from_depth(struct chain *chain, unsigned depth);

/* Recursion that a compiler cannot see through: neither to warn of it nor to make it a loop. */
static void (*volatile leave_deeper)(struct chain *, unsigned) = leave_from_depth;

/* Leaves from below a few frames, which the tools have seen entered and never see left. */
static void leave_from_depth(struct chain *chain, unsigned depth)
{
    volatile char frame[100] = {(char)depth};

    if (depth > 0) {
        leave_deeper(chain, depth - 1);
        frame[0]++;
        return;
    }
    struct stack *from = chain->at;
    if (chain->left-- == 0)
        stack_abandon_resume(from, &native);
    chain->at = take();
    stack_abandon_start(from, chain->at, chain_link, chain);
}

static void chain_link(void *arg)
{
    leave_from_depth(arg, 10);
}

static void run_chain(unsigned length)
{
    struct chain chain = {.at = take(), .left = length};

    stack_start(&native, chain.at, chain_link, &chain);
}

TEST(stacks_abandoned_by_those_who_run_on_them_come_back, .timeout_ms = 60000)
{
    open_with((struct stack_pool_options){0});
    run_chain(ABANDONED / 20);
    size_t before = resident_bytes();
    run_chain(ABANDONED);
    CHECK(resident_bytes() < before + GROWTH, "%zu bytes before, %zu after", before,
        resident_bytes());
    CHECK_EQ(stack_pool_made(pool), 2);
    close_all();
}

static __attribute__((noinline)) void sleep_in_depth(struct stack *stack, unsigned depth)
{
    volatile char frame[100] = {(char)depth};

    if (depth > 0)
        sleep_in_depth(stack, depth - 1);
    else
        stack_resume(stack, &native);
    frame[0]++;
}

static void sleep_for_ever(void *stack)
{
    sleep_in_depth(stack, 10);
}

static void run_and_kill(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        struct stack *s = take();
        stack_start(&native, s, sleep_for_ever, s);
        stack_put(&cache, s);
    }
}

TEST(stacks_of_those_who_are_killed_while_they_wait_come_back, .timeout_ms = 60000)
{
    open_with((struct stack_pool_options){0});
    run_and_kill(ABANDONED / 20);
    size_t before = resident_bytes();
    run_and_kill(ABANDONED);
    CHECK(resident_bytes() < before + GROWTH, "%zu bytes before, %zu after", before,
        resident_bytes());
    CHECK_EQ(stack_pool_made(pool), 1);
    close_all();
}

static void sleep_with_memory(void *stack)
{
    char *volatile only = malloc(100);

    CHECK(only != NULL);
    stack_resume(stack, &native);
    free(only);
    stack_abandon_resume(stack, &native);
}

/* The leak check at the end of the test sees nothing but the suspended frame. */
TEST(what_a_suspended_stack_points_to_is_no_leak)
{
    open_with((struct stack_pool_options){0});
    struct stack *s = take();

    stack_start(&native, s, sleep_with_memory, s);
    CHECK_EQ(s->state, STACK_SUSPENDED);
}

TEST(a_pool_closes_with_stacks_still_suspended)
{
    open_with((struct stack_pool_options){0});
    for (unsigned i = 0; i < 100; i++) {
        struct stack *s = take();
        stack_start(&native, s, sleep_for_ever, s);
    }
    close_all();
}

/* ---------------------------------------------------------------- what must not be done */

static void put_back_under_the_feet(void *stack)
{
    stack_put(&cache, stack);
}

TEST(putting_back_the_running_stack_aborts, .expect_signal = SIGABRT)
{
    open_with((struct stack_pool_options){0});
    struct stack *s = take();

    stack_start(&native, s, put_back_under_the_feet, s);
}

TEST(putting_back_twice_aborts, .expect_signal = SIGABRT)
{
    open_with((struct stack_pool_options){0});
    struct stack *s = take();

    stack_put(&cache, s);
    stack_put(&cache, s);
}

TEST(resuming_what_never_started_aborts, .expect_signal = SIGABRT)
{
    open_with((struct stack_pool_options){0});
    stack_resume(&native, take());
}

static void just_return(void *arg)
{
}

TEST(an_entry_that_returns_aborts, .expect_signal = SIGABRT)
{
    open_with((struct stack_pool_options){0});
    stack_start(&native, take(), just_return, NULL);
}

/* ---------------------------------------------------------------- the bottom */

struct walk {
    struct stack *stack;
    unsigned frames, by_pointer;
    bool stopped;
};

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;

    return ++walk->frames < 100 ? _URC_NO_REASON : _URC_FATAL_PHASE1_ERROR;
}

static __attribute__((noinline)) void walk_up(struct walk *walk)
{
    void **frame = __builtin_frame_address(0);

    while (frame != NULL && walk->by_pointer < 100) {
        CHECK((char *)frame >= walk->stack->low && (char *)frame < walk->stack->top);
        frame = frame[0];
        walk->by_pointer++;
    }
    walk->stopped = _Unwind_Backtrace(count_frame, walk) == _URC_END_OF_STACK;
}

static void walk_and_leave(void *arg)
{
    struct walk *walk = arg;

    walk_up(walk);
    stack_abandon_resume(walk->stack, &native);
}

TEST(unwinders_stop_at_the_first_frame)
{
    open_with((struct stack_pool_options){0});
    struct walk walk = {.stack = take()};

    stack_start(&native, walk.stack, walk_and_leave, &walk);
    CHECK(walk.stopped);
    CHECK(walk.frames >= 3 && walk.frames <= 6, "%u frames",
        walk.frames); /* ours, and what is not inlined of the switch */
    CHECK(walk.by_pointer >= 2 && walk.by_pointer <= 6, "%u frame pointers", walk.by_pointer);
    close_all();
}

/* ---------------------------------------------------------------- guards */

static struct stack *running, *refuge;
static volatile unsigned hits, landings;

static void after_landing(void *arg)
{
    landings++;
    CHECK(arg == refuge);
    stack_abandon_resume(refuge, &native);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    if (!stack_guard_hit(running, info->si_addr))
        _exit(3);
    hits++;
    stack_land(context, running, refuge, after_landing, refuge);
}

static unsigned overflow(unsigned depth);
static unsigned (*volatile overflow_more)(unsigned) = overflow;

static unsigned overflow(unsigned depth)
{
    volatile char frame[3000];

    frame[depth % sizeof frame] = 1;
    return overflow_more(depth + 1) + (unsigned char)frame[0];
}

static void overflow_and_count(void *stack)
{
    hits += overflow(0);
}

static void catch_faults(void)
{
    static char alternate[64 << 10];
    stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    CHECK_EQ(sigaltstack(&ss, NULL), 0);
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
}

/* The neighbour below begins right under the guard. */
static void overflow_many_times(void)
{
    struct stack *below = take();

    catch_faults();
    memset(below->low, 0x5a, (size_t)(below->top - below->low));
    for (unsigned i = 1; i <= 50; i++) {
        running = take();
        refuge = take();
        stack_start(&native, running, overflow_and_count, running);
        CHECK_EQ(hits, i);
        CHECK_EQ(landings, i);
    }
    for (char *at = below->low; at < below->top; at++)
        CHECK_EQ(*at, 0x5a);
    stack_put(&cache, below);
    CHECK_EQ(stack_pool_made(pool), 3);
    signal(SIGSEGV, SIG_DFL);
}

TEST(an_overflow_hits_the_guard_and_execution_lands_on_another_stack)
{
    open_with((struct stack_pool_options){0});
    overflow_many_times();
    close_all();
}

TEST(plain_guards_do_the_same)
{
    open_with((struct stack_pool_options){.plain_guards = true});
    CHECK(stack_pool_plain_guards(pool));
    overflow_many_times();
    close_all();
}

TEST(the_guard_is_what_lies_below_and_no_more)
{
    open_with((struct stack_pool_options){.size = 128 << 10, .guard = 64 << 10});
    struct stack *s = take();

    CHECK(stack_guard_hit(s, s->low - 1));
    CHECK(stack_guard_hit(s, s->low - (64 << 10)));
    CHECK(!stack_guard_hit(s, s->low));
    CHECK(!stack_guard_hit(s, s->low - (64 << 10) - 1));
    CHECK(!stack_guard_hit(s, NULL));
    stack_put(&cache, s);
    close_all();
}

/* ---------------------------------------------------------------- limits */

static void reach_the_limit(void)
{
    struct stack *taken[100];

    for (unsigned i = 0; i < 100; i++)
        taken[i] = take();
    CHECK(stack_take(&cache) == NULL);
    stack_put(&cache, taken[99]);
    taken[99] = take();
    CHECK(stack_take(&cache) == NULL);
    for (unsigned i = 0; i < 100; i++)
        stack_put(&cache, taken[i]);
    CHECK_EQ(stack_pool_made(pool), 100);
}

TEST(at_the_limit_nothing_is_given_out)
{
    open_with((struct stack_pool_options){.max = 100});
    CHECK_EQ(stack_pool_limit(pool), 100);
    for (unsigned round = 0; round < 3; round++)
        reach_the_limit();
    close_all();
}

TEST(plain_guards_leave_mappings_for_others)
{
    struct stack_pool_options options = {.plain_guards = true, .max = 200000000};
    struct stack_pool *none = NULL;
    anqa_error err = {0};

    CHECK_STATUS(stack_pool_open(&options, &none, &err), ANQA_E_LIMIT);
    CHECK(strstr(err.text, "vm.max_map_count") != NULL, "%s", err.text);
    CHECK(none == NULL);
    options.max = 0;
    CHECK_STATUS(stack_pool_open(&options, &none, &err), ANQA_OK);
    CHECK(stack_pool_limit(none) >= 1000 && stack_pool_limit(none) <= 200000);
    stack_pool_close(none);
}

TEST(sizes_that_cannot_be_are_refused)
{
    struct stack_pool *none = NULL;
    anqa_error err = {0};

    CHECK_STATUS(
        stack_pool_open(&(struct stack_pool_options){.size = 100}, &none, &err), ANQA_E_RANGE);
    CHECK_STATUS(
        stack_pool_open(&(struct stack_pool_options){.size = SIZE_MAX}, &none, &err), ANQA_E_RANGE);
    CHECK_STATUS(stack_pool_open(&(struct stack_pool_options){.guard = SIZE_MAX}, &none, &err),
        ANQA_E_RANGE);
    CHECK(none == NULL);
}

TEST(a_pool_without_memory_gives_nothing_and_leaks_nothing)
{
    EACH_ALLOC_FAILURE {
        struct stack_pool *p = NULL;
        struct stack_cache c;
        anqa_status s = stack_pool_open(&(struct stack_pool_options){0}, &p, NULL);

        CHECK(s == ANQA_OK || s == ANQA_E_NOMEM);
        if (s == ANQA_OK) {
            stack_cache_init(&c, p);
            stack_put(&c, stack_take(&c));
            stack_cache_done(&c);
        }
        stack_pool_close(p);
    }
}

/* ---------------------------------------------------------------- caches and memory */

TEST(what_one_cache_has_too_much_of_another_takes)
{
    enum { COUNT = 3000 };
    static struct stack *taken[COUNT];
    struct stack_cache other;

    open_with((struct stack_pool_options){0});
    for (unsigned i = 0; i < COUNT; i++)
        taken[i] = take();
    for (unsigned i = 0; i < COUNT; i++)
        stack_put(&cache, taken[i]);
    CHECK(cache.warm_count + cache.cold_count <= 64 + 1024, "%u, %u", cache.warm_count,
        cache.cold_count);
    stack_cache_init(&other, pool);
    for (unsigned i = 0; i < COUNT / 2; i++) {
        taken[i] = stack_take(&other);
        CHECK(taken[i] != NULL);
    }
    CHECK_EQ(stack_pool_made(pool), COUNT);
    for (unsigned i = 0; i < COUNT / 2; i++)
        stack_put(&other, taken[i]);
    stack_cache_done(&other);
    close_all();
}

static void *take_and_put(void *arg)
{
    struct stack_cache own;
    struct stack *taken[20];

    stack_cache_init(&own, pool);
    for (unsigned round = 0; round < 500; round++) {
        for (unsigned i = 0; i < ANQA_COUNT(taken); i++) {
            taken[i] = stack_take(&own);
            if (taken[i] != NULL)
                memset(taken[i]->top - 64, (int)i, 64);
        }
        for (unsigned i = 0; i < ANQA_COUNT(taken); i++)
            stack_put(&own, taken[i]);
    }
    stack_cache_done(&own);
    return NULL;
}

/* 80 are wanted and there are 50: all of them move between the threads. */
TEST(threads_share_a_pool)
{
    pthread_t threads[4];

    open_with((struct stack_pool_options){.max = 50});
    for (unsigned i = 0; i < ANQA_COUNT(threads); i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, take_and_put, NULL), 0);
    for (unsigned i = 0; i < ANQA_COUNT(threads); i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK(stack_pool_made(pool) <= 50);
    close_all();
}

static size_t resident_of(const struct stack *s)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0;
    static unsigned char pages[4096];
    size_t length = ((size_t)(s->top - s->low) + page - 1) / page;

    CHECK(length <= sizeof pages);
    CHECK_EQ(mincore(s->low, length * page, pages), 0);
    for (size_t i = 0; i < length; i++)
        count += pages[i] & 1;
    return count * page;
}

/* Emulators take the advice to drop pages for a hint. */
static bool pages_can_be_dropped(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    volatile char *probe =
        mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK((void *)probe != MAP_FAILED);
    *probe = 1;
    madvise((void *)probe, page, MADV_DONTNEED);
    bool dropped = *probe == 0;
    munmap((void *)probe, page);
    return dropped;
}

static void use_deeply(struct stack *s)
{
    memset(s->low, 1, (size_t)(s->top - s->low));
}

TEST(beyond_the_warm_ones_deep_pages_are_given_back)
{
    if (!pages_can_be_dropped())
        SKIP("pages cannot be dropped here");
    open_with((struct stack_pool_options){.warm = 1});
    struct stack *first = take(), *second = take();

    use_deeply(first);
    use_deeply(second);
    stack_put(&cache, first);
    stack_put(&cache, second);
    CHECK(resident_of(first) >= 256 << 10);
    CHECK(
        resident_of(second) <= STACK_KEEP || resident_of(second) <= (size_t)sysconf(_SC_PAGESIZE));
    stack_cache_done(&cache);
    CHECK_EQ(resident_of(first), 0);
    CHECK_EQ(resident_of(second), 0);
    close_all();
}

TEST(one_deep_call_does_not_stay_resident_for_ever)
{
    if (!pages_can_be_dropped())
        SKIP("pages cannot be dropped here");
    open_with((struct stack_pool_options){0});
    struct stack *s = take();

    use_deeply(s);
    for (unsigned i = 0; i < STACK_TRIM_ROUNDS; i++) {
        stack_put(&cache, s);
        s = take();
    }
    CHECK(resident_of(s) <= STACK_KEEP || resident_of(s) <= (size_t)sysconf(_SC_PAGESIZE));
    stack_put(&cache, s);
    close_all();
}

static void keep_text(void *arg)
{
    struct stack *here = arg;
    char *text = anqa_arena_printf(&here->tmp, "kept by %p", arg);

    stack_resume(here, &native);
    CHECK_STR(text, anqa_arena_printf(&here->tmp, "kept by %p", arg));
    stack_abandon_resume(here, &native);
}

TEST(temporary_memory_stays_with_the_stack_and_ends_with_it)
{
    open_with((struct stack_pool_options){.tmp_limit = 1 << 20});
    struct stack *first = take(), *second = take();

    stack_start(&native, first, keep_text, first);
    stack_start(&native, second, keep_text, second);
    CHECK(anqa_arena_alloc(&first->tmp, 2 << 20) == NULL);
    stack_resume(&native, first);
    stack_resume(&native, second);

    void *fresh = anqa_arena_alloc(&take()->tmp, 16);
    CHECK(fresh != NULL);
    close_all();
}
