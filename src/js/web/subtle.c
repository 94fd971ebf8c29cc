#include "js/web/subtle_int.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>

static const char operation[] = "OperationError";

const EVP_MD *subtle_md(enum subtle_hash hash)
{
    switch (hash) {
    case SUBTLE_SHA1: return EVP_sha1();
    case SUBTLE_SHA256: return EVP_sha256();
    case SUBTLE_SHA384: return EVP_sha384();
    case SUBTLE_SHA512: return EVP_sha512();
    case SUBTLE_NO_HASH:
    case SUBTLE_HASH_COUNT: break;
    }
    return NULL;
}

bool subtle_fail(struct subtle_job *job, const char *error, const char *why)
{
    if (job->error == NULL) {
        job->error = error;
        job->why = why;
    }
    return false;
}

unsigned char *subtle_next(struct subtle_job *job, size_t len)
{
    unsigned char *at = job->out + job->len;

    if (len > job->size - job->len) {
        subtle_fail(job, operation, "the result is too long");
        return NULL;
    }
    job->len += len;
    return at;
}

bool subtle_put(struct subtle_job *job, const void *bytes, size_t len)
{
    unsigned char *at = subtle_next(job, len);

    if (at != NULL && len > 0)
        memcpy(at, bytes, len);
    return at != NULL;
}

void subtle_cleanse(void *bytes, size_t len)
{
    if (len > 0)
        OPENSSL_cleanse(bytes, len);
}

/* ---------------------------------------------------------------- hashes */

static bool run_digest(struct subtle_job *job)
{
    unsigned char *out = subtle_next(job, EVP_MAX_MD_SIZE);
    unsigned int len = 0;

    if (out == NULL)
        return false;
    if (EVP_Digest(subtle_u8(job->data), job->data.len, out, &len, subtle_md(job->hash), NULL) != 1)
        return subtle_fail(job, operation, "no digest");
    job->len = len;
    return true;
}

static bool hmac(const struct subtle_job *job, unsigned char *mac, unsigned int *ret_len)
{
    return HMAC(subtle_md(job->hash), subtle_u8(job->key), (int)job->key.len, subtle_u8(job->data),
               job->data.len, mac, ret_len) != NULL;
}

static bool run_hmac(struct subtle_job *job)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    bool ok;

    if (!hmac(job, mac, &len))
        return subtle_fail(job, operation, "no HMAC");
    if (job->kind == SUBTLE_HMAC)
        ok = subtle_put(job, mac, len);
    else
        ok = subtle_put(job,
            job->extra.len == len && CRYPTO_memcmp(mac, job->extra.ptr, len) == 0 ? "\1" : "\0", 1);
    OPENSSL_cleanse(mac, sizeof mac);
    return ok;
}

/* ---------------------------------------------------------------- AES */

/* NULL: there is none with keys of that length. */
static const EVP_CIPHER *cipher_of(enum subtle_kind kind, size_t key_len)
{
    static const EVP_CIPHER *(*const ciphers[SUBTLE_KIND_COUNT][3])(void) = {
        [SUBTLE_CBC_ENCRYPT] = {EVP_aes_128_cbc, EVP_aes_192_cbc, EVP_aes_256_cbc},
        [SUBTLE_CBC_DECRYPT] = {EVP_aes_128_cbc, EVP_aes_192_cbc, EVP_aes_256_cbc},
        [SUBTLE_CTR] = {EVP_aes_128_ctr, EVP_aes_192_ctr, EVP_aes_256_ctr},
        [SUBTLE_GCM_ENCRYPT] = {EVP_aes_128_gcm, EVP_aes_192_gcm, EVP_aes_256_gcm},
        [SUBTLE_GCM_DECRYPT] = {EVP_aes_128_gcm, EVP_aes_192_gcm, EVP_aes_256_gcm},
        [SUBTLE_WRAP] = {EVP_aes_128_wrap, EVP_aes_192_wrap, EVP_aes_256_wrap},
        [SUBTLE_UNWRAP] = {EVP_aes_128_wrap, EVP_aes_192_wrap, EVP_aes_256_wrap},
    };

    if (key_len != 16 && key_len != 24 && key_len != 32)
        return NULL;
    return ciphers[kind][key_len / 8 - 2]();
}

/* The whole of `in` behind what there is. What comes out is at most a block longer. */
static bool crypt_all(struct subtle_job *job, EVP_CIPHER_CTX *cipher, anqa_str in)
{
    size_t before = job->len;
    unsigned char *out = subtle_next(job, in.len + 16);
    int len = 0, last = 0;

    if (out == NULL)
        return false;
    if (EVP_CipherUpdate(cipher, out, &len, subtle_u8(in), (int)in.len) != 1 ||
        EVP_CipherFinal_ex(cipher, out + len, &last) != 1)
        return false;
    job->len = before + (size_t)len + (size_t)last;
    return true;
}

static bool run_cbc(struct subtle_job *job, EVP_CIPHER_CTX *cipher, const EVP_CIPHER *type)
{
    return job->extra.len == 16 &&
           EVP_CipherInit_ex(cipher, type, NULL, subtle_u8(job->key), subtle_u8(job->extra),
               job->kind == SUBTLE_CBC_ENCRYPT) == 1 &&
           crypt_all(job, cipher, job->data);
}

typedef unsigned __int128 u128;

static u128 counter_read(const unsigned char *bytes)
{
    u128 n = 0;

    for (unsigned i = 0; i < 16; i++)
        n = n << 8 | bytes[i];
    return n;
}

static void counter_write(u128 n, unsigned char *bytes)
{
    for (unsigned i = 16; i-- > 0; n >>= 8)
        bytes[i] = (unsigned char)n;
}

/* Only the last `n` bits count, and begin anew behind the greatest; OpenSSL would go on in those before them. */
static bool run_ctr(struct subtle_job *job, EVP_CIPHER_CTX *cipher, const EVP_CIPHER *type)
{
    u128 mask, counter, left;
    size_t blocks = (job->data.len + 15) / 16, first = job->data.len;
    unsigned char iv[16];

    if (job->extra.len != 16 || job->n == 0 || job->n > 128)
        return false;
    mask = job->n == 128 ? ~(u128)0 : ((u128)1 << job->n) - 1;
    counter = counter_read(subtle_u8(job->extra));
    left = mask - (counter & mask); /* and one more */
    if (blocks > 0 && blocks - 1 > mask)
        return subtle_fail(job, operation, "the counter is too short for so much data");
    if (blocks > 0 && blocks - 1 > left)
        first = ((size_t)left + 1) * 16;
    memcpy(iv, job->extra.ptr, 16);
    if (EVP_CipherInit_ex(cipher, type, NULL, subtle_u8(job->key), iv, 1) != 1 ||
        !crypt_all(job, cipher, anqa_str_make(job->data.ptr, first)))
        return false;
    if (first == job->data.len)
        return true;
    counter_write(counter & ~mask, iv);
    return EVP_CipherInit_ex(cipher, NULL, NULL, NULL, iv, 1) == 1 &&
           crypt_all(job, cipher, anqa_str_make(job->data.ptr + first, job->data.len - first));
}

static bool begin_gcm(
    struct subtle_job *job, EVP_CIPHER_CTX *cipher, const EVP_CIPHER *type, bool seal)
{
    int len;

    return job->extra.len > 0 && job->extra.len <= 128 &&
           EVP_CipherInit_ex(cipher, type, NULL, NULL, NULL, seal) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_IVLEN, (int)job->extra.len, NULL) == 1 &&
           EVP_CipherInit_ex(
               cipher, NULL, NULL, subtle_u8(job->key), subtle_u8(job->extra), seal) == 1 &&
           (job->more.len == 0 ||
               EVP_CipherUpdate(cipher, NULL, &len, subtle_u8(job->more), (int)job->more.len) == 1);
}

static bool run_gcm(struct subtle_job *job, EVP_CIPHER_CTX *cipher, const EVP_CIPHER *type)
{
    bool seal = job->kind == SUBTLE_GCM_ENCRYPT;
    size_t tag_len = job->n / 8;
    unsigned char tag[16];
    anqa_str in = job->data;

    if (job->n % 8 != 0 || tag_len < 4 || tag_len > 16 || (!seal && in.len < tag_len) ||
        !begin_gcm(job, cipher, type, seal))
        return false;
    if (!seal) {
        in.len -= tag_len;
        memcpy(tag, in.ptr + in.len, tag_len);
        if (EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, (int)tag_len, tag) != 1)
            return false;
    }
    if (!crypt_all(job, cipher, in))
        return false;
    return !seal || (EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, (int)tag_len, tag) == 1 &&
                        subtle_put(job, tag, tag_len));
}

static bool run_wrap(struct subtle_job *job, EVP_CIPHER_CTX *cipher, const EVP_CIPHER *type)
{
    EVP_CIPHER_CTX_set_flags(cipher, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    return job->data.len % 8 == 0 && job->data.len >= (job->kind == SUBTLE_WRAP ? 16 : 24) &&
           EVP_CipherInit_ex(
               cipher, type, NULL, subtle_u8(job->key), NULL, job->kind == SUBTLE_WRAP) == 1 &&
           crypt_all(job, cipher, job->data);
}

static bool run_aes(struct subtle_job *job)
{
    const EVP_CIPHER *type = cipher_of(job->kind, job->key.len);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    bool done = false;

    if (type != NULL && cipher != NULL) {
        switch (job->kind) {
        case SUBTLE_CBC_ENCRYPT:
        case SUBTLE_CBC_DECRYPT: done = run_cbc(job, cipher, type); break;
        case SUBTLE_CTR: done = run_ctr(job, cipher, type); break;
        case SUBTLE_GCM_ENCRYPT:
        case SUBTLE_GCM_DECRYPT: done = run_gcm(job, cipher, type); break;
        default: done = run_wrap(job, cipher, type); break;
        }
    }
    EVP_CIPHER_CTX_free(cipher);
    return done || subtle_fail(job, operation, "the cipher has failed");
}

/* ---------------------------------------------------------------- deriving bytes */

static bool run_pbkdf2(struct subtle_job *job)
{
    unsigned char *out = subtle_next(job, job->m);

    return out != NULL && (job->m == 0 ||
                              PKCS5_PBKDF2_HMAC(job->key.len == 0 ? "" : job->key.ptr,
                                  (int)job->key.len, subtle_u8(job->extra), (int)job->extra.len,
                                  (int)job->n, subtle_md(job->hash), (int)job->m, out) == 1 ||
                              subtle_fail(job, operation, "nothing could be derived"));
}

/* RFC 5869, 2.3: each block is a MAC of the one before, the info and its number. */
static bool expand(struct subtle_job *job, EVP_MAC_CTX *mac, const unsigned char *prk, size_t len)
{
    unsigned char block[EVP_MAX_MD_SIZE];
    size_t made = 0, block_len = 0;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                               (char *)(uintptr_t)EVP_MD_get0_name(subtle_md(job->hash)), 0),
        OSSL_PARAM_construct_end()};
    bool ok = true;

    for (unsigned i = 1; ok && made < job->m; i++) {
        unsigned char number = (unsigned char)i;
        ok = EVP_MAC_init(mac, prk, len, params) == 1 &&
             (block_len == 0 || EVP_MAC_update(mac, block, block_len) == 1) &&
             EVP_MAC_update(mac, subtle_u8(job->more), job->more.len) == 1 &&
             EVP_MAC_update(mac, &number, 1) == 1 &&
             EVP_MAC_final(mac, block, &block_len, sizeof block) == 1 &&
             subtle_put(job, block, block_len < job->m - made ? block_len : job->m - made);
        made += block_len;
    }
    OPENSSL_cleanse(block, sizeof block);
    return ok;
}

static bool run_hkdf(struct subtle_job *job)
{
    const EVP_MD *md = subtle_md(job->hash);
    unsigned char prk[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    EVP_MAC *hmac_type;
    EVP_MAC_CTX *mac;
    bool ok;

    if (job->m > 255u * (unsigned)EVP_MD_get_size(md))
        return subtle_fail(job, operation, "more bytes than HKDF makes");
    if (HMAC(md, subtle_u8(job->extra), (int)job->extra.len, subtle_u8(job->key), job->key.len, prk,
            &len) == NULL)
        return subtle_fail(job, operation, "no HMAC");
    hmac_type = EVP_MAC_fetch(NULL, "HMAC", NULL);
    mac = hmac_type == NULL ? NULL : EVP_MAC_CTX_new(hmac_type);
    ok = mac != NULL && expand(job, mac, prk, len);
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(hmac_type);
    OPENSSL_cleanse(prk, sizeof prk);
    return ok || subtle_fail(job, operation, "nothing could be derived");
}

/* ---------------------------------------------------------------- all */

enum { NEEDS_HASH = 1, NEEDS_FAMILY = 2, NEEDS_KEY = 4 };

static const struct {
    bool (*run)(struct subtle_job *job);
    unsigned needs;
} kinds[SUBTLE_KIND_COUNT] = {
    [SUBTLE_DIGEST] = {run_digest, NEEDS_HASH},
    [SUBTLE_HMAC] = {run_hmac, NEEDS_HASH},
    [SUBTLE_HMAC_VERIFY] = {run_hmac, NEEDS_HASH},
    [SUBTLE_CBC_ENCRYPT] = {run_aes, 0},
    [SUBTLE_CBC_DECRYPT] = {run_aes, 0},
    [SUBTLE_CTR] = {run_aes, 0},
    [SUBTLE_GCM_ENCRYPT] = {run_aes, 0},
    [SUBTLE_GCM_DECRYPT] = {run_aes, 0},
    [SUBTLE_WRAP] = {run_aes, 0},
    [SUBTLE_UNWRAP] = {run_aes, 0},
    [SUBTLE_PBKDF2] = {run_pbkdf2, NEEDS_HASH},
    [SUBTLE_HKDF] = {run_hkdf, NEEDS_HASH},
    [SUBTLE_GENERATE] = {subtle_generate, NEEDS_FAMILY},
    [SUBTLE_IMPORT_PUBLIC] = {subtle_import, NEEDS_FAMILY},
    [SUBTLE_IMPORT_PARTS] = {subtle_import, NEEDS_FAMILY | NEEDS_KEY},
    [SUBTLE_IMPORT_SPKI] = {subtle_import, NEEDS_FAMILY},
    [SUBTLE_IMPORT_PKCS8] = {subtle_import, NEEDS_FAMILY},
    [SUBTLE_EXPORT_SPKI] = {subtle_export, NEEDS_FAMILY | NEEDS_KEY},
    [SUBTLE_EXPORT_PKCS8] = {subtle_export, NEEDS_FAMILY | NEEDS_KEY},
    [SUBTLE_SIGN] = {subtle_sign, NEEDS_FAMILY | NEEDS_KEY},
    [SUBTLE_VERIFY] = {subtle_verify, NEEDS_FAMILY | NEEDS_KEY},
    [SUBTLE_OAEP_ENCRYPT] = {subtle_oaep, NEEDS_HASH | NEEDS_FAMILY | NEEDS_KEY},
    [SUBTLE_OAEP_DECRYPT] = {subtle_oaep, NEEDS_HASH | NEEDS_FAMILY | NEEDS_KEY},
    [SUBTLE_DERIVE] = {subtle_derive, NEEDS_FAMILY | NEEDS_KEY},
};

/* What deriving costs, in rounds of PBKDF2: each block of the result reads the salt, or the info, anew. */
static uint64_t rounds_of(const struct subtle_job *job)
{
    uint64_t block = (uint64_t)EVP_MD_get_size(subtle_md(job->hash));
    uint64_t blocks = (job->m + block - 1) / block;

    return job->kind == SUBTLE_PBKDF2 ? blocks * (job->n + job->extra.len / 64)
                                      : blocks * (1 + job->more.len / 64);
}

static bool derives(enum subtle_kind kind)
{
    return kind == SUBTLE_PBKDF2 || kind == SUBTLE_HKDF;
}

static bool reads_a_key(enum subtle_kind kind)
{
    return kind == SUBTLE_IMPORT_PUBLIC || kind == SUBTLE_IMPORT_SPKI ||
           kind == SUBTLE_IMPORT_PKCS8 || kind == SUBTLE_DERIVE;
}

static bool check_sizes(struct subtle_job *job)
{
    size_t most = SUBTLE_BYTES_MAX;

    if (job->key.len > most || job->data.len > most || job->extra.len > most ||
        job->more.len > most ||
        job->key.len + job->data.len + job->extra.len + job->more.len > most)
        return subtle_fail(job, operation, "more than 48 MiB for one operation");
    if ((kinds[job->kind].needs & NEEDS_KEY) != 0 && job->key.len > SUBTLE_KEY_MAX)
        return subtle_fail(job, operation, "the key is too long");
    if (reads_a_key(job->kind) && job->data.len > SUBTLE_KEY_MAX)
        return subtle_fail(job, "DataError", "the key is too long");
    if (job->m > SUBTLE_MADE_MAX)
        return subtle_fail(job, operation, "more than 65,536 bytes are to be derived at once");
    return true;
}

bool subtle_check(struct subtle_job *job)
{
    job->len = 0;
    job->error = job->why = NULL;
    if (job->kind >= SUBTLE_KIND_COUNT || kinds[job->kind].run == NULL ||
        job->hash >= SUBTLE_HASH_COUNT || job->family >= SUBTLE_FAMILY_COUNT ||
        ((kinds[job->kind].needs & NEEDS_HASH) != 0 && job->hash == SUBTLE_NO_HASH) ||
        ((kinds[job->kind].needs & NEEDS_FAMILY) != 0 && job->family == SUBTLE_NO_FAMILY))
        return subtle_fail(job, "NotSupportedError", "no such operation");
    if (!check_sizes(job))
        return false;
    if (job->kind == SUBTLE_PBKDF2 && job->n == 0)
        return subtle_fail(job, operation, "PBKDF2 without rounds");
    if (derives(job->kind) && rounds_of(job) > SUBTLE_ROUNDS_MAX)
        return subtle_fail(job, operation,
            job->kind == SUBTLE_PBKDF2 ? "more than 10,000,000 rounds of PBKDF2"
                                       : "so much info for so many bytes takes HKDF too long");
    return true;
}

size_t subtle_room(const struct subtle_job *job)
{
    size_t made = job->kind == SUBTLE_GENERATE ? 8192 : 1024;

    return made + job->key.len + job->data.len + job->m;
}

/* Measured: a signature of RSA takes 0.25 ms with 2,048 bits and 3.7 with 4,096, a check of one 0.06 with 4,096. */
static bool rsa_is_long(const struct subtle_job *job)
{
    uint32_t bits = subtle_rsa_bits(job->key);

    return subtle_is_private(job->key) ? bits > 2048 : bits > 4096;
}

bool subtle_is_long(const struct subtle_job *job)
{
    if (job->key.len + job->data.len + job->extra.len + job->more.len > 65536)
        return true;
    switch (job->kind) {
    case SUBTLE_GENERATE: return job->family == SUBTLE_RSA || job->family == SUBTLE_RSA_PSS;
    case SUBTLE_PBKDF2:
    case SUBTLE_HKDF: return rounds_of(job) > 1000;
    case SUBTLE_SIGN:
    case SUBTLE_VERIFY:
    case SUBTLE_OAEP_ENCRYPT:
    case SUBTLE_OAEP_DECRYPT: return job->family <= SUBTLE_RSA_PSS && rsa_is_long(job);
    default: return false;
    }
}

void subtle_run(struct subtle_job *job)
{
    job->len = 0;
    if (!kinds[job->kind].run(job))
        (void)subtle_fail(job, operation, "the operation has failed");
    if (job->error != NULL)
        job->len = 0;
    ERR_clear_error();
}
