/*
 * Fault containment: what a crash of application code does to its process, and when it must end the server instead.
 * include/anqa/fault.h says what is promised; this is how.
 *
 * The handler runs on the alternate stack of a scheduler's thread. It collects the frames, decides, and either makes
 * the thread go on in the landing, on the spare stack, as if the faulting code had called anqa_exit; or writes a report
 * and lets the signal take its default action, so that the core dump shows the fault itself.
 *
 * Nothing here may rely on the state of the process that crashed, and the handler takes no lock and allocates nothing.
 * From the signal until the landing is done the scheduler is `handling`: another fault meanwhile is fatal.
 *
 * Threads: install and uninstall from any; a struct fault belongs to its scheduler's thread.
 */
#ifndef RUNTIME_FAULT_H
#define RUNTIME_FAULT_H

#include <signal.h>

#include "runtime/backtrace.h"
#include "runtime/sched.h"

/* What the handler decides. All but the first end the OS process; the texts are for its report. */
#define FAULT_VERDICT_MAP(X)                                                               \
    X(CONTAINED, "contained")                                                              \
    X(NESTED, "another fault happened while this one was being handled")                   \
    X(NO_PROCESS, "no process was running on this scheduler")                              \
    X(SECTION, "it happened inside of a marked section, which must not be left half done") \
    X(SENT, "the signal was sent by somebody, it is not a fault of this code")             \
    X(NO_SPARE, "there is no spare stack to go on with")                                   \
    X(OFF_STACK, "the stack pointer has left the stack of the process")                    \
    X(LIBRARY_ABORT, "a library found memory corrupted or gave up, and aborted")           \
    X(FOREIGN, "a frame of a foreign library is on the stack, which may hold its locks")   \
    X(INVARIANT, "the runtime found its own state wrong")                                  \
    X(UNWIND, "the stack cannot be followed down to the scheduler")                        \
    X(POLICY, "memory may be corrupted, and the policy is to abort then")

#define FAULT_VERDICT_X(name, text) FAULT_##name,
enum fault_verdict { FAULT_VERDICT_MAP(FAULT_VERDICT_X) FAULT_VERDICT_COUNT };
#undef FAULT_VERDICT_X

/* One fault. A value: it is copied to the thread that logs it. */
struct fault_record {
    anqa_pid pid;
    enum fault_verdict verdict;
    int signal;
    int code;         /* si_code */
    bool has_address; /* false: the processor did not tell */
    bool stack_full;  /* a hit on the guard of the stack */
    bool taints;      /* memory of others may have been written before */
    uintptr_t address;
    uintptr_t culprit;   /* the frame that decided against containing; 0: none */
    const char *sandbox; /* what happened in there; NULL: it was not the sandbox's doing */
    char label[64];
    struct backtrace trace;
};

/* Installs the handlers when the first runtime asks. Fails: E_LIMIT and others of sigaction. Counted. */
anqa_status fault_install(anqa_error *err);
/* The last one puts back the handlers that were there before, unless somebody has replaced ours. */
void fault_uninstall(void);

/* The calling thread's alternate stack and s->fault. Fails: E_NOMEM. Context: the thread of `s`. */
anqa_status fault_thread_init(struct sched *s);
/* Context: the same thread. Fine after a failed init. */
void fault_thread_done(struct sched *s);

/* Fills the record, the verdict as soon as it is known. Context: signal handler. */
void fault_classify(
    struct sched *s, const siginfo_t *info, void *ucontext, struct fault_record *record);

/*
 * A sandbox: text whose faults are part of how it works, such as an access beyond the bounds of its memory that a guard
 * stops. In [start, stop) nothing of C or of Anqa is ever half done, so such a fault ends its process without tainting
 * the runtime, and nobody's frames need be judged. `judge` names what happened, or returns NULL: then the fault is
 * judged as any other. It is called in the signal handler. One for the program; set before the text first runs.
 */
struct fault_sandbox {
    const char *start, *stop;
    const char *(*judge)(int signal, const void *address);
};
void fault_set_sandbox(const struct fault_sandbox *sandbox);

/* Called once for a runtime that a contained fault has tainted while its policy is to drain: must begin an orderly
 * stop without waiting for it. Context: the scheduler. */
void fault_set_drain_hook(void (*hook)(anqa_rt *rt));

/* The fault that the current process of `s` has just been ended for, or that a clean-up of it has met, until it has been
 * told of; NULL: none, or one of the sandbox's doing, whose reason says it all. */
const struct fault_record *fault_pending(const struct sched *s);
void fault_told(struct sched *s);

enum fault_text { FAULT_TEXT_WHAT, FAULT_TEXT_PLACE, FAULT_TEXT_FRAMES };
/* "SIGSEGV at 0x10"; the place to look at; all frames, innermost first. With the names of functions, into `buf`. Slow
 * (files are mapped): not on a scheduler that has anything else to do. */
anqa_str fault_text(
    const struct fault_record *record, enum fault_text which, char *buf, size_t size);

#endif
