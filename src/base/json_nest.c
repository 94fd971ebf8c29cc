#include "base/json_scan.h"

/*
 * Where an array or object ends. The text is looked at in blocks of 64 bytes, a bit a byte: which are quotes, which are
 * brackets. From the quotes follows, by one carry-less sum, what lies inside of strings; brackets there do not count. So
 * strings cost nothing, and the steps that depend on the text are one a bracket. A block with a backslash goes byte by byte.
 *
 * Brackets are counted, not matched: in checked text they match, in other text any end that lies inside will do.
 */
#define BLOCK 64

struct nesting {
    size_t depth;
    bool in_string;
    bool escaped; /* the block before ended in a backslash */
};

/* A bit for each byte of a block that is `wanted`, after `fold` was or-ed to it. */
#ifdef __SSE2__

#include <emmintrin.h>

static inline uint64_t block_mask(const char *at, char fold, char wanted)
{
    uint64_t mask = 0;

    for (int i = 0; i < BLOCK; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i_u *)(at + i));
        __m128i equal =
            _mm_cmpeq_epi8(_mm_or_si128(bytes, _mm_set1_epi8(fold)), _mm_set1_epi8(wanted));
        mask |= (uint64_t)(unsigned)_mm_movemask_epi8(equal) << i;
    }
    return mask;
}

#else

static inline uint64_t block_mask(const char *at, char fold, char wanted)
{
    const uint64_t low_bits = ~JSON_TOPS;
    uint64_t mask = 0;

    for (int i = 0; i < BLOCK; i += 8) {
        uint64_t x, equal;
        memcpy(&x, at + i, sizeof x);
        x = (x | (unsigned char)fold * JSON_ONES) ^ (unsigned char)wanted * JSON_ONES;
        equal = ~(((x & low_bits) + low_bits) | x) & JSON_TOPS; /* exact: no borrow between bytes */
        mask |= ((equal >> 7) * 0x0102040810204080u >> 56) << i; /* the eight tops, side by side */
    }
    return mask;
}

#endif

/* Bit i of the result: whether an odd number of bits is set in 0 to i. */
static inline uint64_t parity_up_to(uint64_t bits)
{
    for (int shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

/* How many bytes of the block belong to the container, if it ends here; else 0. */
static size_t nest_bytes(struct nesting *n, const char *block)
{
    for (size_t i = 0; i < BLOCK; i++) {
        char c = block[i];
        if (n->escaped)
            n->escaped = false;
        else if (n->in_string && c == '\\')
            n->escaped = true;
        else if (c == '"')
            n->in_string = !n->in_string;
        else if (!n->in_string && (c == '{' || c == '['))
            n->depth++;
        else if (!n->in_string && (c == '}' || c == ']') && --n->depth == 0)
            return i + 1;
    }
    return 0;
}

static inline size_t nest_block(struct nesting *n, const char *block)
{
    uint64_t opening, closing, strings;

    if (n->escaped || block_mask(block, 0, '\\') != 0)
        return nest_bytes(n, block);
    strings = parity_up_to(block_mask(block, 0, '"')) ^ (n->in_string ? UINT64_MAX : 0);
    n->in_string = strings >> 63 != 0;
    opening = block_mask(block, 0x20, '{') & ~strings; /* braces differ from brackets in one bit */
    closing = block_mask(block, 0x20, '}') & ~strings;
    for (uint64_t left = opening | closing; left != 0; left &= left - 1) {
        int i = __builtin_ctzll(left);
        if ((opening >> i & 1) != 0)
            n->depth++;
        else if (--n->depth == 0)
            return (size_t)i + 1;
    }
    return 0;
}

const char *json_skip_container(const char *at, const char *end)
{
    struct nesting n = {0};
    char tail[BLOCK] = {0};
    size_t len;

    for (; end - at >= BLOCK; at += BLOCK) {
        len = nest_block(&n, at);
        if (len != 0)
            return at + len;
    }
    memcpy(tail, at, (size_t)(end - at));
    len = nest_block(&n, tail);
    return len != 0 ? at + len : NULL;
}
