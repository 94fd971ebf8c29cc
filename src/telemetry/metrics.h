/*
 * Metrics that are attached, for those who write them out.
 */
#ifndef TELEMETRY_METRICS_H
#define TELEMETRY_METRICS_H

/* IWYU pragma: begin_exports */
#include <anqa/metrics.h>
/* IWYU pragma: end_exports */

/* An attached metric. shared: counted; its series are read without a lock. */
struct metric;
struct series;

/* The metric that was attached next after `serial` (0: the first), counted for the caller. NULL: that was the last. */
struct metric *metric_behind(uint64_t serial);
void metric_unref(void *metric);

const anqa_metric *metric_spec(const struct metric *metric);
uint64_t metric_serial(const struct metric *metric);
const char *metric_name(const struct metric *metric);
/* Events that were added to the series of the others. */
uint64_t metric_overflow(const struct metric *metric);

/* What the cells of a series add up to. */
struct reading {
    uint64_t count;
    double sum, least, greatest, last;
    uint64_t buckets[ANQA_METRIC_BUCKETS_MAX]; /* each without those below it */
};

/* The upper bounds of a distribution. */
const double *metric_buckets(const struct metric *metric, size_t *ret_count);

/* Series that have counted something, in no order: NULL gives the first, NULL is the end. */
const struct series *series_behind(const struct metric *metric, const struct series *series);
void series_read(
    const struct metric *metric, const struct series *series, struct reading *ret_reading);
/* The values of its tags, one behind the other, each with a NUL. */
const char *series_values(const struct series *series);

#endif
