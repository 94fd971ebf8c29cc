/* Jobs of crypto.subtle, asked for as no script can: crypto.js checks more, and first. */
#include "js/web/subtle.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char nothing[70000];

/* Runs it; "fine", or why not. */
static const char *run(struct subtle_job job)
{
    static char text[200];

    if (subtle_check(&job)) {
        job.size = subtle_room(&job);
        job.out = malloc(job.size);
        CHECK(job.out != NULL);
        subtle_run(&job);
        free(job.out);
    }
    if (job.error == NULL)
        return "fine";
    snprintf(text, sizeof text, "%s: %s", job.error, job.why);
    return text;
}

static const struct {
    const char *what;
    struct subtle_job job;
    const char *outcome;
} refused[] = {
    {"no kind", {0}, "NotSupportedError: no such operation"},
    {"a kind that is none", {.kind = SUBTLE_KIND_COUNT}, "NotSupportedError: no such operation"},
    {"no hash", {.kind = SUBTLE_DIGEST}, "NotSupportedError: no such operation"},
    {"a hash that is none", {.kind = SUBTLE_DIGEST, .hash = SUBTLE_HASH_COUNT},
        "NotSupportedError: no such operation"},
    {"a family that is none", {.kind = SUBTLE_SIGN, .family = SUBTLE_FAMILY_COUNT},
        "NotSupportedError: no such operation"},
    {"a signature by X25519", {.kind = SUBTLE_SIGN, .family = SUBTLE_X25519, .hash = SUBTLE_SHA256},
        "NotSupportedError: no such signature"},
    {"a signature by Ed25519 with a hash",
        {.kind = SUBTLE_SIGN, .family = SUBTLE_ED25519, .hash = SUBTLE_SHA256},
        "NotSupportedError: no such signature"},
    {"a check of a signature by ECDSA without a hash",
        {.kind = SUBTLE_VERIFY, .family = SUBTLE_P256}, "NotSupportedError: no such signature"},
    {"encryption by ECDSA",
        {.kind = SUBTLE_OAEP_ENCRYPT, .family = SUBTLE_P256, .hash = SUBTLE_SHA1},
        "NotSupportedError: no such encryption"},
    {"agreement by RSA", {.kind = SUBTLE_DERIVE, .family = SUBTLE_RSA},
        "NotSupportedError: no such agreement"},
    {"no key", {.kind = SUBTLE_SIGN, .family = SUBTLE_P256, .hash = SUBTLE_SHA1},
        "OperationError: the key is unusable"},
    {"a key that is rubbish",
        {.kind = SUBTLE_SIGN, .family = SUBTLE_P256, .hash = SUBTLE_SHA1, .key = {nothing, 1000}},
        "OperationError: the key is unusable"},
    {"a key that is too long",
        {.kind = SUBTLE_SIGN,
            .family = SUBTLE_P256,
            .hash = SUBTLE_SHA1,
            .key = {nothing, SUBTLE_KEY_MAX + 1}},
        "OperationError: the key is too long"},
    {"a key in DER that is too long",
        {.kind = SUBTLE_IMPORT_PKCS8, .family = SUBTLE_RSA, .data = {nothing, SUBTLE_KEY_MAX + 1}},
        "DataError: the key is too long"},
    {"a key from no seed", {.kind = SUBTLE_GENERATE, .family = SUBTLE_P256},
        "OperationError: no seed"},
    {"a cipher without a key", {.kind = SUBTLE_CTR, .n = 64, .extra = {nothing, 16}},
        "OperationError: the cipher has failed"},
    {"a cipher without an iv", {.kind = SUBTLE_CBC_ENCRYPT, .key = {nothing, 16}},
        "OperationError: the cipher has failed"},
    {"GCM without a tag",
        {.kind = SUBTLE_GCM_ENCRYPT, .key = {nothing, 16}, .extra = {nothing, 12}},
        "OperationError: the cipher has failed"},
    {"GCM with an iv of 129 bytes",
        {.kind = SUBTLE_GCM_ENCRYPT, .key = {nothing, 16}, .extra = {nothing, 129}, .n = 128},
        "OperationError: the cipher has failed"},
    {"more than a counter counts",
        {.kind = SUBTLE_CTR,
            .key = {nothing, 16},
            .extra = {nothing, 16},
            .n = 2,
            .data = {nothing, 65}},
        "OperationError: the counter is too short for so much data"},
    {"all that a counter counts",
        {.kind = SUBTLE_CTR,
            .key = {nothing, 16},
            .extra = {nothing, 16},
            .n = 2,
            .data = {nothing, 64}},
        "fine"},
    {"PBKDF2 without rounds", {.kind = SUBTLE_PBKDF2, .hash = SUBTLE_SHA1, .m = 1},
        "OperationError: PBKDF2 without rounds"},
    {"more than HKDF makes", {.kind = SUBTLE_HKDF, .hash = SUBTLE_SHA1, .m = 255 * 20 + 1},
        "OperationError: more bytes than HKDF makes"},
    {"all that HKDF makes", {.kind = SUBTLE_HKDF, .hash = SUBTLE_SHA1, .m = 255 * 20}, "fine"},
};

/* What is checked by its length alone: nobody reads so many bytes. */
static const struct {
    const char *what;
    struct subtle_job job;
    const char *outcome;
} costs[] = {
    {"a long salt for few blocks",
        {.kind = SUBTLE_PBKDF2, .hash = SUBTLE_SHA1, .n = 1, .m = 12 * 20, .extra.len = 48 << 20},
        NULL},
    {"a long salt for many blocks",
        {.kind = SUBTLE_PBKDF2, .hash = SUBTLE_SHA1, .n = 1, .m = 13 * 20, .extra.len = 48 << 20},
        "more than 10,000,000 rounds of PBKDF2"},
    {"a long info for few blocks",
        {.kind = SUBTLE_HKDF, .hash = SUBTLE_SHA1, .m = 12 * 20, .more.len = 48 << 20}, NULL},
    {"a long info for many blocks",
        {.kind = SUBTLE_HKDF, .hash = SUBTLE_SHA1, .m = 13 * 20, .more.len = 48 << 20},
        "so much info for so many bytes takes HKDF too long"},
};

TEST(what_each_block_reads_anew_counts_for_each)
{
    for (size_t i = 0; i < ANQA_COUNT(costs); i++) {
        struct subtle_job job = costs[i].job;
        CHECK_EQ(subtle_check(&job), costs[i].outcome == NULL, "%s", costs[i].what);
        if (costs[i].outcome != NULL)
            CHECK_STR(job.why, costs[i].outcome, "%s", costs[i].what);
    }
}

/* ---------------------------------------------------------------- keys of other algorithms */

/* Puts a tag and a length before the `len` bytes at the end of `der`, where `at` is. Returns where that begins. */
static size_t wrap(unsigned char *der, size_t at, size_t end, unsigned char tag)
{
    size_t len = end - at;

    der[--at] = (unsigned char)len;
    der[--at] = (unsigned char)(len >> 8);
    der[--at] = 0x82;
    der[--at] = tag;
    return at;
}

/* A number of so many bytes before `at`. */
static size_t number(unsigned char *der, size_t at, size_t len)
{
    memset(der + at - len, 0x7f, len);
    return wrap(der, at - len, at, 2);
}

/* A private key of DSA without its public half: to make that takes the power of a number of so many bytes by another. */
static anqa_str forged(unsigned char *der, size_t size, size_t len)
{
    static const unsigned char dsa[] = {6, 7, 0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1},
                               zero[] = {2, 1, 0};
    size_t at = number(der, size, len), end;

    end = at = wrap(der, at, size, 4);
    at = number(der, at, len); /* g */
    at = number(der, at, 32);  /* q */
    at = number(der, at, len); /* p */
    at = wrap(der, at, end, 0x30);
    at -= sizeof dsa;
    memcpy(der + at, dsa, sizeof dsa);
    at = wrap(der, at, end, 0x30);
    at -= sizeof zero;
    memcpy(der + at, zero, sizeof zero);
    at = wrap(der, at, size, 0x30);
    return anqa_str_make((const char *)der + at, size - at);
}

TEST(a_key_of_another_algorithm_is_not_even_read)
{
    static unsigned char der[SUBTLE_KEY_MAX];
    struct subtle_job job = {
        .kind = SUBTLE_IMPORT_PKCS8, .family = SUBTLE_RSA, .data = forged(der, sizeof der, 4000)};
    clock_t start = clock();

    CHECK_STR(run(job), "DataError: the key is malformed, or another one");
    CHECK(clock() - start < CLOCKS_PER_SEC);
}

/* A private key of RSA whose modulus and private exponent have `len` bytes each, and the others half of that. */
static anqa_str rsa_of(unsigned char *der, size_t size, size_t len)
{
    static const unsigned char rsa[] = {6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0},
                               zero[] = {2, 1, 0};
    size_t at = size, end;

    for (int i = 0; i < 5; i++)
        at = number(der, at, len / 2);
    at = number(der, at, len); /* d */
    at = number(der, at, 8);   /* e */
    at = number(der, at, len); /* n */
    at -= sizeof zero;
    memcpy(der + at, zero, sizeof zero);
    at = wrap(der, at, size, 0x30);
    end = at = wrap(der, at, size, 4);
    at -= sizeof rsa;
    memcpy(der + at, rsa, sizeof rsa);
    at = wrap(der, at, end, 0x30);
    at -= sizeof zero;
    memcpy(der + at, zero, sizeof zero);
    at = wrap(der, at, size, 0x30);
    return anqa_str_make((const char *)der + at, size - at);
}

TEST(the_longest_rsa_keys_are_read_and_longer_ones_are_not)
{
    static unsigned char der[SUBTLE_KEY_MAX];
    struct subtle_job job = {.kind = SUBTLE_IMPORT_PKCS8, .family = SUBTLE_RSA};
    clock_t start = clock();

    job.data = rsa_of(der, sizeof der, SUBTLE_RSA_BITS_MAX / 8);
    CHECK_STR(run(job), "fine");
    job.data = rsa_of(der, sizeof der, SUBTLE_RSA_BITS_MAX / 8 + 2);
    CHECK_STR(run(job), "DataError: the key is malformed, or another one");
    CHECK(clock() - start < CLOCKS_PER_SEC / 4);
}

/* A public key of P-256 in DER, whose curve is there in numbers. */
static const char explicit_curve[] =
    "3082014b3082010306072a8648ce3d02013081f7020101302c06072a8648ce3d0101022100ffffffff000000"
    "01000000000000000000000000ffffffffffffffffffffffff305b0420ffffffff0000000100000000000000"
    "0000000000fffffffffffffffffffffffc04205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63b"
    "ce3c3e27d2604b031500c49d360886e704936a6678e1139d26b7819f7e900441046b17d1f2e12c4247f8bce6"
    "e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315e"
    "cecbb6406837bf51f5022100ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
    "0201010342000412665eeebf8f2a552d5a282022c8f6515b9174402e4b891db5aeae6d8cd7e4e4728abae07f"
    "0832a137fc553a303030fb53fbd8793b3c37782fe38b3791d1560f";

TEST(a_curve_that_is_not_named_is_none)
{
    char der[sizeof explicit_curve / 2];
    struct subtle_job job = {
        .kind = SUBTLE_IMPORT_SPKI, .family = SUBTLE_P256, .data = {der, sizeof der}};

    for (size_t i = 0; i < sizeof der; i++) {
        char digits[3] = {explicit_curve[2 * i], explicit_curve[2 * i + 1], 0};
        der[i] = (char)strtoul(digits, NULL, 16);
    }
    CHECK_STR(run(job), "DataError: the key is malformed, or another one");
}

TEST(jobs_that_cannot_be_fail_with_a_name)
{
    for (size_t i = 0; i < ANQA_COUNT(refused); i++)
        CHECK_STR(run(refused[i].job), refused[i].outcome, "%s", refused[i].what);
}

TEST(an_rsa_key_that_takes_too_long_is_not_made)
{
    struct subtle_job job = {
        .kind = SUBTLE_GENERATE, .family = SUBTLE_RSA, .n = 1024, .data = {"\1\0\1", 3}};

    CHECK_STR(run(job), "OperationError: no key could be made"); /* it may take no second */
    job.seconds = SUBTLE_RSA_SECONDS;
    CHECK_STR(run(job), "fine");
}

static const struct {
    struct subtle_job job;
    bool is_long;
} lengths[] = {
    {{.kind = SUBTLE_DIGEST, .hash = SUBTLE_SHA1, .data = {nothing, 65536}}, false},
    {{.kind = SUBTLE_DIGEST, .hash = SUBTLE_SHA1, .data = {nothing, 65537}}, true},
    {{.kind = SUBTLE_PBKDF2, .hash = SUBTLE_SHA1, .n = 1000, .m = 20}, false},
    {{.kind = SUBTLE_PBKDF2, .hash = SUBTLE_SHA1, .n = 1000, .m = 21}, true},
    {{.kind = SUBTLE_PBKDF2, .hash = SUBTLE_SHA1, .n = 1001, .m = 1}, true},
    {{.kind = SUBTLE_PBKDF2, .hash = SUBTLE_SHA1, .n = 1, .m = 20, .extra = {nothing, 63999}},
        false},
    {{.kind = SUBTLE_PBKDF2, .hash = SUBTLE_SHA1, .n = 1, .m = 20, .extra = {nothing, 64000}},
        true},
    {{.kind = SUBTLE_HKDF, .hash = SUBTLE_SHA1, .m = 200, .more = {nothing, 6399}}, false},
    {{.kind = SUBTLE_HKDF, .hash = SUBTLE_SHA1, .m = 201, .more = {nothing, 6399}}, true},
    {{.kind = SUBTLE_GENERATE, .family = SUBTLE_RSA, .n = 512}, true},
    {{.kind = SUBTLE_GENERATE, .family = SUBTLE_P521}, false},
};

TEST(what_may_take_long_is_known_by_its_size)
{
    for (size_t i = 0; i < ANQA_COUNT(lengths); i++) {
        struct subtle_job job = lengths[i].job;
        CHECK(subtle_check(&job));
        CHECK_EQ(subtle_is_long(&job), lengths[i].is_long, "row %zu", i);
    }
}
