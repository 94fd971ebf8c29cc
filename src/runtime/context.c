#include "runtime/context.h"

#include <sys/ucontext.h>

void context_diverted(void); /* context.S; takes its arguments in the registers set below */

#if defined(__x86_64__)

void context_divert(void *ucontext, void *top, void (*entry)(void *), void *arg)
{
    greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;

    regs[REG_RIP] = (greg_t)(uintptr_t)&context_diverted;
    regs[REG_RSP] = (greg_t)(uintptr_t)top;
    regs[REG_RSI] = (greg_t)(uintptr_t)entry;
    regs[REG_RDX] = (greg_t)(uintptr_t)arg;
}

#elif defined(__aarch64__)

void context_divert(void *ucontext, void *top, void (*entry)(void *), void *arg)
{
    mcontext_t *regs = &((ucontext_t *)ucontext)->uc_mcontext;

    regs->pc = (uintptr_t)&context_diverted;
    regs->sp = (uintptr_t)top;
    regs->regs[1] = (uintptr_t)entry;
    regs->regs[2] = (uintptr_t)arg;
}

#endif
