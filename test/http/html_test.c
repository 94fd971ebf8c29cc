/* HTML that is made in C: what is a text stays one. */
#include "harness.h"

#include <anqa/anqa.h>

#include <inttypes.h>

ANQA_TEST(a_text_can_not_become_markup)
{
    ANQA_ASSERT_STR(anqa_htmlf("<b title=\"%s\">%s</b>", "\"><script>", "<i> & 'you'"),
        "<b title=\"&quot;&gt;&lt;script&gt;\">&lt;i&gt; &amp; &#39;you&#39;</b>");
    ANQA_ASSERT_STR(
        anqa_htmlf("%.*s|%.2s|%.0s|%.*s", 2, "<>&", "a<b", "x", -1, "<"), "&lt;&gt;|a&lt;||");
    ANQA_ASSERT_STR(anqa_htmlf("%c%c", '<', 'x'), "&lt;x");
    ANQA_ASSERT_STR(anqa_html_escape(anqa_str_of("a<b>")), "a&lt;b&gt;");
    ANQA_ASSERT_STR(anqa_html_escape(anqa_str_of("")), "");
}

ANQA_TEST(a_part_that_is_html_already_is_not_escaped_again)
{
    anqa_str part = anqa_htmlf("<i>%s</i>", "a&b");

    ANQA_ASSERT_STR(anqa_htmlf("<p>%p</p>", (const void *)&part), "<p><i>a&amp;b</i></p>");
}

ANQA_TEST(numbers_are_those_of_printf)
{
    ANQA_ASSERT_STR(
        anqa_htmlf("%d %5u|%-4d|%02x %X %o", -3, 7u, 12, 10u, 171u, 8u), "-3     7|12  |0a AB 10");
    ANQA_ASSERT_STR(anqa_htmlf("%" PRId64 " %" PRIu64 " %zu %jd %td", INT64_MIN, UINT64_MAX,
                        SIZE_MAX, (intmax_t)-1, (ptrdiff_t)-2),
        "-9223372036854775808 18446744073709551615 18446744073709551615 -1 -2");
    ANQA_ASSERT_STR(
        anqa_htmlf("%hhd %hu %ld %lld", (signed char)-1, (unsigned short)65535, -5L, -6LL),
        "-1 65535 -5 -6");
    ANQA_ASSERT_STR(
        anqa_htmlf("%.2f %g %e 100%%", 1.5, 0.25, 1000.0), "1.50 0.25 1.000000e+03 100%");
    ANQA_ASSERT_EQ(anqa_htmlf("%f", 1.7e308).len, 316);
}

ANQA_TEST(a_page_grows_as_long_as_it_is_added_to)
{
    anqa_html page = {0};

    ANQA_ASSERT_EQ(page.text.len, 0);
    for (int i = 0; i < 5000; i++)
        anqa_html_add(&page, "%s%d", "<", i % 10);
    ANQA_ASSERT_EQ(page.text.len, 5000 * 5);
    for (size_t i = 0; i < page.text.len; i += 5)
        ANQA_ASSERT(memcmp(page.text.ptr + i, "&lt;", 4) == 0 &&
                    page.text.ptr[i + 4] == (char)('0' + i / 5 % 10));
}

static void null_text(void *arg)
{
    (void)anqa_htmlf("%s", (const char *)arg);
}

static void null_part(void *arg)
{
    (void)anqa_htmlf("%p", arg);
}

/* Formats that the compiler would not let pass. */
static void odd_format(void *arg)
{
    anqa_str (*volatile make)(const char *format, ...) = anqa_htmlf;

    (void)make(arg, 1, 2, 3);
}

ANQA_TEST(what_is_no_format_of_html_ends_the_process)
{
    static const char *const odd[] = {"%n", "%", "%5", "%l", "%*d", "%ls", "%99s", "%0999d", "%a",
        "%.s%.", "%0000000000000000000000000000001d"};

    anqa_test_capture_log(ANQA_ERROR);
    ANQA_ASSERT_EXIT(null_text, NULL, ANQA_REASON_ERROR);
    ANQA_ASSERT_EXIT(null_part, NULL, ANQA_REASON_ERROR);
    for (size_t i = 0; i < ANQA_COUNT(odd); i++)
        ANQA_ASSERT_EXIT(odd_format, (void *)(uintptr_t)odd[i], ANQA_REASON_ERROR);
}
