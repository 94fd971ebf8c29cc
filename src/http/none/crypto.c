/* http/crypto.h where the library is built without OpenSSL. */
#include "http/crypto.h"

bool crypto_equal(const void *a, const void *b, size_t len)
{
    const volatile unsigned char *x = a, *y = b;
    unsigned char differ = 0;

    for (size_t i = 0; i < len; i++)
        differ |= x[i] ^ y[i];
    return differ == 0;
}

bool crypto_hmac(anqa_str key, anqa_str data, unsigned char ret_mac[static CRYPTO_HMAC_LEN])
{
    return false;
}

bool crypto_derive(anqa_str secret, anqa_str salt, uint32_t iterations,
    unsigned char ret_key[static CRYPTO_KEY_LEN])
{
    return false;
}

bool crypto_seal(const unsigned char key[static CRYPTO_KEY_LEN],
    const unsigned char nonce[static CRYPTO_NONCE_LEN], anqa_str aad, anqa_str plain,
    void *ret_sealed, unsigned char ret_tag[static CRYPTO_TAG_LEN])
{
    return false;
}

bool crypto_open(const unsigned char key[static CRYPTO_KEY_LEN],
    const unsigned char nonce[static CRYPTO_NONCE_LEN], anqa_str aad, anqa_str sealed,
    const unsigned char tag[static CRYPTO_TAG_LEN], void *ret_plain)
{
    return false;
}
