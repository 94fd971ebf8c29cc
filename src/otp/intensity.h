/*
 * How often a supervisor has restarted lately: the times of the restarts within its period, oldest first, in a ring on
 * the process's heap. It grows to what is needed and never beyond `max`, so that a generous limit costs nothing.
 */
#ifndef OTP_INTENSITY_H
#define OTP_INTENSITY_H

/* IWYU pragma: begin_exports */
#include <anqa/base.h>
/* IWYU pragma: end_exports */

struct intensity {
    uint32_t max, period_ms;
    uint32_t first, count, size;
    uint64_t *times; /* of anqa_now_ms */
};

/* As a spec says it: zeroes stand for Elixir's 3 in 5 seconds. */
void intensity_init(struct intensity *intensity, uint32_t max_restarts, uint32_t max_seconds);
/* One more restart now. False: that is one too many. Context: process. */
bool intensity_add(struct intensity *intensity);

#endif
