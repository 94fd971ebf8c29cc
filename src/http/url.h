/*
 * What stands in the target of a request: percent-decoding, and the pairs of a query or of a form body.
 *
 * Nothing here allocates. Text without escapes is given back as it is; other text is decoded into room that the caller
 * gives, which is never more than the text is long. Decoded text must be UTF-8, and an escape must be a percent sign with two
 * hexadecimal digits; everything else is refused, never guessed.
 *
 * A key is plain text: `user[name]=x` has the key "user[name]". The last of several pairs with one key counts, as in
 * Plug. Pairs are bounded in number; more are an error, not silently dropped.
 *
 * Any thread; never waits.
 */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include <anqa/base.h>

/* What url_decode takes for granted. */
enum {
    URL_PLUS = 1,    /* '+' stands for a space: queries and forms, not paths */
    URL_NO_NUL = 2,  /* %00 is refused */
    URL_NO_SLASH = 4 /* %2F is refused: a whole path, which is split after it was decoded */
};

/* For a segment of a path and for a whole path. */
#define URL_SEGMENT URL_NO_NUL
#define URL_PATH (URL_NO_NUL | URL_NO_SLASH)

/* out: room for `size` bytes, written only if there are escapes.   ret_text: lies in `raw` or in `out`.
 * Fails: E_PARSE (bad escape, not UTF-8, or refused by a flag), E_LIMIT (does not fit into `size` bytes). */
anqa_status url_decode(
    anqa_str raw, unsigned flags, char *out, size_t size, anqa_str *ret_text) ANQA_MUST_CHECK;

/* ---------------------------------------------------------------- queries */

#define QUERY_PAIRS_MAX 1000

/* Both as they stand in the query: see url_decode with URL_PLUS. A pair without '=' has an empty value. */
struct query_pair {
    anqa_str key, value;
};

struct query_iter {
    anqa_str rest;
    unsigned count; /* pairs given out so far */
    bool refused;   /* it ended because there were more than QUERY_PAIRS_MAX */
};

static inline struct query_iter query_each(anqa_str query)
{
    struct query_iter it = {.rest = query};
    return it;
}

/* The next pair that is not empty (`a=1&&b=2&` has two); false at the end. */
bool query_next(struct query_iter *it, struct query_pair *ret_pair);

#endif
