/*
 * What crypto.subtle computes, as functions of bytes over OpenSSL: no process, no engine, nothing that waits. Where the
 * library is built without OpenSSL, each job fails with NotSupportedError.
 *
 * Keys. A secret key is its bytes. Any other is a run of *parts*, each four bytes of length (least first) and so many
 * bytes, numbers with the greatest byte first:
 *
 *     RSA         n e, or n e d p q dp dq qi
 *     P-256, ...  the point (0x04 x y), or the point and d, as long as the field
 *     Ed25519, X25519  the public key, or that and the private one
 *
 * Nothing is trusted: parts may be any bytes, numbers any numbers. What takes longer than a turn should is told by
 * subtle_is_long, which looks at sizes only, so that it can be asked first.
 *
 * Any thread. Secrets in memory of its own are overwritten before that is freed.
 */
#ifndef JS_WEB_SUBTLE_H
#define JS_WEB_SUBTLE_H

#include <anqa/base.h>

/* Numbers are those of crypto.js. */
enum subtle_kind {
    SUBTLE_NO_KIND,
    SUBTLE_DIGEST,
    SUBTLE_HMAC,
    SUBTLE_HMAC_VERIFY, /* extra: the signature. Verifications give one byte: 1 or 0 */
    SUBTLE_CBC_ENCRYPT, /* extra: the iv */
    SUBTLE_CBC_DECRYPT,
    SUBTLE_CTR,         /* both ways; extra: the counter; n: its bits */
    SUBTLE_GCM_ENCRYPT, /* extra: the iv; more: what is authenticated only; n: bits of the tag */
    SUBTLE_GCM_DECRYPT,
    SUBTLE_WRAP,
    SUBTLE_UNWRAP,
    SUBTLE_PBKDF2, /* extra: the salt; n: rounds; m: bytes wanted */
    SUBTLE_HKDF,   /* extra: the salt; more: the info; m: bytes wanted */
    SUBTLE_GENERATE, /* RSA: n bits, data: the public exponent; others: extra is SUBTLE_SEED random bytes */
    SUBTLE_IMPORT_PUBLIC, /* data: a point or public key -> parts */
    SUBTLE_IMPORT_PARTS,  /* key -> parts that fit each other */
    SUBTLE_IMPORT_SPKI,   /* data -> parts */
    SUBTLE_IMPORT_PKCS8,  /* data -> parts */
    SUBTLE_EXPORT_SPKI,   /* key, public */
    SUBTLE_EXPORT_PKCS8,  /* key, private */
    SUBTLE_SIGN,          /* n: for RSA-PSS bytes of the salt */
    SUBTLE_VERIFY,        /* extra: the signature */
    SUBTLE_OAEP_ENCRYPT,  /* extra: the label */
    SUBTLE_OAEP_DECRYPT,
    SUBTLE_DERIVE, /* data: the public key of the other */
    SUBTLE_KIND_COUNT
};

enum subtle_hash {
    SUBTLE_NO_HASH,
    SUBTLE_SHA1,
    SUBTLE_SHA256,
    SUBTLE_SHA384,
    SUBTLE_SHA512,
    SUBTLE_HASH_COUNT
};

enum subtle_family {
    SUBTLE_NO_FAMILY,
    SUBTLE_RSA,     /* RSASSA-PKCS1-v1_5 */
    SUBTLE_RSA_PSS, /* the same keys */
    SUBTLE_P256,
    SUBTLE_P384,
    SUBTLE_P521,
    SUBTLE_ED25519,
    SUBTLE_X25519,
    SUBTLE_FAMILY_COUNT
};

#define SUBTLE_PARTS_MAX 8u
#define SUBTLE_SEED 80u              /* bytes */
#define SUBTLE_RSA_BITS_MAX 16384u   /* of keys that come from outside */
#define SUBTLE_RSA_MADE_MAX 8192u    /* of keys that are made here */
#define SUBTLE_RSA_SECONDS 60u       /* at most, to make one */
#define SUBTLE_ROUNDS_MAX 10000000u  /* that bytes are derived by, see subtle.c */
#define SUBTLE_MADE_MAX 65536u       /* bytes that are derived at once */
#define SUBTLE_BYTES_MAX (48u << 20) /* of everything that a job is given */
#define SUBTLE_KEY_MAX \
    12288u /* bytes of a key, in any form, that is not secret bytes: RSA of 16,384 bits takes 9.3 KiB */

/* Owner: whoever asks. What it points to is borrowed. */
struct subtle_job {
    enum subtle_kind kind;
    enum subtle_hash hash;
    enum subtle_family family;
    uint32_t n, m;
    uint32_t seconds; /* at most, to make an RSA key; others do not look at it */
    anqa_str key, data, extra, more;
    unsigned char
        *out; /* `size` bytes, at least subtle_room; may hold rubbish where the job fails */
    size_t size;
    size_t len;        /* of the result */
    const char *error; /* NULL: there is a result; else the name of a DOMException, static */
    const char *why;   /* in words, static */
};

/* Whether kind, hash, family and sizes are such as jobs have; else error and why are written. */
bool subtle_check(struct subtle_job *job);
/* How many bytes the result needs at most. The job was checked. */
size_t subtle_room(const struct subtle_job *job);
/* Whether it may take longer than about two milliseconds. The job was checked. */
bool subtle_is_long(const struct subtle_job *job);
/* The job was checked, and has room. */
void subtle_run(struct subtle_job *job);
/* Overwrites bytes that were secret. */
void subtle_cleanse(void *bytes, size_t len);

#endif
