/*
 * The store of files: "NAME.ID" in a folder, replaced by renaming a new one.
 *
 * The new one, "NAME.ID.new", is locked by who replaces, drops or reads: one at a time. Who asked may have been killed
 * since; what was asked before something that is done already is not done any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <anqa/js.h>
#include <anqa/memory.h>
#include <anqa/process.h>

enum { FILE_NAME_MOST = 250 /* bytes; ".new" comes behind it */ };
#define FILE_MOST ((off_t)4 << 30)

/* What a worker does. On the heap of the process, which is kept until the worker reports back. */
struct job {
    struct job *older, **link; /* of all that are asked; guarded by asked_lock */
    bool late;                 /* as above: something that was asked later has been done */
    const char *folder;
    char file[FILE_NAME_MOST + 1];
    anqa_str bytes; /* to be written */
    anqa_buf read;
    int errnum;
    bool no_folder;
};

static pthread_mutex_t asked_lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *asked; /* the latest first */

/* ---------------------------------------------------------------- the order of what is asked */

static void ask(struct job *job)
{
    pthread_mutex_lock(&asked_lock);
    job->older = asked;
    job->link = &asked;
    if (asked != NULL)
        asked->link = &job->older;
    asked = job;
    pthread_mutex_unlock(&asked_lock);
}

static void ask_no_more(struct job *job)
{
    pthread_mutex_lock(&asked_lock);
    *job->link = job->older;
    if (job->older != NULL)
        job->older->link = job->link;
    pthread_mutex_unlock(&asked_lock);
}

static bool is_late(const struct job *job)
{
    bool late;

    pthread_mutex_lock(&asked_lock);
    late = job->late;
    pthread_mutex_unlock(&asked_lock);
    return late;
}

/* The file is as it is wanted by this one, and its lock still held. */
static void done(const struct job *job)
{
    pthread_mutex_lock(&asked_lock);
    for (struct job *older = job->older; older != NULL; older = older->older)
        if (strcmp(older->file, job->file) == 0 && strcmp(older->folder, job->folder) == 0)
            older->late = true;
    pthread_mutex_unlock(&asked_lock);
}

/* ---------------------------------------------------------------- names */

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* Appends `text` so that no two become the same, none is hidden, and none leads to another folder. False: no room. */
static bool append(char *name, size_t *len, anqa_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (*len + 3 > FILE_NAME_MOST)
            return false;
        if (is_plain(c))
            name[(*len)++] = (char)c;
        else
            *len += (size_t)snprintf(name + *len, 4, "%%%02x", c);
    }
    name[*len] = '\0';
    return true;
}

static bool name_file(char *name, const anqa_js_script *script, anqa_str id)
{
    size_t len = 0;

    if (!append(name, &len, anqa_str_of(script->name)) || len == FILE_NAME_MOST)
        return false;
    name[len++] = '.';
    return append(name, &len, id);
}

/* ---------------------------------------------------------------- the work of a worker */

static bool write_all(int fd, anqa_str bytes)
{
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        bytes.ptr += put;
        bytes.len -= (size_t)put;
    }
    return fsync(fd) == 0;
}

/* enum: what the name of a file that is open stands for: it, another one, because somebody has just put it in its place;
 * or that cannot be told. */
enum name { NAME_OURS, NAME_OTHERS, NAME_UNKNOWN };

static enum name name_of(int fd, int folder, const char *file)
{
    struct stat ours, named;

    if (fstat(fd, &ours) != 0)
        return NAME_UNKNOWN;
    if (fstatat(folder, file, &named, 0) != 0)
        return errno == ENOENT ? NAME_OTHERS : NAME_UNKNOWN;
    return ours.st_ino == named.st_ino && ours.st_dev == named.st_dev ? NAME_OURS : NAME_OTHERS;
}

static int lock(int fd)
{
    int locked;

    do
        locked = flock(fd, LOCK_EX);
    while (locked != 0 && errno == EINTR);
    return locked;
}

static const char *name_new(char *name, const struct job *job)
{
    snprintf(name, FILE_NAME_MOST + 8, "%s.new", job->file);
    return name;
}

/* The new file, ours alone: one that was killed may still be at work for the same id. flags: O_CREAT to make it. -1:
 * errno says why. */
static int open_new(int folder, const char *file, int flags)
{
    for (;;) {
        int fd = openat(folder, file, O_WRONLY | O_CLOEXEC | flags, 0600);
        enum name name = fd >= 0 && lock(fd) == 0 ? name_of(fd, folder, file) : NAME_UNKNOWN;
        if (name == NAME_OURS)
            return fd;
        if (fd >= 0)
            close(fd);
        if (name != NAME_OTHERS)
            return -1;
    }
}

static bool replace(int folder, const char *temporary, int fd, const struct job *job)
{
    return ftruncate(fd, 0) == 0 && write_all(fd, job->bytes) &&
           renameat(folder, temporary, folder, job->file) == 0 && fsync(folder) == 0;
}

static bool is_removed(int folder, const char *file)
{
    return unlinkat(folder, file, 0) == 0 || errno == ENOENT;
}

static bool read_all(int fd, struct job *job)
{
    struct stat st;
    char *bytes;
    size_t len = 0;
    ssize_t got = 1;

    if (fstat(fd, &st) != 0)
        return false;
    if (st.st_size > FILE_MOST) {
        errno = EFBIG;
        return false;
    }
    if (anqa_buf_new((size_t)st.st_size, &job->read, &bytes) != ANQA_OK) {
        errno = ENOMEM;
        return false;
    }
    while (len < (size_t)st.st_size && got > 0) {
        got = read(fd, bytes + len, (size_t)st.st_size - len);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            len += (size_t)got;
    }
    job->read.len = len; /* it is shorter now: the snapshot's own length tells */
    return got >= 0;
}

/* Behind one that is being replaced; when there is no new file none is. */
static bool load(int folder, struct job *job)
{
    char temporary[FILE_NAME_MOST + 8];
    int locked = open_new(folder, name_new(temporary, job), 0);
    int fd = openat(folder, job->file, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && read_all(fd, job);
    int why = errno;

    if (fd >= 0)
        close(fd);
    if (locked >= 0)
        close(locked);
    errno = why;
    return ok;
}

static void in_folder(struct job *job, bool (*work)(int folder, struct job *job))
{
    int folder = open(job->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    job->no_folder = folder < 0;
    job->errnum = folder >= 0 && work(folder, job) ? 0 : errno;
    if (folder >= 0)
        close(folder);
}

static bool save(int folder, struct job *job)
{
    char temporary[FILE_NAME_MOST + 8];
    int fd = open_new(folder, name_new(temporary, job), O_CREAT), why;
    bool late = is_late(job), ok;

    if (fd < 0)
        return false;
    ok = late ? is_removed(folder, temporary) : replace(folder, temporary, fd, job);
    why = errno;
    if (ok && !late)
        done(job);
    close(fd);
    errno = why;
    return ok;
}

static bool drop(int folder, struct job *job)
{
    char temporary[FILE_NAME_MOST + 8];
    int fd = open_new(folder, name_new(temporary, job), O_CREAT), why;
    bool late = is_late(job), ok;

    if (fd < 0)
        return false;
    ok = (late || is_removed(folder, job->file)) && is_removed(folder, temporary) &&
         fsync(folder) == 0;
    why = errno;
    if (ok && !late)
        done(job);
    close(fd);
    errno = why;
    return ok;
}

static void run_load(void *job)
{
    in_folder(job, load);
}

static void run_save(void *job)
{
    in_folder(job, save);
}

static void run_drop(void *job)
{
    in_folder(job, drop);
}

/* ---------------------------------------------------------------- what a store is asked */

static void free_job(void *arg)
{
    struct job *job = arg;

    ask_no_more(job);
    anqa_buf_unref(job->read);
    anqa_heap_free(job);
}

static anqa_status work(const anqa_js_store *store, const anqa_js_script *script, anqa_str id,
    void (*run)(void *job), anqa_str bytes, anqa_buf *ret_read, anqa_error *err)
{
    anqa_deferred mark = anqa_defer_mark();
    struct job *job = anqa_heap_calloc(1, sizeof *job);
    bool named = name_file(job->file, script, id);
    anqa_status status;

    job->folder = store->arg;
    job->bytes = bytes;
    ask(job);
    (void)anqa_defer(free_job, job);
    if (!named)
        status = anqa_fail(err, ANQA_E_RANGE, "an id of %zu bytes is too long for a file", id.len);
    else
        status = anqa_blocking(run, job, 0);
    if (status == ANQA_OK && job->errnum != 0)
        status = anqa_fail_errno(err, job->errnum, "%s/%s", job->folder, job->file);
    if (status != ANQA_OK && job->no_folder) { /* then nothing is known not to be there */
        status = ANQA_E_IO;
        if (err != NULL)
            err->status = status;
    }
    if (status == ANQA_OK && ret_read != NULL)
        *ret_read = anqa_buf_ref(job->read);
    anqa_defer_run_to(mark);
    return status;
}

anqa_status anqa_js_files_load(const anqa_js_store *store, const anqa_js_script *script,
    anqa_str id, anqa_buf *ret_snapshot, anqa_error *err)
{
    return work(store, script, id, run_load, (anqa_str){NULL, 0}, ret_snapshot, err);
}

anqa_status anqa_js_files_save(const anqa_js_store *store, const anqa_js_script *script,
    anqa_str id, anqa_str snapshot, anqa_error *err)
{
    return work(store, script, id, run_save, snapshot, NULL, err);
}

anqa_status anqa_js_files_drop(
    const anqa_js_store *store, const anqa_js_script *script, anqa_str id, anqa_error *err)
{
    return work(store, script, id, run_drop, (anqa_str){NULL, 0}, NULL, err);
}
