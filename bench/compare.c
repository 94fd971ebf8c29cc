/* Both sides of each case, asked in turn: ours, theirs, theirs, ours. */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bench_int.h"

#define REPLY_S 60 /* a side that is silent for longer is given up */
#define MAX_THREADS 2

/** The two sides of one row. */
struct duel {
    const struct options *options;
    const struct bench_case *spec;
    unsigned schedulers;
    uint64_t deadline_ns; /* of the whole comparison */
    bool has_baseline;
    struct child sides[2]; /* ours, theirs */
    double values[2][BENCH_MAX_PAIRS];
};

static uint64_t reply_deadline(const struct duel *duel)
{
    uint64_t deadline = bench_now_ns() + REPLY_S * UINT64_C(1000000000);

    return deadline < duel->deadline_ns ? deadline : duel->deadline_ns;
}

static bool open_side(struct duel *duel, unsigned side, unsigned rounds)
{
    const struct bench_case *spec = duel->spec;
    bool is_peer = side == 1 && spec->against == NULL;
    const char *name = side == 0 ? spec->name : is_peer ? spec->peer : spec->against;
    char schedulers[16], round_count[16];
    char *argv[] = {(char *)(is_peer ? duel->options->peer : "/proc/self/exe"), (char *)"--case",
        (char *)name, (char *)"--schedulers", schedulers, (char *)"--rounds", round_count, NULL,
        NULL};

    snprintf(schedulers, sizeof(schedulers), "%u", duel->schedulers);
    snprintf(round_count, sizeof(round_count), "%u", rounds);
    if (duel->options->quick)
        argv[7] = (char *)"--quick";
    return child_open(&duel->sides[side], argv, duel->schedulers, reply_deadline(duel));
}

static bool ask(struct duel *duel, unsigned side, unsigned pair)
{
    struct child *child = &duel->sides[side];
    double *value = &duel->values[side][pair];
    bool answered;

    if (!duel->spec->fresh)
        return child_ask(child, reply_deadline(duel), value);
    if (!open_side(duel, side, 1))
        return false;
    answered = child_ask(child, reply_deadline(duel), value);
    child_close(child);
    return answered;
}

/** Every second pair the other way round, so that a slow drift of the machine is nobody's. */
static bool ask_pair(struct duel *duel, unsigned pair)
{
    unsigned first = pair % 2;

    if (!duel->has_baseline)
        return ask(duel, 0, pair);
    return ask(duel, first, pair) && ask(duel, 1 - first, pair);
}

static bool ask_pairs(struct duel *duel)
{
    unsigned pairs = duel->options->pairs;

    if (!duel->spec->fresh && !open_side(duel, 0, pairs))
        return false;
    if (!duel->spec->fresh && duel->has_baseline && !open_side(duel, 1, pairs))
        return false;
    for (unsigned pair = 0; pair < pairs; pair++)
        if (!ask_pair(duel, pair))
            return false;
    return true;
}

static void summarise(struct duel *duel, struct row *row)
{
    unsigned pairs = duel->options->pairs;
    double ratios[BENCH_MAX_PAIRS];

    for (unsigned i = 0; i < pairs && duel->has_baseline; i++)
        ratios[i] = stats_ratio(duel->spec->budget.rule, duel->values[0][i], duel->values[1][i]);
    row->ours = stats_of(duel->values[0], pairs);
    row->measured = true;
    if (!duel->has_baseline)
        return;
    row->theirs = stats_of(duel->values[1], pairs);
    row->ratio = stats_of(ratios, pairs);
    row->compared = true;
}

static void measure_row(
    const struct options *options, struct row *row, unsigned schedulers, uint64_t deadline_ns)
{
    const struct bench_case *spec = row->spec;
    bool peer_missing = spec->against == NULL && spec->peer != NULL && options->peer == NULL;
    struct duel *duel = calloc(1, sizeof(*duel));

    if (duel == NULL) {
        row->why_not = "out of memory";
        return;
    }
    duel->options = options;
    duel->spec = spec;
    duel->schedulers = schedulers;
    duel->deadline_ns = deadline_ns;
    duel->has_baseline = spec->against != NULL || (spec->peer != NULL && options->peer != NULL);
    for (unsigned side = 0; side < 2; side++)
        duel->sides[side] = (struct child){.pidfd = -1, .to = -1, .from = -1};
    if (ask_pairs(duel))
        summarise(duel, row);
    else
        row->why_not = bench_now_ns() >= deadline_ns ? "time limit" : "a side failed";
    if (row->measured && peer_missing)
        row->why_not = "no peer here";
    for (unsigned side = 0; side < 2; side++)
        child_close(&duel->sides[side]);
    free(duel);
}

static unsigned processors(void)
{
    cpu_set_t ours;

    return sched_getaffinity(0, sizeof(ours), &ours) < 0 ? 1 : (unsigned)CPU_COUNT(&ours);
}

static struct row row_make(const struct bench_case *spec, unsigned threads)
{
    struct row row = {.spec = spec};

    if (spec->schedulers == 0)
        snprintf(row.label, sizeof(row.label), "%s", spec->name);
    else
        snprintf(row.label, sizeof(row.label), "%s/%u", spec->name, threads);
    return row;
}

static bool wanted(const struct options *options, const struct row *row, unsigned threads)
{
    unsigned schedulers = row->spec->schedulers != 0 ? row->spec->schedulers : BENCH_ON_1;

    if ((schedulers & (1u << (threads - 1))) == 0)
        return false;
    return options->only == NULL || strstr(row->label, options->only) != NULL;
}

static size_t measure_all(const struct options *options, struct row *rows)
{
    uint64_t deadline_ns = bench_now_ns() + options->limit_s * UINT64_C(1000000000);
    size_t count = 0;

    for (const struct bench_case *spec = bench_area.cases; spec->name != NULL; spec++) {
        for (unsigned threads = 1; threads <= MAX_THREADS; threads++) {
            struct row *row = &rows[count];

            *row = row_make(spec, threads);
            if (!wanted(options, row, threads))
                continue;
            count++;
            if (threads > processors())
                row->why_not = "too few processors";
            else
                measure_row(options, row, threads, deadline_ns);
            if (!options->json)
                report_row(stdout, row);
        }
    }
    return count;
}

/** 1: a budget is missed and that was not allowed; 2: something has no figure. */
static int judge(const struct options *options, const struct row *rows, size_t count)
{
    int status = 0;

    if (count == 0 && options->only != NULL)
        fprintf(stderr, "bench: no case of %s contains '%s'\n", bench_area.name, options->only);
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].measured)
            return 2;
        if (options->strict && !row_ok(&rows[i]))
            status = 1;
    }
    return status;
}

int compare_main(const struct options *options)
{
    size_t cases = 0, count;
    struct row *rows;
    int status;

    while (bench_area.cases[cases].name != NULL)
        cases++;
    rows = calloc(cases * MAX_THREADS + 1, sizeof(*rows));
    if (rows == NULL)
        bench_fail("out of memory");
    signal(SIGPIPE, SIG_IGN); /* a side that has ended is seen by its answer */
    if (!options->json)
        report_head(stdout, options);
    count = measure_all(options, rows);
    for (size_t i = 0; i < count; i++)
        report_json(stdout, &rows[i]);
    status = judge(options, rows, count);
    if (options->markdown != NULL && !report_markdown(options->markdown, options, rows, count)) {
        fprintf(stderr, "bench: cannot write %s: %m\n", options->markdown);
        status = 2;
    }
    free(rows);
    return status;
}
