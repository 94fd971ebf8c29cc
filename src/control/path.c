#include "control/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static anqa_status path_fits(int len, const char *what, anqa_error *err)
{
    if (len >= 0 && len < CONTROL_PATH_MAX)
        return ANQA_OK;
    return anqa_fail(err, ANQA_E_LIMIT,
        "the path of the control socket is longer than the %d bytes that a socket can have: %s",
        CONTROL_PATH_MAX - 1, what);
}

anqa_status control_folder(char folder[CONTROL_PATH_MAX], anqa_error *err)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    int len;

    if (runtime == NULL || runtime[0] != '/') {
        len = snprintf(folder, CONTROL_PATH_MAX, "/tmp/anqa-%ld", (long)geteuid());
        return path_fits(len, "/tmp", err);
    }
    len = snprintf(folder, CONTROL_PATH_MAX, "%s/anqa", runtime);
    return path_fits(len, runtime, err);
}

anqa_status control_folder_check(const char *folder, anqa_error *err)
{
    struct stat found;

    if (lstat(folder, &found) < 0)
        return anqa_fail_errno(err, errno, "the folder of control sockets, %s", folder);
    if (!S_ISDIR(found.st_mode))
        return anqa_fail(err, ANQA_E_PERMISSION, "%s is no folder", folder);
    if (found.st_uid != geteuid())
        return anqa_fail(err, ANQA_E_PERMISSION,
            "the folder %s belongs to user %ld; control sockets would not be safe in it", folder,
            (long)found.st_uid);
    if ((found.st_mode & 077) != 0)
        return anqa_fail(err, ANQA_E_PERMISSION,
            "others may enter the folder %s (mode %#o); control sockets need 0700", folder,
            (unsigned)found.st_mode & 0777);
    return ANQA_OK;
}

anqa_status control_folder_make(const char *folder, anqa_error *err)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return anqa_fail_errno(err, errno, "cannot make the folder %s", folder);
    return control_folder_check(folder, err);
}

anqa_status control_path(
    const char *folder, const char *name, long pid, char path[CONTROL_PATH_MAX], anqa_error *err)
{
    char number[24] = "";
    anqa_status status;
    size_t at;
    int len;

    if (pid != 0)
        snprintf(number, sizeof number, "-%ld", pid);
    len = snprintf(path, CONTROL_PATH_MAX, "%s/%s%s.sock", folder, name, number);
    status = path_fits(len, name, err);
    if (status != ANQA_OK)
        return status;
    at = strlen(folder) + 1;
    for (char *c = path + at; *c != '\0'; c++)
        if (*c == '/')
            *c = '_';
    return ANQA_OK;
}
