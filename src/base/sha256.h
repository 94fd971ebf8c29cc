/**
 * base/sha256.h - SHA-256 (FIPS 180-4) and its HMAC (RFC 2104), for what must work in builds without OpenSSL too.
 */
#ifndef ANQA_BASE_SHA256_H
#define ANQA_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32

struct sha256 {
    uint32_t h[8];
    uint64_t len; /* bytes so far */
    unsigned char block[64];
};

void sha256_init(struct sha256 *sha256);
/** The pieces may be cut anywhere. */
void sha256_feed(struct sha256 *sha256, const void *bytes, size_t len);
/** Ends it; only sha256_init may follow. */
void sha256_finish(struct sha256 *sha256, unsigned char ret_digest[static SHA256_LEN]);

/** The digest of one piece. */
void sha256_of(const void *bytes, size_t len, unsigned char ret_digest[static SHA256_LEN]);
/** The HMAC of one piece with a key of at most 64 bytes. */
void sha256_hmac(const void *key, size_t key_len, const void *bytes, size_t len,
    unsigned char ret_mac[static SHA256_LEN]);

#endif
