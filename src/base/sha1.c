#include "base/sha1.h"

#include <endian.h>
#include <string.h>

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

/* FIPS 180-4, 4.1.1 and 4.2.1: function and constant of a round. */
static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round / 20) {
    case 0: return ((b & c) ^ (~b & d)) + 0x5a827999;
    case 1: return (b ^ c ^ d) + 0x6ed9eba1;
    case 2: return ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc;
    default: return (b ^ c ^ d) + 0xca62c1d6;
    }
}

static void take_block(struct sha1 *sha1, const unsigned char *block)
{
    uint32_t w[80], a = sha1->h[0], b = sha1->h[1], c = sha1->h[2], d = sha1->h[3], e = sha1->h[4];

    for (unsigned i = 0; i < 16; i++) {
        memcpy(&w[i], block + (size_t)i * 4, 4);
        w[i] = be32toh(w[i]);
    }
    for (unsigned i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t next = rotate(a, 5) + mix(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    sha1->h[0] += a;
    sha1->h[1] += b;
    sha1->h[2] += c;
    sha1->h[3] += d;
    sha1->h[4] += e;
}

void sha1_init(struct sha1 *sha1)
{
    *sha1 = (struct sha1){.h = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
}

void sha1_feed(struct sha1 *sha1, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    while (len != 0) {
        size_t used = sha1->len % 64, part = 64 - used;
        if (part > len)
            part = len;
        memcpy(sha1->block + used, at, part);
        sha1->len += part;
        at += part;
        len -= part;
        if (used + part == 64)
            take_block(sha1, sha1->block);
    }
}

void sha1_finish(struct sha1 *sha1, unsigned char ret_digest[static SHA1_LEN])
{
    static const unsigned char padding[64] = {0x80};
    uint64_t bits = htobe64(sha1->len * 8);

    /* One bit, zeros up to 56 in a block, the length. */
    sha1_feed(sha1, padding, 1 + (119 - sha1->len % 64) % 64);
    sha1_feed(sha1, &bits, sizeof bits);
    for (unsigned i = 0; i < 5; i++) {
        uint32_t word = htobe32(sha1->h[i]);
        memcpy(ret_digest + (size_t)i * 4, &word, 4);
    }
}
