/* The table of a process's relations: it knows what was put in and not taken out, at any size, and wastes little. */
#include "rt_fixture.h"
#include "runtime/sched.h"

#define KEYS 60000u

/* Pids of neighbouring slots and references of one scheduler: the keys there are. */
static uint64_t key_of(uint32_t i)
{
    return i % 2 == 0 ? ((uint64_t)i << 32 | (i % 7 + 1)) : (REF_BIT | i);
}

static void check_all(struct rels *rels, const bool *there)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < KEYS; i++) {
        const struct rel *rel = rels_get(rels, key_of(i));
        CHECK_EQ(rel != NULL, there[i], "key %u", i);
        CHECK(rel == NULL || rel->x == i, "key %u", i);
        count += there[i];
    }
    CHECK_EQ(rels == NULL ? 0 : rels->count, count, "entries");
}

TEST(a_table_of_relations_knows_what_was_put_in_and_not_taken_out)
{
    static bool there[KEYS];
    static const uint32_t sizes[] = {1, 2, 3, 5, 40, 1500, KEYS};
    anqa_rt *rt = rt_open(1);
    struct sched *s = sched_self;
    struct rels *rels = NULL;
    uint64_t random = 88172645463325252u;

    for (size_t n = 0; n < ANQA_COUNT(sizes); n++) {
        for (uint32_t step = 0; step < sizes[n] * 4; step++) {
            uint32_t i;
            struct rel *rel;
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            i = (uint32_t)(random % sizes[n]);
            rel = there[i] ? rels_get(rels, key_of(i)) : rels_put(s, &rels, key_of(i));
            CHECK(rel != NULL, "key %u", i);
            if (there[i])
                rels_remove(s, &rels, rel);
            else
                rel->x = i;
            there[i] = !there[i];
        }
        check_all(rels, there);
    }
    for (uint32_t i = 0; i < KEYS; i++)
        if (there[i])
            rels_remove(s, &rels, rels_get(rels, key_of(i)));
    memset(there, 0, sizeof there);
    check_all(rels, there);
    rels_free(s, rels);
    rt_close(rt);
}

TEST(one_relation_takes_one_entry_and_very_many_at_most_two_each)
{
    anqa_rt *rt = rt_open(1);
    struct sched *s = sched_self;
    struct rels *rels = NULL;

    for (uint32_t i = 0; i < KEYS; i++) {
        CHECK(rels_put(s, &rels, key_of(i)) != NULL, "key %u", i);
        if (i == 0)
            CHECK_EQ(rels->capacity, 1u, "entries for one relation");
        if (i > 30000)
            CHECK(rels->capacity <= 2 * (i + 1), "%u places for %u", rels->capacity, i + 1);
    }
    rels_free(s, rels);
    rt_close(rt);
}
