/*
 * Tokens. The first byte chooses: the rest is a token as a stranger sends it, or what a signed one holds, so that the
 * reader behind the signature is reached too. What must hold: a stranger's token is refused; data that is read lies in
 * memory that can be read, and makes a token that is read as the same.
 */
#include "base/base64.h"
#include "http/crypto.h"

#include "fuzz/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret_text[] = "a secret of the fuzz target";

static anqa_str sign(anqa_str term)
{
    static unsigned char key[CRYPTO_KEY_LEN];
    static bool derived;
    char *text = anqa_arena_alloc(anqa_tmp(), 100 + base64_encoded_len(term.len));
    unsigned char mac[CRYPTO_HMAC_LEN];
    size_t len = strlen("SFMyNTY.");

    if (!derived)
        fuzz_require(crypto_derive(anqa_str_of(secret_text), anqa_str_of("fuzz"), 1000, key));
    derived = true;
    memcpy(text, "SFMyNTY.", len);
    len += base64_encode(term.ptr, term.len, BASE64_URL | BASE64_NO_PAD, text + len);
    fuzz_require(
        crypto_hmac(anqa_str_make((const char *)key, sizeof key), anqa_str_make(text, len), mac));
    text[len++] = '.';
    len += base64_encode(mac, sizeof mac, BASE64_URL | BASE64_NO_PAD, text + len);
    return anqa_str_make(text, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const anqa_token_opts forever = {.max_age_s = ANQA_INFINITY};
    anqa_str secret = anqa_str_of(secret_text), rest, found, again;

    if (size == 0 || size > 10000)
        return 0;
    fuzz_begin();
    rest = anqa_str_make((const char *)data + 1, size - 1);
    if (data[0] % 2 == 0) {
        fuzz_require(anqa_token_verify(secret, "fuzz", rest, NULL, &found) != ANQA_OK);
        fuzz_require(anqa_token_decrypt(secret, "fuzz", rest, NULL, &found) != ANQA_OK);
    } else if (anqa_token_verify(secret, "fuzz", sign(rest), &forever, &found) == ANQA_OK) {
        again = anqa_token_encrypt(secret, "fuzz", found, NULL);
        fuzz_require(anqa_token_decrypt(secret, "fuzz", again, NULL, &again) == ANQA_OK);
        fuzz_require(anqa_str_eq(found, again));
    }
    fuzz_event_over();
    return 0;
}
