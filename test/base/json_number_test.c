#include <anqa/json.h>

#include "base/json_scan.h"
#include "harness.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static anqa_json of(const char *text)
{
    return (anqa_json){text, strlen(text)};
}

static const struct {
    const char *text;
    anqa_status status;
    int64_t value;
} ints[] = {
    {"0", ANQA_OK, 0},
    {"-0", ANQA_OK, 0},
    {"-0.0e5", ANQA_OK, 0},
    {"0e999999999999999999999", ANQA_OK, 0},
    {"7", ANQA_OK, 7},
    {" 7 ", ANQA_OK, 7},
    {"-7", ANQA_OK, -7},
    {"1.0", ANQA_OK, 1},
    {"1e2", ANQA_OK, 100},
    {"1E+2", ANQA_OK, 100},
    {"120e-1", ANQA_OK, 12},
    {"1.25e2", ANQA_OK, 125},
    {"-1.50e1", ANQA_OK, -15},
    {"0.001e3", ANQA_OK, 1},
    {"100.000", ANQA_OK, 100},
    {"999999999999999999", ANQA_OK, 999999999999999999},
    {"9007199254740993", ANQA_OK, 9007199254740993},
    {"9223372036854775807", ANQA_OK, INT64_MAX},
    {"-9223372036854775808", ANQA_OK, INT64_MIN},
    {"9223372036854775807.000", ANQA_OK, INT64_MAX},
    {"922337203685477580.7e1", ANQA_OK, INT64_MAX},
    {"9223372036854775808", ANQA_E_RANGE, 0},
    {"-9223372036854775809", ANQA_E_RANGE, 0},
    {"18446744073709551616", ANQA_E_RANGE, 0},
    {"1e19", ANQA_E_RANGE, 0},
    {"1e400", ANQA_E_RANGE, 0},
    {"1e99999999999999999999999", ANQA_E_RANGE, 0},
    {"99999999999999999999999999", ANQA_E_RANGE, 0},
    {"1.5", ANQA_E_TYPE, 0},
    {"1e-1", ANQA_E_TYPE, 0},
    {"-0.1", ANQA_E_TYPE, 0},
    {"1e-99999999999999999999999", ANQA_E_TYPE, 0},
    {"9007199254740993.5", ANQA_E_TYPE, 0},
    {"\"1\"", ANQA_E_TYPE, 0},
    {"true", ANQA_E_TYPE, 0},
    {"", ANQA_E_TYPE, 0},
    {"-", ANQA_E_PARSE, 0},
    {"01", ANQA_E_PARSE, 0},
    {"1x", ANQA_E_PARSE, 0},
    {"1.", ANQA_E_PARSE, 0},
    {"1e", ANQA_E_PARSE, 0},
    {"--1", ANQA_E_PARSE, 0},
    {"1 2", ANQA_E_PARSE, 0},
    {"-01", ANQA_E_PARSE, 0},
};

TEST(json_integers_are_exact_or_refused)
{
    for (size_t i = 0; i < ANQA_COUNT(ints); i++) {
        int64_t value = 4711;

        CHECK_STATUS(
            anqa_json_to_int(of(ints[i].text), &value), ints[i].status, "%s", ints[i].text);
        CHECK_EQ(value, ints[i].status == ANQA_OK ? ints[i].value : 4711, "%s", ints[i].text);
    }
}

TEST(json_unsigned_integers_go_up_to_64_bits)
{
    uint64_t value = 0;

    CHECK_STATUS(anqa_json_to_uint(of("18446744073709551615"), &value), ANQA_OK);
    CHECK_EQ(value, UINT64_MAX);
    CHECK_STATUS(anqa_json_to_uint(of("1844674407370955161.5e1"), &value), ANQA_OK);
    CHECK_EQ(value, UINT64_MAX);
    CHECK_STATUS(anqa_json_to_uint(of("-0"), &value), ANQA_OK);
    CHECK_EQ(value, 0);
    CHECK_STATUS(anqa_json_to_uint(of("18446744073709551616"), &value), ANQA_E_RANGE);
    CHECK_STATUS(anqa_json_to_uint(of("-1"), &value), ANQA_E_RANGE);
    CHECK_STATUS(anqa_json_to_uint(of("0.5"), &value), ANQA_E_TYPE);
}

TEST(json_number_text_keeps_every_digit)
{
    anqa_str text = {0};

    CHECK_STATUS(
        anqa_json_number_text(of(" -123456789012345678901234567890.10e+05"), &text), ANQA_OK);
    CHECK_STR(text, "-123456789012345678901234567890.10e+05");
    CHECK_STATUS(anqa_json_number_text(of("\"1\""), &text), ANQA_E_TYPE);
    CHECK_STATUS(anqa_json_number_text(of("1.e"), &text), ANQA_E_PARSE);
}

/* Each a hard case of rounding: ties, ties but for one digit far away, the edges of the subnormal and of the range. */
static const struct {
    const char *text;
    double value;
} doubles[] = {
    {"0", 0.0},
    {"-0", -0.0},
    {"-0.0", -0.0},
    {"0e400", 0.0},
    {"1", 1},
    {"1.5", 1.5},
    {"0.1", 0.1},
    {"1e22", 1e22},
    {"1e23", 1e23},
    {"123456789012345678", 123456789012345678.0},
    {"9007199254740993", 0x1p53},
    {"9007199254740993.0000000000000001", 0x1.0000000000001p53},
    {"9007199254740995", 0x1.0000000000002p53},
    {"2.2250738585072011e-308", 0x0.fffffffffffffp-1022},
    {"2.2250738585072012e-308", 0x1p-1022},
    {"2.2250738585072014e-308", 0x1p-1022},
    {"4.9406564584124654e-324", 0x1p-1074},
    {"2.4703282292062327e-324", 0},
    {"2.4703282292062328e-324", 0x1p-1074},
    {"1e-400", 0},
    {"-1e-400", -0.0},
    {"1e-99999999999999999999", 0},
    {"1.7976931348623157e308", 0x1.fffffffffffffp1023},
    {"1.7976931348623158e308", 0x1.fffffffffffffp1023},
    {"179769313486231580793e288", 0x1.fffffffffffffp1023},
    {"0.000000000000000000000000000000000000000000000000000000000001e60", 1},
    {"1000000000000000000000000000000000000000000000000000000000000e-60", 1},
};

TEST(json_doubles_are_rounded_correctly)
{
    for (size_t i = 0; i < ANQA_COUNT(doubles); i++) {
        double value = 4711;

        CHECK_STATUS(
            anqa_json_to_double(of(doubles[i].text), &value), ANQA_OK, "%s", doubles[i].text);
        CHECK(memcmp(&value, &doubles[i].value, sizeof value) == 0, "%s gave %a", doubles[i].text,
            value);
    }
    CHECK_STATUS(anqa_json_to_double(of("1e400"), &(double){0}), ANQA_E_RANGE);
    CHECK_STATUS(
        anqa_json_to_double(of("-1e999999999999999999999999"), &(double){0}), ANQA_E_RANGE);
    CHECK_STATUS(anqa_json_to_double(of("1.7976931348623159e308"), &(double){0}), ANQA_E_RANGE);
    CHECK_STATUS(anqa_json_to_double(of("1.e"), &(double){0}), ANQA_E_PARSE);
    CHECK_STATUS(anqa_json_to_double(of("null"), &(double){0}), ANQA_E_TYPE);
}

/* 2^53 + 1, a tie, with `zeros` zeros behind the point and then `last`. */
static double tie_with_tail(size_t zeros, char last)
{
    static char text[4096];
    double value = 0;

    memcpy(text, "9007199254740993.", 17);
    memset(text + 17, '0', zeros);
    text[17 + zeros] = last;
    CHECK_STATUS(anqa_json_to_double((anqa_json){text, 18 + zeros}, &value), ANQA_OK);
    return value;
}

TEST(json_doubles_see_the_last_of_thousands_of_digits)
{
    for (size_t zeros = 700; zeros < 3000; zeros++) {
        CHECK(tie_with_tail(zeros, '0') == 0x1p53);
        CHECK(tie_with_tail(zeros, '1') == 0x1.0000000000001p53, "%zu zeros", zeros);
    }
}

TEST(json_doubles_agree_with_the_c_library)
{
    for (int round = 0; round < 100000; round++) {
        char text[64];
        size_t len = 0, digits = 1 + harness_random() % 25;
        double value;
        anqa_status s;

        for (size_t i = 0; i < digits; i++) {
            text[len++] = (char)('1' + harness_random() % 9);
            if (i == 0 && digits > 1)
                text[len++] = '.';
        }
        snprintf(text + len, sizeof text - len, "e%d", (int)(harness_random() % 660) - 340);
        s = anqa_json_to_double(of(text), &value);
        if (isinf(strtod(text, NULL)))
            CHECK_STATUS(s, ANQA_E_RANGE, "%s", text);
        else
            CHECK(s == ANQA_OK && value == strtod(text, NULL), "%s", text);
    }
}

static const struct {
    double value;
    const char *text;
} written[] = {
    {0.0, "0"},
    {-0.0, "-0"},
    {1, "1"},
    {-1, "-1"},
    {0.1, "0.1"},
    {0.3, "0.3"},
    {0.1 + 0.2, "0.30000000000000004"},
    {1.5, "1.5"},
    {100, "100"},
    {1e15, "1000000000000000"},
    {1700000000000000.0, "1700000000000000"},
    {9007199254740991.0, "9007199254740991"},
    {1e20, "100000000000000000000"},
    {1e21, "1e+21"},
    {1.5e300, "1.5e+300"},
    {1e-6, "0.000001"},
    {1.5e-7, "1.5e-7"},
    {123.456, "123.456"},
    {1.0 / 3, "0.3333333333333333"},
    {2.0 / 3, "0.6666666666666666"},
    {0x1p-1074, "5e-324"},
    {0x1p-1022, "2.2250738585072014e-308"},
    {0x1.fffffffffffffp1023, "1.7976931348623157e+308"},
    {5e-324, "5e-324"},
    {4.35, "4.35"},
    {0.000001234, "0.000001234"},
    {1e23, "1e+23"},
    {123456789.125, "123456789.125"},
    {9007199254740992.0, "9007199254740992"},
    {-1234567.891, "-1234567.891"},
};

TEST(json_doubles_are_written_short)
{
    for (size_t i = 0; i < ANQA_COUNT(written); i++) {
        char out[32];
        size_t len = json_double_text(written[i].value, out);

        CHECK_STR(anqa_str_make(out, len), written[i].text);
    }
}

static double random_double(void)
{
    uint64_t bits = harness_random();
    double value;

    switch (harness_random() % 4) {
    case 0: return (double)(int64_t)(bits % 2000000000) / 1000 - 1000000;
    case 1: return (double)bits / 0x1p64;
    case 2: bits &= 0x800fffffffffffff; break; /* subnormal */
    }
    memcpy(&value, &bits, sizeof value);
    return isfinite(value) ? value : 1;
}

TEST(json_doubles_read_back_as_they_were_and_none_is_shorter)
{
    for (int round = 0; round < 100000; round++) {
        double value = random_double(), back = 0;
        char out[32], shorter[64];
        size_t len = json_double_text(value, out), digits = 0;

        CHECK_STATUS(anqa_json_check(anqa_str_make(out, len), NULL, NULL), ANQA_OK);
        CHECK_STATUS(anqa_json_to_double((anqa_json){out, len}, &back), ANQA_OK);
        CHECK(memcmp(&value, &back, sizeof value) == 0, "%a", value);
        for (size_t i = 0, zeros = 0; i < len && out[i] != 'e'; i++) {
            if (out[i] == '0')
                zeros += digits != 0; /* counted once another digit follows */
            else if (out[i] >= '1' && out[i] <= '9')
                digits += 1 + zeros, zeros = 0;
        }
        if (digits < 2)
            continue;
        snprintf(shorter, sizeof shorter, "%.*e", (int)digits - 2, value);
        CHECK(strtod(shorter, NULL) != value, "%a: %s is shorter than %.*s", value, shorter,
            (int)len, out);
    }
}

TEST(json_numbers_do_not_know_the_locale)
{
    static const char *const comma_locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    double value = 0;
    char out[32];
    const char *got = NULL;

    for (size_t i = 0; i < ANQA_COUNT(comma_locales) && got == NULL; i++)
        got = setlocale(LC_ALL, comma_locales[i]);
    if (got == NULL)
        SKIP("no locale with a decimal comma is installed");
    CHECK_STATUS(anqa_json_to_double(of("1.2345678901234567890123e-5"), &value), ANQA_OK);
    CHECK(value == 1.2345678901234567890123e-5);
    CHECK_STR(anqa_str_make(out, json_double_text(1.5e300, out)), "1.5e+300");
    CHECK_STR(anqa_str_make(out, json_double_text(0.1 + 0.2, out)), "0.30000000000000004");
}
