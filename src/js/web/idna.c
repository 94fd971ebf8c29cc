#include "js/web/idna.h"

#include <string.h>

#include "idna_table.h"

enum {
    VALID = 1,
    MAPPED = 2,
    IGNORED = 3,
    STATUS = 3,
    /* of what is valid: */
    MARK = 4,
    VIRAMA = 8,
    JOINS_NEXT = 16, /* with what comes behind it */
    JOINS_LAST = 32, /* with what was before it */
    TRANSPARENT = 64,
    BIDI_SHIFT = 7,
    BIDI = 7
};
enum { BIDI_L = 1, BIDI_RTL, BIDI_EN, BIDI_AN, BIDI_NSM, BIDI_NEUTRAL };
enum { NON_JOINER = 0x200c, JOINER = 0x200d };

static uint32_t what_of(uint32_t c)
{
    size_t low = 0, high = ANQA_COUNT(idna_first);

    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (idna_first[middle] <= c)
            low = middle;
        else
            high = middle;
    }
    return idna_what[low];
}

static bool add(struct idna_name *name, uint32_t c)
{
    if (name->count == IDNA_CHARACTERS_MAX)
        return false;
    name->at[name->count++] = c;
    return true;
}

/* ---------------------------------------------------------------- UTF-8 */

static uint32_t next_character(anqa_str text, size_t *at)
{
    uint8_t first = (uint8_t)text.ptr[(*at)++];
    int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t c = more == 0 ? first : first & (0x3fu >> more);

    for (; more > 0 && *at < text.len; more--)
        c = c << 6 | ((uint8_t)text.ptr[(*at)++] & 0x3fu);
    return c;
}

bool idna_read(anqa_str text, struct idna_name *name)
{
    size_t at = 0;

    name->count = 0;
    while (at < text.len)
        if (!add(name, next_character(text, &at)))
            return false;
    return true;
}

size_t idna_write(const struct idna_name *name, char *to)
{
    char *at = to;

    for (size_t i = 0; i < name->count; i++) {
        uint32_t c = name->at[i];
        if (c < 0x80) {
            *at++ = (char)c;
            continue;
        }
        if (c < 0x800) {
            *at++ = (char)(0xc0 | c >> 6);
        } else {
            if (c < 0x10000) {
                *at++ = (char)(0xe0 | c >> 12);
            } else {
                *at++ = (char)(0xf0 | c >> 18);
                *at++ = (char)(0x80 | (c >> 12 & 0x3f));
            }
            *at++ = (char)(0x80 | (c >> 6 & 0x3f));
        }
        *at++ = (char)(0x80 | (c & 0x3f));
    }
    return (size_t)(at - to);
}

/* ---------------------------------------------------------------- mapping */

bool idna_map(anqa_str text, struct idna_name *name)
{
    size_t at = 0;

    name->count = 0;
    while (at < text.len) {
        uint32_t c = next_character(text, &at), what = what_of(c);
        bool ok = true;
        switch (what & STATUS) {
        case VALID: ok = add(name, c); break;
        case MAPPED:
            for (uint32_t i = 0; ok && i < (what >> 2 & 31); i++)
                ok = add(name, idna_maps[(what >> 7) + i]);
            break;
        case IGNORED: break;
        default: ok = false;
        }
        if (!ok)
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------- Punycode (RFC 3492) */

enum { BASE = 36, T_MIN = 1, T_MAX = 26, SKEW = 38, DAMP = 700, BIAS = 72, FIRST = 0x80 };

static uint32_t adapt(uint32_t delta, uint32_t count, bool first)
{
    uint32_t k = 0;

    delta = first ? delta / DAMP : delta / 2;
    delta += delta / count;
    for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
    return k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
}

struct writer {
    char *to;
    size_t size, len;
};

static bool put(struct writer *w, uint32_t c)
{
    if (w->len == w->size)
        return false;
    w->to[w->len++] = (char)c;
    return true;
}

static bool put_number(struct writer *w, uint32_t q, uint32_t bias)
{
    bool ok = true;

    for (uint32_t k = BASE; ok; k += BASE) {
        uint32_t t = threshold(k, bias), digit;
        if (q < t)
            break;
        digit = t + (q - t) % (BASE - t);
        ok = put(w, digit < 26 ? 'a' + digit : '0' + digit - 26);
        q = (q - t) / (BASE - t);
    }
    return ok && put(w, q < 26 ? 'a' + q : '0' + q - 26);
}

static bool encode(const uint32_t *label, size_t count, struct writer *w)
{
    uint32_t n = FIRST, bias = BIAS, basic = 0, done;
    uint64_t delta = 0;

    for (size_t i = 0; i < count; i++)
        if (label[i] < 0x80) {
            if (!put(w, label[i]))
                return false;
            basic++;
        }
    if (basic > 0 && !put(w, '-'))
        return false;
    for (done = basic; done < count; n++, delta++) {
        uint32_t next = UINT32_MAX;
        for (size_t i = 0; i < count; i++)
            if (label[i] >= n && label[i] < next)
                next = label[i];
        delta += (uint64_t)(next - n) * (done + 1);
        n = next;
        for (size_t i = 0; i < count; i++) {
            delta += label[i] < n;
            if (label[i] != n)
                continue;
            if (delta > UINT32_MAX || !put_number(w, (uint32_t)delta, bias))
                return false;
            bias = adapt((uint32_t)delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
    }
    return true;
}

static int digit_of(uint32_t c)
{
    if (c >= 'a' && c <= 'z')
        return (int)(c - 'a');
    if (c >= 'A' && c <= 'Z')
        return (int)(c - 'A');
    return c >= '0' && c <= '9' ? (int)(c - '0') + 26 : -1;
}

/* A number of variable length (RFC 3492, 3.3), added to *i. */
static bool decode_number(
    const uint32_t *from, size_t count, size_t *at, uint32_t bias, uint64_t *i)
{
    uint64_t weight = 1;

    for (uint32_t k = BASE;; k += BASE) {
        int digit = *at < count ? digit_of(from[(*at)++]) : -1;
        uint32_t t = threshold(k, bias);
        if (digit < 0)
            return false;
        *i += (uint64_t)digit * weight;
        if (*i > UINT32_MAX)
            return false;
        if ((uint32_t)digit < t)
            return true;
        weight *= BASE - t;
        if (weight > UINT32_MAX)
            return false;
    }
}

static bool decode(const uint32_t *from, size_t count, struct idna_name *label)
{
    uint64_t n = FIRST, i = 0;
    uint32_t bias = BIAS;
    size_t at = count;

    label->count = 0;
    while (at > 0 && from[at - 1] != '-')
        at--;
    for (size_t k = 0; at > 0 && k < at - 1; k++)
        if (!add(label, from[k]))
            return false;
    while (at < count) {
        uint64_t old = i;
        if (!decode_number(from, count, &at, bias, &i))
            return false;
        if (label->count == IDNA_CHARACTERS_MAX)
            return false;
        bias = adapt((uint32_t)(i - old), (uint32_t)label->count + 1, old == 0);
        n += i / (label->count + 1);
        i %= label->count + 1;
        if (n > 0x10ffff)
            return false;
        memmove(label->at + i + 1, label->at + i, (label->count - i) * sizeof label->at[0]);
        label->at[i++] = (uint32_t)n;
        label->count++;
    }
    return true;
}

/* ---------------------------------------------------------------- labels */

static uint32_t bidi_of(uint32_t c)
{
    return what_of(c) >> BIDI_SHIFT & BIDI;
}

/* RFC 5892, appendix A. */
static bool joins(const uint32_t *label, size_t count, size_t i)
{
    size_t before = i, after = i + 1;

    if (i > 0 && (what_of(label[i - 1]) & VIRAMA) != 0)
        return true;
    if (label[i] == JOINER)
        return false;
    while (before > 0 && (what_of(label[before - 1]) & TRANSPARENT) != 0)
        before--;
    while (after < count && (what_of(label[after]) & TRANSPARENT) != 0)
        after++;
    return before > 0 && (what_of(label[before - 1]) & JOINS_NEXT) != 0 && after < count &&
           (what_of(label[after]) & JOINS_LAST) != 0;
}

/* RFC 5893, section 2. */
static bool directions_fit(const uint32_t *label, size_t count)
{
    uint32_t first = bidi_of(label[0]), last;
    bool rtl = first == BIDI_RTL, european = false, arabic = false;

    if (!rtl && first != BIDI_L)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t bidi = bidi_of(label[i]);
        if (bidi == 0 || bidi == (rtl ? BIDI_L : BIDI_RTL) || (!rtl && bidi == BIDI_AN))
            return false;
        european = european || bidi == BIDI_EN;
        arabic = arabic || bidi == BIDI_AN;
    }
    while (count > 1 && bidi_of(label[count - 1]) == BIDI_NSM)
        count--;
    last = bidi_of(label[count - 1]);
    if (rtl)
        return !(european && arabic) && (last == BIDI_RTL || last == BIDI_EN || last == BIDI_AN);
    return last == BIDI_L || last == BIDI_EN;
}

static bool is_puny(const uint32_t *label, size_t count)
{
    return count >= 4 && label[0] == 'x' && label[1] == 'n' && label[2] == '-' && label[3] == '-';
}

static bool is_ascii(const uint32_t *label, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (label[i] >= 0x80)
            return false;
    return true;
}

static bool is_valid(const uint32_t *label, size_t count, bool bidi)
{
    if (count == 0)
        return true;
    if (is_puny(label, count) || (what_of(label[0]) & (STATUS | MARK)) == (VALID | MARK))
        return false;
    for (size_t i = 0; i < count; i++)
        if ((what_of(label[i]) & STATUS) != VALID || label[i] == '.' ||
            ((label[i] == NON_JOINER || label[i] == JOINER) && !joins(label, count, i)))
            return false;
    return !bidi || directions_fit(label, count);
}

/* Whether one character of the label is written from right to left, or is an Arabic digit. */
static bool has_rtl(const uint32_t *label, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t what = what_of(label[i]), bidi = what >> BIDI_SHIFT & BIDI;
        if ((what & STATUS) == VALID && (bidi == BIDI_RTL || bidi == BIDI_AN))
            return true;
    }
    return false;
}

static size_t label_length(const struct idna_name *name, size_t at)
{
    size_t end = at;

    while (end < name->count && name->at[end] != '.')
        end++;
    return end - at;
}

static bool is_bidi(const struct idna_name *name, struct idna_name *decoded)
{
    for (size_t at = 0; at <= name->count;) {
        size_t count = label_length(name, at);
        const uint32_t *label = name->at + at;
        if (is_puny(label, count)
                ? decode(label + 4, count - 4, decoded) && has_rtl(decoded->at, decoded->count)
                : has_rtl(label, count))
            return true;
        at += count + 1;
    }
    return false;
}

static bool put_label(struct writer *w, const uint32_t *label, size_t count)
{
    bool ok = true;

    if (!is_ascii(label, count))
        return put(w, 'x') && put(w, 'n') && put(w, '-') && put(w, '-') && encode(label, count, w);
    for (size_t i = 0; ok && i < count; i++)
        ok = put(w, label[i]);
    return ok;
}

bool idna_ascii(
    const struct idna_name *name, struct idna_name *scratch, char *to, size_t size, size_t *ret_len)
{
    struct writer w = {to, size, 0};
    bool bidi = is_bidi(name, scratch);

    for (size_t at = 0; at <= name->count;) {
        size_t count = label_length(name, at);
        const uint32_t *label = name->at + at;
        if (at > 0 && !put(&w, '.'))
            return false;
        if (is_puny(label, count)) {
            if (!decode(label + 4, count - 4, scratch) || is_ascii(scratch->at, scratch->count) ||
                !is_valid(scratch->at, scratch->count, bidi))
                return false;
        } else if (!is_valid(label, count, bidi)) {
            return false;
        }
        if (!put_label(&w, label, count))
            return false;
        at += count + 1;
    }
    *ret_len = w.len;
    return true;
}
