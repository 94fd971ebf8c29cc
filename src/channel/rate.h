/*
 * Token buckets: how many messages and bytes a client may send. A bucket fills by its rate, up to its burst; a message is taken if both
 * buckets hold enough for it, and then emptied by that much. Counted in thousandths, so that a millisecond at one a second
 * counts.
 */
#ifndef CHANNEL_RATE_H
#define CHANNEL_RATE_H

#include <anqa/channel.h>

struct rate {
    uint64_t filled_ms;       /* when they were filled last */
    uint64_t messages, bytes; /* what is in them */
};

static inline bool rate_is_limited(const anqa_rate_limit *limit)
{
    return limit->messages_per_s != 0 || limit->bytes_per_s != 0;
}

static inline uint64_t rate_most(uint32_t per_s, uint32_t burst)
{
    return (uint64_t)(burst == 0 ? per_s : burst) * 1000;
}

static inline void rate_init(struct rate *rate, const anqa_rate_limit *limit, uint64_t now_ms)
{
    rate->filled_ms = now_ms;
    rate->messages = rate_most(limit->messages_per_s, limit->messages_burst);
    rate->bytes = rate_most(limit->bytes_per_s, limit->bytes_burst);
}

static inline void rate_fill(uint64_t *level, uint32_t per_s, uint32_t burst, uint64_t passed_ms)
{
    uint64_t most = rate_most(per_s, burst), room = most - *level;

    if (per_s != 0)
        *level = passed_ms >= room / per_s + 1 ? most : *level + passed_ms * per_s;
}

/* Whether a message of `bytes` may pass, and counts it if so. */
static inline bool rate_take(
    struct rate *rate, const anqa_rate_limit *limit, size_t bytes, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms > rate->filled_ms ? now_ms - rate->filled_ms : 0;
    uint64_t cost = (uint64_t)bytes * 1000;

    rate_fill(&rate->messages, limit->messages_per_s, limit->messages_burst, passed_ms);
    rate_fill(&rate->bytes, limit->bytes_per_s, limit->bytes_burst, passed_ms);
    rate->filled_ms += passed_ms;
    if ((limit->messages_per_s != 0 && rate->messages < 1000) ||
        (limit->bytes_per_s != 0 && rate->bytes < cost))
        return false;
    if (limit->messages_per_s != 0)
        rate->messages -= 1000;
    if (limit->bytes_per_s != 0)
        rate->bytes -= cost;
    return true;
}

#endif
