/* What is told of a crash. See crash.h. */
#include "runtime/crash.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <anqa/log.h>
#include <anqa/telemetry.h>

#include "runtime/fault.h"
#include "runtime/memory.h"
#include "runtime/proc.h"
#include "runtime/sched.h"
#include "runtime/watchdog.h"
#include "telemetry/log.h"

ANQA_TELEMETRY_DEFINE(process_crash, "anqa.process.crash");

enum {
    VALUE_MAX = 300, /* bytes of one value before they are escaped */
    TEXT_MAX = 200,  /* of what a hook gives, and of all ancestors */
    NAME_MAX_SHOWN = 64
};

static const char crashed[] = "process.crashed";

static struct name_hooks names;

/* What there is to tell; strings are borrowed. */
struct crash {
    anqa_reason reason;
    const struct fault_record *fault; /* NULL: it was none */
    const anqa_msg *last;             /* the message it was about; NULL: none */
    anqa_str name, id, body, state;
    const char *during; /* NULL: an event */
    bool format_failed;
    size_t mailbox, links;
    char ancestors[TEXT_MAX];
    char message[NAME_MAX_SHOWN + 16]; /* "call add" */
};

void proc_set_name_hooks(const struct name_hooks *hooks)
{
    names = *hooks;
}

anqa_str crash_name(const struct exit_hook *hooks)
{
    return names.name == NULL ? (anqa_str){NULL, 0} : names.name(hooks);
}

/* ---------------------------------------------------------------- the limit */

static bool may_write(anqa_rt *rt, uint64_t now_ms)
{
    _Atomic(uint64_t) *window = &rt->crashes.window;
    uint64_t second = now_ms / 1000 << 32, old = atomic_load_explicit(window, memory_order_relaxed),
             next;

    do {
        next = old >> 32 << 32 == second ? old + 1 : second + 1;
        if ((uint32_t)next > CRASH_LIMIT)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        window, &old, next, memory_order_relaxed, memory_order_relaxed));
    return true;
}

void crash_drop(anqa_rt *rt, uint64_t count)
{
    atomic_fetch_add_explicit(&rt->crashes.dropped, count, memory_order_relaxed);
}

static uint64_t take_dropped(anqa_rt *rt)
{
    return atomic_exchange_explicit(&rt->crashes.dropped, 0, memory_order_relaxed);
}

void crash_write_dropped(anqa_rt *rt)
{
    uint64_t dropped = take_dropped(rt);

    if (dropped != 0)
        anqa_log(ANQA_ERROR, "process.crashed.dropped", "dropped=%" PRIu64, dropped);
}

/* ---------------------------------------------------------------- fields */

/* Cut to `max` bytes, and further while it does not fit: a field is written whole or not at all. */
static void put_text(struct log_out *out, const char *key, anqa_str value, size_t max)
{
    char raw[VALUE_MAX + 3], escaped[sizeof raw * 6 + 2];
    size_t len = value.len < max ? value.len : max, key_len = strlen(key) + 2;

    for (; value.len > 0 && len > 0; len /= 2) {
        struct log_out trial = {escaped, 0, sizeof escaped};
        size_t raw_len = len;

        while (raw_len < value.len && raw_len > 0 &&
               ((unsigned char)value.ptr[raw_len] & 0xc0) == 0x80)
            raw_len--; /* not in the midst of a character */
        memcpy(raw, value.ptr, raw_len);
        if (raw_len < value.len) {
            /* Its length goes with it. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
            memcpy(raw + raw_len, "...", 3);
            raw_len += 3;
        }
        log_out_value(&trial, anqa_str_make(raw, raw_len));
        if (key_len + trial.len > out->size - out->len)
            continue;
        log_out_text(out, out->len == 0 ? "" : " ");
        log_out_text(out, key);
        log_out_text(out, "=");
        log_out_bytes(out, trial.ptr, trial.len);
        return;
    }
}

static void put_number(struct log_out *out, const char *key, uint64_t value)
{
    char text[64];
    int len = snprintf(text, sizeof text, " %s=%" PRIu64, key, value);

    if (len > 0 && (size_t)len <= out->size - out->len)
        log_out_bytes(out, text, (size_t)len);
}

static void put_pid(struct log_out *out, const char *key, anqa_pid pid)
{
    char text[ANQA_PID_TEXT];

    put_text(out, key, anqa_str_of(anqa_pid_text(pid, text)), sizeof text);
}

/* Of a fault the kind only: place and backtrace are written with names, by who knows them. */
static void put_reason(struct log_out *out, const struct crash *crash)
{
    char text[VALUE_MAX + 64];

    if (crash->fault != NULL && anqa_reason_get_kind(crash->reason) == ANQA_REASON_FAULT)
        put_text(out, "reason", anqa_str_of(reason_name(crash->reason)), VALUE_MAX);
    else
        put_text(out, "reason", anqa_str_of(anqa_reason_format(crash->reason, text, sizeof text)),
            VALUE_MAX);
}

/* Short ones first: what is cut is what a hook has made too long. */
static void put_crash(struct log_out *out, const struct crash *crash)
{
    put_reason(out, crash);
    if (crash->during != NULL)
        put_text(out, "during", anqa_str_of(crash->during), VALUE_MAX);
    put_text(out, "name", crash->name, NAME_MAX_SHOWN);
    if (!anqa_str_eq(crash->id, crash->name))
        put_text(out, "id", crash->id, NAME_MAX_SHOWN);
    put_number(out, "mailbox", crash->mailbox);
    put_number(out, "links", crash->links);
    if (crash->format_failed)
        put_text(out, "format_failed", anqa_str_of("true"), VALUE_MAX);
    if (crash->last != NULL) {
        put_text(out, "message", anqa_str_of(crash->message), VALUE_MAX);
        put_pid(out, "from", crash->last->from);
        put_number(out, "bytes", crash->last->body.len);
    }
    put_text(out, "ancestors", anqa_str_of(crash->ancestors), TEXT_MAX);
    put_text(out, "body", crash->body, TEXT_MAX);
    put_text(out, "state", crash->state, TEXT_MAX);
}

/* ---------------------------------------------------------------- what is found out */

static const anqa_msg *oldest(const struct msg *held)
{
    while (held != NULL && held->next != NULL)
        held = held->next;
    return held == NULL ? NULL : &held->pub;
}

static size_t count_links(const struct rels *rels)
{
    size_t count = 0;

    for (uint32_t i = 0; rels != NULL && i < rels->capacity; i++)
        count += rels->entries[i].key != 0 && (rels->entries[i].key & REF_BIT) == 0;
    return count;
}

/* "<0.7.1> rooms, <0.2.1>", nearest first. */
static void name_ancestors(const struct proc *p, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    for (const struct lineage *l = proc_lineage(p); l != NULL && at < size; l = l->up) {
        char pid[ANQA_PID_TEXT];
        int len = snprintf(text + at, size - at, "%s%s%s%.*s", at == 0 ? "" : ", ",
            anqa_pid_text(lineage_pid(l), pid), l->name_len == 0 ? "" : " ", (int)l->name_len,
            l->name);
        at += len > 0 ? (size_t)len : size;
    }
}

static void name_message(const anqa_msg *msg, char *text, size_t size)
{
    snprintf(text, size, "%s %s", msg_kind_name(msg->kind), msg->tag);
}

static void find_out(struct sched *s, struct proc *p, struct crash *crash)
{
    const struct activation *act = p->stack != NULL ? p->stack->arg : &s->act;

    crash->reason = p->exit_reason;
    crash->fault = fault_pending(s);
    crash->last = oldest(act->held);
    crash->name = crash_name(p->hooks);
    if (names.id != NULL && (p->flags & PROC_FAULTED) == 0) /* it lies in the state */
        crash->id = names.id();
    if (p->flags & PROC_TERMINATING)
        crash->during = "terminate";
    else if (p->flags & PROC_NEW)
        crash->during = "init";
    crash->mailbox = proc_mailbox_length(p);
    crash->links = count_links(p->rels);
    name_ancestors(p, crash->ancestors, sizeof crash->ancestors);
    if (crash->last != NULL)
        name_message(crash->last, crash->message, sizeof crash->message);
}

/* What the behaviour shows. A hook may fail: then we come back to crash_report, and not here. */
static void ask_behaviour(struct sched *s, struct proc *p, struct crash *crash)
{
    const anqa_behaviour *behaviour = p->flags & PROC_RUN ? NULL : p->code.behaviour;
    anqa_json json;

    if (behaviour == NULL || (p->flags & (PROC_NEW | PROC_FAULTED)) != 0)
        return;
    s->act.nowait++;
    if (behaviour->format_status != NULL) {
        json = behaviour->format_status(p->state);
        crash->state = anqa_json_text(json);
    }
    if (behaviour->format_message != NULL && crash->last != NULL) {
        json = behaviour->format_message(p->state, crash->last);
        crash->body = anqa_json_text(json);
    }
    s->act.nowait--;
}

/* ---------------------------------------------------------------- telling */

static void write_line(struct sched *s, const struct proc *p, const struct crash *crash)
{
    char text[LOG_FIELDS_MAX];
    struct log_out out = {text, 0, sizeof text};
    struct crash_line line;
    uint64_t dropped;

    if (crash->fault != NULL) {
        out = (struct log_out){line.text, 0, sizeof line.text};
        put_crash(&out, crash);
        line.len = out.len;
        line.metadata_len = proc_log_metadata(p, line.metadata);
        if (s->rt->watchdog != NULL)
            watchdog_post(s, crash->fault, &line);
        else
            crash_write_fault(s->rt, crash->fault, &line);
        return;
    }
    dropped = take_dropped(s->rt);
    out.size -= 32; /* for the count */
    put_crash(&out, crash);
    out.size += 32;
    if (dropped != 0)
        put_number(&out, "dropped", dropped);
    log_write_fields(NULL, ANQA_ERROR, crashed, anqa_str_make(text, out.len));
}

void crash_write_fault(
    anqa_rt *rt, const struct fault_record *record, const struct crash_line *line)
{
    struct log_context who = {.pid = record->pid.bits};
    char text[LOG_FIELDS_MAX], part[LOG_FIELDS_MAX];
    struct log_out out = {text, 0, sizeof text};
    uint64_t dropped = take_dropped(rt);

    anqa_pid_text(record->pid, who.pid_text);
    who.label_len = strnlen(record->label, sizeof who.label);
    memcpy(who.label, record->label, who.label_len);
    who.metadata_len = line->metadata_len;
    memcpy(who.metadata, line->metadata, line->metadata_len);
    log_out_bytes(&out, line->text, line->len);
    if (dropped != 0)
        put_number(&out, "dropped", dropped);
    if (record->taints)
        put_text(&out, "tainted", anqa_str_of("true"), VALUE_MAX);
    put_text(&out, "fault", fault_text(record, FAULT_TEXT_WHAT, part, sizeof part), VALUE_MAX);
    put_text(&out, "in", fault_text(record, FAULT_TEXT_PLACE, part, sizeof part), VALUE_MAX);
    log_out_text(&out, " backtrace=");
    log_out_value(&out, fault_text(record, FAULT_TEXT_FRAMES, part, out.size - out.len - 2));
    log_write_fields(&who, ANQA_ERROR, crashed, anqa_str_make(text, out.len));
}

static __attribute__((noinline)) void emit(anqa_pid pid, const struct crash *crash)
{
    char reason[VALUE_MAX * 4], label[LABEL_SIZE];
    anqa_pid from = crash->last == NULL ? (anqa_pid){0} : crash->last->from;

    (void)proc_label(anqa_rt_self(), pid, label);
    ANQA_EMIT(process_crash,
        (anqa_field_uint("count", 1), anqa_field_uint("mailbox", crash->mailbox),
            anqa_field_uint("links", crash->links)),
        (anqa_field_pid("pid", pid.bits), anqa_field_text("label", label),
            anqa_field_str("name", crash->name), anqa_field_str("id", crash->id),
            anqa_field_text("reason", anqa_reason_format(crash->reason, reason, sizeof reason)),
            anqa_field_text("during", crash->during == NULL ? "event" : crash->during),
            anqa_field_text("ancestors", crash->ancestors),
            anqa_field_text("message", crash->message), anqa_field_pid("from", from.bits),
            anqa_field_str("body", crash->body), anqa_field_str("state", crash->state)));
}

static bool is_crash(struct sched *s, const struct proc *p)
{
    anqa_reason_kind kind = anqa_reason_get_kind(p->exit_reason);

    if (fault_pending(s) != NULL)
        return true;
    return (p->flags & (PROC_REPORTED | PROC_SIGNALLED | PROC_FOREIGN)) == 0 &&
           !anqa_reason_is_quiet(p->exit_reason) && kind != ANQA_REASON_KILL &&
           kind != ANQA_REASON_KILLED;
}

/* A line that was granted is granted still when a hook has failed meanwhile. */
static bool line_granted(struct sched *s, struct proc *p)
{
    if ((p->flags & PROC_LINE_GRANTED) == 0 && !may_write(s->rt, sched_now(s)))
        return false;
    p->flags |= PROC_LINE_GRANTED;
    return true;
}

/* A hook or handler that fails leads to exit_entry, and from there back to crash_report. */
static void tell(struct sched *s, struct proc *p, bool ask)
{
    struct crash crash = {.format_failed = (p->flags & PROC_REPORTING) != 0};
    bool logs = anqa_log_enabled(ANQA_ERROR), writes = logs && line_granted(s, p);

    p->flags |= PROC_REPORTING;
    if (writes || anqa_telemetry_on(&process_crash)) {
        find_out(s, p, &crash);
        if (ask && !crash.format_failed)
            ask_behaviour(s, p, &crash);
    }
    p->flags |= PROC_REPORTED;
    p->flags &= ~(uint32_t)PROC_LINE_GRANTED;
    if (writes)
        write_line(s, p, &crash);
    else if (logs)
        crash_drop(s->rt, 1);
    if (anqa_telemetry_on(&process_crash))
        emit(proc_pid(s->rt, p), &crash);
}

void crash_report(struct sched *s, struct proc *p, bool ask)
{
    if (is_crash(s, p))
        tell(s, p, ask);
    p->flags &= ~(uint32_t)PROC_REPORTING;
    fault_told(s);
}
