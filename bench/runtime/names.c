/* Finding processes by key and by name. */
#include <stdio.h>

#include <anqa/registry.h>

#include "base/siphash.h"

#include "cases.h"

#define KEYS 1024u

/* With this stride neighbours in the table are not asked for one after the other. */
static inline uint32_t next_key(uint32_t index)
{
    return (index + 389) & (KEYS - 1);
}

static const anqa_registry rooms = {.name = "rooms"};
static char texts[KEYS][16];
static anqa_str keys[KEYS];

struct holder {
    uint32_t index;
    bool named; /* a name rather than a key */
};

static void holder_init(void *state)
{
    const struct holder *holder = state;
    anqa_status status =
        holder->named ? anqa_register(texts[holder->index])
                      : anqa_registry_register(&rooms, keys[holder->index], ANQA_JSON_NULL, NULL);

    if (status != ANQA_OK)
        bench_fail("%s: %s", texts[holder->index], anqa_status_text(status));
    world_arrive();
}

static void holder_handle(void *state, const anqa_msg *msg)
{
    anqa_exit(ANQA_NORMAL);
}

static const anqa_behaviour holder_behaviour = {
    .name = "holder", .init = holder_init, .handle = holder_handle};

static anqa_pid find(uint32_t index, bool named)
{
    return named ? anqa_whereis(texts[index]) : anqa_registry_whereis(&rooms, keys[index]);
}

static void write_keys(const char *prefix)
{
    for (uint32_t i = 0; i < KEYS; i++) {
        snprintf(texts[i], sizeof texts[i], "%s%u", prefix, i + 1);
        keys[i] = anqa_str_of(texts[i]);
    }
}

/* Context: main thread. */
static void hold_all(const char *prefix, bool named)
{
    anqa_pid pids[KEYS];

    write_keys(prefix);
    for (uint32_t i = 0; i < KEYS; i++) {
        const struct holder holder = {i, named};

        pids[i] = world_spawn(&(anqa_spawn_opts){
            .behaviour = &holder_behaviour, .arg = &holder, .arg_size = sizeof holder});
    }
    world_await_arrivals(KEYS);
    for (uint32_t i = 0; i < KEYS; i++)
        if (!anqa_pid_eq(find(i, named), pids[i]))
            bench_fail("%s is somebody else", texts[i]);
}

static void look_up_keys(struct bench *b, uint64_t ops)
{
    uint32_t index = 0;

    for (uint64_t i = 0; i < ops; i++, index = next_key(index))
        if (anqa_pid_is_none(anqa_registry_whereis(&rooms, keys[index])))
            bench_fail("%s is nobody", texts[index]);
}

static void look_up_names(struct bench *b, uint64_t ops)
{
    uint32_t index = 0;

    for (uint64_t i = 0; i < ops; i++, index = next_key(index))
        if (anqa_pid_is_none(anqa_whereis(texts[index])))
            bench_fail("%s is nobody", texts[index]);
}

bool setup_registry_lookup(struct bench *b)
{
    world_open_driver(b, look_up_keys);
    hold_all("room:", false);
    return true;
}

bool setup_whereis(struct bench *b)
{
    world_open_driver(b, look_up_names);
    hold_all("room_", true);
    return true;
}

/* ---------------------------------------------------------------- registering */

static const anqa_registry halls[] = {{.name = "hall 1"}, {.name = "hall 2"}};
static anqa_pid guests[ANQA_COUNT(halls)];

/* Comes and goes, under a name of its own. */
static void guest_run(void *state)
{
    const anqa_registry *hall = *(const anqa_registry **)state;
    char name[32];
    anqa_str key;

    key = anqa_str_of(anqa_pid_text(anqa_self(), name));
    for (;;) {
        uint64_t ops = world_value(anqa_receive(ANQA_INFINITY));

        for (uint64_t i = 0; i < ops; i++)
            if (anqa_registry_register(hall, key, ANQA_JSON_NULL, NULL) != ANQA_OK ||
                anqa_registry_unregister(hall, key) != ANQA_OK)
                bench_fail("%s cannot come or go", name);
        world_report(ops);
    }
}

static bool setup_guests(struct bench *b, bool apart)
{
    world_open(b);
    for (unsigned i = 0; i < (unsigned)b->schedulers; i++) {
        const anqa_registry *hall = &halls[apart ? i : 0];

        guests[i] = world_spawn(&(anqa_spawn_opts){.run = guest_run,
            .arg = &hall,
            .arg_size = sizeof hall,
            .monitor = true,
            .pinned = true,
            .scheduler = (uint16_t)(i + 1)});
    }
    return true;
}

bool setup_registry_register(struct bench *b)
{
    return setup_guests(b, false);
}

bool setup_registry_register_apart(struct bench *b)
{
    return setup_guests(b, true);
}

/* An operation is one of anybody's. */
void run_registry_register(struct bench *b, uint64_t ops)
{
    unsigned count = (unsigned)b->schedulers;

    for (unsigned i = 0; i < count; i++)
        world_kick(guests[i], ops / count + (i < ops % count));
    for (unsigned i = 0; i < count; i++)
        (void)world_await();
}

/* ---------------------------------------------------------------- floor */

bool setup_siphash_key(struct bench *b)
{
    write_keys("room:");
    return true;
}

/* The part of registry_lookup that is the hash: the same keys, in the same order. */
void run_siphash_key(struct bench *b, uint64_t ops)
{
    uint64_t sum = 0;
    uint32_t index = 0;

    for (uint64_t i = 0; i < ops; i++, index = next_key(index))
        sum += siphash(keys[index].ptr, keys[index].len, siphash_boot_key());
    bench_keep(sum);
}
