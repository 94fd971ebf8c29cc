#include "js/work.h"

#include <anqa/memory.h>

#include "runtime/sched.h"
#include "runtime/worker.h"

enum {
    FREE = 2, /* workers that scripts leave to others */
    LOOKS = 6,
    LOOKS_FAMILY = 2 /* names that are looked up at once */
};

/* Owner: the process that has it, on its heap; in the list guarded by the lock. */
struct place {
    struct js_rt *rt;
    struct work_gate *gate;
    struct anqa_list_node node; /* of the gate: waiting, or running when it is granted */
    anqa_pid pid, family;
    uint64_t ref; /* wakes it */
    /* guarded by the lock */
    uint64_t
        turn; /* when its family was last given a worker, as far as somebody of it is in a list; else when it came */
    bool granted;
};

static struct place *place_of(struct anqa_list_node *node)
{
    return node == NULL ? NULL : ANQA_CONTAINER_OF(node, struct place, node);
}

/* All below, up to leave(): the lock is held. */

static void grant(struct work_gates *gates, struct place *place)
{
    struct work_gate *gate = place->gate;
    struct anqa_list_node *node = anqa_list_first(&gate->waiting);

    gates->working++;
    gate->working++;
    place->granted = true;
    place->turn = gate->turns += 2;
    anqa_list_push(&gate->running, &place->node);
    for (; node != NULL; node = anqa_list_next(&gate->waiting, node))
        if (anqa_pid_eq(place_of(node)->family, place->family))
            place_of(node)->turn = place->turn;
}

/* Of a family, in one of the lists: how many there are, and the turn it has had. */
static uint32_t count_family(const struct anqa_list *list, anqa_pid family, uint64_t *turn)
{
    uint32_t count = 0;

    for (struct anqa_list_node *node = anqa_list_first(list); node != NULL;
        node = anqa_list_next(list, node)) {
        const struct place *place = place_of(node);
        if (!anqa_pid_eq(place->family, family))
            continue;
        count++;
        if (place->turn > *turn)
            *turn = place->turn;
    }
    return count;
}

/* Whether one more of its family may have a worker. */
static bool may_run(const struct work_gate *gate, const struct place *place)
{
    uint64_t turn = 0;

    return count_family(&gate->running, place->family, &turn) < gate->family_limit;
}

/* Of whose family it is longest ago; of these the first. NULL: nobody waits for what may be had. */
static struct place *find_next(const struct work_gate *gate)
{
    struct place *next = NULL;

    if (gate->working >= gate->limit)
        return NULL;
    for (struct anqa_list_node *node = anqa_list_first(&gate->waiting); node != NULL;
        node = anqa_list_next(&gate->waiting, node)) {
        struct place *place = place_of(node);
        if ((next == NULL || place->turn < next->turn) && may_run(gate, place))
            next = place;
    }
    return next;
}

/* What this gate has given back goes to who waits for it. One at most: all others that wait have been refused before, for want
 * of what is not given back now. NULL: nobody waits. */
static struct place *pass(struct work_gates *gates, struct work_gate *gate)
{
    struct work_gate *other = gate == &gates->work ? &gates->looks : &gates->work;
    struct place *next, *others;

    gate->working--;
    gates->working--;
    next = find_next(gate);
    others = find_next(other);
    if (next == NULL || (others != NULL && other->working <= gate->working))
        next = others;
    if (next == NULL)
        return NULL;
    next->gate->waiters--;
    anqa_list_remove(&next->node);
    grant(gates, next);
    return next;
}

/* A family has half of the queue, so that others find room. One that is in no list comes before the family that was served last,
 * and behind all that have waited longer: whoever comes later does not pass them. False: too many wait. */
static bool queue(struct work_gate *gate, struct place *place)
{
    uint32_t waiting = count_family(&gate->waiting, place->family, &place->turn);

    (void)count_family(&gate->running, place->family, &place->turn);
    if (gate->waiters >= gate->queue || waiting >= (gate->queue + 1) / 2)
        return false;
    if (place->turn == 0)
        place->turn = gate->turns - 1;
    gate->waiters++;
    anqa_list_push(&gate->waiting, &place->node);
    return true;
}

/* The place is given back, or waited for no longer. */
static void leave(void *arg)
{
    struct place *place = arg, *next = NULL;
    struct js_rt *rt = place->rt;
    anqa_pid pid = {0};
    uint64_t ref = 0;

    pthread_mutex_lock(&rt->lock);
    anqa_list_remove(&place->node);
    if (place->granted)
        next = pass(&rt->gates, place->gate);
    else
        place->gate->waiters--;
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
    struct work_gate *gate = place->gate;
    enum entered entered = ENTERED;

    pthread_mutex_lock(&rt->lock);
    if (rt->gates.working < rt->gates.limit && gate->working < gate->limit &&
        may_run(gate, place)) {
        grant(&rt->gates, place);
    } else if (queue(gate, place)) {
        entered = ENTERED_QUEUE;
    } else {
        entered = ENTERED_NOT;
    }
    pthread_mutex_unlock(&rt->lock);
    return entered;
}

static void gate_init(struct work_gate *gate, uint32_t limit, uint32_t family_limit, uint32_t room)
{
    *gate =
        (struct work_gate){.limit = limit, .family_limit = family_limit, .queue = room, .turns = 2};
    anqa_list_init(&gate->waiting);
    anqa_list_init(&gate->running);
}

void work_gates_init(struct work_gates *gates, anqa_rt *rt)
{
    struct workers_stats workers;
    uint32_t all, half, looks;

    workers_get_stats(rt, &workers);
    all = workers.threads_max;
    half = all > 1 ? all / 2 : 1;
    gates->limit = all > FREE ? all - FREE : 1;
    gates->working = 0;
    looks =
        gates->limit > 1 ? gates->limit - 1 : 1; /* those that nobody answers leave one to work */
    gate_init(&gates->work, half, half, workers.queue_max);
    gate_init(&gates->looks, looks < LOOKS ? looks : LOOKS, LOOKS_FAMILY, workers.queue_max);
}

anqa_status work_blocking(
    struct work_gate *gate, anqa_pid asker, anqa_pid family, void (*fn)(void *job), void *job)
{
    struct place *place = anqa_heap_alloc(sizeof *place);
    anqa_deferred mark = anqa_defer_mark();
    anqa_status status = ANQA_E_NOPROC;
    enum entered entered;

    *place = (struct place){.rt = js_rt_get(),
        .gate = gate,
        .pid = anqa_self(),
        .family = family,
        .ref = sched_new_ref(sched_self)};
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
