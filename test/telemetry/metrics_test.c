/* Metrics: what events add up to, and the text of it. */
#include <anqa/registry.h>
#include <anqa/log.h>
#include <anqa/memory.h>
#include <anqa/metrics.h>
#include <anqa/process.h>
#include <anqa/runtime.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

ANQA_TELEMETRY_DEFINE(sale, "shop.sale");
ANQA_TELEMETRY_DEFINE(refund, "shop.refund");

static anqa_rt *begin(void)
{
    anqa_rt *rt = NULL;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 2}, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    return rt;
}

static void end(anqa_rt *rt)
{
    anqa_detach();
    anqa_stop(rt);
}

static void attach(const anqa_metric *metrics)
{
    anqa_error err = {.text = ""};

    CHECK_STATUS(anqa_metrics_attach(metrics, &err), ANQA_OK, "%s", err.text);
}

static void sell(double price, const char *till)
{
    ANQA_EMIT(sale, (anqa_field_double("price", price)), (anqa_field_text("till", till)));
}

static const char *text(void)
{
    anqa_str made = anqa_metrics_text();

    return anqa_tmp_copy(made.ptr, made.len);
}

/* Whether the text has that line. */
static bool has(const char *line)
{
    const char *all = text(), *at = all;
    size_t len = strlen(line);

    while ((at = strstr(at, line)) != NULL) {
        if ((at == all || at[-1] == '\n') && at[len] == '\n')
            return true;
        at++;
    }
    return false;
}

static const char *const till_tag[] = {"till", NULL}, *const both_tags[] = {"till", "day", NULL},
                         *const le_tag[] = {"le", NULL}, *const dash_tag[] = {"a-b", NULL};
static const double bounds[] = {1, 2.5, 10};

static const anqa_metric sales[] = {
    {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale", .help = "Sales.", .tags = till_tag},
    {.kind = ANQA_METRIC_SUM, .event = "shop.sale", .measurement = "price"},
    {.kind = ANQA_METRIC_LAST_VALUE,
        .event = "shop.sale",
        .measurement = "price",
        .name = "last_price",
        .scale = 100},
    {.kind = ANQA_METRIC_SUMMARY, .event = "shop.sale", .measurement = "price", .name = "prices"},
    {.kind = ANQA_METRIC_DISTRIBUTION,
        .event = "shop.sale",
        .measurement = "price",
        .name = "price_buckets",
        .buckets = bounds,
        .bucket_count = 3},
    {0},
};

TEST(each_kind_of_metric_adds_up_what_it_is_for)
{
    anqa_rt *rt = begin();

    attach(sales);
    sell(2.5, "left");
    sell(0.5, "left");
    sell(100, "right");
    CHECK(has("# HELP shop_sale_count Sales."));
    CHECK(has("# TYPE shop_sale_count counter"));
    CHECK(has("shop_sale_count{till=\"left\"} 2"));
    CHECK(has("shop_sale_count{till=\"right\"} 1"));
    CHECK(has("# TYPE shop_sale_price gauge"));
    CHECK(has("shop_sale_price 103"));
    CHECK(has("last_price 10000"));
    CHECK(has("# TYPE prices summary"));
    CHECK(has("prices_sum 103"));
    CHECK(has("prices_count 3"));
    CHECK(has("prices_min 0.5"));
    CHECK(has("prices_max 100"));
    CHECK(has("# TYPE price_buckets histogram"));
    CHECK(has("price_buckets_bucket{le=\"1\"} 1"));
    CHECK(has("price_buckets_bucket{le=\"2.5\"} 2"));
    CHECK(has("price_buckets_bucket{le=\"10\"} 2"));
    CHECK(has("price_buckets_bucket{le=\"+Inf\"} 3"));
    CHECK(has("price_buckets_sum 103"));
    CHECK(has("price_buckets_count 3"));
    anqa_metrics_detach(sales);
    CHECK(strstr(text(), "shop_sale") == NULL);
    sell(1, "left");
    end(rt);
}

TEST(measurements_that_are_missing_or_no_number_do_not_count)
{
    static const anqa_metric metrics[] = {{.kind = ANQA_METRIC_SUMMARY,
                                              .event = "shop.refund",
                                              .measurement = "price",
                                              .tags = till_tag},
        {0}};
    anqa_rt *rt = begin();

    attach(metrics);
    ANQA_EMIT(refund, (), ());
    ANQA_EMIT(refund, (anqa_field_double("price", (double)NAN)), ());
    ANQA_EMIT(refund, (anqa_field_text("price", "12")), ());
    CHECK(strstr(text(), "shop_refund_price_count") == NULL);
    ANQA_EMIT(refund, (anqa_field_int("price", -3)), (anqa_field_uint("till", 7)));
    ANQA_EMIT(refund, (anqa_field_bool("price", true)), (anqa_field_bool("till", false)));
    ANQA_EMIT(refund, (anqa_field_uint("price", 1)), ());
    CHECK(has("shop_refund_price_sum{till=\"7\"} -3"));
    CHECK(has("shop_refund_price_sum{till=\"false\"} 1"));
    CHECK(has("shop_refund_price_count{till=\"\"} 1"));
    anqa_metrics_detach(metrics);
    end(rt);
}

TEST(values_of_tags_are_escaped_and_cut)
{
    static const anqa_metric metrics[] = {
        {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale", .tags = till_tag, .help = "a\\b\nc"},
        {0}};
    anqa_rt *rt = begin();
    char longer[300];

    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    attach(metrics);
    sell(1, "a\"b\\c\nd");
    sell(1, "caf\xc3");
    sell(1, longer);
    CHECK(has("# HELP shop_sale_count a\\\\b\\nc"));
    CHECK(has("shop_sale_count{till=\"a\\\"b\\\\c\\nd\"} 1"));
    CHECK(has("shop_sale_count{till=\"caf?\"} 1"));
    longer[ANQA_METRIC_TAG_VALUE_MAX - 1] = '\0';
    CHECK(has(anqa_tmp_printf("shop_sale_count{till=\"%s\"} 1", longer)));
    anqa_metrics_detach(metrics);
    end(rt);
}

TEST(more_series_than_allowed_are_added_up_as_other)
{
    static const anqa_metric metrics[] = {
        {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale", .tags = both_tags, .max_series = 10},
        {0}};
    anqa_rt *rt = begin();

    attach(metrics);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 50; i++)
            sell(1, anqa_tmp_printf("%d", i));
    CHECK(has("shop_sale_count{till=\"9\",day=\"\"} 2"));
    CHECK(!has("shop_sale_count{till=\"10\",day=\"\"} 2"));
    CHECK(has("shop_sale_count{till=\"other\",day=\"other\"} 80"));
    CHECK(has("anqa_metrics_overflow_total 80"));
    anqa_metrics_detach(metrics);
    end(rt);
}

TEST(a_hundred_series_if_nothing_is_said)
{
    static const anqa_metric metrics[] = {
        {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale", .tags = till_tag}, {0}};
    anqa_rt *rt = begin();

    attach(metrics);
    for (int i = 0; i < 101; i++)
        sell(1, anqa_tmp_printf("%d", i));
    CHECK(has("shop_sale_count{till=\"99\"} 1"));
    CHECK(has("shop_sale_count{till=\"other\"} 1"));
    anqa_metrics_detach(metrics);
    end(rt);
}

/* ---------------------------------------------------------------- specs */

TEST(a_metric_that_contradicts_itself_is_refused_with_its_name)
{
    static const double falling[] = {2, 1};
    static const double many[ANQA_METRIC_BUCKETS_MAX + 1];
    static const char *const tags[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", NULL};
    static const struct {
        anqa_metric metric;
        anqa_status status;
        const char *says;
    } rows[] = {
        {{.kind = ANQA_METRIC_COUNTER}, ANQA_E_INVALID, ".event"},
        {{.kind = ANQA_METRIC_COUNTER, .event = "a.*"}, ANQA_E_INVALID, ".event"},
        {{.kind = ANQA_METRIC_SUM, .event = "a.b", .name = "x"}, ANQA_E_INVALID, ".measurement"},
        {{.kind = ANQA_METRIC_COUNTER, .event = "a", .name = "1x"}, ANQA_E_INVALID, "'1x'"},
        {{.kind = ANQA_METRIC_COUNTER, .event = "a", .name = "x y"}, ANQA_E_INVALID, "'x y'"},
        {{.kind = ANQA_METRIC_COUNTER, .event = "1a"}, ANQA_E_INVALID, "'1a_count'"},
        {{.kind = (anqa_metric_kind)99, .event = "a", .measurement = "b"}, ANQA_E_INVALID, ".kind"},
        {{.kind = ANQA_METRIC_COUNTER, .event = "a", .tags = tags}, ANQA_E_RANGE, "8 tags"},
        {{.kind = ANQA_METRIC_COUNTER, .event = "a", .tags = le_tag}, ANQA_E_INVALID, "'le'"},
        {{.kind = ANQA_METRIC_COUNTER, .event = "a", .tags = dash_tag}, ANQA_E_INVALID, "'a-b'"},
        {{.kind = ANQA_METRIC_DISTRIBUTION,
             .event = "a",
             .measurement = "b",
             .buckets = falling,
             .bucket_count = 2},
            ANQA_E_INVALID, "rise"},
        {{.kind = ANQA_METRIC_DISTRIBUTION, .event = "a", .measurement = "b", .bucket_count = 2},
            ANQA_E_INVALID, "together"},
        {{.kind = ANQA_METRIC_DISTRIBUTION,
             .event = "a",
             .measurement = "b",
             .buckets = many,
             .bucket_count = ANQA_COUNT(many)},
            ANQA_E_RANGE, "64 buckets"},
        {{.kind = ANQA_METRIC_COUNTER, .event = "a", .max_series = ANQA_METRIC_SERIES_MAX + 1},
            ANQA_E_RANGE, ".max_series"},
    };
    anqa_error err;

    for (size_t i = 0; i < ANQA_COUNT(rows); i++) {
        const anqa_metric list[] = {rows[i].metric, {.kind = ANQA_METRIC_NONE_}};
        CHECK_STATUS(anqa_metrics_attach(list, &err), rows[i].status, "row %zu", i);
        CHECK(strstr(err.text, rows[i].says) != NULL, "row %zu: %s", i, err.text);
    }
}

TEST(of_a_list_all_are_attached_or_none)
{
    static const anqa_metric metrics[] = {
        {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale", .name = "one"},
        {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale", .name = "two"},
        {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale", .name = "one"}, {0}};
    static const anqa_metric one[] = {
        {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale", .name = "one"}, {0}};
    anqa_rt *rt = begin();

    CHECK_STATUS(anqa_metrics_attach(metrics, NULL), ANQA_E_EXISTS);
    CHECK(!anqa_telemetry_on(&sale));
    attach(one);
    CHECK_STATUS(anqa_metrics_attach(one, NULL), ANQA_E_EXISTS);
    anqa_metrics_detach(metrics); /* not attached: another's of that name stays */
    sell(1, "left");
    CHECK(has("one 1"));
    anqa_metrics_detach(one);
    end(rt);
}

TEST(without_memory_attaching_fails_and_counting_goes_to_the_others)
{
    static const anqa_metric metrics[] = {
        {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale", .tags = till_tag},
        {.kind = ANQA_METRIC_SUMMARY, .event = "shop.sale", .measurement = "price"}, {0}};

    EACH_ALLOC_FAILURE {
        anqa_status status = anqa_metrics_attach(metrics, NULL);
        CHECK(status == ANQA_OK || status == ANQA_E_NOMEM);
        if (status == ANQA_OK) {
            sell(1, "left");
            sell(2, "right");
            anqa_metrics_detach(metrics);
        }
        CHECK(!anqa_telemetry_on(&sale));
    }
}

/* ---------------------------------------------------------------- threads */

enum { THREADS = 8, SALES = 20000 };

static void *sell_much(void *arg)
{
    for (int i = 0; i < SALES; i++) {
        char till[8];
        snprintf(till, sizeof till, "%d", i % 20);
        sell(0.5, till);
    }
    return NULL;
}

TEST(nothing_is_lost_when_many_threads_count_at_once)
{
    static const anqa_metric metrics[] = {
        {.kind = ANQA_METRIC_COUNTER, .event = "shop.sale", .tags = till_tag},
        {.kind = ANQA_METRIC_SUM, .event = "shop.sale", .measurement = "price"},
        {.kind = ANQA_METRIC_DISTRIBUTION,
            .event = "shop.sale",
            .measurement = "price",
            .name = "d"},
        {0}};
    anqa_rt *rt = begin();
    pthread_t threads[THREADS];

    attach(metrics);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, sell_much, NULL), 0);
    for (int i = 0; i < 20; i++)
        CHECK(strlen(text()) > 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 20; i++)
        CHECK(has(anqa_tmp_printf("shop_sale_count{till=\"%d\"} %d", i, THREADS * SALES / 20)));
    CHECK(has(anqa_tmp_printf("shop_sale_price %d", THREADS * SALES / 2)));
    CHECK(has(anqa_tmp_printf("d_bucket{le=\"0.5\"} %d", THREADS * SALES)));
    anqa_metrics_detach(metrics);
    end(rt);
}

TEST(metrics_come_and_go_while_others_count_and_read)
{
    anqa_rt *rt = begin();
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, sell_much, NULL), 0);
    for (int i = 0; i < 200; i++) {
        attach(sales);
        CHECK(strstr(text(), "# TYPE prices summary") != NULL);
        anqa_metrics_detach(sales);
    }
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    end(rt);
}

/* ---------------------------------------------------------------- what is built in */

/* name{label="value",...} number */
static void check_sample(const char *line)
{
    size_t name = strspn(line, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:");
    const char *at = line + name;
    double value;
    int used = 0;

    CHECK(name > 0, "%s", line);
    if (*at == '{') {
        at = strchr(at, '}');
        CHECK(at != NULL, "%s", line);
        at++;
    }
    CHECK(sscanf(at, " %lf%n", &value, &used) == 1 && at[used] == '\0', "%s", line);
}

TEST(the_text_is_lines_of_names_labels_and_numbers_each_with_its_type_before_it)
{
    anqa_rt *rt = begin();
    char *at, *rest, *all, type[200] = "";

    attach(sales);
    sell(1, "left");
    all = anqa_tmp_printf("%s", text());
    for (at = strtok_r(all, "\n", &rest); at != NULL; at = strtok_r(NULL, "\n", &rest)) {
        if (sscanf(at, "# TYPE %199s", type) == 1 || strncmp(at, "# HELP ", 7) == 0)
            continue;
        check_sample(at);
        CHECK(strncmp(at, type, strlen(type)) == 0, "%s is not of %s", at, type);
    }
    anqa_metrics_detach(sales);
    end(rt);
}

TEST(the_runtime_itself_is_measured)
{
    anqa_rt *rt = begin();

    CHECK(has("anqa_processes 1"));
    CHECK(has("anqa_processes_limit 1048576"));
    CHECK(has("# TYPE anqa_run_queue_length gauge"));
    CHECK(has("anqa_run_queue_length{scheduler=\"2\"} 0"));
    CHECK(strstr(text(), "anqa_memory_bytes{kind=\"resident\"} ") != NULL);
    CHECK(has("anqa_tainted 0"));
    end(rt);
}

/* ---------------------------------------------------------------- the poller */

static _Atomic(uint32_t) polled;

static void on_poll(void *ctx, const anqa_telemetry_event *event)
{
    const anqa_field *field = anqa_field_find(event->measurements, event->measurement_count, ctx);

    if (field != NULL)
        atomic_fetch_add_explicit(&polled, 1, memory_order_relaxed);
}

TEST(the_poller_emits_what_it_measures_every_five_seconds)
{
    static const struct {
        const char *event, *measurement;
    } rows[] = {{"anqa.vm.memory", "resident"}, {"anqa.vm.run_queue", "total"},
        {"anqa.vm.counts", "processes"}, {"anqa.vm.scheduler", "busy"}};
    static const uint32_t every_ms = 1000;
    anqa_rt *rt = NULL;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(anqa_start(&(anqa_options){.deterministic = true}, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(rows); i++)
        CHECK_STATUS(anqa_telemetry_attach(&(anqa_telemetry_handler){.id = rows[i].event,
                         .pattern = rows[i].event,
                         .run = on_poll,
                         .ctx = (void *)(uintptr_t)rows[i].measurement}),
            ANQA_OK);
    CHECK_STATUS(anqa_gen_server_start(&anqa_vm_poller, NULL, NULL, NULL, NULL), ANQA_OK);
    anqa_sleep(4999);
    CHECK_EQ(atomic_load(&polled), 0);
    anqa_sleep(10002);
    CHECK_EQ(atomic_load(&polled), 3 * ANQA_COUNT(rows));
    CHECK_STATUS(anqa_gen_server_stop(anqa_whereis("anqa_vm_poller"), ANQA_NORMAL, HARNESS_LONG_MS),
        ANQA_OK);
    CHECK_STATUS(anqa_gen_server_start(&anqa_vm_poller, &every_ms, NULL, NULL, NULL), ANQA_OK);
    anqa_sleep(5001);
    CHECK_EQ(atomic_load(&polled), 8 * ANQA_COUNT(rows));
    for (size_t i = 0; i < ANQA_COUNT(rows); i++)
        CHECK_STATUS(anqa_telemetry_detach(rows[i].event), ANQA_OK);
    end(rt);
}
