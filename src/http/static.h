/*
 * Static files: from the path of a request to an open file and the head of the response.
 *
 * A mount ties a prefix of paths to a folder, which is held open. What is asked for is resolved beneath it by the kernel
 * (openat2, RESOLVE_BENEATH): no "..", no symbolic link and no race leads out of the folder; links inside of it are
 * followed. Where that call is forbidden, each part of the path is opened by itself and no link is followed at all.
 * Before that a path is decoded once, and refused if it holds a NUL, an encoded slash, a backslash, an empty part or a part that begins
 * with a dot, `.well-known` excepted: so neither ".." nor ".git" nor ".env" is ever looked up.
 *
 * Only regular files are served. The content is the caller's to read, from a descriptor that is his. Opening a file may wait for the disk,
 * never for anything else: a FIFO does not hold anyone up.
 *
 * Threads: a mount does not change once it is open, and may then be used by any thread.
 */
#ifndef HTTP_STATIC_H
#define HTTP_STATIC_H

#include "http/request.h"
#include "http/response.h"

#define STATIC_PATH_MAX 1024 /* bytes of a decoded path */

/* Zero is a sensible default everywhere but for `folder`. Strings stay the caller's while the mount is open. */
struct static_spec {
    const char *prefix; /* "/assets", without a slash at the end; NULL: all paths */
    const char *folder;
    const char *cache_control; /* NULL: "public" */
    const char *index; /* what a folder stands for, as "index.html"; NULL: folders are not found */
};

struct static_mount {
    struct static_spec spec;
    int folder_fd;
};

/* Fails: E_NOT_FOUND, E_PERMISSION, E_INVALID (a prefix that is no path; not a folder), E_LIMIT (descriptors). */
anqa_status static_open(
    struct static_mount *mount, const struct static_spec *spec, anqa_error *err) ANQA_MUST_CHECK;
void static_close(struct static_mount *mount);

enum static_result {
    STATIC_PASS, /* not GET or HEAD, or not below the prefix: somebody else's */
    STATIC_FOUND,
    STATIC_MISSING, /* 404 */
    STATIC_BUSY     /* 503: no descriptor or memory is left */
};

struct static_file {
    int fd; /* the caller closes it, with static_file_close or by himself */
    uint64_t size;
    int64_t modified_s;
    const char *content_type; /* static */
    char etag[19];            /* quoted, with a NUL */
};

/* Looks up the request's path and opens the file. ret_file: written when STATIC_FOUND. */
enum static_result static_find(
    const struct static_mount *mount, const struct request *req, struct static_file *ret_file);
void static_file_close(struct static_file *file);

/*
 * Writes all fields of the response's head; response_finish is the caller's, who may add fields.
 * Returns how many bytes of content follow: 0 for HEAD, for an empty file, and where the client's copy is still good (304).
 */
uint64_t static_write_head(struct response *response, char *buffer, size_t size,
    const struct static_mount *mount, const struct static_file *file, const struct request *req);

/* The content type for the ending of a path. Static. */
const char *static_content_type(anqa_str path);

#endif
