/* Fields that a process has put behind those of its events. */
#include <anqa/test.h>

#include <stdio.h>
#include <string.h>

ANQA_TEST(what_a_process_puts_stands_behind_all_its_events)
{
    anqa_test_capture_log(ANQA_INFO);
    anqa_log_metadata("user", anqa_str_of("7"));
    anqa_log_metadata("request_id", anqa_str_of("abc def\n"));
    anqa_log(ANQA_INFO, "test.one", "a=1");
    ANQA_ASSERT_LOGGED("test.one");
    ANQA_ASSERT_LOGGED("a=1 user=\"7\" request_id=\"abc def\\n\"");
    anqa_log(ANQA_INFO, "test.two");
    ANQA_ASSERT_LOGGED("user=\"7\" request_id=\"abc def\\n\"");
}

ANQA_TEST(a_field_is_replaced_and_taken_away)
{
    anqa_test_capture_log(ANQA_INFO);
    anqa_log_metadata("a", anqa_str_of("x"));
    anqa_log_metadata("b", anqa_str_of("y"));
    anqa_log_metadata("c", anqa_str_of("z"));
    anqa_log_metadata("b", anqa_str_of("second"));
    anqa_log(ANQA_INFO, "test.replaced", "n=1");
    ANQA_ASSERT_LOGGED("n=1 a=x c=z b=second");
    anqa_log_metadata("a", anqa_str_of(""));
    anqa_log_metadata("none", anqa_str_of(""));
    anqa_log(ANQA_INFO, "test.taken", "n=2");
    ANQA_ASSERT_LOGGED("n=2 c=z b=second");
    anqa_log_metadata("c", anqa_str_of(NULL));
    anqa_log_metadata("b", anqa_str_of(NULL));
    anqa_log(ANQA_INFO, "test.none", "n=3");
    ANQA_ASSERT_LOGGED("n=3");
    ANQA_REFUTE_LOGGED("n=3 ");
}

static void log_and_end(void *arg)
{
    anqa_log(ANQA_INFO, "test.child", "of=another");
}

ANQA_TEST(others_do_not_have_it)
{
    anqa_test_capture_log(ANQA_INFO);
    anqa_log_metadata("mine", anqa_str_of("x"));
    (void)ANQA_ASSERT_EXIT(log_and_end, NULL, ANQA_REASON_NORMAL);
    ANQA_ASSERT_LOGGED("of=another");
    ANQA_REFUTE_LOGGED("of=another mine");
}

static void crash(void *arg)
{
    anqa_log_metadata("request_id", anqa_str_of("of-the-crash"));
    anqa_exit(anqa_error_reason("oh"));
}

ANQA_TEST(the_event_of_a_crash_has_it_too)
{
    anqa_test_capture_log(ANQA_ERROR);
    (void)ANQA_ASSERT_EXIT(crash, NULL, ANQA_REASON_ERROR);
    ANQA_ASSERT_LOGGED("process.crashed");
    ANQA_ASSERT_LOGGED("request_id=of-the-crash");
}

ANQA_TEST(more_than_there_is_room_for_is_left_out_whole)
{
    static char big[600];
    char key[16];

    anqa_test_capture_log(ANQA_INFO);
    memset(big, 'x', sizeof big);
    anqa_log_metadata("small", anqa_str_of("s"));
    anqa_log_metadata("big", anqa_str_make(big, 505)); /* with " small=s" and " big=" 518 */
    anqa_log(ANQA_INFO, "test.big", "n=1");
    ANQA_ASSERT_LOGGED("n=1 small=s");
    ANQA_REFUTE_LOGGED("big=");
    anqa_log_metadata("fits", anqa_str_make(big, 512 - 8 - 6));
    anqa_log(ANQA_INFO, "test.full", "n=2");
    ANQA_ASSERT_LOGGED("n=2 small=s fits=xxx");
    anqa_log_metadata("fits", anqa_str_of(""));
    for (int i = 0; i < 9; i++) {
        snprintf(key, sizeof key, "k%d", i);
        anqa_log_metadata(key, anqa_str_of("v"));
    }
    anqa_log(ANQA_INFO, "test.rows", "n=3");
    ANQA_ASSERT_LOGGED("n=3 small=s k0=v k1=v k2=v k3=v k4=v k5=v k6=v");
    ANQA_REFUTE_LOGGED("k7=v");
}

ANQA_TEST(an_event_that_is_as_long_as_may_be_still_has_it)
{
    static char big[2000];

    anqa_test_capture_log(ANQA_INFO);
    memset(big, 'y', sizeof big - 1);
    anqa_log_metadata("request_id", anqa_str_of("abc"));
    anqa_log(ANQA_INFO, "test.long", "text=%s", big);
    ANQA_ASSERT_LOGGED("log.cut=true request_id=abc");
}

static void put_badly(void *key)
{
    anqa_log_metadata(key, anqa_str_of("x"));
}

ANQA_TEST(a_name_that_could_forge_a_field_ends_the_process)
{
    static const char *const bad[] = {"", "a b", "a=b", "a\n", "12345678901234567890123456789012"};

    anqa_test_capture_log(ANQA_ERROR);
    for (size_t i = 0; i < ANQA_COUNT(bad); i++)
        (void)ANQA_ASSERT_EXIT(put_badly, (void *)(uintptr_t)bad[i], ANQA_REASON_CONTRACT);
}
