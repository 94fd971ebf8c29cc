#include "js/lines.h"

#include <string.h>

enum { WORD = 4, WORDS = LINES_LINE / WORD, MASK = 2, SIZES = 4 /* bytes at most */ };

#define VARINT_MAX 4 /* bytes: there are 2^26 lines at most */
#define LINE_MOST (VARINT_MAX + MASK + SIZES + LINES_LINE)

/* ---------------------------------------------------------------- writing */

/* How many bytes a number with a sign takes. */
static uint32_t size_of(uint32_t number)
{
    uint32_t bits =
        number ^ (uint32_t)((int32_t)number >> 31); /* without those that are the sign's */

    return bits == 0 ? 1 : (32u - (uint32_t)__builtin_clz(bits)) / 8 + 1;
}

static size_t put_varint(uint8_t *to, uint32_t n)
{
    size_t len = 0;

    for (; n >= 0x80; n >>= 7)
        to[len++] = (uint8_t)(n | 0x80);
    to[len++] = (uint8_t)n;
    return len;
}

/* The mask, sizes and words of a line that differs. */
static size_t put_words(uint8_t *to, const uint8_t *line, const uint8_t *before)
{
    uint32_t is[WORDS], was[WORDS], mask = 0, sizes = 0, count = 0, more[WORDS];
    uint8_t *at;

    memcpy(is, line, sizeof is);
    memcpy(was, before, sizeof was);
    for (uint32_t i = 0; i < WORDS; i++) {
        more[count] = is[i] - was[i];
        if (more[count] == 0)
            continue;
        mask |= 1u << i;
        sizes |= (size_of(more[count]) - 1) << (2 * count);
        count++;
    }
    to[0] = (uint8_t)mask;
    to[1] = (uint8_t)(mask >> 8);
    memcpy(to + MASK, &sizes, sizeof sizes);
    at = to + MASK + (count + 3) / 4;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(at, &more[i], WORD);
        at += (sizes >> (2 * i) & 3) + 1;
    }
    return (size_t)(at - to);
}

static void write_line(
    struct lines_writing *w, uint32_t number, const uint8_t *line, const uint8_t *before)
{
    uint8_t bytes[LINE_MOST + WORD]; /* words are put whole */
    size_t len = put_varint(bytes, number - w->next);

    w->next = number + 1;
    len += put_words(bytes + len, line, before);
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
    struct lines_writing *w, const struct lines_source *source, uint32_t at, const uint8_t *before)
{
    for (uint32_t i = 0; i < LINES_PAGE; i += LINES_LINE) {
        const uint8_t *line = source->memory + at + i;
        if (differs(line, before + i) && at + i + LINES_LINE > source->from)
            write_line(w, (at + i) / LINES_LINE, line, before + i);
    }
}

void lines_encode_pages(
    struct lines_writing *w, const struct lines_source *source, uint32_t first, uint32_t end)
{
    static const uint8_t zeros[LINES_PAGE];
    uint32_t alive = source->from / LINES_PAGE;

    for (uint32_t page = first < alive ? alive : first; page < end; page++) {
        uint32_t at = page * LINES_PAGE;
        if (source->same == NULL || source->same[page] == 0)
            write_page(w, source, at, at < source->image_size ? source->image + at : zeros);
    }
}

size_t lines_encode(const struct lines_source *source, uint8_t *out, size_t room)
{
    struct lines_writing w = {.out = out, .room = room};

    lines_encode_pages(&w, source, 0, source->size / LINES_PAGE);
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

/* A number with a sign of so many bytes. */
static uint32_t read_number(const uint8_t *at, uint32_t size)
{
    uint32_t number = 0, rest = 32 - 8 * size;

    memcpy(&number, at, size);
    return (uint32_t)((int32_t)(number << rest) >> rest);
}

/* Reads the mask, sizes and words of a line and adds these to it, unless it is NULL. What is behind them; NULL: they are
 * none, or not the shortest. */
static const uint8_t *read_words(const uint8_t *at, const uint8_t *end, uint8_t *line)
{
    uint32_t mask, sizes = 0, count;

    if (end - at < MASK)
        return NULL;
    mask = (uint32_t)at[0] | (uint32_t)at[1] << 8;
    count = (uint32_t)__builtin_popcount(mask);
    at += MASK;
    if (mask == 0 || (size_t)(end - at) < (count + 3) / 4)
        return NULL;
    memcpy(&sizes, at, (count + 3) / 4);
    at += (count + 3) / 4;
    for (; mask != 0; mask &= mask - 1, sizes >>= 2) {
        uint32_t size = (sizes & 3) + 1, more, word;
        if ((size_t)(end - at) < size)
            return NULL;
        more = read_number(at, size);
        at += size;
        if (more == 0 || size_of(more) != size)
            return NULL;
        if (line == NULL)
            continue;
        memcpy(&word, line + (size_t)__builtin_ctz(mask) * WORD, WORD);
        word += more;
        memcpy(line + (size_t)__builtin_ctz(mask) * WORD, &word, WORD);
    }
    return sizes == 0 ? at : NULL;
}

bool lines_decode_some(struct lines_reading *reading, uint8_t *memory)
{
    const uint8_t *at = reading->at;
    uint32_t lines = reading->size / LINES_LINE, gap = 0;

    for (uint32_t i = 0; i < LINES_PIECE && at < reading->end; i++) {
        at = read_varint(at, reading->end, &gap);
        if (at == NULL || gap >= lines - reading->next)
            return false;
        reading->next += gap;
        at = read_words(
            at, reading->end, memory == NULL ? NULL : memory + (size_t)reading->next * LINES_LINE);
        if (at == NULL)
            return false;
        reading->next++;
    }
    reading->at = at;
    return true;
}

bool lines_decode(const uint8_t *bytes, size_t len, uint8_t *memory, uint32_t size)
{
    struct lines_reading reading = {.at = bytes, .end = bytes + len, .size = size};

    while (reading.at < reading.end)
        if (!lines_decode_some(&reading, memory))
            return false;
    return true;
}

bool lines_check(const uint8_t *bytes, size_t len, uint32_t size)
{
    return lines_decode(bytes, len, NULL, size);
}
