#include "base/sha256.h"

#include <endian.h>
#include <string.h>

#define BLOCK 64

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x >> bits | x << (32 - bits);
}

static void schedule(uint32_t w[static 64], const unsigned char *block)
{
    for (unsigned i = 0; i < 16; i++) {
        memcpy(&w[i], block + (size_t)i * 4, 4);
        w[i] = be32toh(w[i]);
    }
    for (unsigned i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
}

static void take_block(struct sha256 *sha256, const unsigned char *block)
{
    static const uint32_t k[64] = {0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
        0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
        0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6,
        0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d,
        0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
        0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585,
        0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
        0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t w[64], *s = sha256->h;
    uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];

    schedule(w, block);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t one =
            h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
        uint32_t two =
            (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + one;
        d = c;
        c = b;
        b = a;
        a = one + two;
    }
    s[0] += a;
    s[1] += b;
    s[2] += c;
    s[3] += d;
    s[4] += e;
    s[5] += f;
    s[6] += g;
    s[7] += h;
}

void sha256_init(struct sha256 *sha256)
{
    *sha256 = (struct sha256){.h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                  0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_feed(struct sha256 *sha256, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    while (len != 0) {
        size_t used = sha256->len % BLOCK, part = BLOCK - used;
        if (part > len)
            part = len;
        if (part < BLOCK)
            memcpy(sha256->block + used, at, part);
        if (used + part == BLOCK)
            take_block(sha256, part == BLOCK ? at : sha256->block);
        sha256->len += part;
        at += part;
        len -= part;
    }
}

void sha256_finish(struct sha256 *sha256, unsigned char ret_digest[static SHA256_LEN])
{
    static const unsigned char padding[BLOCK] = {0x80};
    uint64_t bits = htobe64(sha256->len * 8);

    /* One bit, zeros up to 56 in a block, the length. */
    sha256_feed(sha256, padding, 1 + (119 - sha256->len % BLOCK) % BLOCK);
    sha256_feed(sha256, &bits, sizeof bits);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t word = htobe32(sha256->h[i]);
        memcpy(ret_digest + (size_t)i * 4, &word, 4);
    }
}

void sha256_of(const void *bytes, size_t len, unsigned char ret_digest[static SHA256_LEN])
{
    struct sha256 sha256;

    sha256_init(&sha256);
    sha256_feed(&sha256, bytes, len);
    sha256_finish(&sha256, ret_digest);
}

static void begin_padded(
    struct sha256 *sha256, const unsigned char *key, size_t key_len, unsigned char pad)
{
    unsigned char block[BLOCK];

    for (size_t i = 0; i < BLOCK; i++)
        block[i] = (unsigned char)((i < key_len ? key[i] : 0) ^ pad);
    sha256_init(sha256);
    sha256_feed(sha256, block, sizeof block);
}

void sha256_hmac(const void *key, size_t key_len, const void *bytes, size_t len,
    unsigned char ret_mac[static SHA256_LEN])
{
    struct sha256 sha256;

    begin_padded(&sha256, key, key_len, 0x36);
    sha256_feed(&sha256, bytes, len);
    sha256_finish(&sha256, ret_mac);
    begin_padded(&sha256, key, key_len, 0x5c);
    sha256_feed(&sha256, ret_mac, SHA256_LEN);
    sha256_finish(&sha256, ret_mac);
}
