#include "presence/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/container.h"

struct sim_message {
    uint64_t due;
    unsigned from, to;
    enum message_kind kind;
    anqa_buf text;
};

static void flush_now(struct sim *sim, unsigned node);

/* ---------------------------------------------------------------- the network */

static void enqueue(
    struct sim *sim, unsigned from, unsigned to, enum message_kind kind, anqa_json text)
{
    struct sim_message *m;

    if (sim->messages_count == sim->messages_capacity) {
        sim->messages_capacity = sim->messages_capacity == 0 ? 256 : sim->messages_capacity * 2;
        sim->messages = realloc(sim->messages, sim->messages_capacity * sizeof *sim->messages);
        CHECK(sim->messages != NULL);
    }
    m = &sim->messages[sim->messages_count++];
    m->due = sim->now_ms + (sim->late_ms == 0 ? 0 : harness_random() % sim->late_ms);
    m->from = from;
    m->to = to;
    m->kind = kind;
    CHECK_STATUS(anqa_buf_copy(text.ptr, text.len, &m->text), ANQA_OK);
}

static void sim_send(void *arg, const anqa_str *to, enum message_kind kind, anqa_json text)
{
    struct sim_node *node = arg;
    struct sim *sim = node->sim;

    for (unsigned i = 0; i < sim->count; i++) {
        if (i == node->index || (to != NULL && !anqa_str_is(*to, sim->nodes[i].name)))
            continue;
        sim->sent++;
        sim->sent_bytes += text.len;
        if (sim->cut[node->index][i] || harness_random() % 100 < sim->loss)
            continue;
        enqueue(sim, node->index, i, kind, text);
        if (harness_random() % 100 < sim->twice)
            enqueue(sim, node->index, i, kind, text);
    }
}

static uint64_t mono(const struct sim_node *node)
{
    return node->sim->now_ms + node->mono_ms;
}

static void arrive(struct sim *sim, const struct sim_message *m)
{
    struct sim_node *node = &sim->nodes[m->to];
    anqa_json text;
    anqa_error err;

    if (!node->alive || sim->cut[m->from][m->to])
        return;
    CHECK_STATUS(
        anqa_json_parse(anqa_buf_str(m->text), NULL, &text, &err), ANQA_OK, "%s", err.text);
    CHECK_STATUS(replication_receive(&node->replication, mono(node), m->kind, text, &err), ANQA_OK,
        "%s", err.text);
    flush_now(sim, m->to);
}

static void deliver_due(struct sim *sim)
{
    for (size_t i = 0; i < sim->messages_count;) {
        struct sim_message m = sim->messages[i];
        if (m.due > sim->now_ms) {
            i++;
            continue;
        }
        memmove(&sim->messages[i], &sim->messages[i + 1],
            (--sim->messages_count - i) * sizeof *sim->messages);
        arrive(sim, &m);
        anqa_buf_unref(m.text);
    }
}

/* ---------------------------------------------------------------- nodes */

void sim_start(struct sim *sim, unsigned index)
{
    struct sim_node *node = &sim->nodes[index];
    struct replica_id id = {.nonce = harness_random()};

    snprintf(node->name, sizeof node->name, "n%u", index);
    id.name = anqa_str_of(node->name);
    id.started = 1700000000000u + sim->now_ms + node->wall_ms;
    memset(node->shown, 0, sizeof node->shown);
    memset(node->own, 0, sizeof node->own);
    CHECK_STATUS(state_init(&node->state, &id, &sim->limits), ANQA_OK);
    CHECK_STATUS(replication_init(&node->replication, &node->state, &sim->times, NULL), ANQA_OK);
    node->replication.send = sim_send;
    node->replication.arg = node;
    node->alive = true;
    node->next_tick = sim->now_ms + harness_random() % (node->replication.times.period_ms / 4);
}

void sim_crash(struct sim *sim, unsigned index)
{
    struct sim_node *node = &sim->nodes[index];

    node->alive = false;
    state_done(&node->state);
}

struct sim *sim_begin(unsigned count)
{
    struct sim *sim = calloc(1, sizeof *sim);

    CHECK(sim != NULL && count <= SIM_NODES);
    sim->count = count;
    sim->times =
        (struct replication_times){.period_ms = 1500, .silent_periods = 3, .permdown_ms = 60000};
    for (unsigned i = 0; i < count; i++) {
        sim->nodes[i].sim = sim;
        sim->nodes[i].index = i;
        sim_start(sim, i);
    }
    return sim;
}

void sim_end(struct sim *sim)
{
    for (unsigned i = 0; i < sim->count; i++)
        if (sim->nodes[i].alive)
            sim_crash(sim, i);
    for (size_t i = 0; i < sim->messages_count; i++)
        anqa_buf_unref(sim->messages[i].text);
    free(sim->messages);
    free(sim);
}

void sim_split(struct sim *sim, unsigned mask)
{
    for (unsigned i = 0; i < sim->count; i++)
        for (unsigned j = 0; j < sim->count; j++)
            sim->cut[i][j] = (mask >> i & 1) != (mask >> j & 1);
}

void sim_run(struct sim *sim, uint64_t ms)
{
    uint64_t end = sim->now_ms + ms;

    for (; sim->now_ms < end; sim->now_ms += 50) {
        for (unsigned i = 0; i < sim->count; i++) {
            struct sim_node *node = &sim->nodes[i];
            if (!node->alive || node->next_tick > sim->now_ms)
                continue;
            node->next_tick = sim->now_ms + node->replication.times.period_ms;
            CHECK_STATUS(replication_tick(&node->replication, mono(node)), ANQA_OK);
            flush_now(sim, i);
        }
        deliver_due(sim);
    }
}

/* ---------------------------------------------------------------- the mirror */

static unsigned ref_of(const struct presence_elem *elem)
{
    anqa_json meta = {elem->meta, elem->meta_len}, ref;

    CHECK_STATUS(anqa_json_get(meta, "phx_ref", &ref), ANQA_OK);
    return (unsigned)strtoul(ref.ptr + 1, NULL, 10);
}

static unsigned listed(struct sim_node *node, unsigned char seen[SIM_REFS]);

/* As a client does, joins first. One that looks at each change sees none twice. */
static void mirror(struct sim_node *node, const struct presence_elem *elem, bool joined)
{
    unsigned ref = ref_of(elem);

    CHECK(node->sim->lazy || node->shown[ref] == !joined, "%s %s of %u", node->name,
        joined ? "join" : "leave", ref);
    node->shown[ref] = joined;
}

static bool mirror_topic(void *arg, const struct presence_topic *topic)
{
    for (struct anqa_list_node *at = anqa_list_first(&topic->joined); at != NULL;
        at = anqa_list_next(&topic->joined, at))
        mirror(arg, ANQA_CONTAINER_OF(at, struct presence_elem, joining), true);
    for (struct anqa_list_node *at = anqa_list_first(&topic->left); at != NULL;
        at = anqa_list_next(&topic->left, at))
        mirror(arg, ANQA_CONTAINER_OF(at, struct presence_elem, leaving), false);
    return true;
}

static void flush_now(struct sim *sim, unsigned node)
{
    state_flush(&sim->nodes[node].state, mirror_topic, &sim->nodes[node]);
}

void sim_flush(struct sim *sim, unsigned node)
{
    static unsigned char seen[SIM_REFS];

    if (!sim->lazy || harness_random() % 3 == 0) {
        flush_now(sim, node);
    } else if (harness_random() % 3 ==
               0) { /* a client joins: it has the list, and what is mentioned from now on */
        (void)listed(&sim->nodes[node], seen);
        memcpy(sim->nodes[node].shown, seen, SIM_REFS);
    }
}

/* What the lists of all topics have. */
static unsigned listed(struct sim_node *node, unsigned char seen[SIM_REFS])
{
    struct map_iter iter = {0};
    unsigned count = 0;
    anqa_str name;
    anqa_buf text;
    void *topic;

    memset(seen, 0, SIM_REFS);
    while (map_str_next(&node->state.topics, &iter, &name, &topic)) {
        anqa_json_iter keys, metas;
        anqa_json all, ref;
        CHECK_STATUS(state_list(&node->state, name, &text), ANQA_OK);
        CHECK_STATUS(anqa_json_parse(anqa_buf_str(text), NULL, &all, NULL), ANQA_OK);
        for (keys = anqa_json_each(all); anqa_json_next(&keys);) {
            CHECK_STATUS(anqa_json_get(keys.value, "metas", &all), ANQA_OK);
            for (metas = anqa_json_each(all); anqa_json_next(&metas); count++) {
                CHECK_STATUS(anqa_json_get(metas.value, "phx_ref", &ref), ANQA_OK);
                seen[strtoul(ref.ptr + 1, NULL, 10)]++;
            }
        }
        anqa_buf_unref(text);
    }
    return count;
}

unsigned sim_shown(struct sim *sim, unsigned index)
{
    static unsigned char seen[SIM_REFS];
    unsigned count;

    flush_now(sim, index);
    count = listed(&sim->nodes[index], seen);

    for (unsigned ref = 0; ref < SIM_REFS; ref++)
        CHECK_EQ(seen[ref], sim->nodes[index].shown[ref],
            "node %u: listed, and left by joins and leaves: %u", index, ref);
    return count;
}

bool sim_shows(struct sim *sim, unsigned node, unsigned ref)
{
    (void)sim_shown(sim, node);
    return sim->nodes[node].shown[ref];
}

void sim_check_agreement(struct sim *sim)
{
    static unsigned char want[SIM_REFS];

    memset(want, 0, sizeof want);
    for (unsigned i = 0; i < sim->count; i++)
        for (unsigned ref = 0; ref < SIM_REFS && sim->nodes[i].alive; ref++)
            want[ref] |= sim->nodes[i].own[ref];
    for (unsigned i = 0; i < sim->count; i++) {
        if (!sim->nodes[i].alive)
            continue;
        (void)sim_shown(sim, i);
        for (unsigned ref = 0; ref < SIM_REFS; ref++)
            CHECK(want[ref] == sim->nodes[i].shown[ref], "node %u %s %u", i,
                want[ref] ? "lacks" : "has the ghost", ref);
    }
}

/* ---------------------------------------------------------------- operations */

static anqa_str new_meta(struct sim *sim, char room[64])
{
    int len = snprintf(room, 64, "{\"phx_ref\":\"%u\"}", ++sim->ref);

    CHECK(sim->ref < SIM_REFS);
    return anqa_str_make(room, (size_t)len);
}

unsigned sim_join(struct sim *sim, unsigned index, uint64_t pid, const char *topic, const char *key)
{
    struct sim_node *node = &sim->nodes[index];
    char room[64];
    anqa_status status =
        state_join(&node->state, pid, anqa_str_of(topic), anqa_str_of(key), new_meta(sim, room));

    sim_flush(sim, index);
    if (status != ANQA_OK)
        return 0;
    node->own[sim->ref] = 1;
    return sim->ref;
}

unsigned sim_update(
    struct sim *sim, unsigned index, uint64_t pid, const char *topic, const char *key)
{
    struct sim_node *node = &sim->nodes[index];
    struct presence_elem *elem =
        state_find(&node->state, pid, anqa_str_of(topic), anqa_str_of(key));
    char room[64];

    if (elem == NULL)
        return 0;
    node->own[ref_of(elem)] = 0;
    CHECK_STATUS(state_update(&node->state, elem, new_meta(sim, room)), ANQA_OK);
    node->own[sim->ref] = 1;
    sim_flush(sim, index);
    return sim->ref;
}

void sim_leave(struct sim *sim, unsigned index, uint64_t pid, const char *topic, const char *key)
{
    struct sim_node *node = &sim->nodes[index];
    struct presence_elem *elem =
        state_find(&node->state, pid, anqa_str_of(topic), anqa_str_of(key));

    if (elem == NULL)
        return;
    node->own[ref_of(elem)] = 0;
    state_leave(&node->state, elem);
    sim_flush(sim, index);
}

void sim_leave_all(struct sim *sim, unsigned index, uint64_t pid)
{
    struct sim_node *node = &sim->nodes[index];
    struct anqa_list *elems = &node->state.self->elems;

    for (struct anqa_list_node *at = anqa_list_first(elems); at != NULL;
        at = anqa_list_next(elems, at)) {
        const struct presence_elem *elem = ANQA_CONTAINER_OF(at, struct presence_elem, of_replica);
        if (elem->pid == pid)
            node->own[ref_of(elem)] = 0;
    }
    state_leave_all(&node->state, pid);
    sim_flush(sim, index);
}
