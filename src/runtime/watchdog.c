#include "runtime/watchdog.h"

#include <anqa/log.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "runtime/backtrace.h"
#include "runtime/fault.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

enum {
    SAMPLE_MS = 10,
    IDLE_MS = 100, /* between samples while all schedulers sleep */
    DEFAULT_STUCK_MS = 100,
    UNKILLABLE_TIMES = 10,
    RING = 16, /* faults of one scheduler that wait to be logged; a power of two */
    LINES_A_SECOND = 10
};

/* Faults on their way to the log: one writer, the scheduler, and one reader, the watchdog. */
struct fault_ring {
    _Atomic(uint32_t) head; /* shared: the reader's */
    _Atomic(uint32_t) tail; /* shared: the writer's */
    struct {
        struct fault_record record;
        struct crash_line line;
    } faults[RING];
};

/* What is known of one scheduler. owner: the watchdog's thread */
struct watched {
    uint64_t activity; /* as sampled last */
    uint64_t since_ms; /* when that value was seen first */
    uint64_t reported; /* 0, 1: stuck, 2: unkillable */
    struct fault_ring faults;
};

struct watchdog {
    anqa_rt *rt;
    pthread_t thread;
    pthread_mutex_t lock; /* guards `stopping` */
    pthread_cond_t changed;
    bool stopping;
    uint64_t stuck_ms;  /* UINT64_MAX: never */
    uint64_t window_ms; /* the second that `lines` were written in */
    uint32_t lines;
    struct watched watched[]; /* one a scheduler */
};

/* ---------------------------------------------------------------- faults */

void watchdog_post(
    struct sched *s, const struct fault_record *record, const struct crash_line *line)
{
    struct fault_ring *ring = &s->rt->watchdog->watched[s->index].faults;
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t head =
        atomic_load_explicit(&ring->head, memory_order_acquire); /* pairs with log_faults */

    if (tail - head == RING) {
        crash_drop(s->rt, 1);
        return;
    }
    ring->faults[tail % RING].record = *record;
    ring->faults[tail % RING].line = *line;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release); /* pairs with log_faults */
}

static bool may_write_line(struct watchdog *dog)
{
    if (dog->lines == LINES_A_SECOND)
        return false;
    dog->lines++;
    return true;
}

static void log_faults(struct watchdog *dog, struct watched *w)
{
    uint32_t head = atomic_load_explicit(&w->faults.head, memory_order_relaxed);
    uint32_t tail =
        atomic_load_explicit(&w->faults.tail, memory_order_acquire); /* pairs with watchdog_post */

    for (; head != tail; head++) {
        if (may_write_line(dog))
            crash_write_fault(dog->rt, &w->faults.faults[head % RING].record,
                &w->faults.faults[head % RING].line);
        else
            crash_drop(dog->rt, 1);
        atomic_store_explicit(
            &w->faults.head, head + 1, memory_order_release); /* pairs with watchdog_post */
    }
}

static void look_at_faults(struct watchdog *dog, uint64_t now_ms)
{
    if (now_ms - dog->window_ms >= 1000) {
        dog->window_ms = now_ms;
        dog->lines = 0;
    }
    for (uint16_t i = 0; i < dog->rt->sched_count; i++)
        log_faults(dog, &dog->watched[i]);
}

/* ---------------------------------------------------------------- schedulers */

static bool has_waiting(struct sched *s)
{
    uint32_t head = atomic_load_explicit(&s->ring_head, memory_order_relaxed);

    return atomic_load_explicit(&s->ring_tail, memory_order_relaxed) != head;
}

/* One that sleeps will look for work when it is woken, and finds that it may take the last one too. */
static void wake_a_thief(anqa_rt *rt)
{
    for (uint16_t i = 0; i < rt->sched_count; i++) {
        if (atomic_load_explicit(&rt->scheds[i].sleeping, memory_order_relaxed) != 0) {
            sched_notify(&rt->scheds[i]);
            return;
        }
    }
}

static void log_stuck(const struct watchdog *dog, uint16_t index, uint64_t held_ms,
    anqa_log_level level, const char *id, const char *next)
{
    uint32_t slot =
        atomic_load_explicit(&dog->rt->scheds[index].activity_slot, memory_order_relaxed);
    anqa_pid pid = proc_pid(dog->rt, &dog->rt->slots[slot]);
    char text[ANQA_PID_TEXT], label[LABEL_SIZE];

    (void)proc_label(dog->rt, pid, label);
    anqa_log(level, id, "scheduler=%u process=%s label=%s ms=%llu next=%s", index + 1u,
        anqa_pid_text(pid, text), label, (unsigned long long)held_ms, next);
}

static void report_stuck(struct watchdog *dog, uint16_t index, uint64_t held_ms)
{
    struct watched *w = &dog->watched[index];

    if (w->reported == 0 && held_ms >= dog->stuck_ms) {
        w->reported = 1;
        log_stuck(dog, index, held_ms, ANQA_WARN, "scheduler.stuck", "others take over its queue");
    }
    if (w->reported == 1 && held_ms / UNKILLABLE_TIMES >= dog->stuck_ms) {
        w->reported = 2;
        log_stuck(dog, index, held_ms, ANQA_ERROR, "scheduler.unkillable",
            "none: code in C cannot be ended from outside");
    }
}

static void look_at_scheduler(struct watchdog *dog, uint16_t index, uint64_t now_ms)
{
    struct sched *s = &dog->rt->scheds[index];
    struct watched *w = &dog->watched[index];
    uint64_t activity = atomic_load_explicit(
        &s->activity, memory_order_acquire); /* pairs with the loop: whose it is */

    if (activity != w->activity || activity % 2 == 0) {
        if (atomic_load_explicit(&s->rob, memory_order_relaxed) != 0)
            atomic_store_explicit(&s->rob, 0, memory_order_relaxed);
        w->activity = activity;
        w->since_ms = now_ms;
        w->reported = 0;
        return;
    }
    if (has_waiting(s)) {
        atomic_store_explicit(&s->rob, 1, memory_order_relaxed);
        wake_a_thief(dog->rt);
    }
    report_stuck(dog, index, now_ms - w->since_ms);
}

/* ---------------------------------------------------------------- life */

/* True: it is time to stop. */
static bool sleep_for(struct watchdog *dog, uint32_t ms)
{
    struct timespec until;
    bool stopping;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&dog->lock);
    while (!dog->stopping && pthread_cond_timedwait(&dog->changed, &dog->lock, &until) != ETIMEDOUT)
        ;
    stopping = dog->stopping;
    pthread_mutex_unlock(&dog->lock);
    return stopping;
}

static void *watchdog_run(void *arg)
{
    struct watchdog *dog = arg;
    bool all_asleep = false;

    pthread_setname_np(pthread_self(), "anqa-watchdog");
    symbols_load(); /* here, so that nobody's start waits for it */
    while (!sleep_for(dog, all_asleep ? IDLE_MS : SAMPLE_MS)) {
        uint64_t now_ms = clock_mono_ms();
        for (uint16_t i = 0; i < dog->rt->sched_count; i++)
            look_at_scheduler(dog, i, now_ms);
        look_at_faults(dog, now_ms);
        all_asleep =
            atomic_load_explicit(&dog->rt->sleepers, memory_order_relaxed) >= dog->rt->sched_count;
    }
    look_at_faults(dog, clock_mono_ms());
    return NULL;
}

static uint64_t stuck_ms_of(const anqa_rt *rt)
{
    if (rt->options.watchdog_ms == ANQA_INFINITY)
        return UINT64_MAX;
    return rt->options.watchdog_ms != 0 ? rt->options.watchdog_ms : DEFAULT_STUCK_MS;
}

static void init_sync(struct watchdog *dog)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&dog->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&dog->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

/* Signals for the program are not this thread's. */
static int start_thread(struct watchdog *dog)
{
    pthread_attr_t attributes;
    sigset_t all;
    int errnum;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setsigmask_np(&attributes, &all);
    errnum = pthread_create(&dog->thread, &attributes, watchdog_run, dog);
    pthread_attr_destroy(&attributes);
    return errnum;
}

static void watchdog_free(struct watchdog *dog)
{
    pthread_cond_destroy(&dog->changed);
    pthread_mutex_destroy(&dog->lock);
    free(dog);
}

anqa_status watchdog_start(anqa_rt *rt, anqa_error *err)
{
    struct watchdog *dog = calloc(1, sizeof *dog + rt->sched_count * sizeof dog->watched[0]);
    int errnum;

    if (dog == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "watchdog for %u schedulers", rt->sched_count);
    init_sync(dog);
    dog->rt = rt;
    dog->stuck_ms = stuck_ms_of(rt);
    dog->window_ms = clock_mono_ms();
    errnum = start_thread(dog);
    if (errnum != 0) {
        watchdog_free(dog);
        return anqa_fail_errno(err, errnum, "cannot start the watchdog's thread");
    }
    rt->watchdog = dog;
    return ANQA_OK;
}

void watchdog_stop(anqa_rt *rt)
{
    struct watchdog *dog = rt->watchdog;

    if (dog == NULL)
        return;
    pthread_mutex_lock(&dog->lock);
    dog->stopping = true;
    pthread_cond_signal(&dog->changed);
    pthread_mutex_unlock(&dog->lock);
    pthread_join(dog->thread, NULL);
    rt->watchdog = NULL;
    watchdog_free(dog);
}
