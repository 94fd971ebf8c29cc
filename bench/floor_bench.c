/* The floors: what the machine itself asks for the steps that every figure of ours is made of. */
#include <stdatomic.h>

#include "bench.h"

typedef uint64_t (*step_fn)(uint64_t);

__attribute__((noinline)) static uint64_t step(uint64_t value)
{
    __asm__ volatile(""
        : "+r"(value)); /* or the compiler would learn the result and drop the calls */
    return value + 1;
}

static void run_direct_call(struct bench *b, uint64_t ops)
{
    uint64_t value = 0;

    for (uint64_t i = 0; i < ops; i++)
        value = step(value);
    bench_keep(value);
}

static void run_indirect_call(struct bench *b, uint64_t ops)
{
    step_fn call = step;
    uint64_t value = 0;

    for (uint64_t i = 0; i < ops; i++) {
        __asm__ volatile("" : "+r"(call)); /* from here on it could be any function */
        value = call(value);
    }
    bench_keep(value);
}

static void run_atomic_exchange(struct bench *b, uint64_t ops)
{
    static _Atomic uint64_t cell;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops; i++)
        sum += atomic_exchange_explicit(&cell, i, memory_order_acq_rel); /* pairs with itself */
    bench_keep(sum);
}

const struct bench_area bench_area = {
    .name = "floor",
    .cases =
        (const struct bench_case[]){
            {.name = "direct_call", .unit = "ns", .run = run_direct_call},
            {.name = "indirect_call",
                .unit = "ns",
                .against = "direct_call",
                .run = run_indirect_call},
            {.name = "atomic_exchange", .unit = "ns", .run = run_atomic_exchange},
            {0},
        },
};
