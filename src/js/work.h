/*
 * How many workers scripts may keep busy: half of them (option workers), so that stores, uploads and look-ups of names
 * find others. A process that would be one more waits, as a process, until the worker of another is done. Families of scripts
 * (spawn.h) take turns; within one it is the order they have come in.
 *
 * A place is taken before the pool of workers is asked, and given back when the worker has ended its job: of a process
 * that is killed meanwhile too, whose clean-ups are deferred until then (anqa_blocking).
 */
#ifndef JS_WORK_H
#define JS_WORK_H

#include "js/js.h" // IWYU pragma: export

/* Runs fn(job) on a worker, with one of these places. job: lent, as by anqa_blocking. asker: for whom it is; has he ended
 * when the turn comes, it does not run. family: spawn_root of his.
 * Fails: as anqa_blocking; E_LIMIT: as many wait as may for workers (option worker_queue; half of them of one family); E_NOPROC: nobody wants it.
 * Context: process, a task of a script's; may wait. */
anqa_status work_blocking(
    anqa_pid asker, anqa_pid family, void (*fn)(void *job), void *job) ANQA_MUST_CHECK;

#endif
