#include "js/profile.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <anqa/memory.h>
#include <anqa/process.h>

#include "base/map.h"
#include "js/debug.h"
#include "js/source_map.h"

enum { TIME_MS = 5000, KEY_MAX = 8192 };

/* A stack that was seen; its text is the key. Of other images' the same text can stand for others. */
struct counted {
    struct counted *next;   /* the same text, of another image */
    struct js_image *image; /* whose map it is for, counted; NULL: it has none */
    const char *script;
    uint64_t count;
    size_t len;
    char text[];
};

struct js_profile {
    struct js_rt *rt;
    anqa_pid pid;
    const char *script;
    struct map_str stacks;
    uint32_t count, most; /* of them */
    uint64_t samples, lost;
};

/* ---------------------------------------------------------------- counting; with js_rt.lock, up to count_text */

static bool is_about(const struct js_profile *profile, const struct js *js)
{
    if (profile == NULL)
        return false;
    if (!anqa_pid_is_none(profile->pid))
        return anqa_pid_eq(profile->pid, js->face.pid);
    return profile->script == NULL || strcmp(profile->script, js->script->name) == 0;
}

/* Puts it into the map, or behind the first of its text. */
static bool put(struct js_profile *profile, struct counted *first, struct counted *counted)
{
    if (first != NULL) {
        counted->next = first->next;
        first->next = counted;
        return true;
    }
    return map_str_put(&profile->stacks, anqa_str_make(counted->text, counted->len), counted,
               NULL) == ANQA_OK;
}

static struct counted *add(struct js_profile *profile, struct counted *first, const struct js *js,
    struct js_image *image, anqa_str text)
{
    struct counted *counted =
        profile->count < profile->most ? calloc(1, sizeof *counted + text.len) : NULL;

    if (counted == NULL)
        return NULL;
    counted->image = image;
    counted->script = js->script->name;
    counted->len = text.len;
    memcpy(counted->text, text.ptr, text.len);
    if (!put(profile, first, counted)) {
        free(counted);
        return NULL;
    }
    if (image != NULL)
        image->users++;
    profile->count++;
    return counted;
}

static void count(struct js_profile *profile, const struct js *js, anqa_str text)
{
    /* others end, and have no map */
    struct js_image *image = js->image->text == NULL ? js->image : NULL;
    struct counted *first = map_str_get(&profile->stacks, text), *counted = first;

    while (counted != NULL && counted->image != image)
        counted = counted->next;
    if (counted == NULL)
        counted = add(profile, first, js, image, text);
    if (counted == NULL) {
        profile->lost++;
        return;
    }
    profile->samples++;
    counted->count++;
}

/* Of a stack that is too long the outermost frames go. */
static void count_text(void *ctx, anqa_str text)
{
    struct js *js = ctx;
    struct js_rt *rt = js->rt;

    if (text.len > KEY_MAX)
        text.len = KEY_MAX;
    pthread_mutex_lock(&rt->lock);
    if (is_about(rt->profile, js))
        count(rt->profile, js, text);
    pthread_mutex_unlock(&rt->lock);
}

void profile_sample(struct js *js)
{
    bool wanted;

    pthread_mutex_lock(&js->rt->lock);
    wanted = is_about(js->rt->profile, js);
    pthread_mutex_unlock(&js->rt->lock);
    if (wanted)
        debug_frames(js, false, count_text, js);
}

/* ---------------------------------------------------------------- whose it is */

static void detach(struct js_profile *profile)
{
    struct js_rt *rt = profile->rt;

    pthread_mutex_lock(&rt->lock);
    if (rt->profile == profile) {
        rt->profile = NULL;
        atomic_store_explicit(&rt->profiling, false, memory_order_relaxed);
    }
    pthread_mutex_unlock(&rt->lock);
}

static void drop(void *arg)
{
    struct js_profile *profile = arg;
    struct map_iter it = {0};
    anqa_str key;
    void *value;

    detach(profile);
    while (map_str_next(&profile->stacks, &it, &key, &value))
        for (struct counted *counted = value, *next; counted != NULL; counted = next) {
            next = counted->next;
            if (counted->image != NULL)
                image_release(profile->rt, counted->image);
            free(counted);
        }
    map_str_done(&profile->stacks);
    free(profile);
}

/* ---------------------------------------------------------------- telling */

/* Text that grows. */
struct text {
    char *ptr;
    size_t len, room;
};

static void append(struct text *text, anqa_str more)
{
    if (text->room - text->len < more.len) {
        size_t room = (text->len + more.len) * 2 + 4096;
        char *grown = anqa_arena_alloc(anqa_tmp(), room);
        if (text->len > 0)
            memcpy(grown, text->ptr, text->len);
        text->ptr = grown;
        text->room = room;
    }
    if (more.len > 0)
        memcpy(text->ptr + text->len, more.ptr, more.len);
    text->len += more.len;
}

/* A name within a line: what parts frames and lines becomes an underscore. */
static void append_name(struct text *text, anqa_str name)
{
    size_t at = text->len;

    append(text, name);
    for (; at < text->len; at++)
        if (text->ptr[at] == ';' || (uint8_t)text->ptr[at] < ' ')
            text->ptr[at] = '_';
}

static void append_frame(
    struct text *text, const struct counted *counted, struct debug_frame *frame)
{
    append_name(text, frame->name.len == 0 ? anqa_str_of("(anonymous)") : frame->name);
    if (frame->file.len == 0) {
        append(text, anqa_str_of(" (native)"));
        return;
    }
    if (counted->image != NULL && counted->image->source_map != NULL &&
        anqa_str_is(frame->file, counted->script))
        (void)source_map_find(counted->image->source_map, &frame->function_line,
            &frame->function_column, &frame->file);
    append(text, anqa_str_of(" ("));
    append_name(text, frame->file);
    append(text, anqa_str_of(anqa_tmp_printf(":%u)", frame->function_line)));
}

static void append_stack(struct text *text, const struct counted *counted)
{
    struct debug_frame frames[64];
    anqa_str rest = {counted->text, counted->len};
    uint32_t depth = 0;

    while (depth < ANQA_COUNT(frames) && debug_next_frame(&rest, &frames[depth]))
        depth++;
    if (depth == 0) {
        append(text, anqa_str_of("(no function)"));
    }
    while (depth > 0) {
        append_frame(text, counted, &frames[--depth]);
        if (depth > 0)
            append(text, anqa_str_of(";"));
    }
    append(text, anqa_str_of(anqa_tmp_printf(" %llu\n", (unsigned long long)counted->count)));
}

static int by_image(const void *a, const void *b)
{
    const struct counted *x = *(struct counted *const *)a, *y = *(struct counted *const *)b;

    if (x->image != y->image)
        return (uintptr_t)x->image < (uintptr_t)y->image ? -1 : 1;
    return x->count > y->count ? -1 : x->count < y->count;
}

static anqa_str fold(const struct js_profile *profile)
{
    size_t all = profile->count, i = 0;
    struct counted **list = anqa_arena_alloc(anqa_tmp(), (all + 1) * sizeof(struct counted *));
    struct map_iter it = {0};
    struct text text = {.ptr = NULL};
    anqa_str key;
    void *value;

    while (map_str_next(&profile->stacks, &it, &key, &value))
        for (struct counted *counted = value; counted != NULL; counted = counted->next)
            list[i++] = counted;
    qsort(list, i, sizeof(struct counted *), by_image);
    for (size_t at = 0; at < i; at++)
        append_stack(&text, list[at]);
    return anqa_str_make(text.len == 0 ? "" : text.ptr, text.len);
}

/* ---------------------------------------------------------------- asking for one */

static bool attach(struct js_profile *profile)
{
    struct js_rt *rt = profile->rt;
    bool ok;

    pthread_mutex_lock(&rt->lock);
    ok = rt->profile == NULL;
    if (ok) {
        rt->profile = profile;
        atomic_store_explicit(&rt->profiling, true, memory_order_relaxed);
    }
    pthread_mutex_unlock(&rt->lock);
    return ok;
}

anqa_status anqa_js_profile(
    const anqa_js_profile_opts *opts, anqa_js_profile_result *ret_result, anqa_error *err)
{
    anqa_deferred mark = anqa_defer_mark();
    struct js_rt *rt = js_rt_get();
    struct js_profile *profile;

    if (opts->time_ms > ANQA_JS_PROFILE_MS_MAX)
        return anqa_fail(
            err, ANQA_E_RANGE, "a profile takes at most %u ms", ANQA_JS_PROFILE_MS_MAX);
    if (opts->stacks > ANQA_JS_PROFILE_STACKS_MAX)
        return anqa_fail(err, ANQA_E_RANGE, "a profile tells at most %u stacks apart",
            ANQA_JS_PROFILE_STACKS_MAX);
    profile = rt == NULL ? NULL : calloc(1, sizeof *profile);
    if (profile == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "a profile");
    profile->rt = rt;
    profile->pid = opts->pid;
    profile->script = opts->script;
    profile->most = opts->stacks == 0 ? ANQA_JS_PROFILE_STACKS_MAX : opts->stacks;
    (void)anqa_defer(drop, profile);
    if (!attach(profile)) {
        anqa_defer_run_to(mark);
        return anqa_fail(err, ANQA_E_IN_USE, "another profile is being taken");
    }
    anqa_sleep(opts->time_ms == 0 ? TIME_MS : opts->time_ms);
    detach(profile);
    *ret_result = (anqa_js_profile_result){
        .folded = fold(profile), .samples = profile->samples, .lost = profile->lost};
    anqa_defer_run_to(mark);
    return ANQA_OK;
}
