/*
 * What the rest needs of cryptography, over OpenSSL's libcrypto; where the library was built without it, everything but
 * comparing fails.
 *
 * Any thread; nothing here waits. A false result: the library was built without OpenSSL, or it has no memory; of
 * crypto_open also that the bytes were not sealed with this key.
 */
#ifndef HTTP_CRYPTO_H
#define HTTP_CRYPTO_H

#include <anqa/base.h>

#define CRYPTO_KEY_LEN 32
#define CRYPTO_HMAC_LEN 32
#define CRYPTO_NONCE_LEN 24
#define CRYPTO_TAG_LEN 16

/* Whether both have the same bytes, in a time that depends on their length only. */
bool crypto_equal(const void *a, const void *b, size_t len);

/* HMAC-SHA-256 (RFC 2104). */
bool crypto_hmac(anqa_str key, anqa_str data, unsigned char ret_mac[static CRYPTO_HMAC_LEN]);

/* A key from a secret by PBKDF2 with HMAC-SHA-256 (RFC 8018). */
bool crypto_derive(anqa_str secret, anqa_str salt, uint32_t iterations,
    unsigned char ret_key[static CRYPTO_KEY_LEN]);

/* XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03). Sealed bytes are as long as plain ones. */
bool crypto_seal(const unsigned char key[static CRYPTO_KEY_LEN],
    const unsigned char nonce[static CRYPTO_NONCE_LEN], anqa_str aad, anqa_str plain,
    void *ret_sealed, unsigned char ret_tag[static CRYPTO_TAG_LEN]);
bool crypto_open(const unsigned char key[static CRYPTO_KEY_LEN],
    const unsigned char nonce[static CRYPTO_NONCE_LEN], anqa_str aad, anqa_str sealed,
    const unsigned char tag[static CRYPTO_TAG_LEN], void *ret_plain);

#endif
