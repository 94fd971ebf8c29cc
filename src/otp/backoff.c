/* Waits that grow, with jitter. */
#include <anqa/backoff.h>

#include "runtime/sched.h"

#define FACTOR 2u

static uint32_t max_of(const anqa_backoff *backoff)
{
    return backoff->max_ms != 0 ? backoff->max_ms : ANQA_BACKOFF_MAX_MS;
}

anqa_status anqa_backoff_check(const anqa_backoff *backoff, anqa_error *err)
{
    if (backoff->jitter > ANQA_JITTER_NONE)
        return anqa_fail(err, ANQA_E_INVALID, ".backoff.jitter is none of the three");
    if (backoff->first_ms > max_of(backoff))
        return anqa_fail(err, ANQA_E_INVALID,
            ".backoff.first_ms is %u, longer than .backoff.max_ms, which is %u", backoff->first_ms,
            max_of(backoff));
    return ANQA_OK;
}

static uint64_t whole_wait(const anqa_backoff *backoff, uint32_t failures)
{
    uint64_t factor = backoff->factor != 0 ? backoff->factor : FACTOR, wait = backoff->first_ms,
             max = max_of(backoff);

    if (factor == 1)
        return wait;
    for (uint32_t i = 1; i < failures && wait < max; i++)
        wait *= factor;
    return wait < max ? wait : max;
}

uint32_t anqa_backoff_ms(const anqa_backoff *backoff, uint32_t failures)
{
    struct sched *s;
    uint64_t wait, fixed;

    if (backoff->first_ms == 0 || failures == 0)
        return 0;
    wait = whole_wait(backoff, failures);
    if (backoff->jitter == ANQA_JITTER_NONE)
        return (uint32_t)wait;
    (void)proc_self(&s);
    fixed = backoff->jitter == ANQA_JITTER_EQUAL ? wait / 2 : 0;
    return (uint32_t)(fixed + 1 + sched_random(s) % (wait - fixed));
}
