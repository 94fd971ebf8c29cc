/* Attempts until one succeeds. */
#include "otp/retry.h"

#include <anqa/process.h>
#include <anqa/telemetry.h>

#define ATTEMPTS 3u
#define FIRST_MS 100u

ANQA_TELEMETRY_DEFINE(retry_again, "anqa.retry.again");

bool status_is_on(anqa_status status, const anqa_status *on)
{
    static const anqa_status may_pass[] = {ANQA_E_NOMEM, ANQA_E_NOPROC, ANQA_E_TIMEOUT,
        ANQA_E_LIMIT, ANQA_E_FULL, ANQA_E_IO, ANQA_E_CLOSED, ANQA_E_REFUSED, ANQA_E_IN_USE,
        ANQA_E_DIED, ANQA_E_STOPPED, ANQA_OK};

    for (on = on != NULL ? on : may_pass; *on != ANQA_OK; on++)
        if (*on == status)
            return true;
    return false;
}

anqa_status anqa_retry(
    const anqa_retry_opts *opts, anqa_attempt attempt, void *arg, anqa_error *err)
{
    static const anqa_retry_opts defaults;
    anqa_backoff backoff;
    uint32_t attempts;
    uint64_t begin = anqa_now_ms();

    if (opts == NULL)
        opts = &defaults;
    attempts = opts->attempts != 0 ? opts->attempts : ATTEMPTS;
    backoff = opts->backoff;
    if (backoff.first_ms == 0)
        backoff.first_ms = FIRST_MS;
    for (uint32_t count = 1;; count++) {
        anqa_status status = attempt(arg, err);
        uint32_t wait_ms;
        if (count == attempts || !status_is_on(status, opts->on))
            return status;
        wait_ms = anqa_backoff_ms(&backoff, count);
        if (opts->deadline_ms != 0 && anqa_now_ms() - begin + wait_ms > opts->deadline_ms)
            return status;
        ANQA_EMIT(retry_again,
            (anqa_field_uint("attempt", count), anqa_field_uint("wait_ms", wait_ms)),
            (anqa_field_text("status", anqa_status_name(status))));
        anqa_sleep(wait_ms);
    }
}
