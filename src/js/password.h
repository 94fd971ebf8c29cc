/*
 * Hashes of passwords as text that says how they were made: "$pbkdf2-sha256$i=600000$<salt>$<key>", in the format of the
 * Password Hashing Competition (Base64 without padding). What was made elsewhere is read too, within these bounds.
 */
#ifndef JS_PASSWORD_H
#define JS_PASSWORD_H

#include "js/js.h" // IWYU pragma: export

#define PASSWORD_ROUNDS 600000u /* unless a script says otherwise */
#define PASSWORD_ROUNDS_LEAST 1000u
#define PASSWORD_ROUNDS_MOST 10000000u
#define PASSWORD_BYTES_MAX 1024u /* of a password */
#define PASSWORD_HASH_MAX 256u   /* bytes of the text */
#define PASSWORD_KEY 32u

struct password {
    uint32_t rounds; /* from 1 */
    uint32_t salt_len;
    unsigned char salt[64]; /* from 8 */
    unsigned char key[PASSWORD_KEY];
};

/* Reads one. False: it is none. */
bool password_read(anqa_str text, struct password *ret_password);
/* Writes one; returns its length. out: PASSWORD_HASH_MAX bytes, without a NUL at the end. */
size_t password_write(const struct password *password, char *out);

/* Beam.password, an operation of boot.js: id, hash (undefined: one is to be made), password, rounds. */
uint64_t password_op(struct js *js, const uint64_t *args);

#endif
