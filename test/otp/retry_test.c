/* Trying again, on a clock that stands still unless everybody waits. */
#include "support.h"

#include <string.h>

/* What the next attempts return, and what they did. */
struct script {
    anqa_status next[8];
    uint32_t takes_ms, count;
    uint64_t at_ms[16]; /* when each began */
};

static anqa_status attempt(void *arg, anqa_error *err)
{
    struct script *script = arg;
    anqa_status status = script->next[0];

    script->at_ms[script->count++] = anqa_now_ms();
    memmove(script->next, script->next + 1, sizeof script->next - sizeof script->next[0]);
    if (script->takes_ms > 0)
        anqa_sleep(script->takes_ms);
    return status == ANQA_OK ? ANQA_OK : anqa_fail(err, status, "attempt %u", script->count);
}

#define STEPS {.first_ms = 100, .max_ms = 1000, .jitter = ANQA_JITTER_NONE}

TEST(an_attempt_that_succeeds_is_the_only_one)
{
    anqa_rt *rt = begin_deterministic();
    struct script script = {.next = {ANQA_OK}};

    CHECK_STATUS(anqa_retry(NULL, attempt, &script, NULL), ANQA_OK);
    CHECK_EQ(script.count, 1);
    end(rt);
}

TEST(attempts_are_made_until_one_succeeds_with_growing_waits_between)
{
    static const anqa_retry_opts opts = {.attempts = 10, .backoff = STEPS};
    anqa_rt *rt = begin_deterministic();
    struct script script = {.next = {ANQA_E_TIMEOUT, ANQA_E_IO, ANQA_E_FULL, ANQA_OK}};

    CHECK_STATUS(anqa_retry(&opts, attempt, &script, NULL), ANQA_OK);
    CHECK_EQ(script.count, 4);
    CHECK_EQ(script.at_ms[1] - script.at_ms[0], 100);
    CHECK_EQ(script.at_ms[2] - script.at_ms[1], 200);
    CHECK_EQ(script.at_ms[3] - script.at_ms[2], 400);
    end(rt);
}

TEST(there_are_three_attempts_unless_the_options_say_how_many_and_the_last_error_comes_back)
{
    static const anqa_retry_opts five = {.attempts = 5};
    anqa_rt *rt = begin_deterministic();
    struct script script = {.next = {ANQA_E_IO, ANQA_E_IO, ANQA_E_CLOSED}};
    struct script longer = {
        .next = {ANQA_E_IO, ANQA_E_IO, ANQA_E_IO, ANQA_E_IO, ANQA_E_REFUSED, ANQA_OK}};
    anqa_error err;

    CHECK_STATUS(anqa_retry(NULL, attempt, &script, &err), ANQA_E_CLOSED);
    CHECK_STR(err.text, "attempt 3");
    CHECK_EQ(script.count, 3);
    CHECK_STATUS(anqa_retry(&five, attempt, &longer, &err), ANQA_E_REFUSED);
    CHECK_EQ(longer.count, 5);
    end(rt);
}

TEST(the_waits_have_full_jitter_from_100_ms_unless_the_options_say_otherwise)
{
    anqa_rt *rt = begin_deterministic();
    bool differ = false;

    for (int i = 0; i < 50; i++) {
        struct script script = {.next = {ANQA_E_IO, ANQA_E_IO, ANQA_OK}};
        uint64_t first, second;
        CHECK_STATUS(anqa_retry(NULL, attempt, &script, NULL), ANQA_OK);
        first = script.at_ms[1] - script.at_ms[0];
        second = script.at_ms[2] - script.at_ms[1];
        CHECK(first >= 1 && first <= 100);
        CHECK(second >= 1 && second <= 200);
        differ |= first < 50 && second > 100;
    }
    CHECK(differ);
    end(rt);
}

TEST(what_cannot_pass_is_not_tried_again)
{
    static const anqa_status lasting[] = {ANQA_E_INVALID, ANQA_E_PARSE, ANQA_E_PERMISSION,
        ANQA_E_NOT_FOUND, ANQA_E_EXISTS, ANQA_E_UNSUPPORTED, ANQA_E_SCRIPT};
    anqa_rt *rt = begin_deterministic();

    for (size_t i = 0; i < ANQA_COUNT(lasting); i++) {
        struct script script = {.next = {lasting[i], ANQA_E_IO}};
        CHECK_STATUS(anqa_retry(NULL, attempt, &script, NULL), lasting[i]);
        CHECK_EQ(script.count, 1);
    }
    end(rt);
}

static const anqa_retry_opts unusual = {
    .on = (const anqa_status[]){ANQA_E_NOT_FOUND, ANQA_E_PARSE, ANQA_OK}};

TEST(the_options_say_what_is_tried_again)
{
    anqa_rt *rt = begin_deterministic();
    struct script script = {.next = {ANQA_E_NOT_FOUND, ANQA_E_PARSE, ANQA_OK}};
    struct script other = {.next = {ANQA_E_NOT_FOUND, ANQA_E_IO}};

    CHECK_STATUS(anqa_retry(&unusual, attempt, &script, NULL), ANQA_OK);
    CHECK_STATUS(anqa_retry(&unusual, attempt, &other, NULL), ANQA_E_IO);
    CHECK_EQ(other.count, 2);
    end(rt);
}

TEST(no_wait_goes_beyond_the_deadline)
{
    static const anqa_retry_opts opts = {.attempts = 10, .backoff = STEPS, .deadline_ms = 750};
    anqa_rt *rt = begin_deterministic();
    struct script quick = {.next = {ANQA_E_IO, ANQA_E_IO, ANQA_E_IO, ANQA_E_IO, ANQA_E_IO}};
    struct script slow = {.next = {ANQA_E_IO, ANQA_E_IO, ANQA_E_IO}, .takes_ms = 300};
    uint64_t begin_ms = anqa_now_ms();

    CHECK_STATUS(anqa_retry(&opts, attempt, &quick, NULL), ANQA_E_IO);
    CHECK_EQ(quick.count, 4); /* at 0, 100, 300, 700; the next would be at 1,500 */
    CHECK_EQ(anqa_now_ms() - begin_ms, 700);
    begin_ms = anqa_now_ms();
    CHECK_STATUS(anqa_retry(&opts, attempt, &slow, NULL), ANQA_E_IO);
    CHECK_EQ(slow.count, 2); /* 300, wait 100, 300, and no time for 200 more */
    CHECK_EQ(anqa_now_ms() - begin_ms, 700);
    end(rt);
}

static void count_event(void *ctx, const anqa_telemetry_event *event)
{
    const anqa_field *attempts =
                         anqa_field_find(event->measurements, event->measurement_count, "attempt"),
                     *wait =
                         anqa_field_find(event->measurements, event->measurement_count, "wait_ms"),
                     *status = anqa_field_find(event->metadata, event->metadata_count, "status");

    CHECK_EQ(wait->as.u, attempts->as.u * 100);
    CHECK_STR(status->as.s, "E_IO");
    ++*(int *)ctx;
}

TEST(each_new_attempt_is_an_event)
{
    static const anqa_retry_opts opts = {.backoff = STEPS};
    int count = 0;
    const anqa_telemetry_handler handler = {
        .id = "count", .pattern = "anqa.retry.again", .run = count_event, .ctx = &count};
    anqa_rt *rt = begin_deterministic();
    struct script script = {.next = {ANQA_E_IO, ANQA_E_IO, ANQA_E_IO}};

    CHECK_STATUS(anqa_telemetry_attach(&handler), ANQA_OK);
    CHECK_STATUS(anqa_retry(&opts, attempt, &script, NULL), ANQA_E_IO);
    CHECK_EQ(count, 2);
    CHECK_STATUS(anqa_telemetry_detach("count"), ANQA_OK);
    end(rt);
}
