/*
 * How many workers scripts may keep busy: half of them (option workers) with what takes computing, six with look-ups of names,
 * and with both together all but two; so stores, uploads and what the program asks for find others. Of three or two workers one is for
 * scripts, and the only one is for all. Of each of the two kinds there is a *gate*. A process that would be one more waits, as
 * a process, until the worker of another is done. Families of scripts (spawn.h) take turns; within one it is the order they have
 * come in. A gate may also bound how many of one family have a worker: where a job may take long without need, as a look-up
 * that nobody answers, two of them must not keep all others waiting. Where both gates want the worker that has become
 * free, it is for the one that has fewer.
 *
 * A place is taken before the pool of workers is asked, and given back when the worker has ended its job: of a process
 * that is killed meanwhile too, whose clean-ups are deferred until then (anqa_blocking).
 */
#ifndef JS_WORK_H
#define JS_WORK_H

#include "js/js.h" // IWYU pragma: export

/* By the options of the runtime. */
void work_gates_init(struct work_gates *gates, anqa_rt *rt);

/* Runs fn(job) on a worker, with a place of the gate, which is one of js_rt's. job: lent, as by anqa_blocking.
 * asker: for whom it is; has he ended when the turn comes, it does not run. family: spawn_root of his.
 * Fails: as anqa_blocking; E_LIMIT: as many wait as may for workers (option worker_queue; half of them of one family);
 * E_NOPROC: nobody wants it. Context: process that works for a script; may wait. */
anqa_status work_blocking(struct work_gate *gate, anqa_pid asker, anqa_pid family,
    void (*fn)(void *job), void *job) ANQA_MUST_CHECK;

#endif
