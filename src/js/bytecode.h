/*
 * Bytecode: what the engine makes of a script's text, kept for programs that start often or have much text.
 *
 *     | "anqa-js\1" | engine: 32 | SHA-256: 32 | name: u32 | code: u32 | name | code |
 *
 * It is for the engine it was made by, which the first half of the SHA-256 of its WebAssembly stands for, and for a script of that name, which stacks and
 * maps go by. The digest, of all behind it, is against accidents. Code that means harm is a sandbox's business: it runs, and
 * is read, where any script does.
 */
#ifndef JS_BYTECODE_H
#define JS_BYTECODE_H

#include "js/js.h" // IWYU pragma: export

#define BYTECODE_MAGIC "anqa-js\1"
#define BYTECODE_HEAD (8 + 32 + 32 + 4 + 4)

/* Finds the code in a script's bytecode. Fails: E_INVALID. */
anqa_status bytecode_check(const anqa_js_script *script, anqa_str *ret_code, anqa_error *err);
/* Writes the digest of `len` bytes of bytecode into their head. */
void bytecode_seal(char *bytes, size_t len);
/* A module, or JS_EXCEPTION. Context: a turn, the image is being made. */
uint64_t bytecode_read(struct js *js, anqa_str code);

/* A request of anqa_js_compile's, to a process that does nothing else. */
bool bytecode_is_request(const anqa_msg *msg);
void bytecode_answer(struct js *js, const anqa_msg *msg);

#endif
