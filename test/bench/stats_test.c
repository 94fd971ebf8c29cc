/* The rules by which a benchmark is judged, on numbers that can be checked by hand. */
#include "harness.h"

#include "../../bench/stats.h"

#include <math.h>

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9;
}

static const struct {
    const char *what;
    size_t count;
    double values[12];
    struct stats expected;
} lists[] = {
    {"one value", 1, {7}, {7, 7, 7}},
    {"two values", 2, {4, 2}, {2.5, 3, 3.5}},
    {"an odd number", 5, {5, 1, 4, 2, 3}, {2, 3, 4}},
    {"an even number", 4, {40, 10, 30, 20}, {17.5, 25, 32.5}},
    {"ten pairs", 10, {10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, {3.25, 5.5, 7.75}},
    {"equal values", 3, {2, 2, 2}, {2, 2, 2}},
    {"one that is far off", 5, {1, 1, 1, 1, 1000}, {1, 1, 1}},
};

TEST(median_and_quartiles_interpolate_between_neighbours)
{
    for (size_t i = 0; i < ANQA_COUNT(lists); i++) {
        double values[12];
        struct stats got;

        memcpy(values, lists[i].values, sizeof(values));
        got = stats_of(values, lists[i].count);
        CHECK(near(got.q1, lists[i].expected.q1), "%s: %g", lists[i].what, got.q1);
        CHECK(near(got.median, lists[i].expected.median), "%s: %g", lists[i].what, got.median);
        CHECK(near(got.q3, lists[i].expected.q3), "%s: %g", lists[i].what, got.q3);
    }
}

TEST(a_ratio_points_the_way_its_rule_does)
{
    CHECK(near(stats_ratio(BENCH_TIMES_BETTER, 10, 80), 8));
    CHECK(near(stats_ratio(BENCH_NO_BUDGET, 10, 80), 8));
    CHECK(near(stats_ratio(BENCH_TIMES_COST, 12, 10), 1.2));
    CHECK(near(stats_ratio(BENCH_TIMES_BETTER, 0, 80), 0), "no division by zero");
}

static const struct {
    const char *what;
    struct bench_budget budget;
    struct stats ours, ratio;
    bool met;
} budgets[] = {
    {"median better", {BENCH_TIMES_BETTER, 8}, {1, 1, 1}, {8.1, 9, 10}, true},
    {"only the better quartile reaches it", {BENCH_TIMES_BETTER, 8}, {1, 1, 1}, {6, 7, 8}, true},
    {"the better quartile misses it", {BENCH_TIMES_BETTER, 8}, {1, 1, 1}, {6, 7, 7.9}, false},
    {"cost below", {BENCH_TIMES_COST, 1.15}, {1, 1, 1}, {1.0, 1.1, 1.2}, true},
    {"cost: the better quartile reaches it", {BENCH_TIMES_COST, 1.15}, {1, 1, 1}, {1.15, 1.3, 2},
        true},
    {"cost: the better quartile misses it", {BENCH_TIMES_COST, 1.15}, {1, 1, 1}, {1.16, 1.2, 1.3},
        false},
    {"absolute, reached", {BENCH_AT_MOST, 5}, {4.9, 5.5, 6}, {0, 0, 0}, true},
    {"absolute, missed", {BENCH_AT_MOST, 5}, {5.1, 5.5, 6}, {0, 0, 0}, false},
    {"none", {BENCH_NO_BUDGET, 0}, {1e9, 1e9, 1e9}, {0, 0, 0}, true},
};

TEST(a_budget_is_missed_when_the_better_quartile_misses_it)
{
    for (size_t i = 0; i < ANQA_COUNT(budgets); i++)
        CHECK_EQ(stats_budget_met(budgets[i].budget, budgets[i].ours, budgets[i].ratio),
            budgets[i].met, "%s", budgets[i].what);
}
