/* Metrics as text: Prometheus' exposition format 0.0.4. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <anqa/introspect.h>
#include <anqa/memory.h>

#include "base/utf8.h"
#include "otp/text.h"
#include "telemetry/metrics.h"

static void put_value(struct text *text, double value)
{
    char number[40];

    if (isinf(value))
        text_puts(text, value > 0 ? " +Inf\n" : " -Inf\n");
    else if (isnan(value))
        text_puts(text, " NaN\n");
    else
        text_put(text, number, (size_t)snprintf(number, sizeof number, " %.17g\n", value));
}

static void put_count(struct text *text, uint64_t count)
{
    char number[32];

    text_put(text, number,
        (size_t)snprintf(number, sizeof number, " %llu\n", (unsigned long long)count));
}

/* What is no UTF-8 becomes a question mark. quotes: of a label's value, else of a help text. */
static void put_escaped(struct text *text, const char *at, bool quotes)
{
    const char *end = at + strlen(at);

    while (at < end) {
        size_t size = utf8_char_len(at, end);
        if (size == 0)
            text_puts(text, "?");
        else if (*at == '\\')
            text_puts(text, "\\\\");
        else if (*at == '\n')
            text_puts(text, "\\n");
        else if (*at == '"' && quotes)
            text_puts(text, "\\\"");
        else
            text_put(text, at, size);
        at += size == 0 ? 1 : size;
    }
}

static void put_head(struct text *text, const char *name, const char *type, const char *help)
{
    if (help != NULL) {
        text_puts(text, "# HELP ");
        text_puts(text, name);
        text_puts(text, " ");
        put_escaped(text, help, false);
        text_puts(text, "\n");
    }
    text_puts(text, "# TYPE ");
    text_puts(text, name);
    text_puts(text, " ");
    text_puts(text, type);
    text_puts(text, "\n");
}

static void put_label(struct text *text, const char *name, const char *value, bool first)
{
    text_puts(text, first ? "{" : ",");
    text_puts(text, name);
    text_puts(text, "=\"");
    put_escaped(text, value, true);
    text_puts(text, "\"");
}

/* ---------------------------------------------------------------- declared metrics */

/* One line of a series but for its value. le: the bound of a bucket, or NULL. */
static void put_line(struct text *text, const struct metric *metric, const struct series *series,
    const char *suffix, const char *le)
{
    const char *const *tags = metric_spec(metric)->tags;
    const char *value = series_values(series);
    bool first = true;

    text_puts(text, metric_name(metric));
    text_puts(text, suffix);
    for (; tags != NULL && *tags != NULL; tags++) {
        put_label(text, *tags, value, first);
        value += strlen(value) + 1;
        first = false;
    }
    if (le != NULL)
        put_label(text, "le", le, first);
    if (!first || le != NULL)
        text_puts(text, "}");
}

static void put_totals(struct text *text, const struct metric *metric, const struct series *series,
    const struct reading *reading)
{
    put_line(text, metric, series, "_sum", NULL);
    put_value(text, reading->sum);
    put_line(text, metric, series, "_count", NULL);
    put_count(text, reading->count);
}

/* The count is what was read with the buckets, or they would not fit together. */
static void put_distribution(struct text *text, const struct metric *metric,
    const struct series *series, const struct reading *reading)
{
    size_t count;
    const double *bounds = metric_buckets(metric, &count);
    uint64_t below = 0;
    char le[32];

    for (size_t i = 0; i < count; i++) {
        below += reading->buckets[i];
        snprintf(le, sizeof le, "%.15g", bounds[i]);
        put_line(text, metric, series, "_bucket", le);
        put_count(text, below < reading->count ? below : reading->count);
    }
    put_line(text, metric, series, "_bucket", "+Inf");
    put_count(text, reading->count);
    put_totals(text, metric, series, reading);
}

static void put_series(struct text *text, const struct metric *metric, const struct series *series)
{
    struct reading reading;

    series_read(metric, series, &reading);
    switch (metric_spec(metric)->kind) {
    case ANQA_METRIC_COUNTER:
        put_line(text, metric, series, "", NULL);
        put_count(text, reading.count);
        return;
    case ANQA_METRIC_SUM:
        put_line(text, metric, series, "", NULL);
        put_value(text, reading.sum);
        return;
    case ANQA_METRIC_LAST_VALUE:
        put_line(text, metric, series, "", NULL);
        put_value(text, reading.last);
        return;
    case ANQA_METRIC_SUMMARY: put_totals(text, metric, series, &reading); return;
    case ANQA_METRIC_DISTRIBUTION: put_distribution(text, metric, series, &reading); return;
    case ANQA_METRIC_NONE_: return;
    }
}

/* The format knows no least and greatest: they are gauges beside the summary. */
static void put_extremes(struct text *text, const struct metric *metric, bool greatest)
{
    const char *suffix = greatest ? "_max" : "_min";
    const struct series *series = NULL;
    struct reading reading;

    put_head(text, anqa_tmp_printf("%s%s", metric_name(metric), suffix), "gauge", NULL);
    while ((series = series_behind(metric, series)) != NULL) {
        series_read(metric, series, &reading);
        put_line(text, metric, series, suffix, NULL);
        put_value(text, greatest ? reading.greatest : reading.least);
    }
}

static void put_metric(struct text *text, const struct metric *metric)
{
    static const char *const types[] = {[ANQA_METRIC_COUNTER] = "counter",
        [ANQA_METRIC_SUM] = "gauge",
        [ANQA_METRIC_LAST_VALUE] = "gauge",
        [ANQA_METRIC_SUMMARY] = "summary",
        [ANQA_METRIC_DISTRIBUTION] = "histogram"};
    const anqa_metric *spec = metric_spec(metric);
    const struct series *series = NULL;

    put_head(text, metric_name(metric), types[spec->kind], spec->help);
    while ((series = series_behind(metric, series)) != NULL)
        put_series(text, metric, series);
    if (spec->kind != ANQA_METRIC_SUMMARY)
        return;
    put_extremes(text, metric, false);
    put_extremes(text, metric, true);
}

static uint64_t put_metrics(struct text *text)
{
    uint64_t serial = 0, overflow = 0;
    struct metric *metric;

    while ((metric = metric_behind(serial)) != NULL) {
        anqa_deferred deferred = anqa_defer(metric_unref, metric); /* there may be no memory */
        put_metric(text, metric);
        serial = metric_serial(metric);
        overflow += metric_overflow(metric);
        anqa_defer_cancel(deferred);
        metric_unref(metric);
        anqa_yield();
    }
    return overflow;
}

/* ---------------------------------------------------------------- what is built in */

static void put_gauge(struct text *text, const char *name, const char *help, double value)
{
    put_head(text, name, "gauge", help);
    text_puts(text, name);
    put_value(text, value);
}

static void put_counter(struct text *text, const char *name, const char *help, uint64_t value)
{
    put_head(text, name, "counter", help);
    text_puts(text, name);
    put_count(text, value);
}

static void put_labelled(
    struct text *text, const char *name, const char *label, const char *value, double number)
{
    text_puts(text, name);
    put_label(text, label, value, true);
    text_puts(text, "}");
    put_value(text, number);
}

static void put_memory(struct text *text, const anqa_system_info *info)
{
    static const char name[] = "anqa_memory_bytes";

    put_head(text, name, "gauge",
        "Memory: heaps of processes, blocks for messages and small states, address space of "
        "stacks, all that is resident.");
    put_labelled(text, name, "kind", "heaps", (double)info->heap_bytes);
    put_labelled(text, name, "kind", "blocks", (double)info->block_bytes);
    put_labelled(text, name, "kind", "stacks", (double)info->stack_bytes);
    put_labelled(text, name, "kind", "resident", (double)info->resident_bytes);
}

static double run_queue(const anqa_scheduler_info *scheduler)
{
    return scheduler->run_queue;
}

static double idle_seconds(const anqa_scheduler_info *scheduler)
{
    return (double)scheduler->idle_ns / 1e9;
}

static double activations(const anqa_scheduler_info *scheduler)
{
    return (double)scheduler->activations;
}

static double steals(const anqa_scheduler_info *scheduler)
{
    return (double)scheduler->steals;
}

static void put_schedulers(struct text *text, const anqa_system_info *info)
{
    static const struct {
        const char *name, *type, *help;
        double (*read)(const anqa_scheduler_info *scheduler);
    } rows[] = {
        {"anqa_run_queue_length", "gauge", "Processes that wait for their turn.", run_queue},
        {"anqa_scheduler_idle_seconds_total", "counter", "Time with nothing to do.", idle_seconds},
        {"anqa_scheduler_activations_total", "counter", "How often a process was let run.",
            activations},
        {"anqa_scheduler_steals_total", "counter", "Processes taken from other schedulers.",
            steals},
    };
    char number[16];

    for (size_t i = 0; i < ANQA_COUNT(rows); i++) {
        put_head(text, rows[i].name, rows[i].type, rows[i].help);
        for (uint16_t j = 0; j < info->scheduler_count; j++) {
            snprintf(number, sizeof number, "%u", j + 1u);
            put_labelled(
                text, rows[i].name, "scheduler", number, rows[i].read(&info->schedulers[j]));
        }
    }
}

static void put_system(struct text *text)
{
    anqa_system_info *info = anqa_arena_alloc(anqa_tmp(), sizeof *info);

    anqa_system_info_get(info);
    put_gauge(text, "anqa_uptime_seconds", "Since the runtime was started.",
        (double)info->uptime_ns / 1e9);
    put_gauge(text, "anqa_processes", "Processes that are alive.", (double)info->processes);
    put_gauge(text, "anqa_processes_limit", "Processes that there may be at once.",
        (double)info->process_limit);
    put_counter(
        text, "anqa_processes_spawned_total", "Processes that were started.", info->spawned);
    put_counter(text, "anqa_processes_exited_total", "Processes that have ended.", info->exited);
    put_gauge(text, "anqa_processes_waiting",
        "Processes that wait in the middle of something, each with a stack.",
        (double)info->waiting);
    put_gauge(text, "anqa_zombies", "Processes that have ended while a worker held their memory.",
        (double)info->zombies);
    put_counter(text, "anqa_faults_total", "Faults that ended one process only.", info->faults);
    put_gauge(text, "anqa_tainted", "1: a memory fault was contained; restart when it suits.",
        info->tainted);
    put_gauge(
        text, "anqa_messages", "Messages that are under way or held.", (double)info->messages);
    put_gauge(text, "anqa_timers", "Timers that are armed.", (double)info->timers);
    put_gauge(text, "anqa_names", "Registered names.", (double)info->names);
    put_gauge(text, "anqa_tables", "Tables of names, registries and keys.", (double)info->tables);
    put_memory(text, info);
    put_schedulers(text, info);
}

anqa_str anqa_metrics_text(void)
{
    struct text text = {NULL, 0, 0};
    uint64_t overflow;

    put_system(&text);
    overflow = put_metrics(&text);
    put_counter(&text, "anqa_metrics_overflow_total",
        "Events that were counted as \"other\", as their metric had no more series.", overflow);
    return anqa_str_make(text.bytes, text.len);
}
