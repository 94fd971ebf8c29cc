/* The process API: messages, waiting, links, monitors, timers. */
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <anqa/log.h>

#include "base/clock.h"
#include "runtime/probe.h"
#include "runtime/proc.h"
#include "runtime/sched.h"
#include "telemetry/telemetry.h"

/* ---------------------------------------------------------------- who am I */

anqa_pid anqa_self(void)
{
    struct sched *s = sched_self;

    return s == NULL || s->current == NULL ? (anqa_pid){0} : proc_pid(s->rt, s->current);
}

anqa_rt *anqa_rt_self(void)
{
    return sched_self == NULL ? NULL : sched_self->rt;
}

static size_t lineage_copy(struct lineage *lineage, anqa_pid *pids, size_t max)
{
    size_t count = 0;

    for (; lineage != NULL; lineage = lineage->up, count++)
        if (count < max)
            pids[count] = lineage_pid(lineage);
    return count;
}

anqa_pid anqa_parent(void)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    return proc_lineage(p) == NULL ? (anqa_pid){0} : lineage_pid(proc_lineage(p));
}

size_t anqa_ancestors(anqa_pid *pids, size_t max)
{
    struct sched *s;

    return lineage_copy(proc_lineage(proc_self(&s)), pids, max);
}

size_t anqa_callers(anqa_pid *pids, size_t max)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    return p->more == NULL ? 0 : lineage_copy(p->more->callers, pids, max);
}

bool anqa_rt_is_alive(anqa_rt *rt, anqa_pid pid)
{
    struct proc *p = proc_slot(rt, pid);

    return p != NULL &&
           atomic_load_explicit(&p->generation, memory_order_relaxed) == pid_generation(pid) &&
           atomic_load_explicit(&p->in, memory_order_relaxed) != IN_CLOSED;
}

bool anqa_is_alive(anqa_pid pid)
{
    return sched_self != NULL && anqa_rt_is_alive(sched_self->rt, pid);
}

const char *anqa_pid_text(anqa_pid pid, char text[ANQA_PID_TEXT])
{
    snprintf(text, ANQA_PID_TEXT, "<%u.%u.%u>", (unsigned)(pid.bits >> 56), pid_slot(pid),
        pid_generation(pid));
    return text;
}

bool anqa_trap_exit(bool on)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    bool before = (p->flags & PROC_TRAP) != 0;

    p->flags = on ? p->flags | PROC_TRAP : p->flags & ~(uint32_t)PROC_TRAP;
    return before;
}

anqa_priority anqa_set_priority(anqa_priority priority)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    anqa_priority before = (anqa_priority)proc_priority(p);

    ANQA_REQUIRE(priority <= ANQA_PRIORITY_MAX);
    proc_set_priority(p, priority);
    return before;
}

void anqa_set_mailbox_limit(uint32_t limit, anqa_overflow overflow)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    ANQA_REQUIRE(limit <= BOUND_MASK && overflow <= ANQA_OVERFLOW_KILL);
    atomic_store_explicit(&p->bound, limit == 0 ? 0 : limit | (uint32_t)overflow << BOUND_SHIFT,
        memory_order_relaxed);
}

static void poll_signals(struct sched *s, struct proc *p);

size_t anqa_mailbox_length(void)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    size_t count = 0;

    poll_signals(s, p);
    for (struct msg *msg = p->head; msg != NULL; msg = msg->next)
        count++;
    return count;
}

uint64_t sched_new_ref(struct sched *s)
{
    return s->next_ref++;
}

/* What is in the mailbox by now can not have it. */
static inline anqa_ref marked_ref(struct sched *s, const struct proc *p)
{
    s->act.mark = p->tail;
    s->act.mark_ref = sched_new_ref(s);
    return (anqa_ref){s->act.mark_ref};
}

anqa_ref anqa_make_ref(void)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    return marked_ref(s, p);
}

/* ---------------------------------------------------------------- sending */

void payload_drop(const anqa_payload *payload)
{
    if (payload->kind != ANQA_PAYLOAD_OBJECT || payload->ptr == NULL)
        return;
    if (payload->u.type->drop != NULL)
        payload->u.type->drop((void *)(uintptr_t)payload->ptr);
    else
        free((void *)(uintptr_t)payload->ptr);
}

/* A message that could not be sent. After E_FULL its object is the caller's again. */
static __attribute__((noinline)) anqa_status unsent(
    struct sched *s, struct msg *msg, anqa_status status)
{
    if (status == ANQA_E_FULL && msg->pub.payload == ANQA_PAYLOAD_OBJECT) {
        msg->pub.payload = ANQA_PAYLOAD_NONE;
        msg->pub.u.type = NULL;
    }
    msg_drop(s, msg);
    return status;
}

static inline anqa_status send_with(
    anqa_pid to, unsigned flags, const char *tag, anqa_ref ref, const anqa_payload *payload)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct msg *msg;
    anqa_status status = msg_make(s, ANQA_MSG_PLAIN, tag, proc_pid(s->rt, p), ref, payload, &msg);

    if (status != ANQA_OK)
        return status;
    msg->pub.flags_ = (uint8_t)flags;
    if (__builtin_expect((p->flags & PROC_PROBED) != 0, 0))
        probe_sent(s, p, to, msg);
    status = mailbox_push(s, to, msg);
    return __builtin_expect(status == ANQA_OK, 1) ? status : unsent(s, msg, status);
}

anqa_status anqa_send_ref(anqa_pid to, const char *tag, anqa_ref ref, anqa_payload payload)
{
    return send_with(to, 0, tag, ref, &payload);
}

anqa_status anqa_send_parts_(anqa_pid to, const char *tag, anqa_payload_kind kind, const void *ptr,
    size_t len, struct anqa_buf_block *shared)
{
    anqa_payload payload = {.kind = kind, .ptr = ptr, .len = len, .u.block = shared};

    return send_with(to, 0, tag, (anqa_ref){0}, &payload);
}

anqa_status anqa_send_alias(anqa_alias to, const char *tag, anqa_payload payload)
{
    return send_with(to.pid, MSG_BY_ALIAS, tag, to.ref, &payload);
}

/* ---------------------------------------------------------------- waiting */

static bool exiting(const struct proc *p)
{
    return (p->flags & PROC_DOOMED) != 0;
}

/* In a match the search stands on a message, which must be there when it goes on. */
static void check_not_matching(struct sched *s)
{
    if (__builtin_expect(s->act.matching, 0))
        proc_exit(s, anqa_reason_make(ANQA_REASON_CONTRACT,
                         "the match of anqa_receive_if uses the mailbox: it may only look at the "
                         "message it is given"));
}

/* Signals may have come in: dies here when they say so. */
static void poll_signals(struct sched *s, struct proc *p)
{
    check_not_matching(s);
    mailbox_poll(s, p);
    if (!exiting(p) || (p->flags & PROC_FOREIGN) || s->in_defer)
        return;
    p->flags |= PROC_TERMINATING; /* not its own decision: terminate is not called */
    proc_exit(s, anqa_reason_ref(p->exit_reason));
}

/* An attached thread waits on a futex; in deterministic mode it runs the schedulers itself. */
static void wait_foreign(struct sched *s, struct proc *p, uint64_t deadline_ms)
{
    _Atomic(uint32_t) *sleeping = &s->rt->attached[s->place].sleeping;
    struct timespec left = {0};

    if (s->rt->options.deterministic) {
        (void)sched_run_deterministic(s->rt, s, deadline_ms);
        s->now_ms = s->rt->fake_now_ms;
        return;
    }
    atomic_store_explicit(sleeping, 1, memory_order_seq_cst);
    /* seq_cst: either we see the message, or its sender sees us asleep. Pairs with sched_ready. */
    if (atomic_load_explicit(&p->in, memory_order_seq_cst) == IN_IDLE) {
        uint64_t now = clock_mono_ms(), ms = deadline_ms == UINT64_MAX ? 0
                                             : deadline_ms > now       ? deadline_ms - now
                                                                       : 0;
        left.tv_sec = (time_t)(ms / 1000);
        left.tv_nsec = (long)(ms % 1000) * 1000000;
        if (deadline_ms == UINT64_MAX || ms > 0)
            syscall(SYS_futex, sleeping, FUTEX_WAIT_PRIVATE, 1,
                deadline_ms == UINT64_MAX ? NULL : &left, NULL, 0);
    }
    atomic_store_explicit(sleeping, 0, memory_order_relaxed);
    s->now_ms = clock_mono_ms();
}

/* After a switch the processor mispredicts one return for each level that is left: those up to the public functions are
 * made one (measured: 6 ns a level). */
#define ONE_LEVEL static inline __attribute__((always_inline))

/* Leaves the current frames to the current process and comes back when it is resumed. False: there is no stack.
 * what: that others see it wait for (struct stack). */
ONE_LEVEL bool suspend(struct sched *s, uint64_t what)
{
    struct proc *p = s->current;
    struct stack *fresh = stack_take(&s->stacks), *from = s->stack;
    struct activation act = s->act;

    if (fresh == NULL)
        return false;
    COUNT_ADD(s, stacks, 1);
    p->flags &= ~(uint32_t)PROC_WOKEN;
    from->arg = &act;
    atomic_store_explicit(&from->shown_wait, what, memory_order_relaxed);
    atomic_store_explicit(&from->shown_tag,
        atomic_load_explicit(&s->activity_tag, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(&p->stack, from, memory_order_release); /* pairs with proc_look */
    s->stack = fresh;
    s->current = NULL;
    s->act = (struct activation){0};
    sched_activity_end(s);
    stack_start(from, fresh, sched_loop, s);
    s->act = act;
    return true;
}

/* What the wait is for is set in s->act. Comes back when a message or event may be what is waited for. */
ONE_LEVEL void wait_once(struct sched *s, struct proc *p, uint64_t deadline_ms, uint64_t what)
{
    if (p->flags & PROC_FOREIGN) {
        wait_foreign(s, p, deadline_ms);
        mailbox_poll(s, p);
        if (deadline_ms != UINT64_MAX && s->now_ms >= deadline_ms)
            s->act.timed_out = true;
        return;
    }
    if (!suspend(s, what))
        proc_exit(s, anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT,
                         "no stack for one more waiting process: option max_waiting"));
}

/* With s->act set: a wait that is not allowed is a broken contract. */
static void wait_begin(struct sched *s, struct proc *p, uint32_t timeout_ms)
{
    struct timer *timer;
    uint64_t ref;

    if (s->act.nowait != 0 || s->act.section != 0 || telemetry_in_handler())
        proc_exit(s, anqa_reason_make(ANQA_REASON_CONTRACT, "a wait where waiting is not allowed"));
    if (__builtin_expect((p->flags & PROC_RIGGED) != 0, 0))
        s->rt->rig(s, p, RIG_WAIT, NULL);
    s->act.timed_out = false;
    s->act.wait_timer = 0;
    if (timeout_ms == ANQA_INFINITY || (p->flags & PROC_FOREIGN))
        return;
    ref = sched_new_ref(s);
    (void)sched_now(s);
    timer = timer_arm(s, proc_pid(s->rt, p), NULL, ref, timeout_ms);
    if (timer == NULL)
        proc_exit(s, anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "no memory for a timer"));
    s->act.timer = timer_handle(s, timer);
    s->act.wait_timer = ref;
}

static void wait_end(struct sched *s)
{
    if (s->act.timer.bits != 0)
        timer_cancel_own(s, s->act.timer);
    s->act.timer.bits = 0;
    s->act.wait_ref = s->act.wait_event = s->act.wait_timer = 0;
}

/* Only attached threads need it: for others a timer is armed. */
static uint64_t deadline_of(struct sched *s, uint32_t timeout_ms)
{
    if (!s->foreign || timeout_ms == 0 || timeout_ms == ANQA_INFINITY)
        return UINT64_MAX;
    return sched_now(s) + timeout_ms +
           (s->rt->options.deterministic ? 0 : 1); /* late rather than early */
}

struct want {
    bool (*match)(const anqa_msg *msg, void *arg);
    void *arg;
    uint64_t ref;
    uint64_t mark_ref; /* what act.mark is known for, if it is this; 0: nothing is known */
};

/* Apart, so that other searches do not pay for it. */
static __attribute__((noinline)) bool matches(
    struct sched *s, const struct want *want, const struct msg *msg)
{
    bool is_wanted;

    s->act.matching = true;
    s->act.nowait++;
    is_wanted = want->match(&msg->pub, want->arg);
    s->act.nowait--;
    s->act.matching = false;
    return is_wanted;
}

static bool wanted(struct sched *s, const struct want *want, const struct msg *msg)
{
    if (want->ref != 0)
        return msg->pub.ref.bits == want->ref;
    return want->match == NULL || matches(s, want, msg);
}

/* The first wanted message behind `after` (NULL: from the start); *ret_last is the last one looked at. */
static struct msg *search(struct sched *s, struct proc *p, struct msg *after,
    const struct want *want, struct msg **ret_before)
{
    struct msg *before = after, *msg = after == NULL ? p->head : after->next;

    while (msg != NULL && !wanted(s, want, msg)) {
        before = msg;
        msg = msg->next;
    }
    *ret_before = before;
    return msg;
}

static _Noreturn __attribute__((noinline)) void held_too_much(struct sched *s, size_t quota)
{
    proc_exit(
        s, anqa_reason_make(ANQA_REASON_QUOTA,
               "%zu bytes of messages and answers received in one event, the quota is %zu: end the "
               "event by anqa_receive(0), or give them back by anqa_msg_free",
               s->act.held_bytes, quota));
}

/* It is the event's, and counts against the quota: an event that lasts for ever may hold so much only. */
ONE_LEVEL void hold(struct sched *s, struct proc *p, struct msg *msg)
{
    size_t quota = proc_quota(s, p);

    msg->next = s->act.held;
    s->act.held = msg;
    if (__builtin_expect(quota == 0, 1) || (p->flags & PROC_FOREIGN)) /* which can not be ended */
        return;
    if (s->act.held_bytes > quota) /* without this one: no sender alone ends us by its length */
        held_too_much(s, quota);
    msg->pub.flags_ |= MSG_WEIGHED;
    s->act.held_bytes += msg_size(msg);
}

/* Whose answer it is is known of the last request only. Without a branch, which costs 5 ns a call. */
ONE_LEVEL uint64_t what_of(const struct sched *s, const struct want *want)
{
    uint64_t is_last = want->ref == s->asked_ref;

    return want->ref == 0 ? ANQA_PROCESS_RECEIVE : ANQA_PROCESS_CALL | (s->asked & (0 - is_last));
}

ONE_LEVEL struct msg *receive(
    struct sched *s, struct proc *p, const struct want *want, uint32_t timeout_ms)
{
    uint64_t deadline = deadline_of(s, timeout_ms);
    struct msg *before =
                   want->mark_ref != 0 && want->mark_ref == s->act.mark_ref ? s->act.mark : NULL,
               *msg;
    bool begun = false;

    check_not_matching(s);
    for (;;) {
        msg = search(s, p, before, want, &before);
        if (msg != NULL)
            break;
        s->act.scan =
            before; /* kept right by whoever takes a message out meanwhile: a bound may shed it */
        poll_signals(s, p);
        msg = search(s, p, s->act.scan, want, &before);
        if (msg != NULL || timeout_ms == 0 || (begun && s->act.timed_out))
            break;
        if (exiting(p))
            break; /* an attached thread that was killed */
        if (!begun)
            wait_begin(s, p, timeout_ms);
        begun = true;
        s->act.wait_ref = want->ref;
        s->act.scan = before;
        wait_once(s, p, deadline, what_of(s, want));
        before = s->act.scan;
    }
    if (begun)
        wait_end(s);
    if (want->match != NULL && want->mark_ref != 0) {
        s->act.mark = before;
        s->act.mark_ref = want->mark_ref;
    }
    if (msg == NULL)
        return NULL;
    mailbox_unlink(s, p, before, msg);
    hold(s, p, msg);
    if (want->ref == 0 && (p->flags & PROC_RUN))
        sched_handles(s, msg->pub.tag); /* what a function has received is what it handles */
    return msg;
}

const anqa_msg *proc_receive_since(
    anqa_ref *mark, bool (*match)(const anqa_msg *msg, void *arg), void *arg, uint32_t timeout_ms)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct msg *msg;

    if (mark->bits == 0)
        mark->bits = sched_new_ref(s);
    msg = receive(
        s, p, &(struct want){.match = match, .arg = arg, .mark_ref = mark->bits}, timeout_ms);
    return msg == NULL ? NULL : &msg->pub;
}

const anqa_msg *anqa_receive_if(
    bool (*match)(const anqa_msg *msg, void *arg), void *arg, uint32_t timeout_ms)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct msg *msg = receive(s, p, &(struct want){.match = match, .arg = arg}, timeout_ms);

    return msg == NULL ? NULL : &msg->pub;
}

const anqa_msg *anqa_receive_ref(anqa_ref ref, uint32_t timeout_ms)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct msg *msg;

    if (ref.bits == 0) /* of nothing, for which nothing comes */
        return NULL;
    msg = receive(s, p, &(struct want){.ref = ref.bits, .mark_ref = ref.bits}, timeout_ms);
    return msg == NULL ? NULL : &msg->pub;
}

const anqa_msg *anqa_receive(uint32_t timeout_ms)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    const anqa_msg *msg;

    check_not_matching(s);
    if (p->flags & (PROC_RUN | PROC_FOREIGN)) {
        event_end(s, p, &s->act);
        anqa_arena_reset(&s->stack->tmp);
    }
    msg = anqa_receive_if(NULL, NULL, timeout_ms);
    if (__builtin_expect((p->flags & PROC_RIGGED) != 0, 0) && msg != NULL)
        s->rt->rig(s, p, RIG_MESSAGE, msg->tag);
    return msg;
}

static void held_remove(struct activation *act, struct msg *msg)
{
    struct msg **link = &act->held;

    while (*link != NULL && *link != msg)
        link = &(*link)->next;
    if (*link == NULL)
        return;
    *link = msg->next;
    if (msg->pub.flags_ & MSG_WEIGHED) /* less is counted only when an exit has begun anew */
        act->held_bytes -= msg_size(msg) < act->held_bytes ? msg_size(msg) : act->held_bytes;
    msg->pub.flags_ &= (uint8_t)~MSG_WEIGHED;
}

void anqa_msg_keep(const anqa_msg *message)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct msg *msg = MSG_OF(message);
    struct kept *kept;

    if (msg->pub.flags_ & MSG_KEPT)
        return;
    kept = proc_more(s, p) == NULL ? NULL : block_take(&s->blocks, block_class(sizeof *kept));
    if (kept == NULL)
        proc_exit(s, anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "no memory to keep a message"));
    held_remove(&s->act, msg);
    if (msg->pub.kind == ANQA_MSG_CALL && (msg->pub.flags_ & MSG_ANSWERED) == 0)
        mailbox_owe(s, p, msg);
    msg->pub.flags_ |= MSG_KEPT;
    *kept = (struct kept){.msg = msg, .owner = p};
    msg->kept = kept;
    anqa_list_push(&p->more->kept, &kept->node);
}

void anqa_msg_free(const anqa_msg *message)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct msg *msg = MSG_OF(message);

    if (msg->pub.flags_ & MSG_KEPT) {
        ANQA_REQUIRE(msg->kept->owner == p);
        proc_end_kept(s, msg->kept);
    } else {
        held_remove(&s->act, msg);
        if (msg->pub.kind == ANQA_MSG_CALL && (msg->pub.flags_ & MSG_ANSWERED) == 0)
            mailbox_owe(s, p, msg);
    }
    msg_drop(s, msg);
}

void proc_wake(struct sched *s, anqa_pid pid, uint64_t ref)
{
    struct msg *msg = msg_signal(s, SIG_WAKE, "", (anqa_pid){0}, pid, (anqa_ref){ref});

    if (mailbox_push(s, pid, msg) != ANQA_OK)
        msg_drop(s, msg);
}

bool proc_wait_event(struct sched *s, uint64_t ref, uint64_t deadline_ms, anqa_process_status what)
{
    struct proc *p = s->current;
    uint64_t now = sched_now(s), left = deadline_ms == UINT64_MAX ? ANQA_INFINITY
                                        : deadline_ms > now       ? deadline_ms - now
                                                                  : 0;
    bool came;

    wait_begin(s, p, left < ANQA_INFINITY ? (uint32_t)left : ANQA_INFINITY);
    s->act.wait_event = ref;
    s->act.event_came = false;
    do {
        wait_once(s, p, deadline_ms, what);
    } while (!s->act.event_came && !s->act.timed_out && !exiting(p));
    came = s->act.event_came;
    wait_end(s);
    return came;
}

void anqa_sleep(uint32_t ms)
{
    struct sched *s;

    (void)proc_self(&s);
    (void)proc_wait_event(s, sched_new_ref(s), ms == ANQA_INFINITY ? UINT64_MAX : sched_now(s) + ms,
        ANQA_PROCESS_SLEEP);
}

void anqa_yield(void)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    uint64_t ref;

    if (p->flags & PROC_FOREIGN)
        return;
    ref = sched_new_ref(s);
    proc_wake(s, proc_pid(s->rt, p), ref); /* queues us behind the others */
    (void)proc_wait_event(s, ref, UINT64_MAX, ANQA_PROCESS_RUNNABLE);
}

/* ---------------------------------------------------------------- exits, links, monitors */

void anqa_exit(anqa_reason reason)
{
    struct sched *s;

    (void)proc_self(&s);
    proc_exit(s, reason);
}

void proc_exit_signal(struct sched *s, anqa_pid from, anqa_pid to, anqa_reason reason)
{
    struct proc *target = proc_slot(s->rt, to);
    struct msg *msg;

    if (target == NULL) {
        anqa_reason_unref(reason);
        return;
    }
    if (anqa_reason_get_kind(reason) == ANQA_REASON_KILL &&
        atomic_load_explicit(&target->generation, memory_order_relaxed) == pid_generation(to))
        atomic_store_explicit(&target->kill, pid_generation(to), memory_order_relaxed);
    msg = msg_signal(s, SIG_EXIT, "EXIT", from, to, (anqa_ref){0});
    msg->pub.u.reason = reason;
    if (mailbox_push(s, to, msg) != ANQA_OK)
        msg_drop(s, msg);
}

void anqa_exit_signal(anqa_pid to, anqa_reason reason)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    anqa_pid self = proc_pid(s->rt, p);

    proc_exit_signal(s, self, to, reason);
    if (to.bits == self.bits)
        poll_signals(s, p); /* to oneself it has come when the call returns */
}

static _Noreturn void no_memory(struct sched *s, const char *what)
{
    proc_exit(s, anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "no memory for %s", what));
}

/* For what is a beginning: a process ends, an attached thread cannot and is told. */
static anqa_status refuse(struct sched *s, const char *what)
{
    if ((s->current->flags & PROC_FOREIGN) == 0)
        no_memory(s, what);
    return ANQA_E_NOMEM;
}

/* False: no memory. */
static bool try_signal(
    struct sched *s, unsigned kind, anqa_pid self, anqa_pid to, uint64_t ref, uint64_t extra)
{
    struct msg *msg = msg_new(s, kind, "", self, (anqa_ref){ref});

    if (msg == NULL)
        return false;
    MSG_EXTRA(msg) = extra;
    mailbox_signal(s, to, msg);
    return true;
}

/* For what undoes, which must not be lost: without memory from the reserve. */
static void signal_to(
    struct sched *s, unsigned kind, anqa_pid self, anqa_pid to, uint64_t ref, uint64_t extra)
{
    struct msg *msg = msg_signal(s, kind, "", self, to, (anqa_ref){ref});

    MSG_EXTRA(msg) = extra;
    mailbox_signal(s, to, msg);
}

/* Of a link that was not made: what the other side has added stays. */
static void link_undo(struct sched *s, struct proc *p, struct rel *rel)
{
    rel->x = 0;
    if (rel->y == 0)
        rels_remove(s, &p->rels, rel);
}

anqa_status anqa_link(anqa_pid to)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    anqa_pid self = proc_pid(s->rt, p);
    struct rel *rel;
    bool is_new;

    if (to.bits == self.bits)
        return ANQA_OK;
    if (anqa_pid_is_none(to) || to.bits & REF_BIT) { /* the exit signal of somebody who never was */
        proc_exit_signal(s, to, self, anqa_reason_of(ANQA_REASON_NOPROC));
        poll_signals(s, p);
        return ANQA_OK;
    }
    rel = rels_put(s, &p->rels, to.bits);
    if (rel == NULL)
        return refuse(s, "a link");
    if (rel->x != 0)
        return ANQA_OK; /* linked already, from our side */
    is_new = rel->y == 0;
    rel->x = sched_new_ref(s);
    if (!try_signal(s, SIG_LINK, self, to, rel->x, to.bits)) {
        link_undo(s, p, rel);
        return refuse(s, "a link");
    }
    if (is_new)
        proc_relate(s, p, FACE_LINK);
    poll_signals(s, p);
    return ANQA_OK;
}

void anqa_unlink(anqa_pid to)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct rel *rel, seen;

    poll_signals(s, p);
    rel = rels_get(p->rels, to.bits);
    if (rel == NULL || to.bits & REF_BIT)
        return;
    seen = *rel;
    rels_remove(s, &p->rels, rel);
    proc_relate(s, p, 0 - FACE_LINK);
    signal_to(s, SIG_UNLINK, proc_pid(s->rt, p), to, seen.x, seen.y);
}

anqa_ref anqa_monitor(anqa_pid to)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    anqa_ref ref = anqa_make_ref();
    struct rel *rel = rels_put(s, &p->rels, ref.bits);

    if (rel == NULL) {
        (void)refuse(s, "a monitor");
        return (anqa_ref){0};
    }
    rel->x = to.bits;
    rel->y = REL_MONITOR;
    if (!try_signal(s, SIG_MONITOR, proc_pid(s->rt, p), to, ref.bits, 0)) {
        rels_remove(s, &p->rels, rel);
        (void)refuse(s, "a monitor");
        return (anqa_ref){0};
    }
    proc_relate(s, p, FACE_MONITOR);
    return ref;
}

/* Takes the oldest message with `ref` and one of two kinds out of the mailbox. */
static bool flush(struct sched *s, struct proc *p, anqa_ref ref, unsigned kind, unsigned or_kind)
{
    struct msg *before = NULL;

    for (struct msg *msg = p->head; msg != NULL; before = msg, msg = msg->next) {
        if (msg->pub.ref.bits != ref.bits || (msg->pub.kind != kind && msg->pub.kind != or_kind))
            continue;
        mailbox_unlink(s, p, before, msg);
        msg_drop(s, msg);
        return true;
    }
    return false;
}

bool anqa_demonitor(anqa_ref ref, bool flush_down)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct rel *rel;
    anqa_pid target;

    poll_signals(s, p);
    rel = rels_get(p->rels, ref.bits);
    if (rel == NULL || rel->y != REL_MONITOR) {
        if (flush_down)
            (void)flush(s, p, ref, ANQA_MSG_DOWN, ANQA_MSG_DOWN);
        return false;
    }
    target.bits = rel->x;
    rels_remove(s, &p->rels, rel);
    proc_relate(s, p, 0 - FACE_MONITOR);
    signal_to(s, SIG_DEMONITOR, proc_pid(s->rt, p), target, ref.bits, 0);
    return true;
}

anqa_alias anqa_alias_make(anqa_alias_mode mode)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    anqa_ref ref = anqa_make_ref();
    struct rel *rel = rels_put(s, &p->rels, ref.bits);

    if (rel == NULL)
        no_memory(s, "an alias");
    rel->y = mode == ANQA_ALIAS_ONE_REPLY ? REL_ALIAS_ONCE : REL_ALIAS;
    return (anqa_alias){proc_pid(s->rt, p), ref};
}

bool anqa_unalias(anqa_alias alias)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct rel *rel;

    poll_signals(s, p); /* what came before goes through */
    rel = rels_get(p->rels, alias.ref.bits);
    if (rel == NULL || (rel->y != REL_ALIAS && rel->y != REL_ALIAS_ONCE))
        return false;
    rels_remove(s, &p->rels, rel);
    return true;
}

/* ---------------------------------------------------------------- requests */

anqa_caller anqa_msg_caller(const anqa_msg *msg)
{
    return (anqa_caller){msg->from, msg->ref, anqa_self()};
}

anqa_ref anqa_request_parts_(anqa_pid to, const char *tag, anqa_payload_kind kind, const void *ptr,
    size_t len, struct anqa_buf_block *shared)
{
    anqa_payload payload = {.kind = kind, .ptr = ptr, .len = len, .u.block = shared};
    struct sched *s;
    struct proc *p = proc_self(&s);
    anqa_pid self = proc_pid(s->rt, p);
    anqa_ref ref = marked_ref(s, p);
    struct rel *rel = rels_put(s, &p->rels, ref.bits);
    struct msg *msg;

    if (rel == NULL || msg_make(s, ANQA_MSG_CALL, tag, self, ref, &payload, &msg) != ANQA_OK) {
        payload_drop(&payload);
        no_memory(s, "a request");
    }
    rel->x = to.bits;
    rel->y = REL_REQUEST;
    s->asked_ref = ref.bits;
    s->asked = to.bits << 8;
    if (__builtin_expect((p->flags & PROC_PROBED) != 0, 0))
        probe_sent(s, p, to, msg);
    switch (mailbox_push(s, to, msg)) {
    case ANQA_OK: break;
    case ANQA_E_FULL: mailbox_answer_dead(s, msg, anqa_reason_of(ANQA_REASON_SYSTEM_LIMIT)); break;
    default: mailbox_answer_dead(s, msg, anqa_reason_of(ANQA_REASON_NOPROC));
    }
    return ref;
}

void anqa_request_cancel(anqa_ref ref)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct rel *rel;
    anqa_pid server;

    poll_signals(s, p);
    rel = rels_get(p->rels, ref.bits);
    if (rel == NULL || rel->y != REL_REQUEST) {
        (void)flush(s, p, ref, ANQA_MSG_REPLY, ANQA_MSG_DOWN);
        return;
    }
    server.bits = rel->x;
    rels_remove(s, &p->rels, rel);
    signal_to(s, SIG_DEMONITOR, proc_pid(s->rt, p), server, ref.bits, 0);
}

bool anqa_msg_never_started(const anqa_msg *msg)
{
    return (msg->flags_ & MSG_NEVER) != 0;
}

/* The call among the messages of this event, if that has not been answered. */
static struct msg *held_call(const struct sched *s, anqa_ref ref)
{
    for (struct msg *msg = s->act.held; msg != NULL; msg = msg->next)
        if (msg->pub.kind == ANQA_MSG_CALL && msg->pub.ref.bits == ref.bits &&
            (msg->pub.flags_ & MSG_ANSWERED) == 0)
            return msg;
    return NULL;
}

bool proc_owes(const anqa_caller *caller)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    const struct rel *rel;

    if (caller->server.bits != proc_pid(s->rt, p).bits || held_call(s, caller->ref) != NULL)
        return true;
    rel = rels_get(p->rels, caller->ref.bits);
    return rel != NULL && rel->y == REL_OWED;
}

/* The call is no longer owed: it is among the messages of this event, or noted in the table. */
static bool settle(struct sched *s, struct proc *p, anqa_ref ref)
{
    struct msg *held = held_call(s, ref);
    struct rel *rel;

    if (held != NULL) {
        held->pub.flags_ |= MSG_ANSWERED;
        return true;
    }
    rel = rels_get(p->rels, ref.bits);
    if (rel == NULL || rel->y != REL_OWED)
        return false;
    rels_remove(s, &p->rels, rel);
    return true;
}

void anqa_reply_to_parts_(const anqa_caller *caller, anqa_payload_kind kind, const void *ptr,
    size_t len, struct anqa_buf_block *shared)
{
    anqa_payload payload = {.kind = kind, .ptr = ptr, .len = len, .u.block = shared};
    struct sched *s;
    struct proc *p = proc_self(&s);
    anqa_pid self = proc_pid(s->rt, p);
    struct msg *msg;

    /* before the call is settled: who cannot answer still owes it, and its end does */
    if (msg_make(s, ANQA_MSG_REPLY, "reply", self, caller->ref, &payload, &msg) != ANQA_OK) {
        payload_drop(&payload);
        no_memory(s, "a reply");
    }
    if (caller->server.bits == self.bits && !settle(s, p, caller->ref)) {
        msg_drop(s, msg); /* answered before, or the caller has given up */
        return;
    }
    if (__builtin_expect((p->flags & PROC_PROBED) != 0, 0))
        probe_sent(s, p, caller->pid, msg);
    if (mailbox_push(s, caller->pid, msg) != ANQA_OK)
        msg_drop(s, msg);
    if (caller->server.bits != self.bits) /* who holds the request need not remember it */
        signal_to(s, SIG_DEMONITOR, self, caller->server, caller->ref.bits, 0);
}

/* ---------------------------------------------------------------- timers */

struct arm_task {
    struct task task;
    anqa_pid to;
    struct msg *msg;
    const char *tag;
    uint32_t delay_ms, every_ms;
    anqa_timer timer;
    _Atomic(uint32_t) done;
};

/* The message's reference is the timer's handle. */
static anqa_timer arm(struct sched *s, const struct arm_task *what)
{
    (void)sched_now(s);
    struct timer *timer = what->every_ms != 0
                              ? timer_arm_ticks(s, what->to, what->tag, what->every_ms)
                              : timer_arm(s, what->to, what->msg, 0, what->delay_ms);

    if (timer == NULL)
        return (anqa_timer){0};
    timer->ref = timer_handle(s, timer).bits;
    if (timer->msg != NULL)
        timer->msg->pub.ref.bits = timer->ref;
    return (anqa_timer){timer->ref};
}

static void arm_run(struct sched *s, struct task *task)
{
    struct arm_task *what = ANQA_CONTAINER_OF(task, struct arm_task, task);

    what->timer = arm(s, what);
    atomic_store_explicit(&what->done, 1, memory_order_release); /* pairs with arm_anywhere */
    syscall(SYS_futex, &what->done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* An attached thread has no wheel: the first scheduler arms for it. */
static anqa_timer arm_anywhere(struct sched *s, struct arm_task *what)
{
    struct sched *first = &s->rt->scheds[0];

    if (!s->foreign)
        return arm(s, what);
    what->task.run = arm_run;
    if (s->rt->options.deterministic)
        return arm(first, what); /* the same thread runs both */
    sched_post(first, &what->task);
    while (atomic_load_explicit(&what->done, memory_order_acquire) == 0)
        syscall(SYS_futex, &what->done, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return what->timer;
}

anqa_timer anqa_send_after(anqa_pid to, const char *tag, anqa_payload payload, uint32_t delay_ms)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct arm_task what = {.to = to, .delay_ms = delay_ms};

    if (msg_make(s, ANQA_MSG_TIMEOUT, tag, proc_pid(s->rt, p), (anqa_ref){0}, &payload,
            &what.msg) != ANQA_OK) {
        payload_drop(&payload);
        no_memory(s, "a timer");
    }
    what.timer = arm_anywhere(s, &what);
    if (what.timer.bits == 0) {
        msg_drop(s, what.msg);
        no_memory(s, "a timer");
    }
    return what.timer;
}

anqa_timer anqa_send_at(anqa_pid to, const char *tag, anqa_payload payload, uint64_t at_ms)
{
    uint64_t now_ms = anqa_now_ms(), delay_ms = at_ms > now_ms ? at_ms - now_ms : 0;

    if (delay_ms > UINT32_MAX)
        payload_drop(&payload);
    ANQA_REQUIRE(delay_ms <= UINT32_MAX);
    return anqa_send_after(to, tag, payload, (uint32_t)delay_ms);
}

anqa_timer anqa_send_every(anqa_pid to, const char *tag, uint32_t every_ms)
{
    struct sched *s;
    struct arm_task what = {.to = to, .tag = tag, .every_ms = every_ms};

    (void)proc_self(&s);
    ANQA_REQUIRE(every_ms > 0);
    what.timer = arm_anywhere(s, &what);
    if (what.timer.bits == 0)
        no_memory(s, "a timer");
    return what.timer;
}

int64_t anqa_timer_cancel(anqa_timer timer)
{
    struct sched *s;

    (void)proc_self(&s);
    return timer_cancel(s, timer);
}

uint64_t anqa_now_ms(void)
{
    return sched_self == NULL ? clock_mono_ms() : sched_now(sched_self);
}

/* ---------------------------------------------------------------- contracts */

void anqa_require_failed(const char *what, const char *file, int line)
{
    struct sched *s = sched_self;

    if (s == NULL || s->current == NULL)
        anqa_invariant_failed(what, file, line);
    proc_exit(s, anqa_reason_make(ANQA_REASON_CONTRACT, "%s, %s:%d", what, file, line));
}

void anqa_nowait_begin(void)
{
    if (sched_self != NULL)
        sched_self->act.nowait++;
}

void anqa_nowait_end(void)
{
    if (sched_self != NULL)
        sched_self->act.nowait--;
}

void anqa_section_begin(void)
{
    if (sched_self != NULL)
        sched_self->act.section++;
}

void anqa_section_end(void)
{
    if (sched_self != NULL)
        sched_self->act.section--;
}
