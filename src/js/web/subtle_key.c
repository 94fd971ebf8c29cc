/* Keys of two halves: made, read, written and used. */
#include "js/web/subtle_int.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <time.h>

static const char operation[] = "OperationError", data_error[] = "DataError";

enum { FIELD_MAX = 66, POINT_MAX = 1 + 2 * FIELD_MAX, OKP_LEN = 32, ED_SIGNATURE = 64 };

/* ---------------------------------------------------------------- families */

static const struct {
    const char *group; /* as OpenSSL calls it */
    int nid;
    uint32_t field; /* bytes */
} curves[SUBTLE_FAMILY_COUNT] = {
    [SUBTLE_P256] = {"prime256v1", NID_X9_62_prime256v1, 32},
    [SUBTLE_P384] = {"secp384r1", NID_secp384r1, 48},
    [SUBTLE_P521] = {"secp521r1", NID_secp521r1, 66},
};

static bool is_rsa(enum subtle_family family)
{
    return family == SUBTLE_RSA || family == SUBTLE_RSA_PSS;
}

static bool is_curve(enum subtle_family family)
{
    return curves[family].field != 0;
}

static int okp_type(enum subtle_family family)
{
    return family == SUBTLE_ED25519 ? EVP_PKEY_ED25519 : EVP_PKEY_X25519;
}

static bool is_okp(enum subtle_family family)
{
    return family == SUBTLE_ED25519 || family == SUBTLE_X25519;
}

static int type_of(enum subtle_family family)
{
    return is_rsa(family) ? EVP_PKEY_RSA : is_curve(family) ? EVP_PKEY_EC : okp_type(family);
}

/* ---------------------------------------------------------------- parts */

static bool parts_read(anqa_str key, struct parts *ret_parts)
{
    const unsigned char *at = subtle_u8(key);
    size_t left = key.len;

    ret_parts->count = 0;
    while (left > 0) {
        size_t len;
        if (left < 4 || ret_parts->count == SUBTLE_PARTS_MAX)
            return false;
        len = at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
        at += 4;
        left -= 4;
        if (len == 0 || len > left)
            return false;
        ret_parts->at[ret_parts->count++] = anqa_str_make((const char *)at, len);
        at += len;
        left -= len;
    }
    return ret_parts->count > 0;
}

static unsigned char *part_next(struct subtle_job *job, size_t len)
{
    unsigned char head[4] = {(unsigned char)len, (unsigned char)(len >> 8),
        (unsigned char)(len >> 16), (unsigned char)(len >> 24)};

    return subtle_put(job, head, sizeof head) ? subtle_next(job, len) : NULL;
}

static bool part_put(struct subtle_job *job, const void *bytes, size_t len)
{
    unsigned char *at = part_next(job, len);

    if (at != NULL)
        memcpy(at, bytes, len);
    return at != NULL;
}

static uint32_t bits_of(anqa_str number)
{
    const unsigned char *at = subtle_u8(number);
    size_t len = number.len;
    uint32_t bits = 0;

    while (len > 0 && *at == 0) {
        at++;
        len--;
    }
    if (len == 0 || len > SUBTLE_KEY_MAX)
        return 0;
    for (unsigned top = *at; top != 0; top >>= 1)
        bits++;
    return bits + 8 * ((uint32_t)len - 1);
}

uint32_t subtle_rsa_bits(anqa_str key)
{
    struct parts parts;

    return parts_read(key, &parts) ? bits_of(parts.at[0]) : 0;
}

bool subtle_is_private(anqa_str key)
{
    struct parts parts;

    return parts_read(key, &parts) && parts.count > 2;
}

/* ---------------------------------------------------------------- parts -> EVP_PKEY */

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params, bool private)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) !=
            1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static bool is_odd(anqa_str number)
{
    return number.len > 0 && (number.ptr[number.len - 1] & 1) != 0;
}

/* Of a private key: no number is longer than it must be, and primes are odd, as Montgomery's method wants them. */
static bool halves_are_sound(const struct parts *parts, uint32_t bits)
{
    const anqa_str *d = &parts->at[2], *p = &parts->at[3], *q = &parts->at[4];

    for (uint32_t i = 2; i < parts->count; i++)
        if (bits_of(parts->at[i]) == 0)
            return false;
    return is_odd(*p) && is_odd(*q) && bits_of(*p) > 1 && bits_of(*q) > 1 &&
           bits_of(*p) + bits_of(*q) <= bits + 1 && bits_of(*d) <= bits &&
           bits_of(parts->at[5]) <= bits_of(*p) && bits_of(parts->at[6]) <= bits_of(*q) &&
           bits_of(parts->at[7]) <= bits_of(*p);
}

/* What OpenSSL takes time or memory for, or does not look at. */
static bool rsa_is_sound(const struct parts *parts)
{
    uint32_t bits = bits_of(parts->at[0]);

    if ((parts->count != 2 && parts->count != SUBTLE_PARTS_MAX) || bits < 256 ||
        bits > SUBTLE_RSA_BITS_MAX || !is_odd(parts->at[0]) || !is_odd(parts->at[1]) ||
        bits_of(parts->at[1]) < 2 || bits_of(parts->at[1]) > 64)
        return false;
    return parts->count == 2 || halves_are_sound(parts, bits);
}

/* Numbers of OSSL_PARAM have the least byte first. `copy` has room for it. */
static OSSL_PARAM number_param(const char *name, anqa_str number, unsigned char *copy)
{
    for (size_t i = 0; i < number.len; i++)
        copy[i] = (unsigned char)number.ptr[number.len - 1 - i];
    return OSSL_PARAM_construct_BN(name, copy, number.len);
}

static EVP_PKEY *rsa_key(const struct parts *parts, size_t len)
{
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
        OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
        OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
        OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
    OSSL_PARAM params[SUBTLE_PARTS_MAX + 1];
    unsigned char *copy;
    size_t at = 0;
    EVP_PKEY *pkey;

    if (!rsa_is_sound(parts))
        return NULL;
    copy = OPENSSL_malloc(len);
    if (copy == NULL)
        return NULL;
    for (uint32_t i = 0; i < parts->count; i++) {
        params[i] = number_param(names[i], parts->at[i], copy + at);
        at += parts->at[i].len;
    }
    params[parts->count] = OSSL_PARAM_construct_end();
    pkey = from_params("RSA", params, parts->count > 2);
    OPENSSL_clear_free(copy, len);
    return pkey;
}

static EVP_PKEY *curve_key(enum subtle_family family, const struct parts *parts)
{
    OSSL_PARAM params[4];
    unsigned char copy[FIELD_MAX];
    uint32_t count = 0;
    EVP_PKEY *pkey;

    if (parts->count > 2 || parts->at[0].len > POINT_MAX ||
        (parts->count == 2 && parts->at[1].len != curves[family].field))
        return NULL;
    params[count++] = OSSL_PARAM_construct_utf8_string(
        OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)curves[family].group, 0);
    params[count++] = OSSL_PARAM_construct_octet_string(
        OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)parts->at[0].ptr, parts->at[0].len);
    if (parts->count == 2)
        params[count++] = number_param(OSSL_PKEY_PARAM_PRIV_KEY, parts->at[1], copy);
    params[count] = OSSL_PARAM_construct_end();
    pkey = from_params("EC", params, parts->count == 2);
    OPENSSL_cleanse(copy, sizeof copy);
    return pkey;
}

static EVP_PKEY *okp_key(enum subtle_family family, const struct parts *parts)
{
    if (parts->count > 2 || parts->at[0].len != OKP_LEN ||
        (parts->count == 2 && parts->at[1].len != OKP_LEN))
        return NULL;
    if (parts->count == 2)
        return EVP_PKEY_new_raw_private_key(
            okp_type(family), NULL, subtle_u8(parts->at[1]), OKP_LEN);
    return EVP_PKEY_new_raw_public_key(okp_type(family), NULL, subtle_u8(parts->at[0]), OKP_LEN);
}

static EVP_PKEY *key_of(enum subtle_family family, const struct parts *parts, size_t len)
{
    if (is_rsa(family))
        return rsa_key(parts, len);
    return is_curve(family) ? curve_key(family, parts) : okp_key(family, parts);
}

/* The job's key; NULL: it is none, or not the half that is needed, and the job has failed. */
static EVP_PKEY *job_key(struct subtle_job *job, bool private)
{
    struct parts parts;
    EVP_PKEY *pkey = NULL;
    uint32_t few = is_rsa(job->family) ? 2 : 1;

    if (parts_read(job->key, &parts) && (!private || parts.count > few))
        pkey = key_of(job->family, &parts, job->key.len);
    if (pkey == NULL)
        subtle_fail(job, operation, "the key is unusable");
    return pkey;
}

/* ---------------------------------------------------------------- EVP_PKEY -> parts */

static bool put_number(struct subtle_job *job, EVP_PKEY *pkey, const char *name, size_t width)
{
    BIGNUM *number = NULL;
    unsigned char *at = NULL;

    if (EVP_PKEY_get_bn_param(pkey, name, &number) == 1) {
        if (width == 0)
            width = BN_is_zero(number) ? 1 : (size_t)BN_num_bytes(number);
        at = part_next(job, width);
        if (at != NULL && BN_bn2binpad(number, at, (int)width) < 0)
            at = NULL;
    }
    BN_clear_free(number);
    return at != NULL;
}

static bool put_point(struct subtle_job *job, EVP_PKEY *pkey, uint32_t field)
{
    unsigned char *at = part_next(job, 1 + 2 * (size_t)field);
    BIGNUM *x = NULL, *y = NULL;
    bool ok = at != NULL && EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
              EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
              BN_bn2binpad(x, at + 1, (int)field) > 0 &&
              BN_bn2binpad(y, at + 1 + field, (int)field) > 0;

    if (ok)
        at[0] = 4;
    BN_free(x);
    BN_free(y);
    return ok;
}

static bool put_okp(struct subtle_job *job, EVP_PKEY *pkey, bool private)
{
    unsigned char bytes[OKP_LEN];
    size_t len = sizeof bytes;
    bool ok = (private ? EVP_PKEY_get_raw_private_key(pkey, bytes, &len)
                       : EVP_PKEY_get_raw_public_key(pkey, bytes, &len)) == 1 &&
              part_put(job, bytes, len);

    OPENSSL_cleanse(bytes, sizeof bytes);
    return ok;
}

static bool put_rsa(struct subtle_job *job, EVP_PKEY *pkey, bool private)
{
    return put_number(job, pkey, OSSL_PKEY_PARAM_RSA_N, 0) &&
           put_number(job, pkey, OSSL_PKEY_PARAM_RSA_E, 0) &&
           (!private || (put_number(job, pkey, OSSL_PKEY_PARAM_RSA_D, 0) &&
                            put_number(job, pkey, OSSL_PKEY_PARAM_RSA_FACTOR1, 0) &&
                            put_number(job, pkey, OSSL_PKEY_PARAM_RSA_FACTOR2, 0) &&
                            put_number(job, pkey, OSSL_PKEY_PARAM_RSA_EXPONENT1, 0) &&
                            put_number(job, pkey, OSSL_PKEY_PARAM_RSA_EXPONENT2, 0) &&
                            put_number(job, pkey, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, 0)));
}

static bool put_key(struct subtle_job *job, EVP_PKEY *pkey, bool private)
{
    uint32_t field = curves[job->family].field;

    if (is_rsa(job->family))
        return put_rsa(job, pkey, private);
    if (field == 0)
        return put_okp(job, pkey, false) && (!private || put_okp(job, pkey, true));
    return put_point(job, pkey, field) &&
           (!private || put_number(job, pkey, OSSL_PKEY_PARAM_PRIV_KEY, field));
}

/* ---------------------------------------------------------------- made */

static int stop_when_late(EVP_PKEY_CTX *ctx)
{
    const time_t *end = EVP_PKEY_CTX_get_app_data(ctx);
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec < *end;
}

static EVP_PKEY *make_rsa(uint32_t bits, BIGNUM *exponent, uint32_t seconds)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;
    struct timespec now;
    time_t end;

    clock_gettime(CLOCK_MONOTONIC, &now);
    end = now.tv_sec + seconds;
    if (ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits) == 1 &&
        EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, exponent) == 1) {
        EVP_PKEY_CTX_set_app_data(ctx, &end);
        EVP_PKEY_CTX_set_cb(ctx, stop_when_late);
        if (EVP_PKEY_generate(ctx, &pkey) != 1)
            pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static bool generate_rsa(struct subtle_job *job)
{
    BIGNUM *exponent;
    EVP_PKEY *pkey = NULL;
    bool ok;

    if (job->n < 512 || job->n > SUBTLE_RSA_MADE_MAX)
        return subtle_fail(job, operation, "RSA keys are made with 512 to 8,192 bits");
    if (!is_odd(job->data) || bits_of(job->data) < 2 || bits_of(job->data) > 64)
        return subtle_fail(job, operation, "no public exponent");
    exponent = BN_bin2bn(subtle_u8(job->data), (int)job->data.len, NULL);
    if (exponent != NULL)
        pkey = make_rsa(job->n, exponent, job->seconds);
    BN_free(exponent);
    ok = pkey != NULL && put_rsa(job, pkey, true);
    EVP_PKEY_free(pkey);
    return ok || subtle_fail(job, operation, "no key could be made");
}

/* FIPS 186-4, B.4.1: 64 bits more than needed leave nothing to be seen of the remainder. */
static bool scalar_of(const EC_GROUP *group, anqa_str seed, BIGNUM *ret_d, BN_CTX *ctx)
{
    size_t wanted = ((size_t)EC_GROUP_order_bits(group) + 7) / 8 + 8;
    BIGNUM *less = BN_dup(EC_GROUP_get0_order(group));
    bool ok = less != NULL && wanted <= seed.len && BN_sub_word(less, 1) == 1 &&
              BN_bin2bn(subtle_u8(seed), (int)wanted, ret_d) != NULL &&
              BN_mod(ret_d, ret_d, less, ctx) == 1 && BN_add_word(ret_d, 1) == 1;

    BN_free(less);
    return ok;
}

static bool put_pair(struct subtle_job *job, const EC_GROUP *group, EC_POINT *point, BIGNUM *d,
    BN_CTX *ctx, uint32_t field)
{
    unsigned char bytes[POINT_MAX];
    size_t len;
    unsigned char *at;

    BN_set_flags(d, BN_FLG_CONSTTIME);
    if (EC_POINT_mul(group, point, d, NULL, NULL, ctx) != 1)
        return false;
    len = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, bytes, sizeof bytes, ctx);
    if (len == 0 || !part_put(job, bytes, len))
        return false;
    at = part_next(job, field);
    return at != NULL && BN_bn2binpad(d, at, (int)field) > 0;
}

/* From the seed alone, so that runs with a seed repeat it: OpenSSL's own way takes its own random bytes. */
static bool generate_curve(struct subtle_job *job)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(curves[job->family].nid);
    EC_POINT *point = group == NULL ? NULL : EC_POINT_new(group);
    BN_CTX *ctx = BN_CTX_secure_new();
    BIGNUM *d = BN_new();
    bool ok = point != NULL && ctx != NULL && d != NULL && scalar_of(group, job->extra, d, ctx) &&
              put_pair(job, group, point, d, ctx, curves[job->family].field);

    BN_clear_free(d);
    BN_CTX_free(ctx);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return ok || subtle_fail(job, operation, "no key could be made");
}

static bool generate_okp(struct subtle_job *job)
{
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_private_key(okp_type(job->family), NULL, subtle_u8(job->extra), OKP_LEN);
    bool ok = pkey != NULL && put_key(job, pkey, true);

    EVP_PKEY_free(pkey);
    return ok || subtle_fail(job, operation, "no key could be made");
}

bool subtle_generate(struct subtle_job *job)
{
    if (is_rsa(job->family))
        return generate_rsa(job);
    if (job->extra.len != SUBTLE_SEED)
        return subtle_fail(job, operation, "no seed");
    return is_curve(job->family) ? generate_curve(job) : generate_okp(job);
}

/* ---------------------------------------------------------------- read and written */

/* Asked before the key itself is read: to read one of another algorithm may take OpenSSL minutes. */
static bool is_algorithm_of(const X509_ALGOR *algorithm, enum subtle_family family)
{
    const ASN1_OBJECT *object;
    const void *parameter;
    int type;

    X509_ALGOR_get0(&object, &type, &parameter, algorithm);
    if (OBJ_obj2nid(object) != type_of(family))
        return false;
    return !is_curve(family) ||
           (type == V_ASN1_OBJECT && OBJ_obj2nid(parameter) == curves[family].nid);
}

/* OpenSSL reads the key with what is around it: so the algorithm is read apart, and first. */
static bool spki_is_of(anqa_str data, enum subtle_family family)
{
    const unsigned char *at = subtle_u8(data);
    X509_ALGOR *algorithm = NULL;
    long len = 0;
    int tag = 0, class = 0;
    bool ok;

    if (ASN1_get_object(&at, &len, &tag, &class, (long)data.len) == V_ASN1_CONSTRUCTED &&
        tag == V_ASN1_SEQUENCE && class == V_ASN1_UNIVERSAL)
        algorithm = d2i_X509_ALGOR(NULL, &at, len);
    ok = algorithm != NULL && is_algorithm_of(algorithm, family);
    X509_ALGOR_free(algorithm);
    return ok;
}

static EVP_PKEY *read_spki(anqa_str data, enum subtle_family family)
{
    const unsigned char *at = subtle_u8(data), *end = at + data.len;
    EVP_PKEY *pkey = spki_is_of(data, family) ? d2i_PUBKEY(NULL, &at, (long)data.len) : NULL;

    if (pkey != NULL && at == end)
        return pkey;
    EVP_PKEY_free(pkey);
    return NULL;
}

static EVP_PKEY *read_pkcs8(anqa_str data, enum subtle_family family)
{
    const unsigned char *at = subtle_u8(data), *end = at + data.len;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)data.len);
    const X509_ALGOR *algorithm = NULL;
    EVP_PKEY *pkey = NULL;

    if (info != NULL && at == end && PKCS8_pkey_get0(NULL, NULL, NULL, &algorithm, info) == 1 &&
        is_algorithm_of(algorithm, family))
        pkey = EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info); /* overwrites the key's octets */
    return pkey;
}

static bool is_of_family(EVP_PKEY *pkey, enum subtle_family family)
{
    char group[32];
    size_t len = 0;

    if (EVP_PKEY_get_base_id(pkey) != type_of(family))
        return false;
    return !is_curve(family) || (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME,
                                     group, sizeof group, &len) == 1 &&
                                    strcmp(group, curves[family].group) == 0);
}

/* What reading has not looked at: that a point is one, that the halves belong together. */
static bool is_consistent(EVP_PKEY *pkey, enum subtle_family family, bool private)
{
    EVP_PKEY_CTX *ctx;
    bool ok;

    if (!is_curve(family))
        return true;
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    ok = ctx != NULL && EVP_PKEY_public_check(ctx) == 1 &&
         (!private || (EVP_PKEY_private_check(ctx) == 1 && EVP_PKEY_pairwise_check(ctx) == 1));
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

/* The parts of an RSA key that was read in another form, as strict as those that come as parts. */
static bool rsa_result_is_sound(const struct subtle_job *job)
{
    struct parts parts;

    return parts_read(anqa_str_make((const char *)job->out, job->len), &parts) &&
           rsa_is_sound(&parts);
}

static EVP_PKEY *read_parts(const struct subtle_job *job, bool *ret_private)
{
    struct parts parts;

    if (job->kind == SUBTLE_IMPORT_PUBLIC) {
        parts.count = 1;
        parts.at[0] = job->data;
        *ret_private = false;
        return is_rsa(job->family) || job->data.len == 0
                   ? NULL
                   : key_of(job->family, &parts, job->data.len);
    }
    if (!parts_read(job->key, &parts))
        return NULL;
    *ret_private = parts.count > (is_rsa(job->family) ? 2 : 1);
    return key_of(job->family, &parts, job->key.len);
}

/* The public half of an OKP key is made from the private one: they must be the same. */
static bool has_its_public_half(const struct subtle_job *job)
{
    struct parts given, made;

    return job->kind != SUBTLE_IMPORT_PARTS || !is_okp(job->family) ||
           (parts_read(job->key, &given) &&
               parts_read(anqa_str_make((const char *)job->out, job->len), &made) &&
               memcmp(given.at[0].ptr, made.at[0].ptr, OKP_LEN) == 0);
}

bool subtle_import(struct subtle_job *job)
{
    bool private = job->kind == SUBTLE_IMPORT_PKCS8, ok;
    EVP_PKEY *pkey;

    switch (job->kind) {
    case SUBTLE_IMPORT_SPKI: pkey = read_spki(job->data, job->family); break;
    case SUBTLE_IMPORT_PKCS8: pkey = read_pkcs8(job->data, job->family); break;
    default: pkey = read_parts(job, &private); break;
    }
    ok = pkey != NULL && is_of_family(pkey, job->family) &&
         is_consistent(pkey, job->family, private) && put_key(job, pkey, private) &&
         (!is_rsa(job->family) || rsa_result_is_sound(job)) && has_its_public_half(job);
    EVP_PKEY_free(pkey);
    return ok || subtle_fail(job, data_error, "the key is malformed, or another one");
}

static int write_pkcs8(EVP_PKEY *pkey, unsigned char **ret_der)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
    int len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, ret_der);

    PKCS8_PRIV_KEY_INFO_free(info);
    return len;
}

bool subtle_export(struct subtle_job *job)
{
    bool private = job->kind == SUBTLE_EXPORT_PKCS8, ok;
    EVP_PKEY *pkey = job_key(job, private);
    unsigned char *der = NULL;
    int len = -1;

    if (pkey != NULL)
        len = private ? write_pkcs8(pkey, &der) : i2d_PUBKEY(pkey, &der);
    ok = len > 0 && subtle_put(job, der, (size_t)len);
    if (len > 0)
        OPENSSL_clear_free(der, (size_t)len);
    EVP_PKEY_free(pkey);
    return ok;
}

/* ---------------------------------------------------------------- signatures */

/* Hash and padding. */
static bool prepare(const struct subtle_job *job, EVP_PKEY_CTX *ctx)
{
    if (job->family == SUBTLE_RSA)
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    return job->family != SUBTLE_RSA_PSS ||
           (job->n <= INT32_MAX && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, subtle_md(job->hash)) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)job->n) == 1);
}

static bool may_sign(struct subtle_job *job)
{
    if (job->family == SUBTLE_X25519 ||
        (job->family == SUBTLE_ED25519) != (job->hash == SUBTLE_NO_HASH))
        return subtle_fail(job, "NotSupportedError", "no such signature");
    return true;
}

/* An ECDSA signature is r and s here, DER there. */
static bool put_curve_signature(
    struct subtle_job *job, const unsigned char *der, size_t len, uint32_t field)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    unsigned char *at = sig == NULL ? NULL : subtle_next(job, 2 * (size_t)field);
    bool ok = at != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), at, (int)field) > 0 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), at + field, (int)field) > 0;

    ECDSA_SIG_free(sig);
    return ok;
}

static unsigned char *curve_signature_der(anqa_str raw, uint32_t field, int *ret_len)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(subtle_u8(raw), (int)field, NULL),
           *s = BN_bin2bn(subtle_u8(raw) + field, (int)field, NULL);
    unsigned char *der = NULL;

    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; /* handed over */
        *ret_len = i2d_ECDSA_SIG(sig, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return der;
}

static bool sign(struct subtle_job *job, EVP_MD_CTX *ctx, EVP_PKEY *pkey)
{
    unsigned char signature[SUBTLE_RSA_BITS_MAX / 8];
    size_t len = sizeof signature;
    EVP_PKEY_CTX *options;

    if (EVP_DigestSignInit(ctx, &options, subtle_md(job->hash), NULL, pkey) != 1 ||
        !prepare(job, options) ||
        EVP_DigestSign(ctx, signature, &len, subtle_u8(job->data), job->data.len) != 1)
        return false;
    if (is_curve(job->family))
        return put_curve_signature(job, signature, len, curves[job->family].field);
    return subtle_put(job, signature, len);
}

bool subtle_sign(struct subtle_job *job)
{
    EVP_PKEY *pkey = may_sign(job) ? job_key(job, true) : NULL;
    EVP_MD_CTX *ctx = pkey == NULL ? NULL : EVP_MD_CTX_new();
    bool ok = ctx != NULL && sign(job, ctx, pkey);

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok || subtle_fail(job, operation, "no signature could be made");
}

static bool is_signed(const struct subtle_job *job, EVP_MD_CTX *ctx, EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *options;
    anqa_str signature = job->extra;
    unsigned char *der = NULL;
    int len = 0;
    bool ok;

    if (is_curve(job->family)) {
        if (signature.len != 2 * (size_t)curves[job->family].field)
            return false;
        der = curve_signature_der(signature, curves[job->family].field, &len);
        if (der == NULL || len <= 0)
            return false;
        signature = anqa_str_make((const char *)der, (size_t)len);
    }
    ok = EVP_DigestVerifyInit(ctx, &options, subtle_md(job->hash), NULL, pkey) == 1 &&
         prepare(job, options) &&
         EVP_DigestVerify(
             ctx, subtle_u8(signature), signature.len, subtle_u8(job->data), job->data.len) == 1;
    OPENSSL_free(der);
    return ok;
}

bool subtle_verify(struct subtle_job *job)
{
    EVP_PKEY *pkey = may_sign(job) ? job_key(job, false) : NULL;
    EVP_MD_CTX *ctx = pkey == NULL ? NULL : EVP_MD_CTX_new();
    bool ok = ctx != NULL && subtle_put(job, is_signed(job, ctx, pkey) ? "\1" : "\0", 1);

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok;
}

/* ---------------------------------------------------------------- RSA-OAEP */

static bool set_label(EVP_PKEY_CTX *ctx, anqa_str label)
{
    void *copy;

    if (label.len == 0)
        return true;
    copy = OPENSSL_memdup(label.ptr, label.len);
    if (copy != NULL && EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)label.len) == 1)
        return true; /* it is OpenSSL's now */
    OPENSSL_free(copy);
    return false;
}

static bool oaep(struct subtle_job *job, EVP_PKEY_CTX *ctx, bool seal)
{
    unsigned char out[SUBTLE_RSA_BITS_MAX / 8];
    size_t len = sizeof out;
    const EVP_MD *md = subtle_md(job->hash);
    bool ok = (seal ? EVP_PKEY_encrypt_init(ctx) : EVP_PKEY_decrypt_init(ctx)) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 &&
              EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1 && set_label(ctx, job->extra) &&
              (seal ? EVP_PKEY_encrypt(ctx, out, &len, subtle_u8(job->data), job->data.len)
                    : EVP_PKEY_decrypt(ctx, out, &len, subtle_u8(job->data), job->data.len)) == 1 &&
              subtle_put(job, out, len);

    OPENSSL_cleanse(out, sizeof out);
    return ok;
}

bool subtle_oaep(struct subtle_job *job)
{
    bool seal = job->kind == SUBTLE_OAEP_ENCRYPT, ok;
    EVP_PKEY *pkey;
    EVP_PKEY_CTX *ctx;

    if (job->family != SUBTLE_RSA)
        return subtle_fail(job, "NotSupportedError", "no such encryption");
    pkey = job_key(job, !seal);
    ctx = pkey == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    /* RFC 8017, 7.1.2: sealed bytes are as long as the modulus; OpenSSL takes fewer as a number */
    ok = ctx != NULL && (seal || job->data.len == (size_t)EVP_PKEY_get_size(pkey)) &&
         oaep(job, ctx, seal);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok || subtle_fail(job, operation, seal ? "cannot be encrypted" : "cannot be decrypted");
}

/* ---------------------------------------------------------------- secrets of two */

static bool derive(struct subtle_job *job, EVP_PKEY_CTX *ctx, EVP_PKEY *other)
{
    unsigned char secret[FIELD_MAX];
    size_t len = sizeof secret;
    bool ok = EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, other) == 1 &&
              EVP_PKEY_derive(ctx, secret, &len) == 1 && subtle_put(job, secret, len);

    OPENSSL_cleanse(secret, sizeof secret);
    return ok;
}

bool subtle_derive(struct subtle_job *job)
{
    struct parts parts = {.count = 1, .at = {job->data}};
    EVP_PKEY *own, *other;
    EVP_PKEY_CTX *ctx;
    bool ok;

    if (job->family != SUBTLE_X25519 && !is_curve(job->family))
        return subtle_fail(job, "NotSupportedError", "no such agreement");
    own = job_key(job, true);
    other = own == NULL || job->data.len == 0 ? NULL : key_of(job->family, &parts, job->data.len);
    ctx = other == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    ok = ctx != NULL && derive(job, ctx, other);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(other);
    EVP_PKEY_free(own);
    return ok || subtle_fail(job, operation, "nothing could be derived");
}
