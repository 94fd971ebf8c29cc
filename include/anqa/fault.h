/**
 * anqa/fault.h - what happens when code of a process crashes, and what is promised about it.
 *
 * A *contained* fault ends the process whose code was running, like anqa_exit with a reason of kind FAULT: its stack is
 * abandoned, its deferred clean-ups run, links and monitors are told, its supervisor acts. `terminate` is not called.
 * The reason's text names the signal, the address and the raw backtrace; the log's event process.crashed has the names.
 *
 * Contained are, as long as every frame from the fault down to the scheduler belongs to application text or Anqa:
 *   - SIGSEGV, SIGBUS, SIGILL and SIGFPE, also those raised inside of the mem* and str* functions of the C library when
 *     application code called them, and those from a call through a NULL or wild function pointer;
 *   - the end of the stack (a hit on its guard), however deep the recursion;
 *   - assert() and abort().
 * A failed ANQA_REQUIRE is no signal at all: it exits.
 *
 * Everything else ends the OS process, after a report on stderr that says why, by the default action of the signal:
 *   - what the C library or a sanitizer found wrong and aborted for: a broken heap, a smashed stack, a fortify check;
 *   - a fault with a frame of any other library on the stack: it may hold a lock that nobody would ever release. That
 *     includes functions of libc that call back (qsort) and those that take locks (printf, malloc);
 *   - a fault between anqa_section_begin and anqa_section_end, or while no process runs;
 *   - a stack that cannot be unwound down to the scheduler: code without unwind tables, or overwritten frames;
 *   - a signal that somebody sent (kill -SEGV) instead of the processor.
 *
 * Application text is the main program and the object that holds Anqa, as they were mapped when the first runtime
 * started. A shared object with your own code that is built like it (unwind tables, -fstack-clash-protection) and keeps
 * no lock of its own is declared with anqa_fault_trust.
 *
 * What that is worth. A detected fault ends one process. It is no memory protection: code in C can overwrite what
 * belongs to others before anything is detected. So after a contained memory fault away from the null page (the first
 * 64 KB) the runtime is *tainted*: it says so in its log and statistics, and acts by the `taint` policy of its options.
 * Corruption of shared memory, once found, ends the server, which its service manager starts again. Code that must not
 * be able to touch the memory of others belongs into a program of its own.
 *
 * Threads. Only code of a process on a scheduler is contained. A fault on an attached or foreign thread, or on a worker
 * inside of anqa_blocking, goes to the handler that was installed before Anqa's, or to the default action.
 *
 * A program that installs handlers for these five signals itself does so before the first anqa_start; later ones replace
 * Anqa's and switch containment off. Unwinding must not need locks: a program that registers unwind tables by hand
 * (__register_frame, as some JIT compilers do) loses that.
 */
#ifndef ANQA_FAULT_H
#define ANQA_FAULT_H

#include <anqa/base.h>

ANQA_BEGIN_DECLS

/**
 * Declares the shared object that holds `address` application text, for good: it must not be unloaded afterwards.
 * Fails: E_NOT_FOUND (no object there), E_INVALID (the C library, the unwinder or a sanitizer), E_LIMIT (too many).
 * Context: any thread.
 */
ANQA_API anqa_status anqa_fault_trust(const void *address) ANQA_MUST_CHECK;

ANQA_END_DECLS

#endif
