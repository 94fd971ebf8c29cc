/* One side of a comparison: a case that is set up and warm, and measured when asked. */
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench_int.h"

#define FIRST_OPS 64
#define LONG_ENOUGH_NS \
    UINT64_C(5000000) /* from here on a run tells how long a longer one would take */
#define WARM_UP_RUNS 4

uint64_t bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_pause(struct bench *b)
{
    if (b->resumed_ns == 0)
        return;
    b->timed_ns += bench_now_ns() - b->resumed_ns;
    b->resumed_ns = 0;
}

void bench_resume(struct bench *b)
{
    if (b->resumed_ns == 0)
        b->resumed_ns = bench_now_ns();
}

double bench_resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long resident;

    if (file == NULL || fscanf(file, "%*u %lu", &resident) != 1)
        bench_fail("cannot read /proc/self/statm");
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

void bench_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    fflush(stderr);
    _exit(1); /* other threads may still run: nothing of theirs is torn down */
}

static uint64_t sample_ns(const struct bench *b)
{
    return b->quick ? UINT64_C(25000000) : UINT64_C(75000000);
}

static uint64_t run_timed(struct bench *b, uint64_t ops)
{
    b->timed_ns = 0;
    b->resumed_ns = 0;
    bench_resume(b);
    b->spec->run(b, ops);
    bench_pause(b);
    return b->timed_ns;
}

/** How many operations fill a sample. */
static uint64_t calibrate(struct bench *b)
{
    uint64_t most = b->spec->max_ops != 0 ? b->spec->max_ops : UINT64_C(1) << 40;

    for (uint64_t ops = FIRST_OPS; ops < most; ops *= 2) {
        uint64_t took = run_timed(b, ops);

        if (took < LONG_ENOUGH_NS)
            continue;
        ops = (uint64_t)((double)ops * (double)sample_ns(b) / (double)took);
        return ops < 1 ? 1 : ops < most ? ops : most;
    }
    return most;
}

static void warm_up(struct bench *b, uint64_t ops)
{
    uint64_t until = bench_now_ns() + WARM_UP_RUNS * sample_ns(b);

    for (unsigned runs = 0; runs < WARM_UP_RUNS || bench_now_ns() < until; runs++)
        run_timed(b, ops);
}

static double sample(struct bench *b, uint64_t ops)
{
    if (b->spec->measure != NULL)
        return b->spec->measure(b);
    return (double)run_timed(b, ops) / (double)ops;
}

static void answer(struct bench *b, uint64_t ops, unsigned rounds)
{
    char line[16];

    puts("ready");
    fflush(stdout);
    while (rounds-- > 0 && fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "go\n") == 0) {
        printf("%.3f\n", sample(b, ops));
        fflush(stdout);
    }
}

int side_main(const struct bench_case *spec, const struct options *options)
{
    struct bench b = {.spec = spec, .schedulers = options->schedulers, .quick = options->quick};
    uint64_t ops = 0;

    if (spec->setup != NULL && !spec->setup(&b)) {
        fprintf(stderr, "bench: %s cannot be set up here\n", spec->name);
        return 1;
    }
    if (spec->run != NULL) {
        ops = calibrate(&b);
        warm_up(&b, ops);
    }
    answer(&b, ops, options->rounds);
    if (spec->teardown != NULL)
        spec->teardown(&b);
    return 0;
}
