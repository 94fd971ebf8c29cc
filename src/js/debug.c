#include "js/debug.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <anqa/gen_server.h>
#include <anqa/memory.h>

#include "js/convert.h"
#include "js/park.h"
#include "js/preempt.h"
#include "js/profile.h"
#include "js/source_map.h"
#include "js/turn.h"
#include "otp/child.h"
#include "otp/introspect.h"
#include "otp/sys.h"
#include "runtime/proc.h"
#include "runtime/sched.h"

enum {
    EVAL_MODULE = 1, /* the engine's flags */
    EVAL_COMPILE_ONLY = 32,
    READ_MAX = 1000, /* variables of a module */
    ASKED_UNIT = 1024,
    INSPECT_TICKS = 100 * TICKS_PER_MS /* of code of the script, in one answer */
};

extern const char js_debug_start[], js_debug_end[];

static const char question_tag[] = "$js.debug"; /* told apart by address */

enum question { Q_PAUSE, Q_RESUME, Q_VARIABLES, Q_STACK, Q_REPORT };

/* ---------------------------------------------------------------- the list of all */

void debug_join(struct js *js)
{
    struct js_rt *rt = js->rt;

    js->face.pid = anqa_self();
    pthread_mutex_lock(&rt->lock);
    js->face.next = rt->live;
    js->face.link = &rt->live;
    if (rt->live != NULL)
        rt->live->face.link = &js->face.next;
    rt->live = js;
    pthread_mutex_unlock(&rt->lock);
}

void debug_leave(struct js *js)
{
    pthread_mutex_lock(&js->rt->lock);
    if (js->face.link != NULL) {
        *js->face.link = js->face.next;
        if (js->face.next != NULL)
            js->face.next->face.link = js->face.link;
        js->face.link = NULL;
    }
    pthread_mutex_unlock(&js->rt->lock);
}

const char *anqa_js_status_text(anqa_js_status status)
{
    static const char *const words[] = {"idle", "running", "paused", "parked"};

    return (unsigned)status < ANQA_COUNT(words) ? words[status] : "?";
}

static anqa_js_process look_at(struct js *js)
{
    struct js_face *face = &js->face;
    uint8_t status = atomic_load_explicit(&face->status, memory_order_relaxed);

    if (status == ANQA_JS_IDLE && atomic_load_explicit(&js->use, memory_order_relaxed) == JS_PARKED)
        status = ANQA_JS_PARKED;
    return (anqa_js_process){
        .pid = face->pid,
        .script = js->script->name,
        .status = (anqa_js_status)status,
        .memory = atomic_load_explicit(&face->memory, memory_order_relaxed),
        .memory_limit = js->memory_limit,
        .turns = atomic_load_explicit(&face->turns, memory_order_relaxed),
        .preemptions = atomic_load_explicit(&face->preemptions, memory_order_relaxed),
        .time_ms = atomic_load_explicit(&face->ticks, memory_order_relaxed) / TICKS_PER_MS,
    };
}

anqa_status anqa_js_processes(uint32_t limit, anqa_js_process **ret_processes, size_t *ret_count)
{
    struct js_rt *rt = js_rt_get();
    anqa_js_process *all;
    size_t count = 0;

    if (limit > ANQA_JS_PROCESSES_MAX)
        return ANQA_E_RANGE;
    if (rt == NULL)
        return ANQA_E_NOMEM;
    if (limit == 0)
        limit = 100;
    all = anqa_arena_alloc(anqa_tmp(), limit * sizeof *all);
    pthread_mutex_lock(&rt->lock);
    for (struct js *js = rt->live; js != NULL && count < limit; js = js->face.next)
        all[count++] = look_at(js);
    pthread_mutex_unlock(&rt->lock);
    *ret_processes = all;
    *ret_count = count;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- a reader of a module's variables */

/* Words that no variable is called, and that would not compile where its value is asked for. */
static bool is_reserved(anqa_str word)
{
    static const char words[] =
        " await break case catch class const continue debugger default delete do else enum export "
        "extends false finally for function if implements import in instanceof interface let new "
        "null package private protected public return static super switch this throw true try "
        "typeof var void while with yield ";
    const char *padded = anqa_tmp_printf(" %.*s ", ANQA_FMT(word));

    return strstr(words, padded) != NULL;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
           (uint8_t)c >= 0x80;
}

static anqa_str word_at(const char *at, const char *end)
{
    const char *from = at;

    while (at < end && (is_letter(*at) || (at > from && *at >= '0' && *at <= '9')))
        at++;
    return anqa_str_make(from, (size_t)(at - from));
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    return at;
}

/* Behind a value, at what ends it: a comma, a semicolon, the end of the line. */
static const char *skip_value(const char *at, const char *end)
{
    int depth = 0;
    char quote = '\0';

    for (; at < end; at++) {
        if (quote != '\0') {
            if (*at == '\\')
                at++;
            else if (*at == quote)
                quote = '\0';
        } else if (*at == '"' || *at == '\'' || *at == '`') {
            quote = *at;
        } else if (*at == '(' || *at == '[' || *at == '{') {
            depth++;
        } else if (*at == ')' || *at == ']' || *at == '}') {
            depth--;
        } else if (depth == 0 && (*at == ',' || *at == ';')) {
            return at;
        }
    }
    return end;
}

struct names {
    anqa_str all[READ_MAX];
    uint32_t count;
    size_t len;
};

static void add_name(struct names *names, anqa_str name)
{
    if (name.len == 0 || names->count == READ_MAX || is_reserved(name))
        return;
    for (uint32_t i = 0; i < names->count; i++)
        if (anqa_str_eq(names->all[i], name))
            return;
    names->all[names->count++] = name;
    names->len += name.len;
}

static bool starts_with(const char **at, const char *end, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(end - *at) < len || memcmp(*at, word, len) != 0)
        return false;
    *at += len;
    return true;
}

/* What a line declares. */
static void read_line(struct names *names, const char *at, const char *end)
{
    (void)starts_with(&at, end, "export ");
    (void)starts_with(&at, end, "default ");
    (void)starts_with(&at, end, "async ");
    if (starts_with(&at, end, "function ") || starts_with(&at, end, "function* ") ||
        starts_with(&at, end, "class ")) {
        add_name(names, word_at(at, end));
        return;
    }
    if (!starts_with(&at, end, "var ") && !starts_with(&at, end, "let ") &&
        !starts_with(&at, end, "const "))
        return;
    for (;;) {
        anqa_str name;
        at = skip_blanks(at, end);
        name = word_at(at, end);
        add_name(names, name);
        at = skip_value(at + name.len, end);
        if (at == end || *at != ',')
            return;
        at++;
    }
}

/*
 *     function $anqa_reader(n) { switch (n) { case 0: return posts; case 1: return post; } return ["posts", "post"]; }
 */
static anqa_str with_reader(anqa_str source)
{
    static const char head[] = "\nfunction $anqa_reader(n) { switch (n) {";
    static const char middle[] = " } return [";
    static const char tail[] = "]; }\nexport { $anqa_reader as \"" DEBUG_READER "\" };\n";
    struct names *names = anqa_arena_alloc(anqa_tmp(), sizeof *names);
    const char *at = source.ptr, *end = at + source.len;
    char *text, *to;

    names->count = 0;
    names->len = 0;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline == NULL ? end : newline;
        read_line(names, at, line_end);
        at = line_end + 1;
    }
    if (names->count == 0)
        return source;
    text = anqa_arena_alloc(anqa_tmp(), source.len + sizeof head + sizeof middle + sizeof tail +
                                            2 * names->len + (size_t)names->count * 32);
    memcpy(text, source.ptr, source.len);
    to = text + source.len;
    to += snprintf(to, sizeof head, "%s", head);
    for (uint32_t i = 0; i < names->count; i++)
        to += snprintf(
            to, names->all[i].len + 28, " case %u: return %.*s;", i, ANQA_FMT(names->all[i]));
    to += snprintf(to, sizeof middle, "%s", middle);
    for (uint32_t i = 0; i < names->count; i++)
        to += snprintf(to, names->all[i].len + 4, "\"%.*s\",", ANQA_FMT(names->all[i]));
    to += snprintf(to, sizeof tail, "%s", tail);
    return anqa_str_make(text, (size_t)(to - text));
}

uint64_t debug_compile(struct js *js, anqa_str source, const char *name)
{
    anqa_str whole = with_reader(source);
    uint64_t module = whole.len > source.len
                          ? turn_eval(js, whole, name, EVAL_MODULE | EVAL_COMPILE_ONLY)
                          : JS_EXCEPTION;

    if (!turn_is_exception(module))
        return module;
    if (whole.len > source.len)
        turn_free(js, q_JS_GetException(&js->engine, js->image->ctx));
    return turn_eval(js, source, name, EVAL_MODULE | EVAL_COMPILE_ONLY);
}

bool debug_load(struct js *js)
{
    struct js_image *image = js->image;
    uint64_t make = turn_eval(js,
        anqa_str_make(js_debug_start, (size_t)(js_debug_end - js_debug_start)), "anqa:debug", 0);
    uint64_t list;

    if (turn_is_exception(make))
        return false;
    list = turn_call(js, make,
        (uint64_t[]){q_JS_DupValue(&js->engine, image->ctx, image->parts[BOOT_GET_FUNCTION])}, 1);
    turn_free(js, make);
    if (turn_is_exception(list))
        return false;
    for (uint32_t i = 0; i < ANQA_COUNT(image->debug_parts); i++)
        image->debug_parts[i] = q_JS_GetPropertyInt64(&js->engine, image->ctx, list, i);
    turn_free(js, list);
    return true;
}

/* ---------------------------------------------------------------- in the engine */

/* What runs between the two is a debugger's: what it takes is not the turn's, and has a limit. */
struct inspecting {
    uint32_t ticks, soft;
    bool interrupt;
};

static struct inspecting inspect_begin(struct js *js)
{
    struct inspecting was = {js->turn_ticks, js->soft, js->interrupt};

    js->inspecting = true;
    js->interrupt = false;
    js->turn_ticks = 0;
    js->soft = INSPECT_TICKS;
    return was;
}

static void inspect_end(struct js *js, struct inspecting was)
{
    js->inspecting = false;
    js->interrupt = was.interrupt;
    js->turn_ticks = was.ticks;
    js->soft = was.soft;
}

/* Takes argv over. */
static uint64_t inspect(struct js *js, uint64_t function, const uint64_t *argv, uint32_t argc)
{
    struct inspecting was = inspect_begin(js);
    uint64_t value = turn_call(js, function, argv, argc);

    if (turn_is_exception(value))
        turn_free(js, q_JS_GetException(&js->engine, js->image->ctx));
    inspect_end(js, was);
    return value;
}

void debug_frames(struct js *js, bool places, void (*use)(void *ctx, anqa_str text), void *ctx)
{
    struct engine *e = &js->engine;
    uint64_t frames = inspect(
        js, js->image->debug_parts[DEBUG_FRAMES], (uint64_t[]){places ? JS_TRUE : JS_FALSE}, 1);
    uint32_t sp = e->sp, out = js_frame(js, 16), text = 0, len;

    if (JS_TAG(frames) == JS_TAG_STRING || JS_TAG(frames) == JS_TAG_STRING_ROPE)
        text = q_JS_ToCStringLen2(e, js->image->ctx, out, frames, 0);
    len = js_u32(js, out);
    e->sp = sp;
    if (text != 0) {
        use(ctx, anqa_str_make(js_at(js, text, len), len));
        q_JS_FreeCString(e, js->image->ctx, text);
    }
    turn_free(js, frames);
}

/* A part ends in \1. */
static bool next_part(anqa_str *text, anqa_str *ret)
{
    const char *mark = text->len == 0 ? NULL : memchr(text->ptr, '\1', text->len);

    if (mark == NULL)
        return false;
    *ret = anqa_str_make(text->ptr, (size_t)(mark - text->ptr));
    *text = anqa_str_make(mark + 1, text->len - ret->len - 1);
    return true;
}

static bool next_number(anqa_str *text, uint32_t *ret)
{
    anqa_str part;
    uint32_t n = 0;

    if (!next_part(text, &part) || part.len > 9)
        return false;
    for (size_t i = 0; i < part.len; i++)
        n = part.ptr[i] >= '0' && part.ptr[i] <= '9' ? n * 10 + (uint32_t)(part.ptr[i] - '0') : 0;
    *ret = n;
    return true;
}

bool debug_next_frame(anqa_str *text, struct debug_frame *ret)
{
    return next_part(text, &ret->name) && next_part(text, &ret->file) &&
           next_number(text, &ret->line) && next_number(text, &ret->column) &&
           next_number(text, &ret->function_line) && next_number(text, &ret->function_column);
}

/* ---------------------------------------------------------------- answers */

struct answer {
    anqa_status status;
    anqa_str text; /* JSON, or why not */
};

static struct answer failed(anqa_status status, const char *why)
{
    return (struct answer){status, anqa_str_of(why)};
}

static struct answer finish(anqa_json_writer *w)
{
    anqa_json json;

    if (anqa_json_writer_finish(w, &json) != ANQA_OK)
        return failed(ANQA_E_LIMIT, "the answer is too long");
    return (struct answer){ANQA_OK, anqa_json_text(json)};
}

static void put_frame(
    anqa_json_writer *w, const struct js *js, struct source_map *map, struct debug_frame *f)
{
    bool known = f->line > 0;

    if (!known) {
        f->line = f->function_line;
        f->column = f->function_column;
    }
    if (map != NULL && f->line > 0 && anqa_str_is(f->file, js->script->name))
        (void)source_map_find(map, &f->line, &f->column, &f->file);
    anqa_json_begin_object(w);
    introspect_put_str(w, "function", f->name.len == 0 ? anqa_str_of("(anonymous)") : f->name);
    if (f->file.len > 0)
        introspect_put_str(w, "file", f->file);
    if (f->line > 0) {
        introspect_put_number(w, "line", f->line);
        introspect_put_number(w, "column", f->column);
    }
    anqa_json_end_object(w);
}

struct putting {
    struct js *js;
    anqa_json_writer *w;
};

static void put_frames(void *ctx, anqa_str text)
{
    const struct putting *stack = ctx;
    struct debug_frame frame;

    while (debug_next_frame(&text, &frame))
        put_frame(stack->w, stack->js, stack->js->image->source_map, &frame);
}

static struct answer answer_stack(struct js *js)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);

    anqa_json_writer_init(w, anqa_tmp(), 0);
    anqa_json_begin_array(w);
    if (js->in_turn)
        debug_frames(js, true, put_frames, &(struct putting){js, w});
    anqa_json_end_array(w);
    return finish(w);
}

/* What an answer needs of the engine, in a turn of its own or on top of the one that goes on. */
struct looking {
    void (*look)(struct js *js, struct looking *looking);
    struct answer answer;
    anqa_json json;
};

static void look_in_turn(struct js *js, void *arg)
{
    struct looking *looking = arg;

    looking->look(js, looking);
}

static void look(struct js *js, struct looking *looking)
{
    if (js->in_turn)
        looking->look(js, looking);
    else
        turn_run(js, look_in_turn, looking);
}

static void look_at_variables(struct js *js, struct looking *looking)
{
    uint64_t module = js->image->module, value;
    struct inspecting was;

    if (JS_TAG(module) == JS_TAG_OBJECT)
        module = q_JS_DupValue(&js->engine, js->image->ctx, module);
    value = inspect(js, js->image->debug_parts[DEBUG_VARIABLES], &module, 1);
    was = inspect_begin(js); /* a script may have changed what JSON is */
    looking->answer = failed(ANQA_E_LIMIT, "its variables take too long to be shown, or memory");
    if (!turn_is_exception(value) && convert_out_json(js, value, &looking->json))
        looking->answer = (struct answer){ANQA_OK, anqa_json_text(looking->json)};
    else if (!turn_is_exception(value))
        turn_free(js, q_JS_GetException(&js->engine, js->image->ctx));
    inspect_end(js, was);
    turn_free(js, value);
}

/* Numbers of the engine's own, in the order of its struct JSMemoryUsage. */
static const struct usage_row {
    uint8_t at;
    const char *name;
} usage_rows[] = {{2, "used_bytes"}, {3, "allocations"}, {5, "atoms"}, {6, "atoms_bytes"},
    {7, "strings"}, {8, "strings_bytes"}, {9, "objects"}, {10, "objects_bytes"}, {11, "properties"},
    {12, "properties_bytes"}, {13, "shapes"}, {14, "shapes_bytes"}, {15, "functions"},
    {16, "functions_bytes"}, {17, "code_bytes"}, {20, "built_ins"}, {21, "arrays"}, {24, "buffers"},
    {25, "buffers_bytes"}};
enum { USAGE_FIELDS = 26 };

static void look_at_memory(struct js *js, struct looking *looking)
{
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    struct engine *e = &js->engine;
    uint32_t sp = e->sp, out = js_frame(js, USAGE_FIELDS * 8 + 64);
    static const char *const names[] = {"timers", "monitors", "topics", "sources"};
    struct inspecting was;
    uint64_t counts;

    was = inspect_begin(js);
    q_JS_ComputeMemoryUsage(e, js->image->rt, out);
    inspect_end(js, was);
    anqa_json_writer_init(w, anqa_tmp(), 0);
    anqa_json_begin_object(w);
    anqa_json_key(w, "memory");
    anqa_json_begin_object(w);
    introspect_put_number(w, "size", e->memory.size);
    introspect_put_number(w, "limit", js->memory_limit);
    for (size_t i = 0; i < ANQA_COUNT(usage_rows); i++)
        introspect_put_number(w, usage_rows[i].name, js_u64(js, out + usage_rows[i].at * 8u));
    e->sp = sp;
    anqa_json_end_object(w);
    counts = inspect(js, js->image->parts[BOOT_COUNTS], NULL, 0);
    for (uint32_t i = 0; i < ANQA_COUNT(names) && !turn_is_exception(counts); i++) {
        double count = 0;
        (void)convert_number(q_JS_GetPropertyInt64(e, js->image->ctx, counts, i), &count);
        introspect_put_number(w, names[i], (uint64_t)count);
    }
    turn_free(js, counts);
    introspect_put_number(w, "pending_calls", js->task_count);
    introspect_put_number(w, "waiting_calls", js->waiting_count);
    anqa_json_end_object(w);
    looking->answer = finish(w);
}

/* True: it is to be paused or to go on. */
static bool answer_question(struct js *js, const anqa_msg *msg)
{
    struct looking looking = {.answer = {ANQA_OK, {"null", 4}}};
    enum question question = (enum question)msg->body.ptr[0];
    anqa_caller caller = anqa_msg_caller(msg);
    char *bytes;

    switch (question) {
    case Q_PAUSE:
    case Q_RESUME: break;
    case Q_STACK: looking.answer = answer_stack(js); break;
    case Q_VARIABLES:
        looking.look = look_at_variables;
        look(js, &looking);
        break;
    case Q_REPORT:
        looking.look = look_at_memory;
        look(js, &looking);
        break;
    }
    bytes = anqa_arena_alloc(anqa_tmp(), sizeof looking.answer.status + looking.answer.text.len);
    memcpy(bytes, &looking.answer.status, sizeof looking.answer.status);
    memcpy(bytes + sizeof looking.answer.status, looking.answer.text.ptr, looking.answer.text.len);
    anqa_reply_to(
        &caller, anqa_bytes(bytes, sizeof looking.answer.status + looking.answer.text.len));
    return question == (js->paused ? Q_RESUME : Q_PAUSE);
}

/* ---------------------------------------------------------------- pausing */

bool debug_is_question(const anqa_msg *msg)
{
    return msg->tag == question_tag && msg->body.len == 1;
}

static bool is_for_paused(const anqa_msg *msg, void *arg)
{
    return debug_is_question(msg) || msg->tag == sys_tag || msg->tag == child_stop_tag ||
           (msg->kind == ANQA_MSG_EXIT && child_is_told_to_end(msg));
}

static bool answer_paused(struct js *js, const anqa_msg *msg)
{
    bool resumed;

    if (js->in_turn)
        preempt_enter(js);
    resumed = answer_question(js, msg);
    if (js->in_turn)
        preempt_leave();
    return resumed;
}

static void pause_here(struct js *js)
{
    struct sched *s;
    struct child_head *head = proc_self(&s)->state;

    js->paused = true;
    js_status(js, ANQA_JS_PAUSED);
    while (js->paused) {
        const anqa_msg *msg = anqa_receive_if(is_for_paused, NULL, ANQA_INFINITY);
        if (msg->tag == child_stop_tag)
            anqa_exit(child_stop_reason(msg));
        if (msg->kind == ANQA_MSG_EXIT)
            anqa_exit(anqa_reason_ref(msg->u.reason));
        if (msg->tag == sys_tag)
            sys_handle(head, msg);
        else
            js->paused = !answer_paused(js, msg);
        anqa_msg_free(msg);
        if (!js->in_turn) /* all of it is our answers' */
            anqa_arena_reset(anqa_tmp());
    }
    js_status(js, js->in_turn ? ANQA_JS_RUNNING : ANQA_JS_IDLE);
}

void debug_answer(struct js *js, const anqa_msg *msg)
{
    if (answer_question(js, msg))
        pause_here(js);
}

/* ---------------------------------------------------------------- in a turn */

/* Unless somebody has asked since. */
static void stop_looking(struct js *js, uint64_t asked)
{
    atomic_compare_exchange_strong_explicit(
        &js->face.asked, &asked, 0, memory_order_relaxed, memory_order_relaxed);
}

void debug_tick(struct js *js)
{
    uint64_t asked = atomic_load_explicit(&js->face.asked, memory_order_relaxed);

    if (js->loading || js->inspecting)
        return;
    js->sample = atomic_load_explicit(&js->rt->profiling, memory_order_relaxed);
    js->look = asked != 0;
    if (asked != 0 && anqa_now_ms() > asked / ASKED_UNIT)
        stop_looking(js, asked);
    if ((js->sample || js->look) && js->image->polls != 0) {
        uint32_t soon = 1;
        memcpy(js_at(js, js->image->polls, sizeof soon), &soon, sizeof soon);
    }
}

static bool is_question(const anqa_msg *msg, void *arg)
{
    return debug_is_question(msg);
}

static void answer_questions(struct js *js)
{
    uint64_t asked = atomic_load_explicit(&js->face.asked, memory_order_relaxed);
    const anqa_msg *msg;

    preempt_leave();
    while ((msg = anqa_receive_if(is_question, NULL, 0)) != NULL) {
        preempt_enter(js);
        if (answer_question(js, msg)) {
            preempt_leave();
            pause_here(js);
        }
        preempt_leave();
        anqa_msg_free(msg);
        stop_looking(
            js, asked); /* of two who ask at once the other is looked for again by his own word */
    }
    preempt_enter(js);
}

void debug_safe_point(struct js *js)
{
    bool look = js->look, sample = js->sample;

    if (js->inspecting)
        return;
    js->look = js->sample = false;
    if (sample)
        profile_sample(js);
    if (look)
        answer_questions(js);
}

/* ---------------------------------------------------------------- asking */

/* Leaves word for a turn that goes on. */
static anqa_status announce(anqa_pid pid, uint32_t timeout_ms, anqa_error *err)
{
    struct js_rt *rt = js_rt_get();
    char text[ANQA_PID_TEXT];
    struct js *js;

    if (rt == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "no memory for JavaScript");
    pthread_mutex_lock(&rt->lock);
    js = rt->live;
    while (js != NULL && !anqa_pid_eq(js->face.pid, pid))
        js = js->face.next;
    if (js != NULL)
        atomic_store_explicit(&js->face.asked,
            (anqa_now_ms() + timeout_ms) * ASKED_UNIT + rt->questions++ % ASKED_UNIT,
            memory_order_relaxed);
    pthread_mutex_unlock(&rt->lock);
    if (js != NULL)
        return ANQA_OK;
    if (!anqa_is_alive(pid))
        return anqa_fail(
            err, ANQA_E_NOPROC, "%s is no process, or has ended", anqa_pid_text(pid, text));
    return anqa_fail(
        err, ANQA_E_UNSUPPORTED, "%s is no JavaScript process", anqa_pid_text(pid, text));
}

static anqa_status ask(
    anqa_pid pid, enum question question, uint32_t timeout_ms, anqa_json *ret_json, anqa_error *err)
{
    char byte = (char)question;
    const anqa_msg *msg = NULL;
    anqa_status status, answered;

    if (timeout_ms == 0)
        timeout_ms = ANQA_CALL_TIMEOUT_MS;
    if (timeout_ms > INT32_MAX)
        timeout_ms = INT32_MAX;
    status = announce(pid, timeout_ms, err);
    if (status == ANQA_OK)
        status =
            anqa_try_call_payload(pid, question_tag, anqa_bytes(&byte, 1), timeout_ms, &msg, err);
    if (status != ANQA_OK)
        return status;
    if (msg->body.len < sizeof answered)
        return anqa_fail(err, ANQA_E_PARSE, "what was asked is no JavaScript process");
    memcpy(&answered, msg->body.ptr, sizeof answered);
    if (answered != ANQA_OK)
        return anqa_fail(err, answered, "%.*s", (int)(msg->body.len - sizeof answered),
            msg->body.ptr + sizeof answered);
    if (ret_json != NULL)
        *ret_json = anqa_json_of(
            anqa_str_make(msg->body.ptr + sizeof answered, msg->body.len - sizeof answered));
    return ANQA_OK;
}

anqa_status anqa_js_pause(anqa_pid pid, uint32_t timeout_ms, anqa_error *err)
{
    return ask(pid, Q_PAUSE, timeout_ms, NULL, err);
}

anqa_status anqa_js_resume(anqa_pid pid, uint32_t timeout_ms, anqa_error *err)
{
    return ask(pid, Q_RESUME, timeout_ms, NULL, err);
}

anqa_status anqa_js_variables(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_variables, anqa_error *err)
{
    return ask(pid, Q_VARIABLES, timeout_ms, ret_variables, err);
}

anqa_status anqa_js_stack(anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_stack, anqa_error *err)
{
    return ask(pid, Q_STACK, timeout_ms, ret_stack, err);
}

anqa_status anqa_js_report(
    anqa_pid pid, uint32_t timeout_ms, anqa_json *ret_report, anqa_error *err)
{
    return ask(pid, Q_REPORT, timeout_ms, ret_report, err);
}
