#include "http/file_cache.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <anqa/process.h>

#include "base/container.h"
#include "base/map.h"

struct file_cache {
    struct map_str by_key;
    struct anqa_list files; /* the oldest first */
};

struct file_cache *file_cache_new(void)
{
    struct file_cache *cache = calloc(1, sizeof *cache);

    if (cache != NULL)
        anqa_list_init(&cache->files);
    return cache;
}

size_t file_cache_count(const struct file_cache *cache)
{
    return cache == NULL ? 0 : cache->by_key.count;
}

/* ---------------------------------------------------------------- coming and going */

static anqa_str key_of(const struct kept_file *kept)
{
    return anqa_str_make(kept->key, kept->key_len);
}

void kept_file_unref(struct kept_file *kept)
{
    if (--kept->refs != 0)
        return;
    anqa_section_begin();
    static_file_close(&kept->file);
    free(kept);
    anqa_section_end();
}

static void drop(struct file_cache *cache, struct kept_file *kept)
{
    (void)map_str_remove(&cache->by_key, key_of(kept));
    anqa_list_remove(&kept->node);
    kept_file_unref(kept);
}

static struct kept_file *oldest(struct file_cache *cache)
{
    struct anqa_list_node *node = anqa_list_first(&cache->files);

    return node == NULL ? NULL : ANQA_CONTAINER_OF(node, struct kept_file, node);
}

static void drop_all(struct file_cache *cache)
{
    for (struct kept_file *kept = oldest(cache); kept != NULL; kept = oldest(cache))
        drop(cache, kept);
}

void file_cache_free(struct file_cache *cache)
{
    if (cache == NULL)
        return;
    drop_all(cache);
    map_str_done(&cache->by_key);
    free(cache);
}

void file_cache_sweep(struct file_cache *cache)
{
    uint64_t now_ms = anqa_now_ms();
    struct kept_file *kept;

    while (cache != NULL && (kept = oldest(cache)) != NULL && kept->until_ms <= now_ms)
        drop(cache, kept);
}

/* Without memory it is not kept. */
static void keep(struct file_cache *cache, struct kept_file *kept)
{
    if (file_cache_count(cache) == FILE_CACHE_FILES)
        drop(cache, oldest(cache));
    if (map_str_put(&cache->by_key, key_of(kept), kept, NULL) != ANQA_OK)
        return;
    anqa_list_push(&cache->files, &kept->node);
    kept->until_ms = anqa_now_ms() + FILE_CACHE_MS;
    kept->refs++;
}

/* ---------------------------------------------------------------- finding */

/* Whether it is still the file that was found under its path, and as it was then. One that has lost that name may live on
 * under others, which has changed it, too. */
static bool is_fresh(const struct kept_file *kept)
{
    const struct static_file *file = &kept->file;
    struct stat st;

    return kept->until_ms > anqa_now_ms() && fstat(file->fd, &st) == 0 && st.st_nlink != 0 &&
           (uint64_t)st.st_size == file->size && st.st_mtim.tv_sec == file->modified_s &&
           (uint32_t)st.st_mtim.tv_nsec == file->modified_ns &&
           st.st_ctim.tv_sec == file->changed_s && (uint32_t)st.st_ctim.tv_nsec == file->changed_ns;
}

/* NULL: there is none. */
static struct kept_file *look_up(struct file_cache *cache, anqa_str key)
{
    struct kept_file *kept = map_str_get(&cache->by_key, key);

    if (kept == NULL || is_fresh(kept))
        return kept;
    drop(cache, kept);
    return NULL;
}

static enum static_result open_wish(struct file_cache *cache, const struct static_mount *mount,
    struct static_wish *wish, struct static_file *ret_file)
{
    enum static_result result = static_open_wish(mount, wish, ret_file);

    if (result != STATIC_BUSY || file_cache_count(cache) == 0)
        return result;
    drop_all(cache); /* these are descriptors, too */
    return static_open_wish(mount, wish, ret_file);
}

static enum static_result open_kept(struct file_cache *cache, const struct static_mount *mount,
    struct static_wish *wish, struct kept_file **ret_file)
{
    anqa_str key = static_wish_key(wish);
    struct kept_file *kept = calloc(1, sizeof *kept + key.len);
    enum static_result result =
        kept == NULL ? STATIC_BUSY : open_wish(cache, mount, wish, &kept->file);

    if (result != STATIC_FOUND) {
        free(kept);
        return result;
    }
    kept->refs = 1;
    kept->key_len = (uint32_t)key.len;
    memcpy(kept->key, key.ptr, key.len);
    if (cache != NULL)
        keep(cache, kept);
    *ret_file = kept;
    return STATIC_FOUND;
}

enum static_result file_cache_find(struct file_cache *cache, const struct static_mount *mount,
    const struct request *req, struct kept_file **ret_file)
{
    struct static_wish wish;
    enum static_result result = static_wish_of(mount, req, &wish);
    struct kept_file *kept;

    if (result != STATIC_FOUND)
        return result;
    if (mount->spec.opens_anew)
        cache = NULL;
    anqa_section_begin();
    kept = cache == NULL ? NULL : look_up(cache, static_wish_key(&wish));
    if (kept == NULL)
        result = open_kept(cache, mount, &wish, ret_file);
    anqa_section_end();
    if (kept == NULL)
        return result;
    kept->refs++;
    *ret_file = kept;
    return STATIC_FOUND;
}
