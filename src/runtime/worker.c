#include "runtime/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/list.h"
#include "runtime/hooks.h"
#include "runtime/proc.h"
#include "runtime/sched.h"
#include "telemetry/telemetry.h"
#include "runtime/stack.h"

#define DEFAULT_THREADS 10u
#define DEFAULT_QUEUE 10000u
#define IDLE_MS 10000u

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE };

struct job {
    struct anqa_list_node node; /* in the queue; pool's lock */
    enum job_state state;       /* pool's lock */
    bool abandoned;             /* its process has died; pool's lock */
    bool reported;              /* size 0: its end has been noticed; owner: home */
    struct blocking_call call;  /* its fd: -1 once it is closed */
    void *memory;               /* of the process, or the copy behind this struct */
    size_t size;                /* 0: of the process */
    struct sched *home;
    struct proc *proc;
    anqa_pid pid;
    uint64_t ref; /* what the process waits for */
    struct task task;
    struct exit_hook hook;
    max_align_t copy[];
};

enum worker_state { WORKER_NONE, WORKER_RUNNING, WORKER_ENDED };

struct worker {
    pthread_t thread;
    struct worker_pool *pool;
    enum worker_state state; /* ENDED: to be joined */
};

struct worker_pool {
    anqa_rt *rt;
    pthread_mutex_t lock; /* guards all below, and the fields of jobs that say so */
    pthread_cond_t work;
    struct anqa_list queue;
    uint32_t queued, queue_max;
    uint32_t idle, threads, threads_max, idle_ms;
    bool stopping;
    struct worker workers[];
};

static void call_close(struct blocking_call *call)
{
    if (call->fd >= 0)
        close(call->fd);
    call->fd = -1;
}

static void call_run(struct blocking_call *call, void *memory)
{
    if (call->fd_fn != NULL)
        call->fd_fn(call->fd, memory);
    else
        call->fn(memory);
    call_close(call);
}

/* ---------------------------------------------------------------- threads */

/* Under the lock of the pool; the process may die from here on, but can not get past the lock. */
static void wake_owner(struct worker_pool *pool, const struct job *job)
{
    pthread_mutex_lock(&pool->rt->outside_lock);
    proc_wake(pool->rt->outside, job->pid, job->ref);
    pthread_mutex_unlock(&pool->rt->outside_lock);
}

static void job_finish(struct worker_pool *pool, struct job *job)
{
    job->state = JOB_DONE;
    if (job->size == 0)
        sched_post(job->home, &job->task);
    else if (job->abandoned)
        free(job);
    else
        wake_owner(pool, job);
}

static void job_run(struct worker_pool *pool, struct job *job)
{
    pool->queued--;
    job->state = JOB_RUNNING;
    pthread_mutex_unlock(&pool->lock);
    call_run(&job->call, job->memory);
    pthread_mutex_lock(&pool->lock);
    job_finish(pool, job);
}

/* False: nothing came for so long that the thread may end. */
static bool wait_for_work(struct worker_pool *pool)
{
    uint64_t end_ns = clock_mono_ns() + (uint64_t)pool->idle_ms * 1000000;
    struct timespec end = {
        .tv_sec = (time_t)(end_ns / 1000000000), .tv_nsec = (long)(end_ns % 1000000000)};
    int e = 0;

    pool->idle++;
    while (anqa_list_empty(&pool->queue) && !pool->stopping && e != ETIMEDOUT)
        e = pthread_cond_timedwait(&pool->work, &pool->lock, &end);
    pool->idle--;
    return !anqa_list_empty(&pool->queue);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    struct worker_pool *pool = worker->pool;
    struct job *job;

    pthread_mutex_lock(&pool->lock);
    do {
        while ((job = ANQA_CONTAINER_OF(anqa_list_pop(&pool->queue), struct job, node)) != NULL)
            job_run(pool, job);
    } while (!pool->stopping && wait_for_work(pool));
    worker->state = WORKER_ENDED;
    pool->threads--;
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Signals are for other threads, but for those that a fault raises: blocked, they would end the program
 * without words. */
static int thread_start(struct worker *worker)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
    pthread_attr_t attr;
    sigset_t blocked;
    int e = pthread_attr_init(&attr);

    if (e != 0)
        return e;
    sigfillset(&blocked);
    for (size_t i = 0; i < ANQA_COUNT(faults); i++)
        sigdelset(&blocked, faults[i]);
    e = pthread_attr_setsigmask_np(&attr, &blocked);
    if (e == 0)
        e = pthread_create(&worker->thread, &attr, worker_main, worker);
    pthread_attr_destroy(&attr);
    return e;
}

static void worker_add(struct worker_pool *pool)
{
    struct worker *worker = pool->workers;

    while (worker->state == WORKER_RUNNING)
        worker++;
    if (worker->state == WORKER_ENDED)
        pthread_join(worker->thread, NULL); /* it has let go of the lock for the last time */
    worker->state = WORKER_NONE;
    worker->pool = pool;
    if (thread_start(worker) != 0)
        return;
    pthread_setname_np(worker->thread, "anqa-worker");
    worker->state = WORKER_RUNNING;
    pool->threads++;
}

/* ---------------------------------------------------------------- jobs */

static anqa_status pool_put(struct worker_pool *pool, struct job *job)
{
    anqa_status status = ANQA_E_LIMIT;

    pthread_mutex_lock(&pool->lock);
    if (pool->queued < pool->queue_max) {
        if (pool->idle <= pool->queued && pool->threads < pool->threads_max)
            worker_add(pool);
        if (pool->threads > 0) { /* none: the system has no more threads for us */
            anqa_list_push(&pool->queue, &job->node);
            pool->queued++;
            pthread_cond_signal(&pool->work);
            status = ANQA_OK;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return status;
}

/* The end of a lent job, on the scheduler of its process. */
static void job_report(struct sched *s, struct task *task)
{
    struct job *job = ANQA_CONTAINER_OF(task, struct job, task);
    struct proc *p = job->proc;
    bool last = --p->more->foreign_work == 0;

    job->reported = true;
    if (!job->abandoned) { /* set on this thread only */
        proc_wake(s, job->pid, job->ref);
        return;
    }
    free(job);
    if (last && p->state_kind == PROC_ZOMBIE)
        proc_bury(s, p);
}

static void queue_remove(struct worker_pool *pool, struct job *job)
{
    anqa_list_remove(&job->node);
    pool->queued--;
}

/* True: the job is nobody else's any more. */
static bool abandon_copied(struct worker_pool *pool, struct job *job)
{
    if (job->state == JOB_QUEUED)
        queue_remove(pool, job);
    job->abandoned = true;
    return job->state != JOB_RUNNING;
}

static bool abandon_lent(struct worker_pool *pool, struct job *job)
{
    if (job->reported)
        return true;
    job->abandoned = true;
    if (job->state == JOB_QUEUED) {
        /* Reported all the same: whether the process becomes a zombie has been decided already. */
        queue_remove(pool, job);
        call_close(&job->call);
        job->state = JOB_DONE;
        sched_post(job->home, &job->task);
    }
    return false;
}

static void job_owner_died(struct exit_hook *hook, anqa_pid pid)
{
    struct job *job = ANQA_CONTAINER_OF(hook, struct job, hook);
    struct worker_pool *pool = job->home->rt->workers;
    bool ours;

    pthread_mutex_lock(&pool->lock);
    ours = job->size > 0 ? abandon_copied(pool, job) : abandon_lent(pool, job);
    pthread_mutex_unlock(&pool->lock);
    if (!ours)
        return;
    call_close(&job->call);
    free(job);
}

static struct job *job_new(
    struct sched *s, struct proc *p, const struct blocking_call *call, void *memory, size_t size)
{
    struct job *job = size > SIZE_MAX - sizeof *job ? NULL : malloc(sizeof *job + size);

    if (job == NULL)
        return NULL;
    anqa_list_node_init(&job->node);
    job->state = JOB_QUEUED;
    job->abandoned = job->reported = false;
    job->call = *call;
    job->memory = size > 0 ? (void *)job->copy : memory;
    job->size = size;
    job->home = s;
    job->proc = p;
    job->pid = proc_pid(s->rt, p);
    job->ref = sched_new_ref(s);
    job->task = (struct task){.run = job_report};
    job->hook = (struct exit_hook){.run = job_owner_died};
    if (size > 0)
        memcpy(job->copy, memory, size);
    return job;
}

static anqa_status job_submit(struct sched *s, struct proc *p, struct job *job)
{
    anqa_status status;

    if (job->size == 0) {
        if (proc_more(s, p) == NULL)
            return ANQA_E_NOMEM;
        p->more->foreign_work++;
    }
    exit_hook_add(&job->hook);
    status = pool_put(s->rt->workers, job);
    if (status == ANQA_OK)
        return ANQA_OK;
    exit_hook_remove(&job->hook);
    if (job->size == 0)
        p->more->foreign_work--;
    return status;
}

/* A process that finds no stack to wait on exits, and its own goes back: too early for a worker that was lent it. */
static bool may_wait(struct sched *s)
{
    struct stack *stack = stack_take(&s->stacks);

    if (stack == NULL)
        return false;
    stack_put(&s->stacks, stack); /* there it is for the wait: nobody else takes from this cache */
    return true;
}

static anqa_status job_start(struct sched *s, struct proc *p, const struct blocking_call *call,
    void *memory, size_t size, struct job **ret_job)
{
    struct job *job;
    anqa_status status;

    if (!may_wait(s))
        return ANQA_E_LIMIT;
    job = job_new(s, p, call, memory, size);
    if (job == NULL)
        return ANQA_E_NOMEM;
    status = job_submit(s, p, job);
    if (status == ANQA_OK)
        *ret_job = job;
    else
        free(job);
    return status;
}

anqa_status worker_blocking(const struct blocking_call *call, void *memory, size_t size)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct blocking_call copy = *call;
    struct job *job = NULL;
    anqa_status status = ANQA_OK;

    anqa_section_begin();
    if (s->foreign || s->rt->options.deterministic) {
        call_run(
            &copy, memory); /* in a section, as on a worker: a fault of it is no process's alone */
    } else {
        status = job_start(s, p, &copy, memory, size, &job);
        if (status != ANQA_OK)
            call_close(&copy);
    }
    anqa_section_end();
    if (job == NULL)
        return status;
    (void)proc_wait_event(s, job->ref, UINT64_MAX, ANQA_PROCESS_BLOCKING);
    exit_hook_remove(&job->hook);
    if (size > 0)
        memcpy(memory, job->copy, size);
    anqa_section_begin();
    free(job);
    anqa_section_end();
    return ANQA_OK;
}

anqa_status anqa_blocking(void (*fn)(void *job), void *job, size_t size)
{
    struct sched *s;

    proc_self(&s);
    ANQA_REQUIRE(s->act.nowait == 0 && s->act.section == 0 &&
                 !telemetry_in_handler()); /* before a worker has it */
    return worker_blocking(&(struct blocking_call){.fn = fn, .fd = -1}, job, size);
}

/* ---------------------------------------------------------------- life */

static int cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int e = pthread_condattr_init(&attr);

    if (e != 0)
        return e;
    e = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (e == 0)
        e = pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return e;
}

anqa_status workers_start(anqa_rt *rt, anqa_error *err)
{
    uint32_t threads = rt->options.workers == 0 ? DEFAULT_THREADS : rt->options.workers;
    struct worker_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->workers[0]);

    if (pool == NULL || cond_init(&pool->work) != 0) {
        free(pool);
        return anqa_fail(err, ANQA_E_NOMEM, "a pool of %u workers", threads);
    }
    pool->rt = rt;
    pool->threads_max = threads;
    pool->idle_ms = IDLE_MS;
    pool->queue_max = rt->options.worker_queue == 0 ? DEFAULT_QUEUE : rt->options.worker_queue;
    pthread_mutex_init(&pool->lock, NULL);
    anqa_list_init(&pool->queue);
    rt->workers = pool;
    return ANQA_OK;
}

/* Waits for one thread, if there was ever one. */
static void worker_join(struct worker_pool *pool, struct worker *worker)
{
    bool started;

    pthread_mutex_lock(&pool->lock);
    started = worker->state != WORKER_NONE;
    pthread_mutex_unlock(&pool->lock);
    if (started)
        pthread_join(worker->thread, NULL);
}

void workers_stop(anqa_rt *rt)
{
    struct worker_pool *pool = rt->workers;

    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    ANQA_INVARIANT(anqa_list_empty(&pool->queue)); /* processes take their jobs with them */
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->threads_max; i++)
        worker_join(pool, &pool->workers[i]);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    rt->workers = NULL;
}

void workers_get_stats(anqa_rt *rt, struct workers_stats *ret_stats)
{
    struct worker_pool *pool = rt->workers;

    pthread_mutex_lock(&pool->lock);
    *ret_stats = (struct workers_stats){
        pool->threads, pool->idle, pool->queued, pool->threads_max, pool->queue_max};
    pthread_mutex_unlock(&pool->lock);
}

void workers_set_idle_ms(anqa_rt *rt, uint32_t ms)
{
    pthread_mutex_lock(&rt->workers->lock);
    rt->workers->idle_ms = ms;
    pthread_mutex_unlock(&rt->workers->lock);
}
