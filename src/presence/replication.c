#include "presence/replication.h"

#include <stdlib.h>

const char *const message_kind_names[MESSAGE_KINDS] = {"beat", "ask", "give", "bye"};

bool message_kind_of(anqa_str name, enum message_kind *ret_kind)
{
    for (unsigned kind = 0; kind < MESSAGE_KINDS; kind++) {
        if (!anqa_str_is(name, message_kind_names[kind]))
            continue;
        *ret_kind = (enum message_kind)kind;
        return true;
    }
    return false;
}

static anqa_status times_check(struct replication_times *times, anqa_error *err)
{
    uint64_t down;

    if (times->period_ms == 0)
        times->period_ms = 1500;
    if (times->silent_periods == 0)
        times->silent_periods = 10;
    if (times->permdown_ms == 0)
        times->permdown_ms = 20 * 60 * 1000;
    down = (uint64_t)times->period_ms * times->silent_periods * 2;
    if (times->down_ms == 0 && down < UINT32_MAX)
        times->down_ms = (uint32_t)down;
    if (times->down_ms / 2 < times->period_ms)
        return anqa_fail(err, ANQA_E_INVALID, "the down period is less than two broadcast periods");
    if (times->permdown_ms <= times->down_ms)
        return anqa_fail(
            err, ANQA_E_INVALID, "the permdown period is not longer than the down period");
    return ANQA_OK;
}

anqa_status replication_init(struct replication *r, struct presence_state *state,
    const struct replication_times *times, anqa_error *err)
{
    anqa_status status;

    *r = (struct replication){.state = state, .times = *times};
    status = times_check(&r->times, err);
    r->silent = r->times.silent_periods; /* the first turn says that we are there */
    return status;
}

/* ---------------------------------------------------------------- sending */

static anqa_status send(struct replication *r, anqa_arena *arena, const anqa_str *to,
    enum message_kind kind, struct message *message)
{
    anqa_json json;
    anqa_status status;

    message->from = r->state->self->id;
    status = message_write(arena, message, &json);
    if (status == ANQA_OK)
        r->send(r->arg, to, kind, json);
    return status;
}

/* The clocks of all that are up. */
static anqa_status put_clocks(
    const struct presence_state *state, anqa_arena *arena, struct message *message)
{
    struct replica_clock *clocks =
        anqa_arena_alloc(arena, (state->replicas.count + 1) * sizeof *clocks);
    struct map_iter iter = {0};
    anqa_str name;
    void *value;

    if (clocks == NULL)
        return ANQA_E_NOMEM;
    while (map_str_next(&state->replicas, &iter, &name, &value)) {
        const struct replica *replica = value;
        if (replica->up)
            clocks[message->clocks_count++] = (struct replica_clock){replica->id, replica->clock};
    }
    message->clocks = clocks;
    return ANQA_OK;
}

/* All parts of what a replica has changed, from `section` on, which may have been sent already. One part after the other is
 * put together and forgotten: all of them may be long. */
static anqa_status give(struct replication *r, const anqa_str *to, const struct replica *replica,
    uint64_t since, struct section *section)
{
    anqa_arena arena = {0};
    struct message message;
    anqa_status status;

    while (state_cut(r->state, replica, since, &arena, section, &status) && status == ANQA_OK) {
        message = (struct message){.sections = section, .sections_count = 1};
        status = send(r, &arena, to, MESSAGE_GIVE, &message);
        if (status != ANQA_OK)
            break;
        anqa_arena_reset(&arena);
    }
    anqa_arena_done(&arena);
    return status;
}

static anqa_status beat(struct replication *r, anqa_arena *arena)
{
    struct presence_state *state = r->state;
    struct message message = {.clocks = NULL};
    struct section section = {.since = 0};
    anqa_status status = put_clocks(state, arena, &message);

    if (status == ANQA_OK && r->sent_clock != state->self->clock &&
        state_cut(state, state->self, r->sent_clock, arena, &section, &status)) {
        message.sections = &section;
        message.sections_count = 1;
    }
    if (status == ANQA_OK)
        status = send(r, arena, NULL, MESSAGE_BEAT, &message);
    if (status == ANQA_OK && message.sections_count > 0)
        status = give(r, NULL, state->self, r->sent_clock, &section);
    if (status == ANQA_OK) {
        r->sent_clock = state->self->clock;
        r->silent = 0;
    }
    return status;
}

void replication_bye(struct replication *r)
{
    anqa_arena arena = {0};
    struct message message = {.clocks = NULL};

    (void)send(r, &arena, NULL, MESSAGE_BYE, &message); /* else they see it by our silence */
    anqa_arena_done(&arena);
}

/* ---------------------------------------------------------------- asking */

static bool is_behind(const struct replication *r, const struct replica *replica)
{
    return replica != r->state->self && replica->told > replica->clock;
}

/* The replica itself, as a rule; every other time who told of it, for it may be that we do not reach it. */
static anqa_str whom_to_ask(struct replica *replica)
{
    bool other = replica->told_by_len > 0 && (!replica->up || replica->asks % 2 == 1);

    replica->asks++;
    return other ? anqa_str_make(replica->told_by, replica->told_by_len) : replica->id.name;
}

/* Again after two periods: the question or the answer may have been lost. */
static anqa_status ask(
    struct replication *r, anqa_arena *arena, uint64_t now_ms, struct replica *replica)
{
    struct replica_clock clock = {replica->id, replica->clock};
    struct message message = {.clocks = &clock, .clocks_count = 1};
    anqa_str to;

    if (!is_behind(r, replica) ||
        (replica->asks > 0 && now_ms - replica->asked_ms < 2 * (uint64_t)r->times.period_ms))
        return ANQA_OK;
    replica->asked_ms = now_ms;
    to = whom_to_ask(replica);
    return send(r, arena, &to, MESSAGE_ASK, &message);
}

static anqa_status ask_all(struct replication *r, anqa_arena *arena, uint64_t now_ms)
{
    struct map_iter iter = {0};
    anqa_status status = ANQA_OK;
    anqa_str name;
    void *value;

    while (status == ANQA_OK && map_str_next(&r->state->replicas, &iter, &name, &value))
        status = ask(r, arena, now_ms, value);
    return status;
}

/* ---------------------------------------------------------------- ticks */

static void forgive_silence(struct replication *r, uint64_t now_ms)
{
    struct map_iter iter = {0};
    anqa_str name;
    void *value;

    while (map_str_next(&r->state->replicas, &iter, &name, &value)) {
        struct replica *replica = value;
        if (replica->up)
            replica->heard_ms = now_ms;
    }
}

static void look_who_is_silent(struct replication *r, uint64_t now_ms)
{
    struct map_iter iter = {0};
    anqa_str name;
    void *value;

    while (map_str_next(&r->state->replicas, &iter, &name, &value)) {
        struct replica *replica = value;
        uint64_t silent = now_ms < replica->heard_ms ? 0 : now_ms - replica->heard_ms;
        if (replica == r->state->self || silent <= r->times.down_ms)
            continue;
        state_replica_set_up(r->state, replica, false);
        if (silent > r->times.permdown_ms)
            state_replica_drop(r->state, replica);
    }
}

anqa_status replication_tick(struct replication *r, uint64_t now_ms)
{
    anqa_arena arena = {0};
    anqa_status status = ANQA_OK, asked;

    if (r->deaf)
        forgive_silence(r, now_ms);
    else
        look_who_is_silent(r, now_ms);
    r->deaf = false;
    r->silent++;
    if (r->sent_clock != r->state->self->clock || r->silent >= r->times.silent_periods)
        status = beat(r, &arena);
    asked = ask_all(r, &arena, now_ms);
    anqa_arena_done(&arena);
    return status != ANQA_OK ? status : asked;
}

/* ---------------------------------------------------------------- receiving */

static bool is_later(const struct replica_id *one, const struct replica_id *other)
{
    return one->started != other->started ? one->started > other->started
                                          : one->nonce > other->nonce;
}

/* NULL: all are up. */
static struct replica *longest_down(const struct replication *r)
{
    struct replica *longest = NULL;
    struct map_iter iter = {0};
    anqa_str name;
    void *value;

    while (map_str_next(&r->state->replicas, &iter, &name, &value)) {
        struct replica *replica = value;
        if (!replica->up && (longest == NULL || replica->heard_ms < longest->heard_ms))
            longest = replica;
    }
    return longest;
}

/* One that has been down for long makes room: nobody sees what it had. */
static anqa_status newcomer(struct replication *r, uint64_t now_ms, const struct replica_id *id,
    struct replica **ret_replica, anqa_error *err)
{
    anqa_status status = state_replica_add(r->state, id, ret_replica);
    struct replica *longest = status == ANQA_E_LIMIT ? longest_down(r) : NULL;

    if (longest != NULL) {
        state_replica_drop(r->state, longest);
        status = state_replica_add(r->state, id, ret_replica);
    }
    if (status != ANQA_OK)
        return anqa_fail(
            err, status, "replica '%.*s': %s", ANQA_FMT(id->name), anqa_status_text(status));
    (*ret_replica)->heard_ms = now_ms;
    r->silent = r->times.silent_periods; /* it should hear of us at the next tick */
    return ANQA_OK;
}

/* Who beats. *ret_replica: NULL when it is to be ignored. */
static anqa_status heard(struct replication *r, uint64_t now_ms, const struct replica_id *id,
    struct replica **ret_replica, anqa_error *err)
{
    struct replica *replica = state_replica(r->state, id->name);

    *ret_replica = NULL;
    if (replica == r->state->self)
        return ANQA_OK; /* an echo, or our life before */
    if (replica == NULL)
        return newcomer(r, now_ms, id, ret_replica, err);
    if (!replica_is(replica, id)) {
        if (!is_later(id, &replica->id) && now_ms - replica->heard_ms <= r->times.down_ms)
            return ANQA_OK;
        state_replica_drop(r->state, replica);
        return newcomer(r, now_ms, id, ret_replica, err);
    }
    replica->heard_ms = now_ms;
    state_replica_set_up(r->state, replica, true);
    *ret_replica = replica;
    return ANQA_OK;
}

/* The sender's message, if it is one that we know; else nothing. */
static struct replica *known_sender(const struct replication *r, const struct message *message)
{
    struct replica *replica = state_replica(r->state, message->from.name);

    return replica == NULL || replica == r->state->self || !replica_is(replica, &message->from)
               ? NULL
               : replica;
}

/* Somebody names the clock of a replica. */
static void note_told(struct replica *replica, uint64_t clock, anqa_str by)
{
    char *name;

    if (clock <= replica->told)
        return;
    name = realloc(replica->told_by, by.len);
    if (name == NULL)
        return; /* it will be named again */
    memcpy(name, by.ptr, by.len);
    replica->told_by = name;
    replica->told_by_len = by.len;
    replica->told = clock;
}

static void note_clocks(struct replication *r, const struct message *message)
{
    for (size_t i = 0; i < message->clocks_count; i++) {
        struct replica *replica = state_replica(r->state, message->clocks[i].id.name);
        if (replica != NULL && replica != r->state->self &&
            replica_is(replica, &message->clocks[i].id))
            note_told(replica, message->clocks[i].clock, message->from.name);
    }
}

static anqa_status apply_all(struct replication *r, const struct message *message, anqa_error *err)
{
    for (size_t i = 0; i < message->sections_count; i++) {
        const struct section *section = &message->sections[i];
        switch (state_apply(r->state, section)) {
        case APPLIED_NEWS:
            if (section->to == section->clock)
                state_replica(r->state, section->of.name)->asks = 0;
            break;
        case APPLIED_STALE:
        case APPLIED_NOBODY: break;
        case APPLIED_GAP:
            note_told(
                state_replica(r->state, section->of.name), section->clock, message->from.name);
            break;
        case APPLIED_LIMIT:
            return anqa_fail(err, ANQA_E_LIMIT, "replica '%.*s' has more presences than it may",
                ANQA_FMT(section->of.name));
        case APPLIED_NOMEM:
            return anqa_fail(err, ANQA_E_NOMEM, "no memory for the presences of '%.*s'",
                ANQA_FMT(section->of.name));
        }
    }
    return ANQA_OK;
}

/* What was asked for, and only if we know more of it. Nobody asks for more than one replica at a time: an answer may be large. */
static anqa_status answer(struct replication *r, const struct message *message)
{
    const struct replica_clock *wanted = message->clocks;
    const struct replica *replica;
    struct section section = {.since = 0};

    if (message->clocks_count != 1)
        return ANQA_OK;
    replica = state_replica(r->state, wanted->id.name);
    if (replica == NULL || !replica_is(replica, &wanted->id) || replica->clock <= wanted->clock)
        return ANQA_OK;
    return give(r, &message->from.name, replica, wanted->clock, &section);
}

static anqa_status receive_beat(struct replication *r, anqa_arena *arena, uint64_t now_ms,
    const struct message *message, anqa_error *err)
{
    struct replica *replica;
    anqa_status status = heard(r, now_ms, &message->from, &replica, err), asked;

    if (status != ANQA_OK || replica == NULL)
        return status;
    status = apply_all(r, message, err);
    note_clocks(r, message);
    asked = ask_all(r, arena, now_ms);
    return status != ANQA_OK ? status : asked;
}

static anqa_status receive(struct replication *r, anqa_arena *arena, uint64_t now_ms,
    enum message_kind kind, const struct message *message, anqa_error *err)
{
    struct replica *sender;

    if (kind == MESSAGE_BEAT)
        return receive_beat(r, arena, now_ms, message, err);
    if (kind == MESSAGE_ASK)
        return answer(r, message);
    sender = known_sender(r, message);
    if (sender == NULL)
        return ANQA_OK;
    if (kind == MESSAGE_GIVE)
        return apply_all(r, message, err);
    state_replica_drop(r->state, sender);
    return ANQA_OK;
}

anqa_status replication_receive(
    struct replication *r, uint64_t now_ms, enum message_kind kind, anqa_json json, anqa_error *err)
{
    anqa_arena arena = {0};
    struct message message;
    anqa_status status = message_read(&arena, json, &message, err);

    if (status == ANQA_OK)
        status = receive(r, &arena, now_ms, kind, &message, err);
    anqa_arena_done(&arena);
    return status;
}
