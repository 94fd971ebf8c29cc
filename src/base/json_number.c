#include "base/json_scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char *json_number_end(const char *at, const char *end, const char **ret_stuck)
{
    const char *from;

    if (at < end && *at == '-')
        at++;
    from = at;
    if (at < end && *at == '0')
        at++; /* nothing may follow a leading zero */
    else
        at = json_skip_digits(at, end);
    if (at == from)
        goto stuck;
    if (at < end && *at == '.') {
        from = ++at;
        at = json_skip_digits(at, end);
        if (at == from)
            goto stuck;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        from = at;
        at = json_skip_digits(at, end);
        if (at == from)
            goto stuck;
    }
    return at;
stuck:
    *ret_stuck = at;
    return NULL;
}

/* ---------------------------------------------------------------- taking a number apart */

/* A number is its digits, read as an integer without the point, times ten to the power of `exponent`. */
struct decimal {
    const char *at,
        *end; /* digits, at most one '.' among them; neither begins nor ends with '0', empty for zero */
    int64_t exponent;
    bool negative;
};

/* Far beyond any length of text, far below an overflow. */
#define EXPONENT_MAX ((int64_t)1 << 60)

static int64_t read_exponent(const char *at, const char *end)
{
    bool negative = false;
    int64_t value = 0;

    if (at == end)
        return 0;
    at++; /* e */
    if (*at == '+' || *at == '-')
        negative = *at++ == '-';
    for (; at < end; at++)
        value = value < EXPONENT_MAX / 10 ? value * 10 + (*at - '0') : EXPONENT_MAX;
    return negative ? -value : value;
}

/* Drops zeros that only pad; a point that comes to stand at either end goes too. */
static void trim_zeros(struct decimal *d)
{
    while (d->at < d->end && (*d->at == '0' || *d->at == '.'))
        d->at++;
    while (d->end > d->at && (d->end[-1] == '0' || d->end[-1] == '.')) {
        d->end--;
        if (*d->end == '0')
            d->exponent++;
    }
}

static void take_apart(anqa_str text, struct decimal *d)
{
    const char *end = text.ptr + text.len, *point;

    d->at = text.ptr;
    d->negative = *d->at == '-';
    if (d->negative)
        d->at++;
    d->end = json_skip_digits(d->at, end);
    point = NULL;
    if (d->end < end && *d->end == '.') {
        point = d->end;
        d->end = json_skip_digits(point + 1, end);
    }
    d->exponent = read_exponent(d->end, end);
    if (point != NULL)
        d->exponent -= d->end - (point + 1);
    trim_zeros(d);
}

anqa_status anqa_json_number_text(anqa_json json, anqa_str *ret_text)
{
    const char *end, *stuck;

    if (anqa_json_type_of(json) != ANQA_JSON_IS_NUMBER)
        return ANQA_E_TYPE;
    json = anqa_json_of(anqa_json_text(json));
    end = json.ptr + json.len;
    if (json_number_end(json.ptr, end, &stuck) != end)
        return ANQA_E_PARSE;
    *ret_text = anqa_json_text(json);
    return ANQA_OK;
}

/* ---------------------------------------------------------------- integers */

static anqa_status times_power_of_ten(uint64_t *value, int64_t exponent)
{
    for (; exponent > 0; exponent--) /* ends after 20 rounds: the value is not 0 */
        if (__builtin_mul_overflow(*value, 10, value))
            return ANQA_E_RANGE;
    return ANQA_OK;
}

static anqa_status magnitude(const struct decimal *d, uint64_t *ret_value)
{
    uint64_t value = 0;

    *ret_value = 0;
    if (d->at == d->end)
        return ANQA_OK;
    if (d->exponent < 0)
        return ANQA_E_TYPE;
    for (const char *p = d->at; p < d->end; p++)
        if (*p != '.' && (__builtin_mul_overflow(value, 10, &value) ||
                             __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)))
            return ANQA_E_RANGE;
    *ret_value = value;
    return times_power_of_ten(ret_value, d->exponent);
}

/* Nearly every number asked for: up to 18 digits, which cannot overflow, and nothing else. */
static inline bool simple_integer(anqa_json json, int64_t *ret_value)
{
    bool negative;
    size_t len;
    int64_t value = 0;

    if (json.len == 0 || json.len > 19)
        return false;
    negative = json.ptr[0] == '-';
    len = json.len - negative;
    if (len == 0 || len > 18 || (json.ptr[negative] == '0' && len > 1))
        return false;
    for (size_t i = negative; i < json.len; i++) {
        unsigned digit = (unsigned char)json.ptr[i] - (unsigned)'0';
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    *ret_value = negative ? -value : value;
    return true;
}

static anqa_status any_integer(anqa_json json, uint64_t *ret_magnitude, bool *ret_negative)
{
    struct decimal d;
    anqa_str text;
    anqa_status s = anqa_json_number_text(json, &text);

    if (s != ANQA_OK)
        return s;
    take_apart(text, &d);
    *ret_negative = d.negative;
    return magnitude(&d, ret_magnitude);
}

anqa_status anqa_json_to_int(anqa_json json, int64_t *ret_value)
{
    uint64_t value;
    bool negative;
    anqa_status s;

    if (simple_integer(json, ret_value))
        return ANQA_OK;
    s = any_integer(json, &value, &negative);
    if (s != ANQA_OK)
        return s;
    if (value > (uint64_t)INT64_MAX + negative)
        return ANQA_E_RANGE;
    *ret_value = negative ? (int64_t)-value : (int64_t)value;
    return ANQA_OK;
}

anqa_status anqa_json_to_uint(anqa_json json, uint64_t *ret_value)
{
    int64_t simple;
    uint64_t value;
    bool negative;
    anqa_status s;

    if (simple_integer(json, &simple) && simple >= 0) {
        *ret_value = (uint64_t)simple;
        return ANQA_OK;
    }
    s = any_integer(json, &value, &negative);
    if (s != ANQA_OK)
        return s;
    if (negative && value != 0)
        return ANQA_E_RANGE;
    *ret_value = value;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- doubles */

static const double powers[] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22, /* the last one that a double holds exactly */
};
#define EXACT_POWER 22
#define EXACT_INTEGER ((uint64_t)1 << 53)

/*
 * Both operands are exact, so the one operation rounds once and its result is the nearest double. This covers what people
 * and programs write as a rule; the rest takes the long way.
 */
static bool short_double(const struct decimal *d, double *ret_value)
{
    uint64_t value = 0;

    if (d->end - d->at > 18 || d->exponent < -EXACT_POWER || d->exponent > EXACT_POWER)
        return false;
    for (const char *p = d->at; p < d->end; p++)
        if (*p != '.')
            value = value * 10 + (uint64_t)(*p - '0');
    if (value > EXACT_INTEGER)
        return false;
    *ret_value = d->exponent < 0 ? (double)value / powers[-d->exponent]
                                 : (double)value * powers[d->exponent];
    return true;
}

/*
 * What lies exactly between two doubles has at most 767 digits that are not padding; so that many decide, and of the
 * others only whether there are any. strtod gets no decimal point: what it takes for one depends on the locale.
 */
#define DIGITS_MAX 770
#define EXPONENT_FAR 2000 /* digits up to DIGITS_MAX cannot bring this back into a double's range */

static double long_double(const struct decimal *d)
{
    char text[DIGITS_MAX + 16];
    size_t len = 0;
    int64_t exponent = d->exponent;

    for (const char *p = d->at; p < d->end; p++) {
        if (*p == '.')
            continue;
        if (len < DIGITS_MAX)
            text[len++] = *p;
        else
            exponent++;
    }
    if (exponent > d->exponent)
        text[len - 1] =
            '1'; /* the last digit that was left out is not 0: this one need only be off zero */
    if (exponent > EXPONENT_FAR)
        return HUGE_VAL;
    if (exponent < -EXPONENT_FAR)
        return 0;
    snprintf(text + len, sizeof text - len, "e%d", (int)exponent);
    return strtod(text, NULL);
}

anqa_status anqa_json_to_double(anqa_json json, double *ret_value)
{
    struct decimal d;
    anqa_str text;
    double value = 0;
    anqa_status s = anqa_json_number_text(json, &text);

    if (s != ANQA_OK)
        return s;
    take_apart(text, &d);
    if (d.at != d.end && !short_double(&d, &value))
        value = long_double(&d);
    if (isinf(value))
        return ANQA_E_RANGE;
    *ret_value = d.negative ? -value : value;
    return ANQA_OK;
}

/* ---------------------------------------------------------------- texts of numbers */

size_t json_uint_text(uint64_t value, char out[static 20])
{
    char reversed[20];
    size_t len = 0;

    do
        reversed[len++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    for (size_t i = 0; i < len; i++)
        out[i] = reversed[len - 1 - i];
    return len;
}

struct digits {
    char ptr[24];
    size_t len;
    int point; /* where the decimal point stands, in digits from the first */
};

static void set_digits(struct digits *d, uint64_t value)
{
    d->len = json_uint_text(value, d->ptr);
}

static void drop_zeros(struct digits *d)
{
    while (d->len > 1 && d->ptr[d->len - 1] == '0')
        d->len--;
}

/*
 * Looks for the fewest decimals: value * 10^k rounded to an integer, that divided again. As both are exact (see
 * short_double) the quotient is what a reader will make of the text. Below 2^50 the error of the product is under an
 * eighth, so that the right integer is not missed and the result is the shortest.
 */
static bool few_decimals(double value, struct digits *d)
{
    for (int k = 0; k <= EXACT_POWER; k++) {
        double scaled = value * powers[k];
        uint64_t rounded;

        if (scaled >= (k == 0 ? 0x1p53 : 0x1p50))
            return false;
        rounded = k == 0 ? (uint64_t)scaled : (uint64_t)(scaled + 0.5);
        if ((double)rounded / powers[k] == value) {
            set_digits(d, rounded);
            d->point = (int)d->len - k;
            drop_zeros(d);
            return true;
        }
    }
    return false;
}

/* Digits and exponent from "d.ddde-xx", whatever the locale has for a point. */
static void read_scientific(const char *text, struct digits *d)
{
    d->len = 0;
    for (; *text != 'e'; text++)
        if (*text >= '0' && *text <= '9')
            d->ptr[d->len++] = *text;
    d->point = (int)strtol(text + 1, NULL, 10) + 1;
    drop_zeros(d);
}

static size_t lay_out(const struct digits *d, bool negative, char out[static 32])
{
    char *p = out;
    int len = (int)d->len;

    if (negative)
        *p++ = '-';
    if (d->point > 21 || d->point < -5) { /* d.ddde+xx */
        *p++ = d->ptr[0];
        if (len > 1) {
            *p++ = '.';
            memcpy(p, d->ptr + 1, d->len - 1);
            p += len - 1;
        }
        p += snprintf(p, (size_t)(out + 32 - p), "e%+d", d->point - 1);
    } else if (d->point <= 0) { /* 0.000ddd */
        *p++ = '0';
        *p++ = '.';
        for (int i = d->point; i < 0; i++)
            *p++ = '0';
        memcpy(p, d->ptr, d->len);
        p += len;
    } else { /* ddd.ddd or ddd000 */
        for (int i = 0; i < len || i < d->point; i++) {
            if (i == d->point)
                *p++ = '.';
            *p++ = (char)(i < len ? d->ptr[i] : '0');
        }
    }
    return (size_t)(p - out);
}

/* 15 digits are the shortest text of every normal double that has one so short; subnormals may have a shorter one. */
static void many_digits(double value, struct digits *d)
{
    char text[40];

    for (int precision = value < 0x1p-1022 ? 0 : 14; precision <= 16; precision++) {
        double back;
        size_t len;

        snprintf(text, sizeof text, "%.*e", precision, value);
        read_scientific(text, d);
        len = lay_out(d, false, text);
        if (anqa_json_to_double((anqa_json){text, len}, &back) == ANQA_OK && back == value)
            return;
    }
}

size_t json_double_text(double value, char out[static 32])
{
    bool negative = signbit(value) != 0;
    struct digits d = {0};

    value = fabs(value);
    if (!few_decimals(value, &d))
        many_digits(value, &d);
    return lay_out(&d, negative, out);
}
