#include "harness.h"

#include "base/siphash.h"

/* The message is the bytes 0, 1, 2, ... Hashes: CPython 3.11, whose hash() of bytes is SipHash-1-3 with a key that
 * PYTHONHASHSEED chooses (here 0, 1 and 20260301). */
static const struct {
    uint64_t k0, k1;
    size_t len;
    uint64_t hash;
} vectors[] = {
    {0x0, 0x0, 1, 0x68a914128e01e473},
    {0x0, 0x0, 2, 0x10bac45c41e3669},
    {0x0, 0x0, 3, 0x4d4c9a4a8ef6e0ad},
    {0x0, 0x0, 4, 0x7cc43f98813e4dbd},
    {0x0, 0x0, 5, 0x5abe2169dff36275},
    {0x0, 0x0, 6, 0xe3c25f87624f1cdb},
    {0x0, 0x0, 7, 0x2f098ab0c751325a},
    {0x0, 0x0, 8, 0xead411e67ebe2eea},
    {0x0, 0x0, 9, 0x75927f9d95124362},
    {0x0, 0x0, 15, 0xf30eb725bb91c9ea},
    {0x0, 0x0, 16, 0x8972188433a5c5b7},
    {0x0, 0x0, 17, 0x4883c49a2c009c1d},
    {0x0, 0x0, 31, 0x169739443111d49b},
    {0x0, 0x0, 63, 0x385d3e39e5f37359},
    {0x0, 0x0, 64, 0x75e05fd5bbc870c6},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 1, 0xecd3e5afcecda4b9},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 2, 0xbf360f1ea1745965},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 3, 0x8d5b20ab227ba858},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 4, 0x968a3280faeeb716},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 5, 0xbbda3b5f513c3d69},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 6, 0xa77f099d6ffed90e},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 7, 0xfd15e78052a69ddf},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 8, 0xc0b5739e7e28dd01},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 9, 0x208a1a5a0cbbf778},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 15, 0xfa87985f39e97a53},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 16, 0x12e9d283f9f37002},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 17, 0x9f5bb4237f61907f},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 31, 0xb8c17103f21d8810},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 63, 0x542052345bc68274},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 64, 0x7e644b6edc375dc8},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 1, 0xac9e1f27439fd0ea},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 2, 0x340f91c944d8d346},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 3, 0xb9bec1d727d0c6b8},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 4, 0x721d48827c7c0d74},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 5, 0x5b2ab03dcf0d2231},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 6, 0x650f3ec26585c2b3},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 7, 0xb01ef5d012bc73a8},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 8, 0x8f3e8942faba15eb},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 9, 0x1634a177a0dad57},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 15, 0x52752d10bc7095d2},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 16, 0x75066efdb073849d},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 17, 0xdfea09071a0a357a},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 31, 0xf44ca7ced634a383},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 63, 0x137ebe609a0c5a82},
    {0x2bfa774059022df8, 0x7263393a9eeced6, 64, 0xff427de9c7c9dbb5},
};

TEST(hashes_are_those_of_another_implementation)
{
    unsigned char message[64];

    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (unsigned char)i;
    for (size_t i = 0; i < ANQA_COUNT(vectors); i++) {
        const struct siphash_key key = {vectors[i].k0, vectors[i].k1};
        CHECK_EQ(siphash(message, vectors[i].len, &key), vectors[i].hash, "row %zu", i);
    }
}

TEST(the_place_of_the_bytes_in_memory_does_not_matter)
{
    static const char text[] = "the same nineteen b";
    const struct siphash_key key = {1, 2};
    char moved[64];
    uint64_t hash = siphash(text, sizeof text, &key);

    for (size_t i = 0; i < 8; i++) {
        memcpy(moved + i, text, sizeof text);
        CHECK_EQ(siphash(moved + i, sizeof text, &key), hash, "moved by %zu", i);
    }
}

TEST(the_boot_key_is_drawn_once_and_not_zero)
{
    const struct siphash_key *key = siphash_boot_key();

    CHECK((key->k0 | key->k1) != 0);
    CHECK(siphash_boot_key() == key);
}

TEST(a_key_that_was_fixed_is_not_drawn)
{
    siphash_fix_boot_key((struct siphash_key){1, 2});
    CHECK_EQ(siphash_boot_key()->k0, 1);
    CHECK_EQ(siphash_boot_key()->k1, 2);
}
