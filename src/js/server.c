/*
 * The process: a gen_server that hands what arrives to its script. What is asked of it, and how, is in ask.h; any other call
 * is one of anqa_call: its tag is the function, its body the argument, the answer bare JSON.
 */
#include <stdio.h>

#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/pubsub.h>

#include "js/ask.h"
#include "js/beam.h"
#include "js/bytecode.h"
#include "js/convert.h"
#include "js/coverage.h"
#include "js/debug.h"
#include "js/js.h"
#include "js/park.h"
#include "js/preempt.h"
#include "js/snapshot.h"
#include "js/spawn.h"
#include "js/store.h"
#include "js/turn.h"
#include "js/web/web.h"
#include "otp/child.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

static_assert(sizeof(struct js) <= ANQA_JS_STATE_SIZE_, "ANQA_JS_STATE_SIZE_ in anqa/js.h");

enum {
    ARGS_MAX = 64,
    DEFAULT_CALLS = 1000,
    FIRES_MAX = 1000 /* timers in one turn */
};
/* enum: numbers of the engine's JSMemoryUsage */
enum {
    USAGE_USED = 2,
    USAGE_PIECES = 4,
    USAGE_ATOMS = 5,
    USAGE_STRINGS = 7,
    USAGE_OBJECTS = 9,
    USAGE_PROPERTIES = 11,
    USAGE_SHAPES = 13,
    USAGE_FUNCTIONS = 15,
    USAGE_CODE = 17,
    USAGE_ARRAYS = 21,
    USAGE_BUFFERS = 24,
    USAGE_BUFFER_BYTES = 25,
    USAGE_FIELDS = 26
};
#define MEMORY_DEFAULT ((size_t)64 << 20)
#define MEMORY_LEAST ((size_t)4 << 20)
#define MEMORY_MOST ((size_t)2 << 30)

/* ---------------------------------------------------------------- begin and end */

static void give_back(struct exit_hook *hook, anqa_pid pid)
{
    struct js *js = ANQA_CONTAINER_OF(hook, struct js, hook);

    if (js_thread.running == js)
        preempt_leave();
    turn_memory_drop(js); /* it may have ended in the midst of an operation */
    debug_leave(js);
    if (js->in_turn && js->image != NULL && js->image->counter_count > 0)
        coverage_harvest(js); /* it is ended in the midst of one */
    spawn_end_children(js, pid);
    park_leave(js);
    image_leave(js);
    spawn_leave(js);
}

static void set_limits(struct js *js)
{
    const anqa_js_limits *limits = &js->script->limits;
    size_t memory = limits->memory == 0 ? MEMORY_DEFAULT : limits->memory;
    uint32_t turn_ms = limits->turn_ms == 0 ? ANQA_JS_TURN_MS : limits->turn_ms;

    if (memory < MEMORY_LEAST)
        memory = MEMORY_LEAST;
    if (memory > MEMORY_MOST)
        memory = MEMORY_MOST;
    js->memory_limit = (uint32_t)memory;
    if (turn_ms > UINT32_MAX / 8)
        turn_ms = UINT32_MAX / 8;
    js->soft = turn_ms * TICKS_PER_MS;
    js->hard = js->soft * 2 + 2;
}

struct starting {
    anqa_value arg;
    double restored_ms; /* since the snapshot was taken */
    anqa_js_error error;
    bool failed;
};

static void run_export(struct js *js, struct starting *starting, int32_t which)
{
    struct js_image *image = js->image;
    uint64_t fn =
        q_JS_GetProperty(&js->engine, image->ctx, image->namespace, image->exports[which].atom);
    uint64_t value = turn_is_exception(fn) ? fn : convert_in(js, starting->arg);
    struct js_outcome outcome;

    if (!turn_is_exception(value))
        value = turn_call(js, fn, &value, 1);
    turn_free(js, fn);
    outcome = turn_settle(js, value);
    starting->failed = outcome.kind == OUTCOME_ERROR;
    starting->error = outcome.error;
    if (!starting->failed)
        turn_free(js, outcome.value);
}

static void run_init(struct js *js, void *arg)
{
    run_export(js, arg, js->image->init);
}

/* Before anything else that is of the snapshot runs, it hears that it is one. */
static void run_restored(struct js *js, void *arg)
{
    struct starting *starting = arg;
    uint64_t value = turn_call(js, js->image->parts[BOOT_RESTORED],
        (uint64_t[]){convert_double(starting->restored_ms)}, 1);
    struct js_outcome outcome = turn_settle(js, value);

    starting->failed = outcome.kind == OUTCOME_ERROR;
    starting->error = outcome.error;
    if (!starting->failed)
        turn_free(js, outcome.value);
    if (!starting->failed && js->image->restored >= 0)
        run_export(js, starting, js->image->restored);
}

/* Only so that the timers of top-level code are counted from now. */
static void run_nothing(struct js *js, void *arg)
{
}

static anqa_reason init_failed(const struct js *js, const anqa_js_error *error)
{
    return anqa_error_reason("script '%s': %s: %.*s%s%.*s\n%.*s", js->script->name,
        js->restored ? "restored" : "init", ANQA_FMT(error->name), error->name.len > 0 ? ": " : "",
        ANQA_FMT(error->message), ANQA_FMT(error->stack));
}

/* What a start is given by anqa_js_restore_link: the key of a parcel with the snapshot, then the argument. Told apart by
 * address: nobody outside of this program can write one. */
struct restore_arg {
    const char *mark;
    uint64_t key;
};
static const char restore_mark[] = "$js.restore";

/* Takes the argument apart. False: the parcel is gone. */
static bool read_arg(struct js *js, const void *arg, size_t size, anqa_buf *ret_snapshot)
{
    struct restore_arg restore = {NULL, 0};

    *ret_snapshot = (anqa_buf){0};
    if (size >= sizeof restore)
        memcpy(&restore, arg, sizeof restore);
    if (restore.mark != restore_mark) {
        js->arg = (anqa_value){arg, size};
        return true;
    }
    js->arg = (anqa_value){(const char *)arg + sizeof restore, size - sizeof restore};
    return js_parcel_take(js->rt, restore.key, ret_snapshot);
}

/* What a process does with fresh memory. False: it failed. */
static bool begin(struct js *js, double restored_ms, anqa_reason *ret_why)
{
    struct starting starting = {.arg = js->arg, .restored_ms = restored_ms};

    if (js->restored)
        turn_run(js, run_restored, &starting);
    else if (js->image->init >= 0)
        turn_run(js, run_init, &starting);
    else if (js->image->has_timers)
        turn_run(js, run_nothing, NULL);
    else
        park_end(js);
    if (starting.failed)
        *ret_why = init_failed(js, &starting.error);
    return !starting.failed;
}

/* What the process begins as: what it was given, or what its store has; else its ptr stays NULL. */
static anqa_status find_snapshot(struct js *js, anqa_buf *snapshot, anqa_error *err)
{
    anqa_status status = ANQA_OK;

    if (snapshot->ptr == NULL && js->kept) {
        status = store_load(js, snapshot, err);
        if (status == ANQA_E_NOT_FOUND)
            return ANQA_OK;
    }
    if (status == ANQA_OK && snapshot->ptr != NULL)
        snapshot_hold(*snapshot);
    return status;
}

/* given: not by its store. What has been refused is not worth a start, if the store says so. */
static anqa_status put(
    struct js *js, anqa_buf snapshot, bool given, double *ret_ms, anqa_error *err)
{
    anqa_str id = anqa_child_id();
    anqa_status status =
        snapshot.ptr == NULL ? ANQA_OK : snapshot_put(js, anqa_buf_str(snapshot), ret_ms, err);

    if (status == ANQA_OK || given || !js->script->store->anew)
        return status;
    anqa_log(ANQA_WARN, "js.snapshot_refused", "script=%s id=%.*s error=%s next=begins_anew",
        js->script->name, ANQA_FMT(id), err->text);
    return ANQA_OK;
}

/* From the image, or the snapshot. A failure is one of the start. */
static anqa_status open_memory(struct js *js, anqa_buf given, double *ret_ms, anqa_error *err)
{
    anqa_buf snapshot = given;
    anqa_status status =
        find_snapshot(js, &snapshot, err); /* which may take long: before there is a window */

    if (status == ANQA_OK && image_open(js, err) != ANQA_OK)
        status = ANQA_E_STOPPED;
    if (status == ANQA_OK)
        status = put(js, snapshot, given.ptr != NULL, ret_ms, err);
    return status;
}

anqa_next anqa_js_init_(void *state, const void *arg)
{
    struct js *js = state;
    struct sched *s;
    struct child_head *head = proc_self(&s)->state;
    anqa_deferred mark = anqa_defer_mark();
    anqa_buf snapshot = {0};
    double restored_ms = 0;
    anqa_status status;
    anqa_reason why;
    anqa_error err;

    js->rt = js_rt_get();
    if (js->rt == NULL)
        return anqa_stop_with(
            anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "no memory for JavaScript"));
    js->script =
        ANQA_CONTAINER_OF((anqa_gen_server *)(uintptr_t)head->spec, anqa_js_script, server);
    js->hook.run = give_back;
    exit_hook_add(&js->hook);
    if (js->script == &spawn_spec
            ? !spawn_claim(js, arg, head->arg_size, &js->arg)
            : head->arg_size > 0 && !read_arg(js, arg, head->arg_size, &snapshot))
        return anqa_stop_with(anqa_error_reason("who started it has ended"));
    if (js->self != NULL && js->script->server.mailbox_limit > 0)
        anqa_set_mailbox_limit(js->script->server.mailbox_limit, js->script->server.overflow);
    store_begin(js);
    set_limits(js);
    web_start_clock(js);
    engine_prepare(&js->engine, js);
    debug_join(js);
    status = open_memory(js, snapshot, &restored_ms, &err);
    if (status == ANQA_E_STOPPED)
        return anqa_stop_with(anqa_error_reason("%s", err.text));
    if (status != ANQA_OK)
        child_failed(head, status, err.text, anqa_error_reason("%s", err.text));
    anqa_defer_run_to(mark);
    if (!begin(js, restored_ms, &why))
        return anqa_stop_with(why);
    spawn_link(js);
    return anqa_noreply();
}

void anqa_js_terminate_(void *state, anqa_reason reason)
{
    store_end(state, reason);
}

/* ---------------------------------------------------------------- answers */

static anqa_payload error_payload(struct js *js, const anqa_js_error *error)
{
    anqa_value_writer writer;
    anqa_value value = {NULL, 0};
    char *bytes;

    anqa_value_writer_init(&writer, anqa_tmp(), NULL);
    anqa_value_array_begin(&writer);
    anqa_value_put_bytes(&writer, error->name); /* not always UTF-8: half surrogates */
    anqa_value_put_bytes(&writer, error->message);
    anqa_value_put_bytes(&writer, error->stack);
    anqa_value_end(&writer);
    if (anqa_value_done(&writer, &value) != ANQA_OK)
        js_trap("the text of an error is too long");
    bytes = anqa_arena_alloc(anqa_tmp(), value.len + 1);
    bytes[0] = FORM_ERROR;
    if (value.len > 0)
        memcpy(bytes + 1, value.ptr, value.len);
    return anqa_bytes(bytes, value.len + 1);
}

static void answer_error(
    struct js *js, const anqa_caller *caller, int form, const anqa_js_error *error)
{
    if (form != FORM_BARE) {
        anqa_reply_to(caller, error_payload(js, error));
        return;
    }
    anqa_reply_to(caller, anqa_text(anqa_jsonf("{'error': {'name': %.*s, 'message': %.*s}}",
                              ANQA_FMT(error->name), ANQA_FMT(error->message))));
}

static anqa_payload formed(int form, const char *ptr, size_t len)
{
    char *bytes = anqa_arena_alloc(anqa_tmp(), len + 1);

    bytes[0] = (char)form;
    memcpy(bytes + 1, ptr, len);
    return anqa_bytes(bytes, len + 1);
}

/* A value that a call has come to; not freed. */
static void answer_value(struct js *js, const anqa_caller *caller, int form, uint64_t value)
{
    anqa_value out = {NULL, 0};
    anqa_json json = {NULL, 0};
    bool ok = form == FORM_VALUE ? convert_out_whole(js, value, &out)
                                 : convert_out_json(js, value, &json);

    if (!ok) {
        anqa_js_error error = turn_exception(js);
        answer_error(js, caller, form, &error);
    } else if (form == FORM_BARE) {
        anqa_reply_to(caller, anqa_text(json));
    } else {
        anqa_reply_to(caller,
            form == FORM_VALUE ? formed(form, out.ptr, out.len) : formed(form, json.ptr, json.len));
    }
}

static struct js_waiting take_place(struct js *js, uint32_t i)
{
    struct js_waiting was = js->waiting[i];

    js->waiting[i].id = 0;
    js->waiting_count--;
    return was;
}

/* The only way to a call that waits: by its id, as what a script does in between may have answered it. False: it waits no
 * more. */
static bool take_waiting(struct js *js, uint32_t id, struct js_waiting *ret_was)
{
    uint32_t i = 0;

    while (i < js->waiting_size && (id == 0 || js->waiting[i].id != id))
        i++;
    if (i == js->waiting_size)
        return false;
    *ret_was = take_place(js, i);
    return true;
}

/* Who has given up before his call was taken is known by the time only: that he has was told when it was not owed yet. So it
 * is answered, or it would be owed for ever. */
uint32_t beam_waiting(struct js *js)
{
    static const anqa_js_error late = {
        .name = {"TimeoutError", 12}, .message = {"the time of the call is over", 28}};
    uint64_t now = anqa_now_ms();

    for (uint32_t i = 0; i < js->waiting_size; i++) {
        const struct js_waiting *waiting = &js->waiting[i];
        struct js_waiting was;
        if (waiting->id == 0 || (waiting->due_ms > now && proc_owes(&waiting->caller)))
            continue;
        was = take_place(js, i);
        if (proc_owes(&was.caller))
            answer_error(js, &was.caller, was.form, &late);
    }
    return js->waiting_count;
}

/* Notes a call whose promise is pending: its id, or 0 when as many wait as may. */
static uint32_t note_waiting(struct js *js, const anqa_caller *caller, uint64_t due_ms, int form)
{
    uint32_t most = js->script->limits.calls == 0 ? DEFAULT_CALLS : js->script->limits.calls, i = 0;

    if (js->waiting_count >= most && beam_waiting(js) >= most)
        return 0;
    while (i < js->waiting_size && js->waiting[i].id != 0)
        i++;
    if (i == js->waiting_size) {
        uint32_t size = i == 0 ? 4 : i * 2;
        js->waiting = anqa_heap_realloc(js->waiting, size * sizeof *js->waiting);
        memset(js->waiting + i, 0, (size - i) * sizeof *js->waiting);
        js->waiting_size = size;
    }
    js->waiting_count++;
    js->next_id = js->next_id == INT32_MAX ? 1 : js->next_id + 1;
    js->waiting[i] = (struct js_waiting){
        .id = js->next_id, .form = (uint8_t)form, .due_ms = due_ms, .caller = *caller};
    return js->next_id;
}

void beam_settled(struct js *js, uint32_t id, bool ok, uint64_t value)
{
    struct js_waiting was;
    anqa_js_error error;

    if (!take_waiting(js, id, &was))
        return;
    if (ok) {
        answer_value(js, &was.caller, was.form, value);
        return;
    }
    error = turn_error_of(js, value);
    answer_error(js, &was.caller, was.form, &error);
}

/* Takes over the promise. */
static void answer_later(
    struct js *js, const anqa_caller *caller, uint64_t due_ms, int form, uint64_t promise)
{
    uint32_t id = note_waiting(js, caller, due_ms, form);
    anqa_js_error error = {.name = anqa_str_of("RangeError"),
        .message = anqa_str_of("as many calls wait for an answer as may")};
    struct js_waiting was;
    uint64_t value;

    if (id == 0) {
        turn_free(js, promise);
        answer_error(js, caller, form, &error);
        return;
    }
    value =
        turn_call(js, js->image->parts[BOOT_AWAIT], (uint64_t[]){convert_double(id), promise}, 2);
    if (turn_is_exception(value)) {
        error = turn_exception(js);
        if (take_waiting(js, id, &was))
            answer_error(js, &was.caller, was.form, &error);
    }
    turn_free(js, value);
}

/* What a call has returned, taken over, becomes an answer; caller NULL: nobody waits for one. */
static void answer(
    struct js *js, const anqa_caller *caller, uint64_t due_ms, int form, uint64_t value)
{
    struct js_outcome outcome = turn_settle(js, value);

    switch (outcome.kind) {
    case OUTCOME_VALUE:
        if (caller != NULL)
            answer_value(js, caller, form, outcome.value);
        turn_free(js, outcome.value);
        return;
    case OUTCOME_PENDING:
        if (caller != NULL)
            answer_later(js, caller, due_ms, form, outcome.value);
        else
            turn_free(js, outcome.value);
        return;
    case OUTCOME_ERROR:
        if (caller != NULL)
            answer_error(js, caller, form, &outcome.error);
        else
            turn_log_error(js, "js.failed", &outcome.error);
    }
}

/* ---------------------------------------------------------------- calls */

/* What a message asks for. */
struct request {
    const anqa_caller *caller; /* NULL: a cast */
    uint64_t due_ms;           /* of the caller, see struct js_waiting */
    int form;
    enum { ASK_CALL, ASK_EVAL, ASK_TOOL } what;
    bool spread; /* an array of JSON is the list of arguments */
    anqa_str name;
    anqa_str args; /* JSON or a value, by form; of eval: the source */
};

/* The elements of an array, at most so many. False: an exception is set. */
static bool spread(struct js *js, uint64_t array, uint64_t *argv, uint32_t *ret_argc)
{
    struct engine *e = &js->engine;
    uint32_t sp = e->sp, out = js_frame(js, 16);
    bool ok = q_JS_GetLength(e, js->image->ctx, array, out) == 0;
    uint64_t length = js_u64(js, out);

    e->sp = sp;
    if (ok && length > ARGS_MAX) {
        turn_throw(js, "RangeError", "more than %d arguments", ARGS_MAX);
        ok = false;
    }
    for (uint32_t i = 0; ok && i < length; i++)
        argv[i] = q_JS_GetPropertyInt64(e, js->image->ctx, array, i);
    *ret_argc = ok ? (uint32_t)length : 0;
    turn_free(js, array);
    return ok;
}

/* argv has room for ARGS_MAX. False: an exception is set, and nothing is to be freed. */
static bool arguments(struct js *js, const struct request *r, uint64_t *argv, uint32_t *ret_argc)
{
    *ret_argc = 0;
    if (r->args.len == 0)
        return true;
    if (r->form == FORM_VALUE)
        argv[0] = convert_in(js, (anqa_value){r->args.ptr, r->args.len});
    else
        argv[0] = convert_in_json(js, anqa_json_of(r->args));
    if (turn_is_exception(argv[0]))
        return false;
    if (r->spread && JS_TAG(argv[0]) == JS_TAG_OBJECT && q_JS_IsArray(&js->engine, argv[0]))
        return spread(js, argv[0], argv, ret_argc);
    *ret_argc = 1;
    return true;
}

static uint64_t call_export(struct js *js, const struct request *r)
{
    const struct js_export *export = image_export(js->image, r->name);
    uint64_t argv[ARGS_MAX], fn, value;
    uint32_t argc;

    if (export == NULL)
        return turn_throw(js, "ReferenceError", "no function '%.*s' is exported",
            r->name.len > 100 ? 100 : (int)r->name.len, r->name.ptr);
    if (!arguments(js, r, argv, &argc))
        return JS_EXCEPTION;
    fn = q_JS_GetProperty(&js->engine, js->image->ctx, js->image->namespace, export->atom);
    value = turn_call(js, fn, argv, argc);
    turn_free(js, fn);
    return value;
}

static uint64_t eval(struct js *js, const struct request *r)
{
    uint32_t source = turn_put(js, r->args.ptr, r->args.len), sp = js->engine.sp, name;
    uint64_t value;

    if (source == 0)
        return q_JS_ThrowOutOfMemory(&js->engine, js->image->ctx);
    name = js_frame(js, 16);
    memcpy(js_at(js, name, 5), "eval", 5);
    value = q_JS_Eval(&js->engine, js->image->ctx, source, (uint32_t)r->args.len, name, 0);
    js->engine.sp = sp;
    q_free(&js->engine, source);
    return value;
}

/* boot.js's `tools`: the name, then the arguments. */
static uint64_t call_tool(struct js *js, const struct request *r)
{
    uint64_t argv[ARGS_MAX + 1];
    uint32_t argc;

    if (!arguments(js, r, argv + 1, &argc))
        return JS_EXCEPTION;
    argv[0] = convert_string(js, r->name);
    return turn_call(js, js->image->parts[BOOT_TOOLS], argv, argc + 1);
}

static void run_request(struct js *js, void *arg)
{
    const struct request *r = arg;

    answer(js, r->caller, r->due_ms, r->form,
        r->what == ASK_EVAL   ? eval(js, r)
        : r->what == ASK_TOOL ? call_tool(js, r)
                              : call_export(js, r));
}

/* The parts of a payload of ours. False: it is none. */
static bool request_read(const anqa_msg *msg, struct request *r)
{
    const char *at = msg->body.ptr;
    anqa_value checked;
    size_t name_len;

    if (msg->body.len < ASK_HEAD)
        return false;
    name_len = (uint8_t)at[1];
    memcpy(&r->due_ms, at + 2, sizeof r->due_ms);
    if (msg->body.len < ASK_HEAD + name_len)
        return false;
    r->form = (uint8_t)at[0];
    r->name = anqa_str_make(at + ASK_HEAD, name_len);
    r->args = anqa_str_make(at + ASK_HEAD + name_len, msg->body.len - ASK_HEAD - name_len);
    r->spread = true;
    r->what = anqa_tag_is(msg->tag, js_eval_tag)   ? ASK_EVAL
              : anqa_tag_is(msg->tag, js_tool_tag) ? ASK_TOOL
                                                   : ASK_CALL;
    if (r->form != FORM_VALUE)
        return r->form == FORM_JSON;
    return r->what == ASK_EVAL || r->args.len == 0 ||
           anqa_value_check(r->args.ptr, r->args.len, NULL, &checked) == ANQA_OK;
}

static void answer_info(struct js *js, const anqa_caller *caller)
{
    bool parked = park_is(js);
    anqa_js_info info = {
        .memory = js->engine.memory.size,
        .memory_limit = js->memory_limit,
        .turns = js->face.turns,
        .preemptions = js->face.preemptions,
        .time_ms = js->face.ticks / TICKS_PER_MS,
        .pending_calls = js->task_count,
        .waiting_calls = beam_waiting(js),
        .parked = parked,
        .parked_bytes = parked ? js->lines_len : 0,
    };

    anqa_reply_to(caller, anqa_bytes(&info, sizeof info));
}

static void measure(struct js *js, void *arg)
{
    uint64_t numbers[USAGE_FIELDS];
    uint32_t sp = js->engine.sp, at = js_frame(js, sizeof numbers);
    anqa_js_memory *memory = arg;

    memset(js_at(js, at, sizeof numbers), 0, sizeof numbers);
    q_JS_ComputeMemoryUsage(&js->engine, js->image->rt, at);
    memcpy(numbers, js_at(js, at, sizeof numbers), sizeof numbers);
    js->engine.sp = sp;
    *memory = (anqa_js_memory){.total = js->engine.memory.size,
        .limit = js->memory_limit,
        .used = numbers[USAGE_USED],
        .pieces = numbers[USAGE_PIECES],
        .atoms = numbers[USAGE_ATOMS],
        .strings = numbers[USAGE_STRINGS],
        .objects = numbers[USAGE_OBJECTS],
        .properties = numbers[USAGE_PROPERTIES],
        .shapes = numbers[USAGE_SHAPES],
        .functions = numbers[USAGE_FUNCTIONS],
        .code = numbers[USAGE_CODE],
        .arrays = numbers[USAGE_ARRAYS],
        .buffers = numbers[USAGE_BUFFERS],
        .buffer_bytes = numbers[USAGE_BUFFER_BYTES]};
}

static void answer_memory(struct js *js, const anqa_caller *caller)
{
    anqa_js_memory memory = {0};

    turn_run(js, measure, &memory);
    anqa_reply_to(caller, anqa_bytes(&memory, sizeof memory));
}

/* ---------------------------------------------------------------- beginning anew */

/* Calls from outside and to handlers that nobody will answer in the new state. */
static void drop_calls(struct js *js)
{
    anqa_js_error error = {.name = anqa_str_of("Error"),
        .message = anqa_str_of("the process was reset before it had answered")};

    beam_forget_tasks(js);
    for (uint32_t i = 0; i < js->waiting_size; i++) {
        struct js_waiting was;
        if (js->waiting[i].id == 0)
            continue;
        was = take_place(js, i);
        answer_error(js, &was.caller, was.form, &error);
    }
}

/* A process that works for this one alone: nothing that it tells is to come later. */
static void stop_helper(anqa_pid *helper)
{
    anqa_ref ref;

    if (anqa_pid_is_none(*helper))
        return;
    ref = anqa_monitor(*helper);
    anqa_exit_signal(*helper, ANQA_KILL);
    (void)anqa_receive_ref(ref, ANQA_INFINITY);
    *helper = (anqa_pid){0};
}

static void reset(struct js *js)
{
    anqa_reason why;

    drop_calls(js);
    stop_helper(&js->net);
    web_reset(js);
    beam_forget_monitors(js);
    spawn_stop_children(js);
    beam_forget_names(js);
    beam_forget_topics(js);
    if (js->timer.bits != 0)
        (void)anqa_timer_cancel(js->timer);
    js->timer.bits = 0;
    js->resets++;
    park_begin(js);
    if (!image_renew(js))
        anqa_exit(anqa_reason_make(
            ANQA_REASON_SYSTEM_LIMIT, "the memory of a process cannot be given back"));
    js->restored = false;
    web_start_clock(js);
    if (!begin(js, 0, &why))
        anqa_exit(why);
}

/* The bytes; or FORM_REFUSED, a status and why. */
static void answer_snapshot(struct js *js, const anqa_caller *caller)
{
    anqa_buf bytes;
    anqa_error err;
    anqa_status status = snapshot_take(js, &bytes, &err);

    if (status != ANQA_OK) {
        anqa_reply_to(caller, formed(FORM_REFUSED, anqa_tmp_printf("%c%s", (char)status, err.text),
                                  1 + strlen(err.text)));
        return;
    }
    anqa_reply_to(caller, anqa_shared(bytes));
    anqa_buf_unref(bytes);
}

anqa_next anqa_js_call_(void *state, anqa_msg *msg)
{
    struct js *js = state;
    anqa_caller caller = anqa_msg_caller(msg);
    struct request r = {.caller = &caller, .due_ms = UINT64_MAX, .form = FORM_BARE};

    if (bytecode_is_request(msg)) {
        bytecode_answer(js, msg);
        return anqa_noreply();
    }
    if (debug_is_question(msg)) {
        debug_answer(js, msg);
        return anqa_noreply();
    }
    if (anqa_tag_is(msg->tag, js_info_tag)) {
        answer_info(js, &caller);
        return anqa_noreply();
    }
    if (anqa_tag_is(msg->tag, js_memory_tag)) {
        answer_memory(js, &caller);
        return anqa_noreply();
    }
    if (anqa_tag_is(msg->tag, js_reset_tag)) {
        reset(js);
        return anqa_reply_payload(anqa_bytes("", 1));
    }
    if (anqa_tag_is(msg->tag, js_snapshot_tag)) {
        answer_snapshot(js, &caller);
        return anqa_noreply();
    }
    if (anqa_tag_is(msg->tag, js_call_tag) || anqa_tag_is(msg->tag, js_eval_tag) ||
        anqa_tag_is(msg->tag, js_tool_tag)) {
        if (!request_read(msg, &r))
            return anqa_reply_error("malformed request");
    } else {
        r.name = anqa_str_of(msg->tag);
        r.args = anqa_json_text(msg->body);
    }
    turn_run(js, run_request, &r);
    return anqa_noreply();
}

anqa_next anqa_js_cast_(void *state, anqa_msg *msg)
{
    struct request r = {
        .form = FORM_BARE, .name = anqa_str_of(msg->tag), .args = anqa_json_text(msg->body)};

    turn_run(state, run_request, &r);
    return anqa_noreply();
}

/* ---------------------------------------------------------------- other messages */

/* Calls a function of boot.js that returns what the script's function has returned. */
static void call_part(struct js *js, enum boot_part part, const uint64_t *argv, uint32_t argc)
{
    answer(js, NULL, UINT64_MAX, FORM_BARE, turn_call(js, js->image->parts[part], argv, argc));
}

static void fire(struct js *js, void *arg)
{
    anqa_js_error error;
    bool more = true, ok = true;

    js->timer.bits = 0;
    for (uint32_t i = 0; more && ok && i < FIRES_MAX; i++) {
        uint64_t value = turn_call(js, js->image->parts[BOOT_FIRE], NULL, 0);
        more = turn_is_exception(value) || value == JS_TRUE;
        if (turn_is_exception(value))
            turn_log_exception(js, "js.timer_failed");
        ok = !js->interrupt && turn_jobs(js, &error);
    }
    if ((more || !ok) && js->timer.bits == 0) /* the others have their turn */
        js->timer = anqa_send_after(anqa_self(), beam_timer_tag, anqa_nothing(), 0);
}

static void deliver(struct js *js, void *arg)
{
    const anqa_msg *msg = arg;
    uint64_t value = convert_in(js, (anqa_value){msg->body.ptr, msg->body.len});
    anqa_js_error error;

    if (turn_is_exception(value)) {
        error = turn_exception(js);
        turn_log_error(js, "js.message_lost", &error);
        return;
    }
    call_part(js, BOOT_DELIVER, (uint64_t[]){value, convert_pid_in(js, msg->from)}, 2);
}

static void down(struct js *js, const anqa_msg *msg)
{
    char key[ANQA_PID_TEXT], reason[400];

    (void)beam_forget_monitor(js, msg->ref);
    snprintf(key, sizeof key, "#Ref<%llx>", (unsigned long long)msg->ref.bits);
    anqa_reason_format(msg->u.reason, reason, sizeof reason);
    call_part(js, BOOT_DOWN,
        (uint64_t[]){convert_string(js, anqa_str_of(key)), convert_pid_in(js, msg->from),
            convert_string(js, anqa_str_of(reason))},
        3);
}

/* The result of a Beam.call, or the end of somebody. */
static void settled(struct js *js, void *arg)
{
    const anqa_msg *msg = arg;
    anqa_js_error error;

    if (beam_on_result(js, msg))
        (void)turn_jobs(js, &error);
    else if (msg->kind == ANQA_MSG_DOWN)
        down(js, msg);
}

static void heard(struct js *js, void *arg)
{
    const anqa_broadcast_view *view = arg;
    uint64_t payload = convert_in_json(js, view->payload);
    anqa_js_error error;

    if (turn_is_exception(payload)) {
        error = turn_exception(js);
        turn_log_error(js, "js.message_lost", &error);
        return;
    }
    call_part(js, BOOT_HEAR,
        (uint64_t[]){convert_string(js, view->topic), convert_string(js, view->event), payload}, 3);
}

/* What a process that works for the script has told. */
struct told {
    uint32_t id;
    anqa_value value;
};

static void hear_told(struct js *js, void *arg)
{
    const struct told *told = arg;
    uint64_t value = convert_in(js, told->value);
    anqa_js_error error;

    if (turn_is_exception(value)) {
        error = turn_exception(js);
        turn_log_error(js, "js.message_lost", &error);
        return;
    }
    call_part(js, BOOT_TOLD, (uint64_t[]){convert_double(told->id), value}, 2);
}

static void dropped(const anqa_msg *msg)
{
    char from[ANQA_PID_TEXT];

    anqa_log(ANQA_ERROR, "js.unexpected_message", "tag=%s from=%s next=dropped", msg->tag,
        anqa_pid_text(msg->from, from));
}

static bool is_normal(anqa_reason reason)
{
    return anqa_reason_get_kind(reason) == ANQA_REASON_NORMAL;
}

anqa_next anqa_js_info_(void *state, anqa_msg *msg)
{
    struct js *js = state;
    anqa_broadcast_view view;
    anqa_value checked;
    struct told told;

    if (js->kept) {
        if (msg->kind == ANQA_MSG_EXIT && !is_normal(msg->u.reason)) /* as if it trapped none */
            return anqa_stop_with(anqa_reason_ref(msg->u.reason));
        if (msg->kind == ANQA_MSG_EXIT || store_on_message(js, msg))
            return anqa_noreply();
    }
    if (msg->kind == ANQA_MSG_DOWN || msg->kind == ANQA_MSG_REPLY)
        turn_run(js, settled, msg);
    else if (msg->kind == ANQA_MSG_TIMEOUT && msg->tag == beam_timer_tag) {
        if (msg->ref.bits == js->timer.bits)
            turn_run(js, fire, NULL);
    } else if (msg->kind == ANQA_MSG_PLAIN && anqa_tag_is(msg->tag, ANQA_JS_MESSAGE) &&
               anqa_value_check(
                   msg->body.ptr, msg->body.len, &js->script->limits.values, &checked) == ANQA_OK)
        turn_run(js, deliver, msg);
    else if (msg->kind == ANQA_MSG_PLAIN && web_told(msg, &told.id, &told.value))
        turn_run(js, hear_told, &told);
    else if (msg->kind == ANQA_MSG_PLAIN && anqa_broadcast_of(msg, &view))
        turn_run(js, heard, &view);
    else
        dropped(msg);
    return anqa_noreply();
}

void anqa_js_hibernate_(void *state)
{
    struct js *js = state;

    if (!park_try_begin(js))
        return;
    image_shrink(js);
    park_end_unused(js);
}

/* ---------------------------------------------------------------- starting */

static anqa_status start(const anqa_js_script *script, const void *arg, size_t arg_size,
    const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    static const anqa_start_opts standard = {0};
    struct child_start start = {.kind = CHILD_SERVER,
        .spec = &script->server,
        .arg = arg,
        .arg_size = arg_size,
        .link = true};

    if (opts == NULL)
        opts = &standard;
    if (opts->registry != NULL && opts->name == NULL)
        return anqa_fail(err, ANQA_E_INVALID, "a start in registry '%s' needs .name, the key",
            opts->registry->name);
    start.id = anqa_str_of(opts->name != NULL ? opts->name : script->server.name);
    start.named = opts->name != NULL;
    start.registry = opts->registry;
    start.scheduler = opts->scheduler;
    start.timeout_ms = opts->timeout_ms;
    return child_start(&start, ret_pid, err);
}

anqa_status anqa_js_start_link(const anqa_js_script *script, const anqa_value *arg,
    const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    return start(
        script, arg == NULL ? NULL : arg->ptr, arg == NULL ? 0 : arg->len, opts, ret_pid, err);
}

static void drop_parcel(void *arg)
{
    uint64_t *key = arg;
    anqa_buf bytes;

    if (js_parcel_take(js_rt_get(), *key, &bytes))
        anqa_buf_unref(bytes);
    anqa_heap_free(key);
}

anqa_status anqa_js_restore_link(const anqa_js_script *script, anqa_str snapshot,
    const anqa_value *arg, const anqa_start_opts *opts, anqa_pid *ret_pid, anqa_error *err)
{
    size_t arg_len = arg == NULL ? 0 : arg->len, size = sizeof(struct restore_arg) + arg_len;
    struct js_rt *rt = js_rt_get();
    struct restore_arg *given;
    anqa_deferred mark;
    uint64_t *key;
    anqa_buf bytes;
    anqa_status status = snapshot_check(snapshot, err);

    if (status != ANQA_OK)
        return status;
    key = anqa_heap_calloc(1, sizeof *key);
    if (rt != NULL && anqa_buf_copy(snapshot.ptr, snapshot.len, &bytes) == ANQA_OK)
        *key = js_parcel_put(rt, bytes);
    if (*key == 0) {
        anqa_heap_free(key);
        return anqa_fail(err, ANQA_E_NOMEM, "a snapshot of script '%s'", script->name);
    }
    mark = anqa_defer_mark();
    (void)anqa_defer(drop_parcel, key); /* if it is not taken: killed meanwhile, or not begun */
    given = anqa_arena_alloc(anqa_tmp(), size);
    *given = (struct restore_arg){restore_mark, *key};
    if (arg_len > 0)
        memcpy(given + 1, arg->ptr, arg_len);
    status = start(script, given, size, opts, ret_pid, err);
    anqa_defer_run_to(mark);
    return status;
}
