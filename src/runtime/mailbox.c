/* The two-stage mailbox: pushing, draining, signals, and what is answered for the dead. See proc.h. */
#include "runtime/probe.h"
#include "runtime/proc.h"

#include <stdatomic.h>
#include "runtime/sched.h"

#define TRASH_INLINE 64
#define TRASH_SLICE 4096

/* ---------------------------------------------------------------- pushing */

/* False: closed. */
static bool mailbox_swap_in(struct sched *s, struct proc *p, struct msg *msg)
{
    uintptr_t old = atomic_load_explicit(&p->in, memory_order_relaxed);

    do {
        if (old == IN_CLOSED)
            return false;
        msg->next = in_newest(old);
        /* Release: the message; acquire: what the owner wrote before it left IN_IDLE (mailbox_drain). seq_cst: an attached
         * thread that goes to sleep sees the message, or we see it asleep (wait_foreign). */
    } while (!atomic_compare_exchange_weak_explicit(
        &p->in, &old, in_push(old, msg), memory_order_seq_cst, memory_order_relaxed));
    if (old == IN_IDLE)
        sched_ready(s, p);
    return true;
}

/* Counts a message against the bound. E_FULL: it must not be sent. */
static anqa_status mailbox_count(
    struct sched *s, struct proc *p, anqa_pid to, struct msg *msg, uint32_t bound)
{
    uint32_t limit = bound & BOUND_MASK;
    uint32_t waiting = atomic_fetch_add_explicit(&p->waiting, 1, memory_order_relaxed) + 1;
    anqa_overflow policy = (anqa_overflow)(bound >> BOUND_SHIFT);

    msg->pub.flags_ |= MSG_COUNTED;
    if (waiting <= limit)
        return ANQA_OK;
    if (policy == ANQA_OVERFLOW_KILL)
        proc_exit_signal(s, (anqa_pid){0}, to, ANQA_KILL);
    else if (policy == ANQA_OVERFLOW_SHED_OLDEST && waiting <= 2 * limit)
        return ANQA_OK; /* the owner sheds when it drains; beyond twice the limit it does not get to it */
    atomic_fetch_sub_explicit(&p->waiting, 1, memory_order_relaxed);
    msg->pub.flags_ &= (uint8_t)~MSG_COUNTED;
    return ANQA_E_FULL;
}

static bool is_bounded(const struct msg *msg)
{
    return msg->pub.kind < MSG_SIGNALS && msg->pub.kind <= ANQA_MSG_CAST &&
           (msg->pub.kind != ANQA_MSG_PLAIN || (msg->pub.flags_ & MSG_PROMISED) == 0);
}

anqa_status mailbox_push(struct sched *s, anqa_pid to, struct msg *msg)
{
    struct proc *p = proc_slot(s->rt, to);
    uint32_t bound;

    if (p == NULL ||
        atomic_load_explicit(&p->generation, memory_order_relaxed) != pid_generation(to))
        return ANQA_E_NOPROC;
    bound = atomic_load_explicit(&p->bound, memory_order_relaxed);
    if (bound != 0 && is_bounded(msg)) {
        anqa_status status = mailbox_count(s, p, to, msg, bound);
        if (status != ANQA_OK)
            return status;
    }
    msg->pub.life_ = pid_generation(to);
    return mailbox_swap_in(s, p, msg) ? ANQA_OK : ANQA_E_NOPROC;
}

/* ---------------------------------------------------------------- for the dead */

void mailbox_down(
    struct sched *s, anqa_pid to, anqa_ref ref, anqa_pid who, anqa_reason reason, unsigned flags)
{
    struct msg *down = msg_signal(s, ANQA_MSG_DOWN, "DOWN", who, to, ref);

    down->pub.flags_ = (uint8_t)flags;
    down->pub.u.reason = anqa_reason_ref(reason);
    mailbox_signal(s, to, down);
}

void mailbox_exit(struct sched *s, anqa_pid to, anqa_pid who, anqa_reason reason)
{
    struct msg *exit = msg_signal(s, SIG_EXIT, "EXIT", who, to, (anqa_ref){0});

    exit->pub.flags_ = MSG_BY_LINK;
    exit->pub.u.reason = anqa_reason_ref(reason);
    mailbox_signal(s, to, exit);
}

void mailbox_answer_dead(struct sched *s, struct msg *msg, anqa_reason reason)
{
    const anqa_msg *pub = &msg->pub;

    if (pub->kind == SIG_LINK)
        mailbox_exit(s, pub->from, (anqa_pid){MSG_EXTRA(msg)}, reason);
    else if (pub->kind == SIG_MONITOR ||
             (pub->kind == ANQA_MSG_CALL && (pub->flags_ & MSG_ANSWERED) == 0))
        mailbox_down(s, pub->from, pub->ref, (anqa_pid){0}, reason,
            MSG_NEVER); /* the asker's table knows who it was */
    else if (pub->kind == SIG_TRACE)
        probe_untraced(s, msg, reason);
    msg_drop(s, msg);
}

void mailbox_signal(struct sched *s, anqa_pid to, struct msg *msg)
{
    if (mailbox_push(s, to, msg) != ANQA_OK)
        mailbox_answer_dead(s, msg, anqa_reason_of(ANQA_REASON_NOPROC));
}

static void trash_slice(struct sched *s, struct trash *trash, unsigned max)
{
    while (trash->chain != NULL && max-- > 0) {
        struct msg *msg = trash->chain;
        trash->chain = msg->next;
        mailbox_answer_dead(s, msg,
            msg->pub.life_ == trash->life ? trash->reason : anqa_reason_of(ANQA_REASON_NOPROC));
    }
}

void mailbox_discard(struct sched *s, struct msg *chain, uint32_t life, anqa_reason reason)
{
    struct trash trash = {.chain = chain, .reason = reason, .life = life}, *later;

    trash_slice(s, &trash, TRASH_INLINE);
    if (trash.chain == NULL)
        return;
    later = block_take(&s->blocks, block_class(sizeof *later));
    if (later == NULL) {
        trash_slice(s, &trash, UINT32_MAX);
        return;
    }
    *later = trash;
    later->next = s->trash;
    anqa_reason_ref(reason);
    s->trash = later;
}

void trash_run(struct sched *s, unsigned max)
{
    struct trash *trash = s->trash;

    trash_slice(s, trash, max);
    if (trash->chain != NULL)
        return;
    s->trash = trash->next;
    anqa_reason_unref(trash->reason);
    block_put(&s->blocks, block_class(sizeof *trash), trash);
}

/* ---------------------------------------------------------------- stage two */

static void mailbox_append(struct proc *p, struct msg *msg)
{
    const struct activation *act = proc_waiting(p);

    msg->next = NULL;
    if (p->tail == NULL)
        p->head = msg;
    else
        p->tail->next = msg;
    p->tail = msg;
    if (act == NULL ||
        (act->wait_event == 0 && (act->wait_ref == 0 || act->wait_ref == msg->pub.ref.bits)))
        p->flags |= PROC_WOKEN;
}

static void mailbox_uncount(struct proc *p, struct msg *msg)
{
    if ((msg->pub.flags_ & MSG_COUNTED) == 0)
        return;
    msg->pub.flags_ &= (uint8_t)~MSG_COUNTED;
    atomic_fetch_sub_explicit(&p->waiting, 1, memory_order_relaxed);
}

void mailbox_unlink(struct sched *s, struct proc *p, struct msg *before, struct msg *msg)
{
    struct msg *next = msg->next;

    if (before == NULL)
        p->head = next;
    else
        before->next = next;
    if (next == NULL)
        p->tail = before;
    proc_count_mail(p, MAIL_OUT);
    /* NULL: everything is looked at again, which is slower but right. */
    if (s->act.mark == msg)
        s->act.mark = before;
    if (s->act.scan == msg)
        s->act.scan = before;
    mailbox_uncount(p, msg);
}

/* The bound is on plain messages, calls and casts; what the runtime promised to deliver is never shed. */
static void mailbox_shed(struct sched *s, struct proc *p, uint32_t limit)
{
    struct activation *waiting = proc_waiting(p);
    struct msg *before = NULL, *msg = p->head;

    while (msg != NULL && atomic_load_explicit(&p->waiting, memory_order_relaxed) > limit) {
        struct msg *next = msg->next;
        if (msg->pub.flags_ & MSG_COUNTED) {
            mailbox_unlink(s, p, before, msg);
            if (waiting != NULL && waiting->mark == msg)
                waiting->mark = before;
            if (waiting != NULL && waiting->scan == msg)
                waiting->scan = before;
            mailbox_answer_dead(s, msg, anqa_reason_of(ANQA_REASON_SYSTEM_LIMIT));
        } else {
            before = msg;
        }
        msg = next;
    }
}

/* ---------------------------------------------------------------- signals */

static void doom(struct proc *p, anqa_reason reason)
{
    if (p->flags & PROC_DOOMED)
        return;
    p->flags |= PROC_DOOMED | PROC_SIGNALLED;
    anqa_reason_unref(p->exit_reason); /* of a terminate that is under way */
    p->exit_reason = anqa_reason_ref(reason);
}

/* `rel` may be the addition that our side made as well. */
static void on_link(struct sched *s, struct proc *p, struct msg *msg)
{
    struct rel *rel = rels_put(s, &p->rels, msg->pub.from.bits);

    if (rel == NULL)
        mailbox_exit(
            s, msg->pub.from, proc_pid(s->rt, p), anqa_reason_of(ANQA_REASON_SYSTEM_LIMIT));
    else {
        if (rel->x == 0 && rel->y == 0)
            proc_relate(s, p, FACE_LINK);
        rel->y = msg->pub.ref.bits;
    }
}

/* The signal names the additions its sender had: in `ref` its own, in MSG_EXTRA ours. */
static void on_unlink(struct sched *s, struct proc *p, struct msg *msg)
{
    struct rel *rel = rels_get(p->rels, msg->pub.from.bits);

    if (rel == NULL)
        return;
    if (rel->y == msg->pub.ref.bits)
        rel->y = 0;
    if (rel->x == MSG_EXTRA(msg))
        rel->x = 0;
    if (rel->x != 0 || rel->y != 0)
        return;
    rels_remove(s, &p->rels, rel);
    proc_relate(s, p, 0 - FACE_LINK);
}

static void on_monitor(struct sched *s, struct proc *p, struct msg *msg)
{
    struct rel *rel = rels_put(s, &p->rels, msg->pub.ref.bits);

    if (rel == NULL) {
        mailbox_down(s, msg->pub.from, msg->pub.ref, proc_pid(s->rt, p),
            anqa_reason_of(ANQA_REASON_SYSTEM_LIMIT), 0);
        return;
    }
    rel->x = msg->pub.from.bits;
    rel->y = REL_WATCHER;
    proc_relate(s, p, FACE_WATCHER);
}

static void on_demonitor(struct sched *s, struct proc *p, struct msg *msg)
{
    struct rel *rel = rels_get(p->rels, msg->pub.ref.bits);
    const struct activation *act = proc_waiting(p);

    if (rel != NULL && (rel->y == REL_WATCHER || rel->y == REL_OWED)) {
        if (rel->y == REL_WATCHER)
            proc_relate(s, p, 0 - FACE_WATCHER);
        rels_remove(s, &p->rels, rel);
        return;
    }
    /* A request of the event under way: it is not owed when that ends. */
    for (struct msg *held = act != NULL ? act->held : s->act.held; held != NULL; held = held->next)
        if (held->pub.kind == ANQA_MSG_CALL && held->pub.ref.bits == msg->pub.ref.bits)
            held->pub.flags_ |= MSG_ANSWERED;
}

static bool descends_from(const struct proc *p, anqa_pid ancestor)
{
    struct lineage *at = proc_lineage(p);

    while (at != NULL && !anqa_pid_eq(lineage_pid(at), ancestor))
        at = at->up;
    return at != NULL;
}

/* Erlang's exit signal table. True: the message is used up as an EXIT message. */
static bool on_exit_signal(struct sched *s, struct proc *p, struct msg *msg)
{
    anqa_msg *pub = &msg->pub;
    anqa_reason_kind kind = anqa_reason_get_kind(pub->u.reason);

    if (pub->flags_ & MSG_TO_DESCENDANTS) {
        if (descends_from(p, pub->from))
            doom(p, anqa_reason_of(ANQA_REASON_KILLED));
        return false;
    }
    if (pub->flags_ & MSG_BY_LINK) {
        struct rel *rel = rels_get(p->rels, pub->from.bits);
        if (rel == NULL)
            return false;
        rels_remove(s, &p->rels, rel);
        proc_relate(s, p, 0 - FACE_LINK);
    } else if (kind == ANQA_REASON_KILL) {
        doom(p, anqa_reason_of(ANQA_REASON_KILLED));
        return false;
    }
    if (p->flags & PROC_TRAP) {
        pub->kind = ANQA_MSG_EXIT;
        return true;
    }
    if (kind != ANQA_REASON_NORMAL ||
        ((pub->flags_ & MSG_BY_LINK) == 0 && pub->from.bits == proc_pid(s->rt, p).bits))
        doom(p, pub->u.reason);
    return false;
}

/* REPLY and DOWN count only for who still waits for them; their entry in the table is the proof. */
static bool on_reply(struct sched *s, struct proc *p, struct msg *msg)
{
    struct rel *rel = rels_get(p->rels, msg->pub.ref.bits);

    if (rel == NULL || (rel->y != REL_MONITOR && rel->y != REL_REQUEST))
        return false;
    if (msg->pub.kind == ANQA_MSG_REPLY && rel->y != REL_REQUEST)
        return false;
    if (anqa_pid_is_none(msg->pub.from))
        msg->pub.from.bits = rel->x;
    if (rel->y == REL_MONITOR)
        proc_relate(s, p, 0 - FACE_MONITOR);
    rels_remove(s, &p->rels, rel);
    return true;
}

static bool on_alias(struct sched *s, struct proc *p, struct msg *msg)
{
    struct rel *rel = rels_get(p->rels, msg->pub.ref.bits);

    if (rel == NULL || (rel->y != REL_ALIAS && rel->y != REL_ALIAS_ONCE))
        return false;
    if (rel->y == REL_ALIAS_ONCE)
        rels_remove(s, &p->rels, rel);
    return true;
}

static void on_wake(struct sched *s, struct proc *p, uint64_t ref)
{
    struct activation *act = proc_waiting(p);

    if (act == NULL)
        act = &s->act; /* an attached thread */
    if (ref == act->wait_timer)
        act->timed_out = true;
    else if (ref == act->wait_event)
        act->event_came = true;
    else
        return;
    p->flags |= PROC_WOKEN;
}

/* True: goes on to stage two. */
static bool apply(struct sched *s, struct proc *p, struct msg *msg)
{
    switch (msg->pub.kind) {
    case SIG_LINK: on_link(s, p, msg); return false;
    case SIG_UNLINK: on_unlink(s, p, msg); return false;
    case SIG_MONITOR: on_monitor(s, p, msg); return false;
    case SIG_DEMONITOR: on_demonitor(s, p, msg); return false;
    case SIG_EXIT: return on_exit_signal(s, p, msg);
    case SIG_TRACE: probe_on_trace(s, p, msg); return false;
    case SIG_UNTRACE: probe_on_untrace(s, p, msg); return false;
    case SIG_WAKE: on_wake(s, p, msg->pub.ref.bits); return false;
    case ANQA_MSG_REPLY:
    case ANQA_MSG_DOWN: return on_reply(s, p, msg);
    default: return (msg->pub.flags_ & MSG_BY_ALIAS) == 0 || on_alias(s, p, msg);
    }
}

static struct msg *reversed(struct msg *newest)
{
    struct msg *oldest = NULL;

    while (newest != NULL) {
        struct msg *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* Signals are applied, messages go to stage two. `msg`: what stage one held, newest first. */
static void drain(struct sched *s, struct proc *p, struct msg *msg)
{
    uint32_t life = atomic_load_explicit(&p->generation, memory_order_relaxed);
    uint32_t bound = atomic_load_explicit(&p->bound, memory_order_relaxed);
    uint64_t came = 0;

    if (msg != NULL && msg->next != NULL)
        msg = reversed(msg);
    while (msg != NULL) {
        struct msg *next = msg->next;
        if (msg->pub.life_ != life)
            mailbox_answer_dead(s, msg, anqa_reason_of(ANQA_REASON_NOPROC));
        else if (apply(s, p, msg)) {
            mailbox_append(p, msg);
            came += MAIL_IN;
            if (__builtin_expect((p->flags & PROC_PROBED) != 0, 0))
                probe_received(s, p, msg);
        } else {
            mailbox_uncount(p, msg);
            msg_drop(s, msg);
        }
        msg = next;
    }
    proc_count_mail(p, came);
    if (bound >> BOUND_SHIFT == ANQA_OVERFLOW_SHED_OLDEST && (bound & BOUND_MASK) != 0)
        mailbox_shed(s, p, bound & BOUND_MASK);
}

static struct msg *take_in(struct proc *p, uintptr_t leave)
{
    /* acquire: the messages; release: what we wrote before, for whoever wins the token. Pairs with mailbox_swap_in. */
    uintptr_t in = atomic_exchange_explicit(&p->in, leave, memory_order_acq_rel);

    return in_newest(in);
}

/* Killed: the mail is not even looked at. It stays in stage one and is answered for after the exit hooks, in slices. */
static bool killed(struct proc *p)
{
    uint32_t life = atomic_load_explicit(&p->generation, memory_order_relaxed);

    if (__builtin_expect(atomic_load_explicit(&p->kill, memory_order_relaxed) != life, 1))
        return false;
    doom(p, anqa_reason_of(ANQA_REASON_KILLED));
    return true;
}

void mailbox_drain(struct sched *s, struct proc *p)
{
    if (killed(p))
        p->flags |= PROC_TOKEN_HERE;
    else
        drain(s, p, take_in(p, IN_IDLE));
}

void mailbox_poll(struct sched *s, struct proc *p)
{
    if (p->flags & PROC_FOREIGN)
        mailbox_drain(s, p);
    else if (!killed(p) && atomic_load_explicit(&p->in, memory_order_relaxed) > IN_IDLE)
        drain(s, p, take_in(p, IN_BUSY));
}

/* ---------------------------------------------------------------- events */

/* A call that was taken and not answered will be answered later, or by our death: remember who waits. */
void mailbox_owe(struct sched *s, struct proc *p, struct msg *msg)
{
    struct rel *rel = rels_put(s, &p->rels, msg->pub.ref.bits);

    if (rel == NULL) {
        mailbox_down(s, msg->pub.from, msg->pub.ref, proc_pid(s->rt, p),
            anqa_reason_of(ANQA_REASON_SYSTEM_LIMIT), 0);
        return;
    }
    rel->x = msg->pub.from.bits;
    rel->y = REL_OWED;
}

void event_end(struct sched *s, struct proc *p, struct activation *act)
{
    struct msg *msg = act->held;

    act->held = NULL;
    act->held_bytes = 0;
    while (msg != NULL) {
        struct msg *next = msg->next;
        if (msg->pub.kind == ANQA_MSG_CALL && (msg->pub.flags_ & MSG_ANSWERED) == 0) {
            mailbox_owe(s, p, msg);
            msg->pub.flags_ |= MSG_ANSWERED;
        }
        if ((msg->pub.flags_ & MSG_KEPT) == 0)
            msg_drop(s, msg);
        msg = next;
    }
}
