#include "http/range.h"

#include "http/request.h"

#include <inttypes.h>

#define UNIT "bytes="

/* Takes a number off the front; more than 19 digits are beyond any file and stand for the largest. False: there is none. */
static bool take_number(anqa_str *text, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t digits = 0;

    while (digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9') {
        unsigned digit = (unsigned)(text->ptr[digits++] - '0');
        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    *text = anqa_str_make(text->ptr + digits, text->len - digits);
    *ret_number = number;
    return digits != 0;
}

/* "-n": the last n bytes. */
static enum range_result last_bytes(anqa_str text, uint64_t size, struct range *ret_range)
{
    uint64_t count;

    if (!take_number(&text, &count) || text.len != 0)
        return RANGE_NONE;
    if (count == 0 || size == 0)
        return RANGE_UNSATISFIABLE;
    ret_range->length = count < size ? count : size;
    ret_range->offset = size - ret_range->length;
    return RANGE_PART;
}

/* "n-m", "n-", "-n". */
static enum range_result one_range(anqa_str text, uint64_t size, struct range *ret_range)
{
    uint64_t first, last = UINT64_MAX;

    if (*text.ptr == '-')
        return last_bytes(anqa_str_make(text.ptr + 1, text.len - 1), size, ret_range);
    if (!take_number(&text, &first) || text.len == 0 || *text.ptr != '-')
        return RANGE_NONE;
    text = anqa_str_make(text.ptr + 1, text.len - 1);
    if (text.len != 0 && (!take_number(&text, &last) || text.len != 0 || last < first))
        return RANGE_NONE;
    if (first >= size)
        return RANGE_UNSATISFIABLE;
    ret_range->offset = first;
    ret_range->length = last - first < size - first ? last - first + 1 : size - first;
    return RANGE_PART;
}

static bool touches(const struct ranges *ranges, const struct range *range)
{
    for (unsigned i = 0; i < ranges->count; i++) {
        const struct range *other = &ranges->at[i];
        if (range->offset < other->offset + other->length &&
            other->offset < range->offset + range->length)
            return true;
    }
    return false;
}

enum range_result ranges_parse(anqa_str value, uint64_t size, struct ranges *ret_ranges)
{
    static const size_t unit = sizeof UNIT - 1;
    struct ranges ranges = {0};
    unsigned asked = 0;
    bool fits = true; /* what is no range anywhere in it makes it none */
    anqa_str text;

    if (value.len <= unit || !request_same_word(anqa_str_make(value.ptr, unit), anqa_str_of(UNIT)))
        return RANGE_NONE;
    value = anqa_str_make(value.ptr + unit, value.len - unit);
    while (request_next_token(&value, &text)) {
        struct range range;
        enum range_result result = one_range(text, size, &range);
        if (result == RANGE_NONE)
            return RANGE_NONE;
        fits = fits && ++asked <= RANGES_MAX;
        if (!fits || result == RANGE_UNSATISFIABLE)
            continue;
        fits = !touches(&ranges, &range);
        ranges.at[ranges.count++] = range;
    }
    if (asked == 0 || !fits)
        return RANGE_NONE;
    if (ranges.count == 0)
        return RANGE_UNSATISFIABLE;
    *ret_ranges = ranges;
    return RANGE_PART;
}

const char *range_write(const struct range *range, uint64_t size, char text[static RANGE_TEXT])
{
    if (range == NULL)
        snprintf(text, RANGE_TEXT, "bytes */%" PRIu64, size);
    else
        snprintf(text, RANGE_TEXT, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range->offset,
            range->offset + range->length - 1, size);
    return text;
}
