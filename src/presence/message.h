/*
 * What trackers say to each other, as JSON:
 *
 *     replica  "name",started,nonce
 *     clock    [replica, clock]
 *     entry    [tag,pid,"topic","key",{meta}]
 *     section  [replica, since, clock, after, to, [gone,...], [entry,...]]
 *     message  [replica of the sender, [clock,...], [section,...]]
 *
 *     beat  I live; these are the clocks of all that I see; this is what I have changed. To all.
 *     ask   of those replicas, send me what came after these clocks. To one.
 *     give  that. To one, or, behind a beat that did not hold all, to all.
 *     bye   I end, and do not come back. To all.
 *
 * Reading checks all that is not JSON's own: kinds, lengths, numbers, orders; so it takes text that has been checked as JSON.
 */
#ifndef PRESENCE_MESSAGE_H
#define PRESENCE_MESSAGE_H

/* IWYU pragma: begin_exports */
#include "presence/state.h"
/* IWYU pragma: end_exports */

#define MESSAGE_SECTIONS_MAX PRESENCE_REPLICAS_MAX

struct replica_clock {
    struct replica_id id;
    uint64_t clock;
};

struct message {
    struct replica_id from;
    const struct replica_clock *clocks;
    size_t clocks_count;
    const struct section *sections;
    size_t sections_count;
};

/* Lives as long as the arena. Fails: E_NOMEM. */
anqa_status message_write(
    anqa_arena *arena, const struct message *message, anqa_json *ret_json) ANQA_MUST_CHECK;

/* Strings borrow the text, or lie in the arena. Fails: E_PARSE, E_LIMIT (more than there may be), E_NOMEM; err says what. */
anqa_status message_read(anqa_arena *arena, anqa_json json, struct message *ret_message,
    anqa_error *err) ANQA_MUST_CHECK;

#endif
