#include "js/preempt.h"

#include <errno.h>
#include <pthread.h>
#include <sys/types.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <time.h>
#include <unistd.h>

#include "js/debug.h"
#include "js/js.h"
#include "runtime/deep.h"
#include "runtime/fault.h"
#include "runtime/sched.h"

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000
#endif

/* What the trampoline and what it calls may need of the stack. */
#define STACK_NEEDED ((size_t)32 << 10)
#define RED_ZONE 128

/* The linker's names for the ends of the section. */
extern const char text_start[] __asm__("__start_anqa_js_text")
    __attribute__((visibility("hidden")));
extern const char text_stop[] __asm__("__stop_anqa_js_text") __attribute__((visibility("hidden")));

_Thread_local struct js_thread js_thread __attribute__((tls_model("initial-exec")));

/* preempt.S */
void preempt_trampoline(void);
void preempt_sigreturn(void);

/* As the kernel takes it. The C library's sigaction would do, but for ThreadSanitizer's, which puts off signals until
 * the next call into the C library: the engine makes none. */
struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static struct kernel_action before;

/* ---------------------------------------------------------------- the tick */

/* In a signal handler, on whatever thread. Not watched by sanitizers: it may have interrupted them. */
#define HANDLER __attribute__((no_sanitize("address", "thread", "undefined"), no_stack_protector))

HANDLER static void settime(timer_t timer, long period_us)
{
    struct itimerspec spec = {
        .it_interval = {.tv_nsec = period_us * 1000}, .it_value = {.tv_nsec = period_us * 1000}};

    syscall(SYS_timer_settime, (int)(intptr_t)timer, 0, &spec, NULL);
}

HANDLER static void on_tick(int signal, siginfo_t *info, void *ucontext)
{
    struct js_thread *t = &js_thread;
    greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
    uintptr_t ip = (uintptr_t)regs[REG_RIP], sp = (uintptr_t)regs[REG_RSP];
    struct js *js = t->running;
    int saved_errno = errno;

    if (info->si_code != SI_TIMER || info->si_value.sival_ptr != t) {
        if ((before.flags & SA_SIGINFO) != 0)
            before.handler(signal, info, ucontext);
        else if (before.handler != NULL && (void *)before.handler != (void *)SIG_IGN)
            ((void (*)(int))(void *)before.handler)(signal);
        errno = saved_errno;
        return;
    }
    if (js == NULL) {
        if (t->entries == t->seen && t->armed) {
            t->armed = 0;
            settime(t->timer, 0);
        }
        t->seen = t->entries;
        errno = saved_errno;
        return;
    }
    if (ip < (uintptr_t)text_start || ip >= (uintptr_t)text_stop ||
        deep_left((const void *)sp) < STACK_NEEDED) {
        t->note = 1;
        errno = saved_errno;
        return;
    }
    sp -= RED_ZONE + sizeof ip;
    *(volatile uintptr_t *)sp = ip;
    regs[REG_RSP] = (greg_t)sp;
    regs[REG_RIP] = (greg_t)(uintptr_t)preempt_trampoline;
    errno = saved_errno;
}

/* What the trampoline calls. */
__attribute__((visibility("hidden"))) void preempt_landed(void);

void preempt_landed(void)
{
    js_preempted(js_thread.running);
}

void js_preempted(struct js *js)
{
    anqa_priority priority;

    js_thread.note = 0;
    js_count(&js->face.ticks);
    js_count(&js->face.preemptions);
    debug_tick(js);
    if (++js->turn_ticks >= js->soft)
        js->interrupt = true;
    if (js->turn_ticks >= js->hard)
        anqa_exit(anqa_reason_make(ANQA_REASON_TIMEOUT,
            "JavaScript: a turn of %u ms, which is more than allowed, in a built-in function that "
            "cannot be interrupted",
            js->turn_ticks / TICKS_PER_MS));
    preempt_leave();
    if (sched_self->deterministic) { /* there the clock on the wall decides nothing */
        preempt_enter(js);
        return;
    }
    priority = anqa_set_priority(ANQA_PRIORITY_LOW);
    anqa_yield();
    (void)anqa_set_priority(priority);
    preempt_enter(js);
}

/* ---------------------------------------------------------------- life */

void preempt_arm(struct js *js)
{
    struct js_thread *t = &js_thread;
    struct sigevent event = {
        .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TICK_SIGNAL, .sigev_value.sival_ptr = t};
    int id;

    if (t->rt != js->rt) {
        event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
        /* by the kernel's numbers: the C library's handles are not for signal handlers */
        if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) != 0)
            anqa_exit(anqa_reason_errno(errno, "a timer to preempt JavaScript with"));
        t->timer = (void *)(intptr_t)id;
        t->rt = js->rt;
        if (!js_rt_note_timer(js->rt, id)) {
            syscall(SYS_timer_delete, id);
            t->rt = NULL;
            anqa_exit(anqa_reason_make(
                ANQA_REASON_SYSTEM_LIMIT, "no place for a timer to preempt JavaScript with"));
        }
    }
    t->armed = 1;
    settime((timer_t)t->timer, TICK_US);
}

void preempt_forget(struct js_rt *rt)
{
    for (uint32_t i = 0; i < rt->timer_count; i++)
        syscall(SYS_timer_delete, rt->timers[i]);
    rt->timer_count = 0;
    if (js_thread.rt == rt) { /* deterministic mode: this thread goes on */
        js_thread.rt = NULL;
        js_thread.armed = 0;
    }
}

/* Out of its window or of its stack: what else the text could do, it cannot. */
static const char *judge(int signal, const void *address)
{
    switch (signal) {
    case SIGSEGV:
    case SIGBUS: return "JavaScript: memory access out of bounds";
    default: return NULL;
    }
}

static void setup(void)
{
    static const struct fault_sandbox sandbox = {text_start, text_stop, judge};
    struct kernel_action action = {
        .handler = on_tick,
        .flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_RESTORER,
        .restorer = preempt_sigreturn,
    };

    engine_setup();
    fault_set_sandbox(&sandbox);
    syscall(SYS_rt_sigaction, TICK_SIGNAL, &action, &before, sizeof action.mask);
}

void preempt_setup(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, setup);
}
