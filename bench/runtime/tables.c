/* Tables that processes share: 100,000 rows of two numbers, under keys that are numbers. */
#include <anqa/table.h>

#include "cases.h"

#define ROWS 100000u
#define STRIDE \
    38911u /* has no factor in common with ROWS: all keys, and no neighbours after each other */
#define BURST 64u /* operations between two chances for others */
#define WRITES_ONE_IN 10u

struct pair {
    int64_t a, b;
};

static anqa_table table;

static inline int64_t next_key(int64_t key)
{
    return (key + STRIDE) % ROWS;
}

static void must(anqa_status status)
{
    if (status != ANQA_OK)
        bench_fail("%s", anqa_status_text(status));
}

/* Context: main thread, which owns it. */
static void fill(anqa_table_type type)
{
    must(anqa_table_new(&(anqa_table_spec){.name = "pairs",
                            .type = type,
                            .access = ANQA_TABLE_PUBLIC,
                            .row_size = sizeof(struct pair)},
        &table));
    for (int64_t key = 0; key < ROWS; key++)
        must(anqa_table_insert(table, anqa_key_int(key), &(struct pair){key, 0}));
}

static bool setup(
    struct bench *b, anqa_table_type type, void (*work)(struct bench *b, uint64_t ops))
{
    world_open_driver(b, work);
    fill(type);
    return true;
}

/* ---------------------------------------------------------------- one process */

static uint64_t look_up(uint64_t ops, int64_t key)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < ops; i++, key = next_key(key)) {
        struct pair pair;
        must(anqa_table_lookup(table, anqa_key_int(key), &pair));
        sum += (uint64_t)pair.a;
    }
    return sum;
}

static void look_up_all(struct bench *b, uint64_t ops)
{
    bench_keep(look_up(ops, 0));
}

static void replace_all(struct bench *b, uint64_t ops)
{
    int64_t key = 0;

    for (uint64_t i = 0; i < ops; i++, key = next_key(key))
        must(anqa_table_insert(table, anqa_key_int(key), &(struct pair){key, (int64_t)i}));
}

/* What is taken out is freed when the scheduler comes to its next process. */
static void insert_and_delete(struct bench *b, uint64_t ops)
{
    int64_t key = 0;

    for (uint64_t i = 0; i < ops; i++, key = next_key(key)) {
        must(anqa_table_insert(table, anqa_key_int(ROWS + key), &(struct pair){key, 0}));
        must(anqa_table_delete(table, anqa_key_int(ROWS + key)));
        if (i % BURST == 0)
            anqa_yield();
    }
}

static void count_all(struct bench *b, uint64_t ops)
{
    int64_t key = 0;

    for (uint64_t i = 0; i < ops; i++, key = next_key(key))
        must(
            anqa_table_update_counter(table, anqa_key_int(key), offsetof(struct pair, b), 1, NULL));
}

static void next_all(struct bench *b, uint64_t ops)
{
    anqa_table_entry entry = {.key = anqa_key_int(-1)};

    for (uint64_t i = 0; i < ops; i++) {
        anqa_key key = entry.key.u.integer == ROWS - 1 ? anqa_key_int(-1) : entry.key;
        must(anqa_table_next(table, key, &entry));
        if (i % BURST == 0)
            world_end_event();
    }
}

bool setup_table_lookup(struct bench *b)
{
    return setup(b, ANQA_TABLE_SET, look_up_all);
}

bool setup_table_lookup_ordered(struct bench *b)
{
    return setup(b, ANQA_TABLE_ORDERED_SET, look_up_all);
}

bool setup_table_insert(struct bench *b)
{
    return setup(b, ANQA_TABLE_SET, replace_all);
}

bool setup_table_insert_delete(struct bench *b)
{
    return setup(b, ANQA_TABLE_SET, insert_and_delete);
}

bool setup_table_counter(struct bench *b)
{
    return setup(b, ANQA_TABLE_SET, count_all);
}

bool setup_table_next(struct bench *b)
{
    return setup(b, ANQA_TABLE_ORDERED_SET, next_all);
}

/* ---------------------------------------------------------------- two schedulers */

struct side {
    bool writes;
};

static void read_or_write(uint64_t ops, bool writes)
{
    int64_t key = writes ? ROWS / 2 : 0;

    for (uint64_t i = 0; i < ops; i++, key = next_key(key))
        if (writes && i % WRITES_ONE_IN == 0)
            must(anqa_table_insert(table, anqa_key_int(key), &(struct pair){key, (int64_t)i}));
        else
            bench_keep(look_up(1, key));
}

static void side_run(void *state)
{
    const struct side *side = state;

    for (;;) {
        uint64_t ops = world_value(anqa_receive(ANQA_INFINITY));
        read_or_write(ops, side->writes);
        world_report(ops);
    }
}

static anqa_pid sides[2];

bool setup_table_both(struct bench *b)
{
    world_open(b);
    fill(ANQA_TABLE_SET);
    for (uint16_t i = 0; i < 2; i++) {
        const struct side side = {.writes = i == 1};
        sides[i] = world_spawn(&(anqa_spawn_opts){.run = side_run,
            .arg = &side,
            .arg_size = sizeof side,
            .scheduler = (uint16_t)(i + 1),
            .pinned = true,
            .monitor = true});
    }
    return true;
}

void run_table_both(struct bench *b, uint64_t ops)
{
    for (unsigned i = 0; i < 2; i++)
        world_kick(sides[i], ops / 2);
    for (unsigned i = 0; i < 2; i++)
        (void)world_await();
}
