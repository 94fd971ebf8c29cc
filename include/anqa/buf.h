/**
 * anqa/buf.h - immutable, counted bytes that may cross processes and threads.
 *
 * An `anqa_buf` is a value: a pointer to a counted block and a slice of it. Copying the struct does not count; whoever
 * keeps one beyond the life of its giver calls `anqa_buf_ref`, and each ref is met by one `anqa_buf_unref`. The bytes
 * never change after the buf was made, so that any number of threads may read them.
 *
 * Threads. Any thread. The count is atomic.
 */
#ifndef ANQA_BUF_H
#define ANQA_BUF_H

#include <anqa/base.h>

ANQA_BEGIN_DECLS

struct anqa_buf_block;

/** A part of counted bytes; a value, copied freely by who keeps the count right. */
typedef struct anqa_buf {
    struct anqa_buf_block *block; /* NULL: the bytes are static and need no count */
    const char *ptr;
    size_t len;
} anqa_buf;

/** A counted copy of bytes, count 1. Fails: E_NOMEM. */
ANQA_API anqa_status anqa_buf_copy(
    const void *bytes, size_t len, anqa_buf *ret_buf) ANQA_MUST_CHECK;

/** Room for `len` bytes to be written once through *ret_bytes before the buf is shown to anyone else. Fails: E_NOMEM. */
ANQA_API anqa_status anqa_buf_new(size_t len, anqa_buf *ret_buf, char **ret_bytes) ANQA_MUST_CHECK;

/** A buf over bytes that live as long as the program. */
ANQA_API anqa_buf anqa_buf_static(const void *bytes, size_t len);

/** One more owner; returns its argument. */
ANQA_API anqa_buf anqa_buf_ref(anqa_buf buf);

/** One owner less; the last one frees. */
ANQA_API void anqa_buf_unref(anqa_buf buf);

/** A part of a buf, not counted by itself. `from` and `len` are cut to what is there. */
ANQA_API anqa_buf anqa_buf_slice(anqa_buf buf, size_t from, size_t len);

/** Its bytes, borrowed. */
static inline anqa_str anqa_buf_str(anqa_buf buf)
{
    return anqa_str_make(buf.ptr, buf.len);
}

ANQA_END_DECLS

#endif
