#include "http/secret_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/random.h"

#define HIDDEN ".anqa"
#define NAME "secret_key_base"
#define WHERE HIDDEN "/" NAME

static_assert((SECRET_FILE_BYTES + 2) / 3 * 4 == SECRET_FILE_TEXT, "as base 64");

/* ---------------------------------------------------------------- making it */

static bool write_file(int folder, const char *name, const char *text, size_t len)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool done;

    if (fd < 0)
        return false;
    done = write(fd, text, len) == (ssize_t)len;
    if (close(fd) != 0 || !done) {
        (void)unlinkat(folder, name, 0);
        return false;
    }
    return true;
}

/* Under another name first: nobody sees half of it. */
static bool make(int folder)
{
    unsigned char bytes[SECRET_FILE_BYTES];
    char text[SECRET_FILE_TEXT + 1], other[sizeof NAME + 16];
    bool done;

    random_bytes(bytes, sizeof bytes);
    (void)base64_encode(bytes, sizeof bytes, 0, text);
    text[SECRET_FILE_TEXT] = '\n';
    (void)snprintf(other, sizeof other, NAME ".%d", (int)getpid());
    done = write_file(folder, other, text, sizeof text) &&
           (linkat(folder, other, folder, NAME, 0) == 0 || errno == EEXIST);
    (void)unlinkat(folder, other, 0);
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(text, sizeof text);
    return done;
}

/* ---------------------------------------------------------------- reading it */

static const char *objection(const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "it is no file";
    if (st->st_uid != geteuid())
        return "it belongs to another user";
    if ((st->st_mode & 077) != 0)
        return "others may read it: chmod 600";
    return st->st_size < SECRET_FILE_TEXT ? "it is too short" : NULL;
}

static anqa_status read_opened(int fd, char *ret_secret, anqa_error *err)
{
    const char *why;
    struct stat st;

    if (fstat(fd, &st) != 0)
        return anqa_fail_errno(err, errno, "cannot look at " WHERE);
    why = objection(&st);
    if (why != NULL)
        return anqa_fail(err, ANQA_E_PERMISSION, "cannot use " WHERE ": %s", why);
    if (pread(fd, ret_secret, SECRET_FILE_TEXT, 0) != SECRET_FILE_TEXT)
        return anqa_fail(err, ANQA_E_IO, "cannot read " WHERE);
    return ANQA_OK;
}

static anqa_status read_in(int folder, char *ret_secret, anqa_error *err)
{
    static const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(folder, NAME, flags);
    anqa_status status;

    if (fd < 0 && errno == ENOENT) {
        (void)write_file(folder, ".gitignore", "*\n", 2);
        if (!make(folder))
            return anqa_fail_errno(err, errno, "cannot make " WHERE);
        fd = openat(folder, NAME, flags);
    }
    if (fd < 0)
        return anqa_fail_errno(err, errno, "cannot open " WHERE);
    status = read_opened(fd, ret_secret, err);
    close(fd);
    return status;
}

anqa_status secret_file_read(
    const char *folder, char ret_secret[static SECRET_FILE_TEXT], anqa_error *err)
{
    int above = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;
    anqa_status status;

    if (above < 0)
        return anqa_fail_errno(err, errno, "cannot open the folder %s", folder);
    (void)mkdirat(above, HIDDEN, 0700);
    fd = openat(above, HIDDEN, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        status = anqa_fail_errno(err, errno, "cannot open the folder " HIDDEN);
    } else {
        status = read_in(fd, ret_secret, err);
        close(fd);
    }
    close(above);
    return status;
}
