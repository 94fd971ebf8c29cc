/**
 * base/siphash.h - a keyed hash for tables whose keys come from outside.
 *
 * An attacker who does not know the key cannot choose names that fall into one slot. This is SipHash-1-3 (one round a
 * word, three at the end), not 2-4: the hashes never leave the process, so what must be hard is finding collisions
 * without seeing one output, and for that the shorter form is what Linux, Rust and Python trust too. It costs about half.
 * Do not use it as a signature.
 */
#ifndef ANQA_BASE_SIPHASH_H
#define ANQA_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};

/** Hash of `len` bytes. Any thread. */
uint64_t siphash(const void *bytes, size_t len, const struct siphash_key *key);

/**
 * The key of this run, drawn from the kernel on the first call; the same for all threads afterwards.
 * When the kernel gives no random bytes (getrandom forbidden by a sandbox) the process aborts: tables that a stranger
 * can flood are not an acceptable way to go on.
 */
const struct siphash_key *siphash_boot_key(void);

/** Takes this key instead, for tests whose tables are to be in the same order again. Before anybody has asked for the key. */
void siphash_fix_boot_key(struct siphash_key key);

#endif
