#include "base/utf8.h"

#include <string.h>

#define HIGH_BITS 0x8080808080808080u

/* The first byte at or after `at` that is not ASCII, or end. */
static const char *skip_ascii(const char *at, const char *end)
{
    uint64_t a, b;

    while (end - at >= 16) {
        memcpy(&a, at, 8);
        memcpy(&b, at + 8, 8);
        if (((a | b) & HIGH_BITS) != 0)
            break;
        at += 16;
    }
    while (at < end && (unsigned char)*at < 0x80)
        at++;
    return at;
}

/* The first place at or after `at` where no whole character stands, or end. */
static const char *skip_chars(const char *at, const char *end)
{
    for (;;) {
        size_t len;

        at = skip_ascii(at, end);
        do {
            len = utf8_char_len(at, end);
            at += len;
        } while (len > 1);
        if (len == 0)
            return at;
    }
}

/* A byte that begins a character, or, after others, continues one. RFC 3629 section 4 has the table behind this. */
static bool feed_lead(struct utf8 *u, unsigned char byte)
{
    u->low = 0x80;
    u->high = 0xbf;
    if (byte < 0x80)
        return true;
    if (byte < 0xc2 || byte > 0xf4)
        return false;
    u->need = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    switch (byte) {
    case 0xe0: u->low = 0xa0; break;
    case 0xed: u->high = 0x9f; break;
    case 0xf0: u->low = 0x90; break;
    case 0xf4: u->high = 0x8f; break;
    default: break;
    }
    return true;
}

static bool feed_byte(struct utf8 *u, unsigned char byte)
{
    if (u->need == 0)
        return feed_lead(u, byte);
    if (byte < u->low || byte > u->high)
        return false;
    u->low = 0x80;
    u->high = 0xbf;
    u->need--;
    return true;
}

bool utf8_feed(struct utf8 *u, const void *bytes, size_t len)
{
    const char *at = bytes, *end;

    if (len == 0) /* bytes may be NULL then */
        return !u->bad;
    end = at + len;
    while (at < end && !u->bad) {
        if (u->need == 0)
            at = skip_chars(at, end);
        if (at <
            end) /* the rest of a character from the piece before, or the start of one that goes on in the next */
            u->bad = !feed_byte(u, (unsigned char)*at++);
    }
    return !u->bad;
}

bool utf8_valid(const void *bytes, size_t len)
{
    const char *at = bytes;

    return len == 0 || skip_chars(at, at + len) == at + len;
}
