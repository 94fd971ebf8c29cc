/*
 * Worker threads: where anqa_blocking runs what would hold a scheduler up.
 *
 * Jobs wait in one queue of bounded length. Threads are started when a job finds none idle, up to options.workers, and
 * end when they have been idle for a while. A fault on a worker aborts the program: there is no process to blame.
 *
 * A job and its process may outlive each other. The lock of the pool decides who of the two is last:
 *   - copied jobs (size > 0): a process that dies takes its job out of the queue; when the job runs already, the worker
 *     frees it at the end. Nothing of the process is touched.
 *   - lent jobs (size 0): the process counts them as foreign work and becomes a zombie when it dies. Their end is
 *     always reported on the process's scheduler, which buries the zombie with the last of them. One that was still
 *     queued is taken out and never runs.
 * Threads that are no schedulers (attached ones), and the one thread of deterministic mode, run jobs themselves, at
 * once.
 */
#ifndef RUNTIME_WORKER_H
#define RUNTIME_WORKER_H

#include <anqa/runtime.h>

/* Sets rt->workers. Starts no thread. Fails: E_NOMEM. */
anqa_status workers_start(anqa_rt *rt, anqa_error *err) ANQA_MUST_CHECK;
/* Waits for jobs that run, and ends the threads. Nobody is left who could ask for more; NULL workers are fine. */
void workers_stop(anqa_rt *rt);

/* One of `fn` and `fd_fn`. `fd` is taken over, also by a failure: it is closed when the job has ended, or has
 * been dropped without having run. */
struct blocking_call {
    void (*fn)(void *memory);
    void (*fd_fn)(int fd, void *memory);
    int fd; /* -1: none */
};
anqa_status worker_blocking(
    const struct blocking_call *call, void *memory, size_t size) ANQA_MUST_CHECK;

/* Counters, for tests and health. Any thread. */
struct workers_stats {
    uint32_t threads, idle, queued;
    uint32_t threads_max, queue_max; /* constant */
};
void workers_get_stats(anqa_rt *rt, struct workers_stats *ret_stats);
/* How long a thread waits for work before it ends: 10 s, less in tests. Holds from its next wait on. */
void workers_set_idle_ms(anqa_rt *rt, uint32_t ms);

#endif
