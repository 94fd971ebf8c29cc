/*
 * Any bytes as what another tracker says: the first one chooses the kind, and whether the sender is known by then. What must
 * hold: what is read is written and read as the same; whatever was applied, the list of each topic is JSON, what was
 * mentioned as joined is there or has left, and a section that is given out can be read again.
 */
#include "presence/replication.h"

#include <stdlib.h>

#include "base/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void drop_message(void *arg, const anqa_str *to, enum message_kind kind, anqa_json json)
{
    anqa_arena arena = {0};
    struct message message;

    require(anqa_json_check(anqa_json_text(json),
                &(anqa_json_limits){.max_depth = ANQA_JSON_MAX_DEPTH}, NULL) == ANQA_OK);
    require(message_read(&arena, json, &message, NULL) == ANQA_OK);
    anqa_arena_done(&arena);
}

static bool mentioned(void *arg, const struct presence_topic *topic)
{
    for (struct anqa_list_node *node = anqa_list_first(&topic->joined); node != NULL;
        node = anqa_list_next(&topic->joined, node)) {
        const struct presence_elem *elem = ANQA_CONTAINER_OF(node, struct presence_elem, joining);
        require(elem->group->topic == topic);
        require(anqa_list_linked(&elem->leaving) || (!elem->detached && elem->replica->up));
    }
    return true;
}

static void look(struct presence_state *state)
{
    struct map_iter iter = {0};
    anqa_str name;
    anqa_buf text;
    void *topic;

    state_flush(state, mentioned, NULL);
    while (map_str_next(&state->topics, &iter, &name, &topic)) {
        require(state_list(state, name, &text) == ANQA_OK);
        require(anqa_json_check(anqa_buf_str(text),
                    &(anqa_json_limits){.max_depth = ANQA_JSON_MAX_DEPTH}, NULL) == ANQA_OK);
        anqa_buf_unref(text);
    }
}

static void round_trip(anqa_json json)
{
    anqa_arena arena = {0};
    struct message message, again;
    anqa_json first, second;

    if (message_read(&arena, json, &message, NULL) == ANQA_OK) {
        require(message_write(&arena, &message, &first) == ANQA_OK);
        require(message_read(&arena, first, &again, NULL) == ANQA_OK);
        require(message_write(&arena, &again, &second) == ANQA_OK);
        require(anqa_str_eq(anqa_json_text(first), anqa_json_text(second)));
    }
    anqa_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct replica_id self = {.name = {"me", 2}, .started = 1, .nonce = 1};
    static const struct replica_id known = {.name = {"n", 1}, .started = 1, .nonce = 2};
    struct presence_state state;
    struct replication r;
    struct replica *replica;
    anqa_json json;

    if (size == 0 || anqa_json_parse(anqa_str_make((const char *)data + 1, size - 1), NULL, &json,
                         NULL) != ANQA_OK)
        return 0;
    round_trip(json);
    require(state_init(&state, &self, NULL) == ANQA_OK);
    require(
        replication_init(&r, &state, &(struct replication_times){.period_ms = 0}, NULL) == ANQA_OK);
    r.send = drop_message;
    require(state_join(&state, 1, anqa_str_of("t"), anqa_str_of("k"),
                anqa_str_of("{\"phx_ref\":\"x\"}")) == ANQA_OK);
    if (data[0] & 4)
        require(state_replica_add(&state, &known, &replica) == ANQA_OK);
    for (unsigned i = 0; i < 2; i++) {
        (void)replication_receive(
            &r, 1000, (enum message_kind)(data[0] % MESSAGE_KINDS), json, NULL);
        look(&state);
    }
    require(replication_tick(&r, 100000) == ANQA_OK);
    look(&state);
    require(replication_tick(&r, 10000000) == ANQA_OK && state.replicas.count == 1);
    state_done(&state);
    return 0;
}
