#include "base/sha256.h"

#include "harness.h"

#include <stdio.h>

static const char *hex(const unsigned char digest[SHA256_LEN])
{
    static char text[SHA256_LEN * 2 + 1];

    for (size_t i = 0; i < SHA256_LEN; i++)
        snprintf(text + i * 2, 3, "%02x", digest[i]);
    return text;
}

static const char *digest_of(const void *bytes, size_t len)
{
    unsigned char digest[SHA256_LEN];
    struct sha256 sha256;

    sha256_init(&sha256);
    sha256_feed(&sha256, bytes, len);
    sha256_finish(&sha256, digest);
    return hex(digest);
}

TEST(the_examples_of_the_standard_have_their_digests)
{
    static const struct {
        const char *text, *digest;
    } examples[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };

    for (size_t i = 0; i < ANQA_COUNT(examples); i++)
        CHECK_STR(digest_of(examples[i].text, strlen(examples[i].text)), examples[i].digest);
}

TEST(a_million_bytes_have_their_digest)
{
    unsigned char digest[SHA256_LEN];
    struct sha256 sha256;

    sha256_init(&sha256);
    for (size_t i = 0; i < 100000; i++)
        sha256_feed(&sha256, "aaaaaaaaaa", 10);
    sha256_finish(&sha256, digest);
    CHECK_STR(hex(digest), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* The digest of the digests of "x" * 0 ... "x" * 199, made with Python's hashlib. */
TEST(every_length_around_the_end_of_a_block_is_padded_right)
{
    unsigned char digest[SHA256_LEN];
    char text[200];
    struct sha256 all;

    memset(text, 'x', sizeof text);
    sha256_init(&all);
    for (size_t len = 0; len < sizeof text; len++)
        sha256_feed(&all, digest_of(text, len), SHA256_LEN * 2);
    sha256_finish(&all, digest);
    CHECK_STR(hex(digest), "f61ffcc417e1f0e59eba2da7fa32fbe05b64e478b68c6bacf990455f00248b98");
}

TEST(pieces_have_the_digest_of_the_whole)
{
    char text[150], whole[SHA256_LEN * 2 + 1];

    memset(text, 'y', sizeof text);
    memcpy(whole, digest_of(text, sizeof text), sizeof whole);
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        unsigned char digest[SHA256_LEN];
        struct sha256 sha256;
        sha256_init(&sha256);
        sha256_feed(&sha256, text, cut);
        sha256_feed(&sha256, text + cut, sizeof text - cut);
        sha256_finish(&sha256, digest);
        CHECK_STR(hex(digest), whole, "cut at %zu", cut);
    }
}

/* RFC 4231, test cases 1 to 3. */
TEST(the_examples_of_the_standard_have_their_codes)
{
    char key[20], data[50];
    unsigned char mac[SHA256_LEN];

    memset(key, 0x0b, sizeof key);
    sha256_hmac(key, sizeof key, "Hi There", 8, mac);
    CHECK_STR(hex(mac), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    sha256_hmac("Jefe", 4, "what do ya want for nothing?", 28, mac);
    CHECK_STR(hex(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    sha256_hmac(key, sizeof key, data, sizeof data, mac);
    CHECK_STR(hex(mac), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
}
