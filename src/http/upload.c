/* Files of forms. They are made without a name, so that whatever ends, even the program, leaves nothing behind. */
#include "http/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <anqa/memory.h>
#include <anqa/process.h>

#include "http/parsers.h"

/* ---------------------------------------------------------------- writing */

static const char *folder(const char *dir)
{
    const char *env = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    if (dir != NULL)
        return dir;
    return env != NULL && *env != '\0' ? env : "/tmp";
}

/* For file systems that know no files without a name: it has one for a moment. */
static int open_and_unlink(const char *dir)
{
    char *path = anqa_tmp_printf("%s/anqa-XXXXXX", dir);
    int fd = mkostemp(path, O_CLOEXEC);

    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

static void free_spool(void *spool)
{
    anqa_heap_free(spool);
}

struct spool *spool_new(void)
{
    struct spool *spool = anqa_heap_alloc(sizeof *spool);

    anqa_defer(free_spool, spool);
    return spool;
}

bool spool_open(struct spool *spool, const char *dir)
{
    spool->len = 0;
    spool->errnum = 0;
    spool->fd = open(folder(dir), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
        spool->fd = open_and_unlink(folder(dir));
    if (spool->fd < 0)
        spool->errnum = errno;
    anqa_defer_close(spool->fd);
    return spool->fd >= 0;
}

/* On a worker. */
static void write_job(void *job)
{
    struct spool *spool = job;
    size_t at = 0;

    while (at < spool->len && spool->errnum == 0) {
        ssize_t n = write(spool->fd, spool->bytes + at, spool->len - at);
        if (n >= 0)
            at += (size_t)n;
        else if (errno != EINTR)
            spool->errnum = errno;
    }
    spool->len = 0;
}

static bool flush(struct spool *spool)
{
    if (spool->len != 0 && anqa_blocking(write_job, spool, 0) != ANQA_OK)
        spool->errnum = EAGAIN;
    return spool->errnum == 0;
}

bool spool_write(struct spool *spool, anqa_str bytes)
{
    while (bytes.len != 0) {
        size_t room = SPOOL_SIZE - spool->len, n = bytes.len < room ? bytes.len : room;
        memcpy(spool->bytes + spool->len, bytes.ptr, n);
        spool->len += n;
        bytes = anqa_str_make(bytes.ptr + n, bytes.len - n);
        if (spool->len == SPOOL_SIZE && !flush(spool))
            return false;
    }
    return true;
}

bool spool_finish(struct spool *spool)
{
    return flush(spool) && lseek(spool->fd, 0, SEEK_SET) == 0;
}

/* ---------------------------------------------------------------- saving */

struct save {
    int fd;
    int errnum;
    char path[PATH_MAX];
};

static int copy(int from, int to)
{
    off_t at = 0;
    ssize_t n;

    do
        n = sendfile(to, from, &at, (size_t)1 << 30);
    while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 ? errno : 0;
}

static int save_copy(const struct save *save)
{
    int to = open(save->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), errnum;

    if (to < 0)
        return errno;
    errnum = copy(save->fd, to);
    if (close(to) != 0 && errnum == 0)
        errnum = errno;
    if (errnum != 0)
        (void)unlink(save->path);
    return errnum;
}

/* On a worker. */
static void save_job(void *job)
{
    struct save *save = job;
    char link[64];

    snprintf(link, sizeof link, "/proc/self/fd/%d", save->fd);
    if (linkat(AT_FDCWD, link, AT_FDCWD, save->path, AT_SYMLINK_FOLLOW) == 0)
        return;
    save->errnum =
        errno == EEXIST ? EEXIST : save_copy(save); /* another file system, or no /proc */
}

anqa_status anqa_upload_save(const anqa_upload *upload, const char *path, anqa_error *err)
{
    struct save *save = anqa_heap_calloc(1, sizeof *save);
    anqa_status status;
    int errnum;

    save->fd = upload->fd;
    if (snprintf(save->path, sizeof save->path, "%s", path) >= (int)sizeof save->path)
        save->errnum = ENAMETOOLONG;
    status = save->errnum == 0 ? anqa_blocking(save_job, save, 0) : ANQA_OK;
    errnum = save->errnum;
    anqa_heap_free(save);
    if (status != ANQA_OK)
        return anqa_fail(err, status, "cannot save a file as %s", path);
    return errnum == 0 ? ANQA_OK : anqa_fail_errno(err, errnum, "cannot save a file as %s", path);
}

const anqa_upload *anqa_conn_upload(anqa_conn *conn, const char *name)
{
    const struct upload *upload = params_of(conn)->uploads;

    while (upload != NULL && !anqa_str_is(upload->pub.name, name))
        upload = upload->next;
    return upload == NULL ? NULL : &upload->pub;
}
