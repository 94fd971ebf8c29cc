#include "js/platform.h"

#include <stdlib.h>
#include <string.h>

#include "js/js.h"

struct js_platform {
    struct js_platform *next; /* guarded by js_rt.lock */
    struct platform_key key;
    struct js_image parts; /* what of an image tells of the platform */
    struct engine_memory memory;
    uint32_t sp;
    uint8_t bytes[]; /* from sp on: what is below is nobody's */
};

static void copy_parts(struct js_image *to, const struct js_image *from)
{
    to->rt = from->rt;
    to->ctx = from->ctx;
    to->pid_atom = from->pid_atom;
    to->ref_atom = from->ref_atom;
    to->epoch_atom = from->epoch_atom;
    to->random = from->random;
    to->polls = from->polls;
    memcpy(to->parts, from->parts, sizeof to->parts);
    memcpy(to->debug_parts, from->debug_parts, sizeof to->debug_parts);
}

/* The lock is held. */
static struct js_platform *find(struct js_rt *rt, const struct platform_key *key)
{
    struct js_platform *platform = rt->platforms;

    while (platform != NULL &&
           (platform->key.apis != key->apis || strcmp(platform->key.limits, key->limits) != 0))
        platform = platform->next;
    return platform;
}

bool platform_copy(struct js *js, const struct platform_key *key)
{
    const struct js_platform *platform;

    pthread_mutex_lock(&js->rt->lock);
    platform = find(js->rt, key);
    pthread_mutex_unlock(&js->rt->lock);
    if (platform == NULL || platform->memory.size > js->memory_limit ||
        !window_grow(js->window, platform->memory.size))
        return false;
    js->engine.memory = platform->memory;
    js->engine.memory.data = js->window->base;
    js->engine.sp = platform->sp;
    memcpy(js->window->base + platform->sp, platform->bytes, platform->memory.size - platform->sp);
    copy_parts(js->image, &platform->parts);
    return true;
}

void platform_keep(struct js *js, const struct platform_key *key)
{
    uint32_t sp = js->engine.sp, len = js->engine.memory.size - sp;
    struct js_platform *platform = calloc(1, sizeof *platform + len);
    bool kept;

    if (platform == NULL)
        return;
    platform->key = *key;
    platform->memory = js->engine.memory;
    platform->sp = sp;
    copy_parts(&platform->parts, js->image);
    memcpy(platform->bytes, js->engine.memory.data + sp, len);
    pthread_mutex_lock(&js->rt->lock);
    kept = find(js->rt, key) == NULL;
    if (kept) {
        platform->next = js->rt->platforms;
        js->rt->platforms = platform;
    }
    pthread_mutex_unlock(&js->rt->lock);
    if (!kept)
        free(platform);
}

void platforms_free(struct js_rt *rt)
{
    while (rt->platforms != NULL) {
        struct js_platform *platform = rt->platforms;
        rt->platforms = platform->next;
        free(platform);
    }
}
