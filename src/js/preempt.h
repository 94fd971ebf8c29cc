/*
 * Preemption: how a script that computes for long lets others run, at any instruction.
 *
 * A thread that enters the engine has a *tick*: a timer of its own that sends it a signal every TICK_US while scripts
 * run there. It is armed at the first entry and disarms itself when a whole period has passed without one, so turns that
 * follow each other pay nothing for it. The signal's handler looks where it has interrupted: in the engine's text it
 * makes the thread go on in a trampoline, on the same stack, which saves every register and calls js_preempted; that
 * yields, as anqa_yield does, and some day returns into the interrupted instruction. Anywhere else it leaves a note,
 * which is looked at when the engine goes on.
 *
 * Why that is safe: the engine's text holds no lock, calls nothing that could, and keeps nothing outside of its window,
 * its stack and registers. What is C, here and in the runtime, is never interrupted half-way by this.
 *
 * A process that was preempted goes on with low priority until its turn ends: of many that compute, each has its part,
 * and those that only answer do not queue behind them.
 */
#ifndef JS_PREEMPT_H
#define JS_PREEMPT_H

#include <signal.h> // IWYU pragma: export
#include <stdbool.h>
#include <stdint.h>

struct js;
struct js_rt;

#define TICK_US 500
#define TICKS_PER_MS 2
/* Urgent data on sockets is what it says, and nobody uses that: ignored unless somebody has a handler, as other runtimes
 * with preemption have found. A signal that is not of our timer goes to the handler that was there before. */
#define TICK_SIGNAL SIGURG

struct js_thread {
    struct js *volatile running; /* whose code the engine runs; NULL: nobody's */
    volatile sig_atomic_t note;  /* a tick came outside of the engine's text */
    volatile uint32_t entries, seen;
    volatile sig_atomic_t armed;
    struct js_rt *rt; /* whose timer it is */
    void *timer;      /* a timer_t */
};

extern _Thread_local struct js_thread js_thread __attribute__((tls_model("initial-exec")));

/* Installs the handlers, once in a program. */
void preempt_setup(void);
/* The timers of a runtime that ends. */
void preempt_forget(struct js_rt *rt);
void preempt_arm(struct js *js);
/* The process has had its time. Returns when it has its turn again. */
void js_preempted(struct js *js);

/* The engine goes on for `js`: at the start of a turn, and behind every import that may have waited. */
static inline void preempt_enter(struct js *js)
{
    struct js_thread *t = &js_thread;

    t->entries++; /* first: a tick that comes between here and the test does not disarm */
    t->running = js;
    if (__builtin_expect(!t->armed, 0))
        preempt_arm(js);
}

/* For C that works for long: whether the process has had its time. Returns when it has its turn again. */
static inline void preempt_point(struct js *js)
{
    if (js_thread.note)
        js_preempted(js);
}

static inline void preempt_leave(void)
{
    js_thread.running = NULL;
}

#endif
