/*
 * Changes of a topic as the payload of "presence_diff". Long ones come in pieces, each of them a whole diff: a key's joins and
 * leaves stand together, unless they alone are too long.
 */
#ifndef PRESENCE_DIFF_H
#define PRESENCE_DIFF_H

/* IWYU pragma: begin_exports */
#include "presence/state.h"
/* IWYU pragma: end_exports */

#define DIFF_BYTES_MAX ((size_t)64 << 10)

/* Calls fn for each piece, which lives as long as the event. In a process. */
void diff_each(
    const struct presence_topic *topic, void (*fn)(void *arg, anqa_json diff), void *arg);

/* {"joins":...,"leaves":...} in the event's memory. */
anqa_json diff_of(anqa_json joins, anqa_json leaves);

#endif
