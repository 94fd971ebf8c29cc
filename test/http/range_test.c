#include "http/range.h"

#include "harness.h"

static const struct {
    const char *value;
    uint64_t size;
    enum range_result result;
    uint64_t offset, length;
} cases[] = {
    {"bytes=0-0", 10, RANGE_PART, 0, 1},
    {"bytes=2-5", 10, RANGE_PART, 2, 4},
    {"bytes=2-", 10, RANGE_PART, 2, 8},
    {"bytes=2-100", 10, RANGE_PART, 2, 8},
    {"bytes=9-9", 10, RANGE_PART, 9, 1},
    {"bytes=-4", 10, RANGE_PART, 6, 4},
    {"bytes=-40", 10, RANGE_PART, 0, 10},
    {"Bytes= 2-5 ", 10, RANGE_PART, 2, 4},
    {"bytes=0-18446744073709551615", 10, RANGE_PART, 0, 10},
    {"bytes=0-99999999999999999999999", 10, RANGE_PART, 0, 10},
    {"bytes=10-", 10, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=99999999999999999999999-", 10, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=-1", 0, RANGE_UNSATISFIABLE, 0, 0},
    {"bytes=5-2", 10, RANGE_NONE, 0, 0},
    {"bytes=0-1,4-5", 10, RANGE_NONE, 0, 0},
    {"bytes=", 10, RANGE_NONE, 0, 0},
    {"bytes=-", 10, RANGE_NONE, 0, 0},
    {"bytes=a-b", 10, RANGE_NONE, 0, 0},
    {"bytes=1", 10, RANGE_NONE, 0, 0},
    {"bytes=1-2x", 10, RANGE_NONE, 0, 0},
    {"bytes=--1", 10, RANGE_NONE, 0, 0},
    {"bytes 0-1", 10, RANGE_NONE, 0, 0},
    {"lines=0-1", 10, RANGE_NONE, 0, 0},
    {"", 10, RANGE_NONE, 0, 0},
};

TEST(one_range_is_understood_and_all_else_is_the_whole_file)
{
    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        struct range range = {0};
        CHECK_EQ(range_parse(anqa_str_of(cases[i].value), cases[i].size, &range), cases[i].result,
            "%s", cases[i].value);
        CHECK_EQ(range.offset, cases[i].offset, "%s", cases[i].value);
        CHECK_EQ(range.length, cases[i].length, "%s", cases[i].value);
    }
}

TEST(a_range_is_written_as_its_first_and_last_byte)
{
    char text[RANGE_TEXT];

    CHECK_STR(range_write(&(struct range){2, 4}, 10, text), "bytes 2-5/10");
    CHECK_STR(range_write(NULL, 10, text), "bytes */10");
    CHECK_STR(range_write(&(struct range){0, UINT64_MAX}, UINT64_MAX, text),
        "bytes 0-18446744073709551614/18446744073709551615");
}
