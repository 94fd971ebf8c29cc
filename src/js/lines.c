#include "js/lines.h"

#include <string.h>

enum { WORD = 4, WORDS = LINES_LINE / WORD };

#define VARINT_MAX 4 /* bytes: there are 2^26 lines at most */
#define LINE_MOST (VARINT_MAX + 2 + LINES_LINE)

/* ---------------------------------------------------------------- writing */

struct writing {
    uint8_t *out;
    size_t room, len; /* len: of all, it may be more than there is room for */
    uint32_t next;    /* the line behind the last one written */
};

static uint32_t mask_of(const uint8_t *line, const uint8_t *before)
{
    uint32_t a[WORDS], b[WORDS], mask = 0;

    memcpy(a, line, sizeof a);
    memcpy(b, before, sizeof b);
    for (uint32_t i = 0; i < WORDS; i++)
        mask |= (uint32_t)(a[i] != b[i]) << i;
    return mask;
}

static size_t put_varint(uint8_t *to, uint32_t n)
{
    size_t len = 0;

    for (; n >= 0x80; n >>= 7)
        to[len++] = (uint8_t)(n | 0x80);
    to[len++] = (uint8_t)n;
    return len;
}

static void write_line(struct writing *w, uint32_t number, const uint8_t *line, uint32_t mask)
{
    uint8_t bytes[LINE_MOST];
    size_t len = put_varint(bytes, number - w->next);

    w->next = number + 1;
    bytes[len++] = (uint8_t)mask;
    bytes[len++] = (uint8_t)(mask >> 8);
    for (; mask != 0; mask &= mask - 1) {
        memcpy(bytes + len, line + (size_t)__builtin_ctz(mask) * WORD, WORD);
        len += WORD;
    }
    if (w->len <= w->room && len <= w->room - w->len)
        memcpy(w->out + w->len, bytes, len);
    w->len += len;
}

/* Most lines of a page that was written to are as they were. */
static bool differs(const uint8_t *line, const uint8_t *before)
{
    uint64_t a[LINES_LINE / 8], b[LINES_LINE / 8], different = 0;

    memcpy(a, line, sizeof a);
    memcpy(b, before, sizeof b);
    for (uint32_t i = 0; i < LINES_LINE / 8; i++)
        different |= a[i] ^ b[i];
    return different != 0;
}

static void write_page(
    struct writing *w, const struct lines_source *source, uint32_t at, const uint8_t *before)
{
    for (uint32_t i = 0; i < LINES_PAGE; i += LINES_LINE) {
        const uint8_t *line = source->memory + at + i;
        if (differs(line, before + i) && at + i + LINES_LINE > source->from)
            write_line(w, (at + i) / LINES_LINE, line, mask_of(line, before + i));
    }
}

size_t lines_encode(const struct lines_source *source, uint8_t *out, size_t room)
{
    static const uint8_t zeros[LINES_PAGE];
    struct writing w = {.out = out, .room = room};

    for (uint32_t page = source->from / LINES_PAGE; page < source->size / LINES_PAGE; page++) {
        uint32_t at = page * LINES_PAGE;
        if (source->same == NULL || source->same[page] == 0)
            write_page(&w, source, at, at < source->image_size ? source->image + at : zeros);
    }
    return w.len;
}

/* ---------------------------------------------------------------- reading */

/* What is behind it; NULL: there is none, or not the shortest. */
static const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint32_t *ret)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < VARINT_MAX && at < end; i++) {
        uint8_t byte = *at++;
        n |= (uint32_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *ret = n;
            return byte == 0 && i > 0 ? NULL : at;
        }
    }
    return NULL;
}

static bool decode(const uint8_t *at, size_t len, uint8_t *memory, uint32_t size)
{
    const uint8_t *end = at + len;
    uint32_t next = 0, lines = size / LINES_LINE, gap = 0, mask;
    uint8_t *line;

    while (at < end) {
        at = read_varint(at, end, &gap);
        if (at == NULL || end - at < 2 || gap >= lines - next)
            return false;
        mask = (uint32_t)at[0] | (uint32_t)at[1] << 8;
        at += 2;
        if (mask == 0 || (size_t)(end - at) < (size_t)__builtin_popcount(mask) * WORD)
            return false;
        next += gap;
        line = memory == NULL ? NULL : memory + (size_t)next * LINES_LINE;
        for (; mask != 0; mask &= mask - 1, at += WORD)
            if (line != NULL)
                memcpy(line + (size_t)__builtin_ctz(mask) * WORD, at, WORD);
        next++;
    }
    return true;
}

bool lines_check(const uint8_t *bytes, size_t len, uint32_t size)
{
    return decode(bytes, len, NULL, size);
}

bool lines_decode(const uint8_t *bytes, size_t len, uint8_t *memory, uint32_t size)
{
    return decode(bytes, len, memory, size);
}
