/* Assertions say what was there and what was wanted. */
#include "harness.h"

#include "kit/fixture.h"

#include <signal.h>

TEST(an_assertion_that_fails_says_so)
{
    static const struct {
        const char *fixture, *words;
    } cases[] = {
        {"receive_nothing", "no message \"pong\" within 10 ms"},
        {"receive_nothing", "mailbox:\n#       empty"},
        {"receive_other_value", "pong {\"n\":1,\"tags\":[\"a\",\"b\"]} -- .n is 1, not 2"},
        {"receive_other_value", "no message \"pong\" {\"n\":2,...}"},
        {"receive_other_value", "other \"bytes\" (5 bytes)"},
        {"receive_more_fields", "it has \"tags\", which the pattern has not"},
        {"receive_deep_value", ".tags[1] is \"b\", not \"c\""},
        {"refute_what_comes", "unexpected message \"pong\""},
        {"json_differs", ".a goes on at [1]"},
        {"json_differs", "want: {\"a\":[1]}"},
        {"pattern_is_none", "contract: no pattern:"},
        {"down_for_another_reason", "got:  noproc"},
        {"down_for_another_reason", "want: normal"},
        {"down_never", "the process ends within 5000 ms"},
        {"exit_that_is_none", "got:  normal"},
        {"not_less", "want: < 2 (0x2)"},
        {"not_different", "want: != 2 (0x2)"},
        {"not_at_most", "check failed: 3 <= 2 at last"},
        {"not_greater", "want: > 0 (0x0)"},
        {"not_at_least", "want: >= -1"},
        {"refute_what_has_come", "unexpected message \"pong\" {\"n\":1,...}"},
        {"mailbox_is_long", "tick 19\n#       and 3 more"},
        {"pattern_is_too_deep", "a pattern that is nested less deeply"},
        {"fails_by_name", "fails round 3"},
        {"not_logged", "logged \"test.other\"\n#     log:\n#   notice test.line"},
        {"logged_all_the_same", "not logged \"n=1\""},
        {"connect_is_refused", "got:  E_PERMISSION"},
        {"join_is_refused", ".status is \"error\", not \"ok\""},
        {"join_is_refused", "\"reason\":\"full\""},
        {"join_is_not_refused", ".status is \"ok\", not \"error\""},
        {"reply_is_another", ".response.late is true, not false"},
        {"reply_comes", "unexpected reply"},
        {"push_does_not_come", "no push \"news\" {...} within 100 ms"},
        {"push_comes", "unexpected push \"news\""},
        {"push_comes_to_another", "no push \"whispered\" on room:lobby"},
        {"push_comes_to_this_one", "unexpected push \"whispered\" on room:lobby"},
        {"broadcast_does_not_come", "no broadcast \"news\" within 100 ms"},
        {"broadcast_comes", "unexpected broadcast \"news\""},
    };

    for (size_t i = 0; i < ANQA_COUNT(cases); i++)
        fails_with(cases[i].fixture, cases[i].words);
}

ANQA_TEST(patterns_fit_what_they_say)
{
    anqa_json value =
        anqa_jsonf("{'n': 1, 's': 'a_b...', 'list': [1, 2.0, null], 'o': {'k': true}}");

    ANQA_ASSERT_JSON(value, "_");
    ANQA_ASSERT_JSON(value, "{...}");
    ANQA_ASSERT_JSON(value, "{'n': 1.0, 's': 'a_b...', 'list': _, 'o': {'k': true}}");
    ANQA_ASSERT_JSON(value, "{'list': [...], ...}");
    ANQA_ASSERT_JSON(value, "{'list': [_, 2, ...], ...}");
    ANQA_ASSERT_JSON(value, "{'o': {'k': %c}, 's': %s, ...}", true, "a_b...");
    ANQA_ASSERT_JSON(value, "{'list': [1, 2, null], ...}");
    ANQA_ASSERT_JSON(value);
}

#define EIGHT(x) x x x x x x x x

ANQA_TEST(a_pattern_may_be_64_deep)
{
    ANQA_ASSERT_JSON(anqa_json_of(anqa_str_of(EIGHT(EIGHT("[")) EIGHT(EIGHT("]")))),
        EIGHT(EIGHT("[")) EIGHT(EIGHT("]")));
}

ANQA_TEST(a_receive_takes_what_fits_and_leaves_the_rest)
{
    const anqa_msg *msg;

    for (int i = 0; i < 3; i++)
        (void)anqa_send(anqa_self(), "n", anqa_text(anqa_jsonf("%d", i)));
    msg = ANQA_ASSERT_RECEIVE("n", 10, "%d", 1);
    ANQA_ASSERT_STR(anqa_json_text(msg->body), "1");
    ANQA_REFUTE_RECEIVED("n", "1");
    ANQA_ASSERT_RECEIVED("n", "0");
    ANQA_ASSERT_RECEIVED("n", "2");
}

static void give_up(void *arg)
{
    anqa_exit(anqa_error_reason("%s", (const char *)arg));
}

ANQA_TEST(an_exit_gives_its_text)
{
    static char words[] = "no more";

    anqa_test_capture_log(ANQA_ERROR);
    ANQA_ASSERT_STR(ANQA_ASSERT_EXIT(give_up, words, ANQA_REASON_ERROR), "no more");
    ANQA_ASSERT_LOGGED("no more");
    ANQA_REFUTE_LOGGED("some more");
}

ANQA_TEST(numbers_are_put_in_order_by_value)
{
    ANQA_ASSERT_NE(-1, UINT64_MAX);
    ANQA_ASSERT_LT(-1, 0u);
    ANQA_ASSERT_LE(1, 1);
    ANQA_ASSERT_GT(UINT64_MAX, INT64_MAX);
    ANQA_ASSERT_GE(INT64_MIN, INT64_MIN, "round %d", 1);
}
