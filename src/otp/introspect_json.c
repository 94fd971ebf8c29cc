/* What introspection has seen, as JSON and as text. */
#include <anqa/introspect.h>

#include <stdio.h>

#include <anqa/memory.h>

static void put_text(anqa_json_writer *w, const char *key, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    anqa_json_key(w, key);
    anqa_json_put_str(w, anqa_str_of(text));
}

static void put_pid(anqa_json_writer *w, const char *key, anqa_pid pid)
{
    char text[ANQA_PID_TEXT];

    if (!anqa_pid_is_none(pid))
        put_text(w, key, anqa_pid_text(pid, text));
}

static void put_number(anqa_json_writer *w, const char *key, uint64_t number)
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
        anqa_json_put_str(w, info->names[i]);
    anqa_json_end_array(w);
}

void anqa_process_info_put(anqa_json_writer *w, const anqa_process_info *info)
{
    anqa_json_begin_object(w);
    put_pid(w, "pid", info->pid);
    put_pid(w, "parent", info->parent);
    put_text(w, "label", info->label);
    put_names(w, info);
    put_text(w, "kind", info->kind);
    put_text(w, "spec", info->spec);
    put_text(w, "status", anqa_process_status_text(info->status));
    put_text(w, "handling", info->handling);
    put_pid(w, "waits_for", info->waits_for);
    put_number(w, "mailbox", info->mailbox);
    put_number(w, "handled", info->handled);
    put_number(w, "memory", info->memory);
    if (info->quota != 0)
        put_number(w, "quota", info->quota);
    put_number(w, "links", info->links);
    put_number(w, "monitors", info->monitors);
    put_number(w, "monitored_by", info->monitored_by);
    if (info->scheduler != 0)
        put_number(w, "scheduler", info->scheduler);
    put_text(w, "priority", priority_text(info->priority));
    anqa_json_end_object(w);
}

/* ---------------------------------------------------------------- the system */

static void put_scheduler(anqa_json_writer *w, const anqa_system_info *before,
    const anqa_system_info *now, uint16_t index)
{
    const anqa_scheduler_info *scheduler = &now->schedulers[index];

    anqa_json_begin_object(w);
    put_number(w, "scheduler", index + 1u);
    put_number(w, "run_queue", scheduler->run_queue);
    anqa_json_key(w, "busy");
    anqa_json_put_double(w, anqa_system_busy(before, now, index));
    anqa_json_key(w, "asleep");
    anqa_json_put_bool(w, scheduler->asleep);
    put_pid(w, "current", scheduler->current);
    put_text(w, "handling", scheduler->handling);
    put_number(w, "idle_ns", scheduler->idle_ns);
    put_number(w, "activations", scheduler->activations);
    put_number(w, "steals", scheduler->steals);
    anqa_json_end_object(w);
}

void anqa_system_info_put(
    anqa_json_writer *w, const anqa_system_info *before, const anqa_system_info *now)
{
    anqa_json_begin_object(w);
    put_number(w, "uptime_ns", now->uptime_ns);
    anqa_json_key(w, "schedulers");
    anqa_json_begin_array(w);
    for (uint16_t i = 0; i < now->scheduler_count; i++)
        put_scheduler(w, before, now, i);
    anqa_json_end_array(w);
    put_number(w, "processes", now->processes);
    put_number(w, "process_limit", now->process_limit);
    put_number(w, "spawned", now->spawned);
    put_number(w, "exited", now->exited);
    put_number(w, "zombies", now->zombies);
    put_number(w, "waiting", now->waiting);
    put_number(w, "faults", now->faults);
    anqa_json_key(w, "tainted");
    anqa_json_put_bool(w, now->tainted);
    put_number(w, "names", now->names);
    put_number(w, "tables", now->tables);
    put_number(w, "timers", now->timers);
    put_number(w, "messages", now->messages);
    put_number(w, "heap_bytes", now->heap_bytes);
    put_number(w, "block_bytes", now->block_bytes);
    put_number(w, "stack_bytes", now->stack_bytes);
    put_number(w, "resident_bytes", now->resident_bytes);
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
