/* Failures on purpose. A deterministic runtime runs on the thread of the test, so that other processes can be touched. */
#include "test/kit.h"

#include <stdio.h>

#include "runtime/heap.h"
#include "runtime/sched.h"

enum { INJECTIONS_MAX = 64 };

/* An injection that has not happened yet. */
struct plan {
    anqa_pid pid; /* nobody, or dead: free */
    anqa_test_injection injection;
    uint32_t left; /* visits up to and with the one that fails */
};

static struct plan plans[INJECTIONS_MAX];

static struct plan *plan_of(anqa_pid pid)
{
    for (size_t i = 0; i < INJECTIONS_MAX; i++)
        if (anqa_pid_eq(plans[i].pid, pid))
            return &plans[i];
    return NULL;
}

/* One that no living process needs; NULL: there is none. */
static struct plan *free_plan(void)
{
    for (size_t i = 0; i < INJECTIONS_MAX; i++)
        if (!anqa_is_alive(plans[i].pid))
            return &plans[i];
    return NULL;
}

/* The slot of a living process. */
static struct proc *slot_of(struct sched *s, anqa_pid pid)
{
    if (!anqa_is_alive(pid))
        anqa_exit(anqa_reason_make(ANQA_REASON_CONTRACT, "a failure for a process that is dead"));
    return proc_slot(s->rt, pid);
}

void anqa_test_crash(anqa_pid pid, anqa_reason reason)
{
    struct sched *s;
    const struct proc *self = proc_self(&s);

    kit_require_deterministic("anqa_test_crash");
    if (slot_of(s, pid) == self)
        anqa_exit(reason);
    proc_doom(s, slot_of(s, pid), reason);
}

void anqa_test_limit_memory(anqa_pid pid, size_t bytes)
{
    struct proc_more *more;
    struct sched *s;
    struct proc *p;

    (void)proc_self(&s);
    kit_require_deterministic("anqa_test_limit_memory");
    p = slot_of(s, pid);
    more = proc_more(s, p);
    ANQA_REQUIRE(more != NULL && "memory for a quota");
    more->heap_quota = heap_held(more->heap) + bytes;
    if (more->heap_quota == 0)
        more->heap_quota = 1; /* 0 is no quota */
}

/* ---------------------------------------------------------------- later */

/* A real fault, which the sanitizers are not to report in their own way. */
static __attribute__((noinline, no_sanitize("address", "undefined"))) void fault(void)
{
    volatile char *volatile nowhere = NULL;

    *nowhere = 1; /* NOLINT(clang-analyzer-core.NullDereference): on purpose */
}

static void fail(struct sched *s, struct proc *p, anqa_test_failure how)
{
    switch (how) {
    case ANQA_TEST_EXIT: anqa_exit(anqa_error_reason("injected by the test"));
    case ANQA_TEST_KILL:
        p->flags |= PROC_TERMINATING; /* `terminate` is not called */
        proc_exit(s, anqa_reason_of(ANQA_REASON_KILLED));
    case ANQA_TEST_FAULT: fault();
    }
}

static void rig(struct sched *s, struct proc *p, enum rig_point point, const char *tag)
{
    struct plan *plan = plan_of(proc_pid(s->rt, p));
    const anqa_test_injection *injection = &plan->injection;
    bool there = point == (injection->at == ANQA_TEST_AT_WAIT ? RIG_WAIT : RIG_MESSAGE);

    if (there && tag != NULL && injection->tag != NULL)
        there = anqa_tag_is(tag, injection->tag);
    if (!there || --plan->left > 0)
        return;
    plan->pid = (anqa_pid){0};
    p->flags &= ~(uint32_t)PROC_RIGGED;
    fail(s, p, injection->how);
}

void anqa_test_inject(anqa_pid pid, const anqa_test_injection *injection)
{
    struct plan *plan = plan_of(pid);
    struct sched *s;

    (void)proc_self(&s);
    kit_require_deterministic("anqa_test_inject");
    if (plan == NULL)
        plan = free_plan();
    ANQA_REQUIRE(plan != NULL && "at most 64 injections at a time");
    slot_of(s, pid)->flags |= PROC_RIGGED;
    *plan = (struct plan){pid, *injection, injection->nth == 0 ? 1 : injection->nth};
    s->rt->rig = rig;
}
