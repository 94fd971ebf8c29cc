/* Scripts in a runtime whose seed repeats everything and whose clock is a fake one. */
#include "support.h"

#include <inttypes.h>
#include <stdio.h>

static const anqa_js_script script = ANQA_JS_SCRIPT(.name = "deterministic.js",
    .source = "let sum = 0;\n"
              "export function add(by) { return sum += by; }\n"
              "export function in_a_minute() {\n"
              "  return new Promise((done) => setTimeout(() => done(sum), 60000)); }\n"
              "export function now() { return Date.now(); }\n"
              "export function random() { return Math.random(); }\n"
              "export function once() { return [Beam.randomUUIDv7(), "
              "String(Beam.nanoseconds()), String(Beam.uniqueInteger()), "
              "String(Beam.makeRef())].join(); }\n");

static anqa_pid start(void)
{
    return anqa_start_supervised(&(anqa_child_spec){.id = "script", .server = &script.server});
}

static anqa_json call(anqa_pid pid, const char *function, anqa_json arg)
{
    anqa_js_error thrown = {0};
    anqa_json answer = {NULL, 0};

    ANQA_ASSERT_STATUS(
        anqa_js_call_json(pid, function, arg, 100000, &answer, &thrown, NULL), ANQA_OK);
    return answer;
}

ANQA_TEST(a_script_is_tested_as_any_server)
{
    anqa_pid pid = start();

    ANQA_ASSERT_JSON(call(pid, "add", anqa_jsonf("2")), "2");
    anqa_test_capture_log(ANQA_ERROR);
    anqa_test_crash(pid, anqa_error_reason("on purpose"));
    anqa_test_settle();
    ANQA_ASSERT(!anqa_is_alive(pid));
}

ANQA_TEST(time_outs_and_dates_of_scripts_follow_the_fake_clock)
{
    anqa_pid pid = start();
    uint64_t start_ms = anqa_now_ms();

    (void)call(pid, "add", anqa_jsonf("7"));
    ANQA_ASSERT_JSON(call(pid, "in_a_minute", ANQA_JSON_NULL), "7");
    ANQA_ASSERT_EQ(anqa_now_ms(), start_ms + 60000);
    ANQA_ASSERT_JSON(call(pid, "now", ANQA_JSON_NULL), "%" PRIu64, anqa_now_ms());
}

/* What Math.random gives in a runtime with that seed. */
static double random_of(uint64_t seed)
{
    const anqa_options options = {.deterministic = true, .seed = seed};
    anqa_rt *rt = NULL;
    double random = 0;

    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    CHECK_STATUS(
        anqa_json_to_double(call(js_start(&script), "random", ANQA_JSON_NULL), &random), ANQA_OK);
    js_end(rt);
    return random;
}

/* What is there once, in a runtime with that seed. */
static const char *once_of(uint64_t seed, char text[static 300])
{
    const anqa_options options = {.deterministic = true, .seed = seed};
    anqa_rt *rt = NULL;
    anqa_json once;

    CHECK_STATUS(anqa_start(&options, &rt, NULL), ANQA_OK);
    CHECK_STATUS(anqa_attach(rt, NULL), ANQA_OK);
    once = call(js_start(&script), "once", ANQA_JSON_NULL);
    (void)snprintf(text, 300, "%.*s", ANQA_FMT(once));
    js_end(rt);
    return text;
}

TEST(a_seed_repeats_what_is_there_once)
{
    char first[300], again[300], other[300];

    CHECK_STR(once_of(1, first), once_of(1, again));
    CHECK(strcmp(first, once_of(2, other)) != 0);
}

TEST(a_seed_repeats_math_random)
{
    double first = random_of(1);

    CHECK(random_of(1) == first);
    CHECK(random_of(2) != first);
}
