#include "base/siphash.h"

#include "base/random.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* Both platforms are little endian (base.h refuses others), so a word is read as it lies. */
static inline uint64_t read_word(const unsigned char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

/* Up to seven bytes, by reads that may overlap: a loop over them is left at another turn for each length, which the
 * processor does not foresee. */
static inline uint64_t read_rest(const unsigned char *at, size_t rest)
{
    uint32_t low, high;

    if (rest >= sizeof low) {
        memcpy(&low, at, sizeof low);
        memcpy(&high, at + rest - sizeof high, sizeof high);
        return low | (uint64_t)high << 8 * (rest - sizeof high);
    }
    if (rest == 0)
        return 0;
    return at[0] | (uint64_t)at[rest / 2] << 8 * (rest / 2) |
           (uint64_t)at[rest - 1] << 8 * (rest - 1);
}

/* The last word: up to seven bytes left over, and the length in the top byte. */
static inline uint64_t last_word(const unsigned char *at, size_t len)
{
    return (uint64_t)len << 56 | read_rest(at, len & 7);
}

uint64_t siphash(const void *bytes, size_t len, const struct siphash_key *key)
{
    const unsigned char *at = bytes;
    struct state s = {
        key->k0 ^ 0x736f6d6570736575u,
        key->k1 ^ 0x646f72616e646f6du,
        key->k0 ^ 0x6c7967656e657261u,
        key->k1 ^ 0x7465646279746573u,
    };

    for (size_t words = len / 8; words != 0; words--, at += 8)
        absorb(&s, read_word(at));
    absorb(&s, last_word(at, len));
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static struct siphash_key boot_key; /* written once below, read only afterwards */
static bool boot_key_fixed;

void siphash_fix_boot_key(struct siphash_key key)
{
    boot_key = key;
    boot_key_fixed = true;
}

static void draw_boot_key(void)
{
    if (!boot_key_fixed)
        random_bytes(&boot_key, sizeof boot_key);
}

const struct siphash_key *siphash_boot_key(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, draw_boot_key);
    return &boot_key;
}
