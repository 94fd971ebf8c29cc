/*
 * Keys of shared tables: their order, and the 64 bits that stand for one in comparisons.
 */
#ifndef OTP_SHARED_KEY_H
#define OTP_SHARED_KEY_H

/* IWYU pragma: begin_exports */
#include "otp/shared_rows.h"
/* IWYU pragma: end_exports */

/* How two keys compare. ordered: numbers by value, whatever their kind, before strings; else only equal or not matters. */
int key_compare(bool ordered, anqa_key a, anqa_key b);

/* The order of a bucket is that of its number. */
uint64_t key_order_of_hash(uint64_t hash);
/* All bits of the hash but the highest. */
uint64_t key_hash_of_order(uint64_t order);

/* Into a new row. */
void row_key_write(struct row *row, anqa_key key);

#endif
