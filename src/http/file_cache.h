/*
 * Files of static mounts that stay open from one request to the next: to open and close one is a fifth of what it takes to answer
 * with it.
 *
 * A file is looked up by the mount, its path, and the codings that the client takes. One that was written to, taken away, replaced,
 * renamed or closed to readers is seen to be so by each request (fstat). What only its path can tell is seen within FILE_CACHE_MS, when
 * it is opened anew: a folder or a link on the way that stands for another one now, or a newer copy. No file is kept for longer without a
 * request either, so that what was deleted gives its room back. There are FILE_CACHE_FILES at most, the oldest goes first; where
 * descriptors run out all go.
 *
 * owner: scheduler, with all files: those who send one are processes on it. Nothing waits but for the disk.
 */
#ifndef HTTP_FILE_CACHE_H
#define HTTP_FILE_CACHE_H

#include "base/list.h"   /* IWYU pragma: export */
#include "http/static.h" /* IWYU pragma: export */

#define FILE_CACHE_MS 1000u
#define FILE_CACHE_FILES 256u

struct file_cache;

/* An open file. Borrowed from file_cache_find, until kept_file_unref. */
struct kept_file {
    struct static_file file;
    struct anqa_list_node node; /* in its cache, unless it has left that */
    uint64_t until_ms;
    uint32_t refs; /* of the cache, and of each who sends it */
    uint32_t key_len;
    char key[];
};

/* NULL: no memory. */
struct file_cache *file_cache_new(void);
/* NULL is fine. Who still sends a file has it. */
void file_cache_free(struct file_cache *cache);

/* As static_find. cache: NULL: the file is opened for this request. ret_file: counted. */
enum static_result file_cache_find(struct file_cache *cache, const struct static_mount *mount,
    const struct request *req, struct kept_file **ret_file);
void kept_file_unref(struct kept_file *kept);

/* Closes those whose time is over. */
void file_cache_sweep(struct file_cache *cache);
/* How many there are; NULL: none. */
size_t file_cache_count(const struct file_cache *cache);

#endif
