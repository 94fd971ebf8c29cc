#include <anqa/buf.h>

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf_meter.h"
#include "base/container.h"

/* shared: atomics. The bytes are written before the buf is shown to a second thread and never after. */
struct anqa_buf_block {
    atomic_size_t count; /* with METERED: part of a struct metered */
    char bytes[];
};

#define METERED (SIZE_MAX / 2 + 1)

/* A block on a meter; few are, so others have no room for it. */
struct metered {
    struct buf_meter *meter; /* counted */
    size_t cost;
    size_t unused; /* the bytes begin at a multiple of 16 */
    struct anqa_buf_block block;
};

static_assert((offsetof(struct metered, block) + offsetof(struct anqa_buf_block, bytes)) % 16 == 0,
    "whoever lays out structs in a metered buf finds them aligned");

struct buf_meter {
    atomic_size_t count, held;
    size_t most;             /* constant */
    struct buf_meter *above; /* counted; NULL: none */
};

anqa_status anqa_buf_new(size_t len, anqa_buf *ret_buf, char **ret_bytes)
{
    struct anqa_buf_block *block;

    if (len > SIZE_MAX / 2 - sizeof *block)
        return ANQA_E_NOMEM;
    block = malloc(sizeof *block + len);
    if (block == NULL)
        return ANQA_E_NOMEM;
    atomic_init(&block->count, 1);
    *ret_buf = (anqa_buf){block, block->bytes, len};
    *ret_bytes = block->bytes;
    return ANQA_OK;
}

anqa_status anqa_buf_copy(const void *bytes, size_t len, anqa_buf *ret_buf)
{
    char *room;
    anqa_status s;

    if (len == 0) {
        *ret_buf = anqa_buf_static("", 0);
        return ANQA_OK;
    }
    s = anqa_buf_new(len, ret_buf, &room);
    if (s != ANQA_OK)
        return s;
    memcpy(room, bytes, len);
    return ANQA_OK;
}

anqa_buf anqa_buf_static(const void *bytes, size_t len)
{
    return (anqa_buf){NULL, bytes, len};
}

anqa_buf anqa_buf_ref(anqa_buf buf)
{
    /* Relaxed: the caller holds a count already, so the block cannot go away meanwhile. */
    if (buf.block != NULL)
        atomic_fetch_add_explicit(&buf.block->count, 1, memory_order_relaxed);
    return buf;
}

static void meter_take(struct buf_meter *meter, size_t cost)
{
    for (; meter != NULL; meter = meter->above)
        atomic_fetch_sub_explicit(&meter->held, cost, memory_order_relaxed);
}

static void metered_free(struct metered *metered)
{
    meter_take(metered->meter, metered->cost);
    buf_meter_unref(metered->meter);
    free(metered);
}

void anqa_buf_unref(anqa_buf buf)
{
    size_t count;

    if (buf.block == NULL)
        return;
    /* Pairs with itself: the release part puts this owner's last reads before the free of whoever acquires the last
     * count. One acq_rel instead of a fence, because ThreadSanitizer does not see fences. */
    count = atomic_fetch_sub_explicit(&buf.block->count, 1, memory_order_acq_rel);
    if (count == 1)
        free(buf.block);
    else if (count == (METERED | 1))
        metered_free(ANQA_CONTAINER_OF(buf.block, struct metered, block));
}

anqa_buf anqa_buf_slice(anqa_buf buf, size_t from, size_t len)
{
    if (from > buf.len)
        from = buf.len;
    if (len > buf.len - from)
        len = buf.len - from;
    if (from != 0)
        buf.ptr += from;
    buf.len = len;
    return buf;
}

/* ---------------------------------------------------------------- meters */

struct buf_meter *buf_meter_new(size_t most, struct buf_meter *above)
{
    struct buf_meter *meter = malloc(sizeof *meter);

    if (meter == NULL)
        return NULL;
    atomic_init(&meter->count, 1);
    atomic_init(&meter->held, 0);
    meter->most = most;
    meter->above = above == NULL ? NULL : buf_meter_ref(above);
    return meter;
}

struct buf_meter *buf_meter_new_beside(const struct buf_meter *meter)
{
    return buf_meter_new(meter->most, meter->above);
}

struct buf_meter *buf_meter_ref(struct buf_meter *meter)
{
    atomic_fetch_add_explicit(&meter->count, 1, memory_order_relaxed);
    return meter;
}

void buf_meter_unref(struct buf_meter *meter)
{
    /* As of a buf: pairs with itself. */
    while (
        meter != NULL && atomic_fetch_sub_explicit(&meter->count, 1, memory_order_acq_rel) == 1) {
        struct buf_meter *above = meter->above;
        free(meter);
        meter = above;
    }
}

size_t buf_meter_held(const struct buf_meter *meter)
{
    return atomic_load_explicit(&meter->held, memory_order_relaxed);
}

/* Whether there is room for that much beside `kept`, which is taken. */
static bool meter_add_beside(struct buf_meter *meter, size_t cost, size_t kept)
{
    size_t held = atomic_load_explicit(&meter->held, memory_order_relaxed);

    do {
        if (cost > meter->most || kept > meter->most - cost || held > meter->most - cost - kept)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(
        &meter->held, &held, held + cost, memory_order_relaxed, memory_order_relaxed));
    return true;
}

static bool meter_add(struct buf_meter *meter, size_t cost)
{
    size_t held = atomic_load_explicit(&meter->held, memory_order_relaxed);

    if (!meter_add_beside(meter, cost, 0))
        return false;
    if (meter->above == NULL || meter_add_beside(meter->above, cost, held))
        return true;
    atomic_fetch_sub_explicit(&meter->held, cost, memory_order_relaxed);
    return false;
}

anqa_status buf_new_metered(
    struct buf_meter *meter, size_t len, size_t extra, anqa_buf *ret_buf, char **ret_bytes)
{
    struct metered *metered;

    if (meter == NULL)
        return anqa_buf_new(len, ret_buf, ret_bytes);
    if (len > SIZE_MAX / 4 || extra > SIZE_MAX / 4)
        return ANQA_E_NOMEM;
    if (!meter_add(meter, len + extra))
        return ANQA_E_LIMIT;
    metered = malloc(sizeof *metered + len);
    if (metered == NULL) {
        meter_take(meter, len + extra);
        return ANQA_E_NOMEM;
    }
    metered->meter = buf_meter_ref(meter);
    metered->cost = len + extra;
    atomic_init(&metered->block.count, METERED | 1);
    *ret_buf = (anqa_buf){&metered->block, metered->block.bytes, len};
    *ret_bytes = metered->block.bytes;
    return ANQA_OK;
}
