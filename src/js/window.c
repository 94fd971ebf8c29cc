#include "js/window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/random.h"
#include "js/image.h"
#include "js/pages.h"
#include "js/platform.h"
#include "js/preempt.h"
#include "js/work.h"
#include "runtime/hooks.h"
#include "runtime/sched.h"

#define DROP_GAP (8 * PAGES_SIZE)
#define KEEP_PAGES 64u

/* ---------------------------------------------------------------- a runtime's */

static void *rt_make(anqa_rt *rt)
{
    struct js_rt *made = calloc(1, sizeof *made);

    if (made == NULL)
        return NULL;
    work_gates_init(&made->gates, rt);
    made->rt = rt;
    made->limit = rt->options.js_mapped;
    made->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    anqa_list_init(&made->used);
    anqa_list_init(&made->waiting);
    pthread_mutex_init(&made->lock, NULL);
    random_bytes(made->secret, sizeof made->secret);
    preempt_setup();
    return made;
}

static void windows_free(struct js_window *window)
{
    while (window != NULL) {
        struct js_window *next = window->next;
        munmap(window->base, WINDOW_SPAN + WINDOW_GUARD);
        free(window);
        window = next;
    }
}

struct js_parcel {
    struct js_parcel *next;
    uint64_t key;
    anqa_buf bytes;
};

static struct js_parcel *parcel_unlink(struct js_parcel **at)
{
    struct js_parcel *parcel = *at;

    *at = parcel->next;
    return parcel;
}

static void parcel_free(struct js_parcel *parcel)
{
    anqa_buf_unref(parcel->bytes);
    free(parcel);
}

uint64_t js_parcel_put(struct js_rt *rt, anqa_buf bytes)
{
    struct js_parcel *parcel = calloc(1, sizeof *parcel);
    uint64_t key;

    if (parcel == NULL) {
        anqa_buf_unref(bytes);
        return 0;
    }
    parcel->bytes = bytes;
    pthread_mutex_lock(&rt->lock);
    key = parcel->key = ++rt->last_parcel;
    parcel->next = rt->parcels;
    rt->parcels = parcel;
    pthread_mutex_unlock(&rt->lock);
    return key;
}

bool js_parcel_take(struct js_rt *rt, uint64_t key, anqa_buf *ret_bytes)
{
    struct js_parcel **at, *parcel = NULL;

    pthread_mutex_lock(&rt->lock);
    for (at = &rt->parcels; *at != NULL && (*at)->key != key; at = &(*at)->next)
        ;
    if (*at != NULL)
        parcel = parcel_unlink(at);
    pthread_mutex_unlock(&rt->lock);
    if (parcel == NULL)
        return false;
    *ret_bytes = anqa_buf_ref(parcel->bytes);
    parcel_free(parcel);
    return true;
}

static void rt_drop(void *object)
{
    struct js_rt *rt = object;

    preempt_forget(rt);
    windows_free(rt->free);
    while (rt->images != NULL) {
        struct js_image *image = rt->images;
        rt->images = image->next;
        windows_free(image->free);
        image_free(image);
    }
    platforms_free(rt);
    while (rt->parcels != NULL)
        parcel_free(parcel_unlink(&rt->parcels));
    map_u64_done(&rt->children);
    if (rt->pagemap >= 0)
        close(rt->pagemap);
    pthread_mutex_destroy(&rt->lock);
    free(rt);
}

struct js_rt *js_rt_get(void)
{
    return rt_local(anqa_rt_self(), RT_LOCAL_JS, rt_make, rt_drop);
}

bool js_rt_note_timer(struct js_rt *rt, int timer)
{
    bool noted;

    pthread_mutex_lock(&rt->lock);
    noted = rt->timer_count < ANQA_COUNT(rt->timers);
    if (noted)
        rt->timers[rt->timer_count++] = timer;
    pthread_mutex_unlock(&rt->lock);
    return noted;
}

/* ---------------------------------------------------------------- windows */

static anqa_status window_reserve(struct js_rt *rt, struct js_window **ret_window, anqa_error *err)
{
    struct js_window *window = calloc(1, sizeof *window);

    if (window == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "a window of a JavaScript process");
    window->base = mmap(NULL, WINDOW_SPAN + WINDOW_GUARD, PROT_NONE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (window->base == MAP_FAILED) {
        int errnum = errno;
        free(window);
        return anqa_fail(err, ANQA_E_LIMIT,
            "no addresses for one more JavaScript process, there are %u (%s): see "
            "vm.max_map_count and ulimit -v",
            rt->windows, strerrorname_np(errnum));
    }
    anqa_list_node_init(&window->node);
    *ret_window = window;
    return ANQA_OK;
}

/* The memory is again what it was when it was reserved. */
static bool window_clear(struct js_window *window)
{
    if (window->size > 0 &&
        mmap(window->base, window->size, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        return false;
    window->size = 0;
    window->image = NULL;
    return true;
}

static struct js_window *pop(struct js_window **list)
{
    struct js_window *window = *list;

    if (window != NULL)
        *list = window->next;
    return window;
}

/* One that shows the image. */
static struct js_window *pop_shown(struct js_image *image)
{
    struct js_window *window = pop(&image->free);

    if (window != NULL && window->warm)
        image->warm--;
    return window;
}

/* A free one that shows another image, which may go as soon as the lock is given up: it counts as showing none. */
static struct js_window *window_rob(struct js_rt *rt)
{
    struct js_window *window = NULL;

    for (struct js_image *image = rt->images; image != NULL && window == NULL; image = image->next)
        window = pop_shown(image);
    if (window != NULL) {
        window->image = NULL;
        window->warm = false;
    }
    return window;
}

anqa_status window_show(struct js_window *window, struct js_image *image, anqa_error *err)
{
    if (!window_clear(window) || mmap(window->base, image->size, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_FIXED, image->fd, 0) == MAP_FAILED)
        return anqa_fail_errno(
            err, errno, "cannot map the memory of a JavaScript process: see vm.max_map_count");
    window->image = image;
    window->size = image->size;
    return ANQA_OK;
}

anqa_status window_take(
    struct js_rt *rt, struct js_image *image, struct js_window **ret_window, anqa_error *err)
{
    struct js_window *window = NULL;
    anqa_status status = ANQA_OK;
    bool reserve = false;

    pthread_mutex_lock(&rt->lock);
    if (image != NULL)
        window = pop_shown(image);
    if (window == NULL)
        window = pop(&rt->free);
    if (window == NULL && rt->windows < WINDOWS_MAX) {
        rt->windows++;
        reserve = true;
    }
    if (window == NULL && !reserve)
        window = window_rob(rt);
    pthread_mutex_unlock(&rt->lock);
    if (reserve) {
        status = window_reserve(rt, &window, err);
        if (status != ANQA_OK) {
            pthread_mutex_lock(&rt->lock);
            rt->windows--;
            pthread_mutex_unlock(&rt->lock);
            return status;
        }
    }
    if (window == NULL) /* those of an image that goes are just being emptied */
        return anqa_fail(err, ANQA_E_LIMIT, "there are %u windows, as many as may be", WINDOWS_MAX);
    if (image != NULL && window->image != image)
        status = window_show(window, image, err);
    else if (image == NULL && !window_clear(window))
        status = anqa_fail_errno(err, errno, "cannot unmap the memory of a JavaScript process");
    if (status != ANQA_OK) {
        window_give(rt, window, false);
        return status;
    }
    *ret_window = window;
    return ANQA_OK;
}

bool window_grow(struct js_window *window, uint32_t size)
{
    if (size <= window->size)
        return true;
    if (mprotect(window->base + window->size, size - window->size, PROT_READ | PROT_WRITE) != 0)
        return false;
    window->size = size;
    return true;
}

static bool drop(const struct js_window *window, uint32_t at, uint32_t end)
{
    return at == end || madvise(window->base + at, end - at, MADV_DONTNEED) == 0;
}

/* Makes a page hold again what the image holds. False: it does so, and its owner had no need of it. */
static bool renew_page(const struct js_window *window, uint32_t at)
{
    const uint8_t *was = window->image->view + at;

    if (memcmp(window->base + at, was, PAGES_SIZE) == 0)
        return false;
    memcpy(window->base + at, was, PAGES_SIZE);
    return true;
}

/* Pages that were written to hold again what the image holds. They are dropped, but for `*keep` of them. Those that were
 * only read stay mapped, so that the next one need not fault for them; but a few of them go with others, for one call
 * costs as much. */
static bool drop_own(
    const struct js_window *window, struct pages *pages, uint32_t at, uint32_t end, uint32_t *keep)
{
    uint32_t first = at, last = at; /* of what is to be dropped */
    bool ok = true;

    for (; at < end && ok; at += PAGES_SIZE) {
        if (!pages_own(pages, at))
            continue;
        if (*keep > 0 && renew_page(window, at)) {
            --*keep;
            ok = drop(window, first, last);
            first = last = at + PAGES_SIZE;
            continue;
        }
        if (at - last > DROP_GAP) {
            ok = drop(window, first, last);
            first = at;
        }
        last = at + PAGES_SIZE;
    }
    return ok && drop(window, first, last);
}

/* The memory is again what the image holds. */
static bool restore(struct js_rt *rt, struct js_window *window, bool warm, bool wanted)
{
    const struct js_image *image = window->image;
    uint32_t count = atomic_load_explicit(&image->hot_count, memory_order_acquire), at = 0;
    struct pages pages;
    uint32_t keep;

    pages_begin(&pages, rt, window->base, image->size);
    window->warm = warm && count > 0 && count <= IMAGE_HOT_RUNS && image->view != NULL;
    keep = window->warm && wanted ? KEEP_PAGES : 0;
    for (uint32_t i = 0; window->warm && i < count; i++) {
        const struct js_run *run = &image->hot[i];
        if (!drop_own(window, &pages, at, run->at, &keep))
            return false;
        memcpy(window->base + run->at, image->view + run->at, run->len);
        at = run->at + run->len;
    }
    return drop_own(window, &pages, at, image->size, &keep);
}

/* Whether somebody may come who wants a window that shows it. */
static bool is_current(struct js_rt *rt, const struct js_image *image)
{
    bool current;

    pthread_mutex_lock(&rt->lock);
    current = !image->stale;
    pthread_mutex_unlock(&rt->lock);
    return current;
}

/* Whether one more may stay warm: a place among them is taken. */
static bool take_warmth(struct js_rt *rt, struct js_image *image)
{
    bool taken;

    pthread_mutex_lock(&rt->lock);
    taken = image->warm < WINDOWS_WARM;
    image->warm += taken;
    pthread_mutex_unlock(&rt->lock);
    return taken;
}

/* Beyond the image there is nothing any more. */
static bool cut_tail(struct js_window *window)
{
    uint32_t size = window->image->size;

    if (window->size > size &&
        mmap(window->base + size, window->size - size, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        return false;
    window->size = size;
    return true;
}

bool window_renew(struct js_rt *rt, struct js_window *window)
{
    window->touched = false;
    return cut_tail(window) && restore(rt, window, true, false);
}

/* Into the list where the next one looks for it. The lock is held. */
static void window_put(
    struct js_rt *rt, struct js_image *image, struct js_window *window, bool shown, bool warm)
{
    struct js_window **list = shown ? &image->free : &rt->free;

    window->warm = shown && window->warm;
    window->touched = false;
    if (warm && !window->warm) /* the place that was taken for it */
        image->warm--;
    window->next = *list;
    *list = window;
}

void window_give(struct js_rt *rt, struct js_window *window, bool wanted)
{
    struct js_image *image = window->image;
    bool current = image != NULL && is_current(rt, image);
    bool warm = current && (window->touched || window->warm) && take_warmth(rt, image);
    bool renew = window->touched || window->warm != warm;
    bool shown = current && cut_tail(window) && (!renew || restore(rt, window, warm, wanted));
    bool lost = !shown && !window_clear(window); /* no mappings left to do it with */

    pthread_mutex_lock(&rt->lock);
    if (!lost)
        window_put(rt, image, window, shown, warm);
    else if (warm)
        image->warm--;
    rt->windows -= lost;
    pthread_mutex_unlock(&rt->lock);
    if (lost) {
        munmap(window->base, WINDOW_SPAN + WINDOW_GUARD);
        free(window);
    }
}

static struct js_window *take_shown(struct js_rt *rt, struct js_image *image)
{
    struct js_window *window;

    pthread_mutex_lock(&rt->lock);
    window = pop_shown(image);
    pthread_mutex_unlock(&rt->lock);
    return window;
}

void windows_empty(struct js_rt *rt, struct js_image *image)
{
    struct js_window *window;

    while ((window = take_shown(rt, image)) != NULL) {
        bool lost = !window_clear(window);
        window->warm = window->touched = false;
        pthread_mutex_lock(&rt->lock);
        if (!lost) {
            window->next = rt->free;
            rt->free = window;
        }
        rt->windows -= lost;
        pthread_mutex_unlock(&rt->lock);
        if (lost) {
            munmap(window->base, WINDOW_SPAN + WINDOW_GUARD);
            free(window);
        }
    }
}
