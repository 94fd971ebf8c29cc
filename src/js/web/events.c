/* Tasks: what is to run in a turn of its own. And the time since the process has started. */
#include <time.h>

#include "js/convert.h"
#include "runtime/sched.h"
#include "js/web/web.h"

/* Something for the function that web.source() knows as that number. False: not now, use a timer. */
static uint64_t op_task(struct js *js, const uint64_t *args)
{
    anqa_value_writer writer;
    anqa_value value;
    double id = 0;

    if (js->loading || !convert_number(args[0], &id) || id < 0 || id > UINT32_MAX)
        return JS_FALSE;
    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_put_undefined(&writer);
    return anqa_value_done(&writer, &value) == ANQA_OK &&
                   web_post(js, anqa_self(), (uint32_t)id, value) == ANQA_OK
               ? JS_TRUE
               : JS_FALSE;
}

/* Tenths of milliseconds: what is finer would tell a script about others. In deterministic runs the clock is the runtime's. */
static uint64_t tenths(clockid_t clock)
{
    struct timespec now;

    if (sched_self->deterministic)
        return anqa_now_ms() * 10;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 10000 + (uint64_t)now.tv_nsec / 100000;
}

void web_start_clock(struct js *js)
{
    js->started = tenths(CLOCK_MONOTONIC);
    js->started_wall = tenths(CLOCK_REALTIME);
}

/* While an image is made clocks stand at 0, see image.h. */
static uint64_t op_now(struct js *js, const uint64_t *args)
{
    if (js->loading)
        return convert_double(0);
    return convert_double((double)(tenths(CLOCK_MONOTONIC) - js->started) / 10);
}

static uint64_t op_origin(struct js *js, const uint64_t *args)
{
    return convert_double(js->loading ? 0 : (double)js->started_wall / 10);
}

const struct js_op web_events_ops[] = {{op_task, true}, {op_now, true}, {op_origin, true}, {0}};
