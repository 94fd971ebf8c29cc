/* Look-ups in the two hash tables, 200,000 entries, in random order. */
#include "bench.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

#define ENTRIES 200000u

struct maps {
    struct map_u64 numbers;
    struct map_str strings;
    uint64_t keys[ENTRIES];
    char names[ENTRIES][24];
};

static bool fill(struct bench *b)
{
    struct maps *m = calloc(1, sizeof *m);
    uint64_t random = 88172645463325252u;

    if (m == NULL)
        return false;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        m->keys[i] = random >> 32 << 32 |
                     i; /* unique, and random in the half that a pid's generation is in */
        snprintf(m->names[i], sizeof m->names[i], "room:%08x%06x", (unsigned)(random >> 32), i);
        if (map_u64_put(&m->numbers, m->keys[i], m, NULL) != ANQA_OK ||
            map_str_put(&m->strings, anqa_str_of(m->names[i]), m, NULL) != ANQA_OK)
            bench_fail("cannot fill the tables");
    }
    b->state = m;
    return true;
}

static void drop(struct bench *b)
{
    struct maps *m = b->state;

    map_u64_done(&m->numbers);
    map_str_done(&m->strings);
    free(m);
}

/* Keys in an order that no prefetcher knows; the step is coprime to the number of entries. */
static void run_numbers(struct bench *b, uint64_t ops)
{
    const struct maps *m = b->state;
    uint64_t sum = 0;

    for (uint64_t i = 0, at = 0; i < ops; i++, at = (at + 123457) % ENTRIES)
        sum += (uintptr_t)map_u64_get(&m->numbers, m->keys[at]);
    bench_keep(sum);
}

static void run_strings(struct bench *b, uint64_t ops)
{
    const struct maps *m = b->state;
    uint64_t sum = 0;

    for (uint64_t i = 0, at = 0; i < ops; i++, at = (at + 123457) % ENTRIES)
        sum += (uintptr_t)map_str_get(&m->strings, anqa_str_make(m->names[at], 19));
    bench_keep(sum);
}

const struct bench_area bench_area = {
    .name = "map",
    .cases =
        (const struct bench_case[]){
            {.name = "u64_get_200k",
                .unit = "ns",
                .setup = fill,
                .run = run_numbers,
                .teardown = drop},
            {.name = "str_get_200k",
                .unit = "ns",
                .setup = fill,
                .run = run_strings,
                .teardown = drop},
            {0},
        },
};
