#include <anqa/json.h>

#include "harness.h"

#include <stdlib.h>

struct text {
    const char *ptr;
    size_t len;
};
#define T(literal) {literal, sizeof(literal) - 1}

static const struct text accepted[] = {
    /* scalars, and blanks of all four kinds */
    T("null"),
    T("true"),
    T("false"),
    T("0"),
    T("\"\""),
    T(" \t\r\n1\n\r\t "),
    T("\"a\""),
    T("[]"),
    T("{}"),
    /* numbers: every branch of the grammar */
    T("-0"),
    T("-1"),
    T("10"),
    T("1.0"),
    T("0.5"),
    T("-0.5"),
    T("1e1"),
    T("1E1"),
    T("1e+1"),
    T("1e-1"),
    T("0e0"),
    T("-0e-0"),
    T("0.0e00"),
    T("1.25E+09"),
    T("123456789012345678901234567890"),
    T("1e400"),
    T("-1e-400"),
    T("9007199254740993"),
    T("18446744073709551615"),
    T("0.00000000000000000000000000000000000001"),
    /* strings */
    T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    T("\"\\u0000\""),
    T("\"\\u0041\\u00e9\\u20AC\""),
    T("\"\\ud83d\\ude00\""),
    T("\"\\uD83D\\uDE00\""),
    T("\"\\udbff\\udfff\""),
    T("\"\\uffff\""),
    T("\"\x7f\""),
    T("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
    T("\"\xef\xbf\xbf\""),
    T("\"\xf4\x8f\xbf\xbf\""),
    T("\"\xe2\x80\xa8\""),
    T("\"\xef\xbb\xbf\""),
    T("\"'\""),
    T("\"/\""),
    T("\"just over sixteen bytes of text, then \\n and \xc3\xa9 and more of it\""),
    T("\"{}[],:\""),
    /* arrays and objects */
    T("[1]"),
    T("[ 1 , 2 ]"),
    T("[[],[[]],{}]"),
    T("[null,true,false,\"\",0]"),
    T("{\"\":0}"),
    T("{\"a\":1,\"a\":2}"),
    T("{ \"a\" : { \"b\" : [ ] } , \"c\" : null }"),
    T("[{\"a\":[{}]},[]]"),
    T("{\"\\u0061\\\"\":{}}"),
};

static const struct text refused[] = {
    /* no value, or half of one */
    T(""),
    T(" "),
    T("\n"),
    T("nul"),
    T("nulL"),
    T("tru"),
    T("fals"),
    T("True"),
    T("NULL"),
    T("t"),
    T("nullx"),
    T("NaN"),
    T("Infinity"),
    T("-Infinity"),
    T("undefined"),
    T("a"),
    T("'a'"),
    T("`"),
    T("\0"),
    T("1\0"),
    T("\xef\xbb\xbf{}"),
    T("\xef\xbb\xbf"),
    T("\xff"),
    T("\x0b"
      "1"),
    T("1\x0c"),
    T("\xc2\xa0"
      "1"),
    /* numbers */
    T("-"),
    T("+1"),
    T("01"),
    T("-01"),
    T("00"),
    T("1."),
    T(".5"),
    T("-.5"),
    T("1.e1"),
    T("1e"),
    T("1e+"),
    T("1e-"),
    T("1E"),
    T("1.5e"),
    T("0x10"),
    T("1_000"),
    T("1,5"),
    T("1 2"),
    T("--1"),
    T("-a"),
    T("1e1.5"),
    T("1.2.3"),
    T("0e"),
    T("1a"),
    T("1-"),
    T("2e3e4"),
    T("1e++1"),
    /* strings */
    T("\""),
    T("\"a"),
    T("\"\\"),
    T("\"\\\""),
    T("\"\\x41\""),
    T("\"\\a\""),
    T("\"\\0\""),
    T("\"\\'\""),
    T("\"\\u\""),
    T("\"\\u12\""),
    T("\"\\u123\""),
    T("\"\\u123g\""),
    T("\"\\u 123\""),
    T("\"\\U0041\""),
    T("\"\\u+123\""),
    T("\"\\u-123\""),
    T("\"\\ud800\""),
    T("\"\\ud800\\n\""),
    T("\"\\ud800\\u0041\""),
    T("\"\\ud800\\ud800\""),
    T("\"\\ude00\""),
    T("\"\\ude00\\ud83d\""),
    T("\"\\ud83d"),
    T("\"\\ud83d\\"),
    T("\"\\ud83d\\u"),
    T("\"\\ud83d\\ude0\""),
    T("\"\\ud83dx\""),
    T("\"\n\""),
    T("\"\t\""),
    T("\"\0\""),
    T("\"\x1f\""),
    T("\"\x80\""),
    T("\"\xc3\""),
    T("\"\xc3"),
    T("\"\xc0\xaf\""),
    T("\"\xe0\x80\xaf\""),
    T("\"\xed\xa0\x80\""),
    T("\"\xed\xbf\xbf\""),
    T("\"\xf4\x90\x80\x80\""),
    T("\"\xf8\x88\x80\x80\x80\""),
    T("\"\xff\""),
    T("\"\xe2\x82\""),
    T("\"\xf0\x9f\x98"),
    T("\"\xc3\xa9\xff\""),
    T("\"a\"b"),
    T("\"a\"\""),
    T("\"sixteen and more bytes before a bare \x01 control\""),
    /* arrays and objects */
    T("["),
    T("]"),
    T("[1"),
    T("[1,"),
    T("[1,]"),
    T("[,1]"),
    T("[,]"),
    T("[1 2]"),
    T("[1,,2]"),
    T("[1]]"),
    T("[[1]"),
    T("[1}"),
    T("[1:2]"),
    T("[\"a\":1]"),
    T("["
      "\"a\""),
    T("{"),
    T("}"),
    T("{1:2}"),
    T("{\"a\"}"),
    T("{\"a\":}"),
    T("{\"a\":1,}"),
    T("{,}"),
    T("{\"a\" 1}"),
    T("{\"a\":1 \"b\":2}"),
    T("{\"a\":1]"),
    T("{\"a\"::1}"),
    T("{\"a\",\"b\"}"),
    T("{a:1}"),
    T("{'a':1}"),
    T("{\"a\":1}}"),
    T("{\"a\":1"),
    T("{\"a\":"),
    T("{\"a\""),
    T("{null:1}"),
    T("{[]:1}"),
    T("{}{}"),
    T("{} 1"),
    T("[] []"),
    T("{\"a\":1}#"),
    T("/**/1"),
    T("1//"),
    T("[1,2,3"),
    T("{\"a\":{\"b\":[}}"),
    T("[}"),
    T("{]"),
    T("{\"a\":1,1}"),
    T("[[[[[[[["),
    T("{\"\xff\":1}"),
};

/* The bytes end where a page-sized allocation ends in ASan's eyes: a step over it is seen. */
static anqa_status check_exact(const char *ptr, size_t len, anqa_error *err)
{
    char *copy = malloc(len == 0 ? 1 : len);
    anqa_status s;

    if (copy == NULL)
        return ANQA_E_NOMEM;
    memcpy(copy, ptr, len);
    s = anqa_json_check(anqa_str_make(copy, len), NULL, err);
    free(copy);
    return s;
}

TEST(json_check_takes_every_production)
{
    anqa_error err = {0};

    for (size_t i = 0; i < ANQA_COUNT(accepted); i++)
        CHECK_STATUS(check_exact(accepted[i].ptr, accepted[i].len, &err), ANQA_OK, "%s: %s",
            accepted[i].ptr, err.text);
}

TEST(json_check_refuses_everything_else)
{
    anqa_error err = {0};

    for (size_t i = 0; i < ANQA_COUNT(refused); i++) {
        CHECK_STATUS(check_exact(refused[i].ptr, refused[i].len, &err), ANQA_E_PARSE, "%zu: %s", i,
            refused[i].ptr);
        CHECK_EQ(err.status, ANQA_E_PARSE);
    }
}

TEST(json_check_refuses_every_text_cut_short)
{
    static const char whole[] = "{\"a\":[1.5e+3,-20,true,false,null,"
                                "\"x\\n\\u00e9\\ud83d\\ude00\xc3\xa9\"],\"b\":{\"c\":{}}}";
    size_t len = sizeof whole - 1;

    CHECK_STATUS(check_exact(whole, len, NULL), ANQA_OK);
    for (size_t cut = 0; cut < len; cut++)
        CHECK_STATUS(check_exact(whole, cut, NULL), ANQA_E_PARSE, "cut to %zu", cut);
}

TEST(json_check_refuses_text_behind_every_value)
{
    for (size_t i = 0; i < ANQA_COUNT(accepted); i++) {
        char text[128];

        memcpy(text, accepted[i].ptr, accepted[i].len);
        text[accepted[i].len] = '}';
        CHECK_STATUS(check_exact(text, accepted[i].len + 1, NULL), ANQA_E_PARSE, "%s", text);
    }
}

/* `depth` arrays or objects, or both in turn, one in the other. */
static size_t nest(char *out, size_t depth, unsigned kinds)
{
    char *p = out;

    for (size_t i = 0; i < depth; i++) {
        bool object = kinds == 2 ? i % 2 == 0 : kinds == 1;
        const char *open = object ? "{\"k\":" : "[";
        memcpy(p, open, strlen(open));
        p += strlen(open);
    }
    *p++ = '1';
    for (size_t i = depth; i-- > 0;)
        *p++ = (kinds == 2 ? i % 2 == 0 : kinds == 1) ? '}' : ']';
    return (size_t)(p - out);
}

TEST(json_check_has_a_limit_on_depth)
{
    static const uint32_t depths[] = {0, 1, 2, 63, 64, 65, 128, 1023, 1024};
    static char text[16384];

    for (size_t i = 0; i < ANQA_COUNT(depths); i++) {
        for (unsigned kinds = 0; kinds < 3; kinds++) {
            anqa_json_limits limits = {.max_depth = depths[i]};
            size_t allowed = depths[i] == 0 ? ANQA_JSON_DEFAULT_DEPTH : depths[i];
            size_t len = nest(text, allowed, kinds);

            CHECK_STATUS(
                anqa_json_check(anqa_str_make(text, len), &limits, NULL), ANQA_OK, "%zu", allowed);
            len = nest(text, allowed + 1, kinds);
            CHECK_STATUS(anqa_json_check(anqa_str_make(text, len), &limits, NULL), ANQA_E_LIMIT,
                "%zu", allowed);
        }
    }
    CHECK_STATUS(anqa_json_check(anqa_str_of("1"), &(anqa_json_limits){.max_depth = 1025}, NULL),
        ANQA_E_INVALID);
}

TEST(json_check_counts_depth_not_containers)
{
    anqa_json_limits limits = {.max_depth = 2};

    CHECK_STATUS(
        anqa_json_check(anqa_str_of("[[],[],{},[1],{\"a\":1},[]]"), &limits, NULL), ANQA_OK);
    CHECK_STATUS(anqa_json_check(anqa_str_of("[[],[],[[]]]"), &limits, NULL), ANQA_E_LIMIT);
}

TEST(json_check_has_a_limit_on_bytes)
{
    anqa_json_limits limits = {.max_bytes = 4};
    anqa_error err;
    char *big;

    CHECK_STATUS(anqa_json_check(anqa_str_of("null"), &limits, NULL), ANQA_OK);
    CHECK_STATUS(anqa_json_check(anqa_str_of("null "), &limits, &err), ANQA_E_LIMIT);
    CHECK_STR(err.text, "JSON of 5 bytes, 4 are allowed");
    big = malloc(ANQA_JSON_DEFAULT_BYTES + 1);
    CHECK(big != NULL);
    memset(big, ' ', ANQA_JSON_DEFAULT_BYTES + 1);
    big[0] = '1';
    CHECK_STATUS(anqa_json_check(anqa_str_make(big, ANQA_JSON_DEFAULT_BYTES), NULL, NULL), ANQA_OK);
    CHECK_STATUS(
        anqa_json_check(anqa_str_make(big, ANQA_JSON_DEFAULT_BYTES + 1), NULL, NULL), ANQA_E_LIMIT);
    free(big);
}

static const struct {
    const char *text, *error;
} errors[] = {
    {"", "line 1, column 1 (byte 0): expected a value, found the end"},
    {"[1,]", "line 1, column 4 (byte 3): expected a value, found ']'"},
    {"{\"a\":1,\n \"b\" 2}", "line 2, column 6 (byte 13): expected ':', found '2'"},
    {"{\"a\":1,}", "line 1, column 8 (byte 7): expected a name in double quotes, found '}'"},
    {"[\"\xc3\xa9\xe2\x82\xac\", x]", "line 1, column 8 (byte 10): expected a value, found 'x'"},
    {"[1 2]", "line 1, column 4 (byte 3): expected ',' or ']', found '2'"},
    {"{\"a\":1]", "line 1, column 7 (byte 6): expected ',' or '}', found ']'"},
    {"01", "line 1, column 2 (byte 1): expected the end of the text, found '1'"},
    {"-x", "line 1, column 2 (byte 1): expected a digit, found 'x'"},
    {"1.", "line 1, column 3 (byte 2): expected a digit, found the end"},
    {"\"a\nb\"", "line 1, column 3 (byte 2): expected control characters in strings to be escaped, "
                 "found byte 0x0a"},
    {"\"abc", "line 1, column 5 (byte 4): expected the string to go on, found the end"},
    {"\"\\q\"",
        "line 1, column 2 (byte 1): expected an escape that stands for a character, found '\\'"},
    {"\"ab\xff\"", "line 1, column 4 (byte 3): expected UTF-8, found byte 0xff"},
    {"nul", "line 1, column 1 (byte 0): expected a value, found 'n'"},
    {"\n\n  {}\n}", "line 4, column 1 (byte 7): expected the end of the text, found '}'"},
};

TEST(json_check_says_where_and_what)
{
    for (size_t i = 0; i < ANQA_COUNT(errors); i++) {
        anqa_error err;

        CHECK_STATUS(anqa_json_check(anqa_str_of(errors[i].text), NULL, &err), ANQA_E_PARSE, "%s",
            errors[i].text);
        CHECK_STR(err.text, errors[i].error, "%s", errors[i].text);
    }
}

TEST(json_parse_gives_the_value_without_blanks)
{
    anqa_json json = ANQA_JSON_TRUE;

    CHECK_STATUS(anqa_json_parse(anqa_str_of(" \n[1 , 2]\t"), NULL, &json, NULL), ANQA_OK);
    CHECK_STR(anqa_json_text(json), "[1 , 2]");
    CHECK_STATUS(anqa_json_parse(anqa_str_of("[1"), NULL, &json, NULL), ANQA_E_PARSE);
    CHECK_STR(anqa_json_text(json), "[1 , 2]");
    CHECK_STATUS(anqa_json_parse(anqa_str_make(NULL, 0), NULL, &json, NULL), ANQA_E_PARSE);
}
