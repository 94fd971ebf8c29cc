/*
 * Meters: how much somebody has in bufs that are not freed yet, wherever they lie, with a bound. Who makes bufs for others
 * to hold is charged until the last of them lets go.
 *
 * Shared: atomics. A meter is counted, one for each who has it and one for each buf on it: it may outlive its owner.
 */
#ifndef BASE_BUF_METER_H
#define BASE_BUF_METER_H

#include <anqa/buf.h>

struct buf_meter;

/* Up to `most`, count 1. above: NULL, or the meter that all of a group are charged on, too: each may have there as much as all
 * leave free, so whatever some of them hold the others can go on, with less. Then one thread at a time makes bufs on it. NULL: no
 * memory. */
struct buf_meter *buf_meter_new(size_t most, struct buf_meter *above);
/* One more of the same group and size. NULL: no memory. */
struct buf_meter *buf_meter_new_beside(const struct buf_meter *meter);
struct buf_meter *buf_meter_ref(struct buf_meter *meter);
void buf_meter_unref(struct buf_meter *meter); /* NULL is fine */
/* What its bufs cost now. */
size_t buf_meter_held(const struct buf_meter *meter);

/* As anqa_buf_new; the buf costs `len` and `extra` until it is freed. meter NULL: nobody is charged.
 * Fails also: E_LIMIT, more than the meter's bound, or than the group leaves. */
anqa_status buf_new_metered(struct buf_meter *meter, size_t len, size_t extra, anqa_buf *ret_buf,
    char **ret_bytes) ANQA_MUST_CHECK;

#endif
