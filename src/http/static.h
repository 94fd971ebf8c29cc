/*
 * Static files: from the path of a request to an open file and the head of the response.
 *
 * A mount ties a prefix of paths to a folder, which is held open. What is asked for is resolved beneath it by the kernel
 * (openat2, RESOLVE_BENEATH): no "..", no symbolic link and no race leads out of the folder; relative links inside of it are
 * followed. Where that call is forbidden, each part of the path is opened by itself and no link is followed at all.
 * Before that a path is decoded once, and refused if it holds a NUL, an encoded slash, a backslash, an empty part or a part that begins
 * with a dot, `.well-known` excepted: so neither ".." nor ".git" nor ".env" is ever looked up.
 *
 * A file may have compressed copies beside it, `app.js.br` and `app.js.gz`, which are chosen where the mount has them looked for and
 * the client takes them (http/encoding.h). One that is older than the file is forgotten. A copy has a tag of its own, and ranges are
 * ranges of the copy.
 *
 * Only regular files are served. The content is the caller's to read, from a descriptor that is his. Opening a file may wait for the disk,
 * never for anything else: a FIFO does not hold anyone up.
 *
 * Threads: a mount does not change once it is open, and may then be used by any thread.
 */
#ifndef HTTP_STATIC_H
#define HTTP_STATIC_H

#include <stddef.h>

#include <anqa/conn.h> /* IWYU pragma: export */

#include "http/encoding.h"   /* IWYU pragma: export */
#include "http/byteranges.h" /* IWYU pragma: export */
#include "http/request.h"    /* IWYU pragma: export */
#include "http/response.h"   /* IWYU pragma: export */

#define STATIC_PATH_MAX 1024    /* bytes of a decoded path */
#define STATIC_FIELDS_MAX 2048u /* of what a mount adds to heads */

/* Zero is a sensible default everywhere but for `folder`. Strings stay the caller's while the mount is open. */
struct static_spec {
    const char *prefix; /* "/assets", without a slash at the end; NULL: all paths */
    const char *folder;
    const char *cache_control; /* NULL: "public" */
    const char
        *cache_control_vsn; /* of URLs with "?vsn="; NULL: "public, max-age=31536000, immutable" */
    const anqa_header *headers; /* more fields of all answers; {0} ends them; NULL: none */
    const char *const *
        only; /* first parts of paths below the prefix, the others are passed on; NULL ends them; NULL: all */
    const char *index; /* what a folder stands for, as "index.html"; NULL: folders are not found */
    bool gzip, brotli; /* copies are looked for */
    bool opens_anew;   /* for each request: http/file_cache.h keeps nothing of it */
};

struct static_mount {
    struct static_spec spec;
    int folder_fd;
    uint64_t id; /* no other one of this program has had it */
};

/* Fails: E_NOT_FOUND, E_PERMISSION, E_INVALID (a prefix that is no path; not a folder; fields that can not be, or are written here),
 * E_LIMIT (descriptors; too long fields). */
anqa_status static_open(
    struct static_mount *mount, const struct static_spec *spec, anqa_error *err) ANQA_MUST_CHECK;
void static_close(struct static_mount *mount);

enum static_result {
    STATIC_PASS, /* not GET or HEAD, or not below the prefix, or not in `only`: somebody else's */
    STATIC_FOUND,
    STATIC_MISSING, /* 404 */
    STATIC_DENIED,  /* it is there and may not be read; 404 as well */
    STATIC_BUSY     /* 503: no descriptor or memory is left */
};

struct static_file {
    int fd; /* the caller closes it, with static_file_close or by himself */
    uint64_t size;
    int64_t modified_s;
    int64_t changed_s;    /* as that, and also its names, and who may read it */
    uint32_t modified_ns; /* behind those */
    uint32_t changed_ns;
    const char *content_type; /* static */
    char etag[19];            /* quoted, with a NUL */
    enum encoding encoding;   /* of the copy that this is */
    bool varies;              /* there may be copies: another client may be sent another one */
};

#define STATIC_ENDING_LEN 3 /* ".br" */

/* What a request asks a mount for. Whoever wants the same from there is sent the same. */
struct static_wish {
    /* from here on the key */
    uint64_t mount;
    unsigned char codings
        [ENCODING_COUNT]; /* of copies, those liked best first; ENCODING_IDENTITY: the file itself */
    char name[STATIC_PATH_MAX + STATIC_ENDING_LEN + 1]; /* relative to the folder, with a NUL */
    /* to the name's end */
    uint32_t len;
};

/* Whether there may be such a file: STATIC_FOUND, STATIC_PASS or STATIC_MISSING. Asks no file system. */
enum static_result static_wish_of(
    const struct static_mount *mount, const struct request *req, struct static_wish *ret_wish);
/* Opens it. ret_file: written when STATIC_FOUND.   wish: the same again afterwards. */
enum static_result static_open_wish(
    const struct static_mount *mount, struct static_wish *wish, struct static_file *ret_file);

/* Its bytes; borrowed from it. */
static inline anqa_str static_wish_key(const struct static_wish *wish)
{
    return anqa_str_make(
        (const char *)wish, offsetof(struct static_wish, name) + (size_t)wish->len);
}

/* Looks up the request's path and opens the file. ret_file: written when STATIC_FOUND. */
enum static_result static_find(
    const struct static_mount *mount, const struct request *req, struct static_file *ret_file);
/* The same for any file; never STATIC_PASS. */
enum static_result static_file_open(const char *path, struct static_file *ret_file);
void static_file_close(struct static_file *file);

/* What of a file a request is answered with: 200, 206, 304 (nothing) or 416 (nothing). */
struct static_part {
    unsigned status;
    struct range range;
    char modified[RESPONSE_DATE_LEN]; /* Last-Modified; without a NUL */
    char content_range[RANGE_TEXT];   /* empty: there is none */
};

/* ret_several: ranges.count is not 0 where several ranges are the answer, of which part->range is the first; NULL: who answers can not do
 * that, and the whole file is. */
void static_select(const struct static_file *file, const struct request *req,
    struct static_part *ret_part, struct byteranges *ret_several);

/*
 * Writes all fields of the response's head; response_finish is the caller's, who may add fields.
 * Returns what of the file follows: nothing for HEAD, for an empty file, and where the client's copy is still good (304).
 * ret_several: as that of static_select; then all of it follows.
 */
struct range static_write_head(struct response *response, char *buffer, size_t size,
    const struct static_mount *mount, const struct static_file *file, const struct request *req,
    struct byteranges *ret_several);

/* The content type for the ending of a path. Static. */
const char *static_content_type(anqa_str path);

#endif
