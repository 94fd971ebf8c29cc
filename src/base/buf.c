#include <anqa/buf.h>

#include <stdatomic.h>
#include <stdlib.h>

/* shared: atomics. The bytes are written before the buf is shown to a second thread and never after. */
struct anqa_buf_block {
    atomic_size_t count;
    char bytes[];
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

void anqa_buf_unref(anqa_buf buf)
{
    if (buf.block == NULL)
        return;
    /* Pairs with itself: the release part puts this owner's last reads before the free of whoever acquires the last
     * count. One acq_rel instead of a fence, because ThreadSanitizer does not see fences. */
    if (atomic_fetch_sub_explicit(&buf.block->count, 1, memory_order_acq_rel) == 1)
        free(buf.block);
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
