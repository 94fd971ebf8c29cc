/*
 * Counting. A metric has a hash table of series, lists of which only grow while it is attached: who counts finds its
 * series, or adds one by compare and swap. Each series has CELLS cells, so that threads do not pull one line of the cache
 * back and forth; a cell is some words, whose meaning the kind of the metric says:
 *
 *     COUNTER, SUM, LAST_VALUE | count, sum or value                              |
 *     SUMMARY                  | count, sum, least, greatest                      |
 *     DISTRIBUTION             | count, sum, one for each bucket                  |
 *
 * Doubles are kept as their bits.
 */
#include "telemetry/metrics.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <anqa/process.h>

#include "base/siphash.h"

#define CELLS 16u
#define WORDS_PER_LINE 8u
#define SERIES_STANDARD 100u
#define NAME_MAX_LEN 200u
#define HANDLER_PREFIX "anqa.metrics/"

enum { WORD_COUNT, WORD_SUM, WORD_LEAST, WORD_GREATEST, WORD_BUCKETS = 2 };

static const double standard_buckets[] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

struct series {
    struct series *next; /* constant once it is in a list */
    uint64_t hash;
    size_t len; /* of the values of all tags, each with its NUL */
    _Atomic(uint64_t) *words;
    char values[];
};

struct metric {
    struct metric *next; /* under the lock */
    const anqa_metric *spec;
    uint64_t serial;
    _Atomic(uint32_t) count; /* held by the list, by the handler, by who reads */
    double scale;
    const double *buckets;
    size_t bucket_count, tag_count;
    uint32_t words, series_max;
    _Atomic(uint32_t) series_count;
    _Atomic(uint64_t) overflow;
    struct series *others;
    uint32_t mask;
    char name[NAME_MAX_LEN + 1];
    char handler[NAME_MAX_LEN + sizeof HANDLER_PREFIX];
    _Atomic(struct series *) lists[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static struct metric *metrics;                           /* in the order they were attached */
static uint64_t last_serial;

/* A fault under the lock must not be contained: nobody would ever give it back. */
static void take_lock(void)
{
    anqa_section_begin();
    pthread_mutex_lock(&lock);
}

static void give_lock(void)
{
    pthread_mutex_unlock(&lock);
    anqa_section_end();
}

/* ---------------------------------------------------------------- words */

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static void word_add(_Atomic(uint64_t) *word, double value)
{
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(
        word, &old, bits_of(double_of(old) + value), memory_order_relaxed, memory_order_relaxed))
        ;
}

/* Keeps the least (greatest: of the negated values). */
static void word_least(_Atomic(uint64_t) *word, double value, bool greatest)
{
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

    while ((greatest ? value > double_of(old) : value < double_of(old)) &&
           !atomic_compare_exchange_weak_explicit(
               word, &old, bits_of(value), memory_order_relaxed, memory_order_relaxed))
        ;
}

/* ---------------------------------------------------------------- series */

static uint32_t words_of(anqa_metric_kind kind, size_t buckets)
{
    size_t words = kind == ANQA_METRIC_SUMMARY        ? WORD_GREATEST + 1
                   : kind == ANQA_METRIC_DISTRIBUTION ? WORD_BUCKETS + buckets
                                                      : WORD_SUM + 1;

    return (uint32_t)((words + WORDS_PER_LINE - 1) / WORDS_PER_LINE * WORDS_PER_LINE);
}

static void series_free(struct series *series)
{
    if (series != NULL)
        free(series->words);
    free(series);
}

static struct series *series_new(
    const struct metric *metric, const char *values, size_t len, uint64_t hash)
{
    size_t bytes = sizeof(uint64_t) * CELLS * metric->words;
    struct series *series = calloc(1, sizeof *series + len);

    if (series == NULL)
        return NULL;
    series->words = aligned_alloc(64, bytes);
    if (series->words == NULL) {
        free(series);
        return NULL;
    }
    memset(series->words, 0, bytes);
    series->hash = hash;
    series->len = len;
    memcpy(series->values, values, len);
    if (metric->spec->kind != ANQA_METRIC_SUMMARY)
        return series;
    for (unsigned i = 0; i < CELLS; i++) {
        atomic_init(&series->words[(size_t)i * metric->words + WORD_LEAST], bits_of(INFINITY));
        atomic_init(&series->words[(size_t)i * metric->words + WORD_GREATEST], bits_of(-INFINITY));
    }
    return series;
}

static struct series *series_in(
    struct series *list, const struct series *end, const char *values, size_t len, uint64_t hash)
{
    for (; list != end; list = list->next)
        if (list->hash == hash && list->len == len && memcmp(list->values, values, len) == 0)
            return list;
    return NULL;
}

/* What goes to the others because there are too many, or no memory for one more. */
static struct series *overflow(struct metric *metric)
{
    atomic_fetch_add_explicit(&metric->overflow, 1, memory_order_relaxed);
    return metric->others;
}

static struct series *series_add(struct metric *metric, _Atomic(struct series *) *list,
    struct series *head, const char *values, size_t len, uint64_t hash)
{
    struct series *made, *found;

    if (atomic_fetch_add_explicit(&metric->series_count, 1, memory_order_relaxed) >=
        metric->series_max) {
        atomic_fetch_sub_explicit(&metric->series_count, 1, memory_order_relaxed);
        return overflow(metric);
    }
    anqa_section_begin(); /* in a process: a fault inside of malloc must not be contained */
    made = series_new(metric, values, len, hash);
    anqa_section_end();
    if (made == NULL) {
        atomic_fetch_sub_explicit(&metric->series_count, 1, memory_order_relaxed);
        return overflow(metric);
    }
    made->next = head;
    /* release: what is in it. Pairs with series_of. */
    while (!atomic_compare_exchange_weak_explicit(
        list, &made->next, made, memory_order_release, memory_order_acquire)) {
        found = series_in(made->next, head, values, len, hash);
        if (found == NULL)
            continue;
        atomic_fetch_sub_explicit(&metric->series_count, 1, memory_order_relaxed);
        anqa_section_begin();
        series_free(made);
        anqa_section_end();
        return found; /* somebody else has added it meanwhile */
    }
    return made;
}

static struct series *series_of(struct metric *metric, const char *values, size_t len)
{
    uint64_t hash = siphash(values, len, siphash_boot_key());
    _Atomic(struct series *) *list = &metric->lists[hash & metric->mask];
    struct series *head = atomic_load_explicit(list, memory_order_acquire),
                  *found = series_in(head, NULL, values, len, hash);

    return found != NULL ? found : series_add(metric, list, head, values, len, hash);
}

/* ---------------------------------------------------------------- an event */

/* NaN: it has none. */
static double measured(const struct metric *metric, const anqa_telemetry_event *event)
{
    const anqa_field *field;

    if (metric->spec->kind == ANQA_METRIC_COUNTER)
        return 0;
    field =
        anqa_field_find(event->measurements, event->measurement_count, metric->spec->measurement);
    if (field == NULL)
        return NAN;
    switch (field->type) {
    case ANQA_FIELD_INT: return (double)field->as.i * metric->scale;
    case ANQA_FIELD_UINT: return (double)field->as.u * metric->scale;
    case ANQA_FIELD_DOUBLE: return field->as.d * metric->scale;
    case ANQA_FIELD_BOOL: return field->as.b ? metric->scale : 0;
    default: return NAN;
    }
}

/* The text of a tag's value, without NULs. Returns its length. */
static size_t tag_text(const anqa_field *field, char text[static ANQA_METRIC_TAG_VALUE_MAX])
{
    const size_t size = ANQA_METRIC_TAG_VALUE_MAX;
    int len = 0;

    switch (field->type) {
    case ANQA_FIELD_INT: len = snprintf(text, size, "%lld", (long long)field->as.i); break;
    case ANQA_FIELD_UINT:
        len = snprintf(text, size, "%llu", (unsigned long long)field->as.u);
        break;
    case ANQA_FIELD_DOUBLE: len = snprintf(text, size, "%g", field->as.d); break;
    case ANQA_FIELD_BOOL: len = snprintf(text, size, "%s", field->as.b ? "true" : "false"); break;
    case ANQA_FIELD_PID: len = (int)strlen(anqa_pid_text((anqa_pid){field->as.u}, text)); break;
    case ANQA_FIELD_STR:
        len = snprintf(text, size, "%.*s",
            field->as.s.len < size ? (int)field->as.s.len : (int)size - 1,
            field->as.s.len == 0 ? "" : field->as.s.ptr);
        break;
    case ANQA_FIELD_END: break;
    }
    return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

static struct series *series_for(struct metric *metric, const anqa_telemetry_event *event)
{
    char values[ANQA_METRIC_TAGS_MAX * (ANQA_METRIC_TAG_VALUE_MAX + 1)];
    size_t len = 0;

    for (size_t i = 0; i < metric->tag_count; i++) {
        const anqa_field *field =
            anqa_field_find(event->metadata, event->metadata_count, metric->spec->tags[i]);
        if (field != NULL)
            len += tag_text(field, values + len);
        values[len++] = '\0';
    }
    return series_of(metric, values, len);
}

static unsigned own_cell(void)
{
    static _Atomic(unsigned) last;
    static _Thread_local unsigned own; /* plus one */

    if (own == 0)
        own = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) % CELLS + 1;
    return own - 1;
}

static size_t bucket_of(const struct metric *metric, double value)
{
    size_t i = 0;

    while (i < metric->bucket_count && value > metric->buckets[i])
        i++;
    return i;
}

static void count_value(const struct metric *metric, _Atomic(uint64_t) *words, double value)
{
    size_t bucket;

    atomic_fetch_add_explicit(&words[WORD_COUNT], 1, memory_order_relaxed);
    if (metric->spec->kind == ANQA_METRIC_COUNTER)
        return;
    word_add(&words[WORD_SUM], value);
    if (metric->spec->kind == ANQA_METRIC_SUMMARY) {
        word_least(&words[WORD_LEAST], value, false);
        word_least(&words[WORD_GREATEST], value, true);
    } else if (metric->spec->kind == ANQA_METRIC_DISTRIBUTION) {
        bucket = bucket_of(metric, value);
        if (bucket < metric->bucket_count)
            atomic_fetch_add_explicit(&words[WORD_BUCKETS + bucket], 1, memory_order_relaxed);
    }
}

static void on_event(void *ctx, const anqa_telemetry_event *event)
{
    struct metric *metric = ctx;
    double value = measured(metric, event);
    struct series *series;

    if (isnan(value))
        return;
    series = series_for(metric, event);
    if (metric->spec->kind == ANQA_METRIC_LAST_VALUE) { /* one cell for all: the last one wins */
        atomic_store_explicit(&series->words[WORD_SUM], bits_of(value), memory_order_relaxed);
        atomic_store_explicit(&series->words[WORD_COUNT], 1, memory_order_relaxed);
        return;
    }
    count_value(metric, &series->words[(size_t)own_cell() * metric->words], value);
}

/* ---------------------------------------------------------------- reading */

const anqa_metric *metric_spec(const struct metric *metric)
{
    return metric->spec;
}

uint64_t metric_serial(const struct metric *metric)
{
    return metric->serial;
}

const char *metric_name(const struct metric *metric)
{
    return metric->name;
}

uint64_t metric_overflow(const struct metric *metric)
{
    return atomic_load_explicit(&metric->overflow, memory_order_relaxed);
}

const double *metric_buckets(const struct metric *metric, size_t *ret_count)
{
    *ret_count = metric->bucket_count;
    return metric->buckets;
}

const char *series_values(const struct series *series)
{
    return series->values;
}

static const struct series *first_in_lists(const struct metric *metric, uint64_t from)
{
    const struct series *series = NULL;

    for (uint64_t i = from; i <= metric->mask && series == NULL; i++)
        series = atomic_load_explicit(&metric->lists[i], memory_order_acquire);
    return series;
}

static bool is_used(const struct metric *metric, const struct series *series)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < CELLS && count == 0; i++)
        count = atomic_load_explicit(
            &series->words[(size_t)i * metric->words + WORD_COUNT], memory_order_relaxed);
    return count > 0;
}

/* The others come last. */
const struct series *series_behind(const struct metric *metric, const struct series *series)
{
    do {
        if (series == metric->others)
            return NULL;
        if (series == NULL)
            series = first_in_lists(metric, 0);
        else if (series->next != NULL)
            series = series->next;
        else
            series = first_in_lists(metric, (series->hash & metric->mask) + 1);
        if (series == NULL)
            series = metric->others;
    } while (!is_used(metric, series));
    return series;
}

static uint64_t load(
    const struct metric *metric, const struct series *series, unsigned cell, size_t word)
{
    return atomic_load_explicit(
        &series->words[(size_t)cell * metric->words + word], memory_order_relaxed);
}

/* As the C library's, which are in a library of their own. */
static double lesser(double a, double b)
{
    return a < b ? a : b;
}

static void read_cell(const struct metric *metric, const struct series *series, unsigned cell,
    struct reading *reading)
{
    reading->count += load(metric, series, cell, WORD_COUNT);
    reading->sum += double_of(load(metric, series, cell, WORD_SUM));
    for (size_t i = 0; i < metric->bucket_count; i++)
        reading->buckets[i] += load(metric, series, cell, WORD_BUCKETS + i);
    if (metric->spec->kind != ANQA_METRIC_SUMMARY)
        return;
    reading->least = lesser(reading->least, double_of(load(metric, series, cell, WORD_LEAST)));
    reading->greatest =
        -lesser(-reading->greatest, -double_of(load(metric, series, cell, WORD_GREATEST)));
}

void series_read(
    const struct metric *metric, const struct series *series, struct reading *ret_reading)
{
    *ret_reading = (struct reading){.least = INFINITY, .greatest = -INFINITY};
    for (unsigned i = 0; i < CELLS; i++)
        read_cell(metric, series, i, ret_reading);
    ret_reading->last = double_of(load(metric, series, 0, WORD_SUM));
}

struct metric *metric_behind(uint64_t serial)
{
    struct metric *metric;

    take_lock();
    metric = metrics;
    while (metric != NULL && metric->serial <= serial)
        metric = metric->next;
    if (metric != NULL)
        atomic_fetch_add_explicit(&metric->count, 1, memory_order_relaxed);
    give_lock();
    return metric;
}

void metric_unref(void *object)
{
    struct metric *metric = object;

    /* acq_rel: what others did with it comes before it is freed. Pairs with itself. */
    if (atomic_fetch_sub_explicit(&metric->count, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i <= metric->mask; i++) {
        struct series *series = atomic_load_explicit(&metric->lists[i], memory_order_relaxed);
        while (series != NULL) {
            struct series *next = series->next;
            series_free(series);
            series = next;
        }
    }
    series_free(metric->others);
    free(metric);
}

/* ---------------------------------------------------------------- checks */

/* A name of Prometheus: letters, digits, underscores; no digit first. colons: those too. */
static bool is_name(const char *name, bool colons)
{
    if (name[0] == '\0' || isdigit((unsigned char)name[0]))
        return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && *name != '_' && !(colons && *name == ':'))
            return false;
    return true;
}

static anqa_status name_of(
    const anqa_metric *spec, char name[static NAME_MAX_LEN + 1], anqa_error *err)
{
    int len;

    if (spec->name != NULL)
        len = snprintf(name, NAME_MAX_LEN + 1, "%s", spec->name);
    else
        len = snprintf(name, NAME_MAX_LEN + 1, "%s_%s", spec->event,
            spec->measurement == NULL ? "count" : spec->measurement);
    if (len < 0 || (size_t)len > NAME_MAX_LEN)
        return anqa_fail(
            err, ANQA_E_RANGE, "metric '%.60s...': the name is longer than %u", name, NAME_MAX_LEN);
    for (char *at = name; spec->name == NULL && *at != '\0'; at++)
        if (!isalnum((unsigned char)*at))
            *at = '_';
    if (!is_name(name, true))
        return anqa_fail(err, ANQA_E_INVALID,
            "metric '%s': a name has letters, digits, '_' and ':', and no digit first", name);
    return ANQA_OK;
}

static anqa_status tags_check(
    const anqa_metric *spec, const char *name, size_t *ret_count, anqa_error *err)
{
    size_t count = 0;

    for (; spec->tags != NULL && spec->tags[count] != NULL; count++) {
        const char *tag = spec->tags[count];
        if (count == ANQA_METRIC_TAGS_MAX)
            return anqa_fail(
                err, ANQA_E_RANGE, "metric %s has more than %u tags", name, ANQA_METRIC_TAGS_MAX);
        if (!is_name(tag, false) || strncmp(tag, "__", 2) == 0 || strcmp(tag, "le") == 0 ||
            strcmp(tag, "quantile") == 0)
            return anqa_fail(
                err, ANQA_E_INVALID, "metric %s: '%s' cannot be the name of a tag", name, tag);
    }
    *ret_count = count;
    return ANQA_OK;
}

static anqa_status buckets_check(const anqa_metric *spec, const char *name, anqa_error *err)
{
    if (spec->bucket_count > ANQA_METRIC_BUCKETS_MAX)
        return anqa_fail(
            err, ANQA_E_RANGE, "metric %s has more than %u buckets", name, ANQA_METRIC_BUCKETS_MAX);
    if ((spec->buckets == NULL) != (spec->bucket_count == 0))
        return anqa_fail(
            err, ANQA_E_INVALID, "metric %s: .buckets and .bucket_count go together", name);
    for (size_t i = 0; i < spec->bucket_count; i++)
        if (!isfinite(spec->buckets[i]) || (i > 0 && spec->buckets[i] <= spec->buckets[i - 1]))
            return anqa_fail(err, ANQA_E_INVALID, "metric %s: bounds of buckets must rise", name);
    return ANQA_OK;
}

static anqa_status spec_check(
    const anqa_metric *spec, char name[static NAME_MAX_LEN + 1], size_t *ret_tags, anqa_error *err)
{
    anqa_status status;

    if (spec->event == NULL || strchr(spec->event, '*') != NULL)
        return anqa_fail(err, ANQA_E_INVALID, "a metric needs an .event, and one only");
    status = name_of(spec, name, err);
    if (status != ANQA_OK)
        return status;
    if (spec->kind > ANQA_METRIC_DISTRIBUTION)
        return anqa_fail(err, ANQA_E_INVALID, "metric %s: .kind is none that there is", name);
    if (spec->measurement == NULL && spec->kind != ANQA_METRIC_COUNTER)
        return anqa_fail(err, ANQA_E_INVALID, "metric %s needs a .measurement", name);
    if (spec->max_series > ANQA_METRIC_SERIES_MAX)
        return anqa_fail(err, ANQA_E_RANGE, "metric %s: .max_series is at most %u", name,
            ANQA_METRIC_SERIES_MAX);
    status = buckets_check(spec, name, err);
    return status == ANQA_OK ? tags_check(spec, name, ret_tags, err) : status;
}

/* ---------------------------------------------------------------- attaching */

static struct series *others_new(const struct metric *metric)
{
    char values[ANQA_METRIC_TAGS_MAX * sizeof "other"];

    for (size_t i = 0; i < metric->tag_count; i++)
        memcpy(values + i * sizeof "other", "other", sizeof "other");
    return series_new(metric, values, metric->tag_count * sizeof "other", 0);
}

static void metric_buckets_init(struct metric *metric)
{
    if (metric->spec->kind != ANQA_METRIC_DISTRIBUTION)
        return;
    metric->buckets = metric->spec->buckets;
    metric->bucket_count = metric->spec->bucket_count;
    if (metric->buckets != NULL)
        return;
    metric->buckets = standard_buckets;
    metric->bucket_count = ANQA_COUNT(standard_buckets);
}

static struct metric *metric_new(const anqa_metric *spec, const char *name, size_t tags)
{
    uint32_t max = spec->max_series == 0 ? SERIES_STANDARD : spec->max_series, lists = 16;
    struct metric *metric;

    while (lists < max)
        lists *= 2;
    metric = calloc(1, sizeof *metric + lists * sizeof metric->lists[0]);
    if (metric == NULL)
        return NULL;
    metric->spec = spec;
    atomic_init(&metric->count, 1);
    metric->scale = spec->scale == 0 ? 1 : spec->scale;
    metric->tag_count = tags;
    metric->series_max = max;
    metric->mask = lists - 1;
    metric_buckets_init(metric);
    metric->words = words_of(spec->kind, metric->bucket_count);
    memcpy(metric->name, name, strlen(name) + 1);
    snprintf(metric->handler, sizeof metric->handler, HANDLER_PREFIX "%s", name);
    metric->others = others_new(metric);
    if (metric->others == NULL) {
        free(metric);
        return NULL;
    }
    return metric;
}

/* Under the lock. */
static struct metric **place_of(const char *name)
{
    struct metric **at = &metrics;

    while (*at != NULL && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

/* False: one of that name is there. */
static bool metric_enter(struct metric *metric)
{
    struct metric **at;
    bool entered;

    take_lock();
    at = place_of(metric->name);
    entered = *at == NULL;
    if (entered) {
        metric->serial = ++last_serial;
        *at = metric;
    }
    give_lock();
    return entered;
}

/* The list's count is the caller's. NULL: it is not there, or another one of that name. */
static struct metric *metric_leave(const anqa_metric *spec, const char *name)
{
    struct metric **at, *metric;

    take_lock();
    at = place_of(name);
    metric = *at;
    if (metric != NULL && metric->spec == spec)
        *at = metric->next;
    else
        metric = NULL;
    give_lock();
    return metric;
}

static anqa_status attach(const anqa_metric *spec, anqa_error *err)
{
    char name[NAME_MAX_LEN + 1];
    struct metric *metric;
    anqa_status status;
    size_t tags = 0;

    status = spec_check(spec, name, &tags, err);
    if (status != ANQA_OK)
        return status;
    metric = metric_new(spec, name, tags);
    if (metric == NULL)
        return anqa_fail(err, ANQA_E_NOMEM, "metric %s", name);
    if (!metric_enter(metric)) {
        metric_unref(metric);
        return anqa_fail(err, ANQA_E_EXISTS, "there is a metric %s already", name);
    }
    atomic_fetch_add_explicit(&metric->count, 1, memory_order_relaxed); /* the handler's */
    status = anqa_telemetry_attach(&(anqa_telemetry_handler){.id = metric->handler,
        .pattern = spec->event,
        .run = on_event,
        .ctx = metric,
        .drop = metric_unref});
    if (status == ANQA_OK)
        return ANQA_OK;
    metric_unref(metric);
    metric_unref(metric_leave(spec, name));
    return anqa_fail(err, status, "metric %s: %s", name, anqa_status_text(status));
}

static void detach(const anqa_metric *spec)
{
    char name[NAME_MAX_LEN + 1];
    struct metric *metric;

    if (name_of(spec, name, NULL) != ANQA_OK)
        return;
    metric = metric_leave(spec, name);
    if (metric == NULL)
        return;
    (void)anqa_telemetry_detach(metric->handler); /* a fault may have done so before */
    metric_unref(metric);
}

anqa_status anqa_metrics_attach(const anqa_metric *list, anqa_error *err)
{
    for (const anqa_metric *at = list; at->kind != ANQA_METRIC_NONE_; at++) {
        anqa_status status = attach(at, err);
        if (status == ANQA_OK)
            continue;
        while (at-- > list)
            detach(at);
        return status;
    }
    return ANQA_OK;
}

void anqa_metrics_detach(const anqa_metric *list)
{
    for (; list->kind != ANQA_METRIC_NONE_; list++)
        if (list->event != NULL)
            detach(list);
}
