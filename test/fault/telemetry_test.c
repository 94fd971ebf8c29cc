/* Handlers of telemetry that fail on the stack of the process that emits: it ends, and nobody else hears of it. */
#include <anqa/log.h>
#include <anqa/process.h>
#include <anqa/runtime.h>
#include <anqa/telemetry.h>

#include <stdatomic.h>

#include "faulty.h"
#include "harness.h"

ANQA_TELEMETRY_DEFINE(inner, "test.inner");
ANQA_TELEMETRY_DEFINE(outer, "test.outer");

static _Atomic(unsigned) heard, failures;

static void attach(
    const char *id, const char *pattern, void (*run)(void *ctx, const anqa_telemetry_event *event))
{
    CHECK_STATUS(
        anqa_telemetry_attach(&(anqa_telemetry_handler){.id = id, .pattern = pattern, .run = run}),
        ANQA_OK, "%s", id);
}

static void count(void *ctx, const anqa_telemetry_event *event)
{
    atomic_fetch_add(&heard, 1);
}

static void count_failure(void *ctx, const anqa_telemetry_event *event)
{
    atomic_fetch_add(&failures, 1);
}

static void emit_inner(void *ctx, const anqa_telemetry_event *event)
{
    ANQA_EMIT(inner, (), ());
}

static void emit_and_count(void *ctx, const anqa_telemetry_event *event)
{
    atomic_fetch_add(&heard, 1);
    ANQA_EMIT(inner, (), ());
    ANQA_EMIT(outer, (), ());
}

static void overflow(void *ctx, const anqa_telemetry_event *event)
{
    recursion_without_end();
}

static void dereference_null(void *ctx, const anqa_telemetry_event *event)
{
    null_dereference();
}

static void exit_in_handler(void *ctx, const anqa_telemetry_event *event)
{
    anqa_exit(anqa_error_reason("from a handler"));
}

static void wait_in_handler(void *ctx, const anqa_telemetry_event *event)
{
    anqa_sleep(1);
}

static void emit(void *state)
{
    ANQA_EMIT(outer, (), ());
}

static void wait_a_moment(void *state)
{
    anqa_sleep(1);
}

static anqa_reason_kind end_of(void (*run)(void *state))
{
    const anqa_msg *msg;
    anqa_reason_kind kind;
    anqa_ref ref;

    CHECK_STATUS(anqa_spawn(&(anqa_spawn_opts){.run = run, .monitor = true}, NULL, &ref), ANQA_OK);
    msg = anqa_receive_ref(ref, 20000 * harness_slowness());
    CHECK(msg != NULL);
    kind = anqa_reason_get_kind(msg->u.reason);
    anqa_msg_free(msg);
    return kind;
}

/* One scheduler: what one process leaves behind is there for the next. */
static anqa_rt *begin(void)
{
    anqa_rt *rt;

    anqa_log_set_level(ANQA_LOG_NONE);
    CHECK_STATUS(
        anqa_start(&(anqa_options){.schedulers = 1, .stack_size = 65536}, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    return rt;
}

static void end(anqa_rt *rt)
{
    anqa_detach();
    anqa_stop(rt);
}

/* Two emissions in each: were they not bounded, neither the smallest stack nor the day would be long enough. */
TEST(handlers_that_emit_without_end_do_not_use_up_the_stack)
{
    anqa_rt *rt = begin();

    attach("again", "test.outer", emit_and_count);
    CHECK_EQ(end_of(emit), ANQA_REASON_NORMAL);
    CHECK(atomic_load(&heard) >= 16 && atomic_load(&heard) <= 1000, "%u", atomic_load(&heard));
    CHECK_EQ(end_of(wait_a_moment), ANQA_REASON_NORMAL);
    CHECK_STATUS(anqa_telemetry_detach("again"), ANQA_OK);
    end(rt);
}

static const struct {
    void (*run)(void *ctx, const anqa_telemetry_event *event);
    anqa_reason_kind end;
} failing[] = {
    {overflow, ANQA_REASON_FAULT},
    {dereference_null, ANQA_REASON_FAULT},
    {exit_in_handler, ANQA_REASON_ERROR},
    {wait_in_handler, ANQA_REASON_CONTRACT},
};

/* pattern: of the failing handler; that of the outer event runs it at once, else another handler's emission does. */
static void fail_each(const char *pattern)
{
    anqa_rt *rt = begin();

    attach("failures", "anqa.telemetry.handler_failed", count_failure);
    attach("between", "test.outer", emit_inner);
    for (size_t i = 0; i < ANQA_COUNT(failing); i++) {
        attach("fails", pattern, failing[i].run);
        attach("listens", "test.outer", count);
        atomic_store(&heard, 0);
        atomic_store(&failures, 0);
        CHECK_EQ(end_of(emit), failing[i].end, "row %zu", i);
        CHECK_EQ(atomic_load(&failures), 1, "row %zu", i);
        CHECK_STATUS(anqa_telemetry_detach("fails"), ANQA_E_NOT_FOUND);
        CHECK_EQ(end_of(wait_a_moment), ANQA_REASON_NORMAL, "row %zu", i);
        CHECK_EQ(end_of(emit), ANQA_REASON_NORMAL, "row %zu", i);
        CHECK_EQ(atomic_load(&heard), 1, "row %zu", i);
        CHECK_STATUS(anqa_telemetry_detach("listens"), ANQA_OK);
    }
    CHECK_STATUS(anqa_telemetry_detach("between"), ANQA_OK);
    CHECK_STATUS(anqa_telemetry_detach("failures"), ANQA_OK);
    end(rt);
}

TEST(a_handler_that_fails_ends_its_emission_and_process_and_is_detached)
{
    fail_each("test.outer");
}

TEST(a_handler_that_fails_inside_of_another_ends_both_emissions)
{
    fail_each("test.inner");
}
