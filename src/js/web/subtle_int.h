/* What subtle.c and subtle_key.c share. */
#ifndef JS_WEB_SUBTLE_INT_H
#define JS_WEB_SUBTLE_INT_H

#include <openssl/types.h>

#include "js/web/subtle.h" // IWYU pragma: export

struct parts {
    uint32_t count;
    anqa_str at[SUBTLE_PARTS_MAX];
};

const EVP_MD *subtle_md(enum subtle_hash hash);
/* Sets an error, unless there is one; false. */
bool subtle_fail(struct subtle_job *job, const char *error, const char *why);
/* Appends to the result. False: there is no room, and the job has failed. */
bool subtle_put(struct subtle_job *job, const void *bytes, size_t len);
/* The next `len` bytes of the result, to be written by somebody else; NULL: as above. */
unsigned char *subtle_next(struct subtle_job *job, size_t len);

/* The jobs with keys of two halves, and those that make or read keys. */
bool subtle_generate(struct subtle_job *job);
bool subtle_import(struct subtle_job *job);
bool subtle_export(struct subtle_job *job);
bool subtle_sign(struct subtle_job *job);
bool subtle_verify(struct subtle_job *job);
bool subtle_oaep(struct subtle_job *job);
bool subtle_derive(struct subtle_job *job);
/* Bits of the modulus of an RSA key, at most; 0: it is none. */
uint32_t subtle_rsa_bits(anqa_str key);
/* Whether the key has the private half. */
bool subtle_is_private(anqa_str key);

static inline const unsigned char *subtle_u8(anqa_str bytes)
{
    static const unsigned char none[1];

    return bytes.len == 0 ? none : (const unsigned char *)bytes.ptr;
}

#endif
