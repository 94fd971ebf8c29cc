/* Small steps of the runtime, and the machine's own that they are made of. */
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#include <anqa/telemetry.h>

#include "runtime/stack.h"

#include "cases.h"

ANQA_TELEMETRY_DEFINE(bench_step, "bench.step");

/* ---------------------------------------------------------------- timers, yields */

static void timers(struct bench *b, uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++) {
        anqa_timer timer = anqa_send_after(anqa_self(), "timeout", anqa_nothing(), 60000);

        if (anqa_timer_cancel(timer) <= 0)
            bench_fail("the timer was gone");
    }
}

bool setup_timer(struct bench *b)
{
    world_open_driver(b, timers);
    return true;
}

static void yield_times(void *times)
{
    for (uint64_t i = *(const uint64_t *)times; i > 0; i--)
        anqa_yield();
}

/* Two processes in turn. */
static void yields(struct bench *b, uint64_t ops)
{
    uint64_t others = ops / 2, ours = ops - others;
    anqa_ref ref;
    anqa_pid pid;

    if (anqa_spawn(
            &(anqa_spawn_opts){
                .run = yield_times, .arg = &others, .arg_size = sizeof others, .monitor = true},
            &pid, &ref) != ANQA_OK)
        bench_fail("cannot spawn");
    yield_times(&ours);
    if (!anqa_ref_eq(anqa_receive(ANQA_INFINITY)->ref, ref))
        bench_fail("not the end of the other one");
}

bool setup_yield(struct bench *b)
{
    world_open_driver(b, yields);
    return true;
}

/* ---------------------------------------------------------------- telemetry */

void run_loop(struct bench *b, uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++)
        __asm__ volatile("" ::: "memory");
}

void run_emit(struct bench *b, uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++) {
        __asm__ volatile("" ::: "memory");
        ANQA_EMIT(bench_step, (anqa_field_uint("index", i)), (anqa_field_text("room", "lobby")));
    }
}

/* ---------------------------------------------------------------- floors */

__attribute__((noinline)) static uint64_t successor(uint64_t value)
{
    __asm__ volatile("" : "+r"(value)); /* nothing can be known about the result */
    return value + 1;
}

void run_indirect_call(struct bench *b, uint64_t ops)
{
    uint64_t (*call)(uint64_t) = successor;
    uint64_t value = 0;

    for (uint64_t i = 0; i < ops; i++) {
        __asm__ volatile("" : "+r"(call)); /* nor about the function */
        value = call(value);
    }
    bench_keep(value);
}

void run_atomic_exchange(struct bench *b, uint64_t ops)
{
    static _Atomic(uint64_t) cell;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops; i++)
        sum += atomic_exchange_explicit(&cell, i, memory_order_acq_rel); /* pairs with itself */
    bench_keep(sum);
}

static struct stack_pool *pool;
static struct stack_cache cache;
static struct stack native, *other;

static void return_always(void *turns)
{
    for (;; ++*(uint64_t *)turns)
        stack_resume(other, &native);
}

static uint64_t turns;

bool setup_stack_round_trip(struct bench *b)
{
    if (stack_pool_open(&(struct stack_pool_options){0}, &pool, NULL) != ANQA_OK)
        return false;
    stack_cache_init(&cache, pool);
    if (stack_native_init(&native) != ANQA_OK)
        return false;
    other = stack_take(&cache);
    if (other == NULL)
        return false;
    stack_start(&native, other, return_always, &turns);
    return true;
}

/* There and back. */
void run_stack_round_trip(struct bench *b, uint64_t ops)
{
    uint64_t before = turns;

    for (uint64_t i = 0; i < ops; i++)
        stack_resume(&native, other);
    if (turns - before != ops)
        bench_fail("the other side had %llu turns", (unsigned long long)(turns - before));
}

void teardown_stack_round_trip(struct bench *b)
{
    stack_put(&cache, other);
    stack_native_done(&native);
    stack_cache_done(&cache);
    stack_pool_close(pool);
}

/* What a fault costs before anybody has looked at it: by a bad read into the kernel, from there to a handler on a stack of
 * its own, back into the kernel, and on behind the read. */
static struct {
    unsigned char stack[64 * 1024];
    stack_t old_stack;
    struct sigaction old_action;
    uint64_t taken;
} signals;

#if defined(__x86_64__)
#define BAD_READ(address) __asm__ volatile("movb (%%rdi), %%al" : : "D"(address) : "rax", "memory")
#define STEP_OVER(context) ((context)->uc_mcontext.gregs[REG_RIP] += 2)
#else
#define BAD_READ(address) __asm__ volatile("ldrb w0, [%0]" : : "r"(address) : "x0", "memory")
#define STEP_OVER(context) ((context)->uc_mcontext.pc += 4)
#endif

static void step_over(int signal, siginfo_t *info, void *context)
{
    signals.taken++;
    STEP_OVER((ucontext_t *)context);
}

bool setup_signal_round_trip(struct bench *b)
{
    const stack_t stack = {.ss_sp = signals.stack, .ss_size = sizeof signals.stack};
    const struct sigaction action = {
        .sa_sigaction = step_over, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    return sigaltstack(&stack, &signals.old_stack) == 0 &&
           sigaction(SIGSEGV, &action, &signals.old_action) == 0;
}

void run_signal_round_trip(struct bench *b, uint64_t ops)
{
    uint64_t before = signals.taken;

    for (uint64_t i = 0; i < ops; i++)
        BAD_READ((uintptr_t)0);
    if (signals.taken - before != ops)
        bench_fail("%llu signals came", (unsigned long long)(signals.taken - before));
}

void teardown_signal_round_trip(struct bench *b)
{
    sigaction(SIGSEGV, &signals.old_action, NULL);
    sigaltstack(&signals.old_stack, NULL);
}
