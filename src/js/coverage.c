#include "js/coverage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <anqa/memory.h>

#include "js/turn.h"

enum { IMAGES_MAX = 1000 };

/* ---------------------------------------------------------------- in the process */

static void take_counters(struct js *js, uint64_t value)
{
    struct engine *e = &js->engine;
    struct js_image *image = js->image;
    uint32_t sp = e->sp, out = js_frame(js, 16), at, len;

    at = q_JS_GetUint8Array(e, image->ctx, out, value);
    len = js_u32(js, out);
    e->sp = sp;
    if (at == 0)
        turn_free(js, q_JS_GetException(e, image->ctx));
    if (at == 0 || at % 4 != 0 || len / 4 > COVERAGE_COUNTERS_MAX || js_bytes(js, at, len) == NULL)
        return;
    image->counters = calloc(len / 4 + 1, sizeof *image->counters);
    if (image->counters == NULL)
        return;
    image->counters_at = at;
    image->counter_count = len / 4;
}

bool coverage_take_export(struct js *js, anqa_str name, uint64_t value)
{
    struct js_image *image = js->image;
    anqa_json json;
    anqa_str text;

    if (anqa_str_is(name, "anqa:counters") && image->counters == NULL) {
        take_counters(js, value);
        return true;
    }
    if (!anqa_str_is(name, "anqa:coverage") || image->coverage != NULL)
        return false;
    if (turn_text(js, value, &text) && anqa_json_parse(text, NULL, &json, NULL) == ANQA_OK)
        image->coverage = strndup(text.ptr, text.len);
    return true;
}

void coverage_harvest(struct js *js)
{
    struct js_image *image = js->image;
    uint32_t *counters = image->counter_count == 0
                             ? NULL
                             : js_bytes(js, image->counters_at, image->counter_count * 4);

    for (uint32_t i = 0; counters != NULL && i < image->counter_count; i++) {
        if (counters[i] == 0) /* most: their page stays the image's */
            continue;
        atomic_fetch_add_explicit(&image->counters[i], counters[i], memory_order_relaxed);
        counters[i] = 0;
    }
}

void coverage_forget(struct js_image *image)
{
    free(image->coverage);
    free((void *)image->counters);
    image->coverage = NULL;
    image->counters = NULL;
    image->counter_count = 0;
}

/* ---------------------------------------------------------------- telling */

static anqa_str key_of(const anqa_json_iter *it)
{
    anqa_str key = {"", 0};

    return anqa_json_to_str(anqa_tmp(), it->key, &key) == ANQA_OK ? key : anqa_str_make("", 0);
}

static void put_counts(
    anqa_json_writer *w, const struct js_image *image, uint64_t first, anqa_json map)
{
    anqa_json_iter it = anqa_json_each(map);

    anqa_json_begin_object(w);
    while (anqa_json_next(&it)) {
        uint64_t at = first + it.index;
        anqa_json_key_str(w, key_of(&it));
        anqa_json_put_uint(w, at < image->counter_count
                                  ? atomic_load_explicit(&image->counters[at], memory_order_relaxed)
                                  : 0);
    }
    anqa_json_end_object(w);
}

/* What coverage.mjs has written, with counts in place of the numbers of first counters. */
static void put_file(anqa_json_writer *w, const struct js_image *image, anqa_json file)
{
    static const struct {
        const char *counts, *map;
    } parts[] = {{"s", "statementMap"}, {"f", "fnMap"}};
    anqa_json_iter it = anqa_json_each(file);
    anqa_json map;

    anqa_json_begin_object(w);
    while (anqa_json_next(&it)) {
        const char *of = NULL;
        for (size_t i = 0; i < ANQA_COUNT(parts); i++)
            if (anqa_str_is(key_of(&it), parts[i].counts))
                of = parts[i].map;
        anqa_json_key_str(w, key_of(&it));
        if (of != NULL && anqa_json_get(file, of, &map) == ANQA_OK)
            put_counts(w, image, anqa_json_uint(file, of == parts[0].map ? "s" : "f", 0), map);
        else
            anqa_json_put_raw(w, it.value);
    }
    anqa_json_end_object(w);
}

static void put_image(anqa_json_writer *w, const struct js_image *image)
{
    anqa_json files;
    anqa_json_iter it;

    if (anqa_json_parse(anqa_str_of(image->coverage), NULL, &files, NULL) != ANQA_OK)
        return;
    anqa_json_begin_object(w);
    anqa_json_key(w, "script");
    anqa_json_put_str(w, anqa_str_of(image->script->name));
    anqa_json_key(w, "coverage");
    anqa_json_begin_object(w);
    it = anqa_json_each(files);
    while (anqa_json_next(&it)) {
        anqa_json_key_str(w, key_of(&it));
        put_file(w, image, it.value);
    }
    anqa_json_end_object(w);
    anqa_json_end_object(w);
}

/* Images that are told of, counted. */
struct told {
    struct js_rt *rt;
    size_t count;
    struct js_image *images[IMAGES_MAX];
};

static void release(void *arg)
{
    struct told *told = arg;

    for (size_t i = 0; i < told->count; i++)
        image_release(told->rt, told->images[i]);
    anqa_heap_free(told);
}

static const struct told *find_images(struct js_rt *rt)
{
    struct told *told = anqa_heap_alloc(sizeof *told);

    told->rt = rt;
    told->count = 0;
    (void)anqa_defer(release, told);
    pthread_mutex_lock(&rt->lock);
    for (struct js_image *image = rt->images; image != NULL && told->count < IMAGES_MAX;
        image = image->next)
        if (image->ready && image->text == NULL && image->coverage != NULL) {
            image->users++;
            told->images[told->count++] = image;
        }
    pthread_mutex_unlock(&rt->lock);
    return told;
}

anqa_status anqa_js_coverage(anqa_json *ret_coverage, anqa_error *err)
{
    anqa_deferred mark = anqa_defer_mark();
    anqa_json_writer *w = anqa_arena_alloc(anqa_tmp(), sizeof *w);
    struct js_rt *rt = js_rt_get();
    const struct told *told;

    if (rt == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "no memory for JavaScript");
    told = find_images(rt);
    anqa_json_writer_init(w, anqa_tmp(), 0);
    anqa_json_begin_array(w);
    for (size_t i = 0; i < told->count; i++)
        put_image(w, told->images[i]);
    anqa_json_end_array(w);
    anqa_defer_run_to(mark);
    if (anqa_json_writer_finish(w, ret_coverage) != ANQA_OK)
        return anqa_fail(err, ANQA_E_LIMIT, "the coverage is too long");
    return ANQA_OK;
}
