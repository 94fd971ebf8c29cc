#include "http/token_term.h"

#include "base/clock.h"

#include <inttypes.h>

#include <anqa/memory.h>

#define MAX_AGE_S 86400

enum {
    TERM_VERSION = 131,
    TERM_TUPLE = 104,
    TERM_BINARY = 109,
    TERM_BYTE = 97,
    TERM_INT = 98,
    TERM_BIG = 110,
    TERM_ATOM_LATIN1 = 100, /* until OTP 25 */
    TERM_ATOM = 119,
    TERM_OVERHEAD = 32 /* of what `write_term` writes, beside the data */
};

static const char infinity[] = "infinity";

struct writer {
    unsigned char *at;
};

static void put(struct writer *w, unsigned byte)
{
    *w->at++ = (unsigned char)byte;
}

static void put_u32(struct writer *w, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        put(w, value >> shift & 0xff);
}

static void put_number(struct writer *w, uint64_t value)
{
    if (value <= UINT8_MAX) {
        put(w, TERM_BYTE);
        put(w, (unsigned)value);
    } else if (value <= INT32_MAX) {
        put(w, TERM_INT);
        put_u32(w, (uint32_t)value);
    } else {
        unsigned char *count;
        put(w, TERM_BIG);
        count = w->at++;
        put(w, 0); /* not negative */
        for (*count = 0; value != 0; value >>= 8, ++*count)
            put(w, value & 0xff);
    }
}

static void put_max_age(struct writer *w, uint32_t max_age_s)
{
    if (max_age_s != ANQA_INFINITY) {
        put_number(w, max_age_s);
        return;
    }
    put(w, TERM_ATOM);
    put(w, sizeof infinity - 1);
    memcpy(w->at, infinity, sizeof infinity - 1);
    w->at += sizeof infinity - 1;
}

anqa_str token_term_write(anqa_str data, const anqa_token_opts *opts)
{
    unsigned char *term = anqa_arena_alloc(anqa_tmp(), data.len + TERM_OVERHEAD);
    struct writer w = {term};

    put(&w, TERM_VERSION);
    put(&w, TERM_TUPLE);
    put(&w, 3);
    put(&w, TERM_BINARY);
    put_u32(&w, (uint32_t)data.len);
    if (data.len > 0)
        memcpy(w.at, data.ptr, data.len);
    w.at += data.len;
    put_number(&w, opts->signed_at_s != 0 ? opts->signed_at_s * 1000 : clock_wall_ms());
    put_max_age(&w, opts->max_age_s != 0 ? opts->max_age_s : MAX_AGE_S);
    return anqa_str_make((const char *)term, (size_t)(w.at - term));
}

struct reader {
    const unsigned char *at, *end;
};

/* The next `len` bytes; false: there are not so many. */
static bool take(struct reader *r, size_t len, const unsigned char **ret_at)
{
    if ((size_t)(r->end - r->at) < len)
        return false;
    *ret_at = r->at;
    r->at += len;
    return true;
}

static uint64_t big_endian(const unsigned char *at, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | at[i];
    return value;
}

/* A length or a small number of `size` bytes. */
static bool take_number(struct reader *r, size_t size, uint64_t *ret_value)
{
    const unsigned char *at;

    if (!take(r, size, &at))
        return false;
    *ret_value = big_endian(at, size);
    return true;
}

static bool take_big(struct reader *r, int64_t *ret_value)
{
    const unsigned char *head, *digits;
    uint64_t value = 0;

    if (!take(r, 2, &head) || head[0] > 8 || !take(r, head[0], &digits))
        return false;
    for (size_t i = head[0]; i > 0; i--)
        value = value << 8 | digits[i - 1];
    if (value > INT64_MAX)
        return false;
    *ret_value = head[1] != 0 ? -(int64_t)value : (int64_t)value;
    return true;
}

static bool take_integer(struct reader *r, unsigned tag, int64_t *ret_value)
{
    uint64_t value;

    if (tag == TERM_BIG)
        return take_big(r, ret_value);
    if ((tag != TERM_BYTE && tag != TERM_INT) || !take_number(r, tag == TERM_BYTE ? 1 : 4, &value))
        return false;
    *ret_value = tag == TERM_BYTE ? (int64_t)value : (int32_t)value;
    return true;
}

static bool take_data(struct reader *r, anqa_str *ret_data)
{
    uint64_t tag, len;
    const unsigned char *bytes;
    int64_t number;

    if (!take_number(r, 1, &tag))
        return false;
    if (tag == TERM_BINARY) {
        if (!take_number(r, 4, &len) || !take(r, len, &bytes))
            return false;
        *ret_data = anqa_str_make((const char *)bytes, len);
        return true;
    }
    if (!take_integer(r, (unsigned)tag, &number))
        return false;
    *ret_data = anqa_str_of(anqa_tmp_printf("%" PRId64, number));
    return true;
}

static bool take_max_age(struct reader *r, int64_t *ret_max_age_s)
{
    uint64_t tag, len;
    const unsigned char *name;

    if (!take_number(r, 1, &tag))
        return false;
    if (tag != TERM_ATOM && tag != TERM_ATOM_LATIN1)
        return take_integer(r, (unsigned)tag, ret_max_age_s);
    *ret_max_age_s = ANQA_INFINITY;
    return take_number(r, tag == TERM_ATOM ? 1 : 2, &len) && take(r, len, &name) &&
           anqa_str_is(anqa_str_make((const char *)name, len), infinity);
}

static anqa_status check_age(int64_t signed_ms, int64_t max_age_s)
{
    int64_t age_ms = (int64_t)clock_wall_ms() - signed_ms;

    if (signed_ms < 0 || age_ms < 0)
        return ANQA_E_INVALID;
    if (max_age_s == ANQA_INFINITY)
        return ANQA_OK;
    return max_age_s <= 0 || max_age_s < (age_ms + 999) / 1000 ? ANQA_E_EXPIRED : ANQA_OK;
}

anqa_status token_term_read(anqa_str term, const anqa_token_opts *opts, anqa_str *ret_data)
{
    const unsigned char *bytes = (const unsigned char *)term.ptr;
    struct reader r = {bytes, bytes + term.len};
    const unsigned char *head;
    int64_t signed_ms, max_age_s;
    anqa_status status;
    anqa_str data;
    uint64_t tag;

    if (!take(&r, 3, &head) || head[0] != TERM_VERSION || head[1] != TERM_TUPLE || head[2] != 3 ||
        !take_data(&r, &data) || !take_number(&r, 1, &tag) ||
        !take_integer(&r, (unsigned)tag, &signed_ms) || !take_max_age(&r, &max_age_s) ||
        r.at != r.end)
        return ANQA_E_TYPE;
    status = check_age(signed_ms, opts->max_age_s != 0 ? opts->max_age_s : max_age_s);
    if (status == ANQA_OK)
        *ret_data = data;
    return status;
}
