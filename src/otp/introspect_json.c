/* What introspection has seen, as JSON and as text. */
#include <anqa/introspect.h>

#include <string.h>

#include <anqa/memory.h>

#include "base/utf8.h"
#include "otp/introspect.h"
#include "runtime/proc.h"

void introspect_put_str(anqa_json_writer *w, const char *key, anqa_str text)
{
    const char *end = text.ptr + text.len;
    char *made;
    size_t len = 0;

    if (text.len == 0)
        return;
    if (key != NULL)
        anqa_json_key(w, key);
    if (utf8_valid(text.ptr, text.len)) {
        anqa_json_put_str(w, text);
        return;
    }
    made = anqa_arena_alloc(anqa_tmp(), text.len);
    for (const char *at = text.ptr; at < end;) {
        size_t size = utf8_char_len(at, end);
        if (size == 0) {
            made[len++] = '?';
            at++;
            continue;
        }
        memcpy(made + len, at, size);
        len += size;
        at += size;
    }
    anqa_json_put_str(w, anqa_str_make(made, len));
}

void introspect_put_text(anqa_json_writer *w, const char *key, const char *text)
{
    introspect_put_str(w, key, anqa_str_of(text));
}

void introspect_put_pid(anqa_json_writer *w, const char *key, anqa_pid pid)
{
    char text[ANQA_PID_TEXT];

    if (!anqa_pid_is_none(pid))
        introspect_put_text(w, key, anqa_pid_text(pid, text));
}

void introspect_put_number(anqa_json_writer *w, const char *key, uint64_t number)
{
    anqa_json_key(w, key);
    anqa_json_put_uint(w, number);
}

/* ---------------------------------------------------------------- processes */

static const char *priority_text(anqa_priority priority)
{
    static const char *const texts[] = {[ANQA_PRIORITY_NORMAL] = "normal",
        [ANQA_PRIORITY_LOW] = "low",
        [ANQA_PRIORITY_HIGH] = "high",
        [ANQA_PRIORITY_MAX] = "max"};

    return texts[priority];
}

static void put_names(anqa_json_writer *w, const anqa_process_info *info)
{
    if (info->name_count == 0)
        return;
    anqa_json_key(w, "names");
    anqa_json_begin_array(w);
    for (size_t i = 0; i < info->name_count; i++)
        introspect_put_str(w, NULL, info->names[i]);
    anqa_json_end_array(w);
}

void introspect_put_members(anqa_json_writer *w, const anqa_process_info *info)
{
    introspect_put_pid(w, "pid", info->pid);
    introspect_put_pid(w, "parent", info->parent);
    introspect_put_text(w, "label", info->label);
    put_names(w, info);
    introspect_put_text(w, "kind", info->kind);
    introspect_put_text(w, "spec", info->spec);
    introspect_put_text(w, "status", anqa_process_status_text(info->status));
    introspect_put_text(w, "handling", info->handling);
    introspect_put_pid(w, "waits_for", info->waits_for);
    introspect_put_number(w, "mailbox", info->mailbox);
    introspect_put_number(w, "handled", info->handled);
    introspect_put_number(w, "memory", info->memory);
    if (info->quota != 0)
        introspect_put_number(w, "quota", info->quota);
    introspect_put_number(w, "links", info->links);
    introspect_put_number(w, "monitors", info->monitors);
    introspect_put_number(w, "monitored_by", info->monitored_by);
    if (info->scheduler != 0)
        introspect_put_number(w, "scheduler", info->scheduler);
    introspect_put_text(w, "priority", priority_text(info->priority));
}

void anqa_process_info_put(anqa_json_writer *w, const anqa_process_info *info)
{
    anqa_json_begin_object(w);
    introspect_put_members(w, info);
    anqa_json_end_object(w);
}

/* ---------------------------------------------------------------- the system */

static void put_scheduler(anqa_json_writer *w, const anqa_system_info *before,
    const anqa_system_info *now, uint16_t index)
{
    const anqa_scheduler_info *scheduler = &now->schedulers[index];

    anqa_json_begin_object(w);
    introspect_put_number(w, "scheduler", index + 1u);
    introspect_put_number(w, "run_queue", scheduler->run_queue);
    anqa_json_key(w, "busy");
    anqa_json_put_double(w, anqa_system_busy(before, now, index));
    anqa_json_key(w, "asleep");
    anqa_json_put_bool(w, scheduler->asleep);
    introspect_put_pid(w, "current", scheduler->current);
    introspect_put_text(w, "handling", scheduler->handling);
    introspect_put_number(w, "idle_ns", scheduler->idle_ns);
    introspect_put_number(w, "activations", scheduler->activations);
    introspect_put_number(w, "steals", scheduler->steals);
    anqa_json_end_object(w);
}

/* The members that are numbers, as they are. */
static const struct {
    const char *name;
    size_t at;
} system_numbers[] = {
#define NUMBER(member) {#member, offsetof(anqa_system_info, member)}
    NUMBER(processes),
    NUMBER(process_limit),
    NUMBER(spawned),
    NUMBER(exited),
    NUMBER(zombies),
    NUMBER(waiting),
    NUMBER(faults),
    NUMBER(names),
    NUMBER(tables),
    NUMBER(timers),
    NUMBER(messages),
    NUMBER(heap_bytes),
    NUMBER(block_bytes),
    NUMBER(stack_bytes),
    NUMBER(resident_bytes),
#undef NUMBER
};

void anqa_system_info_put(
    anqa_json_writer *w, const anqa_system_info *before, const anqa_system_info *now)
{
    anqa_json_begin_object(w);
    introspect_put_number(w, "uptime_ns", now->uptime_ns);
    anqa_json_key(w, "schedulers");
    anqa_json_begin_array(w);
    for (uint16_t i = 0; i < now->scheduler_count; i++)
        put_scheduler(w, before, now, i);
    anqa_json_end_array(w);
    for (size_t i = 0; i < ANQA_COUNT(system_numbers); i++) {
        uint64_t number;
        memcpy(&number, (const char *)now + system_numbers[i].at, sizeof number);
        introspect_put_number(w, system_numbers[i].name, number);
    }
    anqa_json_key(w, "tainted");
    anqa_json_put_bool(w, now->tainted);
    anqa_json_end_object(w);
}

anqa_str anqa_system_text(void)
{
    anqa_system_info *info = anqa_arena_alloc(anqa_tmp(), sizeof *info);
    unsigned queued = 0;
    double busy = 0;
    char *text;

    anqa_system_info_get(info);
    for (uint16_t i = 0; i < info->scheduler_count; i++) {
        queued += info->schedulers[i].run_queue;
        busy += anqa_system_busy(NULL, info, i) / info->scheduler_count;
    }
    text = anqa_tmp_printf(
        "uptime_s=%llu schedulers=%u busy=%.3f run_queue=%u processes=%llu limit=%llu waiting=%llu "
        "zombies=%llu faults=%llu tainted=%s names=%llu timers=%llu messages=%llu heap_kb=%llu "
        "blocks_kb=%llu resident_kb=%llu",
        (unsigned long long)(info->uptime_ns / 1000000000), info->scheduler_count, busy, queued,
        (unsigned long long)info->processes, (unsigned long long)info->process_limit,
        (unsigned long long)info->waiting, (unsigned long long)info->zombies,
        (unsigned long long)info->faults, info->tainted ? "true" : "false",
        (unsigned long long)info->names, (unsigned long long)info->timers,
        (unsigned long long)info->messages, (unsigned long long)(info->heap_bytes / 1024),
        (unsigned long long)(info->block_bytes / 1024),
        (unsigned long long)(info->resident_bytes / 1024));
    return anqa_str_of(text);
}

/* ---------------------------------------------------------------- events of traces */

static const char *trace_kind_text(anqa_trace_kind kind)
{
    switch (kind) {
    case ANQA_TRACE_RECEIVE: return "receive";
    case ANQA_TRACE_SEND: return "send";
    case ANQA_TRACE_HANDLED: return "handled";
    case ANQA_TRACE_ENDED: return "ended";
    }
    return "unknown";
}

void anqa_trace_event_put(anqa_json_writer *w, const anqa_trace_event *event)
{
    anqa_json_begin_object(w);
    introspect_put_text(w, "event", trace_kind_text(event->kind));
    introspect_put_pid(w, "pid", event->pid);
    introspect_put_pid(w, "peer", event->peer);
    introspect_put_text(w, "tag", event->tag);
    if (event->kind != ANQA_TRACE_ENDED) {
        introspect_put_text(w, "message", msg_kind_name(event->msg_kind));
        introspect_put_number(w, "size", event->size);
    }
    introspect_put_number(w, "time_ns", event->time_ns);
    if (event->kind == ANQA_TRACE_HANDLED)
        introspect_put_number(w, "duration_ns", event->duration_ns);
    if (event->dropped > 0)
        introspect_put_number(w, "dropped", event->dropped);
    introspect_put_str(w, "body", event->body);
    anqa_json_end_object(w);
}
