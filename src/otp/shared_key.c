/* Keys: order, comparison, place. See shared_key.h. */
#include "otp/shared_key.h"

#include <math.h>
#include <string.h>

#include "base/siphash.h"

#define STRING_BIT ((uint64_t)1 << 63)

/* ---------------------------------------------------------------- hashes */

static uint64_t reverse_bits(uint64_t x)
{
    x = (x >> 1 & 0x5555555555555555u) | (x & 0x5555555555555555u) << 1;
    x = (x >> 2 & 0x3333333333333333u) | (x & 0x3333333333333333u) << 2;
    x = (x >> 4 & 0x0f0f0f0f0f0f0f0fu) | (x & 0x0f0f0f0f0f0f0f0fu) << 4;
    return __builtin_bswap64(x);
}

uint64_t key_order_of_hash(uint64_t hash)
{
    return reverse_bits(hash);
}

uint64_t key_hash_of_order(uint64_t order)
{
    return reverse_bits(order & ~(uint64_t)1);
}

static uint64_t number_bits(anqa_key key)
{
    uint64_t bits;

    memcpy(
        &bits, key.kind == ANQA_KEY_INT ? (const void *)&key.u.integer : &key.u.real, sizeof bits);
    return bits;
}

static uint64_t hash_of(anqa_key key)
{
    uint64_t bits;

    if (key.kind == ANQA_KEY_STR)
        return siphash(key.u.str.ptr, key.u.str.len, siphash_boot_key());
    bits = number_bits(key);
    return siphash(&bits, sizeof bits, siphash_boot_key()) ^ key.kind;
}

/* ---------------------------------------------------------------- order */

/* Grows with the number; those that a double cannot tell apart are of the same order. */
static uint64_t number_order(double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof bits);
    bits = bits >> 63 != 0 ? ~bits : bits | STRING_BIT;
    return bits >> 1;
}

static uint64_t string_order(anqa_str str)
{
    uint64_t bits = 0;

    if (str.len > 0)
        memcpy(&bits, str.ptr, str.len < sizeof bits ? str.len : sizeof bits);
    return STRING_BIT | __builtin_bswap64(bits) >> 1;
}

static uint64_t ordered_order(anqa_key key)
{
    if (key.kind == ANQA_KEY_STR)
        return string_order(key.u.str);
    return number_order(key.kind == ANQA_KEY_INT ? (double)key.u.integer : key.u.real);
}

static int int_compare(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int double_compare(double a, double b)
{
    return a < b ? -1 : a > b;
}

/* Exact, also where a double cannot hold the integer. */
static int mixed_compare(int64_t a, double b)
{
    int difference;

    if (b >= 0x1p63)
        return -1;
    if (b < -0x1p63)
        return 1;
    difference = int_compare(a, (int64_t)b);
    return difference != 0 ? difference : double_compare(trunc(b), b);
}

static int number_compare(anqa_key a, anqa_key b)
{
    if (a.kind == ANQA_KEY_INT)
        return b.kind == ANQA_KEY_INT ? int_compare(a.u.integer, b.u.integer)
                                      : mixed_compare(a.u.integer, b.u.real);
    return b.kind == ANQA_KEY_INT ? -mixed_compare(b.u.integer, a.u.real)
                                  : double_compare(a.u.real, b.u.real);
}

static int string_compare(anqa_str a, anqa_str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int difference = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);

    return difference != 0 ? difference : a.len < b.len ? -1 : a.len > b.len;
}

int key_compare(bool ordered, anqa_key a, anqa_key b)
{
    if (a.kind == ANQA_KEY_STR && b.kind == ANQA_KEY_STR)
        return string_compare(a.u.str, b.u.str);
    if (a.kind == ANQA_KEY_STR || b.kind == ANQA_KEY_STR)
        return a.kind == ANQA_KEY_STR ? 1 : -1;
    if (!ordered && a.kind != b.kind)
        return a.kind < b.kind ? -1 : 1;
    return number_compare(a, b);
}

/* ---------------------------------------------------------------- places */

anqa_status rows_at_key(bool ordered, anqa_key key, struct rows_at *ret_at)
{
    if (key.kind == ANQA_KEY_STR && key.u.str.len > ANQA_TABLE_KEY_MAX)
        return ANQA_E_RANGE;
    if (key.kind == ANQA_KEY_DOUBLE && isnan(key.u.real))
        return ANQA_E_INVALID;
    if (key.kind == ANQA_KEY_DOUBLE && key.u.real == 0)
        key.u.real = 0;
    ret_at->key = key;
    ret_at->seq = 0;
    ret_at->order = ordered ? ordered_order(key) : key_order_of_hash(hash_of(key)) | 1;
    return ANQA_OK;
}

int rows_at_compare(const struct rows_at *a, const struct rows_at *b)
{
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    return key_compare(true, a->key, b->key);
}

/* ---------------------------------------------------------------- keys of rows */

size_t row_size(const struct row *row)
{
    return (
        size_t)((const char *)(row_words(row) + (row->len + (size_t)7) / 8) - (const char *)row);
}

void row_key_write(struct row *row, anqa_key key)
{
    char *to = (char *)(uintptr_t)row_key_bytes(row);
    uint64_t bits;

    if (key.kind == ANQA_KEY_STR) {
        if (key.u.str.len > 0)
            memcpy(to, key.u.str.ptr, key.u.str.len);
        return;
    }
    bits = number_bits(key);
    memcpy(to, &bits, sizeof bits);
}

struct rows_at row_at(const struct row *row)
{
    return (struct rows_at){.order = row->link.order, .seq = row->seq, .key = row_key(row)};
}

bool row_has_key(const struct rows *rows, const struct row *row, const struct rows_at *at)
{
    return row->link.order == at->order && key_compare(rows->ordered, row_key(row), at->key) == 0;
}
