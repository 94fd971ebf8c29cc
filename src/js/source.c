#include "js/source.h"

#include "base/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <anqa/memory.h>
#include <anqa/process.h>

#define BUNDLER "node_modules/.bin/esbuild"
#define MARK "\n//# sourceMappingURL=data:application/json;base64,"
#define SOURCE_MAX ((size_t)16 << 20)

extern char **environ;

anqa_status source_changed(
    const anqa_js_script *script, struct timespec *ret_changed, anqa_error *err)
{
    struct stat st;

    if (script->path == NULL && script->source == NULL)
        return anqa_fail(
            err, ANQA_E_INVALID, "script '%s' has neither .source nor .path", script->name);
    if (script->path == NULL)
        return ANQA_OK;
    if (stat(script->path, &st) != 0)
        return anqa_fail_errno(err, errno, "script '%s', file %s", script->name, script->path);
    *ret_changed = st.st_mtim;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- the work of a worker */

/* One job, handed over: freed by whoever of the two is last. */
struct reading {
    const char *path;
    char *text;
    size_t len;
    int errnum;
    int exit_status; /* of the bundler */
};

static void read_all(struct reading *r, int fd)
{
    size_t room = 0;
    ssize_t got = 1;

    while (got > 0 && r->len < SOURCE_MAX) {
        if (room - r->len < 65536) {
            char *more = realloc(r->text, room + (1 << 20));
            if (more == NULL) {
                r->errnum = ENOMEM;
                return;
            }
            room += 1 << 20;
            r->text = more;
        }
        got = read(fd, r->text + r->len, 65535);
        if (got > 0)
            r->len += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
        else if (got < 0)
            r->errnum = errno;
    }
    if (r->len >= SOURCE_MAX)
        r->errnum = EFBIG;
}

static void read_file(struct reading *r)
{
    int fd = open(r->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        r->errnum = errno;
        return;
    }
    read_all(r, fd);
    close(fd);
}

/* What it says on either output: code, or what is wrong. */
static void run_bundler(struct reading *r)
{
    char *const argv[] = {(char *)(uintptr_t)BUNDLER, (char *)(uintptr_t)r->path,
        (char *)(uintptr_t) "--bundle", (char *)(uintptr_t) "--format=esm",
        (char *)(uintptr_t) "--target=es2023", (char *)(uintptr_t) "--sourcemap=inline",
        (char *)(uintptr_t) "--log-level=error", NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        r->errnum = errno;
        return;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    r->errnum = posix_spawn(&child, BUNDLER, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (r->errnum == 0) {
        read_all(r, ends[0]);
        while (waitpid(child, &r->exit_status, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
}

static bool ends_in(const char *path, const char *end)
{
    size_t len = strlen(path), end_len = strlen(end);

    return len >= end_len && strcmp(path + len - end_len, end) == 0;
}

static void reading_run(void *arg)
{
    struct reading *r = arg;

    if (access(BUNDLER, X_OK) == 0)
        run_bundler(r);
    else if (ends_in(r->path, ".ts") || ends_in(r->path, ".tsx"))
        r->errnum = ENOENT;
    else
        read_file(r);
}

static void reading_free(void *arg)
{
    struct reading *r = arg;

    free(r->text);
    free(r);
}

/* ---------------------------------------------------------------- the map at its end */

/* Of a map that is no Base64 nothing is left: errors are then told at places in the script as it runs. */
static anqa_str map_text(anqa_str base64)
{
    char *out = anqa_arena_alloc(anqa_tmp(), base64_decoded_len(base64.len));
    size_t len = 0;

    while (base64.len > 0 &&
           (base64.ptr[base64.len - 1] == '\n' || base64.ptr[base64.len - 1] == '\r'))
        base64.len--;
    if (base64_decode(base64, 0, out, &len) != ANQA_OK)
        return anqa_str_make(NULL, 0);
    return anqa_str_make(out, len);
}

/* Cuts the inline map off. */
static void split_map(struct js_source *source)
{
    const size_t mark = strlen(MARK);
    char *text = (char *)(uintptr_t)source->text.ptr, *at, *last = NULL;

    if (text == NULL)
        return;
    for (at = text; (at = memmem(at, source->text.len - (size_t)(at - text), MARK, mark)) != NULL;
         at++)
        last = at;
    if (last == NULL)
        return;
    source->map =
        map_text(anqa_str_make(last + mark, source->text.len - (size_t)(last - text) - mark));
    *last = '\0';
    source->text.len = (size_t)(last - text);
}

/* ---------------------------------------------------------------- reading */

static anqa_status read_path(
    const anqa_js_script *script, struct js_source *ret_source, anqa_error *err)
{
    struct reading *r = calloc(1, sizeof *r);
    anqa_deferred mark = anqa_defer_mark();
    anqa_status status;

    if (r == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "script '%s'", script->name);
    (void)anqa_defer(
        reading_free, r); /* while the worker has it we are a zombie at most: defers wait */
    r->path = script->path;
    status = anqa_blocking(reading_run, r, 0);
    if (status != ANQA_OK)
        status = anqa_fail(
            err, status, "script '%s', file %s: no worker reads it", script->name, script->path);
    else if (r->errnum != 0)
        status = anqa_fail_errno(
            err, r->errnum, "script '%s', file %s (with " BUNDLER ")", script->name, script->path);
    else if (r->exit_status != 0)
        status = anqa_fail(err, ANQA_E_SCRIPT, "script '%s' does not compile: %.*s", script->name,
            r->len > 400 ? 400 : (int)r->len, r->text);
    else
        ret_source->text = anqa_str_make(r->len == 0 ? "" : anqa_tmp_copy(r->text, r->len), r->len);
    anqa_defer_run_to(mark);
    if (status == ANQA_OK)
        split_map(ret_source);
    return status;
}

anqa_status source_read(const anqa_js_script *script, struct js_source *ret_source, anqa_error *err)
{
    size_t len = script->source_len;

    *ret_source = (struct js_source){0};
    if (script->path != NULL)
        return read_path(script, ret_source, err);
    if (len == 0)
        len = strlen(script->source);
    if (len > SOURCE_MAX)
        return anqa_fail(
            err, ANQA_E_LIMIT, "script '%s' is longer than %zu bytes", script->name, SOURCE_MAX);
    ret_source->text = anqa_str_make(script->source, len);
    ret_source->map = anqa_str_of(script->source_map);
    return ANQA_OK;
}
