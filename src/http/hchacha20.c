#include "http/hchacha20.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

static uint32_t load(const unsigned char *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof word);
    return le32toh(word);
}

static void store(unsigned char *at, uint32_t word)
{
    word = htole32(word);
    memcpy(at, &word, sizeof word);
}

static uint32_t rotate(uint32_t x, unsigned bits)
{
    return x << bits | x >> (32 - bits);
}

/* RFC 8439, 2.1. */
static void quarter_round(uint32_t x[static 16], unsigned a, unsigned b, unsigned c, unsigned d)
{
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 7);
}

void hchacha20(const unsigned char key[static 32], const unsigned char nonce[static 16],
    unsigned char ret_key[static 32])
{
    uint32_t x[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

    for (unsigned i = 0; i < 8; i++)
        x[4 + i] = load(key + (size_t)4 * i);
    for (unsigned i = 0; i < 4; i++)
        x[12 + i] = load(nonce + (size_t)4 * i);
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned column = 0; column < 4; column++)
            quarter_round(x, column, 4 + column, 8 + column, 12 + column);
        for (unsigned diagonal = 0; diagonal < 4; diagonal++)
            quarter_round(x, diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4,
                12 + (diagonal + 3) % 4);
    }
    for (unsigned i = 0; i < 4; i++) {
        store(ret_key + (size_t)4 * i, x[i]);
        store(ret_key + 16 + (size_t)4 * i, x[12 + i]);
    }
}
