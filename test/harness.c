#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_SKIPPED = 77,
    MAX_AT_END = 16,
    MAX_FDS = 4096,
    SHOWN_BYTES = 64 * 1024
};

extern const struct harness_test *const __start_harness_tests[], *const __stop_harness_tests[];

static struct {
    bool no_fork, verbose, list;
    const char *filter; /* part of a name, or NULL */
    uint64_t seed;
    uint64_t random; /* state of harness_random */
    void (*at_end[MAX_AT_END])(void);
    size_t at_end_count;
    char *skip_reason; /* shared with the child */
} harness;

enum { SKIP_REASON_SIZE = 512 };

/* ---------------------------------------------------------------- checks */

static ANQA_NORETURN void end_failed_test(void)
{
    fflush(NULL);
    if (harness.no_fork)
        abort(); /* where the debugger wants to be */
    _exit(EXIT_FAILED);
}

void harness_fail(const char *file, int line, const char *what, const char *got, const char *want,
    const char *format, ...)
{
    va_list args;

    harness_alloc_failure_done(NULL);
    fprintf(stderr, "%s:%d: check failed: %s", file, line, what);
    va_start(args, format);
    if (format[0] != '\0' && format[1] != '\0')
        vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (got != NULL)
        fprintf(stderr, "  got:  %s\n  want: %s\n", got, want);
    end_failed_test();
}

void harness_skip(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(harness.skip_reason, SKIP_REASON_SIZE, format, args);
    va_end(args);
    fflush(NULL);
    if (harness.no_fork) {
        printf("ok 1 # SKIP %s\n", harness.skip_reason);
        exit(0);
    }
    _exit(EXIT_SKIPPED);
}

const char *harness_int_text(struct harness_int value)
{
    char *text = NULL;
    int n = value.negative ? asprintf(&text, "%" PRId64, (int64_t)value.bits)
                           : asprintf(&text, "%" PRIu64 " (0x%" PRIx64 ")", value.bits, value.bits);

    return n < 0 ? "?" : text;
}

bool harness_text_eq(struct harness_text a, struct harness_text b)
{
    if (a.ptr == NULL || b.ptr == NULL)
        return a.ptr == b.ptr;
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

const char *harness_text_quote(struct harness_text text)
{
    char *quoted = NULL;
    size_t size;
    FILE *out;

    if (text.ptr == NULL)
        return "NULL";
    out = open_memstream(&quoted, &size);
    if (out == NULL)
        return "?";
    fputc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c >= 0x20 && c != 0x7f)
            fputc(c, out);
        else
            fprintf(out, "\\x%02x", c);
    }
    fprintf(out, "\" (%zu bytes)", text.len);
    fclose(out);
    return quoted;
}

void harness_at_end(void (*check)(void))
{
    if (harness.at_end_count == MAX_AT_END) {
        fputs("harness_at_end: too many checks\n", stderr);
        end_failed_test();
    }
    harness.at_end[harness.at_end_count++] = check;
}

uint64_t harness_random(void)
{
    /* splitmix64: any seed will do, zero too */
    uint64_t z = harness.random += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

unsigned harness_slowness(void)
{
    return HARNESS_SLOWNESS;
}

/* ---------------------------------------------------------------- failing allocations */

/* The linker sends our code's calls to __wrap_x (option --wrap); libc's own calls are not touched. This works the same
 * way under the sanitizers, which define malloc themselves. */

static struct {
    atomic_bool armed, hit, any_thread, all;
    atomic_long left; /* allocations up to and with the one that fails */
    pthread_t owner;
} failing;

static bool fails_now(void)
{
    if (!atomic_load_explicit(
            &failing.armed, memory_order_acquire)) /* pairs with harness_alloc_failure_next */
        return false;
    if (atomic_load_explicit(&failing.all, memory_order_relaxed)) {
        errno = ENOMEM;
        return true;
    }
    if (!atomic_load_explicit(&failing.any_thread, memory_order_relaxed) &&
        !pthread_equal(failing.owner, pthread_self()))
        return false;
    if (atomic_fetch_sub_explicit(&failing.left, 1, memory_order_relaxed) != 1)
        return false;
    atomic_store_explicit(&failing.hit, true, memory_order_relaxed);
    errno = ENOMEM;
    return true;
}

bool harness_alloc_failure_next(struct harness_alloc_failure *failure, bool any_thread)
{
    enum { MAX_ROUNDS = 1000000 };

    harness_alloc_failure_done(NULL);
    if (failure->round > 0 && !atomic_load_explicit(&failing.hit, memory_order_relaxed))
        return false;
    if (++failure->round > MAX_ROUNDS)
        harness_fail(__FILE__, __LINE__, "EACH_ALLOC_FAILURE ends", NULL, NULL, " ");
    failing.owner = pthread_self();
    atomic_store_explicit(&failing.all, false, memory_order_relaxed);
    atomic_store_explicit(&failing.hit, false, memory_order_relaxed);
    atomic_store_explicit(&failing.any_thread, any_thread, memory_order_relaxed);
    atomic_store_explicit(&failing.left, failure->round, memory_order_relaxed);
    atomic_store_explicit(&failing.armed, true, memory_order_release); /* pairs with fails_now */
    return true;
}

void harness_alloc_failure_done(struct harness_alloc_failure *failure)
{
    atomic_store_explicit(&failing.armed, false, memory_order_relaxed);
}

void harness_out_of_memory(bool on)
{
    atomic_store_explicit(&failing.all, on, memory_order_relaxed);
    atomic_store_explicit(&failing.armed, on, memory_order_release); /* pairs with fails_now */
}

#define WRAP(type, name, fail_value, parameters, arguments)        \
    type __real_##name parameters;                                 \
    type __wrap_##name parameters;                                 \
    type __wrap_##name parameters                                  \
    {                                                              \
        return fails_now() ? fail_value : __real_##name arguments; \
    }

WRAP(void *, malloc, NULL, (size_t size), (size))
WRAP(void *, calloc, NULL, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, NULL, (void *old, size_t size), (old, size))
WRAP(void *, reallocarray, NULL, (void *old, size_t count, size_t size), (old, count, size))
WRAP(void *, aligned_alloc, NULL, (size_t align, size_t size), (align, size))
WRAP(int, posix_memalign, ENOMEM, (void **ret, size_t align, size_t size), (ret, align, size))
WRAP(char *, strdup, NULL, (const char *text), (text))
WRAP(char *, strndup, NULL, (const char *text, size_t len), (text, len))

/* ---------------------------------------------------------------- end checks */

static bool fd_was_open[MAX_FDS];

static void each_open_fd(void (*fn)(int fd))
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (dir == NULL) {
        perror("/proc/self/fd");
        end_failed_test();
    }
    while ((entry = readdir(dir)) != NULL) {
        int fd = entry->d_name[0] == '.' ? -1 : (int)strtol(entry->d_name, NULL, 10);
        if (fd >= 0 && fd != dirfd(dir))
            fn(fd);
    }
    closedir(dir);
}

static void note_open_fd(int fd)
{
    if (fd < MAX_FDS)
        fd_was_open[fd] = true;
}

static bool fd_leaked;

static void report_leaked_fd(int fd)
{
    char path[32], target[PATH_MAX];
    ssize_t n;

    if (fd < MAX_FDS && fd_was_open[fd])
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    n = readlink(path, target, sizeof target - 1);
    target[n < 0 ? 0 : n] = '\0';
    fprintf(stderr, "left open: file descriptor %d, %s\n", fd, target);
    fd_leaked = true;
}

static uint64_t hash_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325;

    while (*name != '\0')
        hash = (hash ^ (unsigned char)*name++) * 0x100000001b3;
    return hash;
}

/* The whole life of a test, in the process that runs it. */
static void run_here(const struct harness_test *test)
{
    harness.random = harness.seed ^ hash_name(test->name);
    each_open_fd(note_open_fd);
    test->run();
    harness_alloc_failure_done(NULL);
    while (harness.at_end_count > 0)
        harness.at_end[--harness.at_end_count]();
    if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD) {
        fputs("left behind: a child process\n", stderr);
        end_failed_test();
    }
    each_open_fd(report_leaked_fd);
    if (fd_leaked)
        end_failed_test();
}

/* ---------------------------------------------------------------- the forked child */

static ANQA_NORETURN void run_child(const struct harness_test *test, int output)
{
    const struct rlimit no_core = {0, 0};
    const int from_fault[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    int null = open("/dev/null", O_RDONLY);
    sigset_t none;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    if (null > STDERR_FILENO)
        close(null);
    close(output);
    setrlimit(RLIMIT_CORE, &no_core);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A sanitizer's own handler would turn an expected fault into an exit. */
    for (size_t i = 0; i < ANQA_COUNT(from_fault); i++) {
        if (test->options.expect_signal == from_fault[i])
            signal(from_fault[i], SIG_DFL);
    }
    run_here(test);
    exit(0); /* not _exit: sanitizers and coverage report from here */
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits for the child, which SIGCHLD (blocked) announces. Returns false when the time is up; the child is then dead. */
static bool wait_for_child(pid_t child, int64_t limit_ms, int *ret_status)
{
    int64_t deadline = now_ms() + limit_ms;
    sigset_t wanted;
    bool in_time = true;

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    while (waitpid(child, ret_status, WNOHANG) == 0) {
        int64_t left = deadline - now_ms();
        struct timespec t = {left / 1000, left % 1000 * 1000000};
        if (left <= 0) {
            in_time = false;
            kill(child, SIGKILL);
            waitpid(child, ret_status, 0);
            break;
        }
        sigtimedwait(&wanted, NULL, &t);
    }
    kill(-child, SIGKILL); /* what it left running */
    return in_time;
}

static bool printed(int output, const char *text)
{
    off_t size = lseek(output, 0, SEEK_END);
    void *bytes =
        size <= 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, output, 0);
    bool found;

    if (bytes == MAP_FAILED)
        return false;
    found = memmem(bytes, (size_t)size, text, strlen(text)) != NULL;
    munmap(bytes, (size_t)size);
    return found;
}

static void show_output(int output)
{
    bool at_line_start = true;
    size_t shown = 0;
    FILE *in;
    int c;

    lseek(output, 0, SEEK_SET);
    in = fdopen(dup(output), "r");
    if (in == NULL)
        return;
    for (; (c = fgetc(in)) != EOF && shown < SHOWN_BYTES; shown++) {
        if (at_line_start)
            fputs("#   ", stdout);
        putchar(c);
        at_line_start = c == '\n';
    }
    if (!at_line_start)
        putchar('\n');
    if (c != EOF)
        puts("#   ... (cut)");
    fclose(in);
}

/* Writes why the test failed, "" when it passed. */
static void judge(
    const struct harness_test *test, bool in_time, int status, int output, char *why, size_t size)
{
    const struct harness_options *o = &test->options;

    why[0] = '\0';
    if (!in_time)
        snprintf(why, size, "no end within the time limit");
    else if (o->expect_signal != 0 &&
             !(WIFSIGNALED(status) && WTERMSIG(status) == o->expect_signal))
        snprintf(why, size, "expected to die of signal %d (%s)", o->expect_signal,
            strsignal(o->expect_signal));
    else if (o->expect_signal == 0 && WIFSIGNALED(status))
        snprintf(
            why, size, "died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (o->expect_signal == 0 && WEXITSTATUS(status) != o->expect_exit)
        snprintf(why, size, "exit status %d, expected %d", WEXITSTATUS(status), o->expect_exit);
    else if (o->expect_stderr != NULL && !printed(output, o->expect_stderr))
        snprintf(why, size, "did not print \"%s\"", o->expect_stderr);
}

static bool run_forked(const struct harness_test *test, size_t number)
{
    int64_t limit = (int64_t)(test->options.timeout_ms != 0 ? test->options.timeout_ms : 30000) *
                    HARNESS_SLOWNESS;
    int64_t begin = now_ms(), took;
    int output = memfd_create(test->name, MFD_CLOEXEC);
    int status = 0;
    bool in_time, skipped;
    char why[256];
    pid_t child;

    fflush(NULL);
    child = output < 0 ? -1 : fork();
    if (child == 0)
        run_child(test, output);
    if (child < 0) {
        printf("not ok %zu - %s\n# cannot start: %m\n", number, test->name);
        return false;
    }
    in_time = wait_for_child(child, limit, &status);
    took = now_ms() - begin;
    skipped = in_time && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED &&
              harness.skip_reason[0] != '\0';
    judge(test, in_time, status, output, why, sizeof why);
    if (skipped)
        printf("ok %zu - %s # SKIP %s\n", number, test->name, harness.skip_reason);
    else if (why[0] == '\0')
        printf("ok %zu - %s\n", number, test->name);
    else
        printf("not ok %zu - %s\n# %s:%d: %s, after %" PRId64 " ms; seed %" PRIu64 "\n", number,
            test->name, test->file, test->line, why, took, harness.seed);
    if ((why[0] != '\0' && !skipped) || harness.verbose)
        show_output(output);
    if (harness.verbose)
        printf("# %" PRId64 " ms\n", took);
    harness.skip_reason[0] = '\0';
    fflush(stdout);
    close(output);
    return skipped || why[0] == '\0';
}

/* ---------------------------------------------------------------- main */

/* What the sanitizers start with; the environment's ASAN_OPTIONS and so on add to it. */
#define SANITIZER_DEFAULTS(function, text)                             \
    __attribute__((visibility("default"))) const char *function(void); \
    const char *function(void)                                         \
    {                                                                  \
        return text;                                                   \
    }

SANITIZER_DEFAULTS(__asan_default_options, "allocator_may_return_null=1")
SANITIZER_DEFAULTS(__tsan_default_options, "allocator_may_return_null=1:halt_on_error=1")
SANITIZER_DEFAULTS(__ubsan_default_options, "print_stacktrace=1")

static int by_place(const void *a, const void *b)
{
    const struct harness_test *left = *(const struct harness_test *const *)a;
    const struct harness_test *right = *(const struct harness_test *const *)b;
    int order = strcmp(left->file, right->file);

    return order != 0 ? order : left->line - right->line;
}

/* Tests in the order of the source, only those that the filter selects. Kept until the program ends. */
static const struct harness_test **select_tests(size_t *ret_count)
{
    size_t all = (size_t)(__stop_harness_tests - __start_harness_tests), count = 0;
    static const struct harness_test **selected; /* static, so that it is no leak */

    selected = __real_calloc(all + 1, sizeof *selected);
    if (selected == NULL)
        abort();
    for (size_t i = 0; i < all; i++) {
        const struct harness_test *test = __start_harness_tests[i];
        if (harness.filter == NULL || strstr(test->name, harness.filter) != NULL)
            selected[count++] = test;
    }
    qsort(selected, count, sizeof *selected, by_place);
    *ret_count = count;
    return selected;
}

static bool parse_seed(const char *text)
{
    char *end;

    errno = 0;
    harness.seed = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0';
}

static bool parse_arguments(int argc, char **argv)
{
    const char *seed = getenv("ANQA_TEST_SEED");

    if (getrandom(&harness.seed, sizeof harness.seed, 0) != (ssize_t)sizeof harness.seed)
        harness.seed = (uint64_t)now_ms();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--no-fork") == 0)
            harness.no_fork = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            harness.verbose = true;
        else if (strcmp(argv[i], "--list") == 0)
            harness.list = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = argv[++i];
        else if (argv[i][0] != '-' && harness.filter == NULL)
            harness.filter = argv[i];
        else
            return false;
    }
    return seed == NULL || parse_seed(seed);
}

int main(int argc, char **argv)
{
    const struct harness_test **tests;
    size_t count, failed = 0;
    sigset_t child_ends;

    if (!parse_arguments(argc, argv)) {
        fprintf(stderr,
            "usage: %s [--list] [--no-fork] [--verbose] [--seed NUMBER] [PART-OF-A-NAME]\n",
            argv[0]);
        return 2;
    }
    tests = select_tests(&count);
    if (harness.list) {
        for (size_t i = 0; i < count; i++)
            puts(tests[i]->name);
        return 0;
    }
    harness.skip_reason =
        mmap(NULL, SKIP_REASON_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (harness.skip_reason == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    printf("TAP version 13\n1..%zu\n", count);
    if (harness.no_fork) {
        if (count != 1) {
            fprintf(stderr, "--no-fork runs one test, and %zu are selected\n", count);
            return 2;
        }
        fflush(stdout);
        run_here(tests[0]);
        printf("ok 1 - %s\n", tests[0]->name);
        return 0;
    }
    sigemptyset(&child_ends);
    sigaddset(&child_ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_ends, NULL);
    for (size_t i = 0; i < count; i++)
        failed += !run_forked(tests[i], i + 1);
    return failed == 0 ? 0 : 1;
}
