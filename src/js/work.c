#include "js/work.h"

#include <anqa/memory.h>

#include "runtime/sched.h"

/* Owner: the process that has it, on its heap; in the list guarded by the lock. */
struct place {
    struct js_rt *rt;
    struct anqa_list_node node; /* js_rt.work_waiting */
    anqa_pid pid;
    uint64_t ref; /* wakes it */
    bool granted; /* guarded by the lock */
};

/* The first that waits gets what is given back. The lock is held. NULL: nobody waits. */
static struct place *pass(struct js_rt *rt)
{
    struct anqa_list_node *node = anqa_list_pop(&rt->work_waiting);
    struct place *next = ANQA_CONTAINER_OF(node, struct place, node);

    if (node == NULL) {
        rt->working--;
        return NULL;
    }
    rt->work_waiters--;
    next->granted = true;
    return next;
}

/* The place is given back, or waited for no longer. */
static void leave(void *arg)
{
    struct place *place = arg, *next = NULL;
    struct js_rt *rt = place->rt;
    anqa_pid pid = {0};
    uint64_t ref = 0;

    pthread_mutex_lock(&rt->lock);
    if (place->granted) {
        next = pass(rt);
    } else {
        anqa_list_remove(&place->node);
        rt->work_waiters--;
    }
    if (next != NULL) { /* which may be gone when the lock is */
        pid = next->pid;
        ref = next->ref;
    }
    pthread_mutex_unlock(&rt->lock);
    if (next != NULL)
        proc_wake(sched_self, pid, ref);
    anqa_heap_free(place);
}

enum entered { ENTERED, ENTERED_QUEUE, ENTERED_NOT };

/* ENTERED_NOT: too many wait. */
static enum entered enter(struct place *place)
{
    struct js_rt *rt = place->rt;
    enum entered entered = ENTERED;

    pthread_mutex_lock(&rt->lock);
    if (rt->working < rt->work_limit) {
        rt->working++;
        place->granted = true;
    } else if (rt->work_waiters < rt->work_queue) {
        rt->work_waiters++;
        anqa_list_push(&rt->work_waiting, &place->node);
        entered = ENTERED_QUEUE;
    } else {
        entered = ENTERED_NOT;
    }
    pthread_mutex_unlock(&rt->lock);
    return entered;
}

anqa_status work_blocking(anqa_pid asker, void (*fn)(void *job), void *job)
{
    struct place *place = anqa_heap_alloc(sizeof *place);
    anqa_deferred mark = anqa_defer_mark();
    anqa_status status = ANQA_E_NOPROC;
    enum entered entered;

    *place =
        (struct place){.rt = js_rt_get(), .pid = anqa_self(), .ref = sched_new_ref(sched_self)};
    anqa_list_node_init(&place->node);
    entered = enter(place);
    if (entered == ENTERED_NOT) {
        anqa_heap_free(place);
        return ANQA_E_LIMIT;
    }
    anqa_defer(leave, place); /* of one that is killed: when its worker is done */
    if (entered == ENTERED_QUEUE)
        (void)proc_wait_event(sched_self, place->ref, UINT64_MAX, ANQA_PROCESS_BLOCKING);
    if (anqa_is_alive(asker))
        status = anqa_blocking(fn, job, 0);
    anqa_defer_run_to(mark);
    return status;
}
