/* `main`: chooses tests, runs each in a child with a time limit, and prints TAP. */
#include "test/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SHOWN_BYTES = 64 * 1024, DEFAULT_TIMEOUT_MS = 30000 };

/* NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's names for the ends of the section */
extern const anqa_test_case *const __start_anqa_test_cases[], *const __stop_anqa_test_cases[];

struct kit kit;

/* ---------------------------------------------------------------- the forked child */

static ANQA_NORETURN void run_child(const anqa_test_case *test, uint64_t seed, int output)
{
    const struct rlimit no_core = {0, 0};
    const int from_fault[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    int null = open("/dev/null", O_RDONLY);
    sigset_t none;

    if (null < 0)
        kit_end_failed();
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
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    /* A sanitizer's own handler would turn an expected fault into an exit. */
    for (size_t i = 0; i < ANQA_COUNT(from_fault); i++) {
        if (test->options.expect_signal == from_fault[i])
            signal(from_fault[i], SIG_DFL); /* NOLINT(concurrency-mt-unsafe): one thread so far */
    }
    kit_run(test, seed);
    /* Not _exit: sanitizers and coverage report from here. */
    exit(0); /* NOLINT(concurrency-mt-unsafe): ends the program */
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
    int copy = dup(output), c;
    FILE *in = copy < 0 ? NULL : fdopen(copy, "r");

    if (in == NULL)
        return;
    lseek(copy, 0, SEEK_SET);
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
    const anqa_test_case *test, bool in_time, int status, int output, char *why, size_t size)
{
    const anqa_test_options *o = &test->options;

    why[0] = '\0';
    if (!in_time)
        snprintf(why, size, "no end within the time limit");
    else if (o->expect_signal != 0 &&
             !(WIFSIGNALED(status) && WTERMSIG(status) == o->expect_signal))
        snprintf(why, size, "expected to die of signal %d (%s)", o->expect_signal,
            sigdescr_np(o->expect_signal));
    else if (o->expect_signal == 0 && WIFSIGNALED(status))
        snprintf(
            why, size, "died of signal %d (%s)", WTERMSIG(status), sigdescr_np(WTERMSIG(status)));
    else if (o->expect_signal == 0 && WEXITSTATUS(status) != o->expect_exit)
        snprintf(why, size, "exit status %d, expected %d", WEXITSTATUS(status), o->expect_exit);
    else if (o->expect_stderr != NULL && !printed(output, o->expect_stderr))
        snprintf(why, size, "did not print \"%s\"", o->expect_stderr);
}

/* How one run of a test went. */
struct outcome {
    char why[256]; /* empty: well */
    int64_t took_ms;
    uint64_t seed;
    bool skipped;
    int output; /* what it printed; -1: it was not started */
};

static void run_forked(const anqa_test_case *test, uint64_t seed, struct outcome *ret_outcome)
{
    uint32_t timeout_ms =
        test->options.timeout_ms != 0 ? test->options.timeout_ms : DEFAULT_TIMEOUT_MS;
    struct outcome o = {.seed = seed, .output = memfd_create(test->name, MFD_CLOEXEC)};
    int64_t begin = now_ms();
    int status = 0;
    bool in_time;
    pid_t child;

    /* Without O_APPEND two threads that write at once may write over each other: the kernel locks no offset of a memfd. */
    if (o.output >= 0)
        (void)fcntl(o.output, F_SETFL, O_APPEND);
    fflush(NULL);
    kit.skip_reason[0] = '\0';
    child = o.output < 0 ? -1 : fork();
    if (child == 0)
        run_child(test, seed, o.output);
    if (child < 0) {
        snprintf(o.why, sizeof o.why, "cannot start: %m");
    } else {
        in_time = wait_for_child(child, (int64_t)timeout_ms * ANQA_TEST_SLOWNESS, &status);
        o.skipped = in_time && WIFEXITED(status) && WEXITSTATUS(status) == KIT_EXIT_SKIPPED &&
                    kit.skip_reason[0] != '\0';
        if (!o.skipped)
            judge(test, in_time, status, o.output, o.why, sizeof o.why);
    }
    o.took_ms = now_ms() - begin;
    *ret_outcome = o;
}

static void show(const anqa_test_case *test, size_t number, const struct outcome *o)
{
    if (o->skipped)
        printf("ok %zu - %s # SKIP %s\n", number, test->name, kit.skip_reason);
    else if (o->why[0] == '\0')
        printf("ok %zu - %s\n", number, test->name);
    else
        printf("not ok %zu - %s\n# %s:%d: %s, after %" PRId64 " ms; seed %" PRIu64 "\n", number,
            test->name, test->file, test->line, o->why, o->took_ms, o->seed);
    if (o->why[0] != '\0' || kit.verbose)
        show_output(o->output);
    if (kit.verbose)
        printf("# %" PRId64 " ms\n", o->took_ms);
    fflush(stdout);
}

/* With each seed, until one fails. */
static bool run_test(const anqa_test_case *test, size_t number)
{
    struct outcome outcome;

    for (uint32_t i = 0;; i++) {
        run_forked(test, kit.seed + i, &outcome);
        if (i + 1 >= kit.runs || outcome.skipped || outcome.why[0] != '\0')
            break;
        close(outcome.output);
    }
    show(test, number, &outcome);
    close(outcome.output);
    return outcome.why[0] == '\0';
}

/* ---------------------------------------------------------------- main */

/* What the sanitizers start with, by functions of their names; the environment's ASAN_OPTIONS and so on add to it. */
#define SANITIZER_DEFAULTS(function, text)                             \
    __attribute__((visibility("default"))) const char *function(void); \
    const char *function(void)                                         \
    {                                                                  \
        return text;                                                   \
    }

/* NOLINTBEGIN(bugprone-reserved-identifier) */
SANITIZER_DEFAULTS(__asan_default_options, "allocator_may_return_null=1")
SANITIZER_DEFAULTS(__tsan_default_options, "allocator_may_return_null=1:halt_on_error=1")
SANITIZER_DEFAULTS(__ubsan_default_options, "print_stacktrace=1")
/* NOLINTEND(bugprone-reserved-identifier) */

static int by_place(const void *a, const void *b)
{
    const anqa_test_case *left = *(const anqa_test_case *const *)a;
    const anqa_test_case *right = *(const anqa_test_case *const *)b;
    int order = strcmp(left->file, right->file);

    return order != 0 ? order : left->line - right->line;
}

/* Tests in the order of the source, only those that the filter selects. Kept until the program ends. */
static const anqa_test_case **select_tests(size_t *ret_count)
{
    size_t all = (size_t)(__stop_anqa_test_cases - __start_anqa_test_cases), count = 0;
    static const anqa_test_case **selected; /* static, so that it is no leak */

    selected = calloc(all + 1, sizeof *selected);
    if (selected == NULL)
        abort();
    for (size_t i = 0; i < all; i++) {
        const anqa_test_case *test = __start_anqa_test_cases[i];
        if (kit.filter == NULL || strstr(test->name, kit.filter) != NULL)
            selected[count++] = test;
    }
    qsort(selected, count, sizeof *selected, by_place);
    *ret_count = count;
    return selected;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *ret_number)
{
    unsigned long long number;
    char *end;

    errno = 0;
    number = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || number > max)
        return false;
    *ret_number = number;
    return true;
}

static bool parse_arguments(int argc, char **argv)
{
    const char *seed = getenv("ANQA_TEST_SEED"); /* NOLINT(concurrency-mt-unsafe): one thread */
    const char *runs = "1";
    uint64_t count;

    if (getrandom(&kit.seed, sizeof kit.seed, 0) != (ssize_t)sizeof kit.seed)
        kit.seed = (uint64_t)now_ms();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--no-fork") == 0)
            kit.no_fork = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            kit.verbose = true;
        else if (strcmp(argv[i], "--list") == 0)
            kit.list = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = argv[++i];
        else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            runs = argv[++i];
        else if (argv[i][0] != '-' && kit.filter == NULL)
            kit.filter = argv[i];
        else
            return false;
    }
    if (!parse_number(runs, UINT32_MAX, &count) || count == 0)
        return false;
    kit.runs = (uint32_t)count;
    return seed == NULL || parse_number(seed, UINT64_MAX, &kit.seed);
}

int main(int argc, char **argv)
{
    const anqa_test_case **tests;
    size_t count, failed = 0;
    sigset_t child_ends;

    if (!parse_arguments(argc, argv)) {
        fprintf(stderr,
            "usage: %s [--list] [--no-fork] [--verbose] [--seed NUMBER] [--runs NUMBER] "
            "[PART-OF-A-NAME]\n",
            argv[0]);
        return 2;
    }
    tests = select_tests(&count);
    if (kit.list) {
        for (size_t i = 0; i < count; i++)
            puts(tests[i]->name);
        return 0;
    }
    kit.skip_reason =
        mmap(NULL, KIT_SKIP_REASON_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (kit.skip_reason == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    printf("TAP version 13\n1..%zu\n", count);
    if (kit.no_fork) {
        if (count != 1) {
            fprintf(stderr, "--no-fork runs one test, and %zu are selected\n", count);
            return 2;
        }
        fflush(stdout);
        kit_run(tests[0], kit.seed);
        printf("ok 1 - %s\n", tests[0]->name);
        return 0;
    }
    sigemptyset(&child_ends);
    sigaddset(&child_ends, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child_ends, NULL);
    for (size_t i = 0; i < count; i++)
        failed += !run_test(tests[i], i + 1);
    return failed == 0 ? 0 : 1;
}
