/**
 * base/json_scan.h - the steps by which all of json walks through text.
 *
 * Each takes the place where it stands and the end, looks at no byte outside, and returns the place where it arrived; NULL
 * if the text is not what was to be stepped over.
 */
#ifndef ANQA_BASE_JSON_SCAN_H
#define ANQA_BASE_JSON_SCAN_H

#include <anqa/json.h>

#define JSON_ONES 0x0101010101010101u
#define JSON_TOPS 0x8080808080808080u

/* In each of the four: the lowest byte whose top bit is set is one of those looked for, and none below it is. Higher ones may
 * be wrong, because a subtraction borrows. Both platforms are little endian, so "lowest" is the first in the text. */
static inline uint64_t json_bytes_equal(uint64_t word, unsigned char byte)
{
    uint64_t x = word ^ byte * JSON_ONES;

    return (x - JSON_ONES) & ~x & JSON_TOPS;
}

static inline uint64_t json_bytes_control(uint64_t word)
{
    return (word - 0x20 * JSON_ONES) & ~word & JSON_TOPS;
}

/* What ends a run of characters that can be passed over: quote, backslash. */
static inline uint64_t json_stops(uint64_t word)
{
    return json_bytes_equal(word, '"') | json_bytes_equal(word, '\\');
}

/* The same for unchecked text, where control characters and all beyond ASCII need a look too. */
static inline uint64_t json_strict_stops(uint64_t word)
{
    return json_stops(word) | json_bytes_control(word) | (word & JSON_TOPS);
}

static inline bool json_is_stop(char c)
{
    return c == '"' || c == '\\';
}

static inline bool json_is_strict_stop(char c)
{
    return json_is_stop(c) || (signed char)c < 0x20; /* negative: beyond ASCII */
}

static inline const char *json_find_stop(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word, stops;

        memcpy(&word, at, sizeof word);
        stops = json_stops(word);
        if (stops != 0)
            return at + (__builtin_ctzll(stops) >> 3);
        at += 8;
    }
    while (at < end && !json_is_stop(*at))
        at++;
    return at;
}

static inline const char *json_find_strict_stop(const char *at, const char *end)
{
    while (end - at >= 8) {
        uint64_t word, stops;

        memcpy(&word, at, sizeof word);
        stops = json_strict_stops(word);
        if (stops != 0)
            return at + (__builtin_ctzll(stops) >> 3);
        at += 8;
    }
    while (at < end && !json_is_strict_stop(*at))
        at++;
    return at;
}

static inline bool json_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *json_skip_blanks(const char *at, const char *end)
{
    while (at < end && json_is_blank(*at))
        at++;
    return at;
}

static inline const char *json_skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/** From behind the opening quote to the closing one. *plain becomes false if there are escapes on the way. */
static inline const char *json_string_end(const char *at, const char *end, bool *plain)
{
    for (;;) {
        at = json_find_stop(at, end);
        if (at == end)
            return NULL;
        if (*at == '"')
            return at;
        *plain = false;
        if (end - at < 2)
            return NULL;
        at += 2;
    }
}

/**
 * Checks a text as anqa_json_check does, with the default limits, and notes on the way where the first `room` elements of
 * the array lie that it must be. ret_found: how many there are, at most `room`.   Fails: as that; E_TYPE (no array).
 */
anqa_status json_check_elements(anqa_str text, anqa_str *elements, size_t room, size_t *ret_found,
    anqa_error *err) ANQA_MUST_CHECK;

/** From the opening bracket or brace of an array or object to behind the closing one. */
const char *json_skip_container(const char *at, const char *end);

/** From the first character of a value to behind its last. */
const char *json_skip_value(const char *at, const char *end);

/**
 * From a number's first character to behind its last, by RFC 8259's grammar.
 * ret_stuck: where it does not go on, if NULL is returned; a digit was expected.
 */
const char *json_number_end(const char *at, const char *end, const char **ret_stuck);

/** From behind a backslash to behind the escape, and what character it stands for. */
const char *json_escape_end(const char *at, const char *end, uint32_t *ret_point);

/** The text of a number; returns its length. */
size_t json_uint_text(uint64_t value, char out[static 20]);

/** The text of a double that is finite; returns its length. */
size_t json_double_text(double value, char out[static 32]);

#endif
