#include "harness.h"

#include "telemetry/telemetry.h"

#include <anqa/process.h>
#include <anqa/runtime.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

ANQA_TELEMETRY_DEFINE(point_ab, "test.a.b");
ANQA_TELEMETRY_DEFINE(point_ac, "test.a.c");
ANQA_TELEMETRY_DEFINE(point_ax, "test.ax");
ANQA_SPAN_DEFINE(request, "test.request");

/* What a handler wrote down. */
struct notes {
    unsigned count, dropped;
    char last[64];
    int64_t value;
    char order[16];
    uint64_t span, duration, started;
    char reason[32], handler[32], event[32];
};

static struct notes notes;
static unsigned evaluated;

static void copy_text(char *to, size_t size, const anqa_field *field)
{
    size_t len = field == NULL ? 0 : field->as.s.len;

    CHECK(field == NULL || field->type == ANQA_FIELD_STR);
    CHECK(len < size);
    if (len != 0)
        memcpy(to, field->as.s.ptr, len);
    to[len] = '\0';
}

static uint64_t uint_of(const anqa_field *field)
{
    return field == NULL ? 0 : field->as.u;
}

static void note(void *ctx, const anqa_telemetry_event *event)
{
    struct notes *n = ctx;
    const anqa_field *value =
        anqa_field_find(event->measurements, event->measurement_count, "value");

    n->count++;
    CHECK(strlen(event->name) < sizeof n->last);
    memcpy(n->last, event->name, strlen(event->name) + 1);
    n->value = value == NULL ? 0 : value->as.i;
    n->span = uint_of(anqa_field_find(event->metadata, event->metadata_count, "span"));
    n->duration =
        uint_of(anqa_field_find(event->measurements, event->measurement_count, "duration"));
    n->started =
        uint_of(anqa_field_find(event->measurements, event->measurement_count, "monotonic_time"));
    copy_text(n->reason, sizeof n->reason,
        anqa_field_find(event->metadata, event->metadata_count, "reason"));
    copy_text(n->handler, sizeof n->handler,
        anqa_field_find(event->metadata, event->metadata_count, "handler"));
    copy_text(n->event, sizeof n->event,
        anqa_field_find(event->metadata, event->metadata_count, "event"));
}

static void dropped(void *ctx)
{
    ((struct notes *)ctx)->dropped++;
}

static anqa_status attach(
    const char *id, const char *pattern, void (*run)(void *, const anqa_telemetry_event *))
{
    return anqa_telemetry_attach(&(anqa_telemetry_handler){
        .id = id, .pattern = pattern, .run = run, .ctx = &notes, .drop = dropped});
}

static int64_t evaluate(int64_t value)
{
    evaluated++;
    return value;
}

static void emit_ab(int64_t value)
{
    ANQA_EMIT(
        point_ab, (anqa_field_int("value", evaluate(value))), (anqa_field_text("room", "lobby")));
}

TEST(nothing_is_evaluated_while_nobody_listens)
{
    emit_ab(1);
    CHECK_EQ(evaluated, 0);
    CHECK_STATUS(attach("h", "test.a.b", note), ANQA_OK);
    emit_ab(42);
    CHECK_EQ(evaluated, 1);
    CHECK_EQ(notes.count, 1);
    CHECK_EQ(notes.value, 42);
    CHECK_STR(notes.last, "test.a.b");
    CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_OK);
    CHECK_EQ(notes.dropped, 1);
    emit_ab(43);
    CHECK_EQ(evaluated, 1);
    CHECK_EQ(notes.count, 1);
}

static const struct {
    const char *pattern;
    unsigned ab, ac, ax;
} patterns[] = {
    {"test.a.b", 1, 0, 0},
    {"test.a.*", 1, 1, 0},
    {"test.*", 1, 1, 1},
    {"*", 1, 1, 1},
    {"test.a", 0, 0, 0},
    {"test.a.b.*", 0, 0, 0},
    {"other.*", 0, 0, 0},
};

TEST(a_pattern_is_a_name_or_whole_leading_parts)
{
    for (size_t i = 0; i < ANQA_COUNT(patterns); i++) {
        CHECK_STATUS(attach("h", patterns[i].pattern, note), ANQA_OK);
        notes.count = 0;
        ANQA_EMIT(point_ab, (), ());
        CHECK_EQ(notes.count, patterns[i].ab, "%s", patterns[i].pattern);
        ANQA_EMIT(point_ac, (), ());
        CHECK_EQ(notes.count, patterns[i].ab + patterns[i].ac, "%s", patterns[i].pattern);
        ANQA_EMIT(point_ax, (), ());
        CHECK_EQ(notes.count, patterns[i].ab + patterns[i].ac + patterns[i].ax, "%s",
            patterns[i].pattern);
        CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_OK);
    }
}

TEST(a_handler_that_makes_no_sense_is_refused)
{
    static const char *const bad[] = {"", "a*", "test.*.b", "**", "*.b", "a.*b"};

    for (size_t i = 0; i < ANQA_COUNT(bad); i++)
        CHECK_STATUS(attach("h", bad[i], note), ANQA_E_INVALID, "%s", bad[i]);
    CHECK_STATUS(attach(NULL, "*", note), ANQA_E_INVALID);
    CHECK_STATUS(attach("h", NULL, note), ANQA_E_INVALID);
    CHECK_STATUS(attach("h", "*", NULL), ANQA_E_INVALID);
    CHECK_STATUS(attach("h", "test.a.b", note), ANQA_OK);
    CHECK_STATUS(attach("h", "test.a.c", note), ANQA_E_EXISTS);
    CHECK_STATUS(anqa_telemetry_detach("g"), ANQA_E_NOT_FOUND);
    CHECK_EQ(notes.dropped, 0);
    CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_OK);
    CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_E_NOT_FOUND);
    CHECK_EQ(notes.dropped, 1);
}

static void append_1(void *ctx, const anqa_telemetry_event *event)
{
    notes.order[strlen(notes.order)] = '1';
}

static void append_2(void *ctx, const anqa_telemetry_event *event)
{
    notes.order[strlen(notes.order)] = '2';
}

static void append_3(void *ctx, const anqa_telemetry_event *event)
{
    notes.order[strlen(notes.order)] = '3';
}

TEST(handlers_run_in_the_order_they_were_attached)
{
    CHECK_STATUS(attach("1", "test.a.*", append_1), ANQA_OK);
    CHECK_STATUS(attach("2", "test.a.b", append_2), ANQA_OK);
    CHECK_STATUS(attach("3", "*", append_3), ANQA_OK);
    emit_ab(0);
    CHECK_STR(notes.order, "123");
    CHECK_STATUS(anqa_telemetry_detach("2"), ANQA_OK);
    emit_ab(0);
    CHECK_STR(notes.order, "12313");
    CHECK_STATUS(attach("2", "test.a.b", append_2), ANQA_OK);
    emit_ab(0);
    CHECK_STR(notes.order, "12313132");
    CHECK_STATUS(anqa_telemetry_detach("3"), ANQA_OK);
    CHECK_STATUS(anqa_telemetry_detach("1"), ANQA_OK);
    emit_ab(0);
    CHECK_STR(notes.order, "123131322");
    CHECK_STATUS(anqa_telemetry_detach("2"), ANQA_OK);
    CHECK(!anqa_telemetry_on(&point_ab));
}

static void detach_self(void *ctx, const anqa_telemetry_event *event)
{
    notes.count++;
    CHECK(telemetry_in_handler());
    CHECK_STATUS(anqa_telemetry_detach("self"), ANQA_OK);
    CHECK_STATUS(anqa_telemetry_detach("next"), ANQA_OK);
    CHECK_EQ(notes.dropped, 0, "freed while it runs");
}

static void must_not_run(void *ctx, const anqa_telemetry_event *event)
{
    CHECK(false, "was detached by the handler before");
}

TEST(a_handler_may_detach_itself_and_those_behind_it)
{
    CHECK_STATUS(attach("self", "test.a.b", detach_self), ANQA_OK);
    CHECK_STATUS(attach("next", "test.a.b", must_not_run), ANQA_OK);
    emit_ab(0);
    emit_ab(0);
    CHECK_EQ(notes.count, 1);
    CHECK_EQ(notes.dropped, 2);
    CHECK(!telemetry_in_handler());
}

static void emit_inside(void *ctx, const anqa_telemetry_event *event)
{
    if (strcmp(event->name, "test.a.b") == 0)
        ANQA_EMIT(point_ac, (anqa_field_int("value", 5)), ());
    else
        note(ctx, event);
}

TEST(a_handler_may_emit)
{
    CHECK_STATUS(attach("h", "test.a.*", emit_inside), ANQA_OK);
    emit_ab(0);
    CHECK_STR(notes.last, "test.a.c");
    CHECK_EQ(notes.value, 5);
    CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_OK);
}

/* The frame that a handler is abandoned from: this thread never comes back to anqa_telemetry_run. */
static void fail_here(void *ctx, const anqa_telemetry_event *event)
{
    CHECK(telemetry_handler_failed("badarith"));
    CHECK(!telemetry_in_handler());
    CHECK(!telemetry_handler_failed("again"));
    CHECK_STR(notes.last, "anqa.telemetry.handler_failed");
    CHECK_STR(notes.handler, "bad");
    CHECK_STR(notes.event, "test.a.b");
    CHECK_STR(notes.reason, "badarith");
    pthread_exit(NULL);
}

static void *emit_in_thread(void *outer)
{
    if (outer == NULL)
        emit_ab(1);
    else
        ANQA_EMIT(point_ac, (), ());
    return NULL;
}

static void run_thread(void *(*run)(void *), void *ctx)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, run, ctx), 0);
    pthread_join(thread, NULL);
}

TEST(a_handler_that_fails_is_detached_and_an_event_says_so)
{
    CHECK_STATUS(attach("watch", "anqa.telemetry.handler_failed", note), ANQA_OK);
    CHECK_STATUS(attach("bad", "test.a.b", fail_here), ANQA_OK);
    run_thread(emit_in_thread, NULL);
    CHECK_EQ(notes.count, 1);
    CHECK_EQ(notes.dropped, 1);
    CHECK_STATUS(anqa_telemetry_detach("bad"), ANQA_E_NOT_FOUND);
    emit_ab(1);
    CHECK_EQ(notes.count, 1);
    CHECK_STATUS(anqa_telemetry_detach("watch"), ANQA_OK);
    CHECK_EQ(notes.dropped, 2);
}

static void emit_ab_inside(void *ctx, const anqa_telemetry_event *event)
{
    emit_ab(1);
}

TEST(a_failure_in_an_inner_emission_ends_the_outer_one_but_keeps_its_handler)
{
    CHECK_STATUS(attach("watch", "anqa.telemetry.handler_failed", note), ANQA_OK);
    CHECK_STATUS(attach("outer", "test.a.c", emit_ab_inside), ANQA_OK);
    CHECK_STATUS(attach("bad", "test.a.b", fail_here), ANQA_OK);
    run_thread(emit_in_thread, &notes);
    CHECK_EQ(notes.dropped, 1);
    CHECK_STATUS(anqa_telemetry_detach("outer"), ANQA_OK);
    CHECK_EQ(notes.dropped, 2, "an emission is still counted");
    CHECK_STATUS(anqa_telemetry_detach("watch"), ANQA_OK);
    CHECK_EQ(notes.dropped, 3);
}

TEST(a_span_has_a_start_a_stop_and_an_exception_with_times)
{
    anqa_span_mark mark, quiet;
    uint64_t id, started;

    ANQA_SPAN_BEGIN(request, quiet, ());
    CHECK_STATUS(attach("h", "test.request.*", note), ANQA_OK);
    ANQA_SPAN_END(request, quiet, (), ());
    CHECK_EQ(notes.count, 0, "the end of a span whose begin nobody saw");
    ANQA_SPAN_BEGIN(request, mark, (anqa_field_text("reason", "none")));
    CHECK_STR(notes.last, "test.request.start");
    CHECK_STR(notes.reason, "none");
    id = notes.span;
    started = notes.started;
    CHECK(id != 0 && started != 0 && mark.started_ns == started);
    ANQA_SPAN_END(request, mark, (anqa_field_int("value", 9)), ());
    CHECK_STR(notes.last, "test.request.stop");
    CHECK_EQ(notes.span, id);
    CHECK_EQ(notes.value, 9);
    CHECK_EQ(notes.started - notes.duration, started);
    ANQA_SPAN_BEGIN(request, mark, ());
    CHECK(notes.span != id);
    ANQA_SPAN_FAIL(request, mark, "killed", ());
    CHECK_STR(notes.last, "test.request.exception");
    CHECK_STR(notes.reason, "killed");
    CHECK_EQ(notes.count, 4);
    CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_OK);
}

static void all_types(void *ctx, const anqa_telemetry_event *event)
{
    const anqa_field *m = event->measurements, *d = event->metadata;

    CHECK_EQ(event->measurement_count, 3);
    CHECK_EQ(event->metadata_count, 3);
    CHECK(m[0].type == ANQA_FIELD_INT && m[0].as.i == -1);
    CHECK(m[1].type == ANQA_FIELD_UINT && m[1].as.u == UINT64_MAX);
    CHECK(m[2].type == ANQA_FIELD_DOUBLE && m[2].as.d > 0.49 && m[2].as.d < 0.51);
    CHECK(d[0].type == ANQA_FIELD_BOOL && d[0].as.b);
    CHECK(d[1].type == ANQA_FIELD_STR && anqa_str_is(d[1].as.s, "x"));
    CHECK(d[2].type == ANQA_FIELD_PID && d[2].as.u == 77);
    CHECK_STR(d[2].name, "pid");
    CHECK(anqa_field_find(d, event->metadata_count, "none") == NULL);
    notes.count++;
}

TEST(fields_of_all_types_arrive)
{
    CHECK_STATUS(attach("h", "test.ax", all_types), ANQA_OK);
    ANQA_EMIT(point_ax,
        (anqa_field_int("a", -1), anqa_field_uint("b", UINT64_MAX), anqa_field_double("c", 0.5)),
        (anqa_field_bool("d", true), anqa_field_text("e", "x"), anqa_field_pid("pid", 77)));
    CHECK_EQ(notes.count, 1);
    CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_OK);
}

TEST(a_point_that_comes_later_is_listened_to_and_may_go_again)
{
    anqa_telemetry_point late = {"test.late", NULL, NULL};

    CHECK_STATUS(attach("h", "test.late", note), ANQA_OK);
    CHECK(!anqa_telemetry_on(&late));
    anqa_telemetry_register(&late);
    ANQA_EMIT(late, (anqa_field_int("value", 3)), ());
    CHECK_EQ(notes.value, 3);
    anqa_telemetry_unregister(&late);
    CHECK(!anqa_telemetry_on(&late));
    ANQA_EMIT(late, (), ());
    CHECK_EQ(notes.count, 1);
    CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_OK);
}

static void count_point(void *ctx, const anqa_telemetry_point *point)
{
    *(unsigned *)ctx += strncmp(point->name, "test.", 5) == 0;
}

static void count_handler(void *ctx, const char *id, const char *pattern)
{
    CHECK_STR(id, "h");
    CHECK_STR(pattern, "test.*");
    ++*(unsigned *)ctx;
}

TEST(points_and_handlers_can_be_listed)
{
    unsigned n = 0;

    anqa_telemetry_each_point(count_point, &n);
    CHECK_EQ(n, 6);
    CHECK_STATUS(attach("h", "test.*", note), ANQA_OK);
    n = 0;
    anqa_telemetry_each_handler(count_handler, &n);
    CHECK_EQ(n, 1);
    CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_OK);
}

/* ---------------------------------------------------------------- visitors that do what they like */

static void visit_and_detach(void *ctx, const char *id, const char *pattern)
{
    CHECK_STATUS(anqa_telemetry_detach(id), ANQA_OK);
    CHECK_STR(pattern, "test.*");
    ++*(unsigned *)ctx;
}

TEST(a_visitor_of_handlers_may_detach_and_attach)
{
    unsigned n = 0;

    CHECK_STATUS(attach("a", "test.*", note), ANQA_OK);
    CHECK_STATUS(attach("b", "test.*", note), ANQA_OK);
    anqa_telemetry_each_handler(visit_and_detach, &n);
    CHECK_EQ(n, 2);
    CHECK(!anqa_telemetry_on(&point_ab));
    CHECK_STATUS(attach("a", "test.*", note), ANQA_OK); /* nobody holds the lock */
    CHECK_STATUS(anqa_telemetry_detach("a"), ANQA_OK);
}

static void visit_and_exit(void *ctx, const char *id, const char *pattern)
{
    anqa_exit(anqa_error_reason("seen enough of %s", id));
}

static void visit_point_and_exit(void *ctx, const anqa_telemetry_point *point)
{
    anqa_exit(anqa_error_reason("seen enough of %s", point->name));
}

static void visit_and_wait(void *ctx, const char *id, const char *pattern)
{
    anqa_sleep(1);
}

static void visit_point_and_wait(void *ctx, const anqa_telemetry_point *point)
{
    anqa_sleep(1);
}

struct visits {
    void (*handler)(void *ctx, const char *id, const char *pattern);
    void (*point)(void *ctx, const anqa_telemetry_point *point);
    anqa_reason_kind end;
};

static void visit_all(void *state)
{
    const struct visits *visits = state;

    if (visits->handler != NULL)
        anqa_telemetry_each_handler(visits->handler, NULL);
    if (visits->point != NULL)
        anqa_telemetry_each_point(visits->point, NULL);
}

TEST(a_visitor_may_wait_or_end_its_process_and_no_lock_stays_behind)
{
    static const struct visits ways[] = {
        {.handler = visit_and_exit, .end = ANQA_REASON_ERROR},
        {.point = visit_point_and_exit, .end = ANQA_REASON_ERROR},
        {visit_and_wait, visit_point_and_wait, ANQA_REASON_NORMAL},
    };
    anqa_rt *rt;

    CHECK_STATUS(anqa_start(&(anqa_options){.schedulers = 1}, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    CHECK_STATUS(attach("h", "test.*", note), ANQA_OK);
    for (size_t i = 0; i < ANQA_COUNT(ways); i++) {
        const anqa_msg *msg;
        anqa_ref ref;
        CHECK_STATUS(anqa_spawn(
                         &(anqa_spawn_opts){
                             .run = visit_all, .arg = (void *)(uintptr_t)&ways[i], .monitor = true},
                         NULL, &ref),
            ANQA_OK);
        msg = anqa_receive_ref(ref, HARNESS_LONG_MS);
        CHECK(msg != NULL, "way %zu", i);
        CHECK_EQ(anqa_reason_get_kind(msg->u.reason), ways[i].end, "way %zu", i);
        CHECK_STATUS(attach("again", "test.*", note), ANQA_OK);
        CHECK_STATUS(anqa_telemetry_detach("again"), ANQA_OK);
    }
    CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_OK);
    anqa_detach();
    anqa_stop(rt);
}

TEST(an_id_or_pattern_that_is_too_long_is_refused)
{
    char longest[ANQA_TELEMETRY_NAME_MAX + 2];

    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK_STATUS(attach(longest, "test.*", note), ANQA_E_INVALID);
    CHECK_STATUS(attach("h", longest, note), ANQA_E_INVALID);
    longest[sizeof longest - 2] = '\0';
    CHECK_STATUS(attach(longest, longest, note), ANQA_OK);
    CHECK_STATUS(anqa_telemetry_detach(longest), ANQA_OK);
}

TEST(without_memory_nothing_is_attached)
{
    EACH_ALLOC_FAILURE {
        anqa_status s = attach("h", "test.*", note);
        notes.count = 0;
        emit_ab(1);
        if (s == ANQA_OK) {
            CHECK_EQ(notes.count, 1);
            CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_OK);
        } else {
            CHECK_STATUS(s, ANQA_E_NOMEM);
            CHECK_EQ(notes.count, 0);
            CHECK_EQ(notes.dropped, 0);
            CHECK_STATUS(anqa_telemetry_detach("h"), ANQA_E_NOT_FOUND);
        }
    }
    CHECK_EQ(notes.dropped, 1);
}

/* ---------------------------------------------------------------- storm */

#define EMITTERS 3
#define ROUNDS 1500

/* One attached handler; freed by its drop, so that a call after it is a use after free. */
struct storm {
    atomic_uint calls;
    unsigned magic;
};

static atomic_bool storm_over;
static atomic_uint storm_emitted, storm_called, storm_dropped, storm_attached;

static void storm_run(void *ctx, const anqa_telemetry_event *event)
{
    struct storm *s = ctx;

    CHECK_EQ(s->magic, 0x5707);
    atomic_fetch_add_explicit(&s->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&storm_called, 1, memory_order_relaxed);
}

static void storm_drop(void *ctx)
{
    struct storm *s = ctx;

    CHECK_EQ(s->magic, 0x5707);
    s->magic = 0;
    free(s);
    atomic_fetch_add_explicit(&storm_dropped, 1, memory_order_relaxed);
}

static void *storm_emit(void *unused)
{
    while (!atomic_load_explicit(&storm_over, memory_order_relaxed)) {
        ANQA_EMIT(point_ab, (anqa_field_int("value", 1)), ());
        ANQA_EMIT(point_ac, (), (anqa_field_text("x", "y")));
        atomic_fetch_add_explicit(&storm_emitted, 1, memory_order_relaxed);
    }
    return NULL;
}

static void storm_attach(const char *id, const char *pattern)
{
    struct storm *s = calloc(1, sizeof *s);

    CHECK(s != NULL);
    s->magic = 0x5707;
    atomic_fetch_add_explicit(&storm_attached, 1, memory_order_relaxed);
    CHECK_STATUS(anqa_telemetry_attach(&(anqa_telemetry_handler){
                     .id = id, .pattern = pattern, .run = storm_run, .ctx = s, .drop = storm_drop}),
        ANQA_OK);
}

static void *storm_change(void *name)
{
    const char *id = name;
    char second[16];

    CHECK(strlen(id) + 2 < sizeof second);
    memcpy(second, id, strlen(id));
    memcpy(second + strlen(id), "2", 2);
    /* At least ROUNDS, and as many more as it takes until the emitters have met handlers. */
    for (int i = 0;
        i < ROUNDS || atomic_load_explicit(&storm_called, memory_order_relaxed) < ROUNDS; i++) {
        storm_attach(id, i % 2 ? "test.a.*" : "test.a.b");
        storm_attach(second, "*");
        CHECK_STATUS(anqa_telemetry_detach(id), ANQA_OK);
        CHECK_STATUS(anqa_telemetry_detach(second), ANQA_OK);
    }
    return NULL;
}

TEST(handlers_come_and_go_while_other_threads_emit, .timeout_ms = 60000)
{
    static char one[] = "one", two[] = "two";
    pthread_t emitters[EMITTERS], changers[2];

    for (size_t i = 0; i < EMITTERS; i++)
        CHECK_EQ(pthread_create(&emitters[i], NULL, storm_emit, NULL), 0);
    CHECK_EQ(pthread_create(&changers[0], NULL, storm_change, one), 0);
    CHECK_EQ(pthread_create(&changers[1], NULL, storm_change, two), 0);
    pthread_join(changers[0], NULL);
    pthread_join(changers[1], NULL);
    atomic_store_explicit(&storm_over, true, memory_order_relaxed);
    for (size_t i = 0; i < EMITTERS; i++)
        pthread_join(emitters[i], NULL);
    CHECK(!anqa_telemetry_on(&point_ab) && !anqa_telemetry_on(&point_ac));
    CHECK_STATUS(anqa_telemetry_detach("none"), ANQA_E_NOT_FOUND); /* frees what is left */
    CHECK_EQ(atomic_load_explicit(&storm_dropped, memory_order_relaxed),
        atomic_load_explicit(&storm_attached, memory_order_relaxed));
    CHECK(atomic_load_explicit(&storm_emitted, memory_order_relaxed) > 0);
}
