#include "base/sha1.h"

#include "harness.h"

#include <stdio.h>

static const char *hex(const unsigned char digest[SHA1_LEN])
{
    static char text[SHA1_LEN * 2 + 1];

    for (size_t i = 0; i < SHA1_LEN; i++)
        snprintf(text + i * 2, 3, "%02x", digest[i]);
    return text;
}

static const char *digest_of(const void *bytes, size_t len)
{
    unsigned char digest[SHA1_LEN];
    struct sha1 sha1;

    sha1_init(&sha1);
    sha1_feed(&sha1, bytes, len);
    sha1_finish(&sha1, digest);
    return hex(digest);
}

TEST(the_examples_of_the_standard_have_their_digests)
{
    static const struct {
        const char *text, *digest;
    } examples[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
            "a49b2446a02c645bf419f995b67091253a04a259"},
    };

    for (size_t i = 0; i < ANQA_COUNT(examples); i++)
        CHECK_STR(digest_of(examples[i].text, strlen(examples[i].text)), examples[i].digest);
}

TEST(a_million_bytes_have_their_digest)
{
    unsigned char digest[SHA1_LEN];
    struct sha1 sha1;

    sha1_init(&sha1);
    for (size_t i = 0; i < 100000; i++)
        sha1_feed(&sha1, "aaaaaaaaaa", 10);
    sha1_finish(&sha1, digest);
    CHECK_STR(hex(digest), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

/* The digest of the digests of "x" * 0 ... "x" * 199, made with Python's hashlib. */
TEST(every_length_around_the_end_of_a_block_is_padded_right)
{
    unsigned char digest[SHA1_LEN];
    char text[200];
    struct sha1 all;

    memset(text, 'x', sizeof text);
    sha1_init(&all);
    for (size_t len = 0; len < sizeof text; len++)
        sha1_feed(&all, digest_of(text, len), SHA1_LEN * 2);
    sha1_finish(&all, digest);
    CHECK_STR(hex(digest), "f024a06f9df4db3a81e536a8d16895eb9a9defb5");
}

TEST(pieces_have_the_digest_of_the_whole)
{
    char text[150], whole[SHA1_LEN * 2 + 1];

    memset(text, 'y', sizeof text);
    memcpy(whole, digest_of(text, sizeof text), sizeof whole);
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        unsigned char digest[SHA1_LEN];
        struct sha1 sha1;
        sha1_init(&sha1);
        sha1_feed(&sha1, text, cut);
        sha1_feed(&sha1, text + cut, sizeof text - cut);
        sha1_finish(&sha1, digest);
        CHECK_STR(hex(digest), whole, "cut at %zu", cut);
    }
}
