/**
 * base/base64.h - Base64 (RFC 4648), the standard alphabet and the one for URLs.
 *
 * Reading is strict: no foreign characters, no bits left over that are not zero, padding only where it belongs; so a text
 * has one meaning and bytes have one text.
 */
#ifndef ANQA_BASE_BASE64_H
#define ANQA_BASE_BASE64_H

#include <anqa/base.h>

/* To be added. */
enum {
    BASE64_URL = 1,   /* "-" and "_" in place of "+" and "/" */
    BASE64_NO_PAD = 2 /* "=" at the end is neither written nor read */
};

/** What `len` bytes become at most. */
static inline size_t base64_encoded_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

/** What `len` characters become at most. */
static inline size_t base64_decoded_len(size_t len)
{
    return len / 4 * 3 + 2;
}

/** Writes bytes as text, which has no NUL at its end; returns its length. out: base64_encoded_len bytes. */
size_t base64_encode(const void *bytes, size_t len, unsigned flags, char *out);

/** Reads text; out: base64_decoded_len bytes, may be the text itself. Fails: E_PARSE. */
anqa_status base64_decode(
    anqa_str text, unsigned flags, void *out, size_t *ret_len) ANQA_MUST_CHECK;

#endif
