/* Measures the runtime now and then, and emits what it has found. */
#include <anqa/introspect.h>
#include <anqa/memory.h>
#include <anqa/metrics.h>

#define STANDARD_MS 5000u

ANQA_TELEMETRY_DEFINE(vm_memory, "anqa.vm.memory");
ANQA_TELEMETRY_DEFINE(vm_run_queue, "anqa.vm.run_queue");
ANQA_TELEMETRY_DEFINE(vm_counts, "anqa.vm.counts");
ANQA_TELEMETRY_DEFINE(vm_scheduler, "anqa.vm.scheduler");

static const char poll_tag[] = "$poll";

/* owner: process. The last two looks, in turn. */
struct poller {
    uint32_t every_ms;
    unsigned now;
    anqa_system_info looks[2];
};

static anqa_next poller_init(void *state, const void *arg)
{
    struct poller *poller = state;

    poller->every_ms = *(const uint32_t *)arg == 0 ? STANDARD_MS : *(const uint32_t *)arg;
    anqa_system_info_get(&poller->looks[poller->now]);
    (void)anqa_send_every(anqa_self(), poll_tag, poller->every_ms);
    return anqa_noreply();
}

static void emit_schedulers(const anqa_system_info *before, const anqa_system_info *now)
{
    uint64_t total = 0;

    for (uint16_t i = 0; i < now->scheduler_count; i++) {
        total += now->schedulers[i].run_queue;
        ANQA_EMIT(vm_scheduler,
            (anqa_field_double("busy", anqa_system_busy(before, now, i)),
                anqa_field_uint("run_queue", now->schedulers[i].run_queue)),
            (anqa_field_uint("scheduler", i + 1u)));
    }
    ANQA_EMIT(vm_run_queue, (anqa_field_uint("total", total)), ());
}

static anqa_next poller_poll(void *state, anqa_msg *msg)
{
    struct poller *poller = state;
    const anqa_system_info *before = &poller->looks[poller->now];
    anqa_system_info *now = &poller->looks[1 - poller->now];

    anqa_system_info_get(now);
    ANQA_EMIT(vm_memory,
        (anqa_field_uint("heap", now->heap_bytes), anqa_field_uint("blocks", now->block_bytes),
            anqa_field_uint("stacks", now->stack_bytes),
            anqa_field_uint("resident", now->resident_bytes)),
        ());
    ANQA_EMIT(vm_counts,
        (anqa_field_uint("processes", now->processes), anqa_field_uint("names", now->names),
            anqa_field_uint("timers", now->timers), anqa_field_uint("messages", now->messages)),
        ());
    emit_schedulers(before, now);
    poller->now = 1 - poller->now;
    return anqa_noreply();
}

const anqa_gen_server anqa_vm_poller = {.name = "anqa_vm_poller",
    .state_size = sizeof(struct poller),
    .arg_size = sizeof(uint32_t),
    .init = poller_init,
    .handle_info = (const anqa_handler[]){{poll_tag, poller_poll}, {0}}};
