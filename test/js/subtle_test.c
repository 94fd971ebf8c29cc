/* Jobs of crypto.subtle, asked for as no script can: crypto.js checks more, and first. */
#include "js/web/subtle.h"

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

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
