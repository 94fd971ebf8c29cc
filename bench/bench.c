#include <errno.h>
#include <getopt.h> // IWYU pragma: keep
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bench_int.h"

static const char usage[] =
    "usage: %s [--pairs N] [--quick] [--only TEXT] [--json] [--strict] [--limit SECONDS]\n"
    "          [--peer PROGRAM [--peer-name NAME]] [--markdown FILE]\n"
    "       %s --list\n"
    "       %s --case NAME [--schedulers N] [--rounds R] [--quick]\n";

enum {
    OPT_LIST = 'a',
    OPT_CASE,
    OPT_SCHEDULERS,
    OPT_ROUNDS,
    OPT_PAIRS,
    OPT_QUICK,
    OPT_ONLY,
    OPT_JSON,
    OPT_STRICT,
    OPT_LIMIT,
    OPT_PEER,
    OPT_PEER_NAME,
    OPT_MARKDOWN
};

static const struct option long_options[] = {
    {"list", no_argument, NULL, OPT_LIST},
    {"case", required_argument, NULL, OPT_CASE},
    {"schedulers", required_argument, NULL, OPT_SCHEDULERS},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"pairs", required_argument, NULL, OPT_PAIRS},
    {"quick", no_argument, NULL, OPT_QUICK},
    {"only", required_argument, NULL, OPT_ONLY},
    {"json", no_argument, NULL, OPT_JSON},
    {"strict", no_argument, NULL, OPT_STRICT},
    {"limit", required_argument, NULL, OPT_LIMIT},
    {"peer", required_argument, NULL, OPT_PEER},
    {"peer-name", required_argument, NULL, OPT_PEER_NAME},
    {"markdown", required_argument, NULL, OPT_MARKDOWN},
    {0},
};

__attribute__((noreturn)) static void leave(int status)
{
    exit(status); // NOLINT(concurrency-mt-unsafe): options are read before there is another thread
}

static void stop_usage(const char *program)
{
    fprintf(stderr, usage, program, program, program);
    leave(2);
}

static unsigned number(const char *program, const char *text, unsigned most)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' || value == 0 || value > most) {
        fprintf(stderr, "%s: '%s' is not a number from 1 to %u\n", program, text, most);
        leave(2);
    }
    return (unsigned)value;
}

static void list_cases(void)
{
    for (const struct bench_case *c = bench_area.cases; c->name != NULL; c++)
        printf("%s\n", c->name);
}

static const struct bench_case *find_case(const char *name)
{
    for (const struct bench_case *c = bench_area.cases; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static void take_option(const char *program, int option, struct options *o)
{
    switch (option) {
    case OPT_LIST: list_cases(); leave(0);
    case OPT_CASE: o->case_name = optarg; break;
    case OPT_SCHEDULERS: o->schedulers = number(program, optarg, 1024); break;
    case OPT_ROUNDS: o->rounds = number(program, optarg, INT_MAX); break;
    case OPT_PAIRS: o->pairs = number(program, optarg, BENCH_MAX_PAIRS); break;
    case OPT_QUICK: o->quick = true; break;
    case OPT_ONLY: o->only = optarg; break;
    case OPT_JSON: o->json = true; break;
    case OPT_STRICT: o->strict = true; break;
    case OPT_LIMIT: o->limit_s = number(program, optarg, 86400); break;
    case OPT_PEER: o->peer = optarg; break;
    case OPT_PEER_NAME: o->peer_name = optarg; break;
    case OPT_MARKDOWN: o->markdown = optarg; break;
    default: stop_usage(program);
    }
}

static unsigned default_limit_s(bool quick)
{
    unsigned limit_s = bench_area.limit_s != 0 ? bench_area.limit_s : BENCH_LIMIT_S;

    return quick ? limit_s / BENCH_QUICK_PART : limit_s;
}

static struct options parse(int argc, char **argv)
{
    struct options o = {.schedulers = 1, .rounds = INT_MAX, .peer_name = "peer"};
    int option;

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread yet */
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        take_option(argv[0], option, &o);
    if (optind < argc)
        stop_usage(argv[0]);
    if (o.pairs == 0)
        o.pairs = o.quick ? BENCH_QUICK_PAIRS : BENCH_PAIRS;
    if (o.limit_s == 0)
        o.limit_s = default_limit_s(o.quick);
    return o;
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    const struct bench_case *spec;

    if (options.case_name == NULL)
        return compare_main(&options);
    spec = find_case(options.case_name);
    if (spec == NULL) {
        fprintf(stderr, "%s: no case '%s'; --list names them\n", argv[0], options.case_name);
        return 2;
    }
    return side_main(spec, &options);
}
