#include "js/image.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <anqa/memory.h>

#include "base/random.h"
#include "js/beam.h"
#include "js/bytecode.h"
#include "js/convert.h"
#include "js/coverage.h"
#include "js/debug.h"
#include "js/js.h"
#include "js/lines.h"
#include "js/nursery.h"
#include "js/pages.h"
#include "js/park.h"
#include "js/platform.h"
#include "js/preempt.h"
#include "js/source.h"
#include "js/source_map.h"
#include "js/spawn.h"
#include "js/turn.h"
#include "js/web/web.h"
#include "runtime/sched.h"

enum {
    STACK_LIMIT = 256 << 10, /* of JavaScript, inside of its memory */
    CONTEXT_SPAN = 2048,     /* where Math.random's state is looked for */
    GPN_STRINGS = 1,
    EXPORTS_MAX = 4096,
    TIMERS_DEFAULT = 10000,
    VALUES_DEFAULT = 16 << 20, /* as in anqa/value.h */
    HOLE_MAX = 64 << 10,
    HOST_PAGE = LINES_PAGE,
    WARM_LEAST = 4 * HOST_PAGE, /* below, faults cost less than the call */
    LINES_ROOM = 16 << 10,
    SEARCH_PIECE = 256, /* pages */
    NURSERY_STRIPS = 2
};

/* What a seed repeats. */
static void random_of_seed(struct sched *s, char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(sched_random(s) >> 56);
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static void random_of_source(struct js_image *image, char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t z = image->seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        bytes[i] = (char)((z ^ z >> 31) >> 56);
    }
}

void image_random(struct js *js, void *bytes, size_t len)
{
    if (js->loading)
        random_of_source(js->image, bytes, len);
    else if (sched_self->deterministic)
        random_of_seed(sched_self, bytes, len);
    else
        random_bytes(bytes, len);
}

bool image_hash(struct js *js, uint8_t ret_hash[static SHA256_LEN])
{
    struct js_image *image = js->image;
    bool known;

    pthread_mutex_lock(&js->rt->lock);
    known = image->hashed;
    if (known)
        memcpy(ret_hash, image->hash, sizeof image->hash);
    pthread_mutex_unlock(&js->rt->lock);
    if (known || image->view == NULL)
        return known;
    sha256_of(image->view, image->size, ret_hash);
    pthread_mutex_lock(&js->rt->lock);
    memcpy(image->hash, ret_hash, sizeof image->hash);
    image->hashed = true;
    pthread_mutex_unlock(&js->rt->lock);
    return true;
}

/* What its maker has given it. */
static void drop_parts(struct js_image *image)
{
    for (uint32_t i = 0; i < image->export_count; i++)
        free(image->exports[i].name);
    free(image->exports);
    source_map_free(image->source_map);
    source_files_free(image->files);
    coverage_forget(image);
    if (image->view != NULL)
        munmap((void *)(uintptr_t)image->view, image->size);
    if (image->fd >= 0)
        close(image->fd);
}

void image_free(struct js_image *image)
{
    drop_parts(image);
    free(image->text);
    free(image);
}

const struct js_export *image_export(const struct js_image *image, anqa_str name)
{
    for (uint32_t i = 0; i < image->export_count; i++)
        if (anqa_str_is(name, image->exports[i].name))
            return &image->exports[i];
    return NULL;
}

/* ---------------------------------------------------------------- the pages of a first turn */

void image_warm(struct js *js)
{
    const struct js_image *image = js->image;
    uint32_t count = atomic_load_explicit(&image->hot_count, memory_order_acquire);

    if (count > IMAGE_HOT_RUNS)
        return;
    for (uint32_t i = 0; i < count; i++)
        if (image->hot[i].len >= WARM_LEAST && madvise(js->engine.memory.data + image->hot[i].at,
                                                   image->hot[i].len, MADV_POPULATE_WRITE) != 0)
            return; /* then each page comes when it is written to */
}

static uint32_t find_runs(struct pages *pages, struct js_run *runs)
{
    uint32_t count = 0;

    for (uint32_t at = 0; at < pages->size; at += HOST_PAGE) {
        if (!pages_own(pages, at))
            continue;
        if (count > 0 && runs[count - 1].at + runs[count - 1].len == at)
            runs[count - 1].len += HOST_PAGE;
        else if (count < IMAGE_HOT_RUNS)
            runs[count++] = (struct js_run){at, HOST_PAGE};
    }
    return pages->unknown ? 0 : count;
}

void image_shrink(struct js *js)
{
    const struct js_image *image = js->image;
    uint8_t *memory = js->engine.memory.data;
    struct pages pages;

    pages_begin(&pages, js->rt, memory, image->size);
    for (uint32_t at = 0; at < image->size && image->view != NULL; at += HOST_PAGE) {
        /* the C stack lies lowest; what is below its pointer is nobody's */
        bool dead = at + HOST_PAGE <= js->engine.sp;
        if (pages_own(&pages, at) &&
            (dead || memcmp(memory + at, image->view + at, HOST_PAGE) == 0))
            (void)madvise(memory + at, HOST_PAGE, MADV_DONTNEED);
    }
}

void image_learn(struct js *js)
{
    struct js_image *image = js->image;
    uint32_t unknown = IMAGE_HOT_NONE;
    struct pages pages;

    if (!atomic_compare_exchange_strong_explicit(&image->hot_count, &unknown, IMAGE_HOT_BUSY,
            memory_order_relaxed, memory_order_relaxed))
        return;
    pages_begin(&pages, js->rt, js->engine.memory.data, image->size);
    atomic_store_explicit(&image->hot_count, find_runs(&pages, image->hot),
        memory_order_release); /* pairs with image_warm */
}

/* ---------------------------------------------------------------- what differs */

bool image_search_begin(struct image_search *search, const struct js *js)
{
    const struct js_image *image = js->image;

    search->same = malloc(js->engine.memory.size / HOST_PAGE);
    if (search->same == NULL)
        return false;
    search->source = (struct lines_source){.memory = js->engine.memory.data,
        .image = image->view,
        .size = js->engine.memory.size,
        .image_size = image->size,
        .from = js->engine.sp,
        .same = search->same};
    search->again = false;
    pages_begin(&search->pages, js->rt, search->source.memory, search->source.size);
    return true;
}

void image_search_into(struct image_search *search, uint8_t *out, size_t room)
{
    search->writing = (struct lines_writing){.out = out, .room = room};
    search->page = 0;
}

bool image_search_some(struct image_search *search)
{
    uint32_t all = search->source.size / HOST_PAGE, first = search->page,
             end = first + SEARCH_PIECE;

    if (end > all)
        end = all;
    for (uint32_t i = first; i < end && !search->again; i++)
        search->same[i] = !pages_own(&search->pages, i * HOST_PAGE);
    lines_encode_pages(&search->writing, &search->source, first, end);
    search->page = end;
    search->again |= end == all;
    return end < all;
}

static size_t search_all(struct image_search *search, uint8_t *out, size_t room)
{
    image_search_into(search, out, room);
    while (image_search_some(search))
        ;
    return search->writing.len;
}

static bool exact_lines(
    struct image_search *search, uint8_t *scratch, uint8_t **ret_lines, size_t *ret_len)
{
    size_t len = search_all(search, scratch, LINES_ROOM);

    *ret_len = len;
    *ret_lines = len == 0 ? NULL : malloc(len);
    if (*ret_lines == NULL)
        return len == 0;
    if (len <= LINES_ROOM)
        memcpy(*ret_lines, scratch, len);
    else
        (void)search_all(search, *ret_lines, len);
    return true;
}

bool image_lines(const struct js *js, uint8_t **ret_lines, size_t *ret_len)
{
    uint8_t *scratch = malloc(LINES_ROOM); /* no memory of an event: that may end us */
    struct image_search search;
    bool ok = image_search_begin(&search, js);

    ok = ok && scratch != NULL && exact_lines(&search, scratch, ret_lines, ret_len);
    free(search.same);
    free(scratch);
    return ok;
}

/* ---------------------------------------------------------------- loading, in the maker's window */

static anqa_status failed(struct js *js, const char *what, anqa_error *err)
{
    anqa_js_error error = turn_exception(js);

    return anqa_fail(err, ANQA_E_SCRIPT, "script '%s' %s: %.*s%s%.*s\n%.*s", js->script->name, what,
        ANQA_FMT(error.name), error.name.len > 0 ? ": " : "", ANQA_FMT(error.message),
        ANQA_FMT(error.stack));
}

static anqa_status no_memory(struct js *js, anqa_error *err)
{
    return anqa_fail(err, ANQA_E_LIMIT,
        "script '%s' has no memory to load in: limits.memory is %u bytes", js->script->name,
        js->memory_limit);
}

/* The state of Math.random is 64 bits of the context, which it changes in a way that gives it away. */
static uint64_t xorshift(uint64_t x)
{
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    return x;
}

static bool find_random(struct js *js)
{
    struct js_image *image = js->image;
    uint64_t before[CONTEXT_SPAN / 8], after;

    memcpy(before, js_at(js, image->ctx, CONTEXT_SPAN), CONTEXT_SPAN);
    turn_free(js, turn_eval(js, anqa_str_of("Math.random()"), "random", 0));
    for (uint32_t i = 0; i < ANQA_COUNT(before); i++) {
        after = js_u64(js, image->ctx + i * 8);
        if (before[i] != 0 && after != before[i] && after == xorshift(before[i])) {
            image->random = image->ctx + i * 8;
            return true;
        }
    }
    return false;
}

static void spin(struct js *js, uint32_t rounds)
{
    const char *text = anqa_tmp_printf("for (let i = 0; i < %u; i++);", rounds);

    turn_free(js, turn_eval(js, anqa_str_of(text), "polls", 0));
}

/* The counter that goes down with each round of a loop, by one or a few. */
static void find_polls(struct js *js)
{
    enum { FEW = 50, MANY = 250, STEP_MAX = 4 };
    struct js_image *image = js->image;
    const void *context = js_at(js, image->ctx, CONTEXT_SPAN);
    const uint32_t *before, *between;

    before = (const uint32_t *)(const void *)anqa_tmp_copy(context, CONTEXT_SPAN);
    spin(js, FEW);
    between = (const uint32_t *)(const void *)anqa_tmp_copy(context, CONTEXT_SPAN);
    spin(js, MANY);
    for (uint32_t i = 0; i < CONTEXT_SPAN / 4; i++) {
        uint32_t few = before[i] - between[i];
        uint32_t many = between[i] - js_u32(js, image->ctx + i * 4);
        uint32_t step = (many - few) / (MANY - FEW);
        if (step >= 1 && step <= STEP_MAX && (many - few) % (MANY - FEW) == 0 &&
            few >= step * FEW && few < step * MANY)
            image->polls = image->ctx + i * 4;
    }
}

/* Top-level code that calls Math.random gets what its source alone decides. */
static void seed_random(struct js *js)
{
    uint64_t seed = 0;

    while (seed == 0)
        image_random(js, &seed, sizeof seed);
    memcpy(js_at(js, js->image->random, sizeof seed), &seed, sizeof seed);
}

static uint32_t private_atom(struct js *js, const char *name)
{
    struct engine *e = &js->engine;
    uint32_t text = turn_put(js, name, strlen(name)), atom, result;
    uint64_t symbol;

    if (text == 0)
        return 0;
    atom = q_JS_NewAtomLen(e, js->image->ctx, text, (uint32_t)strlen(name));
    q_free(e, text);
    symbol = q_JS_NewPrivateSymbol(e, js->image->ctx, atom);
    result = turn_is_exception(symbol) ? 0 : q_JS_ValueToAtom(e, js->image->ctx, symbol);
    return result; /* the symbol stays: it is what keeps the atom */
}

static anqa_status start_engine(struct js *js, anqa_error *err)
{
    struct engine *e = &js->engine;
    struct js_image *image = js->image;

    engine_instantiate(e);
    q__initialize(e);
    if (q_qjs_init(e) != 0)
        return no_memory(js, err);
    image->rt = q_qjs_get_runtime_ptr(e);
    image->ctx = q_qjs_get_context_ptr(e);
    q_JS_SetMaxStackSize(e, image->rt, STACK_LIMIT);
    q_JS_SetCanBlock(e, image->rt, 0);
    q_qjs_set_interrupt_handler(e, 1);
    q_qjs_set_promise_rejection_handler(e, 1);
    if (!find_random(js))
        return anqa_fail(err, ANQA_E_UNSUPPORTED,
            "this build of quickjs-wasi keeps the state of Math.random where it is not known");
    find_polls(js);
    image->pid_atom = private_atom(js, "pid");
    image->ref_atom = private_atom(js, "ref");
    image->epoch_atom = private_atom(js, "epoch");
    return image->pid_atom == 0 || image->ref_atom == 0 || image->epoch_atom == 0
               ? no_memory(js, err)
               : ANQA_OK;
}

static struct platform_key platform_key(const struct js *js)
{
    const anqa_js_script *script = js->script;
    struct platform_key key = {.apis = js->image->apis};

    snprintf(key.limits, sizeof key.limits,
        "({timers: %u, topics: %u, bytes: %zu, version: '%s', worker: %s})",
        script->limits.timers == 0 ? TIMERS_DEFAULT : script->limits.timers,
        script->topics == NULL || script->topics[0] == NULL ? 0 : BEAM_TOPICS_MAX,
        script->limits.values.bytes == 0 ? VALUES_DEFAULT : script->limits.values.bytes,
        anqa_version(), js->image->worker ? "true" : "false");
    return key;
}

static anqa_status boot(struct js *js, const struct platform_key *key, anqa_error *err)
{
    struct engine *e = &js->engine;
    struct js_image *image = js->image;
    uint64_t fn = turn_eval(
        js, anqa_str_make(js_boot_start, (size_t)(js_boot_end - js_boot_start)), "anqa", 0);
    uint32_t name = turn_put(js, "host", 4), box;
    uint64_t list;

    if (turn_is_exception(fn))
        return failed(js, "cannot be prepared", err);
    box = name == 0 ? 0 : q_qjs_new_host_function(e, name, 4, 0);
    if (box == 0)
        return no_memory(js, err);
    list = turn_call(js, fn,
        (uint64_t[]){js_u64(js, box), turn_eval(js, anqa_str_of(key->limits), "limits", 0)}, 2);
    turn_free(js, fn);
    q_free(e, name);
    if (turn_is_exception(list))
        return failed(js, "cannot be prepared", err);
    for (uint32_t i = 0; i < BOOT_COUNT; i++)
        image->parts[i] = q_JS_GetPropertyInt64(e, image->ctx, list, i);
    turn_free(js, list);
    return ANQA_OK;
}

/* What is global by now is none of the script's. */
static bool seal(struct js *js)
{
    uint64_t value = turn_call(
        js, js->image->parts[BOOT_TOOLS], (uint64_t[]){convert_string(js, anqa_str_of("seal"))}, 1);

    turn_free(js, value);
    return !turn_is_exception(value);
}

static bool add_export(struct js *js, uint32_t atom)
{
    struct js_image *image = js->image;
    uint64_t value = q_JS_AtomToValue(&js->engine, image->ctx, atom);
    anqa_str name;
    bool ok = turn_text(js, value, &name);

    turn_free(js, value);
    if (!ok)
        return true;
    if (anqa_str_is(name, DEBUG_READER)) {
        image->module = q_JS_GetProperty(&js->engine, image->ctx, image->namespace, atom);
        return true;
    }
    value = q_JS_GetProperty(&js->engine, image->ctx, image->namespace, atom);
    if (turn_is_exception(value))
        turn_free(js, q_JS_GetException(&js->engine, image->ctx));
    ok = coverage_take_export(js, name, value);
    turn_free(js, value);
    if (ok)
        return true;
    image->exports[image->export_count] =
        (struct js_export){.name = strndup(name.ptr, name.len), .atom = atom};
    if (image->exports[image->export_count].name == NULL)
        return false;
    if (anqa_str_is(name, "init"))
        image->init = (int32_t)image->export_count;
    if (anqa_str_is(name, "restored"))
        image->restored = (int32_t)image->export_count;
    image->export_count++;
    return true;
}

/* The names stay as atoms in the engine: the list is not freed. */
static anqa_status list_exports(struct js *js, anqa_error *err)
{
    struct js_image *image = js->image;
    uint32_t sp = js->engine.sp, out = js_frame(js, 16), list, count;
    bool ok = q_JS_GetOwnPropertyNames(
                  &js->engine, image->ctx, out, out + 4, image->namespace, GPN_STRINGS) == 0;

    list = js_u32(js, out);
    count = js_u32(js, out + 4);
    js->engine.sp = sp;
    if (!ok)
        return failed(js, "does not show its exports", err);
    if (count > EXPORTS_MAX + 3 /* of ours */)
        return anqa_fail(err, ANQA_E_LIMIT, "script '%s' exports %u names, more than %d",
            js->script->name, count, EXPORTS_MAX);
    image->exports = calloc(count + 1, sizeof *image->exports);
    for (uint32_t i = 0; i < count && image->exports != NULL; i++)
        if (!add_export(js, js_u32(js, list + i * 8 + 4)))
            return anqa_fail(err, ANQA_E_NOMEM, "exports of script '%s'", js->script->name);
    return image->exports == NULL
               ? anqa_fail(err, ANQA_E_NOMEM, "exports of script '%s'", js->script->name)
               : ANQA_OK;
}

static anqa_status load(struct js *js, anqa_str source, bool is_bytecode, anqa_error *err)
{
    struct engine *e = &js->engine;
    const char *name = js->image->text == NULL ? js->script->name
                                               : anqa_tmp_printf("%s/spawned", js->script->name);
    uint64_t module = is_bytecode ? bytecode_read(js, source) : debug_compile(js, source, name);
    struct js_outcome outcome;

    if (turn_is_exception(module))
        return failed(js, "does not compile", err);
    outcome = turn_settle(js, q_JS_EvalFunction(e, js->image->ctx, module));
    switch (outcome.kind) {
    case OUTCOME_VALUE: turn_free(js, outcome.value); break;
    case OUTCOME_PENDING:
        return anqa_fail(err, ANQA_E_SCRIPT,
            "script '%s' waits in its top-level code for what never comes: do that in an exported "
            "init()",
            js->script->name);
    case OUTCOME_ERROR:
        return anqa_fail(err, ANQA_E_SCRIPT, "script '%s' does not load: %.*s%s%.*s\n%.*s",
            js->script->name, ANQA_FMT(outcome.error.name), outcome.error.name.len > 0 ? ": " : "",
            ANQA_FMT(outcome.error.message), ANQA_FMT(outcome.error.stack));
    }
    /* not before: its bindings are made when it is linked */
    js->image->namespace = q_JS_GetModuleNamespace(e, js->image->ctx, (uint32_t)module);
    if (turn_is_exception(js->image->namespace))
        return failed(js, "does not show its exports", err);
    return list_exports(js, err);
}

static anqa_status keep(struct js *js, anqa_error *err)
{
    struct js_image *image = js->image;
    const char *at = (const char *)js->engine.memory.data;
    size_t left = js->engine.memory.size;

    ANQA_INVARIANT(left > 0);
    memset(js->engine.memory.data, 0, js->engine.sp); /* a stack that nobody is on */
    image->fd = memfd_create("anqa-js", MFD_CLOEXEC);
    if (image->fd < 0)
        return anqa_fail_errno(err, errno, "a memory file for script '%s'", js->script->name);
    while (left > 0) {
        ssize_t put = write(image->fd, at, left);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return anqa_fail_errno(err, errno, "the memory file of script '%s'", js->script->name);
        at += put;
        left -= (size_t)put;
    }
    image->size = js->engine.memory.size;
    image->sp = js->engine.sp;
    image->view = mmap(NULL, image->size, PROT_READ, MAP_SHARED, image->fd, 0);
    if (image->view == MAP_FAILED)
        image->view = NULL;
    return window_show(js->window, image, err);
}

/*
 * What loading has freed lies in holes all over the memory. A process that began to fill them would write to a page of
 * its own with almost every allocation; so they are filled here, and what a process allocates lies together at the end.
 */
static void fill_holes(struct js *js)
{
    struct engine *e = &js->engine;
    uint32_t end = q_malloc(e, HOLE_MAX * 4), piece;

    q_free(e, end);
    for (uint32_t size = HOLE_MAX; size >= 8 && end != 0; size -= size > 1024 ? 512 : 8) {
        do
            piece = q_malloc(e, size);
        while (piece != 0 && piece < end);
        q_free(e, piece);
    }
}

static void settle_memory(struct js *js)
{
    q_JS_RunGC(&js->engine, js->image->rt);
    fill_holes(js);
    nursery_make(js, NURSERY_STRIPS);
}

/* A process links what it makes to the last object and the last string there are: let these lie where it writes. */
static void add_last(struct js *js)
{
    uint32_t at = turn_put(js, "last", 4);
    if (at != 0)
        (void)q_JS_NewStringLen(&js->engine, js->image->ctx, at, 4);
    q_free(&js->engine, at);
    (void)q_JS_NewObject(&js->engine, js->image->ctx);
}

struct making {
    struct js_source source;
    anqa_status status;
    anqa_error *err;
};

static anqa_status make_platform(struct js *js, const struct platform_key *key, anqa_error *err)
{
    anqa_status status;

    js->image->seed = 0;
    status = start_engine(js, err);
    if (status == ANQA_OK)
        status = boot(js, key, err);
    if (status == ANQA_OK && (!web_load(js) || !seal(js)))
        status = failed(js, "finds no web platform", err);
    if (status == ANQA_OK && !debug_load(js))
        status = failed(js, "cannot be prepared", err);
    if (status != ANQA_OK)
        return status;
    settle_memory(js); /* so that what the script makes lies together, too */
    memset(js->engine.memory.data, 0, js->engine.sp); /* a stack that nobody is on, as in a copy */
    platform_keep(js, key);
    return ANQA_OK;
}

static void make_in_turn(struct js *js, void *arg)
{
    struct making *making = arg;
    struct platform_key key = platform_key(js);

    making->status = platform_copy(js, &key) ? ANQA_OK : make_platform(js, &key, making->err);
    if (making->status != ANQA_OK)
        return;
    memcpy(&js->image->seed, js->image->source_hash, sizeof js->image->seed);
    seed_random(js);
    making->status = load(js, making->source.text, making->source.is_bytecode, making->err);
    if (making->status != ANQA_OK)
        return;
    settle_memory(js);
    add_last(js);
    /* A collection writes to every object, so to every page: not with the first allocation of each process. */
    q_JS_SetGCThreshold(&js->engine, js->image->rt, js->engine.memory.size);
}

/* ---------------------------------------------------------------- who makes it, who waits */

static struct js_image *find(struct js_rt *rt, const anqa_js_script *script)
{
    for (struct js_image *image = rt->images; image != NULL; image = image->next)
        if (image->script == script && image->text == NULL && !image->stale)
            return image;
    return NULL;
}

/* Whether the process is a child of another text than its script's. */
static bool runs_text(const struct js *js)
{
    return js->self != NULL && js->self->image != NULL;
}

/* Nobody comes any more who looks for its windows. */
static void retire(struct js_rt *rt, struct js_image *image)
{
    pthread_mutex_lock(&rt->lock);
    image->stale = true;
    pthread_mutex_unlock(&rt->lock);
    windows_empty(rt, image);
}

/* One of a file that is another now goes on for its processes only. */
static void retire_changed(struct js *js)
{
    struct js_rt *rt = js->rt;
    struct js_image *image;

    if (js->script->path == NULL || runs_text(js))
        return;
    pthread_mutex_lock(&rt->lock);
    image = find(rt, js->script);
    if (image != NULL && !image->ready)
        image = NULL;
    if (image != NULL)
        image->users++;
    pthread_mutex_unlock(&rt->lock);
    if (image == NULL)
        return;
    if (source_files_changed(image->files))
        retire(rt, image);
    image_release(rt, image);
}

static struct js_image *image_new(struct js_rt *rt, const anqa_js_script *script)
{
    struct js_image *image = calloc(1, sizeof *image);

    if (image == NULL)
        return NULL;
    image->script = script;
    image->fd = -1;
    image->init = image->restored = -1;
    image->module = JS_UNDEFINED;
    image->apis = web_closure(script->apis);
    atomic_init(&image->hot_count, IMAGE_HOT_NONE);
    image->next = rt->images;
    rt->images = image;
    return image;
}

/* The process becomes a user of its image, or of a place for one: *ret_make: it is ours to make. False: somebody makes it.
 * Fails: E_NOMEM. */
static bool claim(struct js *js, bool *ret_make, anqa_status *ret_status)
{
    struct js_rt *rt = js->rt;
    struct js_image *image;

    *ret_make = false;
    pthread_mutex_lock(&rt->lock);
    image = runs_text(js) ? js->self->image : find(rt, js->script);
    if (image == NULL)
        image = image_new(rt, js->script);
    if (image != NULL && !image->ready &&
        (anqa_pid_is_none(image->maker) || !anqa_is_alive(image->maker))) {
        image->maker = anqa_self();
        *ret_make = true;
    }
    if (image != NULL && (*ret_make || image->ready)) {
        image->users++;
        js->image = image;
    }
    pthread_mutex_unlock(&rt->lock);
    *ret_status = image == NULL ? ANQA_E_NOMEM : ANQA_OK;
    return js->image != NULL;
}

void image_leave(struct js *js)
{
    if (js->image != NULL)
        image_release(js->rt, js->image);
    js->image = NULL;
}

/* ---------------------------------------------------------------- images of texts */

static struct js_image *find_text(
    struct js_rt *rt, const anqa_js_script *script, anqa_str text, bool worker)
{
    for (struct js_image *image = rt->images; image != NULL; image = image->next)
        if (image->script == script && image->text != NULL && image->worker == worker &&
            anqa_str_eq(text, anqa_str_make(image->text, image->text_len)))
            return image;
    return NULL;
}

static struct js_image *new_of_text(
    struct js_rt *rt, const anqa_js_script *script, anqa_str text, bool worker)
{
    char *copy = malloc(text.len + 1);
    struct js_image *image = copy == NULL ? NULL : image_new(rt, script);

    if (image == NULL) {
        free(copy);
        return NULL;
    }
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    image->text = copy;
    image->text_len = text.len;
    image->worker = worker;
    return image;
}

struct js_image *image_of_text(
    struct js_rt *rt, const anqa_js_script *script, anqa_str text, bool worker)
{
    struct js_image *image;

    pthread_mutex_lock(&rt->lock);
    image = find_text(rt, script, text, worker);
    if (image == NULL)
        image = new_of_text(rt, script, text, worker);
    if (image != NULL)
        image->users++;
    pthread_mutex_unlock(&rt->lock);
    return image;
}

struct js_image *image_share(struct js_rt *rt, struct js_image *image)
{
    pthread_mutex_lock(&rt->lock);
    image->users++;
    pthread_mutex_unlock(&rt->lock);
    return image;
}

static void take_out(struct js_rt *rt, const struct js_image *image)
{
    struct js_image **at = &rt->images;

    while (*at != image)
        at = &(*at)->next;
    *at = image->next;
}

/* One that nobody uses and that is to go; NULL: all may stay. The lock is held. */
static struct js_image *too_idle(struct js_rt *rt)
{
    struct js_image *oldest = NULL;
    size_t count = 0, bytes = 0;

    for (struct js_image *image = rt->images; image != NULL; image = image->next) {
        if (image->users > 0 || (image->text == NULL && !image->stale))
            continue;
        if (image->stale || !image->ready)
            return image;
        count++;
        bytes += image->size + image->text_len;
        if (oldest == NULL || image->idle_since < oldest->idle_since)
            oldest = image;
    }
    return count > IMAGE_IDLE_MAX || bytes > IMAGE_IDLE_BYTES ? oldest : NULL;
}

void image_release(struct js_rt *rt, struct js_image *image)
{
    struct js_image *gone;
    bool unused;

    pthread_mutex_lock(&rt->lock);
    image->idle_since = ++rt->releases;
    unused = --image->users == 0;
    while (unused && (gone = too_idle(rt)) != NULL) {
        take_out(rt, gone);
        pthread_mutex_unlock(&rt->lock);
        windows_empty(rt, gone);
        image_free(gone);
        pthread_mutex_lock(&rt->lock);
    }
    pthread_mutex_unlock(&rt->lock);
}

/* ---------------------------------------------------------------- making it */

static void give_up(struct js *js, struct js_image *image)
{
    pthread_mutex_lock(&js->rt->lock);
    image->maker = (anqa_pid){0};
    pthread_mutex_unlock(&js->rt->lock);
}

/* Whoever made it before and died may have left something. */
static void forget(struct js_image *image)
{
    drop_parts(image);
    image->view = NULL;
    image->files = NULL;
    image->exports = NULL;
    image->export_count = 0;
    image->source_map = NULL;
    image->has_timers = false;
    image->init = image->restored = -1;
    image->module = JS_UNDEFINED;
    image->fd = -1;
}

static anqa_status make(struct js *js, struct js_image *image, anqa_error *err)
{
    struct making making = {.err = err, .source.text = anqa_str_make(image->text, image->text_len)};
    anqa_status status =
        image->text != NULL ? ANQA_OK : source_read(js->script, &making.source, err);

    if (status != ANQA_OK)
        return status;
    forget(image);
    image->files = making.source.files;
    status = park_take(js, NULL, PARK_START_MS, err);
    if (status != ANQA_OK)
        return status;
    image->source_map = making.source.map.len == 0 ? NULL : source_map_new(making.source.map);
    sha256_of(making.source.text.ptr, making.source.text.len, image->source_hash);
    js->loading = true;
    turn_run(js, make_in_turn, &making);
    js->loading = false;
    return making.status == ANQA_OK ? keep(js, err) : making.status;
}

bool image_renew(struct js *js)
{
    const struct js_image *image = js->image;

    if (!window_renew(js->rt, js->window))
        return false;
    js->engine.memory.pages = image->size / 65536;
    js->engine.memory.size = image->size;
    js->engine.sp = image->sp;
    js->fresh = true;
    return true;
}

anqa_status image_open(struct js *js, anqa_error *err)
{
    anqa_status status = runs_text(js) ? ANQA_OK : source_check(js->script, err);
    struct js_image *image;
    bool ours;

    if (status != ANQA_OK)
        return status;
    retire_changed(js);
    while (!claim(js, &ours, &status) && status == ANQA_OK)
        anqa_sleep(1);
    if (status != ANQA_OK)
        return anqa_fail(err, status, "the image of script '%s'", js->script->name);
    image = js->image;
    if (ours) {
        status = make(js, image, err);
        if (status != ANQA_OK) {
            give_up(js, image);
            return status;
        }
        pthread_mutex_lock(&js->rt->lock);
        image->ready = true;
        pthread_mutex_unlock(&js->rt->lock);
    } else {
        status = park_take(js, image, PARK_START_MS, err);
        if (status != ANQA_OK)
            return status;
        js->engine.memory = (struct engine_memory){.data = js->window->base,
            .pages = image->size / 65536,
            .max_pages = UINT32_MAX,
            .size = image->size};
    }
    js->engine.sp = image->sp;
    js->fresh = true;
    atomic_store_explicit(&js->face.memory, js->engine.memory.size, memory_order_relaxed);
    return ANQA_OK;
}
