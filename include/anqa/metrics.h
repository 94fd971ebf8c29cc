/**
 * anqa/metrics.h - what events add up to: counters, sums, last values, distributions; and all of it as text for Prometheus.
 *
 *     static const anqa_metric metrics[] = {
 *         {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale.stop", .tags = (const char *const[]){"till", NULL}},
 *         {.kind = ANQA_METRIC_DISTRIBUTION, .event = "shop.sale.stop", .measurement = "duration", .scale = 1e-9,
 *             .name = "shop_sale_seconds"},
 *         {0},
 *     };
 *     s = anqa_metrics_attach(metrics, &err);
 *     ...
 *     anqa_str text = anqa_metrics_text();
 *
 * A metric listens to one event (anqa/telemetry.h), takes one of its measurements, and keeps a *series* for each different
 * combination of the values of its tags, which are metadata of the event. A series is made when its combination is first
 * seen; there are at most `max_series` of a metric, and what comes beyond that is added to one whose tags are all "other".
 * So nobody who chooses a tag's value can make us hold more.
 *
 * Counting takes no lock: each series has a cell for each of 16 groups of threads, and who reads adds them up. Metrics,
 * like events, are the program's, not a runtime's.
 *
 * anqa_metrics_text also tells what is built in: anqa_processes, anqa_memory_bytes, anqa_run_queue_length and more, which
 * are read when the text is made and cost nothing before.
 *
 * Threads. Any thread, unless a function says otherwise.
 */
#ifndef ANQA_METRICS_H
#define ANQA_METRICS_H

#include <anqa/base.h>
#include <anqa/conn.h>
#include <anqa/gen_server.h>
#include <anqa/telemetry.h>

ANQA_BEGIN_DECLS

/** What is made of the events of a point. */
typedef enum anqa_metric_kind {
    ANQA_METRIC_NONE_,   /* of the {0} that ends a list */
    ANQA_METRIC_COUNTER, /* how many events; `measurement` is not looked at */
    ANQA_METRIC_SUM,
    ANQA_METRIC_LAST_VALUE,
    ANQA_METRIC_SUMMARY,     /* number, sum, least and greatest */
    ANQA_METRIC_DISTRIBUTION /* number, sum, and how many were at most so much */
} anqa_metric_kind;

/** Limits of one metric: tags, buckets, and series, which are combinations of tags' values. */
#define ANQA_METRIC_TAGS_MAX 8u
#define ANQA_METRIC_BUCKETS_MAX 64u
#define ANQA_METRIC_SERIES_MAX 10000u
#define ANQA_METRIC_TAG_VALUE_MAX 128u /* bytes; a longer value is cut */

/** A metric. What it points to must live as long as it is attached: `static const`. Zero is a sensible default. */
typedef struct anqa_metric {
    anqa_metric_kind kind;
    const char *event;
    const char *measurement; /* events without it, or with a NaN there, do not count */
    const char *
        name; /* NULL: event and measurement (of a counter "count"), with _ for what a name cannot have */
    const char *help;        /* one line; NULL: none */
    const char *const *tags; /* NULL ends them; a value that an event does not have is empty */
    const double *buckets;   /* upper bounds, rising; NULL: 13 from 0.001 to 10 */
    size_t bucket_count;
    double scale;        /* what a measurement is multiplied by; 0: 1 */
    uint32_t max_series; /* 0: 100; at most ANQA_METRIC_SERIES_MAX */
} anqa_metric;

/**
 * Attaches all metrics of a list that {0} ends, or none of them.
 * Fails: E_INVALID (a kind, name, tag or bucket; err says which), E_RANGE (too many of something), E_EXISTS (a metric of
 * that name is attached), E_NOMEM.
 */
ANQA_API anqa_status anqa_metrics_attach(
    const anqa_metric *metrics, anqa_error *err) ANQA_MUST_CHECK;

/** Detaches the metrics of such a list; what they have counted is forgotten. Those that are not attached do not matter. */
ANQA_API void anqa_metrics_detach(const anqa_metric *metrics);

/** All metrics in the text exposition format 0.0.4 of Prometheus; lives as long as the current event.
 * Context: process; may wait. */
ANQA_API anqa_str anqa_metrics_text(void);

/** Answers a request with that text, for Prometheus: ANQA_GET("/metrics", anqa_plug_metrics), in a scope that strangers do not
 * get into. opts: NULL. Context: process of the connection; may wait. */
ANQA_API void anqa_plug_metrics(anqa_conn *conn, const void *opts);

/** What a web server says of that text. */
#define ANQA_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/**
 * A server that measures the runtime every `*arg` milliseconds (arg: a uint32_t; NULL: 5,000) and emits the events
 *     anqa.vm.memory         heap, blocks, stacks, resident (bytes)
 *     anqa.vm.run_queue      total
 *     anqa.vm.counts         processes, names, timers, messages
 *     anqa.vm.scheduler      busy (0 to 1), run_queue; metadata scheduler (from 1)
 * A child of any supervisor: {.server = &anqa_vm_poller}.
 */
ANQA_API extern const anqa_gen_server anqa_vm_poller;

ANQA_END_DECLS

#endif
