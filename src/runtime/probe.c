#include "runtime/probe.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "runtime/sched.h"

#define LIMIT_STANDARD 1000u
#define KINDS_ALL \
    ((uint32_t)(ANQA_TRACE_RECEIVE | ANQA_TRACE_SEND | ANQA_TRACE_HANDLED | ANQA_TRACE_ENDED))

struct event;

/* owner: the traced process; counted by it, by the signal that brings it, and by each event that is under way. */
struct trace {
    struct anqa_list_node node; /* of the probe */
    _Atomic(uint32_t) count;
    _Atomic(uint32_t) under_way; /* shared: events that nobody has dropped yet */
    anqa_pid tracer;
    anqa_ref ref;
    uint32_t kinds, limit, body;
    uint64_t dropped;
    struct event *last; /* made beforehand, as it must not be lost */
};

/* An event on its way. owner: the message. */
struct event {
    struct trace *trace;
    anqa_trace_event pub;
    char body[];
};

struct journal {
    uint32_t size, count, next;
    anqa_trace_event events[];
};

/* owner: process */
struct probe {
    struct anqa_list traces;
    struct journal *journal; /* NULL: none is kept */
    bool counting;
    uint64_t since_ns;
    anqa_sys_statistics statistics;
};

/* ---------------------------------------------------------------- traces and events */

static void trace_unref(struct trace *trace)
{
    /* acq_rel: what others did with it comes before it is freed. Pairs with itself. */
    if (atomic_fetch_sub_explicit(&trace->count, 1, memory_order_acq_rel) != 1)
        return;
    free(trace->last);
    free(trace);
}

static void event_drop(void *object)
{
    struct event *event = object;

    atomic_fetch_sub_explicit(&event->trace->under_way, 1, memory_order_relaxed);
    trace_unref(event->trace);
    free(event);
}

static const anqa_type event_type = {
    .name = "anqa_trace_event", .size = sizeof(struct event), .drop = event_drop};

static struct trace *trace_new(const anqa_trace_opts *opts)
{
    struct trace *trace = calloc(1, sizeof *trace);

    if (trace == NULL)
        return NULL;
    trace->last = calloc(1, sizeof *trace->last);
    if (trace->last == NULL) {
        free(trace);
        return NULL;
    }
    anqa_list_node_init(&trace->node);
    atomic_init(&trace->count, 1);
    trace->kinds = opts->kinds == 0 ? KINDS_ALL : opts->kinds;
    trace->limit = opts->limit == 0 ? LIMIT_STANDARD : opts->limit;
    trace->body = opts->body;
    return trace;
}

/* Hands an event to the tracer. flags: of the message. False: there is none any more. */
static bool event_send(struct sched *s, struct event *event, struct trace *trace, uint8_t flags)
{
    struct msg *msg =
        msg_signal(s, ANQA_MSG_PLAIN, "trace", event->pub.pid, trace->tracer, trace->ref);
    anqa_status status;

    event->trace = trace;
    event->pub.trace = trace->ref;
    event->pub.dropped = trace->dropped;
    atomic_fetch_add_explicit(&trace->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&trace->under_way, 1, memory_order_relaxed);
    msg->pub.flags_ |= flags;
    msg->pub.payload = ANQA_PAYLOAD_OBJECT;
    msg->pub.u.type = &event_type;
    msg->pub.body = (anqa_json){(const char *)event, sizeof *event};
    status = mailbox_push(s, trace->tracer, msg);
    if (status == ANQA_OK)
        return true;
    msg_drop(s, msg);
    trace->dropped++;
    return status != ANQA_E_NOPROC;
}

static void event_last(struct sched *s, struct trace *trace, anqa_pid pid, anqa_reason reason)
{
    struct event *event = trace->last;

    trace->last = NULL;
    event->pub.kind = ANQA_TRACE_ENDED;
    event->pub.pid = pid;
    event->pub.tag = reason_name(reason);
    event->pub.time_ns = clock_mono_ns();
    (void)event_send(s, event, trace, MSG_PROMISED);
}

/* False: the tracer is gone. */
static bool trace_event(struct sched *s, struct trace *trace, const anqa_trace_event *what)
{
    size_t len = what->body.len < trace->body ? what->body.len : trace->body;
    struct event *event;

    if ((trace->kinds & what->kind) == 0)
        return true;
    if (atomic_load_explicit(&trace->under_way, memory_order_relaxed) >= trace->limit) {
        trace->dropped++;
        return true;
    }
    event = malloc(sizeof *event + len);
    if (event == NULL) {
        trace->dropped++;
        return true;
    }
    event->pub = *what;
    if (len > 0)
        memcpy(event->body, what->body.ptr, len);
    event->pub.body = anqa_str_make(event->body, len);
    return event_send(s, event, trace, 0);
}

const anqa_trace_event *anqa_trace_event_of(const anqa_msg *msg)
{
    if (msg->payload != ANQA_PAYLOAD_OBJECT || msg->u.type != &event_type)
        return NULL;
    return &((const struct event *)(const void *)msg->body.ptr)->pub;
}

/* ---------------------------------------------------------------- probes */

static struct probe *probe_of(struct sched *s, struct proc *p)
{
    struct proc_more *more = proc_more(s, p);

    if (more == NULL || more->probe != NULL)
        return more == NULL ? NULL : more->probe;
    more->probe = calloc(1, sizeof *more->probe);
    if (more->probe == NULL)
        return NULL;
    anqa_list_init(&more->probe->traces);
    p->flags |= PROC_PROBED;
    return more->probe;
}

/* When nobody wants anything of it any more. */
static void probe_tidy(struct proc *p)
{
    struct probe *probe = p->more->probe;

    if (!anqa_list_empty(&probe->traces) || probe->journal != NULL || probe->counting)
        return;
    p->flags &= ~(uint32_t)PROC_PROBED;
    p->more->probe = NULL;
    free(probe);
}

static void journal_add(struct journal *journal, const anqa_trace_event *event)
{
    journal->events[journal->next] = *event;
    journal->events[journal->next].body = (anqa_str){NULL, 0};
    journal->next = (journal->next + 1) % journal->size;
    if (journal->count < journal->size)
        journal->count++;
}

static void note(struct sched *s, struct proc *p, anqa_trace_event *event)
{
    struct probe *probe = p->more->probe;
    struct anqa_list_node *node = anqa_list_first(&probe->traces), *next;

    event->pid = proc_pid(s->rt, p);
    if (probe->journal != NULL)
        journal_add(probe->journal, event);
    for (; node != NULL; node = next) {
        struct trace *trace = ANQA_CONTAINER_OF(node, struct trace, node);

        next = anqa_list_next(&probe->traces, node);
        if (trace_event(s, trace, event))
            continue;
        anqa_list_remove(node);
        trace_unref(trace);
    }
    probe_tidy(p);
}

static uint32_t payload_size(const struct msg *msg)
{
    return msg->pub.body.len < UINT32_MAX ? (uint32_t)msg->pub.body.len : UINT32_MAX;
}

static anqa_trace_event event_of_message(anqa_trace_kind kind, anqa_pid peer, const struct msg *msg)
{
    anqa_trace_event event = {.kind = kind,
        .peer = peer,
        .tag = msg->pub.tag,
        .msg_kind = msg->pub.kind,
        .payload = msg->pub.payload,
        .size = payload_size(msg),
        .time_ns = clock_mono_ns()};

    if (msg->pub.payload != ANQA_PAYLOAD_OBJECT)
        event.body = anqa_json_text(msg->pub.body);
    return event;
}

/* Two who trace each other would have no end of it. */
static bool is_event(const struct msg *msg)
{
    return anqa_trace_event_of(&msg->pub) != NULL;
}

void probe_received(struct sched *s, struct proc *p, const struct msg *msg)
{
    anqa_trace_event event;

    if (is_event(msg))
        return;
    p->more->probe->statistics.messages_in++;
    event = event_of_message(ANQA_TRACE_RECEIVE, msg->pub.from, msg);
    note(s, p, &event);
}

void probe_sent(struct sched *s, struct proc *p, anqa_pid to, const struct msg *msg)
{
    anqa_trace_event event = event_of_message(ANQA_TRACE_SEND, to, msg);

    p->more->probe->statistics.messages_out++;
    note(s, p, &event);
}

struct probe_mark probe_begin(const struct msg *msg)
{
    return (struct probe_mark){.tag = msg->pub.tag,
        .from = msg->pub.from,
        .started_ns = clock_mono_ns(),
        .size = payload_size(msg),
        .kind = msg->pub.kind,
        .payload = msg->pub.payload};
}

void probe_handled(struct sched *s, struct proc *p, const struct probe_mark *mark)
{
    anqa_sys_statistics *statistics = &p->more->probe->statistics;
    anqa_trace_event event = {.kind = ANQA_TRACE_HANDLED,
        .peer = mark->from,
        .tag = mark->tag,
        .msg_kind = mark->kind,
        .payload = mark->payload,
        .size = mark->size,
        .time_ns = clock_mono_ns()};

    event.duration_ns = event.time_ns - mark->started_ns;
    statistics->handled++;
    statistics->busy_ns += event.duration_ns;
    if (event.duration_ns > statistics->longest_ns)
        statistics->longest_ns = event.duration_ns;
    note(s, p, &event);
}

void probe_end(struct sched *s, struct proc *p, anqa_reason reason)
{
    struct probe *probe = p->more->probe;
    struct anqa_list_node *node;

    while ((node = anqa_list_pop(&probe->traces)) != NULL) {
        struct trace *trace = ANQA_CONTAINER_OF(node, struct trace, node);

        event_last(s, trace, proc_pid(s->rt, p), reason);
        trace_unref(trace);
    }
    free(probe->journal);
    probe->journal = NULL;
    probe->counting = false;
    probe_tidy(p);
}

/* ---------------------------------------------------------------- signals */

static struct trace *trace_in(const struct msg *msg)
{
    return (struct trace *)(uintptr_t)MSG_EXTRA(msg);
}

void probe_untraced(struct sched *s, const struct msg *msg, anqa_reason reason)
{
    struct trace *trace = trace_in(msg);

    event_last(s, trace, (anqa_pid){0}, reason);
    trace_unref(trace);
}

void probe_on_trace(struct sched *s, struct proc *p, const struct msg *msg)
{
    struct probe *probe = probe_of(s, p);

    if (probe == NULL)
        probe_untraced(s, msg, anqa_reason_of(ANQA_REASON_SYSTEM_LIMIT));
    else
        anqa_list_push(&probe->traces, &trace_in(msg)->node);
}

void probe_on_untrace(struct sched *s, struct proc *p, const struct msg *msg)
{
    struct anqa_list_node *node;

    if ((p->flags & PROC_PROBED) == 0)
        return;
    for (node = anqa_list_first(&p->more->probe->traces); node != NULL;
        node = anqa_list_next(&p->more->probe->traces, node)) {
        struct trace *trace = ANQA_CONTAINER_OF(node, struct trace, node);

        if (trace->ref.bits != msg->pub.ref.bits)
            continue;
        anqa_list_remove(node);
        trace_unref(trace);
        probe_tidy(p);
        return;
    }
}

/* ---------------------------------------------------------------- the tracer */

/* owner: the tracer */
struct watch {
    struct exit_hook hook;
    anqa_pid target;
    anqa_ref ref;
};

static void untrace(const struct watch *watch, anqa_pid tracer)
{
    struct sched *s = sched_self;
    struct msg *msg = msg_signal(s, SIG_UNTRACE, "", tracer, watch->target, watch->ref);

    if (mailbox_push(s, watch->target, msg) != ANQA_OK)
        msg_drop(s, msg);
}

static void watch_exit(struct exit_hook *hook, anqa_pid pid)
{
    struct watch *watch = ANQA_CONTAINER_OF(hook, struct watch, hook);

    untrace(watch, pid);
    free(watch);
}

static anqa_status opts_check(const anqa_trace_opts *opts)
{
    if ((opts->kinds & ~KINDS_ALL) != 0)
        return ANQA_E_INVALID;
    return opts->limit > ANQA_TRACE_LIMIT_MAX || opts->body > ANQA_TRACE_BODY_MAX ? ANQA_E_RANGE
                                                                                  : ANQA_OK;
}

static anqa_status trace_begin(
    struct sched *s, anqa_pid target, const anqa_trace_opts *opts, struct watch *watch)
{
    struct trace *trace = trace_new(opts);
    struct msg *msg;

    if (trace == NULL)
        return ANQA_E_NOMEM;
    trace->tracer = proc_pid(s->rt, s->current);
    trace->ref = watch->ref;
    msg = msg_signal(s, SIG_TRACE, "", trace->tracer, target, trace->ref);
    MSG_EXTRA(msg) = (uintptr_t)trace;
    if (mailbox_push(s, target, msg) == ANQA_OK)
        return ANQA_OK;
    msg_drop(s, msg);
    trace_unref(trace);
    return ANQA_E_NOPROC;
}

anqa_status anqa_trace(anqa_pid pid, const anqa_trace_opts *opts, anqa_ref *ret_trace)
{
    static const anqa_trace_opts standard;
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct watch *watch;
    anqa_status status;

    if (opts == NULL)
        opts = &standard;
    if (anqa_pid_eq(pid, proc_pid(s->rt, p)))
        return ANQA_E_INVALID;
    status = opts_check(opts);
    if (status != ANQA_OK)
        return status;
    watch = malloc(sizeof *watch);
    if (watch == NULL)
        return ANQA_E_NOMEM;
    *watch = (struct watch){.hook.run = watch_exit, .target = pid, .ref = {sched_new_ref(s)}};
    status = trace_begin(s, pid, opts, watch);
    if (status != ANQA_OK) {
        free(watch);
        return status;
    }
    exit_hook_add(&watch->hook);
    *ret_trace = watch->ref;
    return ANQA_OK;
}

anqa_status anqa_trace_stop(anqa_ref trace)
{
    struct sched *s;
    struct proc *p = proc_self(&s);

    for (struct exit_hook *hook = p->hooks; hook != NULL; hook = hook->next) {
        struct watch *watch = ANQA_CONTAINER_OF(hook, struct watch, hook);

        if (hook->run != watch_exit || watch->ref.bits != trace.bits)
            continue;
        exit_hook_remove(hook);
        untrace(watch, proc_pid(s->rt, p));
        free(watch);
        return ANQA_OK;
    }
    return ANQA_E_NOT_FOUND;
}

/* ---------------------------------------------------------------- statistics and log of the current process */

static struct probe *own_probe(void)
{
    struct sched *s;
    const struct proc *p = proc_self(&s);

    return p->flags & PROC_PROBED ? p->more->probe : NULL;
}

anqa_status probe_count(bool on)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct probe *probe = on ? probe_of(s, p) : own_probe();

    if (probe == NULL)
        return on ? ANQA_E_NOMEM : ANQA_OK;
    probe->counting = on;
    probe->statistics = (anqa_sys_statistics){0};
    probe->since_ns = clock_mono_ns();
    probe_tidy(p);
    return ANQA_OK;
}

bool probe_statistics(anqa_sys_statistics *ret_statistics)
{
    const struct probe *probe = own_probe();

    if (probe == NULL || !probe->counting)
        return false;
    *ret_statistics = probe->statistics;
    ret_statistics->since_ms = (clock_mono_ns() - probe->since_ns) / 1000000;
    return true;
}

anqa_status probe_log(uint32_t size)
{
    struct sched *s;
    struct proc *p = proc_self(&s);
    struct probe *probe = size > 0 ? probe_of(s, p) : own_probe();
    struct journal *journal = NULL;

    if (probe == NULL)
        return size > 0 ? ANQA_E_NOMEM : ANQA_OK;
    if (size > 0)
        journal = calloc(1, sizeof *journal + size * sizeof journal->events[0]);
    if (size > 0 && journal == NULL) {
        probe_tidy(p);
        return ANQA_E_NOMEM;
    }
    free(probe->journal);
    probe->journal = journal;
    if (journal != NULL)
        journal->size = size;
    probe_tidy(p);
    return ANQA_OK;
}

uint32_t probe_log_size(void)
{
    const struct probe *probe = own_probe();

    return probe == NULL || probe->journal == NULL ? 0 : probe->journal->size;
}

uint32_t probe_traces(void)
{
    const struct probe *probe = own_probe();
    const struct anqa_list_node *node = probe == NULL ? NULL : anqa_list_first(&probe->traces);
    uint32_t count = 0;

    for (; node != NULL; node = anqa_list_next(&probe->traces, node))
        count++;
    return count;
}

void probe_log_each(void (*visit)(void *ctx, const anqa_trace_event *event), void *ctx)
{
    const struct probe *probe = own_probe();
    const struct journal *journal = probe == NULL ? NULL : probe->journal;

    for (uint32_t i = 0; journal != NULL && i < journal->count; i++)
        visit(ctx,
            &journal->events[(journal->next + journal->size - journal->count + i) % journal->size]);
}
