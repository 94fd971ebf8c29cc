#include <anqa/token.h>

#include "base/base64.h"
#include "base/random.h"
#include "base/siphash.h"
#include "base/str.h"
#include "http/crypto.h"
#include "http/token_term.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <anqa/memory.h>
#include <anqa/process.h>

#define SECRET_MIN 20
#define ITERATIONS 1000
#define SIGNED "SFMyNTY" /* HS256 */
#define SEALED "XCP"
#define AAD "A128GCM" /* what Plug.Crypto authenticates beside the text */

enum { TEXT = BASE64_URL | BASE64_NO_PAD };

/* ---------------------------------------------------------------- keys */

#define KEYS_MAX 64

/* A key and what it was derived from, as a MAC of that under a key of this run. Never changed, never freed. */
struct token_key {
    unsigned char of[CRYPTO_HMAC_LEN];
    unsigned char key[CRYPTO_KEY_LEN];
};

static _Atomic(struct token_key *) keys[KEYS_MAX]; /* filled from the front, and not beyond */

static void no_crypto(void)
{
    anqa_exit(anqa_error_reason("no tokens: no memory, or the library was built without OpenSSL"));
}

/* What names a key: nothing from which the secret could be read. */
static bool name_key(anqa_str secret, anqa_str salt, uint32_t iterations, unsigned char *ret_of)
{
    const struct siphash_key *boot = siphash_boot_key();
    uint64_t lens[2] = {secret.len, iterations};
    size_t len = sizeof lens + secret.len + salt.len;
    char *all = anqa_arena_alloc(anqa_tmp(), len);
    bool done;

    memcpy(all, lens, sizeof lens);
    memcpy(all + sizeof lens, secret.ptr, secret.len);
    memcpy(all + sizeof lens + secret.len, salt.ptr, salt.len);
    done = crypto_hmac(
        anqa_str_make((const char *)boot, sizeof *boot), anqa_str_make(all, len), ret_of);
    explicit_bzero(all, len);
    return done;
}

/* Beyond KEYS_MAX different ones a key is derived each time. */
static void keep_key(const struct token_key *key)
{
    struct token_key *kept = malloc(sizeof *kept);

    if (kept == NULL)
        return;
    *kept = *key;
    for (size_t i = 0; i < KEYS_MAX; i++) {
        struct token_key *nobody = NULL;
        if (atomic_compare_exchange_strong_explicit(&keys[i], &nobody, kept,
                memory_order_release, /* pairs with find_key's acquire */
                memory_order_relaxed))
            return;
    }
    free(kept);
}

static bool find_key(struct token_key *key)
{
    for (size_t i = 0; i < KEYS_MAX; i++) {
        const struct token_key *kept = atomic_load_explicit(&keys[i], memory_order_acquire);
        if (kept == NULL)
            return false;
        if (memcmp(kept->of, key->of, sizeof key->of) == 0) {
            *key = *kept;
            return true;
        }
    }
    return false;
}

static bool key_for(anqa_str secret, const char *salt, const anqa_token_opts *opts,
    unsigned char ret_key[static CRYPTO_KEY_LEN])
{
    uint32_t iterations = opts->key_iterations != 0 ? opts->key_iterations : ITERATIONS;
    struct token_key key;

    ANQA_REQUIRE(secret.len >= SECRET_MIN);
    if (!name_key(secret, anqa_str_of(salt), iterations, key.of))
        return false;
    if (!find_key(&key)) {
        if (!crypto_derive(secret, anqa_str_of(salt), iterations, key.key))
            return false;
        keep_key(&key);
    }
    memcpy(ret_key, key.key, sizeof key.key);
    explicit_bzero(&key, sizeof key);
    return true;
}

/* ---------------------------------------------------------------- text */

static void append(char *text, size_t *len, anqa_str more)
{
    memcpy(text + *len, more.ptr, more.len);
    *len += more.len;
}

static void append_base64(char *text, size_t *len, const void *bytes, size_t size)
{
    *len += base64_encode(bytes, size, TEXT, text + *len);
}

static bool decode(anqa_str text, anqa_str *ret_bytes)
{
    char *bytes = anqa_arena_alloc(anqa_tmp(), base64_decoded_len(text.len));
    size_t len;

    if (base64_decode(text, TEXT, bytes, &len) != ANQA_OK)
        return false;
    *ret_bytes = anqa_str_make(bytes, len);
    return true;
}

/* ---------------------------------------------------------------- tokens */

static const anqa_token_opts no_opts = {0};

/* What a token becomes of: its key and its term. */
struct token {
    unsigned char key[CRYPTO_KEY_LEN];
    anqa_str term;
};

static struct token token_make(
    anqa_str secret, const char *salt, anqa_str data, const anqa_token_opts *opts)
{
    struct token token;

    if (opts == NULL)
        opts = &no_opts;
    ANQA_REQUIRE(data.len <= ANQA_TOKEN_MAX / 4 * 3 - 256);
    token.term = token_term_write(data, opts);
    if (!key_for(secret, salt, opts, token.key))
        no_crypto();
    return token;
}

anqa_str anqa_token_sign(
    anqa_str secret, const char *salt, anqa_str data, const anqa_token_opts *opts)
{
    struct token token = token_make(secret, salt, data, opts);
    char *text = anqa_arena_alloc(anqa_tmp(), sizeof SIGNED + base64_encoded_len(token.term.len) +
                                                  base64_encoded_len(CRYPTO_HMAC_LEN) + 2);
    unsigned char mac[CRYPTO_HMAC_LEN];
    size_t len = 0;

    append(text, &len, anqa_str_of(SIGNED "."));
    append_base64(text, &len, token.term.ptr, token.term.len);
    if (!crypto_hmac(anqa_str_make((const char *)token.key, sizeof token.key),
            anqa_str_make(text, len), mac))
        no_crypto();
    append(text, &len, anqa_str_of("."));
    append_base64(text, &len, mac, sizeof mac);
    return anqa_str_make(text, len);
}

/* A token's text, checked as far as that needs no key, and its key. */
static anqa_status token_begin(anqa_str secret, const char *salt, anqa_str token,
    const anqa_token_opts *opts, unsigned char ret_key[static CRYPTO_KEY_LEN])
{
    if (token.len == 0)
        return ANQA_E_NOT_FOUND;
    if (token.len > ANQA_TOKEN_MAX)
        return ANQA_E_INVALID;
    return key_for(secret, salt, opts, ret_key) ? ANQA_OK : ANQA_E_UNSUPPORTED;
}

anqa_status anqa_token_verify(anqa_str secret, const char *salt, anqa_str token,
    const anqa_token_opts *opts, anqa_str *ret_data)
{
    const anqa_token_opts *wanted = opts != NULL ? opts : &no_opts;
    unsigned char key[CRYPTO_KEY_LEN], mac[CRYPTO_HMAC_LEN];
    anqa_str rest = token, method, payload, signature, term;
    anqa_status status = token_begin(secret, salt, token, wanted, key);

    if (status != ANQA_OK)
        return status;
    if (!str_cut(&rest, ".", &method) || !anqa_str_is(method, SIGNED) ||
        !str_cut(&rest, ".", &payload) || !decode(payload, &term) || !decode(rest, &signature) ||
        signature.len != sizeof mac)
        return ANQA_E_INVALID;
    if (!crypto_hmac(anqa_str_make((const char *)key, sizeof key),
            anqa_str_make(token.ptr, token.len - rest.len - 1), mac))
        return ANQA_E_UNSUPPORTED;
    if (!crypto_equal(mac, signature.ptr, sizeof mac))
        return ANQA_E_INVALID;
    return token_term_read(term, wanted, ret_data);
}

anqa_str anqa_token_encrypt(
    anqa_str secret, const char *salt, anqa_str data, const anqa_token_opts *opts)
{
    struct token token = token_make(secret, salt, data, opts);
    size_t size = CRYPTO_NONCE_LEN + CRYPTO_TAG_LEN + token.term.len, len = 0;
    unsigned char *sealed = anqa_arena_alloc(anqa_tmp(), size);
    char *text = anqa_arena_alloc(anqa_tmp(), sizeof SEALED + base64_encoded_len(size));

    random_bytes(sealed, CRYPTO_NONCE_LEN);
    if (!crypto_seal(token.key, sealed, anqa_str_of(AAD), token.term,
            sealed + CRYPTO_NONCE_LEN + CRYPTO_TAG_LEN, sealed + CRYPTO_NONCE_LEN))
        no_crypto();
    append(text, &len, anqa_str_of(SEALED "."));
    append_base64(text, &len, sealed, size);
    return anqa_str_make(text, len);
}

anqa_status anqa_token_decrypt(anqa_str secret, const char *salt, anqa_str token,
    const anqa_token_opts *opts, anqa_str *ret_data)
{
    const anqa_token_opts *wanted = opts != NULL ? opts : &no_opts;
    const size_t head = CRYPTO_NONCE_LEN + CRYPTO_TAG_LEN;
    unsigned char key[CRYPTO_KEY_LEN];
    anqa_str rest = token, method, sealed;
    anqa_status status = token_begin(secret, salt, token, wanted, key);
    const unsigned char *bytes;
    char *plain;

    if (status != ANQA_OK)
        return status;
    if (!str_cut(&rest, ".", &method) || !anqa_str_is(method, SEALED) || !decode(rest, &sealed) ||
        sealed.len < head)
        return ANQA_E_INVALID;
    bytes = (const unsigned char *)sealed.ptr;
    plain = anqa_arena_alloc(anqa_tmp(), sealed.len);
    if (!crypto_open(key, bytes, anqa_str_of(AAD),
            anqa_str_make(sealed.ptr + head, sealed.len - head), bytes + CRYPTO_NONCE_LEN, plain))
        return ANQA_E_INVALID;
    return token_term_read(anqa_str_make(plain, sealed.len - head), wanted, ret_data);
}

/* ---------------------------------------------------------------- small things */

bool anqa_secure_compare(anqa_str a, anqa_str b)
{
    return a.len == b.len && (a.len == 0 || crypto_equal(a.ptr, b.ptr, a.len));
}

anqa_str anqa_random_text(size_t len)
{
    unsigned char *bytes = anqa_arena_alloc(anqa_tmp(), len);
    char *text = anqa_arena_alloc(anqa_tmp(), base64_encoded_len(len));

    random_bytes(bytes, len);
    return anqa_str_make(text, base64_encode(bytes, len, TEXT, text));
}
