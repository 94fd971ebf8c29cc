/**
 * anqa/token.h - proof that some bytes come from us: signed and encrypted tokens that expire.
 *
 * A page is given a token that names its user, and shows it when its socket connects:
 *
 *     anqa_str token = anqa_token_sign(secret, "user socket", anqa_str_of("42"), NULL);
 *     ...
 *     status = anqa_token_verify(secret, "user socket", token, NULL, &user); // in `connect`
 *
 * Who has a *signed* token can read it, but not make or change one. Who has an *encrypted* one can not read it either. Both
 * expire, after a day unless something else is asked for. The salt says what a token is for; it is no secret, and a token
 * made with one salt is worth nothing with another. A token can not be taken back: keep them short-lived.
 *
 * They are those of Phoenix.Token (Plug.Crypto 2): a Phoenix application with the same secret_key_base and salt makes
 * tokens that are read here, as long as their data is a string or an integer, and reads those made here, as strings.
 *
 * The secret is at least 20 bytes that nobody can guess; 64 random ones are usual. Keys are derived from it by PBKDF2 and
 * the last 64 kept, so that it is cheap but for the first token of a salt.
 *
 * Threads. "Context: process" throughout; results live as long as the current event. Nothing waits. Where the library
 * was built without OpenSSL, making a token ends the process (ERROR) and reading one is E_UNSUPPORTED.
 */
#ifndef ANQA_TOKEN_H
#define ANQA_TOKEN_H

#include <anqa/base.h>

ANQA_BEGIN_DECLS

/** Bytes that a token, and so its data with a third on top, may have. */
#define ANQA_TOKEN_MAX ((size_t)64 << 10)

/** How a token is made or read; NULL stands for all zero. */
typedef struct anqa_token_opts {
    /* seconds; 0: 86,400 when it is made, and what it was made with when it is read. ANQA_INFINITY: does not expire */
    uint32_t max_age_s;
    uint64_t signed_at_s;    /* seconds since 1970; 0: now */
    uint32_t key_iterations; /* of PBKDF2; 0: 1,000 */
} anqa_token_opts;

/** A token that everybody can read and nobody else can make. data: at most 48,000 bytes. Context: process. */
ANQA_API anqa_str anqa_token_sign(
    anqa_str secret, const char *salt, anqa_str data, const anqa_token_opts *opts);
/** A token that nobody else can read or make. data: at most 48,000 bytes. Context: process. */
ANQA_API anqa_str anqa_token_encrypt(
    anqa_str secret, const char *salt, anqa_str data, const anqa_token_opts *opts);

/**
 * The data of a signed token.
 * Fails: E_NOT_FOUND (it is empty: there was none), E_INVALID (not made with this secret and salt, or in the future),
 * E_EXPIRED, E_TYPE (Phoenix made it of something else than a string or an integer), E_UNSUPPORTED.   Context: process.
 */
ANQA_API anqa_status anqa_token_verify(anqa_str secret, const char *salt, anqa_str token,
    const anqa_token_opts *opts, anqa_str *ret_data) ANQA_MUST_CHECK;
/** The data of an encrypted token. Fails: as anqa_token_verify. Context: process. */
ANQA_API anqa_status anqa_token_decrypt(anqa_str secret, const char *salt, anqa_str token,
    const anqa_token_opts *opts, anqa_str *ret_data) ANQA_MUST_CHECK;

/** Whether both have the same bytes, in a time that says nothing about where they differ. Any thread. */
ANQA_API bool anqa_secure_compare(anqa_str a, anqa_str b);

/** `len` random bytes as text for URLs and cookies (Base64, longer by a third). Context: process. */
ANQA_API anqa_str anqa_random_text(size_t len);

ANQA_END_DECLS

#endif
