/* Trackers that come to agree: each rule by name, and random lives of several nodes. */
#include "presence/sim.h"

#include <stdio.h>
#include <stdlib.h>

#define T "room:a"

/* Down after 9 s, forgotten after 60. */
#define DOWN_MS 9000
#define PERMDOWN_MS 60000

TEST(what_is_tracked_on_one_node_is_seen_on_all_within_a_period)
{
    struct sim *sim = sim_begin(3);
    unsigned a, b;

    sim_run(sim, 3000);
    a = sim_join(sim, 0, 1, T, "ann");
    b = sim_join(sim, 1, 1, T, "ann");
    CHECK(sim_shows(sim, 0, a) && !sim_shows(sim, 2, a));
    sim_run(sim, 1600);
    CHECK(sim_shows(sim, 2, a) && sim_shows(sim, 2, b));
    sim_leave(sim, 0, 1, T, "ann");
    sim_run(sim, 1600);
    CHECK(!sim_shows(sim, 2, a) && sim_shows(sim, 2, b));
    sim_check_agreement(sim);
    sim_end(sim);
}

TEST(what_came_and_went_between_two_beats_is_never_seen_elsewhere)
{
    struct sim *sim = sim_begin(2);
    size_t sent;

    sim_run(sim, 6000);
    sent = sim->nodes[1].state.self->clock;
    (void)sim_join(sim, 0, 1, T, "ann");
    sim_leave(sim, 0, 1, T, "ann");
    sim_run(sim, 6000);
    CHECK_EQ(sim->nodes[1].state.topics.count, 0);
    CHECK_EQ(state_replica(&sim->nodes[1].state, anqa_str_of("n0"))->clock, sent + 2);
    sim_end(sim);
}

TEST(a_node_that_comes_later_learns_all_within_two_periods)
{
    struct sim *sim = sim_begin(2);

    sim->nodes[0].replication.times.silent_periods = 100;
    for (uint64_t pid = 1; pid < 500; pid++)
        (void)sim_join(sim, 0, pid, T, pid % 2 ? "odd" : "even");
    sim_crash(sim, 1);
    sim_run(sim, 30000);
    sim_start(sim, 1);
    sim_run(sim, 3100);
    sim_check_agreement(sim);
    CHECK_EQ(sim_shown(sim, 1), 499);
    sim_end(sim);
}

TEST(a_state_of_many_parts_arrives_whole_though_parts_are_lost)
{
    struct sim *sim = sim_begin(2);
    char key[32];

    sim_run(sim, 3000);
    sim->limits.per_topic = 20000;
    sim->nodes[0].state.limits.per_topic = 20000;
    for (unsigned i = 0; i < 3 * SECTION_ENTRIES_MAX; i++) {
        snprintf(key, sizeof key, "k%u", i);
        CHECK(sim_join(sim, 0, i + 1, T, key) != 0);
    }
    sim->loss = 40;
    sim->late_ms = 100;
    sim_run(sim, 60000);
    sim->loss = 0;
    sim_run(sim, 6000);
    sim_check_agreement(sim);
    CHECK_EQ(sim_shown(sim, 1), 3 * SECTION_ENTRIES_MAX);
    sim_end(sim);
}

TEST(a_lost_beat_is_asked_for_at_once_when_the_next_one_comes)
{
    struct sim *sim = sim_begin(2);
    unsigned ref;

    sim_run(sim, 6000);
    sim->loss = 100;
    ref = sim_join(sim, 0, 1, T, "ann");
    sim_run(sim, 1600);
    CHECK(!sim_shows(sim, 1, ref));
    sim->loss = 0;
    (void)sim_join(sim, 0, 2, T, "ben");
    sim_run(sim, 1700);
    CHECK(sim_shows(sim, 1, ref));
    sim_check_agreement(sim);
    sim_end(sim);
}

TEST(a_removal_that_was_lost_is_made_good)
{
    struct sim *sim = sim_begin(2);
    unsigned ref;

    ref = sim_join(sim, 0, 1, T, "ann");
    sim_run(sim, 6000);
    CHECK(sim_shows(sim, 1, ref));
    sim->loss = 100;
    sim_leave(sim, 0, 1, T, "ann");
    sim_run(sim, 1600);
    sim->loss = 0;
    sim_run(sim, 9000);
    CHECK(!sim_shows(sim, 1, ref));
    sim_end(sim);
}

TEST(more_removals_than_are_remembered_cost_a_whole_state_and_leave_no_ghost)
{
    struct sim *sim = sim_begin(2);
    unsigned ghost = sim_join(sim, 0, 1, T, "ghost"), stays = sim_join(sim, 0, 2, T, "stays");

    sim_run(sim, 6000);
    CHECK(sim_shows(sim, 1, ghost));
    sim_split(sim, 1);
    sim_leave(sim, 0, 1, T, "ghost");
    for (unsigned i = 0; i < PRESENCE_REMOVALS_MAX; i++)
        CHECK(sim_update(sim, 0, 2, T, "stays") != 0);
    CHECK(sim->nodes[0].state.removals_from > 0);
    sim_split(sim, 0);
    sim_run(sim, 6000);
    CHECK(!sim_shows(sim, 1, ghost) && !sim_shows(sim, 1, stays));
    sim_check_agreement(sim);
    sim_end(sim);
}

TEST(a_silent_node_is_hidden_after_the_down_period_and_back_with_the_same_references)
{
    struct sim *sim = sim_begin(2);
    unsigned a = sim_join(sim, 0, 1, T, "ann");

    sim_run(sim, 6000);
    sim_split(sim, 1);
    sim_run(sim, DOWN_MS - 4600);
    CHECK(sim_shows(sim, 1, a));
    sim_run(sim, 8000);
    CHECK(!sim_shows(sim, 1, a) && sim_shows(sim, 0, a));
    CHECK_EQ(state_replica(&sim->nodes[1].state, anqa_str_of("n0"))->count, 1);
    sim_split(sim, 0);
    sim_run(sim, 6000);
    CHECK(sim_shows(sim, 1, a));
    sim_check_agreement(sim);
    sim_end(sim);
}

TEST(a_node_that_is_silent_for_the_permdown_period_is_forgotten_and_learnt_anew)
{
    struct sim *sim = sim_begin(2);
    unsigned a = sim_join(sim, 0, 1, T, "ann");

    sim_run(sim, 6000);
    sim_split(sim, 1);
    sim_run(sim, PERMDOWN_MS + 3000);
    CHECK(state_replica(&sim->nodes[1].state, anqa_str_of("n0")) == NULL);
    CHECK_EQ(sim->nodes[1].state.topics.count, 0);
    sim_split(sim, 0);
    sim_run(sim, 9000);
    CHECK(sim_shows(sim, 1, a));
    sim_check_agreement(sim);
    sim_end(sim);
}

static anqa_status beat_of(struct sim *sim, unsigned to, const char *name)
{
    struct message message = {.from = {.name = anqa_str_of(name), .started = 1, .nonce = 1}};
    struct sim_node *node = &sim->nodes[to];
    anqa_arena arena = {0};
    anqa_status status;
    anqa_error err;
    anqa_json json;

    CHECK_STATUS(message_write(&arena, &message, &json), ANQA_OK);
    status = replication_receive(
        &node->replication, sim->now_ms + node->mono_ms, MESSAGE_BEAT, json, &err);
    anqa_arena_done(&arena);
    return status;
}

/* Deploys under ever new names leave many behind that are not forgotten yet. */
TEST(who_is_down_for_the_longest_makes_room_for_a_newcomer)
{
    struct sim *sim = sim_begin(3);
    struct presence_state *state = &sim->nodes[0].state;
    struct replica *replica;
    unsigned a;

    sim_crash(sim, 2);
    sim_run(sim, DOWN_MS + 6000);
    for (unsigned i = 0; state->replicas.count < PRESENCE_REPLICAS_MAX; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%u", i);
        CHECK_STATUS(beat_of(sim, 0, name), ANQA_OK);
    }
    replica = state_replica(state, anqa_str_of("x7"));
    replica->heard_ms -= 200;                            /* before all others */
    CHECK_STATUS(beat_of(sim, 0, "late"), ANQA_E_LIMIT); /* all are up */
    sim_run(sim, DOWN_MS + 3000);
    sim_start(sim, 2);
    a = sim_join(sim, 2, 1, T, "ann");
    sim_run(sim, 6000);
    CHECK(sim_shows(sim, 0, a));
    CHECK_EQ(state->replicas.count, PRESENCE_REPLICAS_MAX);
    CHECK(state_replica(state, anqa_str_of("x7")) == NULL);
    CHECK(state_replica(state, anqa_str_of("x8")) != NULL);
    sim_check_agreement(sim);
    sim_end(sim);
}

TEST(both_sides_of_a_split_just_below_the_permdown_period_learn_who_has_left)
{
    struct sim *sim = sim_begin(4);
    unsigned stays[2], goes[2];

    for (unsigned side = 0; side < 2; side++) {
        stays[side] = sim_join(sim, 2 * side, 1, T, "ann");
        goes[side] = sim_join(sim, 2 * side, 2, T, "ben");
    }
    sim_run(sim, 6000);
    sim_check_agreement(sim);
    sim_split(sim, 3);
    sim_run(sim, 10000);
    for (unsigned side = 0; side < 2; side++)
        sim_leave(sim, 2 * side, 2, T, "ben");
    sim_run(sim, 45000); /* 55 s of 60 */
    for (unsigned side = 0; side < 2; side++) {
        CHECK(sim_shows(sim, 2 * side + 1, stays[side]));
        CHECK(!sim_shows(sim, 2 * side + 1, stays[1 - side]));
        CHECK_EQ(sim->nodes[2 * side].state.replicas.count, 4); /* nobody is forgotten */
    }
    sim_split(sim, 0);
    sim_run(sim, 9000);
    for (unsigned node = 0; node < 4; node++)
        for (unsigned side = 0; side < 2; side++)
            CHECK(sim_shows(sim, node, stays[side]) && !sim_shows(sim, node, goes[side]));
    sim_check_agreement(sim);
    sim_end(sim);
}

TEST(a_new_life_of_a_node_takes_the_place_of_the_old_one_with_its_first_beat)
{
    struct sim *sim = sim_begin(2);
    unsigned old = sim_join(sim, 0, 1, T, "ann"), new;

    sim_run(sim, 6000);
    sim_crash(sim, 0);
    sim_run(sim, 1500);
    CHECK(sim_shows(sim, 1, old));
    sim_start(sim, 0);
    new = sim_join(sim, 0, 1, T, "ann");
    sim_run(sim, 1600);
    CHECK(!sim_shows(sim, 1, old) && sim_shows(sim, 1, new));
    sim_end(sim);
}

TEST(a_late_beat_of_an_earlier_life_brings_nobody_back)
{
    struct sim *sim = sim_begin(2);
    unsigned old;

    sim_run(sim, 3000);
    old = sim_join(sim, 0, 1, T, "ann");
    sim->late_ms = 20000;
    sim_run(sim, 1500);
    sim_crash(sim, 0);
    sim->late_ms = 0;
    sim_start(sim, 0);
    sim_run(sim, 40000);
    CHECK(!sim_shows(sim, 1, old));
    sim_check_agreement(sim);
    sim_end(sim);
}

TEST(a_new_life_whose_clock_was_set_back_is_believed_after_the_down_period)
{
    struct sim *sim = sim_begin(2);
    unsigned new;

    (void)sim_join(sim, 0, 1, T, "ann");
    sim_run(sim, 6000);
    sim_crash(sim, 0);
    sim->nodes[0].wall_ms = (uint64_t)-3600000;
    sim_start(sim, 0);
    new = sim_join(sim, 0, 1, T, "ann");
    sim_run(sim, DOWN_MS + 6000);
    CHECK(sim_shows(sim, 1, new));
    sim_check_agreement(sim);
    sim_end(sim);
}

TEST(a_node_learns_from_a_third_one_what_it_cannot_hear_itself)
{
    struct sim *sim = sim_begin(3);
    unsigned a;

    sim_run(sim, 6000);
    sim->cut[0][2] = sim->cut[2][0] = true;
    sim->nodes[2].replication.times.down_ms = PERMDOWN_MS / 2;
    a = sim_join(sim, 0, 1, T, "ann");
    sim_run(sim, 15000);
    CHECK(sim_shows(sim, 2, a));
    sim_end(sim);
}

TEST(what_was_forgotten_does_not_come_back_by_a_third_one)
{
    struct sim *sim = sim_begin(3);
    unsigned a = sim_join(sim, 0, 1, T, "ann");

    sim_run(sim, 6000);
    sim->nodes[2].mono_ms = PERMDOWN_MS * 2; /* it has slept */
    sim_crash(sim, 0);
    sim_run(sim, 3000);
    CHECK(!sim_shows(sim, 2, a));
    sim_run(sim, DOWN_MS + 6000);
    sim_check_agreement(sim);
    sim_end(sim);
}

TEST(who_says_bye_leaves_at_once)
{
    struct sim *sim = sim_begin(2);
    unsigned a = sim_join(sim, 0, 1, T, "ann");

    sim_run(sim, 6000);
    replication_bye(&sim->nodes[0].replication);
    sim_crash(sim, 0);
    sim_run(sim, 100);
    CHECK(!sim_shows(sim, 1, a));
    CHECK(state_replica(&sim->nodes[1].state, anqa_str_of("n0")) == NULL);
    sim_end(sim);
}

TEST(nothing_to_tell_costs_a_beat_in_several_periods)
{
    struct sim *sim = sim_begin(2);
    size_t sent;

    sim_run(sim, 10000);
    sent = sim->sent;
    sim_run(sim, 45000);
    CHECK(sim->sent - sent >= 18 && sim->sent - sent <= 22, "%zu", sim->sent - sent);
    sim_end(sim);
}

TEST(times_that_do_not_go_together_are_refused)
{
    static const struct replication_times bad[] = {
        {.period_ms = 1000, .down_ms = 1999},
        {.period_ms = 1000, .down_ms = 5000, .permdown_ms = 5000},
        {.period_ms = UINT32_MAX, .silent_periods = UINT32_MAX},
    };
    struct replication r;
    anqa_error err;

    for (size_t i = 0; i < ANQA_COUNT(bad); i++)
        CHECK_STATUS(replication_init(&r, NULL, &bad[i], &err), ANQA_E_INVALID, "%zu", i);
    CHECK_STATUS(
        replication_init(&r, NULL, &(struct replication_times){.period_ms = 0}, &err), ANQA_OK);
    CHECK_EQ(r.times.down_ms, 30000);
}

/* ---------------------------------------------------------------- random lives */

static const char *const topics[] = {"room:a", "room:b", "c"};
static const char *const keys[] = {"ann", "ben", "\"", ""};

static void random_operation(struct sim *sim)
{
    unsigned node = (unsigned)(harness_random() % sim->count);
    uint64_t pid = 1 + harness_random() % 6;
    const char *topic = topics[harness_random() % 3], *key = keys[harness_random() % 4];

    if (!sim->nodes[node].alive)
        return;
    switch (harness_random() % 8) {
    case 0:
    case 1:
    case 2:
    case 3: (void)sim_join(sim, node, pid, topic, key); break;
    case 4:
    case 5: sim_leave(sim, node, pid, topic, key); break;
    case 6: (void)sim_update(sim, node, pid, topic, key); break;
    default: sim_leave_all(sim, node, pid);
    }
}

static void random_event(struct sim *sim)
{
    unsigned node = (unsigned)(harness_random() % sim->count);

    switch (harness_random() % 8) {
    case 0: sim_split(sim, (unsigned)harness_random()); break;
    case 1:
    case 2: sim_split(sim, 0); break;
    case 3:
        if (sim->nodes[node].alive)
            sim_crash(sim, node);
        break;
    case 4:
    case 5:
        if (!sim->nodes[node].alive)
            sim_start(sim, node);
        break;
    case 6: /* its clock of the day is set, by up to an hour, to and fro */
        sim->nodes[node].wall_ms += harness_random() % 7200000 - 3600000;
        break;
    default: /* it has slept, for longer than anything lasts */
        sim->nodes[node].mono_ms += harness_random() % (2 * PERMDOWN_MS);
    }
}

static void random_life(unsigned nodes)
{
    struct sim *sim = sim_begin(nodes);

    sim->loss = (unsigned)(harness_random() % 60);
    sim->twice = (unsigned)(harness_random() % 30);
    sim->lazy = harness_random() % 2 == 0;
    sim->limits.part = 3;
    for (unsigned i = 0; i < nodes; i++)
        sim->nodes[i].state.limits.part = 3;
    sim->late_ms = (unsigned)(harness_random() % 5000);
    for (unsigned i = 0; i < 400; i++) {
        for (uint64_t n = harness_random() % 4; n > 0; n--)
            random_operation(sim);
        if (harness_random() % 20 == 0)
            random_event(sim);
        sim_run(sim, harness_random() % 10 == 0 ? harness_random() % 20000 : 100);
    }
    for (unsigned i = 0; i < nodes; i++)
        if (sim->nodes[i].alive)
            (void)sim_shown(sim, i);
    sim_split(sim, 0);
    sim->loss = sim->twice = sim->late_ms = 0;
    /* What was under way arrives; a life whose clock was set back is believed; the dead are hidden. */
    sim_run(sim, 5000 + 2 * DOWN_MS + 6000);
    sim_check_agreement(sim);
    sim_end(sim);
}

TEST(whatever_happens_to_messages_nodes_and_clocks_all_agree_in_the_end)
{
    for (unsigned i = 0; i < 60 / harness_slowness(); i++)
        random_life(2 + i % 4);
}
