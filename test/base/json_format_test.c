#include <anqa/json.h>

#include "harness.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <sys/types.h>

static char bytes[1024];

/* The text that a format gives, or the name of the status. */
static anqa_str ANQA_PRINTF(1, 2) formatted(const char *format, ...)
{
    anqa_json_writer w;
    anqa_json json = {0};
    va_list args;
    anqa_status s;

    anqa_json_writer_init_fixed(&w, bytes, sizeof bytes);
    va_start(args, format);
    anqa_json_vformat(&w, format, args);
    va_end(args);
    s = anqa_json_writer_finish(&w, &json);
    if (s != ANQA_OK)
        return anqa_str_of(anqa_status_name(s));
    CHECK_STATUS(anqa_json_check(anqa_json_text(json), NULL, NULL), ANQA_OK, "%s", format);
    return anqa_json_text(json);
}

TEST(json_format_writes_what_the_header_shows)
{
    anqa_json user = ANQA_JSON_LITERAL_("{\"id\":17}");

    CHECK_STR(formatted("{'seq': %" PRIu64 ", 'to': 'room:%s', 'tags': [%s, null], 'user': %p}",
                  (uint64_t)7, "lobby", "a\"b", &user),
        "{\"seq\":7,\"to\":\"room:lobby\",\"tags\":[\"a\\\"b\",null],\"user\":{\"id\":17}}");
    CHECK_STR(formatted("{'seq': %" PRIu64 ", 'body': %s, 'list': [%d, %f], 'n': %.*s}",
                  (uint64_t)1, "x", -2, 0.1, 3, "abcdef"),
        "{\"seq\":1,\"body\":\"x\",\"list\":[-2,0.1],\"n\":\"abc\"}");
}

TEST(json_format_takes_integers_of_every_width)
{
    CHECK_STR(formatted("[%d,%i,%u]", INT_MIN, 5, UINT_MAX), "[-2147483648,5,4294967295]");
    CHECK_STR(formatted("[%hhd,%hhu,%hd,%hu]", (signed char)-1, (unsigned char)255, (short)-2,
                  (unsigned short)65535),
        "[-1,255,-2,65535]");
    CHECK_STR(formatted("[%ld,%lu,%lld,%llu]", LONG_MIN, ULONG_MAX, LLONG_MAX, ULLONG_MAX),
        "[-9223372036854775808,18446744073709551615,9223372036854775807,18446744073709551615]");
    CHECK_STR(formatted("[%jd,%ju,%zd,%zu,%td]", INTMAX_MIN, UINTMAX_MAX, (ssize_t)-3, SIZE_MAX,
                  (ptrdiff_t)-4),
        "[-9223372036854775808,18446744073709551615,-3,18446744073709551615,-4]");
    CHECK_STR(
        formatted("[%" PRId64 ",%" PRIu32 ",%" PRIi16 "]", (int64_t)-9, (uint32_t)8, (int16_t)-7),
        "[-9,8,-7]");
}

TEST(json_format_writes_doubles_exactly)
{
    CHECK_STR(formatted("[%f,%g,%e,%lf]", 0.1, 1e300, -0.0, 3.0), "[0.1,1e+300,-0,3]");
    CHECK_STR(formatted("%f", (double)INFINITY), "E_INVALID");
    CHECK_STR(formatted("'%f'", (double)NAN), "E_INVALID");
}

TEST(json_format_quotes_strings)
{
    const char *volatile null = NULL; /* volatile: gcc warns of those it can see */
    const char *none = null;

    CHECK_STR(formatted("%s", "a\n\"</script>"), "\"a\\n\\\"</script>\"");
    CHECK_STR(formatted("[%s,%.*s,%.3s]", none, 2, none, none), "[null,null,null]");
    CHECK_STR(formatted("%.*s", 0, none), "\"\"");
    CHECK_STR(formatted("%.*s", 3, "a\0b"), "\"a\\u0000b\"");
    CHECK_STR(formatted("%s", "bad \xff"), "E_INVALID");
    CHECK_STR(formatted("%.*s", -1, "abc"), "E_INVALID");
}

TEST(json_format_cuts_strings_between_characters)
{
    CHECK_STR(formatted("[%.2s,%.9s,%.0s]", "abc", "abc", "abc"), "[\"ab\",\"abc\",\"\"]");
    CHECK_STR(formatted("%.3s", "ab\xc3\xa9"), "\"ab\"");
    CHECK_STR(formatted("%.4s", "ab\xc3\xa9"), "\"ab\xc3\xa9\"");
    CHECK_STR(formatted("%.6s", "ab\xf0\x9f\x98\x80z"), "\"ab\xf0\x9f\x98\x80\"");
    CHECK_STR(formatted("%.5s", "ab\xf0\x9f\x98\x80z"), "\"ab\"");
    CHECK_STR(formatted("%.1s", "\xf0\x9f\x98\x80z"), "\"\"");
}

TEST(json_format_writes_bools_and_raw_json)
{
    anqa_json raw = ANQA_JSON_LITERAL_("[1, 2]"), empty = {0}, *none = NULL;

    CHECK_STR(formatted("[%c,%c]", true, 1 > 2), "[true,false]");
    CHECK_STR(formatted("%c", 'x'), "E_INVALID");
    CHECK_STR(formatted("{'a':%p,'b':%p,'c':%p}", (void *)&raw, (void *)&empty, (void *)none),
        "{\"a\":[1, 2],\"b\":null,\"c\":null}");
}

TEST(json_format_fills_quoted_text)
{
    CHECK_STR(formatted("'it''s 100%% %s, %d of %u, %f'", "\"ok\"", -3, 7u, 2.5),
        "\"it's 100% \\\"ok\\\", -3 of 7, 2.5\"");
    CHECK_STR(formatted("{'':'','''':''''''}"), "{\"\":\"\",\"'\":\"''\"}");
    CHECK_STR(formatted("{'user:%d':1,%s:2,%.*s:3}", 17, "k\n", 1, "xyz"),
        "{\"user:17\":1,\"k\\n\":2,\"x\":3}");
    CHECK_STR(formatted("'tab\t and \\ and \"'"), "\"tab\\t and \\\\ and \\\"\"");
}

TEST(json_format_takes_constants)
{
    CHECK_STR(formatted(" [ true , false,null, -1.5e3 , 0 , [] , {} ,[{ }] ] "),
        "[true,false,null,-1.5e3,0,[],{},[{}]]");
}

/* None of them may read an argument: there is none. */
static const char *const malformed[] = {
    "",
    " ",
    "{",
    "[",
    "}",
    "]",
    "{'a'}",
    "{'a':}",
    "{'a':1,}",
    "[1,]",
    "[,1]",
    "[1 2]",
    "1 2",
    "{}{}",
    "{'a' 1}",
    "{1:2}",
    "{a:1}",
    "[1}",
    "{'a':1]",
    "'a",
    "'",
    "a",
    "tru",
    "nullx",
    "01",
    "1.",
    "-",
    "+1",
    "\"a\"",
    "{\"a\":1}",
    "%",
    "[%",
    "'%",
    "%q",
    "%%",
    "{'a':1}}",
    "[]]",
    "{,}",
    "{'a'::1}",
    "[1,,2]",
    "'a''",
    "%5",
    "%x",
    "%h",
    "%l",
    "%.",
    "%.3",
    "NaN",
    "{'a':'b'",
    "[[1]",
    "'%q'",
    "{%c:1}",
    "{%d:1}",
    "{%p:1}",
    "{%%:1}",
    "'%c'",
    "'%p'",
    "%5d",
    "%-5s",
    "%05d",
    "%.2f",
    "%+d",
    "% d",
    "%#x",
    "%o",
    "%X",
    "%Lf",
    "%ls",
    "%lc",
    "%n",
    "%a",
    "%.3d",
    "%.3c",
    "%.3p",
    "'%.1%'",
    "%1$s",
    "%hhs",
    "%zf",
    "%hf",
    "'\xff'",
    "\xc3\xa9",
};

TEST(json_format_refuses_malformed_formats)
{
    for (size_t i = 0; i < ANQA_COUNT(malformed); i++) {
        anqa_json_writer w;
        anqa_json json;

        anqa_json_writer_init_fixed(&w, bytes, sizeof bytes);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        anqa_json_format(&w, malformed[i]);
#pragma GCC diagnostic pop
        CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_E_INVALID, "%s", malformed[i]);
    }
}

TEST(json_format_writes_one_value_of_a_larger_whole)
{
    anqa_json_writer w;
    anqa_json json = {0};

    anqa_json_writer_init_fixed(&w, bytes, sizeof bytes);
    anqa_json_begin_array(&w);
    anqa_json_format(&w, "%d", 1);
    anqa_json_format(&w, "{'a':[%d]}", 2);
    anqa_json_begin_object(&w);
    anqa_json_key(&w, "k");
    anqa_json_format(&w, "[]");
    anqa_json_key(&w, "l");
    anqa_json_format(&w, "%s", "x");
    anqa_json_end_object(&w);
    anqa_json_end_array(&w);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_OK);
    CHECK_STR(anqa_json_text(json), "[1,{\"a\":[2]},{\"k\":[],\"l\":\"x\"}]");
}

TEST(json_format_closes_only_what_it_opened)
{
    anqa_json_writer w;
    anqa_json json;

    anqa_json_writer_init_fixed(&w, bytes, sizeof bytes);
    anqa_json_begin_array(&w);
    anqa_json_format(&w, "1]");
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_E_INVALID);
    anqa_json_writer_reset(&w);
    anqa_json_begin_array(&w);
    anqa_json_format(&w, "1,2");
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_E_INVALID);
    anqa_json_writer_reset(&w);
    anqa_json_begin_object(&w);
    anqa_json_format(&w, "%d", 1);
    CHECK_STATUS(anqa_json_writer_finish(&w, &json), ANQA_E_INVALID);
}

TEST(json_format_stops_where_the_memory_ends)
{
    static const char whole[] = "{\"k\":[1,\"text\",null,\"n5\"],\"é\":true}";
    char small[sizeof whole];

    for (size_t cap = 0; cap < sizeof whole; cap++) {
        anqa_json_writer w;
        anqa_json json;

        anqa_json_writer_init_fixed(&w, small, cap);
        anqa_json_format(&w, "{'k':[%d,%s,null,'n%d'],'é':%c}", 1, "text", 5, 1);
        CHECK_STATUS(anqa_json_writer_finish(&w, &json),
            cap == sizeof whole - 1 ? ANQA_OK : ANQA_E_LIMIT, "%zu bytes", cap);
    }
}
