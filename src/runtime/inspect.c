#include "runtime/inspect.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "runtime/sched.h"

static_assert(ANQA_LABEL_SIZE == LABEL_SIZE, "labels are copied whole");
static_assert(ANQA_SCHEDULERS_MAX == SCHED_MAX, "there is room for all schedulers");

/* ---------------------------------------------------------------- processes */

static bool lives(const struct proc *p, anqa_pid pid)
{
    /* acquire: it has been spawned to its end, and what is read next is of this life or of a later one. In this order: a
     * slot is closed before its generation moves on. Pairs with proc_spawn and proc_reset. */
    return atomic_load_explicit(&p->generation, memory_order_acquire) == pid_generation(pid) &&
           atomic_load_explicit(&p->in, memory_order_acquire) != IN_CLOSED;
}

static void look_at_mailbox(const struct proc *p, anqa_process_info *info)
{
    info->mailbox = proc_mailbox_length(p);
    info->handled = atomic_load_explicit(&p->mail, memory_order_relaxed) >> MAIL_LENGTH;
}

static void look_at_table(const anqa_rt *rt, size_t slot, struct look *look)
{
    const struct face *face = &rt->faces[slot];
    const struct face_memory *memory = &rt->memories[slot];
    uint64_t relations = atomic_load_explicit(&face->relations, memory_order_acquire),
             mask = FACE_MONITOR - 1;
    uint64_t quota = atomic_load_explicit(&memory->quota, memory_order_acquire);

    look->spec = atomic_load_explicit(&face->spec, memory_order_acquire);
    look->info.links = (uint32_t)(relations & mask);
    look->info.monitors = (uint32_t)(relations >> FACE_BITS & mask);
    look->info.monitored_by = (uint32_t)(relations >> 2 * FACE_BITS & mask);
    look->info.memory =
        (uint64_t)atomic_load_explicit(&memory->held, memory_order_acquire) * FACE_UNIT;
    look->info.quota = quota != 0 ? quota * FACE_UNIT : rt->options.heap_quota;
}

/* True: it runs on that scheduler. */
static bool look_at_scheduler(
    const anqa_rt *rt, const struct proc *p, uint8_t where, anqa_process_info *info)
{
    const struct sched *s = &rt->scheds[where];

    /* acquire: whose activity it is. Relaxed would do: it is a glance. */
    if (atomic_load_explicit(&s->activity, memory_order_acquire) % 2 == 0 ||
        atomic_load_explicit(&s->activity_slot, memory_order_relaxed) != (uint32_t)(p - rt->slots))
        return false;
    info->status = ANQA_PROCESS_RUNNING;
    info->handling = atomic_load_explicit(&s->activity_tag, memory_order_relaxed);
    return true;
}

/* A function that waits for any message is between two of them. */
static void look_at_wait(const anqa_rt *rt, const struct stack *stack, anqa_process_info *info)
{
    uint64_t wait = atomic_load_explicit(&stack->shown_wait, memory_order_relaxed);

    info->status = (anqa_process_status)(wait & 0xff);
    if (wait >> 8 != 0)
        info->waits_for.bits = (uint64_t)rt->node << 56 | wait >> 8;
    if (info->status != ANQA_PROCESS_RECEIVE || info->kind == NULL)
        info->handling = atomic_load_explicit(&stack->shown_tag, memory_order_relaxed);
}

static void look_at_thread(const anqa_rt *rt, uint8_t where, anqa_process_info *info)
{
    const struct attached *place = &rt->attached[where - SCHED_ATTACHED];

    info->status = atomic_load_explicit(&place->sleeping, memory_order_relaxed) != 0
                       ? ANQA_PROCESS_RECEIVE
                       : ANQA_PROCESS_RUNNING;
}

static void look_at_status(const anqa_rt *rt, const struct proc *p, anqa_process_info *info)
{
    uint8_t where = atomic_load_explicit(&p->sched, memory_order_relaxed);
    const struct stack *stack;

    if (where >= SCHED_ATTACHED) {
        look_at_thread(rt, where, info);
        return;
    }
    info->scheduler = where + 1;
    if (look_at_scheduler(rt, p, where, info))
        return;
    stack = atomic_load_explicit(&p->stack, memory_order_acquire); /* pairs with suspend */
    if (stack != NULL)
        look_at_wait(rt, stack, info);
    else
        info->status = atomic_load_explicit(&p->in, memory_order_relaxed) == IN_IDLE
                           ? ANQA_PROCESS_IDLE
                           : ANQA_PROCESS_RUNNABLE;
}

/* `behaviour` may be another life's, until that is checked. */
static void look_at_kind(const struct proc *p, struct look *look)
{
    switch ((enum proc_shape)atomic_load_explicit(&p->shape, memory_order_acquire)) {
    case PROC_SHAPE_RUN: look->info.kind = "run"; return;
    case PROC_SHAPE_THREAD: look->info.kind = "thread"; return;
    case PROC_SHAPE_BEHAVIOUR:
        look->behaviour = atomic_load_explicit(&p->code.behaviour, memory_order_acquire);
        return;
    }
}

bool proc_look(const anqa_rt *rt, anqa_pid pid, struct look *ret_look)
{
    const struct proc *p = proc_slot(rt, pid);
    struct lineage *lineage;

    if (p == NULL || !lives(p, pid))
        return false;
    memset(ret_look, 0, sizeof *ret_look);
    ret_look->info.pid = pid;
    (void)proc_label(rt, pid, ret_look->info.label);
    look_at_kind(p, ret_look);
    look_at_mailbox(p, &ret_look->info);
    look_at_table(rt, pid_slot(pid), ret_look);
    look_at_status(rt, p, &ret_look->info);
    ret_look->info.priority =
        (anqa_priority)atomic_load_explicit(&p->priority, memory_order_acquire);
    lineage = atomic_load_explicit(&p->lineage, memory_order_acquire);
    if (lineage != NULL)
        ret_look->info.parent.bits = atomic_load_explicit(&lineage->pid, memory_order_acquire);
    if (!lives(p, pid))
        return false;
    if (ret_look->behaviour != NULL)
        ret_look->info.kind =
            ret_look->behaviour->name == NULL ? "behaviour" : ret_look->behaviour->name;
    return true;
}

anqa_pid look_at_slot(const anqa_rt *rt, uint32_t slot)
{
    const struct proc *p = &rt->slots[slot];
    anqa_pid pid = proc_pid(rt, p);

    return pid_generation(pid) != 0 && lives(p, pid) ? pid : (anqa_pid){0};
}

uint32_t look_slots(const anqa_rt *rt)
{
    return atomic_load_explicit(&rt->slots_used, memory_order_relaxed);
}

const char *anqa_process_status_text(anqa_process_status status)
{
#define X(name, text) text,
    static const char *const texts[] = {ANQA_PROCESS_STATUS_MAP(X)};
#undef X

    return (unsigned)status < ANQA_COUNT(texts) ? texts[status] : "unknown";
}

/* ---------------------------------------------------------------- the system */

static double ns_per_tick(const anqa_rt *rt, uint64_t now_ns)
{
    uint64_t passed = ticks() - rt->started_ticks;

    return passed == 0 ? 0 : (double)(now_ns - rt->started_ns) / (double)passed;
}

static uint32_t private_queues(const struct sched *s)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < ANQA_COUNT(s->queues); i++)
        count += queue_count(&s->queues[i]);
    return count;
}

static void look_at_one(
    const anqa_rt *rt, const struct sched *s, double tick_ns, anqa_scheduler_info *ret_info)
{
    uint64_t since = atomic_load_explicit(&s->idle_since, memory_order_relaxed),
             idle = atomic_load_explicit(&s->idle_ticks, memory_order_relaxed), now = ticks(),
             activity = atomic_load_explicit(&s->activity, memory_order_relaxed);
    uint32_t slot = atomic_load_explicit(&s->activity_slot, memory_order_relaxed),
             ring_head = atomic_load_explicit(&s->ring_head, memory_order_acquire); /* the older */

    if (since != 0 && now > since)
        idle += now - since;
    *ret_info = (anqa_scheduler_info){
        .run_queue = atomic_load_explicit(&s->ring_tail, memory_order_relaxed) - ring_head +
                     private_queues(s),
        .asleep = atomic_load_explicit(&s->sleeping, memory_order_relaxed) != 0,
        .idle_ns = (uint64_t)((double)idle * tick_ns),
        .activations = activity / 2,
        .steals = atomic_load_explicit(&s->counters.steals, memory_order_relaxed),
    };
    if (activity % 2 == 0)
        return;
    ret_info->current = proc_pid(rt, &rt->slots[slot]);
    ret_info->handling = atomic_load_explicit(&s->activity_tag, memory_order_relaxed);
}

/* 0: the system does not say. */
static uint64_t resident_bytes(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n;
    char *second;

    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n < 0 ? 0 : n] = '\0';
    second = strchr(text, ' ');
    return second == NULL ? 0 : strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void look_at_system(anqa_rt *rt, anqa_system_info *ret_info)
{
    uint64_t now_ns = clock_mono_ns();
    double tick_ns = ns_per_tick(rt, now_ns);
    anqa_rt_stats stats;

    anqa_rt_get_stats(rt, &stats);
    *ret_info = (anqa_system_info){
        .uptime_ns = now_ns - rt->started_ns,
        .scheduler_count = rt->sched_count,
        .processes = stats.processes,
        .process_limit = rt->options.max_processes,
        .spawned = stats.spawned,
        .exited = stats.exited,
        .zombies = stats.zombies,
        .waiting = stats.stacks,
        .faults = stats.contained,
        .tainted = stats.tainted,
        .timers = stats.timers,
        .messages = stats.messages,
        .heap_bytes = stats.heap_bytes,
        .block_bytes = block_depot_bytes(&rt->depot),
        .stack_bytes = stack_pool_bytes(rt->stacks) + stack_pool_bytes(rt->deep_stacks),
        .resident_bytes = resident_bytes(),
    };
    for (uint16_t i = 0; i < rt->sched_count; i++)
        look_at_one(rt, &rt->scheds[i], tick_ns, &ret_info->schedulers[i]);
}
