#include "runtime/source_lines.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define TIME_MS 5000u
#define OUTPUT_MAX (128u << 10)
#define SOURCE_MAX (4 << 20)
#define THIS_FILE "runtime/source_lines.c"

/* ---------------------------------------------------------------- asking a program */

/* All that comes within the time, ended by a NUL. False: there might have been more. */
static bool read_all(int fd, char *buf, size_t size)
{
    uint64_t until_ms = clock_mono_ms() + TIME_MS, now;
    size_t len = 0;
    bool ended = false;

    while (!ended && len + 1 < size && (now = clock_mono_ms()) < until_ms) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t n;
        if (poll(&wait, 1, (int)(until_ms - now)) <= 0)
            continue;
        n = read(fd, buf + len, size - 1 - len);
        ended = n <= 0;
        len += ended ? 0 : (size_t)n;
    }
    buf[len] = '\0';
    return ended;
}

static bool start(const char *const *argv, int out, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, usual;
    int error;

    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    if (posix_spawnattr_init(&attr) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return false;
    }
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &usual);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    error |= posix_spawn_file_actions_adddup2(&actions, out, 1);
    error |= posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawnp(
            ret_pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, environ);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    return error == 0;
}

/* What the program prints; empty where it can not be run. */
static void ask(const char *const *argv, char *buf, size_t size)
{
    int ends[2];
    pid_t pid;
    bool started;

    buf[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    started = start(argv, ends[1], &pid);
    close(ends[1]);
    if (started) {
        if (!read_all(ends[0], buf, size))
            (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    close(ends[0]);
}

/* ---------------------------------------------------------------- addresses */

/* The object that holds an address, and the address as its file has it. */
static const struct link_map *object_of(uintptr_t address, uintptr_t *ret_offset)
{
    struct link_map *map = NULL;
    Dl_info info;

    if (dladdr1((const void *)address, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || map == NULL)
        return NULL;
    *ret_offset = address - map->l_addr;
    return map;
}

/* The main program has no name of its own. */
static bool file_of(const struct link_map *map, char *path, size_t size)
{
    ssize_t len;

    if (map->l_name[0] != '\0')
        return (size_t)snprintf(path, size, "%s", map->l_name) < size;
    len = readlink("/proc/self/exe", path, size - 1);
    path[len < 0 ? 0 : len] = '\0';
    return len > 0;
}

/* Inside of the call, not behind it. */
static uintptr_t inside(const struct backtrace *trace, uint32_t i)
{
    return trace->ip[i] - (i > 0);
}

static char *take_line(char **text)
{
    char *line = *text, *end = strchr(line, '\n');

    if (end == NULL)
        return NULL;
    *end = '\0';
    *text = end + 1;
    return line;
}

/* What does not fit is cut. */
static void copy_text(char *out, size_t size, const char *text)
{
    size_t len = strnlen(text, size - 1);

    memcpy(out, text, len);
    out[len] = '\0';
}

/* "name" and "/path/file.c:12 (discriminator 3)". */
static void note_answer(struct source_line *line, const char *function, char *place)
{
    char *colon = strrchr(place, ':');

    if (strcmp(function, "??") != 0)
        copy_text(line->function, sizeof line->function, function);
    if (place[0] == '?' || colon == NULL)
        return;
    *colon = '\0';
    line->line = (unsigned)strtoul(colon + 1, NULL, 10);
    if (line->line != 0)
        copy_text(line->file, sizeof line->file, place);
}

#define ARGS (BACKTRACE_KEPT + 1)
#define ARG_LEN 20
#define OURSELVES BACKTRACE_KEPT

/* What is asked about one object. malloc's, as it is long. */
struct question {
    char path[1024]; /* of its file */
    char args[ARGS][ARG_LEN];
    const char *argv[4 + ARGS + 1];
    uint32_t frames[ARGS]; /* of which the arguments are; OURSELVES: this very file */
    uint32_t count;
    char root[384]; /* where Anqa's sources are; empty: unknown */
    char output[OUTPUT_MAX];
};

static void add_address(struct question *question, uint32_t frame, uintptr_t offset)
{
    (void)snprintf(question->args[question->count], ARG_LEN, "0x%" PRIxPTR, offset);
    question->argv[4 + question->count] = question->args[question->count];
    question->frames[question->count++] = frame;
}

static void note_root(struct question *question, const struct source_line *self)
{
    const char *end = strstr(self->file, THIS_FILE);

    if (self->line != 0 && end != NULL)
        (void)snprintf(
            question->root, sizeof question->root, "%.*s", (int)(end - self->file), self->file);
}

/* All frames of one object. */
static void ask_object(
    struct source_lines *lines, const struct link_map *map, struct question *question)
{
    char *output = question->output, *function, *place;
    struct source_line self = {0};
    uintptr_t offset = 0;

    memset(question->argv, 0, sizeof question->argv);
    question->argv[0] = "addr2line";
    question->argv[1] = "-f";
    question->argv[2] = "-e";
    question->argv[3] = question->path;
    question->count = 0;
    for (uint32_t i = 0; i < lines->trace.count; i++)
        if (object_of(inside(&lines->trace, i), &offset) == map)
            add_address(question, i, offset);
    if (object_of((uintptr_t)source_lines_find, &offset) == map)
        add_address(question, OURSELVES, offset);
    if (!file_of(map, question->path, sizeof question->path))
        return;
    ask(question->argv, output, OUTPUT_MAX);
    for (uint32_t i = 0; i < question->count; i++) {
        uint32_t frame = question->frames[i];
        function = take_line(&output);
        place = function == NULL ? NULL : take_line(&output);
        if (place == NULL)
            break;
        note_answer(frame == OURSELVES ? &self : &lines->frames[frame], function, place);
    }
    note_root(question, &self);
}

static bool asked_before(const struct source_lines *lines, uint32_t i, const struct link_map *map)
{
    uintptr_t offset;

    for (uint32_t k = 0; k < i; k++)
        if (object_of(inside(&lines->trace, k), &offset) == map)
            return true;
    return false;
}

/* ---------------------------------------------------------------- the sources themselves */

/* Whether the file is there; then it is named with the folder. */
static bool is_in(const char *folder, size_t len, struct source_line *line)
{
    char path[sizeof line->file];
    struct stat st;
    int n = snprintf(path, sizeof path, "%.*s/%s", (int)len, folder, line->file);

    if (n < 0 || (size_t)n >= sizeof path || stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    copy_text(line->file, sizeof line->file, path);
    return true;
}

/* Debug information may name sources relative to their project (-ffile-prefix-map): then they are looked for in the folders above the
 * object, from the innermost on. What is not there is opened as it is named, in the folder that the program runs in. */
static void find_source(struct source_line *line, const char *object)
{
    const char *end = line->file[0] == '/' ? NULL : strrchr(object, '/');

    while (end != NULL && !is_in(object, (size_t)(end - object), line))
        end = memrchr(object, '/', (size_t)(end - object));
}

static char *read_source(const char *path, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    char *text = NULL;
    ssize_t len = -1;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= SOURCE_MAX)
        text = malloc((size_t)st.st_size + 1);
    if (text != NULL)
        len = read(fd, text, (size_t)st.st_size);
    close(fd);
    if (len < 0) {
        free(text);
        return NULL;
    }
    *ret_len = (size_t)len;
    return text;
}

static void excerpt_line(char out[static EXCERPT_WIDTH], const char *line, size_t len)
{
    size_t kept = len < EXCERPT_WIDTH - 1 ? len : EXCERPT_WIDTH - 1;

    memcpy(out, line, kept);
    out[kept] = '\0';
}

/* False: the file is not there any more, or shorter. */
static bool take_excerpt(const struct source_line *line, struct excerpt *excerpt)
{
    unsigned half = EXCERPT_LINES / 2, number = 1;
    size_t len = 0;
    char *text = read_source(line->file, &len);
    const char *at = text, *end = text + len;

    excerpt->first = line->line > half ? line->line - half : 1;
    excerpt->count = 0;
    for (; at != NULL && at < end && excerpt->count < EXCERPT_LINES; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop == NULL ? end : stop;
        if (number >= excerpt->first)
            excerpt_line(excerpt->lines[excerpt->count++], at, (size_t)(stop - at));
        at = stop + 1;
    }
    free(text);
    return excerpt->first + excerpt->count > line->line;
}

/* ---------------------------------------------------------------- the whole */

static void name_frame(struct source_line *frame, uintptr_t address)
{
    struct line line = {frame->function, frame->function + sizeof frame->function - 1};

    line_place(&line, address);
    line_symbol(&line, address);
    *line.at = '\0';
}

static void ask_all(struct source_lines *lines, struct question *question)
{
    uintptr_t offset;

    for (uint32_t i = 0; i < lines->trace.count; i++) {
        const struct link_map *map = object_of(inside(&lines->trace, i), &offset);
        if (map != NULL && !asked_before(lines, i, map))
            ask_object(lines, map, question);
    }
}

static bool is_own(const struct source_lines *lines, uint32_t i, const char *root)
{
    const struct source_line *frame = &lines->frames[i];

    return frame->line != 0 && text_is_application(lines->trace.ip[i]) &&
           (root[0] == '\0' || strncmp(frame->file, root, strlen(root)) != 0);
}

/* One of the application's own frames. */
static void show_frame(struct source_lines *lines, uint32_t i, struct question *question)
{
    struct source_line *frame = &lines->frames[i];
    struct excerpt *excerpt = &lines->excerpts[lines->excerpt_count];
    uintptr_t offset;
    const struct link_map *map = object_of(inside(&lines->trace, i), &offset);

    if (map != NULL && file_of(map, question->path, sizeof question->path))
        find_source(frame, question->path);
    if (take_excerpt(frame, excerpt)) {
        excerpt->frame = i;
        lines->excerpt_count++;
    }
}

void source_lines_find(struct source_lines *lines)
{
    struct question *question = calloc(1, sizeof *question);

    memset(lines->frames, 0, sizeof lines->frames);
    lines->excerpt_count = 0;
    for (uint32_t i = 0; i < lines->trace.count; i++)
        name_frame(&lines->frames[i], inside(&lines->trace, i));
    if (question == NULL)
        return;
    ask_all(lines, question);
    for (uint32_t i = 0; i < lines->trace.count; i++) {
        lines->frames[i].own = is_own(lines, i, question->root);
        if (lines->frames[i].own && lines->excerpt_count < EXCERPTS)
            show_frame(lines, i, question);
    }
    free(question);
}
