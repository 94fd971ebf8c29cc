#include "harness.h"

#include "telemetry/log.h"
#include "telemetry/log_fields.h"

#include <anqa/json.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---------------------------------------------------------------- fields */

static char fields[LOG_FIELDS_MAX + 1];

static const char *ANQA_PRINTF(1, 2) format(const char *text, ...)
{
    va_list args;

    va_start(args, text);
    fields[log_fields_format(fields, ENOENT, text, args)] = '\0';
    va_end(args);
    return fields;
}

/* The oracle for conversions is printf itself. */
#define SAME_AS_PRINTF(spec, ...)                                         \
    do {                                                                  \
        char expected_[300];                                              \
        snprintf(expected_, sizeof expected_, "a=" spec, __VA_ARGS__);    \
        CHECK_STR(format("a=" spec, __VA_ARGS__), expected_, "%s", spec); \
    } while (0)

TEST(conversions_give_what_printf_gives)
{
    SAME_AS_PRINTF("%d", -5);
    SAME_AS_PRINTF("%i", INT_MIN);
    SAME_AS_PRINTF("%05d", -42);
    SAME_AS_PRINTF("%+d", 42);
    SAME_AS_PRINTF("%.4d", -7);
    SAME_AS_PRINTF("%hhd", 300);
    SAME_AS_PRINTF("%hd", 70000);
    SAME_AS_PRINTF("%ld", LONG_MIN);
    SAME_AS_PRINTF("%lld", LLONG_MAX);
    SAME_AS_PRINTF("%jd", INTMAX_MIN);
    SAME_AS_PRINTF("%zd", (ssize_t)-3);
    SAME_AS_PRINTF("%td", (ptrdiff_t)-3);
    SAME_AS_PRINTF("%u", UINT_MAX);
    SAME_AS_PRINTF("%hhu", 300);
    SAME_AS_PRINTF("%hu", 70000);
    SAME_AS_PRINTF("%zu", SIZE_MAX);
    SAME_AS_PRINTF("%llu", ULLONG_MAX);
    SAME_AS_PRINTF("%x", 0xdeadbeef);
    SAME_AS_PRINTF("%#X", 0xdeadbeef);
    SAME_AS_PRINTF("%#010x", 0xbeef);
    SAME_AS_PRINTF("%#x", 0);
    SAME_AS_PRINTF("%#o", 8);
    SAME_AS_PRINTF("%.0d%d", 0, 1);
    SAME_AS_PRINTF("%p", (void *)0x1234);
    SAME_AS_PRINTF("%c", 'x');
    SAME_AS_PRINTF("%%%d", 5);
    SAME_AS_PRINTF("%f", 1.5);
    SAME_AS_PRINTF("%.2f", -1234.567);
    SAME_AS_PRINTF("%08.2f", -3.14159);
    SAME_AS_PRINTF("%e", 1e300);
    SAME_AS_PRINTF("%g", 0.0001);
    SAME_AS_PRINTF("%.17g", 0.1);
    SAME_AS_PRINTF("%G", 1e-300);
    SAME_AS_PRINTF("%.1Lf", 2.5L);
    SAME_AS_PRINTF("%s", "word");
    SAME_AS_PRINTF("%.2s", "word");
    SAME_AS_PRINTF("%.*s", 3, "word");
    SAME_AS_PRINTF("%.*s", 30, "word");
    SAME_AS_PRINTF("%s:%d", "host", 80);
    SAME_AS_PRINTF("%0*d", 6, 42);
}

TEST(numbers_that_are_too_long_get_an_exponent)
{
    CHECK_STR(format("a=%f", 1e300), "a=1.0000000000000001e+300");
    CHECK_STR(format("a=%.500f", 0.5), "a=0.50000000000000000");
    CHECK_STR(format("a=%.500d", 1),
        "a=0000000000000000000000000000000000000000000000000000000000000001");
}

static const struct {
    const char *value, *logfmt;
} values[] = {
    {"plain", "plain"},
    {"0.0.0.0:4000", "0.0.0.0:4000"},
    {"/a/b?c", "/a/b?c"},
    {"", "\"\""},
    {"a b", "\"a b\""},
    {"a=b", "\"a=b\""},
    {"say \"hi\"", "\"say \\\"hi\\\"\""},
    {"back\\slash", "\"back\\\\slash\""},
    {"two\nlines\r\n", "\"two\\nlines\\r\\n\""},
    {"tab\t", "\"tab\\t\""},
    {"\x1b[31m", "\"\\u001b[31m\""},
    {"\x7f", "\"\\u007f\""},
    {"h\xc3\xa9", "h\xc3\xa9"},
    {"\xe2\x82\xac", "\xe2\x82\xac"},
    {"\xf0\x9f\x94\xa5", "\xf0\x9f\x94\xa5"},
    {"\xff", "\"\\xff\""},
    {"a\xc3", "\"a\\xc3\""},
    {"\xc0\x80", "\"\\xc0\\x80\""},
    {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\""},
    {"\xc2\x85", "\"\\u0085\""},
    {"\xe2\x80\xa8", "\"\\u2028\""},
    {"\xe2\x80\xae", "\"\\u202e\""},
    {"\xd8\x9c", "\"\\u061c\""},
    {"\xef\xbb\xbf", "\"\\ufeff\""},
    {"12", "\"12\""},
    {"-1.5e3", "\"-1.5e3\""},
    {"007", "007"},
    {"1.", "1."},
    {"-", "-"},
    {"1e", "1e"},
    {"0x1f", "0x1f"},
    {"1.2.3", "1.2.3"},
    {"true", "true"},
    {"x level=emergency", "\"x level=emergency\""},
};

TEST(texts_are_quoted_and_escaped_so_that_they_cannot_forge)
{
    for (size_t i = 0; i < ANQA_COUNT(values); i++) {
        char expected[100], out[100];
        struct log_out to = {out, 0, sizeof out};
        snprintf(expected, sizeof expected, "k=%s n=1", values[i].logfmt);
        CHECK_STR(format("k=%s n=%d", values[i].value, 1), expected, "row %zu", i);
        log_out_value(&to, anqa_str_of(values[i].value));
        CHECK_STR(anqa_str_make(out, to.len), values[i].logfmt, "row %zu", i);
    }
}

TEST(a_value_is_escaped_as_a_whole)
{
    const char *volatile nothing =
        NULL; /* volatile: the compiler would see the mistake, a caller's may not be seen */

    CHECK_STR(format("a=%s:%d b=%s", "x y", 5, "z"), "a=\"x y:5\" b=z");
    CHECK_STR(format(" a=%s  b=%s ", "1", "2"), "a=\"1\" b=\"2\"");
    CHECK_STR(format("a=%s%s", "1", "2"), "a=\"12\"");
    CHECK_STR(format("a=1%d", 2), "a=12");
    CHECK_STR(format("a=%s", nothing), "a=null");
    CHECK_STR(format("flag b=%d", 1), "flag b=1");
    CHECK_STR(format("a=\"see %s, please\" b=\"%d\" c=1", "\"x\"", 5),
        "a=\"see \\\"x\\\", please\" b=\"5\" c=1");
    CHECK_STR(format("error=%m"), "error=\"No such file or directory\"");
    CHECK_STR(format("%s=5", "a b\n"), "a?b?=5");
    CHECK_STR(format("a=%ls b=%d", L"wide", 1), "a=? b=1");
    CHECK_STR(format(" "), "");
    CHECK_STR(format("a=%-4d", 1), "a=\"1   \"");
}

TEST(what_is_too_long_is_cut_between_characters_and_marked)
{
    static char big[3000];
    size_t len;

    for (size_t pad = 0; pad < 20; pad++) {
        memset(big, 'x', pad);
        for (size_t i = pad; i + 3 < sizeof big; i += 3)
            memcpy(big + i, i % 2 ? "\xe2\x82\xac" : "\xff\"\n", 3);
        len = strlen(format("a=%d key=%s more=%d", 1, big, 2));
        CHECK(len <= LOG_FIELDS_MAX, "%zu", len);
        CHECK(len > LOG_FIELDS_MAX - 40, "%zu", len);
        CHECK_STR(fields + len - strlen("\"" LOG_CUT_MARK), "\"" LOG_CUT_MARK);
        CHECK(fields[len - strlen("\"" LOG_CUT_MARK) - 1] != '\\' ||
              fields[len - strlen("\"" LOG_CUT_MARK) - 2] == '\\');
    }
}

TEST(a_field_that_does_not_begin_in_time_is_left_out)
{
    static char big[LOG_FIELDS_MAX];

    for (size_t len = LOG_FIELDS_MAX - 40; len < LOG_FIELDS_MAX - 4; len++) {
        anqa_json json;
        char line[4096];
        struct log_out out = {line, 0, sizeof line};
        memset(big, 'x', len);
        big[len] = '\0';
        format("key=%s another=%d", big, 12);
        log_out_json_fields(&out, anqa_str_of(fields));
        CHECK_STATUS(
            anqa_json_parse(anqa_str_make(line, out.len), NULL, &json, NULL), ANQA_OK, "%s", line);
        if (strstr(fields, "log.cut") != NULL)
            CHECK(strstr(fields, "another") == NULL || strstr(fields, "another=") != NULL, "%s",
                fields);
    }
}

/* ---------------------------------------------------------------- lines */

static anqa_log_event sample(const char *text)
{
    return (anqa_log_event){.level = ANQA_WARN,
        .id = "http.accept.failed",
        .time_us = 1772366400123456u,
        .pid = 5,
        .pid_text = anqa_str_of("<0.71.1>"),
        .label = anqa_str_of("room \"1\""),
        .fields = anqa_str_of(text)};
}

TEST(a_text_line_has_time_level_id_pid_label_and_fields)
{
    char line[300];
    anqa_log_event event = sample("a=1 b=\"x y\"");

    anqa_log_format_line(ANQA_LOG_TEXT, &event, line, sizeof line);
    CHECK_STR(line, "2026-03-01T12:00:00.123Z warning http.accept.failed pid=<0.71.1> label=\"room "
                    "\\\"1\\\"\" a=1 b=\"x y\"\n");
    CHECK_EQ(anqa_log_format_line(ANQA_LOG_TEXT, &event, line, 30), 29);
    CHECK_STR(line, "2026-03-01T12:00:00.123Z war\n");
    CHECK_EQ(anqa_log_format_line(ANQA_LOG_TEXT, &event, line, 1), 0);
    CHECK_EQ(anqa_log_format_line(ANQA_LOG_TEXT, &event, line, 0), 0);
    event = (anqa_log_event){.level = ANQA_DEBUG, .id = "x", .time_us = 0};
    anqa_log_format_line(ANQA_LOG_TEXT, &event, line, sizeof line);
    CHECK_STR(line, "1970-01-01T00:00:00.000Z debug x\n");
}

static const struct {
    uint64_t seconds;
    const char *text;
} times[] = {
    {951782399, "2000-02-28T23:59:59"},
    {951782400, "2000-02-29T00:00:00"},
    {951868800, "2000-03-01T00:00:00"},
    {978307199, "2000-12-31T23:59:59"},
    {978307200, "2001-01-01T00:00:00"},
    {1709164800, "2024-02-29T00:00:00"},
    {4107542400, "2100-03-01T00:00:00"},
    {4107542399, "2100-02-28T23:59:59"},
    {253402300799, "9999-12-31T23:59:59"},
};

TEST(the_date_is_right_around_leap_days)
{
    for (size_t i = 0; i < ANQA_COUNT(times); i++) {
        anqa_log_event event = {
            .level = ANQA_INFO, .id = "x", .time_us = times[i].seconds * 1000000};
        char line[100];
        anqa_log_format_line(ANQA_LOG_TEXT, &event, line, sizeof line);
        CHECK(strncmp(line, times[i].text, 19) == 0, "%s is not %s", line, times[i].text);
    }
}

TEST(the_date_agrees_with_the_c_library_for_random_days)
{
    for (int i = 0; i < 2000; i++) {
        time_t seconds = (time_t)(harness_random() % 253402300800u);
        anqa_log_event event = {
            .level = ANQA_INFO, .id = "x", .time_us = (uint64_t)seconds * 1000000};
        char line[100], expected[32];
        struct tm tm;
        anqa_log_format_line(ANQA_LOG_TEXT, &event, line, sizeof line);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
        CHECK(strncmp(line, expected, 19) == 0, "%s is not %s", line, expected);
    }
}

TEST(a_json_line_is_json_with_numbers_and_texts_apart)
{
    anqa_arena arena = {0};
    anqa_json json, inner;
    anqa_str text;
    anqa_error err;
    char line[1000];
    anqa_log_event event = sample(
        format("n=%d s=%s bad=%s flag e=%s f=%.1f x=%x", -5, "5", "\xff\n\"\\", "", 0.5, 0x1e2));
    size_t len = anqa_log_format_line(ANQA_LOG_JSON, &event, line, sizeof line);

    CHECK_STATUS(anqa_json_parse(anqa_str_make(line, len), NULL, &json, &err), ANQA_OK, "%s in %s",
        err.text, line);
    CHECK_STATUS(anqa_json_get_str(&arena, json, "time", &text), ANQA_OK);
    CHECK_STR(text, "2026-03-01T12:00:00.123Z");
    CHECK_STATUS(anqa_json_get_str(&arena, json, "level", &text), ANQA_OK);
    CHECK_STR(text, "warning");
    CHECK_STATUS(anqa_json_get_str(&arena, json, "pid", &text), ANQA_OK);
    CHECK_STR(text, "<0.71.1>");
    CHECK_STATUS(anqa_json_get_str(&arena, json, "label", &text), ANQA_OK);
    CHECK_STR(text, "room \"1\"");
    CHECK_STATUS(anqa_json_get(json, "fields", &inner), ANQA_OK);
    CHECK_EQ(anqa_json_int(inner, "n", 0), -5);
    CHECK_STATUS(anqa_json_get_str(&arena, inner, "s", &text), ANQA_OK);
    CHECK_STR(text, "5");
    CHECK_STATUS(anqa_json_get_str(&arena, inner, "bad", &text), ANQA_OK);
    CHECK_STR(text, "\\xff\n\"\\");
    CHECK(anqa_json_bool(inner, "flag", false));
    CHECK_STATUS(anqa_json_get_str(&arena, inner, "e", &text), ANQA_OK);
    CHECK_STR(text, "");
    CHECK(anqa_json_double(inner, "f", 0) > 0.4);
    anqa_arena_done(&arena);
}

TEST(any_bytes_make_a_json_line)
{
    for (int round = 0; round < 3000; round++) {
        char bytes[40], line[4096];
        size_t len = harness_random() % sizeof bytes;
        anqa_log_event event;
        anqa_json json;
        for (size_t i = 0; i < len; i++)
            bytes[i] =
                (char)(harness_random() % 3 == 0 ? "\\\"= \n\xc3\xa9\xe2"[harness_random() % 8]
                                                 : (int)harness_random());
        event = sample(format("k=%.*s n=%d", (int)len, bytes, round));
        event.label = anqa_str_make(bytes, len);
        len = anqa_log_format_line(ANQA_LOG_JSON, &event, line, sizeof line);
        CHECK_STATUS(
            anqa_json_parse(anqa_str_make(line, len), NULL, &json, NULL), ANQA_OK, "%s", line);
        anqa_log_format_line(ANQA_LOG_TEXT, &event, line, sizeof line);
        CHECK(strchr(line, '\n') == line + strlen(line) - 1, "%s", line);
    }
}

/* ---------------------------------------------------------------- calls */

#define KEPT 64

/* What the sink was given. The logger calls it from one thread at a time, the test reads after a flush or a stop. */
static struct {
    size_t count;
    struct {
        anqa_log_level level;
        uint64_t pid;
        char id[64], pid_text[32], label[64], fields[LOG_FIELDS_MAX + 1];
    } events[KEPT];
    uint64_t lost, over;
} got;

static void keep_text(char *to, size_t size, anqa_str from)
{
    CHECK(from.len < size);
    if (from.len != 0)
        memcpy(to, from.ptr, from.len);
    to[from.len] = '\0';
}

static void keep(void *ctx, const anqa_log_event *event)
{
    size_t i = got.count++ % KEPT;

    got.events[i].level = event->level;
    got.events[i].pid = event->pid;
    keep_text(got.events[i].id, sizeof got.events[i].id, anqa_str_of(event->id));
    keep_text(got.events[i].pid_text, sizeof got.events[i].pid_text, event->pid_text);
    keep_text(got.events[i].label, sizeof got.events[i].label, event->label);
    keep_text(got.events[i].fields, sizeof got.events[i].fields, event->fields);
}

static unsigned evaluated;

static int evaluate(void)
{
    evaluated++;
    return 1;
}

TEST(below_the_level_nothing_is_evaluated)
{
    anqa_log_set_sink(keep, NULL);
    CHECK_EQ(anqa_log_get_level(), ANQA_NOTICE);
    anqa_log(ANQA_INFO, "a.b", "n=%d", evaluate());
    CHECK_EQ(evaluated, 0);
    CHECK_EQ(got.count, 0);
    anqa_log_set_level(ANQA_DEBUG);
    anqa_log(ANQA_DEBUG, "a.b", "n=%d", evaluate());
    CHECK_EQ(evaluated, 1);
    CHECK_EQ(got.count, 1);
    anqa_log_set_level(ANQA_LOG_NONE);
    anqa_log(ANQA_EMERGENCY, "a.b");
    CHECK_EQ(got.count, 1);
    anqa_log_set_level(ANQA_EMERGENCY);
    anqa_log(ANQA_EMERGENCY, "a.c");
    CHECK_EQ(got.count, 2);
    CHECK_STR(got.events[1].id, "a.c");
    CHECK_STR(got.events[1].fields, "");
}

TEST(levels_have_otp_s_names)
{
    static const char *const names[] = {
        "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};

    for (size_t i = 0; i < ANQA_COUNT(names); i++)
        CHECK_STR(anqa_log_level_name((anqa_log_level)i), names[i]);
    CHECK_STR(anqa_log_level_name(ANQA_LOG_NONE), "none");
    CHECK_STR(anqa_log_level_name((anqa_log_level)8), "none");
}

TEST(without_the_thread_the_caller_writes_and_errno_is_kept)
{
    anqa_log_set_sink(keep, NULL);
    errno = EBUSY;
    anqa_log(ANQA_ERROR, "a.b", "error=%m");
    CHECK_EQ(errno, EBUSY);
    CHECK_EQ(got.count, 1);
    CHECK_STR(got.events[0].fields, "error=\"Device or resource busy\"");
    CHECK_EQ(got.events[0].level, ANQA_ERROR);
    CHECK_STATUS(log_flush(0), ANQA_OK);
    log_thread_stop(0); /* was never started */
}

TEST(with_the_thread_events_arrive_in_order_and_are_flushed_by_the_stop)
{
    anqa_log_set_sink(keep, NULL);
    anqa_log_set_burst(0, 1);
    CHECK_STATUS(log_thread_start(NULL), ANQA_OK);
    for (int i = 0; i < KEPT; i++)
        anqa_log(ANQA_NOTICE, "a.b", "n=%d", i);
    CHECK_STATUS(log_flush(HARNESS_LONG_MS), ANQA_OK);
    CHECK_EQ(got.count, KEPT);
    for (int i = 0; i < KEPT; i++) {
        char expected[20];
        snprintf(expected, sizeof expected, "n=%d", i);
        CHECK_STR(got.events[i].fields, expected);
    }
    anqa_log(ANQA_NOTICE, "a.b", "last=%d", 1);
    log_thread_stop(ANQA_INFINITY);
    CHECK_EQ(got.count, KEPT + 1);
    anqa_log(ANQA_NOTICE, "a.b", "after=%d", 1);
    CHECK_EQ(got.count, KEPT + 2);
}

TEST(the_thread_is_counted_and_can_start_again)
{
    anqa_log_set_sink(keep, NULL);
    for (int round = 0; round < 3; round++) {
        CHECK_STATUS(log_thread_start(NULL), ANQA_OK);
        CHECK_STATUS(log_thread_start(NULL), ANQA_OK);
        log_thread_stop(ANQA_INFINITY);
        anqa_log(ANQA_NOTICE, "a.b", "round=%d", round);
        log_thread_stop(ANQA_INFINITY);
        CHECK_EQ(got.count, round + 1);
    }
}

static void name_process(struct log_context *context)
{
    context->pid = 77;
    memcpy(context->pid_text, "<0.7.7>", 8);
    memcpy(context->label, "lobby", 5);
    context->label_len = 5;
}

TEST(the_runtime_adds_pid_and_label)
{
    anqa_log_set_sink(keep, NULL);
    log_set_context_hook(name_process);
    anqa_log(ANQA_NOTICE, "a.b");
    log_set_context_hook(NULL);
    anqa_log(ANQA_NOTICE, "a.b");
    CHECK_EQ(got.events[0].pid, 77);
    CHECK_STR(got.events[0].pid_text, "<0.7.7>");
    CHECK_STR(got.events[0].label, "lobby");
    CHECK_EQ(got.events[1].pid, 0);
    CHECK_STR(got.events[1].pid_text, "");
}

TEST(an_id_that_comes_too_often_is_limited_alone)
{
    anqa_log_counts before = anqa_log_get_counts();

    anqa_log_set_sink(keep, NULL);
    anqa_log_set_burst(5, 3600000);
    for (int i = 0; i < 50; i++)
        anqa_log(ANQA_NOTICE, "often", "n=%d", i);
    anqa_log(ANQA_NOTICE, "seldom");
    for (int i = 0; i < 10; i++)
        anqa_log(ANQA_CRITICAL, "often", "n=%d", i);
    CHECK_EQ(got.count, 5 + 1 + 1 + 10);
    CHECK_STR(got.events[5].id, "log.burst");
    CHECK_STR(got.events[5].fields, "event=often limit=5 window_ms=3600000 next=dropped");
    CHECK_STR(got.events[6].id, "seldom");
    CHECK_EQ(anqa_log_get_counts().bursts - before.bursts, 45);
}

TEST(a_new_window_lets_events_through_again)
{
    anqa_log_set_sink(keep, NULL);
    anqa_log_set_burst(1, 1);
    /* Each call is in some window of 1 ms; after 20 windows at least 20 events came through. */
    while (got.count < 20)
        anqa_log(ANQA_NOTICE, "often");
    CHECK(got.count >= 20);
}

static void log_inside(void *ctx, const anqa_log_event *event)
{
    got.count++;
    anqa_log(ANQA_CRITICAL, "inside");
}

TEST(what_a_sink_logs_is_dropped)
{
    uint64_t before = anqa_log_get_counts().dropped;

    anqa_log_set_sink(log_inside, NULL);
    anqa_log(ANQA_NOTICE, "a.b");
    CHECK_EQ(got.count, 1);
    CHECK_EQ(anqa_log_get_counts().dropped - before, 1);
}

static void replace_self(void *ctx, const anqa_log_event *event)
{
    anqa_log_set_sink(keep, NULL);
}

TEST(a_sink_may_replace_itself)
{
    anqa_log_set_sink(replace_self, NULL);
    anqa_log(ANQA_NOTICE, "first");
    anqa_log(ANQA_NOTICE, "second");
    CHECK_EQ(got.count, 1);
    CHECK_STR(got.events[0].id, "second");
}

/* A sink that waits until it is let go. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int at_gate;

static void wait_at_gate(void *ctx, const anqa_log_event *event)
{
    unsigned long long lost, over;

    atomic_fetch_add(&at_gate, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    got.count++;
    if (strcmp(event->id, "log.dropped") != 0)
        return;
    CHECK_EQ(sscanf(event->fields.ptr, "count=%llu bursts=%llu", &lost, &over), 2);
    got.lost += lost;
    got.over += over;
}

TEST(a_full_ring_drops_and_says_how_many)
{
    anqa_log_counts before = anqa_log_get_counts();
    uint64_t lost;

    anqa_log_set_sink(wait_at_gate, NULL);
    anqa_log_set_burst(0, 1);
    CHECK_STATUS(log_thread_start(NULL), ANQA_OK);
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 2000; i++)
        anqa_log(ANQA_NOTICE, "a.b", "n=%d", i);
    lost = anqa_log_get_counts().dropped - before.dropped;
    CHECK(lost >= 2000 - 514 && lost <= 2000 - 512, "%llu lost", (unsigned long long)lost);
    CHECK_STATUS(log_flush(1), ANQA_E_TIMEOUT);
    pthread_mutex_unlock(&gate);
    log_thread_stop(ANQA_INFINITY);
    CHECK_EQ(got.lost, lost);
    CHECK(got.count >= 2000 - lost + 1, "%zu", got.count);
}

#define WRITERS 4
#define LINES 5000

static atomic_uint accepted_by_sink;
static unsigned last_of[WRITERS];

/* Lines of one writer come in its order, though some may be missing. */
static void check_order(void *ctx, const anqa_log_event *event)
{
    unsigned writer, n;

    if (strcmp(event->id, "log.dropped") == 0) {
        wait_at_gate(ctx, event);
        return;
    }
    CHECK_EQ(sscanf(event->fields.ptr, "writer=%u n=%u", &writer, &n), 2);
    CHECK(n > last_of[writer], "%u after %u", n, last_of[writer]);
    last_of[writer] = n;
    atomic_fetch_add_explicit(&accepted_by_sink, 1, memory_order_relaxed);
}

static void *write_lines(void *ctx)
{
    unsigned writer = *(unsigned *)ctx;

    for (unsigned n = 1; n <= LINES; n++)
        anqa_log(
            ANQA_NOTICE, "storm", "writer=%u n=%u text=%s", writer, n, "some \"words\" to escape");
    return NULL;
}

TEST(threads_write_while_the_thread_starts_and_stops, .timeout_ms = 60000)
{
    anqa_log_counts before = anqa_log_get_counts(), after;
    unsigned numbers[WRITERS] = {0, 1, 2, 3};
    pthread_t threads[WRITERS];

    anqa_log_set_burst(0, 1);
    anqa_log_set_sink(check_order, NULL);
    CHECK_STATUS(log_thread_start(NULL), ANQA_OK);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_STATUS(log_flush(ANQA_INFINITY), ANQA_OK);
        anqa_log_set_sink(check_order, NULL);
    }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    log_thread_stop(ANQA_INFINITY);
    after = anqa_log_get_counts();
    CHECK_EQ(after.accepted - before.accepted + after.dropped - before.dropped, WRITERS * LINES);
    CHECK_EQ(atomic_load_explicit(&accepted_by_sink, memory_order_relaxed),
        after.accepted - before.accepted);
    CHECK_EQ(got.lost, after.dropped - before.dropped);
}

static void count_calls(void *ctx, const anqa_log_event *event)
{
    got.count += strcmp(event->id, "storm") == 0;
}

TEST(nothing_is_lost_unseen_when_the_thread_stops_under_fire, .timeout_ms = 60000)
{
    unsigned numbers[WRITERS] = {0, 1, 2, 3};
    anqa_log_counts before = anqa_log_get_counts();
    pthread_t threads[WRITERS];

    anqa_log_set_burst(0, 1);
    anqa_log_set_sink(count_calls, NULL);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
    for (int i = 0; i < 30; i++) {
        CHECK_STATUS(log_thread_start(NULL), ANQA_OK);
        log_thread_stop(ANQA_INFINITY);
    }
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(got.count + anqa_log_get_counts().dropped - before.dropped, WRITERS * LINES);
}

/* ---------------------------------------------------------------- stderr */

/* Puts a pipe in place of stderr and gives its reading end. */
static int pipe_stderr(int *ret_saved)
{
    int ends[2];

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    *ret_saved = dup(STDERR_FILENO);
    CHECK(*ret_saved >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    return ends[0];
}

static void restore_stderr(int saved)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
}

/* Reads until the pipe's writing end is closed, or the buffer is full. */
static const char *read_all(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t n;

    while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fd);
    return text;
}

TEST(lines_reach_stderr_as_text_and_as_json)
{
    char text[2000], *line;
    int saved, fd = pipe_stderr(&saved);
    anqa_json json;

    anqa_log(ANQA_WARN, "a.b", "x=%s", "1 2");
    anqa_log_set_format(ANQA_LOG_JSON);
    CHECK_STATUS(log_thread_start(NULL), ANQA_OK);
    anqa_log(ANQA_WARN, "a.c", "x=%s", "1 2");
    log_thread_stop(ANQA_INFINITY);
    log_write_now("raw\n", 4);
    restore_stderr(saved);
    read_all(fd, text, sizeof text);
    CHECK_STR(strstr(text, "Z warning ") == text + 23 ? "yes" : text, "yes");
    CHECK(strstr(text, " warning a.b x=\"1 2\"\n{\"time\":") != NULL, "%s", text);
    line = strchr(text, '\n') + 1;
    CHECK_STATUS(anqa_json_parse(anqa_str_make(line, strcspn(line, "\n")), NULL, &json, NULL),
        ANQA_OK, "%s", line);
    CHECK_STR(line + strcspn(line, "\n"), "\nraw\n");
}

TEST(nobody_waits_for_a_reader_that_does_not_read)
{
    int saved, fd = pipe_stderr(&saved);
    anqa_log_counts before = anqa_log_get_counts();
    static char big[900];

    memset(big, 'x', sizeof big - 1);
    anqa_log_set_burst(0, 1);
    CHECK_STATUS(log_thread_start(NULL), ANQA_OK);
    for (int i = 0; i < 3000; i++) /* the pipe holds 64 KB, the ring 512 */
        anqa_log(ANQA_NOTICE, "a.b", "big=%s", big);
    CHECK(anqa_log_get_counts().dropped - before.dropped >= 3000 - 512 - 100);
    log_thread_stop(50);
    log_write_now("late\n", 5);
    restore_stderr(saved);
    close(fd);
    CHECK_EQ(anqa_log_get_counts().accepted - before.accepted + anqa_log_get_counts().dropped -
                     before.dropped >=
                 3000,
        1);
}

TEST(a_dying_program_writes_out_what_is_in_the_ring)
{
    char text[4000];
    int saved, fd;

    anqa_log_set_sink(wait_at_gate, NULL);
    CHECK_STATUS(log_thread_start(NULL), ANQA_OK);
    pthread_mutex_lock(&gate);
    anqa_log(ANQA_ERROR, "held.up");
    while (atomic_load(&at_gate) == 0) /* else the thread might take the other one */
        sched_yield();
    anqa_log(ANQA_ERROR, "last.words", "n=%d", 7);
    fd = pipe_stderr(&saved);
    log_drain_now();
    restore_stderr(saved);
    read_all(fd, text, sizeof text);
    CHECK(strstr(text, " error last.words n=7\n") != NULL, "%s", text);
    pthread_mutex_unlock(&gate);
    log_thread_stop(ANQA_INFINITY);
}

static atomic_int slow_begun, slow_done;

static void take_a_moment(void *ctx, const anqa_log_event *event)
{
    atomic_fetch_add(&slow_begun, 1);
    usleep(2000);
    atomic_fetch_add(&slow_done, 1);
}

TEST(a_dying_program_lets_the_thread_write_what_it_has_taken)
{
    anqa_log_set_sink(take_a_moment, NULL);
    CHECK_STATUS(log_thread_start(NULL), ANQA_OK);
    anqa_log(ANQA_ERROR, "last.words");
    while (atomic_load(&slow_begun) == 0)
        sched_yield();
    log_drain_now();
    CHECK_EQ(atomic_load(&slow_done), 1);
    log_thread_stop(ANQA_INFINITY);
}

TEST(settings_come_from_a_configuration)
{
    static const char text[] =
        "[log]\nlevel = debug\nformat = json\nburst_limit = 2\nburst_window = 1h\n";
    struct log_config config = {0};
    const anqa_config_area area = {"log", log_config_options, &config};
    const anqa_config_sources sources = {.areas = &area,
        .area_count = 1,
        .text = text,
        .text_len = sizeof text - 1,
        .ignore_environment = true};
    anqa_config *loaded;
    anqa_error err;

    CHECK_STATUS(anqa_config_load(&sources, &loaded, &err), ANQA_OK, "%s", err.text);
    log_configure(&config);
    CHECK_EQ(anqa_log_get_level(), ANQA_DEBUG);
    anqa_log_set_sink(keep, NULL);
    for (int i = 0; i < 5; i++)
        anqa_log(ANQA_DEBUG, "a.b");
    CHECK_EQ(got.count, 3);
    CHECK_STR(got.events[2].id, "log.burst");
    anqa_config_free(loaded);
}

TEST(logging_needs_no_memory)
{
    size_t rounds = 0;

    anqa_log_set_sink(keep, NULL);
    EACH_ALLOC_FAILURE {
        anqa_log(ANQA_NOTICE, "a.b", "s=%s d=%f m=%m", "x y", 1e300);
        rounds++;
    }
    CHECK_EQ(rounds, 1);
    CHECK_EQ(got.count, 1);
}
