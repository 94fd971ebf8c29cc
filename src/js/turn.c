#include "js/turn.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <anqa/log.h>
#include <anqa/memory.h>

#include "js/convert.h"
#include "js/coverage.h"
#include "js/park.h"
#include "js/preempt.h"
#include "js/source_map.h"
#include "js/spawn.h"
#include "js/store.h"
#include "js/web/web.h"
#include "runtime/deep.h"

enum {
    DEFAULT_JOBS = 100000,
    ERRORS_MAX = 100, /* logged of one turn */
    TEXT_MAX = 8192,
    THROW_MAX = 300,
    RESETS_APART = 1000, /* after so many, ids come again */
    IDS_APART = 1 << 21
};

/* ---------------------------------------------------------------- entering */

static uint32_t most_jobs(const struct js *js)
{
    uint32_t limit = js->script->limits.jobs;

    return limit == 0 ? DEFAULT_JOBS : limit;
}

static const char *too_many_jobs(const struct js *js)
{
    return anqa_tmp_printf("more than %u jobs in one turn", most_jobs(js));
}

struct entry {
    struct js *js;
    void (*work)(struct js *js, void *arg);
    void *arg;
};

static void drop_rejection(struct js *js, uint32_t i)
{
    uint32_t reason = js->rejected[i], promise = js->rejected_promises[i];

    js->rejected_count--;
    js->rejected[i] = js->rejected[js->rejected_count];
    js->rejected_promises[i] = js->rejected_promises[js->rejected_count];
    q_qjs_free_value(&js->engine, reason);
    q_qjs_free_value(&js->engine, promise);
}

/* Each leaves the list before it is looked at: what that runs of a script may handle it, or others, and make new ones, of which no
 * more are told than could have been there. */
static void log_rejections(struct js *js)
{
    for (uint32_t n = 0; n < ANQA_COUNT(js->rejected) && js->rejected_count > 0; n++) {
        uint64_t reason = q_JS_DupValue(&js->engine, js->image->ctx, js_u64(js, js->rejected[0]));
        anqa_js_error error;
        drop_rejection(js, 0);
        error = turn_error_of(js, reason);
        turn_log_error(js, "js.unhandled_rejection", &error);
        turn_free(js, reason);
    }
    while (js->rejected_count > 0)
        drop_rejection(js, 0);
}

static void log_left_out(struct js *js)
{
    char pid[ANQA_PID_TEXT];
    anqa_js_error error = {
        .message = anqa_str_of(anqa_tmp_printf("and %u more errors", js->errors - ERRORS_MAX))};

    anqa_log(ANQA_ERROR, "js.errors_left_out", "script=%s process=%s count=%u", js->script->name,
        anqa_pid_text(anqa_self(), pid), js->errors - ERRORS_MAX);
    if (js->self != NULL && js->self->worker)
        web_worker_failed(js, &error);
}

/* What must differ from all that began as the same image. */
static void refresh(struct js *js)
{
    uint64_t seed = 0;

    js->fresh = false;
    js->window->touched = true;
    if (!js->window->warm)
        image_warm(js);
    while (seed == 0)
        image_random(js, &seed, sizeof seed);
    memcpy(js_at(js, js->image->random, sizeof seed), &seed, sizeof seed);
    if ((js->image->has_timers || js->resets > 0) && !js->restored)
        turn_free(js, turn_call(js, js->image->parts[BOOT_REBASE],
                          (uint64_t[]){convert_double((double)anqa_now_ms()),
                              convert_double((double)(js->resets % RESETS_APART) * IDS_APART)},
                          2));
}

static void enter(void *arg)
{
    const struct entry *entry = arg;
    struct js *js = entry->js;
    bool first = js->fresh;

    js->in_turn = true;
    js->turn_ticks = js->jobs = 0;
    js->sent = 0;
    js->errors = 0;
    js->interrupt = false;
    js_status(js, ANQA_JS_RUNNING);
    preempt_enter(js);
    if (js->fresh)
        refresh(js);
    entry->work(js, entry->arg);
    if (js->rejected_count > 0)
        log_rejections(js);
    if (js->errors > ERRORS_MAX)
        log_left_out(js);
    preempt_leave();
    if (js->image->counter_count > 0)
        coverage_harvest(js);
    js->in_turn = false;
    js_count(&js->face.turns);
    js_status(js, ANQA_JS_IDLE);
    if (first && !js->restored &&
        atomic_load_explicit(&js->image->hot_count, memory_order_relaxed) == IMAGE_HOT_NONE)
        image_learn(js);
}

void turn_run(struct js *js, void (*work)(struct js *js, void *arg), void *arg)
{
    if (!js->loading)
        park_begin(js);
    deep_call(enter, &(struct entry){js, work, arg});
    if (js->kept && !js->loading)
        store_note_turn(js);
    if (!js->loading)
        park_end(js);
    if (js->endless && !js->loading)
        anqa_exit(anqa_error_reason(
            "script '%s' queues jobs without end: %s", js->script->name, too_many_jobs(js)));
}

/* ---------------------------------------------------------------- memory that ends before the event */

void turn_memory_begin(struct js *js)
{
    struct js_memory *memory = malloc(sizeof *memory);
    anqa_arena *tmp = anqa_tmp();

    if (memory == NULL)
        anqa_exit(
            anqa_reason_make(ANQA_REASON_SYSTEM_LIMIT, "JavaScript: no memory for an operation"));
    *memory = (struct js_memory){js->outer, js->scratch, *tmp};
    js->outer = memory;
    js->set_aside += memory->scratch.held;
    js->scratch = (anqa_arena){0};
    *tmp = (anqa_arena){.limit = tmp->limit, .on_fail = tmp->on_fail};
}

/* The scratch memory of what has called. */
static void memory_back(struct js *js, struct js_memory *memory)
{
    anqa_arena_done(&js->scratch);
    js->scratch = memory->scratch;
    js->set_aside -= memory->scratch.held;
    js->outer = memory->outer;
}

void turn_memory_end(struct js *js)
{
    struct js_memory *memory = js->outer;
    anqa_arena *tmp = anqa_tmp();

    anqa_arena_done(tmp);
    *tmp = memory->tmp;
    memory_back(js, memory);
    free(memory);
}

void turn_memory_drop(struct js *js)
{
    while (js->outer != NULL) {
        struct js_memory *memory = js->outer;
        anqa_arena_done(&memory->tmp); /* that of the stack is the runtime's to give back */
        memory_back(js, memory);
        free(memory);
    }
    anqa_arena_done(&js->scratch);
}

/* ---------------------------------------------------------------- calls */

void turn_free(struct js *js, uint64_t value)
{
    if (JS_TAG(value) < 0) /* others are not counted */
        q_JS_FreeValue(&js->engine, js->image->ctx, value);
}

uint64_t turn_call(struct js *js, uint64_t function, const uint64_t *argv, uint32_t argc)
{
    uint32_t sp = js->engine.sp, at = js_frame(js, argc * 8);
    uint64_t value = JS_UNDEFINED;

    for (uint32_t i = 0; i < argc; i++)
        if (turn_is_exception(argv[i]))
            value = JS_EXCEPTION;
    if (argc > 0)
        memcpy(js_at(js, at, argc * 8), argv, (size_t)argc * 8);
    if (!turn_is_exception(value))
        value = q_JS_Call(&js->engine, js->image->ctx, function, JS_UNDEFINED, argc, at);
    js->engine.sp = sp;
    for (uint32_t i = 0; i < argc; i++)
        turn_free(js, argv[i]);
    return value;
}

uint32_t turn_put(struct js *js, const void *bytes, size_t len)
{
    uint32_t at = len >= js->memory_limit ? 0 : q_malloc(&js->engine, (uint32_t)len + 1);
    char *to;

    if (at == 0)
        return 0;
    to = js_at(js, at, (uint32_t)len + 1);
    if (len > 0)
        memcpy(to, bytes, len);
    to[len] = '\0';
    return at;
}

/* ---------------------------------------------------------------- errors */

bool turn_text_in(struct js *js, uint64_t value, anqa_arena *arena, anqa_str *ret_text)
{
    uint32_t sp = js->engine.sp, out = js_frame(js, 16);
    uint32_t text = q_JS_ToCStringLen2(&js->engine, js->image->ctx, out, value, 0);
    uint32_t len = js_u32(js, out);

    js->engine.sp = sp;
    if (text == 0) {
        turn_free(js, q_JS_GetException(&js->engine, js->image->ctx));
        return false;
    }
    *ret_text = anqa_str_make(anqa_arena_copy(arena, js_at(js, text, len), len), len);
    q_JS_FreeCString(&js->engine, js->image->ctx, text);
    return true;
}

bool turn_text(struct js *js, uint64_t value, anqa_str *ret_text)
{
    return turn_text_in(js, value, anqa_tmp(), ret_text);
}

uint32_t turn_text_begin(struct js *js, uint64_t string, anqa_str *ret_text)
{
    uint32_t sp = js->engine.sp, out = js_frame(js, 16);
    uint32_t text = q_JS_ToCStringLen2(&js->engine, js->image->ctx, out, string, 0);
    uint32_t len = js_u32(js, out);

    js->engine.sp = sp;
    if (text != 0)
        *ret_text = anqa_str_make(js_at(js, text, len), len);
    return text;
}

void turn_text_done(struct js *js, uint32_t text)
{
    q_JS_FreeCString(&js->engine, js->image->ctx, text);
}

uint64_t turn_eval(struct js *js, anqa_str text, const char *name, uint32_t flags)
{
    uint32_t code = turn_put(js, text.ptr, text.len), file = turn_put(js, name, strlen(name));
    uint64_t value = JS_EXCEPTION;

    if (code != 0 && file != 0)
        value = q_JS_Eval(&js->engine, js->image->ctx, code, (uint32_t)text.len, file, flags);
    q_free(&js->engine, code);
    q_free(&js->engine, file);
    return value;
}

/* turn_text, cut to what people read. */
static bool cut_text(struct js *js, uint64_t value, anqa_str *ret_text)
{
    anqa_str whole;
    uint32_t text = turn_text_begin(js, value, &whole);

    if (text == 0) {
        turn_free(js, q_JS_GetException(&js->engine, js->image->ctx));
        return false;
    }
    if (whole.len > TEXT_MAX)
        whole.len = TEXT_MAX;
    *ret_text = anqa_str_make(anqa_tmp_copy(whole.ptr, whole.len), whole.len);
    turn_text_done(js, text);
    return true;
}

/* A property's text, cut to what people read; empty when it has none, or asking for it fails. */
static anqa_str property_text(struct js *js, uint64_t object, const char *name)
{
    uint32_t sp = js->engine.sp, at = js_frame(js, 16);
    anqa_str text = {NULL, 0};
    uint64_t value;

    memcpy(js_at(js, at, 16), name, strlen(name) + 1);
    value = q_JS_GetPropertyStr(&js->engine, js->image->ctx, object, at);
    js->engine.sp = sp;
    if (turn_is_exception(value))
        turn_free(js, q_JS_GetException(&js->engine, js->image->ctx));
    else if (JS_TAG(value) != JS_TAG_UNDEFINED)
        (void)cut_text(js, value, &text);
    turn_free(js, value);
    return text;
}

static const char *interrupted(const struct js *js)
{
    return anqa_tmp_printf("interrupted: a turn of more than %u ms", js->soft / TICKS_PER_MS);
}

/* A turn that was cut, as an error. */
static anqa_js_error cut_error(const char *why)
{
    return (anqa_js_error){.name = anqa_str_of("InternalError"), .message = anqa_str_of(why)};
}

static const anqa_str cannot_be_shown = {"[cannot be shown]", 17};

anqa_js_error turn_error_of(struct js *js, uint64_t thrown)
{
    anqa_js_error error = {.message = cannot_be_shown};

    if (!q_JS_IsError(&js->engine, thrown)) {
        if (JS_TAG(thrown) == JS_TAG_SYMBOL || !cut_text(js, thrown, &error.message))
            error.message = cannot_be_shown;
        return error;
    }
    error.name = property_text(js, thrown, "name");
    error.message = property_text(js, thrown, "message");
    error.stack = property_text(js, thrown, "stack");
    if (js->image->source_map != NULL)
        error.stack = source_map_apply(js->image->source_map, js->script->name, error.stack);
    if (js->interrupt && anqa_str_is(error.message, "interrupted"))
        error.message = anqa_str_of(interrupted(js));
    return error;
}

anqa_js_error turn_exception(struct js *js)
{
    uint64_t thrown = q_JS_GetException(&js->engine, js->image->ctx);
    anqa_js_error error = turn_error_of(js, thrown);

    turn_free(js, thrown);
    return error;
}

uint64_t turn_throw(struct js *js, const char *name, const char *format, ...)
{
    char text[THROW_MAX];
    va_list args;
    int len;
    uint64_t error;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len >= (int)sizeof text)
        len = (int)sizeof text - 1;
    error = turn_call(js, js->image->parts[BOOT_FAIL],
        (uint64_t[]){convert_string(js, anqa_str_of(name)),
            convert_string(js, anqa_str_make(text, len < 0 ? 0 : (size_t)len))},
        2);
    if (turn_is_exception(error))
        return error;
    return q_JS_Throw(&js->engine, js->image->ctx, error);
}

void turn_log_error(struct js *js, const char *id, const anqa_js_error *error)
{
    char pid[ANQA_PID_TEXT];

    js->sent += error->name.len + error->message.len + error->stack.len;
    if (js->errors++ >= ERRORS_MAX)
        return;
    anqa_log(ANQA_ERROR, id, "script=%s process=%s error=%.*s message=%.*s stack=%.*s",
        js->script->name, anqa_pid_text(anqa_self(), pid), ANQA_FMT(error->name),
        ANQA_FMT(error->message), ANQA_FMT(error->stack));
    if (js->self != NULL && js->self->worker)
        web_worker_failed(js, error);
}

void turn_log_exception(struct js *js, const char *id)
{
    uint64_t thrown = q_JS_GetException(&js->engine, js->image->ctx);

    if (js->errors < ERRORS_MAX) {
        anqa_js_error error;
        turn_memory_begin(js);
        error = turn_error_of(js, thrown);
        turn_log_error(js, id, &error);
        turn_memory_end(js);
    } else {
        js->errors++;
    }
    turn_free(js, thrown);
}

/* ---------------------------------------------------------------- what follows */

/* Somebody handles it after all. */
static void forget_rejection(struct js *js, uint64_t promise)
{
    uint32_t i = 0;

    while (i < js->rejected_count && js_u64(js, js->rejected_promises[i]) != promise)
        i++;
    if (i < js->rejected_count)
        drop_rejection(js, i);
}

void turn_note_rejection(struct js *js, uint32_t promise, uint32_t reason, bool handled)
{
    if (!handled && js->rejected_count < ANQA_COUNT(js->rejected)) {
        js->rejected[js->rejected_count] = reason;
        js->rejected_promises[js->rejected_count++] = promise;
        return;
    }
    if (handled)
        forget_rejection(js, js_u64(js, promise));
    q_qjs_free_value(&js->engine, promise);
    q_qjs_free_value(&js->engine, reason);
}

bool turn_jobs(struct js *js, anqa_js_error *ret_error)
{
    struct engine *e = &js->engine;
    uint32_t rt = js->image->rt, sp = e->sp, out = js_frame(js, 16);

    while (q_JS_IsJobPending(e, rt)) {
        js->endless = !js->interrupt && ++js->jobs > most_jobs(js);
        if (js->interrupt || js->endless) {
            e->sp = sp;
            *ret_error = cut_error(js->endless ? too_many_jobs(js) : interrupted(js));
            return false;
        }
        if ((int32_t)q_JS_ExecutePendingJob(e, rt, out) < 0)
            turn_log_exception(js, "js.job_failed");
    }
    e->sp = sp;
    return true;
}

struct js_outcome turn_settle(struct js *js, uint64_t value)
{
    struct js_outcome outcome = {.kind = OUTCOME_ERROR, .value = value};
    struct engine *e = &js->engine;
    uint32_t ctx = js->image->ctx;
    uint64_t result;

    if (turn_is_exception(value)) {
        anqa_js_error ignored;
        outcome.error = turn_exception(js);
        (void)turn_jobs(js, &ignored);
        return outcome;
    }
    if (!turn_jobs(js, &outcome.error)) {
        turn_free(js, value);
        return outcome;
    }
    if (JS_TAG(value) != JS_TAG_OBJECT || !q_JS_IsPromise(e, value)) {
        outcome.kind = OUTCOME_VALUE;
        return outcome;
    }
    switch (q_JS_PromiseState(e, ctx, value)) {
    case 0:
        if (!js->interrupt) {
            outcome.kind = OUTCOME_PENDING;
            return outcome;
        }
        /* what was to settle it may be the job that was cut, the last one: then nothing ever does */
        outcome.error = cut_error(interrupted(js));
        break;
    case 1:
        outcome.kind = OUTCOME_VALUE;
        outcome.value = q_JS_PromiseResult(e, ctx, value);
        break;
    default:
        result = q_JS_PromiseResult(e, ctx, value);
        outcome.error = turn_error_of(js, result);
        turn_free(js, result);
        forget_rejection(js, value); /* who asked hears of it */
    }
    turn_free(js, value);
    return outcome;
}
