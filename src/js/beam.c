#include "js/beam.h"

#include <stdio.h>

#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/pubsub.h>
#include <anqa/supervisor.h>

#include "base/buf_meter.h"
#include "js/convert.h"
#include "js/beam_tools.h"
#include "js/password.h"
#include "js/preempt.h"
#include "js/spawn.h"
#include "js/turn.h"
#include "js/web/web.h"
#include "otp/task.h"
#include "pubsub/pubsub.h"
#include "runtime/sched.h"

enum {
    DEFAULT_CALLS = 1000,
    MONITORS_MAX = 10000,
    PARCEL_COST = 128, /* of a message, beside its bytes */
    NAMES_MAX = 16,    /* of one process */
    NAME_LEN_MAX = 255
};

const char beam_timer_tag[] = "$js.timer";

/* ---------------------------------------------------------------- handlers */

static const anqa_js_handler *find_handler(const anqa_js_script *script, anqa_str name)
{
    const anqa_js_handler *handler = script->handlers;

    while (handler != NULL && handler->name != NULL && !anqa_str_is(name, handler->name))
        handler++;
    return handler == NULL || handler->name == NULL ? NULL : handler;
}

/* Runs one in the calling process. The value, or why not in err. */
static anqa_status run_handler(const anqa_js_handler *handler, const anqa_js_script *script,
    anqa_pid from, anqa_value args, anqa_value *ret_value, anqa_error *err)
{
    anqa_value_writer writer;
    anqa_js_request request = {.script = script, .from = from, .args = args, .err = err};
    anqa_status status;

    err->text[0] = '\0';
    anqa_value_writer_init(&writer, anqa_tmp(), &script->limits.values);
    status = handler->run(&request, &writer);
    if (status == ANQA_OK && writer.status == ANQA_OK && writer.len == 0)
        anqa_value_put_undefined(&writer);
    if (status == ANQA_OK)
        status = anqa_value_done(&writer, ret_value);
    if (status != ANQA_OK && err->text[0] == '\0')
        (void)anqa_fail(err, status, "%s: %s", handler->name, anqa_status_text(status));
    return status;
}

/* What a task is to do; the bytes of its arguments follow. */
struct job_arg {
    const anqa_js_handler *handler;
    const anqa_js_script *script;
    anqa_pid from;
    uint32_t args_len;
};

anqa_payload beam_answer(bool ok, const void *ptr, size_t len)
{
    char *bytes = anqa_arena_alloc(anqa_tmp(), 1 + len);

    bytes[0] = ok ? 1 : 0;
    if (len > 0)
        memcpy(bytes + 1, ptr, len);
    return anqa_bytes(bytes, 1 + len);
}

static anqa_payload run_as_task(void *arg)
{
    const struct job_arg *job = arg;
    anqa_value args = {(const char *)(job + 1), job->args_len}, value = {NULL, 0};
    anqa_error err;

    if (run_handler(job->handler, job->script, job->from, args, &value, &err) != ANQA_OK)
        return beam_answer(false, err.text, strlen(err.text));
    return beam_answer(true, value.ptr, value.len);
}

static void note_task(struct js *js, anqa_ref ref, uint32_t id)
{
    if (js->task_count == js->task_size) {
        js->task_size = js->task_size == 0 ? 8 : js->task_size * 2;
        js->tasks = anqa_heap_realloc(js->tasks, js->task_size * sizeof *js->tasks);
    }
    js->tasks[js->task_count++] = (struct js_task){ref, id};
}

uint64_t beam_start(struct js *js, const char *name, anqa_payload (*run)(void *arg),
    const void *arg, size_t size, uint32_t id)
{
    uint32_t most = js->script->limits.calls == 0 ? DEFAULT_CALLS : js->script->limits.calls;
    anqa_task task;
    anqa_status status;

    if (js->task_count >= most)
        return turn_throw(js, "RangeError", "more than %u calls wait for an answer", most);
    status = beam_out(js) == NULL ? ANQA_E_NOMEM : task_open(run, arg, size, name, js->out, &task);
    if (status == ANQA_E_FULL)
        return beam_posted(js, ANQA_E_LIMIT);
    if (status != ANQA_OK)
        return turn_throw(js, "Error", "no process could be started for '%s': %s", name,
            anqa_status_text(status));
    note_task(js, task.ref, id);
    return JS_UNDEFINED;
}

static uint64_t start_handler(
    struct js *js, const anqa_js_handler *handler, uint32_t id, anqa_value args)
{
    size_t size = sizeof(struct job_arg) + args.len;
    struct job_arg *job = anqa_arena_alloc(anqa_tmp(), size);

    *job = (struct job_arg){handler, js->script, anqa_self(), (uint32_t)args.len};
    memcpy(job + 1, args.ptr, args.len);
    return beam_start(js, handler->name, run_as_task, job, size, id);
}

static struct js_task take_task(struct js *js, uint32_t i)
{
    struct js_task task = js->tasks[i];

    js->tasks[i] = js->tasks[--js->task_count];
    return task;
}

/* The promise of a call becomes what it was answered. */
static void answer(struct js *js, uint32_t id, bool ok, uint64_t value)
{
    if (turn_is_exception(value)) {
        anqa_js_error error = turn_exception(js);
        ok = false;
        value = convert_string(js, error.message);
    }
    value = turn_call(js, js->image->parts[BOOT_ANSWER],
        (uint64_t[]){convert_double(id), ok ? JS_TRUE : JS_FALSE, value}, 3);
    if (turn_is_exception(value)) {
        anqa_js_error error = turn_exception(js);
        turn_log_error(js, "js.answer_failed", &error);
    }
    turn_free(js, value);
}

/* Why a task has no result, as a string of the engine. */
static uint64_t crash_text(struct js *js, const anqa_msg *down)
{
    char text[300];

    anqa_reason_format(down->u.reason, text, sizeof text);
    return convert_string(js, anqa_str_of(anqa_tmp_printf("the handler ended: %s", text)));
}

bool beam_on_result(struct js *js, const anqa_msg *msg)
{
    uint32_t i = 0, id;
    anqa_str rest;
    bool ok;

    while (i < js->task_count && !anqa_ref_eq(js->tasks[i].ref, msg->ref))
        i++;
    if (i == js->task_count)
        return false;
    id = take_task(js, i).id;
    if (anqa_task_crashed(msg)) {
        answer(js, id, false, crash_text(js, msg));
        return true;
    }
    ok = msg->body.ptr[0] != 0;
    rest = anqa_str_make(msg->body.ptr + 1, msg->body.len - 1);
    answer(js, id, ok,
        ok ? convert_in(js, (anqa_value){rest.ptr, rest.len}) : convert_string(js, rest));
    return true;
}

void beam_forget_tasks(struct js *js)
{
    while (js->task_count > 0)
        anqa_request_cancel(take_task(js, 0).ref);
}

/* ---------------------------------------------------------------- lists of texts that a process holds */

static uint32_t find_text(char *const *list, uint32_t count, anqa_str text)
{
    uint32_t i = 0;

    while (i < count && !anqa_str_is(text, list[i]))
        i++;
    return i;
}

/* text: without a NUL. */
static void note_text(char ***list, uint32_t *count, uint32_t most, anqa_str text)
{
    char *copy = anqa_heap_alloc(text.len + 1);

    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (*list == NULL)
        *list = anqa_heap_alloc(most * sizeof **list);
    (*list)[(*count)++] = copy;
}

static void forget_text(char **list, uint32_t *count, uint32_t i)
{
    anqa_heap_free(list[i]);
    list[i] = list[--*count];
}

/* ---------------------------------------------------------------- the operations; values are borrowed */

bool beam_text(struct js *js, uint64_t value, anqa_str *ret_text)
{
    anqa_str text;
    uint32_t at = turn_text_begin(js, value, &text);
    bool ok;

    if (at == 0) {
        turn_free(js, q_JS_GetException(&js->engine, js->image->ctx));
        turn_throw(js, "TypeError", "no text");
        return false;
    }
    ok = web_room(js, text.len);
    if (ok)
        *ret_text = anqa_str_make(anqa_arena_copy(web_scratch(js), text.ptr, text.len), text.len);
    turn_text_done(js, at);
    return ok;
}

static bool pid_arg(struct js *js, uint64_t value, anqa_pid *ret_pid)
{
    return convert_pid(js, value, ret_pid) || (turn_throw(js, "TypeError", "not a pid"), false);
}

static bool may_send(struct js *js, size_t len)
{
    js->sent += len + PARCEL_COST;
    return js->sent <= js->memory_limit ||
           (turn_throw(js, "RangeError", "more than %u bytes sent in one turn", js->memory_limit),
               false);
}

bool beam_parcel(struct js *js, uint64_t value, anqa_value *ret_value)
{
    anqa_value_writer writer;

    anqa_value_writer_init(&writer, web_scratch(js), &js->script->limits.values);
    if (convert_out(js, value, &writer) && anqa_value_done(&writer, ret_value) == ANQA_OK)
        return may_send(js, ret_value->len);
    js->sent += writer.len; /* what is in vain is no cheaper */
    return false;
}

struct buf_meter *beam_out(struct js *js)
{
    size_t most = js->script->limits.unread;
    struct buf_meter *all;

    if (js->out != NULL)
        return js->out;
    if (most == 0)
        most = js->memory_limit;
    all = buf_meter_new(most > SIZE_MAX / 2 ? SIZE_MAX : 2 * most, NULL);
    if (all != NULL)
        js->out = buf_meter_new(most, all);
    buf_meter_unref(all);
    return js->out;
}

anqa_status beam_post(struct js *js, anqa_pid to, const char *tag, anqa_str head, anqa_value value)
{
    anqa_status status = ANQA_E_NOMEM;
    anqa_buf bytes;
    char *at;

    if (beam_out(js) != NULL)
        status = buf_new_metered(js->out, head.len + value.len, PARCEL_COST, &bytes, &at);
    if (status != ANQA_OK)
        return status;
    if (head.len > 0)
        memcpy(at, head.ptr, head.len);
    if (value.len > 0)
        memcpy(at + head.len, value.ptr, value.len);
    status = anqa_send(to, tag, anqa_shared(bytes));
    anqa_buf_unref(bytes);
    return status == ANQA_E_NOPROC ? ANQA_OK : status;
}

uint64_t beam_posted(struct js *js, anqa_status status)
{
    if (status == ANQA_OK)
        return JS_UNDEFINED;
    if (status == ANQA_E_FULL)
        return turn_throw(js, "Error", "the mailbox of the receiver is full");
    if (status == ANQA_E_LIMIT)
        return turn_throw(
            js, "RangeError", "too much is sent and not received yet: more than limits.unread");
    return turn_throw(js, "Error", "%s", anqa_status_text(status));
}

static uint64_t op_log(struct js *js, const uint64_t *args)
{
    static const anqa_log_level levels[] = {ANQA_DEBUG, ANQA_INFO, ANQA_WARN, ANQA_ERROR};
    double level = 1;
    anqa_str text;
    char pid[ANQA_PID_TEXT];

    (void)convert_number(args[0], &level);
    if (!beam_text(js, args[1], &text))
        return JS_EXCEPTION;
    anqa_log(levels[level >= 0 && level < 4 ? (int)level : 1], "js.console",
        "script=%s process=%s text=%.*s", js->script->name, anqa_pid_text(anqa_self(), pid),
        ANQA_FMT(text));
    return JS_UNDEFINED;
}

static const anqa_js_handler *handler_arg(struct js *js, uint64_t value)
{
    const anqa_js_handler *handler;
    anqa_str name;

    if (!beam_text(js, value, &name))
        return NULL;
    handler = find_handler(js->script, name);
    if (handler == NULL)
        turn_throw(js, "ReferenceError", "no handler '%.*s' is listed for this script",
            name.len > 100 ? 100 : (int)name.len, name.ptr);
    return handler;
}

uint32_t beam_id(uint64_t value)
{
    double id = 0;

    return convert_number(value, &id) && id >= 1 && id <= UINT32_MAX ? (uint32_t)id : 0;
}

static uint64_t op_call(struct js *js, const uint64_t *args)
{
    const anqa_js_handler *handler = handler_arg(js, args[1]);
    anqa_value value;

    if (handler == NULL || !beam_parcel(js, args[2], &value))
        return JS_EXCEPTION;
    return start_handler(js, handler, beam_id(args[0]), value);
}

/* What a handler has received ends with it, as its temporary memory does: `held` is what the event has received before. */
static void free_received(const struct msg *held)
{
    while (sched_self->act.held != held)
        anqa_msg_free(&sched_self->act.held->pub);
}

static uint64_t op_call_sync(struct js *js, const uint64_t *args)
{
    const struct msg *held = sched_self->act.held;
    const anqa_js_handler *handler = handler_arg(js, args[0]);
    anqa_value value;
    anqa_error err;
    anqa_status status;

    if (handler == NULL || !beam_parcel(js, args[1], &value))
        return JS_EXCEPTION;
    preempt_leave();
    status = run_handler(handler, js->script, anqa_self(), value, &value, &err);
    free_received(held);
    preempt_enter(js);
    if (status != ANQA_OK)
        return turn_throw(js, "Error", "%s", err.text);
    return may_send(js, value.len) ? convert_in(js, value) : JS_EXCEPTION;
}

static uint64_t op_send(struct js *js, const uint64_t *args)
{
    anqa_pid pid;
    anqa_value value;

    if (!pid_arg(js, args[0], &pid) || !beam_parcel(js, args[1], &value))
        return JS_EXCEPTION;
    return beam_posted(js, beam_post(js, pid, ANQA_JS_MESSAGE, (anqa_str){NULL, 0}, value));
}

static uint64_t op_self(struct js *js, const uint64_t *args)
{
    return convert_pid_in(js, anqa_self());
}

static uint64_t op_id(struct js *js, const uint64_t *args)
{
    return convert_string(js, anqa_child_id());
}

static void note_monitor(struct js *js, anqa_ref ref)
{
    if (js->monitor_count == js->monitor_size) {
        js->monitor_size = js->monitor_size == 0 ? 8 : js->monitor_size * 2;
        js->monitors = anqa_heap_realloc(js->monitors, js->monitor_size * sizeof *js->monitors);
    }
    js->monitors[js->monitor_count++] = ref;
}

bool beam_forget_monitor(struct js *js, anqa_ref ref)
{
    uint32_t i = 0;

    while (i < js->monitor_count && !anqa_ref_eq(js->monitors[i], ref))
        i++;
    if (i == js->monitor_count)
        return false;
    js->monitors[i] = js->monitors[--js->monitor_count];
    return true;
}

void beam_forget_monitors(struct js *js)
{
    while (js->monitor_count > 0)
        (void)anqa_demonitor(js->monitors[--js->monitor_count], true);
}

static uint64_t op_monitor(struct js *js, const uint64_t *args)
{
    anqa_pid pid;
    anqa_ref ref;

    if (!pid_arg(js, args[0], &pid))
        return JS_EXCEPTION;
    if (js->monitor_count == MONITORS_MAX)
        return turn_throw(js, "RangeError", "more than %d monitors", MONITORS_MAX);
    ref = anqa_monitor(pid);
    note_monitor(js, ref);
    return convert_ref_in(js, ref);
}

static uint64_t op_demonitor(struct js *js, const uint64_t *args)
{
    anqa_ref ref;

    if (!convert_ref(js, args[0], &ref))
        return turn_throw(js, "TypeError", "not a reference");
    return beam_forget_monitor(js, ref) && anqa_demonitor(ref, true) ? JS_TRUE : JS_FALSE;
}

static uint64_t op_link(struct js *js, const uint64_t *args)
{
    anqa_pid pid;

    if (!pid_arg(js, args[0], &pid))
        return JS_EXCEPTION;
    if (anqa_pid_eq(pid, anqa_self()))
        return JS_UNDEFINED;
    /* An exit of ours ends who is linked and does not trap it: not for a script to do to others. */
    if (!spawn_is_parent(js, pid) && !spawn_is_child(js, pid))
        return turn_throw(
            js, "TypeError", "only parent and child may be linked: Beam.monitor tells of others");
    anqa_link(pid);
    return JS_UNDEFINED;
}

static uint64_t op_unlink(struct js *js, const uint64_t *args)
{
    anqa_pid pid;

    if (!pid_arg(js, args[0], &pid))
        return JS_EXCEPTION;
    /* Who else is linked is a process of C that has started this one, and is to take it along when it ends. */
    if (spawn_is_parent(js, pid) || spawn_is_child(js, pid))
        anqa_unlink(pid);
    else if (!anqa_pid_eq(pid, anqa_self()) && anqa_is_alive(pid))
        return turn_throw(js, "TypeError", "only parent and child may be unlinked");
    return JS_UNDEFINED;
}

static anqa_reason exit_reason(anqa_str text)
{
    if (anqa_str_is(text, "shutdown"))
        return ANQA_SHUTDOWN;
    return anqa_error_reason("%.*s", text.len > 1000 ? 1000 : (int)text.len, text.ptr);
}

/* Whoever is no living child is left alone. Its end is wanted, so it is not ours. */
static uint64_t exit_child(struct js *js, anqa_pid pid, anqa_str text)
{
    if (!spawn_is_child(js, pid))
        return JS_FALSE;
    anqa_unlink(pid);
    if (anqa_str_is(text, "kill"))
        anqa_exit_signal(pid, ANQA_KILL);
    else if (anqa_str_is(text, "normal")) /* which no signal does to another */
        anqa_exit_signal(pid, ANQA_SHUTDOWN);
    else
        anqa_exit_signal(pid, exit_reason(text));
    return JS_TRUE;
}

/* The reason, and whose end it is; undefined: ours. */
static uint64_t op_exit(struct js *js, const uint64_t *args)
{
    anqa_pid pid = anqa_self();
    anqa_str text;

    if (!beam_text(js, args[0], &text) || (args[1] != JS_UNDEFINED && !pid_arg(js, args[1], &pid)))
        return JS_EXCEPTION;
    if (!anqa_pid_eq(pid, anqa_self()))
        return exit_child(js, pid, text);
    preempt_leave();
    anqa_exit(anqa_str_is(text, "normal") ? ANQA_NORMAL : exit_reason(text));
}

static uint64_t op_now(struct js *js, const uint64_t *args)
{
    return convert_double(js->loading ? 0 : (double)anqa_now_ms());
}

/* The nearest timer is due at that time; -1: there is none. */
static uint64_t op_timer(struct js *js, const uint64_t *args)
{
    double due = -1, now = (double)anqa_now_ms(), wait;

    (void)convert_number(args[0], &due);
    if (js->loading) {
        js->image->has_timers = due >= 0;
        return JS_UNDEFINED;
    }
    if (js->timer.bits != 0)
        (void)anqa_timer_cancel(js->timer);
    js->timer.bits = 0;
    wait = due > now ? due - now : 0;
    if (due >= 0) /* it is asked again when it is early */
        js->timer = anqa_send_after(anqa_self(), beam_timer_tag, anqa_nothing(),
            wait < INT32_MAX ? (uint32_t)wait : INT32_MAX);
    return JS_UNDEFINED;
}

static uint64_t op_settled(struct js *js, const uint64_t *args)
{
    beam_settled(js, beam_id(args[0]), args[1] == JS_TRUE, args[2]);
    return JS_UNDEFINED;
}

static uint64_t op_text(struct js *js, const uint64_t *args)
{
    char text[ANQA_PID_TEXT];
    anqa_pid pid;
    anqa_ref ref;

    if (convert_pid(js, args[0], &pid))
        return convert_string(js, anqa_str_of(anqa_pid_text(pid, text)));
    if (!convert_ref(js, args[0], &ref))
        return turn_throw(js, "TypeError", "neither a pid nor a reference");
    snprintf(text, sizeof text, "#Ref<%llx>", (unsigned long long)ref.bits);
    return convert_string(js, anqa_str_of(text));
}

/* Whether the script may have a BroadcastChannel there. */
static bool topic_listed(const anqa_js_script *script, anqa_str topic)
{
    for (const char *const *listed = script->topics; listed != NULL && *listed != NULL; listed++) {
        size_t len = strlen(*listed);
        if (len > 0 && (*listed)[len - 1] == '*'
                ? topic.len >= len - 1 && memcmp(topic.ptr, *listed, len - 1) == 0
                : anqa_str_is(topic, *listed))
            return true;
    }
    return false;
}

static bool topic_arg(struct js *js, uint64_t value, anqa_str *ret_topic)
{
    if (!beam_text(js, value, ret_topic))
        return false;
    if (topic_listed(js->script, *ret_topic))
        return true;
    turn_throw(js, "ReferenceError", "no topic '%.*s' is listed for this script",
        ret_topic->len > 100 ? 100 : (int)ret_topic->len, ret_topic->ptr);
    return false;
}

static uint64_t op_subscribe(struct js *js, const uint64_t *args)
{
    anqa_str topic;
    anqa_status status;

    if (!topic_arg(js, args[0], &topic))
        return JS_EXCEPTION;
    if (js->topic_count == BEAM_TOPICS_MAX)
        return turn_throw(js, "RangeError", "more than %d topics", BEAM_TOPICS_MAX);
    status = memchr(topic.ptr, '\0', topic.len) != NULL ? ANQA_E_INVALID : anqa_subscribe(topic);
    if (status != ANQA_OK)
        return turn_throw(
            js, "Error", "the topic cannot be subscribed: %s", anqa_status_text(status));
    note_text(&js->topics, &js->topic_count, BEAM_TOPICS_MAX, topic);
    return JS_UNDEFINED;
}

static void forget_topic(struct js *js, uint32_t i)
{
    anqa_unsubscribe(anqa_str_of(js->topics[i]));
    forget_text(js->topics, &js->topic_count, i);
}

void beam_forget_topics(struct js *js)
{
    while (js->topic_count > 0)
        forget_topic(js, js->topic_count - 1);
}

static uint64_t op_unsubscribe(struct js *js, const uint64_t *args)
{
    anqa_str topic;
    uint32_t i;

    if (!topic_arg(js, args[0], &topic))
        return JS_EXCEPTION;
    i = find_text(js->topics, js->topic_count, topic);
    if (i < js->topic_count)
        forget_topic(js, i);
    return JS_UNDEFINED;
}

static uint64_t op_publish(struct js *js, const uint64_t *args)
{
    anqa_str topic, event, text;
    anqa_json payload;
    anqa_error err;
    anqa_status status;

    if (!topic_arg(js, args[0], &topic) || !beam_text(js, args[1], &event) ||
        !beam_text(js, args[2], &text) || !may_send(js, text.len))
        return JS_EXCEPTION;
    /* Checked as any text of a script: its own JSON.stringify could be replaced. */
    if (anqa_json_parse(text, NULL, &payload, &err) != ANQA_OK)
        return turn_throw(js, "TypeError", "the message is no JSON: %s", err.text);
    if (memchr(event.ptr, '\0', event.len) != NULL)
        return turn_throw(js, "TypeError", "the name of an event holds a NUL");
    if (beam_out(js) == NULL)
        return beam_posted(js, ANQA_E_NOMEM);
    status = pubsub_broadcast_metered(js->out, topic, anqa_tmp_copy(event.ptr, event.len), payload);
    if (status == ANQA_E_LIMIT)
        return beam_posted(js, status);
    if (status != ANQA_OK)
        return turn_throw(
            js, "Error", "the message was not broadcast: %s", anqa_status_text(status));
    return JS_UNDEFINED;
}

/* Null: one more of the same; a text otherwise. */
static uint64_t op_spawn(struct js *js, const uint64_t *args)
{
    enum spawn_what what = args[0] == JS_NULL ? SPAWN_SAME : SPAWN_TEXT;
    anqa_str text = {NULL, 0};
    anqa_value arg;
    anqa_pid pid;
    anqa_error err;

    if ((what == SPAWN_TEXT && !beam_text(js, args[0], &text)) || !beam_parcel(js, args[1], &arg))
        return JS_EXCEPTION;
    if (spawn_child(js, what, text, arg, 0, &pid, &err) != ANQA_OK)
        return turn_throw(js, "Error", "%s", err.text);
    return convert_pid_in(js, pid);
}

/* ---------------------------------------------------------------- names */

/* Whether the script has somewhere to look, and what it looks for can be there. */
static bool name_arg(struct js *js, uint64_t value, anqa_str *ret_name)
{
    if (js->script->registry == NULL)
        return turn_throw(js, "Error", "this script has no registry of names"), false;
    if (!beam_text(js, value, ret_name))
        return false;
    if (ret_name->len == 0 || ret_name->len > NAME_LEN_MAX)
        return turn_throw(js, "RangeError", "a name has 1 to %d bytes", NAME_LEN_MAX), false;
    return true;
}

static uint64_t op_register(struct js *js, const uint64_t *args)
{
    anqa_str name;
    anqa_status status;

    if (!name_arg(js, args[0], &name))
        return JS_EXCEPTION;
    if (memchr(name.ptr, '\0', name.len) != NULL)
        return turn_throw(js, "TypeError", "a name holds a NUL");
    if (js->name_count == NAMES_MAX)
        return turn_throw(js, "RangeError", "more than %d names", NAMES_MAX);
    status = anqa_registry_register(js->script->registry, name, ANQA_JSON_NULL, NULL);
    if (status != ANQA_OK)
        return turn_throw(js, "Error",
            status == ANQA_E_EXISTS ? "the name '%.*s' is taken" : "the name '%.*s' cannot be had",
            ANQA_FMT(name));
    note_text(&js->names, &js->name_count, NAMES_MAX, name);
    return JS_UNDEFINED;
}

static void forget_name(struct js *js, uint32_t i)
{
    (void)anqa_registry_unregister(js->script->registry, anqa_str_of(js->names[i]));
    forget_text(js->names, &js->name_count, i);
}

void beam_forget_names(struct js *js)
{
    while (js->name_count > 0)
        forget_name(js, js->name_count - 1);
}

static uint64_t op_unregister(struct js *js, const uint64_t *args)
{
    anqa_str name;
    uint32_t i;

    if (!name_arg(js, args[0], &name))
        return JS_EXCEPTION;
    i = find_text(js->names, js->name_count, name);
    if (i == js->name_count)
        return JS_FALSE;
    forget_name(js, i);
    return JS_TRUE;
}

static uint64_t op_whereis(struct js *js, const uint64_t *args)
{
    anqa_str name;
    anqa_pid pid;

    if (!name_arg(js, args[0], &name))
        return JS_EXCEPTION;
    pid = anqa_registry_whereis(js->script->registry, name);
    return anqa_pid_is_none(pid) ? JS_NULL : convert_pid_in(js, pid);
}

static const struct js_op ops[BEAM_OP_COUNT] = {
    [BEAM_LOG] = {op_log, true},
    [BEAM_CALL] = {op_call, false},
    [BEAM_CALL_SYNC] = {op_call_sync, false},
    [BEAM_SEND] = {op_send, false},
    [BEAM_SELF] = {op_self, false},
    [BEAM_ID] = {op_id, false},
    [BEAM_MONITOR] = {op_monitor, false},
    [BEAM_DEMONITOR] = {op_demonitor, false},
    [BEAM_LINK] = {op_link, false},
    [BEAM_UNLINK] = {op_unlink, false},
    [BEAM_EXIT] = {op_exit, false},
    [BEAM_NOW] = {op_now, true},
    [BEAM_TIMER] = {op_timer, true},
    [BEAM_SETTLED] = {op_settled, false},
    [BEAM_TEXT] = {op_text, true},
    [BEAM_SUBSCRIBE] = {op_subscribe, false},
    [BEAM_UNSUBSCRIBE] = {op_unsubscribe, false},
    [BEAM_PUBLISH] = {op_publish, false},
    [BEAM_SPAWN] = {op_spawn, false},
    [BEAM_REGISTER] = {op_register, false},
    [BEAM_UNREGISTER] = {op_unregister, false},
    [BEAM_WHEREIS] = {op_whereis, false},
    [BEAM_UNIQUE] = {tools_unique, false},
    [BEAM_MAKE_REF] = {tools_make_ref, false},
    [BEAM_NANOSECONDS] = {tools_nanoseconds, false},
    [BEAM_UUID] = {tools_uuid, false},
    [BEAM_HASH] = {tools_hash, true},
    [BEAM_ESCAPE] = {tools_escape, true},
    [BEAM_PEEK] = {tools_peek, true},
    [BEAM_PROCESS_INFO] = {tools_process_info, false},
    [BEAM_SYSTEM_INFO] = {tools_system_info, false},
    [BEAM_PASSWORD] = {password_op, false},
};

static uint64_t run_op(struct js *js, const uint64_t *args)
{
    const struct js_op *op = NULL;
    double number = -1;
    uint64_t result;

    if (convert_number(args[0], &number) && number >= 0 && number < UINT32_MAX)
        op = number < BEAM_OP_COUNT ? &ops[(int)number] : web_op(js, (uint32_t)number);
    if (op == NULL)
        return turn_throw(js, "RangeError", "no such operation");
    if (js->loading && !op->loading)
        return turn_throw(js, "Error",
            "Beam cannot be used in top-level code, which runs once for all processes: do that in "
            "an exported init()");
    turn_memory_begin(js);
    result = op->run(js, args + 1);
    turn_memory_end(js);
    return result;
}

uint32_t beam_call(struct js *js, uint32_t argc, uint32_t argv)
{
    uint64_t args[JS_OP_ARGS + 1], result;
    uint32_t box;

    for (uint32_t i = 0; i <= JS_OP_ARGS; i++)
        args[i] = i < argc ? js_u64(js, js_u32(js, argv + i * 4)) : JS_UNDEFINED;
    result = run_op(js, args);
    if (turn_is_exception(result))
        return 0;
    box = q_malloc(&js->engine, 8);
    if (box == 0) {
        turn_free(js, result);
        (void)q_JS_ThrowOutOfMemory(&js->engine, js->image->ctx);
        return 0;
    }
    memcpy(js_at(js, box, 8), &result, 8);
    return box;
}
