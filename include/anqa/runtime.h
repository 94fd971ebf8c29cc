/**
 * anqa/runtime.h - starting and stopping a runtime, and talking to it from foreign threads.
 *
 * A runtime is a handle, not a global: a program may run several. anqa_start makes the scheduler threads; processes,
 * names and timers belong to one runtime. anqa_main (anqa/application.h) is the comfortable wrapper around all this.
 *
 * Foreign threads (not made by the runtime) attach: from anqa_attach to anqa_detach the thread *is* a process, with a
 * pid, a mailbox and links; everything marked "Context: process" may be called, and waiting blocks the thread.
 *
 * Signals. SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT handlers are installed with the first runtime unless
 * `no_fault_handlers`; faults on threads that run no process go to the handler that was there before.
 */
#ifndef ANQA_RUNTIME_H
#define ANQA_RUNTIME_H

#include <anqa/process.h>

ANQA_BEGIN_DECLS

/** A runtime: its schedulers and all that lives on them. */
typedef struct anqa_rt anqa_rt;

/** What happens after a memory fault away from the null page was contained. */
typedef enum anqa_taint {
    ANQA_TAINT_CONTAIN, /* logged, shown in health; go on */
    ANQA_TAINT_DRAIN, /* the same, and an orderly stop begins (exit status 70: a service manager restarts) */
    ANQA_TAINT_ABORT /* abort at once */
} anqa_taint;

/** Zero is a sensible default everywhere. */
typedef struct anqa_options {
    uint16_t schedulers;    /* 0: one per core this program may use; at most 64 */
    uint16_t workers;       /* threads for anqa_blocking; 0: 10 */
    uint32_t worker_queue;  /* waiting jobs; 0: 10,000 */
    uint32_t max_processes; /* 0: 1,048,576; at most 16,777,215 */
    uint32_t
        max_waiting; /* processes that own a stack; 0: what the system allows, at most 200,000 */
    uint32_t
        js_mapped; /* JavaScript processes that are mapped at once, see anqa/js.h; 0: 10,000; at most 12,000 */
    size_t stack_size; /* bytes, usable; 0: 256 KB; from 64 KB */
    size_t heap_quota; /* bytes per process, see anqa_spawn_opts; 0: none */
    uint32_t
        watchdog_ms; /* a callback longer than this is reported; 0: 100; ANQA_INFINITY: never */
    uint32_t stop_timeout_ms; /* overall deadline of an orderly stop; 0: 30,000 */
    anqa_taint taint;
    bool no_fault_handlers;
    bool deterministic; /* one thread, seeded order, fake clock: for tests, see anqa_rt_run */
    uint64_t seed;
} anqa_options;

/** What anqa_start calls: `header_version` is the version that the caller was compiled against. */
ANQA_API anqa_status anqa_start_versioned(const anqa_options *options, const char *header_version,
    anqa_rt **ret_rt, anqa_error *err) ANQA_MUST_CHECK;

/** Starts a runtime; options may be NULL. Fails: E_VERSION (headers and library differ), E_NOMEM, E_LIMIT, E_INVALID,
 * E_RANGE; err says which and why.   Context: any thread that is not a scheduler; blocks for a moment. */
static inline ANQA_MUST_CHECK anqa_status anqa_start(
    const anqa_options *options, anqa_rt **ret_rt, anqa_error *err)
{
    return anqa_start_versioned(options, ANQA_VERSION_STRING, ret_rt, err);
}

/** Ends every process (exit signal SHUTDOWN, then KILL after the deadline) and the threads, frees all. NULL is fine.
 * Attached threads get the exit signals as messages and must detach: when one is attached still at the deadline (the
 * calling one: at once) the program aborts with a text that names them.   Context: foreign, not attached; blocks. */
ANQA_API void anqa_stop(anqa_rt *rt);

/** Makes this thread a process of `rt`, which traps exits. Fails: E_EXISTS (attached already), E_LIMIT (as many processes
 * or attached threads as there may be), E_NOMEM.   Context: any thread that is not a scheduler. */
ANQA_API anqa_status anqa_attach(anqa_rt *rt, anqa_error *err) ANQA_MUST_CHECK;
/** Ends that process with NORMAL, or the reason it was killed with. Nothing happens on a thread that is not attached. */
ANQA_API void anqa_detach(void);

/** The runtime of the calling process; NULL outside of one. */
ANQA_API anqa_rt *anqa_rt_self(void);

/** As anqa_send, anqa_spawn, anqa_exit_signal and anqa_is_alive, from any thread. They fail in the same ways. What comes of
 * them is from nobody: a new process has no parent, and `link` and `monitor` mean nothing to it. anqa_rt_spawn also fails
 * with E_STOPPED, when the runtime is about to stop. */
ANQA_API anqa_status anqa_rt_send(anqa_rt *rt, anqa_pid to, const char *tag, anqa_payload payload);
ANQA_API anqa_status anqa_rt_spawn(
    anqa_rt *rt, const anqa_spawn_opts *opts, anqa_pid *ret_pid) ANQA_MUST_CHECK;
ANQA_API void anqa_rt_exit_signal(anqa_rt *rt, anqa_pid to, anqa_reason reason);
ANQA_API bool anqa_rt_is_alive(anqa_rt *rt, anqa_pid pid);

/** Counters for tests, health and benches. Any thread; each is right at some moment of the call. */
typedef struct anqa_rt_stats {
    uint64_t processes;       /* alive */
    uint64_t zombies;         /* dead, waiting for foreign work */
    uint64_t spawned, exited; /* since the start */
    uint64_t contained;       /* faults */
    uint64_t stacks;          /* owned by waiting processes */
    uint64_t messages;        /* message blocks in use */
    uint64_t heap_bytes;      /* of all process heaps */
    uint64_t timers;          /* armed */
    uint64_t steals;
    bool tainted;
} anqa_rt_stats;
ANQA_API void anqa_rt_get_stats(anqa_rt *rt, anqa_rt_stats *ret_stats);

/** Deterministic mode only: runs until nothing is runnable and no timer is due before `until_ms` of the fake clock
 * (ANQA_INFINITY: until nothing is left to do). Returns the number of activations run.  Context: the thread that started it. */
ANQA_API uint64_t anqa_rt_run(anqa_rt *rt, uint64_t until_ms);

ANQA_END_DECLS

#endif
