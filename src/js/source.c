#include "js/source.h"

#include "base/base64.h"
#include "js/bytecode.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <anqa/json.h>
#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/process.h>

/* The program itself, and what npm makes to find it, which needs Node.js and time. */
#define BUNDLER_PROGRAM "node_modules/@esbuild/linux-x64/bin/esbuild"
#define BUNDLER "node_modules/.bin/esbuild"
#define MARK "\n//# sourceMappingURL=data:application/json;base64,"
#define SOURCE_MAX ((size_t)16 << 20)
#define SAID_MAX ((size_t)64 << 10) /* of what the bundler says */
#define MESSAGES_MAX 20             /* of those that are logged */

extern char **environ;

anqa_status source_check(const anqa_js_script *script, anqa_error *err)
{
    if (script->path == NULL && script->source == NULL && script->bytecode == NULL)
        return anqa_fail(err, ANQA_E_INVALID,
            "script '%s' has neither .source nor .path nor .bytecode", script->name);
    if (script->path != NULL && access(script->path, R_OK) != 0)
        return anqa_fail_errno(err, errno, "script '%s', file %s", script->name, script->path);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- the files of a bundle */

/* What has become of them, as one number; 0: something changed while they were read. */
static uint64_t stamp_of(const char *const *paths, uint32_t count, const struct timespec *since)
{
    uint64_t stamp = 1469598103934665603u;
    struct timespec now;
    struct stat st;

    clock_gettime(CLOCK_REALTIME, &now);
    for (uint32_t i = 0; i < count; i++) {
        const struct timespec *at = &st.st_mtim;
        if (stat(paths[i], &st) != 0)
            memset(&st, 0, sizeof st);
        if (since != NULL && at->tv_sec <= now.tv_sec &&
            (at->tv_sec > since->tv_sec ||
                (at->tv_sec == since->tv_sec && at->tv_nsec >= since->tv_nsec)))
            return 0;
        stamp = (stamp ^ (uint64_t)at->tv_sec) * 1099511628211u;
        stamp = (stamp ^ (uint64_t)at->tv_nsec) * 1099511628211u;
        stamp = (stamp ^ (uint64_t)st.st_size) * 1099511628211u;
    }
    return stamp == 0 ? 1 : stamp;
}

bool source_files_changed(const struct source_files *files)
{
    return files != NULL &&
           (files->stamp == 0 || files->stamp != stamp_of(files->paths, files->count, NULL));
}

void source_files_free(struct source_files *files)
{
    for (uint32_t i = 0; files != NULL && i < files->count; i++)
        free((char *)(uintptr_t)files->paths[i]);
    free(files);
}

static bool add_file(struct source_files *files, const char *path)
{
    files->paths[files->count] = strdup(path);
    if (files->paths[files->count] == NULL)
        return false;
    files->count++;
    return true;
}

/* The file itself, and what its map names. Of packages nothing is watched: they change when they are installed. */
static struct source_files *files_of(
    const anqa_js_script *script, anqa_str map, const struct timespec *since)
{
    struct source_files *files = calloc(1, sizeof *files);
    anqa_json json, sources;
    anqa_json_iter it;
    anqa_str path;
    bool ok = files != NULL && add_file(files, script->path);

    if (ok && map.len > 0 && anqa_json_parse(map, NULL, &json, NULL) == ANQA_OK &&
        anqa_json_get(json, "sources", &sources) == ANQA_OK) {
        it = anqa_json_each(sources);
        while (ok && files->count < SOURCE_FILES_MAX && anqa_json_next(&it))
            if (anqa_json_to_str(anqa_tmp(), it.value, &path) == ANQA_OK &&
                memmem(path.ptr, path.len, "node_modules/", 13) == NULL)
                ok = add_file(files, anqa_tmp_copy(path.ptr, path.len));
    }
    if (!ok) { /* then nothing is watched */
        source_files_free(files);
        return NULL;
    }
    files->stamp = stamp_of(files->paths, files->count, since);
    return files;
}

/* ---------------------------------------------------------------- the work of a worker */

/* One job, handed over: freed by whoever of the two is last. */
struct reading {
    const char *path;
    char *text;
    size_t len;
    char *said; /* what is wrong, by the bundler; NULL: nothing */
    size_t said_len;
    struct timespec since; /* not later than it was read */
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

/* What it has said goes to a file in memory: a pipe that nobody reads meanwhile would hold it up. */
static void read_said(struct reading *r, int fd)
{
    ssize_t got;

    r->said = malloc(SAID_MAX);
    if (r->said == NULL)
        return;
    got = pread(fd, r->said, SAID_MAX, 0);
    r->said_len = got < 0 ? 0 : (size_t)got;
}

static int spawn_bundler(const struct reading *r, int out, int said, pid_t *ret_child)
{
    const char *program = access(BUNDLER_PROGRAM, X_OK) == 0 ? BUNDLER_PROGRAM : BUNDLER;
    char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)r->path,
        (char *)(uintptr_t)"--bundle", (char *)(uintptr_t)"--format=esm",
        (char *)(uintptr_t)"--target=es2023", (char *)(uintptr_t)"--sourcemap=inline",
        (char *)(uintptr_t)"--sources-content=false", (char *)(uintptr_t)"--log-level=warning",
        (char *)(uintptr_t)"--log-limit=0", (char *)(uintptr_t)"--color=false",
        (char *)(uintptr_t)"--define:global=globalThis", (char *)(uintptr_t)"--loader:.md=text",
        (char *)(uintptr_t)"--loader:.html=text", (char *)(uintptr_t)"--loader:.svg=text",
        (char *)(uintptr_t)"--loader:.css=text", NULL};
    posix_spawn_file_actions_t actions;
    int errnum;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, said, 2);
    errnum = posix_spawn(ret_child, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return errnum;
}

static void run_bundler(struct reading *r)
{
    int ends[2], said = memfd_create("esbuild", MFD_CLOEXEC);
    pid_t child;

    if (said < 0 || pipe2(ends, O_CLOEXEC) != 0) {
        r->errnum = errno;
        if (said >= 0)
            close(said);
        return;
    }
    r->errnum = spawn_bundler(r, ends[1], said, &child);
    close(ends[1]);
    if (r->errnum == 0) {
        read_all(r, ends[0]);
        close(ends[0]); /* one that writes too much must not wait for us */
        while (waitpid(child, &r->exit_status, 0) < 0 && errno == EINTR)
            ;
        read_said(r, said);
    } else {
        close(ends[0]);
    }
    close(said);
}

static bool ends_in(const char *path, const char *end)
{
    size_t len = strlen(path), end_len = strlen(end);

    return len >= end_len && strcmp(path + len - end_len, end) == 0;
}

static void reading_run(void *arg)
{
    struct reading *r = arg;

    clock_gettime(CLOCK_REALTIME_COARSE, &r->since); /* the clock of files */
    if (access(BUNDLER, X_OK) == 0)
        run_bundler(r);
    else if (ends_in(r->path, ".ts") || ends_in(r->path, ".tsx") || ends_in(r->path, ".jsx"))
        r->errnum = ENOENT;
    else
        read_file(r);
}

static void reading_free(void *arg)
{
    struct reading *r = arg;

    free(r->text);
    free(r->said);
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

/* ---------------------------------------------------------------- what is wrong */

/* One message of the bundler: its text, and the place that is on a line of its own below. */
struct message {
    bool error;
    anqa_str text, place;
};

static anqa_str line_at(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));

    return anqa_str_make(at, (size_t)((newline == NULL ? end : newline) - at));
}

/* The next of them behind *at. */
static bool next_message(const char **at, const char *end, struct message *ret)
{
    static const char error_mark[] = " [ERROR] ", warning_mark[] = " [WARNING] ";

    *ret = (struct message){0};
    while (*at < end) {
        anqa_str line = line_at(*at, end);
        const char *mark = memmem(line.ptr, line.len, error_mark, strlen(error_mark));
        const char *warning = memmem(line.ptr, line.len, warning_mark, strlen(warning_mark));
        bool starts = mark != NULL || warning != NULL;
        if (starts && ret->text.ptr != NULL)
            return true;
        *at += line.len + (*at + line.len < end);
        if (starts) {
            const char *text =
                mark != NULL ? mark + strlen(error_mark) : warning + strlen(warning_mark);
            ret->error = mark != NULL;
            ret->text = anqa_str_make(text, (size_t)(line.ptr + line.len - text));
        } else if (ret->place.ptr == NULL && line.len > 5 && memcmp(line.ptr, "    ", 4) == 0 &&
                   line.ptr[line.len - 1] == ':') {
            ret->place = anqa_str_make(line.ptr + 4, line.len - 5);
        }
    }
    return ret->text.ptr != NULL;
}

/* Each goes to the log; the first error is what who starts the process hears of. */
static anqa_status tell_messages(
    const anqa_js_script *script, const struct reading *r, anqa_error *err)
{
    const char *at = r->said, *end = at + r->said_len;
    struct message message, first = {.text = anqa_str_of("esbuild fails, and says nothing")};
    uint32_t errors = 0, told = 0;

    while (at < end && next_message(&at, end, &message)) {
        if (message.error && errors++ == 0)
            first = message;
        if (told++ < MESSAGES_MAX)
            anqa_log(message.error ? ANQA_ERROR : ANQA_WARN,
                message.error ? "js.bundle_error" : "js.bundle_warning",
                "script=%s place=%.*s error=%.*s", script->name, ANQA_FMT(message.place),
                ANQA_FMT(message.text));
    }
    if (r->exit_status == 0)
        return ANQA_OK;
    return anqa_fail(err, ANQA_E_SCRIPT, "script '%s' does not compile: %.*s%s%.*s%s", script->name,
        ANQA_FMT(first.place), first.place.len > 0 ? ": " : "", ANQA_FMT(first.text),
        errors < 2 ? "" : anqa_tmp_printf(" (the first of %u errors)", errors));
}

/* ---------------------------------------------------------------- reading */

static anqa_status read_path(
    const anqa_js_script *script, struct js_source *ret_source, anqa_error *err)
{
    struct reading *r = calloc(1, sizeof *r);
    anqa_deferred mark = anqa_defer_mark();
    struct timespec since = {0};
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
    else
        status = tell_messages(script, r, err);
    if (status == ANQA_OK) {
        since = r->since;
        ret_source->text = anqa_str_make(r->len == 0 ? "" : anqa_tmp_copy(r->text, r->len), r->len);
    }
    anqa_defer_run_to(mark);
    if (status != ANQA_OK)
        return status;
    split_map(ret_source);
    ret_source->files = files_of(script, ret_source->map, &since);
    return ANQA_OK;
}

anqa_status source_read(const anqa_js_script *script, struct js_source *ret_source, anqa_error *err)
{
    size_t len = script->source_len;

    *ret_source = (struct js_source){.map = anqa_str_of(script->source_map)};
    if (script->bytecode != NULL) {
        ret_source->is_bytecode = true;
        return bytecode_check(script, &ret_source->text, err);
    }
    if (script->path != NULL)
        return read_path(script, ret_source, err);
    if (len == 0)
        len = strlen(script->source);
    if (len > SOURCE_MAX)
        return anqa_fail(
            err, ANQA_E_LIMIT, "script '%s' is longer than %zu bytes", script->name, SOURCE_MAX);
    ret_source->text = anqa_str_make(script->source, len);
    return ANQA_OK;
}
