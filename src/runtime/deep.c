#include "runtime/deep.h"

#include "runtime/sched.h"

struct deep {
    void (*fn)(void *arg);
    void *arg;
};

/* The arena of the event is where the event's code runs. */
static void swap_tmp(struct stack *a, struct stack *b)
{
    anqa_arena tmp = a->tmp;

    a->tmp = b->tmp;
    b->tmp = tmp;
}

static void deep_entry(void *arg)
{
    const struct deep *deep = arg;
    struct stack *here, *under;
    struct sched *s;

    deep->fn(deep->arg);
    s = sched_self;
    here = s->stack;
    under = here->under;
    here->under = NULL;
    swap_tmp(here, under);
    s->stack = under;
    stack_abandon_resume(here, under);
}

void deep_call(void (*fn)(void *arg), void *arg)
{
    struct sched *s = sched_self;
    struct deep deep = {fn, arg};
    struct stack *from = s->stack, *to;

    ANQA_REQUIRE(s->current != NULL && !s->foreign);
    if (from->cache == &s->deep_stacks) {
        fn(arg);
        return;
    }
    to = stack_take(&s->deep_stacks);
    if (to == NULL)
        anqa_exit(anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT,
            "no large stack for one more waiting process: there are %u", DEEP_STACKS_MAX));
    to->under = from;
    swap_tmp(from, to);
    s->stack = to;
    stack_start(from, to, deep_entry, &deep);
}

size_t deep_left(const void *address)
{
    const struct sched *s = sched_self;

    return (const char *)address > s->stack->low ? (size_t)((const char *)address - s->stack->low)
                                                 : 0;
}
