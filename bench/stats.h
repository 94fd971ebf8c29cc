/**
 * bench/stats.h - median, quartiles, and the rule by which a budget is missed.
 *
 * All figures of a bench are costs: lower is better. Quartiles interpolate between the two neighbours in the sorted list,
 * at (count - 1) * p counted from zero, so that the median of an even number is the mean of the middle two.
 *
 * Everything is inline: the test of these rules links no bench program. Threads: pure functions of their arguments.
 */
#ifndef ANQA_BENCH_STATS_H
#define ANQA_BENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

struct stats {
    double q1, median, q3;
};

/** What a budget's limit is compared with. */
enum bench_rule {
    BENCH_NO_BUDGET = 0,
    BENCH_TIMES_BETTER, /* baseline / ours, at least the limit */
    BENCH_TIMES_COST,   /* ours / baseline, at most the limit */
    BENCH_AT_MOST,      /* our own figure, in the case's unit, at most the limit */
};

struct bench_budget {
    enum bench_rule rule;
    double limit;
};

static inline int stats_order(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

/** The value at `p` (0 to 1) of a sorted list that is not empty. */
static inline double stats_quantile(const double *sorted, size_t count, double p)
{
    double place = (double)(count - 1) * p;
    size_t below = (size_t)place;
    double rest = place - (double)below;

    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + rest * (sorted[below + 1] - sorted[below]);
}

/** Sorts `values` (at least one) where they are and tells their middle. */
static inline struct stats stats_of(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), stats_order);
    return (struct stats){
        .q1 = stats_quantile(values, count, 0.25),
        .median = stats_quantile(values, count, 0.5),
        .q3 = stats_quantile(values, count, 0.75),
    };
}

/** The ratio of one pair, in the direction that the rule speaks of. */
static inline double stats_ratio(enum bench_rule rule, double ours, double baseline)
{
    double over = rule == BENCH_TIMES_COST ? ours : baseline;
    double under = rule == BENCH_TIMES_COST ? baseline : ours;

    return under > 0 ? over / under : 0;
}

/** A budget is missed when even the better quartile misses it: what noise alone can do is not held against the code. */
static inline bool stats_budget_met(
    struct bench_budget budget, struct stats ours, struct stats ratio)
{
    switch (budget.rule) {
    case BENCH_TIMES_BETTER: return ratio.q3 >= budget.limit;
    case BENCH_TIMES_COST: return ratio.q1 <= budget.limit;
    case BENCH_AT_MOST: return ours.q1 <= budget.limit;
    case BENCH_NO_BUDGET: break;
    }
    return true;
}

#endif
