/**
 * base/utf8.h - is this UTF-8? For whole texts and for texts that arrive in pieces.
 *
 * UTF-8 is taken as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. The streaming form
 * refuses a byte as soon as no continuation could make it valid, so that a peer is cut off at the earliest byte.
 */
#ifndef ANQA_BASE_UTF8_H
#define ANQA_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Where in a text a validator stands. Starts zeroed; a copy is a save point. */
struct utf8 {
    uint8_t need;      /* bytes missing of the current character */
    uint8_t low, high; /* what the next of them may be, if need != 0 */
    bool bad;
};

/** Takes the next piece; false from the first byte on that cannot be. */
bool utf8_feed(struct utf8 *u, const void *bytes, size_t len);

/** Whether the text may end here: not in the middle of a character. */
static inline bool utf8_may_end(const struct utf8 *u)
{
    return !u->bad && u->need == 0;
}

/** Whether a whole text is valid. */
bool utf8_valid(const void *bytes, size_t len);

static inline bool utf8_is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/** Length of the character at `at`, 1 to 4; 0 if there is none, or not all of it. */
static inline size_t utf8_char_len(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at;
    size_t left = (size_t)(end - at);

    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < 2 || !utf8_is_tail(p[1]))
        return 0;
    if (p[0] < 0xe0)
        return 2;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) /* overlong; surrogate */
        return 0;
    if (left < 3 || !utf8_is_tail(p[2]))
        return 0;
    if (p[0] < 0xf0)
        return 3;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) /* overlong; > U+10FFFF */
        return 0;
    return left >= 4 && utf8_is_tail(p[3]) ? 4 : 0;
}

/** Writes a character (no surrogate, at most U+10FFFF) and returns how many bytes it took. */
static inline size_t utf8_encode(uint32_t point, char out[static 4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

#endif
