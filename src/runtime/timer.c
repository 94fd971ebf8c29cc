/* The timer wheel. See timer.h. */
#include "runtime/timer.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "runtime/sched.h"

#define SWEEP_STEP 64u

static uint64_t state_of(uint64_t sequence, unsigned what)
{
    return sequence << 2 | what;
}

static struct timer *timer_at(const struct timer_wheel *wheel, uint32_t index)
{
    return &wheel->chunks[index / TIMER_CHUNK][index % TIMER_CHUNK];
}

void timers_init(struct sched *s)
{
    struct timer_wheel *wheel = &s->timers;

    for (unsigned level = 0; level < TIMER_LEVELS; level++)
        for (unsigned slot = 0; slot < 64; slot++)
            anqa_list_init(&wheel->slots[level][slot]);
    wheel->now_ms = s->now_ms;
}

void timers_done(struct sched *s)
{
    struct timer_wheel *wheel = &s->timers;

    for (uint32_t i = 0; i < wheel->used; i++) {
        struct timer *timer = timer_at(wheel, i);
        if ((atomic_load_explicit(&timer->state, memory_order_relaxed) & 3) == TIMER_ARMED)
            msg_drop(s, timer->msg);
    }
    for (uint32_t i = 0; wheel->chunks != NULL && i * TIMER_CHUNK < wheel->used; i++)
        free(wheel->chunks[i]);
    free(wheel->chunks);
    wheel->chunks = NULL;
    wheel->used = 0;
}

/* Only the owner writes it; another scheduler may read it when it cancels. */
static uint64_t due_of(const struct timer *timer)
{
    return atomic_load_explicit(&timer->due_ms, memory_order_relaxed);
}

/* What is due now fires with the next tick. */
static void due_set(const struct timer_wheel *wheel, struct timer *timer, uint64_t due)
{
    atomic_store_explicit(
        &timer->due_ms, due <= wheel->now_ms ? wheel->now_ms + 1 : due, memory_order_relaxed);
}

/* ---------------------------------------------------------------- places */

/* The level is chosen by how far away it is: every slot that is passed between now and then lies on a coarser level. */
static void wheel_insert(struct timer_wheel *wheel, struct timer *timer)
{
    uint64_t due = due_of(timer), delta = due - wheel->now_ms;
    unsigned level = (63u - (unsigned)__builtin_clzll(delta | 1)) / 6;
    unsigned slot;

    if (level >= TIMER_LEVELS)
        level = TIMER_LEVELS - 1;
    slot = (unsigned)(due >> (6 * level)) & 63;
    anqa_list_push(&wheel->slots[level][slot], &timer->node);
    wheel->occupied[level] |= (uint64_t)1 << slot;
}

static bool chunk_add(struct timer_wheel *wheel)
{
    uint32_t chunk = wheel->used / TIMER_CHUNK;

    if (wheel->chunks == NULL)
        wheel->chunks = calloc(TIMER_CHUNKS, sizeof *wheel->chunks);
    if (wheel->chunks == NULL || chunk == TIMER_CHUNKS)
        return false;
    wheel->chunks[chunk] = calloc(TIMER_CHUNK, sizeof **wheel->chunks);
    return wheel->chunks[chunk] != NULL;
}

static struct timer *timer_take(struct timer_wheel *wheel)
{
    struct timer *timer = wheel->free;

    if (timer != NULL) {
        wheel->free = timer->next;
        return timer;
    }
    if (wheel->used % TIMER_CHUNK == 0 && !chunk_add(wheel))
        return NULL;
    timer = timer_at(wheel, wheel->used);
    timer->index = wheel->used++;
    atomic_init(&timer->state, state_of(1, TIMER_FREE));
    return timer;
}

/* The sequence grows, so that old handles find nothing. */
static void timer_put(struct sched *s, struct timer *timer)
{
    uint64_t sequence = atomic_load_explicit(&timer->state, memory_order_relaxed) >> 2;

    sequence = (sequence + 1) & UINT32_MAX;
    atomic_store_explicit(
        &timer->state, state_of(sequence == 0 ? 1 : sequence, TIMER_FREE), memory_order_relaxed);
    timer->next = s->timers.free;
    s->timers.free = timer;
    COUNT_ADD(s, timers, -1);
}

static void timer_unlink(struct timer_wheel *wheel, struct timer *timer)
{
    anqa_list_remove(&timer->node); /* the slot's bit may stay set: an empty slot is passed over */
}

/* Wins the timer for cancelling or firing. */
static bool timer_win(struct timer *timer, uint64_t sequence, unsigned what)
{
    uint64_t expected = state_of(sequence, TIMER_ARMED);

    /* acq_rel: the winner owns the message. Pairs with timer_arm, and with itself on another scheduler. */
    return atomic_compare_exchange_strong_explicit(&timer->state, &expected,
        state_of(sequence, what), memory_order_acq_rel, memory_order_relaxed);
}

/* ---------------------------------------------------------------- arm, cancel */

/* The clock in milliseconds may be almost one behind: a timer is late rather than early. */
static uint64_t timer_margin(const struct sched *s)
{
    return s->deterministic ? 0 : 1;
}

static struct timer *arm(struct sched *s, struct timer what, uint64_t delay_ms)
{
    struct timer *timer = timer_take(&s->timers);
    uint64_t sequence;

    if (timer == NULL)
        return NULL;
    COUNT_ADD(s, timers, 1);
    timer->to = what.to;
    timer->msg = what.msg;
    timer->tag = what.tag;
    timer->ref = what.ref;
    timer->every_ms = what.every_ms;
    due_set(&s->timers, timer, s->now_ms + delay_ms + timer_margin(s));
    wheel_insert(&s->timers, timer);
    sequence = atomic_load_explicit(&timer->state, memory_order_relaxed) >> 2;
    atomic_store_explicit(&timer->state, state_of(sequence, TIMER_ARMED),
        memory_order_release); /* pairs with timer_win */
    return timer;
}

struct timer *timer_arm(
    struct sched *s, anqa_pid to, struct msg *msg, uint64_t ref, uint64_t delay_ms)
{
    return arm(s, (struct timer){.to = to, .msg = msg, .ref = ref}, delay_ms);
}

struct timer *timer_arm_ticks(struct sched *s, anqa_pid to, const char *tag, uint32_t every_ms)
{
    return arm(s, (struct timer){.to = to, .tag = tag, .every_ms = every_ms}, every_ms);
}

anqa_timer timer_handle(struct sched *s, struct timer *timer)
{
    uint64_t sequence = atomic_load_explicit(&timer->state, memory_order_relaxed) >> 2;

    return (anqa_timer){(uint64_t)(s->index + 1) << 56 | (uint64_t)timer->index << 32 | sequence};
}

static int64_t timer_cancel_at(
    struct sched *s, struct sched *owner, uint32_t index, uint64_t sequence)
{
    struct timer *timer;
    uint64_t due;

    if (owner->timers.chunks == NULL || owner->timers.chunks[index / TIMER_CHUNK] == NULL)
        return -1; /* no handle of ours */
    timer = timer_at(&owner->timers, index);
    if (!timer_win(timer, sequence, TIMER_CANCELLED))
        return -1;
    due = due_of(timer);
    msg_drop(s, timer->msg);
    if (owner == s) {
        timer_unlink(&s->timers, timer);
        timer_put(s, timer);
    } else {
        timer->next = atomic_load_explicit(&owner->timer_returns, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&owner->timer_returns, &timer->next, timer,
            memory_order_release, memory_order_relaxed)) /* pairs with timers_collect */
            ;
    }
    due -= timer_margin(s);
    return due > s->now_ms ? (int64_t)(due - s->now_ms) : 0;
}

int64_t timer_cancel(struct sched *s, anqa_timer handle)
{
    uint32_t where = (uint32_t)(handle.bits >> 56),
             index = (uint32_t)(handle.bits >> 32) & 0xffffff;

    if (where == 0 || where > s->rt->sched_count)
        return -1;
    return timer_cancel_at(s, &s->rt->scheds[where - 1], index, (uint32_t)handle.bits);
}

void timer_cancel_own(struct sched *s, anqa_timer handle)
{
    struct timer *timer = timer_at(&s->timers, (uint32_t)(handle.bits >> 32) & 0xffffff);

    if (atomic_load_explicit(&timer->state, memory_order_relaxed) !=
        state_of((uint32_t)handle.bits, TIMER_ARMED))
        return; /* it has fired */
    timer_unlink(&s->timers, timer);
    timer_put(s, timer);
}

void timers_collect(struct sched *s)
{
    struct timer *timer;

    if (atomic_load_explicit(&s->timer_returns, memory_order_relaxed) == NULL)
        return;
    timer = atomic_exchange_explicit(&s->timer_returns, NULL, memory_order_acquire);
    while (timer != NULL) {
        struct timer *next = timer->next;
        timer_unlink(&s->timers, timer);
        timer_put(s, timer);
        timer = next;
    }
}

/* ---------------------------------------------------------------- firing */

static void timer_fire_again(struct sched *s, struct timer *timer, uint64_t sequence)
{
    struct msg *msg =
        msg_new(s, ANQA_MSG_TIMEOUT, timer->tag, (anqa_pid){0}, (anqa_ref){timer->ref});
    bool alive = msg != NULL && mailbox_push(s, timer->to, msg) == ANQA_OK;

    if (alive || anqa_rt_is_alive(s->rt, timer->to)) { /* without memory one is missed, not all */
        if (!alive)
            msg_drop(s, msg);
        uint64_t next = due_of(timer) + timer->every_ms;
        due_set(&s->timers, timer,
            next > s->now_ms ? next : s->now_ms + 1); /* what was missed is not made up for */
        wheel_insert(&s->timers, timer);
        return;
    }
    msg_drop(s, msg);
    if (!timer_win(timer, sequence, TIMER_FREE))
        return; /* cancelled: on its way through timer_returns */
    timer_put(s, timer);
}

static void timer_fire(struct sched *s, struct timer *timer)
{
    uint64_t sequence = atomic_load_explicit(&timer->state, memory_order_relaxed) >> 2;
    struct msg *msg;

    anqa_list_node_init(&timer->node);
    if (timer->every_ms != 0 &&
        (atomic_load_explicit(&timer->state, memory_order_relaxed) & 3) == TIMER_ARMED) {
        timer_fire_again(s, timer, sequence);
        return;
    }
    if (!timer_win(timer, sequence, TIMER_FREE))
        return; /* cancelled: on its way through timer_returns */
    msg = timer->msg;
    if (msg == NULL)
        proc_wake(s, timer->to, timer->ref);
    else if (mailbox_push(s, timer->to, msg) != ANQA_OK)
        msg_drop(s, msg);
    timer_put(s, timer);
}

static void slot_take_all(
    struct timer_wheel *wheel, unsigned level, unsigned slot, struct anqa_list *out)
{
    struct anqa_list_node *node;

    if ((wheel->occupied[level] & (uint64_t)1 << slot) == 0)
        return;
    wheel->occupied[level] &= ~((uint64_t)1 << slot);
    while ((node = anqa_list_pop(&wheel->slots[level][slot])) != NULL)
        anqa_list_push(out, node);
}

/* Takes every timer out of the slots that time passes between `from` and `to`: on each level those whose number lies in
 * (from >> shift, to >> shift]. A coarser level only moves when the finer one has gone round. */
static void wheel_pass(struct timer_wheel *wheel, uint64_t from, uint64_t to, struct anqa_list *out)
{
    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        uint64_t first = from >> (6 * level), last = to >> (6 * level);
        if (first == last)
            return;
        if (last - first > 64)
            first = last - 64;
        for (uint64_t slot = first + 1; slot <= last; slot++)
            slot_take_all(wheel, level, (unsigned)slot & 63, out);
    }
}

/* Timers of the dead would stay until they are due: each tick looks at a few. */
static void timers_sweep(struct sched *s)
{
    struct timer_wheel *wheel = &s->timers;
    uint32_t step = wheel->used < SWEEP_STEP ? wheel->used : SWEEP_STEP;

    while (step-- > 0) {
        struct timer *timer = timer_at(wheel, wheel->sweep_at);
        uint64_t state = atomic_load_explicit(&timer->state, memory_order_relaxed);
        if (++wheel->sweep_at >= wheel->used)
            wheel->sweep_at = 0;
        if ((state & 3) != TIMER_ARMED || anqa_rt_is_alive(s->rt, timer->to))
            continue;
        if (!timer_win(timer, state >> 2, TIMER_FREE))
            continue;
        msg_drop(s, timer->msg);
        timer_unlink(wheel, timer);
        timer_put(s, timer);
    }
}

void timers_run(struct sched *s)
{
    struct timer_wheel *wheel = &s->timers;
    struct anqa_list due;
    struct anqa_list_node *node;

    timers_collect(s);
    if (s->now_ms <= wheel->now_ms)
        return;
    anqa_list_init(&due);
    while (wheel->now_ms <
           s->now_ms) { /* slot by slot: after a long turn they still fire in their order */
        uint64_t next = timers_next(s);
        if (next > s->now_ms)
            next = s->now_ms;
        wheel_pass(wheel, wheel->now_ms, next, &due);
        wheel->now_ms = next;
        while ((node = anqa_list_pop(&due)) != NULL) {
            struct timer *timer = ANQA_CONTAINER_OF(node, struct timer, node);
            if (due_of(timer) <= next)
                timer_fire(s, timer);
            else
                wheel_insert(wheel, timer);
        }
    }
    timers_sweep(s);
}

uint64_t timers_next(const struct sched *s)
{
    const struct timer_wheel *wheel = &s->timers;
    uint64_t next = UINT64_MAX;

    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        uint64_t at = wheel->now_ms >> (6 * level), bits = wheel->occupied[level], turned, due;
        unsigned by = (unsigned)(at + 1) & 63;
        if (bits == 0)
            continue;
        turned =
            by == 0 ? bits : bits >> by | bits << (64 - by); /* bit 0: the slot that comes next */
        due = (at + 1 + (unsigned)__builtin_ctzll(turned)) << (6 * level);
        if (due < next)
            next = due;
    }
    return next;
}
