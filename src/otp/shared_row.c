/* What a row holds: read without locks, changed by who has locked the row. See shared_rows.h. */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "otp/shared_rows.h"

#define SPINS 64u

/* Whoever has it locked waits for nothing, but his thread may have lost the processor. */
static void wait_a_little(unsigned *spins)
{
    if (++*spins % SPINS == 0)
        sched_yield();
}

/* ---------------------------------------------------------------- locks */

bool row_lock(struct row *row)
{
    uint32_t version = atomic_load_explicit(&row->version, memory_order_relaxed);
    unsigned spins = 0;

    while ((version & ROW_DEAD) == 0) {
        /* acquire: what the last one wrote. Pairs with row_unlock. */
        if ((version & ROW_BUSY) == 0 &&
            atomic_compare_exchange_weak_explicit(&row->version, &version, version | ROW_BUSY,
                memory_order_acquire, memory_order_relaxed))
            return true;
        wait_a_little(&spins);
        version = atomic_load_explicit(&row->version, memory_order_relaxed);
    }
    return false;
}

static void version_set(struct row *row, uint32_t flags)
{
    uint32_t version = atomic_load_explicit(&row->version, memory_order_relaxed);

    /* release: what we wrote. Pairs with row_lock and row_read. */
    atomic_store_explicit(
        &row->version, ((version & ~ROW_BUSY) + ROW_STEP) | flags, memory_order_release);
}

void row_unlock(struct row *row)
{
    version_set(row, 0);
}

void row_bury(struct row *row)
{
    version_set(row, ROW_DEAD);
}

/* ---------------------------------------------------------------- words */

uint64_t row_word(const struct row *row, size_t index)
{
    /* acquire: the version that is looked at afterwards is no older. Pairs with row_set_word. */
    return atomic_load_explicit(&row_words(row)[index], memory_order_acquire);
}

void row_set_word(struct row *row, size_t index, uint64_t word)
{
    /* release: who sees it sees that the row is locked, or was. Pairs with row_word. */
    atomic_store_explicit(&row_words(row)[index], word, memory_order_release);
}

/* Of `size` bytes from `at` on: how many lie in the word that holds the first. */
static size_t in_word(size_t at, size_t size)
{
    size_t room = 8 - at % 8;

    return size < room ? size : room;
}

static bool is_whole_word(size_t at, size_t size)
{
    return at % 8 == 0 && size >= 8;
}

static void words_read(const struct row *row, size_t at, char *bytes, size_t size)
{
    for (; is_whole_word(at, size); at += 8, bytes += 8, size -= 8) {
        uint64_t word = row_word(row, at / 8);
        memcpy(bytes, &word, sizeof word);
    }
    while (size > 0) {
        uint64_t word = row_word(row, at / 8);
        size_t part = in_word(at, size);
        memcpy(bytes, (char *)&word + at % 8, part);
        at += part;
        bytes += part;
        size -= part;
    }
}

void row_write(struct row *row, size_t at, const void *bytes, size_t size)
{
    const char *from = bytes;

    for (; is_whole_word(at, size); at += 8, from += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, from, sizeof word);
        row_set_word(row, at / 8, word);
    }
    while (size > 0) {
        uint64_t word = row_word(row, at / 8);
        size_t part = in_word(at, size);
        memcpy((char *)&word + at % 8, from, part);
        row_set_word(row, at / 8, word);
        at += part;
        from += part;
        size -= part;
    }
}

uint32_t row_read(const struct row *row, size_t at, void *ret_bytes, size_t size)
{
    _Atomic(uint32_t) *version = &((struct row *)(uintptr_t)row)->version;
    unsigned spins = 0;

    for (;;) {
        uint32_t seen = atomic_load_explicit(version, memory_order_acquire); /* version_set */
        if ((seen & ROW_BUSY) == 0) {
            words_read(row, at, ret_bytes, size);
            if (atomic_load_explicit(version, memory_order_relaxed) == seen)
                return seen;
        }
        wait_a_little(&spins);
    }
}

bool row_equals(const struct row *row, anqa_str bytes)
{
    size_t at = 0;

    if (row->len != bytes.len)
        return false;
    while (at < bytes.len) {
        uint64_t word = row_word(row, at / 8);
        size_t part = in_word(at, bytes.len - at);
        if (memcmp(&word, bytes.ptr + at, part) != 0)
            return false;
        at += part;
    }
    return true;
}
