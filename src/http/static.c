#include "http/static.h"

#include "http/static_int.h"
#include "http/url.h"

#include "base/siphash.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static_assert(
    offsetof(struct static_wish, name) == sizeof(uint64_t) + ENCODING_COUNT * sizeof(unsigned char),
    "no byte of a key is left open");

/* ---------------------------------------------------------------- mounts */

static const char *or_default(const char *text, const char *otherwise)
{
    return text == NULL ? otherwise : text;
}

/* Fields that are written for each file, and those of the connection. */
static bool is_ours(anqa_str name)
{
    static const char *const names[] = {"accept-ranges", "cache-control", "connection",
        "content-encoding", "content-length", "content-range", "content-type", "date", "etag",
        "keep-alive", "last-modified", "strict-transport-security", "transfer-encoding", "upgrade",
        "x-content-type-options"};

    for (size_t i = 0; i < ANQA_COUNT(names); i++)
        if (request_same_word(name, anqa_str_of(names[i])))
            return true;
    return false;
}

static anqa_status check_field(const struct static_spec *spec, const char *name, const char *value,
    size_t *len, anqa_error *err)
{
    if (!response_is_name(anqa_str_of(name)) || !response_is_value(anqa_str_of(value)))
        return anqa_fail(err, ANQA_E_INVALID, "cannot serve %s: the field \"%s\" can not be sent",
            spec->folder, name);
    *len += strlen(name) + strlen(value) + strlen(": \r\n");
    return *len <= STATIC_FIELDS_MAX
               ? ANQA_OK
               : anqa_fail(err, ANQA_E_LIMIT, "cannot serve %s: its fields have more than %u bytes",
                     spec->folder, STATIC_FIELDS_MAX);
}

/* One of the two is written in each head. */
static anqa_status check_cache_control(const struct static_spec *spec, size_t *len, anqa_error *err)
{
    anqa_status status =
        check_field(spec, "cache-control", or_default(spec->cache_control, ""), len, err);

    return status == ANQA_OK ? check_field(spec, "cache-control",
                                   or_default(spec->cache_control_vsn, ""), len, err)
                             : status;
}

static anqa_status check_fields(const struct static_spec *spec, anqa_error *err)
{
    const anqa_header *header = spec->headers;
    size_t len = 0;
    anqa_status status = check_cache_control(spec, &len, err);

    for (; status == ANQA_OK && header != NULL && header->name != NULL; header++) {
        if (is_ours(anqa_str_of(header->name)))
            return anqa_fail(err, ANQA_E_INVALID,
                "cannot serve %s: \"%s\" is written for each file", spec->folder, header->name);
        status = check_field(spec, header->name, header->value, &len, err);
    }
    return status;
}

anqa_status static_open(struct static_mount *mount, const struct static_spec *spec, anqa_error *err)
{
    static _Atomic(uint64_t) ids;
    anqa_status status = check_fields(spec, err);
    size_t len = spec->prefix == NULL ? 0 : strlen(spec->prefix);

    if (len != 0 && (spec->prefix[0] != '/' || spec->prefix[len - 1] == '/'))
        return anqa_fail(err, ANQA_E_INVALID,
            "cannot serve %s under \"%s\": a prefix begins with '/' and does not end with it",
            spec->folder, spec->prefix);
    if (status != ANQA_OK)
        return status;
    mount->spec = *spec;
    mount->id = atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed);
    mount->folder_fd = open(spec->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mount->folder_fd < 0)
        return anqa_fail_errno(err, errno, "cannot serve files from the folder %s", spec->folder);
    return ANQA_OK;
}

void static_close(struct static_mount *mount)
{
    if (mount->folder_fd >= 0)
        close(mount->folder_fd);
    mount->folder_fd = -1;
}

/* ---------------------------------------------------------------- opening */

/* A FIFO or a device must hold nobody up before it is seen to be one. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

int static_open_stepwise(int folder_fd, const char *path)
{
    char part[NAME_MAX + 1];
    int at = folder_fd;

    for (;;) {
        size_t len = strcspn(path, "/");
        bool last = path[len] == '\0';
        int next, error;

        if (len > NAME_MAX) {
            next = -1;
            errno = ENAMETOOLONG;
        } else {
            memcpy(part, path, len);
            part[len] = '\0';
            next = openat(
                at, part, O_NOFOLLOW | (last ? OPEN_FLAGS : O_PATH | O_DIRECTORY | O_CLOEXEC));
        }
        error = errno;
        if (at != folder_fd)
            close(at);
        errno = error;
        if (next < 0 || last)
            return next;
        at = next;
        path += len + 1;
    }
}

int static_open_beneath(int folder_fd, const char *path)
{
    struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd = -1;

    /* EAGAIN: something was renamed meanwhile, and the kernel could not be sure. */
    for (int tries = 0; tries < 8 && (fd < 0 && (tries == 0 || errno == EAGAIN)); tries++)
        fd = syscall(SYS_openat2, folder_fd, path, &how, sizeof how);
    if (fd < 0 &&
        (errno == ENOSYS || errno == EPERM)) /* an old sandbox knows it not, or forbids it */
        return static_open_stepwise(folder_fd, path);
    return (int)fd;
}

static enum static_result result_of_errno(int error)
{
    if (error == EMFILE || error == ENFILE || error == ENOMEM)
        return STATIC_BUSY;
    return error == EACCES || error == EPERM ? STATIC_DENIED : STATIC_MISSING;
}

/* ---------------------------------------------------------------- paths */

static bool is_part(anqa_str part)
{
    if (part.len == 0 || memchr(part.ptr, '\\', part.len) != NULL)
        return false;
    return *part.ptr != '.' || anqa_str_is(part, ".well-known");
}

/* Whether each part between slashes may be looked up. */
static bool is_path(anqa_str path)
{
    for (;;) {
        const char *slash = memchr(path.ptr, '/', path.len);
        size_t len = slash == NULL ? path.len : (size_t)(slash - path.ptr);
        if (!is_part(anqa_str_make(path.ptr, len)))
            return false;
        if (slash == NULL)
            return true;
        path = anqa_str_make(slash + 1, path.len - len - 1);
    }
}

/* Cuts the prefix and the slash behind it off. */
static bool below_prefix(const struct static_mount *mount, anqa_str *path)
{
    anqa_str prefix = anqa_str_of(mount->spec.prefix);

    if (!anqa_str_starts(*path, prefix) || path->len == prefix.len || path->ptr[prefix.len] != '/')
        return false;
    *path = anqa_str_make(path->ptr + prefix.len + 1, path->len - prefix.len - 1);
    return true;
}

/* The name of the file relative to the folder, with a NUL; false if there can be none. */
static bool file_name(
    const struct static_mount *mount, anqa_str path, char out[static STATIC_PATH_MAX + 1])
{
    anqa_str name;
    size_t len;

    if (url_decode(path, URL_PATH, out, STATIC_PATH_MAX, &name) != ANQA_OK)
        return false;
    len = name.len;
    if (len > STATIC_PATH_MAX)
        return false;
    if (len != 0)
        memmove(out, name.ptr, len);
    if (len == 0 || out[len - 1] == '/') {
        anqa_str index = anqa_str_of(mount->spec.index);
        if (index.len == 0 || index.len > STATIC_PATH_MAX - len)
            return false;
        memcpy(out + len, index.ptr, index.len);
        len += index.len;
    }
    out[len] = '\0';
    return is_path(anqa_str_make(out, len));
}

/* Whether the mount has what begins with the first part of that path. */
static bool is_listed(const struct static_mount *mount, const char *name)
{
    const char *const *only = mount->spec.only;
    anqa_str part = anqa_str_make(name, strcspn(name, "/"));

    if (only == NULL)
        return true;
    while (*only != NULL && !anqa_str_is(part, *only))
        only++;
    return *only != NULL;
}

/* ---------------------------------------------------------------- files */

static const struct {
    const char *ending, *type;
} content_types[] = {
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"xml", "text/xml; charset=utf-8"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"ico", "image/x-icon"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"wasm", "application/wasm"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"wav", "audio/wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
};

const char *static_content_type(anqa_str path)
{
    const char *dot = path.len == 0 ? NULL : memrchr(path.ptr, '.', path.len);
    anqa_str ending;

    if (dot != NULL) {
        ending = anqa_str_make(dot + 1, (size_t)(path.ptr + path.len - dot - 1));
        for (size_t i = 0; i < ANQA_COUNT(content_types); i++) {
            if (request_same_word(ending, anqa_str_of(content_types[i].ending)))
                return content_types[i].type;
        }
    }
    return "application/octet-stream";
}

/* The same for the same file after a restart: the key of the hash is fixed, and hides nothing. */
static void write_etag(const struct stat *st, enum encoding encoding, char out[static 19])
{
    static const struct siphash_key key = {0x616e71612d657461, 0x67};
    static const char digits[] = "0123456789abcdef";
    const uint64_t seen[] = {(uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec,
        (uint64_t)st->st_mtim.tv_nsec, (uint64_t)st->st_ino, encoding};
    uint64_t hash = siphash(seen, sizeof seen, &key);

    out[0] = '"';
    for (unsigned i = 0; i < 16; i++)
        out[i + 1] = digits[hash >> (60 - i * 4) & 15];
    out[17] = '"';
    out[18] = '\0';
}

/* What was opened under `name`: a regular file is kept, all else closed. */
static enum static_result file_take(
    int fd, anqa_str name, enum encoding encoding, struct static_file *ret_file)
{
    struct stat st;

    if (fd < 0)
        return result_of_errno(errno);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return STATIC_MISSING;
    }
    *ret_file = (struct static_file){
        .fd = fd,
        .size = (uint64_t)st.st_size,
        .modified_s = st.st_mtim.tv_sec,
        .changed_s = st.st_ctim.tv_sec,
        .modified_ns = (uint32_t)st.st_mtim.tv_nsec,
        .changed_ns = (uint32_t)st.st_ctim.tv_nsec,
        .content_type = static_content_type(name),
        .encoding = encoding,
    };
    write_etag(&st, encoding, ret_file->etag);
    return STATIC_FOUND;
}

enum static_result static_file_open(const char *path, struct static_file *ret_file)
{
    return file_take(open(path, OPEN_FLAGS), anqa_str_of(path), ENCODING_IDENTITY, ret_file);
}

/* ---------------------------------------------------------------- compressed copies */

static bool is_older(const struct static_file *a, const struct static_file *b)
{
    return a->modified_s < b->modified_s ||
           (a->modified_s == b->modified_s && a->modified_ns < b->modified_ns);
}

/* Takes the copy in that coding in place of the file, if there is one that fits it. */
static bool take_copy(const struct static_mount *mount, struct static_wish *wish,
    enum encoding encoding, struct static_file *file)
{
    struct static_file copy = {0};
    int fd;

    memcpy(wish->name + wish->len, encoding_ending(encoding), STATIC_ENDING_LEN + 1);
    fd = static_open_beneath(mount->folder_fd, wish->name);
    wish->name[wish->len] = '\0';
    if (file_take(fd, anqa_str_make(wish->name, wish->len), encoding, &copy) != STATIC_FOUND)
        return false;
    if (is_older(&copy, file)) {
        static_file_close(&copy);
        return false;
    }
    static_file_close(file);
    *file = copy;
    return true;
}

static unsigned copies_of(const struct static_mount *mount)
{
    return (mount->spec.gzip ? 1u << ENCODING_GZIP : 0) |
           (mount->spec.brotli ? 1u << ENCODING_BR : 0);
}

static void choose_copy(
    const struct static_mount *mount, struct static_wish *wish, struct static_file *file)
{
    const unsigned char *coding = wish->codings;

    while (*coding != ENCODING_IDENTITY && !take_copy(mount, wish, *coding, file))
        coding++;
    file->varies = copies_of(mount) != 0;
}

/* ---------------------------------------------------------------- what a request asks for */

/* Of those that the mount has, in the order in which the client likes them. */
static void put_codings(
    const struct static_mount *mount, const struct request *req, struct static_wish *wish)
{
    unsigned have = copies_of(mount), count = 0;
    struct encoding_taste taste;
    enum encoding best;

    memset(wish->codings, ENCODING_IDENTITY, sizeof wish->codings);
    if (have == 0)
        return;
    taste = encoding_taste_of(req);
    while ((best = encoding_choose(&taste, have)) != ENCODING_IDENTITY) {
        wish->codings[count++] = (unsigned char)best;
        have &= ~(1u << best);
    }
}

enum static_result static_wish_of(
    const struct static_mount *mount, const struct request *req, struct static_wish *ret_wish)
{
    anqa_str path = req->path;

    if ((req->method != REQUEST_GET && req->method != REQUEST_HEAD) || !below_prefix(mount, &path))
        return STATIC_PASS;
    if (!file_name(mount, path, ret_wish->name))
        return STATIC_MISSING;
    if (!is_listed(mount, ret_wish->name))
        return STATIC_PASS;
    ret_wish->mount = mount->id;
    ret_wish->len = (uint32_t)strlen(ret_wish->name);
    put_codings(mount, req, ret_wish);
    return STATIC_FOUND;
}

enum static_result static_open_wish(
    const struct static_mount *mount, struct static_wish *wish, struct static_file *ret_file)
{
    enum static_result result = file_take(static_open_beneath(mount->folder_fd, wish->name),
        anqa_str_make(wish->name, wish->len), ENCODING_IDENTITY, ret_file);

    if (result == STATIC_FOUND)
        choose_copy(mount, wish, ret_file);
    return result;
}

enum static_result static_find(
    const struct static_mount *mount, const struct request *req, struct static_file *ret_file)
{
    struct static_wish wish;
    enum static_result result = static_wish_of(mount, req, &wish);

    return result == STATIC_FOUND ? static_open_wish(mount, &wish, ret_file) : result;
}

void static_file_close(struct static_file *file)
{
    close(file->fd);
    file->fd = -1;
}

/* ---------------------------------------------------------------- heads */

/* RFC 9110, 13.1.2: a weak comparison with each tag of the list. */
static bool names_tag(anqa_str list, const char *etag)
{
    anqa_str tag;

    while (request_next_token(&list, &tag)) {
        if (anqa_str_is(tag, "*"))
            return true;
        if (anqa_str_starts(tag, anqa_str_of("W/")))
            tag = anqa_str_make(tag.ptr + 2, tag.len - 2);
        if (anqa_str_is(tag, etag))
            return true;
    }
    return false;
}

/* RFC 9110, 13.1.3: If-Modified-Since counts only where If-None-Match is absent. */
static bool is_fresh(const struct request *req, const struct static_file *file)
{
    bool has_tags = false;
    anqa_str value;
    int64_t since;

    for (size_t i = 0; i < req->header_count; i++) {
        if (!request_same_word(req->headers[i].name, anqa_str_of("if-none-match")))
            continue;
        has_tags = true;
        if (names_tag(req->headers[i].value, file->etag))
            return true;
    }
    return !has_tags && request_header(req, "if-modified-since", &value) &&
           response_read_date(value, &since) && file->modified_s <= since;
}

/* RFC 9110, 13.1.5: the range counts only for the very file that the client has a part of. A file and its copies may well have been
 * written in one second: there the date does not tell which of them it was. */
static bool range_is_wanted(
    const struct request *req, const struct static_file *file, anqa_str modified)
{
    anqa_str value;

    return !request_header(req, "if-range", &value) || anqa_str_is(value, file->etag) ||
           (!file->varies && anqa_str_eq(value, modified));
}

void static_select(const struct static_file *file, const struct request *req,
    struct static_part *ret_part, struct byteranges *ret_several)
{
    struct ranges ranges = {0};
    anqa_str modified = anqa_str_make(ret_part->modified, sizeof ret_part->modified), value;

    *ret_part = (struct static_part){.status = 200, .range = {0, file->size}};
    if (ret_several != NULL)
        ret_several->ranges.count = 0;
    response_write_date(file->modified_s, ret_part->modified);
    if (is_fresh(req, file)) {
        ret_part->status = 304;
        return;
    }
    if (req->method != REQUEST_GET || !request_header(req, "range", &value) ||
        !range_is_wanted(req, file, modified))
        return;
    switch (ranges_parse(value, file->size, &ranges)) {
    case RANGE_NONE: return;
    case RANGE_PART:
        /* Of a coded copy the parts would be coded, and not what they are sent in: no field can say that. */
        if (ranges.count > 1 && (ret_several == NULL || file->encoding != ENCODING_IDENTITY))
            return;
        ret_part->status = 206;
        ret_part->range = ranges.at[0];
        if (ranges.count > 1) { /* each has a Content-Range of its own */
            byteranges_init(ret_several, &ranges, file->size, file->content_type);
            return;
        }
        range_write(&ret_part->range, file->size, ret_part->content_range);
        return;
    case RANGE_UNSATISFIABLE:
        ret_part->status = 416;
        ret_part->range.length = 0;
        range_write(NULL, file->size, ret_part->content_range);
        return;
    }
}

/* "?vsn=..." names one version of a file, which another one never gets. */
static anqa_str cache_control(const struct static_mount *mount, const struct request *req)
{
    const struct static_spec *spec = &mount->spec;

    return anqa_str_of(
        anqa_str_starts(req->query, anqa_str_of("vsn="))
            ? or_default(spec->cache_control_vsn, "public, max-age=31536000, immutable")
            : or_default(spec->cache_control, "public"));
}

struct range static_write_head(struct response *response, char *buffer, size_t size,
    const struct static_mount *mount, const struct static_file *file, const struct request *req,
    struct byteranges *ret_several)
{
    const anqa_header *header = mount->spec.headers;
    struct static_part part;
    char type[BYTERANGES_TEXT];
    bool several;

    static_select(file, req, &part, ret_several);
    several = ret_several != NULL && ret_several->ranges.count != 0;
    response_start(response, buffer, size, part.status);
    if (part.status != 416) /* the next one may ask for a range that is there */
        response_header(response, "cache-control", cache_control(mount, req));
    for (; header != NULL && header->name != NULL; header++)
        response_header(response, header->name, anqa_str_of(header->value));
    response_header(response, "etag", anqa_str_of(file->etag));
    response_header(response, "last-modified", anqa_str_make(part.modified, sizeof part.modified));
    if (file->varies)
        response_header(response, "vary", anqa_str_of("accept-encoding"));
    if (part.status == 304)
        return (struct range){0};
    if (part.content_range[0] != '\0')
        response_header(response, "content-range", anqa_str_of(part.content_range));
    response_header(response, "accept-ranges", anqa_str_of("bytes"));
    response_header(response, "content-type",
        several ? byteranges_type(ret_several, type) : anqa_str_of(file->content_type));
    if (file->encoding != ENCODING_IDENTITY && part.status != 416)
        response_header(response, "content-encoding", anqa_str_of(encoding_name(file->encoding)));
    response_header(response, "x-content-type-options", anqa_str_of("nosniff"));
    response_header_uint(
        response, "content-length", several ? byteranges_length(ret_several) : part.range.length);
    if (req->method == REQUEST_HEAD)
        part.range.length = 0;
    return part.range;
}
