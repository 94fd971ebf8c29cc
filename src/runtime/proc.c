/* Slots, spawning and dying. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/log.h>

#include "runtime/backtrace.h"
#include "runtime/crash.h"
#include "runtime/fault.h"
#include "runtime/memory.h"
#include "runtime/probe.h"
#include "runtime/proc.h"
#include "runtime/sched.h"
#include "telemetry/telemetry.h"

ANQA_TELEMETRY_DEFINE(process_spawn, "anqa.process.spawn");
ANQA_TELEMETRY_DEFINE(process_exit, "anqa.process.exit");

#define SLOT_BATCH 64u
#define LINEAGE_BATCH 64u

/* ---------------------------------------------------------------- slots */

/* How many slots a scheduler takes at once. Small limits are kept to the letter: there nobody holds slots back. */
static uint32_t slot_batch(const anqa_rt *rt)
{
    return rt->options.max_processes >= 1024 * SLOT_BATCH ? SLOT_BATCH : 1;
}

/* A batch of slots from the runtime: returned ones first, then untouched ones. */
static void slots_refill(struct sched *s)
{
    anqa_rt *rt = s->rt;
    uint32_t batch = slot_batch(rt), used;

    pthread_mutex_lock(&rt->slot_lock);
    while (s->free_count < batch && rt->free_slots != NULL) {
        struct proc *p = rt->free_slots;
        rt->free_slots = p->run_next;
        p->run_next = s->free_slots;
        s->free_slots = p;
        s->free_count++;
    }
    used = atomic_load_explicit(&rt->slots_used, memory_order_relaxed);
    if (s->free_count == 0 && used < rt->options.max_processes) {
        uint32_t more =
            rt->options.max_processes - used < batch ? rt->options.max_processes - used : batch;
        s->new_slots = &rt->slots[used];
        s->new_slots_end = s->new_slots + more;
        atomic_store_explicit(&rt->slots_used, used + more, memory_order_relaxed);
    }
    pthread_mutex_unlock(&rt->slot_lock);
}

static struct proc *slot_take(struct sched *s)
{
    struct proc *p;

    if (s->free_slots == NULL && s->new_slots == s->new_slots_end)
        slots_refill(s);
    p = s->free_slots;
    if (p == NULL)
        return s->new_slots == s->new_slots_end ? NULL : s->new_slots++;
    s->free_slots = p->run_next;
    s->free_count--;
    return p;
}

static void lineages_return(struct sched *s)
{
    anqa_rt *rt = s->rt;

    pthread_mutex_lock(&rt->slot_lock);
    while (s->free_lineages != NULL) {
        struct lineage *lineage = s->free_lineages;
        s->free_lineages = lineage->up;
        lineage->up = rt->free_lineages;
        rt->free_lineages = lineage;
    }
    s->free_lineage_count = 0;
    pthread_mutex_unlock(&rt->slot_lock);
}

static void slots_return(struct sched *s, uint32_t keep)
{
    anqa_rt *rt = s->rt;

    pthread_mutex_lock(&rt->slot_lock);
    while (keep == 0 && s->new_slots != s->new_slots_end) { /* we give up everything */
        struct proc *p = s->new_slots++;
        p->run_next = rt->free_slots;
        rt->free_slots = p;
    }
    while (s->free_count > keep) {
        struct proc *p = s->free_slots;
        s->free_slots = p->run_next;
        s->free_count--;
        p->run_next = rt->free_slots;
        rt->free_slots = p;
    }
    pthread_mutex_unlock(&rt->slot_lock);
}

void proc_slots_done(struct sched *s)
{
    slots_return(s, 0);
    lineages_return(s);
}

void proc_release(struct sched *s, struct proc *p)
{
    uint32_t keep = slot_batch(s->rt) > 1 ? 4 * SLOT_BATCH : 0;

    p->state_kind = PROC_FREE;
    if (p->flags & PROC_FOREIGN)
        return; /* its place keeps it */
    if (atomic_load_explicit(&p->generation, memory_order_relaxed) == UINT32_MAX)
        return; /* used up: retired for good */
    p->run_next = s->free_slots;
    s->free_slots = p;
    if (++s->free_count > keep)
        slots_return(s, keep - keep / 4);
}

/* ---------------------------------------------------------------- parts */

struct proc_more *proc_more(struct sched *s, struct proc *p)
{
    if (p->more == NULL) {
        p->more = block_take(&s->blocks, block_class(sizeof *p->more));
        if (p->more == NULL)
            return NULL;
        *p->more = (struct proc_more){0};
        anqa_list_init(&p->more->kept);
    }
    return p->more;
}

/* Lineages are never anything else, as others may look at one whose time is over. */
struct lineage_chunk {
    struct lineage_chunk *next;
    struct lineage lineages[LINEAGE_BATCH];
};

void proc_lineages_free(anqa_rt *rt)
{
    while (rt->lineage_chunks != NULL) {
        struct lineage_chunk *chunk = rt->lineage_chunks;
        rt->lineage_chunks = chunk->next;
        free(chunk);
    }
}

/* Under the lock. */
static void lineages_make(anqa_rt *rt)
{
    struct lineage_chunk *chunk = calloc(1, sizeof *chunk);

    if (chunk == NULL)
        return;
    chunk->next = rt->lineage_chunks;
    rt->lineage_chunks = chunk;
    for (unsigned i = 0; i < LINEAGE_BATCH; i++) {
        chunk->lineages[i].up = rt->free_lineages;
        rt->free_lineages = &chunk->lineages[i];
    }
}

static void lineages_refill(struct sched *s)
{
    anqa_rt *rt = s->rt;

    pthread_mutex_lock(&rt->slot_lock);
    if (rt->free_lineages == NULL)
        lineages_make(rt);
    for (unsigned i = 0; i < LINEAGE_BATCH && rt->free_lineages != NULL; i++) {
        struct lineage *lineage = rt->free_lineages;
        rt->free_lineages = lineage->up;
        lineage->up = s->free_lineages;
        s->free_lineages = lineage;
        s->free_lineage_count++;
    }
    pthread_mutex_unlock(&rt->slot_lock);
}

static void lineage_put(struct sched *s, struct lineage *lineage)
{
    lineage->up = s->free_lineages;
    s->free_lineages = lineage;
    if (++s->free_lineage_count > 4 * LINEAGE_BATCH)
        lineages_return(s);
}

static void lineage_ref(struct lineage *lineage)
{
    if (lineage != NULL)
        atomic_fetch_add_explicit(&lineage->count, 1, memory_order_relaxed);
}

static void lineage_unref(struct sched *s, struct lineage *lineage)
{
    /* acq_rel: everybody's reads come before the block is used again. Pairs with itself on other schedulers. */
    while (lineage != NULL &&
           atomic_fetch_sub_explicit(&lineage->count, 1, memory_order_acq_rel) == 1) {
        struct lineage *up = lineage->up;
        lineage_put(s, lineage);
        lineage = up;
    }
}

static struct lineage *lineage_new(struct sched *s, anqa_pid pid, anqa_str name, struct lineage *up)
{
    size_t len = name.len < LINEAGE_NAME_MAX ? name.len : LINEAGE_NAME_MAX;
    struct lineage *lineage;

    if (s->free_lineages == NULL)
        lineages_refill(s);
    lineage = s->free_lineages;
    if (lineage == NULL)
        return NULL;
    lineage->name_len = (uint32_t)len;
    if (len > 0)
        memcpy(lineage->name, name.ptr, len);
    s->free_lineages = lineage->up;
    s->free_lineage_count--;
    lineage_ref(up);
    atomic_store_explicit(&lineage->count, 1, memory_order_relaxed);
    lineage->up = up;
    atomic_store_explicit(&lineage->pid, pid.bits, memory_order_relaxed);
    return lineage;
}

bool proc_set_callers(struct sched *s, const anqa_pid *pids, size_t count)
{
    struct proc_more *more = proc_more(s, s->current);
    struct lineage *callers = NULL;

    if (more == NULL)
        return false;
    while (count > 0) {
        struct lineage *nearer = lineage_new(s, pids[--count], (anqa_str){NULL, 0}, callers);
        lineage_unref(s, callers); /* `nearer` holds it, or nobody */
        if (nearer == NULL)
            return false;
        callers = nearer;
    }
    lineage_unref(s, more->callers);
    more->callers = callers;
    return true;
}

/* The node that names `p` for its children: made for the first of them. */
static struct lineage *lineage_of(struct sched *s, struct proc *p)
{
    struct proc_more *more = proc_more(s, p);

    if (more == NULL)
        return NULL;
    if (more->own == NULL)
        more->own = lineage_new(s, proc_pid(s->rt, p), crash_name(p->hooks), proc_lineage(p));
    return more->own;
}

/* Each of them holds our node, itself or through its parents' nodes. */
bool proc_has_descendants(struct sched *s)
{
    const struct proc_more *more = s->current->more;

    return more != NULL && more->own != NULL &&
           atomic_load_explicit(&more->own->count, memory_order_relaxed) > 1;
}

void proc_kill_descendants(struct sched *s)
{
    anqa_rt *rt = s->rt;
    anqa_pid self = proc_pid(rt, s->current);
    uint32_t used = atomic_load_explicit(&rt->slots_used, memory_order_relaxed);

    for (uint32_t i = 0; i < used; i++) {
        anqa_pid pid = proc_pid(rt, &rt->slots[i]);
        struct msg *msg;
        if (!anqa_rt_is_alive(rt, pid))
            continue;
        msg = msg_new(s, SIG_EXIT, "EXIT", self, (anqa_ref){0});
        ANQA_INVARIANT(msg != NULL); /* as any exit signal */
        msg->pub.flags_ = MSG_TO_DESCENDANTS;
        msg->pub.u.reason = ANQA_KILL;
        if (mailbox_push(s, pid, msg) != ANQA_OK)
            msg_drop(s, msg);
    }
}

static void set_label(struct sched *s, const struct proc *p, const char *text)
{
    struct label *label = &s->rt->labels[p - s->rt->slots];
    uint64_t words[ANQA_COUNT(label->words)] = {0};

    memcpy(words, text, strnlen(text, LABEL_SIZE - 1));
    atomic_store_explicit(&label->generation, 0, memory_order_relaxed);
    /* release: who reads a new word sees that the generation is not the old one. Pairs with proc_label. */
    for (size_t i = 0; i < ANQA_COUNT(words); i++)
        atomic_store_explicit(&label->words[i], words[i], memory_order_release);
    atomic_store_explicit(&label->generation,
        atomic_load_explicit(&p->generation, memory_order_relaxed),
        memory_order_release); /* pairs with proc_label */
}

/* Words of two labels may come together if the process changes its own meanwhile; of two processes they do not. */
size_t proc_label(const anqa_rt *rt, anqa_pid pid, char ret_label[static LABEL_SIZE])
{
    const struct label *label = &rt->labels[pid_slot(pid)];
    uint64_t words[ANQA_COUNT(label->words)];

    ret_label[0] = '\0';
    if (atomic_load_explicit(&label->generation, memory_order_acquire) != pid_generation(pid))
        return 0;
    for (size_t i = 0; i < ANQA_COUNT(words); i++)
        words[i] = atomic_load_explicit(&label->words[i], memory_order_acquire);
    if (atomic_load_explicit(&label->generation, memory_order_relaxed) != pid_generation(pid))
        return 0;
    memcpy(ret_label, words, LABEL_SIZE);
    return strnlen(ret_label, LABEL_SIZE - 1);
}

/* ---------------------------------------------------------------- spawn */

static anqa_status opts_check(const anqa_spawn_opts *opts, uint16_t schedulers)
{
    if ((opts->run == NULL) == (opts->behaviour == NULL))
        return ANQA_E_INVALID;
    if (opts->behaviour != NULL && opts->behaviour->handle == NULL)
        return ANQA_E_INVALID;
    if (opts->scheduler > schedulers || opts->priority > ANQA_PRIORITY_MAX ||
        opts->mailbox_limit > BOUND_MASK)
        return ANQA_E_INVALID;
    return opts->arg_size > 0 && opts->arg == NULL ? ANQA_E_INVALID : ANQA_OK;
}

static void opts_probe(const anqa_spawn_opts *opts)
{
    msg_probe(opts->arg, opts->arg_size);
    if (opts->label != NULL)
        msg_probe(opts->label, strnlen(opts->label, LABEL_SIZE - 1));
}

static bool state_new(struct sched *s, struct proc *p, const anqa_spawn_opts *opts)
{
    size_t size = opts->state_size > opts->arg_size ? opts->state_size : opts->arg_size;

    p->state = (void *)(uintptr_t)opts->arg;
    if (size == 0)
        return true;
    if (size <= BLOCK_MAX) {
        p->state = block_take(&s->blocks, block_class(size));
        p->flags |= PROC_OWN_STATE | block_class(size) << PROC_CLASS_SHIFT;
    } else {
        p->state = malloc(size);
        p->flags |= PROC_BIG_STATE;
    }
    if (p->state == NULL)
        return false;
    memset(p->state, 0, size);
    if (opts->arg_size > 0)
        memcpy(p->state, opts->arg, opts->arg_size);
    return true;
}

static void state_free(struct sched *s, struct proc *p)
{
    if (p->flags & PROC_OWN_STATE && p->state != NULL)
        block_put(&s->blocks, p->flags >> PROC_CLASS_SHIFT, p->state);
    else if (p->flags & PROC_BIG_STATE)
        free(p->state);
}

static uint32_t face_units(size_t bytes)
{
    return bytes / FACE_UNIT < UINT32_MAX ? (uint32_t)(bytes / FACE_UNIT) : UINT32_MAX;
}

static void show_quota(struct sched *s, const struct proc *p, size_t quota)
{
    atomic_store_explicit(
        &s->rt->memories[p - s->rt->slots].quota, face_units(quota), memory_order_relaxed);
}

void proc_show_heap(struct sched *s, const struct proc *p, size_t held)
{
    atomic_store_explicit(
        &s->rt->memories[p - s->rt->slots].held, face_units(held), memory_order_relaxed);
}

static bool more_new(
    struct sched *s, struct proc *p, const anqa_spawn_opts *opts, struct proc *parent)
{
    if (opts->heap_quota != 0) {
        if (proc_more(s, p) == NULL)
            return false;
        p->more->heap_quota = opts->heap_quota;
        show_quota(s, p, opts->heap_quota);
    }
    if (opts->label != NULL)
        set_label(s, p, opts->label);
    if (opts->inherit_callers && parent != NULL) {
        if (proc_more(s, p) == NULL)
            return false;
        p->more->callers = lineage_new(s, proc_pid(s->rt, parent), (anqa_str){NULL, 0},
            parent->more == NULL ? NULL : parent->more->callers);
        return p->more->callers != NULL;
    }
    return true;
}

/* Both ends of a link and of a monitor are written at once: the child has not begun to run. */
static bool relate(struct sched *s, struct proc *p, const anqa_spawn_opts *opts,
    struct proc *parent, anqa_ref *ret_ref)
{
    anqa_pid pid = proc_pid(s->rt, p);
    struct rel *ours, *theirs;
    uint64_t ref;

    if (parent == NULL || (!opts->link && !opts->monitor))
        return true;
    if (opts->link && opts->monitor && !rels_expect_few(s, &p->rels))
        return false;
    if (opts->link) {
        theirs = rels_put(s, &p->rels, proc_pid(s->rt, parent).bits);
        ours = theirs == NULL ? NULL : rels_put(s, &parent->rels, pid.bits);
        if (ours == NULL)
            return false;
        ours->x = theirs->y = sched_new_ref(s);
        proc_relate(s, parent, FACE_LINK);
    }
    if (!opts->monitor)
        return true;
    ref = opts->monitor_ref.bits != 0 ? opts->monitor_ref.bits : sched_new_ref(s);
    theirs = rels_put(s, &p->rels, ref);
    ours = theirs == NULL ? NULL : rels_put(s, &parent->rels, ref);
    if (ours == NULL) {
        struct rel *link = rels_get(parent->rels, pid.bits);
        if (link != NULL) {
            rels_remove(s, &parent->rels, link);
            proc_relate(s, parent, 0 - FACE_LINK);
        }
        return false;
    }
    proc_relate(s, parent, FACE_MONITOR);
    *theirs = (struct rel){ref, proc_pid(s->rt, parent).bits, REL_WATCHER};
    *ours = (struct rel){ref, pid.bits, REL_MONITOR};
    if (ret_ref != NULL)
        ret_ref->bits = ref;
    return true;
}

void proc_end_kept(struct sched *s, struct kept *kept)
{
    anqa_list_remove(&kept->node);
    block_put(&s->blocks, block_class(sizeof *kept), kept);
}

static void kept_free(struct sched *s, struct proc_more *more)
{
    struct anqa_list_node *node;

    while ((node = anqa_list_first(&more->kept)) != NULL) {
        struct kept *kept = ANQA_CONTAINER_OF(node, struct kept, node);
        struct msg *msg = kept->msg;

        proc_end_kept(s, kept);
        msg_drop(s, msg);
    }
}

static void parts_free(struct sched *s, struct proc *p)
{
    struct proc_more *more = p->more;

    state_free(s, p);
    rels_free(s, p->rels);
    lineage_unref(s, proc_lineage(p));
    if (more == NULL)
        return;
    if (more->heap_quota != 0)
        show_quota(s, p, 0);
    kept_free(s, more);
    lineage_unref(s, more->own);
    lineage_unref(s, more->callers);
    block_put(&s->blocks, block_class(sizeof *more), more);
}

/* A new life for a slot. What others look at is written with release, after the generation: who reads it sees that the
 * generation is another. Pairs with proc_look. */
static void proc_reset(
    struct sched *s, struct proc *p, enum proc_shape shape, const void *spec, uint64_t relations)
{
    struct face *face = &s->rt->faces[p - s->rt->slots];

    /* Release: who sees the new generation sees a slot that is closed, until proc_spawn opens it. Pairs with lives. */
    atomic_store_explicit(&p->generation,
        atomic_load_explicit(&p->generation, memory_order_relaxed) + 1, memory_order_release);
    atomic_store_explicit(&p->shape, (uint8_t)shape, memory_order_release);
    atomic_store_explicit(&p->code.behaviour, NULL, memory_order_release);
    atomic_store_explicit(&p->stack, NULL, memory_order_release);
    atomic_store_explicit(&p->mail, 0, memory_order_release);
    atomic_store_explicit(&p->lineage, NULL, memory_order_release);
    atomic_store_explicit(&p->priority, ANQA_PRIORITY_NORMAL, memory_order_release);
    atomic_store_explicit(&face->spec, spec, memory_order_release);
    atomic_store_explicit(&face->relations, relations, memory_order_release);
    p->head = p->tail = NULL;
    p->run_next = NULL;
    p->state = NULL;
    p->rels = NULL;
    p->more = NULL;
    p->hooks = NULL;
    p->exit_reason = (anqa_reason){0};
    p->flags = PROC_NEW;
    p->state_kind = PROC_ALIVE;
    atomic_store_explicit(&p->waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&p->bound, 0, memory_order_relaxed);
}

/* Nobody has seen it: it is closed still. */
static void spawn_undo(struct sched *s, struct proc *p)
{
    parts_free(s, p);
    proc_release(s, p);
}

/* Apart, so that who is not listened to does not pay for its frame. */
void proc_emit_spawn(anqa_pid pid, anqa_pid parent)
{
    ANQA_EMIT(process_spawn, (anqa_field_uint("count", 1)),
        (anqa_field_pid("pid", pid.bits), anqa_field_pid("parent", parent.bits)));
}

static __attribute__((noinline)) void emit_exit(anqa_pid pid, anqa_reason reason)
{
    char text[128];

    ANQA_EMIT(process_exit, (anqa_field_uint("count", 1)),
        (anqa_field_pid("pid", pid.bits),
            anqa_field_text("reason", anqa_reason_format(reason, text, sizeof text))));
}

/* Where it starts; from outside they are dealt round. */
static uint8_t spawn_place(struct sched *s, const anqa_spawn_opts *opts)
{
    if (opts->scheduler != 0)
        return (uint8_t)(opts->scheduler - 1);
    return (uint8_t)(s->foreign ? s->picks++ % s->rt->sched_count : s->index);
}

anqa_status proc_spawn(struct sched *s, const anqa_spawn_opts *opts, struct proc *parent,
    anqa_pid *ret_pid, anqa_ref *ret_ref)
{
    anqa_status status = opts_check(opts, s->rt->sched_count);
    struct lineage *lineage = NULL;
    struct proc *p;

    if (status != ANQA_OK)
        return status;
    if (atomic_load_explicit(&s->rt->stopping, memory_order_relaxed) && parent == NULL)
        return ANQA_E_STOPPED;
    opts_probe(opts);
    p = slot_take(s);
    if (p == NULL)
        return ANQA_E_LIMIT;
    proc_reset(s, p, opts->run != NULL ? PROC_SHAPE_RUN : PROC_SHAPE_BEHAVIOUR, opts->spec,
        parent == NULL ? 0 : (opts->link ? FACE_LINK : 0) + (opts->monitor ? FACE_WATCHER : 0));
    if (opts->run != NULL) {
        atomic_store_explicit(&p->code.run, opts->run, memory_order_relaxed);
        p->flags |= PROC_RUN;
    } else {
        atomic_store_explicit(&p->code.behaviour, opts->behaviour, memory_order_release);
    }
    p->flags |= (opts->trap_exit ? PROC_TRAP : 0u) | (opts->pinned ? PROC_PINNED : 0u);
    proc_set_priority(p, opts->priority);
    if (opts->mailbox_limit != 0)
        atomic_store_explicit(&p->bound,
            opts->mailbox_limit | (uint32_t)opts->overflow << BOUND_SHIFT, memory_order_relaxed);
    if (parent != NULL) {
        lineage = lineage_of(s, parent);
        lineage_ref(lineage);
        atomic_store_explicit(
            &p->lineage, lineage, memory_order_release); /* pairs with proc_look */
    }
    if ((parent != NULL && lineage == NULL) || !state_new(s, p, opts) ||
        !more_new(s, p, opts, parent) || !relate(s, p, opts, parent, ret_ref)) {
        spawn_undo(s, p);
        return ANQA_E_NOMEM;
    }
    *ret_pid = proc_pid(s->rt, p);
    atomic_store_explicit(&p->sched, spawn_place(s, opts), memory_order_relaxed);
    COUNT_ADD(s, spawned, 1);
    /* We hold the token of a process that nobody knows yet. From here on it may be seen, and sent to. */
    atomic_store_explicit(&p->in, IN_BUSY, memory_order_release);
    sched_ready(s, p);
    return ANQA_OK;
}

anqa_status proc_spawn_foreign(struct sched *s, struct proc **slot)
{
    struct proc *p = *slot != NULL ? *slot : slot_take(s);

    if (p == NULL || atomic_load_explicit(&p->generation, memory_order_relaxed) == UINT32_MAX)
        return ANQA_E_LIMIT;
    if (*slot == NULL)
        atomic_store_explicit(
            &p->sched, (uint8_t)(SCHED_ATTACHED + s->place), memory_order_relaxed);
    *slot = p;
    proc_reset(s, p, PROC_SHAPE_THREAD, NULL, 0);
    p->flags = PROC_FOREIGN | PROC_TRAP | PROC_PINNED;
    s->current = p;
    COUNT_ADD(s, spawned, 1);
    atomic_store_explicit(&p->in, IN_IDLE, memory_order_release);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- dying */

void proc_run_defers(struct sched *s, struct proc *p, uint64_t down_to)
{
    struct proc_more *more = p->more;
    bool nested = s->in_defer;

    while (more != NULL && more->defers != NULL && more->defers->id > down_to) {
        struct defer *defer = more->defers, copy = *defer;
        more->defers = defer->next;
        block_put(&s->blocks, block_class(sizeof *defer), defer);
        s->in_defer = true;
        s->act.nowait++;
        copy.fn(copy.arg);
        s->act.nowait--;
        s->in_defer = nested;
    }
}

/* After a fault or an exit in one of them the rest is given up: their order is a promise that can not be kept. */
void proc_drop_defers(struct sched *s, struct proc *p)
{
    while (p->more != NULL && p->more->defers != NULL) {
        struct defer *defer = p->more->defers;
        p->more->defers = defer->next;
        block_put(&s->blocks, block_class(sizeof *defer), defer);
    }
}

static void run_hooks(struct proc *p, anqa_pid pid)
{
    while (p->hooks != NULL) {
        struct exit_hook *hook = p->hooks;
        p->hooks = hook->next;
        if (hook->next != NULL)
            hook->next->link = &p->hooks;
        hook->run(hook, pid);
    }
}

static void tell_one(struct sched *s, anqa_pid pid, const struct rel *rel, anqa_reason reason)
{
    anqa_pid other = {rel->x};

    if ((rel->key & REF_BIT) == 0) {
        mailbox_exit(s, (anqa_pid){rel->key}, pid, reason);
        return;
    }
    switch (rel->y) {
    case REL_ALIAS:
    case REL_ALIAS_ONCE: return;
    case REL_WATCHER:
    case REL_OWED: mailbox_down(s, other, (anqa_ref){rel->key}, pid, reason, 0); return;
    default: /* we watched: they need not tell us any more */
        mailbox_signal(
            s, other, msg_signal(s, SIG_DEMONITOR, "", pid, other, (anqa_ref){rel->key}));
    }
}

static void tell(struct sched *s, struct proc *p, anqa_pid pid, anqa_reason reason)
{
    struct rels *rels = p->rels;

    p->rels = NULL;
    for (uint32_t i = 0; rels != NULL && i < rels->capacity; i++)
        if (rels->entries[i].key != 0)
            tell_one(s, pid, &rels->entries[i], reason);
    rels_free(s, rels);
}

/* Messages of the event it died in: who waits for an answer gets the reason. */
static void drop_held(struct sched *s, struct activation *act, anqa_reason reason)
{
    struct msg *msg = act->held;

    act->held = NULL;
    while (msg != NULL) {
        struct msg *next = msg->next;
        if (msg->pub.kind == ANQA_MSG_CALL && (msg->pub.flags_ & MSG_ANSWERED) == 0)
            mailbox_down(s, msg->pub.from, msg->pub.ref, (anqa_pid){0}, reason, 0);
        msg_drop(s, msg);
        msg = next;
    }
}

/* All that only the process itself used. */
void proc_bury(struct sched *s, struct proc *p)
{
    struct stack *stack = proc_stack(p);

    if (p->state_kind == PROC_ZOMBIE) {
        struct proc *before = s->current;
        struct activation act = s->act;
        s->current = p;
        s->act = (struct activation){0};
        proc_run_defers(s, p, 0);
        s->current = before;
        s->act = act;
        COUNT_ADD(s, zombies, -1);
    }
    proc_heap_drop(s, p);
    if (stack != NULL) {
        COUNT_ADD(s, stacks, -1);
        atomic_store_explicit(&p->stack, NULL, memory_order_relaxed);
        stack_put(stack->cache, stack);
    }
    parts_free(s, p);
    anqa_reason_unref(p->exit_reason);
    p->exit_reason = (anqa_reason){0};
    if (p->flags & PROC_TOKEN_OUT)
        p->state_kind = PROC_DEAD_QUEUED;
    else
        proc_release(s, p);
}

/* Nothing reaches the mailbox from here on. */
static void mailbox_close(struct sched *s, struct proc *p, anqa_reason reason)
{
    uint32_t life = atomic_load_explicit(&p->generation, memory_order_relaxed);
    /* acq_rel: as in mailbox_drain. Pairs with the push, which finds IN_CLOSED or is found here. */
    uintptr_t in = atomic_exchange_explicit(&p->in, IN_CLOSED, memory_order_acq_rel);
    struct msg *unread = p->head;

    if (in != IN_IDLE && (p->flags & (PROC_FOREIGN | PROC_TOKEN_HERE)) == 0)
        p->flags |= PROC_TOKEN_OUT;
    p->head = p->tail = NULL;
    mailbox_discard(s, unread, life, reason);
    if (in > IN_IDLE)
        mailbox_discard(s, in_newest(in), life, reason);
}

void proc_die(struct sched *s, struct proc *p, anqa_reason reason)
{
    anqa_pid pid = proc_pid(s->rt, p);
    struct activation *act = proc_stack(p) != NULL ? proc_stack(p)->arg : &s->act;
    bool zombie = p->more != NULL && p->more->foreign_work > 0;

    if (p->state_kind == PROC_ZOMBIE) { /* from an exit or fault in one of its defers */
        proc_bury(s, p);
        s->current = NULL;
        return;
    }
    s->current = p;
    p->state_kind = PROC_DYING;
    p->exit_reason = reason;
    if (act->timer.bits != 0)
        timer_cancel_own(s, act->timer);
    act->timer.bits = 0;
    if (zombie) /* before anybody can hear of the death, or count the process as gone */
        COUNT_ADD(s, zombies, 1);
    else
        proc_run_defers(s, p, 0);
    crash_report(s, p, false);
    if (anqa_telemetry_on(&process_exit))
        emit_exit(pid, reason); /* a handler that fails is detached, and we come here again */
    s->act.section++;           /* what follows is done once */
    if (p->flags & PROC_PROBED)
        probe_end(s, p, reason);
    run_hooks(p, pid);
    mailbox_close(s, p, reason);
    drop_held(s, act, reason);
    tell(s, p, pid, reason);
    COUNT_ADD(s, exited, 1);
    s->current = NULL;
    s->act = (struct activation){0}; /* it may have ended in the middle of something */
    if (zombie) {
        p->state_kind = PROC_ZOMBIE;
        return;
    }
    proc_bury(s, p);
}

/* ---------------------------------------------------------------- exit from inside */

static void spare_refill(struct sched *s)
{
    s->spare = stack_take(&s->stacks);
    ANQA_INVARIANT(s->spare != NULL); /* one has just been put back */
}

/* On a fresh stack: the frames that called anqa_exit are gone. */
static _Noreturn void exit_entry(void *arg)
{
    struct sched *s = arg;
    struct proc *p = s->current;
    const anqa_behaviour *behaviour = p->flags & PROC_RUN ? NULL : proc_behaviour(p);

    (void)telemetry_handler_failed("its process ended");
    spare_refill(s);
    s->act.nowait = s->act.section = 0;
    s->act.matching = false;
    s->act.held_bytes = 0; /* `terminate` may receive as much again */
    s->act.mark = NULL;
    crash_report(s, p, true);
    if (behaviour != NULL && behaviour->terminate != NULL &&
        (p->flags & (PROC_NEW | PROC_TERMINATING | PROC_FAULTED)) == 0) {
        p->flags |= PROC_TERMINATING;
        p->flags &= ~(uint32_t)PROC_DOOMED;
        sched_handles(s, "terminate");
        behaviour->terminate(p->state, p->exit_reason);
    }
    sched_activity_end(s);
    proc_die(s, p, p->exit_reason);
    sched_loop(s);
    __builtin_unreachable();
}

/* An attached thread's stack can not be abandoned: somebody else's frames are on it. */
static _Noreturn void exit_foreign(anqa_reason reason)
{
    char text[256], line[320];

    snprintf(line, sizeof line, "an attached thread does not exit: %s",
        anqa_reason_format(reason, text, sizeof text));
    anqa_invariant_failed(line, __FILE__, __LINE__);
}

/* A new crash, if it is one: also that of a `terminate` which ran because of another. */
static void die_of(struct proc *p, anqa_reason reason)
{
    anqa_reason_unref(p->exit_reason);
    p->exit_reason = reason;
    p->flags |= PROC_DOOMED;
    p->flags &= ~(uint32_t)PROC_REPORTED;
}

_Noreturn void proc_exit(struct sched *s, anqa_reason reason)
{
    struct proc *p = s->current;
    struct stack *from = s->stack;

    if (p->flags & PROC_FOREIGN)
        exit_foreign(reason);
    if (s->dropping > 0)
        anqa_invariant_failed("the drop function of a moved object exits", __FILE__, __LINE__);
    if (s->in_defer) { /* an exit in a defer ends the list, the reason to die stays */
        s->in_defer = false;
        proc_drop_defers(s, p);
        anqa_reason_unref(reason);
    } else if (p->flags & PROC_REPORTING) {
        anqa_reason_unref(reason);
    } else {
        die_of(p, reason);
        if (p->more != NULL && p->more->exit_trace != NULL)
            backtrace_here(p->more->exit_trace);
        proc_run_defers(s, p, s->act.defer_mark);
    }
    s->stack = s->spare;
    s->spare = NULL;
    stack_abandon_start(from, s->stack, exit_entry, s);
}

_Noreturn void proc_faulted(struct sched *s, anqa_reason reason)
{
    struct proc *p = s->current;

    s->stack = s->spare;
    p->flags |= PROC_FAULTED;
    if (s->in_defer) {
        s->in_defer = false;
        proc_drop_defers(s, p);
        anqa_reason_unref(reason);
    } else if (p->flags & PROC_REPORTING) {
        anqa_reason_unref(reason);
    } else {
        die_of(p, reason);
        if (p->more != NULL && p->more->exit_trace != NULL && fault_pending(s) != NULL)
            *p->more->exit_trace = fault_pending(s)->trace;
    }
    exit_entry(s);
}

size_t proc_quota(const struct sched *s, const struct proc *p)
{
    return p->more != NULL && p->more->heap_quota != 0 ? p->more->heap_quota
                                                       : s->rt->options.heap_quota;
}

void anqa_set_label(const char *label)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    set_label(s, p, label == NULL ? "" : label);
}
