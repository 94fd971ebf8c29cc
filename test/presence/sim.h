/*
 * Several trackers in one thread, over a network that is as bad as one likes, with clocks of their own. What each node
 * reports (joins and leaves) is mirrored, so that it must agree with what it lists.
 */
#ifndef TEST_PRESENCE_SIM_H
#define TEST_PRESENCE_SIM_H

#include "harness.h"

#include "presence/replication.h"

#define SIM_NODES 5
#define SIM_REFS 40000u

struct sim_node {
    struct sim *sim;
    unsigned index;
    bool alive;
    struct presence_state state;
    struct replication replication;
    uint64_t wall_ms; /* added to the time of day */
    uint64_t mono_ms; /* added to the monotonic time */
    uint64_t next_tick;
    unsigned char shown[SIM_REFS]; /* metas that joins and leaves have left */
    unsigned char own[SIM_REFS];   /* what it has tracked */
    char name[4];
};

struct sim_message;

struct sim {
    unsigned count;
    bool
        lazy; /* changes are looked at now and then, by a client that may have begun with a list meanwhile */
    uint64_t now_ms;
    unsigned ref;         /* the last one */
    unsigned loss, twice; /* percent */
    unsigned late_ms;     /* at most */
    bool cut[SIM_NODES][SIM_NODES];
    struct sim_message *messages;
    size_t messages_count, messages_capacity;
    size_t sent, sent_bytes;
    struct replication_times times;
    struct presence_limits limits;
    struct sim_node nodes[SIM_NODES];
};

struct sim *sim_begin(unsigned count);
void sim_end(struct sim *sim);

/* Ends a node without a word. */
void sim_crash(struct sim *sim, unsigned node);
/* Starts its next life. */
void sim_start(struct sim *sim, unsigned node);

/* Lets time pass: who is due has his turn, what is due arrives. */
void sim_run(struct sim *sim, uint64_t ms);

/* Cuts the nodes of `mask` off from the others, or heals (0). */
void sim_split(struct sim *sim, unsigned mask);

/* Own operations. The meta holds a new reference, which is returned. 0: refused. */
unsigned sim_join(struct sim *sim, unsigned node, uint64_t pid, const char *topic, const char *key);
unsigned sim_update(
    struct sim *sim, unsigned node, uint64_t pid, const char *topic, const char *key);
void sim_leave(struct sim *sim, unsigned node, uint64_t pid, const char *topic, const char *key);
void sim_leave_all(struct sim *sim, unsigned node, uint64_t pid);

/* Takes what has changed into the mirror; done by all of the above. */
void sim_flush(struct sim *sim, unsigned node);

/* Whether a node shows a reference: by its list and its mirror, which must agree. */
bool sim_shows(struct sim *sim, unsigned node, unsigned ref);
/* How many references it shows. */
unsigned sim_shown(struct sim *sim, unsigned node);
/* Every node that lives shows exactly what all nodes that live have tracked. */
void sim_check_agreement(struct sim *sim);

#endif
