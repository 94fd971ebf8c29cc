#include <anqa/token.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/siphash.h"
#include "http/crypto.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <anqa/memory.h>
#include <anqa/process.h>

#define SECRET_MIN 20
#define MAX_AGE_S 86400
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

/* ---------------------------------------------------------------- what a token holds */

/* {Data, SignedAtMs, MaxAgeS} in Erlang's external term format. */
enum {
    TERM_VERSION = 131,
    TERM_TUPLE = 104,
    TERM_BINARY = 109,
    TERM_BYTE = 97,
    TERM_INT = 98,
    TERM_BIG = 110,
    TERM_ATOM_LATIN1 = 100, /* until OTP 25 */
    TERM_ATOM = 119,
    TERM_OVERHEAD = 32 /* of what `write_term` writes, beside the data */
};

static const char infinity[] = "infinity";

struct writer {
    unsigned char *at;
};

static void put(struct writer *w, unsigned byte)
{
    *w->at++ = (unsigned char)byte;
}

static void put_u32(struct writer *w, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        put(w, value >> shift & 0xff);
}

static void put_number(struct writer *w, uint64_t value)
{
    if (value <= UINT8_MAX) {
        put(w, TERM_BYTE);
        put(w, (unsigned)value);
    } else if (value <= INT32_MAX) {
        put(w, TERM_INT);
        put_u32(w, (uint32_t)value);
    } else {
        unsigned char *count;
        put(w, TERM_BIG);
        count = w->at++;
        put(w, 0); /* not negative */
        for (*count = 0; value != 0; value >>= 8, ++*count)
            put(w, value & 0xff);
    }
}

static void put_max_age(struct writer *w, uint32_t max_age_s)
{
    if (max_age_s != ANQA_INFINITY) {
        put_number(w, max_age_s);
        return;
    }
    put(w, TERM_ATOM);
    put(w, sizeof infinity - 1);
    memcpy(w->at, infinity, sizeof infinity - 1);
    w->at += sizeof infinity - 1;
}

static anqa_str write_term(anqa_str data, const anqa_token_opts *opts)
{
    unsigned char *term = anqa_arena_alloc(anqa_tmp(), data.len + TERM_OVERHEAD);
    struct writer w = {term};

    put(&w, TERM_VERSION);
    put(&w, TERM_TUPLE);
    put(&w, 3);
    put(&w, TERM_BINARY);
    put_u32(&w, (uint32_t)data.len);
    if (data.len > 0)
        memcpy(w.at, data.ptr, data.len);
    w.at += data.len;
    put_number(&w, opts->signed_at_s != 0 ? opts->signed_at_s * 1000 : clock_wall_ms());
    put_max_age(&w, opts->max_age_s != 0 ? opts->max_age_s : MAX_AGE_S);
    return anqa_str_make((const char *)term, (size_t)(w.at - term));
}

struct reader {
    const unsigned char *at, *end;
};

/* The next `len` bytes; NULL: there are not so many. */
static const unsigned char *take(struct reader *r, size_t len)
{
    const unsigned char *at = r->at;

    if ((size_t)(r->end - at) < len)
        return NULL;
    r->at += len;
    return at;
}

static uint64_t big_endian(const unsigned char *at, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | at[i];
    return value;
}

/* A length or a small number of `size` bytes. */
static bool take_number(struct reader *r, size_t size, uint64_t *ret_value)
{
    const unsigned char *at = take(r, size);

    if (at == NULL)
        return false;
    *ret_value = big_endian(at, size);
    return true;
}

static bool take_big(struct reader *r, int64_t *ret_value)
{
    const unsigned char *head = take(r, 2), *digits;
    uint64_t value = 0;

    if (head == NULL || head[0] > 8 || (digits = take(r, head[0])) == NULL)
        return false;
    for (size_t i = head[0]; i > 0; i--)
        value = value << 8 | digits[i - 1];
    if (value > INT64_MAX)
        return false;
    *ret_value = head[1] != 0 ? -(int64_t)value : (int64_t)value;
    return true;
}

static bool take_integer(struct reader *r, unsigned tag, int64_t *ret_value)
{
    uint64_t value;

    if (tag == TERM_BIG)
        return take_big(r, ret_value);
    if ((tag != TERM_BYTE && tag != TERM_INT) || !take_number(r, tag == TERM_BYTE ? 1 : 4, &value))
        return false;
    *ret_value = tag == TERM_BYTE ? (int64_t)value : (int32_t)value;
    return true;
}

static bool take_data(struct reader *r, anqa_str *ret_data)
{
    uint64_t tag, len;
    const unsigned char *bytes;
    int64_t number;

    if (!take_number(r, 1, &tag))
        return false;
    if (tag == TERM_BINARY) {
        if (!take_number(r, 4, &len) || (bytes = take(r, len)) == NULL)
            return false;
        *ret_data = anqa_str_make((const char *)bytes, len);
        return true;
    }
    if (!take_integer(r, (unsigned)tag, &number))
        return false;
    *ret_data = anqa_str_of(anqa_tmp_printf("%" PRId64, number));
    return true;
}

static bool take_max_age(struct reader *r, int64_t *ret_max_age_s)
{
    uint64_t tag, len;
    const unsigned char *name;

    if (!take_number(r, 1, &tag))
        return false;
    if (tag != TERM_ATOM && tag != TERM_ATOM_LATIN1)
        return take_integer(r, (unsigned)tag, ret_max_age_s);
    *ret_max_age_s = ANQA_INFINITY;
    return take_number(r, tag == TERM_ATOM ? 1 : 2, &len) && (name = take(r, len)) != NULL &&
           anqa_str_is(anqa_str_make((const char *)name, len), infinity);
}

static anqa_status check_age(int64_t signed_ms, int64_t max_age_s)
{
    int64_t age_ms = (int64_t)clock_wall_ms() - signed_ms;

    if (signed_ms < 0 || age_ms < 0)
        return ANQA_E_INVALID;
    if (max_age_s == ANQA_INFINITY)
        return ANQA_OK;
    return max_age_s <= 0 || max_age_s < (age_ms + 999) / 1000 ? ANQA_E_EXPIRED : ANQA_OK;
}

static anqa_status read_term(anqa_str term, const anqa_token_opts *opts, anqa_str *ret_data)
{
    const unsigned char *bytes = (const unsigned char *)term.ptr;
    struct reader r = {bytes, bytes + term.len};
    const unsigned char *head = take(&r, 3);
    int64_t signed_ms, max_age_s;
    anqa_status status;
    anqa_str data;
    uint64_t tag;

    if (head == NULL || head[0] != TERM_VERSION || head[1] != TERM_TUPLE || head[2] != 3 ||
        !take_data(&r, &data) || !take_number(&r, 1, &tag) ||
        !take_integer(&r, (unsigned)tag, &signed_ms) || !take_max_age(&r, &max_age_s) ||
        r.at != r.end)
        return ANQA_E_TYPE;
    status = check_age(signed_ms, opts->max_age_s != 0 ? opts->max_age_s : max_age_s);
    if (status == ANQA_OK)
        *ret_data = data;
    return status;
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

/* Cuts off what stands before the first dot; false: there is none. */
static bool cut(anqa_str *text, anqa_str *ret_part)
{
    const char *dot = text->len > 0 ? memchr(text->ptr, '.', text->len) : NULL;

    if (dot == NULL)
        return false;
    *ret_part = anqa_str_make(text->ptr, (size_t)(dot - text->ptr));
    *text = anqa_str_make(dot + 1, text->len - ret_part->len - 1);
    return true;
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
    token.term = write_term(data, opts);
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
    if (!cut(&rest, &method) || !anqa_str_is(method, SIGNED) || !cut(&rest, &payload) ||
        !decode(payload, &term) || !decode(rest, &signature) || signature.len != sizeof mac)
        return ANQA_E_INVALID;
    if (!crypto_hmac(anqa_str_make((const char *)key, sizeof key),
            anqa_str_make(token.ptr, token.len - rest.len - 1), mac))
        return ANQA_E_UNSUPPORTED;
    if (!crypto_equal(mac, signature.ptr, sizeof mac))
        return ANQA_E_INVALID;
    return read_term(term, wanted, ret_data);
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
    if (!cut(&rest, &method) || !anqa_str_is(method, SEALED) || !decode(rest, &sealed) ||
        sealed.len < head)
        return ANQA_E_INVALID;
    bytes = (const unsigned char *)sealed.ptr;
    plain = anqa_arena_alloc(anqa_tmp(), sealed.len);
    if (!crypto_open(key, bytes, anqa_str_of(AAD),
            anqa_str_make(sealed.ptr + head, sealed.len - head), bytes + CRYPTO_NONCE_LEN, plain))
        return ANQA_E_INVALID;
    return read_term(anqa_str_make(plain, sealed.len - head), wanted, ret_data);
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
