/* What events cost that nobody listens to: points without a handler and log calls below the level, against the loop
 * without them; and what they cost when somebody does. */
#include "bench.h"

#include "telemetry/log.h"

#include <anqa/telemetry.h>

ANQA_TELEMETRY_DEFINE(bench_point, "bench.point");

/* Some work that is not nothing, so that the branch has something to hide behind, as in real code. */
static inline uint64_t work(uint64_t value)
{
    value ^= value << 13;
    value ^= value >> 7;
    return value ^ value << 17;
}

static void run_work(struct bench *b, uint64_t ops)
{
    uint64_t value = 88172645463325252u;

    for (uint64_t i = 0; i < ops; i++) {
        value = work(value);
        __asm__ volatile("" ::
                : "memory"); /* as the other loops: nothing is kept over an operation */
    }
    bench_keep(value);
}

static void run_emit(struct bench *b, uint64_t ops)
{
    uint64_t value = 88172645463325252u;

    for (uint64_t i = 0; i < ops; i++) {
        value = work(value);
        __asm__ volatile("" ::: "memory");
        ANQA_EMIT(
            bench_point, (anqa_field_uint("value", value)), (anqa_field_text("room", "lobby")));
    }
    bench_keep(value);
}

static void run_log(struct bench *b, uint64_t ops)
{
    uint64_t value = 88172645463325252u;

    for (uint64_t i = 0; i < ops; i++) {
        value = work(value);
        __asm__ volatile("" ::: "memory");
        anqa_log(
            ANQA_DEBUG, "bench.event", "value=%llu room=%s", (unsigned long long)value, "lobby");
    }
    bench_keep(value);
}

static void listen(void *ctx, const anqa_telemetry_event *event)
{
    *(uint64_t *)ctx += event->measurements[0].as.u;
}

static bool attach(struct bench *b)
{
    static uint64_t sum;

    return anqa_telemetry_attach(&(anqa_telemetry_handler){
               .id = "bench", .pattern = "bench.*", .run = listen, .ctx = &sum}) == ANQA_OK;
}

static void detach(struct bench *b)
{
    if (anqa_telemetry_detach("bench") != ANQA_OK)
        bench_fail("the handler is gone");
}

static void ignore(void *ctx, const anqa_log_event *event)
{
}

static bool start_logger(struct bench *b)
{
    anqa_log_set_sink(ignore, NULL);
    anqa_log_set_burst(0, 1);
    return log_thread_start(NULL) == ANQA_OK;
}

static void stop_logger(struct bench *b)
{
    log_thread_stop(ANQA_INFINITY);
}

/* Written or dropped: the caller must not feel a difference. */
static void run_log_written(struct bench *b, uint64_t ops)
{
    for (uint64_t i = 0; i < ops; i++)
        anqa_log(ANQA_NOTICE, "bench.event", "value=%llu room=%s", (unsigned long long)i, "lobby");
}

const struct bench_area bench_area = {
    .name = "telemetry",
    .cases =
        (const struct bench_case[]){
            {.name = "work", .unit = "ns", .run = run_work},
            {.name = "work_and_unattached_emit", .unit = "ns", .against = "work", .run = run_emit},
            {.name = "work_and_log_below_level", .unit = "ns", .against = "work", .run = run_log},
            {.name = "work_and_attached_emit",
                .unit = "ns",
                .against = "work",
                .setup = attach,
                .run = run_emit,
                .teardown = detach},
            {.name = "log_call",
                .unit = "ns",
                .setup = start_logger,
                .run = run_log_written,
                .teardown = stop_logger},
            {0},
        },
};
