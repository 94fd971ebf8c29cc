/**
 * base/sha1.h - SHA-1 (FIPS 180-4), which the opening handshake of WebSocket asks for.
 *
 * It proves nothing: collisions of SHA-1 can be made. Nothing that must not be forged may rest on it.
 */
#ifndef ANQA_BASE_SHA1_H
#define ANQA_BASE_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_LEN 20

struct sha1 {
    uint32_t h[5];
    uint64_t len; /* bytes so far */
    unsigned char block[64];
};

void sha1_init(struct sha1 *sha1);
/** The pieces may be cut anywhere. */
void sha1_feed(struct sha1 *sha1, const void *bytes, size_t len);
/** Ends it; only sha1_init may follow. */
void sha1_finish(struct sha1 *sha1, unsigned char ret_digest[static SHA1_LEN]);

#endif
