/* Starting and stopping a runtime, attached threads, reclamation, interned tags. */
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <anqa/log.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/siphash.h"
#include "runtime/deep.h"
#include "runtime/fault.h"
#include "runtime/memory.h"
#include "runtime/poller.h"
#include "runtime/sched.h"
#include "runtime/watchdog.h"
#include "runtime/worker.h"
#include "telemetry/log.h"

#define LOG_STOP_MS 1000
#define STACK_SIZE_MAX (1u << 30)
#define HEAP_QUOTA_MIN 16384u
#define REFS_PER_MAKER ((uint64_t)1 << 56)

/* ---------------------------------------------------------------- schedulers */

/* Not zero. */
static uint64_t random_begin(const anqa_rt *rt, const struct sched *s)
{
    uint64_t from[] = {(uintptr_t)s, clock_mono_ns()};

    if (rt->options.deterministic)
        return rt->options.seed * 2654435769u + 88172645463325252u;
    return siphash(from, sizeof from, siphash_boot_key()) | 1;
}

void sched_init(struct sched *s, anqa_rt *rt, uint16_t index)
{
    s->rt = rt;
    s->index = index;
    s->deterministic = rt->options.deterministic;
    s->wake_fd = -1;
    s->now_ms = rt->options.deterministic ? rt->fake_now_ms : clock_mono_ms();
    s->random = random_begin(rt, s);
    atomic_init(&s->quiescent, UINT64_MAX);
    block_cache_init(&s->blocks, &rt->depot);
    stack_cache_init(&s->stacks, rt->stacks);
    stack_cache_init(&s->deep_stacks, rt->deep_stacks);
    timers_init(s);
}

/* References are made without locks: each maker has a range of its own, which 2^56 of them do not use up. */
static void refs_init(struct sched *s, uint64_t maker)
{
    s->next_ref = REF_BIT | maker * REFS_PER_MAKER | 1;
}

/* What a scheduler needs of its thread. */
static anqa_status thread_open(struct sched *s, anqa_error *err)
{
    if (stack_native_init(&s->native) != ANQA_OK)
        return anqa_fail(err, ANQA_E_NOMEM, "the stack of scheduler thread %u", s->index);
    s->spare = stack_take(&s->stacks);
    s->stack = stack_take(&s->stacks);
    if (s->stack == NULL || s->spare == NULL)
        return anqa_fail(err, ANQA_E_LIMIT,
            "the first two stacks of scheduler %u: option max_waiting", s->index);
    if (s->rt->faults && fault_thread_init(s) != ANQA_OK)
        return anqa_fail(err, ANQA_E_NOMEM, "the signal stack of scheduler %u", s->index);
    atomic_store_explicit(&s->quiescent, 0, memory_order_release);
    return ANQA_OK;
}

/* Copes with a thread_open that came only half-way. */
static void thread_close(struct sched *s)
{
    atomic_store_explicit(&s->quiescent, UINT64_MAX, memory_order_release);
    if (s->rt->faults)
        fault_thread_done(s);
    stack_put(&s->stacks, s->spare);
    s->spare = NULL;
    stack_native_done(&s->native);
}

struct start {
    struct sched *s;
    sem_t done;
    anqa_status status;
    anqa_error err;
};

static void *sched_main(void *arg)
{
    struct start *start = arg;
    struct sched *s = start->s;
    anqa_status status = thread_open(s, &start->err);

    sched_self = s;
    start->status = status;
    sem_post(&start->done); /* `start` is gone from here on */
    if (status == ANQA_OK)
        stack_start(&s->native, s->stack, sched_loop, s);
    else if (s->stack != NULL)
        stack_put(&s->stacks, s->stack);
    thread_close(s);
    sched_self = NULL;
    return NULL;
}

/* What a scheduler owns, once its thread is gone. */
static void sched_done(struct sched *s)
{
    if (s->rt == NULL)
        return;
    while (s->trash != NULL)
        trash_run(s, UINT32_MAX);
    timers_done(s);
    if (s->poller != NULL)
        poller_close(s);
    proc_slots_done(s);
    stack_cache_done(&s->stacks);
    stack_cache_done(&s->deep_stacks);
    block_cache_done(&s->blocks);
}

/* ---------------------------------------------------------------- options */

static uint16_t cores(void)
{
    cpu_set_t set;
    int count;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    count = CPU_COUNT(&set);
    return (uint16_t)(count < 1 ? 1 : count > SCHED_MAX ? SCHED_MAX : count);
}

static anqa_status options_check(const anqa_options *o, anqa_error *err)
{
    if (o->schedulers > SCHED_MAX)
        return anqa_fail(err, ANQA_E_RANGE, "schedulers is %u, at most %d are possible",
            o->schedulers, SCHED_MAX);
    if (o->max_processes > 0xffffff)
        return anqa_fail(err, ANQA_E_RANGE, "max_processes is %u, at most 16777215 are possible",
            o->max_processes);
    if (o->js_mapped > JS_MAPPED_MAX)
        return anqa_fail(err, ANQA_E_RANGE, "js_mapped is %u, at most %u are possible",
            o->js_mapped, JS_MAPPED_MAX);
    if (o->stack_size != 0 && (o->stack_size < 65536 || o->stack_size > STACK_SIZE_MAX))
        return anqa_fail(err, ANQA_E_RANGE,
            "stack_size is %zu bytes, from 65536 (64KB) to %u (1GB) are possible; 262144 (256KB) "
            "do for most",
            o->stack_size, STACK_SIZE_MAX);
    if (o->heap_quota != 0 && o->heap_quota < HEAP_QUOTA_MIN)
        return anqa_fail(err, ANQA_E_RANGE,
            "heap_quota is %zu bytes, 0 (no quota) or at least %u are possible: it bounds each "
            "process, those of Anqa too",
            o->heap_quota, HEAP_QUOTA_MIN);
    if (o->deterministic && o->schedulers > 1)
        return anqa_fail(err, ANQA_E_INVALID, "deterministic runs one scheduler, schedulers is %u",
            o->schedulers);
    return ANQA_OK;
}

static void options_default(anqa_options *o)
{
    if (o->deterministic)
        o->schedulers = 1;
    if (o->schedulers == 0)
        o->schedulers = cores();
    if (o->workers == 0)
        o->workers = 10;
    if (o->worker_queue == 0)
        o->worker_queue = 10000;
    if (o->max_processes == 0)
        o->max_processes = 1048576;
    if (o->js_mapped == 0)
        o->js_mapped = 10000;
    if (o->watchdog_ms == 0)
        o->watchdog_ms = 100;
    if (o->stop_timeout_ms == 0)
        o->stop_timeout_ms = 30000;
}

/* ---------------------------------------------------------------- start */

static void log_context_fill(struct log_context *context)
{
    const struct sched *s = sched_self;
    const struct proc *p = s == NULL ? NULL : s->current;

    if (p == NULL)
        return;
    context->pid = proc_pid(s->rt, p).bits;
    anqa_pid_text((anqa_pid){context->pid}, context->pid_text);
    context->label_len = proc_label(s->rt, proc_pid(s->rt, p), context->label);
    context->metadata_len = proc_log_metadata(p, context->metadata);
}

static void tmp_failed(anqa_arena *arena, size_t wanted)
{
    struct sched *s = sched_self;

    if (s == NULL || s->current == NULL)
        return;
    proc_exit(s, anqa_reason_make(ANQA_REASON_QUOTA, "%zu bytes of temporary memory on top of %zu",
                     wanted, arena->held));
}

static size_t table_bytes(const anqa_rt *rt, size_t row)
{
    return (size_t)rt->options.max_processes * row;
}

/* A row for each process that there may be, zeroes, which take memory only where they are touched. NULL: errno says why. */
static void *table_reserve(const anqa_rt *rt, size_t row)
{
    void *table = mmap(NULL, table_bytes(rt, row), PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return table == MAP_FAILED ? NULL : table;
}

static void table_free(const anqa_rt *rt, void *table, size_t row)
{
    if (table != NULL)
        munmap(table, table_bytes(rt, row));
}

static bool tables_reserve(anqa_rt *rt)
{
    rt->slots = table_reserve(rt, sizeof *rt->slots);
    rt->labels = table_reserve(rt, sizeof *rt->labels);
    rt->faces = table_reserve(rt, sizeof *rt->faces);
    rt->memories = table_reserve(rt, sizeof *rt->memories);
    return rt->slots != NULL && rt->labels != NULL && rt->faces != NULL && rt->memories != NULL;
}

static void tables_free(anqa_rt *rt)
{
    table_free(rt, rt->slots, sizeof *rt->slots);
    table_free(rt, rt->labels, sizeof *rt->labels);
    table_free(rt, rt->faces, sizeof *rt->faces);
    table_free(rt, rt->memories, sizeof *rt->memories);
}

static anqa_status memory_open(anqa_rt *rt, anqa_error *err)
{
    struct stack_pool_options stacks = {
        .size = rt->options.stack_size,
        .max = rt->options.max_waiting,
        .tmp_limit = rt->options.heap_quota,
        .tmp_on_fail = tmp_failed,
    };

    if (!tables_reserve(rt))
        return anqa_fail_errno(err, errno, "cannot reserve %zu bytes for max_processes",
            table_bytes(rt,
                sizeof *rt->slots + sizeof *rt->labels + sizeof *rt->faces + sizeof *rt->memories));
    rt->scheds = aligned_alloc(64, rt->options.schedulers * sizeof(struct sched));
    rt->outside = aligned_alloc(64, sizeof(struct sched));
    if (rt->outside != NULL)
        memset(rt->outside, 0, sizeof(struct sched)); /* also for the way back out */
    if (rt->scheds == NULL || rt->outside == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "%u schedulers", rt->options.schedulers);
    memset(rt->scheds, 0, rt->options.schedulers * sizeof(struct sched));
    rt->sched_count = rt->options.schedulers;
    anqa_status status = stack_pool_open(&stacks, &rt->stacks, err);
    if (status != ANQA_OK)
        return status;
    stacks.size = DEEP_STACK_SIZE;
    stacks.max = DEEP_STACKS_MAX;
    stacks.warm = DEEP_STACKS_WARM;
    return stack_pool_open(&stacks, &rt->deep_stacks, err);
}

static anqa_status scheds_open(anqa_rt *rt, anqa_error *err)
{
    sched_init(rt->outside, rt, SCHED_MAX);
    rt->outside->foreign = true;
    refs_init(rt->outside, SCHED_MAX);
    for (uint16_t i = 0; i < rt->sched_count; i++) {
        struct sched *s = &rt->scheds[i];
        anqa_status status;
        sched_init(s, rt, i);
        refs_init(s, i);
        status = poller_open(s, err);
        if (status != ANQA_OK)
            return status;
    }
    return ANQA_OK;
}

static anqa_status thread_start(struct sched *s, anqa_error *err)
{
    struct start start = {.s = s};
    int e;

    sem_init(&start.done, 0, 0);
    e = pthread_create(&s->thread, NULL, sched_main, &start);
    if (e == 0) {
        s->started = true;
        while (sem_wait(&start.done) != 0)
            ; /* a signal */
    }
    sem_destroy(&start.done);
    if (e != 0)
        return anqa_fail_errno(err, e, "cannot start scheduler thread %u", s->index);
    if (start.status != ANQA_OK && err != NULL)
        *err = start.err;
    return start.status;
}

static anqa_status threads_start(anqa_rt *rt, anqa_error *err)
{
    anqa_status status = ANQA_OK;

    for (uint16_t i = 0; i < rt->sched_count && status == ANQA_OK; i++)
        status = thread_start(&rt->scheds[i], err);
    return status;
}

/* Deterministic mode: the calling thread is the scheduler's. */
static anqa_status thread_adopt(anqa_rt *rt, anqa_error *err)
{
    struct sched *s = &rt->scheds[0];
    anqa_status status = thread_open(s, err);

    s->started = true;
    stack_put(&s->stacks, s->stack); /* one is taken for each run */
    s->stack = NULL;
    return status;
}

static anqa_status services_start(anqa_rt *rt, anqa_error *err)
{
    anqa_status status = ANQA_OK;

    if (!rt->options.no_fault_handlers) {
        status = fault_install(err);
        rt->faults = status == ANQA_OK;
    }
    if (status == ANQA_OK) {
        status = log_thread_start(err);
        rt->logging = status == ANQA_OK;
    }
    if (status == ANQA_OK)
        status = workers_start(rt, err);
    if (status == ANQA_OK && rt->options.deterministic)
        return thread_adopt(rt, err);
    if (status == ANQA_OK)
        status = watchdog_start(rt, err);
    return status == ANQA_OK ? threads_start(rt, err) : status;
}

static void rt_free(anqa_rt *rt);

anqa_status anqa_start_versioned(
    const anqa_options *options, const char *header_version, anqa_rt **ret_rt, anqa_error *err)
{
    static const anqa_options defaults;
    anqa_rt *rt;
    anqa_status status;

    if (options == NULL)
        options = &defaults;
    if (header_version == NULL || strcmp(header_version, anqa_version()) != 0)
        return anqa_fail(err, ANQA_E_VERSION,
            "compiled against anqa %s, linked with %s: compile again",
            header_version == NULL ? "?" : header_version, anqa_version());
    status = options_check(options, err);
    if (status != ANQA_OK)
        return status;
    rt = calloc(1, sizeof *rt);
    if (rt == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "a runtime");
    rt->options = *options;
    options_default(&rt->options);
    log_set_context_hook(log_context_fill);
    rt->fake_now_ms = 1;
    rt->started_ns = clock_mono_ns();
    rt->started_ticks = ticks();
    atomic_init(&rt->epoch, 1);
    pthread_mutex_init(&rt->slot_lock, NULL);
    pthread_mutex_init(&rt->outside_lock, NULL);
    pthread_mutex_init(&rt->qsbr_lock, NULL);
    pthread_mutex_init(&rt->local_lock, NULL);
    status = block_depot_init(&rt->depot) ? memory_open(rt, err)
                                          : anqa_fail(err, ANQA_E_NOMEM, "a reserve of messages");
    if (status == ANQA_OK)
        status = scheds_open(rt, err);
    if (status == ANQA_OK)
        status = services_start(rt, err);
    if (status != ANQA_OK) {
        rt_free(rt);
        return status;
    }
    *ret_rt = rt;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- stop */

static uint64_t sum(anqa_rt *rt, size_t offset)
{
    uint64_t total = 0;

    for (uint16_t i = 0; i < rt->sched_count; i++)
        total += atomic_load_explicit(
            (_Atomic(uint64_t) *)(void *)((char *)&rt->scheds[i].counters + offset),
            memory_order_acquire);
    total +=
        atomic_load_explicit((_Atomic(uint64_t) *)(void *)((char *)&rt->outside->counters + offset),
            memory_order_acquire);
    pthread_mutex_lock(&rt->qsbr_lock);
    for (size_t i = 0; i < ATTACHED_MAX; i++)
        if (rt->attached[i].thread != NULL)
            total += atomic_load_explicit(
                (_Atomic(uint64_t) *)(void *)((char *)&rt->attached[i].thread->counters + offset),
                memory_order_acquire);
    total += *(uint64_t *)(void *)((char *)&rt->detached + offset);
    pthread_mutex_unlock(&rt->qsbr_lock);
    return total;
}

#define SUM(rt, name) sum((rt), offsetof(struct sched_counters, name))

void anqa_rt_get_stats(anqa_rt *rt, anqa_rt_stats *ret_stats)
{
    uint64_t exited = SUM(rt, exited); /* before spawned: the difference is never negative */

    *ret_stats = (anqa_rt_stats){
        .exited = exited,
        .spawned = SUM(rt, spawned),
        .zombies = SUM(rt, zombies),
        .contained = SUM(rt, contained),
        .stacks = SUM(rt, stacks),
        .messages = SUM(rt, messages),
        .heap_bytes = SUM(rt, heap_bytes),
        .timers = SUM(rt, timers),
        .steals = SUM(rt, steals),
        .tainted = atomic_load_explicit(&rt->tainted, memory_order_relaxed),
    };
    ret_stats->processes = ret_stats->spawned - exited;
}

static void signal_all(anqa_rt *rt, anqa_reason reason)
{
    uint32_t used = atomic_load_explicit(&rt->slots_used, memory_order_relaxed);

    for (uint32_t i = 0; i < used; i++) {
        anqa_pid pid = proc_pid(rt, &rt->slots[i]);
        if (anqa_rt_is_alive(rt, pid))
            anqa_rt_exit_signal(rt, pid, anqa_reason_ref(reason));
    }
}

/* True: all processes are gone, and no foreign work holds on to what they left. */
static bool gone_within(anqa_rt *rt, uint64_t ms)
{
    uint64_t end = clock_mono_ms() + ms;
    anqa_rt_stats stats;

    for (;;) {
        struct timespec pause = {.tv_nsec = 500000};
        if (rt->options.deterministic)
            (void)sched_run_deterministic(rt, NULL, rt->fake_now_ms + 1);
        anqa_rt_get_stats(rt, &stats);
        if (stats.processes == 0 && stats.zombies == 0)
            return true;
        if (clock_mono_ms() >= end)
            return false;
        nanosleep(&pause, NULL);
    }
}

struct attached_id {
    pid_t tid;
    anqa_pid pid;
};

static size_t attached_list(anqa_rt *rt, struct attached_id ids[static ATTACHED_MAX])
{
    size_t count = 0;

    pthread_mutex_lock(&rt->qsbr_lock);
    for (unsigned i = 0; i < ATTACHED_MAX; i++)
        if (rt->attached[i].thread != NULL)
            ids[count++] = (struct attached_id){
                rt->attached[i].thread->tid, proc_pid(rt, rt->attached[i].slot)};
    pthread_mutex_unlock(&rt->qsbr_lock);
    return count;
}

static void thread_name(pid_t tid, char *name, int size)
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/comm", (int)tid);
    file = fopen(path, "re");
    if (file == NULL || fgets(name, size, file) == NULL)
        snprintf(name, (size_t)size, "a thread that has ended");
    if (file != NULL)
        fclose(file);
    name[strcspn(name, "\n")] = '\0';
}

/* The threads that are attached still, as "worker (1234) as <0.1.1>, ..."; false when there are none. */
static bool attached_name(anqa_rt *rt, char *text, size_t size)
{
    struct attached_id ids[ATTACHED_MAX];
    size_t count = attached_list(rt, ids), len = 0;

    for (size_t i = 0; i < count && len < size; i++) {
        char pid[ANQA_PID_TEXT], name[32];
        thread_name(ids[i].tid, name, sizeof name);
        len += (size_t)snprintf(text + len, size - len, "%s%s (%d) as %s", len > 0 ? ", " : "",
            name, (int)ids[i].tid, anqa_pid_text(ids[i].pid, pid));
    }
    return count > 0;
}

static _Noreturn void stop_before_detach(const char *threads)
{
    rt_fatal("anqa_stop while threads are attached: %s; each must call anqa_detach first", threads);
}

/* Who can be told to: a thread is not, whose frames are not ours. */
static void stop_check(anqa_rt *rt)
{
    char threads[512];

    if (sched_self != NULL && sched_self->rt == rt && sched_self->foreign &&
        attached_name(rt, threads, sizeof threads))
        stop_before_detach(threads); /* of which the calling one is one: it would wait for itself */
    if (sched_self != NULL && sched_self->rt == rt)
        rt_fatal("anqa_stop was called by a process of the runtime it is to stop; call it from a "
                 "thread that is not attached, or end an application by anqa_main_stop");
}

/* Half of the time is for an orderly end; a process that starts others while it ends is killed with them. */
static void processes_stop(anqa_rt *rt)
{
    uint64_t half = rt->options.stop_timeout_ms / 2,
             end = clock_mono_ms() + rt->options.stop_timeout_ms;
    char threads[512];

    signal_all(rt, ANQA_SHUTDOWN);
    if (gone_within(rt, half))
        return;
    do {
        signal_all(rt, ANQA_KILL);
        if (gone_within(rt, 20))
            return;
    } while (clock_mono_ms() < end);
    if (attached_name(rt, threads, sizeof threads))
        stop_before_detach(threads);
    anqa_log(ANQA_EMERGENCY, "runtime.stop.stuck", "timeout_ms=%u next=abort",
        rt->options.stop_timeout_ms);
    anqa_invariant_failed(
        "a callback does not return, the stop's deadline is over", __FILE__, __LINE__);
}

static void threads_stop(anqa_rt *rt)
{
    struct sched *first = &rt->scheds[0];

    atomic_store_explicit(&rt->stopping_threads, true, memory_order_seq_cst);
    if (rt->options.deterministic && first->started) {
        thread_close(first);
        return;
    }
    for (uint16_t i = 0; i < rt->sched_count; i++)
        if (rt->scheds[i].started) {
            sched_notify(&rt->scheds[i]);
            pthread_join(rt->scheds[i].thread, NULL);
        }
}

static void locals_drop(anqa_rt *rt)
{
    for (unsigned i = RT_LOCAL_COUNT; i-- > 0;)
        if (rt->locals[i].object != NULL)
            rt->locals[i].drop(atomic_load_explicit(&rt->locals[i].object, memory_order_relaxed));
}

static void retired_free_all(anqa_rt *rt)
{
    while (rt->retired != NULL) {
        struct retired *retired = rt->retired;
        rt->retired = retired->next;
        while (retired->free_some(retired))
            ;
    }
}

/* Copes with a start that came only half-way. */
static void rt_free(anqa_rt *rt)
{
    if (rt->scheds != NULL && rt->sched_count > 0)
        threads_stop(rt);
    if (rt->watchdog != NULL)
        watchdog_stop(rt);
    crash_write_dropped(rt);
    if (rt->workers != NULL)
        workers_stop(rt);
    locals_drop(rt);
    retired_free_all(rt);
    for (uint16_t i = 0; i < rt->sched_count; i++)
        sched_done(&rt->scheds[i]);
    if (rt->outside != NULL)
        sched_done(rt->outside);
    stack_pool_close(rt->stacks);
    stack_pool_close(rt->deep_stacks);
    if (rt->faults)
        fault_uninstall();
    if (rt->logging)
        log_thread_stop(LOG_STOP_MS);
    free(rt->scheds);
    free(rt->outside);
    tables_free(rt);
    proc_lineages_free(rt);
    block_depot_done(&rt->depot);
    pthread_mutex_destroy(&rt->slot_lock);
    pthread_mutex_destroy(&rt->outside_lock);
    pthread_mutex_destroy(&rt->qsbr_lock);
    pthread_mutex_destroy(&rt->local_lock);
    free(rt);
}

void anqa_stop(anqa_rt *rt)
{
    if (rt == NULL)
        return;
    stop_check(rt);
    atomic_store_explicit(&rt->stopping, true, memory_order_relaxed);
    processes_stop(rt);
    rt_free(rt);
}

uint64_t anqa_rt_run(anqa_rt *rt, uint64_t until_ms)
{
    if (!rt->options.deterministic)
        return 0;
    return sched_run_deterministic(
        rt, sched_self, until_ms == ANQA_INFINITY ? UINT64_MAX : until_ms);
}

/* ---------------------------------------------------------------- threads from outside */

static struct sched *outside_borrow(anqa_rt *rt)
{
    pthread_mutex_lock(&rt->outside_lock);
    return rt->outside;
}

static void outside_return(anqa_rt *rt)
{
    pthread_mutex_unlock(&rt->outside_lock);
}

anqa_status anqa_rt_send(anqa_rt *rt, anqa_pid to, const char *tag, anqa_payload payload)
{
    struct sched *s = outside_borrow(rt);
    struct msg *msg;
    anqa_status status =
        msg_make(s, ANQA_MSG_PLAIN, tag, (anqa_pid){0}, (anqa_ref){0}, &payload, &msg);

    if (status == ANQA_OK) {
        status = mailbox_push(s, to, msg);
        if (status != ANQA_OK && payload.kind == ANQA_PAYLOAD_OBJECT) {
            msg->pub.payload =
                ANQA_PAYLOAD_NONE; /* the caller's again, or dropped without the lock */
            msg->pub.u.type = NULL;
        }
        if (status != ANQA_OK)
            msg_drop(s, msg);
    }
    outside_return(rt);
    if (status == ANQA_E_NOPROC)
        payload_drop(&payload);
    return status;
}

anqa_status anqa_rt_spawn(anqa_rt *rt, const anqa_spawn_opts *opts, anqa_pid *ret_pid)
{
    struct sched *s = outside_borrow(rt);
    anqa_pid pid;
    anqa_status status = proc_spawn(s, opts, NULL, &pid, NULL);

    outside_return(rt);
    if (status != ANQA_OK)
        return status;
    proc_emit_spawn(pid, (anqa_pid){0});
    if (ret_pid != NULL)
        *ret_pid = pid;
    return ANQA_OK;
}

void anqa_rt_exit_signal(anqa_rt *rt, anqa_pid to, anqa_reason reason)
{
    struct sched *s = outside_borrow(rt);

    proc_exit_signal(s, (anqa_pid){0}, to, reason);
    outside_return(rt);
}

anqa_status anqa_spawn(const anqa_spawn_opts *opts, anqa_pid *ret_pid, anqa_ref *ret_ref)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    anqa_pid pid;
    anqa_ref ref = {0};
    anqa_status status = proc_spawn(s, opts, p, &pid, &ref);

    if (status != ANQA_OK)
        return status;
    proc_emit_spawn(pid, proc_pid(s->rt, p));
    if (ret_pid != NULL)
        *ret_pid = pid;
    if (ret_ref != NULL)
        *ret_ref = ref;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- attached threads */

static bool attached_add(anqa_rt *rt, struct sched *s)
{
    uint8_t i = 0;

    pthread_mutex_lock(&rt->qsbr_lock);
    while (i < ATTACHED_MAX && rt->attached[i].thread != NULL)
        i++;
    if (i < ATTACHED_MAX) {
        rt->attached[i].thread = s;
        s->place = i;
        refs_init(s, SCHED_MAX + 1 + i);
        if (rt->attached[i].refs != 0)
            s->next_ref = rt->attached[i].refs;
    }
    pthread_mutex_unlock(&rt->qsbr_lock);
    return i < ATTACHED_MAX;
}

static void count_detached(struct sched_counters *into, struct sched_counters *from)
{
    _Atomic(uint64_t) *to = &into->spawned, *of = &from->spawned;

    for (size_t i = 0; i < sizeof *into / sizeof *to; i++)
        atomic_fetch_add_explicit(
            &to[i], atomic_load_explicit(&of[i], memory_order_relaxed), memory_order_relaxed);
}

static void attached_remove(anqa_rt *rt, struct sched *s)
{
    pthread_mutex_lock(&rt->qsbr_lock);
    rt->attached[s->place].thread = NULL;
    rt->attached[s->place].refs = s->next_ref;
    count_detached(&rt->detached, &s->counters);
    pthread_mutex_unlock(&rt->qsbr_lock);
}

static void attached_free(struct sched *s)
{
    if (s->started) {
        anqa_arena_done(&s->native.tmp);
        stack_native_done(&s->native);
    }
    sched_done(s);
    free(s);
}

anqa_status anqa_attach(anqa_rt *rt, anqa_error *err)
{
    struct sched *s;
    anqa_status status;

    if (sched_self != NULL)
        return anqa_fail(err, ANQA_E_EXISTS, "this thread is attached already");
    s = aligned_alloc(64, sizeof *s);
    if (s == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "an attached thread");
    memset(s, 0, sizeof *s);
    sched_init(s, rt, SCHED_MAX);
    s->foreign = true;
    s->tid = gettid();
    s->stack = &s->native;
    s->started = stack_native_init(&s->native) == ANQA_OK;
    if (!s->started) { /* it reads /proc/self/maps */
        attached_free(s);
        return anqa_fail(err, ANQA_E_LIMIT,
            "cannot learn where this thread's stack is: no memory, or no file "
            "descriptor free (ulimit -n)");
    }
    if (!attached_add(rt, s)) {
        attached_free(s);
        return anqa_fail(err, ANQA_E_LIMIT, "at most %d threads can be attached", ATTACHED_MAX);
    }
    status = proc_spawn_foreign(s, &rt->attached[s->place].slot);
    if (status != ANQA_OK) {
        attached_remove(rt, s);
        attached_free(s);
        return anqa_fail(err, status, "no process for an attached thread: max_processes is %u",
            rt->options.max_processes);
    }
    sched_self = s;
    return ANQA_OK;
}

void anqa_detach(void)
{
    struct sched *s = sched_self;

    if (s == NULL || !s->foreign)
        return;
    proc_die(
        s, s->current, s->current->flags & PROC_DOOMED ? s->current->exit_reason : ANQA_NORMAL);
    while (s->trash != NULL)
        trash_run(s, UINT32_MAX);
    sched_self = NULL;
    attached_remove(s->rt, s);
    attached_free(s);
}

/* ---------------------------------------------------------------- exit hooks, objects of a runtime */

void exit_hook_add_to(struct proc *p, struct exit_hook *hook)
{
    hook->next = p->hooks;
    hook->link = &p->hooks;
    if (hook->next != NULL)
        hook->next->link = &hook->next;
    p->hooks = hook;
}

void exit_hook_add(struct exit_hook *hook)
{
    struct sched *s;

    exit_hook_add_to(proc_self(&s), hook);
}

void exit_hook_remove(struct exit_hook *hook)
{
    *hook->link = hook->next;
    if (hook->next != NULL)
        hook->next->link = hook->link;
}

void *rt_local(
    anqa_rt *rt, enum rt_local kind, void *(*make)(anqa_rt *rt), void (*drop)(void *object))
{
    void *object = atomic_load_explicit(&rt->locals[kind].object, memory_order_acquire);

    if (object != NULL)
        return object;
    pthread_mutex_lock(&rt->local_lock);
    object = atomic_load_explicit(&rt->locals[kind].object, memory_order_relaxed);
    if (object == NULL) {
        object = make(rt);
        rt->locals[kind].drop = drop;
        atomic_store_explicit(
            &rt->locals[kind].object, object, memory_order_release); /* pairs with the load above */
    }
    pthread_mutex_unlock(&rt->local_lock);
    return object;
}

/* ---------------------------------------------------------------- reclamation */

static uint64_t oldest_reader(anqa_rt *rt)
{
    uint64_t oldest = atomic_load_explicit(&rt->outside->quiescent, memory_order_seq_cst);

    for (uint16_t i = 0; i < rt->sched_count; i++) {
        uint64_t at = atomic_load_explicit(&rt->scheds[i].quiescent, memory_order_seq_cst);
        oldest = at < oldest ? at : oldest;
    }
    for (unsigned i = 0; i < ATTACHED_MAX; i++)
        if (rt->attached[i].thread != NULL) {
            uint64_t at =
                atomic_load_explicit(&rt->attached[i].thread->quiescent, memory_order_seq_cst);
            oldest = at < oldest ? at : oldest;
        }
    return oldest;
}

/* What was retired in epoch e is out of sight for readers whose quiescent state is of e or later. */
static struct retired *retired_take(anqa_rt *rt)
{
    uint64_t oldest = oldest_reader(rt);
    struct retired *out = NULL, **link = &rt->retired;

    while (*link != NULL) {
        struct retired *retired = *link;
        if (retired->epoch > oldest) {
            link = &retired->next;
            continue;
        }
        *link = retired->next;
        retired->next = out;
        out = retired;
        atomic_fetch_sub_explicit(&rt->retired_count, 1, memory_order_relaxed);
    }
    return out;
}

static void retired_put(anqa_rt *rt, struct retired *retired)
{
    pthread_mutex_lock(&rt->qsbr_lock);
    retired->next = rt->retired;
    rt->retired = retired;
    atomic_fetch_add_explicit(&rt->retired_count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&rt->qsbr_lock);
}

void qsbr_reclaim(anqa_rt *rt)
{
    struct retired *out;

    if (atomic_load_explicit(&rt->retired_count, memory_order_relaxed) == 0 ||
        pthread_mutex_trylock(&rt->qsbr_lock) != 0)
        return;
    out = retired_take(rt);
    pthread_mutex_unlock(&rt->qsbr_lock);
    while (out != NULL) {
        struct retired *next = out->next;
        if (out->free_some(out))
            retired_put(rt, out);
        out = next;
    }
}

/* seq_cst: it was taken out of the table before the epoch grows. Pairs with quiescent. */
static uint64_t epoch_next(anqa_rt *rt)
{
    return atomic_fetch_add_explicit(&rt->epoch, 1, memory_order_seq_cst) + 1;
}

void qsbr_retire(anqa_rt *rt, struct retired *retired)
{
    retired->epoch = epoch_next(rt);
    retired_put(rt, retired);
}

void qsbr_read_begin(anqa_rt *rt)
{
    struct sched *s = sched_self;

    if (s != NULL && !s->foreign)
        return;
    if (s == NULL)
        s = outside_borrow(rt);
    /* Pairs with qsbr_retire: we are seen, or we see the table without it. */
    (void)atomic_exchange_explicit(&s->quiescent,
        atomic_load_explicit(&rt->epoch, memory_order_seq_cst), memory_order_seq_cst);
}

void qsbr_read_end(anqa_rt *rt)
{
    struct sched *s = sched_self;

    if (s != NULL && !s->foreign)
        return;
    atomic_store_explicit(
        &(s == NULL ? rt->outside : s)->quiescent, UINT64_MAX, memory_order_release);
    if (s == NULL)
        outside_return(rt);
}

/* ---------------------------------------------------------------- interned tags */

#define INTERN_MAX 65536u
#define INTERN_LEN 255

static char *intern_locked(struct map_str *tags, uint32_t *count, anqa_str tag)
{
    char *copy = map_str_get(tags, tag);

    if (copy != NULL || *count == INTERN_MAX)
        return copy;
    copy = malloc(tag.len + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, tag.ptr, tag.len);
    copy[tag.len] = '\0';
    if (map_str_put(tags, anqa_str_make(copy, tag.len), copy, NULL) != ANQA_OK) {
        free(copy);
        return NULL;
    }
    ++*count;
    return copy;
}

const char *anqa_intern(anqa_str tag)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
    static struct map_str tags;
    static uint32_t count;
    char *copy;

    if (tag.len == 0)
        return "";
    if (tag.len > INTERN_LEN || memchr(tag.ptr, 0, tag.len) != NULL)
        return NULL;
    anqa_section_begin();
    pthread_mutex_lock(&lock);
    copy = tags.slots == NULL && map_str_init(&tags, 64) != ANQA_OK
               ? NULL
               : intern_locked(&tags, &count, tag);
    pthread_mutex_unlock(&lock);
    anqa_section_end();
    return copy;
}

/* ---------------------------------------------------------------- what can not go on */

void rt_fatal(const char *format, ...)
{
    char what[1024], text[sizeof what + 32];
    va_list args;
    int len;

    anqa_section_begin(); /* what follows is never contained */
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    len = snprintf(text, sizeof text, "anqa: %s: aborting\n", what);
    log_drain_now();
    log_write_now(text, len < 0 ? 0 : (size_t)len);
    abort();
}

void anqa_invariant_failed(const char *what, const char *file, int line)
{
    rt_fatal("broken invariant: %s, %s:%d", what, file, line);
}
