/*
 * Domain names with characters beyond ASCII, as URLs take them: UTS #46, not transitional, with the rules for joiners and
 * for both directions of writing, without those for hyphens and lengths.
 */
#ifndef JS_WEB_IDNA_H
#define JS_WEB_IDNA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <anqa/base.h>

#define IDNA_CHARACTERS_MAX 1024 /* of a name, at any step */

/* Characters of a name in the making. */
struct idna_name {
    uint32_t at[IDNA_CHARACTERS_MAX];
    size_t count;
};

/* The first step: what each character of UTF-8 text becomes. False: one is not allowed, or there are too many. */
bool idna_map(anqa_str text, struct idna_name *name);
/* The last: a name in NFC as ASCII. ret_len: of what was written, without a NUL. False: it is no name, or is too long. */
bool idna_ascii(const struct idna_name *name, struct idna_name *scratch, char *to, size_t size,
    size_t *ret_len);
/* UTF-8, well-formed. False: too many characters. */
bool idna_read(anqa_str text, struct idna_name *name);
/* As UTF-8; size: at least four for each character. Returns the length. */
size_t idna_write(const struct idna_name *name, char *to);

#endif
