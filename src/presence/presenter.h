/*
 * How diffs reach the clients: at once, or, where the application has a say in them, in order through a process of its own
 * beside the shard, one diff after the other. That process may take its time, and may crash: diffs wait meanwhile, and are
 * told as they are when it does not come back.
 *
 * Where PubSub has no room for a diff the presenter is *stuck*: that one and those behind it wait, and are told again to those who have not
 * got them. Its owner then keeps further changes, of which much cancels out, in the state.
 */
#ifndef PRESENCE_PRESENTER_H
#define PRESENCE_PRESENTER_H

/* IWYU pragma: begin_exports */
#include <anqa/presence.h>

#include "base/list.h"
/* IWYU pragma: end_exports */

#define DIFFS_MAX 256u /* that wait for the application */
#define PRESENTER_RETRY_MS 20u

struct presenter {
    const anqa_presence *spec;
    /* The text of a topic's list, for handle_metas; in the event's memory. */
    anqa_json (*list)(void *arg, anqa_str topic);
    void *arg;
    anqa_pid pid;  /* nobody: it is not running */
    anqa_ref busy; /* with the first of those that wait */
    struct anqa_list waiting;
    unsigned count;
    bool stuck; /* the first of them could not be told */
};

void presenter_init(struct presenter *presenter, const anqa_presence *spec,
    anqa_json (*list)(void *arg, anqa_str topic), void *arg);
/* Frees what waits; its process is linked and ends by itself. */
void presenter_done(struct presenter *presenter);

/* Tells a diff, now or in its turn. Not to be called for another topic while it is stuck. */
void presenter_tell(struct presenter *presenter, anqa_str topic, anqa_json diff);

/* Tries to go on, if it is stuck. */
bool presenter_is_stuck(struct presenter *presenter);

/* Whether a message is the answer of its process, or its end; then it has been seen to. */
bool presenter_takes(struct presenter *presenter, const anqa_msg *msg);

#endif
