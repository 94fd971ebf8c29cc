#include "js/park.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <anqa/telemetry.h>

#include "js/lines.h"
#include "js/preempt.h"
#include "runtime/sched.h"

enum { LOOK = 16, TRIES = 3 };

ANQA_TELEMETRY_DEFINE(js_park, "anqa.js.park");
ANQA_TELEMETRY_DEFINE(js_wake, "anqa.js.wake");

/* Owner: the process that waits; in the list guarded by the lock. */
struct js_waiter {
    struct anqa_list_node node; /* js_rt.waiting */
    anqa_pid pid;
    uint64_t ref; /* wakes it */
    bool granted; /* it has been given a place; guarded by the lock */
};

/* What has happened, to be told when all is done: who listens may fail, and end the process. */
struct parked {
    const anqa_js_script *script; /* NULL: nothing */
    size_t bytes;
};

static void tell_parked(struct js_rt *rt, const struct parked *parked)
{
    if (parked->script != NULL)
        ANQA_EMIT(js_park,
            (anqa_field_uint("count", 1), anqa_field_uint("bytes", parked->bytes),
                anqa_field_uint("parked", atomic_load_explicit(&rt->parked, memory_order_relaxed)),
                anqa_field_uint(
                    "parked_bytes", atomic_load_explicit(&rt->parked_bytes, memory_order_relaxed))),
            (anqa_field_text("script", parked->script->name)));
}

static void count(struct js_rt *rt, size_t len, bool parked)
{
    atomic_fetch_add_explicit(&rt->parked, parked ? 1 : UINT32_MAX, memory_order_relaxed);
    atomic_fetch_add_explicit(&rt->parked_bytes, parked ? len : -len, memory_order_relaxed);
}

static bool swap_use(struct js *js, uint32_t from, uint32_t to)
{
    /* IDLE is taken with what its last owner has done to the memory, and in one order with `waiters` */
    return atomic_compare_exchange_strong_explicit(
        &js->use, &from, to, memory_order_seq_cst, memory_order_acquire);
}

/* ---------------------------------------------------------------- parking another one */

/* Of those in no turn the one that was used least recently, as far as a look at LOOK of them tells. NULL: all are in a
 * turn. Who was used since the last look goes to the end of the list. The lock is held. */
static struct js_window *look(struct js_rt *rt)
{
    struct js_window *oldest = NULL;
    struct anqa_list_node *node = anqa_list_first(&rt->used), *next;
    uint32_t found = 0;

    for (uint32_t i = 0; node != NULL && i < rt->used_count && found < LOOK; i++, node = next) {
        struct js_window *window = ANQA_CONTAINER_OF(node, struct js_window, node);
        uint64_t used = atomic_load_explicit(&window->used, memory_order_relaxed);
        /* in one order with `waiters` */
        bool idle = atomic_load_explicit(&window->js->use, memory_order_seq_cst) == JS_IDLE;

        next = anqa_list_next(&rt->used, node);
        if (!idle || used != window->seen) {
            window->seen = used;
            anqa_list_remove(node);
            anqa_list_push(&rt->used, node);
        }
        found += idle;
        if (idle &&
            (oldest == NULL || used < atomic_load_explicit(&oldest->used, memory_order_relaxed)))
            oldest = window;
        if (next == NULL)
            next = anqa_list_first(&rt->used);
    }
    return oldest;
}

/* The same; it is PARKING then. */
static struct js *choose(struct js_rt *rt)
{
    struct js_window *window;

    do
        window = look(rt);
    while (window != NULL && !swap_use(window->js, JS_IDLE, JS_PARKING));
    return window == NULL ? NULL : window->js;
}

static void list_window(struct js_rt *rt, struct js_window *window, struct js *js)
{
    pthread_mutex_lock(&rt->lock);
    window->js = js;
    window->seen = 0;
    anqa_list_push(&rt->used, &window->node);
    rt->used_count++;
    pthread_mutex_unlock(&rt->lock);
}

static void unlist_window(struct js_rt *rt, struct js_window *window)
{
    pthread_mutex_lock(&rt->lock);
    rt->used_count -= window->js != NULL;
    window->js = NULL;
    anqa_list_remove(&window->node);
    pthread_mutex_unlock(&rt->lock);
}

/* Parks a process that is PARKING; its place is the caller's then. False: there is no memory for its lines, it is IDLE
 * again. What has happened is left in `ret_parked`. */
static bool park(struct js *js, struct parked *ret_parked)
{
    struct js_window *window = js->window;
    struct js_rt *rt = js->rt;
    uint8_t *lines = NULL;
    size_t len = 0;

    if (window->touched && !image_lines(js, &lines, &len)) {
        atomic_store_explicit(&js->use, JS_IDLE, memory_order_release); /* pairs with swap_use */
        return false;
    }
    unlist_window(rt, window);
    *ret_parked = (struct parked){js->script, len};
    js->lines = lines;
    js->lines_len = (uint32_t)len;
    js->window = NULL;
    js->engine.memory.data = NULL;
    count(rt, len, true);
    atomic_fetch_add_explicit(&rt->parks, 1, memory_order_relaxed);
    window_give(rt, window, true);
    /* pairs with swap_use and park_is: from here on it is the process's, which may end, and its image with it */
    atomic_store_explicit(&js->use, JS_PARKED, memory_order_release);
    return true;
}

/* ---------------------------------------------------------------- places */

/* A place is free: it is the first waiter's, if there is one. */
static void pass_place(struct js_rt *rt)
{
    struct js_waiter *waiter;
    struct anqa_list_node *node;
    anqa_pid pid = {0};
    uint64_t ref = 0;

    pthread_mutex_lock(&rt->lock);
    node = anqa_list_pop(&rt->waiting);
    if (node == NULL) {
        rt->mapped--;
    } else {
        waiter = ANQA_CONTAINER_OF(node, struct js_waiter, node);
        waiter->granted = true;
        atomic_fetch_sub_explicit(&rt->waiters, 1, memory_order_relaxed);
        pid = waiter->pid;
        ref = waiter->ref;
    }
    pthread_mutex_unlock(&rt->lock);
    if (node != NULL)
        proc_wake(sched_self, pid, ref);
}

/* Leaves the queue. True: with a place. */
static bool stop_waiting(struct js *js)
{
    struct js_waiter *waiter = js->waiter;
    bool granted;

    pthread_mutex_lock(&js->rt->lock);
    granted = waiter->granted;
    if (!granted) {
        anqa_list_remove(&waiter->node);
        atomic_fetch_sub_explicit(&js->rt->waiters, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&js->rt->lock);
    js->waiter = NULL;
    free(waiter);
    return granted;
}

static anqa_status wait_for_place(struct js *js, uint32_t timeout_ms, anqa_error *err)
{
    uint64_t deadline = sched_now(sched_self) + timeout_ms;

    (void)proc_wait_event(sched_self, js->waiter->ref, deadline, ANQA_PROCESS_RUNNABLE);
    if (stop_waiting(js))
        return ANQA_OK;
    return anqa_fail(err, ANQA_E_LIMIT,
        "%u JavaScript processes are mapped, as many as may be at once, and none of them could be "
        "parked for %u ms: see option js_mapped",
        js->rt->limit, timeout_ms);
}

/* At the end of the queue. False: no memory. The lock is held. */
static bool queue_up(struct js *js)
{
    struct js_waiter *waiter = malloc(sizeof *waiter);

    if (waiter == NULL)
        return false;
    *waiter = (struct js_waiter){.pid = anqa_self(), .ref = sched_new_ref(sched_self)};
    anqa_list_node_init(&waiter->node);
    anqa_list_push(&js->rt->waiting, &waiter->node);
    js->waiter = waiter;
    return true;
}

enum found { FOUND_PLACE, FOUND_VICTIM, FOUND_QUEUE, FOUND_NO_MEMORY };

/* A place; or a process that can be parked for one and is PARKING; or the caller is in the queue. */
static enum found find_place(struct js *js, struct js **ret_victim)
{
    struct js_rt *rt = js->rt;
    enum found found = FOUND_PLACE;

    pthread_mutex_lock(&rt->lock);
    if (rt->mapped < rt->limit) {
        rt->mapped++;
        pthread_mutex_unlock(&rt->lock);
        return FOUND_PLACE;
    }
    /* Before looking, in one order with what park_end does: it sees that somebody waits, or we see that it is IDLE. */
    atomic_fetch_add_explicit(&rt->waiters, 1, memory_order_seq_cst);
    *ret_victim = anqa_list_empty(&rt->waiting) ? choose(rt) : NULL; /* nobody pushes in */
    if (*ret_victim != NULL)
        found = FOUND_VICTIM;
    else
        found = queue_up(js) ? FOUND_QUEUE : FOUND_NO_MEMORY;
    if (found != FOUND_QUEUE)
        atomic_fetch_sub_explicit(&rt->waiters, 1, memory_order_relaxed);
    pthread_mutex_unlock(&rt->lock);
    return found;
}

static anqa_status take_place(
    struct js *js, uint32_t timeout_ms, struct parked *ret_parked, anqa_error *err)
{
    struct js *victim = NULL;

    for (int i = 0; i < TRIES; i++)
        switch (find_place(js, &victim)) {
        case FOUND_PLACE: return ANQA_OK;
        case FOUND_VICTIM:
            if (park(victim, ret_parked))
                return ANQA_OK;
            break;
        case FOUND_QUEUE: return wait_for_place(js, timeout_ms, err);
        case FOUND_NO_MEMORY: break;
        }
    return anqa_fail(err, ANQA_E_NOMEM, "no memory to park a JavaScript process");
}

/* The system has no addresses for one more window: there may be as many as there are. False: that is none. */
static bool lower_limit(struct js_rt *rt)
{
    bool lowered;

    pthread_mutex_lock(&rt->lock);
    lowered = rt->mapped > 1 && rt->used_count > 0;
    if (lowered && rt->limit >= rt->mapped)
        rt->limit = rt->mapped - 1;
    pthread_mutex_unlock(&rt->lock);
    return lowered;
}

anqa_status park_take(struct js *js, struct js_image *image, uint32_t timeout_ms, anqa_error *err)
{
    struct js_rt *rt = js->rt;
    anqa_status status;
    bool again;

    do {
        struct parked parked = {0};
        status = take_place(js, timeout_ms, &parked, err);
        if (status != ANQA_OK)
            return status;
        status = window_take(rt, image, &js->window, err);
        again = status == ANQA_E_LIMIT && lower_limit(rt);
        if (status != ANQA_OK)
            pass_place(rt);
        else if (!js->script->stays_mapped)
            list_window(rt, js->window, js);
        tell_parked(rt, &parked);
    } while (again);
    return status;
}

/* ---------------------------------------------------------------- turns */

static ANQA_NORETURN void cannot_wake(const struct js *js, const char *why)
{
    anqa_exit(anqa_reason_make(
        ANQA_REASON_SYSTEM_LIMIT, "script '%s' cannot be woken: %s", js->script->name, why));
}

/* What it was before it was parked, in a window that shows its image. */
static void restore(struct js *js)
{
    struct js_window *window = js->window;
    struct lines_reading reading = {
        .at = js->lines, .end = js->lines + js->lines_len, .size = js->engine.memory.size};

    if (!window_grow(window, js->engine.memory.size))
        cannot_wake(js, "the system has no memory for it");
    js->engine.memory.data = window->base;
    window->touched = !js->fresh;
    if (js->lines_len > 0 && !window->warm)
        image_warm(js);
    while (reading.at < reading.end) {
        ANQA_INVARIANT(lines_decode_some(&reading, window->base));
        if (reading.at < reading.end)
            anqa_yield(); /* it is PARKED, so the window is nobody else's */
    }
}

static void wake(struct js *js)
{
    struct js_rt *rt = js->rt;
    size_t len = js->lines_len;
    anqa_error err;

    if (park_take(js, js->image, PARK_WAKE_MS, &err) != ANQA_OK)
        cannot_wake(js, err.text);
    restore(js);
    free(js->lines);
    js->lines = NULL;
    js->lines_len = 0;
    count(rt, len, false);
    atomic_fetch_add_explicit(&rt->wakes, 1, memory_order_relaxed);
    atomic_store_explicit(&js->use, JS_BUSY, memory_order_relaxed);
    ANQA_EMIT(js_wake,
        (anqa_field_uint("count", 1), anqa_field_uint("bytes", len),
            anqa_field_uint("parked", atomic_load_explicit(&rt->parked, memory_order_relaxed))),
        (anqa_field_text("script", js->script->name)));
}

void park_begin(struct js *js)
{
    while (!swap_use(js, JS_IDLE, JS_BUSY)) {
        uint32_t use = atomic_load_explicit(&js->use, memory_order_acquire);
        if (use == JS_BUSY) /* it starts, or is never parked */
            return;
        if (use == JS_PARKED) {
            wake(js);
            return;
        }
        anqa_yield();
    }
}

/* Somebody waits for a place: that of this process, which is IDLE, is his. */
static void give_way(struct js *js)
{
    struct js_rt *rt = js->rt;
    struct parked parked = {0};
    bool wanted;

    pthread_mutex_lock(&rt->lock);
    wanted = !anqa_list_empty(&rt->waiting);
    pthread_mutex_unlock(&rt->lock);
    if (wanted && swap_use(js, JS_IDLE, JS_PARKING) && park(js, &parked)) {
        pass_place(rt);
        tell_parked(rt, &parked);
    }
}

/* BUSY for good. */
static bool is_never_parked(const struct js *js)
{
    return js->script->stays_mapped || js->image->view == NULL;
}

void park_end_unused(struct js *js)
{
    struct js_rt *rt = js->rt;

    if (is_never_parked(js))
        return;
    /* in one order with what find_place does */
    atomic_store_explicit(&js->use, JS_IDLE, memory_order_seq_cst);
    if (atomic_load_explicit(&rt->waiters, memory_order_seq_cst) > 0)
        give_way(js);
}

void park_end(struct js *js)
{
    atomic_store_explicit(&js->window->used, ticks(), memory_order_relaxed);
    park_end_unused(js);
}

bool park_try_begin(struct js *js)
{
    return swap_use(js, JS_IDLE, JS_BUSY) || is_never_parked(js);
}

bool park_is(const struct js *js)
{
    return atomic_load_explicit(&js->use, memory_order_acquire) == JS_PARKED;
}

/* ---------------------------------------------------------------- the end */

void park_leave(struct js *js)
{
    struct js_rt *rt = js->rt;

    while (!swap_use(js, JS_IDLE, JS_BUSY) &&
           atomic_load_explicit(&js->use, memory_order_acquire) == JS_PARKING)
        sched_yield(); /* another thread computes */
    if (js->waiter != NULL && stop_waiting(js))
        pass_place(rt);
    if (park_is(js))
        count(rt, js->lines_len, false);
    free(js->lines);
    js->lines = NULL;
    if (js->window == NULL)
        return;
    unlist_window(rt, js->window);
    window_give(rt, js->window, false);
    js->window = NULL;
    pass_place(rt);
}

/* ---------------------------------------------------------------- counts */

void anqa_js_get_counts(anqa_js_counts *ret_counts)
{
    struct js_rt *rt = js_rt_get();

    *ret_counts = (anqa_js_counts){0};
    if (rt == NULL)
        return;
    pthread_mutex_lock(&rt->lock);
    ret_counts->mapped = rt->mapped;
    ret_counts->mapped_limit = rt->limit;
    ret_counts->waiting = atomic_load_explicit(&rt->waiters, memory_order_relaxed);
    pthread_mutex_unlock(&rt->lock);
    ret_counts->parked = atomic_load_explicit(&rt->parked, memory_order_relaxed);
    ret_counts->parked_bytes = atomic_load_explicit(&rt->parked_bytes, memory_order_relaxed);
    ret_counts->parks = atomic_load_explicit(&rt->parks, memory_order_relaxed);
    ret_counts->wakes = atomic_load_explicit(&rt->wakes, memory_order_relaxed);
}
