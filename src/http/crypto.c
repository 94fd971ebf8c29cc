#include "http/crypto.h"

#include "http/hchacha20.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/types.h>

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

static bool fits_int(size_t len)
{
    return len <= INT_MAX;
}

bool crypto_hmac(anqa_str key, anqa_str data, unsigned char ret_mac[static CRYPTO_HMAC_LEN])
{
    return fits_int(key.len) &&
           HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)data.ptr, data.len,
               ret_mac, NULL) != NULL;
}

bool crypto_derive(anqa_str secret, anqa_str salt, uint32_t iterations,
    unsigned char ret_key[static CRYPTO_KEY_LEN])
{
    return fits_int(secret.len) && fits_int(salt.len) && fits_int(iterations) &&
           PKCS5_PBKDF2_HMAC(secret.ptr, (int)secret.len, (const unsigned char *)salt.ptr,
               (int)salt.len, (int)iterations, EVP_sha256(), CRYPTO_KEY_LEN, ret_key) == 1;
}

/* The cipher of RFC 8439 with the key that belongs to the nonce's first part. NULL: no memory. */
static EVP_CIPHER_CTX *begin_cipher(
    const unsigned char *key, const unsigned char *nonce, anqa_str aad, bool seal)
{
    unsigned char subkey[CRYPTO_KEY_LEN], rest[12] = {0};
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int len;

    if (cipher == NULL)
        return NULL;
    hchacha20(key, nonce, subkey);
    memcpy(rest + 4, nonce + 16, 8);
    if (EVP_CipherInit_ex(cipher, EVP_chacha20_poly1305(), NULL, subkey, rest, seal) != 1 ||
        EVP_CipherUpdate(cipher, NULL, &len, (const unsigned char *)aad.ptr, (int)aad.len) != 1) {
        EVP_CIPHER_CTX_free(cipher);
        cipher = NULL;
    }
    OPENSSL_cleanse(subkey, sizeof subkey);
    return cipher;
}

static bool run_cipher(EVP_CIPHER_CTX *cipher, anqa_str in, unsigned char *out)
{
    int len = 0;

    return (in.len == 0 || EVP_CipherUpdate(cipher, out, &len, (const unsigned char *)in.ptr,
                               (int)in.len) == 1) &&
           EVP_CipherFinal_ex(cipher, out + len, &len) == 1;
}

bool crypto_seal(const unsigned char key[static CRYPTO_KEY_LEN],
    const unsigned char nonce[static CRYPTO_NONCE_LEN], anqa_str aad, anqa_str plain,
    void *ret_sealed, unsigned char ret_tag[static CRYPTO_TAG_LEN])
{
    EVP_CIPHER_CTX *cipher;
    bool done;

    if (!fits_int(plain.len) || !fits_int(aad.len))
        return false;
    cipher = begin_cipher(key, nonce, aad, true);
    done = cipher != NULL && run_cipher(cipher, plain, ret_sealed) &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG_LEN, ret_tag) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return done;
}

bool crypto_open(const unsigned char key[static CRYPTO_KEY_LEN],
    const unsigned char nonce[static CRYPTO_NONCE_LEN], anqa_str aad, anqa_str sealed,
    const unsigned char tag[static CRYPTO_TAG_LEN], void *ret_plain)
{
    unsigned char expected[CRYPTO_TAG_LEN];
    EVP_CIPHER_CTX *cipher;
    bool done;

    if (!fits_int(sealed.len) || !fits_int(aad.len))
        return false;
    memcpy(expected, tag, sizeof expected);
    cipher = begin_cipher(key, nonce, aad, false);
    done = cipher != NULL &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG_LEN, expected) == 1 &&
           run_cipher(cipher, sealed, ret_plain);
    EVP_CIPHER_CTX_free(cipher);
    return done;
}
