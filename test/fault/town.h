/*
 * A town to crash processes in: keepers that restart what ends, each with a hundred citizens (10,000 in all), and hops,
 * numbered messages that go from each citizen to the next one all the time, on two schedulers.
 *
 * While citizens end by the hundred, nobody else may miss a message: who hears from the same sender again must hear the
 * next number. In the end everything that is counted (processes, messages, heap bytes, stacks, open files) is what it
 * was before the first one ended.
 */
#ifndef TOWN_H
#define TOWN_H

#include <anqa/process.h>

struct ending {
    void (*run)(void);       /* called by a citizen, in the middle of its work; does not return */
    void (*terminate)(void); /* called by its `terminate`; may be NULL */
    anqa_reason_kind reason; /* what its keeper must be told */
    const char *text;        /* a part of the reason's text; NULL: any */
    bool contained;          /* counts as a contained fault */
    bool killed;             /* `run` waits for ever: it is killed then */
    size_t heap_quota;
};

/* Ends 1,000 random citizens that way, 50 when the build is slow, and checks all of the above. Returns how many. */
uint64_t town_suffers(const struct ending *ending);

#endif
