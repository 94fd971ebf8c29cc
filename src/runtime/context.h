/*
 * Switching between stacks, in assembly (context.S). Nothing but runtime/stack.c calls these: they know nothing of
 * sanitizers, ownership or who is put back where.
 *
 * What is saved: the registers that the platform's calling convention makes a function keep, and no more. On x86-64
 * that is rbx, rbp, r12-r15 (mxcsr and the x87 control word are formally kept too, but every thread runs with the
 * defaults and saving them would double the cost: code that changes rounding or traps must restore them before it
 * waits). On aarch64: x19-x30 and the low halves of v8-v15. Signal masks are never touched.
 *
 * A fresh stack begins with a frame whose return address is marked as undefined and whose frame pointer is zero, so
 * that debuggers and unwinders of both kinds stop there. An entry function that returns is a trap.
 */
#ifndef RUNTIME_CONTEXT_H
#define RUNTIME_CONTEXT_H

#include <anqa/base.h>

/* Saves the running context in *ret_sp and continues the one saved in `to`. Returns when *ret_sp is continued. */
void context_switch(void **ret_sp, void *to);

/* Saves the running context in *ret_sp and calls entry(arg) at `top`, which is aligned to 16 bytes. */
void context_start(void **ret_sp, void *top, void (*entry)(void *), void *arg);

/* The same two without a way back. after(arg) is called on the stack of `to` before that goes on. Not declared as never
 * returning: that would make AddressSanitizer clean a stack which it has already been told to forget. */
void context_leave(void *to, void (*after)(void *), void *arg);
void context_leave_start(void *top, void (*entry)(void *), void *arg);

/* Makes the context that a signal handler interrupted (its third argument) go on as entry(arg) at `top`, with processor
 * modes as at the start of a thread: the code that was interrupted may have changed them. Async-signal-safe. */
void context_divert(void *ucontext, void *top, void (*entry)(void *), void *arg);

#endif
