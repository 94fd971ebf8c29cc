/* Run queues, stealing, sleeping, and the loop. See sched.h. */
#include "runtime/sched.h"

#include <stdatomic.h>
#include <unistd.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "runtime/poller.h"
#include "runtime/probe.h"

#define SLICE 64 /* messages one process handles before others get a turn */
#define POLL_TURNS \
    256               /* activations between two looks at the poller, when the clock stands still */
#define QUEUE_TURNS 4 /* activations between two looks at the length of the ring */
#define LOW_TURNS 8   /* one low pick for so many normal ones */
#define SPIN_ROUNDS 3000 /* looks around before going to sleep: some 10 us */
#define TRASH_TURN 2048  /* messages of the dead that are answered in one turn */

_Thread_local struct sched *sched_self __attribute__((tls_model("initial-exec")));

/* ---------------------------------------------------------------- queues */

static void queue_count_set(struct run_queue *queue, uint32_t count)
{
    atomic_store_explicit(&queue->count, count, memory_order_relaxed);
}

static void queue_push(struct run_queue *queue, struct proc *p)
{
    p->run_next = NULL;
    if (queue->tail == NULL)
        queue->head = p;
    else
        queue->tail->run_next = p;
    queue->tail = p;
    queue_count_set(queue, queue_count(queue) + 1);
}

static struct proc *queue_pop(struct run_queue *queue)
{
    struct proc *p = queue->head;

    if (p == NULL)
        return NULL;
    queue->head = p->run_next;
    if (queue->head == NULL)
        queue->tail = NULL;
    queue_count_set(queue, queue_count(queue) - 1);
    return p;
}

static struct proc *queue_pop_at(struct run_queue *queue, uint32_t index)
{
    struct proc *before = NULL, *p = queue->head;

    while (index-- > 0) {
        before = p;
        p = p->run_next;
    }
    if (before == NULL)
        return queue_pop(queue);
    before->run_next = p->run_next;
    if (queue->tail == p)
        queue->tail = before;
    queue_count_set(queue, queue_count(queue) - 1);
    return p;
}

/* ---------------------------------------------------------------- the ring */

static uint32_t ring_length(struct sched *s)
{
    return atomic_load_explicit(&s->ring_tail, memory_order_relaxed) -
           atomic_load_explicit(&s->ring_head, memory_order_relaxed);
}

static bool ring_push(struct sched *s, struct proc *p)
{
    uint32_t tail = atomic_load_explicit(&s->ring_tail, memory_order_relaxed);
    /* acquire: thieves have read the entries we overwrite. Pairs with ring_steal. */
    uint32_t head = atomic_load_explicit(&s->ring_head, memory_order_acquire);

    if (tail - head >= RING_SIZE)
        return false;
    atomic_store_explicit(&s->ring[tail % RING_SIZE], p, memory_order_relaxed);
    atomic_store_explicit(
        &s->ring_tail, tail + 1, memory_order_release); /* pairs with ring_steal */
    return true;
}

static struct proc *ring_pop(struct sched *s)
{
    uint32_t head = atomic_load_explicit(&s->ring_head, memory_order_acquire);

    for (;;) {
        uint32_t tail = atomic_load_explicit(&s->ring_tail, memory_order_relaxed);
        struct proc *p;
        if (tail == head)
            return NULL;
        p = atomic_load_explicit(&s->ring[head % RING_SIZE], memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(
                &s->ring_head, &head, head + 1, memory_order_acq_rel, memory_order_acquire))
            return p;
    }
}

/* Half of what `victim` has in its ring, not its last one: that is about to run, and is warm where it is. */
static uint32_t ring_steal(struct sched *victim, struct proc **loot)
{
    uint32_t head = atomic_load_explicit(&victim->ring_head, memory_order_acquire);

    for (;;) {
        uint32_t tail = atomic_load_explicit(
            &victim->ring_tail, memory_order_acquire); /* pairs with ring_push */
        uint32_t length = tail - head;
        uint32_t count =
            atomic_load_explicit(&victim->overloaded, memory_order_relaxed) ? length / 2 : 0;
        if (length > RING_SIZE) { /* head and tail were read at different times */
            head = atomic_load_explicit(&victim->ring_head, memory_order_acquire);
            continue;
        }
        if (length > 0 && atomic_load_explicit(&victim->rob, memory_order_relaxed))
            count = (length + 1) / 2;
        if (count == 0)
            return 0;
        for (uint32_t i = 0; i < count; i++)
            loot[i] =
                atomic_load_explicit(&victim->ring[(head + i) % RING_SIZE], memory_order_relaxed);
        /* release: our reads come before the owner overwrites. Pairs with ring_push. */
        if (atomic_compare_exchange_weak_explicit(&victim->ring_head, &head, head + count,
                memory_order_acq_rel, memory_order_acquire))
            return count;
    }
}

static bool steal(struct sched *s)
{
    struct proc *loot[RING_SIZE / 2];
    anqa_rt *rt = s->rt;

    for (uint16_t i = 1; i < rt->sched_count; i++) {
        struct sched *victim = &rt->scheds[(s->index + i) % rt->sched_count];
        uint32_t count = ring_steal(victim, loot);
        for (uint32_t j = 0; j < count; j++) {
            atomic_store_explicit(&loot[j]->sched, (uint8_t)s->index, memory_order_relaxed);
            queue_push(&s->queues[ANQA_PRIORITY_NORMAL], loot[j]);
        }
        if (count > 0) {
            COUNT_ADD(s, steals, count);
            return true;
        }
    }
    return false;
}

/* ---------------------------------------------------------------- waking */

void sched_notify(struct sched *to)
{
    static const uint64_t one = 1;

    if (write(to->wake_fd, &one, sizeof one) < 0)
        return; /* the counter is full: it is awake */
}

/* After something was left for `to`, with seq_cst: either we see it asleep, or it sees what we left. No fence does this
 * here, as ThreadSanitizer does not know fences. Pairs with sched_sleep. */
static void notify_if_asleep(struct sched *to)
{
    if (atomic_load_explicit(&to->sleeping, memory_order_seq_cst))
        sched_notify(to);
}

/* There is more here than we can do at once: somebody idle may help. */
static void call_help(struct sched *s)
{
    anqa_rt *rt = s->rt;

    if (atomic_load_explicit(&rt->sleepers, memory_order_relaxed) == 0 ||
        atomic_load_explicit(&rt->searching, memory_order_relaxed) != 0)
        return;
    for (uint16_t i = 1; i < rt->sched_count; i++) {
        struct sched *other = &rt->scheds[(s->index + i) % rt->sched_count];
        if (atomic_load_explicit(&other->sleeping, memory_order_relaxed)) {
            sched_notify(other);
            return;
        }
    }
}

static void ready_here(struct sched *s, struct proc *p)
{
    bool moves = proc_priority(p) == ANQA_PRIORITY_NORMAL && proc_stack(p) == NULL &&
                 (p->flags & PROC_PINNED) == 0 && s->rt->sched_count > 1 && s->current != p;

    if (!moves || !ring_push(s, p))
        queue_push(&s->queues[proc_priority(p)], p);
}

static void ready_attached(struct attached *place)
{
    /* seq_cst: pairs with wait_foreign. It may be for nobody any more. */
    if (atomic_exchange_explicit(&place->sleeping, 0, memory_order_seq_cst) != 0)
        syscall(SYS_futex, &place->sleeping, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void sched_ready(struct sched *s, struct proc *p)
{
    uint8_t where = atomic_load_explicit(&p->sched, memory_order_relaxed);
    struct sched *home;

    if (where == s->index) {
        ready_here(s, p);
        return;
    }
    if (where >= SCHED_ATTACHED) {
        ready_attached(&s->rt->attached[where - SCHED_ATTACHED]);
        return;
    }
    home = &s->rt->scheds[where];
    p->run_next = atomic_load_explicit(&home->inbound, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        &home->inbound, &p->run_next, p, memory_order_seq_cst, memory_order_relaxed))
        ; /* pairs with collect */
    notify_if_asleep(home);
}

void sched_post(struct sched *to, struct task *task)
{
    task->next = atomic_load_explicit(&to->tasks, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        &to->tasks, &task->next, task, memory_order_seq_cst, memory_order_relaxed))
        ; /* pairs with run_tasks */
    notify_if_asleep(to);
}

/* ---------------------------------------------------------------- what came from elsewhere */

static void collect(struct sched *s)
{
    struct proc *p, *oldest = NULL;

    if (atomic_load_explicit(&s->inbound, memory_order_relaxed) == NULL)
        return;
    p = atomic_exchange_explicit(&s->inbound, NULL, memory_order_acquire);
    while (p != NULL) { /* newest first: turn it round */
        struct proc *next = p->run_next;
        p->run_next = oldest;
        oldest = p;
        p = next;
    }
    while (oldest != NULL) {
        struct proc *next = oldest->run_next;
        ready_here(s, oldest);
        oldest = next;
    }
}

static void run_tasks(struct sched *s)
{
    struct task *task, *oldest = NULL;

    if (atomic_load_explicit(&s->tasks, memory_order_relaxed) == NULL)
        return;
    task = atomic_exchange_explicit(&s->tasks, NULL, memory_order_acquire);
    while (task != NULL) {
        struct task *next = task->next;
        task->next = oldest;
        oldest = task;
        task = next;
    }
    while (oldest != NULL) {
        struct task *next = oldest->next;
        oldest->run(s, oldest);
        oldest = next;
    }
}

void sched_read_clock(struct sched *s)
{
    s->now_ms = s->rt->options.deterministic ? s->rt->fake_now_ms : clock_mono_ms();
    s->now_ticks = ticks();
}

static void clock_update(struct sched *s)
{
    sched_read_clock(s);
    timers_collect(s); /* also while the clock stands still */
    if (s->now_ms == s->timers.now_ms)
        return;
    timers_run(s);
    if (!s->rt->options.deterministic)
        poller_wait(s, 0);
    qsbr_reclaim(s->rt);
}

static void quiescent(struct sched *s)
{
    uint64_t epoch = atomic_load_explicit(&s->rt->epoch, memory_order_acquire);

    if (atomic_load_explicit(&s->quiescent, memory_order_relaxed) != epoch)
        atomic_store_explicit(
            &s->quiescent, epoch, memory_order_release); /* pairs with qsbr_reclaim */
}

/* ---------------------------------------------------------------- choosing */

static struct proc *pick_normal(struct sched *s)
{
    struct run_queue *queue = &s->queues[ANQA_PRIORITY_NORMAL];
    struct proc *p;

    if (s->rt->sched_count == 1)
        return queue_pop(queue);
    p = s->picks & 1 ? queue_pop(queue) : NULL;
    if (p == NULL)
        p = ring_pop(s);
    return p != NULL ? p : queue_pop(queue);
}

static struct proc *pick(struct sched *s)
{
    struct run_queue *queues = s->queues;
    struct proc *p;

    if (queues[ANQA_PRIORITY_MAX].head != NULL)
        return queue_pop(&queues[ANQA_PRIORITY_MAX]);
    if (queues[ANQA_PRIORITY_HIGH].head != NULL)
        return queue_pop(&queues[ANQA_PRIORITY_HIGH]);
    if (++s->picks % LOW_TURNS == 0 && queues[ANQA_PRIORITY_LOW].head != NULL)
        return queue_pop(&queues[ANQA_PRIORITY_LOW]);
    p = pick_normal(s);
    return p != NULL ? p : queue_pop(&queues[ANQA_PRIORITY_LOW]);
}

uint64_t sched_random(struct sched *s)
{
    s->random ^= s->random << 13; /* xorshift64: small, and the same everywhere */
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return s->random;
}

/* Any of those that may run, by the seed; the strict priorities stay strict. */
static struct proc *pick_random(struct sched *s)
{
    static const anqa_priority order[] = {
        ANQA_PRIORITY_MAX, ANQA_PRIORITY_HIGH, ANQA_PRIORITY_NORMAL, ANQA_PRIORITY_LOW};

    for (unsigned i = 0; i < 4; i++) {
        struct run_queue *queue = &s->queues[order[i]];
        if (queue_count(queue) > 0)
            return queue_pop_at(queue, (uint32_t)(sched_random(s) % queue_count(queue)));
    }
    return NULL;
}

/* What is not done at every turn, or seldom there to be done. */
static __attribute__((noinline)) void chores(struct sched *s)
{
    collect(s);
    run_tasks(s);
    quiescent(s);
    if (s->trash != NULL)
        trash_run(s, TRASH_TURN);
    if (s->turns % CLOCK_TURNS == 0)
        clock_update(s);
    if (s->turns % POLL_TURNS == 0 && !s->rt->options.deterministic)
        poller_wait(s, 0);
}

static void set_overloaded(struct sched *s, uint32_t on)
{
    if (atomic_load_explicit(&s->overloaded, memory_order_relaxed) != on)
        atomic_store_explicit(&s->overloaded, on, memory_order_relaxed);
}

/* Somebody in the ring has to wait. When that lasts, idle schedulers may help. */
static void watch_queue(struct sched *s)
{
    if (ring_length(s) < 2) {
        s->queue_since = 0;
        set_overloaded(s, 0);
        return;
    }
    if (s->queue_since == 0) {
        s->queue_since = ticks();
        return;
    }
    if (ticks() - s->queue_since < TICKS_QUEUE)
        return;
    set_overloaded(s, 1);
    call_help(s);
}

static struct proc *next_process(struct sched *s)
{
    bool due = ++s->turns % CLOCK_TURNS == 0 || s->trash != NULL ||
               atomic_load_explicit(&s->inbound, memory_order_relaxed) != NULL ||
               atomic_load_explicit(&s->tasks, memory_order_relaxed) != NULL;

    if (__builtin_expect(due, 0))
        chores(s);
    if (s->turns % QUEUE_TURNS == 0 && s->rt->sched_count > 1)
        watch_queue(s);
    return __builtin_expect(s->deterministic, 0) ? pick_random(s) : pick(s);
}

/* ---------------------------------------------------------------- idling */

static bool something_came(struct sched *s)
{
    return atomic_load_explicit(&s->inbound, memory_order_seq_cst) != NULL ||
           atomic_load_explicit(&s->tasks, memory_order_seq_cst) != NULL ||
           atomic_load_explicit(&s->timer_returns, memory_order_relaxed) != NULL;
}

static bool spin(struct sched *s)
{
    anqa_rt *rt = s->rt;
    bool found = false;

    atomic_fetch_add_explicit(&rt->searching, 1, memory_order_relaxed);
    for (unsigned i = 0; i < SPIN_ROUNDS && !found; i++) {
        found = something_came(s) || (i % 64 == 0 && steal(s));
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        __asm__ volatile("yield");
#endif
    }
    atomic_fetch_sub_explicit(&rt->searching, 1, memory_order_relaxed);
    return found;
}

static int sleep_ms(struct sched *s)
{
    uint64_t next = timers_next(s), left;

    if (s->trash != NULL || atomic_load_explicit(&s->rt->retired_count, memory_order_relaxed) != 0)
        return s->trash != NULL ? 0 : 1;
    if (next == UINT64_MAX)
        return -1;
    left = next > s->now_ms ? next - s->now_ms : 0;
    return left > 3600000 ? 3600000 : (int)left;
}

static void sched_sleep(struct sched *s)
{
    anqa_rt *rt = s->rt;

    atomic_fetch_add_explicit(&rt->sleepers, 1, memory_order_relaxed);
    atomic_store_explicit(
        &s->quiescent, UINT64_MAX, memory_order_release);         /* pairs with qsbr_reclaim */
    atomic_store_explicit(&s->sleeping, 1, memory_order_seq_cst); /* pairs with notify_if_asleep */
    if (!something_came(s) && !atomic_load_explicit(&rt->stopping_threads, memory_order_seq_cst) &&
        !steal(s))
        poller_wait(s, sleep_ms(s));
    atomic_store_explicit(&s->sleeping, 0, memory_order_relaxed);
    atomic_fetch_sub_explicit(&rt->sleepers, 1, memory_order_relaxed);
    /* An exchange, so that no table is read before everybody can see that we read. Pairs with qsbr_reclaim. */
    (void)atomic_exchange_explicit(&s->quiescent,
        atomic_load_explicit(&rt->epoch, memory_order_seq_cst), memory_order_seq_cst);
}

static bool has_work(struct sched *s)
{
    for (unsigned i = 0; i < ANQA_COUNT(s->queues); i++)
        if (s->queues[i].head != NULL)
            return true;
    return ring_length(s) > 0 || something_came(s);
}

static void look_for_work(struct sched *s)
{
    if (s->rt->sched_count > 1 && (steal(s) || spin(s)))
        return;
    sched_sleep(s);
    clock_update(s);
}

static void idle(struct sched *s)
{
    uint64_t since;

    clock_update(s);
    if (has_work(s))
        return;
    since = s->now_ticks;
    atomic_store_explicit(&s->idle_since, since, memory_order_relaxed);
    look_for_work(s);
    atomic_store_explicit(&s->idle_since, 0, memory_order_relaxed);
    atomic_store_explicit(&s->idle_ticks,
        atomic_load_explicit(&s->idle_ticks, memory_order_relaxed) + (ticks() - since),
        memory_order_relaxed);
}

/* ---------------------------------------------------------------- running */

/* Odd: something runs. Relaxed: the watchdog looks from afar. */
static void activity_begin(struct sched *s, const struct proc *p, const char *tag)
{
    uint64_t now = atomic_load_explicit(&s->activity, memory_order_relaxed);

    atomic_store_explicit(&s->activity_slot, (uint32_t)(p - s->rt->slots), memory_order_relaxed);
    sched_handles(s, tag);
    atomic_store_explicit(&s->activity, (now + 1) | 1, memory_order_relaxed);
}

void sched_activity_end(struct sched *s)
{
    uint64_t now = atomic_load_explicit(&s->activity, memory_order_relaxed);

    atomic_store_explicit(&s->activity, (now | 1) + 1, memory_order_relaxed);
}

static void resume(struct sched *s, struct proc *p)
{
    struct stack *loop = s->stack, *own = proc_stack(p);

    COUNT_ADD(s, stacks, -1);
    atomic_store_explicit(&p->stack, NULL, memory_order_relaxed);
    s->stack = own;
    s->current = p;
    activity_begin(s, p, atomic_load_explicit(&own->shown_tag, memory_order_relaxed));
    stack_abandon_resume(loop, own);
}

static void event_over(struct sched *s, struct proc *p)
{
    struct msg *held = s->act.held;

    if (held != NULL && held->next == NULL && held->pub.kind != ANQA_MSG_CALL &&
        (held->pub.flags_ & MSG_KEPT) == 0) {
        s->act.held = NULL;
        msg_drop(s, held);
    } else if (held != NULL) {
        event_end(s, p, &s->act);
    }
    if (s->stack->tmp.block != NULL)
        anqa_arena_reset(&s->stack->tmp);
    s->act.held_bytes = 0;
    s->act.mark = NULL;
    s->act.mark_ref = 0;
    s->act.nowait = s->act.section =
        0; /* a region left open ends with the event: the next one is another process's */
}

static void event_begin(struct sched *s, struct proc *p)
{
    s->act.defer_mark = p->more != NULL && p->more->defers != NULL ? p->more->defers->id : 0;
}

void proc_kick(struct sched *s, struct proc *p)
{
    uintptr_t expected = IN_IDLE;

    ANQA_DEBUG(atomic_load_explicit(&p->sched, memory_order_relaxed) == s->index &&
               (p->flags & PROC_PINNED) != 0);
    if (p->state_kind != PROC_ALIVE)
        return;
    p->flags |= PROC_KICKED;
    if (atomic_compare_exchange_strong_explicit(
            &p->in, &expected, IN_BUSY, memory_order_acq_rel, memory_order_relaxed))
        sched_ready(s, p);
}

void proc_end(struct proc *p, anqa_reason reason)
{
    if (p->flags & PROC_DOOMED) {
        anqa_reason_unref(reason);
        return;
    }
    p->exit_reason = reason;
    p->flags |= PROC_DOOMED;
}

static void handle_kick(struct sched *s, struct proc *p)
{
    static const anqa_msg kick = {.tag = PROC_KICK, .kind = ANQA_MSG_SYSTEM};

    p->flags &= ~(uint32_t)PROC_KICKED;
    event_begin(s, p);
    proc_behaviour(p)->handle(p->state, &kick);
    event_over(s, p);
}

/* The probe may be given up meanwhile. */
static __attribute__((noinline)) void handle_watched(
    struct sched *s, struct proc *p, const struct msg *msg)
{
    struct probe_mark mark = probe_begin(msg);

    if (p->flags & PROC_RIGGED)
        s->rt->rig(s, p, RIG_MESSAGE, msg->pub.tag);
    proc_behaviour(p)->handle(p->state, &msg->pub);
    if (p->flags & PROC_PROBED)
        probe_handled(s, p, &mark);
}

static void handle_messages(struct sched *s, struct proc *p)
{
    if (__builtin_expect((p->flags & PROC_KICKED) != 0, 0)) {
        handle_kick(s, p);
        if (p->flags & PROC_DOOMED)
            return;
    }
    for (unsigned i = 0; i < SLICE; i++) {
        struct msg *msg = p->head;
        if (msg == NULL)
            return;
        mailbox_unlink(s, p, NULL, msg);
        msg->next = NULL;
        s->act.held = msg;
        event_begin(s, p);
        sched_handles(s, msg->pub.tag);
        if (__builtin_expect((p->flags & (PROC_PROBED | PROC_RIGGED)) != 0, 0))
            handle_watched(s, p, msg);
        else
            proc_behaviour(p)->handle(p->state, &msg->pub);
        event_over(s, p);
        if (p->flags & PROC_DOOMED)
            return;
    }
}

/* The first activation. False: it has ended. */
static bool begin(struct sched *s, struct proc *p)
{
    event_begin(s, p);
    if (p->flags & PROC_RUN) {
        p->flags &= ~(uint32_t)PROC_NEW;
        sched_handles(s, NULL);
        proc_run(p)(p->state);
        p->exit_reason = (p->flags & PROC_DOOMED) ? p->exit_reason : ANQA_NORMAL;
        p->flags |= PROC_DOOMED;
        return false;
    }
    if (proc_behaviour(p)->init != NULL)
        proc_behaviour(p)->init(p->state);
    p->flags &= ~(uint32_t)PROC_NEW;
    event_over(s, p);
    return (p->flags & PROC_DOOMED) == 0;
}

/* There is mail left: queues it again, unless a sender has done so. */
static void requeue(struct sched *s, struct proc *p)
{
    uintptr_t expected = IN_IDLE;

    if (atomic_compare_exchange_strong_explicit(
            &p->in, &expected, IN_BUSY, memory_order_acq_rel, memory_order_relaxed))
        sched_ready(s, p);
}

void proc_doom(struct sched *s, struct proc *p, anqa_reason reason)
{
    proc_end(p, reason);
    requeue(s, p);
}

/* It has died since it was queued. */
static void run_dead(struct sched *s, struct proc *p)
{
    if (p->state_kind == PROC_DEAD_QUEUED)
        proc_release(s, p);
    else /* a zombie */
        p->flags &= ~(uint32_t)PROC_TOKEN_OUT;
}

static void run(struct sched *s, struct proc *p)
{
    if (__builtin_expect(p->state_kind != PROC_ALIVE, 0)) {
        run_dead(s, p);
        return;
    }
    mailbox_drain(s, p);
    if (p->flags & PROC_DOOMED) {
        proc_die(s, p, p->exit_reason);
        return;
    }
    if (proc_stack(p) != NULL) {
        if (p->flags & PROC_WOKEN)
            resume(s, p);
        return;
    }
    s->current = p;
    activity_begin(s, p, p->flags & PROC_NEW ? "init" : NULL);
    if ((p->flags & PROC_NEW) == 0 || begin(s, p))
        handle_messages(s, p);
    sched_activity_end(s);
    if (p->flags & PROC_DOOMED) {
        proc_die(s, p, p->exit_reason);
        event_over(s, p); /* the stack and s->act serve another one now */
        return;
    }
    s->current = NULL;
    if (p->head != NULL || (p->flags & PROC_KICKED) != 0)
        requeue(s, p);
}

/* ---------------------------------------------------------------- the loop */

/* Nothing can run: lets the fake clock jump to the next timer, or goes back. */
static void idle_deterministic(struct sched *s)
{
    uint64_t next = timers_next(s);

    if (something_came(s) || s->trash != NULL)
        return;
    if (next <= s->until_ms && next != UINT64_MAX) {
        s->rt->fake_now_ms = next;
        clock_update(s);
        return;
    }
    if (s->until_ms != UINT64_MAX && s->rt->fake_now_ms < s->until_ms)
        s->rt->fake_now_ms = s->until_ms;
    clock_update(s);
    s->pausing = true;
}

static bool leave(struct sched *s)
{
    if (__builtin_expect(!s->deterministic, 1))
        return atomic_load_explicit(&s->rt->stopping_threads, memory_order_relaxed);
    if (s->pause_for != NULL &&
        atomic_load_explicit(&s->pause_for->in, memory_order_relaxed) != IN_IDLE)
        s->pausing = true;
    return s->pausing;
}

void sched_loop(void *arg)
{
    struct sched *s = arg;
    struct stack *from;

    while (!leave(s)) {
        struct proc *p = next_process(s);
        if (p != NULL) {
            s->ran++;
            run(s, p);
        } else if (s->deterministic) {
            idle_deterministic(s);
        } else {
            idle(s);
        }
    }
    from = s->stack;
    s->stack = &s->native;
    stack_abandon_resume(from, &s->native);
}

uint64_t sched_run_deterministic(anqa_rt *rt, struct sched *waiter, uint64_t until_ms)
{
    struct sched *s = &rt->scheds[0];
    uint64_t before = s->ran, start_ms = rt->fake_now_ms;

    s->until_ms = until_ms;
    s->pausing = false;
    s->pause_for = waiter == NULL ? NULL : waiter->current;
    sched_self = s;
    s->stack = stack_take(&s->stacks);
    ANQA_INVARIANT(s->stack != NULL);
    stack_start(&s->native, s->stack, sched_loop, s);
    sched_self = waiter;
    /* Nothing ran, no time passed, and there is no end to wait for: it would stay so for ever. */
    if (waiter != NULL && s->ran == before && rt->fake_now_ms == start_ms &&
        until_ms == UINT64_MAX &&
        atomic_load_explicit(&waiter->current->in, memory_order_relaxed) == IN_IDLE)
        anqa_invariant_failed("deterministic mode: the attached thread waits for what can not come",
            __FILE__, __LINE__);
    return s->ran - before;
}
