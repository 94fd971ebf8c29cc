/*
 * How trackers of several nodes come to agree: when what is said to whom. Time and transport are the caller's: it
 * calls replication_tick now and then and replication_receive with what has come, says how late it is, and sends what it is given. While it
 * cannot take what comes it says so (`deaf`): then a tick changes nothing of what is known of others.
 *
 * All is allowed to happen to messages: they may be lost, doubled, late, and come in any order. What is lost is seen by the
 * clocks in the next beat, and asked for.
 *
 * Other replicas are known by their beats alone, never by what others tell of them; so what was forgotten stays so, and comes back only with its
 * owner. One that is silent for the down period is hidden; for the permdown period, forgotten, and sooner if there are
 * PRESENCE_REPLICAS_MAX and one more comes. A later life of a node takes
 * the place of the one before at once. Which of two is the later one, their clocks of the day say; if those were set back meanwhile, the new life
 * is believed when the old one has been silent for the down period: until then it may be the one whose messages are late.
 */
#ifndef PRESENCE_REPLICATION_H
#define PRESENCE_REPLICATION_H

/* IWYU pragma: begin_exports */
#include "presence/message.h"
/* IWYU pragma: end_exports */

enum message_kind { MESSAGE_BEAT, MESSAGE_ASK, MESSAGE_GIVE, MESSAGE_BYE, MESSAGE_KINDS };

/* "beat" and so on; NULL where it is none. */
extern const char *const message_kind_names[MESSAGE_KINDS];
bool message_kind_of(anqa_str name, enum message_kind *ret_kind);

/* Milliseconds, and ticks. Zero stands for the default of Phoenix.Tracker. */
struct replication_times {
    uint32_t period_ms;      /* 1,500: how often replication_tick is called */
    uint32_t silent_periods; /* 10: a beat without changes */
    uint32_t down_ms;        /* period * silent periods * 2 */
    uint32_t permdown_ms;    /* 1,200,000 */
};

struct replication {
    struct presence_state *state;
    struct replication_times times;
    /* to: the name of a node; NULL: all others. What is lost is lost. */
    void (*send)(void *arg, const anqa_str *to, enum message_kind kind, anqa_json message);
    void *arg;
    uint64_t sent_clock; /* what the others were told of last */
    uint32_t silent;     /* ticks since */
    /* What came was not taken, so nobody counts as silent until the next tick, which takes this back. */
    bool deaf;
};

/* `send` and `arg` are still to be set. Fails: E_INVALID, when the times do not go together; err says why. */
anqa_status replication_init(struct replication *r, struct presence_state *state,
    const struct replication_times *times, anqa_error *err) ANQA_MUST_CHECK;

/* One turn: notes who is silent, tells what has changed. Fails: E_NOMEM; the next turn does what this one did not. */
anqa_status replication_tick(struct replication *r, uint64_t now_ms);

/* message: JSON that was checked. Fails: E_PARSE, E_LIMIT (the message, or what its replica may have), E_NOMEM; err says why. */
anqa_status replication_receive(struct replication *r, uint64_t now_ms, enum message_kind kind,
    anqa_json message, anqa_error *err);

/* Tells all that this replica ends for good. */
void replication_bye(struct replication *r);

#endif
