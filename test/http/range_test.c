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

TEST(one_range_is_understood_and_what_is_none_is_the_whole_file)
{
    for (size_t i = 0; i < ANQA_COUNT(cases); i++) {
        struct ranges ranges = {0};
        CHECK_EQ(ranges_parse(anqa_str_of(cases[i].value), cases[i].size, &ranges), cases[i].result,
            "%s", cases[i].value);
        CHECK_EQ(ranges.count, cases[i].result == RANGE_PART ? 1 : 0, "%s", cases[i].value);
        CHECK_EQ(ranges.at[0].offset, cases[i].offset, "%s", cases[i].value);
        CHECK_EQ(ranges.at[0].length, cases[i].length, "%s", cases[i].value);
    }
}

#define SIXTEEN \
    "0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30"

/* Of a file of 100 bytes. */
static const struct {
    const char *value;
    enum range_result result;
    unsigned count;
    struct range first, last;
} lists[] = {
    {"bytes=0-1,4-5", RANGE_PART, 2, {0, 2}, {4, 2}},
    {"bytes=4-5,0-1", RANGE_PART, 2, {4, 2}, {0, 2}},
    {"bytes= 0-1 ,\t4-5 ", RANGE_PART, 2, {0, 2}, {4, 2}},
    {"bytes=,0-1,,4-5,", RANGE_PART, 2, {0, 2}, {4, 2}},
    {"bytes=0-1,2-3", RANGE_PART, 2, {0, 2}, {2, 2}},
    {"bytes=0-1,-1", RANGE_PART, 2, {0, 2}, {99, 1}},
    {"bytes=0-1,98-", RANGE_PART, 2, {0, 2}, {98, 2}},
    {"bytes=0-1,100-", RANGE_PART, 1, {0, 2}, {0, 2}},
    {"bytes=200-300,0-1", RANGE_PART, 1, {0, 2}, {0, 2}},
    {"bytes=100-,200-300,-0", RANGE_UNSATISFIABLE, 0, {0, 0}, {0, 0}},
    {"bytes=0-1,1-2", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=0-,5-6", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=5-6,0-", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=0-1,0-1", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=90-,-5", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=0-1,x", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=0-1,5-2", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=0-1;4-5", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=,,", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=" SIXTEEN, RANGE_PART, 16, {0, 1}, {30, 1}},
    {"bytes=" SIXTEEN ",32-32", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=" SIXTEEN ",200-300", RANGE_NONE, 0, {0, 0}, {0, 0}},
    {"bytes=" SIXTEEN ",32-32,x", RANGE_NONE, 0, {0, 0}, {0, 0}},
};

TEST(several_ranges_are_taken_if_they_are_few_and_have_no_byte_in_common)
{
    for (size_t i = 0; i < ANQA_COUNT(lists); i++) {
        struct ranges ranges = {0};
        CHECK_EQ(ranges_parse(anqa_str_of(lists[i].value), 100, &ranges), lists[i].result, "%s",
            lists[i].value);
        CHECK_EQ(ranges.count, lists[i].count, "%s", lists[i].value);
        if (ranges.count == 0)
            continue;
        CHECK_EQ(ranges.at[0].offset, lists[i].first.offset, "%s", lists[i].value);
        CHECK_EQ(ranges.at[0].length, lists[i].first.length, "%s", lists[i].value);
        CHECK_EQ(ranges.at[ranges.count - 1].offset, lists[i].last.offset, "%s", lists[i].value);
        CHECK_EQ(ranges.at[ranges.count - 1].length, lists[i].last.length, "%s", lists[i].value);
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
